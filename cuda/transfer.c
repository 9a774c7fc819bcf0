/* transfer.c: memory of the device, and copies between it and the host.
 *
 * A large upload (a batch of images) passes through two halves of page-locked memory by
 * turns: while one is on its way, the host fills the other. It begins at once, behind
 * what was enqueued before. A small one (labels, weights of a loss) is captured with the
 * kernels around it; its numbers wait in page-locked memory until the next time the host
 * waits for the device. */
#include "gpu.h"
#include <string.h>

enum { HALF = 8 << 20, SMALL = 4 << 20, LARGE_UPLOAD = 64 << 10, UNIT = 64 };

static rij_status stage_open(rj_stage *s, size_t size)
{
    RJ_TRY(rj_called("cudaMallocHost", cudaMallocHost((void **)&s->bytes, size)));
    s->size = size;
    return rj_called("cudaEventCreate",
                     cudaEventCreateWithFlags(&s->passed, cudaEventDisableTiming));
}

static void stage_close(rj_stage *s)
{
    if (s->passed)
        cudaEventDestroy(s->passed);
    if (s->bytes)
        cudaFreeHost(s->bytes);
}

rij_status rj_transfer_open(rj_gpu *gpu)
{
    for (int i = 0; i < RJ_HALVES; i++)
        RJ_TRY(stage_open(&gpu->half[i], HALF));
    return stage_open(&gpu->small, SMALL);
}

void rj_transfer_close(rj_gpu *gpu)
{
    for (int i = 0; i < RJ_HALVES; i++)
        stage_close(&gpu->half[i]);
    stage_close(&gpu->small);
}

rij_status rj_gpu_take(rj_device *dev, size_t bytes, void **memory)
{
    cudaSetDevice(rj_gpu_of(dev)->index);
    return rj_called("device memory", cudaMalloc(memory, bytes));
}

void rj_gpu_give(rj_device *dev, void *memory)
{
    if (!memory)
        return;
    const rij_status status = rj_gpu_wait(dev); // what was enqueued may still read it

    if (status != RIJ_OK)
        rj_gpu_of(dev)->lost = status;
    cudaFree(memory);
}

rij_status rj_gpu_wait(rj_device *dev)
{
    rj_gpu *gpu = rj_gpu_of(dev);

    if (gpu->lost != RIJ_OK)
        return rj_core_fail(gpu->lost, "the device's work was lost earlier");
    RJ_TRY(rj_capture_launch(dev));
    RJ_TRY(rj_called("the device's work, some of it begun earlier",
                     cudaStreamSynchronize(gpu->stream)));
    gpu->small.used = 0;
    return RIJ_OK;
}

rij_status rj_gpu_zero(rj_device *dev, void *to, size_t bytes)
{
    if (!bytes)
        return RIJ_OK;
    return rj_called("cudaMemsetAsync",
                     cudaMemsetAsync(to, 0, bytes, rj_capture_stream(dev)));
}

static rij_status upload_small(rj_device *dev, void *to, const void *host, size_t bytes)
{
    rj_stage *s = &rj_gpu_of(dev)->small;
    unsigned char *from;

    if (s->size - s->used < bytes)
        RJ_TRY(rj_gpu_wait(dev));
    from = s->bytes + s->used;
    s->used += (bytes + UNIT - 1) / UNIT * UNIT;
    memcpy(from, host, bytes);
    return rj_called(
        "cudaMemcpyAsync",
        cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, rj_capture_stream(dev)));
}

rij_status rj_gpu_upload(rj_device *dev, void *to, const void *host, size_t bytes)
{
    rj_gpu *gpu = rj_gpu_of(dev);

    if (bytes < LARGE_UPLOAD)
        return bytes ? upload_small(dev, to, host, bytes) : RIJ_OK;
    RJ_TRY(rj_capture_launch(dev));
    for (size_t at = 0; at < bytes;) {
        rj_stage *s = &gpu->half[gpu->turn];
        const size_t some = RJ_MIN(bytes - at, s->size);

        gpu->turn = (gpu->turn + 1) % RJ_HALVES;
        RJ_TRY(rj_called("cudaEventSynchronize", cudaEventSynchronize(s->passed)));
        memcpy(s->bytes, (const unsigned char *)host + at, some);
        RJ_TRY(rj_called("cudaMemcpyAsync",
                         cudaMemcpyAsync((unsigned char *)to + at, s->bytes, some,
                                         cudaMemcpyHostToDevice, gpu->stream)));
        RJ_TRY(rj_called("cudaEventRecord", cudaEventRecord(s->passed, gpu->stream)));
        at += some;
    }
    return RIJ_OK;
}

rij_status rj_gpu_download(rj_device *dev, void *host, const void *from, size_t bytes)
{
    rj_gpu *gpu = rj_gpu_of(dev);
    rj_stage *s = &gpu->half[0];

    RJ_TRY(rj_capture_launch(dev));
    RJ_TRY(rj_called("cudaEventSynchronize", cudaEventSynchronize(s->passed)));
    for (size_t at = 0; at < bytes;) {
        const size_t some = RJ_MIN(bytes - at, s->size);

        RJ_TRY(rj_called("cudaMemcpyAsync",
                         cudaMemcpyAsync(s->bytes, (const unsigned char *)from + at, some,
                                         cudaMemcpyDeviceToHost, gpu->stream)));
        RJ_TRY(rj_gpu_wait(dev));
        memcpy((unsigned char *)host + at, s->bytes, some);
        at += some;
    }
    return RIJ_OK;
}
