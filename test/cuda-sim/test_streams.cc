/* Streams: what is wrong without an event or a wait comes out wrong when work is done
 * late, sometimes when it is done at random, and right programs never do. And what the
 * runtime refuses. */
#include "trial.h"
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const int tries = 20;

/* A result in pinned memory, read before or after the stream was waited for. */
static int wrong_reads(bool wait)
{
    int wrong = 0;

    for (int i = 0; i < tries; i++) {
        cudaStream_t s;
        float *host;
        const DeviceArray<float> d(1024);
        MUST(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
        MUST(cudaMallocHost((void **)&host, 4096));
        MUST(cudaMemsetAsync(d.data, 0, 4096, s));
        host[0] = -1;
        MUST(cudaMemcpyAsync(host, d.data, 4096, cudaMemcpyDeviceToHost, s));
        if (wait)
            MUST(cudaStreamSynchronize(s));
        wrong += host[0] != 0;
        MUST(cudaStreamSynchronize(s));
        MUST(cudaFreeHost(host));
        MUST(cudaStreamDestroy(s));
    }
    return wrong;
}

/* One stream writes what another reads, with an event between them or without. */
static int wrong_handovers(bool event)
{
    int wrong = 0;

    for (int i = 0; i < tries; i++) {
        cudaStream_t writer, reader;
        cudaEvent_t written;
        const DeviceArray<float> d(1024), copy(1024);
        MUST(cudaStreamCreateWithFlags(&writer, cudaStreamNonBlocking));
        MUST(cudaStreamCreateWithFlags(&reader, cudaStreamNonBlocking));
        MUST(cudaEventCreateWithFlags(&written, cudaEventDisableTiming));
        MUST(plain_set(d.data, 3, 1024, writer));
        if (event) {
            MUST(cudaEventRecord(written, writer));
            MUST(cudaStreamWaitEvent(reader, written, 0));
        }
        MUST(cudaMemcpyAsync(copy.data, d.data, 4096, cudaMemcpyDeviceToDevice, reader));
        MUST(cudaEventDestroy(written)); // what is enqueued still knows it
        MUST(cudaStreamSynchronize(reader));
        wrong += copy.get()[1000] != 3;
        MUST(cudaStreamDestroy(writer));
        MUST(cudaStreamDestroy(reader));
    }
    return wrong;
}

/* Pinned memory is read when the copy is done, so it must stay as it is until then;
 * pageable memory may change at once. */
static int wrong_sources(bool pinned)
{
    int wrong = 0;

    for (int i = 0; i < tries; i++) {
        cudaStream_t s;
        float *host, stack = 1, back = 0;
        const DeviceArray<float> d(1);
        MUST(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
        MUST(cudaMallocHost((void **)&host, 4));
        float *source = pinned ? host : &stack;
        *source = 1;
        MUST(cudaMemcpyAsync(d.data, source, 4, cudaMemcpyHostToDevice, s));
        *source = 2;
        MUST(cudaMemcpyAsync(&back, d.data, 4, cudaMemcpyDeviceToHost, s));
        wrong += back != 1;
        MUST(cudaStreamDestroy(s));
        MUST(cudaFreeHost(host));
    }
    return wrong;
}

/* Asking again and again whether it is done ends. */
static void check_queries()
{
    cudaStream_t s;
    cudaEvent_t start, end;
    float milliseconds = -1;
    int asked = 0;
    const DeviceArray<float> d(1024);

    MUST(cudaStreamCreate(&s));
    MUST(cudaEventCreate(&start));
    MUST(cudaEventCreate(&end));
    EXPECT(cudaEventQuery(start) == cudaSuccess); // never recorded
    MUST(cudaEventRecord(start, s));
    MUST(plain_set(d.data, 1, 1024, s));
    MUST(cudaEventRecord(end, s));
    if (cudasim_settings()->streams == CUDASIM_LATE)
        EXPECT(cudaEventElapsedTime(&milliseconds, start, end) == cudaErrorNotReady);
    while (cudaEventQuery(end) == cudaErrorNotReady && asked < 100)
        asked++;
    EXPECT(asked < 100);
    EXPECT(cudaStreamQuery(s) == cudaSuccess);
    EXPECT(cudaEventElapsedTime(&milliseconds, start, end) == cudaSuccess);
    EXPECT(milliseconds >= 0);
    MUST(cudaEventDestroy(start));
    MUST(cudaEventDestroy(end));
    MUST(cudaStreamDestroy(s));
}

void test_stream_order()
{
    for (int mode = 0; mode < 3; mode++) {
        fresh_start();
        cudasim_settings()->streams = (enum cudasim_streams)mode;
        EXPECT(wrong_reads(true) == 0);
        EXPECT(wrong_handovers(true) == 0);
        EXPECT(wrong_sources(false) == 0);
        check_queries();
        // In the checked build a handover without an event reads what nothing has
        // written.
        cudasim_settings()->quiet = 1;
        for (const int wrong :
             {wrong_reads(false), wrong_handovers(false), wrong_sources(true)})
            EXPECT(mode == CUDASIM_EAGER  ? wrong == 0
                   : mode == CUDASIM_LATE ? wrong == tries
                                          : wrong > 0 && wrong < tries);
    }
    fresh_start();
}

static sigjmp_buf jump;

static void on_fault(int)
{
    siglongjmp(jump, 1);
}

/* Host code that follows a device pointer. */
static bool faults(const float *p)
{
    struct sigaction mine = {}, before;
    volatile bool fault = true;

    mine.sa_handler = on_fault;
    sigaction(SIGSEGV, &mine, &before);
    if (sigsetjmp(jump, 1) == 0) {
        volatile float read = *p;
        (void)read;
        fault = false;
    }
    sigaction(SIGSEGV, &before, nullptr);
    return fault;
}

static void check_memory()
{
    float host[200] = {};
    void *p, *q;
    size_t before, after, total;

    EXPECT(cudaMemGetInfo(&before, &total) == cudaSuccess);
    {
        const DeviceArray<float> d(100);
        EXPECT((uintptr_t)d.data % 256 == 0);
        EXPECT(faults(d.data));
        EXPECT(cudaMemcpy(d.data, host, 404, cudaMemcpyHostToDevice) ==
               cudaErrorInvalidValue);
        EXPECT(cudasim_errors_of_kind("host") == 1);
        EXPECT(cudaMemcpy(host, d.data, 400, cudaMemcpyHostToDevice) ==
               cudaErrorInvalidValue);
        EXPECT(cudaGetLastError() == cudaErrorInvalidValue);
        EXPECT(cudaGetLastError() == cudaSuccess);
        EXPECT(cudaMemcpy(host, d.data, 400, cudaMemcpyDefault) == cudaSuccess);
        EXPECT(host[0] != host[0]); // NaN, nothing was written
        EXPECT(cudaMemset(d.data, 0, 400) == cudaSuccess);
        EXPECT(plain_add(d.data, 2, 100, nullptr) == cudaSuccess);
        EXPECT(cudaDeviceSynchronize() == cudaSuccess);
        EXPECT(d.get()[99] == 2);
    }
    EXPECT(cudaMemGetInfo(&after, &total) == cudaSuccess);
    EXPECT(before == after && total == (size_t)3 << 30);
    MUST(cudaMalloc(&p, 64));
    EXPECT(cudaFree(p) == cudaSuccess);
    EXPECT(cudaFree(p) == cudaErrorInvalidValue);
    EXPECT(cudaFree(nullptr) == cudaSuccess);
    cudasim_fail_alloc(2);
    EXPECT(cudaMalloc(&p, 64) == cudaSuccess);
    EXPECT(cudaMalloc(&q, 64) == cudaErrorMemoryAllocation);
    EXPECT(cudaMalloc(&q, total) == cudaErrorMemoryAllocation);
    EXPECT(cudaFree(p) == cudaSuccess);
}

static void check_device()
{
    struct cudaDeviceProp properties;
    struct cudaFuncAttributes attributes;
    int count = -1, value = 0;

    EXPECT(cudaGetDeviceCount(&count) == cudaSuccess && count == 1);
    EXPECT(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
    EXPECT(properties.major == 8 && properties.minor == 0);
    EXPECT(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0) ==
           cudaSuccess);
    EXPECT(value == 166912);
    EXPECT(cudaSetDevice(1) == cudaErrorInvalidDevice);
    EXPECT(cudaFuncSetAttribute((const void *)check_device,
                                cudaFuncAttributeMaxDynamicSharedMemorySize,
                                value + 1) == cudaErrorInvalidValue);
    EXPECT(cudaFuncGetAttributes(&attributes, (const void *)check_device) == cudaSuccess);
    EXPECT(attributes.maxDynamicSharedSizeBytes == 49152);
    EXPECT(cudaOccupancyMaxActiveBlocksPerMultiprocessor(
               &value, (const void *)check_device, 256, 40000) == cudaSuccess);
    EXPECT(value == 4);
    EXPECT(cost(STEP_NOTHING, nullptr, 0, 1, 2048) == cudaErrorInvalidConfiguration);
    EXPECT(strcmp(cudaGetErrorName(cudaErrorNotReady), "cudaErrorNotReady") == 0);
    cudaGetLastError();
    // A driver and no device, an old driver, none at all.
    cudasim_settings()->no_device = 1;
    EXPECT(cudaGetDeviceCount(&count) == cudaErrorNoDevice && count == 0);
    EXPECT(cudaSetDevice(0) == cudaErrorNoDevice);
    cudasim_settings()->driver = 12020;
    count = 77;
    EXPECT(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver && count == 77);
    EXPECT(cudaDriverGetVersion(&value) == cudaSuccess && value == 12020);
    EXPECT(cudaRuntimeGetVersion(&value) == cudaSuccess && value == CUDART_VERSION);
}

void test_runtime()
{
    cudasim_settings()->quiet = 1;
    check_memory();
    fresh_start();
    cudasim_settings()->quiet = 1;
    cudasim_settings()->arch = 80;
    check_device();
    cudasim_settings()->no_device = 0;
    cudasim_settings()->driver = CUDART_VERSION;
    fresh_start();
}
