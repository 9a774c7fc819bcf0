/* exemplars_place.h: a small training that keeps exemplars, for the tests of these and of
 * rij_nearest(). */
#ifndef RJ_EXEMPLARS_PLACE_H
#define RJ_EXEMPLARS_PLACE_H

#include "api_place.h"
#include "judge/judge.h"

enum { REALS = 12, KEPT = 5 };

/* What a training with exemplars takes. */
static inline rij_train_options with_exemplars(int n)
{
    rij_train_options o = brief();

    o.validation = 0.5;
    o.traces = 1;
    o.exemplars = n;
    return o;
}

typedef struct world {
    place p;
    rij_model *m; /* as its file p.model has it */
} world;

static inline rij_model *opened(const char *path, int threads)
{
    const rij_open_options o = {sizeof o, "cpu", threads};
    rij_model *m = NULL;

    OK(rij_model_open(path, &o, &m));
    return m;
}

static inline world world_new(int exemplars)
{
    world w = {.p = place_new(REALS, 4)};
    const rij_train_options o = with_exemplars(exemplars);
    rij_model *m = NULL;

    OK(rij_train(w.p.data, &o, &m));
    OK(rij_model_save(m, w.p.model));
    rij_model_free(m);
    w.m = opened(w.p.model, 1);
    return w;
}

static inline void world_free(world *w)
{
    rij_model_free(w->m);
    place_free(&w->p);
}

#endif
