/* bench_cuda_cases.c: the cases of bench_cuda, and one of them on a device. */
#include "bench_cuda.h"
#include <math.h>
#include <stdio.h>

typedef struct shape {
    const char *net;
    int c, k, r, stride, pad, divisor;
} shape;

static const shape shapes[] = {
#define SHAPE(net, c, k, r, stride, pad, divisor) {#net, c, k, r, stride, pad, divisor},
#include "bench_shapes.def"
#undef SHAPE
};

static double numbers(int a, int b, int c, int d)
{
    return (double)a * (double)b * (double)c * (double)d;
}

/* Multiply-adds that touch the picture, not its padding. */
static double products(const shape *s, int h, int p)
{
    double taps = 0;

    for (int i = 0; i < p; i++)
        for (int r = 0; r < s->r; r++) {
            const int at = i * s->stride + r - s->pad;
            taps += at >= 0 && at < h;
        }
    return taps * taps * (double)s->c * (double)s->k; // square pictures and windows
}

/* direction: -1 forward, 0 and 1 the gradients by x and by w. */
static gpu_case convolution(const shape *s, int side, int batch, int direction)
{
    static const char *const kernels[] = {"conv2d", "conv2d_grad_x", "conv2d_grad_w"};
    const int h = side / s->divisor, p = (h + 2 * s->pad - s->r) / s->stride + 1;
    const bool planar = s->c == 3; // images come in the host's order
    gpu_case c = {.op = &rj_op_conv2d, .inputs = 2, .learns = direction};

    c.par.conv = (rj_conv2d_par){s->stride, s->pad};
    c.in[0] = planar ? rj_shape_plain(4, batch, s->c, h, h)
                     : rj_shape_picture(batch, s->c, h, h);
    c.in[1] = rj_shape_plain(4, s->k, s->c, s->r, s->r);
    c.work = 2 * batch * products(s, h, p);
    c.cells = numbers(batch, s->k, p, p) + (planar ? 0 : numbers(batch, s->c, h, h));
    c.rest = numbers(s->k, s->c, s->r, s->r) + (planar ? numbers(batch, s->c, h, h) : 0);
    c.libraries = !planar;
    snprintf(c.kernel, sizeof c.kernel, "%s", kernels[direction + 1]);
    snprintf(c.shape, sizeof c.shape, "%s@%d n%d %d>%d %dx%d/%d", s->net, h, batch, s->c,
             s->k, s->r, s->r, s->stride);
    return c;
}

static gpu_case linear(int n, int from, int to, int direction)
{
    static const char *const kernels[] = {"linear", "linear_grad_x", "linear_grad_w"};
    gpu_case c = {.op = &rj_op_linear, .inputs = 2, .learns = direction};

    c.in[0] = rj_shape_plain(2, n, from, 1, 1);
    c.in[1] = rj_shape_plain(2, to, from, 1, 1);
    c.work = 2 * numbers(n, from, to, 1);
    c.rest = numbers(n, from, 1, 1) + numbers(to, from, 1, 1) + numbers(n, to, 1, 1);
    c.libraries = true;
    snprintf(c.kernel, sizeof c.kernel, "%s", kernels[direction + 1]);
    snprintf(c.shape, sizeof c.shape, "(%d,%d)>%d", n, from, to);
    return c;
}

/* An op that memory bounds: `pictures` inputs of one shape, `parameters` of a number a
 * channel, and how many arrays of the input's size move. */
static gpu_case stream(const rj_op *op, int pictures, int parameters, const int dim[4],
                       bool back, double moved)
{
    gpu_case c = {.op = op, .inputs = pictures + parameters, .learns = back ? 0 : -1};

    for (int i = 0; i < c.inputs; i++) {
        c.in[i] = i < pictures ? rj_shape_picture(dim[0], dim[1], dim[2], dim[3])
                               : rj_shape_plain(1, dim[1], 1, 1, 1);
        c.fill[i] = i < pictures ? UNIFORM : RAISED;
    }
    c.cells = moved * numbers(dim[0], dim[1], dim[2], dim[3]);
    snprintf(c.kernel, sizeof c.kernel, "%s%s", op->name, back ? "_grad" : "");
    snprintf(c.shape, sizeof c.shape, "(%d,%d,%d,%d)", dim[0], dim[1], dim[2], dim[3]);
    return c;
}

static int streams(int side, int batch, gpu_case *to)
{
    const int dims[][4] = {{2 * batch, 64, side / 4, side / 4},
                           {2 * batch, 256, side / 16, side / 16}};
    gpu_case *c = to;

    for (int i = 0; i < RJ_COUNT(dims); i++)
        for (int back = 0; back < 2; back++) {
            const double arrays = back ? 3 : 2;

            *c++ = stream(&rj_op_relu, 1, 0, dims[i], back, arrays);
            *c = stream(&rj_op_add, 2, 0, dims[i], back, back ? 2 : 3);
            (c++)->par.add = (rj_add_par){1, 1};
            *c = stream(&rj_op_batchnorm, 1, 4, dims[i], back, arrays);
            (c++)->par.norm = (rj_batchnorm_par){true, 1e-5, 0.1, false};
            *c = stream(&rj_op_maxpool2d, 1, 0, dims[i], back, 1.5);
            (c++)->par.pool = (rj_maxpool2d_par){3, 2, 1};
            *c++ = stream(&rj_op_avgpool, 1, 0, dims[i], back, 1);
        }
    return (int)(c - to);
}

/* A batch of stage 2: two views an image, half real, half fake, no traces. */
static gpu_case contrast(int m, int d, bool back)
{
    static const enum fill fills[] = {UNIT_ROWS, LABEL, PAIR, ROLE, WEIGHT};
    gpu_case c = {.op = &rj_op_contrast, .inputs = 5, .learns = back ? 0 : -1};

    c.par.contrast = (rj_contrast_par){0.1, 0.1, -1, 0.3};
    for (int i = 0; i < c.inputs; i++) {
        c.in[i] = i ? rj_shape_plain(1, m, 1, 1, 1) : rj_shape_plain(2, m, d, 1, 1);
        c.fill[i] = fills[i];
    }
    c.work = (back ? 4 : 2) * numbers(m, m, d, 1);
    c.rest = (back ? 2 : 1) * numbers(m, d, 1, 1);
    snprintf(c.kernel, sizeof c.kernel, "contrast%s", back ? "_grad" : "");
    snprintf(c.shape, sizeof c.shape, "(%d,%d)", m, d);
    return c;
}

int gpu_cases(int side, int batch, bool few, gpu_case cases[GPU_CASES])
{
    const double most = few ? 4e5 : INFINITY;
    int n = 0;

    for (int i = 0; i < RJ_COUNT(shapes); i++)
        for (int direction = -1; direction < 2; direction++) {
            if (direction == 0 && shapes[i].c == 3)
                continue; // nobody asks for a picture's gradient
            cases[n] = convolution(&shapes[i], side, batch, direction);
            n += cases[n].work <= most;
        }
    for (int direction = -1; direction < 2; direction++) {
        cases[n++] = linear(2 * batch, 512, 128, direction);
        cases[n] = linear(2 * batch, 2048, 2048, direction);
        n += cases[n].work <= most;
    }
    n += streams(side, batch, cases + n);
    for (int back = 0; back < 2; back++)
        cases[n++] = contrast(8 * batch, 128, back);
    return n;
}

/* Numbers that bfloat16 holds too, so that every precision starts from the same: where
 * windows have their largest, and what relu keeps, does not depend on it. */
static rj_real value_of(enum fill fill, rj_random *r, int i, int m)
{
    switch (fill) {
    case RAISED:
        return rj_bf16((float)rj_random_uniform(r, 1, 3));
    case LABEL:
        return (rj_real)(i % (m / 2) >= m / 4);
    case PAIR:
        return (rj_real)((i + m / 2) % m);
    case ROLE:
        return (rj_real)RJ_ROLE_IMAGE;
    case WEIGHT:
        return 1;
    default:
        return rj_bf16((float)rj_random_uniform(r, -1, 1));
    }
}

/* The numbers of an input, or, past the last, of the output's gradient. */
static rj_real *filled(const rj_shape *s, enum fill fill, uint64_t which)
{
    const size_t n = rj_count(s), d = s->rank > 1 ? (size_t)s->dim[1] : 1;
    rj_random r = rj_random_start(2, RJ_STREAM_TEST, which);
    rj_real *x = rj_alloc(n, sizeof *x);

    if (!x)
        bench_check(rj_fail(RIJ_E_MEMORY, "no memory for %zu numbers", n), "kernels");
    for (size_t i = 0; i < n; i++)
        x[i] = value_of(fill, &r, (int)i, (int)n);
    for (size_t i = 0; fill == UNIT_ROWS && i < n; i += d) {
        double square = 0;
        for (size_t k = 0; k < d; k++)
            square += (double)x[i + k] * (double)x[i + k];
        for (size_t k = 0; k < d; k++)
            x[i + k] = (rj_real)((double)x[i + k] / sqrt(square));
    }
    return x;
}

static rj_tensor *input(rj_device *dev, const gpu_case *c, int i, gpu_bed *b)
{
    rj_real *x = filled(&c->in[i], c->fill[i], (uint64_t)i);
    rj_tensor *t;

    bench_check(rj_tensor_new(dev, &b->tape.arena, &c->in[i], c->learns == i, &t),
                "tensor");
    bench_check(rj_tensor_write(dev, t, x), "tensor");
    rj_free(x);
    return t;
}

void gpu_open(rj_device *dev, const gpu_case *c, gpu_bed *b)
{
    rj_tensor gradient;
    rj_real *dy;

    // the op is recorded only if an input learns; an image never does
    const int any = c->in[0].rank == 4 && !c->in[0].picture;

    *b = (gpu_bed){.tape = {.dev = dev}, .back = c->learns >= 0};
    for (int i = 0; i < c->inputs; i++)
        b->in[i] = input(dev, c, i, b);
    if (!b->back)
        b->in[any]->learns = true;
    bench_check(rj_apply(&b->tape, c->op, &c->par, b->in, &b->out), c->kernel);
    b->call = b->tape.call[0];
    b->learns = b->back ? b->in[c->learns] : NULL;
    if (!b->back)
        return;
    b->call.fresh = c->op->writes; // as in a step, where one call writes a gradient
    bench_check(rj_backward_begin(&b->tape, b->out), c->kernel);
    gradient = (rj_tensor){.shape = b->out->shape, .x = b->out->g};
    dy = filled(&gradient.shape, UNIFORM, RJ_MAX_IN);
    bench_check(rj_tensor_write(dev, &gradient, dy), c->kernel);
    rj_free(dy);
}

void gpu_close(gpu_bed *b)
{
    rj_tape_free(&b->tape);
}

rij_status gpu_run(const gpu_bed *b)
{
    return b->back ? b->call.op->backward(&b->call) : b->call.op->forward(&b->call);
}

rj_real *gpu_result(gpu_bed *b, size_t *n)
{
    const rj_tensor *t = b->back ? b->learns : b->out;
    const rj_tensor view = {.shape = t->shape, .x = b->back ? t->g : t->x};
    rj_real *x;

    *n = rj_count(&t->shape);
    x = rj_alloc(*n, sizeof *x);
    if (!x)
        bench_check(rj_fail(RIJ_E_MEMORY, "no memory for a result"), "kernels");
    bench_check(rj_tensor_read(b->tape.dev, &view, x), "reading");
    return x;
}
