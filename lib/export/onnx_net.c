/* onnx_net.c: the network as nodes: front-end, residual encoder or the two layers that
 * weigh statistics, linear layers. Constants bear the names that tensors have in the
 * model file, and torchvision. Batch norm stays a node of its own: who runs the graph
 * folds it. */
#include "export/export.h"
#include <stdio.h>

/* A parameter, or any tensor of the model, as a constant. */
rj_value rj_onnx_tensor(rj_graph *g, const rij_model *m, const char *name,
                        const rj_tensor *t)
{
    const size_t n = rj_count(&t->shape);
    rj_real *host = rj_alloc(n, sizeof *host);
    float *x = rj_alloc(n, sizeof *x);
    rj_value v = rj_named(name);

    if (g->status == RIJ_OK)
        g->status = host && x ? rj_download(m->dev, host, t->x, n)
                              : rj_fail(RIJ_E_MEMORY, "export: no memory");
    if (g->status == RIJ_OK) {
        for (size_t i = 0; i < n; i++)
            x[i] = (float)host[i];
        v = rj_constant(g, name, &t->shape, x);
    }
    rj_free(host);
    rj_free(x);
    return v;
}

static rj_value param(rj_graph *g, const rij_model *m, int index)
{
    const rj_param *p = &rj_net_params(m->net)->p[index];

    return rj_onnx_tensor(g, m, p->name, &p->t);
}

rj_value rj_onnx_linear(rj_graph *g, const rij_model *m, const char *name, rj_value x)
{
    const rj_attribute turned = {.name = "transB", .i = 1};
    rj_value in[3] = {x};
    int n = 1;

    for (int i = 0; i < 2; i++) {
        char whole[RJ_NAME_MAX];
        int index;

        snprintf(whole, sizeof whole, "%s.%s", name, i ? "bias" : "weight");
        index = rj_params_find(rj_net_params(m->net), whole);
        if (index >= 0)
            in[n++] = param(g, m, index);
    }
    return rj_node(g, "Gemm", n, in, 1, &turned, NULL);
}

/* ---- front-ends: op/residual.c -------------------------------------------------------
 */

/* Medians of nine by nineteen exchanges (Paeth 1990): exact, and no sorting. */
static rj_value median_of(rj_graph *g, rj_value p[9])
{
    static const unsigned char exchange[19][2] = {
        {1, 2}, {4, 5}, {7, 8}, {0, 1}, {3, 4}, {6, 7}, {1, 2}, {4, 5}, {7, 8}, {0, 3},
        {5, 8}, {4, 7}, {3, 6}, {1, 4}, {2, 5}, {4, 7}, {4, 2}, {6, 4}, {4, 2}};

    for (int i = 0; i < 19; i++) {
        const int a = exchange[i][0], b = exchange[i][1];
        const rj_value low = rj_two(g, "Min", p[a], p[b]);

        p[b] = rj_two(g, "Max", p[a], p[b]);
        p[a] = low;
    }
    return p[4];
}

/* x less the median of the 3x3 around it; borders reflected. x (N,C,side,side) */
static rj_value off_median(rj_graph *g, rj_value x, int side)
{
    const rj_attribute mode = {.name = "mode", .text = "reflect"};
    const rj_value in[2] = {x, rj_integers(g, 8, (int64_t[]){0, 0, 1, 1, 0, 0, 1, 1})};
    const rj_value wide = rj_node(g, "Pad", 2, in, 1, &mode, NULL);
    rj_value near[9];

    for (int i = 0; i < 9; i++)
        near[i] = rj_slice(g, wide, i / 3, i / 3 + side, i % 3, i % 3 + side, 1);
    return rj_two(g, "Sub", x, median_of(g, near));
}

/* The top-left pixel of each cell of 2x2, all over the cell. */
static rj_value off_corner(rj_graph *g, rj_value x, int side)
{
    static const float twice[4] = {1, 1, 2, 2};
    const rj_shape four = rj_shape_plain(1, 4, 0, 0, 0);
    const rj_attribute how[3] = {
        {.name = "mode", .text = "nearest"},
        {.name = "coordinate_transformation_mode", .text = "asymmetric"},
        {.name = "nearest_mode", .text = "floor"}};
    const rj_value in[3] = {rj_slice(g, x, 0, side, 0, side, 2), rj_named(""),
                            rj_constant(g, NULL, &four, twice)};

    return rj_two(g, "Sub", x, rj_node(g, "Resize", 3, in, 3, how, NULL));
}

/* lh, hl, hh of each channel: a convolution of cells. */
static rj_value haar(rj_graph *g, rj_value x)
{
    static const float sign[3][4] = {{1, 1, -1, -1}, {1, -1, 1, -1}, {1, -1, -1, 1}};
    const rj_shape shape = rj_shape_plain(4, 9, 3, 2, 2);
    const rj_attribute stride = {.name = "strides", .n = 2, .ints = {2, 2}};
    float w[9][3][4] = {{{0}}};

    for (int b = 0; b < 3; b++)
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < 4; i++)
                w[3 * b + c][c][i] = sign[b][i] / 2;
    {
        const rj_value in[2] = {x, rj_constant(g, NULL, &shape, w[0][0])};

        return rj_node(g, "Conv", 2, in, 1, &stride, NULL);
    }
}

static rj_value octaves(rj_graph *g, rj_value x, int side)
{
    const rj_attribute half[2] = {{.name = "kernel_shape", .n = 2, .ints = {2, 2}},
                                  {.name = "strides", .n = 2, .ints = {2, 2}}};
    const rj_value fine = off_median(g, x, side);
    const rj_value sums = rj_two(
        g, "Mul", rj_node(g, "AveragePool", 1, &x, 2, half, NULL), rj_number(g, 2));
    rj_value band[5];

    for (int i = 0; i < 4; i++)
        band[i] = rj_slice(g, fine, i / 2, side, i % 2, side, 2);
    band[4] = off_median(g, sums, side / 2);
    return rj_join(g, 5, band, 1);
}

static rj_value front(rj_graph *g, enum rj_front kind, rj_value x, int side)
{
    switch (kind) {
    case RJ_FRONT_MEDIAN:
        return off_median(g, x, side);
    case RJ_FRONT_NPR:
        return off_corner(g, x, side);
    case RJ_FRONT_HAAR:
        return haar(g, x);
    case RJ_FRONT_OCTAVES:
        return octaves(g, x, side);
    default:
        return x;
    }
}

/* ---- the encoder --------------------------------------------------------------------
 */

static rj_value conv(rj_graph *g, const rij_model *m, const rj_conv_layer *l, rj_value x)
{
    const rj_attribute a[2] = {
        {.name = "strides", .n = 2, .ints = {l->stride, l->stride}},
        {.name = "pads", .n = 4, .ints = {l->pad, l->pad, l->pad, l->pad}}};
    const rj_value in[2] = {x, param(g, m, l->w)};

    return rj_node(g, "Conv", 2, in, 2, a, NULL);
}

/* The attribute epsilon is 1e-5 where none stands, which is RJ_BN_EPS. */
static rj_value norm(rj_graph *g, const rij_model *m, const rj_bn_layer *l, rj_value x)
{
    const rj_value in[5] = {x, param(g, m, l->gamma), param(g, m, l->beta),
                            param(g, m, l->mean), param(g, m, l->var)};

    return rj_node(g, "BatchNormalization", 5, in, 0, NULL, NULL);
}

static rj_value block(rj_graph *g, const rij_model *m, const rj_res_block *b, rj_value x)
{
    const rj_value past =
        b->projected ? norm(g, m, &b->down_bn, conv(g, m, &b->down, x)) : x;

    for (int i = 0; i < b->convs; i++) {
        x = norm(g, m, &b->bn[i], conv(g, m, &b->conv[i], x));
        x = rj_one(g, "Relu", i + 1 < b->convs ? x : rj_two(g, "Add", x, past));
    }
    return x;
}

static rj_value residual(rj_graph *g, const rij_model *m, const rj_encoder *e, rj_value x)
{
    static const rj_attribute pool[3] = {{.name = "kernel_shape", .n = 2, .ints = {3, 3}},
                                         {.name = "strides", .n = 2, .ints = {2, 2}},
                                         {.name = "pads", .n = 4, .ints = {1, 1, 1, 1}}};

    x = front(g, e->front, x, m->crop);
    x = rj_one(g, "Relu", norm(g, m, &e->stem_bn, conv(g, m, &e->stem, x)));
    if (e->pooled)
        x = rj_node(g, "MaxPool", 1, &x, 3, pool, NULL);
    for (int i = 0; i < e->blocks; i++)
        x = block(g, m, &e->block[i], x);
    return rj_mean(g, x, 2, (int64_t[]){2, 3}, false);
}

rj_value rj_onnx_encoder(rj_graph *g, const rij_model *m, rj_value grey, rj_value *seen)
{
    const rj_encoder *e = rj_net_encoder(m->net);
    rj_value h;

    if (e->weighs) {
        *seen = rj_onnx_statistics(g, grey, m->crop);
        h = rj_one(g, "Relu", rj_onnx_linear(g, m, "encoder.weigh.0", *seen));
        return rj_one(g, "Relu", rj_onnx_linear(g, m, "encoder.weigh.2", h));
    }
    h = rj_two(g, "Sub", grey, rj_number(g, 127.5));
    *seen = residual(g, m, e, rj_two(g, "Div", h, rj_number(g, 127.5)));
    return *seen;
}
