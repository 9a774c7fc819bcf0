/* device.c: open a device by name, its scratch, and copies. Devices that live in host
 * memory are served here. */
#include "device/device.h"
#include <string.h>

static const struct {
    const char *name;
    const rj_kernels *kernels;
} known[] = {{"cpu", &rj_cpu_kernels}, {"ref", &rj_ref_kernels}};

rij_status rj_precision_named(const char *name, enum rj_precision *precision)
{
    const bool half = strcmp(name, "bf16") == 0;

    RJ_REQUIRE(half || strcmp(name, "fp32") == 0, RIJ_E_ARGUMENT,
               "there is no precision '%.60s'; known: fp32, bf16", name);
    *precision = half ? RJ_BF16 : RJ_FP32;
    return RIJ_OK;
}

rij_status rj_device_open(const char *name, rj_pool *pool, rj_device **device)
{
    const rj_kernels *kernels = NULL;
    rj_device *d;

    for (int i = 0; i < RJ_COUNT(known); i++)
        if (strcmp(name, known[i].name) == 0)
            kernels = known[i].kernels;
    RJ_REQUIRE(kernels, RIJ_E_DEVICE,
               "there is no device \"%.60s\"; known are cpu and ref", name);
    d = rj_alloc(1, sizeof *d);
    RJ_REQUIRE(d, RIJ_E_MEMORY, "no memory for a device");
    d->k = kernels;
    d->pool = pool;
    d->isa = rj_cpu_isa();
    *device = d;
    return RIJ_OK;
}

void rj_device_close(rj_device *d)
{
    if (!d)
        return;
    for (int i = 0; i < RJ_MAX_THREADS; i++)
        rj_free(d->scratch[i]);
    rj_free(d->shared);
    rj_free(d);
}

/* Growing frees the old pieces first: their contents are undefined anyway. A failure
 * leaves a device with less scratch, which the next call asks for again. */
rij_status rj_device_scratch(rj_device *d, size_t bytes)
{
    if (bytes <= d->scratch_bytes)
        return RIJ_OK;
    d->scratch_bytes = 0;
    for (int i = 0; i < rj_pool_threads(d->pool); i++) {
        rj_free(d->scratch[i]);
        d->scratch[i] = rj_alloc(bytes, 1);
        RJ_REQUIRE(d->scratch[i], RIJ_E_MEMORY, "no memory for %zu bytes of scratch",
                   bytes);
    }
    d->scratch_bytes = bytes;
    return RIJ_OK;
}

rij_status rj_device_shared(rj_device *d, size_t bytes)
{
    if (bytes <= d->shared_bytes)
        return RIJ_OK;
    rj_free(d->shared);
    d->shared_bytes = 0;
    d->shared = rj_alloc(bytes, 1);
    RJ_REQUIRE(d->shared, RIJ_E_MEMORY, "no memory for %zu bytes of scratch", bytes);
    d->shared_bytes = bytes;
    return RIJ_OK;
}

size_t rj_picture_storage(const rj_device *d, const rj_picture *p)
{
    const size_t block = (size_t)d->k->block;
    const size_t blocks = ((size_t)p->c + block - 1) / block;

    const size_t n = (size_t)p->n * blocks * block * (size_t)p->h * (size_t)p->w;

    return d->k->halves && d->precision == RJ_BF16 ? n * 2 / sizeof(rj_real) : n;
}

rij_status rj_upload(rj_device *d, rj_real *to, const rj_real *host, size_t n)
{
    (void)d;
    memcpy(to, host, n * sizeof *to);
    return RIJ_OK;
}

struct zeros {
    rj_real *to;
    size_t n;
};

enum { ZEROS = 1 << 18 }; /* numbers of a piece */

static rij_status zero_piece(void *job, int index, int worker)
{
    const struct zeros *z = job;
    const size_t from = (size_t)index * ZEROS;

    memset(z->to + from, 0, RJ_MIN(z->n - from, (size_t)ZEROS) * sizeof *z->to);
    (void)worker;
    return RIJ_OK;
}

rij_status rj_zero(rj_device *d, rj_real *to, size_t n)
{
    struct zeros z = {to, n};

    return rj_parallel_for(d->pool, (int)((n + ZEROS - 1) / ZEROS), zero_piece, &z);
}

rij_status rj_download(rj_device *d, rj_real *host, const rj_real *from, size_t n)
{
    (void)d;
    memcpy(host, from, n * sizeof *host);
    return RIJ_OK;
}
