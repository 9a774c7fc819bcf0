/* test_memory_faults.c: memory runs out at the first, second, third .. allocation of an
 * operation, until it succeeds. Each time the answer is RIJ_E_MEMORY, no allocation is
 * left behind, and what was there before works as before. */
#include "api_place.h"
#include "judge/judge.h"

/* What one walk works on. */
typedef struct world {
    place p;
    rij_train_options options;
    rij_model *model;   /* of the file p.model */
    rij_verdict wanted; /* of its first photograph by the model */
} world;

static rij_model *opened(const world *w)
{
    const rij_open_options o = {sizeof o, "cpu", 1};
    rij_model *m = NULL;

    OK(rij_model_open(w->p.model, &o, &m));
    return m;
}

static void judges_as_wanted(const world *w, const rij_model *m)
{
    rij_verdict v;

    OK(rij_predict_file(m, under(&w->p, "data/real/00.png"), &v));
    ck_assert(v.margin == w->wanted.margin && v.crops == w->wanted.crops);
}

static rij_status open_model(world *w)
{
    const rij_open_options o = {sizeof o, "cpu", 1};
    rij_model *m = NULL;
    const rij_status status = rij_model_open(w->p.model, &o, &m);

    ck_assert((status == RIJ_OK) == (m != NULL));
    rij_model_free(m);
    return status;
}

static rij_status save_model(world *w)
{
    char path[200];

    snprintf(path, sizeof path, "%s/copy", w->p.root);
    return rij_model_save(w->model, path);
}

static rij_status judge_file(world *w)
{
    rij_verdict v = {.crops = 77};
    const rij_status status =
        rij_predict_file(w->model, under(&w->p, "data/real/00.png"), &v);

    if (status == RIJ_OK)
        ck_assert(v.margin == w->wanted.margin && v.crops == w->wanted.crops);
    else
        ck_assert_int_eq(v.crops, 77);
    return status;
}

static rij_status evaluate(world *w)
{
    rij_evaluate_options o = RIJ_EVALUATE_OPTIONS_INIT;
    rij_evaluation *e = NULL;
    rij_status status;

    o.columns = "native,jpeg75";
    o.only = "north";
    status = rij_evaluate(w->model, w->p.data, &o, &e);
    ck_assert((status == RIJ_OK) == (e != NULL));
    if (status == RIJ_OK)
        ck_assert_int_eq(rij_evaluation_unusable(e), 0);
    rij_evaluation_free(e);
    return status;
}

static rij_status train(world *w)
{
    rij_model *m = NULL;
    const rij_status status = rij_train(w->p.data, &w->options, &m);

    ck_assert((status == RIJ_OK) == (m != NULL));
    if (m)
        judges_as_wanted(w, m);
    rij_model_free(m);
    return status;
}

/* One step of a walk: allocation n fails. What does not need its memory, as an arena that
 * would like to join its blocks, may go on, but then with the right result. Returns false
 * once n is more than there are. */
static bool step(world *w, rij_status (*act)(world *), long n)
{
    rij_status status;
    long made;

    rj_memory_fail_at(n);
    status = act(w);
    made = rj_memory_fail_at(0);
    ck_assert_msg(status == RIJ_OK || (status == RIJ_E_MEMORY && made >= n),
                  "allocation %ld of %ld failed: %s, %s", n, made,
                  rij_status_name(status), rij_last_error());
    return made >= n;
}

static void walk(world *w, rij_status (*act)(world *), long at_least)
{
    const long live = rj_memory_live();
    long n = 1;

    for (; step(w, act, n); n++)
        ck_assert_msg(rj_memory_live() == live, "allocation %ld failed: %ld are left", n,
                      rj_memory_live() - live);
    ck_assert_msg(n > at_least, "only %ld allocations", n - 1);
}

static world world_new(void)
{
    world w = {.p = place_new(4, 2), .options = brief()};
    rij_model *m = trained(&w.p);

    OK(rij_predict_file(m, under(&w.p, "data/real/00.png"), &w.wanted));
    OK(rij_model_save(m, w.p.model));
    rij_model_free(m);
    return w;
}

START_TEST(opening_survives_every_failing_allocation)
{
    world w = world_new();

    walk(&w, open_model, 20);
    place_free(&w.p);
}
END_TEST

START_TEST(saving_survives_every_failing_allocation)
{
    world w = world_new();

    w.model = opened(&w);
    walk(&w, save_model, 20);
    rij_model_free(w.model);
    place_free(&w.p);
}
END_TEST

/* A new model each time, so that its scratch is new as well; it stays unharmed. */
START_TEST(judging_survives_every_failing_allocation)
{
    world w = world_new();
    const long live = rj_memory_live();
    bool more = true;

    for (long n = 1; more; n++) {
        w.model = opened(&w);
        more = step(&w, judge_file, n);
        judges_as_wanted(&w, w.model);
        rij_model_free(w.model);
        ck_assert_int_eq(rj_memory_live(), live);
    }
    place_free(&w.p);
}
END_TEST

START_TEST(evaluating_survives_every_failing_allocation)
{
    world w = world_new();

    w.model = opened(&w);
    OK(evaluate(&w)); // the model's scratch is there from now on
    walk(&w, evaluate, 20);
    judges_as_wanted(&w, w.model);
    rij_model_free(w.model);
    place_free(&w.p);
}
END_TEST

START_TEST(training_survives_every_failing_allocation)
{
    world w = world_new();

    walk(&w, train, 50);
    place_free(&w.p);
}
END_TEST

SUITE(memory_faults, 120, opening_survives_every_failing_allocation,
      saving_survives_every_failing_allocation, judging_survives_every_failing_allocation,
      evaluating_survives_every_failing_allocation,
      training_survives_every_failing_allocation)
