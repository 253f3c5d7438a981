/* Captured streams.  What is queued on a capturing stream, or on one that joined it through an event, is kept
 * in the order of its calls, which respects every dependency; launching the graph queues all of it as one
 * piece of work. */
#include "sim.h"

#include <algorithm>

namespace ctsim {

using Works = std::vector<std::function<void()>>;

namespace {
struct Member {
    Stream *stream;
    size_t queued, joined; /* all its work, and as much of it as another member waits for */
};
}  // namespace

struct Graph {
    cudaStreamCaptureMode mode;
    bool invalid;
    std::vector<Member> members; /* the first is where the capture began */
    Works works;
};

struct Exec {
    std::shared_ptr<Works> works; /* a launch that is still queued outlives the graph */
};

static std::vector<Graph *> capturing;
static std::vector<std::unique_ptr<Graph>> graphs;
static std::vector<std::unique_ptr<Exec>> execs;
static thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

static Member *member_of(Graph *graph, const Stream *stream)
{
    for (Member &member : graph->members)
        if (member.stream == stream)
            return &member;
    return nullptr;
}

void capture_work(Stream *stream, std::function<void()> run)
{
    Graph *graph = capture_of(stream);
    member_of(graph, stream)->queued++;
    graph->works.push_back(std::move(run));
}

Mark capture_mark(Stream *stream)
{
    Graph *graph = capture_of(stream);
    return {graph, stream, member_of(graph, stream)->queued};
}

cudaError_t capture_wait(Stream *stream, const Mark &mark)
{
    if (std::find(capturing.begin(), capturing.end(), mark.graph) == capturing.end())
        return cudaErrorCapturedEvent; /* the capture has ended */
    if (capture_of(stream) && capture_of(stream) != mark.graph)
        return break_capture(capture_of(stream));
    Member *waited = member_of(mark.graph, mark.stream);
    waited->joined = std::max(waited->joined, mark.queued);
    if (!capture_of(stream)) {
        mark.graph->members.push_back({stream, 0, 0});
        capture_of(stream) = mark.graph;
    }
    return cudaSuccess;
}

cudaError_t break_capture(Graph *graph)
{
    graph->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
}

cudaError_t forbidden_in_capture()
{
    cudaError_t error = cudaSuccess;
    for (Graph *graph : capturing)
        if (graph->mode != cudaStreamCaptureModeRelaxed && thread_mode != cudaStreamCaptureModeRelaxed)
            error = break_capture(graph);
    return error;
}

static cudaError_t begin_capture(Stream *stream, cudaStreamCaptureMode mode)
{
    if (stream == current_device()->null_stream)
        return cudaErrorStreamCaptureUnsupported;
    if (capture_of(stream))
        return cudaErrorIllegalState;
    graphs.push_back(std::make_unique<Graph>(Graph{mode, false, {{stream, 0, 0}}, {}}));
    capturing.push_back(graphs.back().get());
    capture_of(stream) = graphs.back().get();
    return cudaSuccess;
}

static void destroy_graph(Graph *graph)
{
    std::erase_if(graphs, [&](const auto &each) { return each.get() == graph; });
}

static cudaError_t end_capture(Stream *stream, cudaGraph_t *result)
{
    Graph *graph = capture_of(stream);
    *result = nullptr;
    if (!graph || graph->members[0].stream != stream)
        return cudaErrorStreamCaptureUnmatched;
    cudaError_t error = graph->invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
    for (const Member &member : graph->members) {
        if (member.stream != stream && member.joined < member.queued && error == cudaSuccess)
            error = cudaErrorStreamCaptureUnjoined;
        capture_of(member.stream) = nullptr;
    }
    std::erase(capturing, graph);
    if (error == cudaSuccess)
        *result = reinterpret_cast<cudaGraph_t>(graph);
    else
        destroy_graph(graph);
    return error;
}

static Graph *graph_of(cudaGraph_t handle)
{
    for (const auto &graph : graphs)
        if (graph.get() == reinterpret_cast<Graph *>(handle))
            return graph.get();
    return nullptr;
}

static Exec *exec_of(cudaGraphExec_t handle)
{
    for (const auto &exec : execs)
        if (exec.get() == reinterpret_cast<Exec *>(handle))
            return exec.get();
    return nullptr;
}

}  // namespace ctsim

using namespace ctsim;

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, enum cudaStreamCaptureMode mode)
{
    return api("cudaStreamBeginCapture", [&] {
        Stream *stream = stream_of(handle);
        return stream ? begin_capture(stream, mode) : cudaErrorInvalidResourceHandle;
    });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph)
{
    return api("cudaStreamEndCapture", [&] {
        Stream *stream = stream_of(handle);
        return stream ? end_capture(stream, graph) : cudaErrorInvalidResourceHandle;
    });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, enum cudaStreamCaptureStatus *status)
{
    return api("cudaStreamIsCapturing", [&] {
        Stream *stream = stream_of(handle);
        if (!stream)
            return cudaErrorInvalidResourceHandle;
        Graph *graph = capture_of(stream);
        *status = !graph           ? cudaStreamCaptureStatusNone
                  : graph->invalid ? cudaStreamCaptureStatusInvalidated
                                   : cudaStreamCaptureStatusActive;
        return cudaSuccess;
    });
}

cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode)
{
    return api("cudaThreadExchangeStreamCaptureMode", [&] {
        std::swap(thread_mode, *mode);
        return cudaSuccess;
    });
}

/* The number only: with it a test sees how many launches a step takes. */
cudaError_t cudaGraphGetNodes(cudaGraph_t handle, cudaGraphNode_t *nodes, size_t *count)
{
    return api("cudaGraphGetNodes", [&] {
        Graph *graph = graph_of(handle);
        if (!graph || nodes)
            return graph ? cudaErrorNotSupported : cudaErrorInvalidValue;
        *count = graph->works.size();
        return cudaSuccess;
    });
}

cudaError_t cudaGraphDestroy(cudaGraph_t handle)
{
    return api("cudaGraphDestroy", [&] {
        Graph *graph = graph_of(handle);
        if (!graph)
            return cudaErrorInvalidValue;
        destroy_graph(graph);
        return cudaSuccess;
    });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *handle, cudaGraph_t graph_handle, unsigned long long)
{
    return api("cudaGraphInstantiate", [&] {
        Graph *graph = graph_of(graph_handle);
        if (!graph)
            return cudaErrorInvalidValue;
        execs.push_back(std::make_unique<Exec>(Exec{std::make_shared<Works>(graph->works)}));
        *handle = reinterpret_cast<cudaGraphExec_t>(execs.back().get());
        return cudaSuccess;
    });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream_handle)
{
    return api("cudaGraphLaunch", [&] {
        Exec *exec = exec_of(handle);
        Stream *stream = stream_of(stream_handle);
        if (!exec || !stream)
            return exec ? cudaErrorInvalidResourceHandle : cudaErrorInvalidValue;
        enqueue(stream, [works = exec->works] {
            for (const auto &run : *works)
                run();
        });
        return cudaSuccess;
    });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t handle)
{
    return api("cudaGraphExecDestroy", [&] {
        Exec *exec = exec_of(handle);
        if (!exec)
            return cudaErrorInvalidValue;
        std::erase_if(execs, [&](const auto &each) { return each.get() == exec; });
        return cudaSuccess;
    });
}

}  // extern "C"
