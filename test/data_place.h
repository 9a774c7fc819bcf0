/* data_place.h: a fresh folder of files for the tests of lib/data. */
#ifndef RJ_DATA_PLACE_H
#define RJ_DATA_PLACE_H

#include "data/data.h"
#include "test.h"
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct place {
    char root[256];
} place;

static inline place place_new(void)
{
    const char *base = getenv("TMPDIR");
    place p;

    snprintf(p.root, sizeof p.root, "%s/rj_data_XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(p.root));
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

/* Path of a file in the folder, in one of four buffers; its own folder is made. */
static inline const char *in(const place *p, const char *name)
{
    static char path[4][600];
    static int next;
    char *out = path[next++ % 4], *slash;

    snprintf(out, sizeof path[0], "%s/%s", p->root, name);
    slash = strrchr(out, '/');
    *slash = 0;
    OK(rj_folder_make(out));
    *slash = '/';
    return out;
}

/* Decode from memory of exactly n bytes, so that a read behind it is seen. */
static inline rij_status decode(const uint8_t *bytes, size_t n, rj_image *out)
{
    uint8_t *exact = malloc(n ? n : 1);
    rij_status status;

    memcpy(exact, bytes, n);
    status = rj_image_decode(exact, n, &rj_default_limits, out);
    free(exact);
    return status;
}

static inline void save_bytes(const place *p, const char *name, const void *bytes,
                              size_t n)
{
    FILE *f = fopen(in(p, name), "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static inline void save_text(const place *p, const char *name, const char *text)
{
    save_bytes(p, name, text, strlen(text));
}

/* Slopes, discs and noise. */
static inline rj_image picture(int w, int h, uint64_t number)
{
    rj_random r = rj_random_start(7, RJ_STREAM_TEST, number);
    rj_image image;

    OK(rj_image_new(w, h, &image));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                const int u = x % 20 - 10, v = y % 25 - 12;
                const double level = 40 + 90.0 * x / w + 25.0 * c * y / h +
                                     (u * u + v * v < 50 ? 60 : 0) +
                                     rj_random_uniform(&r, 0, 24);
                image.rgb[(y * w + x) * 3 + c] = (uint8_t)(int)level;
            }
    return image;
}

static inline void save_picture(const place *p, const char *name, int w, int h,
                                uint64_t number)
{
    rj_image image = picture(w, h, number);
    uint8_t *bytes;
    size_t n;

    OK(rj_png_encode(&image, &bytes, &n)); // without waiting for the disk
    save_bytes(p, name, bytes, n);
    rj_free(bytes);
    rj_image_free(&image);
}

static inline bool same_pixels(const rj_image *a, const rj_image *b)
{
    return a->w == b->w && a->h == b->h &&
           memcmp(a->rgb, b->rgb, (size_t)a->w * (size_t)a->h * 3) == 0;
}

#endif
