/* tree.c: a data set from a folder. Where a file lies says what it is:
 *
 *     real/..                 a photograph
 *     fake/GENERATOR/..       generated; straight in fake/: by the generator "fake"
 *     ../0_real/..            a photograph       } as the sets of CNNDetection are laid
 *     ../GENERATOR/1_fake/..  generated          } out, at any depth
 *
 * fake/GENERATOR/NAME.x is a child of real/NAME.y, if there is one, and shares its group;
 * any other file is a group of its own. Everything else is a sample, even if it is no
 * image (which is found out when it is decoded), but notes and tables are not. */
#include "data/data.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PATH_BYTES = 4096 };

typedef struct entry {
    const char *path, *relative; /* borrowed from the list */
    char *stem;                  /* what a child shares with its parent; "": nothing */
    char generator[256];         /* "": a real */
    bool sample;
} entry;

static bool noted(const char *name)
{
    static const char *const endings[] = {".tsv", ".txt", ".md"};
    const size_t n = strlen(name);

    for (int i = 0; i < RJ_COUNT(endings); i++) {
        const size_t m = strlen(endings[i]);

        if (n > m && strcasecmp(name + n - m, endings[i]) == 0)
            return true;
    }
    return false;
}

/* The last folder named `wanted` on the way to a file, or NULL. */
static const char *folder_in(const char *relative, const char *wanted)
{
    const size_t n = strlen(wanted);
    const char *found = NULL;

    for (const char *at = relative; strchr(at, '/'); at = strchr(at, '/') + 1)
        if (strncmp(at, wanted, n) == 0 && at[n] == '/')
            found = at;
    return found;
}

/* Name of the folder that ends before `end` (which follows a slash), or "fake". */
static void name_before(const char *relative, const char *end, char *name, size_t size)
{
    const char *last = end - 1, *first;

    if (end <= relative + 1) {
        snprintf(name, size, "fake");
        return;
    }
    for (first = last; first > relative && first[-1] != '/';)
        first--;
    snprintf(name, size, "%.*s", (int)(last - first), first);
}

/* The path without the part before `from` and without the ending. */
static rij_status set_stem(entry *e, const char *from)
{
    const char *slash = strrchr(from, '/');
    char *dot;

    e->stem = rj_strdup(from);
    RJ_REQUIRE(e->stem, RIJ_E_MEMORY, "no memory for the name %s", from);
    dot = strrchr(slash ? e->stem + (slash - from) : e->stem, '.');
    if (dot)
        *dot = 0;
    return RIJ_OK;
}

/* What one file is, by its path below the root. */
static rij_status classify(const char *path, const char *relative, entry *e)
{
    const char *real = folder_in(relative, "0_real"),
               *fake = folder_in(relative, "1_fake");
    const char *slash;

    *e = (entry){.path = path, .relative = relative, .sample = true};
    if (noted(relative)) {
        e->sample = false;
    } else if (real || fake) {
        if (fake && (!real || fake > real))
            name_before(relative, fake, e->generator, sizeof e->generator);
    } else if (strncmp(relative, "real/", 5) == 0) {
        return set_stem(e, relative + 5);
    } else if (strncmp(relative, "fake/", 5) == 0) {
        slash = strchr(relative + 5, '/');
        snprintf(e->generator, sizeof e->generator, "%.*s",
                 slash ? (int)(slash - relative - 5) : 4, slash ? relative + 5 : "fake");
        return slash ? set_stem(e, slash + 1) : RIJ_OK;
    } else {
        e->sample = false;
    }
    return RIJ_OK;
}

/* Add all entries; `place` and `name` have one place each. A parent may follow its
 * child, so indices are counted first. */
static rij_status add_entries(const entry *e, int n, int *place, rj_name *name,
                              rj_dataset *d)
{
    int samples = 0, stems = 0;

    for (int i = 0; i < n; i++) {
        place[i] = e[i].sample ? samples++ : -1;
        if (e[i].stem && !e[i].generator[0])
            name[stems++] = (rj_name){e[i].stem, i};
    }
    rj_names_sort(name, stems);
    for (int i = 0; i < n; i++) {
        const bool fake = e[i].generator[0] != 0;
        const int parent = fake && e[i].stem ? rj_names_find(name, stems, e[i].stem) : -1;
        const char *group = parent >= 0 ? e[parent].relative : e[i].relative;

        if (!e[i].sample)
            continue;
        RJ_TRY(rj_dataset_add(d, e[i].path, e[i].relative, fake ? e[i].generator : NULL,
                              rj_hash(group, strlen(group), 0)));
        d->sample[d->n - 1].parent = parent >= 0 ? place[parent] : -1;
    }
    return RIJ_OK;
}

static rij_status read_list(const char *folder, const rj_list *list, rj_dataset *d)
{
    const size_t n = (size_t)RJ_MAX(list->n, 1);
    size_t root = strlen(folder);
    entry *e = rj_alloc(n, sizeof *e);
    int *place = rj_alloc(n, sizeof *place);
    rj_name *name = rj_alloc(n, sizeof *name);
    rij_status status = RIJ_OK;

    if (!e || !place || !name) {
        status = rj_fail(RIJ_E_MEMORY, "%s: no memory for %d files", folder, list->n);
        goto done;
    }
    root += root > 0 && folder[root - 1] != '/'; // as rj_path_join() puts them together
    for (int i = 0; i < list->n; i++)
        RJ_TRY_DONE(classify(list->path[i], list->path[i] + root, &e[i]));
    RJ_TRY_DONE(add_entries(e, list->n, place, name, d));
    if (d->n == 0)
        status = rj_fail(RIJ_E_DATA,
                         "%s: no files below real/, fake/GENERATOR/, 0_real/ or 1_fake/",
                         folder);
done:
    for (int i = 0; e && i < list->n; i++)
        rj_free(e[i].stem);
    rj_free(e);
    rj_free(place);
    rj_free(name);
    return status;
}

rij_status rj_tree_read(const char *folder, rj_dataset *d)
{
    rj_list list;
    rij_status status;

    RJ_TRY(rj_folder_list(folder, &list));
    status = read_list(folder, &list, d);
    rj_list_free(&list);
    return status;
}
