/* shuffle2d.cu: channels become pixels; op/shuffle2d.c has the formula.
 *
 * A block takes a run of pixels of one row of x, and of them so many channels as make
 * `width` (a multiple of 8) channels of y: in x runs of width r^2 cells, in y r rows of
 * runs of width cells. They pass through shared memory, as float (at most 24 KB; rows
 * have 4 numbers more than they need, so that few banks meet twice), so both sides are
 * read and written once, by pieces of 16 bytes: memory is the bound. For r > 16 a tile
 * would not hold 8 channels; then each number is fetched from where it lies. */
#include "pieces.h"

enum { THREADS = 256, PAD = 4, TILE = 4096, ROOM = TILE / 8 * (8 + PAD) };

struct shuffle {
    int cx, cy, h, w, r; /* channels of x and of y; pixels of x */
    int width, run;      /* of a block: channels of y, pixels of x */
    unsigned runs, groups;
};

/* Where a block works: of a row of x (n h + h), pixels w.. and channels c.. of y. */
struct place {
    size_t row;
    int w, run, c, width;
};

RJ_DEVICE struct place place_of(const struct shuffle &s)
{
    const unsigned rest = blockIdx.x / s.runs;
    const int w = (int)(blockIdx.x % s.runs) * s.run;
    const int c = (int)(rest % s.groups) * s.width;

    return {rest / s.groups, w, min(s.run, s.w - w), c,
            min(s.width, rj_channels(s.cy) - c)};
}

/* The cell of y for channel c, phase (i,j) of pixel w of a row. */
RJ_DEVICE size_t y_at(const struct shuffle &s, size_t row, int w, int i, int j, int c)
{
    const size_t line = (row * (size_t)s.r + (size_t)i) * (size_t)s.w + (size_t)w;

    return (line * (size_t)s.r + (size_t)j) * (size_t)rj_channels(s.cy) + (size_t)c;
}

RJ_DEVICE size_t x_at(const struct shuffle &s, size_t row, int w, int c)
{
    return (row * (size_t)s.w + (size_t)w) * (size_t)rj_channels(s.cx) + (size_t)c;
}

template <int CELLS> RJ_DEVICE void into_tile(float *tile, const float v[CELLS])
{
    rj_store4(tile, make_float4(v[0], v[1], v[2], v[3]));
    if constexpr (CELLS == 8)
        rj_store4(tile + 4, make_float4(v[4], v[5], v[6], v[7]));
}

/* The tile holds [pixel][width r^2] of x. */
template <class T, bool TILED>
static __global__ void __launch_bounds__(THREADS)
    shuffle2d(struct shuffle s, const float *x, float *y)
{
    RJ_SHARED(float, tile, [TILED ? ROOM : 1]);
    enum { CELLS = rj_wide<T>::CELLS };
    const struct place b = place_of(s);
    const int window = s.r * s.r, cells = b.width * window, line = cells + PAD;

    if constexpr (TILED) {
        const int pieces = cells / CELLS;
        for (int i = (int)threadIdx.x; i < b.run * pieces; i += THREADS) {
            const int w = i / pieces, k = i % pieces * CELLS, c = b.c * window + k;
            float v[CELLS] = {};
            if (c < rj_channels(s.cx))
                rj_wide<T>::take(x, x_at(s, b.row, b.w + w, c), v);
            into_tile<CELLS>(tile + w * line + k, v);
        }
        __syncthreads();
    }
    const int pieces = b.width / CELLS, pixels = b.run * s.r;
    for (int phase = 0; phase < s.r; phase++)
        for (int i = (int)threadIdx.x; i < pixels * pieces; i += THREADS) {
            const int pixel = i / pieces, w = pixel / s.r, j = pixel % s.r;
            const int c = i % pieces * CELLS, at = c * window + phase * s.r + j;
            float v[CELLS];
#pragma unroll
            for (int k = 0; k < CELLS; k++) {
                const int channel = b.c * window + at + k * window;
                if constexpr (TILED)
                    v[k] = tile[w * line + at + k * window];
                else
                    v[k] = channel < s.cx
                               ? rj_cell<T>::one(x, x_at(s, b.row, b.w + w, channel))
                               : 0;
            }
            rj_wide<T>::give(y, y_at(s, b.row, b.w + w, phase, j, b.c + c), v);
        }
}

/* The tile holds [phase i][pixel][phase j][width] of dy. */
template <class T>
RJ_DEVICE void take_dy(const struct shuffle &s, const struct place &b, const float *dy,
                       float *tile)
{
    enum { CELLS = rj_wide<T>::CELLS };
    const int pieces = b.width / CELLS, pixels = b.run * s.r;

    for (int phase = 0; phase < s.r; phase++)
        for (int i = (int)threadIdx.x; i < pixels * pieces; i += THREADS) {
            const int pixel = i / pieces, c = i % pieces * CELLS;
            float v[CELLS];
            rj_wide<T>::take(dy, y_at(s, b.row, b.w, phase, pixel, b.c + c), v);
            into_tile<CELLS>(tile + (phase * pixels + pixel) * (b.width + PAD) + c, v);
        }
    __syncthreads();
}

template <class T, bool TILED>
static __global__ void __launch_bounds__(THREADS)
    shuffle2d_grad(struct shuffle s, const float *dy, float *dx)
{
    RJ_SHARED(float, tile, [TILED ? ROOM : 1]);
    enum { CELLS = rj_wide<T>::CELLS };
    const struct place b = place_of(s);
    const int window = s.r * s.r, first = b.c * window;
    const int end = min(first + b.width * window, rj_channels(s.cx));
    const int pieces = (end - first) / CELLS;

    if constexpr (TILED)
        take_dy<T>(s, b, dy, tile);
    for (int i = (int)threadIdx.x; i < b.run * pieces; i += THREADS) {
        const int w = i / pieces, from = i % pieces * CELLS;
        const size_t to = x_at(s, b.row, b.w + w, first + from);
        int c = from / window, phase = from % window / s.r, j = from % s.r;
        float v[CELLS];
        rj_wide<T>::take(dx, to, v);
#pragma unroll
        for (int k = 0; k < CELLS; k++) {
            if (first + from + k < s.cx)
                v[k] +=
                    TILED
                        ? tile[((phase * b.run + w) * s.r + j) * (b.width + PAD) + c]
                        : rj_cell<T>::one(dy, y_at(s, b.row, b.w + w, phase, j, b.c + c));
            if (++j == s.r) {
                j = 0;
                phase++;
            }
            if (phase == s.r) {
                phase = 0;
                c++;
            }
        }
        rj_wide<T>::give(dx, to, v);
    }
}

static struct shuffle shuffle_of(const rj_picture *d, int r)
{
    const int window = r * r, cy = d->c / window, cp = rj_channels(cy);
    const int widest = RJ_MAX(TILE / 2 / window / RJ_BLOCK, 1) * RJ_BLOCK;
    const int width = RJ_MIN(cp, widest);
    const int run = RJ_MIN(d->w, RJ_MAX(TILE / (width * window), 1));

    return {d->c,
            cy,
            d->h,
            d->w,
            r,
            width,
            run,
            rj_blocks((size_t)d->w, (size_t)run),
            rj_blocks((size_t)cp, (size_t)width)};
}

typedef void kernel_type(struct shuffle s, const float *from, float *to);

static rij_status launch(rj_device *dev, const rj_picture *d, const struct shuffle *s,
                         kernel_type *kernel, const float *from, float *to)
{
    const unsigned rows = (unsigned)d->n * (unsigned)d->h;

    return rj_launched("shuffle2d", RJ_LAUNCH(kernel, rows * s->runs * s->groups, THREADS,
                                              0, rj_stream(dev), *s, from, to));
}

extern "C" {

rij_status rj_cuda_shuffle2d(rj_device *dev, const rj_picture *d, int r, const rj_real *x,
                             rj_real *y)
{
    const struct shuffle s = shuffle_of(d, r);
    const bool tiled = s.width * r * r <= TILE / 2, half = dev->precision == RJ_BF16;
    kernel_type *const kernel =
        half    ? tiled ? shuffle2d<rj_half, true> : shuffle2d<rj_half, false>
           : tiled ? shuffle2d<float, true>
                : shuffle2d<float, false>;

    return launch(dev, d, &s, kernel, x, y);
}

rij_status rj_cuda_shuffle2d_grad(rj_device *dev, const rj_picture *d, int r,
                                  const rj_real *dy, rj_real *dx)
{
    const struct shuffle s = shuffle_of(d, r);
    const bool tiled = s.width * r * r <= TILE / 2, half = dev->precision == RJ_BF16;
    kernel_type *const kernel =
        half    ? tiled ? shuffle2d_grad<rj_half, true> : shuffle2d_grad<rj_half, false>
           : tiled ? shuffle2d_grad<float, true>
                : shuffle2d_grad<float, false>;

    return launch(dev, d, &s, kernel, dy, dx);
}
}
