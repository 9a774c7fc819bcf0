/* The one test program: every suite of suites.def, or the one named by -k. Its exit code
 * is 0 only if every test passed and at least one ran; test/house/exitcode.sh proves that
 * with the suite must_fail, which runs only when it is asked for by name. */
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
SUITE(must_fail, 10, a_failing_test_counts)

int main(int argc, char **argv)
{
    const char *only = argc == 3 && strcmp(argv[1], "-k") == 0 ? argv[2] : NULL;
    SRunner *runner = srunner_create(NULL);
    int ran, failed;

    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        if (!only || strcmp(only, suites[i].name) == 0)
            srunner_add_suite(runner, suites[i].make());
    if (only && strcmp(only, "must_fail") == 0)
        srunner_add_suite(runner, suite_must_fail());
    srunner_run_all(runner, CK_NORMAL);
    ran = srunner_ntests_run(runner);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("%d passed, %d failed\n", ran - failed, failed);
    return failed || !ran ? EXIT_FAILURE : EXIT_SUCCESS;
}
