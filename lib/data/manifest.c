/* manifest.c: a data set from a table: one line an image, cells between tabs, the first
 * line naming the columns. Quotes mean nothing; a carriage return at the end of a line
 * and empty lines are skipped; a cell that is missing at the end of a line is empty.
 *
 * All lines are read, whatever their split, because a group that lies in two splits is
 * an error even if only one of them is wanted. */
#include "data/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column { PATH, LABEL, GENERATOR, SPLIT, GROUP, PARENT, SOURCE, COLUMNS };
static const char *const names[COLUMNS] = {
    "path", "label", "generator", "split", "group", "parent", "source",
};

enum { FILE_BYTES = 1 << 30, PATH_BYTES = 4096 };

typedef struct row {
    const char *cell[COLUMNS]; /* "" where there is none */
    int line, label;
    int parent; /* index of its row, or -1 */
    uint64_t group;
} row;

typedef struct table {
    const char *path;
    bool has[COLUMNS];
    row *row;
    int n, room;
} table;

char *rj_next_piece(char **at, char separator)
{
    char *piece = *at, *end;

    if (!piece)
        return NULL;
    end = strchr(piece, separator);
    if (end)
        *end = 0;
    *at = end ? end + 1 : NULL;
    return piece;
}

char *rj_next_line(char **at)
{
    char *line = rj_next_piece(at, '\n');
    const size_t n = line ? strlen(line) : 0;

    if (n > 0 && line[n - 1] == '\r')
        line[n - 1] = 0;
    return line;
}

/* Which of our columns each cell of a line belongs to; COLUMNS: none of ours. */
static rij_status read_header(table *t, char *line, int **column, int *columns)
{
    int room = 0;

    for (char *cell; (cell = rj_next_piece(&line, '\t'));) {
        int which = 0;

        while (which < COLUMNS && strcmp(cell, names[which]) != 0)
            which++;
        RJ_REQUIRE(which == COLUMNS || !t->has[which], RIJ_E_DATA,
                   "%s: two columns are named %s", t->path, cell);
        if (which < COLUMNS)
            t->has[which] = true;
        RJ_TRY(rj_grow((void **)column, &room, *columns + 1, sizeof **column));
        (*column)[(*columns)++] = which;
    }
    RJ_REQUIRE(t->has[PATH], RIJ_E_DATA, "%s: no column is named path", t->path);
    RJ_REQUIRE(t->has[LABEL], RIJ_E_DATA, "%s: no column is named label", t->path);
    return RIJ_OK;
}

/* "./a" and "a" are the same file. */
static const char *plain(const char *path)
{
    while (path[0] == '.' && path[1] == '/')
        for (path += 2; *path == '/';)
            path++;
    return path;
}

static rij_status read_row(table *t, char *text, int line, const int *column, int columns)
{
    row r = {.line = line, .parent = -1};

    for (int i = 0; i < COLUMNS; i++)
        r.cell[i] = "";
    for (int i = 0; i < columns; i++) {
        const char *cell = rj_next_piece(&text, '\t');

        if (cell && column[i] < COLUMNS)
            r.cell[column[i]] = cell;
    }
    r.cell[PATH] = plain(r.cell[PATH]);
    r.cell[PARENT] = plain(r.cell[PARENT]);
    RJ_REQUIRE(r.cell[PATH][0], RIJ_E_DATA, "%s, line %d: no path", t->path, line);
    r.label = strcmp(r.cell[LABEL], "fake") == 0 ? RJ_FAKE_LABEL : RJ_REAL_LABEL;
    RJ_REQUIRE(r.label == RJ_FAKE_LABEL || strcmp(r.cell[LABEL], "real") == 0, RIJ_E_DATA,
               "%s, line %d: label %.40s is neither real nor fake", t->path, line,
               r.cell[LABEL][0] ? r.cell[LABEL] : "(empty)");
    RJ_TRY(rj_grow((void **)&t->row, &t->room, t->n + 1, sizeof *t->row));
    t->row[t->n++] = r;
    return RIJ_OK;
}

/* Rows of the text, which is cut to pieces where it lies. */
static rij_status read_rows(table *t, char *text)
{
    int *column = NULL, columns = 0, line = 1;
    char *header = rj_next_line(&text);
    rij_status status;

    if (header &&
        strncmp(header, "\xef\xbb\xbf", 3) == 0) // a byte order mark, as Windows writes
        header += 3;
    status = read_header(t, header, &column, &columns);
    for (char *at; status == RIJ_OK && (at = rj_next_line(&text));) {
        line++;
        if (*at)
            status = read_row(t, at, line, column, columns);
    }
    rj_free(column);
    return status;
}

/* The group a row names, else its parent's, else that of its own path. */
static uint64_t group_of(const row *r, const row *parent)
{
    const char *name = r->cell[GROUP];

    if (!name[0] && parent && r->label == RJ_FAKE_LABEL)
        return parent->group;
    if (!name[0])
        name = r->cell[PARENT][0] ? r->cell[PARENT] : r->cell[PATH];
    return rj_hash(name, strlen(name), 0);
}

/* Find the rows of parents, then the groups: of reals first, since parents are real. */
static rij_status link_rows(table *t)
{
    rj_name *name = rj_alloc((size_t)RJ_MAX(t->n, 1), sizeof *name);

    RJ_REQUIRE(name, RIJ_E_MEMORY, "%s: no memory for %d names", t->path, t->n);
    for (int i = 0; i < t->n; i++)
        name[i] = (rj_name){t->row[i].cell[PATH], i};
    rj_names_sort(name, t->n);
    for (int i = 0; i < t->n; i++)
        if (t->row[i].cell[PARENT][0])
            t->row[i].parent = rj_names_find(name, t->n, t->row[i].cell[PARENT]);
    for (int label = RJ_REAL_LABEL; label <= RJ_FAKE_LABEL; label++)
        for (int i = 0; i < t->n; i++) {
            row *r = &t->row[i];

            if (r->label == label)
                r->group = group_of(r, r->parent >= 0 ? &t->row[r->parent] : NULL);
        }
    rj_free(name);
    return RIJ_OK;
}

/* A child whose named group is not its parent's could part from it. */
static rij_status check_parents(const table *t)
{
    for (int i = 0; i < t->n; i++) {
        const row *r = &t->row[i];
        const row *parent =
            r->parent >= 0 && r->label == RJ_FAKE_LABEL ? &t->row[r->parent] : NULL;

        RJ_REQUIRE(!parent || parent->label == RJ_REAL_LABEL, RIJ_E_DATA,
                   "%s, line %d: parent %.80s is not real", t->path, r->line,
                   r->cell[PARENT]);
        RJ_REQUIRE(!parent || parent->group == r->group, RIJ_E_DATA,
                   "%s, line %d: %.80s and its parent are in different groups", t->path,
                   r->line, r->cell[PATH]);
    }
    return RIJ_OK;
}

static int by_group(const void *a, const void *b)
{
    const row *p = *(const row *const *)a, *q = *(const row *const *)b;

    if (p->group != q->group)
        return p->group < q->group ? -1 : 1;
    return (p->line > q->line) - (p->line < q->line);
}

/* No group may lie in two splits of the manifest, where it has splits at all. */
static rij_status check_splits(const table *t)
{
    const row **sorted;
    rij_status status = RIJ_OK;

    if (!t->has[SPLIT] || t->n == 0)
        return RIJ_OK;
    sorted = rj_alloc((size_t)t->n, sizeof *sorted);
    RJ_REQUIRE(sorted, RIJ_E_MEMORY, "%s: no memory for %d rows", t->path, t->n);
    for (int i = 0; i < t->n; i++)
        sorted[i] = &t->row[i];
    qsort(sorted, (size_t)t->n, sizeof *sorted, by_group);
    for (int i = 1; i < t->n && status == RIJ_OK; i++) {
        const row *a = sorted[i - 1], *b = sorted[i];

        if (a->group == b->group && strcmp(a->cell[SPLIT], b->cell[SPLIT]) != 0)
            status = rj_fail(RIJ_E_DATA,
                             "%s: a group lies in two splits: line %d (%.40s, %.40s) and "
                             "line %d (%.40s, %.40s)",
                             t->path, a->line, a->cell[PATH], a->cell[SPLIT], b->line,
                             b->cell[PATH], b->cell[SPLIT]);
    }
    rj_free(sorted);
    return status;
}

static rij_status keep_name(const char *name, char **kept)
{
    *kept = rj_strdup(name);
    RJ_REQUIRE(*kept, RIJ_E_MEMORY, "no memory for the name %.80s", name);
    return RIJ_OK;
}

/* What a row says of its sample besides path, label and group. */
static rij_status describe(const row *r, rj_sample *s)
{
    const char *split = r->cell[SPLIT], *source = r->cell[SOURCE];

    if (split[0]) {
        s->split = rj_hash(split, strlen(split), 0);
        RJ_TRY(keep_name(split, &s->split_name));
    }
    return source[0] ? keep_name(source, &s->source) : RIJ_OK;
}

/* Add the wanted rows. `sample` (t->n places) tells where each of them went. */
static rij_status add_rows(const table *t, const char *split, int *sample, rj_dataset *d)
{
    const char *slash = strrchr(t->path, '/');
    char folder[PATH_BYTES], path[PATH_BYTES];

    RJ_REQUIRE(strlen(t->path) < sizeof folder, RIJ_E_FILE, "%.100s..: a long name",
               t->path);
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - t->path) + 1 : 0,
             t->path);
    for (int i = 0; i < t->n; i++) {
        const row *r = &t->row[i];
        const char *generator = r->cell[GENERATOR][0] ? r->cell[GENERATOR] : "fake";

        sample[i] = -1;
        if (split && strcmp(r->cell[SPLIT], split) != 0)
            continue;
        RJ_TRY(rj_path_join(folder, r->cell[PATH], path, sizeof path));
        sample[i] = d->n;
        RJ_TRY(rj_dataset_add(d, path, r->cell[PATH],
                              r->label == RJ_FAKE_LABEL ? generator : NULL, r->group));
        RJ_TRY(describe(r, &d->sample[d->n - 1]));
    }
    for (int i = 0; i < t->n; i++)
        if (sample[i] >= 0 && t->row[i].parent >= 0 && t->row[i].label == RJ_FAKE_LABEL)
            d->sample[sample[i]].parent = sample[t->row[i].parent];
    RJ_REQUIRE(d->n > 0 || !split, RIJ_E_DATA, "%s: no rows of split %s", t->path, split);
    RJ_REQUIRE(d->n > 0, RIJ_E_DATA, "%s: no rows", t->path);
    return RIJ_OK;
}

static rij_status read_table(table *t, char *text, const char *split, rj_dataset *d)
{
    rij_status status;
    int *sample;

    RJ_TRY(read_rows(t, text));
    RJ_REQUIRE(!split || t->has[SPLIT], RIJ_E_DATA,
               "%s: split %s was asked for, but no column is named split", t->path,
               split);
    RJ_TRY(link_rows(t));
    RJ_TRY(check_parents(t));
    RJ_TRY(check_splits(t));
    sample = rj_alloc((size_t)RJ_MAX(t->n, 1), sizeof *sample);
    RJ_REQUIRE(sample, RIJ_E_MEMORY, "%s: no memory for %d rows", t->path, t->n);
    status = add_rows(t, split, sample, d);
    rj_free(sample);
    return status;
}

rij_status rj_manifest_read(const char *path, const char *split, rj_dataset *d)
{
    table t = {.path = path};
    unsigned char *bytes;
    rij_status status;
    size_t n;

    RJ_TRY(rj_file_read(path, FILE_BYTES, &bytes, &n));
    if (memchr(bytes, 0, n))
        status = rj_fail(RIJ_E_DATA, "%s: not a text file", path);
    else
        status = read_table(&t, (char *)bytes, split, d);
    rj_free(t.row);
    rj_free(bytes);
    return status;
}
