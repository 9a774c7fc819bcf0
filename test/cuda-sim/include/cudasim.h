/* The CUDA kernel language for a C++17 compiler: kernels run on the CPU, one fiber a CUDA
 * thread. `cuda_runtime.h` brings it; nvcc never sees it.
 *
 * A kernel is an ordinary function. Its shared memory is declared with CS_SHARED, or is
 * the block's dynamic memory, cudasim::dyn_smem(). There is no __shared__ on purpose: gcc
 * ignores section attributes of statics in templates, so nothing could tell shared
 * variables from others. Everything that threads do together says where it stands in the
 * source (CS_LOC), so that threads that meet at different places are told apart. */
#ifndef CUDASIM_H
#define CUDASIM_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <tuple>
#include <type_traits>

#include "cuda_runtime_api.h"

#define RJ_CUDASIM 1

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __grid_constant__
#define __constant__ __attribute__((section("cudasim_const")))

#define CS_TEXT_OF(x) #x
#define CS_TEXT(x) CS_TEXT_OF(x)
#define CS_LOC __FILE__ ":" CS_TEXT(__LINE__)
#define CS_UNCHECKED __attribute__((no_sanitize("thread")))

/* T name dims, one for the block, NaN where nothing was written; 128-byte aligned. */
#define CS_SHARED(T, name, dims)                                                         \
    typedef T cs_type_##name dims;                                                       \
    static const char cs_tag_##name = 0;                                                 \
    cs_type_##name &name = *static_cast<cs_type_##name *>(                               \
        cudasim::shared_static(&cs_tag_##name, #name, sizeof(cs_type_##name)))

struct uint3 {
    unsigned x, y, z;
};
struct alignas(8) int2 {
    int x, y;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct float3 {
    float x, y, z;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c)
    {
    }
};
static inline int2 make_int2(int x, int y)
{
    return {x, y};
}
static inline int4 make_int4(int x, int y, int z, int w)
{
    return {x, y, z, w};
}
static inline uint2 make_uint2(unsigned x, unsigned y)
{
    return {x, y};
}
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w)
{
    return {x, y, z, w};
}
static inline float2 make_float2(float x, float y)
{
    return {x, y};
}
static inline float3 make_float3(float x, float y, float z)
{
    return {x, y, z};
}
static inline float4 make_float4(float x, float y, float z, float w)
{
    return {x, y, z, w};
}

#pragma GCC visibility push(hidden)
namespace cudasim
{
constexpr unsigned max_threads = 1024;
constexpr unsigned stack_shift = 17;
constexpr uintptr_t stack_size = (uintptr_t)1 << stack_shift;

enum State { ready, at_barrier, at_warp, done };

/* A CUDA thread. Its fiber's stack is number `linear` of a row of stacks of equal size,
 * so the address of a local variable tells which thread runs. */
struct alignas(64) Thread {
    uint3 index;
    unsigned linear, lane, warp;
    void *stack_pointer;
    const char *where; /* what it waits at */
    State state;
    void *context; /* of the operating system, where the switch is not our own */
};

struct Machine {
    uintptr_t stacks;
    uint3 block_index;
    dim3 block_dim, grid_dim;
    Thread thread[max_threads];
};
extern Machine machine;

static inline __attribute__((always_inline)) unsigned self_number()
{
    return (unsigned)(((uintptr_t)__builtin_frame_address(0) - machine.stacks) >>
                      stack_shift);
}
static inline __attribute__((always_inline)) Thread *self()
{
    return &machine.thread[self_number()];
}

enum Operation {
    shuffle_index,
    shuffle_up,
    shuffle_down,
    shuffle_xor,
    vote,
    warp_barrier,
    mma_tf32,
    mma_bf16,
    load_matrix
};
enum Reduction { reduce_or, reduce_and, reduce_count };

void syncthreads(const char *where);
int syncthreads_reduce(const char *where, Reduction reduction, int predicate);
void syncwarp(const char *where, uint32_t mask);
uint64_t shuffle(const char *where, Operation operation, uint32_t mask, uint64_t value,
                 int argument, int width);
uint32_t ballot(const char *where, uint32_t mask, int predicate);

void *dyn_smem();
void *shared_static(const void *tag, const char *name, size_t size);

/* A chance for other threads, where real ones would interleave too. */
void maybe_yield();
/* An access that the compiler's hooks do not see, or not as wide as it is. */
void touch(const void *pointer, size_t size, bool write, bool atomic);

/* Accesses of 16 and 8 bytes at once, aligned so. */
float4 ld16(const void *pointer);
void st16(void *pointer, float4 value);
uint2 ld8(const void *pointer);
void st8(void *pointer, uint2 value);

/* st.release.gpu, and ld.acquire.gpu until the value is there. Blocks run one after
 * another: what no block before has released never is, and that is an error. */
void release(unsigned *to, unsigned value);
void acquire(const unsigned *from, unsigned value);

/* cp.async of 4, 8 or 16 bytes, zeros after the first source_size. The copy is done where
 * it is waited for, and until then the destination is NaN. */
void cp_async(void *to, const void *from, size_t size, size_t source_size);
void cp_commit();
void cp_wait(int keep);

/* ldmatrix .m8n8.b16: row is the address that this lane gives, of 16 bytes in shared
 * memory. mma: fragments as in fragments.h, d = a b + c. */
void ldmatrix_x1(const char *where, uint32_t r[1], const void *row);
void ldmatrix_x2(const char *where, uint32_t r[2], const void *row);
void ldmatrix_x4(const char *where, uint32_t r[4], const void *row);
void ldmatrix_x1_trans(const char *where, uint32_t r[1], const void *row);
void ldmatrix_x2_trans(const char *where, uint32_t r[2], const void *row);
void ldmatrix_x4_trans(const char *where, uint32_t r[4], const void *row);
void mma_m16n8k8_tf32(const char *where, float d[4], const uint32_t a[4],
                      const uint32_t b[2], const float c[4]);
void mma_m16n8k16_bf16(const char *where, float d[4], const uint32_t a[4],
                       const uint32_t b[2], const float c[4]);

[[noreturn]] void fail(const char *kind, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

cudaError_t launch(const char *name, const void *kernel, dim3 grid, dim3 block,
                   size_t shared, cudaStream_t stream, void (*run)(void *), void *call,
                   size_t call_size, void (*forget)(void *));

struct WarpBarrier {
    const char *where;
    void operator()(uint32_t mask = 0xffffffffu) const
    {
        syncwarp(where, mask);
    }
};

template <class T>
static inline T shuffle_value(const char *where, Operation operation, uint32_t mask,
                              T value, int argument, int width = 32)
{
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable<T>::value,
                  "a shuffle moves 1 to 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = shuffle(where, operation, mask, bits, argument, width);
    memcpy(&value, &bits, sizeof value);
    return value;
}

template <class T, class F>
CS_UNCHECKED __attribute__((noinline)) T atomic(T *pointer, F change)
{
    maybe_yield();
    touch(pointer, sizeof(T), true, true);
    T old;
    memcpy(&old, pointer, sizeof old);
    const T changed = change(old);
    memcpy(pointer, &changed, sizeof changed);
    return old;
}

template <class F> struct Call {
    CS_UNCHECKED static void run(void *p)
    {
        (*static_cast<F *>(p))();
    }
    static void forget(void *p)
    {
        delete static_cast<F *>(p);
    }
};

/* Arguments become of the kernel's own types at once, as <<<>>> makes them. */
template <class... P, class... A>
static inline cudaError_t launch_k(const char *name, void (*kernel)(P...), dim3 grid,
                                   dim3 block, size_t shared, cudaStream_t stream,
                                   A... argument)
{
    auto call = [kernel, arguments = std::tuple<P...>(argument...)]()
                    CS_UNCHECKED { std::apply(kernel, arguments); };
    using F = decltype(call);
    return launch(name, reinterpret_cast<const void *>(kernel), grid, block, shared,
                  stream, Call<F>::run, new F(call), sizeof(F), Call<F>::forget);
}
} // namespace cudasim
#pragma GCC visibility pop

#define threadIdx (cudasim::self()->index)
#define blockIdx (cudasim::machine.block_index)
#define blockDim (cudasim::machine.block_dim)
#define gridDim (cudasim::machine.grid_dim)
static constexpr int warpSize = 32;
#define __syncthreads() cudasim::syncthreads(CS_LOC)
#define __syncthreads_or(p) cudasim::syncthreads_reduce(CS_LOC, cudasim::reduce_or, (p))
#define __syncthreads_and(p) cudasim::syncthreads_reduce(CS_LOC, cudasim::reduce_and, (p))
#define __syncthreads_count(p)                                                           \
    cudasim::syncthreads_reduce(CS_LOC, cudasim::reduce_count, (p))
#define __syncwarp(...) cudasim::WarpBarrier{CS_LOC}(__VA_ARGS__)
#define __shfl_sync(m, ...)                                                              \
    cudasim::shuffle_value(CS_LOC, cudasim::shuffle_index, m, __VA_ARGS__)
#define __shfl_up_sync(m, ...)                                                           \
    cudasim::shuffle_value(CS_LOC, cudasim::shuffle_up, m, __VA_ARGS__)
#define __shfl_down_sync(m, ...)                                                         \
    cudasim::shuffle_value(CS_LOC, cudasim::shuffle_down, m, __VA_ARGS__)
#define __shfl_xor_sync(m, ...)                                                          \
    cudasim::shuffle_value(CS_LOC, cudasim::shuffle_xor, m, __VA_ARGS__)
#define __ballot_sync(m, p) cudasim::ballot(CS_LOC, m, p)
#define __any_sync(m, p) (cudasim::ballot(CS_LOC, m, p) != 0)
#define __all_sync(m, p) (cudasim::ballot(CS_LOC, m, !(p)) == 0)
#define __threadfence() ((void)0)
#define __threadfence_block() ((void)0)

#include "cudasim_functions.h"

#endif
