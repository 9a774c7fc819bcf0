/* rows: some rows of a matrix.
 *
 *     y[i][j] = x[first + i][j],      0 <= i < n
 *
 * x (M,D) -> y (N,D). Gradient: dx[first + i][j] += dy[i][j]; the other rows get nothing.
 * Saved for backward: nothing. The other way round is concat. */
#include "op/op.h"

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape;
    const rj_rows_par *par = call->par;
    char text[64];

    RJ_REQUIRE(x->rank == 2 && par->first >= 0 && par->n >= 1 &&
                   par->n <= x->dim[0] - par->first,
               RIJ_E_SHAPE, "rows: %d rows from %d of x %s", par->n, par->first,
               rj_shape_text(x, text));
    *out = rj_shape_plain(2, par->n, x->dim[1], 0, 0);
    *saved = 0;
    return RIJ_OK;
}

/* Where the rows begin, counted in numbers. */
static size_t begin(const rj_call *call)
{
    const rj_rows_par *par = call->par;

    return (size_t)par->first * (size_t)call->in[0]->shape.dim[1];
}

static rij_status forward(const rj_call *call)
{
    const size_t n = rj_count(&call->out->shape);

    return call->dev->k->axpy(call->dev, false, n, 1, call->in[0]->x + begin(call),
                              call->out->x);
}

static rij_status backward(const rj_call *call)
{
    const size_t n = rj_count(&call->out->shape);

    if (!call->in[0]->g)
        return RIJ_OK;
    return call->dev->k->axpy(call->dev, false, n, 1, call->out->g,
                              call->in[0]->g + begin(call));
}

const rj_op rj_op_rows = {.name = "rows",
                          .inputs = 1,
                          .from_zero = true,
                          .par_bytes = sizeof(rj_rows_par),
                          .shape = shape,
                          .forward = forward,
                          .backward = backward};
