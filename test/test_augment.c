/* Degradations against plain loops over their formulas, and the law by which they are
 * drawn. */
#include "data_place.h"

/* ---- plain loops ------------------------------------------------------------------ */

static double at(const rj_image *image, int x, int y, int c)
{
    return image->rgb[(y * image->w + x) * 3 + c];
}

static int mirrored(int i, int n)
{
    while (i < 0 || i >= n)
        i = i < 0 ? -i - 1 : 2 * n - 1 - i;
    return i;
}

/* The whole two-dimensional sum for one value. */
static double plain_blur(const rj_image *image, double sigma, int x, int y, int c)
{
    const int radius = (int)(4 * sigma + 0.5);
    double sum = 0, total = 0;

    for (int j = -radius; j <= radius; j++)
        for (int i = -radius; i <= radius; i++) {
            const double k = exp(-(i * i + j * j) / (2 * sigma * sigma));
            sum += k * at(image, mirrored(x + i, image->w), mirrored(y + j, image->h), c);
            total += k;
        }
    return sum / total;
}

static double triangle(double x)
{
    return fabs(x) < 1 ? 1 - fabs(x) : 0;
}

/* The textbook forms of the filters, in the order of enum rj_filter. */
static double weight_of(enum rj_filter by, double d)
{
    const double pi = acos(-1);

    if (by == RJ_BOX)
        return d > -0.5 && d <= 0.5;
    d = fabs(d);
    switch (by) {
    case RJ_CUBIC:
        return d < 1   ? 1.5 * pow(d, 3) - 2.5 * pow(d, 2) + 1
               : d < 2 ? -0.5 * pow(d, 3) + 2.5 * pow(d, 2) - 4 * d + 2
                       : 0;
    case RJ_LANCZOS:
        return d == 0  ? 1
               : d < 3 ? sin(pi * d) / (pi * d) * sin(pi * d / 3) / (pi * d / 3)
                       : 0;
    default:
        return triangle(d);
    }
}

static double plain_resize(const rj_image *image, enum rj_filter by, int w, int h, int x,
                           int y, int c)
{
    const double sx = (double)image->w / w, sy = (double)image->h / h;
    double sum = 0, total = 0;

    for (int j = 0; j < image->h; j++)
        for (int i = 0; i < image->w; i++) {
            const double k = weight_of(by, (i + 0.5 - (x + 0.5) * sx) / fmax(1, sx)) *
                             weight_of(by, (j + 0.5 - (y + 0.5) * sy) / fmax(1, sy));
            sum += k * at(image, i, j, c);
            total += k;
        }
    return fmin(255, fmax(0, sum / total));
}

START_TEST(blur_is_the_gaussian_sum)
{
    static const double sigmas[] = {0.2, 0.7, 1.2, 6};

    for (int s = 0; s < RJ_COUNT(sigmas); s++) {
        rj_image a = picture(37, 11, 1), b;

        OK(rj_degrade_blur(&a, sigmas[s], &b));
        ck_assert(a.w == b.w && a.h == b.h);
        for (int i = 0; i < a.w * a.h * 3; i++)
            ck_assert_double_le(fabs(b.rgb[i] - plain_blur(&a, sigmas[s], i / 3 % a.w,
                                                           i / 3 / a.w, i % 3)),
                                0.501);
        rj_image_free(&a);
        rj_image_free(&b);
    }
}
END_TEST

/* Heights beyond one strip of 32 rows, sizes that are no multiple of anything. */
START_TEST(resize_is_the_sum_by_its_filter)
{
    static const int to[][2] = {{37, 70}, {74, 140}, {19, 23}, {5, 71}, {1, 1}, {100, 3}};

    for (int s = 0; s < RJ_COUNT(to) * RJ_FILTERS; s++) {
        const enum rj_filter by = (enum rj_filter)(s % RJ_FILTERS);
        const int *size = to[s / RJ_FILTERS];
        rj_image a = picture(37, 70, 2), b;

        OK(rj_image_resample(&a, size[0], size[1], by, &b));
        ck_assert_int_eq(b.w, size[0]);
        ck_assert_int_eq(b.h, size[1]);
        for (int i = 0; i < b.w * b.h * 3; i++) {
            const double wanted =
                plain_resize(&a, by, b.w, b.h, i / 3 % b.w, i / 3 / b.w, i % 3);
            ck_assert_msg(fabs(b.rgb[i] - wanted) <= 0.501, "filter %d, %d x %d: %d, %g",
                          (int)by, b.w, b.h, b.rgb[i], wanted);
        }
        rj_image_free(&a);
        rj_image_free(&b);
    }
}
END_TEST

START_TEST(resize_by_one_and_blur_by_nothing_change_nothing)
{
    rj_image a = picture(53, 37, 3), b;

    OK(rj_degrade_resize(&a, 1, &b));
    ck_assert(same_pixels(&a, &b));
    rj_image_free(&b);
    OK(rj_degrade_blur(&a, 0, &b));
    ck_assert(same_pixels(&a, &b));
    rj_image_free(&b);
    OK(rj_degrade_resize(&a, 0.01, &b)); // down to one pixel
    for (int i = 0; i < b.w * b.h * 3; i++)
        ck_assert_int_eq(b.rgb[i], b.rgb[i % 3]);
    rj_image_free(&b);
    FAILS(rj_degrade_resize(&a, 0, &b), RIJ_E_ARGUMENT);
    FAILS(rj_degrade_resize(&a, 1.01, &b), RIJ_E_ARGUMENT);
    FAILS(rj_degrade_resize(&a, NAN, &b), RIJ_E_ARGUMENT);
    FAILS(rj_degrade_blur(&a, -1, &b), RIJ_E_ARGUMENT);
    FAILS(rj_degrade_blur(&a, NAN, &b), RIJ_E_ARGUMENT);
    rj_image_free(&a);
}
END_TEST

START_TEST(noise_is_normal_and_follows_its_stream)
{
    enum { W = 200, H = 151, N = W * H * 3 };
    const rj_random start = rj_random_start(5, RJ_STREAM_TEST, 1);
    rj_random r = start, s = start;
    rj_image a, b, c;
    double sum = 0, squares = 0, cubes = 0, far = 0;

    OK(rj_image_new(W, H, &a));
    memset(a.rgb, 128, N);
    OK(rj_degrade_noise(&a, 10, &r, &b));
    OK(rj_degrade_noise(&a, 10, &s, &c));
    ck_assert(same_pixels(&b, &c));
    ck_assert_uint_eq(r.index, s.index);
    rj_image_free(&c);
    OK(rj_degrade_noise(&a, 10, &s, &c));
    ck_assert(!same_pixels(&b, &c));
    for (int i = 0; i < N; i++) {
        const double d = b.rgb[i] - 128;
        sum += d;
        squares += d * d;
        cubes += d * d * d;
        far += fabs(d) > 19.5;
    }
    // Four standard errors: 10/sqrt N, sqrt(2/N) 100, sqrt(15/N) 1000; rounding adds
    // 1/12.
    ck_assert_double_lt(fabs(sum / N), 40 / sqrt(N));
    ck_assert_double_lt(fabs(squares / N - 100 - 1 / 12.0), 400 * sqrt(2.0 / N));
    ck_assert_double_lt(fabs(cubes / N), 4000 * sqrt(15.0 / N));
    ck_assert_double_lt(fabs(far / N - 0.0512), 4 * sqrt(0.0512 / N));
    FAILS(rj_degrade_noise(&a, -1, &r, &c), RIJ_E_ARGUMENT);
    rj_image_free(&a);
    rj_image_free(&b);
    rj_image_free(&c);
}
END_TEST

START_TEST(jpeg_keeps_the_size_and_forgets_by_quality)
{
    rj_image a = picture(53, 37, 4), b;
    double error[2] = {0};

    for (int k = 0; k < 2; k++) {
        OK(rj_degrade_jpeg(&a, k ? 95 : 20, &b));
        ck_assert(a.w == b.w && a.h == b.h);
        for (int i = 0; i < a.w * a.h * 3; i++)
            error[k] += abs(a.rgb[i] - b.rgb[i]);
        rj_image_free(&b);
    }
    ck_assert_double_gt(error[0], 1.3 * error[1]);
    ck_assert_double_gt(error[1], 0);
    FAILS(rj_degrade_jpeg(&a, 0, &b), RIJ_E_ARGUMENT);
    FAILS(rj_degrade_jpeg(&a, 101, &b), RIJ_E_ARGUMENT);
    rj_image_free(&a);
}
END_TEST

/* ---- the law ---------------------------------------------------------------------- */

static const rj_law law = {.share = 0.5,
                           .jpeg_min = 60,
                           .jpeg_max = 98,
                           .blur_max = 1.2,
                           .noise_max = 6,
                           .resize_min = 0.6};

START_TEST(law_degrades_its_share_of_views)
{
    enum { N = 1000 };
    static const double shares[] = {0, 0.5, 1};
    rj_image a = picture(24, 24, 6), b;

    for (int k = 0; k < RJ_COUNT(shares); k++) {
        rj_law l = law;
        int changed = 0;

        l.share = shares[k];
        for (int i = 0; i < N; i++) {
            rj_random r = rj_random_start(8, RJ_STREAM_TEST, (uint64_t)i);

            OK(rj_degrade(&a, &l, &r, &b));
            changed += !same_pixels(&a, &b);
            rj_image_free(&b);
        }
        // A blur below 0.25 and little noise change nothing; else 4 standard errors.
        ck_assert_double_le(changed, N * shares[k] + 4 * sqrt(N * 0.25));
        ck_assert_double_ge(changed, 0.9 * N * shares[k] - 4 * sqrt(N * 0.25));
    }
    rj_image_free(&a);
}
END_TEST

/* What is drawn must not depend on pixels: on flat pictures every kind but noise is a
 * no-op or nearly, so the streams' states tell. */
START_TEST(draws_do_not_look_at_the_picture)
{
    rj_image a = picture(24, 24, 7), flat, b;
    rj_law l = law;
    int noisy = 0;

    l.share = 1;
    OK(rj_image_new(24, 24, &flat));
    memset(flat.rgb, 100, 24 * 24 * 3);
    for (int i = 0; i < 200; i++) {
        rj_random r = rj_random_start(9, RJ_STREAM_TEST, (uint64_t)i), s = r, t = r;
        rj_image again;

        OK(rj_degrade(&a, &l, &r, &b));
        rj_image_free(&b);
        OK(rj_degrade(&flat, &l, &s, &b));
        OK(rj_degrade(&flat, &l, &t, &again));
        ck_assert(same_pixels(&b, &again));
        ck_assert_uint_eq(r.index, s.index);
        noisy += s.index > 3;
        rj_image_free(&b);
        rj_image_free(&again);
    }
    ck_assert_int_gt(noisy, 50 - 25);
    ck_assert_int_lt(noisy, 50 + 25);
    rj_image_free(&a);
    rj_image_free(&flat);
}
END_TEST

/* Of 1,000 chains 831 do something by their chances, and 200 have noise; the noise draws
 * beyond the eleven numbers that every chain takes. */
START_TEST(chains_are_drawn_by_their_chances)
{
    rj_image a = picture(24, 24, 7), flat, b, c;
    rj_law l = law;
    int some = 0, noisy = 0;

    l.share = 1;
    l.chain = true;
    OK(rj_image_new(24, 24, &flat));
    memset(flat.rgb, 100, 24 * 24 * 3);
    for (int i = 0; i < 1000; i++) {
        rj_random r = rj_random_start(11, RJ_STREAM_TEST, (uint64_t)i), s = r, t = r;

        OK(rj_degrade_or_not(&a, &l, &r, &b));
        OK(rj_degrade_or_not(&flat, &l, &s, &c));
        ck_assert_uint_eq(r.index, s.index);
        ck_assert(!b.rgb == !c.rgb);
        some += b.rgb != NULL;
        noisy += r.index > 11;
        rj_image_free(&c);
        OK(rj_degrade_or_not(&a, &l, &t, &c));
        ck_assert(!b.rgb || same_pixels(&b, &c));
        rj_image_free(&b);
        rj_image_free(&c);
    }
    ck_assert_int_ge(some, 831 - 48);
    ck_assert_int_le(some, 831 + 48);
    ck_assert_int_ge(noisy, 200 - 51);
    ck_assert_int_le(noisy, 200 + 51);
    rj_image_free(&a);
    rj_image_free(&flat);
}
END_TEST

START_TEST(each_allocation_may_fail)
{
    rj_image a = picture(24, 16, 8), b;
    const long live = rj_memory_live();

    rj_law all = law;

    all.share = 1;
    all.chain = true;
    for (int k = 0; k < 5; k++) {
        rij_status status = RIJ_E_MEMORY;

        for (long n = 1; status != RIJ_OK; n++) {
            rj_random r = rj_random_start(10, RJ_STREAM_TEST, 5);

            rj_memory_fail_at(n);
            status = k == 0   ? rj_degrade_jpeg(&a, 75, &b)
                     : k == 1 ? rj_degrade_blur(&a, 1, &b)
                     : k == 2 ? rj_degrade_noise(&a, 4, &r, &b)
                     : k == 3 ? rj_degrade(&a, &all, &r, &b)
                              : rj_degrade_resize(&a, 0.5, &b);
            rj_memory_fail_at(0);
            ck_assert(status == RIJ_OK ? n > 1 : status == RIJ_E_MEMORY);
            if (status == RIJ_OK)
                rj_image_free(&b);
            ck_assert_int_eq(rj_memory_live(), live);
        }
    }
    rj_image_free(&a);
}
END_TEST

SUITE(augment, chains_are_drawn_by_their_chances, blur_is_the_gaussian_sum,
      resize_is_the_sum_by_its_filter, resize_by_one_and_blur_by_nothing_change_nothing,
      noise_is_normal_and_follows_its_stream, jpeg_keeps_the_size_and_forgets_by_quality,
      law_degrades_its_share_of_views, draws_do_not_look_at_the_picture,
      each_allocation_may_fail)
