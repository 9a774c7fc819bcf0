/* evaluation.c: margins into rows of figures, and the rows into the caller's hands. */
#include "judge/judge.h"

struct rij_evaluation {
    rij_evaluation_row *row;
    int rows, unusable;
    char **name; /* of columns and generators, which rows point at */
    int names, room;
};

/* The samples of one row, and scratch for their figures. */
typedef struct table {
    const rj_dataset *d;
    int n, columns;
    const int *sample;
    const double *margin;
    double *score, *weight;
    int *label;
} table;

enum { ALL = -1 };

/* Figures of every real against the fakes of one generator, or of all. A threshold of
 * the model's is margin 0. */
static rij_status figures(const table *t, int column, int generator,
                          rij_evaluation_row *row)
{
    int right[2] = {0, 0}, count[2] = {0, 0}, n = 0;

    for (int i = 0; i < t->n; i++) {
        const rj_sample *s = &t->d->sample[t->sample[i]];
        const double margin = t->margin[(size_t)i * (size_t)t->columns + (size_t)column];

        if (!s->usable ||
            (s->label == RJ_FAKE_LABEL && generator != ALL && s->generator != generator))
            continue;
        t->score[n] = margin;
        t->label[n++] = s->label;
        count[s->label]++;
        right[s->label] += (margin > 0) == (s->label == RJ_FAKE_LABEL);
    }
    row->n_real = count[RJ_REAL_LABEL];
    row->n_fake = count[RJ_FAKE_LABEL];
    if (!row->n_fake)
        return RIJ_OK;
    for (int i = 0; i < n; i++)
        t->weight[i] =
            t->label[i] == RJ_FAKE_LABEL ? 1 : (double)row->n_fake / row->n_real;
    row->racc = (double)right[RJ_REAL_LABEL] / row->n_real;
    row->facc = (double)right[RJ_FAKE_LABEL] / row->n_fake;
    RJ_TRY(rj_metric_ap(n, t->score, t->label, NULL, &row->ap));
    RJ_TRY(rj_metric_ap(n, t->score, t->label, t->weight, &row->ap_equal));
    RJ_TRY(rj_metric_auc(n, t->score, t->label, NULL, &row->auc));
    RJ_TRY(rj_metric_eer(n, t->score, t->label, &row->eer));
    return rj_metric_tpr(n, t->score, t->label, 0.05, &row->tpr5);
}

/* Means of the figures of `n` rows; all have the same reals. */
static rij_evaluation_row mean(const rij_evaluation_row *row, int n)
{
    rij_evaluation_row m = {.column = row->column, .n_real = row->n_real};

    for (int i = 0; i < n; i++) {
        m.n_fake += row[i].n_fake;
        m.ap += row[i].ap / n;
        m.ap_equal += row[i].ap_equal / n;
        m.auc += row[i].auc / n;
        m.racc += row[i].racc / n;
        m.facc += row[i].facc / n;
        m.eer += row[i].eer / n;
        m.tpr5 += row[i].tpr5 / n;
    }
    return m;
}

/* The rows of one column: generators that have fakes, mAP, POOLED. name[] of the
 * evaluation holds the columns, then the generators. */
static rij_status add_column(rij_evaluation *e, const table *t, int column)
{
    rij_evaluation_row *first = &e->row[e->rows], *last = first;

    for (int g = 0; g < t->d->generators; g++) {
        *last = (rij_evaluation_row){.generator = e->name[t->columns + g],
                                     .column = e->name[column]};
        RJ_TRY(figures(t, column, g, last));
        if (last->n_fake)
            last++;
    }
    *last = mean(first, (int)(last - first));
    last->generator = "mAP";
    last++;
    *last = (rij_evaluation_row){.generator = "POOLED", .column = e->name[column]};
    RJ_TRY(figures(t, column, ALL, last));
    last++;
    e->rows += (int)(last - first);
    return RIJ_OK;
}

static rij_status keep_names(rij_evaluation *e, char *const *name, int n)
{
    RJ_TRY(rj_grow((void **)&e->name, &e->room, e->names + n, sizeof(char *)));
    for (int i = 0; i < n; i++) {
        e->name[e->names] = rj_strdup(name[i]);
        RJ_REQUIRE(e->name[e->names], RIJ_E_MEMORY, "evaluate: no memory");
        e->names++;
    }
    return RIJ_OK;
}

static rij_status fill(rij_evaluation *e, table *t, const rj_list *columns)
{
    const size_t n = (size_t)t->n;

    e->row =
        rj_alloc((size_t)columns->n * (size_t)(t->d->generators + 2), sizeof *e->row);
    t->score = rj_alloc(n, sizeof *t->score);
    t->weight = rj_alloc(n, sizeof *t->weight);
    t->label = rj_alloc(n, sizeof *t->label);
    RJ_REQUIRE(e->row && t->score && t->weight && t->label, RIJ_E_MEMORY,
               "evaluate: no memory for the figures");
    RJ_TRY(keep_names(e, columns->path, columns->n));
    RJ_TRY(keep_names(e, t->d->generator, t->d->generators));
    for (int c = 0; c < columns->n; c++)
        RJ_TRY(add_column(e, t, c));
    return RIJ_OK;
}

rij_status rj_evaluation_new(const rj_dataset *d, const rj_list *columns, int n,
                             const int *sample, const double *margin, int unusable,
                             rij_evaluation **out)
{
    table t = {.d = d, .n = n, .columns = columns->n, .sample = sample, .margin = margin};
    rij_evaluation *e = rj_alloc(1, sizeof *e);
    rij_status status;

    RJ_REQUIRE(e, RIJ_E_MEMORY, "evaluate: no memory");
    e->unusable = unusable;
    status = fill(e, &t, columns);
    rj_free(t.score);
    rj_free(t.weight);
    rj_free(t.label);
    if (status == RIJ_OK)
        *out = e;
    else
        rij_evaluation_free(e);
    return status;
}

RIJ_API int rij_evaluation_rows(const rij_evaluation *evaluation)
{
    return evaluation ? evaluation->rows : 0;
}

RIJ_API rij_status rij_evaluation_row_at(const rij_evaluation *evaluation, int index,
                                         rij_evaluation_row *row)
{
    RJ_REQUIRE(evaluation && row, RIJ_E_ARGUMENT, "rij_evaluation_row_at: the %s is NULL",
               evaluation ? "row" : "evaluation");
    RJ_REQUIRE(index >= 0 && index < evaluation->rows, RIJ_E_ARGUMENT,
               "rij_evaluation_row_at: there is no row %d of %d", index,
               evaluation->rows);
    *row = evaluation->row[index];
    return RIJ_OK;
}

RIJ_API int rij_evaluation_unusable(const rij_evaluation *evaluation)
{
    return evaluation ? evaluation->unusable : 0;
}

RIJ_API void rij_evaluation_free(rij_evaluation *evaluation)
{
    if (!evaluation)
        return;
    for (int i = 0; i < evaluation->names; i++)
        rj_free(evaluation->name[i]);
    rj_free(evaluation->name);
    rj_free(evaluation->row);
    rj_free(evaluation);
}
