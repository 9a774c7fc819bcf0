/* Kernels for the tests of the simulator: some are right, some have a mistake each. */
#ifndef CUDASIM_PLANTS_H
#define CUDASIM_PLANTS_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Planted mistakes. All get `n` floats of device memory that were written, and of them
 * may use all. */
enum plant {
    PLANT_NO_BARRIER,
    PLANT_PAST_DYNAMIC,
    PLANT_PAST_STATIC,
    PLANT_HALF_AT_BARRIER,
    PLANT_TWO_BARRIERS,
    PLANT_EXIT_BEFORE_BARRIER,
    PLANT_MASK_IN_BRANCH,
    PLANT_FOREIGN_LANE,
    PLANT_NO_SYNCWARP,
    PLANT_UNWRITTEN_SHARED,
    PLANT_UNWRITTEN_DEVICE,
    PLANT_HOST_POINTER,
    PLANT_PAST_ALLOCATION,
    PLANT_FREED,
    PLANT_MISALIGNED,
    PLANT_BLOCKS_ADD,
    PLANT_PLAIN_AND_ATOMIC,
    PLANT_HANDED_TOO_SOON,
    PLANT_TAKEN_TOO_SOON,
    PLANT_NEVER_HANDED,
    PLANT_CONSTANT,
    PLANT_COPY_KEPT,
    PLANT_COPY_NO_BARRIER,
    PLANT_REUSED_TOO_SOON,
    PLANT_MATRIX_ROW_MISALIGNED,
    PLANT_MATRIX_ROW_OUTSIDE,
    PLANT_MATRIX_HALF_WARP,
    PLANT_TOO_MUCH_SHARED,
    PLANTS
};
cudaError_t plant(enum plant which, float *memory, int n, float *host, cudaStream_t s);

/* out[b] = sum of in[128 b .. 128 b + 127]; with the mistake a barrier is missing. */
cudaError_t plain_sum(const float *in, float *out, int blocks, int mistake,
                      cudaStream_t s);

/* Right kernels. Of 128 threads a block: out[i] by exchanges of all kinds, and a count of
 * blocks in *counter. See test_plants.cc for what must come out. */
cudaError_t plain_exchanges(const float *in, float *out, int *counter, int blocks,
                            cudaStream_t s);
/* c (m by n) = a (m by k) b (n by k)^T, a and b of bf16; m and n multiples of 64, k
 * of 32. */
cudaError_t plain_gemm(const uint16_t *a, const uint16_t *b, float *c, int m, int n,
                       int k, cudaStream_t s);
/* Pairs of blocks of 128 threads: who begins first adds 1 to x[128 p + t], the other adds
 * 1 then, and doubles it. words: two zeros of each pair, and so again. */
cudaError_t plain_pairs(float *x, unsigned *words, int pairs, cudaStream_t s);
/* Adds 1 to n floats, or sets them. */
cudaError_t plain_add(float *x, float v, int n, cudaStream_t s);
cudaError_t plain_set(float *x, float v, int n, cudaStream_t s);

/* One warp; a 16 by k, b k by 8, row by row, c and d 16 by 8. */
cudaError_t warp_mma_bf16(const uint16_t *a, const uint16_t *b, const float *c, float *d);
cudaError_t warp_mma_tf32(const float *a, const float *b, const float *c, float *d);
/* r[matrix][lane] of up to 4 matrices of 8 rows of 8 numbers. */
cudaError_t warp_ldmatrix(const uint16_t *rows, uint32_t *r, int matrices,
                          int transposed);
/* One warp copies three groups and waits until `keep` may be left; the numbers it reads
 * are NaN where it should not have. out[3][32]. */
cudaError_t warp_copies(const float *in, float *out, int keep);
/* n threads convert. */
cudaError_t convert(const float *x, uint32_t *bf16, uint32_t *tf32, int n);
/* Intrinsics of bits and warps, one warp; out[8][32]. */
cudaError_t warp_intrinsics(unsigned *out);

/* One step of each kind of cost; `times` steps. */
enum step { STEP_BARRIER, STEP_SHUFFLE, STEP_WARP, STEP_NOTHING, STEP_MMA, STEP_MATRIX };
cudaError_t cost(enum step step, float *out, int times, int blocks, int threads);

#ifdef __cplusplus
}
#endif
#endif
