/* add: a weighted sum of two equal arrays.
 *
 *     y[i] = a x[i] + b u[i]
 *
 * x, u of one shape -> y of that shape; parameters a, b. Gradient: dx += a dy, du += b
 * dy. Saved for backward: nothing. Joins branches of a residual network and terms of a
 * loss. */
#include "op/op.h"

rij_status rj_ref_add(rj_device *dev, bool picture, size_t n, double a, const rj_real *x,
                      double b, const rj_real *u, rj_real *y)
{
    (void)dev;
    (void)picture;
    for (size_t i = 0; i < n; i++)
        y[i] = (rj_real)a * x[i] + (rj_real)b * u[i];
    return RIJ_OK;
}

rij_status rj_ref_axpy(rj_device *dev, bool picture, size_t n, double a, const rj_real *x,
                       rj_real *y)
{
    (void)dev;
    (void)picture;
    for (size_t i = 0; i < n; i++)
        y[i] += (rj_real)a * x[i];
    return RIJ_OK;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape, *u = &call->in[1]->shape;
    char text[2][64];

    RJ_REQUIRE(rj_shape_same(x, u), RIJ_E_SHAPE, "add: x %s and u %s differ",
               rj_shape_text(x, text[0]), rj_shape_text(u, text[1]));
    *out = *x;
    *saved = 0;
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_add_par *par = call->par;

    return call->dev->k->add(call->dev, call->out->shape.picture,
                             rj_storage(call->dev, &call->out->shape), par->a,
                             call->in[0]->x, par->b, call->in[1]->x, call->out->x);
}

static rij_status backward(const rj_call *call)
{
    const rj_add_par *par = call->par;
    const double factor[2] = {par->a, par->b};
    const size_t n = rj_storage(call->dev, &call->out->shape);

    for (int i = 0; i < 2; i++)
        if (call->in[i]->g)
            RJ_TRY(call->dev->k->axpy(call->dev, call->out->shape.picture, n, factor[i],
                                      call->out->g, call->in[i]->g));
    return RIJ_OK;
}

const rj_op rj_op_add = {.name = "add",
                         .inputs = 2,
                         .par_bytes = sizeof(rj_add_par),
                         .shape = shape,
                         .forward = forward,
                         .backward = backward};
