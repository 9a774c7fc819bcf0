/* fuzz_model.c: any bytes as a model. The hash is no secret, so whoever means harm makes
 * it right: here a file without one counts as sealed. A judge has more numbers than a
 * fuzzer should carry about, so where they end, zeros and ones follow as far as the
 * header wants. What opens is described, prepared and judges the picture of its
 * self-test. */
#include "fuzz.h"
#include "judge/judge.h"
#include <string.h>

enum { MOST = 1 << 20 };

/* The largest number between a comma and a bracket: where the last tensor ends. */
static size_t wanted(const uint8_t *header, size_t n)
{
    size_t most = 0;

    for (size_t i = 0; i + 1 < n; i++) {
        size_t number = 0, at = i + 1;

        while (header[i] == ',' && at < n && header[at] >= '0' && header[at] <= '9' &&
               number <= MOST)
            number = 10 * number + (size_t)(header[at++] - '0');
        if (at < n && header[at] == ']' && number > most && number <= MOST)
            most = number;
    }
    return most;
}

/* The file as long as it says; freed with rj_free(). */
static uint8_t *filled(const uint8_t *bytes, size_t n, size_t *whole)
{
    const size_t header = n < 8 ? 0 : 8 + (size_t)bytes[0] + 256 * (size_t)bytes[1];
    uint8_t *out;

    *whole = header && header < n ? RJ_MAX(n, header + wanted(bytes, header)) : n;
    out = rj_alloc(*whole + 4, 1);
    if (!out)
        return NULL;
    memcpy(out, bytes, n);
    for (size_t at = (n + 3) / 4 * 4; at + 4 <= *whole; at += 12)
        memcpy(out + at, "\0\0\x80\x3f", 4); // 1.0f
    return out;
}

int rj_fuzz_model(const uint8_t *bytes, size_t n)
{
    rij_model *model = NULL;
    rj_st_file f = {0};
    rij_status status;
    rij_verdict verdict;
    size_t whole = 0;
    uint8_t *file = filled(bytes, n, &whole);
    char text[512];

    status = file ? rj_st_parse("fuzz", file, whole, &f) : RIJ_E_MEMORY;
    rj_free(file);
    if (status != RIJ_OK)
        return 0;
    f.sealed = true;
    status = rj_model_from_file(&f, "ref", 1, &model);
    rj_st_free(&f);
    if (status == RIJ_OK && rj_conformal_edges(&model->calibration) == RIJ_OK &&
        rj_model_prepare(model, RJ_FP32, 1) == RIJ_OK) {
        const rij_image image = {RJ_SELFTEST_SIDE, RJ_SELFTEST_SIDE, RJ_SELFTEST_SIDE * 3,
                                 model->selftest};

        (void)rij_model_describe(model, text, sizeof text);
        if (rij_predict(model, &image, &verdict) == RIJ_OK &&
            !(verdict.score >= 0 && verdict.score <= 1))
            __builtin_trap();
    }
    rij_model_free(model);
    return 0;
}

FUZZ_TARGET(model)
