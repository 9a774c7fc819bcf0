/* bench_input.c: what share of its time training waits for its next batch. Batches are
 * made of JPEG files as stage 2 of rij_train() makes them by default: its law of views,
 * its cache of decoded pictures, its number of threads beside the pool's; and each goes
 * through a step of bench_train on all of the pool's threads. That step has no projection
 * heads and no contrastive loss, so a training waits for a smaller share.
 *
 * The photographs, each with a fake that is made from it, fit the default cache, so they
 * are decoded once, before the first batch. With --no-cache each is decoded whenever a
 * batch takes it, as those are that a cache of larger data has no room for. */
#include "bench.h"
#include "judge/judge.h"
#include <stdio.h>

enum { PHOTOGRAPHS = 12 };

typedef struct input {
    bench_net net;
    rj_dataset data;
    rj_cache *cache;
    rj_batcher *batcher;
    int workers;
} input;

/* Seconds since some moment; the latter two are those of rj_batcher_times(). */
typedef struct spent {
    double wall, waited, worked;
} spent;

static rij_status open_batches(const bench_options *o, input *in)
{
    rj_trainer t = {.o = RIJ_TRAIN_OPTIONS_INIT, .pool = in->net.pool};
    rj_view_law law;

    RJ_REQUIRE(o->batch % 4 == 0, RIJ_E_ARGUMENT,
               "a batch of %d is no multiple of 4: reals and fakes, two views each",
               o->batch);
    t.o.crop = o->crop;
    t.o.cache_bytes = o->no_cache ? -1 : 0;
    RJ_TRY(rij_train_options_resolve(&t.o));
    law = rj_trainer_law(&t);
    in->workers = rj_trainer_workers(&t);
    RJ_TRY(rj_dataset_open(bench_files_folder(), t.o.split, &in->data));
    RJ_TRY(rj_cache_new(&in->data, t.o.cache_bytes, &in->cache));
    RJ_TRY(rj_dataset_check(&in->data, in->cache, t.pool, NULL, NULL, NULL));
    return rj_batcher_new(&in->data, in->cache, RJ_BATCH_MIXED, &law, o->batch / 2, 0,
                          t.o.seed, 0, in->workers, &in->batcher);
}

static void close_input(input *in)
{
    rj_batcher_free(in->batcher);
    rj_cache_free(in->cache);
    rj_dataset_free(&in->data);
    bench_net_close(&in->net);
}

/* The network's own pictures stand aside while it learns from the batch's. */
static rij_status step(input *in)
{
    float *own = in->net.picture;
    const rj_batch *batch;
    rij_status status;

    RJ_TRY(rj_batcher_next(in->batcher, &batch));
    for (int i = 0; i < batch->rows; i++)
        in->net.label[i] = (float)batch->label[i];
    in->net.picture = batch->x;
    status = bench_train_step(&in->net);
    in->net.picture = own;
    return status;
}

static spent now(const input *in)
{
    spent s = {.wall = rj_now_s()};

    rj_batcher_times(in->batcher, &s.waited, &s.worked);
    return s;
}

/* Means of a step, once what was made ahead before the first one is used up. */
static spent measure(input *in, int steps)
{
    const int warm = in->workers + 4; // more than the batcher has room for
    spent from, to;

    for (int i = 0; i < warm; i++)
        bench_check(step(in), "warming up");
    from = now(in);
    for (int i = 0; i < steps; i++)
        bench_check(step(in), "training");
    to = now(in);
    return (spent){(to.wall - from.wall) / steps, (to.waited - from.waited) / steps,
                   (to.worked - from.worked) / steps};
}

int main(int argc, char **argv)
{
    bench_options o = {
        .net = {"small", "haar", 128}, .crop = 128, .batch = 32, .steps = 20};
    input in = {0};
    spent s;

    bench_parse(argc, argv, "bench_input: how long training waits for its batches", &o);
    bench_files_photographs("real", PHOTOGRAPHS);
    bench_files_photographs("fake/made", PHOTOGRAPHS);
    bench_net_open(&o, true, &in.net);
    bench_check(open_batches(&o, &in), "batches");
    s = measure(&in, o.steps);
    printf("net\tcrop\tbatch\tthreads\tprecision\tms\twaited ms\twaited %%\t"
           "processor ms a batch\tpictures\n");
    printf("%s\t%d\t%d\t%d\t%s\t%.2f\t%.2f\t%.1f\t%.2f\t%s\n", o.net.encoder, o.crop,
           o.batch, rj_pool_threads(in.net.pool), bench_precision(&o), s.wall * 1e3,
           s.waited * 1e3, 100 * s.waited / s.wall, s.worked * 1e3,
           o.no_cache ? "decoded" : "kept");
    close_input(&in);
    return 0;
}
