/* The one test program: every suite of suites.def, or those named by -k, as many at a
 * time as there are processors. Its exit code is 0 only if every test passed and at least
 * one ran; test/house/exitcode.sh proves that with the suite must_fail, which runs only
 * when it is asked for by name. */
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RJ_SUITE(name) Suite *suite_##name(void);
#include "suites.def"
#undef RJ_SUITE

static const struct {
    const char *name;
    Suite *(*make)(void);
} suites[] = {
#define RJ_SUITE(name) {#name, suite_##name},
#include "suites.def"
#undef RJ_SUITE
};

START_TEST(a_failing_test_counts)
{
    ck_abort_msg("this test is meant to fail");
}
END_TEST
SUITE(must_fail, a_failing_test_counts)

/* Whether a name is among those between commas. */
static bool listed(const char *list, const char *name)
{
    const size_t n = strlen(name);

    for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL)
        if (strncmp(list, name, n) == 0 && (list[n] == 0 || list[n] == ','))
            return true;
    return false;
}

/* What a suite counted, written in one piece. */
typedef struct count {
    int suite, ran, failed, seconds;
} count;

/* Runs one suite after another, each taken from the pipe `next`, until it is empty. */
static void work(int next, int told)
{
    unsigned char i;
    bool whole = true;

    while (whole && read(next, &i, 1) == 1) {
        const double start = rj_now_s();
        SRunner *runner =
            srunner_create(i < RJ_COUNT(suites) ? suites[i].make() : suite_must_fail());
        srunner_run_all(runner, CK_NORMAL);
        count one = {i, srunner_ntests_run(runner), srunner_ntests_failed(runner),
                     (int)(rj_now_s() - start)};
        srunner_free(runner);
        fflush(stdout);
        whole = write(told, &one, sizeof one) == sizeof one;
    }
    _exit(whole ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Where the time goes, for whoever wants the tests to be quicker; a suite of less than
 * ten seconds is no matter. */
static void tell_slowest(const int seconds[])
{
    bool told[RJ_COUNT(suites)] = {false};

    for (int k = 0; k < 8; k++) {
        int most = -1;

        for (int i = 0; i < RJ_COUNT(suites); i++)
            if (!told[i] && seconds[i] >= 10 && (most < 0 || seconds[i] > seconds[most]))
                most = i;
        if (most < 0)
            break;
        told[most] = true;
        printf("%s %s %d s", k ? "," : "slowest:", suites[most].name, seconds[most]);
    }
    if (memchr(told, true, sizeof told))
        printf("\n");
}

/* Whether every suite chosen was counted; the counts in *all. One that failed, or whose
 * process died in it, is named again at the end, where the tail of a log shows it. */
static bool add_up(const unsigned char *chosen, size_t n, int told, count *all)
{
    bool passed[RJ_COUNT(suites) + 1] = {false}, whole = true;
    int seconds[RJ_COUNT(suites) + 1] = {0};
    count one;

    while (read(told, &one, sizeof one) == sizeof one) {
        all->ran += one.ran;
        all->failed += one.failed;
        passed[one.suite] = one.failed == 0;
        seconds[one.suite] = one.seconds;
    }
    tell_slowest(seconds);
    for (size_t i = 0; i < n; i++)
        if (!passed[chosen[i]]) {
            whole = false;
            printf("failed: %s\n",
                   chosen[i] < RJ_COUNT(suites) ? suites[chosen[i]].name : "must_fail");
        }
    for (int status; wait(&status) > 0;)
        whole &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return whole;
}

/* The suites of a list, of all where it is NULL; 0 where it names one that is none. */
static size_t choose(const char *only, unsigned char *chosen)
{
    size_t n = 0, names = only != NULL;

    for (const char *c = only; c && *c; c++)
        names += *c == ',';
    for (size_t i = 0; i < RJ_COUNT(suites); i++)
        if (!only || listed(only, suites[i].name))
            chosen[n++] = (unsigned char)i;
    if (only && strcmp(only, "must_fail") == 0)
        chosen[n++] = RJ_COUNT(suites);
    return only && n != names ? 0 : n;
}

int main(int argc, char **argv)
{
    const char *only = argc == 3 && strcmp(argv[1], "-k") == 0 ? argv[2] : NULL;
    const int processes = (int)sysconf(_SC_NPROCESSORS_ONLN);
    unsigned char chosen[RJ_COUNT(suites) + 1];
    const size_t n = choose(only, chosen);
    int next[2], told[2], began = 0;
    count all = {0};
    bool whole;

    if (n == 0) {
        printf("-k %s: no list of suites, each once\n", only);
        return EXIT_FAILURE;
    }
    if (pipe(next) != 0 || pipe(told) != 0 || write(next[1], chosen, n) != (ssize_t)n)
        return EXIT_FAILURE;
    close(next[1]);
    for (; began < processes && began < (int)n; began++)
        if (fork() == 0)
            work(next[0], told[1]);
    close(told[1]);
    whole = add_up(chosen, n, told[0], &all);
    printf("%d passed, %d failed\n", all.ran - all.failed, all.failed);
    return all.failed || !all.ran || !whole ? EXIT_FAILURE : EXIT_SUCCESS;
}
