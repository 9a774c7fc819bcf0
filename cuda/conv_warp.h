/* conv_warp.h: what a warp of conv_tensor.cu and conv_span.cu multiplies on tensor cores,
 * and how it writes it.
 *
 * A warp has MI tiles of 16 rows and NJ of 8 columns of `out`. Both types of cell are
 * bytes to all of this: ldmatrix moves one float as it does two bfloat16, only the
 * multiply differs. A lane of an mma gets columns 2 t and 2 t + 1 of eight. Rows of
 * weights are put into the tile in such an order that four mma give it 8 t .. 8 t + 7 of
 * 32 columns, or, where a cell is a float, two mma 4 t .. 4 t + 3 of 16: it writes 16
 * bytes at once, next to its neighbours', without an exchange. */
#ifndef RJ_CONV_WARP_H
#define RJ_CONV_WARP_H

#include "conv_tile.h"

/* Column of 32 that row `at` of a tile of weights holds. */
template <class T> RJ_DEVICE int rj_column_of(int at)
{
    constexpr int CELLS = rj_wide<T>::CELLS, TILES = CELLS / 2; // of a lane; mma for them

    return at / (8 * TILES) * (8 * TILES) + (at & 7) / 2 * CELLS + at / 8 % TILES * 2 +
           (at & 1);
}

template <class T>
RJ_DEVICE void rj_multiply(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    if (sizeof(T) == 2)
        rj_multiply_bf16(d, a, b);
    else
        rj_multiply_tf32(d, a, b);
}

/* Half a step of a warp: MI tiles of 16 rows, NJ of 8 columns. */
template <int MI, int NJ> struct rj_halfstep {
    uint32_t a[MI][4], b[NJ / 2][4];
};

/* a, b: the lane's rows in shared memory; chunk: the lane's of this half, times 16. */
template <int MI, int NJ>
RJ_DEVICE void rj_read(rj_halfstep<MI, NJ> &f, const unsigned char *a,
                       const unsigned char *b, int chunk_a, int chunk_b)
{
#pragma unroll
    for (int i = 0; i < MI; i++)
        rj_matrices(f.a[i], a + i * 16 * RJ_ROW + chunk_a);
#pragma unroll
    for (int j = 0; j < NJ / 2; j++)
        rj_matrices(f.b[j], b + j * 16 * RJ_ROW + chunk_b);
}

template <class T, int MI, int NJ>
RJ_DEVICE void rj_multiply_all(float d[MI][NJ][4], const rj_halfstep<MI, NJ> &f)
{
#pragma unroll
    for (int i = 0; i < MI; i++)
#pragma unroll
        for (int j = 0; j < NJ; j++)
            rj_multiply<T>(d[i][j], f.a[i], f.b[j / 2] + j % 2 * 2);
}

/* Whether there is more to do with sums than to write them. */
static inline bool rj_more(const rj_conv_job *job)
{
    return job->split > 1 || job->bias || job->beside || job->relu || job->g.k % RJ_BLOCK;
}

/* What a warp has summed of a part, from row m and column k on; lane 4 g + t. MORE: there
 * is more to do with it. */
template <class T, bool GRID, bool MORE, int MI, int NJ>
RJ_DEVICE void rj_write_all(const rj_conv_job &job, const rj_phase &f, int part, int m,
                            int k, int lane, const float d[MI][NJ][4])
{
    constexpr int N = rj_wide<T>::CELLS, TILES = N / 2, GROUPS = NJ / TILES;
    const int width = rj_channels(job.g.k), first = k + lane % 4 * N;
    float bias[GROUPS][N];

#pragma unroll
    for (int group = 0; MORE && group < GROUPS; group++)
        rj_take_bias<N>(job, first + group * 4 * N, bias[group]);
#pragma unroll
    for (int i = 0; i < 2 * MI; i++) {
        const size_t pixel = rj_pixel_of<GRID>(job.g, f, m + i * 8 + lane / 4);
#pragma unroll
        for (int group = 0; group < GROUPS; group++) {
            const int at = first + group * 4 * N;
            float v[N];
#pragma unroll
            for (int e = 0; e < N; e++)
                v[e] = d[i / 2][group * TILES + e / 2][i % 2 * 2 + e % 2];
            if (pixel != RJ_NOWHERE && at < width) {
                if (MORE)
                    rj_write<T, N>(job, part, pixel, at, bias[group], v);
                else
                    rj_put<T, N>(job.y, pixel * (unsigned)width + (unsigned)at, v);
            }
        }
    }
}

/* Where a lane finds its rows of matrices: of pixels 8 lanes down, then right; of weights
 * right, then down. */
struct rj_lane {
    const unsigned char *a, *b;
    int chunk_a, chunk_b;
};

RJ_DEVICE rj_lane rj_lane_of(const unsigned char *a, const unsigned char *b, int lane)
{
    const int turn = lane % 8 / 2 << 4;
    rj_lane l;

    l.a = a + lane % 16 * RJ_ROW;
    l.b = b + (lane / 16 * 8 + lane % 8) * RJ_ROW;
    l.chunk_a = (lane / 16 << 4) ^ turn, l.chunk_b = (lane / 8 % 2 << 4) ^ turn;
    return l;
}

#endif
