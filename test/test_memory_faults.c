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
    rij_verdict wanted; /* of the first photograph by that model as read */
    long made;          /* allocations of the last operation */
} world;

static rij_model *opened(const world *w)
{
    const rij_open_options o = {sizeof o, "cpu", 1};
    rij_model *m = NULL;

    OK(rij_model_open(w->p.model, &o, &m));
    return m;
}

static rij_verdict judged(const world *w, const rij_model *m)
{
    rij_verdict v;

    OK(rij_predict_file(m, under(&w->p, "data/real/00.png"), &v));
    return v;
}

static void judges_as_wanted(const world *w, const rij_model *m)
{
    const rij_verdict v = judged(w, m);

    ck_assert(v.margin == w->wanted.margin && v.crops == w->wanted.crops);
}

/* Operations. Each ends the failures before it looks at what came out. */
static rij_status open_model(world *w)
{
    const rij_open_options o = {sizeof o, "cpu", 1, "bf16"}; // made ready twice
    rij_model *m = NULL;
    const rij_status status = rij_model_open(w->p.model, &o, &m);

    w->made = rj_memory_fail_at(0);
    ck_assert((status == RIJ_OK) == (m != NULL));
    rij_model_free(m);
    return status;
}

static rij_status save_model(world *w)
{
    const rij_status status = rij_model_save(w->model, under(&w->p, "copy"));

    w->made = rj_memory_fail_at(0);
    return status;
}

static rij_status judge_file(world *w)
{
    rij_verdict v = {.crops = 77};
    const rij_status status =
        rij_predict_file(w->model, under(&w->p, "data/real/00.png"), &v);

    w->made = rj_memory_fail_at(0);
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
    w->made = rj_memory_fail_at(0);
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

    w->made = rj_memory_fail_at(0);
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

    rj_memory_fail_at(n);
    status = act(w);
    ck_assert_msg(status == RIJ_OK || (status == RIJ_E_MEMORY && w->made >= n),
                  "allocation %ld of %ld failed: %s, %s", n, w->made,
                  rij_status_name(status), rij_last_error());
    return w->made >= n;
}

static void walk(world *w, rij_status (*act)(world *), long stride, long at_least)
{
    const long live = rj_memory_live();
    bool more = true;
    long n = 1;

    for (; more; n += stride) {
        more = step(w, act, n);
        ck_assert_msg(rj_memory_live() == live, "allocation %ld failed: %ld are left", n,
                      rj_memory_live() - live);
    }
    ck_assert_msg(w->made > at_least, "only %ld allocations", w->made);
}

/* A world with a model of two traces, which are made up since finding them takes long. */
static world world_new(void)
{
    const float rows[2][16] = {{1}, {0, 0.6f, 0.8f}};
    world w = {.p = place_new(4, 2), .options = brief()};
    rij_model *m = NULL;

    w.options.steps1 = w.options.steps2 = 1;
    OK(rij_train(w.p.data, &w.options, &m));
    OK(rj_model_set_traces(m, 2, 16, rows[0]));
    OK(rij_model_save(m, w.p.model));
    rij_model_free(m);
    m = opened(&w);
    w.wanted = judged(&w, m);
    rij_model_free(m);
    return w;
}

START_TEST(opening_survives_every_failing_allocation)
{
    world w = world_new();

    walk(&w, open_model, 1, 20);
    place_free(&w.p);
}
END_TEST

START_TEST(saving_survives_every_failing_allocation)
{
    world w = world_new();

    w.model = opened(&w);
    walk(&w, save_model, 1, 20);
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
    walk(&w, evaluate, 1, 20);
    judges_as_wanted(&w, w.model);
    rij_model_free(w.model);
    place_free(&w.p);
}
END_TEST

/* A step of either stage. A training costs a tenth of a second, most of it for initial
 * parameters, so every 43rd allocation has its turn; each one with RJ_FAULTS=all. Finding
 * traces makes a thousand views, whose allocations are alike. */
START_TEST(training_survives_failing_allocations)
{
    const char *faults = getenv("RJ_FAULTS");
    const bool all = faults && strcmp(faults, "all") == 0;
    world w = world_new();

    for (w.options.traces = -1; w.options.traces <= 2; w.options.traces += 3) {
        rij_model *m = NULL;

        OK(rij_train(w.p.data, &w.options, &m));
        w.wanted = judged(&w, m);
        rij_model_free(m);
        walk(&w, train, w.options.traces < 0 ? (all ? 1 : 43) : (all ? 101 : 2003), 300);
    }
    place_free(&w.p);
}
END_TEST

SUITE(memory_faults, opening_survives_every_failing_allocation,
      saving_survives_every_failing_allocation, judging_survives_every_failing_allocation,
      evaluating_survives_every_failing_allocation, training_survives_failing_allocations)
