/* resume.c: what a training puts into a checkpoint, and how it goes on from one.
 *
 * Every random number is named by the seed, a purpose and a step, and a step's batch by
 * its number, so where a training stands is little: the stage, the steps done of it, and
 * the state of the early stopping. What it has learned is the rest:
 *
 *     stage 1    net.*, m.*                            momentum of SGD
 *     stage 2    net.*, m.*, v.* (of AdamW), best.*, frozen.* (F_0), traces
 *
 * Images are read, audited and checked anew, views made anew; what the steps of before
 * rested on must then be the same: options, labels, groups, usable images, pixels. What
 * comes behind stage 2 is made anew from what it left. */
#include "judge/judge.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 24 };

/* Of all that steps rest on, once the data are read. */
static uint64_t data_hash(const rj_trainer *t)
{
    uint64_t h = rj_hash(&t->pixels, sizeof t->pixels, t->data.hash);

    for (int i = 0; i < t->data.n; i++) {
        const rj_sample *s = &t->data.sample[i];
        const uint64_t is[] = {s->group, (uint64_t)s->label, (uint64_t)s->quality,
                               (uint64_t)s->usable | (uint64_t)s->validation << 1};

        h = rj_hash(is, sizeof is, h);
    }
    return h;
}

static int usable(const rj_trainer *t)
{
    int n = 0;

    for (int i = 0; i < t->data.n; i++)
        n += t->data.sample[i].usable;
    return n;
}

/* Whose kernels the training computes with: others round otherwise. */
static const char *kernels(const rj_trainer *t)
{
    return strcmp(t->o.device, "ref") == 0 ? t->o.device : rj_isa_name(t->dev->isa);
}

/* ---- into a file --------------------------------------------------------------------
 */

static rij_status set_number(rj_st_file *f, const char *key, int64_t value)
{
    char text[TEXT];

    snprintf(text, sizeof text, "%" PRId64, value);
    return rj_st_set(f, key, text);
}

static rij_status set_bits(rj_st_file *f, const char *key, uint64_t bits)
{
    char text[TEXT];

    snprintf(text, sizeof text, "%016" PRIx64, bits);
    return rj_st_set(f, key, text);
}

static rij_status put_entries(const rj_trainer *t, rj_st_file *f)
{
    const rj_standing *at = &t->at;
    char *json = NULL;
    uint64_t best;
    rij_status status;

    memcpy(&best, &at->best, sizeof best);
    RJ_TRY(rj_options_text(&t->o, &json));
    status = rj_st_set(f, "train.options", json);
    rj_free(json);
    RJ_TRY(status);
    RJ_TRY(rj_st_set(f, "train.isa", kernels(t)));
    RJ_TRY(set_bits(f, "data.hash", data_hash(t)));
    RJ_TRY(set_number(f, "data.usable", usable(t)));
    RJ_TRY(set_number(f, "at.stage", at->stage));
    RJ_TRY(set_number(f, "at.steps", at->steps));
    RJ_TRY(set_bits(f, "at.best", best));
    RJ_TRY(set_number(f, "at.without_gain", at->without_gain));
    return set_number(f, "at.stop", at->stop);
}

static rij_status put_tensors(const rj_trainer *t, rj_st_file *f)
{
    const rj_params *net = rj_net_params(t->net);

    RJ_TRY(rj_params_to_file(net, RJ_PART_VALUE, "net.", f));
    if (t->at.steps > 0) {
        RJ_TRY(rj_params_to_file(net, RJ_PART_FIRST, "m.", f));
        RJ_TRY(rj_params_to_file(net, RJ_PART_SECOND, "v.", f));
    }
    if (t->at.stage < 2)
        return RIJ_OK;
    RJ_TRY(rj_params_to_file(rj_net_params(t->best), RJ_PART_VALUE, "best.", f));
    if (t->stage1)
        RJ_TRY(rj_params_to_file(rj_net_params(t->stage1), RJ_PART_VALUE, "frozen.", f));
    return t->traces > 0
               ? rj_st_add(f, "traces",
                           rj_shape_plain(2, t->traces, t->o.embedding, 1, 1), t->trace)
               : RIJ_OK;
}

/* What is not finite is refused, by the file. */
static rij_status keep(rj_trainer *t)
{
    rj_st_file f = {.sealed = true};
    rij_status status = put_entries(t, &f);

    if (status == RIJ_OK)
        status = put_tensors(t, &f);
    if (status == RIJ_E_ARGUMENT)
        status = rj_fail(RIJ_E_DIVERGED,
                         "stage %d: parameters are not finite after step %" PRId64,
                         t->at.stage, t->at.steps);
    if (status == RIJ_OK)
        status = rj_checkpoint_write(t->o.checkpoint, t->damaged, &f);
    rj_st_free(&f);
    RJ_TRY(status);
    t->damaged = false;
    t->kept_s = rj_now_s();
    return RIJ_OK;
}

rij_status rj_trainer_stands(rj_trainer *t, int64_t steps)
{
    const double every_s = t->o.checkpoint_seconds;

    t->at.steps = steps;
    if (!t->o.checkpoint || every_s < 0 || rj_now_s() - t->kept_s < every_s)
        return RIJ_OK;
    return keep(t);
}

rij_status rj_trainer_cancelled(rj_trainer *t)
{
    char why[RJ_WHY];
    rij_status status;

    if (!t->o.checkpoint || t->at.stage == 0)
        return RIJ_E_CANCELLED;
    snprintf(why, sizeof why, "%s", rij_last_error());
    status = keep(t);
    if (status == RIJ_OK)
        return rj_fail(RIJ_E_CANCELLED, "%.120s; to be resumed from %.100s", why,
                       t->o.checkpoint);
    snprintf(why, sizeof why, "%s", rij_last_error());
    return rj_fail(status, "stopped, but not kept: %s", why);
}

/* ---- from a file --------------------------------------------------------------------
 */

static rij_status get_text(const rj_trainer *t, const char *key, const char **text)
{
    *text = rj_st_get(&t->saved, key);
    RJ_REQUIRE(*text, RIJ_E_MODEL, "%s: no entry '%s'", t->o.checkpoint, key);
    return RIJ_OK;
}

static rij_status get_number(const rj_trainer *t, const char *key, int64_t most,
                             int64_t *value)
{
    const char *text;
    char *end;
    long long x;

    RJ_TRY(get_text(t, key, &text));
    x = strtoll(text, &end, 10);
    RJ_REQUIRE(end != text && *end == 0 && x >= 0 && x <= most, RIJ_E_MODEL,
               "%s: %s is '%.40s', not in 0..%" PRId64, t->o.checkpoint, key, text, most);
    *value = x;
    return RIJ_OK;
}

static rij_status get_bits(const rj_trainer *t, const char *key, uint64_t *bits)
{
    const char *text;
    char *end;

    RJ_TRY(get_text(t, key, &text));
    *bits = strtoull(text, &end, 16);
    RJ_REQUIRE(strlen(text) == 16 && *end == 0, RIJ_E_MODEL,
               "%s: %s is '%.40s', no 16 digits", t->o.checkpoint, key, text);
    return RIJ_OK;
}

static rij_status same_kernels(const rj_trainer *t)
{
    const char *was;

    RJ_TRY(get_text(t, "train.isa", &was));
    RJ_REQUIRE(strcmp(was, kernels(t)) == 0, RIJ_E_ARGUMENT,
               "%.120s: a checkpoint of instruction set %.20s, now %s, whose last bits "
               "differ; RIJ_ISA=%.20s asks for it",
               t->o.checkpoint, was, kernels(t), was);
    return RIJ_OK;
}

rij_status rj_trainer_suits(const rj_trainer *t)
{
    const char *was, *version = rj_st_get(&t->saved, "library");
    char differs[RJ_WHY];

    RJ_REQUIRE(version && strcmp(version, rij_version()) == 0, RIJ_E_MODEL,
               "%s: version %.40s made it, which may differ from %s in the last bits",
               t->o.checkpoint, version ? version : "", rij_version());
    RJ_TRY(get_text(t, "train.options", &was));
    RJ_TRY(rj_options_differ(was, &t->o, differs));
    RJ_REQUIRE(!differs[0], RIJ_E_ARGUMENT,
               "%.120s: a checkpoint of other options: %.100s", t->o.checkpoint, differs);
    return same_kernels(t);
}

rij_status rj_trainer_open_checkpoint(rj_trainer *t)
{
    enum rj_generation generation = RJ_GENERATION_NONE;
    char why[RJ_WHY], line[2 * RJ_WHY];

    if (!t->o.checkpoint)
        return RIJ_OK;
    t->kept_s = rj_now_s();
    rj_trainer_phase(t, "read", 0);
    RJ_TRY(rj_checkpoint_lock(t->o.checkpoint, &t->lock)); // before anything is touched
    if (!t->o.resume)
        RJ_TRY(rj_checkpoint_vacant(t->o.checkpoint));
    RJ_TRY(rj_file_probe(t->o.checkpoint));
    if (!t->o.resume)
        return RIJ_OK;
    RJ_TRY(rj_checkpoint_read(t->o.checkpoint, &t->saved, &generation, why));
    t->resumed = generation != RJ_GENERATION_NONE;
    if (t->resumed)
        RJ_TRY(rj_trainer_suits(t));
    t->damaged = generation == RJ_GENERATION_OLDER;
    snprintf(line, sizeof line, "%s; %s", why,
             t->resumed ? "the older checkpoint is taken" : "the training starts anew");
    return generation == RJ_GENERATION_NEWEST ? RIJ_OK : rj_trainer_note(t, line);
}

static rij_status same_data(const rj_trainer *t)
{
    uint64_t hash;
    int64_t n;

    RJ_TRY(get_bits(t, "data.hash", &hash));
    RJ_TRY(get_number(t, "data.usable", INT64_MAX, &n));
    RJ_REQUIRE(hash == data_hash(t), RIJ_E_DATA,
               "%.120s: a checkpoint of other data: %" PRId64
               " usable images then, %d now, or others",
               t->o.checkpoint, n, usable(t));
    return RIJ_OK;
}

static rij_status get_standing(rj_trainer *t)
{
    const int64_t most[2] = {t->o.steps1, t->o.steps2};
    int64_t stage, without_gain, stop;
    rj_standing at;
    uint64_t best;

    RJ_TRY(get_number(t, "at.stage", 2, &stage));
    RJ_REQUIRE(stage == 2 || (stage == 1 && t->o.steps1 > 0), RIJ_E_MODEL,
               "%s: there is no stage %" PRId64, t->o.checkpoint, stage);
    RJ_TRY(get_number(t, "at.steps", most[stage - 1], &at.steps));
    RJ_TRY(get_number(t, "at.without_gain", at.steps, &without_gain));
    RJ_TRY(get_number(t, "at.stop", 1, &stop));
    RJ_TRY(get_bits(t, "at.best", &best));
    memcpy(&at.best, &best, sizeof best);
    at.stage = (int)stage;
    at.without_gain = (int)without_gain;
    at.stop = stop == 1;
    RJ_REQUIRE(at.best >= -1 && at.best <= 1, RIJ_E_MODEL, "%s: the best AUC is %g",
               t->o.checkpoint, at.best);
    t->at = at;
    return RIJ_OK;
}

/* What stage 1 left, in the net's place for a moment. */
static rij_status get_frozen(rj_trainer *t, int *known)
{
    const rj_st_tensor *rows = rj_st_tensor_find(&t->saved, "traces");
    const rj_shape shape = rj_shape_plain(2, t->o.traces, t->o.embedding, 1, 1);
    const size_t n = t->o.traces > 0 ? rj_count(&shape) : 0;

    if (t->o.steps1 < 1)
        return RIJ_OK;
    RJ_TRY(rj_params_from_file(rj_net_params(t->net), RJ_PART_VALUE, "frozen.", &t->saved,
                               known));
    RJ_TRY(rj_train_freeze(t));
    if (n == 0)
        return RIJ_OK;
    RJ_REQUIRE(rows && rj_shape_same(&rows->shape, &shape), RIJ_E_MODEL,
               "%s: no %d traces of %d numbers", t->o.checkpoint, t->o.traces,
               t->o.embedding);
    t->trace = rj_alloc(n, sizeof *t->trace);
    RJ_REQUIRE(t->trace, RIJ_E_MEMORY, "%s: no memory for traces", t->o.checkpoint);
    memcpy(t->trace, rows->x, n * sizeof *t->trace);
    t->traces = t->o.traces;
    *known += 1;
    return RIJ_OK;
}

static rij_status get_learned(rj_trainer *t, int *known)
{
    const bool second = t->at.stage == 2;
    const rj_optimiser o = {.adamw = second && strcmp(t->o.optimiser, "adamw") == 0};
    rj_params *net = rj_net_params(t->net);

    if (second) {
        RJ_TRY(get_frozen(t, known));
        RJ_TRY(rj_train_best(t));
        RJ_TRY(rj_params_from_file(rj_net_params(t->best), RJ_PART_VALUE, "best.",
                                   &t->saved, known));
    }
    RJ_TRY(rj_params_from_file(net, RJ_PART_VALUE, "net.", &t->saved, known));
    if (t->at.steps == 0)
        return RIJ_OK;
    RJ_TRY(rj_optimiser_begin(&o, net));
    RJ_TRY(rj_params_from_file(net, RJ_PART_FIRST, "m.", &t->saved, known));
    return rj_params_from_file(net, RJ_PART_SECOND, "v.", &t->saved, known);
}

rij_status rj_trainer_resume(rj_trainer *t)
{
    char line[RJ_WHY];
    int known = 0;

    if (!t->resumed)
        return RIJ_OK;
    RJ_TRY(same_data(t));
    RJ_TRY(get_standing(t));
    RJ_TRY(get_learned(t, &known));
    RJ_REQUIRE(known == t->saved.tensors, RIJ_E_MODEL,
               "%s: %d tensors, where %d are known", t->o.checkpoint, t->saved.tensors,
               known);
    rj_st_free(&t->saved);
    snprintf(line, sizeof line, "resumed behind step %" PRId64 " of stage %d",
             t->at.steps, t->at.stage);
    return rj_trainer_note(t, line);
}
