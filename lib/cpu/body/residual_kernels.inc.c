/* residual_kernels.inc.c: the table's two kernels of the fixed front-ends, which are in
 * residual.inc.c, of images as the host has them in residual_planar.inc.c, and for
 * octaves in residual_octaves.inc.c. */

static rij_status residual(rj_device *dev, const rj_residual *d, const rj_real *x,
                           rj_real *y)
{
    struct front j = {
        .dev = dev, .d = *d, .host = x, .x = (const cell *)x, .y = (cell *)y};

    if (d->kind == RJ_FRONT_OCTAVES)
        return octaves(&j);
    if (d->planar)
        return residual_planar(&j);
    if (d->kind == RJ_FRONT_HAAR)
        return rj_parallel_for(dev->pool, d->n, haar_piece, &j);
    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c), front_piece, &j);
}

static rij_status residual_grad(rj_device *dev, const rj_residual *d, const rj_real *x,
                                const rj_real *dy, rj_real *dx)
{
    struct front j = {.dev = dev,
                      .d = *d,
                      .x = (const cell *)x,
                      .dy = (const cell *)dy,
                      .y = (cell *)dx};

    if (d->kind == RJ_FRONT_OCTAVES)
        return octaves_grad(&j);
    if (d->kind == RJ_FRONT_HAAR)
        return rj_parallel_for(dev->pool, d->n, haar_grad_piece, &j);
    return rj_parallel_for(dev->pool, d->n * blocks_of(d->c), front_grad_piece, &j);
}
