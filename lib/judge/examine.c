/* examine.c: rij_examine() and rij_calibrate(). */
#include "judge/judge.h"
#include <math.h>

/* ---- examine ---------------------------------------------------------------------- */

/* Whether the level can be kept for pictures of any softness at all. */
static bool for_some(const rj_calibration *c, double level)
{
    for (int k = 0; k < RJ_BUCKETS; k++) {
        const double softness = k ? (double)c->edge[k - 1] : -INFINITY;
        double w[2];

        for (int label = 0; label < 2; label++)
            rj_conformal_p(c, label, softness, 0, &w[label]);
        if (rj_conformal_enough(w, level))
            return true;
    }
    return false;
}

/* A level below the least p-value, 1 / (1 + W), is refused. Another picture may have an
 * answer where this one has none: then it is the picture's fault, else the model's. */
static rij_status enough(const rij_model *m, const rij_verdict *v, double level)
{
    static const char *const names[2] = {"photographs", "generated images"};

    for (int label = 0; label < 2; label++) {
        double w;

        rj_conformal_p(&m->calibration, label, v->softness, v->margin, &w);
        RJ_REQUIRE(1 / (1 + w) <= level,
                   for_some(&m->calibration, level) ? RIJ_E_IMAGE : RIJ_E_DATA,
                   "examine: for level %g at least %.0f independent calibration %s about "
                   "as soft as this image are needed, there are %.1f",
                   level, ceil(1 / level - 1), names[label], w);
    }
    return RIJ_OK;
}

static rij_status examine(const rij_model *m, const rj_image *image, double level,
                          rij_examination *out)
{
    rij_examination e = {0};
    rij_verdict shipped[RIJ_SHIPPINGS];
    rij_answer answer[RIJ_SHIPPINGS + 1];
    rj_context *c = NULL;
    rij_status status;

    RJ_REQUIRE(m->calibration.n[RJ_REAL_LABEL] > 0, RIJ_E_DATA,
               "examine: the model has no calibration; rij_calibrate() makes one");
    RJ_TRY(rj_context_take(m, &c));
    status = rj_judge_shipped(m, c, image, &e.verdict, shipped);
    rj_context_give(m, c);
    RJ_TRY(status);
    RJ_TRY(enough(m, &e.verdict, level));
    answer[0] =
        rj_conformal_answer(e.verdict.p_real, e.verdict.p_generated, level, false);
    for (int i = 0; i < RIJ_SHIPPINGS; i++) {
        const rij_verdict *v = &shipped[i];

        answer[i + 1] = rj_conformal_answer(v->p_real, v->p_generated, level, true);
        e.strip[i] = (rij_shipped){rj_shipping_names[i], v->margin, v->p_real,
                                   v->p_generated, answer[i + 1]};
    }
    e.alone = answer[0];
    e.answer = rj_strip_answer(RJ_COUNT(answer), answer, &e.contradictions);
    *out = e;
    return RIJ_OK;
}

static rij_status level_of(const rij_examine_options *o, double *level)
{
    RJ_REQUIRE(!o || o->size == sizeof *o, RIJ_E_ARGUMENT,
               "rij_examine: options.size is %zu, not %zu; start with "
               "RIJ_EXAMINE_OPTIONS_INIT",
               o->size, sizeof *o);
    return rj_level("rij_examine", o ? o->level : 0, level);
}

RIJ_API rij_status rij_examine(const rij_model *model, const rij_image *image,
                               const rij_examine_options *options,
                               rij_examination *examination)
{
    rj_image tight = {0};
    bool own;
    double level;
    rij_status status;

    RJ_REQUIRE(model && image && examination, RIJ_E_ARGUMENT, "rij_examine: %s is NULL",
               !model   ? "model"
               : !image ? "image"
                        : "examination");
    RJ_TRY(level_of(options, &level));
    RJ_TRY(rj_pixels_tight(image, &tight, &own));
    status = examine(model, &tight, level, examination);
    if (own)
        rj_image_free(&tight);
    return status;
}

RIJ_API rij_status rij_examine_file(const rij_model *model, const char *path,
                                    const rij_examine_options *options,
                                    rij_examination *examination)
{
    rj_image image = {0};
    double level;
    rij_status status;

    RJ_REQUIRE(model && path && examination, RIJ_E_ARGUMENT,
               "rij_examine_file: %s is NULL",
               !model  ? "model"
               : !path ? "path"
                       : "examination");
    RJ_TRY(level_of(options, &level));
    RJ_TRY(rj_image_read_in(model->cage, path, &image));
    status = examine(model, &image, level, examination);
    rj_image_free(&image);
    return status;
}

/* ---- calibrate -------------------------------------------------------------------- */

static int note(const char *line, void *user)
{
    return rj_teller_note(user, line) != RIJ_OK;
}

static rij_status judged(int done, int all, void *user)
{
    rj_teller *t = user;

    t->steps = all;
    return rj_teller_step(t, done);
}

static rij_status calibrate(rij_model *m, const char *data, const char *split,
                            rj_teller *t)
{
    rj_dataset d = {0};
    rj_cache *cache = NULL;
    rj_calibration made = {0};
    rij_status status;

    RJ_TRY_DONE(rj_dataset_open(data, split, &d));
    d.cage = m->cage;
    RJ_TRY_DONE(rj_cache_new(&d, 0, &cache));
    RJ_TRY_DONE(rj_dataset_check(&d, cache, m->pool, note, NULL, t));
    rj_teller_phase(t, "calibrate", 1);
    RJ_TRY_DONE(rj_calibration_gather(m, &d, cache, false, judged, t, &made));
    RJ_TRY_DONE(rj_card_calibration(m, &made));
    rj_calibration_free(&m->calibration);
    m->calibration = made;
    made = (rj_calibration){0};
done:
    rj_calibration_free(&made);
    rj_cache_free(cache);
    rj_dataset_free(&d);
    return status;
}

RIJ_API rij_status rij_calibrate(rij_model *model, const char *data,
                                 const rij_calibrate_options *options)
{
    const rij_calibrate_options usual = RIJ_CALIBRATE_OPTIONS_INIT;
    const rij_calibrate_options *o = options ? options : &usual;
    rj_teller t = {0};

    RJ_REQUIRE(model && data, RIJ_E_ARGUMENT, "rij_calibrate: %s is NULL",
               model ? "data" : "model");
    RJ_REQUIRE(o->size == sizeof *o, RIJ_E_ARGUMENT,
               "rij_calibrate: options.size is %zu, not %zu; start with "
               "RIJ_CALIBRATE_OPTIONS_INIT",
               o->size, sizeof *o);
    t = (rj_teller){.progress = o->progress, .user = o->user};
    rj_teller_phase(&t, "read", 0);
    return calibrate(model, data, o->split, &t);
}
