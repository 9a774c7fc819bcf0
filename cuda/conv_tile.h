/* conv_tile.h: how a block of conv_tensor.cu and conv_plain.cu brings its tiles into
 * shared memory, and how it writes what it has summed.
 *
 * A row of a tile is 64 bytes of the reduction, of a pixel or of a channel's weights; the
 * reduction runs over (tap row, tap column, cell) as one number, so that few channels
 * waste nothing: a row may hold several taps. Four chunks of 16 bytes make a row, each
 * within one tap. A thread copies the same chunk of every (threads / 4)-th row; it finds
 * the pixels of its rows once, and per step moves on in (tap, cell) without a division.
 * What lies outside of the picture or of the reduction is filled with zeros.
 *
 * Chunk c of row r lies at chunk c ^ (r / 2 % 4) of the row's 64 bytes: eight rows at the
 * same chunk, which is what is read at once, are in eight different groups of banks. */
#ifndef RJ_CONV_TILE_H
#define RJ_CONV_TILE_H

#include "conv.h"
#include "pieces.h"

enum { RJ_ROW = 64, RJ_CHUNK = 16, RJ_CHUNKS = RJ_ROW / RJ_CHUNK };

RJ_DEVICE int rj_chunk_at(int row, int chunk)
{
    return row * RJ_ROW + ((chunk ^ (row >> 1 & 3)) << 4);
}

/* What one thread copies: A rows of pixels, and rows of weights from channel k on. */
template <int A> struct rj_copies {
    int pixel[A], h[A], w[A]; /* of tap (0, 0); may lie outside */
    int rows;                 /* of weights that there are, in steps of MORE channels */
    size_t from;              /* the first one's chunk, in cells */
    int c, i, j, left;        /* the chunk's cell and tap; cells from it to the end */
    int more_c, more_i, more_j;
};

/* The pixels of rows first, first + apart, ..; rows past the last are far outside. */
template <int A>
RJ_DEVICE void rj_take_pixels(rj_copies<A> &t, const rj_gather &g, const rj_phase &f,
                              int first, int apart)
{
    const int rows = g.n * f.p * f.q;

#pragma unroll
    for (int a = 0; a < A; a++) {
        const int m = first + a * apart;
        const int q = m % f.q, np = m / f.q, p = np % f.p, n = np / f.p;
        t.h[a] = m < rows ? p * f.step + f.at_h : -(1 << 30);
        t.w[a] = q * f.step + f.at_w;
        t.pixel[a] = m < rows ? (n * g.h + t.h[a]) * g.w + t.w[a] : 0;
    }
}

/* Start at chunk `chunk` of step `step` of the reduction, and at channels k, k + more,
 * .. of the weights. */
template <class T, int A>
RJ_DEVICE void rj_take_place(rj_copies<A> &t, const rj_gather &g, const rj_phase &f,
                             int step, int chunk, int k, int more)
{
    const int cells = RJ_ROW / (int)sizeof(T), length = f.taps_h * f.taps_w * g.c;
    const int at = step * cells + chunk * (RJ_CHUNK / (int)sizeof(T));
    const int taps = cells / g.c;

    t.rows = k < g.k ? (g.k - k + more - 1) / more : 0;
    t.from = (size_t)(unsigned)k * (unsigned)length + (unsigned)at;
    t.left = length - at;
    t.c = at % g.c;
    t.j = at / g.c % f.taps_w;
    t.i = at / g.c / f.taps_w;
    t.more_c = cells % g.c;
    t.more_j = taps % f.taps_w;
    t.more_i = taps / f.taps_w;
}

template <class T, int A>
RJ_DEVICE void rj_move_on(rj_copies<A> &t, const rj_gather &g, const rj_phase &f)
{
    t.from += RJ_ROW / sizeof(T);
    t.left -= RJ_ROW / (int)sizeof(T);
    t.c += t.more_c, t.j += t.more_j, t.i += t.more_i;
    if (t.c >= g.c)
        t.c -= g.c, t.j++;
    if (t.j >= f.taps_w)
        t.j -= f.taps_w, t.i++;
}

/* Begin to copy a step's rows, APART rows between a thread's own: pixels to `to` and on,
 * B rows of weights, `more` cells between them, to to_w. APART is a multiple of 8, so
 * that all have their chunk at the same place of the row. */
template <class T, int A, int B, int APART>
RJ_DEVICE void rj_copy_rows(const rj_copies<A> &t, const rj_gather &g, const T *x,
                            const T *w, unsigned more, unsigned char *to,
                            unsigned char *to_w)
{
    const int filled = (g.filled - t.c) * (int)sizeof(T);
    const int bytes = t.left <= 0 ? 0 : filled < RJ_CHUNK ? filled : RJ_CHUNK;
    const int shift = t.i * g.w + t.j;
    const int rows = t.left <= 0 || filled <= 0 ? 0 : t.rows; // else zeros anyway
    const T *const from_x = x + t.c, *const from_w = w + t.from;

#pragma unroll
    for (int a = 0; a < A; a++) {
        const bool in = (unsigned)(t.h[a] + t.i) < (unsigned)g.h &&
                        (unsigned)(t.w[a] + t.j) < (unsigned)g.w;
        const unsigned pixel = in ? (unsigned)(t.pixel[a] + shift) : 0;
        rj_copy16(to + a * APART * RJ_ROW, from_x + (size_t)pixel * (unsigned)g.pitch,
                  in ? bytes : 0);
    }
#pragma unroll
    for (int b = 0; b < B; b++)
        rj_copy16(to_w + b * APART * RJ_ROW, b < rows ? from_w + (size_t)b * more : w,
                  b < rows ? RJ_CHUNK : 0);
}

/* The place of this block's tile in job.pairs: how many of its pair have begun, and
 * whether the first has written. */
RJ_DEVICE unsigned *rj_pair_of(const rj_conv_job &job)
{
    return job.pairs + 2 * (size_t)(blockIdx.z * gridDim.x + blockIdx.x);
}

/* The part of the reduction that is this block's, for all of its threads. Of a pair who
 * begins first has the first, and waits for nobody. `memory`: 4 bytes of shared memory,
 * free again when this returns. */
RJ_DEVICE int rj_take_part(const rj_conv_job &job, unsigned char *memory)
{
    unsigned *const said = reinterpret_cast<unsigned *>(memory);

    if (!job.pairs)
        return (int)blockIdx.y;
    if (threadIdx.x == 0)
        *said = atomicInc(rj_pair_of(job), 1);
    __syncthreads();
    const unsigned part = *said;
    __syncthreads();
    return (int)part;
}

/* Steps [first, last) of the reduction are those of a part. */
template <class T>
RJ_DEVICE void rj_take_steps(const rj_conv_job &job, const rj_phase &f, int part,
                             int *first, int *last)
{
    const int cells = RJ_ROW / (int)sizeof(T);
    const int steps = (f.taps_h * f.taps_w * job.g.c + cells - 1) / cells;
    const int each = (steps + job.split - 1) / job.split;
    const int from = part * each;

    *first = from < steps ? from : steps;
    *last = from + each < steps ? from + each : steps;
}

/* The stages of a block's shared memory, and this thread's part in filling them. */
template <class T, int ROWS, int COLUMNS, int THREADS, int STAGES> struct rj_pipe {
    static constexpr int APART = THREADS / RJ_CHUNKS, A = ROWS / APART,
                         B = COLUMNS / APART, STAGE = (ROWS + COLUMNS) * RJ_ROW;
    rj_copies<A> t;
    const T *x, *w;
    unsigned more;     /* cells from one of a thread's rows of weights to the next */
    unsigned char *to; /* of its first chunk in the first stage */
    int write, next, last;
};

/* The stage after this one, as bytes from the first. */
template <int STAGE, int STAGES> RJ_DEVICE int rj_stage_after(int at)
{
    return at == (STAGES - 1) * STAGE ? 0 : at + STAGE;
}

/* Begin to copy the next step, if there is one; a group in any case. */
template <class T, int ROWS, int COLUMNS, int THREADS, int STAGES>
RJ_DEVICE void rj_fill(rj_pipe<T, ROWS, COLUMNS, THREADS, STAGES> &p, const rj_gather &g,
                       const rj_phase &f)
{
    typedef rj_pipe<T, ROWS, COLUMNS, THREADS, STAGES> pipe;

    if (p.next++ < p.last) {
        rj_copy_rows<T, pipe::A, pipe::B, pipe::APART>(
            p.t, g, p.x, p.w, p.more, p.to + p.write, p.to + p.write + ROWS * RJ_ROW);
        rj_move_on<T>(p.t, g, f);
        p.write = rj_stage_after<pipe::STAGE, STAGES>(p.write);
    }
    rj_copy_group();
}

/* Begin with steps [step, last), of rows m0 and on, and of channels k and on, `apart`
 * from one of a thread's rows to the next: all stages but one are under way then. */
template <class T, int ROWS, int COLUMNS, int THREADS, int STAGES>
RJ_DEVICE void rj_open(rj_pipe<T, ROWS, COLUMNS, THREADS, STAGES> &p,
                       const rj_conv_job &job, const rj_phase &f, unsigned char *memory,
                       int m0, int k, int apart, int step, int last)
{
    const int from = (int)threadIdx.x / RJ_CHUNKS, chunk = (int)threadIdx.x % RJ_CHUNKS;

    p.x = reinterpret_cast<const T *>(job.x);
    p.w = reinterpret_cast<const T *>(job.w) + (size_t)f.first * job.g.k * job.g.c;
    p.more = (unsigned)apart * (unsigned)(f.taps_h * f.taps_w * job.g.c);
    p.to = memory + rj_chunk_at(from, chunk);
    p.write = 0, p.next = step, p.last = last;
    rj_take_pixels(p.t, job.g, f, m0 + from, THREADS / RJ_CHUNKS);
    rj_take_place<T>(p.t, job.g, f, step, chunk, k, apart);
#pragma unroll 1
    for (int i = 0; i < STAGES - 1; i++)
        rj_fill(p, job.g, f);
}

/* Where row m is written: pixel of all pictures; RJ_NOWHERE: a row of none. GRID: f's
 * sides are not the pictures' own, rows of it may be none. */
#define RJ_NOWHERE ((size_t)-1)
template <bool GRID>
RJ_DEVICE size_t rj_pixel_of(const rj_gather &g, const rj_phase &f, int m)
{
    if (m >= g.n * f.p * f.q)
        return RJ_NOWHERE;
    if (!GRID && f.spread == 1)
        return (size_t)m;
    const int q = m % f.q, np = m / f.q, p = np % f.p, n = np / f.p;
    const int h = p * f.spread + f.to_h, w = q * f.spread + f.to_w;
    if (GRID && (h >= g.out_h || w >= g.out_w))
        return RJ_NOWHERE;
    return ((size_t)n * g.out_h + h) * g.out_w + w;
}

template <int N> RJ_DEVICE void rj_take_bias(const rj_conv_job &job, int k, float bias[N])
{
#pragma unroll
    for (int e = 0; e < N; e++)
        bias[e] = job.bias && k + e < job.g.k ? job.bias[k + e] : 0;
}

/* N cells of a picture, whole pieces of 16 bytes. */
template <class T, int N> RJ_DEVICE void rj_get(const rj_real *x, size_t at, float v[N])
{
#pragma unroll
    for (int e = 0; e < N; e += rj_wide<T>::CELLS)
        rj_wide<T>::take(x, at + (size_t)e, v + e);
}

template <class T, int N> RJ_DEVICE void rj_put(rj_real *x, size_t at, float v[N])
{
#pragma unroll
    for (int e = 0; e < N; e += rj_wide<T>::CELLS)
        rj_wide<T>::give(x, at + (size_t)e, v + e);
}

/* Channels k .. k + N - 1 of a pixel: what is summed, + bias, + beside, relu; NaN stays.
 */
template <class T, int N>
RJ_DEVICE void rj_finish(const rj_conv_job &job, size_t pixel, int k, const float bias[N],
                         float v[N])
{
    const size_t at = pixel * (size_t)rj_channels(job.g.k) + (size_t)k;
    float beside[N] = {0};

    if (job.beside)
        rj_get<T, N>(job.beside, at, beside);
#pragma unroll
    for (int e = 0; e < N; e++) {
        v[e] += bias[e];
        if (job.beside)
            v[e] += beside[e];
        if (job.relu)
            v[e] = v[e] < 0 ? 0 : v[e];
        v[e] = k + e < job.g.k ? v[e] : 0;
    }
    rj_put<T, N>(job.y, at, v);
}

/* N numbers of parts, 4 or 8, from number `at` on, a multiple of N. Of 32 the odd pieces
 * of 16 bytes lie behind the even ones: a lane has two, and what lanes write at once are
 * whole sectors then. */
RJ_DEVICE size_t rj_piece_at(size_t at)
{
    return at / 32 * 32 + at / 4 % 2 * 16 + at / 8 % 4 * 4;
}

template <int N> RJ_DEVICE void rj_get_part(const float *part, size_t at, float v[N])
{
    const float *const from = part + rj_piece_at(at);

#pragma unroll
    for (int e = 0; e < N; e += 4) {
        const float4 u = rj_load4_far(from + e * 4);
        v[e] = u.x, v[e + 1] = u.y, v[e + 2] = u.z, v[e + 3] = u.w;
    }
}

template <int N> RJ_DEVICE void rj_put_part(float *part, size_t at, float v[N])
{
    float *const to = part + rj_piece_at(at);

#pragma unroll
    for (int e = 0; e < N; e += 4)
        rj_store4_far(to + e * 4, make_float4(v[e], v[e + 1], v[e + 2], v[e + 3]));
}

/* rj_finish() of what is summed, or the block's part of it. */
template <class T, int N>
RJ_DEVICE void rj_write(const rj_conv_job &job, int part, size_t pixel, int k,
                        const float bias[N], float v[N])
{
    const size_t pixels = (size_t)job.g.n * job.g.out_h * job.g.out_w;
    const size_t before = job.pairs ? 0 : (size_t)part * pixels;
    const size_t at = (before + pixel) * (size_t)rj_channels(job.g.k) + (size_t)k;

    if (job.split > 1 && !(job.pairs && part)) {
        rj_put_part<N>(job.part, at, v);
        return;
    }
    if (job.pairs) {
        float first[N];
        rj_get_part<N>(job.part, at, first);
#pragma unroll
        for (int e = 0; e < N; e++)
            v[e] = first[e] + v[e];
    }
    rj_finish<T, N>(job, pixel, k, bias, v);
}

#endif
