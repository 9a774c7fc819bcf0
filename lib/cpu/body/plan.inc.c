/* plan.inc.c: a convolution, or its gradient by x, in the terms of the tiles.
 *
 * Along one axis (rows or columns) output o + spread * i reads, through tap j of the
 * window, source place step * i + first + reach(o, j):
 *
 *     forward     step = stride, spread = 1, o = 0;   reach = j,   first = -pad
 *     gradient    step = 1, spread = stride, o < stride: the outputs fall into `stride`
 *                 phases, each a convolution of its own with every stride-th tap, since
 *                 p = (h + pad - r) / stride must be whole
 *
 * so that both are the same loops. The source rows of one piece of work are copied into
 * scratch with zeros around them, columns sorted by column % step: then the pixels of a
 * tile always lie side by side. A convolution that needs neither is read in place. */

struct axis {
    int source, out; /* sides */
    int window, stride, pad;
    bool back;        /* the gradient */
    int step, spread; /* as above */
    int first, reach; /* reaches are 0 .. reach - 1 */
};

struct plan {
    struct axis y, x;
    int n, c, k;                 /* pictures, channels in (to sum over), channels out */
    ptrdiff_t wk, wc;            /* in the weights, from one of them to the next */
    int blocks, groups;          /* blocks of k that a tile takes; how many such groups */
    int deep;                    /* blocks of c that are summed before the next group */
    int rows;                    /* rows i of a piece */
    int chunks, shares;          /* pieces of a picture: by rows, by groups */
    bool planar;                 /* the source is in host order, numbers and no cells */
    bool copy;                   /* through scratch */
    bool pixels;                 /* there, where PAIRS, a number holds a channel of a
                                    pixel and of the next to its right */
    int pitch;                   /* numbers of a pixel of a block, as the tiles read it */
    ptrdiff_t phase, row, block; /* distances in what the tiles read */
};

static int blocks_of(int channels)
{
    return (channels + BLOCK - 1) / BLOCK;
}

/* Taps that the outputs o, o + spread, .. read through; the j-th of them. */
static int axis_taps(const struct axis *a, int o)
{
    const int from = a->back ? (o + a->pad) % a->stride : 0;

    return a->back ? runs(a->window - from, a->stride) : a->window;
}

static int axis_tap(const struct axis *a, int o, int j)
{
    return a->back ? (o + a->pad) % a->stride + a->stride * j : j;
}

static int axis_reach(const struct axis *a, int o, int j)
{
    return a->back ? (o + a->pad) / a->stride - j - a->first : j;
}

/* How many outputs there are of phase o. */
static int axis_count(const struct axis *a, int o)
{
    return o < a->out ? (a->out - o - 1) / a->spread + 1 : 0;
}

static struct axis axis_new(int source, int out, int window, int stride, int pad,
                            bool back)
{
    struct axis a = {.source = source,
                     .out = out,
                     .window = window,
                     .stride = stride,
                     .pad = pad,
                     .back = back};

    a.step = back ? 1 : stride;
    a.spread = back ? stride : 1;
    a.first = -pad;
    a.reach = window;
    if (back) {
        const int last = (stride - 1 + pad) / stride;
        a.first = last;
        for (int o = 0; o < stride; o++)
            if (axis_taps(&a, o) > 0)
                a.first = RJ_MIN(a.first, (o + pad) / stride - axis_taps(&a, o) + 1);
        a.reach = last - a.first + 1;
    }
    return a;
}

/* Every place the tiles read is inside the source, and pixels lie side by side. */
static bool axis_inside(const struct axis *a)
{
    return a->step == 1 && a->first >= 0 &&
           a->first + a->reach + axis_count(a, 0) - 1 <= a->source;
}

/* Source rows under `rows` rows i. */
static int axis_under(const struct axis *a, int rows)
{
    return (rows - 1) * a->step + a->reach;
}

/* How the work is divided: never by the number of threads. About 4 million operations
 * make a piece worth its start; the larger of weights and picture is divided first, so
 * that a piece reads the other whole. */
static void plan_pieces(struct plan *g)
{
    const int all = axis_count(&g->y, 0);
    const double work = 2.0 * g->n * g->c * g->k * g->y.out * g->x.out * g->y.window *
                        g->x.window / (g->y.spread * g->x.spread);
    const int wanted = runs((int)RJ_MAX(1, RJ_MIN(64, work / 4e6)), g->n);
    const bool heavy =
        (double)g->k * g->y.window * g->x.window > (double)g->y.source * g->x.source;
    const ptrdiff_t wide = g->row * blocks_of(g->c) * g->y.step;

    if (heavy)
        g->shares = RJ_MIN(wanted, g->groups);
    g->rows = runs(all, RJ_MIN(runs(wanted, g->shares), all));
    if (g->copy) // 256 KiB of float, a quarter of a usual second-level cache
        while (g->rows > 1 && g->rows * wide > 65536)
            g->rows = (g->rows + 1) / 2;
    g->chunks = runs(all, g->rows);
    if (!heavy)
        g->shares = RJ_MIN(runs(wanted, g->chunks), g->groups);
}

/* A window of one pixel knows no rows: then short rows are joined, as many as make at
 * most 64 pixels and leave none over. */
static rj_conv joined(rj_conv d)
{
    if (d.r == 1 && d.s == 1 && d.stride == 1 && d.pad == 0)
        for (int f = RJ_MIN(d.h, RJ_MAX(1, 64 / d.w)); f > 1; f--)
            if (d.h % f == 0) {
                d.h = d.p = d.h / f;
                d.w = d.q = d.w * f;
                break;
            }
    return d;
}

static struct plan plan_new(const rj_conv *shape, bool back)
{
    const rj_conv d = joined(*shape);
    const ptrdiff_t window = (ptrdiff_t)d.r * d.s;
    struct plan g = {.n = d.n, .shares = 1, .planar = d.planar};

    g.y = axis_new(back ? d.p : d.h, back ? d.h : d.p, d.r, d.stride, d.pad, back);
    g.x = axis_new(back ? d.q : d.w, back ? d.w : d.q, d.s, d.stride, d.pad, back);
    g.c = back ? d.k : d.c;
    g.k = back ? d.c : d.k;
    g.wk = back ? window : window * d.c;
    g.wc = back ? window * d.c : window;
    g.blocks = best_blocks(blocks_of(g.k), axis_count(&g.x, 0));
    g.groups = blocks_of(g.k) / g.blocks;
    // weights of a group that stay in the second-level cache: 300 KiB of float; but cells
    // that are narrower than sums are written once, and only a very deep sum is split
    g.deep =
        (int)RJ_MAX(1, (HALF ? 1 << 20 : 76800) / (window * BLOCK * BLOCK * g.blocks));
    g.copy = (HALF && !PAIRS) || g.planar || !axis_inside(&g.y) || !axis_inside(&g.x);
    g.pitch = BUNDLE;
    g.phase = (ptrdiff_t)g.pitch * (axis_count(&g.x, 0) + (g.x.reach - 1) / g.x.step);
    g.row =
        g.copy ? g.phase * RJ_MIN(g.x.step, g.x.reach) : (ptrdiff_t)BUNDLE * g.x.source;
    plan_pieces(&g);
    g.block = g.row * (g.copy ? axis_under(&g.y, g.rows) : g.y.source);
    return g;
}

/* Steps of the tiles that take so many channels. */
static int steps_of(int channels)
{
    return PAIRS ? runs(channels, 2) : channels;
}

/* n pixels of a line of cells, `step` pixels apart, in the plan's form. What is stored
 * past a pixel that is narrower than a block is overwritten by the next. */
static void gather_cells(const struct plan *g, const cell *line, int n, rj_real *out)
{
    const ptrdiff_t step = (ptrdiff_t)g->x.step * BLOCK;

    if (PAIRS && g->pixels)
        for (int j = 0; j < n; j++)
            store(
                out + (ptrdiff_t)j * g->pitch,
                paired_cells(line + j * step, j + 1 < n ? line + (j + 1) * step : NULL));
    else if ((!HALF || PAIRS) && g->x.step == 1 && g->pitch == BUNDLE)
        memcpy(out, line, (size_t)n * BLOCK * sizeof *line);
    else if (PAIRS)
        for (int j = 0; j < n; j++)
            memcpy(out + (ptrdiff_t)j * g->pitch, line + j * step, BLOCK * sizeof *line);
    else
        for (int j = 0; j < n; j++)
            for (int v = 0; v < BLOCK; v += LANES)
                store(out + (ptrdiff_t)j * g->pitch + v, load_cells(line + j * step + v));
}

/* Where picture n of the source begins. */
static const void *source_at(const struct plan *g, const void *x, int n)
{
    const ptrdiff_t plane = (ptrdiff_t)g->y.source * g->x.source;

    return g->planar
               ? (const void *)((const rj_real *)x + n * plane * g->c)
               : (const void *)((const cell *)x + n * plane * blocks_of(g->c) * BLOCK);
}

/* n numbers as cells. */
static void cells_of(const rj_real *from, int n, cell *to)
{
    int i = 0;

    for (; i + LANES <= n; i += LANES)
        store_cells(to + i, load(from + i));
    for (; i < n; i++)
        to[i] = cell_of(from[i]);
}

enum { AT_ONCE = 256 }; /* host numbers that are rounded at a time */

/* In pairs: pixels of one channel, from a line of host numbers or, where that is NULL,
 * zeros, to the half of every pitch-th number that begins at `out`. */
static void gather_channel(const struct plan *g, const rj_real *line, int n, cell *out)
{
    const int step = g->x.step, most = RJ_MAX(1, AT_ONCE / step);
    const ptrdiff_t pitch = (ptrdiff_t)2 * g->pitch;
    cell part[AT_ONCE] = {0};

    for (int j = 0; j < n; j += most) {
        const int some = RJ_MIN(most, n - j);
        if (line)
            cells_of(line + (ptrdiff_t)j * step, (some - 1) * step + 1, part);
        for (int i = 0; i < some; i++, out += pitch) {
            *out = part[i * step];
            if (g->pixels && i + j > 0)
                out[1 - pitch] = *out;
            if (g->pixels)
                out[1] = 0;
        }
    }
}

/* The same as gather_cells() from a line of host numbers, for `channels` planes. */
static void gather_planar(const struct plan *g, const rj_real *line, int channels, int n,
                          rj_real *out)
{
    const ptrdiff_t plane = (ptrdiff_t)g->y.source * g->x.source;

    for (int c = 0; c < channels; c++)
        if (PAIRS)
            gather_channel(g, line + c * plane, n, (cell *)out + (g->pixels ? 2 * c : c));
        else
            for (int j = 0; j < n; j++)
                out[(ptrdiff_t)j * g->pitch + c] =
                    real_of(cell_of(line[c * plane + (ptrdiff_t)j * g->x.step]));
    if (PAIRS && !g->pixels && channels % 2)
        gather_channel(g, NULL, n, (cell *)out + channels);
}

/* One line of the copy: `before` columns of zeros, n pixels from column `first` of a row
 * of block b of the picture at x, zeros to its end. */
static void gather_line(const struct plan *g, const void *x, int b, int y, int first,
                        int before, int n, rj_real *out)
{
    const ptrdiff_t from = (ptrdiff_t)before * g->pitch, plane = g->y.source;
    const rj_real *host = x;
    const cell *cells = x;

    cells += ((b * plane + y) * g->x.source + first) * BLOCK;
    host += (b * BLOCK * plane + y) * g->x.source + first;
    for (ptrdiff_t k = 0; k < from; k++)
        out[k] = 0;
    if (n > 0 && g->planar)
        gather_planar(g, host, RJ_MIN(BLOCK, g->c - b * BLOCK), n, out + from);
    else if (n > 0)
        gather_cells(g, cells, n, out + from);
    if (PAIRS && g->pixels && before > 0 && n > 0) // the first pixel is to its right
        for (int c = 0; c < g->pitch; c++)
            ((cell *)(out + from - g->pitch))[2 * c + 1] = ((cell *)(out + from))[2 * c];
    for (ptrdiff_t k = from + (ptrdiff_t)n * g->pitch; k < g->phase; k++)
        out[k] = 0;
}

/* Copy the source rows under rows i .. i + rows - 1 of blocks from .. to - 1 of one
 * picture x into `out`, with zeros where there is no source. */
static void gather(const struct plan *g, const void *x, int from, int to, int i, int rows,
                   rj_real *out)
{
    const struct axis *ax = &g->x, *ay = &g->y;
    const int cols = (int)(g->phase / g->pitch), phases = RJ_MIN(ax->step, ax->reach);

    for (int b = from; b < to; b++)
        for (int r = 0; r < axis_under(ay, rows); r++) {
            const int y = i * ay->step + ay->first + r;
            const bool known = y >= 0 && y < ay->source;
            if (r % ay->step >= ay->reach)
                continue; // no tap reads it
            for (int f = 0; f < phases; f++) {
                // columns before .. after - 1 of the copy have a source
                const int first = ax->first + f, last = ax->source - first;
                const int before = RJ_MIN(first < 0 ? runs(-first, ax->step) : 0, cols);
                const int after = last > 0 ? RJ_MIN(runs(last, ax->step), cols) : 0;
                const int n = known ? RJ_MAX(after - before, 0) : 0;
                gather_line(g, x, b, y, first + before * ax->step, before, n,
                            out + (b - from) * g->block + r * g->row + f * g->phase);
            }
        }
}
