/* Kernels of one warp that show the layouts of fragments, by the formulas of the PTX ISA
 * as they stand there, not by the table of the simulator. */
#include <cuda_runtime.h>
#include "plants.h"

#define LAUNCH(kernel, ...)                                                              \
    cudasim::launch_k(#kernel, kernel, dim3(1), dim3(32), 0, nullptr, __VA_ARGS__)

/* mma.m16n8k16, A: for ai, row = groupID for 0 <= i < 2 or 4 <= i < 6, else groupID + 8;
 * col = 2 threadID_in_group + (i & 1) for i < 4, and 8 more for i >= 4. B: for bi, row =
 * 2 threadID_in_group + (i & 1) for i < 2, and 8 more for i >= 2; col = groupID. C: for
 * ci, row = groupID for i < 2, else groupID + 8; col = 2 threadID_in_group + (i & 1). */
static __global__ void mma_bf16_kernel(const uint16_t *a, const uint16_t *b,
                                       const float *c, float *d)
{
    const int lane = (int)threadIdx.x, group = lane >> 2, thread = lane % 4;
    uint32_t ra[4] = {}, rb[2] = {};
    float rc[4], rd[4];

    for (int i = 0; i < 8; i++) {
        const int row = i < 2 || (4 <= i && i < 6) ? group : group + 8;
        const int col = i < 4 ? thread * 2 + (i & 1) : thread * 2 + (i & 1) + 8;
        ra[i / 2] |= (uint32_t)a[row * 16 + col] << (i & 1) * 16;
    }
    for (int i = 0; i < 4; i++) {
        const int row = i < 2 ? thread * 2 + (i & 1) : thread * 2 + (i & 1) + 8;
        rb[i / 2] |= (uint32_t)b[row * 8 + group] << (i & 1) * 16;
    }
    for (int i = 0; i < 4; i++)
        rc[i] = c[(i < 2 ? group : group + 8) * 8 + thread * 2 + (i & 1)];
    cudasim::mma_m16n8k16_bf16(CS_LOC, rd, ra, rb, rc);
    for (int i = 0; i < 4; i++)
        d[(i < 2 ? group : group + 8) * 8 + thread * 2 + (i & 1)] = rd[i];
}

/* mma.m16n8k8 .tf32, A: row = groupID for a0 and a2, groupID + 8 for a1 and a3; col =
 * threadID_in_group for a0 and a1, 4 more for a2 and a3. B: row = threadID_in_group for
 * b0, 4 more for b1; col = groupID. C as above. */
static __global__ void mma_tf32_kernel(const float *a, const float *b, const float *c,
                                       float *d)
{
    const int lane = (int)threadIdx.x, group = lane >> 2, thread = lane % 4;
    uint32_t ra[4], rb[2];
    float rc[4], rd[4];

    for (int i = 0; i < 4; i++) {
        const int row = i == 0 || i == 2 ? group : group + 8;
        const int col = i == 0 || i == 1 ? thread : thread + 4;
        ra[i] = __float_as_uint(a[row * 8 + col]);
    }
    for (int i = 0; i < 2; i++)
        rb[i] = __float_as_uint(b[(i == 0 ? thread : thread + 4) * 8 + group]);
    for (int i = 0; i < 4; i++)
        rc[i] = c[(i < 2 ? group : group + 8) * 8 + thread * 2 + (i & 1)];
    cudasim::mma_m16n8k8_tf32(CS_LOC, rd, ra, rb, rc);
    for (int i = 0; i < 4; i++)
        d[(i < 2 ? group : group + 8) * 8 + thread * 2 + (i & 1)] = rd[i];
}

cudaError_t warp_mma_bf16(const uint16_t *a, const uint16_t *b, const float *c, float *d)
{
    return LAUNCH(mma_bf16_kernel, a, b, c, d);
}

cudaError_t warp_mma_tf32(const float *a, const float *b, const float *c, float *d)
{
    return LAUNCH(mma_tf32_kernel, a, b, c, d);
}

static __global__ void ldmatrix_kernel(const uint16_t *rows, uint32_t *out, int matrices,
                                       int transposed)
{
    CS_SHARED(uint16_t, s, [32][8]);
    const unsigned lane = threadIdx.x;
    uint32_t r[4] = {};
    const void *row = lane < 8u * (unsigned)matrices ? s[lane] : nullptr;

    for (int i = 0; i < 8; i++)
        s[lane][i] = rows[lane * 8 + i];
    __syncwarp();
    if (matrices == 1)
        (transposed ? cudasim::ldmatrix_x1_trans : cudasim::ldmatrix_x1)(CS_LOC, r, row);
    else if (matrices == 2)
        (transposed ? cudasim::ldmatrix_x2_trans : cudasim::ldmatrix_x2)(CS_LOC, r, row);
    else
        (transposed ? cudasim::ldmatrix_x4_trans : cudasim::ldmatrix_x4)(CS_LOC, r, row);
    for (int i = 0; i < 4; i++)
        out[i * 32 + lane] = r[i];
}

cudaError_t warp_ldmatrix(const uint16_t *rows, uint32_t *r, int matrices, int transposed)
{
    return LAUNCH(ldmatrix_kernel, rows, r, matrices, transposed);
}

static __global__ void copies_kernel(const float *in, float *out, int keep)
{
    CS_SHARED(float, s, [3][32][4]);
    const unsigned t = threadIdx.x;

    // Of the third group one number comes, and zeros.
    for (int i = 0; i < 3; i++) {
        cudasim::cp_async(s[i][t], in + (i * 32 + t) * 4, 16, i == 2 ? 4 : 16);
        cudasim::cp_commit();
    }
    cudasim::cp_wait(keep);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++)
            out[(i * 32 + t) * 4 + j] = s[i][t][j];
}

cudaError_t warp_copies(const float *in, float *out, int keep)
{
    return LAUNCH(copies_kernel, in, out, keep);
}

static __global__ void convert_kernel(const float *x, uint32_t *bf16, uint32_t *tf32,
                                      int n)
{
    for (int i = (int)threadIdx.x; i < n; i += 32) {
        bf16[i] = cudasim::bf16x2(x[i], -x[i]);
        tf32[i] = cudasim::tf32(x[i]);
    }
}

cudaError_t convert(const float *x, uint32_t *bf16, uint32_t *tf32, int n)
{
    return LAUNCH(convert_kernel, x, bf16, tf32, n);
}

static __global__ void intrinsics_kernel(unsigned *out)
{
    const unsigned t = threadIdx.x, all = 0xffffffffu;
    const unsigned long long wide = (unsigned long long)t << 40 | t;

    out[t] = __shfl_up_sync(all, t, 3);
    out[32 + t] = __shfl_down_sync(all, t, 5);
    out[64 + t] = __shfl_sync(all, t, 9, 8);
    out[96 + t] = __shfl_down_sync(all, t, 2, 8);
    out[128 + t] = __ballot_sync(all, t % 3 == 0);
    out[160 + t] = (unsigned)(__shfl_xor_sync(all, wide, 7) >> 40);
    out[192 + t] = (unsigned)__popc(t) | (unsigned)__clz((int)t) << 8 |
                   (unsigned)__ffs((int)t) << 16;
    out[224 + t] = __umulhi(0x80000000u, t) | (__brev(t) & 0xff000000u);
}

cudaError_t warp_intrinsics(unsigned *out)
{
    return LAUNCH(intrinsics_kernel, out);
}
