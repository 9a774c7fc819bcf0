/* parents.c: windows cut from photographs, at their native size.
 *
 * One photograph is in memory at a time; only its windows stay. A grid of cells of the
 * window's size, shifted at random by what is left over, is walked in a shuffled order,
 * so windows never overlap. Nearly flat cells (sky, studio background: a deviation under
 * 4 grey levels) wait until the others are used up; cells without any variation at all
 * (clipped or drawn areas) are never taken, for there is nothing in them to judge.
 *
 * What is drawn for a photograph depends on the seed and its name alone, so adding one
 * changes none of the others. */
#include "forge/forge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NOTE = 512, LIMIT = 1 << 20 };
static const double FLAT = 4, DEAD = 0.5; /* grey levels */

/* Root of the mean variance of the three channels over a window. */
static double variation(const rj_image *image, int left, int top, int side)
{
    const double n = (double)side * side;
    double variance = 0;

    for (int c = 0; c < 3; c++) {
        int64_t sum = 0, squares = 0;

        for (int i = 0; i < side; i++) {
            const uint8_t *row =
                image->rgb + ((size_t)(top + i) * (size_t)image->w + (size_t)left) * 3 +
                c;

            for (int j = 0; j < side; j++) {
                const int v = row[3 * j];
                sum += v;
                squares += v * v;
            }
        }
        variance += ((double)squares - (double)sum * (double)sum / n) / n / 3;
    }
    return sqrt(RJ_MAX(0, variance));
}

static rij_status add_name(rj_parents *p, const char *name)
{
    char *copy;

    RJ_TRY(rj_grow((void **)&p->name, &p->names_room, p->names + 1, sizeof *p->name));
    copy = rj_strdup(name);
    RJ_REQUIRE(copy, RIJ_E_MEMORY, "forge: no memory for a name");
    // A manifest's columns and lines must not break.
    for (char *c = copy; *c; c++)
        if (*c == '\t' || *c == '\n' || *c == '\r')
            *c = '?';
    p->name[p->names++] = copy;
    return RIJ_OK;
}

static rij_status add_window(rj_parents *p, const rj_image *photo, int left, int top,
                             int side)
{
    RJ_TRY(rj_grow((void **)&p->image, &p->image_room, p->n + 1, sizeof *p->image));
    RJ_TRY(rj_grow((void **)&p->photo, &p->photo_room, p->n + 1, sizeof *p->photo));
    RJ_TRY(rj_image_crop(photo, left, top, side, side, &p->image[p->n]));
    p->photo[p->n++] = p->names; // the name is added once a window is
    return RIJ_OK;
}

/* A grid of `across` x `down` cells over one photograph. */
typedef struct grid {
    int side, left, top, across, down;
    int *order; /* cells, shuffled */
} grid;

/* Take cells in order: the lively ones first, then the flat. */
static rij_status take_cells(rj_parents *p, const rj_image *photo, const grid *g,
                             int crops)
{
    const int cells = g->across * g->down;
    int taken = 0;

    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; k < cells && taken < crops; k++) {
            const int left = g->left + g->order[k] % g->across * g->side;
            const int top = g->top + g->order[k] / g->across * g->side;
            const double level = variation(photo, left, top, g->side);

            if (pass == 0 ? level >= FLAT : level >= DEAD && level < FLAT) {
                RJ_TRY(add_window(p, photo, left, top, g->side));
                taken++;
            }
        }
    return RIJ_OK;
}

static rij_status cut(rj_parents *p, const rj_image *photo, const char *name, int side,
                      int crops, uint64_t seed)
{
    rj_random r = rj_random_start(rj_hash(name, strlen(name), seed), RJ_STREAM_FORGE, 0);
    grid g = {.side = side, .across = photo->w / side, .down = photo->h / side};
    rij_status status = RIJ_OK;

    g.left = rj_random_below(&r, photo->w - g.across * side + 1);
    g.top = rj_random_below(&r, photo->h - g.down * side + 1);
    g.order = rj_alloc((size_t)g.across * (size_t)g.down, sizeof *g.order);
    RJ_REQUIRE(g.order, RIJ_E_MEMORY, "forge: no memory for %d cells", g.across * g.down);
    for (int k = 0; k < g.across * g.down; k++)
        g.order[k] = k;
    rj_random_shuffle(&r, g.order, g.across * g.down);
    status = take_cells(p, photo, &g, crops);
    rj_free(g.order);
    return status;
}

/* Read one photograph and cut it. `note` says why it is left out, or stays empty. */
static rij_status read_photo(rj_parents *p, const char *path, const char *name, int side,
                             int crops, uint64_t seed, char note[NOTE])
{
    const int before = p->n;
    rj_image photo;
    rij_status status = rj_image_read_in(p->cage, path, &photo);

    note[0] = 0;
    if (status == RIJ_E_MEMORY)
        return status;
    if (status != RIJ_OK) { // the message names the file
        snprintf(note, NOTE, "%s", rij_last_error());
        return RIJ_OK;
    }
    if (photo.w < side || photo.h < side) {
        snprintf(note, NOTE, "%s: %d x %d pixels, smaller than the crop of %d", path,
                 photo.w, photo.h, side);
    } else {
        status = cut(p, &photo, name, side, crops, seed);
        if (status == RIJ_OK && p->n == before)
            snprintf(note, NOTE, "%s: no window of %d pixels that is not one flat colour",
                     path, side);
        else if (status == RIJ_OK)
            status = add_name(p, name);
    }
    rj_image_free(&photo);
    return status;
}

/* The part of a path below the folder. */
static const char *below(const char *folder, const char *path)
{
    const size_t n = strlen(folder);

    if (strncmp(path, folder, n) == 0)
        path += n;
    while (*path == '/')
        path++;
    return path;
}

void rj_parents_free(rj_parents *p)
{
    for (int i = 0; i < p->n; i++)
        rj_image_free(&p->image[i]);
    for (int i = 0; i < p->names; i++)
        rj_free(p->name[i]);
    rj_free(p->image);
    rj_free(p->photo);
    rj_free(p->name);
    memset(p, 0, sizeof *p);
}

rij_status rj_parents_cut(const char *photos, rj_cage *cage, int crop, int crops,
                          uint64_t seed, rj_parents_told told, void *user,
                          rj_parents *out)
{
    rij_status status = RIJ_OK;
    rj_parents p = {.cage = cage};
    rj_list list = {0};
    char note[NOTE];

    memset(out, 0, sizeof *out);
    RJ_TRY(rj_folder_list(photos, &list));
    for (int i = 0; i < list.n; i++) {
        RJ_TRY_DONE(read_photo(&p, list.path[i], below(photos, list.path[i]), crop, crops,
                               seed, note));
        if (told)
            RJ_TRY_DONE(told(user, i + 1, list.n, note[0] ? note : NULL));
        if (p.n > LIMIT) {
            status = rj_fail(RIJ_E_DATA, "%s: more than %d windows", photos, LIMIT);
            goto done;
        }
    }
    if (!p.n)
        status = rj_fail(RIJ_E_DATA, "%s: no usable photograph among %d files", photos,
                         list.n);
done:
    rj_list_free(&list);
    p.cage = NULL;
    if (status == RIJ_OK)
        *out = p;
    else
        rj_parents_free(&p);
    return status;
}
