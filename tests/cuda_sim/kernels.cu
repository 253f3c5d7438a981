/* Correct kernels of the kinds that the backend has, checked against host loops.  They must give the same
 * results under every order of threads and streams, and no detector may report anything. */
#include "programs.h"

static std::vector<float> numbers(size_t n)
{
    std::vector<float> x(n);
    unsigned state = 12345;
    for (float &each : x) {
        state = state * 1664525u + 1013904223u;
        each = static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
    }
    return x;
}

/* Prints the largest difference, relative to the largest value. */
static void compare(const std::vector<float> &got, const std::vector<double> &expected)
{
    double error = 0, scale = 0;
    for (size_t i = 0; i < expected.size(); i++) {
        double difference = fabs(static_cast<double>(got[i]) - expected[i]);
        error = difference > error || difference != difference ? difference : error;
        scale = fabs(expected[i]) > scale ? fabs(expected[i]) : scale;
    }
    printf("error %.1e\n", error / scale);
}

__global__ void add_vectors(const float *a, const float *b, float *out, int n)
{
    int i = 4 * static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i + 4 <= n) {
        float4 x = CT_LD16(float4, a + i), y = CT_LD16(float4, b + i);
        CT_ST16(float4, out + i, make_float4(x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w));
    } else {
        for (; i < n; i++)
            out[i] = a[i] + b[i];
    }
}

PROGRAM(add)
{
    const int n = 10003;
    std::vector<float> a = numbers(n);
    std::vector<double> expected(n);
    for (int i = 0; i < n; i++)
        expected[i] = 2.0 * static_cast<double>(a[i]);
    float *x = device_copy(a), *out = device_array<float>(n);
    CT_LAUNCH(add_vectors, (n + 1023) / 1024, 256, 0, 0, x, x, out, n);
    compare(host_copy(out, n), expected);
}

template <class T> __device__ T warp_sum(T x)
{
    for (int step = 16; step > 0; step /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

template <int THREADS> __global__ void sum_all(const float *in, float *out, unsigned *turn, int n)
{
    CT_SHARED(float, parts, [THREADS / 32]);
    CT_SHARED(bool, last, );
    float x = 0;
    for (int i = static_cast<int>(blockIdx.x * THREADS + threadIdx.x); i < n;
         i += THREADS * static_cast<int>(gridDim.x))
        x += in[i];
    x = warp_sum(x);
    if (threadIdx.x % 32 == 0)
        parts[threadIdx.x / 32] = x;
    __syncthreads();
    if (threadIdx.x == 0) {
        x = 0;
        for (int i = 0; i < THREADS / 32; i++)
            x += parts[i];
        out[1 + blockIdx.x] = x;
        __threadfence();
        last = atomicAdd(turn, 1u) == gridDim.x - 1;
        __threadfence();
    }
    __syncthreads();
    if (last && threadIdx.x == 0) {
        x = 0;
        for (unsigned i = 0; i < gridDim.x; i++)
            x += out[1 + i];
        out[0] = x;
    }
}

/* The last block to finish adds what the others left: the same sum in any order of blocks. */
PROGRAM(sum)
{
    const int n = 20000;
    std::vector<float> a = numbers(n);
    double expected = 0;
    for (float each : a)
        expected += static_cast<double>(each);
    float *x = device_copy(a), *out = device_array<float>(17);
    unsigned *turn = device_copy(std::vector<unsigned>{0});
    CT_LAUNCH((sum_all<128>), 16, 128, 0, 0, x, out, turn, n);
    compare(host_copy(out, 1), {expected});
    printf("value %.9g\n", static_cast<double>(host_copy(out, 1)[0]));
}

__global__ void softmax_rows(const float *in, float *out, int columns)
{
    CT_DYN_SHARED(float, row);
    in += blockIdx.x * static_cast<unsigned>(columns);
    out += blockIdx.x * static_cast<unsigned>(columns);
    float top = -INFINITY, total = 0;
    for (int i = static_cast<int>(threadIdx.x); i < columns; i += 32) {
        row[i] = in[i];
        top = fmaxf(top, row[i]);
    }
    for (int step = 16; step > 0; step /= 2)
        top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, step));
    for (int i = static_cast<int>(threadIdx.x); i < columns; i += 32) {
        row[i] = expf(row[i] - top);
        total += row[i];
    }
    total = warp_sum(total);
    for (int i = static_cast<int>(threadIdx.x); i < columns; i += 32)
        out[i] = row[i] / total;
}

PROGRAM(softmax)
{
    const int rows = 20, columns = 101;
    std::vector<float> a = numbers(rows * columns);
    std::vector<double> expected(rows * columns);
    for (int r = 0; r < rows; r++) {
        double total = 0;
        for (int c = 0; c < columns; c++)
            total += expected[r * columns + c] = exp(static_cast<double>(a[r * columns + c]));
        for (int c = 0; c < columns; c++)
            expected[r * columns + c] /= total;
    }
    float *x = device_copy(a), *out = device_array<float>(rows * columns);
    CT_LAUNCH(softmax_rows, rows, 32, columns * sizeof(float), 0, x, out, columns);
    compare(host_copy(out, rows * columns), expected);
}

__global__ void transpose_tiles(const float *in, float *out, int rows, int columns)
{
    CT_SHARED(float, tile, [16][17]);
    int r = static_cast<int>(blockIdx.y * 16 + threadIdx.y),
        c = static_cast<int>(blockIdx.x * 16 + threadIdx.x);
    if (r < rows && c < columns)
        tile[threadIdx.y][threadIdx.x] = in[r * columns + c];
    __syncthreads();
    r = static_cast<int>(blockIdx.y * 16 + threadIdx.x);
    c = static_cast<int>(blockIdx.x * 16 + threadIdx.y);
    if (r < rows && c < columns)
        out[c * rows + r] = tile[threadIdx.x][threadIdx.y];
}

PROGRAM(transpose)
{
    const int rows = 70, columns = 45;
    std::vector<float> a = numbers(rows * columns);
    std::vector<double> expected(rows * columns);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            expected[c * rows + r] = static_cast<double>(a[r * columns + c]);
    float *x = device_copy(a), *out = device_array<float>(rows * columns);
    CT_LAUNCH(transpose_tiles, dim3(3, 5), dim3(16, 16), 0, 0, x, out, rows, columns);
    compare(host_copy(out, rows * columns), expected);
}

struct Tensors {
    float *at[6];
    int n[6];
};

__global__ void scale_tensors(Tensors tensors, float by)
{
    float *x = tensors.at[blockIdx.x];
    for (int i = static_cast<int>(threadIdx.x); i < tensors.n[blockIdx.x]; i += static_cast<int>(blockDim.x))
        x[i] *= by;
}

/* Pointers inside a struct argument, in two captured streams that are replayed twice. */
PROGRAM(graph)
{
    Tensors tensors = {};
    std::vector<float> ones(50, 1.0f);
    for (int i = 0; i < 6; i++)
        tensors.at[i] = device_copy(ones), tensors.n[i] = 10 * i;
    cudaStream_t first, second;
    cudaEvent_t fork, join;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    must(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
    must(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
    must(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    must(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
    must(cudaDeviceSynchronize());
    must(cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal));
    CT_LAUNCH(scale_tensors, 6, 32, 0, first, tensors, 2.0f);
    must(cudaEventRecord(fork, first));
    must(cudaStreamWaitEvent(second, fork, 0));
    CT_LAUNCH(scale_tensors, 6, 32, 0, second, tensors, 3.0f);
    must(cudaEventRecord(join, second));
    must(cudaStreamWaitEvent(first, join, 0));
    must(cudaStreamEndCapture(first, &graph));
    printf("captured %g\n", static_cast<double>(host_copy(tensors.at[5], 50)[49]));
    size_t nodes;
    must(cudaGraphGetNodes(graph, nullptr, &nodes));
    must(cudaGraphInstantiate(&exec, graph, 0));
    must(cudaGraphDestroy(graph));
    must(cudaGraphLaunch(exec, first));
    must(cudaGraphLaunch(exec, first));
    must(cudaStreamSynchronize(first));
    std::vector<float> x = host_copy(tensors.at[4], 50);
    printf("nodes %zu inside %g outside %g\n", nodes, static_cast<double>(x[39]), static_cast<double>(x[40]));
    must(cudaGraphExecDestroy(exec));
}

PROGRAM(broken_captures)
{
    cudaStream_t first, second;
    cudaEvent_t fork;
    cudaGraph_t graph;
    void *p = device_array<float>(8);
    must(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
    must(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
    must(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    must(cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal));
    say("synchronize", cudaStreamSynchronize(first));
    say("end", cudaStreamEndCapture(first, &graph));
    must(cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal));
    say("malloc", cudaMalloc(&p, 16));
    say("end", cudaStreamEndCapture(first, &graph));
    must(cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal));
    must(cudaEventRecord(fork, first));
    must(cudaStreamWaitEvent(second, fork, 0));
    must(cudaMemsetAsync(p, 0, 32, second));
    say("unjoined", cudaStreamEndCapture(first, &graph));
    cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    must(cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal));
    must(cudaThreadExchangeStreamCaptureMode(&mode));
    say("relaxed malloc", cudaMalloc(&p, 16));
    say("end", cudaStreamEndCapture(first, &graph));
    say("not begun", cudaStreamEndCapture(first, &graph));
}

__global__ void vote(const int *in, unsigned *out)
{
    CT_SHARED(int, total, );
    unsigned warp = threadIdx.x / 32, ballot = __ballot_sync(0xffffffffu, in[threadIdx.x]);
    if (threadIdx.x % 32 == 0)
        out[warp] = ballot;
    if (threadIdx.x == 0)
        total = 0;
    int positive = __syncthreads_count(in[threadIdx.x]);
    atomicAdd(&total, in[threadIdx.x]);
    __syncthreads();
    if (threadIdx.x % 2 == 0) { /* half a warp among itself */
        int high = __shfl_down_sync(0x55555555u, static_cast<int>(threadIdx.x), 2);
        if (threadIdx.x == 4)
            out[4] = static_cast<unsigned>(high);
    }
    __syncwarp();
    if (threadIdx.x == 0) {
        out[2] = static_cast<unsigned>(positive);
        out[3] = static_cast<unsigned>(total);
    }
    bool any = __any_sync(0xffffffffu, threadIdx.x == 33), all = __all_sync(0xffffffffu, threadIdx.x > 31);
    int low = __shfl_up_sync(0xffffffffu, static_cast<int>(threadIdx.x), 3, 8);
    if (threadIdx.x == 44)
        out[5] = static_cast<unsigned>(low + 256 * any + 512 * all);
}

PROGRAM(votes)
{
    std::vector<int> in(64);
    for (int i = 0; i < 64; i++)
        in[static_cast<size_t>(i)] = i % 3 == 0;
    unsigned *out = device_array<unsigned>(6);
    CT_LAUNCH(vote, 1, 64, 0, 0, device_copy(in), out);
    for (unsigned each : host_copy(out, 6))
        printf("%x ", each);
    printf("\n");
}

__global__ void histogram(const float *in, int *bins, double *total, long long *top, int n)
{
    int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) {
        atomicAdd(&bins[in[i] < 0 ? 0 : 1], 1);
        atomicAdd(total, 0.25);
        atomicMax(top, static_cast<long long>(i) << 33);
    }
}

PROGRAM(atomics)
{
    const int n = 1000;
    float *in = device_copy(numbers(n));
    int *bins = device_copy(std::vector<int>(2));
    double *total = device_copy(std::vector<double>(1));
    long long *top = device_copy(std::vector<long long>(1));
    CT_LAUNCH(histogram, 4, 256, 0, 0, in, bins, total, top, n);
    std::vector<int> counts = host_copy(bins, 2);
    printf("%d %g %lld\n", counts[0] + counts[1], host_copy(total, 1)[0], host_copy(top, 1)[0] >> 33);
}

/* Many blocks through the same static shared memory, with a barrier at the start only. */
__global__ void reuse(int *out)
{
    CT_SHARED(int, value, [64]);
    value[threadIdx.x] = static_cast<int>(blockIdx.x * 64 + threadIdx.x);
    __syncthreads();
    out[blockIdx.x * 64 + threadIdx.x] = value[63 - threadIdx.x];
}

PROGRAM(blocks)
{
    int *out = device_array<int>(640);
    CT_LAUNCH(reuse, 10, 64, 0, 0, out);
    int wrong = 0, i = 0;
    for (int each : host_copy(out, 640)) {
        wrong += each != i / 64 * 64 + 63 - i % 64;
        i++;
    }
    printf("wrong %d\n", wrong);
}

__global__ void write_flag(int64_t *out, bool flag)
{
    *out = flag;
}

/* What lies beside a small argument is no argument, whatever the heap had there before. */
PROGRAM(beside_an_argument)
{
    int64_t *out = device_array<int64_t>(1);
    for (size_t bytes = 16; bytes <= 256; bytes += 16) {
        std::vector<std::vector<char *>> stale;
        for (int i = 0; i < 20; i++)
            stale.emplace_back(bytes / sizeof(char *), reinterpret_cast<char *>(&stale) + 1);
        stale.clear();
        CT_LAUNCH(write_flag, 1, 1, 0, 0, out, true);
    }
    printf("flag %d\n", static_cast<int>(host_copy(out, 1)[0]));
}
