/* What the runtime says about versions, devices and errors. */
#include "simulator.h"
#include <stdio.h>

using namespace cudasim;

/* With no driver at all the version is 0, and that is no error. */
cudaError_t cudaDriverGetVersion(int *version)
{
    Api api;

    if (!version)
        return set_error(cudaErrorInvalidValue);
    *version = settings.driver;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    if (!version)
        return set_error(cudaErrorInvalidValue);
    *version = CUDART_VERSION;
    return cudaSuccess;
}

/* As in CUDA the count is left alone where the driver is too old. */
cudaError_t cudaGetDeviceCount(int *count)
{
    Api api;
    const cudaError_t error = unavailable();

    if (!count)
        return set_error(cudaErrorInvalidValue);
    if (error != cudaErrorInsufficientDriver)
        *count = error ? 0 : 1;
    return error;
}

cudaError_t cudaGetDevice(int *device)
{
    Api api;

    if (api.error)
        return api.error;
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    Api api;

    if (api.error)
        return api.error;
    return device == 0 ? cudaSuccess : set_error(cudaErrorInvalidDevice);
}

cudaError_t cudaDeviceReset(void)
{
    return cudaDeviceSynchronize();
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int number)
{
    Api api;

    if (api.error)
        return api.error;
    if (number != 0)
        return set_error(cudaErrorInvalidDevice);
    const Device &d = device();
    switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
        *value = max_threads;
        return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
        *value = 49152;
        return cudaSuccess;
    case cudaDevAttrWarpSize:
        *value = 32;
        return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
        *value = d.multiprocessors;
        return cudaSuccess;
    case cudaDevAttrL2CacheSize:
        *value = d.cache;
        return cudaSuccess;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
        *value = d.threads;
        return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
        *value = d.arch / 10;
        return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
        *value = d.arch % 10;
        return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
        *value = d.shared;
        return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = d.shared_per_block;
        return cudaSuccess;
    case cudaDevAttrReservedSharedMemoryPerBlock:
        *value = d.arch >= 80 ? 1024 : 0;
        return cudaSuccess;
    }
    return set_error(cudaErrorInvalidValue);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int number)
{
    Api api;

    if (api.error)
        return api.error;
    if (number != 0)
        return set_error(cudaErrorInvalidDevice);
    const Device &d = device();
    struct cudaDeviceProp p = {};
    snprintf(p.name, sizeof p.name, "simulated sm_%d", d.arch);
    p.totalGlobalMem = device_size;
    p.sharedMemPerBlock = 49152;
    p.sharedMemPerBlockOptin = (size_t)d.shared_per_block;
    p.sharedMemPerMultiprocessor = (size_t)d.shared;
    p.reservedSharedMemPerBlock = d.arch >= 80 ? 1024 : 0;
    p.major = d.arch / 10;
    p.minor = d.arch % 10;
    p.multiProcessorCount = d.multiprocessors;
    p.warpSize = 32;
    p.l2CacheSize = d.cache;
    p.maxThreadsPerBlock = max_threads;
    p.maxThreadsPerMultiProcessor = d.threads;
    *properties = p;
    return cudaSuccess;
}

namespace
{
struct Error {
    cudaError_t error;
    const char *name, *text;
};
#define NAMED(name, text)                                                                \
    {                                                                                    \
        name, #name, text                                                                \
    }
const Error errors[] = {
    NAMED(cudaSuccess, "no error"),
    NAMED(cudaErrorInvalidValue, "invalid argument"),
    NAMED(cudaErrorMemoryAllocation, "out of memory"),
    NAMED(cudaErrorInitializationError, "initialization error"),
    NAMED(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    NAMED(cudaErrorInvalidPitchValue, "invalid pitch argument"),
    NAMED(cudaErrorInvalidDevicePointer, "invalid device pointer"),
    NAMED(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    NAMED(cudaErrorInsufficientDriver,
          "CUDA driver version is insufficient for CUDA runtime version"),
    NAMED(cudaErrorInvalidDeviceFunction, "invalid device function"),
    NAMED(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    NAMED(cudaErrorInvalidDevice, "invalid device ordinal"),
    NAMED(cudaErrorNoKernelImageForDevice,
          "no kernel image is available for execution on the device"),
    NAMED(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    NAMED(cudaErrorIllegalState,
          "the operation cannot be performed in the present state"),
    NAMED(cudaErrorNotReady, "device not ready"),
    NAMED(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    NAMED(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    NAMED(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    NAMED(cudaErrorMisalignedAddress, "misaligned address"),
    NAMED(cudaErrorLaunchFailure, "unspecified launch failure"),
    NAMED(cudaErrorNotPermitted, "operation not permitted"),
    NAMED(cudaErrorNotSupported, "operation not supported"),
    NAMED(cudaErrorStreamCaptureUnsupported,
          "operation not permitted when stream is capturing"),
    NAMED(cudaErrorStreamCaptureInvalidated,
          "operation failed due to a previous error during capture"),
    NAMED(cudaErrorStreamCaptureMerge,
          "operation would result in a merge of separate capture sequences"),
    NAMED(cudaErrorStreamCaptureUnmatched,
          "capture was not ended in the same stream as it "
          "began"),
    NAMED(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    NAMED(cudaErrorStreamCaptureIsolation,
          "dependency created on uncaptured work in another stream"),
    NAMED(cudaErrorStreamCaptureImplicit,
          "operation would make the legacy stream depend on a capturing blocking stream"),
    NAMED(cudaErrorCapturedEvent,
          "operation not permitted on an event last recorded in a capturing stream"),
    NAMED(cudaErrorStreamCaptureWrongThread,
          "attempt to terminate a thread-local capture sequence from another thread"),
    NAMED(cudaErrorGraphExecUpdateFailure,
          "the graph update was not performed because it included changes which violated "
          "constraints specific to instantiated graph update"),
    NAMED(cudaErrorUnknown, "unknown error"),
};
#undef NAMED
} // namespace

const char *cudaGetErrorName(cudaError_t error)
{
    for (const Error &e : errors)
        if (e.error == error)
            return e.name;
    return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error)
{
    for (const Error &e : errors)
        if (e.error == error)
            return e.text;
    return "unrecognized error code";
}
