/* layers.c: a layer is the indices of its parameters and the op that uses them. Names
 * are PyTorch's: NAME.weight, NAME.bias, NAME.running_mean, NAME.running_var.
 *
 * A maker that fails may leave some of its parameters in the set, which is then only
 * good for rj_params_free(). In a frozen set weights stay zero: they are about to be
 * copied or read, and a large network would draw millions of numbers for nothing. */
#include "net/net.h"
#include <stdio.h>

/* Batch norm: PyTorch's constants. */
static const double bn_momentum = 0.1;

static rij_status part(rj_params *s, const char *name, const char *suffix,
                       enum rj_param_kind kind, rj_shape shape, int *index)
{
    char whole[RJ_NAME_MAX];
    const int n = snprintf(whole, sizeof whole, "%s.%s", name, suffix);

    RJ_REQUIRE(n > 0 && n < RJ_NAME_MAX, RIJ_E_ARGUMENT,
               "parameter name '%.80s.%s' has more than %d bytes", name, suffix,
               RJ_NAME_MAX - 1);
    return rj_params_add(s, whole, kind, shape, index);
}

static rij_status weight(rj_params *s, uint64_t seed, const char *name, rj_shape shape,
                         int fan_in, int *index)
{
    RJ_TRY(part(s, name, "weight", RJ_PARAM_WEIGHT, shape, index));
    return s->frozen ? RIJ_OK : rj_start_he(s, *index, seed, fan_in);
}

static rij_status filled(rj_params *s, const char *name, const char *suffix,
                         enum rj_param_kind kind, int n, double value, int *index)
{
    RJ_TRY(part(s, name, suffix, kind, rj_shape_plain(1, n, 1, 1, 1), index));
    return rj_start_fill(s, *index, value);
}

/* w (K,C,R,R); fan in C R^2. */
rij_status rj_conv_new(rj_params *s, uint64_t seed, const char *name, int c, int k, int r,
                       int stride, int pad, bool bias, rj_conv_layer *out)
{
    rj_conv_layer l = {.b = -1, .stride = stride, .pad = pad};

    RJ_TRY(weight(s, seed, name, rj_shape_plain(4, k, c, r, r), c * r * r, &l.w));
    if (bias)
        RJ_TRY(filled(s, name, "bias", RJ_PARAM_PLAIN, k, 0, &l.b));
    *out = l;
    return RIJ_OK;
}

/* w (C,K,R,R), with a bias. An output pixel is reached by R^2 / stride^2 taps of each
 * channel on average: that is its fan in. */
rij_status rj_deconv_new(rj_params *s, uint64_t seed, const char *name, int c, int k,
                         int r, int stride, int pad, rj_conv_layer *out)
{
    rj_conv_layer l = {.stride = stride, .pad = pad};
    const int fan_in = RJ_MAX(1, c * r * r / (stride * stride));

    RJ_TRY(weight(s, seed, name, rj_shape_plain(4, c, k, r, r), fan_in, &l.w));
    RJ_TRY(filled(s, name, "bias", RJ_PARAM_PLAIN, k, 0, &l.b));
    *out = l;
    return RIJ_OK;
}

rij_status rj_bn_new(rj_params *s, const char *name, int c, rj_bn_layer *out)
{
    rj_bn_layer l;

    RJ_TRY(filled(s, name, "weight", RJ_PARAM_PLAIN, c, 1, &l.gamma));
    RJ_TRY(filled(s, name, "bias", RJ_PARAM_PLAIN, c, 0, &l.beta));
    RJ_TRY(filled(s, name, "running_mean", RJ_PARAM_BUFFER, c, 0, &l.mean));
    RJ_TRY(filled(s, name, "running_var", RJ_PARAM_BUFFER, c, 1, &l.var));
    *out = l;
    return RIJ_OK;
}

/* w (K,C); fan in C. */
rij_status rj_linear_new(rj_params *s, uint64_t seed, const char *name, int c, int k,
                         bool bias, rj_linear_layer *out)
{
    rj_linear_layer l = {.b = -1};

    RJ_TRY(weight(s, seed, name, rj_shape_plain(2, k, c, 1, 1), c, &l.w));
    if (bias)
        RJ_TRY(filled(s, name, "bias", RJ_PARAM_PLAIN, k, 0, &l.b));
    *out = l;
    return RIJ_OK;
}

static rj_tensor *at(rj_params *s, int index)
{
    return index < 0 ? NULL : &s->p[index].t;
}

rij_status rj_conv_run(rj_params *s, rj_tape *t, const rj_conv_layer *l, rj_tensor *x,
                       rj_tensor **y)
{
    const rj_conv2d_par par = {l->stride, l->pad};
    rj_tensor *const in[RJ_MAX_IN] = {x, at(s, l->w), at(s, l->b)};

    return rj_apply(t, &rj_op_conv2d, &par, in, y);
}

rij_status rj_deconv_run(rj_params *s, rj_tape *t, const rj_conv_layer *l, rj_tensor *x,
                         rj_tensor **y)
{
    const rj_deconv2d_par par = {l->stride, l->pad};
    rj_tensor *const in[RJ_MAX_IN] = {x, at(s, l->w), at(s, l->b)};

    return rj_apply(t, &rj_op_deconv2d, &par, in, y);
}

rij_status rj_bn_run(rj_params *s, rj_tape *t, const rj_bn_layer *l, bool train,
                     rj_tensor *x, rj_tensor *add, bool relu, rj_tensor **y)
{
    const rj_batchnorm_par par = {train, RJ_BN_EPS, bn_momentum, relu};
    rj_tensor *const in[RJ_MAX_IN] = {
        x, at(s, l->gamma), at(s, l->beta), at(s, l->mean), at(s, l->var), add};

    return rj_apply(t, &rj_op_batchnorm, &par, in, y);
}

rij_status rj_bn_pool_run(rj_params *s, rj_tape *t, const rj_bn_layer *l, bool train,
                          rj_tensor *x, rj_tensor **y)
{
    const rj_bn_maxpool2d_par par = {train, RJ_BN_EPS, bn_momentum, 3, 2, 1};
    rj_tensor *const in[RJ_MAX_IN] = {x, at(s, l->gamma), at(s, l->beta), at(s, l->mean),
                                      at(s, l->var)};

    return rj_apply(t, &rj_op_bn_maxpool2d, &par, in, y);
}

rij_status rj_linear_run(rj_params *s, rj_tape *t, const rj_linear_layer *l, rj_tensor *x,
                         rj_tensor **y)
{
    rj_tensor *const in[RJ_MAX_IN] = {x, at(s, l->w), at(s, l->b)};

    return rj_apply(t, &rj_op_linear, NULL, in, y);
}

rij_status rj_relu_run(rj_tape *t, rj_tensor *x, rj_tensor **y)
{
    rj_tensor *const in[RJ_MAX_IN] = {x};

    return rj_apply(t, &rj_op_relu, NULL, in, y);
}
