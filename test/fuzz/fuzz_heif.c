/* fuzz_heif.c: any bytes as a HEIF file. */
#include "fuzz.h"

int rj_fuzz_heif(const uint8_t *bytes, size_t n)
{
    return fuzz_format(RJ_FORMAT_HEIF, bytes, n);
}

FUZZ_TARGET(heif)
