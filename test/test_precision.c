/* test_precision.c: convolutions in bfloat16 against a bound that is derived. With
 * u = 2^-8, half of the last of 8 significant bits, a number rounded to bfloat16 is off
 * by u of its size at most. Each factor of a product is rounded once: x and dy as they
 * are stored, or as they are read where x is plain, and w as it is read. A product of two
 * is off by 2 u + u^2 of its size then. S is the sum of the sizes of all products: the
 * same convolution of |x| and |w|. A float sum of n products is off by n eps S at most.
 * So
 *
 *     |sum - exact| <= (2 u + u^2 + n eps) S = E
 *
 * and likewise for dx and dw. dw is no picture and stays as it is. y and dx are rounded
 * as they are stored, dx together with the 0.5 that gradients begin with; deconv2d stores
 * y before its bias is added, and dx before it is added to what there is, so twice. Each
 * time it is off by u / (1 + u) of its size at most, which is |exact| + E + 1 and what
 * the store before did: neither a bias nor 0.5 is larger than 1. Two stores together make
 * 2 u (|exact| + E + 1) at most. (test_winograd.c has the same for Winograd's algorithm,
 * test_halves.c has all other ops.) */
#include "cases.h"
#include "test.h"
#include <float.h>
#include <math.h>
#include <string.h>

static const double eps =
    sizeof(rj_real) == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;
static const double u = 0x1p-8, half = 0x1p-7 + 0x1p-16; // 2 u + u^2

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

/* Output and gradients as all_numbers() has them, of |inputs| and |dy|; y's shape. */
static rj_real *all_sizes(const one *c, size_t *n, rj_shape *y)
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
    *y = r.out->shape;
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

/* How often the output, i = -1, or the gradient of input i is rounded as it is stored. */
static int stores(const one *c, int i)
{
    if (i > 0 || (i == 0 && !c->in[0].picture))
        return 0;
    return c->op == &rj_op_deconv2d && (i == 0 || c->inputs[2] != '-') ? 2 : 1;
}

/* |a - b| <= share S + `times` of what its stores may do, and what reading back from 0.5
 * may. */
static void check_within(const one *c, const char *isa, double share, int times,
                         const rj_real *a, const rj_real *b, const rj_real *s,
                         const rj_shape *y)
{
    for (int i = -1; i < 3; i++) {
        const size_t n = i < 0 ? rj_count(y) : rj_count(&c->in[i]);
        if (i >= 0 && !wants(c, i))
            continue;
        for (size_t k = 0; k < n; k++) {
            const double off = share * (double)s[k];
            const double most =
                off + 2 * eps + times * stores(c, i) * u * (fabs((double)a[k]) + off + 1);
            HOLDS(fabs((double)a[k] - (double)b[k]) <= most,
                  "%s/%s on %s, %d[%zu]: %.9g, not %.9g, bound %.3g", c->op->name,
                  c->name, isa, i, k, (double)b[k], (double)a[k], most);
        }
        a += n, b += n, s += n;
    }
}

/* Each instruction set against exact numbers; and, as all round the same factors, much
 * nearer to the first of them: sums differ by their order alone, and two numbers that
 * near are rounded to two that are off by u of their size each. */
static void check_rounded(const one *c)
{
    const way exact = {"ref", 1, RJ_FP32, RJ_AUTO},
              rounded = {"cpu", 2, RJ_BF16, RJ_DIRECT};
    rj_real *first = NULL, *a, *s;
    const char *isa;
    double most;
    rj_shape y;
    size_t n;
    int i = 0;

    a = all_numbers(c, &exact, &n);
    s = all_sizes(c, &n, &y);
    most = terms(c, &y);
    while ((isa = next_isa(&i)) != NULL) {
        rj_real *b = all_numbers(c, &rounded, &n);
        check_within(c, isa, half + (most + 2) * eps, 1, a, b, s, &y);
        if (first)
            check_within(c, isa, 2 * (most + 2) * eps, 2, first, b, s, &y);
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

SUITE(precision, bfloat16_is_the_nearest_with_eight_bits,
      rounded_factors_are_off_by_no_more_than_two_roundings,
      the_reference_stays_exact_and_the_cpu_rounds)
