/* What a .cu file includes: the kernel language of the simulator and the runtime API,
 * with the overloads that CUDA has in C++ only. It stands in for NVIDIA's header of this
 * name. */
#ifndef CUDASIM_CUDA_RUNTIME_H
#define CUDASIM_CUDA_RUNTIME_H

#include "cuda_runtime_api.h"
#include "cudasim.h"

template <class T> static inline cudaError_t cudaMalloc(T **pointer, size_t size)
{
    return ::cudaMalloc(reinterpret_cast<void **>(pointer), size);
}

template <class T> static inline cudaError_t cudaMallocHost(T **pointer, size_t size)
{
    return ::cudaMallocHost(reinterpret_cast<void **>(pointer), size);
}

template <class... P>
static inline cudaError_t
cudaFuncSetAttribute(void (*kernel)(P...), enum cudaFuncAttribute attribute, int value)
{
    return ::cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel), attribute,
                                  value);
}

template <class... P>
static inline cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes,
                                                void (*kernel)(P...))
{
    return ::cudaFuncGetAttributes(attributes, reinterpret_cast<const void *>(kernel));
}

template <class... P>
static inline cudaError_t
cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void (*kernel)(P...),
                                              int block_size, size_t dynamic_shared)
{
    return ::cudaOccupancyMaxActiveBlocksPerMultiprocessor(
        blocks, reinterpret_cast<const void *>(kernel), block_size, dynamic_shared);
}

#endif
