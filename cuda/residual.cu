/* residual.cu: the fixed front-ends, forward; op/residual.c has the formulas.
 *
 * x is planes of numbers, images as the host has them, or a stored picture. But for haar
 * and octaves a thread has the same place of 4 rows below one another: of planes all
 * channels of a pixel, of storage one piece of 16 bytes. Going down, it keeps of the last
 * two rows what the 3x3 window needs: the three numbers of a row in order (median), or
 * their sum (laplace), so each row is sorted once, and rows are read from memory once:
 * neighbours meet in the cache. For haar a thread has one piece of the output, for
 * octaves one channel of a cell of 2x2; of planes a block takes the cells of either
 * through shared memory (8.5 KB). Memory is the bound. */
#include "front.h"

enum { STRIP = 4 };
enum { THREADS = 256, OUTPUTS = 128, MOST = 16 }; /* of cells on planes */

typedef void kernel_type(rj_residual d, struct rj_rows rows, const float *x, float *y);

/* A row's part in three windows below one another. */
template <int MANY> struct line {
    float low[MANY], middle[MANY], high[MANY], centre[MANY]; /* laplace: low is the sum */
};

template <class X, enum rj_front KIND>
RJ_DEVICE struct line<X::MANY> line_of(const float *x, const rj_residual &d, int h, int w,
                                       int c)
{
    float left[X::MANY], right[X::MANY];
    struct line<X::MANY> l = {
    };

    h = rj_reflected(h, d.h);
    X::take(x, d, h, rj_reflected(w - 1, d.w), c, left);
    X::take(x, d, h, w, c, l.centre);
    X::take(x, d, h, rj_reflected(w + 1, d.w), c, right);
#pragma unroll
    for (int k = 0; k < X::MANY; k++)
        if constexpr (KIND == RJ_FRONT_MEDIAN)
            rj_sort3(left[k], l.centre[k], right[k], &l.low[k], &l.middle[k], &l.high[k]);
        else
            l.low[k] = left[k] + l.centre[k] + right[k];
    return l;
}

/* The median if the one found is infinity: that, or the centre if five of the nine or
 * more are no numbers. */
template <class X>
RJ_DEVICE float rare_median(const float *x, const rj_residual &d, int h, int w, int c)
{
    int none = 0;

#pragma unroll 1
    for (int i = 0; i < 9; i++) {
        const float v = X::one(x, d, rj_reflected(h + i / 3 - 1, d.h),
                               rj_reflected(w + i % 3 - 1, d.w), c);
        none += v != v;
    }
    return none >= 5 ? X::one(x, d, h, w, c) : rj_infinity();
}

template <class X, enum rj_front KIND>
RJ_DEVICE void rest_of(const struct line<X::MANY> &a, const struct line<X::MANY> &b,
                       const struct line<X::MANY> &c, float rest[X::MANY])
{
#pragma unroll
    for (int k = 0; k < X::MANY; k++)
        if constexpr (KIND == RJ_FRONT_MEDIAN) {
            const float low[3] = {a.low[k], b.low[k], c.low[k]};
            const float middle[3] = {a.middle[k], b.middle[k], c.middle[k]};
            const float high[3] = {a.high[k], b.high[k], c.high[k]};
            rest[k] = rj_median_of_rows(low, middle, high);
        } else {
            rest[k] = (a.low[k] + b.low[k] + c.low[k]) * (1.0f / 9);
        }
}

/* One output: a piece of a stored picture, or a pixel of 8 cells. */
template <class T, class X>
RJ_DEVICE void give(float *y, const rj_residual &d, size_t pixel, int c,
                    const float centre[X::MANY], const float rest[X::MANY], bool live)
{
    float out[X::PLANAR ? (int)RJ_BLOCK : (int)X::MANY] = {};

#pragma unroll
    for (int k = 0; k < X::MANY; k++)
        out[k] = centre[k] - rest[k];
    if constexpr (X::PLANAR)
        rj_give_eight<T>(y, pixel * RJ_BLOCK, out, live);
    else if (live)
        rj_wide<T>::give(y, pixel * (size_t)rj_channels(d.c) + (size_t)c, out);
}

/* Of a picture, where this thread works. */
struct column {
    size_t n;
    int h, end, w, c; /* rows h .. end - 1 */
    bool live;        /* else what it computes is not stored */
};

template <class X>
RJ_DEVICE struct column column_of(const rj_residual &d, const struct rj_rows &rows)
{
    const int chunks = X::PLANAR ? 1 : rj_channels(d.c) / X::MANY;
    const int thing = rj_thing(rows), some = min(thing, rows.things - 1);
    const unsigned strips = (unsigned)(d.h + STRIP - 1) / STRIP;
    const int h = (int)(rj_row(rows) % strips) * STRIP;

    return {rj_row(rows) / strips,        h,
            min(d.h, h + STRIP),          some / chunks,
            some % chunks * (int)X::MANY, thing < rows.things};
}

/* The pixel's number in all pictures. Of neighbours in a warp, dead ones too, neighbours.
 */
template <class X>
RJ_DEVICE size_t pixel_of(const rj_residual &d, const struct rj_rows &rows,
                          const struct column &col, int h)
{
    const size_t row = (col.n * (size_t)d.h + (size_t)h) * (size_t)d.w;

    return row + (size_t)(X::PLANAR ? rj_thing(rows) : col.w);
}

template <class X> RJ_DEVICE size_t picture_size(const rj_residual &d)
{
    return (size_t)(X::PLANAR ? d.c : rj_channels(d.c)) * (size_t)d.h * (size_t)d.w;
}

/* Median and laplace. */
template <class T, class X, enum rj_front KIND>
static __global__ void __launch_bounds__(256, X::MANY <= 4 ? 3 : 2)
    window3x3(rj_residual d, struct rj_rows rows, const float *x, float *y)
{
    const struct column col = column_of<X>(d, rows);
    struct line<X::MANY> a, b;

    x += col.n * picture_size<X>(d) * (X::PLANAR ? sizeof *x : sizeof(T)) / sizeof *x;
    a = line_of<X, KIND>(x, d, col.h - 1, col.w, col.c);
    b = line_of<X, KIND>(x, d, col.h, col.w, col.c);
#pragma unroll 1
    for (int h = col.h; h < col.end; h++) {
        const struct line<X::MANY> c = line_of<X, KIND>(x, d, h + 1, col.w, col.c);
        float rest[X::MANY];
        rest_of<X, KIND>(a, b, c, rest);
        if constexpr (KIND == RJ_FRONT_MEDIAN) {
#pragma unroll
            for (int k = 0; k < X::MANY; k++)
                if (rest[k] == rj_infinity())
                    rest[k] = rare_median<X>(x, d, h, col.w, col.c + k);
        }
        give<T, X>(y, d, pixel_of<X>(d, rows, col, h), col.c, b.centre, rest, col.live);
        a = b;
        b = c;
    }
}

/* Npr, which takes the top-left pixel of the cell away, and raw, which takes nothing. */
template <class T, class X, enum rj_front KIND>
static __global__ void __launch_bounds__(256)
    corner(rj_residual d, struct rj_rows rows, const float *x, float *y)
{
    const struct column col = column_of<X>(d, rows);

    x += col.n * picture_size<X>(d) * (X::PLANAR ? sizeof *x : sizeof(T)) / sizeof *x;
    for (int h = col.h; h < col.end; h++) {
        float centre[X::MANY], rest[X::MANY] = {};
        X::take(x, d, h, col.w, col.c, centre);
        if constexpr (KIND == RJ_FRONT_NPR)
            X::take(x, d, h - h % 2, col.w - col.w % 2, col.c, rest);
        give<T, X>(y, d, pixel_of<X>(d, rows, col, h), col.c, centre, rest, col.live);
    }
}

/* Of a cell a b / e f the band lh, hl or hh. */
RJ_DEVICE float band_of(int band, float a, float b, float e, float f)
{
    const float slope = a - f, tilt = b - e;

    return 0.5f * (band == 0 ? slope + tilt : band == 1 ? slope - tilt : a + f - (b + e));
}

/* A piece of the output lies in one band if C is a multiple of it; else each number is
 * fetched. */
template <class T>
static __global__ void __launch_bounds__(256)
    haar(rj_residual d, struct rj_rows rows, const float *x, float *y)
{
    typedef struct rj_stored<T> X;
    enum { CELLS = rj_wide<T>::CELLS };
    const int chunks = rj_channels(d.k) / CELLS, thing = rj_thing(rows);
    const int w = thing / chunks * 2, k0 = thing % chunks * CELLS;
    const size_t n = rj_row(rows) / (unsigned)d.p;
    const int h = 2 * (int)(rj_row(rows) % (unsigned)d.p);
    int band = k0 / d.c, c = k0 % d.c;
    float out[CELLS] = {};

    if (thing >= rows.things)
        return;
    x += n * picture_size<X>(d) * sizeof(T) / sizeof *x;
    if (d.c % CELLS == 0 && k0 < d.k) {
        float v[4][CELLS];
#pragma unroll
        for (int i = 0; i < 4; i++)
            X::take(x, d, h + i / 2, w + i % 2, c, v[i]);
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            out[k] = band_of(band, v[0][k], v[1][k], v[2][k], v[3][k]);
    } else {
#pragma unroll
        for (int k = 0; k < CELLS; k++) {
            if (k0 + k < d.k)
                out[k] =
                    band_of(band, X::one(x, d, h, w, c), X::one(x, d, h, w + 1, c),
                            X::one(x, d, h + 1, w, c), X::one(x, d, h + 1, w + 1, c));
            if (++c == d.c) {
                c = 0;
                band++;
            }
        }
    }
    rj_wide<T>::give(
        y, ((size_t)rj_row(rows) * (size_t)rows.things + (size_t)thing) * CELLS, out);
}

/* The five numbers of cell (p, q) of channel c. */
template <class X>
RJ_DEVICE void octaves_of(const float *x, const rj_residual &d, int p, int q, int c,
                          float out[5])
{
    float near[16], v[9];

#pragma unroll
    for (int i = 0; i < 16; i++)
        near[i] = X::one(x, d, rj_reflected(2 * p - 1 + i / 4, d.h),
                         rj_reflected(2 * q - 1 + i % 4, d.w), c);
#pragma unroll
    for (int b = 0; b < 4; b++) {
#pragma unroll
        for (int i = 0; i < 9; i++)
            v[i] = near[(b / 2 + i / 3) * 4 + b % 2 + i % 3];
        out[b] = v[4] - rj_median_or_centre(v);
    }
#pragma unroll
    for (int i = 0; i < 9; i++) {
        const int h = 2 * rj_reflected(p + i / 3 - 1, d.p);
        const int w = 2 * rj_reflected(q + i % 3 - 1, d.q);
        v[i] = rj_half_sum(X::one(x, d, h, w, c), X::one(x, d, h, w + 1, c),
                           X::one(x, d, h + 1, w, c), X::one(x, d, h + 1, w + 1, c));
    }
    out[4] = v[4] - rj_median_or_centre(v);
}

/* Things of a row are channels of x; that of the first one also clears the lanes past
 * the last of y. */
template <class T>
static __global__ void __launch_bounds__(256)
    octaves(rj_residual d, struct rj_rows rows, const float *x, float *y)
{
    typedef struct rj_stored<T> X;
    const int thing = rj_thing(rows), q = thing / d.c, c = thing % d.c;
    const size_t n = rj_row(rows) / (unsigned)d.p, row = rj_row(rows);
    const size_t at = (row * (size_t)d.q + (size_t)q) * (size_t)rj_channels(d.k);
    float out[5];

    if (thing >= rows.things)
        return;
    x += n * picture_size<X>(d) * sizeof(T) / sizeof *x;
    octaves_of<X>(x, d, (int)(row % (unsigned)d.p), q, c, out);
#pragma unroll
    for (int b = 0; b < 5; b++)
        rj_cell<T>::set(y, at + (size_t)(b * d.c + c), out[b]);
    for (int k = d.k; c == 0 && k < rj_channels(d.k); k++)
        rj_cell<T>::set(y, at + (size_t)k, 0);
}

/* The three numbers of cell (p, q) of plane c. */
RJ_DEVICE void haar_of(const float *x, const rj_residual &d, int p, int q, int c,
                       float out[3])
{
    x += ((size_t)c * (size_t)d.h + 2 * (size_t)p) * (size_t)d.w + 2 * (size_t)q;
    const float v[4] = {x[0], x[1], x[d.w], x[d.w + 1]};
#pragma unroll
    for (int b = 0; b < 3; b++)
        out[b] = band_of(b, v[0], v[1], v[2], v[3]);
}

/* Of planes: bands of 128 outputs, at most 16 of each, pass through shared memory. Rows
 * of things are pictures, all their outputs one row; a block has THREADS of them. */
template <class T, enum rj_front KIND>
static __global__ void __launch_bounds__(THREADS)
    cells_of_planes(rj_residual d, struct rj_rows rows, const float *x, float *y)
{
    RJ_SHARED(float, tile, [OUTPUTS][MOST + 1]);
    enum { CELLS = rj_wide<T>::CELLS, BANDS = KIND == RJ_FRONT_HAAR ? 3 : 5 };
    const int pieces = rj_channels(d.k) / CELLS;
    const int first = (int)(blockIdx.x % rows.parts) * OUTPUTS;
    const int end = min(OUTPUTS, rows.things - first);
    const size_t n = rj_row(rows);

    x += n * picture_size<rj_planes<5>>(d);
    for (int i = (int)threadIdx.x; i < OUTPUTS * d.c; i += THREADS) {
        const int c = i / OUTPUTS, at = i % OUTPUTS;
        const int p = (first + at) / d.q, q = (first + at) % d.q;
        float out[BANDS];
        if (at >= end)
            continue;
        if constexpr (KIND == RJ_FRONT_HAAR)
            haar_of(x, d, p, q, c, out);
        else
            octaves_of<rj_planes<3>>(x, d, p, q, c, out);
#pragma unroll
        for (int b = 0; b < BANDS; b++)
            tile[at][b * d.c + c] = out[b];
    }
    for (int i = (int)threadIdx.x; i < OUTPUTS * (MOST - d.k); i += THREADS)
        tile[i % OUTPUTS][d.k + i / OUTPUTS] = 0;
    __syncthreads();
    for (int i = (int)threadIdx.x; i < end * pieces; i += THREADS) {
        const int at = i / pieces, c = i % pieces * CELLS;
        float v[CELLS];
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            v[k] = tile[at][c + k];
        rj_wide<T>::give(
            y,
            ((n * (size_t)rows.things + (size_t)first) * (size_t)pieces + (size_t)i) *
                CELLS,
            v);
    }
}

template <class T, class X> static kernel_type *kernel_of(enum rj_front kind)
{
    switch (kind) {
    case RJ_FRONT_MEDIAN:
        return window3x3<T, X, RJ_FRONT_MEDIAN>;
    case RJ_FRONT_LAPLACE:
        return window3x3<T, X, RJ_FRONT_LAPLACE>;
    case RJ_FRONT_NPR:
        return corner<T, X, RJ_FRONT_NPR>;
    case RJ_FRONT_HAAR:
        if constexpr (X::PLANAR)
            return cells_of_planes<T, RJ_FRONT_HAAR>;
        else
            return haar<T>;
    case RJ_FRONT_OCTAVES:
        if constexpr (X::PLANAR)
            return cells_of_planes<T, RJ_FRONT_OCTAVES>;
        else
            return octaves<T>;
    default:
        return corner<T, X, RJ_FRONT_RAW>;
    }
}

/* Of planes, with no more registers than three colours need, or for all that may be. */
template <class T> static kernel_type *kernel_of_cells(const rj_residual *d)
{
    if (!d->planar)
        return kernel_of<T, rj_stored<T>>(d->kind);
    return d->c <= 3 ? kernel_of<T, rj_planes<3>>(d->kind)
                     : kernel_of<T, rj_planes<5>>(d->kind);
}

/* What blocks share, and how many there are of it. */
static struct rj_rows rows_of(const rj_device *dev, const rj_residual *d, unsigned *lines)
{
    const unsigned n = (unsigned)d->n, strips = rj_blocks((size_t)d->h, STRIP);
    const bool cells = d->kind == RJ_FRONT_HAAR || d->kind == RJ_FRONT_OCTAVES;

    if (cells && d->planar) {
        *lines = n;
        return {d->p * d->q, rj_blocks((size_t)(d->p * d->q), OUTPUTS), THREADS};
    }
    if (cells) {
        *lines = n * (unsigned)d->p;
        return d->kind == RJ_FRONT_HAAR ? rj_rows_of_pieces(dev, d->q, d->k)
                                        : rj_rows_of(d->q * d->c);
    }
    *lines = n * strips;
    return d->planar ? rj_rows_of(d->w) : rj_rows_of_pieces(dev, d->w, d->c);
}

extern "C" rij_status rj_cuda_residual(rj_device *dev, const rj_residual *d,
                                       const rj_real *x, rj_real *y)
{
    const bool half = dev->precision == RJ_BF16;
    kernel_type *const kernel =
        half ? kernel_of_cells<rj_half>(d) : kernel_of_cells<float>(d);
    unsigned lines;
    const struct rj_rows rows = rows_of(dev, d, &lines);

    return rj_launched("residual", RJ_LAUNCH(kernel, lines * rows.parts, rows.threads, 0,
                                             rj_stream(dev), *d, rows, x, y));
}
