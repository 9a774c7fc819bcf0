/* pieces.h: cells by pieces of 16 bytes: 4 of float, 8 of bfloat16. A row of a picture is
 * a row of pieces, channels first; neighbours in a warp take neighbours in memory. */
#ifndef RJ_PIECES_H
#define RJ_PIECES_H

#include "cells.h"

template <class T> struct rj_wide;

template <> struct rj_wide<float> {
    enum { CELLS = 4 };
    static __device__ __forceinline__ void take(const float *x, size_t at, float v[4])
    {
        const float4 a = rj_load4(x + at);
        v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    }
    static __device__ __forceinline__ void give(float *x, size_t at, const float v[4])
    {
        rj_store4(x + at, make_float4(v[0], v[1], v[2], v[3]));
    }
};

template <> struct rj_wide<rj_half> {
    enum { CELLS = 8 };
    static __device__ __forceinline__ void take(const float *x, size_t at, float v[8])
    {
        rj_cell<rj_half>::eight(x, at, v);
    }
    static __device__ __forceinline__ void give(float *x, size_t at, const float v[8])
    {
        rj_cell<rj_half>::set_eight(x, at, v);
    }
};

/* Cells of a piece on a device. */
static inline int rj_wide_cells(const rj_device *dev)
{
    return dev->precision == RJ_BF16 ? 8 : 4;
}

/* Eight cells of each lane, where neighbours in the warp are neighbours in memory, from
 * `at` on; all lanes must call it, and those that are not live write nothing. Of float,
 * two lanes write one lane's 32 bytes together, then the other's, so that each access
 * fills the sectors that it touches. */
template <class T>
RJ_DEVICE void rj_give_eight(float *y, size_t at, const float v[8], bool live)
{
    if constexpr (sizeof(T) == 4) {
        const bool odd = threadIdx.x % 2;
        const bool other = __shfl_xor_sync(RJ_ALL_LANES, (int)live, 1);
        float mine[4], mates[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            mine[i] = odd ? v[4 + i] : v[i];
            mates[i] = __shfl_xor_sync(RJ_ALL_LANES, odd ? v[i] : v[4 + i], 1);
        }
        if (odd ? other : live) // the even lane's eight
            rj_wide<T>::give(y, odd ? at - 4 : at, odd ? mates : mine);
        if (odd ? live : other)
            rj_wide<T>::give(y, odd ? at + 4 : at + 8, odd ? mine : mates);
    } else if (live) {
        rj_cell<T>::set_eight(y, at, v);
    }
}

/* How blocks share rows of things, which are pieces or pixels: a thread has one thing of
 * one row, so that what a row has in common is divided for once in a block. */
struct rj_rows {
    int things;       /* of a row */
    unsigned parts;   /* blocks that share a row */
    unsigned threads; /* of a block */
};

static inline struct rj_rows rj_rows_of(int things)
{
    const unsigned n = (unsigned)things, parts = (n + 255) / 256;
    const unsigned each = (n + parts - 1) / parts;

    return {things, parts, (each + 31) / 32 * 32};
}

/* Rows of pictures of w pixels with c channels, piece by piece. */
static inline struct rj_rows rj_rows_of_pieces(const rj_device *dev, int w, int c)
{
    return rj_rows_of(w * (rj_channels(c) / rj_wide_cells(dev)));
}

static __device__ __forceinline__ unsigned rj_row(const struct rj_rows &rows)
{
    return blockIdx.x / rows.parts;
}

/* The thing of this thread; not below rows.things: there is none. */
static __device__ __forceinline__ int rj_thing(const struct rj_rows &rows)
{
    return (int)(blockIdx.x % rows.parts * blockDim.x + threadIdx.x);
}

#endif
