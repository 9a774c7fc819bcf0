/* realjudge.h: tell photographs from generated images.
 *
 *     rij_model *model = NULL;
 *     rij_verdict verdict;
 *     if (rij_model_open("judge.safetensors", NULL, &model) != RIJ_OK ||
 *         rij_predict_file(model, "photo.jpg", &verdict) != RIJ_OK) {
 *         fprintf(stderr, "%s\n", rij_last_error());
 *         return 1;
 *     }
 *     printf("%.3f\n", verdict.score);   // 0 = photograph, 1 = generated
 *     rij_model_free(model);
 *
 * What is neither in this file nor in those it includes at its end, realjudge_verdict.h,
 * realjudge_data.h and realjudge_exchange.h, is not promised.
 *
 * Rules that hold for every function:
 *   Failure    A function that can fail returns a rij_status. On failure its outputs
 *              are untouched, a handle it would have made is NULL, what it was given
 *              is as before, and rij_last_error() says why in one line.
 *   Ownership  What rij_x_open or another maker gives, rij_x_free takes; NULL is fine
 *              there. Pointers passed in are borrowed for the call and copied where
 *              they are kept. Pointers handed out belong to the handle they came from.
 *   Threads    A `const rij_model *` may be shared by any number of threads. Any other
 *              handle belongs to one thread at a time. The library keeps no state
 *              between calls but the thread's own last error, and has no initialisation.
 *   Units      Sides are pixels, sizes bytes, times seconds, probabilities 0..1,
 *              logarithms natural. Text is UTF-8; paths are what the system takes.
 *   Manners    The library never prints, exits or aborts. (Where a build reads AVIF,
 *              dav1d beneath libavif writes on stderr that one is broken.) */
#ifndef REALJUDGE_H
#define REALJUDGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Version ------------------------------------------------------------------ */

#define RIJ_VERSION_MAJOR 0
#define RIJ_VERSION_MINOR 1
#define RIJ_VERSION_PATCH 0

#if defined(__GNUC__)
#    define RIJ_API __attribute__((visibility("default")))
#    define RIJ_MUST_USE __attribute__((warn_unused_result))
#else
#    define RIJ_API
#    define RIJ_MUST_USE
#endif

/* Version of the library in use, such as "0.1.0". It equals the three macros above
 * unless the header and the library come from different releases. Never NULL, never
 * freed. Since 0.1. */
RIJ_API const char *rij_version(void);

/* ---- 2. Status ------------------------------------------------------------------- */

/* Numbers never change and are never reused; new ones join the family they belong to.
 * 1x the caller, 2x files, 3x resources, 4x numbers. */
#define RIJ_STATUS_MAP(X)                                                                \
    X(OK, 0, "success")                                                                  \
    X(E_ARGUMENT, 10, "an argument is not allowed")                                      \
    X(E_SHAPE, 11, "array sizes do not fit together")                                    \
    X(E_CANCELLED, 12, "the progress callback asked to stop")                            \
    X(E_FILE, 20, "a file could not be opened, read or written")                         \
    X(E_IMAGE, 21, "a file is not an image this build can decode")                       \
    X(E_MODEL, 22, "a model file is damaged or of a newer format")                       \
    X(E_DATA, 23, "a data set cannot be used as it is")                                  \
    X(E_MEMORY, 30, "memory ran out")                                                    \
    X(E_DEVICE, 31, "the compute device failed or is absent")                            \
    X(E_DIVERGED, 40, "the loss is no longer a finite number")

typedef enum rij_status {
#define X(name, number, text) RIJ_##name = number,
    RIJ_STATUS_MAP(X)
#undef X
} rij_status;

/* Name of a status, such as "RIJ_E_SHAPE"; "RIJ_UNKNOWN" for a number that is none.
 * Never NULL, never freed. Since 0.1. */
RIJ_API const char *rij_status_name(rij_status status);

/* Why the last call on this thread failed, in one English line of at most 255 bytes:
 * which file, which sizes. Meaningful only right after a status other than RIJ_OK;
 * valid until this thread's next call. Never NULL, never freed. Since 0.1. */
RIJ_API const char *rij_last_error(void);

/* ---- 3. Types -------------------------------------------------------------------- */

/* A trained judge: network, natural traces, decision rule, preprocessing. */
typedef struct rij_model rij_model;

/* Figures of one evaluation. */
typedef struct rij_evaluation rij_evaluation;

/* Pixels in memory: 8-bit red, green, blue, rows top to bottom. */
typedef struct rij_image {
    int width;          /* pixels, 1..16384 */
    int height;         /* pixels, 1..16384 */
    size_t stride;      /* bytes from one row to the next, at least 3 * width */
    const uint8_t *rgb; /* the first row; borrowed */
} rij_image;

/* What may be said of an image with a promise about error: see rij_examine(). */
typedef enum rij_answer {
    RIJ_ANSWER_UNSURE = 0,
    RIJ_ANSWER_REAL = 1,
    RIJ_ANSWER_GENERATED = 2
} rij_answer;

/* What the judge says of one image. */
typedef struct rij_verdict {
    double score;      /* probability that the image was generated, 0..1 */
    double margin;     /* the same in logits; 0 is the frozen threshold, > 0 generated */
    double classifier; /* S_cls: logit of the classifier, before calibration */
    double proximity; /* S_prox = -max_m z . t_m, -1..1: far from the natural traces. Of a
                         model that decides by distance or jointly S_dist, deviations
                         from the mean photograph towards remade ones */
    int generated;    /* 1 if margin > 0, else 0 */
    int crops;        /* crops that were judged and averaged */
    double softness;  /* of its pixels: coarse against fine detail, log2 (docs/math.md) */
    double p_real; /* conformal p-value: how unusual this margin would be for a photograph
                      as soft as this one, 0..1; NAN: the model has no calibration */
    double p_generated; /* the same for a generated image */
    int width, height;  /* of the image as it was judged, pixels: turned as EXIF says */
} rij_verdict;

/* One message of a long call. Numbers that do not apply are 0. */
typedef struct rij_progress {
    const char *phase;   /* "read", "audit", "align", "forge", "stage 1", "traces",
                            "stage 2", "distance", "calibrate", "examine", "exemplars",
                            "evaluate"; never NULL */
    const char *note;    /* a line for a person (a file left out and why), or NULL */
    int64_t step;        /* steps done in this phase */
    int64_t steps;       /* steps this phase has */
    double images_s;     /* images per second, over this phase */
    double eta_s;        /* seconds this phase still needs, by its speed so far */
    double rate;         /* learning rate */
    double loss;         /* mean total loss since the last message of this phase */
    double loss_part[3]; /* stage 1: L_hom, L_het, L_dec; stage 2: L_cls, contrast, 0 */
    double cosine;       /* stage 1: mean pairwise cosine of z_hom (1: collapsed) */
    double rank;         /* stage 1: effective rank of z_hom before normalisation */
    double spread;       /* stage 1: smallest standard deviation of a dimension */
    double auc;          /* AUC on the validation part: by traces alone in stage 1 */
} rij_progress;

/* Called now and then by a long call, on the calling thread. `progress` is valid during
 * the call. Return 0 to go on; anything else stops with RIJ_E_CANCELLED. */
typedef int (*rij_progress_fn)(const rij_progress *progress, void *user);

/* ---- 4. Predict ------------------------------------------------------------------ */

/* Judge one image file.
 *
 *     margin = a S + b,   score = 1 / (1 + exp(-margin))
 *
 * S is what the model decides by (its classifier's logit, the proximity to the natural
 * traces, a distance from photographs, or a sum), the mean over native crops that cover
 * the image (docs/math.md); a and b were fitted on validation images. The image is never
 * resized. A side shorter than the model's crop is extended by reflection.
 *
 * model    Borrowed; any number of threads may judge with one model at the same time.
 * path     PNG or JPEG, and WebP, AVIF, HEIF where the build found libwebp, libavif,
 *          libheif; told apart by content, not by name. Sides 8 to 16384 pixels, at most
 *          100 million pixels and 256 MiB of file. More than 8 bits are rounded to 8,
 *          alpha is dropped, grey becomes RGB, orientation is applied, colour profiles
 *          (ICC) are not: the numbers in the file are judged. Refused are CMYK JPEG and
 *          what moves; of a HEIF that holds several pictures the primary one is read.
 * verdict  Written only on RIJ_OK.
 *
 * Returns RIJ_OK, or
 *   RIJ_E_ARGUMENT  a pointer is NULL
 *   RIJ_E_FILE      the file cannot be read or is too large
 *   RIJ_E_IMAGE     it is no such file, is damaged, or a side is out of range
 *   RIJ_E_MODEL     the model's numbers overflow on this image
 *   RIJ_E_MEMORY    scratch ran out
 *   RIJ_E_DEVICE    the device failed, or a model opened with `isolate` got no process;
 *                   the model itself is unharmed
 *
 * Since 0.1. See rij_predict() for pixels already in memory. */
RIJ_API RIJ_MUST_USE rij_status rij_predict_file(const rij_model *model, const char *path,
                                                 rij_verdict *verdict);

/* Judge pixels already in memory, as rij_predict_file() does once it has decoded. Give
 * the pixels as they were decoded: resizing or sharpening first changes what is judged.
 *
 * image    Sides 8 to 16384, at most 100 million pixels; borrowed for the call.
 *
 * Returns RIJ_OK, or
 *   RIJ_E_ARGUMENT  a pointer is NULL, a side is out of range or the stride too small
 *   RIJ_E_MODEL     the model's numbers overflow on this image
 *   RIJ_E_MEMORY    scratch ran out
 *   RIJ_E_DEVICE    the device failed; the model itself is unharmed
 *
 * Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_predict(const rij_model *model,
                                            const rij_image *image, rij_verdict *verdict);

/* ---- 5. Model -------------------------------------------------------------------- */

typedef struct rij_open_options {
    size_t size;        /* set by RIJ_OPEN_OPTIONS_INIT */
    const char *device; /* "cpu" (default), "ref", the plain loops of the formulas, or
                           "cuda:0", the first GPU (docs/gpu.md) */
    int threads; /* 0: one per processor; at most 256. Results do not depend on it */
    const char *precision; /* "fp32" (default), "bf16", "tf32": see rij_train_options;
                              whatever the model was trained in. "ref" knows fp32 alone */
    int crops;   /* most crops of an image that are judged, 1..64 (64): where more are
                    needed to cover it, so many lie evenly over it. Time grows with them.
                    Answers of rij_examine() keep their promise with the budget that the
                    model was calibrated with, which is 64 for a training */
    int isolate; /* 1: each image file that a call with this model reads is decoded in a
                    child process of its own, whose memory, time and files are limited
                    and, where the build has libseccomp, its system calls too: a decoder
                    that crashes costs one image, RIJ_E_IMAGE, not the process. Opening
                    forks, so open before you start threads; a wait() for any child in
                    another thread may meet a process of it. Linux. (0) */
} rij_open_options;

#define RIJ_OPEN_OPTIONS_INIT                                                            \
    {                                                                                    \
        sizeof(rij_open_options), NULL, 0, NULL, 0, 0                                    \
    }

/* Open a model file (safetensors; docs/model_file.md).
 *
 * Every tensor, offset and option in it is checked, and the self-test image stored in
 * it is judged again, in float32: a file whose verdict differs from the stored one is
 * refused.
 *
 * options  NULL for the defaults.
 * model    Free it with rij_model_free(). NULL on failure.
 *
 * Returns RIJ_OK, or
 *   RIJ_E_ARGUMENT  path or model is NULL, or an option is not allowed
 *   RIJ_E_FILE      the file cannot be read
 *   RIJ_E_MODEL     it is no model of ours, damaged, or of a newer format
 *   RIJ_E_MEMORY    memory ran out
 *   RIJ_E_DEVICE    there is no such device, it cannot be used, or there is no process
 *                   for `isolate`: rij_last_error() says why in a sentence
 *
 * Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_model_open(const char *path,
                                               const rij_open_options *options,
                                               rij_model **model);

/* Write a model to a file: beside it first, synced, then renamed over it, so that a
 * full disk or a killed process never leaves half a model under `path`.
 *
 * Returns RIJ_OK, or RIJ_E_ARGUMENT (a pointer is NULL), RIJ_E_FILE (the file cannot be
 * written; what was there before still is), RIJ_E_MEMORY. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_model_save(const rij_model *model, const char *path);

/* Describe a model in English lines for a person: network, parameters, data it was
 * trained on, decision rule, threshold, figures on its validation part.
 *
 * text, size  Buffer of the caller; always terminated if size > 0, cut if too small.
 *
 * Returns the length of the whole description in bytes without the terminator, as
 * snprintf does; 0 if model is NULL. Since 0.1. */
RIJ_API size_t rij_model_describe(const rij_model *model, char *text, size_t size);

/* What tells a model from every other, as hexadecimal digits. */
typedef struct rij_model_hashes {
    char model[33]; /* all of it, as the file it came from or would be saved as has it
                       under "hash" (docs/model_file.md) */
    char calibration[17]; /* of what p-values and peaks are counted in alone; "": none */
} rij_model_hashes;

/* Tell which model this is: equal digits, equal answers. They guard against mistakes, not
 * against somebody who wants two models to have the same.
 *
 * hashes  Written only on RIJ_OK.
 *
 * Returns RIJ_OK, or RIJ_E_ARGUMENT (a pointer is NULL), RIJ_E_MEMORY. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_model_hash(const rij_model *model,
                                               rij_model_hashes *hashes);

/* Free a model and all it holds. NULL is fine. No thread may be using it. Since 0.1. */
RIJ_API void rij_model_free(rij_model *model);

/* ---- 6. Train -------------------------------------------------------------------- */

/* How a model is trained. Fill it with RIJ_TRAIN_OPTIONS_INIT, then set what should
 * differ. A zero (or NULL) means the default, which rij_train_options_resolve() shows.
 * A negative number switches a term off where "off" is said. Symbols as in docs/math.md.
 */
typedef struct rij_train_options {
    size_t size;        /* set by RIJ_TRAIN_OPTIONS_INIT */
    const char *device; /* "cpu" (default), "ref", or "cuda:0" (docs/gpu.md); borrowed */
    int threads;        /* 0: one per processor; at most 256. Same bits for any number */
    int isolate;        /* 1: images are decoded in child processes, as rij_open_options
                           have it; the new model decodes in its own process (0) */
    const char *precision; /* of the steps, "fp32" (default), "bf16" or, on a GPU, "tf32",
                              where convolutions multiply 11 significant bits, cut or
                              rounded, and add up in float32 (elsewhere it is fp32).
                              bf16: what passes between the layers of the encoder,
                              forwards and backwards, is stored as bfloat16, 8
                              significant bits, and convolutions multiply that; they
                              add up in float32, and parameters, their gradients, heads
                              and losses stay float32. What passes takes half the memory.
                              In hardware or in software alike. A layer is then off
                              by about 0.3 % of its numbers' size, by about 1 % where
                              Winograd's algorithm makes it. Validation, calibration and
                              the new model itself judge in fp32 */
    uint64_t seed;         /* of every random choice; 0 is a seed like any other */
    /* data */
    const char *split;   /* which split of the manifest trains; NULL: all of it */
    double validation;   /* share of groups kept for validation, 0.02..0.5 (0.1) */
    int min_images;      /* fewest usable images per class (16) */
    int64_t cache_bytes; /* memory for decoded images (1 GiB); off: decode each time */
    int shuffle_labels;  /* 1: train on shuffled labels, to unmask a leak (0) */
    int align;           /* images are recompressed when read, so that the JPEG history of
                            a file does not tell its label (on); off */
    const char *allow;   /* what an audit may find, where training would refuse, between
                            commas: "format", "quantisation", "dimensions",
                            "mean colour", "leaks" (pictures in two splits); NULL: none */
    int one_class; /* 1: train on photographs alone. Generated images in the data are
                      neither opened nor told of, and the model is the one that the
                      photographs alone would give; all fakes are forged. Margin 0 is
                      where 5 % of the validation photographs lie above (0) */
    int sharp; /* times that each of the sharpest quarter of the photographs that train
                  (rounded down) comes in an epoch, 1..16 (5), and stored children of
                  theirs: fine detail is where natural traces are, and enlarged or
                  denoised photographs have little. 1: all alike, as with
                  shuffle_labels */
    /* views */
    int crop;               /* side of the native crop, 32..512, multiple of 16 (144) */
    double degraded;        /* share of views degraded, 0..1 (0.5); off */
    const char *law;        /* "one" of JPEG, blur, noise, resizing (default); "chain":
                               resizing, blur, noise, JPEG by chance (docs/math.md) */
    int jpeg_min, jpeg_max; /* JPEG quality of a degraded view, 1..100 (60, 98) */
    double blur_max;        /* Gaussian sigma, pixels (1.1) */
    double noise_max;       /* standard deviation, grey levels (6) */
    double resize_min;      /* down to this factor and back up, 0.1..1 (0.5) */
    double forged;          /* share of fakes replaced by forged children of the batch's
                               own photographs, cropped and degraded alike (0.9); off */
    double operated; /* share of forged children that are photographs remade on the spot
                        although a stored child is there (0.5); off */
    double blended;  /* share of forged children blended with their parent (0); off */
    /* network */
    const char *encoder; /* "statistics" (default: of fine detail, two layers), "small"
                            (1 M parameters), "patch" (0.2 M), "resnet18", "resnet50" */
    const char *front;   /* "raw" (all statistics takes), "octaves" (else the default),
                            "median", "npr", "haar" */
    int embedding;       /* width d of z_hom, z_het and z, 8..1024 (128) */
    /* stage 1: natural traces, real images only */
    int batch1;          /* images a step, two views each, 4..4096 (32) */
    int steps1;          /* optimiser steps (200); off: no stage 1, random start */
    double rate1;        /* SGD learning rate at batch 256 (0.05) */
    double l_het, l_dec; /* weights of L_het and L_dec, up to 1000 (off) */
    double broken;       /* trace-broken views per real view, 0..1 (0.5); off */
    int traces;          /* H natural traces, 1..256 (1); off: plain SupCon in stage 2 */
    /* stage 2: detector, real and fake images */
    int batch2;            /* images a step, two views each, 4..4096 (64) */
    int steps2;            /* optimiser steps at most (4000; 2000 with other encoders) */
    double rate2;          /* learning rate (2e-3; 1e-3 with other encoders or sgd) */
    const char *optimiser; /* "adamw" (default), "sgd" (momentum 0.9) */
    double weight_decay;   /* (0.5; 1e-2 with other encoders, 1e-4 with sgd); off */
    double warmup;         /* share of steps that warm up, 0..1 (0.05); off */
    int patience;          /* validation checks without gain before stopping (6); off */
    double average;       /* what a step keeps of the mean of parameters that is returned,
                             0..0.9999 (0.99); off: the best by validation is returned */
    const char *contrast; /* "extended" (v1), "soft" (v2, default), "none" */
    double lambda;        /* weight of the contrastive loss (0.1); off */
    double tau, tau_s;    /* temperatures (0.1, 0.2), at least 0.02 */
    double alpha, beta; /* soft targets: to the traces, to other fakes (0.5, 0.5); off */
    double rho;         /* weight of the traces as anchors (0.2); off */
    /* decision */
    const char *decide; /* "classifier" (default), "proximity", "fused": both; "distance",
                           from photographs towards remade ones, "joint": classifier and
                           distance (default with one_class). Of encoder statistics
                           distance alone needs no stage: steps1 -1, steps2 1 */
    /* for rij_nearest() */
    int exemplars; /* photographs kept for validation of which the model file keeps the
                      embedding and, readable by whoever has the file, the path as the
                      data name it (up to 1023 bytes; others are passed over): one of each
                      group, then a second, .., as the seed has it, until there are so
                      many or no more, 1..1024 (0: none) */
    /* checkpoints: what a killed training goes on from */
    const char *checkpoint; /* file that they are written to, beside it the one before as
                               NAME.1; NULL: none. It stays when the training is done */
    double checkpoint_seconds; /* between two, 0.001..1e6 (300); off: only when `progress`
                                  asks to stop, which always writes one once stage 1 or 2
                                  has begun */
    int resume; /* 1: go on from the checkpoint, to the same bits; where there is none,
                   start, and say so by a note. 0: refuse to write over one (0) */
    /* messages */
    rij_progress_fn progress; /* NULL: none */
    void *user;               /* handed to progress */
} rij_train_options;

#define RIJ_TRAIN_OPTIONS_INIT                                                           \
    {                                                                                    \
        sizeof(rij_train_options)                                                        \
    }

/* Replace every zero and NULL by the default it stands for and check every field;
 * strings then point at static text, save a plugin's device, which stays the caller's.
 * Called by rij_train() on a copy of its options.
 *
 * Returns RIJ_OK; RIJ_E_ARGUMENT: options is NULL, its size is not one this library
 * knows, or a field is not allowed (the message names the field and its range);
 * RIJ_E_DEVICE: there is no such device. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_train_options_resolve(rij_train_options *options);

/* Train a judge from real and generated images, or from real ones alone.
 *
 * data     One of: a TSV manifest, whose first line names its columns (path and label,
 *          real or fake, must be there; generator, split, group, parent, source may
 *          be; others are ignored; paths count from the manifest's folder); or a
 *          folder tree, real/... and fake/GENERATOR/..., or .../0_real and .../1_fake.
 *          Images of one `group` never part between training and validation; `parent`
 *          is the path of the real image a fake was made from, and makes pairs.
 *          Unusable images are reported to options->progress as notes and left out.
 * options  NULL for the defaults.
 * model    The new model, on the CPU, ready to judge. NULL on failure.
 *
 * Without generated images in `data`, or with options->one_class, the fakes are forged
 * children of the batch's own photographs (options->forged then counts as 1). At the end
 * up to 256 images of each class that were kept for validation are judged whole, seven
 * times, for rij_examine().
 *
 * With options->checkpoint a training that was killed or stopped is resumed by the same
 * call with options->resume. The model is, bit for bit, that of a training that nobody
 * interrupted, on any number of threads, by the same library on the same kind of
 * processor. A checkpoint of other options or another instruction set (RIJ_E_ARGUMENT;
 * RIJ_ISA chooses one) or other data (RIJ_E_DATA) is refused. One training at a time may
 * write to a checkpoint: it locks NAME.lock (flock), which ends with it, also if it is
 * killed, and another one is refused (RIJ_E_FILE). Once the model is saved,
 * rij_checkpoint_remove() takes the checkpoint away.
 *
 * The data are audited first, all splits of a manifest (docs/math.md): what is found is
 * told by notes, JPEG histories are aligned, groups of equal pictures joined.
 *
 * Returns RIJ_OK, or
 *   RIJ_E_ARGUMENT   data or model is NULL, or an option is not allowed
 *   RIJ_E_CANCELLED  the progress callback asked to stop
 *   RIJ_E_FILE       the manifest or folder cannot be read, a checkpoint not be written
 *                    (the last good one stands), one is there that is not resumed, or
 *                    another training writes to it
 *   RIJ_E_MODEL      no generation of the checkpoint is whole, or a newer version's
 *   RIJ_E_DATA       no real images, too few usable ones, a column is missing, a label
 *                    is neither real nor fake, a group lies in two splits; or the audit
 *                    found what would teach the label and is not allowed by name
 *   RIJ_E_MEMORY     memory ran out
 *   RIJ_E_DEVICE     there is no such device
 *   RIJ_E_DIVERGED   the loss is no longer finite: step and rate are in the message
 *
 * Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_train(const char *data,
                                          const rij_train_options *options,
                                          rij_model **model);

/* Remove a training's checkpoint and what belongs to it, NAME.1, NAME.new and NAME.lock,
 * once the model is saved. Other files than ours of these names are removed as well,
 * save a NAME.lock that holds something.
 *
 * Returns RIJ_OK, also if there is none; RIJ_E_ARGUMENT: path is NULL; RIJ_E_FILE: a file
 * cannot be removed, or a training is under way that writes to them; RIJ_E_MEMORY.
 * Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_checkpoint_remove(const char *path);

#ifdef __cplusplus
}
#endif

#include "realjudge_verdict.h"  // 7. Examine, explain, nearest
#include "realjudge_data.h"     // 8. Evaluate, forge, audit, align, 12. Report
#include "realjudge_exchange.h" // 13. Exchange
#endif
