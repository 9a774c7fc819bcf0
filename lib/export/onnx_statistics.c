/* onnx_statistics.c: the statistics of op/statistics.c and device/statistics.h as nodes.
 * Read those two first: names and formulas here are theirs.
 *
 * Grey levels 0..255 stand where they have 127.5 x, which is 127.5 less: every sum is of
 * differences, so it makes none, and means of 2 x 2 and bands are then exact in float32.
 */
#include "device/statistics.h"
#include "export/export.h"

/* Luma, chroma: rows of the matrix that makes (Y, B, R') of (R,G,B). */
static const float colours[9] = {(float)RJ_LUMA_R,
                                 (float)RJ_LUMA_G,
                                 (float)RJ_LUMA_B,
                                 -0.168736F,
                                 -0.331264F,
                                 0.5F,
                                 0.5F,
                                 -0.418688F,
                                 -0.081312F};

static rj_value plus(rj_graph *g, rj_value x, double y)
{
    return rj_two(g, "Add", x, rj_number(g, y));
}

static rj_value times(rj_graph *g, rj_value x, double y)
{
    return rj_two(g, "Mul", x, rj_number(g, y));
}

static rj_value product(rj_graph *g, rj_value a, rj_value b)
{
    return rj_two(g, "Mul", a, b);
}

/* log(a / b) */
static rj_value log_ratio(rj_graph *g, rj_value a, rj_value b)
{
    return rj_one(g, "Log", rj_two(g, "Div", a, b));
}

/* Mean over the picture, and channels if there are any: (N,C,h,w) -> (N,C). */
static rj_value mean(rj_graph *g, rj_value x)
{
    return rj_mean(g, x, 2, (int64_t[]){2, 3}, false);
}

/* One channel, as (N,1) or (N,1,h,w). */
static rj_value channel(rj_graph *g, rj_value x, int c)
{
    const rj_value in[4] = {x, rj_integers(g, 1, (int64_t[]){c}),
                            rj_integers(g, 1, (int64_t[]){c + 1}),
                            rj_integers(g, 1, (int64_t[]){1})};

    return rj_node(g, "Slice", 4, in, 0, NULL, NULL);
}

static rj_value convolve(rj_graph *g, rj_value x, rj_value w, int groups)
{
    const rj_value in[2] = {x, w};
    const rj_attribute a = {.name = "group", .i = groups};

    return rj_node(g, "Conv", 2, in, 1, &a, NULL);
}

/* What all levels share. */
typedef struct fixed {
    rj_value blur; /* (3,1,3,3): a pixel less its surroundings */
    rj_value yuv;  /* (3,3,1,1) */
} fixed;

static fixed fixed_of(rj_graph *g)
{
    static const float tap[3] = {0.25F, 0.5F, 0.25F};
    const rj_shape band = rj_shape_plain(4, 3, 1, 3, 3),
                   turn = rj_shape_plain(4, 3, 3, 1, 1);
    float x[27];

    for (int i = 0; i < 27; i++)
        x[i] = (i % 9 == 4 ? 1 : 0) - tap[i % 9 / 3] * tap[i % 3];
    return (fixed){rj_constant(g, NULL, &band, x), rj_constant(g, NULL, &turn, colours)};
}

/* near, slant, far of r_Y (N,1,n,n), over E[r_Y^2] + e. */
static void pairs(rj_graph *g, rj_value r, int n, rj_value luma, rj_value number[3])
{
    // the neighbours at (y,x): two of each, and what the first is multiplied with
    static const int from[3][2][2] = {
        {{0, 0}, {0, 0}}, {{0, 0}, {0, 1}}, {{0, 0}, {0, 0}}};
    static const int to[3][2][2] = {{{0, 1}, {1, 0}}, {{1, 1}, {1, 0}}, {{0, 2}, {2, 0}}};
    rj_value part[3][3];

    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++)
            if (y + x < 3)
                part[y][x] = rj_slice(g, r, y, n - 2 + y, x, n - 2 + x, 1);
    for (int i = 0; i < 3; i++) {
        rj_value two[2];

        for (int j = 0; j < 2; j++)
            two[j] = product(g, part[from[i][j][0]][from[i][j][1]],
                             part[to[i][j][0]][to[i][j][1]]);
        number[i] = rj_two(g, "Div", mean(g, rj_two(g, "Add", two[0], two[1])),
                           times(g, luma, 2));
    }
}

/* Haar details of luma (N,1,n,n). */
static rj_value check(rj_graph *g, rj_value y, int n)
{
    rj_value corner[4], slope[2], sides, d;

    for (int i = 0; i < 4; i++)
        corner[i] = rj_slice(g, y, i / 2, n, i % 2, n, 2);
    slope[0] = rj_two(g, "Sub", corner[0], corner[3]);
    slope[1] = rj_two(g, "Sub", corner[1], corner[2]);
    sides = rj_two(g, "Add", product(g, slope[0], slope[0]),
                   product(g, slope[1], slope[1])); // twice V^2 + H^2
    d = rj_two(g, "Sub", rj_two(g, "Add", corner[0], corner[3]),
               rj_two(g, "Add", corner[1], corner[2])); // twice D
    return log_ratio(
        g, plus(g, times(g, mean(g, product(g, d, d)), 0.25), RJ_STATISTICS_EPS),
        plus(g, times(g, mean(g, sides), 0.25), RJ_STATISTICS_EPS));
}

/* Deviation of log energy among the four phases of r_Y^2 (N,1,n,n). */
static rj_value phases(rj_graph *g, rj_value square, int n)
{
    rj_value level[4], all, off;

    for (int i = 0; i < 4; i++)
        level[i] = mean(g, rj_slice(g, square, i / 2, n, i % 2, n, 2));
    all = rj_one(g, "Log", plus(g, rj_join(g, 4, level, 1), RJ_STATISTICS_EPS));
    off = rj_two(g, "Sub", all, rj_mean(g, all, 1, (int64_t[]){1}, true));
    return rj_one(g, "Sqrt", rj_mean(g, product(g, off, off), 1, (int64_t[]){1}, true));
}

/* E[ab] / sqrt((E[a^2] + e) (E[b^2] + e)) of two colours' bands, which have energies. */
static rj_value correlation(rj_graph *g, rj_value band, rj_value energy, int a, int b)
{
    const rj_value both = mean(g, product(g, channel(g, band, a), channel(g, band, b)));
    const rj_value one = plus(g, channel(g, energy, a), RJ_STATISTICS_EPS),
                   other = plus(g, channel(g, energy, b), RJ_STATISTICS_EPS);

    return rj_two(g, "Div", both, rj_one(g, "Sqrt", product(g, one, other)));
}

/* The numbers of a band of P_l (N,3,side,side), each (N,1); of `fall` the log of the
 * band's own energy. */
static void band_numbers(rj_graph *g, const fixed *f, rj_value plane, int side,
                         rj_value number[RJ_BAND_NUMBERS])
{
    const double e = RJ_STATISTICS_EPS;
    const int n = side - 2;
    const rj_value band = convolve(g, plane, f->blur, 3);
    const rj_value turned = convolve(g, band, f->yuv, 1);
    const rj_value energy = plus(g, mean(g, product(g, turned, turned)), e);
    const rj_value luma = channel(g, energy, 0), r = channel(g, turned, 0);
    const rj_value square = product(g, r, r);
    const rj_value own = mean(g, product(g, band, band));
    const rj_value magnitude = mean(g, rj_one(g, "Abs", r));

    number[0] = rj_one(g, "Log", luma);
    number[1] = log_ratio(g, channel(g, energy, 1), luma);
    number[2] = log_ratio(g, channel(g, energy, 2), luma);
    number[3] = log_ratio(g, plus(g, mean(g, product(g, square, square)), 3 * e * e),
                          product(g, luma, luma));
    number[4] = log_ratio(g, plus(g, product(g, magnitude, magnitude), e), luma);
    pairs(g, r, n, luma, number + 5);
    number[8] = check(g, channel(g, convolve(g, plane, f->yuv, 1), 0), side);
    number[9] = phases(g, square, n);
    number[10] = correlation(g, band, own, 0, 1);
    number[11] = correlation(g, band, own, 1, 2);
}

rj_value rj_onnx_statistics(rj_graph *g, rj_value grey, int side)
{
    const fixed f = fixed_of(g);
    const rj_attribute half[2] = {{.name = "kernel_shape", .n = 2, .ints = {2, 2}},
                                  {.name = "strides", .n = 2, .ints = {2, 2}}};
    const rj_shape row = rj_shape_plain(1, RJ_STATISTICS, 0, 0, 0);
    rj_value number[RJ_STATISTICS], all;
    float centre[RJ_STATISTICS], scale[RJ_STATISTICS];

    for (int l = 0; l < RJ_BANDS; l++, side /= 2) {
        if (l > 0)
            grey = rj_node(g, "AveragePool", 1, &grey, 2, half, NULL);
        band_numbers(g, &f, grey, side, number + l * RJ_BAND_NUMBERS);
    }
    for (int i = 0; i + RJ_BAND_NUMBERS < RJ_STATISTICS; i += RJ_BAND_NUMBERS)
        number[i] = rj_two(g, "Sub", number[i], number[i + RJ_BAND_NUMBERS]);
    for (int i = 0; i < RJ_STATISTICS; i++) {
        double c, s;

        rj_statistic_usual(i, &c, &s);
        centre[i] = (float)c;
        scale[i] = (float)s;
    }
    all = rj_join(g, RJ_STATISTICS, number, 1);
    all = rj_two(g, "Sub", all, rj_constant(g, NULL, &row, centre));
    return rj_two(g, "Div", all, rj_constant(g, NULL, &row, scale));
}
