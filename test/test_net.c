/* test_net.c: parameters, layers, the networks, optimisers and the schedule. */
#include "net/net.h"
#include "golden/optim.inc"
#include "test.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double eps = sizeof(rj_real) == sizeof(double) ? DBL_EPSILON : FLT_EPSILON;

/* A pool, a device, a tape. */
typedef struct bed {
    rj_pool *pool;
    rj_device *dev;
    rj_tape tape;
} bed;

static bed bed_new(const char *device, int threads)
{
    bed b = {0};
    OK(rj_pool_new(threads, &b.pool));
    OK(rj_device_open(device, b.pool, &b.dev));
    b.tape.dev = b.dev;
    return b;
}

static void bed_free(bed *b)
{
    rj_tape_free(&b->tape);
    rj_device_close(b->dev);
    rj_pool_free(b->pool);
}

static rj_net_config config_of(const char *encoder, const char *front)
{
    rj_net_config c = {.embedding = 32};

    snprintf(c.encoder, sizeof c.encoder, "%s", encoder);
    snprintf(c.front, sizeof c.front, "%s", front);
    return c;
}

/* Noise of n images of side s, on the tape. */
static rj_tensor *images_new(bed *b, int n, int s)
{
    const rj_shape shape = rj_shape_picture(n, 3, s, s);
    rj_random r = rj_random_start(5, RJ_STREAM_TEST, 0);
    float *x = rj_alloc(rj_count(&shape), sizeof *x);
    rj_tensor *t = NULL;

    for (size_t i = 0; i < rj_count(&shape); i++)
        x[i] = (float)rj_random_uniform(&r, -1, 1);
    OK(rj_tensor_from(&b->tape, &shape, x, &t));
    rj_free(x);
    return t;
}

START_TEST(parameters_are_added_found_and_counted)
{
    bed b = bed_new("ref", 1);
    rj_params s = {.dev = b.dev}, frozen = {.dev = b.dev, .frozen = true};
    const rj_shape shape = rj_shape_plain(2, 3, 5, 1, 1);
    char name[RJ_NAME_MAX + 1];
    int i = -1;

    OK(rj_params_add(&s, "a.weight", RJ_PARAM_WEIGHT, shape, &i));
    ck_assert_int_eq(i, 0);
    OK(rj_params_add(&s, "a.mean", RJ_PARAM_BUFFER, shape, &i));
    ck_assert_int_eq(i, 1);
    ck_assert_ptr_nonnull(s.p[0].t.g);
    ck_assert_ptr_null(s.p[1].t.g);
    ck_assert_uint_eq(rj_params_count(&s), 15);
    ck_assert_int_eq(rj_params_find(&s, "a.mean"), 1);
    ck_assert_int_eq(rj_params_find(&s, "b"), -1);
    FAILS(rj_params_add(&s, "a.mean", RJ_PARAM_PLAIN, shape, &i), RIJ_E_ARGUMENT);
    FAILS(rj_params_add(&s, "", RJ_PARAM_PLAIN, shape, &i), RIJ_E_ARGUMENT);
    memset(name, 'x', RJ_NAME_MAX);
    name[RJ_NAME_MAX] = 0;
    FAILS(rj_params_add(&s, name, RJ_PARAM_PLAIN, shape, &i), RIJ_E_ARGUMENT);
    name[RJ_NAME_MAX - 1] = 0;
    OK(rj_params_add(&s, name, RJ_PARAM_PLAIN, shape, &i));
    ck_assert_int_eq(s.n, 3);
    OK(rj_params_add(&frozen, "a.weight", RJ_PARAM_WEIGHT, shape, &i));
    ck_assert_ptr_null(frozen.p[0].t.g);
    FAILS(rj_params_copy(&frozen, &s), RIJ_E_SHAPE);
    rj_params_free(&s);
    rj_params_free(&frozen);
    bed_free(&b);
}
END_TEST

START_TEST(copies_hold_values_and_clearing_holds_zeros)
{
    bed b = bed_new("cpu", 1);
    const rj_net_config config = config_of("small", "haar");
    rj_net *one = NULL, *two = NULL;
    rj_params *p, *q;

    OK(rj_net_new(b.dev, &config, 7, true, &one));
    OK(rj_net_new(b.dev, &config, 0, false, &two));
    p = rj_net_params(one);
    q = rj_net_params(two);
    ck_assert_uint_eq(rj_params_count(p), rj_params_count(q));
    OK(rj_params_copy(q, p));
    for (int i = 0; i < p->n; i++) {
        const size_t n = rj_count(&p->p[i].t.shape);

        ck_assert_int_eq(memcmp(p->p[i].t.x, q->p[i].t.x, n * sizeof(rj_real)), 0);
        for (size_t j = 0; p->p[i].t.g && j < n; j++)
            p->p[i].t.g[j] = 3;
    }
    OK(rj_params_clear_gradients(p));
    for (int i = 0; i < p->n; i++)
        for (size_t j = 0; p->p[i].t.g && j < rj_count(&p->p[i].t.shape); j++)
            ck_assert(p->p[i].t.g[j] == 0);
    rj_net_free(one);
    rj_net_free(two);
    bed_free(&b);
}
END_TEST

/* 36,864 normal numbers: their deviation is known to sqrt(1/2n) = 0.4 %, so 5 of those.
 */
START_TEST(start_values_come_from_seed_and_place)
{
    enum { N = 64 * 64 * 9 };
    bed b = bed_new("ref", 1);
    rj_params s[3] = {{.dev = b.dev}, {.dev = b.dev}, {.dev = b.dev}};
    const uint64_t seeds[3] = {7, 7, 8};
    const double deviation = sqrt(2.0 / (64 * 9));
    double sum = 0, square = 0;
    rj_conv_layer l;

    for (int i = 0; i < 3; i++) {
        OK(rj_conv_new(&s[i], seeds[i], i == 1 ? "x" : "a", 64, 64, 3, 1, 1, false, &l));
        OK(rj_conv_new(&s[i], seeds[i], i == 1 ? "y" : "b", 64, 64, 3, 1, 1, false, &l));
    }
    for (int i = 0; i < N; i++) {
        sum += (double)s[0].p[0].t.x[i];
        square += (double)s[0].p[0].t.x[i] * (double)s[0].p[0].t.x[i];
    }
    ck_assert_double_eq_tol(sqrt(square / N), deviation, 0.02 * deviation);
    ck_assert_double_eq_tol(sum / N, 0, 5 * deviation / sqrt(N));
    ck_assert_mem_eq(s[0].p[0].t.x, s[1].p[0].t.x, N * sizeof(rj_real));
    ck_assert_mem_eq(s[0].p[1].t.x, s[1].p[1].t.x, N * sizeof(rj_real));
    ck_assert_mem_ne(s[0].p[0].t.x, s[0].p[1].t.x, N * sizeof(rj_real));
    ck_assert_mem_ne(s[0].p[0].t.x, s[2].p[0].t.x, N * sizeof(rj_real));
    for (int i = 0; i < 3; i++)
        rj_params_free(&s[i]);
    bed_free(&b);
}
END_TEST

/* Learned numbers of an encoder; frozen, so that nothing is drawn. */
static size_t encoder_count(rj_device *dev, const char *encoder, const char *front)
{
    const rj_net_config config = config_of(encoder, front);
    rj_params s = {.dev = dev, .frozen = true};
    rj_encoder e;
    size_t n;

    OK(rj_encoder_new(&s, 0, &config, &e));
    n = rj_params_count(&s);
    rj_params_free(&s);
    return n;
}

/* ResNets: torchvision's counts without fc. */
START_TEST(encoders_have_the_parameters_they_should)
{
    static const char *const names[] = {
        "encoder.conv1.weight",
        "encoder.bn1.running_var",
        "encoder.layer1.0.conv1.weight",
        "encoder.layer2.0.downsample.0.weight",
        "encoder.layer2.0.downsample.1.running_mean",
        "encoder.layer4.1.bn2.bias",
        "g_hom.0.bias",
        "g_hom.2.weight",
        "g_het.2.bias",
        "classifier.weight",
    };
    bed b = bed_new("cpu", 1);
    rj_net_config config = config_of("small", "haar");
    rj_net *net = NULL;

    ck_assert_uint_eq(encoder_count(b.dev, "resnet18", "raw"), 11176512);
    ck_assert_uint_eq(encoder_count(b.dev, "resnet50", "raw"), 23508032);
    ck_assert_uint_eq(encoder_count(b.dev, "patch", "haar"), 198448);
    ck_assert_uint_eq(encoder_count(b.dev, "patch", "octaves"), 199312);
    ck_assert_uint_eq(encoder_count(b.dev, "small", "npr"), 980304);
    ck_assert_uint_eq(encoder_count(b.dev, "small", "haar"), 981168);
    config.embedding = 128;
    OK(rj_net_new(b.dev, &config, 1, false, &net));
    ck_assert_uint_eq(rj_params_count(rj_net_params(net)), 981168 + 92608 + 161);
    for (int i = 0; i < RJ_COUNT(names); i++)
        ck_assert_msg(rj_params_find(rj_net_params(net), names[i]) >= 0, "%s", names[i]);
    ck_assert_int_eq(rj_params_find(rj_net_params(net), "g_hom.2.bias"), -1);
    ck_assert_int_eq(rj_net_features(net), 160);
    rj_net_free(net);
    bed_free(&b);
}
END_TEST

START_TEST(unknown_networks_are_refused)
{
    bed b = bed_new("ref", 1);
    rj_net_config no_encoder = config_of("large", "haar"),
                  no_front = config_of("small", "x"), wide = config_of("small", "haar");
    rj_net *net = NULL;

    FAILS(rj_net_new(b.dev, &no_encoder, 1, true, &net), RIJ_E_ARGUMENT);
    FAILS(rj_net_new(b.dev, &no_front, 1, true, &net), RIJ_E_ARGUMENT);
    wide.embedding = 7;
    FAILS(rj_net_new(b.dev, &wide, 1, true, &net), RIJ_E_ARGUMENT);
    ck_assert_ptr_null(net);
    bed_free(&b);
}
END_TEST

/* h, z_hom, z_het and logit of one forward pass, row after row; `n` gets how many. */
static rj_real *forward(bed *b, rj_net *net, int batch, int side, bool train, size_t *n)
{
    rj_tensor *t[4], *images = images_new(b, batch, side);
    rj_real *all, *at;

    OK(rj_net_encode(net, &b->tape, images, train, &t[0]));
    OK(rj_net_project(net, &b->tape, RJ_HEAD_HOM, t[0], NULL, &t[1]));
    OK(rj_net_project(net, &b->tape, RJ_HEAD_HET, t[0], NULL, &t[2]));
    OK(rj_net_logit(net, &b->tape, t[0], &t[3]));
    *n = 0;
    for (int i = 0; i < 4; i++)
        *n += rj_count(&t[i]->shape);
    at = all = rj_alloc(*n, sizeof *all);
    for (int i = 0; i < 4; i++, at += rj_count(&t[i - 1]->shape))
        OK(rj_tensor_read(b->dev, t[i], at));
    ck_assert_int_eq(t[0]->shape.dim[0], batch);
    ck_assert_int_eq(t[0]->shape.dim[1], rj_net_features(net));
    ck_assert_int_eq(t[3]->shape.dim[0], batch);
    ck_assert_int_eq(t[3]->shape.dim[1], 1);
    rj_tape_reset(&b->tape);
    return all;
}

/* How far two devices may part. A sum of C R^2 rounded terms has an error of about
 * eps sqrt(C R^2) of its own deviation (a random walk of partial sums, each as large as
 * the result at most); He's start, batch norm and relu carry relative errors on without
 * making them larger; errors of all layers add up. Four deviations, since all numbers
 * must keep to it, and the two devices each err. */
static double bound(const rj_params *s, const rj_real *x, size_t n)
{
    double layers = 0, square = 0;

    for (int i = 0; i < s->n; i++) {
        const rj_shape *w = &s->p[i].t.shape;

        if (s->p[i].kind == RJ_PARAM_WEIGHT)
            layers += sqrt((double)rj_count(w) / w->dim[0]);
    }
    for (size_t i = 0; i < n; i++)
        square += (double)x[i] * (double)x[i];
    return 4 * 2 * eps * layers * sqrt(square / (double)n);
}

static void devices_agree(const char *encoder, const char *front, int batch, int side)
{
    const rj_net_config config = config_of(encoder, front);
    bed ref = bed_new("ref", 2), cpu = bed_new("cpu", 2);
    rj_net *one = NULL, *two = NULL;
    OK(rj_net_new(ref.dev, &config, 3, true, &one));
    OK(rj_net_new(cpu.dev, &config, 0, false, &two));
    OK(rj_params_copy(rj_net_params(two), rj_net_params(one)));
    for (int train = 1; train >= 0; train--) { // the second by the running statistics
        size_t n = 0;
        rj_real *x = forward(&ref, one, batch, side, train, &n);
        rj_real *y = forward(&cpu, two, batch, side, train, &n);
        const double most = bound(rj_net_params(one), x, n);

        for (size_t i = 0; i < n; i++)
            ck_assert_msg(fabs((double)x[i] - (double)y[i]) <= most,
                          "%s %s train %d number %zu: %.9g and %.9g, bound %.3g", encoder,
                          front, train, i, (double)x[i], (double)y[i], most);
        rj_free(x);
        rj_free(y);
    }
    rj_net_free(one);
    rj_net_free(two);
    bed_free(&ref);
    bed_free(&cpu);
}

START_TEST(small_networks_agree_on_ref_and_cpu)
{
    devices_agree("patch", "haar", 3, 48);
    devices_agree("small", "npr", 4, 32);
    devices_agree("small", "octaves", 4, 32);
}
END_TEST

START_TEST(resnet18_agrees_on_ref_and_cpu)
{
    devices_agree("resnet18", "haar", 4, 32);
}
END_TEST

/* loss = bce(logit, label) + 3 ||z_hom^T z_het||^2 / B^2, one number that every
 * parameter moves. */
static rj_tensor *loss_of(bed *b, rj_net *net, int batch, int side)
{
    const rj_add_par sum = {1, 3};
    const rj_shape rows = rj_shape_plain(1, batch, 1, 1, 1);
    const float label[4] = {1, 0, 1, 0};
    rj_tensor *h, *z[RJ_MAX_IN] = {0}, *in[RJ_MAX_IN] = {0}, *part[RJ_MAX_IN] = {0},
                  *loss;

    OK(rj_net_encode(net, &b->tape, images_new(b, batch, side), true, &h));
    OK(rj_net_project(net, &b->tape, RJ_HEAD_HOM, h, NULL, &z[0]));
    OK(rj_net_project(net, &b->tape, RJ_HEAD_HET, h, NULL, &z[1]));
    OK(rj_net_logit(net, &b->tape, h, &in[0]));
    OK(rj_tensor_from(&b->tape, &rows, label, &in[1]));
    OK(rj_apply(&b->tape, &rj_op_bce, NULL, in, &part[0]));
    OK(rj_apply(&b->tape, &rj_op_decouple, NULL, z, &part[1]));
    OK(rj_apply(&b->tape, &rj_op_add, &sum, part, &loss));
    return loss;
}

/* The loss with every learned number moved from its place w by t times direction v. */
static double loss_at(bed *b, rj_net *net, const double *w, const double *v, double t)
{
    rj_params *s = rj_net_params(net);
    double loss;

    for (int i = 0; i < s->n; i++)
        for (size_t j = 0; s->p[i].t.g && j < rj_count(&s->p[i].t.shape); j++)
            s->p[i].t.x[j] = (rj_real)(*w++ + t * *v++);
    OK(rj_tensor_scalar(b->dev, loss_of(b, net, 3, 32), &loss));
    rj_tape_reset(&b->tape);
    return loss;
}

/* Where no relu changes its side between w - h v and w + h v, central differences of h
 * and h/2 agree to h^2; a direction where they do not is drawn again. A wrong gradient
 * cannot hide there: both differences know nothing of it. */
START_TEST(gradient_of_the_small_network_matches_differences)
{
    enum { WANTED = 3, TRIES = 60 };
    const rj_net_config config = config_of("small", "haar");
    bed b = bed_new("ref", 2);
    rj_random r = rj_random_start(11, RJ_STREAM_TEST, 0);
    rj_net *net = NULL;
    rj_params *s;
    double *w, *v, *g, norm = 0;
    size_t n, at = 0;
    int smooth = 0;

    OK(rj_net_new(b.dev, &config, 3, true, &net));
    s = rj_net_params(net);
    n = rj_params_count(s);
    w = rj_alloc(3 * n, sizeof *w);
    v = w + n;
    g = v + n;
    OK(rj_backward(&b.tape, loss_of(&b, net, 3, 32)));
    rj_tape_reset(&b.tape);
    for (int i = 0; i < s->n; i++)
        for (size_t j = 0; s->p[i].t.g && j < rj_count(&s->p[i].t.shape); j++, at++) {
            w[at] = (double)s->p[i].t.x[j];
            g[at] = (double)s->p[i].t.g[j];
            norm += g[at] * g[at];
        }
    norm = sqrt(norm);
    ck_assert_uint_eq(at, n);
    ck_assert(isfinite(norm) && norm > 1e-3);
    for (int i = 0; i < TRIES && smooth < WANTED && sizeof(rj_real) == sizeof(double);
         i++) {
        const double h = 2e-7;
        double slope = 0, wide, close;

        for (size_t j = 0; j < n; j++) {
            v[j] = rj_random_normal(&r);
            slope += g[j] * v[j];
        }
        wide = (loss_at(&b, net, w, v, h) - loss_at(&b, net, w, v, -h)) / (2 * h);
        close = (loss_at(&b, net, w, v, h / 2) - loss_at(&b, net, w, v, -h / 2)) / h;
        if (fabs(wide - close) > 3e-8 * norm)
            continue;
        smooth++;
        ck_assert_msg(fabs(close - slope) <= 1e-7 * norm,
                      "slope %.12g, differences %.12g", slope, close);
    }
    ck_assert(smooth == WANTED || sizeof(rj_real) != sizeof(double));
    rj_free(w);
    rj_net_free(net);
    bed_free(&b);
}
END_TEST

/* Outputs and gradients of the cpu device, to the last bit. */
START_TEST(results_do_not_depend_on_the_number_of_threads)
{
    const rj_net_config config = config_of("small", "haar");
    uint64_t hash[3] = {0};

    for (int i = 0; i < 3; i++) {
        bed b = bed_new("cpu", 1 << i);
        rj_net *net = NULL;
        size_t n = 0;
        rj_real *x;

        OK(rj_net_new(b.dev, &config, 3, true, &net));
        OK(rj_backward(&b.tape, loss_of(&b, net, 4, 48)));
        rj_tape_reset(&b.tape);
        for (int j = 0; j < rj_net_params(net)->n; j++) {
            const rj_tensor *t = &rj_net_params(net)->p[j].t;

            if (t->g)
                hash[i] = rj_hash(t->g, rj_count(&t->shape) * sizeof(rj_real), hash[i]);
        }
        x = forward(&b, net, 4, 48, true, &n);
        hash[i] = rj_hash(x, n * sizeof *x, hash[i]);
        ck_assert_uint_eq(hash[i], hash[0]);
        rj_free(x);
        rj_net_free(net);
        bed_free(&b);
    }
}
END_TEST

/* Three steps of the case of make_optim.py; a plain parameter beside it is not decayed.
 */
static void steps_match(const char *device, const rj_optimiser *o, const double *golden)
{
    static const double rates[3] = {0.1, 0.05, 0.02};
    bed b = bed_new(device, 1);
    rj_params s = {.dev = b.dev};
    const rj_shape shape = rj_shape_plain(1, 5, 1, 1, 1);
    int w, p, buffer;

    OK(rj_params_add(&s, "w", RJ_PARAM_WEIGHT, shape, &w));
    OK(rj_params_add(&s, "b", RJ_PARAM_PLAIN, shape, &p));
    OK(rj_params_add(&s, "mean", RJ_PARAM_BUFFER, shape, &buffer));
    OK(rj_start_fill(&s, p, 0.75));
    OK(rj_start_fill(&s, buffer, 2));
    for (int step = 0; step < 6; step++) { // twice: step 1 forgets what was before
        for (int i = 0; i < 5; i++) {
            if (step % 3 == 0)
                s.p[w].t.x[i] = (rj_real)(0.5 - 0.25 * i);
            s.p[w].t.g[i] = (rj_real)(0.3 * i - 0.2 * (step % 3 + 1) + 0.1);
        }
        OK(rj_optimiser_step(o, &s, rates[step % 3], step % 3 + 1));
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_double_eq_tol((double)s.p[w].t.x[i], golden[i], 32 * eps);
        ck_assert(s.p[p].t.x[i] == (rj_real)0.75 && s.p[buffer].t.x[i] == 2);
    }
    FAILS(rj_optimiser_step(o, &s, 0.1, 0), RIJ_E_ARGUMENT);
    FAILS(rj_optimiser_step(o, &s, NAN, 1), RIJ_E_ARGUMENT);
    s.frozen = true;
    FAILS(rj_optimiser_step(o, &s, 0.1, 1), RIJ_E_ARGUMENT);
    rj_params_free(&s);
    bed_free(&b);
}

START_TEST(optimisers_step_as_pytorch_does)
{
    const rj_optimiser sgd = {.momentum = 0.9, .decay = 0.02};
    const rj_optimiser adamw = {
        .adamw = true, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.03};

    steps_match("ref", &sgd, golden_sgd);
    steps_match("cpu", &sgd, golden_sgd);
    steps_match("ref", &adamw, golden_adamw);
    steps_match("cpu", &adamw, golden_adamw);
}
END_TEST

START_TEST(schedule_warms_up_and_falls_to_zero)
{
    ck_assert_double_eq(rj_schedule(0.2, 0.1, 0, 100), 0.2 / 10);
    ck_assert_double_eq(rj_schedule(0.2, 0.1, 9, 100), 0.2);
    ck_assert_double_eq(rj_schedule(0.2, 0.1, 10, 100), 0.2);
    ck_assert_double_eq_tol(rj_schedule(0.2, 0.1, 55, 100), 0.1, 1e-15);
    ck_assert_double_eq_tol(rj_schedule(0.2, 0.1, 85, 100),
                            0.1 * (1 + cos(acos(-1.0) * 75 / 90)), 1e-15);
    ck_assert_double_gt(rj_schedule(0.2, 0.1, 99, 100), 0);
    ck_assert_double_eq(rj_schedule(0.2, 0.1, 100, 100), 0);
    ck_assert_double_eq(rj_schedule(0.2, 0, 0, 100), 0.2);
    ck_assert_double_eq(rj_schedule(0.2, 1, 99, 100), 0.2);
    ck_assert_double_eq(rj_schedule(0.2, 0.1, 0, 1), 0.2);
    ck_assert_double_eq(rj_schedule(0.2, 0.1, 0, 0), 0);
}
END_TEST

SUITE(net, parameters_are_added_found_and_counted,
      copies_hold_values_and_clearing_holds_zeros, start_values_come_from_seed_and_place,
      encoders_have_the_parameters_they_should, unknown_networks_are_refused,
      small_networks_agree_on_ref_and_cpu, resnet18_agrees_on_ref_and_cpu,
      gradient_of_the_small_network_matches_differences,
      results_do_not_depend_on_the_number_of_threads, optimisers_step_as_pytorch_does,
      schedule_warms_up_and_falls_to_zero)
