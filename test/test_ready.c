/* test_ready.c: encoders made ready to predict, and convolutions prepared with what
 * follows them, against the same without preparation. */
#include "cases.h"
#include "net/net.h"
#include "test.h"
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 64, BATCH = 4, WIDEST = 2048 };
static const double eps =
    sizeof(rj_real) == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;

/* A net and what it runs on. */
typedef struct bed {
    rj_pool *pool;
    rj_tape tape;
    rj_net *net;
    float *images; /* (BATCH,3,SIDE,SIDE) */
    bool packed;   /* the net is given a picture, and not the images as they are */
} bed;

/* h (n, m) of the first n images, by `ready` or, where that is NULL, by the net. */
static void encode(bed *b, const rj_ready *ready, int n, bool train, rj_real *h)
{
    rj_shape shape = rj_shape_plain(4, n, 3, SIDE, SIDE);
    rj_tensor *x, *y;

    shape.picture = b->packed;
    rj_tape_reset(&b->tape);
    if (ready) {
        OK(rj_ready_encode(ready, &b->tape, n, SIDE, b->images, &y));
    } else {
        OK(rj_tensor_from(&b->tape, &shape, b->images, &x));
        OK(rj_net_encode(b->net, &b->tape, x, train, &y));
    }
    ck_assert_int_eq(y->shape.dim[0], n);
    ck_assert_int_eq(y->shape.dim[1], rj_net_features(b->net));
    OK(rj_tensor_read(b->tape.dev, y, h));
    rj_tape_reset(&b->tape);
}

/* A net whose batch norms have seen the images, each channel's scale and offset its own,
 * so that folding them matters. */
static bed bed_new(const char *device, const char *encoder, const char *front)
{
    rj_net_config config = {.embedding = 16};
    bed b = {.images = rj_alloc((size_t)BATCH * 3 * SIDE * SIDE, sizeof(float))};
    rj_random r = rj_random_start(9, RJ_STREAM_TEST, 0);
    rj_real h[BATCH * WIDEST];
    rj_params *s;

    snprintf(config.encoder, sizeof config.encoder, "%s", encoder);
    snprintf(config.front, sizeof config.front, "%s", front);
    for (int i = 0; i < BATCH * 3 * SIDE * SIDE; i++)
        b.images[i] = (float)rj_random_uniform(&r, -1, 1);
    OK(rj_pool_new(2, &b.pool));
    OK(rj_device_open(device, b.pool, &b.tape.dev));
    OK(rj_net_new(b.tape.dev, &config, 3, true, &b.net));
    s = rj_net_params(b.net);
    for (int i = 0; i < s->n; i++)
        if (s->p[i].kind == RJ_PARAM_PLAIN)
            for (size_t k = 0; k < rj_count(&s->p[i].t.shape); k++)
                s->p[i].t.x[k] += (rj_real)rj_random_uniform(&r, -0.5, 0.5);
    for (int i = 0; i < 2; i++)
        encode(&b, NULL, BATCH, true, h);
    b.tape.frozen = true;
    return b;
}

static void bed_free(bed *b)
{
    rj_net_free(b->net);
    rj_device_close(b->tape.dev);
    rj_tape_free(&b->tape);
    rj_pool_free(b->pool);
    rj_free(b->images);
}

static double rms(size_t n, const rj_real *x)
{
    double square = 0;

    for (size_t i = 0; i < n; i++)
        square += (double)x[i] * (double)x[i];
    return sqrt(square / (double)n);
}

/* Layers of the encoder, and how many products the sums of all of them have. */
static int layers(const rj_params *s, double *products)
{
    int count = 0;

    *products = 0;
    for (int i = 0; i < s->n; i++) {
        const rj_shape *w = &s->p[i].t.shape;
        if (s->p[i].kind == RJ_PARAM_WEIGHT && w->rank == 4) {
            *products += (double)rj_count(w) / w->dim[0];
            count++;
        }
    }
    return count;
}

static void check_rows(const char *name, enum rj_precision p, size_t n,
                       const rj_real *got, const rj_real *want, double most)
{
    for (size_t i = 0; i < n; i++)
        HOLDS(fabs((double)got[i] - (double)want[i]) <= most,
              "%s precision %d number %zu: %.9g, not %.9g, bound %.3g", name, p, i,
              (double)got[i], (double)want[i], most);
}

/* A sum of n products has an error of about eps sqrt(n) of its own deviation, as
 * test_net.c has it, ten times as much by Winograd; that of a layer in bfloat16 is about
 * a percent. Errors of layers add up as squares do, and so do those of two that are
 * compared; four deviations, and six in bfloat16, since all numbers must keep to it.
 * Against the net op by op: without bfloat16, given a picture; and in the same precision,
 * given the same images. */
static void check_ready(bed *b, enum rj_precision p, const char *name)
{
    const size_t n = (size_t)BATCH * (size_t)rj_net_features(b->net);
    rj_real want[BATCH * WIDEST], same[BATCH * WIDEST], got[BATCH * WIDEST];
    rj_ready *ready = NULL;
    double most, products;
    int count;

    b->packed = true;
    encode(b, NULL, BATCH, false, want);
    b->packed = false;
    b->tape.dev->precision = p;
    encode(b, NULL, BATCH, false, same);
    OK(rj_net_prepare(b->net, b->tape.dev, SIDE, 16, &ready));
    encode(b, ready, BATCH, false, got);
    b->tape.dev->precision = RJ_FP32;
    rj_ready_free(ready);
    count = layers(rj_net_params(b->net), &products);
    most = (p == RJ_BF16 ? 6 * 0.01 * sqrt(count) : 4 * 2 * 10 * eps * sqrt(products)) *
           rms(n, want);
    check_rows(name, p, n, got, want, most);
    check_rows(name, p, n, got, same, p == RJ_BF16 ? sqrt(2) * most : most);
    ck_assert_msg(p == RJ_FP32 || memcmp(got, want, n * sizeof *got) != 0,
                  "%s rounds nothing", name);
}

static void check_net(const char *device, const char *encoder, const char *front,
                      enum rj_algorithm algorithm)
{
    bed b = bed_new(device, encoder, front);
    char name[64];

    snprintf(name, sizeof name, "%s %s %s %d", device, encoder, front, algorithm);
    b.tape.dev->algorithm = algorithm;
    check_ready(&b, RJ_FP32, name);
    if (strcmp(device, "cpu") == 0)
        check_ready(&b, RJ_BF16, name);
    bed_free(&b);
}

START_TEST(every_encoder_made_ready_gives_what_it_gave)
{
    static const char *const encoders[] = {"small", "resnet18", "resnet50"};
    static const char *const fronts[] = {"raw", "median", "npr", "octaves", "haar"};

    for (int i = 0; i < RJ_COUNT(encoders); i++)
        for (int j = 0; j < RJ_COUNT(fronts); j += i == 2 ? 4 : 1) // the large one twice
            check_net("cpu", encoders[i], fronts[j], RJ_AUTO);
    check_net("cpu", "small", "haar", RJ_DIRECT);
    check_net("cpu", "small", "haar", RJ_WINOGRAD);
    check_net("ref", "small", "haar", RJ_AUTO);
    check_net("cpu", "patch", "haar", RJ_AUTO);
}
END_TEST

/* Batches of any number, also of more pictures than go through the network together. */
START_TEST(a_row_does_not_depend_on_the_others)
{
    enum { MANY = 101 };
    const size_t each = 3 * SIDE * SIDE;
    bed b = bed_new("cpu", "small", "haar");
    const size_t m = (size_t)rj_net_features(b.net);
    rj_real first[WIDEST], few[BATCH * WIDEST], *all = rj_alloc(MANY * m, sizeof *all);
    float *images = b.images, *many = rj_alloc(MANY * each, sizeof *many);

    for (size_t i = 0; i < MANY; i++)
        memcpy(many + i * each, images + i % BATCH * each, each * sizeof *many);
    for (int p = RJ_FP32; p <= RJ_BF16; p++) {
        rj_ready *ready = NULL;
        b.tape.dev->precision = (enum rj_precision)p;
        OK(rj_net_prepare(b.net, b.tape.dev, SIDE, 16, &ready));
        encode(&b, ready, 1, false, first);
        encode(&b, ready, BATCH, false, few);
        ck_assert_mem_eq(first, few, m * sizeof *few);
        b.images = many;
        encode(&b, ready, MANY, false, all);
        b.images = images;
        for (size_t i = 0; i < MANY; i++)
            ck_assert_mem_eq(all + i * m, few + i % BATCH * m, m * sizeof *few);
        rj_ready_free(ready);
    }
    rj_free(many);
    rj_free(all);
    bed_free(&b);
}
END_TEST

typedef struct sharer {
    pthread_t thread;
    bed own; /* its tape and device are */
    const rj_ready *ready;
    rj_real h[BATCH * WIDEST];
} sharer;

static void *share(void *user)
{
    sharer *s = user;

    for (int i = 0; i < 3; i++)
        encode(&s->own, s->ready, BATCH, false, s->h);
    return NULL;
}

/* The net's own device and four threads at once, with devices on the one pool. */
static void check_shared(bed *b, enum rj_precision p)
{
    const size_t n = (size_t)BATCH * (size_t)rj_net_features(b->net);
    sharer s[4];
    rj_real want[BATCH * WIDEST];
    rj_ready *ready = NULL;

    b->tape.dev->precision = p;
    OK(rj_net_prepare(b->net, b->tape.dev, SIDE, 16, &ready));
    encode(b, ready, BATCH, false, want);
    for (int i = 0; i < 4; i++) {
        s[i] = (sharer){.own = *b, .ready = ready};
        s[i].own.tape = (rj_tape){.frozen = true};
        OK(rj_device_open("cpu", b->pool, &s[i].own.tape.dev));
        s[i].own.tape.dev->precision = p;
        ck_assert_int_eq(pthread_create(&s[i].thread, NULL, share, &s[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(s[i].thread, NULL), 0);
        ck_assert_mem_eq(s[i].h, want, n * sizeof *want);
        rj_device_close(s[i].own.tape.dev);
        rj_tape_free(&s[i].own.tape);
    }
    rj_ready_free(ready);
}

START_TEST(threads_share_what_is_ready)
{
    bed b = bed_new("cpu", "small", "haar");

    check_shared(&b, RJ_FP32);
    check_shared(&b, RJ_BF16);
    bed_free(&b);
}
END_TEST

START_TEST(pictures_and_precisions_it_is_not_ready_for_are_refused)
{
    bed b = bed_new("cpu", "small", "haar");
    static const int wrong[] = {SIDE + 2, SIDE / 2, 0};
    rj_ready *ready = NULL;
    rj_tensor *h = NULL;

    OK(rj_net_prepare(b.net, b.tape.dev, SIDE, 16, &ready));
    for (int i = 0; i < RJ_COUNT(wrong); i++) {
        FAILS(rj_ready_encode(ready, &b.tape, 1, wrong[i], b.images, &h), RIJ_E_SHAPE);
        ck_assert_ptr_nonnull(strstr(rij_last_error(), "64"));
        ck_assert_ptr_null(h);
    }
    b.tape.dev->precision = RJ_BF16;
    FAILS(rj_ready_encode(ready, &b.tape, 1, SIDE, b.images, &h), RIJ_E_ARGUMENT);
    ck_assert_ptr_null(h);
    rj_ready_free(ready);
    rj_ready_free(NULL);
    bed_free(&b);
}
END_TEST

/* ---- convolutions ----------------------------------------------------------------- */

static rj_conv conv_of(const run *r)
{
    const int *x = r->in[0]->shape.dim, *w = r->in[1]->shape.dim, *y = r->out->shape.dim;
    const rj_conv2d_par *par = r->c->par;

    return (rj_conv){x[0], x[1],        x[2],     x[3], w[0], w[2],
                     w[3], par->stride, par->pad, y[2], y[3], !r->in[0]->shape.picture};
}

/* y of a prepared convolution, with `beside` of its shape and relu if asked; prepared
 * for another number of pictures. Freed by rj_free(). */
static rj_real *prepared(const one *c, const way *w, bool beside, bool relu)
{
    rj_real *ready, *y, *planar;
    rj_tensor *b;
    rj_conv d, more;
    size_t n, again;
    run r;

    run_open_way(&r, c, w);
    d = more = conv_of(&r);
    more.n = 16;
    planar = noise(rj_count(&r.out->shape), 300);
    OK(rj_tensor_new(r.dev, &r.arena, &r.out->shape, false, &b));
    OK(rj_tensor_write(r.dev, b, planar));
    OK(r.dev->k->conv2d_prepare(r.dev, &more, r.in[1]->x, r.in[2] ? r.in[2]->x : NULL, &n,
                                NULL));
    ready = rj_alloc(n, sizeof *ready);
    memset(ready, 0xff, n * sizeof *ready);
    OK(r.dev->k->conv2d_prepare(r.dev, &more, r.in[1]->x, r.in[2] ? r.in[2]->x : NULL,
                                &again, ready));
    ck_assert_uint_eq(n, again);
    memset(r.out->x, 0xff, rj_storage(r.dev, &r.out->shape) * sizeof *y);
    OK(r.dev->k->conv2d_prepared(r.dev, &d, r.in[0]->x, ready, beside ? b->x : NULL, relu,
                                 r.out->x));
    y = values_of(&r, r.out);
    rj_free(planar);
    rj_free(ready);
    run_close(&r);
    return y;
}

/* What follows, done by hand to a convolution that was not prepared; and of what sizes it
 * was made, freed likewise. */
static rj_real *followed(const one *c, const way *w, bool beside, bool relu, size_t *n,
                         rj_real **sizes)
{
    rj_real *y, *b, *size;
    run r;

    run_open_way(&r, c, w);
    *n = rj_count(&r.out->shape);
    y = values_of(&r, r.out);
    run_close(&r);
    b = noise(*n, 300);
    *sizes = size = rj_alloc(*n, sizeof *size);
    for (size_t i = 0; i < *n; i++) {
        size[i] = (rj_real)(fabs((double)y[i]) + (beside ? fabs((double)b[i]) : 0));
        y[i] += beside ? b[i] : 0;
        if (relu && y[i] < 0)
            y[i] = 0;
    }
    rj_free(b);
    return y;
}

/* Within `bound`, and `share` of the sizes. */
static void check_prepared(const one *c, const char *isa, const way *w,
                           const way *against, double bound, double share)
{
    for (int f = 0; f < 4; f++) {
        size_t n;
        rj_real *sizes, *want = followed(c, against, f & 1, f & 2, &n, &sizes);
        rj_real *got = prepared(c, w, f & 1, f & 2);
        for (size_t i = 0; i < n; i++) {
            const double most = bound + share * (double)sizes[i];
            HOLDS(fabs((double)got[i] - (double)want[i]) <= most &&
                      !(f & 2 && got[i] < 0),
                  "%s on %s, precision %d, algorithm %d, %d: y[%zu] %.9g, not "
                  "%.9g, bound %.3g",
                  c->name, isa, w->precision, w->algorithm, f, i, (double)got[i],
                  (double)want[i], most);
        }
        rj_free(want);
        rj_free(sizes);
        rj_free(got);
    }
}

/* Against ref by the bound of test_ops.c for sums of numbers below 1, ten times that
 * where Winograd may have made them. And against the same way without preparation: there
 * only what follows is added in another order, to numbers below `terms`. Of pictures of
 * bfloat16 the sum y is rounded as it is stored on the one side, b beside it and then
 * what they make on the other, each by u = 2^-8 of its size at most: together by u |y| +
 * u |b| + u (1 + u) (|y| + |b|) = (2 u + u^2) (|y| + |b|). */
static void check_ways(const one *c, const char *isa)
{
    const way ref = {"ref", 1, RJ_FP32, RJ_AUTO};
    const double terms = (double)rj_count(&c->in[1]) / c->in[1].dim[0];

    check_prepared(c, isa, &ref, &ref, 4 * eps * (terms + 2), 0);
    for (int a = RJ_AUTO; a <= RJ_WINOGRAD; a++) {
        way w = {"cpu", 2, RJ_FP32, (enum rj_algorithm)a};
        check_prepared(c, isa, &w, &ref, (a == RJ_DIRECT ? 32 : 320) * eps * sqrt(terms),
                       0);
        w.precision = RJ_BF16;
        if (a != RJ_AUTO)
            check_prepared(c, isa, &w, &w, 4 * eps * (terms + 2), 0x2p-8 + 0x1p-16);
    }
}

START_TEST(prepared_convolutions_do_what_follows_as_well)
{
    const char *isa;
    int i = 0;

    while ((isa = next_isa(&i)) != NULL)
        for (int k = 0; k < cases_count; k++)
            if (cases[k].op == &rj_op_conv2d)
                check_ways(&cases[k], isa);
}
END_TEST

SUITE(ready, every_encoder_made_ready_gives_what_it_gave,
      a_row_does_not_depend_on_the_others, threads_share_what_is_ready,
      pictures_and_precisions_it_is_not_ready_for_are_refused,
      prepared_convolutions_do_what_follows_as_well)
