/* families.c: every family, the models its children come from, and what each is. */
#include "forge/forge.h"

enum {
    NONE,
    DECONV_1,
    DECONV_2,
    NEAREST_1,
    NEAREST_2,
    BILINEAR_1,
    BILINEAR_2,
    SHUFFLE_1,
    SHUFFLE_2,
    VQ,
    GAN,
    DIFFUSION,
    LATENT,
    SUPERRES,
    INPAINT
};

#define VARIANT(family, variant) (RJ_VARIANTS * (family) + (variant))

const rj_model_row rj_forge_models[RJ_FORGE_MODELS] = {
    [DECONV_1] = {"deconv", -1, &rj_kind_autoencoder, VARIANT(RJ_DECODER_DECONV, 0), 1},
    [DECONV_2] = {"deconv", -2, &rj_kind_autoencoder, VARIANT(RJ_DECODER_DECONV, 1), 2},
    [NEAREST_1] = {"nearest", -1, &rj_kind_autoencoder, VARIANT(RJ_DECODER_NEAREST, 0),
                   1},
    [NEAREST_2] = {"nearest", -2, &rj_kind_autoencoder, VARIANT(RJ_DECODER_NEAREST, 1),
                   2},
    [BILINEAR_1] = {"bilinear", -1, &rj_kind_autoencoder, VARIANT(RJ_DECODER_BILINEAR, 0),
                    1},
    [BILINEAR_2] = {"bilinear", -2, &rj_kind_autoencoder, VARIANT(RJ_DECODER_BILINEAR, 1),
                    2},
    [SHUFFLE_1] = {"shuffle", -1, &rj_kind_autoencoder, VARIANT(RJ_DECODER_SHUFFLE, 0),
                   1},
    [SHUFFLE_2] = {"shuffle", -2, &rj_kind_autoencoder, VARIANT(RJ_DECODER_SHUFFLE, 1),
                   2},
    [VQ] = {"nearest-vq", -1, &rj_kind_vq},
    [GAN] = {"gan", -1, &rj_kind_gan},
    [DIFFUSION] = {"diffusion", -1, &rj_kind_diffusion},
    [LATENT] = {"latent", -1, &rj_kind_latent},
    [SUPERRES] = {"sr", -1, &rj_kind_superres},
    [INPAINT] = {"inpaint", -1, &rj_kind_inpaint},
};

const rj_family rj_families[RJ_FAMILIES] = {
    {"deconv", "autoencoder", true, {{{DECONV_1}}, {{DECONV_2}}}},
    {"nearest", "autoencoder", true, {{{NEAREST_1}}, {{NEAREST_2}}}},
    {"bilinear", "autoencoder", true, {{{BILINEAR_1}}, {{BILINEAR_2}}}},
    {"shuffle", "autoencoder", true, {{{SHUFFLE_1}}, {{SHUFFLE_2}}}},
    {"nearest-vq", "autoencoder", false, {{{VQ}}}},
    {"gan", "gan", false, {{{GAN}}}},
    {"ddpm", "diffusion", false, {{{DIFFUSION, RJ_SAMPLER_DDPM}}}},
    {"ddim", "diffusion", false, {{{DIFFUSION, RJ_SAMPLER_DDIM}}}},
    {"latent", "diffusion", false, {{{LATENT}}}},
    {"sr", "superres", false, {{{SUPERRES, 1}}}},
    {"sr4", "superres", false, {{{SUPERRES, 2}}}},
    {"inpaint", "inpaint", false, {{{INPAINT}}}},
    {"chain",
     "chain",
     false,
     {{{LATENT}, {SUPERRES, 1}}, {{GAN}, {DIFFUSION, RJ_SAMPLER_DDIM}}}},
    {"fixed-nearest", "operator", true, .fixed = RJ_OPERATOR_NEAREST},
    {"fixed-bilinear", "operator", true, .fixed = RJ_OPERATOR_BILINEAR},
    {"fixed-bicubic", "operator", true, .fixed = RJ_OPERATOR_BICUBIC},
    {"fixed-zero", "operator", true, .fixed = RJ_OPERATOR_ZERO},
    {"fixed-median", "operator", true, .fixed = RJ_OPERATOR_MEDIAN},
};

int rj_family_routes(const rj_family *f)
{
    int n = 0;

    while (n < RJ_ROUTES && f->route[n][0].model)
        n++;
    return n;
}

int rj_forge_model_steps(int model, int steps)
{
    const int share = rj_forge_models[model].share;

    return share == 0 ? steps : share == 1 ? steps - steps / 2 : steps / 2;
}
