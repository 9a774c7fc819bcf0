/* fuzz_avif.c: any bytes as a AVIF file. */
#include "fuzz.h"

int rj_fuzz_avif(const uint8_t *bytes, size_t n)
{
    return fuzz_format(RJ_FORMAT_AVIF, bytes, n);
}

FUZZ_TARGET(avif)
