/* tensor.c: making, filling and reading tensors. A tensor owns nothing: its numbers lie
 * in the arena it was made from. */
#include "tensor/tensor.h"
#include <string.h>

rij_status rj_tensor_new_raw(rj_device *dev, rj_arena *arena, const rj_shape *shape,
                             bool gradient, rj_tensor **out)
{
    const size_t n = rj_storage(dev, shape);
    rj_tensor *t = rj_arena_take(arena, 1, sizeof *t);
    char text[64];

    RJ_REQUIRE(t, RIJ_E_MEMORY, "no memory for a tensor");
    t->shape = *shape;
    t->x = rj_numbers(dev, arena, n);
    t->learns = gradient;
    t->g = gradient ? rj_numbers(dev, arena, n) : NULL;
    RJ_REQUIRE(t->x && (t->g || !gradient), RIJ_E_MEMORY,
               "no memory for a tensor of shape %s", rj_shape_text(shape, text));
    *out = t;
    return gradient ? rj_zero(dev, t->g, n) : RIJ_OK;
}

rij_status rj_tensor_new(rj_device *dev, rj_arena *arena, const rj_shape *shape,
                         bool gradient, rj_tensor **out)
{
    rj_tensor *t;

    RJ_TRY(rj_tensor_new_raw(dev, arena, shape, gradient, &t));
    RJ_TRY(rj_zero(dev, t->x, rj_storage(dev, shape)));
    *out = t;
    return RIJ_OK;
}

/* float32 as rj_real: as it is, or a copy in the arena; NULL when memory ran out. */
static const rj_real *as_real(rj_arena *arena, size_t n, const float *from)
{
    rj_real *to;

    if (sizeof *to == sizeof *from)
        return (const rj_real *)(const void *)from;
    to = rj_arena_take_raw(arena, n, sizeof *to);
    for (size_t i = 0; to && i < n; i++)
        to[i] = from[i];
    return to;
}

rij_status rj_tensor_from(rj_tape *tape, const rj_shape *shape, const float *planar,
                          rj_tensor **out)
{
    const size_t n = rj_count(shape);
    const rj_real *const host = as_real(&tape->arena, n, planar);
    rj_tensor *t;

    RJ_REQUIRE(host, RIJ_E_MEMORY, "no memory for %zu numbers", n);
    RJ_TRY(rj_tensor_new_raw(tape->dev, &tape->arena, shape, false, &t));
    RJ_TRY(rj_tensor_write(tape->dev, t, host));
    *out = t;
    return RIJ_OK;
}

rij_status rj_tensor_lend(rj_tape *tape, const rj_shape *shape, const float *planar,
                          rj_tensor **out)
{
    rj_tensor *t;

    if (shape->picture || tape->dev->k->remote)
        return rj_tensor_from(tape, shape, planar, out);
    t = rj_arena_take(&tape->arena, 1, sizeof *t);
    RJ_REQUIRE(t, RIJ_E_MEMORY, "no memory for a tensor");
    t->shape = *shape;
    t->x = (rj_real *)(uintptr_t)as_real(&tape->arena, rj_count(shape), planar);
    RJ_REQUIRE(t->x, RIJ_E_MEMORY, "no memory for %zu numbers", rj_count(shape));
    *out = t; // it learns nothing, so nothing writes to it
    return RIJ_OK;
}

/* Where planar numbers of a picture wait in a remote device's memory. */
static rij_status waiting(rj_device *dev, size_t n, rj_real **memory)
{
    RJ_TRY(rj_device_shared(dev, n * sizeof **memory));
    *memory = dev->shared;
    return RIJ_OK;
}

rij_status rj_tensor_write(rj_device *dev, rj_tensor *t, const rj_real *planar)
{
    const rj_picture d = rj_shape_dims(&t->shape);
    const size_t n = rj_count(&t->shape);
    rj_real *there;

    if (!t->shape.picture)
        return rj_upload(dev, t->x, planar, n);
    if (!dev->k->remote)
        return dev->k->pack(dev, &d, planar, t->x);
    RJ_TRY(waiting(dev, n, &there));
    RJ_TRY(rj_upload(dev, there, planar, n));
    return dev->k->pack(dev, &d, there, t->x);
}

rij_status rj_tensor_read(rj_device *dev, const rj_tensor *t, rj_real *planar)
{
    const rj_picture d = rj_shape_dims(&t->shape);
    const size_t n = rj_count(&t->shape);
    rj_real *there;

    if (!t->shape.picture)
        return rj_download(dev, planar, t->x, n);
    if (!dev->k->remote)
        return dev->k->unpack(dev, &d, t->x, planar);
    RJ_TRY(waiting(dev, n, &there));
    RJ_TRY(dev->k->unpack(dev, &d, t->x, there));
    return rj_download(dev, planar, there, n);
}

rij_status rj_tensor_scalar(rj_device *dev, const rj_tensor *t, double *value)
{
    rj_real x;

    RJ_TRY(rj_download(dev, &x, t->x, 1));
    *value = (double)x;
    return RIJ_OK;
}
