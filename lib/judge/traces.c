/* traces.c: stage 1, real images only, and the natural traces it leaves.
 *
 * Rows of a step: two views of each of n real images (B = 2n rows), then trace-broken
 * views of them (R rows). a = z_hom, b = z_het, c = z_hom of the trace-broken ones:
 *
 *     L_1 = L_hom + l_het L_het + l_dec L_dec
 *     L_hom  every a draws every other a; all b and all c push       (contrast, uniform)
 *     L_het  NT-Xent of b: the other view draws, all else pushes     (contrast, pairs)
 *     L_dec  ||a^T b||_F^2 / B^2                                     (decouple)
 *
 * Without c a constant z_hom would be the best answer to L_hom; docs/math.md has the
 * bound. After training the network is frozen (F_0), and spherical k-means of its z_hom
 * over real views gives the traces. The scheme is that of arXiv:2403.16513, the formulas
 * are ours. */
#include "judge/judge.h"
#include <math.h>
#include <string.h>

enum { KMEANS_ROWS = 1024, CHECKS = 10 };

/* Tensors of one step. */
struct step {
    int b, r;                   /* rows: views, trace-broken views */
    rj_tensor *u, *a, *het, *c; /* u: z_hom before normalisation, of all rows */
    rj_tensor *loss[4];         /* total, L_hom, L_het, L_dec; NULL where switched off */
};

static rij_status constant(rj_tape *tape, int n, const float *values, rj_tensor **out)
{
    const rj_shape shape = rj_shape_plain(1, n, 0, 0, 0);

    return rj_tensor_from(tape, &shape, values, out);
}

/* A contrastive loss over rows z. label, pair, weight: m numbers; no traces, uniform. */
static rij_status contrast(rj_trainer *t, rj_tensor *z, const float *label,
                           const float *pair, const float *weight,
                           const rj_contrast_par *par, rj_tensor **loss)
{
    const int m = z->shape.dim[0];
    rj_tensor *in[RJ_MAX_IN] = {z};
    float *role = rj_arena_take(&t->tape.arena, (size_t)m, sizeof *role);

    RJ_REQUIRE(role, RIJ_E_MEMORY, "stage 1: no memory");
    RJ_TRY(constant(&t->tape, m, label, &in[1]));
    RJ_TRY(constant(&t->tape, m, pair, &in[2]));
    RJ_TRY(constant(&t->tape, m, role, &in[3]));
    RJ_TRY(constant(&t->tape, m, weight, &in[4]));
    return rj_apply(&t->tape, &rj_op_contrast, par, in, loss);
}

/* L_hom over a, b, c: a are anchors and each other's positives, b and c only push. */
static rij_status loss_hom(rj_trainer *t, struct step *s)
{
    const int m = 2 * s->b + s->r;
    const rj_contrast_par par = {t->o.tau, t->o.tau_s, -1, -1};
    float *row = rj_arena_take(&t->tape.arena, 3 * (size_t)m, sizeof *row);
    float *label = row, *pair = row + m, *weight = row + 2 * m;
    rj_tensor *z;

    RJ_REQUIRE(row, RIJ_E_MEMORY, "stage 1: no memory");
    for (int i = 0; i < m; i++) {
        label[i] = i < s->b ? 0 : 2;
        pair[i] = -1;
        weight[i] = i < s->b ? 1.0F / (float)s->b : 0;
    }
    RJ_TRY(rj_apply(&t->tape, &rj_op_concat, NULL,
                    (rj_tensor *[RJ_MAX_IN]){s->a, s->het, s->c}, &z));
    return contrast(t, z, label, pair, weight, &par, &s->loss[1]);
}

static rij_status loss_het(rj_trainer *t, struct step *s)
{
    const rj_contrast_par par = {t->o.tau, t->o.tau_s, 0, 0};
    const int n = s->b / 2;
    float *row = rj_arena_take(&t->tape.arena, 3 * (size_t)s->b, sizeof *row);
    float *label = row, *pair = row + s->b, *weight = row + 2 * s->b;

    RJ_REQUIRE(row, RIJ_E_MEMORY, "stage 1: no memory");
    for (int i = 0; i < s->b; i++) {
        label[i] = 1; // the pair law: only the other view is a positive
        pair[i] = (float)(i < n ? i + n : i - n);
        weight[i] = 1.0F / (float)s->b;
    }
    return contrast(t, s->het, label, pair, weight, &par, &s->loss[2]);
}

/* loss[0] = L_hom + l_het L_het + l_dec L_dec, leaving out what is switched off. */
static rij_status join_losses(rj_trainer *t, struct step *s)
{
    const double factor[4] = {0, 1, t->o.l_het, t->o.l_dec};

    s->loss[0] = s->loss[1];
    for (int i = 2; i < 4; i++)
        if (s->loss[i])
            RJ_TRY(rj_apply(&t->tape, &rj_op_add, &(rj_add_par){1, factor[i]},
                            (rj_tensor *[]){s->loss[0], s->loss[i]}, &s->loss[0]));
    return RIJ_OK;
}

static rij_status rows(rj_trainer *t, rj_tensor *x, int first, int n, rj_tensor **out)
{
    return rj_apply(&t->tape, &rj_op_rows, &(rj_rows_par){first, n}, &x, out);
}

static rij_status forward(rj_trainer *t, const rj_batch *batch, int broken,
                          struct step *s)
{
    const rj_shape shape = rj_shape_plain(4, batch->rows, 3, batch->crop, batch->crop);
    rj_tensor *x, *h, *h_real, *z;

    s->r = broken;
    s->b = batch->rows - broken;
    RJ_TRY(rj_tensor_lend(&t->tape, &shape, batch->x, &x));
    RJ_TRY(rj_net_encode(t->net, &t->tape, x, true, &h));
    RJ_TRY(rj_net_project(t->net, &t->tape, RJ_HEAD_HOM, h, &s->u, &z));
    RJ_TRY(rows(t, z, 0, s->b, &s->a));
    if (s->r > 0)
        RJ_TRY(rows(t, z, s->b, s->r, &s->c));
    RJ_TRY(rows(t, h, 0, s->b, &h_real));
    RJ_TRY(rj_net_project(t->net, &t->tape, RJ_HEAD_HET, h_real, NULL, &s->het));
    RJ_TRY(loss_hom(t, s));
    if (t->o.l_het > 0)
        RJ_TRY(loss_het(t, s));
    if (t->o.l_dec > 0)
        RJ_TRY(rj_apply(&t->tape, &rj_op_decouple, NULL, (rj_tensor *[]){s->a, s->het},
                        &s->loss[3]));
    return join_losses(t, s);
}

/* What the head does, from the first view of this step's reals; and the AUC on the
 * validation views of 1 - max_m z.t_m with the mean of these rows as the one trace. */
static rij_status diagnose(rj_trainer *t, const struct step *s, int64_t step, double rate)
{
    const int d = t->o.embedding;
    const size_t n = (size_t)(s->b + s->r) * (size_t)d;
    rij_progress *p = &t->progress;
    rj_real *host = rj_arena_take(&t->tape.arena, n, sizeof *host);
    float *z = rj_arena_take(&t->tape.arena, n, sizeof *z);
    float *mean = rj_arena_take(&t->tape.arena, (size_t)d, sizeof *mean);
    rij_status status;

    RJ_REQUIRE(host && z && mean, RIJ_E_MEMORY, "stage 1: no memory");
    RJ_TRY(rj_tensor_read(t->dev, s->u, host));
    RJ_TRY(rj_spread(s->b / 2, d, host, &p->cosine, &p->rank, &p->spread));
    RJ_TRY(rj_tensor_read(t->dev, s->a, host));
    for (int i = 0; i < s->b * d; i++)
        z[i] = (float)host[i];
    RJ_TRY(rj_kmeans(s->b, d, z, 1, t->o.seed, mean));
    status = rj_trainer_judge(t, t->net, mean, 1);
    RJ_REQUIRE(status != RIJ_E_DIVERGED, RIJ_E_DIVERGED,
               "stage 1: scores are not finite after step %jd, learning rate %g",
               (intmax_t)step, rate);
    RJ_TRY(status);
    return rj_metric_auc(t->views, t->prox, t->view_label, NULL, &p->auc);
}

static rij_status train_step(rj_trainer *t, rj_batcher *batcher, int broken, int64_t step)
{
    const rj_optimiser sgd = {.momentum = 0.9, .decay = 1e-4};
    const double rate =
        rj_schedule(t->o.rate1 * t->o.batch1 / 256, 0.1, step, t->o.steps1);
    const int64_t check = RJ_MAX(t->o.steps1 / CHECKS, 1);
    const bool last = step + 1 == t->o.steps1, now = last || (step + 1) % check == 0;
    const rj_batch *batch;
    struct step s = {0};
    double loss[4] = {0};

    rj_tape_reset(&t->tape); // which was lent the batch before
    RJ_TRY(rj_batcher_next(batcher, &batch));
    RJ_TRY(forward(t, batch, broken, &s));
    RJ_TRY(rj_params_clear_gradients(rj_net_params(t->net)));
    RJ_TRY(rj_backward(&t->tape, s.loss[0]));
    RJ_TRY(rj_optimiser_step(&sgd, rj_net_params(t->net), rate, step + 1));
    for (int i = 0; i < 4; i++) // only now, for it waits for the device
        if (s.loss[i])
            RJ_TRY(rj_tensor_scalar(t->dev, s.loss[i], &loss[i]));
    RJ_REQUIRE(isfinite(loss[0]), RIJ_E_DIVERGED,
               "stage 1: the loss is %g at step %jd, learning rate %g", loss[0],
               (intmax_t)step, rate);
    if (now)
        RJ_TRY(diagnose(t, &s, step, rate));
    RJ_TRY(rj_trainer_stands(t, step + 1));
    return rj_trainer_tell(t, step + 1, batch->rows, rate, loss, now);
}

rij_status rj_train_frozen(rj_trainer *t, const rj_batch *batch, rj_tensor **z)
{
    rj_tensor *h;

    rj_tape_reset(&t->judging);
    RJ_TRY(
        rj_ready_encode(t->ready, &t->judging, batch->rows, batch->crop, batch->x, &h));
    return rj_net_project(t->stage1, &t->judging, RJ_HEAD_HOM, h, NULL, z);
}

/* F_0: the network as stage 1 leaves it, made ready for the batches of stage 2. */
rij_status rj_train_freeze(rj_trainer *t)
{
    RJ_TRY(rj_net_new(t->dev, rj_net_config_of(t->net), t->o.seed, false, &t->stage1));
    RJ_TRY(rj_params_copy(rj_net_params(t->stage1), rj_net_params(t->net)));
    return rj_net_prepare(t->stage1, t->dev, t->o.crop, 2 * t->o.batch2, &t->ready);
}

/* z_hom of F_0 over real views, `n` rows, into `out`. */
static rij_status embed(rj_trainer *t, rj_batcher *batcher, int n, float *out)
{
    const int d = t->o.embedding;
    int have = 0;

    while (have < n) {
        const rj_batch *batch;
        rj_tensor *z;
        rj_real *host;

        RJ_TRY(rj_batcher_next(batcher, &batch));
        RJ_TRY(rj_train_frozen(t, batch, &z));
        host = rj_arena_take(&t->judging.arena, rj_count(&z->shape), sizeof *host);
        RJ_REQUIRE(host, RIJ_E_MEMORY, "traces: no memory");
        RJ_TRY(rj_tensor_read(t->dev, z, host));
        for (int i = 0; i < batch->rows && have < n; i++, have++)
            for (int j = 0; j < d; j++)
                out[have * d + j] = (float)host[i * d + j];
        RJ_TRY(rj_trainer_tell(t, have, batch->rows, 0, (const double[4]){0}, false));
    }
    return RIJ_OK;
}

static rij_status find_traces(rj_trainer *t, rj_batcher *batcher)
{
    const int d = t->o.embedding, n = RJ_MAX(KMEANS_ROWS, 4 * t->o.traces);
    float *z = rj_alloc((size_t)n * (size_t)d, sizeof *z);
    rij_status status;

    t->trace = rj_alloc((size_t)t->o.traces * (size_t)d, sizeof *t->trace);
    if (!z || !t->trace) {
        rj_free(z);
        return rj_fail(RIJ_E_MEMORY, "traces: no memory for %d rows", n);
    }
    rj_trainer_phase(t, "traces", n);
    status = embed(t, batcher, n, z);
    if (status == RIJ_OK)
        status = rj_kmeans(n, d, z, t->o.traces, t->o.seed, t->trace);
    rj_free(z);
    t->traces = status == RIJ_OK ? t->o.traces : 0;
    return status;
}

rij_status rj_train_traces(rj_trainer *t)
{
    const int broken = (int)lround(RJ_MAX(t->o.broken, 0.0) * 2 * t->o.batch1);
    const rj_view_law law = rj_trainer_law(t);
    rj_batcher *batcher = NULL;
    rij_status status;

    t->at.stage = 1;
    RJ_TRY(rj_batcher_new(&t->data, t->cache, RJ_BATCH_REAL, &law, t->o.batch1, broken,
                          t->o.seed, t->at.steps, rj_trainer_workers(t), &batcher));
    rj_trainer_phase(t, "stage 1", t->o.steps1);
    t->phase_first = t->at.steps;
    status = RIJ_OK;
    for (int64_t i = t->at.steps; i < t->o.steps1 && status == RIJ_OK; i++)
        status = train_step(t, batcher, broken, i);
    if (status == RIJ_OK)
        status = rj_train_freeze(t);
    rj_tape_reset(&t->tape);
    rj_batcher_free(batcher);
    RJ_TRY(status);
    if (t->o.traces < 1)
        return RIJ_OK;
    RJ_TRY(rj_batcher_new(&t->data, t->cache, RJ_BATCH_REAL, &law, t->o.batch1, 0,
                          t->o.seed + 1, 0, rj_trainer_workers(t), &batcher));
    status = find_traces(t, batcher);
    rj_tape_reset(&t->tape);
    rj_batcher_free(batcher);
    return status;
}
