/* conv2d: the convolution, its gradient by data, and the convolution with weights laid
 * out in advance: plans and entries. The product itself is in conv_tensor.cu,
 * conv_span.cu, conv_first.cu and conv_plain.cu, see conv.h.
 *
 * A call lays out its weights, which are few, in the workspace, then multiplies. Images
 * in host order are framed there first: pixels of 4 cells where a row of the window then
 * begins at a multiple of 16 bytes, so that one tap is that whole row and 7 x 7 x 3 are
 * 224 cells and not 392. */
#include "conv_tile.h"
#include "dnn.h"

#include <math.h>

/* ---- geometry --------------------------------------------------------------------- */

static rj_gather forward_gather(const rj_device *dev, const rj_conv *d)
{
    rj_gather g = {};

    g.n = d->n, g.h = d->h, g.w = d->w;
    g.pitch = g.c = g.filled = rj_channels(d->c);
    g.k = d->k, g.out_h = d->p, g.out_w = d->q;
    g.r = d->r, g.s = d->s, g.stride = d->stride, g.pad = d->pad;
    if (!d->planar)
        return g;
    g.h = d->h + 2 * d->pad;
    g.w = (d->w + 2 * d->pad + 1) / 2 * 2;
    g.pad = 0;
    if (d->c <= 4 && (size_t)d->stride * 4 * rj_cell_bytes(dev) % RJ_CHUNK == 0)
        g.pitch = 4;
    g.filled = d->s * g.pitch;
    g.c = rj_channels(g.filled);
    g.s = 1;
    return g;
}

static rj_gather data_gather(const rj_conv *d)
{
    rj_gather g = {};

    g.n = d->n, g.h = d->p, g.w = d->q;
    g.pitch = g.c = g.filled = rj_channels(d->k);
    g.k = d->c, g.out_h = d->h, g.out_w = d->w;
    g.r = d->r, g.s = d->s, g.stride = d->stride, g.pad = d->pad;
    g.by_data = true;
    return g;
}

/* ---- plans ------------------------------------------------------------------------ */

static const struct {
    int rows, columns, warps;
} tiles[RJ_TILES] = {{128, 128, 4}, {128, 64, 4},  {128, 256, 8}, {256, 128, 8},
                     {256, 64, 8},  {128, 128, 4}, {128, 64, 4},  {64, 64, 4}};

/* Blocks of a product: tiles of all phases, of `pixels` rows. */
static double tiles_of(const rj_gather *g, int tile, double pixels)
{
    return ceil(pixels / tiles[tile].rows) *
           ceil((double)rj_channels(g->k) / tiles[tile].columns) * rj_phases(g);
}

/* Whether two parts are summed by a pair of blocks. */
static bool in_pairs(const rj_device *dev, const rj_gather *g, int tile, int split)
{
    return split == 2 && dev->precision != RJ_FP32 && tile > RJ_SPAN_128_64 &&
           2 * tiles_of(g, tile, rj_gather_rows(g)) <= RJ_WORDS;
}

/* Cycles that adding up takes: a launch, and parts written and read at 12 bytes a cycle;
 * or a wait, and one part so, at the L2's 24. */
static double adding(const rj_device *dev, const rj_gather *g, int tile, int split)
{
    const double each =
        (double)rj_gather_pixels(g) * rj_channels(g->k) * 4 / rj_multiprocessors(dev);

    if (split == 1)
        return 0;
    return in_pairs(dev, g, tile, split) ? 1000 + each * 2 / 24
                                         : 4000 + each * (2 * split + 1) / 12;
}

/* Cycles that a product takes, roughly. Blocks go round the multiprocessors, and steps
 * take what is slower of a block's arithmetic and of the 24 bytes a cycle that the L2
 * gives each; beside them a block takes as long as to find its pixels and to write. A
 * span of pixels is read once for all taps, but pixels of the grid's zeros cost too. */
static double cycles(const rj_device *dev, const rj_gather *g, int tile, int split)
{
    const int sms = rj_multiprocessors(dev), m = tiles[tile].rows,
              n = tiles[tile].columns;
    const double phases = rj_phases(g), row = RJ_ROW / (double)rj_cell_bytes(dev);
    const double steps = (double)g->r * g->s * g->c / row / phases / split;
    double pixels = rj_gather_rows(g), read = m;
    double step = dev->precision == RJ_FP32 ? m * n / 4.0 : m * n / 36.0;

    if (tile <= RJ_SPAN_128_64) {
        const rj_phase f = rj_span_grid(g);
        pixels = (double)g->n * f.p * f.q;
        read = rj_span_rows(dev, g, (rj_tile)tile) / (double)(g->r * g->s);
    }
    const double blocks = tiles_of(g, tile, pixels) * split;
    const double rounds = ceil(blocks / sms);
    if (rounds * tiles[tile].warps < 8) // nobody works while a block waits
        step *= 1.3;
    const double taken = fmax(rounds * step, blocks / sms * RJ_ROW / 24 * (read + n));
    return ceil(steps) * taken + rounds * (500 + m * n / 8.0) +
           adding(dev, g, tile, split);
}

/* Whether a tile can do it, in `split` parts. */
static bool can(const rj_device *dev, const rj_gather *g, int tile, int split)
{
    const int steps =
        g->r * g->s * g->c / rj_phases(g) * (int)rj_cell_bytes(dev) / RJ_ROW;

    if (tile <= RJ_SPAN_128_64)
        return split == 1 && rj_span_rows(dev, g, (rj_tile)tile);
    if (tile < RJ_TILE_128_64 && dev->precision == RJ_FP32)
        return false;
    // in bfloat16 there are too few steps to each block's beginning and end
    if (tile == RJ_TILE_256_64 && dev->precision != RJ_TF32)
        return false;
    return split == 1 || steps / split >= 4;
}

/* The best tile, and the number of parts of the reduction; the same shape on the same
 * device always has the same. */
static rj_tile plan(const rj_device *dev, const rj_gather *g, int *split)
{
    rj_tile best = RJ_TILES;
    double least = 0;

    *split = 1;
    if (rj_first_fits(dev, g))
        return RJ_FIRST;
    for (int tile = 0; tile < RJ_TILES; tile++)
        for (int parts = 1; parts <= 32; parts++) {
            if (!can(dev, g, tile, parts))
                continue;
            const double t = cycles(dev, g, tile, parts);
            if (best == RJ_TILES || t < least)
                least = t, best = (rj_tile)tile, *split = parts;
        }
    return best;
}

/* Memory of a call, in bytes: parts, weights, framed images. */
struct rj_needs {
    size_t parts, weights, images;
};

static rj_needs needs(const rj_device *dev, const rj_conv_job *job, rj_tile tile,
                      bool planar)
{
    const rj_gather *g = &job->g;
    const size_t cells = (size_t)g->n * (size_t)g->h * (size_t)g->w * (size_t)g->pitch;
    const size_t parts = job->pairs ? 1 : job->split > 1 ? (size_t)job->split : 0;
    rj_needs n;

    n.parts =
        rj_whole(parts * rj_gather_pixels(g) * (size_t)rj_channels(g->k) * sizeof(float));
    n.weights = rj_whole(rj_gather_weights(g) * rj_cell_bytes(dev));
    n.images = planar ? rj_whole((tile == RJ_FIRST ? rj_first_cells(g) : cells) *
                                 rj_cell_bytes(dev))
                      : 0;
    return n;
}

/* ---- sums of parts ---------------------------------------------------------------- */

/* Sixteen bytes of cells a thread, parts in their order. */
template <class T>
static __global__ void __launch_bounds__(256) add_parts(const rj_conv_job job, size_t all)
{
    constexpr int N = rj_wide<T>::CELLS;
    const int groups = rj_channels(job.g.k) / N;
    const size_t at = (size_t)blockIdx.x * 256 + threadIdx.x;
    float v[N] = {}, bias[N];

    if (at >= all)
        return;
    const size_t pixel = at / (unsigned)groups;
    const int k = (int)(at - pixel * (unsigned)groups) * N;
    for (int i = 0; i < job.split; i++) {
        float u[N];
        rj_get_part<N>(job.part, ((size_t)i * all + at) * N, u);
#pragma unroll
        for (int e = 0; e < N; e++)
            v[e] += u[e];
    }
    rj_take_bias<N>(job, k, bias);
    rj_finish<T, N>(job, pixel, k, bias, v);
}

/* ---- entries ---------------------------------------------------------------------- */

static rij_status multiply(rj_device *dev, const rj_conv_job *job, rj_tile tile)
{
    if (dev->precision == RJ_FP32)
        return rj_conv_plain(dev, job, tile);
    if (tile == RJ_FIRST)
        return rj_conv_first(dev, job);
    if (tile <= RJ_SPAN_128_64)
        return rj_conv_span(dev, job, tile);
    return rj_conv_tensor(dev, job, tile);
}

/* x by x, y and the rest are the job's; weights (K,C,R,S) are `w`, or, if that is NULL,
 * lie in job->w already. */
static rij_status run(rj_device *dev, const rj_conv *d, const rj_real *w,
                      rj_conv_job *job)
{
    const rj_gather *g = &job->g;
    const rj_tile tile = plan(dev, g, &job->split);
    const bool planar = d->planar && !g->by_data;
    const size_t all =
        rj_gather_pixels(g) * (size_t)rj_channels(g->k) / (size_t)rj_wide_cells(dev);
    void *memory = NULL;

    if (in_pairs(dev, g, tile, job->split))
        job->pairs = rj_words(dev);
    const rj_needs n = needs(dev, job, tile, planar);
    const size_t bytes = n.parts + n.images + (w ? n.weights : 0);
    if (bytes)
        RJ_TRY(rj_workspace(dev, bytes, &memory));
    job->part = (float *)memory;
    if (planar) {
        rj_real *const to = (rj_real *)((char *)memory + n.parts);
        RJ_TRY(tile == RJ_FIRST ? rj_first_frame(dev, g, d, job->x, to)
                                : rj_conv_frame(dev, g, d, job->x, to));
        job->x = to;
    }
    if (w) {
        rj_real *const to = (rj_real *)((char *)memory + n.parts + n.images);
        RJ_TRY(rj_conv_pack(dev, g, d, w, to));
        job->w = to;
    }
    RJ_TRY(multiply(dev, job, tile));
    return job->split > 1 && !job->pairs
               ? RJ_LAUNCH_CELLS(dev, add_parts, rj_blocks(all, 256), 256, 0, *job, all)
               : RIJ_OK;
}

rij_status rj_cuda_conv2d(rj_device *dev, const rj_conv *d, const rj_real *x,
                          const rj_real *w, const rj_real *bias, rj_real *y)
{
    rj_conv_job job = {};

    if (rj_dnn_wanted(dev, d, RJ_DNN_FORWARD, bias != NULL))
        return rj_dnn_conv2d(dev, d, x, w, bias, y);
    job.g = forward_gather(dev, d);
    job.x = x, job.bias = bias, job.y = y;
    return run(dev, d, w, &job);
}

rij_status rj_cuda_conv2d_grad_x(rj_device *dev, const rj_conv *d, const rj_real *dy,
                                 const rj_real *w, bool add, rj_real *dx)
{
    rj_conv_job job = {};

    if (rj_dnn_wanted(dev, d, RJ_DNN_BY_DATA, add))
        return rj_dnn_conv2d_grad_x(dev, d, dy, w, add, dx);
    job.g = data_gather(d);
    job.x = dy, job.beside = add ? dx : NULL, job.y = dx;
    return run(dev, d, w, &job);
}

/* Bias, or zeros, then weights. */
static __global__ void lay_bias(int k, const float *bias, float *to)
{
    const int i = (int)(blockIdx.x * 256 + threadIdx.x);

    if (i < rj_channels(k))
        to[i] = bias && i < k ? bias[i] : 0;
}

rij_status rj_cuda_conv2d_prepare(rj_device *dev, const rj_conv *d, const rj_real *w,
                                  const rj_real *bias, size_t *n, rj_real *ready)
{
    const rj_gather g = forward_gather(dev, d);
    const size_t kp = (size_t)rj_channels(d->k);

    *n = kp + rj_gather_weights(&g) * rj_cell_bytes(dev) / sizeof *ready;
    if (!ready)
        return RIJ_OK;
    RJ_TRY(RJ_LAUNCH_ROWS(dev, lay_bias, rj_blocks(kp, 256), 256, 0, d->k, bias, ready));
    return rj_conv_pack(dev, &g, d, w, ready + kp);
}

rij_status rj_cuda_conv2d_prepared(rj_device *dev, const rj_conv *d, const rj_real *x,
                                   const rj_real *ready, const rj_real *beside, bool relu,
                                   rj_real *y)
{
    rj_conv_job job = {};

    job.g = forward_gather(dev, d);
    job.x = x, job.w = ready + rj_channels(d->k), job.bias = ready;
    job.beside = beside, job.relu = relu, job.y = y;
    return run(dev, d, NULL, &job);
}
