/* test_shortcuts.c: what a training does about its data: it aligns, joins, tells, or
 * refuses until it is allowed by name. */
#include "audit_place.h"

/* Audit as a training of the data would. The trainer is emptied by done(). */
static rij_status face(rj_trainer *t, const place *p, FILE *manifest, const char *split)
{
    if (manifest)
        ck_assert_int_eq(fclose(manifest), 0);
    t->o.split = split;
    t->o.crop = t->o.crop ? t->o.crop : 32;
    OK(rij_train_options_resolve(&t->o));
    OK(rj_pool_new(1, &t->pool));
    OK(rj_dataset_open(in(p, "data.tsv"), split, &t->data));
    return rj_trainer_audit(t, in(p, "data.tsv"));
}

static void done(rj_trainer *t)
{
    rj_dataset_free(&t->data);
    rj_pool_free(t->pool);
    rj_free(t->found);
}

static rj_trainer fresh(int align, const char *allow)
{
    rj_trainer t = {.o = RIJ_TRAIN_OPTIONS_INIT};

    t.o.align = align;
    t.o.allow = allow;
    return t;
}

static bool told(const rj_trainer *t, const char *words)
{
    for (int i = 0; i < t->founds; i++)
        if (strstr(t->found[i], words))
            return true;
    return false;
}

static void check_refusal(const look *real, const look *fake, int align,
                          const char *allow, const char *words)
{
    const place p = place_new();
    rj_trainer t = fresh(align, allow);
    const rij_status status = face(&t, &p, write_classes(&p, real, fake), NULL);

    if (words) {
        ck_assert_int_eq(status, RIJ_E_DATA);
        ck_assert_msg(strstr(rij_last_error(), words), "%s", rij_last_error());
    } else {
        OK(status);
    }
    done(&t);
    place_free(&p);
}

START_TEST(what_alignment_cannot_cure_is_refused_until_it_is_allowed)
{
    const look png = {48, 40, 0, 0}, jpeg = {48, 40, 80, 0}, bright = {48, 40, 0, 60},
               narrow = {24, 40, 0, 0}, wide = {80, 40, 0, 0};

    check_refusal(&png, &png, 1, NULL, NULL);
    check_refusal(&png, &jpeg, 1, NULL, NULL);
    check_refusal(&png, &jpeg, -1, NULL, "format tells the label at 1.00");
    check_refusal(&png, &jpeg, -1, "format", "quantisation tells");
    check_refusal(&png, &jpeg, -1, "quantisation , format", NULL);
    check_refusal(&png, &bright, 1, NULL, "mean colour tells the label");
    check_refusal(&png, &bright, 1, "format, mean colour", NULL);
    check_refusal(&png, &narrow, 1, NULL, "smaller than a crop");
    check_refusal(&png, &narrow, 1, "dimensions", NULL);
    check_refusal(&png, &wide, 1, NULL, NULL); // a crop of 32 shows nothing of it
}
END_TEST

START_TEST(what_may_be_allowed_has_a_name)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;

    o.allow = "leaks,format, mean colour";
    OK(rij_train_options_resolve(&o));
    o.allow = "leaks, source";
    FAILS(rij_train_options_resolve(&o), RIJ_E_ARGUMENT);
    ck_assert_msg(strstr(rij_last_error(), "source"), "%s", rij_last_error());
}
END_TEST

/* Quality by class after alignment: as it was, or as recompressed. */
static void count(const rj_trainer *t, const place *p, int number[2][101])
{
    for (int i = 0; i < t->data.n; i++) {
        const rj_sample *s = &t->data.sample[i];
        rj_facts facts;
        rj_image image = {0};

        OK(rj_facts_read(s->path, &rj_default_limits, &facts, &image));
        rj_image_free(&image);
        ck_assert(s->quality == 0 || s->quality != facts.quality);
        number[s->label][s->quality ? s->quality : facts.quality]++;
    }
    (void)p;
}

/* All reals at 80; half of the fakes PNG, half at 92. Reals have too many at 80 and lack
 * 92, so the target is 2/3 at 80, 1/3 at 92. */
START_TEST(histories_match_after_alignment)
{
    const look reals = {48, 40, 80, 0};
    const place p = place_new();
    rj_trainer t = fresh(1, NULL);
    int number[2][101] = {{0}};
    FILE *f = write_classes(&p, &reals, &reals);

    for (int i = 0; i < 2 * EACH; i += 1) {
        const look png = {48, 40, 0, 0}, fine = {48, 40, 92, 0};
        const look *l = i % 4 == 1 ? &png : i % 4 == 3 ? &fine : &reals;
        rj_image image = drawn(l, (uint64_t)i);
        char name[16];

        snprintf(name, sizeof name, "%03d", i);
        save(&p, name, &image, l->quality);
        rj_image_free(&image);
    }
    OK(face(&t, &p, f, NULL));
    ck_assert(told(&t, "recompressed"));
    count(&t, &p, number);
    for (int label = 0; label < 2; label++) {
        ck_assert_int_eq(number[label][80] + number[label][92], EACH);
        ck_assert_msg(abs(number[label][80] - EACH * 2 / 3) <= 9, "%d of %d at 80",
                      number[label][80], EACH); // three deviations of a binomial
    }
    done(&t);
    place_free(&p);
}
END_TEST

/* What is recompressed when read is the recompressed picture, and validation too. */
START_TEST(an_aligned_picture_is_read_recompressed)
{
    const look png = {48, 40, 0, 0}, jpeg = {48, 40, 70, 0};
    const place p = place_new();
    rj_trainer t = fresh(1, NULL);
    rj_image plain = {0}, expected = {0};
    const rj_image *got = NULL;
    rj_cache *cache = NULL;

    OK(face(&t, &p, write_classes(&p, &png, &jpeg), "a"));
    ck_assert_int_eq(t.data.sample[0].quality, 70);
    ck_assert_int_eq(t.data.sample[1].quality, 0);
    OK(rj_cache_new(&t.data, 1 << 20, &cache));
    OK(rj_cache_take(cache, 0, &got));
    OK(rj_image_read(t.data.sample[0].path, &rj_default_limits, &plain));
    OK(rj_degrade_jpeg(&plain, 70, &expected));
    ck_assert_int_eq(memcmp(got->rgb, expected.rgb, 3 * 48 * 40), 0);
    ck_assert_int_ne(memcmp(got->rgb, plain.rgb, 3 * 48 * 40), 0);
    rj_cache_release(cache, 0, got);
    rj_cache_free(cache);
    rj_image_free(&plain);
    rj_image_free(&expected);
    done(&t);
    place_free(&p);
}
END_TEST

START_TEST(leaks_between_splits_are_refused_and_twins_are_joined)
{
    const look l = {64, 48, 0, 0};
    const place p = place_new();
    rj_image first = drawn(&l, 2), second = drawn(&l, 6); // reals of splits a and a
    rj_trainer t = fresh(1, NULL), allowed = fresh(1, "leaks");
    FILE *f = write_classes(&p, &l, &l);

    save(&p, "twin", &first, 90);
    save(&p, "leak", &second, 90);
    fputs("twin\treal\ta\tpark\nleak\treal\tb\tpark\n", f);
    FAILS(face(&t, &p, f, "a"), RIJ_E_DATA);
    ck_assert_msg(strstr(rij_last_error(), "another split"), "%s", rij_last_error());
    OK(face(&allowed, &p, NULL, "a"));
    ck_assert(told(&allowed, "1 pictures lie in another split too; allowed"));
    ck_assert(told(&allowed, "1 pairs show the same in two groups, which are joined"));
    ck_assert_str_eq(strrchr(allowed.data.sample[0].path, '/'), "/002");
    ck_assert_str_eq(strrchr(allowed.data.sample[EACH].path, '/'), "/twin");
    ck_assert(allowed.data.sample[0].group == allowed.data.sample[EACH].group);
    ck_assert(allowed.data.sample[0].group != allowed.data.sample[1].group);
    rj_image_free(&first);
    rj_image_free(&second);
    done(&t);
    done(&allowed);
    place_free(&p);
}
END_TEST

/* A pair of two other splits is none of this training's business; with all splits in it,
 * both train and are joined. */
START_TEST(leaks_elsewhere_do_not_matter)
{
    const look l = {64, 48, 0, 0};
    const place p = place_new();
    rj_image image = drawn(&l, 99);
    rj_trainer t = fresh(1, NULL), all = fresh(1, NULL);
    FILE *f = write_classes(&p, &l, &l);

    save(&p, "x", &image, 90);
    save(&p, "y", &image, 80);
    fputs("x\treal\tb\tpark\ny\treal\tc\tpark\n", f);
    OK(face(&t, &p, f, "a"));
    ck_assert_int_eq(t.founds, 0);
    OK(face(&all, &p, NULL, NULL));
    ck_assert(told(&all, "1 pairs show the same in two groups, which are joined"));
    ck_assert(all.data.sample[2 * EACH].group == all.data.sample[2 * EACH + 1].group);
    rj_image_free(&image);
    done(&t);
    done(&all);
    place_free(&p);
}
END_TEST

/* A JPEG whose table has two values in each other's place: of the same sum. */
static void save_strange(const place *p, const char *name, const rj_image *image)
{
    uint8_t *bytes;
    size_t n, at = 0;

    OK(rj_jpeg_encode(image, 60, &bytes, &n));
    while (bytes[at] != 0xff || bytes[at + 1] != 0xdb)
        at++;
    for (int k = 5; k < 5 + 10; k++) { // behind marker, length and number
        const uint8_t v = bytes[at + (size_t)k];

        bytes[at + (size_t)k] = bytes[at + (size_t)k + 40];
        bytes[at + (size_t)k + 40] = v;
    }
    save_bytes(p, name, bytes, n);
    rj_free(bytes);
}

START_TEST(tables_of_one_quality_that_tell_are_aligned_too)
{
    const look jpeg = {48, 40, 60, 0};
    const place p = place_new();
    rj_trainer t = fresh(1, "mean colour");
    FILE *f = write_classes(&p, &jpeg, &jpeg);

    for (int i = 1; i < 2 * EACH; i += 2) {
        rj_image image = drawn(&jpeg, (uint64_t)i);
        char name[16];

        snprintf(name, sizeof name, "%03d", i);
        save_strange(&p, name, &image);
        rj_image_free(&image);
    }
    OK(face(&t, &p, f, NULL));
    ck_assert(told(&t, "quantisation tells the label at 1.00"));
    ck_assert(told(&t, "80 of 80 images are recompressed"));
    ck_assert(told(&t, "(0.50)"));
    for (int i = 0; i < t.data.n; i++)
        ck_assert_int_eq(t.data.sample[i].quality, 60);
    done(&t);
    place_free(&p);
}
END_TEST

/* What is read a second time must be what was read first. */
START_TEST(data_that_change_meanwhile_are_refused)
{
    const look l = {48, 40, 0, 0};
    const place p = place_new();
    rj_trainer t = fresh(1, NULL);
    rj_image image = drawn(&l, 500);
    FILE *f = write_classes(&p, &l, &l);

    ck_assert_int_eq(fclose(f), 0);
    OK(rij_train_options_resolve(&t.o));
    OK(rj_pool_new(1, &t.pool));
    OK(rj_dataset_open(in(&p, "data.tsv"), NULL, &t.data));
    save(&p, "more", &image, 0);
    f = fopen(in(&p, "data.tsv"), "a");
    fputs("more\treal\ta\tpark\n", f);
    fclose(f);
    FAILS(rj_trainer_audit(&t, in(&p, "data.tsv")), RIJ_E_DATA);
    ck_assert_msg(strstr(rij_last_error(), "changed"), "%s", rij_last_error());
    rj_image_free(&image);
    done(&t);
    place_free(&p);
}
END_TEST

START_TEST(a_failing_allocation_fails_the_audit)
{
    const look png = {48, 40, 0, 0}, jpeg = {48, 40, 80, 0};
    const place p = place_new();
    int failures = 0;

    ck_assert_int_eq(fclose(write_classes(&p, &png, &jpeg)), 0);
    for (long at = 1; at < 4000; at += 61) {
        rj_trainer t = fresh(1, NULL);

        OK(rij_train_options_resolve(&t.o));
        OK(rj_pool_new(1, &t.pool));
        OK(rj_dataset_open(in(&p, "data.tsv"), NULL, &t.data));
        rj_memory_fail_at(at);
        failures += rj_trainer_audit(&t, in(&p, "data.tsv")) == RIJ_E_MEMORY;
        rj_memory_fail_at(0);
        done(&t);
    }
    ck_assert_int_gt(failures, 5);
    place_free(&p);
}
END_TEST

SUITE(shortcuts, what_alignment_cannot_cure_is_refused_until_it_is_allowed,
      what_may_be_allowed_has_a_name, histories_match_after_alignment,
      an_aligned_picture_is_read_recompressed,
      leaks_between_splits_are_refused_and_twins_are_joined,
      leaks_elsewhere_do_not_matter, tables_of_one_quality_that_tell_are_aligned_too,
      data_that_change_meanwhile_are_refused, a_failing_allocation_fails_the_audit)
