/* test_tape.c: the walk backwards: gradients that are lent, written where nothing lies
 * yet, and handed over in place. Of each graph the gradients of all leaves are those of
 * differences, and those of the same graph whose op neither writes nor hands over. */
#include "cases.h"
#include "test.h"
#include <float.h>
#include <math.h>

static const bool is_double = sizeof(rj_real) == sizeof(double);
static const char *const devices[] = {"ref", "cpu"};

/* Leaves that learn, then ones that do not. */
enum { X, W, GAMMA, BETA, LEARNING, FIXED = LEARNING, MEAN, VAR, LEAVES };
static const rj_shape shapes[LEAVES] = {
    PIC(2, 19, 5, 7), PLAIN(4, 19, 19, 3, 3), PLAIN(1, 19), PLAIN(1, 19),
    PIC(2, 19, 5, 7), PLAIN(1, 19),           PLAIN(1, 19),
};

typedef struct graph {
    rj_pool *pool;
    rj_tape tape;
    rj_arena kept;
    const rj_op *norm;
    bool relu; /* in norm */
    rj_tensor *leaf[LEAVES];
} graph;

/* As batchnorm, but the tape gives it zeros to add to and memory of its own. */
static rj_op adding(void)
{
    rj_op op = rj_op_batchnorm;

    op.writes = 0;
    op.over_input = false;
    return op;
}

static void graph_open(graph *g, const char *device, const rj_op *norm, bool relu)
{
    *g = (graph){.norm = norm, .relu = relu};
    OK(rj_pool_new(2, &g->pool));
    OK(rj_device_open(device, g->pool, &g->tape.dev));
    for (int i = 0; i < LEAVES; i++) {
        rj_real *x = noise(rj_count(&shapes[i]), i);
        OK(rj_tensor_new(g->tape.dev, &g->kept, &shapes[i], i < LEARNING, &g->leaf[i]));
        OK(rj_tensor_write(g->tape.dev, g->leaf[i], x));
        rj_free(x);
    }
}

static void graph_close(graph *g)
{
    rj_tape_free(&g->tape);
    rj_arena_free(&g->kept);
    rj_device_close(g->tape.dev);
    rj_pool_free(g->pool);
}

/* ---- graphs ----------------------------------------------------------------------- */

static rj_tensor *conv(graph *g, rj_tensor *x)
{
    const rj_conv2d_par par = {1, 1};
    rj_tensor *y;

    OK(rj_apply(&g->tape, &rj_op_conv2d, &par, (rj_tensor *[]){x, g->leaf[W], NULL}, &y));
    return y;
}

static rj_tensor *norm(graph *g, rj_tensor *x, rj_tensor *add)
{
    const rj_batchnorm_par par = {true, 1e-5, 0.1, g->relu};
    rj_tensor *y;

    OK(rj_apply(&g->tape, g->norm, &par,
                (rj_tensor *[]){x, g->leaf[GAMMA], g->leaf[BETA], g->leaf[MEAN],
                                g->leaf[VAR], add},
                &y));
    return y;
}

static rj_tensor *sum(graph *g, rj_tensor *a, rj_tensor *b)
{
    const rj_add_par par = {1, 0.5};
    rj_tensor *y;

    OK(rj_apply(&g->tape, &rj_op_add, &par, (rj_tensor *[]){a, b}, &y));
    return y;
}

static rj_tensor *used_again_later(graph *g)
{
    rj_tensor *a = conv(g, g->leaf[X]), *y = norm(g, a, NULL);

    return sum(g, y, a);
}

static rj_tensor *used_before(graph *g)
{
    rj_tensor *a = conv(g, g->leaf[X]), *b = sum(g, a, g->leaf[FIXED]);

    return sum(g, norm(g, a, NULL), b);
}

static rj_tensor *added_to_itself(graph *g)
{
    rj_tensor *a = conv(g, g->leaf[X]);

    return norm(g, a, a);
}

static rj_tensor *added_to_what_is_fixed(graph *g)
{
    return norm(g, g->leaf[FIXED], conv(g, g->leaf[X]));
}

static rj_tensor *leaf_first(graph *g)
{
    return norm(g, g->leaf[X], NULL);
}

static rj_tensor *leaf_first_output_added(graph *g)
{
    return norm(g, g->leaf[X], conv(g, g->leaf[X]));
}

static rj_tensor *leaf_added(graph *g)
{
    return norm(g, conv(g, g->leaf[X]), g->leaf[X]);
}

static rj_tensor *in_a_row(graph *g)
{
    return norm(g, norm(g, norm(g, conv(g, g->leaf[X]), NULL), NULL), NULL);
}

static rj_tensor *residual(graph *g)
{
    rj_tensor *a = norm(g, conv(g, g->leaf[X]), NULL);

    a = norm(g, conv(g, a), a);
    return norm(g, conv(g, a), a);
}

static const struct {
    const char *name;
    rj_tensor *(*build)(graph *g);
} graphs[] = {
    {"used again later", used_again_later},
    {"used before", used_before},
    {"added to itself", added_to_itself},
    {"added to what is fixed", added_to_what_is_fixed},
    {"leaf first", leaf_first},
    {"leaf first, output added", leaf_first_output_added},
    {"leaf added", leaf_added},
    {"in a row", in_a_row},
    {"residual", residual},
};

/* ---- gradients -------------------------------------------------------------------- */

static void write_gradient(graph *g, const rj_tensor *t, const rj_real *planar)
{
    rj_tensor values = {.shape = t->shape, .x = t->g};

    OK(rj_tensor_write(g->tape.dev, &values, planar));
}

static rj_real *read_gradient(graph *g, int leaf)
{
    const rj_tensor values = {.shape = shapes[leaf], .x = g->leaf[leaf]->g};
    rj_real *planar = rj_alloc(rj_count(&shapes[leaf]), sizeof *planar);

    OK(rj_tensor_read(g->tape.dev, &values, planar));
    return planar;
}

/* No output keeps a gradient and no memory stays lent. */
static void check_returned(const rj_tape *tape, const char *name)
{
    for (int i = 0; i < tape->n; i++)
        ck_assert_msg(!tape->call[i].out->g, "%s: call %d keeps a gradient", name, i);
    for (int i = 0; i < tape->loans; i++)
        ck_assert_msg(!tape->loan[i].out, "%s: loan %d is out", name, i);
}

/* Gradients of <v, out> into the leaves, call by call. */
static void walk(graph *g, rj_tensor *out, const rj_real *v, const char *name)
{
    OK(rj_backward_begin(&g->tape, out));
    write_gradient(g, out, v);
    for (int i = g->tape.n - 1; i >= 0; i--)
        OK(rj_backward_call(&g->tape, i));
    check_returned(&g->tape, name);
}

/* <v, out> with leaf i moved by h along d. */
static double moved(graph *g, int k, int i, double h, const rj_real *d, const rj_real *v)
{
    const size_t n = rj_count(&shapes[i]);
    rj_real *x = noise(n, i), *y;
    rj_tensor *out;
    double product = 0;

    for (size_t j = 0; j < n; j++)
        x[j] = (rj_real)((double)x[j] + h * (double)d[j]);
    OK(rj_tensor_write(g->tape.dev, g->leaf[i], x));
    rj_tape_reset(&g->tape);
    out = graphs[k].build(g);
    y = rj_alloc(rj_count(&out->shape), sizeof *y);
    OK(rj_tensor_read(g->tape.dev, out, y));
    for (size_t j = 0; j < rj_count(&out->shape); j++)
        product += (double)v[j] * (double)y[j];
    rj_free(x);
    rj_free(y);
    x = noise(n, i);
    OK(rj_tensor_write(g->tape.dev, g->leaf[i], x));
    rj_free(x);
    return product;
}

/* As test_ops.c does of one op. */
static void check_slope(graph *g, int k, int i, const rj_real *v, const char *device)
{
    const size_t n = rj_count(&shapes[i]);
    const double h = is_double ? 1e-6 : 1e-2;
    rj_real *d = noise(n, 100 + i), *by_hand = read_gradient(g, i);
    double slope, product = 0, scale = 0;

    for (size_t j = 0; j < n; j++) {
        product += (double)by_hand[j] * (double)d[j];
        scale += (double)by_hand[j] * (double)by_hand[j] / 3;
    }
    scale = fmax(sqrt(scale), fabs(product));
    slope = (moved(g, k, i, h, d, v) - moved(g, k, i, -h, d, v)) / (2 * h);
    ck_assert_msg(fabs(slope - product) <= (is_double ? 1e-7 : 3e-2) * fmax(scale, 1e-2),
                  "%s, %s, leaf %d: %.9g by backward, %.9g by differences", device,
                  graphs[k].name, i, product, slope);
    rj_free(d);
    rj_free(by_hand);
}

static void check_differences(int k, const char *device)
{
    rj_tensor *out;
    rj_real *v;
    graph g;

    graph_open(&g, device, &rj_op_batchnorm, false);
    out = graphs[k].build(&g);
    v = weights(rj_count(&out->shape));
    walk(&g, out, v, graphs[k].name);
    for (int i = 0; i < LEARNING; i++)
        check_slope(&g, k, i, v, device);
    rj_free(v);
    graph_close(&g);
}

START_TEST(gradients_of_graphs_match_differences)
{
    for (int d = 0; d < RJ_COUNT(devices); d++)
        for (int k = 0; k < RJ_COUNT(graphs); k++)
            check_differences(k, devices[d]);
}
END_TEST

/* The same sums in another order, of a few thousand numbers at most. */
static void check_near(const char *name, int leaf, const rj_real *a, const rj_real *b)
{
    const double eps = is_double ? DBL_EPSILON : (double)FLT_EPSILON;
    double most = 0;

    for (size_t i = 0; i < rj_count(&shapes[leaf]); i++)
        most = fmax(most, fabs((double)a[i]));
    for (size_t i = 0; i < rj_count(&shapes[leaf]); i++)
        ck_assert_msg(fabs((double)a[i] - (double)b[i]) <= 1000 * eps * fmax(most, 1e-2),
                      "%s, leaf %d [%zu]: %.9g, not %.9g", name, leaf, i, (double)b[i],
                      (double)a[i]);
}

static void check_adding(int k, const char *device, bool relu)
{
    const rj_op plain = adding();
    rj_tensor *out[2];
    graph g[2];
    rj_real *v;

    graph_open(&g[0], device, &plain, relu);
    graph_open(&g[1], device, &rj_op_batchnorm, relu);
    for (int i = 0; i < 2; i++) {
        out[i] = graphs[k].build(&g[i]);
        v = weights(rj_count(&out[i]->shape));
        walk(&g[i], out[i], v, graphs[k].name);
        rj_free(v);
    }
    for (int i = 0; i < LEARNING; i++) {
        rj_real *a = read_gradient(&g[0], i), *b = read_gradient(&g[1], i);
        check_near(graphs[k].name, i, a, b);
        rj_free(a);
        rj_free(b);
    }
    graph_close(&g[0]);
    graph_close(&g[1]);
}

START_TEST(what_is_written_or_handed_over_is_what_would_have_been_added)
{
    for (int d = 0; d < RJ_COUNT(devices); d++)
        for (int k = 0; k < RJ_COUNT(graphs); k++) {
            check_adding(k, devices[d], false);
            check_adding(k, devices[d], true);
        }
}
END_TEST

/* ---- memory ----------------------------------------------------------------------- */

START_TEST(a_gradient_lies_over_values_that_nobody_reads_any_more)
{
    for (int d = 0; d < RJ_COUNT(devices); d++) {
        rj_tensor *a, *y;
        rj_real *lent, *own;
        graph g;

        graph_open(&g, devices[d], &rj_op_batchnorm, true);
        a = conv(&g, g.leaf[X]);
        y = norm(&g, a, NULL);
        OK(rj_backward_begin(&g.tape, y));
        lent = y->g;
        OK(rj_backward_call(&g.tape, 1));
        ck_assert_ptr_null(y->g);
        ck_assert_ptr_eq(a->g, a->x);
        ck_assert_int_eq(g.tape.loans, 1);
        rj_backward_end(&g.tape, a); // the walk ends early
        ck_assert_ptr_null(a->g);
        check_returned(&g.tape, devices[d]);
        OK(rj_backward_begin(&g.tape, a));
        ck_assert_ptr_eq(a->g, lent);     // it is lent again
        OK(rj_backward_call(&g.tape, 1)); // which does nothing: y has none
        ck_assert_ptr_eq(a->g, lent);
        own = g.leaf[X]->g;
        OK(rj_backward_call(&g.tape, 0));
        rj_backward_end(&g.tape, g.leaf[X]); // a leaf's was not lent
        ck_assert_ptr_eq(g.leaf[X]->g, own);
        check_returned(&g.tape, devices[d]);
        ck_assert_int_eq(g.tape.loans, 1);
        OK(rj_backward_begin(&g.tape, y)); // a second walk finds no values
        FAILS(rj_backward_call(&g.tape, 1), RIJ_E_ARGUMENT);
        graph_close(&g);
    }
}
END_TEST

START_TEST(values_that_somebody_reads_stay)
{
    for (int d = 0; d < RJ_COUNT(devices); d++) {
        rj_tensor *a, *y, *z;
        graph g;

        graph_open(&g, devices[d], &rj_op_batchnorm, true);
        a = conv(&g, g.leaf[X]);
        y = norm(&g, a, NULL);
        z = norm(&g, a, y); // reads a as well
        OK(rj_backward_begin(&g.tape, z));
        for (int i = 2; i >= 0; i--) {
            OK(rj_backward_call(&g.tape, i));
            ck_assert_ptr_ne(a->g, a->x);
        }
        check_returned(&g.tape, devices[d]);
        graph_close(&g);
    }
}
END_TEST

START_TEST(free_neighbours_are_lent_as_one)
{
    rj_tensor t[4] = {0};
    graph g;

    graph_open(&g, "cpu", &rj_op_batchnorm, true);
    for (int i = 0; i < 4; i++)
        t[i].shape = rj_shape_plain(1, i < 3 ? 64 : 160, 1, 1, 1);
    for (int i = 0; i < 3; i++)
        OK(rj_backward_begin(&g.tape, &t[i]));
    ck_assert_ptr_eq(t[1].g, t[0].g + 64);
    const rj_real *first = t[0].g, *last = t[2].g;
    for (int i = 0; i < 3; i++)
        rj_backward_end(&g.tape, &t[i]);
    OK(rj_backward_begin(&g.tape, &t[3])); // 160 of 192
    ck_assert_ptr_eq(t[3].g, first);
    OK(rj_backward_begin(&g.tape, &t[0])); // 32 are left there, and made 64
    ck_assert_ptr_eq(t[0].g, last + 32);
    rj_backward_end(&g.tape, &t[3]);
    OK(rj_backward_begin(&g.tape, &t[1])); // a part of the first
    ck_assert_ptr_eq(t[1].g, first);
    OK(rj_backward_begin(&g.tape, &t[2])); // and of what that left
    ck_assert_ptr_eq(t[2].g, first + 64);
    graph_close(&g);
}
END_TEST

START_TEST(backward_in_another_precision_is_refused)
{
    rj_tensor *y;
    graph g;

    graph_open(&g, "cpu", &rj_op_batchnorm, true);
    y = norm(&g, conv(&g, g.leaf[X]), NULL);
    OK(rj_backward_begin(&g.tape, y));
    g.tape.dev->precision = RJ_BF16;
    FAILS(rj_backward_call(&g.tape, 1), RIJ_E_ARGUMENT);
    g.tape.dev->precision = RJ_FP32;
    graph_close(&g);
}
END_TEST

/* Two losses on one tape that share what they come from. */
static void two_losses(graph *g, rj_tensor *loss[2])
{
    const rj_absdiff_par eps = {0.5};
    rj_tensor *a = conv(g, g->leaf[X]), *y = norm(g, a, NULL);

    OK(rj_apply(&g->tape, &rj_op_absdiff, &eps, (rj_tensor *[]){y, g->leaf[FIXED]},
                &loss[0]));
    OK(rj_apply(&g->tape, &rj_op_absdiff, &eps, (rj_tensor *[]){norm(g, y, a), y},
                &loss[1]));
}

START_TEST(gradients_of_losses_walked_one_after_the_other_add_up)
{
    for (int d = 0; d < RJ_COUNT(devices); d++) {
        graph g[3]; // the first loss, the second, both
        for (int i = 0; i < 3; i++) {
            rj_tensor *loss[2];
            graph_open(&g[i], devices[d], &rj_op_batchnorm, false);
            two_losses(&g[i], loss);
            for (int l = 0; l < 2; l++)
                if (i == l || i == 2)
                    OK(rj_backward(&g[i].tape, loss[l]));
            check_returned(&g[i].tape, "two losses");
        }
        for (int i = 0; i < LEARNING; i++) {
            rj_real *a = read_gradient(&g[0], i), *b = read_gradient(&g[1], i),
                    *both = read_gradient(&g[2], i);
            for (size_t j = 0; j < rj_count(&shapes[i]); j++)
                a[j] += b[j];
            check_near(devices[d], i, a, both);
            rj_free(a);
            rj_free(b);
            rj_free(both);
        }
        for (int i = 0; i < 3; i++)
            graph_close(&g[i]);
    }
}
END_TEST

/* Loans that so many blocks of a residual network need, in each of some steps. */
static int loans_of(const char *device, int blocks)
{
    int loans = 0;
    graph g;

    graph_open(&g, device, &rj_op_batchnorm, true);
    for (int step = 0; step < 4; step++) {
        rj_tensor *a = conv(&g, g.leaf[X]);
        rj_real *v;
        for (int i = 0; i < blocks; i++)
            a = norm(&g, conv(&g, norm(&g, conv(&g, a), NULL)), a);
        v = weights(rj_count(&a->shape));
        walk(&g, a, v, device);
        rj_free(v);
        if (step == 0)
            loans = g.tape.loans;
        ck_assert_int_eq(g.tape.loans, loans);
        rj_tape_reset(&g.tape);
        ck_assert_int_eq(g.tape.loans, 0);
    }
    graph_close(&g);
    return loans;
}

START_TEST(a_step_needs_as_many_loans_as_the_one_before_however_deep)
{
    for (int d = 0; d < RJ_COUNT(devices); d++) {
        const int loans = loans_of(devices[d], 2);
        ck_assert_int_ge(loans, 1);
        ck_assert_int_le(loans, 3); // of the sum, of a branch, of a convolution's input
        ck_assert_int_eq(loans_of(devices[d], 7), loans);
    }
}
END_TEST

SUITE(tape, gradients_of_graphs_match_differences,
      what_is_written_or_handed_over_is_what_would_have_been_added,
      a_gradient_lies_over_values_that_nobody_reads_any_more,
      values_that_somebody_reads_stay, free_neighbours_are_lent_as_one,
      backward_in_another_precision_is_refused,
      gradients_of_losses_walked_one_after_the_other_add_up,
      a_step_needs_as_many_loans_as_the_one_before_however_deep)
