/* channel.inc.c: kernels with a number per channel: biases and batch norm.
 *
 * The work is cut by size into pieces of about SPAN pixels of one block of channels: a
 * run of pixels of one picture, or the whole planes of several pictures where planes are
 * small. Sums over a batch are made per piece, into shared scratch, and then added over
 * the pieces of a channel in order. */

enum { SPAN = 4096, PARS = 5 };

/* What decides whether a gradient passes a relu: nothing where there is none; else y, or
 * y made again from x, which is read anyway, where nothing was added to it. */
enum gate { OPEN, BY_X, BY_Y };

struct channel {
    rj_picture d;
    const cell *x, *add, *y, *dy;
    cell *to, *dx, *d_add;
    bool relu, fresh_dx, fresh_add; /* dx, d_add are written, not added to */
    enum gate gate;
    int group, chunk; /* pictures and pixels of a piece, at most */
    int groups,
        chunks;   /* how many of these there are; pieces are [group][block][chunk] */
    int blocks;   /* of channels */
    rj_real *sum; /* [piece][2][16] */
    rj_real *par[PARS]; /* numbers per channel, in whole blocks */
};

static ptrdiff_t plane_of(const rj_picture *d)
{
    return (ptrdiff_t)d->h * d->w * BLOCK;
}

static int planes_of(const rj_picture *d)
{
    return d->n * blocks_of(d->c);
}

/* What a piece works on: `planes` runs of `pixels`, `next` cells apart. */
struct stretch {
    ptrdiff_t at, next;
    int planes, pixels, block;
};

static struct stretch stretch_at(const struct channel *j, int index)
{
    const int from = index % j->chunks * j->chunk;
    const int n = index / j->chunks / j->blocks * j->group;
    struct stretch s;

    s.block = index / j->chunks % j->blocks;
    s.next = j->blocks * plane_of(&j->d);
    s.at = n * s.next + s.block * plane_of(&j->d) + (ptrdiff_t)from * BLOCK;
    s.planes = RJ_MIN(j->group, j->d.n - n);
    s.pixels = RJ_MIN(j->chunk, j->d.h * j->d.w - from);
    return s;
}

static int pieces_of(const struct channel *j)
{
    return j->groups * j->blocks * j->chunks;
}

/* The i-th piece of a block of channels, of groups * chunks. */
static int piece_of(const struct channel *j, int block, int i)
{
    return (i / j->chunks * j->blocks + block) * j->chunks + i % j->chunks;
}

/* The two sums of each channel of a piece. */
static rj_real *sums_at(const struct channel *j, int index)
{
    return j->sum + (ptrdiff_t)index * 2 * BLOCK;
}

/* Cut the work, and take shared scratch for sums and for numbers per channel. */
static rij_status channel_ready(rj_device *dev, struct channel *j)
{
    const int plane = j->d.h * j->d.w;
    ptrdiff_t sums, c;

    j->group = runs(j->d.n, runs(j->d.n, RJ_MAX(1, SPAN / plane)));
    j->chunk = runs(plane, runs(plane, SPAN));
    j->blocks = blocks_of(j->d.c);
    j->groups = runs(j->d.n, j->group);
    j->chunks = runs(plane, j->chunk);
    sums = (ptrdiff_t)pieces_of(j) * 2 * BLOCK;
    c = (ptrdiff_t)j->blocks * BLOCK;
    RJ_TRY(rj_device_shared(dev, (size_t)(sums + PARS * c) * sizeof(rj_real)));
    j->sum = dev->shared;
    for (int i = 0; i < PARS; i++) {
        j->par[i] = j->sum + sums + i * c;
        for (ptrdiff_t k = 0; k < c; k++)
            j->par[i][k] = 0;
    }
    return RIJ_OK;
}

/* Sums over the pieces of one block, of kind 0 or 1, for each channel. */
static void summed(const struct channel *j, int block, int kind, double sum[BLOCK])
{
    for (int c = 0; c < BLOCK; c++)
        sum[c] = 0;
    for (int i = 0; i < j->groups * j->chunks; i++) {
        const rj_real *from = sums_at(j, piece_of(j, block, i)) + (ptrdiff_t)kind * BLOCK;
        for (int c = 0; c < BLOCK; c++)
            sum[c] += (double)from[c];
    }
}

/* x += bias */
static rij_status bias_piece(void *job, int index, int worker)
{
    const struct channel *j = job;
    const struct stretch s = stretch_at(j, index);

    for (int k = 0; k < s.planes; k++)
        for (int v = 0; v < BLOCK; v += LANES) {
            const vec b = load(j->par[0] + s.block * BLOCK + v);
            cell *x = j->to + s.at + k * s.next + v;
            for (ptrdiff_t i = 0; i < (ptrdiff_t)s.pixels * BLOCK; i += BLOCK)
                store_cells(x + i, load_cells(x + i) + b);
        }
    (void)worker;
    return RIJ_OK;
}

static rij_status bias(rj_device *dev, const rj_picture *d, const rj_real *b, rj_real *x)
{
    struct channel j = {.d = *d, .to = (cell *)x};

    RJ_TRY(channel_ready(dev, &j));
    for (int c = 0; c < d->c; c++)
        j.par[0][c] = b[c];
    return rj_parallel_for(dev->pool, pieces_of(&j), bias_piece, &j);
}

/* Sum of every 16th of `pixels` * 16 numbers, in four chains. */
ALWAYS vec run_sum(const cell *x, int pixels)
{
    vec sum[4] = {{0}};
    int i = 0;

    for (; i + 4 <= pixels; i += 4)
        EACH (k, 4)
            sum[k] += load_cells(x + (ptrdiff_t)(i + k) * BLOCK);
    for (; i < pixels; i++)
        sum[0] += load_cells(x + (ptrdiff_t)i * BLOCK);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Sums are made of strips, which stay in the first cache and bound the rounding. */
enum { STRIP = 128 };

static rij_status bias_grad_piece(void *job, int index, int worker)
{
    const struct channel *j = job;
    const struct stretch s = stretch_at(j, index);
    vec sum[PARTS] = {{0}};

    for (int k = 0; k < s.planes; k++)
        for (int i = 0; i < s.pixels; i += STRIP)
            EACH (v, PARTS)
                sum[v] +=
                    run_sum(j->dy + s.at + k * s.next + (ptrdiff_t)i * BLOCK + v * LANES,
                            RJ_MIN(STRIP, s.pixels - i));
    EACH (v, PARTS)
        store(sums_at(j, index) + v * LANES, sum[v]);
    (void)worker;
    return RIJ_OK;
}

static rij_status bias_grad(rj_device *dev, const rj_picture *d, const rj_real *dy,
                            rj_real *db)
{
    struct channel j = {.d = *d, .dy = (const cell *)dy};
    double sum[BLOCK];

    RJ_TRY(channel_ready(dev, &j));
    RJ_TRY(rj_parallel_for(dev->pool, pieces_of(&j), bias_grad_piece, &j));
    for (int b = 0; b < j.blocks; b++) {
        summed(&j, b, 0, sum);
        for (int c = 0; c < RJ_MIN(BLOCK, d->c - b * BLOCK); c++)
            db[b * BLOCK + c] += (rj_real)sum[c];
    }
    return RIJ_OK;
}
