/* test_align_files.c: rij_align(): new files hold what a training would see, and nothing
 * of the data is touched. */
#include "audit_place.h"
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static const look png = {48, 40, 0, 0}, jpeg = {48, 40, 70, 0};

/* A place whose reals are PNG, whose fakes JPEG. */
static place unlike(void)
{
    const place p = place_new();

    ck_assert_int_eq(fclose(write_classes(&p, &png, &jpeg)), 0);
    return p;
}

static rij_align_options options_of(const char *split, uint64_t seed, int threads)
{
    rij_align_options o = RIJ_ALIGN_OPTIONS_INIT;

    o.split = split;
    o.seed = seed;
    o.threads = threads;
    return o;
}

/* What a training with that seed would read. */
static void expect_pixels(const place *p, const char *split, uint64_t seed,
                          const char *manifest, int images)
{
    rj_trainer t = {.o = RIJ_TRAIN_OPTIONS_INIT};
    rj_dataset made = {0};
    rj_cache *old = NULL;
    int recompressed = 0;

    t.o.split = split;
    t.o.seed = seed;
    t.o.crop = 32;
    OK(rij_train_options_resolve(&t.o));
    OK(rj_pool_new(1, &t.pool));
    OK(rj_dataset_open(in(p, "data.tsv"), split, &t.data));
    OK(rj_trainer_audit(&t, in(p, "data.tsv")));
    OK(rj_dataset_open(manifest, split, &made));
    OK(rj_cache_new(&t.data, 0, &old));
    ck_assert_int_eq(made.n, images);
    ck_assert_int_eq(t.data.n, images);
    for (int i = 0; i < images; i++) {
        const rj_image *seen;
        rj_image written = {0};

        OK(rj_cache_take(old, i, &seen));
        OK(rj_image_read(made.sample[i].path, &rj_default_limits, &written));
        ck_assert(written.w == seen->w && written.h == seen->h);
        ck_assert_int_eq(memcmp(written.rgb, seen->rgb, (size_t)3 * 48 * 40), 0);
        ck_assert_int_eq(made.sample[i].label, t.data.sample[i].label);
        recompressed += t.data.sample[i].quality > 0;
        rj_image_free(&written);
        rj_cache_release(old, i, seen);
    }
    ck_assert_int_gt(recompressed, 0);
    rj_cache_free(old);
    rj_dataset_free(&made);
    rj_dataset_free(&t.data);
    rj_pool_free(t.pool);
    rj_free(t.found);
}

START_TEST(new_files_hold_what_a_training_would_see)
{
    const place p = unlike();
    const rij_align_options o = options_of("a", 5, 2);
    rij_alignment done;

    OK(rij_align(in(&p, "data.tsv"), in(&p, "new"), &o, &done));
    ck_assert_int_eq(done.images, EACH);
    ck_assert_int_eq(done.recompressed, EACH / 2); // the reals, which lacked it
    ck_assert_int_eq(done.unusable, 0);
    ck_assert_double_eq_tol(done.before, 1, 1e-9);
    ck_assert_double_lt(done.after, 0.6);
    expect_pixels(&p, "a", 5, in(&p, "new/manifest.tsv"), EACH);
    place_free(&p);
}
END_TEST

static double bacc_of(const rij_audit_report *report, const char *name)
{
    for (int i = 0; i < rij_audit_facts(report); i++) {
        rij_audit_fact fact;

        OK(rij_audit_fact_at(report, i, &fact));
        if (strcmp(fact.name, name) == 0)
            return fact.bacc;
    }
    return NAN;
}

START_TEST(an_audit_finds_nothing_in_them_that_alignment_cures)
{
    static const char *const cured[] = {"format", "quantisation", "metadata"};
    const place p = unlike();
    rij_audit_report *report = NULL;
    rij_alignment done;

    OK(rij_align(in(&p, "data.tsv"), in(&p, "new"), NULL, &done));
    for (int again = 0; again < 2; again++) {
        OK(rij_audit(in(&p, again ? "new/manifest.tsv" : "data.tsv"), NULL, &report));
        for (int i = 0; i < RJ_COUNT(cured); i++)
            ck_assert(again ? bacc_of(report, cured[i]) < 0.6
                            : bacc_of(report, cured[i]) > 0.9);
        rij_audit_report_free(report);
    }
    place_free(&p);
}
END_TEST

/* The same of two files. */
static bool same(const place *p, const char *a, const char *b)
{
    unsigned char *bytes[2];
    size_t n[2];
    bool equal;

    OK(rj_file_read(in(p, a), 1 << 20, &bytes[0], &n[0]));
    OK(rj_file_read(in(p, b), 1 << 20, &bytes[1], &n[1]));
    equal = n[0] == n[1] && memcmp(bytes[0], bytes[1], n[0]) == 0;
    rj_free(bytes[0]);
    rj_free(bytes[1]);
    return equal;
}

START_TEST(files_depend_on_the_seed_and_not_on_threads)
{
    const place p = unlike();
    rij_align_options o = options_of(NULL, 1, 1);
    int differ = 0;
    rij_alignment done;

    OK(rij_align(in(&p, "data.tsv"), in(&p, "one"), &o, &done));
    o.threads = 3;
    OK(rij_align(in(&p, "data.tsv"), in(&p, "three"), &o, &done));
    ck_assert(same(&p, "one/manifest.tsv", "three/manifest.tsv"));
    for (int i = 0; i < 2 * EACH; i++) {
        char a[32], b[32];

        snprintf(a, sizeof a, "one/%s/%06d.png", i % 2 ? "fake" : "real", i);
        snprintf(b, sizeof b, "three/%s/%06d.png", i % 2 ? "fake" : "real", i);
        ck_assert(same(&p, a, b));
    }
    for (int i = 0; i < 2 * EACH; i++) { // half of the fakes become finer, by chance
        const look *l = i % 4 == 1 ? &png : i % 2 ? &jpeg : &png;
        rj_image image = drawn(l, (uint64_t)i);
        char name[16];

        snprintf(name, sizeof name, "%03d", i);
        save(&p, name, &image, l->quality);
        rj_image_free(&image);
    }
    OK(rij_align(in(&p, "data.tsv"), in(&p, "one"), &o, &done));
    o.seed = 2;
    OK(rij_align(in(&p, "data.tsv"), in(&p, "three"), &o, &done));
    differ = !same(&p, "one/manifest.tsv", "three/manifest.tsv");
    ck_assert_int_eq(differ, 1);
    place_free(&p);
}
END_TEST

/* Names that would break a table, generators, groups and parents. */
START_TEST(what_the_manifest_says_of_a_picture_stays)
{
    const place p = unlike();
    rj_dataset before = {0}, after = {0};
    rij_alignment done;
    FILE *f = fopen(in(&p, "data.tsv"), "w");

    fputs("path\tlabel\tgenerator\tgroup\tparent\tsource\n", f);
    for (int i = 0; i < 2 * EACH; i += 2) {
        fprintf(f, "%03d\treal\t\tg%d\t\tpark %d\n", i, i / 6, i % 3);
        fprintf(f, "%03d\tfake\t%s\tg%d\t%03d\t\n", i + 1, i % 4 ? "north" : "so/../uth",
                i / 6, i);
    }
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(unlink(in(&p, "004")), 0); // its child stays, without a parent
    OK(rij_align(in(&p, "data.tsv"), in(&p, "new"), NULL, &done));
    ck_assert_int_eq(done.unusable, 1);
    OK(rj_dataset_open(in(&p, "data.tsv"), NULL, &before));
    OK(rj_dataset_open(in(&p, "new/manifest.tsv"), NULL, &after));
    ck_assert_int_eq(after.n, before.n - 1);
    ck_assert_int_eq(after.generators, 2);
    for (int i = 0; i < after.n; i++) {
        const int k = i < 4 ? i : i + 1;
        const rj_sample *a = &after.sample[i], *b = &before.sample[k];

        ck_assert(a->label == b->label && a->generator == b->generator);
        ck_assert(!a->source == !b->source);
        ck_assert(!a->source || strcmp(a->source, b->source) == 0);
        ck_assert((a->parent >= 0) == (b->parent >= 0 && b->parent != 4));
        for (int q = 0; q < i; q++)
            ck_assert((after.sample[q].group == a->group) ==
                      (before.sample[q < 4 ? q : q + 1].group == b->group));
    }
    rj_dataset_free(&before);
    rj_dataset_free(&after);
    place_free(&p);
}
END_TEST

START_TEST(data_are_not_written_over)
{
    const place p = unlike();
    rij_align_options o = RIJ_ALIGN_OPTIONS_INIT;
    rij_alignment done = {.images = 17};
    char below[300];

    snprintf(below, sizeof below, "%s", in(&p, "a/b"));
    FAILS(rij_align(in(&p, "data.tsv"), in(&p, "."), NULL, &done), RIJ_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "lie in each other"));
    FAILS(rij_align(NULL, below, NULL, &done), RIJ_E_ARGUMENT);
    FAILS(rij_align(in(&p, "data.tsv"), NULL, NULL, &done), RIJ_E_ARGUMENT);
    FAILS(rij_align(in(&p, "data.tsv"), below, NULL, NULL), RIJ_E_ARGUMENT);
    FAILS(rij_align(in(&p, "none.tsv"), below, NULL, &done), RIJ_E_FILE);
    FAILS(rij_align(in(&p, "data.tsv"), in(&p, "000"), NULL, &done), RIJ_E_FILE);
    o.size = 1;
    FAILS(rij_align(in(&p, "data.tsv"), below, &o, &done), RIJ_E_ARGUMENT);
    o = options_of("none", 0, 1);
    FAILS(rij_align(in(&p, "data.tsv"), below, &o, &done), RIJ_E_DATA);
    o = options_of(NULL, 0, 1000);
    FAILS(rij_align(in(&p, "data.tsv"), below, &o, &done), RIJ_E_ARGUMENT);
    o = options_of(NULL, 0, 1);
    o.isolate = 2;
    FAILS(rij_align(in(&p, "data.tsv"), below, &o, &done), RIJ_E_ARGUMENT);
    ck_assert_int_eq(done.images, 17);
    place_free(&p);
}
END_TEST

/* A table elsewhere whose pictures lie in the folder to be filled. */
START_TEST(a_folder_that_holds_pictures_of_the_data_is_refused)
{
    const place p = unlike();
    rij_alignment done;
    FILE *f;

    ck_assert_int_eq(mkdir(in(&p, "tables"), 0777), 0);
    ck_assert_int_eq(mkdir(in(&p, "new"), 0777), 0);
    ck_assert_int_eq(rename(in(&p, "000"), in(&p, "new/000")), 0);
    f = fopen(in(&p, "tables/data.tsv"), "w");
    fputs("path\tlabel\n../new/000\treal\n../001\tfake\n", f);
    ck_assert_int_eq(fclose(f), 0);
    FAILS(rij_align(in(&p, "tables/data.tsv"), in(&p, "new"), NULL, &done),
          RIJ_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "new/000, which is of the data"));
    ck_assert_int_ne(access(in(&p, "new/manifest.tsv"), F_OK), 0);
    place_free(&p);
}
END_TEST

static int stop_at_align(const rij_progress *progress, void *user)
{
    (void)user;
    return strcmp(progress->phase, "align") == 0;
}

START_TEST(what_does_not_end_leaves_no_manifest)
{
    const place p = unlike();
    rij_align_options o = options_of(NULL, 1, 1);
    rij_alignment done;
    int failures = 0;

    OK(rij_align(in(&p, "data.tsv"), in(&p, "new"), &o, &done));
    ck_assert_int_eq(access(in(&p, "new/manifest.tsv"), F_OK), 0);
    o.progress = stop_at_align;
    FAILS(rij_align(in(&p, "data.tsv"), in(&p, "new"), &o, &done), RIJ_E_CANCELLED);
    ck_assert_int_ne(access(in(&p, "new/manifest.tsv"), F_OK), 0);
    o.progress = NULL;
    for (long at = 1; at < 3000; at += 97) {
        const long live = rj_memory_live();
        rij_status status;

        rj_memory_fail_at(at);
        status = rij_align(in(&p, "data.tsv"), in(&p, "new"), &o, &done);
        rj_memory_fail_at(0);
        ck_assert(status == RIJ_OK || status == RIJ_E_MEMORY);
        ck_assert_int_eq(rj_memory_live(), live);
        failures += status != RIJ_OK;
    }
    ck_assert_int_gt(failures, 5);
    place_free(&p);
}
END_TEST

SUITE(align_files, new_files_hold_what_a_training_would_see,
      an_audit_finds_nothing_in_them_that_alignment_cures,
      files_depend_on_the_seed_and_not_on_threads,
      what_the_manifest_says_of_a_picture_stays, data_are_not_written_over,
      a_folder_that_holds_pictures_of_the_data_is_refused,
      what_does_not_end_leaves_no_manifest)
