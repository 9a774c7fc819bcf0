/* norm.inc.c: batch norm with what follows it, and its gradient; op/batchnorm.c has the
 * formulas, channel.inc.c the pieces.
 *
 * Statistics read x once: of each strip of pixels, which stays in the first cache, they
 * take the mean and the squares around that mean. Sets of n and n' numbers with means m,
 * m' and squares q, q' around them join to
 *
 *     m + (m' - m) n' / (n + n')   and   q + q' + (m' - m)^2 n n' / (n + n')
 *
 * (Chan, Golub and LeVeque 1983), which is as exact as two passes over the batch. The
 * pieces of a channel, sets n_i m_i q_i, give mean = sum n_i m_i / M and
 * var = (sum q_i + sum n_i (m_i - mean)^2) / M. */

/* ---- forward ---------------------------------------------------------------------- */

/* Join a strip of `pixels` to the `have` numbers whose mean and squares are given. */
ALWAYS void join_strip(const cell *x, int pixels, rj_real have, vec *mean, vec *squares)
{
    const rj_real n = (rj_real)pixels, share = n / (have + n);
    const vec own = run_sum(x, pixels) / n, apart = own - *mean;
    vec q[4] = {{0}};
    int i = 0;

    for (; i + 4 <= pixels; i += 4)
        EACH (k, 4) {
            const vec e = load_cells(x + (ptrdiff_t)(i + k) * BLOCK) - own;
            q[k] += e * e;
        }
    for (; i < pixels; i++) {
        const vec e = load_cells(x + (ptrdiff_t)i * BLOCK) - own;
        q[0] += e * e;
    }
    *mean += apart * share;
    *squares += (q[0] + q[1]) + (q[2] + q[3]) + apart * apart * (have * share);
}

static rij_status moments_piece(void *job, int index, int worker)
{
    const struct channel *j = job;
    const struct stretch s = stretch_at(j, index);
    rj_real *out = sums_at(j, index);
    vec mean[PARTS] = {{0}}, squares[PARTS] = {{0}};
    int have = 0;

    for (int k = 0; k < s.planes; k++)
        for (int i = 0; i < s.pixels; i += STRIP) {
            const cell *x = j->x + s.at + k * s.next + (ptrdiff_t)i * BLOCK;
            const int pixels = RJ_MIN(STRIP, s.pixels - i);
            EACH (v, PARTS)
                join_strip(x + v * LANES, pixels, (rj_real)have, &mean[v], &squares[v]);
            have += pixels;
        }
    EACH (v, PARTS) {
        store(out + v * LANES, mean[v]);
        store(out + BLOCK + v * LANES, squares[v]);
    }
    (void)worker;
    return RIJ_OK;
}

/* Mean and squares around it of all numbers of each channel of a block. */
static void block_moments(const struct channel *j, int block, double mean[BLOCK],
                          double squares[BLOCK])
{
    const double all = (double)j->d.n * j->d.h * j->d.w;

    summed(j, block, 1, squares);
    for (int c = 0; c < BLOCK; c++)
        mean[c] = 0;
    for (int i = 0; i < j->groups * j->chunks; i++) {
        const int piece = piece_of(j, block, i);
        const struct stretch s = stretch_at(j, piece);
        for (int c = 0; c < BLOCK; c++)
            mean[c] += (double)s.planes * s.pixels / all * (double)sums_at(j, piece)[c];
    }
    for (int i = 0; i < j->groups * j->chunks; i++) {
        const int piece = piece_of(j, block, i);
        const struct stretch s = stretch_at(j, piece);
        for (int c = 0; c < BLOCK; c++) {
            const double e = (double)sums_at(j, piece)[c] - mean[c];
            squares[c] += (double)s.planes * s.pixels * e * e;
        }
    }
}

struct norm {
    const rj_bn *d;
    const rj_real *gamma, *beta;
    rj_real *run_mean, *run_var, *mean, *inv;
};

/* Statistics of the batch, into the running ones too, or those; then what scale_piece
 * multiplies and adds. */
static void settle_forward(const struct channel *j, const struct norm *f, int block)
{
    const double all = (double)j->d.n * j->d.h * j->d.w, follow = f->d->momentum;
    const int c0 = block * BLOCK;
    double mean[BLOCK] = {0}, squares[BLOCK] = {0};

    if (f->d->train)
        block_moments(j, block, mean, squares);
    for (int k = 0; k < RJ_MIN(BLOCK, j->d.c - c0); k++) {
        const int c = c0 + k;
        double m = (double)f->run_mean[c], var = (double)f->run_var[c];
        if (f->d->train) {
            m = mean[k];
            var = squares[k] / all;
            f->run_mean[c] =
                (rj_real)((1 - follow) * (double)f->run_mean[c] + follow * m);
            f->run_var[c] = (rj_real)((1 - follow) * (double)f->run_var[c] +
                                      follow * squares[k] / RJ_MAX(1, all - 1));
        }
        f->mean[c] = (rj_real)m;
        f->inv[c] = (rj_real)(1 / sqrt(var + f->d->eps));
        j->par[0][c] = f->mean[c];
        j->par[1][c] = f->gamma[c] * f->inv[c];
        j->par[2][c] = f->beta[c];
    }
}

/* Forward and backward have this in common, so that both see the same sign. */
ALWAYS vec normed(vec x, vec mean, vec by, vec beta)
{
    return (x - mean) * by + beta;
}

/* y = relu?((x - mean) scale + beta [+ add]) over a piece; no number stays none. */
ALWAYS rij_status scale(const struct channel *j, int index, bool add, bool relu)
{
    const struct stretch s = stretch_at(j, index);

    for (int k = 0; k < s.planes; k++)
        EACH (v, PARTS) {
            const ptrdiff_t c = (ptrdiff_t)s.block * BLOCK + v * LANES;
            const ptrdiff_t at = s.at + k * s.next + v * LANES;
            const vec mean = load(j->par[0] + c), by = load(j->par[1] + c),
                      beta = load(j->par[2] + c);
            for (ptrdiff_t i = at; i < at + (ptrdiff_t)s.pixels * BLOCK; i += BLOCK) {
                vec y = normed(load_cells(j->x + i), mean, by, beta);
                if (add)
                    y += load_cells(j->add + i);
                store_cells(j->to + i, relu ? where(y < fill(0), fill(0), y) : y);
            }
        }
    return RIJ_OK;
}

static rij_status scale_piece(void *job, int index, int worker)
{
    const struct channel *j = job;

    (void)worker;
    if (j->add)
        return j->relu ? scale(j, index, true, true) : scale(j, index, true, false);
    return j->relu ? scale(j, index, false, true) : scale(j, index, false, false);
}

static rij_status batchnorm(rj_device *dev, const rj_bn *d, const rj_real *x,
                            const rj_real *gamma, const rj_real *beta, const rj_real *add,
                            rj_real *run_mean, rj_real *run_var, rj_real *mean,
                            rj_real *inv, rj_real *y)
{
    const struct norm f = {d, gamma, beta, run_mean, run_var, mean, inv};
    struct channel j = {.d = {d->n, d->c, d->h, d->w},
                        .x = (const cell *)x,
                        .add = (const cell *)add,
                        .to = (cell *)y,
                        .relu = d->relu};

    RJ_TRY(channel_ready(dev, &j));
    if (d->train)
        RJ_TRY(rj_parallel_for(dev->pool, pieces_of(&j), moments_piece, &j));
    for (int b = 0; b < j.blocks; b++)
        settle_forward(&j, &f, b);
    return rj_parallel_for(dev->pool, pieces_of(&j), scale_piece, &j);
}

/* ---- backward --------------------------------------------------------------------- */

/* A channel vector's numbers in backward. */
struct lane {
    vec mean, by, sum, along, beta;
};

ALWAYS struct lane lane_at(const struct channel *j, int block, int v)
{
    const ptrdiff_t c = (ptrdiff_t)block * BLOCK + v * LANES;

    return (struct lane){load(j->par[0] + c), load(j->par[1] + c), load(j->par[2] + c),
                         load(j->par[3] + c), load(j->par[4] + c)};
}

/* dy where the relu let the number through. */
ALWAYS vec arriving(const struct channel *j, const struct lane *l, ptrdiff_t i,
                    enum gate gate)
{
    const vec dy = load_cells(j->dy + i);

    if (gate == OPEN)
        return dy;
    return where((gate == BY_Y
                      ? load_cells(j->y + i)
                      : normed(load_cells(j->x + i), l->mean, l->by, l->beta)) <= fill(0),
                 fill(0), dy);
}

/* Sums of the arriving dy, and of dy (x - mean), over a piece. */
ALWAYS rij_status norm_sums(const struct channel *j, int index, enum gate gate)
{
    const struct stretch s = stretch_at(j, index);
    rj_real *out = sums_at(j, index);
    vec sum[PARTS] = {{0}}, along[PARTS] = {{0}};

    for (int k = 0; k < s.planes; k++)
        for (int from = 0; from < s.pixels; from += STRIP)
            EACH (v, PARTS) {
                const int pixels = RJ_MIN(STRIP, s.pixels - from);
                const ptrdiff_t at =
                    s.at + k * s.next + (ptrdiff_t)from * BLOCK + v * LANES;
                const struct lane l = lane_at(j, s.block, v);
                vec a[4] = {{0}}, b[4] = {{0}};
                int i = 0;
                for (; i + 4 <= pixels; i += 4)
                    EACH (q, 4) {
                        const ptrdiff_t here = at + (ptrdiff_t)(i + q) * BLOCK;
                        const vec dy = arriving(j, &l, here, gate);
                        a[q] += dy;
                        b[q] += dy * (load_cells(j->x + here) - l.mean);
                    }
                for (; i < pixels; i++) {
                    const ptrdiff_t here = at + (ptrdiff_t)i * BLOCK;
                    const vec dy = arriving(j, &l, here, gate);
                    a[0] += dy;
                    b[0] += dy * (load_cells(j->x + here) - l.mean);
                }
                sum[v] += (a[0] + a[1]) + (a[2] + a[3]);
                along[v] += (b[0] + b[1]) + (b[2] + b[3]);
            }
    EACH (v, PARTS) {
        store(out + v * LANES, sum[v]);
        store(out + BLOCK + v * LANES, along[v]);
    }
    return RIJ_OK;
}

static rij_status norm_sums_piece(void *job, int index, int worker)
{
    const struct channel *j = job;

    (void)worker;
    switch (j->gate) {
    case OPEN:
        return norm_sums(j, index, OPEN);
    case BY_X:
        return norm_sums(j, index, BY_X);
    default:
        return norm_sums(j, index, BY_Y);
    }
}

struct norm_grad {
    const rj_bn *d;
    const rj_real *inv;
    rj_real *dgamma, *dbeta;
};

/* dgamma and dbeta; then what norm_grad_piece subtracts. */
static void settle_backward(const struct channel *j, const struct norm_grad *f, int block)
{
    const double all = (double)j->d.n * j->d.h * j->d.w;
    const int c0 = block * BLOCK;
    double sum[BLOCK], along[BLOCK];

    summed(j, block, 0, sum);
    summed(j, block, 1, along);
    for (int k = 0; k < RJ_MIN(BLOCK, j->d.c - c0); k++) {
        const int c = c0 + k;
        const double inv = (double)f->inv[c], dgamma = along[k] * inv;
        if (f->dgamma)
            f->dgamma[c] += (rj_real)dgamma;
        if (f->dbeta)
            f->dbeta[c] += (rj_real)sum[k];
        j->par[2][c] = f->d->train ? (rj_real)(sum[k] / all) : 0;
        j->par[3][c] = f->d->train ? (rj_real)(dgamma * inv / all) : 0;
    }
}

/* d_add += dy;  dx += scale (dy - par[2] - (x - mean) par[3]), dy as it arrives */
ALWAYS rij_status norm_grad(const struct channel *j, int index, enum gate gate, bool dx,
                            bool d_add)
{
    const struct stretch s = stretch_at(j, index);
    const bool fresh_dx = j->fresh_dx, fresh_add = j->fresh_add;

    for (int k = 0; k < s.planes; k++)
        EACH (v, PARTS) {
            const ptrdiff_t at = s.at + k * s.next + v * LANES;
            const struct lane l = lane_at(j, s.block, v);
            for (ptrdiff_t i = at; i < at + (ptrdiff_t)s.pixels * BLOCK; i += BLOCK) {
                const vec dy = arriving(j, &l, i, gate);
                if (d_add)
                    store_cells(j->d_add + i,
                                fresh_add ? dy : load_cells(j->d_add + i) + dy);
                if (dx) {
                    const vec more =
                        l.by * (dy - l.sum - (load_cells(j->x + i) - l.mean) * l.along);
                    store_cells(j->dx + i,
                                fresh_dx ? more : load_cells(j->dx + i) + more);
                }
            }
        }
    return RIJ_OK;
}

#define GRAD_CASES(gate)                                                                 \
    case gate * 4 + 1:                                                                   \
        return norm_grad(j, index, gate, false, true);                                   \
    case gate * 4 + 2:                                                                   \
        return norm_grad(j, index, gate, true, false);                                   \
    case gate * 4 + 3:                                                                   \
        return norm_grad(j, index, gate, true, true);

static rij_status norm_grad_piece(void *job, int index, int worker)
{
    const struct channel *j = job;

    (void)worker;
    switch ((int)j->gate * 4 + (j->dx != NULL) * 2 + (j->d_add != NULL)) {
        GRAD_CASES(OPEN)
    case BY_X * 4 + 2:
        return norm_grad(j, index, BY_X, true, false);
        GRAD_CASES(BY_Y)
    }
    return RIJ_OK;
}

static rij_status batchnorm_grad(rj_device *dev, const rj_bn *d, const rj_real *x,
                                 const rj_real *gamma, const rj_real *beta,
                                 const rj_real *mean, const rj_real *inv,
                                 const rj_real *y, const rj_real *dy, rj_real *dx,
                                 rj_real *dgamma, rj_real *dbeta, rj_real *d_add)
{
    const struct norm_grad f = {d, inv, dgamma, dbeta};
    struct channel j = {.d = {d->n, d->c, d->h, d->w},
                        .x = (const cell *)x,
                        .y = (const cell *)y,
                        .dy = (const cell *)dy,
                        .dx = (cell *)dx,
                        .d_add = (cell *)d_add,
                        .fresh_dx = d->fresh_dx,
                        .fresh_add = d->fresh_add,
                        .gate = !d->relu ? OPEN
                                : d->add ? BY_Y
                                         : BY_X};

    RJ_TRY(channel_ready(dev, &j));
    for (int c = 0; c < d->c; c++) {
        j.par[0][c] = mean[c];
        j.par[1][c] = gamma[c] * inv[c];
        j.par[4][c] = beta[c];
    }
    RJ_TRY(rj_parallel_for(dev->pool, pieces_of(&j), norm_sums_piece, &j));
    for (int b = 0; b < j.blocks; b++)
        settle_backward(&j, &f, b);
    return dx || d_add ? rj_parallel_for(dev->pool, pieces_of(&j), norm_grad_piece, &j)
                       : RIJ_OK;
}
