/* fuzz_jpeg.c: any bytes as a JPEG file. */
#include "fuzz.h"

int rj_fuzz_jpeg(const uint8_t *bytes, size_t n)
{
    return fuzz_format(RJ_FORMAT_JPEG, bytes, n);
}

FUZZ_TARGET(jpeg)
