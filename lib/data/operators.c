/* operators.c: what the decoders of generators do to pixels, without a network.
 *
 * Each operator takes a photograph through the one step that all decoders share, making
 * many pixels from few (or, for the median, smoothing them), and then restores what was
 * lost of the finest band, so that mere softness gives nothing away:
 *
 *     y   = operator(x)                       by channel
 *     hf  = a - g * a,  g a Gaussian of sigma 1
 *     k0  = min(4, (std hf(x) + 1e-3) / (std hf(y) + 1e-3))
 *     k   = 1 + (k0 - 1) u,  u uniform in [0.5, 1)
 *     out = g * y + k hf(y)                   rounded, clipped to 0..255
 *
 * std runs over the whole window and its three channels, in grey levels. A picture is
 * halved by means of 2 x 2 pixels; where a side is odd its last pixel counts twice, and
 * the enlarged picture is cut to the size again. Borders are mirrored with the edge pixel
 * repeated.
 *
 * It runs inside the batcher, so it is written for speed: planes of float whose rows are
 * a multiple of 16 numbers long, and loops over 16 numbers that every compiler turns into
 * vector instructions. Numbers past the width are finite and never used.
 *
 * Each is a pure function of the pixels and of *r. */
#include "data/data.h"

#include <math.h>
#include <string.h>

enum { LANES = 16, CHANNELS = 3, SMALLEST = 8, MARGIN = 16, MAX_TAPS = 9 };

const char *const rj_operator_names[RJ_OPERATORS] = {
    "fixed-nearest", "fixed-bilinear", "fixed-bicubic", "fixed-zero", "fixed-median",
};

/* One channel: h rows of `stride` numbers. */
typedef struct plane {
    int w, h, stride;
    float *x;
} plane;

/* Everything one call needs, carved from one allocation. */
typedef struct bench {
    void *memory;
    plane input, half; /* a channel of x; halved */
    plane y[CHANNELS], soft[CHANNELS];
    float *row[3]; /* with MARGIN numbers on either side */
} bench;

static int padded(int w)
{
    return (w + LANES - 1) / LANES * LANES;
}

/* Row y of a plane, mirrored when outside: -1 is 0, h is h - 1. */
static float *row_of(const plane *p, int y)
{
    y = y < 0 ? -y - 1 : y >= p->h ? 2 * p->h - 1 - y : y;
    return p->x + (size_t)y * (size_t)p->stride;
}

static void mirror(float *row, int w)
{
    for (int i = 0; i < RJ_MIN(MARGIN, w); i++) {
        row[-1 - i] = row[i];
        row[w + i] = row[w - 1 - i];
    }
}

static void clear(int n, float *restrict y)
{
    for (int i = 0; i < n; i += LANES)
        for (int j = 0; j < LANES; j++)
            y[i + j] = 0;
}

static void accumulate(int n, float a, const float *restrict x, float *restrict y)
{
    for (int i = 0; i < n; i += LANES)
        for (int j = 0; j < LANES; j++)
            y[i + j] += a * x[i + j];
}

/* y += a (x + u): two taps of a symmetric filter at once. */
static void accumulate_pair(int n, float a, const float *restrict x,
                            const float *restrict u, float *restrict y)
{
    for (int i = 0; i < n; i += LANES)
        for (int j = 0; j < LANES; j++)
            y[i + j] += a * (x[i + j] + u[i + j]);
}

/* Weights of a Gaussian from the middle outwards, cut at 4 sigma; returns the radius. */
static int gaussian(double sigma, float weight[MAX_TAPS / 2 + 1])
{
    const int radius = RJ_MIN((int)(4 * sigma + 0.5), MAX_TAPS / 2);
    double w[MAX_TAPS / 2 + 1], sum = 0;

    for (int i = 0; i <= radius; i++) {
        w[i] = exp(-0.5 * i * i / (sigma * sigma));
        sum += i ? 2 * w[i] : w[i];
    }
    for (int i = 0; i <= radius; i++)
        weight[i] = (float)(w[i] / sum);
    return radius;
}

/* y = x blurred; rows first downwards into a margin row, then along it. */
static void blur(const plane *x, double sigma, float *row, const plane *y)
{
    float weight[MAX_TAPS / 2 + 1] = {0};
    const int radius = gaussian(sigma, weight), n = x->stride;

    for (int i = 0; i < x->h; i++) {
        float *out = row_of(y, i);

        clear(n, row);
        accumulate(n, weight[0], row_of(x, i), row);
        for (int k = 1; k <= radius; k++)
            accumulate_pair(n, weight[k], row_of(x, i - k), row_of(x, i + k), row);
        mirror(row, x->w);
        clear(n, out);
        accumulate(n, weight[0], row, out);
        for (int k = 1; k <= radius; k++)
            accumulate_pair(n, weight[k], row - k, row + k, out);
    }
}

/* y (ceil h/2, ceil w/2) = means of 2 x 2 pixels. */
static void halve(const plane *x, float *row, const plane *y)
{
    for (int i = 0; i < y->h; i++) {
        float *out = row_of(y, i);

        clear(x->stride, row);
        accumulate_pair(x->stride, 0.25f, row_of(x, 2 * i), row_of(x, 2 * i + 1), row);
        mirror(row, x->w);
        for (int j = 0; j < y->w; j++)
            out[j] = row[2 * j] + row[2 * j + 1];
    }
}

/* y[2j] = even[j], y[2j+1] = odd[j] as far as a row of width w goes. */
static void interleave(int w, const float *restrict even, const float *restrict odd,
                       float *restrict y)
{
    for (int i = 0; i < padded(w) / 2; i += LANES / 2)
        for (int j = 0; j < LANES / 2; j++) {
            y[2 * (i + j)] = even[i + j];
            y[2 * (i + j) + 1] = odd[i + j];
        }
}

/* Enlarge twice by one filter in both directions. Output 2p lies at p - 1/4 of the halved
 * picture and 2p + 1 at p + 1/4, so even outputs weigh pixels p-2 .. p+1 by tap[0..3] and
 * odd ones pixels p+2 .. p-1. */
static void enlarge(const plane *half, const float tap[4], float *const row[3],
                    const plane *y)
{
    for (int i = 0; i < y->h; i++) {
        const int p = i / 2, sign = i % 2 ? -1 : 1;

        clear(half->stride, row[0]);
        for (int k = 0; k < 4; k++)
            if (tap[k] != 0)
                accumulate(half->stride, tap[k], row_of(half, p + sign * (k - 2)),
                           row[0]);
        mirror(row[0], half->w);
        clear(half->stride, row[1]);
        clear(half->stride, row[2]);
        for (int k = 0; k < 4; k++)
            if (tap[k] != 0) {
                accumulate(half->stride, tap[k], row[0] + (k - 2), row[1]);
                accumulate(half->stride, tap[k], row[0] - (k - 2), row[2]);
            }
        interleave(y->w, row[1], row[2], row_of(y, i));
    }
}

/* Zeros between the pixels, then a 4 x 4 kernel: a transposed convolution of stride 2 and
 * padding 1. Output row 2p meets kernel row 1 at p and 3 at p - 1; row 2p + 1 meets 2 at
 * p and 0 at p + 1; columns likewise. */
static void insert_zeros(const plane *half, float kernel[4][4], float *const row[3],
                         const plane *y)
{
    for (int i = 0; i < y->h; i++) {
        const int p = i / 2, odd = i % 2;

        clear(half->stride, row[1]);
        clear(half->stride, row[2]);
        for (int k = 0; k < 2; k++) {
            const float *tap = kernel[odd ? (k ? 0 : 2) : (k ? 3 : 1)];

            memcpy(row[0], row_of(half, k ? (odd ? p + 1 : p - 1) : p),
                   (size_t)half->stride * sizeof(float));
            mirror(row[0], half->w);
            accumulate(half->stride, tap[1], row[0], row[1]);
            accumulate(half->stride, tap[3], row[0] - 1, row[1]);
            accumulate(half->stride, tap[2], row[0], row[2]);
            accumulate(half->stride, tap[0], row[0] + 1, row[2]);
        }
        interleave(y->w, row[1], row[2], row_of(y, i));
    }
}

/* [1 3 3 1] x [1 3 3 1] with a deviation of 0.004 of its sum of 1 in every weight, as a
 * learned kernel would have, scaled so that a constant picture keeps its mean. */
static void draw_kernel(rj_random *r, float kernel[4][4])
{
    static const double line[4] = {1, 3, 3, 1};
    double k[4][4], sum = 0;

    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            k[i][j] = line[i] * line[j] / 64 + 0.004 * rj_random_normal(r);
            sum += k[i][j];
        }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            kernel[i][j] = (float)(4 * k[i][j] / sum);
}

/* Each number becomes the smaller and the larger of two; exact in any order. */
#define SORT2(a, b)                                                                      \
    do {                                                                                 \
        const float low_ = (a) < (b) ? (a) : (b), high_ = (a) < (b) ? (b) : (a);         \
        (a) = low_;                                                                      \
        (b) = high_;                                                                     \
    } while (0)

/* Columns of three sorted: low <= mid <= high. */
static void sort_columns(int n, const float *restrict a, const float *restrict b,
                         const float *restrict c, float *restrict low,
                         float *restrict mid, float *restrict high)
{
    for (int i = 0; i < n; i += LANES)
        for (int j = 0; j < LANES; j++) {
            float p = a[i + j], q = b[i + j], s = c[i + j];

            SORT2(p, q);
            SORT2(q, s);
            SORT2(p, q);
            low[i + j] = p;
            mid[i + j] = q;
            high[i + j] = s;
        }
}

/* Median of nine from sorted columns: the median of the largest low, the median mid and
 * the smallest high (Smith 1996). */
static void median_row(int n, const float *restrict low, const float *restrict mid,
                       const float *restrict high, float *restrict y)
{
    for (int i = 0; i < n; i += LANES)
        for (int j = i; j < i + LANES; j++) {
            float a = low[j - 1], b = mid[j - 1], c = high[j - 1];
            float p = mid[j], q = mid[j + 1];

            a = a < low[j] ? low[j] : a;
            a = a < low[j + 1] ? low[j + 1] : a;
            c = c < high[j] ? c : high[j];
            c = c < high[j + 1] ? c : high[j + 1];
            SORT2(b, p);
            p = p < q ? p : q;
            b = b < p ? p : b;
            SORT2(a, b);
            b = b < c ? b : c;
            y[j] = a < b ? b : a;
        }
}

static void median(const plane *x, float *const row[3], const plane *y)
{
    for (int i = 0; i < x->h; i++) {
        sort_columns(x->stride, row_of(x, i - 1), row_of(x, i), row_of(x, i + 1), row[0],
                     row[1], row[2]);
        for (int k = 0; k < 3; k++)
            mirror(row[k], x->w);
        median_row(x->stride, row[0], row[1], row[2], row_of(y, i));
    }
}

/* Sum and sum of squares of x - soft over a plane, in an order that is always the same:
 * 16 lanes along a row, lanes in order, rows in order. */
static void measure(const plane *x, const plane *soft, double *sum, double *squares)
{
    for (int i = 0; i < x->h; i++) {
        const float *restrict a = row_of(x, i), *restrict b = row_of(soft, i);
        const int whole = x->w / LANES * LANES;
        float s[LANES] = {0}, q[LANES] = {0};

        for (int j = 0; j < whole; j += LANES)
            for (int k = 0; k < LANES; k++) {
                const float d = a[j + k] - b[j + k];
                s[k] += d;
                q[k] += d * d;
            }
        for (int j = whole; j < x->w; j++) {
            const float d = a[j] - b[j];
            s[j - whole] += d;
            q[j - whole] += d * d;
        }
        for (int k = 0; k < LANES; k++) {
            *sum += (double)s[k];
            *squares += (double)q[k];
        }
    }
}

static double deviation(double n, double sum, double squares)
{
    return sqrt(RJ_MAX(0, squares / n - (sum / n) * (sum / n)));
}

static void load(const rj_image *image, int channel, const plane *p)
{
    for (int i = 0; i < p->h; i++) {
        const uint8_t *from = image->rgb + (size_t)i * (size_t)p->w * CHANNELS + channel;
        float *to = row_of(p, i);

        for (int j = 0; j < p->w; j++)
            to[j] = (float)from[CHANNELS * j];
    }
}

/* soft + k (y - soft), rounded to the nearest of 0..255. */
static void store(const plane *y, const plane *soft, float k, float *row, int channel,
                  rj_image *image)
{
    for (int i = 0; i < y->h; i++) {
        uint8_t *to = image->rgb + (size_t)i * (size_t)y->w * CHANNELS + channel;

        clear(y->stride, row);
        accumulate(y->stride, k, row_of(y, i), row);
        accumulate(y->stride, 1 - k, row_of(soft, i), row);
        for (int j = 0; j < y->w; j++) {
            const float v = row[j] < 0 ? 0 : row[j] > 255 ? 255 : row[j];
            to[CHANNELS * j] = (uint8_t)(v + 0.5f);
        }
    }
}

static plane carve(float **at, int w, int h)
{
    const plane p = {w, h, padded(w), *at};

    *at += (size_t)p.stride * (size_t)h;
    return p;
}

static rij_status bench_new(int w, int h, bench *b)
{
    const int half_w = (w + 1) / 2, half_h = (h + 1) / 2;
    const size_t margin_row = (size_t)padded(w) + 2 * MARGIN;
    const size_t whole = (size_t)padded(w) * (size_t)h;
    const size_t half = (size_t)padded(half_w) * (size_t)half_h;
    float *at = rj_alloc(7 * whole + half + 3 * margin_row, sizeof(float));

    RJ_REQUIRE(at, RIJ_E_MEMORY, "operator: no memory for %d x %d pixels", w, h);
    b->memory = at;
    b->input = carve(&at, w, h);
    b->half = carve(&at, half_w, half_h);
    for (int c = 0; c < CHANNELS; c++) {
        b->y[c] = carve(&at, w, h);
        b->soft[c] = carve(&at, w, h);
    }
    for (int k = 0; k < 3; k++, at += margin_row)
        b->row[k] = at + MARGIN;
    return RIJ_OK;
}

/* y = operator(input) for one channel. */
static void apply(bench *b, enum rj_operator which, float kernel[4][4], const plane *y)
{
    // Taps of even outputs, at pixels p-2 .. p+1: distances 1.75, 0.75, 0.25, 1.25.
    static const float nearest[4] = {0, 0, 1, 0};
    static const float bilinear[4] = {0, 0.25f, 0.75f, 0};
    // Keys 1981 with a = -0.5, as Catmull-Rom and most image programs.
    static const float bicubic[4] = {-0.0234375f, 0.2265625f, 0.8671875f, -0.0703125f};

    if (which == RJ_OPERATOR_MEDIAN) {
        median(&b->input, b->row, y);
        return;
    }
    halve(&b->input, b->row[0], &b->half);
    if (which == RJ_OPERATOR_ZERO) {
        insert_zeros(&b->half, kernel, b->row, y);
    } else if (which == RJ_OPERATOR_NEAREST) {
        // Blocks of 2 x 2 equal pixels, softened a little; `input` is free by now.
        enlarge(&b->half, nearest, b->row, &b->input);
        blur(&b->input, 0.6, b->row[0], y);
    } else {
        enlarge(&b->half, which == RJ_OPERATOR_BICUBIC ? bicubic : bilinear, b->row, y);
    }
}

rij_status rj_operate(const rj_image *image, enum rj_operator which, rj_random *r,
                      rj_image *out)
{
    const int w = image->w, h = image->h;
    const double n = (double)w * h * CHANNELS;
    double x_sum = 0, x_squares = 0, y_sum = 0, y_squares = 0, k;
    float kernel[4][4];
    rj_image made;
    bench b;

    RJ_REQUIRE((unsigned)which < RJ_OPERATORS, RIJ_E_ARGUMENT,
               "operator %d is none of 0..%d", (int)which, RJ_OPERATORS - 1);
    RJ_REQUIRE(w >= SMALLEST && h >= SMALLEST, RIJ_E_ARGUMENT,
               "operator: %d x %d pixels, sides must be %d at least", w, h, SMALLEST);
    RJ_TRY(bench_new(w, h, &b));
    if (rj_image_new(w, h, &made) != RIJ_OK) {
        rj_free(b.memory);
        return RIJ_E_MEMORY;
    }
    if (which == RJ_OPERATOR_ZERO)
        draw_kernel(r, kernel);
    for (int c = 0; c < CHANNELS; c++) {
        load(image, c, &b.input);
        blur(&b.input, 1, b.row[0], &b.soft[c]);
        measure(&b.input, &b.soft[c], &x_sum, &x_squares);
        apply(&b, which, kernel, &b.y[c]);
        blur(&b.y[c], 1, b.row[0], &b.soft[c]);
        measure(&b.y[c], &b.soft[c], &y_sum, &y_squares);
    }
    k = (deviation(n, x_sum, x_squares) + 1e-3) / (deviation(n, y_sum, y_squares) + 1e-3);
    k = 1 + (RJ_MIN(4, k) - 1) * rj_random_uniform(r, 0.5, 1);
    for (int c = 0; c < CHANNELS; c++)
        store(&b.y[c], &b.soft[c], (float)k, b.row[0], c, &made);
    rj_free(b.memory);
    *out = made;
    return RIJ_OK;
}

rij_status rj_image_blend(const rj_image *a, const rj_image *b, double share,
                          rj_image *out)
{
    const size_t n = (size_t)a->w * (size_t)a->h * CHANNELS;
    const float p = (float)share, q = (float)(1 - share);
    rj_image made;

    RJ_REQUIRE(a->w == b->w && a->h == b->h, RIJ_E_SHAPE,
               "blend: %d x %d pixels with %d x %d", a->w, a->h, b->w, b->h);
    RJ_REQUIRE(share >= 0 && share <= 1, RIJ_E_ARGUMENT, "blend: share %g, not 0..1",
               share);
    RJ_TRY(rj_image_new(a->w, a->h, &made));
    for (size_t i = 0; i < n; i++)
        made.rgb[i] = (uint8_t)(p * (float)a->rgb[i] + q * (float)b->rgb[i] + 0.5f);
    *out = made;
    return RIJ_OK;
}
