/* nearest.c: what a whole picture is to the model, and the exemplars that are most like
 * it.
 *
 *     z = sum z_c / |sum z_c|,   similarity = z . e
 *
 * z_c are the unit rows that S_prox compares with the traces (predict.c), over the crops
 * that cover the picture. Before it is made one long, the mean of z_c times e is the mean
 * of the crops' z_c . e, as S_prox is of their -z_c . t; its length is the picture's own
 * and orders no exemplars. */
#include "judge/judge.h"
#include <math.h>
#include <stdlib.h>

/* Add z of n crops to the sum. */
static rij_status add_batch(const rij_model *m, rj_tape *tape, int n, const float *planar,
                            double *sum)
{
    const int d = m->embedding;
    rj_tensor *seen, *features, *z;
    rj_real *host;

    RJ_TRY(rj_ready_look(m->ready, tape, n, m->crop, planar, &seen, &features));
    RJ_TRY(rj_net_project(m->net, tape, RJ_HEAD_HOM, features, NULL, &z));
    host = rj_arena_take(&tape->arena, (size_t)n * (size_t)d, sizeof *host);
    RJ_REQUIRE(host, RIJ_E_MEMORY, "nearest: no memory");
    RJ_TRY(rj_tensor_read(tape->dev, z, host));
    for (int i = 0; i < n * d; i++)
        sum[i % d] += (double)host[i];
    return RIJ_OK;
}

static rij_status add_cover(const rij_model *m, rj_context *c, const rj_image *image,
                            float *planar, double *sum)
{
    const size_t each = 3 * (size_t)m->crop * (size_t)m->crop;
    int x[RJ_COVER_MAX], y[RJ_COVER_MAX];
    const int crops = rj_cover(image->w, image->h, m->crop, m->most_crops, x, y);
    rij_status status = RIJ_OK;

    for (int first = 0; first < crops && status == RIJ_OK; first += RJ_JUDGE_BATCH) {
        const int n = RJ_MIN(crops - first, RJ_JUDGE_BATCH);

        for (int i = 0; i < n && status == RIJ_OK; i++)
            status = rj_planar_crop(image, x[first + i], y[first + i], m->crop,
                                    planar + (size_t)i * each);
        rj_tape_reset(&c->tape);
        if (status == RIJ_OK)
            status = add_batch(m, &c->tape, n, planar, sum);
    }
    rj_tape_reset(&c->tape);
    return status;
}

rij_status rj_embed_image(const rij_model *m, rj_context *c, const rj_image *image,
                          double *z)
{
    const size_t each = 3 * (size_t)m->crop * (size_t)m->crop;
    float *planar = rj_alloc(RJ_JUDGE_BATCH * each, sizeof *planar);
    double square = 0;
    rij_status status;

    RJ_REQUIRE(planar, RIJ_E_MEMORY, "nearest: no memory for crops of %d pixels",
               m->crop);
    for (int j = 0; j < m->embedding; j++)
        z[j] = 0;
    status = add_cover(m, c, image, planar, z);
    rj_free(planar);
    RJ_TRY(status);
    for (int j = 0; j < m->embedding; j++)
        square += z[j] * z[j];
    RJ_REQUIRE(isfinite(square) && square > 0, RIJ_E_MODEL,
               "nearest: the model has no embedding of this image");
    for (int j = 0; j < m->embedding; j++)
        z[j] /= sqrt(square);
    return RIJ_OK;
}

/* ---- the exemplars ----------------------------------------------------------------- */

typedef struct scored {
    double similarity;
    int exemplar;
} scored;

static int nearest_first(const void *a, const void *b)
{
    const scored *x = a, *y = b;

    if (x->similarity != y->similarity)
        return x->similarity < y->similarity ? 1 : -1;
    return x->exemplar - y->exemplar;
}

static void score(const rij_model *m, const double *z, scored *s)
{
    const int d = m->embedding;

    for (int i = 0; i < m->exemplars.n; i++) {
        const float *e = m->exemplars.z + (ptrdiff_t)i * d;
        double dot = 0;

        for (int j = 0; j < d; j++)
            dot += z[j] * (double)e[j];
        s[i] = (scored){RJ_MAX(-1, RJ_MIN(1, dot)), i}; // rows are rounded
    }
    qsort(s, (size_t)m->exemplars.n, sizeof *s, nearest_first);
}

static rij_status find(const rij_model *m, const rj_image *image, int most,
                       rij_neighbour *nearest, int *found)
{
    double *z = rj_alloc((size_t)m->embedding, sizeof *z);
    scored *s = rj_alloc((size_t)m->exemplars.n, sizeof *s);
    rj_context *c = NULL;
    rij_status status = RIJ_OK;

    if (!z || !s)
        status =
            rj_fail(RIJ_E_MEMORY, "nearest: no memory for %d exemplars", m->exemplars.n);
    if (status == RIJ_OK)
        status = rj_context_take(m, &c);
    if (status == RIJ_OK)
        status = rj_embed_image(m, c, image, z);
    rj_context_give(m, c);
    if (status == RIJ_OK) {
        score(m, z, s);
        *found = RJ_MIN(most, m->exemplars.n);
        for (int i = 0; i < *found; i++)
            nearest[i] = (rij_neighbour){m->exemplars.id[s[i].exemplar], s[i].similarity};
    }
    rj_free(z);
    rj_free(s);
    return status;
}

/* ---- the public header ------------------------------------------------------------- */

RIJ_API int rij_model_exemplars(const rij_model *model)
{
    return model ? model->exemplars.n : 0;
}

static rij_status check(const char *verb, const rij_model *m, const void *image, int most,
                        const rij_neighbour *nearest, const int *found)
{
    RJ_REQUIRE(m && image && nearest && found, RIJ_E_ARGUMENT, "%s: %s is NULL", verb,
               !m         ? "model"
               : !image   ? "the image"
               : !nearest ? "nearest"
                          : "found");
    RJ_REQUIRE(most >= 1, RIJ_E_ARGUMENT, "%s: most is %d, not from 1 on", verb, most);
    RJ_REQUIRE(m->exemplars.n > 0, RIJ_E_DATA,
               "nearest: the model keeps no exemplars; a training keeps as many as its "
               "option 'exemplars' says");
    return RIJ_OK;
}

RIJ_API rij_status rij_nearest(const rij_model *model, const rij_image *image, int most,
                               rij_neighbour *nearest, int *found)
{
    rj_image tight = {0};
    bool own;
    rij_status status;

    RJ_TRY(check("rij_nearest", model, image, most, nearest, found));
    RJ_TRY(rj_pixels_tight(image, &tight, &own));
    status = find(model, &tight, most, nearest, found);
    if (own)
        rj_image_free(&tight);
    return status;
}

RIJ_API rij_status rij_nearest_file(const rij_model *model, const char *path, int most,
                                    rij_neighbour *nearest, int *found)
{
    rj_image image = {0};
    rij_status status;

    RJ_TRY(check("rij_nearest_file", model, path, most, nearest, found));
    RJ_TRY(rj_image_read_in(model->cage, path, &image));
    status = find(model, &image, most, nearest, found);
    rj_image_free(&image);
    return status;
}
