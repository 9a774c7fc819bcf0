/* pack.cu: pictures between host order (N,C,H,W) and storage [N][H][W][Cp].
 *
 * Up to 8 channels, images: a thread has one pixel, whose 8 cells lie together, while the
 * pixels of a warp are neighbours in every plane. More channels: a tile of 64 pixels by
 * 32 channels is turned in shared memory (8.3 KB; a row of it has one number more than
 * 32, so that neither pixels nor channels meet in one bank). Both sides are read and
 * written in runs of at least 128 bytes (64 of bfloat16); memory is the bound. */
#include "pieces.h"

enum { PIXELS = 64, CHANNELS = 32, THREADS = 256, WARPS = THREADS / 32 };

struct turn {
    int c, pixels;          /* of a picture */
    unsigned parts, groups; /* tiles of its pixels, of its channels */
};

template <class T>
static __global__ void pack_pixels(int c, struct rj_rows rows, const float *planar,
                                   float *y)
{
    const int at = rj_thing(rows);
    const size_t n = rj_row(rows), plane = (size_t)rows.things;
    const bool live = at < rows.things;
    float v[RJ_BLOCK] = {};

    planar += n * (size_t)c * plane + (size_t)at;
#pragma unroll
    for (int i = 0; i < RJ_BLOCK; i++)
        if (i < c && live)
            v[i] = planar[(size_t)i * plane];
    rj_give_eight<T>(y, (n * plane + (size_t)at) * RJ_BLOCK, v, live);
}

template <class T>
static __global__ void unpack_pixels(int c, struct rj_rows rows, const float *x,
                                     float *planar)
{
    const int at = rj_thing(rows);
    const size_t n = rj_row(rows), plane = (size_t)rows.things;
    float v[RJ_BLOCK];

    if (at >= rows.things)
        return;
    planar += n * (size_t)c * plane + (size_t)at;
    rj_cell<T>::eight(x, (n * plane + (size_t)at) * RJ_BLOCK, v);
#pragma unroll
    for (int i = 0; i < RJ_BLOCK; i++)
        if (i < c)
            planar[(size_t)i * plane] = v[i];
}

/* Where a block's tile begins. */
struct corner {
    int at, c;
    size_t n;
};

RJ_DEVICE struct corner corner_of(const struct turn &t)
{
    const unsigned rest = blockIdx.x / t.parts;

    return {(int)(blockIdx.x % t.parts) * PIXELS, (int)(rest % t.groups) * CHANNELS,
            rest / t.groups};
}

template <class T>
static __global__ void __launch_bounds__(THREADS)
    pack_tiles(struct turn t, const float *planar, float *y)
{
    RJ_SHARED(float, tile, [PIXELS][CHANNELS + 1]);
    enum { CELLS = rj_wide<T>::CELLS, PIECES = CHANNELS / CELLS };
    const struct corner from = corner_of(t);
    const int lane = (int)threadIdx.x % 32, cp = rj_channels(t.c);

    planar +=
        (from.n * (size_t)t.c + (size_t)from.c) * (size_t)t.pixels + (size_t)from.at;
    for (int c = (int)threadIdx.x / 32; c < CHANNELS; c += WARPS)
        for (int i = lane; i < PIXELS; i += 32)
            tile[i][c] = from.c + c < t.c && from.at + i < t.pixels
                             ? planar[(size_t)c * (size_t)t.pixels + (size_t)i]
                             : 0;
    __syncthreads();
    for (int i = (int)threadIdx.x; i < PIXELS * PIECES; i += THREADS) {
        const int pixel = i / PIECES, c = i % PIECES * CELLS;
        const size_t at = from.n * (size_t)t.pixels + (size_t)(from.at + pixel);
        float v[CELLS];
        if (from.at + pixel >= t.pixels || from.c + c >= cp)
            continue;
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            v[k] = tile[pixel][c + k];
        rj_wide<T>::give(y, at * (size_t)cp + (size_t)(from.c + c), v);
    }
}

template <class T>
static __global__ void __launch_bounds__(THREADS)
    unpack_tiles(struct turn t, const float *x, float *planar)
{
    RJ_SHARED(float, tile, [PIXELS][CHANNELS + 1]);
    enum { CELLS = rj_wide<T>::CELLS, PIECES = CHANNELS / CELLS };
    const struct corner from = corner_of(t);
    const int lane = (int)threadIdx.x % 32, cp = rj_channels(t.c);

    for (int i = (int)threadIdx.x; i < PIXELS * PIECES; i += THREADS) {
        const int pixel = i / PIECES, c = i % PIECES * CELLS;
        const size_t at = from.n * (size_t)t.pixels + (size_t)(from.at + pixel);
        float v[CELLS];
        if (from.at + pixel >= t.pixels || from.c + c >= cp)
            continue;
        rj_wide<T>::take(x, at * (size_t)cp + (size_t)(from.c + c), v);
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            tile[pixel][c + k] = v[k];
    }
    __syncthreads();
    planar +=
        (from.n * (size_t)t.c + (size_t)from.c) * (size_t)t.pixels + (size_t)from.at;
    for (int c = (int)threadIdx.x / 32; c < CHANNELS; c += WARPS)
        for (int i = lane; i < PIXELS; i += 32)
            if (from.c + c < t.c && from.at + i < t.pixels)
                planar[(size_t)c * (size_t)t.pixels + (size_t)i] = tile[i][c];
}

static struct turn turn_of(const rj_picture *d)
{
    const int pixels = d->h * d->w;

    return {d->c, pixels, rj_blocks((size_t)pixels, PIXELS),
            rj_blocks((size_t)rj_channels(d->c), CHANNELS)};
}

extern "C" {

rij_status rj_cuda_pack(rj_device *dev, const rj_picture *d, const rj_real *planar,
                        rj_real *y)
{
    const struct turn t = turn_of(d);
    const struct rj_rows rows = rj_rows_of(t.pixels);
    const unsigned n = (unsigned)d->n;

    if (d->c <= RJ_BLOCK)
        return RJ_LAUNCH_CELLS(dev, pack_pixels, n * rows.parts, rows.threads, 0, d->c,
                               rows, planar, y);
    return RJ_LAUNCH_CELLS(dev, pack_tiles, n * t.parts * t.groups, THREADS, 0, t, planar,
                           y);
}

rij_status rj_cuda_unpack(rj_device *dev, const rj_picture *d, const rj_real *x,
                          rj_real *planar)
{
    const struct turn t = turn_of(d);
    const struct rj_rows rows = rj_rows_of(t.pixels);
    const unsigned n = (unsigned)d->n;

    if (d->c <= RJ_BLOCK)
        return RJ_LAUNCH_CELLS(dev, unpack_pixels, n * rows.parts, rows.threads, 0, d->c,
                               rows, x, planar);
    return RJ_LAUNCH_CELLS(dev, unpack_tiles, n * t.parts * t.groups, THREADS, 0, t, x,
                           planar);
}
}
