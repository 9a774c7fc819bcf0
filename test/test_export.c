/* test_export.c: a model as an ONNX graph: its file is read back by a reader of its own,
 * which knows protocol buffers and nothing of how they were written. That outputs are
 * right is for test/parcel/check_onnx.py, which has something to run graphs with. */
#include "api_place.h"
#include "judge/judge.h"
#include <math.h>

/* ---- a reader -----------------------------------------------------------------------
 */

typedef struct span {
    const unsigned char *at, *end;
} span;

typedef struct field {
    int number;
    uint64_t value; /* of a number */
    span bytes;     /* of anything with a length */
} field;

static uint64_t varint(span *s)
{
    uint64_t x = 0;

    for (int shift = 0; shift < 64; shift += 7) {
        ck_assert(s->at < s->end);
        x |= (uint64_t)(*s->at & 0x7f) << shift;
        if (*s->at++ < 0x80)
            return x;
    }
    ck_abort_msg("a number of more than ten bytes");
    return 0;
}

static bool next(span *s, field *f)
{
    uint64_t key;

    if (s->at == s->end)
        return false;
    key = varint(s);
    *f = (field){.number = (int)(key >> 3)};
    if ((key & 7) == 0) {
        f->value = varint(s);
    } else {
        ck_assert_uint_eq(key & 7, 2);
        f->value = varint(s);
        ck_assert(f->value <= (uint64_t)(s->end - s->at));
        f->bytes = (span){s->at, s->at + f->value};
        s->at += f->value;
    }
    return true;
}

/* The first field of this number; its bytes are none where there is none. */
static field find(span s, int number)
{
    field f;

    while (next(&s, &f))
        if (f.number == number)
            return f;
    return (field){0};
}

static bool is(span s, const char *text)
{
    return (size_t)(s.end - s.at) == strlen(text) &&
           memcmp(s.at, text, strlen(text)) == 0;
}

enum { GRAPH = 7, NODE = 1, CONSTANT = 5, INPUT = 11, OUTPUT = 12 };

/* How many fields of this number a message has. */
static int count(span s, int number)
{
    field f;
    int n = 0;

    while (next(&s, &f))
        n += f.number == number;
    return n;
}

static span constant_named(span graph, const char *name)
{
    field f;

    while (next(&graph, &f))
        if (f.number == CONSTANT && is(find(f.bytes, 8).bytes, name))
            return f.bytes;
    ck_abort_msg("no constant %s", name);
    return graph;
}

/* ---- tests --------------------------------------------------------------------------
 */

static unsigned char *whole(const char *path, size_t *n)
{
    unsigned char *bytes = NULL;

    OK(rj_file_read(path, (size_t)1 << 30, &bytes, n));
    return bytes;
}

START_TEST(a_graph_holds_the_model)
{
    const place p = place_new(8, 4);
    rij_model *m = trained(&p);
    const rj_params *s = rj_net_params(m->net);
    const char *path = under(&p, "judge.onnx");
    unsigned char *bytes;
    size_t n;
    span graph;

    OK(rij_model_export_onnx(m, NULL, path));
    bytes = whole(path, &n);
    graph = find((span){bytes, bytes + n}, GRAPH).bytes;
    ck_assert_uint_eq(find((span){bytes, bytes + n}, 1).value, 7);
    ck_assert_uint_eq(find(find((span){bytes, bytes + n}, 8).bytes, 2).value, 13);
    ck_assert_int_eq(count(graph, INPUT), 1);
    ck_assert_int_eq(count(graph, OUTPUT), 3); // no traces, so no proximity
    ck_assert_int_gt(count(graph, NODE), 60);
    ck_assert(is(find(find(graph, INPUT).bytes, 1).bytes, "image"));
    for (int i = 0; i < s->n; i++) {
        const bool head = strncmp(s->p[i].name, "g_h", 3) == 0; // judges nothing here
        const size_t numbers = rj_count(&s->p[i].t.shape);
        span raw;

        if (head)
            continue;
        raw = find(constant_named(graph, s->p[i].name), 9).bytes;
        ck_assert_uint_eq((size_t)(raw.end - raw.at), 4 * numbers);
        for (size_t j = 0; j < numbers; j++) {
            float x;

            memcpy(&x, raw.at + 4 * j, sizeof x);
            HOLDS(x == (float)s->p[i].t.x[j], "%s[%zu]", s->p[i].name, j);
        }
    }
    rj_free(bytes);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(the_same_model_gives_the_same_bytes)
{
    const place p = place_new(8, 4);
    rij_model *m = trained(&p);
    rij_onnx_options o = RIJ_ONNX_OPTIONS_INIT;
    unsigned char *a, *b, *c;
    size_t n[3];

    OK(rij_model_export_onnx(m, NULL, under(&p, "a")));
    o.input = "image";
    OK(rij_model_export_onnx(m, &o, under(&p, "b")));
    o.input = "crops";
    OK(rij_model_export_onnx(m, &o, under(&p, "c")));
    a = whole(under(&p, "a"), &n[0]);
    b = whole(under(&p, "b"), &n[1]);
    c = whole(under(&p, "c"), &n[2]);
    ck_assert_uint_eq(n[0], n[1]);
    ck_assert_mem_eq(a, b, n[0]);
    ck_assert_uint_lt(n[2], n[0]); // nothing is cut there
    rj_free(a);
    rj_free(b);
    rj_free(c);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(errors_are_as_documented)
{
    const place p = place_new(8, 4);
    rij_model *m = trained(&p);
    rij_onnx_options o = RIJ_ONNX_OPTIONS_INIT;
    const char *path = under(&p, "judge.onnx");

    FAILS(rij_model_export_onnx(NULL, NULL, path), RIJ_E_ARGUMENT);
    FAILS(rij_model_export_onnx(m, NULL, NULL), RIJ_E_ARGUMENT);
    o.size = 1;
    FAILS(rij_model_export_onnx(m, &o, path), RIJ_E_ARGUMENT);
    o = (rij_onnx_options)RIJ_ONNX_OPTIONS_INIT;
    o.input = "film";
    FAILS(rij_model_export_onnx(m, &o, path), RIJ_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "film"));
    ck_assert_int_ne(access(path, F_OK), 0);
    write_text(path, "before");
    FAILS(rij_model_export_onnx(m, NULL, under(&p, "no/folder.onnx")), RIJ_E_FILE);
    FAILS(rij_model_export_onnx(m, NULL, p.data), RIJ_E_FILE);
    ck_assert_int_eq(access(path, F_OK), 0);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* Each 43rd allocation fails; RJ_FAULTS=all: each. */
START_TEST(memory_that_runs_out_leaves_the_file_before)
{
    const place p = place_new(8, 4);
    const char *all = getenv("RJ_FAULTS"), *path = under(&p, "judge.onnx");
    const long step = all && strcmp(all, "all") == 0 ? 1 : 43;
    rij_model *m = trained(&p);
    unsigned char *bytes, *again;
    size_t n, length;
    rij_status status = RIJ_E_MEMORY;
    long live, at = 0;

    OK(rij_model_export_onnx(m, NULL, path));
    bytes = whole(path, &n);
    live = rj_memory_live();
    while (status != RIJ_OK) {
        at += step;
        rj_memory_fail_at(at);
        status = rij_model_export_onnx(m, NULL, path);
        rj_memory_fail_at(0);
        HOLDS(status == RIJ_OK || status == RIJ_E_MEMORY, "at %ld: %s", at,
              rij_last_error());
        HOLDS(rj_memory_live() == live, "at %ld: %ld live, not %ld", at, rj_memory_live(),
              live);
    }
    ck_assert_int_gt(at, 1000);
    again = whole(path, &length);
    ck_assert_uint_eq(length, n);
    ck_assert_mem_eq(again, bytes, n);
    rj_free(bytes);
    rj_free(again);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

SUITE(export, a_graph_holds_the_model, the_same_model_gives_the_same_bytes,
      errors_are_as_documented, memory_that_runs_out_leaves_the_file_before)
