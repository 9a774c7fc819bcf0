/* Kernels with one mistake each, for the checker to find. The line of a mistake bears the
 * name that test_plants.cc expects it by. */
#include <cuda_runtime.h>
#include "plants.h"

#define LAUNCH(kernel, grid, block, bytes, stream, ...)                                  \
    cudasim::launch_k(#kernel, kernel, (grid), (block), (bytes), (stream), __VA_ARGS__)

static __constant__ float constant[4] = {1.0f, 2.0f, 3.0f, 4.0f};

static __global__ void no_barrier(float *x)
{
    CS_SHARED(float, s, [128]);
    const unsigned t = threadIdx.x;

    s[t] = x[t];
    __syncthreads();
    for (unsigned o = 64; o; o >>= 1)
        if (t < o)
            s[t] += s[t + o]; // mistake: no_barrier
    if (t == 0)
        x[0] = s[0];
}

static __global__ void past_dynamic(float *x)
{
    float *s = static_cast<float *>(cudasim::dyn_smem());
    const unsigned t = threadIdx.x;

    s[t + 4] = x[t]; // mistake: past_dynamic
    __syncthreads();
    x[t] = s[(t + 1) & 127];
}

static __global__ void past_static(float *x)
{
    CS_SHARED(float, s, [128]);
    const unsigned t = threadIdx.x;

    s[t * 2] = x[t]; // mistake: past_static
    __syncthreads();
    x[t] = s[t];
}

static __global__ void half_at_barrier(float *x)
{
    if (threadIdx.x < 64)
        __syncthreads(); // mistake: half_at_barrier
    x[threadIdx.x] = 1;
}

static __global__ void two_barriers(float *x)
{
    const unsigned t = threadIdx.x;

    if (t < 64) {
        x[t] += 1;
        __syncthreads();
    } else {
        x[t] += 2;
        __syncthreads(); // mistake: two_barriers
    }
}

static __global__ void exit_before_barrier(float *x)
{
    if (threadIdx.x >= 100)
        return;
    __syncthreads(); // mistake: exit_before_barrier
    x[threadIdx.x] = 1;
}

static __global__ void mask_in_branch(float *x)
{
    const unsigned t = threadIdx.x;

    if (t & 1)
        x[t] = __shfl_xor_sync(0xffffffffu, x[t], 2); // mistake: mask_in_branch
}

static __global__ void foreign_lane(float *x)
{
    const unsigned t = threadIdx.x;

    if (t & 1)
        x[t] = __shfl_xor_sync(0xaaaaaaaau, x[t], 1); // mistake: foreign_lane
}

static __global__ void no_syncwarp(float *x)
{
    CS_SHARED(float, s, [128]);
    const unsigned t = threadIdx.x;

    s[t] = x[t];     // mistake: no_syncwarp
    x[t] = s[t ^ 1]; // mistake: no_syncwarp
}

static __global__ void unwritten_shared(float *x)
{
    CS_SHARED(float, s, [128]);

    if (threadIdx.x < 100)
        s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[threadIdx.x]; // mistake: unwritten_shared
}

static __global__ void read_all(float *x, const float *from)
{
    x[threadIdx.x] = from[threadIdx.x]; // mistake: host_pointer, unwritten_device, freed
}

static __global__ void past_allocation(float *x, int n)
{
    x[blockIdx.x * 128 + threadIdx.x + (n - 128)] = 1; // mistake: past_allocation
}

static __global__ void misaligned(float *x)
{
    cudasim::st16(x + 1, make_float4(1, 2, 3, 4)); // mistake: misaligned
}

static __global__ void blocks_add(float *x)
{
    x[0] += 1; // mistake: blocks_add
}

static __global__ void plain_and_atomic(float *x)
{
    if (blockIdx.x == 0)
        x[1] = x[0]; // mistake: plain_and_atomic
    else
        atomicAdd(x, 1.0f); // mistake: plain_and_atomic
}

/* Who begins first writes for the other, as in plain.cu's pairs. x[256] is the flag,
 * x[257] is 1 until one has begun. */
static __global__ void hand_over(float *x, enum plant mistake)
{
    unsigned *const flag = reinterpret_cast<unsigned *>(x + 256);
    const unsigned t = threadIdx.x;
    CS_SHARED(float, begun, [1]);

    if (t == 0)
        begun[0] = atomicExch(x + 257, 2.0f);
    __syncthreads();
    if (begun[0] == 1.0f) {
        x[t] = 1;
        if (mistake != PLANT_HANDED_TOO_SOON)
            __syncthreads();
        if (t == 0 && mistake != PLANT_NEVER_HANDED)
            cudasim::release(flag, 1);
    } else {
        if (t == 0)
            cudasim::acquire(flag, 1); // mistake: never_handed
        if (mistake != PLANT_TAKEN_TOO_SOON)
            __syncthreads();
        x[128 + t] = x[t]; // mistake: handed_too_soon, taken_too_soon
    }
}

static __global__ void write_constant(float *x)
{
    x[threadIdx.x] += constant[(threadIdx.x + 1) & 3];
    constant[threadIdx.x & 3] = x[threadIdx.x]; // mistake: constant
}

static __global__ void copy_kept(float *x)
{
    CS_SHARED(float, s, [2][128]);
    const unsigned t = threadIdx.x;

    for (int i = 0; i < 2; i++) {
        cudasim::cp_async(&s[i][t], x + 128 * i + t, 4, 4);
        cudasim::cp_commit();
    }
    cudasim::cp_wait(2);
    __syncthreads();
    x[t] = s[0][127 - t]; // mistake: copy_kept
}

static __global__ void copy_no_barrier(float *x)
{
    CS_SHARED(float, s, [128]);
    const unsigned t = threadIdx.x;

    cudasim::cp_async(&s[t], x + t, 4, 4); // mistake: copy_no_barrier
    cudasim::cp_commit();
    cudasim::cp_wait(0);
    x[128 + t] = s[127 - t]; // mistake: copy_no_barrier
}

static __global__ void reused_too_soon(float *x)
{
    CS_SHARED(float, s, [128]);
    const unsigned t = threadIdx.x;

    for (int i = 0; i < 2; i++) {
        s[t] = x[128 * i + t]; // mistake: reused_too_soon
        __syncthreads();
        x[128 * i + t] = s[127 - t]; // mistake: reused_too_soon
    }
}

static __global__ void matrix_row(float *x, int offset)
{
    CS_SHARED(uint32_t, s, [132]);
    uint32_t r[4];

    for (unsigned i = threadIdx.x; i < 132; i += 32)
        s[i] = i;
    __syncwarp();
    cudasim::ldmatrix_x4(CS_LOC, r, s + 4 * threadIdx.x + offset); // mistake: row
    x[threadIdx.x] = __uint_as_float(r[0]);
}

static __global__ void matrix_half_warp(float *x)
{
    float d[4] = {};
    const uint32_t a[4] = {}, b[2] = {};

    cudasim::mma_m16n8k8_tf32(CS_LOC, d, a, b, d); // mistake: half_warp
    x[threadIdx.x] = d[0];
}

static __global__ void too_much_shared(float *x)
{
    CS_SHARED(float, s, [13000]);

    s[threadIdx.x] = 1; // mistake: too_much_shared
    x[threadIdx.x] = s[threadIdx.x];
}

/* Memory that nobody wrote, and memory that was freed; read_all() reads them. */
static cudaError_t launch_reader(enum plant which, float *x, cudaStream_t s)
{
    float *other = nullptr;
    cudaError_t error = cudaMalloc(&other, 512);

    if (error)
        return error;
    if (which == PLANT_FREED)
        cudaFree(other);
    error = LAUNCH(read_all, dim3(1), dim3(128), 0, s, x, other);
    if (which != PLANT_FREED)
        cudaFree(other);
    return error;
}

cudaError_t plant(enum plant which, float *x, int n, float *host, cudaStream_t s)
{
    const dim3 one(1), two(2), block(128);

    switch (which) {
    case PLANT_NO_BARRIER:
        return LAUNCH(no_barrier, one, block, 0, s, x);
    case PLANT_PAST_DYNAMIC:
        return LAUNCH(past_dynamic, one, block, 512, s, x);
    case PLANT_PAST_STATIC:
        return LAUNCH(past_static, one, block, 0, s, x);
    case PLANT_HALF_AT_BARRIER:
        return LAUNCH(half_at_barrier, one, block, 0, s, x);
    case PLANT_TWO_BARRIERS:
        return LAUNCH(two_barriers, one, block, 0, s, x);
    case PLANT_EXIT_BEFORE_BARRIER:
        return LAUNCH(exit_before_barrier, one, block, 0, s, x);
    case PLANT_MASK_IN_BRANCH:
        return LAUNCH(mask_in_branch, one, block, 0, s, x);
    case PLANT_FOREIGN_LANE:
        return LAUNCH(foreign_lane, one, block, 0, s, x);
    case PLANT_NO_SYNCWARP:
        return LAUNCH(no_syncwarp, one, block, 0, s, x);
    case PLANT_UNWRITTEN_SHARED:
        return LAUNCH(unwritten_shared, one, block, 0, s, x);
    case PLANT_UNWRITTEN_DEVICE:
    case PLANT_FREED:
        return launch_reader(which, x, s);
    case PLANT_HOST_POINTER:
        return LAUNCH(read_all, one, block, 0, s, x, host);
    case PLANT_PAST_ALLOCATION:
        return LAUNCH(past_allocation, two, block, 0, s, x, n);
    case PLANT_MISALIGNED:
        return LAUNCH(misaligned, one, one, 0, s, x);
    case PLANT_BLOCKS_ADD:
        return LAUNCH(blocks_add, two, one, 0, s, x);
    case PLANT_PLAIN_AND_ATOMIC:
        return LAUNCH(plain_and_atomic, two, one, 0, s, x);
    case PLANT_HANDED_TOO_SOON:
    case PLANT_TAKEN_TOO_SOON:
    case PLANT_NEVER_HANDED:
        return LAUNCH(hand_over, two, block, 0, s, x, which);
    case PLANT_CONSTANT:
        return LAUNCH(write_constant, one, block, 0, s, x);
    case PLANT_COPY_KEPT:
        return LAUNCH(copy_kept, one, block, 0, s, x);
    case PLANT_COPY_NO_BARRIER:
        return LAUNCH(copy_no_barrier, one, block, 0, s, x);
    case PLANT_REUSED_TOO_SOON:
        return LAUNCH(reused_too_soon, one, block, 0, s, x);
    case PLANT_MATRIX_ROW_MISALIGNED:
        return LAUNCH(matrix_row, one, dim3(32), 0, s, x, 1);
    case PLANT_MATRIX_ROW_OUTSIDE:
        return LAUNCH(matrix_row, one, dim3(32), 0, s, x, 8);
    case PLANT_MATRIX_HALF_WARP:
        return LAUNCH(matrix_half_warp, one, dim3(16), 0, s, x);
    case PLANT_TOO_MUCH_SHARED:
        return LAUNCH(too_much_shared, one, block, 0, s, x);
    case PLANTS:
        break;
    }
    return cudaErrorInvalidValue;
}
