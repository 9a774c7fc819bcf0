/* report_json.c: what the page shows, for machines. Figures that there are not are null;
 * bytes that are not UTF-8 become U+FFFD. */
#include "report/report.h"
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* Objects are built without a look at each call: a piece that could not be made spoils
 * `fine`, and the whole is thrown away. */
typedef struct writer {
    const rj_report *r;
    bool fine;
} writer;

static void set(writer *w, json_t *object, const char *key, json_t *value)
{
    w->fine = json_object_set_new(object, key, value) == 0 && w->fine;
}

static void append(writer *w, json_t *array, json_t *value)
{
    w->fine = json_array_append_new(array, value) == 0 && w->fine;
}

static json_t *real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *text(const char *s)
{
    rj_text clean = {0};
    json_t *made = NULL;

    rj_html_plain(&clean, s);
    if (!clean.failed)
        made = json_string(clean.bytes ? clean.bytes : "");
    rj_text_free(&clean);
    return made;
}

static json_t *reals(writer *w, int n, const double *x)
{
    json_t *array = json_array();

    for (int i = 0; i < n; i++)
        append(w, array, real(x[i]));
    return array;
}

static json_t *whole(writer *w, int n, const int *x)
{
    json_t *array = json_array();

    for (int i = 0; i < n; i++)
        append(w, array, json_integer(x[i]));
    return array;
}

/* ---- figures ---------------------------------------------------------------------- */

#define AT(name)                                                                         \
    {                                                                                    \
#        name, offsetof(rij_evaluation_row, name)                                        \
    }
static const struct {
    const char *name;
    size_t at;
} figures[] = {
    AT(ap),          AT(ap_low),         AT(ap_high),     AT(ap_plain),
    AT(auc),         AT(auc_low),        AT(auc_high),    AT(racc),
    AT(facc),        AT(bacc),           AT(eer),         AT(tpr1),
    AT(fpr1),        AT(tpr5),           AT(fpr5),        AT(ece),
    AT(brier),       AT(shift_real),     AT(shift_fake),  AT(real_generated),
    AT(real_unsure), AT(fake_generated), AT(fake_unsure),
};

static json_t *rows(writer *w)
{
    json_t *array = json_array();

    for (int i = 0; i < w->r->e->rows; i++) {
        const rij_evaluation_row *row = &w->r->e->row[i];
        json_t *o = json_object();

        set(w, o, "generator", text(row->generator));
        set(w, o, "column", text(row->column));
        set(w, o, "n_real", json_integer(row->n_real));
        set(w, o, "n_fake", json_integer(row->n_fake));
        for (int k = 0; k < RJ_COUNT(figures); k++)
            set(w, o, figures[k].name,
                real(*(const double *)(const void *)((const char *)row + figures[k].at)));
        append(w, array, o);
    }
    return array;
}

static json_t *sources(writer *w)
{
    json_t *array = json_array();

    for (int i = 0; i < w->r->e->sources; i++) {
        const rij_evaluation_source *s = &w->r->e->source[i];
        json_t *o = json_object();

        set(w, o, "source", text(s->source));
        set(w, o, "column", text(s->column));
        set(w, o, "n", json_integer(s->n));
        set(w, o, "alarms", real(s->alarms));
        set(w, o, "generated", real(s->generated));
        set(w, o, "unsure", real(s->unsure));
        append(w, array, o);
    }
    return array;
}

static json_t *curve(writer *w, const rj_curve *c, const char *x, const char *y)
{
    json_t *o = json_object();

    set(w, o, x, reals(w, c->n, c->x));
    set(w, o, y, reals(w, c->n, c->y));
    return o;
}

static json_t *answers(writer *w, const int n[3])
{
    json_t *o = json_object();

    set(w, o, "real", json_integer(n[RIJ_ANSWER_REAL]));
    set(w, o, "unsure", json_integer(n[RIJ_ANSWER_UNSURE]));
    set(w, o, "generated", json_integer(n[RIJ_ANSWER_GENERATED]));
    return o;
}

static json_t *columns(writer *w)
{
    static const char *const class[2] = {"real", "fake"};
    json_t *array = json_array();

    for (int i = 0; i < w->r->columns; i++) {
        const rj_report_column *c = &w->r->column[i];
        json_t *o = json_object(), *bins = json_object();
        json_t *scores = json_object(), *answered = json_object();

        for (int label = 0; label < 2; label++) {
            set(w, scores, class[label], whole(w, RJ_SCORE_BINS, c->histogram[label]));
            set(w, answered, class[label], answers(w, c->answer[label]));
        }
        set(w, bins, "images", whole(w, RJ_CALIBRATED, c->in_bin));
        set(w, bins, "score", reals(w, RJ_CALIBRATED, c->score));
        set(w, bins, "generated", reals(w, RJ_CALIBRATED, c->share));
        set(w, o, "column", text(c->name));
        set(w, o, "roc", curve(w, &c->roc, "fpr", "tpr"));
        set(w, o, "precision_recall", curve(w, &c->pr, "recall", "precision"));
        set(w, o, "reliability", bins);
        set(w, o, "scores", scores);
        set(w, o, "answers", w->r->e->answered ? json_incref(answered) : json_null());
        json_decref(answered);
        append(w, array, o);
    }
    return array;
}

/* ---- lists ------------------------------------------------------------------------ */

static json_t *worst(writer *w, int label)
{
    json_t *array = json_array();

    for (int i = 0; i < w->r->worst[label]; i++) {
        rij_evaluation_image image;
        json_t *o = json_object();

        if (rij_evaluation_image_at(w->r->e, w->r->image[label][i], &image) == RIJ_OK) {
            set(w, o, "path", text(image.path));
            set(w, o, "generator", text(image.generator));
            set(w, o, "source", text(image.source));
            set(w, o, "margin", real(image.margin));
            set(w, o, "score", real(image.score));
        }
        append(w, array, o);
    }
    return array;
}

static json_t *audit(writer *w)
{
    const rij_audit_report *a = w->r->audit;
    json_t *o, *facts, *pairs;

    if (!a)
        return json_null();
    o = json_object();
    facts = json_array();
    pairs = json_array();
    for (int i = 0; i < rij_audit_facts(a); i++) {
        json_t *one = json_object();
        rij_audit_fact f;

        if (rij_audit_fact_at(a, i, &f) == RIJ_OK) {
            set(w, one, "fact", text(f.name));
            set(w, one, "bacc", real(f.bacc));
            set(w, one, "bacc_low", real(f.bacc_low));
            set(w, one, "values", json_integer(f.values));
            set(w, one, "shortcut", json_boolean(f.shortcut));
        }
        append(w, facts, one);
    }
    for (int i = 0; i < rij_audit_pairs(a); i++) {
        json_t *one = json_object();
        rij_audit_pair p;

        if (rij_audit_pair_at(a, i, &p) == RIJ_OK) {
            set(w, one, "a", text(rj_report_name(w->r, p.path[0])));
            set(w, one, "b", text(rj_report_name(w->r, p.path[1])));
            set(w, one, "distance", real(p.distance));
            set(w, one, "across_splits", json_boolean(p.across_splits));
            set(w, one, "across_labels", json_boolean(p.across_labels));
        }
        append(w, pairs, one);
    }
    set(w, o, "facts", facts);
    set(w, o, "pairs", pairs);
    return o;
}

static json_t *model(writer *w)
{
    const rj_st_file *about = &w->r->model->about;
    json_t *o = json_object(), *entries = json_object();

    for (int i = 0; i < about->entries; i++)
        set(w, entries, about->entry[i].key, text(about->entry[i].value));
    set(w, o, "entries", entries);
    return o;
}

/* ---- the whole -------------------------------------------------------------------- */

static json_t *data(writer *w)
{
    const rij_evaluation *e = w->r->e;
    json_t *o = json_object();

    set(w, o, "real", json_integer(w->r->n[0]));
    set(w, o, "fake", json_integer(w->r->n[1]));
    set(w, o, "unusable", json_integer(e->unusable));
    set(w, o, "false_alarms", json_integer(w->r->wrong[0]));
    set(w, o, "missed", json_integer(w->r->wrong[1]));
    set(w, o, "min_fakes", json_integer(e->map_fakes));
    set(w, o, "paired", json_boolean(e->paired));
    set(w, o, "shuffled_labels", json_boolean(e->shuffled));
    set(w, o, "level", json_real(e->level));
    set(w, o, "strip", json_boolean(e->stripped));
    return o;
}

static json_t *build(writer *w)
{
    json_t *o = json_object(), *mistakes = json_object();

    set(w, o, "format", text("realjudge report"));
    set(w, o, "format_version", json_integer(1));
    set(w, o, "library", text(rij_version()));
    set(w, o, "title", text(w->r->title));
    set(w, o, "data", data(w));
    set(w, o, "rows", rows(w));
    set(w, o, "sources", sources(w));
    set(w, o, "columns", columns(w));
    set(w, mistakes, "false_alarms", worst(w, RJ_REAL_LABEL));
    set(w, mistakes, "misses", worst(w, RJ_FAKE_LABEL));
    set(w, o, "worst", mistakes);
    set(w, o, "audit", audit(w));
    set(w, o, "model", model(w));
    return o;
}

static int take(const char *bytes, size_t n, void *user)
{
    rj_text *t = user;

    rj_text_bytes(t, bytes, n);
    return t->failed ? -1 : 0;
}

rij_status rj_report_json(const rj_report *r, rj_text *t)
{
    writer w = {.r = r, .fine = true};
    json_t *root = build(&w);
    const bool dumped =
        w.fine && root && json_dump_callback(root, take, t, JSON_INDENT(1)) == 0;

    json_decref(root);
    rj_text_put(t, "\n");
    RJ_REQUIRE(dumped, RIJ_E_MEMORY, "report: no memory for the JSON");
    return rj_text_done(t);
}
