/* audit_place.h: classes whose files are alike, or not, for the tests of audits. */
#ifndef RJ_AUDIT_PLACE_H
#define RJ_AUDIT_PLACE_H

#include "data_place.h"
#include "judge/judge.h"

enum { EACH = 40 };

/* How the files of a class are written. */
typedef struct look {
    int w, h, quality; /* quality 0: PNG */
    int bright;        /* added to every pixel */
} look;

static inline void save(const place *p, const char *name, const rj_image *image,
                        int quality)
{
    uint8_t *bytes;
    size_t n;

    if (quality)
        OK(rj_jpeg_encode(image, quality, &bytes, &n));
    else
        OK(rj_png_encode(image, &bytes, &n));
    save_bytes(p, name, bytes, n);
    rj_free(bytes);
}

/* Clouds of a picture's own, with a little noise. */
static inline rj_image drawn(const look *l, uint64_t number)
{
    rj_random r = rj_random_start(7, RJ_STREAM_TEST, number);
    rj_image cells = {0}, image = {0};

    OK(rj_image_new(8, 6, &cells));
    for (int i = 0; i < 8 * 6 * 3; i++)
        cells.rgb[i] = (uint8_t)(20 + rj_random_below(&r, 150));
    OK(rj_image_resize(&cells, l->w, l->h, &image));
    for (int i = 0; i < l->w * l->h * 3; i++)
        image.rgb[i] = (uint8_t)(image.rgb[i] + rj_random_below(&r, 6) + l->bright);
    rj_image_free(&cells);
    return image;
}

/* EACH images of both classes, halves in splits a and b; every picture its own. Returns
 * the manifest's open file, to which lines may be added. */
static inline FILE *write_classes(const place *p, const look *real, const look *fake)
{
    FILE *f = fopen(in(p, "data.tsv"), "w");

    ck_assert_ptr_nonnull(f);
    fputs("path\tlabel\tsplit\tsource\n", f);
    for (int i = 0; i < 2 * EACH; i++) {
        const look *l = i % 2 ? fake : real;
        rj_image image = drawn(l, (uint64_t)i);
        char name[32];

        snprintf(name, sizeof name, "%03d", i);
        save(p, name, &image, l->quality);
        rj_image_free(&image);
        fprintf(f, "%s\t%s\t%s\tpark\n", name, i % 2 ? "fake" : "real",
                i / 2 % 2 ? "a" : "b");
    }
    return f;
}

#endif
