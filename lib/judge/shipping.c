/* shipping.c: the ways in which images are shipped on, and the calibration that is made
 * of pictures as they are and shipped so.
 *
 *     jpeg85, jpeg60, resize0.5, blur1, crop   as in columns.c, crop at the same place
 *     screenshot    resized to 3/4 of its sides, then JPEG 80 */
#include "judge/judge.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 256, AS_IS = RIJ_SHIPPINGS };
const char *const rj_shipping_names[RIJ_SHIPPINGS] = {"jpeg85", "jpeg60", "resize0.5",
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

    if (strcmp(rj_shipping_names[which], "screenshot") == 0)
        return screenshot(image, out);
    RJ_TRY(rj_column_named(rj_shipping_names[which], &column));
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
                            rij_verdict *as_it_is, rij_verdict shipped[RIJ_SHIPPINGS])
{
    shipment s = {.image = image};
    rij_status status;

    RJ_TRY(rj_judge_image(m, c, image, as_it_is));
    status = rj_parallel_for(m->pool, RIJ_SHIPPINGS, ship, &s);
    for (int i = 0; i < RIJ_SHIPPINGS; i++) {
        if (status == RIJ_OK)
            status = rj_judge_image(m, c, &s.shipped[i], &shipped[i]);
        rj_image_free(&s.shipped[i]);
    }
    return status;
}

/* ---- many: the calibration --------------------------------------------------------- */

static rij_status add_peak(const rij_model *m, rj_context *c, const rj_image *image,
                           int group, double proximity, rj_calibration *out)
{
    rj_evidence e;

    RJ_TRY(rj_evidence_gather(m, c, image, &e));
    rj_evidence_free(&e);
    RJ_TRY(rj_grow((void **)&out->peak, &out->peaks_room, out->peaks + 1,
                   sizeof *out->peak));
    out->peak[out->peaks++] = (rj_calibration_peak){group, e.peak, (float)proximity};
    return RIJ_OK;
}

static rij_status add_rows(const rij_model *m, rj_context *c, const rj_image *image,
                           int label, int group, rj_calibration *out)
{
    rij_verdict v[RIJ_SHIPPINGS + 1];

    RJ_TRY(rj_judge_shipped(m, c, image, &v[AS_IS], v));
    RJ_TRY(rj_grow((void **)&out->row[label], &out->room[label],
                   out->n[label] + RJ_COUNT(v), sizeof *out->row[label]));
    for (int i = 0; i < RJ_COUNT(v); i++)
        out->row[label][out->n[label]++] =
            (rj_calibration_row){group, (float)v[i].softness, (float)v[i].margin};
    return label == RJ_REAL_LABEL ? add_peak(m, c, image, group, v[AS_IS].proximity, out)
                                  : RIJ_OK;
}

/* A sample that was chosen, and how it counts. */
typedef struct chosen {
    uint64_t group;
    int sample, label;
    bool remade; /* a photograph that stands for a generated image */
} chosen;

static int by_group(const void *a, const void *b)
{
    const chosen *x = a, *y = b;

    if (x->label != y->label)
        return x->label - y->label;
    if (x->group != y->group)
        return x->group > y->group ? 1 : -1;
    return x->sample - y->sample;
}

/* MOST usable samples of each class, spread evenly over the data, by class and group. */
static int choose(const rj_dataset *d, bool held, const int have[2], chosen *out)
{
    int n = 0;

    for (int label = 0; label < 2; label++) {
        const bool remade = have[label] == 0;
        const int of = remade ? RJ_REAL_LABEL : label, most = RJ_MIN(have[of], MOST);
        int seen = 0, taken = 0;

        for (int i = 0; i < d->n; i++) {
            const rj_sample *s = &d->sample[i];

            if (s->label != of || !s->usable || (held && !s->validation))
                continue;
            if ((int64_t)seen++ * most / have[of] == taken && taken < most) {
                out[n++] = (chosen){s->group, i, label, remade};
                taken++;
            }
        }
    }
    qsort(out, (size_t)n, sizeof *out, by_group);
    return n;
}

static rij_status add_sample(const rij_model *m, rj_context *c, rj_cache *cache,
                             const chosen *one, int group, rj_calibration *out)
{
    rj_random r = rj_random_start(0, RJ_STREAM_EVALUATE, (uint64_t)one->sample);
    const rj_image *image;
    rj_image other = {0};
    rij_status status;

    RJ_TRY(rj_cache_take(cache, one->sample, &image));
    status = one->remade ? rj_remake(image, &r, &other) : RIJ_OK;
    if (status == RIJ_OK)
        status = add_rows(m, c, one->remade ? &other : image, one->label, group, out);
    rj_image_free(&other);
    rj_cache_release(cache, one->sample, image);
    return status;
}

rij_status rj_calibration_gather(const rij_model *m, const rj_dataset *d, rj_cache *cache,
                                 bool held, rj_calibrated tell, void *user,
                                 rj_calibration *out)
{
    int have[2] = {0}, n, group = 0;
    rj_calibration c = {0};
    rj_context *context = NULL;
    chosen *list = NULL;
    rij_status status = RIJ_OK;

    for (int label = 0; label < 2; label++)
        have[label] = rj_dataset_count(d, label, true) +
                      (held ? 0 : rj_dataset_count(d, label, false));
    RJ_REQUIRE(have[RJ_REAL_LABEL] > 0, RIJ_E_DATA,
               "calibrate: there is no usable photograph");
    list = rj_alloc(2 * MOST, sizeof *list);
    RJ_REQUIRE(list, RIJ_E_MEMORY, "calibrate: no memory");
    n = choose(d, held, have, list);
    RJ_TRY_DONE(rj_context_take(m, &context));
    for (int i = 0; i < n; i++) {
        if (i > 0 && list[i].label != list[i - 1].label)
            group = 0;
        else if (i > 0 && list[i].group != list[i - 1].group)
            group++;
        RJ_TRY_DONE(add_sample(m, context, cache, &list[i], group, &c));
        RJ_TRY_DONE(tell ? tell(i + 1, n, user) : RIJ_OK);
    }
    RJ_TRY_DONE(rj_conformal_edges(&c));
    rj_calibration_free(out);
    *out = c;
    c = (rj_calibration){0};
done:
    rj_context_give(m, context);
    rj_calibration_free(&c);
    rj_free(list);
    return status;
}
