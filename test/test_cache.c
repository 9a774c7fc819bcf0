/* The cache of decoded images, and looking at every sample once. */
#include "data_place.h"
#include <pthread.h>

enum { IMAGES = 6, BYTES = 24 * 16 * 3 };

static void make_files(const place *p, int n, rj_dataset *d)
{
    for (int i = 0; i < n; i++) {
        char name[40];

        snprintf(name, sizeof name, "real/%d.png", i);
        save_picture(p, name, 24, 16, (uint64_t)i);
    }
    OK(rj_dataset_open(p->root, NULL, d));
}

START_TEST(cache_keeps_images_up_to_its_limit)
{
    const place p = place_new();
    int kept = 0;
    rj_dataset d;
    rj_cache *c;

    make_files(&p, IMAGES, &d);
    OK(rj_cache_new(&d, 3 * BYTES + 10, &c));
    for (int i = 0; i < IMAGES; i++) {
        rj_image wanted = picture(24, 16, (uint64_t)i);
        const rj_image *a, *b;

        OK(rj_cache_take(c, i, &a));
        OK(rj_cache_take(c, i, &b));
        ck_assert(same_pixels(a, b));
        ck_assert(same_pixels(a, &wanted));
        kept += a == b; // else each is a copy of its own
        rj_cache_release(c, i, a);
        rj_cache_release(c, i, b);
        rj_image_free(&wanted);
    }
    ck_assert_int_eq(kept, 3);
    rj_cache_free(c);
    rj_dataset_free(&d);
    ck_assert_int_eq(rj_memory_live(), 0);
    place_free(&p);
}
END_TEST

static void *take_many(void *argument)
{
    rj_cache *c = argument;

    for (int k = 0; k < 10 * IMAGES; k++) {
        const int i = k * 5 % IMAGES;
        rj_image wanted = picture(24, 16, (uint64_t)i);
        const rj_image *image;

        OK(rj_cache_take(c, i, &image));
        ck_assert(same_pixels(image, &wanted));
        rj_cache_release(c, i, image);
        rj_image_free(&wanted);
    }
    return NULL;
}

START_TEST(cache_serves_many_threads)
{
    const place p = place_new();
    pthread_t thread[4];
    rj_dataset d;
    rj_cache *c;

    make_files(&p, IMAGES, &d);
    OK(rj_cache_new(&d, 3 * BYTES, &c));
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, take_many, c), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    rj_cache_free(c);
    rj_dataset_free(&d);
    ck_assert_int_eq(rj_memory_live(), 0);
    place_free(&p);
}
END_TEST

typedef struct heard {
    int n, stop_at;
    char line[IMAGES][300];
} heard;

static int hear(const char *line, void *user)
{
    heard *h = user;

    snprintf(h->line[h->n++], sizeof h->line[0], "%s", line);
    return h->n == h->stop_at;
}

START_TEST(check_notes_unusable_files_in_order)
{
    const place p = place_new();
    heard h = {0}, one = {.stop_at = 1};
    rj_dataset d;
    rj_cache *c;
    rj_pool *pool;

    make_files(&p, IMAGES, &d);
    save_text(&p, "real/1.png", "GIF89a......");
    save_text(&p, "real/4.png", "\x89PNG\r\n\x1a\n");
    ck_assert_int_eq(unlink(in(&p, "real/2.png")), 0);
    OK(rj_cache_new(&d, 1 << 20, &c));
    OK(rj_pool_new(3, &pool));
    FAILS(rj_dataset_check(&d, c, pool, hear, NULL, &one), RIJ_E_CANCELLED);
    ck_assert_int_eq(one.n, 1);
    OK(rj_dataset_check(&d, c, pool, hear, NULL, &h));
    ck_assert_int_eq(h.n, 3);
    ck_assert_ptr_nonnull(strstr(h.line[0], "real/1.png: a GIF file"));
    ck_assert_ptr_nonnull(strstr(h.line[1], "real/2.png: No such file"));
    ck_assert_ptr_nonnull(strstr(h.line[2], "real/4.png: damaged PNG"));
    for (int i = 0; i < d.n; i++)
        ck_assert(d.sample[i].usable == (i != 1 && i != 2 && i != 4));
    ck_assert_int_eq(rj_dataset_count(&d, RJ_REAL_LABEL, false), IMAGES - 3);
    OK(rj_dataset_check(&d, c, pool, NULL, NULL, NULL));
    rj_pool_free(pool);
    rj_cache_free(c);
    rj_dataset_free(&d);
    place_free(&p);
}
END_TEST

/* Stops the check at the second word. */
static rij_status count_words(int n, void *user)
{
    int *words = user;

    ck_assert_int_eq(n, 64 * ++*words);
    return *words == 2 ? rj_fail(RIJ_E_CANCELLED, "enough") : RIJ_OK;
}

START_TEST(check_tells_how_far_it_is_and_can_be_stopped)
{
    const place p = place_new();
    int words = 0;
    rj_dataset d;
    rj_cache *c;
    rj_pool *pool;

    make_files(&p, 193, &d);
    OK(rj_cache_new(&d, 1 << 20, &c));
    OK(rj_pool_new(2, &pool));
    FAILS(rj_dataset_check(&d, c, pool, NULL, count_words, &words), RIJ_E_CANCELLED);
    ck_assert_str_eq(rij_last_error(), "enough");
    ck_assert_int_eq(words, 2);
    rj_pool_free(pool);
    rj_cache_free(c);
    rj_dataset_free(&d);
    place_free(&p);
}
END_TEST

SUITE(cache, cache_keeps_images_up_to_its_limit, cache_serves_many_threads,
      check_notes_unusable_files_in_order, check_tells_how_far_it_is_and_can_be_stopped)
