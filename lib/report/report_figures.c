/* report_figures.c: what a report draws, from an evaluation's margins: curves, bins, the
 * worst mistakes.
 *
 * A curve is walked from the highest margin down, equal margins as one step, as in
 * judge/metrics.c. A point is kept once it lies `least` away from the last one kept (the
 * sum of both distances), and the last one always; if there are too many, `least` is
 * doubled. */
#include "report/report.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const double rj_curve_fpr[RJ_CURVE_MARKS] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5};
const double rj_curve_recall[RJ_CURVE_MARKS] = {0.1, 0.25, 0.5, 0.75, 0.9, 0.95};
static const double LEAST = 0.01;

typedef struct place {
    double margin;
    int image;
} place;

static int by_margin(const void *a, const void *b)
{
    const place *p = a, *q = b;

    if (p->margin != q->margin)
        return p->margin > q->margin ? -1 : 1;
    return (p->image > q->image) - (p->image < q->image);
}

static double margin_of(const rj_report *r, int image, int column)
{
    return r->e->margin[(size_t)image * (size_t)r->columns + (size_t)column];
}

/* ---- curves ----------------------------------------------------------------------- */

typedef struct walk {
    const rj_report *r;
    const place *place;
    int at, n, above[2];
    double fpr, tpr, precision;
} walk;

/* The next distinct margin; false at the end. */
static bool step(walk *w)
{
    const int first = w->at;

    while (w->at < w->n && w->place[w->at].margin == w->place[first].margin)
        w->above[w->r->e->image[w->place[w->at++].image].fake]++;
    w->fpr = (double)w->above[0] / w->r->n[0];
    w->tpr = (double)w->above[1] / w->r->n[1];
    w->precision = w->tpr / (w->tpr + w->fpr);
    return w->at > first;
}

/* Returns false when the curve is full. */
static bool point(rj_curve *c, double x, double y, double least, bool last)
{
    const int n = c->n;

    if (n && !last && fabs(x - c->x[n - 1]) + fabs(y - c->y[n - 1]) < least)
        return true;
    if (n == RJ_CURVE_POINTS)
        return false;
    c->x[n] = x;
    c->y[n] = y;
    c->n++;
    return true;
}

static bool draw(const walk *start, double least, rj_report_column *c)
{
    walk w = *start;
    bool room;

    c->roc.n = c->pr.n = 0;
    room = point(&c->roc, 0, 0, least, true);
    while (room && step(&w)) {
        if (c->pr.n == 0)
            point(&c->pr, 0, w.precision, least, true);
        room = point(&c->roc, w.fpr, w.tpr, least, w.at == w.n) &&
               point(&c->pr, w.tpr, w.precision, least, w.at == w.n);
    }
    return room;
}

static void marks(walk w, rj_report_column *c)
{
    for (int k = 0; k < RJ_CURVE_MARKS; k++)
        c->tpr[k] = c->precision[k] = 0;
    while (step(&w))
        for (int k = 0; k < RJ_CURVE_MARKS; k++) {
            if (w.fpr <= rj_curve_fpr[k])
                c->tpr[k] = w.tpr;
            if (w.tpr >= rj_curve_recall[k] && c->precision[k] == 0)
                c->precision[k] = w.precision;
        }
}

static void curves(const rj_report *r, place *places, int column, rj_report_column *c)
{
    const walk w = {.r = r, .place = places, .n = r->e->images};

    for (int i = 0; i < r->e->images; i++)
        places[i] = (place){margin_of(r, i, column), i};
    qsort(places, (size_t)r->e->images, sizeof *places, by_margin);
    for (double least = LEAST; !draw(&w, least, c);)
        least *= 2;
    marks(w, c);
}

/* ---- bins ------------------------------------------------------------------------- */

static void bins(const rj_report *r, int column, rj_report_column *c)
{
    double sum[RJ_CALIBRATED] = {0}, score[RJ_CALIBRATED] = {0};
    double fakes[RJ_CALIBRATED] = {0};

    for (int i = 0; i < r->e->images; i++) {
        const size_t at = (size_t)i * (size_t)r->columns + (size_t)column;
        const bool fake = r->e->image[i].fake;
        const double p = 1 / (1 + exp(-r->e->margin[at]));
        const double w = fake ? 1 : (double)r->n[1] / r->n[0];
        const int k = RJ_MIN((int)(RJ_CALIBRATED * p), RJ_CALIBRATED - 1);

        sum[k] += w;
        score[k] += w * p;
        fakes[k] += fake ? w : 0;
        c->in_bin[k]++;
        c->histogram[fake][RJ_MIN((int)(RJ_SCORE_BINS * p), RJ_SCORE_BINS - 1)]++;
        c->answer[fake][r->e->answer[at * (2 + RIJ_SHIPPINGS)]]++;
    }
    for (int k = 0; k < RJ_CALIBRATED; k++) {
        c->score[k] = sum[k] > 0 ? score[k] / sum[k] : NAN;
        c->share[k] = sum[k] > 0 ? fakes[k] / sum[k] : NAN;
    }
}

/* ---- the worst -------------------------------------------------------------------- */

/* Of one label, from the end of the order where it should not be. places: that of the
 * first column. */
static rij_status list_worst(rj_report *r, const place *places, int label, int most)
{
    const int n = r->e->images;

    r->image[label] = rj_alloc((size_t)most, sizeof **r->image);
    RJ_REQUIRE(r->image[label], RIJ_E_MEMORY, "report: no memory");
    for (int k = 0; k < n; k++) {
        const place *p = &places[label ? n - 1 - k : k];

        if (r->e->image[p->image].fake != (label == RJ_FAKE_LABEL) ||
            (p->margin > 0) == (label == RJ_FAKE_LABEL))
            continue;
        r->wrong[label]++;
        if (r->worst[label] < most)
            r->image[label][r->worst[label]++] = p->image * r->columns;
    }
    return RIJ_OK;
}

/* ---- files ------------------------------------------------------------------------ */

static rij_status sort_files(rj_report *r)
{
    r->file = rj_alloc((size_t)r->e->images, sizeof *r->file);
    RJ_REQUIRE(r->file, RIJ_E_MEMORY, "report: no memory for %d names", r->e->images);
    for (int i = 0; i < r->e->images; i++)
        r->file[i] = (rj_name){r->e->image[i].file, i};
    rj_names_sort(r->file, r->e->images);
    return RIJ_OK;
}

const char *rj_report_name(const rj_report *r, const char *file)
{
    const int image = rj_names_find(r->file, r->e->images, file);

    return image < 0 ? file : r->e->image[image].path;
}

/* ---- the whole -------------------------------------------------------------------- */

const rij_evaluation_row *rj_report_row(const rj_report *r, int c, int g)
{
    return &r->e->row[c * (r->generators + 2) + g];
}

const rij_evaluation_row *rj_report_sum(const rj_report *r, int c)
{
    const rij_evaluation_row *mean = rj_report_row(r, c, r->generators);

    return isnan(mean->auc) ? mean + 1 : mean;
}

void rj_report_interval(int k, int n, double *low, double *high)
{
    const double z = 1.959964, p = (double)k / n, s = z * z / n;
    const double middle = (p + s / 2) / (1 + s);
    const double half = z * sqrt(p * (1 - p) / n + s / (4 * n)) / (1 + s);

    *low = k == 0 ? 0 : middle - half;
    *high = k == n ? 1 : middle + half;
}

static rij_status fill(rj_report *r, place *places, int worst)
{
    const size_t n = rij_model_describe(r->model, NULL, 0) + 1;

    r->column = rj_alloc((size_t)r->columns, sizeof *r->column);
    r->about = rj_alloc(n, 1);
    RJ_REQUIRE(r->column && r->about, RIJ_E_MEMORY, "report: no memory");
    rij_model_describe(r->model, r->about, n);
    if (r->audit)
        RJ_TRY(sort_files(r));
    for (int c = r->columns - 1; c >= 0; c--) { // the first one's order stays
        r->column[c].name = r->e->name[c];
        curves(r, places, c, &r->column[c]);
        bins(r, c, &r->column[c]);
    }
    for (int label = 0; label < 2; label++)
        RJ_TRY(list_worst(r, places, label, worst));
    return RIJ_OK;
}

rij_status rj_report_fill(rj_report *r, int worst)
{
    place *places = rj_alloc((size_t)r->e->images, sizeof *places);
    rij_status status;

    RJ_REQUIRE(places, RIJ_E_MEMORY, "report: no memory for %d images", r->e->images);
    r->columns = r->e->columns;
    r->generators = r->e->rows / r->columns - 2;
    for (int i = 0; i < r->e->images; i++)
        r->n[r->e->image[i].fake]++;
    status = fill(r, places, worst);
    rj_free(places);
    return status;
}

void rj_report_free(rj_report *r)
{
    rj_free(r->column);
    rj_free(r->image[0]);
    rj_free(r->image[1]);
    rj_free(r->about);
    rj_free(r->file);
}
