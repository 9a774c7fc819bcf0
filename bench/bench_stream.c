/* bench_stream.c: ops that read and write more than they compute, in bytes a second, each
 * array of the formula counted once each way; and the contrastive loss, in operations:
 * 2 M^2 D forward, twice that backward. Each runs on a tape of its own, but statistics,
 * which have no gradient; it is held against the reference device on two pictures, then
 * timed. */
#include "bench_kernel.h"
#include "device/statistics.h"
#include <math.h>
#include <stdio.h>

typedef struct stream {
    const char *name;
    const rj_op *op;
    const void *par;
    int picture, parameters; /* how many inputs are pictures, how many one per channel */
    /* arrays that move forward and backward, of the input's size */
    double forward, backward;
} stream;

static const rj_add_par sum = {1, 1};
static const rj_batchnorm_par train = {true, 1e-5, 0.1};
static const rj_maxpool2d_par window = {3, 2, 1};
static const stream streams[] = {
    {"relu", &rj_op_relu, NULL, 1, 0, 2, 3},
    {"add", &rj_op_add, &sum, 2, 0, 3, 3},
    {"batchnorm", &rj_op_batchnorm, &train, 1, 4, 2, 3},
    {"maxpool2d 3x3/2", &rj_op_maxpool2d, &window, 1, 0, 1.5, 1.5},
    {"avgpool", &rj_op_avgpool, NULL, 1, 0, 1, 1},
};

/* One op on a tape, and its call. */
typedef struct bed {
    rj_tape tape;
    rj_tensor *in[RJ_MAX_IN], *out;
    rj_call call;
} bed;

/* Numbers of this shape as a tensor that wants its gradient; `what` is their stream;
 * raised: in 1..3, as variances and scales are. */
static rj_tensor *tensor_of(bed *b, const rj_shape *shape, uint64_t what, bool raised)
{
    const size_t n = rj_count(shape);
    rj_real *x = bench_numbers(n, what);
    rj_tensor *t;

    for (size_t i = 0; raised && i < n; i++)
        x[i] += 2;
    bench_check(rj_tensor_new(b->tape.dev, &b->tape.arena, shape, true, &t), "tensor");
    bench_check(rj_tensor_write(b->tape.dev, t, x), "tensor");
    rj_free(x);
    return t;
}

/* Apply the op and give its output a gradient. */
static void apply(bed *b, const rj_op *op, const void *par)
{
    rj_tensor gradient;

    bench_check(rj_apply(&b->tape, op, par, b->in, &b->out), op->name);
    bench_check(rj_backward_begin(&b->tape, b->out), op->name);
    b->call = b->tape.call[0];
    b->call.fresh = op->writes; // as in a step, where a gradient is written by one call
    gradient = (rj_tensor){.shape = b->out->shape, .x = b->out->g};
    const size_t n = rj_count(&gradient.shape);
    rj_real *dy = bench_numbers(n, 9);
    bench_check(rj_tensor_write(b->tape.dev, &gradient, dy), "gradient");
    rj_free(dy);
}

static void stream_open(rj_device *dev, const stream *s, const rj_shape *shape, bed *b)
{
    const rj_shape channel = rj_shape_plain(1, shape->dim[1], 1, 1, 1);
    int n = 0;

    *b = (bed){.tape = {.dev = dev}};
    for (int i = 0; i < s->picture; i++, n++)
        b->in[n] = tensor_of(b, shape, (uint64_t)n, false);
    for (int i = 0; i < s->parameters; i++, n++)
        b->in[n] = tensor_of(b, &channel, (uint64_t)n, true);
    apply(b, s->op, s->par);
}

static rij_status forward(void *job)
{
    const bed *b = job;

    return b->call.op->forward(&b->call);
}

static rij_status backward(void *job)
{
    const bed *b = job;

    return b->call.op->backward(&b->call);
}

static rj_real *values(rj_device *dev, const rj_tensor *t, bool gradient)
{
    const rj_tensor view = {.shape = t->shape, .x = gradient ? t->g : t->x};
    rj_real *x = bench_numbers(rj_count(&t->shape), 0);

    bench_check(rj_tensor_read(dev, &view, x), "reading");
    return x;
}

/* Output and the first input's gradient of both devices agree. */
static void agree(const bench_bed *all, const char *name, bed *ours, bed *ref)
{
    bench_check(backward(ours), name);
    bench_check(backward(ref), name);
    for (int i = 0; i < 2; i++) {
        const rj_tensor *t = i ? ours->in[0] : ours->out, *u = i ? ref->in[0] : ref->out;
        rj_real *a = values(all->cpu, t, i), *b = values(all->ref, u, i);

        bench_judge(all, name, bench_error(a, b, rj_count(&t->shape)));
        rj_free(a);
        rj_free(b);
    }
    rj_tape_free(&ours->tape);
    rj_tape_free(&ref->tape);
}

static void run_stream(const bench_bed *all, const stream *s, int c, int side)
{
    const rj_shape two = rj_shape_picture(2, c, side, side);
    const rj_shape many = rj_shape_picture(2 * all->o.batch, c, side, side);
    const double bytes = (double)rj_storage(all->cpu, &many) * sizeof(rj_real);
    bench_times there, back;
    bed ours, ref;

    stream_open(all->cpu, s, &two, &ours);
    stream_open(all->ref, s, &two, &ref);
    agree(all, s->name, &ours, &ref);
    stream_open(all->cpu, s, &many, &ours);
    there = bench_time(forward, &ours, all->o.steps, true);
    back = bench_time(backward, &ours, all->o.steps, true);
    printf("%-16s (%d,%d,%d,%d)\t%8.3f\t%6.1f\t%8.3f\t%6.1f\n", s->name, many.dim[0], c,
           side, side, there.median * 1e3, s->forward * bytes / there.least / 1e9,
           back.median * 1e3, s->backward * bytes / back.least / 1e9);
    rj_tape_free(&ours.tape);
}

/* A batch of stage 2: two views an image, half real, half fake, no traces. */
static void contrast_open(rj_device *dev, int m, int d, bed *b)
{
    const rj_contrast_par par = {0.1, 0.1, -1, 0.3};
    const rj_shape rows = rj_shape_plain(2, m, d, 1, 1),
                   row = rj_shape_plain(1, m, 1, 1, 1);
    rj_real *z = bench_numbers((size_t)m * (size_t)d, 1);
    float *constant = rj_alloc((size_t)m, sizeof *constant);

    if (!constant)
        bench_check(rj_fail(RIJ_E_MEMORY, "no memory for constants"), "contrast");
    for (int i = 0; i < m; i++) {
        double square = 0;
        for (int k = 0; k < d; k++)
            square += (double)z[i * d + k] * (double)z[i * d + k];
        for (int k = 0; k < d; k++)
            z[i * d + k] = (rj_real)((double)z[i * d + k] / sqrt(square));
    }
    *b = (bed){.tape = {.dev = dev}};
    bench_check(rj_tensor_new(dev, &b->tape.arena, &rows, true, &b->in[0]), "contrast");
    bench_check(rj_tensor_write(dev, b->in[0], z), "contrast");
    for (int which = 1; which <= 4; which++) {
        for (int i = 0; i < m; i++) {
            const int label = i % (m / 2) >= m / 4, pair = (i + m / 2) % m;
            const int value[] = {0, label, pair, RJ_ROLE_IMAGE, 1};
            constant[i] = (float)value[which];
        }
        bench_check(rj_tensor_from(&b->tape, &row, constant, &b->in[which]), "contrast");
    }
    apply(b, &rj_op_contrast, &par);
    rj_free(z);
    rj_free(constant);
}

static void run_contrast(const bench_bed *all, int m, int d)
{
    const double work = 2.0 * m * m * d;
    bench_times there, back;
    bed ours, ref;

    contrast_open(all->cpu, 64, d, &ours);
    contrast_open(all->ref, 64, d, &ref);
    agree(all, "contrast", &ours, &ref);
    contrast_open(all->cpu, m, d, &ours);
    there = bench_time(forward, &ours, all->o.steps, true);
    back = bench_time(backward, &ours, all->o.steps, true);
    printf("%-16s (%d,%d)\t%8.3f\t%6.1f\t%8.3f\t%6.1f\n", "contrast", m, d,
           there.median * 1e3, work / there.least / 1e9, back.median * 1e3,
           2 * work / back.least / 1e9);
    rj_tape_free(&ours.tape);
}

/* Statistics of images: no pictures, and no gradient. */
typedef struct images {
    rj_device *dev;
    rj_picture d;
    rj_real *x, *work, *y;
} images;

static rij_status statistics(void *job)
{
    const images *i = job;

    return i->dev->k->statistics(i->dev, &i->d, i->x, i->work, i->y);
}

static void run_statistics(const bench_bed *all, int side)
{
    const size_t n = 2 * (size_t)all->o.batch, each = (size_t)side * (size_t)side;
    images i = {all->ref, {2, 3, side, side}};
    rj_real *ref = bench_numbers(2 * RJ_STATISTICS, 0);
    bench_times t;

    i.x = bench_numbers(n * 3 * each, 1);
    i.work = bench_numbers(n * 2 * each, 2);
    i.y = ref;
    bench_check(statistics(&i), "statistics");
    i.dev = all->cpu;
    i.y = bench_numbers(n * RJ_STATISTICS, 3);
    bench_check(statistics(&i), "statistics");
    bench_judge(all, "statistics", bench_error(i.y, ref, 2 * RJ_STATISTICS));
    i.d.n = (int)n;
    t = bench_time(statistics, &i, all->o.steps, true);
    printf("%-16s (%d,3,%d,%d)\t%8.3f\t%6.1f\t%8s\t%6s\n", "statistics", i.d.n, side,
           side, t.median * 1e3, (double)(n * 3 * each * sizeof(rj_real)) / t.least / 1e9,
           "-", "-");
    rj_free(ref);
    rj_free(i.x);
    rj_free(i.work);
    rj_free(i.y);
}

void bench_streams(const bench_bed *all)
{
    printf("\n%-32s\t%8s\t%6s\t%8s\t%6s\n", "memory", "forward", "GB/s", "backward",
           "GB/s");
    for (int i = 0; i < RJ_COUNT(streams); i++) {
        run_stream(all, &streams[i], 64, 32);
        run_stream(all, &streams[i], 256, 8);
    }
    run_statistics(all, 96);
    printf("\n%-32s\t%8s\t%6s\t%8s\t%6s\n", "loss", "forward", "GFLOPs", "backward",
           "GFLOPs");
    run_contrast(all, 256, 128);
    run_contrast(all, 1024, 128);
}
