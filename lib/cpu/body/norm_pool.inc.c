/* norm_pool.inc.c: batch norm, relu and max pooling in one; op/bn_maxpool2d.c has the
 * formulas, norm.inc.c the statistics. Forward a piece is some rows of outputs of a
 * plane, backward a stretch of pixels. */

struct norm_pool {
    struct channel c;
    struct pool p;
};

/* The largest of the window of output (p, q) after batch norm and relu, and its number,
 * or -1 where the relu gives 0. */
ALWAYS void norm_winner(const rj_pool2d *d, const struct lane *l, const cell *x, int p,
                        int q, vec *top, vec *place)
{
    const int h = p * d->stride - d->pad, w = q * d->stride - d->pad;
    const int r0 = RJ_MAX(0, -h), s0 = RJ_MAX(0, -w);
    const cell *from = x + ((ptrdiff_t)h * d->w + w) * BLOCK;
    bool first = true;

    for (int r = r0; r < RJ_MIN(d->r, d->h - h); r++)
        for (int s = s0; s < RJ_MIN(d->r, d->w - w); s++, first = false) {
            const vec v = normed(load_cells(from + ((ptrdiff_t)r * d->w + s) * BLOCK),
                                 l->mean, l->by, l->beta);
            if (first) {
                *top = v;
                *place = fill((rj_real)(r * d->r + s));
            } else {
                challenge(v, r * d->r + s, top, place);
            }
        }
    *place = where(*top <= fill(0), fill(-1), *place);
    *top = where(*top <= fill(0), fill(0), *top);
}

static rij_status norm_pool_piece(void *job, int index, int worker)
{
    const struct norm_pool *j = job;
    const rj_pool2d d = j->p.d;
    const int parts = runs(d.p, j->p.rows), plane = index / parts;
    const int p0 = index % parts * j->p.rows, p1 = RJ_MIN(d.p, p0 + j->p.rows);
    const cell *x = j->p.x + (ptrdiff_t)plane * d.h * d.w * BLOCK;
    ptrdiff_t to = ((ptrdiff_t)plane * d.p + p0) * d.q * BLOCK;
    struct lane l[PARTS];

    EACH (v, PARTS)
        l[v] = lane_at(&j->c, plane % j->c.blocks, v);
    for (int p = p0; p < p1; p++)
        for (int q = 0; q < d.q; q++, to += BLOCK)
            EACH (v, PARTS) {
                vec top = fill(0), place = fill(0);
                norm_winner(&d, &l[v], x + v * LANES, p, q, &top, &place);
                store_cells(j->p.y + to + v * LANES, top);
                store_cells(j->p.places + to + v * LANES, place);
            }
    (void)worker;
    return RIJ_OK;
}

static rij_status bn_maxpool2d(rj_device *dev, const rj_bn *d, const rj_pool2d *pool,
                               const rj_real *x, const rj_real *gamma,
                               const rj_real *beta, rj_real *run_mean, rj_real *run_var,
                               rj_real *mean, rj_real *inv, rj_real *y, rj_real *at)
{
    const struct norm f = {d, gamma, beta, run_mean, run_var, mean, inv};
    struct norm_pool j = {.c = {.d = {d->n, d->c, d->h, d->w}, .x = (const cell *)x},
                          .p = {.d = *pool,
                                .rows = pool_rows(pool->p, pool->q),
                                .x = (const cell *)x,
                                .y = (cell *)y,
                                .places = (cell *)at}};

    RJ_TRY(channel_ready(dev, &j.c));
    if (d->train)
        RJ_TRY(rj_parallel_for(dev->pool, pieces_of(&j.c), moments_piece, &j.c));
    for (int b = 0; b < j.c.blocks; b++) {
        settle_forward(&j.c, &f, b);
        for (int k = b * BLOCK; k < (b + 1) * BLOCK; k++)
            j.c.par[4][k] = j.c.par[2][k]; // where lane_at() looks for beta
    }
    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c) * runs(pool->p, j.p.rows),
                           norm_pool_piece, &j);
}

/* What arrives at pixel i of a plane, counted in reading order. */
ALWAYS vec pooled_arriving(const struct norm_pool *j, int plane, int i, int v)
{
    const rj_pool2d *d = &j->p.d;
    const ptrdiff_t first = (ptrdiff_t)plane * d->p * d->q * BLOCK + v * LANES;

    return d->r == 3 && d->stride == 2
               ? pool_arriving(d, j->p.at, j->p.dy, first, i / d->w, i % d->w, 3, 2)
               : pool_arriving(d, j->p.at, j->p.dy, first, i / d->w, i % d->w, d->r,
                               d->stride);
}

/* Sums of what arrives, and of that times (x - mean), over a stretch. */
static rij_status pooled_sums_piece(void *job, int index, int worker)
{
    const struct norm_pool *j = job;
    const struct stretch s = stretch_at(&j->c, index);
    const ptrdiff_t plane = plane_of(&j->c.d);
    rj_real *out = sums_at(&j->c, index);
    vec sum[PARTS] = {{0}}, along[PARTS] = {{0}};

    for (int k = 0; k < s.planes; k++)
        for (int from = 0; from < s.pixels; from += STRIP)
            EACH (v, PARTS) {
                const struct lane l = lane_at(&j->c, s.block, v);
                const ptrdiff_t at = s.at + k * s.next;
                const int first = (int)(at % plane / BLOCK);
                vec a = fill(0), b = fill(0);
                for (int i = from; i < RJ_MIN(from + STRIP, s.pixels); i++) {
                    const vec g = pooled_arriving(j, (int)(at / plane), first + i, v);
                    const vec x =
                        load_cells(j->c.x + at + (ptrdiff_t)i * BLOCK + v * LANES);
                    a += g;
                    b += g * (x - l.mean);
                }
                sum[v] += a;
                along[v] += b;
            }
    EACH (v, PARTS) {
        store(out + v * LANES, sum[v]);
        store(out + BLOCK + v * LANES, along[v]);
    }
    (void)worker;
    return RIJ_OK;
}

static rij_status pooled_grad_piece(void *job, int index, int worker)
{
    const struct norm_pool *j = job;
    const struct stretch s = stretch_at(&j->c, index);
    const ptrdiff_t plane = plane_of(&j->c.d);

    for (int k = 0; k < s.planes; k++)
        EACH (v, PARTS) {
            const struct lane l = lane_at(&j->c, s.block, v);
            const ptrdiff_t at = s.at + k * s.next;
            const int first = (int)(at % plane / BLOCK);
            for (int i = 0; i < s.pixels; i++) {
                const ptrdiff_t here = at + (ptrdiff_t)i * BLOCK + v * LANES;
                const vec g = pooled_arriving(j, (int)(at / plane), first + i, v);
                const vec more =
                    l.by * (g - l.sum - (load_cells(j->c.x + here) - l.mean) * l.along);
                store_cells(j->c.dx + here,
                            j->c.fresh_dx ? more : load_cells(j->c.dx + here) + more);
            }
        }
    (void)worker;
    return RIJ_OK;
}

static rij_status bn_maxpool2d_grad(rj_device *dev, const rj_bn *d, const rj_pool2d *pool,
                                    const rj_real *x, const rj_real *gamma,
                                    const rj_real *mean, const rj_real *inv,
                                    const rj_real *at, const rj_real *dy, rj_real *dx,
                                    rj_real *dgamma, rj_real *dbeta)
{
    const struct norm_grad f = {d, inv, dgamma, dbeta};
    struct norm_pool j = {
        .c = {.d = {d->n, d->c, d->h, d->w},
              .x = (const cell *)x,
              .dx = (cell *)dx,
              .fresh_dx = d->fresh_dx},
        .p = {.d = *pool, .dy = (const cell *)dy, .at = (const cell *)at}};

    RJ_TRY(channel_ready(dev, &j.c));
    for (int c = 0; c < d->c; c++) {
        j.c.par[0][c] = mean[c];
        j.c.par[1][c] = gamma[c] * inv[c];
    }
    RJ_TRY(rj_parallel_for(dev->pool, pieces_of(&j.c), pooled_sums_piece, &j));
    for (int b = 0; b < j.c.blocks; b++)
        settle_backward(&j.c, &f, b);
    return dx ? rj_parallel_for(dev->pool, pieces_of(&j.c), pooled_grad_piece, &j)
              : RIJ_OK;
}
