/* test_report.c: a page that is whole, JSON and a table that agree with the evaluation,
 * hostile names, files that cannot be written, memory that runs out. */
#include "judged_world.h"
#include "page_checker.h"
#include "report/report.h"
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

static const rj_net_config config = {"small", "octaves", 16};

/* A model of no training, and an evaluation as if it had judged the world. */
typedef struct scene {
    world w;
    place p;
    rij_model *m;
    rij_evaluation *e;
} scene;

static scene scene_new(const char *name)
{
    scene s = {.p = place_new(0, 0)};

    OK(rj_model_new(&config, "cpu", 1, 96, &s.m));
    world_new(&s.w);
    if (name)
        add(&s.w, "ant", NULL, "g6", -9, 0);
    if (name) { // the worst miss bears the name
        rj_free(s.w.d.sample[7].path);
        s.w.d.sample[7].path = rj_strdup(name);
        s.w.d.sample[7].name = s.w.d.sample[7].path;
    }
    s.w.decision.a = 1;
    s.m->decision = s.w.decision;
    s.e = judged(&s.w, NULL, 1);
    return s;
}

static void scene_free(scene *s)
{
    rij_evaluation_free(s->e);
    rij_model_free(s->m);
    world_free(&s->w);
    place_free(&s->p);
}

static char *file_of(const char *stem, const char *end)
{
    unsigned char *bytes = NULL;
    char path[256];
    size_t n;

    snprintf(path, sizeof path, "%s.%s", stem, end);
    OK(rj_file_read(path, 1 << 28, &bytes, &n));
    return (char *)bytes;
}

static bool there(const char *stem, const char *end)
{
    char path[256];

    snprintf(path, sizeof path, "%s.%s", stem, end);
    return access(path, F_OK) == 0;
}

static json_t *json_of(const char *stem)
{
    char *text = file_of(stem, "json");
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    ck_assert_msg(root != NULL, "line %d: %s", error.line, error.text);
    rj_free(text);
    return root;
}

static double number(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);

    ck_assert_ptr_nonnull(value);
    return json_is_null(value) ? NAN : json_number_value(value);
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* ---- agreement -------------------------------------------------------------------- */

static void rows_agree(const json_t *root, const rij_evaluation *e)
{
    const json_t *rows = json_object_get(root, "rows");
    rij_evaluation_row row;

    ck_assert_uint_eq(json_array_size(rows), (size_t)rij_evaluation_rows(e));
    for (int i = 0; i < rij_evaluation_rows(e); i++) {
        const json_t *o = json_array_get(rows, (size_t)i);

        OK(rij_evaluation_row_at(e, i, &row));
        ck_assert_str_eq(json_string_value(json_object_get(o, "generator")),
                         row.generator);
        ck_assert_str_eq(json_string_value(json_object_get(o, "column")), row.column);
        ck_assert(number(o, "n_real") == row.n_real && number(o, "n_fake") == row.n_fake);
        ck_assert(same(number(o, "auc"), row.auc) && same(number(o, "ap"), row.ap));
        ck_assert(same(number(o, "auc_low"), row.auc_low));
        ck_assert(same(number(o, "brier"), row.brier) &&
                  same(number(o, "tpr1"), row.tpr1));
        ck_assert(same(number(o, "fake_unsure"), row.fake_unsure));
    }
}

/* The area under the drawn curve is the pooled AUC; it is small enough to be whole. */
static void curves_agree(const json_t *root, const rij_evaluation *e)
{
    for (size_t c = 0; c < COLUMNS; c++) {
        const json_t *column = json_array_get(json_object_get(root, "columns"), c);
        const json_t *roc = json_object_get(column, "roc");
        const json_t *x = json_object_get(roc, "fpr"), *y = json_object_get(roc, "tpr");
        double area = 0;

        for (size_t i = 1; i < json_array_size(x); i++)
            area += (json_number_value(json_array_get(x, i)) -
                     json_number_value(json_array_get(x, i - 1))) *
                    (json_number_value(json_array_get(y, i)) +
                     json_number_value(json_array_get(y, i - 1))) /
                    2;
        IS(area,
           row_of(e, "POOLED", json_string_value(json_object_get(column, "column"))).auc);
        IS(json_number_value(json_array_get(x, json_array_size(x) - 1)), 1);
    }
}

static void lines_agree(const char *stem, const rij_evaluation *e)
{
    char *text = file_of(stem, "tsv"), *at = text, *line = rj_next_line(&at);
    rij_evaluation_image image;
    int n = 0;

    ck_assert_str_eq(line,
                     "path\tlabel\tgenerator\tsource\tcolumn\tmargin\tscore\tanswer");
    for (line = rj_next_line(&at); line && *line; line = rj_next_line(&at), n++) {
        OK(rij_evaluation_image_at(e, n, &image));
        ck_assert_str_eq(rj_next_piece(&line, '\t'), image.path);
        ck_assert_str_eq(rj_next_piece(&line, '\t'), image.generated ? "fake" : "real");
        ck_assert_str_eq(rj_next_piece(&line, '\t'),
                         image.generated ? image.generator : "-");
        ck_assert_str_eq(rj_next_piece(&line, '\t'),
                         image.source[0] ? image.source : "-");
        ck_assert_str_eq(rj_next_piece(&line, '\t'), image.column);
        ck_assert_double_eq_tol(strtod(rj_next_piece(&line, '\t'), NULL), image.margin,
                                1e-6);
        ck_assert_double_eq_tol(strtod(rj_next_piece(&line, '\t'), NULL), image.score,
                                1e-6);
        ck_assert_str_eq(line, "-"); // no calibration, no answer
    }
    ck_assert_int_eq(n, rij_evaluation_images(e));
    rj_free(text);
}

START_TEST(the_three_files_agree_with_the_evaluation)
{
    scene s = scene_new(NULL);
    const char *stem = under(&s.p, "report");
    json_t *root;
    char *page;

    OK(rij_report_write(s.m, s.e, NULL, stem));
    ck_assert_int_eq(rij_evaluation_images(s.e), 14);
    root = json_of(stem);
    rows_agree(root, s.e);
    curves_agree(root, s.e);
    ck_assert(number(json_object_get(root, "data"), "false_alarms") == 1); // sea, 1
    ck_assert(number(json_object_get(root, "data"), "missed") == 1);       // bee, -2.5
    ck_assert(json_is_null(json_object_get(root, "audit")));
    lines_agree(stem, s.e);
    page = file_of(stem, "html");
    page_holds(page);
    ck_assert_ptr_nonnull(strstr(page, "1 of 4 photographs were called generated"));
    ck_assert_ptr_nonnull(strstr(page, "no calibration"));
    ck_assert_ptr_nonnull(strstr(page, "This model file holds no card"));
    ck_assert_ptr_null(strstr(page, "<script"));
    ck_assert_ptr_null(strstr(page, "Audit of the data"));
    json_decref(root);
    rj_free(page);
    scene_free(&s);
}
END_TEST

/* ---- names ------------------------------------------------------------------------ */

START_TEST(hostile_names_are_text)
{
    static const char name[] =
        "a<script>alert('x')</script>&\"\xff\x01\xc2\x85\xef\xbf\xbf\t\n\\z\xe2\x82";
    scene s = scene_new(name);
    const char *stem = under(&s.p, "report");
    rij_report_options o = RIJ_REPORT_OPTIONS_INIT;
    char *page, *table;
    json_t *root;

    o.title = "\"><img src=x onerror=1>\xc0";
    o.thumbnails = 1; // of a file that is not there
    OK(rj_st_set(&s.m->about, "card.use", "</dd></dl><b>bold\n"));
    OK(rij_report_write(s.m, s.e, &o, stem));
    page = file_of(stem, "html");
    page_holds(page);
    ck_assert_ptr_null(strstr(page, "<script"));
    ck_assert_ptr_null(strstr(page, "<b>"));
    ck_assert_ptr_null(strstr(page, "<img"));
    ck_assert_ptr_nonnull(strstr(page, "a&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"
                                       "&amp;&quot;\xef\xbf\xbd\xef\xbf\xbd"));
    root = json_of(stem); // which json_loads() refuses unless it is UTF-8
    ck_assert_ptr_nonnull(strstr(
        json_string_value(json_object_get(
            json_array_get(json_object_get(json_object_get(root, "worst"), "misses"), 0),
            "path")),
        "a<script>"));
    table = file_of(stem, "tsv");
    ck_assert_ptr_nonnull(strstr(table, "\xef\xbf\xbf\\t\\n\\\\z\xe2\x82\tfake\tant\t"));
    json_decref(root);
    rj_free(page);
    rj_free(table);
    scene_free(&s);
}
END_TEST

/* ---- files ------------------------------------------------------------------------ */

START_TEST(reports_that_cannot_be_written_leave_nothing)
{
    const struct rlimit full = {1 << 12, RLIM_INFINITY};
    static const char *const ends[] = {"html", "json", "tsv"};
    scene s = scene_new(NULL);
    struct rlimit before;
    char stem[200];
    char *old;
    rj_list left = {0};

    snprintf(stem, sizeof stem, "%s/report", s.p.data);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    setrlimit(RLIMIT_FSIZE, &full);
    FAILS(rij_report_write(s.m, s.e, NULL, stem), RIJ_E_FILE);
    setrlimit(RLIMIT_FSIZE, &before);
    FAILS(rij_report_write(s.m, s.e, NULL, under(&s.p, "none/report")), RIJ_E_FILE);
    ck_assert_int_eq(mkdir(under(&s.p, "data/report.tsv"), 0777), 0);
    FAILS(rij_report_write(s.m, s.e, NULL, stem), RIJ_E_FILE);
    OK(rj_folder_list(s.p.data, &left));
    ck_assert_int_eq(left.n, 0);
    rj_list_free(&left);
    ck_assert_int_eq(rmdir(under(&s.p, "data/report.tsv")), 0);
    write_text(under(&s.p, "data/report.html"), "old");
    setrlimit(RLIMIT_FSIZE, &full);
    FAILS(rij_report_write(s.m, s.e, NULL, stem), RIJ_E_FILE);
    setrlimit(RLIMIT_FSIZE, &before);
    old = file_of(stem, "html");
    ck_assert_str_eq(old, "old");
    rj_free(old);
    OK(rij_report_write(s.m, s.e, NULL, stem));
    for (int i = 0; i < 3; i++)
        ck_assert(there(stem, ends[i]));
    scene_free(&s);
}
END_TEST

START_TEST(reports_that_cannot_be_are_refused)
{
    scene s = scene_new(NULL);
    const char *stem = under(&s.p, "report");
    rij_report_options o = RIJ_REPORT_OPTIONS_INIT;
    rij_evaluation_image image = {.margin = 77};

    FAILS(rij_report_write(NULL, s.e, NULL, stem), RIJ_E_ARGUMENT);
    FAILS(rij_report_write(s.m, NULL, NULL, stem), RIJ_E_ARGUMENT);
    FAILS(rij_report_write(s.m, s.e, NULL, NULL), RIJ_E_ARGUMENT);
    o.worst = 201;
    FAILS(rij_report_write(s.m, s.e, &o, stem), RIJ_E_ARGUMENT);
    o.worst = 0;
    o.size--;
    FAILS(rij_report_write(s.m, s.e, &o, stem), RIJ_E_ARGUMENT);
    s.m->decision.b = 1;
    FAILS(rij_report_write(s.m, s.e, NULL, stem), RIJ_E_ARGUMENT);
    ck_assert(!there(stem, "html") && !there(stem, "json") && !there(stem, "tsv"));
    FAILS(rij_evaluation_image_at(s.e, 14, &image), RIJ_E_ARGUMENT);
    FAILS(rij_evaluation_image_at(s.e, -1, &image), RIJ_E_ARGUMENT);
    FAILS(rij_evaluation_image_at(NULL, 0, &image), RIJ_E_ARGUMENT);
    FAILS(rij_evaluation_image_at(s.e, 0, NULL), RIJ_E_ARGUMENT);
    ck_assert(image.margin == 77 && rij_evaluation_images(NULL) == 0);
    scene_free(&s);
}
END_TEST

START_TEST(a_report_survives_every_failing_allocation)
{
    scene s = scene_new(NULL);
    const char *stem = under(&s.p, "report");
    const long live = rj_memory_live();
    bool more = true;
    long made = 0;

    for (long n = 1; more; n++) {
        rij_status status;

        rj_memory_fail_at(n);
        status = rij_report_write(s.m, s.e, NULL, stem);
        made = rj_memory_fail_at(0);
        more = made >= n;
        ck_assert_msg(status == (more ? RIJ_E_MEMORY : RIJ_OK), "%ld of %ld: %s", n, made,
                      rij_status_name(status));
        ck_assert(there(stem, "html") == (status == RIJ_OK));
        ck_assert_int_eq(rj_memory_live(), live);
    }
    ck_assert_int_gt(made, 15);
    scene_free(&s);
}
END_TEST

/* ---- size ------------------------------------------------------------------------- */

START_TEST(a_hundred_thousand_images_make_no_large_page)
{
    enum { N = 100000 };
    scene s = scene_new(NULL);
    const char *stem = under(&s.p, "report");
    rij_evaluation *e = s.e;
    const rj_judged_image real = e->image[0], fake = e->image[1];
    char *page, *json;

    rj_free(e->image);
    rj_free(e->margin);
    rj_free(e->answer);
    e->images = N;
    e->image = rj_alloc(N, sizeof *e->image);
    e->margin = rj_alloc(N * COLUMNS, sizeof *e->margin);
    e->answer = rj_alloc(N * COLUMNS, 2 + RIJ_SHIPPINGS);
    e->answered = true;
    ck_assert(e->image && e->margin && e->answer);
    for (int i = 0; i < N; i++) {
        rj_random r = rj_random_start(3, RJ_STREAM_TEST, (uint64_t)i);

        e->image[i] = i % 3 ? fake : real;
        for (int c = 0; c < COLUMNS; c++)
            e->margin[i * COLUMNS + c] = rj_random_normal(&r) + (i % 3 ? 1 : -1);
    }
    OK(rij_report_write(s.m, e, NULL, stem));
    page = file_of(stem, "html");
    json = file_of(stem, "json");
    page_holds(page);
    ck_assert_uint_lt(strlen(page), 150000);
    ck_assert_uint_lt(strlen(json), 150000);
    ck_assert_ptr_nonnull(strstr(page, "66,666 generated images"));
    ck_assert_ptr_nonnull(strstr(page, "the TSV beside this page has every image"));
    rj_free(page);
    rj_free(json);
    scene_free(&s);
}
END_TEST

/* ---- whole ------------------------------------------------------------------------ */

/* A real evaluation with the strip, an audit and thumbnails, judged by one thread and by
 * three, is the same to the last byte; and the calibration answers. */
START_TEST(two_reports_are_the_same_bytes)
{
    static const char *const ends[] = {"html", "json", "tsv"};
    const place p = place_new(8, 4);
    rij_model *m = trained(&p), *opened[2] = {NULL};
    rij_open_options open = RIJ_OPEN_OPTIONS_INIT;
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_report_options r = RIJ_REPORT_OPTIONS_INIT;
    rij_evaluation *e[2] = {NULL};
    rij_audit_report *audit = NULL;
    char stem[2][200];

    OK(rij_calibrate(m, p.data, NULL));
    OK(rij_model_save(m, p.model));
    for (int i = 0; i < 2; i++) {
        open.threads = i ? 3 : 1;
        OK(rij_model_open(p.model, &open, &opened[i]));
    }
    OK(rij_audit(p.data, NULL, &audit));
    o.columns = "native,jpeg75";
    o.strip = 1;
    r.audit = audit;
    r.thumbnails = 1;
    for (int i = 0; i < 2; i++) {
        snprintf(stem[i], sizeof stem[i], "%s/r%d", p.root, i);
        OK(rij_evaluate(opened[i], p.data, &o, &e[i]));
        OK(rij_report_write(opened[i], e[i], &r, stem[i]));
    }
    for (int i = 0; i < 3; i++) {
        char *a = file_of(stem[0], ends[i]), *b = file_of(stem[1], ends[i]);

        ck_assert_str_eq(a, b);
        ck_assert_ptr_null(strstr(a, p.root)); // no machine's paths
        if (i == 0) {
            page_holds(a);
            ck_assert_ptr_nonnull(strstr(a, "Audit of the data"));
            ck_assert_ptr_nonnull(strstr(a, "<dt>Limits</dt>"));
            ck_assert_ptr_nonnull(strstr(a, "data:image/png;base64,iVBORw0KGgo"));
            ck_assert_ptr_nonnull(strstr(a, "These are the data that trained"));
        }
        if (i == 2)
            ck_assert_ptr_nonnull(strstr(a,
                                         "answer\talone\tjpeg85\tjpeg60\tresize0.5\t"
                                         "blur1\tcrop\tscreenshot\nfake/north/00.png\t"));
        rj_free(a);
        rj_free(b);
    }
    for (int i = 0; i < 2; i++)
        rij_evaluation_free(e[i]);
    rij_audit_report_free(audit);
    rij_model_free(m);
    rij_model_free(opened[0]);
    rij_model_free(opened[1]);
    place_free(&p);
}
END_TEST

/* The strip's answers of an image are those of rij_examine(), whose level is the same. */
START_TEST(an_evaluation_keeps_what_examining_says)
{
    const place p = place_new(60, 45);
    rij_model *m = trained(&p);
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_evaluation *e = NULL;
    rij_evaluation_image image;
    rij_examination x;
    int compared = 0;

    OK(rij_calibrate(m, p.data, NULL));
    o.strip = 1;
    OK(rij_evaluate(m, p.data, &o, &e));
    ck_assert_int_eq(rij_evaluation_images(e), 150);
    for (int i = 0; i < 150; i += 7) {
        OK(rij_evaluation_image_at(e, i, &image));
        ck_assert(image.answered && image.stripped);
        if (rij_examine_file(m, image.file, NULL, &x) != RIJ_OK)
            continue; // too few as soft as this one: unsure
        compared++;
        ck_assert(image.margin == x.verdict.margin && image.score == x.verdict.score);
        ck_assert(image.answer == x.answer && image.alone == x.alone);
        for (int w = 0; w < RIJ_SHIPPINGS; w++)
            ck_assert_int_eq(image.shipped[w], x.strip[w].answer);
    }
    ck_assert_int_gt(compared, 0);
    rij_evaluation_free(e);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

SUITE(report, the_three_files_agree_with_the_evaluation, hostile_names_are_text,
      reports_that_cannot_be_written_leave_nothing, reports_that_cannot_be_are_refused,
      a_report_survives_every_failing_allocation,
      a_hundred_thousand_images_make_no_large_page, two_reports_are_the_same_bytes,
      an_evaluation_keeps_what_examining_says)
