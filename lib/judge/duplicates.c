/* duplicates.c: files that show the same, by thumbnails.
 *
 * A thumbnail is SIDE x SIDE grey values, each the mean of its part of the picture. Its
 * sketch has a bit for every two neighbours in a row of an 8 x 8 thumbnail more: whether
 * the right one is brighter. Two pictures are a pair if all their pixels are equal; or if
 * sketches differ in NEAR bits at most, thumbnails by `near` grey levels at most, means
 * of channels by `colour` at most, and neither is flat, for flat pictures are all alike.
 *
 * Pairs within one group of one split are what groups are for, and are not told. Every
 * picture is held against every other: n^2 / 2 comparisons of 64 bits. */
#include "device/statistics.h"
#include "judge/judge.h"
#include <limits.h>
#include <math.h>
#include <string.h>

enum { SIDE = RJ_THUMBNAIL, SKETCH = 8, NEAR = 6, MOST = 1000, MOST_EACH = 16 };
static const double near = 6, flat = 6; /* grey levels */
static const double colour = 8;         /* levels of a channel's mean */

static double luma(const uint8_t *p)
{
    return RJ_LUMA_R * p[0] + RJ_LUMA_G * p[1] + RJ_LUMA_B * p[2];
}

static rij_status sketch(const rj_image *image, uint64_t *bits)
{
    rj_image small = {0};

    RJ_TRY(rj_image_resample(image, SKETCH + 1, SKETCH, RJ_BOX, &small));
    *bits = 0;
    for (int y = 0; y < SKETCH; y++)
        for (int x = 0; x < SKETCH; x++) {
            const uint8_t *p = small.rgb + (size_t)(y * (SKETCH + 1) + x) * 3;
            *bits = *bits << 1 | (luma(p + 3) > luma(p));
        }
    rj_image_free(&small);
    return RIJ_OK;
}

rij_status rj_audit_look(const rj_image *image, rj_audited *out)
{
    const size_t pixels = (size_t)image->w * (size_t)image->h;
    double sum[3] = {0}, mean = 0, square = 0;
    rj_image small = {0};

    out->pixels = rj_hash(image->rgb, 3 * pixels, (uint64_t)image->w);
    for (size_t i = 0; i < 3 * pixels; i++)
        sum[i % 3] += image->rgb[i];
    for (int c = 0; c < 3; c++)
        out->mean[c] = sum[c] / (double)pixels;
    RJ_TRY(sketch(image, &out->sketch));
    RJ_TRY(rj_image_resample(image, SIDE, SIDE, RJ_BOX, &small));
    for (int i = 0; i < SIDE * SIDE; i++) {
        const double v = luma(small.rgb + 3 * i);

        out->thumbnail[i] = rj_rounded((float)v);
        mean += v / (SIDE * SIDE);
        square += v * v / (SIDE * SIDE);
    }
    out->flat = square - mean * mean < flat * flat;
    rj_image_free(&small);
    return RIJ_OK;
}

static int differing_bits(uint64_t a, uint64_t b)
{
    int n = 0;

    for (uint64_t x = a ^ b; x; x &= x - 1)
        n++;
    return n;
}

static double distance(const rj_audited *a, const rj_audited *b)
{
    int sum = 0;

    for (int i = 0; i < SIDE * SIDE; i++)
        sum += (a->thumbnail[i] - b->thumbnail[i]) * (a->thumbnail[i] - b->thumbnail[i]);
    return sqrt((double)sum / (SIDE * SIDE));
}

/* Whether two show the same, and how far apart their thumbnails are. */
static bool alike(const rj_audited *a, const rj_audited *b, double *apart)
{
    *apart = 0;
    if (a->pixels == b->pixels && a->facts.w == b->facts.w && a->facts.h == b->facts.h)
        return true;
    if (a->flat || b->flat || differing_bits(a->sketch, b->sketch) > NEAR)
        return false;
    for (int c = 0; c < 3; c++)
        if (fabs(a->mean[c] - b->mean[c]) > colour)
            return false;
    *apart = distance(a, b);
    return *apart <= near;
}

/* For each image, the next ones that it is alike: MOST_EACH at most, so that a folder of
 * copies takes no more memory than another. */
typedef struct search {
    const rj_auditing *a;
    const rj_dataset *d;
    int n;
    const rj_audited *image;
    struct found {
        rj_alike *pair;
        int n, room;
    } * found;
} search;

static bool matters(const rj_auditing *a, const rj_sample *x, const rj_sample *y)
{
    return !a->training || !a->split || x->split == a->split || y->split == a->split;
}

static rij_status compare(void *job, int index, int worker)
{
    search *s = job;
    struct found *f = &s->found[index];
    const rj_audited *a = &s->image[index];
    const rj_sample *x = &s->d->sample[a->sample];

    (void)worker;
    for (int k = index + 1; k < s->n && f->n < MOST_EACH; k++) {
        const rj_sample *y = &s->d->sample[s->image[k].sample];
        double apart;

        if ((x->group == y->group && x->split == y->split) || !matters(s->a, x, y) ||
            !alike(a, &s->image[k], &apart))
            continue;
        RJ_TRY(rj_grow((void **)&f->pair, &f->room, f->n + 1, sizeof *f->pair));
        f->pair[f->n++] = (rj_alike){{a->sample, s->image[k].sample}, apart};
    }
    return RIJ_OK;
}

rij_status rj_audit_pairs_find(const rj_auditing *a, rij_audit_report *report)
{
    const int n = report->n;
    search s = {a, &report->data, n, report->image, rj_alloc((size_t)n, sizeof *s.found)};
    int room = 0;
    rij_status status;

    RJ_REQUIRE(s.found, RIJ_E_MEMORY, "audit: no memory for %d images", n);
    status = rj_parallel_for(a->pool, n, compare, &s);
    for (int i = 0; i < n; i++) {
        const int most = a->training ? INT_MAX : MOST;
        const int take = RJ_MIN(s.found[i].n, most - report->pairs);

        if (status == RIJ_OK && take > 0)
            status = rj_grow((void **)&report->pair, &room, report->pairs + take,
                             sizeof *report->pair);
        if (status == RIJ_OK && take > 0) {
            memcpy(report->pair + report->pairs, s.found[i].pair,
                   (size_t)take * sizeof *report->pair);
            report->pairs += take;
        }
        rj_free(s.found[i].pair);
    }
    rj_free(s.found);
    return status;
}
