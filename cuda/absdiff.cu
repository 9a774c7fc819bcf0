/* absdiff.cu: the mean absolute difference of two pictures, smooth at zero; op/absdiff.c
 * has the formula.
 *
 * Forward: a block sums 8192 cells (of bfloat16: 16384) in a fixed tree, first in its
 * threads, then in its warps; one more block adds the blocks' sums in double. Cells past
 * C hold zeros and add nothing. Both kernels read and write every byte once: memory is
 * the bound, for roots and quotients are the approximate ones (2 units in the last
 * place). */
#include "pieces.h"

enum { THREADS = 256, PIECES = 8 };

/* The root of e^2 + eps^2, or |e| where a square of float cannot hold them. */
RJ_DEVICE float smooth(float e, float eps)
{
    const float sum = e * e + eps * eps;

    return sum > 0 && sum < 1e38f ? sum * rsqrtf(sum) : fabsf(e);
}

/* sqrt(e^2 + eps^2) - eps without the loss of digits. */
RJ_DEVICE float difference(float e, float eps)
{
    const float square = e * e, root = smooth(e, eps);

    return square > 0 && square < 1e37f ? __fdividef(square, root + eps) : fabsf(e);
}

template <class T>
static __global__ void __launch_bounds__(THREADS)
    absdiff(size_t n, float eps, const float *x, const float *u, float *part)
{
    enum { CELLS = rj_wide<T>::CELLS };
    RJ_SHARED(float, warps, [32]);
    const size_t step = (size_t)THREADS * CELLS;
    const size_t from = blockIdx.x * (PIECES * step) + (size_t)threadIdx.x * CELLS;
    float sum = 0;

#pragma unroll 2
    for (int i = 0; i < PIECES; i++) {
        const size_t at = from + (size_t)i * step;
        float a[CELLS], b[CELLS], some = 0;
        if (at >= n)
            break;
        rj_wide<T>::take(x, at, a);
        rj_wide<T>::take(u, at, b);
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            some += difference(a[k] - b[k], eps);
        sum += some;
    }
    sum = rj_block_sum(sum, warps);
    if (threadIdx.x == 0)
        part[blockIdx.x] = sum;
}

/* One block. */
static __global__ void __launch_bounds__(THREADS)
    absdiff_mean(unsigned n, double scale, const float *part, float *loss)
{
    RJ_SHARED(double, sum, [THREADS]);
    double mine = 0;

    for (unsigned i = threadIdx.x; i < n; i += THREADS)
        mine += (double)part[i];
    sum[threadIdx.x] = mine;
    for (unsigned half = THREADS / 2; half; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            sum[threadIdx.x] += sum[threadIdx.x + half];
    }
    if (threadIdx.x == 0)
        loss[0] = (float)(sum[0] * scale);
}

/* dx += factor e / root, du -= the same; either may be NULL. */
template <class T>
static __global__ void __launch_bounds__(THREADS)
    absdiff_grad(size_t n, float eps, float scale, const float *x, const float *u,
                 const float *dl, float *dx, float *du)
{
    enum { CELLS = rj_wide<T>::CELLS };
    const size_t at = ((size_t)blockIdx.x * THREADS + threadIdx.x) * CELLS;
    const float factor = dl[0] * scale;
    float a[CELLS], b[CELLS], into[CELLS];

    if (at >= n)
        return;
    rj_wide<T>::take(x, at, a);
    rj_wide<T>::take(u, at, b);
#pragma unroll
    for (int k = 0; k < CELLS; k++) {
        const float e = a[k] - b[k];
        a[k] = e == 0 ? 0 : factor * __fdividef(e, smooth(e, eps));
    }
    if (dx) {
        rj_wide<T>::take(dx, at, into);
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            into[k] += a[k];
        rj_wide<T>::give(dx, at, into);
    }
    if (du) {
        rj_wide<T>::take(du, at, into);
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            into[k] -= a[k];
        rj_wide<T>::give(du, at, into);
    }
}

static double scale_of(const rj_picture *d)
{
    return 1 / ((double)d->n * d->c * d->h * d->w);
}

extern "C" {

rij_status rj_cuda_absdiff(rj_device *dev, const rj_picture *d, double eps,
                           const rj_real *x, const rj_real *u, rj_real *loss)
{
    const size_t n = rj_cells(d->n, d->c, d->h, d->w);
    const size_t piece = (size_t)rj_wide_cells(dev);
    const unsigned blocks = rj_blocks(n, PIECES * THREADS * piece);
    void *part;

    RJ_TRY(rj_workspace(dev, blocks * sizeof(float), &part));
    RJ_TRY(RJ_LAUNCH_CELLS(dev, absdiff, blocks, THREADS, 0, n, (float)eps, x, u,
                           (float *)part));
    return RJ_LAUNCH_ROWS(dev, absdiff_mean, 1, THREADS, 0, blocks, scale_of(d),
                          (const float *)part, loss);
}

rij_status rj_cuda_absdiff_grad(rj_device *dev, const rj_picture *d, double eps,
                                const rj_real *x, const rj_real *u, const rj_real *dl,
                                rj_real *dx, rj_real *du)
{
    const size_t n = rj_cells(d->n, d->c, d->h, d->w);
    const size_t piece = (size_t)rj_wide_cells(dev);

    return RJ_LAUNCH_CELLS(dev, absdiff_grad, rj_blocks(n, THREADS * piece), THREADS, 0,
                           n, (float)eps, (float)scale_of(d), x, u, dl, dx, du);
}
}
