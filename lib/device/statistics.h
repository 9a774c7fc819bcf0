/* statistics.h: from the sums of a picture's bands to its numbers, the same on every
 * device; op/statistics.c says what they mean. */
#ifndef RJ_STATISTICS_H
#define RJ_STATISTICS_H

#include <math.h>

#ifndef RJ_EVERYWHERE /* else a device says what its functions are */
#    define RJ_EVERYWHERE static inline
#endif

enum { RJ_BANDS = 4, RJ_BAND_NUMBERS = 12, RJ_STATISTICS = RJ_BANDS * RJ_BAND_NUMBERS };

/* What is added up over a band, in squares of grey levels. */
enum rj_band_sum {
    RJ_SUM_RR, /* products of the colours' bands */
    RJ_SUM_GG,
    RJ_SUM_BB,
    RJ_SUM_RG,
    RJ_SUM_RB,
    RJ_SUM_GB,
    RJ_SUM_FOURTH, /* r_Y^4 */
    RJ_SUM_MAGNITUDE,
    RJ_SUM_NEAR, /* both directions together, as the next two */
    RJ_SUM_SLANT,
    RJ_SUM_FAR,
    RJ_SUM_SIDES, /* V^2 + H^2 and D^2 of Haar details of cells of 2x2 */
    RJ_SUM_CHECK,
    RJ_SUM_PHASE, /* r_Y^2 by row and column, even or odd */
    RJ_BAND_SUMS = RJ_SUM_PHASE + 4
};

/* Luma and chroma from r = (R,G,B): ITU-R BT.601, as JPEG has them. */
#define RJ_LUMA_R 0.299
#define RJ_LUMA_G 0.587
#define RJ_LUMA_B 0.114
#define RJ_STATISTICS_EPS 0.02

RJ_EVERYWHERE double rj_mean_of(double sum, int h, int w)
{
    return h > 0 && w > 0 ? sum / ((double)h * (double)w) : 0;
}

/* E[(a.r)^2] + e of a combination of colours, over a band of h x w numbers. */
RJ_EVERYWHERE double rj_energy_of(const double sum[RJ_BAND_SUMS], int h, int w, double r,
                                  double g, double b)
{
    return r * r * rj_mean_of(sum[RJ_SUM_RR], h, w) +
           g * g * rj_mean_of(sum[RJ_SUM_GG], h, w) +
           b * b * rj_mean_of(sum[RJ_SUM_BB], h, w) +
           2 * (r * g * rj_mean_of(sum[RJ_SUM_RG], h, w) +
                r * b * rj_mean_of(sum[RJ_SUM_RB], h, w) +
                g * b * rj_mean_of(sum[RJ_SUM_GB], h, w)) +
           RJ_STATISTICS_EPS;
}

/* Of two colours' bands, from the sums of their product and of their squares. */
RJ_EVERYWHERE double rj_correlation_of(double product, double one, double other, int h,
                                       int w)
{
    const double e = RJ_STATISTICS_EPS;

    return rj_mean_of(product, h, w) /
           sqrt((rj_mean_of(one, h, w) + e) * (rj_mean_of(other, h, w) + e));
}

/* Deviation of log energy among the phases of a band of h x w numbers. */
RJ_EVERYWHERE double rj_phases_of(const double phase[4], int h, int w)
{
    double level[4], mean = 0, square = 0;

    for (int i = 0; i < 4; i++) {
        const int rows = (h + 1 - i / 2) / 2, columns = (w + 1 - i % 2) / 2;
        level[i] = log(rj_mean_of(phase[i], rows, columns) + RJ_STATISTICS_EPS);
        mean += level[i] / 4;
    }
    for (int i = 0; i < 4; i++)
        square += (level[i] - mean) * (level[i] - mean) / 4;
    return sqrt(square);
}

/* Number i of a band; of `fall` the log of the band's own energy. h x w is the size of
 * P_l. */
RJ_EVERYWHERE double rj_band_number(const double sum[RJ_BAND_SUMS], int h, int w, int i)
{
    const double e = RJ_STATISTICS_EPS;
    const int rows = h - 2, columns = w - 2; /* of r_l */
    const double luma = rj_energy_of(sum, rows, columns, RJ_LUMA_R, RJ_LUMA_G, RJ_LUMA_B);
    double v;

    switch (i) {
    case 0:
        return log(luma);
    case 1:
        return log(rj_energy_of(sum, rows, columns, -0.168736, -0.331264, 0.5) / luma);
    case 2:
        return log(rj_energy_of(sum, rows, columns, 0.5, -0.418688, -0.081312) / luma);
    case 3:
        v = rj_mean_of(sum[RJ_SUM_FOURTH], rows, columns);
        return log((v + 3 * e * e) / (luma * luma));
    case 4:
        v = rj_mean_of(sum[RJ_SUM_MAGNITUDE], rows, columns);
        return log((v * v + e) / luma);
    case 8:
        v = rj_mean_of(sum[RJ_SUM_SIDES], h / 2, w / 2) / 2 + e;
        return log((rj_mean_of(sum[RJ_SUM_CHECK], h / 2, w / 2) + e) / v);
    case 9:
        return rj_phases_of(sum + RJ_SUM_PHASE, rows, columns);
    case 10:
        return rj_correlation_of(sum[RJ_SUM_RG], sum[RJ_SUM_RR], sum[RJ_SUM_GG], rows,
                                 columns);
    case 11:
        return rj_correlation_of(sum[RJ_SUM_GB], sum[RJ_SUM_GG], sum[RJ_SUM_BB], rows,
                                 columns);
    default: /* near, slant, far */
        v = rj_mean_of(sum[RJ_SUM_NEAR + i - 5], rows - 2, columns - 2);
        return v / 2 / luma;
    }
}

/* Centre and scale of photographs of one of a picture's numbers. The more pixels a band
 * has, the smaller is its phase. */
RJ_EVERYWHERE void rj_statistic_usual(int which, double *centre, double *scale)
{
    enum { PHASE = 9 };
    static const double usual[RJ_BAND_NUMBERS][2] = {
        {-0.8, 0.55}, {-3.8, 1.4}, {-3.8, 1.4}, {1.9, 0.6}, {-0.8, 0.3}, {0.25, 0.18},
        {0, 0.17},    {0, 0.15},   {-2, 0.8},   {0, 0},     {0.9, 0.15}, {0.9, 0.15}};
    static const double phase[RJ_BANDS][2] = {
        {0.035, 0.04}, {0.065, 0.055}, {0.11, 0.08}, {0.2, 0.14}};
    static const double last[2] = {4, 1.8}; /* the last band's own energy */
    const int l = which / RJ_BAND_NUMBERS, i = which % RJ_BAND_NUMBERS;
    const double *of = i == PHASE                    ? phase[l]
                       : i == 0 && l + 1 == RJ_BANDS ? last
                                                     : usual[i];

    *centre = of[0];
    *scale = of[1];
}

/* One of a picture's numbers, less the centre and over the scale of photographs; h x w
 * pixels. */
RJ_EVERYWHERE double rj_statistic_of(const double sum[RJ_BANDS][RJ_BAND_SUMS], int h,
                                     int w, int which)
{
    const int l = which / RJ_BAND_NUMBERS, i = which % RJ_BAND_NUMBERS;
    double v = rj_band_number(sum[l], h >> l, w >> l, i), centre, scale;

    if (i == 0 && l + 1 < RJ_BANDS)
        v -= rj_band_number(sum[l + 1], h >> (l + 1), w >> (l + 1), 0);
    rj_statistic_usual(which, &centre, &scale);
    return (v - centre) / scale;
}

#endif
