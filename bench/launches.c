/* launches: run the kernels of training once at the sizes of use, for a log of launches.
 *
 *     launches DEVICE [BATCH]
 *
 * On the simulated GPU with CUDASIM_LOG and CUDASIM_SAMPLE (make cuda-judge) it tells
 * what each kernel moves when pictures of 224 pixels pass through ResNet's layers, 64 at
 * a time unless told; cubinfo makes a roofline of that. Numbers are whatever lies in
 * memory: nothing is computed, and nothing timed. */
#include "device/device.h"
#include "device/statistics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct shape {
    const char *net;
    int c, k, r, stride, pad, divisor; /* of the picture's side */
} shape;

#define SHAPE(net, ...) {#net, __VA_ARGS__},
static const shape shapes[] = {
#include "bench_shapes.def"
};
#undef SHAPE

enum { SIDE = 224 };

static rij_status numbers(rj_device *dev, rj_arena *arena, size_t n, rj_real **x)
{
    *x = rj_numbers(dev, arena, n);
    RJ_REQUIRE(*x, RIJ_E_MEMORY, "no memory for %zu numbers", n);
    return RIJ_OK;
}

/* Forward, by data and by weights; an arena for each array, so that each is an
 * allocation of its own. */
static rij_status convolve(rj_device *dev, int batch, const shape *s)
{
    const int side = SIDE / s->divisor, out = (side + 2 * s->pad - s->r) / s->stride + 1;
    const rj_conv d = {batch, s->c,      side,   side, s->k, s->r,
                       s->r,  s->stride, s->pad, out,  out,  s->c == 3};
    const rj_picture x_dims = {batch, s->c, side, side}, y_dims = {batch, s->k, out, out};
    rj_arena arena[4] = {0};
    rj_real *x, *y, *w, *dw;
    rij_status status;

    RJ_TRY_DONE(numbers(dev, &arena[0],
                        d.planar ? (size_t)batch * 3 * (size_t)side * (size_t)side
                                 : rj_picture_storage(dev, &x_dims),
                        &x));
    RJ_TRY_DONE(numbers(dev, &arena[1], rj_picture_storage(dev, &y_dims), &y));
    RJ_TRY_DONE(numbers(dev, &arena[2], (size_t)(s->k * s->c * s->r * s->r), &w));
    RJ_TRY_DONE(numbers(dev, &arena[3], (size_t)(s->k * s->c * s->r * s->r), &dw));
    RJ_TRY_DONE(dev->k->conv2d(dev, &d, x, w, NULL, y));
    if (!d.planar)
        RJ_TRY_DONE(dev->k->conv2d_grad_x(dev, &d, y, w, false, x));
    RJ_TRY_DONE(dev->k->conv2d_grad_w(dev, &d, x, y, dw, NULL));
    RJ_TRY_DONE(rj_wait(dev));
done:
    for (int i = 0; i < 4; i++)
        rj_arena_free(&arena[i]);
    return status;
}

/* The contrastive loss of a batch of two views each, with soft targets. */
static rij_status contrast(rj_device *dev, int m, int width)
{
    rj_arena arena[4] = {0};
    rj_real *z, *dz, *kept, *rows, *one;
    rj_contrast d = {.m = m,
                     .d = width,
                     .df = width,
                     .tau = 0.1,
                     .tau_s = 0.2,
                     .alpha = 0.5,
                     .beta = 0.5};
    const size_t n = (size_t)m * (size_t)width;
    rij_status status;
    size_t keep;

    RJ_TRY_DONE(numbers(dev, &arena[0], n, &z));
    RJ_TRY_DONE(numbers(dev, &arena[1], n, &dz));
    RJ_TRY_DONE(numbers(dev, &arena[2], 4 * (size_t)m + 2, &rows));
    d.label = rows, d.pair = rows + m, d.role = rows + 2 * m, d.weight = rows + 3 * m;
    one = rows + 4 * m;
    d.f = z;
    RJ_TRY_DONE(dev->k->contrast_keep(dev, &d, &keep));
    RJ_TRY_DONE(numbers(dev, &arena[3], keep, &kept));
    RJ_TRY_DONE(rj_zero(dev, z, n));
    RJ_TRY_DONE(rj_zero(dev, rows, 4 * (size_t)m + 2));
    RJ_TRY_DONE(dev->k->contrast(dev, &d, z, one, kept));
    RJ_TRY_DONE(dev->k->contrast_grad(dev, &d, z, kept, one, dz));
    RJ_TRY_DONE(rj_wait(dev));
done:
    for (int i = 0; i < 4; i++)
        rj_arena_free(&arena[i]);
    return status;
}

/* Batch norm with an addition and relu, there and back. */
static rij_status normalise(rj_device *dev, int batch)
{
    const rj_bn d = {batch, 64, 56, 56, true, 1e-5, 0.1, true, true, true, true};
    const rj_picture dims = {batch, 64, 56, 56};
    rj_arena arena[5] = {0};
    rj_real *x[4], *p;
    rij_status status;

    for (int i = 0; i < 4; i++)
        RJ_TRY_DONE(numbers(dev, &arena[i], rj_picture_storage(dev, &dims), &x[i]));
    RJ_TRY_DONE(numbers(dev, &arena[4], 8 * 64, &p));
    RJ_TRY_DONE(rj_zero(dev, p, 8 * 64));
    RJ_TRY_DONE(dev->k->batchnorm(dev, &d, x[0], p, p + 64, x[1], p + 128, p + 192,
                                  p + 256, p + 320, x[2]));
    RJ_TRY_DONE(dev->k->batchnorm_grad(dev, &d, x[0], p, p + 64, p + 256, p + 320, x[2],
                                       x[3], x[0], p + 384, p + 448, x[1]));
    RJ_TRY_DONE(rj_wait(dev));
done:
    for (int i = 0; i < 5; i++)
        rj_arena_free(&arena[i]);
    return status;
}

/* The statistics of a batch of images. */
static rij_status statistics(rj_device *dev, int batch)
{
    const rj_picture d = {batch, 3, SIDE, SIDE};
    const size_t each = (size_t)SIDE * SIDE;
    rj_arena arena[3] = {0};
    rj_real *x, *work, *y;
    rij_status status;

    RJ_TRY_DONE(numbers(dev, &arena[0], 3 * each * (size_t)batch, &x));
    RJ_TRY_DONE(numbers(dev, &arena[1], 2 * each * (size_t)batch, &work));
    RJ_TRY_DONE(numbers(dev, &arena[2], RJ_STATISTICS * (size_t)batch, &y));
    RJ_TRY_DONE(dev->k->statistics(dev, &d, x, work, y));
    RJ_TRY_DONE(rj_wait(dev));
done:
    for (int i = 0; i < 3; i++)
        rj_arena_free(&arena[i]);
    return status;
}

static rij_status all(rj_device *dev, int batch)
{
    for (int p = RJ_FP32; p <= RJ_TF32; p++) {
        dev->precision = (enum rj_precision)p;
        for (int i = 0; i < RJ_COUNT(shapes); i++)
            if (strcmp(shapes[i].net, "resnet") == 0)
                RJ_TRY(convolve(dev, batch, &shapes[i]));
        if (p != RJ_TF32)
            RJ_TRY(normalise(dev, batch));
    }
    RJ_TRY(statistics(dev, batch));
    RJ_TRY(contrast(dev, 2 * batch, 128));
    return contrast(dev, 4096, 128);
}

int main(int argc, char **argv)
{
    rj_device *dev = NULL;
    rj_pool *pool = NULL;
    rij_status status;

    if (argc < 2 || argc > 3) {
        fputs("launches DEVICE [BATCH]\n", stderr);
        return 2;
    }
    status = rj_pool_new(1, &pool);
    if (status == RIJ_OK)
        status = rj_device_open(argv[1], pool, &dev);
    if (status == RIJ_OK)
        status = all(dev, argc > 2 ? atoi(argv[2]) : 64);
    if (status != RIJ_OK)
        fprintf(stderr, "launches: %s\n", rij_last_error());
    rj_device_close(dev);
    rj_pool_free(pool);
    return status != RIJ_OK;
}
