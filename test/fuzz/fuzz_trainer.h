/* fuzz_trainer.h: a small training, and how it goes on from any bytes. The hash is no
 * secret, so whoever means harm makes it right, and the library's version too: here a
 * file without a hash counts as sealed, of this version. */
#ifndef RJ_FUZZ_TRAINER_H
#define RJ_FUZZ_TRAINER_H

#include "fuzz_filled.h"
#include "judge/judge.h"
#include <math.h>

/* Without images; what its checkpoint says of data is then the same each time. */
static inline rj_trainer fuzz_trainer(const char *checkpoint)
{
    rj_trainer t = {.o = RIJ_TRAIN_OPTIONS_INIT};

    t.o.device = "ref";
    t.o.encoder = "statistics";
    t.o.embedding = 8;
    t.o.crop = 32;
    t.o.threads = 1;
    t.o.batch2 = 4;
    t.o.steps1 = t.o.steps2 = t.o.traces = 2;
    t.o.checkpoint = checkpoint;
    t.o.checkpoint_seconds = 0.001;
    t.o.resume = 1;
    if (rij_train_options_resolve(&t.o) != RIJ_OK)
        __builtin_trap();
    return t;
}

static inline rij_status fuzz_take(const uint8_t *bytes, size_t n, rj_trainer *t)
{
    size_t whole = 0;
    uint8_t *file = fuzz_filled(bytes, n, &whole);
    const rij_status status =
        file ? rj_st_parse("fuzz", file, whole, &t->saved) : RIJ_E_MEMORY;

    rj_free(file);
    RJ_TRY(status);
    t->saved.sealed = t->resumed = true;
    RJ_TRY(rj_st_set(&t->saved, "library", rij_version()));
    RJ_TRY(rj_checkpoint_check("fuzz", &t->saved));
    RJ_TRY(rj_trainer_suits(t));
    RJ_TRY(rj_trainer_open(t));
    return rj_trainer_resume(t);
}

/* A training that goes on stands somewhere. */
static inline rij_status fuzz_resume(const uint8_t *bytes, size_t n)
{
    rj_trainer t = fuzz_trainer("fuzz");
    const rij_status status = fuzz_take(bytes, n, &t);
    const rj_standing *at = &t.at;

    if (status == RIJ_OK &&
        (at->stage < 1 || at->stage > 2 || at->steps < 0 || at->steps > 2 ||
         at->without_gain < 0 || at->without_gain > at->steps || !(fabs(at->best) <= 1) ||
         t.saved.tensors != 0 || (at->stage == 2) != (t.stage1 != NULL)))
        __builtin_trap();
    rj_trainer_free(&t);
    return status;
}

#endif
