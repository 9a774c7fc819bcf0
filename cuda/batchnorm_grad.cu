/* batchnorm_grad.cu: gradient of batch norm with what follows it; op/batchnorm.c has the
 * formulas, norm.cu settles the sums.
 *
 * Two passes over x and dy: `sums` adds g, the gradient that arrives through the relu,
 * and g (x - mean) over slices; `grad` writes d_add = g and
 *
 *     dx = gamma inv (g - lost[0] - (x - mean) lost[1]),
 *
 * each written or added to. The first is left out where nothing asks for it. Where the
 * relu gave 0 is told by y if something was added, else by x again, which is read anyway.
 * dx may lie where dy or x does: a strip is read before it is written. */
#include "norm.h"

enum gate { OPEN, BY_X, BY_Y };
enum { STRIP = 2 }; /* pixels; of x, dy and y, so that more would not fit in registers */

struct grads {
    struct rj_norm_sums s;
    struct rj_columns j; /* of grad; sums has s.j */
    const float *x, *y, *dy;
    const float *gamma, *beta, *mean, *inv;
    float *dx, *d_add; /* may be NULL */
    bool fresh_dx, fresh_add, train;
    enum gate gate;
};

/* Eight channels' numbers. */
struct lane {
    float mean[RJ_BLOCK], by[RJ_BLOCK], beta[RJ_BLOCK];
};

RJ_DEVICE void stage_lane(const struct rj_columns &j, const struct grads &f,
                          float staged[][RJ_COLUMN_LANES])
{
    rj_column_stage(j, staged[0], f.mean);
    rj_column_stage(j, staged[1], f.gamma);
    rj_column_stage(j, staged[2], f.beta);
    rj_column_stage(j, staged[3], f.inv);
}

RJ_DEVICE void lane_of(const rj_eight &own, const float staged[][RJ_COLUMN_LANES],
                       struct lane &l)
{
    float inv[RJ_BLOCK];

    rj_column_eight(own, staged[0], l.mean);
    rj_column_eight(own, staged[1], l.by);
    rj_column_eight(own, staged[2], l.beta);
    rj_column_eight(own, staged[3], inv);
#pragma unroll
    for (int c = 0; c < RJ_BLOCK; c++)
        l.by[c] *= inv[c];
}

/* x of a strip of U pixels, and g there. */
template <class T, int U>
RJ_DEVICE void arriving(const struct grads &f, const rj_walk &k, const struct lane &l,
                        float x[U][RJ_BLOCK], float g[U][RJ_BLOCK])
{
    float y[U][RJ_BLOCK];

#pragma unroll
    for (int u = 0; u < U; u++)
        rj_get_eight<T>(f.x, k.at + u * k.step, k.gap, x[u]);
#pragma unroll
    for (int u = 0; u < U; u++)
        rj_get_eight<T>(f.dy, k.at + u * k.step, k.gap, g[u]);
    if (f.gate == OPEN)
        return;
    if (f.gate == BY_Y)
#pragma unroll
        for (int u = 0; u < U; u++)
            rj_get_eight<T>(f.y, k.at + u * k.step, k.gap, y[u]);
#pragma unroll
    for (int u = 0; u < U; u++)
#pragma unroll
        for (int c = 0; c < RJ_BLOCK; c++) {
            if (f.gate == BY_X)
                y[u][c] = rj_normed(x[u][c], l.mean[c], l.by[c], l.beta[c]);
            if (y[u][c] <= 0)
                g[u][c] = 0;
        }
}

/* ---- sums -------------------------------------------------------------------------- */

template <class T, int U>
RJ_DEVICE void sums_strip(const struct grads &f, rj_walk &k, const struct lane &l,
                          float sum[2 * RJ_BLOCK])
{
    float x[U][RJ_BLOCK], g[U][RJ_BLOCK];

    arriving<T, U>(f, k, l, x, g);
#pragma unroll
    for (int c = 0; c < RJ_BLOCK; c++) {
        float a = 0, b = 0;
#pragma unroll
        for (int u = 0; u < U; u++) {
            a += g[u][c];
            b = fmaf(g[u][c], x[u][c] - l.mean[c], b);
        }
        sum[c] += a;
        sum[RJ_BLOCK + c] += b;
    }
    rj_walk_on(k, U);
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 2) sums(struct grads f)
{
    RJ_SHARED(float, staged, [4][RJ_COLUMN_LANES]);
    RJ_SHARED(float, slots, [2 * RJ_BLOCK * RJ_COLUMN_THREADS]);
    const rj_eight own = rj_column_own<T>(f.s.j);
    float sum[2 * RJ_BLOCK] = {0};
    struct lane l;

    stage_lane(f.s.j, f, staged);
    __syncthreads();
    lane_of(own, staged, l);
    rj_walk k = rj_column_walk<T>(f.s.j, blockIdx.x);
    while (rj_walk_has(k, STRIP))
        sums_strip<T, STRIP>(f, k, l, sum);
    while (rj_walk_has(k, 1))
        sums_strip<T, 1>(f, k, l, sum);
    rj_column_sums<2 * RJ_BLOCK>(sum, slots);
    rj_norm_part<T>(f.s.j, sum, f.s.part);
}

/* ---- gradient ---------------------------------------------------------------------- */

/* to = v, or += v */
template <class T, int U>
RJ_DEVICE void put_strip(float *to, const rj_walk &k, bool fresh, float v[U][RJ_BLOCK])
{
    float old[U][RJ_BLOCK];

    if (!fresh)
#pragma unroll
        for (int u = 0; u < U; u++)
            rj_get_eight<T>(to, k.at + u * k.step, k.gap, old[u]);
#pragma unroll
    for (int u = 0; u < U; u++) {
        if (!fresh)
#pragma unroll
            for (int c = 0; c < RJ_BLOCK; c++)
                v[u][c] += old[u][c];
        rj_put_eight<T>(to, k.at + u * k.step, k.gap, v[u]);
    }
}

template <class T, int U>
RJ_DEVICE void grad_strip(const struct grads &f, rj_walk &k, const struct lane &l,
                          const float lost[2][RJ_BLOCK])
{
    float x[U][RJ_BLOCK], g[U][RJ_BLOCK], dx[U][RJ_BLOCK];

    arriving<T, U>(f, k, l, x, g);
#pragma unroll
    for (int u = 0; u < U; u++)
#pragma unroll
        for (int c = 0; c < RJ_BLOCK; c++) {
            const float apart = f.train ? x[u][c] - l.mean[c] : 0;
            dx[u][c] = l.by[c] * (g[u][c] - lost[0][c] - apart * lost[1][c]);
        }
    if (f.d_add)
        put_strip<T, U>(f.d_add, k, f.fresh_add, g);
    if (f.dx)
        put_strip<T, U>(f.dx, k, f.fresh_dx, dx);
    rj_walk_on(k, U);
}

template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS, 2) grad(struct grads f)
{
    RJ_SHARED(float, staged, [6][RJ_COLUMN_LANES]);
    const float *more = f.s.lost ? f.s.lost + rj_column_lanes(f.j) : NULL;
    const rj_eight own = rj_column_own<T>(f.j);
    float lost[2][RJ_BLOCK];
    struct lane l;

    stage_lane(f.j, f, staged);
    rj_column_stage(f.j, staged[4], f.s.lost);
    rj_column_stage(f.j, staged[5], more);
    __syncthreads();
    lane_of(own, staged, l);
    rj_column_eight(own, staged[4], lost[0]);
    rj_column_eight(own, staged[5], lost[1]);
    rj_walk k = rj_column_walk<T>(f.j, blockIdx.x);
    while (rj_walk_has(k, STRIP))
        grad_strip<T, STRIP>(f, k, l, lost);
    while (rj_walk_has(k, 1))
        grad_strip<T, 1>(f, k, l, lost);
}

extern "C" rij_status
rj_cuda_batchnorm_grad(rj_device *dev, const rj_bn *d, const rj_real *x,
                       const rj_real *gamma, const rj_real *beta, const rj_real *mean,
                       const rj_real *inv, const rj_real *y, const rj_real *dy,
                       rj_real *dx, rj_real *dgamma, rj_real *dbeta, rj_real *d_add)
{
    struct grads f = {};

    f.j = rj_columns_apart(d->c, rj_norm_pixels(d), 4);
    f.x = x;
    f.y = y;
    f.dy = dy;
    f.gamma = gamma;
    f.beta = beta;
    f.mean = mean;
    f.inv = inv;
    f.dx = dx;
    f.d_add = d_add;
    f.fresh_dx = d->fresh_dx;
    f.fresh_add = d->fresh_add;
    f.train = d->train;
    f.gate = !d->relu ? OPEN : d->add ? BY_Y : BY_X;
    if (dgamma || dbeta || (dx && d->train)) {
        RJ_TRY(rj_norm_sums_ready(dev, d, &f.s));
        RJ_TRY(RJ_LAUNCH_CELLS(dev, sums, rj_columns_grid(&f.s.j, 1),
                               rj_columns_block(&f.s.j), 0, f));
        RJ_TRY(rj_norm_sums_settle(dev, d, &f.s, inv, dgamma, dbeta));
    }
    if (!dx && !d_add)
        return RIJ_OK;
    return RJ_LAUNCH_CELLS(dev, grad, rj_columns_grid(&f.j, 1), rj_columns_block(&f.j), 0,
                           f);
}
