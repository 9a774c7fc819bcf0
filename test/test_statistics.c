/* The statistics of images, by what their formulas mean: pictures whose numbers are known
 * by hand. What is said of `near`, `slant` and `far` of noise follows from the filter
 *
 *     A = 1 - (1 2 1)(1 2 1)^T / 16,  A * A = 0.640625 at 0, and -0.15625, -0.0625,
 *     0.0234375 one pixel away, one diagonally, two. */
#include "device/statistics.h"
#include "net/net.h"
#include "test.h"
#include <math.h>
#include <string.h>

enum { MOST = 256, COLOURS = 3 };
enum { FALL, BLUE, RED, PEAK, SPREAD, NEAR, SLANT, FAR, CHECKED, PHASE, RG, GB };

static const char *const devices[] = {"ref", "cpu"};
static const double e = 0.02, grey = 127.5;

typedef struct picture {
    int h, w;
    rj_real x[COLOURS * MOST * MOST];
} picture;

/* The numbers as op/statistics.c has them, before centre and scale. */
static void numbers_of(const char *device, const picture *p,
                       double y[RJ_BANDS][RJ_BAND_NUMBERS])
{
    static const double usual[RJ_BAND_NUMBERS][2] = {
        {-0.8, 0.55}, {-3.8, 1.4}, {-3.8, 1.4}, {1.9, 0.6}, {-0.8, 0.3}, {0.25, 0.18},
        {0, 0.17},    {0, 0.15},   {-2, 0.8},   {0, 1},     {0.9, 0.15}, {0.9, 0.15}};
    static const double phase[RJ_BANDS][2] = {
        {0.035, 0.04}, {0.065, 0.055}, {0.11, 0.08}, {0.2, 0.14}};
    const rj_shape shape = rj_shape_plain(4, 1, COLOURS, p->h, p->w);
    rj_tensor *in[RJ_MAX_IN] = {0}, *out;
    rj_tape tape = {0};
    rj_pool *pool;
    rj_real seen[RJ_STATISTICS];

    OK(rj_pool_new(1, &pool));
    OK(rj_device_open(device, pool, &tape.dev));
    OK(rj_tensor_new(tape.dev, &tape.arena, &shape, false, &in[0]));
    OK(rj_tensor_write(tape.dev, in[0], p->x));
    OK(rj_apply(&tape, &rj_op_statistics, NULL, in, &out));
    ck_assert_int_eq(out->shape.dim[0], 1);
    ck_assert_int_eq(out->shape.dim[1], RJ_STATISTICS);
    OK(rj_tensor_read(tape.dev, out, seen));
    for (int i = 0; i < RJ_STATISTICS; i++) {
        const int l = i / RJ_BAND_NUMBERS, kind = i % RJ_BAND_NUMBERS;
        const double *u = kind == PHASE ? phase[l] : usual[kind];

        y[l][kind] = (double)seen[i] * u[1] + u[0];
    }
    y[RJ_BANDS - 1][FALL] = (double)seen[(RJ_BANDS - 1) * RJ_BAND_NUMBERS] * 1.8 + 4;
    rj_tape_free(&tape);
    rj_device_close(tape.dev);
    rj_pool_free(pool);
}

static void check_number(const char *device, double y[RJ_BANDS][RJ_BAND_NUMBERS], int l,
                         int i, double wanted, double off)
{
    ck_assert_msg(fabs(y[l][i] - wanted) <= off, "%s: number %d of band %d is %g, not %g",
                  device, i, l, y[l][i], wanted);
}

static rj_real *pixel(picture *p, int c, int y, int x)
{
    return p->x + ((size_t)c * (size_t)p->h + (size_t)y) * (size_t)p->w + (size_t)x;
}

/* Each pixel uniform in (-1,1), colours alike or each by itself. */
static void noisy(picture *p, int h, int w, bool alike)
{
    rj_random r = rj_random_start(11, RJ_STREAM_TEST, alike);

    *p = (picture){.h = h, .w = w};
    for (int c = 0; c < COLOURS; c++)
        for (int i = 0; i < h * w; i++)
            p->x[c * h * w + i] =
                c && alike ? p->x[i] : (rj_real)rj_random_uniform(&r, -1, 1);
}

START_TEST(a_constant_picture_has_no_detail)
{
    static picture p;
    double y[RJ_BANDS][RJ_BAND_NUMBERS];

    p = (picture){.h = 37, .w = 45};
    for (int i = 0; i < COLOURS * p.h * p.w; i++)
        p.x[i] = (rj_real)(i / (p.h * p.w)) / 4;
    for (int k = 0; k < RJ_COUNT(devices); k++) {
        numbers_of(devices[k], &p, y);
        for (int l = 0; l < RJ_BANDS; l++)
            for (int i = 0; i < RJ_BAND_NUMBERS; i++)
                check_number(devices[k], y, l, i,
                             i == PEAK                        ? log(3)
                             : i == FALL && l + 1 == RJ_BANDS ? log(e)
                                                              : 0,
                             1e-5);
    }
}
END_TEST

/* A checkerboard is all diagonal and gone once halved; of stripes neighbours along them
 * are alike, across them opposite. The blur takes all of either. */
static void check_pattern(bool board)
{
    static picture p;
    const double power = grey * grey / 4, log_power = log(power);
    double y[RJ_BANDS][RJ_BAND_NUMBERS];

    p = (picture){.h = 48, .w = 40};
    for (int c = 0; c < COLOURS; c++)
        for (int i = 0; i < p.h * p.w; i++)
            *pixel(&p, c, i / p.w, i % p.w) =
                (i % p.w + (board ? i / p.w : 0)) % 2 ? (rj_real)0.5 : (rj_real)-0.5;
    for (int k = 0; k < RJ_COUNT(devices); k++) {
        const char *at = devices[k];
        numbers_of(at, &p, y);
        check_number(at, y, 0, FALL, log_power - log(e), 1e-3);
        check_number(at, y, 0, BLUE, log(e) - log_power, 1e-3);
        check_number(at, y, 0, RED, log(e) - log_power, 1e-3);
        check_number(at, y, 0, PEAK, 0, 1e-3);
        check_number(at, y, 0, SPREAD, 0, 1e-3);
        check_number(at, y, 0, NEAR, board ? -1 : 0, 1e-3);
        check_number(at, y, 0, SLANT, board ? 1 : -1, 1e-3);
        check_number(at, y, 0, FAR, 1, 1e-3);
        check_number(at, y, 0, CHECKED,
                     board ? log(4 * power) - log(e) : log(e) - log(2 * power), 1e-3);
        check_number(at, y, 0, PHASE, 0, 1e-3);
        check_number(at, y, 0, RG, 1, 1e-3);
        check_number(at, y, 0, GB, 1, 1e-3);
        check_number(at, y, 1, FALL, 0, 1e-3);
        check_number(at, y, 3, FALL, log(e), 1e-3);
    }
}

START_TEST(boards_and_stripes_have_their_numbers)
{
    check_pattern(true);
    check_pattern(false);
}
END_TEST

/* Means of some 2^16 / 4^l numbers: off by about 2^-8 2^l, few of them by 6 times that.
 */
START_TEST(noise_has_the_correlations_of_the_filter)
{
    static picture p;
    double y[RJ_BANDS][RJ_BAND_NUMBERS];

    for (int alike = 0; alike < 2; alike++)
        for (int k = 0; k < RJ_COUNT(devices); k++) {
            const char *at = devices[k];
            noisy(&p, MOST, MOST, alike);
            numbers_of(at, &p, y);
            for (int l = 0; l < RJ_BANDS; l++) {
                const double off = 6 * ldexp(1, l - 8);
                if (l + 1 < RJ_BANDS)
                    check_number(at, y, l, FALL, log(4), 4 * off);
                check_number(at, y, l, NEAR, -0.15625 / 0.640625, off);
                check_number(at, y, l, SLANT, -0.0625 / 0.640625, off);
                check_number(at, y, l, FAR, 0.0234375 / 0.640625, off);
                check_number(at, y, l, CHECKED, 0, 4 * off);
                check_number(at, y, l, PHASE, 0, 4 * off);
                check_number(at, y, l, RG, alike, off);
                check_number(at, y, l, GB, alike, off);
                if (!alike) {
                    const double luma = 0.299 * 0.299 + 0.587 * 0.587 + 0.114 * 0.114;
                    check_number(at, y, l, BLUE, log(0.388208 / luma), 4 * off);
                    check_number(at, y, l, RED, log(0.431909 / luma), 4 * off);
                }
            }
            if (!alike)
                continue;
            // fourth moments of uniform numbers: 3 - 1.2 sum A^4 / (sum A^2)^2
            check_number(at, y, 0, PEAK, log(2.0718), 0.05);
            check_number(at, y, 3, FALL, log(grey * grey / 3 / 64 * 0.640625), 0.4);
            ck_assert(y[0][SPREAD] < 0 && y[0][BLUE] < -11 && y[0][RED] < -11);
        }
}
END_TEST

static void turned(const picture *from, bool over, bool across, bool transposed,
                   picture *to)
{
    *to = *from;
    for (int c = 0; c < COLOURS; c++)
        for (int y = 0; y < from->h; y++)
            for (int x = 0; x < from->w; x++) {
                const int v = over ? from->h - 1 - y : y,
                          u = across ? from->w - 1 - x : x;
                *pixel(to, c, transposed ? u : v, transposed ? v : u) =
                    from->x[(c * from->h + y) * from->w + x];
            }
}

/* Pairs are taken where all neighbours to the right and below are, so `near`, `slant` and
 * `far` stay only where a picture is transposed. */
START_TEST(pictures_turned_over_have_the_same_numbers)
{
    static picture p, q;
    double a[RJ_BANDS][RJ_BAND_NUMBERS], b[RJ_BANDS][RJ_BAND_NUMBERS];

    for (int k = 0; k < RJ_COUNT(devices); k++)
        for (int how = 1; how < 8; how++) {
            noisy(&p, 64, 64, false);
            turned(&p, how & 1, how & 2, how & 4, &q);
            numbers_of(devices[k], &p, a);
            numbers_of(devices[k], &q, b);
            for (int l = 0; l < RJ_BANDS; l++)
                for (int i = 0; i < RJ_BAND_NUMBERS; i++)
                    if (how == 4 || i < NEAR || i > FAR)
                        check_number(devices[k], b, l, i, a[l][i], 1e-4);
        }
}
END_TEST

START_TEST(a_blurred_picture_falls_further)
{
    static picture p, q;
    double sharp[RJ_BANDS][RJ_BAND_NUMBERS], blurred[RJ_BANDS][RJ_BAND_NUMBERS];

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        noisy(&p, 72, 64, false);
        q = p;
        for (int c = 0; c < COLOURS; c++)
            for (int y = 0; y + 1 < p.h; y++)
                for (int x = 0; x + 1 < p.w; x++)
                    *pixel(&q, c, y, x) =
                        (*pixel(&p, c, y, x) + *pixel(&p, c, y, x + 1) +
                         *pixel(&p, c, y + 1, x) + *pixel(&p, c, y + 1, x + 1)) /
                        4;
        numbers_of(devices[k], &p, sharp);
        numbers_of(devices[k], &q, blurred);
        ck_assert(blurred[0][FALL] < sharp[0][FALL] - 0.5);
        ck_assert(blurred[0][NEAR] > sharp[0][NEAR] + 0.1);
    }
}
END_TEST

/* Every other pixel of every other row, and nothing between. */
START_TEST(a_grid_of_period_two_shows_in_the_phases)
{
    static picture p;
    double y[RJ_BANDS][RJ_BAND_NUMBERS];

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        noisy(&p, 64, 80, true);
        for (int i = 0; i < COLOURS * p.h * p.w; i++)
            if (i % 2 || i / p.w % 2)
                p.x[i] = 0;
        numbers_of(devices[k], &p, y);
        // energies as 9/16, 1/32 twice, of two neighbours, and 1/64, of four
        check_number(devices[k], y, 0, PHASE, 1.381, 0.1);
        ck_assert(y[1][PHASE] < 0.2);
    }
}
END_TEST

enum { SIDE = 48, ROWS = 3, WIDTH = 128 };

/* h of ROWS noisy images by the encoder op by op or, if it is given, made ready. */
static void encode(rj_net *net, const rj_ready *ready, rj_device *dev, rj_real *h)
{
    const rj_shape shape = rj_shape_plain(4, ROWS, COLOURS, SIDE, SIDE);
    static float images[ROWS * COLOURS * SIDE * SIDE];
    rj_random r = rj_random_start(4, RJ_STREAM_TEST, 0);
    rj_tape tape = {.dev = dev, .frozen = true};
    rj_tensor *x, *out;

    for (int i = 0; i < RJ_COUNT(images); i++)
        images[i] = (float)rj_random_uniform(&r, -1, 1);
    if (ready) {
        OK(rj_ready_encode(ready, &tape, ROWS, SIDE, images, &out));
    } else {
        OK(rj_tensor_from(&tape, &shape, images, &x));
        OK(rj_net_encode(net, &tape, x, false, &out));
    }
    ck_assert_int_eq(out->shape.dim[1], WIDTH);
    OK(rj_tensor_read(dev, out, h));
    rj_tape_free(&tape);
}

START_TEST(the_encoder_made_ready_gives_what_it_gave_and_keeps_it)
{
    const rj_net_config config = {"statistics", "raw", 16};
    rj_real want[ROWS * WIDTH], got[ROWS * WIDTH], first[ROWS * WIDTH];

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        rj_ready *ready = NULL;
        rj_net *net = NULL;
        rj_device *dev;
        rj_pool *pool;

        OK(rj_pool_new(2, &pool));
        OK(rj_device_open(devices[k], pool, &dev));
        OK(rj_net_new(dev, &config, 3, true, &net));
        encode(net, NULL, dev, want);
        OK(rj_net_prepare(net, dev, SIDE, 16, &ready));
        for (int i = 0; i < rj_net_params(net)->n; i++) // what it was made from goes
            OK(rj_start_fill(rj_net_params(net), i, 0));
        encode(net, ready, dev, got);
        ck_assert_mem_eq(got, want, sizeof got);
        if (k == 0)
            memcpy(first, want, sizeof first);
        for (int i = 0; i < ROWS * WIDTH; i++) // the cpu adds up in another order
            ck_assert_double_eq_tol((double)want[i], (double)first[i], 1e-3);
        rj_ready_free(ready);
        rj_net_free(net);
        rj_device_close(dev);
        rj_pool_free(pool);
    }
}
END_TEST

START_TEST(the_encoder_has_two_layers_and_no_front_end)
{
    const rj_net_config config = {"statistics", "raw", 16},
                        behind = {"statistics", "haar", 16};
    rj_device *dev;
    rj_pool *pool;
    rj_net *net = NULL;

    OK(rj_pool_new(1, &pool));
    OK(rj_device_open("cpu", pool, &dev));
    FAILS(rj_net_new(dev, &behind, 3, true, &net), RIJ_E_ARGUMENT);
    ck_assert_ptr_null(net);
    OK(rj_net_new(dev, &config, 3, true, &net));
    ck_assert_int_ge(rj_params_find(rj_net_params(net), "encoder.weigh.0.weight"), 0);
    ck_assert_int_ge(rj_params_find(rj_net_params(net), "encoder.weigh.2.bias"), 0);
    ck_assert_int_eq(rj_net_features(net), WIDTH);
    rj_net_free(net);
    rj_device_close(dev);
    rj_pool_free(pool);
}
END_TEST

SUITE(statistics, the_encoder_made_ready_gives_what_it_gave_and_keeps_it,
      the_encoder_has_two_layers_and_no_front_end, a_constant_picture_has_no_detail,
      boards_and_stripes_have_their_numbers, noise_has_the_correlations_of_the_filter,
      pictures_turned_over_have_the_same_numbers, a_blurred_picture_falls_further,
      a_grid_of_period_two_shows_in_the_phases)
