/* model.c: a trained judge in memory, and in words. */
#include "model/model.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- in memory ----------------------------------------------------------------------
 */

/* Noise smoothed by 1 2 1 in both directions (over the edge to the other side), three
 * parts, on one part of a ramp that differs by channel. Integers only. */
void rj_model_selftest_pixels(uint8_t rgb[RJ_SELFTEST_SIDE * RJ_SELFTEST_SIDE * 3])
{
    enum { S = RJ_SELFTEST_SIDE };
    rj_random r = rj_random_start(1, RJ_STREAM_TEST, 0);
    uint8_t noise[S * S * 3];

    for (int i = 0; i < S * S * 3; i++)
        noise[i] = (uint8_t)(rj_random_bits(&r) & 255);
    for (int i = 0; i < S * S * 3; i++) {
        const int c = i % 3, x = i / 3 % S, y = i / 3 / S;
        const int ramp = c == 0 ? 4 * x : c == 1 ? 4 * y : 2 * (x + y);
        int sum = 0;

        for (int v = -1; v <= 1; v++)
            for (int u = -1; u <= 1; u++)
                sum += (2 - (v != 0)) * (2 - (u != 0)) *
                       noise[((y + v + S) % S * S + (x + u + S) % S) * 3 + c];
        rgb[i] = (uint8_t)((3 * (sum / 16) + ramp) / 4);
    }
}

RIJ_API void rij_model_free(rij_model *m)
{
    if (!m)
        return;
    rj_contexts_free(m->contexts);
    rj_ready_free(m->ready);
    rj_net_free(m->net);
    rj_arena_free(&m->trace_arena);
    rj_st_free(&m->about);
    rj_calibration_free(&m->calibration);
    rj_exemplars_free(&m->exemplars);
    rj_free(m->distance);
    rj_device_close(m->dev);
    rj_pool_free(m->pool);
    rj_cage_free(m->cage);
    rj_free(m);
}

rij_status rj_model_new(const rj_net_config *config, const char *device, int threads,
                        int crop, rij_model **model)
{
    rij_model *m;
    rij_status status;

    RJ_TRY(rj_net_config_check(config));
    RJ_REQUIRE(crop >= 32 && crop <= 512 && crop % 16 == 0, RIJ_E_ARGUMENT,
               "a crop of %d is no multiple of 16 in 32..512", crop);
    RJ_REQUIRE(strlen(device) < sizeof m->device, RIJ_E_DEVICE,
               "there is no device '%.80s'", device);
    m = rj_alloc(1, sizeof *m);
    RJ_REQUIRE(m, RIJ_E_MEMORY, "model: no memory");
    snprintf(m->device, sizeof m->device, "%s", device);
    m->crop = crop;
    m->most_crops = RJ_COVER_MAX;
    m->embedding = config->embedding;
    m->decision = (rj_decision){.prox_deviation = 1, .a = 1, .alarm = {NAN, NAN}};
    rj_model_selftest_pixels(m->selftest);
    RJ_TRY_DONE(rj_pool_new(threads, &m->pool));
    RJ_TRY_DONE(rj_device_open(device, m->pool, &m->dev));
    RJ_TRY_DONE(rj_net_new(m->dev, config, 0, false, &m->net));
    RJ_TRY_DONE(rj_contexts_new(&m->contexts));
    *model = m;
    return RIJ_OK;
done:
    rij_model_free(m);
    return status;
}

/* The new traces are complete before the old ones go. */
rij_status rj_model_set_traces(rij_model *m, int traces, int d, const float *rows)
{
    const rj_shape shape = rj_shape_plain(2, traces, d, 1, 1);
    rj_arena arena = {0};
    rj_tensor *t = NULL;
    rj_real *host = NULL;
    rij_status status = RIJ_OK;

    RJ_REQUIRE(traces >= 0 && traces <= 256 && d == m->embedding, RIJ_E_ARGUMENT,
               "traces: %d rows of %d numbers, not 0..256 rows of %d", traces, d,
               m->embedding);
    for (int i = 0; i < traces; i++) {
        double sum = 0;

        for (int j = 0; j < d; j++)
            sum += (double)rows[i * d + j] * (double)rows[i * d + j];
        RJ_REQUIRE(fabs(sum - 1) <= 1e-3, RIJ_E_ARGUMENT,
                   "traces: row %d has squared length %g, not 1", i, sum);
    }
    if (traces) {
        host = rj_alloc(rj_count(&shape), sizeof *host);
        if (!host)
            status = rj_fail(RIJ_E_MEMORY, "traces: no memory");
        for (int i = 0; host && i < traces * d; i++)
            host[i] = (rj_real)rows[i];
        if (host)
            status = rj_tensor_new(m->dev, &arena, &shape, false, &t);
        if (t)
            status = rj_tensor_write(m->dev, t, host);
        rj_free(host);
        if (status != RIJ_OK) {
            rj_arena_free(&arena);
            return status;
        }
    }
    rj_arena_free(&m->trace_arena);
    m->trace_arena = arena;
    m->trace = t;
    m->traces = traces;
    return RIJ_OK;
}

rij_status rj_model_set_distance(rij_model *m, const float *distance)
{
    const size_t n = 2 * (size_t)rj_net_seen(m->net);
    float *copy = rj_alloc(n, sizeof *copy);

    RJ_REQUIRE(copy, RIJ_E_MEMORY, "distance: no memory");
    memcpy(copy, distance, n * sizeof *copy);
    rj_free(m->distance);
    m->distance = copy;
    return RIJ_OK;
}

rij_status rj_model_prepare(rij_model *m, enum rj_precision precision, int batch)
{
    rj_ready *ready = NULL;
    rij_status status;

    m->dev->precision = precision;
    status = rj_net_prepare(m->net, m->dev, m->crop, batch, &ready);
    m->dev->precision = RJ_FP32;
    RJ_TRY(status);
    rj_ready_free(m->ready);
    m->ready = ready;
    m->precision = precision;
    return RIJ_OK;
}

/* ---- in words -----------------------------------------------------------------------
 */

const char *const rj_decide_names[RJ_DECIDES] = {"classifier", "proximity", "fused",
                                                 "distance", "joint"};

/* Text that knows how long it would be. */
typedef struct page {
    char *text;
    size_t size, used;
} page;

static void say(page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(page *p, const char *format, ...)
{
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = p->used < p->size
            ? vsnprintf(p->text + p->used, p->size - p->used, format, arguments)
            : vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    p->used += n > 0 ? (size_t)n : 0;
}

/* Sums of thousands in groups: 1,073,937. */
static void say_count(page *p, size_t n)
{
    if (n >= 1000) {
        say_count(p, n / 1000);
        say(p, ",%03zu", n % 1000);
    } else {
        say(p, "%zu", n);
    }
}

static void say_decision(page *p, const rj_decision *d)
{
    say(p, "decision    %s", rj_decide_names[d->by]);
    if (d->by == RJ_DECIDE_FUSED || d->by == RJ_DECIDE_JOINT)
        say(p, " S = S_cls + %.4g standard", d->kappa);
    if (d->by != RJ_DECIDE_CLASSIFIER)
        say(p, ", standard = (S_%s - %.4g) / %.4g",
            d->by >= RJ_DECIDE_DISTANCE ? "dist" : "prox", d->prox_mean,
            d->prox_deviation);
    say(p, "\nmargin      %.4g S + %.4g; generated if above 0", d->a, d->b);
    if (d->a > 0)
        say(p, ", that is S > %.4g", (0 - d->b) / d->a);
    say(p, "\n");
    if (isfinite(d->alarm[RJ_ALARM1]) && isfinite(d->alarm[RJ_ALARM5]))
        say(p,
            "alarms      1 %% of validation reals above margin %.4g, 5 %% above %.4g\n",
            d->alarm[RJ_ALARM1], d->alarm[RJ_ALARM5]);
}

/* Independent pictures of a class, and how many there are. */
static void say_calibration(page *p, const rj_calibration *c)
{
    int groups[2];

    for (int label = 0; label < 2; label++)
        groups[label] = c->n[label] ? c->row[label][c->n[label] - 1].group + 1 : 0;
    if (groups[0])
        say(p,
            "calibration %d independent photographs, %d generated images, in %d "
            "%s\n",
            groups[0], groups[1], rj_calibration_buckets(c),
            rj_calibration_buckets(c) == 1 ? "bucket" : "buckets");
}

RIJ_API size_t rij_model_describe(const rij_model *m, char *text, size_t size)
{
    static const char *const shown[] = {"data.", "audit.", "train.", "figure.", "card."};
    page p = {text, text ? size : 0, 0};
    const rj_net_config *config;

    if (p.size)
        text[0] = 0;
    if (!m)
        return 0;
    config = rj_net_config_of(m->net);
    say(&p, "network     %s encoder behind %s, ", config->encoder, config->front);
    say_count(&p, rj_params_count(rj_net_params(m->net)));
    say(&p, " parameters, embedding of %d\n", m->embedding);
    say(&p, "views       crops of %d x %d pixels as they are, never resized\n", m->crop,
        m->crop);
    say(&p, "traces      %d\n", m->traces);
    say_decision(&p, &m->decision);
    say_calibration(&p, &m->calibration);
    if (m->exemplars.n)
        say(&p, "exemplars   %d photographs, by name\n", m->exemplars.n);
    for (int i = 0; i < RJ_COUNT(shown); i++)
        for (int j = 0; j < m->about.entries; j++) {
            const rj_st_entry *e = &m->about.entry[j];

            if (strncmp(e->key, shown[i], strlen(shown[i])) == 0)
                say(&p, "%-11s %s\n", e->key, e->value);
        }
    return p.used;
}
