/* winograd_grad_w.inc.c: gradient of a 3x3 convolution of stride 1 by its weights, as
 * the transpose of winograd.inc.c:
 *
 *     dw = G' [ sum_places (A dy A') . (B' x B) ] G
 *
 * Places go by in chunks that stay in the third-level cache. For each chunk the points of
 * x and of dy are laid out,
 *
 *     V [point][block of c][place][16],    W [point][block of k][place][16]
 *
 * then each of the 36 products adds its places to sum [block of k][block of c][point]
 * [16 c][16 k]. Chunks and pieces depend on the shape and the form alone, and so do the
 * sums. In pairs a number holds one channel of two places. */

struct winograd_w {
    struct winograd g; /* of the forward convolution; g.some: places of a chunk */
    const cell *dy;
    rj_real *v, *w, *sum, *dw;
    int first, some; /* the chunk */
    int shares;      /* pieces of a product */
    ptrdiff_t place, v_step,
        w_step; /* from a block to the next, from a point to the next */
};

enum {
    NEAR_COLS = 128,                   /* places, or pairs, that the first cache holds */
    PLACES = 64,                       /* of a piece that lays out points */
    POINT_SUMS = BLOCK * BLOCK + BLOCK /* from a point's sums to the next's */
};

/* A of four vectors that lie s apart: six that lie t apart. */
ALWAYS void spread_points(const vec *y, const int s, vec *o, const int t)
{
    const vec p = y[0] + y[2 * s] * a2, q = y[s] * a1 + y[3 * s] * a3;
    const vec r = y[0] + y[2 * s] * b2, u = y[s] * b1 + y[3 * s] * b3;

    o[0] = y[0];
    o[t] = p + q;
    o[2 * t] = p - q;
    o[3 * t] = r + u;
    o[4 * t] = r - u;
    o[5 * t] = y[3 * s];
}

/* G' of six vectors that lie s apart: three that lie t apart. */
ALWAYS void points_window(const vec *m, const int s, vec *o, const int t)
{
    const rj_real fa = 1 / (2 * a2 * (a2 - b2)), fb = 1 / (2 * b2 * (b2 - a2));
    const vec p = (m[s] + m[2 * s]) * fa, q = (m[s] - m[2 * s]) * (a1 * fa);
    const vec r = (m[3 * s] + m[4 * s]) * fb, u = (m[3 * s] - m[4 * s]) * (b1 * fb);

    o[0] = m[0] * (1 / (a2 * b2)) + p + r;
    o[t] = q + u;
    o[2 * t] = p * a2 + r * b2 + m[5 * s];
}

/* A dy A' of one place and block: four by four pixels from row i, column j on. */
static void quad_to_points(const cell *plane, int p, int q, int i, int j, ptrdiff_t step,
                           rj_real *out)
{
    for (int v = 0; v < BLOCK; v += LANES) {
        vec d[QUAD * QUAD], part[SIX * QUAD], o[SIX];
        take_square(QUAD, plane + v, p, q, i, j, d);
        EACH (x, QUAD)
            spread_points(d + x, QUAD, part + x, QUAD);
        for (int y = 0; y < SIX; y++) {
            spread_points(part + y * QUAD, 1, o, 1);
            EACH (x, SIX)
                store(out + (y * SIX + x) * step + v, o[x]);
        }
    }
}

/* Ask for the pixels of a place before its turn comes. */
static void ask_points(const struct winograd_w *j, int b, const struct place *p)
{
    const struct winograd *g = &j->g;
    const int cb = blocks_of(g->c), kb = blocks_of(g->k);

    if (b < cb)
        ask_square(g->x + ((ptrdiff_t)p->n * cb + b) * g->h * g->w * BLOCK, g->h, g->w,
                   p->row - g->pad, p->col - g->pad);
    else
        ask_square(j->dy + ((ptrdiff_t)p->n * kb + b - cb) * g->p * g->q * BLOCK, g->p,
                   g->q, p->row, p->col - 2);
}

/* The points of a place, exact, `step` apart: of block b of x's channels, or past those
 * of dy's. */
static void chunk_points(const struct winograd_w *j, int b, const struct place *p,
                         ptrdiff_t step, rj_real *out)
{
    const struct winograd *g = &j->g;
    const int cb = blocks_of(g->c), kb = blocks_of(g->k);

    if (b < cb)
        place_to_points(g->x + ((ptrdiff_t)p->n * cb + b) * g->h * g->w * BLOCK, g->h,
                        g->w, p->row - g->pad, p->col - g->pad, false, step, out);
    else
        quad_to_points(j->dy + ((ptrdiff_t)p->n * kb + b - cb) * g->p * g->q * BLOCK,
                       g->p, g->q, p->row, p->col, step, out);
}

/* Two places, or one, as factors. */
static void store_points(const rj_real *part, ptrdiff_t step, rj_real *to)
{
    for (int k = 0; k < POINTS; k++)
        for (int v = 0; v < BLOCK; v += LANES) {
            const rj_real *p = part + k * BLOCK + v;
            store(to + k * step + v,
                  PAIRS ? paired(load(p), load(p + POINTS * BLOCK)) : as_factor(load(p)));
        }
}

/* Lay out the points of some places: of a block of c of x, or of a block of k of dy. */
static rij_status points_piece(void *job, int index, int worker)
{
    const struct winograd_w *j = job;
    const int cb = blocks_of(j->g.c), both = cb + blocks_of(j->g.k), b = index % both;
    const int from = index / both * PLACES, end = RJ_MIN(from + PLACES, j->some);
    const int deep = PAIRS ? 2 : 1;
    const ptrdiff_t step = b < cb ? j->v_step : j->w_step;
    struct place p = place_at(&j->g, j->first + from);
    rj_real *to = b < cb ? j->v + b * j->place : j->w + (b - cb) * j->place;
    rj_real part[2 * POINTS * BLOCK];

    to += (ptrdiff_t)from / deep * BLOCK;
    for (int i = from; i < end; i += deep, to += BLOCK) {
        for (int k = 0; k < deep; k++) {
            const struct place here = p;
            place_next(&j->g, &p);
            ask_points(j, b, &p);
            if (!HALF)
                chunk_points(j, b, &here, step, to);
            else if (i + k < end)
                chunk_points(j, b, &here, BLOCK, part + k * POINTS * BLOCK);
            else
                memset(part + POINTS * BLOCK, 0, POINTS * BLOCK * sizeof *part);
        }
        if (HALF)
            store_points(part, step, to);
    }
    (void)worker;
    return RIJ_OK;
}

/* Add the chunk to the sums of one point, one or two blocks from k on and block b of c.
 */
static void pair_sums(const struct winograd_w *j, int point, int k, int blocks, int b,
                      ptrdiff_t next, rj_real *sum)
{
    const int channels = RJ_MIN(BLOCK, j->g.c - b * BLOCK);
    const int cols = steps_of(j->some);
    struct pull s = {.rows = 1, .x_col = BLOCK, .d_block = j->place, .sum_block = next};
    const rj_real *v = j->v + point * j->v_step + b * j->place,
                  *w = j->w + point * j->w_step + k * j->place;

    for (int i = 0; j->first == 0 && i < blocks; i++)
        memset(sum + i * next, 0, BLOCK * BLOCK * sizeof *sum);
    for (int i = 0; i < cols;
         i += s.cols, v += NEAR_COLS * BLOCK, w += NEAR_COLS * BLOCK) {
        s.cols = RJ_MIN(NEAR_COLS, cols - i);
        pull_some(&s, blocks, channels, v, w, sum);
    }
}

/* The sums of one point, for a share of the blocks of k. */
static rij_status point_sums_piece(void *job, int index, int worker)
{
    const struct winograd_w *j = job;
    const int cb = blocks_of(j->g.c), kb = blocks_of(j->g.k);
    const int share = index % j->shares, point = index / j->shares;

    const int end = (share + 1) * kb / j->shares;

    for (int k = share * kb / j->shares; k < end; k += PULLED)
        for (int b = 0; b < cb; b++)
            pair_sums(j, point, k, RJ_MIN(PULLED, end - k), b,
                      (ptrdiff_t)cb * POINTS * POINT_SUMS,
                      j->sum + (((ptrdiff_t)k * cb + b) * POINTS + point) * POINT_SUMS);
    (void)worker;
    return RIJ_OK;
}

/* G' sum G of one block of k and one of c, added to where weights lie. With one chunk
 * alone its sums are made here and never leave the cache. */
static rij_status window_sums_piece(void *job, int index, int worker)
{
    const struct winograd_w *j = job;
    const int cb = blocks_of(j->g.c), k = index / cb, b = index % cb;
    rj_real w[BLOCK * 9 * BLOCK], here[POINTS * POINT_SUMS];
    const rj_real *sum = j->sum ? j->sum + (ptrdiff_t)index * POINTS * POINT_SUMS : here;

    for (int i = 0; !j->sum && i < POINTS; i++)
        pair_sums(j, i, k, 1, b, 0, here + i * POINT_SUMS);
    for (int c = 0; c < BLOCK; c++)
        for (int v = 0; v < BLOCK; v += LANES) {
            vec m[POINTS], part[3 * SIX], o[9];
            EACH (i, POINTS)
                m[i] = load(sum + i * POINT_SUMS + c * BLOCK + v);
            EACH (x, SIX)
                points_window(m + x, SIX, part + x, SIX);
            EACH (y, 3)
                points_window(part + y * SIX, 1, o + y * 3, 1);
            EACH (t, 9)
                store(w + (c * 9 + t) * BLOCK + v, o[t]);
        }
    give_windows(w, j->g.wk, 9, RJ_MIN(BLOCK, j->g.k - k * BLOCK),
                 RJ_MIN(BLOCK, j->g.c - b * BLOCK),
                 j->dw + k * BLOCK * j->g.wk + b * BLOCK * j->g.wc);
    (void)worker;
    return RIJ_OK;
}

/* As winograd_taken(). Points of both sides go through memory, and in pairs the direct
 * way gains but a third, since pixels must be interleaved: so that 16 channels go
 * directly and 32 by Winograd, which are the faster ways. */
static bool winograd_w_taken(rj_device *dev, const rj_conv *d)
{
    const double each = HALF ? 0.5 : 1;
    const double c = d->c, k = d->k;
    const double places = (double)d->n * runs(d->p, QUAD) * runs(d->q, QUAD);
    const double direct = (1 + 2 * each) / 3 * 9.0 / 16 * c * k * d->n * d->p * d->q;
    const double detour =
        places * (each * 36.0 / 16 * c * k + 50 * c + 50 * k) + 35 * c * k;

    return winograd_chosen(dev, d, direct, detour);
}

static rij_status run_winograd_w(rj_device *dev, const rj_conv *d, const rj_real *x,
                                 const rj_real *dy, rj_real *dw)
{
    struct winograd_w j = {
        .g = winograd_new(dev, d, false), .dy = (const cell *)dy, .dw = dw};
    struct winograd *g = &j.g;
    const int cb = blocks_of(g->c), kb = blocks_of(g->k),
              all = d->n * g->down * g->across;
    const ptrdiff_t each = (ptrdiff_t)POINTS * BLOCK * (cb + kb);
    const int deep = PAIRS ? 2 : 1;
    const int chunks = runs(all, (int)RJ_MAX(PLACES, deep * 3000000 / each)); // 12 MB
    const ptrdiff_t sums = chunks > 1 ? (ptrdiff_t)POINTS * POINT_SUMS * cb * kb : 0;

    g->x = (const cell *)x;
    g->some = runs(runs(all, chunks), deep) * deep;
    j.place = (ptrdiff_t)g->some / deep * BLOCK;
    j.v_step = (cb * j.place) | BLOCK;
    j.w_step = (kb * j.place) | BLOCK;
    j.shares = RJ_MIN(4, kb);
    RJ_TRY(rj_device_shared(dev, (size_t)(POINTS * (j.v_step + j.w_step) + sums) *
                                     sizeof(rj_real)));
    j.v = dev->shared;
    j.w = j.v + POINTS * j.v_step;
    j.sum = chunks > 1 ? j.w + POINTS * j.w_step : NULL;
    for (j.first = 0; j.first < all; j.first += g->some) {
        j.some = RJ_MIN(g->some, all - j.first);
        RJ_TRY(rj_parallel_for(dev->pool, runs(j.some, PLACES) * (cb + kb), points_piece,
                               &j));
        if (j.sum)
            RJ_TRY(rj_parallel_for(dev->pool, POINTS * j.shares, point_sums_piece, &j));
    }
    j.first = 0; // where the one chunk begins
    return rj_parallel_for(dev->pool, cb * kb, window_sums_piece, &j);
}
