/* decouple: two sets of embeddings should have nothing in common.
 *
 *     C[j][k] = sum_b x[b][j] u[b][k],      loss = 1/B^2 sum_jk C[j][k]^2
 *
 * x, u (B,D) -> one number. Gradient:
 *
 *     dx = dl 2/B^2 u C^T,      du = dl 2/B^2 x C
 *
 * Saved for backward: C, D*D numbers. The difference loss of Bousmalis et al. 2016. */
#include "op/op.h"

rij_status rj_ref_decouple(rj_device *dev, int b, int d, const rj_real *x,
                           const rj_real *u, rj_real *loss, rj_real *c)
{
    double sum = 0;

    (void)dev;
    for (int j = 0; j < d; j++)
        for (int k = 0; k < d; k++) {
            double cross = 0;
            for (int i = 0; i < b; i++)
                cross += (double)x[i * d + j] * (double)u[i * d + k];
            c[j * d + k] = (rj_real)cross;
            sum += cross * cross;
        }
    loss[0] = (rj_real)(sum / ((double)b * b));
    return RIJ_OK;
}

rij_status rj_ref_decouple_grad(rj_device *dev, int b, int d, const rj_real *x,
                                const rj_real *u, const rj_real *c, const rj_real *dl,
                                rj_real *dx, rj_real *du)
{
    const double factor = 2 * (double)dl[0] / ((double)b * b);

    (void)dev;
    for (int i = 0; i < b; i++)
        for (int j = 0; j < d; j++) {
            double to_x = 0, to_u = 0;
            for (int k = 0; k < d; k++) {
                to_x += (double)u[i * d + k] * (double)c[j * d + k];
                to_u += (double)x[i * d + k] * (double)c[k * d + j];
            }
            if (dx)
                dx[i * d + j] += (rj_real)(factor * to_x);
            if (du)
                du[i * d + j] += (rj_real)(factor * to_u);
        }
    return RIJ_OK;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape, *u = &call->in[1]->shape;
    char text[2][64];

    RJ_REQUIRE(x->rank == 2 && rj_shape_same(x, u), RIJ_E_SHAPE,
               "decouple: x %s and u %s", rj_shape_text(x, text[0]),
               rj_shape_text(u, text[1]));
    *out = rj_shape_plain(0, 0, 0, 0, 0);
    *saved = (size_t)x->dim[1] * (size_t)x->dim[1];
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_tensor *x = call->in[0];

    return call->dev->k->decouple(call->dev, x->shape.dim[0], x->shape.dim[1], x->x,
                                  call->in[1]->x, call->out->x, call->saved);
}

static rij_status backward(const rj_call *call)
{
    const rj_tensor *x = call->in[0], *u = call->in[1];

    return call->dev->k->decouple_grad(call->dev, x->shape.dim[0], x->shape.dim[1], x->x,
                                       u->x, call->saved, call->out->g, x->g, u->g);
}

const rj_op rj_op_decouple = {.name = "decouple",
                              .inputs = 2,
                              .shape = shape,
                              .forward = forward,
                              .backward = backward};
