/* What all host files of the CUDA backend share: the device and stream that calls go to, errors, temporary memory. */
#ifndef CTORCH_CUDA_RUNTIME_H
#define CTORCH_CUDA_RUNTIME_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#include "abi/accelerator.h"
#include "abi/dtype.h"

enum { DEVICES_MAX = 64 };

/* What a kernel met in the data and could not report at once: it is read, and raised, when the device is next waited
 * for.  It lies in page-locked memory that kernels write. */
typedef enum FaultKind { FAULT_NONE, FAULT_INDEX, FAULT_TARGET, FAULT_ZERO_DIVISION, FAULT_PROBABILITY,
                         FAULT_RATE } FaultKind;

typedef struct Fault {
    int32_t kind;
    int32_t unused;
    int64_t value, size;
} Fault;

extern const Host *host;
extern int current_device;            /* of all calls that follow */
extern int device_total;
extern bool blocking;                 /* CUDA_LAUNCH_BLOCKING=1: every launch is waited for */
extern Fault *faults;                 /* one for each device */

extern const int8_t itemsizes[DTYPE_COUNT];

/* The stream of the current device that calls go to. */
cudaStream_t current_stream(void);
int multiprocessors(void);

/* 0, or -1 with Python's error set. */
int check(cudaError_t status);
void raise_text(HostError kind, const char *format, ...);
/* After a launch: its error, and under CUDA_LAUNCH_BLOCKING also its faults. */
int launched(const char *what);
/* Waits for a stream without Python's lock, then raises what kernels met. */
int wait_stream(cudaStream_t stream);
int raise_fault(void);

/* Memory in the order of the current stream: given back with temporary_free, before the kernels that use it have run.
 * NULL with an error. */
void *temporary(int64_t nbytes);
void temporary_free(void *data);

/* The slots of backend.c that other files fill. */
void *cuda_alloc(int64_t nbytes);
void cuda_free(void *data, int64_t nbytes);
void memory_stats(MemoryStats *out);
void memory_reset_peak(void);
int memory_empty_cache(void);
void memory_raise(int64_t nbytes);
int memory_record_stream(void *data, Stream *stream);

/* Page-locked memory: pinned.c. */
void *pinned_alloc(int64_t nbytes);
void pinned_free(void *data);
bool is_pinned(const void *data);
void pinned_empty_cache(void);
/* The current stream was given a copy from or to data, which nobody waited for.  0, or -1 with an error. */
int pinned_copied(const void *data);

struct Stream {
    cudaStream_t handle;
    int device, priority;
    struct Stream *next;              /* among those that wait for their next user */
};
struct Event {
    cudaEvent_t handle;
};
cudaStream_t stream_handle(Stream *stream);

#endif
