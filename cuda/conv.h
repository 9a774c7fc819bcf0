/* conv.h: a convolution as a product of matrices; what its kernels share.
 *
 *     out[m][k] = sum over taps (i, j) and cells c of in[pixel(m, i, j)][c] w[k][i][j][c]
 *
 * m counts pixels written, and a pixel read is that of tap (0, 0) moved by (i, j). So go
 * the convolution, with a tap for each place of the window, and its gradient by data,
 * which gathers dy. With stride s the pixels (h, v) of dx fall into s * s phases, by
 * (h + pad) % s and (v + pad) % s; a phase meets every s-th row and column of the window
 * only, and is a convolution of stride 1 with these as its taps, in reverse. Nothing is
 * multiplied by zeros put in between. A phase that meets nothing writes zeros.
 *
 * Weights lie as the kernels read them: [k][taps][c], of each phase in turn, in the
 * pictures' type of cell; where products are of tf32 they are rounded to it, once.
 * Pictures are not: the hardware ignores the lower 13 bits of what it multiplies.
 *
 * Pixels of a picture are counted in int: fewer than 2^31, which in cells of bfloat16 are
 * 32 GB at least. */
#ifndef RJ_CONV_H
#define RJ_CONV_H

#include "cells.h"

/* What is multiplied: dims without memory. */
struct rj_gather {
    int n, h, w;           /* pictures read, and their pixels */
    int pitch;             /* cells from one pixel to the next */
    int c, filled;         /* cells read at a tap, a multiple of 8; those that count */
    int k, out_h, out_w;   /* pictures written */
    int r, s, stride, pad; /* of the window, in taps */
    bool by_data;
};

/* One phase of it; the convolution itself is one phase. */
struct rj_phase {
    int p, q;             /* pixels it writes of each picture */
    int taps_h, taps_w;   /* its part of the window; none: nothing is read */
    int step, at_h, at_w; /* tap (i, j) of pixel (p, q) is (p step + at_h + i, ..) */
    int to_h, to_w;       /* pixel (p, q) lies at (p spread + to_h, ..) of the picture */
    int spread;
    int first; /* taps of the phases before it */
};

/* The numbers r below `n` with r % stride == i, and with r % stride < i. */
static __host__ __device__ __forceinline__ int rj_every(int n, int stride, int i)
{
    return i < n ? (n - i + stride - 1) / stride : 0;
}

static __host__ __device__ __forceinline__ int rj_before(int n, int stride, int i)
{
    return n / stride * i + (n % stride < i ? n % stride : i);
}

/* Phases of a gather. */
static __host__ __device__ __forceinline__ int rj_phases(const rj_gather *g)
{
    return g->by_data ? g->stride * g->stride : 1;
}

/* Phase i * stride + j takes rows i, i + stride, .. and columns j, j + stride, .. of the
 * window: first come those with most taps. */
static __host__ __device__ __forceinline__ rj_phase rj_phase_of(const rj_gather *g,
                                                                int phase)
{
    rj_phase f;

    if (!g->by_data) {
        f.p = g->out_h, f.q = g->out_w;
        f.taps_h = g->r, f.taps_w = g->s;
        f.step = g->stride, f.at_h = -g->pad, f.at_w = -g->pad;
        f.to_h = f.to_w = 0, f.spread = 1, f.first = 0;
        return f;
    }
    const int s = g->stride, i = phase / s, j = phase % s, back = g->pad % s;
    f.taps_h = rj_every(g->r, s, i), f.taps_w = rj_every(g->s, s, j);
    f.first = rj_before(g->r, s, i) * g->s + f.taps_h * rj_before(g->s, s, j);
    f.to_h = (i - back + s) % s, f.to_w = (j - back + s) % s;
    f.spread = s, f.step = 1;
    // dx row a of the phase reads dy row (a + pad - i) / s, and those before it
    f.at_h = (f.to_h + g->pad - i) / s - (f.taps_h - 1);
    f.at_w = (f.to_w + g->pad - j) / s - (f.taps_w - 1);
    f.p = rj_every(g->out_h, s, f.to_h), f.q = rj_every(g->out_w, s, f.to_w);
    return f;
}

/* Pixels written by the largest phase, and by all. */
static inline int rj_gather_rows(const rj_gather *g)
{
    const int spread = g->by_data ? g->stride : 1;

    return g->n * rj_every(g->out_h, spread, 0) * rj_every(g->out_w, spread, 0);
}

static inline size_t rj_gather_pixels(const rj_gather *g)
{
    return (size_t)g->n * (size_t)g->out_h * (size_t)g->out_w;
}

/* Cells of the weights as they are read. */
static inline size_t rj_gather_weights(const rj_gather *g)
{
    return (size_t)g->k * (size_t)g->r * (size_t)g->s * (size_t)g->c;
}

/* A launch. With split > 1 each of `split` blocks sums its part of the reduction, writes
 * it to part[split][pixel][Kp], and another kernel does the rest. A pair of blocks needs
 * none: the first writes to part[pixel][Kp], and the second adds that to its own. */
struct rj_conv_job {
    rj_gather g;
    const rj_real *x, *w;  /* cells */
    const rj_real *bias;   /* K numbers, or NULL */
    const rj_real *beside; /* like y, is added, or NULL; may be y */
    bool relu;             /* then what is negative becomes 0 */
    rj_real *y;            /* cells */
    float *part;
    int split;
    unsigned *pairs; /* two words a tile, zeros when it has run; or NULL: no pairs */
    int tiles;       /* tiles of columns */
    int first_phase; /* of the launch */
};

/* Tiles of the product, rows x columns of `out`; with a span: see conv_span.cu. */
enum rj_tile {
    RJ_SPAN_128_128,
    RJ_SPAN_128_64,
    RJ_TILE_128_256,
    RJ_TILE_256_128,
    RJ_TILE_256_64,
    RJ_TILE_128_128,
    RJ_TILE_128_64,
    RJ_TILE_64_64,
    RJ_TILES,
    RJ_FIRST = RJ_TILES /* conv_first.cu's, which is none of those */
};

/* Kernels by their files; conv_tensor.cu and conv_span.cu for bfloat16 and tf32,
 * conv_plain.cu for fp32. */
rij_status rj_conv_span(rj_device *dev, const rj_conv_job *job, rj_tile tile);
rij_status rj_conv_tensor(rj_device *dev, const rj_conv_job *job, rj_tile tile);
rij_status rj_conv_plain(rj_device *dev, const rj_conv_job *job, rj_tile tile);

/* conv_span.cu. The grid that pixels are numbered in there, and rows of it that a block
 * of `rows` reads; 0: it cannot be done so. */
rj_phase rj_span_grid(const rj_gather *g);
int rj_span_rows(const rj_device *dev, const rj_gather *g, rj_tile tile);

/* conv_first.cu, for first layers: whether it can do it; the framed image, and its cells;
 * the product. It reads images of its own kind, and weights as the others do. */
bool rj_first_fits(const rj_device *dev, const rj_gather *g);
size_t rj_first_cells(const rj_gather *g);
rij_status rj_first_frame(rj_device *dev, const rj_gather *g, const rj_conv *d,
                          const rj_real *x, rj_real *to);
rij_status rj_conv_first(rj_device *dev, const rj_conv_job *job);

/* conv_pack.cu. Weights (K,C,R,S) to `to`, as g reads them; c: channels that are none of
 * the padding. Pictures in host order to [N][H + 2 pad][W'][pitch] cells with zeros
 * around them, W' = W + 2 pad made even. */
rij_status rj_conv_pack(rj_device *dev, const rj_gather *g, const rj_conv *d,
                        const rj_real *w, rj_real *to);
rij_status rj_conv_frame(rj_device *dev, const rj_gather *g, const rj_conv *d,
                         const rj_real *x, rj_real *to);

/* Launch KERNEL for all phases of JOB, at most 65535 at once. */
#define RJ_LAUNCH_PHASES(dev, kernel, job, rows, columns, threads, bytes)                \
    do {                                                                                 \
        rj_conv_job job_ = *(job);                                                       \
        const int all_ = rj_phases(&job_.g);                                             \
        job_.tiles = (rj_channels(job_.g.k) + (columns)-1) / (columns);                  \
        const unsigned blocks_ =                                                         \
            rj_blocks((size_t)rj_gather_rows(&job_.g), (rows)) * (unsigned)job_.tiles;   \
        for (int i_ = 0; i_ < all_; i_ += 65535) {                                       \
            job_.first_phase = i_;                                                       \
            const dim3 grid_(blocks_, (unsigned)job_.split,                              \
                             (unsigned)(all_ - i_ < 65535 ? all_ - i_ : 65535));         \
            RJ_TRY(RJ_LAUNCH_ROWS(dev, kernel, grid_, threads, bytes, job_));            \
        }                                                                                \
        return RIJ_OK;                                                                   \
    } while (0)

#endif
