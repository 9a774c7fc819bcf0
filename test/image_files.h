/* image_files.h: files of images made while the tests run, and pictures to put in them.
 */
#ifndef RJ_IMAGE_FILES_H
#define RJ_IMAGE_FILES_H

#include "data/data.h"
#include "png_sum.h"
#include "test.h"
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

typedef struct file {
    uint8_t *bytes;
    size_t n;
} file;

static inline void file_free(file *f)
{
    rj_free(f->bytes);
    *f = (file){0};
}

static inline void file_append(file *f, const void *bytes, size_t n)
{
    uint8_t *grown = rj_alloc(f->n + n, 1);

    ck_assert_ptr_nonnull(grown);
    if (f->n)
        memcpy(grown, f->bytes, f->n);
    memcpy(grown + f->n, bytes, n);
    rj_free(f->bytes);
    *f = (file){grown, f->n + n};
}

/* Slopes with a little noise: what JPEG keeps well. */
static inline rj_image picture(int w, int h, uint64_t number)
{
    rj_random r = rj_random_start(17, RJ_STREAM_TEST, number);
    rj_image image;

    OK(rj_image_new(w, h, &image));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++)
                image.rgb[(y * w + x) * 3 + c] =
                    (uint8_t)(40 + 120 * x / w + 20 * c * y / h + rj_random_below(&r, 9));
    return image;
}

static inline bool same_picture(const rj_image *a, const rj_image *b)
{
    return a->w == b->w && a->h == b->h &&
           memcmp(a->rgb, b->rgb, (size_t)a->w * (size_t)a->h * 3) == 0;
}

/* Mean absolute difference in levels. */
static inline double distance(const rj_image *a, const rj_image *b)
{
    long sum = 0;

    ck_assert(a->w == b->w && a->h == b->h);
    for (int i = 0; i < a->w * a->h * 3; i++)
        sum += abs(a->rgb[i] - b->rgb[i]);
    return (double)sum / (a->w * a->h * 3);
}

/* ---- PNG --------------------------------------------------------------------------- */

static inline void png_append(png_structp png, png_bytep bytes, png_size_t n)
{
    file_append(png_get_io_ptr(png), bytes, n);
}

static inline void png_flushed(png_structp png)
{
    (void)png;
}

/* A PNG of any colour type and depth from packed rows, with chunks that a viewer would
 * obey: a gamma of 1, and transparent entries in a palette (of 16 colours). */
static inline file png_file(int w, int h, int type, int depth, int interlace,
                            const uint8_t *rows, const png_color *palette)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    const png_byte clear[4] = {0, 100, 200, 255};
    size_t pitch;
    file f = {0};

    png_set_write_fn(png, &f, png_append, png_flushed);
    png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, depth, type, interlace, 0, 0);
    png_set_gAMA(png, info, 1.0);
    if (palette) {
        png_set_PLTE(png, info, palette, 16);
        png_set_tRNS(png, info, clear, 4, NULL);
    }
    png_write_info(png, info);
    pitch = png_get_rowbytes(png, info);
    for (int pass = 0; pass < png_set_interlace_handling(png); pass++)
        for (int y = 0; y < h; y++)
            png_write_row(png, rows + (size_t)y * pitch);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    return f;
}

/* A PNG of nothing but a header that claims these sides; the check sum is right. */
static inline file png_header(uint32_t w, uint32_t h)
{
    const uint8_t start[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n',
                             0,    0,   0,   13,  'I',  'H',  'D',  'R'};
    file f = {rj_alloc(33, 1), 33};
    uint32_t crc;

    ck_assert_ptr_nonnull(f.bytes);
    memcpy(f.bytes, start, sizeof start);
    for (int i = 0; i < 4; i++) {
        f.bytes[16 + i] = (uint8_t)(w >> (24 - 8 * i));
        f.bytes[20 + i] = (uint8_t)(h >> (24 - 8 * i));
    }
    f.bytes[24] = 8;
    f.bytes[25] = PNG_COLOR_TYPE_RGB;
    crc = png_sum(f.bytes + 12, 17);
    for (int i = 0; i < 4; i++)
        f.bytes[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    return f;
}

/* ---- JPEG -------------------------------------------------------------------------- */

/* From pixels of any TurboJPEG format. */
static inline file jpeg_file(int w, int h, const uint8_t *pixels, int format,
                             int sampling)
{
    tjhandle tj = tjInitCompress();
    unsigned char *made = NULL;
    unsigned long n = 0;
    file f;

    ck_assert_ptr_nonnull(tj);
    ck_assert_int_eq(tjCompress2(tj, pixels, w, 0, h, format, &made, &n, sampling, 95, 0),
                     0);
    f = (file){rj_alloc(n, 1), n};
    ck_assert_ptr_nonnull(f.bytes);
    memcpy(f.bytes, made, n);
    tjFree(made);
    tjDestroy(tj);
    return f;
}

/* The file with bytes put in after its first two, where segments may stand. */
static inline file with_segment(const file *jpeg, const uint8_t *segment, size_t n)
{
    file f = {rj_alloc(jpeg->n + n, 1), jpeg->n + n};

    ck_assert_ptr_nonnull(f.bytes);
    memcpy(f.bytes, jpeg->bytes, 2);
    memcpy(f.bytes + 2, segment, n);
    memcpy(f.bytes + 2 + n, jpeg->bytes + 2, jpeg->n - 2);
    return f;
}

/* APP1 with a TIFF of either byte order and two entries, the second the orientation. */
enum { EXIF_SEGMENT = 48 };
static inline void exif_segment(int orientation, bool little, uint8_t out[EXIF_SEGMENT])
{
    const struct {
        int at, bytes, value;
    } numbers[] = {
        {12, 2, 42},  {14, 4, 8},                          // list at 8
        {18, 2, 2},                                        // of two entries
        {20, 2, 256}, {22, 2, 4}, {24, 4, 1}, {28, 4, 64}, // ImageWidth, a LONG
        {32, 2, 274}, {34, 2, 3}, {36, 4, 1}, {40, 2, orientation},
    };

    memset(out, 0, EXIF_SEGMENT);
    memcpy(out,
           "\xff\xe1\x00\x2e"
           "Exif\0\0",
           10);
    memset(out + 10, little ? 'I' : 'M', 2);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (int k = 0; k < numbers[i].bytes; k++)
            out[numbers[i].at + (little ? k : numbers[i].bytes - 1 - k)] =
                (uint8_t)(numbers[i].value >> 8 * k);
}

#endif
