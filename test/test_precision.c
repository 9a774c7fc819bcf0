/* test_precision.c: convolutions whose factors are rounded to bfloat16, against a bound
 * that is derived. With u = 2^-8 the rounding of a factor, a product of two is off by
 * 2 u + u^2 of its size at most. S is the sum of the sizes of all products: the same
 * convolution of |x| and |w|. A float sum of n products is off by n eps S at most. So
 *
 *     |y - exact| <= (2 u + u^2 + n eps) S
 *
 * and likewise for dx and dw. (test_winograd.c has the same for Winograd's algorithm.) */
#include "cases.h"
#include "test.h"
#include <float.h>
#include <math.h>
#include <string.h>

static const double eps =
    sizeof(rj_real) == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;
static const double half = 0x1p-7 + 0x1p-16; // 2 u + u^2

/* ---- the sizes of sums ------------------------------------------------------------ */

static rj_real *sizes_of(size_t n, const rj_real *x)
{
    rj_real *size = rj_alloc(n, sizeof *size);

    for (size_t i = 0; i < n; i++)
        size[i] = (rj_real)fabs((double)x[i]);
    return size;
}

/* No sum of the case has more products: of channels and taps, or of pixels. */
static double terms(const one *c, const rj_shape *y)
{
    const int *w = c->in[1].dim;

    return fmax((double)RJ_MAX(w[0], w[1]) * w[2] * w[3],
                (double)y->dim[0] * y->dim[2] * y->dim[3]);
}

/* Output and gradients as all_numbers() has them, of |inputs| and |dy|; *most terms. */
static rj_real *all_sizes(const one *c, size_t *n, double *most)
{
    rj_real *all = all_numbers(c, &(way){"ref", 1, RJ_FP32, RJ_AUTO}, n), *v, *dy;
    size_t have;
    run r;

    run_open(&r, c, "ref", 1);
    for (int i = 0; i < 3; i++)
        if (r.in[i]) {
            rj_real *x = values_of(&r, r.in[i]);
            rj_real *size = sizes_of(rj_count(&c->in[i]), x);
            set_values(&r, r.in[i], size);
            rj_free(x);
            rj_free(size);
        }
    run_forward(&r);
    *most = terms(c, &r.out->shape);
    have = rj_count(&r.out->shape);
    v = weights(have);
    dy = sizes_of(have, v);
    run_backward(&r, dy);
    rj_free(v);
    rj_free(dy);
    have = 0;
    for (int i = -1; i < 3; i++) {
        const rj_tensor *t = i < 0 ? r.out : r.in[i];
        rj_real *part;
        if (i >= 0 && !wants(c, i))
            continue;
        part = i < 0 ? values_of(&r, t) : gradient_of(&r, t);
        memcpy(all + have, part, rj_count(&t->shape) * sizeof *part);
        have += rj_count(&t->shape);
        rj_free(part);
    }
    run_close(&r);
    return all;
}

static bool convolves(const one *c)
{
    return c->op == &rj_op_conv2d || c->op == &rj_op_deconv2d;
}

/* |a - b| <= share S, and what reading back from 0.5 may do. */
static void check_within(const one *c, const char *isa, double share, size_t n,
                         const rj_real *a, const rj_real *b, const rj_real *s)
{
    for (size_t i = 0; i < n; i++) {
        const double most = share * (double)s[i] + 2 * eps;
        ck_assert_msg(fabs((double)a[i] - (double)b[i]) <= most,
                      "%s/%s on %s, number %zu: %.9g, not %.9g, bound %.3g", c->op->name,
                      c->name, isa, i, (double)b[i], (double)a[i], most);
    }
}

/* Each instruction set against exact numbers, and, as all round the same factors, much
 * nearer to the first of them. */
static void check_rounded(const one *c)
{
    const way exact = {"ref", 1, RJ_FP32, RJ_AUTO},
              rounded = {"cpu", 2, RJ_BF16, RJ_DIRECT};
    rj_real *first = NULL, *a, *s;
    const char *isa;
    double most;
    size_t n;
    int i = 0;

    a = all_numbers(c, &exact, &n);
    s = all_sizes(c, &n, &most);
    while ((isa = next_isa(&i)) != NULL) {
        rj_real *b = all_numbers(c, &rounded, &n);
        check_within(c, isa, half + (most + 2) * eps, n, a, b, s);
        if (first)
            check_within(c, isa, 2 * (most + 2) * eps, n, first, b, s);
        if (!first)
            first = b;
        else
            rj_free(b);
    }
    rj_free(first);
    rj_free(a);
    rj_free(s);
}

START_TEST(rounded_factors_are_off_by_no_more_than_two_roundings)
{
    for (int k = 0; k < cases_count; k++)
        if (convolves(&cases[k]))
            check_rounded(&cases[k]);
}
END_TEST

/* ref may round nothing; and what rounds is told from what does not. */
START_TEST(the_reference_stays_exact_and_the_cpu_rounds)
{
    for (int k = 0; k < cases_count; k++) {
        size_t n;
        rj_real *a, *b;
        if (!convolves(&cases[k]))
            continue;
        a = all_numbers(&cases[k], &(way){"ref", 1, RJ_FP32, RJ_AUTO}, &n);
        b = all_numbers(&cases[k], &(way){"ref", 1, RJ_BF16, RJ_AUTO}, &n);
        ck_assert_mem_eq(a, b, n * sizeof *a);
        rj_free(b);
        b = all_numbers(&cases[k], &(way){"cpu", 1, RJ_BF16, RJ_AUTO}, &n);
        ck_assert_msg(memcmp(a, b, n * sizeof *a) != 0, "%s rounds nothing",
                      cases[k].name);
        rj_free(a);
        rj_free(b);
    }
}
END_TEST

START_TEST(bfloat16_is_the_nearest_with_eight_bits)
{
    ck_assert(rj_bf16(1) == 1 && rj_bf16(-0.375f) == -0.375f && rj_bf16(0) == 0);
    ck_assert(rj_bf16(1 + 0x1p-8f) == 1);              // a tie, to even
    ck_assert(rj_bf16(1 + 0x3p-8f) == 1 + 0x1p-6f);    // likewise, upwards
    ck_assert(rj_bf16(1 + 0x1.01p-8f) == 1 + 0x1p-7f); // just above a tie
    ck_assert(rj_bf16(-1 - 0x1.01p-8f) == -1 - 0x1p-7f);
    ck_assert(rj_bf16(FLT_MAX) == INFINITY && rj_bf16(-INFINITY) == -INFINITY);
    ck_assert(isnan(rj_bf16(NAN)));
}
END_TEST

SUITE(precision, 60, bfloat16_is_the_nearest_with_eight_bits,
      rounded_factors_are_off_by_no_more_than_two_roundings,
      the_reference_stays_exact_and_the_cpu_rounds)
