/* tape.c: define-by-run. rj_apply() runs an op and appends the call; rj_backward() walks
 * the calls from the end. The order of calls is a topological order by construction. */
#include "tensor/tensor.h"
#include <string.h>

enum { LINE = 64 / (int)sizeof(rj_real) }; /* loans are whole cache lines */

/* Check the inputs; *wanted tells whether anyone asks for a gradient. */
static rij_status take_inputs(rj_call *c, rj_tensor *const in[], bool *wanted)
{
    *wanted = false;
    for (int i = 0; i < c->op->inputs; i++) {
        c->in[i] = in[i];
        if (in[i])
            *wanted = *wanted || in[i]->learns;
        else
            RJ_REQUIRE(c->op->optional >> i & 1, RIJ_E_ARGUMENT,
                       "%s: input %d is missing", c->op->name, i);
    }
    return RIJ_OK;
}

rij_status rj_apply(rj_tape *tape, const rj_op *op, const void *par,
                    rj_tensor *const in[], rj_tensor **out)
{
    rj_call c = {.op = op, .dev = tape->dev, .precision = tape->dev->precision};
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
                                                               &shape, false, &c.out));
    c.out->learns = wanted;
    c.out->passing = op->passing;
    c.saved = saved ? rj_numbers(tape->dev, &tape->arena, saved) : NULL;
    RJ_REQUIRE(c.saved || !saved, RIJ_E_MEMORY, "%s: no memory for %zu numbers", op->name,
               saved);
    RJ_TRY(op->forward(&c));
    if (wanted) {
        RJ_TRY(
            rj_grow((void **)&tape->call, &tape->room, tape->n + 1, sizeof *tape->call));
        tape->call[tape->n++] = c;
        for (int i = 0; i < op->inputs; i++)
            if (c.in[i] && c.in[i]->passing)
                c.in[i]->uses++;
    }
    *out = c.out;
    return RIJ_OK;
}

/* The loan an output's gradient lies in, or NULL. */
static rj_loan *loan_of(const rj_tape *tape, const rj_tensor *output)
{
    for (int i = 0; i < tape->loans; i++)
        if (tape->loan[i].out && tape->loan[i].memory == output->g)
            return &tape->loan[i];
    return NULL;
}

/* Numbers of the free loans that lie side by side from the i-th on. */
static size_t free_from(const rj_tape *tape, int i, int *end)
{
    size_t n = 0;

    for (*end = i; *end < tape->loans && !tape->loan[*end].out &&
                   tape->loan[*end].memory == tape->loan[i].memory + n;
         ++*end)
        n += tape->loan[*end].n;
    return n;
}

/* A place for one more loan, at i; those from there on move. */
static rij_status loan_new(rj_tape *tape, int i, rj_loan loan)
{
    RJ_TRY(rj_grow((void **)&tape->loan, &tape->loans_room, tape->loans + 1,
                   sizeof *tape->loan));
    memmove(tape->loan + i + 1, tape->loan + i,
            (size_t)(tape->loans - i) * sizeof *tape->loan);
    tape->loan[i] = loan;
    tape->loans++;
    return RIJ_OK;
}

/* The i-th loan becomes one of n numbers, of the `room` of the free ones before the one
 * at `end`; what is left of them stays free. */
static rij_status settle(rj_tape *tape, int i, int end, size_t room, size_t n)
{
    rj_real *const memory = tape->loan[i].memory;

    tape->loan[i].n = n;
    memmove(tape->loan + i + 1, tape->loan + end,
            (size_t)(tape->loans - end) * sizeof *tape->loan);
    tape->loans -= end - i - 1;
    return room > n ? loan_new(tape, i + 1, (rj_loan){memory + n, room - n, false})
                    : RIJ_OK;
}

/* The first free stretch of n numbers, or -1; *last: how many are free at the end. */
static int free_stretch(const rj_tape *tape, size_t n, int *end, size_t *room,
                        size_t *last)
{
    *last = 0;
    for (int i = 0; i < tape->loans; i++) {
        *room = free_from(tape, i, end);
        if (*room >= n)
            return i;
        if (*end == tape->loans)
            *last = RJ_MAX(*last, *room);
    }
    return -1;
}

/* Whether n more numbers would lie right behind the last loan. */
static bool longer(const rj_tape *tape, size_t n)
{
    const rj_loan *last;

    if (tape->loans == 0)
        return false;
    last = &tape->loan[tape->loans - 1];
    return rj_arena_follows(&tape->arena, last->memory + last->n, n, sizeof(rj_real));
}

/* n numbers of a free stretch; contents undefined. If there is none, the one at the end
 * is made longer where the arena goes on right behind it. */
static rij_status borrow(rj_tape *tape, size_t numbers, rj_real **memory)
{
    const size_t n = (numbers + LINE - 1) / LINE * LINE;
    size_t room, last;
    int at, end = 0;

    while ((at = free_stretch(tape, n, &end, &room, &last)) < 0) {
        const size_t more = longer(tape, n - last) ? n - last : n;
        rj_real *fresh = rj_numbers(tape->dev, &tape->arena, more);
        RJ_REQUIRE(fresh, RIJ_E_MEMORY, "backward: no memory for %zu numbers", n);
        RJ_TRY(loan_new(tape, tape->loans, (rj_loan){fresh, more, false}));
    }
    RJ_TRY(settle(tape, at, end, room, n));
    tape->loan[at].out = true;
    *memory = tape->loan[at].memory;
    return RIJ_OK;
}

void rj_backward_end(rj_tape *tape, rj_tensor *output)
{
    rj_loan *l = loan_of(tape, output);

    if (l)
        l->out = false;
    if (l || output->g == output->x)
        output->g = NULL;
}

/* Gradients of the inputs of a call that have none yet. */
static rij_status borrow_inputs(rj_tape *tape, rj_call *c)
{
    c->fresh = 0;
    for (int i = 0; i < c->op->inputs; i++) {
        rj_tensor *t = c->in[i];
        bool twice = false;

        if (!t || !t->learns || t->g)
            continue;
        for (int j = i + 1; j < c->op->inputs; j++)
            twice = twice || c->in[j] == t;
        // nobody reads these values after this call
        if (i == 0 && c->op->over_input && t->passing && t->uses == 1) {
            t->g = t->x;
            t->spent = true;
            c->fresh |= 1;
            continue;
        }
        RJ_TRY(borrow(tape, rj_storage(tape->dev, &t->shape), &t->g));
        if (c->op->writes >> i & 1 && !twice)
            c->fresh |= 1u << i;
        else
            RJ_TRY(rj_zero(tape->dev, t->g, rj_storage(tape->dev, &t->shape)));
    }
    return RIJ_OK;
}

rij_status rj_backward_begin(rj_tape *tape, rj_tensor *output)
{
    if (!output->g)
        RJ_TRY(borrow(tape, rj_storage(tape->dev, &output->shape), &output->g));
    return rj_zero(tape->dev, output->g, rj_storage(tape->dev, &output->shape));
}

rij_status rj_backward_call(rj_tape *tape, int i)
{
    rj_call *c = &tape->call[i];

    if (!c->out->g)
        return RIJ_OK; // the loss does not depend on it
    RJ_REQUIRE(c->precision == c->dev->precision, RIJ_E_ARGUMENT,
               "backward: the device's precision has changed since %s", c->op->name);
    RJ_REQUIRE(!c->in[0] || !c->in[0]->spent, RIJ_E_ARGUMENT,
               "backward: %s was walked before, and its input is gone", c->op->name);
    RJ_TRY(borrow_inputs(tape, c));
    RJ_TRY(c->op->backward(c));
    rj_backward_end(tape, c->out);
    return RIJ_OK;
}

rij_status rj_backward(rj_tape *tape, rj_tensor *loss)
{
    const rj_real one = 1;

    RJ_REQUIRE(rj_count(&loss->shape) == 1, RIJ_E_SHAPE,
               "backward: the loss is %zu numbers, not 1", rj_count(&loss->shape));
    RJ_REQUIRE(loss->learns, RIJ_E_ARGUMENT,
               "backward: the loss depends on nothing that learns");
    RJ_TRY(rj_backward_begin(tape, loss));
    RJ_TRY(rj_upload(tape->dev, loss->g, &one, 1));
    for (int i = tape->n - 1; i >= 0; i--)
        RJ_TRY(rj_backward_call(tape, i));
    return RIJ_OK;
}

void rj_tape_reset(rj_tape *tape)
{
    tape->n = 0;
    tape->loans = 0;
    rj_arena_reset(&tape->arena);
}

void rj_tape_free(rj_tape *tape)
{
    rj_arena_free(&tape->arena);
    rj_free(tape->call);
    rj_free(tape->loan);
    *tape = (rj_tape){.dev = tape->dev};
}
