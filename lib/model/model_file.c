/* model_file.c: a trained judge to and from a file. docs/model_file.md says what every
 * key and tensor means. Nothing of a file is believed: entries choose among what this
 * version knows, and the network built from them says which tensors must be there. */
#include "model/model.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What this version does to pixels. A file that says otherwise is refused. */
static const char *const sealed_entries[][2] = {
    {"format", "realjudge"},
    {"format_version", "1"},
    {"input.colour", "RGB"},
    {"input.scale", "(v-127.5)/127.5"},
    {"input.resize", "never"},
    {"input.cover",
     "evenly spaced native crops, at most 64, mean of S; short sides reflected"},
};
static const char *const own_entries[] = {
    "library",         "input.crop",         "net.encoder",
    "net.front",       "net.embedding",      "decision.by",
    "decision.kappa",  "decision.prox_mean", "decision.prox_deviation",
    "decision.a",      "decision.b",         "selftest.margin",
    "decision.alarm1", "decision.alarm5",    "exemplars.id",
};
static const char *const alarm_entries[RJ_ALARMS] = {"decision.alarm1",
                                                     "decision.alarm5"};

static bool is_own(const char *key)
{
    for (int i = 0; i < RJ_COUNT(sealed_entries); i++)
        if (strcmp(key, sealed_entries[i][0]) == 0)
            return true;
    for (int i = 0; i < RJ_COUNT(own_entries); i++)
        if (strcmp(key, own_entries[i]) == 0)
            return true;
    return false;
}

/* Numbers are written and read by jansson, whose text does not depend on the locale; 17
 * digits give back the same double. */
static rij_status set_number(rj_st_file *f, const char *key, double value)
{
    json_t *number = json_real(value);
    char text[40];
    size_t n;

    RJ_REQUIRE(isfinite(value), RIJ_E_ARGUMENT, "%s is not a finite number", key);
    RJ_REQUIRE(number, RIJ_E_MEMORY, "%s: no memory", key);
    n = json_dumpb(number, text, sizeof text - 1,
                   JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    json_decref(number);
    RJ_REQUIRE(n > 0 && n < sizeof text, RIJ_E_MEMORY, "%s: no memory", key);
    text[n] = 0;
    return rj_st_set(f, key, text);
}

static rij_status set_int(rj_st_file *f, const char *key, int value)
{
    char text[16];

    snprintf(text, sizeof text, "%d", value);
    return rj_st_set(f, key, text);
}

static rij_status get_number(const rj_st_file *f, const char *key, double low,
                             double high, double *value)
{
    const char *text = rj_st_get(f, key);
    json_t *number;
    double x;

    RJ_REQUIRE(text, RIJ_E_MODEL, "model file: no entry '%s'", key);
    number = json_loads(text, JSON_DECODE_ANY, NULL);
    x = json_is_number(number) ? json_number_value(number) : NAN;
    json_decref(number);
    RJ_REQUIRE(x >= low && x <= high, RIJ_E_MODEL,
               "model file: %s is '%.40s', not a number in %g..%g", key, text, low, high);
    *value = x;
    return RIJ_OK;
}

static rij_status get_int(const rj_st_file *f, const char *key, int low, int high,
                          int *value)
{
    double x;

    RJ_TRY(get_number(f, key, low, high, &x));
    RJ_REQUIRE(x == floor(x), RIJ_E_MODEL, "model file: %s is %g, no whole number", key,
               x);
    *value = (int)x;
    return RIJ_OK;
}

static rij_status entries_to_file(const rij_model *m, rj_st_file *f)
{
    const rj_net_config *config = rj_net_config_of(m->net);
    const rj_decision *d = &m->decision;

    for (int i = 0; i < RJ_COUNT(sealed_entries); i++)
        RJ_TRY(rj_st_set(f, sealed_entries[i][0], sealed_entries[i][1]));
    RJ_TRY(rj_st_set(f, "library", rij_version()));
    RJ_TRY(rj_st_set(f, "net.encoder", config->encoder));
    RJ_TRY(rj_st_set(f, "net.front", config->front));
    RJ_TRY(set_int(f, "net.embedding", config->embedding));
    RJ_TRY(set_int(f, "input.crop", m->crop));
    RJ_TRY(rj_st_set(f, "decision.by", rj_decide_names[d->by]));
    RJ_TRY(set_number(f, "decision.kappa", d->kappa));
    RJ_TRY(set_number(f, "decision.prox_mean", d->prox_mean));
    RJ_TRY(set_number(f, "decision.prox_deviation", d->prox_deviation));
    RJ_TRY(set_number(f, "decision.a", d->a));
    RJ_TRY(set_number(f, "decision.b", d->b));
    for (int i = 0; i < RJ_ALARMS; i++)
        if (isfinite(d->alarm[i]))
            RJ_TRY(set_number(f, alarm_entries[i], d->alarm[i]));
    RJ_TRY(set_number(f, "selftest.margin", m->selftest_margin));
    for (int i = 0; i < m->about.entries; i++)
        if (!is_own(m->about.entry[i].key))
            RJ_TRY(rj_st_set(f, m->about.entry[i].key, m->about.entry[i].value));
    return RIJ_OK;
}

static rij_status tensors_to_file(const rij_model *m, rj_st_file *f)
{
    const rj_params *s = rj_net_params(m->net);
    float image[RJ_COUNT(m->selftest)];

    for (int i = 0; i < s->n; i++)
        RJ_TRY(rj_st_take(f, s->p[i].name, m->dev, s->p[i].t.shape, s->p[i].t.x));
    if (m->distance)
        RJ_TRY(rj_st_add(f, "distance", rj_shape_plain(2, 2, rj_net_seen(m->net), 1, 1),
                         m->distance));
    if (m->traces)
        RJ_TRY(rj_st_take(f, "traces", m->dev, m->trace->shape, m->trace->x));
    for (int i = 0; i < RJ_COUNT(image); i++)
        image[i] = (float)m->selftest[i];
    RJ_TRY(rj_calibration_to_file(&m->calibration, f));
    RJ_TRY(rj_exemplars_to_file(&m->exemplars, m->embedding, f));
    return rj_st_add(f, "selftest.image",
                     rj_shape_plain(3, RJ_SELFTEST_SIDE, RJ_SELFTEST_SIDE, 3, 1), image);
}

rij_status rj_model_to_file(const rij_model *m, rj_st_file *f)
{
    rj_st_file file = {.sealed = true};
    rij_status status;

    RJ_TRY_DONE(entries_to_file(m, &file));
    RJ_TRY_DONE(tensors_to_file(m, &file));
    *f = file;
    return RIJ_OK;
done:
    rj_st_free(&file);
    return status;
}

/* Metadata first: what network to build, and whether this version knows how. */
static rij_status check_entries(const rj_st_file *f, rj_net_config *config, int *crop)
{
    const char *version = rj_st_get(f, "format_version");

    RJ_REQUIRE(f->sealed, RIJ_E_MODEL, "model file: it has no hash");
    if (version && strcmp(version, "1") != 0)
        return rj_fail(RIJ_E_MODEL, "model file: format version '%.40s'; %s reads 1",
                       version, rij_version());
    for (int i = 0; i < RJ_COUNT(sealed_entries); i++) {
        const char *key = sealed_entries[i][0], *value = rj_st_get(f, key);

        RJ_REQUIRE(value && strcmp(value, sealed_entries[i][1]) == 0, RIJ_E_MODEL,
                   "model file: %s is '%.60s', not '%s'", key, value ? value : "",
                   sealed_entries[i][1]);
    }
    RJ_REQUIRE(rj_st_get(f, "net.encoder") && rj_st_get(f, "net.front"), RIJ_E_MODEL,
               "model file: no encoder or no front-end is named");
    snprintf(config->encoder, sizeof config->encoder, "%s", rj_st_get(f, "net.encoder"));
    snprintf(config->front, sizeof config->front, "%s", rj_st_get(f, "net.front"));
    RJ_TRY(get_int(f, "net.embedding", 8, 1024, &config->embedding));
    RJ_TRY(get_int(f, "input.crop", 32, 512, crop));
    RJ_REQUIRE(*crop % 16 == 0, RIJ_E_MODEL, "model file: a crop of %d", *crop);
    RJ_REQUIRE(rj_net_config_check(config) == RIJ_OK, RIJ_E_MODEL,
               "model file: encoder '%s' or front-end '%s' is unknown", config->encoder,
               config->front);
    return RIJ_OK;
}

static rij_status decision_from_file(const rj_st_file *f, rij_model *m)
{
    const char *by = rj_st_get(f, "decision.by");
    rj_decision *d = &m->decision;
    int chosen = -1;
    double most;

    for (int i = 0; by && i < RJ_DECIDES; i++)
        if (strcmp(by, rj_decide_names[i]) == 0)
            chosen = i;
    RJ_REQUIRE(chosen >= 0, RIJ_E_MODEL, "model file: decision.by is '%.40s'",
               by ? by : "");
    RJ_REQUIRE((chosen != RJ_DECIDE_PROXIMITY && chosen != RJ_DECIDE_FUSED) || m->traces,
               RIJ_E_MODEL, "model file: it decides by %s, but has no traces", by);
    RJ_REQUIRE((chosen >= RJ_DECIDE_DISTANCE) == (m->distance != NULL), RIJ_E_MODEL,
               "model file: it decides by %s, but has %s tensor 'distance'", by,
               m->distance ? "a" : "no");
    d->by = (enum rj_decide)chosen;
    most = m->distance ? 1e9 : 2;
    RJ_TRY(get_number(f, "decision.kappa", -1e9, 1e9, &d->kappa));
    RJ_TRY(get_number(f, "decision.prox_mean", -most, most, &d->prox_mean));
    RJ_TRY(get_number(f, "decision.prox_deviation", 1e-9, 1e9, &d->prox_deviation));
    RJ_TRY(get_number(f, "decision.a", -1e9, 1e9, &d->a));
    RJ_TRY(get_number(f, "decision.b", -1e9, 1e9, &d->b));
    for (int i = 0; i < RJ_ALARMS; i++) { // older files have none
        d->alarm[i] = NAN;
        if (rj_st_get(f, alarm_entries[i]))
            RJ_TRY(get_number(f, alarm_entries[i], -1e12, 1e12, &d->alarm[i]));
    }
    return get_number(f, "selftest.margin", -1e12, 1e12, &m->selftest_margin);
}

static rij_status image_from_file(const rj_st_file *f, rij_model *m)
{
    const rj_st_tensor *t = rj_st_tensor_find(f, "selftest.image");
    const rj_shape shape = rj_shape_plain(3, RJ_SELFTEST_SIDE, RJ_SELFTEST_SIDE, 3, 1);

    RJ_REQUIRE(t && rj_shape_same(&t->shape, &shape), RIJ_E_MODEL,
               "model file: no tensor 'selftest.image' of %d x %d x 3", RJ_SELFTEST_SIDE,
               RJ_SELFTEST_SIDE);
    for (int i = 0; i < RJ_COUNT(m->selftest); i++) {
        RJ_REQUIRE(t->x[i] >= 0 && t->x[i] <= 255 && t->x[i] == floorf(t->x[i]),
                   RIJ_E_MODEL, "model file: 'selftest.image' holds %g, no pixel",
                   (double)t->x[i]);
        m->selftest[i] = (uint8_t)t->x[i];
    }
    return RIJ_OK;
}

static rij_status distance_from_file(const rj_st_file *f, rij_model *m, int *tensors)
{
    const rj_st_tensor *t = rj_st_tensor_find(f, "distance");
    const rj_shape shape = rj_shape_plain(2, 2, rj_net_seen(m->net), 1, 1);

    if (!t)
        return RIJ_OK;
    *tensors += 1;
    RJ_REQUIRE(rj_shape_same(&t->shape, &shape), RIJ_E_MODEL,
               "model file: tensor 'distance' is not two rows of %d numbers",
               rj_net_seen(m->net));
    return rj_model_set_distance(m, t->x);
}

/* Every tensor of the file has a place: parameters, traces, distance, calibration,
 * exemplars, self-test. */
static rij_status tensors_from_file(const rj_st_file *f, rij_model *m)
{
    const rj_st_tensor *t = rj_st_tensor_find(f, "traces");
    rj_params *s = rj_net_params(m->net);
    int known = s->n + 1 + (t != NULL);
    rij_status status;

    for (int i = 0; i < s->n; i++)
        RJ_TRY(rj_st_give("model file", f, s->p[i].name, m->dev, &s->p[i].t.shape,
                          s->p[i].t.x));
    RJ_TRY(image_from_file(f, m));
    RJ_TRY(rj_calibration_from_file(f, &m->calibration, &known));
    RJ_TRY(rj_exemplars_from_file(f, m->embedding, &m->exemplars, &known));
    RJ_TRY(distance_from_file(f, m, &known));
    RJ_REQUIRE(f->tensors == known, RIJ_E_MODEL,
               "model file: %d tensors, where %d are known", f->tensors, known);
    if (!t)
        return RIJ_OK;
    RJ_REQUIRE(t->shape.rank == 2, RIJ_E_MODEL, "model file: 'traces' of rank %d",
               t->shape.rank);
    status = rj_model_set_traces(m, t->shape.dim[0], t->shape.dim[1], t->x);
    return status == RIJ_E_ARGUMENT
               ? rj_fail(RIJ_E_MODEL,
                         "model file: 'traces' are not unit rows of %d numbers",
                         m->embedding)
               : status;
}

static rij_status about_from_file(const rj_st_file *f, rij_model *m)
{
    for (int i = 0; i < f->entries; i++) {
        const rj_st_entry *e = &f->entry[i];
        const rij_status status =
            is_own(e->key) ? RIJ_OK : rj_st_set(&m->about, e->key, e->value);

        RJ_REQUIRE(status != RIJ_E_ARGUMENT, RIJ_E_MODEL,
                   "model file: the key of entry %d is not plain text", i);
        RJ_TRY(status);
    }
    return RIJ_OK;
}

rij_status rj_model_from_file(const rj_st_file *f, const char *device, int threads,
                              rij_model **model)
{
    rj_net_config config;
    rij_model *m = NULL;
    int crop;
    rij_status status;

    RJ_TRY(check_entries(f, &config, &crop));
    RJ_TRY(rj_model_new(&config, device, threads, crop, &m));
    RJ_TRY_DONE(tensors_from_file(f, m));
    RJ_TRY_DONE(decision_from_file(f, m));
    RJ_TRY_DONE(about_from_file(f, m));
    *model = m;
    return RIJ_OK;
done:
    rij_model_free(m);
    return status;
}

RIJ_API rij_status rij_model_save(const rij_model *model, const char *path)
{
    rj_st_file f = {0};
    rij_status status;

    RJ_REQUIRE(model && path, RIJ_E_ARGUMENT, "rij_model_save: the %s is NULL",
               model ? "path" : "model");
    RJ_TRY(rj_model_to_file(model, &f));
    status = rj_st_write(path, &f);
    rj_st_free(&f);
    return status;
}

/* Of the tensors of the calibration alone, by the hash of a file's data. */
static rij_status hash_calibration(const rj_calibration *c, char digits[17])
{
    char seal[RJ_SEAL + 1] = "";
    rj_st_file f = {0};
    rij_status status = rj_calibration_to_file(c, &f);

    if (status == RIJ_OK && f.tensors > 0)
        status = rj_st_seal(&f, seal);
    rj_st_free(&f);
    memcpy(digits, seal[0] ? seal + 16 : seal, 17);
    return status;
}

RIJ_API rij_status rij_model_hash(const rij_model *model, rij_model_hashes *hashes)
{
    rij_model_hashes made = {"", ""};
    rj_st_file f = {0};
    rij_status status;

    RJ_REQUIRE(model && hashes, RIJ_E_ARGUMENT, "rij_model_hash: %s is NULL",
               model ? "hashes" : "model");
    RJ_TRY(hash_calibration(&model->calibration, made.calibration));
    status = rj_model_to_file(model, &f);
    if (status == RIJ_OK)
        status = rj_st_seal(&f, made.model);
    rj_st_free(&f);
    RJ_TRY(status);
    *hashes = made;
    return RIJ_OK;
}
