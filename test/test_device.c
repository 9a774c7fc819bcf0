/* The device that RIJ_TEST_DEVICE names (cpu if none is named), in all its precisions:
 * every case against the reference, the same bits each time, whatever lay in its memory.
 * make test-cuda-sim runs this on the simulated GPU. RIJ_TEST_OP: the cases of one op. */
#include "like.h"
#include "test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The k-th case, or, if that is not asked for, the next one; NULL: there is none. */
static const one *next_case(int *k)
{
    const char *op = getenv("RIJ_TEST_OP");

    while (*k < cases_count) {
        const one *c = &cases[(*k)++];
        if (!op || !*op || strcmp(op, c->op->name) == 0)
            return c;
    }
    return NULL;
}

/* Pictures are stored in two ways; only convolutions know a third. */
static int last_precision(const one *c)
{
    return convolves(c) ? RJ_TF32 : pictured(c) ? RJ_BF16 : RJ_FP32;
}

/* Everything of a case in float32: sums are in another order, no more. */
static void check_case(const one *c)
{
    size_t n, m;
    rj_real *a = all_numbers(c, &(way){"ref", 1, RJ_FP32, RJ_AUTO}, &n);
    rj_real *b = all_numbers(c, &(way){tested_device(), 2, RJ_FP32, RJ_AUTO}, &m);
    const double most = order_bound(c, n, a);

    ck_assert_uint_eq(n, m);
    for (size_t i = 0; i < n; i++)
        HOLDS(fabs((double)a[i] - (double)b[i]) <= most,
              "%s/%s [%zu] of %zu: ref %.9g, %s %.9g, %.3g allowed", c->op->name, c->name,
              i, n, (double)a[i], tested_device(), (double)b[i], most);
    rj_free(a);
    rj_free(b);
}

START_TEST(every_case_agrees_with_the_reference)
{
    const one *c;
    int k = 0;

    while ((c = next_case(&k)) != NULL)
        check_case(c);
}
END_TEST

START_TEST(every_case_agrees_like_with_like_in_every_precision)
{
    static const char *const labels[] = {
        [RJ_FP32] = "fp32", [RJ_BF16] = "bf16", [RJ_TF32] = "tf32"};
    const one *c;
    int k = 0;

    while ((c = next_case(&k)) != NULL)
        for (int p = RJ_FP32; p <= last_precision(c); p++)
            check_like(c, &(way){tested_device(), 2, (enum rj_precision)p, RJ_DIRECT},
                       labels[p]);
}
END_TEST

/* One number for the bits of all cases, into the file that RIJ_TEST_BITS names, so that
 * whole runs can be compared. */
static void note_bits(uint64_t bits)
{
    const char *path = getenv("RIJ_TEST_BITS");
    FILE *file = path && *path ? fopen(path, "w") : NULL;

    if (!file)
        return;
    fprintf(file, "%016llx\n", (unsigned long long)bits);
    fclose(file);
}

START_TEST(the_same_bits_each_time)
{
    uint64_t bits = 1;
    const one *c;
    int k = 0;

    while ((c = next_case(&k)) != NULL)
        for (int p = RJ_FP32; p <= last_precision(c); p++) {
            const way w = {tested_device(), 2, (enum rj_precision)p, RJ_AUTO};
            size_t n, m;
            rj_real *a = all_numbers(c, &w, &n);
            rj_real *b = all_numbers(c, &w, &m);
            ck_assert_msg(n == m && memcmp(a, b, n * sizeof *a) == 0,
                          "%s/%s, precision %d", c->op->name, c->name, p);
            bits = rj_hash(a, n * sizeof *a, bits);
            rj_free(a);
            rj_free(b);
        }
    note_bits(bits);
}
END_TEST

/* Output of a case whose numbers' signs are taken away, if that is asked for. */
static rj_real *output_of(const one *c, const way *w, bool sizes)
{
    rj_real *y;
    run r;

    run_open_way(&r, c, w);
    for (int i = 0; i < c->op->inputs && sizes; i++)
        if (r.in[i]) {
            rj_real *x = values_of(&r, r.in[i]);
            for (size_t k = 0; k < rj_count(&c->in[i]); k++)
                x[k] = (rj_real)fabs((double)x[k]);
            set_values(&r, r.in[i], x);
            rj_free(x);
        }
    run_forward(&r);
    y = values_of(&r, r.out);
    run_close(&r);
    return y;
}

/* Of 11 significant bits a cut number is off by 2^-10 of itself at most and a rounded one
 * by 2^-11, so a sum of products by both times the sum of their sizes. Products of
 * bfloat16 would be off by 2^-8, and in sums of few terms are. */
START_TEST(tf32_multiplies_11_bits)
{
    const double most = 0x1p-10 + 0x1p-11 + 0x1p-20;
    const way ref = {"ref", 1, RJ_FP32, RJ_AUTO},
              there = {tested_device(), 2, RJ_TF32, RJ_AUTO};
    const one *c;
    int k = 0;

    while ((c = next_case(&k)) != NULL) {
        if (!convolves(c))
            continue;
        rj_real *a = output_of(c, &ref, false), *size = output_of(c, &ref, true);
        rj_real *b = output_of(c, &there, false);
        run r;
        run_open(&r, c, "ref", 1);
        for (size_t i = 0; i < rj_count(&r.out->shape); i++)
            HOLDS(fabs((double)a[i] - (double)b[i]) <= most * (double)size[i] + 1e-7,
                  "%s/%s: y[%zu] is %.9g, not %.9g, of sizes that add up to %.3g",
                  c->op->name, c->name, i, (double)b[i], (double)a[i], (double)size[i]);
        run_close(&r);
        rj_free(a);
        rj_free(b);
        rj_free(size);
    }
}
END_TEST

START_TEST(a_fresh_gradient_is_written_whole)
{
    const one *c;
    int k = 0;

    while ((c = next_case(&k)) != NULL)
        for (int p = RJ_FP32; p <= last_precision(c); p++)
            check_written(c, &(way){tested_device(), 2, (enum rj_precision)p, RJ_AUTO});
}
END_TEST

/* As in the reference, so that one sees a training diverge. */
START_TEST(what_is_no_number_stays_none)
{
    const one *c;
    int k = 0;

    while ((c = next_case(&k)) != NULL)
        for (int p = RJ_FP32; pictured(c) && p <= last_precision(c); p++)
            check_no_numbers(c,
                             &(way){tested_device(), 2, (enum rj_precision)p, RJ_DIRECT},
                             tested_device());
}
END_TEST

/* The loss that the product is about, at a size of use, more exactly than its sums have
 * to be: 1e-5 of the largest number of the gradient. */
START_TEST(the_gradient_of_contrast_is_within_1e_5)
{
    const one soft = {&rj_op_contrast,
                      "large",
                      "glpowc",
                      PAR(rj_contrast_par, 0.1, 0.1, 0.5, 0.3),
                      {PLAIN(2, 150, 64), PLAIN(1, 150), PLAIN(1, 150), PLAIN(1, 150),
                       PLAIN(1, 150), PLAIN(2, 150, 64)}};
    size_t n, m;
    rj_real *a = all_numbers(&soft, &(way){"ref", 1, RJ_FP32, RJ_AUTO}, &n);
    rj_real *b = all_numbers(&soft, &(way){tested_device(), 2, RJ_BF16, RJ_AUTO}, &m);
    double most = 0;

    for (size_t i = 1; i < n; i++) // the loss comes first
        most = fmax(most, fabs((double)a[i]));
    ck_assert_msg(most > 1e-3, "a gradient of %g at most checks nothing", most);
    for (size_t i = 1; i < n; i++)
        HOLDS(fabs((double)a[i] - (double)b[i]) <= 1e-5 * most, "[%zu]: %.9g, not %.9g",
              i, (double)b[i], (double)a[i]);
    HOLDS(fabs((double)a[0] - (double)b[0]) <= 1e-5 * fabs((double)a[0]),
          "loss %.9g, not %.9g", (double)b[0], (double)a[0]);
    rj_free(a);
    rj_free(b);
}
END_TEST

SUITE(device, every_case_agrees_with_the_reference,
      every_case_agrees_like_with_like_in_every_precision, the_same_bits_each_time,
      tf32_multiplies_11_bits, a_fresh_gradient_is_written_whole,
      what_is_no_number_stays_none, the_gradient_of_contrast_is_within_1e_5)
