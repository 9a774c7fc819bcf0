/* encoder.c: h = E(x), either two layers that weigh statistics of the image,
 *
 *     images (N,3,S,S) -> statistics -> linear, relu -> linear, relu -> (N,m)
 *
 * or a front-end, then a residual network (He et al. 2016), then the mean over the
 * picture:
 *
 *     images (N,3,S,S) -> front-end -> stem -> stages of blocks -> avgpool -> (N,m)
 *
 * Parameters bear torchvision's names below "encoder.": conv1.weight, bn1.weight,
 * layer1.0.conv1.weight, layer2.0.downsample.0.weight, ..; so PyTorch can read them.
 *
 *     encoder    blocks     learned numbers (front-end with 3 channels)       m
 *     statistics none           22,784                                      128
 *     patch      basic         197,584 (haar, 9 channels: 198,448)           96
 *     small      basic         980,304 (haar, 9 channels: 981,168)          160
 *     resnet18   basic      11,176,512                                      512
 *     resnet50   bottleneck 23,508,032                                     2048
 *
 * Behind octaves, 15 channels, patch has 199,312 of them and small 982,032.
 *
 * `small` takes 68.6 million multiply-adds for a crop of 96 pixels behind haar, 70.6
 * million behind octaves, and 66.7 million behind the others:
 *
 *     stem    9 ->  16  48x48    2,985,984   (15 -> 16: 4,976,640; 3 -> 16, stride 2:
 *                                            995,328)
 *     layer1 16 ->  16  48x48   10,616,832
 *     layer2 16 ->  32  24x24    8,257,536
 *     layer3 32 ->  96  12x12   16,367,616
 *     layer4 96 -> 160   6x6    30,412,800   (two blocks)
 *
 * `patch` goes down to a quarter of the picture's sides and no further, so that what it
 * says of a place depends on 42 x 42 pixels around it (behind haar; 46 x 46 behind
 * octaves), too few to know what is pictured:
 *
 *     stem    9 ->  16  48x48    2,985,984
 *     layer1 16 ->  16  48x48   10,616,832
 *     layer2 16 ->  64  24x24   27,131,904
 *     layer3 64 ->  96  24x24   83,165,184
 *
 * Widths are multiples of 16, the channel block of the cpu device. Haar and octaves halve
 * the resolution, so behind them the stem keeps stride 1 (that of resnet18 and resnet50
 * too); behind raw, median and npr the stem halves it, and the trunk costs the same. */
#include "device/statistics.h"
#include "net/net.h"
#include <stdio.h>
#include <string.h>

enum { STAGES = 4, WEIGHED = 128 };

typedef struct plan {
    const char *name;
    bool bottleneck; /* 1x1, 3x3, 1x1 to four times the width; else 3x3, 3x3 */
    int stem, stem_r;
    bool pooled;
    int width[STAGES], blocks[STAGES], stride[STAGES]; /* of a stage's first block */
} plan;

static const plan plans[] = {
    {.name = "statistics"},
    {"patch", false, 16, 3, false, {16, 64, 96}, {1, 1, 1}, {1, 2, 1}},
    {"small", false, 16, 3, false, {16, 32, 96, 160}, {1, 1, 1, 2}, {1, 2, 2, 2}},
    {"resnet18", false, 64, 7, true, {64, 128, 256, 512}, {2, 2, 2, 2}, {1, 2, 2, 2}},
    {"resnet50", true, 64, 7, true, {64, 128, 256, 512}, {3, 4, 6, 3}, {1, 2, 2, 2}},
};

static const struct front {
    const char *name;
    enum rj_front kind;
    int channels;
    bool halved;
} fronts[] = {
    {"raw", RJ_FRONT_RAW, 3, false},         {"median", RJ_FRONT_MEDIAN, 3, false},
    {"npr", RJ_FRONT_NPR, 3, false},         {"haar", RJ_FRONT_HAAR, 9, true},
    {"octaves", RJ_FRONT_OCTAVES, 15, true},
};

static rij_status find(const rj_net_config *config, const plan **p,
                       const struct front **f)
{
    *p = NULL;
    *f = NULL;
    for (int i = 0; i < RJ_COUNT(plans); i++)
        if (strcmp(config->encoder, plans[i].name) == 0)
            *p = &plans[i];
    for (int i = 0; i < RJ_COUNT(fronts); i++)
        if (strcmp(config->front, fronts[i].name) == 0)
            *f = &fronts[i];
    RJ_REQUIRE(*p, RIJ_E_ARGUMENT,
               "there is no encoder '%s': it is statistics, patch, small, resnet18 or "
               "resnet50",
               config->encoder);
    RJ_REQUIRE(*f, RIJ_E_ARGUMENT,
               "there is no front-end '%s': it is raw, median, npr, haar or octaves",
               config->front);
    RJ_REQUIRE((*p)->stem > 0 || (*f)->kind == RJ_FRONT_RAW, RIJ_E_ARGUMENT,
               "encoder statistics takes raw images, not those behind '%s'",
               config->front);
    return RIJ_OK;
}

rij_status rj_net_config_check(const rj_net_config *config)
{
    const plan *p;
    const struct front *f;

    RJ_TRY(find(config, &p, &f));
    RJ_REQUIRE(config->embedding >= 8 && config->embedding <= 1024, RIJ_E_ARGUMENT,
               "an embedding of %d is not in 8..1024", config->embedding);
    return RIJ_OK;
}

/* One convolution without bias, padded to keep the size at stride 1, and its batch norm:
 * PREFIX.convI and PREFIX.bnI. */
static rij_status conv_bn(rj_params *s, uint64_t seed, const char *prefix, int i, int c,
                          int k, int r, int stride, rj_conv_layer *conv, rj_bn_layer *bn)
{
    char name[RJ_NAME_MAX];

    snprintf(name, sizeof name, "%s.conv%d", prefix, i);
    RJ_TRY(rj_conv_new(s, seed, name, c, k, r, stride, r / 2, false, conv));
    snprintf(name, sizeof name, "%s.bn%d", prefix, i);
    return rj_bn_new(s, name, k, bn);
}

/* A block from c channels to `width` (times four in a bottleneck). The stride sits on the
 * first 3x3 convolution, as in torchvision. */
static rij_status block_new(rj_params *s, uint64_t seed, const char *prefix,
                            bool bottleneck, int c, int width, int stride,
                            rj_res_block *b)
{
    const int k = bottleneck ? 4 * width : width;
    char name[RJ_NAME_MAX];

    b->convs = bottleneck ? 3 : 2;
    if (bottleneck) {
        RJ_TRY(conv_bn(s, seed, prefix, 1, c, width, 1, 1, &b->conv[0], &b->bn[0]));
        RJ_TRY(
            conv_bn(s, seed, prefix, 2, width, width, 3, stride, &b->conv[1], &b->bn[1]));
        RJ_TRY(conv_bn(s, seed, prefix, 3, width, k, 1, 1, &b->conv[2], &b->bn[2]));
    } else {
        RJ_TRY(conv_bn(s, seed, prefix, 1, c, width, 3, stride, &b->conv[0], &b->bn[0]));
        RJ_TRY(conv_bn(s, seed, prefix, 2, width, k, 3, 1, &b->conv[1], &b->bn[1]));
    }
    b->projected = stride != 1 || c != k;
    if (b->projected) {
        snprintf(name, sizeof name, "%s.downsample.0", prefix);
        RJ_TRY(rj_conv_new(s, seed, name, c, k, 1, stride, 0, false, &b->down));
        snprintf(name, sizeof name, "%s.downsample.1", prefix);
        RJ_TRY(rj_bn_new(s, name, k, &b->down_bn));
    }
    return RIJ_OK;
}

/* h = relu(W2 relu(W1 s + b1) + b2) of the numbers s of op/statistics.c. Initial weights
 * have a variance of 1 / (3 fan in), a sixth of He's, as PyTorch's layers begin. */
static rij_status statistics_new(rj_params *s, uint64_t seed, rj_encoder *out)
{
    static const int fan_in[2] = {RJ_STATISTICS, WEIGHED};
    static const char *const name[2] = {"encoder.weigh.0", "encoder.weigh.2"};
    rj_encoder e = {.weighs = true, .features = WEIGHED};

    for (int i = 0; i < 2; i++) {
        RJ_TRY(rj_linear_new(s, seed, name[i], fan_in[i], WEIGHED, true, &e.weigh[i]));
        if (!s->frozen)
            RJ_TRY(rj_start_he(s, e.weigh[i].w, seed, 6 * fan_in[i]));
    }
    *out = e;
    return RIJ_OK;
}

rij_status rj_encoder_weigh(rj_params *s, rj_tape *t, const rj_encoder *e,
                            rj_tensor *statistics, rj_tensor **h)
{
    rj_tensor *in[RJ_MAX_IN] = {statistics};

    for (int i = 0; i < 2; i++) {
        RJ_TRY(rj_linear_run(s, t, &e->weigh[i], in[0], &in[0]));
        RJ_TRY(rj_relu_run(t, in[0], &in[0]));
    }
    *h = in[0];
    return RIJ_OK;
}

rij_status rj_encoder_new(rj_params *s, uint64_t seed, const rj_net_config *config,
                          rj_encoder *out)
{
    rj_encoder e = {0};
    const plan *p;
    const struct front *f;
    int c;

    RJ_TRY(find(config, &p, &f));
    if (p->stem == 0)
        return statistics_new(s, seed, out);
    e.front = f->kind;
    e.pooled = p->pooled;
    c = p->stem;
    RJ_TRY(conv_bn(s, seed, "encoder", 1, f->channels, c, p->stem_r, f->halved ? 1 : 2,
                   &e.stem, &e.stem_bn));
    for (int i = 0; i < STAGES; i++)
        for (int j = 0; j < p->blocks[i]; j++) {
            const int stride = j == 0 ? p->stride[i] : 1;
            char prefix[48];

            snprintf(prefix, sizeof prefix, "encoder.layer%d.%d", i + 1, j);
            RJ_TRY(block_new(s, seed, prefix, p->bottleneck, c, p->width[i], stride,
                             &e.block[e.blocks++]));
            c = p->bottleneck ? 4 * p->width[i] : p->width[i];
        }
    e.features = c;
    *out = e;
    return RIJ_OK;
}

/* The last batch norm of a block adds what passes by, x or its projection. */
static rij_status block_run(rj_params *s, rj_tape *t, const rj_res_block *b, bool train,
                            rj_tensor *x, rj_tensor **y)
{
    rj_tensor *past = x;

    if (b->projected) {
        RJ_TRY(rj_conv_run(s, t, &b->down, past, &past));
        RJ_TRY(rj_bn_run(s, t, &b->down_bn, train, past, NULL, false, &past));
    }
    for (int i = 0; i < b->convs; i++) {
        rj_tensor *add = i + 1 < b->convs ? NULL : past;
        RJ_TRY(rj_conv_run(s, t, &b->conv[i], x, &x));
        RJ_TRY(rj_bn_run(s, t, &b->bn[i], train, x, add, true, &x));
    }
    *y = x;
    return RIJ_OK;
}

rij_status rj_encoder_run(rj_params *s, rj_tape *t, const rj_encoder *e,
                          rj_tensor *images, bool train, rj_tensor **h)
{
    const rj_residual_par residual = {e->front};
    rj_tensor *in[RJ_MAX_IN] = {images};
    char text[64];

    RJ_REQUIRE(images->shape.rank == 4 && images->shape.dim[1] == 3, RIJ_E_SHAPE,
               "encoder: images %s do not have three channels",
               rj_shape_text(&images->shape, text));
    if (e->weighs) {
        RJ_TRY(rj_apply(t, &rj_op_statistics, NULL, in, &in[0]));
        return rj_encoder_weigh(s, t, e, in[0], h);
    }
    if (e->front != RJ_FRONT_RAW)
        RJ_TRY(rj_apply(t, &rj_op_residual, &residual, in, &in[0]));
    RJ_TRY(rj_conv_run(s, t, &e->stem, in[0], &in[0]));
    RJ_TRY(e->pooled ? rj_bn_pool_run(s, t, &e->stem_bn, train, in[0], &in[0])
                     : rj_bn_run(s, t, &e->stem_bn, train, in[0], NULL, true, &in[0]));
    for (int i = 0; i < e->blocks; i++)
        RJ_TRY(block_run(s, t, &e->block[i], train, in[0], &in[0]));
    return rj_apply(t, &rj_op_avgpool, NULL, in, h);
}
