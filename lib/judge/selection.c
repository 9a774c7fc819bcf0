/* selection.c: what an evaluation judges: the data, the columns, the generators asked
 * for, and the samples of these. */
#include "judge/judge.h"
#include <string.h>

static const char holdout_name[] = "holdout";

/* Names between commas, without spaces around them. */
static rij_status split_names(const char *text, const char *field, rj_list *list)
{
    for (;;) {
        const size_t skip = strspn(text, " "), whole = strcspn(text + skip, ",");
        size_t n = whole;

        text += skip;
        while (n && text[n - 1] == ' ')
            n--;
        RJ_REQUIRE(n > 0, RIJ_E_ARGUMENT, "evaluate: %s holds an empty name", field);
        RJ_TRY(rj_grow((void **)&list->path, &list->room, list->n + 1, sizeof(char *)));
        list->path[list->n] = rj_alloc(n + 1, 1);
        RJ_REQUIRE(list->path[list->n], RIJ_E_MEMORY, "evaluate: no memory");
        memcpy(list->path[list->n++], text, n);
        if (text[whole] == 0)
            return RIJ_OK;
        text += whole + 1;
    }
}

static rij_status choose_columns(const char *names, rj_selection *r)
{
    RJ_TRY(split_names(names ? names : "native", "columns", &r->columns));
    r->column = rj_alloc((size_t)r->columns.n, sizeof *r->column);
    RJ_REQUIRE(r->column, RIJ_E_MEMORY, "evaluate: no memory");
    for (int i = 0; i < r->columns.n; i++)
        RJ_TRY(rj_column_named(r->columns.path[i], &r->column[i]));
    return RIJ_OK;
}

/* Every file of a folder joins the data as a fake. */
static rij_status add_holdout(const rij_evaluate_options *o, rj_selection *r)
{
    rj_list files = {0};
    rij_status status = RIJ_OK;

    if (!o->holdout)
        return RIJ_OK;
    for (int g = 0; g < r->data.generators; g++)
        RJ_REQUIRE(strcmp(r->data.generator[g], holdout_name) != 0, RIJ_E_DATA,
                   "evaluate: the data have a generator '%s' of their own", holdout_name);
    RJ_TRY(rj_folder_list(o->holdout, &files));
    if (files.n == 0)
        status = rj_fail(RIJ_E_DATA, "%.200s: no files", o->holdout);
    for (int i = 0; i < files.n && status == RIJ_OK; i++)
        status = rj_dataset_add(&r->data, files.path[i], files.path[i], holdout_name,
                                rj_hash(files.path[i], strlen(files.path[i]), 0));
    rj_list_free(&files);
    if (status == RIJ_OK)
        rj_dataset_finish(&r->data);
    return status;
}

static rij_status open_data(const rij_evaluate_options *o, const char *data,
                            rj_selection *r)
{
    RJ_TRY(rj_dataset_open(data, o->split, &r->data));
    RJ_TRY(add_holdout(o, r));
    if (o->pairs)
        RJ_TRY(rj_pairs_read(o->pairs, &r->data, &r->pair));
    if (o->shuffle_labels)
        rj_dataset_shuffle_labels(&r->data, o->seed);
    return RIJ_OK;
}

static rij_status choose_generators(const rij_evaluate_options *o, rj_selection *r)
{
    const rj_dataset *d = &r->data;
    rj_list only = {0};
    rij_status status = RIJ_OK;

    r->wanted = rj_alloc((size_t)d->generators + 1, sizeof *r->wanted);
    RJ_REQUIRE(r->wanted, RIJ_E_MEMORY, "evaluate: no memory");
    if (o->only)
        status = split_names(o->only, "only", &only);
    for (int g = 0; g < d->generators; g++)
        r->wanted[g] =
            !o->only || (o->holdout && strcmp(d->generator[g], holdout_name) == 0);
    for (int i = 0; i < only.n && status == RIJ_OK; i++) {
        int found = -1;

        for (int g = 0; g < d->generators; g++)
            if (strcmp(d->generator[g], only.path[i]) == 0)
                found = g;
        if (found < 0)
            status = rj_fail(RIJ_E_ARGUMENT,
                             "evaluate: the data has no generator '%.60s', which 'only' "
                             "names",
                             only.path[i]);
        else
            r->wanted[found] = true;
    }
    rj_list_free(&only);
    return status;
}

rij_status rj_selection_check(const rj_selection *r, const char *which)
{
    int count[2] = {0, 0};

    for (int i = 0; i < r->data.n; i++) {
        const rj_sample *s = &r->data.sample[i];

        count[s->label] +=
            s->usable && (s->label == RJ_REAL_LABEL || r->wanted[s->generator]);
    }
    RJ_REQUIRE(count[0] && count[1], RIJ_E_DATA,
               "evaluate: %d real and %d generated %simages, at least one of each is "
               "needed",
               count[0], count[1], which);
    return RIJ_OK;
}

static rij_status choose_images(rj_selection *r)
{
    RJ_TRY(rj_selection_check(r, ""));
    r->image = rj_alloc((size_t)r->data.n, sizeof *r->image);
    RJ_REQUIRE(r->image, RIJ_E_MEMORY, "evaluate: no memory");
    for (int i = 0; i < r->data.n; i++) {
        const rj_sample *s = &r->data.sample[i];

        if (s->usable && (s->label == RJ_REAL_LABEL || r->wanted[s->generator]))
            r->image[r->images++] = i;
    }
    return RIJ_OK;
}

rij_status rj_selection_fill(const rij_evaluate_options *o, const char *data,
                             rj_selection *r)
{
    RJ_TRY(choose_columns(o->columns, r));
    RJ_TRY(open_data(o, data, r));
    RJ_TRY(choose_generators(o, r));
    return choose_images(r);
}

void rj_selection_free(rj_selection *r)
{
    rj_free(r->image);
    rj_free(r->wanted);
    rj_free(r->pair);
    rj_free(r->column);
    rj_list_free(&r->columns);
    rj_dataset_free(&r->data);
}
