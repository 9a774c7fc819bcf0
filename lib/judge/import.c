/* import.c: rij_model_import(): weights of another program become a model file.
 *
 * Such a file has no seal, and no self-test that fits its weights; both are made here.
 * What was measured with other weights (calibration, alarms, exemplars, figures, the
 * card) would be a promise about a judge that is gone, so it is left out. The decision's
 * numbers (a, b, kappa, the mean and deviation of proximity) were fitted on those weights
 * as well, but there is no judge without them, and whoever trains a judge further wants
 * them: they stay as the file has them, and the header says so. */
#include "judge/judge.h"
#include <string.h>

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool stale_entry(const char *key)
{
    static const char *const stale[] = {"decision.alarm", "figure.", "card.",
                                        "exemplars."};

    for (int i = 0; i < RJ_COUNT(stale); i++)
        if (begins(key, stale[i]))
            return true;
    return false;
}

/* What stays moves up; order is kept. */
static void leave_out(rj_st_file *f)
{
    int tensors = 0, entries = 0;

    for (int i = 0; i < f->tensors; i++)
        if (begins(f->tensor[i].name, "calibration.") ||
            begins(f->tensor[i].name, "exemplars"))
            rj_free(f->tensor[i].x);
        else
            f->tensor[tensors++] = f->tensor[i];
    for (int i = 0; i < f->entries; i++)
        if (stale_entry(f->entry[i].key)) {
            rj_free(f->entry[i].key);
            rj_free(f->entry[i].value);
        } else {
            f->entry[entries++] = f->entry[i];
        }
    f->tensors = tensors;
    f->entries = entries;
}

/* The self-test image where there is none, and any margin. */
static rij_status add_selftest(rj_st_file *f)
{
    uint8_t rgb[RJ_SELFTEST_SIDE * RJ_SELFTEST_SIDE * 3];
    float image[RJ_COUNT(rgb)];

    RJ_TRY(rj_st_set(f, "selftest.margin", "0"));
    if (rj_st_tensor_find(f, "selftest.image"))
        return RIJ_OK;
    rj_model_selftest_pixels(rgb);
    for (int i = 0; i < RJ_COUNT(image); i++)
        image[i] = (float)rgb[i];
    return rj_st_add(f, "selftest.image",
                     rj_shape_plain(3, RJ_SELFTEST_SIDE, RJ_SELFTEST_SIDE, 3, 1), image);
}

RIJ_API rij_status rij_model_import(const char *weights, const char *path)
{
    rj_st_file file = {0};
    rij_model *m = NULL;
    rij_status status;

    RJ_REQUIRE(weights && path, RIJ_E_ARGUMENT, "rij_model_import: %s is NULL",
               weights ? "path" : "weights");
    RJ_TRY(rj_st_read(weights, &file));
    leave_out(&file);
    file.sealed = true; // it is about to be
    RJ_TRY_DONE(add_selftest(&file));
    RJ_TRY_DONE(rj_model_from_file(&file, "cpu", 0, &m));
    RJ_TRY_DONE(rj_model_seal(m));
    RJ_TRY_DONE(rij_model_save(m, path));
done:
    rj_st_free(&file);
    rij_model_free(m);
    return status;
}
