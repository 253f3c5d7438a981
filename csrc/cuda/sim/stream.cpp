/* Streams and events: queues of work, and when it runs.  Eager streams run everything at the call that queues
 * it.  Lazy streams run nothing until a call waits, and then take turns at random, within what events and the
 * legacy default stream order: the two ends of what CUDA allows.  Nothing is run that a fault of its device
 * came before. */
#include "sim.h"

#include <chrono>
#include <deque>

namespace ctsim {

struct Stream {
    Device *device;
    bool blocking, destroyed;
    Graph *capture;
    std::deque<Work> queue;
};

struct Event {
    Device *device;
    bool timed;
    std::shared_ptr<Record> record; /* null: never recorded */
    Mark mark;                      /* its graph is null unless it was last recorded in a captured stream */
};

static std::vector<std::unique_ptr<Stream>> streams;
static std::vector<std::unique_ptr<Event>> events;
static uint64_t work_number;

Stream *new_stream(Device *device, bool blocking)
{
    streams.push_back(std::make_unique<Stream>(Stream{device, blocking, false, nullptr, {}}));
    return streams.back().get();
}

Device *device_of(const Stream *stream)
{
    return stream->device;
}

Graph *&capture_of(Stream *stream)
{
    return stream->capture;
}

Stream *stream_of(cudaStream_t handle)
{
    if (!handle || handle == cudaStreamLegacy)
        return current_device()->null_stream;
    for (const auto &stream : streams)
        if (stream.get() == reinterpret_cast<Stream *>(handle) && !stream->destroyed)
            return stream.get();
    return nullptr;
}

static Event *event_of(cudaEvent_t handle)
{
    for (const auto &event : events)
        if (event.get() == reinterpret_cast<Event *>(handle))
            return event.get();
    return nullptr;
}

/* ---- running ---- */

static bool legacy(const Stream *stream)
{
    return stream == stream->device->null_stream;
}

/* The legacy default stream comes after all that blocking streams were given before, and before what they are
 * given after. */
static bool runnable(const Stream *stream)
{
    if (stream->queue.empty())
        return false;
    const Work &work = stream->queue.front();
    if (work.after && !work.after->done)
        return false;
    if (!stream->blocking)
        return true;
    for (const auto &other : streams) {
        bool ordered =
            other->device == stream->device && other->blocking && (legacy(stream) || legacy(other.get()));
        if (ordered && !other->queue.empty() && other->queue.front().number < work.number)
            return false;
    }
    return true;
}

static void drop_streams()
{
    std::erase_if(streams, [](const auto &stream) { return stream->destroyed && stream->queue.empty(); });
}

static double now_ms()
{
    using namespace std::chrono;
    return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

static void run_next(Stream *stream)
{
    Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    if (stream->device->pending == cudaSuccess)
        work.run();
    if (work.completes)
        *work.completes = {true, now_ms()};
    drop_streams();
}

/* Runs one piece of work, of a stream chosen at random; false if there is none. */
static bool step()
{
    std::vector<Stream *> ready;
    for (const auto &stream : streams)
        if (runnable(stream.get()))
            ready.push_back(stream.get());
    if (ready.empty())
        return false;
    run_next(ready[random_below(static_cast<uint32_t>(ready.size()))]);
    return true;
}

void run_all()
{
    while (step())
        ;
}

/* Others run only as far as this stream waits for them: who forgot to wait for one finds that it has not run.
 */
cudaError_t synchronize(Stream *stream)
{
    if (stream->capture)
        return break_capture(stream->capture);
    bool moved = true;
    while (moved && !stream->queue.empty()) {
        if (runnable(stream))
            run_next(stream);
        else
            moved = step();
    }
    return surface(stream->device);
}

static void push(Stream *stream, Work work)
{
    work.number = work_number++;
    stream->queue.push_back(std::move(work));
    if (!lazy_streams())
        run_all();
}

void enqueue(Stream *stream, std::function<void()> run)
{
    if (stream->capture)
        capture_work(stream, std::move(run));
    else
        push(stream, Work{std::move(run), nullptr, nullptr, 0});
}

void release_streams(Device *device)
{
    for (const auto &stream : streams) {
        if (stream->device == device) {
            stream->queue.clear();
            stream->destroyed = !legacy(stream.get());
        }
    }
    drop_streams();
}

static cudaError_t record_event(Event *event, Stream *stream)
{
    if (event->device != stream->device)
        return cudaErrorInvalidResourceHandle;
    event->mark = stream->capture ? capture_mark(stream) : Mark{};
    if (stream->capture)
        return cudaSuccess;
    event->record = std::make_shared<Record>(Record{false, 0});
    push(stream, Work{[] {}, nullptr, event->record, 0});
    return cudaSuccess;
}

static cudaError_t wait_event(Stream *stream, Event *event)
{
    if (event->mark.graph)
        return capture_wait(stream, event->mark);
    if (stream->capture)
        return event->record ? break_capture(stream->capture) : cudaSuccess;
    if (event->record)
        push(stream, Work{[] {}, event->record, nullptr, 0});
    return cudaSuccess;
}

static cudaError_t create_stream(cudaStream_t *handle, unsigned int flags)
{
    if (flags > cudaStreamNonBlocking)
        return cudaErrorInvalidValue;
    *handle = reinterpret_cast<cudaStream_t>(new_stream(current_device(), flags == cudaStreamDefault));
    return cudaSuccess;
}

static cudaError_t create_event(cudaEvent_t *handle, unsigned int flags)
{
    bool timed = (flags & cudaEventDisableTiming) == 0;
    events.push_back(std::make_unique<Event>(Event{current_device(), timed, nullptr, {}}));
    *handle = reinterpret_cast<cudaEvent_t>(events.back().get());
    return cudaSuccess;
}

/* A stream or event that is asked for in a loop must get somewhere: each question runs one piece of work. */
static cudaError_t query(Device *device, const std::function<bool()> &done)
{
    if (!done())
        step();
    cudaError_t error = surface(device);
    if (error != cudaSuccess)
        return error;
    return done() ? cudaSuccess : cudaErrorNotReady;
}

static bool happened(const Event *event)
{
    return !event->record || event->record->done;
}

}  // namespace ctsim

using namespace ctsim;

extern "C" {

cudaError_t cudaDeviceSynchronize(void)
{
    return api("cudaDeviceSynchronize", [&] {
        cudaError_t error = forbidden_in_capture();
        run_all();
        return error == cudaSuccess ? surface(current_device()) : error;
    });
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    return api("cudaDeviceGetStreamPriorityRange", [&] {
        *least = *greatest = 0;
        return cudaSuccess;
    });
}

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    return api("cudaStreamCreate", [&] { return create_stream(stream, cudaStreamDefault); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned int flags)
{
    return api("cudaStreamCreateWithFlags", [&] { return create_stream(stream, flags); });
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned int flags, int)
{
    return api("cudaStreamCreateWithPriority", [&] { return create_stream(stream, flags); });
}

cudaError_t cudaStreamDestroy(cudaStream_t handle)
{
    return api("cudaStreamDestroy", [&] {
        Stream *stream = stream_of(handle);
        if (!stream || legacy(stream))
            return cudaErrorInvalidResourceHandle;
        stream->destroyed = true; /* what is queued still runs */
        drop_streams();
        return cudaSuccess;
    });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle)
{
    return api("cudaStreamSynchronize", [&] {
        Stream *stream = stream_of(handle);
        return stream ? synchronize(stream) : cudaErrorInvalidResourceHandle;
    });
}

cudaError_t cudaStreamQuery(cudaStream_t handle)
{
    return api("cudaStreamQuery", [&] {
        Stream *stream = stream_of(handle);
        if (!stream)
            return cudaErrorInvalidResourceHandle;
        return stream->capture ? break_capture(stream->capture)
                               : query(stream->device, [&] { return stream->queue.empty(); });
    });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream_handle, cudaEvent_t event_handle, unsigned int)
{
    return api("cudaStreamWaitEvent", [&] {
        Stream *stream = stream_of(stream_handle);
        Event *event = event_of(event_handle);
        return stream && event ? wait_event(stream, event) : cudaErrorInvalidResourceHandle;
    });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t fn, void *user_data)
{
    return api("cudaLaunchHostFunc", [&] {
        Stream *stream = stream_of(handle);
        if (!stream)
            return cudaErrorInvalidResourceHandle;
        enqueue(stream, [fn, user_data] { fn(user_data); });
        return cudaSuccess;
    });
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return api("cudaEventCreate", [&] { return create_event(event, cudaEventDefault); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags)
{
    return api("cudaEventCreateWithFlags", [&] { return create_event(event, flags); });
}

cudaError_t cudaEventDestroy(cudaEvent_t handle)
{
    return api("cudaEventDestroy", [&] {
        Event *event = event_of(handle);
        if (!event)
            return cudaErrorInvalidResourceHandle;
        std::erase_if(events, [&](const auto &each) { return each.get() == event; });
        return cudaSuccess;
    });
}

cudaError_t cudaEventRecord(cudaEvent_t event_handle, cudaStream_t stream_handle)
{
    return api("cudaEventRecord", [&] {
        Event *event = event_of(event_handle);
        Stream *stream = stream_of(stream_handle);
        return event && stream ? record_event(event, stream) : cudaErrorInvalidResourceHandle;
    });
}

cudaError_t cudaEventQuery(cudaEvent_t handle)
{
    return api("cudaEventQuery", [&] {
        Event *event = event_of(handle);
        if (!event)
            return cudaErrorInvalidResourceHandle;
        return event->mark.graph ? cudaErrorCapturedEvent
                                 : query(event->device, [&] { return happened(event); });
    });
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle)
{
    return api("cudaEventSynchronize", [&] {
        Event *event = event_of(handle);
        if (!event)
            return cudaErrorInvalidResourceHandle;
        if (event->mark.graph)
            return cudaErrorCapturedEvent;
        while (!happened(event) && step())
            ;
        return surface(event->device);
    });
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start_handle, cudaEvent_t end_handle)
{
    return api("cudaEventElapsedTime", [&] {
        Event *start = event_of(start_handle), *end = event_of(end_handle);
        if (!start || !end || !start->timed || !end->timed || !start->record || !end->record)
            return cudaErrorInvalidResourceHandle;
        if (!start->record->done || !end->record->done)
            return cudaErrorNotReady;
        *ms = static_cast<float>(end->record->ms - start->record->ms);
        return cudaSuccess;
    });
}

}  // extern "C"
