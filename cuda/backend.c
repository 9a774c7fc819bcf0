/* backend.c: the plugin's entry and its table: a device is opened, has a stream and a
 * workspace, and is closed. */
#include "vendor.h"
#include <stdio.h>
#include <stdlib.h>

rij_status (*rj_core_fail)(rij_status status, const char *format, ...);

rij_status rj_called(const char *what, cudaError_t error)
{
    if (error == cudaSuccess)
        return RIJ_OK;
    cudaGetLastError(); // it is told once
    return rj_core_fail(error == cudaErrorMemoryAllocation ? RIJ_E_MEMORY : RIJ_E_DEVICE,
                        "%s: %s (%s)", what, cudaGetErrorString(error),
                        cudaGetErrorName(error));
}

rij_status rj_launched(const char *kernel, cudaError_t error)
{
    return rj_called(kernel, error);
}

cudaStream_t rj_stream(rj_device *dev)
{
    return rj_capture_stream(dev);
}

int rj_multiprocessors(const rj_device *dev)
{
    return rj_gpu_of(dev)->multiprocessors;
}

size_t rj_most_shared(const rj_device *dev)
{
    return (size_t)rj_gpu_of(dev)->most_shared;
}

rij_status rj_workspace(rj_device *dev, size_t bytes, void **memory)
{
    rj_gpu *gpu = rj_gpu_of(dev);

    if (bytes > gpu->workspace_bytes) {
        RJ_TRY(rj_gpu_wait(dev)); // for whoever reads the old one
        rj_gpu_give(dev, gpu->workspace);
        gpu->workspace = NULL;
        gpu->workspace_bytes = 0;
        RJ_TRY(rj_gpu_take(dev, bytes, &gpu->workspace));
        gpu->workspace_bytes = bytes;
    }
    *memory = gpu->workspace;
    return RIJ_OK;
}

unsigned *rj_words(const rj_device *dev)
{
    return rj_gpu_of(dev)->words;
}

static rij_status take_words(rj_gpu *gpu)
{
    const size_t bytes = RJ_WORDS * sizeof *gpu->words;

    RJ_TRY(rj_called("cudaMalloc", cudaMalloc((void **)&gpu->words, bytes)));
    RJ_TRY(
        rj_called("cudaMemsetAsync", cudaMemsetAsync(gpu->words, 0, bytes, gpu->stream)));
    return rj_called("cudaStreamSynchronize", cudaStreamSynchronize(gpu->stream));
}

static void close_device(rj_device *dev)
{
    rj_gpu *gpu = rj_gpu_of(dev);

    if (!gpu)
        return;
    cudaSetDevice(gpu->index);
    if (gpu->stream) {
        rj_capture_launch(dev);
        cudaStreamSynchronize(gpu->stream);
    }
    rj_vendor_close(dev);
    rj_capture_close(gpu);
    cudaFree(gpu->workspace);
    cudaFree(gpu->words);
    rj_transfer_close(gpu);
    if (gpu->stream)
        cudaStreamDestroy(gpu->stream);
    free(gpu);
    dev->own = NULL;
}

/* All of it or nothing. Graphs are not used where RIJ_CUDA_GRAPHS is 0. */
static rij_status open_device(rj_device *dev, int index)
{
    const char *graphs = getenv("RIJ_CUDA_GRAPHS");
    rj_gpu *gpu;
    rij_status status;

    RJ_TRY(rj_probe(index));
    gpu = calloc(1, sizeof *gpu);
    if (!gpu)
        return rj_core_fail(RIJ_E_MEMORY, "no memory for a device");
    dev->own = gpu;
    gpu->index = index;
    gpu->capture.wanted = !graphs || graphs[0] != '0';
    status = rj_called("cudaSetDevice", cudaSetDevice(index));
    if (status == RIJ_OK)
        status = rj_called("cudaDeviceGetAttribute",
                           cudaDeviceGetAttribute(&gpu->multiprocessors,
                                                  cudaDevAttrMultiProcessorCount, index));
    if (status == RIJ_OK)
        status = rj_called("cudaDeviceGetAttribute",
                           cudaDeviceGetAttribute(&gpu->most_shared,
                                                  cudaDevAttrMaxSharedMemoryPerBlockOptin,
                                                  index));
    if (status == RIJ_OK)
        status =
            rj_called("cudaStreamCreate",
                      cudaStreamCreateWithFlags(&gpu->stream, cudaStreamNonBlocking));
    if (status == RIJ_OK)
        status = take_words(gpu);
    if (status == RIJ_OK)
        status = rj_transfer_open(gpu);
    if (status == RIJ_OK)
        status = rj_vendor_open(dev);
    if (status != RIJ_OK)
        close_device(dev);
    return status;
}

static void describe(const rj_device *dev, char *text, size_t size)
{
    struct cudaDeviceProp about = {.name = "a GPU"};
    char libraries[2 * RJ_WHY + 80];
    int driver = 0;

    cudaGetDeviceProperties(&about, rj_gpu_of(dev)->index);
    cudaDriverGetVersion(&driver);
    rj_vendor_about(dev, libraries, sizeof libraries);
    snprintf(text, size, "%s, sm_%d%d, %d multiprocessors, driver for CUDA %d.%d%s%s",
             about.name, about.major, about.minor, rj_multiprocessors(dev), driver / 1000,
             driver % 1000 / 10, *libraries ? ", " : "", libraries);
}

static const rj_remote remote = {.open = open_device,
                                 .close = close_device,
                                 .take = rj_gpu_take,
                                 .give = rj_gpu_give,
                                 .upload = rj_gpu_upload,
                                 .zero = rj_gpu_zero,
                                 .download = rj_gpu_download,
                                 .wait = rj_gpu_wait,
                                 .describe = describe};

static const rj_kernels kernels = {
    .name = "cuda",
    .block = RJ_BLOCK,
    .channels_last = true,
    .halves = true,
    .remote = &remote,
#define RJ_KERNEL(name, cpu, args) .name = rj_cuda_##name,
#include "device/kernels.def"
#undef RJ_KERNEL
};

__attribute__((visibility("default"))) const rj_kernels *
rj_plugin_entry(const rj_core *core)
{
    if (core->abi != RJ_PLUGIN_ABI || core->real_bytes != sizeof(rj_real) ||
        core->kernels_bytes != sizeof(rj_kernels) ||
        core->device_bytes != sizeof(rj_device))
        return NULL;
    rj_core_fail = core->fail;
    return &kernels;
}
