/* exemplar_file.c: photographs that a model keeps by name, to and from a model file.
 * Tensor "exemplars", (n, d): their embeddings, unit rows. Entry "exemplars.id": their
 * names, a JSON array of n strings. Both or none are there. */
#include "model/model.h"
#include <jansson.h>
#include <math.h>
#include <string.h>

static const char rows_name[] = "exemplars", ids_name[] = "exemplars.id";

/* Bytes of the character at s, or 0: it is none, or one that moves a cursor (U+0000 to
 * 1F, 7F to 9F). */
static int plain(const char *s)
{
    const unsigned char *c = (const unsigned char *)s;
    const int n = rj_utf8(s);

    if (n == 1)
        return *c >= ' ' && *c != 0x7f;
    return n == 2 && c[0] == 0xc2 && c[1] < 0xa0 ? 0 : n;
}

char *rj_exemplar_id(const char *name)
{
    char *id = rj_strdup(name);

    for (char *c = id; c && *c;) {
        const int n = plain(c);

        if (n == 0)
            *c = '?';
        c += RJ_MAX(n, 1);
    }
    return id;
}

rij_status rj_exemplars_new(int n, int d, rj_exemplars *e)
{
    rj_exemplars made = {n, rj_alloc((size_t)n * (size_t)d, sizeof *made.z),
                         rj_alloc((size_t)n, sizeof *made.id)};

    if (!made.z || !made.id) {
        rj_exemplars_free(&made);
        return rj_fail(RIJ_E_MEMORY, "exemplars: no memory for %d rows", n);
    }
    *e = made;
    return RIJ_OK;
}

void rj_exemplars_free(rj_exemplars *e)
{
    for (int i = 0; e->id && i < e->n; i++)
        rj_free(e->id[i]);
    rj_free(e->id);
    rj_free(e->z);
    *e = (rj_exemplars){0};
}

/* ---- into a file ------------------------------------------------------------------- */

static rij_status ids_to_file(const rj_exemplars *e, rj_st_file *f)
{
    json_t *list = json_array();
    bool fine = list != NULL;
    char *text;
    rij_status status;

    for (int i = 0; i < e->n; i++)
        fine = json_array_append_new(list, json_string(e->id[i])) == 0 && fine;
    text = fine ? rj_json_text(list, JSON_COMPACT) : NULL;
    json_decref(list);
    RJ_REQUIRE(text, RIJ_E_MEMORY, "exemplars: no memory for their names");
    status = rj_st_set(f, ids_name, text);
    rj_free(text);
    return status;
}

rij_status rj_exemplars_to_file(const rj_exemplars *e, int d, rj_st_file *f)
{
    if (e->n == 0)
        return RIJ_OK;
    RJ_TRY(ids_to_file(e, f));
    return rj_st_add(f, rows_name, rj_shape_plain(2, e->n, d, 1, 1), e->z);
}

/* ---- from a file ------------------------------------------------------------------- */

static rij_status rows_from_file(const rj_st_tensor *t, int d, rj_exemplars *e)
{
    for (int i = 0; i < e->n; i++) {
        const float *row = t->x + (ptrdiff_t)i * d;
        double square = 0;

        for (int j = 0; j < d; j++)
            square += (double)row[j] * (double)row[j];
        RJ_REQUIRE(fabs(square - 1) <= 1e-3, RIJ_E_MODEL,
                   "model file: row %d of '%s' has squared length %g, not 1", i,
                   rows_name, square);
    }
    memcpy(e->z, t->x, (size_t)e->n * (size_t)d * sizeof *e->z);
    return RIJ_OK;
}

static rij_status id_from_file(const json_t *item, int i, char **id)
{
    const char *text = json_string_value(item);
    const size_t n = json_string_length(item);
    bool fine = text && n > 0 && n <= RJ_ID_MAX && strlen(text) == n;

    for (const char *c = text; fine && *c; c += plain(c))
        fine = plain(c) > 0;
    RJ_REQUIRE(fine, RIJ_E_MODEL,
               "model file: name %d of '%s' is no text of 1..%d bytes on one line", i,
               ids_name, RJ_ID_MAX);
    *id = rj_strdup(text);
    RJ_REQUIRE(*id, RIJ_E_MEMORY, "exemplars: no memory for their names");
    return RIJ_OK;
}

static rij_status ids_from_file(const char *text, rj_exemplars *e)
{
    json_t *list = json_loads(text, 0, NULL);
    const size_t n = json_array_size(list);
    rij_status status = RIJ_OK;

    if (n != (size_t)e->n)
        status = rj_fail(RIJ_E_MODEL, "model file: '%s' is no list of %d names", ids_name,
                         e->n);
    for (int i = 0; i < e->n && status == RIJ_OK; i++)
        status = id_from_file(json_array_get(list, (size_t)i), i, &e->id[i]);
    json_decref(list);
    return status;
}

rij_status rj_exemplars_from_file(const rj_st_file *f, int d, rj_exemplars *e,
                                  int *tensors)
{
    const rj_st_tensor *t = rj_st_tensor_find(f, rows_name);
    const char *ids = rj_st_get(f, ids_name);

    if (!t && !ids)
        return RIJ_OK;
    RJ_REQUIRE(t && ids, RIJ_E_MODEL, "model file: no %s '%s'", t ? "entry" : "tensor",
               t ? ids_name : rows_name);
    RJ_REQUIRE(t->shape.rank == 2 && t->shape.dim[1] == d && t->shape.dim[0] >= 1 &&
                   t->shape.dim[0] <= RJ_EXEMPLARS_MAX,
               RIJ_E_MODEL, "model file: tensor '%s' is not 1..%d rows of %d numbers",
               rows_name, RJ_EXEMPLARS_MAX, d);
    *tensors += 1;
    RJ_TRY(rj_exemplars_new(t->shape.dim[0], d, e));
    RJ_TRY(rows_from_file(t, d, e));
    return ids_from_file(ids, e);
}
