/* residual.inc.c: the fixed front-ends; op/residual.c has the formulas. A piece is one
 * block of channels of one picture; for haar one picture. */

struct front {
    rj_device *dev;
    rj_residual d;
    const rj_real *host; /* or: */
    const cell *x, *dy;
    cell *y;
};

/* Borders are reflected without repeating the edge. */
static int reflected(int i, int n)
{
    const int inside = i < 0 ? -i : i < n ? i : 2 * n - 2 - i;

    return n == 1 ? 0 : inside;
}

/* Where the pixels of the 3x3 window at (h, w) begin, in reading order; for npr all nine
 * are the top-left pixel of the cell. */
static void window_at(const rj_residual *d, int h, int w, ptrdiff_t at[9])
{
    for (int i = 0; i < 9; i++) {
        const int y =
            d->kind == RJ_FRONT_NPR ? h - h % 2 : reflected(h + i / 3 - 1, d->h);
        const int x =
            d->kind == RJ_FRONT_NPR ? w - w % 2 : reflected(w + i % 3 - 1, d->w);
        at[i] = ((ptrdiff_t)y * d->w + x) * BLOCK;
    }
}

ALWAYS void sort_two(vec *a, vec *b)
{
    const vec low = least(*a, *b);

    *b = largest(*a, *b);
    *a = low;
}

/* The median of nine by 19 exchanges (Devillard 1998, after Paeth 1990). */
ALWAYS vec median_of_9(vec v[9])
{
    static const unsigned char pair[19][2] = {
        {1, 2}, {4, 5}, {7, 8}, {0, 1}, {3, 4}, {6, 7}, {1, 2}, {4, 5}, {7, 8}, {0, 3},
        {5, 8}, {4, 7}, {3, 6}, {1, 4}, {2, 5}, {4, 7}, {4, 2}, {6, 4}, {4, 2}};

    EACH (i, 19)
        sort_two(&v[pair[i][0]], &v[pair[i][1]]);
    return v[4];
}

ALWAYS vec mean_of_9(const vec v[9])
{
    vec sum = fill(0);

    EACH (i, 9)
        sum += v[i];
    return sum / 9;
}

ALWAYS void take_nine(const cell *x, const ptrdiff_t at[9], vec v[9])
{
    EACH (i, 9)
        v[i] = load_cells(x + at[i]);
}

static rij_status front_piece(void *job, int index, int worker)
{
    const struct front *j = job;
    const rj_residual *d = &j->d;
    const cell *x = j->x + (ptrdiff_t)index * d->h * d->w * BLOCK;
    cell *y = j->y + (ptrdiff_t)index * d->h * d->w * BLOCK;

    for (int h = 0; h < d->h; h++)
        for (int w = 0; w < d->w; w++) {
            const ptrdiff_t here = ((ptrdiff_t)h * d->w + w) * BLOCK;
            ptrdiff_t at[9];
            window_at(d, h, w, at);
            for (int v = 0; v < BLOCK; v += LANES) {
                vec near[9];
                take_nine(x + v, at, near);
                const vec rest = d->kind == RJ_FRONT_MEDIAN    ? median_of_9(near)
                                 : d->kind == RJ_FRONT_LAPLACE ? mean_of_9(near)
                                                               : near[0];
                store_cells(y + here + v, load_cells(x + here + v) - rest);
            }
        }
    (void)worker;
    return RIJ_OK;
}

/* What one output sends back to its window: for the median, to the first that equals
 * it. */
ALWAYS void front_back(const rj_residual *d, const cell *x, vec dy, const ptrdiff_t at[9],
                       cell *dx)
{
    if (d->kind == RJ_FRONT_MEDIAN) {
        vec near[9];
        take_nine(x, at, near);
        const vec median = median_of_9(near);
        mask open = median == median;
        for (int i = 0; i < 9; i++) {
            const mask hit = open & (load_cells(x + at[i]) == median);
            store_cells(dx + at[i], load_cells(dx + at[i]) - where(hit, dy, fill(0)));
            open &= ~hit;
        }
    } else if (d->kind == RJ_FRONT_LAPLACE) {
        for (int i = 0; i < 9; i++)
            store_cells(dx + at[i], load_cells(dx + at[i]) - dy / 9);
    } else {
        store_cells(dx + at[0], load_cells(dx + at[0]) - dy);
    }
}

static rij_status front_grad_piece(void *job, int index, int worker)
{
    const struct front *j = job;
    const rj_residual *d = &j->d;
    const ptrdiff_t plane = (ptrdiff_t)index * d->h * d->w * BLOCK;
    cell *dx = j->y + plane;

    for (int h = 0; h < d->h; h++)
        for (int w = 0; w < d->w; w++) {
            const ptrdiff_t here = ((ptrdiff_t)h * d->w + w) * BLOCK;
            ptrdiff_t at[9];
            window_at(d, h, w, at);
            for (int v = 0; v < BLOCK; v += LANES) {
                const vec dy = load_cells(j->dy + plane + here + v);
                store_cells(dx + here + v, load_cells(dx + here + v) + dy);
                front_back(d, j->x + plane + v, dy, at, dx + v);
            }
        }
    (void)worker;
    return RIJ_OK;
}

/* Where channel c of picture n begins, of pictures of c_all channels. */
static ptrdiff_t channel_at(int n, int c, int c_all, int h, int w)
{
    return ((ptrdiff_t)n * blocks_of(c_all) + c / BLOCK) * h * w * BLOCK + c % BLOCK;
}

/* One picture. Of a cell a b / c d, band 0 is (a + b - c - d) / 2, and so on. */
static rij_status haar_piece(void *job, int index, int worker)
{
    const struct front *j = job;
    const rj_residual *d = &j->d;
    const ptrdiff_t line = (ptrdiff_t)d->w * BLOCK, out = (ptrdiff_t)d->p * d->q * BLOCK;

    for (int c = d->k; c < blocks_of(d->k) * BLOCK; c++)
        for (ptrdiff_t i = 0; i < out; i += BLOCK)
            j->y[channel_at(index, c, d->k, d->p, d->q) + i] = 0;
    for (int c = 0; c < d->c; c++) {
        const cell *x = j->x + channel_at(index, c, d->c, d->h, d->w);
        cell *y[3];
        for (int b = 0; b < 3; b++)
            y[b] = j->y + channel_at(index, b * d->c + c, d->k, d->p, d->q);
        for (ptrdiff_t i = 0; i < out; x += line)
            for (int q = 0; q < d->q; q++, i += BLOCK, x += 2 * BLOCK) {
                const rj_real a = real_of(x[0]), b = real_of(x[BLOCK]);
                const rj_real u = real_of(x[line]), v = real_of(x[line + BLOCK]);
                const rj_real slope = a - v, tilt = b - u;
                y[0][i] = cell_of((slope + tilt) / 2);
                y[1][i] = cell_of((slope - tilt) / 2);
                y[2][i] = cell_of((a + v - b - u) / 2);
            }
    }
    (void)worker;
    return RIJ_OK;
}

static rij_status haar_grad_piece(void *job, int index, int worker)
{
    const struct front *j = job;
    const rj_residual *d = &j->d;
    const ptrdiff_t line = (ptrdiff_t)d->w * BLOCK, out = (ptrdiff_t)d->p * d->q * BLOCK;

    for (int c = 0; c < d->c; c++) {
        cell *dx = j->y + channel_at(index, c, d->c, d->h, d->w);
        const cell *dy[3];
        for (int b = 0; b < 3; b++)
            dy[b] = j->dy + channel_at(index, b * d->c + c, d->k, d->p, d->q);
        for (ptrdiff_t i = 0; i < out; dx += line)
            for (int q = 0; q < d->q; q++, i += BLOCK, dx += 2 * BLOCK) {
                const rj_real lh = real_of(dy[0][i]) / 2, hl = real_of(dy[1][i]) / 2,
                              hh = real_of(dy[2][i]) / 2;
                dx[0] = cell_of(real_of(dx[0]) + (lh + hl + hh));
                dx[BLOCK] = cell_of(real_of(dx[BLOCK]) + (lh - hl - hh));
                dx[line] = cell_of(real_of(dx[line]) + (hl - lh - hh));
                dx[line + BLOCK] = cell_of(real_of(dx[line + BLOCK]) + (hh - lh - hl));
            }
    }
    (void)worker;
    return RIJ_OK;
}
