/* op.h: every op of the library (ops.def) and the parameters of those that have any.
 * An op's own file says what it computes. */
#ifndef RJ_OP_H
#define RJ_OP_H

#include "tensor/tensor.h"

#define RJ_OP(name) extern const rj_op rj_op_##name;
#include "op/ops.def"
#undef RJ_OP

typedef struct rj_add_par {
    double a, b;
} rj_add_par; /* y = a x + b u */
typedef struct rj_conv2d_par {
    int stride, pad;
} rj_conv2d_par; /* x, w (K,C,R,S), bias? */
typedef struct rj_deconv2d_par {
    int stride, pad;
} rj_deconv2d_par; /* x, w (C,K,R,S), bias? */
typedef struct rj_batchnorm_par {
    bool train;
    double eps, momentum;
    bool relu;
} rj_batchnorm_par; /* x, gamma, beta, run_mean, run_var, add? */
typedef struct rj_maxpool2d_par {
    int r, stride, pad;
} rj_maxpool2d_par;
typedef struct rj_bn_maxpool2d_par {
    bool train;
    double eps, momentum;
    int r, stride, pad;
} rj_bn_maxpool2d_par; /* x, gamma, beta, run_mean, run_var */
typedef struct rj_resize2d_par {
    int p, q;
    enum rj_resize_mode mode;
} rj_resize2d_par;
typedef struct rj_rows_par {
    int first, n;
} rj_rows_par;
typedef struct rj_shuffle2d_par {
    int r;
} rj_shuffle2d_par;
typedef struct rj_residual_par {
    enum rj_front kind;
} rj_residual_par;
typedef struct rj_contrast_par {    /* z (M,D); inputs after it are constants */
    double tau, tau_s, alpha, beta; /* as in struct rj_contrast */
} rj_contrast_par; /* z, label (M), pair (M), role (M), weight (M), f (M,df)? */
typedef struct rj_absdiff_par {
    double eps;
} rj_absdiff_par;

/* Shared by the ops with max pooling: whether windows of `name` fit x, and their dims. */
rij_status rj_pool2d_check(const char *name, const rj_shape *x, int r, int stride,
                           int pad);
rj_pool2d rj_pool2d_of(const rj_shape *x, int r, int stride, int pad);
/* By the ops with batch norm: whether in[1..4] of a call hold a number per channel. */
rij_status rj_bn_check(const rj_call *call);
/* Of the reference, shared by the ops with batch norm: statistics of channel c. */
void rj_ref_bn_channel(const rj_bn *d, const rj_real *x, int c, rj_real *run_mean,
                       rj_real *run_var, rj_real *mean, rj_real *inv);

#endif
