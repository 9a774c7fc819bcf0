/* latent.c: diffusion in the latent of an auto-encoder (Rombach et al. 2022, small).
 *
 * Half of the steps train the auto-encoder `nearest` of two halvings, 12 channels
 * between; the other half a U-net of one halving that tells noise in its latent, whose
 * channels are brought to mean 0 and deviation 1 by what they are on the parents. A
 * child: the parent encoded, noised to a level of 20..80 of 1000, cleaned by ancestral
 * steps, decoded. */
#include "forge/forge.h"

#include <math.h>

enum { LATENT = 12, WIDTH = 16, NET_WIDTH = 48, SCALE = 4 };
enum { LOWEST = 20, HIGHEST = 80, STEPS = 8, BORDER = RJ_AUTOENCODER_BORDER };
/* Of a channel's variance of 1, what lies in each band. */
static const double RATE = 2e-3, BAND[RJ_BANDS] = {0.3, 0.3, 0.4};

typedef struct latent {
    rj_autoencoder *a;
    rj_diffusion d;
    float mean[LATENT], deviation[LATENT];
} latent;

/* z (n,LATENT,plane), normalised or back. */
static void scale(const latent *l, int n, size_t plane, bool back, float *z)
{
    for (int i = 0; i < n * LATENT; i++) {
        const float mean = l->mean[i % LATENT], deviation = l->deviation[i % LATENT];

        for (size_t p = 0; p < plane; p++, z++)
            *z = back ? *z * deviation + mean : (*z - mean) / deviation;
    }
}

/* Planes x (n,3,h,w) -> normalised z (n,LATENT,h/4,w/4). The tape is reset. */
static rij_status encode(latent *l, rj_tape *tape, int n, int h, int w, const float *x,
                         float *z)
{
    const rj_shape shape = rj_shape_picture(n, 3, h, w);

    RJ_TRY(rj_network_eval(rj_autoencoder_encode, l->a, tape, &shape, x, z));
    scale(l, n, (size_t)(h / SCALE) * (size_t)(w / SCALE), false, z);
    return RIJ_OK;
}

static rij_status make_loss(void *model, rj_tape *tape, rj_windows *w, rj_tensor **loss)
{
    const int side = w->side / SCALE;
    const size_t n = (size_t)w->n * LATENT * (size_t)(side * side);
    rj_noisy p = {w->n, side, side, rj_alloc(n, sizeof *p.x), NULL};
    latent *l = model;
    rij_status status;

    RJ_REQUIRE(p.x, RIJ_E_MEMORY, "latent: no memory for a batch");
    status = encode(l, tape, w->n, w->side, w->side, w->x, p.x);
    if (status == RIJ_OK)
        status = rj_diffusion_loss(&l->d, tape, &p, &w->random, loss);
    rj_free(p.x);
    return status;
}

/* Sums for mean and deviation, by channel. */
typedef struct moments {
    double n, sum[LATENT], squares[LATENT];
} moments;

static void add_moments(moments *m, size_t plane, const float *z)
{
    m->n += (double)plane;
    for (int c = 0; c < LATENT; c++)
        for (size_t p = 0; p < plane; p++, z++) {
            m->sum[c] += (double)*z;
            m->squares[c] += (double)*z * (double)*z;
        }
}

/* What channels are on the first 64 parents. */
static rij_status measure(latent *l, const rj_lesson *lesson)
{
    moments m = {0};

    for (int i = 0; i < RJ_MIN(lesson->n, 64); i++) {
        const rj_image *p = &lesson->picture[i];
        const size_t pixels = (size_t)p->w * (size_t)p->h,
                     plane = pixels / (SCALE * SCALE);
        float *x = rj_alloc(pixels * 3 + plane * LATENT, sizeof *x);
        rij_status status;

        RJ_REQUIRE(x, RIJ_E_MEMORY, "latent: no memory for %d x %d pixels", p->w, p->h);
        rj_image_planar(p, x);
        status = encode(l, lesson->tape, 1, p->h, p->w, x, x + pixels * 3);
        add_moments(&m, plane, x + pixels * 3);
        rj_free(x);
        RJ_TRY(status);
    }
    for (int c = 0; c < LATENT; c++) {
        const double mean = m.sum[c] / m.n;
        const double variance = m.squares[c] / m.n - mean * mean;

        l->mean[c] = (float)mean;
        l->deviation[c] = (float)fmax(sqrt(fmax(variance, 0)), 1e-6);
    }
    return RIJ_OK;
}

static rij_status train(void *model, const rj_lesson *lesson)
{
    latent *l = model;
    const rj_course course = {l, rj_unet_params(l->d.net), RATE, make_loss, NULL};
    rj_lesson part = *lesson;

    part.steps = lesson->steps - lesson->steps / 2;
    RJ_TRY(rj_autoencoder_train(l->a, &part));
    RJ_TRY(measure(l, lesson));
    part.steps = lesson->steps / 2;
    part.seed = rj_hash("latent", 6, lesson->seed);
    return rj_lesson_run(&part, &course);
}

static void close_model(void *model)
{
    latent *l = model;

    if (l) {
        rj_autoencoder_free(l->a);
        rj_diffusion_free(&l->d);
    }
    rj_free(l);
}

static rij_status open_model(rj_device *dev, int which, uint64_t seed, void **model)
{
    const rj_autoencoder_config config = {RJ_DECODER_NEAREST, 2, LATENT, WIDTH};
    latent *l = rj_alloc(1, sizeof *l);
    rij_status status;

    (void)which;
    RJ_REQUIRE(l, RIJ_E_MEMORY, "latent: no memory");
    for (int c = 0; c < LATENT; c++)
        l->deviation[c] = 1;
    status = rj_autoencoder_new(dev, &config, seed, &l->a);
    if (status == RIJ_OK)
        status = rj_diffusion_new(dev, LATENT, NET_WIDTH, 1, seed + 1, &l->d);
    l->d.last = HIGHEST;
    for (int i = 0; i < RJ_BANDS; i++)
        l->d.band[i] = BAND[i];
    if (status == RIJ_OK)
        *model = l;
    else
        close_model(l);
    return status;
}

static rij_status make(void *model, int how, rj_tape *tape, const rj_image *const *parent,
                       const uint64_t *seed, int n, rj_image *child)
{
    const int w = parent[0]->w, h = parent[0]->h;
    const int high = h + 2 * BORDER, wide = w + 2 * BORDER;
    const size_t plane = (size_t)(high / SCALE) * (size_t)(wide / SCALE);
    const rj_shape narrow = rj_shape_picture(n, LATENT, high / SCALE, wide / SCALE);
    rj_noisy p = {n, high / SCALE, wide / SCALE, NULL, NULL};
    float *x = rj_alloc((size_t)n * 3 * (size_t)high * (size_t)wide, sizeof *x);
    int *from = rj_alloc((size_t)n, sizeof *from);
    latent *l = model;
    rij_status status = RIJ_OK;

    (void)how;
    p.x = rj_alloc((size_t)n * LATENT * plane, sizeof *p.x);
    if (!x || !from || !p.x) {
        status = rj_fail(RIJ_E_MEMORY, "latent: no memory for %d pictures", n);
        goto done;
    }
    for (int i = 0; i < n; i++) {
        rj_random r = rj_random_start(seed[i], RJ_STREAM_FORGE, 0);
        from[i] = LOWEST + rj_random_below(&r, HIGHEST - LOWEST + 1);
    }
    RJ_TRY_DONE(rj_planes_take(parent, n, BORDER, x));
    RJ_TRY_DONE(encode(l, tape, n, high, wide, x, p.x));
    RJ_TRY_DONE(rj_diffusion_renew(&l->d, tape, RJ_SAMPLER_DDPM, STEPS, from, seed, &p));
    scale(l, n, plane, true, p.x);
    RJ_TRY_DONE(rj_network_eval(rj_autoencoder_decode, l->a, tape, &narrow, p.x, x));
    status = rj_planes_put(x, n, BORDER, w, h, child);
done:
    rj_free(x);
    rj_free(from);
    rj_free(p.x);
    return status;
}

const rj_kind rj_kind_latent = {open_model, train, make, close_model};
