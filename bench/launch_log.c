/* launch_log.c: the log of launches that the simulator of the kernels writes: a header
 * line with the names of the columns, then a line for each kernel and launch shape,
 * separated by tabs. Columns may come in any order, and there may be more. */
#include "cubinfo.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t at;
    bool counted; /* a total over launches */
} columns[] = {
#define SHAPE(name)                                                                      \
    {                                                                                    \
#        name, offsetof(launch, name), false                                             \
    }
#define TOTAL(name)                                                                      \
    {                                                                                    \
#        name, offsetof(launch, name), true                                              \
    }
    SHAPE(grid_blocks),
    SHAPE(block_threads),
    SHAPE(dyn_smem),
    SHAPE(static_smem),
    SHAPE(launches),
    TOTAL(read_sectors),
    TOTAL(write_sectors),
    TOTAL(unique_read_sectors),
    TOTAL(unique_write_sectors),
    TOTAL(shared_wavefronts),
    TOTAL(mma_tf32),
    TOTAL(mma_bf16),
    TOTAL(cp_async_bytes),
#undef SHAPE
#undef TOTAL
};
enum { COLUMNS = sizeof columns / sizeof *columns, FIELDS = 64 };

static double *field(launch *l, int column)
{
    return (double *)(void *)((char *)l + columns[column].at);
}

/* Cut a line at its tabs. Returns the number of fields, FIELDS at most. */
static int split(char *line, char **fields)
{
    int n = 0;

    line[strcspn(line, "\r\n")] = '\0';
    for (char *next = line; next && n < FIELDS; n++) {
        fields[n] = next;
        next = strchr(next, '\t');
        if (next)
            *next++ = '\0';
    }
    return n;
}

/* place[c]: which field is column c; place[COLUMNS]: the kernel's name. */
static bool read_header(const char *path, char **fields, int n, int *place)
{
    for (int c = 0; c <= COLUMNS; c++) {
        const char *name = c < COLUMNS ? columns[c].name : "kernel";

        place[c] = -1;
        for (int i = 0; i < n; i++)
            if (strcmp(fields[i], name) == 0)
                place[c] = i;
        if (place[c] < 0) {
            fprintf(stderr, "cubinfo: %s: no column '%s' in its first line\n", path,
                    name);
            return false;
        }
    }
    return true;
}

static bool read_launch(char **fields, int n, const int *place, launch *l)
{
    if (place[COLUMNS] >= n)
        return false;
    cubin_shorten(fields[place[COLUMNS]], l->name, sizeof l->name);
    for (int c = 0; c < COLUMNS; c++) {
        const char *text = place[c] < n ? fields[place[c]] : "";
        char *end;

        *field(l, c) = strtod(text, &end);
        if (end == text || *end || !(*field(l, c) >= 0 && *field(l, c) < 1e18))
            return false;
    }
    return l->grid_blocks >= 1 && l->block_threads >= 1 && l->block_threads <= 1024 &&
           l->launches >= 1;
}

static void of_one_launch(launch *l, double scale)
{
    for (int c = 0; c < COLUMNS; c++)
        if (columns[c].counted)
            *field(l, c) *= scale / l->launches;
    l->grid_blocks *= scale;
}

static bool read_lines(const char *path, FILE *f, int arch, double scale, launches *all)
{
    char *line = NULL, *fields[FIELDS];
    int place[COLUMNS + 1];
    size_t room = 0, at = 0;
    bool fine = true;

    while (fine && getline(&line, &room, f) > 0) {
        const int n = line[0] == '\n' ? 0 : split(line, fields);

        if (n == 0 || at++ == 0) {
            fine = n == 0 || read_header(path, fields, n, place);
            continue;
        }
        all->l = cubinfo_grow(all->l, all->n + 1, sizeof *all->l);
        fine = read_launch(fields, n, place, &all->l[all->n]);
        all->l[all->n].arch = arch;
        if (fine)
            of_one_launch(&all->l[all->n++], scale);
        else
            fprintf(stderr, "cubinfo: %s: launch %zu is damaged\n", path, at - 1);
    }
    if (fine && at == 0)
        fprintf(stderr, "cubinfo: %s: empty\n", path);
    free(line);
    return fine && at > 0;
}

bool launch_log_read(const char *path, int arch, double scale, launches *all)
{
    FILE *f = fopen(path, "r");
    bool fine;

    if (!f) {
        fprintf(stderr, "cubinfo: %s: %s\n", path, strerror(errno));
        return false;
    }
    fine = read_lines(path, f, arch, scale, all);
    fclose(f);
    return fine;
}
