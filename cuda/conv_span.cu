/* conv_span: the product of conv.h on tensor cores where neighbours share what they read:
 * windows of stride 1, forward or by data.
 *
 * Pixels of all pictures are numbered in one grid of rows, whose rows are longer than the
 * pictures', and pictures higher, by as many zeros as a window hangs over; the zeros
 * after a row are those before the next. In this grid tap (i, j) of pixel m is pixel
 * m + i * row + j, whatever m. So the 128 pixels of a block read one span of
 * 128 + (R - 1) * row + S - 1 pixels, which is brought into shared memory once for all
 * taps, and a tap only moves where ldmatrix begins: 246 pixels instead of 9 * 128 for a
 * window of 3 x 3 and pictures 56 wide. Per step there remain the weights. What is
 * computed at the zeros of the grid, 1/57 of each side there, is dropped.
 *
 * Shared memory: two spans of 64 bytes a pixel, one being multiplied and one under way;
 * STAGES steps of weights, a step being one tap of these 64 bytes; and where the pixels
 * of the span lie, which is found once. Each step brings its share of the next span, from
 * tap STAGES - 1 on: before that the previous one is still being read.
 *
 * 128 x 128, 3 x 3, 56 wide: per step a multiprocessor of sm_80 needs 512 cycles of its
 * tensor cores, 340 of shared memory and 10 KB from the L2. */
#include "conv_warp.h"

enum { ROWS = 128, THREADS = 128, APART = THREADS / RJ_CHUNKS };

static int most(int a, int b)
{
    return a > b ? a : b;
}

/* Like phase 0, with the grid's sides for p and q. */
rj_phase rj_span_grid(const rj_gather *g)
{
    rj_phase f = rj_phase_of(g, 0);
    const int below = g->out_h + f.taps_h - 1 + f.at_h - g->h;
    const int right = g->out_w + f.taps_w - 1 + f.at_w - g->w;

    f.p = most(g->h + most(most(-f.at_h, below), 0), g->out_h);
    f.q = most(g->w + most(most(-f.at_w, right), 0), g->out_w);
    return f;
}

static int columns_of(rj_tile tile)
{
    return tile == RJ_SPAN_128_128 ? 128 : 64;
}

static int stages_of(rj_tile tile)
{
    return tile == RJ_SPAN_128_128 ? 3 : 4;
}

/* Bytes of shared memory for a span. */
static int shared_bytes(int span, rj_tile tile)
{
    return span * (2 * RJ_ROW + (int)sizeof(int)) +
           stages_of(tile) * columns_of(tile) * RJ_ROW;
}

enum { MOST_SHARED = 80 * 1024 }; /* that a block may have */

int rj_span_rows(const rj_device *dev, const rj_gather *g, rj_tile tile)
{
    const rj_phase f = rj_span_grid(g);
    const int cells = RJ_ROW / (int)rj_cell_bytes(dev);
    const size_t rows = (size_t)g->n * (size_t)f.p * (size_t)f.q;
    // as many as the swizzle has rows
    const double span = ROWS + (double)(f.taps_h - 1) * f.q + f.taps_w - 1 + 7;

    if (dev->precision == RJ_FP32 || g->stride != 1 || g->pitch != g->c || g->c % cells ||
        g->r * g->s < stages_of(tile) || rows > 0x7fff0000 || span > 1024)
        return 0;
    // two blocks a multiprocessor of sm_80, one of sm_86
    return shared_bytes((int)span / 8 * 8, tile) <= MOST_SHARED ? (int)span / 8 * 8 : 0;
}

/* What this thread copies, and what comes next: a tap of the weights, and with it some
 * pixels of the span after the present one. */
template <class T> struct rj_spans {
    const T *x, *w;
    unsigned char *a, *b;        /* two spans; the thread's first chunk of weights */
    const int *pixel;            /* where the pixels of the span lie, or -1 */
    int span, each, spans, taps; /* pixels; per step; spans and taps in all */
    size_t from;                 /* the first row of weights, in cells */
    unsigned more;               /* cells from one of the thread's rows to the next */
    int rows;                    /* of weights that there are */
    int at, tap, left, write;    /* the next: span, tap, steps, stage */
};

/* Begin to copy pixels [first, last) of span `at`. */
template <class T>
RJ_DEVICE void rj_copy_span(const rj_spans<T> &s, const rj_gather &g, int at, int first,
                            int last)
{
    const int chunk = (int)threadIdx.x % RJ_CHUNKS;
    const int cell = at * (RJ_ROW / (int)sizeof(T)) + chunk * (RJ_CHUNK / (int)sizeof(T));
    unsigned char *const to = s.a + at % 2 * s.span * RJ_ROW;

#pragma unroll 1
    for (int i = first + (int)threadIdx.x / RJ_CHUNKS; i < last; i += APART) {
        const int pixel = s.pixel[i];
        const size_t from = (size_t)(unsigned)(pixel < 0 ? 0 : pixel) * (unsigned)g.c;
        rj_copy16(to + rj_chunk_at(i, chunk), s.x + from + cell,
                  pixel < 0 ? 0 : RJ_CHUNK);
    }
}

/* Begin to copy what comes next, if anything does; a group in any case. */
template <class T, int COLUMNS, int STAGES>
RJ_DEVICE void rj_fill_span(rj_spans<T> &s, const rj_gather &g)
{
    if (s.left-- > 0) {
#pragma unroll
        for (int b = 0; b < COLUMNS / APART; b++)
            rj_copy16(s.b + s.write + b * APART * RJ_ROW,
                      b < s.rows ? s.w + s.from + (size_t)b * s.more : s.w,
                      b < s.rows ? RJ_CHUNK : 0);
        if (s.tap >= STAGES - 1 && s.at + 1 < s.spans) {
            const int first = (s.tap - (STAGES - 1)) * s.each;
            const int last = first + s.each;
            rj_copy_span(s, g, s.at + 1, first, last < s.span ? last : s.span);
        }
        s.write = rj_stage_after<COLUMNS * RJ_ROW, STAGES>(s.write);
        s.from += (unsigned)g.c;
        if (++s.tap == s.taps) {
            s.tap = 0, s.at++;
            s.from += RJ_ROW / sizeof(T);
            s.from -= (size_t)(unsigned)s.taps * (unsigned)g.c;
        }
    }
    rj_copy_group();
}

/* Where the pixels of the span from number `first` on lie. */
RJ_DEVICE void rj_find_pixels(const rj_gather &g, const rj_phase &f, int first, int span,
                              int *pixel)
{
    for (int i = (int)threadIdx.x; i < span; i += THREADS) {
        const int m = first + i;
        const int w = m < 0 ? 0 : m % f.q, nh = m < 0 ? 0 : m / f.q;
        const int h = nh % f.p, n = nh / f.p;
        const bool in = m >= 0 && n < g.n && h < g.h && w < g.w;
        pixel[i] = in ? (n * g.h + h) * g.w + w : -1;
    }
    __syncthreads();
}

/* Begin: the first span and all stages of weights but one are under way. */
template <class T, int COLUMNS, int STAGES>
RJ_DEVICE void rj_open_span(rj_spans<T> &s, const rj_conv_job &job, const rj_phase &f,
                            unsigned char *memory, int m0, int k0, int span)
{
    constexpr int CELLS = RJ_ROW / (int)sizeof(T);
    const int from = (int)threadIdx.x / RJ_CHUNKS, chunk = (int)threadIdx.x % RJ_CHUNKS;
    const int k = k0 + rj_column_of<T>(from);
    int *const pixel =
        reinterpret_cast<int *>(memory + 2 * span * RJ_ROW + STAGES * COLUMNS * RJ_ROW);

    rj_find_pixels(job.g, f, m0 + f.at_h * f.q + f.at_w, span, pixel);
    s.x = reinterpret_cast<const T *>(job.x), s.w = reinterpret_cast<const T *>(job.w);
    s.a = memory, s.b = memory + 2 * span * RJ_ROW + rj_chunk_at(from, chunk);
    s.pixel = pixel;
    s.span = span, s.spans = job.g.c / CELLS, s.taps = f.taps_h * f.taps_w;
    s.each = (span + s.taps - STAGES) / (s.taps - STAGES + 1);
    s.more = (unsigned)APART * (unsigned)(s.taps * job.g.c);
    s.from = (size_t)(unsigned)k * (unsigned)(s.taps * job.g.c) +
             (unsigned)(chunk * (RJ_CHUNK / (int)sizeof(T)));
    s.rows = k < job.g.k ? (job.g.k - k + APART - 1) / APART : 0;
    s.at = s.tap = s.write = 0, s.left = s.taps * s.spans;
    rj_copy_span(s, job.g, 0, 0, span);
#pragma unroll 1
    for (int i = 0; i < STAGES - 1; i++)
        rj_fill_span<T, COLUMNS, STAGES>(s, job.g);
}

/* The tap being read: how far it moves the rows. */
struct rj_reading {
    int row, column, shift, span; /* lane's row; tap's column; shift; span, 0 or 1 */
};

RJ_DEVICE void rj_next_tap(rj_reading &r, const rj_phase &f)
{
    r.shift++;
    if (++r.column == f.taps_w) {
        r.column = 0, r.shift += f.q - f.taps_w;
        if (r.shift == f.q * f.taps_h)
            r.shift = 0, r.span ^= 1;
    }
}

/* Half `side` (0, 32) of the tap. */
template <int MI, int NJ>
RJ_DEVICE void rj_read_tap(rj_halfstep<MI, NJ> &h, const rj_reading &r, const rj_lane &l,
                           const unsigned char *memory, int span, const unsigned char *b,
                           int side)
{
    const int row = r.row + r.shift;
    const int chunk = (l.chunk_a ^ (row >> 1 & 3) << 4) ^ side;

    rj_read(h, memory + (r.span * span + row) * RJ_ROW, b, chunk, l.chunk_b ^ side);
}

template <class T, int COLUMNS, int WARPS_N, int STAGES, int BLOCKS, bool MORE>
static __global__ void __launch_bounds__(THREADS, BLOCKS)
    conv_span(const rj_conv_job job, const rj_phase f, int span)
{
    constexpr int WARPS_M = 4 / WARPS_N, MI = ROWS / WARPS_M / 16;
    constexpr int NJ = COLUMNS / WARPS_N / 8;
    RJ_DYN_SMEM(unsigned char, memory);
    const int m0 = (int)(blockIdx.x / job.tiles) * ROWS;
    const int k0 = (int)(blockIdx.x % job.tiles) * COLUMNS;
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int wm = warp % WARPS_M * (MI * 16), wn = warp / WARPS_M * (NJ * 8);
    float d[MI][NJ][4] = {};
    rj_lane l = rj_lane_of(memory, memory + (2 * span + wn) * RJ_ROW, lane);
    rj_reading r = {wm + lane % 16, 0, 0, 0};
    rj_halfstep<MI, NJ> half[2];
    rj_spans<T> s;
    int read = 0;

    l.chunk_a = lane / 16 << 4;
    rj_open_span<T, COLUMNS, STAGES>(s, job, f, memory, m0, k0, span);
    rj_copy_wait<STAGES - 2>();
    __syncthreads();
    rj_read_tap(half[0], r, l, memory, span, l.b, 0);
#pragma unroll 1
    for (int steps = s.taps * s.spans; steps; steps--) {
        rj_read_tap(half[1], r, l, memory, span, l.b + read, 32);
        rj_fill_span<T, COLUMNS, STAGES>(s, job.g);
        rj_multiply_all<T, MI, NJ>(d, half[0]);
        rj_copy_wait<STAGES - 2>();
        __syncthreads();
        read = rj_stage_after<COLUMNS * RJ_ROW, STAGES>(read);
        rj_next_tap(r, f);
        if (steps > 1)
            rj_read_tap(half[0], r, l, memory, span, l.b + read, 0);
        rj_multiply_all<T, MI, NJ>(d, half[1]);
    }
    rj_write_all<T, true, MORE, MI, NJ>(job, f, 0, m0 + wm, k0 + wn, lane, d);
}

/* Launch it. */
#define LAUNCH_SO(kernel)                                                                \
    do {                                                                                 \
        RJ_TRY(                                                                          \
            rj_allow_shared(dev, reinterpret_cast<const void *>(kernel), MOST_SHARED));  \
        return RJ_LAUNCH_ROWS(dev, kernel, blocks, THREADS, bytes, own, f, span);        \
    } while (0)

#define LAUNCH(...)                                                                      \
    do {                                                                                 \
        if (rj_more(job))                                                                \
            LAUNCH_SO((conv_span<__VA_ARGS__, true>));                                   \
        LAUNCH_SO((conv_span<__VA_ARGS__, false>));                                      \
    } while (0)

rij_status rj_conv_span(rj_device *dev, const rj_conv_job *job, rj_tile tile)
{
    const rj_phase f = rj_span_grid(&job->g);
    const int span = rj_span_rows(dev, &job->g, tile), columns = columns_of(tile);
    const size_t bytes = (size_t)shared_bytes(span, tile);
    rj_conv_job own = *job;

    own.tiles = (rj_channels(job->g.k) + columns - 1) / columns;
    const unsigned blocks =
        rj_blocks((size_t)job->g.n * (size_t)f.p * (size_t)f.q, ROWS) *
        (unsigned)own.tiles;
    if (tile == RJ_SPAN_128_128 && dev->precision == RJ_BF16)
        LAUNCH(rj_half, 128, 2, 3, 2);
    if (tile == RJ_SPAN_128_128)
        LAUNCH(float, 128, 2, 3, 2);
    if (dev->precision == RJ_BF16)
        LAUNCH(rj_half, 64, 2, 4, 3);
    LAUNCH(float, 64, 2, 4, 3);
}
