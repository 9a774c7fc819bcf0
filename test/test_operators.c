/* The fixed operators, judged by plain loops over the formulas of operators.c and by what
 * they promise: size, energy of the finest band, repeatability. */
#include "data/data.h"
#include "test.h"
#include <math.h>
#include <string.h>

enum { SIDE_X = 47, SIDE_Y = 33 };

/* A picture with slopes, an edge and noise of a camera's kind. */
static rj_image picture(int w, int h, double noise)
{
    rj_random r = rj_random_start(11, RJ_STREAM_TEST, 0);
    rj_image image;

    OK(rj_image_new(w, h, &image));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                const double v = 60 + 90.0 * x / w + 30.0 * c * y / h +
                                 (x + 2 * y > w ? 40 : 0) + noise * rj_random_normal(&r);
                image.rgb[(y * w + x) * 3 + c] = (uint8_t)fmin(255, fmax(0, v));
            }
    return image;
}

/* ---- plain loops ------------------------------------------------------------------ */

typedef struct field {
    int w, h;
    double *x;
} field;

static field field_new(int w, int h)
{
    const field f = {w, h, rj_alloc((size_t)w * (size_t)h, sizeof(double))};

    ck_assert_ptr_nonnull(f.x);
    return f;
}

static double at(const field *f, int x, int y)
{
    x = x < 0 ? -x - 1 : x >= f->w ? 2 * f->w - 1 - x : x;
    y = y < 0 ? -y - 1 : y >= f->h ? 2 * f->h - 1 - y : y;
    return f->x[y * f->w + x];
}

static field plain_blur(const field *f, double sigma, int radius)
{
    field g = field_new(f->w, f->h);

    for (int y = 0; y < f->h; y++)
        for (int x = 0; x < f->w; x++) {
            double sum = 0, total = 0;

            for (int j = -radius; j <= radius; j++)
                for (int i = -radius; i <= radius; i++) {
                    const double k = exp(-(i * i + j * j) / (2 * sigma * sigma));
                    sum += k * at(f, x + i, y + j);
                    total += k;
                }
            g.x[y * f->w + x] = sum / total;
        }
    return g;
}

static field plain_half(const field *f)
{
    field g = field_new((f->w + 1) / 2, (f->h + 1) / 2);

    for (int y = 0; y < g.h; y++)
        for (int x = 0; x < g.w; x++)
            g.x[y * g.w + x] = (at(f, 2 * x, 2 * y) + at(f, 2 * x + 1, 2 * y) +
                                at(f, 2 * x, 2 * y + 1) + at(f, 2 * x + 1, 2 * y + 1)) /
                               4;
    return g;
}

static double keys(double d)
{
    d = fabs(d);
    return d < 1   ? 1.5 * d * d * d - 2.5 * d * d + 1
           : d < 2 ? -0.5 * d * d * d + 2.5 * d * d - 4 * d + 2
                   : 0;
}

static double triangle(double d)
{
    return fmax(0, 1 - fabs(d));
}

static double box(double d)
{
    return fabs(d) < 0.5 ? 1 : 0;
}

/* Interpolation at half-pixel centres: the textbook form. */
static field plain_enlarge(const field *half, double (*filter)(double), int w, int h)
{
    field g = field_new(w, h);

    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const double u = (x + 0.5) / 2 - 0.5, v = (y + 0.5) / 2 - 0.5;
            double sum = 0;

            for (int j = (int)floor(v) - 2; j <= (int)floor(v) + 3; j++)
                for (int i = (int)floor(u) - 2; i <= (int)floor(u) + 3; i++)
                    sum += filter(u - i) * filter(v - j) * at(half, i, j);
            g.x[y * w + x] = sum;
        }
    return g;
}

/* Scatter form of the transposed convolution, on a picture with a mirrored border. */
static field plain_zero(const field *half, rj_random *r, int w, int h)
{
    static const double line[4] = {1, 3, 3, 1};
    field g = field_new(w, h);
    double kernel[4][4], sum = 0;

    for (int i = 0; i < 16; i++) {
        kernel[i / 4][i % 4] =
            line[i / 4] * line[i % 4] / 64 + 0.004 * rj_random_normal(r);
        sum += kernel[i / 4][i % 4];
    }
    for (int j = -1; j <= half->h; j++)
        for (int i = -1; i <= half->w; i++)
            for (int k = 0; k < 16; k++) {
                const int y = 2 * j + k / 4 - 1, x = 2 * i + k % 4 - 1;

                if (x >= 0 && x < w && y >= 0 && y < h)
                    g.x[y * w + x] += 4 * kernel[k / 4][k % 4] / sum * at(half, i, j);
            }
    return g;
}

static field plain_median(const field *f)
{
    field g = field_new(f->w, f->h);

    for (int y = 0; y < f->h; y++)
        for (int x = 0; x < f->w; x++) {
            double v[9];

            for (int k = 0; k < 9; k++) {
                const double value = at(f, x + k % 3 - 1, y + k / 3 - 1);
                int i = k;

                for (; i > 0 && v[i - 1] > value; i--)
                    v[i] = v[i - 1];
                v[i] = value;
            }
            g.x[y * f->w + x] = v[4];
        }
    return g;
}

static field plain_operator(const field *f, enum rj_operator which, rj_random *r)
{
    field half = plain_half(f), g;

    if (which == RJ_OPERATOR_MEDIAN) {
        g = plain_median(f);
    } else if (which == RJ_OPERATOR_ZERO) {
        g = plain_zero(&half, r, f->w, f->h);
    } else if (which == RJ_OPERATOR_NEAREST) {
        field blocks = plain_enlarge(&half, box, f->w, f->h);
        g = plain_blur(&blocks, 0.6, 2);
        rj_free(blocks.x);
    } else {
        g = plain_enlarge(&half, which == RJ_OPERATOR_BICUBIC ? keys : triangle, f->w,
                          f->h);
    }
    rj_free(half.x);
    return g;
}

/* Standard deviation of the finest band over a window and its channels. */
static double finest(const field f[3], field soft[3])
{
    const int n = f[0].w * f[0].h;
    double sum = 0, squares = 0;

    for (int c = 0; c < 3; c++)
        for (int i = 0; i < n; i++) {
            const double d = f[c].x[i] - soft[c].x[i];
            sum += d;
            squares += d * d;
        }
    sum /= 3 * n;
    return sqrt(squares / (3 * n) - sum * sum);
}

static void split(const rj_image *image, field f[3], field soft[3])
{
    for (int c = 0; c < 3; c++) {
        f[c] = field_new(image->w, image->h);
        for (int i = 0; i < image->w * image->h; i++)
            f[c].x[i] = image->rgb[3 * i + c];
        soft[c] = plain_blur(&f[c], 1, 4);
    }
}

static void release(field f[3], field soft[3])
{
    for (int c = 0; c < 3; c++) {
        rj_free(f[c].x);
        rj_free(soft[c].x);
    }
}

static double finest_of(const rj_image *image)
{
    field f[3], soft[3];
    double d;

    split(image, f, soft);
    d = finest(f, soft);
    release(f, soft);
    return d;
}

/* ---- tests ------------------------------------------------------------------------ */

static void compare(const rj_image *image, enum rj_operator which)
{
    rj_random r = rj_random_start(5, RJ_STREAM_TEST, 1), same = r;
    const rj_random started = r;
    field x[3], x_soft[3], y[3], y_soft[3];
    rj_image got;
    double k;

    OK(rj_operate(image, which, &r, &got));
    split(image, x, x_soft);
    for (int c = 0; c < 3; c++) {
        same = started;
        y[c] = plain_operator(&x[c], which, &same);
        y_soft[c] = plain_blur(&y[c], 1, 4);
    }
    k = fmin(4, (finest(x, x_soft) + 1e-3) / (finest(y, y_soft) + 1e-3));
    k = 1 + (k - 1) * rj_random_uniform(&same, 0.5, 1);
    for (int i = 0; i < image->w * image->h * 3; i++) {
        const double s = y_soft[i % 3].x[i / 3], v = y[i % 3].x[i / 3];
        const double wanted = fmin(255, fmax(0, s + k * (v - s)));

        // Half a level of rounding, and float against double.
        ck_assert_msg(fabs(got.rgb[i] - wanted) < 0.502, "%s: %d is %d, not %g",
                      rj_operator_names[which], i, got.rgb[i], wanted);
    }
    ck_assert_uint_eq(r.index, same.index);
    release(x, x_soft);
    release(y, y_soft);
    rj_image_free(&got);
}

START_TEST(operators_agree_with_plain_loops)
{
    // Noise of 25 levels loses so much that k is capped.
    static const double noises[] = {3, 25};

    for (int i = 0; i < RJ_COUNT(noises); i++) {
        rj_image image = picture(SIDE_X, SIDE_Y, noises[i]);

        for (int which = 0; which < RJ_OPERATORS; which++)
            compare(&image, (enum rj_operator)which);
        rj_image_free(&image);
    }
}
END_TEST

START_TEST(operators_keep_any_size)
{
    static const int sides[][2] = {{8, 8},   {8, 9},    {9, 8},   {15, 31}, {16, 16},
                                   {17, 64}, {101, 13}, {128, 8}, {33, 127}};

    for (int i = 0; i < RJ_COUNT(sides); i++)
        for (int which = 0; which < RJ_OPERATORS; which++) {
            rj_random r = rj_random_start(1, RJ_STREAM_TEST, (uint64_t)i);
            rj_image image = picture(sides[i][0], sides[i][1], 4), got;

            OK(rj_operate(&image, (enum rj_operator)which, &r, &got));
            ck_assert_int_eq(got.w, image.w);
            ck_assert_int_eq(got.h, image.h);
            rj_image_free(&got);
            rj_image_free(&image);
        }
}
END_TEST

START_TEST(operators_restore_the_energy_of_the_finest_band)
{
    // k hf(y) has half to all of x's deviation when y has less (of white noise an
    // interpolated picture keeps so little that k is capped at 4), and at most 1.5 of it
    // when y has more (the zero operator's grid on a quiet picture). Measured on out, the
    // part of hf that a second blur takes away again costs up to another third.
    static const double noises[] = {0.5, 2, 8};

    for (int i = 0; i < RJ_COUNT(noises); i++) {
        rj_image image = picture(96, 80, noises[i]), got;
        const double wanted = finest_of(&image);

        for (int which = 0; which < RJ_OPERATORS; which++) {
            rj_random r = rj_random_start(3, RJ_STREAM_TEST, (uint64_t)which);
            double ratio;

            OK(rj_operate(&image, (enum rj_operator)which, &r, &got));
            ratio = finest_of(&got) / wanted;
            ck_assert_msg(ratio > 0.3 && ratio < 1.5, "%s, noise %g: ratio %g",
                          rj_operator_names[which], noises[i], ratio);
            rj_image_free(&got);
        }
        rj_image_free(&image);
    }
}
END_TEST

START_TEST(operators_repeat_bit_for_bit_and_follow_the_stream)
{
    rj_image image = picture(64, 48, 4), a, b, c;
    const size_t bytes = 64 * 48 * 3;

    for (int which = 0; which < RJ_OPERATORS; which++) {
        rj_random r = rj_random_start(9, RJ_STREAM_TEST, 0), same = r;
        rj_random other = rj_random_start(9, RJ_STREAM_TEST, 1);

        OK(rj_operate(&image, (enum rj_operator)which, &r, &a));
        OK(rj_operate(&image, (enum rj_operator)which, &same, &b));
        OK(rj_operate(&image, (enum rj_operator)which, &other, &c));
        ck_assert_mem_eq(a.rgb, b.rgb, bytes);
        ck_assert_msg(memcmp(a.rgb, c.rgb, bytes) != 0, "%s", rj_operator_names[which]);
        ck_assert_msg(memcmp(a.rgb, image.rgb, bytes) != 0, "%s",
                      rj_operator_names[which]);
        rj_image_free(&a);
        rj_image_free(&b);
        rj_image_free(&c);
    }
    rj_image_free(&image);
}
END_TEST

START_TEST(operators_leave_a_constant_picture_almost_alone)
{
    rj_image image = picture(24, 24, 0), got;

    memset(image.rgb, 137, 24 * 24 * 3);
    for (int which = 0; which < RJ_OPERATORS; which++) {
        rj_random r = rj_random_start(2, RJ_STREAM_TEST, 0);
        long sum = 0;

        OK(rj_operate(&image, (enum rj_operator)which, &r, &got));
        for (int i = 0; i < 24 * 24 * 3; i++) {
            sum += got.rgb[i];
            // A learned kernel's checkerboard is the zero operator's only trace here.
            if (which != RJ_OPERATOR_ZERO)
                ck_assert_int_eq(got.rgb[i], 137);
        }
        ck_assert_double_eq_tol((double)sum / (24 * 24 * 3), 137, 0.5);
        rj_image_free(&got);
    }
    rj_image_free(&image);
}
END_TEST

START_TEST(operators_refuse_what_they_cannot_do)
{
    rj_random r = rj_random_start(1, RJ_STREAM_TEST, 0);
    rj_image image = picture(16, 16, 1), narrow = picture(7, 16, 1), out = {0};

    FAILS(rj_operate(&image, RJ_OPERATORS, &r, &out), RIJ_E_ARGUMENT);
    FAILS(rj_operate(&narrow, RJ_OPERATOR_ZERO, &r, &out), RIJ_E_ARGUMENT);
    ck_assert_ptr_null(out.rgb);
    for (long n = 1; n <= 2; n++) {
        rj_memory_fail_at(n);
        FAILS(rj_operate(&image, RJ_OPERATOR_ZERO, &r, &out), RIJ_E_MEMORY);
        rj_memory_fail_at(0);
        ck_assert_ptr_null(out.rgb);
    }
    rj_image_free(&image);
    rj_image_free(&narrow);
}
END_TEST

START_TEST(blend_weighs_two_pictures)
{
    rj_image a = picture(20, 10, 5), b = picture(20, 10, 0), other = picture(10, 20, 0);
    rj_image out = {0};

    FAILS(rj_image_blend(&a, &other, 0.5, &out), RIJ_E_SHAPE);
    FAILS(rj_image_blend(&a, &b, 1.5, &out), RIJ_E_ARGUMENT);
    FAILS(rj_image_blend(&a, &b, (double)NAN, &out), RIJ_E_ARGUMENT);
    ck_assert_ptr_null(out.rgb);
    for (int k = 0; k <= 4; k++) {
        OK(rj_image_blend(&a, &b, k / 4.0, &out));
        for (int i = 0; i < 600; i++)
            ck_assert_int_eq(out.rgb[i],
                             (int)(k / 4.0 * a.rgb[i] + (1 - k / 4.0) * b.rgb[i] + 0.5));
        rj_image_free(&out);
    }
    rj_image_free(&a);
    rj_image_free(&b);
    rj_image_free(&other);
}
END_TEST

SUITE(operators, operators_agree_with_plain_loops, operators_keep_any_size,
      operators_restore_the_energy_of_the_finest_band,
      operators_repeat_bit_for_bit_and_follow_the_stream,
      operators_leave_a_constant_picture_almost_alone,
      operators_refuse_what_they_cannot_do, blend_weighs_two_pictures)
