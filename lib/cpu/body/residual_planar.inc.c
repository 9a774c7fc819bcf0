/* residual_planar.inc.c: the fixed front-ends on images as the host has them, planes of
 * numbers: 16 pixels of a row at a time, then turned into blocks of channels. A piece is
 * a band of rows of one image. */

enum { FRONT_ROWS = 16, FRONT_ROOM = BLOCK + 2 };

/* The ends of a line of n numbers, which begin at line[1]: one more at either end,
 * reflected, and zeros as far as vectors reach. */
static void end_line(int n, rj_real *line)
{
    line[0] = line[1 + reflected(-1, n)];
    line[n + 1] = line[1 + reflected(n, n)];
    for (int i = 2; i < FRONT_ROOM; i++)
        line[n + i] = 0;
}

/* Row h of a plane as such a line. */
static void take_line(const rj_residual *d, const rj_real *plane, int h, rj_real *line)
{
    const rj_real *from = plane + (ptrdiff_t)reflected(h, d->h) * d->w;

    memcpy(line + 1, from, (size_t)d->w * sizeof *line);
    end_line(d->w, line);
}

/* The lines that row h of the output needs; for npr the second holds the top-left pixels
 * of the cells. */
static void take_lines(const rj_residual *d, const rj_real *plane, int h, rj_real *line,
                       ptrdiff_t next)
{
    rj_real *corner = line + next + 1;

    if (d->kind != RJ_FRONT_NPR) {
        for (int i = 0; i < 3; i++)
            take_line(d, plane, h + i - 1, line + i * next);
        return;
    }
    take_line(d, plane, h, line);
    take_line(d, plane, h - h % 2, line + next);
    for (int w = 1; w < d->w; w += 2)
        corner[w] = corner[w - 1];
}

/* The windows of LANES pixels, `at` and to the right of it in the line above theirs. */
ALWAYS void near_in_lines(const rj_real *at, ptrdiff_t next, vec near[9])
{
    EACH (k, 9)
        near[k] = load(at + k / 3 * next + k % 3);
}

/* 16 outputs of a row from pixel w on. */
ALWAYS void front_of_lines(enum rj_front kind, const rj_real *line, ptrdiff_t next, int w,
                           rj_real *out)
{
    for (int i = 0; i < BLOCK; i += LANES) {
        const rj_real *at = line + w + i;
        vec near[9];
        if (kind == RJ_FRONT_NPR) {
            store(out + i, load(at + 1) - load(at + next + 1));
            continue;
        }
        near_in_lines(at, next, near);
        store(out + i,
              near[4] - (kind == RJ_FRONT_MEDIAN ? median_of_9(near) : mean_of_9(near)));
    }
}

/* 16 outputs, or as many as there are, of the three bands of row p of a channel. */
static void haar_of_plane(const rj_residual *d, const rj_real *plane, int p, int q,
                          rj_real *out)
{
    const rj_real *x = plane + (ptrdiff_t)2 * p * d->w + 2 * q, *low = x + d->w;
    const ptrdiff_t band = (ptrdiff_t)d->c * BLOCK;

    for (int i = 0; i < RJ_MIN(BLOCK, d->q - q); i++) {
        const rj_real slope = x[2 * i] - low[2 * i + 1], tilt = x[2 * i + 1] - low[2 * i];
        out[i] = (slope + tilt) / 2;
        out[band + i] = (slope - tilt) / 2;
        out[2 * band + i] = (x[2 * i] + low[2 * i + 1] - x[2 * i + 1] - low[2 * i]) / 2;
    }
}

/* Rows of 16 pixels, one for each of 16 channels and `step` apart, as cells of n pixels.
 */
static void turn_into_cells(const rj_real *rows, ptrdiff_t step, int n, cell *to)
{
    rj_real pixel[BLOCK * BLOCK];

    turn(rows, step, pixel);
    for (int i = 0; i < n * BLOCK; i += LANES)
        store_cells(to + i, load(pixel + i));
}

static rij_status front_planar_piece(void *job, int index, int worker)
{
    const struct front *j = job;
    const rj_residual *d = &j->d;
    const int bands = runs(d->p, FRONT_ROWS), n = index / bands;
    const int from = index % bands * FRONT_ROWS, end = RJ_MIN(d->p, from + FRONT_ROWS);
    const ptrdiff_t next = d->w + FRONT_ROOM, size = (ptrdiff_t)d->h * d->w;
    const rj_real *x = j->host + n * size * d->c;
    rj_real *line = j->dev->scratch[worker], rows[BLOCK * BLOCK] = {0};

    for (int p = from; p < end; p++) {
        cell *y = j->y + ((ptrdiff_t)n * d->p + p) * d->q * BLOCK;
        for (int c = 0; c < d->c && d->kind != RJ_FRONT_HAAR; c++)
            take_lines(d, x + c * size, p, line + 3 * c * next, next);
        for (int q = 0; q < d->q; q += BLOCK, y += BLOCK * BLOCK) {
            for (int c = 0; c < d->c; c++)
                if (d->kind == RJ_FRONT_HAAR)
                    haar_of_plane(d, x + c * size, p, q, rows + c * BLOCK);
                else
                    front_of_lines(d->kind, line + 3 * c * next, next, q,
                                   rows + c * BLOCK);
            turn_into_cells(rows, BLOCK, RJ_MIN(BLOCK, d->q - q), y);
        }
    }
    return RIJ_OK;
}

static rij_status residual_planar(struct front *j)
{
    const rj_residual *d = &j->d;
    const size_t lines = 3 * (size_t)d->c * (size_t)(d->w + FRONT_ROOM);

    RJ_TRY(rj_device_scratch(j->dev, lines * sizeof(rj_real)));
    return rj_parallel_for(j->dev->pool, d->n * runs(d->p, FRONT_ROWS),
                           front_planar_piece, j);
}
