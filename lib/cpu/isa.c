/* isa.c: which table of fast kernels a device uses, and the way through it. */
#include "cpu/cpu.h"
#include <stdlib.h>
#include <string.h>

/* Best first. */
static const rj_isa all[] = {
    {"avx512bf16", &rj_fast_avx512, &rj_fast_avx512_pairs},
    {"avx512", &rj_fast_avx512, &rj_fast_avx512_half},
    {"avx2", &rj_fast_avx2, &rj_fast_avx2_half},
    {"plain", &rj_fast_plain, &rj_fast_plain_half},
};

/* Whether this processor, and the system for its registers, can run these tables. */
static bool runs_here(const rj_isa *isa)
{
#if defined(__x86_64__)
    if (isa->halves == &rj_fast_avx512_pairs && !__builtin_cpu_supports("avx512bf16"))
        return false;
    if (isa->numbers == &rj_fast_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("fma");
    if (isa->numbers == &rj_fast_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return isa->numbers == &rj_fast_plain;
}

const struct rj_isa *rj_cpu_isa(void)
{
    const char *wanted = getenv("RIJ_ISA");
    const rj_isa *best = NULL;

    for (int i = 0; i < RJ_COUNT(all); i++)
        if (runs_here(&all[i]) && (!best || (wanted && strcmp(all[i].name, wanted) == 0)))
            best = &all[i];
    return best;
}

const char *rj_isa_name(const struct rj_isa *isa)
{
    return isa->name;
}

/* The table for pictures of the device's precision. */
static const rj_fast *pictures(const rj_device *dev)
{
    return dev->precision == RJ_BF16 ? dev->isa->halves : dev->isa->numbers;
}

static const rj_fast *table_of(const rj_device *dev, bool picture)
{
    return picture ? pictures(dev) : dev->isa->numbers;
}

rij_status rj_cpu_pack(rj_device *dev, const rj_picture *d, const rj_real *planar,
                       rj_real *y)
{
    return pictures(dev)->pack(dev, d, planar, y);
}

rij_status rj_cpu_unpack(rj_device *dev, const rj_picture *d, const rj_real *x,
                         rj_real *planar)
{
    return pictures(dev)->unpack(dev, d, x, planar);
}

rij_status rj_cpu_add(rj_device *dev, bool picture, size_t n, double a, const rj_real *x,
                      double b, const rj_real *u, rj_real *y)
{
    return (picture ? pictures(dev) : dev->isa->numbers)
        ->add(dev, picture, n, a, x, b, u, y);
}

rij_status rj_cpu_axpy(rj_device *dev, bool picture, size_t n, double a, const rj_real *x,
                       rj_real *y)
{
    return table_of(dev, picture)->axpy(dev, picture, n, a, x, y);
}

rij_status rj_cpu_relu(rj_device *dev, bool picture, size_t n, const rj_real *x,
                       rj_real *y)
{
    return table_of(dev, picture)->relu(dev, picture, n, x, y);
}

rij_status rj_cpu_relu_grad(rj_device *dev, bool picture, size_t n, const rj_real *y,
                            const rj_real *dy, rj_real *dx)
{
    return (picture ? pictures(dev) : dev->isa->numbers)
        ->relu_grad(dev, picture, n, y, dy, dx);
}

rij_status rj_cpu_conv2d(rj_device *dev, const rj_conv *d, const rj_real *x,
                         const rj_real *w, const rj_real *bias, rj_real *y)
{
    return pictures(dev)->conv2d(dev, d, x, w, bias, y);
}

rij_status rj_cpu_conv2d_grad_x(rj_device *dev, const rj_conv *d, const rj_real *dy,
                                const rj_real *w, bool add, rj_real *dx)
{
    return pictures(dev)->conv2d_grad_x(dev, d, dy, w, add, dx);
}

rij_status rj_cpu_conv2d_grad_w(rj_device *dev, const rj_conv *d, const rj_real *x,
                                const rj_real *dy, rj_real *dw, rj_real *db)
{
    return pictures(dev)->conv2d_grad_w(dev, d, x, dy, dw, db);
}

rij_status rj_cpu_conv2d_prepare(rj_device *dev, const rj_conv *d, const rj_real *w,
                                 const rj_real *bias, size_t *n, rj_real *ready)
{
    return pictures(dev)->conv2d_prepare(dev, d, w, bias, n, ready);
}

rij_status rj_cpu_conv2d_prepared(rj_device *dev, const rj_conv *d, const rj_real *x,
                                  const rj_real *ready, const rj_real *beside, bool relu,
                                  rj_real *y)
{
    return pictures(dev)->conv2d_prepared(dev, d, x, ready, beside, relu, y);
}

rij_status rj_cpu_bias(rj_device *dev, const rj_picture *d, const rj_real *bias,
                       rj_real *x)
{
    return pictures(dev)->bias(dev, d, bias, x);
}

rij_status rj_cpu_bias_grad(rj_device *dev, const rj_picture *d, const rj_real *dy,
                            rj_real *db)
{
    return pictures(dev)->bias_grad(dev, d, dy, db);
}

rij_status rj_cpu_batchnorm(rj_device *dev, const rj_bn *d, const rj_real *x,
                            const rj_real *gamma, const rj_real *beta, const rj_real *add,
                            rj_real *run_mean, rj_real *run_var, rj_real *mean,
                            rj_real *inv, rj_real *y)
{
    return pictures(dev)->batchnorm(dev, d, x, gamma, beta, add, run_mean, run_var, mean,
                                    inv, y);
}

rij_status rj_cpu_batchnorm_grad(rj_device *dev, const rj_bn *d, const rj_real *x,
                                 const rj_real *gamma, const rj_real *beta,
                                 const rj_real *mean, const rj_real *inv,
                                 const rj_real *y, const rj_real *dy, rj_real *dx,
                                 rj_real *dgamma, rj_real *dbeta, rj_real *d_add)
{
    return pictures(dev)->batchnorm_grad(dev, d, x, gamma, beta, mean, inv, y, dy, dx,
                                         dgamma, dbeta, d_add);
}

rij_status rj_cpu_bn_maxpool2d(rj_device *dev, const rj_bn *d, const rj_pool2d *pool,
                               const rj_real *x, const rj_real *gamma,
                               const rj_real *beta, rj_real *run_mean, rj_real *run_var,
                               rj_real *mean, rj_real *inv, rj_real *y, rj_real *at)
{
    return pictures(dev)->bn_maxpool2d(dev, d, pool, x, gamma, beta, run_mean, run_var,
                                       mean, inv, y, at);
}

rij_status rj_cpu_bn_maxpool2d_grad(rj_device *dev, const rj_bn *d, const rj_pool2d *pool,
                                    const rj_real *x, const rj_real *gamma,
                                    const rj_real *mean, const rj_real *inv,
                                    const rj_real *at, const rj_real *dy, rj_real *dx,
                                    rj_real *dgamma, rj_real *dbeta)
{
    return pictures(dev)->bn_maxpool2d_grad(dev, d, pool, x, gamma, mean, inv, at, dy, dx,
                                            dgamma, dbeta);
}

rij_status rj_cpu_maxpool2d(rj_device *dev, const rj_pool2d *d, const rj_real *x,
                            rj_real *y, rj_real *at)
{
    return pictures(dev)->maxpool2d(dev, d, x, y, at);
}

rij_status rj_cpu_maxpool2d_grad(rj_device *dev, const rj_pool2d *d, const rj_real *at,
                                 const rj_real *dy, rj_real *dx)
{
    return pictures(dev)->maxpool2d_grad(dev, d, at, dy, dx);
}

rij_status rj_cpu_avgpool(rj_device *dev, const rj_picture *d, const rj_real *x,
                          rj_real *y)
{
    return pictures(dev)->avgpool(dev, d, x, y);
}

rij_status rj_cpu_avgpool_grad(rj_device *dev, const rj_picture *d, const rj_real *dy,
                               rj_real *dx)
{
    return pictures(dev)->avgpool_grad(dev, d, dy, dx);
}

rij_status rj_cpu_resize2d(rj_device *dev, const rj_resize *d, const rj_real *x,
                           rj_real *y)
{
    return pictures(dev)->resize2d(dev, d, x, y);
}

rij_status rj_cpu_resize2d_grad(rj_device *dev, const rj_resize *d, const rj_real *dy,
                                rj_real *dx)
{
    return pictures(dev)->resize2d_grad(dev, d, dy, dx);
}

rij_status rj_cpu_shuffle2d(rj_device *dev, const rj_picture *d, int r, const rj_real *x,
                            rj_real *y)
{
    return pictures(dev)->shuffle2d(dev, d, r, x, y);
}

rij_status rj_cpu_shuffle2d_grad(rj_device *dev, const rj_picture *d, int r,
                                 const rj_real *dy, rj_real *dx)
{
    return pictures(dev)->shuffle2d_grad(dev, d, r, dy, dx);
}

rij_status rj_cpu_residual(rj_device *dev, const rj_residual *d, const rj_real *x,
                           rj_real *y)
{
    return pictures(dev)->residual(dev, d, x, y);
}

rij_status rj_cpu_residual_grad(rj_device *dev, const rj_residual *d, const rj_real *x,
                                const rj_real *dy, rj_real *dx)
{
    return pictures(dev)->residual_grad(dev, d, x, dy, dx);
}

rij_status rj_cpu_statistics(rj_device *dev, const rj_picture *d, const rj_real *planar,
                             rj_real *work, rj_real *y)
{
    return dev->isa->numbers->statistics(dev, d, planar, work, y);
}

rij_status rj_cpu_linear(rj_device *dev, int n, int c, int k, const rj_real *x,
                         const rj_real *w, const rj_real *bias, rj_real *y)
{
    return dev->isa->numbers->linear(dev, n, c, k, x, w, bias, y);
}

rij_status rj_cpu_linear_grad_x(rj_device *dev, int n, int c, int k, const rj_real *dy,
                                const rj_real *w, rj_real *dx)
{
    return dev->isa->numbers->linear_grad_x(dev, n, c, k, dy, w, dx);
}

rij_status rj_cpu_linear_grad_w(rj_device *dev, int n, int c, int k, const rj_real *x,
                                const rj_real *dy, rj_real *dw, rj_real *db)
{
    return dev->isa->numbers->linear_grad_w(dev, n, c, k, x, dy, dw, db);
}

rij_status rj_cpu_contrast(rj_device *dev, const rj_contrast *d, const rj_real *z,
                           rj_real *loss, rj_real *g)
{
    return dev->isa->numbers->contrast(dev, d, z, loss, g);
}

rij_status rj_cpu_contrast_grad(rj_device *dev, const rj_contrast *d, const rj_real *z,
                                const rj_real *g, const rj_real *dl, rj_real *dz)
{
    return dev->isa->numbers->contrast_grad(dev, d, z, g, dl, dz);
}

rij_status rj_cpu_absdiff(rj_device *dev, const rj_picture *d, double eps,
                          const rj_real *x, const rj_real *u, rj_real *loss)
{
    return pictures(dev)->absdiff(dev, d, eps, x, u, loss);
}

rij_status rj_cpu_absdiff_grad(rj_device *dev, const rj_picture *d, double eps,
                               const rj_real *x, const rj_real *u, const rj_real *dl,
                               rj_real *dx, rj_real *du)
{
    return pictures(dev)->absdiff_grad(dev, d, eps, x, u, dl, dx, du);
}

rij_status rj_cpu_sgd(rj_device *dev, size_t n, const rj_step *s, const rj_real *g,
                      rj_real *w, rj_real *v)
{
    return dev->isa->numbers->sgd(dev, n, s, g, w, v);
}

rij_status rj_cpu_adamw(rj_device *dev, size_t n, const rj_step *s, const rj_real *g,
                        rj_real *w, rj_real *m, rj_real *v)
{
    return dev->isa->numbers->adamw(dev, n, s, g, w, m, v);
}
