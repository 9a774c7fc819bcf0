/* bench_cuda.h: what the parts of bench_cuda share. A case is one op in one direction on
 * one shape; it knows the device by its table only. */
#ifndef RJ_BENCH_CUDA_H
#define RJ_BENCH_CUDA_H

#include "bench.h"

/* What an input holds: numbers in (-1,1); in (1,3), as scales and variances are; unit
 * rows; and the constants of the contrastive loss. */
enum fill { UNIFORM, RAISED, UNIT_ROWS, LABEL, PAIR, ROLE, WEIGHT };

typedef struct gpu_case {
    char kernel[24], shape[48];
    const rj_op *op;
    union {
        rj_conv2d_par conv;
        rj_add_par add;
        rj_batchnorm_par norm;
        rj_maxpool2d_par pool;
        rj_contrast_par contrast;
    } par;
    rj_shape in[RJ_MAX_IN];
    enum fill fill[RJ_MAX_IN];
    int inputs, learns; /* input whose gradient is asked for, or -1: forward */
    double work;        /* operations */
    double cells, rest; /* numbers of pictures that move, and others, which are float32;
                           each array of the formula once each way */
    bool libraries;     /* cuBLAS or cuDNN have the like of it */
} gpu_case;

/* A case on a device. */
typedef struct gpu_bed {
    rj_tape tape;
    rj_tensor *in[RJ_MAX_IN], *out, *learns;
    rj_call call;
    bool back;
} gpu_bed;

/* Every case of a batch of pictures of this side, those of few operations only if asked;
 * returns how many. */
enum { GPU_CASES = 200 };
int gpu_cases(int side, int batch, bool few, gpu_case cases[GPU_CASES]);

void gpu_open(rj_device *dev, const gpu_case *c, gpu_bed *b);
void gpu_close(gpu_bed *b);
rij_status gpu_run(const gpu_bed *b); /* forward or backward, enqueued */
/* What it has made, as planar numbers in new memory. */
rj_real *gpu_result(gpu_bed *b, size_t *n);

/* bench_cuda_roof.c: what a card can do, dense, in operations and bytes a second; 0:
 * unknown, or it cannot. */
typedef struct gpu_roof {
    const char *name;
    double fp32, tf32, bf16, memory;
} gpu_roof;
/* By the name that the driver gives. All zero: there is no such card in the table. */
gpu_roof gpu_roof_of(const char *device);
/* The shortest time that work and bytes allow; 0: unknown. */
double gpu_roof_s(const gpu_roof *r, enum rj_precision precision, bool products,
                  double work, double bytes);

#endif
