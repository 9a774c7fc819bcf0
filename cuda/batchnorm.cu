/* batchnorm.cu: batch norm with what follows it; op/batchnorm.c has the formulas,
 * norm.cu the statistics.
 *
 * One pass after them: y = relu?((x - mean) gamma inv + beta [+ add]). A thread keeps its
 * 8 channels' numbers in registers and takes strips of 64 bytes of pixels, read before
 * any is written, so that enough is under way. Bound by bandwidth: x, add and y once. */
#include "norm.h"

struct scaling {
    struct rj_columns j;
    const float *x, *add; /* add may be NULL */
    const float *gamma, *beta, *mean, *inv;
    float *y;
    bool relu;
};

template <class T, int U>
RJ_DEVICE void scale_strip(const struct scaling &f, rj_walk &k,
                           const float mean[RJ_BLOCK], const float by[RJ_BLOCK],
                           const float beta[RJ_BLOCK])
{
    float v[U][RJ_BLOCK], add[U][RJ_BLOCK];

#pragma unroll
    for (int u = 0; u < U; u++)
        rj_get_eight<T>(f.x, k.at + u * k.step, k.gap, v[u]);
    if (f.add)
#pragma unroll
        for (int u = 0; u < U; u++)
            rj_get_eight<T>(f.add, k.at + u * k.step, k.gap, add[u]);
#pragma unroll
    for (int u = 0; u < U; u++) {
#pragma unroll
        for (int c = 0; c < RJ_BLOCK; c++) {
            v[u][c] = rj_normed(v[u][c], mean[c], by[c], beta[c]);
            if (f.add)
                v[u][c] += add[u][c];
            if (f.relu && v[u][c] < 0)
                v[u][c] = 0; // what is no number stays none
        }
        rj_put_eight<T>(f.y, k.at + u * k.step, k.gap, v[u]);
    }
    rj_walk_on(k, U);
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS) scale(struct scaling f)
{
    RJ_SHARED(float, staged, [4][RJ_COLUMN_LANES]);
    constexpr int U = 64 / (RJ_BLOCK * (int)sizeof(T));
    const rj_eight own = rj_column_own<T>(f.j);
    float mean[RJ_BLOCK], by[RJ_BLOCK], beta[RJ_BLOCK], inv[RJ_BLOCK];

    rj_column_stage(f.j, staged[0], f.mean);
    rj_column_stage(f.j, staged[1], f.gamma);
    rj_column_stage(f.j, staged[2], f.beta);
    rj_column_stage(f.j, staged[3], f.inv);
    __syncthreads();
    rj_column_eight(own, staged[0], mean);
    rj_column_eight(own, staged[1], by);
    rj_column_eight(own, staged[2], beta);
    rj_column_eight(own, staged[3], inv);
#pragma unroll
    for (int c = 0; c < RJ_BLOCK; c++)
        by[c] *= inv[c];
    rj_walk k = rj_column_walk<T>(f.j, blockIdx.x);
    while (rj_walk_has(k, U))
        scale_strip<T, U>(f, k, mean, by, beta);
    while (rj_walk_has(k, 1))
        scale_strip<T, 1>(f, k, mean, by, beta);
}

extern "C" rij_status rj_cuda_batchnorm(rj_device *dev, const rj_bn *d, const rj_real *x,
                                        const rj_real *gamma, const rj_real *beta,
                                        const rj_real *add, rj_real *run_mean,
                                        rj_real *run_var, rj_real *mean, rj_real *inv,
                                        rj_real *y)
{
    struct scaling f = {};

    RJ_TRY(rj_norm_statistics(dev, d, x, run_mean, run_var, mean, inv));
    f.j = rj_columns_apart(d->c, rj_norm_pixels(d), 4);
    f.x = x;
    f.add = d->add ? add : NULL;
    f.gamma = gamma;
    f.beta = beta;
    f.mean = mean;
    f.inv = inv;
    f.y = y;
    f.relu = d->relu;
    return RJ_LAUNCH_CELLS(dev, scale, rj_columns_grid(&f.j, 1), rj_columns_block(&f.j),
                           0, f);
}
