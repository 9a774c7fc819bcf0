/* detector.c: stage 2, real and fake images, two views each (B rows).
 *
 *     h = E(x),  logit = w.h + c,  z = g(h) of unit length
 *     L_2 = L_cls + lambda L,      L_cls = mean softplus(logit) - y logit
 *
 * L is the contrastive form over C = {z_i} and the natural traces {t_m} (op/contrast.c):
 * "extended" draws reals to all reals and the traces, fakes to fakes; "soft" weighs the
 * targets by how near F_0, stage 1 frozen, holds two images.
 *
 * What is returned is the running mean of the parameters (Polyak and Juditsky 1992),
 *
 *     mean = d mean + (1 - d) now,  d = min(average, (1 + t) / (10 + t))
 *
 * or, with `average` off, the best by the validation views, which are judged every so
 * often; by these training stops when `patience` checks brought no gain, though not in
 * the first half, while the learning rate is high. */
#include "judge/judge.h"
#include <math.h>
#include <string.h>

enum { CHECKS = 20 };

static rij_status constant(rj_tape *tape, int n, const float *values, rj_tensor **out)
{
    const rj_shape shape = rj_shape_plain(1, n, 0, 0, 0);

    return rj_tensor_from(tape, &shape, values, out);
}

/* label, pair, role and weight of the rows of C, as inputs 1..4 of the contrast op. */
static rij_status describe_rows(rj_trainer *t, const rj_batch *batch, rj_tensor *in[])
{
    const int b = batch->rows, m = b + t->traces;
    const double rho = t->traces > 0 ? RJ_MAX(t->o.rho, 0.0) : 0;
    float *row = rj_arena_take(&t->tape.arena, 4 * (size_t)m, sizeof *row);

    RJ_REQUIRE(row, RIJ_E_MEMORY, "stage 2: no memory");
    for (int i = 0; i < m; i++) {
        const bool trace = i >= b;
        row[i] = trace ? RJ_REAL_LABEL : (float)batch->label[i];
        row[m + i] = trace ? -1 : (float)batch->pair[i];
        row[2 * m + i] = trace ? RJ_ROLE_TRACE : RJ_ROLE_IMAGE;
        row[3 * m + i] = (float)(trace ? rho / t->traces : (1 - rho) / b);
    }
    for (int i = 0; i < 4; i++)
        RJ_TRY(constant(&t->tape, m, row + i * m, &in[i + 1]));
    return RIJ_OK;
}

/* Rows of F_0's z_hom for the batch, then the traces: what soft targets are made of. */
static rij_status frozen_rows(rj_trainer *t, const rj_batch *batch, rj_tensor *trace,
                              rj_tensor **f)
{
    rj_tensor *z;

    RJ_TRY(rj_train_frozen(t, batch, &z));
    return rj_apply(&t->tape, &rj_op_concat, NULL, (rj_tensor *[RJ_MAX_IN]){z, trace}, f);
}

static rij_status contrast_loss(rj_trainer *t, const rj_batch *batch, rj_tensor *h,
                                rj_tensor **loss)
{
    const bool soft = strcmp(t->o.contrast, "soft") == 0;
    const rj_contrast_par par = {t->o.tau, t->o.tau_s,
                                 soft ? RJ_MAX(t->o.alpha, 0.0) : -1,
                                 soft ? RJ_MAX(t->o.beta, 0.0) : -1};
    const rj_shape shape = rj_shape_plain(2, t->traces, t->o.embedding, 0, 0);
    rj_tensor *in[RJ_MAX_IN] = {0}, *z, *trace = NULL;

    RJ_TRY(rj_net_project(t->net, &t->tape, RJ_HEAD_HOM, h, NULL, &z));
    if (t->traces > 0)
        RJ_TRY(rj_tensor_from(&t->tape, &shape, t->trace, &trace));
    RJ_TRY(rj_apply(&t->tape, &rj_op_concat, NULL, (rj_tensor *[RJ_MAX_IN]){z, trace},
                    &in[0]));
    RJ_TRY(describe_rows(t, batch, in));
    if (soft && t->stage1)
        RJ_TRY(frozen_rows(t, batch, trace, &in[5]));
    return rj_apply(&t->tape, &rj_op_contrast, &par, in, loss);
}

/* loss[0] total, [1] classifier, [2] contrastive or NULL. */
static rij_status forward(rj_trainer *t, const rj_batch *batch, rj_tensor *loss[3])
{
    const rj_shape shape = rj_shape_plain(4, batch->rows, 3, batch->crop, batch->crop);
    const bool contrast = t->o.lambda > 0 && strcmp(t->o.contrast, "none") != 0;
    float *label = rj_arena_take(&t->tape.arena, (size_t)batch->rows, sizeof *label);
    rj_tensor *x, *h, *logit, *y;

    RJ_REQUIRE(label, RIJ_E_MEMORY, "stage 2: no memory");
    for (int i = 0; i < batch->rows; i++)
        label[i] = (float)batch->label[i];
    RJ_TRY(constant(&t->tape, batch->rows, label, &y));
    RJ_TRY(rj_tensor_lend(&t->tape, &shape, batch->x, &x));
    RJ_TRY(rj_net_encode(t->net, &t->tape, x, true, &h));
    RJ_TRY(rj_net_logit(t->net, &t->tape, h, &logit));
    RJ_TRY(rj_apply(&t->tape, &rj_op_bce, NULL, (rj_tensor *[]){logit, y}, &loss[1]));
    loss[0] = loss[1];
    loss[2] = NULL;
    if (!contrast)
        return RIJ_OK;
    RJ_TRY(contrast_loss(t, batch, h, &loss[2]));
    return rj_apply(&t->tape, &rj_op_add, &(rj_add_par){1, t->o.lambda},
                    (rj_tensor *[]){loss[1], loss[2]}, &loss[0]);
}

static rij_status average(rj_trainer *t, int64_t step)
{
    const double ramp = (1 + (double)step) / (10 + (double)step);

    if (t->o.average <= 0)
        return RIJ_OK;
    return rj_params_average(rj_net_params(t->best), rj_net_params(t->net),
                             RJ_MIN(t->o.average, ramp));
}

/* Judge the validation views and, where no mean is kept, keep the parameters if they are
 * the best so far. With patience off the last ones win. */
static rij_status check(rj_trainer *t, int64_t step)
{
    const bool by_traces = strcmp(t->o.decide, "proximity") == 0;
    const bool mean = t->o.average > 0;
    rj_standing *at = &t->at;
    const rij_status status =
        rj_trainer_judge(t, mean ? t->best : t->net, t->trace, t->traces);
    double auc = 0;

    RJ_REQUIRE(status != RIJ_E_DIVERGED, RIJ_E_DIVERGED,
               "stage 2: scores are not finite after step %jd, learning rate %g",
               (intmax_t)step, t->progress.rate);
    RJ_TRY(status);
    RJ_TRY(
        rj_metric_auc(t->views, by_traces ? t->prox : t->cls, t->view_label, NULL, &auc));
    t->progress.auc = auc;
    at->without_gain = auc > at->best ? 0 : at->without_gain + 1;
    at->stop =
        t->o.patience > 0 && at->without_gain >= t->o.patience && 2 * step >= t->o.steps2;
    if (mean || (t->o.patience > 0 && auc < at->best)) {
        at->best = RJ_MAX(at->best, auc);
        return RIJ_OK;
    }
    at->best = auc; // of equals the latest, trained longest
    return rj_params_copy(rj_net_params(t->best), rj_net_params(t->net));
}

static rij_status train_step(rj_trainer *t, rj_batcher *batcher,
                             const rj_optimiser *optimiser, int64_t step)
{
    const double rate =
        rj_schedule(t->o.rate2, RJ_MAX(t->o.warmup, 0.0), step, t->o.steps2);
    const int64_t every = RJ_MAX(t->o.steps2 / CHECKS, 1);
    const bool now = step + 1 == t->o.steps2 || (step + 1) % every == 0;
    const rj_batch *batch;
    rj_tensor *loss[3];
    double value[4] = {0};

    rj_tape_reset(&t->tape); // which was lent the batch before
    RJ_TRY(rj_batcher_next(batcher, &batch));
    RJ_TRY(forward(t, batch, loss));
    RJ_TRY(rj_params_clear_gradients(rj_net_params(t->net)));
    RJ_TRY(rj_backward(&t->tape, loss[0]));
    RJ_TRY(rj_optimiser_step(optimiser, rj_net_params(t->net), rate, step + 1));
    RJ_TRY(average(t, step));
    for (int i = 0; i < 3; i++) // only now, for it waits for the device
        if (loss[i])
            RJ_TRY(rj_tensor_scalar(t->dev, loss[i], &value[i]));
    RJ_REQUIRE(isfinite(value[0]), RIJ_E_DIVERGED,
               "stage 2: the loss is %g at step %jd, learning rate %g", value[0],
               (intmax_t)step, rate);
    if (now)
        RJ_TRY(check(t, step));
    RJ_TRY(rj_trainer_stands(t, step + 1));
    return rj_trainer_tell(t, step + 1, batch->rows, rate, value, now);
}

rij_status rj_train_best(rj_trainer *t)
{
    return rj_net_new(t->dev, rj_net_config_of(t->net), t->o.seed, false, &t->best);
}

rij_status rj_train_detector(rj_trainer *t)
{
    const rj_view_law law = rj_trainer_law(t);
    const rj_optimiser optimiser = {.adamw = strcmp(t->o.optimiser, "adamw") == 0,
                                    .momentum = 0.9,
                                    .beta1 = 0.9,
                                    .beta2 = 0.999,
                                    .eps = 1e-8,
                                    .decay = RJ_MAX(t->o.weight_decay, 0.0)};
    rj_batcher *batcher = NULL;
    rij_status status = RIJ_OK;

    if (t->at.stage < 2) {
        RJ_TRY(rj_train_best(t));
        t->at = (rj_standing){.stage = 2, .best = -1};
    }
    RJ_TRY(rj_batcher_new(&t->data, t->cache, RJ_BATCH_MIXED, &law, t->o.batch2, 0,
                          t->o.seed, t->at.steps, rj_trainer_workers(t), &batcher));
    rj_trainer_phase(t, "stage 2", t->o.steps2);
    t->phase_first = t->at.steps;
    for (int64_t i = t->at.steps; i < t->o.steps2 && status == RIJ_OK && !t->at.stop; i++)
        status = train_step(t, batcher, &optimiser, i);
    rj_tape_reset(&t->tape);
    rj_batcher_free(batcher);
    return status;
}
