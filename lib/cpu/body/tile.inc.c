/* tile.inc.c: the inner kernels of convolution, and with it of every matrix product.
 *
 * tile_B_P holds the sums of P pixels times B blocks of output channels in registers:
 *
 *     out[b][p] = start[b] + sum_{i, t, c} w[i][t][c][b] * in[i][tap[t] + 16 p + c]
 *
 * i counts blocks of input channels, t the taps of the window, c the channels of a block.
 * For each c it loads B weights and spreads P numbers, for B * P multiplications: with 28
 * sums in registers the multipliers are the limit, not the loads. It writes cells of a
 * picture; sums_B_P writes numbers.
 *
 * pull_B_I is the other way round, for gradients by weights: I input channels times B
 * blocks of output channels, summed over the pixels of some rows. */

/* What a tile sums over, where its result goes, and what happens to it on the way: cells
 * of the same picture beside it are added, and nothing stays below the floor. Distances
 * are in numbers, and in cells of a picture. */
struct span {
    const ptrdiff_t *tap; /* where each tap reads, from the pixel */
    int taps, c;          /* taps; input channels */
    ptrdiff_t in_block;   /* from one block of input channels to the next */
    ptrdiff_t out_block, out_pixel;
    const cell *y, *beside; /* beside[i] is added to y[i]; NULL: nothing */
    rj_real floor;
};

typedef void tile_fn(const struct span *s, const rj_real *in, const rj_real *w,
                     const rj_real *start, void *out);

/* What follows a convolution in prediction: numbers of the same picture beside it, and
 * relu: nothing stays below the floor, which is zero or minus infinity. NaN stays. */
struct finish {
    const cell *beside; /* or NULL */
    rj_real floor;
};

static struct finish finish_new(const rj_real *beside, bool relu)
{
    return (struct finish){(const cell *)beside, relu ? 0 : -(rj_real)INFINITY};
}

/* vecs = B * PARTS vectors of output channels. `start` holds 16 numbers a block, or is
 * NULL: then the sums go on from the cells that `out` holds. */
ALWAYS void tile(const bool cells, const int vecs, const int pixels, const struct span *s,
                 const rj_real *in, const rj_real *w, const rj_real *start, void *out)
{
    cell *const y = out;
    rj_real *const sum = out;
    const ptrdiff_t pixel = s->out_pixel, block = s->out_block;
    vec a[16][8]; // most that any instruction set uses; a tile names its own part

#define RJ_AT(p, v) ((p)*pixel + (v) / PARTS * block + (v) % PARTS * LANES)
    EACH (p, pixels)
        EACH (v, vecs)
            a[p][v] = start ? load(start + v * LANES) : load_cells(y + RJ_AT(p, v));
    if (cells && start) // y will be needed, and may be far away
        EACH (p, pixels)
            EACH (v, vecs)
                __builtin_prefetch(y + RJ_AT(p, v), 1);
    for (int left = s->c; left > 0; left -= BLOCK, in += s->in_block) {
        const int channels = RJ_MIN(left, BLOCK);
        const int steps = PAIRS ? (channels + 1) / 2 : channels;
        if (s->taps == 1) // pixels are read once, those of the next tile come soon
            EACH (p, pixels)
                __builtin_prefetch(in + s->tap[0] + (p + pixels) * BUNDLE);
        for (int t = 0; t < s->taps; t++) {
            const rj_real *x = in + s->tap[t];
            for (int c = 0; c < steps; c++, x++, w += vecs * LANES) {
                vec k[8];
                EACH (v, vecs)
                    k[v] = load(w + v * LANES);
                EACH (p, pixels)
                    EACH (v, vecs)
                        a[p][v] = vecs == 1 ? add_product(a[p][v], k[v], x + p * BUNDLE)
                                            : add_products(a[p][v], k[v], x[p * BUNDLE]);
            }
        }
    }
    if (cells && s->beside)
        EACH (p, pixels)
            EACH (v, vecs)
                a[p][v] += load_cells(s->beside + (y - s->y) + RJ_AT(p, v));
    EACH (p, pixels)
        EACH (v, vecs)
            if (cells)
                store_cells(y + RJ_AT(p, v), largest(fill(s->floor), a[p][v]));
            else
                store(sum + RJ_AT(p, v), a[p][v]);
#undef RJ_AT
}

/* What the registers cannot hold is never asked for: see widest(). */
#define TILE(B, P)                                                                       \
    static void tile_##B##_##P(const struct span *s, const rj_real *in,                  \
                               const rj_real *w, const rj_real *start, void *out)        \
    {                                                                                    \
        if (B * PARTS <= 8 && B * PARTS * P <= ACCS)                                     \
            tile(true, B *PARTS, P, s, in, w, start, out);                               \
    }                                                                                    \
    static void sums_##B##_##P(const struct span *s, const rj_real *in,                  \
                               const rj_real *w, const rj_real *start, void *out)        \
    {                                                                                    \
        if (B * PARTS <= 8 && B * PARTS * P <= ACCS)                                     \
            tile(false, B *PARTS, P, s, in, w, start, out);                              \
    }
#define TO_7(X, B) X(B, 1) X(B, 2) X(B, 3) X(B, 4) X(B, 5) X(B, 6) X(B, 7)
#define TO_14(X, B)                                                                      \
    TO_7(X, B) X(B, 8) X(B, 9) X(B, 10) X(B, 11) X(B, 12) X(B, 13) X(B, 14)
#define TO_16(X, B) TO_14(X, B) X(B, 15) X(B, 16)
TO_16(TILE, 1)
TO_14(TILE, 2)
TO_7(TILE, 4)

#define TILE_NAME(B, P) tile_##B##_##P,
#define SUMS_NAME(B, P) sums_##B##_##P,
/* [blocks][pixels - 1] */
static tile_fn *const tiles[5][16] = {
    [1] = {TO_16(TILE_NAME, 1)}, [2] = {TO_14(TILE_NAME, 2)}, [4] = {TO_7(TILE_NAME, 4)}};
static tile_fn *const sum_tiles[5][16] = {
    [1] = {TO_16(SUMS_NAME, 1)}, [2] = {TO_14(SUMS_NAME, 2)}, [4] = {TO_7(SUMS_NAME, 4)}};

/* Most pixels of a tile of this many blocks; 0: no such tile. */
static int widest(int blocks)
{
    return blocks * PARTS > 8 ? 0 : RJ_MIN(16, ACCS / (blocks * PARTS));
}

/* n things in the fewest runs of at most `most`, as even as can be. */
static int runs(int n, int most)
{
    return (n + most - 1) / most;
}

/* Blocks of output channels that a tile should take: those that keep most sums in
 * registers for rows of `width` pixels; of equals the fewest, as weights stream past. */
static int best_blocks(int all, int width)
{
    int best = 1, most = 0;

    for (int b = 1; b <= 4; b *= 2)
        if (all % b == 0 && widest(b) > 0) {
            const int pixels = runs(width, runs(width, widest(b)));
            if (pixels * b > most) {
                most = pixels * b;
                best = b;
            }
        }
    return best;
}

/* Sums of I channels at x times blocks of 16 at d, over rows x cols pixels:
 *
 *     sum[b][i][k] += sum_{row, col} x[row][col][i] * d[b][row][col][k]
 *
 * In pairs a number holds one channel of two pixels, and cols counts the pairs. Two
 * blocks at a time need half as many loads for a multiplication. */
enum {
    PULLED = PARTS == 1 ? 2 : 1, /* how many that pays */
    AHEAD = 16 /* pixels, or pairs, that are asked for before their turn */
};

struct pull {
    int rows, cols;
    ptrdiff_t x_row, d_row; /* from one row to the next */
    ptrdiff_t x_col;        /* from one column to the next */
    ptrdiff_t d_block, sum_block;
};

typedef void pull_fn(const struct pull *s, const rj_real *x, const rj_real *d,
                     rj_real *sum);

ALWAYS void pull(const int blocks, const int channels, const struct pull *s,
                 const rj_real *x, const rj_real *d, rj_real *sum)
{
    const ptrdiff_t d_block = s->d_block, sum_block = s->sum_block;
    const int vecs = blocks * PARTS;
    vec a[16][2 * PARTS];

#define RJ_SUM(i, v) (sum + (v) / PARTS * sum_block + (i)*BLOCK + (v) % PARTS * LANES)
    EACH (i, channels)
        EACH (v, vecs)
            a[i][v] = load(RJ_SUM(i, v));
    for (int row = 0; row < s->rows; row++, x += s->x_row, d += s->d_row) {
        const rj_real *at = x, *by = d;
        for (int col = 0; col < s->cols; col++, at += s->x_col, by += BLOCK) {
            vec k[2 * PARTS];
            __builtin_prefetch(at + AHEAD * s->x_col);
            EACH (v, blocks)
                __builtin_prefetch(by + v * d_block + AHEAD * BLOCK);
            EACH (v, vecs)
                k[v] = load(by + v / PARTS * d_block + v % PARTS * LANES);
            EACH (i, channels)
                EACH (v, vecs)
                    a[i][v] = vecs == 1 ? add_product(a[i][v], k[v], at + i)
                                        : add_products(a[i][v], k[v], at[i]);
        }
    }
    EACH (i, channels)
        EACH (v, vecs)
            store(RJ_SUM(i, v), a[i][v]);
#undef RJ_SUM
}

#define PULL(B, I)                                                                       \
    static void pull_##B##_##I(const struct pull *s, const rj_real *x, const rj_real *d, \
                               rj_real *sum)                                             \
    {                                                                                    \
        if (B * I * PARTS <= ACCS)                                                       \
            pull(B, I, s, x, d, sum);                                                    \
    }
TO_16(PULL, 1)
TO_16(PULL, 2)
#define PULL_NAME(B, I) pull_##B##_##I,
/* [blocks - 1][I - 1] */
static pull_fn *const pulls[2][16] = {{TO_16(PULL_NAME, 1)}, {TO_16(PULL_NAME, 2)}};

/* n neighbours at x, in as few runs as registers allow. */
static void pull_some(const struct pull *s, int blocks, int n, const rj_real *x,
                      const rj_real *dy, rj_real *sum)
{
    const int parts = runs(n, RJ_MIN(16, ACCS / PARTS / blocks));

    for (int i = 0; i < parts; i++) {
        const int from = i * n / parts, some = (i + 1) * n / parts - from;
        pulls[blocks - 1][some - 1](s, x + from, dy, sum + (ptrdiff_t)from * BLOCK);
    }
}
