/* forge.h: fakes from real photographs: small generators trained on them (method 4). */
#ifndef RJ_FORGE_H
#define RJ_FORGE_H

#include "data/data.h"
#include "net/net.h"

/* ---- planes.c --------------------------------------------------------------------- */

/* Anything that makes a picture from a picture on the tape. */
typedef rij_status (*rj_network)(void *model, rj_tape *tape, rj_tensor *x, rj_tensor **y);

/* n pictures of one size, reflected out by `border` pixels, as planes
 * (n,3,h+2B,w+2B) in -1..1. */
rij_status rj_planes_take(const rj_image *const *picture, int n, int border, float *x);
/* Back to grey levels, without the border; on failure out holds nothing. */
rij_status rj_planes_put(const float *x, int n, int border, int w, int h, rj_image *out);
/* y = network(x), host numbers, nothing recorded; y may be x if it is as large. */
rij_status rj_network_eval(rj_network run, void *model, rj_tape *tape,
                           const rj_shape *shape, const float *x, float *y);
/* The network on n pictures of one size, both sides multiples of 16, into out[n]; on
 * failure out holds nothing. */
rij_status rj_network_apply(rj_network run, void *model, rj_tape *tape, int border,
                            const rj_image *const *picture, int n, rj_image *out);

/* ---- lesson.c --------------------------------------------------------------------- */

/* What one training step tells; anything but RIJ_OK stops the training. */
typedef rij_status (*rj_forge_step)(void *user, double rate, double loss, int images);

/* What a model learns from, and for how long. */
typedef struct rj_lesson {
    rj_tape *tape;
    const rj_image *picture; /* sides 16 at least */
    int n, steps;
    uint64_t seed;
    rj_forge_step told; /* or NULL */
    void *user;
} rj_lesson;

/* The batch of one step. */
typedef struct rj_windows {
    int n, side, step, steps;
    const float *x;   /* (n,3,side,side), planar, -1..1; side a multiple of 16 */
    rj_random random; /* for what else the step draws */
} rj_windows;

/* How a kind of model is taught. */
typedef struct rj_course {
    void *model;
    rj_params *params;
    double rate;
    rij_status (*loss)(void *model, rj_tape *tape, rj_windows *w, rj_tensor **loss);
    rij_status (*after)(void *model, rj_tape *tape, rj_windows *w, double rate);
} rj_course; /* `after` the parameters' step, or NULL; the tape is as it was */

/* RIJ_E_DIVERGED names step and rate. The same bits for any number of threads. */
rij_status rj_lesson_run(const rj_lesson *l, const rj_course *c);
/* One step of the optimiser down this loss; step from 0. */
rij_status rj_forge_learn(rj_tape *tape, rj_params *params, rj_tensor *loss, double rate,
                          int step, double *value);
/* Mean absolute difference, and that of the finest band. */
rij_status rj_reconstruction_loss(rj_tape *tape, rj_tensor *y, rj_tensor *x,
                                  rj_tensor **loss);

/* ---- kinds of models -------------------------------------------------------------- */

/* A kind of model: one file each. `which` is the kind's own number. */
typedef struct rj_kind {
    rij_status (*open)(rj_device *dev, int which, uint64_t seed, void **model);
    rij_status (*train)(void *model, const rj_lesson *lesson);
    /* Children of n pictures of one size, both sides multiples of 16; `how` and what
     * seeds are good for is the kind's; on failure child holds nothing. */
    rij_status (*make)(void *model, int how, rj_tape *tape, const rj_image *const *parent,
                       const uint64_t *seed, int n, rj_image *child);
    void (*close)(void *model); /* NULL is fine */
} rj_kind;

extern const rj_kind
    rj_kind_autoencoder;          /* autoencoder_kind.c; which: 2 family + variant */
extern const rj_kind rj_kind_vq;  /* vq.c */
extern const rj_kind rj_kind_gan; /* gan.c */
extern const rj_kind rj_kind_diffusion; /* pixels.c; how: enum rj_sampler */
extern const rj_kind rj_kind_latent;    /* latent.c */
extern const rj_kind rj_kind_superres;  /* superres.c; how: doublings, 1 or 2 */
extern const rj_kind rj_kind_inpaint;   /* inpaint.c */

/* ---- autoencoder.c ---------------------------------------------------------------- */

enum rj_decoder {
    RJ_DECODER_DECONV,
    RJ_DECODER_NEAREST,
    RJ_DECODER_BILINEAR,
    RJ_DECODER_SHUFFLE,
    RJ_DECODERS
};
extern const char *const rj_decoder_names[RJ_DECODERS];

/* What an auto-encoder is: `levels` halvings down, as many doublings up by one decoder
 * family, `latent` channels between them. A family's generator is two of them: (1, 6) and
 * (2, 24). */
typedef struct rj_autoencoder_config {
    enum rj_decoder family;
    int levels; /* 1 or 2 */
    int latent; /* channels at the narrow place, 3..256 */
    int width;  /* channels at full size, 3..256; the lowest of two levels has twice as
                   many */
} rj_autoencoder_config;
enum { RJ_VARIANTS = 2 };
/* Variant 0 or 1 of a family. */
rj_autoencoder_config rj_autoencoder_variant(enum rj_decoder family, int variant);

typedef struct rj_autoencoder rj_autoencoder;
/* RIJ_E_ARGUMENT (the config), RIJ_E_MEMORY. */
rij_status rj_autoencoder_new(rj_device *dev, const rj_autoencoder_config *config,
                              uint64_t seed, rj_autoencoder **out);
void rj_autoencoder_free(rj_autoencoder *a);
/* x (N,3,H,W) picture in -1..1, sides multiples of 2^levels -> reconstruction of the same
 * shape; it is an rj_network. */
rij_status rj_autoencoder_run(void *autoencoder, rj_tape *tape, rj_tensor *x,
                              rj_tensor **y);
/* Its halves: x -> z (N,latent,H/2^levels,W/2^levels) -> y. */
rij_status rj_autoencoder_encode(void *autoencoder, rj_tape *tape, rj_tensor *x,
                                 rj_tensor **z);
rij_status rj_autoencoder_decode(void *autoencoder, rj_tape *tape, rj_tensor *z,
                                 rj_tensor **y);
rj_params *rj_autoencoder_params(rj_autoencoder *a);

/* ---- autoencoder_kind.c ----------------------------------------------------------- */

enum { RJ_AUTOENCODER_BORDER = 8 };
rij_status rj_autoencoder_train(rj_autoencoder *a, const rj_lesson *lesson);

/* ---- unet.c ----------------------------------------------------------------------- */

/* A small U-net: `width` channels at full size, twice and three times as many below. */
typedef struct rj_unet_config {
    int in, out; /* channels */
    int width;
    int levels; /* 0..2 halvings */
} rj_unet_config;
typedef struct rj_unet rj_unet;
rij_status rj_unet_new(rj_device *dev, const rj_unet_config *config, uint64_t seed,
                       rj_unet **out);
void rj_unet_free(rj_unet *u);
/* x (N,in,H,W), sides multiples of 2^levels -> y (N,out,H,W); at first zero everywhere.
 */
rij_status rj_unet_run(void *unet, rj_tape *tape, rj_tensor *x, rj_tensor **y);
rj_params *rj_unet_params(rj_unet *u);

/* y = x + F(x), F two convolutions 3x3 behind a relu each; at first y = x. */
typedef struct rj_plain_block {
    rj_conv_layer conv[2];
} rj_plain_block;
rij_status rj_plain_block_new(rj_params *s, uint64_t seed, const char *name, int width,
                              rj_plain_block *out);
rij_status rj_plain_block_run(rj_params *s, rj_tape *tape, const rj_plain_block *b,
                              rj_tensor *x, rj_tensor **y);
/* conv 3x3 with a bias, weights zero. */
rij_status rj_zero_conv_new(rj_params *s, uint64_t seed, const char *name, int c, int k,
                            rj_conv_layer *out);

/* ---- diffusion.c ------------------------------------------------------------------ */

enum { RJ_NOISE_LEVELS = 1000, RJ_BANDS = 3 };
enum rj_sampler { RJ_SAMPLER_DDIM, RJ_SAMPLER_DDPM };
enum rj_target { RJ_TARGET_NOISE, RJ_TARGET_VELOCITY };

/* A U-net that learns to tell noise from planes of numbers. */
typedef struct rj_diffusion {
    rj_unet *net;
    int channels;
    enum rj_target target;
    int last;              /* noisiest level it is trained on, 1..RJ_NOISE_LEVELS */
    bool clips;            /* clean numbers lie in -1..1 */
    double band[RJ_BANDS]; /* variance of clean numbers, from the finest band */
    double kept[RJ_NOISE_LEVELS + 1]; /* share of variance that is not noise; [0] is 1 */
} rj_diffusion;
rij_status rj_diffusion_new(rj_device *dev, int channels, int width, int levels,
                            uint64_t seed, rj_diffusion *out);
void rj_diffusion_free(rj_diffusion *d);
/* Planes (n,channels,h,w); mask (n,h,w), 1 where there is noise, or NULL: everywhere. */
typedef struct rj_noisy {
    int n, h, w;
    float *x;
    const float *mask;
} rj_noisy;
/* The loss at random levels; p->x holds clean numbers, unchanged. */
rij_status rj_diffusion_loss(rj_diffusion *d, rj_tape *tape, const rj_noisy *p,
                             rj_random *r, rj_tensor **loss);
/* Noise p->x to level from[i], take it back in `steps` steps. */
rij_status rj_diffusion_renew(rj_diffusion *d, rj_tape *tape, enum rj_sampler sampler,
                              int steps, const int *from, const uint64_t *seed,
                              const rj_noisy *p);

/* ---- families.c ------------------------------------------------------------------- */

/* A model to train; families may share it. */
typedef struct rj_model_row {
    const char *name; /* of its random choices, with `number` */
    int number;
    const rj_kind *kind;
    int which;
    int share; /* of the steps: 0 all of them, or which half, 1 or 2 */
} rj_model_row;
enum { RJ_FORGE_MODELS = 15 }; /* row 0 is none */
extern const rj_model_row rj_forge_models[RJ_FORGE_MODELS];

/* One use of a trained model; model 0: none. */
typedef struct rj_use {
    int model, how;
} rj_use;
/* A family: how its children come from parents. A hash draws for every parent which of
 * the routes it goes, through one model or two. */
enum { RJ_FAMILIES = 18, RJ_ROUTES = 2, RJ_USES = 2 };
typedef struct rj_family {
    const char *name;
    const char *column; /* of the manifest */
    bool usual;         /* made if no families are named */
    rj_use route[RJ_ROUTES][RJ_USES];
    enum rj_operator fixed; /* where there is no route */
} rj_family;
extern const rj_family rj_families[RJ_FAMILIES];
int rj_family_routes(const rj_family *f);
/* Steps of a model where a family has `steps`. */
int rj_forge_model_steps(int model, int steps);

/* ---- parents.c -------------------------------------------------------------------- */

/* Windows cut from photographs, in memory. */
typedef struct rj_parents {
    rj_image *image;
    int *photo; /* index into name[] */
    int n, image_room, photo_room;
    char **name; /* photographs used: path below the folder, '/' between, no tabs */
    int names, names_room;
    rj_cage *cage; /* where they are decoded, while they are read */
} rj_parents;

/* What reading tells: `note` is NULL or a line about a photograph left out. */
typedef rij_status (*rj_parents_told)(void *user, int done, int of, const char *note);
/* Cut up to `crops` windows of side `crop` from every photograph below the folder,
 * decoded in the cage, if there is one. RIJ_E_FILE, RIJ_E_DATA (no usable photograph),
 * RIJ_E_MEMORY, or what `told` returns; *out then is empty. */
rij_status rj_parents_cut(const char *photos, rj_cage *cage, int crop, int crops,
                          uint64_t seed, rj_parents_told told, void *user,
                          rj_parents *out);
void rj_parents_free(rj_parents *p);

/* ---- forge_options.c -------------------------------------------------------------- */

typedef struct rj_forge_plan {
    rij_forge_options o; /* without zeros; strings as given, or static */
    bool wanted[RJ_FAMILIES];
    bool needed[RJ_FORGE_MODELS]; /* by a wanted family */
    int families;                 /* how many are wanted */
    int64_t steps;                /* of training, all models together */
} rj_forge_plan;
/* Defaults in place of zeros, every field checked: RIJ_E_ARGUMENT names the field and its
 * range. options NULL: the defaults. */
rij_status rj_forge_resolve(const rij_forge_options *options, rj_forge_plan *plan);

/* ---- manifest_out.c --------------------------------------------------------------- */

/* Rows of all parents and of all their children by the wanted families; columns path,
 * label, generator, family, split, source, group, parent, width, height. */
rij_status rj_forge_manifest(const char *path, const rj_parents *p,
                             const rj_forge_plan *plan);

#endif
