/* bootstrap.c: how far figures would move with other images of the same kind.
 *
 * In each of RJ_ROUNDS rounds every image is drawn w times, w a Poisson number of mean 1:
 * Efron's resampling with replacement, but that the number of images may vary a little
 * (Hanley and MacGibbon 2006). w depends on seed, round and image alone, so an image has
 * the same weight in every generator's list and under every column, and the mean over
 * generators, which share reals, varies as it should. With P and N the weights of fakes
 * and reals, walking a sorted list as metrics.c does:
 *
 *     AP  = sum over steps of (tp - tp before) / P  tp / (tp + fp P / N)
 *     AUC = sum over steps of (fp - fp before) (tp + tp before) / 2 / (P N)
 *
 * Weights are whole numbers, so the sums but AP's are exact. */
#include "judge/judge.h"

#include <math.h>
#include <stdlib.h>

typedef struct job {
    uint64_t seed;
    int images, n;
    const rj_ranked *item;
    uint8_t *weight; /* (threads, images) */
    double *ap, *auc;
} job;

/* A round's stream lies behind those of samples, of which there are fewer than 2^31. */
void rj_bootstrap_weights(uint64_t seed, int round, int n, uint8_t *weight)
{
    // P(w <= k) of the Poisson law of mean 1, times 2^32; above 12 lie 6e-11
    static const uint32_t below[] = {1580030168u, 3160060337u, 3950075421u, 4213413783u,
                                     4279248373u, 4292415291u, 4294609777u, 4294923276u,
                                     4294962463u, 4294966817u, 4294967252u, 4294967292u};
    const uint64_t stream = ((uint64_t)1 << 40) + (uint64_t)round;
    rj_random r = rj_random_start(seed, RJ_STREAM_EVALUATE, stream);

    for (int i = 0; i < n; i += 2) {
        const uint64_t bits = rj_random_bits(&r);

        for (int k = 0; k < 2 && i + k < n; k++) {
            const uint32_t u = (uint32_t)(bits >> 32 * k);
            uint8_t w = 0;

            while (w < RJ_COUNT(below) && u >= below[w])
                w++;
            weight[i + k] = w;
        }
    }
}

static void figures(const job *j, const uint8_t *weight, double *ap, double *auc)
{
    double all[2] = {0, 0}, tp = 0, fp = 0, tp0 = 0, fp0 = 0, sum = 0, area = 0, k;

    *ap = *auc = NAN;
    for (int i = 0; i < j->n; i++)
        all[j->item[i].fake] += weight[j->item[i].image];
    if (!(all[0] > 0 && all[1] > 0))
        return;
    k = all[1] / all[0];
    for (int i = 0; i < j->n; i++) {
        const rj_ranked *item = &j->item[i];

        *(item->fake ? &tp : &fp) += weight[item->image];
        if (!item->last)
            continue;
        if (tp > tp0)
            sum += (tp - tp0) * tp / (tp + fp * k);
        area += (fp - fp0) * (tp + tp0) / 2;
        tp0 = tp;
        fp0 = fp;
    }
    *ap = sum / all[1];
    *auc = area / (all[1] * all[0]);
}

static rij_status one_round(void *of, int round, int worker)
{
    const job *j = of;
    uint8_t *weight = j->weight + (size_t)worker * (size_t)j->images;

    rj_bootstrap_weights(j->seed, round, j->images, weight);
    figures(j, weight, &j->ap[round], &j->auc[round]);
    return RIJ_OK;
}

rij_status rj_bootstrap(rj_pool *pool, uint64_t seed, int images, int n,
                        const rj_ranked *item, double ap[RJ_ROUNDS],
                        double auc[RJ_ROUNDS])
{
    const size_t room = (size_t)rj_pool_threads(pool) * (size_t)RJ_MAX(images, 1);
    job j = {seed, images, n, item, rj_alloc(room, 1), ap, auc};
    rij_status status;

    RJ_REQUIRE(j.weight, RIJ_E_MEMORY, "evaluate: no memory for the intervals");
    status = rj_parallel_for(pool, RJ_ROUNDS, one_round, &j);
    rj_free(j.weight);
    return status;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Quantile q of n sorted numbers, on the line between the two it falls between. */
static double quantile(int n, const double *x, double q)
{
    const double at = q * (n - 1);
    const int i = (int)at;

    return i + 1 < n ? x[i] + (at - i) * (x[i + 1] - x[i]) : x[n - 1];
}

void rj_interval(int n, double *x, double *low, double *high)
{
    int some = 0;

    for (int i = 0; i < n; i++)
        if (!isnan(x[i]))
            x[some++] = x[i];
    *low = *high = NAN;
    if (some == 0)
        return;
    qsort(x, (size_t)some, sizeof *x, by_size);
    *low = quantile(some, x, 0.025);
    *high = quantile(some, x, 0.975);
}
