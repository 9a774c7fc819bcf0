/* absdiff: mean absolute difference of two pictures, smooth at zero.
 *
 *     loss = 1/n sum_i sqrt(e[i]^2 + eps^2) - eps,    e = x - u
 *
 * x, u (N,C,H,W) pictures, n = N C H W -> one number. Gradient:
 *
 *     dx[i] = dl/n e[i] / sqrt(e[i]^2 + eps^2),    du = -dx
 *
 * Saved for backward: nothing. Lanes of storage past C add sqrt(eps^2) - eps = 0. The
 * reconstruction loss of the forging auto-encoders (Charbonnier et al. 1994). */
#include "op/op.h"
#include <math.h>

static size_t count(const rj_picture *d)
{
    return (size_t)d->n * (size_t)d->c * (size_t)d->h * (size_t)d->w;
}

rij_status rj_ref_absdiff(rj_device *dev, const rj_picture *d, double eps,
                          const rj_real *x, const rj_real *u, rj_real *loss)
{
    const size_t n = count(d);
    double sum = 0;

    (void)dev;
    for (size_t i = 0; i < n; i++) {
        const double e = (double)x[i] - (double)u[i];
        sum += sqrt(e * e + eps * eps) - eps;
    }
    loss[0] = (rj_real)(sum / (double)n);
    return RIJ_OK;
}

rij_status rj_ref_absdiff_grad(rj_device *dev, const rj_picture *d, double eps,
                               const rj_real *x, const rj_real *u, const rj_real *dl,
                               rj_real *dx, rj_real *du)
{
    const size_t n = count(d);
    const double factor = (double)dl[0] / (double)n;

    (void)dev;
    for (size_t i = 0; i < n; i++) {
        const double e = (double)x[i] - (double)u[i];
        const double g = factor * e / sqrt(e * e + eps * eps);
        if (dx)
            dx[i] += (rj_real)g;
        if (du)
            du[i] -= (rj_real)g;
    }
    return RIJ_OK;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape, *u = &call->in[1]->shape;
    char text[2][64];

    RJ_REQUIRE(x->picture && rj_shape_same(x, u), RIJ_E_SHAPE, "absdiff: x %s and u %s",
               rj_shape_text(x, text[0]), rj_shape_text(u, text[1]));
    *out = rj_shape_plain(0, 0, 0, 0, 0);
    *saved = 0;
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_absdiff_par *par = call->par;
    const rj_picture d = rj_shape_dims(&call->in[0]->shape);

    return call->dev->k->absdiff(call->dev, &d, par->eps, call->in[0]->x, call->in[1]->x,
                                 call->out->x);
}

static rij_status backward(const rj_call *call)
{
    const rj_absdiff_par *par = call->par;
    const rj_picture d = rj_shape_dims(&call->in[0]->shape);

    return call->dev->k->absdiff_grad(call->dev, &d, par->eps, call->in[0]->x,
                                      call->in[1]->x, call->out->g, call->in[0]->g,
                                      call->in[1]->g);
}

const rj_op rj_op_absdiff = {.name = "absdiff",
                             .inputs = 2,
                             .par_bytes = sizeof(rj_absdiff_par),
                             .shape = shape,
                             .forward = forward,
                             .backward = backward};
