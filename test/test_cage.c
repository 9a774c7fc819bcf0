/* Work in a cage that is a stranger's: whatever it does, the caller lives and is told,
 * and other work goes on. */
#include "base/cage.h"
#include "data/data.h"
#include "misbehave.h"
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const rj_cage_limits tight = {
    .memory = (size_t)256 << 20, .out = 4096, .cpu_s = 1, .wall_s = 100};

/* What becomes of such work, and how it is said. */
static rij_status outcome(rj_cage *cage, char what)
{
    rj_caged_result r = {0};
    const rij_status status = rj_cage_run(cage, (const uint8_t *)&what, 1, &r);

    if (status == RIJ_OK)
        ck_assert(r.n == 4 && memcmp(r.bytes, "work", 4) == 0 && r.number[0] == 1);
    rj_free(r.bytes);
    return status;
}

START_TEST(a_worker_that_dies_costs_one_answer)
{
    static const struct {
        char what;
        const char *words;
    } cases[] = {
#ifndef RJ_SANITIZED // they end the worker themselves
        {'c', "the decoder died of signal 11"},
        {'a', "the decoder died of signal"}, // 11 with a filter, else 6
#endif
        {'h', "the decoder was stopped after 1 seconds of work"},
        {'l', "the decoder answers nonsense"},
        {'e', "the decoder ended without a word"},
        {'d', "the decoder answers nonsense"},
        {'D', "the decoder answers nonsense"},
        {'q', "?[31m ?"},
    };
    rj_cage *cage = NULL;

    OK(rj_cage_new(misbehave, &tight, &cage));
    for (int i = 0; i < RJ_COUNT(cases); i++) {
        OK(outcome(cage, '.'));
        FAILS(outcome(cage, cases[i].what), RIJ_E_IMAGE);
        ck_assert_msg(strstr(rij_last_error(), cases[i].words), "%c: %s", cases[i].what,
                      rij_last_error());
    }
    OK(outcome(cage, '.'));
    rj_cage_free(cage);
}
END_TEST

/* Limits of the caller's that are stricter stay, and are no reason to fail, of one either
 * who may not raise them. */
START_TEST(a_caller_under_limits_has_cages)
{
    rj_cage *cage = NULL;
    rj_limits limits;
    rj_image image;

    ck_assert_int_eq(setrlimit(RLIMIT_CPU, &(struct rlimit){900, 900}), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, 1 << 20}), 0);
#ifndef RJ_SANITIZED
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &(struct rlimit){1 << 28, 1 << 28}), 0);
#endif
    if (geteuid() == 0)
        ck_assert_int_eq(setuid(65534), 0);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); // or no sanitizer can look at its leaks
    OK(rj_cage_new(misbehave, &tight, &cage));
    OK(outcome(cage, '.'));
    rj_cage_free(cage);
    OK(rj_isolate_new(&cage)); // whose output may be larger than that
    limits = rj_limits_in(cage);
    FAILS(rj_isolate_decode((const uint8_t *)"x", 1, &limits, &image), RIJ_E_DEVICE);
    rj_cage_free(cage);
}
END_TEST

START_TEST(a_worker_that_only_waits_is_stopped)
{
    const rj_cage_limits brief = {
        .memory = (size_t)256 << 20, .out = 4096, .cpu_s = 100, .wall_s = 1};
    rj_cage *cage = NULL;

    OK(rj_cage_new(misbehave, &brief, &cage));
    FAILS(outcome(cage, 's'), RIJ_E_IMAGE);
    ck_assert_str_eq(rij_last_error(), "the decoder was stopped after 1 seconds");
    rj_cage_free(cage);
}
END_TEST

START_TEST(memory_of_a_worker_is_limited)
{
    rj_cage *cage = NULL;

#ifdef RJ_SANITIZED
    return;
#endif
    OK(rj_cage_new(misbehave, &tight, &cage));
    FAILS(outcome(cage, 'm'), RIJ_E_IMAGE); // it costs an image, not a run
    FAILS(outcome(cage, 'b'), RIJ_E_IMAGE);
    ck_assert_str_eq(rij_last_error(), "the decoder needs more than 256 MiB of memory");
    OK(outcome(cage, '.'));
    rj_cage_free(cage);
}
END_TEST

#if defined(RJ_HAS_libseccomp) && !defined(RJ_SANITIZED)
START_TEST(a_worker_reaches_nothing)
{
    static const struct {
        char what;
        const char *words;
    } cases[] = {
        {'o', "no file"},
        {'w', "no write"},
        {'n', "what no decoder does"},
        {'x', "what no decoder does"},
        {'f', "no process"},
        {'p', "no code"},
        {'k', "no signal"},
    };
    rj_cage *cage = NULL;

    caller = getpid();
    OK(rj_cage_new(misbehave, &tight, &cage));
    for (int i = 0; i < RJ_COUNT(cases); i++) {
        FAILS(outcome(cage, cases[i].what), RIJ_E_IMAGE);
        ck_assert_msg(strstr(rij_last_error(), cases[i].words), "%c: %s", cases[i].what,
                      rij_last_error());
    }
    rj_cage_free(cage);
}
END_TEST
#else
/* Without the filter descriptors and files are still out of reach. */
START_TEST(a_worker_reaches_nothing)
{
    rj_cage *cage = NULL;

    OK(rj_cage_new(misbehave, &tight, &cage));
    FAILS(outcome(cage, 'o'), RIJ_E_IMAGE);
    rj_cage_free(cage);
}
END_TEST
#endif

/* ---- who waits -------------------------------------------------------------------- */

START_TEST(the_process_that_waits_is_started_again)
{
    rj_caged_result r = {0};
    rj_cage *cage = NULL;
    pid_t pid;

    OK(rj_cage_new(misbehave, &tight, &cage));
    OK(rj_cage_run(cage, (const uint8_t *)".", 1, &r));
    rj_free(r.bytes);
    pid = r.number[1];
    ck_assert_int_gt(pid, 1);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    OK(rj_cage_run(cage, (const uint8_t *)".", 1, &r));
    rj_free(r.bytes);
    ck_assert_int_ne(r.number[1], pid);
    rj_cage_free(cage);
}
END_TEST

/* A descriptor of the process that waits, readable once that has ended. */
static int watch_over(rj_cage *cage)
{
    rj_caged_result r = {0};
    int fd;

    OK(rj_cage_run(cage, (const uint8_t *)".", 1, &r));
    rj_free(r.bytes);
    fd = (int)syscall(SYS_pidfd_open, r.number[1], 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void still_there(int watched)
{
    ck_assert_int_eq(poll(&(struct pollfd){watched, POLLIN, 0}, 1, 0), 0);
    close(watched);
}

/* It is nobody's child, so the caller's wait() sees none, and it goes with its cage. */
START_TEST(nothing_is_left_behind)
{
    struct pollfd ended = {-1, POLLIN, 0};
    rj_cage *cage = NULL;
    int how;

    OK(rj_cage_new(misbehave, &tight, &cage));
    ended.fd = watch_over(cage);
    ck_assert_int_eq(waitpid(-1, &how, WNOHANG), -1);
    ck_assert_int_eq(poll(&ended, 1, 0), 0);
    rj_cage_free(cage);
    ck_assert_int_eq(poll(&ended, 1, 20000), 1);
    close(ended.fd);
    ck_assert_int_eq(rj_memory_live(), 0);
}
END_TEST

/* As process 1 of a container does. */
START_TEST(a_caller_that_adopts_orphans_has_none_left)
{
    rj_cage *cage = NULL;
    int how;

    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    OK(rj_cage_new(misbehave, &tight, &cage));
    OK(outcome(cage, '.'));
    ck_assert_int_eq(kill((pid_t)waitpid(-1, &how, WNOHANG), 0), 0); // it is there
    rj_cage_free(cage);
    ck_assert_int_eq(waitpid(-1, &how, WNOHANG), -1);
}
END_TEST

typedef struct crew {
    rj_cage *cage;
    int wrong;
} crew;

static void *wait_a_while(void *user)
{
    crew *c = user;

    if (outcome(c->cage, 't') != RIJ_OK)
        __atomic_add_fetch(&c->wrong, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Deaths, lies and half answers are their own worker's alone. */
START_TEST(a_worker_that_dies_leaves_the_others_at_work)
{
    rj_cage *cage = NULL;
    pthread_t thread[4];
    crew c = {0};
    int watched;

    OK(rj_cage_new(misbehave, &tight, &cage));
    watched = watch_over(cage);
    c.cage = cage;
    for (int i = 0; i < RJ_COUNT(thread); i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, wait_a_while, &c), 0);
    for (const char *p = "edDqledl"; *p; p++)
        FAILS(outcome(cage, *p), RIJ_E_IMAGE);
    for (int i = 0; i < RJ_COUNT(thread); i++)
        pthread_join(thread[i], NULL);
    ck_assert_int_eq(c.wrong, 0);
    still_there(watched);
    rj_cage_free(cage);
}
END_TEST

static void *take_and_give_back(void *user)
{
    while (!__atomic_load_n((int *)user, __ATOMIC_SEQ_CST))
        free(malloc(1000));
    return NULL;
}

START_TEST(a_cage_can_be_made_where_there_are_threads)
{
    pthread_t thread[3];
    int done = 0;

    for (int i = 0; i < RJ_COUNT(thread); i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, take_and_give_back, &done), 0);
    for (int i = 0; i < 10; i++) {
        rj_cage *cage = NULL;

        OK(rj_cage_new(misbehave, &tight, &cage));
        OK(outcome(cage, '.'));
        rj_cage_free(cage);
    }
    __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < RJ_COUNT(thread); i++)
        pthread_join(thread[i], NULL);
}
END_TEST

/* A caller that forks: its child can use the cage and free it; the parent's lives on. */
START_TEST(a_cage_outlives_a_fork_of_its_caller)
{
    rj_cage *cage = NULL;
    int watched, how = -1;
    pid_t pid;

    OK(rj_cage_new(misbehave, &tight, &cage));
    watched = watch_over(cage);
    pid = fork();
    if (pid == 0) {
        const rij_status status = outcome(cage, '.');

        rj_cage_free(cage);
        _exit(status == RIJ_OK ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert_int_eq(how, 0);
    OK(outcome(cage, '.'));
    still_there(watched);
    rj_cage_free(cage);
}
END_TEST

/* Where standard input, output and others are closed, their numbers are given anew. */
START_TEST(a_cage_can_be_made_without_standard_files)
{
    rj_cage *cage = NULL;
    int kept[3], watched;
    rij_status made;

    for (int i = 0; i < 3; i++) {
        kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 20);
        close(i);
    }
    made = rj_cage_new(misbehave, &tight, &cage); // its sockets are 0 and 1
    for (int i = 2; i >= 0; i--)
        if (fcntl(i, F_GETFD) < 0)
            dup2(kept[i], i);
    OK(made);
    watched = watch_over(cage);
    OK(outcome(cage, '.'));
    still_there(watched);
    rj_cage_free(cage);
}
END_TEST

static int
    *strangers; /* shared with processes: handlers that ran in another than `host` */
static pid_t host;

static void on_signal(int number)
{
    (void)number;
    if (getpid() != host)
        __atomic_add_fetch(strangers, 1, __ATOMIC_SEQ_CST);
}

/* Signals to the caller's group, again and again, while cages are made. */
START_TEST(no_handler_of_the_caller_runs_in_a_cage)
{
    pid_t sender;

    strangers =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(strangers, MAP_FAILED);
    setpgid(0, 0);
    host = getpid();
    signal(SIGUSR1, SIG_IGN);
    sender = fork();
    if (sender == 0)
        for (;;)
            kill(-host, SIGUSR1);
    signal(SIGUSR1, on_signal);
    for (int i = 0; i < 50; i++) {
        rj_cage *cage = NULL;

        OK(rj_cage_new(misbehave, &tight, &cage));
        rj_cage_free(cage);
    }
    kill(sender, SIGKILL);
    waitpid(sender, NULL, 0);
    ck_assert_int_eq(*strangers, 0);
    munmap(strangers, 4096);
}
END_TEST

/* More at once than a server has descriptors for: the others wait for their turn. */
START_TEST(more_than_can_run_at_once_wait)
{
    struct rlimit files;
    rj_cage *cage = NULL;
    pthread_t thread[20];
    crew c = {0};
    int watched;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){24, files.rlim_max}), 0);
    OK(rj_cage_new(misbehave, &tight, &cage));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    watched = watch_over(cage);
    c.cage = cage;
    for (int i = 0; i < RJ_COUNT(thread); i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, wait_a_while, &c), 0);
    for (int i = 0; i < RJ_COUNT(thread); i++)
        pthread_join(thread[i], NULL);
    ck_assert_int_eq(c.wrong, 0);
    still_there(watched);
    rj_cage_free(cage);
}
END_TEST

SUITE(cage, a_worker_that_dies_costs_one_answer, a_caller_under_limits_has_cages,
      a_worker_that_only_waits_is_stopped, memory_of_a_worker_is_limited,
      a_worker_reaches_nothing, the_process_that_waits_is_started_again,
      nothing_is_left_behind, a_caller_that_adopts_orphans_has_none_left,
      a_worker_that_dies_leaves_the_others_at_work,
      a_cage_can_be_made_where_there_are_threads, a_cage_outlives_a_fork_of_its_caller,
      a_cage_can_be_made_without_standard_files, no_handler_of_the_caller_runs_in_a_cage,
      more_than_can_run_at_once_wait)
