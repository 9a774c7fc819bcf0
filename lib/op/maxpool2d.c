/* maxpool2d: the largest number of each r x r window.
 *
 *     y[n][c][p][q] = max_rs x[n][c][p stride + r - pad][q stride + s - pad]
 *
 * x (N,C,H,W) picture -> y (N,C,P,Q), P = (H + 2 pad - r) / stride + 1 rounded down;
 * places outside the picture never win. Gradient: dy goes to the winner, the first in
 * reading order where several are equal. Saved for backward: the winner's place
 * h W + w for each output. */
#include "op/op.h"

static int winner(const rj_pool2d *d, const rj_real *x, int p, int q)
{
    int best = -1;

    for (int r = 0; r < d->r; r++)
        for (int s = 0; s < d->r; s++) {
            const int h = p * d->stride + r - d->pad, w = q * d->stride + s - d->pad;
            if (h < 0 || h >= d->h || w < 0 || w >= d->w)
                continue;
            if (best < 0 || x[h * d->w + w] > x[best])
                best = h * d->w + w;
        }
    return best;
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
                const int best = winner(d, x + i * plane, p, q);
                y[out] = x[i * plane + (size_t)best];
                at[out] = (rj_real)best;
            }
    return RIJ_OK;
}

rij_status rj_ref_maxpool2d_grad(rj_device *dev, const rj_pool2d *d, const rj_real *at,
                                 const rj_real *dy, rj_real *dx)
{
    const size_t in = (size_t)d->h * (size_t)d->w, out = (size_t)d->p * (size_t)d->q;

    (void)dev;
    for (size_t i = 0; i < (size_t)d->n * (size_t)d->c; i++)
        for (size_t j = i * out; j < (i + 1) * out; j++)
            dx[i * in + (size_t)at[j]] += dy[j];
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
                       (x[3] + 2 * par->pad - par->r) / par->stride + 1};
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_maxpool2d_par *par = call->par;
    const rj_shape *x = &call->in[0]->shape;
    char text[64];
    rj_pool2d d;

    // a pad of half the window at most, so that no window lies wholly outside
    RJ_REQUIRE(par->r >= 1 && par->stride >= 1 && par->pad >= 0 && 2 * par->pad <= par->r,
               RIJ_E_ARGUMENT, "maxpool2d: window %d, stride %d, pad %d", par->r,
               par->stride, par->pad);
    RJ_REQUIRE(x->picture && x->dim[2] + 2 * par->pad >= par->r &&
                   x->dim[3] + 2 * par->pad >= par->r,
               RIJ_E_SHAPE, "maxpool2d: x %s and window %d", rj_shape_text(x, text),
               par->r);
    // places are kept as rj_real, and a float counts to 2^24
    RJ_REQUIRE((int64_t)x->dim[2] * x->dim[3] <= 1 << 24, RIJ_E_SHAPE,
               "maxpool2d: x %s has more than 2^24 places", rj_shape_text(x, text));
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
                               .par_bytes = sizeof(rj_maxpool2d_par),
                               .shape = shape,
                               .forward = forward,
                               .backward = backward};
