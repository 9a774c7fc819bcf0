/* Kernels that no case of cases.def reaches, ops against PyTorch, and shapes that ops
 * refuse. */
#include "cases.h"
#include "test.h"
#include <float.h>
#include <math.h>
#include <string.h>

static const double eps =
    sizeof(rj_real) == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;
static const char *const devices[] = {"ref", "cpu"};

/* ---- ops against PyTorch ---------------------------------------------------------- */

struct numbers {
    int n;
    const double *x;
};

/* A case of golden/ops.inc: inputs one after the other, likewise gradients; `left` is
 * what the constant inputs hold afterwards. */
static const struct golden {
    one c;
    struct numbers in, dy, y, dx, left;
} golden[] = {
#include "golden/ops.inc"
};

/* The next n numbers of `all` from *place on, as rj_real; freed by rj_free(). */
static rj_real *next(const struct numbers *all, size_t n, size_t *place)
{
    rj_real *x = rj_alloc(n, sizeof *x);

    ck_assert_uint_le(*place + n, (size_t)all->n);
    for (size_t i = 0; i < n; i++)
        x[i] = (rj_real)all->x[*place + i];
    *place += n;
    return x;
}

/* x (freed here) against the next numbers of `all`. None of these sums has more than 200
 * terms of the size of its largest number; 32 eps covers them as in test_ops.c. */
static void check_next(const struct golden *g, const char *device, const char *what,
                       const struct numbers *all, size_t n, size_t *place, rj_real *x)
{
    double most = 1;

    ck_assert_uint_le(*place + n, (size_t)all->n);
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(all->x[*place + i]));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)x[i] - all->x[*place + i]) <= 32 * eps * most,
                      "%s %s/%s: %s[%zu] is %.12g, in PyTorch %.12g", device,
                      g->c.op->name, g->c.name, what, i, (double)x[i],
                      all->x[*place + i]);
    *place += n;
    rj_free(x);
}

static void check_golden(const struct golden *g, const char *device)
{
    size_t in = 0, y = 0, dx = 0, left = 0, dy = 0;
    rj_real *v;
    run r;

    run_open(&r, &g->c, device, 2);
    for (int i = 0; i < g->c.op->inputs; i++)
        if (r.in[i]) {
            rj_real *x = next(&g->in, rj_count(&r.in[i]->shape), &in);
            set_values(&r, r.in[i], x);
            rj_free(x);
        }
    run_forward(&r);
    v = next(&g->dy, rj_count(&r.out->shape), &dy);
    run_backward(&r, v);
    check_next(g, device, "y", &g->y, rj_count(&r.out->shape), &y, values_of(&r, r.out));
    for (int i = 0; i < g->c.op->inputs; i++) {
        if (!r.in[i])
            continue;
        const size_t n = rj_count(&r.in[i]->shape);
        if (wants(&g->c, i))
            check_next(g, device, "gradient", &g->dx, n, &dx, gradient_of(&r, r.in[i]));
        else
            check_next(g, device, "left", &g->left, n, &left, values_of(&r, r.in[i]));
    }
    ck_assert(in == (size_t)g->in.n && y == (size_t)g->y.n && dx == (size_t)g->dx.n);
    rj_free(v);
    run_close(&r);
}

START_TEST(ops_and_gradients_are_those_of_pytorch)
{
    for (int k = 0; k < RJ_COUNT(devices); k++)
        for (int i = 0; i < RJ_COUNT(golden); i++)
            check_golden(&golden[i], devices[k]);
}
END_TEST

/* ---- by hand ---------------------------------------------------------------------- */

/* Apply an op to numbers and compare, on both devices, with bare rounding allowed. */
static void check_by_hand(const one *c, const rj_real *x, const rj_real *y,
                          const rj_real *dy, const rj_real *dx)
{
    for (int k = 0; k < RJ_COUNT(devices); k++) {
        run r;
        rj_real *got;
        run_open(&r, c, devices[k], 1);
        set_values(&r, r.in[0], x);
        run_forward(&r);
        run_backward(&r, dy);
        got = values_of(&r, r.out);
        for (size_t i = 0; i < rj_count(&r.out->shape); i++)
            ck_assert_msg(fabs((double)got[i] - (double)y[i]) <= 8 * eps,
                          "%s %s/%s: y[%zu] is %g, not %g", devices[k], c->op->name,
                          c->name, i, (double)got[i], (double)y[i]);
        rj_free(got);
        got = gradient_of(&r, r.in[0]);
        for (size_t i = 0; i < rj_count(&c->in[0]); i++)
            ck_assert_msg(fabs((double)got[i] - (double)dx[i]) <= 8 * eps,
                          "%s %s/%s: dx[%zu] is %g, not %g", devices[k], c->op->name,
                          c->name, i, (double)got[i], (double)dx[i]);
        rj_free(got);
        run_close(&r);
    }
}

/* A front-end of one picture. */
#define FRONT(name, kind, ...)                                                           \
    {                                                                                    \
        &rj_op_residual, name, "g", PAR(rj_residual_par, kind),                          \
        {                                                                                \
            PIC(__VA_ARGS__)                                                             \
        }                                                                                \
    }

START_TEST(haar_bands_stand_in_order_and_keep_what_they_should)
{
    // two channels, one cell each: lh of both, hl of both, hh of both
    const one c = FRONT("bands", RJ_FRONT_HAAR, 1, 2, 2, 2);
    static const rj_real x[] = {1, 2, 3, 5, 0, 4, 0, 0};
    static const rj_real y[] = {-2.5, 2, -1.5, -2, 0.5, -2};
    static const rj_real dy[] = {1, 0, 2, 0, 4, 0}; // lh, hl, hh of the first channel
    static const rj_real dx[] = {3.5, -2.5, -1.5, -0.0 + 0.5, 0, 0, 0, 0};

    check_by_hand(&c, x, y, dy, dx);
}
END_TEST

START_TEST(octaves_are_medians_of_pixels_then_of_half_sums)
{
    // two channels of two cells; a channel's corners of both cells, then its half sums,
    // 9.5 and 9.5 (each other's median, both the first of equals), 10 and 6
    const one c = FRONT("octaves", RJ_FRONT_OCTAVES, 1, 2, 2, 4);
    static const rj_real x[] = {3, 7, 1, 8, 9, 0, 4, 6, 2, 2, 10, 5, 12, 4, 0, -3};
    static const rj_real y[] = {0,  -3, -2, 8, 3, 4,  -2, 5, 2, -2,
                                10, -4, -3, 2, 2, -8, 0,  0, 4, -4};
    static const rj_real dy[] = {1, -2, 3, 0, 2,  1, -1, 4,  5,  -3,
                                 2, 2,  1, 6, -4, 1, 8,  -2, -6, 4};
    static const rj_real dx[] = {4, 2, -7, -4, 10, 6, -15, 4, 2, -8, 5, 8, -3, -13, 3, 6};

    check_by_hand(&c, x, y, dy, dx);
}
END_TEST

START_TEST(npr_takes_the_corner_of_each_cell_and_of_what_is_left_over)
{
    const one c = FRONT("corner", RJ_FRONT_NPR, 1, 1, 3, 3);
    static const rj_real x[] = {1, 3, 7, 4, 9, 5, 2, 8, 6};
    static const rj_real y[] = {0, 2, 0, 3, 8, -2, 0, 6, 0};
    static const rj_real dy[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const rj_real dx[] = {-3, 1, -1, 1, 1, 1, -1, 1, 0};

    check_by_hand(&c, x, y, dy, dx);
}
END_TEST

START_TEST(among_equal_pixels_the_first_is_the_median)
{
    // nine equal numbers: every window's median is its first place in reading order
    const one c = FRONT("ties", RJ_FRONT_MEDIAN, 1, 1, 3, 3);
    static const rj_real x[] = {5, 5, 5, 5, 5, 5, 5, 5, 5};
    static const rj_real y[9] = {0};
    static const rj_real dy[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
    // first places by the reflected border: rows 1 0 1 and columns 1 0 1 of the windows
    static const rj_real dx[] = {
        1 - 16, 2 - 8 - 32, 4, 8 - 2 - 128, 16 - 1 - 4 - 64 - 256, 32, 64, 128, 256};

    check_by_hand(&c, x, y, dy, dx);
}
END_TEST

START_TEST(laplace_reflects_without_repeating_the_edge)
{
    // a row: windows are three equal rows, columns 1 0 1, 0 1 2, 1 2 1
    const one c = FRONT("row", RJ_FRONT_LAPLACE, 1, 1, 1, 3);
    static const rj_real x[] = {3, 6, 0};
    static const rj_real y[] = {-2, 3, -4};
    static const rj_real dy[] = {3, 6, 9};
    static const rj_real dx[] = {3 - 1 - 2, 6 - 2 - 2 - 6, 9 - 2 - 3};

    check_by_hand(&c, x, y, dy, dx);
}
END_TEST

START_TEST(among_equal_numbers_the_first_wins_the_window)
{
    const one c = {
        &rj_op_maxpool2d, "ties", "g", PAR(rj_maxpool2d_par, 3, 2, 1), {PIC(1, 1, 3, 3)}};
    static const rj_real x[] = {-4, -4, -4, -4, -4, -4, -4, -4, -4};
    static const rj_real y[] = {-4, -4, -4, -4}; // what lies outside never wins
    static const rj_real dy[] = {1, 2, 3, 4};
    static const rj_real dx[] = {1, 2, 0, 3, 4, 0, 0, 0, 0};

    check_by_hand(&c, x, y, dy, dx);
}
END_TEST

static void check_no_number(const one *c, const char *device, const rj_real *x)
{
    static const rj_real dy[] = {1, 2, 4};
    rj_real *y, *dx;
    run r;

    run_open(&r, c, device, 1);
    set_values(&r, r.in[0], x);
    for (int i = 1; i < 5 && r.in[i]; i++) // (x - 0) 1 / sqrt(1 + eps) + 0
        set_values(&r, r.in[i], (const rj_real[]){(rj_real)(i == 1 || i == 4)});
    if (r.in[5])
        set_values(&r, r.in[5], (const rj_real[]){0, 0, 0});
    run_forward(&r);
    run_backward(&r, dy);
    y = values_of(&r, r.out);
    ck_assert_msg(isnan(y[0]) && y[1] == 0 && y[2] > 0, "%s %s/%s: %g %g %g", device,
                  c->op->name, c->name, (double)y[0], (double)y[1], (double)y[2]);
    dx = gradient_of(&r, r.in[r.in[5] ? 5 : 0]);
    // dx of batch norm, a sum that x is in, may be none as well
    ck_assert_msg(dx[0] != 0 && dx[1] == 0 && fabs((double)dx[2] - 4) <= 1e-4,
                  "%s %s/%s: gradients %g %g %g", device, c->op->name, c->name,
                  (double)dx[0], (double)dx[1], (double)dx[2]);
    rj_free(y);
    rj_free(dx);
    run_close(&r);
}

START_TEST(what_is_no_number_passes_the_relu_and_so_does_its_gradient)
{
    static const rj_real x[] = {NAN, -3, 5};
    const one alone = {&rj_op_relu, "alone", "g-----", NOPAR, {PIC(1, 1, 1, 3)}};
    const one norm = {&rj_op_batchnorm,
                      "normed",
                      "gggcv-",
                      PAR(rj_batchnorm_par, false, 1e-5, 0.1, true),
                      {PIC(1, 1, 1, 3), PLAIN(1, 1), PLAIN(1, 1), PLAIN(1, 1),
                       PLAIN(1, 1), PIC(1, 1, 1, 3)}};
    one added = norm;

    added.name = "added";
    added.inputs = "gggcvg";
    for (int k = 0; k < RJ_COUNT(devices); k++) {
        check_no_number(&alone, devices[k], x);
        check_no_number(&norm, devices[k], x);
        check_no_number(&added, devices[k], x);
    }
}
END_TEST

/* Of 5 x 5 numbers all are none, or only that in the middle; nine windows have it. */
static void check_none(const one *c, const char *device, bool all)
{
    rj_real x[25], *y;
    run r;

    for (int i = 0; i < 25; i++)
        x[i] = all || i == 12 ? NAN : (rj_real)i;
    run_open(&r, c, device, 1);
    set_values(&r, r.in[0], x);
    run_forward(&r);
    y = values_of(&r, r.out);
    for (int i = 0; i < 9; i++)
        ck_assert_msg(isnan(y[i]), "%s: y[%d] is %g", device, i, (double)y[i]);
    rj_free(y);
    run_close(&r);
}

START_TEST(what_is_no_number_wins_its_window)
{
    const one edges = {&rj_op_maxpool2d,
                       "edges",
                       "g-----",
                       PAR(rj_maxpool2d_par, 3, 2, 1),
                       {PIC(1, 1, 5, 5)}};
    const one inside = {&rj_op_maxpool2d,
                        "inside",
                        "g-----",
                        PAR(rj_maxpool2d_par, 3, 1, 0),
                        {PIC(1, 1, 5, 5)}};

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        check_none(&edges, devices[k], true);
        check_none(&inside, devices[k], false);
    }
}
END_TEST

/* ---- kernels of no op ------------------------------------------------------------- */

static void open_device(const char *name, int threads, rj_pool **pool, rj_device **dev)
{
    OK(rj_pool_new(threads, pool));
    OK(rj_device_open(name, *pool, dev));
}

/* Storage as device.h draws it, read and written past what lay there before. */
static void check_storage(const char *name, rj_picture d)
{
    const size_t n = (size_t)d.n * (size_t)d.c * (size_t)d.h * (size_t)d.w;
    rj_real *x = noise(n, 1), *stored, *back = rj_alloc(n, sizeof *back);
    rj_pool *pool;
    rj_device *dev;
    size_t room, zeros = 0;

    open_device(name, 2, &pool, &dev);
    const int block = dev->k->block, blocks = (d.c + block - 1) / block;
    room = rj_picture_storage(dev, &d);
    ck_assert_uint_eq(room, n / (size_t)d.c * (size_t)(blocks * block));
    stored = rj_alloc(room, sizeof *stored);
    for (size_t i = 0; i < room; i++)
        stored[i] = 9;
    OK(dev->k->pack(dev, &d, x, stored));
    OK(dev->k->unpack(dev, &d, stored, back));
    ck_assert_mem_eq(x, back, n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        const size_t plane = (size_t)d.h * (size_t)d.w, pixel = i % plane;
        const size_t channel = i / plane % (size_t)d.c, picture = i / plane / (size_t)d.c;
        const size_t at =
            ((picture * (size_t)blocks + channel / (size_t)block) * plane + pixel) *
                (size_t)block +
            channel % (size_t)block;
        ck_assert(stored[at] == x[i]);
    }
    for (size_t i = 0; i < room; i++)
        zeros += stored[i] == 0;
    ck_assert_uint_eq(zeros, room - n);
    rj_free(x);
    rj_free(stored);
    rj_free(back);
    rj_device_close(dev);
    rj_pool_free(pool);
}

START_TEST(pictures_are_stored_in_blocks_of_channels_with_zeros_behind)
{
    for (int k = 0; k < RJ_COUNT(devices); k++) {
        check_storage(devices[k], (rj_picture){2, 3, 4, 5});
        check_storage(devices[k], (rj_picture){1, 16, 3, 3});
        check_storage(devices[k], (rj_picture){3, 35, 7, 1});
        check_storage(devices[k], (rj_picture){1, 1, 1, 1});
    }
}
END_TEST

/* Four steps over n numbers; the parameter afterwards, freed by rj_free(). */
static rj_real *stepped(const char *name, int threads, size_t n, bool adamw)
{
    rj_real *w = noise(n, 2), *m = rj_alloc(n, sizeof *m), *v = rj_alloc(n, sizeof *v);
    rj_step s = {0.1, 0.9, 0.9, 0.999, 1e-8, 0.01, 0};
    rj_pool *pool;
    rj_device *dev;

    open_device(name, threads, &pool, &dev);
    for (s.t = 1; s.t <= 4; s.t++) {
        rj_real *g = noise(n, 10 + (int)s.t);
        if (adamw)
            OK(dev->k->adamw(dev, n, &s, g, w, m, v));
        else
            OK(dev->k->sgd(dev, n, &s, g, w, m));
        rj_free(g);
    }
    rj_free(m);
    rj_free(v);
    rj_device_close(dev);
    rj_pool_free(pool);
    return w;
}

START_TEST(optimisers_of_the_cpu_step_as_the_reference_does)
{
    static const size_t sizes[] = {1, 16, 37, 100003};

    for (int i = 0; i < RJ_COUNT(sizes); i++)
        for (int adamw = 0; adamw < 2; adamw++) {
            rj_real *ref = stepped("ref", 1, sizes[i], adamw),
                    *cpu = stepped("cpu", 1, sizes[i], adamw),
                    *many = stepped("cpu", 3, sizes[i], adamw);
            // four steps of a dozen roundings; w stays below 2, AdamW's steps below 0.1
            for (size_t j = 0; j < sizes[i]; j++)
                ck_assert_msg(fabs((double)ref[j] - (double)cpu[j]) <= 64 * eps,
                              "%s of %zu: w[%zu] %.9g, not %.9g", adamw ? "adamw" : "sgd",
                              sizes[i], j, (double)cpu[j], (double)ref[j]);
            ck_assert_mem_eq(cpu, many, sizes[i] * sizeof *cpu);
            rj_free(ref);
            rj_free(cpu);
            rj_free(many);
        }
}
END_TEST

START_TEST(running_statistics_follow_the_batch_alike_on_both_devices)
{
    // a single case, so that run_forward() moves them once more than run_open() did
    const one c = {&rj_op_batchnorm,
                   "running",
                   "gggcv-",
                   PAR(rj_batchnorm_par, true, 1e-5, 0.3),
                   {PIC(3, 21, 5, 3), PLAIN(1, 21, 0), PLAIN(1, 21, 0), PLAIN(1, 21, 0),
                    PLAIN(1, 21, 0)}};
    rj_real *seen[2][2], *first[2];
    run r;

    for (int k = 0; k < 2; k++) {
        run_open(&r, &c, devices[k], 2);
        first[k] = values_of(&r, r.in[3]);
        run_forward(&r);
        seen[k][0] = values_of(&r, r.in[3]);
        seen[k][1] = values_of(&r, r.in[4]);
        run_close(&r);
    }
    for (int i = 0; i < 21; i++) {
        for (int j = 0; j < 2; j++)
            ck_assert_double_le(fabs((double)seen[0][j][i] - (double)seen[1][j][i]),
                                32 * eps);
        ck_assert(seen[0][0][i] != first[0][i]);
    }
    for (int k = 0; k < 2; k++) {
        rj_free(first[k]);
        rj_free(seen[k][0]);
        rj_free(seen[k][1]);
    }
}
END_TEST

/* ---- refusals --------------------------------------------------------------------- */

static const struct refusal {
    one c;
    rij_status status;
} refusals[] = {
#include "refusals.def"
};

START_TEST(shapes_that_do_not_fit_are_refused_and_nothing_is_made)
{
    for (int k = 0; k < RJ_COUNT(refusals); k++) {
        const one *c = &refusals[k].c;
        rj_tensor made[RJ_MAX_IN], *in[RJ_MAX_IN] = {0}, *out = NULL;
        rj_real number = 0; // a shape is judged before any number is read
        rj_tape tape = {0};
        rj_pool *pool;
        rij_status got;

        open_device("cpu", 1, &pool, &tape.dev);
        for (int i = 0; i < c->op->inputs; i++)
            if (c->inputs[i] != '-') {
                made[i] = (rj_tensor){c->in[i], &number, wants(c, i) ? &number : NULL,
                                      wants(c, i)};
                in[i] = &made[i];
            }
        got = rj_apply(&tape, c->op, c->par, in, &out);
        ck_assert_msg(got == refusals[k].status, "%s/%s: %s, not %s", c->op->name,
                      c->name, rij_status_name(got), rij_status_name(refusals[k].status));
        ck_assert_msg(strncmp(rij_last_error(), c->op->name, strlen(c->op->name)) == 0,
                      "%s/%s: \"%s\"", c->op->name, c->name, rij_last_error());
        ck_assert_ptr_null(out);
        ck_assert_int_eq(tape.n, 0);
        rj_tape_free(&tape);
        rj_device_close(tape.dev);
        rj_pool_free(pool);
    }
}
END_TEST

SUITE(kernels, ops_and_gradients_are_those_of_pytorch,
      haar_bands_stand_in_order_and_keep_what_they_should,
      octaves_are_medians_of_pixels_then_of_half_sums,
      npr_takes_the_corner_of_each_cell_and_of_what_is_left_over,
      among_equal_pixels_the_first_is_the_median,
      laplace_reflects_without_repeating_the_edge,
      among_equal_numbers_the_first_wins_the_window,
      what_is_no_number_passes_the_relu_and_so_does_its_gradient,
      what_is_no_number_wins_its_window,
      pictures_are_stored_in_blocks_of_channels_with_zeros_behind,
      optimisers_of_the_cpu_step_as_the_reference_does,
      running_statistics_follow_the_batch_alike_on_both_devices,
      shapes_that_do_not_fit_are_refused_and_nothing_is_made)
