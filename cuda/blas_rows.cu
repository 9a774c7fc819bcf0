/* blas_rows.cu: what a linear layer wants beside the product: its bias in every row,
 * which the product is then added to. A thread writes numbers a grid apart, with one
 * remainder each. Bound by memory. */
#include "cells.h"
#include "vendor.h"

enum { THREADS = 256 };
static const unsigned MOST_BLOCKS = 1024;

static __global__ void blas_fill(size_t n, int k, const float *bias, float *y)
{
    const size_t step = (size_t)gridDim.x * THREADS;

    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < n; i += step)
        y[i] = bias ? bias[i % (unsigned)k] : 0;
}

rij_status rj_blas_fill(rj_device *dev, int n, int k, const rj_real *bias, rj_real *y)
{
    const size_t all = (size_t)n * (size_t)k;
    const unsigned blocks = RJ_MIN(rj_blocks(all, THREADS), MOST_BLOCKS);

    return RJ_LAUNCH_ROWS(dev, blas_fill, dim3(blocks), dim3(THREADS), 0, all, k, bias,
                          y);
}
