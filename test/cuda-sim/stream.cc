/* Streams and events.
 *
 * A stream is a queue. CUDA promises only that work is done in the order of its stream,
 * after the events it waits for, and before a call that waits for it returns; so it is
 * done at once (eager), when somebody waits for it (late), or a bit at a time, at random.
 * A program that is right gives the same results in all three. */
#include "queues.h"
#include <algorithm>
#include <stdio.h>
#include <time.h>

namespace cudasim
{
std::vector<cudaStream_t> &streams =
    *new std::vector<cudaStream_t>; // outlives destructors
static CUstream_st &legacy = *new CUstream_st();
static cudaError_t pending_error, sticky;

static std::recursive_mutex &mutex()
{
    static std::recursive_mutex &m = *new std::recursive_mutex;

    return m;
}

Api::Api() : lock(mutex())
{
    read_settings();
    error = unavailable();
    if (!error)
        error = sticky;
}

cudaError_t unavailable()
{
    if (settings.driver < CUDART_VERSION)
        return cudaErrorInsufficientDriver;
    return settings.no_device ? cudaErrorNoDevice : cudaSuccess;
}

cudaError_t set_error(cudaError_t error)
{
    if (error)
        pending_error = error;
    return error;
}

void set_sticky(cudaError_t error)
{
    if (!error || !sticky)
        sticky = error;
}

cudaError_t sticky_error()
{
    return sticky;
}

cudaError_t result_of_waiting()
{
    shut_device();
    return set_error(sticky);
}

static double milliseconds()
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static bool step(cudaStream_t stream);

/* Work until the event has happened. */
static void reach(const Event &event, unsigned version)
{
    while (event.done < version) {
        if (!step(event.stream ? event.stream : &legacy)) {
            note_error("host", "an event that can never happen is waited for");
            set_sticky(cudaErrorUnknown);
            return;
        }
    }
}

/* One operation; false if there is none. */
static bool step(cudaStream_t stream)
{
    if (stream->queue.empty())
        return false;
    const Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    if (work.kind == Work::record) {
        work.event->done = std::max(work.event->done, work.version);
        work.event->time = milliseconds();
    } else if (work.kind == Work::wait) {
        reach(*work.event, work.version);
    } else if (!sticky) {
        work.work();
    }
    return true;
}

void drain(cudaStream_t stream)
{
    while (step(stream)) {
    }
}

void drain_all()
{
    for (cudaStream_t stream : streams)
        drain(stream);
}

static void drain_blocking()
{
    for (cudaStream_t stream : streams)
        if (!(stream->flags & cudaStreamNonBlocking))
            drain(stream);
}

static bool is_legacy(cudaStream_t stream)
{
    return !stream || stream == cudaStreamLegacy;
}

bool known_stream(cudaStream_t stream)
{
    return is_legacy(stream) ||
           std::find(streams.begin(), streams.end(), stream) != streams.end();
}

bool is_capturing(cudaStream_t stream)
{
    return !is_legacy(stream) && stream->capture;
}

static cudaError_t invalidate(cudaStream_t stream, cudaError_t error)
{
    stream->capture->invalid = true;
    return set_error(error);
}

cudaError_t forbid(cudaStream_t stream)
{
    return is_capturing(stream) ? invalidate(stream, cudaErrorStreamCaptureUnsupported)
                                : cudaSuccess;
}

/* Calls that CUDA calls potentially unsafe end a capture that is not relaxed. */
bool forbidden_while_capturing()
{
    bool forbidden = false;

    for (cudaStream_t stream : streams)
        if (stream->capture && stream->capture->mode != cudaStreamCaptureModeRelaxed) {
            stream->capture->invalid = true;
            forbidden = true;
        }
    return forbidden;
}

/* The legacy stream waits for blocking streams, which must not be captured then. */
static cudaError_t enqueue_legacy(Work work)
{
    for (cudaStream_t stream : streams)
        if (stream->capture && !(stream->flags & cudaStreamNonBlocking))
            return invalidate(stream, cudaErrorStreamCaptureImplicit);
    drain_blocking();
    legacy.queue.push_back(std::move(work));
    drain(&legacy);
    return cudaSuccess;
}

cudaError_t enqueue(cudaStream_t stream, Work work)
{
    if (sticky)
        return sticky;
    if (!known_stream(stream))
        return set_error(cudaErrorInvalidResourceHandle);
    if (is_legacy(stream))
        return enqueue_legacy(std::move(work));
    if (stream->capture) {
        if (stream->capture->invalid)
            return set_error(cudaErrorStreamCaptureInvalidated);
        if (!stream->origin)
            stream->unjoined = true;
        stream->capture->nodes.push_back(std::move(work));
        return cudaSuccess;
    }
    stream->queue.push_back(std::move(work));
    if (settings.streams == CUDASIM_EAGER) {
        drain(stream);
    } else if (settings.streams == CUDASIM_SOMETIMES) {
        for (unsigned k = random_number() % 3; k; k--)
            step(streams[random_number() % streams.size()]);
    }
    return cudaSuccess;
}
} // namespace cudasim

using namespace cudasim;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    Api api;

    if (api.error)
        return api.error;
    if (!stream || flags > cudaStreamNonBlocking)
        return set_error(cudaErrorInvalidValue);
    *stream = new CUstream_st();
    (*stream)->flags = flags;
    streams.push_back(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    Api api;

    if (unavailable())
        return unavailable();
    if (is_legacy(stream) || !known_stream(stream))
        return set_error(cudaErrorInvalidResourceHandle);
    if (stream->capture)
        invalidate(stream, cudaErrorStreamCaptureUnsupported);
    drain(stream);
    streams.erase(std::find(streams.begin(), streams.end(), stream));
    delete stream;
    return sticky_error();
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    Api api;

    if (api.error)
        return api.error;
    if (!known_stream(stream))
        return set_error(cudaErrorInvalidResourceHandle);
    if (cudaError_t error = forbid(stream))
        return error;
    if (is_legacy(stream))
        drain_blocking();
    else
        drain(stream);
    return result_of_waiting();
}

/* Each question lets some work be done, so that asking until it is done ends. */
cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    Api api;

    if (api.error)
        return api.error;
    if (!known_stream(stream))
        return set_error(cudaErrorInvalidResourceHandle);
    if (cudaError_t error = forbid(stream))
        return error;
    if (is_legacy(stream)) {
        drain_blocking();
        return result_of_waiting();
    }
    if (stream->queue.empty())
        return result_of_waiting();
    step(stream);
    return sticky ? sticky : cudaErrorNotReady;
}

cudaError_t cudaDeviceSynchronize(void)
{
    Api api;

    if (api.error)
        return api.error;
    for (cudaStream_t stream : streams)
        if (cudaError_t error = forbid(stream))
            return error;
    drain_all();
    return result_of_waiting();
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data)
{
    Api api;

    if (api.error)
        return api.error;
    return enqueue(stream, {Work::host, nullptr, [=] { function(data); }, nullptr, 0});
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    Api api;

    if (api.error)
        return api.error;
    if (!event || flags > (cudaEventBlockingSync | cudaEventDisableTiming))
        return set_error(cudaErrorInvalidValue);
    *event = new CUevent_st{std::make_shared<Event>(), flags};
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    Api api;

    if (unavailable())
        return unavailable();
    if (!event)
        return set_error(cudaErrorInvalidResourceHandle);
    delete event;
    return sticky_error();
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    Api api;

    if (api.error)
        return api.error;
    if (!event || !known_stream(stream))
        return set_error(cudaErrorInvalidResourceHandle);
    Event &e = *event->event;
    if (is_capturing(stream)) {
        e.captured = stream->capture;
        e.stream = stream;
        return cudaSuccess;
    }
    e.captured = nullptr;
    e.stream = is_legacy(stream) ? nullptr : stream;
    return enqueue(stream, {Work::record, nullptr, {}, event->event, ++e.recorded});
}

/* Inside a capture, which is kept in the order of the calls, an event only says which
 * streams take part and that what they did is waited for. */
static cudaError_t wait_in_capture(cudaStream_t stream, const Event &event)
{
    bool active = false;

    for (cudaStream_t other : streams)
        active |= event.captured && other->capture == event.captured;
    if (!active)
        return set_error(is_capturing(stream) ? cudaErrorStreamCaptureIsolation
                                              : cudaErrorCapturedEvent);
    if (is_legacy(stream))
        return set_error(cudaErrorStreamCaptureImplicit);
    if (stream->capture && stream->capture != event.captured)
        return set_error(cudaErrorStreamCaptureMerge);
    if (!stream->capture) {
        stream->capture = event.captured;
        stream->origin = false;
        stream->unjoined = true;
    } else if (known_stream(event.stream)) {
        event.stream->unjoined = false;
    }
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    Api api;

    if (api.error)
        return api.error;
    if (!event || !known_stream(stream))
        return set_error(cudaErrorInvalidResourceHandle);
    const Event &e = *event->event;
    if (e.captured || is_capturing(stream))
        return wait_in_capture(stream, e);
    return enqueue(stream, {Work::wait, nullptr, {}, event->event, e.recorded});
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    Api api;

    if (api.error)
        return api.error;
    if (!event)
        return set_error(cudaErrorInvalidResourceHandle);
    if (event->event->captured)
        return set_error(cudaErrorCapturedEvent);
    reach(*event->event, event->event->recorded);
    return result_of_waiting();
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    Api api;

    if (api.error)
        return api.error;
    if (!event)
        return set_error(cudaErrorInvalidResourceHandle);
    const Event &e = *event->event;
    if (e.captured)
        return set_error(cudaErrorCapturedEvent);
    if (e.done >= e.recorded)
        return result_of_waiting();
    step(e.stream ? e.stream : &legacy);
    return sticky ? sticky : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end)
{
    Api api;

    if (api.error)
        return api.error;
    for (cudaEvent_t event : {start, end})
        if (!event || !event->event->recorded || (event->flags & cudaEventDisableTiming))
            return set_error(cudaErrorInvalidResourceHandle);
    for (cudaEvent_t event : {start, end})
        if (event->event->done < event->event->recorded)
            return cudaErrorNotReady;
    *milliseconds = (float)(end->event->time - start->event->time);
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
    Api api;
    const cudaError_t error = api.error ? api.error : pending_error;

    pending_error = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError(void)
{
    Api api;

    return api.error ? api.error : pending_error;
}
