/* Whole jobs on the device that RIJ_TEST_DEVICE names (cpu if none is named) beside the
 * reference: training with both stages, prediction, forging.
 *
 * After some steps two devices differ, for their sums are in another order, and steps
 * carry that on. By how much is a property of the job, not of the device: the cpu, whose
 * kernels other tests hold to the reference, shows it. So a device may be FURTHER times
 * as far from the reference as the cpu is. */
#include "api_place.h"
#include "like.h"
#include "model/model.h"
#include <math.h>

enum { FURTHER = 8 };

/* A training of some steps in both stages whose steps are as large as its gradients. */
static rij_train_options few_steps(const char *on, const char *encoder)
{
    rij_train_options o = brief();

    o.device = on;
    o.encoder = encoder;
    o.steps1 = 2;
    o.steps2 = 3;
    o.traces = 2;
    o.optimiser = "sgd";
    o.rate2 = 1e-2;
    o.contrast = "soft";
    return o;
}

/* All learned numbers of a model, and scores of six pictures of the place. */
static double *numbers_of(const rij_model *m, const place *p, size_t *n)
{
    const rj_params *s = rj_net_params(m->net);
    double *all;
    size_t at = 6;

    *n = at;
    for (int i = 0; i < s->n; i++)
        *n += rj_count(&s->p[i].t.shape);
    all = malloc(*n * sizeof *all);
    ck_assert_ptr_nonnull(all);
    for (int i = 0; i < s->n; i++) {
        const size_t some = rj_count(&s->p[i].t.shape);
        rj_real *x = rj_alloc(some, sizeof *x);
        OK(rj_tensor_read(m->dev, &s->p[i].t, x));
        for (size_t k = 0; k < some; k++)
            all[at++] = (double)x[k];
        rj_free(x);
    }
    for (int i = 0; i < 6; i++) {
        char name[40];
        rij_verdict verdict;
        snprintf(name, sizeof name, "data/%s/%02d.png", i % 2 ? "real" : "fake/south",
                 i / 2);
        OK(rij_predict_file(m, under(p, name), &verdict));
        all[i] = verdict.score;
    }
    return all;
}

static double *after_training(const place *p, const char *on, const char *encoder,
                              size_t *n)
{
    const rij_train_options o = few_steps(on, encoder);
    rij_model *m;
    double *all;

    OK(rij_train(p->data, &o, &m));
    all = numbers_of(m, p, n);
    rij_model_free(m);
    return all;
}

static double distance(const double *a, const double *b, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = isnan(a[i] - b[i]) ? INFINITY : fmax(most, fabs(a[i] - b[i]));
    return most;
}

START_TEST(both_stages_of_a_training_agree_with_the_reference)
{
    const place p = place_new(8, 4);
    size_t n, m;
    double *ref = after_training(&p, "ref", "small", &n);
    double *cpu = after_training(&p, "cpu", "small", &m);
    double *there = after_training(&p, tested_device(), "small", &m);
    const double far = distance(ref, cpu, n), far_there = distance(ref, there, n);

    ck_assert_uint_eq(n, m);
    ck_assert_msg(far > 0 && far < 1e-2, "the cpu is %g from the reference", far);
    ck_assert_msg(far_there <= FURTHER * far, "%s is %g from the reference, the cpu %g",
                  tested_device(), far_there, far);
    free(ref);
    free(cpu);
    free(there);
    place_free(&p);
}
END_TEST

/* Scores of a model file opened on a device. */
static void scores_on(const place *p, const char *on, const char *precision,
                      double scores[12])
{
    rij_open_options o = RIJ_OPEN_OPTIONS_INIT;
    rij_model *m;

    o.device = on;
    o.precision = precision;
    o.threads = 1;
    OK(rij_model_open(p->model, &o, &m));
    for (int i = 0; i < 12; i++) {
        char name[40];
        rij_verdict verdict;
        snprintf(name, sizeof name, "data/%s/%02d.png", i % 2 ? "real" : "fake/south",
                 i / 2);
        OK(rij_predict_file(m, under(p, name), &verdict));
        scores[i] = verdict.score;
    }
    rij_model_free(m);
}

/* A score is a probability: within 1e-4 in float32, where the model's self-test allows
 * 1e-3; of 8 or 11 significant bits within 0.05. */
START_TEST(a_model_judges_alike_on_the_device)
{
    static const struct {
        const char *precision;
        double most;
    } ways[] = {{"fp32", 1e-4}, {"tf32", 0.05}, {"bf16", 0.05}};
    const place p = place_new(8, 6);
    rij_model *m = trained(&p);
    double ref[12], there[12];

    OK(rij_model_save(m, p.model));
    rij_model_free(m);
    scores_on(&p, "ref", "fp32", ref);
    for (int k = 0; k < RJ_COUNT(ways); k++) {
        scores_on(&p, tested_device(), ways[k].precision, there);
        for (int i = 0; i < 12; i++)
            ck_assert_msg(fabs(ref[i] - there[i]) <= ways[k].most,
                          "%s, picture %d: %g, not %g", ways[k].precision, i, there[i],
                          ref[i]);
    }
    place_free(&p);
}
END_TEST

/* The same seed, the same file, on the device too. */
START_TEST(a_training_gives_the_same_file_each_time)
{
    static const char *const precisions[] = {"bf16", "tf32"};
    const place p = place_new(8, 4);

    for (int k = 0; k < RJ_COUNT(precisions); k++) {
        unsigned char *file[2];
        size_t n[2];
        for (int i = 0; i < 2; i++) {
            rij_train_options o = few_steps(tested_device(), "small");
            rij_model *m;
            o.precision = precisions[k];
            o.steps1 = o.steps2 = 2;
            o.traces = -1; // finding them takes most of the time
            OK(rij_train(p.data, &o, &m));
            OK(rij_model_save(m, p.model));
            rij_model_free(m);
            OK(rj_file_read(p.model, 64 << 20, &file[i], &n[i]));
        }
        ck_assert_msg(n[0] == n[1] && memcmp(file[0], file[1], n[0]) == 0, "%s",
                      precisions[k]);
        rj_free(file[0]);
        rj_free(file[1]);
    }
    place_free(&p);
}
END_TEST

SUITE(device_whole, both_stages_of_a_training_agree_with_the_reference,
      a_model_judges_alike_on_the_device, a_training_gives_the_same_file_each_time)
