/* ready.c: an encoder made ready to predict: batch norm folded into the convolution
 * before it, weights laid out once for a size of picture, relu and the shortcut's sum
 * done as numbers are written.
 *
 *     w'[k] = w[k] s[k],    b'[k] = beta[k] - mean[k] s[k],
 *     s = gamma / sqrt(var + eps)
 *
 * An encoder of statistics has nothing to fold: its two layers are copied and run op by
 * op.
 *
 * What is made is never written again: any number of threads may use it, each with a tape
 * and a device of its own. A pass takes four pictures of the trunk's size on the tape,
 * which convolutions use in turn, and one of the stem's, for a group of pictures at a
 * time. */
#include "net/net.h"
#include <math.h>
#include <string.h>

/* One convolution, its n still open. */
typedef struct layer {
    rj_conv d;
    const rj_real *ready;
} layer;

typedef struct block {
    layer conv[3], down;
    int convs;
    bool projected;
} block;

struct rj_ready {
    rj_arena arena; /* the laid out weights */
    enum rj_precision precision;
    const rj_kernels *kernels; /* that laid them out */
    const struct rj_isa *isa;
    rj_shape images; /* of one */
    enum rj_front front;
    bool pooled;
    layer stem;
    rj_pool2d pool;
    block block[RJ_ENCODER_BLOCKS];
    int blocks, features;
    rj_encoder encoder; /* of statistics, with parameters of its own; else empty */
    rj_params *own;
};

/* ---- making it -------------------------------------------------------------------- */

/* What a layer is made from, and the picture (n,c,h,w) it is made for, which moves on. */
struct making {
    rj_params *s;
    rj_device *dev;
    rj_ready *ready;
    rj_picture at;
    bool planar; /* it is the images */
};

static rij_status host_copy(rj_params *s, int index, rj_real **host)
{
    const size_t n = rj_count(&s->p[index].t.shape);

    *host = rj_alloc(n, sizeof **host);
    RJ_REQUIRE(*host, RIJ_E_MEMORY, "prepare: no memory for %zu numbers", n);
    return rj_download(s->dev, *host, s->p[index].t.x, n);
}

/* w' in place of w (K,each), and b' in bias (K). */
static rij_status fold(rj_params *s, const rj_bn_layer *bn, int k, size_t each,
                       rj_real *w, rj_real *bias)
{
    const int part[4] = {bn->gamma, bn->beta, bn->mean, bn->var};
    rj_real *p[4] = {0};
    rij_status status = RIJ_OK;

    for (int i = 0; i < 4 && status == RIJ_OK; i++)
        status = host_copy(s, part[i], &p[i]);
    for (int i = 0; i < k && status == RIJ_OK; i++) {
        const double scale = (double)p[0][i] / sqrt((double)p[3][i] + RJ_BN_EPS);
        for (size_t j = 0; j < each; j++)
            w[(size_t)i * each + j] = (rj_real)((double)w[(size_t)i * each + j] * scale);
        bias[i] = (rj_real)((double)p[1][i] - (double)p[2][i] * scale);
    }
    for (int i = 0; i < 4; i++)
        rj_free(p[i]);
    return status;
}

static rij_status lay_out(struct making *m, const rj_conv *d, const rj_real *w,
                          const rj_real *bias, layer *l)
{
    const rj_kernels *k = m->dev->k;
    const size_t weights = (size_t)d->k * (size_t)d->c * (size_t)d->r * (size_t)d->s;
    rj_arena passing = {0};
    rj_real *ready, *there;
    rij_status status;
    size_t n;

    RJ_TRY(k->conv2d_prepare(m->dev, d, w, bias, &n, NULL));
    ready = rj_numbers(m->dev, &m->ready->arena, n);
    RJ_REQUIRE(ready, RIJ_E_MEMORY, "prepare: no memory for %zu numbers", n);
    *l = (layer){*d, ready};
    RJ_TRY(rj_zero(m->dev, ready, n));
    if (!k->remote)
        return k->conv2d_prepare(m->dev, d, w, bias, &n, ready);
    there = rj_numbers(m->dev, &passing, weights + (size_t)d->k);
    RJ_REQUIRE(there, RIJ_E_MEMORY, "prepare: no memory for %zu numbers", weights);
    status = rj_upload(m->dev, there, w, weights);
    if (status == RIJ_OK)
        status = rj_upload(m->dev, there + weights, bias, (size_t)d->k);
    if (status == RIJ_OK)
        status = k->conv2d_prepare(m->dev, d, there, there + weights, &n, ready);
    if (status == RIJ_OK)
        status = rj_wait(m->dev); // other devices' threads read it next
    rj_arena_free(&passing);
    return status;
}

/* A convolution and its batch norm, for pictures like m->at. */
static rij_status make_layer(struct making *m, const rj_conv_layer *conv,
                             const rj_bn_layer *bn, layer *l)
{
    const int *w = m->s->p[conv->w].t.shape.dim;
    const size_t each = (size_t)w[1] * (size_t)w[2] * (size_t)w[3];
    const rj_picture *x = &m->at;
    const rj_conv d = {x->n,
                       x->c,
                       x->h,
                       x->w,
                       w[0],
                       w[2],
                       w[3],
                       conv->stride,
                       conv->pad,
                       (x->h + 2 * conv->pad - w[2]) / conv->stride + 1,
                       (x->w + 2 * conv->pad - w[3]) / conv->stride + 1,
                       m->planar};
    rj_real *weights = NULL, *bias = rj_alloc((size_t)w[0], sizeof *bias);
    rij_status status = RIJ_E_MEMORY;

    if (bias)
        status = host_copy(m->s, conv->w, &weights);
    else
        rj_fail(status, "prepare: no memory");
    if (status == RIJ_OK)
        status = fold(m->s, bn, w[0], each, weights, bias);
    if (status == RIJ_OK)
        status = lay_out(m, &d, weights, bias, l);
    rj_free(weights);
    rj_free(bias);
    return status;
}

static void move_on(struct making *m, const layer *l)
{
    m->at = (rj_picture){m->at.n, l->d.k, l->d.p, l->d.q};
}

static rij_status make_block(struct making *m, const rj_res_block *from, block *b)
{
    const rj_picture before = m->at;

    b->convs = from->convs;
    b->projected = from->projected;
    if (b->projected)
        RJ_TRY(make_layer(m, &from->down, &from->down_bn, &b->down));
    m->at = before;
    for (int i = 0; i < b->convs; i++) {
        RJ_TRY(make_layer(m, &from->conv[i], &from->bn[i], &b->conv[i]));
        move_on(m, &b->conv[i]);
    }
    return RIJ_OK;
}

static rij_status make(struct making *m, const rj_encoder *e)
{
    rj_ready *r = m->ready;

    m->planar = r->front == RJ_FRONT_RAW;
    RJ_TRY(make_layer(m, &e->stem, &e->stem_bn, &r->stem));
    m->planar = false;
    move_on(m, &r->stem);
    if (r->pooled) {
        const rj_picture *x = &m->at;
        r->pool = (rj_pool2d){
            x->n, x->c, x->h, x->w, 3, 2, 1, (x->h - 1) / 2 + 1, (x->w - 1) / 2 + 1};
        m->at.h = r->pool.p;
        m->at.w = r->pool.q;
    }
    for (int i = 0; i < e->blocks; i++)
        RJ_TRY(make_block(m, &e->block[i], &r->block[i]));
    return RIJ_OK;
}

/* Where the picture m->at is behind the front-end: as the op says. */
static rij_status pass_front(struct making *m, enum rj_front kind)
{
    const rj_residual_par par = {kind};
    rj_tensor t = {.shape = rj_shape_picture(m->at.n, m->at.c, m->at.h, m->at.w)};
    const rj_call call = {.op = &rj_op_residual, .in = {&t}, .par = &par};
    size_t saved;

    if (kind != RJ_FRONT_RAW)
        RJ_TRY(rj_op_residual.shape(&call, &t.shape, &saved));
    m->at = rj_shape_dims(&t.shape);
    return RIJ_OK;
}

/* An encoder of statistics has nothing to fold or lay out: its layers are copied. */
static rij_status copy_layers(struct making *m)
{
    const rj_net_config config = {"statistics", "raw", 8}; // heads are not copied
    rj_ready *r = m->ready;
    rij_status status = RIJ_OK;

    r->own = rj_alloc(1, sizeof *r->own);
    RJ_REQUIRE(r->own, RIJ_E_MEMORY, "prepare: no memory");
    *r->own = (rj_params){.dev = m->dev, .frozen = true};
    RJ_TRY(rj_encoder_new(r->own, 0, &config, &r->encoder));
    for (int i = 0; i < r->own->n && status == RIJ_OK; i++) {
        const rj_param *p = &r->own->p[i];
        rj_real *host;

        status = host_copy(m->s, rj_params_find(m->s, p->name), &host);
        if (status == RIJ_OK)
            status = rj_upload(m->dev, p->t.x, host, rj_count(&p->t.shape));
        rj_free(host);
    }
    return status == RIJ_OK ? rj_wait(m->dev) : status; // other threads read it next
}

/* Everything a trunk needs. */
static rij_status prepare(struct making *m, const rj_encoder *e)
{
    if (e->weighs)
        return copy_layers(m);
    RJ_TRY(pass_front(m, e->front));
    return make(m, e);
}

rij_status rj_ready_new(rj_device *dev, rj_params *s, const rj_encoder *e, int side,
                        int batch, rj_ready **out)
{
    rj_ready *r = rj_alloc(1, sizeof *r);
    struct making m = {s, dev, r, {batch, 3, side, side}, false};
    rij_status status;

    RJ_REQUIRE(r, RIJ_E_MEMORY, "prepare: no memory");
    r->precision = dev->precision;
    r->kernels = dev->k;
    r->isa = dev->isa;
    r->images = rj_shape_picture(1, 3, side, side);
    r->front = e->front;
    r->pooled = e->pooled;
    r->blocks = e->blocks;
    r->features = e->features;
    status = prepare(&m, e);
    if (status != RIJ_OK) {
        rj_ready_free(r);
        return status;
    }
    *out = r;
    return RIJ_OK;
}

void rj_ready_free(rj_ready *r)
{
    if (r) {
        rj_arena_free(&r->arena);
        if (r->own)
            rj_params_free(r->own);
        rj_free(r->own);
    }
    rj_free(r);
}

bool rj_ready_any_side(const rj_ready *r)
{
    return r->encoder.weighs;
}

/* ---- using it --------------------------------------------------------------------- */

static size_t numbers(const rj_device *dev, int n, int c, int h, int w)
{
    const rj_picture d = {n, c, h, w};

    return rj_picture_storage(dev, &d);
}

static rij_status run(rj_device *dev, const layer *l, int n, const rj_real *x,
                      const rj_real *beside, bool relu, rj_real *y)
{
    rj_conv d = l->d;

    d.n = n;
    return dev->k->conv2d_prepared(dev, &d, x, l->ready, beside, relu, y);
}

/* Numbers of the largest picture between the blocks and inside them. */
static size_t trunk_numbers(const rj_ready *r, const rj_device *dev, int n)
{
    size_t most = 0;

    for (int i = 0; i < r->blocks; i++)
        for (int k = 0; k < r->block[i].convs; k++) {
            const rj_conv *d = &r->block[i].conv[k].d;
            most = RJ_MAX(most, numbers(dev, n, d->c, d->h, d->w));
            most = RJ_MAX(most, numbers(dev, n, d->k, d->p, d->q));
        }
    return most;
}

static rij_status take(rj_tape *tape, size_t n, rj_real **memory)
{
    *memory = rj_numbers(tape->dev, &tape->arena, n);
    RJ_REQUIRE(*memory, RIJ_E_MEMORY, "predict: no memory for %zu numbers", n);
    return RIJ_OK;
}

/* x -> relu(F(x) + shortcut), into one of the other three; room[0] holds x before, y
 * after. */
static rij_status run_block(const block *b, rj_device *dev, int n, rj_real *room[4])
{
    rj_real *x = room[0], *beside = x, *a = room[1], *c = room[2];

    if (b->projected) {
        beside = room[3];
        RJ_TRY(run(dev, &b->down, n, x, NULL, false, beside));
    }
    RJ_TRY(run(dev, &b->conv[0], n, x, NULL, true, a));
    for (int i = 1; i < b->convs; i++) {
        const bool last = i + 1 == b->convs;
        RJ_TRY(run(dev, &b->conv[i], n, a, last ? beside : NULL, true, c));
        room[1] = c, room[2] = a;
        a = room[1], c = room[2];
    }
    room[0] = a, room[1] = x;
    return RIJ_OK;
}

/* The blocks and the mean; the picture lies in room[3], 0 .. 2 are as large. */
static rij_status trunk(const rj_ready *r, rj_device *dev, int n, rj_real *const room[],
                        rj_real *h)
{
    rj_real *turn[4] = {room[3], room[0], room[1], room[2]};
    const block *b = &r->block[r->blocks - 1];
    const rj_conv *last = &b->conv[b->convs - 1].d;

    for (int i = 0; i < r->blocks; i++)
        RJ_TRY(run_block(&r->block[i], dev, n, turn));
    return dev->k->avgpool(dev, &(rj_picture){n, last->k, last->p, last->q}, turn[0], h);
}

/* Pictures that go through the network together: as many as keep what moves between the
 * layers about as small as a part of the weights, all of which are read for each group;
 * on a remote device all of them. */
static int group_of(const rj_ready *r, const rj_device *dev, int n)
{
    const rj_conv *d = &r->stem.d;
    const size_t each = numbers(dev, 1, d->k, d->p, d->q) * sizeof(rj_real);

    if (dev->k->remote)
        return n;
    return (int)RJ_MAX(1, RJ_MIN((size_t)n, r->arena.heap.total / 6 / each));
}

/* Rows of h for n pictures. room[0 .. 3] are of the trunk's size, [4] of the stem's. */
static rij_status encode_group(const rj_ready *r, rj_device *dev, int n,
                               const rj_real *images, rj_real *const room[5], rj_real *h)
{
    rj_pool2d pool = r->pool;
    rj_real *x = room[3];

    pool.n = n;
    if (!r->pooled) {
        RJ_TRY(run(dev, &r->stem, n, images, NULL, true, x));
    } else {
        RJ_TRY(run(dev, &r->stem, n, images, NULL, true, room[4]));
        RJ_TRY(dev->k->maxpool2d(dev, &pool, room[4], x, room[0]));
    }
    return trunk(r, dev, n, room, h);
}

/* Memory of a group on its way: the trunk's four, the stem's, what the front-end makes of
 * the images, and their numbers where rj_real is no float or the device is remote. */
struct rooms {
    rj_real *trunk[5], *front, *images;
};

static rij_status take_rooms(const rj_ready *r, rj_tape *tape, int n, struct rooms *m)
{
    const rj_device *dev = tape->dev;
    const int *image = r->images.dim;
    const rj_conv *d = &r->stem.d;

    for (int i = 0; i < 4; i++)
        RJ_TRY(take(tape, trunk_numbers(r, dev, n), &m->trunk[i]));
    if (r->pooled)
        RJ_TRY(take(tape, numbers(dev, n, d->k, d->p, d->q), &m->trunk[4]));
    if (r->front != RJ_FRONT_RAW)
        RJ_TRY(take(tape, numbers(dev, n, d->c, d->h, d->w), &m->front));
    if (sizeof(rj_real) != sizeof(float) || dev->k->remote)
        RJ_TRY(
            take(tape, (size_t)n * 3 * (size_t)image[2] * (size_t)image[3], &m->images));
    return RIJ_OK;
}

/* n images of planar numbers as rj_real, or what the front-end makes of them. */
static rij_status pass_images(const rj_ready *r, rj_device *dev, int n,
                              const float *planar, const struct rooms *m,
                              const rj_real **images)
{
    const int *image = r->images.dim;
    const rj_residual residual = {
        n, 3, image[2], image[3], r->stem.d.c, r->stem.d.h, r->stem.d.w, r->front, true};

    const size_t numbers_in = (size_t)n * 3 * (size_t)image[2] * (size_t)image[3];

    *images = m->images;
    if (dev->k->remote)
        RJ_TRY(rj_upload(dev, m->images, (const rj_real *)(const void *)planar,
                         numbers_in)); // rj_real is float
    else if (m->images)
        for (size_t i = 0; i < numbers_in; i++)
            m->images[i] = planar[i];
    else
        *images = (const rj_real *)(const void *)planar;
    if (r->front == RJ_FRONT_RAW)
        return RIJ_OK;
    RJ_TRY(dev->k->residual(dev, &residual, *images, m->front));
    *images = m->front;
    return RIJ_OK;
}

static rij_status weigh(const rj_ready *r, rj_tape *tape, int n, int side,
                        const float *planar, rj_tensor **seen, rj_tensor **h)
{
    const rj_shape shape = rj_shape_plain(4, n, 3, side, side);
    rj_tensor *in[RJ_MAX_IN] = {0};

    RJ_TRY(rj_tensor_lend(tape, &shape, planar, &in[0]));
    RJ_TRY(rj_apply(tape, &rj_op_statistics, NULL, in, seen));
    return rj_encoder_weigh(r->own, tape, &r->encoder, *seen, h);
}

rij_status rj_ready_encode(const rj_ready *r, rj_tape *tape, int n, int side,
                           const float *planar, rj_tensor **h)
{
    rj_tensor *seen;

    return rj_ready_look(r, tape, n, side, planar, &seen, h);
}

rij_status rj_ready_look(const rj_ready *r, rj_tape *tape, int n, int side,
                         const float *planar, rj_tensor **seen, rj_tensor **h)
{
    const rj_shape rows = rj_shape_plain(2, n, r->features, 0, 0);
    rj_device *dev = tape->dev;
    struct rooms m = {0};
    rj_tensor *out;
    int group;

    RJ_REQUIRE(rj_ready_any_side(r) || side == r->images.dim[2], RIJ_E_SHAPE,
               "predict: images of %d pixels, prepared for %d", side, r->images.dim[2]);
    RJ_REQUIRE(dev->precision == r->precision && dev->k == r->kernels &&
                   dev->isa == r->isa,
               RIJ_E_ARGUMENT, "predict: prepared for another device or precision");
    if (r->encoder.weighs)
        return weigh(r, tape, n, side, planar, seen, h);
    RJ_TRY(rj_tensor_new_raw(dev, &tape->arena, &rows, false, &out));
    group = group_of(r, dev, n);
    RJ_TRY(take_rooms(r, tape, group, &m));
    for (int i = 0; i < n; i += group) {
        const int some = RJ_MIN(group, n - i);
        const rj_real *images;
        RJ_TRY(pass_images(r, dev, some,
                           planar + (size_t)i * 3 * (size_t)side * (size_t)side, &m,
                           &images));
        RJ_TRY(encode_group(r, dev, some, images, m.trunk,
                            out->x + (size_t)i * (size_t)r->features));
    }
    *h = *seen = out;
    return RIJ_OK;
}
