/* bench_kernel.c: how fast the kernels are. Every convolution of the networks, forward
 * and both gradients, is first held against the reference device on one or two pictures,
 * then timed; its share is that of the multiply-adds this machine was seen to do. Both
 * are the best of several, so that a busy machine disturbs them least. */
#include "bench_kernel.h"
#include "cpu/cpu.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct shape {
    const char *net;
    int c, k, r, stride, pad, divisor;
} shape;

static const shape shapes[] = {
#define SHAPE(net, c, k, r, stride, pad, divisor) {#net, c, k, r, stride, pad, divisor},
#include "bench_shapes.def"
#undef SHAPE
};

enum direction { FORWARD, GRAD_X, GRAD_W, DIRECTIONS };
static const char *const direction_names[DIRECTIONS] = {"forward", "grad_x", "grad_w"};

/* One convolution: arrays in storage of the device. */
typedef struct conv {
    rj_device *dev;
    rj_conv d;
    enum direction direction;
    bool adds; /* grad_x adds to x, else writes it, as it mostly does in a step */
    rj_real *x, *w, *y; /* values, or gradients where the direction writes them */
} conv;

rj_real *bench_numbers(size_t n, uint64_t what)
{
    rj_random r = rj_random_start(2, RJ_STREAM_TEST, what);
    rj_real *x = rj_alloc(n, sizeof *x);

    if (!x)
        bench_check(rj_fail(RIJ_E_MEMORY, "no memory for %zu numbers", n), "kernels");
    for (size_t i = 0; i < n; i++)
        x[i] = (rj_real)rj_random_uniform(&r, -1, 1);
    return x;
}

static size_t numbers_of(const rj_picture *d)
{
    return (size_t)d->n * (size_t)d->c * (size_t)d->h * (size_t)d->w;
}

rj_real *bench_picture(rj_device *dev, const rj_picture *d, const rj_real *planar)
{
    rj_real *x = rj_alloc(rj_picture_storage(dev, d), sizeof *x);

    if (!x)
        bench_check(rj_fail(RIJ_E_MEMORY, "no memory for a picture"), "kernels");
    bench_check(dev->k->pack(dev, d, planar, x), "packing");
    return x;
}

double bench_error(const rj_real *a, const rj_real *b, size_t n)
{
    double error = 0, most = 0;

    for (size_t i = 0; i < n; i++) {
        const double difference = fabs((double)a[i] - (double)b[i]);

        if (!(difference <= error)) // also where it is no number
            error = difference;
        most = fmax(most, fabs((double)b[i]));
    }
    return most > 0 ? error / most : error;
}

void bench_judge(const bench_bed *bed, const char *what, double error)
{
    // Winograd sums rounded numbers of both signs: in bf16 it loses four bits
    const double rounded = bed->o.algorithm == RJ_DIRECT ? 1e-2 : 5e-2;
    const double allowed = bed->o.precision == RJ_BF16 ? rounded : 2e-4;

    if (error <= allowed)
        return;
    fprintf(stderr, "bench: %s: wrong by %.2g of the largest, %.2g is allowed\n", what,
            error, allowed);
    exit(BENCH_FAILED);
}

static rj_picture input_of(const rj_conv *d)
{
    return (rj_picture){d->n, d->c, d->h, d->w};
}

static rj_picture output_of(const rj_conv *d)
{
    return (rj_picture){d->n, d->k, d->p, d->q};
}

static size_t weights_of(const rj_conv *d)
{
    return (size_t)d->k * (size_t)d->c * (size_t)d->r * (size_t)d->s;
}

static rj_conv dims_of(const shape *s, int side, int n)
{
    const int h = side / s->divisor, p = (h + 2 * s->pad - s->r) / s->stride + 1;

    return (rj_conv){n, s->c, h, h, s->k, s->r, s->r, s->stride, s->pad, p, p};
}

static conv conv_open(rj_device *dev, const rj_conv *d, const rj_real *x,
                      const rj_real *w, const rj_real *y)
{
    const rj_picture in = input_of(d), out = output_of(d);
    conv c = {.dev = dev, .d = *d};

    c.x = bench_picture(dev, &in, x);
    c.y = bench_picture(dev, &out, y);
    c.w = rj_alloc(weights_of(d), sizeof *c.w);
    if (!c.w)
        bench_check(rj_fail(RIJ_E_MEMORY, "no memory for weights"), "kernels");
    memcpy(c.w, w, weights_of(d) * sizeof *w);
    return c;
}

static void conv_close(conv *c)
{
    rj_free(c->x);
    rj_free(c->y);
    rj_free(c->w);
}

static rij_status conv_run(void *job)
{
    const conv *c = job;
    const rj_kernels *k = c->dev->k;

    if (c->direction == FORWARD)
        return k->conv2d(c->dev, &c->d, c->x, c->w, NULL, c->y);
    if (c->direction == GRAD_X)
        return k->conv2d_grad_x(c->dev, &c->d, c->y, c->w, c->adds, c->x);
    return k->conv2d_grad_w(c->dev, &c->d, c->x, c->y, c->w, NULL);
}

/* What the direction wrote, as planar or plain numbers. */
static rj_real *result_of(const conv *c, size_t *n)
{
    const bool forward = c->direction == FORWARD;
    const rj_picture d = forward ? output_of(&c->d) : input_of(&c->d);
    rj_real *out;

    *n = c->direction == GRAD_W ? weights_of(&c->d) : numbers_of(&d);
    out = rj_alloc(*n, sizeof *out);
    if (!out)
        bench_check(rj_fail(RIJ_E_MEMORY, "no memory for a result"), "kernels");
    if (c->direction == GRAD_W)
        memcpy(out, c->w, *n * sizeof *out);
    else
        bench_check(c->dev->k->unpack(c->dev, &d, forward ? c->y : c->x, out), "unpack");
    return out;
}

/* Gradients start from the operands themselves: what a kernel adds is then seen to be
 * added. */
static void conv_check(const bench_bed *bed, const rj_conv *d, const char *name)
{
    const rj_picture in = input_of(d), out = output_of(d);
    rj_real *x = bench_numbers(numbers_of(&in), 1),
            *y = bench_numbers(numbers_of(&out), 2);
    rj_real *w = bench_numbers(weights_of(d), 3);

    for (enum direction i = FORWARD; i < DIRECTIONS; i++) {
        conv ours = conv_open(bed->cpu, d, x, w, y),
             ref = conv_open(bed->ref, d, x, w, y);
        rj_real *a, *b;
        char what[128];
        size_t n;

        ours.direction = ref.direction = i;
        ours.adds = ref.adds = true;
        bench_check(conv_run(&ours), name);
        bench_check(conv_run(&ref), name);
        a = result_of(&ours, &n);
        b = result_of(&ref, &n);
        snprintf(what, sizeof what, "%s %s", name, direction_names[i]);
        bench_judge(bed, what, bench_error(a, b, n));
        rj_free(a);
        rj_free(b);
        conv_close(&ours);
        conv_close(&ref);
    }
    rj_free(x);
    rj_free(y);
    rj_free(w);
}

/* Multiply-adds that touch the picture, not its padding, two operations each. */
static double work_of(const rj_conv *d)
{
    double taps = 0;

    for (int p = 0; p < d->p; p++)
        for (int r = 0; r < d->r; r++) {
            const int h = p * d->stride + r - d->pad;
            taps += h >= 0 && h < d->h;
        }
    return 2 * taps * taps * d->n * d->c * d->k; // square pictures and windows
}

/* Shares of the peak, by kind: 3x3 and 1x1, stride 1 and 2; the first layers, which
 * have three channels, count for none. */
enum { KINDS = 4, MOST = 3 * 128 };
static const char *const kind_names[KINDS] = {"1x1 stride 1", "1x1 stride 2",
                                              "3x3 stride 1", "3x3 stride 2"};
typedef struct shares {
    double share[KINDS][MOST];
    int n[KINDS];
} shares;

static void note(shares *all, const rj_conv *d, double share)
{
    const int kind = 2 * (d->r == 3) + (d->stride == 2);

    if (d->c != 3)
        all->share[kind][all->n[kind]++] = share;
}

static void conv_time(const bench_bed *bed, const rj_conv *d, const char *name,
                      shares *all)
{
    const rj_picture in = input_of(d), out = output_of(d);
    rj_real *x = bench_numbers(numbers_of(&in), 1),
            *y = bench_numbers(numbers_of(&out), 2);
    rj_real *w = bench_numbers(weights_of(d), 3);
    conv c = conv_open(bed->cpu, d, x, w, y);

    printf("%-28s", name);
    for (enum direction i = FORWARD; i < DIRECTIONS; i++) {
        if (i == GRAD_X && d->c == 3) { // nobody asks for a picture's gradient
            printf("\t%8s\t%6s\t%4s", "-", "-", "-");
            continue;
        }
        c.direction = i;
        const bench_times t = bench_time(conv_run, &c, bed->o.steps, true);
        const double rate = work_of(d) / t.least, share = rate / bed->peak;

        printf("\t%8.3f\t%6.1f\t%3.0f%%", t.median * 1e3, rate / 1e9, 100 * share);
        note(all, d, share);
    }
    printf("\n");
    fflush(stdout);
    conv_close(&c);
    rj_free(x);
    rj_free(y);
    rj_free(w);
}

static void convolutions(const bench_bed *bed, shares *all)
{
    static const int sides[] = {128, 224};

    printf("\n%-28s\t%8s\t%6s\t%4s\t%8s\t%6s\t%4s\t%8s\t%6s\t%4s\n", "convolution",
           "forward", "GFLOPs", "peak", "grad_x", "GFLOPs", "peak", "grad_w", "GFLOPs",
           "peak");
    for (int j = 0; j < RJ_COUNT(sides) - bed->o.quick; j++)
        for (int i = 0; i < RJ_COUNT(shapes); i++) {
            const shape *s = &shapes[i];
            const rj_conv one = dims_of(s, sides[j], 1);
            const rj_conv many = dims_of(s, sides[j], bed->o.batch);
            char name[96];

            if (j > 0 && strcmp(s->net, "small") == 0)
                continue;
            snprintf(name, sizeof name, "%s@%d %d>%d %dx%d/%d", s->net, one.h, s->c, s->k,
                     s->r, s->r, s->stride);
            conv_check(bed, &one, name);
            conv_time(bed, &many, name, all);
        }
}

int main(int argc, char **argv)
{
    bench_bed bed = {.o = {.batch = 16, .steps = 7}};
    shares all = {0};
    double one, share[KINDS * MOST];
    bench_times t;
    int n = 0, threads;

    bench_parse(argc, argv, "bench_kernel: convolutions and what memory bounds", &bed.o);
    bench_device(&bed.o, "cpu", &bed.pool, &bed.cpu);
    bench_check(rj_device_open("ref", bed.pool, &bed.ref), "device");
    threads = rj_pool_threads(bed.pool);
    one = bench_peak(bed.pool, bed.cpu->isa->name, 1);
    bed.peak = bench_peak(bed.pool, bed.cpu->isa->name, threads);
    printf("peak\t%s\t1 thread\t%.1f GFLOP/s\t%d threads\t%.1f GFLOP/s\n",
           bed.cpu->isa->name, one / 1e9, threads, bed.peak / 1e9);
    convolutions(&bed, &all);
    bench_streams(&bed);
    printf("\nshare of peak\tcases\tmedian\tleast\tspread\n");
    for (int kind = 0; kind < KINDS; kind++) {
        memcpy(share + n, all.share[kind], (size_t)all.n[kind] * sizeof *share);
        n += all.n[kind];
        t = bench_sum_up(all.share[kind], all.n[kind]);
        printf("%s\t%d\t%.3f\t%.3f\t%.3f\n", kind_names[kind], all.n[kind], t.median,
               t.least, t.spread);
    }
    t = bench_sum_up(share, n);
    printf("all\t%d\t%.3f\t%.3f\t%.3f\n", n, t.median, t.least, t.spread);
    rj_device_close(bed.cpu);
    rj_device_close(bed.ref);
    rj_pool_free(bed.pool);
    return 0;
}
