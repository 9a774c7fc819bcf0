/* fuzz.h: what a fuzz target is: a function that is given any bytes and must come back,
 * without a fault, without a leak, in bounded time and memory. In a fuzzer (RJ_FUZZER) it
 * is the program's entry; without one test_fuzz.c calls it with the files of its corpus.
 */
#ifndef RJ_FUZZ_H
#define RJ_FUZZ_H

#include "data/data.h"

#define RJ_FUZZ(name, longest) int rj_fuzz_##name(const uint8_t *bytes, size_t n);
#include "targets.def"
#undef RJ_FUZZ

#ifdef RJ_FUZZER
#    define FUZZ_TARGET(name)                                                            \
        int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);                      \
        int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)                       \
        {                                                                                \
            return rj_fuzz_##name(bytes, n);                                             \
        }
#else
#    define FUZZ_TARGET(name)
#endif

/* Small enough that a fuzzer is not busy with filling pixels. */
static const rj_limits fuzz_limits = {1 << 20, 1, 2048, 1 << 16};

/* Decode what is of this format, with the picture thrown away. */
static inline int fuzz_format(enum rj_format format, const uint8_t *bytes, size_t n)
{
    rj_image image;

    if (rj_format_of(bytes, n) == format &&
        rj_image_decode(bytes, n, &fuzz_limits, &image) == RIJ_OK)
        rj_image_free(&image);
    return 0;
}

#endif
