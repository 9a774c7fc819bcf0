/* statistics.inc.c: op/statistics.c's numbers of plain images, LANES pixels of a row at a
 * time. An image is one piece.
 *
 * Rows go down through all levels as they come: a level keeps the last three rows of its
 * planes, in grey levels, and of r_Y; two rows make one of the next. So nothing but lines
 * is held, whatever the image's height, and `work` is not used. Sums of a row are in
 * lanes of rj_real, those of rows in lanes of double, added up at last. */
#include "device/statistics.h"

enum { COLOURS = 3, KEPT = 3, TOTALS = RJ_SUM_PHASE + 2 };

/* The last of the totals are r_Y^2 of rows even and odd: columns are by lanes. */
struct band {
    int w, rows;    /* of P_l; how many rows have come */
    ptrdiff_t room; /* numbers of a line */
    rj_real *line;  /* KEPT lines of each colour, then of r_Y */
    double total[TOTALS][LANES];
};

struct statistics {
    rj_device *dev;
    rj_picture d;
    const rj_real *x;
    rj_real *y;
};

/* Beyond w there are numbers too that vectors reach; `lanes_below` tells which count. */
static ptrdiff_t line_room(int w)
{
    return (ptrdiff_t)runs(w, LANES) * LANES + 2 * LANES;
}

/* The line of row y of a colour, or of r_Y. */
ALWAYS rj_real *line_of(const struct band *b, int colour, int y)
{
    return b->line + (colour * KEPT + y % KEPT) * b->room;
}

/* Lanes whose pixel, from x on, is before n. */
ALWAYS mask lanes_below(int x, int n)
{
    static const rj_real step[BLOCK] = {0, 1, 2,  3,  4,  5,  6,  7,
                                        8, 9, 10, 11, 12, 13, 14, 15};

    return load(step) < fill((rj_real)(n - x));
}

static void add_row(vec sum, double total[LANES])
{
    rj_real lane[LANES];

    store(lane, sum);
    for (int k = 0; k < LANES; k++)
        total[k] += (double)lane[k];
}

/* r_l of a colour from pixel x on, its three rows given. */
ALWAYS vec band_of(const rj_real *const row[3], int x)
{
    vec column[3];

    EACH (i, 3)
        column[i] = (load(row[0] + x + i) + load(row[2] + x + i)) +
                    (load(row[1] + x + i) + load(row[1] + x + i));
    return load(row[1] + x + 1) -
           ((column[0] + column[2]) + (column[1] + column[1])) * fill((rj_real)0.0625);
}

/* Row y of the band, from rows y .. y + 2 of P_l. */
static void add_points(struct band *b, int y)
{
    const rj_real *row[COLOURS][3];
    rj_real *to = line_of(b, COLOURS, y);
    vec sum[RJ_SUM_MAGNITUDE + 1] = {0}, square = {0};

    for (int i = 0; i < COLOURS * 3; i++)
        row[i / 3][i % 3] = line_of(b, i / 3, y + i % 3);
    for (int x = 0; x < b->w - 2; x += LANES) {
        const mask m = lanes_below(x, b->w - 2);
        const vec none = {0}, r = where(m, band_of(row[0], x), none),
                  g = where(m, band_of(row[1], x), none),
                  blue = where(m, band_of(row[2], x), none);
        const vec luma = r * fill((rj_real)RJ_LUMA_R) + g * fill((rj_real)RJ_LUMA_G) +
                         blue * fill((rj_real)RJ_LUMA_B);
        const vec power = luma * luma;
        sum[RJ_SUM_RR] += r * r;
        sum[RJ_SUM_GG] += g * g;
        sum[RJ_SUM_BB] += blue * blue;
        sum[RJ_SUM_RG] += r * g;
        sum[RJ_SUM_RB] += r * blue;
        sum[RJ_SUM_GB] += g * blue;
        sum[RJ_SUM_FOURTH] += power * power;
        sum[RJ_SUM_MAGNITUDE] += where(luma < none, -luma, luma);
        square += power;
        store(to + x, luma);
    }
    EACH (i, RJ_SUM_MAGNITUDE + 1)
        add_row(sum[i], b->total[i]);
    add_row(square, b->total[RJ_SUM_PHASE + y % 2]);
}

/* Products of row y of r_Y with its neighbours, where all of them are. */
static void add_pairs(struct band *b, int y)
{
    const rj_real *row[3] = {line_of(b, COLOURS, y), line_of(b, COLOURS, y + 1),
                             line_of(b, COLOURS, y + 2)};
    const vec none = {0};
    vec near = {0}, slant = {0}, far = {0};

    for (int x = 0; x < b->w - 4; x += LANES) {
        const mask m = lanes_below(x, b->w - 4);
        const vec at = load(row[0] + x), right = load(row[0] + x + 1),
                  below = load(row[1] + x);
        near += where(m, at * (right + below), none);
        slant += where(m, at * load(row[1] + x + 1) + right * below, none);
        far += where(m, at * (load(row[0] + x + 2) + load(row[2] + x)), none);
    }
    add_row(near, b->total[RJ_SUM_NEAR]);
    add_row(slant, b->total[RJ_SUM_SLANT]);
    add_row(far, b->total[RJ_SUM_FAR]);
}

/* Numbers from[0], from[2], .. and from[1], from[3], .. */
ALWAYS void split_pairs(const rj_real *from, vec *even, vec *odd)
{
    rj_real part[2][LANES];

    for (int k = 0; k < LANES; k++) {
        part[0][k] = from[2 * k];
        part[1][k] = from[2 * k + 1];
    }
    *even = load(part[0]);
    *odd = load(part[1]);
}

/* Haar details of rows y and y + 1 of P_l, and the next level's row, where there is one.
 */
static void halve(struct band *b, int y, struct band *next)
{
    static const double weight[COLOURS] = {RJ_LUMA_R, RJ_LUMA_G, RJ_LUMA_B};
    const vec none = {0};
    vec sides = {0}, check = {0};

    for (int x = 0; x < b->w / 2; x += LANES) {
        const mask m = lanes_below(x, b->w / 2);
        vec slope = {0}, tilt = {0}, twist = {0};
        EACH (c, COLOURS) {
            const vec luma = fill((rj_real)weight[c]);
            vec p[4];
            split_pairs(line_of(b, c, y) + 2 * x, &p[0], &p[1]);
            split_pairs(line_of(b, c, y + 1) + 2 * x, &p[2], &p[3]);
            slope += luma * (p[0] - p[3]);
            tilt += luma * (p[1] - p[2]);
            twist += luma * ((p[0] - p[1]) + (p[3] - p[2]));
            if (next)
                store(line_of(next, c, next->rows) + x,
                      ((p[0] + p[1]) + (p[2] + p[3])) * fill((rj_real)0.25));
        }
        sides += where(m, slope * slope + tilt * tilt, none);
        check += where(m, twist * twist, none);
    }
    add_row(sides * fill((rj_real)0.5), b->total[RJ_SUM_SIDES]);
    add_row(check * fill((rj_real)0.25), b->total[RJ_SUM_CHECK]);
}

/* The planes' next row is there: what that makes possible, here and further down. */
static void row_came(struct band *b)
{
    for (int l = 0; l < RJ_BANDS; l++, b++) {
        const int y = b->rows++;
        if (y >= 2)
            add_points(b, y - 2);
        if (y >= 4)
            add_pairs(b, y - 4);
        if (y % 2 == 0)
            return;
        halve(b, y - 1, l + 1 < RJ_BANDS ? b + 1 : NULL);
    }
}

static void band_sums(const struct band *b, double sum[RJ_BAND_SUMS])
{
    for (int i = 0; i < TOTALS; i++)
        for (int k = 0; k < LANES; k++)
            sum[i < RJ_SUM_PHASE ? i : 2 * i - RJ_SUM_PHASE + k % 2] += b->total[i][k];
}

/* A row of an image, at least a vector long; the last one may begin before the end of the
 * one before. */
static void take_greys(int w, const rj_real *from, rj_real *to)
{
    for (int x = 0; x < w; x += LANES) {
        const int at = RJ_MIN(x, w - LANES);
        store(to + at, load(from + at) * fill((rj_real)127.5));
    }
}

static rij_status statistics_piece(void *job, int index, int worker)
{
    const struct statistics *j = job;
    const rj_picture *d = &j->d;
    const rj_real *x = j->x + (ptrdiff_t)index * COLOURS * d->h * d->w;
    double sum[RJ_BANDS][RJ_BAND_SUMS] = {0};
    struct band band[RJ_BANDS] = {0};
    rj_real *line = j->dev->scratch[worker];

    for (int l = 0; l < RJ_BANDS; l++) {
        band[l].w = d->w >> l;
        band[l].room = line_room(d->w >> l);
        band[l].line = line;
        line += (COLOURS + 1) * KEPT * band[l].room;
    }
    for (int y = 0; y < d->h; y++) {
        for (int c = 0; c < COLOURS; c++) {
            const rj_real *from = x + ((ptrdiff_t)c * d->h + y) * d->w;
            take_greys(d->w, from, line_of(band, c, y));
        }
        row_came(band);
    }
    for (int l = 0; l < RJ_BANDS; l++)
        band_sums(&band[l], sum[l]);
    for (int i = 0; i < RJ_STATISTICS; i++)
        j->y[(ptrdiff_t)index * RJ_STATISTICS + i] =
            (rj_real)rj_statistic_of((const double(*)[RJ_BAND_SUMS])sum, d->h, d->w, i);
    return RIJ_OK;
}

static rij_status statistics(rj_device *dev, const rj_picture *d, const rj_real *planar,
                             rj_real *work, rj_real *y)
{
    struct statistics j = {dev, *d, planar, y};
    ptrdiff_t room = 0;

    (void)work;
    for (int l = 0; l < RJ_BANDS; l++)
        room += (COLOURS + 1) * KEPT * line_room(d->w >> l);
    RJ_TRY(rj_device_scratch(dev, (size_t)room * sizeof *y));
    return rj_parallel_for(dev->pool, d->n, statistics_piece, &j);
}
