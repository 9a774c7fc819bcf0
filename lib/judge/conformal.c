/* conformal.c: how unusual a margin would be among calibration pictures, and the answer
 * that follows.
 *
 * A calibration picture was judged as it is and re-shipped (shipping.c), which makes a
 * few rows of it, each a softness (data/softness.c) and a margin. Softness puts rows and
 * new pictures into RJ_BUCKETS buckets, whose edges are quantiles of the photographs'
 * rows; so what is asked is: of photographs about as soft, how many look as generated?
 * Fewer than EACH groups of photographs a bucket are not parted: all lie in one. Rows of
 * one group (the crops of a photograph, say) are not independent, so a group of n_k rows
 * weighs one in all:
 *
 *     p_real(m) = (1 + sum_k b_k / n_k) / (1 + W),    W = sum_k t_k / n_k
 *
 * t_k of group k's rows lie in the bucket, b_k of these have a margin >= m. Why it holds:
 * let a new group be exchangeable with the others, and its row be any one of its rows.
 * Then, of all rows in the bucket, each weighing 1 / n_k, the new one is any; its rank is
 * (B + b) / (W + t), B the sum above, b and t of the new group itself, unknown but b <= t
 * <= 1; and p_real is the largest that can be. (After Lee, Barber and Willett 2023, and
 * Vovk et al. 2003.) So p_real <= a happens with a probability of at most a. p_generated
 * is the same among generated images, with <=.
 *
 * Softening takes away what tells a photograph from a generated image and raises margins,
 * and what a bucket's least soft rows have lost says little about its softest. So the
 * softest of the photographs' rows are counted on their own too: those that weigh a third
 * of the groups, and SOFTEST at least. Among these a group speaks by its worst row: b_k
 * is t_k where any lies beyond, for sharp photographs that were softened go far, and are
 * few. A picture as soft has the larger of both p_real, which keeps the promise, being no
 * smaller than a p-value that keeps it. They are left out where they would be no fewer
 * than the bucket's.
 *
 *     answer(a) = generated   p_real <= a < p_generated
 *                 real        p_generated <= b and a < p_real,
 *                             b = max(a, min(3 a, 0.15))
 *                 unsure      else
 *
 * Whoever is told "real" of a generated image was promised nothing, since generators are
 * not exchangeable; so the bar for that is where few photographs stay unsure.
 *
 * The stability strip makes an answer unsure that a shipping contradicts: of a shipping
 * "real" needs p_generated <= a, for it takes away what tells a generated image. */
#include "judge/judge.h"
#include <math.h>
#include <stdlib.h>

/* Enough groups for an answer at 0.05; and with one to spare, for rows of a group share
 * its weight. */
enum { EACH = 19, SOFTEST = EACH + 1 };

typedef struct weighed {
    float softness;
    double weight;
} weighed;

/* Ties by weight, so that no sum depends on the order of the sort. */
static int ascending(const void *a, const void *b)
{
    const weighed *x = a, *y = b;

    if (x->softness != y->softness)
        return x->softness > y->softness ? 1 : -1;
    return (x->weight > y->weight) - (x->weight < y->weight);
}

/* Photographs' rows, each with its share of its group. How many groups. */
static int weigh(const rj_calibration *c, weighed *out)
{
    const rj_calibration_row *row = c->row[RJ_REAL_LABEL];
    const int n = c->n[RJ_REAL_LABEL];
    int groups = 0;

    for (int i = 0, same; i < n; i += same, groups++) {
        for (same = 0; i + same < n && row[i + same].group == row[i].group;)
            same++;
        for (int k = i; k < i + same; k++)
            out[k] = (weighed){row[k].softness, 1.0 / same};
    }
    return groups;
}

rij_status rj_conformal_edges(rj_calibration *c)
{
    const int n = c->n[RJ_REAL_LABEL];
    double need, there = 0;
    int groups;
    weighed *row = rj_alloc((size_t)n + 1, sizeof *row);

    RJ_REQUIRE(row, RIJ_E_MEMORY, "calibrate: no memory for %d rows", n);
    groups = weigh(c, row);
    need = RJ_MAX(groups / 3.0, SOFTEST);
    qsort(row, (size_t)n, sizeof *row, ascending);
    c->softest = INFINITY;
    for (int k = 0; k + 1 < RJ_BUCKETS; k++)
        c->edge[k] = INFINITY;
    if (groups >= EACH * RJ_BUCKETS) {
        for (int k = 0; k + 1 < RJ_BUCKETS; k++)
            c->edge[k] = row[(int64_t)n * (k + 1) / RJ_BUCKETS].softness;
        for (int i = n - 1; i >= 0 && there < need; i--) {
            there += row[i].weight;
            c->softest = row[i].softness;
        }
        if (c->softest <= c->edge[RJ_BUCKETS - 2])
            c->softest = INFINITY;
    }
    rj_free(row);
    return RIJ_OK;
}

/* Among rows at least as soft as `from`, and less soft than `to`. Rows of one group lie
 * together; by their worst if `worst`. New numbers are rounded as the rows' were. */
static double p_among(const rj_calibration *c, int label, double from, double to, float m,
                      bool worst, double *weight)
{
    const rj_calibration_row *row = c->row[label];
    const int n = c->n[label];
    double beyond = 0, there = 0;

    for (int i = 0, same; i < n; i += same) {
        int t = 0, b = 0;

        for (same = 0; i + same < n && row[i + same].group == row[i].group; same++) {
            const rj_calibration_row *r = &row[i + same];

            if ((double)r->softness < from || (double)r->softness >= to)
                continue;
            t++;
            b += label == RJ_REAL_LABEL ? r->margin >= m : r->margin <= m;
        }
        there += (double)t / same;
        beyond += (double)(worst && b ? t : b) / same;
    }
    *weight = there;
    return (1 + beyond) / (1 + there);
}

double rj_conformal_p(const rj_calibration *c, int label, double softness, double margin,
                      double *weight)
{
    const float soft = (float)softness, m = (float)margin;
    double from = -INFINITY, to = INFINITY, w, p;

    for (int k = 0; k + 1 < RJ_BUCKETS; k++)
        if (soft >= c->edge[k])
            from = c->edge[k];
        else if (to == INFINITY)
            to = c->edge[k];
    p = p_among(c, label, from, to, m, false, &w);
    if (label == RJ_REAL_LABEL && soft >= c->softest) {
        double among;
        const double own = p_among(c, label, c->softest, INFINITY, m, true, &among);

        p = RJ_MAX(p, own);
        w = RJ_MIN(w, among);
    }
    if (weight)
        *weight = w;
    return p;
}

const char *const rj_answer_names[3] = {"unsure", "real", "generated"};

rij_status rj_level(const char *verb, double asked, double *level)
{
    *level = asked != 0 ? asked : 0.05;
    RJ_REQUIRE(*level >= 0.001 && *level <= 0.5, RIJ_E_ARGUMENT,
               "%s: level %g is not in 0.001..0.5", verb, *level);
    return RIJ_OK;
}

rij_answer rj_conformal_answer(double p_real, double p_generated, double a, bool shipped)
{
    const double bar = shipped ? a : RJ_MAX(a, RJ_MIN(3 * a, 0.15));

    if (p_real <= a && p_generated > a)
        return RIJ_ANSWER_GENERATED;
    if (p_generated <= bar && p_real > a)
        return RIJ_ANSWER_REAL;
    return RIJ_ANSWER_UNSURE;
}

bool rj_conformal_enough(const double w[2], double level)
{
    return 1 / (1 + w[RJ_REAL_LABEL]) <= level && 1 / (1 + w[RJ_FAKE_LABEL]) <= level;
}

rij_answer rj_calibrated_answer(const rj_calibration *c, double softness, double margin,
                                double level, bool shipped)
{
    double p[2], w[2];

    for (int label = 0; label < 2; label++)
        p[label] = rj_conformal_p(c, label, softness, margin, &w[label]);
    if (!shipped && !rj_conformal_enough(w, level))
        return RIJ_ANSWER_UNSURE;
    return rj_conformal_answer(p[RJ_REAL_LABEL], p[RJ_FAKE_LABEL], level, shipped);
}

rij_answer rj_strip_answer(int n, const rij_answer *alone, int *contradictions)
{
    int contrary = 0;

    for (int i = 1; i < n; i++)
        contrary += alone[i] != RIJ_ANSWER_UNSURE && alone[0] != RIJ_ANSWER_UNSURE &&
                    alone[i] != alone[0];
    if (contradictions)
        *contradictions = contrary;
    return contrary ? RIJ_ANSWER_UNSURE : alone[0];
}
