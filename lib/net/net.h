/* net.h: what learns. Parameters by name, networks built from ops, optimisers. */
#ifndef RJ_NET_H
#define RJ_NET_H

#include "op/op.h"

/* ---- parameters: params.c
 * -------------------------------------------------------------- */

enum { RJ_NAME_MAX = 64 };
enum rj_param_kind {
    RJ_PARAM_WEIGHT, /* learned, decayed */
    RJ_PARAM_PLAIN,  /* learned, not decayed: biases, batch norm */
    RJ_PARAM_BUFFER, /* not learned: running statistics */
};
typedef struct rj_param {
    char name[RJ_NAME_MAX]; /* "encoder.layer2.0.conv1.weight", PyTorch's manner */
    enum rj_param_kind kind;
    rj_tensor t;    /* g NULL for buffers and in frozen sets */
    rj_real *m, *v; /* the optimiser's memory, or NULL until it is asked for */
} rj_param;

typedef struct rj_params {
    rj_device *dev;
    rj_arena arena; /* owns all values */
    rj_param *p;
    int n, room;
    bool frozen; /* no gradients are made */
} rj_params;

/* Add a parameter; the value is zero. Names must be unique. Pointers to parameters and
 * their tensors hold until the next one is added. */
rij_status rj_params_add(rj_params *s, const char *name, enum rj_param_kind kind,
                         rj_shape shape, int *index);
int rj_params_find(const rj_params *s, const char *name); /* -1: none */
size_t rj_params_count(const rj_params *s);               /* learned numbers */
rij_status rj_params_copy(rj_params *to,
                          const rj_params *from); /* equal lists; values only */
/* mean = kept mean + (1 - kept) now, of equal lists on one device. */
rij_status rj_params_average(rj_params *mean, const rj_params *now, double kept);
rij_status rj_params_clear_gradients(rj_params *s);
void rj_params_free(rj_params *s);

/* ---- start.c: initial values by name order, from (seed, RJ_STREAM_INIT, index)
 * ------------ */

rij_status rj_start_he(rj_params *s, int index, uint64_t seed,
                       int fan_in); /* He et al. 2015 */
rij_status rj_start_fill(rj_params *s, int index, double value);

/* ---- layers.c: parameters and the ops that use them, together
 * ------------------------------ */

typedef struct rj_conv_layer {
    int w, b, stride, pad;
} rj_conv_layer; /* b -1: no bias */
typedef struct rj_bn_layer {
    int gamma, beta, mean, var;
} rj_bn_layer;
typedef struct rj_linear_layer {
    int w, b;
} rj_linear_layer;
rij_status rj_conv_new(rj_params *s, uint64_t seed, const char *name, int c, int k, int r,
                       int stride, int pad, bool bias, rj_conv_layer *out);
rij_status rj_deconv_new(rj_params *s, uint64_t seed, const char *name, int c, int k,
                         int r, int stride, int pad, rj_conv_layer *out);
rij_status rj_bn_new(rj_params *s, const char *name, int c, rj_bn_layer *out);
rij_status rj_linear_new(rj_params *s, uint64_t seed, const char *name, int c, int k,
                         bool bias, rj_linear_layer *out);
rij_status rj_conv_run(rj_params *s, rj_tape *t, const rj_conv_layer *l, rj_tensor *x,
                       rj_tensor **y);
rij_status rj_deconv_run(rj_params *s, rj_tape *t, const rj_conv_layer *l, rj_tensor *x,
                         rj_tensor **y);
/* Batch norm of x, then + add, which may be NULL, then relu if asked. */
rij_status rj_bn_run(rj_params *s, rj_tape *t, const rj_bn_layer *l, bool train,
                     rj_tensor *x, rj_tensor *add, bool relu, rj_tensor **y);
/* Batch norm, relu, and max pooling of windows 3x3 at stride 2. */
rij_status rj_bn_pool_run(rj_params *s, rj_tape *t, const rj_bn_layer *l, bool train,
                          rj_tensor *x, rj_tensor **y);
rij_status rj_linear_run(rj_params *s, rj_tape *t, const rj_linear_layer *l, rj_tensor *x,
                         rj_tensor **y);
rij_status rj_relu_run(rj_tape *t, rj_tensor *x, rj_tensor **y);

/* ---- the network: encoder.c, heads.c
 * -------------------------------------------------------- */

#define RJ_BN_EPS 1e-5 /* as PyTorch has it */

enum { RJ_ENCODER_BLOCKS = 16 };
/* y = relu(F(x) + shortcut(x)), F two convolutions (basic) or three (bottleneck), each
 * with batch norm; the shortcut is x, or a projection where the shape changes. */
typedef struct rj_res_block {
    rj_conv_layer conv[3], down;
    rj_bn_layer bn[3], down_bn;
    int convs;
    bool projected;
} rj_res_block;

typedef struct rj_net_config {
    char encoder[16]; /* "statistics", "patch", "small", "resnet18", "resnet50" */
    char front[16];   /* "raw", "median", "npr", "haar", "octaves" */
    int embedding;    /* d */
} rj_net_config;

/* The encoder's layers; its parameters are those of the set it was made in. */
typedef struct rj_encoder {
    enum rj_front front;
    rj_conv_layer stem;
    rj_bn_layer stem_bn;
    bool pooled; /* max pooling 3x3, stride 2, behind the stem */
    rj_res_block block[RJ_ENCODER_BLOCKS];
    int blocks, features; /* m */
    bool weighs;          /* it is of statistics, and has these two layers only */
    rj_linear_layer weigh[2];
} rj_encoder;
/* RIJ_E_ARGUMENT: no such encoder or front-end, or d is not in 8..1024. */
rij_status rj_net_config_check(const rj_net_config *config);
rij_status rj_encoder_new(rj_params *s, uint64_t seed, const rj_net_config *config,
                          rj_encoder *out);
/* images (N,3,S,S), plain or a picture -> h (N,m) */
rij_status rj_encoder_run(rj_params *s, rj_tape *t, const rj_encoder *e,
                          rj_tensor *images, bool train, rj_tensor **h);

/* h from the statistics (N,48) that an encoder which weighs them takes of images. */
rij_status rj_encoder_weigh(rj_params *s, rj_tape *t, const rj_encoder *e,
                            rj_tensor *statistics, rj_tensor **h);

/* Encoder E with its front-end, heads g_hom and g_het (stage 1) or g (stage 2, in g_hom's
 * place), classifier w, c. */
typedef struct rj_net rj_net;
/* RIJ_E_ARGUMENT: no such encoder or front-end. `learn`: false makes a frozen net, whose
 * weights stay zero until rj_params_copy() or a model file fills them. */
rij_status rj_net_new(rj_device *dev, const rj_net_config *config, uint64_t seed,
                      bool learn, rj_net **out);
void rj_net_free(rj_net *net);
rj_params *rj_net_params(rj_net *net);
const rj_net_config *rj_net_config_of(const rj_net *net);
const rj_encoder *rj_net_encoder(const rj_net *net);
int rj_net_features(const rj_net *net); /* m, width of h */
int rj_net_seen(const rj_net *net); /* width of what distances are measured on, below */
/* images (N,3,S,S), plain or a picture -> h (N,m); train: batch norm by the batch. */
rij_status rj_net_encode(rj_net *net, rj_tape *tape, rj_tensor *images, bool train,
                         rj_tensor **h);
/* ready.c: E of these parameters as they are now, for pictures of one size, in the
 * device's precision; laid out for batches of about `batch`, good for any. Constant:
 * threads may share it, each with its own tape and device of that precision. */
typedef struct rj_ready rj_ready;
rij_status rj_ready_new(rj_device *dev, rj_params *s, const rj_encoder *e, int side,
                        int batch, rj_ready **ready);
void rj_ready_free(rj_ready *ready);
/* Whether it takes pictures of any side its op takes: an encoder of statistics does. */
bool rj_ready_any_side(const rj_ready *ready);
/* As rj_net_encode() without `train`, up to rounding, of n planar pictures
 * (n,3,side,side); nothing is recorded on the tape. RIJ_E_SHAPE: another side;
 * RIJ_E_ARGUMENT: another device, instruction set or precision. */
rij_status rj_ready_encode(const rj_ready *ready, rj_tape *tape, int n, int side,
                           const float *planar, rj_tensor **h);
/* The same, and what distances are measured on: the statistics that the encoder weighs,
 * else h. */
rij_status rj_ready_look(const rj_ready *ready, rj_tape *tape, int n, int side,
                         const float *planar, rj_tensor **seen, rj_tensor **h);
/* The net's encoder made ready: rj_ready_new() of its parameters. */
rij_status rj_net_prepare(rj_net *net, rj_device *dev, int side, int batch,
                          rj_ready **ready);
enum rj_head { RJ_HEAD_HOM, RJ_HEAD_HET };
/* h -> unit rows (N,d); u, if not NULL, gets the rows before normalisation. */
rij_status rj_net_project(rj_net *net, rj_tape *tape, enum rj_head head, rj_tensor *h,
                          rj_tensor **u, rj_tensor **z);
rij_status rj_net_logit(rj_net *net, rj_tape *tape, rj_tensor *h,
                        rj_tensor **logit); /* (N,1) */

/* ---- optim.c, schedule.c
 * -------------------------------------------------------------------- */

typedef struct rj_optimiser {
    bool adamw; /* else SGD with momentum */
    double momentum, beta1, beta2, eps, decay;
} rj_optimiser;
rij_status rj_optimiser_step(const rj_optimiser *o, rj_params *s, double rate,
                             int64_t t); /* t from 1, which forgets an earlier run */
/* Its memory, zero, as step 1 takes it: for a training that goes on at a later one. */
rij_status rj_optimiser_begin(const rj_optimiser *o, rj_params *s);
/* Linear warm-up over `warmup` of the steps, then half a cosine to zero; step from 0. */
double rj_schedule(double rate, double warmup, int64_t step, int64_t steps);

#endif
