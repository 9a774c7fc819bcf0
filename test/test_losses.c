/* The losses: what must hold whatever the numbers are, and numbers from PyTorch. */
#include "op/op.h"
#include "test.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_ROWS = 128, MOST = MOST_ROWS * MOST_ROWS };

static const bool is_double = sizeof(rj_real) == sizeof(double);
static const char *const devices[] = {"ref", "cpu"};

/* A contrastive loss of given rows, before normalisation, and all it leaves. */
typedef struct problem {
    const char *device;
    int m, d, df;
    double tau, tau_s, alpha, beta;
    rj_real u[MOST], label[MOST_ROWS], pair[MOST_ROWS], role[MOST_ROWS],
        weight[MOST_ROWS];
    rj_real f[MOST];
    /* results */
    double loss;
    rj_real z[MOST], g[MOST], du[MOST];
} problem;

static rj_tensor *tensor_of(rj_tape *tape, rj_shape shape, const rj_real *x, bool learn)
{
    rj_tensor *t;

    OK(rj_tensor_new(tape->dev, &tape->arena, &shape, learn, &t));
    OK(rj_tensor_write(tape->dev, t, x));
    return t;
}

/* loss = contrast(l2norm(u)); G is what the op keeps. */
static void solve(problem *p)
{
    const rj_contrast_par par = {p->tau, p->tau_s, p->alpha, p->beta};
    const rj_shape row = rj_shape_plain(1, p->m, 0, 0, 0);
    rj_tensor *in[RJ_MAX_IN] = {0}, *u, *loss;
    rj_tape tape = {0};
    rj_pool *pool;
    double value;

    OK(rj_pool_new(2, &pool));
    OK(rj_device_open(p->device, pool, &tape.dev));
    u = tensor_of(&tape, rj_shape_plain(2, p->m, p->d, 0, 0), p->u, true);
    OK(rj_apply(&tape, &rj_op_l2norm, NULL, &u, &in[0]));
    in[1] = tensor_of(&tape, row, p->label, false);
    in[2] = tensor_of(&tape, row, p->pair, false);
    in[3] = tensor_of(&tape, row, p->role, false);
    in[4] = tensor_of(&tape, row, p->weight, false);
    if (p->df)
        in[5] = tensor_of(&tape, rj_shape_plain(2, p->m, p->df, 0, 0), p->f, false);
    OK(rj_apply(&tape, &rj_op_contrast, &par, in, &loss));
    OK(rj_tensor_scalar(tape.dev, loss, &value));
    p->loss = value;
    memcpy(p->g, tape.call[1].saved, (size_t)(p->m * p->m) * sizeof *p->g);
    OK(rj_tensor_read(tape.dev, in[0], p->z));
    OK(rj_backward(&tape, loss));
    memcpy(p->du, u->g, (size_t)(p->m * p->d) * sizeof *p->du);
    rj_tape_free(&tape);
    rj_device_close(tape.dev);
    rj_pool_free(pool);
}

/* m rows: images in pairs, the first half of each view real, then `traces` traces. */
static void usual(problem *p, const char *device, int images, int traces, double alpha,
                  double beta, bool with_f)
{
    rj_random r = rj_random_start(3, RJ_STREAM_TEST, 5);
    const int half = images / 2;

    memset(p, 0, sizeof *p);
    *p = (problem){
        .device = device, .m = images + traces, .d = 16, .tau = 0.1, .tau_s = 0.2};
    p->df = with_f ? 8 : 0;
    p->alpha = alpha;
    p->beta = beta;
    for (int i = 0; i < p->m * p->d; i++)
        p->u[i] = (rj_real)rj_random_normal(&r);
    for (int i = 0; i < p->m * p->df; i++)
        p->f[i] = (rj_real)rj_random_uniform(&r, -0.35, 0.35);
    for (int i = 0; i < p->m; i++) {
        const bool trace = i >= images;
        p->label[i] = !trace && i % half >= half / 2;
        p->pair[i] = trace ? -1 : (rj_real)(i < half ? i + half : i - half);
        p->role[i] = trace ? RJ_ROLE_TRACE : RJ_ROLE_IMAGE;
        p->weight[i] = trace ? (rj_real)0.2 / (rj_real)traces
                             : (rj_real)(traces ? 0.8 : 1) / (rj_real)images;
    }
}

static double near(double a)
{
    return is_double ? 1e-12 * fmax(fabs(a), 1) : 2e-5 * fmax(fabs(a), 1);
}

START_TEST(rows_of_g_sum_to_zero_and_u_feels_no_radial_pull)
{
    static problem p;

    for (int k = 0; k < RJ_COUNT(devices); k++)
        for (int soft = 0; soft < 2; soft++) {
            usual(&p, devices[k], 16, 2, soft ? 0.5 : -1, soft ? 0.5 : -1, soft);
            solve(&p);
            for (int a = 0; a < p.m; a++) {
                double sum = 0, radial = 0;
                for (int c = 0; c < p.m; c++)
                    sum += (double)p.g[a * p.m + c];
                for (int j = 0; j < p.d; j++)
                    radial += (double)p.u[a * p.d + j] * (double)p.du[a * p.d + j];
                ck_assert_double_lt(fabs(sum), near(0));
                ck_assert_double_lt(fabs(radial), near(0));
            }
        }
}
END_TEST

START_TEST(scaling_the_rows_changes_nothing)
{
    static problem p, q;

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        usual(&p, devices[k], 16, 2, 0.5, 0.5, true);
        q = p;
        for (int i = 0; i < q.m * q.d; i++)
            q.u[i] *= 4;
        solve(&p);
        solve(&q);
        ck_assert_double_lt(fabs(p.loss - q.loss), near(p.loss));
    }
}
END_TEST

/* Row i of q is row m-1-i of p, pairs renumbered alike. */
static void turn_round(const problem *p, problem *q)
{
    *q = *p;
    for (int i = 0; i < p->m; i++) {
        const int j = p->m - 1 - i;
        memcpy(q->u + i * p->d, p->u + j * p->d, (size_t)p->d * sizeof *q->u);
        memcpy(q->f + i * p->df, p->f + j * p->df, (size_t)p->df * sizeof *q->f);
        q->label[i] = p->label[j];
        q->role[i] = p->role[j];
        q->weight[i] = p->weight[j];
        q->pair[i] = p->pair[j] < 0 ? -1 : (rj_real)(p->m - 1) - p->pair[j];
    }
}

START_TEST(permuting_the_rows_permutes_the_gradient)
{
    static problem p, q;

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        usual(&p, devices[k], 16, 2, 0.5, 0.5, true);
        turn_round(&p, &q);
        solve(&p);
        solve(&q);
        ck_assert_double_lt(fabs(p.loss - q.loss), near(p.loss));
        for (int i = 0; i < p.m * p.d; i++) {
            const int j = (p.m - 1 - i / p.d) * p.d + i % p.d;
            ck_assert_double_lt(fabs((double)q.du[i] - (double)p.du[j]), near(0));
        }
    }
}
END_TEST

START_TEST(equal_embeddings_give_the_logarithm_of_the_competitors)
{
    static problem p;

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        usual(&p, devices[k], 64, 0, -1, -1, false);
        for (int i = 0; i < p.m * p.d; i++)
            p.u[i] = 1;
        for (int i = 0; i < p.m; i++)
            p.label[i] = 0;
        solve(&p);
        // p is uniform over the other 63: the bound of the collapsed head
        ck_assert_double_lt(fabs(p.loss - log(63)), near(p.loss));
    }
}
END_TEST

START_TEST(without_negatives_of_their_kind_collapse_pays)
{
    // 64 real rows a and 64 rows b that only push, all at right angles: log(63 + 64).
    // With all a alike log(63 + 64 exp(-1 / tau)), which is less: stage 1 needs rows c
    static problem p;

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        usual(&p, devices[k], 128, 0, -1, -1, false);
        p.d = 128;
        memset(p.u, 0, sizeof p.u);
        for (int i = 0; i < p.m; i++) {
            p.label[i] = i < 64 ? 0 : 2;
            p.weight[i] = i < 64 ? (rj_real)1 / 64 : 0;
            p.u[i * p.d + i] = 1;
        }
        solve(&p);
        ck_assert_double_lt(fabs(p.loss - 4.8442), 1e-4);
        ck_assert_double_lt(fabs(p.loss - log(63 + 64)), near(p.loss));
        for (int i = 0; i < 64; i++) {
            p.u[i * p.d + i] = 0;
            p.u[i * p.d] = 1;
        }
        solve(&p);
        ck_assert_double_lt(fabs(p.loss - 4.1432), 1e-4);
        ck_assert_double_lt(fabs(p.loss - log(63 + 64 * exp(-10))), near(p.loss));
    }
}
END_TEST

START_TEST(the_soft_loss_in_its_limit_is_the_extended_one)
{
    static problem soft, extended;
    const double reals = 8, traces = 2;

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        usual(&extended, devices[k], 16, 2, -1, -1, false);
        usual(&soft, devices[k], 16, 2, traces / (traces + reals - 1), 1, true);
        soft.tau_s = 1e9;
        solve(&extended);
        solve(&soft);
        ck_assert_double_lt(fabs(extended.loss - soft.loss), 1e-6 + near(soft.loss));
        for (int i = 0; i < soft.m * soft.m; i++)
            ck_assert_double_lt(fabs((double)extended.g[i] - (double)soft.g[i]),
                                1e-8 + near(0));
    }
}
END_TEST

/* Two problems that must come to the same loss and the same gradient. */
static void check_alike(problem *p, problem *q)
{
    solve(p);
    solve(q);
    ck_assert(isfinite(p->loss));
    ck_assert_double_lt(fabs(p->loss - q->loss), near(p->loss));
    for (int i = 0; i < p->m * p->d; i++)
        ck_assert_double_lt(fabs((double)p->du[i] - (double)q->du[i]), near(0));
}

START_TEST(one_positive_each_gives_nt_xent)
{
    static problem p, q;

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        // two reals and two fakes: SupCon's only positive is NT-Xent's other view
        usual(&p, devices[k], 4, 0, -1, -1, false);
        q = p;
        q.alpha = q.beta = 0;
        for (int i = 0; i < q.m; i++)
            q.label[i] = 1;
        check_alike(&p, &q);
    }
}
END_TEST

START_TEST(an_empty_part_leaves_its_share_to_the_other)
{
    static problem p, q;

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        usual(&p, devices[k], 12, 0, 0.5, 0.5, true); // no traces
        q = p;
        q.alpha = 0;
        check_alike(&p, &q);
        usual(&p, devices[k], 12, 2, 0.3, 0.5, true); // a real image alone
        for (int i = 1; i < 12; i++)
            p.label[i] = 1;
        q = p;
        q.alpha = 1;
        check_alike(&p, &q);
        usual(&p, devices[k], 12, 2, 0.5, 0.5, true); // no other views
        for (int i = 0; i < p.m; i++)
            p.pair[i] = -1;
        q = p;
        q.beta = 1;
        check_alike(&p, &q);
    }
}
END_TEST

START_TEST(rows_of_other_labels_push_and_are_no_anchors)
{
    static problem p, q;
    double push = 0;

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        usual(&p, devices[k], 16, 2, 0.5, 0.5, true);
        for (int i = 0; i < 4; i++)
            p.label[i] = 2;
        q = p;
        for (int i = 0; i < 4; i++)
            q.weight[i] = 0; // theirs counts for nothing, so it is not given to others
        check_alike(&p, &q);
        for (int c = 0; c < 4 * p.m; c++)
            ck_assert(p.g[c] == 0);
        for (int j = 0; j < 4 * p.d; j++)
            push = fmax(push, fabs((double)p.du[j]));
        ck_assert_double_gt(push, 1e-4);
    }
}
END_TEST

START_TEST(no_anchor_at_all_is_no_loss)
{
    static problem p;

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        usual(&p, devices[k], 8, 0, 0.5, 0, true);
        for (int i = 0; i < p.m; i++) {
            p.label[i] = 1;
            p.pair[i] = -1;
        }
        solve(&p);
        ck_assert(p.loss == 0);
        for (int i = 0; i < p.m * p.d; i++)
            ck_assert(p.du[i] == 0);
    }
}
END_TEST

START_TEST(low_temperatures_and_equal_rows_stay_finite)
{
    static problem p;

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        usual(&p, devices[k], 16, 2, 0.5, 0.5, true);
        p.tau = p.tau_s = 0.005;
        memcpy(p.u + p.d, p.u,
               (size_t)p.d * sizeof *p.u); // cosine 1 beside cosines near 0
        solve(&p);
        ck_assert(isfinite(p.loss) && p.loss > 0 && p.loss < 2 / p.tau);
        for (int i = 0; i < p.m * p.d; i++)
            ck_assert(isfinite(p.du[i]));
    }
}
END_TEST

START_TEST(an_anchor_without_a_positive_is_left_out)
{
    static problem p, q;

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        usual(&p, devices[k], 8, 0, -1, -1, false);
        for (int i = 0; i < p.m; i++)
            p.label[i] = i == 0; // one fake alone
        q = p;
        q.weight[0] = 0; // the same, said aloud; the others keep the whole weight
        for (int i = 1; i < q.m; i++)
            q.weight[i] = (rj_real)1 / 7;
        solve(&p);
        solve(&q);
        ck_assert_double_lt(fabs(p.loss - q.loss), near(p.loss));
        ck_assert(isfinite(p.loss));
        for (int c = 0; c < p.m; c++)
            ck_assert(p.g[c] == 0);
    }
}
END_TEST

START_TEST(the_classifier_loss_does_not_overflow)
{
    static const rj_real logit[] = {10000, -10000, 10000, -10000}, label[] = {0, 1, 1, 0};

    for (int k = 0; k < RJ_COUNT(devices); k++) {
        rj_tensor *in[2], *loss;
        rj_tape tape = {0};
        rj_pool *pool;
        double value;
        OK(rj_pool_new(1, &pool));
        OK(rj_device_open(devices[k], pool, &tape.dev));
        in[0] = tensor_of(&tape, rj_shape_plain(2, 4, 1, 0, 0), logit, true);
        in[1] = tensor_of(&tape, rj_shape_plain(1, 4, 0, 0, 0), label, false);
        OK(rj_apply(&tape, &rj_op_bce, NULL, in, &loss));
        OK(rj_tensor_scalar(tape.dev, loss, &value));
        OK(rj_backward(&tape, loss));
        ck_assert(value == 5000); // two wrong by 10000, two right
        ck_assert(in[0]->g[0] == (rj_real)0.25 && in[0]->g[1] == (rj_real)-0.25);
        ck_assert(in[0]->g[2] == 0 && in[0]->g[3] == 0);
        rj_tape_free(&tape);
        rj_device_close(tape.dev);
        rj_pool_free(pool);
    }
}
END_TEST

static const struct golden {
    const char *name;
    int m, d, df;
    double tau, tau_s, alpha, beta, loss;
    double u[84], label[14], pair[14], role[14], weight[14], f[70], du[84];
} golden[] = {
#include "golden/contrast.inc"
};

static void fill(rj_real *to, const double *from, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = (rj_real)from[i];
}

START_TEST(losses_and_gradients_are_those_of_pytorch)
{
    const double bound = is_double ? 1e-12 : 1e-5;
    static problem p;

    for (int k = 0; k < RJ_COUNT(devices); k++)
        for (int i = 0; i < RJ_COUNT(golden); i++) {
            const struct golden *g = &golden[i];
            double most = 0;
            memset(&p, 0, sizeof p);
            p = (problem){.device = devices[k], .m = g->m, .d = g->d, .df = g->df};
            p.tau = g->tau;
            p.tau_s = g->tau_s;
            p.alpha = g->alpha;
            p.beta = g->beta;
            fill(p.u, g->u, g->m * g->d);
            fill(p.label, g->label, g->m);
            fill(p.pair, g->pair, g->m);
            fill(p.role, g->role, g->m);
            fill(p.weight, g->weight, g->m);
            fill(p.f, g->f, g->m * g->df);
            solve(&p);
            ck_assert_msg(fabs(p.loss - g->loss) < bound * fabs(g->loss),
                          "%s on %s: %.15g, not %.15g", g->name, devices[k], p.loss,
                          g->loss);
            for (int j = 0; j < g->m * g->d; j++)
                most = fmax(most, fabs(g->du[j]));
            for (int j = 0; j < g->m * g->d; j++)
                ck_assert_msg(fabs((double)p.du[j] - g->du[j]) < bound * most,
                              "%s on %s: du[%d] %.15g, not %.15g", g->name, devices[k], j,
                              (double)p.du[j], g->du[j]);
        }
}
END_TEST

SUITE(losses, rows_of_g_sum_to_zero_and_u_feels_no_radial_pull,
      scaling_the_rows_changes_nothing, permuting_the_rows_permutes_the_gradient,
      equal_embeddings_give_the_logarithm_of_the_competitors,
      without_negatives_of_their_kind_collapse_pays,
      the_soft_loss_in_its_limit_is_the_extended_one, one_positive_each_gives_nt_xent,
      an_empty_part_leaves_its_share_to_the_other,
      rows_of_other_labels_push_and_are_no_anchors, no_anchor_at_all_is_no_loss,
      low_temperatures_and_equal_rows_stay_finite, the_classifier_loss_does_not_overflow,
      an_anchor_without_a_positive_is_left_out, losses_and_gradients_are_those_of_pytorch)
