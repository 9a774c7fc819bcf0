/* bn_maxpool2d.cu: batch norm, relu and max pooling in one, and its gradient;
 * op/bn_maxpool2d.c has the formulas, norm.cu the statistics, pool.h the windows.
 *
 * Forward, after the statistics, one pass reads x once more and writes y and at; the
 * normalised picture is never stored. Backward, two passes over x collect what arrives at
 * each pixel from at and dy: `sums`, and `grad` with
 *
 *     dx = gamma inv (g - lost[0] - (x - mean) lost[1]),
 *
 * written or added to; dx may lie where x does. */
#include "norm.h"
#include "pool.h"

/* Numbers of the channels, to shared memory and to registers. */
struct scales {
    const float *gamma, *beta, *mean, *inv;
};

RJ_DEVICE void scales_of(const struct rj_columns &j, const rj_eight &own,
                         const struct scales &p, float staged[4 * RJ_COLUMN_LANES],
                         struct rj_pool_norm &l)
{
    float inv[RJ_BLOCK];

    rj_column_stage(j, staged, p.mean);
    rj_column_stage(j, staged + RJ_COLUMN_LANES, p.gamma);
    rj_column_stage(j, staged + 2 * RJ_COLUMN_LANES, p.beta);
    rj_column_stage(j, staged + 3 * RJ_COLUMN_LANES, p.inv);
    __syncthreads();
    rj_column_eight(own, staged, l.mean);
    rj_column_eight(own, staged + RJ_COLUMN_LANES, l.by);
    rj_column_eight(own, staged + 2 * RJ_COLUMN_LANES, l.beta);
    rj_column_eight(own, staged + 3 * RJ_COLUMN_LANES, inv);
#pragma unroll
    for (int c = 0; c < RJ_BLOCK; c++)
        l.by[c] *= inv[c];
}

/* ---- forward ----------------------------------------------------------------------- */

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 2)
    bn_maxpool2d_3_2(struct rj_pool_walk f, struct scales p, const float *x, float *y,
                     float *places)
{
    RJ_SHARED(float, staged, [4 * RJ_COLUMN_LANES]);
    const rj_walk k = rj_column_walk<T>(f.j, blockIdx.x);
    struct rj_pool_norm l;

    scales_of(f.j, rj_column_own<T>(f.j), p, staged, l);
    if (rj_walk_has(k, 1))
        rj_pool_3_2<T, true>(f, rj_pool_column_of<T>(f, k.pixel), l, x, y, places);
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 2)
    bn_maxpool2d_any(struct rj_pool_walk f, struct scales p, const float *x, float *y,
                     float *places)
{
    RJ_SHARED(float, staged, [4 * RJ_COLUMN_LANES]);
    const rj_walk k = rj_column_walk<T>(f.j, blockIdx.x);
    struct rj_pool_norm l;

    scales_of(f.j, rj_column_own<T>(f.j), p, staged, l);
    if (rj_walk_has(k, 1))
        rj_pool_any<T, true>(f, rj_pool_column_of<T>(f, k.pixel), l, x, y, places);
}

extern "C" rij_status rj_cuda_bn_maxpool2d(rj_device *dev, const rj_bn *d,
                                           const rj_pool2d *pool, const rj_real *x,
                                           const rj_real *gamma, const rj_real *beta,
                                           rj_real *run_mean, rj_real *run_var,
                                           rj_real *mean, rj_real *inv, rj_real *y,
                                           rj_real *at)
{
    const struct scales p = {gamma, beta, mean, inv};
    const struct rj_pool_walk f = rj_pool_walk_of(pool);
    const dim3 grid = rj_columns_grid(&f.j, 1), block = rj_columns_block(&f.j);

    RJ_TRY(rj_norm_statistics(dev, d, x, run_mean, run_var, mean, inv));
    return rj_pool_usual(pool)
               ? RJ_LAUNCH_CELLS(dev, bn_maxpool2d_3_2, grid, block, 0, f, p, x, y, at)
               : RJ_LAUNCH_CELLS(dev, bn_maxpool2d_any, grid, block, 0, f, p, x, y, at);
}

/* ---- backward ---------------------------------------------------------------------- */

struct pooled {
    struct rj_norm_sums s;
    struct rj_columns j; /* of grad; sums has s.j */
    struct rj_pool_gather pool;
    struct scales p;
    const float *x, *at, *dy;
    float *dx;
    bool fresh, train;
};

template <class T, int R, int STRIDE>
RJ_DEVICE void add_sums(const struct pooled &f, float *slots)
{
    const struct rj_columns &j = f.s.j;
    const rj_eight own = rj_column_own<T>(j);
    float mean[RJ_BLOCK], sum[2 * RJ_BLOCK] = {0};

    rj_column_stage(j, slots, f.p.mean);
    __syncthreads();
    rj_column_eight(own, slots, mean);
    __syncthreads(); // slots are the sums' from here on
    for (rj_walk k = rj_column_walk<T>(j, blockIdx.x); rj_walk_has(k, 1);
         rj_walk_on(k, 1)) {
        float x[RJ_BLOCK], g[RJ_BLOCK];
        rj_get_eight<T>(f.x, k.at, k.gap, x);
        rj_pool_arriving<T, R, STRIDE>(f.pool, rj_column_lanes(j), own, k.pixel, f.at,
                                       f.dy, g);
#pragma unroll
        for (int c = 0; c < RJ_BLOCK; c++) {
            sum[c] += g[c];
            sum[RJ_BLOCK + c] = fmaf(g[c], x[c] - mean[c], sum[RJ_BLOCK + c]);
        }
    }
    rj_column_sums<2 * RJ_BLOCK>(sum, slots);
    rj_norm_part<T>(j, sum, f.s.part);
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 3) sums_3_2(struct pooled f)
{
    RJ_SHARED(float, slots, [2 * RJ_BLOCK * RJ_COLUMN_THREADS]);

    add_sums<T, 3, 2>(f, slots);
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 2) sums_any(struct pooled f)
{
    RJ_SHARED(float, slots, [2 * RJ_BLOCK * RJ_COLUMN_THREADS]);

    add_sums<T, 0, 0>(f, slots);
}

template <class T, int R, int STRIDE>
RJ_DEVICE void write_grad(const struct pooled &f, float *staged)
{
    const struct rj_columns &j = f.j;
    const rj_eight own = rj_column_own<T>(j);
    const float *more = f.s.lost ? f.s.lost + rj_column_lanes(j) : NULL;
    float lost[2][RJ_BLOCK];
    struct rj_pool_norm l;

    rj_column_stage(j, staged + 4 * RJ_COLUMN_LANES, f.s.lost);
    rj_column_stage(j, staged + 5 * RJ_COLUMN_LANES, more);
    scales_of(j, own, f.p, staged, l);
    rj_column_eight(own, staged + 4 * RJ_COLUMN_LANES, lost[0]);
    rj_column_eight(own, staged + 5 * RJ_COLUMN_LANES, lost[1]);
    for (rj_walk k = rj_column_walk<T>(j, blockIdx.x); rj_walk_has(k, 1);
         rj_walk_on(k, 1)) {
        float x[RJ_BLOCK], g[RJ_BLOCK], old[RJ_BLOCK];
        rj_get_eight<T>(f.x, k.at, k.gap, x);
        rj_pool_arriving<T, R, STRIDE>(f.pool, rj_column_lanes(j), own, k.pixel, f.at,
                                       f.dy, g);
        if (!f.fresh)
            rj_get_eight<T>(f.dx, k.at, k.gap, old);
#pragma unroll
        for (int c = 0; c < RJ_BLOCK; c++) {
            const float apart = f.train ? x[c] - l.mean[c] : 0;
            g[c] = l.by[c] * (g[c] - lost[0][c] - apart * lost[1][c]);
            if (!f.fresh)
                g[c] += old[c];
        }
        rj_put_eight<T>(f.dx, k.at, k.gap, g);
    }
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 2) grad_3_2(struct pooled f)
{
    RJ_SHARED(float, staged, [6 * RJ_COLUMN_LANES]);

    write_grad<T, 3, 2>(f, staged);
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 2) grad_any(struct pooled f)
{
    RJ_SHARED(float, staged, [6 * RJ_COLUMN_LANES]);

    write_grad<T, 0, 0>(f, staged);
}

extern "C" rij_status rj_cuda_bn_maxpool2d_grad(rj_device *dev, const rj_bn *d,
                                                const rj_pool2d *pool, const rj_real *x,
                                                const rj_real *gamma, const rj_real *mean,
                                                const rj_real *inv, const rj_real *at,
                                                const rj_real *dy, rj_real *dx,
                                                rj_real *dgamma, rj_real *dbeta)
{
    struct pooled f = {};

    f.j = rj_columns_apart(d->c, rj_norm_pixels(d), 1);
    f.pool = rj_pool_gather_of(pool);
    f.p = {gamma, NULL, mean, inv};
    f.x = x;
    f.at = at;
    f.dy = dy;
    f.dx = dx;
    f.fresh = d->fresh_dx;
    f.train = d->train;
    if (dgamma || dbeta || (dx && d->train)) {
        RJ_TRY(rj_norm_sums_ready(dev, d, &f.s));
        const dim3 grid = rj_columns_grid(&f.s.j, 1), block = rj_columns_block(&f.s.j);
        RJ_TRY(rj_pool_usual(pool) ? RJ_LAUNCH_CELLS(dev, sums_3_2, grid, block, 0, f)
                                   : RJ_LAUNCH_CELLS(dev, sums_any, grid, block, 0, f));
        RJ_TRY(rj_norm_sums_settle(dev, d, &f.s, inv, dgamma, dbeta));
    }
    if (!dx)
        return RIJ_OK;
    const dim3 grid = rj_columns_grid(&f.j, 1), block = rj_columns_block(&f.j);
    return rj_pool_usual(pool) ? RJ_LAUNCH_CELLS(dev, grad_3_2, grid, block, 0, f)
                               : RJ_LAUNCH_CELLS(dev, grad_any, grid, block, 0, f);
}
