/* shortcuts.c: what a training does about that which an audit of its data finds.
 *
 * A network sees pixels, and of a picture a crop. So what a fact tells of the label by
 * itself reaches it in part only:
 *
 *     file size, bytes per pixel, metadata, source    not at all
 *     dimensions       where pictures are smaller than a crop, which is then reflected
 *     format, quantisation    by the traces of JPEG; cured by alignment
 *     mean colour      in full
 *
 * Pictures that lie in two groups are cured too: their groups are joined, so that both
 * train or neither. Pictures that lie in another split as well (leaks) are not. What is
 * not cured ends the training, unless it is allowed by name.
 *
 * Alignment. Let p_c(q) be the share of class c whose file is a JPEG of quality q, q = 0
 * where it is none. The target is t(q) = max(p_0(q), p_1(q)) for q > 0, divided by its
 * sum if that is above 1, and the rest at q = 0. Of each class, images at a quality that
 * has too many are recompressed, with probability 1 - t(q) / p_c(q), at one that has too
 * few, drawn in proportion to what it lacks: then the last quality has the distribution t
 * in both classes. A JPEG that is recompressed still bears its first quality. */
#include "judge/judge.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUALITIES = 101 };
static const char leaks[] = "leaks";

/* Whether a name is among those between commas. */
static bool listed(const char *list, const char *name)
{
    const size_t n = strlen(name);

    for (const char *at = list; at; at = strchr(at, ',')) {
        at += strspn(at, ", ");
        if (strncmp(at, name, n) == 0) {
            const char behind = at[n + strspn(at + n, " ")];

            if (behind == 0 || behind == ',')
                return true;
        }
    }
    return false;
}

/* What training may be told to overlook. */
static const char *const allowable[] = {"format", "quantisation", "dimensions",
                                        "mean colour", leaks};

rij_status rj_allow_check(const char *list)
{
    for (const char *at = list; at && *at;) {
        const size_t n = strcspn(at, ",");
        char name[32];
        bool known = false;

        snprintf(name, sizeof name, "%.*s", (int)RJ_MIN(n, sizeof name - 1), at);
        for (int i = 0; i < RJ_COUNT(allowable); i++)
            known = known || listed(name, allowable[i]);
        RJ_REQUIRE(known, RIJ_E_ARGUMENT,
                   "train: allow holds '%s', which is none of format, quantisation, "
                   "dimensions, mean colour, leaks",
                   name);
        at += n + (at[n] == ',');
    }
    return RIJ_OK;
}

/* ---- alignment --------------------------------------------------------------------- */

/* Shares of qualities by class; false if they are equal, or a class is missing. */
static bool histories(const rij_audit_report *r, uint64_t split,
                      double share[2][QUALITIES])
{
    int count[2][QUALITIES] = {{0}}, all[2] = {0};
    bool differ = false;

    for (int i = 0; i < r->n; i++) {
        const rj_sample *s = &r->data.sample[r->image[i].sample];

        if (!split || s->split == split) {
            count[s->label][r->image[i].facts.quality]++;
            all[s->label]++;
        }
    }
    for (int q = 0; q < QUALITIES && all[0] && all[1]; q++) {
        for (int label = 0; label < 2; label++)
            share[label][q] = (double)count[label][q] / all[label];
        differ = differ || (int64_t)count[0][q] * all[1] != (int64_t)count[1][q] * all[0];
    }
    return differ;
}

static void aim(double share[2][QUALITIES], double target[QUALITIES])
{
    double sum = 0;

    for (int q = 1; q < QUALITIES; q++)
        sum += target[q] = fmax(share[0][q], share[1][q]);
    for (int q = 1; q < QUALITIES; q++)
        target[q] /= fmax(sum, 1);
    target[0] = fmax(0, 1 - sum);
}

/* The quality that an image of a class gets; 0: it stays as it is. */
static int drawn(const double share[QUALITIES], const double target[QUALITIES], int now,
                 rj_random *r)
{
    const double leave = rj_random_uniform(r, 0, 1), which = rj_random_uniform(r, 0, 1);
    double lacking = 0, sum = 0;
    int last = 0;

    if (leave >= 1 - target[now] / share[now])
        return 0;
    for (int q = 1; q < QUALITIES; q++)
        lacking += fmax(0, target[q] - share[q]);
    for (int q = 1; q < QUALITIES; q++) {
        if (target[q] <= share[q])
            continue;
        last = q;
        sum += target[q] - share[q];
        if (which * lacking < sum)
            return q;
    }
    return last; // rounding
}

/* Samples of the data go as those of the report that lie in its split, in order. */
static int align(rj_dataset *d, const rij_audit_report *r, uint64_t split, uint64_t seed)
{
    double share[2][QUALITIES] = {{0}}, target[QUALITIES] = {0};
    int changed = 0;

    if (!histories(r, split, share))
        return 0;
    aim(share, target);
    for (int i = 0, at = 0, seen = 0; i < r->n; i++) {
        const rj_sample *s = &r->data.sample[r->image[i].sample];
        rj_random random;

        if (split && s->split != split)
            continue;
        for (; seen < r->image[i].sample; seen++)
            at += !split || r->data.sample[seen].split == split;
        random = rj_random_start(seed, RJ_STREAM_ALIGN, (uint64_t)at);
        d->sample[at].quality =
            drawn(share[s->label], target, r->image[i].facts.quality, &random);
        changed += d->sample[at].quality > 0;
    }
    return changed;
}

/* ---- pictures in two places ---------------------------------------------------------
 */

/* Fewest groups of a class that joining may leave. */
enum { GROUPS_LEFT = 10 };

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Groups of a class, where group[i] is sample i's. */
static int groups(const rj_dataset *d, const uint64_t *group, int label,
                  uint64_t *scratch)
{
    int n = 0, different = 0;

    for (int i = 0; i < d->n; i++)
        if (d->sample[i].label == label)
            scratch[n++] = group[i];
    qsort(scratch, (size_t)n, sizeof *scratch, by_number);
    for (int i = 0; i < n; i++)
        different += i == 0 || scratch[i] != scratch[i - 1];
    return different;
}

/* Groups of all pairs within a split are joined in group[], those of d->sample. */
static void join_all(const rij_audit_report *r, const rj_dataset *d, uint64_t *group,
                     uint64_t *of_report)
{
    for (int i = 0; i < r->pairs; i++) {
        const int a = r->pair[i].sample[0], b = r->pair[i].sample[1];
        const uint64_t from = of_report[b], to = of_report[a];

        if (r->data.sample[a].split != r->data.sample[b].split)
            continue;
        for (int k = 0; k < r->data.n; k++)
            if (of_report[k] == from)
                of_report[k] = to;
        for (int k = 0; k < d->n; k++)
            if (group[k] == from)
                group[k] = to;
    }
}

/* Whether joining leaves enough groups of each class; if so, it is done. */
static rij_status join(rj_dataset *d, const rij_audit_report *r, bool *done)
{
    uint64_t *room = rj_alloc(2 * (size_t)d->n + (size_t)r->data.n, sizeof *room);
    uint64_t *group = room, *scratch = room + d->n, *of_report = scratch + d->n;

    RJ_REQUIRE(room, RIJ_E_MEMORY, "audit: no memory");
    for (int i = 0; i < d->n; i++)
        group[i] = d->sample[i].group;
    for (int i = 0; i < r->data.n; i++)
        of_report[i] = r->data.sample[i].group;
    join_all(r, d, group, of_report);
    *done = true;
    for (int label = 0; label < 2; label++)
        if (rj_dataset_count(d, label, false) > 0)
            *done = *done && groups(d, group, label, scratch) >= GROUPS_LEFT;
    for (int i = 0; i < d->n && *done; i++)
        d->sample[i].group = group[i];
    rj_free(room);
    return RIJ_OK;
}

/* Pairs across splits, and the first of them. */
static int count_across(const rij_audit_report *r, int *first)
{
    int across = 0;

    for (int i = 0; i < r->pairs; i++) {
        const int *pair = r->pair[i].sample;

        if (r->data.sample[pair[0]].split != r->data.sample[pair[1]].split &&
            ++across == 1)
            *first = pair[0];
    }
    return across;
}

/* ---- the training -------------------------------------------------------------------
 */

static rij_status say(rj_trainer *t, const char *format, ...)
{
    char line[RJ_AUDIT_LINE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    RJ_TRY(rj_trainer_note(t, line));
    RJ_TRY(rj_grow((void **)&t->found, &t->found_room, t->founds + 1, sizeof *t->found));
    memcpy(t->found[t->founds++], line, sizeof line);
    return RIJ_OK;
}

static rij_status tell(rj_trainer *t, const rij_audit_fact *f, const char *what)
{
    return say(t, "%s tells the label at %.2f by itself; %s", f->name, f->bacc, what);
}

static rij_status face(rj_trainer *t, enum rj_fact k, const rij_audit_fact *f)
{
    const bool traces = k == RJ_FACT_FORMAT || k == RJ_FACT_QUANTISATION;
    const bool seen = traces || k == RJ_FACT_DIMENSIONS || k == RJ_FACT_MEAN_COLOUR;

    if (!f->shortcut)
        return RIJ_OK;
    if (traces && t->o.align > 0)
        return tell(t, f, "its traces are aligned");
    if (!seen)
        return tell(t, f, "a network does not see it");
    if (listed(t->o.allow, f->name))
        return tell(t, f, "allowed");
    return rj_fail(RIJ_E_DATA,
                   "train: the audit found that %s tells the label at %.2f by itself%s; "
                   "mend the data, or allow it by its name",
                   f->name, f->bacc,
                   traces                    ? " (alignment is off)"
                   : k == RJ_FACT_DIMENSIONS ? " (where pictures are smaller than a crop)"
                                             : "");
}

static rij_status face_pairs(rj_trainer *t, const rij_audit_report *r)
{
    int first = 0;
    const int across = count_across(r, &first), within = r->pairs - across;
    bool joined = false;

    RJ_REQUIRE(!across || listed(t->o.allow, leaks), RIJ_E_DATA,
               "train: the audit found %d pairs that lie in two splits, the first is "
               "%.60s; mend the data, or allow \"leaks\"",
               across, r->data.sample[first].path);
    if (across)
        RJ_TRY(say(t, "%d pairs lie in two splits; allowed", across));
    if (!within)
        return RIJ_OK;
    RJ_TRY(join(&t->data, r, &joined));
    return say(t, "%d pairs show the same in two groups, which are %s", within,
               joined ? "joined" : "not joined: too few would be left");
}

static rij_status face_all(rj_trainer *t, const rij_audit_report *r, uint64_t split)
{
    int aligned;

    for (int k = 0; k < RJ_FACTS; k++)
        RJ_TRY(face(t, (enum rj_fact)k, &r->fact[k]));
    RJ_TRY(face_pairs(t, r));
    if (t->o.align < 0)
        return RIJ_OK;
    aligned = align(&t->data, r, split, t->o.seed);
    return aligned ? say(t,
                         "%d of %d images are recompressed, so that JPEG does "
                         "not tell the label",
                         aligned, t->data.n)
                   : RIJ_OK;
}

rij_status rj_trainer_audit(rj_trainer *t, const char *data)
{
    const char *split = t->o.split;
    rj_auditing a = {.pool = t->pool,
                     .tell = {.progress = t->o.progress, .user = t->o.user},
                     .reals = t->o.one_class,
                     .split = split ? rj_hash(split, strlen(split), 0) : 0,
                     .crop = t->o.crop};
    rij_audit_report *report = rj_alloc(1, sizeof *report);
    rij_status status;

    RJ_REQUIRE(report, RIJ_E_MEMORY, "audit: no memory");
    rj_trainer_phase(t, "audit", 0);
    status = rj_audit(&a, data, NULL, report);
    if (status == RIJ_OK)
        status = face_all(t, report, a.split);
    rij_audit_report_free(report);
    return status;
}
