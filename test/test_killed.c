/* test_killed.c: a training that is killed again and again, at any moment and within a
 * write, and resumed each time, ends in the same file. RJ_TRUST=1 kills 20 times, else a
 * few. */
#include "resume_place.h"
#include <signal.h>
#include <time.h>

static int kills_wanted(void)
{
    return trust() ? 20 : 3;
}

/* Nothing but the data is left in the folder. */
static void no_trace_left(const world *w)
{
    static const char *const suffixes[] = {"", ".1", ".new", ".lock"};
    char name[210];

    OK(rij_checkpoint_remove(w->checkpoint));
    for (int i = 0; i < RJ_COUNT(suffixes); i++) {
        snprintf(name, sizeof name, "%s%s", w->checkpoint, suffixes[i]);
        ck_assert_int_ne(access(name, F_OK), 0);
    }
}

/* ---- at any moment ------------------------------------------------------------------
 */

static void sleep_s(double s)
{
    const struct timespec t = {(time_t)s, (long)(1e9 * (s - (double)(time_t)s))};

    nanosleep(&t, NULL);
}

/* A run from its start to its end. */
static double lasting_s(const world *w)
{
    const double start_s = rj_now_s();
    const rij_train_options o = resumed(w, 1);

    ck_assert_int_eq(end_of(begin(w, &o, NULL, NULL)), RIJ_OK);
    same_as_wanted(w);
    OK(rij_checkpoint_remove(w->checkpoint));
    return rj_now_s() - start_s;
}

/* When a checkpoint was written; 0: there is none. */
static double written_s(const world *w)
{
    struct stat s;

    return stat(w->checkpoint, &s) != 0
               ? 0
               : (double)s.st_mtim.tv_sec + 1e-9 * (double)s.st_mtim.tv_nsec;
}

/* Kill it after a while. One that is through by then is judged, and another one begins.
 */
static bool killed(const world *w, pid_t child, double after_s)
{
    int end;

    sleep_s(after_s);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    end = end_of(child);
    if (end == -SIGKILL)
        return true;
    ck_assert_int_eq(end, RIJ_OK);
    same_as_wanted(w);
    OK(rij_checkpoint_remove(w->checkpoint));
    return false;
}

/* Anywhere between its start and its end: reading, training, saving. */
static void kill_anywhere(const world *w, uint64_t number)
{
    const double lasts_s = lasting_s(w);
    rj_random r = rj_random_start(1, RJ_STREAM_TEST, number);

    for (int kills = 0; kills < kills_wanted();) {
        const rij_train_options o = resumed(w, 1 + kills % 4);
        const pid_t child = begin(w, &o, NULL, NULL);

        kills += killed(w, child, rj_random_uniform(&r, 0, 1) * lasts_s);
    }
    finish(w, 2);
    no_trace_left(w);
}

/* Soon after it has gone on, so that one training is killed again and again. */
static void kill_again_and_again(const world *w, uint64_t number)
{
    const double step_s = lasting_s(w) / (double)(w->o.steps1 + w->o.steps2);
    rj_random r = rj_random_start(1, RJ_STREAM_TEST, number);
    int chain = 0, longest = 0;

    for (int kills = 0; kills < kills_wanted();) {
        const rij_train_options o = resumed(w, 1 + kills % 4);
        const double before_s = written_s(w);
        const pid_t child = begin(w, &o, NULL, NULL);
        bool was;

        while (written_s(w) == before_s &&
               waitid(P_PID, (id_t)child, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) ==
                   0 &&
               access(w->p.model, F_OK) != 0)
            sleep_s(1e-4);
        was = killed(w, child, rj_random_uniform(&r, 0, 2) * step_s);
        kills += was;
        chain = was ? chain + 1 : 0;
        longest = RJ_MAX(longest, chain);
    }
    ck_assert_int_ge(longest, 2);
    finish(w, 2);
    no_trace_left(w);
}

START_TEST(killed_anywhere_it_ends_in_the_same_file)
{
    const rij_train_options o = both_stages("statistics", 10, 20);
    world w = world_new(&o);

    kill_anywhere(&w, 41);
    world_free(&w);
}
END_TEST

START_TEST(killed_again_and_again_it_ends_in_the_same_file)
{
    const rij_train_options o =
        both_stages("statistics", trust() ? 40 : 10, trust() ? 80 : 20);
    world w = world_new(&o);

    kill_again_and_again(&w, 42);
    world_free(&w);
}
END_TEST

/* The long version alone: it takes a minute. */
START_TEST(so_does_a_convolutional_one)
{
    const rij_train_options o = both_stages("small", 6, 8);

    if (trust()) {
        world w = world_new(&o);

        kill_anywhere(&w, 43);
        kill_again_and_again(&w, 44);
        world_free(&w);
    }
}
END_TEST

/* ---- within a write -----------------------------------------------------------------
 */

typedef struct moment {
    enum rj_fault kind;
    long n;
} moment;

static void die(void)
{
    raise(SIGKILL);
}

static void arm(const void *user)
{
    const moment *m = user;

    rj_fault_at(m->kind, m->n, die);
}

static world long_world(void)
{
    const rij_train_options o = both_stages("statistics", 10, 20);

    return world_new(&o);
}

/* One training, each process of which dies at the n-th such call that it makes. */
START_TEST(killed_within_a_write_it_ends_in_the_same_file)
{
    static const enum rj_fault kinds[] = {RJ_FAULT_WRITE, RJ_FAULT_SYNC, RJ_FAULT_RENAME};
    rj_random r = rj_random_start(1, RJ_STREAM_TEST, 45);
    world w = long_world();
    int kills = 0;

    for (int i = 0; kills < kills_wanted(); i++) {
        const enum rj_fault kind = kinds[i % RJ_COUNT(kinds)];
        const int most = kind == RJ_FAULT_WRITE ? 30 : 4; // some writes a checkpoint
        const moment m = {kind, 1 + rj_random_below(&r, most)};
        const rij_train_options o = resumed(&w, 1 + i % 4);
        const int end = end_of(begin(&w, &o, arm, &m));

        ck_assert_msg(end == -SIGKILL || end == RIJ_OK, "%d", end);
        kills += end == -SIGKILL;
        if (end == RIJ_OK) { // no such call is left
            same_as_wanted(&w);
            OK(rij_checkpoint_remove(w.checkpoint));
        }
    }
    finish(&w, 2);
    no_trace_left(&w);
    world_free(&w);
}
END_TEST

/* Each call of the first two checkpoints and the start of the third in turn; of writes
 * every one in the long version. */
START_TEST(killed_at_each_call_of_a_write_it_ends_in_the_same_file)
{
    static const moment last[] = {
        {RJ_FAULT_RENAME, 5}, {RJ_FAULT_SYNC, 3}, {RJ_FAULT_WRITE, 27}};
    world w = long_world();

    for (int i = 0; i < RJ_COUNT(last); i++)
        for (moment m = {last[i].kind, 1}; m.n <= last[i].n;
             m.n += m.kind == RJ_FAULT_WRITE && !trust() ? 13 : 2 - trust()) {
            const rij_train_options o = resumed(&w, 2);

            ck_assert_int_eq(end_of(begin(&w, &o, arm, &m)), -SIGKILL);
            finish(&w, 1);
            OK(rij_checkpoint_remove(w.checkpoint));
        }
    no_trace_left(&w);
    world_free(&w);
}
END_TEST

SUITE(killed, killed_anywhere_it_ends_in_the_same_file,
      killed_again_and_again_it_ends_in_the_same_file, so_does_a_convolutional_one,
      killed_within_a_write_it_ends_in_the_same_file,
      killed_at_each_call_of_a_write_it_ends_in_the_same_file)
