/* Streams, events and graphs from the inside: what stream.cc, graph.cc and
 * device_memory.cc share. */
#ifndef CUDASIM_QUEUES_H
#define CUDASIM_QUEUES_H

#include "simulator.h"
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#pragma GCC visibility push(hidden)
namespace cudasim
{
struct Event { // lives as long as an operation refers to it
    unsigned recorded, done;
    cudaStream_t stream;  // of the last record, null: the legacy stream
    cudaGraph_t captured; // recorded in a capture: nothing may wait for it outside
    double time;
};

struct Work {
    enum Kind { kernel, copy, set, host, record, wait, graph } kind;
    const void *function;
    std::function<void()> work;
    std::shared_ptr<Event> event;
    unsigned version; // of the event
};
} // namespace cudasim

struct CUevent_st {
    std::shared_ptr<cudasim::Event> event;
    unsigned flags;
};
struct CUstream_st {
    std::deque<cudasim::Work> queue;
    unsigned flags;
    cudaGraph_t capture;
    bool origin;   // the capture began here
    bool unjoined; // it works for a capture, and the origin has not waited for it since
};
struct CUgraph_st {
    std::vector<cudasim::Work> nodes;
    enum cudaStreamCaptureMode mode;
    bool invalid;
};
struct CUgraphExec_st {
    std::vector<cudasim::Work> nodes;
};

namespace cudasim
{
extern std::vector<cudaStream_t> &streams;
cudaError_t enqueue(cudaStream_t stream, Work work);
void drain(cudaStream_t stream);
bool is_capturing(cudaStream_t stream);
bool known_stream(cudaStream_t stream);
cudaError_t forbid(cudaStream_t stream); // what waits for a stream, if it is captured
void move_bytes(void *to, const void *from, size_t size);
} // namespace cudasim
#pragma GCC visibility pop

#endif
