/* params.c: parameters by name. Values and gradients lie in one arena, so a set is freed
 * at once and its tensors own nothing. */
#include "net/net.h"
#include <stdio.h>
#include <string.h>

rij_status rj_params_add(rj_params *s, const char *name, enum rj_param_kind kind,
                         rj_shape shape, int *index)
{
    const bool learned = kind != RJ_PARAM_BUFFER && !s->frozen;
    rj_tensor *t = NULL;
    rj_param *p;

    RJ_REQUIRE(name[0] && strlen(name) < RJ_NAME_MAX, RIJ_E_ARGUMENT,
               "parameter name '%.80s' has no bytes or more than %d", name,
               RJ_NAME_MAX - 1);
    RJ_REQUIRE(rj_params_find(s, name) < 0, RIJ_E_ARGUMENT,
               "there is a parameter '%s' already", name);
    RJ_TRY(rj_grow((void **)&s->p, &s->room, s->n + 1, sizeof *s->p));
    RJ_TRY(rj_tensor_new(s->dev, &s->arena, &shape, learned, &t));
    p = &s->p[s->n];
    *p = (rj_param){.kind = kind, .t = *t};
    snprintf(p->name, sizeof p->name, "%s", name);
    *index = s->n++;
    return RIJ_OK;
}

int rj_params_find(const rj_params *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->p[i].name, name) == 0)
            return i;
    return -1;
}

size_t rj_params_count(const rj_params *s)
{
    size_t n = 0;

    for (int i = 0; i < s->n; i++)
        if (s->p[i].kind != RJ_PARAM_BUFFER)
            n += rj_count(&s->p[i].t.shape);
    return n;
}

/* Everything is checked, and the one buffer taken, before the first value changes. It
 * goes through the host, since the two sets may live on different devices. */
rij_status rj_params_copy(rj_params *to, const rj_params *from)
{
    rij_status status = RIJ_OK;
    size_t most = 0;
    rj_real *host;

    RJ_REQUIRE(to->n == from->n, RIJ_E_SHAPE, "copy of parameters: %d into %d", from->n,
               to->n);
    for (int i = 0; i < to->n; i++) {
        const rj_param *a = &from->p[i], *b = &to->p[i];
        char x[64], y[64];

        RJ_REQUIRE(strcmp(a->name, b->name) == 0 &&
                       rj_shape_same(&a->t.shape, &b->t.shape),
                   RIJ_E_SHAPE, "copy of parameters: %s %s into %s %s", a->name,
                   rj_shape_text(&a->t.shape, x), b->name, rj_shape_text(&b->t.shape, y));
        most = RJ_MAX(most, rj_count(&a->t.shape));
    }
    host = rj_alloc(most, sizeof *host);
    RJ_REQUIRE(host || !most, RIJ_E_MEMORY,
               "copy of parameters: no memory for %zu numbers", most);
    for (int i = 0; i < to->n; i++) {
        const size_t n = rj_count(&to->p[i].t.shape);

        RJ_TRY_DONE(rj_download(from->dev, host, from->p[i].t.x, n));
        RJ_TRY_DONE(rj_upload(to->dev, to->p[i].t.x, host, n));
    }
done:
    rj_free(host);
    return status;
}

rij_status rj_params_average(rj_params *mean, const rj_params *now, double kept)
{
    RJ_REQUIRE(mean->n == now->n && mean->dev == now->dev, RIJ_E_SHAPE,
               "mean of parameters: %d and %d, or two devices", mean->n, now->n);
    for (int i = 0; i < mean->n; i++) {
        const size_t n = rj_count(&mean->p[i].t.shape);
        rj_real *x = mean->p[i].t.x;

        RJ_REQUIRE(n == rj_count(&now->p[i].t.shape), RIJ_E_SHAPE,
                   "mean of parameters: %s has two shapes", mean->p[i].name);
        RJ_TRY(
            mean->dev->k->add(mean->dev, false, n, kept, x, 1 - kept, now->p[i].t.x, x));
    }
    return RIJ_OK;
}

rij_status rj_params_clear_gradients(rj_params *s)
{
    for (int i = 0; i < s->n; i++)
        if (s->p[i].t.g)
            RJ_TRY(rj_zero(s->dev, s->p[i].t.g, rj_count(&s->p[i].t.shape)));
    return RIJ_OK;
}

void rj_params_free(rj_params *s)
{
    rj_arena_free(&s->arena);
    rj_free(s->p);
    *s = (rj_params){.dev = s->dev, .frozen = s->frozen};
}
