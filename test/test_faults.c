/* test_faults.c: the first, second, third .. write, sync, rename or start of a thread
 * fails. What was on the disk stands, nothing half-written is left, nothing leaks; with
 * fewer threads the results are the same. */
#include "resume_place.h"
#include <dirent.h>

static const enum rj_fault of_files[] = {RJ_FAULT_WRITE, RJ_FAULT_SYNC, RJ_FAULT_RENAME};

static int files_in(const char *folder)
{
    DIR *dir = opendir(folder);
    int n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* ---- files --------------------------------------------------------------------------
 */

static void still_holds(const char *path, const unsigned char *wanted, size_t n)
{
    unsigned char *bytes;
    size_t m;

    OK(rj_file_read(path, 64 << 20, &bytes, &m));
    ck_assert(n == m && memcmp(bytes, wanted, n) == 0);
    rj_free(bytes);
}

START_TEST(saving_a_model_fails_whole)
{
    const place p = place_new(8, 4);
    rij_model *m = trained(&p);
    unsigned char *bytes;
    size_t n;

    write_text(p.model, "what was there before");
    OK(rj_file_read(p.model, 100, &bytes, &n));
    for (int i = 0; i < RJ_COUNT(of_files); i++) {
        const long live = rj_memory_live();
        const int files = files_in(p.root);
        long at = 1;

        for (rj_fault_at(of_files[i], at, NULL); rij_model_save(m, p.model) != RIJ_OK;
             rj_fault_at(of_files[i], ++at, NULL)) {
            ck_assert_msg(strstr(rij_last_error(), "judge.safetensors: "), "%s",
                          rij_last_error());
            still_holds(p.model, bytes, n);
            ck_assert_int_eq(files_in(p.root), files);
            ck_assert_int_eq(rj_memory_live(), live);
        }
        rj_fault_at(of_files[i], 0, NULL);
        ck_assert_int_gt(at, of_files[i] == RJ_FAULT_WRITE ? 10 : 1);
        write_text(p.model, "what was there before");
    }
    rj_free(bytes);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* Two generations whole, whatever fails; then it goes on from them. */
START_TEST(a_checkpoint_that_cannot_be_written_is_an_error_and_the_last_one_stands)
{
    static const long some[] = {1, 2, 3, 5, 9, 30};
    const rij_train_options options = both_stages("statistics", 3, 4);
    world w = world_new(&options);

    for (int i = 0; i < RJ_COUNT(of_files); i++)
        for (int k = 0; k < RJ_COUNT(some); k++) {
            const rij_train_options o = resumed(&w, 2);
            const long live = rj_memory_live();
            rij_model *m = NULL;
            rij_status status;
            long made;

            rj_fault_at(of_files[i], some[k], NULL);
            status = rij_train(w.p.data, &o, &m);
            made = rj_fault_at(of_files[i], 0, NULL);
            ck_assert_int_eq(status, made >= some[k] ? RIJ_E_FILE : RIJ_OK);
            ck_assert(status == RIJ_OK || strstr(rij_last_error(), w.checkpoint));
            ck_assert_int_eq(access(under(&w.p, "state.new"), F_OK), -1);
            rij_model_free(m);
            ck_assert_int_eq(rj_memory_live(), live);
            finish(&w, 1);
            if (k % 2)
                OK(rij_checkpoint_remove(w.checkpoint));
        }
    world_free(&w);
}
END_TEST

/* With its last words a training says that it was not kept. */
static int stop_and_fill_the_disk(const rij_progress *p, void *user)
{
    (void)user;
    if (strcmp(p->phase, "stage 2") != 0 || p->step < 2)
        return 0;
    rj_fault_at(RJ_FAULT_WRITE, 2, NULL);
    return 1;
}

START_TEST(a_stop_that_cannot_be_kept_says_so)
{
    const rij_train_options options = both_stages("statistics", 3, 4);
    world w = world_new(&options);
    rij_train_options o = resumed(&w, 1);
    rij_model *m = NULL;

    o.progress = stop_and_fill_the_disk;
    FAILS(rij_train(w.p.data, &o, &m), RIJ_E_FILE);
    ck_assert_msg(strstr(rij_last_error(), "stopped, but not kept: "), "%s",
                  rij_last_error());
    rj_fault_at(RJ_FAULT_WRITE, 0, NULL);
    finish(&w, 1);
    world_free(&w);
}
END_TEST

/* A model is read as a whole, not mapped, so a file that is cut is refused in words.
 * Every prefix that ends in the header, some that end in the numbers. */
START_TEST(a_model_that_is_cut_anywhere_is_refused)
{
    const rij_train_options o = both_stages("statistics", -1, 1);
    const rij_open_options one = {sizeof one, "cpu", 1};
    world w = world_new(&o);
    const size_t header = 8 + (size_t)w.wanted[0] + ((size_t)w.wanted[1] << 8);
    const long live = rj_memory_live();
    rij_model *m = NULL;

    OK(rj_file_write(w.p.model, w.wanted, w.n));
    for (size_t n = w.n - 1; n<w.n; n -= n> header + 2048 ? 4099 : 1) {
        ck_assert_int_eq(truncate(w.p.model, (off_t)n), 0);
        HOLDS(rij_model_open(w.p.model, &one, &m) == RIJ_E_MODEL, "%zu bytes: %s", n,
              rij_last_error());
        HOLDS(m == NULL && rj_memory_live() == live, "%zu bytes leak", n);
    }
    world_free(&w);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------
 */

static int refusals;

static void refuse_the_next_too(void)
{
    refusals++;
    rj_fault_at(RJ_FAULT_THREAD, 1, refuse_the_next_too);
}

START_TEST(with_fewer_threads_than_asked_for_a_training_gives_the_same_file)
{
    const rij_train_options options = both_stages("statistics", 2, 2);
    world w = world_new(&options);
    rij_train_options o = w.o;
    bool more = true;

    o.threads = 4;
    for (long n = 1; more; n++) {
        rj_fault_at(RJ_FAULT_THREAD, n, NULL);
        OK(train_and_save(w.p.data, &o, w.p.model));
        more = rj_fault_at(RJ_FAULT_THREAD, 0, NULL) >= n;
        same_as_wanted(&w);
    }
    rj_fault_at(RJ_FAULT_THREAD, 1, refuse_the_next_too);
    OK(train_and_save(w.p.data, &o, w.p.model)); // by this thread alone
    rj_fault_at(RJ_FAULT_THREAD, 0, NULL);
    ck_assert_int_ge(refusals, 3);
    same_as_wanted(&w);
    world_free(&w);
}
END_TEST

START_TEST(a_pool_has_the_threads_that_the_system_grants)
{
    for (long n = 1; n <= 4; n++) {
        rj_pool *pool;

        rj_fault_at(RJ_FAULT_THREAD, n, NULL);
        OK(rj_pool_new(4, &pool));
        rj_fault_at(RJ_FAULT_THREAD, 0, NULL);
        ck_assert_int_eq(rj_pool_threads(pool), n);
        rj_pool_free(pool);
    }
}
END_TEST

SUITE(faults, saving_a_model_fails_whole,
      a_checkpoint_that_cannot_be_written_is_an_error_and_the_last_one_stands,
      a_stop_that_cannot_be_kept_says_so, a_model_that_is_cut_anywhere_is_refused,
      with_fewer_threads_than_asked_for_a_training_gives_the_same_file,
      a_pool_has_the_threads_that_the_system_grants)
