/* test_columns.c: what an evaluation does to pictures, column by column. */
#include "judge/judge.h"
#include "image_files.h"
#include <math.h>

static bool same_pixels(const rj_image *a, const rj_image *b)
{
    return a->w == b->w && a->h == b->h &&
           memcmp(a->rgb, b->rgb, (size_t)a->w * (size_t)a->h * 3) == 0;
}

static rj_image apply(const rj_image *a, const char *name, uint64_t seed, int sample)
{
    rj_column c;
    rj_image out;

    OK(rj_column_named(name, &c));
    OK(rj_column_apply(&c, a, seed, sample, &out));
    return out;
}

START_TEST(columns_are_what_their_names_say)
{
    rj_image a = picture(53, 37, 5);

#define SAME_AS(column, call)                                                            \
    do {                                                                                 \
        rj_random r = rj_random_start(6, RJ_STREAM_EVALUATE, 4);                         \
        rj_image got = apply(&a, (column), 6, 4), wanted;                                \
        (void)r;                                                                         \
        OK(call);                                                                        \
        ck_assert_msg(same_pixels(&got, &wanted), "%s", (column));                       \
        rj_image_free(&got);                                                             \
        rj_image_free(&wanted);                                                          \
    } while (0)
    SAME_AS("native", rj_image_copy(&a, &wanted));
    SAME_AS("jpeg75", rj_degrade_jpeg(&a, 75, &wanted));
    SAME_AS("blur1.25", rj_degrade_blur(&a, 1.25, &wanted));
    SAME_AS("noise4", rj_degrade_noise(&a, 4, &r, &wanted));
    SAME_AS("resize.5", rj_degrade_resize(&a, 0.5, &wanted));
    SAME_AS("resize1", rj_image_copy(&a, &wanted));
#undef SAME_AS
    rj_image_free(&a);
}
END_TEST

START_TEST(resizing_above_one_goes_up_and_back)
{
    rj_image a = picture(40, 30, 5), b = apply(&a, "resize1.5", 0, 0), up, wanted;

    OK(rj_image_resize(&a, 60, 45, &up));
    OK(rj_image_resize(&up, 40, 30, &wanted));
    ck_assert(same_pixels(&b, &wanted) && !same_pixels(&b, &a));
    rj_image_free(&a);
    rj_image_free(&b);
    rj_image_free(&up);
    rj_image_free(&wanted);
}
END_TEST

START_TEST(strange_names_are_refused)
{
    static const char *const wrong[] = {
        "",         "jpeg",     "jpeg0",   "jpeg101",  "jpeg75.5", "jpeg 75",
        "blur9",    "blur0.01", "blur1e0", "noise-1",  "noise65",  "resize2.5",
        "resize0",  "resize.",  "sharpen", "native1",  "blur1.0x", "blur1.0.0",
        "JPEG75",   "chain",    "chain4",  "chain3.5", "chain30",  "crop0.7",
        "aligned9", "align",    "crop ",   "resize\n1"};
    rj_column c = {RJ_COLUMN_CROP, 7};

    for (int i = 0; i < RJ_COUNT(wrong); i++)
        FAILS(rj_column_named(wrong[i], &c), RIJ_E_ARGUMENT);
    ck_assert(c.kind == RJ_COLUMN_CROP && c.value == 7);
}
END_TEST

/* Every image gets a quality of one ladder, by its number alone, then 96. */
START_TEST(aligned_images_share_one_law_of_qualities)
{
    rj_image a = picture(48, 40, 7), found = {0}, once;
    int count[8] = {0};

    for (int sample = 0; sample < 64; sample++) {
        rj_image b = apply(&a, "aligned", 2, sample);
        int q = 0;

        for (bool hit = false; !hit; q += !hit) {
            ck_assert_int_lt(q, 8);
            OK(rj_degrade_jpeg(&a, 60 + 5 * q, &once));
            OK(rj_degrade_jpeg(&once, 96, &found));
            hit = same_pixels(&b, &found);
            rj_image_free(&once);
            rj_image_free(&found);
        }
        count[q]++;
        rj_image_free(&b);
    }
    for (int q = 0; q < 8; q++)
        ck_assert_msg(count[q] >= 2 && count[q] <= 20, "quality %d: %d times", 60 + 5 * q,
                      count[q]);
    rj_image_free(&a);
}
END_TEST

START_TEST(crops_lie_off_the_grid_of_blocks)
{
    rj_image a;
    bool far = false;

    OK(rj_image_new(100, 60, &a));
    for (int i = 0; i < 100 * 60; i++) {
        a.rgb[3 * i] = (uint8_t)(i % 100);
        a.rgb[3 * i + 1] = (uint8_t)(i / 100);
    }
    for (int sample = 0; sample < 200; sample++) {
        rj_image b = apply(&a, "crop", 1, sample);
        const int x = b.rgb[0], y = b.rgb[1];

        ck_assert(b.w == 70 && b.h == 42);
        ck_assert_msg(x % 8 && y % 8 && x <= 30 && y <= 18, "at %d, %d", x, y);
        ck_assert(b.rgb[3 * (70 * 42 - 1)] == x + 69);
        far |= x > 24 && y > 12;
        rj_image_free(&b);
    }
    ck_assert(far);
    rj_image_free(&a);
}
END_TEST

/* Drawn by the number alone: two pictures of a size are treated alike, others not, and
 * the same call gives the same bits. */
START_TEST(chains_follow_seed_and_number)
{
    static const char *const name[] = {"chain3", "chain5"};
    rj_image a = picture(64, 48, 1);
    int cropped = 0, differ = 0;

    for (int k = 0; k < 2; k++)
        for (int sample = 0; sample < 40; sample++) {
            rj_image b = apply(&a, name[k], 5, sample), c = apply(&a, name[k], 5, sample);
            rj_image d = apply(&a, name[k], 6, sample);

            ck_assert(same_pixels(&b, &c));
            differ += !same_pixels(&b, &d);
            ck_assert(b.w == 64 || b.w == 45); // at most one crop
            cropped += b.w == 45;
            rj_image_free(&b);
            rj_image_free(&c);
            rj_image_free(&d);
        }
    ck_assert_int_ge(differ, 78);
    // P(crop) is 1 - 0.8^3 and 1 - 0.8^5: 47 of 80 in the mean, deviation 4.3
    ck_assert(cropped > 47 - 18 && cropped < 47 + 18);
    rj_image_free(&a);
}
END_TEST

START_TEST(small_images_go_through_every_column)
{
    static const char *const name[] = {"native", "aligned", "crop",      "chain3",
                                       "chain5", "jpeg50",  "resize0.1", "resize2"};

    for (int side = 1; side <= 9; side += 4)
        for (int k = 0; k < RJ_COUNT(name); k++)
            for (int sample = 0; sample < 8; sample++) {
                rj_image a = picture(side, 9, 3), b = apply(&a, name[k], 0, sample);

                ck_assert(b.w >= 1 && b.w <= side && b.h >= 6 && b.h <= 9);
                rj_image_free(&a);
                rj_image_free(&b);
            }
}
END_TEST

START_TEST(each_allocation_may_fail)
{
    static const char *const name[] = {"native", "aligned", "crop",      "chain5",
                                       "jpeg75", "noise4",  "resize0.5", "resize1.5"};
    rj_image a = picture(24, 16, 8), b;
    const long live = rj_memory_live();

    for (int k = 0; k < RJ_COUNT(name); k++) {
        rij_status status = RIJ_E_MEMORY;
        rj_column c;

        OK(rj_column_named(name[k], &c));
        for (long n = 1; status != RIJ_OK; n++) {
            rj_memory_fail_at(n);
            status = rj_column_apply(&c, &a, 3, 2, &b);
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

SUITE(columns, columns_are_what_their_names_say, resizing_above_one_goes_up_and_back,
      strange_names_are_refused, aligned_images_share_one_law_of_qualities,
      crops_lie_off_the_grid_of_blocks, chains_follow_seed_and_number,
      small_images_go_through_every_column, each_allocation_may_fail)
