/* fuzz_png.c: any bytes as a PNG file. Check sums keep a fuzzer out of PNG's chunks, so
 * they are made right again behind most of its changes. */
#include "fuzz.h"
#include "png_sum.h"

int rj_fuzz_png(const uint8_t *bytes, size_t n)
{
    return fuzz_format(RJ_FORMAT_PNG, bytes, n);
}

FUZZ_TARGET(png)

#ifdef RJ_FUZZER

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t n, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t most, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t most, unsigned seed)
{
    n = LLVMFuzzerMutate(bytes, n, most);
    if (seed % 16 == 0)
        return n;
    for (size_t at = 8; at + 12 <= n;) {
        const size_t length = rj_big_endian(bytes + at);
        uint32_t crc;

        if (length > n - at - 12)
            break;
        crc = png_sum(bytes + at + 4, length + 4);
        for (size_t i = 0; i < 4; i++)
            bytes[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
    return n;
}

#endif
