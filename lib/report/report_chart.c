/* report_chart.c: charts as inline SVG. Colours and dashes are classes of the page's
 * style, so that they follow light and dark; what a chart shows stands in a table behind
 * it. */
#include "report/report.h"
#include <math.h>
#include <string.h>

/* In units of the drawing: its width, height, and the edges of the field. */
enum { W = 360, H = 264, LEFT = 54, RIGHT = 342, TOP = 10, BOTTOM = 220 };

typedef struct axes {
    const char *x, *y;
    double low, high; /* of y */
} axes;

static double at_x(double x)
{
    return LEFT + x * (RIGHT - LEFT);
}

static double at_y(const axes *a, double y)
{
    const double part = (y - a->low) / (a->high - a->low);

    return BOTTOM - RJ_MIN(RJ_MAX(part, 0), 1) * (BOTTOM - TOP);
}

static void put_at(rj_text *t, double x, double y)
{
    rj_text_fixed(t, x, 1);
    rj_text_put(t, ",");
    rj_text_fixed(t, y, 1);
    rj_text_put(t, " ");
}

/* ---- frames ----------------------------------------------------------------------- */

static void figure(rj_text *t, const char *title, const char *what, int height)
{
    rj_text_put(t, "<figure><figcaption>");
    rj_html(t, title);
    rj_text_say(t, "</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
                W, height);
    rj_html(t, what);
    rj_text_put(t, "\">\n");
}

static void line(rj_text *t, const char *class, double x1, double y1, double x2,
                 double y2)
{
    rj_text_say(t, "<line class=\"%s\"", class);
    rj_svg_number(t, "x1", x1);
    rj_svg_number(t, "y1", y1);
    rj_svg_number(t, "x2", x2);
    rj_svg_number(t, "y2", y2);
    rj_text_put(t, "/>");
}

static void label(rj_text *t, double x, double y, const char *anchor, const char *text)
{
    rj_text_put(t, "<text");
    rj_svg_number(t, "x", x);
    rj_svg_number(t, "y", y);
    rj_text_say(t, " text-anchor=\"%s\">", anchor);
    rj_html(t, text);
    rj_text_put(t, "</text>");
}

static void number(rj_text *t, double x, double y, const char *anchor, double value,
                   int decimals)
{
    rj_text digits = {0};

    rj_text_fixed(&digits, value, decimals);
    t->failed = t->failed || digits.failed;
    label(t, x, y, anchor, digits.bytes ? digits.bytes : "");
    rj_text_free(&digits);
}

/* Grid of y with its numbers, and the names of both axes. */
static void grid(rj_text *t, const axes *a)
{
    for (int k = 0; k <= 4; k++) {
        const double y = a->low + (a->high - a->low) * k / 4;

        line(t, "grid", LEFT, at_y(a, y), RIGHT, at_y(a, y));
        number(t, LEFT - 5, at_y(a, y) + 4, "end", y, a->high - a->low == 1 ? 2 : 3);
    }
    label(t, (LEFT + RIGHT) / 2.0, H - 6, "middle", a->x);
    rj_text_say(t,
                "<text transform=\"translate(11,%d) rotate(-90)\" "
                "text-anchor=\"middle\">",
                (TOP + BOTTOM) / 2);
    rj_html(t, a->y);
    rj_text_put(t, "</text>\n");
}

static void unit_x(rj_text *t)
{
    for (int k = 0; k <= 4; k++) {
        const double x = at_x(k / 4.0);

        line(t, "grid", x, TOP, x, BOTTOM);
        number(t, x, BOTTOM + 15, "middle", k / 4.0, 2);
    }
    rj_text_put(t, "\n");
}

/* A place of columns on the x axis. */
static double column_x(int c, int columns)
{
    return at_x((c + 0.5) / columns);
}

static void column_names(rj_text *t, const rj_report *r, int columns)
{
    for (int c = 0; c < columns; c++) {
        if (columns <= 5) {
            label(t, column_x(c, columns), BOTTOM + 15, "middle", r->column[c].name);
            continue;
        }
        rj_text_put(t, "<text transform=\"translate(");
        rj_text_fixed(t, column_x(c, columns) + 4, 1);
        rj_text_say(t, ",%d) rotate(-35)\" text-anchor=\"end\">", BOTTOM + 12);
        rj_html(t, r->column[c].name);
        rj_text_put(t, "</text>");
    }
}

static void legend_entry(rj_text *t, const char *class, const char *name)
{
    rj_text_say(t,
                "<li><svg viewBox=\"0 0 26 8\" aria-hidden=\"true\"><line class=\"%s\" "
                "x1=\"1\" y1=\"4\" x2=\"25\" y2=\"4\"/></svg> <bdi>",
                class);
    rj_html(t, name);
    rj_text_put(t, "</bdi></li>");
}

static void numbers(rj_text *t)
{
    rj_text_put(t, "<details><summary>Numbers</summary>");
}

static void figure_end(rj_text *t)
{
    rj_text_put(t, "</details></figure>\n");
}

/* ---- curves ----------------------------------------------------------------------- */

static void curve(rj_text *t, const axes *a, const rj_curve *c, int series)
{
    rj_text_say(t, "<polyline class=\"s%d\" points=\"", series);
    for (int i = 0; i < c->n; i++)
        put_at(t, at_x(c->x[i]), at_y(a, c->y[i]));
    rj_text_put(t, "\"/>\n");
}

static void column_legend(rj_text *t, const rj_report *r, int columns)
{
    char class[8];

    rj_text_put(t, "</svg><ul class=\"legend\">");
    for (int c = 0; c < columns; c++) {
        class[0] = 's';
        class[1] = (char)('0' + c);
        class[2] = 0;
        legend_entry(t, class, r->column[c].name);
    }
    rj_text_put(t, "</ul>");
    if (columns < r->columns)
        rj_text_say(t,
                    "<p class=\"note\">The first %d of %d columns; the JSON has all.</p>",
                    columns, r->columns);
}

/* A line per column, and a table of its height at `mark`. */
static void curves(rj_text *t, const rj_report *r, bool roc, const axes *a,
                   const char *head, const double mark[RJ_CURVE_MARKS])
{
    const int columns = RJ_MIN(r->columns, RJ_CHART_SERIES);

    grid(t, a);
    unit_x(t);
    line(t, "chance", at_x(0), at_y(a, roc ? 0 : 0.5), at_x(1), at_y(a, roc ? 1 : 0.5));
    for (int c = 0; c < columns; c++)
        curve(t, a, roc ? &r->column[c].roc : &r->column[c].pr, c);
    column_legend(t, r, columns);
    numbers(t);
    rj_html_table(t, a->y, 1, &head);
    for (int k = 0; k < RJ_CURVE_MARKS; k++) {
        rj_text_put(t, k ? "" : "<tr><th scope=\"row\">column</th>");
        rj_html_cell(t, mark[k], 2);
    }
    rj_html_row_end(t);
    for (int c = 0; c < r->columns; c++) {
        rj_html_head(t, r->column[c].name);
        for (int k = 0; k < RJ_CURVE_MARKS; k++)
            rj_html_cell(t, roc ? r->column[c].tpr[k] : r->column[c].precision[k], 4);
        rj_html_row_end(t);
    }
    rj_html_table_end(t);
    figure_end(t);
}

void rj_chart_roc(rj_text *t, const rj_report *r)
{
    const axes a = {"false alarm rate", "generated images found", 0, 1};

    figure(t, "ROC: all generated images against all photographs",
           "ROC curves, one per column; the numbers follow in a table", H);
    curves(t, r, true, &a, "at a false alarm rate of", rj_curve_fpr);
}

void rj_chart_pr(rj_text *t, const rj_report *r)
{
    const axes a = {"recall", "precision", 0, 1};

    figure(t, "Precision and recall, both classes weighing one half",
           "Precision over recall, one curve per column; the numbers follow in a table",
           H);
    curves(t, r, false, &a, "at a recall of", rj_curve_recall);
}

void rj_chart_reliability(rj_text *t, const rj_report *r)
{
    static const char *const head[] = {"bin of scores", "images", "mean score",
                                       "share generated"};
    const int columns = RJ_MIN(r->columns, RJ_CHART_SERIES);
    const axes a = {"score", "share that was generated", 0, 1};

    figure(t, "Reliability: does a score mean what it says?",
           "Share of generated images over the mean score of 15 bins, one line per "
           "column, at equal prior; on the diagonal scores are probabilities",
           H);
    grid(t, &a);
    unit_x(t);
    line(t, "chance", at_x(0), at_y(&a, 0), at_x(1), at_y(&a, 1));
    for (int c = 0; c < columns; c++) {
        rj_curve drawn = {0};

        for (int k = 0; k < RJ_CALIBRATED; k++)
            if (r->column[c].in_bin[k]) {
                drawn.x[drawn.n] = r->column[c].score[k];
                drawn.y[drawn.n++] = r->column[c].share[k];
            }
        curve(t, &a, &drawn, c);
    }
    column_legend(t, r, columns);
    numbers(t);
    rj_html_table(t, r->column[0].name, RJ_COUNT(head), head);
    for (int k = 0; k < RJ_CALIBRATED; k++) {
        rj_text_put(t, "<tr><th scope=\"row\">");
        rj_text_fixed(t, (double)k / RJ_CALIBRATED, 3);
        rj_text_put(t, " to ");
        rj_text_fixed(t, (k + 1.0) / RJ_CALIBRATED, 3);
        rj_text_put(t, "</th>");
        rj_html_count(t, r->column[0].in_bin[k]);
        rj_html_cell(t, r->column[0].score[k], 3);
        rj_html_cell(t, r->column[0].share[k], 3);
        rj_html_row_end(t);
    }
    rj_html_table_end(t);
    figure_end(t);
}

/* ---- by column -------------------------------------------------------------------- */

/* A figure of rows over the columns; values[c * lines + l], NAN: none. */
static void over_columns(rj_text *t, const rj_report *r, const axes *a, int columns,
                         int lines, const double *value)
{
    grid(t, a);
    column_names(t, r, columns);
    for (int l = lines - 1; l >= 0; l--) {
        rj_text_say(t, "<polyline class=\"s%d\" points=\"", l);
        for (int c = 0; c < columns; c++)
            if (!isnan(value[c * lines + l]))
                put_at(t, column_x(c, columns), at_y(a, value[c * lines + l]));
        rj_text_put(t, "\"/>\n");
        for (int c = 0; c < columns; c++)
            if (!isnan(value[c * lines + l])) {
                rj_text_say(t, "<circle class=\"p%d\" r=\"3\"", l);
                rj_svg_number(t, "cx", column_x(c, columns));
                rj_svg_number(t, "cy", at_y(a, value[c * lines + l]));
                rj_text_put(t, "/>");
            }
    }
}

/* The generators that are drawn, and the mean. */
static void auc_numbers(rj_text *t, const rj_report *r)
{
    const int lines = 1 + RJ_MIN(r->generators, RJ_CHART_SERIES - 1);

    if (lines <= r->generators)
        rj_text_say(t, "<p class=\"note\">%d of %d generators; the tables have more.</p>",
                    lines - 1, r->generators);
    numbers(t);
    rj_html_table_start(t, "AUC");
    rj_html_column(t, "column", NULL);
    for (int l = 0; l < lines; l++)
        rj_html_column(
            t, l ? rj_report_row(r, 0, l - 1)->generator : rj_report_sum(r, 0)->generator,
            NULL);
    rj_html_table_body(t);
    for (int c = 0; c < r->columns; c++) {
        rj_html_head(t, r->column[c].name);
        for (int l = 0; l < lines; l++)
            rj_html_cell(
                t, l ? rj_report_row(r, c, l - 1)->auc : rj_report_sum(r, c)->auc, 4);
        rj_html_row_end(t);
    }
    rj_html_table_end(t);
    figure_end(t);
}

static void auc_by_column(rj_text *t, const rj_report *r, int columns)
{
    const int lines = 1 + RJ_MIN(r->generators, RJ_CHART_SERIES - 1);
    double value[RJ_CHART_COLUMNS * RJ_CHART_SERIES];
    axes a = {"", "AUC", 0.5, 1};
    char class[3] = "s0";

    for (int c = 0; c < columns; c++)
        for (int l = 0; l < lines; l++) {
            const rij_evaluation_row *row =
                l ? rj_report_row(r, c, l - 1) : rj_report_sum(r, c);

            value[c * lines + l] = row->auc;
            if (row->auc < a.low || row->auc_low < a.low)
                a.low = 0;
        }
    figure(t, "AUC as pictures are shipped",
           "AUC over the columns, a line per generator and one for their mean, with its "
           "interval of 95 %; the table of figures has the numbers",
           H);
    for (int c = 0; c < columns; c++) {
        const rij_evaluation_row *row = rj_report_sum(r, c);

        if (!isnan(row->auc_low))
            line(t, "range", column_x(c, columns), at_y(&a, row->auc_low),
                 column_x(c, columns), at_y(&a, row->auc_high));
    }
    over_columns(t, r, &a, columns, lines, value);
    rj_text_put(t, "</svg><ul class=\"legend\">");
    for (int l = 0; l < lines; l++) {
        class[1] = (char)('0' + l);
        legend_entry(t, class,
                     l ? rj_report_row(r, 0, l - 1)->generator
                       : rj_report_sum(r, 0)->generator);
    }
    rj_text_put(t, "</ul>");
    auc_numbers(t, r);
}

static void rates_by_column(rj_text *t, const rj_report *r, int columns)
{
    static const char *const head[] = {"column", "false alarms",
                                       "generated images found"};
    const axes a = {"", "share called generated", 0, 1};
    double value[RJ_CHART_COLUMNS * 2];

    for (int c = 0; c < columns; c++) {
        const rij_evaluation_row *row = rj_report_row(r, c, r->generators + 1);

        value[2 * c] = 1 - row->racc;
        value[2 * c + 1] = row->facc;
    }
    figure(t, "What the model's own threshold does",
           "Share of photographs and of generated images that are called generated, over "
           "the columns",
           H);
    over_columns(t, r, &a, columns, 2, value);
    rj_text_put(t, "</svg><ul class=\"legend\">");
    legend_entry(t, "s0", "photographs: false alarms");
    legend_entry(t, "s1", "generated images: found");
    rj_text_put(t, "</ul>");
    numbers(t);
    rj_html_table(t, "Share called generated", RJ_COUNT(head), head);
    for (int c = 0; c < r->columns; c++) {
        const rij_evaluation_row *row = rj_report_row(r, c, r->generators + 1);

        rj_html_head(t, r->column[c].name);
        rj_html_share(t, 1 - row->racc);
        rj_html_share(t, row->facc);
        rj_html_row_end(t);
    }
    rj_html_table_end(t);
    figure_end(t);
}

void rj_chart_robustness(rj_text *t, const rj_report *r)
{
    const int columns = RJ_MIN(r->columns, RJ_CHART_COLUMNS);

    rj_text_put(t, "<div class=\"charts\">");
    auc_by_column(t, r, columns);
    rates_by_column(t, r, columns);
    rj_text_put(t, "</div>");
    if (columns < r->columns)
        rj_text_say(t, "<p class=\"note\">The first %d of %d columns.</p>", columns,
                    r->columns);
}

/* ---- scores ----------------------------------------------------------------------- */

/* Shares by bin: photographs upwards, generated images downwards. */
void rj_chart_scores(rj_text *t, const rj_report *r, int column)
{
    static const char *const head[] = {"score", "photographs", "generated images"};
    enum { HEIGHT = 200, MIDDLE = 88, ROOM = 76 };
    const rj_report_column *c = &r->column[column];
    const double width = (double)(RIGHT - LEFT) / RJ_SCORE_BINS;
    double most = 0;

    for (int i = 0; i < 2 * RJ_SCORE_BINS; i++)
        most = RJ_MAX(most, (double)c->histogram[i % 2][i / 2] / r->n[i % 2]);
    figure(t, c->name,
           "Histogram of scores: photographs upwards, generated images downwards",
           HEIGHT);
    for (int i = 0; i < 2 * RJ_SCORE_BINS; i++) {
        const double high =
            ROOM * c->histogram[i % 2][i / 2] / (double)r->n[i % 2] / most;

        if (high == 0)
            continue;
        rj_text_put(t, i % 2 ? "<rect class=\"fake\"" : "<rect class=\"real\"");
        rj_svg_number(t, "x", LEFT + i / 2 * width + 0.5);
        rj_svg_number(t, "y", i % 2 ? MIDDLE : MIDDLE - high);
        rj_svg_number(t, "width", width - 1);
        rj_svg_number(t, "height", high);
        rj_text_put(t, "/>");
    }
    line(t, "grid", LEFT, MIDDLE, RIGHT, MIDDLE);
    for (int k = 0; k <= 2; k++)
        number(t, at_x(k / 2.0), MIDDLE + ROOM + 16, "middle", k / 2.0, 1);
    label(t, at_x(0.5), HEIGHT - 4, "middle", "score");
    number(t, LEFT - 5, MIDDLE - ROOM + 8, "end", 100 * most, 0);
    number(t, LEFT - 5, MIDDLE + ROOM, "end", 100 * most, 0);
    label(t, LEFT - 5, MIDDLE + 4, "end", "0 %");
    rj_text_put(t, "</svg>");
    numbers(t);
    rj_html_table(t, "Images by score", RJ_COUNT(head), head);
    for (int k = 0; k < RJ_SCORE_BINS; k++) {
        rj_text_put(t, "<tr><th scope=\"row\">");
        rj_text_fixed(t, (double)k / RJ_SCORE_BINS, 2);
        rj_text_put(t, " to ");
        rj_text_fixed(t, (k + 1.0) / RJ_SCORE_BINS, 2);
        rj_text_put(t, "</th>");
        rj_html_count(t, c->histogram[0][k]);
        rj_html_count(t, c->histogram[1][k]);
        rj_html_row_end(t);
    }
    rj_html_table_end(t);
    figure_end(t);
}
