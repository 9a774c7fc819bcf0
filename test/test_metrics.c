/* test_metrics.c: figures against scikit-learn's, and the fit of the decision. */
#include "judge/judge.h"
#include "test.h"
#include <math.h>
#include "golden/metrics.inc"

typedef struct golden {
    const char *name;
    int n;
    const int *label;
    const double *score, *weight, *figure;
} golden;

static const golden cases[] = {
#define X(name, n) {#name, n, label_##name, score_##name, weight_##name, figure_##name},
    RJ_GOLDEN_METRICS(X)
#undef X
};

static void same(const char *name, const char *what, double x, double wanted)
{
    ck_assert_msg(isnan(wanted) ? isnan(x) : fabs(x - wanted) <= 1e-12,
                  "%s, %s: %.17g, not %.17g", name, what, x, wanted);
}

static void same_figures(const golden *g, const double *score, const int *label,
                         const double *weight)
{
    double x = -1;

    OK(rj_metric_ap(g->n, score, label, NULL, &x));
    same(g->name, "AP", x, g->figure[0]);
    OK(rj_metric_ap(g->n, score, label, weight, &x));
    same(g->name, "weighted AP", x, g->figure[1]);
    OK(rj_metric_auc(g->n, score, label, NULL, &x));
    same(g->name, "AUC", x, g->figure[2]);
    OK(rj_metric_auc(g->n, score, label, weight, &x));
    same(g->name, "weighted AUC", x, g->figure[3]);
    OK(rj_metric_eer(g->n, score, label, &x));
    same(g->name, "EER", x, g->figure[4]);
    OK(rj_metric_tpr(g->n, score, label, 0.01, &x));
    same(g->name, "TPR at 1 %", x, g->figure[5]);
    OK(rj_metric_tpr(g->n, score, label, 0.05, &x));
    same(g->name, "TPR at 5 %", x, g->figure[6]);
}

START_TEST(figures_match_scikit_learn)
{
    for (int i = 0; i < RJ_COUNT(cases); i++)
        same_figures(&cases[i], cases[i].score, cases[i].label, cases[i].weight);
}
END_TEST

START_TEST(figures_do_not_depend_on_the_order_of_images)
{
    enum { MOST = 200 };
    double score[MOST], weight[MOST];
    int label[MOST], order[MOST];

    for (int i = 0; i < RJ_COUNT(cases); i++) {
        const golden *g = &cases[i];
        rj_random r = rj_random_start(3, RJ_STREAM_TEST, (uint64_t)i);

        ck_assert_int_le(g->n, MOST);
        for (int j = 0; j < g->n; j++)
            order[j] = j;
        rj_random_shuffle(&r, order, g->n);
        for (int j = 0; j < g->n; j++) {
            score[j] = g->score[order[j]];
            weight[j] = g->weight[order[j]];
            label[j] = g->label[order[j]];
        }
        same_figures(g, score, label, weight);
    }
}
END_TEST

START_TEST(figures_of_no_image_are_none)
{
    double x = 0;

    OK(rj_metric_ap(0, NULL, NULL, NULL, &x));
    ck_assert(isnan(x));
    OK(rj_metric_tpr(0, NULL, NULL, 0.05, &x));
    ck_assert(isnan(x));
}
END_TEST

START_TEST(figures_refuse_what_is_not_a_number)
{
    const double score[] = {1, NAN, INFINITY};
    const int label[] = {0, 1, 1};
    const long live = rj_memory_live();
    double x = 7;

    FAILS(rj_metric_ap(3, score, label, NULL, &x), RIJ_E_DIVERGED);
    FAILS(rj_metric_auc(3, score, label, NULL, &x), RIJ_E_DIVERGED);
    FAILS(rj_metric_eer(3, score, label, &x), RIJ_E_DIVERGED);
    FAILS(rj_metric_tpr(3, score, label, 0.05, &x), RIJ_E_DIVERGED);
    rj_memory_fail_at(1);
    FAILS(rj_metric_ap(1, score, label, NULL, &x), RIJ_E_MEMORY);
    rj_memory_fail_at(0);
    ck_assert(x == 7);
    ck_assert_int_eq(rj_memory_live(), live);
}
END_TEST

START_TEST(the_threshold_for_false_alarms_is_the_smallest)
{
    /* 20 reals 1..20: one may lie above, so the threshold is 19. */
    double score[24] = {0}, tpr;
    int label[24] = {0};

    for (int i = 0; i < 20; i++)
        score[i] = i + 1;
    for (int i = 20; i < 24; i++) {
        label[i] = 1;
        score[i] = i - 2.5; // 17.5, 18.5, 19.5, 20.5
    }
    OK(rj_metric_tpr(24, score, label, 0.05, &tpr));
    ck_assert(tpr == 0.5);
    OK(rj_metric_tpr(24, score, label, 0.04, &tpr));
    ck_assert(tpr == 0.25);
    OK(rj_metric_tpr(24, score, label, 1, &tpr));
    ck_assert(tpr == 1);
}
END_TEST

/* ---- the decision ----------------------------------------------------------------- */

enum { N = 400 };
typedef struct scores {
    double cls[N], prox[N];
    int label[N];
} scores;

/* S_cls is N(3 y - 1, 1.5), three reals to a fake; S_prox is N(0.2 y - 0.5, 0.1). */
static void draw(scores *s, double along_cls, double along_prox)
{
    rj_random r = rj_random_start(11, RJ_STREAM_TEST, 0);

    for (int i = 0; i < N; i++) {
        s->label[i] = i % 4 == 0;
        s->cls[i] = along_cls * s->label[i] - 1 + 1.5 * rj_random_normal(&r);
        s->prox[i] = along_prox * s->label[i] - 0.5 + 0.1 * rj_random_normal(&r);
    }
}

/* The cross-entropy that calibrate.c documents, written once more. */
static double entropy(const scores *s, const rj_decision *d, double a, double b)
{
    double sum = 0;
    int count[2] = {0, 0};

    for (int i = 0; i < N; i++)
        count[s->label[i]]++;
    for (int i = 0; i < N; i++) {
        const int y = s->label[i];
        const double f = a * rj_decision_s(d, s->cls[i], s->prox[i]) + b;
        const double t = y ? (count[1] + 1.0) / (count[1] + 2) : 1.0 / (count[0] + 2);

        sum -= 0.5 / count[y] *
               (t * log(1 / (1 + exp(-f))) + (1 - t) * log(1 / (1 + exp(f))));
    }
    return sum;
}

START_TEST(calibration_finds_the_lowest_entropy)
{
    scores s;

    draw(&s, 3, 0.2);
    for (int by = 0; by < RJ_DECIDES; by++) {
        rj_decision d = {.by = (enum rj_decide)by};
        double least;

        OK(rj_calibrate(N, s.cls, s.prox, s.label, &d));
        least = entropy(&s, &d, d.a, d.b);
        ck_assert(d.a > 0 && least < 0.6);
        for (int i = 0; i < 8; i++) {
            const double a = d.a + 1e-4 * ((i & 1) - 0.5), b = d.b + 1e-4 * ((i & 2) - 1);

            ck_assert_msg(entropy(&s, &d, a, b) > least, "%s: not the minimum",
                          rj_decide_names[by]);
        }
    }
}
END_TEST

START_TEST(calibration_recovers_a_known_law)
{
    /* Reals N(-1,1.5), fakes N(2,1.5): the log odds at equal classes are
     * (3 s - 1.5) / 2.25, so a is 4/3 and b is -2/3. */
    scores s;
    rj_decision d = {.by = RJ_DECIDE_CLASSIFIER};

    draw(&s, 3, 0.2);
    OK(rj_calibrate(N, s.cls, s.prox, s.label, &d));
    ck_assert_double_eq_tol(d.a, 4.0 / 3, 0.25);
    ck_assert_double_eq_tol(d.b, -2.0 / 3, 0.25);
    ck_assert_double_eq_tol(d.prox_mean, -0.4, 0.02);
    ck_assert_double_eq_tol(d.prox_deviation, sqrt(0.1 * 0.1 + 0.1 * 0.1), 0.02);
}
END_TEST

START_TEST(separable_scores_are_calibrated_finitely)
{
    static const double cls[] = {-3, -2, 4, 5}, prox[4] = {0};
    static const int label[] = {0, 0, 1, 1};
    rj_decision d = {.by = RJ_DECIDE_CLASSIFIER};

    OK(rj_calibrate(4, cls, prox, label, &d));
    ck_assert(isfinite(d.a) && d.a > 0.1 && d.a < 2);
    ck_assert(rj_decision_margin(&d, -2, 0) < 0 && rj_decision_margin(&d, 4, 0) > 0);
    ck_assert(d.prox_mean == 0 && d.prox_deviation == 1);
}
END_TEST

START_TEST(scores_that_rank_backwards_keep_their_direction)
{
    scores s;
    rj_decision d = {.by = RJ_DECIDE_CLASSIFIER};

    draw(&s, -3, 0);
    OK(rj_calibrate(N, s.cls, s.prox, s.label, &d));
    ck_assert(d.a > 0 && d.a < 0.01);
    for (int i = 0; i < N; i++)
        s.cls[i] = 2;
    OK(rj_calibrate(N, s.cls, s.prox, s.label, &d));
    ck_assert(d.a > 0 && fabs(rj_decision_margin(&d, 2, 0)) < 1e-9);
}
END_TEST

START_TEST(fusion_weighs_what_helps)
{
    scores s;
    rj_decision d = {.by = RJ_DECIDE_FUSED};
    double alone, fused, both[N];

    draw(&s, 1.5, 0.15); // both say something
    OK(rj_calibrate(N, s.cls, s.prox, s.label, &d));
    ck_assert(d.kappa > 0);
    for (int i = 0; i < N; i++)
        both[i] = rj_decision_s(&d, s.cls[i], s.prox[i]);
    OK(rj_metric_auc(N, s.cls, s.label, NULL, &alone));
    OK(rj_metric_auc(N, both, s.label, NULL, &fused));
    ck_assert(fused > alone + 0.02);
    draw(&s, 3, -0.15); // S_prox misleads
    OK(rj_calibrate(N, s.cls, s.prox, s.label, &d));
    ck_assert(d.kappa == 0);
}
END_TEST

START_TEST(calibration_refuses_what_it_cannot_fit)
{
    scores s;
    const rj_decision before = {RJ_DECIDE_FUSED, 1, 2, 3, 4, 5};
    rj_decision d = before;
    const long live = rj_memory_live();

    draw(&s, 3, 0.2);
    FAILS(rj_calibrate(0, s.cls, s.prox, s.label, &d), RIJ_E_DATA);
    FAILS(rj_calibrate(1, s.cls, s.prox, s.label, &d), RIJ_E_DATA);
    for (long n = 1; n <= 2; n++) {
        rj_memory_fail_at(n);
        FAILS(rj_calibrate(N, s.cls, s.prox, s.label, &d), RIJ_E_MEMORY);
        rj_memory_fail_at(0);
    }
    s.prox[7] = NAN;
    FAILS(rj_calibrate(N, s.cls, s.prox, s.label, &d), RIJ_E_DIVERGED);
    ck_assert(d.by == before.by && d.kappa == 1 && d.a == 4 && d.b == 5);
    ck_assert_int_eq(rj_memory_live(), live);
}
END_TEST

SUITE(metrics, 20, figures_match_scikit_learn,
      figures_do_not_depend_on_the_order_of_images, figures_of_no_image_are_none,
      figures_refuse_what_is_not_a_number, the_threshold_for_false_alarms_is_the_smallest,
      calibration_finds_the_lowest_entropy, calibration_recovers_a_known_law,
      separable_scores_are_calibrated_finitely,
      scores_that_rank_backwards_keep_their_direction, fusion_weighs_what_helps,
      calibration_refuses_what_it_cannot_fit)
