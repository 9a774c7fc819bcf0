/* statistics: op/statistics.c's numbers of plain images.
 *
 * A block has an image and goes down its levels; r_Y and the halved planes lie in `work`,
 * which the caches hold. A lane of a warp has a column of pixels, the warp some rows
 * below one another: going down it keeps of the last two rows what the window needs, so
 * that every number is loaded three times and not nine. Sums of a level are in registers,
 * then added over each warp, then, in double, over warps in their order. The block's last
 * step is a thread for each number, whose logarithms are of double too. Memory is the
 * bound where there are enough images for all multiprocessors. */
#include "cells.h"
#define RJ_EVERYWHERE RJ_DEVICE
#include "device/statistics.h"

enum { WARPS = 8, COLOURS = 3 };

struct level {
    int h, w;
    const float *plane; /* three, one behind the other */
    float *band;        /* r_Y: (h - 2) x (w - 2) */
};

/* Of a row of each colour, three pixels from `at` on. */
struct line {
    float blurred[COLOURS], centre[COLOURS];
};

RJ_DEVICE int lane_of()
{
    return (int)threadIdx.x % 32;
}

RJ_DEVICE int warp_of()
{
    return (int)threadIdx.x / 32;
}

RJ_DEVICE struct line line_of(const float *at, size_t next)
{
    struct line l;

#pragma unroll
    for (int c = 0; c < COLOURS; c++, at += next) {
        l.centre[c] = at[1];
        l.blurred[c] = (at[0] + at[2]) + 2 * at[1];
    }
    return l;
}

RJ_DEVICE float band_of(const struct line &a, const struct line &b, const struct line &c,
                        int colour)
{
    const float blurred = (a.blurred[colour] + c.blurred[colour]) + 2 * b.blurred[colour];

    return 127.5f * (b.centre[colour] - blurred * 0.0625f);
}

/* Sums of single numbers of a band; r_Y is kept. Phases of odd columns are those of odd
 * lanes. */
RJ_DEVICE void add_points(const struct level &v, float sum[RJ_BAND_SUMS])
{
    const int rows = v.h - 2, columns = v.w - 2, each = (rows + WARPS - 1) / WARPS;
    const int first = warp_of() * each, end = min(rows, first + each);
    const size_t next = (size_t)v.h * (size_t)v.w;

    for (int x = lane_of(); x < columns && first < end; x += 32) {
        const float *at = v.plane + (size_t)first * (size_t)v.w + x;
        float *to = v.band + (size_t)first * (size_t)columns + x;
        struct line a = line_of(at, next), b = line_of(at + v.w, next);
        at += 2 * v.w;
#pragma unroll 1
        for (int y = first; y < end; y++, at += v.w, to += columns) {
            const struct line c = line_of(at, next);
            const float r = band_of(a, b, c, 0), g = band_of(a, b, c, 1),
                        blue = band_of(a, b, c, 2);
            const float luma =
                (float)RJ_LUMA_R * r + (float)RJ_LUMA_G * g + (float)RJ_LUMA_B * blue;
            const float power = luma * luma;
            sum[RJ_SUM_RR] += r * r;
            sum[RJ_SUM_GG] += g * g;
            sum[RJ_SUM_BB] += blue * blue;
            sum[RJ_SUM_RG] += r * g;
            sum[RJ_SUM_RB] += r * blue;
            sum[RJ_SUM_GB] += g * blue;
            sum[RJ_SUM_FOURTH] += power * power;
            sum[RJ_SUM_MAGNITUDE] += fabsf(luma);
            sum[RJ_SUM_PHASE] += y % 2 ? 0 : power;
            sum[RJ_SUM_PHASE + 2] += y % 2 ? power : 0;
            *to = luma;
            a = b;
            b = c;
        }
    }
}

/* Sums of products of r_Y with its neighbours, where all of them are. */
RJ_DEVICE void add_pairs(const struct level &v, float sum[RJ_BAND_SUMS])
{
    const int w = v.w - 2;

    for (int y = warp_of(); y < v.h - 4; y += WARPS)
        for (int x = lane_of(); x < w - 2; x += 32) {
            const float *r = v.band + (size_t)y * (size_t)w + x;
            const float right = r[1], below = r[w];
            sum[RJ_SUM_NEAR] += r[0] * (right + below);
            sum[RJ_SUM_SLANT] += r[0] * r[w + 1] + right * below;
            sum[RJ_SUM_FAR] += r[0] * (r[2] + r[2 * w]);
        }
}

/* Sums of Haar details of luma, and the next level's planes, NULL behind the last. */
RJ_DEVICE void halve(const struct level &v, float *next, float sum[RJ_BAND_SUMS])
{
    const float weight[COLOURS] = {(float)(127.5 * RJ_LUMA_R), (float)(127.5 * RJ_LUMA_G),
                                   (float)(127.5 * RJ_LUMA_B)};
    const int h = v.h / 2, w = v.w / 2;

    for (int y = warp_of(); y < h; y += WARPS)
        for (int x = lane_of(); x < w; x += 32) {
            float slope = 0, tilt = 0, twist = 0;
#pragma unroll
            for (int c = 0; c < COLOURS; c++) {
                const float *p = v.plane +
                                 ((size_t)c * (size_t)v.h + 2 * (size_t)y) * (size_t)v.w +
                                 2 * (size_t)x;
                const float p0 = p[0], p1 = p[1], p2 = p[v.w], p3 = p[v.w + 1];
                slope += weight[c] * (p0 - p3);
                tilt += weight[c] * (p1 - p2);
                twist += weight[c] * ((p0 - p1) + (p3 - p2));
                if (next)
                    next[((size_t)c * (size_t)h + (size_t)y) * (size_t)w + (size_t)x] =
                        ((p0 + p1) + (p2 + p3)) * 0.25f;
            }
            sum[RJ_SUM_SIDES] += 0.5f * (slope * slope + tilt * tilt);
            sum[RJ_SUM_CHECK] += 0.25f * (twist * twist);
        }
}

/* Each of this thread's sums to `warps`, added over its warp. */
RJ_DEVICE void add_warp(float sum[RJ_BAND_SUMS], float warps[RJ_BAND_SUMS])
{
    const bool odd = lane_of() % 2;

#pragma unroll
    for (int i = RJ_SUM_PHASE; i < RJ_BAND_SUMS; i += 2) {
        sum[i + 1] = odd ? sum[i] : 0;
        sum[i] = odd ? 0 : sum[i];
    }
#pragma unroll
    for (int i = 0; i < RJ_BAND_SUMS; i++) {
        const float all = rj_warp_sum(sum[i]);
        if (lane_of() == 0)
            warps[i] = all;
    }
}

static __global__ void __launch_bounds__(32 * WARPS)
    statistics(int h, int w, const float *x, float *work, float *y)
{
    RJ_SHARED(float, warps, [WARPS][RJ_BAND_SUMS]);
    RJ_SHARED(double, total, [RJ_BANDS][RJ_BAND_SUMS]);
    const size_t each = (size_t)h * (size_t)w, me = threadIdx.x;
    struct level v = {h, w, x + blockIdx.x * COLOURS * each,
                      work + blockIdx.x * 2 * each};
    float *next = v.band + each;

#pragma unroll 1
    for (int l = 0; l < RJ_BANDS; l++) {
        float sum[RJ_BAND_SUMS] = {};
        add_points(v, sum);
        halve(v, l + 1 < RJ_BANDS ? next : NULL, sum);
        __syncthreads();
        add_pairs(v, sum);
        add_warp(sum, warps[warp_of()]);
        __syncthreads();
        if (me < RJ_BAND_SUMS) {
            double all = 0;
            for (int i = 0; i < WARPS; i++)
                all += (double)warps[i][me];
            total[l][me] = all;
        }
        v = {v.h / 2, v.w / 2, next, v.band};
        next += (size_t)COLOURS * (size_t)v.h * (size_t)v.w;
    }
    __syncthreads();
    if (me < RJ_STATISTICS)
        y[blockIdx.x * RJ_STATISTICS + me] = (float)rj_statistic_of(
            const_cast<const double(*)[RJ_BAND_SUMS]>(total), h, w, (int)me);
}

extern "C" rij_status rj_cuda_statistics(rj_device *dev, const rj_picture *d,
                                         const rj_real *planar, rj_real *work, rj_real *y)
{
    return RJ_LAUNCH_ROWS(dev, statistics, (unsigned)d->n, 32 * WARPS, 0, d->h, d->w,
                          planar, work, y);
}
