/* start.c: values that learning starts from. Numbers come from (seed, RJ_STREAM_INIT,
 * index of the parameter), so the order in which parameters were added defines them, and
 * nothing else does. */
#include "net/net.h"
#include <math.h>

enum { SOME = 1024 };

/* He et al. 2015, equation 10: normal, mean 0, deviation sqrt(2 / fan_in), which keeps
 * the variance through a layer that relu follows. On failure the value is as it was. */
rij_status rj_start_he(rj_params *s, int index, uint64_t seed, int fan_in)
{
    rj_tensor *t = &s->p[index].t;
    const size_t n = rj_count(&t->shape);
    const double deviation = sqrt(2.0 / RJ_MAX(fan_in, 1));
    rj_random r = rj_random_start(seed, RJ_STREAM_INIT, (uint64_t)index);
    rj_real *host;
    rij_status status;

    RJ_REQUIRE(fan_in >= 1, RIJ_E_ARGUMENT, "start of %s: fan in of %d", s->p[index].name,
               fan_in);
    host = rj_alloc(n, sizeof *host);
    RJ_REQUIRE(host, RIJ_E_MEMORY, "start of %s: no memory", s->p[index].name);
    for (size_t i = 0; i < n; i += SOME) {
        const size_t some = RJ_MIN(n - i, SOME);
        float z[SOME];

        rj_random_normals(&r, some, z);
        for (size_t k = 0; k < some; k++)
            host[i + k] = (rj_real)(deviation * (double)z[k]);
    }
    status = rj_upload(s->dev, t->x, host, n);
    rj_free(host);
    return status;
}

rij_status rj_start_fill(rj_params *s, int index, double value)
{
    rj_tensor *t = &s->p[index].t;
    const size_t n = rj_count(&t->shape);
    rj_real *host = rj_alloc(n, sizeof *host);
    rij_status status;

    RJ_REQUIRE(host, RIJ_E_MEMORY, "start of %s: no memory", s->p[index].name);
    for (size_t i = 0; i < n; i++)
        host[i] = (rj_real)value;
    status = rj_upload(s->dev, t->x, host, n);
    rj_free(host);
    return status;
}
