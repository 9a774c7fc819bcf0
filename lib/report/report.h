/* report.h: an evaluation as a page, as JSON and as a table. */
#ifndef RJ_REPORT_H
#define RJ_REPORT_H

#include "judge/judge.h"

enum {
    RJ_CURVE_POINTS = 256,
    RJ_CURVE_MARKS = 6,  /* places of a curve that tables tell */
    RJ_SCORE_BINS = 20,  /* of a histogram */
    RJ_CALIBRATED = 15,  /* bins of the reliability diagram, those of ECE */
    RJ_CHART_SERIES = 8, /* lines that a chart draws */
    RJ_CHART_COLUMNS = 12
};

/* A curve with so few points that neighbours are about 1/100 apart. */
typedef struct rj_curve {
    int n;
    double x[RJ_CURVE_POINTS], y[RJ_CURVE_POINTS];
} rj_curve;

/* All fakes against all reals under one column, at equal prior. */
typedef struct rj_report_column {
    const char *name;
    rj_curve roc; /* x false alarm rate, y share of fakes found */
    rj_curve pr;  /* x recall, y precision */
    double tpr[RJ_CURVE_MARKS],
        precision[RJ_CURVE_MARKS];                     /* at rj_curve_fpr, .._recall */
    double score[RJ_CALIBRATED], share[RJ_CALIBRATED]; /* means of a bin, or NAN */
    int in_bin[RJ_CALIBRATED];
    int histogram[2][RJ_SCORE_BINS]; /* images by label */
    int answer[2][3];                /* by label and rij_answer */
} rj_report_column;
extern const double rj_curve_fpr[RJ_CURVE_MARKS], rj_curve_recall[RJ_CURVE_MARKS];

typedef struct rj_report {
    const rij_model *model;
    const rij_evaluation *e;
    const rij_audit_report *audit; /* or NULL */
    const char *title;
    int thumbnails;          /* side in pixels; 0: none */
    int columns, generators; /* rows of a column: generators, "mAP", "POOLED" */
    rj_report_column *column;
    int n[2];      /* images by label */
    int wrong[2];  /* of them on the wrong side of margin 0 in the first column */
    int worst[2];  /* listed, the worst first */
    int *image[2]; /* their places in the evaluation's images */
    char *about;   /* rij_model_describe() */
    rj_name *file; /* of all images as opened, sorted; with an audit */
} rj_report;

/* report_figures.c. r begins with model, e, audit, title, thumbnails. RIJ_E_MEMORY; free
 * it then too. */
rij_status rj_report_fill(rj_report *r, int worst);
void rj_report_free(rj_report *r);
/* A file as the data name it, if it was judged. */
const char *rj_report_name(const rj_report *r, const char *file);
/* A row of column c: generator g, or g = generators: "mAP", generators + 1: "POOLED". */
const rij_evaluation_row *rj_report_row(const rj_report *r, int c, int g);
/* The row that sums a column up: mAP if a generator counts in it, else POOLED. */
const rij_evaluation_row *rj_report_sum(const rj_report *r, int c);
/* Wilson's interval of 95 % (1927) for k of n. */
void rj_report_interval(int k, int n, double *low, double *high);

/* report_text.c: pieces of HTML. */
/* Text with everything escaped that is markup, is not UTF-8 or is no character. */
void rj_html(rj_text *t, const char *text);
/* The same as UTF-8 without escapes. */
void rj_html_plain(rj_text *t, const char *text);
void rj_html_percent(rj_text *t, double share); /* 12.3 % */
/* A scrolling table: its start, heads of columns (of one line or two), the body, rows of
 * a head and cells, the end. rj_html_table() is all until the body. */
void rj_html_table_start(rj_text *t, const char *caption);
void rj_html_column(rj_text *t, const char *first, const char *second);
void rj_html_table_body(rj_text *t);
void rj_html_table(rj_text *t, const char *caption, int heads, const char *const *head);
void rj_html_head(rj_text *t, const char *text);
void rj_html_cell(rj_text *t, double x, int decimals);
void rj_html_share(rj_text *t, double share); /* a cell in percent */
void rj_html_count(rj_text *t, long long n);
void rj_html_row_end(rj_text *t);
void rj_html_table_end(rj_text *t);
void rj_svg_number(rj_text *t, const char *name, double x); /* an attribute */
/* Bytes as an image within the page. */
void rj_html_base64(rj_text *t, const uint8_t *bytes, size_t n);

/* report_style.c: lines, the last NULL. */
extern const char *const rj_report_style[];

/* report_chart.c: charts, each with its numbers in a table. */
void rj_chart_roc(rj_text *t, const rj_report *r);
void rj_chart_pr(rj_text *t, const rj_report *r);
void rj_chart_reliability(rj_text *t, const rj_report *r);
void rj_chart_robustness(rj_text *t, const rj_report *r); /* AUC by column, and rates */
void rj_chart_scores(rj_text *t, const rj_report *r, int column);

/* report_lists.c: sections that are lists. RIJ_E_MEMORY. */
void rj_page_answers(rj_text *t, const rj_report *r);
rij_status rj_page_sources(rj_text *t, const rj_report *r);
rij_status rj_page_worst(rj_text *t, const rj_report *r);
void rj_page_audit(rj_text *t, const rj_report *r);
void rj_page_card(rj_text *t, const rj_report *r);

/* The three files' texts: report_html.c, report_json.c, report_tsv.c. RIJ_E_MEMORY. */
rij_status rj_report_html(const rj_report *r, rj_text *t);
rij_status rj_report_json(const rj_report *r, rj_text *t);
rij_status rj_report_tsv(const rj_report *r, rj_text *t);

#endif
