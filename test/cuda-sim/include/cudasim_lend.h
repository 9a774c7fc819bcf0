/* What a library that works on the simulated device borrows from the simulator, which
 * lives in a plugin that exports nothing else: cudasim_lend(), by dlsym(). */
#ifndef CUDASIM_LEND_H
#define CUDASIM_LEND_H

#include <cuda_runtime_api.h>

typedef struct cudasim_lent {
    cudaError_t (*malloc_host)(void **pointer, size_t size);
    cudaError_t (*free_host)(void *pointer);
    cudaError_t (*copy)(void *to, const void *from, size_t size, enum cudaMemcpyKind kind,
                        cudaStream_t stream);
    cudaError_t (*call)(cudaStream_t stream, cudaHostFn_t function, void *data);
} cudasim_lent;

#ifdef __cplusplus
extern "C" {
#endif
typedef const cudasim_lent *cudasim_lend_call(void);
__attribute__((visibility("default"))) const cudasim_lent *cudasim_lend(void);
#ifdef __cplusplus
}
#endif
#endif
