/* probe_kernel.cu: a kernel that does nothing. Whether the driver finds it for a device
 * tells whether the device's architecture is built in. */
#include "rj_cuda.h"

static __global__ void nothing_kernel()
{
}

extern "C" cudaError_t rj_architecture_error(void)
{
    struct cudaFuncAttributes about;

    return cudaFuncGetAttributes(&about, (const void *)nothing_kernel);
}
