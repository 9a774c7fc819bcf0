/* conv_grad_w.inc.c: gradient of convolution by weights and bias.
 *
 *     dw[k][c][r][s] += sum_{n, p, q} x[n][c][p stride + r - pad][..] dy[n][k][p][q]
 *
 * A piece is some blocks of k, some of c, and a share of the pictures. Rows of x and dy
 * that stay in the first-level cache are taken at a time, for all its blocks, and every
 * pair of blocks adds to its sums, [tap][c][16 k], which stay in the second. Shares are
 * many only where blocks are few; they are added in order afterwards, so the result
 * depends on the shape alone.
 *
 * Where channels are fewer than a block, as in a first layer, a pixel is copied to just
 * as many numbers: then the taps of a row lie side by side, and are summed together. */

enum {
    WINDOW_GROUP = 4, /* blocks of k, and of c, of a piece */
    PIXEL_GROUP = 8,  /* the same where pixels are copied for a window of one */
    NEAR = 6144,      /* numbers of a block of x and one of dy that are taken at a time */
    TOGETHER = 16     /* pictures taken at a time, at most */
};

struct grad_w {
    rj_device *dev;
    struct plan g; /* of the forward convolution, and how x is copied */
    bool narrow;   /* fewer channels than a block */
    int rows;      /* of dy, that are taken at a time */
    int group;     /* blocks of k, and of c, of a piece */
    int together;  /* pictures that are taken at a time, where rows are all */
    int k_groups, c_groups, shares;
    ptrdiff_t d_row, d_block; /* in dy, or its copy: to the next row, to the next block */
    const void *x;            /* cells, or host numbers: see g.planar */
    const cell *dy;
    rj_real *sum; /* [share][block of k][block of c][tap][16 c][16 k] */
    rj_real *dw;
};

static ptrdiff_t sums_of(const struct plan *g)
{
    return (ptrdiff_t)g->y.window * g->x.window * BLOCK * BLOCK;
}

static rj_real *sums_of_pair(const struct grad_w *j, int share, int k, int c)
{
    const struct plan *g = &j->g;

    return j->sum +
           (((ptrdiff_t)share * blocks_of(g->k) + k) * blocks_of(g->c) + c) * sums_of(g);
}

/* Where the sums of tap (r, t) begin. Of narrow ones the taps of a phase lie together. */
static ptrdiff_t sums_of_tap(const struct grad_w *j, int r, int t)
{
    const struct axis *ax = &j->g.x;
    int place = 0;

    if (!j->narrow)
        return (ptrdiff_t)(r * ax->window + t) * BLOCK * BLOCK;
    for (int f = 0; f < t % ax->step; f++)
        place += runs(ax->window - f, ax->step);
    return (ptrdiff_t)(r * ax->window + place + t / ax->step) * j->g.c * BLOCK;
}

/* How rows of one picture are pulled. */
static struct pull pull_new(const struct grad_w *j, int rows)
{
    return (struct pull){.rows = rows,
                         .cols = steps_of(j->g.x.out),
                         .x_row = j->g.row * j->g.y.step,
                         .d_row = j->d_row,
                         .x_col = (ptrdiff_t)(PAIRS ? 2 : 1) * j->g.pitch,
                         .d_block = j->d_block,
                         .sum_block = sums_of(&j->g) * blocks_of(j->g.c)};
}

/* Add rows of one block of x and of one or two of dy to the sums of those pairs. */
static void pull_rows(const struct grad_w *j, const struct pull *s, int channels,
                      int blocks, const rj_real *x, const rj_real *dy, rj_real *sum)
{
    const struct axis *ax = &j->g.x;

    for (int r = 0; r < j->g.y.window; r++, x += j->g.row)
        for (int t = 0; t < (j->narrow ? RJ_MIN(ax->step, ax->window) : ax->window); t++)
            if (j->narrow) // t is a phase
                pull_some(s, blocks, runs(ax->window - t, ax->step) * channels,
                          x + t * j->g.phase, dy, sum + sums_of_tap(j, r, t));
            else
                pull_some(s, blocks, channels,
                          x + t % ax->step * j->g.phase +
                              (ptrdiff_t)(t / ax->step) * j->g.pitch,
                          dy, sum + sums_of_tap(j, r, t));
}

/* Copy rows of dy, as factors, for `blocks` blocks. */
static void copy_rows(const struct grad_w *j, const cell *dy, int blocks, int rows,
                      rj_real *out)
{
    const struct plan *g = &j->g;
    const ptrdiff_t row = (ptrdiff_t)g->x.out * BLOCK;

    for (int b = 0; b < blocks; b++)
        for (int r = 0; r < rows; r++) {
            const cell *from = dy + (b * (ptrdiff_t)g->y.out + r) * row;
            rj_real *to = out + b * j->d_block + r * j->d_row;
            if (PAIRS)
                for (ptrdiff_t i = 0; i < row; i += 2 * BLOCK, to += BLOCK)
                    store(to, paired_cells(from + i,
                                           i + BLOCK < row ? from + i + BLOCK : NULL));
            else
                for (ptrdiff_t i = 0; i < row; i += LANES)
                    store(to + i, load_cells(from + i));
        }
}

/* What a piece works on: blocks of k and of c, and its part of scratch for a picture. */
struct pair_group {
    int share, k[2], c[2];
    rj_real *scratch;
    ptrdiff_t room;
};

/* Rows i .. of picture n, copied where they must be: the first block of x and of dy. */
static void take_rows(const struct grad_w *j, const struct pair_group *p, int n, int i,
                      rj_real *scratch, const rj_real **x, const rj_real **dy)
{
    const struct plan *g = &j->g;
    const int rows = RJ_MIN(j->rows, g->y.out - i);
    const ptrdiff_t in = (ptrdiff_t)g->y.source * g->x.source * BLOCK;
    const cell *d = j->dy + (((ptrdiff_t)n * blocks_of(g->k) + p->k[0]) * g->y.out + i) *
                                g->x.out * BLOCK;
    const void *from = source_at(g, j->x, n);

    if (g->copy) {
        gather(g, from, p->c[0], p->c[1], i, rows, scratch);
        *x = scratch;
    } else {
        *x = (const rj_real *)from + p->c[0] * in + i * g->row;
    }
    if (HALF) {
        rj_real *copy = scratch + j->group * g->block + BLOCK;
        copy_rows(j, d, p->k[1] - p->k[0], rows, copy);
        *dy = copy;
    } else {
        *dy = (const rj_real *)(const void *)d;
    }
}

/* Rows i .. of pictures n .. end - 1 for all pairs of blocks of a piece. Pictures of one
 * row are rows of one picture, as it were. */
static void group_rows_w(const struct grad_w *j, const struct pair_group *p, int n,
                         int end, int i)
{
    const struct plan *g = &j->g;
    const ptrdiff_t next =
        g->copy ? g->block : (ptrdiff_t)g->y.source * g->x.source * BLOCK;
    const bool at_once = g->y.out == 1 && g->y.window == 1 && end - n > 1;
    struct pull s = pull_new(j, at_once ? end - n : RJ_MIN(j->rows, g->y.out - i));
    const rj_real *x[TOGETHER], *dy[TOGETHER];

    for (int m = n; m < end; m++)
        take_rows(j, p, m, i, p->scratch + (m - n) * p->room, &x[m - n], &dy[m - n]);
    if (at_once) {
        s.x_row = x[1] - x[0];
        s.d_row = dy[1] - dy[0];
    }
    for (int a = p->k[0]; a < p->k[1]; a += PULLED)
        for (int b = p->c[0]; b < p->c[1]; b++)
            for (int m = 0; m < (at_once ? 1 : end - n); m++)
                pull_rows(j, &s, RJ_MIN(BLOCK, g->c - b * BLOCK),
                          RJ_MIN(PULLED, p->k[1] - a), x[m] + (b - p->c[0]) * next,
                          dy[m] + (a - p->k[0]) * j->d_block,
                          sums_of_pair(j, p->share, a, b));
}

/* Numbers of scratch for one picture's rows. */
static ptrdiff_t rows_room(const struct grad_w *j)
{
    const ptrdiff_t x = j->g.copy ? j->group * j->g.block + BLOCK : 0;
    const ptrdiff_t dy = HALF ? j->group * j->d_block : 0;

    return x + dy;
}

static rij_status pull_piece(void *job, int index, int worker)
{
    const struct grad_w *j = job;
    const struct plan *g = &j->g;
    const int cb = blocks_of(g->c), kb = blocks_of(g->k), share = index % j->shares;
    const int c = index / j->shares % j->c_groups * j->group,
              k = index / j->shares / j->c_groups * j->group;
    const struct pair_group p = {share,
                                 {k, RJ_MIN(kb, k + j->group)},
                                 {c, RJ_MIN(cb, c + j->group)},
                                 j->dev->scratch[worker],
                                 rows_room(j)};
    const int last = (share + 1) * g->n / j->shares;

    for (int a = p.k[0]; a < p.k[1]; a++)
        memset(sums_of_pair(j, share, a, p.c[0]), 0,
               (size_t)((p.c[1] - p.c[0]) * sums_of(g)) * sizeof *j->sum);
    for (int n = share * g->n / j->shares; n < last; n += j->together)
        for (int i = 0; i < g->y.out; i += j->rows)
            group_rows_w(j, &p, n, RJ_MIN(last, n + j->together), i);
    return RIJ_OK;
}

/* The sum of all shares of one tap and channel: 16 k. */
static void add_shares(const struct grad_w *j, const rj_real *from, rj_real *to)
{
    const ptrdiff_t share = sums_of(&j->g) * blocks_of(j->g.c) * blocks_of(j->g.k);

    for (int v = 0; v < BLOCK; v += LANES) {
        vec sum = load(from + v);
        for (int s = 1; s < j->shares; s++)
            sum += load(from + s * share + v);
        store(to + v, sum);
    }
}

/* Add the shares of one block of k and one of c, and put them where weights lie. */
static rij_status share_piece(void *job, int index, int worker)
{
    const struct grad_w *j = job;
    const struct plan *g = &j->g;
    const int cb = blocks_of(g->c), window = g->y.window * g->x.window;
    const int c0 = index % cb * BLOCK, k0 = index / cb * BLOCK;
    const int channels = RJ_MIN(BLOCK, g->c - c0), lanes = RJ_MIN(BLOCK, g->k - k0);
    const rj_real *from = sums_of_pair(j, 0, index / cb, index % cb);
    rj_real *to = j->dw + k0 * g->wk + c0 * g->wc, w[BLOCK * TURNED * BLOCK] = {0};

    for (int t = 0; t < window; t++)
        for (int c = 0; c < channels; c++) {
            const rj_real *sums = from +
                                  sums_of_tap(j, t / g->x.window, t % g->x.window) +
                                  (ptrdiff_t)c * BLOCK;
            rj_real one[BLOCK];
            add_shares(j, sums, window <= TURNED ? w + (c * window + t) * BLOCK : one);
            for (int k = 0; window > TURNED && k < lanes; k++)
                to[k * g->wk + c * g->wc + t] += one[k];
        }
    if (window <= TURNED)
        give_windows(w, g->wk, window, lanes, channels, to);
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
    return (size_t)(rows_room(j) * j->together) * sizeof(rj_real);
}

static struct grad_w grad_w_new(rj_device *dev, const rj_conv *d, const rj_real *x,
                                const rj_real *dy, rj_real *dw)
{
    struct grad_w j = {
        .dev = dev, .g = plan_new(d, false), .x = x, .dy = (const cell *)dy, .dw = dw};
    struct plan *g = &j.g;
    const int cols = (g->x.out - 1) + (g->x.reach - 1) / g->x.step + 1;
    ptrdiff_t each; // numbers of a row

    j.narrow = d->c < BLOCK && g->x.window > 1;
    g->pixels = PAIRS;
    g->copy = g->copy || j.narrow || HALF;
    g->pitch = j.narrow ? d->c : BLOCK;
    if (g->copy) {
        g->phase = (ptrdiff_t)cols * g->pitch;
        g->row = g->phase * RJ_MIN(g->x.step, g->x.reach);
    }
    j.d_row = (ptrdiff_t)steps_of(g->x.out) * BLOCK;
    each = g->row * g->y.step + j.d_row;
    j.rows = (int)RJ_MAX(1, RJ_MIN(g->y.out, NEAR / each));
    j.together = (int)RJ_MAX(1, RJ_MIN(TOGETHER, NEAR / (each * g->y.out)));
    j.d_block = j.d_row * (HALF ? j.rows : g->y.out);
    if (g->copy)
        g->block = (g->row * axis_under(&g->y, j.rows) + BLOCK - 1) / BLOCK * BLOCK;
    j.group = g->y.window * g->x.window == 1 && g->copy ? PIXEL_GROUP : WINDOW_GROUP;
    j.k_groups = runs(blocks_of(g->k), j.group);
    j.c_groups = runs(blocks_of(g->c), j.group);
    j.shares = RJ_MIN(runs(32, j.k_groups * j.c_groups), g->n);
    return j;
}

static rij_status run_grad_w(struct grad_w *j, void *shared)
{
    j->sum = shared;
    RJ_TRY(rj_parallel_for(j->dev->pool, j->k_groups * j->c_groups * j->shares,
                           pull_piece, j));
    return rj_parallel_for(j->dev->pool, blocks_of(j->g.c) * blocks_of(j->g.k),
                           share_piece, j);
}

static rij_status conv2d_grad_w(rj_device *dev, const rj_conv *d, const rj_real *x,
                                const rj_real *dy, rj_real *dw, rj_real *db)
{
    const rj_picture out = {d->n, d->k, d->p, d->q};

    if (winograd_w_taken(dev, d)) {
        RJ_TRY(run_winograd_w(dev, d, x, dy, dw));
    } else {
        struct grad_w j = grad_w_new(dev, d, x, dy, dw);
        RJ_TRY(rj_device_scratch(dev, grad_w_scratch(&j)));
        RJ_TRY(rj_device_shared(dev, grad_w_shared(&j)));
        RJ_TRY(run_grad_w(&j, dev->shared));
    }
    return db ? bias_grad(dev, &out, dy, db) : RIJ_OK;
}
