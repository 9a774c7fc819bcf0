/* p-values: by hand, by simulation, and what answers and the strip make of them. */
#include "judge/judge.h"
#include "test.h"
#include <math.h>
#include <string.h>

static void add(rj_calibration *c, int label, int group, double softness, double margin)
{
    OK(rj_grow((void **)&c->row[label], &c->room[label], c->n[label] + 1,
               sizeof *c->row[label]));
    c->row[label][c->n[label]++] =
        (rj_calibration_row){group, (float)softness, (float)margin};
}

/* ---- by hand ---------------------------------------------------------------------- */

/* Photographs' softness 0 .. 8, of which 4 is the edge. */
static rj_calibration by_hand(void)
{
    rj_calibration c = {0};

    add(&c, RJ_REAL_LABEL, 0, 0, -2); // three rows of a group, two in bucket 0
    add(&c, RJ_REAL_LABEL, 0, 1, 1);
    add(&c, RJ_REAL_LABEL, 0, 4, 9);
    add(&c, RJ_REAL_LABEL, 1, 2, 0);
    add(&c, RJ_REAL_LABEL, 2, 3, -1);
    add(&c, RJ_REAL_LABEL, 2, 5, -1);
    add(&c, RJ_REAL_LABEL, 3, 6, -3);
    add(&c, RJ_REAL_LABEL, 3, 7, -3);
    add(&c, RJ_REAL_LABEL, 3, 8, -3);
    add(&c, RJ_FAKE_LABEL, 0, 0, 2);
    add(&c, RJ_FAKE_LABEL, 1, 2.9, 4);
    c.edge[0] = 4;
    c.softest = INFINITY;
    return c;
}

static void p_is(const rj_calibration *c, int label, double softness, double margin,
                 double p, double w)
{
    double weight;

    ck_assert_double_eq_tol(rj_conformal_p(c, label, softness, margin, &weight), p,
                            1e-15);
    ck_assert_double_eq_tol(weight, w, 1e-15);
}

START_TEST(p_values_weigh_rows_by_their_groups)
{
    rj_calibration c = by_hand();

    // in bucket 0 lie two of the three rows of group 0, that of 1, one of two of 2
    p_is(&c, RJ_REAL_LABEL, 2.5, 0, (1 + 4.0 / 3) / (1 + 13.0 / 6), 13.0 / 6);
    p_is(&c, RJ_REAL_LABEL, 2.5, 0.5, (1 + 1.0 / 3) / (1 + 13.0 / 6), 13.0 / 6);
    p_is(&c, RJ_REAL_LABEL, -9, 1.5, 1 / (1 + 13.0 / 6), 13.0 / 6);
    p_is(&c, RJ_REAL_LABEL, 4, 9, (1 + 1.0 / 3) / (1 + 11.0 / 6), 11.0 / 6);
    p_is(&c, RJ_REAL_LABEL, 99, -3, 1, 11.0 / 6);
    p_is(&c, RJ_FAKE_LABEL, 1, 2, 2.0 / 3, 2);
    p_is(&c, RJ_FAKE_LABEL, 1, 1.9, 1.0 / 3, 2);
    p_is(&c, RJ_FAKE_LABEL, 7, 1, 1, 0);
    rj_calibration_free(&c);
}
END_TEST

START_TEST(the_softest_photographs_count_on_their_own_too)
{
    rj_calibration c = by_hand();

    // of the softest one of two rows of group 2, all of 3: 0.6 is the smaller
    c.softest = 5;
    p_is(&c, RJ_REAL_LABEL, 5, -2, (1 + 5.0 / 6) / (1 + 11.0 / 6), 1.5);
    p_is(&c, RJ_REAL_LABEL, 4.9, -2, (1 + 5.0 / 6) / (1 + 11.0 / 6), 11.0 / 6);
    add(&c, RJ_REAL_LABEL, 4, 9, 5);
    add(&c, RJ_REAL_LABEL, 5, 9, 5);
    c.softest = 8.5F;
    p_is(&c, RJ_REAL_LABEL, 8.4, 6, (1 + 1.0 / 3) / (1 + 23.0 / 6), 23.0 / 6);
    p_is(&c, RJ_REAL_LABEL, 8.5, 6, 1.0 / 3, 2);
    p_is(&c, RJ_REAL_LABEL, 8.5, 5, 1, 2);
    add(&c, RJ_REAL_LABEL, 5, 9, 7); // by which the whole of group 5 is beyond 6
    p_is(&c, RJ_REAL_LABEL, 8.5, 6, 2.0 / 3, 2);
    p_is(&c, RJ_REAL_LABEL, 8.5, 7.1, 1.0 / 3, 2);
    p_is(&c, RJ_REAL_LABEL, 8.4, 6, (1 + 1.0 / 3 + 0.5) / (1 + 23.0 / 6), 23.0 / 6);
    add(&c, RJ_FAKE_LABEL, 2, 4, 0);
    p_is(&c, RJ_FAKE_LABEL, 9, 0, 1, 1); // generated images as ever
    rj_calibration_free(&c);
}
END_TEST

/* Two rows a group: softness 0, 1, .. */
START_TEST(the_softest_are_a_third_and_enough_for_an_answer)
{
    static const struct {
        int groups;
        float softest;
    } cases[] = {{37, INFINITY}, {40, INFINITY}, {41, 42}, {60, 80}, {61, 81}, {90, 120}};

    for (int k = 0; k < RJ_COUNT(cases); k++) {
        rj_calibration c = {0};

        for (int i = 0; i < 2 * cases[k].groups; i++)
            add(&c, RJ_REAL_LABEL, i / 2, i, 0);
        OK(rj_conformal_edges(&c));
        ck_assert_msg(c.softest == cases[k].softest, "%d groups: %g", cases[k].groups,
                      (double)c.softest);
        rj_calibration_free(&c);
    }
}
END_TEST

/* Two rows a group: softness 0, 1, .. */
START_TEST(few_photographs_are_not_parted_by_softness)
{
    for (int groups = 37; groups <= 38; groups++) {
        rj_calibration c = {0};

        for (int i = 0; i < 2 * groups; i++)
            add(&c, RJ_REAL_LABEL, i / 2, i, 0);
        OK(rj_conformal_edges(&c));
        ck_assert(groups == 37 ? isinf(c.edge[0]) : c.edge[0] == 38);
        p_is(&c, RJ_REAL_LABEL, 75, 1, groups == 37 ? 1.0 / 38 : 1.0 / 20,
             groups == 37 ? 37 : 19);
        rj_calibration_free(&c);
    }
}
END_TEST

START_TEST(answers_need_one_unusual_class)
{
    static const rij_answer U = RIJ_ANSWER_UNSURE, R = RIJ_ANSWER_REAL,
                            G = RIJ_ANSWER_GENERATED;
    static const struct {
        double level, real;
    } bars[] = {{0.01, 0.03}, {0.05, 0.15}, {0.1, 0.15}, {0.3, 0.3}};
    const struct {
        int n;
        rij_answer alone[7], answer;
        int contradictions;
    } strips[] = {
        {1, {G}, G, 0},
        {7, {G, G, G, U, U, G, G}, G, 0},
        {7, {G, R, G, G, G, R, U}, U, 2},
        {7, {R, G, R, R, R, R, R}, U, 1},
        {7, {U, G, R, G, R, G, R}, U, 0},
        {7, {R, U, U, U, U, U, U}, R, 0},
    };

    ck_assert_int_eq(rj_conformal_answer(0.05, 0.5, 0.05, false), G);
    ck_assert_int_eq(rj_conformal_answer(0.051, 0.5, 0.05, false), U);
    ck_assert_int_eq(rj_conformal_answer(0.04, 0.06, 0.05, false), G);
    ck_assert_int_eq(rj_conformal_answer(0.5, 0.14, 0.05, false), R);
    ck_assert_int_eq(rj_conformal_answer(0.5, 0.16, 0.05, false), U);
    ck_assert_int_eq(rj_conformal_answer(0.06, 0.01, 0.05, false), R);
    for (int i = 0; i < RJ_COUNT(bars); i++) {
        const double a = bars[i].level, bar = bars[i].real;

        ck_assert_int_eq(rj_conformal_answer(0.6, bar - 1e-9, a, false), R);
        ck_assert_int_eq(rj_conformal_answer(0.6, bar + 1e-9, a, false), U);
        ck_assert_int_eq(rj_conformal_answer(0.6, a, a, true), R);
        ck_assert_int_eq(rj_conformal_answer(0.6, a + 1e-9, a, true), U);
    }
    ck_assert_int_eq(rj_conformal_answer(0.01, 0.01, 0.05, false), U); // like neither
    for (int i = 0; i < RJ_COUNT(strips); i++) {
        int contrary = -1;

        ck_assert_int_eq(rj_strip_answer(strips[i].n, strips[i].alone, &contrary),
                         strips[i].answer);
        ck_assert_int_eq(contrary, strips[i].contradictions);
    }
}
END_TEST

/* ---- the promise ------------------------------------------------------------------ */

/* A photograph's rows by one of two laws. SHARED: margins share what is the photograph's
 * own and rise with softness, so that without buckets soft ones would be called
 * generated. SHARP: a quarter of the photographs keep all rows among the sharp ones, at
 * high margins; of the others one row is there. */
enum law { SHARED, SHARP, LAWS };

static void draw(rj_random *r, enum law law, int rows, double *softness, double *margin)
{
    const bool sharp = rj_random_below(r, 4) == 0;
    float z[2];

    rj_random_normals(r, 2, z);
    for (int i = 0; i < rows; i++) {
        softness[i] = rj_random_uniform(r, 0, 3) + 0.5 * (double)z[1];
        margin[i] = (double)z[0] + rj_random_uniform(r, -0.5, 0.5) + softness[i];
        if (law == SHARP) {
            softness[i] = sharp || i == 0 ? rj_random_uniform(r, 0, 1) : 2 + i % 2;
            margin[i] = (double)z[0] + (sharp ? 3 : 0);
        }
    }
}

/* Of `rounds` calibrations of `groups`, each asked about one new photograph, the share
 * with p_real <= a; and of photographs that are among the softest. */
static double alarms(enum law law, int rounds, int groups, int rows, double a,
                     double *softest)
{
    double softness[8], margin[8];
    int n = 0, soft = 0, soft_n = 0;

    for (int k = 0; k < rounds; k++) {
        rj_random r = rj_random_start(77, RJ_STREAM_TEST, (uint64_t)k);
        rj_calibration c = {0};
        int which, alarm;

        for (int i = 0; i < groups; i++) {
            draw(&r, law, rows, softness, margin);
            for (int j = 0; j < rows; j++)
                add(&c, RJ_REAL_LABEL, i, softness[j], margin[j]);
        }
        OK(rj_conformal_edges(&c));
        draw(&r, law, rows, softness, margin);
        which = rj_random_below(&r, rows);
        alarm =
            rj_conformal_p(&c, RJ_REAL_LABEL, softness[which], margin[which], NULL) <= a;
        n += alarm;
        soft += softness[which] >= (double)c.softest;
        soft_n += alarm && softness[which] >= (double)c.softest;
        rj_calibration_free(&c);
    }
    *softest = soft ? (double)soft_n / soft : 0;
    return (double)n / rounds;
}

START_TEST(photographs_are_called_generated_as_often_as_promised)
{
    enum { ROUNDS = SANITIZED ? 400 : 4000 };
    static const double level[] = {0.05, 0.1, 0.3};

    for (int k = 0; k < LAWS * RJ_COUNT(level) * 2; k++) {
        const enum law law = (enum law)(k % LAWS);
        const double a = level[k / LAWS % RJ_COUNT(level)];
        const int rows = k / LAWS / RJ_COUNT(level) ? 7 : 1;
        double softest;
        const double share = alarms(law, ROUNDS, 150, rows, a, &softest);
        const double off = 3.3 * sqrt(a * (1 - a) / ROUNDS); // 1 in 1000

        ck_assert_msg(share <= a + off, "law %d, %d rows: %g for %g", law, rows, share,
                      a);
        // a third of the rounds or more ask about one of the softest
        ck_assert_msg(softest <= a + sqrt(3) * off, "law %d, %d rows, softest: %g for %g",
                      law, rows, softest, a);
        // nor is the promise kept by never saying it: p-values of single rows are
        // uniform on steps of about 1 / 75
        ck_assert_msg(share >= (rows == 1 ? a - 0.022 : a / 2) - off,
                      "law %d, %d rows: %g for %g", law, rows, share, a);
    }
}
END_TEST

/* ---- softness --------------------------------------------------------------------- */

/* rgb of a picture whose pixels are f(x, y). */
static rj_image picture(int w, int h, int (*f)(int x, int y))
{
    rj_image image = {0};

    OK(rj_image_new(w, h, &image));
    for (int i = 0; i < w * h * 3; i++)
        image.rgb[i] = (uint8_t)f(i / 3 % w, i / 3 / w);
    return image;
}

static int flat(int x, int y)
{
    (void)x, (void)y;
    return 90;
}

static int checks(int x, int y)
{
    return 100 + 50 * ((x + y) % 2);
}

static int stripes(int x, int y)
{
    (void)y;
    return 100 + 64 * (x / 2 % 2);
}

static double softness_of(int w, int h, int (*f)(int x, int y))
{
    rj_image image = picture(w, h, f);
    double softness = NAN;

    OK(rj_softness(&image, &softness));
    rj_image_free(&image);
    return softness;
}

START_TEST(softness_weighs_coarse_against_fine)
{
    ck_assert_double_eq_tol(softness_of(40, 30, flat), 0, 1e-6);
    // r_0 = +-25 everywhere (1 2 1)/4 of +-25 is 0; the half-size is flat
    ck_assert_double_eq_tol(softness_of(40, 30, checks), log2(0.02 / 625.02), 1e-4);
    // stripes of two pixels: r_0 = +-16 (a quarter of the step); half-size: stripes of
    // one, r_1 = +-32
    ck_assert_double_eq_tol(softness_of(64, 64, stripes), log2(1024.02 / 256.02), 1e-4);
    // the middle of a large picture is what counts
    ck_assert_double_eq_tol(softness_of(700, 400, stripes), log2(1024.02 / 256.02), 1e-4);
    ck_assert_double_eq_tol(softness_of(3, 2, checks), 0, 1e-6); // no inside
}
END_TEST

SUITE(conformal, p_values_weigh_rows_by_their_groups,
      the_softest_photographs_count_on_their_own_too,
      the_softest_are_a_third_and_enough_for_an_answer,
      few_photographs_are_not_parted_by_softness, answers_need_one_unusual_class,
      photographs_are_called_generated_as_often_as_promised,
      softness_weighs_coarse_against_fine)
