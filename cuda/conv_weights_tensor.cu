/* conv_weights_tensor.cu: sums of the gradient by weights, on the units for matrices;
 * conv_weights.h says which sums, conv_weights_warp.h what a warp does. It has 64 x 64
 * sums where it can: it reads 4 numbers from shared memory for 64 products then. */
#include "conv_weights_warp.h"

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
    EACH (0, 128, 256, 64, 64, 1)                                                        \
        EACH (1, 256, 128, 64, 64, 1)                                                    \
            EACH (2, 64, 192, 32, 64, 2)                                                 \
                EACH (3, 128, 128, 64, 64, 2)                                            \
                    EACH (4, 64, 128, 64, 64, 4)                                         \
                        EACH (5, 64, 64, 32, 32, 4)                                      \
                            EACH (6, 32, 128, 32, 64, 6)

#define TILE(i, bm, bn, wm, wn, resident) {bm, bn, wm, wn, resident, 1},
extern const rj_weights_tile rj_weights_tensor_tiles[] = {TILES(TILE) RJ_WEIGHTS_SPANS};
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
    const auto half = weights_tensor<rj_half, BM, BN, WM, WN, RESIDENT>;
    const auto single = weights_tensor<float, BM, BN, WM, WN, RESIDENT>;

    RJ_TRY(rj_allow_shared(dev,
                           dev->precision == RJ_BF16
                               ? reinterpret_cast<const void *>(half)
                               : reinterpret_cast<const void *>(single),
                           bytes));
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
    if (tile < rj_weights_tensor_count)
        return rj_weights_span(dev, g, rj_weights_tensor_tiles[tile].bm);
    return rj_called("conv2d: a tile that there is none of", cudaErrorInvalidValue);
}
