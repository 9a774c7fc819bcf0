/* export.h: a judge as a graph for other programs. ONNX, opset 13: a file of protocol
 * buffers that says which operations make scores of pixels, with the weights. */
#ifndef RJ_EXPORT_H
#define RJ_EXPORT_H

#include "judge/judge.h"

/* ---- onnx_graph.c: a graph that grows -------------------------------------------------
 */

enum { RJ_ONNX_IN = 9, RJ_ONNX_INTS = 8 };

/* A value of the graph is its name. */
typedef struct rj_value {
    char name[RJ_NAME_MAX];
} rj_value;

/* Parts of a GraphProto as they will stand in the file. Nodes are appended in the order
 * in which they run. Once something failed, nothing is added: rj_graph_status(). */
typedef struct rj_graph {
    rj_text node, constant, input, output;
    const char *prefix; /* of the values it names: "" but in the body of a loop */
    int values;
    rij_status status; /* of what was not memory */
} rj_graph;

enum rj_element { RJ_FLOATS = 1, RJ_BYTES = 2, RJ_INTS = 7, RJ_BOOLS = 9 };

/* An attribute of a node: an integer, some integers, text or a graph. */
typedef struct rj_attribute {
    const char *name;
    const char *text;
    const rj_graph *graph;
    int n; /* 0: `i` is one integer; else so many of `ints` */
    int64_t i, ints[RJ_ONNX_INTS];
} rj_attribute;

rj_value rj_named(const char *name); /* "": an input that is left out */
/* A node of so many inputs and attributes; its one output is `out`, or a new value where
 * that is NULL. */
rj_value rj_node(rj_graph *g, const char *op, int inputs, const rj_value *in,
                 int attributes, const rj_attribute *attribute, const char *out);
rj_value rj_one(rj_graph *g, const char *op, rj_value a); /* op(a) */
rj_value rj_two(rj_graph *g, const char *op, rj_value a, rj_value b);
/* Constants: of a name (NULL: a new one), of one number, of n integers, of one. */
rj_value rj_constant(rj_graph *g, const char *name, const rj_shape *shape,
                     const float *x);
rj_value rj_number(rj_graph *g, double x);
rj_value rj_integers(rj_graph *g, int n, const int64_t *x);
rj_value rj_integer(rj_graph *g, int64_t x);
/* What a graph takes and gives: n sides, each a number, or a name where that is 0. */
void rj_declare(rj_graph *g, bool input, const char *name, enum rj_element element, int n,
                const int64_t *side, const char *const *symbol);
/* Rows y .. y_end - 1 and columns x0 .. x_end - 1, every `step`, of pictures. */
rj_value rj_slice(rj_graph *g, rj_value x, int y, int y_end, int x0, int x_end, int step);
/* Means over these axes, which go unless they are kept. */
rj_value rj_mean(rj_graph *g, rj_value x, int n, const int64_t *axis, bool keep);
/* Values joined along an axis. */
rj_value rj_join(rj_graph *g, int n, const rj_value *x, int axis);
rij_status rj_graph_status(const rj_graph *g);
/* The file of a graph; `about` are metadata. */
void rj_graph_file(const rj_graph *g, const char *name, const char *doc, int n,
                   const char *const (*about)[2], rj_text *file);
void rj_graph_free(rj_graph *g);

/* ---- the judge as nodes ------------------------------------------------------------ */

/* onnx_cover.c: bytes of a picture (height,width,3) -> its crops as grey levels
 * (crops,3,S,S), cut as rj_cover() and rj_image_crop() do. */
rj_value rj_onnx_cover(rj_graph *g, rj_value image, int crop, int most);
/* Bytes of crops (N,S,S,3) -> (N,3,S,S). */
rj_value rj_onnx_crops(rj_graph *g, rj_value bytes);
/* onnx_statistics.c: grey levels (N,3,S,S) -> statistics (N,48). */
rj_value rj_onnx_statistics(rj_graph *g, rj_value grey, int side);
/* onnx_net.c: grey levels -> h, and what distances are measured on (heads.c). */
rj_value rj_onnx_encoder(rj_graph *g, const rij_model *m, rj_value grey, rj_value *seen);
/* A tensor of the model as a constant of this name. */
rj_value rj_onnx_tensor(rj_graph *g, const rij_model *m, const char *name,
                        const rj_tensor *t);
/* A linear layer by its name, such as "classifier". */
rj_value rj_onnx_linear(rj_graph *g, const rij_model *m, const char *name, rj_value x);

#endif
