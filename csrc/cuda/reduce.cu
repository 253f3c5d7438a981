/* Folds of abi/folds.def over strided tensors, and where the extremes are. */
#include "cuda/launch.h"

#include "cuda/element.cuh"
#include "cuda/reduce.h"
#include "abi/formula_names.h"

#define FORMULA_SUFFIX S
#define JOIN2_(a, b) a##_##b
#define JOIN2(a, b) JOIN2_(a, b)

#ifdef __CUDACC__
#pragma nv_diag_suppress 177
#endif

enum { DEPTH = 32 };                  /* elements folded in the lane type before they join the accumulator */

static __device__ int64_t offset_in(const Axes *axes, int64_t index)
{
    int64_t offset = 0;
    if (axes->small) {
        uint32_t i = (uint32_t)index;
        CT_ROLLED
        for (int d = 0; d < axes->n; d++) {
            const uint32_t rest = d + 1 < axes->n ? divide(i, axes->dividers[d]) : 0;
            offset += (int64_t)(i - rest * axes->dividers[d].divisor) * axes->strides[d];
            i = rest;
        }
        return offset;
    }
    CT_ROLLED
    for (int d = 0; d < axes->n; d++) {
        offset += index % axes->dims[d] * axes->strides[d];
        index /= axes->dims[d];
    }
    return offset;
}

/* ---- what becomes of an accumulator ---- */
static __device__ void store_result(char *out, int64_t at, int dtype, int finish, double acc, double divisor, double p)
{
    double y = acc / divisor;
    y = finish == FINISH_SQRT ? (sqrt_d)(y) : finish == FINISH_LOG ? (log_d)(y) + p : y;
    switch (dtype) {
    case DTYPE_DOUBLE: ((double *)out)[at] = y; break;
    case DTYPE_FLOAT: ((float *)out)[at] = (float)y; break;
    case DTYPE_HALF: ((uint16_t *)out)[at] = float_to_f16((float)y); break;
    case DTYPE_BF16: ((uint16_t *)out)[at] = float_to_bf16((float)y); break;
    case DTYPE_BOOL: ((bool *)out)[at] = y != 0; break;
    case DTYPE_UINT8: ((uint8_t *)out)[at] = y != 0; break;
    default: ((int64_t *)out)[at] = (int64_t)y; break;
    }
}

static __device__ void store_result(char *out, int64_t at, int dtype, int finish, int64_t acc, double divisor, double)
{
    if (dtype_is_real(dtype))
        store_result(out, at, dtype, finish, (double)acc, divisor, 0.0);
    else
        store_int(out + at * (dtype == DTYPE_INT64 ? 8 : dtype == DTYPE_INT32 ? 4 : dtype == DTYPE_INT16 ? 2 : 1), dtype, acc);
}

/* ---- elements ---- */
enum { BATCH = 4 };                   /* elements that a thread reads before it folds them */

template <typename V, typename T> static __device__ __forceinline__ void read_as(const char *at, int64_t step, T *x)
{
    for (int j = 0; j < BATCH; j++)
        x[j] = (T)*(const V *)(at + j * step);
}

static __device__ __forceinline__ void read_batch(const char *at, int64_t step, int dtype, int64_t *x)
{
    switch (dtype) {
    case DTYPE_BOOL:
        for (int j = 0; j < BATCH; j++)
            x[j] = *(const uint8_t *)(at + j * step) != 0;
        break;
    case DTYPE_UINT8: read_as<uint8_t>(at, step, x); break;
    case DTYPE_INT8: read_as<int8_t>(at, step, x); break;
    case DTYPE_INT16: read_as<int16_t>(at, step, x); break;
    case DTYPE_INT32: read_as<int32_t>(at, step, x); break;
    default: read_as<int64_t>(at, step, x); break;
    }
}

static __device__ __forceinline__ void read_batch(const char *at, int64_t step, int dtype, float *x)
{
    uint16_t half[BATCH];
    if (dtype == DTYPE_FLOAT) {
        read_as<float>(at, step, x);
        return;
    }
    read_as<uint16_t>(at, step, half);
    for (int j = 0; j < BATCH; j++)
        x[j] = dtype == DTYPE_HALF ? f16_to_float(half[j]) : bf16_to_float(half[j]);
}

static __device__ __forceinline__ void read_batch(const char *at, int64_t step, int, double *x)
{
    read_as<double>(at, step, x);
}

static __device__ __forceinline__ void read_element(const char *at, int dtype, int64_t *x)
{
    *x = load_int(at, dtype);
}

static __device__ __forceinline__ void read_element(const char *at, int dtype, float *x)
{
    *x = dtype == DTYPE_FLOAT  ? *(const float *)at
         : dtype == DTYPE_HALF ? f16_to_float(*(const uint16_t *)at)
                               : bf16_to_float(*(const uint16_t *)at);
}

static __device__ __forceinline__ void read_element(const char *at, int, double *x)
{
    *x = *(const double *)at;
}

/* ---- folding ---- */
#define T int64_t
#define A int64_t
#define S i64
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define IN_FLOAT(...)
#include "cuda/fold.cuh"

#define T float
#define A double
#define S f
#define LOWEST -INFINITY
#define HIGHEST INFINITY
#define IN_FLOAT(...) __VA_ARGS__
#include "cuda/fold.cuh"

#define T double
#define A double
#define S d
#define LOWEST -INFINITY
#define HIGHEST INFINITY
#define IN_FLOAT(...) __VA_ARGS__
#include "cuda/fold.cuh"

/* One kernel for all rows of a type: which it is, is asked once for BATCH elements. */
template <typename F> static __global__ void __launch_bounds__(REDUCE_THREADS) fold_elements(ReduceJob job)
{
    typedef typename F::Acc Acc;
    CT_SHARED(Acc, parts, [REDUCE_THREADS]);
    const int lanes = REDUCE_THREADS >> job.log_side, tid = threadIdx.x, row = job.fold;
    const int x = job.by_columns ? tid & ((1 << job.log_side) - 1) : tid / lanes;
    const int lane = job.by_columns ? tid >> job.log_side : tid & (lanes - 1);
    const int64_t result = ((int64_t)blockIdx.x << job.log_side) + x, first = blockIdx.y * job.piece;
    const int64_t last = first + job.piece < job.reduced.count ? first + job.piece : job.reduced.count;
    const bool exists = result < job.kept.count, in_line = job.reduced.n <= 1;
    const double p = exists && job.p ? job.p[result] : 0;
    const char *in = job.in + (exists ? offset_in(&job.kept, result) : 0);
    const int64_t stride = job.reduced.n == 0 ? 0 : job.reduced.strides[0];
    Acc acc = F::start(row);
    for (int64_t i = first + lane; exists && i < last;) {
        typename F::Part part = {(typename F::Element)F::start(row), F::start(row)};
        CT_ROLLED
        for (int k = 0; k < DEPTH && i < last;) {
            typename F::Element elements[BATCH] = {};
            const int count = in_line && i + (BATCH - 1) * lanes < last ? BATCH : 1;
            if (count == BATCH)
                read_batch(in + i * stride, lanes * stride, job.dtype, elements);
            else
                read_element(in + (in_line ? i * stride : offset_in(&job.reduced, i)), job.dtype, elements);
            F::fold(row, &part, elements, count, p);
            k += count;
            i += count * lanes;
        }
        acc = F::merge(row, acc, F::value(row, part));
    }
    parts[x * lanes + lane] = acc;
    __syncthreads();
    CT_ROLLED
    for (int width = lanes / 2; width > 0; width /= 2) {
        if (lane < width)
            parts[x * lanes + lane] = F::merge(row, parts[x * lanes + lane], parts[x * lanes + lane + width]);
        __syncthreads();
    }
    if (lane != 0 || !exists)
        return;
    if (job.n_pieces == 1)
        store_result(job.out, result, job.result, job.finish, parts[x * lanes], job.divisor, p);
    else
        ((Acc *)job.partial)[blockIdx.y * job.kept.count + result] = parts[x * lanes];
}

template <typename F> static void run(const ReduceJob *job, cudaStream_t stream)
{
    const int64_t blocks = (job->kept.count + (1 << job->log_side) - 1) >> job->log_side;
    CT_LAUNCH(fold_elements<F>, dim3((unsigned)blocks, (unsigned)job->n_pieces), REDUCE_THREADS, 0, stream, *job);
}

void launch_reduce(const ReduceJob *job, cudaStream_t stream)
{
    if (job->dtype < DTYPE_HALF)
        run<Folds_i64>(job, stream);
    else if (job->dtype == DTYPE_DOUBLE)
        run<Folds_d>(job, stream);
    else
        run<Folds_f>(job, stream);
}

/* ---- where the extremes are ---- */
/* NaN is extreme, and the first of equals stays. */
template <typename V> static __device__ bool is_better(bool largest, V v, int64_t i, V best, int64_t at)
{
    const bool beyond = (largest ? v > best : v < best) || (v != v && best == best);
    const bool equal = v == best || (v != v && best != best);
    return beyond || (equal && i < at);
}

template <typename V> static __device__ V load_as(const char *at, int dtype);
template <> __device__ int64_t load_as<int64_t>(const char *at, int dtype)
{
    return load_int(at, dtype);
}
template <> __device__ double load_as<double>(const char *at, int dtype)
{
    return load_real(at, dtype);
}

template <typename V> static __global__ void __launch_bounds__(REDUCE_THREADS) find_extreme(ArgJob job)
{
    CT_SHARED(V, values, [REDUCE_THREADS]);
    CT_SHARED(int64_t, places, [REDUCE_THREADS]);
    const int tid = threadIdx.x, threads = blockDim.x;
    for (int64_t result = blockIdx.x; result < job.kept.count; result += gridDim.x) {
        const char *in = job.in + offset_in(&job.kept, result);
        V best = load_as<V>(in, job.dtype);
        int64_t at = 0;
        for (int64_t i = tid; i < job.n; i += threads) {
            const V v = load_as<V>(in + i * job.stride, job.dtype);
            if (is_better(job.largest, v, i, best, at)) {
                best = v;
                at = i;
            }
        }
        values[tid] = best;
        places[tid] = at;
        __syncthreads();
        for (int width = threads / 2; width > 0; width /= 2) {
            if (tid < width && is_better(job.largest, values[tid + width], places[tid + width], values[tid], places[tid])) {
                values[tid] = values[tid + width];
                places[tid] = places[tid + width];
            }
            __syncthreads();
        }
        if (tid == 0)
            job.indices[result] = places[0];
        if (job.values != NULL && tid < job.itemsize)
            job.values[result * job.itemsize + tid] = in[places[0] * job.stride + tid];
        __syncthreads();
    }
}

/* A block for each result, with no more threads than its elements keep busy. */
void launch_arg_reduce(const ArgJob *job, cudaStream_t stream)
{
    const unsigned blocks = job->kept.count < 65535 ? (unsigned)job->kept.count : 65535;
    unsigned threads = 32;
    while (threads < REDUCE_THREADS && threads < job->n)
        threads *= 2;
    if (job->dtype < DTYPE_HALF)
        CT_LAUNCH(find_extreme<int64_t>, blocks, threads, 0, stream, *job);
    else
        CT_LAUNCH(find_extreme<double>, blocks, threads, 0, stream, *job);
}

static __global__ void __launch_bounds__(THREADS) find_range(Places p, long long *range)
{
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < p.n; i += gridDim.x * blockDim.x) {
        int64_t offset[1];
        place(&p, i, 1, offset);
        const long long x = *(const int64_t *)(p.ptr[0] + offset[0]);
        atomicMin(&range[0], x);
        atomicMax(&range[1], x);
    }
}

void launch_range(const Places *places, long long *range, int blocks, cudaStream_t stream)
{
    CT_LAUNCH(find_range, blocks, THREADS, 0, stream, *places, range);
}
