/* realjudge_data.h: what is done with whole folders of images: evaluate a model on them,
 * forge generated ones from photographs, audit and align them, report. Part of
 * realjudge.h, which includes it, and whose rules hold. */
#ifndef REALJUDGE_DATA_H
#define REALJUDGE_DATA_H

#include "realjudge.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 8. Evaluate ----------------------------------------------------------------- */

typedef struct rij_evaluate_options {
    size_t size;         /* set by RIJ_EVALUATE_OPTIONS_INIT */
    const char *split;   /* which split of the manifest; NULL: all of it */
    const char *columns; /* comma-separated ways both classes are sent through before
                            they are judged; NULL: "native". Known (docs/math.md):
                            native, aligned, jpegQ (Q 1..100), blurS (sigma 0.1..8),
                            noiseS (levels 0.1..64), resizeF (0.1..2, there and back),
                            crop, chain3, chain5 */
    const char *only;    /* comma-separated generators; NULL: all */
    const char *pairs;   /* table of the reals that each generator is compared with
                            (docs/math.md); NULL: all with all */
    const char *holdout; /* folder of which every file counts as a fake of generator
                            "holdout", whatever `only` says; NULL: none */
    uint64_t seed;       /* of all that is drawn */
    int min_fakes;       /* fakes a generator must have to count in row "mAP" (40) */
    int shuffle_labels;  /* 1: judge against shuffled labels: a model that was trained
                            on shuffled ones must then be at chance (0). Not with pairs */
    double level;        /* of answers, as in rij_examine_options, 0.001..0.5 (0.05) */
    int strip; /* 1: answers by the stability strip too, as rij_examine() gives them:
                  seven times the time (0) */
    rij_progress_fn progress; /* NULL: none */
    void *user;
} rij_evaluate_options;

#define RIJ_EVALUATE_OPTIONS_INIT                                                        \
    {                                                                                    \
        sizeof(rij_evaluate_options)                                                     \
    }

/* Figures of one generator against its real images under one column. Positive is fake; a
 * higher margin is more fake. docs/math.md defines each. NAN: it cannot be computed. */
typedef struct rij_evaluation_row {
    const char *generator; /* "mAP" (means over generators) or "POOLED" in the last rows;
                              valid while the evaluation lives */
    const char *column;    /* as named in the options */
    int n_real, n_fake;    /* images judged */
    double ap; /* average precision with reals weighted n_fake / n_real: chance is 0.5 */
    double ap_low, ap_high;   /* its interval of 95 % */
    double ap_plain;          /* the same without weights */
    double auc;               /* area under the ROC curve, ties one half */
    double auc_low, auc_high; /* its interval of 95 % */
    double racc, facc; /* share of reals, of fakes right at the model's threshold */
    double bacc;       /* their mean */
    double eer;        /* equal error rate */
    double tpr1, fpr1; /* share of fakes, of these reals above the margin that 1 % of the
                          model's calibration reals lie above; older files keep none */
    double tpr5, fpr5; /* the same for 5 % */
    double ece, brier; /* of the score, reals weighted as for ap */
    double shift_real,
        shift_fake; /* mean margin here minus in column native, if judged */
    /* shares by the answers of rij_examine() at the options' level (unsure where it
       refuses), without the strip unless the options ask for it; what remains is answered
       real */
    double real_generated, real_unsure; /* of the reals */
    double fake_generated, fake_unsure; /* of the fakes */
} rij_evaluation_row;

/* Real images of one source (a column of the manifest) under one column. */
typedef struct rij_evaluation_source {
    const char *source, *column; /* valid while the evaluation lives; "": no source */
    int n;                       /* images judged */
    double alarms;               /* share of them that is called generated */
    double generated, unsure;    /* shares by answers, as in a row; or NAN */
} rij_evaluation_source;

/* One image under one column, as it was judged. */
typedef struct rij_evaluation_image {
    const char *path;      /* as the data name it; these live while the evaluation does */
    const char *file;      /* as it was opened */
    const char *source;    /* the manifest's column; "": none */
    const char *generator; /* "": a real image */
    const char *column;
    int generated;                     /* label: 0 real, 1 generated */
    double margin, score;              /* as in rij_verdict */
    int answered;                      /* 1: the model has a calibration, and so: */
    rij_answer answer;                 /* at the options' level, as in a row */
    int stripped;                      /* 1: the strip was asked for, and so: */
    rij_answer alone;                  /* of the image as it is; without strip: answer */
    rij_answer shipped[RIJ_SHIPPINGS]; /* re-shipped, in the order of rij_examination */
} rij_evaluation_image;

/* Judge a data set and compute its figures.
 *
 * data        As for rij_train(). Unusable images are noted, counted and left out.
 * options     NULL for the defaults.
 * evaluation  Free it with rij_evaluation_free(). NULL on failure. Rows: per column one
 *             for each generator, then "mAP", then "POOLED".
 *
 * Returns RIJ_OK, or RIJ_E_ARGUMENT (also a column or a generator that is unknown),
 * RIJ_E_CANCELLED, RIJ_E_FILE, RIJ_E_DATA (one class only, or none usable; pairs that are
 * none; the strip asked for and no calibration), RIJ_E_MEMORY, RIJ_E_DEVICE, as
 * rij_train() has them, or RIJ_E_MODEL as rij_predict(). Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_evaluate(const rij_model *model, const char *data,
                                             const rij_evaluate_options *options,
                                             rij_evaluation **evaluation);

/* Number of rows; 0 if evaluation is NULL. Since 0.1. */
RIJ_API int rij_evaluation_rows(const rij_evaluation *evaluation);

/* One row, 0 <= index < rows. Returns RIJ_OK or RIJ_E_ARGUMENT. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_evaluation_row_at(const rij_evaluation *evaluation,
                                                      int index, rij_evaluation_row *row);

/* Sources of reals times columns; 0 if evaluation is NULL. Since 0.1. */
RIJ_API int rij_evaluation_sources(const rij_evaluation *evaluation);

/* One of them, by source, then column. Returns RIJ_OK or RIJ_E_ARGUMENT. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_evaluation_source_at(const rij_evaluation *evaluation,
                                                         int index,
                                                         rij_evaluation_source *source);

/* Usable images times columns; 0 if evaluation is NULL. Since 0.1. */
RIJ_API int rij_evaluation_images(const rij_evaluation *evaluation);

/* One of them, by image in the data's order, then column. Returns RIJ_OK or
 * RIJ_E_ARGUMENT. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_evaluation_image_at(const rij_evaluation *evaluation,
                                                        int index,
                                                        rij_evaluation_image *image);

/* Images that could not be used; 0 if evaluation is NULL. Since 0.1. */
RIJ_API int rij_evaluation_unusable(const rij_evaluation *evaluation);

/* Free an evaluation. NULL is fine. Since 0.1. */
RIJ_API void rij_evaluation_free(rij_evaluation *evaluation);

/* ---- 9. Forge -------------------------------------------------------------------- */

typedef struct rij_forge_options {
    size_t size;              /* set by RIJ_FORGE_OPTIONS_INIT */
    const char *device;       /* as in rij_train_options */
    int threads;              /* as in rij_train_options */
    uint64_t seed;            /* of every random choice */
    const char *families;     /* comma-separated; "all"; NULL: the first four and the last
                                 five. Auto-encoders by their decoder: deconv, nearest,
                                 bilinear, shuffle, nearest-vq (quantised); gan; ddpm,
                                 ddim, latent (diffusion); sr, sr4 (super-resolution);
                                 inpaint; chain (two behind each other); operators with
                                 restored spectrum: fixed-nearest, fixed-bilinear,
                                 fixed-bicubic, fixed-zero, fixed-median */
    int crop;                 /* side of the parents cut from each photograph, 32..1024,
                                 multiple of 16 (160) */
    int crops;                /* parents per photograph at most, 1..1000 (16) */
    int steps;                /* training steps of each trained family, from 2 (400) */
    int isolate;              /* 1: as in rij_train_options (0) */
    rij_progress_fn progress; /* NULL: none */
    void *user;
} rij_forge_options;

#define RIJ_FORGE_OPTIONS_INIT                                                           \
    {                                                                                    \
        sizeof(rij_forge_options), NULL, 0, 0, NULL, 0, 0, 0, 0, NULL, NULL              \
    }

/* Make generated images from real photographs: parents are cut natively, auto-encoders
 * are trained on them with this library, and each child is written beside its parent,
 * equal in content, size and format, so that only the synthesis differs (docs/math.md).
 *
 * photos   Folder tree of photographs; unusable ones are noted, left out.
 * out      Folder to make or fill: real/N.png, fake/FAMILY/N.png and manifest.tsv,
 *          which is written last. Children of one photograph share its group. Files of
 *          those names are replaced.
 *
 * Returns RIJ_OK, or
 *   RIJ_E_ARGUMENT   a pointer is NULL or an option is not allowed
 *   RIJ_E_CANCELLED  the progress callback asked to stop
 *   RIJ_E_FILE       photos cannot be read, or out cannot be written
 *   RIJ_E_DATA       no usable photograph
 *   RIJ_E_MEMORY, RIJ_E_DEVICE, RIJ_E_DIVERGED   as rij_train()
 * On failure images already written stay, the manifest is not. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_forge(const char *photos, const char *out,
                                          const rij_forge_options *options);

/* ---- 10. Audit ------------------------------------------------------------------- */

/* What an audit of a data set found. */
typedef struct rij_audit_report rij_audit_report;

typedef struct rij_audit_options {
    size_t size; /* set by RIJ_AUDIT_OPTIONS_INIT */
    const char
        *split;  /* which split of the manifest; NULL: all, each against the others */
    int threads; /* 0: one per processor; at most 256. Results do not depend on it */
    int isolate; /* 1: images are decoded in child processes: rij_open_options (0) */
    rij_progress_fn progress;
    void *user;
} rij_audit_options;

#define RIJ_AUDIT_OPTIONS_INIT                                                           \
    {                                                                                    \
        sizeof(rij_audit_options)                                                        \
    }

/* How well one fact, which is no pixel, tells the label by itself. Its name, never freed:
 * "file size", "bytes per pixel", "dimensions", "format", "quantisation", "metadata",
 * "source", "mean colour". */
typedef struct rij_audit_fact {
    const char *name;
    double bacc;     /* balanced accuracy on groups that did not teach it, 0..1 */
    double bacc_low; /* lower end of its interval of 95 % */
    int values;      /* different values, or bins of a number */
    int shortcut;    /* 1: bacc above 0.6, and bacc_low above 0.5 */
} rij_audit_fact;

/* Two files that show the same. */
typedef struct rij_audit_pair {
    const char *path[2]; /* valid while the report lives */
    double distance;     /* root mean square of 16 x 16 thumbnails, grey levels; 0: equal
                            pixels */
    int across_splits;   /* 1: they lie in two splits */
    int across_labels;   /* 1: one is real, one generated */
} rij_audit_pair;

/* Look for what could teach a detector the label without looking at an image: facts of
 * files that tell it, and pictures that lie in two groups or two splits (docs/math.md).
 *
 * data     As for rij_train(). Unusable images are noted and left out.
 * report   Free it with rij_audit_report_free(). NULL on failure.
 *
 * Returns RIJ_OK, or RIJ_E_ARGUMENT, RIJ_E_CANCELLED, RIJ_E_FILE, RIJ_E_DATA (one class
 * only, or none usable), RIJ_E_MEMORY, RIJ_E_DEVICE (no process for `isolate`).
 * Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_audit(const char *data,
                                          const rij_audit_options *options,
                                          rij_audit_report **report);

/* Number of facts; 0 if report is NULL. Since 0.1. */
RIJ_API int rij_audit_facts(const rij_audit_report *report);

/* One of them, 0 <= index < facts. Returns RIJ_OK or RIJ_E_ARGUMENT. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_audit_fact_at(const rij_audit_report *report,
                                                  int index, rij_audit_fact *fact);

/* Number of pairs, at most 1000, and at most 16 of a file with later ones, in the order
 * of the data; 0 if report is NULL. Since 0.1. */
RIJ_API int rij_audit_pairs(const rij_audit_report *report);

/* One of them. Returns RIJ_OK or RIJ_E_ARGUMENT. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_audit_pair_at(const rij_audit_report *report,
                                                  int index, rij_audit_pair *pair);

/* Free a report. NULL is fine. Since 0.1. */
RIJ_API void rij_audit_report_free(rij_audit_report *report);

/* ---- 11. Align ------------------------------------------------------------------- */

/* What is aligned, and by how much of the machine. */
typedef struct rij_align_options {
    size_t size;       /* set by RIJ_ALIGN_OPTIONS_INIT */
    const char *split; /* which split of the manifest; NULL: all, matched as one */
    uint64_t seed;     /* of what is recompressed, and how */
    int threads; /* 0: one per processor; at most 256. Results do not depend on it */
    int isolate; /* 1: images are decoded in child processes: rij_open_options (0) */
    rij_progress_fn progress; /* NULL: none */
    void *user;
} rij_align_options;

#define RIJ_ALIGN_OPTIONS_INIT                                                           \
    {                                                                                    \
        sizeof(rij_align_options), NULL, 0, 0, 0, NULL, NULL                             \
    }

/* What was aligned. */
typedef struct rij_alignment {
    int images;       /* written */
    int recompressed; /* of these */
    int unusable;     /* noted and left out */
    double before;    /* balanced accuracy, 0..1, at which JPEG tables tell the label, as
                         rij_audit() has it */
    double after;     /* the same of the last JPEG that each picture went through */
} rij_alignment;

/* Write a data set whose JPEG history does not tell the label: what a training of that
 * split with that seed does when it reads its images (its option align), as files for
 * whatever else shall learn from them.
 *
 * Every picture is decoded, as rij_predict_file() does it, those that the matching of
 * both classes' histories chose are recompressed (docs/math.md), and all become PNG:
 * format, metadata and quantisation tables are then alike. Dimensions, colours and what
 * the pixels went through before their last JPEG stay; rij_audit() of the new data says
 * what still tells.
 *
 * data  As for rij_train().
 * out   Folder to make, or an empty one, not in a folder of data: real/N.png, fake/N.png,
 *       N the row among the data's of that split, from 0, in six digits or more, and
 *       manifest.tsv, which is written last. It has generators, splits, sources and
 *       original paths as the data name them, control characters as '?', the quality that
 *       a picture was recompressed at (0: it was not), and groups, by other names, that
 *       part as before. Read as a folder of images all fakes are of one generator.
 * done  Written only on RIJ_OK.
 *
 * Returns RIJ_OK, or
 *   RIJ_E_ARGUMENT   a pointer is NULL, an option is not allowed, out is "" or in data
 *   RIJ_E_CANCELLED  the progress callback asked to stop
 *   RIJ_E_FILE       data cannot be read, out is not empty or cannot be written, or an
 *                    image that could be read at first is gone
 *   RIJ_E_IMAGE      such an image is damaged since
 *   RIJ_E_DATA       data are malformed, or a class has no usable image
 *   RIJ_E_MEMORY, RIJ_E_DEVICE (no process for `isolate`)
 * On failure pictures already written stay, the manifest is not. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_align(const char *data, const char *out,
                                          const rij_align_options *options,
                                          rij_alignment *done);

/* ---- 12. Report ------------------------------------------------------------------ */

typedef struct rij_report_options {
    size_t size;                   /* set by RIJ_REPORT_OPTIONS_INIT */
    const char *title;             /* of the page; NULL: a plain one */
    const rij_audit_report *audit; /* findings to show; NULL: none */
    int thumbnails; /* 1: small pictures of the worst mistakes, within the page (0) */
    int worst;      /* mistakes listed of each kind, 1..200 (20) */
} rij_report_options;

#define RIJ_REPORT_OPTIONS_INIT                                                          \
    {                                                                                    \
        sizeof(rij_report_options)                                                       \
    }

/* Write an evaluation down for people and for programs, as three files:
 *
 *     STEM.html   one page that needs nothing beside it, and no script: a summary in
 *                 words, figures by column and generator, curves, reliability, scores,
 *                 answers, false alarms by source, the worst mistakes, the audit, the
 *                 model card
 *     STEM.json   the same, numbers as they are; null where there is none
 *     STEM.tsv    a line per image and column: path, label, generator, source, column,
 *                 margin, score, answer, and those of the strip if it was asked for; a
 *                 tab, line end or backslash in a name is written \t, \n, \r, \\
 *
 * Neither page nor JSON grows with the number of images: curves are thinned to steps of
 * 1/100 and lists cut, which the page says. The same model and evaluation give the same
 * bytes; no date and no machine is named. All three are written beside and synced before
 * the first is renamed.
 *
 * model       The one that judged.
 * evaluation  Of rij_evaluate(); its files are read once more for thumbnails.
 * options     NULL for the defaults.
 * stem        Path of the files without their ends.
 *
 * Returns RIJ_OK, or RIJ_E_ARGUMENT (a pointer is NULL, an option is not allowed, or
 * another model judged), RIJ_E_FILE (the files cannot be written: what was there before
 * still is, unless the folder went away between two renames), RIJ_E_MEMORY. Since 0.1. */
RIJ_API RIJ_MUST_USE rij_status rij_report_write(const rij_model *model,
                                                 const rij_evaluation *evaluation,
                                                 const rij_report_options *options,
                                                 const char *stem);

#ifdef __cplusplus
}
#endif
#endif
