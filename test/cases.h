/* cases.h: the cases of cases.def as data, and running one of them. */
#ifndef RJ_CASES_H
#define RJ_CASES_H

#include "op/op.h"

/* How parameters and shapes are written in tables of cases. */
#define NOPAR NULL
#define PAR(type, ...) (&(const type){__VA_ARGS__})
#define PIC(n, c, h, w)                                                                  \
    {                                                                                    \
        4, {n, c, h, w}, true                                                            \
    }
#define PLAIN(rank, ...)                                                                 \
    {                                                                                    \
        rank, {__VA_ARGS__}, false                                                       \
    }

typedef struct one {
    const rj_op *op;
    const char *name;
    const char *inputs; /* see cases.def */
    const void *par;
    rj_shape in[RJ_MAX_IN];
} one;

extern const one cases[];
extern const int cases_count;

/* One case on one device: inputs drawn (the same for every device), op applied. */
typedef struct run {
    const one *c;
    rj_pool *pool;
    rj_device *dev;
    rj_tape tape;
    rj_arena arena;
    rj_tensor *in[RJ_MAX_IN];
    rj_tensor *out;
} run;

/* How a case is computed. */
typedef struct way {
    const char *device;
    int threads;
    enum rj_precision precision;
    enum rj_algorithm algorithm;
} way;

void run_open(run *r, const one *c, const char *device, int threads);
void run_open_way(run *r, const one *c, const way *w);
void run_forward(run *r); /* again, with the inputs as they are */
/* dy = these planar numbers. Gradients of inputs begin at 0.5 and must be added to. */
void run_backward(run *r, const rj_real *dy);
void run_close(run *r);

/* Does input i want a gradient? */
bool wants(const one *c, int i);
/* Planar numbers of a tensor's values or gradient; freed by rj_free(). */
rj_real *values_of(const run *r, const rj_tensor *t);
rj_real *gradient_of(const run *r, const rj_tensor *t);
void set_values(run *r, rj_tensor *t, const rj_real *planar);
/* n numbers in [-1,1) of stream `which`. */
rj_real *noise(size_t n, int which);
/* Weights of m outputs, as dy; of a lone one, no small number. */
rj_real *weights(size_t m);
/* Output and gradients of a case in one array, dy being weights(); *n numbers. */
rj_real *all_numbers(const one *c, const way *w, size_t *n);

/* The next instruction set of the cpu's kernels that this processor has, after the i-th,
 * chosen by RIJ_ISA; NULL: there is none, and RIJ_ISA is gone. Begin with *i = 0. */
const char *next_isa(int *i);

#endif
