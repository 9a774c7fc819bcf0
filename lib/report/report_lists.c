/* report_lists.c: the sections of a report that are lists: answers, sources of
 * photographs, the worst mistakes, what an audit found, the model card. Long lists are
 * cut, and say so. */
#include "report/report.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCES = 100, PAIRS = 25, COLUMNS = 12 };

static void cut(rj_text *t, int shown, int all, const char *where)
{
    if (shown < all)
        rj_text_say(t, "<p class=\"note\">%d of %d%s.</p>\n", shown, all, where);
}

/* ---- answers ---------------------------------------------------------------------- */

static void bar(rj_text *t, double real, double unsure, double generated)
{
    const double part[3] = {real, unsure, generated};
    static const char *const class[3] = {"real", "unsure", "fake"};
    double x = 0;

    rj_text_put(t, "<svg class=\"bar\" viewBox=\"0 0 100 8\" "
                   "preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    for (int k = 0; k < 3; k++) {
        rj_text_say(t, "<rect class=\"%s\" y=\"0\" height=\"8\"", class[k]);
        rj_svg_number(t, "x", x);
        rj_svg_number(t, "width", 100 * part[k]);
        rj_text_put(t, "/>");
        x += 100 * part[k];
    }
    rj_text_put(t, "</svg>");
}

void rj_page_answers(rj_text *t, const rj_report *r)
{
    static const char *const head[] = {"of", "", "real", "unsure", "generated"};

    rj_text title = {0};

    rj_text_put(&title, "Answers at level ");
    rj_text_fixed(&title, r->e->level, 3);
    rj_html_table(t, title.bytes ? title.bytes : "Answers", RJ_COUNT(head), head);
    rj_text_free(&title);
    for (int i = 0; i < 2 * r->columns; i++) {
        const int *n = r->column[i / 2].answer[i % 2];
        const double all = r->n[i % 2];

        rj_text_put(t, "<tr><th scope=\"row\">");
        rj_html(t, r->column[i / 2].name);
        rj_text_put(t, i % 2 ? ": generated images</th><td>" : ": photographs</th><td>");
        bar(t, n[RIJ_ANSWER_REAL] / all, n[RIJ_ANSWER_UNSURE] / all,
            n[RIJ_ANSWER_GENERATED] / all);
        rj_text_put(t, "</td>");
        rj_html_share(t, n[RIJ_ANSWER_REAL] / all);
        rj_html_share(t, n[RIJ_ANSWER_UNSURE] / all);
        rj_html_share(t, n[RIJ_ANSWER_GENERATED] / all);
        rj_html_row_end(t);
    }
    rj_html_table_end(t);
}

/* ---- sources ---------------------------------------------------------------------- */

/* The first column's record of a source; those of the others follow it. Most alarms
 * first, then by name. */
static int by_alarms(const void *a, const void *b)
{
    const rij_evaluation_source *p = *(const rij_evaluation_source *const *)a;
    const rij_evaluation_source *q = *(const rij_evaluation_source *const *)b;

    if (p->alarms != q->alarms)
        return p->alarms > q->alarms ? -1 : 1;
    return strcmp(p->source, q->source);
}

static void source_row(rj_text *t, const rj_report *r, const rij_evaluation_source *s,
                       int columns)
{
    rj_html_head(t, s->source[0] ? s->source : "not named");
    rj_html_count(t, s->n);
    for (int c = 0; c < columns; c++)
        rj_html_share(t, s[c].alarms);
    if (r->e->answered) {
        rj_text_put(t, "<td>");
        bar(t, 1 - s->generated - s->unsure, s->unsure, s->generated);
        rj_text_put(t, "</td>");
        for (int c = 0; c < columns; c++) {
            rj_html_share(t, s[c].unsure);
            rj_html_share(t, s[c].generated);
        }
    }
    rj_html_row_end(t);
}

static void source_heads(rj_text *t, const rj_report *r, int columns)
{
    rj_html_table_start(t, "Photographs by source: called generated, and answers");
    rj_html_column(t, "source", NULL);
    rj_html_column(t, "photographs", NULL);
    for (int c = 0; c < columns; c++)
        rj_html_column(t, r->column[c].name, "alarms");
    if (r->e->answered)
        rj_html_column(t, r->column[0].name, "answers");
    for (int c = 0; r->e->answered && c < 2 * columns; c++)
        rj_html_column(t, r->column[c / 2].name, c % 2 ? "generated" : "unsure");
    rj_html_table_body(t);
}

rij_status rj_page_sources(rj_text *t, const rj_report *r)
{
    const int all = r->e->sources / r->columns, shown = RJ_MIN(all, SOURCES);
    const int columns = RJ_MIN(r->columns, COLUMNS);
    const rij_evaluation_source **order = rj_alloc((size_t)all, sizeof *order);

    RJ_REQUIRE(order, RIJ_E_MEMORY, "report: no memory for %d sources", all);
    for (int i = 0; i < all; i++)
        order[i] = &r->e->source[i * r->columns];
    qsort(order, (size_t)all, sizeof *order, by_alarms);
    source_heads(t, r, columns);
    for (int i = 0; i < shown; i++)
        source_row(t, r, order[i], columns);
    rj_html_table_end(t);
    rj_free(order);
    cut(t, shown, all, " sources, those with the most alarms");
    cut(t, columns, r->columns, " columns");
    return RIJ_OK;
}

/* ---- the worst -------------------------------------------------------------------- */

/* A small picture of a file, if it can still be read. */
static rij_status thumbnail(rj_text *t, rj_cage *cage, const char *file, int side)
{
    const rj_limits limits = rj_limits_in(cage);
    rj_image image = {0}, small = {0};
    uint8_t *bytes = NULL;
    size_t n = 0;
    rij_status status = rj_image_read(file, &limits, &image);
    double factor;

    if (status == RIJ_E_FILE || status == RIJ_E_IMAGE)
        return RIJ_OK;
    RJ_TRY(status);
    factor = RJ_MIN(1.0, (double)side / RJ_MAX(image.w, image.h));
    status = rj_image_resize(&image, RJ_MAX(1, (int)(image.w * factor + 0.5)),
                             RJ_MAX(1, (int)(image.h * factor + 0.5)), &small);
    if (status == RIJ_OK)
        status = rj_png_encode(&small, &bytes, &n);
    if (status == RIJ_OK) {
        rj_text_say(
            t, "<img width=\"%d\" height=\"%d\" alt=\"\" src=\"data:image/png;base64,",
            small.w, small.h);
        rj_html_base64(t, bytes, n);
        rj_text_put(t, "\">");
    }
    rj_image_free(&image);
    rj_image_free(&small);
    rj_free(bytes);
    return status;
}

static rij_status worst(rj_text *t, const rj_report *r, int label)
{
    const char *const head[] = {label ? "generated image" : "photograph", "margin",
                                "score", label ? "generator" : "source", "answer"};
    rij_evaluation_image image;

    if (r->worst[label] == 0) {
        rj_text_put(t, label ? "<p>No generated image was missed.</p>\n"
                             : "<p>No photograph was called generated.</p>\n");
        return RIJ_OK;
    }
    rj_html_table(t, label ? "Worst misses" : "Worst false alarms", 4 + r->e->answered,
                  head);
    for (int i = 0; i < r->worst[label]; i++) {
        RJ_TRY(rij_evaluation_image_at(r->e, r->image[label][i], &image));
        rj_text_put(t, "<tr><th scope=\"row\" class=\"path\">");
        if (r->thumbnails)
            RJ_TRY(thumbnail(t, r->model->cage, image.file, r->thumbnails));
        rj_text_put(t, "<bdi>");
        rj_html(t, image.path);
        rj_text_put(t, "</bdi></th>");
        rj_html_cell(t, image.margin, 2);
        rj_html_cell(t, image.score, 3);
        rj_text_put(t, "<td><bdi>");
        rj_html(t, label ? image.generator : image.source[0] ? image.source : "-");
        rj_text_put(t, "</bdi></td>");
        if (r->e->answered)
            rj_text_say(t, "<td>%s</td>", rj_answer_names[image.answer]);
        rj_html_row_end(t);
    }
    rj_html_table_end(t);
    cut(t, r->worst[label], r->wrong[label],
        "; the TSV beside this page has every image");
    return RIJ_OK;
}

rij_status rj_page_worst(rj_text *t, const rj_report *r)
{
    RJ_TRY(worst(t, r, RJ_REAL_LABEL));
    return worst(t, r, RJ_FAKE_LABEL);
}

/* ---- audit ------------------------------------------------------------------------ */

static void audit_pairs(rj_text *t, const rj_report *r)
{
    static const char *const head[] = {"file", "shows the same as", "distance",
                                       "across splits", "across labels"};
    const int all = rij_audit_pairs(r->audit), shown = RJ_MIN(all, PAIRS);

    if (all == 0) {
        rj_text_put(t,
                    "<p>No picture was found twice in different groups or splits.</p>");
        return;
    }
    rj_html_table(t, "Pictures found twice", RJ_COUNT(head), head);
    for (int i = 0; i < shown; i++) {
        rij_audit_pair p;

        if (rij_audit_pair_at(r->audit, i, &p) != RIJ_OK)
            continue;
        rj_text_put(t, "<tr><th scope=\"row\" class=\"path\"><bdi>");
        rj_html(t, rj_report_name(r, p.path[0]));
        rj_text_put(t, "</bdi></th><td class=\"path\"><bdi>");
        rj_html(t, rj_report_name(r, p.path[1]));
        rj_text_put(t, "</bdi></td>");
        rj_html_cell(t, p.distance, 2);
        rj_text_say(t, "<td>%s</td><td>%s</td>", p.across_splits ? "yes" : "no",
                    p.across_labels ? "yes" : "no");
        rj_html_row_end(t);
    }
    rj_html_table_end(t);
    cut(t, shown, all, " pairs");
}

void rj_page_audit(rj_text *t, const rj_report *r)
{
    static const char *const head[] = {"fact", "balanced accuracy", "at least", "values",
                                       "shortcut"};
    int shortcuts = 0;

    for (int pass = 0; pass < 2; pass++) {
        if (pass) {
            rj_text_say(t,
                        "<p>%d of %d facts that are no pixels tell the label by "
                        "themselves%s.</p>",
                        shortcuts, rij_audit_facts(r->audit),
                        shortcuts ? ": figures on these data may rest on them" : "");
            rj_html_table(t, "Facts of files", RJ_COUNT(head), head);
        }
        for (int i = 0; i < rij_audit_facts(r->audit); i++) {
            rij_audit_fact f;

            if (rij_audit_fact_at(r->audit, i, &f) != RIJ_OK)
                continue;
            shortcuts += !pass && f.shortcut;
            if (!pass)
                continue;
            rj_html_head(t, f.name);
            rj_html_cell(t, f.bacc, 3);
            rj_html_cell(t, f.bacc_low, 3);
            rj_html_count(t, f.values);
            rj_text_put(t,
                        f.shortcut ? "<td class=\"bad\">shortcut</td>" : "<td>no</td>");
            rj_html_row_end(t);
        }
    }
    rj_html_table_end(t);
    audit_pairs(t, r);
}

/* ---- card ------------------------------------------------------------------------- */

/* What the audit of the training data found: entries audit.1, audit.2, .. */
static void audited(rj_text *t, const rj_report *r)
{
    const char *name = "<dt>Audit of the training data</dt>";

    for (int i = 0; i < r->model->about.entries; i++) {
        const rj_st_entry *e = &r->model->about.entry[i];

        if (strncmp(e->key, "audit.", 6) != 0)
            continue;
        rj_text_put(t, name);
        rj_text_put(t, "<dd>");
        rj_html(t, e->value);
        rj_text_put(t, "</dd>\n");
        name = "";
    }
}

void rj_page_card(rj_text *t, const rj_report *r)
{
    static const char *const told[][2] = {{"data", "Trained on"},
                                          {"generators", "Generators"},
                                          {"sources", "Sources of photographs"},
                                          {"options", "Options that differ"},
                                          {"validation", "Held out"},
                                          {"calibration", "Calibration"},
                                          {"exemplars", "Exemplars"},
                                          {"use", "Intended use"},
                                          {"limits", "Limits"}};
    int found = 0;

    rj_text_put(t, "<dl class=\"card\">");
    for (int k = 0; k < RJ_COUNT(told); k++) {
        char key[32] = "card.";
        const char *value;

        memcpy(key + 5, told[k][0], strlen(told[k][0]) + 1);
        value = rj_st_get(&r->model->about, key);
        if (!value)
            continue;
        rj_text_say(t, "<dt>%s</dt><dd>", told[k][1]);
        rj_html(t, value);
        rj_text_put(t, "</dd>\n");
        found++;
    }
    audited(t, r);
    rj_text_put(t, "</dl>");
    if (!found)
        rj_text_put(t, "<p>This model file holds no card: it is older than cards "
                       "are.</p>");
    rj_text_put(t, "<details><summary>All that the model file says</summary><pre>");
    for (const char *at = r->about; *at;) {
        const size_t n = strcspn(at, "\n");
        rj_text line = {0};

        rj_text_bytes(&line, at, n);
        t->failed = t->failed || line.failed;
        rj_html(t, line.bytes ? line.bytes : "");
        rj_text_put(t, "\n");
        rj_text_free(&line);
        at += n + (at[n] == '\n');
    }
    rj_text_put(t, "</pre></details>\n");
}
