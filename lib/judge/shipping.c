/* shipping.c: the ways in which images are shipped on, and the calibration that is made
 * of pictures as they are and shipped so.
 *
 *     jpeg85, jpeg60, resize0.5, blur1, crop   as in columns.c, crop at the same place
 *     screenshot    resized to 3/4 of its sides, then JPEG 80 */
#include "judge/judge.h"
#include <math.h>
#include <string.h>

enum { MOST = 512, AS_IS = RIJ_SHIPPINGS };
static const char *const names[RIJ_SHIPPINGS] = {"jpeg85", "jpeg60", "resize0.5",
                                                 "blur1",  "crop",   "screenshot"};

static rij_status screenshot(const rj_image *image, rj_image *out)
{
    rj_image small = {0};
    rij_status status;

    RJ_TRY(rj_image_resize(image, RJ_MAX(8, (int)lround(0.75 * image->w)),
                           RJ_MAX(8, (int)lround(0.75 * image->h)), &small));
    status = rj_degrade_jpeg(&small, 80, out);
    rj_image_free(&small);
    return status;
}

rij_status rj_ship(int which, const rj_image *image, rj_image *out)
{
    rj_column column;

    if (strcmp(names[which], "screenshot") == 0)
        return screenshot(image, out);
    RJ_TRY(rj_column_named(names[which], &column));
    return rj_column_apply(&column, image, 0, 0, out);
}

/* ---- one picture, every way at a time ---------------------------------------------- */

typedef struct shipment {
    const rj_image *image;
    rj_image shipped[RIJ_SHIPPINGS];
} shipment;

static rij_status ship(void *job, int which, int worker)
{
    shipment *s = job;

    (void)worker;
    return rj_ship(which, s->image, &s->shipped[which]);
}

rij_status rj_judge_shipped(const rij_model *m, rj_context *c, const rj_image *image,
                            rij_verdict *as_it_is, rij_verdict shipped[RIJ_SHIPPINGS],
                            const char *name[RIJ_SHIPPINGS])
{
    shipment s = {.image = image};
    rij_status status;

    RJ_TRY(rj_judge_image(m, c, image, as_it_is));
    status = rj_parallel_for(m->pool, RIJ_SHIPPINGS, ship, &s);
    for (int i = 0; i < RIJ_SHIPPINGS; i++) {
        if (status == RIJ_OK)
            status = rj_judge_image(m, c, &s.shipped[i], &shipped[i]);
        name[i] = names[i];
        rj_image_free(&s.shipped[i]);
    }
    return status;
}

/* ---- many: the calibration --------------------------------------------------------- */

static rij_status add_rows(const rij_model *m, rj_context *c, const rj_image *image,
                           int label, int picture, rj_calibration *out)
{
    const char *name[RIJ_SHIPPINGS];
    rij_verdict v[RIJ_SHIPPINGS + 1];

    RJ_TRY(rj_judge_shipped(m, c, image, &v[AS_IS], v, name));
    RJ_TRY(rj_grow((void **)&out->row[label], &out->room[label],
                   out->n[label] + RJ_COUNT(v), sizeof *out->row[label]));
    for (int i = 0; i < RJ_COUNT(v); i++)
        out->row[label][out->n[label]++] =
            (rj_calibration_row){picture, (float)v[i].softness, (float)v[i].margin};
    return RIJ_OK;
}

/* A sample of the data, remade where it shall count as generated and is not. */
static rij_status add_sample(const rij_model *m, rj_context *c, rj_cache *cache,
                             int sample, int label, bool remade, int picture,
                             rj_calibration *out)
{
    rj_random r = rj_random_start(0, RJ_STREAM_EVALUATE, (uint64_t)sample);
    const rj_image *image;
    rj_image other = {0};
    rij_status status;

    RJ_TRY(rj_cache_take(cache, sample, &image));
    status = remade ? rj_remake(image, &r, &other) : RIJ_OK;
    if (status == RIJ_OK)
        status = add_rows(m, c, remade ? &other : image, label, picture, out);
    rj_image_free(&other);
    rj_cache_release(cache, sample, image);
    return status;
}

/* Whether a sample is among those of its label that are wanted: MOST, spread evenly. */
static bool wanted(const rj_dataset *d, int i, int label, bool held, int have, int *seen)
{
    const rj_sample *s = &d->sample[i];
    const int most = RJ_MIN(have, MOST);
    int at;

    if (s->label != label || !s->usable || (held && !s->validation))
        return false;
    at = (*seen)++;
    return (int64_t)at * most / have != (int64_t)(at - 1) * most / have || at == 0;
}

rij_status rj_calibration_gather(const rij_model *m, const rj_dataset *d, rj_cache *cache,
                                 bool held, rj_calibrated tell, void *user,
                                 rj_calibration *out)
{
    int have[2] = {0}, done = 0, all = 0;
    rj_calibration c = {0};
    rj_context *context = NULL;
    rij_status status;

    for (int label = 0; label < 2; label++) {
        have[label] = rj_dataset_count(d, label, true);
        have[label] += held ? 0 : rj_dataset_count(d, label, false);
    }
    RJ_REQUIRE(have[RJ_REAL_LABEL] > 0, RIJ_E_DATA,
               "calibrate: there is no usable photograph");
    RJ_TRY_DONE(rj_context_take(m, &context));
    for (int label = 0; label < 2; label++) {
        const bool remade = have[label] == 0;
        const int of = remade ? RJ_REAL_LABEL : label;
        int seen = 0, picture = 0;

        all += RJ_MIN(have[of], MOST);
        for (int i = 0; i < d->n; i++) {
            if (!wanted(d, i, of, held, have[of], &seen))
                continue;
            RJ_TRY_DONE(add_sample(m, context, cache, i, label, remade, picture++, &c));
            RJ_TRY_DONE(tell ? tell(++done, all, user) : RIJ_OK);
        }
    }
    RJ_TRY_DONE(rj_conformal_edges(&c));
    rj_calibration_free(out);
    *out = c;
    c = (rj_calibration){0};
done:
    rj_context_give(m, context);
    rj_calibration_free(&c);
    return status;
}
