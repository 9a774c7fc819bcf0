/* data.h: from files to batches of views. Pixels only: nothing downstream sees a name, a
 * format or a size. Knows no tensors: a batch is plain host numbers. */
#ifndef RJ_DATA_H
#define RJ_DATA_H

#include "base/base.h"
#include <stdatomic.h>

/* ---- pixels: image.c, decode.c, png.c, jpeg.c, webp.c, avif.c, heif.c ---------------
 */

/* 8-bit RGB, rows tight. Owns its pixels. */
typedef struct rj_image {
    int w, h;
    uint8_t *rgb;
} rj_image;

/* The nearest of 0..255. */
static inline uint8_t rj_rounded(float v)
{
    return (uint8_t)(int)((v < 0 ? 0 : v > 255 ? 255 : v) + 0.5f);
}

typedef struct rj_limits { /* checked before anything is allocated */
    size_t bytes;          /* of a file (256 MiB) */
    int side_min;          /* pixels (8) */
    int side_max;          /* pixels (16384) */
    int64_t pixels;        /* at most (100 million) */
    rj_cage *cage;         /* where it is decoded; NULL: in this process */
} rj_limits;
extern const rj_limits rj_default_limits;
/* The default ones, in a cage; NULL: in this process. */
rj_limits rj_limits_in(rj_cage *cage);
/* RIJ_E_IMAGE with sides and limit in words, such as "1 x 20000 pixels: a side may .." */
rij_status rj_limits_check(const rj_limits *limits, int64_t w, int64_t h);

rij_status rj_image_new(int w, int h, rj_image *out);
void rj_image_free(rj_image *image); /* leaves it empty */
rij_status rj_image_copy(const rj_image *image, rj_image *out);
/* Window at (x,y); the part outside is reflected (edge pixel not repeated). */
rij_status rj_image_crop(const rj_image *image, int x, int y, int w, int h,
                         rj_image *out);
/* EXIF orientation 1..8 undone: the picture upright. */
rij_status rj_image_orient(const rj_image *image, int orientation, rj_image *out);
/* (3,h,w) planar numbers, (value - 127.5) / 127.5. */
void rj_image_planar(const rj_image *image, float *planar);
/* The same of a window that lies inside, turned left to right if asked. */
void rj_image_planar_of(const rj_image *image, int x, int y, int w, int h, bool flip,
                        float *planar);

enum rj_format {
    RJ_FORMAT_UNKNOWN,
    RJ_FORMAT_PNG,
    RJ_FORMAT_JPEG,
    RJ_FORMAT_WEBP,
    RJ_FORMAT_AVIF,
    RJ_FORMAT_HEIF
};
enum rj_format rj_format_of(const uint8_t *bytes, size_t n); /* by content */
/* By content, upright. RIJ_E_IMAGE with the reason; RIJ_E_MEMORY. */
rij_status rj_image_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                           rj_image *out);
/* A cage for limits.cage, and decoding in it; isolate.c. RIJ_E_DEVICE: no process could
 * be had. A decoder that dies, hangs or is stopped is RIJ_E_IMAGE. */
rij_status rj_isolate_new(rj_cage **cage);
rij_status rj_isolate_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                             rj_image *out);
/* Read and decode a file; messages name it. */
rij_status rj_image_read(const char *path, const rj_limits *limits, rj_image *out);
/* By the default limits, decoded in a cage; NULL: in this process. */
rij_status rj_image_read_in(rj_cage *cage, const char *path, rj_image *out);
rij_status rj_image_write_png(const char *path,
                              const rj_image *image); /* beside, sync, rename */

/* Four bytes as PNG and ISO files have them. */
static inline uint32_t rj_big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
/* the codecs, for decode.c */
rij_status rj_png_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                         rj_image *out);
rij_status rj_png_encode(const rj_image *image, uint8_t **bytes,
                         size_t *n); /* rj_free() */
rij_status rj_jpeg_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                          rj_image *out);
rij_status rj_jpeg_encode(const rj_image *image, int quality, uint8_t **bytes, size_t *n);
/* A segment of a JPEG before its scan, and the next one: *at begins at 2. False: none is
 * left, or what is there is no segment. */
typedef struct rj_segment {
    uint8_t marker;
    const uint8_t *bytes; /* behind the length */
    size_t n;
} rj_segment;
bool rj_jpeg_segment(const uint8_t *jpeg, size_t n, size_t *at, rj_segment *segment);
/* 1..8; 1 when absent or absurd: of a JPEG, and of the TIFF that an Exif block holds. */
int rj_exif_orientation(const uint8_t *jpeg, size_t n);
int rj_tiff_orientation(const uint8_t *tiff, size_t n);
/* As stored, and how it is to be turned; of HEIF upright. A build without the library for
 * one of these refuses in words. */
rij_status rj_avif_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                          rj_image *out, int *orientation);
rij_status rj_heif_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                          rj_image *out);
rij_status rj_webp_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                          rj_image *out, int *orientation);
/* A chunk of a WebP, and the next one: *at begins at 12. False: none is left, or it does
 * not lie within the file. */
typedef struct rj_chunk {
    const char *name; /* four letters */
    const uint8_t *bytes;
    size_t n;
} rj_chunk;
bool rj_webp_chunk(const uint8_t *webp, size_t n, size_t *at, rj_chunk *chunk);

/* What a file says besides its pixels, facts.c. Hashes are 0 where there is nothing. */
typedef struct rj_facts {
    int64_t bytes;
    int w, h; /* upright */
    enum rj_format format;
    uint64_t quantisation; /* of a JPEG's tables, and how its colours are sampled */
    int quality; /* of a JPEG: the standard one whose luma table is nearest, 1..100 */
    uint64_t metadata; /* names and order of segments or chunks; a PNG's kind of pixel; a
                          WebP's chunks tell whether it is lossless */
} rj_facts;
/* All but the sides, whatever the bytes are. */
void rj_facts_of(const uint8_t *bytes, size_t n, rj_facts *facts);
/* The quantisation of what rj_degrade_jpeg() recompresses. RIJ_E_MEMORY. */
rij_status rj_facts_recompressed(int quality, uint64_t *quantisation);
/* They, and the picture. RIJ_E_FILE, RIJ_E_IMAGE, RIJ_E_MEMORY, which name the file. */
rij_status rj_facts_read(const char *path, const rj_limits *limits, rj_facts *facts,
                         rj_image *image);

/* ---- degradations: augment.c, resample.c ------------------------------------------- */
/* Pure functions; sizes in and out are equal; both classes get the same law. */

rij_status rj_degrade_jpeg(const rj_image *image, int quality, rj_image *out); /* 4:2:0 */
rij_status rj_degrade_blur(const rj_image *image, double sigma, rj_image *out);
rij_status rj_degrade_noise(const rj_image *image, double deviation, rj_random *r,
                            rj_image *out);
/* Down to factor x size by an area-correct triangle filter, and back up to the size. */
rij_status rj_degrade_resize(const rj_image *image, double factor, rj_image *out);
/* Any size by a filter with half-pixel centres, widened when shrinking. */
enum rj_filter { RJ_BOX, RJ_TRIANGLE, RJ_CUBIC, RJ_LANCZOS, RJ_FILTERS };
rij_status rj_image_resample(const rj_image *image, int w, int h, enum rj_filter by,
                             rj_image *out);
/* The same by the triangle. */
rij_status rj_image_resize(const rj_image *image, int w, int h, rj_image *out);

enum rj_degradation {
    RJ_DEGRADE_JPEG,
    RJ_DEGRADE_BLUR,
    RJ_DEGRADE_NOISE,
    RJ_DEGRADE_RESIZE,
    RJ_DEGRADATIONS
};
typedef struct rj_law {
    double share;           /* of views degraded at all */
    int jpeg_min, jpeg_max; /* uniform in these ranges */
    double blur_max;        /* from 0.2 */
    double noise_max;       /* from 0 */
    double resize_min;      /* to 1 */
    bool chain; /* several behind each other, by chance; else one of the four */
} rj_law;
/* Draws from *r whether and how, then does it. What is drawn never looks at the image, so
 * two images given the same stream are degraded alike. */
rij_status rj_degrade(const rj_image *image, const rj_law *law, rj_random *r,
                      rj_image *out);
/* The same, but *out is left empty, without pixels, where nothing is to be done. */
rij_status rj_degrade_or_not(const rj_image *image, const rj_law *law, rj_random *r,
                             rj_image *out);

/* ---- fixed operators: operators.c ----------------------------------------------------
 */
/* What decoders do to pixels: halve and enlarge again (or denoise), then restore the
 * energy of the finest band so that softness alone does not tell. Sizes stay. */
enum rj_operator {
    RJ_OPERATOR_NEAREST,
    RJ_OPERATOR_BILINEAR,
    RJ_OPERATOR_BICUBIC,
    RJ_OPERATOR_ZERO,
    RJ_OPERATOR_MEDIAN,
    RJ_OPERATORS
};
extern const char *const rj_operator_names[RJ_OPERATORS]; /* "fixed-nearest", .. */
rij_status rj_operate(const rj_image *image, enum rj_operator which, rj_random *r,
                      rj_image *out);
/* A photograph through fewer pixels and back, its detail put back softly or invented, the
 * usual child of a photograph in training; remake.c. */
rij_status rj_remake(const rj_image *image, rj_random *r, rj_image *out);
rij_status rj_image_sharpen(rj_image *image, float f); /* sharpen.c */
/* out = share a + (1 - share) b, rounded; same sizes. */
rij_status rj_image_blend(const rj_image *a, const rj_image *b, double share,
                          rj_image *out);

/* ---- data sets: dataset.c, manifest.c, tree.c, cache.c ---------------------------- */

enum { RJ_REAL_LABEL = 0, RJ_FAKE_LABEL = 1 };

typedef struct rj_sample {
    char *path;       /* as opened */
    const char *name; /* its end, as the manifest has it, or below the tree's folder */
    char *source;     /* of the manifest's column source, or NULL */
    int label;        /* 0 real, 1 fake */
    int generator;    /* index into generator[]; -1 for reals */
    uint64_t group;   /* hash of the group's name, or of the path where there is none */
    uint64_t split;   /* hash of the split's name; 0: none */
    char *split_name; /* of the manifest's column split, or NULL */
    int parent;       /* sample index of the real it was made from, or -1 */
    bool validation;  /* kept out of training */
    bool usable;      /* false once it could not be decoded */
    int quality; /* JPEG quality that it is recompressed at when it is read; 0: none */
    double softness; /* of its pixels as they are read, once they were checked */
    int draws;       /* times that it comes in an epoch of batches; 0 counts as 1 */
} rj_sample;

typedef struct rj_dataset {
    rj_sample *sample; /* order: as in the manifest, or by sorted path */
    int n, room;
    char **generator; /* sorted names */
    int generators, generators_room;
    rj_cage *cage;      /* where its files are decoded; borrowed; NULL: in this process */
    uint64_t hash;      /* of labels, generators, groups and relative paths, in order */
    uint64_t real_hash; /* the same of a data set without the fakes */
} rj_dataset;

/* A manifest (a file) or a folder tree, as rij_train() documents. split NULL: all rows.
 * RIJ_E_FILE, RIJ_E_DATA (column missing, bad label (with line number), no rows, a group
 * in two splits of the manifest), RIJ_E_MEMORY. */
rij_status rj_dataset_open(const char *data, const char *split, rj_dataset *out);
void rj_dataset_free(rj_dataset *d);
/* Forget the fakes: it becomes the data set of a manifest that does not list them. */
void rj_dataset_keep_reals(rj_dataset *d);
int rj_dataset_count(const rj_dataset *d, int label, bool validation); /* usable ones */
rij_status rj_dataset_groups(const rj_dataset *d, int label, int *groups); /* of these */
/* Keep `share` of the groups, by hash of (seed, group), for validation; at least one
 * group of each label that is present with two groups or more, and never all of them. A
 * group never parts. RIJ_E_MEMORY: nothing has changed. */
rij_status rj_dataset_hold_out(rj_dataset *d, double share, uint64_t seed);
void rj_dataset_shuffle_labels(rj_dataset *d,
                               uint64_t seed); /* permutes labels; parents forgotten */

/* For the two readers. rj_dataset_add() appends one sample (path as opened, relative as
 * hashed; generator NULL: a real), rj_dataset_finish() sorts the generators. */
rij_status rj_manifest_read(const char *path, const char *split, rj_dataset *d);
rij_status rj_tree_read(const char *folder, rj_dataset *d);
rij_status rj_dataset_add(rj_dataset *d, const char *path, const char *relative,
                          const char *generator, uint64_t group);
void rj_dataset_finish(rj_dataset *d);
/* Cut the next piece of *at off at a separator, or the next line, without a carriage
 * return at its end; the separator becomes a zero. NULL at the end. */
char *rj_next_piece(char **at, char separator);
char *rj_next_line(char **at);
/* Finding a name's index among many. Equal names: the lowest index is found. */
typedef struct rj_name {
    const char *text;
    int index;
} rj_name;
void rj_names_sort(rj_name *names, int n);
int rj_names_find(const rj_name *names, int n, const char *text); /* -1: none */

/* Decoded images, kept up to a limit of bytes; any number of threads. */
typedef struct rj_cache rj_cache;
rij_status rj_cache_new(const rj_dataset *d, int64_t bytes, rj_cache **out);
void rj_cache_free(rj_cache *c);
/* A borrowed image valid until rj_cache_release(); decoded now if it was not kept. */
rij_status rj_cache_take(rj_cache *c, int sample, const rj_image **image);
void rj_cache_release(rj_cache *c, int sample, const rj_image *image);
/* Decode every sample once on the pool; mark those that fail as not usable and tell
 * `note` "path: reason", in sample order. RIJ_E_CANCELLED if note returns nonzero. In
 * between `looked` hears how many were looked at, the last time excepted, and what it
 * returns but RIJ_OK ends the check. Either may be NULL. Each sample's softness is
 * measured too. */
typedef int (*rj_note)(const char *line, void *user);
typedef rij_status (*rj_looked)(int n, void *user);
rij_status rj_dataset_check(rj_dataset *d, rj_cache *c, rj_pool *pool, rj_note note,
                            rj_looked looked, void *user);

/* How soft a picture is: softness.c. RIJ_E_MEMORY. */
rij_status rj_softness(const rj_image *image, double *softness);
/* The same, INFINITY of a middle that shows no detail, such as a blown sky: whether that
 * is sharp nobody can say. What a check measures. */
rij_status rj_softness_shown(const rj_image *image, double *softness);
/* The sharpest quarter of the photographs that train, rounded down, comes `times` times
 * in an epoch, but none without detail, stored children as often as their parents, all
 * else once; by the softness of a check, ties by place. RIJ_E_MEMORY. */
rij_status rj_dataset_draw_sharp(rj_dataset *d, int times);

/* ---- batches: view.c, mix.c, batch.c ---------------------------------------------- */

typedef struct rj_view_law {
    int crop; /* side of the native window; smaller images are reflected out */
    rj_law degrade;
    double forged;   /* share of fakes that are forged children of the batch's reals */
    double blended;  /* share of forged children blended with their parent */
    double operated; /* share of forged children that are remade although there is a
                        stored child */
} rj_view_law;

/* Where a view lies: a window up to crop + 32 pixels, which is degraded as a whole, and
 * the crop within it, so that the grid of JPEG blocks starts anywhere. */
typedef struct rj_place {
    int x, y, w, h; /* the window; reaching out of a small image */
    int crop_x, crop_y, crop;
    bool flip;
} rj_place;
/* The same five draws for any size, so pictures of one size get the same place. */
rj_place rj_place_draw(int w, int h, int crop, rj_random *r);
/* Degrade a window by the stream, cut, flip, and write (3,crop,crop) numbers. The window
 * is place->w by place->h, and no degradation changes that. */
rij_status rj_view_write(const rj_image *window, const rj_place *place, const rj_law *law,
                         rj_random degrade, float *planar);

enum rj_batch_kind {
    RJ_BATCH_REAL,  /* reals only, two views each, then trace-broken views of them */
    RJ_BATCH_MIXED, /* half reals, half fakes, two views each */
};

/* Rows: view 0 of images 0..n-1, view 1 of them, then `broken` trace-broken views. In a
 * mixed batch images 0..n/2-1 are real and n/2..n-1 fake; fake n/2+i is, with probability
 * law.forged, made from real i: its stored child if the data has one of equal size
 * (parent column; of several, any) and chance, law.operated, does not prefer a remade
 * one, else remade; both get the same window, flip and degradation in
 * either view. Otherwise it is any stored fake, with a window of
 * its own but real i's degradation draw. Without stored fakes all are forged.
 * Trace-broken row 2n+i is made from real view i (at most as many as there are real
 * views). */
typedef struct rj_batch {
    int rows, crop;
    float *x;       /* (rows,3,crop,crop) planar, as rj_image_planar() */
    rj_real *label; /* rows: 0 real, 1 fake, 2 trace-broken */
    rj_real *pair;  /* rows: row of the other view, -1 for broken ones */
    int *sample;    /* rows: sample index, -1 for forged on the fly */
    int64_t step;
} rj_batch;

/* What batch t holds, for batch.c: a pure function of (seed, kind, t). A walk remembers
 * the order of the epoch it was last in; each thread at work on a batch has its own. */
typedef struct rj_mix rj_mix;
typedef struct rj_walk {
    int *order[2]; /* by label */
    int64_t epoch[2];
} rj_walk;
rij_status rj_mix_new(const rj_dataset *d, rj_cache *cache, enum rj_batch_kind kind,
                      const rj_view_law *law, int images, int broken, uint64_t seed,
                      rj_mix **out);
void rj_mix_free(rj_mix *m);
rij_status rj_walk_new(const rj_mix *m, rj_walk *out);
void rj_walk_free(rj_walk *w);
rij_status rj_mix_batch_new(const rj_mix *m, rj_batch *out); /* room for one batch */
void rj_mix_batch_free(rj_batch *batch);
/* Fill it. Ends early, with RIJ_E_CANCELLED, soon after *stop is set. */
rij_status rj_mix_fill(const rj_mix *m, int64_t t, const atomic_bool *stop, rj_walk *w,
                       rj_batch *batch);

typedef struct rj_batcher rj_batcher;
/* Batches number first, first + 1, .. of (seed, kind): the content of batch t depends on
 * nothing else, whatever `workers` (0..16; 0: made in the caller's thread when asked)
 * there are and however fast they are. Each class is walked through in a shuffled order
 * per epoch; validation and unusable samples are left out. */
rij_status rj_batcher_new(const rj_dataset *d, rj_cache *cache, enum rj_batch_kind kind,
                          const rj_view_law *law, int images, int broken, uint64_t seed,
                          int64_t first, int workers, rj_batcher **out);
/* The next batch; borrowed until the next call. */
rij_status rj_batcher_next(rj_batcher *b, const rj_batch **batch);
/* So far: seconds that rj_batcher_next() took to come back, and seconds of processors
 * that went into batches, the caller's included. */
void rj_batcher_times(rj_batcher *b, double *waited_s, double *worked_s);
void rj_batcher_free(rj_batcher *b);

#endif
