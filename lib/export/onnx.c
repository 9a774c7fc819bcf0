/* onnx.c: rij_model_export_onnx(): from pixels to the score, as one graph.
 *
 *     image -> crops -> encoder -> S_cls, S_prox -> means -> S -> margin -> score
 *
 * What is not in it: decoding, EXIF orientation, and answers with a promise (p-values),
 * which count the calibration's pictures. */
#include "export/export.h"
#include <stdio.h>
#include <string.h>

/* S_prox or S_dist of each crop, (N,1). */
static rj_value proximity(rj_graph *g, const rij_model *m, rj_value h, rj_value seen)
{
    const rj_attribute last[2] = {{.name = "axes", .n = 1, .ints = {1}},
                                  {.name = "keepdims", .i = 1}};
    const rj_attribute order = {.name = "perm", .n = 2, .ints = {1, 0}};
    rj_value u, length, traces;

    if (m->distance) {
        const int n = rj_net_seen(m->net);
        const rj_shape row = rj_shape_plain(1, n, 0, 0, 0),
                       column = rj_shape_plain(2, n, 1, 0, 0);

        return rj_two(
            g, "MatMul",
            rj_two(g, "Sub", seen, rj_constant(g, "distance.mean", &row, m->distance)),
            rj_constant(g, "distance.direction", &column, m->distance + n));
    }
    u = rj_onnx_linear(g, m, "g_hom.0", h);
    u = rj_onnx_linear(g, m, "g_hom.2", rj_one(g, "Relu", u));
    // op/l2norm.c: y = u / sqrt(sum u^2 + 1e-12)
    length = rj_node(g, "ReduceSumSquare", 1, &u, 2, last, NULL);
    length = rj_one(g, "Sqrt", rj_two(g, "Add", length, rj_number(g, 1e-12)));
    traces = rj_onnx_tensor(g, m, "traces", m->trace);
    traces = rj_node(g, "Transpose", 1, &traces, 1, &order, NULL);
    u = rj_two(g, "MatMul", rj_two(g, "Div", u, length), traces);
    return rj_one(g, "Neg", rj_node(g, "ReduceMax", 1, &u, 2, last, NULL));
}

/* rj_decision_s() of judge/calibrate.c. */
static rj_value decide(rj_graph *g, const rj_decision *d, rj_value cls, rj_value prox)
{
    rj_value standard;

    if (d->by == RJ_DECIDE_CLASSIFIER)
        return cls;
    standard = rj_two(g, "Div", rj_two(g, "Sub", prox, rj_number(g, d->prox_mean)),
                      rj_number(g, d->prox_deviation));
    if (d->by == RJ_DECIDE_PROXIMITY || d->by == RJ_DECIDE_DISTANCE)
        return standard;
    return rj_two(g, "Add", cls, rj_two(g, "Mul", standard, rj_number(g, d->kappa)));
}

/* (N,1) -> an output of that name: (N), or the mean of all as (1). */
static rj_value give(rj_graph *g, rj_value x, bool mean, const char *name)
{
    const rj_attribute axis[2] = {{.name = "axes", .n = 1, .ints = {mean ? 0 : 1}},
                                  {.name = "keepdims", .i = 0}};

    return rj_node(g, "ReduceMean", 1, &x, 2, axis, name);
}

static void declare(rj_graph *g, const rij_model *m, bool crops, bool prox)
{
    static const char *const names[] = {"score", "margin", "classifier", "proximity"};
    static const char *const picture[] = {"height", "width", NULL};
    static const char *const batch[] = {"crops", NULL, NULL, NULL};
    const int64_t sides[4] = {0, crops ? m->crop : 0, crops ? m->crop : 3, 3};
    const int64_t one = crops ? 0 : 1;

    rj_declare(g, true, crops ? "crops" : "image", RJ_BYTES, crops ? 4 : 3, sides,
               crops ? batch : picture);
    for (int i = 0; i < RJ_COUNT(names) - !prox; i++)
        rj_declare(g, false, names[i], RJ_FLOATS, 1, &one, batch);
}

static void build(rj_graph *g, const rij_model *m, bool crops)
{
    const bool near = m->distance || m->traces;
    rj_value grey, h, seen, cls, prox = {{0}}, margin, in[2];

    grey = crops ? rj_onnx_crops(g, rj_named("crops"))
                 : rj_onnx_cover(g, rj_named("image"), m->crop, m->most_crops);
    h = rj_onnx_encoder(g, m, grey, &seen);
    cls = give(g, rj_onnx_linear(g, m, "classifier", h), !crops, "classifier");
    if (near)
        prox = give(g, proximity(g, m, h, seen), !crops, "proximity");
    in[0] =
        rj_two(g, "Mul", decide(g, &m->decision, cls, prox), rj_number(g, m->decision.a));
    in[1] = rj_number(g, m->decision.b);
    margin = rj_node(g, "Add", 2, in, 0, NULL, "margin");
    rj_node(g, "Sigmoid", 1, &margin, 0, NULL, "score");
    declare(g, m, crops, near);
}

static rij_status write_graph(const rij_model *m, bool crops, const char *path)
{
    const rj_net_config *config = rj_net_config_of(m->net);
    char side[16];
    const char *const about[][2] = {
        {"net.encoder", config->encoder},
        {"net.front", config->front},
        {"input.crop", side},
        {"decision.by", rj_decide_names[m->decision.by]},
    };
    rj_graph g = {0};
    rj_text file = {0};
    rij_status status;

    snprintf(side, sizeof side, "%d", m->crop);
    build(&g, m, crops);
    RJ_TRY_DONE(rj_graph_status(&g));
    rj_graph_file(&g, "realjudge",
                  "score: 0 photograph .. 1 generated; margin: the same in logits", 4,
                  about, &file);
    RJ_TRY_DONE(rj_text_done(&file));
    RJ_TRY_DONE(rj_file_write(path, file.bytes, (size_t)file.n));
done:
    rj_text_free(&file);
    rj_graph_free(&g);
    return status;
}

RIJ_API rij_status rij_model_export_onnx(const rij_model *model,
                                         const rij_onnx_options *options,
                                         const char *path)
{
    const rij_onnx_options usual = RIJ_ONNX_OPTIONS_INIT, *o = options;

    if (!o)
        o = &usual;
    RJ_REQUIRE(model && path, RIJ_E_ARGUMENT, "rij_model_export_onnx: the %s is NULL",
               model ? "path" : "model");
    RJ_REQUIRE(o->size == sizeof *o, RIJ_E_ARGUMENT,
               "rij_model_export_onnx: options.size is %zu, not %zu; start with "
               "RIJ_ONNX_OPTIONS_INIT",
               o->size, sizeof *o);
    RJ_REQUIRE(
        !o->input || strcmp(o->input, "image") == 0 || strcmp(o->input, "crops") == 0,
        RIJ_E_ARGUMENT, "rij_model_export_onnx: input is '%.40s', not 'image' or 'crops'",
        o->input);
    return write_graph(model, o->input && strcmp(o->input, "crops") == 0, path);
}
