/* residual_octaves.inc.c: the front-end of medians at two octaves, of images as the host
 * has them and of stored pictures alike. A piece is a band of rows of the output of one
 * picture; of the gradient a block of channels of one picture.
 *
 * A channel's row of outputs is made from lines of numbers: of four rows of x, and of
 * three rows of half sums, which need two rows each. */

enum { FINE = 4, COARSE = 3, LINES = FINE + COARSE + 2 }; /* the last two pass by */

static ptrdiff_t line_numbers(const rj_residual *d)
{
    return d->w + FRONT_ROOM;
}

/* Row h of channel c of picture n. */
static void octave_line(const struct front *j, int n, int c, int h, rj_real *line)
{
    const rj_residual *d = &j->d;
    const ptrdiff_t size = (ptrdiff_t)d->h * d->w;
    const cell *x;

    if (d->planar) {
        take_line(d, j->host + ((ptrdiff_t)n * d->c + c) * size, h, line);
        return;
    }
    x = j->x + channel_at(n, c, d->c, d->h, d->w) +
        (ptrdiff_t)reflected(h, d->h) * d->w * BLOCK;
    for (int w = 0; w < d->w; w++)
        line[w + 1] = real_of(x[(ptrdiff_t)w * BLOCK]);
    end_line(d->w, line);
}

/* Half sums of q cells, two pixels of either row each. */
static void half_sums(const rj_real *top, const rj_real *low, int q, rj_real *to)
{
    for (int i = 0; i < q; i++)
        to[i] = ((top[2 * i] + top[2 * i + 1]) + (low[2 * i] + low[2 * i + 1])) / 2;
}

/* The lines that row p of a channel's outputs needs. */
static void take_octaves(const struct front *j, int n, int c, int p, rj_real *line)
{
    const rj_residual *d = &j->d;
    const ptrdiff_t next = line_numbers(d);
    rj_real *pair = line + (FINE + COARSE) * next;

    for (int i = 0; i < FINE; i++)
        octave_line(j, n, c, 2 * p + i - 1, line + i * next);
    for (int i = 0; i < COARSE; i++) {
        rj_real *to = line + (FINE + i) * next;
        const int from = reflected(p + i - 1, d->p);
        octave_line(j, n, c, 2 * from, pair);
        octave_line(j, n, c, 2 * from + 1, pair + next);
        half_sums(pair + 1, pair + next + 1, d->q, to + 1);
        end_line(d->q, to);
    }
}

/* A row of a channel's outputs from its lines, in runs of 16; bands lie `band` apart. */
static void channel_row(const rj_residual *d, const rj_real *line, ptrdiff_t band,
                        rj_real *out)
{
    const ptrdiff_t next = line_numbers(d);

    for (int r = 0; r < 2; r++)
        for (int w = 0; w < d->w; w += BLOCK) {
            rj_real pixel[BLOCK], *to = out + 2 * r * band + w / 2;
            front_of_lines(RJ_FRONT_MEDIAN, line + r * next, next, w, pixel);
            for (int i = 0; i < BLOCK; i += 2) {
                to[i / 2] = pixel[i];
                to[band + i / 2] = pixel[i + 1];
            }
        }
    for (int q = 0; q < d->q; q += BLOCK)
        front_of_lines(RJ_FRONT_MEDIAN, line + FINE * next, next, q, out + 4 * band + q);
}

/* Row p of picture n: a row of numbers for each channel of the output, then cells. */
static void picture_row(const struct front *j, int n, int p, rj_real *line, rj_real *rows)
{
    const rj_residual *d = &j->d;
    const ptrdiff_t wide = (ptrdiff_t)runs(d->q, BLOCK) * BLOCK;

    for (int c = 0; c < d->c; c++) {
        take_octaves(j, n, c, p, line);
        channel_row(d, line, d->c * wide, rows + c * wide);
    }
    for (int k = 0; k < d->k; k += BLOCK) {
        cell *y = j->y + channel_at(n, k, d->k, d->p, d->q) + (ptrdiff_t)p * d->q * BLOCK;
        for (int q = 0; q < d->q; q += BLOCK)
            turn_into_cells(rows + k * wide + q, wide, RJ_MIN(BLOCK, d->q - q),
                            y + (ptrdiff_t)q * BLOCK);
    }
}

static rij_status octaves_piece(void *job, int index, int worker)
{
    const struct front *j = job;
    const rj_residual *d = &j->d;
    const int bands = runs(d->p, FRONT_ROWS), from = index % bands * FRONT_ROWS;
    const ptrdiff_t wide = (ptrdiff_t)runs(d->q, BLOCK) * BLOCK;
    rj_real *line = j->dev->scratch[worker], *rows = line + LINES * line_numbers(d);

    for (ptrdiff_t i = d->k * wide; i < blocks_of(d->k) * BLOCK * wide; i++)
        rows[i] = 0; // the lanes past the last channel
    for (int p = from; p < RJ_MIN(d->p, from + FRONT_ROWS); p++)
        picture_row(j, index / bands, p, line, rows);
    return RIJ_OK;
}

static rij_status octaves(struct front *j)
{
    const rj_residual *d = &j->d;
    const size_t lines = (size_t)LINES * (size_t)line_numbers(d);
    const size_t rows =
        (size_t)blocks_of(d->k) * BLOCK * (size_t)runs(d->q, BLOCK) * BLOCK;

    RJ_TRY(rj_device_scratch(j->dev, (lines + rows) * sizeof(rj_real)));
    return rj_parallel_for(j->dev->pool, d->n * runs(d->p, FRONT_ROWS), octaves_piece, j);
}

/* ---- the gradient ----------------------------------------------------------------- */

/* What one output sends back to its plane: to its pixel, and, less, to the first in its
 * window that equals the median. `at` is where the window begins in three lines. */
static void median_back(const rj_residual *d, const rj_real *at, int h, int w,
                        rj_real median, rj_real dy, rj_real *dx)
{
    const ptrdiff_t next = line_numbers(d);

    dx[(ptrdiff_t)h * d->w + w] += dy;
    for (int i = 0; i < 9; i++)
        if (at[i / 3 * next + i % 3] == median) {
            dx[(ptrdiff_t)reflected(h + i / 3 - 1, d->h) * d->w +
               reflected(w + i % 3 - 1, d->w)] -= dy;
            return;
        }
}

/* The same of row h of a plane x of d's size, of w numbers of dy. */
static void medians_back(const rj_residual *d, const rj_real *x, int h, const rj_real *dy,
                         rj_real *line, rj_real *dx)
{
    const ptrdiff_t next = line_numbers(d);

    for (int i = 0; i < 3; i++)
        take_line(d, x, h + i - 1, line + i * next);
    for (int w = 0; w < d->w; w += LANES) {
        rj_real median[LANES];
        vec near[9];
        near_in_lines(line + w, next, near);
        store(median, median_of_9(near));
        for (int i = 0; i < RJ_MIN(LANES, d->w - w); i++)
            median_back(d, line + w + i, h, w + i, median[i], dy[w + i], dx);
    }
}

/* Scratch of a gradient: planes of x and of half sums, each with its gradient, a row of
 * dy, and three lines. */
struct planes {
    rj_real *x, *dx, *sum, *dsum, *dy, *line;
};

static size_t planes_in(const rj_residual *d, rj_real *from, struct planes *s)
{
    const size_t fine = (size_t)d->h * (size_t)d->w, coarse = fine / 4;
    const size_t size[6] = {fine,   fine,         coarse,
                            coarse, (size_t)d->w, 3 * (size_t)line_numbers(d)};
    rj_real **part[6] = {&s->x, &s->dx, &s->sum, &s->dsum, &s->dy, &s->line};
    size_t n = 0;

    for (int i = 0; i < 6; n += size[i++])
        *part[i] = from ? from + n : NULL;
    return n;
}

/* Row p of band b of a channel's dy, `apart` numbers apart. */
static void take_dy(const struct front *j, int n, int c, int b, int p, int apart,
                    rj_real *to)
{
    const rj_residual *d = &j->d;
    const cell *dy = j->dy + channel_at(n, b * d->c + c, d->k, d->p, d->q) +
                     (ptrdiff_t)p * d->q * BLOCK;

    for (int q = 0; q < d->q; q++)
        to[q * apart] = real_of(dy[(ptrdiff_t)q * BLOCK]);
}

/* The planes of a channel of a picture, and what its outputs send back to them. */
static void octaves_back(const struct front *j, int n, int c, const struct planes *s)
{
    const rj_residual *d = &j->d, cells = {.h = d->p, .w = d->q};
    const cell *x = j->x + channel_at(n, c, d->c, d->h, d->w);
    const size_t fine = (size_t)d->h * (size_t)d->w;

    for (size_t i = 0; i < fine; i++)
        s->x[i] = real_of(x[i * BLOCK]);
    memset(s->dx, 0, fine * sizeof *s->dx);
    memset(s->dsum, 0, fine / 4 * sizeof *s->dsum);
    for (int p = 0; p < d->p; p++) {
        const rj_real *top = s->x + (ptrdiff_t)2 * p * d->w;
        half_sums(top, top + d->w, d->q, s->sum + (ptrdiff_t)p * d->q);
    }
    for (int h = 0; h < d->h; h++) {
        take_dy(j, n, c, h % 2 * 2, h / 2, 2, s->dy);
        take_dy(j, n, c, h % 2 * 2 + 1, h / 2, 2, s->dy + 1);
        medians_back(d, s->x, h, s->dy, s->line, s->dx);
    }
    for (int p = 0; p < d->p; p++) {
        take_dy(j, n, c, 4, p, 1, s->dy);
        medians_back(&cells, s->sum, p, s->dy, s->line, s->dsum);
    }
}

static rij_status octaves_grad_piece(void *job, int index, int worker)
{
    const struct front *j = job;
    const rj_residual *d = &j->d;
    const int blocks = blocks_of(d->c), n = index / blocks,
              first = index % blocks * BLOCK;
    struct planes s;

    planes_in(d, j->dev->scratch[worker], &s);
    for (int c = first; c < RJ_MIN(d->c, first + BLOCK); c++) {
        cell *dx = j->y + channel_at(n, c, d->c, d->h, d->w);
        octaves_back(j, n, c, &s);
        for (int h = 0; h < d->h; h++)
            for (int w = 0; w < d->w; w++, dx += BLOCK)
                *dx = cell_of(real_of(*dx) +
                              (s.dx[(ptrdiff_t)h * d->w + w] +
                               s.dsum[(ptrdiff_t)(h / 2) * d->q + w / 2] / 2));
    }
    return RIJ_OK;
}

static rij_status octaves_grad(struct front *j)
{
    const rj_residual *d = &j->d;
    struct planes s;

    RJ_TRY(rj_device_scratch(j->dev, planes_in(d, NULL, &s) * sizeof(rj_real)));
    return rj_parallel_for(j->dev->pool, d->n * blocks_of(d->c), octaves_grad_piece, j);
}
