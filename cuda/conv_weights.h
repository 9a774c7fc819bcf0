/* conv_weights.h: what the files of the gradient of a convolution by its weights share.
 *
 * It is a product of matrices with a long inner side, the pixels m of dy:
 *
 *     sum[k][tap * lanes + lane] = sum_m dy[m][k] x[pixel of m at tap][lane]
 *
 * Both factors have pixels as rows and channels side by side in memory. A block takes a
 * tile of BM numbers of dy by BN columns, over the pixels of one piece; pixels come in
 * stages, copied to shared memory without waiting, 16 bytes at a time, in rows whose
 * pieces of 16 bytes are put in another order so that reading has no bank conflicts.
 * A thread always copies the same 16 bytes of a row, so its tap stays, and its rows
 * follow each other in equal steps: places in the picture are counted on, never divided.
 * What lies outside becomes zeros: a copy of 0 bytes reads nothing, wherever it points.
 */
#ifndef RJ_CONV_WEIGHTS_H
#define RJ_CONV_WEIGHTS_H

#include "cells.h"

/* One call. Pictures count in cells; x may be a picture of rows already unfolded. */
typedef struct rj_weights {
    const void *x, *dy;
    float *sums;     /* [piece][K][columns] */
    size_t pixels;   /* N P Q */
    size_t each;     /* pixels of a piece, a multiple of a stage */
    int k, kp;       /* numbers of a pixel of dy, and with its zeros */
    int lanes;       /* cells of a pixel of x */
    int taps_across; /* taps of a row of the window */
    int columns;     /* taps * lanes */
    int h, w, p, q;  /* pixels of x and of dy */
    int stride, pad; /* down */
    int stride_across, pad_across;
    int grid_q; /* conv_weights_span.cu: pixels of a row of dy with its zeros, and */
    size_t grid_pixels; /* of all; 0: it cannot be done so, see rj_weights_grid() */
    int pieces;
} rj_weights;

/* Sizes of tiles; which there are is known to conv_weights_tensor.cu and
 * conv_weights_plain.cu, which launch them. */
typedef struct rj_weights_tile {
    int bm, bn;   /* dy's numbers, x's columns */
    int wm, wn;   /* of them a warp's */
    int resident; /* blocks of a multiprocessor at a time */
    int taps;     /* 1, or taps that share what is read of x: conv_weights_span.cu */
} rj_weights_tile;

enum { RJ_WEIGHTS_STAGES = 3, RJ_WEIGHTS_BYTES = 64 }; /* bytes of a channel in a stage */

#ifdef __cplusplus
extern "C" {
#endif

extern const rj_weights_tile rj_weights_tensor_tiles[], rj_weights_plain_tiles[];
extern const int rj_weights_tensor_count, rj_weights_plain_count;

/* The sums of all pieces, tile `tile` of the list. */
rij_status rj_weights_tensor(rj_device *dev, const rj_weights *g, int tile);
rij_status rj_weights_plain(rj_device *dev, const rj_weights *g, int tile);

/* Those of conv_weights_span.cu in the list of conv_weights_tensor.cu, what they need of
 * the geometry, and the one with bm numbers of dy. */
#define RJ_WEIGHTS_SPANS                                                                 \
    {128, 192, 32, 64, 1, 3},                                                            \
    {                                                                                    \
        64, 192, 32, 64, 2, 3                                                            \
    }
void rj_weights_grid(rj_weights *g);
rij_status rj_weights_span(rj_device *dev, const rj_weights *g, int bm);

/* db += sums of dy over all pixels of a picture; bias.cu. Memory it takes, then the sums.
 */
size_t rj_bias_sums_bytes(const rj_device *dev, const rj_picture *d);
rij_status rj_bias_sums(rj_device *dev, const rj_picture *d, const rj_real *dy,
                        void *memory, rj_real *db);

#ifdef __cplusplus
}

/* Where piece `chunk` of 16 bytes of a row lies in a stage, in bytes. Matrices of numbers
 * of two bytes are read by eight rows of one piece, of four by four rows of two; rows
 * that are read one by one are not TURNED. */
template <int SIZE, int WIDTH, bool TURNED = true>
RJ_DEVICE int weights_place(int pixel, int chunk)
{
    constexpr int CHUNKS = WIDTH * SIZE / 16;
    const int turn = !TURNED       ? 0
                     : SIZE == 4   ? (pixel & 3) << 1
                     : CHUNKS >= 8 ? pixel & 7
                                   : pixel >> 1 & 3;

    return pixel * WIDTH * SIZE + ((chunk ^ turn) << 4);
}

/* What a thread copies of rows of WIDTH numbers: one piece of 16 bytes, every STEP-th
 * row; the last of its COPIES only where a stage has that row. */
template <int SIZE, int WIDTH, int THREADS> struct weights_copy {
    static constexpr int CHUNKS = WIDTH * SIZE / 16;
    static constexpr int STEP = THREADS / CHUNKS;
    static constexpr int ROWS = RJ_WEIGHTS_BYTES / SIZE; /* of a stage */
    static constexpr int COPIES = (ROWS + STEP - 1) / STEP;
    static constexpr bool EVEN = COPIES * STEP == ROWS;
    static_assert(STEP * CHUNKS == THREADS, "threads have whole rows");
};

/* A thread's walk over rows of dy. */
struct weights_dy {
    const unsigned char *at;
    size_t step, stage; /* bytes from one of the thread's rows to the next; of a stage */
    int left;           /* pixels of the block's piece from this one on */
    bool inside;
};

template <int SIZE, int WIDTH, int THREADS>
RJ_DEVICE weights_dy weights_dy_start(const rj_weights &g, int first, size_t from, int n)
{
    typedef weights_copy<SIZE, WIDTH, THREADS> copy;
    const int row = (int)threadIdx.x / copy::CHUNKS;
    const int at = first + (int)threadIdx.x % copy::CHUNKS * (16 / SIZE);
    const size_t pixel = (size_t)g.kp * SIZE;
    weights_dy d;

    d.inside = at < g.kp;
    d.at = static_cast<const unsigned char *>(g.dy) + (from + (size_t)row) * pixel +
           (size_t)at * SIZE;
    d.step = pixel * copy::STEP;
    d.stage = pixel * copy::ROWS;
    d.left = n - row;
    return d;
}

template <int SIZE, int WIDTH, int THREADS, bool TURNED = true>
RJ_DEVICE void weights_dy_stage(weights_dy &d, unsigned char *to)
{
    typedef weights_copy<SIZE, WIDTH, THREADS> copy;
    const int row = (int)threadIdx.x / copy::CHUNKS;
    const int chunk = (int)threadIdx.x % copy::CHUNKS;

#    pragma unroll
    for (int i = 0; i < copy::COPIES; i++) {
        const bool there = d.inside && d.left > i * copy::STEP;
        if (copy::EVEN || row + i * copy::STEP < copy::ROWS)
            rj_copy16(to +
                          weights_place<SIZE, WIDTH, TURNED>(row + i * copy::STEP, chunk),
                      d.at + i * d.step, there ? 16 : 0);
    }
    d.at += d.stage;
    d.left -= copy::ROWS;
}

/* A thread's walk over x: the place at its tap of pixel after pixel. */
struct weights_x {
    const unsigned char *image;
    int h, v;           /* place in the picture, maybe beside it */
    int h_end, v_end;   /* as high as it cannot be */
    int h_step, v_step; /* of STEP pixels, and */
    size_t image_step;  /* images they pass in bytes */
    int left;
    bool inside;
};

template <int SIZE, int WIDTH, int THREADS>
RJ_DEVICE weights_x weights_x_start(const rj_weights &g, int first, size_t from, int n)
{
    typedef weights_copy<SIZE, WIDTH, THREADS> copy;
    const int row = (int)threadIdx.x / copy::CHUNKS;
    const int column = first + (int)threadIdx.x % copy::CHUNKS * (16 / SIZE);
    const int tap = column / g.lanes, plane = g.p * g.q;
    const size_t image = (size_t)g.h * (size_t)g.w * (size_t)g.lanes * SIZE;
    const size_t m = from + (size_t)row;
    const int at = (int)(m % (size_t)plane);
    const int down = tap / g.taps_across - g.pad;
    const int across = tap % g.taps_across - g.pad_across;
    weights_x x;

    x.inside = column < g.columns;
    x.image = static_cast<const unsigned char *>(g.x) + m / (size_t)plane * image +
              (size_t)(column - tap * g.lanes) * SIZE;
    x.h = at / g.q * g.stride + down;
    x.v = at % g.q * g.stride_across + across;
    x.h_end = g.p * g.stride + down;
    x.v_end = g.q * g.stride_across + across;
    x.h_step = copy::STEP % plane / g.q * g.stride;
    x.v_step = copy::STEP % g.q * g.stride_across;
    x.image_step = (size_t)(copy::STEP / plane) * image;
    x.left = n - row;
    return x;
}

/* From pixel m to pixel m + STEP. */
RJ_DEVICE void weights_x_next(const rj_weights &g, weights_x &x, int size)
{
    x.v += x.v_step;
    x.h += x.h_step;
    x.image += x.image_step;
    if (x.v >= x.v_end) {
        x.v -= g.q * g.stride_across;
        x.h += g.stride;
    }
    if (x.h >= x.h_end) {
        x.h -= g.p * g.stride;
        x.image += (size_t)g.h * (size_t)g.w * (size_t)(g.lanes * size);
    }
}

template <int SIZE, int WIDTH, int THREADS, bool TURNED = true>
RJ_DEVICE void weights_x_stage(const rj_weights &g, weights_x &x, unsigned char *to)
{
    typedef weights_copy<SIZE, WIDTH, THREADS> copy;
    const int row = (int)threadIdx.x / copy::CHUNKS;
    const int chunk = (int)threadIdx.x % copy::CHUNKS;

    static_assert(copy::EVEN, "rows of a stage are shared out evenly");
#    pragma unroll
    for (int i = 0; i < copy::COPIES; i++) {
        const bool there = x.inside && x.left > 0 && (unsigned)x.h < (unsigned)g.h &&
                           (unsigned)x.v < (unsigned)g.w;
        const size_t at = (size_t)(x.h * g.w + x.v) * (size_t)(g.lanes * SIZE);
        rj_copy16(to + weights_place<SIZE, WIDTH, TURNED>(row + i * copy::STEP, chunk),
                  x.image + at, there ? 16 : 0);
        weights_x_next(g, x, SIZE);
        x.left -= copy::STEP;
    }
}
#endif

#endif
