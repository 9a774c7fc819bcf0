/* onnx_graph.c: nodes and constants in the wire format of protocol buffers.
 *
 * Of that format four things are needed: numbers of 7 bits a byte, a field's key (its
 * number and kind), bytes behind their length, and messages, which are bytes. Field
 * numbers are those of onnx.proto (version 1.8, IR 7); they never change. */
#include "export/export.h"
#include <stdio.h>
#include <string.h>

enum { IR = 7, OPSET = 13 };
/* Kinds of a field. */
enum { VARINT = 0, LENGTH = 2 };
/* Numbers of fields, by message. */
enum { M_IR = 1, M_PRODUCER, M_VERSION, M_GRAPH = 7, M_OPSET = 8, M_ABOUT = 14 };
enum { OPSET_VERSION = 2, ABOUT_KEY = 1, ABOUT_VALUE = 2 };
enum { G_NODE = 1, G_NAME, G_CONSTANT = 5, G_DOC = 10, G_INPUT, G_OUTPUT };
enum { N_INPUT = 1, N_OUTPUT, N_NAME, N_OP, N_ATTRIBUTE };
enum { A_NAME = 1, A_INT = 3, A_TEXT, A_GRAPH = 6, A_INTS = 8, A_TYPE = 20 };
enum { IS_INT = 2, IS_TEXT = 3, IS_GRAPH = 5, IS_INTS = 7 };
enum { T_DIM = 1, T_ELEMENT, T_NAME = 8, T_RAW = 9 };
enum { V_NAME = 1, V_TYPE, TYPE_TENSOR = 1, TENSOR_ELEMENT = 1, TENSOR_SHAPE = 2 };
enum { SHAPE_DIM = 1, DIM_VALUE = 1, DIM_SYMBOL = 2 };

/* ---- the wire -----------------------------------------------------------------------
 */

static void varint(rj_text *t, uint64_t x)
{
    char byte[10];
    size_t n = 0;

    for (; x >= 0x80; x >>= 7)
        byte[n++] = (char)((x & 0x7f) | 0x80);
    byte[n++] = (char)x;
    rj_text_bytes(t, byte, n);
}

static void put_int(rj_text *t, int field, int64_t x)
{
    varint(t, (uint64_t)field << 3 | VARINT);
    varint(t, (uint64_t)x);
}

static void put_bytes(rj_text *t, int field, const void *bytes, size_t n)
{
    varint(t, (uint64_t)field << 3 | LENGTH);
    varint(t, n);
    if (n)
        rj_text_bytes(t, bytes, n);
}

static void put_text(rj_text *t, int field, const char *text)
{
    put_bytes(t, field, text, strlen(text));
}

/* A message that is done; it goes. */
static void put_message(rj_text *t, int field, rj_text *message)
{
    if (message->failed)
        t->failed = true;
    put_bytes(t, field, message->bytes, (size_t)message->n);
    rj_text_free(message);
    *message = (rj_text){0};
}

/* ---- constants ----------------------------------------------------------------------
 */

rj_value rj_named(const char *name)
{
    rj_value v;

    snprintf(v.name, sizeof v.name, "%s", name);
    return v;
}

static rj_value fresh(rj_graph *g)
{
    rj_value v;

    snprintf(v.name, sizeof v.name, "%sv%d", g->prefix ? g->prefix : "", g->values++);
    return v;
}

/* Numbers little-endian, as the format wants them, whatever the machine. */
static rj_value constant(rj_graph *g, const char *name, int rank, const int64_t *dim,
                         enum rj_element element, rj_text *raw)
{
    const rj_value v = name ? rj_named(name) : fresh(g);
    rj_text t = {0};

    for (int i = 0; i < rank; i++)
        put_int(&t, T_DIM, dim[i]);
    put_int(&t, T_ELEMENT, element);
    put_text(&t, T_NAME, v.name);
    put_message(&t, T_RAW, raw);
    put_message(&g->constant, G_CONSTANT, &t);
    return v;
}

rj_value rj_constant(rj_graph *g, const char *name, const rj_shape *shape, const float *x)
{
    enum { PIECE = 256 };
    const size_t n = rj_count(shape);
    int64_t dim[RJ_MAX_RANK];
    rj_text raw = {0};

    for (int i = 0; i < shape->rank; i++)
        dim[i] = shape->dim[i];
    for (size_t i = 0; i < n; i += PIECE) {
        unsigned char byte[4 * PIECE];
        const size_t m = RJ_MIN(n - i, (size_t)PIECE);

        for (size_t j = 0; j < m; j++) {
            uint32_t bits;

            memcpy(&bits, &x[i + j], sizeof bits);
            for (int k = 0; k < 4; k++)
                byte[4 * j + (size_t)k] = (unsigned char)(bits >> 8 * k);
        }
        rj_text_bytes(&raw, (const char *)byte, 4 * m);
    }
    return constant(g, name, shape->rank, dim, RJ_FLOATS, &raw);
}

rj_value rj_number(rj_graph *g, double x)
{
    const rj_shape shape = {0};
    const float number = (float)x;

    return rj_constant(g, NULL, &shape, &number);
}

static rj_value integers(rj_graph *g, int rank, int n, const int64_t *x)
{
    const int64_t dim[1] = {n};
    rj_text raw = {0};

    for (int i = 0; i < n; i++) {
        char byte[8];

        for (int k = 0; k < 8; k++)
            byte[k] = (char)((uint64_t)x[i] >> 8 * k & 0xff);
        rj_text_bytes(&raw, byte, sizeof byte);
    }
    return constant(g, NULL, rank, dim, RJ_INTS, &raw);
}

rj_value rj_integers(rj_graph *g, int n, const int64_t *x)
{
    return integers(g, 1, n, x);
}

rj_value rj_integer(rj_graph *g, int64_t x)
{
    return integers(g, 0, 1, &x);
}

/* ---- nodes --------------------------------------------------------------------------
 */

static void graph_message(const rj_graph *g, const char *name, const char *doc,
                          rj_text *t)
{
    rj_text_bytes(t, g->node.bytes ? g->node.bytes : "", (size_t)g->node.n);
    put_text(t, G_NAME, name);
    rj_text_bytes(t, g->constant.bytes ? g->constant.bytes : "", (size_t)g->constant.n);
    if (doc)
        put_text(t, G_DOC, doc);
    rj_text_bytes(t, g->input.bytes ? g->input.bytes : "", (size_t)g->input.n);
    rj_text_bytes(t, g->output.bytes ? g->output.bytes : "", (size_t)g->output.n);
}

static void put_attribute(rj_text *t, const rj_attribute *a)
{
    rj_text message = {0}, body = {0};

    put_text(&message, A_NAME, a->name);
    if (a->text) {
        put_text(&message, A_TEXT, a->text);
    } else if (a->graph) {
        graph_message(a->graph, a->name, NULL, &body);
        put_message(&message, A_GRAPH, &body);
    } else if (a->n) {
        for (int i = 0; i < a->n; i++)
            put_int(&message, A_INTS, a->ints[i]);
    } else {
        put_int(&message, A_INT, a->i);
    }
    put_int(&message, A_TYPE,
            a->text    ? IS_TEXT
            : a->graph ? IS_GRAPH
            : a->n     ? IS_INTS
                       : IS_INT);
    put_message(t, N_ATTRIBUTE, &message);
}

rj_value rj_node(rj_graph *g, const char *op, int inputs, const rj_value *in,
                 int attributes, const rj_attribute *attribute, const char *out)
{
    const rj_value v = out ? rj_named(out) : fresh(g);
    rj_text t = {0};

    for (int i = 0; i < inputs; i++)
        put_text(&t, N_INPUT, in[i].name);
    put_text(&t, N_OUTPUT, v.name);
    put_text(&t, N_OP, op);
    for (int i = 0; i < attributes; i++)
        put_attribute(&t, &attribute[i]);
    put_message(&g->node, G_NODE, &t);
    return v;
}

rj_value rj_one(rj_graph *g, const char *op, rj_value a)
{
    return rj_node(g, op, 1, &a, 0, NULL, NULL);
}

rj_value rj_two(rj_graph *g, const char *op, rj_value a, rj_value b)
{
    const rj_value in[2] = {a, b};

    return rj_node(g, op, 2, in, 0, NULL, NULL);
}

/* Rows y .. y_end - 1 and columns x0 .. x_end - 1, every `step`, of pictures. */
rj_value rj_slice(rj_graph *g, rj_value x, int y, int y_end, int x0, int x_end, int step)
{
    const rj_value in[5] = {x, rj_integers(g, 2, (int64_t[]){y, x0}),
                            rj_integers(g, 2, (int64_t[]){y_end, x_end}),
                            rj_integers(g, 2, (int64_t[]){2, 3}),
                            rj_integers(g, 2, (int64_t[]){step, step})};

    return rj_node(g, "Slice", 5, in, 0, NULL, NULL);
}

rj_value rj_mean(rj_graph *g, rj_value x, int n, const int64_t *axis, bool keep)
{
    rj_attribute a[2] = {{.name = "axes", .n = n}, {.name = "keepdims", .i = keep}};

    memcpy(a[0].ints, axis, (size_t)n * sizeof *axis);
    return rj_node(g, "ReduceMean", 1, &x, 2, a, NULL);
}

rj_value rj_join(rj_graph *g, int n, const rj_value *x, int axis)
{
    const rj_attribute a = {.name = "axis", .i = axis};

    return rj_node(g, "Concat", n, x, 1, &a, NULL);
}

/* ---- the whole ----------------------------------------------------------------------
 */

void rj_declare(rj_graph *g, bool input, const char *name, enum rj_element element, int n,
                const int64_t *side, const char *const *symbol)
{
    rj_text value = {0}, type = {0}, tensor = {0}, shape = {0};

    for (int i = 0; i < n; i++) {
        rj_text dim = {0};

        if (side[i])
            put_int(&dim, DIM_VALUE, side[i]);
        else
            put_text(&dim, DIM_SYMBOL, symbol[i]);
        put_message(&shape, SHAPE_DIM, &dim);
    }
    put_int(&tensor, TENSOR_ELEMENT, element);
    put_message(&tensor, TENSOR_SHAPE, &shape);
    put_message(&type, TYPE_TENSOR, &tensor);
    put_text(&value, V_NAME, name);
    put_message(&value, V_TYPE, &type);
    put_message(input ? &g->input : &g->output, input ? G_INPUT : G_OUTPUT, &value);
}

rij_status rj_graph_status(const rj_graph *g)
{
    RJ_TRY(g->status);
    RJ_REQUIRE(!g->node.failed && !g->constant.failed && !g->input.failed &&
                   !g->output.failed,
               RIJ_E_MEMORY, "export: no memory");
    return RIJ_OK;
}

void rj_graph_file(const rj_graph *g, const char *name, const char *doc, int n,
                   const char *const (*about)[2], rj_text *file)
{
    rj_text graph = {0}, opset = {0};

    put_int(file, M_IR, IR);
    put_text(file, M_PRODUCER, "librealjudge");
    put_text(file, M_VERSION, rij_version());
    graph_message(g, name, doc, &graph);
    put_message(file, M_GRAPH, &graph);
    put_int(&opset, OPSET_VERSION, OPSET);
    put_message(file, M_OPSET, &opset);
    for (int i = 0; i < n; i++) {
        rj_text entry = {0};

        put_text(&entry, ABOUT_KEY, about[i][0]);
        put_text(&entry, ABOUT_VALUE, about[i][1]);
        put_message(file, M_ABOUT, &entry);
    }
}

void rj_graph_free(rj_graph *g)
{
    rj_text_free(&g->node);
    rj_text_free(&g->constant);
    rj_text_free(&g->input);
    rj_text_free(&g->output);
}
