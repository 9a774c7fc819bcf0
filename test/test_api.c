/* test_api.c: the public header, as a stranger sees it: what it promises, and every error
 * it lists for judging, models and training. (test_api_data.c has evaluating, forging.)
 * Outputs are untouched by a failure; handles are NULL. */
#include "api_place.h"
#include <math.h>
#include <pthread.h>

static char *read_whole(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    char *bytes;

    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*n + 1);
    ck_assert_uint_eq(fread(bytes, 1, *n, file), *n);
    fclose(file);
    return bytes;
}

static void write_bytes(const char *path, const char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(version_and_statuses_have_names)
{
    char version[32];

    snprintf(version, sizeof version, "%d.%d.%d", RIJ_VERSION_MAJOR, RIJ_VERSION_MINOR,
             RIJ_VERSION_PATCH);
    ck_assert_str_eq(rij_version(), version);
#define X(name, number, text)                                                            \
    ck_assert_str_eq(rij_status_name(RIJ_##name), "RIJ_" #name);                         \
    ck_assert_int_eq(RIJ_##name, number);
    RIJ_STATUS_MAP(X)
#undef X
    ck_assert_str_eq(rij_status_name((rij_status)99), "RIJ_UNKNOWN");
    ck_assert_ptr_nonnull(rij_last_error());
    rij_model_free(NULL);
    rij_evaluation_free(NULL);
}
END_TEST

/* ---- predict ---------------------------------------------------------------------- */

START_TEST(files_and_pixels_are_judged_alike)
{
    const place p = place_new(8, 4);
    uint8_t *rgb = paint(75, 50, 3, 0), loose[50][256];
    rij_image image = {75, 50, 225, rgb};
    rij_train_options o = brief();
    rij_model *m = NULL;
    rij_verdict a, b, c;

    o.traces = 2;
    OK(rij_train(p.data, &o, &m));
    write_png(under(&p, "one.jpg"), 75, 50, rgb); // content counts, not the name
    OK(rij_predict_file(m, under(&p, "one.jpg"), &a));
    OK(rij_predict(m, &image, &b));
    memset(loose, 99, sizeof loose);
    for (int y = 0; y < 50; y++)
        memcpy(loose[y], rgb + y * 225, 225);
    image.rgb = loose[0];
    image.stride = 256;
    OK(rij_predict(m, &image, &c));
    ck_assert(a.margin == b.margin && b.margin == c.margin);
    ck_assert(a.score > 0 && a.score < 1);
    ck_assert(a.proximity != 0 && fabs(a.proximity) <= 1 + 1e-6);
    ck_assert_double_eq_tol(a.score, 1 / (1 + exp(-a.margin)), 1e-12);
    ck_assert_int_eq(a.generated, a.margin > 0);
    ck_assert_int_eq(a.crops, 3 * 2);
    ck_assert(a.width == 75 && a.height == 50 && c.width == 75 && c.height == 50);
    image = (rij_image){8, 8, 24, rgb};
    OK(rij_predict(m, &image, &a));
    ck_assert_int_eq(a.crops, 1);
    free(rgb);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

#define JUDGE_FAILS(call, wanted)                                                        \
    do {                                                                                 \
        v = (rij_verdict){7, 7, 7, 7, 7, 7};                                             \
        FAILS(call, wanted);                                                             \
        ck_assert(v.score == 7 && v.margin == 7 && v.classifier == 7);                   \
        ck_assert(v.proximity == 7 && v.generated == 7 && v.crops == 7);                 \
    } while (0)

START_TEST(files_that_cannot_be_judged_are_refused)
{
    const place p = place_new(8, 4);
    rij_model *m = trained(&p);
    const char *real = under(&p, "data/real/00.png");
    rij_verdict v;
    size_t n;
    char *bytes = read_whole(real, &n);

    JUDGE_FAILS(rij_predict_file(NULL, real, &v), RIJ_E_ARGUMENT);
    JUDGE_FAILS(rij_predict_file(m, NULL, &v), RIJ_E_ARGUMENT);
    FAILS(rij_predict_file(m, real, NULL), RIJ_E_ARGUMENT);
    JUDGE_FAILS(rij_predict_file(m, under(&p, "none.png"), &v), RIJ_E_FILE);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "none.png"));
    JUDGE_FAILS(rij_predict_file(m, p.data, &v), RIJ_E_FILE); // a folder
    write_bytes(under(&p, "huge.png"), bytes, n);
    ck_assert_int_eq(truncate(under(&p, "huge.png"), (257L << 20)), 0); // a hole
    JUDGE_FAILS(rij_predict_file(m, under(&p, "huge.png"), &v), RIJ_E_FILE);
    write_bytes(under(&p, "empty.png"), "", 0);
    JUDGE_FAILS(rij_predict_file(m, under(&p, "empty.png"), &v), RIJ_E_IMAGE);
    write_text(under(&p, "text.png"), "no image at all, just words");
    JUDGE_FAILS(rij_predict_file(m, under(&p, "text.png"), &v), RIJ_E_IMAGE);
    write_bytes(under(&p, "half.png"), bytes, n / 2);
    JUDGE_FAILS(rij_predict_file(m, under(&p, "half.png"), &v), RIJ_E_IMAGE);
    write_picture(under(&p, "thin.png"), 7, 90, 1, 0);
    JUDGE_FAILS(rij_predict_file(m, under(&p, "thin.png"), &v), RIJ_E_IMAGE);
    write_picture(under(&p, "long.png"), 16385, 8, 1, 0);
    JUDGE_FAILS(rij_predict_file(m, under(&p, "long.png"), &v), RIJ_E_IMAGE);
    OK(rij_predict_file(m, under(&p, "data/real/00.png"), &v)); // the model is unharmed
    free(bytes);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(pixels_that_cannot_be_judged_are_refused)
{
    const place p = place_new(8, 4);
    rij_model *m = trained(&p);
    uint8_t *rgb = paint(64, 64, 1, 0);
    const rij_image good = {64, 64, 192, rgb};
    const rij_image bad[] = {
        {64, 64, 192, NULL}, {64, 64, 191, rgb},        {64, 64, 0, rgb},
        {7, 64, 192, rgb},   {64, 7, 192, rgb},         {0, 0, 0, rgb},
        {-64, 64, 192, rgb}, {16385, 64, 49155, rgb},   {64, 16385, 192, rgb},
        {64, -64, 192, rgb}, {10001, 10000, 30003, rgb} // 100,010,000 pixels
    };
    rij_verdict v;

    JUDGE_FAILS(rij_predict(NULL, &good, &v), RIJ_E_ARGUMENT);
    JUDGE_FAILS(rij_predict(m, NULL, &v), RIJ_E_ARGUMENT);
    FAILS(rij_predict(m, &good, NULL), RIJ_E_ARGUMENT);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        JUDGE_FAILS(rij_predict(m, &bad[i], &v), RIJ_E_ARGUMENT);
    OK(rij_predict(m, &good, &v));
    free(rgb);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* ---- models ----------------------------------------------------------------------- */

typedef struct judge {
    const rij_model *m;
    const rij_image *image;
    rij_verdict v[4];
    rij_status status;
} judge;

static void *judge_thread(void *user)
{
    judge *j = user;

    j->status = RIJ_OK;
    for (int i = 0; i < 4 && j->status == RIJ_OK; i++)
        j->status = rij_predict(j->m, j->image, &j->v[i]);
    return NULL;
}

START_TEST(four_threads_that_share_a_model_give_the_same_bytes)
{
    const place p = place_new(8, 4);
    rij_model *m = trained(&p);
    uint8_t *rgb = paint(100, 80, 9, 1);
    const rij_image image = {100, 80, 300, rgb};
    judge j[5]; // the first alone, then four at a time
    pthread_t thread[5];

    memset(j, 0, sizeof j);
    for (int i = 0; i < 5; i++) {
        j[i].m = m;
        j[i].image = &image;
    }
    judge_thread(&j[0]);
    for (int i = 1; i < 5; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, judge_thread, &j[i]), 0);
    for (int i = 1; i < 5; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(j[i].status, RIJ_OK);
        for (int k = 0; k < 4; k++)
            ck_assert_mem_eq(&j[i].v[k], &j[0].v[0], sizeof(rij_verdict));
    }
    free(rgb);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(saved_models_judge_as_before)
{
    const place p = place_new(8, 4);
    rij_model *m = trained(&p), *back = NULL, *plain = NULL;
    const char *real = under(&p, "data/real/01.png");
    rij_open_options o = RIJ_OPEN_OPTIONS_INIT;
    rij_verdict a, b, c;
    char text[2000];

    OK(rij_model_save(m, p.model));
    OK(rij_model_open(p.model, NULL, &back));
    o.device = "ref";
    o.threads = 2;
    OK(rij_model_open(p.model, &o, &plain));
    OK(rij_predict_file(m, real, &a));
    OK(rij_predict_file(back, real, &b));
    OK(rij_predict_file(plain, real, &c));
    ck_assert_double_eq_tol(a.margin, b.margin, 1e-5 * (1 + fabs(a.margin)));
    ck_assert_double_eq_tol(a.margin, c.margin, 1e-3 * (1 + fabs(a.margin)));
    ck_assert_uint_gt(rij_model_describe(back, text, sizeof text), 100);
    ck_assert_ptr_nonnull(strstr(text, "small"));
    ck_assert_uint_eq(rij_model_describe(NULL, text, sizeof text), 0);
    rij_model_free(m);
    rij_model_free(back);
    rij_model_free(plain);
    place_free(&p);
}
END_TEST

/* A verdict by the file's model, opened so. */
static rij_verdict judged_by(const place *p, const char *device, const char *precision,
                             int threads)
{
    rij_open_options o = RIJ_OPEN_OPTIONS_INIT;
    rij_model *m = NULL;
    rij_verdict v;

    o.device = device;
    o.precision = precision;
    o.threads = threads;
    OK(rij_model_open(p->model, &o, &m));
    OK(rij_predict_file(m, under(p, "data/real/01.png"), &v));
    rij_model_free(m);
    return v;
}

START_TEST(a_model_trains_and_judges_in_bf16_if_asked)
{
    const place p = place_new(8, 4);
    rij_train_options o = brief();
    rij_verdict made, plain, half, other; // a dozen layers, each off by a percent or less
    rij_model *m = NULL;
    char text[3000];

    o.precision = "bf16";
    o.traces = 2;
    OK(rij_train(p.data, &o, &m));
    rij_model_describe(m, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "\"precision\":\"bf16\""));
    OK(rij_predict_file(m, under(&p, "data/real/01.png"), &made));
    OK(rij_model_save(m, p.model));
    rij_model_free(m);
    plain = judged_by(&p, "cpu", NULL, 1); // the default, as the new model judges
    ck_assert_double_eq_tol(plain.margin, made.margin, 1e-5 * (1 + fabs(made.margin)));
    half = judged_by(&p, "cpu", "bf16", 1);
    ck_assert(half.margin != plain.margin && half.proximity != plain.proximity);
    ck_assert_double_eq_tol(half.classifier, plain.classifier,
                            0.05 * (1 + fabs(plain.classifier)));
    ck_assert_double_eq_tol(half.proximity, plain.proximity, 0.05);
    other = judged_by(&p, "cpu", "bf16", 3);
    ck_assert(other.margin == half.margin && other.proximity == half.proximity);
    plain = judged_by(&p, "ref", "fp32", 1);
    half = judged_by(&p, "ref", "bf16", 1); // which computes as before
    ck_assert(half.margin == plain.margin);
    place_free(&p);
}
END_TEST

#define OPEN_FAILS(path, options, wanted)                                                \
    do {                                                                                 \
        rij_model *opened = (rij_model *)(void *)&o;                                     \
        FAILS(rij_model_open(path, options, &opened), wanted);                           \
        ck_assert_ptr_null(opened);                                                      \
    } while (0)

START_TEST(files_that_are_no_model_are_not_opened)
{
    const place p = place_new(8, 4);
    rij_model *m = trained(&p);
    rij_open_options o = RIJ_OPEN_OPTIONS_INIT;
    rij_model *few = NULL;
    rij_verdict v;
    size_t n;
    char *bytes;

    OK(rij_model_save(m, p.model));
    bytes = read_whole(p.model, &n);
    FAILS(rij_model_open(p.model, NULL, NULL), RIJ_E_ARGUMENT);
    OPEN_FAILS(NULL, NULL, RIJ_E_ARGUMENT);
    OPEN_FAILS(under(&p, "none"), NULL, RIJ_E_FILE);
    OPEN_FAILS(under(&p, "data/real/00.png"), NULL, RIJ_E_MODEL);
    write_bytes(under(&p, "short"), bytes, n - 1);
    OPEN_FAILS(under(&p, "short"), NULL, RIJ_E_MODEL);
    write_bytes(under(&p, "head"), bytes, 7);
    OPEN_FAILS(under(&p, "head"), NULL, RIJ_E_MODEL);
    bytes[n - 100] ^= 4;
    write_bytes(under(&p, "flipped"), bytes, n);
    OPEN_FAILS(under(&p, "flipped"), NULL, RIJ_E_MODEL);
    o.size = 1;
    OPEN_FAILS(p.model, &o, RIJ_E_ARGUMENT);
    o.size = sizeof o;
    o.threads = -1;
    OPEN_FAILS(p.model, &o, RIJ_E_ARGUMENT);
    o.threads = 257;
    OPEN_FAILS(p.model, &o, RIJ_E_ARGUMENT);
    o.threads = 1;
    o.crops = 65;
    OPEN_FAILS(p.model, &o, RIJ_E_ARGUMENT);
    o.crops = -1;
    OPEN_FAILS(p.model, &o, RIJ_E_ARGUMENT);
    o.crops = 2;
    o.precision = "fp16";
    OPEN_FAILS(p.model, &o, RIJ_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "fp32, bf16"));
    o.precision = "bf16";
    o.device = "abacus";
    OPEN_FAILS(p.model, &o, RIJ_E_DEVICE);
    o.device = NULL;
    OK(rij_model_open(p.model, &o, &few));
    OK(rij_predict_file(few, under(&p, "data/real/00.png"), &v)); // 48 x 40: 4 of 32
    ck_assert_int_eq(v.crops, 2);
    OK(rij_predict_file(m, under(&p, "data/real/00.png"), &v));
    ck_assert_int_eq(v.crops, 4);
    rij_model_free(few);
    FAILS(rij_model_save(NULL, p.model), RIJ_E_ARGUMENT);
    FAILS(rij_model_save(m, NULL), RIJ_E_ARGUMENT);
    FAILS(rij_model_save(m, under(&p, "none/judge")), RIJ_E_FILE);
    free(bytes);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* ---- train ------------------------------------------------------------------------ */

#define TRAIN_FAILS(data, options, wanted)                                               \
    do {                                                                                 \
        rij_model *made = (rij_model *)(void *)&o;                                       \
        FAILS(rij_train(data, options, &made), wanted);                                  \
        ck_assert_ptr_null(made);                                                        \
    } while (0)

static int stop(const rij_progress *progress, void *user)
{
    ck_assert_ptr_nonnull(progress->phase);
    return ++*(int *)user == 2;
}

START_TEST(options_that_are_wrong_stop_training)
{
    const place p = place_new(4, 2);
    rij_train_options o = brief();

    FAILS(rij_train(p.data, &o, NULL), RIJ_E_ARGUMENT);
    TRAIN_FAILS(NULL, &o, RIJ_E_ARGUMENT);
    o.crop = 33;
    TRAIN_FAILS(p.data, &o, RIJ_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "crop"));
    o.crop = 32;
    o.size--;
    TRAIN_FAILS(p.data, &o, RIJ_E_ARGUMENT);
    o.size++;
    o.device = "abacus";
    TRAIN_FAILS(p.data, &o, RIJ_E_DEVICE);
    ck_assert_int_eq(o.batch1, 4); // the caller's options are as they were
    FAILS(rij_train_options_resolve(NULL), RIJ_E_ARGUMENT);
    FAILS(rij_train_options_resolve(&o), RIJ_E_DEVICE);
    place_free(&p);
}
END_TEST

START_TEST(training_can_be_cancelled)
{
    const place p = place_new(8, 4);
    rij_train_options o = brief();
    int calls = 0;

    o.progress = stop;
    o.user = &calls;
    TRAIN_FAILS(p.data, &o, RIJ_E_CANCELLED);
    ck_assert_int_eq(calls, 2);
    place_free(&p);
}
END_TEST

START_TEST(data_that_cannot_be_used_stops_training)
{
    static const char *const manifests[] = {
        "label\tgenerator\nreal\t\n",                           // no path
        "path\tgenerator\ndata/real/00.png\t\n",                // no label
        "path\tlabel\ndata/real/00.png\tperhaps\n",             // no such label
        "path\tlabel\n",                                        // no rows
        "path\tlabel\nnowhere.png\treal\nnor-here.png\tfake\n", // no usable image
        "path\tlabel\ndata/fake/north/00.png\tfake\ndata/fake/south/00.png\tfake\n",
        ("path\tlabel\tgroup\tsplit\ndata/real/00.png\treal\tg\ttrain\n"
         "data/real/01.png\treal\tg\ttest\n"), // a group in two splits
    };
    const place p = place_new(5, 2);
    rij_train_options o = brief();

    TRAIN_FAILS(under(&p, "none"), &o, RIJ_E_FILE);
    for (size_t i = 0; i < sizeof manifests / sizeof *manifests; i++) {
        write_text(under(&p, "manifest.tsv"), manifests[i]);
        TRAIN_FAILS(under(&p, "manifest.tsv"), &o, RIJ_E_DATA);
    }
    o.min_images = 6;
    TRAIN_FAILS(p.data, &o, RIJ_E_DATA);
    o.min_images = 2;
    o.split = "train"; // which the folder does not have
    TRAIN_FAILS(p.data, &o, RIJ_E_DATA);
    place_free(&p);
}
END_TEST

/* A step of w -= rate (g + decay w) with rate 100 and decay 1 turns w into -99 w. */
START_TEST(losses_that_explode_stop_training)
{
    const place p = place_new(8, 4);
    rij_train_options o = brief();

    o.optimiser = "sgd";
    o.weight_decay = 1;
    o.rate2 = 100;
    o.warmup = -1;
    o.steps1 = -1;
    o.steps2 = 400;
    o.patience = -1; // a double overflows late
    TRAIN_FAILS(p.data, &o, RIJ_E_DIVERGED);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "step"));
    place_free(&p);
}
END_TEST

START_TEST(reals_alone_train_with_forged_children)
{
    const place p = place_new(8, 0);
    const rij_train_options o = brief();
    rij_model *m = NULL;
    rij_verdict v;

    OK(rij_train(p.data, &o, &m));
    OK(rij_predict_file(m, under(&p, "data/real/00.png"), &v));
    rij_model_free(m);
    place_free(&p);
}
END_TEST

SUITE(api, version_and_statuses_have_names, files_and_pixels_are_judged_alike,
      files_that_cannot_be_judged_are_refused, pixels_that_cannot_be_judged_are_refused,
      four_threads_that_share_a_model_give_the_same_bytes, saved_models_judge_as_before,
      a_model_trains_and_judges_in_bf16_if_asked, files_that_are_no_model_are_not_opened,
      options_that_are_wrong_stop_training, training_can_be_cancelled,
      data_that_cannot_be_used_stops_training, losses_that_explode_stop_training,
      reals_alone_train_with_forged_children)
