/* realjudge_verdict.h: answers with a promise about error, and what they rest on. Part of
 * realjudge.h, which includes it, and whose rules hold. */
#ifndef REALJUDGE_VERDICT_H
#define REALJUDGE_VERDICT_H

#include "realjudge.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 7. Examine: answers with a promise ------------------------------------------- */

enum { RIJ_SHIPPINGS = 6 }; /* of the strip */

/* An image under one of the ways in which images are shipped on. */
typedef struct rij_shipped {
    const char
        *name; /* jpeg85, jpeg60, resize0.5, blur1, crop, screenshot; never freed */
    double margin, p_real, p_generated; /* as in rij_verdict */
    rij_answer answer; /* by these p-values alone; real where p_generated <= a */
} rij_shipped;

typedef struct rij_examination {
    rij_answer answer;   /* that of the image as it is, unless the strip contradicts it */
    rij_verdict verdict; /* of the image as it is */
    rij_answer alone;    /* answer by verdict.p_real and verdict.p_generated alone */
    int contradictions;  /* re-shippings whose answer is the contrary of `alone` */
    rij_shipped strip[RIJ_SHIPPINGS]; /* the stability strip */
} rij_examination;

typedef struct rij_examine_options {
    size_t size;  /* set by RIJ_EXAMINE_OPTIONS_INIT */
    double level; /* a: share of photographs that may be called generated, 0.001..0.5; 0
                     means 0.05 */
} rij_examine_options;

#define RIJ_EXAMINE_OPTIONS_INIT                                                         \
    {                                                                                    \
        sizeof(rij_examine_options), 0                                                   \
    }

/* Judge an image as it is and re-shipped in six ways, and answer at a level a.
 *
 *     generated   p_real <= a < p_generated
 *     real        p_generated <= b and a < p_real,   b = max(a, min(3 a, 0.15))
 *     unsure      both or neither is unusual, or a re-shipping gives the contrary answer;
 *                 that is real if p_generated <= a < p_real
 *
 * If a photograph, and how it was shipped, is exchangeable with those that the model was
 * calibrated on, it is called generated with a probability of at most a (docs/math.md).
 * That a generated image is called real is promised nothing about: generators differ.
 * Where photographs come from another world, rij_calibrate() with your own. The time is
 * that of seven predictions.
 *
 * model        Borrowed; any number of threads may examine with one model.
 * image        As for rij_predict().
 * options      NULL for the defaults.
 * examination  Written only on RIJ_OK.
 *
 * Returns RIJ_OK, or what rij_predict() returns, or RIJ_E_ARGUMENT (an option is not
 * allowed), RIJ_E_DATA (no calibration, or one too small for the level: it must hold at
 * least 1 / a - 1 independent photographs about as soft as an image, and as many
 * generated images; the message says how many there are), RIJ_E_IMAGE also where it holds
 * too few about as soft as this one. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_examine(const rij_model *model,
                                            const rij_image *image,
                                            const rij_examine_options *options,
                                            rij_examination *examination);

/* The same for a file, read as rij_predict_file() reads it. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_examine_file(const rij_model *model, const char *path,
                                                 const rij_examine_options *options,
                                                 rij_examination *examination);

typedef struct rij_calibrate_options {
    size_t size;              /* set by RIJ_CALIBRATE_OPTIONS_INIT */
    const char *split;        /* which split of the manifest; NULL: all of it */
    rij_progress_fn progress; /* NULL: none */
    void *user;               /* handed to progress */
} rij_calibrate_options;

#define RIJ_CALIBRATE_OPTIONS_INIT                                                       \
    {                                                                                    \
        sizeof(rij_calibrate_options), NULL, NULL, NULL                                  \
    }

/* Calibrate a model anew, on images that did not train it: up to 256 of each class,
 * spread over the data, as they are and re-shipped. Replaces the pictures that p-values
 * count, and the peaks that rij_explain() compares with; score, margin and threshold
 * stay. Images of one `group` count as one. Without generated images, photographs remade
 * from fewer pixels take their place.
 *
 * model    Changed on RIJ_OK only. No other thread may be using it.
 * data     As for rij_train(). Unusable images are noted and left out.
 * options  NULL for the defaults.
 *
 * Returns RIJ_OK, or RIJ_E_ARGUMENT, RIJ_E_CANCELLED, RIJ_E_FILE, RIJ_E_DATA (no usable
 * photograph), RIJ_E_MODEL, RIJ_E_MEMORY, RIJ_E_DEVICE as rij_evaluate() has them.
 * Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_calibrate(rij_model *model, const char *data,
                                              const rij_calibrate_options *options);

/* ---- 7b. Explain: where the evidence lies ------------------------------------------ */

/* A map of a picture: how far small windows stand out against its others. */
typedef struct rij_evidence rij_evidence;

/* Cell (c, r) covers cell x cell pixels from (left + c cell, top + r cell) and is the
 * middle of a window that was judged. */
typedef struct rij_evidence_summary {
    rij_verdict verdict;         /* of the whole image */
    int columns, rows;           /* cells */
    int left, top, cell, window; /* pixels */
    int found;   /* 1: something stands out more than in photographs; 0: nothing does */
    double p;    /* conformal p-value of the peak among those of the calibration's
                    photographs, 0..1; 1 where the picture is too small for a map */
    double peak; /* the highest cell's value, at least 0; 0 without a map */
    int peak_x, peak_y;   /* its middle, pixels; 0, 0 without a map */
    double threshold;     /* found: peak > threshold */
    double area;          /* share of cells above the threshold, 0..1 */
    double concentration; /* of what cells exceed the threshold by, the share in cells
                             that join the peak's by sides, 0..1; 0: nothing found */
    double far;           /* share of the calibration's photographs whose `proximity` (of
                             rij_verdict) is as low, or lower; NAN: the model has none */
} rij_evidence_summary;

typedef struct rij_explain_options {
    size_t size;  /* set by RIJ_EXPLAIN_OPTIONS_INIT */
    double level; /* share of photographs in which something may be found, 0.001..0.5; 0
                     means 0.05 */
} rij_explain_options;

#define RIJ_EXPLAIN_OPTIONS_INIT                                                         \
    {                                                                                    \
        sizeof(rij_explain_options), 0                                                   \
    }

/* Say where in a picture the evidence lies. Its small windows are judged one by one, and
 * compared with each other alone (docs/math.md): what is generated as a whole stands out
 * nowhere. If a photograph is exchangeable with those that the model was calibrated on,
 * something is found with a probability of at most the level. Where something is found,
 * the peak says which part of the picture differs from the rest in what the model looks
 * at; it does not say that this part is generated.
 *
 * A window is 32 pixels, the next one 16 away, or as far as makes 16384 of them at most:
 * above about 4 million pixels they are farther apart, above 16 million they leave gaps.
 * An encoder other than `statistics` judges at most 256 windows of the model's crop. A
 * picture with fewer than 25 windows that are neither flat nor clipped has no map: all
 * cells are 0, and nothing is found. Time is that of a prediction and of these windows.
 *
 * model     Borrowed; any number of threads may explain with one model.
 * image     As for rij_predict().
 * options   NULL for the defaults.
 * evidence  Free it with rij_evidence_free(). NULL on failure.
 *
 * Returns RIJ_OK, or what rij_predict() returns, or RIJ_E_ARGUMENT (an option is not
 * allowed), RIJ_E_DATA (the model keeps no peaks of photographs, as older files, or too
 * few for the level: at least 1 / level - 1 independent ones with a map are needed; the
 * message says how many there are). Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_explain(const rij_model *model,
                                            const rij_image *image,
                                            const rij_explain_options *options,
                                            rij_evidence **evidence);

/* The same for a file, read as rij_predict_file() reads it. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_explain_file(const rij_model *model, const char *path,
                                                 const rij_explain_options *options,
                                                 rij_evidence **evidence);

/* The map in figures. Returns RIJ_OK or RIJ_E_ARGUMENT. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_evidence_sum_up(const rij_evidence *evidence,
                                                    rij_evidence_summary *summary);

/* Values of all cells, row by row, columns x rows numbers; they are the evidence's. NULL
 * if evidence is NULL. Since 0.1. */
RIJ_API const float *rij_evidence_cells(const rij_evidence *evidence);

/* Write the picture, grey and dimmed, as a PNG file, with cells above the threshold in
 * red: without any colour where nothing was found. Written beside, synced, renamed.
 *
 * Returns RIJ_OK, or RIJ_E_ARGUMENT (a pointer is NULL), RIJ_E_FILE (it cannot be
 * written), RIJ_E_MEMORY. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_evidence_write_png(const rij_evidence *evidence,
                                                       const char *path);

/* Free an evidence map. NULL is fine. Since 0.1. */
RIJ_API void rij_evidence_free(rij_evidence *evidence);

/* ---- 7c. Nearest: photographs with similar traces ---------------------------------- */

/* An exemplar: a photograph that the training kept out, and kept in the model. */
typedef struct rij_neighbour {
    const char *id;    /* its path as the training's data named it, UTF-8, other bytes
                          and control characters '?'; the model's */
    double similarity; /* to the picture, -1..1; higher by itself where either is covered
                          by several crops, so no measure between pictures */
} rij_neighbour;

/* Photographs that a model keeps as exemplars (exemplars of rij_train_options); 0: none,
 * or model is NULL. Since 0.1. */
RIJ_API int rij_model_exemplars(const rij_model *model);

/* Find the exemplars that a picture is nearest to, the nearest first; of equal ones that
 * which comes first in the training's data.
 *
 *     z = sum z_c / |sum z_c|,   similarity = z . e
 *
 * z_c is the unit embedding that S_prox compares with the natural traces, of each crop
 * that rij_predict() judges; e is z of an exemplar, as its file is. Near means that the
 * model sees similar traces. It does not mean that two pictures show the same, come from
 * the same camera or one from the other, nor that a picture is a photograph: a generated
 * one has nearest photographs too. How far a picture is from what photographs share is
 * `far` of rij_evidence_summary. Time is that of a prediction.
 *
 * model    Borrowed; any number of threads may ask one model.
 * image    As for rij_predict().
 * most     How many are wanted, from 1 on.
 * nearest  Room for `most`; of these *found, most or as many as there are, are written,
 *          on RIJ_OK only. Their names live as long as the model.
 *
 * Returns RIJ_OK, or what rij_predict() returns, or RIJ_E_ARGUMENT (most is below 1),
 * RIJ_E_DATA (the model keeps no exemplars). Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_nearest(const rij_model *model,
                                            const rij_image *image, int most,
                                            rij_neighbour *nearest, int *found);

/* The same for a file, read as rij_predict_file() reads it. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_nearest_file(const rij_model *model, const char *path,
                                                 int most, rij_neighbour *nearest,
                                                 int *found);

#ifdef __cplusplus
}
#endif
#endif
