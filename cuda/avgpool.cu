/* avgpool.cu: the mean of each channel of each picture, and its gradient; op/avgpool.c
 * has the formulas. A block adds a picture's pixels of up to 256 channels, or a slice of
 * them where pictures are few and large; slices are added by a second kernel, in order.
 * The gradient adds a picture's row to each of its pixels. Bound by bandwidth. */
#include "columns.h"

enum {
    STRIP = 4,
    FEW = 1024,  /* pixels that are one slice */
    BLOCKS = 512 /* that fill a GPU */
};

/* A picture's pixels in slices; grids are `n` times as long. */
static struct rj_columns columns_of(const rj_picture *d)
{
    const size_t plane = (size_t)d->h * (size_t)d->w;
    const size_t slices = plane <= FEW ? 1 : (BLOCKS + (size_t)d->n - 1) / (size_t)d->n;
    const size_t beside = (size_t)(rj_channels(d->c) / RJ_BLOCK + 31) / 32;

    return rj_columns_of(d->c, plane, STRIP, slices * beside);
}

/* This block's picture, and its slice there. */
RJ_DEVICE unsigned picture_of(const struct rj_columns &j, unsigned *slice)
{
    const unsigned n = blockIdx.x / j.slices;

    *slice = blockIdx.x - n * j.slices;
    return n;
}

template <class T, int U>
RJ_DEVICE void add_strip(const float *x, rj_walk &k, float sum[RJ_BLOCK])
{
    float v[U][RJ_BLOCK];

#pragma unroll
    for (int u = 0; u < U; u++)
        rj_get_eight<T>(x, k.at + u * k.step, k.gap, v[u]);
#pragma unroll
    for (int c = 0; c < RJ_BLOCK; c++) {
        float a = v[0][c];
#pragma unroll
        for (int u = 1; u < U; u++)
            a += v[u][c];
        sum[c] += a;
    }
    rj_walk_on(k, U);
}

/* Sums of slices, [n][slice][8 groups]; or with one slice the means, (N,C). */
template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS)
    avgpool_sums(struct rj_columns j, const float *x, float *part, float *y)
{
    RJ_SHARED(float, slots, [RJ_BLOCK * RJ_COLUMN_THREADS]);
    const rj_eight own = rj_column_own<T>(j);
    unsigned slice;
    const unsigned n = picture_of(j, &slice);
    const size_t lanes = rj_column_lanes(j);
    rj_walk k = rj_column_walk<T>(j, slice);
    float sum[RJ_BLOCK] = {0};

    k.at += (size_t)n * j.pixels * lanes;
    while (rj_walk_has(k, STRIP))
        add_strip<T, STRIP>(x, k, sum);
    while (rj_walk_has(k, 1))
        add_strip<T, 1>(x, k, sum);
    rj_column_sums<RJ_BLOCK>(sum, slots);
    if (threadIdx.y || !own.any)
        return;
    if (part) {
        rj_put_eight<float>(part, blockIdx.x * lanes + (size_t)(own.base + own.first),
                            own.gap, sum);
        return;
    }
#pragma unroll
    for (int i = 0; i < RJ_BLOCK; i++) {
        const int c = rj_eight_channel(own, i);
        if (c < j.c)
            y[(size_t)n * (size_t)j.c + (size_t)c] = sum[i] / (float)j.pixels;
    }
}

/* A thread adds the slices of a channel of a picture. */
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS)
    avgpool_settle(struct rj_columns j, const float *part, float *y)
{
    const int c = (int)(blockIdx.y * blockDim.x + threadIdx.x);
    const size_t lanes = rj_column_lanes(j);
    double sum = 0;

    if (c >= j.c)
        return;
    part += (size_t)blockIdx.x * j.slices * lanes + (size_t)c;
#pragma unroll 8
    for (unsigned i = 0; i < j.slices; i++)
        sum += (double)part[i * lanes];
    y[(size_t)blockIdx.x * (size_t)j.c + (size_t)c] = (float)(sum / (double)j.pixels);
}

extern "C" rij_status rj_cuda_avgpool(rj_device *dev, const rj_picture *d,
                                      const rj_real *x, rj_real *y)
{
    const struct rj_columns j = columns_of(d);
    const dim3 grid = rj_columns_grid(&j, (unsigned)d->n), block = rj_columns_block(&j);
    const dim3 rows((unsigned)d->n, rj_blocks((size_t)d->c, RJ_COLUMN_LANES));
    void *part = NULL;

    if (j.slices > 1)
        RJ_TRY(rj_workspace(
            dev, (size_t)d->n * j.slices * (size_t)j.groups * RJ_BLOCK * sizeof(float),
            &part));
    RJ_TRY(RJ_LAUNCH_CELLS(dev, avgpool_sums, grid, block, 0, j, x, (float *)part, y));
    if (!part)
        return RIJ_OK;
    return RJ_LAUNCH_ROWS(dev, avgpool_settle, rows, dim3(RJ_COLUMN_LANES), 0, j,
                          (const float *)part, y);
}

template <class T, int U>
RJ_DEVICE void spread_strip(float *dx, rj_walk &k, const float each[RJ_BLOCK])
{
    float v[U][RJ_BLOCK];

#pragma unroll
    for (int u = 0; u < U; u++)
        rj_get_eight<T>(dx, k.at + u * k.step, k.gap, v[u]);
#pragma unroll
    for (int u = 0; u < U; u++) {
#pragma unroll
        for (int c = 0; c < RJ_BLOCK; c++)
            v[u][c] += each[c];
        rj_put_eight<T>(dx, k.at + u * k.step, k.gap, v[u]);
    }
    rj_walk_on(k, U);
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS)
    avgpool_spread(struct rj_columns j, const float *dy, float *dx)
{
    RJ_SHARED(float, staged, [RJ_COLUMN_LANES]);
    unsigned slice;
    const unsigned n = picture_of(j, &slice);
    rj_walk k = rj_column_walk<T>(j, slice);
    float each[RJ_BLOCK];

    rj_column_stage(j, staged, dy + (size_t)n * (size_t)j.c);
    __syncthreads();
    rj_column_eight(rj_column_own<T>(j), staged, each);
#pragma unroll
    for (int c = 0; c < RJ_BLOCK; c++)
        each[c] /= (float)j.pixels;
    k.at += (size_t)n * j.pixels * rj_column_lanes(j);
    while (rj_walk_has(k, STRIP))
        spread_strip<T, STRIP>(dx, k, each);
    while (rj_walk_has(k, 1))
        spread_strip<T, 1>(dx, k, each);
}

extern "C" rij_status rj_cuda_avgpool_grad(rj_device *dev, const rj_picture *d,
                                           const rj_real *dy, rj_real *dx)
{
    const struct rj_columns j = columns_of(d);

    return RJ_LAUNCH_CELLS(dev, avgpool_spread, rj_columns_grid(&j, (unsigned)d->n),
                           rj_columns_block(&j), 0, j, dy, dx);
}
