/* conv_weights_warp.h: what a warp multiplies in the sums of the gradient by weights, on
 * the units for matrices. Numbers of two bytes: bfloat16, 32 pixels a stage, both factors
 * turned as they are read. Of four: as tf32, 16 pixels a stage; a lane reads four
 * neighbours at a time, which stand for rows of four matrices, so rows of a tile are
 * numbered anew: row g + 8 h of matrix i is row
 *
 *     32 (j / 4) + 4 g + j % 4,    j = 2 i + h,
 *
 * and column g of matrix j the same.
 *
 * x may lie in a ring of RING pixels, of which `first` is the stage's first; RING 0: it
 * is a stage of its own, and `first` 0. */
#ifndef RJ_CONV_WEIGHTS_WARP_H
#define RJ_CONV_WEIGHTS_WARP_H

#include "conv_weights.h"

/* A pixel's place in the ring. */
template <int RING> RJ_DEVICE int ring_place(int pixel)
{
    return RING ? pixel & (RING - 1) : pixel;
}

/* acc += dy^T x over one stage; the warp's tile begins at number m0 and column n0. */
template <int BM, int BN, int WM, int WN, int RING = 0>
RJ_DEVICE void multiply(rj_half, float acc[WM / 16][WN / 8][4], const unsigned char *dy,
                        const unsigned char *x, int m0, int n0, int lane, int first = 0)
{
#pragma unroll
    for (int pixel = 0; pixel < 32; pixel += 16) {
        uint32_t a[WM / 16][4], b[WN / 16][4];
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
            rj_matrices_turned(
                a[i], dy + weights_place<2, BM>(pixel + (lane & 7) + (lane >> 4) * 8,
                                                m0 / 8 + 2 * i + (lane >> 3 & 1)));
#pragma unroll
        for (int j = 0; j < WN / 16; j++)
            rj_matrices_turned(
                b[j],
                x + weights_place<2, BN>(ring_place<RING>(first + pixel + (lane & 15)),
                                         n0 / 8 + 2 * j + (lane >> 4)));
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
            for (int j = 0; j < WN / 8; j++)
                rj_multiply_bf16(acc[i][j], a[i], &b[j / 2][j % 2 * 2]);
    }
}

/* The unit cuts off what tf32 does not hold, which makes numbers smaller; so they are
 * made larger by what that is on average before. What tf32 holds stays as it is; NaN
 * stays NaN. One multiplication: rounding takes more instructions than the unit has time
 * for. */
RJ_DEVICE uint32_t tf32(uint32_t bits)
{
    return __float_as_uint(__uint_as_float(bits) * 1.00035222f); // 1 + 1 / (2048 ln 2)
}

/* A lane's numbers of two rows of pixels, as tf32: COUNT of each. */
template <int WIDTH, int COUNT, int RING>
RJ_DEVICE void numbers(uint32_t v[2][COUNT], const unsigned char *from, int pixel,
                       int chunk)
{
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
        for (int i = 0; i < COUNT; i += 4) {
            const uint4 u =
                rj_load16(from + weights_place<4, WIDTH>(ring_place<RING>(pixel + 4 * h),
                                                         chunk + i / 4 * 8));
            v[h][i] = tf32(u.x);
            v[h][i + 1] = tf32(u.y);
            v[h][i + 2] = tf32(u.z);
            v[h][i + 3] = tf32(u.w);
        }
}

template <int BM, int BN, int WM, int WN, int RING = 0>
RJ_DEVICE void multiply(float, float acc[WM / 16][WN / 8][4], const unsigned char *dy,
                        const unsigned char *x, int m0, int n0, int lane, int first = 0)
{
#pragma unroll
    for (int pixel = 0; pixel < 16; pixel += 8) {
        uint32_t a[2][WM / 8], b[2][WN / 8];

        numbers<BM, WM / 8, 0>(a, dy, pixel + (lane & 3), m0 / 4 + (lane >> 2));
        numbers<BN, WN / 8, RING>(b, x, first + pixel + (lane & 3), n0 / 4 + (lane >> 2));
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
            for (int j = 0; j < WN / 8; j++) {
                const uint32_t rows[4] = {a[0][2 * i], a[0][2 * i + 1], a[1][2 * i],
                                          a[1][2 * i + 1]};
                const uint32_t columns[2] = {b[0][j], b[1][j]};
                rj_multiply_tf32(acc[i][j], rows, columns);
            }
    }
}

/* Four sums of a row, where the row and the columns are there. */
RJ_DEVICE void keep(const rj_weights &g, float *sums, int row, int column, float4 v)
{
    if (row < g.k && column < g.columns)
        rj_store4(sums + (size_t)row * (size_t)g.columns + (size_t)column, v);
}

/* Neighbours exchange two sums each, so that each has four of one row. */
template <int WM, int WN>
RJ_DEVICE void keep_all(rj_half, const rj_weights &g, float *sums,
                        const float acc[WM / 16][WN / 8][4], int row, int column,
                        int lane)
{
    const bool odd = lane & 1;

#pragma unroll
    for (int i = 0; i < WM / 16; i++)
#pragma unroll
        for (int j = 0; j < WN / 8; j++) {
            const float *d = acc[i][j];
            const float a = __shfl_xor_sync(RJ_ALL_LANES, odd ? d[0] : d[2], 1);
            const float b = __shfl_xor_sync(RJ_ALL_LANES, odd ? d[1] : d[3], 1);
            keep(g, sums, row + 16 * i + (lane >> 2) + (odd ? 8 : 0),
                 column + 8 * j + (lane >> 1 & 1) * 4,
                 odd ? make_float4(a, b, d[2], d[3]) : make_float4(d[0], d[1], a, b));
        }
}

/* A lane has eight sums side by side; neighbours exchange four each, so that both write
 * to the same 32 bytes at a time. */
template <int WM, int WN>
RJ_DEVICE void keep_all(float, const rj_weights &g, float *sums,
                        const float acc[WM / 16][WN / 8][4], int row, int column,
                        int lane)
{
    const bool odd = lane & 1;

#pragma unroll
    for (int j = 0; j < WM / 8; j++)
#pragma unroll
        for (int i = 0; i < WN / 8; i += 4) {
            const int r = row + j / 4 * 32 + (lane >> 2) * 4 + j % 4;
            const int c = column + i / 4 * 32 + (lane & 2) * 8 + (odd ? 4 : 0);
            float own[4], got[4];
#pragma unroll
            for (int l = 0; l < 4; l++) {
                const float *d = &acc[j / 2][i + l][j % 2 * 2];
                own[l] = odd ? d[1] : d[0];
                got[l] = __shfl_xor_sync(RJ_ALL_LANES, odd ? d[0] : d[1], 1);
            }
            const float4 a = make_float4(own[0], own[1], own[2], own[3]);
            const float4 b = make_float4(got[0], got[1], got[2], got[3]);
            keep(g, sums, r, c, odd ? b : a);
            keep(g, sums, r, c + 8, odd ? a : b);
        }
}

#endif
