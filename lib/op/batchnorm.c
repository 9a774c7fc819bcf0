/* batchnorm: each channel to mean 0 and deviation 1, then scaled and shifted; with what
 * follows it in a residual block, so that no pass over memory is made for that.
 *
 *     y[n][c][h][w] = relu(gamma[c] z + beta[c] + add[n][c][h][w]),
 *     z = (x - mean[c]) inv[c],   inv[c] = 1 / sqrt(var[c] + eps)
 *
 * x (N,C,H,W) picture; gamma, beta, run_mean, run_var (C); add like x, may be left out
 * -> y like x. The relu is there if par.relu; what is no number stays none, so that one
 * sees a training diverge. In training mean and var are those of the batch (var over
 * M = N H W numbers, biased), and the running ones follow them: run = (1 - momentum) run
 * + momentum batch, with var M / (M - 1) as PyTorch has it. Else the running ones serve.
 * Gradient, sums over the channel's M places, after dy is set to 0 where y <= 0 if
 * par.relu:
 *
 *     dadd = dy,   dgamma = sum dy z,   dbeta = sum dy
 *     training: dx = gamma inv (dy - dbeta / M - z dgamma / M)
 *     else:     dx = gamma inv dy
 *
 * Saved for backward: mean and inv, 2 C numbers; y or x tell where the relu gave 0.
 * Ioffe and Szegedy 2015. */
#include "op/op.h"
#include <math.h>

/* A channel's plane of picture n. */
static size_t plane_at(const rj_bn *d, int n, int c)
{
    return ((size_t)n * (size_t)d->c + (size_t)c) * (size_t)d->h * (size_t)d->w;
}

/* Mean, and biased variance, of a channel: two passes. */
static void moments(const rj_bn *d, const rj_real *x, int c, double *mean, double *var)
{
    const size_t plane = (size_t)d->h * (size_t)d->w;
    const double m = (double)d->n * (double)plane;
    double sum = 0, square = 0;

    for (int n = 0; n < d->n; n++)
        for (size_t i = 0; i < plane; i++)
            sum += (double)x[plane_at(d, n, c) + i];
    *mean = sum / m;
    for (int n = 0; n < d->n; n++)
        for (size_t i = 0; i < plane; i++) {
            const double e = (double)x[plane_at(d, n, c) + i] - *mean;
            square += e * e;
        }
    *var = square / m;
}

void rj_ref_bn_channel(const rj_bn *d, const rj_real *x, int c, rj_real *run_mean,
                       rj_real *run_var, rj_real *mean, rj_real *inv)
{
    const double m = (double)d->n * (double)d->h * (double)d->w;
    double mu = (double)run_mean[c], var = (double)run_var[c];

    if (d->train) {
        moments(d, x, c, &mu, &var);
        run_mean[c] =
            (rj_real)((1 - d->momentum) * (double)run_mean[c] + d->momentum * mu);
        run_var[c] = (rj_real)((1 - d->momentum) * (double)run_var[c] +
                               d->momentum * var * m / fmax(m - 1, 1));
    }
    mean[c] = (rj_real)mu;
    inv[c] = (rj_real)(1 / sqrt(var + d->eps));
}

rij_status rj_ref_batchnorm(rj_device *dev, const rj_bn *d, const rj_real *x,
                            const rj_real *gamma, const rj_real *beta, const rj_real *add,
                            rj_real *run_mean, rj_real *run_var, rj_real *mean,
                            rj_real *inv, rj_real *y)
{
    const size_t plane = (size_t)d->h * (size_t)d->w;

    (void)dev;
    for (int c = 0; c < d->c; c++) {
        rj_ref_bn_channel(d, x, c, run_mean, run_var, mean, inv);
        for (int n = 0; n < d->n; n++)
            for (size_t i = plane_at(d, n, c); i < plane_at(d, n, c) + plane; i++) {
                const rj_real v = gamma[c] * ((x[i] - mean[c]) * inv[c]) + beta[c] +
                                  (d->add ? add[i] : 0);
                y[i] = d->relu && v < 0 ? 0 : v;
            }
    }
    return RIJ_OK;
}

/* The gradient that arrives through the relu. */
static double arriving(const rj_bn *d, const rj_real *y, const rj_real *dy, size_t i)
{
    return d->relu && y[i] <= 0 ? 0 : (double)dy[i];
}

rij_status rj_ref_batchnorm_grad(rj_device *dev, const rj_bn *d, const rj_real *x,
                                 const rj_real *gamma, const rj_real *beta,
                                 const rj_real *mean, const rj_real *inv,
                                 const rj_real *y, const rj_real *dy, rj_real *dx,
                                 rj_real *dgamma, rj_real *dbeta, rj_real *d_add)
{
    const size_t plane = (size_t)d->h * (size_t)d->w;
    const double m = (double)d->n * (double)plane;

    (void)dev;
    (void)beta;
    for (int c = 0; c < d->c; c++) {
        double along = 0, sum = 0;
        for (int n = 0; n < d->n; n++)
            for (size_t i = plane_at(d, n, c); i < plane_at(d, n, c) + plane; i++) {
                const double g = arriving(d, y, dy, i);
                sum += g;
                along += g * (double)((x[i] - mean[c]) * inv[c]);
                if (d_add)
                    d_add[i] = (d->fresh_add ? 0 : d_add[i]) + (rj_real)g;
            }
        if (dgamma)
            dgamma[c] += (rj_real)along;
        if (dbeta)
            dbeta[c] += (rj_real)sum;
        for (int n = 0; dx && n < d->n; n++)
            for (size_t i = plane_at(d, n, c); i < plane_at(d, n, c) + plane; i++) {
                const double z = (double)((x[i] - mean[c]) * inv[c]);
                const double lost = d->train ? sum / m + z * along / m : 0;
                dx[i] = (d->fresh_dx ? 0 : dx[i]) +
                        (rj_real)((double)gamma[c] * (double)inv[c] *
                                  (arriving(d, y, dy, i) - lost));
            }
    }
    return RIJ_OK;
}

static rj_bn dims(const rj_call *call)
{
    const rj_batchnorm_par *par = call->par;
    const int *x = call->in[0]->shape.dim;

    return (rj_bn){x[0],       x[1],     x[2],          x[3],
                   par->train, par->eps, par->momentum, call->in[5] != NULL,
                   par->relu,  false,    false};
}

rij_status rj_bn_check(const rj_call *call)
{
    const rj_shape *x = &call->in[0]->shape;
    char text[2][64];

    for (int i = 1; i < 5; i++) {
        const rj_shape *s = &call->in[i]->shape;
        RJ_REQUIRE(s->rank == 1 && s->dim[0] == x->dim[1], RIJ_E_SHAPE,
                   "%s: x %s and input %d %s", call->op->name, rj_shape_text(x, text[0]),
                   i, rj_shape_text(s, text[1]));
    }
    return RIJ_OK;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape;
    char text[2][64];

    RJ_REQUIRE(x->picture, RIJ_E_SHAPE, "batchnorm: x %s is no picture",
               rj_shape_text(x, text[0]));
    RJ_TRY(rj_bn_check(call));
    if (call->in[5]) {
        const rj_shape *add = &call->in[5]->shape;
        RJ_REQUIRE(rj_shape_same(x, add), RIJ_E_SHAPE, "batchnorm: x %s and add %s",
                   rj_shape_text(x, text[0]), rj_shape_text(add, text[1]));
    }
    *out = *x;
    *saved = 2 * (size_t)x->dim[1];
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_bn d = dims(call);

    return call->dev->k->batchnorm(call->dev, &d, call->in[0]->x, call->in[1]->x,
                                   call->in[2]->x, call->in[5] ? call->in[5]->x : NULL,
                                   call->in[3]->x, call->in[4]->x, call->saved,
                                   call->saved + d.c, call->out->x);
}

static rij_status backward(const rj_call *call)
{
    rj_bn d = dims(call);

    d.fresh_dx = call->fresh & 1;
    d.fresh_add = call->fresh >> 5 & 1;
    return call->dev->k->batchnorm_grad(
        call->dev, &d, call->in[0]->x, call->in[1]->x, call->in[2]->x, call->saved,
        call->saved + d.c, call->out->x, call->out->g, call->in[0]->g, call->in[1]->g,
        call->in[2]->g, call->in[5] ? call->in[5]->g : NULL);
}

const rj_op rj_op_batchnorm = {.name = "batchnorm",
                               .inputs = 6,
                               .optional = 1u << 5,
                               .writes = 1u | 1u << 5,
                               .over_input = true,
                               .par_bytes = sizeof(rj_batchnorm_par),
                               .shape = shape,
                               .forward = forward,
                               .backward = backward};
