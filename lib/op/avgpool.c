/* avgpool: the mean of each channel, one row of numbers per picture.
 *
 *     y[n][c] = 1/(H W) sum_hw x[n][c][h][w]
 *
 * x (N,C,H,W) picture -> y (N,C) plain. Gradient: dx[n][c][h][w] += dy[n][c] / (H W).
 * Saved for backward: nothing. */
#include "op/op.h"

rij_status rj_ref_avgpool(rj_device *dev, const rj_picture *d, const rj_real *x,
                          rj_real *y)
{
    const size_t plane = (size_t)d->h * (size_t)d->w;

    (void)dev;
    for (size_t i = 0; i < (size_t)d->n * (size_t)d->c; i++) {
        double sum = 0;
        for (size_t j = 0; j < plane; j++)
            sum += (double)x[i * plane + j];
        y[i] = (rj_real)(sum / (double)plane);
    }
    return RIJ_OK;
}

rij_status rj_ref_avgpool_grad(rj_device *dev, const rj_picture *d, const rj_real *dy,
                               rj_real *dx)
{
    const size_t plane = (size_t)d->h * (size_t)d->w;

    (void)dev;
    for (size_t i = 0; i < (size_t)d->n * (size_t)d->c; i++)
        for (size_t j = 0; j < plane; j++)
            dx[i * plane + j] += dy[i] / (rj_real)plane;
    return RIJ_OK;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape;
    char text[64];

    RJ_REQUIRE(x->picture, RIJ_E_SHAPE, "avgpool: x %s is no picture",
               rj_shape_text(x, text));
    *out = rj_shape_plain(2, x->dim[0], x->dim[1], 0, 0);
    *saved = 0;
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_picture d = rj_shape_dims(&call->in[0]->shape);

    return call->dev->k->avgpool(call->dev, &d, call->in[0]->x, call->out->x);
}

static rij_status backward(const rj_call *call)
{
    const rj_picture d = rj_shape_dims(&call->in[0]->shape);

    if (!call->in[0]->g)
        return RIJ_OK;
    return call->dev->k->avgpool_grad(call->dev, &d, call->out->g, call->in[0]->g);
}

const rj_op rj_op_avgpool = {.name = "avgpool",
                             .inputs = 1,
                             .shape = shape,
                             .forward = forward,
                             .backward = backward};
