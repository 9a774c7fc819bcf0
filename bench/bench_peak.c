/* bench_peak.c: the most multiply-adds this processor does, by instruction set.
 *
 * Independent sums in registers, each acc = acc * a + b, as many as hide the latency of
 * an instruction: nothing is read from memory. Compiled with -ffp-contract=fast, so that
 * where the set has a fused multiply-add it is one. */
#include "bench.h"
#include <string.h>

enum {
    ROUNDS = 20000,
    TRIES = 100
}; /* a fifth of a second: a sleeping thread may wake late */

typedef void (*spin)(float *out);

/* A function NAME that does ROUNDS x SUMS multiply-adds of LANES numbers. */
#define SPIN(NAME, TARGET, BYTES, SUMS)                                                  \
    typedef float NAME##_vec __attribute__((vector_size(BYTES)));                        \
    TARGET static void NAME(float *out)                                                  \
    {                                                                                    \
        NAME##_vec acc[SUMS], a = {0}, b = {0}, all = {0};                               \
        for (int i = 0; i < SUMS; i++)                                                   \
            acc[i] = a + (float)i;                                                       \
        a += out[0];                                                                     \
        b += out[1];                                                                     \
        for (int n = 0; n < ROUNDS; n++) {                                               \
            _Pragma("GCC unroll 32") for (int i = 0; i < SUMS; i++) acc[i] =             \
                acc[i] * a + b;                                                          \
        }                                                                                \
        for (int i = 0; i < SUMS; i++)                                                   \
            all += acc[i];                                                               \
        memcpy(out, &all, sizeof(float) * 4);                                            \
    }

SPIN(spin_plain, , 16, 12)
#if defined(__x86_64__)
SPIN(spin_avx2, __attribute__((target("avx2,fma"))), 32, 12)
SPIN(spin_avx512, __attribute__((target("avx512f,fma"))), 64, 24)
#endif

static const struct {
    const char *isa;
    spin run;
    int lanes, sums;
} loops[] = {
    {"plain", spin_plain, 4, 12},
#if defined(__x86_64__)
    {"avx2", spin_avx2, 8, 12},
    {"avx512", spin_avx512, 16, 24},
#endif
};

static rij_status piece(void *job, int index, int worker)
{
    const spin *run = job;
    float numbers[4] = {0.999F, 1e-3F, 0, 0};

    (void)index;
    (void)worker;
    (*run)(numbers);
    // a number that is none could only come from a loop that was not run
    RJ_REQUIRE(numbers[0] == numbers[0], RIJ_E_DIVERGED, "peak: the sum is no number");
    return RIJ_OK;
}

double bench_peak(rj_pool *pool, const char *isa, int threads)
{
    const int pieces = 8 * threads;
    double best = 0;
    int which = 0;

    for (int i = 0; i < RJ_COUNT(loops); i++)
        if (strncmp(isa, loops[i].isa, strlen(loops[i].isa)) == 0)
            which = i;
    for (int i = 0; i < TRIES; i++) {
        spin run = loops[which].run;
        const double start = bench_now_s();

        for (int k = 0; threads == 1 && k < pieces; k++)
            bench_check(piece(&run, k, 0), "peak");
        if (threads > 1)
            bench_check(rj_parallel_for(pool, pieces, piece, &run), "peak");
        best = RJ_MAX(best, 2.0 * pieces * ROUNDS * loops[which].lanes *
                                loops[which].sums / (bench_now_s() - start));
    }
    return best;
}
