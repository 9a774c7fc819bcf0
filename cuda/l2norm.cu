/* l2norm: each row to unit length, and the gradient; lib/op/l2norm.c has the formulas.
 *
 * A warp per row; lanes take every 32nd number, or every 32nd four of them where rows
 * begin at multiples of 16 bytes. A row is read twice, the second time from the cache:
 * bound by memory. */
#include "cells.h"

enum { L2_ROWS = 8 };

static bool in_fours(int d, const void *a, const void *b, const void *c)
{
    return d % 4 == 0 && ((uintptr_t)a | (uintptr_t)b | (uintptr_t)c) % 16 == 0;
}

RJ_DEVICE float dot4(float4 a, float4 b)
{
    return a.x * b.x + a.y * b.y + (a.z * b.z + a.w * b.w);
}

RJ_DEVICE float4 scaled4(float4 a, float s)
{
    return make_float4(a.x * s, a.y * s, a.z * s, a.w * s);
}

/* a + s (u - v t), the gradient of four numbers. */
RJ_DEVICE float4 across4(float4 a, float s, float4 u, float4 v, float t)
{
    return make_float4(a.x + s * (u.x - v.x * t), a.y + s * (u.y - v.y * t),
                       a.z + s * (u.z - v.z * t), a.w + s * (u.w - v.w * t));
}

template <bool FOURS>
static __global__ void __launch_bounds__(32 * L2_ROWS)
    l2norm(int n, int d, const float *x, float *y, float *inv)
{
    const int i = (int)(blockIdx.x * L2_ROWS + threadIdx.y);
    const int first = (int)threadIdx.x * (FOURS ? 4 : 1), step = FOURS ? 128 : 32;
    float sum = 0;

    if (i >= n)
        return;
    x += (size_t)i * d;
    y += (size_t)i * d;
    for (int j = first; j < d; j += step)
        sum += FOURS ? dot4(rj_load4(x + j), rj_load4(x + j)) : x[j] * x[j];
    const float by = 1 / sqrtf(rj_warp_sum(sum) + 1e-12f);

    for (int j = first; j < d; j += step)
        if (FOURS)
            rj_store4(y + j, scaled4(rj_load4(x + j), by));
        else
            y[j] = x[j] * by;
    if (threadIdx.x == 0)
        inv[i] = by;
}

template <bool FOURS>
static __global__ void __launch_bounds__(32 * L2_ROWS)
    l2norm_grad(int n, int d, const float *y, const float *inv, const float *dy,
                float *dx)
{
    const int i = (int)(blockIdx.x * L2_ROWS + threadIdx.y);
    const int first = (int)threadIdx.x * (FOURS ? 4 : 1), step = FOURS ? 128 : 32;
    float along = 0;

    if (i >= n)
        return;
    y += (size_t)i * d;
    dy += (size_t)i * d;
    dx += (size_t)i * d;
    for (int j = first; j < d; j += step)
        along += FOURS ? dot4(rj_load4(y + j), rj_load4(dy + j)) : y[j] * dy[j];
    along = rj_warp_sum(along);

    const float by = inv[i];
    for (int j = first; j < d; j += step)
        if (FOURS)
            rj_store4(dx + j, across4(rj_load4(dx + j), by, rj_load4(dy + j),
                                      rj_load4(y + j), along));
        else
            dx[j] += by * (dy[j] - y[j] * along);
}

extern "C" rij_status rj_cuda_l2norm(rj_device *dev, int n, int d, const rj_real *x,
                                     rj_real *y, rj_real *inv)
{
    const unsigned blocks = rj_blocks((size_t)n, L2_ROWS);
    const dim3 block(32, L2_ROWS);

    if (in_fours(d, x, y, x))
        return RJ_LAUNCH_ROWS(dev, l2norm<true>, blocks, block, 0, n, d, x, y, inv);
    return RJ_LAUNCH_ROWS(dev, l2norm<false>, blocks, block, 0, n, d, x, y, inv);
}

extern "C" rij_status rj_cuda_l2norm_grad(rj_device *dev, int n, int d, const rj_real *y,
                                          const rj_real *inv, const rj_real *dy,
                                          rj_real *dx)
{
    const unsigned blocks = rj_blocks((size_t)n, L2_ROWS);
    const dim3 block(32, L2_ROWS);

    if (in_fours(d, y, dy, dx))
        return RJ_LAUNCH_ROWS(dev, l2norm_grad<true>, blocks, block, 0, n, d, y, inv, dy,
                              dx);
    return RJ_LAUNCH_ROWS(dev, l2norm_grad<false>, blocks, block, 0, n, d, y, inv, dy,
                          dx);
}
