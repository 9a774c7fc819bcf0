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

rij_status rj_pool2d_check(const char *name, const rj_shape *x, int r, int stride,
                           int pad)
{
    char text[64];

    // a pad of half the window at most, so that no window lies wholly outside
    // and numbers of winners up to 256, which a bfloat16 can tell apart
    RJ_REQUIRE(r >= 1 && r <= 16 && stride >= 1 && pad >= 0 && 2 * pad <= r,
               RIJ_E_ARGUMENT, "%s: window %d, stride %d, pad %d", name, r, stride, pad);
    RJ_REQUIRE(x->picture && x->dim[2] + 2 * pad >= r && x->dim[3] + 2 * pad >= r,
               RIJ_E_SHAPE, "%s: x %s and window %d", name, rj_shape_text(x, text), r);
    return RIJ_OK;
}

rj_pool2d rj_pool2d_of(const rj_shape *x, int r, int stride, int pad)
{
    return (rj_pool2d){.n = x->dim[0],
                       .c = x->dim[1],
                       .h = x->dim[2],
                       .w = x->dim[3],
                       .r = r,
                       .stride = stride,
                       .pad = pad,
                       .p = (x->dim[2] + 2 * pad - r) / stride + 1,
                       .q = (x->dim[3] + 2 * pad - r) / stride + 1};
}

static rj_pool2d dims(const rj_call *call)
{
    const rj_maxpool2d_par *par = call->par;
    rj_pool2d d = rj_pool2d_of(&call->in[0]->shape, par->r, par->stride, par->pad);

    d.fresh = call->fresh & 1;
    return d;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_maxpool2d_par *par = call->par;
    rj_pool2d d;

    RJ_TRY(
        rj_pool2d_check("maxpool2d", &call->in[0]->shape, par->r, par->stride, par->pad));
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
