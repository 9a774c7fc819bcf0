/* cases.c: the table of cases.def, and one case of it from drawing to gradients. */
#include "cases.h"
#include "cpu/cpu.h"
#include "test.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const one cases[] = {
#define RJ_CASE(op, name, inputs, par, ...)                                              \
    {&rj_op_##op, #name, inputs, par, {__VA_ARGS__}},
#include "cases.def"
#undef RJ_CASE
};
const int cases_count = RJ_COUNT(cases);

bool wants(const one *c, int i)
{
    return strchr("gfkqz", c->inputs[i]) != NULL;
}

bool convolves(const one *c)
{
    return c->op == &rj_op_conv2d || c->op == &rj_op_deconv2d;
}

bool pictured(const one *c)
{
    bool any = convolves(c) || c->op == &rj_op_residual;

    for (int i = 0; i < c->op->inputs; i++)
        any = any || (c->inputs[i] != '-' && c->in[i].picture);
    return any;
}

rj_real *noise(size_t n, int which)
{
    rj_random r = rj_random_start(7, RJ_STREAM_TEST, (uint64_t)which);
    rj_real *x = rj_alloc(n, sizeof *x);

    for (size_t i = 0; i < n; i++)
        x[i] = (rj_real)rj_random_uniform(&r, -1, 1);
    return x;
}

/* A shuffled ladder from -1 to 1 that misses zero: no two numbers are near. */
static void ladder(rj_real *x, size_t n, int which)
{
    rj_random r = rj_random_start(8, RJ_STREAM_TEST, (uint64_t)which);
    int *order = rj_alloc(n, sizeof *order);

    for (size_t i = 0; i < n; i++)
        order[i] = (int)i;
    rj_random_shuffle(&r, order, (int)n);
    for (size_t i = 0; i < n; i++)
        x[i] = (rj_real)((2.0 * order[i] + 1.25) / (double)n - 1);
    rj_free(order);
}

/* The same, and the sums of cells of 2x2 pixels are a ladder as well: each has a number
 * of each quarter of the ladder, as far up in one as in the others. */
static void ladder_of_cells(rj_real *x, const rj_shape *shape, int which)
{
    rj_random r = rj_random_start(8, RJ_STREAM_TEST, (uint64_t)which);
    const int w = shape->dim[3], n = (int)rj_count(shape), cells = n / 4;
    int *order = rj_alloc((size_t)cells, sizeof *order), quarter[4] = {0, 1, 2, 3};

    for (int i = 0; i < cells; i++)
        order[i] = i;
    rj_random_shuffle(&r, order, cells);
    for (int i = 0; i < cells; i++) {
        rj_real *corner = x + i / (w / 2) * 2 * w + i % (w / 2) * 2;
        rj_random_shuffle(&r, quarter, 4);
        for (int k = 0; k < 4; k++)
            corner[k / 2 * w + k % 2] =
                (rj_real)((2.0 * (quarter[k] * cells + order[i]) + 1.25) / n - 1);
    }
    rj_free(order);
}

/* Rows: images in pairs (i, i + half), then two traces where there is room. */
static rj_real constant(char kind, int i, int n)
{
    const int traces = n >= 8 ? 2 : 0, images = n - traces, half = images / 2;
    const bool trace = i >= images;

    switch (kind) {
    case 'l':
        return trace ? 0 : (rj_real)(i % RJ_MAX(half, 1) % 2);
    case 'p':
        return trace || i >= 2 * half ? -1 : (rj_real)(i < half ? i + half : i - half);
    case 'o':
        return (rj_real)(trace ? RJ_ROLE_TRACE : RJ_ROLE_IMAGE);
    default:
        return trace ? (rj_real)0.1 : (rj_real)0.8 / (rj_real)images;
    }
}

static rj_real *draw(const one *c, int i)
{
    const size_t n = rj_count(&c->in[i]);
    rj_real *x = noise(n, i);

    if (c->inputs[i] == 'k')
        ladder(x, n, i);
    if (c->inputs[i] == 'q')
        ladder_of_cells(x, &c->in[i], i);
    if (c->inputs[i] == 'f')
        for (size_t j = 0; j < n; j++)
            x[j] += x[j] < 0 ? -8 : 8;
    if (c->inputs[i] == 'v')
        for (size_t j = 0; j < n; j++)
            x[j] = x[j] * x[j] + (rj_real)0.5;
    if (strchr("lpow", c->inputs[i]))
        for (size_t j = 0; j < n; j++)
            x[j] = constant(c->inputs[i], (int)j, (int)n);
    return x;
}

void run_open(run *r, const one *c, const char *device, int threads)
{
    run_open_way(r, c, &(way){device, threads, RJ_FP32, RJ_AUTO});
}

void run_open_way(run *r, const one *c, const way *w)
{
    *r = (run){.c = c};
    OK(rj_pool_new(w->threads, &r->pool));
    OK(rj_device_open(w->device, r->pool, &r->dev));
    r->dev->precision = w->precision;
    r->dev->algorithm = w->algorithm;
    r->tape.dev = r->dev;
    for (int i = 0; i < c->op->inputs; i++) {
        rj_real *x;
        if (c->inputs[i] == '-')
            continue;
        x = draw(c, i);
        OK(rj_tensor_new(r->dev, &r->arena, &c->in[i], wants(c, i), &r->in[i]));
        OK(rj_tensor_write(r->dev, r->in[i], x));
        rj_free(x);
    }
    run_forward(r);
}

void run_forward(run *r)
{
    rj_tape_reset(&r->tape);
    OK(rj_apply(&r->tape, r->c->op, r->c->par, r->in, &r->out));
    if (r->out->learns)
        OK(rj_backward_begin(&r->tape, r->out));
}

rj_tensor gradient_as_values(const rj_tensor *t)
{
    return (rj_tensor){.shape = t->shape, .x = t->g};
}

void run_backward(run *r, const rj_real *dy)
{
    rj_tensor y = gradient_as_values(r->out);

    if (!r->out->learns)
        return;
    for (int i = 0; i < r->c->op->inputs; i++)
        if (r->in[i] && r->in[i]->g) {
            const size_t n = rj_count(&r->in[i]->shape);
            rj_tensor g = gradient_as_values(r->in[i]);
            rj_real *half = rj_alloc(n, sizeof *half);
            for (size_t j = 0; j < n; j++)
                half[j] = (rj_real)0.5;
            OK(rj_tensor_write(r->dev, &g, half));
            rj_free(half);
        }
    OK(rj_tensor_write(r->dev, &y, dy));
    ck_assert_int_eq(r->tape.n, 1);
    OK(r->c->op->backward(&r->tape.call[0]));
}

void run_close(run *r)
{
    rj_tape_free(&r->tape);
    rj_arena_free(&r->arena);
    rj_device_close(r->dev);
    rj_pool_free(r->pool);
}

rj_real *values_of(const run *r, const rj_tensor *t)
{
    rj_real *x = rj_alloc(rj_count(&t->shape), sizeof *x);

    OK(rj_tensor_read(r->dev, t, x));
    return x;
}

rj_real *gradient_of(const run *r, const rj_tensor *t)
{
    const rj_tensor g = gradient_as_values(t);
    rj_real *x = values_of(r, &g);

    for (size_t i = 0; i < rj_count(&t->shape); i++)
        x[i] -= (rj_real)0.5;
    return x;
}

double stored_number(const run *r, const rj_shape *shape, const rj_real *x, size_t i)
{
    union {
        uint32_t bits;
        float x;
    } u = {0};
    uint16_t half;

    if (!shape->picture || !r->dev->k->halves || r->dev->precision != RJ_BF16)
        return (double)x[i];
    memcpy(&half, (const char *)x + i * sizeof half, sizeof half);
    u.bits = (uint32_t)half << 16;
    return (double)u.x;
}

void set_values(run *r, rj_tensor *t, const rj_real *planar)
{
    OK(rj_tensor_write(r->dev, t, planar));
}

rj_real *weights(size_t m)
{
    rj_real *v = noise(m, 200);

    if (m == 1)
        v[0] = (rj_real)1.5;
    return v;
}

rj_real *all_numbers(const one *c, const way *w, size_t *n)
{
    run r;
    rj_real *all = NULL, *v;
    size_t have = 0;

    run_open_way(&r, c, w);
    v = weights(rj_count(&r.out->shape));
    run_backward(&r, v);
    for (int i = -1; i < c->op->inputs; i++) {
        const rj_tensor *t = i < 0 ? r.out : r.in[i];
        rj_real *part, *more;
        if (i >= 0 && !wants(c, i))
            continue;
        part = i < 0 ? values_of(&r, t) : gradient_of(&r, t);
        more = rj_alloc(have + rj_count(&t->shape), sizeof *more);
        if (have)
            memcpy(more, all, have * sizeof *more);
        memcpy(more + have, part, rj_count(&t->shape) * sizeof *more);
        have += rj_count(&t->shape);
        rj_free(all);
        rj_free(part);
        all = more;
    }
    rj_free(v);
    run_close(&r);
    *n = have;
    return all;
}

double order_bound(const one *c, size_t n, const rj_real *a)
{
    const double eps =
        sizeof(rj_real) == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;
    double most = 1e-2, terms = 1; // no sum has more terms than the largest input numbers

    for (int i = 0; i < c->op->inputs; i++)
        if (c->inputs[i] != '-')
            terms = fmax(terms, (double)rj_count(&c->in[i]));
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i]));
    return 32 * eps * sqrt(terms) * most;
}

/* The channel whose number is the i-th in storage, or one past the last. */
static size_t channel_at(const run *r, const rj_picture *d, size_t i)
{
    const size_t block = (size_t)r->dev->k->block,
                 blocks = ((size_t)d->c + block - 1) / block;

    if (r->dev->k->channels_last)
        return i % (blocks * block);
    return i / ((size_t)d->h * (size_t)d->w * block) % blocks * block + i % block;
}

void check_lanes(const run *r, const rj_shape *shape, const rj_real *x)
{
    const rj_picture d = rj_shape_dims(shape);
    const size_t block = (size_t)r->dev->k->block, n = rj_storage(r->dev, shape),
                 blocks = ((size_t)d.c + block - 1) / block;
    rj_real *here = rj_alloc(n, sizeof *here);

    OK(rj_download(r->dev, here, x, n));
    for (size_t i = 0; i < (size_t)d.n * blocks * block * (size_t)d.h * (size_t)d.w; i++)
        HOLDS(channel_at(r, &d, i) < (size_t)d.c || stored_number(r, shape, here, i) == 0,
              "%s/%s: a lane past channel %d holds %g", r->c->op->name, r->c->name, d.c,
              stored_number(r, shape, here, i));
    rj_free(here);
}

const char *next_isa(int *i)
{
    static const char *const sets[] = {"plain", "avx2", "avx512", "avx512bf16"};

    while (*i < RJ_COUNT(sets)) {
        const char *name = sets[(*i)++];
        setenv("RIJ_ISA", name, 1);
        if (strcmp(rj_cpu_isa()->name, name) == 0)
            return name;
    }
    unsetenv("RIJ_ISA");
    return NULL;
}
