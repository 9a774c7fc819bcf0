/* conv_weights.cu: the gradient of a convolution by its weights, and by its bias.
 *
 *     dw[k][c][r][s] += sum_npq dy[n][k][p][q] x[n][c][p stride + r - pad][q stride + s -
 * pad]
 *
 * A product of matrices for each piece of the pixels (conv_weights.h), so many pieces as
 * fill the machine; then the sums of all pieces are added in their order, turned from
 * [k][tap][lane] to (K,C,R,S), and added to dw. What the pieces are depends on the shape
 * and on the number of multiprocessors alone, so the same call gives the same bits.
 *
 * Images as the host has them have few channels, three say, which in blocks of 8 would be
 * products with zeros for the most part. They are unfolded first: x' [n][h][q][s C + c]
 * is what row h of a window at q sees, and the window has R taps then, not R S. */
#include "conv_weights.h"
#include "dnn.h"

/* One row h of an image, unfolded; a thread makes eight cells at a time. */
template <class T>
static __global__ void __launch_bounds__(256)
    weights_unfold(const rj_conv d, int lanes, const float *x, float *y)
{
    const size_t row = blockIdx.x, n = row / (size_t)d.h, h = row % (size_t)d.h;
    const size_t plane = (size_t)d.h * (size_t)d.w;
    const float *from = x + n * (size_t)d.c * plane + h * (size_t)d.w;
    const int eights = lanes / 8;

    for (int i = (int)threadIdx.x; i < d.q * eights; i += (int)blockDim.x) {
        const int q = i / eights, first = i % eights * 8;
        int s = first / d.c, c = first % d.c;
        float v[8];
        for (int l = 0; l < 8; l++) {
            const int at = q * d.stride + s - d.pad;
            const bool there = s < d.s && at >= 0 && at < d.w;
            v[l] = there ? from[(size_t)c * plane + (size_t)at] : 0;
            if (++c == d.c)
                c = 0, s++;
        }
        rj_cell<T>::set_eight(
            y, (row * (size_t)d.q + (size_t)q) * (size_t)lanes + (size_t)first, v);
    }
}

enum { ROWS = 16, LANES = 32 };

/* How rows [k][tap] of sums become dw. */
typedef struct turn {
    const float *sums;
    float *dw;
    int pieces, k, taps, lanes;
    int rows, ks;         /* a block's: of `ks` whole ks, or a part of the taps of one */
    int by_rows, by_taps; /* 2^16 / rows and / taps, rounded up */
    int c, s;             /* dw's; s is 1 where x is no unfolded picture */
} turn;

/* The sums of all pieces of a block's rows and 32 lanes. A warp has one row; a quarter of
 * it every fourth piece, four lanes a thread. */
RJ_DEVICE void add_pieces(const turn &t, float sum[ROWS][LANES + 1], size_t first,
                          int rows)
{
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    const int at = (int)blockIdx.y * LANES + lane % 8 * 4;
    const size_t piece = (size_t)t.k * (size_t)t.taps * (size_t)t.lanes;
    const float *from = t.sums + (first + (size_t)warp) * (size_t)t.lanes + (size_t)at;
    float v[4] = {0, 0, 0, 0};

    if (warp < rows && at < t.lanes)
#pragma unroll 8
        for (int i = lane / 8; i < t.pieces; i += 4) {
            const float4 u = rj_load4(from + (size_t)i * piece);
            v[0] += u.x, v[1] += u.y, v[2] += u.z, v[3] += u.w;
        }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        v[i] += __shfl_xor_sync(RJ_ALL_LANES, v[i], 8);
        v[i] += __shfl_xor_sync(RJ_ALL_LANES, v[i], 16);
        if (lane < 8)
            sum[warp][lane * 4 + i] = v[i];
    }
}

static __global__ void __launch_bounds__(ROWS * 32) weights_add(const turn t)
{
    RJ_SHARED(float, sum, [ROWS][LANES + 1]);
    const int k = (int)blockIdx.x * t.ks, tap = (int)blockIdx.z * t.rows;
    const int here = t.ks > 1 ? (t.k - k < t.ks ? t.k - k : t.ks) * t.taps
                              : (t.taps - tap < t.rows ? t.taps - tap : t.rows);
    const int thread = (int)threadIdx.x;
    int lane = thread * t.by_rows >> 16, row = thread - lane * t.rows;

    add_pieces(t, sum, (size_t)k * (size_t)t.taps + (size_t)tap, here);
    __syncthreads();
    if (t.taps == 1)
        lane = thread % LANES, row = thread / LANES;
    if (row < here && (int)blockIdx.y * LANES + lane < t.c * t.s) {
        const int l = (int)blockIdx.y * LANES + lane;
        const int across = t.s > 1 ? l / t.c : 0, c = l - across * t.c;
        const int more = t.ks > 1 ? row * t.by_taps >> 16 : 0;
        const size_t plane = (size_t)(k + more) * (size_t)t.c + (size_t)c;
        const size_t at = plane * (size_t)t.taps + (size_t)(tap + row - more * t.taps);
        t.dw[at * (size_t)t.s + (size_t)across] += sum[row][lane];
    }
}

static rij_status add(rj_device *dev, const rj_conv *d, const rj_weights *g, rj_real *dw)
{
    const int taps = g->columns / g->lanes;
    const int ks = taps < ROWS ? ROWS / taps : 1, rows = taps < ROWS ? ks * taps : ROWS;
    const turn t = {g->sums,
                    dw,
                    g->pieces,
                    g->k,
                    taps,
                    g->lanes,
                    rows,
                    ks,
                    (65536 + rows - 1) / rows,
                    (65536 + taps - 1) / taps,
                    d->c,
                    d->planar ? d->s : 1};
    const dim3 grid(rj_blocks((size_t)g->k, (size_t)ks),
                    rj_blocks((size_t)g->lanes, LANES),
                    ks > 1 ? 1 : rj_blocks((size_t)taps, ROWS));

    return RJ_LAUNCH_ROWS(dev, weights_add, grid, dim3((unsigned)rows * 32), 0, t);
}

/* Clocks of a multiprocessor that a pixel takes in a tile: its unit's, shared memory's
 * (128 bytes each), or those of the memory that all share (24), which is read for what
 * is there and not for the rest of a tile. */
static double clocks(const rj_weights *g, const rj_weights_tile *t, int size, bool tensor)
{
    const int warps = t->bm / t->wm * (t->bn / t->wn);
    const double unit = t->bm * t->bn / (tensor ? size == 2 ? 1024. : 512. : 64.);
    const double own = ((t->wm + t->wn) * warps + t->bm + t->bn / t->taps) * size / 128.;
    const double high = (double)g->kp / rj_blocks((size_t)g->kp, (size_t)t->bm);
    const double wide =
        (double)g->columns / t->taps / rj_blocks((size_t)g->columns, (size_t)t->bn);
    const double common = (high + wide) * size / 24;
    const double most = unit > own ? unit : own;

    return most > common ? most : common;
}

/* Pixels of a piece with tile t, so that the whole takes fewest clocks; `best` is what it
 * takes at the best so far, and `g` is changed where this is better. Blocks on every
 * multiprocessor are 1 to 8; fewer than 8 warps have nothing to do while they wait. */
static bool cut(rj_weights *g, const rj_weights_tile *t, int size, bool tensor,
                int machine, double *best)
{
    const size_t tiles = (size_t)rj_blocks((size_t)g->k, (size_t)t->bm) *
                         rj_blocks((size_t)g->columns, (size_t)t->bn);
    const size_t stage = (size_t)(RJ_WEIGHTS_BYTES / size);
    const size_t pixels = t->taps > 1 ? g->grid_pixels : g->pixels;
    const size_t stages = (pixels + stage - 1) / stage;
    const size_t sums = (size_t)g->k * (size_t)g->columns;
    const size_t most = ((size_t)16 << 20) / sums; // sums of that many pieces are little
    const int warps = t->bm / t->wm * (t->bn / t->wn);
    bool better = false;

    for (int blocks = 1; blocks <= 8; blocks++) {
        size_t pieces = (size_t)machine * (size_t)blocks / tiles, each;
        double time;
        if (pieces < pixels / 8192) // long sums in float are less exact
            pieces = most < pixels / 8192 ? most : pixels / 8192;
        if (pieces < pixels >> 30)
            pieces = pixels >> 30;
        pieces = pieces < 1 ? 1 : pieces > stages ? stages : pieces;
        pieces = pieces > 65535 ? 65535 : pieces;
        each = (stages + pieces - 1) / pieces;
        pieces = (stages + each - 1) / each;
        time = (double)((tiles * pieces + (size_t)machine - 1) / (size_t)machine);
        time = (time * warps < 8 ? 1.5 : 1) * time * (double)(each * stage) *
                   clocks(g, t, size, tensor) +
               2000 * (1 + (int)time / t->resident) +
               (double)(pieces * sums) * 8 / (32. * machine);
        if (time >= *best)
            continue;
        *best = time;
        better = true;
        g->pieces = (int)pieces;
        g->each = each * stage;
    }
    return better;
}

/* Which tile, and how many pieces. */
static int plan(rj_device *dev, rj_weights *g)
{
    const bool tensor = dev->precision != RJ_FP32;
    const int size = (int)rj_cell_bytes(dev);
    const rj_weights_tile *tiles =
        tensor ? rj_weights_tensor_tiles : rj_weights_plain_tiles;
    const int n = tensor ? rj_weights_tensor_count : rj_weights_plain_count;
    double best = 1e300;
    int tile = 0;

    rj_weights_grid(g);
    for (int i = 0; i < n; i++)
        if ((tiles[i].taps == 1 || g->grid_pixels) &&
            cut(g, &tiles[i], size, tensor, rj_multiprocessors(dev), &best))
            tile = i;
    return tile;
}

static rj_weights geometry(const rj_conv *d)
{
    rj_weights g = {};

    g.pixels = (size_t)d->n * (size_t)d->p * (size_t)d->q;
    g.k = d->k;
    g.kp = rj_channels(d->k);
    g.lanes = rj_channels(d->planar ? d->s * d->c : d->c);
    g.taps_across = d->planar ? 1 : d->s;
    g.columns = d->r * g.taps_across * g.lanes;
    g.h = d->h;
    g.w = d->planar ? d->q : d->w;
    g.p = d->p;
    g.q = d->q;
    g.stride = d->stride;
    g.pad = d->pad;
    g.stride_across = d->planar ? 1 : d->stride;
    g.pad_across = d->planar ? 0 : d->pad;
    return g;
}

rij_status rj_cuda_conv2d_grad_w(rj_device *dev, const rj_conv *d, const rj_real *x,
                                 const rj_real *dy, rj_real *dw, rj_real *db)
{
    const rj_picture out = {d->n, d->k, d->p, d->q};
    const size_t size = rj_cell_bytes(dev);
    rj_weights g = geometry(d);
    const int tile = plan(dev, &g);
    const size_t unfolded = d->planar ? rj_whole((size_t)d->n * (size_t)d->h *
                                                 (size_t)d->q * (size_t)g.lanes * size)
                                      : 0;
    const size_t sums =
        rj_whole((size_t)g.pieces * (size_t)g.k * (size_t)g.columns * sizeof(float));
    const size_t bias = db ? rj_bias_sums_bytes(dev, &out) : 0;
    void *memory;
    unsigned char *at;

    if (rj_dnn_wanted(dev, d, RJ_DNN_BY_WEIGHTS, false))
        return rj_dnn_conv2d_grad_w(dev, d, x, dy, dw, db);
    RJ_TRY(rj_workspace(dev, unfolded + sums + bias, &memory));
    at = static_cast<unsigned char *>(memory);
    g.x = d->planar ? memory : x;
    g.dy = dy;
    g.sums = reinterpret_cast<float *>(at + unfolded);
    if (d->planar)
        RJ_TRY(RJ_LAUNCH_CELLS(dev, weights_unfold, dim3((unsigned)d->n * (unsigned)d->h),
                               dim3(256), 0, *d, g.lanes, x,
                               static_cast<float *>(memory)));
    RJ_TRY(dev->precision == RJ_FP32 ? rj_weights_plain(dev, &g, tile)
                                     : rj_weights_tensor(dev, &g, tile));
    RJ_TRY(add(dev, d, &g, dw));
    return db ? rj_bias_sums(dev, &out, dy, at + unfolded + sums, db) : RIJ_OK;
}
