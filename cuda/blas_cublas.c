/* blas_cublas.c: products of rows by cuBLAS.
 *
 * cuBLAS counts by columns. A row-major matrix read so is its transpose, and
 * c = op(a) op(b) is c^T = op(b)^T op(a)^T: b is the first factor, a the second, and
 * whether each is turned stays as it was. Float32 is multiplied as float32, and sums are
 * in a fixed order. The workspace is ours: what cuBLAS takes by itself while a graph is
 * captured would become part of the graph. */
#include "vendor.h"
#include <stdio.h>
#include <stdlib.h>

/* What NVIDIA advises for the newest cards; older ones ask for less. */
enum { WORKSPACE = 32 << 20 };

struct rj_blas {
    rj_cublas calls;
    struct cublasContext *handle;
    void *workspace;
};

void rj_blas_close(struct rj_blas *b)
{
    if (!b)
        return;
    if (b->handle)
        b->calls.cublasDestroy_v2(b->handle);
    cudaFree(b->workspace);
    free(b);
}

/* What is wrong with a handle, as cuBLAS numbers it; 0: nothing. */
static unsigned set_up(struct rj_blas *b, cudaStream_t stream, int *version)
{
    const rj_cublas *c = &b->calls;
    unsigned wrong = c->cublasCreate_v2(&b->handle);

    if (!wrong)
        wrong = c->cublasGetVersion_v2(b->handle, version);
    if (!wrong)
        wrong = c->cublasSetStream_v2(b->handle, stream);
    if (!wrong) // after the stream, which forgets it
        wrong = c->cublasSetWorkspace_v2(b->handle, b->workspace, WORKSPACE);
    if (!wrong)
        wrong = c->cublasSetAtomicsMode(b->handle, RJ_CUBLAS_ATOMICS_NOT_ALLOWED);
    if (!wrong)
        wrong = c->cublasSetMathMode(b->handle, RJ_CUBLAS_DEFAULT_MATH);
    return wrong;
}

struct rj_blas *rj_blas_open(rj_device *dev, char why[RJ_WHY])
{
    struct rj_blas *b = calloc(1, sizeof *b);
    unsigned wrong = 0;
    int version = 0;

    if (b && !rj_cublas_open(&b->calls, why)) {
        free(b);
        return NULL;
    }
    if (!b || cudaMalloc(&b->workspace, WORKSPACE) != cudaSuccess) {
        cudaGetLastError();
        snprintf(why, RJ_WHY, "no memory for it");
    } else if ((wrong = set_up(b, rj_gpu_of(dev)->stream, &version)) != 0) {
        snprintf(why, RJ_WHY, "it could not be started: its status is %u", wrong);
    } else { // 130100 is 13.1.0; 11 counts by thousands: 11010
        const int major = version / (version < 100000 ? 1000 : 10000);
        snprintf(why, RJ_WHY, "version %d", major);
        return b;
    }
    rj_blas_close(b);
    return NULL;
}

bool rj_blas_wanted(const rj_device *dev)
{
    const rj_vendor *v = rj_gpu_of(dev)->vendor;

    return v && v->blas;
}

rij_status rj_blas_rows(rj_device *dev, bool transposed_a, bool transposed_b, int m,
                        int n, int k, const rj_real *a, const rj_real *b, double beta,
                        rj_real *c)
{
    const struct rj_blas *blas = rj_gpu_of(dev)->vendor->blas;
    const float one = 1, keep = (float)beta;
    unsigned wrong;

    rj_stream(dev); // the handle's: what follows may be captured
    wrong = blas->calls.cublasSgemm_v2(
        blas->handle, transposed_b ? RJ_CUBLAS_OP_T : RJ_CUBLAS_OP_N,
        transposed_a ? RJ_CUBLAS_OP_T : RJ_CUBLAS_OP_N, n, m, k, &one, b,
        transposed_b ? k : n, a, transposed_a ? m : k, &keep, c, n);
    return wrong ? rj_core_fail(RIJ_E_DEVICE,
                                "cublas: (%d,%d) from a sum over %d: its status is %u", m,
                                n, k, wrong)
                 : RIJ_OK;
}
