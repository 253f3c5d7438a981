/* What a device beside the host has besides kernels: several of its kind, memory that only it reads, streams and events.
 * A backend in a shared object of its own reaches Python's errors and lock through Host alone. */
#ifndef CTORCH_ABI_ACCELERATOR_H
#define CTORCH_ABI_ACCELERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum HostError {
    HOST_RUNTIME_ERROR,
    HOST_INDEX_ERROR,
    HOST_ZERO_DIVISION,
    HOST_OUT_OF_MEMORY,
    HOST_NOT_IMPLEMENTED,
} HostError;

/* What the core lends: raise sets the error unless one is set; wait_begin lets other Python threads run until
 * wait_end(state); package_folder writes where Python finds a package, or returns false.  Every slot is called with the lock held. */
typedef struct Host {
    void (*raise)(HostError kind, const char *text);
    void *(*wait_begin)(void);
    void (*wait_end)(void *state);
    bool (*package_folder)(const char *package, char *folder, size_t size);
} Host;

enum { HOST_DEVICE = -1 };        /* beside the numbers of devices: the host's memory */

typedef struct DeviceProperties {
    char name[256];
    int64_t total_memory, l2_cache_size, shared_memory_per_block;
    int major, minor, multi_processor_count, warp_size, max_threads_per_multi_processor, max_threads_per_block;
    bool is_integrated;
} DeviceProperties;

/* Bytes and counts as PyTorch's allocator counts them. */
typedef struct MemoryStats {
    int64_t allocated, allocated_peak, reserved, reserved_peak;
    int64_t allocations, frees, device_allocations, device_frees, retries, out_of_memory;
} MemoryStats;

typedef struct Stream Stream;     /* NULL: the default stream */
typedef struct Event Event;

typedef struct Accelerator {
    /* The number of devices; 0 if there is none that works.  Called once, first; *reason says what is missing. */
    int (*start)(const Host *host, const char **reason);
    /* The device of all calls that follow. */
    int (*use)(int device);
    /* In the order of the streams in use; returns when host memory may be read and reused or, unless it is to wait,
     * before page-locked memory may. */
    int (*copy)(void *to, int to_device, const void *from, int from_device, int64_t nbytes, bool wait);
    int (*synchronize)(void);
    int (*properties)(DeviceProperties *out);
    int (*memory_info)(int64_t *free, int64_t *total);
    void (*memory_stats)(MemoryStats *out);
    void (*reset_peak)(void);
    int (*empty_cache)(void);
    void (*raise_out_of_memory)(int64_t nbytes);
    /* Page-locked host memory. */
    void *(*pinned_alloc)(int64_t nbytes);
    void (*pinned_free)(void *data);
    bool (*is_pinned)(const void *data);
    /* Streams of the device in use. */
    Stream *(*stream_new)(int priority);
    void (*stream_free)(Stream *stream);
    Stream *(*stream_get)(void);
    void (*stream_use)(Stream *stream);
    int (*stream_query)(Stream *stream);          /* 1: all done, 0: not yet */
    int (*stream_synchronize)(Stream *stream);
    int (*stream_wait)(Stream *stream, Event *event);
    uint64_t (*stream_address)(Stream *stream);   /* the driver's own handle */
    int (*record_stream)(void *data, Stream *stream);
    Event *(*event_new)(bool timing, bool blocking);
    void (*event_free)(Event *event);
    int (*event_record)(Event *event, Stream *stream);
    int (*event_query)(Event *event);
    int (*event_synchronize)(Event *event);
    int (*event_elapsed)(Event *start, Event *end, float *milliseconds);
    int (*allow_tf32)(bool allow);
} Accelerator;

#endif
