/* pool.inc.c: pooling. A piece is one block of channels of one picture, for max pooling
 * a run of its rows. */

struct pool {
    rj_pool2d d; /* for avgpool only n c h w are set */
    int rows;    /* of a piece of max pooling, at most */
    const rj_real *x, *dy, *at;
    rj_real *y, *places;
};

/* Pixels of a piece of max pooling. */
enum { POOL_SPAN = 1024 };

/* Rows of `width` pixels that make such a piece. */
static int pool_rows(int height, int width)
{
    return runs(height, runs(height, RJ_MAX(1, POOL_SPAN / width)));
}

/* Let the pixel `on` places after `from` win if it is more than the best so far, which a
 * number that is none never is. */
ALWAYS void challenge(const rj_real *from, ptrdiff_t on, vec *best, vec *step)
{
    const vec v = load(from + on * BLOCK);

    *step = where(v > *best, fill((rj_real)on), *step);
    *best = largest(v, *best);
}

/* The largest of the window of output (p, q), and its place h W + w; of equals the first.
 * `whole` is the side of a window that lies within the picture, 0 for any other. */
ALWAYS void winner(const rj_pool2d *d, const rj_real *x, int p, int q, int whole,
                   vec *top, vec *place)
{
    const int h0 = p * d->stride - d->pad, w0 = q * d->stride - d->pad;
    const int h = RJ_MAX(0, h0), w = RJ_MAX(0, w0);
    const ptrdiff_t first = (ptrdiff_t)h * d->w + w;
    const rj_real *from = x + first * BLOCK;
    vec step = fill(0);

    *top = load(from);
    if (whole) {
        EACH (r, whole)
            EACH (s, whole)
                challenge(from, (ptrdiff_t)r * d->w + s, top, &step);
    } else {
        for (int r = 0; r < RJ_MIN(d->h, h0 + d->r) - h; r++)
            for (int s = 0; s < RJ_MIN(d->w, w0 + d->r) - w; s++)
                challenge(from, (ptrdiff_t)r * d->w + s, top, &step);
    }
    *place = step + fill((rj_real)first);
}

/* Outputs q0 .. q1 - 1 of row p. */
ALWAYS void pool_row(const struct pool *j, int plane, int p, int q0, int q1, int whole)
{
    const rj_pool2d d = j->d; // a copy, which no store can change
    const rj_real *x = j->x + (ptrdiff_t)plane * d.h * d.w * BLOCK;
    const ptrdiff_t to = (((ptrdiff_t)plane * d.p + p) * d.q + q0) * BLOCK;
    rj_real *y = j->y + to, *places = j->places + to;

    for (int q = q0; q < q1; q++, y += BLOCK, places += BLOCK)
        EACH (v, PARTS) {
            vec top, place;
            winner(&d, x + v * LANES, p, q, whole, &top, &place);
            store(y + v * LANES, top);
            store(places + v * LANES, place);
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
    struct pool j = {
        .d = *d, .rows = pool_rows(d->p, d->q), .x = x, .y = y, .places = at};

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

/* Each pixel of row h takes dy of the windows it won, in reading order. */
ALWAYS void pool_grad_row(const struct pool *j, int plane, int h, int r, int stride)
{
    const rj_pool2d *d = &j->d;
    const ptrdiff_t outputs = (ptrdiff_t)plane * d->p * d->q;
    ptrdiff_t to = ((ptrdiff_t)plane * d->h + h) * d->w * BLOCK;
    int p0, p1, q0, q1;

    windows_at(h, d->p, r, stride, d->pad, &p0, &p1);
    for (int w = 0; w < d->w; w++, to += BLOCK) {
        const vec here = fill((rj_real)((ptrdiff_t)h * d->w + w));
        windows_at(w, d->q, r, stride, d->pad, &q0, &q1);
        EACH (v, PARTS) {
            vec sum = load(j->y + to + v * LANES);
            for (int p = p0; p <= p1; p++)
                for (int q = q0; q <= q1; q++) {
                    const ptrdiff_t i =
                        (outputs + (ptrdiff_t)p * d->q + q) * BLOCK + v * LANES;
                    sum += where(load(j->at + i) == here, load(j->dy + i), fill(0));
                }
            store(j->y + to + v * LANES, sum);
        }
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
    struct pool j = {.d = *d, .rows = pool_rows(d->h, d->w), .dy = dy, .at = at, .y = dx};

    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c) * runs(d->h, j.rows),
                           maxpool2d_grad_piece, &j);
}

/* y (N,C) is plain: the mean of each plane. */
static rij_status avgpool_piece(void *job, int index, int worker)
{
    const struct pool *j = job;
    const int cb = blocks_of(j->d.c), pixels = j->d.h * j->d.w;
    const int c0 = index % cb * BLOCK;
    const rj_real *x = j->x + (ptrdiff_t)index * pixels * BLOCK;
    rj_real *y = j->y + (ptrdiff_t)(index / cb) * j->d.c + c0, mean[BLOCK];

    for (int v = 0; v < BLOCK; v += LANES) {
        vec sum = fill(0);
        for (int i = 0; i < pixels; i++)
            sum += load(x + (ptrdiff_t)i * BLOCK + v);
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
    struct pool j = {.d = {.n = d->n, .c = d->c, .h = d->h, .w = d->w}, .x = x, .y = y};

    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c), avgpool_piece, &j);
}

static rij_status avgpool_grad_piece(void *job, int index, int worker)
{
    const struct pool *j = job;
    const int cb = blocks_of(j->d.c), pixels = j->d.h * j->d.w;
    const int c0 = index % cb * BLOCK;
    const rj_real *dy = j->dy + (ptrdiff_t)(index / cb) * j->d.c + c0;
    rj_real *dx = j->y + (ptrdiff_t)index * pixels * BLOCK, each[BLOCK] = {0};

    for (int c = 0; c < RJ_MIN(BLOCK, j->d.c - c0); c++)
        each[c] = dy[c] / (rj_real)pixels;
    for (int i = 0; i < pixels; i++, dx += BLOCK)
        for (int v = 0; v < BLOCK; v += LANES)
            store(dx + v, load(dx + v) + load(each + v));
    (void)worker;
    return RIJ_OK;
}

static rij_status avgpool_grad(rj_device *dev, const rj_picture *d, const rj_real *dy,
                               rj_real *dx)
{
    struct pool j = {
        .d = {.n = d->n, .c = d->c, .h = d->h, .w = d->w}, .dy = dy, .y = dx};

    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c), avgpool_grad_piece, &j);
}
