/* shortcuts.c: what a training does about that which an audit of its data finds.
 *
 * A network sees pixels, and of a picture a crop. So what a fact tells of the label by
 * itself reaches it in part only:
 *
 *     file size, bytes per pixel, metadata, source    not at all
 *     dimensions       where pictures are smaller than a crop, which is then reflected
 *     format, quantisation    by the traces of JPEG; cured by alignment (align.c)
 *     mean colour      in full
 *
 * Pictures that lie in two groups are cured too: their groups are joined, so that both
 * train or neither. Pictures that lie in another split as well (leaks) are not. What is
 * not cured ends the training, unless it is allowed by name. */
#include "judge/judge.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char leaks[] = "leaks";

/* A training and the report of its data, more of which may lie in other splits. */
typedef struct facing {
    rj_trainer *t;
    const rij_audit_report *r;
    int *place; /* of the report's samples in the training's data; -1: in none */
} facing;

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

/* By the traces of JPEG. */
static bool is_history(enum rj_fact k)
{
    return k == RJ_FACT_FORMAT || k == RJ_FACT_QUANTISATION;
}

/* Whether a network may see something of it: these may be allowed, and leaks. */
static bool is_seen(enum rj_fact k)
{
    return is_history(k) || k == RJ_FACT_DIMENSIONS || k == RJ_FACT_MEAN_COLOUR;
}

rij_status rj_allow_check(const char *list)
{
    for (const char *at = list; at && *at;) {
        const size_t n = strcspn(at, ",");
        char name[32];
        bool known;

        snprintf(name, sizeof name, "%.*s", (int)RJ_MIN(n, sizeof name - 1), at);
        known = listed(name, leaks);
        for (int k = 0; k < RJ_FACTS; k++)
            known = known || (is_seen((enum rj_fact)k) && listed(name, rj_fact_names[k]));
        RJ_REQUIRE(known, RIJ_E_ARGUMENT,
                   "train: allow holds '%s', which is none of format, quantisation, "
                   "dimensions, mean colour, leaks",
                   name);
        at += n + (at[n] == ',');
    }
    return RIJ_OK;
}

/* ---- pictures in two places ---------------------------------------------------------
 */

/* Fewest groups of a class that joining may leave. */
enum { GROUPS_LEFT = 10 };

/* Root of a sample in a forest where up[i] <= i. */
static int root_of(int *up, int i)
{
    while (up[i] != i)
        i = up[i] = up[up[i]];
    return i;
}

static void unite(int *up, int a, int b)
{
    const int x = root_of(up, a), y = root_of(up, b);

    if (x < y)
        up[y] = x;
    else
        up[x] = y;
}

typedef struct member {
    uint64_t group;
    int sample;
} member;

static int by_group(const void *a, const void *b)
{
    const member *x = a, *y = b;

    if (x->group != y->group)
        return x->group > y->group ? 1 : -1;
    return x->sample - y->sample;
}

/* Samples of the training that hang together by groups and pairs get the group of the
 * first of them. */
static rij_status join_all(const facing *f, uint64_t *group)
{
    const rj_dataset *d = &f->t->data;
    int *up = rj_alloc((size_t)d->n, sizeof *up);
    member *m = rj_alloc((size_t)d->n, sizeof *m);

    if (up && m) {
        for (int i = 0; i < d->n; i++) {
            up[i] = i;
            m[i] = (member){d->sample[i].group, i};
        }
        qsort(m, (size_t)d->n, sizeof *m, by_group);
        for (int i = 1; i < d->n; i++)
            if (m[i].group == m[i - 1].group)
                unite(up, m[i].sample, m[i - 1].sample);
        for (int i = 0; i < f->r->pairs; i++) {
            const int *pair = f->r->pair[i].sample;

            if (f->place[pair[0]] >= 0 && f->place[pair[1]] >= 0)
                unite(up, f->place[pair[0]], f->place[pair[1]]);
        }
        for (int i = 0; i < d->n; i++)
            group[i] = d->sample[root_of(up, i)].group;
    }
    rj_free(m);
    rj_free(up);
    RJ_REQUIRE(up && m, RIJ_E_MEMORY, "audit: no memory");
    return RIJ_OK;
}

/* Join, if enough groups of each class are left. */
static rij_status join(const facing *f, bool *done)
{
    rj_dataset *d = &f->t->data;
    uint64_t *old = rj_alloc(2 * (size_t)d->n, sizeof *old), *joined = old + d->n;
    rij_status status;
    int groups;

    RJ_REQUIRE(old, RIJ_E_MEMORY, "audit: no memory");
    status = join_all(f, joined);
    for (int i = 0; i < d->n && status == RIJ_OK; i++) {
        old[i] = d->sample[i].group;
        d->sample[i].group = joined[i];
    }
    *done = status == RIJ_OK;
    for (int label = 0; label < 2 && status == RIJ_OK; label++) {
        status = rj_dataset_groups(d, label, &groups);
        *done =
            *done && (groups >= GROUPS_LEFT || rj_dataset_count(d, label, false) == 0);
    }
    for (int i = 0; i < d->n && !*done && status == RIJ_OK; i++)
        d->sample[i].group = old[i];
    rj_free(old);
    return status;
}

/* Pairs of which one alone is of the training, and the first of them. */
static int count_leaks(const facing *f, int *first)
{
    int n = 0;

    for (int i = 0; i < f->r->pairs; i++) {
        const int *pair = f->r->pair[i].sample;

        if ((f->place[pair[0]] < 0) != (f->place[pair[1]] < 0) && ++n == 1)
            *first = i;
    }
    return n;
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
    if (!f->shortcut)
        return RIJ_OK;
    if (is_history(k) && t->o.align > 0)
        return tell(t, f, "its traces are aligned");
    if (!is_seen(k))
        return tell(t, f, "a network does not see it");
    if (listed(t->o.allow, f->name))
        return tell(t, f, "allowed");
    return rj_fail(RIJ_E_DATA,
                   "train: the audit found that %s tells the label at %.2f by itself%s; "
                   "mend the data, or allow it by its name",
                   f->name, f->bacc,
                   is_history(k)             ? " (alignment is off)"
                   : k == RJ_FACT_DIMENSIONS ? " (where pictures are smaller than a crop)"
                                             : "");
}

static rij_status face_pairs(const facing *f)
{
    int first = 0;
    const int n = count_leaks(f, &first), within = f->r->pairs - n;
    bool joined = false;

    if (n && !listed(f->t->o.allow, leaks)) {
        const int *pair = f->r->pair[first].sample;

        return rj_fail(RIJ_E_DATA,
                       "train: the audit found %d pictures that another split shows too, "
                       "such as %.60s and %.60s; mend the data, or allow \"leaks\"",
                       n, f->r->data.sample[pair[0]].name,
                       f->r->data.sample[pair[1]].name);
    }
    if (n)
        RJ_TRY(say(f->t, "%d pictures lie in another split too; allowed", n));
    if (!within)
        return RIJ_OK;
    RJ_TRY(join(f, &joined));
    return say(f->t, "%d pairs show the same in two groups, which are %s", within,
               joined ? "joined" : "not joined: too few would be left");
}

static rij_status face_history(const facing *f)
{
    rij_audit_fact left;
    int changed;

    RJ_TRY(rj_align(&f->t->data, f->r, f->place, f->t->o.seed, &changed, &left));
    if (changed)
        RJ_TRY(say(f->t,
                   "%d of %d images are recompressed, so that the last JPEG does not "
                   "tell the label (%.2f)",
                   changed, f->t->data.n, left.bacc));
    return RIJ_OK;
}

static rij_status face_all(const facing *f)
{
    for (int k = 0; k < RJ_FACTS; k++)
        RJ_TRY(face(f->t, (enum rj_fact)k, &f->r->fact[k]));
    RJ_TRY(face_pairs(f));
    return f->t->o.align > 0 ? face_history(f) : RIJ_OK;
}

/* Where the report's samples stand in the training's data, which were read before it. */
static rij_status find_places(facing *f, uint64_t split)
{
    const rj_dataset *all = &f->r->data, *d = &f->t->data;
    int at = 0;

    f->place = rj_alloc((size_t)all->n, sizeof *f->place);
    RJ_REQUIRE(f->place, RIJ_E_MEMORY, "audit: no memory");
    for (int i = 0; i < all->n; i++) {
        f->place[i] = -1;
        if (split && all->sample[i].split != split)
            continue;
        RJ_REQUIRE(at < d->n && strcmp(d->sample[at].path, all->sample[i].path) == 0 &&
                       d->sample[at].label == all->sample[i].label,
                   RIJ_E_DATA, "train: the data changed while they were read");
        f->place[i] = at++;
    }
    RJ_REQUIRE(at == d->n, RIJ_E_DATA, "train: the data changed while they were read");
    return RIJ_OK;
}

/* Of the pictures that train, as they are in their files. */
static uint64_t pixels_hash(const facing *f)
{
    uint64_t h = 0;

    for (int i = 0; i < f->r->n; i++)
        if (f->place[f->r->image[i].sample] >= 0)
            h = rj_hash(&f->r->image[i].pixels, sizeof f->r->image[i].pixels, h);
    return h;
}

rij_status rj_trainer_audit(rj_trainer *t, const char *data)
{
    const char *split = t->o.split;
    rj_auditing a = {.pool = t->pool,
                     .cage = t->cage,
                     .tell = {.progress = t->o.progress, .user = t->o.user},
                     .training = true,
                     .reals = t->o.one_class,
                     .split = split ? rj_hash(split, strlen(split), 0) : 0,
                     .crop = t->o.crop};
    rij_audit_report *report = rj_alloc(1, sizeof *report);
    facing f = {.t = t, .r = report};
    rij_status status;

    RJ_REQUIRE(report, RIJ_E_MEMORY, "audit: no memory");
    rj_trainer_phase(t, "audit", 0);
    status = rj_audit(&a, data, NULL, report);
    if (status == RIJ_OK)
        status = find_places(&f, a.split);
    if (status == RIJ_OK)
        t->pixels = pixels_hash(&f);
    if (status == RIJ_OK)
        status = face_all(&f);
    rj_free(f.place);
    rij_audit_report_free(report);
    return status;
}
