/* align.c: JPEG histories that do not tell a label.
 *
 * Let p_c(q) be the share of class c whose file is a JPEG of quality q, q = 0 where it is
 * none. The target is t(q) = max(p_0(q), p_1(q)) for q > 0, divided by its sum if that is
 * above 1, and the rest at q = 0. Of each class, images at a quality that has too many
 * are recompressed, with probability 1 - t(q) / p_c(q), at one that has too few, drawn in
 * proportion to what it lacks: then the last quality has the distribution t in both
 * classes. A JPEG that is recompressed still bears its first quality.
 *
 * Two files of one quality may differ in their tables or in how colours are sampled. If
 * that still tells the label, all images are recompressed, at qualities drawn from the
 * mean of both classes' shares, so that the last step is the same for all. */
#include "judge/judge.h"
#include <math.h>

enum { QUALITIES = 101 };

/* Shares of qualities by class; false if they are equal, or a class is missing. */
static bool histories(const rij_audit_report *r, const int *place,
                      double share[2][QUALITIES])
{
    int count[2][QUALITIES] = {{0}}, all[2] = {0};
    bool differ = false;

    for (int i = 0; i < r->n; i++) {
        const int sample = r->image[i].sample;
        const int label = r->data.sample[sample].label;

        if (place[sample] >= 0) {
            count[label][r->image[i].facts.quality]++;
            all[label]++;
        }
    }
    for (int q = 0; q < QUALITIES && all[0] && all[1]; q++) {
        for (int label = 0; label < 2; label++)
            share[label][q] = (double)count[label][q] / all[label];
        differ = differ || (int64_t)count[0][q] * all[1] != (int64_t)count[1][q] * all[0];
    }
    return differ;
}

static void aim(const double share[2][QUALITIES], double target[QUALITIES])
{
    double sum = 0;

    for (int q = 1; q < QUALITIES; q++)
        sum += target[q] = fmax(share[0][q], share[1][q]);
    for (int q = 1; q < QUALITIES; q++)
        target[q] /= fmax(sum, 1);
    target[0] = fmax(0, 1 - sum);
}

/* The quality that an image of a class gets; 0: it stays as it is. */
static int drawn(const double share[QUALITIES], const double target[QUALITIES], int now,
                 rj_random *r)
{
    const double leave = rj_random_uniform(r, 0, 1), which = rj_random_uniform(r, 0, 1);
    double lacking = 0, sum = 0;
    int last = 0;

    if (leave >= 1 - target[now] / share[now])
        return 0;
    for (int q = 1; q < QUALITIES; q++)
        lacking += fmax(0, target[q] - share[q]);
    for (int q = 1; q < QUALITIES; q++) {
        if (target[q] <= share[q])
            continue;
        last = q;
        sum += target[q] - share[q];
        if (which * lacking < sum)
            return q;
    }
    return last; // rounding
}

/* A quality from the mean of both classes' shares, those that are none left out. */
static int drawn_from_all(const double share[2][QUALITIES], rj_random *r)
{
    double sum = 0, u = rj_random_uniform(r, 0, 1);
    int last = 0;

    for (int q = 1; q < QUALITIES; q++)
        sum += share[0][q] + share[1][q];
    u *= sum;
    for (int q = 1; q < QUALITIES; q++) {
        const double here = share[0][q] + share[1][q];

        if (here > 0)
            last = q;
        if (u < here)
            return q;
        u -= here;
    }
    return last; // rounding
}

/* Draw for every image; `all`: none is left as it is. */
static void draw(rj_dataset *d, const rij_audit_report *r, const int *place,
                 uint64_t seed, const double share[2][QUALITIES], bool all)
{
    double target[QUALITIES] = {0};

    aim(share, target);
    for (int i = 0; i < r->n; i++) {
        const int at = place[r->image[i].sample];
        rj_random random;

        if (at < 0)
            continue;
        random = rj_random_start(seed, RJ_STREAM_ALIGN, (uint64_t)at);
        d->sample[at].quality = all ? drawn_from_all(share, &random)
                                    : drawn(share[d->sample[at].label], target,
                                            r->image[i].facts.quality, &random);
    }
}

/* What quantisation tells as it is left. */
static rij_status look_again(const rj_dataset *d, const rij_audit_report *r,
                             const int *place, rij_audit_fact *left)
{
    uint64_t *code = rj_alloc((size_t)r->n, sizeof *code), made[QUALITIES] = {0};
    const rj_audited **image = rj_alloc((size_t)r->n, sizeof *image);
    rj_voters v = {&r->data, 0, 0, image};
    rij_status status = RIJ_OK;

    if (!code || !image)
        status = rj_fail(RIJ_E_MEMORY, "audit: no memory");
    for (int i = 0; i < r->n && status == RIJ_OK; i++) {
        const int at = place[r->image[i].sample];
        const int q = at < 0 ? 0 : d->sample[at].quality;

        if (at < 0)
            continue;
        if (q && !made[q])
            status = rj_facts_recompressed(q, &made[q]);
        code[v.n] = q ? made[q] : r->image[i].facts.quantisation;
        image[v.n++] = &r->image[i];
    }
    if (status == RIJ_OK)
        status = rj_audit_vote(&v, code, left);
    rj_free(code);
    rj_free(image);
    return status;
}

rij_status rj_align(rj_dataset *d, const rij_audit_report *r, const int *place,
                    uint64_t seed, int *changed, rij_audit_fact *left)
{
    double share[2][QUALITIES] = {{0}};

    *changed = 0;
    *left = (rij_audit_fact){.bacc = NAN};
    if (!r->votes[0] || !r->votes[1])
        return RIJ_OK;
    if (histories(r, place, share))
        draw(d, r, place, seed, (const double(*)[QUALITIES])share, false);
    RJ_TRY(look_again(d, r, place, left));
    if (left->shortcut) {
        draw(d, r, place, seed, (const double(*)[QUALITIES])share, true);
        RJ_TRY(look_again(d, r, place, left));
    }
    for (int i = 0; i < d->n; i++)
        *changed += d->sample[i].quality > 0;
    return RIJ_OK;
}
