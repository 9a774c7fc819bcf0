/* heads.c: the whole network: encoder, two projection heads, classifier.
 *
 *     h = E(x)                                                     (N,m)
 *     u = g(h) = W2 relu(W1 h + b1) (+ b2),   z = u / ||u||        (N,d)
 *     logit = w . h + c                                            (N,1)
 *
 * g_hom gives z_hom in stage 1 and z in stage 2; g_het gives z_het. The last layer of
 * g_hom has no bias: a bias alone could make z_hom constant, which is what stage 1 must
 * not reward (method 2). Names follow PyTorch's Sequential: g_hom.0, g_hom.2. */
#include "device/statistics.h"
#include "net/net.h"

typedef struct head {
    rj_linear_layer first, last;
} head;

struct rj_net {
    rj_net_config config;
    rj_params params;
    rj_encoder encoder;
    head head[2]; /* by enum rj_head */
    rj_linear_layer classifier;
};

static rij_status build(rj_net *net, uint64_t seed)
{
    rj_params *s = &net->params;
    const int d = net->config.embedding;
    head *hom = &net->head[RJ_HEAD_HOM], *het = &net->head[RJ_HEAD_HET];
    int m;

    RJ_TRY(rj_net_config_check(&net->config));
    RJ_TRY(rj_encoder_new(s, seed, &net->config, &net->encoder));
    m = net->encoder.features;
    RJ_TRY(rj_linear_new(s, seed, "g_hom.0", m, m, true, &hom->first));
    RJ_TRY(rj_linear_new(s, seed, "g_hom.2", m, d, false, &hom->last));
    RJ_TRY(rj_linear_new(s, seed, "g_het.0", m, m, true, &het->first));
    RJ_TRY(rj_linear_new(s, seed, "g_het.2", m, d, true, &het->last));
    return rj_linear_new(s, seed, "classifier", m, 1, true, &net->classifier);
}

rij_status rj_net_new(rj_device *dev, const rj_net_config *config, uint64_t seed,
                      bool learn, rj_net **out)
{
    rj_net *net = rj_alloc(1, sizeof *net);
    rij_status status;

    RJ_REQUIRE(net, RIJ_E_MEMORY, "network: no memory");
    net->config = *config;
    net->config.encoder[sizeof config->encoder - 1] = 0;
    net->config.front[sizeof config->front - 1] = 0;
    net->params.dev = dev;
    net->params.frozen = !learn;
    status = build(net, seed);
    if (status != RIJ_OK) {
        rj_net_free(net);
        return status;
    }
    *out = net;
    return RIJ_OK;
}

void rj_net_free(rj_net *net)
{
    if (net)
        rj_params_free(&net->params);
    rj_free(net);
}

rj_params *rj_net_params(rj_net *net)
{
    return &net->params;
}

const rj_net_config *rj_net_config_of(const rj_net *net)
{
    return &net->config;
}

const rj_encoder *rj_net_encoder(const rj_net *net)
{
    return &net->encoder;
}

int rj_net_features(const rj_net *net)
{
    return net->encoder.features;
}

int rj_net_seen(const rj_net *net)
{
    return net->encoder.weighs ? RJ_STATISTICS : net->encoder.features;
}

rij_status rj_net_encode(rj_net *net, rj_tape *tape, rj_tensor *images, bool train,
                         rj_tensor **h)
{
    return rj_encoder_run(&net->params, tape, &net->encoder, images, train, h);
}

rij_status rj_net_prepare(rj_net *net, rj_device *dev, int side, int batch,
                          rj_ready **ready)
{
    return rj_ready_new(dev, &net->params, &net->encoder, side, batch, ready);
}

rij_status rj_net_project(rj_net *net, rj_tape *tape, enum rj_head which, rj_tensor *h,
                          rj_tensor **u, rj_tensor **z)
{
    const head *g = &net->head[which];
    rj_tensor *in[RJ_MAX_IN] = {h}, *row;

    RJ_TRY(rj_linear_run(&net->params, tape, &g->first, in[0], &in[0]));
    RJ_TRY(rj_relu_run(tape, in[0], &in[0]));
    RJ_TRY(rj_linear_run(&net->params, tape, &g->last, in[0], &in[0]));
    RJ_TRY(rj_apply(tape, &rj_op_l2norm, NULL, in, &row));
    if (u)
        *u = in[0];
    *z = row;
    return RIJ_OK;
}

rij_status rj_net_logit(rj_net *net, rj_tape *tape, rj_tensor *h, rj_tensor **logit)
{
    return rj_linear_run(&net->params, tape, &net->classifier, h, logit);
}
