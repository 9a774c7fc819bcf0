/* conv_weights_span.cu: the sums of conv_weights_tensor.cu where three taps of a row of
 * the window share what they read of x: windows three wide of stride 1, and pixels of a
 * multiple of 64 cells.
 *
 * Pixels of dy are numbered in rows that are longer than the pictures', by as many zeros
 * as the window hangs over; then tap j of pixel m is pixel m + j of x in the same
 * numbers, whatever m, for the zeros after a row are those before the next. A block has
 * BM numbers of dy and 64 cells at the three taps; x passes through a ring of STAGES
 * stages in shared memory, and a tap only moves where matrices are read. Per stage of 64
 * bytes of each row it reads BM + 64 rows, not BM + 192. At the zeros dy is 0: 1/57 of
 * the products of pictures 56 wide. */
#include "conv_weights_warp.h"

enum { TAPS = 3, CELLS = 64, STAGES = 4 };

/* What a tap reads past the end of a row is left of the next one, and zero in both. */
void rj_weights_grid(rj_weights *g)
{
    const int past = g->w + g->pad_across, before = g->q + TAPS - 1 - g->pad_across;
    const int row = past > before ? past : before;

    if (g->taps_across != TAPS || g->stride != 1 || g->stride_across != 1 ||
        g->lanes % CELLS)
        return;
    g->grid_q = row > g->q ? row : g->q;
    g->grid_pixels = g->pixels / (size_t)g->q * (size_t)g->grid_q;
}

/* What walks over dy, as over a picture of its own whose window is one pixel; and over x,
 * a window of which is its left tap. Both count in the grid. */
RJ_DEVICE rj_weights walk_of_dy(const rj_weights &g)
{
    rj_weights d = g;

    d.x = g.dy;
    d.lanes = d.columns = g.kp;
    d.h = g.p, d.w = g.q, d.q = g.grid_q;
    d.taps_across = 1, d.pad = d.pad_across = 0;
    return d;
}

RJ_DEVICE rj_weights walk_of_x(const rj_weights &g)
{
    rj_weights x = g;

    x.q = g.grid_q;
    return x;
}

/* One tile of one piece: blockIdx.x tells numbers of dy, row of the window and cells,
 * blockIdx.y the piece. */
template <class T, int BM, int RESIDENT>
static __global__ void __launch_bounds__(BM / 32 * TAPS * 32, RESIDENT)
    weights_span(const rj_weights g)
{
    constexpr int SIZE = sizeof(T), COPIERS = 2 * BM; // threads that copy
    constexpr int PIXELS = RJ_WEIGHTS_BYTES / SIZE, RING = STAGES * PIXELS;
    constexpr int DY = BM * RJ_WEIGHTS_BYTES, X = CELLS * RJ_WEIGHTS_BYTES;
    RJ_DYN_SMEM(unsigned char, shared);
    unsigned char *const ring = shared + STAGES * DY;
    const int parts = g.lanes / CELLS, rows = g.columns / (TAPS * g.lanes);
    const int part = (int)blockIdx.x % parts, row = (int)blockIdx.x / parts % rows;
    const int m0 = (int)blockIdx.x / parts / rows * BM;
    const int n0 = row * TAPS * g.lanes + part * CELLS;
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    const int wm = warp / TAPS * 32, tap = warp % TAPS;
    const size_t from = (size_t)blockIdx.y * g.each, all = g.grid_pixels - from;
    const int n = (int)(all < g.each ? all : g.each);
    const int seen = (int)(all < g.each + TAPS - 1 ? all : g.each + TAPS - 1);
    const rj_weights of_dy = walk_of_dy(g), of_x = walk_of_x(g);
    weights_x dy = weights_x_start<SIZE, BM, COPIERS>(of_dy, m0, from, n);
    weights_x x = weights_x_start<SIZE, CELLS, COPIERS>(of_x, n0, from, seen);
    float acc[2][8][4] = {};
    int filled = 0;

    for (int i = 0; i < STAGES - 1; i++, filled++) {
        if (threadIdx.x < COPIERS) {
            weights_x_stage<SIZE, BM, COPIERS>(of_dy, dy, shared + filled * DY);
            weights_x_stage<SIZE, CELLS, COPIERS>(of_x, x, ring + filled * X);
        }
        rj_copy_group();
    }
    for (int i = 0, used = 0; i < n; i += PIXELS) {
        rj_copy_wait<STAGES - 3>(); // taps reach into the stage after this one
        __syncthreads();
        if (threadIdx.x < COPIERS) {
            weights_x_stage<SIZE, BM, COPIERS>(of_dy, dy, shared + filled * DY);
            weights_x_stage<SIZE, CELLS, COPIERS>(of_x, x, ring + filled * X);
        }
        rj_copy_group();
        multiply<BM, CELLS, 32, CELLS, RING>(T(), acc, shared + used * DY, ring, wm, 0,
                                             lane, used * PIXELS + tap);
        filled = (filled + 1) % STAGES;
        used = (used + 1) % STAGES;
    }
    rj_copy_wait<0>();
    keep_all<32, CELLS>(T(), g,
                        g.sums + (size_t)blockIdx.y * (size_t)g.k * (size_t)g.columns,
                        acc, m0 + wm, n0 + tap * g.lanes, lane);
}

template <int BM, int RESIDENT>
static rij_status launch(rj_device *dev, const rj_weights *g)
{
    const unsigned tiles =
        rj_blocks((size_t)g->k, BM) * (unsigned)(g->columns / (TAPS * CELLS));
    const dim3 grid(tiles, (unsigned)g->pieces), block(BM / 32 * TAPS * 32);
    const size_t bytes = (size_t)STAGES * (BM + CELLS) * RJ_WEIGHTS_BYTES;

    return rj_launched("weights_span",
                       dev->precision == RJ_BF16
                           ? RJ_LAUNCH((weights_span<rj_half, BM, RESIDENT>), grid, block,
                                       bytes, rj_stream(dev), *g)
                           : RJ_LAUNCH((weights_span<float, BM, RESIDENT>), grid, block,
                                       bytes, rj_stream(dev), *g));
}

rij_status rj_weights_span(rj_device *dev, const rj_weights *g, int bm)
{
    return bm == 128 ? launch<128, 1>(dev, g) : launch<64, 2>(dev, g);
}
