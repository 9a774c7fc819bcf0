/* fuzz_png.c: any bytes as a PNG file. Check sums keep a fuzzer out of PNG's chunks, so
 * they are made right again behind most of its changes. */
#include "fuzz.h"

int rj_fuzz_png(const uint8_t *bytes, size_t n)
{
    return fuzz_format(RJ_FORMAT_PNG, bytes, n);
}

FUZZ_TARGET(png)

#ifdef RJ_FUZZER

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t n, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t most, unsigned seed);

static uint32_t check_sum(const uint8_t *bytes, size_t n)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t most, unsigned seed)
{
    n = LLVMFuzzerMutate(bytes, n, most);
    if (seed % 16 == 0)
        return n;
    for (size_t at = 8; at + 12 <= n;) {
        const size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 |
                              (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        uint32_t crc;

        if (length > n - at - 12)
            break;
        crc = check_sum(bytes + at + 4, length + 4);
        for (size_t i = 0; i < 4; i++)
            bytes[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
    return n;
}

#endif
