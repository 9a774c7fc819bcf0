/* conv_tensor: the product of conv.h on tensor cores, of bfloat16 or of tf32.
 *
 * A block has ROWS x COLUMNS of `out`, a warp 64 x 64 or 64 x 32 of it (32 x 32 in the
 * smallest), in registers. Shared memory holds STAGES steps of the reduction, 64 bytes of
 * each row, at most 96 KB; step i + STAGES - 1 is under way while step i is multiplied,
 * and fragments of the next half of a step are read before the present half is
 * multiplied, so one barrier a step suffices. What a warp does is in conv_warp.h.
 *
 * Per step a multiprocessor of sm_80 needs, for 128 x 256, 1024 cycles of its tensor
 * cores, 704 of shared memory (512 read, 192 written), and 24 KB from the L2; for
 * 128 x 128, 512 of its tensor cores, 384 of shared memory, and 16 KB. */
#include "conv_warp.h"

template <class T, int ROWS, int COLUMNS, int WARPS_M, int WARPS_N, int STAGES,
          int BLOCKS, bool MORE>
static __global__ void __launch_bounds__(WARPS_M *WARPS_N * 32, BLOCKS)
    conv_tensor(const rj_conv_job job)
{
    typedef rj_pipe<T, ROWS, COLUMNS, WARPS_M * WARPS_N * 32, STAGES> pipe;
    constexpr int MI = ROWS / WARPS_M / 16, NJ = COLUMNS / WARPS_N / 8;
    RJ_DYN_SMEM(unsigned char, memory);
    const rj_phase f = rj_phase_of(&job.g, job.first_phase + (int)blockIdx.z);
    const int m0 = (int)(blockIdx.x / job.tiles) * ROWS;
    const int k0 = (int)(blockIdx.x % job.tiles) * COLUMNS;
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int wm = warp % WARPS_M * (MI * 16), wn = warp / WARPS_M * (NJ * 8);
    float d[MI][NJ][4] = {};
    int step, last;

    if (m0 >= job.g.n * f.p * f.q)
        return;
    const int part = MORE ? rj_take_part(job, memory) : (int)blockIdx.y;
    rj_take_steps<T>(job, f, part, &step, &last);
    if (step < last) {
        const int from = (int)threadIdx.x / RJ_CHUNKS;
        const rj_lane l =
            rj_lane_of(memory + wm * RJ_ROW, memory + (ROWS + wn) * RJ_ROW, lane);
        rj_halfstep<MI, NJ> half[2];
        pipe p;
        int read = 0;
        rj_open(p, job, f, memory, m0, k0 + from / 32 * 32 + rj_column_of<T>(from % 32),
                pipe::APART, step, last);
        rj_copy_wait<STAGES - 2>();
        __syncthreads();
        rj_read(half[0], l.a, l.b, l.chunk_a, l.chunk_b);
        for (; step < last; step++) {
            rj_read(half[1], l.a + read, l.b + read, l.chunk_a ^ 32, l.chunk_b ^ 32);
            rj_fill(p, job.g, f);
            rj_multiply_all<T, MI, NJ>(d, half[0]);
            rj_copy_wait<STAGES - 2>();
            __syncthreads();
            read = rj_stage_after<pipe::STAGE, STAGES>(read);
            if (step + 1 < last)
                rj_read(half[0], l.a + read, l.b + read, l.chunk_a, l.chunk_b);
            rj_multiply_all<T, MI, NJ>(d, half[1]);
        }
    }
    if (MORE && job.pairs && part)
        rj_take_over(rj_pair_of(job) + 1);
    rj_write_all<T, false, MORE, MI, NJ>(job, f, part, m0 + wm, k0 + wn, lane, d);
    if (MORE && job.pairs && !part)
        rj_hand_over(rj_pair_of(job) + 1);
}

/* One tile for either type. */
#define LAUNCH_SO(type, rows, columns, m, n, stages, blocks, more)                       \
    do {                                                                                 \
        const auto kernel =                                                              \
            conv_tensor<type, rows, columns, m, n, stages, blocks, more>;                \
        const size_t bytes = (size_t)(stages) * ((rows) + (columns)) * RJ_ROW;           \
        RJ_TRY(rj_allow_shared(dev, reinterpret_cast<const void *>(kernel), bytes));     \
        RJ_LAUNCH_PHASES(dev,                                                            \
                         (conv_tensor<type, rows, columns, m, n, stages, blocks, more>), \
                         job, rows, columns, (m) * (n)*32, bytes);                       \
    } while (0)
#define LAUNCH_AS(...)                                                                   \
    do {                                                                                 \
        if (rj_more(job))                                                                \
            LAUNCH_SO(__VA_ARGS__, true);                                                \
        LAUNCH_SO(__VA_ARGS__, false);                                                   \
    } while (0)
#define LAUNCH(...)                                                                      \
    do {                                                                                 \
        if (dev->precision == RJ_BF16)                                                   \
            LAUNCH_AS(rj_half, __VA_ARGS__);                                             \
        LAUNCH_AS(float, __VA_ARGS__);                                                   \
    } while (0)

rij_status rj_conv_tensor(rj_device *dev, const rj_conv_job *job, rj_tile tile)
{
    if (tile == RJ_TILE_128_256)
        LAUNCH(128, 256, 2, 4, 4, 1);
    if (tile == RJ_TILE_256_128)
        LAUNCH(256, 128, 4, 2, 4, 1);
    if (tile == RJ_TILE_256_64)
        LAUNCH_AS(float, 256, 64, 4, 2, 4, 1);
    if (tile == RJ_TILE_128_128)
        LAUNCH(128, 128, 2, 2, 3, 2);
    if (tile == RJ_TILE_128_64)
        LAUNCH(128, 64, 2, 2, 4, 3);
    LAUNCH(64, 64, 2, 2, 4, 4);
}
