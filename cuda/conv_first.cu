/* conv_first: the convolution of a first layer on tensor cores: windows 7 high and 5 to 8
 * wide, of stride 2, over images in host order of up to four channels.
 *
 * A pixel has 4 cells. Images are framed with zeros first, and their rows, and for tf32
 * their columns, are put apart by being even or odd, so that each plane has half of them.
 * Pixels written are numbered in one grid of rows as long as a plane's, of pictures as
 * high as a plane; what is computed beside the pictures written is dropped. In this grid
 * 16 bytes of the window, which are two pixels of bfloat16 or one of float, lie in one
 * plane, at m plus a number that is the same for all m. So ROWS pixels of a block read
 * one span of each plane, ROWS + 3 rows and 3, which comes to shared memory once; row m
 * of a matrix begins 16 bytes after that of m - 1, which is free of bank conflicts.
 *
 * All weights of 64 channels are in shared memory too, and stay there: a block takes one
 * tile after another, and the span of the next comes while the present one is multiplied.
 * What 7 taps leave of the 8 that a row of weights has is multiplied by zeros. */
#include "conv_warp.h"
#include "pieces.h"

enum { ROWS = 256, COLUMNS = 64, TAPS = 7 };
enum { CELLS = 32 };      /* of weights at a row of taps */
enum { MOST_SPAN = 768 }; /* pixels of pictures 330 wide */

/* How a type of cell lies. */
template <class T> struct rj_first_as {
    static constexpr int PLANES = (int)sizeof(T);
    static constexpr int HALVES = CELLS * (int)sizeof(T) / 32; /* of a row of taps */
    static constexpr int STEPS = TAPS * HALVES / 2;
    static constexpr int WEIGHTS = STEPS * COLUMNS * RJ_ROW; /* bytes */
};

/* Planes of a call, its spans and its tiles. */
struct rj_first {
    int high, wide;             /* of a picture's plane, and of the grid */
    int pixels;                 /* of a plane of all pictures */
    int span;                   /* pixels of a plane that a tile reads */
    int tiles, each;            /* in all; of a block */
    int more_q, more_p, more_n; /* columns, rows and pictures from tile to tile */
};

static rj_first first_of(const rj_gather *g)
{
    rj_first f = {};

    f.high = (g->h + 1) / 2, f.wide = g->w / 2;
    f.span = (ROWS + 3 * f.wide + 3 + 7) / 8 * 8;
    f.pixels = g->n * f.high * f.wide;
    f.tiles = (f.pixels + ROWS - 1) / ROWS;
    f.more_q = ROWS % f.wide;
    f.more_p = ROWS / f.wide % f.high;
    f.more_n = ROWS / f.wide / f.high;
    return f;
}

static size_t shared_bytes(const rj_device *dev, const rj_first *f)
{
    const size_t size = rj_cell_bytes(dev);

    return TAPS * COLUMNS * CELLS * size + 2 * size * (size_t)f->span * RJ_CHUNK +
           2 * ROWS * sizeof(int);
}

bool rj_first_fits(const rj_device *dev, const rj_gather *g)
{
    if (dev->precision == RJ_FP32 || g->by_data || g->pitch != 4 || g->c != CELLS ||
        g->r != TAPS || g->stride != 2 || g->k % RJ_BLOCK || g->w > MOST_SPAN ||
        (size_t)g->n * (size_t)(g->h + 1) * (size_t)g->w > 0x7fff0000)
        return false;
    const rj_first f = first_of(g);
    return f.span <= MOST_SPAN && shared_bytes(dev, &f) <= rj_most_shared(dev);
}

size_t rj_first_cells(const rj_gather *g)
{
    const rj_first f = first_of(g);

    return (size_t)f.pixels * 4 * 4;
}

/* Two pixels of an image, framed, to their planes; a thread. */
template <class T>
static __global__ void __launch_bounds__(256)
    first_frame(const rj_gather g, const rj_first f, const rj_conv d, const float *x,
                float *to)
{
    const unsigned at = blockIdx.x * 256 + threadIdx.x;
    const unsigned row = at / (unsigned)f.wide, v = at % (unsigned)f.wide;
    const unsigned n = row / (unsigned)(2 * f.high), h = row % (unsigned)(2 * f.high);
    const int i = (int)h - d.pad, j = (int)v * 2 - d.pad;
    const size_t pixel = (size_t)(n * (unsigned)f.high + h / 2) * (unsigned)f.wide + v;
    const size_t plane = (size_t)f.pixels;
    float u[8];

    if (n >= (unsigned)g.n)
        return;
#pragma unroll
    for (int e = 0; e < 8; e++) {
        const int c = e % 4, across = j + e / 4;
        const bool in = c < d.c && i >= 0 && i < d.h && across >= 0 && across < d.w;
        u[e] = in ? x[(((size_t)n * d.c + c) * d.h + i) * d.w + across] : 0;
    }
    if (sizeof(T) == 2) {
        rj_cell<T>::set_eight(to, (h % 2 * plane + pixel) * 8, u);
    } else {
        rj_wide<float>::give(to, (h % 2 * 2 * plane + pixel) * 4, u);
        rj_wide<float>::give(to, ((h % 2 * 2 + 1) * plane + pixel) * 4, u + 4);
    }
}

rij_status rj_first_frame(rj_device *dev, const rj_gather *g, const rj_conv *d,
                          const rj_real *x, rj_real *to)
{
    const rj_first f = first_of(g);

    return RJ_LAUNCH_CELLS(dev, first_frame, rj_blocks((size_t)f.pixels * 2, 256), 256, 0,
                           *g, f, *d, x, to);
}

/* Begin to copy the weights of channels k0 and on. */
template <class T, int THREADS>
RJ_DEVICE void first_weights(const rj_conv_job &job, unsigned char *to, int k0)
{
    typedef rj_first_as<T> as;
    const T *const w = reinterpret_cast<const T *>(job.w);

#pragma unroll 1
    for (int i = (int)threadIdx.x; i < as::STEPS * COLUMNS * RJ_CHUNKS; i += THREADS) {
        const int chunk = i % RJ_CHUNKS, row = i / RJ_CHUNKS % COLUMNS,
                  step = i / (RJ_CHUNKS * COLUMNS);
        const int k = k0 + row / 32 * 32 + rj_column_of<T>(row % 32);
        const int cell = (step * RJ_CHUNKS + chunk) * (RJ_CHUNK / (int)sizeof(T));
        const bool is = k < job.g.k;
        rj_copy16(to + step * COLUMNS * RJ_ROW + rj_chunk_at(row, chunk),
                  w + (is ? (size_t)(unsigned)k * (TAPS * CELLS) : 0) + cell,
                  is ? RJ_CHUNK : 0);
    }
}

/* Begin to copy the spans of the tile that begins at pixel m. */
template <class T, int THREADS>
RJ_DEVICE void first_spans(const rj_conv_job &job, const rj_first &f, unsigned char *to,
                           int m)
{
    const int left = f.pixels - m - (int)threadIdx.x, here = (int)threadIdx.x;
    const unsigned char *from = reinterpret_cast<const unsigned char *>(job.x) +
                                (size_t)(unsigned)(m + here) * RJ_CHUNK;

    to += here * RJ_CHUNK;
#pragma unroll
    for (int p = 0; p < rj_first_as<T>::PLANES; p++) {
#pragma unroll
        for (int i = 0; i < MOST_SPAN; i += THREADS)
            if (i + here < f.span) // past the last pixel nothing is read
                rj_copy16(to + i * RJ_CHUNK, from + i * RJ_CHUNK,
                          i < left ? RJ_CHUNK : 0);
        from += (size_t)(unsigned)f.pixels * RJ_CHUNK;
        to += f.span * RJ_CHUNK;
    }
}

/* Where a thread's pixels are written, which is told to all: number of the picture, row
 * and column of each. */
template <int EACH> struct rj_first_places {
    int n[EACH], p[EACH], q[EACH];
};

template <int EACH, int THREADS>
RJ_DEVICE void first_places(rj_first_places<EACH> &t, const rj_first &f, int m)
{
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        const int at = m + i * THREADS + (int)threadIdx.x, np = at / f.wide;
        t.q[i] = at % f.wide, t.p[i] = np % f.high, t.n[i] = np / f.high;
    }
}

/* Tell them to `to`, -1 where nothing is, and go to the next tile. */
template <int EACH, int THREADS>
RJ_DEVICE void first_tell(rj_first_places<EACH> &t, const rj_gather &g, const rj_first &f,
                          int *to)
{
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        const bool is = t.n[i] < g.n && t.p[i] < g.out_h && t.q[i] < g.out_w;
        to[i * THREADS + (int)threadIdx.x] =
            is ? (t.n[i] * g.out_h + t.p[i]) * g.out_w + t.q[i] : -1;
        t.q[i] += f.more_q, t.p[i] += f.more_p, t.n[i] += f.more_n;
        if (t.q[i] >= f.wide)
            t.q[i] -= f.wide, t.p[i]++;
        if (t.p[i] >= f.high)
            t.p[i] -= f.high, t.n[i]++;
    }
}

/* Where a lane reads pixels: row `lane` of a warp's first 16, and its chunk of a pair. */
template <class T> RJ_DEVICE int first_lane(const rj_first &f, int lane)
{
    return sizeof(T) == 2 ? (lane % 16 + lane / 16) * RJ_CHUNK
                          : (lane % 16 + lane / 16 * f.span) * RJ_CHUNK;
}

/* Half-step `at` of all: of pixels, which begin at `a`, and of weights. */
template <class T, int MI, int NJ>
RJ_DEVICE void first_read(rj_halfstep<MI, NJ> &h, const rj_first &f,
                          const unsigned char *a, const rj_lane &l, int at)
{
    typedef rj_first_as<T> as;
    const int tap = at / as::HALVES, within = at % as::HALVES;
    // two pixels of bfloat16 are a chunk, of float each plane has one
    const int right = within * (sizeof(T) == 2 ? 2 : 1);
    const int plane = tap % 2 * (as::PLANES / 2);
    const unsigned char *const from =
        a + (plane * f.span + tap / 2 * f.wide + right) * RJ_CHUNK;
    const unsigned char *const b = l.b + at / 2 * COLUMNS * RJ_ROW;

#pragma unroll
    for (int i = 0; i < MI; i++)
        rj_matrices(h.a[i], from + i * 16 * RJ_CHUNK);
#pragma unroll
    for (int j = 0; j < NJ / 2; j++)
        rj_matrices(h.b[j], b + j * 16 * RJ_ROW + (l.chunk_b ^ at % 2 * 32));
}

/* What a warp has summed, which began with the bias. MORE: there is something beside, or
 * a relu. */
template <class T, bool MORE, int MI, int NJ>
RJ_DEVICE void first_write(const rj_conv_job &job, const int *where, int k, int lane,
                           float d[MI][NJ][4])
{
    constexpr int N = rj_wide<T>::CELLS, TILES = N / 2;

#pragma unroll
    for (int i = 0; i < 2 * MI; i++) {
        const int pixel = where[i * 8 + lane / 4];
        const size_t at = (size_t)(unsigned)pixel * (unsigned)job.g.k;
#pragma unroll
        for (int group = 0; group < NJ / TILES; group++) {
            const int c = k + (group * 4 + lane % 4) * N;
            float v[N];
#pragma unroll
            for (int e = 0; e < N; e++)
                v[e] = d[i / 2][group * TILES + e / 2][i % 2 * 2 + e % 2];
            if (pixel >= 0 && c < job.g.k) {
                if (MORE) {
                    const float none[N] = {0};
                    rj_finish<T, N>(job, (size_t)(unsigned)pixel, c, none, v);
                } else {
                    rj_put<T, N>(job.y, at + (unsigned)c, v);
                }
            }
        }
    }
}

/* Each block has f.each tiles, and the columns that blockIdx.y tells. */
template <class T, int WARPS_M, int WARPS_N, int BLOCKS, bool MORE>
static __global__ void __launch_bounds__(WARPS_M *WARPS_N * 32, BLOCKS)
    conv_first(const rj_conv_job job, const rj_first f)
{
    typedef rj_first_as<T> as;
    constexpr int THREADS = WARPS_M * WARPS_N * 32, EACH = ROWS / THREADS;
    constexpr int MI = ROWS / WARPS_M / 16, NJ = COLUMNS / WARPS_N / 8;
    constexpr int N = rj_wide<T>::CELLS, TILES = N / 2, HALVES = 2 * as::STEPS;
    RJ_DYN_SMEM(unsigned char, memory);
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int wm = warp % WARPS_M * (MI * 16), wn = warp / WARPS_M * (NJ * 8);
    const int k = (int)blockIdx.y * COLUMNS + wn, bytes = as::PLANES * f.span * RJ_CHUNK;
    unsigned char *const spans = memory + as::WEIGHTS;
    int *const where = reinterpret_cast<int *>(spans + 2 * bytes);
    const rj_lane l = rj_lane_of(memory, memory + wn * RJ_ROW, lane);
    const unsigned char *const a = spans + wm * RJ_CHUNK + first_lane<T>(f, lane);
    int m = (int)blockIdx.x * f.each * ROWS, turn = 0;
    const int end = min(m + f.each * ROWS, f.pixels);
    float bias[NJ / TILES][N];
    rj_first_places<EACH> places;

    first_weights<T, THREADS>(job, memory, (int)blockIdx.y * COLUMNS);
    first_spans<T, THREADS>(job, f, spans, m);
    rj_copy_group();
    first_places<EACH, THREADS>(places, f, m);
    first_tell<EACH, THREADS>(places, job.g, f, where);
#pragma unroll
    for (int group = 0; group < NJ / TILES; group++)
        rj_take_bias<N>(job, k + (group * 4 + lane % 4) * N, bias[group]);
#pragma unroll 1
    for (; m < end; m += ROWS, turn ^= 1) {
        rj_halfstep<MI, NJ> half[2];
        float d[MI][NJ][4];
        rj_copy_wait<0>();
        __syncthreads(); // the span is whole, and nobody reads the one before it
        first_read<T>(half[0], f, a + turn * bytes, l, 0);
        if (m + ROWS < end)
            first_spans<T, THREADS>(job, f, spans + (turn ^ 1) * bytes, m + ROWS);
        rj_copy_group();
        first_tell<EACH, THREADS>(places, job.g, f, where + (turn ^ 1) * ROWS);
#pragma unroll
        for (int i = 0; i < MI * NJ * 4; i++)
            d[i / 4 / NJ][i / 4 % NJ][i % 4] =
                bias[i / 4 % NJ / TILES][i / 4 % TILES * 2 + i % 2];
#pragma unroll
        for (int i = 0; i < HALVES; i++) {
            if (i + 1 < HALVES)
                first_read<T>(half[(i + 1) % 2], f, a + turn * bytes, l, i + 1);
            rj_multiply_all<T, MI, NJ>(d, half[i % 2]);
        }
        // a branch: mixed with the products, writing takes more registers than there are
        if (k < job.g.k)
            first_write<T, MORE, MI, NJ>(job, where + turn * ROWS + wm, k, lane, d);
    }
    rj_copy_wait<0>();
}

/* Tiles of a block, if `blocks` fit a multiprocessor and there are `across` times the
 * tiles. They are shared out evenly: a block that had one more would be waited for. */
static int tiles_each(const rj_device *dev, const rj_first *f, int blocks, int across)
{
    const int most = RJ_MAX(1, rj_multiprocessors(dev) * blocks / across);

    return (f->tiles + most - 1) / most;
}

#define LAUNCH(blocks, ...)                                                              \
    do {                                                                                 \
        const auto kernel = conv_first<__VA_ARGS__>;                                     \
        const int across = (job->g.k + COLUMNS - 1) / COLUMNS;                           \
        f.each = tiles_each(dev, &f, blocks, across);                                    \
        RJ_TRY(rj_allow_shared(dev, reinterpret_cast<const void *>(kernel),              \
                               rj_most_shared(dev)));                                    \
        return RJ_LAUNCH_ROWS(                                                           \
            dev, (conv_first<__VA_ARGS__>),                                              \
            dim3((unsigned)((f.tiles + f.each - 1) / f.each), (unsigned)across),         \
            threads, shared_bytes(dev, &f), *job, f);                                    \
    } while (0)

rij_status rj_conv_first(rj_device *dev, const rj_conv_job *job)
{
    const bool half = dev->precision == RJ_BF16, more = job->beside || job->relu;
    const unsigned threads = half ? 128 : 256;
    rj_first f = first_of(&job->g);

    if (half && more)
        LAUNCH(2, rj_half, 4, 1, 2, true);
    if (half)
        LAUNCH(2, rj_half, 4, 1, 2, false);
    if (more)
        LAUNCH(1, float, 4, 2, 1, true);
    LAUNCH(1, float, 4, 2, 1, false);
}
