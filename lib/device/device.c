/* device.c: open a device by name, its scratch, and copies. Devices that live in host
 * memory are served here, others (plugin.c) by their own calls. */
#include "device/plugin.h"
#include <string.h>

static const struct {
    const char *name;
    const rj_kernels *kernels;
} known[] = {{"cpu", &rj_cpu_kernels}, {"ref", &rj_ref_kernels}};

rij_status rj_precision_named(const char *name, enum rj_precision *precision)
{
    static const char *const known_precisions[] = {
        [RJ_FP32] = "fp32", [RJ_BF16] = "bf16", [RJ_TF32] = "tf32"};

    for (int i = 0; i < RJ_COUNT(known_precisions); i++)
        if (strcmp(name, known_precisions[i]) == 0) {
            *precision = (enum rj_precision)i;
            return RIJ_OK;
        }
    return rj_fail(RIJ_E_ARGUMENT,
                   "there is no precision '%.60s'; known: fp32, bf16, tf32", name);
}

static void *remote_take(void *self, size_t bytes)
{
    rj_device *const d = self;
    void *memory;

    return d->k->remote->take(d, bytes, &memory) == RIJ_OK ? memory : NULL;
}

static void remote_give(void *self, void *memory)
{
    rj_device *const d = self;

    d->k->remote->give(d, memory);
}

rij_status rj_device_open(const char *name, rj_pool *pool, rj_device **device)
{
    const rj_kernels *kernels = NULL;
    rij_status status = RIJ_OK;
    int index = 0;
    rj_device *d;

    for (int i = 0; i < RJ_COUNT(known); i++)
        if (strcmp(name, known[i].name) == 0)
            kernels = known[i].kernels;
    if (!kernels)
        RJ_TRY(rj_plugin_find(name, &kernels, &index));
    d = rj_alloc(1, sizeof *d);
    RJ_REQUIRE(d, RIJ_E_MEMORY, "no memory for a device");
    d->k = kernels;
    d->pool = pool;
    d->isa = rj_cpu_isa();
    d->memory = (rj_source){remote_take, remote_give, d};
    if (kernels->remote)
        status = kernels->remote->open(d, index);
    if (status == RIJ_OK)
        *device = d;
    else
        rj_free(d);
    return status;
}

static void shared_free(rj_device *d)
{
    if (d->k->remote && d->shared)
        d->k->remote->give(d, d->shared);
    else
        rj_free(d->shared);
    d->shared = NULL;
    d->shared_bytes = 0;
}

void rj_device_close(rj_device *d)
{
    if (!d)
        return;
    for (int i = 0; i < RJ_MAX_THREADS; i++)
        rj_free(d->scratch[i]);
    shared_free(d);
    if (d->k->remote)
        d->k->remote->close(d);
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
    shared_free(d);
    if (d->k->remote)
        RJ_TRY(d->k->remote->take(d, bytes, &d->shared));
    else
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

rj_real *rj_numbers(rj_device *d, rj_arena *arena, size_t n)
{
    return rj_arena_take_from(arena, d->k->remote ? &d->memory : NULL, n,
                              sizeof(rj_real));
}

rij_status rj_upload(rj_device *d, rj_real *to, const rj_real *host, size_t n)
{
    if (d->k->remote)
        return d->k->remote->upload(d, to, host, n * sizeof *to);
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

    if (d->k->remote)
        return d->k->remote->zero(d, to, n * sizeof *to);
    return rj_parallel_for(d->pool, (int)((n + ZEROS - 1) / ZEROS), zero_piece, &z);
}

rij_status rj_download(rj_device *d, rj_real *host, const rj_real *from, size_t n)
{
    if (d->k->remote)
        return d->k->remote->download(d, host, from, n * sizeof *host);
    memcpy(host, from, n * sizeof *host);
    return RIJ_OK;
}

rij_status rj_wait(rj_device *d)
{
    return d->k->remote ? d->k->remote->wait(d) : RIJ_OK;
}
