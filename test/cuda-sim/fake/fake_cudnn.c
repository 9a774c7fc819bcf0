/* fake_cudnn.c: stands in for libcudnn: descriptors hold what they are given, a heuristic
 * offers two engines, of which the first is not deterministic, and a plan convolves in
 * loops, with sums in double. It knows dense channels-last tensors, and refuses what
 * cuda/dnn_plan.c has no reason to ask for. Numbers of enumerations are cuDNN's. */
#include "fake.h"
#include "vendor.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BAD_PARAM = 2000, NOT_FINALIZED = 2004, EXECUTION_FAILED = 5000, MOST = 16 };
enum {
    FORWARD = RJ_CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
    BY_FILTER = RJ_CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
    BY_DATA = RJ_CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR
};
enum { WORKSPACE = 1000 };

typedef struct value {
    unsigned name;
    int64_t n;
    unsigned char bytes[64];
} value;

typedef struct operand { /* (N,C,H,W) of a tensor */
    int64_t number, n, c, h, w;
    bool half;
} operand;

typedef struct operation {
    unsigned kind;
    operand x, w, y;
    int64_t pad, stride;
    float beta;
    void *host[3]; /* x, w, y of one execution */
} operation;

typedef struct descriptor {
    unsigned kind;
    bool finalized;
    int engine; /* of a configuration, an engine, a plan */
    operation operation;
    value value[MOST];
    int n;
} descriptor;

struct cudnnContext {
    fake *fake;
};

static const void *look(const descriptor *d, unsigned name)
{
    for (int i = 0; d && i < d->n; i++)
        if (d->value[i].name == name)
            return d->value[i].bytes;
    return NULL;
}

static const descriptor *part(const descriptor *d, unsigned name)
{
    const descriptor *other = NULL;
    const void *bytes = look(d, name);

    if (bytes)
        memcpy(&other, bytes, sizeof(void *));
    return other && other->finalized ? other : NULL;
}

FAKE_EXPORT unsigned cudnnCreate(struct cudnnContext **handle)
{
    struct cudnnContext *h = calloc(1, sizeof *h);

    *handle = NULL;
    if (!h || !(h->fake = fake_new())) {
        free(h);
        return 1001;
    }
    *handle = h;
    return 0;
}

FAKE_EXPORT unsigned cudnnDestroy(struct cudnnContext *handle)
{
    fake_free(handle->fake);
    free(handle);
    return 0;
}

FAKE_EXPORT unsigned cudnnSetStream(struct cudnnContext *handle, cudaStream_t stream)
{
    handle->fake->stream = stream;
    return 0;
}

FAKE_EXPORT size_t cudnnGetVersion(void)
{
    return 90000;
}

FAKE_EXPORT void cudnnGetLastErrorString(char *text, size_t size)
{
    snprintf(text, size, "the stand-in refused it");
}

FAKE_EXPORT unsigned cudnnBackendCreateDescriptor(unsigned kind, void **made)
{
    descriptor *d = calloc(1, sizeof *d);

    *made = d;
    if (d)
        d->kind = kind;
    return d ? 0 : 4003;
}

FAKE_EXPORT unsigned cudnnBackendDestroyDescriptor(void *d)
{
    free(d);
    return 0;
}

FAKE_EXPORT unsigned cudnnBackendSetAttribute(void *object, unsigned name, unsigned type,
                                              int64_t n, const void *values)
{
    static const size_t sizes[] = {[RJ_CUDNN_TYPE_HANDLE] = 8,
                                   [RJ_CUDNN_TYPE_DATA_TYPE] = 4,
                                   [RJ_CUDNN_TYPE_INT64] = 8,
                                   [RJ_CUDNN_TYPE_FLOAT] = 4,
                                   [RJ_CUDNN_TYPE_VOID_PTR] = 8,
                                   [RJ_CUDNN_TYPE_CONVOLUTION_MODE] = 4,
                                   [RJ_CUDNN_TYPE_HEUR_MODE] = 4,
                                   [RJ_CUDNN_TYPE_NUMERICAL_NOTE] = 4,
                                   [RJ_CUDNN_TYPE_BACKEND_DESCRIPTOR] = 8};
    descriptor *d = object;
    const size_t size = type < RJ_COUNT(sizes) ? sizes[type] : 0;
    value *v = &d->value[d->n];

    if (!size || d->n == MOST || (size_t)n * size > sizeof v->bytes || d->finalized)
        return BAD_PARAM;
    v->name = name;
    v->n = n;
    memcpy(v->bytes, values, (size_t)n * size);
    d->n++;
    return 0;
}

/* A tensor that is dense, channels last. */
static bool operand_of(const descriptor *t, operand *o)
{
    const int64_t *dims = look(t, RJ_CUDNN_ATTR_TENSOR_DIMENSIONS),
                  *strides = look(t, RJ_CUDNN_ATTR_TENSOR_STRIDES),
                  *number = look(t, RJ_CUDNN_ATTR_TENSOR_UNIQUE_ID);
    const int *type = look(t, RJ_CUDNN_ATTR_TENSOR_DATA_TYPE);

    if (!dims || !strides || !number || !type)
        return false;
    *o = (operand){*number, dims[0], dims[1],
                   dims[2], dims[3], *type == RJ_CUDNN_DATA_BFLOAT16};
    return strides[1] == 1 && strides[3] == o->c && strides[2] == o->c * o->w &&
           strides[0] == o->c * o->w * o->h && o->c % 8 == 0;
}

/* An operation's attributes are numbered alike: factor, factor of what is there,
 * convolution, w, x, y. */
static bool understood(descriptor *graph)
{
    const descriptor *o = part(graph, RJ_CUDNN_ATTR_OPERATIONGRAPH_OPS), *c;
    operation *to = &graph->operation;
    const unsigned first = !o                   ? 0
                           : o->kind == FORWARD ? 700
                           : o->kind == BY_DATA ? 706
                                                : 712;
    const int64_t *pad, *stride;
    const float *beta;

    c = part(o, first + 2);
    pad = look(c, RJ_CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    stride = look(c, RJ_CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    beta = look(o, first + 1);
    if (!pad || !stride || !beta || !operand_of(part(o, first + 3), &to->w) ||
        !operand_of(part(o, first + 4), &to->x) ||
        !operand_of(part(o, first + 5), &to->y))
        return false;
    to->kind = o->kind;
    to->pad = pad[0];
    to->stride = stride[0];
    to->beta = *beta;
    return to->w.c == to->x.c && to->w.n == to->y.c && to->x.n == to->y.n &&
           (to->x.h + 2 * to->pad - to->w.h) / to->stride + 1 == to->y.h &&
           (to->x.w + 2 * to->pad - to->w.w) / to->stride + 1 == to->y.w;
}

FAKE_EXPORT unsigned cudnnBackendFinalize(void *object)
{
    descriptor *d = object;
    const descriptor *other = NULL;

    if (d->finalized)
        return BAD_PARAM;
    if (d->kind == RJ_CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR && !understood(d))
        return BAD_PARAM;
    if (d->kind == RJ_CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)
        other = part(d, RJ_CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    else if (d->kind == RJ_CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)
        other = part(d, RJ_CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    else {
        d->finalized = true;
        return 0;
    }
    if (!other)
        return NOT_FINALIZED;
    d->operation = other->operation;
    d->engine = other->engine;
    d->finalized = true;
    return 0;
}

static unsigned answer(const void *from, size_t size, int64_t *n, void *values)
{
    *n = 1;
    memcpy(values, from, size);
    return 0;
}

FAKE_EXPORT unsigned cudnnBackendGetAttribute(void *object, unsigned name, unsigned type,
                                              int64_t room, int64_t *n, void *values)
{
    const descriptor *d = object;
    const int64_t engine = d->engine, bytes = WORKSPACE;
    const int note = RJ_CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    descriptor *to[2] = {NULL};

    (void)type;
    if (name == RJ_CUDNN_ATTR_ENGINE_GLOBAL_INDEX)
        return answer(&engine, sizeof engine, n, values);
    if (name == RJ_CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE)
        return answer(&bytes, sizeof bytes, n, values);
    if (name == RJ_CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && d->engine == 0)
        return answer(&note, sizeof note, n, values);
    *n = 0;
    if (name == RJ_CUDNN_ATTR_ENGINE_NUMERICAL_NOTE)
        return 0;
    if (!d->finalized || room < 1)
        return NOT_FINALIZED;
    *n = name == RJ_CUDNN_ATTR_ENGINEHEUR_RESULTS && room > 1 ? 2 : 1;
    memcpy(to, values, (size_t)*n * sizeof *to);
    for (int i = 0; i < *n; i++) {
        to[i]->engine = *n == 2 ? i : d->engine;
        to[i]->operation = d->operation;
        to[i]->finalized = true;
    }
    return 0;
}

static float read_cell(const void *from, bool half, size_t at)
{
    uint32_t bits;
    float x;

    if (!half)
        return ((const float *)from)[at];
    bits = (uint32_t)((const uint16_t *)from)[at] << 16;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void write_cell(void *to, bool half, size_t at, float x)
{
    uint32_t bits;

    if (!half) {
        ((float *)to)[at] = x;
        return;
    }
    x = rj_bf16(x);
    memcpy(&bits, &x, sizeof bits);
    ((uint16_t *)to)[at] = (uint16_t)(bits >> 16);
}

static size_t cells(const operand *o)
{
    return (size_t)(o->n * o->c * o->h * o->w);
}

static size_t at(const operand *o, int64_t n, int64_t c, int64_t h, int64_t w)
{
    return (size_t)(((n * o->h + h) * o->w + w) * o->c + c);
}

/* Call for every product of the convolution: where its x, w and y are. */
typedef void each(double *sum, const operation *o, size_t x, size_t w, size_t y);

static void products(double *sum, const operation *o, each *add)
{
    for (int64_t n = 0; n < o->y.n; n++)
        for (int64_t p = 0; p < o->y.h; p++)
            for (int64_t q = 0; q < o->y.w; q++)
                for (int64_t r = 0; r < o->w.h; r++)
                    for (int64_t s = 0; s < o->w.w; s++) {
                        const int64_t h = p * o->stride + r - o->pad,
                                      w = q * o->stride + s - o->pad;
                        if (h < 0 || h >= o->x.h || w < 0 || w >= o->x.w)
                            continue;
                        for (int64_t k = 0; k < o->y.c; k++)
                            for (int64_t c = 0; c < o->x.c; c++)
                                add(sum, o, at(&o->x, n, c, h, w), at(&o->w, k, c, r, s),
                                    at(&o->y, n, k, p, q));
                    }
}

static void to_y(double *sum, const operation *o, size_t x, size_t w, size_t y)
{
    sum[y] += (double)read_cell(o->host[0], o->x.half, x) *
              (double)read_cell(o->host[1], o->w.half, w);
}

static void to_x(double *sum, const operation *o, size_t x, size_t w, size_t y)
{
    sum[x] += (double)read_cell(o->host[1], o->w.half, w) *
              (double)read_cell(o->host[2], o->y.half, y);
}

static void to_w(double *sum, const operation *o, size_t x, size_t w, size_t y)
{
    sum[w] += (double)read_cell(o->host[0], o->x.half, x) *
              (double)read_cell(o->host[2], o->y.half, y);
}

/* Which operand an operation writes. */
static int result_of(const operation *o)
{
    return o->kind == FORWARD ? 2 : o->kind == BY_DATA ? 0 : 1;
}

static void convolve(void *data)
{
    const operation *o = data;
    const operand *operands[] = {&o->x, &o->w, &o->y};
    each *const calls[] = {to_x, to_w, to_y};
    const int result = result_of(o);
    const operand *to = operands[result];
    double *sum = calloc(cells(to), sizeof *sum);

    if (!sum)
        return;
    products(sum, o, calls[result]);
    for (size_t i = 0; i < cells(to); i++) {
        const double before =
            o->beta != 0 ? (double)read_cell(o->host[result], to->half, i) : 0;
        write_cell(o->host[result], to->half, i,
                   (float)(sum[i] + (double)o->beta * before));
    }
    free(sum);
}

FAKE_EXPORT unsigned cudnnBackendExecute(struct cudnnContext *handle, void *plan,
                                         void *pack)
{
    const descriptor *d = plan;
    const int64_t *number = look(pack, RJ_CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    void *const *pointer = look(pack, RJ_CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    operation *o = fake_fetch(handle->fake, NULL, sizeof *o, false);
    const operand *operands[3];
    int result;
    void *to = NULL;

    if (!number || !pointer || !o || !d->finalized ||
        !look(pack, RJ_CUDNN_ATTR_VARIANT_PACK_WORKSPACE))
        return BAD_PARAM;
    *o = d->operation;
    operands[0] = &o->x;
    operands[1] = &o->w;
    operands[2] = &o->y;
    result = result_of(o);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            if (number[k] == operands[i]->number) {
                if ((uintptr_t)pointer[k] % 16)
                    return 2003;
                o->host[i] = fake_fetch(handle->fake, pointer[k],
                                        cells(operands[i]) * (operands[i]->half ? 2 : 4),
                                        i != result || o->beta != 0);
                if (i == result)
                    to = pointer[k];
            }
    fake_note("convolution %u %d", o->kind, d->engine);
    if (!o->host[0] || !o->host[1] || !o->host[2] ||
        !fake_call(handle->fake, convolve, o) ||
        !fake_send(handle->fake, to, o->host[result],
                   cells(operands[result]) * (operands[result]->half ? 2 : 4)))
        return EXECUTION_FAILED;
    return 0;
}
