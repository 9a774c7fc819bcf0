/* test_halves.c: pictures whose numbers are bfloat16: packing them, and every op that
 * takes or makes any against the reference, like with like (like.c). */
#include "like.h"
#include "test.h"
#include <float.h>
#include <math.h>
#include <string.h>

/* ---- packing ---------------------------------------------------------------------- */

/* Ties, the largest, the smallest normal and what are no numbers, among others. Smaller
 * ones are left out: where the processor rounds, it makes zero of them. */
static rj_real *numbers_to_pack(size_t n, size_t first)
{
    static const float special[] = {NAN,
                                    1 + 0x1p-8f,
                                    INFINITY,
                                    -1 - 0x3p-8f,
                                    FLT_MAX,
                                    -INFINITY,
                                    -0.0f,
                                    -FLT_MAX,
                                    FLT_MIN,
                                    1 + 0x1.1p-8f,
                                    -NAN,
                                    -FLT_MIN,
                                    0x1.fep99f,
                                    -__builtin_nanf("0x3fffff"), // all bits set
                                    __builtin_nanf("0x3fffff"),  // and all but the sign
                                    __builtin_nansf("1")};       // none in its upper half
    rj_real *x = noise(n, 1);

    for (size_t i = 0; i < n; i++) {
        const size_t k = first + i;
        x[i] = k % 3 ? 100 * x[i] : (rj_real)special[k / 3 % RJ_COUNT(special)];
    }
    return x;
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static void check_packed(const char *isa, rj_picture d, size_t first)
{
    const rj_shape shape = rj_shape_picture(d.n, d.c, d.h, d.w);
    const size_t n = rj_count(&shape), plane = (size_t)d.h * (size_t)d.w;
    rj_real *x = numbers_to_pack(n, first), *back = rj_alloc(n, sizeof *back), *stored;
    run r = {.c = &cases[0]};

    OK(rj_pool_new(2, &r.pool));
    OK(rj_device_open("cpu", r.pool, &r.dev));
    const size_t block = (size_t)r.dev->k->block, full = rj_storage(r.dev, &shape);
    const size_t blocks = ((size_t)d.c + block - 1) / block;
    r.dev->precision = RJ_BF16;
    ck_assert_uint_eq(rj_picture_storage(r.dev, &d) * sizeof *x, full * 2); // bytes
    stored = rj_alloc(full, sizeof *stored);
    memset(stored, 0xff, full * sizeof *stored);
    OK(r.dev->k->pack(r.dev, &d, x, stored));
    OK(r.dev->k->unpack(r.dev, &d, stored, back));
    for (size_t i = 0; i < n; i++) {
        const size_t c = i / plane % (size_t)d.c, picture = i / plane / (size_t)d.c;
        const size_t at =
            ((picture * blocks + c / block) * plane + i % plane) * block + c % block;
        const double want = rounded((double)x[i]);
        HOLDS(same((double)back[i], want), "%s: %.9g from %.9g, not %.9g", isa,
              (double)back[i], (double)x[i], want);
        HOLDS(same(stored_number(&r, &shape, stored, at), want), "%s: [%zu]", isa, at);
    }
    check_lanes(&r, &shape, stored);
    for (size_t i = full * 2; i < full * sizeof *stored; i++) // nothing behind
        HOLDS(((unsigned char *)stored)[i] == 0xff, "%s: byte %zu", isa, i);
    rj_free(x);
    rj_free(back);
    rj_free(stored);
    run_close(&r);
}

START_TEST(what_is_packed_comes_back_rounded)
{
    const char *isa;
    int i = 0;

    while ((isa = next_isa(&i)) != NULL) {
        check_packed(isa, (rj_picture){2, 3, 4, 5}, 0);
        check_packed(isa, (rj_picture){1, 16, 3, 3}, 1);
        check_packed(isa, (rj_picture){3, 35, 7, 1}, 2);
        check_packed(isa, (rj_picture){1, 1, 1, 40}, 0);
        check_packed(isa, (rj_picture){1, 1, 1, 1}, 3);
    }
}
END_TEST

START_TEST(every_op_of_pictures_rounds_only_what_it_stores)
{
    const char *isa;
    int i = 0;

    while ((isa = next_isa(&i)) != NULL)
        for (int k = 0; k < cases_count; k++)
            if (pictured(&cases[k]))
                check_like(&cases[k], &(way){"cpu", 2, RJ_BF16, RJ_DIRECT}, isa);
}
END_TEST

/* Parameters, rows and losses are rj_real in any precision. */
START_TEST(what_is_no_picture_is_not_rounded)
{
    for (int k = 0; k < cases_count; k++) {
        size_t n;
        rj_real *a, *b;
        if (pictured(&cases[k]))
            continue;
        a = all_numbers(&cases[k], &(way){"cpu", 2, RJ_FP32, RJ_AUTO}, &n);
        b = all_numbers(&cases[k], &(way){"cpu", 2, RJ_BF16, RJ_AUTO}, &n);
        ck_assert_msg(memcmp(a, b, n * sizeof *a) == 0, "%s/%s", cases[k].op->name,
                      cases[k].name);
        rj_free(a);
        rj_free(b);
    }
}
END_TEST

/* As in the reference, so that one sees a training diverge. */
START_TEST(what_is_no_number_stays_none_in_every_precision)
{
    const char *isa;
    int i = 0;

    while ((isa = next_isa(&i)) != NULL)
        for (int k = 0; k < cases_count; k++)
            for (int p = RJ_FP32; p <= RJ_BF16 && pictured(&cases[k]); p++) {
                const way w = {"cpu", 2, (enum rj_precision)p, RJ_DIRECT};
                check_no_numbers(&cases[k], &w, isa);
            }
}
END_TEST

SUITE(halves, what_is_packed_comes_back_rounded,
      every_op_of_pictures_rounds_only_what_it_stores, what_is_no_picture_is_not_rounded,
      what_is_no_number_stays_none_in_every_precision)
