/* norm.inc.c: batch norm and its gradient; op/batchnorm.c has the formulas.
 *
 * A plane, one block of channels of one picture, gives its mean m_n and its sum of
 * squares around that mean, q_n, while it is in the cache. With all planes of L pixels
 *
 *     mean = sum_n m_n / N,    var = (sum_n q_n + L sum_n (m_n - mean)^2) / (N L)
 *
 * (Chan, Golub and LeVeque 1983), which is as exact as two passes over the batch. */

static rij_status moments_piece(void *job, int index, int worker)
{
    const struct channel *j = job;
    const rj_real *x = j->x + index * plane_of(&j->d);
    const ptrdiff_t row = (ptrdiff_t)j->d.w * BLOCK;
    rj_real *out = j->sum + (ptrdiff_t)index * 2 * BLOCK;

    for (int v = 0; v < BLOCK; v += LANES) {
        vec sum = fill(0), mean, squares = fill(0);
        for (int y = 0; y < j->d.h; y++) {
            vec line = fill(0);
            for (ptrdiff_t i = v; i < row; i += BLOCK)
                line += load(x + y * row + i);
            sum += line;
        }
        mean = sum / (rj_real)((ptrdiff_t)j->d.h * j->d.w);
        for (int y = 0; y < j->d.h; y++) {
            vec line = fill(0);
            for (ptrdiff_t i = v; i < row; i += BLOCK) {
                const vec e = load(x + y * row + i) - mean;
                line += e * e;
            }
            squares += line;
        }
        store(out + v, mean);
        store(out + BLOCK + v, squares);
    }
    (void)worker;
    return RIJ_OK;
}

/* y = (x - mean) scale + beta */
static rij_status scale_piece(void *job, int index, int worker)
{
    const struct channel *j = job;
    ptrdiff_t n;
    int block;
    const ptrdiff_t at = chunk_at(&j->d, index, &n, &block);

    for (int v = 0; v < BLOCK; v += LANES) {
        const ptrdiff_t c = (ptrdiff_t)block * BLOCK + v;
        const vec mean = load(j->par[0] + c), scale = load(j->par[1] + c),
                  beta = load(j->par[2] + c);
        for (ptrdiff_t i = at + v; i < at + n; i += BLOCK)
            store(j->y + i, (load(j->x + i) - mean) * scale + beta);
    }
    (void)worker;
    return RIJ_OK;
}

/* Statistics of the batch into mean and inv, and into the running ones. */
static void batch_moments(const struct channel *j, const rj_bn *d, rj_real *run_mean,
                          rj_real *run_var, rj_real *mean, rj_real *inv)
{
    const int cb = blocks_of(d->c);
    const double plane = (double)d->h * d->w, all = plane * d->n;

    for (int c = 0; c < d->c; c++) {
        const double m = summed(j, c, 0) / d->n;
        double squares = summed(j, c, 1);
        for (int n = 0; n < d->n; n++) {
            const ptrdiff_t at = ((ptrdiff_t)n * cb + c / BLOCK) * 2 * BLOCK + c % BLOCK;
            squares += plane * (j->sum[at] - m) * (j->sum[at] - m);
        }
        mean[c] = (rj_real)m;
        inv[c] = (rj_real)(1 / sqrt(squares / all + d->eps));
        run_mean[c] = (rj_real)((1 - d->momentum) * run_mean[c] + d->momentum * m);
        run_var[c] = (rj_real)((1 - d->momentum) * run_var[c] +
                               d->momentum * squares / RJ_MAX(1, all - 1));
    }
}

static rij_status batchnorm(rj_device *dev, const rj_bn *d, const rj_real *x,
                            const rj_real *gamma, const rj_real *beta, rj_real *run_mean,
                            rj_real *run_var, rj_real *mean, rj_real *inv, rj_real *y)
{
    struct channel j = {.d = {d->n, d->c, d->h, d->w}, .x = x, .y = y};

    RJ_TRY(channel_shared(dev, &j));
    if (d->train) {
        RJ_TRY(rj_parallel_for(dev->pool, planes_of(&j.d), moments_piece, &j));
        batch_moments(&j, d, run_mean, run_var, mean, inv);
    } else {
        for (int c = 0; c < d->c; c++) {
            mean[c] = run_mean[c];
            inv[c] = (rj_real)(1 / sqrt(run_var[c] + d->eps));
        }
    }
    for (int c = 0; c < d->c; c++) {
        j.par[0][c] = mean[c];
        j.par[1][c] = gamma[c] * inv[c];
        j.par[2][c] = beta[c];
    }
    return rj_parallel_for(dev->pool, planes_of(&j.d) * chunks_of(&j.d), scale_piece, &j);
}

/* Sums of dy and of dy (x - mean) over a plane. */
static rij_status norm_sums_piece(void *job, int index, int worker)
{
    const struct channel *j = job;
    const ptrdiff_t row = (ptrdiff_t)j->d.w * BLOCK, at = index * plane_of(&j->d);
    rj_real *out = j->sum + (ptrdiff_t)index * 2 * BLOCK;

    for (int v = 0; v < BLOCK; v += LANES) {
        const vec mean = load(j->par[0] + index % blocks_of(j->d.c) * BLOCK + v);
        vec sum = fill(0), with = fill(0);
        for (int y = 0; y < j->d.h; y++) {
            vec line = fill(0), line_with = fill(0);
            for (ptrdiff_t i = at + y * row + v; i < at + (y + 1) * row; i += BLOCK) {
                const vec dy = load(j->dy + i);
                line += dy;
                line_with += dy * (load(j->x + i) - mean);
            }
            sum += line;
            with += line_with;
        }
        store(out + v, sum);
        store(out + BLOCK + v, with);
    }
    (void)worker;
    return RIJ_OK;
}

/* dx += scale (dy - par[2] - (x - mean) par[3]) */
static rij_status norm_grad_piece(void *job, int index, int worker)
{
    const struct channel *j = job;
    ptrdiff_t n;
    int block;
    const ptrdiff_t at = chunk_at(&j->d, index, &n, &block);

    for (int v = 0; v < BLOCK; v += LANES) {
        const ptrdiff_t c = (ptrdiff_t)block * BLOCK + v;
        const vec mean = load(j->par[0] + c), scale = load(j->par[1] + c),
                  sum = load(j->par[2] + c), with = load(j->par[3] + c);
        for (ptrdiff_t i = at + v; i < at + n; i += BLOCK) {
            const vec e = load(j->x + i) - mean;
            store(j->y + i, load(j->y + i) + scale * (load(j->dy + i) - sum - e * with));
        }
    }
    (void)worker;
    return RIJ_OK;
}

static rij_status batchnorm_grad(rj_device *dev, const rj_bn *d, const rj_real *x,
                                 const rj_real *gamma, const rj_real *mean,
                                 const rj_real *inv, const rj_real *dy, rj_real *dx,
                                 rj_real *dgamma, rj_real *dbeta)
{
    struct channel j = {.d = {d->n, d->c, d->h, d->w}, .x = x, .dy = dy, .y = dx};
    const double all = (double)d->n * d->h * d->w;

    RJ_TRY(channel_shared(dev, &j));
    for (int c = 0; c < d->c; c++) {
        j.par[0][c] = mean[c];
        j.par[1][c] = gamma[c] * inv[c];
    }
    RJ_TRY(rj_parallel_for(dev->pool, planes_of(&j.d), norm_sums_piece, &j));
    for (int c = 0; c < d->c; c++) {
        const double sum = summed(&j, c, 0), with = summed(&j, c, 1) * inv[c];
        if (dgamma)
            dgamma[c] += (rj_real)with;
        if (dbeta)
            dbeta[c] += (rj_real)sum;
        j.par[2][c] = d->train ? (rj_real)(sum / all) : 0;
        j.par[3][c] = d->train ? (rj_real)(with * inv[c] / all) : 0;
    }
    return dx ? rj_parallel_for(dev->pool, planes_of(&j.d) * chunks_of(&j.d),
                                norm_grad_piece, &j)
              : RIJ_OK;
}
