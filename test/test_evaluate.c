/* test_evaluate.c: rows of figures from margins that are known, folders held out, and the
 * same bits whatever the threads. */
#include "judged_world.h"

/* ---- margins that are known ------------------------------------------------------- */

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

START_TEST(figures_are_those_of_the_margins)
{
    world w;
    rij_evaluation *e;
    rij_evaluation_row r;
    double brier = 0;

    world_new(&w);
    e = judged(&w, NULL, 1);
    r = row_of(e, "ant", "native"); // 2 f, 1 r, .5 f, -1 r, -2 r, -3 r
    ck_assert(r.n_real == 4 && r.n_fake == 2);
    IS(r.ap_plain, (1 + 2.0 / 3) / 2);
    IS(r.ap, (1 + 2 / 2.5) / 2); // a real weighs 1/2
    IS(r.auc, 7.0 / 8);
    IS(r.eer, 0.25); // 1 of 4 reals from 1 to 0.5, where the misses go from 1/2 to 0
    IS(r.racc, 0.75);
    IS(r.facc, 1);
    IS(r.bacc, 0.875);
    IS(r.fpr1, 0);
    IS(r.tpr1, 0.5);
    IS(r.fpr5, 0.5);
    IS(r.tpr5, 1);
    ck_assert(r.shift_real == 0 && r.shift_fake == 0);
    for (int i = 0; i < 4; i++)
        brier += 0.5 / 4 * pow(logistic((const double[]){-3, -1, 1, -2}[i]), 2);
    brier += 0.5 / 2 * (pow(1 - logistic(2), 2) + pow(1 - logistic(0.5), 2));
    IS(r.brier, brier);
    // bins of the probabilities .05 .27 .73 .12 | .88 .62: six apart, but none shared
    IS(r.ece, 0.125 * (logistic(-3) + logistic(-1) + logistic(1) + logistic(-2)) +
                  0.25 * (2 - logistic(2) - logistic(0.5)));
    ck_assert(r.ap_low <= r.ap && r.ap <= r.ap_high && r.auc_high <= 1);
    r = row_of(e, "ant", "jpeg75");
    IS(r.shift_real, 1);
    IS(r.shift_fake, 2);
    IS(r.racc, 0.75); // margin 0 is no alarm
    r = row_of(e, "mAP", "native");
    ck_assert(r.n_real == 4 && r.n_fake == 3);
    IS(r.auc, (7.0 / 8 + 1.0 / 4) / 2);
    IS(r.facc, 0.5);
    r = row_of(e, "POOLED", "native");
    ck_assert(r.n_real == 4 && r.n_fake == 3);
    IS(r.auc, (4 + 3 + 1) / 12.0);
    rij_evaluation_free(e);
    world_free(&w);
}
END_TEST

START_TEST(figures_that_cannot_be_are_none)
{
    world w;
    rij_evaluation *e;
    rij_evaluation_row r;

    world_new(&w);
    w.decision.alarm[RJ_ALARM1] = NAN; // an older model file
    w.column[0] = "blur1";
    e = judged(&w, NULL, 2);
    r = row_of(e, "ant", "jpeg75");
    ck_assert(isnan(r.tpr1) && isnan(r.fpr1) && !isnan(r.tpr5) && !isnan(r.fpr5));
    ck_assert(isnan(r.shift_real) && isnan(r.shift_fake));
    r = row_of(e, "mAP", "jpeg75"); // bee has too few
    ck_assert(r.n_fake == 2 && isnan(r.tpr1));
    IS(r.auc, row_of(e, "ant", "jpeg75").auc);
    rij_evaluation_free(e);
    e = judged(&w, NULL, 3);
    r = row_of(e, "mAP", "jpeg75");
    ck_assert(r.n_real == 0 && r.n_fake == 0 && isnan(r.ap) && isnan(r.ap_low));
    rij_evaluation_free(e);
    w.d.sample[5].usable = false; // bee's only one
    e = judged(&w, NULL, 1);
    ck_assert_int_eq(rij_evaluation_rows(e), 6);
    rij_evaluation_free(e);
    world_free(&w);
}
END_TEST

START_TEST(false_alarms_are_told_by_source)
{
    static const char *const source[] = {"", "park", "sea"};
    static const int n[] = {1, 2, 1};
    static const double alarms[][2] = {{0, 0}, {0, 0}, {1, 1}};
    rij_evaluation_source s = {.n = 77};
    rij_evaluation *e;
    world w;

    world_new(&w);
    e = judged(&w, NULL, 1);
    ck_assert_int_eq(rij_evaluation_sources(e), 6);
    for (int i = 0; i < 6; i++) {
        OK(rij_evaluation_source_at(e, i, &s));
        ck_assert_str_eq(s.source, source[i / 2]);
        ck_assert_str_eq(s.column, w.column[i % 2]);
        ck_assert(s.n == n[i / 2] && s.alarms == alarms[i / 2][i % 2]);
    }
    s.n = 77;
    FAILS(rij_evaluation_source_at(e, 6, &s), RIJ_E_ARGUMENT);
    FAILS(rij_evaluation_source_at(e, -1, &s), RIJ_E_ARGUMENT);
    FAILS(rij_evaluation_source_at(e, 0, NULL), RIJ_E_ARGUMENT);
    FAILS(rij_evaluation_source_at(NULL, 0, &s), RIJ_E_ARGUMENT);
    ck_assert(s.n == 77 && rij_evaluation_sources(NULL) == 0);
    rij_evaluation_free(e);
    world_free(&w);
}
END_TEST

/* ---- images ----------------------------------------------------------------------- */

START_TEST(a_folder_held_out_counts_as_fakes)
{
    const place p = place_new(5, 2);
    rij_model *m = trained(&p);
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_evaluation *e = NULL;
    rij_evaluation_row r;

    ck_assert_int_eq(mkdir(under(&p, "held"), 0777), 0);
    ck_assert_int_eq(mkdir(under(&p, "held/deep"), 0777), 0);
    write_picture(under(&p, "held/a.png"), 40, 40, 900, 1);
    write_picture(under(&p, "held/deep/b.png"), 40, 40, 901, 1);
    write_text(under(&p, "held/deep/readme"), "no image");
    o.holdout = under(&p, "held");
    o.min_fakes = 1;
    OK(rij_evaluate(m, p.data, &o, &e));
    r = row_of(e, "holdout", "native");
    ck_assert(r.n_real == 5 && r.n_fake == 2);
    r = row_of(e, "POOLED", "native");
    ck_assert(r.n_real == 5 && r.n_fake == 6);
    ck_assert_int_eq(rij_evaluation_unusable(e), 1);
    rij_evaluation_free(e);
    o.only = "holdout";
    OK(rij_evaluate(m, p.data, &o, &e));
    ck_assert_int_eq(rij_evaluation_rows(e), 3);
    rij_evaluation_free(e);
    o.only = "south";
    OK(rij_evaluate(m, p.data, &o, &e));
    ck_assert_int_eq(rij_evaluation_rows(e), 4);
    rij_evaluation_free(e);
    o.only = NULL;
    o.holdout = under(&p, "nowhere");
    FAILS(rij_evaluate(m, p.data, &o, &e), RIJ_E_FILE);
    ck_assert_int_eq(mkdir(under(&p, "empty"), 0777), 0);
    o.holdout = under(&p, "empty");
    FAILS(rij_evaluate(m, p.data, &o, &e), RIJ_E_DATA);
    write_text(under(&p, "own.tsv"), "path\tlabel\tgenerator\ndata/real/00.png\treal\t\n"
                                     "data/fake/north/00.png\tfake\tholdout\n");
    o.holdout = under(&p, "held");
    FAILS(rij_evaluate(m, under(&p, "own.tsv"), &o, &e), RIJ_E_DATA);
    o.holdout = NULL;
    o.pairs = under(&p, "own.tsv");
    o.shuffle_labels = 1;
    FAILS(rij_evaluate(m, p.data, &o, &e), RIJ_E_ARGUMENT);
    o = (rij_evaluate_options)RIJ_EVALUATE_OPTIONS_INIT;
    o.min_fakes = -1;
    FAILS(rij_evaluate(m, p.data, &o, &e), RIJ_E_ARGUMENT);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* All numbers of all rows, one behind the other. */
static int numbers(const rij_evaluation *e, double *x)
{
    const size_t from = offsetof(rij_evaluation_row, ap);
    const size_t n = (sizeof(rij_evaluation_row) - from) / sizeof(double);
    int count = 0;

    for (int i = 0; i < rij_evaluation_rows(e); i++, count += (int)n) {
        rij_evaluation_row r;

        OK(rij_evaluation_row_at(e, i, &r));
        memcpy(x + count, (const char *)&r + from, n * sizeof(double));
    }
    return count;
}

START_TEST(evaluations_repeat_bit_for_bit_on_any_threads)
{
    static double first[2000], again[2000];
    const place p = place_new(6, 3);
    rij_model *m = trained(&p);
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_open_options open = RIJ_OPEN_OPTIONS_INIT;
    rij_evaluation *e = NULL;
    int n = 0, same = 0;

    OK(rij_model_save(m, p.model));
    rij_model_free(m);
    o.columns = "native,aligned,crop,chain3,chain5,noise3,resize1.2";
    o.seed = 12;
    o.min_fakes = 1;
    for (int threads = 1; threads <= 4; threads *= 2) {
        open.threads = threads;
        OK(rij_model_open(p.model, &open, &m));
        for (int round = 0; round < 1 + (threads == 2); round++) {
            OK(rij_evaluate(m, p.data, &o, &e));
            ck_assert_int_le(n = numbers(e, again), 2000);
            if (threads == 1)
                memcpy(first, again, sizeof first);
            ck_assert_mem_eq(first, again, (size_t)n * sizeof *again);
            rij_evaluation_free(e);
        }
        rij_model_free(m);
    }
    OK(rij_model_open(p.model, &open, &m));
    o.seed = 13;
    OK(rij_evaluate(m, p.data, &o, &e));
    ck_assert_int_eq(numbers(e, again), n);
    for (int i = 0; i < n; i++)
        same += first[i] == again[i];
    ck_assert_int_lt(same, n);
    ck_assert(row_of(e, "POOLED", "noise3").shift_fake != 0);
    rij_evaluation_free(e);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* What the model file keeps decides the rates at few false alarms. */
START_TEST(trained_models_know_their_margins_of_false_alarms)
{
    const place p = place_new(6, 3);
    rij_model *m = trained(&p), *back = NULL;
    rij_evaluation *e = NULL;
    rij_evaluation_row r;
    char text[4000];

    OK(rij_model_save(m, p.model));
    OK(rij_model_open(p.model, NULL, &back));
    ck_assert(m->decision.alarm[RJ_ALARM1] >= m->decision.alarm[RJ_ALARM5]);
    ck_assert_mem_eq(m->decision.alarm, back->decision.alarm, sizeof m->decision.alarm);
    OK(rij_evaluate(back, p.data, NULL, &e));
    r = row_of(e, "north", "native");
    ck_assert(r.tpr1 >= 0 && r.tpr1 <= r.tpr5 && r.tpr5 <= 1 && r.fpr1 <= r.fpr5);
    rij_model_describe(back, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "\nalarms "));
    rij_evaluation_free(e);
    back->decision.alarm[RJ_ALARM1] = back->decision.alarm[RJ_ALARM5] = NAN;
    OK(rij_model_save(back, p.model));
    rij_model_free(back);
    OK(rij_model_open(p.model, NULL, &back));
    ck_assert(isnan(back->decision.alarm[0]) && isnan(back->decision.alarm[1]));
    rij_model_describe(back, text, sizeof text);
    ck_assert_ptr_null(strstr(text, "\nalarms "));
    rij_model_free(back);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

SUITE(evaluate, figures_are_those_of_the_margins, figures_that_cannot_be_are_none,
      false_alarms_are_told_by_source, a_folder_held_out_counts_as_fakes,
      evaluations_repeat_bit_for_bit_on_any_threads,
      trained_models_know_their_margins_of_false_alarms)
