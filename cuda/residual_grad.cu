/* residual_grad.cu: the fixed front-ends, backward; op/residual.c has the formulas. x, dy
 * and dx are stored pictures.
 *
 * A thread has one piece of 16 bytes of dx (for haar, of two rows of it) and gathers what
 * the outputs around it send back, so the order of sums is fixed. Of the median, a first
 * kernel notes for every output where its median lies: 4 bits a channel in the workspace,
 * (h' - h + 1) 3 + (w' - w + 1). Then as for the others: dx is read and written once, dy
 * once but for the cache. Of octaves two kernels note medians so, of pixels and, behind
 * those, of cells' sums. */
#include "front.h"

typedef void kernel_type(rj_residual d, struct rj_rows rows, const uint32_t *from,
                         const float *dy, float *dx);

struct spot {
    size_t row, pixel; /* over all pictures */
    int h, w, c;
};

template <class T>
RJ_DEVICE bool spot_of(const rj_residual &d, const struct rj_rows &rows, int cells,
                       struct spot *s)
{
    const int chunks = rj_channels(d.c) / cells, thing = rj_thing(rows);

    s->row = rj_row(rows);
    s->h = (int)(rj_row(rows) % (unsigned)d.h);
    s->w = thing / chunks;
    s->c = thing % chunks * cells;
    s->pixel = s->row * (size_t)d.w + (size_t)s->w;
    return thing < rows.things;
}

/* The first number in reading order that equals the median; the centre where five or more
 * are none. */
RJ_DEVICE uint32_t place_of(const float v[9], const uint32_t code[9])
{
    const float median = rj_median_of(v);
    uint32_t place = 4;
    int none = 0;

#pragma unroll
    for (int i = 8; i >= 0; i--) {
        none += v[i] != v[i];
        place = v[i] == median ? code[i] : place;
    }
    return none >= 5 ? 4 : place;
}

/* Eight cells of a pixel of row `row` over all pictures; half sums of a cell's pixels. */
template <class T> struct pixels {
    static __device__ __forceinline__ void eight(const float *x, const rj_residual &d,
                                                 size_t row, int w, int c, float v[8])
    {
        const size_t pixel = row * (size_t)d.w + (size_t)w;
        rj_cell<T>::eight(x, pixel * (size_t)rj_channels(d.c) + (size_t)c, v);
    }
};

template <class T> struct half_sums {
    static __device__ __forceinline__ void eight(const float *x, const rj_residual &d,
                                                 size_t row, int w, int c, float v[8])
    {
        const size_t step = (size_t)rj_channels(d.c), line = 2 * (size_t)d.w * step;
        const size_t at = row * 2 * line + 2 * (size_t)w * step + (size_t)c;
        float part[4][RJ_BLOCK];
#pragma unroll
        for (int i = 0; i < 4; i++)
            rj_cell<T>::eight(x, at + (size_t)(i / 2) * line + (size_t)(i % 2) * step,
                              part[i]);
#pragma unroll
        for (int k = 0; k < RJ_BLOCK; k++)
            v[k] = rj_half_sum(part[0][k], part[1][k], part[2][k], part[3][k]);
    }
};

/* A thread notes 8 channels of a pixel in 32 bits. */
template <class T, class X>
RJ_DEVICE void note_medians(const rj_residual &d, const struct rj_rows &rows,
                            const float *x, uint32_t *from)
{
    float v[9][RJ_BLOCK];
    uint32_t code[9], word = 0;
    struct spot s;

    if (!spot_of<T>(d, rows, RJ_BLOCK, &s))
        return;
#pragma unroll
    for (int i = 0; i < 9; i++) {
        const int up = rj_reflected(s.h + i / 3 - 1, d.h) - s.h;
        const int left = rj_reflected(s.w + i % 3 - 1, d.w) - s.w;
        code[i] = (uint32_t)((up + 1) * 3 + left + 1);
        X::eight(x, d, s.row + (size_t)(ptrdiff_t)up, s.w + left, s.c, v[i]);
    }
#pragma unroll
    for (int k = 0; k < RJ_BLOCK; k++) {
        const float near[9] = {v[0][k], v[1][k], v[2][k], v[3][k], v[4][k],
                               v[5][k], v[6][k], v[7][k], v[8][k]};
        word |= place_of(near, code) << (4 * k);
    }
    from[s.pixel * (size_t)(rj_channels(d.c) / RJ_BLOCK) + (size_t)(s.c / RJ_BLOCK)] =
        word;
}

template <class T>
static __global__ void __launch_bounds__(256)
    find_medians(rj_residual d, struct rj_rows rows, const float *x, uint32_t *from)
{
    note_medians<T, pixels<T>>(d, rows, x, from);
}

/* d is of the plane of half sums. */
template <class T>
static __global__ void __launch_bounds__(256)
    find_sums(rj_residual d, struct rj_rows rows, const float *x, uint32_t *from)
{
    note_medians<T, half_sums<T>>(d, rows, x, from);
}

/* How often the window of an output at h - step reads h; 0 if there is no such output. */
RJ_DEVICE int times(int h, int step, int n)
{
    const int at = h - step;

    if (at < 0 || at >= n)
        return 0;
    return (rj_reflected(at - 1, n) == h) + (at == h) + (rj_reflected(at + 1, n) == h);
}

/* What a piece of dx gets from the output `up` rows above and `left` pixels left of it.
 */
template <class T, enum rj_front KIND>
RJ_DEVICE void add_back(const rj_residual &d, const struct spot &s, int up, int left,
                        const uint32_t *from, const float *dy,
                        float sum[rj_wide<T>::CELLS])
{
    enum { CELLS = rj_wide<T>::CELLS };
    const int count =
        KIND == RJ_FRONT_LAPLACE
            ? times(s.h, up, d.h) * times(s.w, left, d.w)
            : s.h - up >= 0 && s.h - up < d.h && s.w - left >= 0 && s.w - left < d.w;
    const size_t pixel =
        s.pixel - (size_t)(ptrdiff_t)up * (size_t)d.w - (size_t)(ptrdiff_t)left;
    const size_t at = pixel * (size_t)rj_channels(d.c) + (size_t)s.c;
    const uint32_t code = (uint32_t)((up + 1) * 3 + left + 1);
    float g[CELLS];

    if (count == 0)
        return;
    rj_wide<T>::take(dy, at, g);
    if constexpr (KIND == RJ_FRONT_MEDIAN) {
        const uint32_t word = from[at / RJ_BLOCK] >> (4 * (s.c % RJ_BLOCK));
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            sum[k] += (word >> (4 * k) & 15U) == code ? g[k] : 0;
    } else {
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            sum[k] += (float)count * g[k];
    }
}

/* dx += dy - (what the windows that read it send back). */
template <class T, enum rj_front KIND>
static __global__ void __launch_bounds__(256)
    gather(rj_residual d, struct rj_rows rows, const uint32_t *from, const float *dy,
           float *dx)
{
    enum { CELLS = rj_wide<T>::CELLS };
    struct spot s;
    float g[CELLS], into[CELLS], sum[CELLS] = {};

    if (!spot_of<T>(d, rows, CELLS, &s))
        return;
    const size_t at = s.pixel * (size_t)rj_channels(d.c) + (size_t)s.c;
    rj_wide<T>::take(dy, at, g);
    rj_wide<T>::take(dx, at, into);
    if constexpr (KIND == RJ_FRONT_MEDIAN || KIND == RJ_FRONT_LAPLACE) {
#pragma unroll
        for (int i = 0; i < 9; i++)
            add_back<T, KIND>(d, s, i / 3 - 1, i % 3 - 1, from, dy, sum);
    } else if (KIND == RJ_FRONT_NPR && s.h % 2 == 0 && s.w % 2 == 0) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            add_back<T, KIND>(d, s, -(i / 2), -(i % 2), from, dy, sum);
    }
#pragma unroll
    for (int k = 0; k < CELLS; k++)
        into[k] += g[k] - sum[k] * (KIND == RJ_FRONT_LAPLACE ? 1.0f / 9 : 1);
    rj_wide<T>::give(dx, at, into);
}

/* A piece of the three bands of an output; 0 past C. */
template <class T>
RJ_DEVICE void take_bands(const rj_residual &d, const float *dy, size_t pixel, int c,
                          float g[3][rj_wide<T>::CELLS])
{
    enum { CELLS = rj_wide<T>::CELLS };
    const size_t at = pixel * (size_t)rj_channels(d.k) + (size_t)c;

#pragma unroll
    for (int b = 0; b < 3; b++)
        if (d.c % CELLS == 0 && c < d.c) {
            rj_wide<T>::take(dy, at + (size_t)(b * d.c), g[b]);
        } else {
#pragma unroll
            for (int k = 0; k < CELLS; k++)
                g[b][k] =
                    c + k < d.c ? rj_cell<T>::one(dy, at + (size_t)(b * d.c + k)) : 0;
        }
}

/* Rows of things are pairs of rows of dx. */
template <class T>
static __global__ void __launch_bounds__(256)
    haar_grad(rj_residual d, struct rj_rows rows, const uint32_t *, const float *dy,
              float *dx)
{
    enum { CELLS = rj_wide<T>::CELLS };
    const int chunks = rj_channels(d.c) / CELLS, thing = rj_thing(rows);
    const int w = thing / chunks, c = thing % chunks * CELLS;
    const size_t row = rj_row(rows);
    float g[3][CELLS], into[CELLS];

    if (thing >= rows.things)
        return;
    take_bands<T>(d, dy, row * (size_t)d.q + (size_t)(w / 2), c, g);
#pragma unroll
    for (int i = 0; i < 2; i++) { // lower, then right: the sign of lh, then of hl
        const float down = i ? -0.5f : 0.5f, right = w % 2 ? -0.5f : 0.5f;
        const size_t at =
            ((2 * row + (size_t)i) * (size_t)rows.things + (size_t)thing) * CELLS;
        rj_wide<T>::take(dx, at, into);
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            into[k] += down * g[0][k] + right * g[1][k] + 2 * down * right * g[2][k];
        rj_wide<T>::give(dx, at, into);
    }
}

/* Where dy has the number of channel c of pixel (h, w) of picture n, FINE, or of the half
 * sum of cell (h, w). */
template <bool FINE>
RJ_DEVICE size_t octave_at(const rj_residual &d, size_t n, int h, int w, int c)
{
    const int band = FINE ? h % 2 * 2 + w % 2 : 4;
    const int p = FINE ? h / 2 : h, q = FINE ? w / 2 : w;
    const size_t cell = (n * (size_t)d.p + (size_t)p) * (size_t)d.q + (size_t)q;

    return cell * (size_t)rj_channels(d.k) + (size_t)(band * d.c + c);
}

/* What a piece of the plane of pixels, or of that of half sums, gets: what its own
 * outputs send back, less that of those around it whose median lies here. */
template <class T, bool FINE>
RJ_DEVICE void octave_back(const rj_residual &d, const struct spot &s,
                           const uint32_t *from, const float *dy,
                           float sum[rj_wide<T>::CELLS])
{
    enum { CELLS = rj_wide<T>::CELLS };
    const int high = FINE ? d.h : d.p, wide = FINE ? d.w : d.q;
    const int chunks = rj_channels(d.c) / RJ_BLOCK, live = d.c - s.c;
    const size_t n = s.row / (unsigned)high;
    const size_t own = octave_at<FINE>(d, n, s.h, s.w, s.c);

#pragma unroll
    for (int k = 0; k < CELLS; k++)
        sum[k] = k < live ? rj_cell<T>::one(dy, own + (size_t)k) : 0;
#pragma unroll 1
    for (uint32_t i = 0; i < 9; i++) {
        const int h = s.h + 1 - (int)i / 3, w = s.w + 1 - (int)i % 3;
        if (h < 0 || h >= high || w < 0 || w >= wide)
            continue;
        const size_t pixel = (n * (size_t)high + (size_t)h) * (size_t)wide + (size_t)w;
        const size_t at = octave_at<FINE>(d, n, h, w, s.c);
        const uint32_t word = from[pixel * (size_t)chunks + (size_t)(s.c / RJ_BLOCK)] >>
                              (4 * (s.c % RJ_BLOCK));
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            if (k < live && (word >> (4 * k) & 15U) == i)
                sum[k] -= rj_cell<T>::one(dy, at + (size_t)k);
    }
}

/* `from` holds the medians of pixels, then those of half sums. */
template <class T>
static __global__ void __launch_bounds__(256)
    octaves_grad(rj_residual d, struct rj_rows rows, const uint32_t *from,
                 const float *dy, float *dx)
{
    enum { CELLS = rj_wide<T>::CELLS };
    const size_t words =
        (size_t)(rj_channels(d.c) / RJ_BLOCK) * (size_t)d.n * (size_t)d.h * (size_t)d.w;
    float into[CELLS], fine[CELLS], coarse[CELLS];
    struct spot s;

    if (!spot_of<T>(d, rows, CELLS, &s))
        return;
    const size_t at = s.pixel * (size_t)rj_channels(d.c) + (size_t)s.c;
    const struct spot cell = {s.row / 2, 0, s.h / 2, s.w / 2, s.c};
    rj_wide<T>::take(dx, at, into);
    octave_back<T, true>(d, s, from, dy, fine);
    octave_back<T, false>(d, cell, from + words, dy, coarse);
#pragma unroll
    for (int k = 0; k < CELLS; k++)
        into[k] += fine[k] + 0.5f * coarse[k];
    rj_wide<T>::give(dx, at, into);
}

template <class T> static kernel_type *kernel_of(enum rj_front kind)
{
    switch (kind) {
    case RJ_FRONT_MEDIAN:
        return gather<T, RJ_FRONT_MEDIAN>;
    case RJ_FRONT_LAPLACE:
        return gather<T, RJ_FRONT_LAPLACE>;
    case RJ_FRONT_NPR:
        return gather<T, RJ_FRONT_NPR>;
    case RJ_FRONT_HAAR:
        return haar_grad<T>;
    case RJ_FRONT_OCTAVES:
        return octaves_grad<T>;
    default:
        return gather<T, RJ_FRONT_RAW>;
    }
}

/* Notes where medians lie, if the front-end has any. */
static rij_status medians(rj_device *dev, const rj_residual *d, const float *x,
                          uint32_t **from)
{
    const bool octaves = d->kind == RJ_FRONT_OCTAVES;
    const int chunks = rj_channels(d->c) / RJ_BLOCK;
    const struct rj_rows rows = rj_rows_of(d->w * chunks);
    const size_t words = rj_cells(d->n, d->c, d->h, d->w) / RJ_BLOCK;
    const size_t more = octaves ? rj_cells(d->n, d->c, d->p, d->q) / RJ_BLOCK : 0;
    void *memory;

    if (d->kind != RJ_FRONT_MEDIAN && !octaves)
        return RIJ_OK;
    RJ_TRY(rj_workspace(dev, (words + more) * sizeof **from, &memory));
    *from = (uint32_t *)memory;
    RJ_TRY(RJ_LAUNCH_CELLS(dev, find_medians,
                           (unsigned)d->n * (unsigned)d->h * rows.parts, rows.threads, 0,
                           *d, rows, x, *from));
    if (!octaves)
        return RIJ_OK;
    const struct rj_rows half = rj_rows_of(d->q * chunks);
    rj_residual sums = *d;
    sums.h = d->p;
    sums.w = d->q;
    return RJ_LAUNCH_CELLS(dev, find_sums, (unsigned)d->n * (unsigned)d->p * half.parts,
                           half.threads, 0, sums, half, x, *from + words);
}

extern "C" rij_status rj_cuda_residual_grad(rj_device *dev, const rj_residual *d,
                                            const rj_real *x, const rj_real *dy,
                                            rj_real *dx)
{
    kernel_type *const kernel = dev->precision == RJ_BF16 ? kernel_of<rj_half>(d->kind)
                                                          : kernel_of<float>(d->kind);
    const struct rj_rows rows = rj_rows_of_pieces(dev, d->w, d->c);
    const int lines = d->kind == RJ_FRONT_HAAR ? d->p : d->h;
    uint32_t *from = nullptr;

    RJ_TRY(medians(dev, d, x, &from));
    return rj_launched("residual_grad",
                       RJ_LAUNCH(kernel, (unsigned)d->n * (unsigned)lines * rows.parts,
                                 rows.threads, 0, rj_stream(dev), *d, rows,
                                 (const uint32_t *)from, dy, dx));
}
