/* audit.c: rij_audit(): facts of files that tell the label by themselves.
 *
 * A fact of an image is a code: a format, a hash, or, of a number, the bin of BINS equal
 * shares of the images it falls into. Images vote in FOLDS folds by group: a code means
 * "generated" where it is more frequent among the fakes of the other folds than among
 * their reals; a code that is new there, or equally frequent, counts as half right. The
 * share that is right, averaged over the classes, is the fact's balanced accuracy; chance
 * is one half. Its interval is the binomial's. */
#include "judge/judge.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDS = 5, BINS = 16, COLOUR_BINS = 4 };
static const double most_bacc = 0.6;

enum fact {
    FILE_SIZE,
    BYTES_PER_PIXEL,
    DIMENSIONS,
    FORMAT,
    QUANTISATION,
    METADATA,
    SOURCE,
    MEAN_COLOUR,
    FACTS
};
static const char *const names[FACTS] = {"file size", "bytes per pixel", "dimensions",
                                         "format",    "quantisation",    "metadata",
                                         "source",    "mean colour"};

struct rij_audit_report {
    rij_audit_fact fact[FACTS];
    rij_audit_pair *pair;
    int pairs;
    rj_dataset data; /* the pairs' paths */
};

/* ---- codes ------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Bins of equal shares of n numbers, added to code x bins. */
static rij_status bin(int n, const double *value, int bins, uint64_t *code)
{
    double *sorted = rj_alloc((size_t)n, sizeof *sorted);

    RJ_REQUIRE(sorted, RIJ_E_MEMORY, "audit: no memory");
    memcpy(sorted, value, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (int i = 0; i < n; i++) {
        int b = 0;

        while (b + 1 < bins && value[i] >= sorted[(int64_t)n * (b + 1) / bins])
            b++;
        code[i] = code[i] * (uint64_t)bins + (uint64_t)b;
    }
    rj_free(sorted);
    return RIJ_OK;
}

static double number_of(const rj_audited *image, enum fact which, int part)
{
    switch (which) {
    case FILE_SIZE:
        return (double)image->facts.bytes;
    case BYTES_PER_PIXEL:
        return (double)image->facts.bytes / image->facts.w / image->facts.h;
    default:
        return image->mean[part];
    }
}

static uint64_t code_of(const rj_audited *image, const rj_sample *s, enum fact which)
{
    switch (which) {
    case DIMENSIONS:
        return (uint64_t)image->facts.w << 32 | (uint64_t)image->facts.h;
    case FORMAT:
        return (uint64_t)image->facts.format;
    case QUANTISATION:
        return image->facts.quantisation;
    case METADATA:
        return image->facts.metadata;
    default:
        return s->source ? rj_hash(s->source, strlen(s->source), 0) : 0;
    }
}

static rij_status codes(const rj_dataset *d, int n, const rj_audited *image,
                        enum fact which, uint64_t *code)
{
    const bool colour = which == MEAN_COLOUR;
    const bool number = which == FILE_SIZE || which == BYTES_PER_PIXEL || colour;
    double *value = rj_alloc((size_t)n, sizeof *value);
    rij_status status = RIJ_OK;

    RJ_REQUIRE(value, RIJ_E_MEMORY, "audit: no memory");
    for (int part = 0; part < (colour ? 3 : 1) && status == RIJ_OK; part++) {
        for (int i = 0; i < n; i++) {
            if (part == 0)
                code[i] =
                    number ? 0 : code_of(&image[i], &d->sample[image[i].sample], which);
            value[i] = number ? number_of(&image[i], which, part) : 0;
        }
        if (number)
            status = bin(n, value, colour ? COLOUR_BINS : BINS, code);
    }
    rj_free(value);
    return status;
}

/* ---- votes ------------------------------------------------------------------------ */

/* An image as the votes see it. */
typedef struct ballot {
    uint64_t code;
    int label, fold;
} ballot;

static int by_code(const void *a, const void *b)
{
    const ballot *x = a, *y = b;
    return (x->code > y->code) - (x->code < y->code);
}

/* Shares of right votes, by label. */
static void count(int n, const ballot *b, const int total[FOLDS][2], double right[2],
                  int *values)
{
    int all[2] = {0}, twice[2] = {0}; // halves, so that sums are exact

    for (int fold = 0; fold < FOLDS; fold++)
        for (int label = 0; label < 2; label++)
            all[label] += total[fold][label];
    *values = 0;
    for (int i = 0, same; i < n; i += same) {
        int have[FOLDS][2] = {{0}}, sum[2] = {0};

        for (same = 0; i + same < n && b[i + same].code == b[i].code; same++) {
            have[b[i + same].fold][b[i + same].label]++;
            sum[b[i + same].label]++;
        }
        ++*values;
        for (int fold = 0; fold < FOLDS; fold++) {
            // rates in the other folds, as products to stay exact
            const int64_t fake =
                (int64_t)(sum[1] - have[fold][1]) * RJ_MAX(all[0] - total[fold][0], 1);
            const int64_t real =
                (int64_t)(sum[0] - have[fold][0]) * RJ_MAX(all[1] - total[fold][1], 1);
            const int vote = fake > real ? 2 : fake < real ? 0 : 1;

            twice[1] += vote * have[fold][1];
            twice[0] += (2 - vote) * have[fold][0];
        }
    }
    for (int label = 0; label < 2; label++)
        right[label] = 0.5 * twice[label] / all[label];
}

static rij_status vote(const rj_dataset *d, int n, const rj_audited *image,
                       enum fact which, rij_audit_fact *fact)
{
    uint64_t *code = rj_alloc((size_t)n, sizeof *code);
    ballot *b = rj_alloc((size_t)n, sizeof *b);
    int total[FOLDS][2] = {{0}}, all[2] = {0};
    double right[2] = {0}, variance = 0;
    rij_status status = RIJ_E_MEMORY;

    if (code && b)
        status = codes(d, n, image, which, code);
    else
        rj_fail(status, "audit: no memory for %d images", n);
    for (int i = 0; i < n && status == RIJ_OK; i++) {
        const rj_sample *s = &d->sample[image[i].sample];

        b[i] = (ballot){code[i], s->label, (int)(s->group % FOLDS)};
        total[b[i].fold][b[i].label]++;
        all[b[i].label]++;
    }
    if (status == RIJ_OK) {
        *fact = (rij_audit_fact){.name = names[which]};
        qsort(b, (size_t)n, sizeof *b, by_code);
        count(n, b, (const int(*)[2])total, right, &fact->values);
        for (int label = 0; label < 2; label++)
            variance += right[label] * (1 - right[label]) / all[label] / 4;
        fact->bacc = (right[0] + right[1]) / 2;
        fact->bacc_low = fmax(0, fact->bacc - 1.96 * sqrt(fmax(variance, 0)));
        fact->shortcut = fact->bacc > most_bacc && fact->bacc_low > 0.5;
    }
    rj_free(code);
    rj_free(b);
    return status;
}

/* ---- reading ---------------------------------------------------------------------- */

typedef struct run {
    const rij_audit_options *o;
    rj_pool *pool;
    rj_dataset data;
    rj_audited *image; /* usable ones, in the data's order */
    char (*reason)[256];
    int n, first;
    double told_s, start_s;
} run;

enum { CHUNK = 64 };

static rij_status look(void *job, int index, int worker)
{
    run *r = job;
    const int sample = r->first + index;
    rj_audited *a = &r->image[sample];
    rj_image image = {0};
    rij_status status;

    (void)worker;
    a->sample = sample;
    status =
        rj_facts_read(r->data.sample[sample].path, &rj_default_limits, &a->facts, &image);
    if (status == RIJ_E_IMAGE || status == RIJ_E_FILE) {
        snprintf(r->reason[sample], sizeof *r->reason, "%s", rij_last_error());
        return RIJ_OK;
    }
    if (status == RIJ_OK)
        status = rj_audit_look(&image, a);
    rj_image_free(&image);
    return status;
}

static rij_status tell(run *r, int step, const char *note)
{
    const double now_s = rj_now_s(), spent_s = now_s - r->start_s;
    const rij_progress p = {.phase = "read",
                            .note = note,
                            .step = step,
                            .steps = r->data.n,
                            .images_s = spent_s > 0 ? step / spent_s : 0,
                            .eta_s = step ? spent_s / step * (r->data.n - step) : 0};

    if (!note && step < r->data.n && now_s - r->told_s < 0.25)
        return RIJ_OK;
    r->told_s = now_s;
    if (r->o->progress && r->o->progress(&p, r->o->user) != 0)
        return rj_fail(RIJ_E_CANCELLED, "stopped in phase \"read\" at image %d of %d",
                       step, r->data.n);
    return RIJ_OK;
}

/* Every file once; those that cannot be used are told of and left out. */
static rij_status read_all(run *r)
{
    r->start_s = rj_now_s();
    r->image = rj_alloc((size_t)r->data.n, sizeof *r->image);
    r->reason = rj_alloc((size_t)r->data.n, sizeof *r->reason);
    RJ_REQUIRE(r->image && r->reason, RIJ_E_MEMORY, "audit: no memory for %d images",
               r->data.n);
    for (r->first = 0; r->first < r->data.n; r->first += CHUNK) {
        const int chunk = RJ_MIN(CHUNK, r->data.n - r->first);

        RJ_TRY(rj_parallel_for(r->pool, chunk, look, r));
        for (int i = r->first; i < r->first + chunk; i++)
            if (r->reason[i][0])
                RJ_TRY(tell(r, i, r->reason[i]));
        RJ_TRY(tell(r, r->first + chunk, NULL));
    }
    for (int i = 0; i < r->data.n; i++)
        if (!r->reason[i][0])
            r->image[r->n++] = r->image[i];
    return RIJ_OK;
}

static rij_status both_classes(const run *r)
{
    int have[2] = {0};

    for (int i = 0; i < r->n; i++)
        have[r->data.sample[r->image[i].sample].label]++;
    RJ_REQUIRE(have[0] && have[1], RIJ_E_DATA,
               "audit: %d usable real and %d usable generated images; both classes are "
               "needed",
               have[0], have[1]);
    return RIJ_OK;
}

/* ---- the public header ------------------------------------------------------------ */

static rij_status audit(run *r, const char *data, rij_audit_report *report)
{
    RJ_TRY(rj_pool_new(r->o->threads, &r->pool));
    RJ_TRY(rj_dataset_open(data, r->o->split, &r->data));
    RJ_TRY(read_all(r));
    RJ_TRY(both_classes(r));
    for (int k = 0; k < FACTS; k++)
        RJ_TRY(vote(&r->data, r->n, r->image, (enum fact)k, &report->fact[k]));
    return rj_audit_pairs_find(r->pool, &r->data, r->n, r->image, &report->pair,
                               &report->pairs);
}

RIJ_API rij_status rij_audit(const char *data, const rij_audit_options *options,
                             rij_audit_report **report)
{
    const rij_audit_options usual = RIJ_AUDIT_OPTIONS_INIT;
    run r = {.o = options ? options : &usual};
    rij_audit_report *made;
    rij_status status;

    RJ_REQUIRE(report, RIJ_E_ARGUMENT, "rij_audit: report is NULL");
    *report = NULL;
    RJ_REQUIRE(data, RIJ_E_ARGUMENT, "rij_audit: data is NULL");
    RJ_REQUIRE(r.o->size == sizeof *r.o, RIJ_E_ARGUMENT,
               "rij_audit: options.size is %zu, not %zu; start with "
               "RIJ_AUDIT_OPTIONS_INIT",
               r.o->size, sizeof *r.o);
    RJ_REQUIRE(r.o->threads >= 0 && r.o->threads <= RJ_MAX_THREADS, RIJ_E_ARGUMENT,
               "rij_audit: threads is %d, not in 0..%d", r.o->threads, RJ_MAX_THREADS);
    made = rj_alloc(1, sizeof *made);
    RJ_REQUIRE(made, RIJ_E_MEMORY, "audit: no memory");
    status = audit(&r, data, made);
    rj_free(r.image);
    rj_free(r.reason);
    rj_pool_free(r.pool);
    made->data = r.data;
    if (status == RIJ_OK)
        *report = made;
    else
        rij_audit_report_free(made);
    return status;
}

RIJ_API int rij_audit_facts(const rij_audit_report *report)
{
    return report ? FACTS : 0;
}

RIJ_API rij_status rij_audit_fact_at(const rij_audit_report *report, int index,
                                     rij_audit_fact *fact)
{
    RJ_REQUIRE(report && fact && index >= 0 && index < FACTS, RIJ_E_ARGUMENT,
               "rij_audit_fact_at: no fact %d", index);
    *fact = report->fact[index];
    return RIJ_OK;
}

RIJ_API int rij_audit_pairs(const rij_audit_report *report)
{
    return report ? report->pairs : 0;
}

RIJ_API rij_status rij_audit_pair_at(const rij_audit_report *report, int index,
                                     rij_audit_pair *pair)
{
    RJ_REQUIRE(report && pair && index >= 0 && index < report->pairs, RIJ_E_ARGUMENT,
               "rij_audit_pair_at: no pair %d", index);
    *pair = report->pair[index];
    return RIJ_OK;
}

RIJ_API void rij_audit_report_free(rij_audit_report *report)
{
    if (!report)
        return;
    rj_free(report->pair);
    rj_dataset_free(&report->data);
    rj_free(report);
}
