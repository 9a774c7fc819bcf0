/* relu: negative numbers become zero.
 *
 *     y[i] = max(x[i], 0)
 *
 * x of any shape -> y of that shape. What is no number stays none, so that one sees a
 * training diverge. Gradient: dx[i] += dy[i] except where y[i] <= 0.
 * Saved for backward: nothing, y tells. Nair and Hinton 2010. */
#include "op/op.h"

rij_status rj_ref_relu(rj_device *dev, bool picture, size_t n, const rj_real *x,
                       rj_real *y)
{
    (void)dev;
    (void)picture;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < 0 ? 0 : x[i];
    return RIJ_OK;
}

rij_status rj_ref_relu_grad(rj_device *dev, bool picture, size_t n, const rj_real *y,
                            const rj_real *dy, rj_real *dx)
{
    (void)dev;
    (void)picture;
    for (size_t i = 0; i < n; i++)
        if (!(y[i] <= 0))
            dx[i] += dy[i];
    return RIJ_OK;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    *out = call->in[0]->shape;
    *saved = 0;
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    return call->dev->k->relu(call->dev, call->out->shape.picture,
                              rj_storage(call->dev, &call->out->shape), call->in[0]->x,
                              call->out->x);
}

static rij_status backward(const rj_call *call)
{
    if (!call->in[0]->g)
        return RIJ_OK;
    return call->dev->k->relu_grad(call->dev, call->out->shape.picture,
                                   rj_storage(call->dev, &call->out->shape), call->out->x,
                                   call->out->g, call->in[0]->g);
}

const rj_op rj_op_relu = {.name = "relu",
                          .inputs = 1,
                          .shape = shape,
                          .forward = forward,
                          .backward = backward};
