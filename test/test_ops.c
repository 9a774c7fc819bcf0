/* Every case of cases.def: gradients against differences, cpu against ref, lanes past the
 * channels zero, the same bits for any number of threads. */
#include "like.h"
#include "test.h"
#include <float.h>
#include <math.h>
#include <string.h>

static const bool is_double = sizeof(rj_real) == sizeof(double);

/* <v, op(x + h d)>, the values of input i moved along d and put back. */
static double moved(run *r, int i, const rj_real *x, const rj_real *d, double h,
                    const rj_real *v)
{
    const size_t n = rj_count(&r->in[i]->shape);
    rj_real *place = rj_alloc(n, sizeof *place), *y;
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        place[j] = (rj_real)((double)x[j] + h * (double)d[j]);
    set_values(r, r->in[i], place);
    run_forward(r);
    y = values_of(r, r->out);
    for (size_t j = 0; j < rj_count(&r->out->shape); j++)
        sum += (double)v[j] * (double)y[j];
    set_values(r, r->in[i], x);
    rj_free(place);
    rj_free(y);
    return sum;
}

/* The slope along a random direction of input i, by backward and by differences. The
 * scale is what the products of gradient and direction would add up to at random. */
static void check_input(run *r, int i, const char *device)
{
    const size_t n = rj_count(&r->in[i]->shape), m = rj_count(&r->out->shape);
    // kinked inputs lie 2/n apart; half of that is the most a number may move
    const double h = is_double                       ? 1e-6
                     : strchr("kq", r->c->inputs[i]) ? fmin(0.4 / (double)n, 0.05)
                                                     : 1e-2;
    rj_real *x = values_of(r, r->in[i]), *d = noise(n, 100 + i), *v = weights(m), *g;
    double slope, by_hand = 0, scale = 0;

    run_forward(r);
    run_backward(r, v);
    g = gradient_of(r, r->in[i]);
    for (size_t j = 0; j < n; j++) {
        by_hand += (double)g[j] * (double)d[j];
        scale += (double)g[j] * (double)g[j] / 3;
    }
    // noise squared is 1/3 on average
    ck_assert_msg(r->c->inputs[i] == 'z' ? scale == 0 : sqrt(3 * scale) > 0.01,
                  "%s %s/%s input %d: a gradient of length %.3g checks nothing", device,
                  r->c->op->name, r->c->name, i, sqrt(3 * scale));
    scale = fmax(sqrt(scale), fabs(by_hand));
    slope = (moved(r, i, x, d, h, v) - moved(r, i, x, d, -h, v)) / (2 * h);
    ck_assert_msg(
        fabs(slope - by_hand) <= (is_double ? 1e-7 : 3e-2) * fmax(scale, 1e-2),
        "%s %s/%s input %d: %.12g by backward, %.12g by differences, scale %.3g", device,
        r->c->op->name, r->c->name, i, by_hand, slope, scale);
    rj_free(x);
    rj_free(d);
    rj_free(v);
    rj_free(g);
}

static void check_gradients(const char *device)
{
    for (int k = 0; k < cases_count; k++) {
        run r;
        run_open(&r, &cases[k], device, 2);
        for (int i = 0; i < cases[k].op->inputs; i++)
            if (wants(&cases[k], i) && r.out->g)
                check_input(&r, i, device);
        run_close(&r);
    }
}

START_TEST(gradients_of_the_reference_match_differences)
{
    check_gradients("ref");
}
END_TEST

START_TEST(gradients_of_the_cpu_match_differences)
{
    check_gradients("cpu");
}
END_TEST

static void check_equal(const one *c, const char *isa, const char *what, size_t n,
                        const rj_real *a, const rj_real *b)
{
    const double most = order_bound(c, n, a);

    for (size_t i = 0; i < n; i++)
        HOLDS(fabs((double)a[i] - (double)b[i]) <= most,
              "%s/%s %s[%zu]: ref %.9g, %s %.9g", c->op->name, c->name, what, i,
              (double)a[i], isa, (double)b[i]);
}

static void check_parity(const one *c, const char *isa)
{
    run ref, cpu;
    rj_real *a, *b, *v;

    run_open(&ref, c, "ref", 1);
    run_open(&cpu, c, "cpu", 2);
    v = weights(rj_count(&ref.out->shape));
    a = values_of(&ref, ref.out);
    b = values_of(&cpu, cpu.out);
    check_equal(c, isa, "y", rj_count(&ref.out->shape), a, b);
    rj_free(a);
    rj_free(b);
    if (cpu.out->shape.picture)
        check_lanes(&cpu, &cpu.out->shape, cpu.out->x);
    run_backward(&ref, v);
    run_backward(&cpu, v);
    for (int i = 0; i < c->op->inputs; i++) {
        if (!wants(c, i))
            continue;
        a = gradient_of(&ref, ref.in[i]);
        b = gradient_of(&cpu, cpu.in[i]);
        check_equal(c, isa, "dx", rj_count(&c->in[i]), a, b);
        rj_free(a);
        rj_free(b);
        if (c->in[i].picture)
            check_lanes(&cpu, &c->in[i], cpu.in[i]->g);
    }
    rj_free(v);
    run_close(&ref);
    run_close(&cpu);
}

/* With each instruction set this processor has: RIJ_ISA chooses. */
START_TEST(the_cpu_agrees_with_the_reference)
{
    const char *isa;
    int i = 0;

    while ((isa = next_isa(&i)) != NULL)
        for (int k = 0; k < cases_count; k++)
            check_parity(&cases[k], isa);
}
END_TEST

/* One case of pictures with one instruction set: convolutions in each precision by each
 * algorithm, all others in each precision. */
static void each_picture_way(const one *c, void (*check)(const one *c, const way *w))
{
    const int first = convolves(c) ? RJ_DIRECT : RJ_AUTO,
              last = convolves(c) ? RJ_WINOGRAD : RJ_AUTO;

    for (int a = first; a <= last; a++)
        for (int p = RJ_FP32; p <= RJ_BF16; p++)
            check(c, &(way){"cpu", 2, (enum rj_precision)p, (enum rj_algorithm)a});
}

/* Every case on both devices, and those of pictures with each instruction set. */
static void each_way(void (*check)(const one *c, const way *w))
{
    const char *isa;
    int i = 0;

    for (int k = 0; k < cases_count; k++) {
        check(&cases[k], &(way){"ref", 2, RJ_FP32, RJ_AUTO});
        check(&cases[k], &(way){"cpu", 2, RJ_FP32, RJ_AUTO});
    }
    while ((isa = next_isa(&i)) != NULL)
        for (int k = 0; k < cases_count; k++)
            if (pictured(&cases[k]))
                each_picture_way(&cases[k], check);
}

/* What kernels left in a device's own memory becomes no numbers. */
static void soil_device(rj_device *dev)
{
    if (dev->shared)
        memset(dev->shared, 0xff, dev->shared_bytes);
    for (int i = 0; i < RJ_MAX_THREADS; i++)
        if (dev->scratch[i])
            memset(dev->scratch[i], 0xff, dev->scratch_bytes);
}

/* Forward and backward once more, in memory full of what are no numbers. Everything must
 * come out the same, lanes past the channels included. */
static void check_overwrites(const one *c, const way *w)
{
    run fresh, soiled;
    rj_real *v;

    run_open_way(&fresh, c, w);
    run_open_way(&soiled, c, w);
    v = weights(rj_count(&fresh.out->shape));
    run_backward(&soiled, v); // now the device has all its memory
    rj_tape_reset(&soiled.tape);
    memset(soiled.tape.arena.heap.first->bytes, 0xff, soiled.tape.arena.heap.first->size);
    soil_device(soiled.dev);
    run_forward(&soiled);
    ck_assert_msg(memcmp(fresh.out->x, soiled.out->x,
                         rj_storage(fresh.dev, &fresh.out->shape) * sizeof *v) == 0,
                  "%s %s/%s: y, precision %d, algorithm %d", w->device, c->op->name,
                  c->name, w->precision, w->algorithm);
    run_backward(&fresh, v);
    soil_device(soiled.dev);
    run_backward(&soiled, v);
    rj_free(v);
    for (int i = 0; i < c->op->inputs; i++)
        ck_assert_msg(!wants(c, i) ||
                          memcmp(fresh.in[i]->g, soiled.in[i]->g,
                                 rj_storage(fresh.dev, &c->in[i]) * sizeof *v) == 0,
                      "%s %s/%s: dx of input %d, precision %d, algorithm %d", w->device,
                      c->op->name, c->name, i, w->precision, w->algorithm);
    run_close(&fresh);
    run_close(&soiled);
}

START_TEST(a_result_does_not_depend_on_what_lay_there_before)
{
    each_way(check_overwrites);
}
END_TEST

START_TEST(a_fresh_gradient_is_written_whole)
{
    each_way(check_written);
}
END_TEST

/* The numbers of one thread, bit by bit. */
static void check_threads(const one *c, const way *w)
{
    way one_thread = *w;
    size_t n;
    rj_real *first;

    one_thread.threads = 1;
    first = all_numbers(c, &one_thread, &n);
    for (int threads = 2; threads <= 4; threads += 2) {
        way more = *w;
        rj_real *other;
        more.threads = threads;
        other = all_numbers(c, &more, &n);
        ck_assert_msg(memcmp(first, other, n * sizeof *first) == 0,
                      "%s %s/%s differs with %d threads, precision %d, algorithm %d",
                      w->device, c->op->name, c->name, threads, w->precision,
                      w->algorithm);
        rj_free(other);
    }
    rj_free(first);
}

START_TEST(the_same_bits_for_1_2_and_4_threads)
{
    each_way(check_threads);
}
END_TEST

static void count_cases(const rj_op *op)
{
    int have = 0;

    for (int k = 0; k < cases_count; k++)
        have += cases[k].op == op;
    ck_assert_msg(have >= 3, "%s has %d cases", op->name, have);
}

START_TEST(every_op_has_three_cases_at_least)
{
#define RJ_OP(name) count_cases(&rj_op_##name);
#include "op/ops.def"
#undef RJ_OP
}
END_TEST

SUITE(ops, gradients_of_the_reference_match_differences,
      gradients_of_the_cpu_match_differences, the_cpu_agrees_with_the_reference,
      a_result_does_not_depend_on_what_lay_there_before,
      a_fresh_gradient_is_written_whole, the_same_bits_for_1_2_and_4_threads,
      every_op_has_three_cases_at_least)
