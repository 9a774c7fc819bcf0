/* fuzz_heif.c: any bytes as a HEIF file. */
#include "fuzz.h"

int rj_fuzz_heif(const uint8_t *bytes, size_t n)
{
    return fuzz_format(RJ_FORMAT_HEIF, bytes, n);
}

FUZZ_TARGET(heif)

#ifdef RJ_SANITIZED
/* libheif 1.15 loses a picture whose stream names colours that it does not know
 * (corpus/heif/found-colours). It alone is C++ here. x265, by which tests write HEIF,
 * keeps some bytes of each picture. Seen from outside, for gcc's sanitizer is a library.
 */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libstdc++\nleak:libheif\nleak:libx265\n";
}
#endif
