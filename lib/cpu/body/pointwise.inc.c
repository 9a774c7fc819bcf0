/* pointwise.inc.c: kernels that take number by number, and biases.
 *
 * A flat job says which arrays an op reads (in) and which it reads and writes (io);
 * pieces are FLAT numbers long. The tail of an array goes through a padded copy. */

enum { FLAT = 16384 };

struct flat {
    size_t n;
    const rj_real *in[2];
    rj_real *io[3];
    rj_real par[8];
};

typedef void flat_op(const struct flat *f, const vec *in, vec *io);

ALWAYS void flat_some(flat_op *op, const struct flat *f, int ins, int ios, size_t at,
                      int some)
{
    rj_real part[LANES] = {0};
    vec in[2], io[3];

    for (int i = 0; i < ins + ios; i++) {
        const rj_real *from = i < ins ? f->in[i] + at : f->io[i - ins] + at;
        for (int k = 0; k < some; k++)
            part[k] = from[k];
        *(i < ins ? &in[i] : &io[i - ins]) = load(part);
    }
    op(f, in, io);
    for (int i = 0; i < ios; i++) {
        store(part, io[i]);
        for (int k = 0; k < some; k++)
            f->io[i][at + (size_t)k] = part[k];
    }
}

ALWAYS rij_status flat(flat_op *op, const struct flat *f, int ins, int ios, int index)
{
    const size_t end = RJ_MIN(f->n, ((size_t)index + 1) * FLAT);
    size_t at = (size_t)index * FLAT;

    for (; at + LANES <= end; at += LANES) {
        vec in[2], io[3];
        EACH (i, ins)
            in[i] = load(f->in[i] + at);
        EACH (i, ios)
            io[i] = load(f->io[i] + at);
        op(f, in, io);
        EACH (i, ios)
            store(f->io[i] + at, io[i]);
    }
    if (at < end)
        flat_some(op, f, ins, ios, at, (int)(end - at));
    return RIJ_OK;
}

/* NAME_op works on vectors; NAME_piece runs it over one piece of the arrays. */
#define FLAT_PIECE(name, ins, ios)                                                       \
    static rij_status name##_piece(void *job, int index, int worker)                     \
    {                                                                                    \
        (void)worker;                                                                    \
        return flat(name##_op, job, ins, ios, index);                                    \
    }

static rij_status run_flat(rj_device *dev, rj_piece piece, struct flat *f)
{
    return rj_parallel_for(dev->pool, (int)((f->n + FLAT - 1) / FLAT), piece, f);
}

/* y = a x + b u */
ALWAYS void add_op(const struct flat *f, const vec *in, vec *io)
{
    io[0] = in[0] * f->par[0] + in[1] * f->par[1];
}
FLAT_PIECE(add, 2, 1)

static rij_status add(rj_device *dev, size_t n, double a, const rj_real *x, double b,
                      const rj_real *u, rj_real *y)
{
    struct flat f = {n, {x, u}, {y}, {(rj_real)a, (rj_real)b}};

    return run_flat(dev, add_piece, &f);
}

/* y += a x */
ALWAYS void axpy_op(const struct flat *f, const vec *in, vec *io)
{
    io[0] += in[0] * f->par[0];
}
FLAT_PIECE(axpy, 1, 1)

static rij_status axpy(rj_device *dev, size_t n, double a, const rj_real *x, rj_real *y)
{
    struct flat f = {n, {x}, {y}, {(rj_real)a}};

    return run_flat(dev, axpy_piece, &f);
}

ALWAYS void relu_op(const struct flat *f, const vec *in, vec *io)
{
    (void)f;
    io[0] = where(in[0] < fill(0), fill(0), in[0]); // NaN stays
}
FLAT_PIECE(relu, 1, 1)

static rij_status relu(rj_device *dev, size_t n, const rj_real *x, rj_real *y)
{
    struct flat f = {n, {x}, {y}, {0}};

    return run_flat(dev, relu_piece, &f);
}

ALWAYS void relu_grad_op(const struct flat *f, const vec *in, vec *io)
{
    (void)f;
    io[0] += where(in[0] <= fill(0), fill(0), in[1]);
}
FLAT_PIECE(relu_grad, 2, 1)

static rij_status relu_grad(rj_device *dev, size_t n, const rj_real *y, const rj_real *dy,
                            rj_real *dx)
{
    struct flat f = {n, {y, dy}, {dx}, {0}};

    return run_flat(dev, relu_grad_piece, &f);
}

/* g' = g + decay w;  v = momentum v + g';  w -= rate v */
ALWAYS void sgd_op(const struct flat *f, const vec *in, vec *io)
{
    io[1] = io[1] * f->par[1] + (in[0] + io[0] * f->par[2]);
    io[0] -= io[1] * f->par[0];
}
FLAT_PIECE(sgd, 1, 2)

static rij_status sgd(rj_device *dev, size_t n, const rj_step *s, const rj_real *g,
                      rj_real *w, rj_real *v)
{
    struct flat f = {
        n, {g}, {w, v}, {(rj_real)s->rate, (rj_real)s->momentum, (rj_real)s->decay}};

    return run_flat(dev, sgd_piece, &f);
}

/* w -= rate decay w;  m, v: running means of g and g^2, their bias from the start at
 * zero taken out by par[4] = 1 / (1 - beta1^t) and par[5] = 1 / (1 - beta2^t);
 * w -= rate m' / (sqrt(v') + eps). Loshchilov and Hutter 2019, algorithm 2. */
ALWAYS void adamw_op(const struct flat *f, const vec *in, vec *io)
{
    const rj_real *par = f->par;

    io[1] = io[1] * par[2] + in[0] * (1 - par[2]);
    io[2] = io[2] * par[3] + in[0] * in[0] * (1 - par[3]);
    io[0] = io[0] * par[1] - io[1] * (par[0] * par[4]) / (root(io[2] * par[5]) + par[6]);
}
FLAT_PIECE(adamw, 1, 3)

static rij_status adamw(rj_device *dev, size_t n, const rj_step *s, const rj_real *g,
                        rj_real *w, rj_real *m, rj_real *v)
{
    struct flat f = {n,
                     {g},
                     {w, m, v},
                     {(rj_real)s->rate, (rj_real)(1 - s->rate * s->decay),
                      (rj_real)s->beta1, (rj_real)s->beta2,
                      (rj_real)(1 / (1 - pow(s->beta1, (double)s->t))),
                      (rj_real)(1 / (1 - pow(s->beta2, (double)s->t))), (rj_real)s->eps}};

    return run_flat(dev, adamw_piece, &f);
}
