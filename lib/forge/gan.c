/* gan.c: an auto-encoder that also has to deceive a second network.
 *
 *     generator       the auto-encoder `nearest` of two halvings, 16 channels between
 *     discriminator   conv 3x3 stride 2 3->16, conv 3x3 stride 2 16->32, conv 3x3 32->32,
 *                     conv 3x3 32->1, a leaky relu 0.2 between: one number for every
 *                     4 x 4 pixels, from 19 x 19 of them
 *
 * For the first half of the steps the generator only reconstructs. Then its loss gets
 * 0.04 h(D(y) - 1), and after every step of it the discriminator makes one down
 * h(D(x) - 1) + h(D(y) + 1), h(d) = mean(sqrt(d^2 + 1) - 1): least squares (Mao et al.
 * 2017) with a Huber's tails, on patches (Isola et al. 2017). */
#include "forge/forge.h"

#include <stdio.h>

enum { LATENT = 16, WIDTH = 16, LAYERS = 4 };
static const double RATE = 2e-3, JUDGE_RATE = 1e-3, SMOOTH = 1, WEIGHT = 0.04;
static const double SLOPE = 0.2;

typedef struct gan {
    rj_autoencoder *a;
    rj_params judge; /* the discriminator's */
    rj_conv_layer layer[LAYERS];
    int judged;   /* steps the discriminator has made */
    rj_tensor *x; /* of this step, on the tape */
    rj_tensor *y;
} gan;

static bool adversarial(const rj_windows *w)
{
    return w->step >= w->steps / 2;
}

static rij_status judge(gan *g, rj_tape *tape, rj_tensor *x, rj_tensor **y)
{
    const rj_add_par leaky = {SLOPE, 1 - SLOPE};
    rj_tensor *t = x, *positive;

    for (int i = 0; i < LAYERS; i++) {
        if (i > 0) {
            RJ_TRY(rj_relu_run(tape, t, &positive));
            RJ_TRY(rj_apply(tape, &rj_op_add, &leaky, (rj_tensor *[]){t, positive}, &t));
        }
        RJ_TRY(rj_conv_run(&g->judge, tape, &g->layer[i], t, &t));
    }
    *y = t;
    return RIJ_OK;
}

/* h(D(x) - wanted). */
static rij_status distance(gan *g, rj_tape *tape, rj_tensor *x, float wanted,
                           rj_tensor **loss)
{
    const rj_absdiff_par smooth = {SMOOTH};
    rj_tensor *said, *target;
    size_t n;
    float *all;

    RJ_TRY(judge(g, tape, x, &said));
    n = rj_count(&said->shape);
    all = rj_arena_take_raw(&tape->arena, n, sizeof *all);
    RJ_REQUIRE(all, RIJ_E_MEMORY, "gan: no memory for %zu numbers", n);
    for (size_t i = 0; i < n; i++)
        all[i] = wanted;
    RJ_TRY(rj_tensor_from(tape, &said->shape, all, &target));
    return rj_apply(tape, &rj_op_absdiff, &smooth, (rj_tensor *[]){said, target}, loss);
}

static rij_status make_loss(void *model, rj_tape *tape, rj_windows *w, rj_tensor **loss)
{
    const rj_shape shape = rj_shape_picture(w->n, 3, w->side, w->side);
    const rj_add_par sum = {1, WEIGHT};
    rj_tensor *found, *same;
    gan *g = model;

    RJ_TRY(rj_tensor_from(tape, &shape, w->x, &g->x));
    RJ_TRY(rj_autoencoder_run(g->a, tape, g->x, &g->y));
    if (!adversarial(w))
        return rj_reconstruction_loss(tape, g->y, g->x, loss);
    RJ_TRY(rj_reconstruction_loss(tape, g->y, g->x, &same));
    RJ_TRY(distance(g, tape, g->y, 1, &found));
    return rj_apply(tape, &rj_op_add, &sum, (rj_tensor *[]){same, found}, loss);
}

/* The discriminator's step, on the pictures of the generator's. */
static rij_status teach_judge(void *model, rj_tape *tape, rj_windows *w, double rate)
{
    const rj_add_par sum = {1, 1};
    rj_tensor *real, *fake, *loss, *y;
    gan *g = model;
    double value;
    rj_real *host;
    float *made;
    size_t n;

    if (!adversarial(w))
        return RIJ_OK;
    n = rj_count(&g->y->shape);
    host = rj_arena_take_raw(&tape->arena, n, sizeof *host);
    made = rj_arena_take_raw(&tape->arena, n, sizeof *made);
    RJ_REQUIRE(host && made, RIJ_E_MEMORY, "gan: no memory for %zu numbers", n);
    RJ_TRY(rj_tensor_read(tape->dev, g->y, host));
    for (size_t i = 0; i < n; i++)
        made[i] = (float)host[i];
    // a constant: the generator has made its step
    RJ_TRY(rj_tensor_from(tape, &g->y->shape, made, &y));
    tape->n = 0;
    RJ_TRY(distance(g, tape, g->x, 1, &real));
    RJ_TRY(distance(g, tape, y, -1, &fake));
    RJ_TRY(rj_apply(tape, &rj_op_add, &sum, (rj_tensor *[]){real, fake}, &loss));
    return rj_forge_learn(tape, &g->judge, loss, rate * JUDGE_RATE / RATE, g->judged++,
                          &value);
}

static void close_model(void *model)
{
    gan *g = model;

    if (g) {
        rj_autoencoder_free(g->a);
        rj_params_free(&g->judge);
    }
    rj_free(g);
}

static rij_status new_judge(gan *g, uint64_t seed)
{
    static const int channels[LAYERS + 1] = {3, 16, 32, 32, 1};

    for (int i = 0; i < LAYERS; i++) {
        char name[RJ_NAME_MAX];

        snprintf(name, sizeof name, "judge.conv%d", i);
        RJ_TRY(rj_conv_new(&g->judge, seed, name, channels[i], channels[i + 1], 3,
                           i < 2 ? 2 : 1, 1, true, &g->layer[i]));
    }
    return RIJ_OK;
}

static rij_status open_model(rj_device *dev, int which, uint64_t seed, void **model)
{
    const rj_autoencoder_config config = {RJ_DECODER_NEAREST, 2, LATENT, WIDTH};
    gan *g = rj_alloc(1, sizeof *g);
    rij_status status;

    (void)which;
    RJ_REQUIRE(g, RIJ_E_MEMORY, "gan: no memory");
    g->judge.dev = dev;
    status = rj_autoencoder_new(dev, &config, seed, &g->a);
    if (status == RIJ_OK)
        status = new_judge(g, seed + 1);
    if (status == RIJ_OK)
        *model = g;
    else
        close_model(g);
    return status;
}

static rij_status train(void *model, const rj_lesson *lesson)
{
    gan *g = model;
    const rj_course course = {g, rj_autoencoder_params(g->a), RATE, make_loss,
                              teach_judge};

    return rj_lesson_run(lesson, &course);
}

static rij_status make(void *model, int how, rj_tape *tape, const rj_image *const *parent,
                       const uint64_t *seed, int n, rj_image *child)
{
    const gan *g = model;

    (void)how;
    (void)seed;
    return rj_network_apply(rj_autoencoder_run, g->a, tape, RJ_AUTOENCODER_BORDER, parent,
                            n, child);
}

const rj_kind rj_kind_gan = {open_model, train, make, close_model};
