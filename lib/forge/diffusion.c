/* diffusion.c: noise put on numbers and taken off again, step by step.
 *
 * With a[t] the share of variance kept at level t, e normal noise:
 *
 *     noised    x[t] = sqrt(a[t]) x[0] + sqrt(1 - a[t]) e
 *     schedule  a[t] = prod_{s <= t} (1 - b[s]), b from 1e-4 to 0.02 over 1000 levels
 *               (Ho et al. 2020)
 *     target    noise: e. Velocity: v = sqrt(a) e - sqrt(1 - a) x[0] (Salimans and Ho
 *               2022), which is of use up to the last level, where e says nothing of x[0]
 *     a step    from t to s < t, with the net's guesses of e and of x[0]:
 *               x[s] = sqrt(a[s]) x[0] + sqrt(1 - a[s] - g^2) e + g z,  z normal noise
 *               DDIM (Song et al. 2021): g = 0.  DDPM, ancestral: g^2 =
 *               (1 - a[s]) / (1 - a[t]) (1 - a[t] / a[s])
 *
 * Starting from a picture noised to a middle level is SDEdit (Meng et al. 2022): what the
 * noise hides is made anew, the rest stays, so a child is aligned with its parent.
 *
 * The net tells what a linear filter does not know. The filter's guess has a gain for
 * each of three bands: a number minus its 3 x 3 mean, that minus the 9 x 9 mean, and the
 * rest. With p the variance of clean numbers in a band, and q that of noise (Wiener):
 *
 *     noise     b q / (a p + b^2 q),  b = sqrt(1 - a)
 *     velocity  sqrt(a) b (q - p) / (a p + b^2 q)
 *
 * So a short training need not learn that noise is what is rough. The net reads the
 * noised numbers, the guess, and one more channel, the deviation b of the noise in parts
 * of the largest. Where there is a mask, noise is inside it only; outside x is clean, and
 * the guess, that channel and the target are 0.
 *
 * Levels of a training are drawn more often the higher they are, for what is left of more
 * noise is seen more: last sqrt(u), u uniform.
 *
 * The loss is sqrt(d^2 + 1) - 1: the square of small differences, at less price for
 * large ones. Noise is drawn by stream, in the caller's thread. */
#include "forge/forge.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 2 }; /* pictures that go through the net together */
static const double FIRST_BETA = 1e-4, LAST_BETA = 0.02, SMOOTH = 1;
/* Variance of photographs in -1..1, by band: about 6, 12 and 64 grey levels. */
static const double PHOTOGRAPHS[RJ_BANDS] = {0.002, 0.01, 0.25};

rij_status rj_diffusion_new(rj_device *dev, int channels, int width, int levels,
                            uint64_t seed, rj_diffusion *out)
{
    const rj_unet_config config = {2 * channels + 1, channels, width, levels};
    const double n = RJ_NOISE_LEVELS - 1;

    memset(out, 0, sizeof *out);
    RJ_TRY(rj_unet_new(dev, &config, seed, &out->net));
    out->channels = channels;
    for (int i = 0; i < RJ_BANDS; i++)
        out->band[i] = PHOTOGRAPHS[i];
    out->last = RJ_NOISE_LEVELS;
    out->kept[0] = 1;
    for (int t = 1; t <= RJ_NOISE_LEVELS; t++)
        out->kept[t] = out->kept[t - 1] *
                       (1 - (FIRST_BETA + (t - 1) / n * (LAST_BETA - FIRST_BETA)));
    return RIJ_OK;
}

void rj_diffusion_free(rj_diffusion *d)
{
    rj_unet_free(d->net);
    d->net = NULL;
}

/* How the guess goes by the three bands, as factors of x, of its 3 x 3 mean and of its
 * 9 x 9 mean. */
typedef struct gains {
    float x, near, far;
} gains;

static gains gains_at(const rj_diffusion *d, int t)
{
    static const double q[RJ_BANDS] = {8.0 / 9, 1.0 / 9 - 1.0 / 81, 1.0 / 81};
    const double a = d->kept[t], b = sqrt(1 - a);
    double gain[RJ_BANDS];

    for (int i = 0; i < RJ_BANDS; i++) {
        const double p = d->band[i];
        const double up =
            d->target == RJ_TARGET_NOISE ? b * q[i] : sqrt(a) * b * (q[i] - p);

        gain[i] = up / (a * p + b * b * q[i]);
    }
    return (gains){(float)gain[0], (float)(gain[1] - gain[0]),
                   (float)(gain[2] - gain[1])};
}

/* The mean of what lies at most `reach` away and inside. */
static float mean_around(const float *x, int h, int w, int i, int j, int reach)
{
    const int left = RJ_MAX(j - reach, 0), right = RJ_MIN(j + reach, w - 1);
    const int top = RJ_MAX(i - reach, 0), bottom = RJ_MIN(i + reach, h - 1);
    float sum = 0;

    for (int k = top; k <= bottom; k++)
        for (int l = left; l <= right; l++)
            sum += x[k * w + l];
    return sum / (float)((bottom - top + 1) * (right - left + 1));
}

/* The guess for one picture x (channels,h,w) at level t. */
static void guess(const rj_diffusion *d, int t, int h, int w, const float *x,
                  const float *mask, float *to)
{
    const gains g = gains_at(d, t);

    for (int c = 0; c < d->channels; c++, x += h * w)
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++, to++)
                *to = mask && !(mask[i * w + j] > 0)
                          ? 0
                          : g.x * x[i * w + j] + g.near * mean_around(x, h, w, i, j, 1) +
                                g.far * mean_around(x, h, w, i, j, 4);
}

/* What the net reads of one picture: its planes, the guess, the level. */
static void write_input(const rj_diffusion *d, int t, int h, int w, const float *x,
                        const float *mask, float *in)
{
    const size_t plane = (size_t)h * (size_t)w, n = (size_t)d->channels * plane;
    const float part = (float)sqrt((1 - d->kept[t]) / (1 - d->kept[d->last]));

    memcpy(in, x, n * sizeof *in);
    guess(d, t, h, w, x, mask, in + n);
    in += 2 * n;
    for (size_t i = 0; i < plane; i++)
        in[i] = mask ? mask[i] * part : part;
}

/* One picture of a training step: what the net reads into in, and what it is to say into
 * y, which holds the noise. */
static void write_lesson(const rj_diffusion *d, int t, const rj_noisy *p,
                         const float *clean, const float *mask, float *noised, float *in,
                         float *y)
{
    const float a = (float)sqrt(d->kept[t]), b = (float)sqrt(1 - d->kept[t]);
    const size_t plane = (size_t)p->h * (size_t)p->w, n = (size_t)d->channels * plane;

    for (size_t i = 0; i < n; i++) {
        const float e = y[i];

        if (mask && !(mask[i % plane] > 0)) {
            noised[i] = clean[i];
            y[i] = 0;
        } else {
            noised[i] = a * clean[i] + b * e;
            y[i] = d->target == RJ_TARGET_NOISE ? e : a * e - b * clean[i];
        }
    }
    write_input(d, t, p->h, p->w, noised, mask, in);
    for (size_t i = 0; i < n; i++)
        y[i] -= in[n + i];
}

rij_status rj_diffusion_loss(rj_diffusion *d, rj_tape *tape, const rj_noisy *p,
                             rj_random *r, rj_tensor **loss)
{
    const rj_absdiff_par smooth = {SMOOTH};
    const size_t plane = (size_t)p->h * (size_t)p->w, each = (size_t)d->channels * plane;
    const rj_shape in = rj_shape_picture(p->n, 2 * d->channels + 1, p->h, p->w);
    const rj_shape out = rj_shape_picture(p->n, d->channels, p->h, p->w);
    float *noised = rj_arena_take_raw(&tape->arena, each, sizeof *noised);
    float *x = rj_arena_take_raw(&tape->arena, rj_count(&in), sizeof *x);
    float *y = rj_arena_take_raw(&tape->arena, rj_count(&out), sizeof *y);
    rj_tensor *given, *wanted, *said;

    RJ_REQUIRE(noised && x && y, RIJ_E_MEMORY, "diffusion: no memory for a batch");
    for (int i = 0; i < p->n; i++) {
        const float *mask = p->mask ? p->mask + (size_t)i * plane : NULL;
        const double u = rj_random_uniform(r, 0, 1);
        const int t = 1 + RJ_MIN((int)(d->last * sqrt(u)), d->last - 1);

        rj_random_normals(r, each, y + (size_t)i * each);
        write_lesson(d, t, p, p->x + (size_t)i * each, mask, noised,
                     x + (size_t)i * (2 * each + plane), y + (size_t)i * each);
    }
    RJ_TRY(rj_tensor_from(tape, &in, x, &given));
    RJ_TRY(rj_tensor_from(tape, &out, y, &wanted));
    RJ_TRY(rj_unet_run(d->net, tape, given, &said));
    return rj_apply(tape, &rj_op_absdiff, &smooth, (rj_tensor *[]){said, wanted}, loss);
}

/* ---- sampling --------------------------------------------------------------------- */

/* One call of rj_diffusion_renew(): up to CHUNK pictures and their noise. */
typedef struct sampling {
    const rj_diffusion *d;
    enum rj_sampler sampler;
    int steps, n, h, w;
    size_t plane, each;
    const int *from;
    const float *mask; /* or NULL */
    rj_random random[CHUNK];
    float *x, *in, *out, *noise;
} sampling;

/* Level before step k of the i-th picture. */
static int level_at(const sampling *s, int i, int k)
{
    return s->from[i] * (s->steps - k) / s->steps;
}

static void noise_one(sampling *s, int i)
{
    const double kept = s->d->kept[s->from[i]];
    const float a = (float)sqrt(kept), b = (float)sqrt(1 - kept);
    const float *mask = s->mask ? s->mask + (size_t)i * s->plane : NULL;
    float *x = s->x + (size_t)i * s->each;

    rj_random_normals(&s->random[i], s->each, s->noise);
    for (size_t j = 0; j < s->each; j++)
        if (!mask || mask[j % s->plane] > 0)
            x[j] = a * x[j] + b * s->noise[j];
}

/* The i-th picture from the level before step k to the one after it. */
static void step_one(sampling *s, int i, int k)
{
    const int t = level_at(s, i, k), next = level_at(s, i, k + 1);
    const double at = s->d->kept[t], as = s->d->kept[next];
    const float a = (float)sqrt(at), b = (float)sqrt(1 - at);
    const double g =
        s->sampler == RJ_SAMPLER_DDPM ? sqrt((1 - as) / (1 - at) * (1 - at / as)) : 0;
    const float to_clean = (float)sqrt(as),
                to_noise = (float)sqrt(fmax(1 - as - g * g, 0));
    const float *mask = s->mask ? s->mask + (size_t)i * s->plane : NULL;
    const float *guessed = s->in + (size_t)i * (2 * s->each + s->plane) + s->each;
    const float *said = s->out + (size_t)i * s->each;
    float *x = s->x + (size_t)i * s->each;

    if (t == next)
        return;
    if (g > 0)
        rj_random_normals(&s->random[i], s->each, s->noise);
    for (size_t j = 0; j < s->each; j++) {
        const float told = said[j] + guessed[j];
        float clean, e;

        if (mask && !(mask[j % s->plane] > 0))
            continue;
        clean =
            s->d->target == RJ_TARGET_NOISE ? (x[j] - b * told) / a : a * x[j] - b * told;
        if (s->d->clips)
            clean = RJ_MIN(RJ_MAX(clean, -1.0f), 1.0f);
        e = (x[j] - a * clean) / b;
        x[j] = to_clean * clean + to_noise * e + (g > 0 ? (float)g * s->noise[j] : 0);
    }
}

static rij_status sample(sampling *s, rj_tape *tape)
{
    const rj_shape shape = rj_shape_picture(s->n, 2 * s->d->channels + 1, s->h, s->w);

    for (int i = 0; i < s->n; i++)
        noise_one(s, i);
    for (int k = 0; k < s->steps; k++) {
        for (int i = 0; i < s->n; i++)
            write_input(s->d, level_at(s, i, k), s->h, s->w, s->x + (size_t)i * s->each,
                        s->mask ? s->mask + (size_t)i * s->plane : NULL,
                        s->in + (size_t)i * (2 * s->each + s->plane));
        RJ_TRY(rj_network_eval(rj_unet_run, s->d->net, tape, &shape, s->in, s->out));
        for (int i = 0; i < s->n; i++)
            step_one(s, i, k);
    }
    return RIJ_OK;
}

rij_status rj_diffusion_renew(rj_diffusion *d, rj_tape *tape, enum rj_sampler sampler,
                              int steps, const int *from, const uint64_t *seed,
                              const rj_noisy *p)
{
    const size_t plane = (size_t)p->h * (size_t)p->w, each = (size_t)d->channels * plane;
    float *memory = rj_alloc(CHUNK * (3 * each + plane) + each, sizeof *memory);
    rij_status status = RIJ_OK;

    RJ_REQUIRE(memory, RIJ_E_MEMORY, "diffusion: no memory for %d x %d pixels", p->w,
               p->h);
    for (int first = 0; first < p->n && status == RIJ_OK; first += CHUNK) {
        sampling s = {.d = d,
                      .sampler = sampler,
                      .steps = steps,
                      .n = RJ_MIN(CHUNK, p->n - first),
                      .h = p->h,
                      .w = p->w,
                      .plane = plane,
                      .each = each,
                      .from = from + first,
                      .mask = p->mask ? p->mask + (size_t)first * plane : NULL,
                      .x = p->x + (size_t)first * each,
                      .in = memory,
                      .out = memory + CHUNK * (2 * each + plane),
                      .noise = memory + CHUNK * (3 * each + plane)};

        for (int i = 0; i < s.n; i++)
            s.random[i] = rj_random_start(seed[first + i], RJ_STREAM_FORGE, 1);
        status = sample(&s, tape);
    }
    rj_free(memory);
    return status;
}
