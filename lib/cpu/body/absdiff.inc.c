/* absdiff.inc.c: the mean absolute difference of pictures; op/absdiff.c has the formula.
 */

struct absdiff {
    size_t n;
    rj_real eps, factor;
    const cell *x, *u;
    cell *dx, *du; /* either may be NULL */
    double *sum;   /* of each piece */
};

/* sqrt(e^2 + eps^2) - eps without the loss of digits, and 0 at e = 0 in any case. */
static rij_status absdiff_piece(void *job, int index, int worker)
{
    const struct absdiff *j = job;
    const size_t end = RJ_MIN(j->n, ((size_t)index + 1) * FLAT);
    rj_real part[LANES];
    vec sum = fill(0);

    for (size_t i = (size_t)index * FLAT; i < end; i += LANES) {
        const vec e = load_cells(j->x + i) - load_cells(j->u + i), square = e * e;
        sum += where(e == fill(0), fill(0),
                     square / (root(square + j->eps * j->eps) + j->eps));
    }
    store(part, sum);
    j->sum[index] = 0;
    for (int k = 0; k < LANES; k++)
        j->sum[index] += (double)part[k];
    (void)worker;
    return RIJ_OK;
}

static rij_status absdiff_grad_piece(void *job, int index, int worker)
{
    const struct absdiff *j = job;
    const size_t end = RJ_MIN(j->n, ((size_t)index + 1) * FLAT);

    for (size_t i = (size_t)index * FLAT; i < end; i += LANES) {
        const vec e = load_cells(j->x + i) - load_cells(j->u + i);
        const vec g =
            where(e == fill(0), fill(0), e * j->factor / root(e * e + j->eps * j->eps));
        if (j->dx)
            store_cells(j->dx + i, load_cells(j->dx + i) + g);
        if (j->du)
            store_cells(j->du + i, load_cells(j->du + i) - g);
    }
    (void)worker;
    return RIJ_OK;
}

/* Storage is whole blocks, so pieces are whole vectors; lanes past C add nothing. */
static size_t stored(const rj_picture *d)
{
    return (size_t)plane_of(d) * (size_t)planes_of(d);
}

static rij_status absdiff(rj_device *dev, const rj_picture *d, double eps,
                          const rj_real *x, const rj_real *u, rj_real *loss)
{
    struct absdiff j = {
        .n = stored(d), .eps = (rj_real)eps, .x = (const cell *)x, .u = (const cell *)u};
    const int pieces = (int)((j.n + FLAT - 1) / FLAT);
    double sum = 0;

    RJ_TRY(rj_device_shared(dev, (size_t)pieces * sizeof(double)));
    j.sum = dev->shared;
    RJ_TRY(rj_parallel_for(dev->pool, pieces, absdiff_piece, &j));
    for (int i = 0; i < pieces; i++)
        sum += j.sum[i];
    loss[0] = (rj_real)(sum / ((double)d->n * d->c * d->h * d->w));
    return RIJ_OK;
}

static rij_status absdiff_grad(rj_device *dev, const rj_picture *d, double eps,
                               const rj_real *x, const rj_real *u, const rj_real *dl,
                               rj_real *dx, rj_real *du)
{
    const double count = (double)d->n * d->c * d->h * d->w;
    struct absdiff j = {.n = stored(d),
                        .eps = (rj_real)eps,
                        .factor = (rj_real)((double)dl[0] / count),
                        .x = (const cell *)x,
                        .u = (const cell *)u,
                        .dx = (cell *)dx,
                        .du = (cell *)du};

    return rj_parallel_for(dev->pool, (int)((j.n + FLAT - 1) / FLAT), absdiff_grad_piece,
                           &j);
}
