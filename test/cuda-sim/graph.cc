/* Launches, captures and graphs.
 *
 * A graph keeps its nodes in the order of the calls, which is one of the orders that CUDA
 * may choose, and replays them so. */
#include "queues.h"
#include <algorithm>
#include <map>
#include <stdio.h>
#include <string>

namespace cudasim
{
static std::map<const void *, int> &dynamic_limits = *new std::map<const void *, int>;

/* Shared memory that a block may have if the kernel asks for it, of a multiprocessor, and
 * multiprocessors, by compute capability; CUDA C++ Programming Guide, "Technical
 * Specifications per Compute Capability". */
const Device &device()
{
    static Device devices[] = {
        {75, 65536, 65536, 40, 1024, 4 << 20},
        {80, 166912, 167936, 108, 2048, 40 << 20},
        {86, 101376, 102400, 84, 1536, 6 << 20},
        {89, 101376, 102400, 128, 1536, 72 << 20},
        {90, 232448, 233472, 132, 2048, 50 << 20},
    };

    for (Device &d : devices)
        if (d.arch == settings.arch) {
            if (settings.multiprocessors)
                d.multiprocessors = settings.multiprocessors;
            return d;
        }
    return devices[1];
}

/* The text of the macro's argument, without its outer parentheses and blanks. */
static const char *tidy_name(const char *name, const void *kernel)
{
    static std::map<const void *, std::string> &names =
        *new std::map<const void *, std::string>;
    std::string &tidy = names[kernel];

    if (tidy.empty())
        for (const char *p = name; *p; p++)
            if (*p != ' ' && *p != '(' && *p != ')')
                tidy += *p;
    return tidy.c_str();
}

static int dynamic_limit(const void *kernel)
{
    const auto found = dynamic_limits.find(kernel);

    return found == dynamic_limits.end() ? 49152 : found->second;
}

static cudaError_t check_shape(const Launch &l)
{
    const dim3 &g = l.grid, &b = l.block;
    const size_t threads = (size_t)b.x * b.y * b.z;
    const size_t limit = (size_t)dynamic_limit(l.kernel);

    if (threads && b.x <= max_threads && b.y <= max_threads && threads <= max_threads &&
        b.z <= 64 && g.x && g.y && g.z && g.x <= 0x7fffffff && g.y <= 65535 &&
        g.z <= 65535 && l.shared <= limit)
        return cudaSuccess;
    char text[240];
    snprintf(text, sizeof text,
             "%s<<<(%u,%u,%u),(%u,%u,%u),%zu>>> is no legal launch (%zu bytes of dynamic "
             "shared memory are allowed)",
             l.name, g.x, g.y, g.z, b.x, b.y, b.z, l.shared, limit);
    note_error("launch", text);
    return set_error(cudaErrorInvalidConfiguration);
}

/* Errors that do not stop a kernel, such as races, count as its failure all the same. */
static void run(const Launch &launch)
{
    const unsigned long long errors = statistics.errors;

    open_device();
    run_grid(launch);
    close_device();
    if (statistics.errors != errors)
        set_sticky(cudaErrorLaunchFailure);
}

cudaError_t launch(const char *name, const void *kernel, dim3 grid, dim3 threads,
                   size_t shared, cudaStream_t stream, void (*run_call)(void *),
                   void *call, size_t call_size, void (*forget)(void *))
{
    Api api;
    const std::shared_ptr<void> owner(call, forget);
    const Launch l = {tidy_name(name, kernel),
                      kernel,
                      grid,
                      threads,
                      shared,
                      run_call,
                      call,
                      call_size};

    if (api.error)
        return api.error;
    if (cudaError_t error = check_shape(l)) {
        if (is_capturing(stream))
            stream->capture->invalid = true;
        return error;
    }
    auto work = [owner, l] { run(l); };
    return enqueue(stream, {Work::kernel, kernel, work, nullptr, 0});
}
} // namespace cudasim

using namespace cudasim;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    Api api;

    if (api.error)
        return api.error;
    if (!stream || stream == cudaStreamLegacy)
        return set_error(cudaErrorStreamCaptureUnsupported);
    if (!known_stream(stream))
        return set_error(cudaErrorInvalidResourceHandle);
    if (stream->capture)
        return set_error(cudaErrorIllegalState);
    stream->capture = new CUgraph_st();
    stream->capture->mode = mode;
    stream->origin = true;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    Api api;
    cudaError_t error = cudaSuccess;

    if (api.error)
        return api.error;
    if (!stream || stream == cudaStreamLegacy || !known_stream(stream) || !graph)
        return set_error(cudaErrorInvalidValue);
    cudaGraph_t capture = stream->capture;
    if (!capture)
        return set_error(cudaErrorIllegalState);
    if (!stream->origin)
        return set_error(cudaErrorStreamCaptureUnmatched);
    for (cudaStream_t other : streams)
        if (other->capture == capture) {
            if (other != stream && other->unjoined)
                error = cudaErrorStreamCaptureUnjoined;
            other->capture = nullptr;
            other->origin = other->unjoined = false;
        }
    if (capture->invalid)
        error = cudaErrorStreamCaptureInvalidated;
    *graph = error ? nullptr : capture;
    if (error)
        delete capture;
    return set_error(error);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream,
                                  enum cudaStreamCaptureStatus *status)
{
    Api api;

    if (api.error)
        return api.error;
    if (!known_stream(stream) || !status)
        return set_error(cudaErrorInvalidValue);
    *status = !is_capturing(stream)      ? cudaStreamCaptureStatusNone
              : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                         : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                 unsigned long long)
{
    Api api;

    if (api.error)
        return api.error;
    if (!exec || !graph)
        return set_error(cudaErrorInvalidValue);
    *exec = new CUgraphExec_st{graph->nodes};
    return cudaSuccess;
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo *info)
{
    Api api;
    enum cudaGraphExecUpdateResult result = cudaGraphExecUpdateSuccess;

    if (api.error)
        return api.error;
    if (!exec || !graph || !info)
        return set_error(cudaErrorInvalidValue);
    if (exec->nodes.size() != graph->nodes.size())
        result = cudaGraphExecUpdateErrorTopologyChanged;
    for (size_t i = 0; !result && i < exec->nodes.size(); i++) {
        if (exec->nodes[i].kind != graph->nodes[i].kind)
            result = cudaGraphExecUpdateErrorNodeTypeChanged;
        else if (exec->nodes[i].function != graph->nodes[i].function)
            result = cudaGraphExecUpdateErrorFunctionChanged;
    }
    *info = {result, nullptr, nullptr};
    if (result)
        return set_error(cudaErrorGraphExecUpdateFailure);
    exec->nodes = graph->nodes;
    return cudaSuccess;
}

/* What is in flight keeps the nodes it was launched with. */
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    Api api;

    if (api.error)
        return api.error;
    if (!exec)
        return set_error(cudaErrorInvalidValue);
    const auto nodes = std::make_shared<std::vector<Work>>(exec->nodes);
    auto work = [nodes] {
        for (const Work &node : *nodes)
            if (!sticky_error())
                node.work();
    };
    return enqueue(stream, {Work::graph, nullptr, work, nullptr, 0});
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    Api api;

    if (!exec)
        return set_error(cudaErrorInvalidValue);
    delete exec;
    return sticky_error();
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    Api api;

    if (!graph)
        return set_error(cudaErrorInvalidValue);
    delete graph;
    return sticky_error();
}

/* How many nodes; nodes themselves have no handle here. */
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count)
{
    Api api;

    if (!graph || !count || nodes)
        return set_error(cudaErrorInvalidValue);
    *count = graph->nodes.size();
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *kernel, enum cudaFuncAttribute attribute,
                                 int value)
{
    Api api;

    if (api.error)
        return api.error;
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize)
        return cudaSuccess;
    if (value < 0 || value > device().shared_per_block)
        return set_error(cudaErrorInvalidValue);
    dynamic_limits[kernel] = value;
    return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes,
                                  const void *kernel)
{
    Api api;

    if (api.error)
        return api.error;
    *attributes = {static_shared_of(kernel), (int)max_threads, dynamic_limit(kernel),
                   settings.arch};
    return cudaSuccess;
}

/* By threads and shared memory alone: registers are not known. */
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *kernel,
                                                          int block_size,
                                                          size_t dynamic_shared)
{
    Api api;

    if (api.error)
        return api.error;
    if (!blocks || block_size <= 0)
        return set_error(cudaErrorInvalidValue);
    const size_t shared = static_shared_of(kernel) + dynamic_shared + 1024;
    const int by_threads = device().threads / ((block_size + 31) / 32 * 32);
    const int by_shared = (int)((size_t)device().shared / shared);
    *blocks = dynamic_shared > (size_t)dynamic_limit(kernel)
                  ? 0
                  : std::min({by_threads, by_shared, 32});
    return cudaSuccess;
}
