/* rj_cuda.h: what every .cu file includes. CUDA as nvcc knows it, or as the simulator of
 * test/cuda-sim/ runs it on the CPU: the same text for both. Only what differs stands
 * here: launches, shared memory, wide accesses and every PTX instruction, each in one
 * wrapper; no other file has assembly.
 *
 * Rules for kernels. `static __global__`; shared memory by RJ_SHARED or RJ_DYN_SMEM;
 * accesses of 16 bytes by rj_load16 and rj_store16, so that the simulator sees their
 * width; sums in a fixed order, no atomics on numbers, so that the same input gives the
 * same bits; blocks of a grid know of each other by rj_hand_over() alone, and who waits
 * has begun after who is waited for. */
#ifndef RJ_CUDA_H
#define RJ_CUDA_H

#include <stddef.h>
#include <stdint.h>
#include <cuda_runtime.h>

#if defined(__CUDACC__)
#    define RJ_LAUNCH(kernel, grid, block, bytes, stream, ...)                           \
        (kernel<<<(grid), (block), (bytes), (stream)>>>(__VA_ARGS__),                    \
         cudaPeekAtLastError())
#    define RJ_SHARED(type, name, dims) __shared__ __align__(16) type name dims
#    define RJ_DYN_SMEM(type, name)                                                      \
        extern __shared__ __align__(128) unsigned char rj_dynamic_[];                    \
        type *name = reinterpret_cast<type *>(rj_dynamic_)
#else
#    define RJ_LAUNCH(kernel, grid, block, bytes, stream, ...)                           \
        cudasim::launch_k(#kernel, kernel, (grid), (block), (bytes), (stream),           \
                          __VA_ARGS__)
#    define RJ_SHARED(type, name, dims) CS_SHARED(type, name, dims)
#    define RJ_DYN_SMEM(type, name) type *name = static_cast<type *>(cudasim::dyn_smem())
#endif

#define RJ_DEVICE static __device__ __forceinline__
#define RJ_ALL_LANES 0xffffffffu

/* ---- memory ----------------------------------------------------------------------- */

/* 16 and 8 bytes at an address that is a multiple of as much. */
RJ_DEVICE uint4 rj_load16(const void *from)
{
#if defined(RJ_CUDASIM)
    const float4 v = cudasim::ld16(from);
    return make_uint4(__float_as_uint(v.x), __float_as_uint(v.y), __float_as_uint(v.z),
                      __float_as_uint(v.w));
#else
    return *reinterpret_cast<const uint4 *>(from);
#endif
}

RJ_DEVICE void rj_store16(void *to, uint4 v)
{
#if defined(RJ_CUDASIM)
    cudasim::st16(to, make_float4(__uint_as_float(v.x), __uint_as_float(v.y),
                                  __uint_as_float(v.z), __uint_as_float(v.w)));
#else
    *reinterpret_cast<uint4 *>(to) = v;
#endif
}

/* Four numbers past the L1: what other blocks wrote, or will read. */
RJ_DEVICE float4 rj_load4_far(const float *from)
{
#if defined(RJ_CUDASIM)
    return cudasim::ld16(from);
#else
    return __ldcg(reinterpret_cast<const float4 *>(from));
#endif
}

RJ_DEVICE void rj_store4_far(float *to, float4 v)
{
#if defined(RJ_CUDASIM)
    cudasim::st16(to, v);
#else
    __stcg(reinterpret_cast<float4 *>(to), v);
#endif
}

RJ_DEVICE float4 rj_load4(const float *from)
{
    const uint4 v = rj_load16(from);

    return make_float4(__uint_as_float(v.x), __uint_as_float(v.y), __uint_as_float(v.z),
                       __uint_as_float(v.w));
}

RJ_DEVICE void rj_store4(float *to, float4 v)
{
    rj_store16(to, make_uint4(__float_as_uint(v.x), __float_as_uint(v.y),
                              __float_as_uint(v.z), __float_as_uint(v.w)));
}

/* 16 bytes from global to shared memory without waiting; of the source only the first
 * `bytes` (0 .. 16), zeros after them. */
RJ_DEVICE void rj_copy16(void *to, const void *from, int bytes)
{
#if defined(RJ_CUDASIM)
    cudasim::cp_async(to, from, 16, (size_t)bytes);
#elif defined(__CUDA_ARCH__)
    const unsigned shared = (unsigned)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared),
                 "l"(from), "r"(bytes)
                 : "memory");
#endif
}

/* The same of 4 bytes, or zeros. */
RJ_DEVICE void rj_copy4(void *to, const void *from, int bytes)
{
#if defined(RJ_CUDASIM)
    cudasim::cp_async(to, from, 4, (size_t)bytes);
#elif defined(__CUDA_ARCH__)
    const unsigned shared = (unsigned)__cvta_generic_to_shared(to);
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(shared),
                 "l"(from), "r"(bytes)
                 : "memory");
#endif
}

/* What was copied since the last call is one group; wait until at most KEEP groups are
 * under way. Each thread sees its own copies then; __syncthreads() for the others'. */
RJ_DEVICE void rj_copy_group()
{
#if defined(RJ_CUDASIM)
    cudasim::cp_commit();
#elif defined(__CUDA_ARCH__)
    asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}

template <int KEEP> RJ_DEVICE void rj_copy_wait()
{
#if defined(RJ_CUDASIM)
    cudasim::cp_wait(KEEP);
#elif defined(__CUDA_ARCH__)
    asm volatile("cp.async.wait_group %0;\n" ::"n"(KEEP) : "memory");
#endif
}

/* ---- blocks of a grid -------------------------------------------------------------- */

/* For all threads of a block: what they have written before is for whoever takes it.
 * `flag`, in device memory, goes from 0 to 1. */
RJ_DEVICE void rj_hand_over(unsigned *flag)
{
    __syncthreads();
    if (threadIdx.x)
        return;
#if defined(RJ_CUDASIM)
    cudasim::release(flag, 1);
#elif defined(__CUDA_ARCH__)
    asm volatile("st.release.gpu.global.u32 [%0], 1;\n" ::"l"(flag) : "memory");
#endif
}

/* For all threads of a block: wait until it is handed over; `flag` goes back to 0. */
RJ_DEVICE void rj_take_over(unsigned *flag)
{
    if (threadIdx.x == 0) {
#if defined(RJ_CUDASIM)
        cudasim::acquire(flag, 1);
#elif defined(__CUDA_ARCH__)
        unsigned now;
        do {
            asm volatile("ld.acquire.gpu.global.u32 %0, [%1];\n"
                         : "=r"(now)
                         : "l"(flag)
                         : "memory");
        } while (!now);
#endif
        atomicExch(flag, 0u);
    }
    __syncthreads();
}

/* ---- matrices of a warp ------------------------------------------------------------ */

/* Four matrices of 8 rows of 16 bytes from shared memory; lanes 8 i .. 8 i + 7 say where
 * the rows of matrix i lie, r[i] is this lane's 4 bytes of it: row lane / 4, bytes
 * 4 (lane % 4) .. . `turned`: of the transpose of 8 x 8 numbers of 2 bytes. */
RJ_DEVICE void rj_matrices(uint32_t r[4], const void *row)
{
#if defined(RJ_CUDASIM)
    cudasim::ldmatrix_x4(CS_LOC, r, row);
#elif defined(__CUDA_ARCH__)
    const unsigned shared = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared)
                 : "memory");
#endif
}

RJ_DEVICE void rj_matrices_turned(uint32_t r[4], const void *row)
{
#if defined(RJ_CUDASIM)
    cudasim::ldmatrix_x4_trans(CS_LOC, r, row);
#elif defined(__CUDA_ARCH__)
    const unsigned shared = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared)
                 : "memory");
#endif
}

/* d (16 x 8, float) += a (16 x 32 bytes) b (8 x 32 bytes)^T: of 16 bfloat16 or of 8 float
 * whose lower 13 bits do not count (tf32). In lane 4 g + t, d holds rows g, g, g + 8,
 * g + 8 at columns 2 t, 2 t + 1, 2 t, 2 t + 1; a[0..3] 4 bytes of rows g, g + 8, g, g + 8
 * at bytes 4 t, 4 t, 16 + 4 t, 16 + 4 t; b[0..1] of row g at bytes 4 t, 16 + 4 t. */
RJ_DEVICE void rj_multiply_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
#if defined(RJ_CUDASIM)
    cudasim::mma_m16n8k16_bf16(CS_LOC, d, a, b, d);
#elif defined(__CUDA_ARCH__)
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, "
                 "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

RJ_DEVICE void rj_multiply_tf32(float d[4], const uint32_t a[4], const uint32_t b[2])
{
#if defined(RJ_CUDASIM)
    cudasim::mma_m16n8k8_tf32(CS_LOC, d, a, b, d);
#elif defined(__CUDA_ARCH__)
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, "
                 "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

/* Two numbers as bfloat16, the nearest, ties to even; `low` in the lower half. */
RJ_DEVICE uint32_t rj_bf16_pair(float low, float high)
{
#if defined(RJ_CUDASIM)
    return cudasim::bf16x2(low, high);
#elif defined(__CUDA_ARCH__)
    uint32_t pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
#else
    return 0;
#endif
}

/* The number nearest to x that tf32 can hold: 10 bits after the point. */
RJ_DEVICE float rj_tf32(float x)
{
#if defined(RJ_CUDASIM)
    return __uint_as_float(cudasim::tf32(x));
#elif defined(__CUDA_ARCH__)
    uint32_t bits;
    asm("cvt.rna.tf32.f32 %0, %1;\n" : "=r"(bits) : "f"(x));
    return __uint_as_float(bits);
#else
    return x;
#endif
}

/* 2^x to about 2e-7 of it, or 0 below 2^-126. */
RJ_DEVICE float rj_exp2(float x)
{
#if defined(RJ_CUDASIM)
    return exp2f(x);
#elif defined(__CUDA_ARCH__)
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(power) : "f"(x));
    return power;
#else
    return x;
#endif
}

/* ---- sums ------------------------------------------------------------------------- */

/* The sum over the lanes of a warp, in all of them, always in the same order. */
RJ_DEVICE float rj_warp_sum(float v)
{
#pragma unroll
    for (int lanes = 16; lanes; lanes >>= 1)
        v += __shfl_xor_sync(RJ_ALL_LANES, v, lanes);
    return v;
}

/* The same over a block of whole warps; `warps` is shared memory, 32 numbers, free again
 * when this returns. */
RJ_DEVICE float rj_block_sum(float v, float *warps)
{
    const int lane = (int)threadIdx.x % 32;

    v = rj_warp_sum(v);
    if (lane == 0)
        warps[threadIdx.x / 32] = v;
    __syncthreads();
    v = rj_warp_sum(lane < (int)blockDim.x / 32 ? warps[lane] : 0);
    __syncthreads();
    return v;
}

RJ_DEVICE float rj_warp_max(float v)
{
#pragma unroll
    for (int lanes = 16; lanes; lanes >>= 1)
        v = fmaxf(v, __shfl_xor_sync(RJ_ALL_LANES, v, lanes));
    return v;
}

#endif
