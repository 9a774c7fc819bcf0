/* report_html.c: the page: one file, no script, light and dark, any width. */
#include "report/report.h"
#include <math.h>
#include <string.h>

enum { ROWS = 60, HISTOGRAMS = 8, NAMES = 12 };

/* ---- in words --------------------------------------------------------------------- */

static void between(rj_text *t, double low, double high, bool percent)
{
    rj_text_put(t, "95&nbsp;%: ");
    rj_text_fixed(t, percent ? 100 * low : low, percent ? 1 : 3);
    rj_text_put(t, " to ");
    rj_text_fixed(t, percent ? 100 * high : high, percent ? 1 : 3);
    rj_text_put(t, percent ? "&nbsp;%" : "");
}

static void tile(rj_text *t, const char *name, double x, bool percent, double low,
                 double high)
{
    rj_text_say(t, "<div><dt>%s</dt><dd>", name);
    if (percent)
        rj_html_percent(t, x);
    else
        rj_text_fixed(t, x, 3);
    rj_text_put(t, "<small>");
    if (isnan(low))
        rj_text_put(t, "no interval");
    else
        between(t, low, high, percent);
    rj_text_put(t, "</small></dd></div>\n");
}

static void tiles(rj_text *t, const rj_report *r)
{
    const rij_evaluation_row *row = rj_report_sum(r, 0);
    double low[2], high[2];

    for (int label = 0; label < 2; label++)
        rj_report_interval(r->wrong[label], r->n[label], &low[label], &high[label]);
    rj_text_put(t, "<dl class=\"tiles\">");
    tile(t, "AUC", row->auc, false, row->auc_low, row->auc_high);
    tile(t, "Average precision", row->ap, false, row->ap_low, row->ap_high);
    tile(t, "False alarms", (double)r->wrong[0] / r->n[0], true, low[0], high[0]);
    tile(t, "Missed", (double)r->wrong[1] / r->n[1], true, low[1], high[1]);
    rj_text_put(t, "</dl>\n");
}

static void what_was_judged(rj_text *t, const rj_report *r)
{
    rj_text_put(t, "<p>");
    rj_text_count(t, r->n[0]);
    rj_text_say(t, " photograph%s and ", r->n[0] == 1 ? "" : "s");
    rj_text_count(t, r->n[1]);
    rj_text_say(t, " generated image%s of %d generator%s were judged",
                r->n[1] == 1 ? "" : "s", r->generators, r->generators == 1 ? "" : "s");
    rj_text_say(t, ", in %d column%s (ways of shipping them): ", r->columns,
                r->columns == 1 ? "" : "s");
    for (int c = 0; c < RJ_MIN(r->columns, NAMES); c++) {
        rj_text_put(t, c ? ", " : "");
        rj_html(t, r->column[c].name);
    }
    rj_text_put(t, r->columns > NAMES ? ", and more. " : ". ");
    rj_text_say(t, "%d file%s could not be used. ", r->e->unusable,
                r->e->unusable == 1 ? "" : "s");
    if (r->e->paired)
        rj_text_put(t, "A table of pairs says which photographs a generator is compared "
                       "with. ");
    rj_text_put(t, "</p>\n");
}

/* The lowest AUC among a column's generators, or among the columns' sums. */
static void lowest(rj_text *t, const rj_report *r)
{
    const rij_evaluation_row *hard = NULL, *column = NULL;

    for (int g = 0; g < r->generators; g++) {
        const rij_evaluation_row *row = rj_report_row(r, 0, g);

        if (!isnan(row->auc) && (!hard || row->auc < hard->auc))
            hard = row;
    }
    for (int c = 0; c < r->columns; c++)
        if (!column || rj_report_sum(r, c)->auc < column->auc)
            column = rj_report_sum(r, c);
    if (hard && r->generators > 1) {
        rj_text_put(t, " The hardest generator is <bdi>");
        rj_html(t, hard->generator);
        rj_text_put(t, "</bdi>, AUC ");
        rj_text_fixed(t, hard->auc, 3);
        rj_text_put(t, ".");
    }
    if (r->columns > 1) {
        rj_text_put(t, " The hardest column is ");
        rj_html(t, column->column);
        rj_text_put(t, ", AUC ");
        rj_text_fixed(t, column->auc, 3);
        rj_text_put(t, ".");
    }
}

static void main_figures(rj_text *t, const rj_report *r)
{
    const rij_evaluation_row *row = rj_report_sum(r, 0);
    const bool mean = strcmp(row->generator, "mAP") == 0;

    rj_text_put(t, "<p>In column ");
    rj_html(t, r->column[0].name);
    rj_text_put(t, ", AUC is ");
    rj_text_fixed(t, row->auc, 4);
    rj_text_put(t, " (");
    between(t, row->auc_low, row->auc_high, false);
    rj_text_put(t, mean ? "), the mean over generators"
                        : "), all generated images against all photographs");
    rj_text_put(t, "; guessing gives 0.5. At the model's own threshold ");
    rj_text_count(t, r->wrong[0]);
    rj_text_put(t, " of ");
    rj_text_count(t, r->n[0]);
    rj_text_put(t, " photographs were called generated and ");
    rj_text_count(t, r->wrong[1]);
    rj_text_put(t, " of ");
    rj_text_count(t, r->n[1]);
    rj_text_put(t, " generated images were missed.");
    lowest(t, r);
    rj_text_put(t, "</p>\n");
}

static void answered(rj_text *t, const rj_report *r)
{
    const rij_evaluation_row *row = rj_report_row(r, 0, r->generators + 1);

    if (!r->e->answered) {
        rj_text_put(t, "<p>The model has no calibration, so there are no answers with a "
                       "promise.</p>\n");
        return;
    }
    rj_text_put(t, "<p>Answers at level ");
    rj_text_fixed(t, r->e->level, 3);
    rj_text_put(t, r->e->stripped ? ", by the stability strip too: " : ": ");
    if (row->real_unsure > 0.999 && row->fake_unsure > 0.999) {
        rj_text_put(t, "all are unsure, usually because the calibration holds too few "
                       "independent pictures for this level; the model card counts "
                       "them.</p>\n");
        return;
    }
    rj_html_percent(t, row->real_generated);
    rj_text_put(t, " of the photographs were answered generated and ");
    rj_html_percent(t, row->real_unsure);
    rj_text_put(t, " unsure; ");
    rj_html_percent(t, row->fake_generated);
    rj_text_put(t, " of the generated images were answered generated and ");
    rj_html_percent(t, row->fake_unsure);
    rj_text_put(t, " unsure.</p>\n");
}

/* Whether a text is the hash, as a training writes it. */
static bool is_hash(const char *text, uint64_t hash)
{
    static const char digits[] = "0123456789abcdef";
    char wanted[17] = "";

    for (int i = 0; i < 16; i++)
        wanted[i] = digits[hash >> (60 - 4 * i) & 15];
    return text && strcmp(text, wanted) == 0;
}

static void warnings(rj_text *t, const rj_report *r)
{
    const char *trained = rj_st_get(&r->model->about, "data.hash");

    if (is_hash(trained, r->e->data_hash) || is_hash(trained, r->e->real_hash))
        rj_text_put(t, "<p class=\"warn\">These are the data that trained the model: the "
                       "figures are too good.</p>\n");
    if (r->e->shuffled)
        rj_text_put(t, "<p class=\"warn\">Labels were shuffled before judging: a sound "
                       "judge is at chance here.</p>\n");
}

static void summary(rj_text *t, const rj_report *r)
{
    warnings(t, r);
    what_was_judged(t, r);
    tiles(t, r);
    main_figures(t, r);
    answered(t, r);
    rj_text_put(t,
                "<p class=\"note\">Intervals tell what other images of the same sources "
                "would do; not other sources, generators or another training. A score "
                "is evidence, not proof.</p>\n");
}

/* ---- figures ---------------------------------------------------------------------- */

static void with_interval(rj_text *t, double x, double low, double high)
{
    rj_text_put(t, "<td>");
    rj_text_fixed(t, x, 4);
    if (!isnan(low)) {
        rj_text_put(t, " (");
        rj_text_fixed(t, low, 3);
        rj_text_put(t, "\342\200\223"); // an en dash
        rj_text_fixed(t, high, 3);
        rj_text_put(t, ")");
    }
    rj_text_put(t, "</td>");
}

static void figures_row(rj_text *t, const rij_evaluation_row *row)
{
    rj_html_head(t, row->generator);
    rj_html_count(t, row->n_real);
    rj_html_count(t, row->n_fake);
    with_interval(t, row->auc, row->auc_low, row->auc_high);
    with_interval(t, row->ap, row->ap_low, row->ap_high);
    rj_html_share(t, 1 - row->racc);
    rj_html_share(t, row->facc);
    rj_html_share(t, row->eer);
    rj_html_share(t, row->tpr1);
    rj_html_share(t, row->fpr1);
    rj_html_share(t, row->tpr5);
    rj_html_share(t, row->fpr5);
    rj_html_cell(t, row->ece, 3);
    rj_html_cell(t, row->brier, 3);
    rj_html_row_end(t);
}

/* The first column's table stands open. */
static void figures(rj_text *t, const rj_report *r)
{
    static const char *const head[][2] = {{"generator"},
                                          {"photo-", "graphs"},
                                          {"gener-", "ated"},
                                          {"AUC"},
                                          {"AP"},
                                          {"false", "alarms"},
                                          {"found"},
                                          {"EER"},
                                          {"found", "at 1\302\240%"},
                                          {"alarms", "at 1\302\240%"},
                                          {"found", "at 5\302\240%"},
                                          {"alarms", "at 5\302\240%"},
                                          {"ECE"},
                                          {"Brier"}};

    for (int c = 0; c < r->columns; c++) {
        const int shown = RJ_MIN(r->generators, ROWS);

        rj_text_put(t,
                    c ? "<details><summary>Column " : "<details open><summary>Column ");
        rj_html(t, r->column[c].name);
        rj_text_put(t, "</summary>\n");
        rj_html_table_start(t, "Figures, some with an interval of 95 %");
        for (int k = 0; k < RJ_COUNT(head); k++)
            rj_html_column(t, head[k][0], head[k][1]);
        rj_html_table_body(t);
        for (int g = 0; g < shown; g++)
            figures_row(t, rj_report_row(r, c, g));
        figures_row(t, rj_report_row(r, c, r->generators));
        figures_row(t, rj_report_row(r, c, r->generators + 1));
        rj_html_table_end(t);
        if (shown < r->generators)
            rj_text_say(t, "<p class=\"note\">%d of %d generators; the JSON has all.</p>",
                        shown, r->generators);
        rj_text_put(t, "</details>\n");
    }
    rj_text_say(t,
                "<p class=\"note\">mAP: plain means over generators with at least %d "
                "images. POOLED: all against all.</p>\n",
                r->e->map_fakes);
}

static void key(rj_text *t, const char *class, const char *name)
{
    rj_text_say(t,
                " <span class=\"keys\"><svg class=\"key\" viewBox=\"0 0 8 8\" "
                "aria-hidden=\"true\"><rect class=\"%s\" width=\"8\" height=\"8\"/></svg>"
                "%s</span>",
                class, name);
}

static void histograms(rj_text *t, const rj_report *r)
{
    const int shown = RJ_MIN(r->columns, HISTOGRAMS);

    rj_text_put(t, "<p>Per cent of each class by score:");
    key(t, "real", "photographs, upwards;");
    key(t, "fake", "generated images, downwards.");
    rj_text_put(t, "</p><div class=\"charts\">");
    for (int c = 0; c < shown; c++)
        rj_chart_scores(t, r, c);
    rj_text_put(t, "</div>");
    if (shown < r->columns)
        rj_text_say(t,
                    "<p class=\"note\">The first %d of %d columns; the JSON has "
                    "all.</p>",
                    shown, r->columns);
}

static void words(rj_text *t)
{
    rj_text_put(
        t,
        "<h2>What the words mean</h2><dl class=\"words\"><dt>margin, score</dt><dd>The "
        "judge's verdict: above margin 0, which is score 0.5, an image is called "
        "generated.</dd><dt>column</dt><dd>What both classes went through before they "
        "were "
        "judged: native, as they are; jpeg75, JPEG of quality 75; and so "
        "on.</dd><dt>false "
        "alarms, found</dt><dd>Shares of photographs and of generated images that are "
        "called generated.</dd><dt>AUC</dt><dd>Chance that a generated image has a "
        "higher "
        "margin than a photograph.</dd><dt>AP</dt><dd>Average precision, both classes "
        "weighing one half; guessing gives 0.5.</dd><dt>EER</dt><dd>The error rate where "
        "false alarms and misses are equally frequent.</dd><dt>at 1 %, at 5 %</dt><dd>At "
        "the margin that 1 % (5 %) of the model's own calibration photographs lie above."
        "</dd><dt>ECE, Brier</dt><dd>How far scores are from probabilities; 0 is "
        "best.</dd><dt>unsure</dt><dd>Unusual for neither class or for both, or a "
        "re-shipping of the image got the contrary answer.</dd></dl>\n");
}

rij_status rj_report_html(const rj_report *r, rj_text *t)
{
    rj_text_put(t, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                   "<meta name=\"viewport\" content=\"width=device-width,"
                   "initial-scale=1\"><title>");
    rj_html(t, r->title);
    rj_text_put(t, "</title>\n<style>");
    for (int i = 0; rj_report_style[i]; i++) {
        rj_text_put(t, rj_report_style[i]);
        rj_text_put(t, "\n");
    }
    rj_text_put(t, "</style></head><body>\n<main><h1>");
    rj_html(t, r->title);
    rj_text_put(t, "</h1>\n");
    summary(t, r);
    rj_text_put(t, "<h2>Figures by generator</h2>\n");
    figures(t, r);
    rj_text_put(t, "<h2>Robustness</h2>\n");
    if (r->columns > 1)
        rj_chart_robustness(t, r);
    else
        rj_text_put(t, "<p>One column was judged, so there is nothing to compare.</p>\n");
    rj_text_put(t, "<h2>Curves</h2><div class=\"charts\">\n");
    rj_chart_roc(t, r);
    rj_chart_pr(t, r);
    rj_chart_reliability(t, r);
    rj_text_put(t, "</div><h2>Scores</h2>\n");
    histograms(t, r);
    if (r->e->answered) {
        rj_text_put(t, "<h2>Answers</h2>\n");
        rj_page_answers(t, r);
    }
    rj_text_put(t, "<h2>Sources of photographs</h2>\n");
    RJ_TRY(rj_page_sources(t, r));
    rj_text_put(t, "<h2>Worst mistakes in column ");
    rj_html(t, r->column[0].name);
    rj_text_put(t, "</h2>\n");
    RJ_TRY(rj_page_worst(t, r));
    if (r->audit) {
        rj_text_put(t, "<h2>Audit of the data</h2>\n");
        rj_page_audit(t, r);
    }
    rj_text_put(t, "<h2>The model</h2>\n");
    rj_page_card(t, r);
    words(t);
    rj_text_say(
        t, "<p class=\"note\">Written by librealjudge %s.</p></main></body></html>\n",
        rij_version());
    return rj_text_done(t);
}
