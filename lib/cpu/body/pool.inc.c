/* pool.inc.c: pooling. A piece is one block of channels of one picture, for max pooling
 * a run of its rows. */

struct pool {
    rj_pool2d d; /* for avgpool only n c h w are set */
    int rows;    /* of a piece of max pooling, at most */
    const cell *x, *dy, *at;
    cell *y, *places;
    const rj_real *row; /* of avgpool: rows of numbers per picture */
    rj_real *to_row;
};

/* Pixels of a piece of max pooling. */
enum { POOL_SPAN = 1024 };

/* Rows of `width` pixels that make such a piece. */
static int pool_rows(int height, int width)
{
    return runs(height, runs(height, RJ_MAX(1, POOL_SPAN / width)));
}

/* Let v, number k of its window, win if it is more than the best so far, or no number
 * where that is one. */
ALWAYS void challenge(vec v, int k, vec *top, vec *place)
{
    const mask wins = (v > *top) | ((v != v) & (*top == *top));

    *place = where(wins, fill((rj_real)k), *place);
    *top = where(wins, v, *top);
}

/* The largest of the window of output (p, q), and its number r R + s there; of equals the
 * first. `whole` is the side of a window that lies within the picture, 0 for any other.
 */
ALWAYS void winner(const rj_pool2d *d, const cell *x, int p, int q, int whole, vec *top,
                   vec *place)
{
    const int h = p * d->stride - d->pad, w = q * d->stride - d->pad;
    const int r0 = RJ_MAX(0, -h), s0 = RJ_MAX(0, -w);
    const ptrdiff_t row = (ptrdiff_t)d->w * BLOCK;
    const cell *from = x + h * row + (ptrdiff_t)w * BLOCK;

    if (whole) {
        *top = load_cells(from);
        *place = fill(0);
        EACH (r, whole)
            EACH (s, whole)
                challenge(load_cells(from + r * row + s * BLOCK), r * whole + s, top,
                          place);
        return;
    }
    *top = load_cells(from + r0 * row + s0 * BLOCK);
    *place = fill((rj_real)(r0 * d->r + s0));
    for (int r = r0; r < RJ_MIN(d->r, d->h - h); r++)
        for (int s = s0; s < RJ_MIN(d->r, d->w - w); s++)
            challenge(load_cells(from + r * row + s * BLOCK), r * d->r + s, top, place);
}

/* Outputs q0 .. q1 - 1 of row p. */
ALWAYS void pool_row(const struct pool *j, int plane, int p, int q0, int q1, int whole)
{
    const rj_pool2d d = j->d; // a copy, which no store can change
    const cell *x = j->x + (ptrdiff_t)plane * d.h * d.w * BLOCK;
    const ptrdiff_t to = (((ptrdiff_t)plane * d.p + p) * d.q + q0) * BLOCK;
    cell *y = j->y + to, *places = j->places + to;

    for (int q = q0; q < q1; q++, y += BLOCK, places += BLOCK)
        EACH (v, PARTS) {
            vec top, place;
            winner(&d, x + v * LANES, p, q, whole, &top, &place);
            store_cells(y + v * LANES, top);
            store_cells(places + v * LANES, place);
        }
}

static rij_status maxpool2d_piece(void *job, int index, int worker)
{
    const struct pool *j = job;
    const rj_pool2d *d = &j->d;
    const int parts = runs(d->p, j->rows), plane = index / parts;
    const int p0 = index % parts * j->rows, p1 = RJ_MIN(d->p, p0 + j->rows);
    // outputs whose window has all its columns
    const int q0 = RJ_MIN(d->q, runs(d->pad, d->stride));
    const int q1 = RJ_MAX(q0, RJ_MIN(d->q, (d->w + d->pad - d->r) / d->stride + 1));

    for (int p = p0; p < p1; p++) {
        const int h0 = p * d->stride - d->pad;
        if (d->r != 3 || h0 < 0 || h0 + d->r > d->h) {
            pool_row(j, plane, p, 0, d->q, 0);
            continue;
        }
        pool_row(j, plane, p, 0, q0, 0);
        pool_row(j, plane, p, q0, q1, 3);
        pool_row(j, plane, p, q1, d->q, 0);
    }
    (void)worker;
    return RIJ_OK;
}

static rij_status maxpool2d(rj_device *dev, const rj_pool2d *d, const rj_real *x,
                            rj_real *y, rj_real *at)
{
    struct pool j = {.d = *d,
                     .rows = pool_rows(d->p, d->q),
                     .x = (const cell *)x,
                     .y = (cell *)y,
                     .places = (cell *)at};

    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c) * runs(d->p, j.rows),
                           maxpool2d_piece, &j);
}

/* The first and the last window of `windows` that `at` lies in, in one direction. */
ALWAYS void windows_at(int at, int windows, int r, int stride, int pad, int *first,
                       int *last)
{
    *first = RJ_MAX(0, at + pad - r + stride) / stride;
    *last = RJ_MIN(windows - 1, (at + pad) / stride);
}

/* What pixel (h, w) of a plane gets: dy of the windows it won, in reading order. `first`
 * is the first output of the plane, and a vector of its channels. */
ALWAYS vec pool_arriving(const rj_pool2d *d, const cell *at, const cell *dy,
                         ptrdiff_t first, int h, int w, int r, int stride)
{
    vec sum = fill(0);
    int p0, p1, q0, q1;

    windows_at(h, d->p, r, stride, d->pad, &p0, &p1);
    windows_at(w, d->q, r, stride, d->pad, &q0, &q1);
    for (int p = p0; p <= p1; p++)
        for (int q = q0; q <= q1; q++) {
            const ptrdiff_t i = first + ((ptrdiff_t)p * d->q + q) * BLOCK;
            const int here = (h + d->pad - p * stride) * r + w + d->pad - q * stride;
            sum += where(load_cells(at + i) == fill((rj_real)here), load_cells(dy + i),
                         fill(0));
        }
    return sum;
}

/* Row h of a plane. */
ALWAYS void pool_grad_row(const struct pool *j, int plane, int h, int r, int stride)
{
    const rj_pool2d d = j->d;
    const ptrdiff_t first = (ptrdiff_t)plane * d.p * d.q * BLOCK;
    cell *to = j->y + ((ptrdiff_t)plane * d.h + h) * d.w * BLOCK;

    for (int w = 0; w < d.w; w++, to += BLOCK)
        EACH (v, PARTS) {
            const vec sum =
                pool_arriving(&d, j->at, j->dy, first + v * LANES, h, w, r, stride);
            store_cells(to + v * LANES, d.fresh ? sum : load_cells(to + v * LANES) + sum);
        }
}

static rij_status maxpool2d_grad_piece(void *job, int index, int worker)
{
    const struct pool *j = job;
    const rj_pool2d *d = &j->d;
    const int parts = runs(d->h, j->rows), plane = index / parts;
    const int h0 = index % parts * j->rows, h1 = RJ_MIN(d->h, h0 + j->rows);

    for (int h = h0; h < h1; h++)
        if (d->r == 3 && d->stride == 2)
            pool_grad_row(j, plane, h, 3, 2);
        else
            pool_grad_row(j, plane, h, d->r, d->stride);
    (void)worker;
    return RIJ_OK;
}

static rij_status maxpool2d_grad(rj_device *dev, const rj_pool2d *d, const rj_real *at,
                                 const rj_real *dy, rj_real *dx)
{
    struct pool j = {.d = *d,
                     .rows = pool_rows(d->h, d->w),
                     .dy = (const cell *)dy,
                     .at = (const cell *)at,
                     .y = (cell *)dx};

    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c) * runs(d->h, j.rows),
                           maxpool2d_grad_piece, &j);
}

/* y (N,C) is plain: the mean of each plane. */
static rij_status avgpool_piece(void *job, int index, int worker)
{
    const struct pool *j = job;
    const int cb = blocks_of(j->d.c), pixels = j->d.h * j->d.w;
    const int c0 = index % cb * BLOCK;
    const cell *x = j->x + (ptrdiff_t)index * pixels * BLOCK;
    rj_real *y = j->to_row + (ptrdiff_t)(index / cb) * j->d.c + c0, mean[BLOCK];

    for (int v = 0; v < BLOCK; v += LANES) {
        vec sum = fill(0);
        for (int i = 0; i < pixels; i++)
            sum += load_cells(x + (ptrdiff_t)i * BLOCK + v);
        store(mean + v, sum / (rj_real)pixels);
    }
    for (int c = 0; c < RJ_MIN(BLOCK, j->d.c - c0); c++)
        y[c] = mean[c];
    (void)worker;
    return RIJ_OK;
}

static rij_status avgpool(rj_device *dev, const rj_picture *d, const rj_real *x,
                          rj_real *y)
{
    struct pool j = {.d = {.n = d->n, .c = d->c, .h = d->h, .w = d->w},
                     .x = (const cell *)x,
                     .to_row = y};

    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c), avgpool_piece, &j);
}

static rij_status avgpool_grad_piece(void *job, int index, int worker)
{
    const struct pool *j = job;
    const int cb = blocks_of(j->d.c), pixels = j->d.h * j->d.w;
    const int c0 = index % cb * BLOCK;
    const rj_real *dy = j->row + (ptrdiff_t)(index / cb) * j->d.c + c0;
    cell *dx = j->y + (ptrdiff_t)index * pixels * BLOCK;
    rj_real each[BLOCK] = {0};

    for (int c = 0; c < RJ_MIN(BLOCK, j->d.c - c0); c++)
        each[c] = dy[c] / (rj_real)pixels;
    for (int i = 0; i < pixels; i++, dx += BLOCK)
        for (int v = 0; v < BLOCK; v += LANES)
            store_cells(dx + v, load_cells(dx + v) + load(each + v));
    (void)worker;
    return RIJ_OK;
}

static rij_status avgpool_grad(rj_device *dev, const rj_picture *d, const rj_real *dy,
                               rj_real *dx)
{
    struct pool j = {
        .d = {.n = d->n, .c = d->c, .h = d->h, .w = d->w}, .row = dy, .y = (cell *)dx};

    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c), avgpool_grad_piece, &j);
}
