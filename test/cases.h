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
/* dy = these planar numbers. Gradients of inputs begin at 0.5 and must be added to. Of a
 * case whose inputs want none there is nothing to do. */
void run_backward(run *r, const rj_real *dy);
void run_close(run *r);

/* Does input i want a gradient? */
bool wants(const one *c, int i);
/* Is there a picture among what the case takes and makes? And are its numbers factors? */
bool pictured(const one *c);
bool convolves(const one *c);
/* Planar numbers of a tensor's values or gradient; freed by rj_free(). */
rj_real *values_of(const run *r, const rj_tensor *t);
rj_real *gradient_of(const run *r, const rj_tensor *t);
/* A tensor whose values are t's gradient, so that both are read and written alike. */
rj_tensor gradient_as_values(const rj_tensor *t);
/* The i-th number of what is stored at x for this shape, lanes past C counted. */
double stored_number(const run *r, const rj_shape *shape, const rj_real *x, size_t i);
void set_values(run *r, rj_tensor *t, const rj_real *planar);
/* n numbers in [-1,1) of stream `which`. */
rj_real *noise(size_t n, int which);
/* Weights of m outputs, as dy; of a lone one, no small number. */
rj_real *weights(size_t m);
/* Output and gradients of a case in one array, dy being weights(); *n numbers. */
rj_real *all_numbers(const one *c, const way *w, size_t *n);

/* How far n numbers of the case, a, may be off where their sums are made in another
 * order. Sums of m products differ by about eps sqrt(m) times their size then; 32 covers
 * the largest of many sums and the chain of roundings before and after them. */
double order_bound(const one *c, size_t n, const rj_real *a);
/* Lanes past C of what is stored at x hold zeros. */
void check_lanes(const run *r, const rj_shape *shape, const rj_real *x);

/* The next instruction set of the cpu's kernels that this processor has, after the i-th,
 * chosen by RIJ_ISA; NULL: there is none, and RIJ_ISA is gone. Begin with *i = 0. */
const char *next_isa(int *i);

#endif
