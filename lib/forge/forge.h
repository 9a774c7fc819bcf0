/* forge.h: fakes from real photographs: small auto-encoders as generators (method 4). */
#ifndef RJ_FORGE_H
#define RJ_FORGE_H

#include "data/data.h"
#include "net/net.h"

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
 * family, `latent` channels between them. A family's generator is two of them, as the
 * sketch's figures were taken: (1, 6) and (2, 24). */
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
 * shape. */
rij_status rj_autoencoder_run(rj_autoencoder *a, rj_tape *tape, rj_tensor *x,
                              rj_tensor **y);
rj_params *rj_autoencoder_params(rj_autoencoder *a);

/* ---- train_autoencoder.c ---------------------------------------------------------- */

/* What one training step tells; anything but RIJ_OK stops the training. */
typedef rij_status (*rj_forge_step)(void *user, double rate, double loss, int images);

/* Train on random windows of n pictures (sides 16 at least). RIJ_E_DIVERGED names step
 * and rate. The same bits for any number of threads. */
rij_status rj_autoencoder_train(rj_autoencoder *a, rj_tape *tape, const rj_image *picture,
                                int n, int steps, uint64_t seed, rj_forge_step told,
                                void *user);
/* Reconstruct n pictures of one size, both sides multiples of 16, into out[n]; on failure
 * out holds nothing. The border is extended by reflection first, so that it is no worse
 * than the middle. */
rij_status rj_autoencoder_apply(rj_autoencoder *a, rj_tape *tape,
                                const rj_image *const *picture, int n, rj_image *out);
/* How many pictures of this side to hand to rj_autoencoder_apply() at once. */
int rj_autoencoder_batch(int side);

/* ---- parents.c -------------------------------------------------------------------- */

/* Windows cut from photographs, in memory. */
typedef struct rj_parents {
    rj_image *image;
    int *photo; /* index into name[] */
    int n, image_room, photo_room;
    char **name; /* photographs used: path below the folder, '/' between, no tabs */
    int names, names_room;
} rj_parents;

/* What reading tells: `note` is NULL or a line about a photograph left out. */
typedef rij_status (*rj_parents_told)(void *user, int done, int of, const char *note);
/* Cut up to `crops` windows of side `crop` from every photograph below the folder.
 * RIJ_E_FILE, RIJ_E_DATA (no usable photograph), RIJ_E_MEMORY, or what `told` returns;
 * *out then is empty. */
rij_status rj_parents_cut(const char *photos, int crop, int crops, uint64_t seed,
                          rj_parents_told told, void *user, rj_parents *out);
void rj_parents_free(rj_parents *p);

/* ---- forge_options.c -------------------------------------------------------------- */

enum { RJ_FAMILIES = RJ_DECODERS + RJ_OPERATORS };
/* Families in order: the decoders, then the fixed operators. */
const char *rj_family_name(int family);

typedef struct rj_forge_plan {
    rij_forge_options o; /* without zeros; strings as given, or static */
    bool wanted[RJ_FAMILIES];
    int families, trained; /* how many are wanted; how many of them are auto-encoders */
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
