/* pixels.c: diffusion of pixels: parents noised to a middle level and cleaned again.
 *
 * The net is a U-net of two halvings that tells the noise. A parent's level is drawn from
 * 40..80 of 1000 levels: noise of a deviation of 18 to 33 grey levels, which hides fine
 * structure and leaves the rest. The net is trained on levels 1..80 only, for it never
 * sees others. */
#include "forge/forge.h"

enum { LOWEST = 40, HIGHEST = 80, STEPS = 8, WIDTH = 16, LEVELS = 2, BORDER = 8 };
static const double RATE = 4e-3;

static rij_status open_model(rj_device *dev, int which, uint64_t seed, void **model)
{
    rj_diffusion *d = rj_alloc(1, sizeof *d);
    rij_status status;

    (void)which;
    RJ_REQUIRE(d, RIJ_E_MEMORY, "diffusion: no memory");
    status = rj_diffusion_new(dev, 3, WIDTH, LEVELS, seed, d);
    d->last = HIGHEST;
    d->clips = true;
    if (status == RIJ_OK)
        *model = d;
    else
        rj_free(d);
    return status;
}

static rij_status make_loss(void *model, rj_tape *tape, rj_windows *w, rj_tensor **loss)
{
    // what it is given it does not change
    const rj_noisy p = {w->n, w->side, w->side, (float *)(uintptr_t)w->x, NULL};

    return rj_diffusion_loss(model, tape, &p, &w->random, loss);
}

static rij_status train(void *model, const rj_lesson *lesson)
{
    rj_diffusion *d = model;
    const rj_course course = {d, rj_unet_params(d->net), RATE, make_loss, NULL};

    return rj_lesson_run(lesson, &course);
}

static rij_status make(void *model, int how, rj_tape *tape, const rj_image *const *parent,
                       const uint64_t *seed, int n, rj_image *child)
{
    const int w = parent[0]->w, h = parent[0]->h;
    rj_noisy p = {n, h + 2 * BORDER, w + 2 * BORDER, NULL, NULL};
    int *from = rj_alloc((size_t)n, sizeof *from);
    rij_status status = RIJ_OK;

    p.x = rj_alloc((size_t)n * 3 * (size_t)p.h * (size_t)p.w, sizeof *p.x);
    if (!from || !p.x) {
        status = rj_fail(RIJ_E_MEMORY, "diffusion: no memory for %d pictures", n);
        goto done;
    }
    for (int i = 0; i < n; i++) {
        rj_random r = rj_random_start(seed[i], RJ_STREAM_FORGE, 0);
        from[i] = LOWEST + rj_random_below(&r, HIGHEST - LOWEST + 1);
    }
    RJ_TRY_DONE(rj_planes_take(parent, n, BORDER, p.x));
    RJ_TRY_DONE(
        rj_diffusion_renew(model, tape, (enum rj_sampler)how, STEPS, from, seed, &p));
    status = rj_planes_put(p.x, n, BORDER, w, h, child);
done:
    rj_free(from);
    rj_free(p.x);
    return status;
}

static void close_model(void *model)
{
    if (model)
        rj_diffusion_free(model);
    rj_free(model);
}

const rj_kind rj_kind_diffusion = {open_model, train, make, close_model};
