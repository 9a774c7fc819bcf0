/* test_predict.c: crops that cover, scores of crops, verdicts, the self-test. */
#include "judge/judge.h"
#include "test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { D = 16, CROP = 32 };
static const rj_net_config config = {"small", "haar", D};

/* A model with random parameters and two traces that decides by all it has. */
static rij_model *model_new(void)
{
    float rows[2 * D] = {0.6f, 0.8f};
    rij_model *m = NULL;
    rj_net *net = NULL;

    rows[D + 3] = -1;
    OK(rj_model_new(&config, "cpu", 1, CROP, &m));
    OK(rj_net_new(m->dev, &config, 3, true, &net));
    OK(rj_params_copy(rj_net_params(m->net), rj_net_params(net)));
    rj_net_free(net);
    OK(rj_model_set_traces(m, 2, D, rows));
    m->decision = (rj_decision){RJ_DECIDE_FUSED, 0.5, -0.9, 0.25, 1.25, -0.1, {NAN, NAN}};
    OK(rj_model_prepare(m, RJ_FP32, RJ_JUDGE_BATCH));
    return m;
}

static rj_image noise(int w, int h)
{
    rj_random r = rj_random_start(5, RJ_STREAM_TEST, (uint64_t)w);
    rj_image image = {0};

    OK(rj_image_new(w, h, &image));
    for (int i = 0; i < w * h * 3; i++)
        image.rgb[i] = (uint8_t)(rj_random_bits(&r) & 255);
    return image;
}

static rij_verdict judged(const rij_model *m, const rj_image *image)
{
    const rij_image pixels = {image->w, image->h, 3 * (size_t)image->w, image->rgb};
    rij_verdict v;

    OK(rij_predict(m, &pixels, &v));
    return v;
}

/* ---- crops ------------------------------------------------------------------------ */

START_TEST(crops_cover_the_picture)
{
    static const int sides[][2] = {{32, 32},   {33, 32}, {64, 64}, {97, 131},
                                   {256, 256}, {8, 8},   {8, 100}, {255, 31}};

    for (int i = 0; i < RJ_COUNT(sides); i++) {
        const int w = sides[i][0], h = sides[i][1];
        int x[RJ_COVER_MAX], y[RJ_COVER_MAX];
        const int n = rj_cover(w, h, CROP, RJ_COVER_MAX, x, y);
        uint8_t *seen = calloc((size_t)(w * h), 1);

        ck_assert_int_eq(n, ((w + CROP - 1) / CROP) * ((h + CROP - 1) / CROP));
        ck_assert(x[0] == 0 && y[0] == 0);
        ck_assert_int_eq(x[n - 1], RJ_MAX(w - CROP, 0));
        ck_assert_int_eq(y[n - 1], RJ_MAX(h - CROP, 0));
        for (int k = 0; k < n; k++) {
            ck_assert(x[k] >= 0 && y[k] >= 0);
            for (int v = y[k]; v < RJ_MIN(y[k] + CROP, h); v++)
                for (int u = x[k]; u < RJ_MIN(x[k] + CROP, w); u++)
                    seen[v * w + u] = 1;
        }
        for (int k = 0; k < w * h; k++)
            ck_assert_msg(seen[k], "%d x %d: pixel %d is in no crop", w, h, k);
        free(seen);
    }
}
END_TEST

START_TEST(large_pictures_get_an_even_grid)
{
    static const int sides[][2] = {{1024, 1024},   {16384, 6000}, {100, 16384},
                                   {16384, 16384}, {32, 16384},   {16384, 8}};

    for (int i = 0; i < RJ_COUNT(sides); i++) {
        const int w = sides[i][0], h = sides[i][1];
        int x[RJ_COVER_MAX], y[RJ_COVER_MAX], across = 1;
        const int n = rj_cover(w, h, CROP, RJ_COVER_MAX, x, y);

        ck_assert(n <= RJ_COVER_MAX && n > 40);
        while (across < n && y[across] == 0)
            across++;
        ck_assert_int_eq(n % across, 0);
        ck_assert(x[0] == (across == 1 ? (w - CROP) / 2 : 0));
        ck_assert_int_eq(y[n - 1], RJ_MAX(h - CROP, 0));
        for (int k = 1; k < n; k++) // no two alike, rows in order
            ck_assert(y[k] > y[k - 1] || (y[k] == y[k - 1] && x[k] > x[k - 1]));
        // steps of both directions differ by a factor of two at most
        if (across > 1 && n / across > 1)
            ck_assert(x[1] <= 2 * y[across] + 1 && y[across] <= 2 * x[1] + 1);
    }
}
END_TEST

START_TEST(a_budget_of_crops_is_kept)
{
    for (int most = 1; most <= RJ_COVER_MAX; most++) {
        int x[RJ_COVER_MAX], y[RJ_COVER_MAX];
        const int n = rj_cover(400, 300, CROP, most, x, y);

        ck_assert(n <= most && 3 * n >= most);
        if (most == 1)
            ck_assert(x[0] == (400 - CROP) / 2 && y[0] == (300 - CROP) / 2);
    }
}
END_TEST

/* ---- scores ----------------------------------------------------------------------- */

/* S_cls and S_prox of one crop, each step by itself. */
static void by_hand(rij_model *m, const rj_image *crop, double *cls, double *prox)
{
    const rj_shape shape = rj_shape_picture(1, 3, crop->h, crop->w);
    float planar[3 * CROP * CROP];
    rj_real logit_x = 0, z_x[D], t_x[2 * D];
    rj_tensor *x, *h, *logit, *z;
    rj_context *c = NULL;
    double dot[2] = {0, 0};

    OK(rj_context_take(m, &c));
    rj_image_planar(crop, planar);
    OK(rj_tensor_from(&c->tape, &shape, planar, &x));
    OK(rj_net_encode(m->net, &c->tape, x, false, &h));
    OK(rj_net_logit(m->net, &c->tape, h, &logit));
    OK(rj_net_project(m->net, &c->tape, RJ_HEAD_HOM, h, NULL, &z));
    OK(rj_tensor_read(c->dev, logit, &logit_x));
    OK(rj_tensor_read(c->dev, z, z_x));
    OK(rj_tensor_read(c->dev, m->trace, t_x));
    for (int i = 0; i < 2 * D; i++)
        dot[i / D] += (double)z_x[i % D] * (double)t_x[i];
    rj_context_give(m, c);
    *cls = (double)logit_x;
    *prox = -fmax(dot[0], dot[1]);
}

START_TEST(verdicts_are_means_over_crops)
{
    rij_model *m = model_new();
    rj_image image = noise(131, 97);
    int x[RJ_COVER_MAX], y[RJ_COVER_MAX];
    const int n = rj_cover(131, 97, CROP, RJ_COVER_MAX, x, y);
    const rij_verdict v = judged(m, &image);
    double cls = 0, prox = 0, margin;

    ck_assert_int_eq(n, 20); // more than a batch
    for (int i = 0; i < n; i++) {
        rj_image crop = {0};
        double c, p;

        OK(rj_image_crop(&image, x[i], y[i], CROP, CROP, &crop));
        by_hand(m, &crop, &c, &p);
        rj_image_free(&crop);
        cls += c / n;
        prox += p / n;
    }
    margin = 1.25 * (cls + 0.5 * (prox + 0.9) / 0.25) - 0.1;
    ck_assert_double_eq_tol(v.classifier, cls, 1e-5 * (1 + fabs(cls)));
    ck_assert_double_eq_tol(v.proximity, prox, 1e-5);
    ck_assert_double_eq_tol(v.margin, margin, 1e-4 * (1 + fabs(margin)));
    ck_assert_double_eq_tol(v.score, 1 / (1 + exp(-v.margin)), 1e-15);
    ck_assert_int_eq(v.generated, v.margin > 0);
    ck_assert_int_eq(v.crops, n);
    rj_image_free(&image);
    rij_model_free(m);
}
END_TEST

START_TEST(the_decision_rule_decides)
{
    rij_model *m = model_new();
    rj_image image = noise(40, 40);
    rij_verdict v;

    m->decision.by = RJ_DECIDE_CLASSIFIER;
    v = judged(m, &image);
    ck_assert_double_eq_tol(v.margin, 1.25 * v.classifier - 0.1, 1e-12);
    m->decision.by = RJ_DECIDE_PROXIMITY;
    v = judged(m, &image);
    ck_assert_double_eq_tol(v.margin, 1.25 * (v.proximity + 0.9) / 0.25 - 0.1, 1e-12);
    m->decision.by = RJ_DECIDE_CLASSIFIER;
    m->decision.a = 1e6;
    m->decision.b = -1e9; // beyond what exp() can hold
    v = judged(m, &image);
    ck_assert(v.score == 0 && v.generated == 0);
    m->decision.b = 1e9;
    v = judged(m, &image);
    ck_assert(v.score == 1 && v.generated == 1);
    OK(rj_model_set_traces(m, 0, D, NULL));
    ck_assert(judged(m, &image).proximity == 0);
    rj_image_free(&image);
    rij_model_free(m);
}
END_TEST

START_TEST(small_pictures_are_reflected_out)
{
    rij_model *m = model_new();
    rj_image image = noise(9, 40), wide = {0};

    OK(rj_image_crop(&image, 0, 0, CROP, 40, &wide));
    ck_assert(judged(m, &image).margin == judged(m, &wide).margin);
    ck_assert_int_eq(judged(m, &image).crops, 2);
    rj_image_free(&image);
    rj_image_free(&wide);
    rij_model_free(m);
}
END_TEST

/* The same bits on any number of threads, and from rows with bytes between them. */
START_TEST(verdicts_do_not_depend_on_threads_or_stride)
{
    rij_model *m = model_new(), *many = NULL;
    rj_image image = noise(100, 70);
    const rij_verdict v = judged(m, &image);
    uint8_t *loose = calloc(70, 331);
    const rij_image pixels = {100, 70, 331, loose};
    rj_st_file f = {0};
    rij_verdict w;

    for (int y = 0; y < 70; y++)
        memcpy(loose + y * 331, image.rgb + y * 300, 300);
    OK(rij_predict(m, &pixels, &w));
    ck_assert(w.margin == v.margin && w.proximity == v.proximity);
    OK(rj_model_to_file(m, &f));
    OK(rj_model_from_file(&f, "cpu", 3, &many));
    OK(rj_model_prepare(many, RJ_FP32, RJ_JUDGE_BATCH));
    rj_st_free(&f);
    w = judged(many, &image);
    if (sizeof(rj_real) == sizeof(float))
        ck_assert(w.margin == v.margin && w.proximity == v.proximity);
    free(loose);
    rj_image_free(&image);
    rij_model_free(m);
    rij_model_free(many);
}
END_TEST

/* ---- the self-test ---------------------------------------------------------------- */

static rij_status open_again(rij_model *m, const char *device)
{
    const rij_open_options o = {sizeof o, device, 1};
    char path[64];
    const char *base = getenv("TMPDIR");
    rij_model *back = NULL;
    rij_status status;
    int file;

    snprintf(path, sizeof path, "%.40s/rj_predict_XXXXXX", base && *base ? base : "/tmp");
    file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
    OK(rij_model_save(m, path));
    status = rij_model_open(path, &o, &back);
    unlink(path);
    ck_assert((status == RIJ_OK) == (back != NULL));
    rij_model_free(back);
    return status;
}

START_TEST(opening_replays_the_self_test)
{
    rij_model *m = model_new();
    rj_params *s = rj_net_params(m->net);
    const long live = rj_memory_live();
    double sealed, here;
    char number[40];

    OK(rj_model_seal(m));
    sealed = m->selftest_margin;
    ck_assert(isfinite(sealed) && sealed != 0);
    OK(open_again(m, "cpu"));
    OK(open_again(m, "ref"));
    m->selftest_margin = sealed + 5e-4 * (1 + fabs(sealed));
    OK(open_again(m, "cpu"));
    m->selftest_margin = sealed + 2e-3 * (1 + fabs(sealed));
    FAILS(open_again(m, "cpu"), RIJ_E_MODEL);
    snprintf(number, sizeof number, "%.9g", m->selftest_margin);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), number));
    // the file holds float32, so a double build judges by slightly other parameters
    ck_assert_int_eq(sscanf(strstr(rij_last_error(), "judged "), "judged %lf", &here), 1);
    ck_assert_double_le(fabs(here - sealed), 1e-6 * (1 + fabs(sealed)));
    OK(rj_model_seal(m));
    ck_assert(m->selftest_margin == sealed);
    s->p[rj_params_find(s, "classifier.bias")].t.x[0] += (rj_real)0.01;
    FAILS(open_again(m, "cpu"), RIJ_E_MODEL);
    ck_assert_int_le(rj_memory_live(), live + 8); // the model's own scratch, no model
    rij_model_free(m);
}
END_TEST

/* Finite weights whose products are not. */
START_TEST(numbers_that_overflow_are_the_models_fault)
{
    rij_model *m = model_new();
    rj_params *s = rj_net_params(m->net);
    rj_image image = noise(40, 40);
    const rij_image pixels = {40, 40, 120, image.rgb};
    rij_verdict v = {.crops = 77};
    double cls, prox;
    float planar[3 * CROP * CROP] = {1};
    rj_context *c = NULL;
    rj_jury jury;

    for (int i = 0; i < s->n; i++)
        if (s->p[i].kind == RJ_PARAM_WEIGHT)
            for (size_t k = 0; k < rj_count(&s->p[i].t.shape); k++)
                s->p[i].t.x[k] = (rj_real)(sizeof(rj_real) == 4 ? 1e38 : 1e300);
    OK(rj_model_prepare(m, RJ_FP32, 1));
    jury = (rj_jury){m->net, m->ready, m->trace, CROP};
    FAILS(rij_predict(m, &pixels, &v), RIJ_E_MODEL);
    ck_assert_int_eq(v.crops, 77);
    OK(rj_context_take(m, &c));
    FAILS(rj_judge_planar(&jury, &c->tape, 1, planar, &cls, &prox), RIJ_E_DIVERGED);
    rj_context_give(m, c);
    FAILS(rj_model_seal(m), RIJ_E_MODEL);
    rj_image_free(&image);
    rij_model_free(m);
}
END_TEST

SUITE(predict, crops_cover_the_picture, large_pictures_get_an_even_grid,
      a_budget_of_crops_is_kept, verdicts_are_means_over_crops, the_decision_rule_decides,
      small_pictures_are_reflected_out, verdicts_do_not_depend_on_threads_or_stride,
      opening_replays_the_self_test, numbers_that_overflow_are_the_models_fault)
