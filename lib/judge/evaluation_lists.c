/* evaluation_lists.c: an evaluation's images and sources, and all of it in the caller's
 * hands. */
#include "judge/judge.h"
#include <math.h>
#include <string.h>

enum { WAYS = RIJ_SHIPPINGS + 2 }; /* answers kept: the last word, alone, re-shipped */

static size_t place_of(const rj_judged *j, int image, int column)
{
    return (size_t)image * (size_t)j->columns->n + (size_t)column;
}

static rij_answer answer_of(const rj_judged *j, int image, int column)
{
    return j->answer ? j->answer[place_of(j, image, column)] : RIJ_ANSWER_UNSURE;
}

/* ---- reals by source -------------------------------------------------------------- */

rij_status rj_evaluation_name(rij_evaluation *e, const char *name)
{
    RJ_TRY(rj_grow((void **)&e->name, &e->room, e->names + 1, sizeof(char *)));
    e->name[e->names] = rj_strdup(name);
    RJ_REQUIRE(e->name[e->names], RIJ_E_MEMORY, "evaluate: no memory");
    e->names++;
    return RIJ_OK;
}

/* n reals of one source, under every column. */
static rij_status add_source(rij_evaluation *e, const rj_judged *j, const rj_name *real,
                             int n)
{
    RJ_TRY(rj_evaluation_name(e, real->text));
    for (int c = 0; c < j->columns->n; c++) {
        rij_evaluation_source *s = &e->source[e->sources++];

        *s = (rij_evaluation_source){e->name[e->names - 1], e->name[c], n, 0, 0, 0};
        for (int i = 0; i < n; i++) {
            const rij_answer answer = answer_of(j, real[i].index, c);

            s->alarms += j->margin[place_of(j, real[i].index, c)] > 0;
            s->generated += answer == RIJ_ANSWER_GENERATED;
            s->unsure += answer == RIJ_ANSWER_UNSURE;
        }
        s->alarms /= n;
        s->generated = j->answer ? s->generated / n : NAN;
        s->unsure = j->answer ? s->unsure / n : NAN;
    }
    return RIJ_OK;
}

static rij_status by_source(rij_evaluation *e, const rj_judged *j, rj_name *real)
{
    int n = 0, sources = 0;

    for (int i = 0; i < j->n; i++) {
        const rj_sample *s = &j->d->sample[j->sample[i]];

        if (s->usable && s->label == RJ_REAL_LABEL)
            real[n++] = (rj_name){s->source ? s->source : "", i};
    }
    rj_names_sort(real, n);
    for (int i = 0; i < n; i++)
        sources += i == 0 || strcmp(real[i - 1].text, real[i].text) != 0;
    e->source = rj_alloc((size_t)sources * (size_t)j->columns->n, sizeof *e->source);
    RJ_REQUIRE(e->source, RIJ_E_MEMORY, "evaluate: no memory for %d sources", sources);
    for (int i = 0, same; i < n; i += same) {
        for (same = 1; i + same < n && strcmp(real[i].text, real[i + same].text) == 0;)
            same++;
        RJ_TRY(add_source(e, j, &real[i], same));
    }
    return RIJ_OK;
}

static rij_status add_sources(rij_evaluation *e, const rj_judged *j)
{
    rj_name *real = rj_alloc((size_t)j->n, sizeof *real);
    rij_status status;

    RJ_REQUIRE(real, RIJ_E_MEMORY, "evaluate: no memory for the sources");
    status = by_source(e, j, real);
    rj_free(real);
    return status;
}

/* ---- images ----------------------------------------------------------------------- */

/* Copies of the paths and sources, behind each other in one piece of memory. */
static rij_status keep_paths(rij_evaluation *e, const rj_judged *j)
{
    size_t bytes = 0;
    char *at;

    for (int i = 0; i < e->images; i++) {
        const rj_sample *s = &j->d->sample[e->image[i].sample];

        bytes += strlen(s->path) + 1 + (s->source ? strlen(s->source) : 0) + 1;
    }
    e->paths = at = rj_alloc(bytes, 1);
    RJ_REQUIRE(at, RIJ_E_MEMORY, "evaluate: no memory for %zu bytes of paths", bytes);
    for (int i = 0; i < e->images; i++) {
        const rj_sample *s = &j->d->sample[e->image[i].sample];
        const size_t n = strlen(s->path) + 1;
        const size_t name = s->name ? (size_t)(s->name - s->path) : 0;

        memcpy(at, s->path, n);
        e->image[i].file = at;
        e->image[i].path = at + name;
        at += n;
        e->image[i].source = at;
        if (s->source)
            memcpy(at, s->source, strlen(s->source));
        at += (s->source ? strlen(s->source) : 0) + 1;
    }
    return RIJ_OK;
}

/* One record per usable image, its judgements beside it; the columns' names come first.
 */
static rij_status add_images(rij_evaluation *e, const rj_judged *j)
{
    const size_t columns = (size_t)j->columns->n, all = (size_t)j->n * columns;

    e->columns = j->columns->n;
    e->stripped = j->alone != NULL;
    e->answered = j->answer != NULL;
    e->image = rj_alloc((size_t)j->n, sizeof *e->image);
    e->margin = rj_alloc(all, sizeof *e->margin);
    e->answer = rj_alloc(all, (size_t)WAYS);
    RJ_REQUIRE(e->image && e->margin && e->answer, RIJ_E_MEMORY,
               "evaluate: no memory for %d images", j->n);
    for (int i = 0; i < j->n; i++) {
        const rj_sample *s = &j->d->sample[j->sample[i]];

        if (!s->usable)
            continue;
        e->image[e->images] = (rj_judged_image){
            .sample = j->sample[i],
            .generator = s->label ? e->name[e->columns + s->generator] : "",
            .fake = s->label == RJ_FAKE_LABEL};
        for (int c = 0; c < e->columns; c++) {
            const size_t from = place_of(j, i, c);
            const size_t to = (size_t)e->images * columns + (size_t)c;

            e->margin[to] = j->margin[from];
            e->answer[to * WAYS] = (uint8_t)answer_of(j, i, c);
            for (int w = 0; j->alone && w < WAYS - 1; w++)
                e->answer[to * WAYS + (size_t)w + 1] =
                    (uint8_t)j->alone[from * (WAYS - 1) + (size_t)w];
        }
        e->images++;
    }
    return keep_paths(e, j);
}

rij_status rj_evaluation_lists(rij_evaluation *e, const rj_judged *j)
{
    RJ_TRY(add_images(e, j));
    return add_sources(e, j);
}

/* ---- the public header ------------------------------------------------------------ */

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

RIJ_API int rij_evaluation_sources(const rij_evaluation *evaluation)
{
    return evaluation ? evaluation->sources : 0;
}

RIJ_API rij_status rij_evaluation_source_at(const rij_evaluation *evaluation, int index,
                                            rij_evaluation_source *source)
{
    RJ_REQUIRE(evaluation && source, RIJ_E_ARGUMENT,
               "rij_evaluation_source_at: the %s is NULL",
               evaluation ? "source" : "evaluation");
    RJ_REQUIRE(index >= 0 && index < evaluation->sources, RIJ_E_ARGUMENT,
               "rij_evaluation_source_at: there is no source %d of %d", index,
               evaluation->sources);
    *source = evaluation->source[index];
    return RIJ_OK;
}

RIJ_API int rij_evaluation_images(const rij_evaluation *evaluation)
{
    return evaluation ? evaluation->images * evaluation->columns : 0;
}

RIJ_API rij_status rij_evaluation_image_at(const rij_evaluation *evaluation, int index,
                                           rij_evaluation_image *image)
{
    const rij_evaluation *e = evaluation;
    const rj_judged_image *of;
    const uint8_t *answer;

    RJ_REQUIRE(e && image, RIJ_E_ARGUMENT, "rij_evaluation_image_at: the %s is NULL",
               e ? "image" : "evaluation");
    RJ_REQUIRE(index >= 0 && index < e->images * e->columns, RIJ_E_ARGUMENT,
               "rij_evaluation_image_at: there is no image %d of %d", index,
               e->images * e->columns);
    of = &e->image[index / e->columns];
    answer = &e->answer[(size_t)index * WAYS];
    *image = (rij_evaluation_image){.path = of->path,
                                    .file = of->file,
                                    .generator = of->generator,
                                    .source = of->source,
                                    .column = e->name[index % e->columns],
                                    .generated = of->fake,
                                    .margin = e->margin[index],
                                    .score = 1 / (1 + exp(-e->margin[index])),
                                    .answered = e->answered,
                                    .answer = (rij_answer)answer[0],
                                    .stripped = e->stripped,
                                    .alone = (rij_answer)answer[e->stripped ? 1 : 0]};
    for (int w = 0; w < RIJ_SHIPPINGS; w++)
        image->shipped[w] = (rij_answer)answer[w + 2];
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
    rj_free(evaluation->source);
    rj_free(evaluation->image);
    rj_free(evaluation->paths);
    rj_free(evaluation->margin);
    rj_free(evaluation->answer);
    rj_free(evaluation);
}
