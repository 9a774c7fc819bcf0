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
 * The net tells what a linear filter does not know. The filter's guess is one gain for
 * the finest band (a number minus its 3 x 3 mean, of which noise has q = 8/9) and one for
 * the rest (q = 1/9), by what clean numbers have there, p (Wiener):
 *
 *     noise     b q / (a p + b^2 q),  b = sqrt(1 - a)
 *     velocity  sqrt(a) b (q - p) / (a p + b^2 q)
 *
 * So a short training need not learn that noise is what is rough.
 *
 * One more channel tells the net the noise's deviation sqrt(1 - a). Where there is a
 * mask, noise is inside it only; outside x is clean, that channel 0, and so is the
 * target.
 *
 * The loss is sqrt(d^2 + 1) - 1: the square of small differences, at less price for
 * large ones. Noise is drawn by stream, in the caller's thread. */
#include "forge/forge.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 2 }; /* pictures that go through the net together */
static const double FIRST_BETA = 1e-4, LAST_BETA = 0.02, SMOOTH = 1;
/* Variance of photographs in -1..1: about 8 and 64 grey levels. */
static const double PHOTOGRAPH_FINEST = 0.004, PHOTOGRAPH_REST = 0.25;

rij_status rj_diffusion_new(rj_device *dev, int channels, int width, int levels,
                            uint64_t seed, rj_diffusion *out)
{
    const rj_unet_config config = {channels + 1, channels, width, levels};
    const double n = RJ_NOISE_LEVELS - 1;

    memset(out, 0, sizeof *out);
    RJ_TRY(rj_unet_new(dev, &config, seed, &out->net));
    out->channels = channels;
    out->finest = PHOTOGRAPH_FINEST;
    out->rest = PHOTOGRAPH_REST;
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

/* What the net reads of one picture: its planes, then the level's. */
static void write_input(const rj_diffusion *d, int t, size_t plane, const float *x,
                        const float *mask, float *in)
{
    const float deviation = (float)sqrt(1 - d->kept[t]);

    memcpy(in, x, (size_t)d->channels * plane * sizeof *in);
    in += (size_t)d->channels * plane;
    for (size_t i = 0; i < plane; i++)
        in[i] = mask ? mask[i] * deviation : deviation;
}

/* How the guess goes by x: by all of it, and by its finest band besides. */
typedef struct gains {
    float all, finest;
} gains;

static gains gains_at(const rj_diffusion *d, int t)
{
    const double a = d->kept[t], b = sqrt(1 - a);
    double gain[2]; // of the finest band, of the rest

    for (int i = 0; i < 2; i++) {
        const double p = i ? d->rest : d->finest, q = i ? 1.0 / 9 : 8.0 / 9;
        const double up = d->target == RJ_TARGET_NOISE ? b * q : sqrt(a) * b * (q - p);

        gain[i] = up / (a * p + b * b * q);
    }
    return (gains){(float)gain[1], (float)(gain[0] - gain[1])};
}

/* A number minus the mean of the 3 x 3 around it, of those inside. */
static float roughness(const float *x, int h, int w, int i, int j)
{
    const int low = RJ_MAX(j - 1, 0), high = RJ_MIN(j + 1, w - 1);
    float sum = 0;
    int n = 0;

    for (int k = RJ_MAX(i - 1, 0); k <= RJ_MIN(i + 1, h - 1); k++)
        for (int l = low; l <= high; l++, n++)
            sum += x[k * w + l];
    return x[i * w + j] - sum / (float)n;
}

/* to += sign times the guess for one picture x (channels,h,w) at level t. */
static void add_guess(const rj_diffusion *d, int t, int h, int w, const float *x,
                      const float *mask, float sign, float *to)
{
    const gains g = gains_at(d, t);

    for (int c = 0; c < d->channels; c++, x += h * w)
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++, to++)
                if (!mask || mask[i * w + j] > 0)
                    *to += sign *
                           (g.all * x[i * w + j] + g.finest * roughness(x, h, w, i, j));
}

/* One picture of a training step: its noised planes in x, the target in y, which holds
 * the noise. */
static void write_lesson(const rj_diffusion *d, int t, const rj_noisy *p,
                         const float *clean, const float *mask, float *x, float *y)
{
    const float a = (float)sqrt(d->kept[t]), b = (float)sqrt(1 - d->kept[t]);
    const size_t plane = (size_t)p->h * (size_t)p->w;

    for (size_t i = 0; i < (size_t)d->channels * plane; i++) {
        const float e = y[i];

        if (mask && !(mask[i % plane] > 0)) {
            x[i] = clean[i];
            y[i] = 0;
        } else {
            x[i] = a * clean[i] + b * e;
            y[i] = d->target == RJ_TARGET_NOISE ? e : a * e - b * clean[i];
        }
    }
    add_guess(d, t, p->h, p->w, x, mask, -1, y);
}

rij_status rj_diffusion_loss(rj_diffusion *d, rj_tape *tape, const rj_noisy *p,
                             rj_random *r, rj_tensor **loss)
{
    const rj_absdiff_par smooth = {SMOOTH};
    const size_t plane = (size_t)p->h * (size_t)p->w, each = (size_t)d->channels * plane;
    const rj_shape in = rj_shape_picture(p->n, d->channels + 1, p->h, p->w);
    const rj_shape out = rj_shape_picture(p->n, d->channels, p->h, p->w);
    float *noised = rj_arena_take_raw(&tape->arena, each, sizeof *noised);
    float *x = rj_arena_take_raw(&tape->arena, rj_count(&in), sizeof *x);
    float *y = rj_arena_take_raw(&tape->arena, rj_count(&out), sizeof *y);
    rj_tensor *given, *wanted, *said;

    RJ_REQUIRE(noised && x && y, RIJ_E_MEMORY, "diffusion: no memory for a batch");
    for (int i = 0; i < p->n; i++) {
        const float *mask = p->mask ? p->mask + (size_t)i * plane : NULL;
        float *target = y + (size_t)i * each;
        const int t = 1 + rj_random_below(r, d->last);

        rj_random_normals(r, each, target);
        write_lesson(d, t, p, p->x + (size_t)i * each, mask, noised, target);
        write_input(d, t, plane, noised, mask, x + (size_t)i * (each + plane));
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
    float *said = s->out + (size_t)i * s->each;
    float *x = s->x + (size_t)i * s->each;

    if (t == next)
        return;
    add_guess(s->d, t, s->h, s->w, x, mask, 1, said);
    if (g > 0)
        rj_random_normals(&s->random[i], s->each, s->noise);
    for (size_t j = 0; j < s->each; j++) {
        float clean, e;

        if (mask && !(mask[j % s->plane] > 0))
            continue;
        clean = s->d->target == RJ_TARGET_NOISE ? (x[j] - b * said[j]) / a
                                                : a * x[j] - b * said[j];
        if (s->d->clips)
            clean = RJ_MIN(RJ_MAX(clean, -1.0f), 1.0f);
        e = (x[j] - a * clean) / b;
        x[j] = to_clean * clean + to_noise * e + (g > 0 ? (float)g * s->noise[j] : 0);
    }
}

static rij_status sample(sampling *s, rj_tape *tape)
{
    const rj_shape shape = rj_shape_picture(s->n, s->d->channels + 1, s->h, s->w);

    for (int i = 0; i < s->n; i++)
        noise_one(s, i);
    for (int k = 0; k < s->steps; k++) {
        for (int i = 0; i < s->n; i++)
            write_input(s->d, level_at(s, i, k), s->plane, s->x + (size_t)i * s->each,
                        s->mask ? s->mask + (size_t)i * s->plane : NULL,
                        s->in + (size_t)i * (s->each + s->plane));
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
    float *memory = rj_alloc(CHUNK * (2 * each + plane) + each, sizeof *memory);
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
                      .out = memory + CHUNK * (each + plane),
                      .noise = memory + CHUNK * (2 * each + plane)};

        for (int i = 0; i < s.n; i++)
            s.random[i] = rj_random_start(seed[first + i], RJ_STREAM_FORGE, 1);
        status = sample(&s, tape);
    }
    rj_free(memory);
    return status;
}
