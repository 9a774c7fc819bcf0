/* exemplars.c: the photographs that a model keeps for rij_nearest(), chosen and embedded
 * at the end of a training.
 *
 * They are of those kept for validation. The network was drawn to what it trained on, so
 * a photograph that trained would lie nearer than the same one had it not; and `far`
 * counts photographs that were kept out as well. Groups take turns, so that one of many
 * pictures has no more exemplars than others while those have any. */
#include "judge/judge.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct candidate {
    uint64_t group, group_turn, turn; /* these two drawn by the seed */
    int sample, round;                /* round: how many of its group come before */
} candidate;

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_group(const void *a, const void *b)
{
    const candidate *x = a, *y = b;

    if (x->group != y->group)
        return order(x->group, y->group);
    return x->turn != y->turn ? order(x->turn, y->turn) : x->sample - y->sample;
}

static int by_round(const void *a, const void *b)
{
    const candidate *x = a, *y = b;

    if (x->round != y->round)
        return x->round - y->round;
    if (x->group_turn != y->group_turn)
        return order(x->group_turn, y->group_turn);
    return order(x->group, y->group);
}

static int by_sample(const void *a, const void *b)
{
    return ((const candidate *)a)->sample - ((const candidate *)b)->sample;
}

/* Photographs that were kept out, with names that fit. */
static int list(const rj_dataset *d, uint64_t seed, candidate *out)
{
    int n = 0;

    for (int i = 0; i < d->n; i++) {
        const rj_sample *s = &d->sample[i];
        const uint64_t number = (uint64_t)i;

        if (s->label == RJ_REAL_LABEL && s->validation && s->usable &&
            strlen(s->name) <= RJ_ID_MAX)
            out[n++] = (candidate){s->group, rj_hash(&s->group, sizeof s->group, seed),
                                   rj_hash(&number, sizeof number, seed), i, 0};
    }
    return n;
}

rij_status rj_exemplars_choose(const rj_dataset *d, uint64_t seed, int most, int *sample,
                               int *n)
{
    candidate *c = rj_alloc((size_t)d->n, sizeof *c);
    int have;

    RJ_REQUIRE(c, RIJ_E_MEMORY, "exemplars: no memory for %d candidates", d->n);
    have = list(d, seed, c);
    qsort(c, (size_t)have, sizeof *c, by_group);
    for (int i = 1; i < have; i++)
        c[i].round = c[i].group == c[i - 1].group ? c[i - 1].round + 1 : 0;
    qsort(c, (size_t)have, sizeof *c, by_round);
    *n = RJ_MIN(have, most);
    qsort(c, (size_t)*n, sizeof *c, by_sample);
    for (int i = 0; i < *n; i++)
        sample[i] = c[i].sample;
    rj_free(c);
    return RIJ_OK;
}

/* As its file is: not recompressed, as it may have been for the training. */
static rij_status embed(const rj_trainer *t, const rij_model *m, rj_context *c,
                        const rj_sample *s, double *z, rj_exemplars *e, int row)
{
    rj_image image = {0};
    rij_status status;

    RJ_TRY(rj_image_read_in(t->cage, s->path, &image));
    status = rj_embed_image(m, c, &image, z);
    rj_image_free(&image);
    RJ_TRY(status);
    for (int j = 0; j < m->embedding; j++)
        e->z[(ptrdiff_t)row * m->embedding + j] = (float)z[j];
    e->id[row] = rj_exemplar_id(s->name);
    RJ_REQUIRE(e->id[row], RIJ_E_MEMORY, "exemplars: no memory for a name");
    return RIJ_OK;
}

/* A file that is gone or damaged by now ends no training that is all but done. */
static rij_status embed_all(rj_trainer *t, const rij_model *m, const int *chosen,
                            rj_exemplars *e)
{
    double *z = rj_alloc((size_t)m->embedding, sizeof *z);
    rj_context *c = NULL;
    const int n = e->n;
    int have = 0;
    rij_status status =
        z ? rj_context_take(m, &c) : rj_fail(RIJ_E_MEMORY, "exemplars: no memory");

    rj_trainer_phase(t, "exemplars", n);
    for (int i = 0; i < n && status == RIJ_OK; i++) {
        status = embed(t, m, c, &t->data.sample[chosen[i]], z, e, have);
        if (status == RIJ_OK)
            have++;
        else if (status == RIJ_E_FILE || status == RIJ_E_IMAGE)
            status = RIJ_OK;
        if (status == RIJ_OK)
            status = rj_trainer_tell(t, i + 1, 1, 0, (const double[4]){0}, i + 1 == n);
    }
    e->n = have;
    rj_context_give(m, c);
    rj_free(z);
    return status;
}

/* Fewer than were asked for is told. */
static rij_status note(rj_trainer *t, int n)
{
    char line[RJ_WHY];

    if (n == t->o.exemplars)
        return RIJ_OK;
    snprintf(
        line, sizeof line,
        "%d exemplars, not %d: no more photographs that were kept for validation have a "
        "name that fits and can be read again",
        n, t->o.exemplars);
    return rj_trainer_note(t, line);
}

rij_status rj_exemplars_gather(rj_trainer *t, rij_model *m)
{
    int *chosen, n = 0;
    rj_exemplars e = {0};
    rij_status status;

    if (t->o.exemplars == 0)
        return RIJ_OK;
    chosen = rj_alloc((size_t)t->data.n, sizeof *chosen);
    RJ_REQUIRE(chosen, RIJ_E_MEMORY, "exemplars: no memory for %d numbers", t->data.n);
    status = rj_exemplars_choose(&t->data, t->o.seed, t->o.exemplars, chosen, &n);
    if (status == RIJ_OK && n > 0)
        status = rj_exemplars_new(n, m->embedding, &e);
    if (status == RIJ_OK && n > 0)
        status = embed_all(t, m, chosen, &e);
    if (status == RIJ_OK)
        status = note(t, e.n);
    rj_free(chosen);
    if (status != RIJ_OK || e.n == 0) {
        rj_exemplars_free(&e);
        return status;
    }
    m->exemplars = e;
    return RIJ_OK;
}
