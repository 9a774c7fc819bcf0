/* norm.cu: batch norm's statistics, of batchnorm and bn_maxpool2d; op/batchnorm.c has the
 * formulas.
 *
 * `moments` reads x once. A thread takes strips of 4 pixels of 8 channels: their mean and
 * the squares around it, joined to what it has; then a block joins its threads' in a
 * tree, and writes mean and squares of its slice. Sets of n and n' numbers with means m,
 * m' and squares q, q' around them join to
 *
 *     m + (m' - m) n' / (n + n')   and   q + q' + (m' - m)^2 n n' / (n + n')
 *
 * (Chan, Golub and LeVeque 1983), as exact as two passes. `settle` adds the slices, of
 * which there are 512 at most: mean = sum n_i m_i / M, var = (sum q_i + sum n_i
 * (m_i - mean)^2) / M, in double, for that is little; 32 threads take a channel.
 *
 * Shared memory: 16 KiB; bound by bandwidth, about 4 instructions a number. */
#include "norm.h"
#include <math.h>

enum {
    STRIP = 4,
    SLICES = 512, /* of a picture of 256 channels at most, else so many blocks */
    SETTLE = 256, /* threads: 8 channels by 32 */
    DOWN = SETTLE / RJ_BLOCK
};

/* ---- moments of slices ------------------------------------------------------------- */

/* Join U numbers of each channel to the `have` whose mean and squares are given. */
template <int U>
RJ_DEVICE void join_strip(const float v[U][RJ_BLOCK], float have, float mean[RJ_BLOCK],
                          float squares[RJ_BLOCK])
{
    const float share = __fdividef((float)U, have + (float)U);

#pragma unroll
    for (int c = 0; c < RJ_BLOCK; c++) {
        float own = v[0][c], q = 0;
#pragma unroll
        for (int u = 1; u < U; u++)
            own += v[u][c];
        own *= 1.0f / U;
#pragma unroll
        for (int u = 0; u < U; u++)
            q = fmaf(v[u][c] - own, v[u][c] - own, q);
        const float apart = own - mean[c];
        mean[c] = fmaf(apart, share, mean[c]);
        squares[c] += fmaf(apart * apart, have * share, q);
    }
}

template <class T, int U>
RJ_DEVICE void read_strip(const float *x, rj_walk &k, float &have, float m[2 * RJ_BLOCK])
{
    float v[U][RJ_BLOCK];

#pragma unroll
    for (int u = 0; u < U; u++)
        rj_get_eight<T>(x, k.at + u * k.step, k.gap, v[u]);
    join_strip<U>(v, have, m, m + RJ_BLOCK);
    have += U;
    rj_walk_on(k, U);
}

/* How many of `pixels` in order fall to thread i of n, a power of two. */
RJ_DEVICE float share_of(unsigned pixels, unsigned i, unsigned n)
{
    return pixels <= i ? 0 : (float)((pixels - i + n - 1) / n);
}

/* Join the moments of a block's threads, as rj_column_sums() does it. */
RJ_DEVICE void join_block(unsigned pixels, float m[2 * RJ_BLOCK], float *slots)
{
    const unsigned me = threadIdx.y * blockDim.x + threadIdx.x;

    for (unsigned half = blockDim.y / 2; half; half /= 2) {
        if (threadIdx.y >= half && threadIdx.y < 2 * half)
#pragma unroll
            for (int k = 0; k < 2 * RJ_BLOCK; k++)
                slots[k * RJ_COLUMN_THREADS + me] = m[k];
        __syncthreads();
        if (threadIdx.y >= half)
            continue;
        // a thread has the pixels of all whose number is its own modulo 2 half
        const float have = share_of(pixels, threadIdx.y, 2 * half);
        const float more = share_of(pixels, threadIdx.y + half, 2 * half);
        const float share = more > 0 ? __fdividef(more, have + more) : 0;
#pragma unroll
        for (int c = 0; c < RJ_BLOCK; c++) {
            const float *from = slots + me + half * blockDim.x;
            const float apart = from[c * RJ_COLUMN_THREADS] - m[c];
            m[c] = fmaf(apart, share, m[c]);
            m[RJ_BLOCK + c] += fmaf(apart * apart, have * share,
                                    from[(RJ_BLOCK + c) * RJ_COLUMN_THREADS]);
        }
    }
}

/* Moments of a slice, [slice][2][8 groups]. */
template <class T>
static __global__ void __launch_bounds__(RJ_COLUMN_THREADS)
    moments(struct rj_columns j, const float *x, float *part)
{
    RJ_SHARED(float, slots, [2 * RJ_BLOCK * RJ_COLUMN_THREADS]);
    const unsigned from = blockIdx.x * j.length;
    rj_walk k = rj_column_walk<T>(j, blockIdx.x);
    float m[2 * RJ_BLOCK] = {0}, have = 0;

    while (rj_walk_has(k, STRIP))
        read_strip<T, STRIP>(x, k, have, m);
    while (rj_walk_has(k, 1))
        read_strip<T, 1>(x, k, have, m);
    join_block(min(j.length, j.pixels - from), m, slots);
    rj_norm_part<T>(j, m, part);
}

/* ---- all slices -------------------------------------------------------------------- */

/* The sum over the 32 threads of each channel, in all of them. */
RJ_DEVICE double settled(double v, double *slots)
{
    const unsigned i = threadIdx.x;

    __syncthreads();
    slots[i] = v;
    __syncthreads();
    for (unsigned half = SETTLE / 2; half >= RJ_BLOCK; half /= 2) {
        if (i < half)
            slots[i] += slots[i + half];
        __syncthreads();
    }
    return slots[i % RJ_BLOCK];
}

struct running {
    double eps, momentum;
    bool train;
    float *mean, *var;
};

/* Mean and squares of a channel from those of the slices. */
RJ_DEVICE void all_moments(const struct rj_columns &j, const float *part, double *slots,
                           double *mean, double *squares)
{
    const size_t lanes = rj_column_lanes(j);
    const unsigned last = j.pixels - (j.slices - 1) * j.length;
    double sum = 0;

    part += (size_t)blockIdx.x * RJ_BLOCK + threadIdx.x % RJ_BLOCK;
#pragma unroll 4
    for (unsigned i = threadIdx.x / RJ_BLOCK; i < j.slices; i += DOWN)
        sum += (double)(i + 1 < j.slices ? j.length : last) *
               (double)part[(size_t)i * 2 * lanes];
    *mean = settled(sum, slots) / (double)j.pixels;
    sum = 0;
#pragma unroll 4
    for (unsigned i = threadIdx.x / RJ_BLOCK; i < j.slices; i += DOWN) {
        const double apart = (double)part[(size_t)i * 2 * lanes] - *mean;
        sum += (double)(i + 1 < j.slices ? j.length : last) * apart * apart +
               (double)part[(size_t)i * 2 * lanes + lanes];
    }
    *squares = settled(sum, slots);
}

static __global__ void __launch_bounds__(SETTLE)
    settle(struct rj_columns j, struct running run, const float *part, float *mean,
           float *inv)
{
    RJ_SHARED(double, slots, [SETTLE]);
    const int c = (int)(blockIdx.x * RJ_BLOCK + threadIdx.x);
    double mu = 0, squares = 0, var;

    if (run.train)
        all_moments(j, part, slots, &mu, &squares);
    if (threadIdx.x >= RJ_BLOCK || c >= j.c)
        return;
    if (run.train) {
        const double all = (double)j.pixels, old = 1 - run.momentum;
        var = squares / all;
        run.mean[c] = (float)(old * (double)run.mean[c] + run.momentum * mu);
        run.var[c] = (float)(old * (double)run.var[c] +
                             run.momentum * squares / (all > 2 ? all - 1 : 1));
    } else {
        mu = (double)run.mean[c];
        var = (double)run.var[c];
    }
    mean[c] = (float)mu;
    inv[c] = (float)(1 / sqrt(var + run.eps));
}

rij_status rj_norm_statistics(rj_device *dev, const rj_bn *d, const float *x,
                              float *run_mean, float *run_var, float *mean, float *inv)
{
    const struct rj_columns j = rj_columns_of(d->c, rj_norm_pixels(d), STRIP, SLICES);
    const struct running run = {d->eps, d->momentum, d->train, run_mean, run_var};
    void *part = NULL;

    if (d->train) {
        RJ_TRY(rj_workspace(
            dev, (size_t)j.slices * 2 * (size_t)j.groups * RJ_BLOCK * sizeof(float),
            &part));
        RJ_TRY(RJ_LAUNCH_CELLS(dev, moments, rj_columns_grid(&j, 1), rj_columns_block(&j),
                               0, j, x, (float *)part));
    }
    return RJ_LAUNCH_ROWS(dev, settle, dim3((unsigned)j.groups), dim3(SETTLE), 0, j, run,
                          (const float *)part, mean, inv);
}

/* ---- backward ---------------------------------------------------------------------- */

static __global__ void __launch_bounds__(SETTLE)
    settle_grad(struct rj_norm_sums s, bool train, const float *inv, float *dgamma,
                float *dbeta)
{
    RJ_SHARED(double, slots, [SETTLE]);
    const size_t lanes = rj_column_lanes(s.j);
    const int c = (int)(blockIdx.x * RJ_BLOCK + threadIdx.x);
    const float *part = s.part + blockIdx.x * RJ_BLOCK + threadIdx.x % RJ_BLOCK;
    double sum = 0, along = 0;

#pragma unroll 4
    for (unsigned i = threadIdx.x / RJ_BLOCK; i < s.j.slices; i += DOWN) {
        sum += (double)part[(size_t)i * 2 * lanes];
        along += (double)part[(size_t)i * 2 * lanes + lanes];
    }
    sum = settled(sum, slots);
    along = settled(along, slots);
    if (threadIdx.x >= RJ_BLOCK)
        return;
    const double by = c < s.j.c ? (double)inv[c] : 0, all = (double)s.j.pixels;
    if (c < s.j.c && dgamma)
        dgamma[c] += (float)(along * by);
    if (c < s.j.c && dbeta)
        dbeta[c] += (float)sum;
    s.lost[c] = train ? (float)(sum / all) : 0;
    s.lost[lanes + (size_t)c] = train ? (float)(along * by * by / all) : 0;
}

rij_status rj_norm_sums_ready(rj_device *dev, const rj_bn *d, struct rj_norm_sums *s)
{
    void *memory;

    s->j = rj_columns_of(d->c, rj_norm_pixels(d), STRIP, SLICES);
    const size_t lanes = (size_t)s->j.groups * RJ_BLOCK;
    RJ_TRY(rj_workspace(dev, ((size_t)s->j.slices + 1) * 2 * lanes * sizeof(float),
                        &memory));
    s->lost = (float *)memory;
    s->part = s->lost + 2 * lanes;
    return RIJ_OK;
}

rij_status rj_norm_sums_settle(rj_device *dev, const rj_bn *d,
                               const struct rj_norm_sums *s, const float *inv,
                               float *dgamma, float *dbeta)
{
    return RJ_LAUNCH_ROWS(dev, settle_grad, dim3((unsigned)s->j.groups), dim3(SETTLE), 0,
                          *s, d->train, inv, dgamma, dbeta);
}
