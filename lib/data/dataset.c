/* dataset.c: what a set of images is, and how it is divided. The two readers, manifest.c
 * and tree.c, only say which samples there are. */
#include "data/data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- names ------------------------------------------------------------------------ */

static int by_text(const void *a, const void *b)
{
    const rj_name *p = a, *q = b;
    const int order = strcmp(p->text, q->text);

    return order ? order : (p->index > q->index) - (p->index < q->index);
}

void rj_names_sort(rj_name *names, int n)
{
    if (n > 0)
        qsort(names, (size_t)n, sizeof *names, by_text);
}

int rj_names_find(const rj_name *names, int n, const char *text)
{
    int low = 0, high = n;

    while (low < high) {
        const int middle = low + (high - low) / 2;

        if (strcmp(names[middle].text, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && strcmp(names[low].text, text) == 0 ? names[low].index : -1;
}

/* ---- building --------------------------------------------------------------------- */

/* Index of a generator's name, added when new; there are few. */
static rij_status generator_index(rj_dataset *d, const char *name, int *index)
{
    for (int i = 0; i < d->generators; i++)
        if (strcmp(d->generator[i], name) == 0) {
            *index = i;
            return RIJ_OK;
        }
    RJ_TRY(rj_grow((void **)&d->generator, &d->generators_room, d->generators + 1,
                   sizeof *d->generator));
    d->generator[d->generators] = rj_strdup(name);
    RJ_REQUIRE(d->generator[d->generators], RIJ_E_MEMORY, "no memory for the name %s",
               name);
    *index = d->generators++;
    return RIJ_OK;
}

static uint64_t hash_on(uint64_t hash, const char *relative, const char *generator,
                        uint64_t group)
{
    hash = rj_hash(relative, strlen(relative) + 1, hash);
    if (generator)
        hash = rj_hash(generator, strlen(generator) + 1, hash ^ RJ_FAKE_LABEL);
    else
        hash = rj_hash("", 0, hash ^ RJ_REAL_LABEL);
    return rj_hash(&group, sizeof group, hash);
}

rij_status rj_dataset_add(rj_dataset *d, const char *path, const char *relative,
                          const char *generator, uint64_t group)
{
    rj_sample s = {
        .label = generator ? RJ_FAKE_LABEL : RJ_REAL_LABEL,
        .generator = -1,
        .group = group,
        .parent = -1,
        .usable = true,
    };

    if (generator)
        RJ_TRY(generator_index(d, generator, &s.generator));
    RJ_TRY(rj_grow((void **)&d->sample, &d->room, d->n + 1, sizeof *d->sample));
    s.path = rj_strdup(path);
    RJ_REQUIRE(s.path, RIJ_E_MEMORY, "no memory for the name %s", path);
    s.name = s.path + (strlen(path) - RJ_MIN(strlen(relative), strlen(path)));
    if (strcmp(s.name, relative) != 0)
        s.name = s.path;
    d->sample[d->n++] = s;
    d->hash = hash_on(d->hash, relative, generator, group);
    if (!generator)
        d->real_hash = hash_on(d->real_hash, relative, generator, group);
    return RIJ_OK;
}

/* Order of generators until now: as met. Each sample follows its generator. */
void rj_dataset_finish(rj_dataset *d)
{
    for (int i = 1; i < d->generators; i++)
        for (int j = i; j > 0 && strcmp(d->generator[j - 1], d->generator[j]) > 0; j--) {
            char *keep = d->generator[j];

            d->generator[j] = d->generator[j - 1];
            d->generator[j - 1] = keep;
            for (int k = 0; k < d->n; k++)
                if (d->sample[k].generator == j || d->sample[k].generator == j - 1)
                    d->sample[k].generator = 2 * j - 1 - d->sample[k].generator;
        }
}

rij_status rj_dataset_open(const char *data, const char *split, rj_dataset *out)
{
    rj_dataset d = {0};
    rij_status status;
    struct stat s;

    RJ_REQUIRE(stat(data, &s) == 0, RIJ_E_FILE, "%s: %s", data, strerror(errno));
    if (S_ISDIR(s.st_mode) && split)
        status = rj_fail(RIJ_E_DATA, "%s: split %s was asked for, but a folder has none",
                         data, split);
    else if (S_ISDIR(s.st_mode))
        status = rj_tree_read(data, &d);
    else
        status = rj_manifest_read(data, split, &d);
    if (status != RIJ_OK) {
        rj_dataset_free(&d);
        return status;
    }
    rj_dataset_finish(&d);
    *out = d;
    return RIJ_OK;
}

void rj_dataset_free(rj_dataset *d)
{
    for (int i = 0; i < d->n; i++) {
        rj_free(d->sample[i].path);
        rj_free(d->sample[i].source);
        rj_free(d->sample[i].split_name);
    }
    for (int i = 0; i < d->generators; i++)
        rj_free(d->generator[i]);
    rj_free(d->sample);
    rj_free(d->generator);
    *d = (rj_dataset){0};
}

/* A real has neither parent nor generator, so nothing of one changes. */
void rj_dataset_keep_reals(rj_dataset *d)
{
    int n = 0;

    for (int i = 0; i < d->n; i++)
        if (d->sample[i].label == RJ_REAL_LABEL) {
            d->sample[n++] = d->sample[i];
        } else {
            rj_free(d->sample[i].path);
            rj_free(d->sample[i].source);
            rj_free(d->sample[i].split_name);
        }
    for (int i = 0; i < d->generators; i++)
        rj_free(d->generator[i]);
    d->n = n;
    d->generators = 0;
    d->hash = d->real_hash;
}

int rj_dataset_count(const rj_dataset *d, int label, bool validation)
{
    int n = 0;

    for (int i = 0; i < d->n; i++)
        n += d->sample[i].usable && d->sample[i].label == label &&
             d->sample[i].validation == validation;
    return n;
}

/* ---- dividing --------------------------------------------------------------------- */

typedef struct group {
    uint64_t id, hash;
    bool has[2]; /* labels of its usable samples */
    bool held;
} group;

static int by_hash(const void *a, const void *b)
{
    const group *p = a, *q = b;

    if (p->hash != q->hash)
        return p->hash < q->hash ? -1 : 1;
    return (p->id > q->id) - (p->id < q->id);
}

static group group_of(const rj_sample *s, uint64_t seed)
{
    const uint64_t key = rj_random_start(seed, RJ_STREAM_SPLIT, 0).stream ^ seed;
    group g = {s->group, rj_hash(&s->group, sizeof s->group, key), {0}, false};

    g.has[s->label] = s->usable;
    return g;
}

/* The groups of a data set in the order of their hashes: sort the samples as groups of
 * one, then join neighbours. Returns how many. */
static int find_groups(const rj_dataset *d, uint64_t seed, group *g)
{
    int n = 0;

    for (int i = 0; i < d->n; i++)
        g[i] = group_of(&d->sample[i], seed);
    if (d->n > 0)
        qsort(g, (size_t)d->n, sizeof *g, by_hash);
    for (int i = 0; i < d->n; i++) {
        if (n > 0 && g[n - 1].id == g[i].id) {
            g[n - 1].has[0] |= g[i].has[0];
            g[n - 1].has[1] |= g[i].has[1];
        } else {
            g[n++] = g[i];
        }
    }
    return n;
}

/* Hold a group, unless that took the last of a label away from training. */
static void hold(group *g, const int groups[2], int held[2])
{
    for (int label = 0; label < 2; label++)
        if (g->held || (g->has[label] && held[label] + 1 >= groups[label]))
            return;
    for (int label = 0; label < 2; label++)
        held[label] += g->has[label];
    g->held = true;
}

static void choose_held(group *g, int n, double share)
{
    int groups[2] = {0}, held[2] = {0};

    for (int i = 0; i < n; i++)
        for (int label = 0; label < 2; label++)
            groups[label] += g[i].has[label];
    for (int i = 0; i < n && (double)(g[i].hash >> 11) * 0x1p-53 < share; i++)
        hold(&g[i], groups, held);
    for (int label = 0; label < 2; label++)
        for (int i = 0; i < n && groups[label] >= 2 && held[label] == 0; i++)
            if (g[i].has[label])
                hold(&g[i], groups, held);
}

rij_status rj_dataset_hold_out(rj_dataset *d, double share, uint64_t seed)
{
    group *g = rj_alloc((size_t)RJ_MAX(d->n, 1), sizeof *g);
    int n;

    RJ_REQUIRE(g, RIJ_E_MEMORY, "no memory for the groups of %d samples", d->n);
    n = find_groups(d, seed, g);
    choose_held(g, n, share);
    for (int i = 0; i < d->n; i++) {
        const group own = group_of(&d->sample[i], seed);
        const group *found = bsearch(&own, g, (size_t)n, sizeof *g, by_hash);

        d->sample[i].validation = found && found->held;
    }
    rj_free(g);
    return RIJ_OK;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

rij_status rj_dataset_groups(const rj_dataset *d, int label, int *groups)
{
    uint64_t *g = rj_alloc((size_t)RJ_MAX(d->n, 1), sizeof *g);
    int n = 0, different = 0;

    RJ_REQUIRE(g, RIJ_E_MEMORY, "no memory for the groups of %d samples", d->n);
    for (int i = 0; i < d->n; i++)
        if (d->sample[i].usable && d->sample[i].label == label)
            g[n++] = d->sample[i].group;
    qsort(g, (size_t)n, sizeof *g, by_number);
    for (int i = 0; i < n; i++)
        different += i == 0 || g[i - 1] != g[i];
    rj_free(g);
    *groups = different;
    return RIJ_OK;
}

/* Fisher and Yates, within training and within validation, so that either keeps its
 * numbers of both labels. Drawing until the partner is of the same part is uniform over
 * them, and ends because a sample may stay where it is. */
void rj_dataset_shuffle_labels(rj_dataset *d, uint64_t seed)
{
    rj_random r = rj_random_start(seed, RJ_STREAM_SPLIT, 1);

    for (int i = d->n - 1; i >= 0; i--) {
        rj_sample *a = &d->sample[i], *b;
        const rj_sample keep = *a;

        do
            b = &d->sample[rj_random_below(&r, i + 1)];
        while (b->validation != a->validation || b->usable != a->usable);
        a->label = b->label;
        a->generator = b->generator;
        b->label = keep.label;
        b->generator = keep.generator;
        a->parent = -1;
    }
}
