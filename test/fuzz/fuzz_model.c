/* fuzz_model.c: any bytes as a model. The hash is no secret, so whoever means harm makes
 * it right: here a file without one counts as sealed. What opens is described, prepared
 * and judges the picture of its self-test, and the exemplars nearest to that. */
#include "fuzz_filled.h"
#include "judge/judge.h"

static void ask(const rij_model *model, const rij_image *image)
{
    rij_neighbour near[4];
    int found = 0;

    if (rij_nearest(model, image, RJ_COUNT(near), near, &found) != RIJ_OK)
        return;
    for (int i = 0; i < found; i++)
        if (!near[i].id[0] || strlen(near[i].id) > RJ_ID_MAX ||
            !(near[i].similarity >= -1 && near[i].similarity <= 1))
            __builtin_trap();
}

int rj_fuzz_model(const uint8_t *bytes, size_t n)
{
    rij_model *model = NULL;
    rj_st_file f = {0};
    rij_status status;
    rij_verdict verdict;
    size_t whole = 0;
    uint8_t *file = fuzz_filled(bytes, n, &whole);
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
        ask(model, &image);
    }
    rij_model_free(model);
    return 0;
}

FUZZ_TARGET(model)
