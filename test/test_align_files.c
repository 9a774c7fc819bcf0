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
    // Half of the fakes become PNG, too: now chance chooses.
    for (int i = 0; i < 2 * EACH; i++) {
        const look *l = i % 4 == 1 ? &png : i % 2 ? &jpeg : &png;
        rj_image image = drawn(l, (uint64_t)i);
        char name[16];

        snprintf(name, sizeof name, "%03d", i);
        save(&p, name, &image, l->quality);
        rj_image_free(&image);
    }
    OK(rij_align(in(&p, "data.tsv"), in(&p, "four"), &o, &done));
    o.seed = 2;
    OK(rij_align(in(&p, "data.tsv"), in(&p, "five"), &o, &done));
    ck_assert(!same(&p, "four/manifest.tsv", "five/manifest.tsv"));
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

    fputs("path\tlabel\tgenerator\tgroup\tparent\tsource\tsplit\n", f);
    for (int i = 0; i < 2 * EACH; i += 2) {
        const char *split = i / 6 % 2 ? "train" : "dev";

        fprintf(f, "%03d\treal\t\tg%d\t\tpark %d\t%s\n", i, i / 6, i % 3, split);
        fprintf(f, "%03d\tfake\t%s\tg%d\t%03d\t\t%s\n", i + 1,
                i % 4 ? "north" : "so/../uth", i / 6, i, split);
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
        ck_assert(a->split == b->split && a->split != 0);
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

static bool is_there(const place *p, const char *name)
{
    char path[400];

    snprintf(path, sizeof path, "%s/%s", p->root, name);
    return access(path, F_OK) == 0;
}

START_TEST(what_is_refused_leaves_nothing)
{
    const place p = unlike();
    rij_align_options o = RIJ_ALIGN_OPTIONS_INIT;
    rij_alignment done = {.images = 17};
    char data[300], out[300];

    snprintf(data, sizeof data, "%s/data.tsv", p.root);
    snprintf(out, sizeof out, "%s/a/b", p.root);
    FAILS(rij_align(NULL, out, NULL, &done), RIJ_E_ARGUMENT);
    FAILS(rij_align(data, NULL, NULL, &done), RIJ_E_ARGUMENT);
    FAILS(rij_align(data, "", NULL, &done), RIJ_E_ARGUMENT);
    FAILS(rij_align(data, out, NULL, NULL), RIJ_E_ARGUMENT);
    FAILS(rij_align(in(&p, "none.tsv"), out, NULL, &done), RIJ_E_FILE);
    o.size = 1;
    FAILS(rij_align(data, out, &o, &done), RIJ_E_ARGUMENT);
    o = options_of("none", 0, 1);
    FAILS(rij_align(data, out, &o, &done), RIJ_E_DATA);
    o = options_of(NULL, 0, 1000);
    FAILS(rij_align(data, out, &o, &done), RIJ_E_ARGUMENT);
    o = options_of(NULL, 0, 1);
    o.isolate = 2;
    FAILS(rij_align(data, out, &o, &done), RIJ_E_ARGUMENT);
    ck_assert(!is_there(&p, "a"));
    ck_assert_int_eq(done.images, 17);
    place_free(&p);
}
END_TEST

/* The data's own folder, a file, a folder with a link in it, an absent one in a tree. */
START_TEST(only_a_new_or_empty_folder_is_filled)
{
    const place p = unlike();
    char root[300], tree[300];
    rij_alignment done;

    snprintf(root, sizeof root, "%s", p.root);
    snprintf(tree, sizeof tree, "%s/tree", p.root);
    FAILS(rij_align(in(&p, "data.tsv"), root, NULL, &done), RIJ_E_FILE);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "not empty"));
    FAILS(rij_align(in(&p, "data.tsv"), in(&p, "000"), NULL, &done), RIJ_E_FILE);
    ck_assert_int_eq(symlink(root, in(&p, "linked/real")), 0);
    FAILS(rij_align(in(&p, "data.tsv"), in(&p, "linked"), NULL, &done), RIJ_E_FILE);
    for (int i = 0; i < 2 * EACH; i++) {
        char from[16], to[40];

        snprintf(from, sizeof from, "%03d", i);
        snprintf(to, sizeof to, "tree/%s/%03d", i % 2 ? "fake/north" : "real", i);
        ck_assert_int_eq(rename(in(&p, from), in(&p, to)), 0);
    }
    FAILS(rij_align(tree, in(&p, "tree/x/y"), NULL, &done), RIJ_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "lies in the data"));
    ck_assert(!is_there(&p, "tree/x/y"));
    OK(rij_align(tree, in(&p, "tree2"), NULL, &done)); // a name that begins alike
    ck_assert_int_eq(done.images, 2 * EACH);
    FAILS(rij_align(tree, in(&p, "tree2"), NULL, &done), RIJ_E_FILE);
    ck_assert(is_there(&p, "tree2/manifest.tsv"));
    place_free(&p);
}
END_TEST

/* Decoded elsewhere, the files are the same. */
START_TEST(isolated_decoders_give_the_same_files)
{
    const place p = unlike();
    rij_align_options o = options_of(NULL, 1, 1);
    rij_alignment done;

    OK(rij_align(in(&p, "data.tsv"), in(&p, "one"), &o, &done));
    o.isolate = 1;
    OK(rij_align(in(&p, "data.tsv"), in(&p, "two"), &o, &done));
    ck_assert(same(&p, "one/manifest.tsv", "two/manifest.tsv"));
    ck_assert(same(&p, "one/real/000000.png", "two/real/000000.png"));
    ck_assert(same(&p, "one/fake/000001.png", "two/fake/000001.png"));
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

    o.progress = stop_at_align;
    FAILS(rij_align(in(&p, "data.tsv"), in(&p, "stopped"), &o, &done), RIJ_E_CANCELLED);
    ck_assert(is_there(&p, "stopped/real/000000.png"));
    ck_assert(!is_there(&p, "stopped/manifest.tsv"));
    o.progress = NULL;
    for (long at = 1; at < 3000; at += 293) {
        const long live = rj_memory_live();
        char out[40], table[60];
        rij_status status;

        snprintf(out, sizeof out, "out%ld", at);
        snprintf(table, sizeof table, "out%ld/manifest.tsv", at);
        rj_memory_fail_at(at);
        status = rij_align(in(&p, "data.tsv"), in(&p, out), &o, &done);
        rj_memory_fail_at(0);
        ck_assert(status == RIJ_OK || status == RIJ_E_MEMORY);
        ck_assert(is_there(&p, table) == (status == RIJ_OK));
        ck_assert_int_eq(rj_memory_live(), live);
        failures += status != RIJ_OK;
    }
    ck_assert_int_gt(failures, 3);
    place_free(&p);
}
END_TEST

/* A disk that is full in the middle, a picture that goes between the two readings. */
static int take_one_away(const rij_progress *progress, void *user)
{
    if (strcmp(progress->phase, "align") == 0 && progress->step > 0)
        unlink(in(user, "079"));
    return 0;
}

START_TEST(faults_of_files_are_told)
{
    const place p = unlike();
    rij_align_options o = options_of(NULL, 1, 1);
    rij_alignment done;
    int failures = 0;

    for (int at = 1; at < 90; at += 26) {
        char out[40], table[60];
        rij_status status;

        snprintf(out, sizeof out, "out%d", at);
        snprintf(table, sizeof table, "out%d/manifest.tsv", at);
        rj_fault_at(RJ_FAULT_WRITE, at, NULL);
        status = rij_align(in(&p, "data.tsv"), in(&p, out), &o, &done);
        rj_fault_at(RJ_FAULT_WRITE, 0, NULL);
        ck_assert(status == RIJ_OK || status == RIJ_E_FILE);
        ck_assert(is_there(&p, table) == (status == RIJ_OK));
        failures += status != RIJ_OK;
    }
    ck_assert_int_ge(failures, 4); // at least one write for each of 80 pictures
    o.progress = take_one_away;
    o.user = (void *)&p;
    FAILS(rij_align(in(&p, "data.tsv"), in(&p, "gone"), &o, &done), RIJ_E_FILE);
    ck_assert(!is_there(&p, "gone/manifest.tsv"));
    place_free(&p);
}
END_TEST

SUITE(align_files, new_files_hold_what_a_training_would_see,
      an_audit_finds_nothing_in_them_that_alignment_cures,
      files_depend_on_the_seed_and_not_on_threads,
      what_the_manifest_says_of_a_picture_stays, what_is_refused_leaves_nothing,
      only_a_new_or_empty_folder_is_filled, isolated_decoders_give_the_same_files,
      what_does_not_end_leaves_no_manifest, faults_of_files_are_told)
