/* conv_plain: the product of conv.h in single precision, without tensor cores.
 *
 * Tiles, copies and their order are those of conv_tensor.cu. A warp has 32 x 64 of `out`,
 * a thread 8 x 8 of it: rows ty + 4 i and columns 8 tx .. 8 tx + 7, lane = 8 ty + tx, so
 * it writes eight channels at once. Per 4 numbers of the reduction it reads 16 bytes of
 * each of its rows and columns, 16 accesses for 256 multiplications; column 8 tx + j is
 * row 8 j + tx of the tile of weights, so that a warp reads eight rows next to each
 * other, which lie in different banks.
 *
 * Bound by arithmetic: 128 x 128 of a step take 1024 fused multiplications a thread, 64
 * reads of shared memory and about 40 instructions for copies. */
#include "conv_tile.h"

/* Column of 64 that row `at` of a tile of weights holds. */
RJ_DEVICE int rj_column_of(int at)
{
    return at % 8 * 8 + at / 8;
}

/* 4 numbers of the reduction: chunk `chunk` of the rows at a and the columns at b. */
RJ_DEVICE void rj_multiply_chunk(float d[8][8], const unsigned char *a,
                                 const unsigned char *b, int chunk, int turn_a,
                                 int turn_b)
{
    float4 v[8];

#pragma unroll
    for (int j = 0; j < 8; j++)
        v[j] = rj_load4(reinterpret_cast<const float *>(b + j * 8 * RJ_ROW +
                                                        ((chunk ^ turn_b) << 4)));
#pragma unroll
    for (int i = 0; i < 8; i++) {
        // row ty + 4 i: its turn is 2 (i % 2) + ty / 2
        const float4 u = rj_load4(reinterpret_cast<const float *>(
            a + i * 4 * RJ_ROW + ((chunk ^ (i % 2 * 2) ^ turn_a) << 4)));
#pragma unroll
        for (int j = 0; j < 8; j++) {
            d[i][j] += u.x * v[j].x;
            d[i][j] += u.y * v[j].y;
            d[i][j] += u.z * v[j].z;
            d[i][j] += u.w * v[j].w;
        }
    }
}

template <int ROWS, int COLUMNS, int STAGES, int BLOCKS>
static __global__ void __launch_bounds__(ROWS *COLUMNS / 64, BLOCKS)
    conv_plain(const rj_conv_job job)
{
    typedef rj_pipe<float, ROWS, COLUMNS, ROWS * COLUMNS / 64, STAGES> pipe;
    // channels between rows of the tile that are APART apart
    constexpr int MORE = pipe::APART % 64 ? pipe::APART / 8 : pipe::APART;
    RJ_DYN_SMEM(unsigned char, memory);
    const rj_phase f = rj_phase_of(&job.g, job.first_phase + (int)blockIdx.z);
    const int m0 = (int)(blockIdx.x / job.tiles) * ROWS;
    const int k0 = (int)(blockIdx.x % job.tiles) * COLUMNS;
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int ty = lane / 8, tx = lane % 8;
    const int wm = warp % (ROWS / 32) * 32, wn = warp / (ROWS / 32) * 64;
    const int k = k0 + wn + tx * 8, part = (int)blockIdx.y;
    float d[8][8] = {}, bias[8];
    int step, last;

    if (m0 >= job.g.n * f.p * f.q)
        return;
    rj_take_steps<float>(job, f, part, &step, &last);
    if (step < last) {
        const int from = (int)threadIdx.x / RJ_CHUNKS;
        const unsigned char *const a = memory + (wm + ty) * RJ_ROW;
        const unsigned char *const b = memory + (ROWS + wn + tx) * RJ_ROW;
        pipe p;
        int read = 0;
        rj_open(p, job, f, memory, m0, k0 + from / 64 * 64 + rj_column_of(from % 64),
                MORE, step, last);
        for (; step < last; step++) {
            rj_copy_wait<STAGES - 2>();
            __syncthreads();
            rj_fill(p, job.g, f);
#pragma unroll 1
            for (int c = 0; c < RJ_CHUNKS; c++)
                rj_multiply_chunk(d, a + read, b + read, c, ty / 2, tx / 2);
            read = rj_stage_after<pipe::STAGE, STAGES>(read);
        }
    }
    if (k >= job.g.k)
        return;
    rj_take_bias<8>(job, k, bias);
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const size_t pixel = rj_pixel_of<false>(job.g, f, m0 + wm + ty + 4 * i);
        if (pixel != RJ_NOWHERE)
            rj_write<float, 8>(job, part, pixel, k, bias, d[i]);
    }
}

rij_status rj_conv_plain(rj_device *dev, const rj_conv_job *job, rj_tile tile)
{
    if (tile == RJ_TILE_64_64)
        RJ_LAUNCH_PHASES(dev, (conv_plain<64, 64, 4, 6>), job, 64, 64, 64,
                         4 * 128 * RJ_ROW);
    RJ_LAUNCH_PHASES(dev, (conv_plain<128, 64, 4, 3>), job, 128, 64, 128,
                     4 * 192 * RJ_ROW);
}
