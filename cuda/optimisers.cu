/* optimisers.cu: one step of a parameter, in place; lib/op/optimisers.c has the formulas.
 *
 * Four numbers a thread and 16 bytes an access; the last n % 4, or all where a pointer is
 * not a multiple of 16 bytes, one by one. Every number is read and written once: bound by
 * memory, 20 bytes a number for SGD and 28 for AdamW. What does not change from number to
 * number is computed on the host, in double. */
#include "cells.h"

enum { STEP_THREADS = 256, STEP_BLOCKS = 1024 /* at most; threads take turns */ };

struct sgd_step {
    float rate, momentum, decay;
};

struct adamw_step {
    float keep;         /* of w: 1 - rate decay */
    float rate;         /* over 1 - beta1^t */
    float beta1, more1; /* and 1 - beta1 */
    float beta2, more2;
    float fair2; /* 1 / (1 - beta2^t) */
    float eps;
};

RJ_DEVICE void step(const sgd_step &s, float g, float *w, float *v, float *unused)
{
    (void)unused;
    *v = s.momentum * *v + (g + s.decay * *w);
    *w -= s.rate * *v;
}

RJ_DEVICE void step(const adamw_step &s, float g, float *w, float *m, float *v)
{
    *m = s.beta1 * *m + s.more1 * g;
    *v = s.beta2 * *v + s.more2 * g * g;
    *w = s.keep * *w - __fdividef(s.rate * *m, sqrtf(*v * s.fair2) + s.eps);
}

/* u is NULL for SGD. */
template <class STEP>
static __global__ void __launch_bounds__(STEP_THREADS)
    optimise(size_t n, bool fours, STEP s, const float *g, float *w, float *v, float *u)
{
    const size_t t = (size_t)blockIdx.x * STEP_THREADS + threadIdx.x;
    const size_t threads = (size_t)gridDim.x * STEP_THREADS,
                 whole = fours ? n / 4 * 4 : 0;
    float us[4] = {};

    for (size_t i = 4 * t; i < whole; i += 4 * threads) {
        const float4 g4 = rj_load4(g + i), w4 = rj_load4(w + i), v4 = rj_load4(v + i);
        const float gs[4] = {g4.x, g4.y, g4.z, g4.w};
        float ws[4] = {w4.x, w4.y, w4.z, w4.w}, vs[4] = {v4.x, v4.y, v4.z, v4.w};
        if (u) {
            const float4 u4 = rj_load4(u + i);
            us[0] = u4.x, us[1] = u4.y, us[2] = u4.z, us[3] = u4.w;
        }
#pragma unroll
        for (int k = 0; k < 4; k++)
            step(s, gs[k], &ws[k], &vs[k], &us[k]);
        rj_store4(w + i, make_float4(ws[0], ws[1], ws[2], ws[3]));
        rj_store4(v + i, make_float4(vs[0], vs[1], vs[2], vs[3]));
        if (u)
            rj_store4(u + i, make_float4(us[0], us[1], us[2], us[3]));
    }
    for (size_t i = whole + t; i < n; i += threads)
        step(s, g[i], w + i, v + i, u ? u + i : us);
}

template <class STEP>
static rij_status launch(rj_device *dev, size_t n, const STEP &s, const float *g,
                         float *w, float *v, float *u)
{
    const uintptr_t all = (uintptr_t)g | (uintptr_t)w | (uintptr_t)v | (uintptr_t)u;
    const size_t blocks = (n + 4 * STEP_THREADS - 1) / (4 * STEP_THREADS);

    if (!n)
        return RIJ_OK;
    return RJ_LAUNCH_ROWS(dev, optimise<STEP>,
                          (unsigned)RJ_MIN(blocks, (size_t)STEP_BLOCKS), STEP_THREADS, 0,
                          n, all % 16 == 0, s, g, w, v, u);
}

extern "C" rij_status rj_cuda_sgd(rj_device *dev, size_t n, const rj_step *s,
                                  const rj_real *g, rj_real *w, rj_real *v)
{
    const sgd_step with = {(float)s->rate, (float)s->momentum, (float)s->decay};

    return launch(dev, n, with, g, w, v, NULL);
}

extern "C" rij_status rj_cuda_adamw(rj_device *dev, size_t n, const rj_step *s,
                                    const rj_real *g, rj_real *w, rj_real *m, rj_real *v)
{
    const double fair1 = 1 - pow(s->beta1, (double)s->t);
    const double fair2 = 1 - pow(s->beta2, (double)s->t);
    const adamw_step with = {(float)(1 - s->rate * s->decay),
                             (float)(s->rate / fair1),
                             (float)s->beta1,
                             (float)(1 - s->beta1),
                             (float)s->beta2,
                             (float)(1 - s->beta2),
                             (float)(1 / fair2),
                             (float)s->eps};

    return launch(dev, n, with, g, w, m, v);
}
