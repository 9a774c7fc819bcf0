/* judge.h: the verbs of the public header, and what they share. */
#ifndef RJ_JUDGE_H
#define RJ_JUDGE_H

#include "data/data.h"
#include "model/model.h"

/* ---- progress.c ------------------------------------------------------------------- */

/* What a long call tells; begins with its callback and the callback's user. */
typedef struct rj_teller {
    rij_progress_fn progress; /* or NULL */
    void *user;
    const char *phase;
    int64_t step, steps;
    double start_s, told_s;
} rj_teller;
void rj_teller_phase(rj_teller *t, const char *phase, int64_t steps);
/* Steps done so far, at most four times a second but for the last; a line for a person.
 * RIJ_E_CANCELLED as asked. */
rij_status rj_teller_step(rj_teller *t, int64_t step);
rij_status rj_teller_note(rj_teller *t, const char *line);

/* ---- metrics.c -------------------------------------------------------------------- */

/* Positive = fake (label 1), a higher score is more fake. Definitions in docs/math.md, as
 * scikit-learn computes them. weight may be NULL (all 1). All give NAN when a class is
 * missing; n may be 0. RIJ_E_DIVERGED: a score is not a number; RIJ_E_MEMORY. */
rij_status rj_metric_ap(int n, const double *score, const int *label,
                        const double *weight, double *ap);
rij_status rj_metric_auc(int n, const double *score, const int *label,
                         const double *weight, double *auc);
rij_status rj_metric_eer(int n, const double *score, const int *label, double *eer);
/* The smallest threshold t (generated: score > t) whose share of reals above is <= share;
 * -INFINITY where all may lie above. Fakes do not count. */
rij_status rj_metric_threshold(int n, const double *score, const int *label, double share,
                               double *threshold);
/* Of probabilities P(fake), weight as above: Brier's mean of (p - y)^2, and the expected
 * calibration error over 15 bins of equal width, [k/15, (k+1)/15), the last with 1:
 * sum over bins of |sum w (y - p)| / sum w. */
rij_status rj_metric_brier(int n, const double *p, const int *label, const double *weight,
                           double *brier);
rij_status rj_metric_ece(int n, const double *p, const int *label, const double *weight,
                         double *ece);

/* ---- bootstrap.c ------------------------------------------------------------------ */

enum { RJ_ROUNDS = 1000 };
/* An image in a list that goes from the highest score down. */
typedef struct rj_ranked {
    int image;       /* 0 .. images - 1 */
    bool fake, last; /* last: of those of equal score */
} rj_ranked;
/* How often each of n images is drawn in a round: Poisson numbers of mean 1, which depend
 * on nothing but seed, round and the image's number. */
void rj_bootstrap_weights(uint64_t seed, int round, int n, uint8_t *weight);
/* AP at equal class prior and AUC of a list of n in each round; NAN where a class is
 * missing. RIJ_E_MEMORY. */
rij_status rj_bootstrap(rj_pool *pool, uint64_t seed, int images, int n,
                        const rj_ranked *item, double ap[RJ_ROUNDS],
                        double auc[RJ_ROUNDS]);
/* Quantiles 2.5 % and 97.5 % of the numbers among x, which is sorted, between two of them
 * on their line; NAN if there are none. */
void rj_interval(int n, double *x, double *low, double *high);

/* ---- columns.c -------------------------------------------------------------------- */

enum rj_column_kind {
    RJ_COLUMN_NATIVE,
    RJ_COLUMN_ALIGNED,
    RJ_COLUMN_CROP,
    RJ_COLUMN_CHAIN,
    RJ_COLUMN_JPEG,
    RJ_COLUMN_BLUR,
    RJ_COLUMN_NOISE,
    RJ_COLUMN_RESIZE,
    RJ_COLUMN_KINDS
};
typedef struct rj_column {
    enum rj_column_kind kind;
    double value; /* quality, sigma, levels, factor, links */
} rj_column;
/* By its name in the options. RIJ_E_ARGUMENT: unknown, or its number is not allowed. */
rij_status rj_column_named(const char *name, rj_column *column);
/* What becomes of an image, the sample's number deciding all that is drawn. */
rij_status rj_column_apply(const rj_column *column, const rj_image *image, uint64_t seed,
                           int sample, rj_image *out);

/* ---- pairs.c ---------------------------------------------------------------------- */

/* Read a table of pairs (docs in the public header) for the usable samples of a data set.
 * pair[g * d->n + i] tells whether sample i is among the reals of generator g; freed with
 * rj_free(). Generators that the table does not name have all reals. RIJ_E_FILE,
 * RIJ_E_DATA (with the line), RIJ_E_MEMORY. */
rij_status rj_pairs_read(const char *path, const rj_dataset *d, bool **pair);

/* ---- options.c -------------------------------------------------------------------- */

/* Resolved options as one line of JSON for a model's metadata, without what changes no
 * bit of the model (threads, cache, checkpoints). *json is freed with rj_free().
 * RIJ_E_MEMORY. */
rij_status rj_options_text(const rij_train_options *resolved, char **json);
/* The first option that differs from such a line, as "steps2 was 100, now 200"; "": none
 * does. RIJ_E_MEMORY. */
rij_status rj_options_differ(const char *was, const rij_train_options *resolved,
                             char differs[RJ_WHY]);
/* Those that differ from the defaults, as "steps1 100, seed 1". */
void rj_options_changed(const rij_train_options *resolved, rj_text *text);

/* ---- calibrate.c ------------------------------------------------------------------ */

/* S of method 3.5 by decision->by, from S_cls and S_prox; margin = a S + b. */
double rj_decision_s(const rj_decision *decision, double cls, double prox);
double rj_decision_margin(const rj_decision *decision, double cls, double prox);
/* Fit all of *decision but `by`, which is given, to n judged validation images: a > 0.
 * prox is S_dist where that decides. RIJ_E_DATA (a class is missing), RIJ_E_DIVERGED (a
 * score is not finite), RIJ_E_MEMORY; *decision is untouched then. */
rij_status rj_calibrate(int n, const double *cls, const double *prox, const int *label,
                        rj_decision *decision);

/* ---- predict.c -------------------------------------------------------------------- */

enum { RJ_JUDGE_BATCH = 16 };
/* Corners of the crops that cover a picture of w x h, row by row: ceil(w / crop) columns,
 * the first at 0 and the last flush with the edge, rows likewise; the grid is thinned
 * along its denser side until `most`, up to RJ_COVER_MAX, are left. Returns how many; 0,0
 * alone where the picture is smaller than the crop. */
int rj_cover(int w, int h, int crop, int most, int x[RJ_COVER_MAX], int y[RJ_COVER_MAX]);
/* What judges crops. */
typedef struct rj_jury {
    rj_net *net;
    const rj_ready *ready;   /* the net's encoder */
    const rj_tensor *traces; /* (H,d) unit rows, or NULL: then S_prox is 0 */
    int crop;
    const float *distance; /* as in a model, or NULL; else S_dist is told as S_prox */
} rj_jury;
/* S_cls and S_prox of n crops, planar (n,3,crop,crop), RJ_JUDGE_BATCH at a time. The tape
 * must be frozen; it is reset before and after. Batch norm uses running statistics, so
 * the net may be one in training, made ready as it is now. RIJ_E_DIVERGED (an output is
 * not finite), RIJ_E_MEMORY, RIJ_E_DEVICE. */
rij_status rj_judge_planar(const rj_jury *j, rj_tape *tape, int n, const float *planar,
                           double *cls, double *prox);
/* S_dist of n rows `seen` by a net's encoder; host copies live on the tape. distance.c */
rij_status rj_distances(const float *distance, rj_tape *tape, const rj_tensor *seen,
                        double *dist);
/* A crop of an image as planes, (3,crop,crop); short sides are reflected. RIJ_E_MEMORY.
 */
rij_status rj_planar_crop(const rj_image *image, int x, int y, int crop, float *planar);
/* The whole verdict. RIJ_E_MODEL: the network's output is not finite. */
rij_status rj_judge_image(const rij_model *m, rj_context *c, const rj_image *image,
                          rij_verdict *verdict);
/* Make the model ready, judge the self-test image and keep its margin: the last step
 * before saving. */
rij_status rj_model_seal(rij_model *m);

/* The caller's pixels with rows that lie tight: themselves, or a copy that is then `own`.
 * RIJ_E_ARGUMENT: no pixels that can be judged; RIJ_E_MEMORY. */
rij_status rj_pixels_tight(const rij_image *image, rj_image *tight, bool *own);

/* ---- conformal.c, shipping.c: answers --------------------------------------------- */

/* Edges of the buckets, and where the softest begin, from the photographs' rows.
 * RIJ_E_MEMORY. */
rij_status rj_conformal_edges(rj_calibration *c);
/* The p-value of a margin among the calibration's rows of a label in the bucket of this
 * softness, of photographs among the softest too, if it is one of them: the larger. W,
 * the groups that these rows are worth, the fewer, unless NULL. 1 where W is 0. */
double rj_conformal_p(const rj_calibration *c, int label, double softness, double margin,
                      double *weight);
extern const char *const rj_answer_names[3]; /* by rij_answer */
/* A level of the options, 0: 0.05. RIJ_E_ARGUMENT: not in 0.001..0.5. */
rij_status rj_level(const char *verb, double asked, double *level);
/* `shipped`: of a re-shipping, whose bar for "real" is the level itself. */
rij_answer rj_conformal_answer(double p_real, double p_generated, double level,
                               bool shipped);
/* Whether W of either label suffices for the level. */
bool rj_conformal_enough(const double w[2], double level);
/* By the p-values of a margin; unsure of an image as it is if W does not suffice. */
rij_answer rj_calibrated_answer(const rj_calibration *c, double softness, double margin,
                                double level, bool shipped);
/* Of answers to an image as it is, then to its shippings: the first, unless another is
 * its contrary. How many are, unless NULL. */
rij_answer rj_strip_answer(int n, const rij_answer *alone, int *contradictions);
/* Shipping 0 .. RIJ_SHIPPINGS - 1 of an image. */
rij_status rj_ship(int which, const rj_image *image, rj_image *out);
extern const char *const rj_shipping_names[RIJ_SHIPPINGS];
/* An image as it is and under the six shippings. */
rij_status rj_judge_shipped(const rij_model *m, rj_context *c, const rj_image *image,
                            rij_verdict *as_it_is, rij_verdict shipped[RIJ_SHIPPINGS]);
/* Told of every picture done, of all. */
typedef rij_status (*rj_calibrated)(int done, int all, void *user);
/* Judge up to 256 usable samples of each class, `held`: those kept for validation, and
 * put their rows in the place of *out. Without generated ones photographs are remade. */
rij_status rj_calibration_gather(const rij_model *m, const rj_dataset *d, rj_cache *cache,
                                 bool held, rj_calibrated tell, void *user,
                                 rj_calibration *out);

/* ---- evidence.c, explain.c -------------------------------------------------------- */

/* How far windows of a picture stand out against its others: cell (column, row) covers
 * `cell` x `cell` pixels from (left + column cell, top + row cell) and is the middle of a
 * window of `window` x `window`. */
typedef struct rj_evidence {
    int columns, rows, left, top, cell, window;
    float *value; /* (rows, columns); all 0 where there is no peak */
    float peak;   /* the highest, at least 0; -1: too few windows carry evidence */
    int at;       /* its place in value */
} rj_evidence;
/* RIJ_E_MODEL: the network's output is not finite; RIJ_E_MEMORY, RIJ_E_DEVICE. */
rij_status rj_evidence_gather(const rij_model *m, rj_context *c, const rj_image *image,
                              rj_evidence *out);
void rj_evidence_free(rj_evidence *e);
/* The p-value of a peak among the calibration's, by groups as rj_conformal_p(). W, the
 * groups that these are worth, unless NULL. */
double rj_peak_p(const rj_calibration *c, float peak, double *weight);

/* ---- nearest.c -------------------------------------------------------------------- */

/* The embedding of a whole image, of length 1. RIJ_E_MODEL: it is not finite, or 0;
 * RIJ_E_MEMORY, RIJ_E_DEVICE. */
rij_status rj_embed_image(const rij_model *m, rj_context *c, const rj_image *image,
                          double *z);

/* ---- selection.c ------------------------------------------------------------------ */

/* What an evaluation judges. */
typedef struct rj_selection {
    rj_dataset data; /* with the folder held out, labels shuffled if asked for */
    rj_list columns;
    rj_column *column; /* of those names */
    bool *pair;        /* of the table of pairs, or NULL */
    bool *wanted;      /* generators */
    int *image;        /* samples to judge, in the data's order */
    int images;        /* how many */
} rj_selection;
/* Begins with {0}; rj_selection_free() also after a failure. What rij_evaluate() says of
 * its data and options. */
rij_status rj_selection_fill(const rij_evaluate_options *o, const char *data,
                             rj_selection *r);
/* RIJ_E_DATA unless both classes have usable samples; `which` is for the message. */
rij_status rj_selection_check(const rj_selection *r, const char *which);
void rj_selection_free(rj_selection *r);

/* ---- evaluation.c ----------------------------------------------------------------- */

/* A judged data set: sample[i] of d, where it is usable, has margin
 * margin[i * columns->n + c] under column c. Both classes are there. */
typedef struct rj_judged {
    const rj_dataset *d;
    const rj_list *columns;
    int n; /* samples judged, unusable ones among them */
    const int *sample;
    const double *margin;
    const rij_answer *answer; /* like margin, or NULL: the model has no calibration */
    const rij_answer *alone;  /* (n, columns, 1 + RIJ_SHIPPINGS) of the image as it is and
                                 re-shipped, or NULL: without the strip */
    const bool *pair; /* as rj_pairs_read() gives it, or NULL: all reals for all */
    const rj_decision *decision;
    rj_pool *pool;
    uint64_t seed; /* of the intervals */
    int map_fakes; /* fakes that a generator must have to count in the mean */
    int unusable;
    double level;  /* of the answers */
    bool shuffled; /* labels were */
} rj_judged;
/* The figures. RIJ_E_MEMORY. */
rij_status rj_evaluation_new(const rj_judged *j, rij_evaluation **out);

typedef struct rj_judged_image {
    const char *path, *file, *source, *generator; /* as in rij_evaluation_image */
    int sample;
    bool fake;
} rj_judged_image;

struct rij_evaluation {
    rij_evaluation_row *row;
    rij_evaluation_source *source;
    int rows, sources, unusable;
    char **name; /* of columns, generators, sources, which rows point at */
    int names, room;
    int images, columns; /* usable images */
    rj_judged_image *image;
    char *paths;     /* theirs */
    double *margin;  /* (images, columns) */
    uint8_t *answer; /* (images, columns, 2 + RIJ_SHIPPINGS): the last word, that of the
                        image as it is, those of the strip */
    bool answered, stripped, paired, shuffled;
    int map_fakes;
    double level;                  /* of the answers */
    uint64_t data_hash, real_hash; /* as rj_dataset has them */
    rj_decision decision;          /* of the model that judged */
};
/* evaluation_lists.c: images and sources, once columns and generators are the first
 * names; rj_evaluation_name() adds one. */
rij_status rj_evaluation_lists(rij_evaluation *e, const rj_judged *j);
rij_status rj_evaluation_name(rij_evaluation *e, const char *name);

/* ---- audit.c, duplicates.c --------------------------------------------------------- */

enum { RJ_THUMBNAIL = 16 };

/* An image as an audit sees it. */
typedef struct rj_audited {
    int sample; /* its place in the data */
    rj_facts facts;
    double mean[3];  /* of the channels, 0..255 */
    uint64_t pixels; /* hash */
    uint64_t sketch;
    uint8_t thumbnail[RJ_THUMBNAIL * RJ_THUMBNAIL];
    bool flat;
} rj_audited;

/* What pixels say: all but `sample` and `facts`. RIJ_E_MEMORY. */
rij_status rj_audit_look(const rj_image *image, rj_audited *out);
enum rj_fact {
    RJ_FACT_FILE_SIZE,
    RJ_FACT_BYTES_PER_PIXEL,
    RJ_FACT_DIMENSIONS,
    RJ_FACT_FORMAT,
    RJ_FACT_QUANTISATION,
    RJ_FACT_METADATA,
    RJ_FACT_SOURCE,
    RJ_FACT_MEAN_COLOUR,
    RJ_FACTS
};
extern const char *const rj_fact_names[RJ_FACTS];
/* Two samples that show the same, and the distance of their thumbnails. */
typedef struct rj_alike {
    int sample[2];
    double distance;
} rj_alike;
struct rij_audit_report {
    rij_audit_fact fact[RJ_FACTS]; /* bacc is NAN where a class is missing */
    int votes[2];                  /* images that tell the facts, by label */
    rj_alike *pair;
    int pairs;
    rj_dataset data;
    rj_audited *image; /* usable ones, in the data's order */
    int n;
};
typedef struct rj_auditing {
    rj_pool *pool;
    rj_cage *cage; /* where files are decoded; NULL: in this process */
    rj_teller tell;
    bool notes;     /* of unusable files */
    bool training;  /* pairs matter where one at least is in the split */
    bool reals;     /* photographs alone; no other file is opened */
    uint64_t split; /* facts are those of this split (hash of its name); 0: of all */
    int crop;       /* sides count up to it, as a crop shows them; 0: whole */
} rj_auditing;
/* Audit data into an empty report, which is the caller's to empty, on failure too. */
rij_status rj_audit(rj_auditing *a, const char *data, const char *split,
                    rij_audit_report *report);

/* RIJ_E_DATA, with `who` before the words, where a class has no usable image. */
rij_status rj_audit_both(const rij_audit_report *report, const char *who);

/* The report's pairs: files that show the same, in another group or split, in the order
 * of the data; for a training all of which one at least is in its split, else 1000 at
 * most. RIJ_E_MEMORY. duplicates.c */
rij_status rj_audit_pairs_find(const rj_auditing *a, rij_audit_report *report);
/* Images of an audit that vote, and what a code that each has tells of their labels: all
 * of *fact but its name. RIJ_E_MEMORY. */
typedef struct rj_voters {
    const rj_dataset *d;
    int n, crop;
    const rj_audited *const *image;
} rj_voters;
rij_status rj_audit_vote(const rj_voters *v, const uint64_t *code, rij_audit_fact *fact);

/* ---- training: train.c joins, traces.c stage 1, detector.c stage 2 ----------------- */

enum { RJ_AUDIT_LINE = 160 };
/* Where a training stands: what it did, and the state of the early stopping. */
typedef struct rj_standing {
    int stage;        /* that is under way, or behind: 1, 2; 0: none yet */
    int64_t steps;    /* done of it */
    double best;      /* AUC of the validation checks, -1: none yet */
    int without_gain; /* checks since */
    bool stop;        /* they were enough */
} rj_standing;
/* Everything a training holds. Made and freed by train.c; `net` learns. */
typedef struct rj_trainer {
    rij_train_options o; /* resolved */
    rj_cage *cage;       /* where images are decoded; NULL: in this process */
    rj_pool *pool;
    rj_device *dev; /* of the options' precision */
    rj_dataset data;
    char (*found)[RJ_AUDIT_LINE]; /* what its audit found, line by line */
    int founds, found_room;
    uint64_t pixels; /* hash of those that the audit saw */
    rj_cache *cache;
    rj_tape tape;    /* one optimiser step */
    rj_tape judging; /* frozen: validation, F_0 */
    rj_net *net;     /* learns */
    rj_net *stage1;  /* F_0: stage 1's result, or NULL without stage 1 */
    rj_ready *ready; /* its encoder, made ready */
    rj_net *best;    /* parameters of the best validation check */
    int traces;      /* H; 0: none */
    float *trace;    /* (H,d) unit rows, or NULL */
    float *distance; /* as in a model, once rj_train_distance() found it */
    rj_standing at;
    rj_st_file saved; /* a checkpoint, until it is taken up */
    bool resumed;     /* there is one */
    bool damaged;     /* but its newest generation is not whole */
    rj_lock *lock;    /* that keeps other trainings off it */
    double kept_s;    /* when the last one was written, or the training began */
    /* validation views, judged as they are: views.c */
    int views;
    float *view;        /* (views,3,crop,crop) */
    int *view_label;    /* 0 real, 1 fake */
    double *cls, *prox; /* their scores, by the last rj_trainer_judge() */
    /* messages */
    rij_progress progress;
    double phase_start_s, told_s, loss_sum[4];
    int64_t phase_rows, phase_first; /* rows seen, the step it began with */
    int losses;
} rj_trainer;

rj_view_law rj_trainer_law(const rj_trainer *t);
/* Threads that make batches, beside the pool's: one for every four of those. They sleep
 * when they are ahead. */
int rj_trainer_workers(const rj_trainer *t);
/* Choose and make the validation views: up to 256 of each class, native and degraded. */
rij_status rj_trainer_views(rj_trainer *t);
/* Scores of all views by a net and the traces (NULL: S_prox is 0) into cls and prox, in
 * fp32, as the model will judge. */
rij_status rj_trainer_judge(rj_trainer *t, rj_net *net, const float *trace, int traces);
/* Begin a phase of `steps`; tell of a step with its losses (total, then parts), at most
 * four times a second but for the last one; tell a line. RIJ_E_CANCELLED as asked. */
/* train.c: threads, device and a net to begin with, by the resolved options; what it
 * holds when it ends, in success or failure. */
rij_status rj_trainer_open(rj_trainer *t);
void rj_trainer_free(rj_trainer *t);
void rj_trainer_phase(rj_trainer *t, const char *phase, int64_t steps);
rij_status rj_trainer_tell(rj_trainer *t, int64_t step, int rows, double rate,
                           const double loss[4], bool now);
rij_status rj_trainer_note(rj_trainer *t, const char *line);
/* resume.c: checkpoints; all do nothing without options.checkpoint. Before the data are
 * read: look whether one can be written; with options.resume read one, refuse other
 * options (RIJ_E_ARGUMENT), else refuse to write over one (RIJ_E_FILE). */
rij_status rj_trainer_open_checkpoint(rj_trainer *t);
/* Behind that: refuse other data (RIJ_E_DATA), else stand where it stood. */
rij_status rj_trainer_resume(rj_trainer *t);
/* Whether a checkpoint that was read is of this library, these options and this
 * processor's kernels: RIJ_E_MODEL, RIJ_E_ARGUMENT. */
rij_status rj_trainer_suits(const rj_trainer *t);
/* So many steps of the stage are done: write a checkpoint if it is time. */
rij_status rj_trainer_stands(rj_trainer *t, int64_t steps);
/* The training was told to stop, between two steps: write one. RIJ_E_CANCELLED, or why it
 * cannot be written. */
rij_status rj_trainer_cancelled(rj_trainer *t);

/* Stage 1 of the method, then natural traces T by spherical k-means; fills t->stage1,
 * t->ready, t->trace. Stage 2: fills t->best. */
rij_status rj_train_traces(rj_trainer *t);
/* The net as it is becomes F_0: fills t->stage1, t->ready. An empty t->best. */
rij_status rj_train_freeze(rj_trainer *t);
rij_status rj_train_best(rj_trainer *t);
/* z_hom of F_0 over a batch's rows, on the tape t->judging, which is reset before. */
rij_status rj_train_frozen(rj_trainer *t, const rj_batch *batch, rj_tensor **z);
rij_status rj_train_detector(rj_trainer *t);
/* Audit the data that t->data was opened from, tell what is found, join groups, align or
 * refuse; shortcuts.c. RIJ_E_DATA: refused. */
rij_status rj_trainer_audit(rj_trainer *t, const char *data);
/* Let images be recompressed when read, so that the history of JPEG does not tell their
 * labels; place[i] is sample i of the report among the training's, or -1. How many, and
 * what quantisation tells then. RIJ_E_MEMORY. align.c */
rij_status rj_align(rj_dataset *d, const rij_audit_report *r, const int *place,
                    uint64_t seed, int *changed, rij_audit_fact *left);
rij_status rj_allow_check(const char *list); /* RIJ_E_ARGUMENT */
/* What S_dist measures, on t->best: fills t->distance. distance.c */
rij_status rj_train_distance(rj_trainer *t);

/* Photographs that were kept out, as many as the options say, into a model that is ready;
 * exemplars.c; those that cannot be read again are passed over. */
rij_status rj_exemplars_gather(rj_trainer *t, rij_model *m);
/* Which these are: *n samples, `most` or as many as there are, in the data's order.
 * RIJ_E_MEMORY. */
rij_status rj_exemplars_choose(const rj_dataset *d, uint64_t seed, int most, int *sample,
                               int *n);

/* Entries card.* of a model's metadata, once it is trained and has its calibration; and
 * that of the calibration alone, once it is another. RIJ_E_MEMORY. card.c */
rij_status rj_card_write(const rj_trainer *t, rij_model *m);
rij_status rj_card_calibration(rij_model *m, const rj_calibration *c);

/* Spherical k-means: h unit rows of width d that are nearest to n given ones. The first
 * is drawn, each next one is the row farthest from those there (ties to the lowest row),
 * then 20 rounds of assignment and mean. kmeans.c */
rij_status rj_kmeans(int n, int d, const float *rows, int h, uint64_t seed,
                     float *centre);
/* Of n rows of width d: mean pairwise cosine, effective rank (exp of the entropy of the
 * singular values' shares; Roy and Vetterli 2007), smallest deviation of a dimension. */
rij_status rj_spread(int n, int d, const rj_real *rows, double *cosine, double *rank,
                     double *deviation);

#endif
