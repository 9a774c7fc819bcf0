/* autoencoder.c: a small network that makes a picture again from few numbers, and leaves
 * the traces that decoders of its family leave.
 *
 *     encoder   conv 3x3 3->w, relu; `levels` times conv 3x3 stride 2, relu;
 *               conv 3x3 to `latent` channels
 *     decoder   conv 3x3 back, relu; `levels` times a doubling, relu; conv 3x3 w->3
 *     doubling  deconv    transposed convolution 4x4, stride 2, padding 1
 *               nearest   each pixel four times, then conv 3x3
 *               bilinear  interpolated at half-pixel centres, then conv 3x3
 *               shuffle   conv 3x3 to 4 K channels, then 4 channels become 2 x 2 pixels
 *
 * Convolutions are padded with zeros. Channels: w at full size and after the first
 * halving, 2 w after the second. The doublings are those of the generators in use:
 * DCGAN and StarGAN (deconv), ProGAN and the latent diffusion decoders (nearest),
 * StyleGAN (bilinear), ESPCN and its heirs (shuffle).
 *
 * Initial values. A short training from random ones ends in washed-out colours, and
 * deconv and shuffle spend all of it on their own grid (17 dB after 100 steps where the
 * others reach 26). So the network starts as a plain resampler, and learns from there:
 * its first three channels carry x + 1, which is never negative, through means of 2 x 2
 * pixels down and through bilinear interpolation up, made in each decoder's own way; the
 * last layer begins with nothing else. All other weights are He's, except that the four
 * output phases of a doubling start equal (Aitken et al. 2017 for shuffle; the same idea
 * for deconv). What grid is there in the end is what the decoder has learned. */
#include "forge/forge.h"

#include <stdio.h>
#include <string.h>

enum { MAX_LEVELS = 2, WIDTH = 16, MAX_CHANNELS = 256 };

const char *const rj_decoder_names[RJ_DECODERS] = {"deconv", "nearest", "bilinear",
                                                   "shuffle"};

struct rj_autoencoder {
    rj_autoencoder_config config;
    rj_params params;
    rj_conv_layer stem, down[MAX_LEVELS], narrow, wide, up[MAX_LEVELS], last;
};

rj_autoencoder_config rj_autoencoder_variant(enum rj_decoder family, int variant)
{
    const rj_autoencoder_config config[RJ_VARIANTS] = {{family, 1, 6, WIDTH},
                                                       {family, 2, 24, WIDTH}};
    return config[variant];
}

/* Channels after `level` halvings. */
static int channels(const rj_autoencoder_config *config, int level)
{
    return level < 2 ? config->width : 2 * config->width;
}

/* ---- initial values, on the host -------------------------------------------------- */

/* Let the first three output channels of w (K,C,R,R) take nothing but `value` of the same
 * input channel at tap (i,j) of their window; called again, it adds taps. */
static void carry(const rj_shape *shape, rj_real *w, int i, int j, double value, bool add)
{
    const int inputs = shape->dim[1], r = shape->dim[2];
    const size_t each = (size_t)inputs * (size_t)(r * r);

    for (int k = 0; k < RJ_MIN(3, shape->dim[0]); k++) {
        rj_real *row = w + (size_t)k * each;

        for (size_t n = 0; n < each && !add; n++)
            row[n] = 0;
        if (k < inputs)
            row[(k * r + i) * r + j] = (rj_real)value;
    }
}

static void carry_on(const rj_shape *shape, rj_real *w)
{
    carry(shape, w, 1, 1, 1, false);
}

/* Stride 2: window row 2p - 1 .. 2p + 1, of which 2p and 2p + 1 are meant. */
static void carry_down(const rj_shape *shape, rj_real *w)
{
    for (int k = 0; k < 4; k++)
        carry(shape, w, 1 + k / 2, 1 + k % 2, 0.25, k > 0);
}

/* w (C,K,4,4) of stride 2: every kernel becomes a random multiple of bilinear
 * interpolation. The middle entry was drawn for a fan in of 4 C, of which an interpolated
 * picture has C: hence twice as large. */
static void interpolate(const rj_shape *shape, rj_real *w)
{
    static const double line[4] = {0.25, 0.75, 0.75, 0.25};
    const int outputs = shape->dim[1];

    for (int n = 0; n < shape->dim[0] * outputs; n++) {
        rj_real *kernel = w + (size_t)n * 16;
        const int c = n / outputs, k = n % outputs;
        const double middle = k >= 3 ? 2 * (double)kernel[5] : k == c ? 1 : 0;

        for (int i = 0; i < 16; i++)
            kernel[i] = (rj_real)(middle * line[i / 4] * line[i % 4]);
    }
}

/* After each pixel was made four: 1/4 1/2 1/4 in both directions makes that bilinear. */
static void carry_smooth(const rj_shape *shape, rj_real *w)
{
    for (int i = 0; i < 9; i++)
        carry(shape, w, i / 3, i % 3,
              (i / 3 == 1 ? 0.5 : 0.25) * (i % 3 == 1 ? 0.5 : 0.25), i > 0);
}

/* w (4K,C,3,3): the four channels that become one block of pixels start equal, but those
 * of the first three blocks take 3/4 of channel k and 1/4 of its neighbour on their side:
 * bilinear again. */
static void fill_blocks(const rj_shape *shape, rj_real *w)
{
    const int inputs = shape->dim[1];

    for (int n = 0; n < shape->dim[0] * inputs; n++) {
        const int k = n / inputs / 4, c = n % inputs, phase = n / inputs % 4;
        const int across = phase % 2 ? 1 : -1, down = phase / 2 ? 1 : -1;
        rj_real *to = w + (size_t)n * 9;

        if (k >= 3 && phase)
            memcpy(to, to - (size_t)(phase * inputs) * 9, 9 * sizeof *to);
        for (int i = 0; k < 3 && i < 9; i++) {
            const int y = i / 3 - 1, x = i % 3 - 1;
            const double weight =
                (y ? y == down ? 0.25 : 0 : 0.75) * (x ? x == across ? 0.25 : 0 : 0.75);
            to[i] = (rj_real)(c == k ? weight : 0);
        }
    }
}

/* w (3,C,3,3) of the last layer. */
static void carry_out(const rj_shape *shape, rj_real *w)
{
    memset(w, 0, rj_count(shape) * sizeof *w);
    carry_on(shape, w);
}

/* The first three biases: x + 1 is carried. */
static void lift(const rj_shape *shape, rj_real *b)
{
    for (int k = 0; k < RJ_MIN(3, shape->dim[0]); k++)
        b[k] = 1;
}

/* Change a parameter's initial values on the host. */
static rij_status change(rj_params *s, int index,
                         void (*how)(const rj_shape *shape, rj_real *w))
{
    const rj_tensor *t = &s->p[index].t;
    const size_t n = rj_count(&t->shape);
    rj_real *w = rj_alloc(n, sizeof *w);
    rij_status status;

    RJ_REQUIRE(w, RIJ_E_MEMORY, "autoencoder: no memory for %zu numbers", n);
    status = rj_download(s->dev, w, t->x, n);
    if (status == RIJ_OK) {
        how(&t->shape, w);
        status = rj_upload(s->dev, t->x, w, n);
    }
    rj_free(w);
    return status;
}

/* ---- layers ----------------------------------------------------------------------- */

/* conv 3x3 with a bias, whose weights start as `how` says. */
static rij_status new_conv(rj_autoencoder *a, uint64_t seed, const char *name, int c,
                           int k, int stride,
                           void (*how)(const rj_shape *shape, rj_real *w),
                           rj_conv_layer *out)
{
    RJ_TRY(rj_conv_new(&a->params, seed, name, c, k, 3, stride, 1, true, out));
    return change(&a->params, out->w, how);
}

/* The layer that doubles from c to k channels; conv 3x3 except for deconv. */
static rij_status new_doubling(rj_autoencoder *a, uint64_t seed, int level, int c, int k)
{
    char name[RJ_NAME_MAX];
    rj_conv_layer *up = &a->up[level];

    snprintf(name, sizeof name, "decoder.up%d", level);
    if (a->config.family == RJ_DECODER_DECONV) {
        RJ_TRY(rj_deconv_new(&a->params, seed, name, c, k, 4, 2, 1, up));
        return change(&a->params, up->w, interpolate);
    }
    if (a->config.family == RJ_DECODER_SHUFFLE)
        return new_conv(a, seed, name, c, 4 * k, 1, fill_blocks, up);
    return new_conv(a, seed, name, c, k, 1,
                    a->config.family == RJ_DECODER_NEAREST ? carry_smooth : carry_on, up);
}

static rij_status new_layers(rj_autoencoder *a, uint64_t seed)
{
    const rj_autoencoder_config *config = &a->config;
    const int lowest = channels(config, config->levels);
    char name[RJ_NAME_MAX];

    RJ_TRY(new_conv(a, seed, "encoder.stem", 3, config->width, 1, carry_on, &a->stem));
    RJ_TRY(change(&a->params, a->stem.b, lift));
    for (int i = 0; i < config->levels; i++) {
        snprintf(name, sizeof name, "encoder.down%d", i);
        RJ_TRY(new_conv(a, seed, name, channels(config, i), channels(config, i + 1), 2,
                        carry_down, &a->down[i]));
    }
    RJ_TRY(new_conv(a, seed, "encoder.narrow", lowest, config->latent, 1, carry_on,
                    &a->narrow));
    RJ_TRY(
        new_conv(a, seed, "decoder.wide", config->latent, lowest, 1, carry_on, &a->wide));
    for (int i = config->levels - 1; i >= 0; i--)
        RJ_TRY(new_doubling(a, seed, i, channels(config, i + 1), channels(config, i)));
    RJ_TRY(new_conv(a, seed, "decoder.last", config->width, 3, 1, carry_out, &a->last));
    return rj_start_fill(&a->params, a->last.b, -1);
}

static rij_status double_size(rj_autoencoder *a, rj_tape *tape, int level, rj_tensor *x,
                              rj_tensor **y)
{
    const rj_picture d = rj_shape_dims(&x->shape);
    const rj_resize2d_par resize = {2 * d.h, 2 * d.w,
                                    a->config.family == RJ_DECODER_NEAREST ? RJ_NEAREST
                                                                           : RJ_BILINEAR};
    const rj_shuffle2d_par shuffle = {2};
    rj_tensor *t;

    switch (a->config.family) {
    case RJ_DECODER_DECONV:
        return rj_deconv_run(&a->params, tape, &a->up[level], x, y);
    case RJ_DECODER_SHUFFLE:
        RJ_TRY(rj_conv_run(&a->params, tape, &a->up[level], x, &t));
        return rj_apply(tape, &rj_op_shuffle2d, &shuffle, (rj_tensor *[]){t}, y);
    default:
        RJ_TRY(rj_apply(tape, &rj_op_resize2d, &resize, (rj_tensor *[]){x}, &t));
        return rj_conv_run(&a->params, tape, &a->up[level], t, y);
    }
}

rij_status rj_autoencoder_new(rj_device *dev, const rj_autoencoder_config *config,
                              uint64_t seed, rj_autoencoder **out)
{
    rj_autoencoder *a;
    rij_status status;

    RJ_REQUIRE((unsigned)config->family < RJ_DECODERS, RIJ_E_ARGUMENT,
               "autoencoder: family %d is none of 0..%d", (int)config->family,
               RJ_DECODERS - 1);
    RJ_REQUIRE(config->levels >= 1 && config->levels <= MAX_LEVELS, RIJ_E_ARGUMENT,
               "autoencoder: levels %d, not 1..%d", config->levels, MAX_LEVELS);
    RJ_REQUIRE(config->latent >= 3 && config->latent <= MAX_CHANNELS, RIJ_E_ARGUMENT,
               "autoencoder: latent %d, not 3..%d", config->latent, MAX_CHANNELS);
    RJ_REQUIRE(config->width >= 3 && config->width <= MAX_CHANNELS, RIJ_E_ARGUMENT,
               "autoencoder: width %d, not 3..%d", config->width, MAX_CHANNELS);
    a = rj_alloc(1, sizeof *a);
    RJ_REQUIRE(a, RIJ_E_MEMORY, "autoencoder: no memory");
    a->config = *config;
    a->params.dev = dev;
    status = new_layers(a, seed);
    if (status != RIJ_OK) {
        rj_autoencoder_free(a);
        return status;
    }
    *out = a;
    return RIJ_OK;
}

void rj_autoencoder_free(rj_autoencoder *a)
{
    if (!a)
        return;
    rj_params_free(&a->params);
    rj_free(a);
}

rj_params *rj_autoencoder_params(rj_autoencoder *a)
{
    return &a->params;
}

rij_status rj_autoencoder_encode(void *autoencoder, rj_tape *tape, rj_tensor *x,
                                 rj_tensor **z)
{
    rj_autoencoder *a = autoencoder;
    const int multiple = 1 << a->config.levels;
    rj_params *p = &a->params;
    rj_tensor *t;
    char text[64];

    RJ_REQUIRE(x->shape.rank == 4 && x->shape.picture && x->shape.dim[1] == 3 &&
                   x->shape.dim[2] % multiple == 0 && x->shape.dim[3] % multiple == 0,
               RIJ_E_SHAPE,
               "autoencoder: x %s, not pictures of 3 channels, sides of %d k",
               rj_shape_text(&x->shape, text), multiple);
    RJ_TRY(rj_conv_run(p, tape, &a->stem, x, &t));
    RJ_TRY(rj_relu_run(tape, t, &t));
    for (int i = 0; i < a->config.levels; i++) {
        RJ_TRY(rj_conv_run(p, tape, &a->down[i], t, &t));
        RJ_TRY(rj_relu_run(tape, t, &t));
    }
    return rj_conv_run(p, tape, &a->narrow, t, z);
}

rij_status rj_autoencoder_decode(void *autoencoder, rj_tape *tape, rj_tensor *z,
                                 rj_tensor **y)
{
    rj_autoencoder *a = autoencoder;
    rj_tensor *t;

    RJ_TRY(rj_conv_run(&a->params, tape, &a->wide, z, &t));
    RJ_TRY(rj_relu_run(tape, t, &t));
    for (int i = a->config.levels - 1; i >= 0; i--) {
        RJ_TRY(double_size(a, tape, i, t, &t));
        RJ_TRY(rj_relu_run(tape, t, &t));
    }
    return rj_conv_run(&a->params, tape, &a->last, t, y);
}

rij_status rj_autoencoder_run(void *autoencoder, rj_tape *tape, rj_tensor *x,
                              rj_tensor **y)
{
    rj_tensor *z;

    RJ_TRY(rj_autoencoder_encode(autoencoder, tape, x, &z));
    return rj_autoencoder_decode(autoencoder, tape, z, y);
}
