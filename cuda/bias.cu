/* bias.cu: the bias of a picture, and its gradient.
 *
 *     x[n][c][h][w] += bias[c],    db[c] += sum_nhw dy[n][c][h][w]
 *
 * Threads stand side by side for the blocks of 8 channels of a pixel, and in rows for as
 * many pixels as fit in 256; a thread's channels stay the same, so nothing is divided.
 * The gradient: threads sum every so many pixels, blocks sum their rows, and a second
 * kernel adds the sums of all blocks in their order. */
#include "conv_weights.h"

enum { THREADS = 256, GROUPS = 64 /* blocks of 8 channels that a block has at most */ };

/* A picture as rows of groups: how threads are laid out over it. */
typedef struct spread {
    size_t pixels;
    int c, groups;  /* channels, and blocks of 8 of them */
    int wide, high; /* threads side by side, and rows of them */
} spread;

static spread spread_of(const rj_picture *d)
{
    spread s = {(size_t)d->n * (size_t)d->h * (size_t)d->w, d->c,
                rj_channels(d->c) / RJ_BLOCK, 0, 0};

    s.wide = s.groups < GROUPS ? s.groups : GROUPS;
    s.high = THREADS / s.wide;
    return s;
}

/* Blocks over the pixels: so many that a thread has `each` at least, but not more than
 * eight on a multiprocessor. */
static unsigned blocks_of(const rj_device *dev, const spread *s, size_t each)
{
    const size_t most = (size_t)rj_multiprocessors(dev) * 8;
    const size_t blocks = rj_blocks(s->pixels, (size_t)s->high * each);

    return (unsigned)(blocks < most ? blocks : most);
}

template <class T>
static __global__ void __launch_bounds__(THREADS)
    bias_add(const spread s, const float *bias, float *x)
{
    const int row = (int)threadIdx.x / s.wide;
    const int group = (int)blockIdx.y * s.wide + (int)threadIdx.x % s.wide;
    const size_t step = (size_t)gridDim.x * (size_t)s.high;
    float b[8];

    if (row >= s.high || group >= s.groups)
        return;
    for (int i = 0; i < 8; i++)
        b[i] = group * 8 + i < s.c ? bias[group * 8 + i] : 0;
#pragma unroll 4
    for (size_t m = (size_t)blockIdx.x * (size_t)s.high + (size_t)row; m < s.pixels;
         m += step) {
        const size_t at = (m * (size_t)s.groups + (size_t)group) * 8;
        float v[8];
        rj_cell<T>::eight(x, at, v);
        for (int i = 0; i < 8; i++)
            v[i] += b[i];
        rj_cell<T>::set_eight(x, at, v);
    }
}

rij_status rj_cuda_bias(rj_device *dev, const rj_picture *d, const rj_real *bias,
                        rj_real *x)
{
    const spread s = spread_of(d);
    const dim3 grid(blocks_of(dev, &s, 4), rj_blocks((size_t)s.groups, (size_t)s.wide));

    return RJ_LAUNCH_CELLS(dev, bias_add, grid, dim3(THREADS), 0, s, bias, x);
}

/* sums[block][channel] of a block's pixels. */
template <class T>
static __global__ void __launch_bounds__(THREADS)
    bias_sum(const spread s, const float *dy, float *sums)
{
    RJ_SHARED(float, rows, [THREADS * 8]); /* [row][channel] */
    const int row = (int)threadIdx.x / s.wide, side = (int)threadIdx.x % s.wide;
    const int group = (int)blockIdx.y * s.wide + side, width = s.wide * 8;
    const size_t step = (size_t)gridDim.x * (size_t)s.high;
    float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};

    if (row < s.high && group < s.groups)
#pragma unroll 4
        for (size_t m = (size_t)blockIdx.x * (size_t)s.high + (size_t)row; m < s.pixels;
             m += step) {
            float u[8];
            rj_cell<T>::eight(dy, (m * (size_t)s.groups + (size_t)group) * 8, u);
            for (int i = 0; i < 8; i++)
                v[i] += u[i];
        }
    if (row < s.high) {
        rj_store4(rows + row * width + side * 8, make_float4(v[0], v[1], v[2], v[3]));
        rj_store4(rows + row * width + side * 8 + 4, make_float4(v[4], v[5], v[6], v[7]));
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < width; i += THREADS) {
        const int c = (int)blockIdx.y * width + i;
        float sum = 0;
        for (int j = 0; j < s.high; j++)
            sum += rows[j * width + i];
        if (c < s.groups * 8)
            sums[(size_t)blockIdx.x * (size_t)(s.groups * 8) + (size_t)c] = sum;
    }
}

/* db += the sums of all blocks; a warp adds every eighth block's of 32 channels. */
static __global__ void __launch_bounds__(THREADS)
    bias_finish(int blocks, int c, int width, const float *sums, float *db)
{
    RJ_SHARED(float, part, [8][32]);
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    const int at = (int)blockIdx.x * 32 + lane;
    float v = 0;

    if (at < c)
#pragma unroll 8
        for (int i = warp; i < blocks; i += 8)
            v += sums[(size_t)i * (size_t)width + (size_t)at];
    part[warp][lane] = v;
    __syncthreads();
    if (warp == 0 && at < c) {
        for (int i = 1; i < 8; i++)
            v += part[i][lane];
        db[at] += v;
    }
}

size_t rj_bias_sums_bytes(const rj_device *dev, const rj_picture *d)
{
    const spread s = spread_of(d);

    return (size_t)blocks_of(dev, &s, 16) * (size_t)(s.groups * 8) * sizeof(float);
}

rij_status rj_bias_sums(rj_device *dev, const rj_picture *d, const rj_real *dy,
                        void *memory, rj_real *db)
{
    const spread s = spread_of(d);
    const unsigned blocks = blocks_of(dev, &s, 16);
    float *sums = static_cast<float *>(memory);

    RJ_TRY(RJ_LAUNCH_CELLS(dev, bias_sum,
                           dim3(blocks, rj_blocks((size_t)s.groups, (size_t)s.wide)),
                           dim3(THREADS), 0, s, dy, sums));
    return RJ_LAUNCH_ROWS(dev, bias_finish, dim3(rj_blocks((size_t)d->c, 32)),
                          dim3(THREADS), 0, (int)blocks, d->c, s.groups * 8, sums, db);
}

rij_status rj_cuda_bias_grad(rj_device *dev, const rj_picture *d, const rj_real *dy,
                             rj_real *db)
{
    void *memory;

    RJ_TRY(rj_workspace(dev, rj_bias_sums_bytes(dev, d), &memory));
    return rj_bias_sums(dev, d, dy, memory, db);
}
