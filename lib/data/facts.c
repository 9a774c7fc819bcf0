/* facts.c: what a file says of an image besides its pixels, for an audit. Nothing that
 * learns or judges sees any of it.
 *
 * A PNG is a row of chunks (length, four letters, data, checksum), a JPEG a row of
 * segments (FF, a marker, a length). The names of those that are no pixels make
 * `metadata`, the bytes of the quantisation tables (marker DB) make `quantisation`. */
#include "data/data.h"
#include <string.h>

enum { QUANTISATION = 0xdb, START_OF_SCAN = 0xda, FIRST_APP = 0xe0, COMMENT = 0xfe };

static size_t big_endian(const uint8_t *p, int n)
{
    size_t value = 0;

    for (int i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

static void of_jpeg(const uint8_t *p, size_t n, rj_facts *f)
{
    for (size_t at = 2; at + 4 <= n && p[at] == 0xff;) {
        const uint8_t marker = p[at + 1];
        const size_t length = big_endian(p + at + 2, 2);

        if (marker == 0xff) { // padding
            at++;
            continue;
        }
        if (marker == START_OF_SCAN || length < 2 || length > n - at - 2)
            return;
        if (marker == QUANTISATION)
            f->quantisation = rj_hash(p + at + 4, length - 2, f->quantisation);
        else if (marker >= FIRST_APP && marker <= COMMENT)
            f->metadata = rj_hash(&marker, 1, f->metadata);
        at += 2 + length;
    }
}

static void of_png(const uint8_t *p, size_t n, rj_facts *f)
{
    for (size_t at = 8; at + 12 <= n;) {
        const size_t length = big_endian(p + at, 4);

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
