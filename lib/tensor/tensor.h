/* tensor.h: arrays of numbers on a device, and the tape that remembers how they were
 * made. */
#ifndef RJ_TENSOR_H
#define RJ_TENSOR_H

#include "device/device.h"

enum { RJ_MAX_RANK = 4, RJ_MAX_IN = 6 };

typedef struct rj_shape {
    int rank; /* 0: one number */
    int dim[RJ_MAX_RANK];
    bool picture; /* rank 4 in the device's own storage; else plain */
} rj_shape;

typedef struct rj_tensor {
    rj_shape shape;
    rj_real *x;   /* values, in device memory */
    rj_real *g;   /* gradient of the loss by x. An op's output has one only from its first
                     use in rj_backward() until its own op has passed it on */
    bool learns;  /* a gradient is wanted */
    bool passing; /* an op's output that its own op does not read in backward */
    int uses;     /* of one that is passing, as an input of calls */
    bool spent;   /* its values made room for its gradient */
} rj_tensor;

/* One use of an op. The tape owns it; an op only reads it. */
typedef struct rj_call {
    const struct rj_op *op;
    rj_device *dev;
    rj_tensor *in[RJ_MAX_IN]; /* optional ones may be NULL */
    rj_tensor *out;
    rj_real *saved;  /* what forward keeps for backward; at first whatever lay there */
    const void *par; /* the tape's copy of the op's parameters */
    enum rj_precision precision; /* of the device when it ran */
    unsigned fresh; /* in backward, bit i: in[i]->g holds nothing yet and is to be
                       written, not added to; see struct rj_op */
} rj_call;

/* What an op is. All three functions may fail; none may allocate. */
typedef struct rj_op {
    const char *name;
    int inputs;        /* entries of in[] it reads */
    unsigned optional; /* bit i: in[i] may be NULL */
    bool from_zero;    /* forward adds to its output, which is zero then; else it writes
                          all of it, lanes past C too, whatever lay there */
    unsigned writes;  /* bit i: backward writes in[i]'s gradient, all of it, where that is
                         fresh; the others' are zero then */
    bool over_input;  /* backward may write in[0]'s fresh gradient where its values are */
    bool passing;     /* backward does not read the output */
    size_t par_bytes; /* size of its parameters; 0: none */
    rij_status (*shape)(const rj_call *c, rj_shape *out, size_t *saved);
    rij_status (*forward)(const rj_call *c);
    rij_status (*backward)(
        const rj_call *c); /* adds to in[i]->g where not NULL, or writes
                              it: see `writes` and rj_call.fresh */
} rj_op;

/* A stretch of memory that gradients of outputs take turns in. */
typedef struct rj_loan {
    rj_real *memory;
    size_t n;
    bool out;
} rj_loan;

/* Tape: define-by-run. Its memory is an arena: reset, not freed, between steps. */
typedef struct rj_tape {
    rj_device *dev;
    rj_arena arena;
    rj_call *call;
    int n, room;
    rj_loan *loan;
    int loans, loans_room;
    bool frozen; /* no gradients are wanted: nothing is recorded */
} rj_tape;

/* shape.c */
size_t rj_count(const rj_shape *s);                         /* logical numbers */
size_t rj_storage(const rj_device *dev, const rj_shape *s); /* numbers stored */
rj_shape rj_shape_plain(int rank, int a, int b, int c, int d);
rj_shape rj_shape_picture(int n, int c, int h, int w);
rj_picture rj_shape_dims(const rj_shape *s); /* of rank 4 */
bool rj_shape_same(const rj_shape *a, const rj_shape *b);
/* "(8,3,64,64)" into a buffer of at least 64 bytes; returns it. */
const char *rj_shape_text(const rj_shape *s, char *text);

/* tensor.c: tensors that live on a tape until its reset, and ones that live in an arena
 */
/* Values zero; with a gradient, zero, if asked. */
rij_status rj_tensor_new(rj_device *dev, rj_arena *arena, const rj_shape *shape,
                         bool gradient, rj_tensor **out);
/* The same with values that are whatever lay there: for what is written at once. */
rij_status rj_tensor_new_raw(rj_device *dev, rj_arena *arena, const rj_shape *shape,
                             bool gradient, rj_tensor **out);
/* A plain constant or a picture made from planar host numbers (float32), on the tape. */
rij_status rj_tensor_from(rj_tape *tape, const rj_shape *shape, const float *planar,
                          rj_tensor **out);
/* The same of a plain shape, without a copy if the device can do without one: `planar`
 * must stay as it is until the tape's reset. */
rij_status rj_tensor_lend(rj_tape *tape, const rj_shape *shape, const float *planar,
                          rj_tensor **out);
/* Values as planar host numbers; `planar` holds rj_count(shape) numbers. */
rij_status rj_tensor_read(rj_device *dev, const rj_tensor *t, rj_real *planar);
rij_status rj_tensor_write(rj_device *dev, rj_tensor *t, const rj_real *planar);
rij_status rj_tensor_scalar(rj_device *dev, const rj_tensor *t, double *value);

/* tape.c */
/* Run op forward and remember the call. `par` (op->par_bytes) is copied. The output
 * learns if any input does and the tape is not frozen. */
rij_status rj_apply(rj_tape *tape, const rj_op *op, const void *par,
                    rj_tensor *const in[], rj_tensor **out);
/* Gradients of `loss`, one number, into every tensor it came from; they add up. Calls
 * whose inputs' values made room for gradients (rj_op.over_input) are walked once: a
 * second walk over them is refused with RIJ_E_ARGUMENT. After a
 * failure the tape can only be reset, and the gradients of leaves be cleared. */
rij_status rj_backward(rj_tape *tape, rj_tensor *loss);
/* Its parts: lend an output that learns a gradient, zero; walk call i backwards, which
 * lends its inputs theirs and ends its output's; take back what was lent. */
rij_status rj_backward_begin(rj_tape *tape, rj_tensor *output);
rij_status rj_backward_call(rj_tape *tape, int i);
void rj_backward_end(rj_tape *tape, rj_tensor *output);
void rj_tape_reset(rj_tape *tape); /* forget calls and tensors, keep the memory */
void rj_tape_free(rj_tape *tape);

#endif
