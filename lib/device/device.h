/* device.h: memory and kernels of a device. Knows no gradients and no tensors.
 *
 * A device is a table of kernels, memory calls, and what they run on (a thread pool for
 * ref and cpu). It belongs to one thread at a time; several devices may share a pool.
 * Pointers that kernels take are to the device's memory. One that has its own (`remote`)
 * may run behind its callers; rj_download() and rj_wait() wait for it.
 *
 * How a picture, logically (N,C,H,W), is stored belongs to the device: channels in
 * blocks of `block` (ref 1, cpu 16), each block (H,W,block), so storage is
 * [N][ceil(C/block)][H][W][block], or, where the table says so, with all channels of a
 * pixel together. With block 1 that is plain NCHW. Lanes past C hold
 * zeros, and every kernel keeps them so. What a number is belongs to the device too: see
 * enum rj_precision; pointers to pictures are rj_real * all the same, for memory is
 * counted in those. Everything else (parameters, rows of features, losses, images as the
 * host has them) is plain, row-major. Only `pack` and `unpack`, and what takes `planar`
 * pictures, know both. */
#ifndef RJ_DEVICE_H
#define RJ_DEVICE_H

#include "base/base.h"

typedef struct rj_device rj_device;

/* Dims of kernels. Legend: N batch, C channels in, K channels out, H W picture in,
 * P Q picture out, R S window, D embedding. */
typedef struct rj_picture {
    int n, c, h, w;
} rj_picture;

/* y (N,K,P,Q) = x (N,C,H,W) * w (K,C,R,S); P = (H + 2 pad - R) / stride + 1. */
typedef struct rj_conv {
    int n, c, h, w, k, r, s, stride, pad, p, q;
    bool planar; /* x is in host order, rj_real; it has no gradient */
} rj_conv;

/* How the cpu convolves: by its own judgement of the shape, or one way wherever that can
 * be done. ref knows one way only. */
enum rj_algorithm { RJ_AUTO, RJ_DIRECT, RJ_WINOGRAD };

typedef struct rj_pool2d { /* window r x r */
    int n, c, h, w, r, stride, pad, p, q;
    bool fresh; /* backward writes dx, and does not add to it */
} rj_pool2d;

typedef struct rj_bn {
    int n, c, h, w;
    bool train;               /* statistics of the batch; else the running ones */
    double eps;               /* added to the variance */
    double momentum;          /* running = (1 - momentum) running + momentum batch */
    bool add, relu;           /* a picture is added; then negative numbers become zero */
    bool fresh_dx, fresh_add; /* backward writes dx, d_add, and does not add to them */
} rj_bn;

enum rj_resize_mode { RJ_NEAREST, RJ_BILINEAR };
typedef struct rj_resize { /* half-pixel centres, edges clamped */
    int n, c, h, w, p, q;
    enum rj_resize_mode mode;
} rj_resize;

/* Fixed front-ends; see op/residual.c. */
enum rj_front {
    RJ_FRONT_RAW,
    RJ_FRONT_MEDIAN,
    RJ_FRONT_NPR,
    RJ_FRONT_HAAR,
    RJ_FRONT_LAPLACE,
    RJ_FRONT_OCTAVES
};
typedef struct rj_residual {
    int n, c, h, w, k, p, q; /* k channels of p x q out */
    enum rj_front kind;
    bool planar; /* x is in host order, rj_real; it has no gradient */
} rj_residual;

/* The one contrastive form (method 3.1); see op/contrast.c. Arrays have m entries and
 * lie in device memory as rj_real, so that one upload serves every device. */
enum rj_role { RJ_ROLE_IMAGE, RJ_ROLE_TRACE };
typedef struct rj_contrast {
    int m, d;              /* rows of z and their width */
    int df;                /* width of rows of f; 0: uniform targets (v1, SupCon) */
    double tau, tau_s;     /* temperatures of p and of q */
    double alpha, beta;    /* soft targets; < 0: uniform over all positives */
    const rj_real *label;  /* 0 real, 1 fake, 2.. others: never an anchor's positive */
    const rj_real *pair;   /* row of the other view, or -1 */
    const rj_real *role;   /* enum rj_role */
    const rj_real *weight; /* w_a >= 0, 0: no anchor; renormalised over anchors that
                              have a positive so that their sum stays */
    const rj_real *f;      /* (m, df) unit rows, fixed; a trace's row is the trace */
} rj_contrast;

typedef struct rj_step { /* one optimiser step over one parameter */
    double rate, momentum, beta1, beta2, eps, decay;
    int64_t t; /* 1, 2, ..: for AdamW's bias correction */
} rj_step;

/* What a device does whose memory is its own. After a failure of `open` there is nothing
 * to close. */
typedef struct rj_remote {
    rij_status (*open)(rj_device *dev, int index); /* may set dev->own */
    void (*close)(rj_device *dev);
    rij_status (*take)(rj_device *dev, size_t bytes, void **memory);
    void (*give)(rj_device *dev, void *memory);
    rij_status (*upload)(rj_device *dev, void *to, const void *host, size_t bytes);
    rij_status (*zero)(rj_device *dev, void *to, size_t bytes);
    rij_status (*download)(rj_device *dev, void *host, const void *from, size_t bytes);
    rij_status (*wait)(rj_device *dev); /* until all work is done */
    /* Into text, a line: its name, then, behind commas, what else there is to say. */
    void (*describe)(const rj_device *dev, char *text, size_t size);
} rj_remote;

typedef struct rj_kernels {
    const char *name;
    int block;               /* channels stored together */
    bool channels_last;      /* storage is [N][H][W][ceil(C/block)][block] */
    bool halves;             /* in RJ_BF16 a number of a picture is stored as two bytes */
    const rj_remote *remote; /* NULL: device memory is the host's */
#define RJ_KERNEL(name, cpu, args) rij_status(*name) args;
#include "device/kernels.def"
#undef RJ_KERNEL
} rj_kernels;

#define RJ_KERNEL(name, cpu, args)                                                       \
    rij_status rj_ref_##name args;                                                       \
    rij_status rj_cpu_##name args;
#include "device/kernels.def"
#undef RJ_KERNEL

extern const rj_kernels rj_ref_kernels, rj_cpu_kernels; /* op/tables.c */

/* What pictures hold, and what convolutions multiply; sums within a kernel are of
 * rj_real, and what is added to a picture that is stored already is rounded each time.
 * RJ_BF16: on the cpu numbers of a picture are bfloat16, which has 8 significant bits,
 * rounded to the nearest as they are stored, and so are both factors of a convolution;
 * parameters and rows stay rj_real. ref knows no bfloat16. RJ_TF32: where a device has
 * it, convolutions multiply numbers of 11 significant bits; elsewhere it is RJ_FP32. */
enum rj_precision { RJ_FP32, RJ_BF16, RJ_TF32 };
/* By name, "fp32", "bf16" or "tf32"; RIJ_E_ARGUMENT: there is none such. */
rij_status rj_precision_named(const char *name, enum rj_precision *precision);

/* The bfloat16 nearest to x, ties to even; infinity stays, and NaN stays one, a quiet
 * one.
 */
static inline float rj_bf16(float x)
{
    union {
        float x;
        uint32_t bits;
    } u = {x};

    if (x == x)
        u.bits += 0x7fffU + (u.bits >> 16 & 1U);
    else
        u.bits |= 0x400000U;
    u.bits &= 0xffff0000U;
    return u.x;
}

struct rj_device {
    const rj_kernels *k;
    enum rj_precision precision;   /* RJ_FP32 when opened; pictures made before it is
                                      changed are none after it */
    enum rj_algorithm algorithm;   /* RJ_AUTO when opened */
    rj_pool *pool;                 /* shared, borrowed */
    void *scratch[RJ_MAX_THREADS]; /* one per worker, grown by rj_device_scratch() */
    size_t scratch_bytes;          /* size of each */
    void *shared;                  /* one for all, grown by rj_device_shared() */
    size_t shared_bytes;
    const struct rj_isa *isa; /* the cpu's fast kernels: rj_cpu_isa() */
    void *own;                /* what a remote device keeps */
    rj_source memory;         /* of a remote device: see rj_numbers() */
};

/* A device by name on a pool, which must outlive it: "cpu", "ref", or "NAME:INDEX", a
 * plugin's. RIJ_E_DEVICE: there is none, and why, in a sentence. */
rij_status rj_device_open(const char *name, rj_pool *pool, rj_device **device);
void rj_device_close(rj_device *device);

/* Make sure each worker has at least `bytes` of scratch, 64-byte aligned, contents
 * undefined. A kernel calls it before it starts its pieces; after the first step
 * nothing is allocated. */
rij_status rj_device_scratch(rj_device *device, size_t bytes);
/* The same, one piece of memory for all workers of a kernel; the device's own memory if
 * it is remote. */
rij_status rj_device_shared(rj_device *device, size_t bytes);

/* The fastest table of kernels this processor has, or the one that RIJ_ISA names (plain,
 * avx2, avx512, avx512bf16) if it has that; cpu/isa.c. Never NULL. */
const struct rj_isa *rj_cpu_isa(void);
const char *rj_isa_name(const struct rj_isa *isa); /* as above; never freed */

/* What a picture takes in storage, counted in rj_real. */
size_t rj_picture_storage(const rj_device *d, const rj_picture *p);

/* n numbers of the device's memory from an arena, which the device must outlive; contents
 * undefined. NULL when memory ran out. */
rj_real *rj_numbers(rj_device *device, rj_arena *arena, size_t n);

/* Copies between host and device, of plain arrays or of storage as it is; and zeros. The
 * host's memory is the caller's again when they return. */
rij_status rj_upload(rj_device *device, rj_real *to, const rj_real *host, size_t n);
rij_status rj_zero(rj_device *device, rj_real *to, size_t n);
rij_status rj_download(rj_device *device, rj_real *host, const rj_real *from, size_t n);
rij_status rj_wait(rj_device *device); /* until all that was begun is done */

#endif
