/* Kernels without mistakes, which the checker must let pass in every order. */
#include <cuda_runtime.h>
#include "plants.h"

#define LAUNCH(kernel, grid, block, bytes, stream, ...)                                  \
    cudasim::launch_k(#kernel, kernel, (grid), (block), (bytes), (stream), __VA_ARGS__)
static constexpr uint32_t all_lanes = 0xffffffffu;

template <int mistake> static __global__ void sum_kernel(const float *in, float *out)
{
    CS_SHARED(float, s, [128]);
    const unsigned t = threadIdx.x;

    s[t] = in[blockIdx.x * 128 + t];
    __syncthreads();
    for (unsigned o = 64; o; o >>= 1) {
        if (t < o)
            s[t] += s[t + o];
        if (!mistake)
            __syncthreads();
    }
    if (t == 0)
        out[blockIdx.x] = s[0];
}

cudaError_t plain_sum(const float *in, float *out, int blocks, int mistake,
                      cudaStream_t s)
{
    const dim3 grid((unsigned)blocks), block(128);

    return mistake ? LAUNCH((sum_kernel<1>), grid, block, 0, s, in, out)
                   : LAUNCH((sum_kernel<0>), grid, block, 0, s, in, out);
}

/* Each exchange turns the numbers of a warp around by one, and back. */
static __global__ void exchanges_kernel(const float *in, float *out, int *counter)
{
    CS_SHARED(float, s, [128]);
    CS_SHARED(int, found, [4]);
    const unsigned t = threadIdx.x, lane = t & 31, warp = t / 32;
    float v = in[blockIdx.x * 128 + t];

    v = __shfl_sync(all_lanes, v, lane + 1);
    s[t] = v; // by shared memory of the warp
    __syncwarp();
    v = s[warp * 32 + ((lane + 31) & 31)];
    __syncwarp();
    // Only pairs, each with a mask of its own.
    const uint32_t pair = 3u << (lane & ~1u);
    for (int i = 0; i < 2; i++)
        v = __shfl_xor_sync(pair, v, 1);
    // Lanes of one half exchange what the others do not.
    if (lane < 16)
        v = __shfl_down_sync(0xffffu, __shfl_up_sync(0xffffu, v, 0, 16), 0, 16);
    const double d = __shfl_xor_sync(all_lanes, (double)v, 16);
    v = (float)__shfl_xor_sync(all_lanes, d, 16);
    // And by the block: three times, by way of memory that is used again.
    for (int i = 0; i < 3; i++) {
        s[t] = v;
        __syncthreads();
        const float other = s[127 - t];
        __syncthreads();
        s[127 - t] = other;
        __syncthreads();
        v = s[t];
        __syncthreads();
    }
    const unsigned odd = __ballot_sync(all_lanes, lane & 1);
    if (lane == 0)
        found[warp] = odd == 0xaaaaaaaau && __all_sync(1u, 1) && !__any_sync(1u, 0);
    __syncthreads();
    if (__syncthreads_count(t < 40) != 40 || !__syncthreads_or(t == 127) ||
        __syncthreads_and(t != 64) || !found[t & 3])
        v = NAN;
    out[blockIdx.x * 128 + t] = v;
    if (t == 0) {
        atomicAdd(counter, 1);
        atomicMax(counter + 1, (int)blockIdx.x);
    }
}

static __global__ void pairs_kernel(float *x, unsigned *words)
{
    CS_SHARED(unsigned, second, [1]);
    const unsigned t = threadIdx.x, pair = blockIdx.x / 2;
    float *const at = x + 128 * (size_t)pair + t;
    unsigned *const flag = words + 2 * pair + 1;

    if (t == 0)
        *second = atomicInc(words + 2 * pair, 1);
    __syncthreads();
    if (*second) {
        if (t == 0) {
            cudasim::acquire(flag, 1);
            atomicExch(flag, 0u);
        }
        __syncthreads();
        *at = (*at + 1) * 2;
        return;
    }
    *at += 1;
    __syncthreads();
    if (t == 0)
        cudasim::release(flag, 1);
}

cudaError_t plain_pairs(float *x, unsigned *words, int pairs, cudaStream_t s)
{
    return LAUNCH(pairs_kernel, dim3(2 * (unsigned)pairs), dim3(128), 0, s, x, words);
}

cudaError_t plain_exchanges(const float *in, float *out, int *counter, int blocks,
                            cudaStream_t s)
{
    return LAUNCH(exchanges_kernel, dim3((unsigned)blocks), dim3(128), 0, s, in, out,
                  counter);
}

/* Tiles of 64 by 64 by 32, four warps of 32 by 32; two stages of cp.async. Rows of 80
 * bytes keep ldmatrix free of bank conflicts. */
static __global__ void __launch_bounds__(128)
    gemm_kernel(const uint16_t *a, const uint16_t *b, float *c, int n, int k)
{
    constexpr int tile = 64, depth = 32, pitch = depth + 8;
    uint16_t *shared = static_cast<uint16_t *>(cudasim::dyn_smem());
    const int t = (int)threadIdx.x, lane = t & 31, warp = t / 32;
    const int row = (warp >> 1) * 32, column = (warp & 1) * 32;
    const int row0 = (int)blockIdx.y * tile, column0 = (int)blockIdx.x * tile;
    float sum[2][4][4] = {};
    auto fetch = [&](int stage, int k0) {
        uint16_t *to = shared + stage * 2 * tile * pitch;
        for (int i = t; i < tile * depth / 8; i += 128) {
            const int r = i / 4, x = i % 4 * 8;
            cudasim::cp_async(to + r * pitch + x, a + (size_t)(row0 + r) * k + k0 + x, 16,
                              16);
            cudasim::cp_async(to + (tile + r) * pitch + x,
                              b + (size_t)(column0 + r) * k + k0 + x, 16, 16);
        }
        cudasim::cp_commit();
    };

    fetch(0, 0);
    for (int k0 = 0, stage = 0; k0 < k; k0 += depth, stage ^= 1) {
        if (k0 + depth < k) {
            fetch(stage ^ 1, k0 + depth);
            cudasim::cp_wait(1);
        } else {
            cudasim::cp_wait(0);
        }
        __syncthreads();
        const uint16_t *at = shared + stage * 2 * tile * pitch, *bt = at + tile * pitch;
        for (int x = 0; x < depth; x += 16) {
            uint32_t fa[2][4], fb[2][4];
            for (int i = 0; i < 2; i++)
                cudasim::ldmatrix_x4(CS_LOC, fa[i],
                                     at + (row + 16 * i + (lane & 15)) * pitch + x +
                                         (lane >> 4) * 8);
            for (int j = 0; j < 2; j++)
                cudasim::ldmatrix_x4(
                    CS_LOC, fb[j],
                    bt + (column + 16 * j + (lane >> 4) * 8 + (lane & 7)) * pitch + x +
                        (lane >> 3 & 1) * 8);
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 4; j++)
                    cudasim::mma_m16n8k16_bf16(CS_LOC, sum[i][j], fa[i],
                                               &fb[j >> 1][(j & 1) * 2], sum[i][j]);
        }
        __syncthreads();
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            for (int half = 0; half < 2; half++) {
                const int r = row0 + row + 16 * i + 8 * half + lane / 4;
                const int x = column0 + column + 8 * j + 2 * (lane & 3);
                cudasim::st8(c + (size_t)r * n + x,
                             make_uint2(__float_as_uint(sum[i][j][2 * half]),
                                        __float_as_uint(sum[i][j][2 * half + 1])));
            }
}

cudaError_t plain_gemm(const uint16_t *a, const uint16_t *b, float *c, int m, int n,
                       int k, cudaStream_t s)
{
    return LAUNCH(gemm_kernel, dim3((unsigned)n / 64, (unsigned)m / 64), dim3(128),
                  2 * 128 * 40 * sizeof(uint16_t), s, a, b, c, n, k);
}

static __global__ void add_kernel(float *x, float v, int n)
{
    const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);

    if (i < n)
        x[i] += v;
}

static __global__ void set_kernel(float *x, float v, int n)
{
    const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);

    if (i < n)
        x[i] = v;
}

cudaError_t plain_add(float *x, float v, int n, cudaStream_t s)
{
    return LAUNCH(add_kernel, dim3((unsigned)(n + 63) / 64), dim3(64), 0, s, x, v, n);
}

cudaError_t plain_set(float *x, float v, int n, cudaStream_t s)
{
    return LAUNCH(set_kernel, dim3((unsigned)(n + 63) / 64), dim3(64), 0, s, x, v, n);
}

template <int step> static __global__ void cost_kernel(float *out, int times)
{
    CS_SHARED(uint32_t, rows, [32][4]);
    const unsigned t = threadIdx.x;
    float v = (float)t, d[4] = {};
    uint32_t r[4] = {t, 1, 2, 3};
    const uint32_t b[2] = {4, 5};

    if (step == STEP_MATRIX) {
        if (t < 32)
            for (int i = 0; i < 4; i++)
                rows[t][i] = t;
        __syncthreads();
    }
    for (int i = 0; i < times; i++) {
        if (step == STEP_BARRIER)
            __syncthreads();
        if (step == STEP_SHUFFLE)
            v += __shfl_xor_sync(all_lanes, v, 1 + (i & 15)) * 1e-3f;
        if (step == STEP_WARP)
            __syncwarp();
        if (step == STEP_MMA)
            cudasim::mma_m16n8k16_bf16(CS_LOC, d, r, b, d);
        if (step == STEP_MATRIX)
            cudasim::ldmatrix_x4(CS_LOC, r, rows[t & 31]);
    }
    out[blockIdx.x * blockDim.x + t] = v + d[0] + __uint_as_float(r[0]);
}

cudaError_t cost(enum step step, float *out, int times, int blocks, int threads)
{
    const dim3 grid((unsigned)blocks), block((unsigned)threads);

    switch (step) {
    case STEP_BARRIER:
        return LAUNCH((cost_kernel<STEP_BARRIER>), grid, block, 0, nullptr, out, times);
    case STEP_SHUFFLE:
        return LAUNCH((cost_kernel<STEP_SHUFFLE>), grid, block, 0, nullptr, out, times);
    case STEP_WARP:
        return LAUNCH((cost_kernel<STEP_WARP>), grid, block, 0, nullptr, out, times);
    case STEP_NOTHING:
        return LAUNCH((cost_kernel<STEP_NOTHING>), grid, block, 0, nullptr, out, 0);
    case STEP_MMA:
        return LAUNCH((cost_kernel<STEP_MMA>), grid, block, 0, nullptr, out, times);
    case STEP_MATRIX:
        return LAUNCH((cost_kernel<STEP_MATRIX>), grid, block, 0, nullptr, out, times);
    }
    return cudaErrorInvalidValue;
}

/* For the test that opens this as a plugin. */
extern "C" __attribute__((visibility("default"))) const void *rj_plugin_entry(int what);
extern "C" const void *rj_plugin_entry(int what)
{
    return what ? (const void *)plain_sum : (const void *)cudaStreamSynchronize;
}
