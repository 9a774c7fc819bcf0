/* optim.c: one step of the optimiser over every learned parameter.
 *
 * SGD with momentum, as PyTorch writes it: g += decay w, v = momentum v + g,
 * w -= rate v. AdamW (Loshchilov and Hutter 2019): decay apart from the gradient. The
 * kernels hold the formulas; here stand who is stepped and with which memory. Decay is
 * for RJ_PARAM_WEIGHT alone: biases and batch norm are left free, as is usual. */
#include "net/net.h"
#include <math.h>

/* n numbers at *memory, zero if they are new or `fresh`. */
static rij_status remember_one(rj_params *s, const rj_param *p, size_t n, bool fresh,
                               rj_real **memory)
{
    const bool taken = *memory;

    if (!taken)
        *memory = rj_numbers(s->dev, &s->arena, n);
    RJ_REQUIRE(*memory, RIJ_E_MEMORY, "optimiser: no memory for %s", p->name);
    return taken && !fresh ? RIJ_OK : rj_zero(s->dev, *memory, n);
}

/* The optimiser's memory, taken on the first step: all of it or, on failure, no step.
 * What an earlier training left there is wiped. */
static rij_status remember(const rj_optimiser *o, rj_params *s, bool fresh)
{
    for (int i = 0; i < s->n; i++) {
        rj_param *p = &s->p[i];
        const size_t n = rj_count(&p->t.shape);

        if (!p->t.g)
            continue;
        RJ_TRY(remember_one(s, p, n, fresh, &p->m));
        if (o->adamw)
            RJ_TRY(remember_one(s, p, n, fresh, &p->v));
    }
    return RIJ_OK;
}

rij_status rj_optimiser_begin(const rj_optimiser *o, rj_params *s)
{
    return remember(o, s, true);
}

rij_status rj_optimiser_step(const rj_optimiser *o, rj_params *s, double rate, int64_t t)
{
    rj_step step = {.rate = rate,
                    .momentum = o->momentum,
                    .beta1 = o->beta1,
                    .beta2 = o->beta2,
                    .eps = o->eps,
                    .t = t};

    RJ_REQUIRE(!s->frozen, RIJ_E_ARGUMENT, "optimiser: the parameters are frozen");
    RJ_REQUIRE(t >= 1 && isfinite(rate) && rate >= 0, RIJ_E_ARGUMENT,
               "optimiser: step %lld at rate %g", (long long)t, rate);
    RJ_TRY(remember(o, s, t == 1)); // a new training remembers nothing
    for (int i = 0; i < s->n; i++) {
        const rj_param *p = &s->p[i];
        const size_t n = rj_count(&p->t.shape);

        if (!p->t.g)
            continue;
        step.decay = p->kind == RJ_PARAM_WEIGHT ? o->decay : 0;
        if (o->adamw)
            RJ_TRY(s->dev->k->adamw(s->dev, n, &step, p->t.g, p->t.x, p->m, p->v));
        else
            RJ_TRY(s->dev->k->sgd(s->dev, n, &step, p->t.g, p->t.x, p->m));
    }
    return RIJ_OK;
}
