/* columns.h: blocks of threads over the channels and the pixels of a picture.
 *
 * A picture is a table of pixels by groups of 8 channels. A block of across x down
 * threads takes `across` groups side by side, at most 32, and a slice of the pixels,
 * `down` at a time: thread (i, k) has group i and every down-th pixel from the k-th on.
 * So a warp reads whole lines of memory, and what belongs to a channel (its mean, say)
 * stays in a thread's registers. Eight numbers of bfloat16 are one access; of float they
 * are two, and a thread then has no group of its own, but four channels of the first half
 * of the block's and four of the second, so that each access of a warp is whole.
 *
 * How pixels are cut into slices is told by the shape alone, and sums over a block are
 * made in one order: the same input gives the same bits on every GPU. A picture has fewer
 * than 2^31 pixels. */
#ifndef RJ_COLUMNS_H
#define RJ_COLUMNS_H

#include "cells.h"

enum { RJ_COLUMN_THREADS = 256, RJ_COLUMN_LANES = 32 * RJ_BLOCK };

struct rj_columns {
    int c, groups;           /* channels, and groups of them */
    int across, down;        /* threads of a block; down is a power of two */
    unsigned pixels, slices; /* in all; and slices of `length`, the last may be shorter */
    unsigned length;         /* a multiple of down times the strip asked for */
};

/* Slices for a table of c channels and `pixels`, about `blocks` blocks in all, in which
 * every thread takes whole strips of as many pixels as said. */
static inline struct rj_columns rj_columns_of(int c, size_t pixels, int strip,
                                              size_t blocks)
{
    struct rj_columns j = {};

    j.c = c;
    j.groups = rj_channels(c) / RJ_BLOCK;
    const int beside = (j.groups + 31) / 32;
    j.across = (j.groups + beside - 1) / beside;
    j.down = 1;
    while (j.across * j.down * 2 <= RJ_COLUMN_THREADS)
        j.down *= 2;
    const size_t each = (size_t)j.down * (size_t)strip;
    const size_t slices = blocks / (size_t)beside ? blocks / (size_t)beside : 1;
    j.pixels = (unsigned)pixels;
    j.length = (unsigned)(((pixels + slices - 1) / slices + each - 1) / each * each);
    j.slices = (unsigned)((pixels + j.length - 1) / j.length);
    return j;
}

/* The same where blocks do not add: enough of them to fill a GPU, and at most four strips
 * a thread, since that suffices to hide what a block begins with. */
static inline struct rj_columns rj_columns_apart(int c, size_t pixels, int strip)
{
    const struct rj_columns few = rj_columns_of(c, pixels, strip, 1024);
    const unsigned most = 4u * (unsigned)(few.down * strip);
    struct rj_columns j = few;

    if (j.length > most)
        j.length = most;
    j.slices = (unsigned)((pixels + j.length - 1) / j.length);
    return j;
}

static inline dim3 rj_columns_grid(const struct rj_columns *j, unsigned times)
{
    return dim3(j->slices * times, (unsigned)((j->groups + j->across - 1) / j->across));
}

static inline dim3 rj_columns_block(const struct rj_columns *j)
{
    return dim3((unsigned)j->across, (unsigned)j->down);
}

/* ---- in a kernel ------------------------------------------------------------------- */

/* Lanes of a pixel: all channels, and zeros past them. */
RJ_DEVICE size_t rj_column_lanes(const struct rj_columns &j)
{
    return (size_t)j.groups * RJ_BLOCK;
}

/* The eight channels of a thread: four from `first` on, counted from the block's own
 * first one, `base`, and four from `gap` further on. */
struct rj_eight {
    int base, first, gap;
    bool any; /* else the thread is past the last group */
};

template <class T> RJ_DEVICE rj_eight rj_column_own(const struct rj_columns &j)
{
    const bool fours = sizeof(T) == sizeof(float);
    const int before = (int)blockIdx.y * j.across, x = (int)threadIdx.x;
    const int wide = min(j.across, j.groups - before);
    rj_eight own;

    own.base = before * RJ_BLOCK;
    own.first = fours ? 4 * x : RJ_BLOCK * x;
    own.gap = fours ? 4 * wide : 4;
    own.any = x < wide;
    return own;
}

/* Number k of them, counted from the picture's first channel. */
RJ_DEVICE int rj_eight_channel(const rj_eight &own, int k)
{
    return own.base + own.first + (k < 4 ? k : own.gap + k - 4);
}

/* Their cells of a pixel; `at` is the first one's. */
template <class T>
RJ_DEVICE void rj_get_eight(const float *x, size_t at, int gap, float v[RJ_BLOCK])
{
    if (sizeof(T) == sizeof(float)) {
        const float4 a = rj_load4(x + at), b = rj_load4(x + at + gap);
        v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
        v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
    } else {
        rj_cell<T>::eight(x, at, v);
    }
}

template <class T>
RJ_DEVICE void rj_put_eight(float *x, size_t at, int gap, const float v[RJ_BLOCK])
{
    if (sizeof(T) == sizeof(float)) {
        rj_store4(x + at, make_float4(v[0], v[1], v[2], v[3]));
        rj_store4(x + at + gap, make_float4(v[4], v[5], v[6], v[7]));
    } else {
        rj_cell<T>::set_eight(x, at, v);
    }
}

/* A thread's way: pixels from `pixel` to before `end`, each `down` after the one before;
 * `at` is the thread's first cell there, `step` cells further the next pixel's. */
struct rj_walk {
    unsigned pixel, end;
    int gap;
    size_t at, step;
};

template <class T>
RJ_DEVICE rj_walk rj_column_walk(const struct rj_columns &j, unsigned slice)
{
    const rj_eight own = rj_column_own<T>(j);
    const size_t lanes = rj_column_lanes(j);
    const unsigned from = slice * j.length;
    rj_walk k;

    k.pixel = from + threadIdx.y;
    k.end = !own.any ? 0 : j.pixels - from < j.length ? j.pixels : from + j.length;
    k.gap = own.gap;
    k.at = (size_t)k.pixel * lanes + (size_t)(own.base + own.first);
    k.step = (size_t)j.down * lanes;
    return k;
}

/* Whether the walk has `strip` pixels more; a step of as many. */
RJ_DEVICE bool rj_walk_has(const rj_walk &k, int strip)
{
    return k.pixel + (unsigned)(strip - 1) * blockDim.y < k.end;
}

RJ_DEVICE void rj_walk_on(rj_walk &k, int strip)
{
    k.pixel += (unsigned)strip * blockDim.y;
    k.at += (size_t)strip * k.step;
}

/* Numbers of this block's channels to shared memory, `to` of RJ_COLUMN_LANES; zeros past
 * the last channel, and where `from` is NULL. A barrier must follow. */
RJ_DEVICE void rj_column_stage(const struct rj_columns &j, float *to, const float *from)
{
    const int first = (int)blockIdx.y * j.across * RJ_BLOCK;

    for (int i = (int)(threadIdx.y * blockDim.x + threadIdx.x); i < j.across * RJ_BLOCK;
         i += (int)(blockDim.x * blockDim.y))
        to[i] = from && first + i < j.c ? from[first + i] : 0;
}

/* This thread's eight of them. */
RJ_DEVICE void rj_column_eight(const rj_eight &own, const float *staged,
                               float v[RJ_BLOCK])
{
    rj_get_eight<float>(staged, (size_t)own.first, own.gap, v);
}

/* Sums of K numbers over the threads of a column of the block, in its first thread; slots
 * is shared memory of K RJ_COLUMN_THREADS numbers. A tree: thread k adds thread k + half,
 * halves from down / 2 to 1. All threads must call it. */
template <int K> RJ_DEVICE void rj_column_sums(float v[K], float *slots)
{
    const unsigned me = threadIdx.y * blockDim.x + threadIdx.x;

    for (unsigned half = blockDim.y / 2; half; half /= 2) {
        if (threadIdx.y >= half && threadIdx.y < 2 * half)
#pragma unroll
            for (int k = 0; k < K; k++)
                slots[k * RJ_COLUMN_THREADS + me] = v[k];
        __syncthreads();
        if (threadIdx.y < half)
#pragma unroll
            for (int k = 0; k < K; k++)
                v[k] += slots[k * RJ_COLUMN_THREADS + me + half * blockDim.x];
    }
}

#endif
