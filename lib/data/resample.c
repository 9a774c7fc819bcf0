/* resample.c: separable filters of whole pictures: resizing and Gaussian blur.
 *
 * Both are the same thing, a short weighted sum of input rows for each output row, then
 * the same along the other axis:
 *
 *     a(i,x) = sum_k weight_y(i,k) in(index_y(i,k), x)
 *     y(i,j) = sum_k weight_x(j,k) a(i, index_x(j,k))      rounded once, at the end
 *
 * The work goes by strips of 32 output rows, so scratch stays small for any picture. The
 * rows of a strip are summed from bytes, turned on their side (pixel columns become rows
 * of 32 pixels), and summed again: both sums then run along memory over 16 numbers at a
 * time, which every compiler turns into vector instructions. Order of the sums is fixed.
 */
#include "data/data.h"

#include <math.h>
#include <string.h>

enum { CHANNELS = 3, LANES = 16, STRIP = 32, SIDE_ROW = STRIP * CHANNELS };
enum { VEC = 4, HALF = SIDE_ROW / 2 };
typedef float vec __attribute__((vector_size(VEC * sizeof(float)), may_alias));

#if defined(__clang__)
#    define UNROLLED _Pragma("clang loop unroll(full)")
#else
#    define UNROLLED _Pragma("GCC unroll 16")
#endif

/* For each of n outputs, `most` places for inputs and their weights; `used` are taken. */
typedef struct taps {
    int n, most;
    int *used, *index;
    float *weight;
} taps;

static void taps_free(taps *t)
{
    rj_free(t->used);
    rj_free(t->index);
    rj_free(t->weight);
    *t = (taps){0};
}

static rij_status taps_new(int n, int most, taps *out)
{
    const size_t all = (size_t)n * (size_t)most;
    taps t = {n, most, rj_alloc((size_t)n, sizeof(int)), rj_alloc(all, sizeof(int)),
              rj_alloc(all, sizeof(float))};

    if (!t.used || !t.index || !t.weight) {
        taps_free(&t);
        return rj_fail(RIJ_E_MEMORY, "no memory for a filter of %d x %d weights", n,
                       most);
    }
    *out = t;
    return RIJ_OK;
}

/* A filter's weight at a distance, in pixels of the coarser picture: box, triangle, cubic
 * (Keys 1981, a = -1/2) or Lanczos of three lobes. */
static double weight_at(enum rj_filter filter, double x)
{
    const double pi = 3.14159265358979323846;

    if (filter == RJ_BOX)
        return x > -0.5 && x <= 0.5 ? 1 : 0;
    x = fabs(x);
    switch (filter) {
    case RJ_TRIANGLE:
        return RJ_MAX(0.0, 1 - x);
    case RJ_CUBIC:
        return x < 1   ? (1.5 * x - 2.5) * x * x + 1
               : x < 2 ? ((2.5 - 0.5 * x) * x - 4) * x + 2
                       : 0;
    default:
        return x < 1e-9 ? 1
               : x < 3  ? 3 * sin(pi * x) * sin(pi * x / 3) / (pi * pi * x * x)
                        : 0;
    }
}

/* A filter with half-pixel centres, as wide as an output pixel when shrinking:
 *
 *     centre = (i + 1/2) n_in/n_out,  width = max(1, n_in/n_out)
 *     weight of input k = filter((k + 1/2 - centre) / width), normalised
 *
 * (what PIL calls BOX, BILINEAR, BICUBIC and LANCZOS). Where roundings leave a box
 * without a pixel, the one at its centre is taken. */
static rij_status resizing(enum rj_filter filter, int in, int out, taps *t)
{
    static const double reach[] = {0.5, 1, 2, 3};
    const double scale = (double)in / out, width = RJ_MAX(1.0, scale);
    const double radius = reach[filter] * width;

    RJ_TRY(taps_new(out, 2 * (int)ceil(radius) + 2, t));
    for (int i = 0; i < out; i++) {
        const double centre = (i + 0.5) * scale;
        int first = RJ_MAX(0, (int)floor(centre - radius + 0.5));
        int end = RJ_MIN(in, (int)floor(centre + radius + 0.5));
        const size_t at = (size_t)i * (size_t)t->most;
        double sum = 0;

        for (int k = first; k < end; k++)
            sum += weight_at(filter, (k + 0.5 - centre) / width);
        if (sum == 0) {
            first = RJ_MIN(in - 1, (int)centre);
            end = first + 1;
        }
        for (int k = first; k < end; k++) {
            const double weight =
                sum == 0 ? 1 : weight_at(filter, (k + 0.5 - centre) / width) / sum;
            t->index[at + (size_t)(k - first)] = k;
            t->weight[at + (size_t)(k - first)] = (float)weight;
        }
        t->used[i] = end - first;
    }
    return RIJ_OK;
}

/* exp(-k^2 / (2 sigma^2)) up to 4 sigma, normalised; the border mirrored with the edge
 * pixel repeated (scipy's gaussian_filter, mode reflect). */
static rij_status gaussian(int n, double sigma, taps *t)
{
    const int radius = (int)(4 * sigma + 0.5);
    double sum = 1;

    RJ_TRY(taps_new(n, 2 * radius + 1, t));
    for (int k = 1; k <= radius; k++)
        sum += 2 * exp(-0.5 * (k / sigma) * (k / sigma));
    for (int i = 0; i < n; i++) {
        const size_t at = (size_t)i * (size_t)t->most;

        for (int k = -radius; k <= radius; k++) {
            const double u = k ? k / sigma : 0;
            int from = (i + k) % (2 * n);

            from = from < 0 ? from + 2 * n : from;
            t->index[at + (size_t)(k + radius)] = from < n ? from : 2 * n - 1 - from;
            t->weight[at + (size_t)(k + radius)] = (float)(exp(-0.5 * u * u) / sum);
        }
        t->used[i] = t->most;
    }
    return RIJ_OK;
}

static void add_bytes(int n, float weight, const uint8_t *restrict x, float *restrict y)
{
    const int whole = n / LANES * LANES;

    for (int i = 0; i < whole; i += LANES)
        for (int j = 0; j < LANES; j++)
            y[i + j] += weight * (float)x[i + j];
    for (int i = whole; i < n; i++)
        y[i] += weight * (float)x[i];
}

/* sum[i] = sum_k weight_k x_k[i] over SIDE_ROW numbers, half of which fit into registers
 * while all k are added. */
static void add_side_rows(const taps *t, int j, const float *turned, float sum[SIDE_ROW])
{
    const size_t at = (size_t)j * (size_t)t->most;

    for (int half = 0; half < SIDE_ROW; half += HALF) {
        vec a[HALF / VEC] = {{0}};

        for (int k = 0; k < t->used[j]; k++) {
            const float *x = turned + (size_t)t->index[at + (size_t)k] * SIDE_ROW + half;
            const float weight = t->weight[at + (size_t)k];

            UNROLLED
            for (int v = 0; v < HALF / VEC; v++)
                a[v] += weight * ((const vec *)x)[v];
        }
        memcpy(sum + half, a, sizeof a);
    }
}

/* To the nearest of 0..255. */
static void round_side_row(const float *restrict sum, uint8_t *restrict to)
{
    for (int i = 0; i < SIDE_ROW; i++) {
        const float v = sum[i] < 0 ? 0 : sum[i] > 255 ? 255 : sum[i];
        to[i] = (uint8_t)(int)(v + 0.5f);
    }
}

/* Numbers of one strip: one summed row, and all of them turned: (w, STRIP, 3). */
typedef struct strip {
    float *row, *turned;
} strip;

/* Output rows first.. of the picture, summed over y and turned on their side. */
static void sum_down(const rj_image *in, const taps *ty, int first, int rows,
                     const strip *s)
{
    const size_t n = (size_t)in->w * CHANNELS;

    for (int i = 0; i < rows; i++) {
        const size_t at = (size_t)(first + i) * (size_t)ty->most;

        memset(s->row, 0, n * sizeof *s->row);
        for (int k = 0; k < ty->used[first + i]; k++)
            add_bytes((int)n, ty->weight[at + (size_t)k],
                      in->rgb + (size_t)ty->index[at + (size_t)k] * n, s->row);
        for (size_t x = 0; x < (size_t)in->w; x++)
            for (size_t c = 0; c < CHANNELS; c++)
                s->turned[x * SIDE_ROW + (size_t)i * CHANNELS + c] =
                    s->row[x * CHANNELS + c];
    }
}

/* Sum the turned strip over x, round, and turn it back into rows of the output. */
static void sum_along(const strip *s, const taps *tx, int first, int rows, rj_image *out)
{
    const size_t pitch = (size_t)out->w * CHANNELS;

    for (int j = 0; j < out->w; j++) {
        uint8_t *to = out->rgb + (size_t)first * pitch + (size_t)j * CHANNELS;
        uint8_t bytes[SIDE_ROW];
        float sum[SIDE_ROW];

        add_side_rows(tx, j, s->turned, sum);
        round_side_row(sum, bytes);
        for (int i = 0; i < rows; i++, to += pitch)
            for (int c = 0; c < CHANNELS; c++)
                to[c] = bytes[i * CHANNELS + c];
    }
}

/* Picture of ty->n rows and tx->n columns. Frees both filters in any case. */
static rij_status filter(const rj_image *image, taps *tx, taps *ty, rj_image *out)
{
    const strip s = {rj_alloc((size_t)image->w * CHANNELS, sizeof(float)),
                     rj_alloc((size_t)image->w * SIDE_ROW, sizeof(float))};
    rij_status status;
    rj_image made;

    if (!s.row || !s.turned) {
        status = rj_fail(RIJ_E_MEMORY, "no memory to filter %d columns", image->w);
        goto done;
    }
    RJ_TRY_DONE(rj_image_new(tx->n, ty->n, &made));
    for (int i = 0; i < made.h; i += STRIP) {
        const int rows = RJ_MIN(STRIP, made.h - i);

        sum_down(image, ty, i, rows, &s);
        sum_along(&s, tx, i, rows, &made);
    }
    *out = made;
done:
    rj_free(s.row);
    rj_free(s.turned);
    taps_free(tx);
    taps_free(ty);
    return status;
}

rij_status rj_image_resize(const rj_image *image, int w, int h, rj_image *out)
{
    return rj_image_resample(image, w, h, RJ_TRIANGLE, out);
}

rij_status rj_image_resample(const rj_image *image, int w, int h, enum rj_filter by,
                             rj_image *out)
{
    taps tx, ty;
    rij_status status;

    RJ_REQUIRE(w >= 1 && h >= 1 && w <= 65536 && h <= 65536, RIJ_E_ARGUMENT,
               "resize to %d x %d pixels", w, h);
    RJ_TRY(resizing(by, image->w, w, &tx));
    status = resizing(by, image->h, h, &ty);
    if (status != RIJ_OK) {
        taps_free(&tx);
        return status;
    }
    return filter(image, &tx, &ty, out);
}

rij_status rj_degrade_blur(const rj_image *image, double sigma, rj_image *out)
{
    taps tx, ty;
    rij_status status;

    RJ_REQUIRE(sigma >= 0 && sigma <= 64, RIJ_E_ARGUMENT, "blur by sigma %g, not 0..64",
               sigma);
    RJ_TRY(gaussian(image->w, sigma, &tx));
    status = gaussian(image->h, sigma, &ty);
    if (status != RIJ_OK) {
        taps_free(&tx);
        return status;
    }
    return filter(image, &tx, &ty, out);
}

rij_status rj_degrade_resize(const rj_image *image, double factor, rj_image *out)
{
    rij_status status;
    rj_image small;

    RJ_REQUIRE(factor > 0 && factor <= 1, RIJ_E_ARGUMENT,
               "resize by %g, not above 0 and up to 1", factor);
    RJ_TRY(rj_image_resize(image, RJ_MAX(1, (int)lround(image->w * factor)),
                           RJ_MAX(1, (int)lround(image->h * factor)), &small));
    status = rj_image_resize(&small, image->w, image->h, out);
    rj_image_free(&small);
    return status;
}
