/* norm.h: what the kernels with batch norm share; norm.cu has the statistics. */
#ifndef RJ_NORM_H
#define RJ_NORM_H

#include "columns.h"

/* Mean and inv of each channel: of the batch, which the running ones then follow, or the
 * running ones' own. It takes the workspace. */
rij_status rj_norm_statistics(rj_device *dev, const rj_bn *d, const float *x,
                              float *run_mean, float *run_var, float *mean, float *inv);

/* Backward: blocks write the sums of the arriving gradient g, and of g (x - mean), of
 * their slices to `part`, [slices][2][8 groups]; settling them gives dgamma and dbeta
 * (added to, each may be NULL) and in training `lost`, [2][8 groups]: what dx has less
 * for each pixel, and for each x - mean:
 *
 *     dx = gamma inv (g - lost[0] - (x - mean) lost[1]) */
struct rj_norm_sums {
    struct rj_columns j;
    float *part, *lost;
};

/* Room for them, from the workspace. */
rij_status rj_norm_sums_ready(rj_device *dev, const rj_bn *d, struct rj_norm_sums *s);
rij_status rj_norm_sums_settle(rj_device *dev, const rj_bn *d,
                               const struct rj_norm_sums *s, const float *inv,
                               float *dgamma, float *dbeta);

/* Pixels of all pictures. */
static inline size_t rj_norm_pixels(const rj_bn *d)
{
    return (size_t)d->n * (size_t)d->h * (size_t)d->w;
}

/* Forward and backward have this in common, so that both see the same sign. */
RJ_DEVICE float rj_normed(float x, float mean, float by, float beta)
{
    return fmaf(x - mean, by, beta);
}

/* `v` of 16 numbers, the block's sums of its slice, to part. */
template <class T>
RJ_DEVICE void rj_norm_part(const struct rj_columns &j, const float v[2 * RJ_BLOCK],
                            float *part)
{
    const rj_eight own = rj_column_own<T>(j);
    const size_t lanes = rj_column_lanes(j);

    if (threadIdx.y || !own.any)
        return;
    part += (size_t)blockIdx.x * 2 * lanes + (size_t)(own.base + own.first);
    rj_put_eight<float>(part, 0, own.gap, v);
    rj_put_eight<float>(part + lanes, 0, own.gap, v + RJ_BLOCK);
}

#endif
