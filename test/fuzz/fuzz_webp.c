/* fuzz_webp.c: any bytes as a WebP file. */
#include "fuzz.h"

int rj_fuzz_webp(const uint8_t *bytes, size_t n)
{
    return fuzz_format(RJ_FORMAT_WEBP, bytes, n);
}

FUZZ_TARGET(webp)
