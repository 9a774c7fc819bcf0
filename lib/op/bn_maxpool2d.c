/* bn_maxpool2d: batch norm, relu and max pooling, as a stem has them, in one: what lies
 * between them, the largest picture of a network, is never stored.
 *
 *     u[n][c][h][w] = relu(gamma[c] (x - mean[c]) inv[c] + beta[c])
 *     y[n][c][p][q] = max_rs u[n][c][p stride + r - pad][q stride + s - pad]
 *
 * (Ioffe and Szegedy 2015; He et al. 2016.) x (N,C,H,W) picture; gamma, beta, run_mean,
 * run_var (C) -> y (N,C,P,Q). Statistics are batchnorm's, windows maxpool2d's; what is no
 * number stays none. Gradient: g[n][c][h][w] is the sum of dy over the windows that (h,w)
 * won with more than 0, then batchnorm's:
 *
 *     dgamma = sum g z,   dbeta = sum g,   z = (x - mean) inv
 *     training: dx = gamma inv (g - dbeta / M - z dgamma / M), M = N H W
 *     else:     dx = gamma inv g
 *
 * Saved for backward: mean and inv, 2 C numbers; and like y the winner's number r R + s
 * in its window, or -1 where the relu gave 0. */
#include "op/op.h"
#include <math.h>

static size_t plane_at(const rj_bn *d, int n, int c)
{
    return ((size_t)n * (size_t)d->c + (size_t)c) * (size_t)d->h * (size_t)d->w;
}

/* The largest number of a window in y, and its own number, or -1 where relu is shut. */
static rj_real winner(const rj_pool2d *w, const rj_real *x, rj_real mean, rj_real by,
                      rj_real beta, int p, int q, rj_real *at)
{
    rj_real top = 0;

    *at = -2;
    for (int r = 0; r < w->r; r++)
        for (int s = 0; s < w->r; s++) {
            const int i = p * w->stride + r - w->pad, j = q * w->stride + s - w->pad;
            if (i < 0 || i >= w->h || j < 0 || j >= w->w)
                continue;
            const rj_real v = (x[i * w->w + j] - mean) * by + beta;
            if (*at == -2 || (!isnan(top) && (v > top || isnan(v)))) {
                top = v;
                *at = (rj_real)(r * w->r + s);
            }
        }
    if (top > 0 || isnan(top))
        return top;
    *at = -1;
    return 0;
}

rij_status rj_ref_bn_maxpool2d(rj_device *dev, const rj_bn *d, const rj_pool2d *pool,
                               const rj_real *x, const rj_real *gamma,
                               const rj_real *beta, rj_real *run_mean, rj_real *run_var,
                               rj_real *mean, rj_real *inv, rj_real *y, rj_real *at)
{
    size_t out = 0;

    (void)dev;
    for (int c = 0; c < d->c; c++)
        rj_ref_bn_channel(d, x, c, run_mean, run_var, mean, inv);
    for (int n = 0; n < d->n; n++)
        for (int c = 0; c < d->c; c++)
            for (int p = 0; p < pool->p; p++)
                for (int q = 0; q < pool->q; q++, out++)
                    y[out] = winner(pool, x + plane_at(d, n, c), mean[c],
                                    gamma[c] * inv[c], beta[c], p, q, at + out);
    return RIJ_OK;
}

/* What reaches pixel (h, v) of the k-th plane: dy of the windows it won. */
static double arriving(const rj_pool2d *w, const rj_real *at, const rj_real *dy, size_t k,
                       int h, int v)
{
    double sum = 0;

    for (int r = 0; r < w->r; r++)
        for (int s = 0; s < w->r; s++) {
            const int p = h + w->pad - r, q = v + w->pad - s;
            if (p < 0 || q < 0 || p % w->stride || q % w->stride ||
                p / w->stride >= w->p || q / w->stride >= w->q)
                continue;
            const size_t i = (k * (size_t)w->p + (size_t)(p / w->stride)) * (size_t)w->q +
                             (size_t)(q / w->stride);
            if ((int)at[i] == r * w->r + s)
                sum += (double)dy[i];
        }
    return sum;
}

/* One channel: its sums if dx is NULL, else dx, which may lie where x does. */
static void channel_grad(const rj_bn *d, const rj_pool2d *w, int c, const rj_real *x,
                         double mean, double inv, double gamma, const rj_real *at,
                         const rj_real *dy, rj_real *dx, double *sum, double *along)
{
    const double m = (double)d->n * (double)d->h * (double)d->w;

    for (int n = 0; n < d->n; n++)
        for (int i = 0; i < d->h * d->w; i++) {
            const size_t here = plane_at(d, n, c) + (size_t)i;
            const size_t k = (size_t)n * (size_t)d->c + (size_t)c;
            const double g = arriving(w, at, dy, k, i / d->w, i % d->w);
            const double z = ((double)x[here] - mean) * inv;
            if (dx) {
                const double lost = d->train ? (*sum + z * *along) / m : 0;
                dx[here] =
                    (d->fresh_dx ? 0 : dx[here]) + (rj_real)(gamma * inv * (g - lost));
            } else {
                *sum += g;
                *along += g * z;
            }
        }
}

rij_status rj_ref_bn_maxpool2d_grad(rj_device *dev, const rj_bn *d, const rj_pool2d *pool,
                                    const rj_real *x, const rj_real *gamma,
                                    const rj_real *mean, const rj_real *inv,
                                    const rj_real *at, const rj_real *dy, rj_real *dx,
                                    rj_real *dgamma, rj_real *dbeta)
{
    (void)dev;
    for (int c = 0; c < d->c; c++) {
        double sum = 0, along = 0;
        channel_grad(d, pool, c, x, (double)mean[c], (double)inv[c], (double)gamma[c], at,
                     dy, NULL, &sum, &along);
        if (dgamma)
            dgamma[c] += (rj_real)along;
        if (dbeta)
            dbeta[c] += (rj_real)sum;
        if (dx)
            channel_grad(d, pool, c, x, (double)mean[c], (double)inv[c], (double)gamma[c],
                         at, dy, dx, &sum, &along);
    }
    return RIJ_OK;
}

static rj_bn dims(const rj_call *call)
{
    const rj_bn_maxpool2d_par *par = call->par;
    const int *x = call->in[0]->shape.dim;

    return (rj_bn){.n = x[0],
                   .c = x[1],
                   .h = x[2],
                   .w = x[3],
                   .train = par->train,
                   .eps = par->eps,
                   .momentum = par->momentum,
                   .fresh_dx = call->fresh & 1};
}

static rj_pool2d window(const rj_call *call)
{
    const rj_bn_maxpool2d_par *par = call->par;

    return rj_pool2d_of(&call->in[0]->shape, par->r, par->stride, par->pad);
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_bn_maxpool2d_par *par = call->par;
    rj_pool2d w;

    RJ_TRY(rj_pool2d_check("bn_maxpool2d", &call->in[0]->shape, par->r, par->stride,
                           par->pad));
    RJ_TRY(rj_bn_check(call));
    w = window(call);
    *out = rj_shape_picture(w.n, w.c, w.p, w.q);
    *saved = 2 * (size_t)w.c + rj_storage(call->dev, out);
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_bn d = dims(call);
    const rj_pool2d w = window(call);
    rj_tensor *const *in = call->in;
    rj_real *at = call->saved, *mean = at + rj_storage(call->dev, &call->out->shape);

    return call->dev->k->bn_maxpool2d(call->dev, &d, &w, in[0]->x, in[1]->x, in[2]->x,
                                      in[3]->x, in[4]->x, mean, mean + d.c, call->out->x,
                                      at);
}

static rij_status backward(const rj_call *call)
{
    const rj_bn d = dims(call);
    const rj_pool2d w = window(call);
    rj_tensor *const *in = call->in;
    const rj_real *at = call->saved,
                  *mean = at + rj_storage(call->dev, &call->out->shape);

    return call->dev->k->bn_maxpool2d_grad(call->dev, &d, &w, in[0]->x, in[1]->x, mean,
                                           mean + d.c, at, call->out->g, in[0]->g,
                                           in[1]->g, in[2]->g);
}

const rj_op rj_op_bn_maxpool2d = {.name = "bn_maxpool2d",
                                  .inputs = 5,
                                  .writes = 1,
                                  .over_input = true,
                                  .par_bytes = sizeof(rj_bn_maxpool2d_par),
                                  .shape = shape,
                                  .forward = forward,
                                  .backward = backward};
