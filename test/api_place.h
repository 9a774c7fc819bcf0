/* api_place.h: a folder of small real and generated images for the tests of the public
 * header. Nothing of the library is used to make it. */
#ifndef RJ_API_PLACE_H
#define RJ_API_PLACE_H

#include "realjudge.h"
#include "test.h"
#include <ftw.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct place {
    char root[128];
    char data[160]; /* root/data: real/N.png, fake/GENERATOR/N.png */
    char model[160];
} place;

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

/* root/NAME, in one of four buffers that take turns. */
static inline const char *under(const place *p, const char *name)
{
    static char path[4][256];
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", p->root, name);
    return path[turn];
}

static inline void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert(fputs(text, file) >= 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* Slopes and noise; generated ones carry a grid of two pixels. Rows tight. */
static inline uint8_t *paint(int w, int h, unsigned number, int generated)
{
    uint8_t *rgb = malloc((size_t)(w * h * 3));
    uint32_t r = 2463534242u + 977u * number;

    ck_assert_ptr_nonnull(rgb);
    for (int i = 0; i < w * h * 3; i++) {
        const int x = i / 3 % w, y = i / 3 / w;

        r ^= r << 13;
        r ^= r >> 17;
        r ^= r << 5;
        rgb[i] = (uint8_t)(40 + (x * 2 + y + (int)(r & 31) +
                                 (generated && (x + y) % 2 ? 40 : 0)) %
                                    200);
    }
    return rgb;
}

static inline void write_png(const char *path, int w, int h, const uint8_t *rgb)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)w,
                       .height = (png_uint_32)h,
                       .format = PNG_FORMAT_RGB};

    ck_assert_msg(png_image_write_to_file(&image, path, 0, rgb, 0, NULL), "%s: %s", path,
                  image.message);
}

static inline void write_picture(const char *path, int w, int h, unsigned number,
                                 int generated)
{
    uint8_t *rgb = paint(w, h, number, generated);

    write_png(path, w, h, rgb);
    free(rgb);
}

/* A new folder with `reals` photographs and `fakes` of each of two generators. */
static inline place place_new(int reals, int fakes)
{
    static const char *const folders[] = {"data", "data/real", "data/fake",
                                          "data/fake/north", "data/fake/south"};
    const char *base = getenv("TMPDIR");
    char name[64];
    place p;

    snprintf(p.root, sizeof p.root, "%.90s/rj_api_XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(p.root));
    snprintf(p.data, sizeof p.data, "%s/data", p.root);
    snprintf(p.model, sizeof p.model, "%s/judge.safetensors", p.root);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        ck_assert_int_eq(mkdir(under(&p, folders[i]), 0777), 0);
    for (int i = 0; i < reals; i++) {
        snprintf(name, sizeof name, "data/real/%02d.png", i);
        write_picture(under(&p, name), 48 + i, 40, (unsigned)i, 0);
    }
    for (int i = 0; i < 2 * fakes; i++) {
        snprintf(name, sizeof name, "data/fake/%s/%02d.png", i % 2 ? "south" : "north",
                 i / 2);
        write_picture(under(&p, name), 48, 40 + i, (unsigned)(100 + i), 1);
    }
    return p;
}

/* Options of a training that takes a moment: finding traces would double it. */
static inline rij_train_options brief(void)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;

    o.threads = 1;
    o.seed = 5;
    o.min_images = 2;
    o.validation = 0.3;
    o.encoder = "small";
    o.crop = 32;
    o.embedding = 16;
    o.batch1 = o.batch2 = 4;
    o.steps1 = o.steps2 = 2;
    o.traces = -1;
    o.allow = "mean colour, dimensions"; // a dozen pictures
    return o;
}

/* A model trained on the place's data. */
static inline rij_model *trained(const place *p)
{
    const rij_train_options o = brief();
    rij_model *m = NULL;

    OK(rij_train(p->data, &o, &m));
    ck_assert_ptr_nonnull(m);
    return m;
}

#endif
