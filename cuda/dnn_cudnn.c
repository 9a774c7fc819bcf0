/* dnn_cudnn.c: convolutions by cuDNN on a device. Plans are kept, one for each shape,
 * direction and precision met, also the finding that there is none; a network has some
 * dozens. What is executed may become part of a graph, like our own kernels. */
#include "dnn.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct kept {
    rj_dnn_want want;
    rj_dnn_plan *plan; /* NULL: cuDNN has none */
} kept;

struct rj_dnn {
    rj_cudnn calls;
    struct cudnnContext *handle;
    kept *kept;
    int n, room;
};

void rj_dnn_close(struct rj_dnn *dnn)
{
    if (!dnn)
        return;
    for (int i = 0; i < dnn->n; i++)
        rj_dnn_plan_free(dnn->kept[i].plan);
    free(dnn->kept);
    if (dnn->handle)
        dnn->calls.cudnnDestroy(dnn->handle);
    free(dnn);
}

struct rj_dnn *rj_dnn_open(rj_device *dev, char why[RJ_WHY])
{
    struct rj_dnn *dnn = calloc(1, sizeof *dnn);
    const rj_cudnn *c;
    unsigned wrong;

    if (!dnn) {
        snprintf(why, RJ_WHY, "no memory for it");
        return NULL;
    }
    c = &dnn->calls;
    if (!rj_cudnn_open(&dnn->calls, why)) {
        free(dnn);
        return NULL;
    }
    wrong = c->cudnnCreate(&dnn->handle);
    if (!wrong)
        wrong = c->cudnnSetStream(dnn->handle, rj_gpu_of(dev)->stream);
    if (!wrong) { // 91900 is 9.19.0
        const unsigned version = (unsigned)c->cudnnGetVersion();
        snprintf(why, RJ_WHY, "version %u.%u", version / 10000, version / 100 % 100);
        return dnn;
    }
    snprintf(why, RJ_WHY, "it could not be started: its status is %u", wrong);
    rj_dnn_close(dnn);
    return NULL;
}

static bool same(const rj_dnn_want *a, const rj_dnn_want *b)
{
    const rj_conv *d = &a->d, *e = &b->d;

    return d->n == e->n && d->c == e->c && d->h == e->h && d->w == e->w && d->k == e->k &&
           d->r == e->r && d->s == e->s && d->stride == e->stride && d->pad == e->pad &&
           d->p == e->p && d->q == e->q && a->kind == b->kind &&
           a->precision == b->precision && a->add == b->add;
}

/* The plan, made if it was never asked for; NULL: there is none. */
static const rj_dnn_plan *plan_of(struct rj_dnn *dnn, const rj_dnn_want *want)
{
    kept *k;

    for (int i = 0; i < dnn->n; i++)
        if (same(&dnn->kept[i].want, want))
            return dnn->kept[i].plan;
    if (dnn->n == dnn->room) {
        const int room = dnn->room ? 2 * dnn->room : 64;

        k = realloc(dnn->kept, (size_t)room * sizeof *k);
        if (!k)
            return NULL;
        dnn->kept = k;
        dnn->room = room;
    }
    k = &dnn->kept[dnn->n++];
    *k = (kept){*want, NULL};
    if (rj_dnn_plan_create(&dnn->calls, want, dnn->handle, NULL, &k->plan) != RIJ_OK)
        k->plan = NULL;
    return k->plan;
}

/* What the kernels round once is rounded once. Gradients of filters are floats, and from
 * bfloat16 pictures cuDNN makes bfloat16 only; a bias would be added to what is rounded
 * already. There our own kernels serve. */
bool rj_dnn_wanted(rj_device *dev, const rj_conv *d, enum rj_dnn_kind kind, bool add)
{
    const rj_dnn_want want = {*d, kind, dev->precision, add && kind == RJ_DNN_BY_DATA};
    const rj_vendor *v = rj_gpu_of(dev)->vendor;

    if (!v || !v->dnn || d->planar)
        return false;
    if (dev->precision == RJ_BF16 &&
        (kind == RJ_DNN_BY_WEIGHTS || (kind == RJ_DNN_FORWARD && add)))
        return false;
    return plan_of(v->dnn, &want);
}

/* Bytes of packed filters, rounded up so that what lies behind them is aligned. */
static size_t filters(const rj_device *dev, const rj_conv *d)
{
    const size_t c = (size_t)((d->c + RJ_BLOCK - 1) / RJ_BLOCK * RJ_BLOCK);
    const size_t k = (size_t)((d->k + RJ_BLOCK - 1) / RJ_BLOCK * RJ_BLOCK);

    return rj_whole(k * c * (size_t)d->r * (size_t)d->s * rj_cell_bytes(dev));
}

/* The plan, and memory for packed filters with the plan's scratch behind them. */
static rij_status begin(rj_device *dev, const rj_conv *d, enum rj_dnn_kind kind, bool add,
                        const rj_dnn_plan **plan, unsigned char **memory)
{
    const rj_dnn_want want = {*d, kind, dev->precision, add};
    void *at;

    *plan = plan_of(rj_gpu_of(dev)->vendor->dnn, &want);
    if (!*plan)
        return rj_core_fail(RIJ_E_DEVICE, "cudnn: no plan for a convolution");
    RJ_TRY(rj_workspace(dev, filters(dev, d) + rj_dnn_plan_facts(*plan).workspace, &at));
    *memory = at;
    return RIJ_OK;
}

static rij_status execute(rj_device *dev, const rj_dnn_plan *plan, const void *x,
                          const void *w, const void *y, void *workspace)
{
    rj_stream(dev); // the handle's: what follows may be captured
    return rj_dnn_plan_execute(plan, rj_gpu_of(dev)->vendor->dnn->handle, x, w, y,
                               workspace);
}

rij_status rj_dnn_conv2d(rj_device *dev, const rj_conv *d, const rj_real *x,
                         const rj_real *w, const rj_real *bias, rj_real *y)
{
    const rj_picture out = {d->n, d->k, d->p, d->q};
    const rj_dnn_plan *plan;
    unsigned char *memory;

    RJ_TRY(begin(dev, d, RJ_DNN_FORWARD, false, &plan, &memory));
    RJ_TRY(rj_dnn_pack(dev, d, w, (rj_real *)(void *)memory));
    RJ_TRY(execute(dev, plan, x, memory, y, memory + filters(dev, d)));
    return bias ? rj_cuda_bias(dev, &out, bias, y) : RIJ_OK;
}

rij_status rj_dnn_conv2d_grad_x(rj_device *dev, const rj_conv *d, const rj_real *dy,
                                const rj_real *w, bool add, rj_real *dx)
{
    const rj_dnn_plan *plan;
    unsigned char *memory;

    RJ_TRY(begin(dev, d, RJ_DNN_BY_DATA, add, &plan, &memory));
    RJ_TRY(rj_dnn_pack(dev, d, w, (rj_real *)(void *)memory));
    return execute(dev, plan, dx, memory, dy, memory + filters(dev, d));
}

rij_status rj_dnn_conv2d_grad_w(rj_device *dev, const rj_conv *d, const rj_real *x,
                                const rj_real *dy, rj_real *dw, rj_real *db)
{
    const rj_picture out = {d->n, d->k, d->p, d->q};
    const rj_dnn_plan *plan;
    unsigned char *memory;

    RJ_TRY(begin(dev, d, RJ_DNN_BY_WEIGHTS, false, &plan, &memory));
    RJ_TRY(execute(dev, plan, x, memory, dy, memory + filters(dev, d)));
    RJ_TRY(rj_dnn_add(dev, d, (const rj_real *)(const void *)memory, dw));
    return db ? rj_cuda_bias_grad(dev, &out, dy, db) : RIJ_OK;
}
