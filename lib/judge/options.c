/* options.c: what a zero stands for in rij_train_options, and what is refused.
 *
 * One table holds every number with its default and range, another every name. The
 * check, the message and the JSON text of a model's metadata all walk the tables, so a
 * field that is not in them does not exist. */
#include "judge/judge.h"
#include "device/plugin.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum kind { INT, LONG, REAL };

typedef struct number {
    const char *name;
    size_t at; /* offset in rij_train_options */
    enum kind kind;
    double usual, low, high; /* the default, below 0 where it is off, and the range */
    bool off;                /* a negative number switches it off */
    bool machine;            /* of this machine's business only: not kept in a model */
    bool unsaid; /* nor where it is the default: files of before do not have it */
} number;

#define NUMBER(kind, field, ...)                                                         \
    {                                                                                    \
#        field, offsetof(rij_train_options, field), kind, __VA_ARGS__                    \
    }

/* The widest sensible ranges stand where the header names none: blur and noise as the
 * columns of rij_evaluate() have them, weights and rates far above anything useful. */
static const number numbers[] = {
    /*              field           default  low   high   off?  machine? */
    NUMBER(INT, threads, 0, 0, RJ_MAX_THREADS, false, true),
    NUMBER(INT, isolate, 0, 0, 1, false, true),
    /* data */
    NUMBER(REAL, validation, 0.1, 0.02, 0.5, false),
    NUMBER(INT, min_images, 16, 1, 1000000, false),
    NUMBER(LONG, cache_bytes, 1 << 30, 1, 0x1p62, true, true),
    NUMBER(INT, shuffle_labels, 0, 0, 1, false),
    NUMBER(INT, align, 1, 1, 1, true),
    NUMBER(INT, one_class, 0, 0, 1, false),
    NUMBER(INT, sharp, 5, 1, 16, false),
    /* views */
    NUMBER(INT, crop, 144, 32, 512, false),
    NUMBER(REAL, degraded, 0.5, 0, 1, true),
    NUMBER(INT, jpeg_min, 60, 1, 100, false),
    NUMBER(INT, jpeg_max, 98, 1, 100, false),
    NUMBER(REAL, blur_max, 1.1, 0.2, 8, false),
    NUMBER(REAL, noise_max, 6, 0, 64, false),
    NUMBER(REAL, resize_min, 0.5, 0.1, 1, false),
    NUMBER(REAL, forged, 0.9, 0, 1, true),
    NUMBER(REAL, operated, 0.5, 0, 1, true),
    NUMBER(REAL, blended, 0, 0, 1, true),
    /* network */
    NUMBER(INT, embedding, 128, 8, 1024, false),
    /* stage 1 */
    NUMBER(INT, batch1, 32, 4, 4096, false),
    NUMBER(INT, steps1, 200, 1, 1e8, true),
    NUMBER(REAL, rate1, 0.05, 0, 100, false),
    NUMBER(REAL, l_het, -1, 0, 1000, true),
    NUMBER(REAL, l_dec, -1, 0, 1000, true),
    NUMBER(REAL, broken, 0.5, 0, 1, true),
    NUMBER(INT, traces, 1, 1, 256, true),
    /* stage 2; default_steps() has others of steps2, rate2, weight_decay */
    NUMBER(INT, batch2, 64, 4, 4096, false),
    NUMBER(INT, steps2, 4000, 1, 1e8, false),
    NUMBER(REAL, rate2, 2e-3, 0, 100, false),
    NUMBER(REAL, weight_decay, 0.5, 0, 1, true),
    NUMBER(REAL, warmup, 0.05, 0, 1, true),
    NUMBER(INT, patience, 6, 1, 1000000, true),
    NUMBER(REAL, average, 0.99, 0, 0.9999, true),
    NUMBER(REAL, lambda, 0.1, 0, 1000, true),
    NUMBER(REAL, tau, 0.1, 0.02, 100, false),
    NUMBER(REAL, tau_s, 0.2, 0.02, 100, false),
    NUMBER(REAL, alpha, 0.5, 0, 1, true),
    NUMBER(REAL, beta, 0.5, 0, 1, true),
    NUMBER(REAL, rho, 0.2, 0, 1, true),
    /* exemplars */
    NUMBER(INT, exemplars, 0, 1, RJ_EXEMPLARS_MAX, false, false, true),
    /* checkpoints */
    NUMBER(REAL, checkpoint_seconds, 300, 0.001, 1e6, true, true),
    NUMBER(INT, resume, 0, 0, 1, false, true),
};

typedef struct choice {
    const char *name;
    size_t at;
    rij_status refusal;
    const char *known[6]; /* the default first; ends with NULL */
} choice;

#define CHOICE(field, refusal, ...)                                                      \
    {                                                                                    \
#        field, offsetof(rij_train_options, field), refusal,                             \
        {                                                                                \
            __VA_ARGS__                                                                  \
        }                                                                                \
    }

static const choice choices[] = {
    CHOICE(device, RIJ_E_DEVICE, "cpu", "ref"),
    CHOICE(precision, RIJ_E_ARGUMENT, "fp32", "bf16", "tf32"),
    CHOICE(law, RIJ_E_ARGUMENT, "one", "chain"),
    CHOICE(encoder, RIJ_E_ARGUMENT, "statistics", "small", "patch", "resnet18",
           "resnet50"),
    CHOICE(front, RIJ_E_ARGUMENT, "octaves", "haar", "raw", "median", "npr"),
    CHOICE(optimiser, RIJ_E_ARGUMENT, "adamw", "sgd"),
    CHOICE(contrast, RIJ_E_ARGUMENT, "soft", "extended", "none"),
    CHOICE(decide, RIJ_E_ARGUMENT, "classifier", "proximity", "fused", "distance",
           "joint"),
};

/* ---- fields of a struct by the table ---------------------------------------------- */

static double get(const rij_train_options *o, const number *f)
{
    const char *at = (const char *)o + f->at;

    switch (f->kind) {
    case INT:
        return *(const int *)(const void *)at;
    case LONG:
        return (double)*(const int64_t *)(const void *)at;
    default:
        return *(const double *)(const void *)at;
    }
}

static void set(rij_train_options *o, const number *f, double value)
{
    char *at = (char *)o + f->at;

    if (f->kind == INT)
        *(int *)(void *)at = (int)value;
    else if (f->kind == LONG)
        *(int64_t *)(void *)at = (int64_t)value;
    else
        *(double *)(void *)at = value;
}

static const char **name_at(rij_train_options *o, const choice *c)
{
    return (const char **)(void *)((char *)o + c->at);
}

/* ---- checks ----------------------------------------------------------------------- */

/* The comparisons are so turned that a NaN is refused. */
static rij_status resolve_number(rij_train_options *o, const number *f)
{
    const double value = get(o, f);

    if (value == 0)
        set(o, f, f->usual);
    else if (f->off && value < 0)
        set(o, f, -1);
    else
        RJ_REQUIRE(value >= f->low && value <= f->high, RIJ_E_ARGUMENT,
                   "train: %s is %g, not in %g..%g (0: the default, %g%s)", f->name,
                   value, f->low, f->high, f->usual, f->off ? "; negative: off" : "");
    return RIJ_OK;
}

static rij_status resolve_choice(rij_train_options *o, const choice *c)
{
    const char **name = name_at(o, c);
    char list[64] = "";
    size_t used = 0;

    if (!*name) {
        *name = c->known[0];
        return RIJ_OK;
    }
    for (int i = 0; c->known[i]; i++) {
        if (strcmp(*name, c->known[i]) == 0) {
            *name = c->known[i];
            return RIJ_OK;
        }
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", c->known[i]);
        used = strlen(list);
    }
    if (c->refusal == RIJ_E_DEVICE && rj_plugin_named(*name))
        return RIJ_OK; // whether it is there is seen when it is opened
    return rj_fail(c->refusal, "train: there is no %s '%.60s'; known: %s", c->name, *name,
                   list);
}

/* What one field alone cannot tell. */
static rij_status check_together(const rij_train_options *o)
{
    const bool by_traces =
        strcmp(o->decide, "proximity") == 0 || strcmp(o->decide, "fused") == 0;

    RJ_REQUIRE(o->crop % 16 == 0, RIJ_E_ARGUMENT,
               "train: crop is %d, not a multiple of 16 in 32..512", o->crop);
    RJ_REQUIRE(strcmp(o->encoder, "statistics") != 0 || strcmp(o->front, "raw") == 0,
               RIJ_E_ARGUMENT, "train: front is '%s', but encoder statistics takes raw",
               o->front);
    RJ_REQUIRE(o->jpeg_min <= o->jpeg_max, RIJ_E_ARGUMENT,
               "train: jpeg_min is %d, above jpeg_max, which is %d", o->jpeg_min,
               o->jpeg_max);
    RJ_REQUIRE(o->batch1 % 2 == 0, RIJ_E_ARGUMENT,
               "train: batch1 is %d, not an even number in 4..4096", o->batch1);
    RJ_REQUIRE(o->batch2 % 2 == 0, RIJ_E_ARGUMENT,
               "train: batch2 is %d, not an even number in 4..4096", o->batch2);
    RJ_REQUIRE(4 * o->batch1 + 2 * RJ_MAX(o->broken, 0.0) * o->batch1 <= 16384,
               RIJ_E_ARGUMENT,
               "train: batch1 is %d, too many rows for one contrastive loss of 16384",
               o->batch1);
    RJ_REQUIRE(!o->one_class || !o->shuffle_labels, RIJ_E_ARGUMENT,
               "train: one_class leaves no labels to shuffle");
    RJ_REQUIRE((o->traces > 0 && o->steps1 > 0) || !by_traces, RIJ_E_ARGUMENT,
               "train: decide is '%s', but %s is off", o->decide,
               o->traces > 0 ? "steps1" : "traces");
    RJ_REQUIRE(!o->exemplars || !o->shuffle_labels, RIJ_E_ARGUMENT,
               "train: exemplars are photographs, which shuffled labels do not tell");
    RJ_REQUIRE(!o->exemplars || o->steps1 > 0 ||
                   (o->lambda > 0 && strcmp(o->contrast, "none") != 0),
               RIJ_E_ARGUMENT,
               "train: exemplars are compared by z, but steps1 and contrast are off");
    RJ_REQUIRE(o->checkpoint || !o->resume, RIJ_E_ARGUMENT,
               "train: resume is 1, but no checkpoint is named");
    return rj_allow_check(o->allow);
}

/* Statistics bear more and larger steps and more decay than convolutions do. */
static void default_steps(rij_train_options *o)
{
    const bool sgd = strcmp(o->optimiser, "sgd") == 0;
    const bool statistics = strcmp(o->encoder, "statistics") == 0;

    if (o->steps2 == 0 && !statistics)
        o->steps2 = 2000;
    if (o->rate2 == 0 && (sgd || !statistics))
        o->rate2 = 1e-3;
    if (o->weight_decay == 0 && (sgd || !statistics))
        o->weight_decay = sgd ? 1e-4 : 1e-2;
}

RIJ_API rij_status rij_train_options_resolve(rij_train_options *options)
{
    rij_train_options o;

    RJ_REQUIRE(options, RIJ_E_ARGUMENT, "rij_train_options_resolve: options is NULL");
    RJ_REQUIRE(options->size == sizeof o, RIJ_E_ARGUMENT,
               "train: options.size is %zu, not %zu; start with RIJ_TRAIN_OPTIONS_INIT",
               options->size, sizeof o);
    o = *options;
    if (!o.front && (!o.encoder || strcmp(o.encoder, "statistics") == 0))
        o.front = "raw";
    if (!o.decide && o.one_class)
        o.decide = "joint";
    for (int i = 0; i < RJ_COUNT(choices); i++)
        RJ_TRY(resolve_choice(&o, &choices[i]));
    default_steps(&o);
    for (int i = 0; i < RJ_COUNT(numbers); i++)
        RJ_TRY(resolve_number(&o, &numbers[i]));
    RJ_TRY(check_together(&o));
    *options = o;
    return RIJ_OK;
}

/* ---- text ------------------------------------------------------------------------- */

/* The seed is text: 64 bits do not fit the numbers of most readers of JSON. */
static bool fill(json_t *object, rij_train_options *o)
{
    char seed[24];
    bool fine = true;

    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    fine = json_object_set_new(object, "seed", json_string(seed)) == 0 && fine;
    if (o->allow)
        fine = json_object_set_new(object, "allow", json_string(o->allow)) == 0 && fine;
    for (int i = 0; i < RJ_COUNT(choices); i++)
        fine = json_object_set_new(object, choices[i].name,
                                   json_string(*name_at(o, &choices[i]))) == 0 &&
               fine;
    for (int i = 0; i < RJ_COUNT(numbers); i++) {
        const number *f = &numbers[i];
        const double value = get(o, f);

        if (!f->machine && (!f->unsaid || value != f->usual))
            fine = json_object_set_new(object, f->name,
                                       f->kind == REAL
                                           ? json_real(value)
                                           : json_integer((int64_t)value)) == 0 &&
                   fine;
    }
    return fine;
}

/* Threads, cache and checkpoints are left out, since they change no bit of a model; so
 * are paths. */
rij_status rj_options_text(const rij_train_options *resolved, char **json)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(15);
    rij_train_options o = *resolved;
    json_t *object = json_object();
    char *text = object && fill(object, &o) ? rj_json_text(object, flags) : NULL;

    json_decref(object);
    RJ_REQUIRE(text, RIJ_E_MEMORY, "options: no memory for their text");
    *json = text;
    return RIJ_OK;
}

enum { VALUE = 64 };

/* A value as text, which may be cut. */
static void value_text(const json_t *value, char text[VALUE])
{
    const size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);
    const size_t n = value ? json_dumpb(value, text, VALUE - 1, flags) : 0;

    text[RJ_MIN(n, VALUE - 1)] = 0;
    if (n == 0)
        snprintf(text, VALUE, "nothing");
}

/* The first key of `a` whose value in `b` is another. */
static bool first_other(json_t *a, json_t *b, bool turned, char differs[RJ_WHY])
{
    const char *key;
    json_t *value;

    json_object_foreach(a, key, value)
    {
        const json_t *other = json_object_get(b, key);
        char then[VALUE], now[VALUE];

        if (json_equal(value, other))
            continue;
        value_text(turned ? other : value, then);
        value_text(turned ? value : other, now);
        snprintf(differs, RJ_WHY, "%.40s was %s, now %s", key, then, now);
        return true;
    }
    return false;
}

rij_status rj_options_differ(const char *was, const rij_train_options *resolved,
                             char differs[RJ_WHY])
{
    char *is = NULL;
    json_t *a, *b;

    differs[0] = 0;
    RJ_TRY(rj_options_text(resolved, &is));
    if (strcmp(was, is) == 0) {
        rj_free(is);
        return RIJ_OK;
    }
    a = json_loads(was, 0, NULL);
    b = json_loads(is, 0, NULL);
    rj_free(is);
    if (!a || (!first_other(a, b, false, differs) && !first_other(b, a, true, differs)))
        snprintf(differs, RJ_WHY, "they are no text of this version");
    json_decref(a);
    json_decref(b);
    return RIJ_OK;
}

void rj_options_changed(const rij_train_options *resolved, rj_text *text)
{
    rij_train_options o = *resolved, usual = RIJ_TRAIN_OPTIONS_INIT;
    const char *between = "";

    if (rij_train_options_resolve(&usual) != RIJ_OK)
        return;
    for (int i = 0; i < RJ_COUNT(choices); i++)
        if (strcmp(*name_at(&o, &choices[i]), *name_at(&usual, &choices[i])) != 0) {
            rj_text_say(text, "%s%s %s", between, choices[i].name,
                        *name_at(&o, &choices[i]));
            between = ", ";
        }
    for (int i = 0; i < RJ_COUNT(numbers); i++)
        if (!numbers[i].machine && get(&o, &numbers[i]) != get(&usual, &numbers[i])) {
            if (numbers[i].off && get(&o, &numbers[i]) < 0)
                rj_text_say(text, "%s%s off", between, numbers[i].name);
            else
                rj_text_say(text, "%s%s %.15g", between, numbers[i].name,
                            get(&o, &numbers[i]));
            between = ", ";
        }
    if (o.allow) {
        rj_text_say(text, "%sallow ", between);
        rj_text_put(text, o.allow);
        between = ", ";
    }
    if (o.seed)
        rj_text_say(text, "%sseed %llu", between, (unsigned long long)o.seed);
}
