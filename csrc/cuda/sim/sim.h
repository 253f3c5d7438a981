/* What the files of the simulated device know of each other.  One lock is held during every call of the
 * interface, so all state below is plain; kernels run under it too, on fibers of the calling thread.
 *
 *   settings.cpp   the CTSIM_* variables                 block.cpp    the threads of a block, barriers, warps
 *   device.cpp     devices, the lock, errors             fiber.cpp    stacks and the switch between them
 *   memory.cpp     device and pinned memory              launch.cpp   checks and the queueing of a kernel
 *   copy.cpp       memcpy and memset                     fault.cpp    signals: whose access, of what memory
 *   stream.cpp     streams, events, when work runs       blas.cpp     a cuBLAS of four functions
 *   graph.cpp      captured streams                      race.h       what ThreadSanitizer is told */
#ifndef CTSIM_SIM_H
#define CTSIM_SIM_H

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda_runtime.h"

namespace ctsim {

constexpr int MAX_DEVICES = 8, MAX_THREADS = 1024, WARP = 32;
constexpr size_t SHARED_LIMIT = 48 << 10, SHARED_OPTIN_LIMIT = 227 << 10;
constexpr unsigned char POISON = 0xff; /* a NaN in every floating dtype, -1 in every signed one */

/* ---- settings.cpp: read when used, so a test may change them in the middle of a process ---- */

enum class Order { forward, reverse, random };
Order schedule();
bool lazy_streams();
bool blocks_unordered();
size_t memory_limit();
size_t readback_limit();
int device_count(); /* -1: no driver */
bool blas_present();
bool lt_present(); /* and cublasLt with it */
const char *blas_place();
cudaError_t planned_failure(const char *call);
uint32_t random_below(uint32_t n); /* for schedules and the order of streams; seeded by their settings */

/* What the self-test switches off, by CTSIM_OFF, to see that its tests depend on it. */
struct Detectors {
    bool guard, slack, poison, lines, deadlock, masks, align, validate, host, args;
};
const Detectors &detectors();

__attribute__((format(printf, 1, 2))) void report(const char *format, ...);

/* ---- device.cpp ---- */

struct Stream;

struct Device {
    int index;
    cudaError_t pending; /* a kernel's fault that no synchronising call has reported yet */
    cudaError_t fault;   /* reported: every call fails with it until cudaDeviceReset */
    Stream *null_stream;
};

Device *current_device();
Device *device_at(int index); /* null if there is none */
void device_faulted(Device *device, cudaError_t error);
cudaError_t surface(Device *device); /* what a synchronising call returns */

std::recursive_mutex &lock();
cudaError_t begin(const char *call); /* a planned failure, no driver, an earlier fault */
cudaError_t record_error(cudaError_t error);

/* Every call of the interface that can fail: the lock, what makes any call fail, the last error. */
template <class F> cudaError_t api(const char *name, F body)
{
    std::lock_guard<std::recursive_mutex> held(lock());
    cudaError_t error = begin(name);
    return record_error(error == cudaSuccess ? body() : error);
}

/* ---- memory.cpp ---- */

struct Block {
    uintptr_t handle;         /* as the host knows it */
    size_t size, front, back; /* back: slack to the guard page, front: from the first page's start */
    int device;
};

/* The distance from a device's handles to the storage behind them. */
uintptr_t storage_of(uintptr_t handle);
int device_of_handle(uintptr_t address); /* -1 if it is none */
const Block *find_block(uintptr_t handle);
/* A device range in one block, pinned or plain host memory: where the host finds it. */
void *usable(const void *ptr, size_t count, bool *on_device, bool *pinned, const char *call);
bool is_pinned(const void *ptr);
void check_slack(uintptr_t handle, const char *after);
/* Whose memory an address is, in words; false if it is none of ours. */
bool describe_address(uintptr_t address, char *text, size_t size);
void release_memory(int device);

/* ---- stream.cpp ---- */

struct Graph;

/* One recording of an event: what a wait refers to stays the same when the event is recorded again. */
struct Record {
    bool done;
    double ms;
};

struct Work {
    std::function<void()> run;
    std::shared_ptr<Record> after;     /* null, or what must be done before */
    std::shared_ptr<Record> completes; /* null, or what is done with it */
    uint64_t number;
};

void enqueue(Stream *stream, std::function<void()> run);
Stream *stream_of(cudaStream_t stream); /* null for a handle that is none */
Stream *new_stream(Device *device, bool blocking);
Device *device_of(const Stream *stream);
void run_all();
cudaError_t synchronize(Stream *stream);
void release_streams(Device *device);

/* ---- graph.cpp ---- */

/* What an event stands for that was recorded in a captured stream. */
struct Mark {
    Graph *graph;
    Stream *stream;
    size_t queued; /* how much of the stream's work comes before it */
};

Graph *&capture_of(Stream *stream); /* null while the stream captures nothing */
void capture_work(Stream *stream, std::function<void()> run);
Mark capture_mark(Stream *stream);
cudaError_t capture_wait(Stream *stream, const Mark &mark);
cudaError_t break_capture(Graph *graph); /* a call that this capture forbids */
cudaError_t forbidden_in_capture();      /* a call that any capture forbids */

/* ---- fiber.cpp ---- */

struct Fiber;
Fiber *new_fiber(void (*entry)());
void enter_fiber(Fiber *fiber, void *race_context); /* from the scheduler, until the fiber leaves */
void leave_fiber();                                 /* from a fiber, back to the scheduler */
void reset_fiber(Fiber *fiber);                     /* forget what it was doing */
bool on_fiber();
bool in_fiber_guard(uintptr_t address);
/* Leaves a signal handler for `next` on the interrupted stack; false where that is not possible. */
bool leave_handler(void *context, void (*next)());

/* ---- block.cpp ---- */

struct Grid {
    ctsim_Kernel *kernel;
    dim3 grid, block;
    size_t dyn_shared;
    cudaError_t error;
};
void run_grid(Grid *grid);
/* On a fiber: gives the kernel up. */
[[noreturn]] void fail_kernel(cudaError_t error);
bool in_shared_guard(uintptr_t address);       /* just behind the dynamic shared memory */
void describe_thread(char *text, size_t size); /* "kernel k, block (0,0,0), thread (0,0,0)" */

/* ---- fault.cpp ---- */

/* Before every kernel and with every new block: a handler that was installed since then gets its place
 * behind. */
void catch_faults();

}  // namespace ctsim

#endif
