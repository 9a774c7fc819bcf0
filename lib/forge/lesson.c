/* lesson.c: the training loop of every kind of model that forges, and the loss of those
 * that reconstruct.
 *
 * A step takes 12 random windows of 64 x 64 pixels, asks the model for its loss on the
 * tape, and makes one step of AdamW without decay, after a short warm-up at a rate that
 * falls by half a cosine. A batch is drawn in the caller's thread from (seed, step), so
 * that nothing depends on the number of threads.
 *
 *     reconstruction   L = mean |y - x| + 2 mean |lap y - lap x|
 *
 * lap is a picture minus its mean over 3 x 3 pixels (op/residual.c, "laplace"), so the
 * second term asks for the finest band, which the first alone would let go. */
#include "forge/forge.h"

#include <math.h>

enum { BATCH = 12, WINDOW = 64, SMALLEST = 16 };

/* Smoothing of |d| at zero, in picture units: a hundredth of a grey level. */
static const double EPS = 1e-4;
static const double WARM_UP = 0.05, FINEST = 2;

static float unit(uint8_t value)
{
    return ((float)value - 127.5f) / 127.5f;
}

/* One window of the batch: random picture, place and flip -> planes (3,side,side). */
static void draw_window(const rj_image *picture, int n, int side, rj_random *r, float *x)
{
    const rj_image *p = &picture[rj_random_below(r, n)];
    const int left = rj_random_below(r, p->w - side + 1);
    const int top = rj_random_below(r, p->h - side + 1);
    const bool flip = rj_random_below(r, 2) == 1;

    for (int c = 0; c < 3; c++)
        for (int i = 0; i < side; i++) {
            const uint8_t *row =
                p->rgb + ((size_t)(top + i) * (size_t)p->w + (size_t)left) * 3 + c;

            for (int j = 0; j < side; j++)
                *x++ = unit(row[3 * (flip ? side - 1 - j : j)]);
        }
}

rij_status rj_reconstruction_loss(rj_tape *tape, rj_tensor *y, rj_tensor *x,
                                  rj_tensor **loss)
{
    const rj_absdiff_par absdiff = {EPS};
    const rj_residual_par laplace = {RJ_FRONT_LAPLACE};
    const rj_add_par sum = {1, FINEST};
    rj_tensor *fine_x, *fine_y, *coarse, *fine;

    RJ_TRY(rj_apply(tape, &rj_op_residual, &laplace, (rj_tensor *[]){x}, &fine_x));
    RJ_TRY(rj_apply(tape, &rj_op_residual, &laplace, (rj_tensor *[]){y}, &fine_y));
    RJ_TRY(rj_apply(tape, &rj_op_absdiff, &absdiff, (rj_tensor *[]){y, x}, &coarse));
    RJ_TRY(
        rj_apply(tape, &rj_op_absdiff, &absdiff, (rj_tensor *[]){fine_y, fine_x}, &fine));
    return rj_apply(tape, &rj_op_add, &sum, (rj_tensor *[]){coarse, fine}, loss);
}

rij_status rj_forge_learn(rj_tape *tape, rj_params *params, rj_tensor *loss, double rate,
                          int step, double *value)
{
    const rj_optimiser adamw = {true, 0, 0.9, 0.999, 1e-8, 0};

    RJ_TRY(rj_tensor_scalar(tape->dev, loss, value));
    RJ_REQUIRE(isfinite(*value), RIJ_E_DIVERGED,
               "forge: the loss is %g at step %d, rate %g", *value, step + 1, rate);
    RJ_TRY(rj_params_clear_gradients(params));
    RJ_TRY(rj_backward(tape, loss));
    return rj_optimiser_step(&adamw, params, rate, step + 1);
}

static rij_status one_step(const rj_lesson *l, const rj_course *c, rj_windows *w)
{
    const double rate = rj_schedule(c->rate, WARM_UP, w->step, w->steps);
    rj_tensor *loss;
    double value = 0;

    rj_tape_reset(l->tape);
    RJ_TRY(c->loss(c->model, l->tape, w, &loss));
    RJ_TRY(rj_forge_learn(l->tape, c->params, loss, rate, w->step, &value));
    if (c->after)
        RJ_TRY(c->after(c->model, l->tape, w, rate));
    return l->told ? l->told(l->user, rate, value, w->n) : RIJ_OK;
}

rij_status rj_lesson_run(const rj_lesson *l, const rj_course *c)
{
    rij_status status = RIJ_OK;
    int side = WINDOW;
    size_t each;
    float *x;

    for (int i = 0; i < l->n; i++)
        side = RJ_MIN(side, RJ_MIN(l->picture[i].w, l->picture[i].h));
    RJ_REQUIRE(l->n >= 1 && side >= SMALLEST, RIJ_E_ARGUMENT,
               "forge: %d pictures, the smallest side %d, not %d at least", l->n, side,
               SMALLEST);
    side -= side % SMALLEST;
    each = (size_t)3 * (size_t)(side * side);
    x = rj_alloc(BATCH * each, sizeof *x);
    RJ_REQUIRE(x, RIJ_E_MEMORY, "forge: no memory for a batch");
    for (int step = 0; step < l->steps && status == RIJ_OK; step++) {
        rj_windows w = {BATCH, side,
                        step,  l->steps,
                        x,     rj_random_start(l->seed, RJ_STREAM_FORGE, (uint64_t)step)};

        for (int i = 0; i < BATCH; i++)
            draw_window(l->picture, l->n, side, &w.random, x + (size_t)i * each);
        status = one_step(l, c, &w);
    }
    rj_free(x);
    rj_tape_reset(l->tape);
    return status;
}
