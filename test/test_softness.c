/* How soft a picture is, and that training draws sharp photographs more often. */
#include "data_place.h"

static const rj_view_law usual = {.crop = 32, .degrade = {.share = 0, .resize_min = 1}};

typedef struct stage {
    place p;
    rj_dataset d;
    rj_cache *c;
} stage;

/* Eight photographs and a fake, which comes first, looked at. */
static void open_stage(stage *s)
{
    rj_pool *pool;
    char name[40];

    *s = (stage){.p = place_new()};
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "real/%d.png", i);
        save_picture(&s->p, name, 60, 50, (uint64_t)i);
    }
    save_picture(&s->p, "fake/gan/f.png", 60, 50, 20);
    OK(rj_dataset_open(s->p.root, NULL, &s->d));
    OK(rj_cache_new(&s->d, 40000, &s->c)); // not all are kept
    OK(rj_pool_new(2, &pool));
    OK(rj_dataset_check(&s->d, s->c, pool, NULL, NULL, NULL));
    rj_pool_free(pool);
}

static void close_stage(stage *s)
{
    rj_cache_free(s->c);
    rj_dataset_free(&s->d);
    ck_assert_int_eq(rj_memory_live(), 0);
    place_free(&s->p);
}

START_TEST(check_measures_softness)
{
    stage s;
    const rj_image *image;
    double softness;

    open_stage(&s);
    for (int i = 0; i < s.d.n; i++) {
        OK(rj_cache_take(s.c, i, &image));
        OK(rj_softness(image, &softness));
        rj_cache_release(s.c, i, image);
        ck_assert(isfinite(softness) && softness == s.d.sample[i].softness);
    }
    close_stage(&s);
}
END_TEST

START_TEST(what_shows_no_detail_is_not_sharp)
{
    rj_image image = {0};
    double softness;

    OK(rj_image_new(96, 96, &image));
    memset(image.rgb, 200, (size_t)96 * 96 * 3);
    OK(rj_softness_shown(&image, &softness));
    ck_assert(softness == INFINITY);
    for (size_t i = 0; i < (size_t)96 * 96; i++) // a deviation of 2
        image.rgb[3 * i] = image.rgb[3 * i + 1] = image.rgb[3 * i + 2] =
            (uint8_t)(198 + 4 * ((uint32_t)i * 2654435761U >> 31));
    OK(rj_softness_shown(&image, &softness));
    ck_assert(softness < 0);
    rj_image_free(&image);
}
END_TEST

/* Nine photographs, of which the first eight are blank: two are the sharpest quarter, but
 * only one shows anything. */
START_TEST(a_check_keeps_blank_photographs_from_the_sharpest)
{
    place p = place_new();
    rj_dataset d;
    rj_cache *c;
    rj_pool *pool;
    rj_image blank = {0};
    uint8_t *bytes;
    size_t n;
    char name[40];
    int drawn = 0;

    OK(rj_image_new(60, 50, &blank));
    memset(blank.rgb, 77, (size_t)60 * 50 * 3);
    OK(rj_png_encode(&blank, &bytes, &n));
    rj_image_free(&blank);
    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof name, "real/%d.png", i);
        if (i < 8)
            save_bytes(&p, name, bytes, n);
        else
            save_picture(&p, name, 60, 50, (uint64_t)i);
    }
    rj_free(bytes);
    OK(rj_dataset_open(p.root, NULL, &d));
    OK(rj_cache_new(&d, 40000, &c));
    OK(rj_pool_new(2, &pool));
    OK(rj_dataset_check(&d, c, pool, NULL, NULL, NULL));
    OK(rj_dataset_draw_sharp(&d, 3)); // two ranks, one photograph with detail
    for (int i = 0; i < d.n; i++) {
        ck_assert(isinf(d.sample[i].softness) == (i < 8));
        drawn += d.sample[i].draws == 3;
    }
    ck_assert(drawn == 1 && d.sample[8].draws == 3);
    rj_pool_free(pool);
    rj_cache_free(c);
    rj_dataset_free(&d);
    place_free(&p);
}
END_TEST

START_TEST(halved_and_doubled_is_softer)
{
    rj_image sharp = {0}, small = {0}, soft = {0};
    double before, after;

    OK(rj_image_new(96, 96, &sharp));
    for (size_t i = 0; i < (size_t)96 * 96 * 3; i++)
        sharp.rgb[i] = (uint8_t)((uint32_t)i * 2654435761U >> 17);
    OK(rj_softness(&sharp, &before));
    OK(rj_image_resample(&sharp, 48, 48, RJ_TRIANGLE, &small));
    OK(rj_image_resample(&small, 96, 96, RJ_TRIANGLE, &soft));
    OK(rj_softness(&soft, &after));
    ck_assert(after > before + 1);
    rj_image_free(&sharp);
    rj_image_free(&small);
    rj_image_free(&soft);
}
END_TEST

/* Of six photographs that train one is the sharpest quarter: three draws of eight. */
START_TEST(sharpest_quarter_comes_more_often)
{
    const int sharpest = 6;
    stage s;
    const rj_batch *b;
    rj_batcher *batcher;

    open_stage(&s);
    for (int i = 0; i < s.d.n; i++)
        s.d.sample[i].softness = i == sharpest ? -1 : i;
    s.d.sample[0].softness = -9; // the fake
    s.d.sample[2].softness = -9;
    s.d.sample[2].validation = true;
    s.d.sample[3].softness = -9;
    s.d.sample[3].usable = false;
    s.d.sample[0].parent = sharpest;
    OK(rj_dataset_draw_sharp(&s.d, 3));
    ck_assert_int_eq(s.d.sample[0].draws, 3);
    OK(rj_batcher_new(&s.d, s.c, RJ_BATCH_REAL, &usual, 1, 0, 2, 0, 2, &batcher));
    for (int epoch = 0; epoch < 3; epoch++) {
        int seen[9] = {0};

        for (int i = 0; i < 8; i++) {
            OK(rj_batcher_next(batcher, &b));
            seen[b->sample[0]]++;
        }
        for (int i = 0; i < s.d.n; i++)
            ck_assert_int_eq(seen[i], i == sharpest                ? 3
                                      : i == 0 || i == 2 || i == 3 ? 0
                                                                   : 1);
    }
    rj_batcher_free(batcher);
    OK(rj_dataset_draw_sharp(&s.d, 1)); // nothing is left of it
    for (int i = 0; i < s.d.n; i++)
        ck_assert_int_eq(s.d.sample[i].draws, 1);
    close_stage(&s);
}
END_TEST

START_TEST(each_allocation_may_fail)
{
    stage s;

    open_stage(&s);
    rj_memory_fail_at(1);
    FAILS(rj_dataset_draw_sharp(&s.d, 3), RIJ_E_MEMORY);
    rj_memory_fail_at(0);
    close_stage(&s);
}
END_TEST

SUITE(softness, check_measures_softness, what_shows_no_detail_is_not_sharp,
      a_check_keeps_blank_photographs_from_the_sharpest, halved_and_doubled_is_softer,
      sharpest_quarter_comes_more_often, each_allocation_may_fail)
