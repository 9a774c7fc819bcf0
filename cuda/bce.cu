/* bce: binary cross entropy of n logits, and the gradient; lib/op/bce.c has the formulas.
 *
 * A block sums up to EACH logits, in strides of its threads and then over warps; one
 * block is enough for a batch. More blocks leave their sums for one to add in order. */
#include "cells.h"

enum { BCE_THREADS = 256, EACH = 4096 };

/* sums[block] = scale times the losses of its logits. */
static __global__ void __launch_bounds__(BCE_THREADS)
    bce(int n, const float *logit, const float *label, float scale, float *sums)
{
    RJ_SHARED(float, warps, [32]);
    const int first = (int)blockIdx.x * EACH, last = min(n - first, (int)EACH) + first;
    float sum = 0;

    for (int i = first + (int)threadIdx.x; i < last; i += BCE_THREADS) {
        const float s = logit[i];
        sum += fmaxf(s, 0) - label[i] * s + log1pf(expf(-fabsf(s)));
    }
    sum = rj_block_sum(sum, warps);
    if (threadIdx.x == 0)
        sums[blockIdx.x] = sum * scale;
}

static __global__ void __launch_bounds__(BCE_THREADS)
    bce_total(int blocks, const float *sums, float scale, float *loss)
{
    RJ_SHARED(float, warps, [32]);
    float sum = 0;

    for (int i = (int)threadIdx.x; i < blocks; i += BCE_THREADS)
        sum += sums[i];
    sum = rj_block_sum(sum, warps);
    if (threadIdx.x == 0)
        loss[0] = sum * scale;
}

/* p - y from the smaller of p and 1 - p, so that it keeps its digits. */
static __global__ void __launch_bounds__(BCE_THREADS)
    bce_grad(int n, const float *logit, const float *label, const float *dl, float per_n,
             float *dlogit)
{
    const int i = (int)(blockIdx.x * BCE_THREADS + threadIdx.x);

    if (i >= n)
        return;
    const float s = logit[i], y = label[i], least = __fdividef(1, 1 + expf(fabsf(s)));

    dlogit[i] += dl[0] * per_n * (s > 0 ? 1 - y - least : least - y);
}

extern "C" rij_status rj_cuda_bce(rj_device *dev, int n, const rj_real *logit,
                                  const rj_real *label, rj_real *loss)
{
    const unsigned blocks = rj_blocks((size_t)n, EACH);
    const float per_n = (float)(1.0 / n);
    void *sums;

    if (blocks == 1)
        return RJ_LAUNCH_ROWS(dev, bce, 1, BCE_THREADS, 0, n, logit, label, per_n, loss);
    RJ_TRY(rj_workspace(dev, blocks * sizeof(float), &sums));
    RJ_TRY(RJ_LAUNCH_ROWS(dev, bce, blocks, BCE_THREADS, 0, n, logit, label, 1.0f,
                          static_cast<float *>(sums)));
    return RJ_LAUNCH_ROWS(dev, bce_total, 1, BCE_THREADS, 0, (int)blocks,
                          static_cast<const float *>(sums), per_n, loss);
}

extern "C" rij_status rj_cuda_bce_grad(rj_device *dev, int n, const rj_real *logit,
                                       const rj_real *label, const rj_real *dl,
                                       rj_real *dlogit)
{
    return RJ_LAUNCH_ROWS(dev, bce_grad, rj_blocks((size_t)n, BCE_THREADS), BCE_THREADS,
                          0, n, logit, label, dl, (float)(1.0 / n), dlogit);
}
