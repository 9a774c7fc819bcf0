/* align_files.c: rij_align(): a data set again, as files whose JPEG history does not tell
 * the label.
 *
 *     data -> audit -> qualities (align.c) -> pictures as PNG -> manifest
 *
 * Qualities are drawn as a training of the same split and seed draws them, so the new
 * files hold the pixels that it sees. The folder is new or empty: so nothing of anybody's
 * is written over, and nothing else lies among what was aligned. */
#include "judge/judge.h"
#include <limits.h>
#include <stdio.h>

enum { CHUNK = 64 }; /* pictures between two words to the caller */

typedef struct run {
    const char *data, *out;
    const rij_align_options *o;
    rj_auditing a;
    rij_audit_report *report;
    rj_cache *cache;
    bool *usable; /* by sample */
    int first;    /* of the chunk at hand, in the report's images */
} run;

static const char *label_of(const rj_sample *s)
{
    return s->label == RJ_REAL_LABEL ? "real" : "fake";
}

/* ---- where ------------------------------------------------------------------------- */

/* In a folder of data the new pictures would be data the next time. */
static rij_status stand_apart(const char *data, const char *out)
{
    bool within;

    RJ_TRY(rj_path_within(out, data, &within));
    RJ_REQUIRE(!within, RIJ_E_ARGUMENT, "align: %s lies in the data %s", out, data);
    return RIJ_OK;
}

static rij_status make_folders(const char *out)
{
    static const char *const below[] = {"real", "fake"};
    char path[PATH_MAX];

    for (int i = 0; i < RJ_COUNT(below); i++) {
        RJ_TRY(rj_path_join(out, below[i], path, sizeof path));
        RJ_TRY(rj_folder_make(path));
    }
    return RIJ_OK;
}

/* ---- pictures ---------------------------------------------------------------------- */

static rij_status write_picture(void *job, int index, int worker)
{
    const run *r = job;
    const int sample = r->report->image[r->first + index].sample;
    char name[32], path[PATH_MAX];
    const rj_image *image;
    rij_status status;

    (void)worker;
    snprintf(name, sizeof name, "%s/%06d.png", label_of(&r->report->data.sample[sample]),
             sample);
    RJ_TRY(rj_path_join(r->out, name, path, sizeof path));
    RJ_TRY(rj_cache_take(r->cache, sample, &image));
    status = rj_image_write_png(path, image);
    rj_cache_release(r->cache, sample, image);
    return status;
}

static rij_status write_pictures(run *r)
{
    const int n = r->report->n;

    rj_teller_phase(&r->a.tell, "align", n);
    for (r->first = 0; r->first < n; r->first += CHUNK) {
        const int chunk = RJ_MIN(CHUNK, n - r->first);

        RJ_TRY(rj_parallel_for(r->a.pool, chunk, write_picture, r));
        RJ_TRY(rj_teller_step(&r->a.tell, r->first + chunk));
    }
    return RIJ_OK;
}

/* ---- the manifest ------------------------------------------------------------------ */

/* Groups by their hash, since equal ones must stay equal and nothing else. */
static void put_row(rj_text *t, const run *r, int sample)
{
    const rj_dataset *d = &r->report->data;
    const rj_sample *s = &d->sample[sample];

    rj_text_say(t, "%s/%06d.png\t%s\t", label_of(s), sample, label_of(s));
    if (s->generator >= 0)
        rj_text_line(t, d->generator[s->generator]);
    rj_text_put(t, "\t");
    if (s->split_name)
        rj_text_line(t, s->split_name);
    rj_text_say(t, "\t%016llx\t", (unsigned long long)s->group);
    if (s->parent >= 0 && r->usable[s->parent])
        rj_text_say(t, "%s/%06d.png", label_of(&d->sample[s->parent]), s->parent);
    rj_text_put(t, "\t");
    if (s->source)
        rj_text_line(t, s->source);
    rj_text_say(t, "\t%d\t", s->quality);
    rj_text_line(t, s->name);
    rj_text_put(t, "\n");
}

static rij_status write_manifest(const run *r)
{
    rj_text t = {0};
    char path[PATH_MAX];
    rij_status status;

    RJ_TRY(rj_path_join(r->out, "manifest.tsv", path, sizeof path));
    rj_text_put(&t, "path\tlabel\tgenerator\tsplit\tgroup\tparent\tsource\trecompressed\t"
                    "original\n");
    for (int i = 0; i < r->report->n; i++)
        put_row(&t, r, r->report->image[i].sample);
    status = rj_text_done(&t);
    if (status == RIJ_OK)
        status = rj_file_write(path, t.bytes, (size_t)t.n);
    rj_text_free(&t);
    return status;
}

/* ---- all of it --------------------------------------------------------------------- */

/* Qualities of all samples; what of them is told. */
static rij_status choose(run *r, rij_alignment *done)
{
    rj_dataset *d = &r->report->data;
    int *place = rj_alloc((size_t)d->n, sizeof *place);
    rij_audit_fact left;
    rij_status status;

    r->usable = rj_alloc((size_t)d->n, sizeof *r->usable);
    if (!place || !r->usable) {
        rj_free(place);
        return rj_fail(RIJ_E_MEMORY, "align: no memory for %d images", d->n);
    }
    for (int i = 0; i < d->n; i++)
        place[i] = i;
    for (int i = 0; i < r->report->n; i++)
        r->usable[r->report->image[i].sample] = true;
    status = rj_align(d, r->report, place, r->o->seed, &done->recompressed, &left);
    rj_free(place);
    done->images = r->report->n;
    done->unusable = d->n - r->report->n;
    done->before = r->report->fact[RJ_FACT_QUANTISATION].bacc;
    done->after = left.bacc;
    return status;
}

static rij_status align(run *r, rij_alignment *done)
{
    const rij_align_options *o = r->o;

    if (o->isolate) // before there are threads
        RJ_TRY(rj_isolate_new(&r->a.cage));
    RJ_TRY(rj_pool_new(o->threads, &r->a.pool));
    RJ_TRY(stand_apart(r->data, r->out));
    RJ_TRY(rj_folder_unused(r->out));
    RJ_TRY(rj_audit(&r->a, r->data, o->split, r->report));
    r->report->data.cage = r->a.cage;
    RJ_TRY(rj_audit_both(r->report, "align"));
    RJ_TRY(choose(r, done));
    RJ_TRY(make_folders(r->out));
    RJ_TRY(rj_cache_new(&r->report->data, 0, &r->cache));
    RJ_TRY(write_pictures(r));
    return write_manifest(r);
}

/* ---- the public header ------------------------------------------------------------- */

RIJ_API rij_status rij_align(const char *data, const char *out,
                             const rij_align_options *options, rij_alignment *done)
{
    const rij_align_options usual = RIJ_ALIGN_OPTIONS_INIT;
    const rij_align_options *o = options ? options : &usual;
    run r = {.data = data, .out = out, .o = o};
    rij_alignment made = {0};
    rij_status status;

    RJ_REQUIRE(data && out && done, RIJ_E_ARGUMENT, "rij_align: %s is NULL",
               !data  ? "data"
               : !out ? "out"
                      : "done");
    RJ_REQUIRE(out[0], RIJ_E_ARGUMENT, "rij_align: out is empty");
    RJ_REQUIRE(o->size == sizeof *o, RIJ_E_ARGUMENT,
               "rij_align: options.size is %zu, not %zu; start with "
               "RIJ_ALIGN_OPTIONS_INIT",
               o->size, sizeof *o);
    RJ_REQUIRE(o->threads >= 0 && o->threads <= RJ_MAX_THREADS, RIJ_E_ARGUMENT,
               "rij_align: threads is %d, not in 0..%d", o->threads, RJ_MAX_THREADS);
    RJ_REQUIRE(o->isolate == 0 || o->isolate == 1, RIJ_E_ARGUMENT,
               "rij_align: isolate is %d, not 0 or 1", o->isolate);
    r.a =
        (rj_auditing){.tell = {.progress = o->progress, .user = o->user}, .notes = true};
    r.report = rj_alloc(1, sizeof *r.report);
    RJ_REQUIRE(r.report, RIJ_E_MEMORY, "align: no memory");
    status = align(&r, &made);
    rj_cache_free(r.cache);
    rj_free(r.usable);
    rij_audit_report_free(r.report);
    rj_pool_free(r.a.pool);
    rj_cage_free(r.a.cage);
    if (status == RIJ_OK)
        *done = made;
    return status;
}
