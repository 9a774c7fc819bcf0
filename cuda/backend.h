/* backend.h: what the files of the plugin share: C11 and CUDA. A kernel of kernels.def is
 * rj_cuda_<name> here; it enqueues its launches on the device's stream and returns. */
#ifndef RJ_BACKEND_H
#define RJ_BACKEND_H

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "device/device.h"
#include "device/plugin.h"

#define RJ_KERNEL(name, cpu, args) rij_status rj_cuda_##name args;
#include "device/kernels.def"
#undef RJ_KERNEL

enum { RJ_BLOCK = 8 }; /* channels stored together */

/* The stream that all work of a device runs on, in order. */
cudaStream_t rj_stream(rj_device *dev);

/* Device memory for the kernels of one call of the table: at least `bytes`, 256-byte
 * aligned, contents undefined; it is the next call's to overwrite. A call asks once. */
rij_status rj_workspace(rj_device *dev, size_t bytes, void **memory);

/* RJ_WORDS words of device memory by which blocks of a grid know of each other: zeros,
 * and a kernel leaves them so. */
enum { RJ_WORDS = 2048 };
unsigned *rj_words(const rj_device *dev);

/* Bytes rounded up so that what follows in a workspace is aligned. */
static inline size_t rj_whole(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

/* Bytes of a number of a picture. */
static inline size_t rj_cell_bytes(const rj_device *dev)
{
    return dev->precision == RJ_BF16 ? 2 : sizeof(rj_real);
}

/* RIJ_OK, or RIJ_E_DEVICE with CUDA's own words: a launch, or another call. */
rij_status rj_launched(const char *kernel, cudaError_t error);
rij_status rj_called(const char *what, cudaError_t error);

/* Multiprocessors of the device, to fill it with blocks. */
int rj_multiprocessors(const rj_device *dev);

/* Bytes of shared memory that a block may have. */
size_t rj_most_shared(const rj_device *dev);

#ifdef __cplusplus
}
#endif

#endif
