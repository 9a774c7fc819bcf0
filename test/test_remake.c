/* Photographs remade: what the children of a training promise of themselves. */
#include "data/data.h"
#include "test.h"
#include <math.h>
#include <string.h>

enum { DRAWS = 200 };

/* A picture with slopes and noise of a camera's kind. */
static rj_image picture(int w, int h, double noise)
{
    rj_random r = rj_random_start(11, RJ_STREAM_TEST, 0);
    rj_image image;

    OK(rj_image_new(w, h, &image));
    for (int i = 0; i < w * h * 3; i++) {
        const double v =
            60 + 90.0 * (i / 3 % w) / w + 30.0 * (i % 3) + noise * rj_random_normal(&r);
        image.rgb[i] = (uint8_t)fmin(255, fmax(0, v));
    }
    return image;
}

/* Energy of what differs between neighbours along rows. */
static double detail_of(const rj_image *image)
{
    double sum = 0;

    for (int y = 0; y < image->h; y++)
        for (int i = 3; i < image->w * 3; i++) {
            const uint8_t *row = image->rgb + (size_t)y * (size_t)image->w * 3;
            sum += (row[i] - row[i - 3]) * (row[i] - row[i - 3]);
        }
    return sum / (image->h * (image->w - 1) * 3.0);
}

static rj_image remade(const rj_image *image, int draw, rj_random *after)
{
    rj_image out = {0};

    *after = rj_random_start(7, RJ_STREAM_TEST, (uint64_t)draw);
    OK(rj_remake(image, after, &out));
    ck_assert(out.w == image->w && out.h == image->h);
    return out;
}

START_TEST(remaking_repeats_bit_for_bit_and_follows_the_stream)
{
    rj_image image = picture(61, 40, 6), before = {0};
    const size_t bytes = 61 * 40 * 3;
    int alike = 0;

    for (int i = 0; i < DRAWS; i++) {
        rj_random r, s;
        rj_image a = remade(&image, i, &r), b = remade(&image, i, &s);

        ck_assert_mem_eq(a.rgb, b.rgb, bytes);
        ck_assert_uint_eq(r.index, s.index);
        alike += before.rgb && memcmp(before.rgb, a.rgb, bytes) == 0;
        ck_assert_mem_ne(a.rgb, image.rgb, bytes);
        rj_image_free(&before);
        rj_image_free(&b);
        before = a;
    }
    ck_assert_int_eq(alike, 0);
    rj_image_free(&before);
    rj_image_free(&image);
}
END_TEST

/* The formula of sharpen.c once more, in double precision. */
START_TEST(sharpening_adds_what_a_blur_takes_away)
{
    static const float strengths[] = {0, 0.3f, 1.2f};
    rj_image image = picture(23, 17, 12), out = picture(23, 17, 12);

    for (int k = 0; k < RJ_COUNT(strengths); k++) {
        memcpy(out.rgb, image.rgb, 23 * 17 * 3);
        OK(rj_image_sharpen(&out, strengths[k]));
        for (int i = 0; i < 23 * 17 * 3; i++) {
            const int x = i / 3 % 23, y = i / 69;
            const uint8_t *p = image.rgb + i;
            double want = *p;

            if (x > 0 && x < 22 && y > 0 && y < 16) {
                const double sides = p[-3] + p[3] + p[-69] + p[69];
                const double corners = p[-72] + p[-66] + p[66] + p[72];

                want += (double)strengths[k] * (*p - (4 * *p + 2 * sides + corners) / 16);
            }
            ck_assert_double_le(fabs(out.rgb[i] - fmin(255, fmax(0, want))), 0.5 + 1e-4);
        }
    }
    rj_image_free(&out);
    rj_image_free(&image);
}
END_TEST

/* Much is gone at the smallest factor. What is invented has at most 0.9^2 1.7^2 = 2.34
 * times the energy of what was lost, and sharpening by 1.2 makes it (1 + 1.2)^2 = 4.84
 * times that, if it is the finest there is; it does make some stronger than ever else. */
START_TEST(remaking_loses_detail_by_less_or_more)
{
    rj_image image = picture(64, 64, 12);
    const double whole = detail_of(&image);
    double most = 0, least = 1;

    for (int i = 0; i < DRAWS; i++) {
        rj_random r;
        rj_image out = remade(&image, i, &r);
        const double share = detail_of(&out) / whole;

        most = fmax(most, share);
        least = fmin(least, share);
        rj_image_free(&out);
    }
    ck_assert_msg(most < 11.4 && most > 2.35 && least < 0.1, "%g to %g of the detail",
                  least, most);
    rj_image_free(&image);
}
END_TEST

START_TEST(a_constant_picture_gains_noise_at_most)
{
    rj_image image = picture(32, 24, 0);
    int quiet = 0;

    memset(image.rgb, 99, 32 * 24 * 3);
    for (int i = 0; i < DRAWS; i++) {
        rj_random r;
        rj_image out = remade(&image, i, &r);
        double squares = 0;

        for (int k = 0; k < 32 * 24 * 3; k++)
            squares += (out.rgb[k] - 99) * (out.rgb[k] - 99);
        quiet += squares == 0;
        // Deviation 2.5 and rounding, six standard errors. Sharpening by 1.2 multiplies
        // squares by 1.9^2 + 1.2^2 (4 / 8^2 + 4 / 16^2) < 3.73, and rounds again.
        ck_assert_double_lt(squares / (32 * 24 * 3),
                            ((6.25 + 1 / 12.0) * 3.73 + 1 / 12.0) * 1.2);
        rj_image_free(&out);
    }
    ck_assert_int_gt(quiet, DRAWS / 2 - 30); // half, but for 200 draws' chance
    ck_assert_int_lt(quiet, DRAWS / 2 + 60); // noise of little deviation rounds to none
    rj_image_free(&image);
}
END_TEST

START_TEST(any_size_is_remade)
{
    static const int sides[][2] = {{1, 1}, {1, 9}, {8, 8}, {15, 31}, {101, 13}, {128, 8}};

    for (int i = 0; i < RJ_COUNT(sides); i++)
        for (int draw = 0; draw < 20; draw++) {
            rj_image image = picture(sides[i][0], sides[i][1], 4), out;
            rj_random r;

            out = remade(&image, draw, &r);
            rj_image_free(&out);
            rj_image_free(&image);
        }
}
END_TEST

START_TEST(each_allocation_may_fail)
{
    rj_image image = picture(40, 30, 4), out = {0};
    const long live = rj_memory_live();

    for (long n = 1;; n++) {
        rj_random r = rj_random_start(1, RJ_STREAM_TEST, 0);
        rij_status status;

        rj_memory_fail_at(n);
        status = rj_remake(&image, &r, &out);
        rj_memory_fail_at(0);
        if (status == RIJ_OK) {
            ck_assert_int_gt(n, 5);
            break;
        }
        ck_assert_int_eq(status, RIJ_E_MEMORY);
        ck_assert_int_eq(rj_memory_live(), live);
        ck_assert_ptr_null(out.rgb);
    }
    rj_image_free(&out);
    rj_image_free(&image);
}
END_TEST

SUITE(remake, sharpening_adds_what_a_blur_takes_away,
      remaking_repeats_bit_for_bit_and_follows_the_stream,
      remaking_loses_detail_by_less_or_more, a_constant_picture_gains_noise_at_most,
      any_size_is_remade, each_allocation_may_fail)
