/* channel.inc.c: kernels with a number per channel: biases and batch norm.
 *
 * A piece is one block of channels of one picture. Sums over a batch are made per piece,
 * row by row, into shared scratch, and then added over the pictures in order. */

struct channel {
    rj_picture d;
    const rj_real *x, *dy;
    rj_real *y;
    rj_real *sum;    /* [plane][2][16] */
    rj_real *par[4]; /* numbers per channel, in whole blocks */
};

static ptrdiff_t plane_of(const rj_picture *d)
{
    return (ptrdiff_t)d->h * d->w * BLOCK;
}

static int planes_of(const rj_picture *d)
{
    return d->n * blocks_of(d->c);
}

/* Where nothing is summed, a piece is at most CHUNK pixels of a plane. */
enum { CHUNK = 4096 };

static int chunks_of(const rj_picture *d)
{
    return runs(d->h * d->w, CHUNK);
}

/* First number and count of numbers of piece `index`, and its channels' block. */
static ptrdiff_t chunk_at(const rj_picture *d, int index, ptrdiff_t *n, int *block)
{
    const int chunk = index % chunks_of(d), plane = index / chunks_of(d);
    const int from = chunk * CHUNK;

    *n = (ptrdiff_t)RJ_MIN(CHUNK, d->h * d->w - from) * BLOCK;
    *block = plane % blocks_of(d->c);
    return plane * plane_of(d) + (ptrdiff_t)from * BLOCK;
}

/* Shared scratch for sums and numbers per channel. */
static rij_status channel_shared(rj_device *dev, struct channel *j)
{
    const ptrdiff_t sums = (ptrdiff_t)planes_of(&j->d) * 2 * BLOCK;
    const ptrdiff_t c = (ptrdiff_t)blocks_of(j->d.c) * BLOCK;

    RJ_TRY(rj_device_shared(dev, (size_t)(sums + 4 * c) * sizeof(rj_real)));
    j->sum = dev->shared;
    for (int i = 0; i < 4; i++) {
        j->par[i] = j->sum + sums + i * c;
        for (ptrdiff_t k = 0; k < c; k++)
            j->par[i][k] = 0;
    }
    return RIJ_OK;
}

/* Sum over the pictures of channel c, of kind 0 or 1. */
static double summed(const struct channel *j, int c, int kind)
{
    const int cb = blocks_of(j->d.c);
    double sum = 0;

    for (int n = 0; n < j->d.n; n++)
        sum +=
            (double)
                j->sum[(((ptrdiff_t)n * cb + c / BLOCK) * 2 + kind) * BLOCK + c % BLOCK];
    return sum;
}

/* x += bias */
static rij_status bias_piece(void *job, int index, int worker)
{
    const struct channel *j = job;
    ptrdiff_t n;
    int block;
    rj_real *x = j->y + chunk_at(&j->d, index, &n, &block);

    for (int v = 0; v < BLOCK; v += LANES) {
        const vec b = load(j->par[0] + block * BLOCK + v);
        for (ptrdiff_t i = v; i < n; i += BLOCK)
            store(x + i, load(x + i) + b);
    }
    (void)worker;
    return RIJ_OK;
}

static rij_status bias(rj_device *dev, const rj_picture *d, const rj_real *b, rj_real *x)
{
    struct channel j = {.d = *d, .y = x};

    RJ_TRY(channel_shared(dev, &j));
    for (int c = 0; c < d->c; c++)
        j.par[0][c] = b[c];
    return rj_parallel_for(dev->pool, planes_of(d) * chunks_of(d), bias_piece, &j);
}

static rij_status bias_grad_piece(void *job, int index, int worker)
{
    const struct channel *j = job;
    const rj_real *dy = j->dy + index * plane_of(&j->d);
    const ptrdiff_t row = (ptrdiff_t)j->d.w * BLOCK;
    rj_real *out = j->sum + (ptrdiff_t)index * 2 * BLOCK;

    for (int v = 0; v < BLOCK; v += LANES) {
        vec sum = fill(0);
        for (int y = 0; y < j->d.h; y++) {
            vec line = fill(0);
            for (ptrdiff_t i = v; i < row; i += BLOCK)
                line += load(dy + y * row + i);
            sum += line;
        }
        store(out + v, sum);
    }
    (void)worker;
    return RIJ_OK;
}

static rij_status bias_grad(rj_device *dev, const rj_picture *d, const rj_real *dy,
                            rj_real *db)
{
    struct channel j = {.d = *d, .dy = dy};

    RJ_TRY(channel_shared(dev, &j));
    RJ_TRY(rj_parallel_for(dev->pool, planes_of(d), bias_grad_piece, &j));
    for (int c = 0; c < d->c; c++)
        db[c] += (rj_real)summed(&j, c, 0);
    return RIJ_OK;
}
