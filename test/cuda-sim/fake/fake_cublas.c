/* fake_cublas.c: stands in for libcublas: the calls of cuda/vendor.def, with the checks
 * that the cuBLAS documentation lists. Numbers lie by columns; sums are in double. */
#include "fake.h"
#include <stdlib.h>

enum { NOT_INITIALIZED = 1, ALLOC_FAILED = 3, INVALID_VALUE = 7, EXECUTION_FAILED = 13 };

struct cublasContext {
    fake *fake;
    void *workspace;
};

typedef struct product {
    bool turn_a, turn_b;
    int m, n, k, lda, ldb, ldc;
    float alpha, beta, *a, *b, *c;
} product;

FAKE_EXPORT unsigned cublasCreate_v2(struct cublasContext **handle)
{
    struct cublasContext *h = calloc(1, sizeof *h);

    *handle = NULL;
    if (!h)
        return ALLOC_FAILED;
    h->fake = fake_new();
    if (!h->fake) {
        free(h);
        return NOT_INITIALIZED;
    }
    *handle = h;
    return 0;
}

FAKE_EXPORT unsigned cublasDestroy_v2(struct cublasContext *handle)
{
    fake_free(handle->fake);
    free(handle);
    return 0;
}

FAKE_EXPORT unsigned cublasGetVersion_v2(struct cublasContext *handle, int *version)
{
    (void)handle;
    *version = 130000;
    return 0;
}

FAKE_EXPORT unsigned cublasSetStream_v2(struct cublasContext *handle, cudaStream_t stream)
{
    handle->fake->stream = stream;
    handle->workspace = NULL; // as documented
    return 0;
}

FAKE_EXPORT unsigned cublasSetWorkspace_v2(struct cublasContext *handle, void *workspace,
                                           size_t bytes)
{
    if ((uintptr_t)workspace % 256 || !bytes)
        return INVALID_VALUE;
    handle->workspace = workspace;
    return 0;
}

FAKE_EXPORT unsigned cublasSetAtomicsMode(struct cublasContext *handle, unsigned mode)
{
    (void)handle;
    return mode > 1 ? INVALID_VALUE : 0;
}

FAKE_EXPORT unsigned cublasSetMathMode(struct cublasContext *handle, unsigned mode)
{
    (void)handle;
    return mode == 0 ? 0 : INVALID_VALUE; // float32 is wanted as such
}

static void multiply(void *data)
{
    const product *p = data;

    for (int j = 0; j < p->n; j++)
        for (int i = 0; i < p->m; i++) {
            float *c = &p->c[(size_t)i + (size_t)j * (size_t)p->ldc];
            double sum = 0;

            for (int l = 0; l < p->k; l++) {
                const size_t a = p->turn_a ? (size_t)l + (size_t)i * (size_t)p->lda
                                           : (size_t)i + (size_t)l * (size_t)p->lda;
                const size_t b = p->turn_b ? (size_t)j + (size_t)l * (size_t)p->ldb
                                           : (size_t)l + (size_t)j * (size_t)p->ldb;
                sum += (double)p->a[a] * (double)p->b[b];
            }
            sum *= (double)p->alpha;
            *c = (float)(p->beta != 0 ? sum + (double)p->beta * (double)*c : sum);
        }
}

/* Bytes from the first to the last number of a matrix. */
static size_t span(int rows, int columns, int leading)
{
    return ((size_t)leading * (size_t)(columns - 1) + (size_t)rows) * sizeof(float);
}

FAKE_EXPORT unsigned cublasSgemm_v2(struct cublasContext *handle, unsigned turn_a,
                                    unsigned turn_b, int m, int n, int k,
                                    const float *alpha, const float *a, int lda,
                                    const float *b, int ldb, const float *beta, float *c,
                                    int ldc)
{
    const int rows_a = turn_a ? k : m, columns_a = turn_a ? m : k;
    const int rows_b = turn_b ? n : k, columns_b = turn_b ? k : n;
    fake *f = handle->fake;
    product *p;

    if (m < 0 || n < 0 || k < 0 || turn_a > 1 || turn_b > 1 || lda < rows_a || lda < 1 ||
        ldb < rows_b || ldb < 1 || ldc < m || ldc < 1 || !handle->workspace)
        return INVALID_VALUE;
    fake_note("sgemm %u %u %d %d %d", turn_a, turn_b, m, n, k);
    if (!m || !n)
        return 0;
    // what it needs to know stays with the handle, too: a graph may run it again
    p = fake_fetch(f, NULL, sizeof *p, false);
    if (!p)
        return ALLOC_FAILED;
    *p = (product){turn_a, turn_b, m,     n,    k,    lda, ldb,
                   ldc,    *alpha, *beta, NULL, NULL, NULL};
    p->a = k ? fake_fetch(f, a, span(rows_a, columns_a, lda), true) : (float *)p;
    p->b = k ? fake_fetch(f, b, span(rows_b, columns_b, ldb), true) : (float *)p;
    p->c = fake_fetch(f, c, span(m, n, ldc), ldc > m || *beta != 0);
    if (!p->a || !p->b || !p->c || !fake_call(f, multiply, p) ||
        !fake_send(f, c, p->c, span(m, n, ldc)))
        return EXECUTION_FAILED;
    return 0;
}
