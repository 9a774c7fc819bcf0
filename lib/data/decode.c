/* decode.c: files of images. What a file is, its first bytes tell, never its name. */
#include "data/data.h"

#include <string.h>

/* How the formats begin that people have and this library does not read. `at` skips what
 * differs from file to file. */
static const struct {
    const char *name, *bytes;
    size_t n, at;
} others[] = {
    {"a GIF", "GIF8", 4, 0},          {"a BMP", "BM", 2, 0},
    {"a TIFF", "II*\0", 4, 0},        {"a TIFF", "MM\0*", 4, 0},
    {"an MP4", "ftyp", 4, 4},         {"a JPEG XL", "\xff\x0a", 2, 0},
    {"a JPEG 2000", "jP  ", 4, 4},    {"a JPEG XL", "JXL ", 4, 4},
    {"an SVG or XML", "<?xml", 5, 0}, {"an HTML", "<!DOCTYPE", 9, 0},
};

static bool begins(const uint8_t *bytes, size_t n, size_t at, const char *with,
                   size_t length)
{
    return n >= at + length && memcmp(bytes + at, with, length) == 0;
}

/* Whether the first box of a file, ftyp, names one of these brands, of four letters each:
 * its length, "ftyp", the major brand, a version, then compatible brands. */
static bool has_brand(const uint8_t *bytes, size_t n, const char *brands)
{
    size_t end;

    if (!begins(bytes, n, 4, "ftyp", 4) || n < 12)
        return false;
    end = rj_big_endian(bytes);
    for (size_t at = 8; at + 4 <= RJ_MIN(end, n); at += at == 8 ? 8 : 4)
        for (const char *b = brands; *b; b += 4)
            if (memcmp(bytes + at, b, 4) == 0)
                return true;
    return false;
}

enum rj_format rj_format_of(const uint8_t *bytes, size_t n)
{
    if (begins(bytes, n, 0, "\x89PNG\r\n\x1a\n", 8))
        return RJ_FORMAT_PNG;
    if (begins(bytes, n, 0, "\xff\xd8\xff", 3))
        return RJ_FORMAT_JPEG;
    if (begins(bytes, n, 0, "RIFF", 4) && begins(bytes, n, 8, "WEBP", 4))
        return RJ_FORMAT_WEBP;
    if (has_brand(bytes, n, "avifavis")) // which are HEIF as well
        return RJ_FORMAT_AVIF;
    if (has_brand(bytes, n, "heicheixhevchevxheimheishevmhevsmif1msf1"))
        return RJ_FORMAT_HEIF;
    return RJ_FORMAT_UNKNOWN;
}

static rij_status refuse_unknown(const uint8_t *bytes, size_t n)
{
    RJ_REQUIRE(n > 0, RIJ_E_IMAGE, "the file is empty");
    for (int i = 0; i < RJ_COUNT(others); i++)
        RJ_REQUIRE(!begins(bytes, n, others[i].at, others[i].bytes, others[i].n),
                   RIJ_E_IMAGE, "%s file: only PNG, JPEG, WebP, AVIF and HEIF are read",
                   others[i].name);
    return rj_fail(RIJ_E_IMAGE, "no PNG, JPEG, WebP, AVIF or HEIF");
}

/* As it is stored, and how it is to be turned. */
static rij_status decode_stored(const uint8_t *bytes, size_t n, const rj_limits *limits,
                                rj_image *out, int *orientation)
{
    *orientation = 1;
    switch (rj_format_of(bytes, n)) {
    case RJ_FORMAT_PNG:
        return rj_png_decode(bytes, n, limits, out);
    case RJ_FORMAT_JPEG:
        *orientation = rj_exif_orientation(bytes, n);
        return rj_jpeg_decode(bytes, n, limits, out);
    case RJ_FORMAT_WEBP:
        return rj_webp_decode(bytes, n, limits, out, orientation);
    case RJ_FORMAT_AVIF:
        return rj_avif_decode(bytes, n, limits, out, orientation);
    case RJ_FORMAT_HEIF:
        return rj_heif_decode(bytes, n, limits, out);
    case RJ_FORMAT_UNKNOWN:
        break;
    }
    return refuse_unknown(bytes, n);
}

rij_status rj_image_decode(const uint8_t *bytes, size_t n, const rj_limits *limits,
                           rj_image *out)
{
    rj_image as_stored;
    rij_status status;
    int orientation;

    if (limits->cage)
        return rj_isolate_decode(bytes, n, limits, out);
    RJ_REQUIRE(n <= limits->bytes, RIJ_E_IMAGE,
               "%zu bytes are more than the limit of %zu", n, limits->bytes);
    RJ_TRY(decode_stored(bytes, n, limits, &as_stored, &orientation));
    if (orientation == 1) {
        *out = as_stored;
        return RIJ_OK;
    }
    status = rj_image_orient(&as_stored, orientation, out);
    rj_image_free(&as_stored);
    return status;
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

rij_status rj_image_read_in(rj_cage *cage, const char *path, rj_image *out)
{
    const rj_limits limits = rj_limits_in(cage);

    return rj_image_read(path, &limits, out);
}
