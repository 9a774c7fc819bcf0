/* probe.c: why a GPU cannot be used, in a sentence. cudaGetDeviceCount() gives one error
 * for no driver and for an old one, so the driver's version is asked first. */
#include "gpu.h"

static rij_status driver(void)
{
    int driver = 0, runtime = 0;

    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
        return rj_core_fail(RIJ_E_DEVICE,
                            "the GPU is not used: there is no NVIDIA driver");
    RJ_TRY(rj_called("cudaRuntimeGetVersion", cudaRuntimeGetVersion(&runtime)));
    if (driver / 1000 < runtime / 1000)
        return rj_core_fail(RIJ_E_DEVICE,
                            "the GPU is not used: its driver is too old, for CUDA %d.%d; "
                            "this plugin wants %d.%d",
                            driver / 1000, driver % 1000 / 10, runtime / 1000,
                            runtime % 1000 / 10);
    return RIJ_OK;
}

rij_status rj_probe(int index)
{
    struct cudaDeviceProp about;
    cudaError_t error;
    int count = 0;

    RJ_TRY(driver());
    error = cudaGetDeviceCount(&count);
    if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
        cudaGetLastError();
        return rj_core_fail(RIJ_E_DEVICE,
                            "the GPU is not used: the driver finds no device");
    }
    RJ_TRY(rj_called("cudaGetDeviceCount", error));
    if (index >= count)
        return rj_core_fail(RIJ_E_DEVICE, "there is no GPU %d, for the driver finds %d",
                            index, count);
    RJ_TRY(rj_called("cudaSetDevice", cudaSetDevice(index)));
    RJ_TRY(rj_called("cudaGetDeviceProperties", cudaGetDeviceProperties(&about, index)));
    if (rj_architecture_error() != cudaSuccess) {
        cudaGetLastError();
        return rj_core_fail(RIJ_E_DEVICE,
                            "the GPU is not used: %.60s has architecture sm_%d%d, which "
                            "this plugin was not built for",
                            about.name, about.major, about.minor);
    }
    return RIJ_OK;
}
