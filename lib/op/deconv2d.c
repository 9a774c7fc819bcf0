/* deconv2d: transposed convolution, the gradient of a convolution run forward.
 *
 *     y[n][k][h][v] = bias[k] + sum of x[n][c][p][q] w[c][k][r][s] over c and all p,r
 *                     and q,s with h = p stride + r - pad, v = q stride + s - pad
 *
 * x (N,C,P,Q) picture, w (C,K,R,S) as PyTorch has it, bias (K) or none -> y (N,K,H,V),
 * H = (P - 1) stride - 2 pad + R. Let conv be the convolution from y's side to x's with
 * these w: then y = conv_grad_x(x), dx = conv(dy), dw = conv_grad_w(dy, x); no kernel of
 * its own but the bias. Saved for backward: room for conv(dy), as large as x: a
 * convolution writes, and where x's gradient is not fresh it must be added. */
#include "op/op.h"

rij_status rj_ref_bias(rj_device *dev, const rj_picture *d, const rj_real *bias,
                       rj_real *x)
{
    const size_t plane = (size_t)d->h * (size_t)d->w;

    (void)dev;
    for (int n = 0; n < d->n; n++)
        for (int c = 0; c < d->c; c++, x += plane)
            for (size_t i = 0; i < plane; i++)
                x[i] += bias[c];
    return RIJ_OK;
}

rij_status rj_ref_bias_grad(rj_device *dev, const rj_picture *d, const rj_real *dy,
                            rj_real *db)
{
    const size_t plane = (size_t)d->h * (size_t)d->w;

    (void)dev;
    for (int c = 0; c < d->c; c++) {
        double sum = 0;
        for (int n = 0; n < d->n; n++) {
            const rj_real *p = dy + ((size_t)n * (size_t)d->c + (size_t)c) * plane;
            for (size_t i = 0; i < plane; i++)
                sum += (double)p[i];
        }
        db[c] += (rj_real)sum;
    }
    return RIJ_OK;
}

/* The convolution from y (its x) to x (its y). */
static rj_conv dims(const rj_call *call)
{
    const rj_deconv2d_par *par = call->par;
    const int *x = call->in[0]->shape.dim, *w = call->in[1]->shape.dim;

    return (rj_conv){.n = x[0],
                     .c = w[1],
                     .h = (x[2] - 1) * par->stride - 2 * par->pad + w[2],
                     .w = (x[3] - 1) * par->stride - 2 * par->pad + w[3],
                     .k = x[1],
                     .r = w[2],
                     .s = w[3],
                     .stride = par->stride,
                     .pad = par->pad,
                     .p = x[2],
                     .q = x[3]};
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape, *w = &call->in[1]->shape;
    const rj_tensor *bias = call->in[2];
    const rj_deconv2d_par *par = call->par;
    char text[2][64];
    rj_conv d;

    RJ_REQUIRE(x->picture && w->rank == 4 && x->dim[1] == w->dim[0], RIJ_E_SHAPE,
               "deconv2d: x %s and w %s", rj_shape_text(x, text[0]),
               rj_shape_text(w, text[1]));
    RJ_REQUIRE(par->stride >= 1 && par->pad >= 0, RIJ_E_ARGUMENT,
               "deconv2d: stride %d, pad %d", par->stride, par->pad);
    RJ_REQUIRE(!bias || (bias->shape.rank == 1 && bias->shape.dim[0] == w->dim[1]),
               RIJ_E_SHAPE, "deconv2d: w %s and bias %s", rj_shape_text(w, text[0]),
               rj_shape_text(&bias->shape, text[1]));
    d = dims(call);
    RJ_REQUIRE(d.h >= 1 && d.w >= 1, RIJ_E_SHAPE,
               "deconv2d: x %s leaves nothing with pad %d", rj_shape_text(x, text[0]),
               d.pad);
    *out = rj_shape_picture(d.n, d.c, d.h, d.w);
    *saved = rj_storage(call->dev, x);
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_conv d = dims(call);
    const rj_picture y = rj_shape_dims(&call->out->shape);

    RJ_TRY(call->dev->k->conv2d_grad_x(call->dev, &d, call->in[0]->x, call->in[1]->x,
                                       false, call->out->x));
    return call->in[2] ? call->dev->k->bias(call->dev, &y, call->in[2]->x, call->out->x)
                       : RIJ_OK;
}

static rij_status backward(const rj_call *call)
{
    rj_tensor *x = call->in[0], *w = call->in[1], *bias = call->in[2];
    const rj_conv d = dims(call);
    const rj_picture y = rj_shape_dims(&call->out->shape);
    const rj_kernels *k = call->dev->k;

    if (x->g) {
        rj_real *dx = call->fresh & 1 ? x->g : call->saved;
        RJ_TRY(k->conv2d(call->dev, &d, call->out->g, w->x, NULL, dx));
        if (dx != x->g)
            RJ_TRY(
                k->axpy(call->dev, true, rj_storage(call->dev, &x->shape), 1, dx, x->g));
    }
    if (w->g)
        RJ_TRY(k->conv2d_grad_w(call->dev, &d, call->out->g, x->x, w->g, NULL));
    if (bias && bias->g)
        RJ_TRY(k->bias_grad(call->dev, &y, call->out->g, bias->g));
    return RIJ_OK;
}

const rj_op rj_op_deconv2d = {.name = "deconv2d",
                              .inputs = 3,
                              .optional = 1u << 2,
                              .writes = 1,
                              .passing = true,
                              .par_bytes = sizeof(rj_deconv2d_par),
                              .shape = shape,
                              .forward = forward,
                              .backward = backward};
