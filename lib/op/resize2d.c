/* resize2d: another size, by the nearest pixel or by bilinear weights.
 *
 *     bilinear: y[p][q] = sum of the four pixels around (v,u), weighted by nearness,
 *               v = (p + 1/2) H / P - 1/2, u likewise, clamped to the picture
 *     nearest:  y[p][q] = x[floor(p H / P)][floor(q W / Q)]
 *
 * x (N,C,H,W) picture -> y (N,C,P,Q). No smoothing before shrinking: decoders enlarge.
 * Both as PyTorch's interpolate (align_corners off). Linear in x, so the gradient spreads
 * dy by the same weights. Saved for backward: nothing. */
#include "op/op.h"
#include <math.h>

/* An output place reads in[0] with weight 1 - share and in[1] with weight share. */
typedef struct taps {
    int in[2];
    double share;
} taps;

static taps taps_of(int i, int from, int to, enum rj_resize_mode mode)
{
    const double place = fmax((i + 0.5) * from / to - 0.5, 0);
    const int low = RJ_MIN((int)place, from - 1);
    const int nearest = RJ_MIN((int)((int64_t)i * from / to), from - 1);

    if (mode == RJ_NEAREST)
        return (taps){{nearest, nearest}, 0};
    return (taps){{low, RJ_MIN(low + 1, from - 1)}, RJ_MIN(place - low, 1.0)};
}

/* Weight of corner (a,b) of the four. */
static double weight(const taps *v, const taps *u, int a, int b)
{
    return (a ? v->share : 1 - v->share) * (b ? u->share : 1 - u->share);
}

rij_status rj_ref_resize2d(rj_device *dev, const rj_resize *d, const rj_real *x,
                           rj_real *y)
{
    const size_t plane = (size_t)d->h * (size_t)d->w;

    (void)dev;
    for (size_t i = 0; i < (size_t)d->n * (size_t)d->c; i++, x += plane)
        for (int p = 0; p < d->p; p++)
            for (int q = 0; q < d->q; q++) {
                const taps v = taps_of(p, d->h, d->p, d->mode),
                           u = taps_of(q, d->w, d->q, d->mode);
                double sum = 0;
                for (int a = 0; a < 2; a++)
                    for (int b = 0; b < 2; b++)
                        sum += weight(&v, &u, a, b) * (double)x[v.in[a] * d->w + u.in[b]];
                *y++ = (rj_real)sum;
            }
    return RIJ_OK;
}

rij_status rj_ref_resize2d_grad(rj_device *dev, const rj_resize *d, const rj_real *dy,
                                rj_real *dx)
{
    const size_t plane = (size_t)d->h * (size_t)d->w;

    (void)dev;
    for (size_t i = 0; i < (size_t)d->n * (size_t)d->c; i++, dx += plane)
        for (int p = 0; p < d->p; p++)
            for (int q = 0; q < d->q; q++, dy++) {
                const taps v = taps_of(p, d->h, d->p, d->mode),
                           u = taps_of(q, d->w, d->q, d->mode);
                for (int a = 0; a < 2; a++)
                    for (int b = 0; b < 2; b++)
                        dx[v.in[a] * d->w + u.in[b]] +=
                            (rj_real)(weight(&v, &u, a, b) * (double)*dy);
            }
    return RIJ_OK;
}

static rj_resize dims(const rj_call *call)
{
    const rj_resize2d_par *par = call->par;
    const int *x = call->in[0]->shape.dim;

    return (rj_resize){x[0], x[1], x[2], x[3], par->p, par->q, par->mode};
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_resize2d_par *par = call->par;
    const rj_shape *x = &call->in[0]->shape;
    char text[64];

    RJ_REQUIRE(x->picture && par->p >= 1 && par->q >= 1, RIJ_E_SHAPE,
               "resize2d: x %s to %d x %d", rj_shape_text(x, text), par->p, par->q);
    *out = rj_shape_picture(x->dim[0], x->dim[1], par->p, par->q);
    *saved = 0;
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_resize d = dims(call);

    return call->dev->k->resize2d(call->dev, &d, call->in[0]->x, call->out->x);
}

static rij_status backward(const rj_call *call)
{
    const rj_resize d = dims(call);

    if (!call->in[0]->g)
        return RIJ_OK;
    return call->dev->k->resize2d_grad(call->dev, &d, call->out->g, call->in[0]->g);
}

const rj_op rj_op_resize2d = {.name = "resize2d",
                              .inputs = 1,
                              .par_bytes = sizeof(rj_resize2d_par),
                              .shape = shape,
                              .forward = forward,
                              .backward = backward};
