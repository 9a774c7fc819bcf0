/* facts.c: what a file says of an image besides its pixels, for an audit. Nothing that
 * learns or judges sees any of it.
 *
 * A PNG is a row of chunks (length, four letters, data, checksum), a JPEG a row of
 * segments (FF, a marker, a length), a WebP of chunks again, AVIF and HEIF of boxes. The
 * names of those that are no pixels make `metadata` (of a WebP all names: lossy and
 * lossless pixels have others), the bytes of the quantisation tables (marker DB) make
 * `quantisation`.
 *
 * The standard tables of quality q (ITU-T T.81, K.1, scaled as libjpeg does) are the one
 * of quality 50 times s / 100, s = 5000 / q below 50 and 200 - 2 q from there, rounded
 * and kept in 1..255. Their sum falls as q grows, and only their sum is compared. */
#include "data/data.h"
#include <stdlib.h>
#include <string.h>

enum {
    QUANTISATION = 0xdb,
    FIRST_FRAME = 0xc0,
    LAST_FRAME = 0xc2,
    FIRST_APP = 0xe0,
    COMMENT = 0xfe,
    COEFFICIENTS = 64
};

/* Of quality 50, luma; the order does not matter to a sum. */
static const uint8_t standard[COEFFICIENTS] = {
    16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
    14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
    18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99};

static int standard_sum(int quality)
{
    const int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    int sum = 0;

    for (int i = 0; i < COEFFICIENTS; i++) {
        const int v = (standard[i] * scale + 50) / 100;

        sum += v < 1 ? 1 : v > 255 ? 255 : v;
    }
    return sum;
}

/* Nearest standard quality of a table of 64 values of `each` bytes. */
static int quality_of(const uint8_t *table, size_t each)
{
    int sum = 0, best = 1;

    for (size_t i = each - 1; i < COEFFICIENTS * each; i += each)
        sum += table[i] + (each == 2 ? table[i - 1] << 8 : 0);
    for (int q = 2; q <= 100; q++)
        if (abs(standard_sum(q) - sum) < abs(standard_sum(best) - sum))
            best = q;
    return best;
}

/* The tables of a segment: a byte of precision (8 or 16 bits) and number, then values.
 * One segment may hold several, or each its own: that makes no difference. */
static void of_tables(const rj_segment *s, rj_facts *f)
{
    for (size_t at = 0; at < s->n;) {
        const size_t each = s->bytes[at] >> 4 ? 2 : 1, size = 1 + COEFFICIENTS * each;

        if (s->n - at < size)
            return;
        f->quantisation = rj_hash(s->bytes + at, size, f->quantisation);
        if ((s->bytes[at] & 15) == 0 && f->quality == 0)
            f->quality = quality_of(s->bytes + at + 1, each);
        at += size;
    }
}

/* How a frame's header says that colours are sampled: behind six bytes, three a
 * component, of which the second counts. */
static uint64_t sampling_of(const rj_segment *s)
{
    uint64_t hash = 0;

    for (size_t at = 7; at < s->n; at += 3)
        hash = rj_hash(s->bytes + at, 1, hash);
    return hash;
}

static void of_jpeg(const uint8_t *p, size_t n, rj_facts *f)
{
    uint64_t sampling = 0;
    rj_segment s;

    for (size_t at = 2; rj_jpeg_segment(p, n, &at, &s);) {
        if (s.marker == QUANTISATION)
            of_tables(&s, f);
        else if (s.marker >= FIRST_FRAME && s.marker <= LAST_FRAME)
            sampling = sampling_of(&s);
        else if (s.marker >= FIRST_APP && s.marker <= COMMENT)
            f->metadata = rj_hash(&s.marker, 1, f->metadata);
    }
    f->quantisation ^= sampling;
}

rij_status rj_facts_recompressed(int quality, uint64_t *quantisation)
{
    uint8_t grey[16 * 16 * 3] = {0}, *jpeg;
    rj_facts f = {0};
    size_t n;

    RJ_TRY(rj_jpeg_encode(&(rj_image){16, 16, grey}, quality, &jpeg, &n));
    of_jpeg(jpeg, n, &f);
    rj_free(jpeg);
    *quantisation = f.quantisation;
    return RIJ_OK;
}

static void of_png(const uint8_t *p, size_t n, rj_facts *f)
{
    for (size_t at = 8; at + 12 <= n;) {
        const size_t length = rj_big_endian(p + at);

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

static void of_webp(const uint8_t *p, size_t n, rj_facts *f)
{
    rj_chunk c;

    for (size_t at = 12; rj_webp_chunk(p, n, &at, &c);)
        f->metadata = rj_hash(c.name, 4, f->metadata);
}

/* The brands, and the names of the boxes of an ISO file; each begins with its length. */
static void of_boxes(const uint8_t *p, size_t n, rj_facts *f)
{
    for (size_t at = 0, size; n - at >= 8; at += size) {
        size = rj_big_endian(p + at);
        f->metadata = rj_hash(p + at + 4, 4, f->metadata);
        if (size < 8 || size > n - at) // 0 and 1: it takes the rest, or 64 bits
            return;
        if (at == 0)
            f->metadata = rj_hash(p + 8, size - 8, f->metadata);
    }
}

void rj_facts_of(const uint8_t *p, size_t n, rj_facts *f)
{
    *f = (rj_facts){.bytes = (int64_t)n, .format = rj_format_of(p, n)};
    switch (f->format) {
    case RJ_FORMAT_JPEG:
        of_jpeg(p, n, f);
        break;
    case RJ_FORMAT_PNG:
        of_png(p, n, f);
        break;
    case RJ_FORMAT_WEBP:
        of_webp(p, n, f);
        break;
    case RJ_FORMAT_AVIF:
    case RJ_FORMAT_HEIF:
        of_boxes(p, n, f);
        break;
    case RJ_FORMAT_UNKNOWN:
        break;
    }
}

rij_status rj_facts_read(const char *path, const rj_limits *limits, rj_facts *facts,
                         rj_image *image)
{
    rj_facts f;
    unsigned char *bytes;
    rij_status status;
    size_t n;

    RJ_TRY(rj_file_read(path, limits->bytes, &bytes, &n));
    status = rj_image_decode(bytes, n, limits, image);
    rj_facts_of(bytes, n, &f);
    rj_free(bytes);
    if (status != RIJ_OK)
        return rj_fail(status, "%s: %s", path, rij_last_error());
    f.w = image->w;
    f.h = image->h;
    *facts = f;
    return RIJ_OK;
}
