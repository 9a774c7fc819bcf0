/* dnn_pack.cu: filters between the parameters' order (K,C,R,S), floats, and cuDNN's,
 * cells [Kp][R][S][Cp]. To cuDNN: a thread writes eight cells, which it gathers R S
 * floats apart; neighbours meet the same lines. Back: a thread adds to one number, in the
 * parameters' order. Bound by memory, of which filters are little. */
#include "cells.h"
#include "dnn.h"

enum { THREADS = 128 };

/* Grid: eights of a filter x Kp. */
template <class T>
static __global__ void dnn_pack(int c, int k, int taps, const float *w, float *to)
{
    const int cells = rj_channels(c), eights = taps * (cells / RJ_BLOCK);
    const int i = (int)(blockIdx.x * THREADS + threadIdx.x), row = (int)blockIdx.y;

    if (i >= eights)
        return;
    const int tap = i / (cells / RJ_BLOCK), first = i % (cells / RJ_BLOCK) * RJ_BLOCK;
    float v[RJ_BLOCK];
#pragma unroll
    for (int j = 0; j < RJ_BLOCK; j++)
        v[j] =
            row < k && first + j < c ? w[((size_t)row * c + first + j) * taps + tap] : 0;
    rj_cell<T>::set_eight(to, ((size_t)row * eights + i) * RJ_BLOCK, v);
}

/* Grid: numbers of a filter x K. */
template <class T>
static __global__ void dnn_add(int c, int taps, const float *from, float *dw)
{
    const int i = (int)(blockIdx.x * THREADS + threadIdx.x);
    const size_t row = blockIdx.y;

    if (i < c * taps)
        dw[row * c * taps + i] +=
            rj_cell<T>::one(from, (row * taps + i % taps) * rj_channels(c) + i / taps);
}

rij_status rj_dnn_pack(rj_device *dev, const rj_conv *d, const rj_real *w, rj_real *to)
{
    const int taps = d->r * d->s;
    const size_t eights = (size_t)taps * (size_t)(rj_channels(d->c) / RJ_BLOCK);

    return RJ_LAUNCH_CELLS(dev, dnn_pack,
                           dim3(rj_blocks(eights, THREADS), (unsigned)rj_channels(d->k)),
                           dim3(THREADS), 0, d->c, d->k, taps, w, to);
}

rij_status rj_dnn_add(rj_device *dev, const rj_conv *d, const rj_real *from, rj_real *dw)
{
    const int taps = d->r * d->s;
    const size_t numbers = (size_t)taps * (size_t)d->c;

    return RJ_LAUNCH_CELLS(dev, dnn_add,
                           dim3(rj_blocks(numbers, THREADS), (unsigned)d->k),
                           dim3(THREADS), 0, d->c, taps, from, dw);
}
