/* decode.c: files of images. What a file is, its first bytes tell, never its name. */
#include "data/data.h"

#include <string.h>

/* How the formats begin that people have and this library does not read. `at` skips what
 * differs from file to file. */
static const struct {
    const char *name, *bytes;
    size_t n, at;
} others[] = {
    {"a GIF", "GIF8", 4, 0},         {"a WebP", "WEBP", 4, 8},
    {"a BMP", "BM", 2, 0},           {"a TIFF", "II*\0", 4, 0},
    {"a TIFF", "MM\0*", 4, 0},       {"a HEIF or AVIF", "ftyp", 4, 4},
    {"a JPEG XL", "\xff\x0a", 2, 0}, {"a JPEG 2000", "jP  ", 4, 4},
    {"a JPEG XL", "JXL ", 4, 4},     {"an SVG or XML", "<?xml", 5, 0},
    {"an HTML", "<!DOCTYPE", 9, 0},
};

static bool begins(const uint8_t *bytes, size_t n, size_t at, const char *with,
                   size_t length)
{
    return n >= at + length && memcmp(bytes + at, with, length) == 0;
}

enum rj_format rj_format_of(const uint8_t *bytes, size_t n)
{
    if (begins(bytes, n, 0, "\x89PNG\r\n\x1a\n", 8))
        return RJ_FORMAT_PNG;
    if (begins(bytes, n, 0, "\xff\xd8\xff", 3))
        return RJ_FORMAT_JPEG;
    return RJ_FORMAT_UNKNOWN;
}

static rij_status refuse_unknown(const uint8_t *bytes, size_t n)
{
    RJ_REQUIRE(n > 0, RIJ_E_IMAGE, "the file is empty");
    for (int i = 0; i < RJ_COUNT(others); i++)
        RJ_REQUIRE(!begins(bytes, n, others[i].at, others[i].bytes, others[i].n),
                   RIJ_E_IMAGE, "%s file: only PNG and JPEG are read", others[i].name);
    return rj_fail(RIJ_E_IMAGE, "neither PNG nor JPEG");
}

/* A JPEG as it was meant to be looked at. */
static rij_status decode_upright(const uint8_t *bytes, size_t n, const rj_limits *limits,
                                 rj_image *out)
{
    const int orientation = rj_exif_orientation(bytes, n);
    rij_status status;
    rj_image as_stored;

    RJ_TRY(rj_jpeg_decode(bytes, n, limits, &as_stored));
    if (orientation == 1) {
        *out = as_stored;
        return RIJ_OK;
    }
    status = rj_image_orient(&as_stored, orientation, out);
    rj_image_free(&as_stored);
    return status;
}

rij_status rj_image_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                           rj_image *out)
{
    RJ_REQUIRE(n <= limits->bytes, RIJ_E_IMAGE,
               "%zu bytes are more than the limit of %zu", n, limits->bytes);
    switch (rj_format_of(bytes, n)) {
    case RJ_FORMAT_PNG:
        return rj_png_decode(bytes, n, limits, out);
    case RJ_FORMAT_JPEG:
        return decode_upright(bytes, n, limits, out);
    case RJ_FORMAT_UNKNOWN:
        break;
    }
    return refuse_unknown(bytes, n);
}

rij_status rj_image_read(const char *path, const rj_limits *limits, rj_image *out)
{
    unsigned char *bytes;
    rij_status status;
    size_t n;

    RJ_TRY(rj_file_read(path, limits->bytes, &bytes, &n));
    status = rj_image_decode(bytes, n, limits, out);
    rj_free(bytes);
    if (status != RIJ_OK)
        return rj_fail(status, "%s: %s", path, rij_last_error());
    return RIJ_OK;
}

rij_status rj_image_write_png(const char *path, const rj_image *image)
{
    rij_status status;
    uint8_t *bytes;
    size_t n;

    RJ_TRY(rj_png_encode(image, &bytes, &n));
    status = rj_file_write(path, bytes, n);
    rj_free(bytes);
    return status;
}
