/* merge.c: `realjudge merge`: the parts of all shards as one file, in the list's order,
 * the same bytes that one run over all would have written. */
#include "tool.h"
#include <errno.h>
#include <sys/resource.h>

typedef struct merge_job {
    common c;
    const char *out;
} merge_job;

/* A part that was given. */
typedef struct given {
    const char *path;
    FILE *file;
    json_t *header;
} given;

typedef struct merging {
    given *of; /* by shard; file NULL: missing */
    size_t shards, inputs;
    json_t *first; /* header, borrowed */
} merging;

static size_t number(const json_t *header, const char *key)
{
    return (size_t)json_integer_value(json_object_get(header, key));
}

/* ---- parts ------------------------------------------------------------------------ */

/* Headers of one run differ in shard and records alone. */
static int of_one_run(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)a, key,
                        value) if (strcmp(key, "shard") != 0 &&
                                   strcmp(key, "records") != 0 &&
                                   !json_equal(value, json_object_get(b, key))) return 0;
    return 1;
}

/* Takes the part's file and header, or says why not. */
static int add(merging *m, given *g)
{
    const size_t shard = number(g->header, "shard");

    if (!m->of) {
        m->shards = number(g->header, "shards");
        m->inputs = number(g->header, "inputs");
        if (m->shards < 1 || m->shards > 1000000) {
            say("%s: its header is damaged", g->path);
            return FATAL;
        }
        m->of = need(calloc(m->shards, sizeof *m->of));
        m->first = g->header;
    } else if (!of_one_run(m->first, g->header)) {
        say("%s is of another model, list or way of judging than the parts before it",
            g->path);
        return FATAL;
    }
    if (shard >= m->shards || m->of[shard].file) {
        say("%s: shard %zu is there twice, or is none of %zu", g->path, shard, m->shards);
        if (m->first == g->header) // the only one so far goes
            m->first = NULL;
        return FATAL;
    }
    m->of[shard] = *g;
    return DONE;
}

static int open_part(merging *m, const char *path)
{
    given g = {path, fopen(path, "re"), NULL};
    int status = FATAL;

    if (!g.file) {
        say("%s: %s", path, strerror(errno));
        return FATAL;
    }
    g.header = part_header(path, g.file);
    if (g.header)
        status = add(m, &g);
    if (status != DONE) {
        fclose(g.file);
        json_decref(g.header);
    }
    return status;
}

/* All of them stay open; a list of 10,000 shards needs as many. */
static int open_parts(merging *m, const inputs *parts)
{
    struct rlimit files;
    int status = DONE;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    for (size_t i = 0; i < parts->n && status == DONE; i++)
        status = open_part(m, parts->path[i]);
    return status;
}

/* ---- records ---------------------------------------------------------------------- */

/* Whether a line is the record of input i. */
static int is_record(const char *line, ssize_t n, size_t i)
{
    json_t *record =
        n > 0 && line[n - 1] == '\n' ? json_loadb(line, (size_t)n, 0, NULL) : NULL;
    const json_t *index = json_object_get(record, "index");
    const int right =
        json_is_integer(index) && json_integer_value(index) == (json_int_t)i;

    json_decref(record);
    return right;
}

/* How many records of a part are there; it stands behind its header again then. */
static size_t count(given *g, size_t shard, size_t shards)
{
    const off_t start = ftello(g->file);
    char *line = NULL;
    size_t room = 0, n = 0;
    ssize_t length;

    while ((length = getline(&line, &room, g->file)) > 0 &&
           is_record(line, length, shard + n * shards))
        n++;
    free(line);
    fseeko(g->file, start, SEEK_SET);
    return n;
}

/* Say what is missing; how many shards are. */
static size_t missing(const merging *m)
{
    size_t lacking = 0;

    for (size_t i = 0; i < m->shards; i++) {
        given *g = &m->of[i];
        const size_t there = g->file ? count(g, i, m->shards) : 0;
        const size_t wanted = g->file ? number(g->header, "records") : 1;

        if (there == wanted)
            continue;
        lacking++;
        if (!g->file)
            say("shard %zu/%zu is missing", i, m->shards);
        else
            say("shard %zu/%zu: %s has %zu of %zu records", i, m->shards, g->path, there,
                wanted);
    }
    return lacking;
}

static int write_all(const merging *m, part *p)
{
    char *line = NULL;
    size_t room = 0;
    int status = DONE;

    for (size_t i = p->done; i < m->inputs && status == DONE; i++) {
        const given *g = &m->of[i % m->shards];

        if (getline(&line, &room, g->file) > 0) {
            status = part_write(p, line);
        } else {
            say("%s: it changed while it was read", g->path);
            status = FATAL;
        }
    }
    free(line);
    return status;
}

/* As the one shard of one. */
static int write_merged(const merging *m, const char *out)
{
    json_t *header = need(json_deep_copy(m->first));
    part p;
    int status;

    json_object_set_new(header, "shard", json_integer(0));
    json_object_set_new(header, "shards", json_integer(1));
    json_object_set_new(header, "records", json_integer((json_int_t)m->inputs));
    status = part_open(&p, out, header);
    json_decref(header);
    for (size_t i = 0; i < p.done && status == DONE && !p.complete; i++) {
        const given *g = &m->of[i % m->shards]; // an earlier merge wrote these
        int c;

        while ((c = getc(g->file)) != EOF && c != '\n')
            ;
    }
    if (status == DONE && !p.complete)
        status = write_all(m, &p);
    if (status == DONE && !p.complete)
        status = part_finish(&p);
    part_close(&p);
    return status;
}

/* ----------------------------------------------------------------------------------- */

static void merging_free(merging *m)
{
    for (size_t i = 0; m->of && i < m->shards; i++) {
        if (m->of[i].file)
            fclose(m->of[i].file);
        json_decref(m->of[i].header);
    }
    free(m->of);
}

static int merge(void *job, int n, char **operand)
{
    const merge_job *j = job;
    merging m = {0};
    inputs parts = {.there = 1};
    int status = DONE;

    if (!n) {
        say("merge: no PART");
        return USAGE;
    }
    for (int i = 0; i < n && status == DONE; i++)
        status = inputs_expand(&parts, operand[i]);
    if (j->out)
        inputs_leave_out(&parts, j->out);
    if (status == DONE && !parts.n) {
        say("merge: no part is there");
        status = FATAL;
    }
    if (status == DONE)
        status = open_parts(&m, &parts);
    if (status == DONE && m.of && missing(&m) > 0)
        status = PARTIAL;
    if (status == DONE && m.of && !j->c.quiet)
        say("%zu shards, %zu records: all there", m.shards, m.inputs);
    if (status == DONE && m.of && j->out)
        status = write_merged(&m, j->out);
    merging_free(&m);
    inputs_free(&parts);
    return status;
}

#define AT(field) offsetof(merge_job, field)
static const row rows[] = {
    {"out", PATH, AT(out), "FILE", 0, 0,
     "write all records there, in the order of the list, behind one header; without it "
     "parts are only checked"},
};

static const merge_job initial = {.out = NULL};

const command command_merge = {
    "merge",
    "join the parts of a sharded prediction, or say which are missing",
    "PART...",
    "Checks the parts that `realjudge predict --shard I/N --out PART` wrote: all of one "
    "model, calibration and list, every shard there once, every record there. Says which "
    "shards are missing or not finished. With --out they become one file, byte for byte "
    "what one run over the whole list writes.",
    "0: all records are there. 1: shards are missing or not finished; nothing was "
    "written. 2: the command line is not allowed. 3: a PART cannot be read or belongs to "
    "another run, or FILE cannot be written.",
    "  realjudge merge --out all.jsonl parts/*.jsonl\n"
    "  realjudge merge parts/*.jsonl parts/*.partial\n",
    rows,
    COUNT(rows),
    &initial,
    sizeof initial,
    NULL,
    merge};
