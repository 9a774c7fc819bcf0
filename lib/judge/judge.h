/* judge.h: the verbs of the public header, and what they share. */
#ifndef RJ_JUDGE_H
#define RJ_JUDGE_H

#include "data/data.h"
#include "model/model.h"

/* ---- metrics.c -------------------------------------------------------------------- */

/* Positive = fake (label 1), a higher score is more fake. Definitions in docs/math.md, as
 * scikit-learn computes them. weight may be NULL (all 1). All give NAN when a class is
 * missing; n may be 0. RIJ_E_DIVERGED: a score is not a number; RIJ_E_MEMORY. */
rij_status rj_metric_ap(int n, const double *score, const int *label,
                        const double *weight, double *ap);
rij_status rj_metric_auc(int n, const double *score, const int *label,
                         const double *weight, double *auc);
rij_status rj_metric_eer(int n, const double *score, const int *label, double *eer);
/* TPR at the smallest threshold t (generated: score > t) whose share of reals above is <=
 * fpr. */
rij_status rj_metric_tpr(int n, const double *score, const int *label, double fpr,
                         double *tpr);

/* ---- options.c -------------------------------------------------------------------- */

/* Resolved options as one line of JSON for a model's metadata, without what changes no
 * bit of the model (threads, cache). *json is freed with rj_free(). RIJ_E_MEMORY. */
rij_status rj_options_text(const rij_train_options *resolved, char **json);

/* ---- calibrate.c ------------------------------------------------------------------ */

/* S of method 3.5 by decision->by, from S_cls and S_prox; margin = a S + b. */
double rj_decision_s(const rj_decision *decision, double cls, double prox);
double rj_decision_margin(const rj_decision *decision, double cls, double prox);
/* Fit all of *decision but `by`, which is given, to n judged validation images: a > 0.
 * RIJ_E_DATA (a class is missing), RIJ_E_DIVERGED (a score is not finite), RIJ_E_MEMORY;
 * *decision is untouched then. */
rij_status rj_calibrate(int n, const double *cls, const double *prox, const int *label,
                        rj_decision *decision);

/* ---- predict.c -------------------------------------------------------------------- */

enum { RJ_JUDGE_BATCH = 16, RJ_COVER_MAX = 64 };
/* Corners of the crops that cover a picture of w x h, row by row: ceil(w / crop) columns,
 * the first at 0 and the last flush with the edge, rows likewise; the grid is thinned
 * along its denser side until RJ_COVER_MAX are left. Returns how many; 0,0 alone where
 * the picture is smaller than the crop. */
int rj_cover(int w, int h, int crop, int x[RJ_COVER_MAX], int y[RJ_COVER_MAX]);
/* What judges crops. */
typedef struct rj_jury {
    rj_net *net;
    const rj_ready *ready;   /* the net's encoder */
    const rj_tensor *traces; /* (H,d) unit rows, or NULL: then S_prox is 0 */
    int crop;
} rj_jury;
/* S_cls and S_prox of n crops, planar (n,3,crop,crop), RJ_JUDGE_BATCH at a time. The tape
 * must be frozen; it is reset before and after. Batch norm uses running statistics, so
 * the net may be one in training, made ready as it is now. RIJ_E_DIVERGED (an output is
 * not finite), RIJ_E_MEMORY, RIJ_E_DEVICE. */
rij_status rj_judge_planar(const rj_jury *j, rj_tape *tape, int n, const float *planar,
                           double *cls, double *prox);
/* The whole verdict. RIJ_E_MODEL: the network's output is not finite. */
rij_status rj_judge_image(const rij_model *m, rj_context *c, const rj_image *image,
                          rij_verdict *verdict);
/* Make the model ready, judge the self-test image and keep its margin: the last step
 * before saving. */
rij_status rj_model_seal(rij_model *m);

/* ---- evaluation.c ----------------------------------------------------------------- */

/* The figures of n judged samples: sample[i] of the data, where it is usable, has margin
 * margin[i * columns + c] under column c. Both classes must be there. RIJ_E_MEMORY. */
rij_status rj_evaluation_new(const rj_dataset *d, const rj_list *columns, int n,
                             const int *sample, const double *margin, int unusable,
                             rij_evaluation **out);

/* ---- training: train.c joins, traces.c stage 1, detector.c stage 2 ----------------- */

/* Everything a training holds. Made and freed by train.c; `net` learns. */
typedef struct rj_trainer {
    rij_train_options o; /* resolved */
    rj_pool *pool;
    rj_device *dev; /* of the options' precision */
    rj_dataset data;
    rj_cache *cache;
    rj_tape tape;    /* one optimiser step */
    rj_tape judging; /* frozen: validation, F_0 */
    rj_net *net;     /* learns */
    rj_net *stage1;  /* F_0: stage 1's result, or NULL without stage 1 */
    rj_ready *ready; /* its encoder, made ready */
    rj_net *best;    /* parameters of the best validation check */
    int traces;      /* H; 0: none */
    float *trace;    /* (H,d) unit rows, or NULL */
    /* validation views, judged as they are: views.c */
    int views;
    float *view;        /* (views,3,crop,crop) */
    int *view_label;    /* 0 real, 1 fake */
    double *cls, *prox; /* their scores, by the last rj_trainer_judge() */
    /* messages */
    rij_progress progress;
    double phase_start_s, told_s, loss_sum[4];
    int64_t phase_rows;
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
void rj_trainer_phase(rj_trainer *t, const char *phase, int64_t steps);
rij_status rj_trainer_tell(rj_trainer *t, int64_t step, int rows, double rate,
                           const double loss[4], bool now);
rij_status rj_trainer_note(rj_trainer *t, const char *line);
/* Stage 1 of the method, then natural traces T by spherical k-means; fills t->stage1,
 * t->ready, t->trace. Stage 2: fills t->best. */
rij_status rj_train_traces(rj_trainer *t);
/* z_hom of F_0 over a batch's rows, on the tape t->judging, which is reset before. */
rij_status rj_train_frozen(rj_trainer *t, const rj_batch *batch, rj_tensor **z);
rij_status rj_train_detector(rj_trainer *t);

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
