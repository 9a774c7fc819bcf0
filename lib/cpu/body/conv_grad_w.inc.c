/* conv_grad_w.inc.c: gradient of convolution by weights and bias.
 *
 *     dw[k][c][r][s] += sum_{n, p, q} x[n][c][p stride + r - pad][..] dy[n][k][p][q]
 *
 * A piece is a block of k, a block of c, and a share of the pictures; its sums, in the
 * order [tap][c][16 k], stay in the first-level cache while rows of x and dy pass. Shares
 * are many only where blocks are few; the shares are added in order afterwards, so the
 * result depends on the shape alone. */

struct grad_w {
    rj_device *dev;
    struct plan g; /* of the forward convolution: where x is read */
    int rows;      /* of dy, that are taken at a time */
    int shares;
    const rj_real *x, *dy;
    rj_real *sum; /* [share][block of k][block of c][tap][16 c][16 k] */
    rj_real *dw;
};

static ptrdiff_t sums_of(const struct plan *g)
{
    return (ptrdiff_t)g->y.window * g->x.window * BLOCK * BLOCK;
}

/* Pull all taps and channels of one block from rows of one picture. */
static void pull_rows(const struct grad_w *j, int channels, int rows, const rj_real *x,
                      const rj_real *dy, rj_real *sum)
{
    const struct axis *ax = &j->g.x;
    const int n = runs(channels, RJ_MIN(16, ACCS / PARTS));
    const struct pull s = {.rows = rows,
                           .cols = ax->out,
                           .x_row = j->g.row * j->g.y.step,
                           .d_row = (ptrdiff_t)ax->out * BLOCK};

    for (int r = 0; r < j->g.y.window; r++)
        for (int t = 0; t < ax->window; t++, sum += BLOCK * BLOCK) {
            const rj_real *at = x + r * j->g.row + t % ax->step * j->g.phase +
                                (ptrdiff_t)(t / ax->step) * BLOCK;
            for (int i = 0; i < n; i++) {
                const int c = i * channels / n, some = (i + 1) * channels / n - c;
                pulls[false][some - 1](&s, at + c, dy, sum + (ptrdiff_t)c * BLOCK);
            }
        }
}

static rij_status pull_piece(void *job, int index, int worker)
{
    const struct grad_w *j = job;
    const struct plan *g = &j->g;
    const int cb = blocks_of(g->c), kb = blocks_of(g->k);
    const int c = index % cb, k = index / cb % kb, share = index / cb / kb;
    const ptrdiff_t in = (ptrdiff_t)g->y.source * g->x.source * BLOCK;
    const ptrdiff_t out = (ptrdiff_t)g->y.out * g->x.out * BLOCK;
    const int channels = RJ_MIN(BLOCK, g->c - c * BLOCK);
    rj_real *sum = j->sum + index * sums_of(g);

    for (ptrdiff_t i = 0; i < sums_of(g); i++)
        sum[i] = 0;
    for (int n = share * g->n / j->shares; n < (share + 1) * g->n / j->shares; n++)
        for (int i = 0; i < g->y.out; i += j->rows) {
            const int rows = RJ_MIN(j->rows, g->y.out - i);
            const rj_real *x = j->x + (ptrdiff_t)n * cb * in;
            if (g->copy) {
                gather(g, x, c, c + 1, i, rows, j->dev->scratch[worker]);
                x = j->dev->scratch[worker];
            } else {
                x += c * in + i * g->row;
            }
            pull_rows(j, channels, rows, x,
                      j->dy + ((ptrdiff_t)n * kb + k) * out + i * (out / g->y.out), sum);
        }
    return RIJ_OK;
}

/* Add the shares of one block of k and one of c, and put them where weights lie. */
static rij_status share_piece(void *job, int index, int worker)
{
    const struct grad_w *j = job;
    const struct plan *g = &j->g;
    const int cb = blocks_of(g->c), window = g->y.window * g->x.window;
    const int c0 = index % cb * BLOCK, k0 = index / cb * BLOCK;
    const int channels = RJ_MIN(BLOCK, g->c - c0), lanes = RJ_MIN(BLOCK, g->k - k0);
    const ptrdiff_t share = sums_of(g) * cb * blocks_of(g->k);

    for (int t = 0; t < window; t++)
        for (int k = 0; k < lanes; k++)
            for (int c = 0; c < channels; c++) {
                const rj_real *from =
                    j->sum + index * sums_of(g) + (ptrdiff_t)(t * BLOCK + c) * BLOCK + k;
                rj_real sum = 0;
                for (int s = 0; s < j->shares; s++)
                    sum += from[s * share];
                j->dw[(k0 + k) * g->wk + (c0 + c) * g->wc + t] += sum;
            }
    (void)worker;
    return RIJ_OK;
}

/* Bytes of shared scratch and of each worker's. */
static size_t grad_w_shared(const struct grad_w *j)
{
    return (size_t)(sums_of(&j->g) * blocks_of(j->g.c) * blocks_of(j->g.k) * j->shares) *
           sizeof(rj_real);
}

static size_t grad_w_scratch(const struct grad_w *j)
{
    return j->g.copy ? (size_t)j->g.block * sizeof(rj_real) : 0;
}

static struct grad_w grad_w_new(rj_device *dev, const rj_conv *d, const rj_real *x,
                                const rj_real *dy, rj_real *dw)
{
    struct grad_w j = {
        .dev = dev, .g = plan_new(d, false, EXACT), .x = x, .dy = dy, .dw = dw};
    const int tiles_of = blocks_of(j.g.c) * blocks_of(j.g.k);
    const ptrdiff_t row = j.g.row * j.g.y.step + (ptrdiff_t)j.g.x.out * BLOCK;

    j.shares = RJ_MIN(runs(32, tiles_of), j.g.n);
    j.rows = (int)RJ_MAX(1, RJ_MIN(j.g.y.out, 6144 / row)); // 24 KiB of float
    if (j.g.copy)
        j.g.block = j.g.row * axis_under(&j.g.y, j.rows);
    return j;
}

static rij_status run_grad_w(struct grad_w *j, void *shared)
{
    const int pieces = blocks_of(j->g.c) * blocks_of(j->g.k);

    j->sum = shared;
    RJ_TRY(rj_parallel_for(j->dev->pool, pieces * j->shares, pull_piece, j));
    return rj_parallel_for(j->dev->pool, pieces, share_piece, j);
}

static rij_status conv2d_grad_w(rj_device *dev, const rj_conv *d, const rj_real *x,
                                const rj_real *dy, rj_real *dw, rj_real *db)
{
    const rj_picture out = {d->n, d->k, d->p, d->q};
    struct grad_w j = grad_w_new(dev, d, x, dy, dw);

    if (winograd_w_taken(dev, d)) {
        RJ_TRY(run_winograd_w(dev, d, x, dy, dw));
    } else {
        RJ_TRY(rj_device_scratch(dev, grad_w_scratch(&j)));
        RJ_TRY(rj_device_shared(dev, grad_w_shared(&j)));
        RJ_TRY(run_grad_w(&j, dev->shared));
    }
    return db ? bias_grad(dev, &out, dy, db) : RIJ_OK;
}
