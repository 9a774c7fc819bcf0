/* inputs.c: which files are meant: files, folders with all below them, patterns. What a
 * file is, nobody asks here; one that is no image gets a record that says so. */
#include "tool.h"
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <sys/stat.h>

void inputs_add(inputs *in, const char *path)
{
    if (in->n == in->room) {
        in->room = in->room ? 2 * in->room : 64;
        in->path = need(realloc(in->path, in->room * sizeof *in->path));
    }
    in->path[in->n++] = need(strdup(path));
}

void inputs_free(inputs *in)
{
    for (size_t i = 0; i < in->n; i++)
        free(in->path[i]);
    free(in->path);
    *in = (inputs){0};
}

/* Whether both names lead to one file. */
static int is_file(const char *path, const struct stat *file)
{
    struct stat s;

    return stat(path, &s) == 0 && s.st_ino == file->st_ino && s.st_dev == file->st_dev;
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void leave_out(inputs *in, const char *file)
{
    struct stat s;
    size_t kept = 0;

    if (stat(file, &s) != 0 || !S_ISREG(s.st_mode))
        return;
    for (size_t i = 0; i < in->n; i++)
        if (strcmp(last_name(in->path[i]), last_name(file)) == 0 &&
            is_file(in->path[i], &s))
            free(in->path[i]);
        else
            in->path[kept++] = in->path[i];
    in->n = kept;
}

void inputs_leave_out(inputs *in, const char *file)
{
    const size_t size = strlen(file) + sizeof ".partial";
    char *beside = need(malloc(size));

    snprintf(beside, size, "%s.partial", file);
    leave_out(in, file);
    leave_out(in, beside);
    free(beside);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void inputs_sort(inputs *in)
{
    size_t kept = 0;

    if (in->n)
        qsort(in->path, in->n, sizeof *in->path, by_bytes);
    for (size_t i = 0; i < in->n; i++)
        if (kept && strcmp(in->path[kept - 1], in->path[i]) == 0)
            free(in->path[i]);
        else
            in->path[kept++] = in->path[i];
    in->n = kept;
}

/* FNV-1a of all paths, each with its terminator: tells lists apart that differ by
 * accident, which is all that is asked of it. */
uint64_t inputs_hash(const inputs *in)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < in->n; i++)
        for (const char *c = in->path[i];; c++) {
            h = (h ^ (unsigned char)*c) * UINT64_C(1099511628211);
            if (!*c)
                break;
        }
    return h;
}

/* ---- folders ---------------------------------------------------------------------- */

/* A folder that a link leads to is not entered, so there are no circles. */
static int is_folder(const char *path)
{
    struct stat s;

    return lstat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

static int leads_to_folder(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

static char *joined(const char *folder, const char *name)
{
    const size_t n = strlen(folder), size = n + strlen(name) + 2;
    char *path = need(malloc(size));

    snprintf(path, size, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name);
    return path;
}

/* Names in order; those that begin with a dot are left out. NULL: it cannot be read. */
static struct dirent **names_in(const char *folder, int *n)
{
    struct dirent **list = NULL;

    *n = scandir(folder, &list, NULL, NULL);
    return *n < 0 ? NULL : list;
}

/* Everything below that is no folder. A folder that cannot be read is an input itself:
 * its record says why. */
static void add_below(inputs *in, const char *folder)
{
    int n;
    struct dirent **list = names_in(folder, &n);

    if (!list && n < 0)
        inputs_add(in, folder);
    for (int i = 0; i < n; i++) {
        char *path = joined(folder, list[i]->d_name);

        if (list[i]->d_name[0] != '.') {
            if (is_folder(path))
                add_below(in, path);
            else if (!leads_to_folder(path))
                inputs_add(in, path);
        }
        free(path);
        free(list[i]);
    }
    free(list);
}

/* ---- operands --------------------------------------------------------------------- */

static void add(inputs *in, const char *path)
{
    inputs below = {0};

    if (!leads_to_folder(path)) {
        inputs_add(in, path);
        return;
    }
    add_below(&below, path);
    inputs_sort(&below);
    for (size_t i = 0; i < below.n; i++)
        inputs_add(in, below.path[i]);
    inputs_free(&below);
}

/* What is there by that very name is no pattern; a pattern of nothing is a path, whose
 * record will say that there is no such file, unless only what is there is wanted. */
int inputs_expand(inputs *in, const char *operand)
{
    glob_t found = {0};
    struct stat s;

    if (lstat(operand, &s) == 0 || !strpbrk(operand, "*?[")) {
        add(in, operand);
        return DONE;
    }
    switch (glob(operand, 0, NULL, &found)) {
    case 0:
        for (size_t i = 0; i < found.gl_pathc; i++)
            add(in, found.gl_pathv[i]);
        globfree(&found);
        return DONE;
    case GLOB_NOMATCH:
        if (!in->there)
            inputs_add(in, operand);
        return DONE;
    default:
        say("%s: %s", operand, strerror(errno));
        return FATAL;
    }
}
