/* pairs.c: which real images each generator is compared with, from a table of lines
 *
 *     generator  real_sources  same_group
 *     ldm        imagenette320,bsds500  0
 *
 * between tabs. Nothing of it is believed: what names no image is an error, so that a
 * slip of the pen does not change what is compared. */
#include "judge/judge.h"

#include <stdlib.h>
#include <string.h>

enum cell { GENERATOR, SOURCES, SAME_GROUP, CELLS };
static const char *const names[CELLS] = {"generator", "real_sources", "same_group"};

enum { FILE_BYTES = 1 << 20, MOST_CELLS = 64, MOST_SOURCES = 1000 };

typedef struct table {
    const char *path;
    const rj_dataset *d;
    int column[MOST_CELLS], columns; /* which cell each is, or CELLS */
    bool *met;                       /* generators that had a line */
    bool *pair;                      /* (generators, samples) */
    uint64_t *group;                 /* of one generator's fakes, sorted; room for all */
    int groups, line, known;
} table;

static rij_status read_header(table *t, char *line)
{
    bool has[CELLS] = {false};

    for (char *cell; (cell = rj_next_piece(&line, '\t'));) {
        int which = 0;

        while (which < CELLS && strcmp(cell, names[which]) != 0)
            which++;
        RJ_REQUIRE(t->columns < MOST_CELLS && (which == CELLS || !has[which]), RIJ_E_DATA,
                   "%s: too many columns, or two are named %.40s", t->path, cell);
        t->column[t->columns++] = which;
        if (which < CELLS)
            has[which] = true;
    }
    for (int i = 0; i < CELLS; i++)
        RJ_REQUIRE(has[i], RIJ_E_DATA, "%s: no column is named %s", t->path, names[i]);
    return RIJ_OK;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void find_groups(table *t, int generator)
{
    t->groups = 0;
    for (int i = 0; i < t->d->n; i++)
        if (t->d->sample[i].usable && t->d->sample[i].generator == generator)
            t->group[t->groups++] = t->d->sample[i].group;
    qsort(t->group, (size_t)t->groups, sizeof *t->group, by_number);
}

/* Take the reals of one source in; with same_group, those beside fakes of the generator.
 */
static rij_status add_source(table *t, bool *pair, const char *source, bool same_group)
{
    int found = 0;

    for (int i = 0; i < t->d->n; i++) {
        const rj_sample *s = &t->d->sample[i];

        if (!s->usable || s->label != RJ_REAL_LABEL || !s->source ||
            strcmp(s->source, source) != 0)
            continue;
        found++;
        if (!same_group ||
            bsearch(&s->group, t->group, (size_t)t->groups, sizeof *t->group, by_number))
            pair[i] = true;
    }
    RJ_REQUIRE(found, RIJ_E_DATA, "%s, line %d: no real image is of source %.60s",
               t->path, t->line, source[0] ? source : "(empty)");
    return RIJ_OK;
}

static rij_status add_sources(table *t, int generator, char *sources, bool same_group)
{
    bool *pair = t->pair + (size_t)generator * (size_t)t->d->n;
    int n = 0, reals = 0;

    memset(pair, 0, (size_t)t->d->n * sizeof *pair);
    if (same_group)
        find_groups(t, generator);
    for (char *source; (source = rj_next_piece(&sources, ','));) {
        size_t length;

        source += strspn(source, " ");
        for (length = strlen(source); length && source[length - 1] == ' ';)
            source[--length] = 0;
        RJ_REQUIRE(++n <= MOST_SOURCES, RIJ_E_DATA, "%s, line %d: more than %d sources",
                   t->path, t->line, MOST_SOURCES);
        RJ_TRY(add_source(t, pair, source, same_group));
    }
    for (int i = 0; i < t->d->n; i++)
        reals += pair[i];
    RJ_REQUIRE(reals, RIJ_E_DATA,
               "%s, line %d: no real image shares a group with generator %.60s", t->path,
               t->line, t->d->generator[generator]);
    return RIJ_OK;
}

/* A generator that the data lack is of another split, say. */
static rij_status read_line(table *t, char *line)
{
    char *cell[CELLS] = {"", "", ""};
    int generator = -1;

    for (int i = 0; i < t->columns; i++) {
        char *text = rj_next_piece(&line, '\t');

        if (text && t->column[i] < CELLS)
            cell[t->column[i]] = text;
    }
    RJ_REQUIRE(cell[GENERATOR][0], RIJ_E_DATA, "%s, line %d: no generator", t->path,
               t->line);
    RJ_REQUIRE(strcmp(cell[SAME_GROUP], "0") == 0 || strcmp(cell[SAME_GROUP], "1") == 0,
               RIJ_E_DATA, "%s, line %d: same_group is %.40s, neither 0 nor 1", t->path,
               t->line, cell[SAME_GROUP][0] ? cell[SAME_GROUP] : "(empty)");
    for (int g = 0; g < t->d->generators; g++)
        if (strcmp(cell[GENERATOR], t->d->generator[g]) == 0)
            generator = g;
    if (generator < 0)
        return RIJ_OK;
    RJ_REQUIRE(!t->met[generator], RIJ_E_DATA, "%s, line %d: a second line for %.60s",
               t->path, t->line, cell[GENERATOR]);
    t->met[generator] = true;
    t->known++;
    return add_sources(t, generator, cell[SOURCES], cell[SAME_GROUP][0] == '1');
}

static rij_status read_table(table *t, char *text)
{
    RJ_TRY(read_header(t, rj_next_line(&text)));
    for (char *line; (line = rj_next_line(&text));) {
        t->line++;
        if (*line)
            RJ_TRY(read_line(t, line));
    }
    RJ_REQUIRE(t->known, RIJ_E_DATA, "%s: it names no generator of the data", t->path);
    return RIJ_OK;
}

rij_status rj_pairs_read(const char *path, const rj_dataset *d, bool **pair)
{
    const size_t n = (size_t)d->generators * (size_t)d->n;
    table t = {.path = path, .d = d, .line = 1};
    unsigned char *bytes = NULL;
    rij_status status;
    size_t size;

    RJ_TRY(rj_file_read(path, FILE_BYTES, &bytes, &size));
    t.met = rj_alloc((size_t)d->generators + 1, sizeof *t.met);
    t.pair = rj_alloc(n + 1, sizeof *t.pair);
    t.group = rj_alloc((size_t)d->n + 1, sizeof *t.group);
    if (!t.met || !t.pair || !t.group) {
        status = rj_fail(RIJ_E_MEMORY, "%s: no memory for the pairs", path);
    } else if (memchr(bytes, 0, size)) {
        status = rj_fail(RIJ_E_DATA, "%s: not a text file", path);
    } else {
        memset(t.pair, true, n);
        status = read_table(&t, (char *)bytes);
    }
    rj_free(bytes);
    rj_free(t.met);
    rj_free(t.group);
    if (status == RIJ_OK)
        *pair = t.pair;
    else
        rj_free(t.pair);
    return status;
}
