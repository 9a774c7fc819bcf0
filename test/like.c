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

static const double eps =
    sizeof(rj_real) == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;
static const double u = 0x1p-8; // half of the last of 8 significant bits

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
    if (c->op == &rj_op_residual && i == 0 && front->kind != RJ_FRONT_HAAR)
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
