/* softness.c: how soft a picture is, by its pixels alone.
 *
 *     softness = log2 (E[r_1^2] + e) / (E[r_0^2] + e),   e = 0.02
 *
 * of the picture's middle, SIDE x SIDE at most: r_0 is what a blur by (1 2 1)/4 along
 * rows and columns takes from luma in grey levels, r_1 the same of means of 2 x 2. Blur,
 * resizing and JPEG raise it. Training draws sharp photographs more often, calibration
 * keeps apart what is unequally soft (judge/conformal.c). */
#include "device/statistics.h"
#include "data/data.h"
#include <math.h>
#include <stdlib.h>

enum { SIDE = 256 };
static const double least = 0.02;
static const double shown = 0.25; /* half a grey level's energy: above rounding */

/* Mean of r^2 over a plane of h x w; 0 where it has no inside. */
static double energy(int h, int w, const float *plane)
{
    double sum = 0;

    if (h < 3 || w < 3)
        return 0;
    for (int y = 1; y < h - 1; y++)
        for (int x = 1; x < w - 1; x++) {
            const float *p = plane + (ptrdiff_t)y * w + x;
            const float beside = p[-1] + p[1] + p[-w] + p[w];
            const float corner = p[-w - 1] + p[-w + 1] + p[w - 1] + p[w + 1];
            const float r = p[0] - (4 * p[0] + 2 * beside + corner) / 16;

            sum += (double)(r * r);
        }
    return sum / ((double)(h - 2) * (double)(w - 2));
}

/* Means of 2 x 2, in place: what is read lies behind what is written. */
static void halve(int h, int w, float *plane)
{
    for (int y = 0; y < h / 2; y++)
        for (int x = 0; x < w / 2; x++) {
            const float *p = plane + (ptrdiff_t)(2 * y) * w + 2 * x;
            plane[(ptrdiff_t)y * (w / 2) + x] = (p[0] + p[1] + p[w] + p[w + 1]) / 4;
        }
}

/* E[r_0^2] and E[r_1^2] of a picture's middle. */
static rij_status energies(const rj_image *image, double *fine, double *coarse)
{
    const int w = RJ_MIN(image->w, SIDE), h = RJ_MIN(image->h, SIDE);
    const int left = (image->w - w) / 2, top = (image->h - h) / 2;
    float *luma = rj_alloc((size_t)w * (size_t)h, sizeof *luma);

    RJ_REQUIRE(luma, RIJ_E_MEMORY, "softness: no memory");
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const uint8_t *p =
                image->rgb +
                ((size_t)(top + y) * (size_t)image->w + (size_t)(left + x)) * 3;
            luma[(ptrdiff_t)y * w + x] =
                (float)(RJ_LUMA_R * p[0] + RJ_LUMA_G * p[1] + RJ_LUMA_B * p[2]);
        }
    *fine = energy(h, w, luma);
    halve(h, w, luma);
    *coarse = energy(h / 2, w / 2, luma);
    rj_free(luma);
    return RIJ_OK;
}

static double ratio(double fine, double coarse)
{
    return log2((coarse + least) / (fine + least));
}

rij_status rj_softness(const rj_image *image, double *softness)
{
    double fine, coarse;

    RJ_TRY(energies(image, &fine, &coarse));
    *softness = ratio(fine, coarse);
    return RIJ_OK;
}

rij_status rj_softness_shown(const rj_image *image, double *softness)
{
    double fine, coarse;

    RJ_TRY(energies(image, &fine, &coarse));
    *softness = fine < shown ? INFINITY : ratio(fine, coarse);
    return RIJ_OK;
}

/* ---- which photographs are sharp --------------------------------------------------- */

typedef struct ranked {
    double softness;
    int sample;
} ranked;

static int by_softness(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (x->softness != y->softness)
        return x->softness > y->softness ? 1 : -1;
    return x->sample - y->sample;
}

rij_status rj_dataset_draw_sharp(rj_dataset *d, int times)
{
    ranked *row = rj_alloc((size_t)RJ_MAX(d->n, 1), sizeof *row);
    int n = 0;

    RJ_REQUIRE(row, RIJ_E_MEMORY, "no memory for %d samples", d->n);
    for (int i = 0; i < d->n; i++) {
        const rj_sample *s = &d->sample[i];

        d->sample[i].draws = 1;
        if (s->label == RJ_REAL_LABEL && s->usable && !s->validation)
            row[n++] = (ranked){s->softness, i};
    }
    qsort(row, (size_t)n, sizeof *row, by_softness);
    for (int i = 0; i < n / 4 && row[i].softness < INFINITY; i++)
        d->sample[row[i].sample].draws = times;
    for (int i = 0; i < d->n; i++) // or what is sharp would be real
        if (d->sample[i].label == RJ_FAKE_LABEL && d->sample[i].parent >= 0)
            d->sample[i].draws = d->sample[d->sample[i].parent].draws;
    rj_free(row);
    return RIJ_OK;
}
