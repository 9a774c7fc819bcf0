/* winograd.inc.c: 3x3 convolution of stride 1, and its gradient by x, as F(4x4, 3x3).
 *
 *     y = A' [ (G w G') . (B' d B) ] A       d 6x6 of the source, y 4x4 of the output
 *
 * (Winograd 1980; Lavin and Gray 2016). The product in the middle, summed over channels,
 * is 36 matrix products, so that a pixel costs 36/16 multiplications a channel instead
 * of 9. Each of them is a convolution of one tap whose pixels are the places: the tiles
 * of tile.inc.c do it. A piece takes some places through all three steps:
 *
 *     V [point][block of c][place][16]      B' d B
 *     M [point][block of k][place][16]      sum_c U V, for one group of blocks of k
 *
 * and U = G w G' lies packed as [group][point][c][lanes]. In float the result is off by
 * about ten times as much as the direct sum (docs/math.md). */

enum { SIX = 6, POINTS = SIX * SIX, QUAD = 4 };

struct winograd {
    rj_device *dev;
    int n, c, k;         /* pictures, channels to sum over, channels out */
    int h, w, p, q;      /* sides of the source and of the output */
    int pad;             /* zeros before the source */
    bool back;           /* the gradient: windows are turned round */
    ptrdiff_t wk, wc;    /* in the weights, from one channel to the next */
    int down, across;    /* places of a picture */
    int blocks, groups;  /* as in a plan */
    int group, in_round; /* the first group of a round, and how many it has */
    int some, shares;    /* places of a piece; pieces that share them */
    const cell *x;
    const rj_real *weight, *bias;
    cell *y;
    bool add; /* to what y holds */
    struct finish finish;
    rj_real *start, *packed;
};

/* The finite points are 0, a, -a, b, -b with a = 3/4, b = 3/2: a better conditioned
 * choice than the usual 1 and 2, whose rounding errors are twice as large. */
static const rj_real a1 = 0.75, b1 = 1.5, a2 = 0.5625, b2 = 2.25, a3 = 0.421875,
                     b3 = 3.375;

/* B' of six vectors that lie s apart, in place: the coefficients of the products of
 * (x - point) over all points but one. */
ALWAYS void to_points(vec *d, const int s)
{
    const vec u = d[s], v = d[2 * s], w = d[3 * s], x = d[4 * s];
    const vec even = x - v * b2, odd = (w - u * b2) * a1;
    const vec other = x - v * a2, wide = (w - u * a2) * b1;

    d[0] = d[0] * (a2 * b2) - v * (a2 + b2) + x;
    d[s] = even + odd;
    d[2 * s] = even - odd;
    d[3 * s] = other + wide;
    d[4 * s] = other - wide;
    d[5 * s] = u * (a2 * b2) - w * (a2 + b2) + d[5 * s];
}

/* A' of six vectors that lie s apart: four that lie t apart; powers of the points. */
ALWAYS void from_points(const vec *m, const int s, vec *o, const int t)
{
    const vec p = m[s] + m[2 * s], q = m[s] - m[2 * s];
    const vec r = m[3 * s] + m[4 * s], u = m[3 * s] - m[4 * s];

    o[0] = m[0] + p + r;
    o[t] = q * a1 + u * b1;
    o[2 * t] = p * a2 + r * b2;
    o[3 * t] = q * a3 + u * b3 + m[5 * s];
}

/* G of three vectors that lie s apart: six that lie t apart; powers of the points by the
 * products of their distances, which are (a b)^2, 2 a^2 (a^2 - b^2), 2 b^2 (b^2 - a^2).
 */
ALWAYS void window_points(const vec *w, const int s, vec *o, const int t)
{
    const rj_real fa = 1 / (2 * a2 * (a2 - b2)), fb = 1 / (2 * b2 * (b2 - a2));
    const vec near = w[0] * fa + w[2 * s] * (a2 * fa), by_a = w[s] * (a1 * fa);
    const vec far = w[0] * fb + w[2 * s] * (b2 * fb), by_b = w[s] * (b1 * fb);

    o[0] = w[0] * (1 / (a2 * b2));
    o[t] = near + by_a;
    o[2 * t] = near - by_a;
    o[3 * t] = far + by_b;
    o[4 * t] = far - by_b;
    o[5 * t] = w[2 * s];
}

/* A square of pixels from row i, column j of a plane on, zeros where there are none; one
 * vector of each pixel. */
ALWAYS void take_square(const int side, const cell *plane, int h, int w, int i, int j,
                        vec *d)
{
    static const cell none[LANES];
    const cell *line = plane + ((ptrdiff_t)i * w + j) * BLOCK;
    bool known[SIX];

    if (i >= 0 && j >= 0 && i + side <= h && j + side <= w) {
        for (int y = 0; y < side; y++, line += (ptrdiff_t)w * BLOCK)
            EACH (x, side)
                d[y * side + x] = load_cells(line + x * BLOCK);
        return;
    }
    EACH (x, side)
        known[x] = j + x >= 0 && j + x < w;
    for (int y = 0; y < side; y++) {
        const bool inside = i + y >= 0 && i + y < h;
        line = plane + ((ptrdiff_t)(i + y) * w + j) * BLOCK;
        EACH (x, side)
            d[y * side + x] = load_cells(inside && known[x] ? line + x * BLOCK : none);
    }
}

/* Ask for the pixels of a square that come after its first two columns, which the square
 * before it had. */
ALWAYS void ask_square(const cell *plane, int h, int w, int i, int j)
{
    EACH (y, SIX)
        if (i + y >= 0 && i + y < h) {
            const cell *line =
                plane + ((ptrdiff_t)(i + y) * w + RJ_MIN(j + 2, w - 1)) * BLOCK;
            for (int x = 0; x < QUAD * BLOCK; x += 64 / (int)sizeof *line)
                __builtin_prefetch(line + x);
        }
}

/* B' d B of one place and one block of channels; `step` from a point to the next. As
 * factors, or, for who has a form of his own for them, as they are. */
ALWAYS void place_to_points(const cell *plane, int h, int w, int i, int j, bool factors,
                            ptrdiff_t step, rj_real *out)
{
    for (int v = 0; v < BLOCK; v += LANES) {
        vec d[POINTS];
        take_square(SIX, plane + v, h, w, i, j, d);
        EACH (x, SIX)
            to_points(d + x, SIX);
        for (int y = 0; y < SIX; y++) {
            to_points(d + y * SIX, 1);
            EACH (x, SIX) {
                rj_real *to = out + (y * SIX + x) * step;
                if (factors && PAIRS)
                    store_cells((cell *)to + v, d[y * SIX + x]);
                else
                    store(to + v, factors ? as_factor(d[y * SIX + x]) : d[y * SIX + x]);
            }
        }
    }
}

/* A' m A of one place and block, onto rows i .. and columns j .. of a plane of y. */
static void place_from_points(const struct winograd *g, const rj_real *m, ptrdiff_t step,
                              const rj_real *start, int i, int j, cell *plane)
{
    const int rows = RJ_MIN(QUAD, g->p - i), cols = RJ_MIN(QUAD, g->q - j);
    const cell *more = g->add ? g->y : g->finish.beside; // or NULL
    const ptrdiff_t at = plane + ((ptrdiff_t)i * g->q + j) * BLOCK - g->y,
                    line = (ptrdiff_t)g->q * BLOCK;

    for (int r = 0; r < rows; r++) // needed when the sums are done
        for (int x = 0; x < QUAD * BLOCK; x += 64 / (int)sizeof *more) {
            __builtin_prefetch(g->y + at + r * line + x, 1);
            if (more && more != g->y)
                __builtin_prefetch(more + at + r * line + x);
        }
    for (int v = 0; v < BLOCK; v += LANES) {
        vec d[POINTS], part[QUAD * SIX], y[QUAD * QUAD];
        const vec first = g->add ? fill(0) : load(start + v),
                  floor = fill(g->finish.floor);
        EACH (k, POINTS)
            d[k] = load(m + k * step + v);
        EACH (x, SIX)
            from_points(d + x, SIX, part + x, SIX);
        EACH (r, QUAD)
            from_points(part + r * SIX, 1, y + r * QUAD, 1);
        for (int r = 0; r < rows; r++)
            for (int x = 0; x < cols; x++) {
                const ptrdiff_t to = at + r * line + x * BLOCK + v;
                const vec old = more ? load_cells(more + to) : fill(0);
                store_cells(g->y + to, largest(floor, y[r * QUAD + x] + old + first));
            }
    }
}

/* From a point to the next, in V, M and one group of U: an odd number of cache lines, as
 * the 36 points of a place are written one after the other and powers of two would fall
 * into the same few sets of the cache. */
static ptrdiff_t v_step(const struct winograd *g)
{
    return ((ptrdiff_t)runs(blocks_of(g->c) * g->some * BUNDLE, BLOCK) * BLOCK) | BLOCK;
}

static ptrdiff_t m_step(const struct winograd *g)
{
    return ((ptrdiff_t)g->blocks * g->some * BLOCK) | BLOCK;
}

static ptrdiff_t u_step(const struct winograd *g)
{
    return ((ptrdiff_t)steps_of(g->c) * g->blocks * BLOCK) | BLOCK;
}

/* G w G' of one c: nine vectors BLOCK apart become 36; turned round for the gradient. */
static void window_to_points(const rj_real *w, bool back, vec *u)
{
    vec in[9], part[3 * SIX];

    EACH (t, 9)
        in[t] = load(w + (back ? 8 - t : t) * BLOCK);
    EACH (x, 3)
        window_points(in + x, 3, part + x, 3);
    EACH (y, SIX)
        window_points(part + y * 3, 1, u + y * SIX, 1);
}

/* U of one block of k and one block of c. */
static rij_status window_piece(void *job, int index, int worker)
{
    const struct winograd *g = job;
    const int cb = blocks_of(g->c), c0 = index % cb * BLOCK;
    const int lanes = g->blocks * BLOCK, deep = PAIRS ? 2 : 1;
    const int here = index / cb * BLOCK, k0 = g->group * lanes + here;
    rj_real *to = g->packed + here / lanes * POINTS * u_step(g) +
                  (ptrdiff_t)c0 / deep * lanes + here % lanes;
    rj_real w[BLOCK * 9 * BLOCK];
    vec u[2][POINTS] = {{{0}}};

    take_windows(g->weight + k0 * g->wk + c0 * g->wc, g->wk, g->wc, 9,
                 RJ_MIN(BLOCK, g->k - k0), RJ_MIN(BLOCK, g->c - c0), w);
    for (int c = 0; c < RJ_MIN(g->c - c0, BLOCK); c += deep, to += lanes)
        for (int v = 0; v < BLOCK; v += LANES) {
            window_to_points(w + c * 9 * BLOCK + v, g->back, u[0]);
            if (deep == 2)
                window_to_points(w + (c + 1) * 9 * BLOCK + v, g->back, u[1]);
            for (int i = 0; i < POINTS; i++)
                store(to + i * u_step(g) + v,
                      PAIRS ? paired(u[0][i], u[1][i]) : as_factor(u[0][i]));
        }
    (void)worker;
    return RIJ_OK;
}

/* Where a place is: its picture, and the row and column of its output there. */
struct place {
    int n, row, col;
};

static struct place place_at(const struct winograd *g, int t)
{
    return (struct place){t / (g->down * g->across), t / g->across % g->down * QUAD,
                          t % g->across * QUAD};
}

ALWAYS void place_next(const struct winograd *g, struct place *p)
{
    p->col += QUAD;
    if (p->col < g->q)
        return;
    p->col = 0;
    p->row += QUAD;
    if (p->row < g->p)
        return;
    p->row = 0;
    p->n++;
}

/* M of one group from V, for `some` places. */
static void points_product(const struct winograd *g, int group, int some,
                           const rj_real *v, rj_real *m)
{
    static const ptrdiff_t here[1];
    const int n = runs(some, widest(g->blocks));
    const struct span s = {.tap = here,
                           .taps = 1,
                           .c = g->c,
                           .in_block = (ptrdiff_t)g->some * BUNDLE,
                           .out_block = (ptrdiff_t)g->some * BLOCK,
                           .out_pixel = BLOCK};
    const rj_real *u = g->packed + (group - g->group) * POINTS * u_step(g);
    static const rj_real zero[8 * BLOCK];

    for (int i = 0; i < POINTS; i++, u += u_step(g), v += v_step(g), m += m_step(g))
        for (int t = 0; t < n; t++) {
            const int p = t * some / n, pixels = (t + 1) * some / n - p;
            sum_tiles[g->blocks][pixels - 1](&s, v + (ptrdiff_t)p * BUNDLE, u, zero,
                                             m + (ptrdiff_t)p * BLOCK);
        }
}

/* V of `some` places from `first` on. */
static void places_to_points(const struct winograd *g, struct place first, int some,
                             rj_real *v)
{
    const int cb = blocks_of(g->c);
    const ptrdiff_t in = (ptrdiff_t)g->h * g->w * BLOCK;

    for (int b = 0; b < cb; b++) {
        struct place p = first;
        rj_real *to = v + (ptrdiff_t)b * g->some * BUNDLE;
        for (int t = 0; t < some; t++, to += BUNDLE) {
            const struct place here = p;
            place_next(g, &p);
            ask_square(g->x + (p.n * (ptrdiff_t)cb + b) * in, g->h, g->w, p.row - g->pad,
                       p.col - g->pad);
            place_to_points(g->x + (here.n * (ptrdiff_t)cb + b) * in, g->h, g->w,
                            here.row - g->pad, here.col - g->pad, true, v_step(g), to);
        }
    }
}

/* Outputs of `some` places, of one group of blocks of k, from M. */
static void points_to_places(const struct winograd *g, int group, struct place first,
                             int some, const rj_real *m)
{
    const ptrdiff_t out = (ptrdiff_t)g->p * g->q * BLOCK;

    for (int b = 0; b < g->blocks; b++) {
        const int k = group * g->blocks + b;
        const rj_real *from = m + (ptrdiff_t)b * g->some * BLOCK;
        struct place p = first;
        for (int t = 0; t < some; t++, from += BLOCK, place_next(g, &p))
            place_from_points(g, from, m_step(g), g->start + k * BLOCK, p.row, p.col,
                              g->y + (p.n * (ptrdiff_t)blocks_of(g->k) + k) * out);
    }
}

static rij_status winograd_piece(void *job, int index, int worker)
{
    const struct winograd *g = job;
    const int share = index % g->shares, first = index / g->shares * g->some;
    const int some = RJ_MIN(g->some, g->n * g->down * g->across - first);
    const struct place p = place_at(g, first);
    rj_real *v = g->dev->scratch[worker], *m = v + POINTS * v_step(g);

    places_to_points(g, p, some, v);
    for (int group = g->group + share * g->in_round / g->shares;
         group < g->group + (share + 1) * g->in_round / g->shares; group++) {
        points_product(g, group, some, v, m);
        points_to_places(g, group, p, some, m);
    }
    return RIJ_OK;
}

/* How many places a piece takes: V and M of a piece should stay in the second-level
 * cache, but U passes by for each piece, so at least 28; whole tiles of pixels. */
static void winograd_pieces(struct winograd *g)
{
    const int all = g->n * g->down * g->across, tile_of = widest(g->blocks);
    const int each = POINTS * (blocks_of(g->c) + g->blocks) * BLOCK;
    const int wanted = RJ_MAX(28, RJ_MIN(84, 180000 / each));

    g->some = RJ_MIN(all, runs(wanted, tile_of) * tile_of);
}

static struct winograd winograd_new(rj_device *dev, const rj_conv *d, bool back)
{
    struct winograd g = {
        .dev = dev, .n = d->n, .back = back, .finish = finish_new(NULL, false)};

    g.c = back ? d->k : d->c;
    g.k = back ? d->c : d->k;
    g.h = back ? d->p : d->h;
    g.w = back ? d->q : d->w;
    g.p = back ? d->h : d->p;
    g.q = back ? d->w : d->q;
    g.pad = back ? 2 - d->pad : d->pad;
    g.wk = back ? 9 : 9 * (ptrdiff_t)d->c;
    g.wc = back ? 9 * (ptrdiff_t)d->c : 9;
    g.down = runs(g.p, QUAD);
    g.across = runs(g.q, QUAD);
    g.blocks = best_blocks(blocks_of(g.k), 84);
    g.groups = g.in_round = blocks_of(g.k) / g.blocks;
    winograd_pieces(&g);
    return g;
}

/* Where the detour can be taken, it is if it must be, or if it pays. */
static bool winograd_chosen(const rj_device *dev, const rj_conv *d, double direct,
                            double detour)
{
    if (d->r != 3 || d->s != 3 || d->stride != 1 || d->pad > 2 || d->planar)
        return false;
    return dev->algorithm == RJ_WINOGRAD ||
           (dev->algorithm == RJ_AUTO && detour < 0.9 * direct);
}

/* Whether the detour is taken, forward or for the gradient by x. That is judged by the
 * operations of one place: products, points to and from, in vectors of 16, and what each
 * pair of channels costs: laying U out, or, where it was prepared, reading it once, which
 * is 36 numbers instead of 9 and out of memory when they are many. */
static bool winograd_taken(rj_device *dev, const rj_conv *d, bool back, bool ready)
{
    const double each = HALF ? 0.5 : 1; // of a multiplication
    const double c = back ? d->k : d->c, k = back ? d->c : d->k;
    const int p = back ? d->h : d->p, q = back ? d->w : d->q;
    const double places = (double)d->n * runs(p, QUAD) * runs(q, QUAD);
    const double read = each * (c * k > 50000 ? 10 : 2);
    const double direct =
        each * 9.0 / 16 * c * k * d->n * p * q + (ready ? read : 3) * c * k;
    const double detour = places * (each * 36.0 / 16 * c * k + 14 * c + 14 * k) +
                          (ready ? 4 * read : 24) * c * k;

    return winograd_chosen(dev, d, direct, detour);
}

/* Numbers of `start` and the U of some groups. */
static size_t winograd_ready(const struct winograd *g, int groups)
{
    return (size_t)(blocks_of(g->k) * BLOCK + groups * POINTS * u_step(g));
}

/* Lay out the bias, and U of the round's groups. */
static rij_status winograd_prepare(struct winograd *g, rj_real *ready)
{
    const int k = blocks_of(g->k) * BLOCK;

    g->start = ready;
    g->packed = ready + k;
    for (int i = 0; i < k; i++)
        g->start[i] = g->bias && i < g->k ? g->bias[i] : 0;
    return rj_parallel_for(g->dev->pool, g->in_round * g->blocks * blocks_of(g->c),
                           window_piece, g);
}

/* With everything of the round laid out. */
static rij_status winograd_prepared(struct winograd *g)
{
    const ptrdiff_t points = POINTS * (v_step(g) + m_step(g));
    const int pieces = runs(g->n * g->down * g->across, g->some);

    g->shares = RJ_MIN(g->in_round, runs(8, pieces));
    RJ_TRY(rj_device_scratch(g->dev, (size_t)points * sizeof(rj_real)));
    return rj_parallel_for(g->dev->pool, pieces * g->shares, winograd_piece, g);
}

enum { ROUND = 2500000 }; /* numbers of U at a time: 10 MB, for the third-level cache */

static rij_status run_winograd(struct winograd *g)
{
    const int most = (int)RJ_MAX(2, ROUND / (POINTS * u_step(g)));
    const int rounds = runs(g->groups, most), each = runs(g->groups, rounds);

    RJ_TRY(rj_device_shared(g->dev, winograd_ready(g, each) * sizeof(rj_real)));
    for (g->group = 0; g->group < g->groups; g->group += each) {
        g->in_round = RJ_MIN(each, g->groups - g->group);
        RJ_TRY(winograd_prepare(g, g->dev->shared));
        RJ_TRY(winograd_prepared(g));
    }
    return RIJ_OK;
}
