/* pool.h: windows of max pooling, alone and after batch norm; op/maxpool2d.c and
 * op/bn_maxpool2d.c have the formulas.
 *
 * Forward a thread has 8 channels of a column of outputs: it walks down some rows of
 * them. Of a window of 3 rows with a stride of 2, the usual one, the last row's winner is
 * the next window's first row's, so that each number is taken (and normalised) once in
 * its column; whatever else there is goes window by window. What a neighbour reads too
 * comes from the first cache. Backward a thread has 8 channels of a pixel and collects
 * from the windows that it lies in, at most 2 x 2 in the usual case: no atomics, one
 * write. */
#ifndef RJ_POOL_H
#define RJ_POOL_H

#include "columns.h"
#include <math.h>

/* Division of numbers under 2^31 by one that is known at the launch: a product's upper
 * half and a shift (Granlund and Montgomery 1994). */
struct rj_divider {
    unsigned by, factor, shift;
};

static inline struct rj_divider rj_divider_of(int by)
{
    struct rj_divider d = {(unsigned)by, 0, 0};

    while ((1ull << d.shift) < d.by)
        d.shift++;
    d.factor = (unsigned)((((1ull << d.shift) - d.by) << 32) / d.by + 1);
    return d;
}

RJ_DEVICE unsigned rj_divided(unsigned x, const struct rj_divider &d)
{
    return ((unsigned)((uint64_t)x * d.factor >> 32) + x) >> d.shift;
}

/* ---- forward ----------------------------------------------------------------------- */

/* Outputs as a table for rj_columns: a column's run of `rows` outputs is one pixel. */
struct rj_pool_walk {
    struct rj_columns j;
    rj_pool2d d;
    int rows, runs; /* of a column of P outputs, the last run may be shorter */
};

static inline struct rj_pool_walk rj_pool_walk_of(const rj_pool2d *d)
{
    const size_t columns = (size_t)d->n * (size_t)d->q * (size_t)d->p;
    struct rj_pool_walk f = {};

    f.d = *d;
    // runs of 4 where that leaves enough blocks
    f.rows = columns * (size_t)rj_channels(d->c) >= 4u << 20 ? 4 : 1;
    f.runs = (d->p + f.rows - 1) / f.rows;
    f.j = rj_columns_of(d->c, (size_t)d->n * (size_t)d->q * (size_t)f.runs, 1,
                        (size_t)1 << 30);
    return f;
}

/* The largest so far, and its number; 8 channels. */
struct rj_winner {
    float top[RJ_BLOCK], place[RJ_BLOCK];
};

/* What any number beats but the least, which is `place`'s own then. */
RJ_DEVICE void rj_winner_none(struct rj_winner &w, int place)
{
#pragma unroll
    for (int c = 0; c < RJ_BLOCK; c++) {
        w.top[c] = -INFINITY;
        w.place[c] = (float)place;
    }
}

/* v wins if it is more, or no number where the best so far is one. */
RJ_DEVICE void rj_challenge(struct rj_winner &w, int c, float v, float place)
{
    if (!(v <= w.top[c]) && w.top[c] == w.top[c]) {
        w.top[c] = v;
        w.place[c] = place;
    }
}

/* Batch norm of 8 channels; or none. */
struct rj_pool_norm {
    float mean[RJ_BLOCK], by[RJ_BLOCK], beta[RJ_BLOCK];
};

template <class T, bool NORM>
RJ_DEVICE void rj_pool_read(const float *x, size_t at, int gap,
                            const struct rj_pool_norm &l, float v[RJ_BLOCK])
{
    rj_get_eight<T>(x, at, gap, v);
    if (NORM)
#pragma unroll
        for (int c = 0; c < RJ_BLOCK; c++)
            v[c] = fmaf(v[c] - l.mean[c], l.by[c], l.beta[c]);
}

/* A thread's column of outputs. */
struct rj_pool_column {
    int p, p1;   /* rows of outputs: from p to before p1 */
    int w;       /* the picture's column where its windows begin; may be < 0 */
    size_t x, y; /* cells of the picture's first pixel, and of output (p, q) */
    int gap;
};

template <class T>
RJ_DEVICE struct rj_pool_column rj_pool_column_of(const struct rj_pool_walk &f,
                                                  unsigned run)
{
    const unsigned q = run % (unsigned)f.d.q, rest = run / (unsigned)f.d.q;
    const unsigned n = rest / (unsigned)f.runs;
    const size_t lanes = rj_column_lanes(f.j);
    const rj_eight own = rj_column_own<T>(f.j);
    const size_t lane = (size_t)(own.base + own.first);
    struct rj_pool_column k;

    k.p = (int)(rest % (unsigned)f.runs) * f.rows;
    k.p1 = min(k.p + f.rows, f.d.p);
    k.w = (int)q * f.d.stride - f.d.pad;
    k.gap = own.gap;
    k.x = (size_t)n * (size_t)f.d.h * (size_t)f.d.w * lanes + lane;
    k.y = (((size_t)n * (size_t)f.d.p + (size_t)k.p) * (size_t)f.d.q + q) * lanes + lane;
    return k;
}

/* What relu leaves, and where to; 8 channels. */
template <class T, bool NORM>
RJ_DEVICE void rj_pool_put(struct rj_winner &w, size_t at, int gap, float *y,
                           float *places)
{
    if (NORM)
#pragma unroll
        for (int c = 0; c < RJ_BLOCK; c++)
            if (w.top[c] <= 0) {
                w.top[c] = 0;
                w.place[c] = -1;
            }
    rj_put_eight<T>(y, at, gap, w.top);
    rj_put_eight<T>(places, at, gap, w.place);
}

/* Any window. */
template <class T, bool NORM>
RJ_DEVICE void rj_pool_any(const struct rj_pool_walk &f, struct rj_pool_column k,
                           const struct rj_pool_norm &l, const float *x, float *y,
                           float *places)
{
    const size_t lanes = rj_column_lanes(f.j);
    const int s0 = max(0, -k.w), s1 = min(f.d.r, f.d.w - k.w);

    for (; k.p < k.p1; k.p++, k.y += (size_t)f.d.q * lanes) {
        const int h = k.p * f.d.stride - f.d.pad;
        const int r0 = max(0, -h), r1 = min(f.d.r, f.d.h - h);
        struct rj_winner best;
        rj_winner_none(best, r0 * f.d.r + s0);
        for (int r = r0; r < r1; r++) {
            size_t at =
                k.x + ((size_t)(h + r) * (size_t)f.d.w + (size_t)(k.w + s0)) * lanes;
            for (int s = s0; s < s1; s++, at += lanes) {
                float v[RJ_BLOCK];
                rj_pool_read<T, NORM>(x, at, k.gap, l, v);
#pragma unroll
                for (int c = 0; c < RJ_BLOCK; c++)
                    rj_challenge(best, c, v[c], (float)(r * f.d.r + s));
            }
        }
        rj_pool_put<T, NORM>(best, k.y, k.gap, y, places);
    }
}

/* The winner of three neighbours in row h, numbered 0 .. 2; s0 is the first of them
 * within the picture, s1 the last. */
template <class T, bool NORM>
RJ_DEVICE void rj_pool_three(const float *x, size_t at, size_t lanes, int gap, int s0,
                             int s1, const struct rj_pool_norm &l, struct rj_winner &row)
{
    float v[3][RJ_BLOCK];

    rj_pool_read<T, NORM>(x, at + lanes, gap, l, v[1]);
    if (s0 == 0)
        rj_pool_read<T, NORM>(x, at, gap, l, v[0]);
    if (s1 == 2)
        rj_pool_read<T, NORM>(x, at + 2 * lanes, gap, l, v[2]);
#pragma unroll
    for (int c = 0; c < RJ_BLOCK; c++) {
        row.top[c] = s0 == 0 ? v[0][c] : v[1][c];
        row.place[c] = (float)s0;
        if (s0 == 0)
            rj_challenge(row, c, v[1][c], 1);
        if (s1 == 2)
            rj_challenge(row, c, v[2][c], 2);
    }
}

/* Windows of 3 x 3, 2 apart, with a pad of 1 at most: of three columns the middle one
 * always lies within the picture. */
template <class T, bool NORM>
RJ_DEVICE void rj_pool_3_2(const struct rj_pool_walk &f, struct rj_pool_column k,
                           const struct rj_pool_norm &l, const float *x, float *y,
                           float *places)
{
    const size_t lanes = rj_column_lanes(f.j);
    const int s0 = k.w < 0, s1 = k.w + 2 < f.d.w ? 2 : 1;
    struct rj_winner row;
    bool have = false; // row is that above the window's second

    for (; k.p < k.p1; k.p++, k.y += (size_t)f.d.q * lanes) {
        const int h = 2 * k.p - f.d.pad;
        struct rj_winner best;
        rj_winner_none(best, h < 0 ? 3 + s0 : s0);
#pragma unroll
        for (int r = 0; r < 3; r++) {
            if (h + r < 0 || h + r >= f.d.h)
                continue;
            if (r || !have)
                rj_pool_three<T, NORM>(x,
                                       k.x + ((size_t)(h + r) * (size_t)f.d.w) * lanes +
                                           k.w * (ptrdiff_t)lanes,
                                       lanes, k.gap, s0, s1, l, row);
#pragma unroll
            for (int c = 0; c < RJ_BLOCK; c++)
                rj_challenge(best, c, row.top[c], row.place[c] + (float)(3 * r));
        }
        have = true;
        rj_pool_put<T, NORM>(best, k.y, k.gap, y, places);
    }
}

static inline bool rj_pool_usual(const rj_pool2d *d)
{
    return d->r == 3 && d->stride == 2 && d->pad <= 1;
}

/* ---- backward ---------------------------------------------------------------------- */

/* Pixels as a table, and how to tell their places. */
struct rj_pool_gather {
    rj_pool2d d;
    struct rj_divider w, h, stride;
};

static inline struct rj_pool_gather rj_pool_gather_of(const rj_pool2d *d)
{
    return {*d, rj_divider_of(d->w), rj_divider_of(d->h), rj_divider_of(d->stride)};
}

/* What arrives at a pixel: dy of the windows it won, in reading order. R and STRIDE are 0
 * where they are f's own, and then may be any. */
template <class T, int R, int STRIDE>
RJ_DEVICE void rj_pool_arriving(const struct rj_pool_gather &f, size_t lanes,
                                const rj_eight &own, unsigned pixel, const float *at,
                                const float *dy, float g[RJ_BLOCK])
{
    const unsigned row = rj_divided(pixel, f.w), n = rj_divided(row, f.h);
    const int w = (int)(pixel - row * f.w.by) + f.d.pad;
    const int h = (int)(row - n * f.h.by) + f.d.pad;
    const int side = R ? R : f.d.r, stride = STRIDE ? STRIDE : f.d.stride;
    const int p1 = STRIDE ? h / STRIDE : (int)rj_divided((unsigned)h, f.stride);
    const int q1 = STRIDE ? w / STRIDE : (int)rj_divided((unsigned)w, f.stride);
    const int most = R ? (R + STRIDE - 1) / STRIDE
                       : (int)rj_divided((unsigned)(side + stride - 1), f.stride);

#pragma unroll
    for (int c = 0; c < RJ_BLOCK; c++)
        g[c] = 0;
#pragma unroll(R ? 4 : 1)
    for (int i = most - 1; i >= 0; i--)
#pragma unroll(R ? 4 : 1)
        for (int j = most - 1; j >= 0; j--) {
            const int p = p1 - i, q = q1 - j, r = h - p * stride, s = w - q * stride;
            if (p < 0 || q < 0 || p >= f.d.p || q >= f.d.q || r >= side || s >= side)
                continue;
            const size_t here =
                (((size_t)n * (size_t)f.d.p + (size_t)p) * (size_t)f.d.q + (size_t)q) *
                    lanes +
                (size_t)(own.base + own.first);
            float won[RJ_BLOCK], more[RJ_BLOCK];
            rj_get_eight<T>(at, here, own.gap, won);
            rj_get_eight<T>(dy, here, own.gap, more);
#pragma unroll
            for (int c = 0; c < RJ_BLOCK; c++)
                if (won[c] == (float)(r * side + s))
                    g[c] += more[c];
        }
}

#endif
