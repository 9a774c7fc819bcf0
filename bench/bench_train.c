/* bench_train.c: how long a step of training takes: forward, binary cross entropy,
 * backward, SGD with momentum, of encoder and classifier on random pictures. One line;
 * with --profile, then, where the time goes. */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Calls of one op in one direction with one shape. */
typedef struct group {
    char name[96];
    int calls;
    double seconds;
} group;

typedef struct profile {
    group group[256];
    int n;
    double total;
} profile;

static void add(profile *p, const char *name, double seconds)
{
    int i = 0;

    while (i < p->n && strcmp(p->group[i].name, name) != 0)
        i++;
    if (i == RJ_COUNT(p->group))
        i--; // the last group gathers what has no place
    if (i == p->n)
        snprintf(p->group[p->n++].name, sizeof p->group->name, "%s", name);
    p->group[i].calls++;
    p->group[i].seconds += seconds;
    p->total += seconds;
}

/* "conv2d forward", with its shapes if asked: (32,64,32,32) (64,64,3,3) -> (..). */
static void name_call(const rj_call *c, const char *direction, bool shapes, char *name,
                      size_t size)
{
    const bool weights = c->op == &rj_op_conv2d || c->op == &rj_op_linear;
    char text[3][64];

    if (!shapes)
        snprintf(name, size, "%s %s", c->op->name, direction);
    else
        snprintf(name, size, "%s %s %s %s -> %s", c->op->name, direction,
                 rj_shape_text(&c->in[0]->shape, text[0]),
                 weights ? rj_shape_text(&c->in[1]->shape, text[1]) : "",
                 rj_shape_text(&c->out->shape, text[2]));
}

static int by_time(const void *a, const void *b)
{
    const double x = ((const group *)a)->seconds, y = ((const group *)b)->seconds;

    return (x < y) - (x > y);
}

static void print_profile(profile *p, double step)
{
    qsort(p->group, (size_t)p->n, sizeof *p->group, by_time);
    printf("\n%8s %6s %5s\n", "ms", "share", "calls");
    for (int i = 0; i < p->n; i++)
        printf("%8.3f %5.1f%% %5d  %s\n", p->group[i].seconds * 1e3,
               100 * p->group[i].seconds / step, p->group[i].calls, p->group[i].name);
    printf("%8.3f %5.1f%%        the rest: tape, clearing, packing\n",
           (step - p->total) * 1e3, 100 * (step - p->total) / step);
}

typedef struct replay {
    rij_status (*run)(const rj_call *c);
    const rj_call *call;
} replay;

static rij_status run_call(void *job)
{
    const replay *r = job;

    return r->run(r->call);
}

static rij_status run_optimiser(void *job)
{
    const rj_optimiser sgd = {.momentum = 0.9, .decay = 1e-4};
    bench_net *net = job;

    return rj_optimiser_step(&sgd, &net->params, 0, ++net->step);
}

/* One call backwards: its output is lent a gradient of zeros, which cost the same, and an
 * input whose values the step gave up counts as there: no time depends on them. */
static double time_backward(bench_net *net, int i)
{
    const rj_call *c = &net->tape.call[i];
    double seconds[4];

    for (int k = 0; k < RJ_COUNT(seconds); k++) {
        if (c->in[0])
            c->in[0]->spent = false;
        bench_check(rj_backward_begin(&net->tape, c->out), "profile");
        seconds[k] = bench_now_s();
        bench_check(rj_backward_call(&net->tape, i), "profile");
        seconds[k] = bench_now_s() - seconds[k];
        for (int j = 0; j < c->op->inputs; j++)
            if (c->in[j])
                rj_backward_end(&net->tape, c->in[j]);
    }
    return bench_sum_up(seconds + 1, RJ_COUNT(seconds) - 1).median;
}

/* Every call of the tape once more, alone: gradients add up and running statistics move,
 * which no time depends on. Shares are of the step's median. */
static void profile_step(bench_net *net, double step)
{
    static profile by_kind, by_shape;
    char name[96];

    for (int i = 0; i < net->tape.n; i++) {
        const rj_call *c = &net->tape.call[i];

        for (int back = 0; back < 2; back++) {
            replay r = {c->op->forward, c};
            const double seconds =
                back ? time_backward(net, i) : bench_time(run_call, &r, 3, true).median;

            name_call(c, back ? "backward" : "forward", false, name, sizeof name);
            add(&by_kind, name, seconds);
            name_call(c, back ? "backward" : "forward", true, name, sizeof name);
            add(&by_shape, name, seconds);
        }
    }
    const double seconds = bench_time(run_optimiser, net, 3, true).median;
    add(&by_kind, "optimiser", seconds);
    add(&by_shape, "optimiser", seconds);
    print_profile(&by_kind, step);
    print_profile(&by_shape, step);
}

int main(int argc, char **argv)
{
    bench_options o = {
        .net = {"small", "haar", 128}, .crop = 128, .batch = 32, .steps = 10};
    bench_net net;
    bench_times t;

    bench_parse(argc, argv, "bench_train: a step of training, encoder and classifier",
                &o);
    bench_net_open(&o, true, &net);
    if (o.serve) {
        bench_serve(bench_train_step, &net, rj_params_count(&net.params));
    } else {
        bench_check(bench_train_step(&net), "training");
        t = bench_time(bench_train_step, &net, o.steps, true);
        printf("what\tnet\tfront\tcrop\tbatch\tthreads\tprecision\tms\timages/s\t"
               "spread\tmemory MB\ttape MB\n");
        printf("train\t%s\t%s\t%d\t%d\t%d\t%s\t%.2f\t%.1f\t%.3f\t%.0f\t%.0f\n",
               o.net.encoder, o.net.front, o.crop, o.batch, rj_pool_threads(net.pool),
               bench_precision(&o), t.median * 1e3, o.batch / t.median, t.spread,
               bench_peak_memory() / 1e6, (double)net.tape.arena.peak / 1e6);
        if (o.profile)
            profile_step(&net, t.median);
    }
    bench_net_close(&net);
    return 0;
}
