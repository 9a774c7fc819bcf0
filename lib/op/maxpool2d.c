/* maxpool2d: the largest number of each r x r window.
 *
 *     y[n][c][p][q] = max_rs x[n][c][p stride + r - pad][q stride + s - pad]
 *
 * x (N,C,H,W) picture -> y (N,C,P,Q), P = (H + 2 pad - r) / stride + 1 rounded down;
 * places outside the picture never win. Gradient: dy goes to the winner, the first in
 * reading order where several are equal; what is no number wins. Saved for backward: the
 * winner's number r R + s in its window, R its side, for each output: a picture like y.
 */
#include "op/op.h"
#include <math.h>

/* The number of the winner of a window, and its place in the plane. */
static int winner(const rj_pool2d *d, const rj_real *x, int p, int q, int *place)
{
    int best = -1, number = 0;

    for (int r = 0; r < d->r; r++)
        for (int s = 0; s < d->r; s++) {
            const int h = p * d->stride + r - d->pad, w = q * d->stride + s - d->pad;
            if (h < 0 || h >= d->h || w < 0 || w >= d->w)
                continue;
            const rj_real v = x[h * d->w + w];
            if (best < 0 || (!isnan(x[best]) && (v > x[best] || isnan(v)))) {
                best = h * d->w + w;
                number = r * d->r + s;
            }
        }
    *place = best;
    return number;
}

rij_status rj_ref_maxpool2d(rj_device *dev, const rj_pool2d *d, const rj_real *x,
                            rj_real *y, rj_real *at)
{
    const size_t plane = (size_t)d->h * (size_t)d->w;
    size_t out = 0;

    (void)dev;
    for (size_t i = 0; i < (size_t)d->n * (size_t)d->c; i++)
        for (int p = 0; p < d->p; p++)
            for (int q = 0; q < d->q; q++, out++) {
                int best;
                at[out] = (rj_real)winner(d, x + i * plane, p, q, &best);
                y[out] = x[i * plane + (size_t)best];
            }
    return RIJ_OK;
}

rij_status rj_ref_maxpool2d_grad(rj_device *dev, const rj_pool2d *d, const rj_real *at,
                                 const rj_real *dy, rj_real *dx)
{
    const size_t in = (size_t)d->h * (size_t)d->w, planes = (size_t)d->n * (size_t)d->c;

    (void)dev;
    for (size_t i = 0; d->fresh && i < planes * in; i++)
        dx[i] = 0;
    for (size_t i = 0; i < planes; i++, dx += in)
        for (int p = 0; p < d->p; p++)
            for (int q = 0; q < d->q; q++, at++, dy++) {
                const int h = p * d->stride - d->pad + (int)*at / d->r;
                const int w = q * d->stride - d->pad + (int)*at % d->r;
                dx[h * d->w + w] += *dy;
            }
    return RIJ_OK;
}

static rj_pool2d dims(const rj_call *call)
{
    const rj_maxpool2d_par *par = call->par;
    const int *x = call->in[0]->shape.dim;

    return (rj_pool2d){x[0],
                       x[1],
                       x[2],
                       x[3],
                       par->r,
                       par->stride,
                       par->pad,
                       (x[2] + 2 * par->pad - par->r) / par->stride + 1,
                       (x[3] + 2 * par->pad - par->r) / par->stride + 1,
                       call->fresh & 1};
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_maxpool2d_par *par = call->par;
    const rj_shape *x = &call->in[0]->shape;
    char text[64];
    rj_pool2d d;

    // a pad of half the window at most, so that no window lies wholly outside
    // and numbers of winners up to 256, which a bfloat16 can tell apart
    RJ_REQUIRE(par->r >= 1 && par->r <= 16 && par->stride >= 1 && par->pad >= 0 &&
                   2 * par->pad <= par->r,
               RIJ_E_ARGUMENT, "maxpool2d: window %d, stride %d, pad %d", par->r,
               par->stride, par->pad);
    RJ_REQUIRE(x->picture && x->dim[2] + 2 * par->pad >= par->r &&
                   x->dim[3] + 2 * par->pad >= par->r,
               RIJ_E_SHAPE, "maxpool2d: x %s and window %d", rj_shape_text(x, text),
               par->r);
    d = dims(call);
    *out = rj_shape_picture(d.n, d.c, d.p, d.q);
    *saved = rj_storage(call->dev, out);
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_pool2d d = dims(call);

    return call->dev->k->maxpool2d(call->dev, &d, call->in[0]->x, call->out->x,
                                   call->saved);
}

static rij_status backward(const rj_call *call)
{
    const rj_pool2d d = dims(call);

    if (!call->in[0]->g)
        return RIJ_OK;
    return call->dev->k->maxpool2d_grad(call->dev, &d, call->saved, call->out->g,
                                        call->in[0]->g);
}

const rj_op rj_op_maxpool2d = {.name = "maxpool2d",
                               .inputs = 1,
                               .writes = 1,
                               .par_bytes = sizeof(rj_maxpool2d_par),
                               .shape = shape,
                               .forward = forward,
                               .backward = backward};
