/* conformal.c: how unusual a margin would be among calibration pictures, and the answer
 * that follows.
 *
 * A calibration picture was judged as it is and re-shipped (shipping.c), which makes a
 * few rows of it, each a softness (softness.c) and a margin. Softness puts rows and new
 * pictures into RJ_BUCKETS buckets, whose edges are quantiles of the photographs' rows;
 * so what is asked is: of photographs about as soft, how many look as generated? With K
 * pictures that have rows in the bucket
 *
 *     p_real(m) = (1 + sum_k share of k's rows there with margin >= m) / (K + 1)
 *
 * (a hierarchical conformal p-value: Lee, Barber and Willett 2023; by buckets: Vovk et
 * al. 2003). If a new photograph and its shipping are exchangeable with those of the
 * calibration, p_real <= a happens with a probability of at most a. p_generated is the
 * same among generated images, with <=.
 *
 *     answer(a) = generated   p_real <= a < p_generated
 *                 real        p_generated <= a < p_real
 *                 unsure      else
 *
 * The stability strip makes an answer unsure that a shipping contradicts. */
#include "judge/judge.h"
#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

rij_status rj_conformal_edges(rj_calibration *c)
{
    const int n = c->n[RJ_REAL_LABEL];
    double *soft = rj_alloc((size_t)n + 1, sizeof *soft);

    RJ_REQUIRE(soft, RIJ_E_MEMORY, "calibrate: no memory for %d rows", n);
    for (int i = 0; i < n; i++)
        soft[i] = (double)c->row[RJ_REAL_LABEL][i].softness;
    qsort(soft, (size_t)n, sizeof *soft, ascending);
    for (int k = 0; k + 1 < RJ_BUCKETS; k++)
        c->edge[k] = n ? soft[(int64_t)n * (k + 1) / RJ_BUCKETS] : 0;
    rj_free(soft);
    return RIJ_OK;
}

static int bucket_of(const rj_calibration *c, double softness)
{
    int k = 0;

    while (k + 1 < RJ_BUCKETS && softness >= c->edge[k])
        k++;
    return k;
}

/* Rows of one picture lie together. */
double rj_conformal_p(const rj_calibration *c, int label, double softness, double margin,
                      int *pictures)
{
    const rj_calibration_row *row = c->row[label];
    const int n = c->n[label], bucket = bucket_of(c, softness);
    double sum = 0;
    int k = 0;

    for (int i = 0; i < n;) {
        int there = 0, beyond = 0;
        const int picture = row[i].picture;

        for (; i < n && row[i].picture == picture; i++) {
            if (bucket_of(c, (double)row[i].softness) != bucket)
                continue;
            there++;
            beyond += label == RJ_REAL_LABEL ? (double)row[i].margin >= margin
                                             : (double)row[i].margin <= margin;
        }
        if (there > 0) {
            k++;
            sum += (double)beyond / there;
        }
    }
    if (pictures)
        *pictures = k;
    return (1 + sum) / (k + 1);
}

rij_answer rj_conformal_answer(double p_real, double p_generated, double a)
{
    if (p_real <= a && p_generated > a)
        return RIJ_ANSWER_GENERATED;
    if (p_generated <= a && p_real > a)
        return RIJ_ANSWER_REAL;
    return RIJ_ANSWER_UNSURE;
}

rij_answer rj_calibrated_answer(const rj_calibration *c, double softness, double margin,
                                double level)
{
    return rj_conformal_answer(rj_conformal_p(c, RJ_REAL_LABEL, softness, margin, NULL),
                               rj_conformal_p(c, RJ_FAKE_LABEL, softness, margin, NULL),
                               level);
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
