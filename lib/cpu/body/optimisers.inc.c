/* optimisers.inc.c: one step of a parameter; op/optimisers.c has the formulas. */

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
