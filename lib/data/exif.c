/* exif.c: the orientation of a picture, from its Exif (CIPA DC-008, 4.5 and 4.6.4).
 *
 * A JPEG is a row of segments: FF, a marker, two bytes of length that count themselves.
 * An APP1 segment that begins with "Exif\0\0" holds a small TIFF: its byte order, 42, and
 * the offset of a list of entries of 12 bytes (tag, type, count, value). Tag 274 is what
 * is looked for. Each number comes from a stranger, so a `span` answers for every byte.
 */
#include "data/data.h"

#include <string.h>

enum {
    APP1 = 0xe1,
    START_OF_SCAN = 0xda,
    END_OF_IMAGE = 0xd9,
    ORIENTATION = 274,
    TYPE_SHORT = 3,
    ENTRY = 12
};

typedef struct span {
    const uint8_t *p;
    size_t n;
    bool little; /* byte order */
} span;

/* Numbers of 2 and 4 bytes at an offset; 0 where the span ends before them. */
static uint32_t get2(const span *s, size_t at)
{
    if (at > s->n || s->n - at < 2)
        return 0;
    return s->little ? (uint32_t)(s->p[at + 1] << 8 | s->p[at])
                     : (uint32_t)(s->p[at] << 8 | s->p[at + 1]);
}

static uint32_t get4(const span *s, size_t at)
{
    if (at > s->n || s->n - at < 4)
        return 0;
    return s->little ? get2(s, at + 2) << 16 | get2(s, at)
                     : get2(s, at) << 16 | get2(s, at + 2);
}

int rj_tiff_orientation(const uint8_t *bytes, size_t n)
{
    span tiff = {bytes, n, false};
    size_t list, entries;

    if (tiff.n < 8 || tiff.p[0] != tiff.p[1] || (tiff.p[0] != 'I' && tiff.p[0] != 'M'))
        return 1;
    tiff.little = tiff.p[0] == 'I';
    list = get4(&tiff, 4);
    if (get2(&tiff, 2) != 42)
        return 1;
    entries = get2(&tiff, list);
    for (size_t i = 0; i < entries; i++) {
        const size_t at = list + 2 + i * ENTRY;
        const uint32_t value = get2(&tiff, at + 8);

        if (get2(&tiff, at) == ORIENTATION && get2(&tiff, at + 2) == TYPE_SHORT &&
            get4(&tiff, at + 4) == 1)
            return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

bool rj_jpeg_segment(const uint8_t *jpeg, size_t n, size_t *at, rj_segment *segment)
{
    const span all = {jpeg, n, false};

    while (*at + 4 <= n && jpeg[*at] == 0xff && jpeg[*at + 1] == 0xff) // padding
        ++*at;
    if (*at + 4 <= n && jpeg[*at] == 0xff) {
        const uint8_t marker = jpeg[*at + 1];
        const size_t length = get2(&all, *at + 2); // of the segment, from here on

        if (marker == START_OF_SCAN || marker == END_OF_IMAGE || length < 2 ||
            length > n - *at - 2)
            return false;
        *segment = (rj_segment){marker, jpeg + *at + 4, length - 2};
        *at += 2 + length;
        return true;
    }
    return false;
}

int rj_exif_orientation(const uint8_t *jpeg, size_t n)
{
    rj_segment s;

    for (size_t at = 2; rj_jpeg_segment(jpeg, n, &at, &s);)
        if (s.marker == APP1 && s.n >= 6 && memcmp(s.bytes, "Exif\0\0", 6) == 0)
            return rj_tiff_orientation(s.bytes + 6, s.n - 6);
    return 1;
}
