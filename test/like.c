/* like.c: a device against the reference, like with like.
 *
 * All numbers that the device would round, of pictures and factors of convolutions, are
 * rounded to bfloat16 first, for both; tf32 holds those too. Then the device has the same
 * numbers, its sums are in another order, and nothing else happens before a result is
 * stored. Where it is stored as bfloat16, that rounds to the nearest, R, which keeps the
 * order of any two numbers: so of a number that is a, and may be off by e before it is
 * stored,
 *
 *     R(a - e) <= what is stored <= R(a + e)
 *
 * e is what another order may do (cases.h) and, where a number is stored more than once
 * on its way, what that rounds before the last time: with u = 2^-8 a number of size A at
 * most, rounded n times, is off by A ((1 + u)^n - 1) at most. */
#include "like.h"
#include "test.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double eps =
    sizeof(rj_real) == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;
static const double u = 0x1p-8; // half of the last of 8 significant bits

const char *tested_device(void)
{
    const char *name = getenv("RIJ_TEST_DEVICE");

    return name && *name ? name : "cpu";
}

double rounded(double x)
{
    return (double)rj_bf16((float)x);
}

/* Does the device round the numbers of input i? */
static bool rounds(const one *c, int i)
{
    return c->in[i].picture || (convolves(c) && i < 2);
}

void open_rounded(run *r, const one *c, const way *w)
{
    run_open_way(r, c, w);
    for (int i = 0; i < c->op->inputs; i++)
        if (r->in[i] && rounds(c, i)) {
            rj_real *x = values_of(r, r->in[i]);
            for (size_t k = 0; k < rj_count(&c->in[i]); k++)
                x[k] = (rj_real)rounded((double)x[k]);
            set_values(r, r->in[i], x);
            rj_free(x);
        }
    run_forward(r);
}

/* The gradient of input i by |dy|, or, where that is NULL, by ones. */
static rj_real *gradient_by_sizes(run *r, int i, const rj_real *dy)
{
    const size_t n = rj_count(&r->out->shape);
    rj_real *size = rj_alloc(n, sizeof *size);

    for (size_t k = 0; k < n; k++)
        size[k] = dy ? (rj_real)fabs((double)dy[k]) : 1;
    run_backward(r, size);
    rj_free(size);
    return gradient_of(r, r->in[i]);
}

/* A pixel of a front-end gets its own dy, then, less, that of each window whose median or
 * corner it is, or a ninth of it for each place it takes there. So what it gets of |dy|
 * tells the sizes, and what it gets of ones how many there are. */
static void front_off(run *r, const rj_real *dy, double *off)
{
    const rj_residual_par *par = r->c->par;
    rj_real *sizes = gradient_by_sizes(r, 0, dy), *ones = gradient_by_sizes(r, 0, NULL);

    for (size_t k = 0; k < rj_count(&r->in[0]->shape); k++) {
        const double size = 0.5 + 2 * fabs((double)dy[k]) - (double)sizes[k];
        const double times =
            (1 - (double)ones[k]) * (par->kind == RJ_FRONT_LAPLACE ? 9 : 1);
        off[k] = size * (pow(1 + u, times) - 1);
    }
    rj_free(sizes);
    rj_free(ones);
}

/* How many numbers a pixel of an axis of h gets from p, which lie h/p apart. Within 1 on
 * either side of it are ceil(p/h) at most; but behind the centre of the last pixel, where
 * 1/2 is left, both neighbours of a number are that pixel: 2 ceil(p/h/2), no fewer. */
static double resize_times(int h, int p)
{
    return ceil((double)p / h) + 2 * ceil((double)p / h / 2);
}

static void resize_off(run *r, const rj_real *dy, double *off)
{
    const int *x = r->in[0]->shape.dim, *y = r->out->shape.dim;
    const double times = resize_times(x[2], y[2]) * resize_times(x[3], y[3]);
    rj_real *sizes = gradient_by_sizes(r, 0, dy);

    for (size_t k = 0; k < rj_count(&r->in[0]->shape); k++)
        off[k] = (0.5 + (double)sizes[k]) * (pow(1 + u, times - 1) - 1);
    rj_free(sizes);
}

/* What numbers of the output, i = -1, or of a gradient are off by before they are stored
 * the last time. a is what they are. */
static double *offs_of(run *r, int i, size_t n, const rj_real *a, const rj_real *dy)
{
    const one *c = r->c;
    const rj_residual_par *front = c->par;
    double *off = rj_alloc(n, sizeof *off);

    for (size_t k = 0; k < n; k++)
        off[k] = 0;
    if (c->op == &rj_op_deconv2d && (i == 0 || (i < 0 && r->in[2]))) // a bias is below 1
        for (size_t k = 0; k < n; k++)
            off[k] = u * (fabs((double)a[k]) + 1);
    if (c->op == &rj_op_residual && i == 0 && front->kind != RJ_FRONT_HAAR &&
        front->kind != RJ_FRONT_OCTAVES) // those store a sum once
        front_off(r, dy, off);
    if (c->op == &rj_op_resize2d && i == 0)
        resize_off(r, dy, off);
    return off;
}

/* Numbers that begin at `first`, against those of ref; if they are stored as bfloat16, as
 * said above. */
static void check_numbers(const one *c, const char *label, int i, bool half, size_t n,
                          const rj_real *a, const rj_real *b, double first,
                          const double *off)
{
    const double order = order_bound(c, n, a) + eps * first;

    for (size_t k = 0; k < n; k++) {
        const double e = order + off[k], x = (double)a[k] + first, y = (double)b[k];
        const double low = half ? rounded(x - e) : x - e,
                     high = half ? rounded(x + e) : x + e;
        HOLDS(y >= low && y <= high, "%s/%s on %s, %d[%zu]: %.9g, not %.9g to %.9g",
              c->op->name, c->name, label, i, k, y, low, high);
        HOLDS(!half || y == rounded(y), "%s/%s on %s, %d[%zu]: %.9g, no half",
              c->op->name, c->name, label, i, k, y);
    }
}

void check_like(const one *c, const way *w, const char *label)
{
    const bool half = w->precision == RJ_BF16;
    run ref, there;
    rj_real *dy;

    open_rounded(&ref, c, &(way){"ref", 1, RJ_FP32, RJ_AUTO});
    open_rounded(&there, c, w);
    dy = weights(rj_count(&ref.out->shape));
    for (size_t k = 0; k < rj_count(&ref.out->shape); k++)
        dy[k] = (rj_real)rounded((double)dy[k]);
    run_backward(&there, dy);
    for (int i = -1; i < c->op->inputs; i++) {
        rj_tensor *of = i < 0 ? there.out : there.in[i];
        const size_t n = of ? rj_count(&of->shape) : 0;
        rj_tensor t;
        rj_real *a, *b;
        double *off;
        if (i >= 0 && !wants(c, i))
            continue;
        t = i < 0 ? *of : gradient_as_values(of);
        run_backward(&ref, dy);
        a = i < 0 ? values_of(&ref, ref.out) : gradient_of(&ref, ref.in[i]);
        b = values_of(&there, &t);
        off = offs_of(&ref, i, n, a, dy);
        check_numbers(c, label, i, half && t.shape.picture, n, a, b, i < 0 ? 0 : 0.5,
                      off);
        if (t.shape.picture)
            check_lanes(&there, &t.shape, t.x);
        rj_free(a);
        rj_free(b);
        rj_free(off);
    }
    rj_free(dy);
    run_close(&ref);
    run_close(&there);
}

/* n numbers of the device's memory, every byte of them `byte`. */
static void soil(rj_device *dev, rj_real *x, size_t n, int byte)
{
    rj_real *bytes = rj_alloc(n, sizeof *bytes);

    memset(bytes, byte, n * sizeof *bytes);
    OK(rj_upload(dev, x, bytes, n));
    rj_free(bytes);
}

/* Gradients of some inputs from where every byte of them is `byte`; of each of those its
 * planar numbers. */
static void backward_from(run *r, unsigned some, int byte, rj_real *all[RJ_MAX_IN])
{
    for (int i = 0; i < RJ_MAX_IN; i++)
        if (some >> i & 1)
            soil(r->dev, r->in[i]->g, rj_storage(r->dev, &r->in[i]->shape), byte);
    OK(r->c->op->backward(&r->tape.call[0]));
    for (int i = 0; i < RJ_MAX_IN; i++)
        if (some >> i & 1) {
            const rj_tensor g = gradient_as_values(r->in[i]);
            all[i] = values_of(r, &g);
        }
}

/* Added to zeros, then written where `fresh` says so, onto what are no numbers: the same
 * sums, rounded alike as they are stored, so the same numbers. */
static void check_fresh(run *r, const way *w, unsigned fresh)
{
    rj_real *added[RJ_MAX_IN], *written[RJ_MAX_IN];

    backward_from(r, fresh, 0, added);
    r->tape.call[0].fresh = fresh;
    backward_from(r, fresh, 0xff, written);
    r->tape.call[0].fresh = 0;
    for (int i = 0; i < RJ_MAX_IN; i++)
        if (fresh >> i & 1) {
            const rj_shape *shape = &r->in[i]->shape;
            for (size_t k = 0; k < rj_count(shape); k++)
                HOLDS(added[i][k] == written[i][k],
                      "%s %s/%s, precision %d: dx[%zu] of input %d, %.9g added, "
                      "%.9g written",
                      w->device, r->c->op->name, r->c->name, w->precision, k, i,
                      (double)added[i][k], (double)written[i][k]);
            if (shape->picture)
                check_lanes(r, shape, r->in[i]->g);
            rj_free(added[i]);
            rj_free(written[i]);
        }
}

void check_written(const one *c, const way *w)
{
    unsigned all = 0;
    rj_real *v;
    run r;

    run_open_way(&r, c, w);
    v = weights(rj_count(&r.out->shape));
    run_backward(&r, v);
    for (int i = 0; i < c->op->inputs; i++)
        if (c->op->writes >> i & 1 && r.in[i] && wants(c, i)) {
            check_fresh(&r, w, 1u << i);
            all |= 1u << i;
        }
    if (all & (all - 1)) // more than one
        check_fresh(&r, w, all);
    rj_free(v);
    run_close(&r);
}

/* Output of pictures, or images, full of what are no numbers. */
static rj_real *of_no_numbers(const one *c, const way *w, size_t *n)
{
    rj_real *y;
    run r;

    run_open_way(&r, c, w);
    for (int i = 0; i < c->op->inputs; i++)
        if (r.in[i] && c->in[i].rank == 4 && !(convolves(c) && i > 0)) {
            rj_real *x = values_of(&r, r.in[i]);
            for (size_t k = 0; k < rj_count(&c->in[i]); k++)
                x[k] = (rj_real)NAN;
            set_values(&r, r.in[i], x);
            rj_free(x);
        }
    run_forward(&r);
    *n = rj_count(&r.out->shape);
    y = values_of(&r, r.out);
    run_close(&r);
    return y;
}

void check_no_numbers(const one *c, const way *w, const char *label)
{
    size_t n;
    rj_real *a = of_no_numbers(c, &(way){"ref", 1, RJ_FP32, RJ_AUTO}, &n);
    rj_real *b = of_no_numbers(c, w, &n);

    for (size_t j = 0; j < n; j++)
        HOLDS(isnan(a[j]) == isnan(b[j]),
              "%s/%s on %s, precision %d: y[%zu] is %g, not %g", c->op->name, c->name,
              label, w->precision, j, (double)b[j], (double)a[j]);
    rj_free(a);
    rj_free(b);
}
