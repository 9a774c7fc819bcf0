/* progress.c: what a long call tells its caller, and the caller's wish to stop. */
#include "judge/judge.h"

static const double every_s = 0.25; /* at least this long between two messages of steps */

static rij_status send(rij_progress_fn progress, void *user, const rij_progress *p)
{
    if (progress && progress(p, user) != 0)
        return rj_fail(RIJ_E_CANCELLED, "stopped in phase \"%s\" at step %jd of %jd",
                       p->phase, (intmax_t)p->step, (intmax_t)p->steps);
    return RIJ_OK;
}

/* ---- any call ---------------------------------------------------------------------- */

void rj_teller_phase(rj_teller *t, const char *phase, int64_t steps)
{
    t->phase = phase;
    t->steps = steps;
    t->step = 0;
    t->start_s = rj_now_s();
    t->told_s = 0;
}

static rij_status tell(const rj_teller *t, const char *note)
{
    const double spent_s = rj_now_s() - t->start_s, step = (double)t->step;
    const rij_progress p = {
        .phase = t->phase,
        .note = note,
        .step = t->step,
        .steps = t->steps,
        .images_s = spent_s > 0 ? step / spent_s : 0,
        .eta_s = step > 0 ? spent_s / step * (double)(t->steps - t->step) : 0};

    return send(t->progress, t->user, &p);
}

rij_status rj_teller_step(rj_teller *t, int64_t step)
{
    const double now_s = rj_now_s();

    t->step = step;
    if (step < t->steps && now_s - t->told_s < every_s)
        return RIJ_OK;
    t->told_s = now_s;
    return tell(t, NULL);
}

rij_status rj_teller_note(rj_teller *t, const char *line)
{
    return tell(t, line);
}

/* ---- a training -------------------------------------------------------------------- */

void rj_trainer_phase(rj_trainer *t, const char *phase, int64_t steps)
{
    t->progress = (rij_progress){.phase = phase, .steps = steps};
    t->phase_start_s = rj_now_s();
    t->told_s = 0;
    t->phase_rows = 0;
    t->phase_first = 0;
    t->losses = 0;
    for (int i = 0; i < 4; i++)
        t->loss_sum[i] = 0;
}

static rij_status call(rj_trainer *t)
{
    return send(t->o.progress, t->o.user, &t->progress);
}

rij_status rj_trainer_note(rj_trainer *t, const char *line)
{
    rij_status status;

    t->progress.note = line;
    status = call(t);
    t->progress.note = NULL;
    return status;
}

rij_status rj_trainer_tell(rj_trainer *t, int64_t step, int rows, double rate,
                           const double loss[4], bool now)
{
    const double time_s = rj_now_s(), spent_s = time_s - t->phase_start_s;
    const int64_t done = step - t->phase_first; // of a phase that was resumed
    rij_progress *p = &t->progress;

    t->phase_rows += rows;
    t->losses++;
    for (int i = 0; i < 4; i++)
        t->loss_sum[i] += loss[i];
    if (!now && step < p->steps && time_s - t->told_s < every_s)
        return RIJ_OK;
    p->step = step;
    p->rate = rate;
    p->images_s = spent_s > 0 ? (double)t->phase_rows / spent_s : 0;
    p->eta_s = done > 0 ? spent_s / (double)done * (double)(p->steps - step) : 0;
    p->loss = t->loss_sum[0] / t->losses;
    for (int i = 0; i < 3; i++)
        p->loss_part[i] = t->loss_sum[i + 1] / t->losses;
    t->losses = 0;
    for (int i = 0; i < 4; i++)
        t->loss_sum[i] = 0;
    t->told_s = time_s;
    return call(t);
}
