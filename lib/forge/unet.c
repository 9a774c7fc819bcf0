/* unet.c: a small U-net without attention and without norms: what tells noise from
 * pictures.
 *
 *     down   conv 3x3 in->w; at each level a block, then conv 3x3 stride 2
 *     below  two blocks
 *     up     each pixel four times, conv 3x3, plus what stood there on the way down, a
 *            block; at the end relu, conv 3x3 w->out
 *     block  x + conv(relu(conv(relu(x))))
 *
 * Channels: w at full size, 2 w and 3 w below. The second convolution of a block and the
 * last of all start at zero, so the net starts as a chain of resamplings that says
 * nothing (He et al. 2016, Zhang et al. 2019 "Fixup"), which is what lets it do without
 * norms. The form is that of Ho et al. 2020, much smaller. */
#include "forge/forge.h"

#include <stdio.h>

enum { MAX_LEVELS = 2, MAX_CHANNELS = 256 };

struct rj_unet {
    rj_unet_config config;
    rj_params params;
    rj_conv_layer stem, down[MAX_LEVELS], up[MAX_LEVELS], last;
    rj_plain_block before[MAX_LEVELS], below[2], behind[MAX_LEVELS];
};

rij_status rj_zero_conv_new(rj_params *s, uint64_t seed, const char *name, int c, int k,
                            rj_conv_layer *out)
{
    RJ_TRY(rj_conv_new(s, seed, name, c, k, 3, 1, 1, true, out));
    return rj_start_fill(s, out->w, 0);
}

rij_status rj_plain_block_new(rj_params *s, uint64_t seed, const char *name, int width,
                              rj_plain_block *out)
{
    char part[RJ_NAME_MAX];

    snprintf(part, sizeof part, "%s.conv0", name);
    RJ_TRY(rj_conv_new(s, seed, part, width, width, 3, 1, 1, true, &out->conv[0]));
    snprintf(part, sizeof part, "%s.conv1", name);
    return rj_zero_conv_new(s, seed, part, width, width, &out->conv[1]);
}

rij_status rj_plain_block_run(rj_params *s, rj_tape *tape, const rj_plain_block *b,
                              rj_tensor *x, rj_tensor **y)
{
    const rj_add_par sum = {1, 1};
    rj_tensor *t = x;

    for (int i = 0; i < 2; i++) {
        RJ_TRY(rj_relu_run(tape, t, &t));
        RJ_TRY(rj_conv_run(s, tape, &b->conv[i], t, &t));
    }
    return rj_apply(tape, &rj_op_add, &sum, (rj_tensor *[]){x, t}, y);
}

static int channels(const rj_unet_config *config, int level)
{
    return (level + 1) * config->width;
}

static rij_status new_layers(rj_unet *u, uint64_t seed)
{
    const rj_unet_config *c = &u->config;
    rj_params *s = &u->params;
    char name[RJ_NAME_MAX];

    RJ_TRY(rj_conv_new(s, seed, "stem", c->in, c->width, 3, 1, 1, true, &u->stem));
    for (int i = 0; i < c->levels; i++) {
        snprintf(name, sizeof name, "before%d", i);
        RJ_TRY(rj_plain_block_new(s, seed, name, channels(c, i), &u->before[i]));
        snprintf(name, sizeof name, "down%d", i);
        RJ_TRY(rj_conv_new(s, seed, name, channels(c, i), channels(c, i + 1), 3, 2, 1,
                           true, &u->down[i]));
        snprintf(name, sizeof name, "up%d", i);
        RJ_TRY(rj_conv_new(s, seed, name, channels(c, i + 1), channels(c, i), 3, 1, 1,
                           true, &u->up[i]));
        snprintf(name, sizeof name, "behind%d", i);
        RJ_TRY(rj_plain_block_new(s, seed, name, channels(c, i), &u->behind[i]));
    }
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "below%d", i);
        RJ_TRY(rj_plain_block_new(s, seed, name, channels(c, c->levels), &u->below[i]));
    }
    return rj_zero_conv_new(s, seed, "last", c->width, c->out, &u->last);
}

rij_status rj_unet_new(rj_device *dev, const rj_unet_config *config, uint64_t seed,
                       rj_unet **out)
{
    rj_unet *u;
    rij_status status;

    RJ_REQUIRE(config->in >= 1 && config->in <= MAX_CHANNELS && config->out >= 1 &&
                   config->out <= MAX_CHANNELS && config->width >= 1 &&
                   config->width <= MAX_CHANNELS,
               RIJ_E_ARGUMENT, "unet: channels %d, %d, %d, not 1..%d", config->in,
               config->width, config->out, MAX_CHANNELS);
    RJ_REQUIRE(config->levels >= 0 && config->levels <= MAX_LEVELS, RIJ_E_ARGUMENT,
               "unet: levels %d, not 0..%d", config->levels, MAX_LEVELS);
    u = rj_alloc(1, sizeof *u);
    RJ_REQUIRE(u, RIJ_E_MEMORY, "unet: no memory");
    u->config = *config;
    u->params.dev = dev;
    status = new_layers(u, seed);
    if (status != RIJ_OK) {
        rj_unet_free(u);
        return status;
    }
    *out = u;
    return RIJ_OK;
}

void rj_unet_free(rj_unet *u)
{
    if (!u)
        return;
    rj_params_free(&u->params);
    rj_free(u);
}

rj_params *rj_unet_params(rj_unet *u)
{
    return &u->params;
}

/* Doubled, convolved, joined by what stood there before, and through a block. */
static rij_status climb(rj_unet *u, rj_tape *tape, int level, rj_tensor *kept,
                        rj_tensor *x, rj_tensor **y)
{
    const rj_picture d = rj_shape_dims(&x->shape);
    const rj_resize2d_par resize = {2 * d.h, 2 * d.w, RJ_NEAREST};
    const rj_add_par sum = {1, 1};
    rj_tensor *t;

    RJ_TRY(rj_relu_run(tape, x, &t));
    RJ_TRY(rj_apply(tape, &rj_op_resize2d, &resize, (rj_tensor *[]){t}, &t));
    RJ_TRY(rj_conv_run(&u->params, tape, &u->up[level], t, &t));
    RJ_TRY(rj_apply(tape, &rj_op_add, &sum, (rj_tensor *[]){t, kept}, &t));
    return rj_plain_block_run(&u->params, tape, &u->behind[level], t, y);
}

rij_status rj_unet_run(void *unet, rj_tape *tape, rj_tensor *x, rj_tensor **y)
{
    rj_unet *u = unet;
    rj_params *s = &u->params;
    rj_tensor *kept[MAX_LEVELS] = {NULL}, *t;

    RJ_TRY(rj_conv_run(s, tape, &u->stem, x, &t));
    for (int i = 0; i < u->config.levels; i++) {
        RJ_TRY(rj_plain_block_run(s, tape, &u->before[i], t, &kept[i]));
        RJ_TRY(rj_relu_run(tape, kept[i], &t));
        RJ_TRY(rj_conv_run(s, tape, &u->down[i], t, &t));
    }
    for (int i = 0; i < 2; i++)
        RJ_TRY(rj_plain_block_run(s, tape, &u->below[i], t, &t));
    for (int i = u->config.levels - 1; i >= 0; i--)
        RJ_TRY(climb(u, tape, i, kept[i], t, &t));
    RJ_TRY(rj_relu_run(tape, t, &t));
    return rj_conv_run(s, tape, &u->last, t, y);
}
