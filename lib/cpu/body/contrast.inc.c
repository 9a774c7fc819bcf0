/* contrast.inc.c: the contrastive form, whose products run on the kernels of convolution;
 * op/contrast.c has the formula. */

struct contrast {
    const rj_contrast *d;
    rj_device *dev;
    const rj_real *z, *from;
    rj_real *g;      /* (M,M): targets, then G */
    rj_real *like;   /* (M,M): z z^T; in backward G + G^T */
    rj_real *kin;    /* (M,M): f f^T, or NULL */
    double *loss;    /* of each row */
    int count[2][2]; /* rows of label 0 and 1, images and traces */
    double scale;    /* of the weights; of G in backward */
};

static bool is_trace(const rj_contrast *d, int i)
{
    return d->role[i] == (rj_real)RJ_ROLE_TRACE;
}

static bool competes(const rj_contrast *d, int a, int c)
{
    return a != c && !(is_trace(d, a) && is_trace(d, c));
}

/* Kinds of positives of a row: bit 1 images of its label, bit 2 traces of its label. */
enum { IMAGES = 1, TRACES = 2 };

static bool positive(const rj_contrast *d, int a, int c, int kinds)
{
    return competes(d, a, c) && d->label[a] == d->label[c] &&
           (kinds & (is_trace(d, c) ? TRACES : IMAGES)) != 0;
}

/* Shares of q_a: of its other view, of images, of traces, of both together. */
struct share {
    double pair, images, traces, both;
    bool uniform;
};

/* How the targets of row a are mixed; false if it has no positive. */
static bool share_of(const struct contrast *j, int a, struct share *s)
{
    const rj_contrast *d = j->d;
    const int pair = (int)d->pair[a], label = (int)d->label[a];
    const bool trace = is_trace(d, a), fake = label == 1;
    const double mix = fake ? d->beta : d->alpha;

    *s = (struct share){0};
    if (label > 1 || d->weight[a] <= 0)
        return false;
    const int images = j->count[label][0] - !trace;
    const int traces = trace ? 0 : j->count[label][1];
    s->uniform = mix < 0;
    if (mix < 0)
        s->both = 1;
    else if (trace)
        s->images = 1;
    else if (fake && pair >= 0 && pair < d->m && positive(d, a, pair, IMAGES))
        s->pair = 1 - mix, s->images = mix;
    else if (fake)
        s->images = mix > 0;
    else if (images > 0 && traces > 0)
        s->images = 1 - mix, s->traces = mix;
    else
        s->both = 1;
    return s->pair > 0 || (s->images > 0 && images > 0) ||
           (s->traces > 0 && traces > 0) || (s->both > 0 && images + traces > 0);
}

/* row[c] += share of softmax f_a.f_c / tau_s over the positives of these kinds; kin: the
 * products f_a.f_c, NULL for a uniform one. */
static void add_targets(const rj_contrast *d, int a, int kinds, double share,
                        const rj_real *kin, rj_real *row)
{
    double most = -INFINITY, sum = 0;

    for (int c = 0; c < d->m && kin; c++)
        if (positive(d, a, c, kinds))
            most = RJ_MAX(most, (double)kin[c]);
    for (int c = 0; c < d->m; c++)
        if (positive(d, a, c, kinds))
            sum += kin ? exp(((double)kin[c] - most) / d->tau_s) : 1;
    for (int c = 0; c < d->m; c++)
        if (positive(d, a, c, kinds))
            row[c] +=
                (rj_real)(share * (kin ? exp(((double)kin[c] - most) / d->tau_s) : 1) /
                          sum);
}

/* Row a of G in place of its targets, and its part of the loss. */
static double finish_row(const struct contrast *j, int a, double weight, rj_real *row)
{
    const rj_contrast *d = j->d;
    const rj_real *like = j->like + (ptrdiff_t)a * d->m;
    double most = -INFINITY, sum = 0, loss = 0, log_sum;

    for (int c = 0; c < d->m; c++)
        if (competes(d, a, c))
            most = RJ_MAX(most, (double)like[c]);
    for (int c = 0; c < d->m; c++)
        if (competes(d, a, c))
            sum += exp(((double)like[c] - most) / d->tau);
    log_sum = log(sum);
    for (int c = 0; c < d->m; c++) {
        const double s = ((double)like[c] - most) / d->tau;
        if (!competes(d, a, c))
            continue;
        loss += (double)row[c] * (log_sum - s);
        row[c] = (rj_real)(weight * (exp(s) / sum - (double)row[c]));
    }
    return weight * loss;
}

static rij_status contrast_piece(void *job, int a, int worker)
{
    const struct contrast *j = job;
    const rj_contrast *d = j->d;
    rj_real *row = j->g + (ptrdiff_t)a * d->m;
    struct share s;

    (void)worker;
    j->loss[a] = 0;
    for (int c = 0; c < d->m; c++)
        row[c] = 0;
    if (!share_of(j, a, &s))
        return RIJ_OK;
    const rj_real *kin = j->kin && !s.uniform ? j->kin + (ptrdiff_t)a * d->m : NULL;
    if (s.pair > 0)
        row[(int)d->pair[a]] = (rj_real)s.pair;
    if (s.images > 0)
        add_targets(d, a, IMAGES, s.images, kin, row);
    if (s.traces > 0)
        add_targets(d, a, TRACES, s.traces, kin, row);
    if (s.both > 0)
        add_targets(d, a, IMAGES | TRACES, s.both, kin, row);
    j->loss[a] = finish_row(j, a, j->scale * (double)d->weight[a], row);
    return RIJ_OK;
}

/* Count rows, and scale the weights of anchors so that the sum of all stays. */
static void weigh_anchors(struct contrast *j)
{
    const rj_contrast *d = j->d;
    double all = 0, kept = 0;
    struct share s;

    for (int i = 0; i < d->m; i++)
        if (d->label[i] <= 1)
            j->count[(int)d->label[i]][is_trace(d, i)]++;
    for (int i = 0; i < d->m; i++) {
        const double w = d->label[i] <= 1 ? (double)d->weight[i] : 0;
        all += w;
        kept += share_of(j, i, &s) ? w : 0;
    }
    j->scale = kept > 0 ? all / kept : 0;
}

/* Numbers of an (M,M) matrix, in whole cache lines. */
static ptrdiff_t square_of(int m)
{
    return ((ptrdiff_t)m * m + BLOCK - 1) / BLOCK * BLOCK;
}

static rij_status contrast(rj_device *dev, const rj_contrast *d, const rj_real *z,
                           rj_real *loss, rj_real *g)
{
    const ptrdiff_t square = square_of(d->m), lines = ((ptrdiff_t)d->m + 7) / 8 * 8;
    const int widest_row = RJ_MAX(d->d, d->df);
    struct contrast j = {.d = d, .dev = dev, .g = g};
    double sum = 0;
    rj_real *rest;

    RJ_TRY(rj_device_shared(dev, (size_t)lines * sizeof(double) +
                                     (size_t)(2 * square) * sizeof(rj_real) +
                                     product_shared(d->m, widest_row, d->m, false)));
    j.loss = dev->shared;
    j.like = (rj_real *)(j.loss + lines);
    rest = j.like + 2 * square;
    RJ_TRY(product(dev, d->m, d->d, d->m, false, z, z, NULL, j.like, rest));
    if (d->df) {
        j.kin = j.like + square;
        RJ_TRY(product(dev, d->m, d->df, d->m, false, d->f, d->f, NULL, j.kin, rest));
    }
    weigh_anchors(&j);
    RJ_TRY(rj_parallel_for(dev->pool, d->m, contrast_piece, &j));
    for (int a = 0; a < d->m; a++)
        sum += j.loss[a];
    loss[0] = (rj_real)sum;
    return RIJ_OK;
}

/* Row a of dl / tau (G + G^T). */
static rij_status both_ways_piece(void *job, int a, int worker)
{
    const struct contrast *j = job;
    const int m = j->d->m;

    for (int c = 0; c < m; c++)
        j->like[(ptrdiff_t)a * m + c] =
            (rj_real)j->scale *
            (j->from[(ptrdiff_t)a * m + c] + j->from[(ptrdiff_t)c * m + a]);
    (void)worker;
    return RIJ_OK;
}

static rij_status contrast_grad(rj_device *dev, const rj_contrast *d, const rj_real *z,
                                const rj_real *g, const rj_real *dl, rj_real *dz)
{
    const ptrdiff_t square = square_of(d->m);
    struct contrast j = {.d = d, .from = g, .scale = (double)dl[0] / d->tau};

    RJ_TRY(rj_device_shared(dev, (size_t)square * sizeof(rj_real) +
                                     product_shared(d->m, d->d, d->m, true)));
    j.like = dev->shared;
    RJ_TRY(rj_parallel_for(dev->pool, d->m, both_ways_piece, &j));
    return product(dev, d->m, d->d, d->m, true, j.like, z, NULL, dz, j.like + square);
}
