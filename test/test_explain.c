/* rij_explain(): a part that was planted is found, and nothing where there is none. */
#include "api_place.h"
#include "judge/judge.h"
#include <math.h>

/* Level at which the photographs of a place suffice. */
static const double LEVEL = 0.1;
enum { REALS = 14, SIDE = 144, PART_X = 96, PART_Y = 64, PART = 96 };

typedef struct world {
    place p;
    rij_model *m; /* of statistics, calibrated on the place's data */
} world;

static world world_new(void)
{
    world w = {.p = place_new(0, 0)};
    rij_train_options o = brief();
    char name[64];

    for (int i = 0; i < REALS + 6; i++) {
        snprintf(name, sizeof name, "data/%s/%02d.png", i < REALS ? "real" : "fake/north",
                 i);
        write_picture(under(&w.p, name), SIDE, SIDE, (unsigned)i, i >= REALS);
    }
    o.encoder = "statistics";
    o.crop = 64;
    o.steps2 = 150;
    o.contrast = "none";
    OK(rij_train(w.p.data, &o, &w.m));
    OK(rij_calibrate(w.m, w.p.data, NULL));
    return w;
}

static void world_free(world *w)
{
    rij_model_free(w->m);
    place_free(&w->p);
}

static rij_evidence *explained(const rij_model *m, int w, int h, const uint8_t *rgb)
{
    const rij_image image = {w, h, 3 * (size_t)w, rgb};
    rij_explain_options o = RIJ_EXPLAIN_OPTIONS_INIT;
    rij_evidence *e = NULL;

    o.level = LEVEL;
    OK(rij_explain(m, &image, &o, &e));
    ck_assert_ptr_nonnull(e);
    return e;
}

static rij_evidence_summary summed(const rij_evidence *e)
{
    rij_evidence_summary s;

    OK(rij_evidence_sum_up(e, &s));
    return s;
}

/* A photograph of w x h with a part that is generated. */
static uint8_t *forged_in_part(int w, int h)
{
    uint8_t *rgb = paint(w, h, 77, 0), *child = paint(w, h, 77, 1);

    for (int y = PART_Y; y < PART_Y + PART; y++)
        memcpy(rgb + 3 * (y * w + PART_X), child + 3 * (y * w + PART_X), 3 * PART);
    free(child);
    return rgb;
}

/* Pixels of a PNG that are not grey, and how many of them lie in the part. */
static int coloured(const char *path, int *inside)
{
    rj_image image = {0};
    int n = 0;

    *inside = 0;
    OK(rj_image_read(path, &rj_default_limits, &image));
    for (int i = 0; i < image.w * image.h; i++) {
        const uint8_t *p = image.rgb + (ptrdiff_t)3 * i;
        const int x = i % image.w - PART_X, y = i / image.w - PART_Y;

        if (p[0] == p[1] && p[1] == p[2])
            continue;
        n++;
        *inside += x >= 0 && x < PART && y >= 0 && y < PART;
    }
    rj_image_free(&image);
    return n;
}

/* ---- what is found ------------------------------------------------------------------
 */

START_TEST(a_planted_part_is_found)
{
    enum { W = 320, H = 256 };
    world w = world_new();
    uint8_t *rgb = forged_in_part(W, H);
    rij_evidence *e = explained(w.m, W, H, rgb);
    const rij_evidence_summary s = summed(e);
    const float *cells = rij_evidence_cells(e);
    int above = 0, highest = 0, inside;
    const char *png = under(&w.p, "map.png");

    ck_assert(s.found == 1 && s.p <= LEVEL && s.peak > s.threshold);
    ck_assert(s.peak_x >= PART_X && s.peak_x < PART_X + PART);
    ck_assert(s.peak_y >= PART_Y && s.peak_y < PART_Y + PART);
    ck_assert(s.columns == 19 && s.rows == 15 && s.cell == 16 && s.window == 32);
    ck_assert(s.left == 8 && s.top == 8);
    for (int i = 0; i < s.columns * s.rows; i++) {
        above += (double)cells[i] > s.threshold;
        highest = cells[i] > cells[highest] ? i : highest;
    }
    ck_assert((double)cells[highest] == s.peak);
    ck_assert_int_eq(s.peak_x, s.left + highest % s.columns * s.cell + s.cell / 2);
    ck_assert_int_eq(s.peak_y, s.top + highest / s.columns * s.cell + s.cell / 2);
    ck_assert(s.area == (double)above / (s.columns * s.rows) && s.area < 0.4);
    ck_assert(s.concentration > 0.8 && s.concentration <= 1);
    OK(rij_evidence_write_png(e, png));
    ck_assert_int_eq(coloured(png, &inside), above * 16 * 16);
    ck_assert_int_gt(inside, above * 16 * 16 / 2);
    ck_assert_int_ne(access(under(&w.p, "map.png.part"), F_OK), 0);
    rij_evidence_free(e);
    free(rgb);
    world_free(&w);
}
END_TEST

/* Photographs as the calibration's, a flat picture, a clipped one. */
START_TEST(nothing_is_found_where_there_is_nothing)
{
    enum { W = 200, H = 180, NEW = 20 };
    world w = world_new();
    int found = 0, inside;

    for (unsigned i = 0; i < NEW; i++) {
        uint8_t *rgb = paint(W, H, 1000 + i, 0);
        rij_evidence *e = explained(w.m, W, H, rgb);

        found += summed(e).found;
        rij_evidence_free(e);
        free(rgb);
    }
    ck_assert_int_le(found, NEW / 4);
    for (int value = 90; value <= 255; value += 165) {
        uint8_t *rgb = malloc(3 * W * H);
        rij_evidence *e;
        rij_evidence_summary s;

        ck_assert_ptr_nonnull(rgb);
        memset(rgb, value, 3 * W * H);
        e = explained(w.m, W, H, rgb);
        s = summed(e);
        ck_assert(!s.found && s.p == 1 && s.peak == 0 && s.area == 0);
        ck_assert(s.concentration == 0 && s.peak_x == 0 && s.peak_y == 0);
        for (int i = 0; i < s.columns * s.rows; i++)
            ck_assert(rij_evidence_cells(e)[i] == 0);
        OK(rij_evidence_write_png(e, under(&w.p, "flat.png")));
        ck_assert_int_eq(coloured(under(&w.p, "flat.png"), &inside), 0);
        rij_evidence_free(e);
        free(rgb);
    }
    world_free(&w);
}
END_TEST

START_TEST(small_and_large_pictures_have_bounded_maps)
{
    static const int sides[][2] = {{8, 8}, {31, 700}, {700, 31}, {32, 32}, {95, 95}};
    world w = world_new();
    uint8_t *flat = calloc(3, 2600 * 1800);
    rij_evidence_summary s;
    rij_evidence *e;

    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        uint8_t *rgb = paint(sides[i][0], sides[i][1], 5, 0);

        e = explained(w.m, sides[i][0], sides[i][1], rgb);
        s = summed(e);
        ck_assert(!s.found && s.p == 1 && s.columns * s.rows < 25);
        OK(rij_evidence_write_png(e, under(&w.p, "small.png")));
        rij_evidence_free(e);
        free(rgb);
    }
    ck_assert_ptr_nonnull(flat);
    e = explained(w.m, 2600, 1800, flat);
    s = summed(e);
    ck_assert(s.columns * s.rows <= 16384 && s.columns * s.rows > 15000 && s.cell == 17);
    ck_assert(s.left >= 0 && s.left + s.columns * s.cell <= 2600);
    rij_evidence_free(e);
    free(flat);
    world_free(&w);
}
END_TEST

/* Encoders of one size judge windows of the crop, and not many. */
START_TEST(an_encoder_of_one_size_judges_crops)
{
    const place p = place_new(10, 5);
    rij_model *m = trained(&p);
    uint8_t *rgb = paint(300, 200, 3, 0);
    const rj_image image = {300, 200, rgb};
    rj_context *c = NULL;
    rj_evidence e;

    OK(rj_context_take(m, &c));
    OK(rj_evidence_gather(m, c, &image, &e));
    ck_assert(e.window == 32 && e.columns * e.rows <= 256 && e.columns * e.rows > 200);
    ck_assert(e.peak > 0 && e.value[e.at] == e.peak);
    rj_evidence_free(&e);
    rj_context_give(m, c);
    free(rgb);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(threads_and_files_change_no_bit)
{
    enum { W = 320, H = 256 };
    world w = world_new();
    uint8_t *rgb = forged_in_part(W, H);
    rij_evidence *one, *other = NULL;
    rij_open_options threads = RIJ_OPEN_OPTIONS_INIT;
    rij_explain_options o = RIJ_EXPLAIN_OPTIONS_INIT;
    rij_model *m = NULL, *first = NULL;

    o.level = LEVEL;
    OK(rij_model_save(w.m, w.p.model)); // which rounds what doubles learned
    threads.threads = 1;
    OK(rij_model_open(w.p.model, &threads, &first));
    one = explained(first, W, H, rgb);
    threads.threads = 3;
    OK(rij_model_open(w.p.model, &threads, &m));
    write_png(under(&w.p, "picture.png"), W, H, rgb);
    OK(rij_explain_file(m, under(&w.p, "picture.png"), &o, &other));
    ck_assert(summed(one).p == summed(other).p);
    ck_assert(summed(one).peak == summed(other).peak);
    ck_assert(summed(one).threshold == summed(other).threshold);
    ck_assert_mem_eq(rij_evidence_cells(one), rij_evidence_cells(other),
                     sizeof(float) * (size_t)(summed(one).columns * summed(one).rows));
    rij_evidence_free(other);
    rij_evidence_free(one);
    rij_model_free(m);
    rij_model_free(first);
    free(rgb);
    world_free(&w);
}
END_TEST

/* ---- among photographs ---------------------------------------------------------------
 */

START_TEST(peaks_weigh_photographs_by_their_groups)
{
    rj_calibration_peak peak[] = {{0, 0.1f, 0}, {0, 0.3f, 0}, {0, -1, 0},
                                  {1, 0.2f, 0}, {2, -1, 0},   {3, 0, 0}};
    const rj_calibration c = {.peaks = 6, .peak = peak};
    double w;

    ck_assert_double_eq_tol(rj_peak_p(&c, 0.2f, &w), (1 + 1 / 3.0 + 1) / (1 + 8 / 3.0),
                            1e-15);
    ck_assert_double_eq_tol(w, 8 / 3.0, 1e-15);
    ck_assert_double_eq_tol(rj_peak_p(&c, 0.25f, NULL), (4 / 3.0) / (11 / 3.0), 1e-15);
    ck_assert_double_eq_tol(rj_peak_p(&c, 9, NULL), 3 / 11.0, 1e-15);
    ck_assert_double_eq_tol(rj_peak_p(&c, 0, NULL), 1, 1e-15);
    ck_assert(rj_peak_p(&c, -1, NULL) == 1);
}
END_TEST

/* How far a picture is from the traces, among the calibration's photographs. */
START_TEST(traces_rank_a_picture_among_photographs)
{
    world w = world_new();
    const float row[16] = {1};
    uint8_t *rgb = paint(SIDE, SIDE, 50, 0);
    rij_evidence *e;
    rij_evidence_summary s;

    rj_free(w.m->distance); // it has no traces either
    w.m->distance = NULL;
    w.m->decision.by = RJ_DECIDE_CLASSIFIER;
    e = explained(w.m, SIDE, SIDE, rgb);
    s = summed(e);
    ck_assert(isnan(s.far));
    rij_evidence_free(e);
    OK(rj_model_set_traces(w.m, 1, 16, row));
    OK(rij_calibrate(w.m, w.p.data, NULL));
    e = explained(w.m, SIDE, SIDE, rgb);
    s = summed(e);
    ck_assert(s.far >= 0 && s.far <= 1);
    for (int i = 0, nearer = 0; i < REALS; i++) {
        nearer += w.m->calibration.peak[i].proximity <= (float)s.verdict.proximity;
        if (i + 1 == REALS)
            ck_assert_double_eq_tol(s.far, nearer / (double)REALS, 1e-12);
    }
    rij_evidence_free(e);
    free(rgb);
    world_free(&w);
}
END_TEST

/* ---- the model file, refusals ---------------------------------------------------------
 */

/* Take the peaks of a model's file away, or break them. */
static rij_status changed(const rij_model *m, const char *change, rij_model **back)
{
    rj_st_file f = {0};
    rij_status status;

    OK(rj_model_to_file(m, &f));
    for (int i = 0; i < f.tensors; i++) {
        rj_st_tensor *t = &f.tensor[i];

        if (strcmp(t->name, "calibration.peaks") != 0)
            continue;
        ck_assert_int_eq(t->shape.dim[0], REALS);
        if (strcmp(change, "order") == 0)
            t->x[0] = 99;
        else if (strcmp(change, "columns") == 0)
            t->shape.dim[0] *= 3, t->shape.dim[1] = 1;
        else { // as an older version wrote it: the last tensor in its place
            rj_free(t->x);
            *t = f.tensor[--f.tensors];
        }
    }
    status = rj_model_from_file(&f, "cpu", 1, back);
    rj_st_free(&f);
    return status;
}

START_TEST(peaks_are_the_models_own)
{
    world w = world_new();
    rij_model *m = NULL, *back = NULL;
    rij_evidence *e = (rij_evidence *)(void *)&w;
    const char *path = under(&w.p, "data/real/00.png");

    OK(rij_model_save(w.m, w.p.model));
    OK(rij_model_open(w.p.model, NULL, &back));
    ck_assert_int_eq(back->calibration.peaks, REALS);
    ck_assert_mem_eq(back->calibration.peak, w.m->calibration.peak,
                     REALS * sizeof(rj_calibration_peak));
    rij_model_free(back);
    FAILS(changed(w.m, "order", &m), RIJ_E_MODEL);
    FAILS(changed(w.m, "columns", &m), RIJ_E_MODEL);
    OK(changed(w.m, "older", &m));
    OK(rj_model_prepare(m, RJ_FP32, RJ_JUDGE_BATCH));
    FAILS(rij_explain_file(m, path, NULL, &e), RIJ_E_DATA);
    ck_assert_ptr_null(e);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "no peaks"));
    rij_model_free(m);
    world_free(&w);
}
END_TEST

START_TEST(what_cannot_be_explained_is_refused)
{
    world w = world_new();
    const char *path = under(&w.p, "data/real/00.png");
    rij_explain_options o = RIJ_EXPLAIN_OPTIONS_INIT;
    rij_evidence *e = NULL;
    rij_evidence_summary s = {.columns = 77};

    FAILS(rij_explain_file(w.m, path, NULL, &e), RIJ_E_DATA); // fourteen are no nineteen
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "at least 19 independent"));
    for (double bad = -1; bad < 1; bad += 1.6) {
        o.level = bad;
        FAILS(rij_explain_file(w.m, path, &o, &e), RIJ_E_ARGUMENT);
    }
    o = (rij_explain_options){0};
    FAILS(rij_explain_file(w.m, path, &o, &e), RIJ_E_ARGUMENT);
    o = (rij_explain_options){sizeof o, LEVEL};
    FAILS(rij_explain_file(w.m, path, &o, NULL), RIJ_E_ARGUMENT);
    FAILS(rij_explain_file(NULL, path, &o, &e), RIJ_E_ARGUMENT);
    FAILS(rij_explain_file(w.m, NULL, &o, &e), RIJ_E_ARGUMENT);
    FAILS(rij_explain(w.m, NULL, &o, &e), RIJ_E_ARGUMENT);
    FAILS(rij_explain_file(w.m, under(&w.p, "none.png"), &o, &e), RIJ_E_FILE);
    FAILS(rij_evidence_sum_up(NULL, &s), RIJ_E_ARGUMENT);
    ck_assert(e == NULL && s.columns == 77 && rij_evidence_cells(NULL) == NULL);
    OK(rij_explain_file(w.m, path, &o, &e));
    FAILS(rij_evidence_sum_up(e, NULL), RIJ_E_ARGUMENT);
    FAILS(rij_evidence_write_png(e, NULL), RIJ_E_ARGUMENT);
    FAILS(rij_evidence_write_png(NULL, path), RIJ_E_ARGUMENT);
    FAILS(rij_evidence_write_png(e, under(&w.p, "no/such.png")), RIJ_E_FILE);
    rij_evidence_free(e);
    rij_evidence_free(NULL);
    world_free(&w);
}
END_TEST

START_TEST(explaining_survives_every_failing_allocation)
{
    world w = world_new();
    uint8_t *rgb = forged_in_part(320, 256);
    const rij_image image = {320, 256, 3 * 320, rgb};
    rij_explain_options o = RIJ_EXPLAIN_OPTIONS_INIT;
    const char *png = under(&w.p, "map.png");
    long live, made;

    o.level = LEVEL;
    rij_evidence_free(explained(w.m, 320, 256, rgb)); // the model's scratch is there now
    live = rj_memory_live();
    made = 1;
    for (long n = 1; made >= n; n++) {
        rij_evidence *e = NULL;
        rij_status status;

        rj_memory_fail_at(n);
        status = rij_explain(w.m, &image, &o, &e);
        if (status == RIJ_OK)
            status = rij_evidence_write_png(e, png);
        made = rj_memory_fail_at(0);
        ck_assert_msg(status == RIJ_OK || (status == RIJ_E_MEMORY && made >= n),
                      "allocation %ld: %s", n, rij_last_error());
        rij_evidence_free(e);
        ck_assert_int_eq(rj_memory_live(), live);
        ck_assert_msg(made >= n || n > 8, "only %ld allocations", made);
    }
    free(rgb);
    world_free(&w);
}
END_TEST

SUITE(explain, a_planted_part_is_found, nothing_is_found_where_there_is_nothing,
      small_and_large_pictures_have_bounded_maps, an_encoder_of_one_size_judges_crops,
      threads_and_files_change_no_bit, peaks_weigh_photographs_by_their_groups,
      traces_rank_a_picture_among_photographs, peaks_are_the_models_own,
      what_cannot_be_explained_is_refused, explaining_survives_every_failing_allocation)
