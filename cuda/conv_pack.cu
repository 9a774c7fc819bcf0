/* conv_pack: weights and images as the kernels of conv.h read them.
 *
 * Weights (K,C,R,S) become [K][taps][c] for a convolution: a block takes the weights of
 * one k, and each warp a tap of them, so that reads of a stride of R S numbers meet the
 * same lines R S times. For the gradient by data they become [C][taps][Kp] of each phase
 * in turn, which is a transpose: a block moves 32 x 32 numbers through shared memory.
 * Images (N,C,H,W) get a frame of zeros and `pitch` cells a pixel; a thread writes eight
 * cells. All are bound by memory. */
#include "conv.h"

/* What a weight becomes: rounded as the cells are, or, for tf32, as that is. */
template <class T> RJ_DEVICE void rj_keep(rj_real *to, size_t at, float v, bool round)
{
    rj_cell<T>::set(to, at, round ? rj_tf32(v) : v);
}

/* Grid: k. Block: 32 cells x 8 taps. */
template <class T>
static __global__ void pack_forward(const rj_gather g, int c, int s, bool round,
                                    const float *w, float *to)
{
    const int k = (int)blockIdx.x;
    const float *const from = w + (size_t)k * c * g.r * s;

    for (int tap = (int)threadIdx.y; tap < g.r * g.s; tap += 8) {
        const int i = tap / g.s, j = tap % g.s;
        for (int cell = (int)threadIdx.x; cell < g.c; cell += 32) {
            // several columns of the window where g reads them as one tap
            const int across = cell / g.pitch, in = cell % g.pitch;
            const bool is = in < c && j + across < s;
            rj_keep<T>(to, ((size_t)k * g.r * g.s + tap) * g.c + cell,
                       is ? from[((size_t)in * g.r + i) * s + j + across] : 0, round);
        }
    }
}

/* Weight `number` of one k is (c, r, s): where its row of all k begins, in cells. */
RJ_DEVICE size_t rj_row_at(const rj_gather &g, int number)
{
    const int rs = number % (g.r * g.s), c = number / (g.r * g.s);
    const int r = rs / g.s, s = rs % g.s;
    const rj_phase f = rj_phase_of(&g, r % g.stride * g.stride + s % g.stride);
    const int i = f.taps_h - 1 - r / g.stride, j = f.taps_w - 1 - s / g.stride;

    return ((size_t)f.first * g.k + ((size_t)c * f.taps_h + i) * f.taps_w + j) *
           (size_t)g.c;
}

/* Grid: 32 numbers of (C,R,S) x 32 of K, in steps of the grid's; block: 32 x 8. */
template <class T>
static __global__ void pack_by_data(const rj_gather g, int k, bool round, const float *w,
                                    float *to)
{
    RJ_SHARED(float, tile, [32][33]);
    const int all = g.k * g.r * g.s, x = (int)threadIdx.x, y = (int)threadIdx.y;
    const int first = (int)blockIdx.x * 32;

    for (int k0 = (int)blockIdx.y * 32; k0 < g.c; k0 += (int)gridDim.y * 32) {
        for (int i = y; i < 32; i += 8)
            tile[i][x] =
                k0 + i < k && first + x < all ? w[(size_t)(k0 + i) * all + first + x] : 0;
        __syncthreads();
        for (int i = y; i < 32 && first + i < all; i += 8)
            if (k0 + x < g.c)
                rj_keep<T>(to, rj_row_at(g, first + i) + k0 + x, tile[x][i], round);
        __syncthreads();
    }
}

rij_status rj_conv_pack(rj_device *dev, const rj_gather *g, const rj_conv *d,
                        const rj_real *w, rj_real *to)
{
    const bool round = dev->precision == RJ_TF32;

    if (!g->by_data)
        return RJ_LAUNCH_CELLS(dev, pack_forward, (unsigned)d->k, dim3(32, 8), 0, *g,
                               d->c, d->s, round, w, to);
    const unsigned rows = rj_blocks((size_t)d->c * (size_t)d->r * (size_t)d->s, 32);
    const unsigned columns = rj_blocks((size_t)g->c, 32);
    return RJ_LAUNCH_CELLS(dev, pack_by_data,
                           dim3(rows, columns < 65535 ? columns : 65535), dim3(32, 8), 0,
                           *g, d->k, round, w, to);
}

/* Eight cells of a framed image a thread. */
template <class T>
static __global__ void frame(const rj_gather g, int c, int h, int w, int pad,
                             const float *x, float *to)
{
    const size_t all = (size_t)g.n * g.h * g.w * g.pitch / 8;
    const size_t at = (size_t)blockIdx.x * 256 + threadIdx.x;
    float v[8];

    if (at >= all)
        return;
    const size_t first = at * 8 / g.pitch;
    const int from = (int)(at * 8 % g.pitch);
    const int row = (int)(first / g.w), n = row / g.h, i = row % g.h - pad;
    const int j = (int)(first % g.w) - pad;
#pragma unroll
    for (int e = 0; e < 8; e++) {
        // with less than eight cells a pixel there are more pixels, all of one row
        const int across = g.pitch < 8 ? e / g.pitch : 0;
        const int channel = from + (g.pitch < 8 ? e % g.pitch : e);
        const bool in =
            i >= 0 && i < h && j + across >= 0 && j + across < w && channel < c;
        v[e] = in ? x[(((size_t)n * c + channel) * h + i) * w + j + across] : 0;
    }
    rj_cell<T>::set_eight(to, at * 8, v);
}

rij_status rj_conv_frame(rj_device *dev, const rj_gather *g, const rj_conv *d,
                         const rj_real *x, rj_real *to)
{
    const size_t cells = (size_t)g->n * (size_t)g->h * (size_t)g->w * (size_t)g->pitch;

    return RJ_LAUNCH_CELLS(dev, frame, rj_blocks(cells / 8, 256), 256, 0, *g, d->c, d->h,
                           d->w, d->pad, x, to);
}
