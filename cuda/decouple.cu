/* decouple: what two sets of rows have in common, and the gradient; lib/op/decouple.c has
 * the formulas.
 *
 * All three products, x^T u, u C^T and x C, are made in tiles of 32 x 32 by 16 x 16
 * threads with 2 x 2 results each, through shared memory in slices of 32; any B and D.
 * Rows are read along D, and a tile that is needed the other way round is turned in
 * shared memory, whose rows are 33 long against bank conflicts. The work is small (B D^2,
 * about as much as one linear layer), so the tiles are too: D = 128 gives 16 blocks. */
#include "cells.h"

enum { TILE = 32, SIDE = 16, DECOUPLE_THREADS = SIDE * SIDE };

/* 32 x 32 numbers of a matrix (rows,columns) from (i0,j0) on, zeros outside. */
RJ_DEVICE void load_tile(const float *x, int rows, int columns, int i0, int j0,
                         float (*tile)[TILE + 1])
{
    const int j = (int)threadIdx.x % TILE;

    for (int i = (int)threadIdx.x / TILE; i < TILE; i += DECOUPLE_THREADS / TILE)
        tile[i][j] = i0 + i < rows && j0 + j < columns
                         ? x[(size_t)(i0 + i) * columns + j0 + j]
                         : 0;
}

/* c = x^T u, and the sum of its squares, tile by tile. */
static __global__ void __launch_bounds__(DECOUPLE_THREADS)
    decouple_cross(int b, int d, const float *x, const float *u, float *c, float *sums)
{
    RJ_SHARED(float, xs, [TILE][TILE + 1]);
    RJ_SHARED(float, us, [TILE][TILE + 1]);
    RJ_SHARED(float, warps, [32]);
    const int tx = (int)threadIdx.x % SIDE, ty = (int)threadIdx.x / SIDE;
    const int j0 = (int)blockIdx.y * TILE, k0 = (int)blockIdx.x * TILE;
    float cross[2][2] = {}, sum = 0;

    for (int i0 = 0; i0 < b; i0 += TILE) {
        __syncthreads();
        load_tile(x, b, d, i0, j0, xs);
        load_tile(u, b, d, i0, k0, us);
        __syncthreads();
#pragma unroll 8
        for (int i = 0; i < TILE; i++) {
            const float v[2] = {xs[i][ty], xs[i][ty + SIDE]};
            const float w[2] = {us[i][tx], us[i][tx + SIDE]};
#pragma unroll
            for (int q = 0; q < 4; q++)
                cross[q / 2][q % 2] = fmaf(v[q / 2], w[q % 2], cross[q / 2][q % 2]);
        }
    }
#pragma unroll
    for (int q = 0; q < 4; q++) {
        const int j = j0 + ty + q / 2 * SIDE, k = k0 + tx + q % 2 * SIDE;
        const float v = cross[q / 2][q % 2];
        if (j < d && k < d)
            c[(size_t)j * d + k] = v;
        sum = fmaf(v, v, sum); // zeros outside
    }
    sum = rj_block_sum(sum, warps);
    if (threadIdx.x == 0)
        sums[blockIdx.y * gridDim.x + blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(DECOUPLE_THREADS)
    decouple_total(int n, const float *sums, float scale, float *loss)
{
    RJ_SHARED(float, warps, [32]);
    float sum = 0;

    for (int i = (int)threadIdx.x; i < n; i += DECOUPLE_THREADS)
        sum += sums[i];
    sum = rj_block_sum(sum, warps);
    if (threadIdx.x == 0)
        loss[0] = sum * scale;
}

/* to (b,d) += dl scale x c, or x c^T if TURNED. */
template <bool TURNED>
static __global__ void __launch_bounds__(DECOUPLE_THREADS)
    decouple_pull(int b, int d, const float *x, const float *c, const float *dl,
                  float scale, float *to)
{
    RJ_SHARED(float, xs, [TILE][TILE + 1]);
    RJ_SHARED(float, cs, [TILE][TILE + 1]);
    const int tx = (int)threadIdx.x % SIDE, ty = (int)threadIdx.x / SIDE;
    const int i0 = (int)blockIdx.y * TILE, j0 = (int)blockIdx.x * TILE;
    const float factor = dl[0] * scale;
    float sum[2][2] = {};

    for (int k0 = 0; k0 < d; k0 += TILE) {
        __syncthreads();
        load_tile(x, b, d, i0, k0, xs);
        load_tile(c, d, d, TURNED ? j0 : k0, TURNED ? k0 : j0, cs);
        __syncthreads();
#pragma unroll 8
        for (int k = 0; k < TILE; k++) {
            const float v[2] = {xs[ty][k], xs[ty + SIDE][k]};
            const float w[2] = {TURNED ? cs[tx][k] : cs[k][tx],
                                TURNED ? cs[tx + SIDE][k] : cs[k][tx + SIDE]};
#pragma unroll
            for (int q = 0; q < 4; q++)
                sum[q / 2][q % 2] = fmaf(v[q / 2], w[q % 2], sum[q / 2][q % 2]);
        }
    }
#pragma unroll
    for (int q = 0; q < 4; q++) {
        const int i = i0 + ty + q / 2 * SIDE, j = j0 + tx + q % 2 * SIDE;
        if (i < b && j < d)
            to[(size_t)i * d + j] += factor * sum[q / 2][q % 2];
    }
}

extern "C" rij_status rj_cuda_decouple(rj_device *dev, int b, int d, const rj_real *x,
                                       const rj_real *u, rj_real *loss, rj_real *c)
{
    const unsigned tiles = rj_blocks((size_t)d, TILE);
    void *memory;

    RJ_TRY(rj_workspace(dev, (size_t)tiles * tiles * sizeof(float), &memory));
    float *const sums = static_cast<float *>(memory);
    RJ_TRY(RJ_LAUNCH_ROWS(dev, decouple_cross, dim3(tiles, tiles), DECOUPLE_THREADS, 0, b,
                          d, x, u, c, sums));
    return RJ_LAUNCH_ROWS(dev, decouple_total, 1, DECOUPLE_THREADS, 0,
                          (int)(tiles * tiles), sums, (float)(1 / ((double)b * b)), loss);
}

/* One after the other: x and u may be one tensor, and dx and du one gradient. */
extern "C" rij_status rj_cuda_decouple_grad(rj_device *dev, int b, int d,
                                            const rj_real *x, const rj_real *u,
                                            const rj_real *c, const rj_real *dl,
                                            rj_real *dx, rj_real *du)
{
    const dim3 grid(rj_blocks((size_t)d, TILE), rj_blocks((size_t)b, TILE));
    const float scale = (float)(2 / ((double)b * b));

    if (dx)
        RJ_TRY(RJ_LAUNCH_ROWS(dev, decouple_pull<true>, grid, DECOUPLE_THREADS, 0, b, d,
                              u, c, dl, scale, dx));
    if (!du)
        return RIJ_OK;
    return RJ_LAUNCH_ROWS(dev, decouple_pull<false>, grid, DECOUPLE_THREADS, 0, b, d, x,
                          c, dl, scale, du);
}
