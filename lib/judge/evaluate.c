/* evaluate.c: rij_evaluate(): a data set judged under one or more columns.
 *
 *     images, in chunks -> read, degrade by every column, ship on if answers are asked
 *                          for by the strip, cut the covering crops (pool)
 *                       -> judge the crops, RJ_JUDGE_BATCH at a time, across images
 *                       -> a margin and an answer per image and column -> figures
 *                          (evaluation.c)
 *
 * The whole image is degraded, then cut, as a picture that went through the web would be;
 * both classes alike (columns.c). Chunks depend on the crop, the columns and the strip
 * only, so no figure depends on the number of threads. */
#include "judge/judge.h"
#include <stdio.h>
#include <string.h>

enum { CHUNK = 32, CHUNK_BYTES = 256 << 20, REASON = 256, MIN_FAKES = 40 };

/* One image under one column, as it is or shipped on. */
typedef struct shot {
    rj_image *crop;
    int crops;
    double cls, prox; /* sums over the crops judged so far */
    double softness;
} shot;

typedef struct run {
    const rij_model *m;
    const rij_evaluate_options *o;
    rj_context *context;
    rj_selection s;
    int images;         /* to judge */
    double *margin;     /* (images, columns) */
    rij_answer *answer; /* the same, or NULL without calibration */
    rij_answer *alone;  /* (images, columns, ways), or NULL without the strip */
    double level;       /* of answers */
    int ways;           /* shots of an image under a column: 1, with the strip 7 */
    int unusable;
    /* one chunk */
    int room;               /* images that a chunk holds at most */
    int first, chunk;       /* images first .. first + chunk - 1 are in it */
    shot *shot;             /* (room, columns, ways) */
    char (*reason)[REASON]; /* (room) why not usable, or "" */
    float *planar;          /* (RJ_JUDGE_BATCH, 3, crop, crop) */
    rj_teller tell;
} run;

/* ---- read, degrade, cut ----------------------------------------------------------- */

/* As many images at a time as their crops fit in CHUNK_BYTES, were all of them large. */
static rij_status make_room(run *r)
{
    const size_t crop = 3 * (size_t)r->m->crop * (size_t)r->m->crop;
    const size_t columns = (size_t)r->s.columns.n;
    const size_t shots = columns * (size_t)r->ways;
    const size_t fit = (size_t)CHUNK_BYTES / (crop * RJ_COVER_MAX * shots);
    const size_t room = RJ_MAX(1, RJ_MIN(fit, (size_t)CHUNK));

    r->room = (int)room;
    r->margin = rj_alloc((size_t)r->images * columns, sizeof *r->margin);
    r->shot = rj_alloc(room * shots, sizeof *r->shot);
    r->reason = rj_alloc(room, sizeof *r->reason);
    r->planar = rj_alloc(RJ_JUDGE_BATCH * crop, sizeof *r->planar);
    if (r->m->calibration.n[RJ_REAL_LABEL] > 0)
        r->answer = rj_alloc((size_t)r->images * columns, sizeof *r->answer);
    if (r->o->strip)
        r->alone = rj_alloc((size_t)r->images * shots, sizeof *r->alone);
    RJ_REQUIRE(r->margin && r->shot && r->reason && r->planar &&
                   (r->answer || r->m->calibration.n[RJ_REAL_LABEL] == 0) &&
                   (r->alone || !r->o->strip),
               RIJ_E_MEMORY, "evaluate: no memory for %zu images at a time", room);
    return RIJ_OK;
}

/* Softness, where answers need it, and crops. */
static rij_status cut(const run *r, const rj_image *image, shot *s)
{
    int x[RJ_COVER_MAX], y[RJ_COVER_MAX];
    const int n = rj_cover(image->w, image->h, r->m->crop, r->m->most_crops, x, y);

    s->crop = rj_alloc((size_t)n, sizeof *s->crop);
    RJ_REQUIRE(s->crop, RIJ_E_MEMORY, "evaluate: no memory");
    s->crops = n;
    if (r->answer)
        RJ_TRY(rj_softness(image, &s->softness));
    for (int i = 0; i < n; i++)
        RJ_TRY(rj_image_crop(image, x[i], y[i], r->m->crop, r->m->crop, &s->crop[i]));
    return RIJ_OK;
}

static void drop(shot *s)
{
    for (int i = 0; i < s->crops; i++)
        rj_image_free(&s->crop[i]);
    rj_free(s->crop);
    *s = (shot){0};
}

/* An image under a column, cut as it is and, with the strip, shipped on. */
static rij_status cut_ways(const run *r, const rj_image *seen, shot *s)
{
    RJ_TRY(cut(r, seen, &s[0]));
    for (int w = 1; w < r->ways; w++) {
        rj_image shipped = {0};
        rij_status status = rj_ship(w - 1, seen, &shipped);

        if (status == RIJ_OK)
            status = cut(r, &shipped, &s[w]);
        rj_image_free(&shipped);
        RJ_TRY(status);
    }
    return RIJ_OK;
}

/* Piece `index`: one image of the chunk under every column. An image that cannot be used
 * is no failure: its reason is kept, to be told in the data's order. */
static rij_status prepare(void *job, int index, int worker)
{
    run *r = job;
    const int sample = r->s.image[r->first + index];
    rj_image image = {0};
    rij_status status =
        rj_image_read_in(r->m->cage, r->s.data.sample[sample].path, &image);

    (void)worker;
    if (status == RIJ_E_IMAGE || status == RIJ_E_FILE) {
        snprintf(r->reason[index], REASON, "%s", rij_last_error());
        return RIJ_OK;
    }
    for (int c = 0; c < r->s.columns.n && status == RIJ_OK; c++) {
        rj_image seen = {0};

        status = rj_column_apply(&r->s.column[c], &image, r->o->seed, sample, &seen);
        if (status == RIJ_OK)
            status = cut_ways(r, &seen, &r->shot[(index * r->s.columns.n + c) * r->ways]);
        rj_image_free(&seen);
    }
    rj_image_free(&image);
    return status;
}

/* ---- judge ------------------------------------------------------------------------ */

/* The crops of up to RJ_JUDGE_BATCH places from (*s, *k) on, in order of shots. */
typedef struct batch {
    int n;
    shot *of[RJ_JUDGE_BATCH];
    double cls[RJ_JUDGE_BATCH], prox[RJ_JUDGE_BATCH];
} batch;

static void gather(run *r, int shots, int *s, int *k, batch *b)
{
    const size_t each = 3 * (size_t)r->m->crop * (size_t)r->m->crop;

    b->n = 0;
    while (*s < shots && b->n < RJ_JUDGE_BATCH) {
        shot *now = &r->shot[*s];

        if (*k < now->crops) {
            rj_image_planar(&now->crop[*k], r->planar + (size_t)b->n * each);
            b->of[b->n++] = now;
            ++*k;
        } else {
            ++*s;
            *k = 0;
        }
    }
}

static rij_status judge_chunk(run *r)
{
    const rj_jury jury = {r->m->net, r->m->ready, r->m->trace, r->m->crop,
                          r->m->distance};
    const int each = r->s.columns.n * r->ways, shots = r->chunk * each;
    int s = 0, k = 0;
    batch b;

    for (gather(r, shots, &s, &k, &b); b.n; gather(r, shots, &s, &k, &b)) {
        const rij_status status =
            rj_judge_planar(&jury, &r->context->tape, b.n, r->planar, b.cls, b.prox);

        RJ_REQUIRE(status != RIJ_E_DIVERGED, RIJ_E_MODEL,
                   "evaluate: the model's numbers overflow on these images");
        RJ_TRY(status);
        for (int i = 0; i < b.n; i++) {
            b.of[i]->cls += b.cls[i] / b.of[i]->crops;
            b.of[i]->prox += b.prox[i] / b.of[i]->crops;
        }
        if (s < shots)
            RJ_TRY(rj_teller_step(&r->tell, r->first + s / each));
    }
    return RIJ_OK;
}

/* The margin and answer of place `at`, an image under a column, by its ways; they are
 * emptied. Unsure where rij_examine() would refuse. */
static void decide(run *r, shot *s, size_t at)
{
    rij_answer alone[RIJ_SHIPPINGS + 1] = {RIJ_ANSWER_UNSURE};

    for (int w = 0; w < r->ways; w++) {
        const double margin = rj_decision_margin(&r->m->decision, s[w].cls, s[w].prox);

        if (w == 0)
            r->margin[at] = margin;
        if (r->answer)
            alone[w] = rj_calibrated_answer(&r->m->calibration, s[w].softness, margin,
                                            r->level, w > 0);
        drop(&s[w]);
    }
    if (r->answer)
        r->answer[at] = rj_strip_answer(r->ways, alone, NULL);
    for (int w = 0; r->alone && w < r->ways; w++)
        r->alone[at * (size_t)r->ways + (size_t)w] = alone[w];
}

/* Notes, margins; the shots are empty afterwards. */
static rij_status finish_chunk(run *r)
{
    for (int i = 0; i < r->chunk; i++) {
        rj_sample *sample = &r->s.data.sample[r->s.image[r->first + i]];

        if (r->reason[i][0]) {
            sample->usable = false;
            r->unusable++;
            r->tell.step = r->first + i;
            RJ_TRY(rj_teller_note(&r->tell, r->reason[i]));
            r->reason[i][0] = 0;
        }
        for (int c = 0; c < r->s.columns.n; c++)
            decide(r, &r->shot[(i * r->s.columns.n + c) * r->ways],
                   (size_t)(r->first + i) * (size_t)r->s.columns.n + (size_t)c);
    }
    return rj_teller_step(&r->tell, r->first + r->chunk);
}

static rij_status judge_all(run *r)
{
    r->tell = (rj_teller){.progress = r->o->progress, .user = r->o->user};
    rj_teller_phase(&r->tell, "evaluate", r->images);
    for (r->first = 0; r->first < r->images; r->first += r->room) {
        r->chunk = RJ_MIN(r->room, r->images - r->first);
        RJ_TRY(rj_parallel_for(r->m->pool, r->chunk, prepare, r));
        RJ_TRY(judge_chunk(r));
        RJ_TRY(finish_chunk(r));
    }
    return rj_selection_check(&r->s, "usable ");
}

/* ---- the public header ------------------------------------------------------------ */

static void run_free(run *r)
{
    for (int i = 0; r->shot && i < r->room * r->s.columns.n * r->ways; i++)
        drop(&r->shot[i]);
    rj_free(r->shot);
    rj_free(r->reason);
    rj_free(r->planar);
    rj_free(r->margin);
    rj_free(r->answer);
    rj_free(r->alone);
    rj_context_give(r->m, r->context);
    rj_selection_free(&r->s);
}

static rij_status check_options(const rij_model *m, const rij_evaluate_options *o)
{
    RJ_REQUIRE(o->size == sizeof *o, RIJ_E_ARGUMENT,
               "rij_evaluate: options.size is %zu, not %zu; start with "
               "RIJ_EVALUATE_OPTIONS_INIT",
               o->size, sizeof *o);
    RJ_REQUIRE(o->min_fakes >= 0, RIJ_E_ARGUMENT,
               "rij_evaluate: min_fakes is %d, not from 1 (0: %d)", o->min_fakes,
               MIN_FAKES);
    RJ_REQUIRE(!o->strip || m->calibration.n[RJ_REAL_LABEL] > 0, RIJ_E_DATA,
               "rij_evaluate: the model has no calibration to answer by");
    RJ_REQUIRE(!o->pairs || !o->shuffle_labels, RIJ_E_ARGUMENT,
               "rij_evaluate: pairs and shuffle_labels do not go together");
    return RIJ_OK;
}

static rij_status compute(const run *r, rij_evaluation **evaluation)
{
    const rj_judged judged = {.d = &r->s.data,
                              .columns = &r->s.columns,
                              .n = r->images,
                              .sample = r->s.image,
                              .margin = r->margin,
                              .answer = r->answer,
                              .alone = r->alone,
                              .pair = r->s.pair,
                              .decision = &r->m->decision,
                              .pool = r->m->pool,
                              .seed = r->o->seed,
                              .map_fakes = r->o->min_fakes ? r->o->min_fakes : MIN_FAKES,
                              .unusable = r->unusable,
                              .level = r->level,
                              .shuffled = r->o->shuffle_labels != 0};

    return rj_evaluation_new(&judged, evaluation);
}

RIJ_API rij_status rij_evaluate(const rij_model *model, const char *data,
                                const rij_evaluate_options *options,
                                rij_evaluation **evaluation)
{
    const rij_evaluate_options usual = RIJ_EVALUATE_OPTIONS_INIT;
    run r = {.m = model, .o = options ? options : &usual};
    rij_status status;

    RJ_REQUIRE(evaluation, RIJ_E_ARGUMENT, "rij_evaluate: evaluation is NULL");
    *evaluation = NULL;
    RJ_REQUIRE(model && data, RIJ_E_ARGUMENT, "rij_evaluate: %s is NULL",
               model ? "data" : "model");
    RJ_TRY(check_options(model, r.o));
    RJ_TRY(rj_level("rij_evaluate", r.o->level, &r.level));
    r.ways = r.o->strip ? 1 + RIJ_SHIPPINGS : 1;
    RJ_TRY_DONE(rj_selection_fill(r.o, data, &r.s));
    r.images = r.s.images;
    RJ_TRY_DONE(make_room(&r));
    RJ_TRY_DONE(rj_context_take(model, &r.context));
    RJ_TRY_DONE(judge_all(&r));
    RJ_TRY_DONE(compute(&r, evaluation));
done:
    run_free(&r);
    return status;
}
