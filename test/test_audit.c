/* rij_audit(): planted shortcuts and leaks are found, each by its name, and clean data
 * has none. */
#include "audit_place.h"

static rij_audit_report *audited(const place *p, FILE *manifest, int threads)
{
    rij_audit_options o = RIJ_AUDIT_OPTIONS_INIT;
    rij_audit_report *report = NULL;

    if (manifest)
        ck_assert_int_eq(fclose(manifest), 0);
    o.threads = threads;
    OK(rij_audit(in(p, "data.tsv"), &o, &report));
    return report;
}

static rij_audit_fact fact_named(const rij_audit_report *report, const char *name)
{
    rij_audit_fact f;

    for (int i = 0; i < rij_audit_facts(report); i++) {
        OK(rij_audit_fact_at(report, i, &f));
        if (strcmp(f.name, name) == 0)
            return f;
    }
    ck_abort_msg("no fact %s", name);
}

/* The shortcuts of two looks, as "name, name". */
static void shortcuts(const look *real, const look *fake, char *text, size_t size)
{
    const place p = place_new();
    rij_audit_report *report = audited(&p, write_classes(&p, real, fake), 1);
    size_t n = 0;

    text[0] = 0;
    for (int i = 0; i < rij_audit_facts(report); i++) {
        rij_audit_fact f;

        OK(rij_audit_fact_at(report, i, &f));
        ck_assert(f.bacc >= 0 && f.bacc <= 1 && f.bacc_low <= f.bacc);
        if (f.shortcut)
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", f.name);
    }
    ck_assert_int_eq(rij_audit_pairs(report), 0);
    rij_audit_report_free(report);
    place_free(&p);
}

START_TEST(each_planted_shortcut_is_named)
{
    const struct {
        look real, fake;
        const char *found;
    } planted[] = {
        {{48, 40, 0, 0}, {48, 40, 0, 0}, ""},
        {{48, 40, 0, 0}, {40, 48, 0, 0}, "dimensions"},
        {{48, 40, 90, 0},
         {48, 40, 60, 0},
         "file size, bytes per pixel, quantisation"}, // the tables make the sizes
        {{48, 40, 0, 0}, {48, 40, 0, 60}, "mean colour"},
    };

    for (int i = 0; i < RJ_COUNT(planted); i++) {
        char text[200];

        shortcuts(&planted[i].real, &planted[i].fake, text, sizeof text);
        ck_assert_msg(strcmp(text, planted[i].found) == 0, "planting %d: '%s', not '%s'",
                      i, text, planted[i].found);
    }
}
END_TEST

/* A class by its format is told by all that follows from it. */
START_TEST(a_format_tells_everything)
{
    const look png = {48, 40, 0, 0}, jpeg = {48, 40, 80, 0};
    const place p = place_new();
    rij_audit_report *report = audited(&p, write_classes(&p, &png, &jpeg), 1);
    const char *const told[] = {"format", "metadata", "quantisation", "file size",
                                "bytes per pixel"};

    for (int i = 0; i < RJ_COUNT(told); i++) {
        ck_assert_int_eq(fact_named(report, told[i]).shortcut, 1);
        ck_assert_double_ge(fact_named(report, told[i]).bacc, 0.95);
    }
    ck_assert_int_eq(fact_named(report, "format").values, 2);
    ck_assert_double_eq_tol(fact_named(report, "format").bacc, 1, 1e-12);
    ck_assert_double_eq_tol(fact_named(report, "source").bacc, 0.5, 1e-12);
    rij_audit_report_free(report);
    place_free(&p);
}
END_TEST

/* Copies of picture 0 (real, split b): equal, as a small JPEG, brighter; the last is in a
 * group and split of its own, so all are leaks; a fourth is in picture 0's own group. */
START_TEST(the_same_picture_in_two_splits_is_found)
{
    const look l = {64, 48, 0, 0};
    const place p = place_new();
    FILE *f = write_classes(&p, &l, &l);
    rj_image image = drawn(&l, 0), small = {0};
    rij_audit_report *report;
    rij_audit_pair pair;
    int across = 0, labels = 0;

    save(&p, "equal", &image, 0);
    OK(rj_image_resize(&image, 40, 30, &small));
    save(&p, "small", &small, 70);
    fputs("equal\treal\ta\tpark\nsmall\tfake\tb\tpark\n", f);
    report = audited(&p, f, 1);
    ck_assert_int_eq(rij_audit_pairs(report), 3); // also with each other
    for (int i = 0; i < 3; i++) {
        OK(rij_audit_pair_at(report, i, &pair));
        across += pair.across_splits;
        labels += pair.across_labels;
        ck_assert_double_le(pair.distance, 6);
    }
    ck_assert_int_eq(across, 2);
    ck_assert_int_eq(labels, 2);
    OK(rij_audit_pair_at(report, 0, &pair));
    ck_assert_str_eq(strrchr(pair.path[0], '/'), "/000");
    ck_assert_str_eq(strrchr(pair.path[1], '/'), "/equal");
    ck_assert(pair.distance == 0);
    rij_audit_report_free(report);
    rj_image_free(&image);
    rj_image_free(&small);
    place_free(&p);
}
END_TEST

/* Of thirty copies the first fourteen are told of with sixteen later ones each, the rest
 * with all. */
START_TEST(a_folder_of_copies_is_told_in_part)
{
    const look l = {64, 48, 0, 0};
    const place p = place_new();
    FILE *f = fopen(in(&p, "data.tsv"), "w");
    rj_image image = drawn(&l, 1);
    rij_audit_report *report;

    ck_assert_ptr_nonnull(f);
    fputs("path\tlabel\n", f);
    for (int i = 0; i < 30; i++) {
        char name[16];

        snprintf(name, sizeof name, "%02d", i);
        save(&p, name, &image, 0);
        fprintf(f, "%s\t%s\n", name, i % 2 ? "fake" : "real");
    }
    report = audited(&p, f, 2);
    ck_assert_int_eq(rij_audit_pairs(report), 14 * 16 + 15 * 16 / 2);
    rij_audit_report_free(report);
    rj_image_free(&image);
    place_free(&p);
}
END_TEST

/* Equal in grey, not in colour. */
START_TEST(skies_of_two_colours_are_two_pictures)
{
    const look l = {64, 48, 0, 0};
    const place p = place_new();
    FILE *f = write_classes(&p, &l, &l);
    rij_audit_report *report;
    rj_image image = {0};

    for (int k = 0; k < 2; k++) {
        OK(rj_image_new(64, 48, &image));
        for (int i = 0; i < 64 * 48; i++) {
            image.rgb[3 * i] = (uint8_t)(k ? 110 : 40);
            image.rgb[3 * i + 1] = (uint8_t)(60 + i / 64 * 2);
            image.rgb[3 * i + 2] = (uint8_t)(k ? 17 : 200); // 0.299 70 = 0.114 183
        }
        save(&p, k ? "red" : "blue", &image, 0);
        rj_image_free(&image);
    }
    fputs("blue\treal\ta\tpark\nred\treal\tb\tpark\n", f);
    report = audited(&p, f, 1);
    ck_assert_int_eq(rij_audit_pairs(report), 0);
    rij_audit_report_free(report);
    place_free(&p);
}
END_TEST

START_TEST(a_group_may_hold_the_same_picture)
{
    const look l = {64, 48, 0, 0};
    const place p = place_new();
    FILE *f = fopen(in(&p, "data.tsv"), "w");
    rij_audit_report *report;

    fputs("path\tlabel\tgroup\n", f);
    for (int i = 0; i < 8; i++) {
        rj_image image = drawn(&l, (uint64_t)(i / 2));
        char name[16];

        snprintf(name, sizeof name, "%d", i);
        save(&p, name, &image, i % 2 ? 85 : 0);
        fprintf(f, "%d\t%s\tg%d\n", i, i % 2 ? "fake" : "real", i / 2);
        rj_image_free(&image);
    }
    report = audited(&p, f, 1);
    ck_assert_int_eq(rij_audit_pairs(report), 0);
    rij_audit_report_free(report);
    place_free(&p);
}
END_TEST

START_TEST(an_audit_is_the_same_for_any_number_of_threads)
{
    const look real = {48, 40, 0, 0}, fake = {48, 40, 0, 3};
    const place p = place_new();
    rij_audit_report *one = audited(&p, write_classes(&p, &real, &fake), 1);

    for (int threads = 2; threads <= 4; threads++) {
        rij_audit_report *many = audited(&p, NULL, threads);

        ck_assert_int_eq(rij_audit_pairs(one), rij_audit_pairs(many));
        for (int i = 0; i < rij_audit_facts(one); i++) {
            rij_audit_fact a, b;

            OK(rij_audit_fact_at(one, i, &a));
            OK(rij_audit_fact_at(many, i, &b));
            ck_assert(a.bacc == b.bacc && a.values == b.values);
        }
        rij_audit_report_free(many);
    }
    rij_audit_report_free(one);
    place_free(&p);
}
END_TEST

START_TEST(what_cannot_be_audited_is_refused)
{
    const look l = {48, 40, 0, 0};
    const place p = place_new();
    rij_audit_options o = RIJ_AUDIT_OPTIONS_INIT;
    rij_audit_report *report = NULL;
    rij_audit_fact fact;
    rij_audit_pair pair;
    FILE *f = write_classes(&p, &l, &l);

    save_text(&p, "text", "no picture");
    fputs("text\tfake\ta\tpark\n", f);
    report = audited(&p, f, 1); // left out
    FAILS(rij_audit_fact_at(report, 8, &fact), RIJ_E_ARGUMENT);
    FAILS(rij_audit_fact_at(report, -1, &fact), RIJ_E_ARGUMENT);
    FAILS(rij_audit_fact_at(NULL, 0, &fact), RIJ_E_ARGUMENT);
    FAILS(rij_audit_pair_at(report, 0, &pair), RIJ_E_ARGUMENT);
    rij_audit_report_free(report);
    for (long at = 1; at < 2000; at += 97) {
        rj_memory_fail_at(at);
        report = (void *)&o;
        if (rij_audit(in(&p, "data.tsv"), &o, &report) == RIJ_OK)
            rij_audit_report_free(report);
        else
            ck_assert_ptr_null(report);
        rj_memory_fail_at(0);
    }
    FAILS(rij_audit(NULL, NULL, &report), RIJ_E_ARGUMENT);
    FAILS(rij_audit(in(&p, "none.tsv"), NULL, &report), RIJ_E_FILE);
    ck_assert_ptr_null(report);
    o.threads = -1;
    FAILS(rij_audit(in(&p, "data.tsv"), &o, &report), RIJ_E_ARGUMENT);
    save_text(&p, "one.tsv", "path\tlabel\n000\treal\n002\treal\n");
    FAILS(rij_audit(in(&p, "one.tsv"), NULL, &report), RIJ_E_DATA);
    ck_assert(rij_audit_facts(NULL) == 0 && rij_audit_pairs(NULL) == 0);
    rij_audit_report_free(NULL);
    place_free(&p);
}
END_TEST

SUITE(audit, each_planted_shortcut_is_named, a_format_tells_everything,
      the_same_picture_in_two_splits_is_found, a_folder_of_copies_is_told_in_part,
      skies_of_two_colours_are_two_pictures, a_group_may_hold_the_same_picture,
      an_audit_is_the_same_for_any_number_of_threads, what_cannot_be_audited_is_refused)
