/* figures.h: the figures of an evaluation, as tables for people and as TSV. */
#ifndef EXAMPLES_FIGURES_H
#define EXAMPLES_FIGURES_H

#include <realjudge.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The TSV's columns behind generator, column, n_real, n_fake. */
#define FIGURE(name) offsetof(rij_evaluation_row, name)
static const struct {
    const char *name;
    size_t at;
} figures[] = {
    {"ap", FIGURE(ap)},
    {"auc", FIGURE(auc)},
    {"racc", FIGURE(racc)},
    {"facc", FIGURE(facc)},
    {"bacc", FIGURE(bacc)},
    {"eer", FIGURE(eer)},
    {"tpr1", FIGURE(tpr1)},
    {"tpr5", FIGURE(tpr5)},
    {"ece", FIGURE(ece)},
    {"fpr1", FIGURE(fpr1)},
    {"fpr5", FIGURE(fpr5)},
    {"brier", FIGURE(brier)},
    {"ap_plain", FIGURE(ap_plain)},
    {"ap_low", FIGURE(ap_low)},
    {"ap_high", FIGURE(ap_high)},
    {"auc_low", FIGURE(auc_low)},
    {"auc_high", FIGURE(auc_high)},
    {"shift_real", FIGURE(shift_real)},
    {"shift_fake", FIGURE(shift_fake)},
    {"real_generated", FIGURE(real_generated)},
    {"real_unsure", FIGURE(real_unsure)},
    {"fake_generated", FIGURE(fake_generated)},
    {"fake_unsure", FIGURE(fake_unsure)},
};
enum { FIGURES = sizeof figures / sizeof *figures };

static inline double figure(const rij_evaluation_row *row, int which)
{
    return *(const double *)(const void *)((const char *)row + figures[which].at);
}

/* Closes the file. Returns 0, or 1 when it could not be written. */
static inline int write_tsv(const rij_evaluation *e, FILE *file)
{
    rij_evaluation_row row;
    int failed;

    fputs("generator\tcolumn\tn_real\tn_fake", file);
    for (int k = 0; k < FIGURES; k++)
        fprintf(file, "\t%s", figures[k].name);
    fputc('\n', file);
    for (int i = 0; i < rij_evaluation_rows(e); i++) {
        if (rij_evaluation_row_at(e, i, &row) != RIJ_OK)
            continue;
        fprintf(file, "%s\t%s\t%d\t%d", row.generator, row.column, row.n_real,
                row.n_fake);
        for (int k = 0; k < FIGURES; k++)
            fprintf(file, isnan(figure(&row, k)) ? "\t-" : "\t%.6f", figure(&row, k));
        fputc('\n', file);
    }
    failed = ferror(file);
    return fclose(file) != 0 || failed;
}

/* A figure in six columns; nothing to say is "-". */
static inline void show_figure(double x)
{
    if (isnan(x))
        printf(" %6s", "-");
    else
        printf(" %6.4f", x);
}

static inline void show_rows(const rij_evaluation *e)
{
    static const char *const shown[] = {"AP=", "from", "to",   "AUC",  "racc", "facc",
                                        "EER", "TPR1", "FPR1", "TPR5", "FPR5", "ECE"};
    rij_evaluation_row r;

    printf("%-22s %-9s %5s %5s", "generator", "column", "reals", "fakes");
    for (size_t k = 0; k < sizeof shown / sizeof *shown; k++)
        printf(" %6s", shown[k]);
    putchar('\n');
    for (int i = 0; i < rij_evaluation_rows(e); i++) {
        if (rij_evaluation_row_at(e, i, &r) != RIJ_OK)
            return;
        const double x[] = {r.ap,  r.ap_low, r.ap_high, r.auc,  r.racc, r.facc,
                            r.eer, r.tpr1,   r.fpr1,    r.tpr5, r.fpr5, r.ece};

        printf("%-22s %-9s %5d %5d", r.generator, r.column, r.n_real, r.n_fake);
        for (size_t k = 0; k < sizeof x / sizeof *x; k++)
            show_figure(x[k]);
        putchar('\n');
    }
}

/* Answers at a level, 0: 0.05, where the model has a calibration. */
static inline void show_answers(const rij_evaluation *e, double level, int strip)
{
    rij_evaluation_row r;

    if (rij_evaluation_row_at(e, 0, &r) != RIJ_OK || isnan(r.real_unsure))
        return;
    printf("\nanswers at level %g, %s\n%-22s %-9s  reals: real unsure generated  fakes: "
           "real unsure generated\n",
           level != 0 ? level : 0.05, strip ? "by the strip too" : "without the strip",
           "generator", "column");
    for (int i = 0; i < rij_evaluation_rows(e); i++) {
        if (rij_evaluation_row_at(e, i, &r) != RIJ_OK)
            return;
        printf("%-22s %-9s  %11.4f %6.4f %9.4f  %11.4f %6.4f %9.4f\n", r.generator,
               r.column, fmax(0, 1 - r.real_generated - r.real_unsure), r.real_unsure,
               r.real_generated, fmax(0, 1 - r.fake_generated - r.fake_unsure),
               r.fake_unsure, r.fake_generated);
    }
}

/* A line a source, for each column the share that is called generated, and, where the
 * model has a calibration, the shares answered generated and unsure. */
static inline void show_sources(const rij_evaluation *e)
{
    const int n = rij_evaluation_sources(e);
    rij_evaluation_source s;
    int columns = 0;

    for (const char *first = NULL; columns < n; columns++) {
        if (rij_evaluation_source_at(e, columns, &s) != RIJ_OK)
            return;
        if (first && strcmp(first, s.source) != 0)
            break;
        first = s.source;
    }
    printf("\nreals called generated\n%-36s %5s", "source", "reals");
    for (int i = 0; i < columns && rij_evaluation_source_at(e, i, &s) == RIJ_OK; i++)
        printf(" %9s%s", s.column, isnan(s.unsure) ? "" : " answered / unsure");
    for (int i = 0; i < n && rij_evaluation_source_at(e, i, &s) == RIJ_OK; i++) {
        if (i % columns == 0)
            printf("\n%-36s %5d", s.source[0] ? s.source : "-", s.n);
        printf(" %9.4f", s.alarms);
        if (!isnan(s.unsure))
            printf("   %6.4f / %6.4f", s.generated, s.unsure);
    }
    putchar('\n');
}

#endif
