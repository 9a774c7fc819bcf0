/* audit.c: rij_audit(): facts of files that tell the label by themselves.
 *
 * A fact of an image is a code: a format, a hash, or, of a number, the bin of BINS equal
 * shares of the images it falls into. Images vote in FOLDS folds by group: a code means
 * "generated" where it is more frequent among the fakes of the other folds than among
 * their reals; a code that is new there, or equally frequent, counts as half right. The
 * share that is right, averaged over the classes, is the fact's balanced accuracy; chance
 * is one half. Its interval is the binomial's. */
#include "judge/judge.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDS = 5, BINS = 16, COLOUR_BINS = 4 };
static const double most_bacc = 0.6;

const char *const rj_fact_names[RJ_FACTS] = {"file size", "bytes per pixel", "dimensions",
                                             "format",    "quantisation",    "metadata",
                                             "source",    "mean colour"};

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

static double number_of(const rj_audited *image, enum rj_fact which, int part)
{
    switch (which) {
    case RJ_FACT_FILE_SIZE:
        return (double)image->facts.bytes;
    case RJ_FACT_BYTES_PER_PIXEL:
        return (double)image->facts.bytes / image->facts.w / image->facts.h;
    default:
        return image->mean[part];
    }
}

static uint64_t code_of(const rj_audited *image, const rj_sample *s, enum rj_fact which,
                        int crop)
{
    const int most = crop ? crop : INT_MAX;

    switch (which) {
    case RJ_FACT_DIMENSIONS:
        return (uint64_t)RJ_MIN(image->facts.w, most) << 32 |
               (uint64_t)RJ_MIN(image->facts.h, most);
    case RJ_FACT_FORMAT:
        return (uint64_t)image->facts.format;
    case RJ_FACT_QUANTISATION:
        return image->facts.quantisation;
    case RJ_FACT_METADATA:
        return image->facts.metadata;
    default:
        return s->source ? rj_hash(s->source, strlen(s->source), 0) : 0;
    }
}

static rij_status codes(const rj_voters *v, enum rj_fact which, uint64_t *code)
{
    const int n = v->n;
    const bool colour = which == RJ_FACT_MEAN_COLOUR;
    const bool number =
        which == RJ_FACT_FILE_SIZE || which == RJ_FACT_BYTES_PER_PIXEL || colour;
    double *value = rj_alloc((size_t)n, sizeof *value);
    rij_status status = RIJ_OK;

    RJ_REQUIRE(value, RIJ_E_MEMORY, "audit: no memory");
    for (int part = 0; part < (colour ? 3 : 1) && status == RIJ_OK; part++) {
        for (int i = 0; i < n; i++) {
            const rj_sample *s = &v->d->sample[v->image[i]->sample];

            if (part == 0)
                code[i] = number ? 0 : code_of(v->image[i], s, which, v->crop);
            value[i] = number ? number_of(v->image[i], which, part) : 0;
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

rij_status rj_audit_vote(const rj_voters *v, const uint64_t *code, rij_audit_fact *fact)
{
    const int n = v->n;
    ballot *b = rj_alloc((size_t)n, sizeof *b);
    int total[FOLDS][2] = {{0}}, all[2] = {0};
    double right[2] = {0}, variance = 0;

    RJ_REQUIRE(b, RIJ_E_MEMORY, "audit: no memory for %d images", n);
    for (int i = 0; i < n; i++) {
        const rj_sample *s = &v->d->sample[v->image[i]->sample];

        b[i] = (ballot){code[i], s->label, (int)(s->group % FOLDS)};
        total[b[i].fold][b[i].label]++;
        all[b[i].label]++;
    }
    qsort(b, (size_t)n, sizeof *b, by_code);
    count(n, b, (const int(*)[2])total, right, &fact->values);
    for (int label = 0; label < 2; label++)
        variance += right[label] * (1 - right[label]) / all[label] / 4;
    fact->bacc = (right[0] + right[1]) / 2;
    fact->bacc_low = fmax(0, fact->bacc - 1.96 * sqrt(fmax(variance, 0)));
    fact->shortcut = fact->bacc > most_bacc && fact->bacc_low > 0.5;
    rj_free(b);
    return RIJ_OK;
}

static rij_status vote(const rj_voters *v, enum rj_fact which, rij_audit_fact *fact)
{
    uint64_t *code = rj_alloc((size_t)v->n, sizeof *code);
    rij_status status;

    RJ_REQUIRE(code, RIJ_E_MEMORY, "audit: no memory for %d images", v->n);
    status = codes(v, which, code);
    if (status == RIJ_OK)
        status = rj_audit_vote(v, code, fact);
    rj_free(code);
    return status;
}

/* Every fact, on the images that vote; none where a class is missing. */
static rij_status vote_all(const rj_auditing *a, rij_audit_report *report)
{
    const rj_audited **image = rj_alloc((size_t)report->n, sizeof *image);
    rj_voters v = {&report->data, 0, a->crop, image};
    int have[2] = {0};
    rij_status status = RIJ_OK;

    RJ_REQUIRE(image, RIJ_E_MEMORY, "audit: no memory");
    for (int i = 0; i < report->n; i++) {
        const rj_sample *s = &report->data.sample[report->image[i].sample];

        if (a->split && s->split != a->split)
            continue;
        have[s->label]++;
        image[v.n++] = &report->image[i];
    }
    for (int k = 0; k < RJ_FACTS && status == RIJ_OK; k++) {
        report->fact[k] = (rij_audit_fact){.name = rj_fact_names[k], .bacc = NAN};
        if (have[0] && have[1])
            status = vote(&v, (enum rj_fact)k, &report->fact[k]);
    }
    rj_free(image);
    report->votes[0] = have[0];
    report->votes[1] = have[1];
    return status;
}

/* ---- reading ---------------------------------------------------------------------- */

typedef struct run {
    rij_audit_report *report;
    rj_limits limits;
    char (*reason)[256];
    int first;
} run;

enum { CHUNK = 64 };

static rij_status look(void *job, int index, int worker)
{
    run *r = job;
    const int sample = r->first + index;
    rj_audited *a = &r->report->image[sample];
    rj_image image = {0};
    rij_status status;

    (void)worker;
    a->sample = sample;
    status =
        rj_facts_read(r->report->data.sample[sample].path, &r->limits, &a->facts, &image);
    if (status == RIJ_E_IMAGE || status == RIJ_E_FILE) {
        snprintf(r->reason[sample], sizeof *r->reason, "%s", rij_last_error());
        return RIJ_OK;
    }
    if (status == RIJ_OK)
        status = rj_audit_look(&image, a);
    rj_image_free(&image);
    return status;
}

/* Every file once; those that cannot be used are told of, if asked, and left out. */
static rij_status read_all(rj_auditing *a, run *r)
{
    rij_audit_report *report = r->report;
    const int all = report->data.n;

    for (r->first = 0; r->first < all; r->first += CHUNK) {
        const int chunk = RJ_MIN(CHUNK, all - r->first);

        RJ_TRY(rj_parallel_for(a->pool, chunk, look, r));
        for (int i = r->first; i < r->first + chunk; i++)
            if (r->reason[i][0] && a->notes)
                RJ_TRY(rj_teller_note(&a->tell, r->reason[i]));
        RJ_TRY(rj_teller_step(&a->tell, r->first + chunk));
    }
    for (int i = 0; i < all; i++)
        if (!r->reason[i][0])
            report->image[report->n++] = report->image[i];
    return RIJ_OK;
}

rij_status rj_audit(rj_auditing *a, const char *data, const char *split,
                    rij_audit_report *report)
{
    run r = {.report = report, .limits = rj_limits_in(a->cage)};
    rij_status status;

    RJ_TRY(rj_dataset_open(data, split, &report->data));
    if (a->reals)
        rj_dataset_keep_reals(&report->data);
    report->image = rj_alloc((size_t)report->data.n, sizeof *report->image);
    r.reason = rj_alloc((size_t)report->data.n, sizeof *r.reason);
    if (!report->image || !r.reason) {
        rj_free(r.reason);
        return rj_fail(RIJ_E_MEMORY, "audit: no memory for %d images", report->data.n);
    }
    rj_teller_phase(&a->tell, "audit", report->data.n);
    status = read_all(a, &r);
    rj_free(r.reason);
    RJ_TRY(status);
    RJ_TRY(vote_all(a, report));
    return rj_audit_pairs_find(a, report);
}

rij_status rj_audit_both(const rij_audit_report *report, const char *who)
{
    RJ_REQUIRE(report->votes[0] && report->votes[1], RIJ_E_DATA,
               "%s: %d usable real and %d usable generated images; both classes are "
               "needed",
               who, report->votes[0], report->votes[1]);
    return RIJ_OK;
}

/* ---- the public header ------------------------------------------------------------ */

static rij_status audit(const rij_audit_options *o, const char *data,
                        rij_audit_report *report)
{
    rj_auditing a = {.tell = {.progress = o->progress, .user = o->user}, .notes = true};
    rij_status status;

    if (o->isolate) // before there are threads
        RJ_TRY(rj_isolate_new(&a.cage));
    status = rj_pool_new(o->threads, &a.pool);
    if (status == RIJ_OK)
        status = rj_audit(&a, data, o->split, report);
    rj_pool_free(a.pool);
    rj_cage_free(a.cage);
    RJ_TRY(status);
    return rj_audit_both(report, "audit");
}

RIJ_API rij_status rij_audit(const char *data, const rij_audit_options *options,
                             rij_audit_report **report)
{
    const rij_audit_options usual = RIJ_AUDIT_OPTIONS_INIT;
    const rij_audit_options *o = options ? options : &usual;
    rij_audit_report *made;
    rij_status status;

    RJ_REQUIRE(report, RIJ_E_ARGUMENT, "rij_audit: report is NULL");
    *report = NULL;
    RJ_REQUIRE(data, RIJ_E_ARGUMENT, "rij_audit: data is NULL");
    RJ_REQUIRE(o->size == sizeof *o, RIJ_E_ARGUMENT,
               "rij_audit: options.size is %zu, not %zu; start with "
               "RIJ_AUDIT_OPTIONS_INIT",
               o->size, sizeof *o);
    RJ_REQUIRE(o->threads >= 0 && o->threads <= RJ_MAX_THREADS, RIJ_E_ARGUMENT,
               "rij_audit: threads is %d, not in 0..%d", o->threads, RJ_MAX_THREADS);
    RJ_REQUIRE(o->isolate == 0 || o->isolate == 1, RIJ_E_ARGUMENT,
               "rij_audit: isolate is %d, not 0 or 1", o->isolate);
    made = rj_alloc(1, sizeof *made);
    RJ_REQUIRE(made, RIJ_E_MEMORY, "audit: no memory");
    status = audit(o, data, made);
    if (status == RIJ_OK)
        *report = made;
    else
        rij_audit_report_free(made);
    return status;
}

RIJ_API int rij_audit_facts(const rij_audit_report *report)
{
    return report ? RJ_FACTS : 0;
}

RIJ_API rij_status rij_audit_fact_at(const rij_audit_report *report, int index,
                                     rij_audit_fact *fact)
{
    RJ_REQUIRE(report && fact && index >= 0 && index < RJ_FACTS, RIJ_E_ARGUMENT,
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
    const rj_alike *alike;
    const rj_sample *a, *b;

    RJ_REQUIRE(report && pair && index >= 0 && index < report->pairs, RIJ_E_ARGUMENT,
               "rij_audit_pair_at: no pair %d", index);
    alike = &report->pair[index];
    a = &report->data.sample[alike->sample[0]];
    b = &report->data.sample[alike->sample[1]];
    *pair = (rij_audit_pair){
        {a->path, b->path}, alike->distance, a->split != b->split, a->label != b->label};
    return RIJ_OK;
}

RIJ_API void rij_audit_report_free(rij_audit_report *report)
{
    if (!report)
        return;
    rj_free(report->pair);
    rj_free(report->image);
    rj_dataset_free(&report->data);
    rj_free(report);
}
