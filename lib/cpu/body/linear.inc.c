/* linear.inc.c: y (N,K) = x (N,C) w (K,C)^T + bias, as a convolution of window 1.
 *
 * Rows become the pixels of one picture, about 12 to a line (a good tile for every
 * instruction set), so products of matrices run on the kernels of convolution. The
 * repacking costs N (C + K) copies against N C K multiplications. */

struct rows {
    rj_device *dev;
    int n, c, lines; /* rows, their width, rows the picture has room for */
    const rj_real *from;
    rj_real *to, *sum; /* sum: NULL, or the sums over rows are added to it */
};

/* Rows of width c -> blocks of a picture, zero where there are none. */
static rij_status to_blocks_piece(void *job, int index, int worker)
{
    const struct rows *j = job;
    const int c0 = index * BLOCK, some = RJ_MIN(BLOCK, j->c - c0);
    rj_real *to = j->to + (ptrdiff_t)index * j->lines * BLOCK;

    for (int n = 0; n < j->lines; n++, to += BLOCK)
        for (int c = 0; c < BLOCK; c++)
            to[c] = n < j->n && c < some ? j->from[(ptrdiff_t)n * j->c + c0 + c] : 0;
    for (int c = 0; j->sum && c < some; c++)
        for (int n = 0; n < j->n; n++)
            j->sum[c0 + c] += j->from[(ptrdiff_t)n * j->c + c0 + c];
    (void)worker;
    return RIJ_OK;
}

/* Blocks of a picture -> rows of width c: written, or added where `sum` is the rows. */
static rij_status from_blocks_piece(void *job, int index, int worker)
{
    const struct rows *j = job;
    const int c0 = index * BLOCK, some = RJ_MIN(BLOCK, j->c - c0);
    const rj_real *from = j->from + (ptrdiff_t)index * j->lines * BLOCK;

    for (int n = 0; n < j->n; n++, from += BLOCK)
        for (int c = 0; c < some; c++) {
            const ptrdiff_t at = (ptrdiff_t)n * j->c + c0 + c;
            if (j->sum)
                j->sum[at] += from[c];
            else
                j->to[at] = from[c];
        }
    (void)worker;
    return RIJ_OK;
}

static rij_status to_blocks(rj_device *dev, int n, int c, int lines, const rj_real *from,
                            rj_real *to, rj_real *sum)
{
    struct rows j = {dev, n, c, lines, from, to, sum};

    return rj_parallel_for(dev->pool, blocks_of(c), to_blocks_piece, &j);
}

static rij_status from_blocks(rj_device *dev, int n, int c, int lines,
                              const rj_real *from, rj_real *to, rj_real *sum)
{
    struct rows j = {dev, n, c, lines, from, to, sum};

    return rj_parallel_for(dev->pool, blocks_of(c), from_blocks_piece, &j);
}

static rj_conv as_conv(int n, int c, int k)
{
    const int h = runs(n, 12), w = runs(n, h);

    return (rj_conv){1, c, h, w, k, 1, 1, 1, 0, h, w};
}

/* Numbers of a picture of c channels. */
static ptrdiff_t rows_numbers(const rj_conv *d, int c)
{
    return (ptrdiff_t)d->h * d->w * BLOCK * blocks_of(c);
}

/* Bytes of shared scratch for a product with or without `back`. */
static size_t product_shared(int n, int c, int k, bool back)
{
    const rj_conv d = as_conv(n, c, k);
    const struct plan g = plan_new(&d, back);

    return (size_t)(rows_numbers(&d, c) + rows_numbers(&d, k)) * sizeof(rj_real) +
           plan_ready(&g) * sizeof(rj_real);
}

/* y = x w^T + bias, or with `back` x += y w: `from` holds the rows of the one, `to`
 * those of the other. Shared scratch begins at `shared`. */
static rij_status product(rj_device *dev, int n, int c, int k, bool back,
                          const rj_real *from, const rj_real *w, const rj_real *bias_k,
                          rj_real *to, rj_real *shared)
{
    const rj_conv d = as_conv(n, c, k);
    const int lines = d.h * d.w, in = back ? k : c, out = back ? c : k;
    rj_real *x = shared, *y = x + rows_numbers(&d, in);
    struct conv j = {.dev = dev,
                     .g = plan_new(&d, back),
                     .x = x,
                     .w = w,
                     .bias = bias_k,
                     .y = y,
                     .finish = finish_new(NULL, false)};

    RJ_TRY(to_blocks(dev, n, in, lines, from, x, NULL));
    RJ_TRY(run_plan(&j, y + rows_numbers(&d, out)));
    return from_blocks(dev, n, out, lines, y, to, back ? to : NULL);
}

static rij_status linear(rj_device *dev, int n, int c, int k, const rj_real *x,
                         const rj_real *w, const rj_real *bias_k, rj_real *y)
{
    RJ_TRY(rj_device_shared(dev, product_shared(n, c, k, false)));
    return product(dev, n, c, k, false, x, w, bias_k, y, dev->shared);
}

static rij_status linear_grad_x(rj_device *dev, int n, int c, int k, const rj_real *dy,
                                const rj_real *w, rj_real *dx)
{
    RJ_TRY(rj_device_shared(dev, product_shared(n, c, k, true)));
    return product(dev, n, c, k, true, dy, w, NULL, dx, dev->shared);
}

static rij_status linear_grad_w(rj_device *dev, int n, int c, int k, const rj_real *x,
                                const rj_real *dy, rj_real *dw, rj_real *db)
{
    const rj_conv d = as_conv(n, c, k);
    const ptrdiff_t xs = rows_numbers(&d, c), ys = rows_numbers(&d, k);
    struct grad_w j = grad_w_new(dev, &d, NULL, NULL, dw);
    rj_real *at;

    RJ_TRY(
        rj_device_shared(dev, (size_t)(xs + ys) * sizeof(rj_real) + grad_w_shared(&j)));
    at = dev->shared;
    j.x = at;
    j.dy = at + xs;
    RJ_TRY(to_blocks(dev, n, c, d.h * d.w, x, at, NULL));
    RJ_TRY(to_blocks(dev, n, k, d.h * d.w, dy, at + xs, db));
    return run_grad_w(&j, at + xs + ys);
}
