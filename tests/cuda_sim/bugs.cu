/* The planted bugs: each program contains one mistake of a kind that the simulated device is there to find,
 * and prints what a run that found nothing would go on to use.  test_cuda_sim.py says what must be reported
 * for each. */
#include "programs.h"

/* ---- shared memory and barriers ---- */

__global__ void reverse(const float *in, float *out, int fault)
{
    CT_SHARED(float, tile, [64]);
    tile[threadIdx.x] = in[threadIdx.x];
    if (!fault)
        __syncthreads();
    out[threadIdx.x] = tile[63 - threadIdx.x];
}

static void count_nans(int fault)
{
    float *in = device_copy(std::vector<float>(64, 1.0f)), *out = device_array<float>(64);
    CT_LAUNCH(reverse, 1, 64, 0, 0, in, out, fault);
    int nans = 0;
    for (float x : host_copy(out, 64))
        nans += x != x;
    printf("nans %d\n", nans);
}

PROGRAM(missing_barrier)
{
    count_nans(1);
}

PROGRAM(present_barrier)
{
    count_nans(0);
}

__global__ void read_unwritten_shared(float *out)
{
    CT_SHARED(float, total, );
    CT_DYN_SHARED(float, row);
    if (threadIdx.x == 1)
        total = row[0] = 1;
    __syncthreads();
    out[threadIdx.x] = threadIdx.x == 0 ? total : row[threadIdx.x];
}

PROGRAM(unwritten_shared)
{
    float *out = device_array<float>(2);
    CT_LAUNCH(read_unwritten_shared, 1, 2, 2 * sizeof(float), 0, out);
    printf("nans %d\n", host_copy(out, 2)[1] != host_copy(out, 2)[1]);
}

PROGRAM(unwritten_global)
{
    float x = host_copy(device_array<float>(1), 1)[0];
    printf("nans %d\n", x != x);
}

__global__ void diverge(float *out)
{
    if (threadIdx.x < 32)
        __syncthreads(); /* line: barrier-1 */
    else
        __syncthreads(); /* line: barrier-2 */
    out[threadIdx.x] = 1;
}

PROGRAM(divergent_barrier)
{
    CT_LAUNCH(diverge, 1, 64, 0, 0, device_array<float>(64));
    say("launch", cudaGetLastError());
    say("synchronize", cudaDeviceSynchronize());
}

__global__ void wait_for_each_other(int *out)
{
    if (threadIdx.x == 0)
        __syncthreads(); /* line: deadlock-1 */
    else
        out[threadIdx.x] = __shfl_sync(0xffffffffu, 1, 0); /* line: deadlock-2 */
}

PROGRAM(barrier_and_shuffle)
{
    CT_LAUNCH(wait_for_each_other, 1, 32, 0, 0, device_array<int>(32));
    say("synchronize", cudaDeviceSynchronize());
}

__global__ void shuffle_after_return(int *out, int n)
{
    if (static_cast<int>(threadIdx.x) >= n)
        return;
    out[threadIdx.x] = __shfl_down_sync(0xffffffffu, 1, 16); /* line: exited-lanes */
}

PROGRAM(mask_of_exited_lanes)
{
    CT_LAUNCH(shuffle_after_return, 1, 32, 0, 0, device_array<int>(32), 20);
    say("synchronize", cudaDeviceSynchronize());
}

__global__ void shuffle_in_short_warp(int *out)
{
    out[threadIdx.x] = __shfl_down_sync(0xffffffffu, 1, 16); /* line: short-warp */
}

PROGRAM(mask_of_absent_lanes)
{
    CT_LAUNCH(shuffle_in_short_warp, 1, 16, 0, 0, device_array<int>(16));
    say("synchronize", cudaDeviceSynchronize());
}

__global__ void shared_index(float *out, int i)
{
    CT_SHARED(float, part, [32]);
    part[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = part[threadIdx.x + i]; /* line: shared-index */
}

PROGRAM(shared_out_of_bounds)
{
    CT_LAUNCH(shared_index, 1, 32, 0, 0, device_array<float>(32), 1);
    say("synchronize", cudaDeviceSynchronize());
}

__global__ void dynamic_index(float *out)
{
    CT_DYN_SHARED(float, row);
    row[threadIdx.x] = 1;
    out[threadIdx.x] = row[threadIdx.x];
}

PROGRAM(dynamic_shared_out_of_bounds)
{
    CT_LAUNCH(dynamic_index, 1, 33, 32 * sizeof(float), 0, device_array<float>(33));
    say("synchronize", cudaDeviceSynchronize());
}

/* ---- global memory ---- */

__global__ void fill(float *out, int n)
{
    int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i <= n) /* the mistake: < */
        out[i] = 1;
}

PROGRAM(write_past_the_end)
{
    CT_LAUNCH(fill, 2, 64, 0, 0, device_array<float>(64), 64);
    say("launch", cudaGetLastError());
    say("synchronize", cudaDeviceSynchronize());
    say("synchronize", cudaDeviceSynchronize());
    say("reset", cudaDeviceReset());
    printf("after %g\n", host_copy(device_copy(std::vector<float>{5}), 1)[0]);
}

PROGRAM(write_into_the_slack)
{
    CT_LAUNCH(fill, 1, 64, 0, 0, device_array<float>(61),
              61); /* 61 floats end 12 bytes before the page does */
    say("synchronize", cudaDeviceSynchronize());
}

__global__ void write_at(float *out, int i)
{
    out[i] = 1;
}

PROGRAM(write_before_the_start)
{
    CT_LAUNCH(write_at, 1, 1, 0, 0, device_array<float>(64), -1);
    say("synchronize", cudaDeviceSynchronize());
}

PROGRAM(use_after_free)
{
    float *p = device_array<float>(64);
    must(cudaFree(p));
    CT_LAUNCH(write_at, 1, 1, 0, 0, p, 3);
    say("synchronize", cudaDeviceSynchronize());
}

PROGRAM(free_twice)
{
    float *p = device_array<float>(64);
    must(cudaFree(p));
    say("free", cudaFree(p));
}

__global__ void load_vector(const float *in, float *out)
{
    float4 v = CT_LD16(float4, in + 1); /* line: misaligned */
    CT_ST16(float4, out, v);
}

PROGRAM(misaligned_vector)
{
    CT_LAUNCH(load_vector, 1, 1, 0, 0, device_array<float>(8), device_array<float>(4));
    say("synchronize", cudaDeviceSynchronize());
}

__global__ void divide(int *out, int by)
{
    *out = 7 / by;
}

PROGRAM(division_by_zero)
{
    CT_LAUNCH(divide, 1, 1, 0, 0, device_array<int>(1), 0);
    say("synchronize", cudaDeviceSynchronize());
}

__global__ void dive(int *out, int depth)
{
    volatile char frame[4096];
    frame[depth % 4096] = 1;
    if (depth > 0)
        dive(out, depth - 1);
    *out = frame[0];
}

PROGRAM(stack_overflow)
{
    CT_LAUNCH(dive, 1, 1, 0, 0, device_array<int>(1), 1000);
    say("synchronize", cudaDeviceSynchronize());
}

__global__ void count(int *out)
{
    ++*out; /* line: block-race */
}

PROGRAM(blocks_write_one_word)
{
    int *out = device_copy(std::vector<int>{0});
    CT_LAUNCH(count, 8, 1, 0, 0, out);
    printf("count %d\n", host_copy(out, 1)[0]);
}

/* ---- launches ---- */

PROGRAM(launch_limits)
{
    float *out = device_array<float>(4096);
    CT_LAUNCH(write_at, 1, 2048, 0, 0, out, 0);
    say("threads", cudaGetLastError());
    CT_LAUNCH(write_at, dim3(1, 65536), 1, 0, 0, out, 0);
    say("grid", cudaGetLastError());
    CT_LAUNCH(write_at, 1, 1, 49 << 10, 0, out, 0);
    say("shared", cudaGetLastError());
    must(cudaFuncSetAttribute(write_at, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 << 10));
    CT_LAUNCH(write_at, 1, 1, 49 << 10, 0, out, 0);
    say("opted in", cudaGetLastError());
    CT_LAUNCH(write_at, 0, 1, 0, 0, out, 0);
    say("empty", cudaGetLastError());
}

PROGRAM(host_pointer_argument)
{
    static float x = 7;
    CT_LAUNCH(write_at, 1, 1, 0, 0, &x, 0);
    say("launch", cudaGetLastError());
    must(cudaDeviceSynchronize());
    printf("x %g\n", x);
}

struct Slot {
    int i;
    float *at;
};

__global__ void write_slot(Slot slot)
{
    slot.at[slot.i] = 1;
}

PROGRAM(host_pointer_in_a_struct)
{
    static float x = 7;
    CT_LAUNCH(write_slot, 1, 1, 0, 0, Slot{0, &x});
    say("launch", cudaGetLastError());
    must(cudaDeviceSynchronize());
    printf("x %g\n", x);
}

/* ---- host code ---- */

PROGRAM(host_reads_device_memory)
{
    float *p = device_copy(std::vector<float>{1, 2, 3});
    fflush(stdout);
    printf("%g\n", p[1]);
}

__global__ void slow_fill(float *out, int n, float value)
{
    for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x))
        out[i] = value;
}

/* A non_blocking copy to the host, read without waiting. */
PROGRAM(pinned_read_too_early)
{
    void *pinned;
    must(cudaMallocHost(&pinned, 4));
    *static_cast<float *>(pinned) = 0;
    float *p = device_array<float>(1);
    CT_LAUNCH(slow_fill, 1, 1, 0, 0, p, 1, 10.0f);
    must(cudaMemcpyAsync(pinned, p, 4, cudaMemcpyDeviceToHost, 0));
    printf("early %g\n", *static_cast<float *>(pinned));
    must(cudaDeviceSynchronize());
    printf("late %g\n", *static_cast<float *>(pinned));
}

/* A pinned staging buffer, filled again before its copy has happened. */
PROGRAM(pinned_reused_too_early)
{
    void *pinned;
    must(cudaMallocHost(&pinned, 4));
    float *p = device_array<float>(1);
    *static_cast<float *>(pinned) = 1;
    must(cudaMemcpyAsync(p, pinned, 4, cudaMemcpyHostToDevice, 0));
    *static_cast<float *>(pinned) = 2;
    printf("copied %g\n", host_copy(p, 1)[0]);
}

static void two_streams(bool wait)
{
    const int n = 64;
    cudaStream_t first, second;
    cudaEvent_t done;
    must(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
    must(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
    must(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
    float *from = device_copy(std::vector<float>(n, 0.0f)), *to = device_array<float>(n);
    int wrong = 0;
    for (int i = 1; i <= 20; i++) {
        CT_LAUNCH(slow_fill, 1, 32, 0, first, from, n, static_cast<float>(i));
        must(cudaEventRecord(done, first));
        if (wait)
            must(cudaStreamWaitEvent(second, done, 0));
        must(cudaMemcpyAsync(to, from, n * sizeof(float), cudaMemcpyDeviceToDevice, second));
        must(cudaStreamSynchronize(second));
        wrong += host_copy(to, n)[n - 1] != static_cast<float>(i);
    }
    printf("wrong %d\n", wrong);
}

PROGRAM(missing_event_wait)
{
    two_streams(false);
}

PROGRAM(present_event_wait)
{
    two_streams(true);
}

PROGRAM(copy_out_of_range)
{
    std::vector<float> host(65);
    float *p = device_array<float>(64);
    say("copy", cudaMemcpy(p, host.data(), 65 * sizeof(float), cudaMemcpyHostToDevice));
    say("direction", cudaMemcpy(p, host.data(), 4, cudaMemcpyDeviceToHost));
}

/* ---- things that go wrong by themselves ---- */

PROGRAM(out_of_memory)
{
    void *p;
    say("first", cudaMalloc(&p, 600 << 10));
    say("second", cudaMalloc(&p, 600 << 10));
    say("small", cudaMalloc(&p, 100 << 10));
    size_t free, total;
    must(cudaMemGetInfo(&free, &total));
    printf("free %zu of %zu\n", free, total);
}

PROGRAM(calls_that_fail)
{
    void *p;
    for (int i = 0; i < 3; i++)
        say("malloc", cudaMalloc(&p, 16));
    say("last", cudaGetLastError());
    say("last", cudaGetLastError());
}

PROGRAM(devices)
{
    int n = -7;
    say("status", cudaGetDeviceCount(&n));
    printf("count %d\n", n);
    void *p;
    say("malloc", cudaMalloc(&p, 16));
    say("second", cudaSetDevice(1));
}

/* A kernel of one device with memory of the other. */
PROGRAM(memory_of_another_device)
{
    float *p = device_array<float>(4), *q;
    must(cudaSetDevice(1));
    q = device_array<float>(4);
    must(cudaMemcpy(q, p, 16, cudaMemcpyDeviceToDevice));
    CT_LAUNCH(write_at, 1, 1, 0, 0, p, 0);
    say("synchronize", cudaDeviceSynchronize());
    must(cudaSetDevice(0));
    say("the other", cudaDeviceSynchronize());
}
