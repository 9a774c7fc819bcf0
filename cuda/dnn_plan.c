/* dnn_plan.c: cuDNN's graph interface. A tensor each for x, w and y, and a convolution,
 * make an operation; that alone is the graph. cuDNN's heuristic lists engine
 * configurations, the fastest first by its own judgement; the first is taken that is
 * deterministic, keeps to the precision and can be made a plan. */
#include "dnn.h"
#include <stdlib.h>

enum { X, W, Y, OPERANDS }; /* their numbers in cuDNN are one more */

#define MOST_WORKSPACE ((size_t)1 << 28) /* bytes; what takes more is passed over */

enum { OFFERS = 64, OBJECTS = 2 * OFFERS + 16 };

/* cuDNN's objects, freed together. The first failure is kept, and nothing is called after
 * it, so that a row of calls is checked once. */
typedef struct bag {
    const rj_cudnn *calls;
    void *object[OBJECTS];
    int n;
    unsigned wrong;
    const char *what; /* failed */
} bag;

struct rj_dnn_plan {
    const rj_cudnn *calls;
    void *object; /* needs none of those it was made from */
    rj_dnn_facts facts;
};

static void note(bag *b, unsigned wrong, const char *what)
{
    if (wrong && !b->wrong) {
        b->wrong = wrong;
        b->what = what;
    }
}

static void *object(bag *b, unsigned kind, const char *what)
{
    void *made = NULL;

    if (!b->wrong)
        note(b, b->calls->cudnnBackendCreateDescriptor(kind, &made), what);
    if (made)
        b->object[b->n++] = made;
    return made;
}

static void set(bag *b, void *o, unsigned name, unsigned type, int64_t n,
                const void *values)
{
    if (!b->wrong)
        note(b, b->calls->cudnnBackendSetAttribute(o, name, type, n, values),
             "an attribute");
}

static void set_object(bag *b, void *o, unsigned name, void *value)
{
    set(b, o, name, RJ_CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static void finalize(bag *b, void *o, const char *what)
{
    if (!b->wrong)
        note(b, b->calls->cudnnBackendFinalize(o), what);
}

/* Free those past the first `keep`, the newest first. */
static void shrink(bag *b, int keep)
{
    while (b->n > keep)
        b->calls->cudnnBackendDestroyDescriptor(b->object[--b->n]);
}

static rij_status told(const bag *b)
{
    char words[160] = "";

    b->calls->cudnnGetLastErrorString(words, sizeof words);
    return rj_core_fail(RIJ_E_DEVICE, "cudnn: %s: status %u: %s", b->what, b->wrong,
                        words);
}

static int64_t padded(int c)
{
    return (c + RJ_BLOCK - 1) / RJ_BLOCK * RJ_BLOCK;
}

static void *tensor(bag *b, int64_t number, int64_t type, int64_t n, int64_t c, int64_t h,
                    int64_t w)
{
    const int64_t dims[] = {n, c, h, w}, strides[] = {h * w * c, 1, w * c, c};
    const int64_t alignment = 16;
    const int kind = (int)type; // an enumeration of theirs
    void *o = object(b, RJ_CUDNN_BACKEND_TENSOR_DESCRIPTOR, "a tensor");

    set(b, o, RJ_CUDNN_ATTR_TENSOR_DATA_TYPE, RJ_CUDNN_TYPE_DATA_TYPE, 1, &kind);
    set(b, o, RJ_CUDNN_ATTR_TENSOR_DIMENSIONS, RJ_CUDNN_TYPE_INT64, 4, dims);
    set(b, o, RJ_CUDNN_ATTR_TENSOR_STRIDES, RJ_CUDNN_TYPE_INT64, 4, strides);
    set(b, o, RJ_CUDNN_ATTR_TENSOR_UNIQUE_ID, RJ_CUDNN_TYPE_INT64, 1, &number);
    set(b, o, RJ_CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, RJ_CUDNN_TYPE_INT64, 1, &alignment);
    finalize(b, o, "a tensor");
    return o;
}

static void *convolution(bag *b, const rj_conv *d)
{
    const int64_t sides = 2, one[] = {1, 1}, pad[] = {d->pad, d->pad},
                  stride[] = {d->stride, d->stride};
    const int type = RJ_CUDNN_DATA_FLOAT, mode = RJ_CUDNN_CROSS_CORRELATION;
    void *o = object(b, RJ_CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "a convolution");

    set(b, o, RJ_CUDNN_ATTR_CONVOLUTION_COMP_TYPE, RJ_CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(b, o, RJ_CUDNN_ATTR_CONVOLUTION_CONV_MODE, RJ_CUDNN_TYPE_CONVOLUTION_MODE, 1,
        &mode);
    set(b, o, RJ_CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, RJ_CUDNN_TYPE_INT64, 1, &sides);
    set(b, o, RJ_CUDNN_ATTR_CONVOLUTION_DILATIONS, RJ_CUDNN_TYPE_INT64, 2, one);
    set(b, o, RJ_CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, RJ_CUDNN_TYPE_INT64, 2, stride);
    set(b, o, RJ_CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, RJ_CUDNN_TYPE_INT64, 2, pad);
    set(b, o, RJ_CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, RJ_CUDNN_TYPE_INT64, 2, pad);
    finalize(b, o, "a convolution");
    return o;
}

/* The operation's kind and the names of its parts: convolution, x, w, y, and the factors
 * of the product and of what the result holds. */
static const unsigned operations[][7] = {
    [RJ_DNN_FORWARD] = {RJ_CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [RJ_DNN_BY_DATA] = {RJ_CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [RJ_DNN_BY_WEIGHTS] = {
        RJ_CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
        RJ_CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};

/* The graph of one operation, finished. */
static void *graph_of(bag *b, const rj_dnn_want *want, struct cudnnContext *handle)
{
    const rj_conv *d = &want->d;
    const unsigned *name = operations[want->kind];
    const int type =
        want->precision == RJ_BF16 ? RJ_CUDNN_DATA_BFLOAT16 : RJ_CUDNN_DATA_FLOAT;
    const int64_t c = padded(d->c), k = padded(d->k);
    const float alpha = 1, beta = want->add ? 1 : 0;
    void *part[1 + OPERANDS], *operation, *graph;

    part[0] = convolution(b, d);
    part[1 + X] = tensor(b, 1 + X, type, d->n, c, d->h, d->w);
    part[1 + W] = tensor(b, 1 + W, type, k, c, d->r, d->s);
    part[1 + Y] = tensor(b, 1 + Y, type, d->n, k, d->p, d->q);
    operation = object(b, name[0], "an operation");
    for (int i = 0; i < 1 + OPERANDS; i++)
        set_object(b, operation, name[1 + i], part[i]);
    set(b, operation, name[5], RJ_CUDNN_TYPE_FLOAT, 1, &alpha);
    set(b, operation, name[6], RJ_CUDNN_TYPE_FLOAT, 1, &beta);
    finalize(b, operation, "an operation");
    graph = object(b, RJ_CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "a graph");
    set_object(b, graph, RJ_CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
    if (handle)
        set(b, graph, RJ_CUDNN_ATTR_OPERATIONGRAPH_HANDLE, RJ_CUDNN_TYPE_HANDLE, 1,
            &handle);
    finalize(b, graph, "a graph");
    return graph;
}

static void *described(bag *b, const char *text)
{
    int64_t n = 0;
    void *o = object(b, RJ_CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "a device's description");

    while (text[n])
        n++;
    if (!b->wrong)
        note(b,
             b->calls->cudnnBackendSetAttribute(
                 o, RJ_CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, RJ_CUDNN_TYPE_CHAR, n,
                 text),
             "a device's description");
    finalize(b, o, "a device's description");
    return o;
}

/* Whether the configuration's engine keeps to the precision and to one order of sums;
 * its number. */
static bool suits(bag *b, void *configuration, enum rj_precision precision, int *number)
{
    int note_of[RJ_CUDNN_NUMERICAL_NOTE_TYPE_COUNT + 16]; // newer versions have more
    int64_t n = 0, index = -1;
    void *engine = object(b, RJ_CUDNN_BACKEND_ENGINE_DESCRIPTOR, "an engine");
    const rj_cudnn *c = b->calls;

    if (b->wrong ||
        c->cudnnBackendGetAttribute(configuration, RJ_CUDNN_ATTR_ENGINECFG_ENGINE,
                                    RJ_CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine) ||
        c->cudnnBackendGetAttribute(engine, RJ_CUDNN_ATTR_ENGINE_GLOBAL_INDEX,
                                    RJ_CUDNN_TYPE_INT64, 1, &n, &index) ||
        c->cudnnBackendGetAttribute(engine, RJ_CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                    RJ_CUDNN_TYPE_NUMERICAL_NOTE, RJ_COUNT(note_of), &n,
                                    note_of))
        return false;
    *number = (int)index;
    for (int64_t i = 0; i < n && i < RJ_COUNT(note_of); i++) {
        const int which = note_of[i];

        if (which == RJ_CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC ||
            which == RJ_CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
            (precision == RJ_FP32 &&
             (which == RJ_CUDNN_NUMERICAL_NOTE_TENSOR_CORE ||
              which == RJ_CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS)))
            return false;
    }
    return true;
}

/* Make the configuration a plan; false: cuDNN cannot. */
static bool planned(bag *b, void *configuration, struct cudnnContext *handle,
                    void *device, rj_dnn_plan *p)
{
    void *o = object(b, RJ_CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "a plan");
    int64_t n, bytes = 0;

    set_object(b, o, RJ_CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
    if (handle)
        set(b, o, RJ_CUDNN_ATTR_EXECUTION_PLAN_HANDLE, RJ_CUDNN_TYPE_HANDLE, 1, &handle);
    else
        set_object(b, o, RJ_CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
    finalize(b, o, "a plan");
    if (!b->wrong)
        note(b,
             b->calls->cudnnBackendGetAttribute(
                 o, RJ_CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, RJ_CUDNN_TYPE_INT64, 1,
                 &n, &bytes),
             "a plan");
    if (b->wrong || bytes < 0 || (size_t)bytes > MOST_WORKSPACE)
        return false;
    b->n--; // it is the plan's now
    p->object = o;
    p->facts.workspace = (size_t)bytes;
    return true;
}

/* Try what one mode of the heuristic offers, in its order. False: none will do, or it
 * failed; b->wrong tells which. */
static bool choose(bag *b, const rj_dnn_want *want, unsigned mode, void *graph,
                   struct cudnnContext *handle, void *device, rj_dnn_plan *p)
{
    void *list = object(b, RJ_CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "a heuristic");
    void *offer[OFFERS];
    int64_t n = 0;

    set_object(b, list, RJ_CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    set(b, list, RJ_CUDNN_ATTR_ENGINEHEUR_MODE, RJ_CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (device)
        set_object(b, list, RJ_CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
    finalize(b, list, "a heuristic");
    for (int i = 0; i < OFFERS; i++)
        offer[i] = object(b, RJ_CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "a configuration");
    if (!b->wrong)
        note(b,
             b->calls->cudnnBackendGetAttribute(list, RJ_CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                RJ_CUDNN_TYPE_BACKEND_DESCRIPTOR, OFFERS,
                                                &n, (void *)offer),
             "a heuristic");
    for (int64_t i = 0; !b->wrong && i < n && i < OFFERS; i++) {
        const int keep = b->n;
        const bool chosen = suits(b, offer[i], want->precision, &p->facts.engine) &&
                            planned(b, offer[i], handle, device, p);

        p->facts.offered++;
        shrink(b, keep);
        b->wrong = 0; // the next may do
        if (chosen)
            return true;
    }
    return false;
}

static rij_status make(bag *b, const rj_dnn_want *want, struct cudnnContext *handle,
                       const char *text, rj_dnn_plan *p)
{
    static const unsigned modes[] = {RJ_CUDNN_HEUR_MODE_A, RJ_CUDNN_HEUR_MODE_FALLBACK};
    void *device = handle ? NULL : described(b, text);
    void *graph = graph_of(b, want, handle);
    const int keep = b->n;

    if (b->wrong)
        return told(b);
    for (int i = 0; i < RJ_COUNT(modes); i++) {
        b->wrong = 0;
        if (choose(b, want, modes[i], graph, handle, device, p))
            return RIJ_OK;
        shrink(b, keep);
    }
    if (b->wrong)
        return told(b);
    return rj_core_fail(RIJ_E_DEVICE, "cudnn: none of %d configurations will do",
                        p->facts.offered);
}

rij_status rj_dnn_plan_create(const rj_cudnn *calls, const rj_dnn_want *want,
                              struct cudnnContext *handle, const char *device,
                              rj_dnn_plan **plan)
{
    rj_dnn_plan *p = calloc(1, sizeof *p);
    bag *b = calloc(1, sizeof *b);
    rij_status status = RIJ_E_MEMORY;

    if (p && b) {
        p->calls = b->calls = calls;
        status = make(b, want, handle, device, p);
        shrink(b, 0);
    } else {
        rj_core_fail(status, "cudnn: no memory for a plan");
    }
    free(b);
    if (status == RIJ_OK)
        *plan = p;
    else
        free(p);
    return status;
}

void rj_dnn_plan_free(rj_dnn_plan *plan)
{
    if (plan)
        plan->calls->cudnnBackendDestroyDescriptor(plan->object);
    free(plan);
}

rj_dnn_facts rj_dnn_plan_facts(const rj_dnn_plan *plan)
{
    return plan->facts;
}

rij_status rj_dnn_plan_execute(const rj_dnn_plan *plan, struct cudnnContext *handle,
                               const void *x, const void *w, const void *y,
                               void *workspace)
{
    const int64_t number[OPERANDS] = {1 + X, 1 + W, 1 + Y};
    const void *const at[OPERANDS] = {x, w, y};
    bag b = {.calls = plan->calls};
    void *pack = object(&b, RJ_CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "operands");
    rij_status status = RIJ_OK;

    set(&b, pack, RJ_CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, RJ_CUDNN_TYPE_INT64, OPERANDS,
        number);
    set(&b, pack, RJ_CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, RJ_CUDNN_TYPE_VOID_PTR,
        OPERANDS, (const void *)at);
    set(&b, pack, RJ_CUDNN_ATTR_VARIANT_PACK_WORKSPACE, RJ_CUDNN_TYPE_VOID_PTR, 1,
        (const void *)&workspace);
    finalize(&b, pack, "operands");
    if (!b.wrong)
        note(&b, b.calls->cudnnBackendExecute(handle, plan->object, pack), "a plan");
    if (b.wrong)
        status = told(&b);
    shrink(&b, 0);
    return status;
}
