/* resize2d.cu: another size, by the nearest pixel or by bilinear weights; op/resize2d.c
 * has the formula.
 *
 * A first kernel finds, in double like the reference, which places of x each row and each
 * column of y reads and with what share (16 bytes for each), and for the gradient where
 * the rows and columns that read a place of x begin. Then a thread has one piece of 16
 * bytes of a few rows below one another. Forward, it keeps the two rows of x it stands
 * between, interpolated along w; backward, it adds each row of dy, summed along w, to the
 * one or two rows of dx that the row had been made of. So dx is gathered, in one order,
 * and rows are read about once by each thread; neighbours along w meet in the cache. */
#include "pieces.h"

enum { THREADS = 256, STRIP = 4 };

/* y at this place is (1 - share) x[low] + share x[high]. */
struct __align__(16) taps
{
    int low, high;
    float share;
    int pad;
};

struct sizes {
    int chunks; /* pieces of a pixel */
    int h, w, p, q;
    int strips; /* of the rows that are written */
    bool nearest;
};

/* Of a direction: taps of `to` places, and from + 1 begins. */
struct tables {
    struct taps *v, *u;
    int *begin_h, *begin_w;
};

RJ_DEVICE struct taps taps_of(int i, int from, int to, bool nearest)
{
    const double place = fmax((i + 0.5) * from / to - 0.5, 0.0);
    const int low = min((int)place, from - 1);
    const int at = min((int)((int64_t)i * from / to), from - 1);

    if (nearest)
        return {at, at, 0, 0};
    return {low, min(low + 1, from - 1), (float)fmin(place - low, 1.0), 0};
}

/* The first place of y whose low is not below h, which grows with the place; `to`: there
 * is none. */
RJ_DEVICE int begin_of(int h, int from, int to, bool nearest)
{
    int low = 0, high = to;

    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (taps_of(middle, from, to, nearest).low < h)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static __global__ void __launch_bounds__(THREADS)
    find_taps(struct sizes d, struct tables t, bool begins)
{
    int i = (int)(blockIdx.x * THREADS + threadIdx.x);

    if (i < d.p)
        t.v[i] = taps_of(i, d.h, d.p, d.nearest);
    i -= d.p;
    if (i >= 0 && i < d.q)
        t.u[i] = taps_of(i, d.w, d.q, d.nearest);
    i -= d.q;
    if (begins && i >= 0 && i <= d.h)
        t.begin_h[i] = begin_of(i, d.h, d.p, d.nearest);
    i -= d.h + 1;
    if (begins && i >= 0 && i <= d.w)
        t.begin_w[i] = begin_of(i, d.w, d.q, d.nearest);
}

/* A place of a row of x, interpolated along w. */
template <class T>
RJ_DEVICE void between(const float *x, size_t row, const struct taps &u, int chunks,
                       int chunk, float v[rj_wide<T>::CELLS])
{
    enum { CELLS = rj_wide<T>::CELLS };
    float a[CELLS], b[CELLS];

    rj_wide<T>::take(x, (row + (size_t)u.low * (size_t)chunks + (size_t)chunk) * CELLS,
                     a);
    rj_wide<T>::take(x, (row + (size_t)u.high * (size_t)chunks + (size_t)chunk) * CELLS,
                     b);
#pragma unroll
    for (int k = 0; k < CELLS; k++)
        v[k] = a[k] * (1 - u.share) + b[k] * u.share;
}

template <class T>
static __global__ void __launch_bounds__(THREADS)
    resize2d(struct sizes d, struct rj_rows rows, struct tables t, const float *x,
             float *y)
{
    enum { CELLS = rj_wide<T>::CELLS };
    const int thing = rj_thing(rows), q = thing / d.chunks, chunk = thing % d.chunks;
    const unsigned strip = rj_row(rows);
    const size_t n = strip / (unsigned)d.strips, line = (size_t)d.w * (size_t)d.chunks;
    const int first = (int)(strip % (unsigned)d.strips) * STRIP;
    float a[CELLS] = {}, b[CELLS] = {};
    int held_a = -1, held_b = -1;

    if (thing >= rows.things)
        return;
    const struct taps u = t.u[q];
    for (int p = first; p < min(d.p, first + STRIP); p++) {
        const struct taps v = t.v[p];
        const size_t from = n * (size_t)d.h;
        if (v.low == held_b) {
#pragma unroll
            for (int k = 0; k < CELLS; k++)
                a[k] = b[k];
        } else if (v.low != held_a) {
            between<T>(x, (from + (size_t)v.low) * line, u, d.chunks, chunk, a);
        }
        if (v.high != held_b)
            between<T>(x, (from + (size_t)v.high) * line, u, d.chunks, chunk, b);
        held_a = v.low;
        held_b = v.high;
        float out[CELLS];
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            out[k] = a[k] * (1 - v.share) + b[k] * v.share;
        rj_wide<T>::give(
            y,
            ((n * (size_t)d.p + (size_t)p) * (size_t)rows.things + (size_t)thing) * CELLS,
            out);
    }
}

/* What the columns from..to-1 of a row of dy send to column w: times `here` into a, times
 * `there` into b. */
template <class T>
RJ_DEVICE void back(const float *dy, const struct taps *u, int w, int from, int to,
                    int chunks, float here, float there, float a[rj_wide<T>::CELLS],
                    float b[rj_wide<T>::CELLS])
{
    enum { CELLS = rj_wide<T>::CELLS };

#pragma unroll 2
    for (int q = from; q < to; q++) {
        const struct taps s = u[q];
        const float weight =
            (s.low == w ? 1 - s.share : 0.0f) + (s.high == w ? s.share : 0.0f);
        float g[CELLS];
        rj_wide<T>::take(dy, (size_t)q * (size_t)chunks * CELLS, g);
#pragma unroll
        for (int k = 0; k < CELLS; k++) {
            a[k] += here * weight * g[k];
            b[k] += there * weight * g[k];
        }
    }
}

template <class T>
RJ_DEVICE void add_some(float *dx, size_t at, const float v[rj_wide<T>::CELLS])
{
    float into[rj_wide<T>::CELLS];

    rj_wide<T>::take(dx, at, into);
#pragma unroll
    for (int k = 0; k < rj_wide<T>::CELLS; k++)
        into[k] += v[k];
    rj_wide<T>::give(dx, at, into);
}

/* Rows of y between begin_h[h] and begin_h[h + 1] have h for their low; the share of
 * their high goes to the next row of dx, which waits in `next`, or at the edge to the
 * same. */
template <class T>
static __global__ void __launch_bounds__(THREADS)
    resize2d_grad(struct sizes d, struct rj_rows rows, struct tables t, const float *dy,
                  float *dx)
{
    enum { CELLS = rj_wide<T>::CELLS };
    const int thing = rj_thing(rows), w = thing / d.chunks, chunk = thing % d.chunks;
    const unsigned strip = rj_row(rows);
    const size_t n = strip / (unsigned)d.strips;
    const size_t line = (size_t)d.q * (size_t)d.chunks * CELLS; // of dy, cells
    const int first = (int)(strip % (unsigned)d.strips) * STRIP;
    float sum[CELLS] = {};

    if (thing >= rows.things)
        return;
    const int from = t.begin_w[max(0, d.nearest ? w : w - 1)], to = t.begin_w[w + 1];
    dy += n * (size_t)d.p * line * sizeof(T) / sizeof *dy;
    for (int h = d.nearest ? first : max(0, first - 1); h < min(d.h, first + STRIP);
         h++) {
        float next[CELLS] = {};
        for (int p = t.begin_h[h]; p < t.begin_h[h + 1]; p++) {
            const struct taps r = t.v[p];
            const bool edge = r.high == h;
            back<T>(dy + ((size_t)p * line + (size_t)chunk * CELLS) * sizeof(T) /
                             sizeof *dy,
                    t.u, w, from, to, d.chunks, edge ? 1 : 1 - r.share,
                    edge ? 0 : r.share, sum, next);
        }
        if (h >= first)
            add_some<T>(
                dx,
                ((n * (size_t)d.h + (size_t)h) * (size_t)rows.things + (size_t)thing) *
                    CELLS,
                sum);
#pragma unroll
        for (int k = 0; k < CELLS; k++)
            sum[k] = d.nearest ? 0 : next[k];
    }
}

/* The tables in the workspace, found. */
static rij_status tables_of(rj_device *dev, const struct sizes *d, bool begins,
                            struct tables *t)
{
    const size_t to = (size_t)d->p + (size_t)d->q;
    const size_t from = begins ? (size_t)d->h + (size_t)d->w + 2 : 0;
    void *memory;

    RJ_TRY(rj_workspace(dev, to * sizeof *t->v + from * sizeof(int), &memory));
    t->v = (struct taps *)memory;
    t->u = t->v + d->p;
    t->begin_h = (int *)(t->u + d->q);
    t->begin_w = t->begin_h + d->h + 1;
    return RJ_LAUNCH_ROWS(dev, find_taps, rj_blocks(to + from, THREADS), THREADS, 0, *d,
                          *t, begins);
}

/* `rows`: of the picture that is written. */
static struct sizes sizes_of(const rj_device *dev, const rj_resize *d, int rows)
{
    return {rj_channels(d->c) / rj_wide_cells(dev),
            d->h,
            d->w,
            d->p,
            d->q,
            (rows + STRIP - 1) / STRIP,
            d->mode == RJ_NEAREST};
}

extern "C" {

rij_status rj_cuda_resize2d(rj_device *dev, const rj_resize *d, const rj_real *x,
                            rj_real *y)
{
    const struct sizes s = sizes_of(dev, d, d->p);
    const struct rj_rows rows = rj_rows_of_pieces(dev, d->q, d->c);
    struct tables t;

    RJ_TRY(tables_of(dev, &s, false, &t));
    return RJ_LAUNCH_CELLS(dev, resize2d,
                           (unsigned)d->n * (unsigned)s.strips * rows.parts, rows.threads,
                           0, s, rows, t, x, y);
}

rij_status rj_cuda_resize2d_grad(rj_device *dev, const rj_resize *d, const rj_real *dy,
                                 rj_real *dx)
{
    const struct sizes s = sizes_of(dev, d, d->h);
    const struct rj_rows rows = rj_rows_of_pieces(dev, d->w, d->c);
    struct tables t;

    RJ_TRY(tables_of(dev, &s, true, &t));
    return RJ_LAUNCH_CELLS(dev, resize2d_grad,
                           (unsigned)d->n * (unsigned)s.strips * rows.parts, rows.threads,
                           0, s, rows, t, dy, dx);
}
}
