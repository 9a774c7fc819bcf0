/* contrast: the one contrastive form, which SupCon, NT-Xent, the extended loss towards
 * the natural traces and its soft version all are.
 *
 *     loss = sum_a w_a sum_{c in A(a)} q_ac (-log p_ac)
 *     p_ac = exp(z_a.z_c / tau) / sum_{j in A(a)} exp(z_a.z_j / tau)
 *
 * z (M,D) rows; label, pair, role, weight (M) and f (M,F) or none are constants, as
 * struct rj_contrast has them -> one number. A(image) is every other row, A(trace) every
 * image. The targets q_a sum to 1 over A(a):
 *
 *     real     (1 - alpha) S(other real images) + alpha S(traces)
 *     fake     (1 - beta) [its other view] + beta S(other fakes)
 *     trace    S(real images)
 *
 * S(set) is softmax of f_a.f_j / tau_s over the set, uniform without f. alpha < 0 (beta
 * for fakes): uniform over all positives instead. Where one part is empty the other takes
 * its share, save that with beta = 0 a fake's only positive is its other view (NT-Xent);
 * a row with no positive, or with label >= 2, is no anchor, and the weights of the rest
 * are scaled so that their sum stays. Targets are constants. Gradient, with G_ac = w_a
 * (p_ac - q_ac) and 0 outside A(a):
 *
 *     dz = dl / tau (G + G^T) z,      sum_c G_ac = 0
 *
 * Saved for backward: G, M*M numbers. |s| <= 1 / tau and the row's largest s is taken off
 * first, so exp is safe. Khosla et al. 2020; Chen et al. 2020; the traces are those of
 * arXiv:2403.16513, the formula is ours (docs/math.md). */
#include "op/op.h"
#include <math.h>

static double dot(const rj_real *a, const rj_real *b, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Row i of a matrix of this width. */
static const rj_real *row_of(const rj_real *x, int width, int i)
{
    return x + (size_t)i * (size_t)width;
}

static bool is_trace(const rj_contrast *d, int i)
{
    return d->role[i] == (rj_real)RJ_ROLE_TRACE;
}

/* Is c in A(a)? */
static bool competes(const rj_contrast *d, int a, int c)
{
    return a != c && !(is_trace(d, a) && is_trace(d, c));
}

/* Which part of q_a row c belongs to: 0 none, 1 images of the label, 2 traces. */
static int part_of(const rj_contrast *d, int a, int c)
{
    if (!competes(d, a, c) || d->label[a] != d->label[c] || d->label[a] > 1)
        return 0;
    return is_trace(d, c) ? 2 : 1;
}

/* row[c] += share S(rows of `part`, or of any part for 0); false if there are none. */
static bool add_softmax(const rj_contrast *d, int a, int part, double share, rj_real *row)
{
    const rj_real *f = d->df ? d->f : NULL;
    double most = -INFINITY, sum = 0;

    for (int c = 0; c < d->m; c++) {
        const int is = part_of(d, a, c);
        if (!is || (part && is != part))
            continue;
        const double s =
            f ? dot(row_of(f, d->df, a), row_of(f, d->df, c), d->df) / d->tau_s : 0;
        if (s > most) {
            sum *= exp(most - s);
            most = s;
        }
        sum += exp(s - most);
    }
    for (int c = 0; c < d->m && sum > 0; c++) {
        const int is = part_of(d, a, c);
        if (!is || (part && is != part))
            continue;
        const double s =
            f ? dot(row_of(f, d->df, a), row_of(f, d->df, c), d->df) / d->tau_s : 0;
        row[c] += (rj_real)(share * exp(s - most) / sum);
    }
    return sum > 0;
}

static bool has_part(const rj_contrast *d, int a, int part)
{
    for (int c = 0; c < d->m; c++)
        if (part_of(d, a, c) == part)
            return true;
    return false;
}

/* q_a into a row of zeros; false if a has no positive. */
static bool targets(const rj_contrast *d, int a, rj_real *row)
{
    const int pair = (int)d->pair[a];
    const bool fake = d->label[a] == 1;
    const double mix = fake ? d->beta : d->alpha;
    const bool images = has_part(d, a, 1);

    if (d->label[a] > 1)
        return false;
    if (mix < 0) {
        rj_contrast uniform = *d;
        uniform.df = 0;
        return add_softmax(&uniform, a, 0, 1, row);
    }
    if (is_trace(d, a))
        return add_softmax(d, a, 1, 1, row);
    if (fake && pair >= 0 && pair < d->m && part_of(d, a, pair) == 1) {
        row[pair] += (rj_real)(1 - mix);
        return mix > 0 ? add_softmax(d, a, 1, mix, row) : true;
    }
    if (fake)
        return mix > 0 && add_softmax(d, a, 1, 1, row);
    if (has_part(d, a, 2) && images)
        return add_softmax(d, a, 1, 1 - mix, row) && add_softmax(d, a, 2, mix, row);
    return add_softmax(d, a, 0, 1, row);
}

/* Row a of G, of weight 1, in place of its targets; returns sum_c q (-log p). s: M
 * numbers z_a.z_c / tau. */
static double finish_row(const rj_contrast *d, int a, const rj_real *s, rj_real *row)
{
    double most = -INFINITY, sum = 0, loss = 0;

    for (int c = 0; c < d->m; c++)
        if (competes(d, a, c))
            most = fmax(most, (double)s[c]);
    for (int c = 0; c < d->m; c++)
        if (competes(d, a, c))
            sum += exp((double)s[c] - most);
    for (int c = 0; c < d->m; c++) {
        if (!competes(d, a, c))
            continue;
        loss += (double)row[c] * (log(sum) + most - (double)s[c]);
        row[c] = (rj_real)(exp((double)s[c] - most) / sum - (double)row[c]);
    }
    return loss;
}

/* Targets of every row into g; scale of the weights so that anchors keep their sum. */
static double fill_targets(const rj_contrast *d, rj_real *g)
{
    double all = 0, kept = 0;

    for (size_t i = 0; i < (size_t)d->m * (size_t)d->m; i++)
        g[i] = 0;
    for (int a = 0; a < d->m; a++) {
        const double w = d->label[a] > 1 ? 0 : (double)d->weight[a];
        all += w;
        if (w > 0 && targets(d, a, g + (size_t)a * (size_t)d->m))
            kept += w;
    }
    return kept > 0 ? all / kept : 0;
}

static bool is_anchor(const rj_contrast *d, int a, const rj_real *row)
{
    double sum = 0;

    for (int c = 0; c < d->m; c++)
        sum += (double)row[c];
    return d->label[a] <= 1 && d->weight[a] > 0 && sum > 0;
}

rij_status rj_ref_contrast_keep(rj_device *dev, const rj_contrast *d, size_t *n)
{
    (void)dev;
    *n = (size_t)d->m * (size_t)d->m;
    return RIJ_OK;
}

rij_status rj_ref_contrast(rj_device *dev, const rj_contrast *d, const rj_real *z,
                           rj_real *loss, rj_real *g)
{
    const double scale = fill_targets(d, g);
    double total = 0;

    RJ_TRY(rj_device_shared(dev, (size_t)d->m * sizeof(rj_real)));
    rj_real *const s = dev->shared;
    for (int a = 0; a < d->m; a++) {
        rj_real *row = g + (size_t)a * (size_t)d->m;
        const double w = is_anchor(d, a, row) ? scale * (double)d->weight[a] : 0;
        if (w <= 0) {
            for (int c = 0; c < d->m; c++)
                row[c] = 0;
            continue;
        }
        for (int c = 0; c < d->m; c++)
            s[c] = (rj_real)(dot(row_of(z, d->d, a), row_of(z, d->d, c), d->d) / d->tau);
        total += w * finish_row(d, a, s, row);
        for (int c = 0; c < d->m; c++)
            row[c] *= (rj_real)w;
    }
    loss[0] = (rj_real)total;
    return RIJ_OK;
}

rij_status rj_ref_contrast_grad(rj_device *dev, const rj_contrast *d, const rj_real *z,
                                const rj_real *g, const rj_real *dl, rj_real *dz)
{
    (void)dev;
    for (int a = 0; a < d->m; a++)
        for (int j = 0; j < d->d; j++) {
            double sum = 0;
            for (int c = 0; c < d->m; c++)
                sum += ((double)g[(size_t)a * (size_t)d->m + (size_t)c] +
                        (double)g[(size_t)c * (size_t)d->m + (size_t)a]) *
                       (double)row_of(z, d->d, c)[j];
            dz[(size_t)a * (size_t)d->d + (size_t)j] +=
                (rj_real)((double)dl[0] / d->tau * sum);
        }
    return RIJ_OK;
}

static rj_contrast dims(const rj_call *call)
{
    const rj_contrast_par *par = call->par;
    const rj_tensor *z = call->in[0], *f = call->in[5];

    return (rj_contrast){.m = z->shape.dim[0],
                         .d = z->shape.dim[1],
                         .df = f ? f->shape.dim[1] : 0,
                         .tau = par->tau,
                         .tau_s = par->tau_s,
                         .alpha = par->alpha,
                         .beta = par->beta,
                         .label = call->in[1]->x,
                         .pair = call->in[2]->x,
                         .role = call->in[3]->x,
                         .weight = call->in[4]->x,
                         .f = f ? f->x : NULL};
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *z = &call->in[0]->shape;
    const rj_tensor *f = call->in[5];
    const rj_contrast_par *par = call->par;
    char text[2][64];

    RJ_REQUIRE(z->rank == 2 && z->dim[0] <= 16384, RIJ_E_SHAPE, "contrast: z %s",
               rj_shape_text(z, text[0]));
    for (int i = 1; i < 5; i++) {
        const rj_shape *s = &call->in[i]->shape;
        RJ_REQUIRE(s->rank == 1 && s->dim[0] == z->dim[0], RIJ_E_SHAPE,
                   "contrast: z %s and input %d %s", rj_shape_text(z, text[0]), i,
                   rj_shape_text(s, text[1]));
    }
    RJ_REQUIRE(!f || (f->shape.rank == 2 && f->shape.dim[0] == z->dim[0]), RIJ_E_SHAPE,
               "contrast: z %s and f %s", rj_shape_text(z, text[0]),
               rj_shape_text(&f->shape, text[1]));
    RJ_REQUIRE(par->tau > 0 && par->tau_s > 0 && par->alpha <= 1 && par->beta <= 1,
               RIJ_E_ARGUMENT, "contrast: tau %g, tau_s %g, alpha %g, beta %g", par->tau,
               par->tau_s, par->alpha, par->beta);
    const rj_contrast d = dims(call);

    *out = rj_shape_plain(0, 0, 0, 0, 0);
    return call->dev->k->contrast_keep(call->dev, &d, saved);
}

static rij_status forward(const rj_call *call)
{
    const rj_contrast d = dims(call);

    return call->dev->k->contrast(call->dev, &d, call->in[0]->x, call->out->x,
                                  call->saved);
}

static rij_status backward(const rj_call *call)
{
    const rj_contrast d = dims(call);

    if (!call->in[0]->g)
        return RIJ_OK;
    return call->dev->k->contrast_grad(call->dev, &d, call->in[0]->x, call->saved,
                                       call->out->g, call->in[0]->g);
}

const rj_op rj_op_contrast = {.name = "contrast",
                              .inputs = 6,
                              .optional = 1u << 5,
                              .par_bytes = sizeof(rj_contrast_par),
                              .shape = shape,
                              .forward = forward,
                              .backward = backward};
