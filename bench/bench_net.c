/* bench_net.c: encoder and classifier on random pictures, as training and prediction use
 * them. No projection heads, so a peer's network is the same one, to the parameter. */
#include "bench.h"
#include <math.h>
#include <string.h>

static rij_status build(const bench_options *o, bench_net *net)
{
    const uint64_t seed = 1;

    RJ_TRY(rj_net_config_check(&o->net));
    RJ_TRY(rj_encoder_new(&net->params, seed, &o->net, &net->encoder));
    return rj_linear_new(&net->params, seed, "classifier", net->encoder.features, 1, true,
                         &net->classifier);
}

void bench_net_open(const bench_options *o, bool learn, bench_net *net)
{
    const size_t n = (size_t)o->batch * 3 * (size_t)o->crop * (size_t)o->crop;
    rj_random r = rj_random_start(1, RJ_STREAM_TEST, 0);

    *net = (bench_net){.batch = o->batch, .crop = o->crop};
    bench_device(o, o->device ? o->device : "cpu", &net->pool, &net->dev);
    net->params.dev = net->dev;
    net->tape.dev = net->dev;
    net->tape.frozen = !learn;
    bench_check(build(o, net), "network");
    if (!learn)
        bench_check(rj_ready_new(net->dev, &net->params, &net->encoder, o->crop, o->batch,
                                 &net->ready),
                    "network");
    net->picture = rj_alloc(n, sizeof *net->picture);
    net->label = rj_alloc((size_t)o->batch, sizeof *net->label);
    if (!net->picture || !net->label)
        bench_check(rj_fail(RIJ_E_MEMORY, "no memory for pictures"), "network");
    for (size_t i = 0; i < n; i++)
        net->picture[i] = (float)rj_random_uniform(&r, -1, 1);
    for (int i = 0; i < o->batch; i++)
        net->label[i] = (float)(i % 2);
}

void bench_net_close(bench_net *net)
{
    rj_tape_free(&net->tape);
    rj_ready_free(net->ready);
    rj_params_free(&net->params);
    rj_free(net->picture);
    rj_free(net->label);
    rj_device_close(net->dev);
    rj_pool_free(net->pool);
}

static rij_status logits_of(bench_net *net, bool train, rj_tensor **logit)
{
    const rj_shape shape = rj_shape_plain(4, net->batch, 3, net->crop, net->crop);
    rj_tensor *images, *h;

    rj_tape_reset(&net->tape);
    if (train) {
        RJ_TRY(rj_tensor_lend(&net->tape, &shape, net->picture, &images));
        RJ_TRY(rj_encoder_run(&net->params, &net->tape, &net->encoder, images, true, &h));
    } else {
        RJ_TRY(rj_ready_encode(net->ready, &net->tape, net->batch, net->crop,
                               net->picture, &h));
    }
    return rj_linear_run(&net->params, &net->tape, &net->classifier, h, logit);
}

rij_status bench_train_step(void *job)
{
    const rj_optimiser sgd = {.momentum = 0.9, .decay = 1e-4};
    bench_net *net = job;
    const rj_shape labels = rj_shape_plain(1, net->batch, 1, 1, 1);
    rj_tensor *in[RJ_MAX_IN] = {0}, *loss;
    double value;

    RJ_TRY(rj_params_clear_gradients(&net->params));
    RJ_TRY(logits_of(net, true, &in[0]));
    RJ_TRY(rj_tensor_from(&net->tape, &labels, net->label, &in[1]));
    RJ_TRY(rj_apply(&net->tape, &rj_op_bce, NULL, in, &loss));
    RJ_TRY(rj_backward(&net->tape, loss));
    RJ_TRY(rj_optimiser_step(&sgd, &net->params, 1e-3, ++net->step));
    RJ_TRY(rj_tensor_scalar(net->dev, loss, &value));
    RJ_REQUIRE(isfinite(value), RIJ_E_DIVERGED, "the loss of step %lld is %g",
               (long long)net->step, value);
    return RIJ_OK;
}

/* The forward pass that is timed. */
static rij_status predict(bench_net *net, rj_real *logits)
{
    rj_tensor *logit;

    RJ_TRY(logits_of(net, false, &logit));
    return rj_tensor_read(net->dev, logit, logits);
}

rij_status bench_predict_step(void *job)
{
    bench_net *net = job;
    rj_real logits[1024];

    RJ_TRY(predict(net, logits));
    for (int i = 0; i < net->batch; i++)
        RJ_REQUIRE(isfinite((double)logits[i]), RIJ_E_DIVERGED, "logit %d is %g", i,
                   (double)logits[i]);
    return RIJ_OK;
}
