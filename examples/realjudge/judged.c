/* judged.c: one input judged, as a JSON record or as lines for a person. */
#include "tool.h"
#include <math.h>

typedef struct judged {
    rij_verdict verdict;
    rij_examination examination;
    rij_evidence_summary evidence;
    char map[4200];      /* "": none */
    int unwritten;       /* it could not be */
    rij_neighbour *near; /* `found` exemplars */
    int found;
} judged;

static const char *const answers[] = {"unsure", "real", "generated"};

static rij_status explain(const question *q, size_t index, const char *path, judged *j)
{
    rij_explain_options o = RIJ_EXPLAIN_OPTIONS_INIT;
    rij_evidence *e = NULL;
    rij_status status;

    o.level = q->found;
    snprintf(j->map, sizeof j->map, "%s/%06zu.png", q->maps, index);
    status = rij_explain_file(q->model, path, &o, &e);
    if (status == RIJ_OK)
        status = rij_evidence_sum_up(e, &j->evidence);
    if (status == RIJ_OK) {
        status = rij_evidence_write_png(e, j->map);
        j->unwritten = status != RIJ_OK;
    }
    rij_evidence_free(e);
    if (status == RIJ_OK)
        j->verdict = j->evidence.verdict;
    return status;
}

/* Room for those there are, whatever was asked for. */
static rij_status look_around(const question *q, const char *path, judged *j)
{
    const int all = rij_model_exemplars(q->model);
    const int most = q->nearest < all ? q->nearest : all;

    j->near = need(calloc((size_t)most + 1, sizeof *j->near));
    return rij_nearest_file(q->model, path, most > 0 ? most : 1, j->near, &j->found);
}

static rij_status judge(const question *q, size_t index, const char *path, judged *j)
{
    rij_examine_options o = RIJ_EXAMINE_OPTIONS_INIT;
    rij_status status = RIJ_OK;

    o.level = q->level;
    if (q->maps)
        status = explain(q, index, path, j);
    if (status == RIJ_OK && q->examine) {
        status = rij_examine_file(q->model, path, &o, &j->examination);
        j->verdict = j->examination.verdict;
    } else if (status == RIJ_OK && !q->maps) {
        status = rij_predict_file(q->model, path, &j->verdict);
    }
    if (status == RIJ_OK && q->nearest)
        status = look_around(q, path, j);
    return status;
}

/* ---- JSON ------------------------------------------------------------------------- */

static void set_text(json_t *record, const char *key, const char *text)
{
    json_object_set_new(record, key, text_json(text));
}

static void set_number(json_t *record, const char *key, double x)
{
    json_object_set_new(record, key, number_json(x));
}

static void set_whole(json_t *record, const char *key, json_int_t n)
{
    json_object_set_new(record, key, json_integer(n));
}

static void set_verdict(json_t *record, const rij_verdict *v)
{
    set_text(record, "verdict", v->generated ? "generated" : "photograph");
    set_number(record, "score", v->score);
    set_number(record, "margin", v->margin);
    set_number(record, "p_real", v->p_real);
    set_number(record, "p_generated", v->p_generated);
    set_number(record, "classifier", v->classifier);
    set_number(record, "proximity", v->proximity);
    set_number(record, "softness", v->softness);
    set_whole(record, "crops", v->crops);
    set_whole(record, "width", v->width);
    set_whole(record, "height", v->height);
}

static void set_examination(json_t *record, const rij_examination *e)
{
    json_t *strip = json_array();

    set_text(record, "answer", answers[e->answer]);
    set_text(record, "alone", answers[e->alone]);
    set_whole(record, "contradictions", e->contradictions);
    for (int i = 0; i < RIJ_SHIPPINGS; i++) {
        const rij_shipped *s = &e->strip[i];
        json_t *one = json_object();

        set_text(one, "name", s->name);
        set_number(one, "margin", s->margin);
        set_number(one, "p_real", s->p_real);
        set_number(one, "p_generated", s->p_generated);
        set_text(one, "answer", answers[s->answer]);
        json_array_append_new(strip, one);
    }
    json_object_set_new(record, "strip", strip);
}

static void set_evidence(json_t *record, const judged *j)
{
    const rij_evidence_summary *s = &j->evidence;
    json_t *e = json_object();

    json_object_set_new(e, "found", json_boolean(s->found));
    set_number(e, "p", s->p);
    set_number(e, "peak", s->peak);
    set_whole(e, "peak_x", s->peak_x);
    set_whole(e, "peak_y", s->peak_y);
    set_number(e, "area", s->area);
    set_number(e, "concentration", s->concentration);
    set_number(e, "far", s->far);
    path_json(e, "map", j->map);
    json_object_set_new(record, "evidence", e);
}

static void set_nearest(json_t *record, const judged *j)
{
    json_t *nearest = json_array();

    for (int i = 0; i < j->found; i++) {
        json_t *one = json_object();

        set_text(one, "id", j->near[i].id);
        set_number(one, "similarity", j->near[i].similarity);
        json_array_append_new(nearest, one);
    }
    json_object_set_new(record, "nearest", nearest);
}

static char *record_of(const question *q, size_t index, const char *path,
                       rij_status status, const judged *j)
{
    json_t *record = need(json_object());

    set_whole(record, "index", (json_int_t)index);
    path_json(record, "path", path);
    set_text(record, "status", rij_status_name(status));
    if (status != RIJ_OK) {
        set_text(record, "message", rij_last_error());
        return json_line(record);
    }
    set_verdict(record, &j->verdict);
    if (q->examine)
        set_examination(record, &j->examination);
    if (q->maps)
        set_evidence(record, j);
    if (q->nearest)
        set_nearest(record, j);
    return json_line(record);
}

/* ---- for people ------------------------------------------------------------------- */

static void say_evidence(FILE *out, const judged *j)
{
    const rij_evidence_summary *s = &j->evidence;

    if (s->found)
        fprintf(out,
                "  stands out at %d, %d (p %.3f): %.1f %% of the picture do, %.0f %% of "
                "the excess is there: %s\n",
                s->peak_x, s->peak_y, s->p, 100 * s->area, 100 * s->concentration,
                j->map);
    else
        fprintf(out, "  no part stands out more than parts of photographs do (p %.3f)\n",
                s->p);
    if (s->far >= 0) // not where the model has no traces
        fprintf(out, "  as far from what photographs share as %.2f of them, or farther\n",
                s->far);
}

static void say_nearest(FILE *out, const judged *j)
{
    for (int i = 0; i < j->found; i++) {
        char *shown = path_shown(j->near[i].id);

        fprintf(out, "  near %.4f  %s\n", j->near[i].similarity, shown);
        free(shown);
    }
}

static char *lines_of(const question *q, const char *path, const judged *j)
{
    const rij_verdict *v = &j->verdict;
    const rij_examination *e = &j->examination;
    char *text = NULL, *shown = path_shown(path);
    size_t n;
    FILE *out = need(open_memstream(&text, &n));

    if (q->examine)
        fprintf(out,
                "%.3f  %-10s  p_real %.3f  p_generated %.3f  %d of %d contradict  %s\n",
                v->score, answers[e->answer], v->p_real, v->p_generated,
                e->contradictions, RIJ_SHIPPINGS, shown);
    else
        fprintf(out, "%.3f  %-10s  %s\n", v->score,
                v->generated ? "generated" : "photograph", shown);
    if (q->maps)
        say_evidence(out, j);
    say_nearest(out, j);
    fclose(out);
    free(shown);
    return need(text);
}

/* In a process of its own a picture may want more memory than that has; else it is what
 * this machine lacks, and the next picture would meet the same. */
static int is_fatal(const question *q, rij_status status, const judged *j)
{
    return j->unwritten || status == RIJ_E_DEVICE || status == RIJ_E_DATA ||
           (status == RIJ_E_MEMORY && !q->isolated);
}

void judge_input(const question *q, size_t index, const char *path, result *r)
{
    judged j = {0};
    const rij_status status = judge(q, index, path, &j);

    r->failed = status != RIJ_OK;
    r->fatal = is_fatal(q, status, &j);
    if (q->json && !r->fatal)
        r->text = record_of(q, index, path, status, &j);
    else if (r->failed)
        r->text = need(strdup(rij_last_error()));
    else
        r->text = lines_of(q, path, &j);
    free(j.near);
}
