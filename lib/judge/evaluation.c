/* evaluation.c: margins into rows of figures; evaluation_lists.c has what is not figures.
 */
#include "judge/judge.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* An image in the order of a column. */
typedef struct place {
    double margin;
    int image;
} place;

/* What is judged, and scratch: for a column, then for a row. */
typedef struct table {
    const rj_judged *j;
    int native;      /* the column of that name, or -1 */
    int column;      /* at hand */
    place *place;    /* (n) usable images from the highest margin down */
    int places;      /* how many */
    double *mean[2]; /* (RJ_ROUNDS) AP and AUC, means over generators */
    rj_ranked *item; /* (n) the row's images, in the order of place */
    int items;
    double *score, *p, *weight; /* (n) of these */
    int *label;
    double *round[2]; /* (RJ_ROUNDS) AP, AUC */
    bool *counted;    /* (generators) whether it counts in the means */
} table;

enum { ALL = -1 };

static double margin_of(const table *t, int image, int column)
{
    return t->j->margin[(size_t)image * (size_t)t->j->columns->n + (size_t)column];
}

/* Whether an image counts in the row of a generator. */
static bool counts(const table *t, int image, int generator)
{
    const rj_dataset *d = t->j->d;
    const int i = t->j->sample[image];
    const rj_sample *s = &d->sample[i];

    if (generator == ALL || !s->usable)
        return s->usable;
    if (s->label == RJ_FAKE_LABEL)
        return s->generator == generator;
    return !t->j->pair || t->j->pair[(size_t)generator * (size_t)d->n + (size_t)i];
}

#define AT(name) offsetof(rij_evaluation_row, name)
static const size_t all_figures[] = {
    AT(ap),          AT(ap_low),
    AT(ap_high),     AT(auc),
    AT(auc_low),     AT(auc_high),
    AT(racc),        AT(facc),
    AT(bacc),        AT(eer),
    AT(tpr1),        AT(tpr5),
    AT(fpr1),        AT(fpr5),
    AT(ece),         AT(brier),
    AT(ap_plain),    AT(shift_real),
    AT(shift_fake),  AT(real_generated),
    AT(real_unsure), AT(fake_generated),
    AT(fake_unsure),
};

static double *figure(rij_evaluation_row *row, int which)
{
    return (double *)(void *)((char *)row + all_figures[which]);
}

/* ---- a column, a row -------------------------------------------------------------- */

static int by_margin(const void *a, const void *b)
{
    const place *p = a, *q = b;

    if (p->margin != q->margin)
        return p->margin > q->margin ? -1 : 1;
    return (p->image > q->image) - (p->image < q->image);
}

static void sort_column(table *t, int column)
{
    t->places = 0;
    for (int i = 0; i < t->j->n; i++)
        if (counts(t, i, ALL))
            t->place[t->places++] = (place){margin_of(t, i, column), i};
    qsort(t->place, (size_t)t->places, sizeof *t->place, by_margin);
    for (int k = 0; k < RJ_ROUNDS; k++)
        t->mean[0][k] = t->mean[1][k] = 0;
}

/* The images of a row, their numbers, and the row's counts. */
static void choose(table *t, int generator, rij_evaluation_row *row)
{
    int count[2] = {0, 0};

    t->items = 0;
    for (int i = 0; i < t->places; i++) {
        const int image = t->place[i].image, n = t->items;
        const int label = t->j->d->sample[t->j->sample[image]].label;

        if (!counts(t, image, generator))
            continue;
        t->score[n] = t->place[i].margin;
        t->label[n] = label;
        t->item[n] = (rj_ranked){image, label == RJ_FAKE_LABEL, true};
        if (n > 0 && t->score[n - 1] == t->score[n])
            t->item[n - 1].last = false;
        t->items++;
        count[label]++;
    }
    row->n_real = count[RJ_REAL_LABEL];
    row->n_fake = count[RJ_FAKE_LABEL];
    for (int i = 0; i < t->items; i++) {
        t->p[i] = 1 / (1 + exp(-t->score[i]));
        t->weight[i] = t->item[i].fake ? 1 : (double)row->n_fake / row->n_real;
    }
}

/* The answer to an image; unsure where there is none. */
static rij_answer answer_of(const table *t, int image, int column)
{
    const size_t at = (size_t)image * (size_t)t->j->columns->n + (size_t)column;

    return t->j->answer ? t->j->answer[at] : RIJ_ANSWER_UNSURE;
}

/* Share of each class by its answers in the column at hand. */
static void answers(const table *t, rij_evaluation_row *row)
{
    double share[2][3] = {{0}};

    for (int i = 0; i < t->items; i++)
        share[t->label[i]][answer_of(t, t->item[i].image, t->column)] +=
            1.0 / (t->label[i] ? row->n_fake : row->n_real);
    for (int label = 0; label < 2 && !t->j->answer; label++)
        share[label][RIJ_ANSWER_GENERATED] = share[label][RIJ_ANSWER_UNSURE] = NAN;
    row->real_generated = share[RJ_REAL_LABEL][RIJ_ANSWER_GENERATED];
    row->real_unsure = share[RJ_REAL_LABEL][RIJ_ANSWER_UNSURE];
    row->fake_generated = share[RJ_FAKE_LABEL][RIJ_ANSWER_GENERATED];
    row->fake_unsure = share[RJ_FAKE_LABEL][RIJ_ANSWER_UNSURE];
}

/* Share of each class above a margin; NAN where that is not known. */
static void above(const table *t, double margin, double *real, double *fake)
{
    double sum[2] = {0, 0};
    int n[2] = {0, 0};

    for (int i = 0; i < t->items; i++) {
        n[t->label[i]]++;
        sum[t->label[i]] += t->score[i] > margin;
    }
    *real = isnan(margin) ? NAN : sum[RJ_REAL_LABEL] / n[RJ_REAL_LABEL];
    *fake = isnan(margin) ? NAN : sum[RJ_FAKE_LABEL] / n[RJ_FAKE_LABEL];
}

static void shifts(const table *t, rij_evaluation_row *row)
{
    double sum[2] = {0, 0};

    for (int i = 0; i < t->items; i++)
        sum[t->label[i]] +=
            t->native < 0 ? NAN : t->score[i] - margin_of(t, t->item[i].image, t->native);
    row->shift_real = sum[RJ_REAL_LABEL] / row->n_real;
    row->shift_fake = sum[RJ_FAKE_LABEL] / row->n_fake;
}

/* Figures of one generator against its reals, or of all fakes against all reals. The
 * model's threshold is margin 0. A row without reals or without fakes has none. */
static rij_status figures(table *t, int generator, rij_evaluation_row *row)
{
    const rj_decision *d = t->j->decision;
    double alarms;
    int n;

    choose(t, generator, row);
    n = t->items;
    for (int k = 0; k < RJ_COUNT(all_figures) && !(row->n_fake && row->n_real); k++)
        *figure(row, k) = NAN;
    if (!row->n_fake || !row->n_real)
        return RIJ_OK;
    above(t, 0, &alarms, &row->facc);
    row->racc = 1 - alarms;
    row->bacc = (row->racc + row->facc) / 2;
    above(t, d->alarm[RJ_ALARM1], &row->fpr1, &row->tpr1);
    above(t, d->alarm[RJ_ALARM5], &row->fpr5, &row->tpr5);
    shifts(t, row);
    answers(t, row);
    RJ_TRY(rj_metric_ap(n, t->score, t->label, t->weight, &row->ap));
    RJ_TRY(rj_metric_ap(n, t->score, t->label, NULL, &row->ap_plain));
    RJ_TRY(rj_metric_auc(n, t->score, t->label, NULL, &row->auc));
    RJ_TRY(rj_metric_eer(n, t->score, t->label, &row->eer));
    RJ_TRY(rj_metric_ece(n, t->p, t->label, t->weight, &row->ece));
    RJ_TRY(rj_metric_brier(n, t->p, t->label, t->weight, &row->brier));
    return rj_bootstrap(t->j->pool, t->j->seed, t->j->n, n, t->item, t->round[0],
                        t->round[1]);
}

/* ---- rows ------------------------------------------------------------------------- */

/* Intervals from the figures of the rounds, which are sorted by it. */
static void set_intervals(double *const round[2], rij_evaluation_row *row)
{
    rj_interval(RJ_ROUNDS, round[0], &row->ap_low, &row->ap_high);
    rj_interval(RJ_ROUNDS, round[1], &row->auc_low, &row->auc_high);
}

/* A generator's row, if it has fakes, and its part in the means. */
static rij_status add_generator(rij_evaluation *e, table *t, int generator,
                                rij_evaluation_row *row, rij_evaluation_row *sum)
{
    RJ_TRY(figures(t, generator, row));
    t->counted[generator] = row->n_fake >= t->j->map_fakes && row->n_real > 0;
    if (t->counted[generator]) {
        for (int k = 0; k < RJ_COUNT(all_figures); k++)
            *figure(sum, k) += *figure(row, k);
        for (int i = 0; i < 2 * RJ_ROUNDS; i++)
            t->mean[i / RJ_ROUNDS][i % RJ_ROUNDS] +=
                t->round[i / RJ_ROUNDS][i % RJ_ROUNDS];
        sum->n_fake += row->n_fake;
    }
    if (row->n_fake && row->n_real)
        set_intervals(t->round, row);
    e->rows += row->n_fake > 0;
    return RIJ_OK;
}

/* Means over the generators that count; their reals are counted once each. */
static void finish_mean(table *t, rij_evaluation_row *row)
{
    int n = 0;

    for (int g = 0; g < t->j->d->generators; g++)
        n += t->counted[g];
    for (int k = 0; k < RJ_COUNT(all_figures); k++)
        *figure(row, k) /= n; // not a number where none counts
    for (int i = 0; i < 2 * RJ_ROUNDS; i++)
        t->mean[i / RJ_ROUNDS][i % RJ_ROUNDS] /= n;
    for (int i = 0; i < t->places; i++) {
        const int image = t->place[i].image;
        bool in = false;

        if (t->j->d->sample[t->j->sample[image]].label == RJ_FAKE_LABEL)
            continue;
        for (int g = 0; g < t->j->d->generators && !in; g++)
            in = t->counted[g] && counts(t, image, g);
        row->n_real += in;
    }
    set_intervals(t->mean, row);
}

/* The rows of one column: generators that have fakes, mAP, POOLED. name[] of the
 * evaluation holds the columns, then the generators. */
static rij_status add_column(rij_evaluation *e, table *t, int column)
{
    const char *name = e->name[column];
    rij_evaluation_row sum = {.generator = "mAP", .column = name}, *pooled;

    t->column = column;
    sort_column(t, column);
    for (int g = 0; g < t->j->d->generators; g++) {
        rij_evaluation_row *row = &e->row[e->rows];

        *row = (rij_evaluation_row){.generator = e->name[t->j->columns->n + g],
                                    .column = name};
        RJ_TRY(add_generator(e, t, g, row, &sum));
    }
    finish_mean(t, &sum);
    e->row[e->rows++] = sum;
    pooled = &e->row[e->rows++];
    *pooled = (rij_evaluation_row){.generator = "POOLED", .column = name};
    RJ_TRY(figures(t, ALL, pooled));
    set_intervals(t->round, pooled);
    return RIJ_OK;
}

/* ---- the whole -------------------------------------------------------------------- */

static rij_status make_room(rij_evaluation *e, table *t)
{
    const size_t n = (size_t)t->j->n, generators = (size_t)t->j->d->generators;

    e->row = rj_alloc((size_t)t->j->columns->n * (generators + 2), sizeof *e->row);
    t->place = rj_alloc(n, sizeof *t->place);
    t->item = rj_alloc(n, sizeof *t->item);
    t->score = rj_alloc(3 * n, sizeof *t->score);
    t->label = rj_alloc(n, sizeof *t->label);
    t->round[0] = rj_alloc(4 * RJ_ROUNDS, sizeof(double));
    t->counted = rj_alloc(generators + 1, sizeof *t->counted);
    RJ_REQUIRE(e->row && t->place && t->item && t->score && t->label && t->round[0] &&
                   t->counted,
               RIJ_E_MEMORY, "evaluate: no memory for the figures");
    t->p = t->score + n;
    t->weight = t->p + n;
    t->round[1] = t->round[0] + RJ_ROUNDS;
    t->mean[0] = t->round[1] + RJ_ROUNDS;
    t->mean[1] = t->mean[0] + RJ_ROUNDS;
    return RIJ_OK;
}

static rij_status fill(rij_evaluation *e, table *t)
{
    const rj_list *columns = t->j->columns;

    RJ_TRY(make_room(e, t));
    for (int c = 0; c < columns->n; c++)
        RJ_TRY(rj_evaluation_name(e, columns->path[c]));
    for (int g = 0; g < t->j->d->generators; g++)
        RJ_TRY(rj_evaluation_name(e, t->j->d->generator[g]));
    t->native = -1;
    for (int c = columns->n - 1; c >= 0; c--)
        if (strcmp(columns->path[c], "native") == 0)
            t->native = c;
    for (int c = 0; c < columns->n; c++)
        RJ_TRY(add_column(e, t, c));
    return rj_evaluation_lists(e, t->j);
}

rij_status rj_evaluation_new(const rj_judged *j, rij_evaluation **out)
{
    table t = {.j = j};
    rij_evaluation *e = rj_alloc(1, sizeof *e);
    rij_status status;

    RJ_REQUIRE(e, RIJ_E_MEMORY, "evaluate: no memory");
    e->unusable = j->unusable;
    e->map_fakes = j->map_fakes;
    e->paired = j->pair != NULL;
    e->shuffled = j->shuffled;
    e->level = j->level;
    e->data_hash = j->d->hash;
    e->real_hash = j->d->real_hash;
    e->decision = *j->decision;
    status = fill(e, &t);
    rj_free(t.place);
    rj_free(t.item);
    rj_free(t.score);
    rj_free(t.label);
    rj_free(t.round[0]);
    rj_free(t.counted);
    if (status == RIJ_OK)
        *out = e;
    else
        rij_evaluation_free(e);
    return status;
}
