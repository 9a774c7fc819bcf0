/* facts.c: what a file says of an image besides its pixels, for an audit. Nothing that
 * learns or judges sees any of it.
 *
 * A PNG is a row of chunks (length, four letters, data, checksum), a JPEG a row of
 * segments (FF, a marker, a length). The names of those that are no pixels make
 * `metadata`, the bytes of the quantisation tables (marker DB) make `quantisation`. */
#include "data/data.h"
#include <string.h>

enum { QUANTISATION = 0xdb, FIRST_APP = 0xe0, COMMENT = 0xfe };

static void of_jpeg(const uint8_t *p, size_t n, rj_facts *f)
{
    rj_segment s;

    for (size_t at = 2; rj_jpeg_segment(p, n, &at, &s);) {
        if (s.marker == QUANTISATION)
            f->quantisation = rj_hash(s.bytes, s.n, f->quantisation);
        else if (s.marker >= FIRST_APP && s.marker <= COMMENT)
            f->metadata = rj_hash(&s.marker, 1, f->metadata);
    }
}

static void of_png(const uint8_t *p, size_t n, rj_facts *f)
{
    for (size_t at = 8; at + 12 <= n;) {
        const size_t length = (size_t)p[at] << 24 | (size_t)p[at + 1] << 16 |
                              (size_t)p[at + 2] << 8 | p[at + 3];

        if (length > n - at - 12)
            return;
        if (memcmp(p + at + 4, "IDAT", 4) != 0)
            f->metadata = rj_hash(p + at + 4, 4, f->metadata);
        if (memcmp(p + at + 4, "IHDR", 4) == 0 &&
            length >= 13) // depth, colour, interlace
            f->metadata = rj_hash(p + at + 16, 5, f->metadata);
        at += 12 + length;
    }
}

rij_status rj_facts_read(const char *path, const rj_limits *limits, rj_facts *facts,
                         rj_image *image)
{
    rj_facts f = {0};
    unsigned char *bytes;
    rij_status status;
    size_t n;

    RJ_TRY(rj_file_read(path, limits->bytes, &bytes, &n));
    status = rj_image_decode(bytes, n, limits, image);
    f.bytes = (int64_t)n;
    f.format = rj_format_of(bytes, n);
    if (f.format == RJ_FORMAT_JPEG)
        of_jpeg(bytes, n, &f);
    else
        of_png(bytes, n, &f);
    rj_free(bytes);
    if (status != RIJ_OK)
        return rj_fail(status, "%s: %s", path, rij_last_error());
    f.w = image->w;
    f.h = image->h;
    *facts = f;
    return RIJ_OK;
}
