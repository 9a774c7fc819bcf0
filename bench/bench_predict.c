/* bench_predict.c: how fast pictures are judged: encoder and classifier in evaluation
 * mode, one picture at a time (latency) and 32 together, or --batch. One line each. */
#include "bench.h"
#include <stdio.h>

static void report(const bench_options *o)
{
    bench_net net;
    bench_times t;

    bench_net_open(o, false, &net);
    if (o->serve) {
        bench_serve(bench_predict_step, &net, rj_params_count(&net.params));
    } else {
        bench_check(bench_predict_step(&net), "predicting");
        t = bench_time(bench_predict_step, &net, o->steps, true);
        printf("predict\t%s\t%s\t%d\t%d\t%d\t%s\t%.2f\t%.1f\t%.3f\t%.0f\n",
               o->net.encoder, o->net.front, o->crop, o->batch, rj_pool_threads(net.pool),
               bench_precision(o), t.median * 1e3, o->batch / t.median, t.spread,
               bench_peak_memory() / 1e6);
    }
    bench_net_close(&net);
}

int main(int argc, char **argv)
{
    bench_options o = {.net = {"small", "haar", 128}, .crop = 128, .steps = 30};

    bench_parse(argc, argv, "bench_predict: encoder and classifier, evaluation mode", &o);
    if (o.serve) {
        o.batch = RJ_MAX(o.batch, 1);
        report(&o);
        return 0;
    }
    printf("what\tnet\tfront\tcrop\tbatch\tthreads\tprecision\tms\timages/s\tspread\t"
           "memory MB\n");
    if (o.batch) {
        report(&o);
        return 0;
    }
    o.batch = 1;
    report(&o);
    o.batch = 32;
    o.steps = RJ_MAX(3, o.steps / 4);
    report(&o);
    return 0;
}
