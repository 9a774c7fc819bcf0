/* bench_kernel.h: what the two halves of bench_kernel share: a kernel under test, on the
 * device that is judged and on the one that judges it. */
#ifndef RJ_BENCH_KERNEL_H
#define RJ_BENCH_KERNEL_H

#include "bench.h"

typedef struct bench_bed {
    bench_options o;
    rj_pool *pool;
    rj_device *cpu, *ref;
    double peak; /* operations a second, all threads */
} bench_bed;

/* n numbers in (-1,1), of a stream by `what`; freed with rj_free(). */
rj_real *bench_numbers(size_t n, uint64_t what);
/* A picture of such numbers in the device's storage; planar ones if asked. */
rj_real *bench_picture(rj_device *dev, const rj_picture *d, const rj_real *planar);
/* Largest |a - b| by the largest |b|. */
double bench_error(const rj_real *a, const rj_real *b, size_t n);
/* Exit with a message unless the error is below what the precision allows. */
void bench_judge(const bench_bed *bed, const char *what, double error);

/* bench_stream.c: the kernels that memory bounds, and the contrastive loss. */
void bench_streams(const bench_bed *bed);

#endif
