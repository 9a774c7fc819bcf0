/* Captures and graphs: replays, updates, and what may not be done while a stream is
 * captured. And the simulator in threads and in a plugin. */
#include "trial.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* x = v, x += v, in a graph of two kernels and one copy to y. */
static cudaGraph_t capture(cudaStream_t s, float *x, float *y, float v)
{
    cudaGraph_t graph;

    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed));
    MUST(plain_set(x, v, 100, s));
    MUST(plain_add(x, v, 100, s));
    MUST(cudaMemcpyAsync(y, x, 400, cudaMemcpyDeviceToDevice, s));
    MUST(cudaStreamEndCapture(s, &graph));
    return graph;
}

static void check_replay(cudaStream_t s)
{
    const DeviceArray<float> x(std::vector<float>(100, 0.0f)), y(100);
    cudaGraph_t first = capture(s, x.data, y.data, 2), second;
    cudaGraphExec_t exec;
    cudaGraphExecUpdateResultInfo info;
    size_t nodes = 0;

    EXPECT(x.get()[0] == 0); // captured, not done
    EXPECT(cudaGraphGetNodes(first, nullptr, &nodes) == cudaSuccess && nodes == 3);
    MUST(cudaGraphInstantiate(&exec, first, 0));
    MUST(cudaGraphDestroy(first));
    MUST(cudaGraphLaunch(exec, s));
    MUST(cudaGraphLaunch(exec, s));
    second = capture(s, x.data, y.data, 3);
    EXPECT(cudaGraphExecUpdate(exec, second, &info) == cudaSuccess);
    EXPECT(info.result == cudaGraphExecUpdateSuccess);
    MUST(cudaStreamSynchronize(s));
    EXPECT(x.get()[0] == 4 && y.get()[99] == 4); // what was launched is not updated
    MUST(cudaGraphLaunch(exec, s));
    MUST(cudaGraphDestroy(second));
    MUST(cudaStreamSynchronize(s));
    EXPECT(y.get()[99] == 6);

    // Other kernels, in another order, fewer.
    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed));
    MUST(plain_add(x.data, 1, 100, s));
    MUST(plain_set(x.data, 1, 100, s));
    MUST(cudaMemsetAsync(y.data, 0, 400, s));
    MUST(cudaStreamEndCapture(s, &second));
    EXPECT(cudaGraphExecUpdate(exec, second, &info) == cudaErrorGraphExecUpdateFailure);
    EXPECT(info.result == cudaGraphExecUpdateErrorFunctionChanged);
    EXPECT(cudaGetLastError() == cudaErrorGraphExecUpdateFailure);
    MUST(cudaGraphDestroy(second));
    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed));
    MUST(plain_set(x.data, 1, 100, s));
    MUST(cudaStreamEndCapture(s, &second));
    EXPECT(cudaGraphExecUpdate(exec, second, &info) == cudaErrorGraphExecUpdateFailure);
    EXPECT(info.result == cudaGraphExecUpdateErrorTopologyChanged);
    MUST(cudaGraphDestroy(second));
    MUST(cudaGraphExecDestroy(exec));
    cudaGetLastError();
}

static void check_forbidden(cudaStream_t s)
{
    cudaGraph_t graph;
    enum cudaStreamCaptureStatus status;
    void *p;

    // Waiting for what is captured ends the capture.
    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed));
    EXPECT(cudaStreamIsCapturing(s, &status) == cudaSuccess);
    EXPECT(status == cudaStreamCaptureStatusActive);
    EXPECT(cudaMalloc(&p, 16) == cudaSuccess); // relaxed
    EXPECT(cudaFree(p) == cudaSuccess);
    EXPECT(cudaStreamSynchronize(s) == cudaErrorStreamCaptureUnsupported);
    EXPECT(cudaStreamIsCapturing(s, &status) == cudaSuccess);
    EXPECT(status == cudaStreamCaptureStatusInvalidated);
    EXPECT(cudaStreamEndCapture(s, &graph) == cudaErrorStreamCaptureInvalidated);
    EXPECT(graph == nullptr);
    for (int what = 0; what < 3; what++) {
        MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
        EXPECT((what == 0 ? cudaMalloc(&p, 16)
                : what == 1
                    ? cudaStreamQuery(s)
                    : cudaDeviceSynchronize()) == cudaErrorStreamCaptureUnsupported);
        EXPECT(cudaStreamEndCapture(s, &graph) == cudaErrorStreamCaptureInvalidated);
    }
    EXPECT(cudaStreamEndCapture(s, &graph) == cudaErrorIllegalState);
    cudaGetLastError();
}

/* Another stream takes part by way of an event, and must be waited for. */
static void check_fork(cudaStream_t s, bool join)
{
    const DeviceArray<float> x(100);
    cudaStream_t other;
    cudaEvent_t fork, joined;
    cudaGraph_t graph;
    cudaGraphExec_t exec;

    MUST(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    MUST(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    MUST(cudaEventCreateWithFlags(&joined, cudaEventDisableTiming));
    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed));
    MUST(plain_set(x.data, 5, 100, s));
    MUST(cudaEventRecord(fork, s));
    EXPECT(cudaEventSynchronize(fork) == cudaErrorCapturedEvent);
    MUST(cudaStreamWaitEvent(other, fork, 0));
    MUST(plain_add(x.data, 1, 100, other));
    MUST(cudaEventRecord(joined, other));
    if (join)
        MUST(cudaStreamWaitEvent(s, joined, 0));
    EXPECT(cudaStreamEndCapture(s, &graph) ==
           (join ? cudaSuccess : cudaErrorStreamCaptureUnjoined));
    if (join) {
        MUST(cudaGraphInstantiate(&exec, graph, 0));
        MUST(cudaGraphLaunch(exec, s));
        MUST(cudaStreamSynchronize(s));
        EXPECT(x.get()[7] == 6);
        MUST(cudaGraphExecDestroy(exec));
        MUST(cudaGraphDestroy(graph));
    }
    MUST(cudaEventDestroy(fork));
    MUST(cudaEventDestroy(joined));
    MUST(cudaStreamDestroy(other));
    cudaGetLastError();
}

void test_capture()
{
    for (int mode = 0; mode < 3; mode++) {
        cudaStream_t s;
        fresh_start();
        cudasim_settings()->streams = (enum cudasim_streams)mode;
        MUST(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
        check_replay(s);
        check_forbidden(s);
        check_fork(s, true);
        check_fork(s, false);
        MUST(cudaStreamDestroy(s));
    }
    fresh_start();
}

struct Task {
    const float *in;
    float *out;
    bool right;
};

static void *work(void *argument)
{
    Task *task = (Task *)argument;
    cudaStream_t s;

    task->right = cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking) == cudaSuccess;
    for (int i = 0; i < 30; i++)
        task->right = task->right &&
                      plain_sum(task->in, task->out, 8, 0, s) == cudaSuccess &&
                      cudaStreamSynchronize(s) == cudaSuccess;
    task->right = task->right && cudaStreamDestroy(s) == cudaSuccess;
    return nullptr;
}

/* Several host threads, with small stacks, one device. */
void test_threads()
{
    const DeviceArray<float> in(std::vector<float>(1024, 1.0f)), out(32);
    pthread_t threads[4];
    Task tasks[4];
    pthread_attr_t small;
    bool right = true;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    for (int i = 0; i < 4; i++) {
        tasks[i] = {in.data, out.data + 8 * i, false};
        pthread_create(&threads[i], &small, work, &tasks[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], nullptr);
        right = right && tasks[i].right;
    }
    pthread_attr_destroy(&small);
    EXPECT(right);
    EXPECT(out.get() == std::vector<float>(32, 128.0f));
    EXPECT(cudasim_statistics()->errors == 0);
}

/* A second simulator, in a library of its own that shows one symbol only. */
void test_plugin()
{
    if (!plugin_path())
        return;
    setenv("CUDASIM_QUIET", "1", 1); // for the other simulator
    void *library = dlopen(plugin_path(), RTLD_NOW | RTLD_LOCAL);
    if (!EXPECT(library != nullptr)) {
        printf("    %s\n", dlerror());
        return;
    }
    EXPECT(dlsym(library, "cudaMalloc") == nullptr);
    auto entry = (const void *(*)(int))dlsym(library, "rj_plugin_entry");
    if (!EXPECT(entry != nullptr))
        return;
    auto sum = (decltype(&plain_sum))entry(1);
    auto synchronize = (decltype(&cudaStreamSynchronize))entry(0);
    EXPECT(sum != plain_sum);
    EXPECT(sum(nullptr, nullptr, 0, 0, nullptr) == cudaErrorInvalidConfiguration);
    EXPECT(synchronize(nullptr) == cudaSuccess);
    EXPECT(cudasim_statistics()->errors == 0); // that was the other's
    EXPECT(dlclose(library) == 0);
}
