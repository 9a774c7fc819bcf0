/* train_autoencoder.c: make an auto-encoder reconstruct photographs, and use it.
 *
 *     L = mean |y - x| + 2 mean |lap y - lap x|
 *
 * lap is a picture minus its mean over 3 x 3 pixels (op/residual.c, "laplace"), so the
 * second term asks for the finest band, which the first alone would let go. Weights and
 * recipe are those of the sketch behind the published figures: AdamW at 2e-3 without
 * decay, a short warm-up, half a cosine, 12 windows of 64 x 64 pixels a step.
 *
 * A batch is drawn in the caller's thread from (seed, step), so that nothing depends on
 * the number of threads. */
#include "forge/forge.h"

#include <math.h>
#include <string.h>

enum { BATCH = 12, WINDOW = 64, SMALLEST = 16, BORDER = 8, APPLY = 8, APPLY_SIDE = 176 };

/* Smoothing of |d| at zero, in picture units: a hundredth of a grey level. */
static const double EPS = 1e-4;
static const double RATE = 2e-3, WARM_UP = 0.05, FINEST = 2;

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

/* The loss of one batch, on the tape. */
static rij_status make_loss(rj_autoencoder *a, rj_tape *tape, rj_tensor *x,
                            rj_tensor **loss)
{
    const rj_absdiff_par absdiff = {EPS};
    const rj_residual_par laplace = {RJ_FRONT_LAPLACE};
    const rj_add_par sum = {1, FINEST};
    rj_tensor *y, *fine_x, *fine_y, *coarse, *fine;

    RJ_TRY(rj_autoencoder_run(a, tape, x, &y));
    RJ_TRY(rj_apply(tape, &rj_op_residual, &laplace, (rj_tensor *[]){x}, &fine_x));
    RJ_TRY(rj_apply(tape, &rj_op_residual, &laplace, (rj_tensor *[]){y}, &fine_y));
    RJ_TRY(rj_apply(tape, &rj_op_absdiff, &absdiff, (rj_tensor *[]){y, x}, &coarse));
    RJ_TRY(
        rj_apply(tape, &rj_op_absdiff, &absdiff, (rj_tensor *[]){fine_y, fine_x}, &fine));
    return rj_apply(tape, &rj_op_add, &sum, (rj_tensor *[]){coarse, fine}, loss);
}

static rij_status train_step(rj_autoencoder *a, rj_tape *tape, const float *planar,
                             int side, int step, double rate, double *value)
{
    const rj_optimiser adamw = {true, 0, 0.9, 0.999, 1e-8, 0};
    const rj_shape shape = rj_shape_picture(BATCH, 3, side, side);
    rj_params *params = rj_autoencoder_params(a);
    rj_tensor *x, *loss;

    rj_tape_reset(tape);
    RJ_TRY(rj_tensor_from(tape, &shape, planar, &x));
    RJ_TRY(make_loss(a, tape, x, &loss));
    RJ_TRY(rj_tensor_scalar(tape->dev, loss, value));
    RJ_REQUIRE(isfinite(*value), RIJ_E_DIVERGED,
               "forge: the loss is %g at step %d, rate %g", *value, step + 1, rate);
    RJ_TRY(rj_params_clear_gradients(params));
    RJ_TRY(rj_backward(tape, loss));
    return rj_optimiser_step(&adamw, params, rate, step + 1);
}

rij_status rj_autoencoder_train(rj_autoencoder *a, rj_tape *tape, const rj_image *picture,
                                int n, int steps, uint64_t seed, rj_forge_step told,
                                void *user)
{
    rij_status status = RIJ_OK;
    int side = WINDOW;
    float *planar;

    for (int i = 0; i < n; i++)
        side = RJ_MIN(side, RJ_MIN(picture[i].w, picture[i].h));
    RJ_REQUIRE(n >= 1 && side >= SMALLEST, RIJ_E_ARGUMENT,
               "autoencoder: %d pictures, the smallest side %d, not %d at least", n, side,
               SMALLEST);
    side -= side % SMALLEST;
    planar = rj_alloc((size_t)BATCH * 3 * (size_t)side * (size_t)side, sizeof *planar);
    RJ_REQUIRE(planar, RIJ_E_MEMORY, "autoencoder: no memory for a batch");
    for (int step = 0; step < steps && status == RIJ_OK; step++) {
        rj_random r = rj_random_start(seed, RJ_STREAM_FORGE, (uint64_t)step);
        const double rate = rj_schedule(RATE, WARM_UP, step, steps);
        double loss = 0;

        for (int i = 0; i < BATCH; i++)
            draw_window(picture, n, side, &r,
                        planar + (size_t)i * 3 * (size_t)(side * side));
        status = train_step(a, tape, planar, side, step, rate, &loss);
        if (status == RIJ_OK && told)
            status = told(user, rate, loss, BATCH);
    }
    rj_free(planar);
    rj_tape_reset(tape);
    return status;
}

int rj_autoencoder_batch(int side)
{
    const double pixels = (double)(side + 2 * BORDER) * (side + 2 * BORDER);
    return RJ_MAX(1,
                  (int)RJ_MIN(APPLY, APPLY * (double)APPLY_SIDE * APPLY_SIDE / pixels));
}

/* The middle of plane set x (3,h+2B,w+2B) back to grey levels. */
static void put_back(const rj_real *x, rj_image *image)
{
    const size_t wide = (size_t)image->w + 2 * BORDER,
                 high = (size_t)image->h + 2 * BORDER;

    for (int c = 0; c < 3; c++)
        for (int i = 0; i < image->h; i++) {
            const rj_real *row =
                x + ((size_t)c * high + (size_t)i + BORDER) * wide + BORDER;
            uint8_t *to = image->rgb + (size_t)i * (size_t)image->w * 3 + c;

            for (int j = 0; j < image->w; j++) {
                const double v = ((double)row[j] + 1) * 127.5;
                // Written so that a number that is none becomes 0.
                to[3 * j] = (uint8_t)((v > 0 ? RJ_MIN(v, 255) : 0) + 0.5);
            }
        }
}

/* Pictures with their reflected borders as planes (n,3,h,w). */
static rij_status take_planes(const rj_image *const *picture, int n, size_t each,
                              float *x)
{
    for (int i = 0; i < n; i++) {
        const rj_image *p = picture[i];
        rj_image large;

        RJ_TRY(rj_image_crop(p, -BORDER, -BORDER, p->w + 2 * BORDER, p->h + 2 * BORDER,
                             &large));
        rj_image_planar(&large, x + (size_t)i * each);
        rj_image_free(&large);
    }
    return RIJ_OK;
}

rij_status rj_autoencoder_apply(rj_autoencoder *a, rj_tape *tape,
                                const rj_image *const *picture, int n, rj_image *out)
{
    const int h = picture[0]->h + 2 * BORDER, w = picture[0]->w + 2 * BORDER;
    const rj_shape shape = rj_shape_picture(n, 3, h, w);
    const size_t each = (size_t)3 * (size_t)h * (size_t)w;
    const bool was_frozen = tape->frozen;
    float *planar = rj_alloc((size_t)n * each, sizeof *planar);
    rj_real *made = rj_alloc((size_t)n * each, sizeof *made);
    rij_status status = RIJ_OK;
    rj_tensor *x, *y;

    memset(out, 0, (size_t)n * sizeof *out);
    tape->frozen = true;
    rj_tape_reset(tape);
    if (!planar || !made) {
        status = rj_fail(RIJ_E_MEMORY, "autoencoder: no memory for %d pictures", n);
        goto done;
    }
    RJ_TRY_DONE(take_planes(picture, n, each, planar));
    RJ_TRY_DONE(rj_tensor_from(tape, &shape, planar, &x));
    RJ_TRY_DONE(rj_autoencoder_run(a, tape, x, &y));
    RJ_TRY_DONE(rj_tensor_read(tape->dev, y, made));
    for (int i = 0; i < n; i++) {
        RJ_TRY_DONE(rj_image_new(picture[i]->w, picture[i]->h, &out[i]));
        put_back(made + (size_t)i * each, &out[i]);
    }
done:
    if (status != RIJ_OK)
        for (int i = 0; i < n; i++)
            rj_image_free(&out[i]);
    rj_tape_reset(tape);
    tape->frozen = was_frozen;
    rj_free(planar);
    rj_free(made);
    return status;
}
