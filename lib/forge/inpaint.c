/* inpaint.c: regions of a parent hidden, filled in by diffusion, spliced back.
 *
 * The regions are rectangles and ellipses, 12 to 28 pixels each way, one for every 48 x
 * 48 pixels of the picture, anywhere inside; they may overlap. What they held is dropped:
 * a smooth sheet is stretched over them (Laplace's equation, by successive
 * over-relaxation), noised to level 300 of 1000, where little but its colour is left, and
 * 12 ancestral steps make a picture of it that fits what stands around, which the net
 * sees clean (Saharia et al. 2022, "Palette", small). The net tells the velocity
 * (diffusion.c) and is trained on levels 1..300 and on regions drawn the same way.
 * Outside of them a child is its parent, bit for bit; their outermost 3 pixels pass from
 * one to the other. */
#include "forge/forge.h"

#include <math.h>

enum { FROM = 300, STEPS = 12, SWEEPS = 100, WIDTH = 16, LEVELS = 2, BORDER = 8 };
enum { LEAST = 12, MOST = 28, EACH = 48 }; /* pixels of regions */
static const double RATE = 4e-3, SOFT = 3, RELAX = 1.8;

typedef struct region {
    double y, x;           /* its middle */
    double half_h, half_w; /* half its sides */
    bool round;
} region;

static region draw_region(int h, int w, rj_random *r)
{
    region a;

    a.half_h = rj_random_uniform(r, LEAST, MOST) / 2;
    a.half_w = rj_random_uniform(r, LEAST, MOST) / 2;
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

/* deep (h+2B,w+2B): how far inside one of the regions each pixel lies. */
static void draw_regions(int h, int w, int border, rj_random *r, float *deep)
{
    const int regions = RJ_MAX(1, h * w / (EACH * EACH)), wide = w + 2 * border;

    for (int i = 0; i < (h + 2 * border) * wide; i++)
        deep[i] = 0;
    for (int k = 0; k < regions; k++) {
        const region a = draw_region(h, w, r);

        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++) {
                float *at = deep + (i + border) * wide + j + border;

                *at = RJ_MAX(*at, (float)depth(&a, i, j));
            }
    }
}

/* 1 inside, 0 outside. */
static void mask_of(const float *deep, size_t n, float *mask)
{
    for (size_t i = 0; i < n; i++)
        mask[i] = deep[i] > 0 ? 1 : 0;
}

/* Let nothing of x (3,h,w) inside the mask be what it was. */
static void stretch(float *x, const float *mask, int h, int w)
{
    for (int c = 0; c < 3; c++, x += h * w) {
        for (int i = 0; i < h * w; i++)
            if (mask[i] > 0)
                x[i] = 0;
        for (int sweep = 0; sweep < SWEEPS; sweep++)
            for (int i = 1; i < h - 1; i++) // regions end before the border
                for (int j = 1; j < w - 1; j++) {
                    float *at = x + i * w + j;

                    if (mask[i * w + j] > 0)
                        *at +=
                            (float)RELAX * ((at[-1] + at[1] + at[-w] + at[w]) / 4 - *at);
                }
    }
}

static rij_status make_loss(void *model, rj_tape *tape, rj_windows *w, rj_tensor **loss)
{
    const size_t plane = (size_t)w->side * (size_t)w->side;
    float *mask = rj_arena_take_raw(&tape->arena, (size_t)w->n * plane, sizeof *mask);
    // what it is given it does not change
    const rj_noisy p = {w->n, w->side, w->side, (float *)(uintptr_t)w->x, mask};

    RJ_REQUIRE(mask, RIJ_E_MEMORY, "inpaint: no memory for a batch");
    for (int i = 0; i < w->n; i++) {
        float *at = mask + (size_t)i * plane;

        draw_regions(w->side, w->side, 0, &w->random, at);
        mask_of(at, plane, at);
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
    d->last = FROM;
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

/* Lay the parent over its child outside the regions, softly within their edge. */
static void splice(const rj_image *parent, const float *deep, rj_image *child)
{
    const int wide = child->w + 2 * BORDER;

    for (int i = 0; i < child->h; i++)
        for (int j = 0; j < child->w; j++) {
            const double inside = (double)deep[(i + BORDER) * wide + j + BORDER];
            const double share = fmin(inside / SOFT, 1);
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
    float *x = rj_alloc((size_t)n * 5 * plane, sizeof *x);
    int *from = rj_alloc((size_t)n, sizeof *from);
    rij_status status = RIJ_OK;
    float *deep, *mask;
    rj_noisy p;

    (void)how;
    if (!x || !from) {
        status = rj_fail(RIJ_E_MEMORY, "inpaint: no memory for %d pictures", n);
        goto done;
    }
    deep = x + (size_t)n * 3 * plane;
    mask = deep + (size_t)n * plane;
    p = (rj_noisy){n, h + 2 * BORDER, w + 2 * BORDER, x, mask};
    for (int i = 0; i < n; i++) {
        rj_random r = rj_random_start(seed[i], RJ_STREAM_FORGE, 0);

        from[i] = FROM;
        draw_regions(h, w, BORDER, &r, deep + (size_t)i * plane);
    }
    mask_of(deep, (size_t)n * plane, mask);
    RJ_TRY_DONE(rj_planes_take(parent, n, BORDER, x));
    for (int i = 0; i < n; i++)
        stretch(x + (size_t)i * 3 * plane, mask + (size_t)i * plane, p.h, p.w);
    RJ_TRY_DONE(rj_diffusion_renew(model, tape, RJ_SAMPLER_DDPM, STEPS, from, seed, &p));
    RJ_TRY_DONE(rj_planes_put(x, n, BORDER, w, h, child));
    for (int i = 0; i < n; i++)
        splice(parent[i], deep + (size_t)i * plane, &child[i]);
done:
    rj_free(x);
    rj_free(from);
    return status;
}

const rj_kind rj_kind_inpaint = {open_model, train, make, close_model};
