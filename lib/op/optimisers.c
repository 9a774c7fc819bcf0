/* optimisers.c: reference steps over one parameter, in place; as PyTorch defines them.
 *
 *     SGD     g' = g + decay w;  v = momentum v + g';  w -= rate v
 *     AdamW   w -= rate decay w;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
 *             w -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
 *
 * Loshchilov and Hutter 2019 for the decoupled decay. */
#include "device/device.h"
#include <math.h>

rij_status rj_ref_sgd(rj_device *dev, size_t n, const rj_step *s, const rj_real *g,
                      rj_real *w, rj_real *v)
{
    (void)dev;
    for (size_t i = 0; i < n; i++) {
        v[i] = (rj_real)s->momentum * v[i] + (g[i] + (rj_real)s->decay * w[i]);
        w[i] -= (rj_real)s->rate * v[i];
    }
    return RIJ_OK;
}

rij_status rj_ref_adamw(rj_device *dev, size_t n, const rj_step *s, const rj_real *g,
                        rj_real *w, rj_real *m, rj_real *v)
{
    const double c1 = 1 - pow(s->beta1, (double)s->t),
                 c2 = 1 - pow(s->beta2, (double)s->t);

    (void)dev;
    for (size_t i = 0; i < n; i++) {
        const double gi = (double)g[i];
        m[i] = (rj_real)(s->beta1 * (double)m[i] + (1 - s->beta1) * gi);
        v[i] = (rj_real)(s->beta2 * (double)v[i] + (1 - s->beta2) * gi * gi);
        w[i] =
            (rj_real)((double)w[i] * (1 - s->rate * s->decay) -
                      s->rate * ((double)m[i] / c1) / (sqrt((double)v[i] / c2) + s->eps));
    }
    return RIJ_OK;
}
