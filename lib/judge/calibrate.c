/* calibrate.c: from scores to probabilities and a frozen threshold, on validation images.
 *
 *     standard = (S_prox - mean) / deviation
 *     S        = S_cls | standard | S_cls + kappa standard
 *     margin   = a S + b,   P(generated) = 1 / (1 + exp(-margin))
 *
 * a and b are Platt's (Platt 1999): they minimise the cross-entropy against the targets
 *
 *     t+ = (n+ + 1) / (n+ + 2) for fakes,   t- = 1 / (n- + 2) for reals,
 *
 * which keep the optimum finite even where S separates the classes. Each class weighs one
 * half, so margin 0, the threshold, does not move with the class mix of the validation
 * part; mean and deviation weigh the classes alike for the same reason. Two more margins
 * are kept: those above which 1 % and 5 % of the reals lie.
 *
 * Decided jointly, S_dist stands in the place of S_prox and kappa is the deviation of
 * S_cls, so that both weigh the same. */
#include "judge/judge.h"
#include <math.h>

double rj_decision_s(const rj_decision *d, double cls, double prox)
{
    const double standard = (prox - d->prox_mean) / d->prox_deviation;

    switch (d->by) {
    case RJ_DECIDE_PROXIMITY:
    case RJ_DECIDE_DISTANCE:
        return standard;
    case RJ_DECIDE_FUSED:
    case RJ_DECIDE_JOINT:
        return cls + d->kappa * standard;
    default:
        return cls;
    }
}

double rj_decision_margin(const rj_decision *d, double cls, double prox)
{
    return d->a * rj_decision_s(d, cls, prox) + d->b;
}

/* n scores and what they should become; weights add up to 1. */
typedef struct sample {
    int n;
    const double *cls, *prox;
    const int *label;
    double weight[2], target[2]; /* of a real, of a fake */
    double *s;
} sample;

/* Mean and deviation, classes alike. A deviation that rounding alone could make, or so
 * small that dividing by it would overflow a model file's numbers, becomes 1. */
static void moments(const sample *v, const double *x, double *mean, double *deviation)
{
    double sum = 0, square = 0;

    for (int i = 0; i < v->n; i++)
        sum += v->weight[v->label[i]] * x[i];
    for (int i = 0; i < v->n; i++)
        square += v->weight[v->label[i]] * (x[i] - sum) * (x[i] - sum);
    *mean = sum;
    *deviation = sqrt(square);
    if (*deviation < 1e-7 * (1 + fabs(sum)))
        *deviation = 1;
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* Mean cross-entropy of logits a s + b. */
static double entropy(const sample *v, double a, double b)
{
    double sum = 0;

    for (int i = 0; i < v->n; i++) {
        const int l = v->label[i];
        const double f = a * v->s[i] + b;

        sum += v->weight[l] * (softplus(f) - v->target[l] * f);
    }
    return sum;
}

/* Gradient and Hessian of entropy() by (a, b): with p the logistic function of f,
 * g = sum w (p - t) (s, 1), h = sum w p (1 - p) (s, 1)(s, 1)^T. */
static void slopes(const sample *v, double a, double b, double g[2], double h[3])
{
    g[0] = g[1] = h[0] = h[1] = h[2] = 0;
    for (int i = 0; i < v->n; i++) {
        const int l = v->label[i];
        const double s = v->s[i], p = 1 / (1 + exp(-(a * s + b)));
        const double e = v->weight[l] * (p - v->target[l]);
        const double c = v->weight[l] * p * (1 - p);

        g[0] += e * s;
        g[1] += e;
        h[0] += c * s * s;
        h[1] += c * s;
        h[2] += c;
    }
}

/* Newton's method with halved steps (Lin, Lin and Weng 2007) on scores scaled to mean 0
 * and deviation 1; the ridge keeps the step finite where p saturates. The entropy is
 * convex, so what is found does not depend on the start.
 *
 * a <= 0 says that the scores rank validation images backwards, or not at all. The
 * direction of S is a promise (higher is more fake), so a = 1e-3 per deviation of S takes
 * the place of all that is less, with the threshold at the mean: probabilities stay near
 * one half and the order is kept. The caller's figures tell that nothing was learned. */
static void fit(sample *v, double *slope, double *offset)
{
    double mean, deviation, a = 0, b = 0, now;

    moments(v, v->s, &mean, &deviation);
    for (int i = 0; i < v->n; i++)
        v->s[i] = (v->s[i] - mean) / deviation;
    now = entropy(v, a, b);
    for (int round = 0; round < 100; round++) {
        double g[2], h[3], next = INFINITY, size = 2;
        double determinant, da, db;

        slopes(v, a, b, g, h);
        h[0] += 1e-12;
        h[2] += 1e-12;
        determinant = h[0] * h[2] - h[1] * h[1];
        da = -(h[2] * g[0] - h[1] * g[1]) / determinant;
        db = -(h[0] * g[1] - h[1] * g[0]) / determinant;
        while (size > 1e-10 && !(next < now)) {
            size /= 2;
            next = entropy(v, a + size * da, b + size * db);
        }
        if (!(next < now))
            break;
        a += size * da;
        b += size * db;
        now = next;
    }
    if (!(a > 1e-3)) {
        a = 1e-3;
        b = 0;
    }
    *slope = a / deviation;
    *offset = b - a * mean / deviation;
}

/* S of every image under a decision, into v->s. */
static void score(sample *v, const rj_decision *d)
{
    for (int i = 0; i < v->n; i++)
        v->s[i] = rj_decision_s(d, v->cls[i], v->prox[i]);
}

/* Fit a and b; the entropy reached is returned, and v->s holds S. */
static double fit_decision(sample *v, rj_decision *d)
{
    score(v, d);
    fit(v, &d->a, &d->b);
    score(v, d);
    return entropy(v, d->a, d->b);
}

/* kappa of the best AUC, then of the lowest entropy, then the smallest. */
static rij_status fit_fused(sample *v, rj_decision *best)
{
    static const double grid[] = {0, 0.25, 0.5, 1, 2, 4};
    double best_auc = -1, best_entropy = INFINITY;

    for (int i = 0; i < RJ_COUNT(grid); i++) {
        rj_decision d = *best;
        double auc, sum;

        d.kappa = grid[i];
        sum = fit_decision(v, &d); // leaves v->s under d
        RJ_TRY(rj_metric_auc(v->n, v->s, v->label, NULL, &auc));
        if (auc > best_auc || (auc == best_auc && sum < best_entropy)) {
            best_auc = auc;
            best_entropy = sum;
            *best = d;
        }
    }
    return RIJ_OK;
}

/* The smallest margins that 1 % and 5 % of the reals, at most, lie above. */
static rij_status fit_alarms(sample *v, rj_decision *d)
{
    static const double share[RJ_ALARMS] = {0.01, 0.05};

    for (int i = 0; i < v->n; i++)
        v->s[i] = rj_decision_margin(d, v->cls[i], v->prox[i]);
    for (int k = 0; k < RJ_ALARMS; k++)
        RJ_TRY(rj_metric_threshold(v->n, v->s, v->label, share[k], &d->alarm[k]));
    return RIJ_OK;
}

rij_status rj_calibrate(int n, const double *cls, const double *prox, const int *label,
                        rj_decision *decision)
{
    sample v = {.n = n, .cls = cls, .prox = prox, .label = label};
    rj_decision d = {.by = decision->by};
    int count[2] = {0, 0};
    double mean;
    rij_status status = RIJ_OK;

    for (int i = 0; i < n; i++) {
        RJ_REQUIRE(isfinite(cls[i]) && isfinite(prox[i]), RIJ_E_DIVERGED,
                   "calibrate: score %d is not a finite number", i);
        count[label[i]]++;
    }
    RJ_REQUIRE(count[0] && count[1], RIJ_E_DATA,
               "calibrate: %d real and %d generated validation images, at least one of "
               "each is needed",
               count[0], count[1]);
    for (int l = 0; l < 2; l++)
        v.weight[l] = 0.5 / count[l];
    v.target[0] = 1.0 / (count[0] + 2);
    v.target[1] = (count[1] + 1.0) / (count[1] + 2);
    v.s = rj_alloc((size_t)n, sizeof *v.s);
    RJ_REQUIRE(v.s, RIJ_E_MEMORY, "calibrate: no memory for %d scores", n);
    moments(&v, prox, &d.prox_mean, &d.prox_deviation);
    if (d.by == RJ_DECIDE_JOINT)
        moments(&v, cls, &mean, &d.kappa);
    if (d.by == RJ_DECIDE_FUSED)
        status = fit_fused(&v, &d);
    else
        fit_decision(&v, &d);
    if (status == RIJ_OK)
        status = fit_alarms(&v, &d);
    rj_free(v.s);
    if (status == RIJ_OK)
        *decision = d;
    return status;
}
