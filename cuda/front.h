/* front.h: what the kernels of the fixed front-ends share; op/residual.c. */
#ifndef RJ_FRONT_H
#define RJ_FRONT_H

#include "pieces.h"

/* Borders are reflected without repeating the edge. */
RJ_DEVICE int rj_reflected(int i, int n)
{
    const int inside = i < 0 ? -i : i < n ? i : 2 * n - 2 - i;

    return n == 1 ? 0 : inside;
}

RJ_DEVICE float rj_infinity()
{
    return __uint_as_float(0x7f800000U);
}

/* Three numbers in order. What is no number counts as infinity. */
RJ_DEVICE void rj_sort3(float a, float b, float c, float *low, float *middle, float *high)
{
    a = fminf(a, rj_infinity());
    b = fminf(b, rj_infinity());
    c = fminf(c, rj_infinity());
    const float least = fminf(a, b), most = fmaxf(a, b);
    *low = fminf(least, c);
    *high = fmaxf(most, c);
    *middle = fmaxf(least, fminf(most, c));
}

RJ_DEVICE float rj_middle3(float a, float b, float c)
{
    return fmaxf(fminf(a, b), fminf(fmaxf(a, b), c));
}

/* The median of nine numbers, sorted by threes: the median of the greatest low, the
 * middle one's median, and the least high. */
RJ_DEVICE float rj_median_of_rows(const float low[3], const float middle[3],
                                  const float high[3])
{
    return rj_middle3(fmaxf(fmaxf(low[0], low[1]), low[2]),
                      rj_middle3(middle[0], middle[1], middle[2]),
                      fminf(fminf(high[0], high[1]), high[2]));
}

/* The median of nine numbers in reading order; what is no number counts as infinity. */
RJ_DEVICE float rj_median_of(const float v[9])
{
    float low[3], middle[3], high[3];

#pragma unroll
    for (int i = 0; i < 3; i++)
        rj_sort3(v[3 * i], v[3 * i + 1], v[3 * i + 2], &low[i], &middle[i], &high[i]);
    return rj_median_of_rows(low, middle, high);
}

/* The same, but the centre where five or more are none. */
RJ_DEVICE float rj_median_or_centre(const float v[9])
{
    const float median = rj_median_of(v);

    if (median != rj_infinity())
        return median;
    int none = 0;
#pragma unroll
    for (int i = 0; i < 9; i++)
        none += v[i] != v[i];
    return none >= 5 ? v[4] : median;
}

/* Half the sum of a cell of 2x2. */
RJ_DEVICE float rj_half_sum(float a, float b, float c, float d)
{
    return 0.5f * ((a + b) + (c + d));
}

/* Stored pictures, by pieces; the picture begins at x. */
template <class T> struct rj_stored {
    enum { MANY = rj_wide<T>::CELLS, PLANAR = 0 };
    static __device__ __forceinline__ size_t at(const rj_residual &d, int h, int w, int c)
    {
        return ((size_t)h * (size_t)d.w + (size_t)w) * (size_t)rj_channels(d.c) +
               (size_t)c;
    }
    static __device__ __forceinline__ float one(const float *x, const rj_residual &d,
                                                int h, int w, int c)
    {
        return rj_cell<T>::one(x, at(d, h, w, c));
    }
    static __device__ __forceinline__ void take(const float *x, const rj_residual &d,
                                                int h, int w, int c, float v[MANY])
    {
        rj_wide<T>::take(x, at(d, h, w, c), v);
    }
};

/* Planes of numbers, at most LIVE; past the last they are 0. */
template <int LIVE> struct rj_planes {
    enum { MANY = LIVE, PLANAR = 1 };
    static __device__ __forceinline__ float one(const float *x, const rj_residual &d,
                                                int h, int w, int c)
    {
        return x[((size_t)c * (size_t)d.h + (size_t)h) * (size_t)d.w + (size_t)w];
    }
    static __device__ __forceinline__ void take(const float *x, const rj_residual &d,
                                                int h, int w, int c, float v[MANY])
    {
#pragma unroll
        for (int k = 0; k < MANY; k++)
            v[k] = c + k < d.c ? one(x, d, h, w, c + k) : 0;
    }
};

#endif
