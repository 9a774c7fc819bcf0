/* tape.c: define-by-run. rj_apply() runs an op and appends the call; rj_backward() walks
 * the calls from the end. The order of calls is a topological order by construction. */
#include "tensor/tensor.h"
#include <string.h>

/* Check the inputs; *wanted tells whether anyone asks for a gradient. */
static rij_status take_inputs(rj_call *c, rj_tensor *const in[], bool *wanted)
{
    *wanted = false;
    for (int i = 0; i < c->op->inputs; i++) {
        c->in[i] = in[i];
        if (in[i])
            *wanted = *wanted || in[i]->g != NULL;
        else
            RJ_REQUIRE(c->op->optional >> i & 1, RIJ_E_ARGUMENT,
                       "%s: input %d is missing", c->op->name, i);
    }
    return RIJ_OK;
}

rij_status rj_apply(rj_tape *tape, const rj_op *op, const void *par,
                    rj_tensor *const in[], rj_tensor **out)
{
    rj_call c = {.op = op, .dev = tape->dev};
    size_t saved = 0;
    rj_shape shape;
    bool wanted;

    RJ_TRY(take_inputs(&c, in, &wanted));
    wanted = wanted && !tape->frozen;
    if (op->par_bytes) {
        void *copy = rj_arena_take(&tape->arena, 1, op->par_bytes);
        RJ_REQUIRE(copy, RIJ_E_MEMORY, "%s: no memory", op->name);
        c.par = memcpy(copy, par, op->par_bytes);
    }
    RJ_TRY(op->shape(&c, &shape, &saved));
    RJ_TRY((op->from_zero ? rj_tensor_new : rj_tensor_new_raw)(tape->dev, &tape->arena,
                                                               &shape, wanted, &c.out));
    c.saved = saved ? rj_arena_take_raw(&tape->arena, saved, sizeof *c.saved) : NULL;
    RJ_REQUIRE(c.saved || !saved, RIJ_E_MEMORY, "%s: no memory for %zu numbers", op->name,
               saved);
    RJ_TRY(op->forward(&c));
    if (wanted) {
        RJ_TRY(
            rj_grow((void **)&tape->call, &tape->room, tape->n + 1, sizeof *tape->call));
        tape->call[tape->n++] = c;
    }
    *out = c.out;
    return RIJ_OK;
}

rij_status rj_backward(rj_tape *tape, rj_tensor *loss)
{
    const rj_real one = 1;

    RJ_REQUIRE(rj_count(&loss->shape) == 1, RIJ_E_SHAPE,
               "backward: the loss is %zu numbers, not 1", rj_count(&loss->shape));
    RJ_REQUIRE(loss->g, RIJ_E_ARGUMENT,
               "backward: the loss depends on nothing that learns");
    RJ_TRY(rj_upload(tape->dev, loss->g, &one, 1));
    for (int i = tape->n - 1; i >= 0; i--)
        RJ_TRY(tape->call[i].op->backward(&tape->call[i]));
    return RIJ_OK;
}

void rj_tape_reset(rj_tape *tape)
{
    tape->n = 0;
    rj_arena_reset(&tape->arena);
}

void rj_tape_free(rj_tape *tape)
{
    rj_arena_free(&tape->arena);
    rj_free(tape->call);
    *tape = (rj_tape){.dev = tape->dev};
}
