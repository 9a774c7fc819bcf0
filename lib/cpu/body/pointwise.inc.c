/* pointwise.inc.c: kernels that take number by number.
 *
 * A flat job says which arrays an op reads (in) and which it reads and writes (io);
 * pieces are FLAT numbers long. The tail of an array goes through a padded copy. */

enum { FLAT = 16384 };

struct flat {
    size_t n; /* cells */
    const cell *in[2];
    cell *io[3];
    rj_real par[8];
};

typedef void flat_op(const struct flat *f, const vec *in, vec *io);

ALWAYS void flat_some(flat_op *op, const struct flat *f, int ins, int ios, size_t at,
                      int some)
{
    cell part[LANES] = {0};
    vec in[2] = {0}, io[3] = {0}; // not every compiler sees that all used are set

    for (int i = 0; i < ins + ios; i++) {
        const cell *from = i < ins ? f->in[i] + at : f->io[i - ins] + at;
        for (int k = 0; k < some; k++)
            part[k] = from[k];
        *(i < ins ? &in[i] : &io[i - ins]) = load_cells(part);
    }
    op(f, in, io);
    for (int i = 0; i < ios; i++) {
        store_cells(part, io[i]);
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
            in[i] = load_cells(f->in[i] + at);
        EACH (i, ios)
            io[i] = load_cells(f->io[i] + at);
        op(f, in, io);
        EACH (i, ios)
            store_cells(f->io[i] + at, io[i]);
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

/* Cells in the place of n numbers. */
static size_t cells_in(size_t n)
{
    return n * sizeof(rj_real) / sizeof(cell);
}

/* y = a x + b u */
ALWAYS void add_op(const struct flat *f, const vec *in, vec *io)
{
    io[0] = in[0] * f->par[0] + in[1] * f->par[1];
}
FLAT_PIECE(add, 2, 1)

static rij_status add(rj_device *dev, bool picture, size_t n, double a, const rj_real *x,
                      double b, const rj_real *u, rj_real *y)
{
    struct flat f = {cells_in(n),
                     {(const cell *)x, (const cell *)u},
                     {(cell *)y},
                     {(rj_real)a, (rj_real)b}};

    (void)picture;
    return run_flat(dev, add_piece, &f);
}

/* y += a x */
ALWAYS void axpy_op(const struct flat *f, const vec *in, vec *io)
{
    io[0] += in[0] * f->par[0];
}
FLAT_PIECE(axpy, 1, 1)

static rij_status axpy(rj_device *dev, bool picture, size_t n, double a, const rj_real *x,
                       rj_real *y)
{
    struct flat f = {cells_in(n), {(const cell *)x}, {(cell *)y}, {(rj_real)a}};

    (void)picture;
    return run_flat(dev, axpy_piece, &f);
}

ALWAYS void relu_op(const struct flat *f, const vec *in, vec *io)
{
    (void)f;
    io[0] = where(in[0] < fill(0), fill(0), in[0]); // NaN stays
}
FLAT_PIECE(relu, 1, 1)

static rij_status relu(rj_device *dev, bool picture, size_t n, const rj_real *x,
                       rj_real *y)
{
    struct flat f = {cells_in(n), {(const cell *)x}, {(cell *)y}, {0}};

    (void)picture;
    return run_flat(dev, relu_piece, &f);
}

ALWAYS void relu_grad_op(const struct flat *f, const vec *in, vec *io)
{
    (void)f;
    io[0] += where(in[0] <= fill(0), fill(0), in[1]);
}
FLAT_PIECE(relu_grad, 2, 1)

static rij_status relu_grad(rj_device *dev, bool picture, size_t n, const rj_real *y,
                            const rj_real *dy, rj_real *dx)
{
    struct flat f = {cells_in(n), {(const cell *)y, (const cell *)dy}, {(cell *)dx}, {0}};

    (void)picture;
    return run_flat(dev, relu_grad_piece, &f);
}
