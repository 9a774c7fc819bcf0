/* test_metrics.c: figures against scikit-learn's, and the fit of the decision. */
#include "judge/judge.h"
#include "test.h"
#include <math.h>
#include <string.h>
#include "golden/metrics.inc"

typedef struct golden {
    const char *name;
    int n;
    const int *label;
    const double *score, *weight, *prob, *figure;
} golden;

static const golden cases[] = {
#define X(name, n)                                                                       \
    {#name, n, label_##name, score_##name, weight_##name, prob_##name, figure_##name},
    RJ_GOLDEN_METRICS(X)
#undef X
};

static void same(const char *name, const char *what, double x, double wanted)
{
    ck_assert_msg(isnan(wanted) ? isnan(x) : fabs(x - wanted) <= 1e-12,
                  "%s, %s: %.17g, not %.17g", name, what, x, wanted);
}

/* Share of fakes above the threshold of a share of reals. */
static double tpr(int n, const double *score, const int *label, double share)
{
    double threshold, fakes = 0, above = 0;

    OK(rj_metric_threshold(n, score, label, share, &threshold));
    for (int i = 0; i < n; i++) {
        fakes += label[i];
        above += label[i] && score[i] > threshold;
    }
    return isnan(threshold) ? NAN : above / fakes;
}

static void same_figures(const golden *g, const double *score, const int *label,
                         const double *weight, const double *prob)
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
    same(g->name, "TPR at 1 %", tpr(g->n, score, label, 0.01), g->figure[5]);
    same(g->name, "TPR at 5 %", tpr(g->n, score, label, 0.05), g->figure[6]);
    OK(rj_metric_brier(g->n, prob, label, NULL, &x));
    same(g->name, "Brier", x, g->figure[7]);
    OK(rj_metric_brier(g->n, prob, label, weight, &x));
    same(g->name, "weighted Brier", x, g->figure[8]);
    OK(rj_metric_ece(g->n, prob, label, NULL, &x));
    same(g->name, "ECE", x, g->figure[9]);
    OK(rj_metric_ece(g->n, prob, label, weight, &x));
    same(g->name, "weighted ECE", x, g->figure[10]);
}

START_TEST(figures_match_scikit_learn)
{
    for (int i = 0; i < RJ_COUNT(cases); i++)
        same_figures(&cases[i], cases[i].score, cases[i].label, cases[i].weight,
                     cases[i].prob);
}
END_TEST

START_TEST(figures_do_not_depend_on_the_order_of_images)
{
    enum { MOST = 200 };
    double score[MOST], weight[MOST], prob[MOST];
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
            prob[j] = g->prob[order[j]];
            label[j] = g->label[order[j]];
        }
        same_figures(g, score, label, weight, prob);
    }
}
END_TEST

START_TEST(figures_of_no_image_are_none)
{
    double x = 0;

    OK(rj_metric_ap(0, NULL, NULL, NULL, &x));
    ck_assert(isnan(x));
    OK(rj_metric_threshold(0, NULL, NULL, 0.05, &x));
    ck_assert(isnan(x));
    OK(rj_metric_brier(0, NULL, NULL, NULL, &x));
    ck_assert(isnan(x));
    OK(rj_metric_ece(0, NULL, NULL, NULL, &x));
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
    FAILS(rj_metric_threshold(3, score, label, 0.05, &x), RIJ_E_DIVERGED);
    FAILS(rj_metric_brier(3, score, label, NULL, &x), RIJ_E_DIVERGED);
    FAILS(rj_metric_ece(3, &score[1], label, NULL, &x), RIJ_E_DIVERGED);
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
    double score[24] = {0}, t;
    int label[24] = {0};

    for (int i = 0; i < 20; i++)
        score[i] = i + 1;
    for (int i = 20; i < 24; i++) {
        label[i] = 1;
        score[i] = i - 2.5; // 17.5, 18.5, 19.5, 20.5
    }
    OK(rj_metric_threshold(24, score, label, 0.05, &t));
    ck_assert(t == 19);
    OK(rj_metric_threshold(24, score, label, 0.04, &t));
    ck_assert(t == 20);
    OK(rj_metric_threshold(24, score, label, 1, &t));
    ck_assert(t == -INFINITY);
    score[18] = 20; // 20 twice: none may lie above
    OK(rj_metric_threshold(24, score, label, 0.05, &t));
    ck_assert(t == 20);
}
END_TEST

/* ---- intervals -------------------------------------------------------------------- */

START_TEST(quantiles_are_those_of_numpy)
{
    double x[RJ_COUNT(quantiled) + 2] = {NAN}, low, high;

    memcpy(x + 1, quantiled, sizeof quantiled);
    x[RJ_COUNT(x) - 1] = NAN;
    rj_interval(RJ_COUNT(x), x, &low, &high);
    same("57 numbers", "2.5 %", low, quantiles[0]);
    same("57 numbers", "97.5 %", high, quantiles[1]);
    x[0] = 3;
    rj_interval(1, x, &low, &high);
    ck_assert(low == 3 && high == 3);
    x[0] = NAN;
    rj_interval(1, x, &low, &high);
    ck_assert(isnan(low) && isnan(high));
}
END_TEST

START_TEST(images_are_drawn_by_poisson_numbers_of_their_own)
{
    enum { IMAGES = 4001, FEW = 40 };
    static uint8_t w[IMAGES], few[FEW];
    double sum = 0, square = 0, none = 0, n = 0;

    for (int round = 0; round < 50; round++) {
        rj_bootstrap_weights(3, round, IMAGES, w);
        rj_bootstrap_weights(3, round, FEW, few);
        ck_assert_mem_eq(w, few, FEW);
        for (int i = 0; i < IMAGES; i++, n++) {
            sum += w[i];
            square += w[i] * w[i];
            none += w[i] == 0;
        }
    }
    // within 4 deviations: of w 1, of (w - 1)^2 sqrt 3, of a share p sqrt(p - p^2)
    ck_assert_double_eq_tol(sum / n, 1, 4 / sqrt(n));
    ck_assert_double_eq_tol(square / n - 2 * sum / n + 1, 1, 4 * sqrt(3 / n));
    ck_assert_double_eq_tol(none / n, exp(-1), 4 * 0.4823 / sqrt(n));
    rj_bootstrap_weights(3, 0, FEW, few);
    rj_bootstrap_weights(4, 0, FEW, w);
    ck_assert_mem_ne(w, few, FEW);
}
END_TEST

typedef struct ranking {
    rj_ranked item[200];
    double score[200], ap[RJ_ROUNDS], auc[RJ_ROUNDS];
    int label[200], n;
} ranking;

/* Numbers with ties, from the highest down; images are numbered from the lowest up. */
static void rank_some(ranking *r, int n)
{
    rj_random random = rj_random_start(21, RJ_STREAM_TEST, 0);

    r->n = n;
    for (int i = 0; i < n; i++) {
        r->score[i] = floor((n - i) / 2.0);
        r->label[i] = rj_random_uniform(&random, 0, 1) < (double)(n - i) / n;
        r->item[i] = (rj_ranked){n - 1 - i, r->label[i], true};
        if (i > 0 && r->score[i] == r->score[i - 1])
            r->item[i - 1].last = false;
    }
}

START_TEST(rounds_are_weighted_figures_for_any_number_of_threads)
{
    static ranking one, three;
    static uint8_t drawn[200];
    rj_pool *pool;

    for (int threads = 1; threads <= 3; threads += 2) {
        ranking *r = threads == 1 ? &one : &three;

        rank_some(r, 150);
        OK(rj_pool_new(threads, &pool));
        OK(rj_bootstrap(pool, 9, 200, r->n, r->item, r->ap, r->auc));
        rj_pool_free(pool);
    }
    ck_assert_mem_eq(one.ap, three.ap, sizeof one.ap);
    ck_assert_mem_eq(one.auc, three.auc, sizeof one.auc);
    for (int round = 0; round < RJ_ROUNDS; round += 97) {
        double w[200], all[2] = {0, 0}, ap, auc;

        rj_bootstrap_weights(9, round, 200, drawn);
        for (int i = 0; i < one.n; i++) {
            w[i] = drawn[one.item[i].image];
            all[one.label[i]] += w[i];
        }
        OK(rj_metric_auc(one.n, one.score, one.label, w, &auc));
        for (int i = 0; i < one.n; i++)
            w[i] *= one.label[i] ? 1 : all[1] / all[0];
        OK(rj_metric_ap(one.n, one.score, one.label, w, &ap));
        same("a round", "AP", one.ap[round], ap);
        same("a round", "AUC", one.auc[round], auc);
    }
}
END_TEST

/* DeLong's deviation of AUC (DeLong, DeLong and Clarke-Pearson 1988), which resampling
 * comes to; 1000 rounds know a quantile to about a tenth of it. */
START_TEST(intervals_are_as_wide_as_theory_says)
{
    static ranking r;
    double mean = 0, fake = 0, real = 0, above[200] = {0}, all[2] = {0, 0}, low, high;
    rj_pool *pool;

    rank_some(&r, 200);
    for (int i = 0; i < r.n; i++)
        all[r.label[i]]++;
    for (int i = 0; i < r.n; i++)
        for (int k = 0; k < r.n; k++)
            if (r.label[i] && !r.label[k]) {
                const double x = r.score[i] > r.score[k]    ? 1
                                 : r.score[i] == r.score[k] ? 0.5
                                                            : 0;
                above[i] += x / all[0];
                above[k] += x / all[1];
                mean += x / all[0] / all[1];
            }
    for (int i = 0; i < r.n; i++) {
        const double d = (above[i] - mean) * (above[i] - mean) / (all[r.label[i]] - 1);

        *(r.label[i] ? &fake : &real) += d;
    }
    OK(rj_pool_new(1, &pool));
    OK(rj_bootstrap(pool, 1, r.n, r.n, r.item, r.ap, r.auc));
    rj_pool_free(pool);
    rj_interval(RJ_ROUNDS, r.auc, &low, &high);
    ck_assert_double_eq_tol(
        (high - low) / (2 * 1.96 * sqrt(fake / all[1] + real / all[0])), 1, 0.1);
    ck_assert(low < mean && mean < high);
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

START_TEST(calibration_keeps_the_margins_of_false_alarms)
{
    static const double share[RJ_ALARMS] = {0.01, 0.05};
    scores s;

    draw(&s, 3, 0.2);
    for (int by = 0; by < RJ_DECIDES; by++) {
        rj_decision d = {.by = (enum rj_decide)by};

        OK(rj_calibrate(N, s.cls, s.prox, s.label, &d));
        for (int k = 0; k < RJ_ALARMS; k++) {
            int above = 0, at = 0;

            for (int i = 0; i < N; i++) {
                const double m = rj_decision_margin(&d, s.cls[i], s.prox[i]);

                above += s.label[i] == 0 && m > d.alarm[k];
                at += s.label[i] == 0 && m == d.alarm[k];
            }
            // 300 reals: 3 and 15 may lie above, and with the next one it were more
            ck_assert_int_eq(above, (int)(300 * share[k]));
            ck_assert_int_eq(at, 1);
        }
    }
}
END_TEST

START_TEST(calibration_refuses_what_it_cannot_fit)
{
    scores s;
    const rj_decision before = {RJ_DECIDE_FUSED, 1, 2, 3, 4, 5, {6, 7}};
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
    ck_assert(d.alarm[0] == 6 && d.alarm[1] == 7);
    ck_assert_int_eq(rj_memory_live(), live);
}
END_TEST

SUITE(metrics, figures_match_scikit_learn, figures_do_not_depend_on_the_order_of_images,
      figures_of_no_image_are_none, figures_refuse_what_is_not_a_number,
      the_threshold_for_false_alarms_is_the_smallest, quantiles_are_those_of_numpy,
      images_are_drawn_by_poisson_numbers_of_their_own,
      rounds_are_weighted_figures_for_any_number_of_threads,
      intervals_are_as_wide_as_theory_says, calibration_finds_the_lowest_entropy,
      calibration_recovers_a_known_law, separable_scores_are_calibrated_finitely,
      scores_that_rank_backwards_keep_their_direction, fusion_weighs_what_helps,
      calibration_keeps_the_margins_of_false_alarms,
      calibration_refuses_what_it_cannot_fit)
