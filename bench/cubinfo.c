/* cubinfo.c: judge the machine code of CUDA kernels without a GPU. */
#include "cubinfo.h"
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: cubinfo [options] CUBIN...\n"
    "Kernels of cubins for sm_80 and sm_90: registers, spills, occupancy, instructions, "
    "the\n"
    "hottest loop; with a log of simulated launches, what bounds each launch.\n"
    "  --log FILE      launches, as the simulator of the kernels logs them\n"
    "  --log sm_80=FILE\n"
    "                  the same, of that architecture's kernels alone\n"
    "  --scale N       each launch N times as large as in the log\n"
    "  --assert FILE   what must hold; exit status 1 if it does not\n"
    "  --block NAME=THREADS[,BYTES]\n"
    "                  block size and dynamic shared memory of a kernel not in the log;\n"
    "                  else what its launch bounds allow, or 256\n"
    "  --tsv           columns separated by tabs\n"
    "  --list          instructions, as decoded\n";

enum { THREADS = 256, BLOCKS_GIVEN = 64, LOGS_GIVEN = 8 };

typedef struct options {
    const char *assertions;
    const char *logs[LOGS_GIVEN], *blocks[BLOCKS_GIVEN];
    int n_logs, n_blocks;
    double scale;
    bool tsv, list;
    char **files;
    int n_files;
} options;

void *cubinfo_grow(void *block, size_t count, size_t size)
{
    void *grown =
        count <= SIZE_MAX / size ? realloc(block, count ? count * size : 1) : NULL;

    if (!grown) {
        fprintf(stderr, "cubinfo: no memory for %zu x %zu bytes\n", count, size);
        exit(CUBINFO_FAILED);
    }
    return grown;
}

static void misused(const char *what, const char *argument)
{
    fprintf(stderr, "cubinfo: %s '%s'\n%s", what, argument, usage);
    exit(CUBINFO_USAGE);
}

/* THREADS[,BYTES] behind the = of a --block. */
static bool block_of(const char *given, int *threads, double *bytes)
{
    const char *size = strrchr(given, '=');
    char *end;
    long n;

    if (!size)
        return false;
    n = strtol(size + 1, &end, 10);
    *threads = n >= 1 && n <= 1024 ? (int)n : 0;
    *bytes = 0;
    if (*end == ',')
        *bytes = strtod(end + 1, &end);
    return *threads && !*end && *bytes >= 0 && *bytes < 1e9;
}

/* The value of an option, which follows it. */
static const char *value_of(int argc, char **argv, int *i)
{
    if (*i + 1 >= argc)
        misused("no value behind", argv[*i]);
    return argv[++*i];
}

static void parse(int argc, char **argv, options *o)
{
    char *end = NULL;
    int threads;
    double bytes;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        } else if (strcmp(argv[i], "--log") == 0) {
            if (o->n_logs == LOGS_GIVEN)
                misused("too many logs:", argv[i]);
            o->logs[o->n_logs++] = value_of(argc, argv, &i);
        } else if (strcmp(argv[i], "--assert") == 0) {
            o->assertions = value_of(argc, argv, &i);
        } else if (strcmp(argv[i], "--scale") == 0) {
            o->scale = strtod(value_of(argc, argv, &i), &end);
            if (*end || !(o->scale > 0 && o->scale <= 1e6))
                misused("not a scale:", argv[i]);
        } else if (strcmp(argv[i], "--block") == 0) {
            if (o->n_blocks == BLOCKS_GIVEN ||
                !block_of(value_of(argc, argv, &i), &threads, &bytes))
                misused("not a block:", argv[i]);
            o->blocks[o->n_blocks++] = argv[i];
        } else if (strcmp(argv[i], "--tsv") == 0) {
            o->tsv = true;
        } else if (strcmp(argv[i], "--list") == 0) {
            o->list = true;
        } else if (argv[i][0] == '-') {
            misused("unknown option", argv[i]);
        } else {
            o->files[o->n_files++] = argv[i];
        }
    }
    if (o->n_files == 0)
        misused("no cubin in", "the arguments");
}

/* What a row says that follows from kernel, card and block. */
static row judge(const kernel *k, const launch *l, int threads, double dynamic)
{
    row r = {.k = k, .l = l, .c = card_of(k->arch), .threads = threads};

    r.shared = k->shared + dynamic;
    if (!r.c)
        return r;
    r.occ = card_occupancy(r.c, k, threads, r.shared);
    r.cycles = card_loop(r.c, k);
    if (l && r.occ.blocks)
        r.roof = card_roof(&r);
    return r;
}

/* Rows of one kernel: its launches, or one without. */
static void add_rows(const options *o, const kernel *k, const launches *log, rows *all)
{
    const size_t before = all->n;
    int threads =
        k->max_threads >= 1 && k->max_threads <= 1024 ? k->max_threads : THREADS;
    double dynamic = 0;

    for (size_t i = 0; i < log->n; i++)
        if (strcmp(log->l[i].name, k->name) == 0 &&
            (!log->l[i].arch || log->l[i].arch == k->arch)) {
            const launch *l = &log->l[i];

            all->r = cubinfo_grow(all->r, all->n + 1, sizeof *all->r);
            all->r[all->n++] = judge(k, l, (int)l->block_threads, l->dyn_smem);
        }
    if (all->n > before)
        return;
    for (int b = 0; b < o->n_blocks; b++) {
        const size_t length = (size_t)(strrchr(o->blocks[b], '=') - o->blocks[b]);

        if (strncmp(o->blocks[b], k->name, length) == 0 &&
            (k->name[length] == '\0' || k->name[length] == '<'))
            block_of(o->blocks[b], &threads, &dynamic);
    }
    all->r = cubinfo_grow(all->r, all->n + 1, sizeof *all->r);
    all->r[all->n++] = judge(k, NULL, threads, dynamic);
}

/* The one kernel a log means by a name: the one so called, or else the only one so called
 * but for spellings of types. NULL: none, or more than one. */
static const kernel *meant(const char *logged, const kernels *found)
{
    const kernel *like = NULL;
    bool several = false;

    for (size_t i = 0; i < found->n; i++) {
        const kernel *k = &found->k[i];

        if (strcmp(logged, k->name) == 0)
            return k;
        if (!cubin_same(logged, k->name))
            continue;
        several |= like && strcmp(like->name, k->name) != 0;
        like = k;
    }
    return several ? NULL : like;
}

/* Call the log's kernels as the cubins do; say which are in none. */
static void resolve(const kernels *found, launches *log)
{
    for (size_t i = 0; i < log->n; i++) {
        const kernel *k = meant(log->l[i].name, found);

        if (k)
            snprintf(log->l[i].name, sizeof log->l[i].name, "%s", k->name);
        else if (i == 0 || strcmp(log->l[i].name, log->l[i - 1].name) != 0)
            fprintf(stderr, "cubinfo: in the log, but in no cubin: %s\n", log->l[i].name);
    }
}

/* A log, maybe of one architecture: sm_80=FILE. */
static bool read_log(const char *given, double scale, launches *log)
{
    int arch = 0, at = 0;

    if (sscanf(given, "sm_%d=%n", &arch, &at) < 1 || !at)
        arch = at = 0;
    return launch_log_read(given + at, arch, scale, log);
}

static int run(const options *o, kernels *found, launches *log, rows *all)
{
    for (int i = 0; i < o->n_files; i++)
        if (!cubin_read(o->files[i], o->list, found))
            return CUBINFO_FAILED;
    for (int i = 0; i < o->n_logs; i++)
        if (!read_log(o->logs[i], o->scale, log))
            return CUBINFO_FAILED;
    resolve(found, log);
    for (size_t i = 0; i < found->n; i++)
        add_rows(o, &found->k[i], log, all);
    if (o->tsv)
        print_tsv(all, stdout);
    else if (!o->list)
        print_tables(all, stdout);
    if (o->assertions &&
        assertions_check(o->assertions, all, o->n_logs > 0, o->tsv ? stderr : stdout) > 0)
        return CUBINFO_FAILED;
    return 0;
}

int main(int argc, char **argv)
{
    options o = {.scale = 1};
    kernels found = {0};
    launches log = {0};
    rows all = {0};
    int status;

    o.files = cubinfo_grow(NULL, (size_t)argc, sizeof *o.files);
    parse(argc, argv, &o);
    status = run(&o, &found, &log, &all);
    free(o.files);
    free(found.k);
    free(log.l);
    free(all.r);
    return status;
}
