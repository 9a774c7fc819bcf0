/* statistics: what the fine detail of a picture weighs against its coarse detail.
 *
 * x (N,3,H,W) images in [-1,1], plain -> y (N, 4 x 12) plain. No gradient: the images are
 * constants. A network of convolutions would have to divide to form these numbers.
 *
 * In grey levels, (r,g,b) = 127.5 x. Band l = 0 .. 3 of a plane P is what a blur takes
 * away from it after l halvings:
 *
 *     P_0 = P,  P_{l+1} = means of 2 x 2 of P_l
 *     r_l = P_l - (1 2 1)/4 along rows and columns of P_l       where all nine pixels are
 *
 * E[.] is the mean over a band, Y, B, R' are luma and the two chroma planes of JPEG
 * (BT.601), e = 0.02 keeps flat pictures finite. The 12 numbers of a band:
 *
 *     fall    log (E[r_Y^2] + e), less that of the next band; of the last alone
 *     blue    log (E[r_B^2] + e) / (E[r_Y^2] + e)
 *     red     the same of r_R'
 *     peak    log (E[r_Y^4] + 3 e^2) / (E[r_Y^2] + e)^2
 *     spread  log (E[|r_Y|]^2 + e) / (E[r_Y^2] + e)
 *     near    E[r_Y r_Y'] / (E[r_Y^2] + e), r_Y' one pixel away
 *     slant   the same, r_Y' one pixel away diagonally
 *     far     the same, r_Y' two pixels away; each the mean of two directions
 *     check   log (E[D^2] + e) / ((E[V^2] + E[H^2]) / 2 + e), Haar details of P_l(Y)
 *     phase   deviation of log (E[r_Y^2] + e) among the four phases of period 2
 *     rg      E[r_r r_g] / sqrt((E[r_r^2] + e) (E[r_g^2] + e)) of the colours r and g
 *     gb      the same of g and b
 *
 * each less a centre and divided by a scale, fixed and roughly those of photographs, so
 * that what follows begins well conditioned. Sides of 32 pixels at least: the last band
 * of 4 x 4 pixels has 2 x 2. Saved: the bands on their way. */
#include "device/statistics.h"
#include "op/op.h"

enum { COLOURS = 3, LEAST = 32 };

/* A picture on its way down: three planes P_l of h x w, and r_Y. */
typedef struct level {
    int h, w;
    const rj_real *plane;
    rj_real *band;
} level;

static double at(const level *v, int c, int y, int x)
{
    return (double)
        v->plane[((size_t)c * (size_t)v->h + (size_t)y) * (size_t)v->w + (size_t)x];
}

/* r_l of a colour, whose first number is around pixel (1,1), in grey levels. */
static double band_at(const level *v, int c, int y, int x)
{
    static const int tap[3] = {1, 2, 1};
    double blurred = 0;

    for (int i = 0; i < 9; i++)
        blurred += tap[i / 3] * tap[i % 3] * at(v, c, y + i / 3, x + i % 3);
    return 127.5 * (at(v, c, y + 1, x + 1) - blurred / 16);
}

/* Sums of single numbers of a band; r_Y is kept. */
static void add_points(const level *v, double *sum)
{
    for (int y = 0; y < v->h - 2; y++)
        for (int x = 0; x < v->w - 2; x++) {
            const double r = band_at(v, 0, y, x), g = band_at(v, 1, y, x),
                         b = band_at(v, 2, y, x);
            const double luma = RJ_LUMA_R * r + RJ_LUMA_G * g + RJ_LUMA_B * b;
            sum[RJ_SUM_RR] += r * r;
            sum[RJ_SUM_GG] += g * g;
            sum[RJ_SUM_BB] += b * b;
            sum[RJ_SUM_RG] += r * g;
            sum[RJ_SUM_RB] += r * b;
            sum[RJ_SUM_GB] += g * b;
            sum[RJ_SUM_FOURTH] += luma * luma * luma * luma;
            sum[RJ_SUM_MAGNITUDE] += fabs(luma);
            sum[RJ_SUM_PHASE + y % 2 * 2 + x % 2] += luma * luma;
            v->band[(size_t)y * (size_t)(v->w - 2) + (size_t)x] = (rj_real)luma;
        }
}

/* Sums of products of r_Y with its neighbours, where all of them are. */
static void add_pairs(const level *v, double *sum)
{
    const int w = v->w - 2;

    for (int y = 0; y < v->h - 4; y++)
        for (int x = 0; x < w - 2; x++) {
            const rj_real *r = v->band + (size_t)y * (size_t)w + (size_t)x;
            sum[RJ_SUM_NEAR] += (double)(r[0] * (r[1] + r[w]));
            sum[RJ_SUM_SLANT] += (double)(r[0] * r[w + 1] + r[1] * r[w]);
            sum[RJ_SUM_FAR] += (double)(r[0] * (r[2] + r[2 * w]));
        }
}

/* Sums of Haar details of luma, and the next level's planes, NULL behind the last. */
static void halve(const level *v, double *sum, rj_real *next)
{
    static const double weight[COLOURS] = {RJ_LUMA_R, RJ_LUMA_G, RJ_LUMA_B};

    for (int y = 0; y < v->h / 2; y++)
        for (int x = 0; x < v->w / 2; x++) {
            double luma[4] = {0};
            for (int c = 0; c < COLOURS; c++) {
                double mean = 0;
                for (int i = 0; i < 4; i++) {
                    const double p = at(v, c, 2 * y + i / 2, 2 * x + i % 2);
                    luma[i] += 127.5 * weight[c] * p;
                    mean += p / 4;
                }
                if (next)
                    next[((size_t)c * (size_t)(v->h / 2) + (size_t)y) *
                             (size_t)(v->w / 2) +
                         (size_t)x] = (rj_real)mean;
            }
            sum[RJ_SUM_SIDES] += ((luma[0] - luma[3]) * (luma[0] - luma[3]) +
                                  (luma[1] - luma[2]) * (luma[1] - luma[2])) /
                                 2;
            luma[0] += luma[3] - luma[1] - luma[2];
            sum[RJ_SUM_CHECK] += luma[0] * luma[0] / 4;
        }
}

static void picture(const rj_picture *d, const rj_real *x, rj_real *work, rj_real *y)
{
    double sum[RJ_BANDS][RJ_BAND_SUMS] = {0};
    rj_real *next = work + (size_t)d->h * (size_t)d->w;
    level v = {d->h, d->w, x, work};

    for (int l = 0; l < RJ_BANDS; l++) {
        add_points(&v, sum[l]);
        add_pairs(&v, sum[l]);
        halve(&v, sum[l], l + 1 < RJ_BANDS ? next : NULL);
        v = (level){v.h / 2, v.w / 2, next, work};
        next += (size_t)COLOURS * (size_t)v.h * (size_t)v.w;
    }
    for (int i = 0; i < RJ_STATISTICS; i++)
        y[i] =
            (rj_real)rj_statistic_of((const double(*)[RJ_BAND_SUMS])sum, d->h, d->w, i);
}

rij_status rj_ref_statistics(rj_device *dev, const rj_picture *d, const rj_real *x,
                             rj_real *work, rj_real *y)
{
    const size_t each = (size_t)d->h * (size_t)d->w;

    (void)dev;
    for (size_t i = 0; i < (size_t)d->n; i++)
        picture(d, x + i * COLOURS * each, work + i * 2 * each, y + i * RJ_STATISTICS);
    return RIJ_OK;
}

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape;
    char text[64];

    RJ_REQUIRE(x->rank == 4 && x->dim[1] == COLOURS && !x->picture, RIJ_E_SHAPE,
               "statistics: x %s are no plain images of three channels",
               rj_shape_text(x, text));
    RJ_REQUIRE(x->dim[2] >= LEAST && x->dim[3] >= LEAST, RIJ_E_SHAPE,
               "statistics: x %s has sides below %d pixels", rj_shape_text(x, text),
               LEAST);
    RJ_REQUIRE(!call->in[0]->learns, RIJ_E_ARGUMENT, "statistics: x wants a gradient");
    *out = rj_shape_plain(2, x->dim[0], RJ_STATISTICS, 0, 0);
    *saved = 2 * (size_t)x->dim[0] * (size_t)x->dim[2] * (size_t)x->dim[3];
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    const rj_picture d = rj_shape_dims(&call->in[0]->shape);

    return call->dev->k->statistics(call->dev, &d, call->in[0]->x, call->saved,
                                    call->out->x);
}

const rj_op rj_op_statistics = {
    .name = "statistics", .inputs = 1, .shape = shape, .forward = forward};
