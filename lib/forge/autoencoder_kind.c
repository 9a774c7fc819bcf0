/* autoencoder_kind.c: auto-encoders that reconstruct photographs, as a kind of model. */
#include "forge/forge.h"

static const double RATE = 2e-3;

static rij_status make_loss(void *model, rj_tape *tape, rj_windows *w, rj_tensor **loss)
{
    const rj_shape shape = rj_shape_picture(w->n, 3, w->side, w->side);
    rj_tensor *x, *y;

    RJ_TRY(rj_tensor_from(tape, &shape, w->x, &x));
    RJ_TRY(rj_autoencoder_run(model, tape, x, &y));
    return rj_reconstruction_loss(tape, y, x, loss);
}

rij_status rj_autoencoder_train(rj_autoencoder *a, const rj_lesson *lesson)
{
    const rj_course course = {a, rj_autoencoder_params(a), RATE, make_loss, NULL};

    return rj_lesson_run(lesson, &course);
}

static rij_status open_model(rj_device *dev, int which, uint64_t seed, void **model)
{
    const rj_autoencoder_config config = rj_autoencoder_variant(
        (enum rj_decoder)(which / RJ_VARIANTS), which % RJ_VARIANTS);
    rj_autoencoder *a;

    RJ_TRY(rj_autoencoder_new(dev, &config, seed, &a));
    *model = a;
    return RIJ_OK;
}

static rij_status train(void *model, const rj_lesson *lesson)
{
    return rj_autoencoder_train(model, lesson);
}

static rij_status make(void *model, int how, rj_tape *tape, const rj_image *const *parent,
                       const uint64_t *seed, int n, rj_image *child)
{
    (void)how;
    (void)seed;
    return rj_network_apply(rj_autoencoder_run, model, tape, RJ_AUTOENCODER_BORDER,
                            parent, n, child);
}

static void close_model(void *model)
{
    rj_autoencoder_free(model);
}

const rj_kind rj_kind_autoencoder = {open_model, train, make, close_model};
