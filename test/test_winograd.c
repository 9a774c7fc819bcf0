/* test_winograd.c: 3x3 convolutions by Winograd's algorithm against exact numbers,
 * with bounds that its bases carry. It makes
 *
 *     y = A' [ sum_c (G w G') . (B' d B) ] A
 *
 * and the gradient by w as the transpose, a sum over places:
 *
 *     dw = G' [ sum (A dy A') . (B' x B) ] G.
 *
 * In float each number goes through n roundings: the terms of a sum and less than 40 in
 * the six changes of basis. Their errors have either sign, so they add up as squares do:
 * with every coefficient squared, the bound is 4 eps sqrt(n A'^2 [ sum_c (G^2 w^2 G'^2) .
 * (B'^2 d^2 B^2) ] A^2), a dozen deviations.
 *
 * In bfloat16 x and dy are rounded as they are stored, which is done before to what
 * answers are made of. Then the factors in brackets are rounded, off by u = 2^-8 of their
 * size at most, and that adds up in the same way: of a product of X and Y the square is
 * (u X)^2 Y^2 + X^2 (u Y)^2 + (u X)^2 (u Y)^2. The bound is 4 roots of what comes out,
 * and as each error is anywhere up to u, that is 4 sqrt(3) deviations. y and dx are
 * pictures, rounded once more as they are stored. */
#include "cases.h"
#include "test.h"
#include <float.h>
#include <math.h>
#include <string.h>

static const double eps =
    sizeof(rj_real) == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;
static const double unit = 0x1p-8; // u: half of the last of 8 significant bits

/* F(4x4, 3x3) at the points 0, +-3/4, +-3/2 and infinity, by Cook and Toom: A' and G hold
 * powers of the points, G divided by the product of a point's distances to the others,
 * and a row of B' the coefficients of the product of (x - point) over the others. */
typedef struct matrix {
    int rows, cols;
    double x[36];
} matrix;

static const double point[5] = {0, 0.75, -0.75, 1.5, -1.5};

/* Coefficients of the product over all points but `skip`, lowest first. */
static void product(int skip, double out[6])
{
    memset(out, 0, 6 * sizeof *out);
    out[0] = 1;
    for (int j = 0; j < 5; j++)
        for (int k = 5; j != skip && k >= 0; k--)
            out[k] = (k ? out[k - 1] : 0) - point[j] * out[k];
}

/* n powers of each point in columns of n rows, each over `by` its distances to others;
 * the last, of infinity, has the highest alone. */
static matrix powers(int n, bool by)
{
    matrix m = {n, 6, {0}};

    for (int i = 0; i < 5; i++) {
        double distance = 1;
        for (int j = 0; j < 5; j++)
            distance *= j == i || !by ? 1 : point[i] - point[j];
        for (int k = 0; k < n; k++)
            m.x[k * 6 + i] = pow(point[i], k) / distance;
    }
    m.x[n * 6 - 1] = 1;
    return m;
}

static matrix transposed(const matrix *m)
{
    matrix t = {m->cols, m->rows, {0}};

    for (int i = 0; i < m->rows; i++)
        for (int j = 0; j < m->cols; j++)
            t.x[j * m->rows + i] = m->x[i * m->cols + j];
    return t;
}

/* A', G, B' and two transposes. */
static struct basis {
    matrix a, g, b, at, gt;
} basis;

static void basis_make(void)
{
    basis.a = powers(4, false);
    basis.at = transposed(&basis.a);
    basis.gt = powers(3, true);
    basis.g = transposed(&basis.gt);
    basis.b = (matrix){6, 6, {0}};
    for (int i = 0; i < 6; i++)
        product(i < 5 ? i : -1, basis.b.x + 6 * i);
}

/* A number; how much it may be off in bfloat16; and the size of everything it was made
 * of, as squares. */
enum { EXACT, OFF, SQUARES, KINDS };
typedef struct numbers {
    double x[KINDS][36];
} numbers;

/* L m L' of each kind. */
static numbers between(const matrix *l, const numbers *m)
{
    numbers out = {0};

    for (int f = 0; f < KINDS; f++)
        for (int i = 0; i < l->rows; i++)
            for (int j = 0; j < l->rows; j++)
                for (int u = 0; u < l->cols; u++)
                    for (int v = 0; v < l->cols; v++) {
                        const double k = l->x[i * l->cols + u] * l->x[j * l->cols + v];
                        out.x[f][i * l->rows + j] +=
                            (f == EXACT ? k : k * k) * m->x[f][u * l->cols + v];
                    }
    return out;
}

/* The points of a square of numbers, as factors. */
static numbers points_of(const matrix *l, const double *square)
{
    numbers m = {0};

    for (int i = 0; i < l->cols * l->cols; i++) {
        m.x[EXACT][i] = square[i];
        m.x[SQUARES][i] = square[i] * square[i];
    }
    m = between(l, &m);
    for (int i = 0; i < 36; i++)
        m.x[OFF][i] = pow(unit * m.x[EXACT][i], 2);
    return m;
}

static void add_products(numbers *sum, const numbers *a, const numbers *b)
{
    for (int i = 0; i < 36; i++) {
        const double x = a->x[EXACT][i], y = b->x[EXACT][i];
        const double e = a->x[OFF][i], f = b->x[OFF][i];
        sum->x[EXACT][i] += x * y;
        sum->x[OFF][i] += e * y * y + x * x * f + e * f;
        sum->x[SQUARES][i] += a->x[SQUARES][i] * b->x[SQUARES][i];
    }
}

/* side x side numbers of a plane (h,w) from row i, column j on, zeros outside. */
static void take(const rj_real *plane, int h, int w, int i, int j, int side, double *out)
{
    for (int y = i; y < i + side; y++)
        for (int x = j; x < j + side; x++)
            *out++ = y >= 0 && x >= 0 && y < h && x < w ? (double)plane[y * w + x] : 0;
}

/* Numbers of each kind, one after the other, n of each. */
typedef struct answer {
    size_t n;
    double *x[KINDS];
} answer;

static answer answer_new(size_t n)
{
    answer a = {n, {0}};

    for (int f = 0; f < KINDS; f++)
        a.x[f] = rj_alloc(n, sizeof *a.x[f]);
    return a;
}

static void answer_free(answer *a)
{
    for (int f = 0; f < KINDS; f++)
        rj_free(a->x[f]);
}

/* The place (i, j) of output channel k of picture n, from M. */
static void put_place(const rj_conv *d, const numbers *m, int n, int k, int i, int j,
                      answer *y)
{
    const numbers o = between(&basis.a, m);

    for (int f = 0; f < KINDS; f++)
        for (int r = 0; r < 4 && i + r < d->p; r++)
            for (int s = 0; s < 4 && j + s < d->q; s++)
                y->x[f][((n * d->k + k) * d->p + i + r) * d->q + j + s] =
                    o.x[f][r * 4 + s];
}

/* y of x and w (K,C,3,3). */
static answer forward(const rj_conv *d, const rj_real *x, const rj_real *w)
{
    answer y = answer_new((size_t)(d->n * d->k * d->p * d->q));
    numbers *u = rj_alloc((size_t)(d->k * d->c), sizeof *u);
    double square[36];

    for (int i = 0; i < d->k * d->c; i++) {
        take(w + i * 9, 3, 3, 0, 0, 3, square);
        u[i] = points_of(&basis.g, square);
    }
    for (int n = 0; n < d->n; n++)
        for (int i = 0; i < d->p; i += 4)
            for (int j = 0; j < d->q; j += 4) {
                numbers *m = rj_alloc((size_t)d->k, sizeof *m);
                for (int c = 0; c < d->c; c++) {
                    numbers v;
                    take(x + (n * d->c + c) * d->h * d->w, d->h, d->w, i - d->pad,
                         j - d->pad, 6, square);
                    v = points_of(&basis.b, square);
                    for (int k = 0; k < d->k; k++)
                        add_products(&m[k], &u[k * d->c + c], &v);
                }
                for (int k = 0; k < d->k; k++)
                    put_place(d, &m[k], n, k, i, j, &y);
                rj_free(m);
            }
    rj_free(u);
    return y;
}

/* dx of dy and w: the same, with windows turned round and channels changed. */
static answer backward(const rj_conv *d, const rj_real *dy, const rj_real *w)
{
    const rj_conv back = {d->n, d->k, d->p, d->q, d->c, 3, 3, 1, 2 - d->pad, d->h, d->w};
    rj_real *turned = rj_alloc((size_t)(d->k * d->c * 9), sizeof *turned);
    answer dx;

    for (int k = 0; k < d->k; k++)
        for (int c = 0; c < d->c; c++)
            for (int t = 0; t < 9; t++)
                turned[(c * d->k + k) * 9 + 8 - t] = w[(k * d->c + c) * 9 + t];
    dx = forward(&back, dy, turned);
    rj_free(turned);
    return dx;
}

/* dw of x and dy. */
static answer by_weights(const rj_conv *d, const rj_real *x, const rj_real *dy)
{
    answer dw = answer_new((size_t)(d->k * d->c * 9));
    double square[36];

    for (int k = 0; k < d->k; k++)
        for (int c = 0; c < d->c; c++) {
            numbers sum = {0};
            for (int n = 0; n < d->n; n++)
                for (int i = 0; i < d->p; i += 4)
                    for (int j = 0; j < d->q; j += 4) {
                        numbers v, u;
                        take(x + (n * d->c + c) * d->h * d->w, d->h, d->w, i - d->pad,
                             j - d->pad, 6, square);
                        v = points_of(&basis.b, square);
                        take(dy + (n * d->k + k) * d->p * d->q, d->p, d->q, i, j, 4,
                             square);
                        u = points_of(&basis.at, square);
                        add_products(&sum, &u, &v);
                    }
            sum = between(&basis.gt, &sum);
            for (int f = 0; f < KINDS; f++)
                memcpy(dw.x[f] + (k * d->c + c) * 9, sum.x[f], 9 * sizeof(double));
        }
    return dw;
}

static const one squares[] = {
    {&rj_op_conv2d,
     "usual",
     "gg-",
     PAR(rj_conv2d_par, 1, 1),
     {PIC(2, 16, 8, 8), PLAIN(4, 16, 16, 3, 3)}},
    {&rj_op_conv2d,
     "prime",
     "gg-",
     PAR(rj_conv2d_par, 1, 1),
     {PIC(3, 17, 7, 11), PLAIN(4, 19, 17, 3, 3)}},
    {&rj_op_conv2d, // an odd number of places and of blocks
     "three_places",
     "gg-",
     PAR(rj_conv2d_par, 1, 1),
     {PIC(3, 16, 4, 4), PLAIN(4, 16, 16, 3, 3)}},
    {&rj_op_conv2d, // weights of more than one round
     "rounds",
     "gg-",
     PAR(rj_conv2d_par, 1, 1),
     {PIC(1, 1300, 3, 3), PLAIN(4, 112, 1300, 3, 3)}},
    {&rj_op_conv2d,
     "unpadded",
     "gg-",
     PAR(rj_conv2d_par, 1, 0),
     {PIC(1, 5, 6, 9), PLAIN(4, 7, 5, 3, 3)}},
    {&rj_op_conv2d,
     "padded_by_two",
     "gg-",
     PAR(rj_conv2d_par, 1, 2),
     {PIC(2, 33, 5, 3), PLAIN(4, 35, 33, 3, 3)}},
    {&rj_op_conv2d,
     "single",
     "gg-",
     PAR(rj_conv2d_par, 1, 0),
     {PIC(1, 1, 3, 3), PLAIN(4, 1, 1, 3, 3)}},
    // 5512 places: the gradient by weights takes them in several chunks
    {&rj_op_conv2d,
     "chunks",
     "gg-",
     PAR(rj_conv2d_par, 1, 1),
     {PIC(2, 3, 208, 212), PLAIN(4, 5, 3, 3, 3)}},
};

/* Within what bfloat16 may do, if it was there, to a picture as it is stored too, and n
 * roundings; 0.5 was added to gradients. */
static void check_answer(const one *c, const char *isa, const char *what, bool halves,
                         bool picture, double n, const answer *want, const rj_real *got)
{
    for (size_t i = 0; i < want->n; i++) {
        double most = 4 * eps * sqrt(n * want->x[SQUARES][i]) + 2 * eps;
        if (halves)
            most += 4 * sqrt(want->x[OFF][i]);
        if (halves && picture)
            most += unit * (fabs(want->x[EXACT][i]) + 0.5 + most);
        HOLDS(fabs((double)got[i] - want->x[EXACT][i]) <= most,
              "%s on %s, %s[%zu]: %.9g, not %.9g, bound %.3g", c->name, isa, what, i,
              (double)got[i], want->x[EXACT][i], most);
    }
}

/* y, dx and dw of a way. */
static void check_way(const one *c, const rj_conv *d, const char *isa, const way *w,
                      const answer *y, const answer *dx, const answer *dw)
{
    const bool halves = w->precision == RJ_BF16;
    const int places = d->n * ((d->p + 3) / 4) * ((d->q + 3) / 4);
    size_t n;
    rj_real *got = all_numbers(c, w, &n);

    check_answer(c, isa, "y", halves, true, d->c + 40, y, got);
    check_answer(c, isa, "dx", halves, true, d->k + 40, dx, got + y->n);
    check_answer(c, isa, "dw", halves, false, places + 40, dw, got + y->n + dx->n);
    rj_free(got);
}

/* As the cpu stores numbers of pictures. */
static void round_all(size_t n, rj_real *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (rj_real)rj_bf16((float)x[i]);
}

/* In one precision on every instruction set; and ref, which knows no Winograd and no
 * bfloat16, says that the matrices are right. */
static void check_squares(const one *c, enum rj_precision p)
{
    const int *x = c->in[0].dim, *w = c->in[1].dim;
    const int pad = ((const rj_conv2d_par *)c->par)->pad;
    const rj_conv d = {x[0],
                       x[1],
                       x[2],
                       x[3],
                       w[0],
                       3,
                       3,
                       1,
                       pad,
                       x[2] + 2 * pad - 2,
                       x[3] + 2 * pad - 2};
    rj_real *hx, *hw, *v;
    answer y, dx, dw;
    const char *isa;
    run r;
    int i = 0;

    run_open(&r, c, "ref", 1);
    hx = values_of(&r, r.in[0]);
    hw = values_of(&r, r.in[1]);
    v = weights(rj_count(&r.out->shape));
    if (p == RJ_BF16) {
        round_all(rj_count(&c->in[0]), hx);
        round_all(rj_count(&r.out->shape), v);
    }
    run_close(&r);
    y = forward(&d, hx, hw);
    dx = backward(&d, v, hw);
    dw = by_weights(&d, hx, v);
    if (p == RJ_FP32)
        check_way(c, &d, "ref", &(way){"ref", 1, RJ_FP32, RJ_AUTO}, &y, &dx, &dw);
    while ((isa = next_isa(&i)) != NULL)
        check_way(c, &d, isa, &(way){"cpu", 2, p, RJ_WINOGRAD}, &y, &dx, &dw);
    rj_free(hx);
    rj_free(hw);
    rj_free(v);
    answer_free(&y);
    answer_free(&dx);
    answer_free(&dw);
}

START_TEST(winograd_is_off_by_no_more_than_its_bases_carry)
{
    basis_make();
    for (int k = 0; k < RJ_COUNT(squares); k++)
        for (int p = RJ_FP32; p <= RJ_BF16; p++)
            check_squares(&squares[k], (enum rj_precision)p);
}
END_TEST

/* The bound above would hold as well if the way were not taken. */
START_TEST(winograd_is_another_way)
{
    for (int p = RJ_FP32; p <= RJ_BF16; p++) {
        const one *c = &squares[1];
        size_t n;
        way w = {"cpu", 1, (enum rj_precision)p, RJ_DIRECT};
        rj_real *a = all_numbers(c, &w, &n), *b;
        size_t at = 0;

        w.algorithm = RJ_WINOGRAD;
        b = all_numbers(c, &w, &n);
        for (int i = -1; i < 2; i++) {
            const size_t part = i < 0 ? 3 * 19 * 7 * 11 : rj_count(&c->in[i]);
            ck_assert(memcmp(a + at, b + at, part * sizeof *a) != 0);
            at += part;
        }
        rj_free(a);
        rj_free(b);
    }
}
END_TEST

/* Sums of several chunks too; test_ops.c has small shapes. */
START_TEST(chunks_give_the_same_bits_for_1_2_and_4_threads)
{
    const one *c = &squares[RJ_COUNT(squares) - 1];
    const char *isa;
    int i = 0;

    while ((isa = next_isa(&i)) != NULL)
        for (int p = RJ_FP32; p <= RJ_BF16; p++) {
            way w = {"cpu", 1, (enum rj_precision)p, RJ_WINOGRAD};
            size_t n;
            rj_real *first = all_numbers(c, &w, &n);
            for (w.threads = 2; w.threads <= 4; w.threads += 2) {
                rj_real *other = all_numbers(c, &w, &n);
                ck_assert_msg(memcmp(first, other, n * sizeof *first) == 0,
                              "%s differs with %d threads, precision %d", isa, w.threads,
                              p);
                rj_free(other);
            }
            rj_free(first);
        }
}
END_TEST

SUITE(winograd, winograd_is_off_by_no_more_than_its_bases_carry, winograd_is_another_way,
      chunks_give_the_same_bits_for_1_2_and_4_threads)
