/* inpaint.c: a region of a parent hidden, filled in by diffusion, spliced back.
 *
 * The region is a rectangle or an ellipse of 1/4 to 1/2 of each side, anywhere inside. It
 * starts as nothing but noise, and 12 ancestral steps make a picture of it that fits what
 * stands around, which the net sees clean (Saharia et al. 2022, "Palette", small). The
 * net tells the velocity (diffusion.c), is trained on all levels, and on regions of its
 * windows drawn the same way. Outside the region a child is its parent, bit for bit;
 * inside, the first 4 pixels pass from one to the other. */
#include "forge/forge.h"

#include <math.h>
#include <string.h>

enum { STEPS = 12, WIDTH = 16, LEVELS = 2, BORDER = 8 };
static const double RATE = 2e-3, SOFT = 4;

/* A region of h x w pixels. */
typedef struct region {
    double y, x;           /* its middle */
    double half_h, half_w; /* half its sides */
    bool round;
} region;

static region draw_region(int h, int w, rj_random *r)
{
    region a;

    a.half_h = h * rj_random_uniform(r, 0.125, 0.25);
    a.half_w = w * rj_random_uniform(r, 0.125, 0.25);
    a.y = rj_random_uniform(r, a.half_h, h - a.half_h);
    a.x = rj_random_uniform(r, a.half_w, w - a.half_w);
    a.round = rj_random_below(r, 2) == 1;
    return a;
}

/* How far inside a pixel lies, in pixels; 0 or less outside. */
static double depth(const region *a, int i, int j)
{
    const double y = fabs(i + 0.5 - a->y), x = fabs(j + 0.5 - a->x);

    if (!a->round)
        return fmin(a->half_h - y, a->half_w - x);
    return (1 - sqrt(y * y / (a->half_h * a->half_h) + x * x / (a->half_w * a->half_w))) *
           fmin(a->half_h, a->half_w);
}

/* mask (h+2B,w+2B): 1 inside. */
static void draw_mask(const region *a, int h, int w, int border, float *mask)
{
    for (int i = -border; i < h + border; i++)
        for (int j = -border; j < w + border; j++)
            *mask++ = depth(a, i, j) > 0 ? 1 : 0;
}

static rij_status make_loss(void *model, rj_tape *tape, rj_windows *w, rj_tensor **loss)
{
    const size_t plane = (size_t)w->side * (size_t)w->side;
    float *mask = rj_arena_take_raw(&tape->arena, (size_t)w->n * plane, sizeof *mask);
    // what it is given it does not change
    const rj_noisy p = {w->n, w->side, w->side, (float *)(uintptr_t)w->x, mask};

    RJ_REQUIRE(mask, RIJ_E_MEMORY, "inpaint: no memory for a batch");
    for (int i = 0; i < w->n; i++) {
        const region a = draw_region(w->side, w->side, &w->random);
        draw_mask(&a, w->side, w->side, 0, mask + (size_t)i * plane);
    }
    return rj_diffusion_loss(model, tape, &p, &w->random, loss);
}

static rij_status train(void *model, const rj_lesson *lesson)
{
    rj_diffusion *d = model;
    const rj_course course = {d, rj_unet_params(d->net), RATE, make_loss, NULL};

    return rj_lesson_run(lesson, &course);
}

static rij_status open_model(rj_device *dev, int which, uint64_t seed, void **model)
{
    rj_diffusion *d = rj_alloc(1, sizeof *d);
    rij_status status;

    (void)which;
    RJ_REQUIRE(d, RIJ_E_MEMORY, "inpaint: no memory");
    status = rj_diffusion_new(dev, 3, WIDTH, LEVELS, seed, d);
    d->target = RJ_TARGET_VELOCITY;
    d->clips = true;
    if (status == RIJ_OK)
        *model = d;
    else
        rj_free(d);
    return status;
}

static void close_model(void *model)
{
    if (model)
        rj_diffusion_free(model);
    rj_free(model);
}

/* Lay the parent over its child outside the region, softly within its edge. */
static void splice(const rj_image *parent, const region *a, rj_image *child)
{
    for (int i = 0; i < child->h; i++)
        for (int j = 0; j < child->w; j++) {
            const double share = fmin(fmax(depth(a, i, j) / SOFT, 0), 1);
            const size_t at = ((size_t)i * (size_t)child->w + (size_t)j) * 3;

            for (size_t c = at; c < at + 3; c++)
                child->rgb[c] =
                    (uint8_t)(share * child->rgb[c] + (1 - share) * parent->rgb[c] + 0.5);
        }
}

static rij_status make(void *model, int how, rj_tape *tape, const rj_image *const *parent,
                       const uint64_t *seed, int n, rj_image *child)
{
    const int w = parent[0]->w, h = parent[0]->h;
    const size_t plane = (size_t)(h + 2 * BORDER) * (size_t)(w + 2 * BORDER);
    float *x = rj_alloc((size_t)n * 4 * plane, sizeof *x);
    float *mask = x ? x + (size_t)n * 3 * plane : NULL;
    const rj_noisy p = {n, h + 2 * BORDER, w + 2 * BORDER, x, mask};
    region *a = rj_alloc((size_t)n, sizeof *a);
    int *from = rj_alloc((size_t)n, sizeof *from);
    rij_status status = RIJ_OK;

    (void)how;
    if (!x || !a || !from) {
        status = rj_fail(RIJ_E_MEMORY, "inpaint: no memory for %d pictures", n);
        goto done;
    }
    for (int i = 0; i < n; i++) {
        rj_random r = rj_random_start(seed[i], RJ_STREAM_FORGE, 0);

        from[i] = RJ_NOISE_LEVELS;
        a[i] = draw_region(h, w, &r);
        draw_mask(&a[i], h, w, BORDER, mask + (size_t)i * plane);
    }
    RJ_TRY_DONE(rj_planes_take(parent, n, BORDER, x));
    RJ_TRY_DONE(rj_diffusion_renew(model, tape, RJ_SAMPLER_DDPM, STEPS, from, seed, &p));
    RJ_TRY_DONE(rj_planes_put(x, n, BORDER, w, h, child));
    for (int i = 0; i < n; i++)
        splice(parent[i], &a[i], &child[i]);
done:
    rj_free(x);
    rj_free(a);
    rj_free(from);
    return status;
}

const rj_kind rj_kind_inpaint = {open_model, train, make, close_model};
