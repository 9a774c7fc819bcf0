/* judged_world.h: a small judged data set whose margins are known. */
#ifndef RJ_JUDGED_WORLD_H
#define RJ_JUDGED_WORLD_H

#include "api_place.h"
#include "judge/judge.h"
#include <math.h>

enum { COLUMNS = 2, MOST = 64 };
typedef struct world {
    rj_dataset d;
    rj_list columns;
    char *column[COLUMNS];
    int sample[MOST];
    double margin[MOST * COLUMNS];
    rj_decision decision;
    rj_pool *pool;
} world;

static inline void add(world *w, const char *generator, const char *source,
                       const char *group, double native, double other)
{
    char name[16];

    snprintf(name, sizeof name, "%d", w->d.n);
    OK(rj_dataset_add(&w->d, name, name, generator, rj_hash(group, strlen(group), 0)));
    w->d.sample[w->d.n - 1].source = source ? rj_strdup(source) : NULL;
    w->sample[w->d.n - 1] = w->d.n - 1;
    w->margin[(w->d.n - 1) * COLUMNS] = native;
    w->margin[(w->d.n - 1) * COLUMNS + 1] = other;
}

/* Reals -3 (park, g0), -1 (park, g1), 1 (sea, g2), -2 (no source); fakes of ant: 2 (g1),
 * 0.5 (g9); of bee: -2.5 (g2). The other column adds 1 to reals, 2 to fakes. */
static inline void world_new(world *w)
{
    *w = (world){.column = {"native", "jpeg75"}, .decision = {.alarm = {1.5, -1.5}}};
    w->columns = (rj_list){w->column, COLUMNS, COLUMNS};
    add(w, NULL, "park", "g0", -3, -2);
    add(w, "ant", NULL, "g1", 2, 4);
    add(w, NULL, "park", "g1", -1, 0);
    add(w, "ant", "park", "g9", 0.5, 2.5);
    add(w, NULL, "sea", "g2", 1, 2);
    add(w, "bee", NULL, "g2", -2.5, -0.5);
    add(w, NULL, NULL, "g5", -2, -1);
    rj_dataset_finish(&w->d);
    OK(rj_pool_new(1, &w->pool));
}

static inline void world_free(world *w)
{
    rj_dataset_free(&w->d);
    rj_pool_free(w->pool);
}

static inline rij_evaluation *judged(const world *w, const bool *pair, int map_fakes)
{
    const rj_judged j = {.d = &w->d,
                         .columns = &w->columns,
                         .n = w->d.n,
                         .sample = w->sample,
                         .margin = w->margin,
                         .pair = pair,
                         .decision = &w->decision,
                         .pool = w->pool,
                         .map_fakes = map_fakes};
    rij_evaluation *e = NULL;

    OK(rj_evaluation_new(&j, &e));
    return e;
}

static inline rij_evaluation_row row_of(const rij_evaluation *e, const char *generator,
                                        const char *column)
{
    rij_evaluation_row row;

    for (int i = 0; i < rij_evaluation_rows(e); i++) {
        OK(rij_evaluation_row_at(e, i, &row));
        if (strcmp(row.generator, generator) == 0 && strcmp(row.column, column) == 0)
            return row;
    }
    ck_abort_msg("no row %s, %s", generator, column);
}

#define IS(x, wanted) ck_assert_double_eq_tol(x, wanted, 1e-12)

#endif
