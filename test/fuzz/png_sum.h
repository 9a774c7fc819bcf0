/* png_sum.h: what stands behind a chunk of a PNG, for tests that make their own. */
#ifndef RJ_PNG_SUM_H
#define RJ_PNG_SUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32 of name and content, bit by bit (PNG, annex D). */
static inline uint32_t png_sum(const uint8_t *bytes, size_t n)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

#endif
