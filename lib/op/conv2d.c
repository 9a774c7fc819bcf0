/* conv2d: convolution (cross-correlation, as the field has it).
 *
 *     y[n][k][p][q] = bias[k] + sum_crs x[n][c][h][v] w[k][c][r][s],
 *                     h = p stride + r - pad,    v = q stride + s - pad
 *
 * x (N,C,H,W) picture, w (K,C,R,S), bias (K) or none -> y (N,K,P,Q) picture,
 * P = (H + 2 pad - R) / stride + 1 rounded down; outside the picture x is zero. x may
 * also be plain, images as the host has them; then it has no gradient. Gradient:
 *
 *     dx[n][c][h][v] = sum of dy[n][k][p][q] w[k][c][r][s] over k and all p,r and q,s
 *                      that meet at h and v
 *     dw[k][c][r][s] = sum_npq dy[n][k][p][q] x[n][c][h][v]
 *     dbias[k]       = sum_npq dy[n][k][p][q]
 *
 * Saved for backward: nothing. The kernel writes y; dx is written or
 * added to, dw and dbias are added to. */
#include "op/op.h"

/* Place in a picture (N,C,H,W) in host order. */
static size_t at(int c, int h, int w, int i, int j, int y, int x)
{
    return (((size_t)i * (size_t)c + (size_t)j) * (size_t)h + (size_t)y) * (size_t)w +
           (size_t)x;
}

static double window_sum(const rj_conv *d, const rj_real *x, const rj_real *w, int n,
                         int k, int p, int q)
{
    double sum = 0;

    for (int c = 0; c < d->c; c++)
        for (int r = 0; r < d->r; r++)
            for (int s = 0; s < d->s; s++) {
                const int h = p * d->stride + r - d->pad, v = q * d->stride + s - d->pad;
                if (h >= 0 && h < d->h && v >= 0 && v < d->w)
                    sum += (double)x[at(d->c, d->h, d->w, n, c, h, v)] *
                           (double)w[at(d->c, d->r, d->s, k, c, r, s)];
            }
    return sum;
}

rij_status rj_ref_conv2d(rj_device *dev, const rj_conv *d, const rj_real *x,
                         const rj_real *w, const rj_real *bias, rj_real *y)
{
    (void)dev;
    for (int n = 0; n < d->n; n++)
        for (int k = 0; k < d->k; k++)
            for (int p = 0; p < d->p; p++)
                for (int q = 0; q < d->q; q++)
                    y[at(d->k, d->p, d->q, n, k, p, q)] =
                        (rj_real)(window_sum(d, x, w, n, k, p, q) +
                                  (bias ? (double)bias[k] : 0));
    return RIJ_OK;
}

/* What reaches x[n][c][h][v] from every window it lies in. */
static double gather(const rj_conv *d, const rj_real *dy, const rj_real *w, int n, int c,
                     int h, int v)
{
    double sum = 0;

    for (int r = 0; r < d->r; r++)
        for (int s = 0; s < d->s; s++) {
            const int p = h + d->pad - r, q = v + d->pad - s;
            if (p < 0 || q < 0 || p % d->stride || q % d->stride ||
                p / d->stride >= d->p || q / d->stride >= d->q)
                continue;
            for (int k = 0; k < d->k; k++)
                sum +=
                    (double)dy[at(d->k, d->p, d->q, n, k, p / d->stride, q / d->stride)] *
                    (double)w[at(d->c, d->r, d->s, k, c, r, s)];
        }
    return sum;
}

rij_status rj_ref_conv2d_grad_x(rj_device *dev, const rj_conv *d, const rj_real *dy,
                                const rj_real *w, bool add, rj_real *dx)
{
    (void)dev;
    for (int n = 0; n < d->n; n++)
        for (int c = 0; c < d->c; c++)
            for (int h = 0; h < d->h; h++)
                for (int v = 0; v < d->w; v++) {
                    rj_real *to = &dx[at(d->c, d->h, d->w, n, c, h, v)];
                    *to = (add ? *to : 0) + (rj_real)gather(d, dy, w, n, c, h, v);
                }
    return RIJ_OK;
}

static double tap_sum(const rj_conv *d, const rj_real *x, const rj_real *dy, int k, int c,
                      int r, int s)
{
    double sum = 0;

    for (int n = 0; n < d->n; n++)
        for (int p = 0; p < d->p; p++)
            for (int q = 0; q < d->q; q++) {
                const int h = p * d->stride + r - d->pad, v = q * d->stride + s - d->pad;
                if (h >= 0 && h < d->h && v >= 0 && v < d->w)
                    sum += (double)dy[at(d->k, d->p, d->q, n, k, p, q)] *
                           (double)x[at(d->c, d->h, d->w, n, c, h, v)];
            }
    return sum;
}

rij_status rj_ref_conv2d_grad_w(rj_device *dev, const rj_conv *d, const rj_real *x,
                                const rj_real *dy, rj_real *dw, rj_real *db)
{
    const rj_picture out = {d->n, d->k, d->p, d->q};

    for (int k = 0; k < d->k; k++)
        for (int c = 0; c < d->c; c++)
            for (int r = 0; r < d->r; r++)
                for (int s = 0; s < d->s; s++)
                    dw[at(d->c, d->r, d->s, k, c, r, s)] +=
                        (rj_real)tap_sum(d, x, dy, k, c, r, s);
    return db ? rj_ref_bias_grad(dev, &out, dy, db) : RIJ_OK;
}

/* Weights, then bias. */
rij_status rj_ref_conv2d_prepare(rj_device *dev, const rj_conv *d, const rj_real *w,
                                 const rj_real *bias, size_t *n, rj_real *ready)
{
    const size_t weights = (size_t)d->k * (size_t)d->c * (size_t)d->r * (size_t)d->s;

    (void)dev;
    *n = weights + (size_t)d->k;
    for (size_t i = 0; ready && i < *n; i++)
        ready[i] = i < weights ? w[i] : bias ? bias[i - weights] : 0;
    return RIJ_OK;
}

rij_status rj_ref_conv2d_prepared(rj_device *dev, const rj_conv *d, const rj_real *x,
                                  const rj_real *ready, const rj_real *beside, bool relu,
                                  rj_real *y)
{
    const size_t weights = (size_t)d->k * (size_t)d->c * (size_t)d->r * (size_t)d->s;
    const size_t n = (size_t)d->n * (size_t)d->k * (size_t)d->p * (size_t)d->q;

    RJ_TRY(rj_ref_conv2d(dev, d, x, ready, ready + weights, y));
    for (size_t i = 0; i < n; i++) {
        y[i] += beside ? beside[i] : 0;
        if (relu && y[i] < 0)
            y[i] = 0;
    }
    return RIJ_OK;
}

/* Dims from the inputs' shapes; P and Q may come out below 1. */
static rj_conv dims(const rj_call *call)
{
    const rj_conv2d_par *par = call->par;
    const int *x = call->in[0]->shape.dim, *w = call->in[1]->shape.dim;

    return (rj_conv){.n = x[0],
                     .c = x[1],
                     .h = x[2],
                     .w = x[3],
                     .k = w[0],
                     .r = w[2],
                     .s = w[3],
                     .stride = par->stride,
                     .pad = par->pad,
                     .p = (x[2] + 2 * par->pad - w[2]) / par->stride + 1,
                     .q = (x[3] + 2 * par->pad - w[3]) / par->stride + 1,
                     .planar = !call->in[0]->shape.picture};
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape, *w = &call->in[1]->shape;
    const rj_tensor *bias = call->in[2];
    const rj_conv2d_par *par = call->par;
    char text[2][64];
    rj_conv d;

    RJ_REQUIRE(x->rank == 4 && w->rank == 4 && x->dim[1] == w->dim[1], RIJ_E_SHAPE,
               "conv2d: x %s and w %s: %d channels against %d", rj_shape_text(x, text[0]),
               rj_shape_text(w, text[1]), x->dim[1], w->dim[1]);
    RJ_REQUIRE(x->picture || !call->in[0]->learns, RIJ_E_ARGUMENT,
               "conv2d: x %s is no picture and wants a gradient",
               rj_shape_text(x, text[0]));
    RJ_REQUIRE(par->stride >= 1 && par->pad >= 0, RIJ_E_ARGUMENT,
               "conv2d: stride %d, pad %d", par->stride, par->pad);
    RJ_REQUIRE(!bias || (bias->shape.rank == 1 && bias->shape.dim[0] == w->dim[0]),
               RIJ_E_SHAPE, "conv2d: w %s and bias %s", rj_shape_text(w, text[0]),
               rj_shape_text(&bias->shape, text[1]));
    d = dims(call);
    RJ_REQUIRE(x->dim[2] + 2 * d.pad >= d.r && x->dim[3] + 2 * d.pad >= d.s, RIJ_E_SHAPE,
               "conv2d: x %s with pad %d is smaller than w %s", rj_shape_text(x, text[0]),
               d.pad, rj_shape_text(w, text[1]));
    *out = rj_shape_picture(d.n, d.k, d.p, d.q);
    *saved = 0;
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_conv d = dims(call);

    return call->dev->k->conv2d(call->dev, &d, call->in[0]->x, call->in[1]->x,
                                call->in[2] ? call->in[2]->x : NULL, call->out->x);
}

static rij_status backward(const rj_call *call)
{
    rj_tensor *x = call->in[0], *w = call->in[1], *bias = call->in[2];
    const rj_conv d = dims(call);
    const rj_picture y = rj_shape_dims(&call->out->shape);

    if (x->g)
        RJ_TRY(call->dev->k->conv2d_grad_x(call->dev, &d, call->out->g, w->x,
                                           !(call->fresh & 1), x->g));
    if (w->g)
        return call->dev->k->conv2d_grad_w(call->dev, &d, x->x, call->out->g, w->g,
                                           bias ? bias->g : NULL);
    // filters that stay as they are beside a bias that learns
    return bias && bias->g ? call->dev->k->bias_grad(call->dev, &y, call->out->g, bias->g)
                           : RIJ_OK;
}

const rj_op rj_op_conv2d = {.name = "conv2d",
                            .writes = 1,
                            .inputs = 3,
                            .optional = 1u << 2,
                            .passing = true,
                            .par_bytes = sizeof(rj_conv2d_par),
                            .shape = shape,
                            .forward = forward,
                            .backward = backward};
