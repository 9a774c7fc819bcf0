/* device_tensor.c: numbers of a device to and from a file's tensors, which are float32.
 */
#include "model/model.h"
#include <string.h>

/* Plain tensors lie as the host has them; the copy touches no scratch, so several threads
 * may save at once. */
rij_status rj_st_take(rj_st_file *f, const char *name, rj_device *dev, rj_shape shape,
                      const rj_real *numbers)
{
    const size_t n = rj_count(&shape);
    rj_real *host = rj_alloc(n, sizeof *host);
    float *x = rj_alloc(n, sizeof *x);
    rij_status status;

    if (!host || !x)
        status = rj_fail(RIJ_E_MEMORY, "%s: no memory", name);
    else
        status = rj_download(dev, host, numbers, n);
    for (size_t i = 0; status == RIJ_OK && i < n; i++)
        x[i] = (float)host[i];
    if (status == RIJ_OK)
        status = rj_st_add(f, name, shape, x);
    rj_free(host);
    rj_free(x);
    return status;
}

/* A running variance below zero would become a number that is none. */
rij_status rj_st_give(const char *what, const rj_st_file *f, const char *name,
                      rj_device *dev, const rj_shape *shape, rj_real *numbers)
{
    const rj_st_tensor *t = rj_st_tensor_find(f, name);
    const size_t n = rj_count(shape);
    const size_t length = strlen(name), suffix = sizeof ".running_var" - 1;
    const bool variance =
        length > suffix && strcmp(name + length - suffix, ".running_var") == 0;
    rj_real *host;
    rij_status status = RIJ_OK;
    char wanted[64], is[64];

    RJ_REQUIRE(t, RIJ_E_MODEL, "%s: no tensor '%s'", what, name);
    RJ_REQUIRE(rj_shape_same(&t->shape, shape), RIJ_E_MODEL,
               "%s: tensor '%s' is %s, not %s", what, name, rj_shape_text(&t->shape, is),
               rj_shape_text(shape, wanted));
    host = rj_alloc(n, sizeof *host);
    RJ_REQUIRE(host, RIJ_E_MEMORY, "%s: no memory", name);
    for (size_t i = 0; i < n; i++) {
        if (variance && t->x[i] < 0)
            status = rj_fail(RIJ_E_MODEL, "%s: tensor '%s' is below 0", what, name);
        host[i] = (rj_real)t->x[i];
    }
    if (status == RIJ_OK)
        status = rj_upload(dev, numbers, host, n);
    rj_free(host);
    return status;
}
