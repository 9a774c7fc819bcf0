/* conv_weights_tensor.cu: sums of the gradient by weights, on the units for matrices;
 * conv_weights.h says which sums. Numbers of two bytes: bfloat16, 32 pixels a stage, both
 * factors turned as they are read. Of four: as tf32, 16 pixels a stage; a lane
 * reads four neighbours at a time, which stand for rows of four matrices, so rows of a
 * tile are numbered anew: row g + 8 h of matrix i is row
 *
 *     32 (j / 4) + 4 g + j % 4,    j = 2 i + h,
 *
 * and column g of matrix j the same. A warp has 64 x 64 sums where it can: it reads
 * 4 numbers from shared memory for 64 products then. */
#include "conv_weights.h"

/* acc += dy^T x over one stage; the warp's tile begins at number m0 and column n0. */
template <int BM, int BN, int WM, int WN>
RJ_DEVICE void multiply(rj_half, float acc[WM / 16][WN / 8][4], const unsigned char *dy,
                        const unsigned char *x, int m0, int n0, int lane)
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
            rj_matrices_turned(b[j],
                               x + weights_place<2, BN>(pixel + (lane & 15),
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
template <int WIDTH, int COUNT>
RJ_DEVICE void numbers(uint32_t v[2][COUNT], const unsigned char *from, int pixel,
                       int chunk)
{
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
        for (int i = 0; i < COUNT; i += 4) {
            const uint4 u = rj_load16(
                from + weights_place<4, WIDTH>(pixel + 4 * h, chunk + i / 4 * 8));
            v[h][i] = tf32(u.x);
            v[h][i + 1] = tf32(u.y);
            v[h][i + 2] = tf32(u.z);
            v[h][i + 3] = tf32(u.w);
        }
}

template <int BM, int BN, int WM, int WN>
RJ_DEVICE void multiply(float, float acc[WM / 16][WN / 8][4], const unsigned char *dy,
                        const unsigned char *x, int m0, int n0, int lane)
{
#pragma unroll
    for (int pixel = 0; pixel < 16; pixel += 8) {
        uint32_t a[2][WM / 8], b[2][WN / 8];

        numbers<BM, WM / 8>(a, dy, pixel + (lane & 3), m0 / 4 + (lane >> 2));
        numbers<BN, WN / 8>(b, x, pixel + (lane & 3), n0 / 4 + (lane >> 2));
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

/* One tile of one piece: blockIdx.x tells the tile, blockIdx.y the piece; so blocks that
 * run together read the same pixels. */
template <class T, int BM, int BN, int WM, int WN, int RESIDENT>
static __global__ void __launch_bounds__(BM / WM * (BN / WN) * 32, RESIDENT)
    weights_tensor(const rj_weights g)
{
    constexpr int SIZE = sizeof(T), THREADS = BM / WM * (BN / WN) * 32;
    constexpr int STAGE = (BM + BN) * RJ_WEIGHTS_BYTES, ALL = RJ_WEIGHTS_STAGES * STAGE;
    constexpr int PIXELS = RJ_WEIGHTS_BYTES / SIZE;
    RJ_DYN_SMEM(unsigned char, shared);
    const int across = (g.columns + BN - 1) / BN;
    const int m0 = (int)blockIdx.x / across * BM, n0 = (int)blockIdx.x % across * BN;
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    const int wm = warp / (BN / WN) * WM, wn = warp % (BN / WN) * WN;
    const size_t from = (size_t)blockIdx.y * g.each;
    const int n = (int)(g.pixels - from < g.each ? g.pixels - from : g.each);
    weights_dy dy = weights_dy_start<SIZE, BM, THREADS>(g, m0, from, n);
    weights_x x = weights_x_start<SIZE, BN, THREADS>(g, n0, from, n);
    float acc[WM / 16][WN / 8][4] = {};
    int filled = 0;

    for (int i = 0; i < RJ_WEIGHTS_STAGES - 1; i++, filled += STAGE) {
        weights_dy_stage<SIZE, BM, THREADS>(dy, shared + filled);
        weights_x_stage<SIZE, BN, THREADS>(g, x, shared + filled + BM * RJ_WEIGHTS_BYTES);
        rj_copy_group();
    }
    for (int i = 0, used = 0; i < n; i += PIXELS) {
        rj_copy_wait<RJ_WEIGHTS_STAGES - 2>();
        __syncthreads(); // the stage is whole, and nobody reads the one before it
        weights_dy_stage<SIZE, BM, THREADS>(dy, shared + filled);
        weights_x_stage<SIZE, BN, THREADS>(g, x, shared + filled + BM * RJ_WEIGHTS_BYTES);
        rj_copy_group();
        multiply<BM, BN, WM, WN>(T(), acc, shared + used,
                                 shared + used + BM * RJ_WEIGHTS_BYTES, wm, wn, lane);
        filled = filled + STAGE == ALL ? 0 : filled + STAGE;
        used = used + STAGE == ALL ? 0 : used + STAGE;
    }
    rj_copy_wait<0>();
    keep_all<WM, WN>(T(), g,
                     g.sums + (size_t)blockIdx.y * (size_t)g.k * (size_t)g.columns, acc,
                     m0 + wm, n0 + wn, lane);
}

/* BM, BN, WM, WN, blocks at a time. */
#define TILES(EACH)                                                                      \
    EACH (0, 128, 128, 64, 64, 2)                                                        \
        EACH (1, 64, 128, 64, 64, 4)                                                     \
            EACH (2, 64, 64, 32, 32, 4)                                                  \
                EACH (3, 32, 128, 32, 64, 6)

#define TILE(i, bm, bn, wm, wn, resident) {bm, bn, wm, wn, resident},
extern const rj_weights_tile rj_weights_tensor_tiles[] = {TILES(TILE)};
extern const int rj_weights_tensor_count =
    (int)(sizeof rj_weights_tensor_tiles / sizeof *rj_weights_tensor_tiles);

#define LAUNCH(i, bm, bn, wm, wn, resident)                                              \
    if (tile == i)                                                                       \
        return launch<bm, bn, wm, wn, resident>(dev, g);

template <int BM, int BN, int WM, int WN, int RESIDENT>
static rij_status launch(rj_device *dev, const rj_weights *g)
{
    const unsigned tiles =
        rj_blocks((size_t)g->k, BM) * rj_blocks((size_t)g->columns, BN);
    const dim3 grid(tiles, (unsigned)g->pieces), block(BM / WM * (BN / WN) * 32);
    const size_t bytes = (size_t)RJ_WEIGHTS_STAGES * (BM + BN) * RJ_WEIGHTS_BYTES;

    return rj_launched(
        "weights_tensor",
        dev->precision == RJ_BF16
            ? RJ_LAUNCH((weights_tensor<rj_half, BM, BN, WM, WN, RESIDENT>), grid, block,
                        bytes, rj_stream(dev), *g)
            : RJ_LAUNCH((weights_tensor<float, BM, BN, WM, WN, RESIDENT>), grid, block,
                        bytes, rj_stream(dev), *g));
}

rij_status rj_weights_tensor(rj_device *dev, const rj_weights *g, int tile)
{
    TILES(LAUNCH)
    return rj_called("conv2d: a tile that there is none of", cudaErrorInvalidValue);
}
