/* cells.h: the numbers of a picture in the GPU's storage.
 *
 * A picture (N,C,H,W) lies as [N][H][W][Cp], Cp = C rounded up to 8; channels past C hold
 * zeros. A number of it, a cell, is float, or bfloat16 where the device's precision is
 * RJ_BF16; kernels of pictures are templates over that type, take rj_real * and count in
 * cells. Eight cells, 16 or 32 bytes, are read and written at once. */
#ifndef RJ_CELLS_H
#define RJ_CELLS_H

#include "rj_cuda.h"
#include "backend.h"

struct rj_half { /* bfloat16 */
    uint16_t bits;
};

/* Cp. */
static __host__ __device__ __forceinline__ int rj_channels(int c)
{
    return (c + RJ_BLOCK - 1) / RJ_BLOCK * RJ_BLOCK;
}

/* Cells of a picture. */
static inline size_t rj_cells(int n, int c, int h, int w)
{
    return (size_t)n * (size_t)h * (size_t)w * (size_t)rj_channels(c);
}

/* How a type of cell is read and written; `at` counts cells, a multiple of 8 for eight.
 */
template <class T> struct rj_cell;

template <> struct rj_cell<float> {
    static __device__ __forceinline__ float one(const float *x, size_t at)
    {
        return x[at];
    }
    static __device__ __forceinline__ void set(float *x, size_t at, float v)
    {
        x[at] = v;
    }
    static __device__ __forceinline__ void eight(const float *x, size_t at, float v[8])
    {
        const float4 a = rj_load4(x + at), b = rj_load4(x + at + 4);
        v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
        v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
    }
    static __device__ __forceinline__ void set_eight(float *x, size_t at,
                                                     const float v[8])
    {
        rj_store4(x + at, make_float4(v[0], v[1], v[2], v[3]));
        rj_store4(x + at + 4, make_float4(v[4], v[5], v[6], v[7]));
    }
};

template <> struct rj_cell<rj_half> {
    static __device__ __forceinline__ float one(const float *x, size_t at)
    {
        return __uint_as_float((uint32_t) reinterpret_cast<const rj_half *>(x)[at].bits
                               << 16);
    }
    static __device__ __forceinline__ void set(float *x, size_t at, float v)
    {
        reinterpret_cast<rj_half *>(x)[at].bits = (uint16_t)rj_bf16_pair(v, 0);
    }
    static __device__ __forceinline__ void eight(const float *x, size_t at, float v[8])
    {
        const uint4 u = rj_load16(reinterpret_cast<const rj_half *>(x) + at);
        const uint32_t pair[4] = {u.x, u.y, u.z, u.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            v[2 * i] = __uint_as_float(pair[i] << 16);
            v[2 * i + 1] = __uint_as_float(pair[i] & 0xffff0000u);
        }
    }
    static __device__ __forceinline__ void set_eight(float *x, size_t at,
                                                     const float v[8])
    {
        rj_store16(reinterpret_cast<rj_half *>(x) + at,
                   make_uint4(rj_bf16_pair(v[0], v[1]), rj_bf16_pair(v[2], v[3]),
                              rj_bf16_pair(v[4], v[5]), rj_bf16_pair(v[6], v[7])));
    }
};

/* Launch a kernel that is a template over the type of cell, for the device's own, on its
 * stream; a status. */
#define RJ_LAUNCH_CELLS(dev, kernel, grid, block, bytes, ...)                            \
    rj_launched(#kernel, (dev)->precision == RJ_BF16                                     \
                             ? RJ_LAUNCH(kernel<rj_half>, grid, block, bytes,            \
                                         rj_stream(dev), __VA_ARGS__)                    \
                             : RJ_LAUNCH(kernel<float>, grid, block, bytes,              \
                                         rj_stream(dev), __VA_ARGS__))

/* The same of a kernel that is none. */
#define RJ_LAUNCH_ROWS(dev, kernel, grid, block, bytes, ...)                             \
    rj_launched(#kernel,                                                                 \
                RJ_LAUNCH(kernel, grid, block, bytes, rj_stream(dev), __VA_ARGS__))

/* Let a kernel's blocks have `bytes` of shared memory. The limit is the function's on
 * this device, for all threads and all launches still to come, so it is always the same.
 */
static inline rij_status rj_allow_shared(rj_device *dev, const void *kernel, size_t bytes)
{
    if (bytes <= 48 * 1024)
        return RIJ_OK;
    rj_stream(dev); // its device becomes the thread's
    return rj_called("cudaFuncSetAttribute",
                     cudaFuncSetAttribute(kernel,
                                          cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          (int)bytes));
}

/* Blocks of `each` things that hold n, at most 2^31 - 1. */
static inline unsigned rj_blocks(size_t n, size_t each)
{
    return (unsigned)((n + each - 1) / each);
}

#endif
