/* rij_examine(), rij_calibrate(), and the calibration in the model file. */
#include "api_place.h"
#include "judge/judge.h"
#include <math.h>

/* Level at which the few pictures of a place suffice. */
static const double LEVEL = 0.5;

static rij_examination examined(const rij_model *m, const char *path)
{
    rij_examine_options o = RIJ_EXAMINE_OPTIONS_INIT;
    rij_examination e;

    o.level = LEVEL;
    OK(rij_examine_file(m, path, &o, &e));
    return e;
}

START_TEST(an_examination_is_seven_predictions)
{
    static const char *const names[RIJ_SHIPPINGS] = {"jpeg85", "jpeg60", "resize0.5",
                                                     "blur1",  "crop",   "screenshot"};
    const place p = place_new(10, 5);
    rij_model *m = trained(&p);
    rij_examination e, again;
    rij_verdict v;
    double w;

    OK(rij_calibrate(m, p.data, NULL));
    e = examined(m, under(&p, "data/real/03.png"));
    OK(rij_predict_file(m, under(&p, "data/real/03.png"), &v));
    ck_assert(v.margin == e.verdict.margin && v.p_real == e.verdict.p_real);
    ck_assert(v.p_real > 0 && v.p_real <= 1 && v.p_generated > 0 && v.p_generated <= 1);
    // a calibration picture counts itself: one of its seven rows
    rj_conformal_p(&m->calibration, RJ_REAL_LABEL, v.softness, v.margin, &w);
    ck_assert_double_ge(v.p_real, (1 + 1.0 / (RIJ_SHIPPINGS + 1)) / (1 + w) - 1e-12);
    for (int i = 0; i < RIJ_SHIPPINGS; i++) {
        ck_assert_str_eq(e.strip[i].name, names[i]);
        ck_assert(e.strip[i].margin != v.margin);
        ck_assert(e.strip[i].p_real > 0 && e.strip[i].p_real <= 1);
    }
    again = examined(m, under(&p, "data/real/03.png"));
    ck_assert_int_eq(again.answer, e.answer);
    for (int i = 0; i < RIJ_SHIPPINGS; i++)
        ck_assert(again.strip[i].margin == e.strip[i].margin);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(a_calibration_is_the_models_own_after_saving)
{
    const place p = place_new(10, 5);
    rij_model *m = trained(&p), *back = NULL;
    rij_open_options o = RIJ_OPEN_OPTIONS_INIT;
    rij_examination e, other;

    ck_assert_int_gt(m->calibration.n[0],
                     0); // a training leaves one, of what it held out
    OK(rij_calibrate(m, p.data, NULL));
    ck_assert_int_eq(m->calibration.n[0], 10 * (RIJ_SHIPPINGS + 1));
    ck_assert_int_eq(m->calibration.n[1], 10 * (RIJ_SHIPPINGS + 1));
    OK(rij_model_save(m, p.model));
    o.threads = 3;
    OK(rij_model_open(p.model, &o, &back));
    for (int label = 0; label < 2; label++)
        ck_assert_mem_eq(back->calibration.row[label], m->calibration.row[label],
                         (size_t)m->calibration.n[label] * sizeof(rj_calibration_row));
    e = examined(m, under(&p, "data/fake/north/01.png"));
    other = examined(back, under(&p, "data/fake/north/01.png"));
    ck_assert(e.verdict.p_real == other.verdict.p_real && e.answer == other.answer);
    rij_model_free(m);
    rij_model_free(back);
    place_free(&p);
}
END_TEST

/* Without fakes, photographs are remade; with other data, other rows. */
START_TEST(photographs_alone_calibrate)
{
    const place p = place_new(10, 5), other = place_new(12, 0);
    rij_model *m = trained(&p);

    OK(rij_calibrate(m, other.data, NULL));
    ck_assert_int_eq(m->calibration.n[0], 12 * (RIJ_SHIPPINGS + 1));
    ck_assert_int_eq(m->calibration.n[1], 12 * (RIJ_SHIPPINGS + 1));
    ck_assert(m->calibration.row[0][0].margin != m->calibration.row[1][0].margin);
    rij_model_free(m);
    place_free(&p);
    place_free(&other);
}
END_TEST

static int stop(const rij_progress *p, void *user)
{
    (void)user;
    return strcmp(p->phase, "calibrate") == 0;
}

START_TEST(what_fails_leaves_the_calibration_as_it_was)
{
    const place p = place_new(10, 5);
    rij_model *m = trained(&p);
    rij_calibrate_options o = RIJ_CALIBRATE_OPTIONS_INIT;
    long allocations;
    float first;
    int n;

    OK(rij_calibrate(m, p.data, NULL)); // scratch is there from now on
    rj_memory_fail_at(0);
    OK(rij_calibrate(m, p.data, NULL));
    allocations = rj_memory_fail_at(0);
    n = m->calibration.n[0];
    first = m->calibration.row[0][0].margin;
    o.progress = stop;
    FAILS(rij_calibrate(m, p.data, &o), RIJ_E_CANCELLED);
    FAILS(rij_calibrate(m, under(&p, "nowhere"), NULL), RIJ_E_FILE);
    FAILS(rij_calibrate(NULL, p.data, NULL), RIJ_E_ARGUMENT);
    FAILS(rij_calibrate(m, NULL, NULL), RIJ_E_ARGUMENT);
    o = (rij_calibrate_options){0};
    FAILS(rij_calibrate(m, p.data, &o), RIJ_E_ARGUMENT);
    for (long at = allocations, step = at / 40; at > 0; at -= step) {
        const long live = rj_memory_live();

        rj_memory_fail_at(at);
        FAILS(rij_calibrate(m, p.data, NULL), RIJ_E_MEMORY);
        rj_memory_fail_at(0);
        ck_assert_int_eq(rj_memory_live(), live);
        ck_assert(m->calibration.n[0] == n && m->calibration.row[0][0].margin == first);
    }
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* Where pictures of another softness have answers, it is not the model that fails. */
START_TEST(a_picture_unlike_the_calibration_is_refused_by_itself)
{
    const place p = place_new(10, 5);
    rij_model *m = trained(&p);
    rij_examine_options o = RIJ_EXAMINE_OPTIONS_INIT;
    rij_examination e;
    const char *path = under(&p, "data/real/00.png");
    rj_calibration *c;

    OK(rij_calibrate(m, p.data, NULL));
    o.level = 0.4;
    OK(rij_examine_file(m, path, &o, &e));
    c = &m->calibration;
    c->edge[0] = (float)e.verdict.softness - 1;
    for (int label = 0; label < 2; label++)
        for (int i = 0; i < c->n[label]; i++)
            c->row[label][i].softness = c->edge[0] - 1;
    FAILS(rij_examine_file(m, path, &o, &e), RIJ_E_IMAGE);
    o.level = 0.01; // no picture's
    FAILS(rij_examine_file(m, path, &o, &e), RIJ_E_DATA);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(a_level_that_cannot_be_kept_is_refused)
{
    const place p = place_new(10, 5);
    rij_model *m = trained(&p);
    rij_examine_options o = RIJ_EXAMINE_OPTIONS_INIT;
    rij_examination e = {.contradictions = 77};
    const char *path = under(&p, "data/real/00.png");
    rij_verdict v;

    OK(rij_calibrate(m, p.data, NULL));
    FAILS(rij_examine_file(m, path, NULL, &e), RIJ_E_DATA); // ten are no nineteen
    ck_assert_ptr_nonnull(
        strstr(rij_last_error(), "at least 19 independent calibration photographs"));
    ck_assert_int_eq(e.contradictions, 77);
    o.level = 0.7;
    FAILS(rij_examine_file(m, path, &o, &e), RIJ_E_ARGUMENT);
    o.level = NAN;
    FAILS(rij_examine_file(m, path, &o, &e), RIJ_E_ARGUMENT);
    o = (rij_examine_options){0};
    FAILS(rij_examine_file(m, path, &o, &e), RIJ_E_ARGUMENT);
    FAILS(rij_examine_file(m, NULL, NULL, &e), RIJ_E_ARGUMENT);
    FAILS(rij_examine(m, NULL, NULL, &e), RIJ_E_ARGUMENT);
    FAILS(rij_examine_file(m, under(&p, "none.png"), NULL, &e), RIJ_E_FILE);
    rj_calibration_free(&m->calibration);
    o = (rij_examine_options){sizeof o, LEVEL};
    FAILS(rij_examine_file(m, path, &o, &e), RIJ_E_DATA);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "no calibration"));
    OK(rij_predict_file(m, path, &v));
    ck_assert(isnan(v.p_real) && isnan(v.p_generated));
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* A file with `change` made to its calibration is refused. */
static void refused(const rij_model *m, const char *change)
{
    rj_st_file f = {0};
    rij_model *back = NULL;

    OK(rj_model_to_file(m, &f));
    for (int i = 0; i < f.tensors; i++) {
        rj_st_tensor *t = &f.tensor[i];
        if (strcmp(t->name, "calibration.real") != 0)
            continue;
        if (strcmp(change, "halves") == 0)
            t->x[0] = 0.5f;
        else if (strcmp(change, "order") == 0)
            t->x[0] = 9;
        else if (strcmp(change, "below") == 0)
            t->x[0] = -1;
        else if (strcmp(change, "columns") == 0)
            t->shape.dim[0] *= 3, t->shape.dim[1] = 1;
        else
            t->name[0] = 'x';
    }
    FAILS(rj_model_from_file(&f, "cpu", 1, &back), RIJ_E_MODEL);
    ck_assert_ptr_null(back);
    rj_st_free(&f);
}

START_TEST(a_damaged_calibration_is_refused)
{
    const place p = place_new(10, 5);
    rij_model *m = trained(&p);

    refused(m, "halves");
    refused(m, "order");
    refused(m, "below");
    refused(m, "columns");
    refused(m, "name");
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* Crops of one photograph count as one. */
START_TEST(images_of_a_group_weigh_as_one)
{
    const place p = place_new(12, 6);
    rij_model *m = trained(&p);
    FILE *f = fopen(under(&p, "grouped.tsv"), "w");
    double w[RJ_BUCKETS], sum = 0;
    char text[4096];

    ck_assert_ptr_nonnull(f);
    fputs("path\tlabel\tgroup\n", f);
    for (int i = 0; i < 12; i++)
        fprintf(f, "data/real/%02d.png\treal\tg%d\n", i, i % 3);
    fclose(f);
    OK(rij_calibrate(m, under(&p, "grouped.tsv"), NULL));
    ck_assert_int_eq(m->calibration.n[0], 12 * (RIJ_SHIPPINGS + 1));
    for (int i = 0; i < m->calibration.n[0]; i++)
        ck_assert_int_eq(m->calibration.row[0][i].group, i / (4 * (RIJ_SHIPPINGS + 1)));
    for (int k = 0; k < RJ_BUCKETS; k++) {
        const double softness = k ? (double)m->calibration.edge[k - 1] : -99;

        rj_conformal_p(&m->calibration, RJ_REAL_LABEL, softness, 0, &w[k]);
        sum += w[k];
    }
    ck_assert_double_eq_tol(sum, 3, 1e-12);
    rij_model_describe(m, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "calibration 3 independent photographs, 3 gen"));
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* ---- evaluation: answers are those of examinations --------------------------------- */

/* A calibration of n rows a class in one bucket, all at `margin` but for three generated
 * ones far below: what lies above it is generated, what lies below is real by the bar for
 * images as they are, and unsure by that for shippings. */
static void set_calibration(rij_model *m, int n, double margin)
{
    rj_calibration *c = &m->calibration;

    rj_calibration_free(c);
    for (int label = 0; label < 2; label++) {
        OK(rj_grow((void **)&c->row[label], &c->room[label], n, sizeof *c->row[label]));
        for (int i = 0; i < n; i++)
            c->row[label][i] = (rj_calibration_row){
                i, -50, label == RJ_FAKE_LABEL && i < 3 ? -1e9F : (float)margin};
        c->n[label] = n;
    }
    OK(rj_conformal_edges(c));
}

/* The answer that realjudge_verdict.h promises for these p-values at level 0.05. */
static rij_answer promised(double p_real, double p_generated, double bar)
{
    if (p_real <= 0.05)
        return p_generated > 0.05 ? RIJ_ANSWER_GENERATED : RIJ_ANSWER_UNSURE;
    return p_generated <= bar ? RIJ_ANSWER_REAL : RIJ_ANSWER_UNSURE;
}

/* Shares of the reals, or of one generator's fakes, by answer, and by that alone. How
 * many shippings would be called real, were the bar that of images as they are. */
static int examine_all(const rij_model *m, const place *p, const char *folder, int n,
                       double answer[3], double alone[3])
{
    int between = 0;

    for (int i = 0; i < n; i++) {
        char name[40];
        rij_examination e;

        snprintf(name, sizeof name, "data/%s/%02d.png", folder, i);
        OK(rij_examine_file(m, under(p, name), NULL, &e));
        answer[e.answer] += 1.0 / n;
        alone[e.alone] += 1.0 / n;
        ck_assert_int_eq(e.alone,
                         promised(e.verdict.p_real, e.verdict.p_generated, 3 * 0.05));
        for (int k = 0; k < RIJ_SHIPPINGS; k++) {
            const rij_shipped *s = &e.strip[k];

            ck_assert_int_eq(s->answer, promised(s->p_real, s->p_generated, 0.05));
            between += s->answer != promised(s->p_real, s->p_generated, 3 * 0.05);
        }
    }
    return between;
}

START_TEST(an_evaluation_counts_answers)
{
    const place p = place_new(24, 12);
    rij_model *m = trained(&p);
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_evaluation *e = NULL;
    rij_evaluation_row row; // of generator north, the first
    double real[2][3] = {{0}}, fake[2][3] = {{0}}, sum = 0;
    rij_verdict v;
    int between;

    for (int i = 0; i < 24; i++) {
        char name[40];

        snprintf(name, sizeof name, "data/real/%02d.png", i);
        OK(rij_predict_file(m, under(&p, name), &v));
        sum += v.margin / 24;
    }
    set_calibration(m, 40, sum);
    between = examine_all(m, &p, "real", 24, real[1], real[0]);
    between += examine_all(m, &p, "fake/north", 12, fake[1], fake[0]);
    ck_assert_int_gt(between, 0);
    ck_assert(real[0][RIJ_ANSWER_REAL] > 0 && real[0][RIJ_ANSWER_GENERATED] > 0);
    ck_assert(real[1][RIJ_ANSWER_UNSURE] > real[0][RIJ_ANSWER_UNSURE]);
    for (o.strip = 0; o.strip < 2; o.strip++) {
        OK(rij_evaluate(m, p.data, &o, &e));
        OK(rij_evaluation_row_at(e, 0, &row));
        ck_assert_str_eq(row.generator, "north");
        ck_assert_double_eq_tol(row.real_unsure, real[o.strip][RIJ_ANSWER_UNSURE], 1e-12);
        ck_assert_double_eq_tol(row.real_generated, real[o.strip][RIJ_ANSWER_GENERATED],
                                1e-12);
        ck_assert_double_eq_tol(row.fake_unsure, fake[o.strip][RIJ_ANSWER_UNSURE], 1e-12);
        ck_assert_double_eq_tol(row.fake_generated, fake[o.strip][RIJ_ANSWER_GENERATED],
                                1e-12);
        rij_evaluation_free(e);
    }
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(an_evaluation_is_unsure_where_an_examination_refuses)
{
    const place p = place_new(10, 5);
    rij_model *m = trained(&p);
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_evaluation *e = NULL;
    rij_evaluation_row row;
    rij_examination x;

    set_calibration(m, 18, 1e6); // so that every image is far below generated ones
    FAILS(rij_examine_file(m, under(&p, "data/real/00.png"), NULL, &x), RIJ_E_DATA);
    for (o.strip = 0; o.strip < 2; o.strip++) {
        OK(rij_evaluate(m, p.data, &o, &e));
        OK(rij_evaluation_row_at(e, 0, &row));
        ck_assert_double_eq_tol(row.real_unsure, 1, 1e-12);
        ck_assert_double_eq_tol(row.fake_unsure, 1, 1e-12);
        rij_evaluation_free(e);
    }
    set_calibration(m, 40, 1e6);
    OK(rij_evaluate(m, p.data, NULL, &e));
    OK(rij_evaluation_row_at(e, 0, &row));
    ck_assert_double_eq_tol(row.real_unsure + row.real_generated, 0, 1e-12);
    rij_evaluation_free(e);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(without_a_calibration_there_are_no_answers)
{
    const place p = place_new(8, 4);
    rij_model *m = trained(&p);
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_evaluation *e = NULL;
    rij_evaluation_row row;
    rij_evaluation_source source;

    rj_calibration_free(&m->calibration);
    OK(rij_evaluate(m, p.data, &o, &e));
    OK(rij_evaluation_row_at(e, 0, &row));
    OK(rij_evaluation_source_at(e, 0, &source));
    ck_assert(isnan(row.real_generated) && isnan(row.real_unsure));
    ck_assert(isnan(row.fake_generated) && isnan(row.fake_unsure));
    ck_assert(isnan(source.generated) && isnan(source.unsure));
    rij_evaluation_free(e);
    o.strip = 1;
    FAILS(rij_evaluate(m, p.data, &o, &e), RIJ_E_DATA);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

SUITE(examine, an_examination_is_seven_predictions,
      a_calibration_is_the_models_own_after_saving, photographs_alone_calibrate,
      what_fails_leaves_the_calibration_as_it_was, a_level_that_cannot_be_kept_is_refused,
      a_picture_unlike_the_calibration_is_refused_by_itself,
      a_damaged_calibration_is_refused, images_of_a_group_weigh_as_one,
      an_evaluation_counts_answers, an_evaluation_is_unsure_where_an_examination_refuses,
      without_a_calibration_there_are_no_answers)
