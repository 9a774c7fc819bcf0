/* test_halves.c: pictures whose numbers are bfloat16: packing them, and every op that
 * takes or makes any against the reference, like with like.
 *
 * All numbers that the cpu would round, of pictures and factors of convolutions, are
 * rounded first, for both. Then the cpu has the same numbers, its sums are in another
 * order, and nothing else happens before a result is stored. Storing it rounds to the
 * nearest, R, which keeps the order of any two numbers: so of a number that is a, and may
 * be off by e before it is stored,
 *
 *     R(a - e) <= what is stored <= R(a + e)
 *
 * e is what another order may do (cases.h) and, where a number is stored more than once
 * on its way, what that rounds before the last time: with u = 2^-8 a number of size A at
 * most, rounded n times, is off by A ((1 + u)^n - 1) at most. */
#include "cases.h"
#include "test.h"
#include <float.h>
#include <math.h>
#include <string.h>

static const double eps =
    sizeof(rj_real) == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;
static const double u = 0x1p-8; // half of the last of 8 significant bits

static double rounded(double x)
{
    return (double)rj_bf16((float)x);
}

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

/* ---- like with like --------------------------------------------------------------- */

/* Does the cpu round the numbers of input i? */
static bool rounds(const one *c, int i)
{
    return c->in[i].picture || (convolves(c) && i < 2);
}

static void open_rounded(run *r, const one *c, const way *w)
{
    run_open_way(r, c, w);
    for (int i = 0; i < c->op->inputs; i++)
        if (r->in[i] && rounds(c, i)) {
            rj_real *x = values_of(r, r->in[i]);
            for (size_t k = 0; k < rj_count(&c->in[i]); k++)
                x[k] = (rj_real)rounded((double)x[k]);
            set_values(r, r->in[i], x);
            rj_free(x);
        }
    run_forward(r);
}

/* The gradient of input i by |dy|, or, where that is NULL, by ones. */
static rj_real *gradient_by_sizes(run *r, int i, const rj_real *dy)
{
    const size_t n = rj_count(&r->out->shape);
    rj_real *size = rj_alloc(n, sizeof *size);

    for (size_t k = 0; k < n; k++)
        size[k] = dy ? (rj_real)fabs((double)dy[k]) : 1;
    run_backward(r, size);
    rj_free(size);
    return gradient_of(r, r->in[i]);
}

/* A pixel of a front-end gets its own dy, then, less, that of each window whose median or
 * corner it is, or a ninth of it for each place it takes there. So what it gets of |dy|
 * tells the sizes, and what it gets of ones how many there are. */
static void front_off(run *r, const rj_real *dy, double *off)
{
    const rj_residual_par *par = r->c->par;
    rj_real *sizes = gradient_by_sizes(r, 0, dy), *ones = gradient_by_sizes(r, 0, NULL);

    for (size_t k = 0; k < rj_count(&r->in[0]->shape); k++) {
        const double size = 0.5 + 2 * fabs((double)dy[k]) - (double)sizes[k];
        const double times =
            (1 - (double)ones[k]) * (par->kind == RJ_FRONT_LAPLACE ? 9 : 1);
        off[k] = size * (pow(1 + u, times) - 1);
    }
    rj_free(sizes);
    rj_free(ones);
}

/* How many numbers a pixel of an axis of h gets from p, which lie h/p apart. Within 1 on
 * either side of it are ceil(p/h) at most; but behind the centre of the last pixel, where
 * 1/2 is left, both neighbours of a number are that pixel: 2 ceil(p/h/2), no fewer. */
static double resize_times(int h, int p)
{
    return ceil((double)p / h) + 2 * ceil((double)p / h / 2);
}

static void resize_off(run *r, const rj_real *dy, double *off)
{
    const int *x = r->in[0]->shape.dim, *y = r->out->shape.dim;
    const double times = resize_times(x[2], y[2]) * resize_times(x[3], y[3]);
    rj_real *sizes = gradient_by_sizes(r, 0, dy);

    for (size_t k = 0; k < rj_count(&r->in[0]->shape); k++)
        off[k] = (0.5 + (double)sizes[k]) * (pow(1 + u, times - 1) - 1);
    rj_free(sizes);
}

/* What numbers of the output, i = -1, or of a gradient are off by before they are stored
 * the last time. a is what they are. */
static double *offs_of(run *r, int i, size_t n, const rj_real *a, const rj_real *dy)
{
    const one *c = r->c;
    const rj_residual_par *front = c->par;
    double *off = rj_alloc(n, sizeof *off);

    for (size_t k = 0; k < n; k++)
        off[k] = 0;
    if (c->op == &rj_op_deconv2d && (i == 0 || (i < 0 && r->in[2]))) // a bias is below 1
        for (size_t k = 0; k < n; k++)
            off[k] = u * (fabs((double)a[k]) + 1);
    if (c->op == &rj_op_residual && i == 0 && front->kind != RJ_FRONT_HAAR)
        front_off(r, dy, off);
    if (c->op == &rj_op_resize2d && i == 0)
        resize_off(r, dy, off);
    return off;
}

/* Numbers that begin at `first`, against those of ref; of a picture, as said above. */
static void check_numbers(const one *c, const char *isa, int i, bool picture, size_t n,
                          const rj_real *a, const rj_real *b, double first,
                          const double *off)
{
    const double order = order_bound(c, n, a) + eps * first;

    for (size_t k = 0; k < n; k++) {
        const double e = order + off[k], x = (double)a[k] + first, y = (double)b[k];
        const double low = picture ? rounded(x - e) : x - e,
                     high = picture ? rounded(x + e) : x + e;
        HOLDS(y >= low && y <= high, "%s/%s on %s, %d[%zu]: %.9g, not %.9g to %.9g",
              c->op->name, c->name, isa, i, k, y, low, high);
        HOLDS(!picture || y == rounded(y), "%s/%s on %s, %d[%zu]: %.9g, no half",
              c->op->name, c->name, isa, i, k, y);
    }
}

/* Output and gradients of the cpu in bfloat16. */
static void check_case(const one *c, const char *isa)
{
    run ref, cpu;
    rj_real *dy;

    open_rounded(&ref, c, &(way){"ref", 1, RJ_FP32, RJ_AUTO});
    open_rounded(&cpu, c, &(way){"cpu", 2, RJ_BF16, RJ_DIRECT});
    dy = weights(rj_count(&ref.out->shape));
    for (size_t k = 0; k < rj_count(&ref.out->shape); k++)
        dy[k] = (rj_real)rounded((double)dy[k]);
    run_backward(&cpu, dy);
    for (int i = -1; i < c->op->inputs; i++) {
        rj_tensor *of = i < 0 ? cpu.out : cpu.in[i];
        const size_t n = of ? rj_count(&of->shape) : 0;
        rj_tensor t;
        rj_real *a, *b;
        double *off;
        if (i >= 0 && !wants(c, i))
            continue;
        t = i < 0 ? *of : gradient_as_values(of);
        run_backward(&ref, dy);
        a = i < 0 ? values_of(&ref, ref.out) : gradient_of(&ref, ref.in[i]);
        b = values_of(&cpu, &t);
        off = offs_of(&ref, i, n, a, dy);
        check_numbers(c, isa, i, t.shape.picture, n, a, b, i < 0 ? 0 : 0.5, off);
        if (t.shape.picture)
            check_lanes(&cpu, &t.shape, t.x);
        rj_free(a);
        rj_free(b);
        rj_free(off);
    }
    rj_free(dy);
    run_close(&ref);
    run_close(&cpu);
}

START_TEST(every_op_of_pictures_rounds_only_what_it_stores)
{
    const char *isa;
    int i = 0;

    while ((isa = next_isa(&i)) != NULL)
        for (int k = 0; k < cases_count; k++)
            if (pictured(&cases[k]))
                check_case(&cases[k], isa);
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

/* Output of pictures, or images, full of what are no numbers. */
static rj_real *of_no_numbers(const one *c, const way *w, size_t *n)
{
    rj_real *y;
    run r;

    run_open_way(&r, c, w);
    for (int i = 0; i < c->op->inputs; i++)
        if (r.in[i] && c->in[i].rank == 4 && !(convolves(c) && i > 0)) {
            rj_real *x = values_of(&r, r.in[i]);
            for (size_t k = 0; k < rj_count(&c->in[i]); k++)
                x[k] = (rj_real)NAN;
            set_values(&r, r.in[i], x);
            rj_free(x);
        }
    run_forward(&r);
    *n = rj_count(&r.out->shape);
    y = values_of(&r, r.out);
    run_close(&r);
    return y;
}

/* As in the reference, so that one sees a training diverge. */
START_TEST(what_is_no_number_stays_none_in_every_precision)
{
    const char *isa;
    int i = 0;

    while ((isa = next_isa(&i)) != NULL)
        for (int k = 0; k < cases_count; k++)
            for (int p = RJ_FP32; p <= RJ_BF16 && pictured(&cases[k]); p++) {
                const way w = {"cpu", 2, (enum rj_precision)p, RJ_DIRECT};
                size_t n;
                rj_real *a =
                    of_no_numbers(&cases[k], &(way){"ref", 1, RJ_FP32, RJ_AUTO}, &n);
                rj_real *b = of_no_numbers(&cases[k], &w, &n);
                for (size_t j = 0; j < n; j++)
                    HOLDS(isnan(a[j]) == isnan(b[j]),
                          "%s/%s on %s, precision %d: y[%zu] is %g, not %g",
                          cases[k].op->name, cases[k].name, isa, p, j, (double)b[j],
                          (double)a[j]);
                rj_free(a);
                rj_free(b);
            }
}
END_TEST

SUITE(halves, 60, what_is_packed_comes_back_rounded,
      every_op_of_pictures_rounds_only_what_it_stores, what_is_no_picture_is_not_rounded,
      what_is_no_number_stays_none_in_every_precision)
