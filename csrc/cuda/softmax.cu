/* Softmax, its logarithm and their gradients, and the log-sum-exp of cross-entropy; see abi/softmax.h.  A block works on
 * one line of adjacent elements; lines side by side (inner > 1) have a thread each, so that a warp reads rows. */
#include "cuda/launch.h"

#include "abi/formula.h"
#include "cuda/rows.h"

static __device__ __forceinline__ float exp_of(float x)
{
    return exp_f(x);
}
static __device__ __forceinline__ double exp_of(double x)
{
    return exp_d(x);
}
static __device__ __forceinline__ float log_of(float x)
{
    return log_f(x);
}
static __device__ __forceinline__ double log_of(double x)
{
    return log_d(x);
}

/* The threads of one line: `count` of them, which meet in `parts`, or one that needs none.  Sums run in double: a
 * gradient is what is left of a large sum. */
struct Line {
    int thread, count;
    double *parts;
};

template <typename T> static __device__ T all_max(const Line &line, T v)
{
    if (line.count == 1)
        return v;
    __syncthreads();
    line.parts[line.thread] = v;
    __syncthreads();
    for (int width = line.count / 2; width > 0; width /= 2) {
        if (line.thread < width && line.parts[line.thread + width] > line.parts[line.thread])
            line.parts[line.thread] = line.parts[line.thread + width];
        __syncthreads();
    }
    return (T)line.parts[0];
}

static __device__ double all_sum(const Line &line, double v)
{
    if (line.count == 1)
        return v;
    __syncthreads();
    line.parts[line.thread] = v;
    __syncthreads();
    for (int width = line.count / 2; width > 0; width /= 2) {
        if (line.thread < width)
            line.parts[line.thread] += line.parts[line.thread + width];
        __syncthreads();
    }
    return line.parts[0];
}

#define EACH(i) for (int64_t i = line.thread; i < s.n; i += line.count)

/* Comparisons skip NaN; the sum of exponentials then brings it. */
template <typename T> static __device__ T line_max(const Softmax &s, const Line &line, const T *x)
{
    T top = (T)-INFINITY;
    EACH(i)
    top = x[i * s.inner] > top ? x[i * s.inner] : top;
    return all_max(line, top);
}

template <typename T> static __device__ T line_exp_sum(const Softmax &s, const Line &line, const T *x, T top)
{
    double sum = 0;
    EACH(i)
    sum += (double)exp_of(x[i * s.inner] - top);
    return (T)all_sum(line, sum);
}

template <typename T> static __device__ void forward(const Softmax &s, const Line &line, const T *x, T *out)
{
    const T top = line_max(s, line, x), sum = line_exp_sum(s, line, x, top);
    if (s.kind == SOFTMAX_FORWARD) {
        const T factor = 1 / sum;
        EACH(i)
        out[i * s.inner] = exp_of(x[i * s.inner] - top) * factor;
    } else {
        const T log_sum = log_of(sum);
        EACH(i)
        out[i * s.inner] = x[i * s.inner] - top - log_sum;
    }
}

template <typename T> static __device__ void backward(const Softmax &s, const Line &line, const T *y, const T *g, T *out)
{
    const bool logarithm = s.kind == SOFTMAX_LOG_BACKWARD;
    double total = 0;
    EACH(i)
    total += logarithm ? (double)g[i * s.inner] : (double)g[i * s.inner] * (double)y[i * s.inner];
    const T sum = (T)all_sum(line, total);
    EACH(i)
    {
        const int64_t at = i * s.inner;
        out[at] = logarithm ? g[at] - exp_of(y[at]) * sum : y[at] * (g[at] - sum);
    }
}

template <typename T> static __device__ void work(const Softmax &s, const Line &line, int64_t number)
{
    const int64_t at = number / s.inner * s.n * s.inner + number % s.inner, lines = s.outer * s.inner;
    const T *x = (const T *)s.x + at, *g = s.g ? (const T *)s.g + at : NULL;
    T *out = s.out ? (T *)s.out + at : NULL, *lse = (T *)s.lse;
    switch (s.kind) {
    case SOFTMAX_FORWARD:
    case SOFTMAX_LOG: forward(s, line, x, out); break;
    case SOFTMAX_BACKWARD:
    case SOFTMAX_LOG_BACKWARD: backward(s, line, x, g, out); break;
    case SOFTMAX_LSE: {
        const T top = line_max(s, line, x), sum = line_exp_sum(s, line, x, top);
        if (line.thread == 0) {
            lse[number] = top;
            lse[lines + number] = log_of(sum);
        }
        break;
    }
    default: {
        const T top = lse[number], log_sum = lse[lines + number], scale = ((const T *)s.scale)[number];
        EACH(i)
        out[i * s.inner] = exp_of(x[i * s.inner] - top - log_sum) * scale;
    }
    }
}

template <typename T> static __global__ void line_of_a_block(Softmax s)
{
    CT_SHARED(double, parts, [THREADS]);
    const Line line = {(int)threadIdx.x, (int)blockDim.x, &parts[0]};
    for (int64_t number = blockIdx.x; number < s.outer * s.inner; number += gridDim.x)
        work<T>(s, line, number);
}

template <typename T> static __global__ void line_of_a_thread(Softmax s)
{
    const Line line = {0, 1, NULL};
    const int64_t step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t number = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; number < s.outer * s.inner; number += step)
        work<T>(s, line, number);
}

/* Short lines get one warp of threads or few: a power of two. */
static int threads_for(int64_t n)
{
    int threads = 32;
    while (threads < THREADS && threads * 2 < n)
        threads *= 2;
    return threads;
}

template <typename T> static void run(const Softmax *s, cudaStream_t stream)
{
    const int64_t lines = s->outer * s->inner, most = 1 << 20;
    if (s->inner == 1 && s->n > 8)
        CT_LAUNCH(line_of_a_block<T>, (unsigned)(lines < most ? lines : most), threads_for(s->n), 0, stream, *s);
    else {
        const int64_t blocks = (lines + THREADS - 1) / THREADS;
        CT_LAUNCH(line_of_a_thread<T>, (unsigned)(blocks < most ? blocks : most), THREADS, 0, stream, *s);
    }
}

void launch_softmax(const Softmax *s, cudaStream_t stream)
{
    if (s->dtype == DTYPE_FLOAT)
        run<float>(s, stream);
    else
        run<double>(s, stream);
}
