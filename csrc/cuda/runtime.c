/* Devices, streams in use, errors, copies and waiting: everything between the core and the runtime's calls that is not
 * memory (allocator.c) or a kernel's launch. */
#include "cuda/runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const Host *host;
int current_device;
int device_total;
bool blocking;
Fault *faults;

static Stream *streams_in_use[DEVICES_MAX];
static int multiprocessor_counts[DEVICES_MAX];

const int8_t itemsizes[DTYPE_COUNT] = {
#define DTYPE(name, type, ...) [DTYPE_##name] = sizeof(type),
#include "abi/dtype.def"
};

cudaStream_t
stream_handle(Stream *stream)
{
    return stream ? stream->handle : NULL;
}

cudaStream_t
current_stream(void)
{
    return stream_handle(streams_in_use[current_device]);
}

Stream *
stream_in_use(void)
{
    return streams_in_use[current_device];
}

void
use_stream(Stream *stream)
{
    streams_in_use[current_device] = stream;
}

int
multiprocessors(void)
{
    int *count = &multiprocessor_counts[current_device];
    if (*count == 0 && cudaDeviceGetAttribute(count, cudaDevAttrMultiProcessorCount, current_device) != cudaSuccess)
        *count = 1;
    return *count;
}

/* ---------------------------------------------------------------- errors */
void
raise_text(HostError kind, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    host->raise(kind, text);
}

int
check(cudaError_t status)
{
    if (status == cudaSuccess)
        return 0;
    (void)cudaGetLastError();             /* said once: the next launch has not met it */
    raise_text(HOST_RUNTIME_ERROR,
               "CUDA error: %s\nCUDA kernel errors might be asynchronously reported at some other API call, so the "
               "stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1",
               cudaGetErrorString(status));
    return -1;
}

int
raise_fault(void)
{
    Fault *f = &faults[current_device];
    Fault met = *(volatile Fault *)f;
    if (met.kind == FAULT_NONE)
        return 0;
    ((volatile Fault *)f)->kind = FAULT_NONE;
    switch ((FaultKind)met.kind) {
    case FAULT_INDEX:
        raise_text(HOST_INDEX_ERROR, "index %lld is out of bounds for dimension with size %lld (found on the device: "
                                     "CUDA_LAUNCH_BLOCKING=1 shows the op)", (long long)met.value, (long long)met.size);
        break;
    case FAULT_TARGET:
        raise_text(HOST_INDEX_ERROR, "Target %lld is out of bounds. There are %lld classes: 0 to %lld",
                   (long long)met.value, (long long)met.size, (long long)met.size - 1);
        break;
    case FAULT_ZERO_DIVISION:
        raise_text(HOST_ZERO_DIVISION, "ZeroDivisionError: integer division or modulo by zero");
        break;
    case FAULT_PROBABILITY:
        raise_text(HOST_RUNTIME_ERROR, "Expected p_in >= 0 && p_in <= 1 to be true, but got false: a probability on the "
                                       "device (CUDA_LAUNCH_BLOCKING=1 shows the op)");
        break;
    default:
        raise_text(HOST_RUNTIME_ERROR, "invalid Poisson rate, expected rate to be non-negative (found on the device: "
                                       "CUDA_LAUNCH_BLOCKING=1 shows the op)");
        break;
    }
    return -1;
}

int
wait_stream(cudaStream_t stream)
{
    void *state = host->wait_begin();
    cudaError_t status = cudaStreamSynchronize(stream);
    host->wait_end(state);
    return check(status) < 0 ? -1 : raise_fault();
}

int
launched(const char *what)
{
    cudaError_t status = cudaGetLastError();
    if (status == cudaSuccess && blocking)
        status = cudaStreamSynchronize(current_stream());
    if (status == cudaSuccess)
        return blocking ? raise_fault() : 0;
    if (!blocking)
        return check(status);
    raise_text(HOST_RUNTIME_ERROR, "CUDA error: %s, in %s", cudaGetErrorString(status), what);
    return -1;
}

void *
temporary(int64_t nbytes)
{
    void *data = cuda_alloc(nbytes);
    if (data == NULL)
        memory_raise(nbytes);
    return data;
}

void
temporary_free(void *data)
{
    if (data != NULL)
        cuda_free(data, 1);
}

/* ---------------------------------------------------------------- the accelerator's slots */
static int
start(const Host *lent, const char **reason)
{
    host = lent;
    const char *wish = getenv("CUDA_LAUNCH_BLOCKING");
    blocking = wish != NULL && strcmp(wish, "1") == 0;
    cudaError_t status = cudaGetDeviceCount(&device_total);
    if (status == cudaSuccess) {
        device_total = device_total < DEVICES_MAX ? device_total : DEVICES_MAX;
        return device_total;
    }
    (void)cudaGetLastError();
    device_total = 0;
    *reason = status == cudaErrorNoDevice ? "No CUDA GPUs are available"
                                          : "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU "
                                            "and installed a driver from http://www.nvidia.com/Download/index.aspx";
    return 0;
}

static int
use(int device)
{
    if (check(cudaSetDevice(device)) < 0)
        return -1;
    if (faults == NULL) {
        void *memory = NULL;
        if (check(cudaHostAlloc(&memory, DEVICES_MAX * sizeof(Fault), cudaHostAllocPortable)) < 0)
            return -1;
        memset(memory, 0, DEVICES_MAX * sizeof(Fault));
        faults = memory;
    }
    current_device = device;
    return 0;
}

/* The runtime lets a copy to another device wait for both of its streams only if they are the default ones; so the
 * source is waited for. */
static int
copy_between(void *to, int to_device, const void *from, int from_device, int64_t nbytes)
{
    int back = current_device;
    if (use(from_device) < 0 || wait_stream(current_stream()) < 0 || use(to_device) < 0
        || check(cudaMemcpyPeerAsync(to, to_device, from, from_device, (size_t)nbytes, current_stream())) < 0)
        return -1;
    int result = wait_stream(current_stream());
    return use(back) < 0 ? -1 : result;
}

static int
copy(void *to, int to_device, const void *from, int from_device, int64_t nbytes, bool wait)
{
    if (nbytes == 0)
        return 0;
    if (to_device != HOST_DEVICE && from_device != HOST_DEVICE && to_device != from_device)
        return copy_between(to, to_device, from, from_device, nbytes);
    enum cudaMemcpyKind kind = from_device == HOST_DEVICE ? cudaMemcpyHostToDevice
                               : to_device == HOST_DEVICE ? cudaMemcpyDeviceToHost
                                                          : cudaMemcpyDeviceToDevice;
    if (check(cudaMemcpyAsync(to, from, (size_t)nbytes, kind, current_stream())) < 0)
        return -1;
    if (kind == cudaMemcpyDeviceToDevice)
        return 0;
    const void *in_host = kind == cudaMemcpyHostToDevice ? from : to;
    bool pinned = is_pinned(in_host);
    if (kind == cudaMemcpyHostToDevice && !pinned)
        return 0;                                 /* pageable memory is read at once, page-locked memory later */
    if (pinned && !wait)
        return pinned_copied(in_host);
    return wait_stream(current_stream());
}

static int
synchronize(void)
{
    void *state = host->wait_begin();
    cudaError_t status = cudaDeviceSynchronize();
    host->wait_end(state);
    return check(status) < 0 ? -1 : raise_fault();
}

static int
properties(DeviceProperties *out)
{
    struct cudaDeviceProp p;
    if (check(cudaGetDeviceProperties(&p, current_device)) < 0)
        return -1;
    *out = (DeviceProperties){.total_memory = (int64_t)p.totalGlobalMem, .l2_cache_size = p.l2CacheSize,
                              .shared_memory_per_block = (int64_t)p.sharedMemPerBlock, .major = p.major, .minor = p.minor,
                              .multi_processor_count = p.multiProcessorCount, .warp_size = p.warpSize,
                              .max_threads_per_multi_processor = p.maxThreadsPerMultiProcessor,
                              .max_threads_per_block = p.maxThreadsPerBlock, .is_integrated = p.integrated != 0};
    memcpy(out->name, p.name, sizeof out->name);
    return 0;
}

static int
memory_info(int64_t *free_bytes, int64_t *total)
{
    size_t f = 0, t = 0;
    int result = check(cudaMemGetInfo(&f, &t));
    *free_bytes = (int64_t)f;
    *total = (int64_t)t;
    return result;
}

static int
empty_cache(void)
{
    pinned_empty_cache();
    return memory_empty_cache();
}

/* ---------------------------------------------------------------- streams and events */
/* Streams are used again and never destroyed: memory belongs to the stream that it was made for, and outlives its user. */
static Stream *idle_streams;

static Stream *
stream_new(int priority)
{
    for (Stream **at = &idle_streams; *at != NULL; at = &(*at)->next)
        if ((*at)->device == current_device && (*at)->priority == priority) {
            Stream *found = *at;
            *at = found->next;
            return found;
        }
    Stream *s = malloc(sizeof *s);
    if (s == NULL || check(cudaStreamCreateWithPriority(&s->handle, cudaStreamNonBlocking, priority)) < 0) {
        free(s);
        return NULL;
    }
    s->device = current_device;
    s->priority = priority;
    return s;
}

static void
stream_free(Stream *s)
{
    if (s == NULL)
        return;
    for (int d = 0; d < DEVICES_MAX; d++)
        if (streams_in_use[d] == s)
            streams_in_use[d] = NULL;
    s->next = idle_streams;
    idle_streams = s;
}

static int
done_or_not(cudaError_t status)
{
    if (status == cudaErrorNotReady) {
        (void)cudaGetLastError();
        return 0;
    }
    return check(status) < 0 ? -1 : 1;
}

static int
stream_query(Stream *s)
{
    return done_or_not(cudaStreamQuery(stream_handle(s)));
}

static int
stream_synchronize(Stream *s)
{
    return wait_stream(stream_handle(s));
}

static int
stream_wait(Stream *s, Event *e)
{
    return check(cudaStreamWaitEvent(stream_handle(s), e->handle, 0));
}

static uint64_t
stream_address(Stream *s)
{
    return (uint64_t)(uintptr_t)stream_handle(s);
}

static Event *
event_new(bool timing, bool waits)
{
    Event *e = malloc(sizeof *e);
    unsigned flags = (timing ? 0u : cudaEventDisableTiming) | (waits ? cudaEventBlockingSync : 0u);
    if (e == NULL || check(cudaEventCreateWithFlags(&e->handle, flags)) < 0) {
        free(e);
        return NULL;
    }
    return e;
}

static void
event_free(Event *e)
{
    if (e == NULL)
        return;
    (void)cudaEventDestroy(e->handle);
    free(e);
}

static int
event_record(Event *e, Stream *s)
{
    return check(cudaEventRecord(e->handle, stream_handle(s)));
}

static int
event_query(Event *e)
{
    return done_or_not(cudaEventQuery(e->handle));
}

static int
event_synchronize(Event *e)
{
    void *state = host->wait_begin();
    cudaError_t status = cudaEventSynchronize(e->handle);
    host->wait_end(state);
    return check(status) < 0 ? -1 : raise_fault();
}

static int
event_elapsed(Event *from, Event *to, float *milliseconds)
{
    return check(cudaEventElapsedTime(milliseconds, from->handle, to->handle));
}

int gemm_allow_tf32(bool allow);

const Accelerator cuda_accelerator = {
    .start = start,
    .use = use,
    .copy = copy,
    .synchronize = synchronize,
    .properties = properties,
    .memory_info = memory_info,
    .memory_stats = memory_stats,
    .reset_peak = memory_reset_peak,
    .empty_cache = empty_cache,
    .raise_out_of_memory = memory_raise,
    .pinned_alloc = pinned_alloc,
    .pinned_free = pinned_free,
    .is_pinned = is_pinned,
    .stream_new = stream_new,
    .stream_free = stream_free,
    .stream_get = stream_in_use,
    .stream_use = use_stream,
    .stream_query = stream_query,
    .stream_synchronize = stream_synchronize,
    .stream_wait = stream_wait,
    .stream_address = stream_address,
    .record_stream = memory_record_stream,
    .event_new = event_new,
    .event_free = event_free,
    .event_record = event_record,
    .event_query = event_query,
    .event_synchronize = event_synchronize,
    .event_elapsed = event_elapsed,
    .allow_tf32 = gemm_allow_tf32,
};
