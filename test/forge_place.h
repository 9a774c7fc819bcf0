/* forge_place.h: a folder of small photographs for the tests of forging. */
#ifndef RJ_FORGE_PLACE_H
#define RJ_FORGE_PLACE_H

#include "forge/forge.h"
#include "test.h"
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct place {
    char root[256], photos[300], out[300];
} place;

static inline place place_new(void)
{
    const char *base = getenv("TMPDIR");
    place p;

    snprintf(p.root, sizeof p.root, "%s/rj_forge_XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(p.root));
    snprintf(p.photos, sizeof p.photos, "%s/photos", p.root);
    snprintf(p.out, sizeof p.out, "%s/out", p.root);
    OK(rj_folder_make(p.photos));
    return p;
}

static inline int remove_one(const char *path, const struct stat *s, int type,
                             struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

static inline void place_free(const place *p)
{
    ck_assert_int_eq(nftw(p->root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Slopes, discs and noise. */
static inline rj_image photo(int w, int h, uint64_t number)
{
    rj_random r = rj_random_start(31, RJ_STREAM_TEST, number);
    rj_image image;

    OK(rj_image_new(w, h, &image));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                const int u = x % 40 - 20, v = y % 50 - 25;
                const double level = 50 + 80.0 * x / w + 20.0 * c * y / h +
                                     (u * u + v * v < 120 ? 60 : 0) +
                                     4 * rj_random_normal(&r);
                image.rgb[(y * w + x) * 3 + c] = (uint8_t)fmin(255, fmax(0, level));
            }
    return image;
}

static inline void save(const place *p, const char *name, const rj_image *image)
{
    char path[600];

    snprintf(path, sizeof path, "%s/%s", p->photos, name);
    OK(rj_image_write_png(path, image));
}

static inline void save_photo(const place *p, const char *name, int w, int h,
                              uint64_t number)
{
    rj_image image = photo(w, h, number);

    save(p, name, &image);
    rj_image_free(&image);
}

static inline place three_photos(void)
{
    const place p = place_new();
    char below[400];

    snprintf(below, sizeof below, "%s/trip", p.photos);
    OK(rj_folder_make(below));
    save_photo(&p, "a.png", 100, 70, 1);
    save_photo(&p, "b.png", 70, 131, 2);
    save_photo(&p, "trip/c.png", 99, 98, 3);
    return p;
}

/* Mean absolute difference in grey levels. */
static inline double distance(const rj_image *a, const rj_image *b)
{
    long sum = 0;

    ck_assert(a->w == b->w && a->h == b->h);
    for (int i = 0; i < a->w * a->h * 3; i++)
        sum += abs(a->rgb[i] - b->rgb[i]);
    return (double)sum / (a->w * a->h * 3);
}

#endif
