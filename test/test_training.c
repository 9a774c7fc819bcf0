/* Training as a whole: it fits what it is shown, learns a mark it can see, and gives the
 * same file for any number of threads. */
#include "api_place.h"
#include "net/net.h"
#include <math.h>
#include <sys/resource.h>

enum { IMAGES = 32, SIDE = 32 };

/* Noise images with labels that have nothing to do with them. */
static void draw(float *planar, rj_real *label)
{
    rj_random r = rj_random_start(11, RJ_STREAM_TEST, 1);

    for (int i = 0; i < IMAGES * 3 * SIDE * SIDE; i++)
        planar[i] = (float)rj_random_uniform(&r, -1, 1);
    for (int i = 0; i < IMAGES; i++)
        label[i] = (rj_real)(i % 2);
}

static double fit_step(rj_net *net, rj_tape *tape, const float *planar,
                       const rj_real *label, int64_t t)
{
    const rj_optimiser adamw = {true, 0, 0.9, 0.999, 1e-8, 0};
    const rj_shape pictures = rj_shape_picture(IMAGES, 3, SIDE, SIDE);
    const rj_shape row = rj_shape_plain(1, IMAGES, 0, 0, 0);
    rj_tensor *x, *y, *h, *logit, *loss;
    double value;

    rj_tape_reset(tape);
    OK(rj_tensor_from(tape, &pictures, planar, &x));
    OK(rj_tensor_new(tape->dev, &tape->arena, &row, false, &y));
    OK(rj_tensor_write(tape->dev, y, label));
    OK(rj_net_encode(net, tape, x, true, &h));
    OK(rj_net_logit(net, tape, h, &logit));
    OK(rj_apply(tape, &rj_op_bce, NULL, (rj_tensor *[]){logit, y}, &loss));
    OK(rj_tensor_scalar(tape->dev, loss, &value));
    OK(rj_params_clear_gradients(rj_net_params(net)));
    OK(rj_backward(tape, loss));
    OK(rj_optimiser_step(&adamw, rj_net_params(net), 2e-3, t));
    return value;
}

START_TEST(training_overfits_32_images)
{
    const rj_net_config config = {"small", "haar", 16};
    float *planar = rj_alloc(IMAGES * 3 * SIDE * SIDE, sizeof *planar);
    rj_real label[IMAGES];
    rj_tape tape = {0};
    rj_pool *pool;
    rj_net *net;
    double loss = 1;

    OK(rj_pool_new(0, &pool));
    OK(rj_device_open("cpu", pool, &tape.dev));
    OK(rj_net_new(tape.dev, &config, 1, true, &net));
    draw(planar, label);
    for (int64_t t = 1; t <= 80 && loss > 0.02; t++)
        loss = fit_step(net, &tape, planar, label, t);
    ck_assert_msg(loss <= 0.02, "the loss is still %g", loss);
    rj_net_free(net);
    rj_tape_free(&tape);
    rj_device_close(tape.dev);
    rj_pool_free(pool);
    rj_free(planar);
}
END_TEST

/* Pages that the process has been given so far; a sanitizer's own are not ours. */
static long pages(void)
{
    struct rusage use;

    ck_assert_int_eq(getrusage(RUSAGE_SELF, &use), 0);
    return SANITIZED ? 0 : use.ru_minflt + use.ru_majflt;
}

/* Steps 1 and 2 find out what is needed and lay it into one block; a later step takes no
 * memory and touches no page for the first time. A busy host may take single pages away
 * and give them back, or put others in their place, and a stack may grow: that is no
 * defect. One arena that is lost is hundreds of pages. */
enum { FEW_PAGES = 64 };

static void check_steps(const char *encoder, const char *front)
{
    rj_net_config config = {.embedding = 16};
    float *planar = rj_alloc(IMAGES * 3 * SIDE * SIDE, sizeof *planar);
    rj_real label[IMAGES];
    rj_tape tape = {0};
    rj_pool *pool;
    rj_net *net;
    long before, more;

    snprintf(config.encoder, sizeof config.encoder, "%s", encoder);
    snprintf(config.front, sizeof config.front, "%s", front);
    OK(rj_pool_new(2, &pool));
    OK(rj_device_open("cpu", pool, &tape.dev));
    OK(rj_net_new(tape.dev, &config, 1, true, &net));
    draw(planar, label);
    for (int64_t t = 1; t <= 2; t++)
        fit_step(net, &tape, planar, label, t);
    rj_memory_fail_at(0);
    before = pages();
    for (int64_t t = 3; t <= 5; t++)
        fit_step(net, &tape, planar, label, t);
    more = pages() - before;
    ck_assert_msg(more < FEW_PAGES, "%s: %ld new pages", encoder, more);
    ck_assert_msg(rj_memory_fail_at(0) == 0, "%s: memory was taken", encoder);
    rj_net_free(net);
    rj_tape_free(&tape);
    rj_device_close(tape.dev);
    rj_pool_free(pool);
    rj_free(planar);
}

START_TEST(from_the_third_step_on_no_memory_is_taken_and_no_page_is_new)
{
    check_steps("small", "haar");
    check_steps("resnet18", "raw");
}
END_TEST

/* AUC of a model on a place's data. */
static double auc_on(const place *p, const rij_model *m)
{
    rij_evaluation *e;
    rij_evaluation_row row;

    OK(rij_evaluate(m, p->data, NULL, &e));
    OK(rij_evaluation_row_at(e, rij_evaluation_rows(e) - 1, &row));
    ck_assert_str_eq(row.generator, "POOLED");
    rij_evaluation_free(e);
    return row.auc;
}

static double auc_after(const place *shown, const place *unseen)
{
    rij_train_options o = brief();
    rij_model *m;
    double auc;

    o.threads = 0;
    o.batch1 = o.batch2 = 8;
    o.steps1 = 6;
    o.steps2 = 40;
    o.patience = -1;
    o.forged = -1;
    o.degraded = -1;
    OK(rij_train(shown->data, &o, &m));
    auc = auc_on(unseen, m);
    rij_model_free(m);
    return auc;
}

START_TEST(both_stages_learn_a_mark_that_fakes_carry)
{
    const place shown = place_new(12, 6), unseen = place_new(8, 4);
    const double auc = auc_after(&shown, &unseen);

    ck_assert_msg(auc > 0.95, "AUC %g", auc);
    place_free(&shown);
    place_free(&unseen);
}
END_TEST

/* The bytes of the file of a brief training. */
static unsigned char *trained_bytes(const place *p, const char *encoder,
                                    const char *precision, int threads, size_t *n)
{
    rij_train_options o = brief();
    unsigned char *bytes;
    rij_model *m;

    o.encoder = encoder;
    o.precision = precision;
    o.threads = threads;
    o.steps1 = o.steps2 = 3;
    o.traces = 2;
    OK(rij_train(p->data, &o, &m));
    OK(rij_model_save(m, p->model));
    rij_model_free(m);
    OK(rj_file_read(p->model, 64 << 20, &bytes, n));
    return bytes;
}

START_TEST(the_same_seed_gives_the_same_file_for_1_2_and_4_threads)
{
    static const char *const precisions[] = {"fp32", "bf16", "fp32"};
    static const char *const encoders[] = {"small", "small", "statistics"};
    const place p = place_new(8, 4);

    for (int k = 0; k < RJ_COUNT(precisions); k++) {
        size_t n, m;
        unsigned char *first = trained_bytes(&p, encoders[k], precisions[k], 1, &n);
        for (int threads = 2; threads <= 4; threads += 2) {
            unsigned char *other =
                trained_bytes(&p, encoders[k], precisions[k], threads, &m);
            ck_assert_uint_eq(n, m);
            ck_assert_msg(memcmp(first, other, n) == 0, "%s %s: %d threads, another file",
                          encoders[k], precisions[k], threads);
            rj_free(other);
        }
        rj_free(first);
    }
    place_free(&p);
}
END_TEST

/* S_cls of a photograph after a brief training. */
static double trained_score(const place *p, int sharp, int shuffled)
{
    rij_train_options o = brief();
    rij_verdict v;
    rij_model *m;

    o.encoder = "statistics";
    o.steps1 = -1;
    o.contrast = "none";
    o.steps2 = 12; // an epoch and more
    o.sharp = sharp;
    o.shuffle_labels = shuffled;
    OK(rij_train(p->data, &o, &m));
    OK(rij_predict_file(m, under(p, "data/real/00.png"), &v));
    rij_model_free(m);
    return v.classifier;
}

START_TEST(sharp_photographs_count_unless_labels_are_shuffled)
{
    const place p = place_new(12, 6);

    ck_assert(trained_score(&p, 1, 0) != trained_score(&p, 5, 0));
    ck_assert(trained_score(&p, 1, 1) == trained_score(&p, 5, 1));
    place_free(&p);
}
END_TEST

/* Every combination of what results are compared by trains a step or two. */
START_TEST(every_option_that_results_are_compared_by_trains)
{
    static const char *const contrast[] = {"extended", "soft", "none"};
    static const char *const front[] = {"raw", "median", "npr", "haar", "octaves"};
    const place p = place_new(8, 4);

    for (int i = 0; i < 18; i++) {
        rij_train_options o = brief();
        rij_model *m;

        o.contrast = contrast[i % 3];
        o.encoder = i < 15 ? "small" : "statistics"; // which takes raw alone
        o.front = i < 15 ? front[i % 5] : "raw";
        o.steps1 = i % 7 == 4 ? -1 : 2;
        o.broken = i % 2 ? -1 : 0;
        o.lambda = i == 3 ? -1 : 0;
        o.traces = i == 7 ? -1 : 1 + i % 2;
        o.optimiser = i % 2 ? "sgd" : "adamw";
        o.decide = o.steps1 > 0 && o.traces > 0 && i % 3 == 0 ? "fused" : "classifier";
        OK(rij_train(p.data, &o, &m));
        rij_model_free(m);
    }
    place_free(&p);
}
END_TEST

SUITE(training, training_overfits_32_images,
      from_the_third_step_on_no_memory_is_taken_and_no_page_is_new,
      both_stages_learn_a_mark_that_fakes_carry,
      the_same_seed_gives_the_same_file_for_1_2_and_4_threads,
      sharp_photographs_count_unless_labels_are_shuffled,
      every_option_that_results_are_compared_by_trains)
