/* linear: an affine map of rows.
 *
 *     y[n][k] = sum_c x[n][c] w[k][c] + bias[k]
 *
 * x (N,C), w (K,C), bias (K) or none -> y (N,K). Gradient:
 *
 *     dx[n][c] = sum_k dy[n][k] w[k][c]
 *     dw[k][c] = sum_n dy[n][k] x[n][c],    dbias[k] = sum_n dy[n][k]
 *
 * Saved for backward: nothing. One kernel gives both dw and dbias, so a bias learns only
 * where its w does. */
#include "op/op.h"

rij_status rj_ref_linear(rj_device *dev, int n, int c, int k, const rj_real *x,
                         const rj_real *w, const rj_real *bias, rj_real *y)
{
    (void)dev;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < k; j++) {
            double sum = bias ? (double)bias[j] : 0;
            for (int l = 0; l < c; l++)
                sum += (double)x[i * c + l] * (double)w[j * c + l];
            y[i * k + j] = (rj_real)sum;
        }
    return RIJ_OK;
}

rij_status rj_ref_linear_grad_x(rj_device *dev, int n, int c, int k, const rj_real *dy,
                                const rj_real *w, rj_real *dx)
{
    (void)dev;
    for (int i = 0; i < n; i++)
        for (int l = 0; l < c; l++) {
            double sum = 0;
            for (int j = 0; j < k; j++)
                sum += (double)dy[i * k + j] * (double)w[j * c + l];
            dx[i * c + l] += (rj_real)sum;
        }
    return RIJ_OK;
}

rij_status rj_ref_linear_grad_w(rj_device *dev, int n, int c, int k, const rj_real *x,
                                const rj_real *dy, rj_real *dw, rj_real *db)
{
    (void)dev;
    for (int j = 0; j < k; j++) {
        double total = 0;
        for (int l = 0; l < c; l++) {
            double sum = 0;
            for (int i = 0; i < n; i++)
                sum += (double)dy[i * k + j] * (double)x[i * c + l];
            dw[j * c + l] += (rj_real)sum;
        }
        for (int i = 0; i < n; i++)
            total += (double)dy[i * k + j];
        if (db)
            db[j] += (rj_real)total;
    }
    return RIJ_OK;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape, *w = &call->in[1]->shape;
    const rj_tensor *bias = call->in[2];
    char text[2][64];

    RJ_REQUIRE(x->rank == 2 && w->rank == 2 && x->dim[1] == w->dim[1], RIJ_E_SHAPE,
               "linear: x %s and w %s", rj_shape_text(x, text[0]),
               rj_shape_text(w, text[1]));
    RJ_REQUIRE(!bias || (bias->shape.rank == 1 && bias->shape.dim[0] == w->dim[0]),
               RIJ_E_SHAPE, "linear: w %s and bias %s", rj_shape_text(w, text[0]),
               rj_shape_text(&bias->shape, text[1]));
    RJ_REQUIRE(!bias || !bias->g || call->in[1]->g, RIJ_E_ARGUMENT,
               "linear: a bias that learns beside a w %s that does not",
               rj_shape_text(w, text[0]));
    *out = rj_shape_plain(2, x->dim[0], w->dim[0], 0, 0);
    *saved = 0;
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_tensor *x = call->in[0], *w = call->in[1], *bias = call->in[2];

    return call->dev->k->linear(call->dev, x->shape.dim[0], x->shape.dim[1],
                                w->shape.dim[0], x->x, w->x, bias ? bias->x : NULL,
                                call->out->x);
}

static rij_status backward(const rj_call *call)
{
    rj_tensor *x = call->in[0], *w = call->in[1], *bias = call->in[2];
    const int n = x->shape.dim[0], c = x->shape.dim[1], k = w->shape.dim[0];

    if (x->g)
        RJ_TRY(call->dev->k->linear_grad_x(call->dev, n, c, k, call->out->g, w->x, x->g));
    if (w->g)
        RJ_TRY(call->dev->k->linear_grad_w(call->dev, n, c, k, x->x, call->out->g, w->g,
                                           bias ? bias->g : NULL));
    return RIJ_OK;
}

const rj_op rj_op_linear = {.name = "linear",
                            .inputs = 3,
                            .optional = 1u << 2,
                            .shape = shape,
                            .forward = forward,
                            .backward = backward};
