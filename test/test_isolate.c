/* Decoding in a process of its own: the same pixels, words and verdicts. What a decoder
 * that was taken over may do, test_cage.c tries. */
#include "data_place.h"
#include "forge/forge.h"
#include "judge/judge.h"
#include <pthread.h>

/* ---- pictures --------------------------------------------------------------------- */

START_TEST(a_picture_is_the_same_from_a_cage)
{
    static const char *const files[] = {
        "png/rgb",       "png/deep",         "jpeg/420", "jpeg/grey",
#ifdef RJ_HAS_libwebp
        "webp/lossless", "webp/lossy-alpha",
#endif
#ifdef RJ_HAS_libavif
        "avif/444",
#endif
#ifdef RJ_HAS_libheif
        "heif/heic",
#endif
    };
    rj_cage *cage = NULL;
    rj_limits limits;

    OK(rj_isolate_new(&cage));
    limits = rj_limits_in(cage);
    for (int i = 0; i < RJ_COUNT(files); i++) {
        char path[80];
        rj_image a, b;

        snprintf(path, sizeof path, "test/fuzz/corpus/%s", files[i]);
        OK(rj_image_read(path, &rj_default_limits, &a));
        OK(rj_image_read(path, &limits, &b));
        ck_assert_msg(same_pixels(&a, &b), "%s", path);
        rj_image_free(&a);
        rj_image_free(&b);
    }
    rj_cage_free(cage);
    ck_assert_int_eq(rj_memory_live(), 0);
}
END_TEST

START_TEST(refusals_are_worded_alike_in_a_cage)
{
    static const char *const files[] = {"png/wide",          "png/no-picture",
                                        "png/endless-text",  "jpeg/cmyk",
                                        "jpeg/tables-alone", "manifest/plain"};
    rj_cage *cage = NULL;
    rj_limits limits;

    OK(rj_isolate_new(&cage));
    limits = rj_limits_in(cage);
    for (int i = 0; i < RJ_COUNT(files); i++) {
        char path[80], said[256];
        rj_image a;

        snprintf(path, sizeof path, "test/fuzz/corpus/%s", files[i]);
        FAILS(rj_image_read(path, &rj_default_limits, &a), RIJ_E_IMAGE);
        snprintf(said, sizeof said, "%s", rij_last_error());
        FAILS(rj_image_read(path, &limits, &a), RIJ_E_IMAGE);
        ck_assert_str_eq(rij_last_error(), said);
    }
    limits.bytes = 10;
    FAILS(rj_image_read("test/fuzz/corpus/png/rgb", &limits, &(rj_image){0}), RIJ_E_FILE);
    rj_cage_free(cage);
}
END_TEST

typedef struct crew {
    rj_limits limits;
    rj_image wanted;
    int wrong;
} crew;

static void *decode_often(void *user)
{
    crew *c = user;

    for (int i = 0; i < 8; i++) {
        rj_image b = {0};

        if (rj_image_read("test/fuzz/corpus/jpeg/420", &c->limits, &b) != RIJ_OK ||
            !same_pixels(&c->wanted, &b))
            __atomic_add_fetch(&c->wrong, 1, __ATOMIC_SEQ_CST);
        rj_image_free(&b);
    }
    return NULL;
}

START_TEST(many_threads_share_a_cage)
{
    rj_cage *cage = NULL;
    pthread_t thread[6];
    crew c = {0};

    OK(rj_isolate_new(&cage));
    c.limits = rj_limits_in(cage);
    OK(rj_image_read("test/fuzz/corpus/jpeg/420", &rj_default_limits, &c.wanted));
    for (int i = 0; i < RJ_COUNT(thread); i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, decode_often, &c), 0);
    for (int i = 0; i < RJ_COUNT(thread); i++)
        pthread_join(thread[i], NULL);
    ck_assert_int_eq(c.wrong, 0);
    rj_image_free(&c.wanted);
    rj_cage_free(cage);
}
END_TEST

/* ---- the verbs -------------------------------------------------------------------- */

/* The smallest judge there is, as random numbers made it. */
static void save_model(const char *path)
{
    const rj_net_config config = {
        .encoder = "statistics", .front = "raw", .embedding = 8};
    rij_model *m = NULL;

    OK(rj_model_new(&config, "cpu", 1, 32, &m));
    OK(rj_model_seal(m));
    OK(rij_model_save(m, path));
    rij_model_free(m);
}

START_TEST(a_model_judges_alike_from_a_cage)
{
    const place p = place_new();
    rij_open_options o = RIJ_OPEN_OPTIONS_INIT;
    rij_model *near = NULL, *caged = NULL;
    rij_verdict a, b;

    save_model(in(&p, "m"));
    save_picture(&p, "a.png", 70, 50, 1);
    save_bytes(&p, "b.png", "\x89PNG\r\n\x1a\n", 8);
    o.isolate = 2;
    FAILS(rij_model_open(in(&p, "m"), &o, &caged), RIJ_E_ARGUMENT);
    o.isolate = 1;
    OK(rij_model_open(in(&p, "m"), NULL, &near));
    OK(rij_model_open(in(&p, "m"), &o, &caged));
    ck_assert_ptr_nonnull(caged->cage);
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    OK(rij_predict_file(near, in(&p, "a.png"), &a));
    OK(rij_predict_file(caged, in(&p, "a.png"), &b));
    ck_assert(a.margin == b.margin && a.crops == b.crops && a.softness == b.softness);
    FAILS(rij_predict_file(caged, in(&p, "b.png"), &b), RIJ_E_IMAGE);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "damaged PNG"));
    rij_model_free(near);
    rij_model_free(caged);
    place_free(&p);
}
END_TEST

START_TEST(folders_are_read_in_a_cage)
{
    const place p = place_new();
    rij_audit_options o = RIJ_AUDIT_OPTIONS_INIT;
    rij_audit_report *report = NULL;
    rj_parents parents = {0};
    rj_cage *cage = NULL;
    rj_cache *cache = NULL;
    rj_pool *pool = NULL;
    rj_dataset d = {0};

    save_picture(&p, "set/real/a.png", 64, 64, 1);
    save_picture(&p, "set/real/b.png", 64, 64, 2);
    save_picture(&p, "set/fake/gan/c.png", 64, 64, 3);
    save_text(&p, "set/fake/gan/d.png", "no picture");
    o.isolate = 1;
    o.threads = 2;
    OK(rij_audit(in(&p, "set"), &o, &report));
    rij_audit_report_free(report);
    OK(rj_isolate_new(&cage));
    OK(rj_pool_new(2, &pool));
    OK(rj_dataset_open(in(&p, "set"), NULL, &d));
    d.cage = cage;
    OK(rj_cache_new(&d, 1 << 20, &cache));
    OK(rj_dataset_check(&d, cache, pool, NULL, NULL, NULL));
    ck_assert_int_eq(rj_dataset_count(&d, 0, false), 2);
    ck_assert_int_eq(rj_dataset_count(&d, 1, false), 1);
    OK(rj_parents_cut(in(&p, "set/real"), cage, 32, 4, 1, NULL, NULL, &parents));
    ck_assert_int_gt(parents.n, 0);
    rj_parents_free(&parents);
    rj_cache_free(cache);
    rj_dataset_free(&d);
    rj_pool_free(pool);
    rj_cage_free(cage);
    place_free(&p);
}
END_TEST

SUITE(isolate, a_picture_is_the_same_from_a_cage, refusals_are_worded_alike_in_a_cage,
      many_threads_share_a_cage, a_model_judges_alike_from_a_cage,
      folders_are_read_in_a_cage)
