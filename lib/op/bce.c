/* bce: binary cross entropy of logits.
 *
 *     loss = 1/N sum_n softplus(s[n]) - y[n] s[n],    softplus(s) = log(1 + exp(s))
 *
 * logit s (N,1), label y (N), 0 real or 1 fake -> one number. Written as
 * max(s,0) - y s + log(1 + exp(-|s|)), which cannot overflow. Gradient:
 *
 *     ds[n] = dl/N (1 / (1 + exp(-s[n])) - y[n])
 *
 * Labels get none. Saved for backward: nothing. */
#include "op/op.h"
#include <math.h>

rij_status rj_ref_bce(rj_device *dev, int n, const rj_real *logit, const rj_real *label,
                      rj_real *loss)
{
    double sum = 0;

    (void)dev;
    for (int i = 0; i < n; i++) {
        const double s = (double)logit[i];
        sum += fmax(s, 0) - (double)label[i] * s + log1p(exp(-fabs(s)));
    }
    loss[0] = (rj_real)(sum / n);
    return RIJ_OK;
}

rij_status rj_ref_bce_grad(rj_device *dev, int n, const rj_real *logit,
                           const rj_real *label, const rj_real *dl, rj_real *dlogit)
{
    (void)dev;
    for (int i = 0; i < n; i++) {
        const double p = 1 / (1 + exp(-(double)logit[i]));
        dlogit[i] += (rj_real)((double)dl[0] / n * (p - (double)label[i]));
    }
    return RIJ_OK;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *s = &call->in[0]->shape, *y = &call->in[1]->shape;
    char text[2][64];

    RJ_REQUIRE(s->rank == 2 && s->dim[1] == 1 && y->rank == 1 && y->dim[0] == s->dim[0],
               RIJ_E_SHAPE, "bce: logits %s and labels %s", rj_shape_text(s, text[0]),
               rj_shape_text(y, text[1]));
    *out = rj_shape_plain(0, 0, 0, 0, 0);
    *saved = 0;
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    return call->dev->k->bce(call->dev, call->in[0]->shape.dim[0], call->in[0]->x,
                             call->in[1]->x, call->out->x);
}

static rij_status backward(const rj_call *call)
{
    if (!call->in[0]->g)
        return RIJ_OK;
    return call->dev->k->bce_grad(call->dev, call->in[0]->shape.dim[0], call->in[0]->x,
                                  call->in[1]->x, call->out->g, call->in[0]->g);
}

const rj_op rj_op_bce = {
    .name = "bce", .inputs = 2, .shape = shape, .forward = forward, .backward = backward};
