/* shuffle2d: channels become pixels.
 *
 *     y[n][c][h r + i][w r + j] = x[n][c r^2 + i r + j][h][w],    0 <= i, j < r
 *
 * x (N,C r^2,H,W) picture -> y (N,C,H r,W r). Gradient: the same places backward.
 * Saved for backward: nothing. Sub-pixel convolution, Shi et al. 2016. */
#include "op/op.h"
#include <limits.h>

/* Where in x (host order) the number at y's place comes from. d: x's dims. */
static size_t source(const rj_picture *d, int r, int n, int c, int y, int x)
{
    const int channel = c * r * r + y % r * r + x % r;
    const size_t plane = (size_t)n * (size_t)d->c + (size_t)channel;

    return (plane * (size_t)d->h + (size_t)(y / r)) * (size_t)d->w + (size_t)(x / r);
}

rij_status rj_ref_shuffle2d(rj_device *dev, const rj_picture *d, int r, const rj_real *x,
                            rj_real *y)
{
    size_t i = 0;

    (void)dev;
    for (int n = 0; n < d->n; n++)
        for (int c = 0; c < d->c / (r * r); c++)
            for (int h = 0; h < d->h * r; h++)
                for (int w = 0; w < d->w * r; w++)
                    y[i++] = x[source(d, r, n, c, h, w)];
    return RIJ_OK;
}

rij_status rj_ref_shuffle2d_grad(rj_device *dev, const rj_picture *d, int r,
                                 const rj_real *dy, rj_real *dx)
{
    size_t i = 0;

    (void)dev;
    for (int n = 0; n < d->n; n++)
        for (int c = 0; c < d->c / (r * r); c++)
            for (int h = 0; h < d->h * r; h++)
                for (int w = 0; w < d->w * r; w++)
                    dx[source(d, r, n, c, h, w)] += dy[i++];
    return RIJ_OK;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shuffle2d_par *par = call->par;
    const rj_shape *x = &call->in[0]->shape;
    char text[64];

    RJ_REQUIRE(x->picture && par->r >= 1 && par->r <= 64 &&
                   x->dim[1] % (par->r * par->r) == 0 &&
                   RJ_MAX(x->dim[2], x->dim[3]) <= INT_MAX / par->r,
               RIJ_E_SHAPE, "shuffle2d: x %s by %d", rj_shape_text(x, text), par->r);
    *out = rj_shape_picture(x->dim[0], x->dim[1] / (par->r * par->r), x->dim[2] * par->r,
                            x->dim[3] * par->r);
    *saved = 0;
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_shuffle2d_par *par = call->par;
    const rj_picture d = rj_shape_dims(&call->in[0]->shape);

    return call->dev->k->shuffle2d(call->dev, &d, par->r, call->in[0]->x, call->out->x);
}

static rij_status backward(const rj_call *call)
{
    const rj_shuffle2d_par *par = call->par;
    const rj_picture d = rj_shape_dims(&call->in[0]->shape);

    if (!call->in[0]->g)
        return RIJ_OK;
    return call->dev->k->shuffle2d_grad(call->dev, &d, par->r, call->out->g,
                                        call->in[0]->g);
}

const rj_op rj_op_shuffle2d = {.name = "shuffle2d",
                               .inputs = 1,
                               .par_bytes = sizeof(rj_shuffle2d_par),
                               .shape = shape,
                               .forward = forward,
                               .backward = backward};
