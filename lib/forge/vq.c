/* vq.c: an auto-encoder whose latent numbers are a few words from a codebook (van den
 * Oord et al. 2017), with the decoder `nearest`.
 *
 * The 24 latent channels of a place are 8 groups of 3; each group becomes the nearest of
 * its own 256 codes (product quantisation), so a place of 4 x 4 pixels is 8 bytes. On the
 * tape that is z + (q - z) with the bracket a constant: forwards q, backwards the
 * gradient is copied to z (straight through). The loss has a commitment
 * mean(sqrt((z - q)^2 + 1) - 1), which keeps z near its codes.
 *
 * Codes are running means of what fell to them, k-means by exponential averages:
 * count = 0.95 count + 0.05 n, sum likewise, code = sum / count. They start as random
 * rows of the first batch; one that hardly anything falls to becomes a random row again.
 * In the first quarter of the steps the decoder is given z itself, while codes gather.
 * Rows are quantised on the host, in parallel, and averaged in order. */
#include "forge/forge.h"

#include <string.h>

enum { LATENT = 24, DIM = 3, GROUPS = LATENT / DIM, CODES = 256, WIDTH = 16, FREE = 4 };
static const double RATE = 2e-3, COMMITMENT = 0.5, SMOOTH = 1;
static const float KEEP = 0.95f, FORGOTTEN = 0.02f;

typedef struct vq {
    rj_autoencoder *a;
    bool filled; /* the codebook has been started */
    float code[GROUPS][CODES][DIM], sum[GROUPS][CODES][DIM], count[GROUPS][CODES];
} vq;

/* Latent planes z (n,LATENT,plane) on the host, and what becomes of them. */
typedef struct latents {
    const vq *v;
    int n;
    size_t plane;
    const rj_real *z;
    float *q, *delta; /* quantised; minus z */
    uint8_t *index;   /* (n,GROUPS,plane) */
} latents;

/* Where channel 0 of a group of picture i lies. */
static size_t at(const latents *l, int i, int group)
{
    return ((size_t)i * LATENT + (size_t)(group * DIM)) * l->plane;
}

static int nearest(const float code[CODES][DIM], const float z[DIM])
{
    float best = 0;
    int which = -1;

    for (int k = 0; k < CODES; k++) {
        float d = 0;

        for (int c = 0; c < DIM; c++)
            d += (z[c] - code[k][c]) * (z[c] - code[k][c]);
        if (which < 0 || d < best) {
            best = d;
            which = k;
        }
    }
    return which;
}

/* One group of one picture. */
static rij_status quantise_piece(void *job, int piece, int worker)
{
    const latents *l = job;
    const int i = piece / GROUPS, group = piece % GROUPS;
    const size_t first = at(l, i, group);

    (void)worker;
    for (size_t p = 0; p < l->plane; p++) {
        float z[DIM];
        int k;

        for (int c = 0; c < DIM; c++)
            z[c] = (float)l->z[first + (size_t)c * l->plane + p];
        k = nearest(l->v->code[group], z);
        l->index[(size_t)piece * l->plane + p] = (uint8_t)k;
        for (int c = 0; c < DIM; c++) {
            const size_t to = first + (size_t)c * l->plane + p;

            l->q[to] = l->v->code[group][k][c];
            l->delta[to] = l->q[to] - z[c];
        }
    }
    return RIJ_OK;
}

static rij_status take_latents(const vq *v, rj_tape *tape, const rj_tensor *z, latents *l)
{
    const rj_picture d = rj_shape_dims(&z->shape);
    const size_t n = rj_count(&z->shape);
    rj_real *host = rj_arena_take_raw(&tape->arena, n, sizeof *host);

    *l = (latents){.v = v, .n = d.n, .plane = (size_t)d.h * (size_t)d.w, .z = host};
    l->q = rj_arena_take_raw(&tape->arena, n, sizeof *l->q);
    l->delta = rj_arena_take_raw(&tape->arena, n, sizeof *l->delta);
    l->index = rj_arena_take_raw(&tape->arena, n / DIM, sizeof *l->index);
    RJ_REQUIRE(host && l->q && l->delta && l->index, RIJ_E_MEMORY,
               "vq: no memory for %zu numbers", n);
    return rj_tensor_read(tape->dev, z, host);
}

static void row_at(const latents *l, int i, int group, size_t p, float z[DIM])
{
    for (int c = 0; c < DIM; c++)
        z[c] = (float)l->z[at(l, i, group) + (size_t)c * l->plane + p];
}

/* A code becomes a row of the batch, and counts as if it had been one for a while. */
static void restart(vq *v, const latents *l, rj_random *r, int group, int k)
{
    float z[DIM];

    row_at(l, rj_random_below(r, l->n), group, (size_t)rj_random_below(r, (int)l->plane),
           z);
    v->count[group][k] = 1;
    for (int c = 0; c < DIM; c++)
        v->code[group][k][c] = v->sum[group][k][c] = z[c];
}

static void average(vq *v, const latents *l, rj_random *r)
{
    for (int group = 0; group < GROUPS; group++) {
        float sum[CODES][DIM] = {{0}}, count[CODES] = {0};

        for (int i = 0; i < l->n; i++)
            for (size_t p = 0; p < l->plane; p++) {
                const int k =
                    l->index[((size_t)i * GROUPS + (size_t)group) * l->plane + p];
                float z[DIM];

                row_at(l, i, group, p, z);
                count[k]++;
                for (int c = 0; c < DIM; c++)
                    sum[k][c] += z[c];
            }
        for (int k = 0; k < CODES; k++) {
            float *n = &v->count[group][k];

            *n = KEEP * *n + (1 - KEEP) * count[k];
            for (int c = 0; c < DIM; c++) {
                float *s = &v->sum[group][k][c];

                *s = KEEP * *s + (1 - KEEP) * sum[k][c];
                v->code[group][k][c] = *s / RJ_MAX(*n, FORGOTTEN);
            }
            if (*n < FORGOTTEN)
                restart(v, l, r, group, k);
        }
    }
}

static rij_status make_loss(void *model, rj_tape *tape, rj_windows *w, rj_tensor **loss)
{
    const rj_shape shape = rj_shape_picture(w->n, 3, w->side, w->side);
    const rj_add_par both = {1, 1}, weighed = {1, COMMITMENT};
    const rj_absdiff_par smooth = {SMOOTH};
    rj_tensor *x, *z, *q, *delta, *y, *far, *t;
    vq *v = model;
    latents l;

    RJ_TRY(rj_tensor_from(tape, &shape, w->x, &x));
    RJ_TRY(rj_autoencoder_encode(v->a, tape, x, &z));
    RJ_TRY(take_latents(v, tape, z, &l));
    for (int k = 0; k < GROUPS * CODES && !v->filled; k++)
        restart(v, &l, &w->random, k / CODES, k % CODES);
    v->filled = true;
    RJ_TRY(rj_parallel_for(tape->dev->pool, l.n * GROUPS, quantise_piece, &l));
    average(v, &l, &w->random);
    RJ_TRY(rj_tensor_from(tape, &z->shape, l.delta, &delta));
    RJ_TRY(rj_tensor_from(tape, &z->shape, l.q, &q));
    RJ_TRY(rj_apply(tape, &rj_op_absdiff, &smooth, (rj_tensor *[]){z, q}, &far));
    RJ_TRY(rj_apply(tape, &rj_op_add, &both, (rj_tensor *[]){z, delta}, &t));
    RJ_TRY(rj_autoencoder_decode(v->a, tape, w->step < w->steps / FREE ? z : t, &y));
    RJ_TRY(rj_reconstruction_loss(tape, y, x, &t));
    return rj_apply(tape, &rj_op_add, &weighed, (rj_tensor *[]){t, far}, loss);
}

/* x -> its reconstruction from codes; an rj_network. */
static rij_status run(void *model, rj_tape *tape, rj_tensor *x, rj_tensor **y)
{
    vq *v = model;
    latents l;
    rj_tensor *z, *q;

    RJ_TRY(rj_autoencoder_encode(v->a, tape, x, &z));
    RJ_TRY(take_latents(v, tape, z, &l));
    RJ_TRY(rj_parallel_for(tape->dev->pool, l.n * GROUPS, quantise_piece, &l));
    RJ_TRY(rj_tensor_from(tape, &z->shape, l.q, &q));
    return rj_autoencoder_decode(v->a, tape, q, y);
}

static void close_model(void *model)
{
    vq *v = model;

    if (v)
        rj_autoencoder_free(v->a);
    rj_free(v);
}

static rij_status open_model(rj_device *dev, int which, uint64_t seed, void **model)
{
    const rj_autoencoder_config config = {RJ_DECODER_NEAREST, 2, LATENT, WIDTH};
    vq *v = rj_alloc(1, sizeof *v);
    rij_status status;

    (void)which;
    RJ_REQUIRE(v, RIJ_E_MEMORY, "vq: no memory");
    status = rj_autoencoder_new(dev, &config, seed, &v->a);
    if (status == RIJ_OK)
        *model = v;
    else
        close_model(v);
    return status;
}

static rij_status train(void *model, const rj_lesson *lesson)
{
    vq *v = model;
    const rj_course course = {v, rj_autoencoder_params(v->a), RATE, make_loss, NULL};

    return rj_lesson_run(lesson, &course);
}

static rij_status make(void *model, int how, rj_tape *tape, const rj_image *const *parent,
                       const uint64_t *seed, int n, rj_image *child)
{
    (void)how;
    (void)seed;
    return rj_network_apply(run, model, tape, RJ_AUTOENCODER_BORDER, parent, n, child);
}

const rj_kind rj_kind_vq = {open_model, train, make, close_model};
