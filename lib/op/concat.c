/* concat: matrices of one width, one below the other.
 *
 * x0 (M0,D), x1 (M1,D), .. up to RJ_MAX_IN of them -> y (M0 + M1 + .., D). All but the
 * first may be left out. Gradient: each input gets the rows of dy that it became; an
 * input that wants none (the natural traces) is a constant. Saved: nothing. */
#include "op/op.h"

static rij_status shape(const rj_call *call, rj_shape *out, size_t *saved)
{
    const rj_shape *x = &call->in[0]->shape;
    char text[2][64];
    int rows = 0;

    for (int i = 0; i < RJ_MAX_IN; i++) {
        const rj_shape *s = call->in[i] ? &call->in[i]->shape : NULL;
        if (!s)
            continue;
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there is a first input
        RJ_REQUIRE(s->rank == 2 && s->dim[1] == x->dim[1], RIJ_E_SHAPE,
                   "concat: rows of %s and of %s", rj_shape_text(x, text[0]),
                   rj_shape_text(s, text[1]));
        rows += s->dim[0];
    }
    *out = rj_shape_plain(2, rows, x->dim[1], 0, 0);
    *saved = 0;
    return RIJ_OK;
}

static rij_status forward(const rj_call *call)
{
    rj_real *y = call->out->x;

    for (int i = 0; i < RJ_MAX_IN; i++)
        if (call->in[i]) {
            const size_t n = rj_count(&call->in[i]->shape);
            RJ_TRY(call->dev->k->axpy(call->dev, false, n, 1, call->in[i]->x, y));
            y += n;
        }
    return RIJ_OK;
}

static rij_status backward(const rj_call *call)
{
    const rj_real *dy = call->out->g;

    for (int i = 0; i < RJ_MAX_IN; i++)
        if (call->in[i]) {
            const size_t n = rj_count(&call->in[i]->shape);
            if (call->in[i]->g)
                RJ_TRY(call->dev->k->axpy(call->dev, false, n, 1, dy, call->in[i]->g));
            dy += n;
        }
    return RIJ_OK;
}

const rj_op rj_op_concat = {.name = "concat",
                            .inputs = RJ_MAX_IN,
                            .optional = ((1u << RJ_MAX_IN) - 1) & ~1u,
                            .from_zero = true,
                            .shape = shape,
                            .forward = forward,
                            .backward = backward};
