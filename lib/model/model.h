/* model.h: what is kept. The model file is safetensors: tensors as float32, and a
 * metadata map of strings that holds the rest (docs/model_file.md). */
#ifndef RJ_MODEL_H
#define RJ_MODEL_H

#include "net/net.h"

/* ---- safetensors.c: any file of named float32 tensors and strings
 * ------------------------------ */

typedef struct rj_st_tensor {
    char name[RJ_NAME_MAX];
    rj_shape shape; /* plain, rank 0..4 */
    float *x;       /* rj_count(shape) numbers, owned by the file */
} rj_st_tensor;

typedef struct rj_st_entry {
    char *key, *value;
} rj_st_entry;

typedef struct rj_st_file {
    rj_st_tensor *tensor;
    int tensors, tensors_room;
    rj_st_entry *entry;
    int entries, entries_room;
    bool sealed; /* read from a file whose hash was there and right, or made here */
} rj_st_file;

/* JSON (of jansson) as text by its flags, freed with rj_free(); NULL: no memory. */
struct json_t;
char *rj_json_text(const struct json_t *value, size_t flags);
/* x is copied. Names must be unique; numbers that are not finite are RIJ_E_ARGUMENT. */
rij_status rj_st_add(rj_st_file *f, const char *name, rj_shape shape, const float *x);
/* Set or replace an entry; both are copied. "hash" is kept for the file's own hash. Bytes
 * of the value that are not UTF-8 become '?', so that a strange path spoils no model. */
rij_status rj_st_set(rj_st_file *f, const char *key, const char *value);
const rj_st_tensor *rj_st_tensor_find(const rj_st_file *f,
                                      const char *name);       /* or NULL */
const char *rj_st_get(const rj_st_file *f, const char *key);   /* or NULL */
rij_status rj_st_write(const char *path, const rj_st_file *f); /* beside, sync, rename */
/* The digits the file would have: 16 of the header's hash, 16 of the data's. */
enum { RJ_SEAL = 32 };
rij_status rj_st_seal(const rj_st_file *f, char seal_digits[RJ_SEAL + 1]);
/* The whole file as bytes, freed with rj_free(); `name` is for the message. */
rij_status rj_st_bytes(const char *name, const rj_st_file *f, unsigned char **bytes,
                       size_t *n);
/* Everything is checked before it is used: header length, JSON, dtypes, offsets inside
 * the file, in order, without holes or overlap, finite numbers. RIJ_E_MODEL with the
 * reason. */
rij_status rj_st_read(const char *path, rj_st_file *f);
/* The same of bytes in memory; `name` is for the message. */
rij_status rj_st_parse(const char *name, const unsigned char *bytes, size_t n,
                       rj_st_file *f);
void rj_st_free(rj_st_file *f);

/* ---- device_tensor.c ----------------------------------------------------------------
 */

/* As rj_st_add(), of a device's numbers; and back, into numbers of this shape. `what` the
 * file is comes first in messages. RIJ_E_MODEL: no such tensor, another shape, or a
 * variance below 0. */
rij_status rj_st_take(rj_st_file *f, const char *name, rj_device *dev, rj_shape shape,
                      const rj_real *numbers);
rij_status rj_st_give(const char *what, const rj_st_file *f, const char *name,
                      rj_device *dev, const rj_shape *shape, rj_real *numbers);

/* ---- checkpoint.c -------------------------------------------------------------------
 */

/* Which of a parameter's numbers: its value, the optimiser's first and second memory. */
enum rj_part { RJ_PART_VALUE, RJ_PART_FIRST, RJ_PART_SECOND };
/* Of every parameter that has this part, under prefix and name; and back, where all that
 * there is must be in the file: each counts in *known. */
rij_status rj_params_to_file(const rj_params *s, enum rj_part part, const char *prefix,
                             rj_st_file *f);
rij_status rj_params_from_file(rj_params *s, enum rj_part part, const char *prefix,
                               const rj_st_file *f, int *known);
/* Write the newest generation, which gets entries of its own, and let the one before be
 * the older; or replace it, since it is damaged. RIJ_E_FILE: both stand as before. */
rij_status rj_checkpoint_write(const char *path, bool replace, rj_st_file *f);
/* Read the newest generation that is whole. Of the older one, and of none, `why` says
 * what is wrong with the newest. RIJ_E_MODEL: there are some, but none is whole;
 * RIJ_E_FILE. */
enum rj_generation { RJ_GENERATION_NONE, RJ_GENERATION_NEWEST, RJ_GENERATION_OLDER };
enum { RJ_WHY = 256 };
rij_status rj_checkpoint_read(const char *path, rj_st_file *f,
                              enum rj_generation *generation, char why[RJ_WHY]);
/* Whether a file is a checkpoint that this version reads; RIJ_E_MODEL. */
rij_status rj_checkpoint_check(const char *path, const rj_st_file *f);
rij_status
rj_checkpoint_vacant(const char *path); /* RIJ_E_FILE: some generation is there */
/* Keep every other training off this checkpoint until rj_lock_free(). RIJ_E_FILE: there
 * is one; RIJ_E_MEMORY. */
rij_status rj_checkpoint_lock(const char *path, rj_lock **lock);

/* ---- model.c, model_file.c
 * ------------------------------------------------------------------- */

enum rj_decide {
    RJ_DECIDE_CLASSIFIER,
    RJ_DECIDE_PROXIMITY,
    RJ_DECIDE_FUSED,
    RJ_DECIDE_DISTANCE, /* these two have S_dist in the place of S_prox */
    RJ_DECIDE_JOINT,
    RJ_DECIDES
};
extern const char *const rj_decide_names[RJ_DECIDES]; /* as in the options */

/* How S becomes a verdict (method 3.5). standard = (S_prox - prox_mean) / prox_deviation;
 * S = S_cls | standard | S_cls + kappa standard; margin = a S + b. By distance as by
 * proximity, joint as fused, with S_dist in the place of S_prox. */
enum { RJ_ALARM1, RJ_ALARM5, RJ_ALARMS };
typedef struct rj_decision {
    enum rj_decide by;
    double kappa, prox_mean, prox_deviation, a, b;
    double alarm[RJ_ALARMS]; /* margins above which 1 %, 5 % of the calibration reals lie;
                                NAN: not known */
} rj_decision;

/* A judged picture of the calibration, as it was or re-shipped (judge/conformal.c). */
typedef struct rj_calibration_row {
    int group; /* rows of one group lie together, in ascending order */
    float softness, margin;
} rj_calibration_row;
/* A photograph of the calibration as it was: the peak of its evidence map, -1 where it is
 * too small for one, and S_prox (judge/evidence.c). */
typedef struct rj_calibration_peak {
    int group; /* as in the rows */
    float peak, proximity;
} rj_calibration_peak;
enum { RJ_BUCKETS = 2 };
/* By label: photographs, generated images. */
typedef struct rj_calibration {
    int n[2], room[2];
    rj_calibration_row *row[2];
    int peaks, peaks_room; /* no peaks: an older file */
    rj_calibration_peak *peak;
    float edge[RJ_BUCKETS - 1]; /* of softness, ascending: a bucket begins at its edge;
                                   infinite: few photographs, one bucket */
    float softest; /* from this softness on photographs also count on their own; infinite:
                      never */
} rj_calibration;
/* To and from a file's tensors, calibration_file.c. A file may have none. */
rij_status rj_calibration_to_file(const rj_calibration *c, rj_st_file *f);
rij_status rj_calibration_from_file(const rj_st_file *f, rj_calibration *c, int *tensors);
int rj_calibration_buckets(const rj_calibration *c); /* that are in use */
void rj_calibration_free(rj_calibration *c);

enum { RJ_EXEMPLARS_MAX = 1024, RJ_ID_MAX = 1023 /* bytes */ };
/* Photographs that a training kept (judge/exemplars.c). */
typedef struct rj_exemplars {
    int n;
    float *z;  /* (n,d) unit rows, d the model's embedding */
    char **id; /* UTF-8 without control characters, 1..RJ_ID_MAX bytes */
} rj_exemplars;
/* Zeros, and no names yet. RIJ_E_MEMORY. */
rij_status rj_exemplars_new(int n, int d, rj_exemplars *e);
void rj_exemplars_free(rj_exemplars *e);
/* A copy in which what is no UTF-8, or would move a cursor, is '?'; NULL: no memory. */
char *rj_exemplar_id(const char *name);
/* To and from a file's tensor and entry, exemplar_file.c. A file may have none. */
rij_status rj_exemplars_to_file(const rj_exemplars *e, int d, rj_st_file *f);
rij_status rj_exemplars_from_file(const rj_st_file *f, int d, rj_exemplars *e,
                                  int *tensors);

/* Scratch of one prediction: a device, a tape. Taken from and given back to a locked list
 * inside the model, so a const model serves any number of threads. */
typedef struct rj_context {
    struct rj_context *next;
    rj_device *dev;
    rj_tape tape;
} rj_context;

enum { RJ_SELFTEST_SIDE = 64, RJ_COVER_MAX = 64 };

struct rij_model {
    rj_pool *pool;
    char device[16];
    rj_device *dev; /* owns nothing but scratch for building; parameters live in net */
    rj_net *net;    /* frozen */
    rj_cage *cage;  /* where image files are decoded; NULL: in this process */
    enum rj_precision precision; /* that it judges in */
    rj_ready *ready;             /* the net's encoder, made ready in it; NULL: not yet */
    int crop;                    /* native window, pixels */
    int most_crops;              /* of an image, 1..RJ_COVER_MAX */
    int traces, embedding;
    rj_tensor *trace; /* (H,d) unit rows in trace_arena, or NULL when H = 0 */
    rj_arena trace_arena;
    float *distance; /* (2, rj_net_seen()) photographs' mean, then the direction in which
                        S_dist grows; NULL: the decision wants none */
    rj_decision decision;
    rj_calibration calibration; /* no rows: none */
    rj_exemplars exemplars;
    rj_st_file about;       /* metadata as written: options, data hash, figures */
    double selftest_margin; /* of `selftest`, as judged when the model was made */
    uint8_t selftest[RJ_SELFTEST_SIDE * RJ_SELFTEST_SIDE * 3]; /* RGB rows */
    struct rj_context_list *contexts; /* locked list, context.c */
};

/* The image of the self-test: smoothed noise on ramps, the same on every machine. */
void rj_model_selftest_pixels(uint8_t rgb[RJ_SELFTEST_SIDE * RJ_SELFTEST_SIDE * 3]);
/* An empty model: pool, device, frozen net of this config, no traces, the identity as
 * decision, the self-test image with margin 0. Used by training and opening. */
rij_status rj_model_new(const rj_net_config *config, const char *device, int threads,
                        int crop, rij_model **model);
/* Unit rows (traces, d), d the embedding; 0 takes them away. */
rij_status rj_model_set_traces(rij_model *m, int traces, int d, const float *rows);
/* 2 n finite numbers, n = rj_net_seen(); they are copied. */
rij_status rj_model_set_distance(rij_model *m, const float *distance);
/* Make the encoder ready to judge batches of about `batch` crops in this precision: once
 * the parameters are all there. What was ready before goes only when the new is. */
rij_status rj_model_prepare(rij_model *m, enum rj_precision precision, int batch);
/* model <-> file; open also replays the self-test through `judge` (judge/predict.c). */
rij_status rj_model_to_file(const rij_model *m, rj_st_file *f);
rij_status rj_model_from_file(const rj_st_file *f, const char *device, int threads,
                              rij_model **model);
/* context.c */
rij_status rj_contexts_new(struct rj_context_list **list);
void rj_contexts_free(struct rj_context_list *list);
rij_status rj_context_take(const rij_model *m, rj_context **context);
void rj_context_give(const rij_model *m, rj_context *context);

#endif
