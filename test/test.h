/* test.h: what every test file uses. */
#ifndef RJ_TEST_H
#define RJ_TEST_H

#include "base/base.h"
#include <check.h>

/* A status is OK, or the message says why not. */
#define OK(call)                                                                         \
    do {                                                                                 \
        const rij_status ok_ = (call);                                                   \
        ck_assert_msg(ok_ == RIJ_OK, "%s: %s", rij_status_name(ok_), rij_last_error());  \
    } while (0)
/* A call fails with this status and says something. */
#define FAILS(call, wanted)                                                              \
    do {                                                                                 \
        const rij_status got_ = (call);                                                  \
        ck_assert_msg(got_ == (wanted), "%s, not %s: %s", rij_status_name(got_),         \
                      rij_status_name(wanted), rij_last_error());                        \
        ck_assert_msg(rij_last_error()[0] != 0, "no message");                           \
    } while (0)

/* ck_assert_msg() for loops over numbers: check writes to a file at each of those. */
#define HOLDS(condition, ...)                                                            \
    do {                                                                                 \
        if (!(condition))                                                                \
            ck_abort_msg(__VA_ARGS__);                                                   \
    } while (0)

/* Whether a sanitizer has memory of its own beside the process's. */
#if defined(__has_feature)
#    define SANITIZED                                                                    \
        (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))
#elif defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#    define SANITIZED 1
#else
#    define SANITIZED 0
#endif

/* Seconds until a test is taken to hang: far more than any takes, under sanitizers and on
 * a busy machine too. */
enum { RJ_TEST_LIMIT_S = 900 };

/* A suite of one case: its tests, by name. */
#define SUITE(name, ...)                                                                 \
    Suite *suite_##name(void);                                                           \
    Suite *suite_##name(void)                                                            \
    {                                                                                    \
        Suite *suite = suite_create(#name);                                              \
        TCase *tcase = tcase_create(#name);                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                      \
        tcase_set_timeout(tcase, RJ_TEST_LIMIT_S);                                       \
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)                        \
            tcase_add_test(tcase, tests[i]);                                             \
        suite_add_tcase(suite, tcase);                                                   \
        return suite;                                                                    \
    }

#endif
