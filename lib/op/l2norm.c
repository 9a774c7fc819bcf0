/* l2norm: scale each row to unit length.
 *
 *     y[n][c] = x[n][c] / r[n],      r[n] = sqrt(sum_c x[n][c]^2 + eps)
 *
 * x (N,D) -> y (N,D). eps = 1e-12 keeps an all-zero row at zero. Gradient:
 *
 *     dx[n][c] = (dy[n][c] - y[n][c] sum_k y[n][k] dy[n][k]) / r[n]
 *
 * The part of dy along y is lost, since moving x along itself moves nothing.
 * Saved for backward: 1 / r, N numbers. The last step of every embedding. */
#include "op/op.h"
#include <math.h>

rij_status rj_ref_l2norm(rj_device *dev, int n, int d, const rj_real *x, rj_real *y,
                         rj_real *inv)
{
    (void)dev;
    for (int i = 0; i < n; i++) {
        double sum = 1e-12;
        for (int j = 0; j < d; j++)
            sum += (double)x[i * d + j] * (double)x[i * d + j];
        inv[i] = (rj_real)(1 / sqrt(sum));
        for (int j = 0; j < d; j++)
            y[i * d + j] = x[i * d + j] * inv[i];
    }
    return RIJ_OK;
}

rij_status rj_ref_l2norm_grad(rj_device *dev, int n, int d, const rj_real *y,
                              const rj_real *inv, const rj_real *dy, rj_real *dx)
{
    (void)dev;
    for (int i = 0; i < n; i++) {
        double along = 0;
        for (int j = 0; j < d; j++)
            along += (double)y[i * d + j] * (double)dy[i * d + j];
        for (int j = 0; j < d; j++)
            dx[i * d + j] += inv[i] * (dy[i * d + j] - y[i * d + j] * (rj_real)along);
    }
    return RIJ_OK;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape;

    RJ_REQUIRE(x->rank == 2, RIJ_E_SHAPE, "l2norm: x has rank %d, not 2", x->rank);
    *out = *x;
    *saved = (size_t)x->dim[0];
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_tensor *x = call->in[0];

    return call->dev->k->l2norm(call->dev, x->shape.dim[0], x->shape.dim[1], x->x,
                                call->out->x, call->saved);
}

static rij_status backward(const rj_call *call)
{
    rj_tensor *x = call->in[0];

    if (!x->g)
        return RIJ_OK;
    return call->dev->k->l2norm_grad(call->dev, x->shape.dim[0], x->shape.dim[1],
                                     call->out->x, call->saved, call->out->g, x->g);
}

const rj_op rj_op_l2norm = {.name = "l2norm",
                            .inputs = 1,
                            .shape = shape,
                            .forward = forward,
                            .backward = backward};
