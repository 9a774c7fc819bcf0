/* evidence.c: where in a picture the evidence lies.
 *
 * Small windows are judged each by itself, m_i their margins. How a window stands out
 * against the picture's own, by what half of them do:
 *
 *     z_i = (m_i - median m) / (1.4826 median |m - median m| + 1/2)
 *
 * A window without variation (luma deviates by less than half a grey level) or clipped
 * for the most part says nothing: it counts in no median, and z_i = 0. A cell's value is
 * the mean of z over the 5 x 5 windows around it, those over the edge being the nearest
 * inside, over n^(1/5), n the windows that count: so do peaks of photographs grow with
 * their size (docs/results.md), and those of unequal size may be compared. Fewer than 25
 * such windows: no map.
 *
 * Windows are 32 pixels, 16 apart, or farther where there would be more than 16384. An
 * encoder that takes one size alone judges windows of the model's crop, a quarter of it
 * apart, at most 256. */
#include "device/statistics.h"
#include "judge/judge.h"
#include <math.h>
#include <stdlib.h>

enum { WINDOW = 32, APART = 16, MOST = 16384, MOST_CROPS = 256, AROUND = 2, FEWEST = 25 };
static const double dull = 0.5;  /* grey levels */
static const double least = 0.5; /* added to the deviation of margins */

/* ---- the windows ------------------------------------------------------------------- */

static int along(int side, int window, int apart)
{
    return (side - window) / apart + 1;
}

static void lay_out(const rij_model *m, const rj_image *image, rj_evidence *e)
{
    const bool any = rj_ready_any_side(m->ready);
    const int window = any ? WINDOW : m->crop, most = any ? MOST : MOST_CROPS;
    int apart = any ? APART : m->crop / 4;

    *e = (rj_evidence){1, 1, 0, 0, apart, window};
    if (image->w < window || image->h < window)
        return;
    while ((int64_t)along(image->w, window, apart) * along(image->h, window, apart) >
           most)
        apart++;
    e->cell = apart;
    e->columns = along(image->w, window, apart);
    e->rows = along(image->h, window, apart);
    e->left = (image->w - e->columns * apart) / 2;
    e->top = (image->h - e->rows * apart) / 2;
}

/* Whether a window says anything. */
static bool tells(const rj_image *image, int left, int top, int side)
{
    const double n = (double)side * side;
    double sum = 0, squares = 0;
    int clipped = 0;

    for (int y = 0; y < side; y++) {
        const uint8_t *p =
            image->rgb + 3 * ((size_t)(top + y) * (size_t)image->w + (size_t)left);

        for (int x = 0; x < side; x++, p += 3) {
            const double luma = RJ_LUMA_R * p[0] + RJ_LUMA_G * p[1] + RJ_LUMA_B * p[2];
            const int low = RJ_MIN(p[0], RJ_MIN(p[1], p[2]));
            const int high = RJ_MAX(p[0], RJ_MAX(p[1], p[2]));

            sum += luma;
            squares += luma * luma;
            clipped += low <= 1 || high >= 254;
        }
    }
    return squares / n - sum / n * (sum / n) >= dull * dull && 2 * clipped <= side * side;
}

/* What a window says, in logits. Where S adds a distance to the classifier, each over its
 * deviation, the distance, which small windows tell badly, is taken to say what the
 * classifier does: twice a S_cls, but for a constant. */
static double window_margin(const rij_model *m, double cls, double prox)
{
    if (m->decision.by == RJ_DECIDE_JOINT)
        return 2 * m->decision.a * cls;
    return rj_decision_margin(&m->decision, cls, prox);
}

/* Margins of the windows, NAN where one says nothing. */
static rij_status judge_windows(const rij_model *m, rj_context *c, const rj_image *image,
                                const rj_evidence *e, float *planar, float *margin)
{
    const rj_jury jury = {m->net, m->ready, m->trace, e->window, m->distance};
    const size_t each = 3 * (size_t)e->window * (size_t)e->window;
    const int n = e->columns * e->rows, shift = (e->window - e->cell) / 2;
    double cls[RJ_JUDGE_BATCH], prox[RJ_JUDGE_BATCH];
    int place[RJ_JUDGE_BATCH], waiting = 0;

    for (int i = 0; i < n; i++) {
        const int x = e->left + i % e->columns * e->cell - shift;
        const int y = e->top + i / e->columns * e->cell - shift;

        margin[i] = NAN;
        if (tells(image, x, y, e->window)) {
            rj_image_planar_of(image, x, y, e->window, e->window, false,
                               planar + (size_t)waiting * each);
            place[waiting++] = i;
        }
        if (waiting < RJ_JUDGE_BATCH && i + 1 < n)
            continue;
        RJ_TRY(rj_judge_planar(&jury, &c->tape, waiting, planar, cls, prox));
        for (int k = 0; k < waiting; k++)
            margin[place[k]] = (float)window_margin(m, cls[k], prox[k]);
        waiting = 0;
    }
    return RIJ_OK;
}

/* ---- how they stand out ------------------------------------------------------------ */

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Of n numbers, which are sorted. */
static double median(int n, float *x)
{
    qsort(x, (size_t)n, sizeof *x, ascending);
    return n % 2 ? (double)x[n / 2] : ((double)x[n / 2 - 1] + (double)x[n / 2]) / 2;
}

/* z in place of margins; how many windows count. */
static int stand_out(int n, float *margin, float *work)
{
    double centre, scale;
    int counted = 0;

    for (int i = 0; i < n; i++)
        if (isfinite(margin[i]))
            work[counted++] = margin[i];
    if (counted < FEWEST)
        return 0;
    centre = median(counted, work);
    for (int i = 0; i < counted; i++)
        work[i] = (float)fabs((double)work[i] - centre);
    scale = 1.4826 * median(counted, work) + least;
    for (int i = 0; i < n; i++)
        margin[i] =
            isfinite(margin[i]) ? (float)(((double)margin[i] - centre) / scale) : 0;
    return counted;
}

static int inside(int i, int n)
{
    return RJ_MIN(RJ_MAX(i, 0), n - 1);
}

/* Means over the windows around, first along rows, then down columns. */
static void smooth(const rj_evidence *e, const float *z, double scale, float *work)
{
    const int w = e->columns, h = e->rows;

    for (int i = 0; i < w * h; i++) {
        const float *row = z + i / w * w;
        double sum = 0;

        for (int k = -AROUND; k <= AROUND; k++)
            sum += (double)row[inside(i % w + k, w)];
        work[i] = (float)sum;
    }
    for (int i = 0; i < w * h; i++) {
        double sum = 0;

        for (int k = -AROUND; k <= AROUND; k++)
            sum += (double)work[inside(i / w + k, h) * w + i % w];
        e->value[i] = (float)(sum * scale);
    }
}

static void make_map(rj_evidence *e, float *margin, float *work)
{
    const int n = e->columns * e->rows, counted = stand_out(n, margin, work);
    const double each = (2 * AROUND + 1) * (2 * AROUND + 1);

    e->peak = -1;
    if (counted == 0)
        return;
    smooth(e, margin, 1 / (each * pow(counted, 0.2)), work);
    for (int i = 0; i < n; i++)
        if (i == 0 || e->value[i] > e->value[e->at])
            e->at = i;
    e->peak = RJ_MAX(0, e->value[e->at]);
}

rij_status rj_evidence_gather(const rij_model *m, rj_context *c, const rj_image *image,
                              rj_evidence *out)
{
    rj_evidence e = {0};
    float *planar = NULL, *margin = NULL, *work = NULL;
    rij_status status = RIJ_OK;
    size_t n, each;

    lay_out(m, image, &e);
    n = (size_t)e.columns * (size_t)e.rows;
    each = 3 * (size_t)e.window * (size_t)e.window;
    e.value = rj_alloc(n, sizeof *e.value);
    margin = rj_alloc(n, sizeof *margin);
    work = rj_alloc(n, sizeof *work);
    planar = rj_alloc(RJ_JUDGE_BATCH * each, sizeof *planar);
    if (!e.value || !margin || !work || !planar)
        status = rj_fail(RIJ_E_MEMORY, "explain: no memory for %zu windows", n);
    e.peak = -1;
    if (status == RIJ_OK && n >= FEWEST) {
        status = judge_windows(m, c, image, &e, planar, margin);
        if (status == RIJ_OK)
            make_map(&e, margin, work);
    }
    rj_free(planar);
    rj_free(work);
    rj_free(margin);
    if (status != RIJ_OK) {
        rj_evidence_free(&e);
        return status == RIJ_E_DIVERGED
                   ? rj_fail(RIJ_E_MODEL,
                             "explain: the model's numbers overflow on this image")
                   : status;
    }
    *out = e;
    return RIJ_OK;
}

void rj_evidence_free(rj_evidence *e)
{
    rj_free(e->value);
    e->value = NULL;
}
