/* pool.inc.c: pooling. A piece is one block of channels of one picture. */

struct pool {
    rj_pool2d d; /* for avgpool only n c h w are set */
    const rj_real *x, *dy, *at;
    rj_real *y, *places;
};

/* The largest of the window at output (p, q), of which at least one pixel is inside, and
 * its place h W + w; of equals the first. */
ALWAYS void winner(const rj_pool2d *d, const rj_real *x, int p, int q, vec *top,
                   vec *place)
{
    const int y0 = RJ_MAX(0, p * d->stride - d->pad);
    const int x0 = RJ_MAX(0, q * d->stride - d->pad);
    const int y1 = RJ_MIN(d->h, p * d->stride - d->pad + d->r);
    const int x1 = RJ_MIN(d->w, q * d->stride - d->pad + d->r);

    *top = fill(-(rj_real)INFINITY);
    *place = fill((rj_real)((ptrdiff_t)y0 * d->w + x0));
    for (int h = y0; h < y1; h++)
        for (int w = x0; w < x1; w++) {
            const ptrdiff_t at = (ptrdiff_t)h * d->w + w;
            const vec v = load(x + at * BLOCK);
            const mask more = v > *top;
            *top = where(more, v, *top);
            *place = where(more, fill((rj_real)at), *place);
        }
}

static rij_status maxpool2d_piece(void *job, int index, int worker)
{
    const struct pool *j = job;
    const rj_pool2d *d = &j->d;
    const rj_real *x = j->x + (ptrdiff_t)index * d->h * d->w * BLOCK;
    ptrdiff_t to = (ptrdiff_t)index * d->p * d->q * BLOCK;

    for (int p = 0; p < d->p; p++)
        for (int q = 0; q < d->q; q++, to += BLOCK)
            for (int v = 0; v < BLOCK; v += LANES) {
                vec top, place;
                winner(d, x + v, p, q, &top, &place);
                store(j->y + to + v, top);
                store(j->places + to + v, place);
            }
    (void)worker;
    return RIJ_OK;
}

static rij_status maxpool2d(rj_device *dev, const rj_pool2d *d, const rj_real *x,
                            rj_real *y, rj_real *at)
{
    struct pool j = {.d = *d, .x = x, .y = y, .places = at};

    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c), maxpool2d_piece, &j);
}

static rij_status maxpool2d_grad_piece(void *job, int index, int worker)
{
    const struct pool *j = job;
    const rj_pool2d *d = &j->d;
    rj_real *dx = j->y + (ptrdiff_t)index * d->h * d->w * BLOCK;
    const ptrdiff_t from = (ptrdiff_t)index * d->p * d->q * BLOCK;

    for (ptrdiff_t i = from; i < from + (ptrdiff_t)d->p * d->q * BLOCK; i++)
        dx[(ptrdiff_t)j->at[i] * BLOCK + i % BLOCK] += j->dy[i];
    (void)worker;
    return RIJ_OK;
}

static rij_status maxpool2d_grad(rj_device *dev, const rj_pool2d *d, const rj_real *at,
                                 const rj_real *dy, rj_real *dx)
{
    struct pool j = {.d = *d, .dy = dy, .at = at, .y = dx};

    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c), maxpool2d_grad_piece, &j);
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
