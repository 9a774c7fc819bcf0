/* pointwise.cu: sums and relu, cell by cell in the order of memory; op/add.c and
 * op/relu.c have the formulas.
 *
 * A thread takes two pieces of 16 bytes, loads all of them before it stores, and every
 * byte is read and written once: memory is the bound. Outputs may be inputs. The end of
 * an array that is no picture, or one that begins between pieces, goes cell by cell. */
#include "pieces.h"

enum { THREADS = 256, PIECES = 2 };
enum what { ADD, AXPY, RELU, RELU_GRAD };

struct flat {
    size_t n;  /* cells */
    bool wide; /* all arrays begin at a multiple of 16 bytes */
    float a, b;
    const float *x, *u;
    float *y;
};

template <class T>
RJ_DEVICE void take_some(const struct flat &f, const float *x, size_t at,
                         float v[rj_wide<T>::CELLS])
{
    if (f.wide && at + rj_wide<T>::CELLS <= f.n) {
        rj_wide<T>::take(x, at, v);
        return;
    }
#pragma unroll
    for (int k = 0; k < rj_wide<T>::CELLS; k++)
        v[k] = at + (size_t)k < f.n ? rj_cell<T>::one(x, at + (size_t)k) : 0;
}

template <class T>
RJ_DEVICE void give_some(const struct flat &f, size_t at,
                         const float v[rj_wide<T>::CELLS])
{
    if (f.wide && at + rj_wide<T>::CELLS <= f.n) {
        rj_wide<T>::give(f.y, at, v);
        return;
    }
#pragma unroll
    for (int k = 0; k < rj_wide<T>::CELLS; k++)
        if (at + (size_t)k < f.n)
            rj_cell<T>::set(f.y, at + (size_t)k, v[k]);
}

/* What is no number stays none. */
template <enum what WHAT>
RJ_DEVICE float result(const struct flat &f, float x, float u, float y)
{
    if constexpr (WHAT == ADD)
        return f.a * x + f.b * u;
    else if constexpr (WHAT == AXPY)
        return y + f.a * x;
    else if constexpr (WHAT == RELU)
        return x < 0 ? 0 : x;
    else
        return x <= 0 ? y : y + u;
}

template <class T, enum what WHAT> RJ_DEVICE void pointwise(const struct flat &f)
{
    enum { CELLS = rj_wide<T>::CELLS };
    const size_t step = (size_t)THREADS * CELLS;
    const size_t at = blockIdx.x * (PIECES * step) + (size_t)threadIdx.x * CELLS;
    float x[PIECES][CELLS], u[PIECES][CELLS] = {}, y[PIECES][CELLS] = {};

#pragma unroll
    for (int i = 0; i < PIECES; i++) {
        take_some<T>(f, f.x, at + (size_t)i * step, x[i]);
        if constexpr (WHAT == ADD || WHAT == RELU_GRAD)
            take_some<T>(f, f.u, at + (size_t)i * step, u[i]);
        if constexpr (WHAT == AXPY || WHAT == RELU_GRAD)
            take_some<T>(f, f.y, at + (size_t)i * step, y[i]);
    }
#pragma unroll
    for (int i = 0; i < PIECES; i++) {
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            y[i][k] = result<WHAT>(f, x[i][k], u[i][k], y[i][k]);
        give_some<T>(f, at + (size_t)i * step, y[i]);
    }
}

template <class T> static __global__ void __launch_bounds__(THREADS) add(struct flat f)
{
    pointwise<T, ADD>(f);
}

template <class T> static __global__ void __launch_bounds__(THREADS) axpy(struct flat f)
{
    pointwise<T, AXPY>(f);
}

template <class T> static __global__ void __launch_bounds__(THREADS) relu(struct flat f)
{
    pointwise<T, RELU>(f);
}

template <class T>
static __global__ void __launch_bounds__(THREADS) relu_grad(struct flat f)
{
    pointwise<T, RELU_GRAD>(f);
}

/* n counts rj_real of memory; in bfloat16 two cells of a picture take one. */
static struct flat flat_of(const rj_device *dev, bool picture, size_t n, const rj_real *x,
                           const rj_real *u, rj_real *y)
{
    const uintptr_t places = (uintptr_t)x | (uintptr_t)u | (uintptr_t)y;

    return {picture && dev->precision == RJ_BF16 ? 2 * n : n,
            places % 16 == 0,
            1,
            1,
            x,
            u,
            y};
}

/* What is no picture holds float on every device. */
#define RUN(kernel)                                                                      \
    (picture                                                                             \
         ? RJ_LAUNCH_CELLS(dev, kernel, rj_blocks(f.n, block_of(dev)), THREADS, 0, f)    \
         : RJ_LAUNCH_ROWS(dev, kernel<float>, rj_blocks(f.n, PIECES * THREADS * 4),      \
                          THREADS, 0, f))

/* Cells of a picture that a block takes. */
static size_t block_of(const rj_device *dev)
{
    return (size_t)PIECES * THREADS * (size_t)rj_wide_cells(dev);
}

extern "C" {

rij_status rj_cuda_add(rj_device *dev, bool picture, size_t n, double a, const rj_real *x,
                       double b, const rj_real *u, rj_real *y)
{
    struct flat f = flat_of(dev, picture, n, x, u, y);

    f.a = (float)a;
    f.b = (float)b;
    return RUN(add);
}

rij_status rj_cuda_axpy(rj_device *dev, bool picture, size_t n, double a,
                        const rj_real *x, rj_real *y)
{
    struct flat f = flat_of(dev, picture, n, x, nullptr, y);

    f.a = (float)a;
    return RUN(axpy);
}

rij_status rj_cuda_relu(rj_device *dev, bool picture, size_t n, const rj_real *x,
                        rj_real *y)
{
    const struct flat f = flat_of(dev, picture, n, x, nullptr, y);

    return RUN(relu);
}

/* x of the flat job is y here, which tells where the relu gave 0. */
rij_status rj_cuda_relu_grad(rj_device *dev, bool picture, size_t n, const rj_real *y,
                             const rj_real *dy, rj_real *dx)
{
    const struct flat f = flat_of(dev, picture, n, y, dy, dx);

    return RUN(relu_grad);
}
}
