/* lend.cc: for libraries beside the plugin; see include/cudasim_lend.h. */
#include "simulator.h"
#include "cudasim_lend.h"

const cudasim_lent *cudasim_lend(void)
{
    static const cudasim_lent lent = {cudaMallocHost, cudaFreeHost, cudaMemcpyAsync,
                                      cudaLaunchHostFunc};

    return &lent;
}
