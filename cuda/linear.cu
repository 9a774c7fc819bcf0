/* linear.cu: affine maps of rows, and their gradients.
 *
 *     y = x w^T + bias,    dx += dy w,    dw += dy^T x,    db += sums of dy
 *
 * x (N,C), w (K,C), y (N,K); float throughout. All three are one product of matrices,
 * out[i][j] = sum_m a[i][m] b[m][j], with a factor whose m lies ALONG a row in memory, or
 * across rows. A block makes 64 x 64 sums, a thread 8 x 8 of them, 16 m a stage, copied
 * to shared memory [m][i] without waiting. Where the tiles are fewer than what fills the
 * machine, m is cut in pieces, whose sums a second kernel adds in their order. */
#include "cells.h"
#include "vendor.h"

enum {
    TILE = 64,
    DEEP = 16,
    WIDE = TILE + 4 /* of a row in shared memory */,
    THREADS = 64,
    STAGES = 3,
    STAGE = 2 * DEEP * WIDE
};

typedef struct product {
    const float *a, *b, *bias; /* bias[j] or NULL */
    float *out;                /* or sums [piece][i][j] where there are pieces */
    int i, j, m;
    int wide_a, wide_b; /* rows in memory */
    int each, pieces;   /* m of a piece, a multiple of DEEP */
    bool add;           /* to what out holds */
} product;

/* One stage of a factor, m from `from` on, to shared memory; zeros where there is none.
 */
template <bool ALONG>
RJ_DEVICE void stage(float *to, const float *v, int wide, int first, int n, int from,
                     int end)
{
    const int t = (int)threadIdx.x;

#pragma unroll
    for (int u = 0; u < DEEP; u++) {
        const int m = ALONG ? t % DEEP : u, i = ALONG ? t / DEEP + u * (TILE / DEEP) : t;
        const bool there = first + i < n && from + m < end;
        const size_t at = ALONG ? (size_t)(first + i) * (size_t)wide + (size_t)(from + m)
                                : (size_t)(from + m) * (size_t)wide + (size_t)(first + i);
        rj_copy4(to + m * WIDE + i, there ? v + at : v, there ? 4 : 0);
    }
}

/* Eight numbers of a row: four, and four half a tile after them. */
RJ_DEVICE void numbers(float v[8], const float *from)
{
    const float4 a = rj_load4(from), b = rj_load4(from + TILE / 2);

    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

RJ_DEVICE void multiply(float acc[8][8], const float *a, const float *b)
{
#pragma unroll
    for (int m = 0; m < DEEP; m++) {
        float u[8], v[8];

        numbers(u, a + m * WIDE);
        numbers(v, b + m * WIDE);
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int j = 0; j < 8; j++)
                acc[i][j] += u[i] * v[j];
    }
}

/* A thread's sums: into out, or beside those of other pieces. */
RJ_DEVICE void keep(const product &p, const float acc[8][8], int row, int column)
{
    float *out = p.out + (size_t)blockIdx.y * (size_t)p.i * (size_t)p.j;

#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) {
            const int r = row + i / 4 * (TILE / 2) + i % 4;
            const int c = column + j / 4 * (TILE / 2) + j % 4;
            if (r < p.i && c < p.j) {
                float *to = out + (size_t)r * (size_t)p.j + (size_t)c;
                const float v = acc[i][j] + (p.bias ? p.bias[c] : 0);
                *to = p.add ? *to + v : v;
            }
        }
}

template <bool A_ALONG, bool B_ALONG>
static __global__ void __launch_bounds__(THREADS, 6) linear_multiply(const product p)
{
    RJ_SHARED(float, shared, [STAGES * STAGE]);
    const int tiles = (p.j + TILE - 1) / TILE;
    const int i0 = (int)blockIdx.x / tiles * TILE, j0 = (int)blockIdx.x % tiles * TILE;
    const int down = ((int)threadIdx.x / 32 * 4 + (int)threadIdx.x % 32 / 8) * 4;
    const int across = (int)threadIdx.x % 8 * 4;
    const int first = (int)blockIdx.y * p.each;
    const int end = p.m - first < p.each ? p.m : first + p.each;
    float acc[8][8] = {};
    int from = first, filled = 0;

    for (int s = 0; s < STAGES - 1; s++, filled += STAGE, from += DEEP) {
        stage<A_ALONG>(shared + filled, p.a, p.wide_a, i0, p.i, from, end);
        stage<B_ALONG>(shared + filled + STAGE / 2, p.b, p.wide_b, j0, p.j, from, end);
        rj_copy_group();
    }
    for (int m = first, used = 0; m < end; m += DEEP, from += DEEP) {
        rj_copy_wait<STAGES - 2>();
        __syncthreads(); // the stage is whole, and nobody reads the one before it
        stage<A_ALONG>(shared + filled, p.a, p.wide_a, i0, p.i, from, end);
        stage<B_ALONG>(shared + filled + STAGE / 2, p.b, p.wide_b, j0, p.j, from, end);
        rj_copy_group();
        multiply(acc, shared + used + down, shared + used + STAGE / 2 + across);
        filled = filled + STAGE == STAGES * STAGE ? 0 : filled + STAGE;
        used = used + STAGE == STAGES * STAGE ? 0 : used + STAGE;
    }
    rj_copy_wait<0>();
    keep(p, acc, i0 + down, j0 + across);
}

/* out = the sums of all pieces, bias added; or added to out. */
static __global__ void __launch_bounds__(256)
    linear_finish(const product p, const float *sums)
{
    const size_t at = (size_t)blockIdx.x * 256 + threadIdx.x;
    const size_t n = (size_t)p.i * (size_t)p.j;
    float v = 0;

    if (at >= n)
        return;
#pragma unroll 4
    for (int i = 0; i < p.pieces; i++)
        v += sums[(size_t)i * n + at];
    if (p.bias)
        v += p.bias[at % (size_t)p.j];
    p.out[at] = p.add ? p.out[at] + v : v;
}

/* db += sums of dy (n,k) over its rows; 32 columns a block, a warp every eighth row. */
static __global__ void __launch_bounds__(256)
    linear_sums(int n, int k, const float *dy, float *db)
{
    RJ_SHARED(float, part, [8][32]);
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    const int at = (int)blockIdx.x * 32 + lane;
    float v = 0;

    if (at < k)
#pragma unroll 8
        for (int i = warp; i < n; i += 8)
            v += dy[(size_t)i * (size_t)k + (size_t)at];
    part[warp][lane] = v;
    __syncthreads();
    if (warp == 0 && at < k) {
        for (int i = 1; i < 8; i++)
            v += part[i][lane];
        db[at] += v;
    }
}

static rij_status launch(rj_device *dev, bool a_along, bool b_along, const product *p,
                         unsigned tiles)
{
    const dim3 grid(tiles, (unsigned)p->pieces), block(THREADS);

    if (a_along && b_along)
        return RJ_LAUNCH_ROWS(dev, (linear_multiply<true, true>), grid, block, 0, *p);
    if (a_along)
        return RJ_LAUNCH_ROWS(dev, (linear_multiply<true, false>), grid, block, 0, *p);
    return RJ_LAUNCH_ROWS(dev, (linear_multiply<false, false>), grid, block, 0, *p);
}

/* Pieces: as many as fill the machine four times over, each of 4 stages or more. */
static rij_status multiplied(rj_device *dev, bool a_along, bool b_along, product *p)
{
    const unsigned tiles = rj_blocks((size_t)p->i, TILE) * rj_blocks((size_t)p->j, TILE);
    const size_t n = (size_t)p->i * (size_t)p->j;
    const int stages = (p->m + DEEP - 1) / DEEP;
    int pieces = rj_multiprocessors(dev) * 4 / (int)tiles, each;
    product part = *p;
    void *memory;

    pieces = pieces > stages / 4 ? stages / 4 : pieces;
    pieces = pieces < 1 ? 1 : pieces;
    each = (stages + pieces - 1) / pieces;
    pieces = (stages + each - 1) / each;
    part.each = p->each = each * DEEP;
    part.pieces = p->pieces = pieces;
    if (pieces == 1)
        return launch(dev, a_along, b_along, p, tiles);
    RJ_TRY(rj_workspace(dev, (size_t)pieces * n * sizeof(float), &memory));
    part.out = static_cast<float *>(memory);
    part.bias = NULL;
    part.add = false;
    RJ_TRY(launch(dev, a_along, b_along, &part, tiles));
    return RJ_LAUNCH_ROWS(dev, linear_finish, dim3(rj_blocks(n, 256)), dim3(256), 0, *p,
                          part.out);
}

rij_status rj_cuda_linear(rj_device *dev, int n, int c, int k, const rj_real *x,
                          const rj_real *w, const rj_real *bias, rj_real *y)
{
    product p = {x, w, bias, y, n, k, c, c, c, 0, 0, false};

    if (rj_blas_wanted(dev)) {
        if (bias)
            RJ_TRY(rj_blas_fill(dev, n, k, bias, y));
        return rj_blas_rows(dev, false, true, n, k, c, x, w, bias ? 1 : 0, y);
    }
    return multiplied(dev, true, true, &p);
}

rij_status rj_cuda_linear_grad_x(rj_device *dev, int n, int c, int k, const rj_real *dy,
                                 const rj_real *w, rj_real *dx)
{
    product p = {dy, w, NULL, dx, n, c, k, k, c, 0, 0, true};

    if (rj_blas_wanted(dev))
        return rj_blas_rows(dev, false, false, n, c, k, dy, w, 1, dx);
    return multiplied(dev, true, false, &p);
}

rij_status rj_cuda_linear_grad_w(rj_device *dev, int n, int c, int k, const rj_real *x,
                                 const rj_real *dy, rj_real *dw, rj_real *db)
{
    product p = {dy, x, NULL, dw, k, c, n, k, c, 0, 0, true};

    RJ_TRY(rj_blas_wanted(dev) ? rj_blas_rows(dev, true, false, k, c, n, dy, x, 1, dw)
                               : multiplied(dev, false, false, &p));
    if (!db)
        return RIJ_OK;
    return RJ_LAUNCH_ROWS(dev, linear_sums, dim3(rj_blocks((size_t)k, 32)), dim3(256), 0,
                          n, k, dy, db);
}
