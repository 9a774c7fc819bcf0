/* test_tensor.c: shapes, tensors, the tape, and the promise that a repeated step
 * allocates nothing. */
#include "op/op.h"
#include "test.h"
#include <math.h>
#include <string.h>

typedef struct place {
    rj_pool *pool;
    rj_device *dev;
    rj_tape tape;
    rj_arena kept; /* parameters: not reset with the tape */
} place;

static place open_place(const char *device)
{
    place p = {0};

    OK(rj_pool_new(2, &p.pool));
    OK(rj_device_open(device, p.pool, &p.dev));
    p.tape.dev = p.dev;
    return p;
}

static void close_place(place *p)
{
    rj_tape_free(&p->tape);
    rj_arena_free(&p->kept);
    rj_device_close(p->dev);
    rj_pool_free(p->pool);
}

/* A tensor of numbers drawn from stream `number`, in the kept arena. */
static rj_tensor *drawn(place *p, const rj_shape *shape, bool gradient, uint64_t number)
{
    rj_random r = rj_random_start(5, RJ_STREAM_TEST, number);
    const size_t n = rj_count(shape);
    rj_real *host = rj_alloc(n, sizeof *host);
    rj_tensor *t;

    ck_assert_ptr_nonnull(host);
    for (size_t i = 0; i < n; i++)
        host[i] = (rj_real)rj_random_normal(&r);
    OK(rj_tensor_new(p->dev, &p->kept, shape, gradient, &t));
    OK(rj_tensor_write(p->dev, t, host));
    rj_free(host);
    return t;
}

START_TEST(shapes_count_compare_and_print)
{
    const rj_shape picture = rj_shape_picture(2, 17, 3, 5);
    const rj_shape plain = rj_shape_plain(4, 2, 17, 3, 5);
    const rj_shape number = rj_shape_plain(0, 0, 0, 0, 0);
    char text[64];

    ck_assert_uint_eq(rj_count(&picture), 510);
    ck_assert_uint_eq(rj_count(&number), 1);
    ck_assert(!rj_shape_same(&picture, &plain));
    ck_assert(rj_shape_same(&plain, &plain));
    ck_assert_str_eq(rj_shape_text(&picture, text), "(2,17,3,5)");
    ck_assert_str_eq(rj_shape_text(&number, text), "()");
}
END_TEST

/* 17 channels are 17 planes on ref and two blocks of 16 on cpu, whose last 15 lanes hold
 * zeros; read back, both are what was written. */
START_TEST(pictures_come_back_as_they_were_written)
{
    static const char *const devices[] = {"ref", "cpu"};
    static const size_t storage[] = {2 * 17 * 15, 2 * 32 * 15};
    const rj_shape shape = rj_shape_picture(2, 17, 3, 5);

    for (int d = 0; d < 2; d++) {
        place p = open_place(devices[d]);
        rj_tensor *t = NULL;
        rj_real *back = rj_alloc(510, sizeof *back);
        float planar[510];

        for (int i = 0; i < 510; i++)
            planar[i] = (float)(i + 1);
        ck_assert_uint_eq(rj_storage(p.dev, &shape), storage[d]);
        OK(rj_tensor_from(&p.tape, &shape, planar, &t));
        ck_assert_ptr_null(t->g);
        OK(rj_tensor_read(p.dev, t, back));
        for (int i = 0; i < 510; i++)
            ck_assert(back[i] == (rj_real)planar[i]);
        if (d == 1)
            for (size_t i = 0; i < storage[d]; i++)
                ck_assert((t->x[i] == 0) == (i / (15 * 16) % 2 == 1 && i % 16 > 0));
        rj_free(back);
        close_place(&p);
    }
}
END_TEST

START_TEST(an_op_is_recorded_only_where_a_gradient_is_wanted)
{
    const rj_shape shape = rj_shape_plain(2, 3, 4, 0, 0);
    const rj_add_par par = {1, 1};
    place p = open_place("cpu");
    rj_tensor *learns = drawn(&p, &shape, true, 1), *fixed = drawn(&p, &shape, false, 2);
    rj_tensor *out = NULL;

    OK(rj_apply(&p.tape, &rj_op_add, &par, (rj_tensor *[]){fixed, fixed}, &out));
    ck_assert_int_eq(p.tape.n, 0);
    ck_assert(!out->learns);
    OK(rj_apply(&p.tape, &rj_op_add, &par, (rj_tensor *[]){fixed, learns}, &out));
    ck_assert_int_eq(p.tape.n, 1);
    ck_assert(out->learns);
    FAILS(rj_backward(&p.tape, out), RIJ_E_SHAPE); // twelve numbers are no loss
    p.tape.frozen = true;
    OK(rj_apply(&p.tape, &rj_op_add, &par, (rj_tensor *[]){fixed, learns}, &out));
    ck_assert_int_eq(p.tape.n, 1);
    ck_assert(!out->learns);
    close_place(&p);
}
END_TEST

START_TEST(a_refused_op_leaves_the_tape_and_the_output_alone)
{
    const rj_shape shape = rj_shape_plain(2, 3, 4, 0, 0);
    const rj_shape other = rj_shape_plain(2, 4, 3, 0, 0);
    const rj_add_par par = {1, 1};
    place p = open_place("cpu");
    rj_tensor *a = drawn(&p, &shape, true, 1), *b = drawn(&p, &other, true, 2);
    rj_tensor *out = NULL;

    FAILS(rj_apply(&p.tape, &rj_op_add, &par, (rj_tensor *[]){a, b}, &out), RIJ_E_SHAPE);
    FAILS(rj_apply(&p.tape, &rj_op_add, &par, (rj_tensor *[]){a, NULL}, &out),
          RIJ_E_ARGUMENT);
    ck_assert_ptr_null(out);
    ck_assert_int_eq(p.tape.n, 0);
    FAILS(rj_backward(&p.tape, b), RIJ_E_SHAPE);
    close_place(&p);
}
END_TEST

/* loss = |2 x + 3 x - 0|: x is used twice, so both uses add to its gradient:
 *
 *     dx[i] = 5 / n e / sqrt(e^2 + eps^2),    e = 5 x[i] */
START_TEST(gradients_of_all_uses_add_up)
{
    const rj_shape shape = rj_shape_picture(1, 3, 4, 4);
    const rj_add_par par = {2, 3};
    const rj_absdiff_par eps = {0.5};
    place p = open_place("cpu");
    rj_tensor *x = drawn(&p, &shape, true, 1), *zero, *y, *loss;
    rj_tensor seen = {.shape = shape, .x = x->g};
    rj_real value[48], gradient[48];

    OK(rj_tensor_new(p.dev, &p.kept, &shape, false, &zero));
    OK(rj_apply(&p.tape, &rj_op_add, &par, (rj_tensor *[]){x, x}, &y));
    OK(rj_apply(&p.tape, &rj_op_absdiff, &eps, (rj_tensor *[]){y, zero}, &loss));
    OK(rj_backward(&p.tape, loss));
    OK(rj_tensor_read(p.dev, x, value));
    OK(rj_tensor_read(p.dev, &seen, gradient));
    for (int i = 0; i < 48; i++) {
        const double e = 5 * (double)value[i];
        const double wanted = 5.0 / 48 * e / sqrt(e * e + 0.25);
        ck_assert_double_lt(fabs((double)gradient[i] - wanted), 1e-6);
    }
    rj_tape_reset(&p.tape);
    OK(rj_apply(&p.tape, &rj_op_absdiff, &eps, (rj_tensor *[]){zero, zero}, &loss));
    FAILS(rj_backward(&p.tape, loss), RIJ_E_ARGUMENT); // nothing in it learns
    close_place(&p);
}
END_TEST

typedef struct network {
    rj_tensor *w, *bias, *target;
} network;

static network make_network(place *p)
{
    const rj_shape w = rj_shape_plain(4, 8, 3, 3, 3),
                   bias = rj_shape_plain(1, 8, 0, 0, 0);
    const rj_shape target = rj_shape_picture(2, 8, 6, 6);
    const network net = {drawn(p, &w, true, 1), drawn(p, &bias, true, 2),
                         drawn(p, &target, false, 3)};

    return net;
}

/* One training step: pixels -> conv2d -> relu -> pool -> loss -> gradients -> reset. */
static rij_status step(place *p, const network *net, double *loss)
{
    const rj_shape shape = rj_shape_picture(2, 3, 12, 12);
    const rj_conv2d_par conv = {1, 1};
    const rj_maxpool2d_par pool = {2, 2, 0};
    const rj_absdiff_par eps = {0.1};
    float planar[2 * 3 * 12 * 12];
    rj_tensor *x, *y, *end;

    for (size_t i = 0; i < sizeof planar / sizeof *planar; i++)
        planar[i] = (float)(i % 17) / 17;
    RJ_TRY(rj_tensor_from(&p->tape, &shape, planar, &x));
    RJ_TRY(rj_apply(&p->tape, &rj_op_conv2d, &conv, (rj_tensor *[]){x, net->w, net->bias},
                    &y));
    RJ_TRY(rj_apply(&p->tape, &rj_op_relu, NULL, (rj_tensor *[]){y}, &y));
    RJ_TRY(rj_apply(&p->tape, &rj_op_maxpool2d, &pool, (rj_tensor *[]){y}, &y));
    RJ_TRY(
        rj_apply(&p->tape, &rj_op_absdiff, &eps, (rj_tensor *[]){y, net->target}, &end));
    RJ_TRY(rj_backward(&p->tape, end));
    RJ_TRY(rj_tensor_scalar(p->dev, end, loss));
    rj_tape_reset(&p->tape);
    return RIJ_OK;
}

START_TEST(after_the_first_step_nothing_is_allocated)
{
    static const char *const devices[] = {"ref", "cpu"};

    for (int d = 0; d < 2; d++) {
        place p = open_place(devices[d]);
        const network net = make_network(&p);
        double first, loss;

        OK(step(&p, &net, &first));
        rj_memory_fail_at(0);
        for (int i = 0; i < 3; i++) {
            OK(step(&p, &net, &loss));
            ck_assert(loss == first); // to the last bit
        }
        ck_assert_msg(rj_memory_fail_at(0) == 0, "%s allocated", devices[d]);
        close_place(&p);
    }
}
END_TEST

/* Let the first step's n-th allocation fail, for all n. */
START_TEST(a_step_that_runs_out_of_memory_can_be_repeated)
{
    const long live = rj_memory_live();
    place fine = open_place("cpu");
    const network fine_net = make_network(&fine);
    double wanted, loss;
    int failures = 0;

    OK(step(&fine, &fine_net, &wanted));
    close_place(&fine);
    for (long n = 1; n < 1000; n++) {
        place p = open_place("cpu");
        const network net = make_network(&p);
        rij_status status;

        rj_memory_fail_at(n);
        status = step(&p, &net, &loss);
        rj_memory_fail_at(0);
        if (status != RIJ_OK) {
            ck_assert_int_eq(status, RIJ_E_MEMORY);
            failures++;
            rj_tape_reset(&p.tape);
            OK(step(&p, &net, &loss));
        }
        ck_assert(loss == wanted);
        close_place(&p);
        ck_assert_int_eq(rj_memory_live(), live);
        if (status == RIJ_OK && n > 20)
            break;
    }
    ck_assert_int_ge(failures, 3); // the arena, the list of calls, the scratch
}
END_TEST

SUITE(tensor, shapes_count_compare_and_print, pictures_come_back_as_they_were_written,
      an_op_is_recorded_only_where_a_gradient_is_wanted,
      a_refused_op_leaves_the_tape_and_the_output_alone, gradients_of_all_uses_add_up,
      after_the_first_step_nothing_is_allocated,
      a_step_that_runs_out_of_memory_can_be_repeated)
