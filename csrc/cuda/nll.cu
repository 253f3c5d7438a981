/* Losses that pick one class a line; see abi/loss.h.  A target that is no class is noted as a fault and left out. */
#include "cuda/launch.h"

#include "cuda/rows.h"

enum { SUM_THREADS = 256 };

static __device__ bool is_class(const Nll &a, int64_t t, Fault *fault)
{
    if (t == a.ignore_index)
        return false;
    if (t >= 0 && t < a.n)
        return true;
    fault->value = t;
    fault->size = a.n;
    fault->kind = FAULT_TARGET;
    return false;
}

static __device__ int64_t picked(const Nll &a, int64_t line, int64_t t)
{
    return (line / a.inner * a.n + t) * a.inner + line % a.inner;
}

template <typename T> static __device__ T loss_of(const Nll &a, int64_t line, int64_t t)
{
    const int64_t lines = a.outer * a.inner;
    const T *lse = (const T *)a.lse;
    T y = ((const T *)a.x)[picked(a, line, t)];
    if (lse != NULL)
        y = (y - lse[line]) - lse[lines + line];
    return a.weight ? -y * ((const T *)a.weight)[t] : -y;
}

#define EACH_LINE(line) \
    for (int64_t line = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; line < a.outer * a.inner; \
         line += (int64_t)gridDim.x * blockDim.x)

template <typename T> static __global__ void each_line(Nll a, Fault *fault)
{
    EACH_LINE(line)
    {
        const int64_t t = a.target[line];
        const bool counts = is_class(a, t, fault);
        T *out = (T *)a.out;
        if (a.kind == NLL_EACH)
            out[line] = counts ? loss_of<T>(a, line, t) : (T)0;
        else if (a.kind == NLL_SCALE) {
            const T g = ((const T *)a.g)[line * a.g_stride] / (a.total ? *(const T *)a.total : (T)1);
            out[line] = !counts ? (T)0 : a.weight ? g * ((const T *)a.weight)[t] : g;
        } else if (counts)
            out[picked(a, line, t)] -= ((const T *)a.x)[line];
    }
}

/* One block, so that the order of summation is one; sums run in double. */
template <typename T> static __global__ void __launch_bounds__(SUM_THREADS) sum_lines(Nll a, Fault *fault)
{
    CT_SHARED(double, sums, [SUM_THREADS]);
    CT_SHARED(double, totals, [SUM_THREADS]);
    const int tid = threadIdx.x;
    double sum = 0, total = 0;
    EACH_LINE(line)
    {
        const int64_t t = a.target[line];
        if (!is_class(a, t, fault))
            continue;
        sum += (double)loss_of<T>(a, line, t);
        total += a.weight ? (double)((const T *)a.weight)[t] : 1;
    }
    sums[tid] = sum;
    totals[tid] = total;
    __syncthreads();
    for (int width = SUM_THREADS / 2; width > 0; width /= 2) {
        if (tid < width) {
            sums[tid] += sums[tid + width];
            totals[tid] += totals[tid + width];
        }
        __syncthreads();
    }
    if (tid != 0)
        return;
    *(T *)a.out = (T)(a.kind == NLL_MEAN ? sums[0] / totals[0] : sums[0]);
    *(T *)a.total = (T)totals[0];
}

template <typename T> static void run(const Nll *a, Fault *fault, int blocks, cudaStream_t stream)
{
    if (a->kind == NLL_SUM || a->kind == NLL_MEAN)
        CT_LAUNCH(sum_lines<T>, 1, SUM_THREADS, 0, stream, *a, fault);
    else
        CT_LAUNCH(each_line<T>, blocks, THREADS, 0, stream, *a, fault);
}

void launch_nll(const Nll *a, Fault *fault, int blocks, cudaStream_t stream)
{
    if (a->dtype == DTYPE_FLOAT)
        run<float>(a, fault, blocks, stream);
    else
        run<double>(a, fault, blocks, stream);
}

static __global__ void check_lines(Nll a, Fault *fault)
{
    EACH_LINE(line)
    (void)is_class(a, a.target[line], fault);
}

void launch_targets(const Nll *a, Fault *fault, int blocks, cudaStream_t stream)
{
    CT_LAUNCH(check_lines, blocks, THREADS, 0, stream, *a, fault);
}
