/* distance.c: how far an image lies from photographs, towards remade photographs. No
 * generator's image has a part in it.
 *
 *     s      what the encoder sees of a view: statistics, of other encoders h
 *     m, m'  mean of s over views of photographs, of the same views remade
 *     C      mean of their covariances, 0.3 C + 0.7 its diagonal in its place
 *     S_dist = (s - m) . w,   w = C^-1 (m' - m) / sqrt((m' - m) . C^-1 (m' - m))
 *
 * C is what differs among photographs and among the ways they are degraded; w is Fisher's
 * (1936) direction, shrunk as Friedman (1989) does. S_dist counts deviations from the
 * photographs' mean. A constant less, S_dist is proportional to D^2(s, m) - D^2(s, m'),
 * with D Mahalanobis' (1936) distance by C: how much nearer an image is to what was
 * remade. The distance from photographs alone, whatever the direction, tells little:
 * docs/results.md. */
#include "judge/judge.h"
#include <math.h>

enum { MOST_VIEWS = 2048, OF_A_PHOTOGRAPH = 16 };
static const double shrink = 0.7;

rij_status rj_distances(const float *distance, rj_tape *tape, const rj_tensor *seen,
                        double *dist)
{
    const int n = seen->shape.dim[0], f = seen->shape.dim[1];
    rj_real *host = rj_arena_take(&tape->arena, rj_count(&seen->shape), sizeof *host);

    RJ_REQUIRE(host, RIJ_E_MEMORY, "judge: no memory");
    RJ_TRY(rj_tensor_read(tape->dev, seen, host));
    for (int i = 0; i < n; i++) {
        dist[i] = 0;
        for (int j = 0; j < f; j++)
            dist[i] +=
                ((double)host[i * f + j] - (double)distance[j]) * (double)distance[f + j];
    }
    return RIJ_OK;
}

/* ---- learning ---------------------------------------------------------------------- */

/* Of each class, by label: sums over `n` views; products[i * f + j] for j <= i alone. */
typedef struct sums {
    int f, n;
    double *sum[2], *products[2];
} sums;

static void sums_free(sums *s)
{
    for (int label = 0; label < 2; label++) {
        rj_free(s->sum[label]);
        rj_free(s->products[label]);
    }
}

static rij_status sums_new(int f, sums *s)
{
    *s = (sums){.f = f};
    for (int label = 0; label < 2; label++) {
        s->sum[label] = rj_alloc((size_t)f, sizeof **s->sum);
        s->products[label] = rj_alloc((size_t)f * (size_t)f, sizeof **s->products);
        RJ_REQUIRE(s->sum[label] && s->products[label], RIJ_E_MEMORY,
                   "distance: no memory for %d numbers", f);
    }
    return RIJ_OK;
}

static void add_row(sums *s, int label, const rj_real *x)
{
    for (int i = 0; i < s->f; i++) {
        double *row = s->products[label] + (size_t)i * (size_t)s->f;

        s->sum[label][i] += (double)x[i];
        for (int j = 0; j <= i; j++)
            row[j] += (double)x[i] * (double)x[j];
    }
    s->n += label == RJ_REAL_LABEL;
}

/* Rows of a batch; half of them are photographs', half remade. */
static rij_status add_batch(rj_trainer *t, const rj_ready *ready, const rj_batch *batch,
                            sums *s)
{
    const size_t each = 3 * (size_t)batch->crop * (size_t)batch->crop;

    for (int first = 0; first < batch->rows; first += RJ_JUDGE_BATCH) {
        const int n = RJ_MIN(batch->rows - first, RJ_JUDGE_BATCH);
        rj_tensor *seen, *h;
        rj_real *host;

        rj_tape_reset(&t->judging);
        RJ_TRY(rj_ready_look(ready, &t->judging, n, batch->crop,
                             batch->x + (size_t)first * each, &seen, &h));
        host = rj_arena_take(&t->judging.arena, rj_count(&seen->shape), sizeof *host);
        RJ_REQUIRE(host, RIJ_E_MEMORY, "distance: no memory");
        RJ_TRY(rj_tensor_read(t->dev, seen, host));
        for (int i = 0; i < n; i++)
            add_row(s, (int)batch->label[first + i], host + (ptrdiff_t)i * s->f);
    }
    return RIJ_OK;
}

static rij_status gather(rj_trainer *t, const rj_ready *ready, rj_batcher *batcher,
                         sums *s)
{
    const int photographs = rj_dataset_count(&t->data, RJ_REAL_LABEL, false);
    const int views = RJ_MIN(MOST_VIEWS, OF_A_PHOTOGRAPH * photographs);

    rj_trainer_phase(t, "distance", views);
    while (s->n < views) {
        const rj_batch *batch;

        RJ_TRY(rj_batcher_next(batcher, &batch));
        RJ_TRY(add_batch(t, ready, batch, s));
        RJ_TRY(rj_trainer_tell(t, RJ_MIN(s->n, views), batch->rows, 0,
                               (const double[4]){0}, s->n >= views));
    }
    return RIJ_OK;
}

/* C into products[0], below and on the diagonal; m' - m into sum[1], m into sum[0]. What
 * never changes, as an idle number of h, gets a little variance and so has no weight. */
static void shrunk(sums *s)
{
    double *c = s->products[0], trace = 0;

    for (int i = 0; i < s->f; i++)
        for (int j = 0; j <= i; j++) {
            const size_t at = (size_t)i * (size_t)s->f + (size_t)j;
            double v = 0;

            for (int label = 0; label < 2; label++)
                v += (s->products[label][at] -
                      s->sum[label][i] / s->n * s->sum[label][j]) /
                     (2 * s->n);
            c[at] = i == j ? v : (1 - shrink) * v;
            trace += i == j ? v : 0;
        }
    for (int i = 0; i < s->f; i++) {
        c[(size_t)i * (size_t)(s->f + 1)] += 1e-6 * trace / s->f + 1e-30;
        s->sum[0][i] /= s->n;
        s->sum[1][i] = s->sum[1][i] / s->n - s->sum[0][i];
    }
}

/* x = C^-1 x by Cholesky's C = L L', L in C's place; x . C^-1 x of before is returned. */
static double solve(int n, double *c, double *x)
{
    double square = 0;

    for (int i = 0; i < n; i++) {
        double *row = c + (size_t)i * (size_t)n;

        for (int j = 0; j <= i; j++) {
            const double *other = c + (size_t)j * (size_t)n;
            double v = row[j];

            for (int k = 0; k < j; k++)
                v -= row[k] * other[k];
            row[j] = i == j ? sqrt(v) : v / other[j];
        }
        for (int k = 0; k < i; k++)
            x[i] -= row[k] * x[k];
        x[i] /= row[i];
        square += x[i] * x[i];
    }
    for (int i = n - 1; i >= 0; i--) {
        x[i] /= c[(size_t)i * (size_t)(n + 1)];
        for (int k = 0; k < i; k++)
            x[k] -= c[(size_t)i * (size_t)n + (size_t)k] * x[i];
    }
    return square;
}

static rij_status find(const sums *s, float *distance)
{
    const int f = s->f;
    const double square = solve(f, s->products[0], s->sum[1]);

    for (int i = 0; i < f; i++) {
        distance[i] = (float)s->sum[0][i];
        distance[f + i] = (float)(s->sum[1][i] / sqrt(square > 0 ? square : 1));
        RJ_REQUIRE(isfinite(distance[i]) && isfinite(distance[f + i]), RIJ_E_DIVERGED,
                   "distance: the encoder's numbers are not finite");
    }
    return RIJ_OK;
}

rij_status rj_train_distance(rj_trainer *t)
{
    const enum rj_precision precision = t->dev->precision;
    rj_view_law law = rj_trainer_law(t);
    rj_batcher *batcher = NULL;
    rj_ready *ready = NULL;
    sums s = {0};
    rij_status status;

    law.forged = law.operated = 1; // by the library, never a stored child
    law.blended = 0;
    t->dev->precision = RJ_FP32; // as it will judge
    RJ_TRY_DONE(sums_new(rj_net_seen(t->best), &s));
    t->distance = rj_alloc(2 * (size_t)s.f, sizeof *t->distance);
    RJ_TRY_DONE(t->distance ? RIJ_OK : rj_fail(RIJ_E_MEMORY, "distance: no memory"));
    RJ_TRY_DONE(rj_net_prepare(t->best, t->dev, t->o.crop, RJ_JUDGE_BATCH, &ready));
    RJ_TRY_DONE(rj_batcher_new(&t->data, t->cache, RJ_BATCH_MIXED, &law, t->o.batch2, 0,
                               t->o.seed + 2, 0, rj_trainer_workers(t), &batcher));
    RJ_TRY_DONE(gather(t, ready, batcher, &s));
    shrunk(&s);
    RJ_TRY_DONE(find(&s, t->distance));
done:
    t->dev->precision = precision;
    rj_tape_reset(&t->judging);
    rj_batcher_free(batcher);
    rj_ready_free(ready);
    sums_free(&s);
    return status;
}
