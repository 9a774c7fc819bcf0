/* resample.inc.c: moving numbers: into and out of storage, resizing, shuffling. */

/* One place of an axis of a resized picture: (1 - f) x[a] + f x[b]. */
struct between {
    int a, b;
    rj_real f;
};

struct move {
    rj_picture d;
    int r;          /* of shuffle2d */
    rj_resize size; /* of resize2d, and its rows, then its columns */
    struct between *between;
    const rj_real *from; /* host numbers */
    rj_real *to;
    const cell *x; /* a picture */
    cell *y;
};

/* Planar (N,C,H,W) to blocks; a piece is one block of one picture, 16 pixels at a time.
 */
static rij_status pack_planar_piece(void *job, int index, int worker)
{
    const struct move *j = job;
    const int cb = blocks_of(j->d.c), pixels = j->d.h * j->d.w;
    const int n = index / cb, c0 = index % cb * BLOCK, some = RJ_MIN(BLOCK, j->d.c - c0);
    const rj_real *from = j->from + ((ptrdiff_t)n * j->d.c + c0) * pixels;
    cell *to = j->y + (ptrdiff_t)index * pixels * BLOCK;
    rj_real rows[BLOCK * BLOCK] = {0}, part[BLOCK * BLOCK];

    for (int i = 0; i < pixels; i += BLOCK) {
        const int here = RJ_MIN(BLOCK, pixels - i);
        const size_t row = (size_t)here * sizeof *from;
        for (int c = 0; c < some; c++)
            memcpy(rows + c * BLOCK, from + (ptrdiff_t)c * pixels + i, row);
        turn(rows, BLOCK, part);
        for (int k = 0; k < here * BLOCK; k += LANES)
            store_cells(to + (ptrdiff_t)i * BLOCK + k, load(part + k));
    }
    (void)worker;
    return RIJ_OK;
}

static rij_status pack(rj_device *dev, const rj_picture *d, const rj_real *planar,
                       rj_real *y)
{
    struct move j = {.d = *d, .from = planar, .y = (cell *)y};

    return rj_parallel_for(dev->pool, planes_of(d), pack_planar_piece, &j);
}

static rij_status unpack_piece(void *job, int index, int worker)
{
    const struct move *j = job;
    const int cb = blocks_of(j->d.c), pixels = j->d.h * j->d.w;
    const int n = index / cb, c0 = index % cb * BLOCK, some = RJ_MIN(BLOCK, j->d.c - c0);
    const cell *from = j->x + (ptrdiff_t)index * pixels * BLOCK;
    rj_real *to = j->to + ((ptrdiff_t)n * j->d.c + c0) * pixels;

    for (int i = 0; i < pixels; i++, from += BLOCK)
        for (int c = 0; c < some; c++)
            to[(ptrdiff_t)c * pixels + i] = real_of(from[c]);
    (void)worker;
    return RIJ_OK;
}

static rij_status unpack(rj_device *dev, const rj_picture *d, const rj_real *x,
                         rj_real *planar)
{
    struct move j = {.d = *d, .x = (const cell *)x, .to = planar};

    return rj_parallel_for(dev->pool, planes_of(d), unpack_piece, &j);
}

/* For bilinear, pixel centres lie at half numbers, and places past the edge take the
 * edge; op/resize2d.c. */
static void places_between(int from, int to, enum rj_resize_mode mode, struct between *t)
{
    for (int i = 0; i < to; i++) {
        const double at = RJ_MAX(0, (i + 0.5) * from / to - 0.5);
        if (mode == RJ_NEAREST) {
            t[i].a = t[i].b = (int)((int64_t)i * from / to);
            t[i].f = 0;
        } else {
            t[i].a = RJ_MIN((int)at, from - 1);
            t[i].b = RJ_MIN(t[i].a + 1, from - 1);
            t[i].f = (rj_real)(at - t[i].a);
        }
    }
}

static rij_status resize2d_piece(void *job, int index, int worker)
{
    const struct move *j = job;
    const rj_resize *d = &j->size;
    const cell *x = j->x + (ptrdiff_t)index * d->h * d->w * BLOCK;
    cell *y = j->y + (ptrdiff_t)index * d->p * d->q * BLOCK;

    for (int p = 0; p < d->p; p++) {
        const struct between *r = j->between + p;
        const cell *up = x + (ptrdiff_t)r->a * d->w * BLOCK;
        const cell *down = x + (ptrdiff_t)r->b * d->w * BLOCK;
        for (int q = 0; q < d->q; q++, y += BLOCK) {
            const struct between *s = j->between + d->p + q;
            const ptrdiff_t a = (ptrdiff_t)s->a * BLOCK, b = (ptrdiff_t)s->b * BLOCK;
            for (int v = 0; v < BLOCK; v += LANES) {
                const vec top =
                    load_cells(up + a + v) * (1 - s->f) + load_cells(up + b + v) * s->f;
                const vec low = load_cells(down + a + v) * (1 - s->f) +
                                load_cells(down + b + v) * s->f;
                store_cells(y + v, top * (1 - r->f) + low * r->f);
            }
        }
    }
    (void)worker;
    return RIJ_OK;
}

static rij_status resize2d_grad_piece(void *job, int index, int worker)
{
    const struct move *j = job;
    const rj_resize *d = &j->size;
    const cell *dy = j->x + (ptrdiff_t)index * d->p * d->q * BLOCK;
    cell *dx = j->y + (ptrdiff_t)index * d->h * d->w * BLOCK;

    for (int p = 0; p < d->p; p++)
        for (int q = 0; q < d->q; q++, dy += BLOCK) {
            const struct between *r = j->between + p, *s = j->between + d->p + q;
            for (int k = 0; k < 4; k++) { // the four pixels this one was made of
                const rj_real part =
                    (k < 2 ? 1 - r->f : r->f) * (k % 2 ? s->f : 1 - s->f);
                const ptrdiff_t h = k < 2 ? r->a : r->b, w = k % 2 ? s->b : s->a;
                cell *at = dx + (h * d->w + w) * BLOCK;
                for (int v = 0; v < BLOCK && part != 0; v += LANES)
                    store_cells(at + v, load_cells(at + v) + load_cells(dy + v) * part);
            }
        }
    (void)worker;
    return RIJ_OK;
}

static rij_status run_resize(rj_device *dev, const rj_resize *d, rj_piece piece,
                             const rj_real *from, rj_real *to)
{
    struct move j = {.size = *d, .x = (const cell *)from, .y = (cell *)to};

    RJ_TRY(rj_device_shared(dev, ((size_t)d->p + (size_t)d->q) * sizeof *j.between));
    j.between = dev->shared;
    places_between(d->h, d->p, d->mode, j.between);
    places_between(d->w, d->q, d->mode, j.between + d->p);
    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c), piece, &j);
}

static rij_status resize2d(rj_device *dev, const rj_resize *d, const rj_real *x,
                           rj_real *y)
{
    return run_resize(dev, d, resize2d_piece, x, y);
}

static rij_status resize2d_grad(rj_device *dev, const rj_resize *d, const rj_real *dy,
                                rj_real *dx)
{
    return run_resize(dev, d, resize2d_grad_piece, dy, dx);
}

/* y[n][c][h r + i][w r + j] = x[n][c r^2 + i r + j][h][w]; d is x. A piece is one block
 * of y. Where its k-th lane and phase, k = lane r^2 + i r + j, begins in x and in y: */
static void shuffle_begin(const struct move *m, int index, int k, ptrdiff_t *x,
                          ptrdiff_t *y)
{
    const int r = m->r, window = r * r, cb = blocks_of(m->d.c / window);
    const int c = index % cb * BLOCK * window + k; // channel of x
    const ptrdiff_t plane = plane_of(&m->d), line = (ptrdiff_t)m->d.w * BLOCK;

    *x = (index / cb * blocks_of(m->d.c) + c / BLOCK) * plane + c % BLOCK;
    *y = index * plane * window + k / window + k % window / r * (r * line) +
         (ptrdiff_t)(k % r) * BLOCK;
}

/* Lanes and phases that piece `index` has. */
static int shuffle_count(const struct move *m, int index)
{
    const int window = m->r * m->r, c = m->d.c / window;

    return RJ_MIN(BLOCK, c - index % blocks_of(c) * BLOCK) * window;
}

static rij_status shuffle2d_piece(void *job, int index, int worker)
{
    const struct move *m = job;
    const int step = m->r * BLOCK;
    const ptrdiff_t size = plane_of(&m->d) * m->r * m->r;
    ptrdiff_t x, y;

    for (ptrdiff_t i = index * size; i < (index + 1) * size; i++)
        m->y[i] = 0; // lanes past the last channel stay so
    for (int k = 0; k < shuffle_count(m, index); k++) {
        shuffle_begin(m, index, k, &x, &y);
        for (int h = 0; h < m->d.h; h++, y += (m->r - 1) * (ptrdiff_t)m->d.w * step)
            for (int w = 0; w < m->d.w; w++, x += BLOCK, y += step)
                m->y[y] = m->x[x];
    }
    (void)worker;
    return RIJ_OK;
}

static rij_status shuffle2d_grad_piece(void *job, int index, int worker)
{
    const struct move *m = job;
    const int step = m->r * BLOCK;
    ptrdiff_t x, y;

    for (int k = 0; k < shuffle_count(m, index); k++) {
        shuffle_begin(m, index, k, &x, &y);
        for (int h = 0; h < m->d.h; h++, y += (m->r - 1) * (ptrdiff_t)m->d.w * step)
            for (int w = 0; w < m->d.w; w++, x += BLOCK, y += step)
                m->y[x] = cell_of(real_of(m->y[x]) +
                                  real_of(m->x[y])); // here y is dx, and x is dy
    }
    (void)worker;
    return RIJ_OK;
}

static rij_status shuffle2d(rj_device *dev, const rj_picture *d, int r, const rj_real *x,
                            rj_real *y)
{
    struct move j = {.d = *d, .r = r, .x = (const cell *)x, .y = (cell *)y};
    const int blocks = blocks_of(d->c / (r * r));

    return rj_parallel_for(dev->pool, d->n * blocks, shuffle2d_piece, &j);
}

static rij_status shuffle2d_grad(rj_device *dev, const rj_picture *d, int r,
                                 const rj_real *dy, rj_real *dx)
{
    struct move j = {.d = *d, .r = r, .x = (const cell *)dy, .y = (cell *)dx};
    const int blocks = blocks_of(d->c / (r * r));

    return rj_parallel_for(dev->pool, d->n * blocks, shuffle2d_grad_piece, &j);
}
