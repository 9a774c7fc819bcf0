/* train.c: rij_train().
 *
 *     data -> check -> hold out by group -> stage 1 and traces -> stage 2 -> calibration
 *          -> model, sealed with its self-test
 *
 * Nothing but checkpoints is written: the caller saves the model. Whatever fails, all is
 * freed. */
#include "judge/judge.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static int note(const char *line, void *user)
{
    return rj_trainer_note(user, line) != RIJ_OK;
}

static rij_status looked(int n, void *user)
{
    rj_trainer *t = user;

    return rj_trainer_tell(t, n, n - (int)t->phase_rows, 0, (const double[4]){0}, false);
}

/* Too few usable images of a class, in words. Fakes may be none: then all are forged. */
static rij_status enough(const rj_trainer *t)
{
    const char *const names[2] = {"real", "generated"};
    int listed[2] = {0};

    for (int i = 0; i < t->data.n; i++)
        listed[t->data.sample[i].label]++;

    for (int label = 0; label < 2; label++) {
        const int have = rj_dataset_count(&t->data, label, false) +
                         rj_dataset_count(&t->data, label, true);
        RJ_REQUIRE(have >= t->o.min_images ||
                       (label == RJ_FAKE_LABEL && listed[label] == 0),
                   RIJ_E_DATA, "train: %d usable %s images, at least %d are needed", have,
                   names[label], t->o.min_images);
    }
    RJ_REQUIRE(!t->o.shuffle_labels ||
                   rj_dataset_count(&t->data, RJ_FAKE_LABEL, false) > 0,
               RIJ_E_DATA, "train: shuffled labels need generated images in the data");
    RJ_REQUIRE(rj_dataset_count(&t->data, RJ_REAL_LABEL, false) > 0, RIJ_E_DATA,
               "train: all real images are of one group, none is left to train on");
    return RIJ_OK;
}

static rij_status read_data(rj_trainer *t, const char *data)
{
    RJ_TRY(rj_dataset_open(data, t->o.split, &t->data));
    t->data.cage = t->cage;
    if (t->o.one_class)
        rj_dataset_keep_reals(&t->data);
    RJ_TRY(rj_trainer_audit(t, data));
    RJ_TRY(rj_cache_new(&t->data, t->o.cache_bytes, &t->cache));
    rj_trainer_phase(t, "read", t->data.n);
    RJ_TRY(rj_dataset_check(&t->data, t->cache, t->pool, note, looked, t));
    RJ_TRY(rj_dataset_hold_out(&t->data, t->o.validation, t->o.seed));
    if (t->o.shuffle_labels)
        rj_dataset_shuffle_labels(&t->data, t->o.seed);
    RJ_TRY(enough(t));
    if (!t->o.shuffle_labels) // else what is sharp would be called real
        RJ_TRY(rj_dataset_draw_sharp(&t->data, t->o.sharp));
    RJ_TRY(looked(t->data.n, t));
    return rj_trainer_views(t);
}

/* How well remade photographs are told says little of how well a generator's are, so the
 * threshold is where 5 % of the photographs that were held out lie above. */
static void trust_reals(rj_decision *d)
{
    const double alarm = d->alarm[RJ_ALARM5];

    d->b -= alarm;
    for (int i = 0; i < RJ_ALARMS; i++)
        d->alarm[i] -= alarm;
}

static rij_status calibrate(rj_trainer *t, rj_decision *decision)
{
    *decision = (rj_decision){.by = RJ_DECIDE_CLASSIFIER};
    for (int i = 0; i < RJ_DECIDES; i++)
        if (strcmp(t->o.decide, rj_decide_names[i]) == 0)
            decision->by = (enum rj_decide)i;
    if (decision->by >= RJ_DECIDE_DISTANCE)
        RJ_TRY(rj_train_distance(t));
    rj_trainer_phase(t, "calibrate", t->views);
    RJ_TRY(rj_trainer_judge(t, t->best, t->trace, t->traces));
    RJ_TRY(rj_calibrate(t->views, t->cls, t->prox, t->view_label, decision));
    if (t->o.one_class)
        trust_reals(decision);
    return rj_trainer_tell(t, t->views, t->views, 0, (const double[4]){0}, true);
}

/* A metadata entry with a number or a text. */
static rij_status say(rij_model *m, const char *key, const char *format, double value)
{
    char text[64];

    snprintf(text, sizeof text, format, value);
    return rj_st_set(&m->about, key, text);
}

static rij_status describe(const rj_trainer *t, rij_model *m)
{
    char text[32], *json = NULL;
    double auc[2];
    rij_status status;

    RJ_TRY(rj_options_text(&t->o, &json));
    status = rj_st_set(&m->about, "train.options", json);
    rj_free(json);
    RJ_TRY(status);
    snprintf(text, sizeof text, "%016" PRIx64, t->data.hash);
    RJ_TRY(rj_st_set(&m->about, "data.hash", text));
    for (int i = 0; i < t->founds; i++) {
        snprintf(text, sizeof text, "audit.%d", i + 1);
        RJ_TRY(rj_st_set(&m->about, text, t->found[i]));
    }
    for (int label = 0; label < 2; label++)
        for (int held = 0; held < 2; held++) {
            static const char *const key[2][2] = {
                {"data.real.train", "data.real.validation"},
                {"data.fake.train", "data.fake.validation"}};
            RJ_TRY(say(m, key[label][held], "%.0f",
                       rj_dataset_count(&t->data, label, held == 1)));
        }
    RJ_TRY(rj_metric_auc(t->views, t->cls, t->view_label, NULL, &auc[0]));
    RJ_TRY(rj_metric_auc(t->views, t->prox, t->view_label, NULL, &auc[1]));
    RJ_TRY(say(m, "figure.validation_views", "%.0f", t->views));
    RJ_TRY(say(m, "figure.validation_auc_classifier", "%.4f", auc[0]));
    return t->traces > 0 || t->distance
               ? say(m,
                     t->distance ? "figure.validation_auc_distance"
                                 : "figure.validation_auc_proximity",
                     "%.4f", auc[1])
               : RIJ_OK;
}

static rij_status gathered(int done, int all, void *user)
{
    rj_trainer *t = user;

    t->progress.steps = all;
    return rj_trainer_tell(t, done, 1, 0, (const double[4]){0}, done == all);
}

/* What p-values count: the pictures that were held out, whole. */
static rij_status gather(rj_trainer *t, rij_model *m)
{
    rj_trainer_phase(t, "examine", 1);
    return rj_calibration_gather(m, &t->data, t->cache, true, gathered, t,
                                 &m->calibration);
}

static rij_status make_model(rj_trainer *t, rij_model **model)
{
    rj_decision decision;
    rij_model *m = NULL;
    rij_status status;

    RJ_TRY(calibrate(t, &decision));
    RJ_TRY(
        rj_model_new(rj_net_config_of(t->net), t->o.device, t->o.threads, t->o.crop, &m));
    m->decision = decision;
    status = rj_params_copy(rj_net_params(m->net), rj_net_params(t->best));
    if (status == RIJ_OK && t->traces > 0)
        status = rj_model_set_traces(m, t->traces, t->o.embedding, t->trace);
    if (status == RIJ_OK && t->distance)
        status = rj_model_set_distance(m, t->distance);
    if (status == RIJ_OK)
        status = describe(t, m);
    if (status == RIJ_OK)
        status = rj_model_seal(m);
    if (status == RIJ_OK)
        status = gather(t, m);
    if (status == RIJ_OK)
        status = rj_exemplars_gather(t, m);
    if (status == RIJ_OK)
        status = rj_card_write(t, m);
    if (status == RIJ_OK)
        *model = m;
    else
        rij_model_free(m);
    return status;
}

rij_status rj_trainer_open(rj_trainer *t)
{
    rj_net_config config = {.embedding = t->o.embedding};

    snprintf(config.encoder, sizeof config.encoder, "%s", t->o.encoder);
    snprintf(config.front, sizeof config.front, "%s", t->o.front);
    if (t->o.isolate) // before there are threads
        RJ_TRY(rj_isolate_new(&t->cage));
    RJ_TRY(rj_pool_new(t->o.threads, &t->pool));
    RJ_TRY(rj_device_open(t->o.device, t->pool, &t->dev));
    RJ_TRY(rj_precision_named(t->o.precision, &t->dev->precision));
    t->tape.dev = t->judging.dev = t->dev;
    t->judging.frozen = true;
    return rj_net_new(t->dev, &config, t->o.seed, true, &t->net);
}

static rij_status train(rj_trainer *t, const char *data, rij_model **model)
{
    RJ_TRY(rj_trainer_open(t));
    RJ_TRY(rj_trainer_open_checkpoint(t));
    RJ_TRY(read_data(t, data));
    RJ_TRY(rj_trainer_resume(t));
    if (t->o.steps1 > 0 && t->at.stage < 2)
        RJ_TRY(rj_train_traces(t));
    RJ_TRY(rj_train_detector(t));
    return make_model(t, model);
}

void rj_trainer_free(rj_trainer *t)
{
    rj_ready_free(t->ready);
    rj_net_free(t->net);
    rj_net_free(t->stage1);
    rj_net_free(t->best);
    rj_tape_free(&t->tape);
    rj_tape_free(&t->judging);
    rj_cache_free(t->cache);
    rj_free(t->found);
    rj_st_free(&t->saved);
    rj_lock_free(t->lock);
    rj_dataset_free(&t->data);
    rj_free(t->trace);
    rj_free(t->distance);
    rj_free(t->view);
    rj_free(t->view_label);
    rj_free(t->cls);
    rj_free(t->prox);
    rj_device_close(t->dev);
    rj_pool_free(t->pool);
    rj_cage_free(t->cage);
}

RIJ_API rij_status rij_train(const char *data, const rij_train_options *options,
                             rij_model **model)
{
    rj_trainer t = {.o = RIJ_TRAIN_OPTIONS_INIT};
    rij_model *made = NULL;
    rij_status status;

    RJ_REQUIRE(model, RIJ_E_ARGUMENT, "rij_train: model is NULL");
    *model = NULL;
    RJ_REQUIRE(data, RIJ_E_ARGUMENT, "rij_train: data is NULL");
    if (options && options->size != sizeof t.o) {
        t.o.size = options->size; // resolve says what is wrong with it
        RJ_TRY(rij_train_options_resolve(&t.o));
    }
    if (options)
        t.o = *options;
    RJ_TRY(rij_train_options_resolve(&t.o));
    status = train(&t, data, &made);
    if (status == RIJ_E_CANCELLED)
        status = rj_trainer_cancelled(&t);
    rj_trainer_free(&t);
    if (status == RIJ_OK)
        *model = made;
    return status;
}
