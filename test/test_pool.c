/* The thread pool: every piece once, failures in order, jobs that follow each other. */
#include "test.h"
#include <pthread.h>
#include <unistd.h>

enum { PIECES = 97 };
typedef struct tally {
    rj_pool *pool;
    int done[PIECES]; // each written by its own piece only
    int fail_from;    // pieces from here on fail
    int workers;
} tally;

static rij_status count_piece(void *job, int index, int worker)
{
    tally *t = job;

    t->done[index]++;
    RJ_REQUIRE(worker >= 0 && worker < t->workers, RIJ_E_SHAPE, "worker %d", worker);
    RJ_REQUIRE(index < t->fail_from, RIJ_E_DATA, "piece %d fails", index);
    return RIJ_OK;
}

START_TEST(every_piece_runs_once_on_any_number_of_threads)
{
    for (int threads = 1; threads <= 7; threads += 2) {
        tally t = {.fail_from = PIECES, .workers = threads};
        rj_pool *pool;

        OK(rj_pool_new(threads, &pool));
        ck_assert_int_eq(rj_pool_threads(pool), threads);
        for (int round = 1; round <= 200; round++) {
            OK(rj_parallel_for(pool, PIECES, count_piece, &t));
            for (int i = 0; i < PIECES; i++)
                ck_assert_int_eq(t.done[i], round);
            if (round % 50 == 0)
                usleep(2000); // let the workers fall asleep once
        }
        OK(rj_parallel_for(pool, 0, count_piece, &t));
        rj_pool_free(pool);
    }
    rj_pool_free(NULL);
}
END_TEST

START_TEST(jobs_in_a_row_never_mix)
{
    for (int threads = 2; threads <= 5; threads++) {
        rj_pool *pool;

        OK(rj_pool_new(threads, &pool));
        for (int round = 0; round < 4000; round++) {
            const int n = 1 + round * 7 % PIECES;
            tally t = {.fail_from = n, .workers = threads}; // gone when the round ends

            OK(rj_parallel_for(pool, n, count_piece, &t));
            for (int i = 0; i < PIECES; i++)
                ck_assert_int_eq(t.done[i], i < n);
        }
        rj_pool_free(pool);
    }
}
END_TEST

START_TEST(the_lowest_failing_piece_speaks_for_all)
{
    for (int threads = 1; threads <= 4; threads++) {
        tally t = {.fail_from = 41, .workers = threads};
        rj_pool *pool;

        OK(rj_pool_new(threads, &pool));
        for (int round = 0; round < 50; round++) {
            FAILS(rj_parallel_for(pool, PIECES, count_piece, &t), RIJ_E_DATA);
            ck_assert_str_eq(rij_last_error(), "piece 41 fails");
        }
        t.fail_from = PIECES;
        OK(rj_parallel_for(pool, PIECES, count_piece, &t)); // and forgets it
        rj_pool_free(pool);
    }
}
END_TEST

static void *use_shared_pool(void *argument)
{
    tally *t = argument;

    for (int round = 0; round < 100; round++)
        if (rj_parallel_for(t->pool, PIECES, count_piece, t) != RIJ_OK)
            return t;
    return NULL;
}

START_TEST(two_threads_share_a_pool)
{
    rj_pool *pool;
    tally t[2];
    pthread_t thread[2];

    OK(rj_pool_new(3, &pool));
    for (int i = 0; i < 2; i++) {
        t[i] = (tally){.pool = pool, .fail_from = PIECES, .workers = 3};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, use_shared_pool, &t[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        void *failed = NULL;
        ck_assert_int_eq(pthread_join(thread[i], &failed), 0);
        ck_assert_ptr_null(failed);
        for (int k = 0; k < PIECES; k++)
            ck_assert_int_eq(t[i].done[k], 100);
    }
    rj_pool_free(pool);
}
END_TEST

START_TEST(a_pool_that_cannot_be_made_leaves_nothing)
{
    rj_pool *pool = NULL;
    const long live = rj_memory_live();

    FAILS(rj_pool_new(-1, &pool), RIJ_E_ARGUMENT);
    FAILS(rj_pool_new(RJ_MAX_THREADS + 1, &pool), RIJ_E_ARGUMENT);
    for (long n = 1; n <= 4; n++) { // the pool, its list of threads, two seats
        rj_memory_fail_at(n);
        FAILS(rj_pool_new(3, &pool), RIJ_E_MEMORY);
    }
    rj_memory_fail_at(0);
    ck_assert_ptr_null(pool);
    ck_assert_int_eq(rj_memory_live(), live);
}
END_TEST

SUITE(pool, every_piece_runs_once_on_any_number_of_threads, jobs_in_a_row_never_mix,
      the_lowest_failing_piece_speaks_for_all, two_threads_share_a_pool,
      a_pool_that_cannot_be_made_leaves_nothing)
