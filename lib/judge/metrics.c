/* metrics.c: how well scores tell fakes from reals, as scikit-learn computes it.
 *
 * All figures are read off one walk: scores from the highest down, equal scores taken
 * together as one step. After a step the weight of fakes so far is tp, of reals fp, of
 * all fakes P, of all reals N; the point (fp / N, tp / P) lies on the ROC curve.
 *
 *     AP  = sum over steps of (R - R before) tp / (tp + fp),   R = tp / P
 *     AUC = sum over steps of (fp - fp before) (tp + tp before) / 2 / (P N)
 *     EER = fp / N where it meets 1 - tp / P, on the line between two points
 *     threshold = score of the first step whose fp / N is past the bound
 *
 * AUC is P(fake above real) + P(equal) / 2 (Mann and Whitney 1947). Weights of zero leave
 * a score out. The order of equal scores in the sort is that of the caller's array, so
 * sums of weights repeat bit for bit. */
#include "judge/judge.h"
#include <math.h>
#include <stdlib.h>

enum { BINS = 15 };

typedef struct item {
    double score, fake, real; /* weight, on the side of its class */
    int index;
} item;

typedef struct ranking {
    item *item; /* from the highest score down */
    int n;
    double fakes, reals; /* P and N */
} ranking;

/* The highest score first; equal ones as they came. */
static int order(const void *a, const void *b)
{
    const item *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static rij_status rank(int n, const double *score, const int *label, const double *weight,
                       ranking *out)
{
    ranking r = {0};

    for (int i = 0; i < n; i++)
        RJ_REQUIRE(!isnan(score[i]), RIJ_E_DIVERGED, "metrics: score %d is not a number",
                   i);
    if (n > 0) {
        r.item = rj_alloc((size_t)n, sizeof *r.item);
        RJ_REQUIRE(r.item, RIJ_E_MEMORY, "metrics: no memory for %d scores", n);
    }
    for (int i = 0; i < n; i++) {
        const double w = weight ? weight[i] : 1;

        if (w > 0)
            r.item[r.n++] = (item){score[i], label[i] == RJ_FAKE_LABEL ? w : 0,
                                   label[i] == RJ_FAKE_LABEL ? 0 : w, i};
    }
    if (r.n > 1)
        qsort(r.item, (size_t)r.n, sizeof *r.item, order);
    for (int i = 0; i < r.n; i++) {
        r.fakes += r.item[i].fake;
        r.reals += r.item[i].real;
    }
    *out = r;
    return RIJ_OK;
}

static bool both_classes(const ranking *r)
{
    return r->fakes > 0 && r->reals > 0;
}

/* Add the next distinct score, from *i on; false at the end. */
static bool step(const ranking *r, int *i, double *tp, double *fp)
{
    const int first = *i;

    while (*i < r->n && r->item[*i].score == r->item[first].score) {
        *tp += r->item[*i].fake;
        *fp += r->item[*i].real;
        ++*i;
    }
    return *i > first;
}

rij_status rj_metric_ap(int n, const double *score, const int *label,
                        const double *weight, double *ap)
{
    double tp = 0, fp = 0, before = 0, sum = 0;
    int i = 0;
    ranking r;

    RJ_TRY(rank(n, score, label, weight, &r));
    while (step(&r, &i, &tp, &fp)) {
        sum += (tp - before) * tp / (tp + fp);
        before = tp;
    }
    *ap = both_classes(&r) ? sum / r.fakes : NAN;
    rj_free(r.item);
    return RIJ_OK;
}

rij_status rj_metric_auc(int n, const double *score, const int *label,
                         const double *weight, double *auc)
{
    double tp = 0, fp = 0, tp0 = 0, fp0 = 0, area = 0;
    int i = 0;
    ranking r;

    RJ_TRY(rank(n, score, label, weight, &r));
    while (step(&r, &i, &tp, &fp)) {
        area += (fp - fp0) * (tp + tp0) / 2;
        tp0 = tp;
        fp0 = fp;
    }
    *auc = both_classes(&r) ? area / (r.fakes * r.reals) : NAN;
    rj_free(r.item);
    return RIJ_OK;
}

/* gap = FPR - FNR climbs from -1 to 1 along the walk, by a positive amount at each step;
 * the first step that ends at or above 0 crosses. */
rij_status rj_metric_eer(int n, const double *score, const int *label, double *eer)
{
    double tp = 0, fp = 0, gap0 = -1, fpr0 = 0, crossing = NAN;
    int i = 0;
    ranking r;

    RJ_TRY(rank(n, score, label, NULL, &r));
    while (both_classes(&r) && gap0 < 0 && step(&r, &i, &tp, &fp)) {
        const double fpr = fp / r.reals, gap = fpr - (1 - tp / r.fakes);

        if (gap >= 0)
            crossing = fpr0 + (fpr - fpr0) * -gap0 / (gap - gap0);
        gap0 = gap;
        fpr0 = fpr;
    }
    *eer = crossing;
    rj_free(r.item);
    return RIJ_OK;
}

/* Reals above t are those of the steps before the one that takes their share past the
 * bound: t is that step's score, and no smaller threshold keeps the bound. */
rij_status rj_metric_threshold(int n, const double *score, const int *label, double share,
                               double *threshold)
{
    double tp = 0, fp = 0, t = NAN;
    int first = 0, i = 0;
    ranking r;

    RJ_TRY(rank(n, score, label, NULL, &r));
    if (r.reals > 0)
        t = -INFINITY;
    while (r.reals > 0 && step(&r, &i, &tp, &fp)) {
        if (fp / r.reals > share) {
            t = r.item[first].score;
            break;
        }
        first = i;
    }
    rj_free(r.item);
    *threshold = t;
    return RIJ_OK;
}

/* ---- of probabilities ---------------------------------------------------------------
 */

/* Sums of weights of the classes; no memory is taken, so p is checked here. */
static rij_status weigh(int n, const double *p, const int *label, const double *weight,
                        double sum[2])
{
    sum[0] = sum[1] = 0;
    for (int i = 0; i < n; i++) {
        RJ_REQUIRE(p[i] >= 0 && p[i] <= 1, RIJ_E_DIVERGED,
                   "metrics: probability %d is %g, not 0..1", i, p[i]);
        sum[label[i] == RJ_FAKE_LABEL] += weight ? weight[i] : 1;
    }
    return RIJ_OK;
}

rij_status rj_metric_brier(int n, const double *p, const int *label, const double *weight,
                           double *brier)
{
    double sum[2], square = 0;

    RJ_TRY(weigh(n, p, label, weight, sum));
    for (int i = 0; i < n; i++) {
        const double e = p[i] - (label[i] == RJ_FAKE_LABEL);

        square += (weight ? weight[i] : 1) * e * e;
    }
    *brier = sum[0] > 0 && sum[1] > 0 ? square / (sum[0] + sum[1]) : NAN;
    return RIJ_OK;
}

rij_status rj_metric_ece(int n, const double *p, const int *label, const double *weight,
                         double *ece)
{
    double sum[2], gap[BINS] = {0}, error = 0;

    RJ_TRY(weigh(n, p, label, weight, sum));
    for (int i = 0; i < n; i++)
        gap[RJ_MIN((int)(BINS * p[i]), BINS - 1)] +=
            (weight ? weight[i] : 1) * ((label[i] == RJ_FAKE_LABEL) - p[i]);
    for (int k = 0; k < BINS; k++)
        error += fabs(gap[k]);
    *ece = sum[0] > 0 && sum[1] > 0 ? error / (sum[0] + sum[1]) : NAN;
    return RIJ_OK;
}
