/* fuzz_exif.c: any bytes as a TIFF of Exif, as a JPEG's segments, as a WebP's chunks. */
#include "fuzz.h"

int rj_fuzz_exif(const uint8_t *bytes, size_t n)
{
    const int a = rj_tiff_orientation(bytes, n), b = rj_exif_orientation(bytes, n);
    size_t at = 12;
    rj_chunk chunk;
    uint8_t sum = 0;

    while (rj_webp_chunk(bytes, n, &at, &chunk)) // every byte of it is there
        for (size_t i = 0; i < chunk.n; i++)
            sum = (uint8_t)(sum + chunk.bytes[i]);
    if (a < 1 || a > 8 || b < 1 || b > 8)
        __builtin_trap();
    (void)sum;
    return 0;
}

FUZZ_TARGET(exif)
