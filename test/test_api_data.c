/* test_api_data.c: the public header's evaluating and forging, as a stranger sees them:
 * what they promise, and every error listed there. */
#include "api_place.h"
#include <math.h>

/* ---- evaluate --------------------------------------------------------------------- */

typedef struct heard {
    int calls, notes, stop_at;
    char note[256];
} heard;

static int hear(const rij_progress *progress, void *user)
{
    heard *h = user;

    ck_assert_ptr_nonnull(progress->phase);
    ck_assert(progress->step >= 0 && progress->step <= progress->steps);
    if (progress->note) {
        h->notes++;
        snprintf(h->note, sizeof h->note, "%s", progress->note);
    }
    return ++h->calls == h->stop_at;
}

static void share(double x)
{
    ck_assert(x >= 0 && x <= 1);
}

START_TEST(rows_follow_columns_and_generators)
{
    static const char *const generators[] = {"north", "south", "mAP", "POOLED"};
    static const char *const columns[] = {"native", "jpeg75", "noise3"};
    const place p = place_new(6, 3);
    rij_model *m = trained(&p);
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_evaluation *e = NULL, *again = NULL;
    rij_evaluation_row row, first = {0}, other;
    heard h = {0};

    write_text(under(&p, "data/real/broken.png"), "no image");
    o.columns = "native, jpeg75 ,noise3";
    o.min_fakes = 3;
    o.progress = hear;
    o.user = &h;
    OK(rij_evaluate(m, p.data, &o, &e));
    OK(rij_evaluate(m, p.data, &o, &again));
    ck_assert_int_eq(rij_evaluation_rows(e), 12);
    ck_assert_int_eq(rij_evaluation_unusable(e), 1);
    ck_assert_int_eq(h.notes, 2);
    ck_assert_ptr_nonnull(strstr(h.note, "broken.png"));
    for (int i = 0; i < 12; i++) {
        OK(rij_evaluation_row_at(e, i, &row));
        OK(rij_evaluation_row_at(again, i, &other));
        ck_assert_str_eq(row.generator, generators[i % 4]);
        ck_assert_str_eq(row.column, columns[i / 4]);
        ck_assert_int_eq(row.n_real, 6);
        ck_assert_int_eq(row.n_fake, i % 4 < 2 ? 3 : 6);
        share(row.ap);
        share(row.ap_plain);
        share(row.auc);
        share(row.racc);
        share(row.facc);
        share(row.eer);
        share(row.tpr5);
        ck_assert(row.ap == other.ap && row.auc == other.auc && row.eer == other.eer);
        if (i % 4 == 0)
            first = row;
        if (i % 4 == 2) { // mAP: the mean of the two before
            OK(rij_evaluation_row_at(e, i - 1, &other));
            ck_assert_double_eq_tol(row.ap, (first.ap + other.ap) / 2, 1e-12);
            ck_assert_double_eq_tol(row.facc, (first.facc + other.facc) / 2, 1e-12);
        }
        if (i % 4 == 3) // equal numbers: weighing the classes changes nothing
            ck_assert_double_eq_tol(row.ap, row.ap_plain, 1e-12);
    }
    rij_evaluation_free(e);
    rij_evaluation_free(again);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* The pooled row's accuracies are those of judging the files one by one. */
START_TEST(evaluating_judges_as_predicting_does)
{
    const place p = place_new(5, 2);
    rij_model *m = trained(&p);
    rij_evaluation *e = NULL;
    rij_evaluation_row row;
    rij_verdict v;
    char name[64];
    int right = 0, reals = 0;
    double fake[4], real[5], above = 0;

    OK(rij_evaluate(m, p.data, NULL, &e));
    OK(rij_evaluation_row_at(e, rij_evaluation_rows(e) - 1, &row));
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "data/real/%02d.png", i);
        OK(rij_predict_file(m, under(&p, name), &v));
        reals += !v.generated;
        real[i] = v.margin;
    }
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "data/fake/%s/%02d.png", i % 2 ? "south" : "north",
                 i / 2);
        OK(rij_predict_file(m, under(&p, name), &v));
        right += v.generated;
        fake[i] = v.margin;
        for (int k = 0; k < 5; k++)
            above += fake[i] > real[k] ? 1 : fake[i] == real[k] ? 0.5 : 0;
    }
    ck_assert_double_eq_tol(row.racc, reals / 5.0, 1e-12);
    ck_assert_double_eq_tol(row.facc, right / 4.0, 1e-12);
    ck_assert_double_eq_tol(row.auc, above / 20, 1e-12);
    rij_evaluation_free(e);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(only_the_named_generators_are_judged)
{
    const place p = place_new(4, 2);
    rij_model *m = trained(&p);
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_evaluation *e = NULL;
    rij_evaluation_row row;

    o.only = "south";
    OK(rij_evaluate(m, p.data, &o, &e));
    ck_assert_int_eq(rij_evaluation_rows(e), 3);
    OK(rij_evaluation_row_at(e, 0, &row));
    ck_assert_str_eq(row.generator, "south");
    OK(rij_evaluation_row_at(e, 2, &row));
    ck_assert_int_eq(row.n_fake, 2);
    rij_evaluation_free(e);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

#define EVALUATE_FAILS(data, wanted)                                                     \
    do {                                                                                 \
        rij_evaluation *made = (rij_evaluation *)(void *)&o;                             \
        FAILS(rij_evaluate(m, data, &o, &made), wanted);                                 \
        ck_assert_ptr_null(made);                                                        \
    } while (0)

START_TEST(evaluations_that_cannot_be_are_refused)
{
    static const char *const columns[] = {
        "",        "native,", "jpeg",    "jpeg0",   "jpeg101", "blur0",         "blur9",
        "noise-1", "noise65", "resize0", "resize3", "sepia",   "native,,jpeg75"};
    const place p = place_new(4, 2);
    rij_model *m = trained(&p);
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_evaluation *e = NULL;
    heard h = {.stop_at = 1};

    FAILS(rij_evaluate(NULL, p.data, NULL, &e), RIJ_E_ARGUMENT);
    FAILS(rij_evaluate(m, NULL, NULL, &e), RIJ_E_ARGUMENT);
    FAILS(rij_evaluate(m, p.data, NULL, NULL), RIJ_E_ARGUMENT);
    ck_assert_ptr_null(e);
    EVALUATE_FAILS(under(&p, "none"), RIJ_E_FILE);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        o.columns = columns[i];
        EVALUATE_FAILS(p.data, RIJ_E_ARGUMENT);
    }
    o.columns = NULL;
    o.only = "north,east";
    EVALUATE_FAILS(p.data, RIJ_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "east"));
    o.only = NULL;
    o.size = 8;
    EVALUATE_FAILS(p.data, RIJ_E_ARGUMENT);
    o.size = sizeof o;
    EVALUATE_FAILS(under(&p, "data/fake"), RIJ_E_DATA);
    write_text(under(&p, "one.tsv"), "path\tlabel\ndata/real/00.png\treal\n");
    EVALUATE_FAILS(under(&p, "one.tsv"), RIJ_E_DATA);
    write_text(under(&p, "gone.tsv"),
               "path\tlabel\ndata/real/00.png\treal\nnowhere.png\tfake\n");
    EVALUATE_FAILS(under(&p, "gone.tsv"), RIJ_E_DATA);
    o.progress = hear;
    o.user = &h;
    EVALUATE_FAILS(p.data, RIJ_E_CANCELLED);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(rows_that_are_not_there_are_refused)
{
    const place p = place_new(4, 2);
    rij_model *m = trained(&p);
    rij_evaluation *e = NULL;
    rij_evaluation_row row = {.n_real = 77};

    OK(rij_evaluate(m, p.data, NULL, &e));
    FAILS(rij_evaluation_row_at(NULL, 0, &row), RIJ_E_ARGUMENT);
    FAILS(rij_evaluation_row_at(e, 0, NULL), RIJ_E_ARGUMENT);
    FAILS(rij_evaluation_row_at(e, -1, &row), RIJ_E_ARGUMENT);
    FAILS(rij_evaluation_row_at(e, rij_evaluation_rows(e), &row), RIJ_E_ARGUMENT);
    ck_assert_int_eq(row.n_real, 77);
    ck_assert_int_eq(rij_evaluation_rows(NULL), 0);
    ck_assert_int_eq(rij_evaluation_unusable(NULL), 0);
    rij_evaluation_free(e);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* ---- forge ------------------------------------------------------------------------ */

START_TEST(forging_that_cannot_be_is_refused)
{
    const place p = place_new(1, 0);
    const char *photos = under(&p, "data/real"), *out = under(&p, "out");
    rij_forge_options o = RIJ_FORGE_OPTIONS_INIT;
    heard h = {.stop_at = 1};

    o.crop = 32;
    o.crops = 1;
    o.threads = 1;
    o.families = "fixed-zero";
    FAILS(rij_forge(NULL, out, &o), RIJ_E_ARGUMENT);
    FAILS(rij_forge(photos, NULL, &o), RIJ_E_ARGUMENT);
    o.crop = 40;
    FAILS(rij_forge(photos, out, &o), RIJ_E_ARGUMENT);
    o.crop = 32;
    o.families = "cubist";
    FAILS(rij_forge(photos, out, &o), RIJ_E_ARGUMENT);
    o.families = "fixed-zero";
    o.size = 3;
    FAILS(rij_forge(photos, out, &o), RIJ_E_ARGUMENT);
    o.size = sizeof o;
    o.device = "abacus";
    FAILS(rij_forge(photos, out, &o), RIJ_E_DEVICE);
    o.device = "cpu";
    FAILS(rij_forge(under(&p, "none"), out, &o), RIJ_E_FILE);
    photos = under(&p, "data/real");
    write_text(under(&p, "file"), "in the way");
    FAILS(rij_forge(photos, under(&p, "file/out"), &o), RIJ_E_FILE);
    FAILS(rij_forge(under(&p, "data/fake"), under(&p, "out"), &o), RIJ_E_DATA);
    o.progress = hear;
    o.user = &h;
    FAILS(rij_forge(under(&p, "data/real"), under(&p, "out"), &o), RIJ_E_CANCELLED);
    ck_assert_int_ne(access(under(&p, "out/manifest.tsv"), F_OK), 0);
    h.stop_at = 0;
    OK(rij_forge(under(&p, "data/real"), under(&p, "out"), &o));
    ck_assert_int_eq(access(under(&p, "out/manifest.tsv"), F_OK), 0);
    place_free(&p);
}
END_TEST

SUITE(api_data, rows_follow_columns_and_generators, evaluating_judges_as_predicting_does,
      only_the_named_generators_are_judged, evaluations_that_cannot_be_are_refused,
      rows_that_are_not_there_are_refused, forging_that_cannot_be_is_refused)
