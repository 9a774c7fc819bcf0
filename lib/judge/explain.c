/* explain.c: rij_explain(), and what is told of its map (evidence.c).
 *
 * A peak is compared with the peaks of the calibration's photographs, each as it was, by
 * the rule of conformal.c: of the n_k photographs of group k, t_k have a map, b_k of
 * these a peak as high,
 *
 *     p = (1 + sum_k b_k / n_k) / (1 + W),    W = sum_k t_k / n_k
 *
 * The threshold is the highest peak of the calibration whose p is above the level: what
 * lies above it, p <= level, rarely occurs in photographs. */
#include "device/statistics.h"
#include "judge/judge.h"
#include <math.h>

struct rij_evidence {
    rj_evidence map;
    rij_evidence_summary s;
    int w, h;
    uint8_t *grey; /* (h, w): luma of the picture */
};

/* ---- among photographs ---------------------------------------------------------------
 */

/* Photographs of the group that begins at i. */
static int group_size(const rj_calibration *c, int i)
{
    int n = 1;

    while (i + n < c->peaks && c->peak[i + n].group == c->peak[i].group)
        n++;
    return n;
}

double rj_peak_p(const rj_calibration *c, float peak, double *weight)
{
    double beyond = 0, there = 0;

    for (int i = 0, n; i < c->peaks; i += n) {
        int t = 0, b = 0;

        n = group_size(c, i);
        for (int k = 0; k < n; k++) {
            t += c->peak[i + k].peak >= 0;
            b += c->peak[i + k].peak >= RJ_MAX(peak, 0);
        }
        there += (double)t / n;
        beyond += (double)b / n;
    }
    if (weight)
        *weight = there;
    return peak < 0 ? 1 : (1 + beyond) / (1 + there);
}

/* Share of photographs that are as near to the traces, or nearer, each group as one. */
static double share_nearer(const rj_calibration *c, double proximity)
{
    double nearer = 0;
    int groups = 0;

    for (int i = 0, n; i < c->peaks; i += n, groups++) {
        int as_near = 0;

        n = group_size(c, i);
        for (int k = 0; k < n; k++)
            as_near += c->peak[i + k].proximity <= (float)proximity;
        nearer += (double)as_near / n;
    }
    return nearer / groups;
}

static float threshold_of(const rj_calibration *c, double level)
{
    float highest = 0;

    for (int i = 0; i < c->peaks; i++)
        if (c->peak[i].peak > highest && rj_peak_p(c, c->peak[i].peak, NULL) > level)
            highest = c->peak[i].peak;
    return highest;
}

static rij_status enough(const rj_calibration *c, double level)
{
    double w;

    RJ_REQUIRE(c->peaks > 0, RIJ_E_DATA,
               "explain: the model keeps no peaks of photographs; rij_calibrate() makes "
               "them");
    rj_peak_p(c, 0, &w);
    RJ_REQUIRE(1 / (1 + w) <= level, RIJ_E_DATA,
               "explain: for level %g at least %.0f independent calibration photographs "
               "large enough for a map are needed, there are %.1f",
               level, ceil(1 / level - 1), w);
    return RIJ_OK;
}

/* ---- what stands out -----------------------------------------------------------------
 */

/* Add up what cells exceed the threshold by, in all and in those that join the peak. */
static rij_status measure(const rj_evidence *map, float threshold, double *area,
                          double *concentration)
{
    const int w = map->columns, n = w * map->rows;
    int *stack = rj_alloc((size_t)n, sizeof *stack), depth = 0, above = 0;
    bool *seen = rj_alloc((size_t)n, sizeof *seen);
    double all = 0, joined = 0;

    if (!stack || !seen) {
        rj_free(stack);
        rj_free(seen);
        return rj_fail(RIJ_E_MEMORY, "explain: no memory for %d cells", n);
    }
    for (int i = 0; i < n; i++) {
        seen[i] = !(map->value[i] > threshold);
        above += !seen[i];
        all += seen[i] ? 0 : (double)map->value[i] - (double)threshold;
    }
    stack[depth++] = map->at;
    seen[map->at] = true;
    while (depth > 0) {
        const int i = stack[--depth], x = i % w;
        const int beside[4] = {x > 0 ? i - 1 : i, x + 1 < w ? i + 1 : i,
                               i >= w ? i - w : i, i + w < n ? i + w : i};

        joined += (double)map->value[i] - (double)threshold;
        for (int k = 0; k < 4; k++)
            if (!seen[beside[k]]) {
                seen[beside[k]] = true;
                stack[depth++] = beside[k];
            }
    }
    rj_free(stack);
    rj_free(seen);
    *area = (double)above / n;
    *concentration = joined / all;
    return RIJ_OK;
}

static rij_status sum_up(const rij_model *m, double level, rij_evidence *e)
{
    const rj_evidence *map = &e->map;
    const float threshold = threshold_of(&m->calibration, level);
    rij_evidence_summary *s = &e->s;

    s->columns = map->columns;
    s->rows = map->rows;
    s->left = map->left;
    s->top = map->top;
    s->cell = map->cell;
    s->window = map->window;
    s->threshold = (double)threshold;
    s->p = rj_peak_p(&m->calibration, map->peak, NULL);
    s->far = m->traces || m->distance
                 ? share_nearer(&m->calibration, s->verdict.proximity)
                 : NAN;
    if (map->peak < 0)
        return RIJ_OK;
    s->peak = (double)map->peak;
    s->peak_x = map->left + map->at % map->columns * map->cell + map->cell / 2;
    s->peak_y = map->top + map->at / map->columns * map->cell + map->cell / 2;
    s->found = map->peak > threshold;
    return s->found ? measure(map, threshold, &s->area, &s->concentration) : RIJ_OK;
}

/* ---- the public header ---------------------------------------------------------------
 */

RIJ_API void rij_evidence_free(rij_evidence *e)
{
    if (!e)
        return;
    rj_evidence_free(&e->map);
    rj_free(e->grey);
    rj_free(e);
}

static rij_status keep_grey(const rj_image *image, rij_evidence *e)
{
    const size_t n = (size_t)image->w * (size_t)image->h;

    e->w = image->w;
    e->h = image->h;
    e->grey = rj_alloc(n, 1);
    RJ_REQUIRE(e->grey, RIJ_E_MEMORY, "explain: no memory for %zu pixels", n);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = image->rgb + 3 * i;
        e->grey[i] =
            rj_rounded((float)(RJ_LUMA_R * p[0] + RJ_LUMA_G * p[1] + RJ_LUMA_B * p[2]));
    }
    return RIJ_OK;
}

static rij_status explain(const rij_model *m, const rj_image *image, double level,
                          rij_evidence **out)
{
    rij_evidence *e = NULL;
    rj_context *c = NULL;
    rij_status status;

    RJ_TRY(enough(&m->calibration, level));
    e = rj_alloc(1, sizeof *e);
    RJ_REQUIRE(e, RIJ_E_MEMORY, "explain: no memory");
    RJ_TRY_DONE(rj_context_take(m, &c));
    RJ_TRY_DONE(rj_judge_image(m, c, image, &e->s.verdict));
    RJ_TRY_DONE(rj_evidence_gather(m, c, image, &e->map));
    RJ_TRY_DONE(keep_grey(image, e));
    RJ_TRY_DONE(sum_up(m, level, e));
    *out = e;
    e = NULL;
done:
    rj_context_give(m, c);
    rij_evidence_free(e);
    return status;
}

static rij_status level_of(const rij_explain_options *o, double *level)
{
    RJ_REQUIRE(!o || o->size == sizeof *o, RIJ_E_ARGUMENT,
               "rij_explain: options.size is %zu, not %zu; start with "
               "RIJ_EXPLAIN_OPTIONS_INIT",
               o->size, sizeof *o);
    return rj_level("rij_explain", o ? o->level : 0, level);
}

RIJ_API rij_status rij_explain(const rij_model *model, const rij_image *image,
                               const rij_explain_options *options,
                               rij_evidence **evidence)
{
    rj_image tight = {0};
    double level;
    bool own;
    rij_status status;

    RJ_REQUIRE(evidence, RIJ_E_ARGUMENT, "rij_explain: evidence is NULL");
    *evidence = NULL;
    RJ_REQUIRE(model && image, RIJ_E_ARGUMENT, "rij_explain: %s is NULL",
               model ? "image" : "model");
    RJ_TRY(level_of(options, &level));
    RJ_TRY(rj_pixels_tight(image, &tight, &own));
    status = explain(model, &tight, level, evidence);
    if (own)
        rj_image_free(&tight);
    return status;
}

RIJ_API rij_status rij_explain_file(const rij_model *model, const char *path,
                                    const rij_explain_options *options,
                                    rij_evidence **evidence)
{
    rj_image image = {0};
    double level;
    rij_status status;

    RJ_REQUIRE(evidence, RIJ_E_ARGUMENT, "rij_explain_file: evidence is NULL");
    *evidence = NULL;
    RJ_REQUIRE(model && path, RIJ_E_ARGUMENT, "rij_explain_file: %s is NULL",
               model ? "path" : "model");
    RJ_TRY(level_of(options, &level));
    RJ_TRY(rj_image_read_in(model->cage, path, &image));
    status = explain(model, &image, level, evidence);
    rj_image_free(&image);
    return status;
}

RIJ_API rij_status rij_evidence_sum_up(const rij_evidence *evidence,
                                       rij_evidence_summary *summary)
{
    RJ_REQUIRE(evidence && summary, RIJ_E_ARGUMENT, "rij_evidence_sum_up: %s is NULL",
               evidence ? "summary" : "evidence");
    *summary = evidence->s;
    return RIJ_OK;
}

RIJ_API const float *rij_evidence_cells(const rij_evidence *evidence)
{
    return evidence ? evidence->map.value : NULL;
}

/* Red of a cell, 0..1: none below the threshold, most at the peak. */
static float red_of(const rij_evidence *e, int i)
{
    const double over = (double)e->map.value[i] - e->s.threshold;

    if (!e->s.found || over <= 0)
        return 0;
    return (float)(0.35 + 0.5 * over / (e->s.peak - e->s.threshold));
}

static void paint_cell(const rij_evidence *e, int i, rj_image *out)
{
    const rj_evidence *m = &e->map;
    const int x = m->left + i % m->columns * m->cell;
    const int y = m->top + i / m->columns * m->cell;
    const float red = red_of(e, i);

    for (int v = RJ_MAX(y, 0); red > 0 && v < RJ_MIN(y + m->cell, e->h); v++)
        for (int u = RJ_MAX(x, 0); u < RJ_MIN(x + m->cell, e->w); u++) {
            uint8_t *p = out->rgb + 3 * ((size_t)v * (size_t)e->w + (size_t)u);

            p[0] = rj_rounded((float)p[0] + red * (255 - (float)p[0]));
            p[1] = rj_rounded((1 - red) * (float)p[1]);
            p[2] = p[1];
        }
}

RIJ_API rij_status rij_evidence_write_png(const rij_evidence *evidence, const char *path)
{
    const rij_evidence *e = evidence;
    rj_image out = {0};
    rij_status status;

    RJ_REQUIRE(e && path, RIJ_E_ARGUMENT, "rij_evidence_write_png: %s is NULL",
               e ? "path" : "evidence");
    RJ_TRY(rj_image_new(e->w, e->h, &out));
    for (size_t i = 0; i < 3 * (size_t)e->w * (size_t)e->h; i++)
        out.rgb[i] = (uint8_t)(24 + e->grey[i / 3] * 5 / 8);
    for (int i = 0; i < e->map.columns * e->map.rows; i++)
        paint_cell(e, i, &out);
    status = rj_image_write_png(path, &out);
    rj_image_free(&out);
    return status;
}
