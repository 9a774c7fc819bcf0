/* fuzz_filled.h: a judge, or a training, has more numbers than a fuzzer should carry
 * about, so where a file of them ends, zeros and ones follow as far as its header wants.
 */
#ifndef RJ_FUZZ_FILLED_H
#define RJ_FUZZ_FILLED_H

#include "fuzz.h"
#include <string.h>

enum { FUZZ_MOST = 1 << 21 };

/* The largest number between a comma and a bracket: where the last tensor ends. */
static inline size_t fuzz_wanted(const uint8_t *header, size_t n)
{
    size_t most = 0;

    for (size_t i = 0; i + 1 < n; i++) {
        size_t number = 0, at = i + 1;

        while (header[i] == ',' && at < n && header[at] >= '0' && header[at] <= '9' &&
               number <= FUZZ_MOST)
            number = 10 * number + (size_t)(header[at++] - '0');
        if (at < n && header[at] == ']' && number > most && number <= FUZZ_MOST)
            most = number;
    }
    return most;
}

/* The file as long as it says; freed with rj_free(). */
static inline uint8_t *fuzz_filled(const uint8_t *bytes, size_t n, size_t *whole)
{
    const size_t header = n < 8 ? 0 : 8 + (size_t)bytes[0] + 256 * (size_t)bytes[1];
    uint8_t *out;

    *whole = header && header < n ? RJ_MAX(n, header + fuzz_wanted(bytes, header)) : n;
    out = rj_alloc(*whole + 4, 1);
    if (!out)
        return NULL;
    memcpy(out, bytes, n);
    for (size_t at = (n + 3) / 4 * 4; at + 4 <= *whole; at += 12)
        memcpy(out + at, "\0\0\x80\x3f", 4); // 1.0f
    return out;
}

#endif
