/* maxpool2d.cu: the largest number of each window, and its gradient; op/maxpool2d.c has
 * the formulas, pool.h the windows. Bound by bandwidth: forward reads x once from memory
 * (neighbouring windows' share comes from the caches) and writes y and at, a quarter as
 * much each with the usual stride; backward reads those and writes dx. */
#include "pool.h"

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 3)
    maxpool2d_3_2(struct rj_pool_walk f, const float *x, float *y, float *places)
{
    const rj_walk k = rj_column_walk<T>(f.j, blockIdx.x);
    const struct rj_pool_norm none = {};

    if (rj_walk_has(k, 1))
        rj_pool_3_2<T, false>(f, rj_pool_column_of<T>(f, k.pixel), none, x, y, places);
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 3)
    maxpool2d_any(struct rj_pool_walk f, const float *x, float *y, float *places)
{
    const rj_walk k = rj_column_walk<T>(f.j, blockIdx.x);
    const struct rj_pool_norm none = {};

    if (rj_walk_has(k, 1))
        rj_pool_any<T, false>(f, rj_pool_column_of<T>(f, k.pixel), none, x, y, places);
}

extern "C" rij_status rj_cuda_maxpool2d(rj_device *dev, const rj_pool2d *d,
                                        const rj_real *x, rj_real *y, rj_real *at)
{
    const struct rj_pool_walk f = rj_pool_walk_of(d);
    const dim3 grid = rj_columns_grid(&f.j, 1), block = rj_columns_block(&f.j);

    return rj_pool_usual(d)
               ? RJ_LAUNCH_CELLS(dev, maxpool2d_3_2, grid, block, 0, f, x, y, at)
               : RJ_LAUNCH_CELLS(dev, maxpool2d_any, grid, block, 0, f, x, y, at);
}

/* dx of a thread's pixels. */
template <class T, int R, int STRIDE>
RJ_DEVICE void collect(const struct rj_columns &j, const struct rj_pool_gather &f,
                       const float *at, const float *dy, float *dx)
{
    const rj_eight own = rj_column_own<T>(j);

    for (rj_walk k = rj_column_walk<T>(j, blockIdx.x); rj_walk_has(k, 1);
         rj_walk_on(k, 1)) {
        float g[RJ_BLOCK], old[RJ_BLOCK];
        rj_pool_arriving<T, R, STRIDE>(f, rj_column_lanes(j), own, k.pixel, at, dy, g);
        if (!f.d.fresh) {
            rj_get_eight<T>(dx, k.at, k.gap, old);
#pragma unroll
            for (int c = 0; c < RJ_BLOCK; c++)
                g[c] += old[c];
        }
        rj_put_eight<T>(dx, k.at, k.gap, g);
    }
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 4)
    maxpool2d_grad_3_2(struct rj_columns j, struct rj_pool_gather f, const float *at,
                       const float *dy, float *dx)
{
    collect<T, 3, 2>(j, f, at, dy, dx);
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 4)
    maxpool2d_grad_any(struct rj_columns j, struct rj_pool_gather f, const float *at,
                       const float *dy, float *dx)
{
    collect<T, 0, 0>(j, f, at, dy, dx);
}

extern "C" rij_status rj_cuda_maxpool2d_grad(rj_device *dev, const rj_pool2d *d,
                                             const rj_real *at, const rj_real *dy,
                                             rj_real *dx)
{
    const struct rj_pool_gather f = rj_pool_gather_of(d);
    const struct rj_columns j =
        rj_columns_apart(d->c, (size_t)d->n * (size_t)d->h * (size_t)d->w, 1);
    const dim3 grid = rj_columns_grid(&j, 1), block = rj_columns_block(&j);

    return rj_pool_usual(d) ? RJ_LAUNCH_CELLS(dev, maxpool2d_grad_3_2, grid, block, 0, j,
                                              f, at, dy, dx)
                            : RJ_LAUNCH_CELLS(dev, maxpool2d_grad_any, grid, block, 0, j,
                                              f, at, dy, dx);
}
