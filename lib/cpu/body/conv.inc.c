/* conv.inc.c: convolution and its gradient by x.
 *
 * Laid out before, in shared scratch for one call or in the caller's memory for good, are
 * the places the taps read, `start` (the bias, or zeros, for whole blocks), and the
 * weights in the order the tiles read them:
 *
 *     [group][block of c][phase of the output][tap][c][blocks * 16]
 *
 * in pairs with half as many c, each number holding two of them.
 *
 * Pieces are (picture, chunk of rows, share of the groups). */

struct conv {
    rj_device *dev;
    struct plan g;
    const void *x;           /* cells, or host numbers: see g.planar */
    const rj_real *w, *bias; /* bias may be NULL */
    cell *y;
    bool add;       /* to what y holds */
    ptrdiff_t *tap; /* R S places, phase by phase */
    rj_real *start; /* NULL where it adds */
    rj_real *packed;
    struct finish finish;
};

/* Numbers that hold the places of the taps; a whole number of cache lines. */
static ptrdiff_t place_numbers(const struct plan *g)
{
    const int bytes = g->y.window * g->x.window * (int)sizeof(ptrdiff_t);

    return (ptrdiff_t)runs(bytes, 64) * (64 / (int)sizeof(rj_real));
}

/* Numbers that plan_prepare() lays out, and bytes of each worker's scratch. */
static size_t plan_ready(const struct plan *g)
{
    const ptrdiff_t k = (ptrdiff_t)blocks_of(g->k) * BLOCK;
    const ptrdiff_t weights = k * steps_of(g->c) * g->y.window * g->x.window;

    return (size_t)(place_numbers(g) + k + weights);
}

static size_t plan_scratch(const struct plan *g)
{
    return g->copy ? (size_t)(g->block * blocks_of(g->c)) * sizeof(rj_real) : 0;
}

/* Where each tap of each phase reads, from the pixel that is computed. */
static void place_taps(const struct plan *g, ptrdiff_t *tap)
{
    const struct axis *y = &g->y, *x = &g->x;

    for (int oy = 0; oy < y->spread; oy++)
        for (int ox = 0; ox < x->spread; ox++)
            for (int jy = 0; jy < axis_taps(y, oy); jy++)
                for (int jx = 0; jx < axis_taps(x, ox); jx++) {
                    const int at = axis_reach(x, ox, jx);
                    *tap++ = axis_reach(y, oy, jy) * g->row + at % x->step * g->phase +
                             (ptrdiff_t)(at / x->step) * g->pitch;
                }
}

/* One tap of 16 k as [c][16 k]. */
static void take_tap(const struct plan *g, const rj_real *from, int rows, int cols,
                     rj_real *to)
{
    memset(to, 0, BLOCK * BLOCK * sizeof *to);
    for (int k = 0; k < rows; k++)
        for (int c = 0; c < cols; c++)
            to[c * BLOCK + k] = from[k * g->wk + c * g->wc];
}

/* Store rows of 16 k, `step` apart, in the plan's form: [c][lanes], or pairs of c. */
static void pack_tap(const struct plan *g, const rj_real *from, int step, int channels,
                     rj_real *at)
{
    const int lanes = g->blocks * BLOCK;

    for (int c = 0; c < steps_of(channels); c++)
        for (int v = 0; v < BLOCK; v += LANES) {
            const rj_real *p = from + (PAIRS ? 2 * c : c) * step + v;
            const vec w = load(p);
            store(at + c * lanes + v,
                  PAIRS ? paired(w, 2 * c + 1 < channels ? load(p + step) : fill(0))
                        : as_factor(w));
        }
}

/* Pack the weights of one block of k, of a group, and one block of c. */
static void pack_block(const struct conv *j, int k0, int c0, rj_real *to)
{
    const struct plan *g = &j->g;
    const int lanes = g->blocks * BLOCK, window = g->y.window * g->x.window;
    const int rows = RJ_MAX(0, RJ_MIN(BLOCK, g->k - k0)), cols = RJ_MIN(BLOCK, g->c - c0);
    const rj_real *from = j->w + k0 * g->wk + c0 * g->wc;
    rj_real w[BLOCK * TURNED * BLOCK];

    if (window <= TURNED)
        take_windows(from, g->wk, g->wc, window, rows, cols, w);
    for (int oy = 0; oy < g->y.spread; oy++)
        for (int ox = 0; ox < g->x.spread; ox++) {
            const int ny = axis_taps(&g->y, oy), nx = axis_taps(&g->x, ox);
            rj_real *at = to + (ptrdiff_t)steps_of(c0) * ny * nx * lanes;
            for (int t = 0; t < ny * nx; t++) {
                const int tap = axis_tap(&g->y, oy, t / nx) * g->x.window +
                                axis_tap(&g->x, ox, t % nx);
                if (window <= TURNED) {
                    pack_tap(g, w + tap * BLOCK, window * BLOCK, cols, at);
                } else {
                    take_tap(g, from + tap, rows, cols, w);
                    pack_tap(g, w, BLOCK, cols, at);
                }
                at += steps_of(cols) * lanes;
            }
            to += (ptrdiff_t)steps_of(g->c) * ny * nx * lanes;
        }
}

/* Pack the weights of one group and one block of c. */
static rij_status pack_piece(void *job, int index, int worker)
{
    const struct conv *j = job;
    const struct plan *g = &j->g;
    const int group = index / blocks_of(g->c), c0 = index % blocks_of(g->c) * BLOCK;
    const int lanes = g->blocks * BLOCK;
    rj_real *to =
        j->packed + (ptrdiff_t)group * g->y.window * g->x.window * steps_of(g->c) * lanes;

    for (int b = 0; b < g->blocks; b++)
        pack_block(j, group * lanes + b * BLOCK, c0, to + b * BLOCK);
    (void)worker;
    return RIJ_OK;
}

/* Rows i .. end - 1 of phase (oy, ox) of the output, for one group. `in` is the pixel
 * that row i reads first, `out` the output of i = 0. */
static void phase_rows(const struct conv *j, const struct span *s, int oy, int ox, int i,
                       int end, const rj_real *in, const rj_real *w, const rj_real *start,
                       cell *out)
{
    const struct plan *g = &j->g;
    const int cols = axis_count(&g->x, ox), last = RJ_MIN(end, axis_count(&g->y, oy));
    const int n = runs(cols, widest(g->blocks));
    const ptrdiff_t row = (ptrdiff_t)g->y.spread * g->x.out * BLOCK;

    for (; i < last; i++, in += g->y.step * g->row)
        for (int t = 0; t < n; t++) {
            const int p = t * cols / n, pixels = (t + 1) * cols / n - p;
            tiles[g->blocks][pixels - 1](s, in + (ptrdiff_t)p * g->pitch, w, start,
                                         out + i * row + p * s->out_pixel);
        }
}

/* Rows i .. end - 1 of all phases, for one group of one picture y. */
static void group_rows(const struct conv *j, int group, int i, int end, const rj_real *in,
                       cell *y)
{
    const struct plan *g = &j->g;
    const int lanes = g->blocks * BLOCK;
    const ptrdiff_t plane = (ptrdiff_t)g->y.out * g->x.out * BLOCK;
    struct span s = {.in_block = g->block,
                     .out_block = plane,
                     .out_pixel = (ptrdiff_t)g->x.spread * BLOCK,
                     .y = j->y};

    y += group * g->blocks * plane;
    for (int c = 0; c < g->c; c += g->deep * BLOCK) {
        const rj_real *start = j->start && c == 0 ? j->start + group * lanes : NULL;
        const rj_real *w = j->packed + (ptrdiff_t)group * g->y.window * g->x.window *
                                           steps_of(g->c) * lanes;
        s.tap = j->tap;
        s.c = RJ_MIN(g->deep * BLOCK, g->c - c);
        s.beside = c + s.c >= g->c ? j->finish.beside : NULL;
        s.floor = c + s.c >= g->c ? j->finish.floor : -(rj_real)INFINITY;
        for (int oy = 0; oy < g->y.spread; oy++)
            for (int ox = 0; ox < g->x.spread; ox++) {
                s.taps = axis_taps(&g->y, oy) * axis_taps(&g->x, ox);
                if (s.taps > 0 || start)
                    phase_rows(j, &s, oy, ox, i, end, in + c / BLOCK * g->block,
                               w + (ptrdiff_t)steps_of(c) * s.taps * lanes, start,
                               y + ((ptrdiff_t)oy * g->x.out + ox) * BLOCK);
                w += (ptrdiff_t)steps_of(g->c) * s.taps * lanes;
                s.tap += s.taps;
            }
    }
}

static rij_status conv_piece(void *job, int index, int worker)
{
    const struct conv *j = job;
    const struct plan *g = &j->g;
    const int share = index % g->shares, chunk = index / g->shares % g->chunks;
    const int n = index / g->shares / g->chunks;
    const int i = chunk * g->rows, end = RJ_MIN(i + g->rows, axis_count(&g->y, 0));
    const ptrdiff_t to = (ptrdiff_t)g->y.out * g->x.out * BLOCK * blocks_of(g->k);
    const void *x = source_at(g, j->x, n);
    const rj_real *in = j->dev->scratch[worker];

    if (g->copy)
        gather(g, x, 0, blocks_of(g->c), i, end - i, j->dev->scratch[worker]);
    else
        in = (const rj_real *)x + (i + g->y.first) * g->row +
             (ptrdiff_t)g->x.first * BUNDLE;
    for (int group = share * g->groups / g->shares;
         group < (share + 1) * g->groups / g->shares; group++)
        group_rows(j, group, i, end, in, j->y + n * to);
    return RIJ_OK;
}

/* Lay out what a plan reads beside the picture, in plan_ready() numbers. */
static rij_status plan_prepare(struct conv *j, rj_real *ready)
{
    const struct plan *g = &j->g;
    const int k = blocks_of(g->k) * BLOCK;
    rj_real *start = ready + place_numbers(g);

    j->tap = (ptrdiff_t *)(void *)ready;
    j->start = j->add ? NULL : start;
    j->packed = start + k;
    for (int i = 0; i < k; i++)
        start[i] = j->bias && i < g->k ? j->bias[i] : 0;
    place_taps(g, j->tap);
    return rj_parallel_for(j->dev->pool, g->groups * blocks_of(g->c), pack_piece, j);
}

/* With everything laid out; scratch has been asked for. */
static rij_status plan_prepared(struct conv *j)
{
    const struct plan *g = &j->g;

    return rj_parallel_for(j->dev->pool, g->n * g->chunks * g->shares, conv_piece, j);
}

/* Run a plan, with plan_ready() numbers at `shared`; scratch has been asked for. */
static rij_status run_plan(struct conv *j, rj_real *shared)
{
    RJ_TRY(plan_prepare(j, shared));
    return plan_prepared(j);
}

static rij_status run_conv(struct conv *j)
{
    RJ_TRY(rj_device_scratch(j->dev, plan_scratch(&j->g)));
    RJ_TRY(rj_device_shared(j->dev, plan_ready(&j->g) * sizeof(rj_real)));
    return run_plan(j, j->dev->shared);
}

static rij_status conv2d(rj_device *dev, const rj_conv *d, const rj_real *x,
                         const rj_real *w, const rj_real *bias, rj_real *y)
{
    struct conv j = {.dev = dev, .x = x, .w = w, .bias = bias, .y = (cell *)y};

    if (winograd_taken(dev, d, false, false)) {
        struct winograd g = winograd_new(dev, d, false);
        g.x = (const cell *)x, g.weight = w, g.bias = bias, g.y = (cell *)y;
        return run_winograd(&g);
    }
    j.g = plan_new(d, false);
    j.finish = finish_new(NULL, false);
    return run_conv(&j);
}

static rij_status conv2d_grad_x(rj_device *dev, const rj_conv *d, const rj_real *dy,
                                const rj_real *w, bool add, rj_real *dx)
{
    struct conv j = {.dev = dev, .x = dy, .w = w, .y = (cell *)dx, .add = add};

    if (winograd_taken(dev, d, true, false)) {
        struct winograd g = winograd_new(dev, d, true);
        g.x = (const cell *)dy, g.weight = w, g.y = (cell *)dx, g.add = add;
        return run_winograd(&g);
    }
    j.g = plan_new(d, true);
    j.finish = finish_new(NULL, false);
    return run_conv(&j);
}

/* The first number of what is prepared says which algorithm it is for. */
static rij_status conv2d_prepare(rj_device *dev, const rj_conv *d, const rj_real *w,
                                 const rj_real *bias, size_t *n, rj_real *ready)
{
    if (winograd_taken(dev, d, false, true)) {
        struct winograd g = winograd_new(dev, d, false);
        g.weight = w, g.bias = bias;
        *n = BLOCK + winograd_ready(&g, g.groups);
        if (ready)
            ready[0] = RJ_WINOGRAD;
        return ready ? winograd_prepare(&g, ready + BLOCK) : RIJ_OK;
    }
    struct conv j = {.dev = dev, .g = plan_new(d, false), .w = w, .bias = bias};
    *n = BLOCK + plan_ready(&j.g);
    if (ready)
        ready[0] = RJ_DIRECT;
    return ready ? plan_prepare(&j, ready + BLOCK) : RIJ_OK;
}

static rij_status conv2d_prepared(rj_device *dev, const rj_conv *d, const rj_real *x,
                                  const rj_real *ready, const rj_real *beside, bool relu,
                                  rj_real *y)
{
    rj_real *laid = (rj_real *)(uintptr_t)(ready + BLOCK); // read only from here on

    if (ready[0] == RJ_WINOGRAD) {
        struct winograd g = winograd_new(dev, d, false);
        g.x = (const cell *)x, g.y = (cell *)y, g.finish = finish_new(beside, relu);
        g.start = laid;
        g.packed = laid + blocks_of(g.k) * BLOCK;
        return winograd_prepared(&g);
    }
    struct conv j = {.dev = dev,
                     .g = plan_new(d, false),
                     .x = x,
                     .y = (cell *)y,
                     .finish = finish_new(beside, relu)};
    j.tap = (ptrdiff_t *)(void *)laid;
    j.start = laid + place_numbers(&j.g);
    j.packed = j.start + blocks_of(j.g.k) * BLOCK;
    RJ_TRY(rj_device_scratch(dev, plan_scratch(&j.g)));
    return plan_prepared(&j);
}
