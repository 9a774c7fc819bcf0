/* conv_weights_plain.cu: sums of the gradient by weights in float, each product and sum
 * rounded as usual; conv_weights.h says which sums. A thread has 8 x 8 of them: two times
 * four numbers of dy by two times four columns, half a tile apart, so that it reads 16
 * bytes at a time and a warp's reads are next to each other. 16 pixels a stage. */
#include "conv_weights.h"

/* Eight numbers of a row: four at `chunk` and four half a tile after it. */
template <int WIDTH>
RJ_DEVICE void numbers(float v[8], const unsigned char *from, int pixel, int chunk)
{
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const float4 u = rj_load4(reinterpret_cast<const float *>(
            from + weights_place<4, WIDTH, false>(pixel, chunk + h * (WIDTH / 8))));
        v[4 * h] = u.x, v[4 * h + 1] = u.y, v[4 * h + 2] = u.z, v[4 * h + 3] = u.w;
    }
}

template <int BM, int BN>
RJ_DEVICE void multiply(float acc[8][8], const unsigned char *dy, const unsigned char *x,
                        int down, int across)
{
#pragma unroll
    for (int pixel = 0; pixel < 16; pixel++) {
        float a[8], b[8];

        numbers<BM>(a, dy, pixel, down);
        numbers<BN>(b, x, pixel, across);
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int j = 0; j < 8; j++)
                acc[i][j] += a[i] * b[j];
    }
}

template <int BM, int BN>
RJ_DEVICE void keep_all(const rj_weights &g, float *sums, const float acc[8][8], int row,
                        int column)
{
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const int k = row + i / 4 * (BM / 2) + i % 4;
        float *to = sums + (size_t)k * (size_t)g.columns;
#pragma unroll
        for (int j = 0; j < 8; j += 4) {
            const int at = column + j / 4 * (BN / 2);
            if (k < g.k && at < g.columns)
                rj_store4(to + at, make_float4(acc[i][j], acc[i][j + 1], acc[i][j + 2],
                                               acc[i][j + 3]));
        }
    }
}

/* One tile of one piece, as in conv_weights_tensor.cu. */
template <int BM, int BN, int RESIDENT>
static __global__ void __launch_bounds__(BM *BN / 64, RESIDENT)
    weights_plain(const rj_weights g)
{
    constexpr int THREADS = BM * BN / 64, PIXELS = RJ_WEIGHTS_BYTES / 4;
    constexpr int STAGE = (BM + BN) * RJ_WEIGHTS_BYTES, ALL = RJ_WEIGHTS_STAGES * STAGE;
    RJ_DYN_SMEM(unsigned char, shared);
    const int tiles = (g.columns + BN - 1) / BN;
    const int m0 = (int)blockIdx.x / tiles * BM, n0 = (int)blockIdx.x % tiles * BN;
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    const int down = warp / (BN / 64) * 4 + lane / 8;
    const int across = warp % (BN / 64) * 8 + lane % 8;
    const size_t from = (size_t)blockIdx.y * g.each;
    const int n = (int)(g.pixels - from < g.each ? g.pixels - from : g.each);
    weights_dy dy = weights_dy_start<4, BM, THREADS>(g, m0, from, n);
    weights_x x = weights_x_start<4, BN, THREADS>(g, n0, from, n);
    float acc[8][8] = {};
    int filled = 0;

    for (int i = 0; i < RJ_WEIGHTS_STAGES - 1; i++, filled += STAGE) {
        weights_dy_stage<4, BM, THREADS, false>(dy, shared + filled);
        weights_x_stage<4, BN, THREADS, false>(g, x,
                                               shared + filled + BM * RJ_WEIGHTS_BYTES);
        rj_copy_group();
    }
    for (int i = 0, used = 0; i < n; i += PIXELS) {
        rj_copy_wait<RJ_WEIGHTS_STAGES - 2>();
        __syncthreads(); // the stage is whole, and nobody reads the one before it
        weights_dy_stage<4, BM, THREADS, false>(dy, shared + filled);
        weights_x_stage<4, BN, THREADS, false>(g, x,
                                               shared + filled + BM * RJ_WEIGHTS_BYTES);
        rj_copy_group();
        multiply<BM, BN>(acc, shared + used, shared + used + BM * RJ_WEIGHTS_BYTES, down,
                         across);
        filled = filled + STAGE == ALL ? 0 : filled + STAGE;
        used = used + STAGE == ALL ? 0 : used + STAGE;
    }
    rj_copy_wait<0>();
    keep_all<BM, BN>(g, g.sums + (size_t)blockIdx.y * (size_t)g.k * (size_t)g.columns,
                     acc, m0 + down * 4, n0 + across * 4);
}

/* BM, BN, blocks at a time. */
#define TILES(EACH)                                                                      \
    EACH (0, 128, 128, 2)                                                                \
        EACH (1, 64, 64, 6)

#define TILE(i, bm, bn, resident) {bm, bn, 32, 64, resident, 1},
extern const rj_weights_tile rj_weights_plain_tiles[] = {TILES(TILE)};
extern const int rj_weights_plain_count =
    (int)(sizeof rj_weights_plain_tiles / sizeof *rj_weights_plain_tiles);

#define LAUNCH(i, bm, bn, resident)                                                      \
    if (tile == i)                                                                       \
        return launch<bm, bn, resident>(dev, g);

template <int BM, int BN, int RESIDENT>
static rij_status launch(rj_device *dev, const rj_weights *g)
{
    const unsigned tiles =
        rj_blocks((size_t)g->k, BM) * rj_blocks((size_t)g->columns, BN);

    return RJ_LAUNCH_ROWS(dev, (weights_plain<BM, BN, RESIDENT>),
                          dim3(tiles, (unsigned)g->pieces), dim3(BM * BN / 64),
                          (size_t)RJ_WEIGHTS_STAGES * (BM + BN) * RJ_WEIGHTS_BYTES, *g);
}

rij_status rj_weights_plain(rj_device *dev, const rj_weights *g, int tile)
{
    TILES(LAUNCH)
    return rj_called("conv2d: a tile that there is none of", cudaErrorInvalidValue);
}
