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
static __device__ void store_result(const ReduceJob *job, int64_t at, double acc, double p)
{
    double y = acc / job->divisor;
    y = job->finish == FINISH_SQRT ? (sqrt_d)(y) : job->finish == FINISH_LOG ? (log_d)(y) + p : y;
    switch (job->result) {
    case DTYPE_DOUBLE: ((double *)job->out)[at] = y; break;
    case DTYPE_FLOAT: ((float *)job->out)[at] = (float)y; break;
    case DTYPE_HALF: ((uint16_t *)job->out)[at] = float_to_f16((float)y); break;
    case DTYPE_BF16: ((uint16_t *)job->out)[at] = float_to_bf16((float)y); break;
    case DTYPE_BOOL: ((bool *)job->out)[at] = y != 0; break;
    case DTYPE_UINT8: ((uint8_t *)job->out)[at] = y != 0; break;
    default: ((int64_t *)job->out)[at] = (int64_t)y; break;
    }
}

static __device__ void store_result(const ReduceJob *job, int64_t at, int64_t acc, double)
{
    if (dtype_is_real(job->result))
        store_result(job, at, (double)acc, 0.0);
    else
        store_int(job->out + at * (job->result == DTYPE_INT64                                   ? 8
                                   : job->result == DTYPE_INT32                                 ? 4
                                   : job->result == DTYPE_INT16                                 ? 2
                                                                                                : 1),
                  job->result, acc);
}

/* ---- folding ---- */
typedef void (*ReduceKernel)(ReduceJob job);

/* Every row as a type with static functions: the kernels below are made once for each. */
#define T int64_t
#define L int64_t
#define A int64_t
#define S i64
#define LOAD(at, dtype) load_int(at, dtype)
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define IN_FLOAT(...)
#define IN_LANE_T(...) __VA_ARGS__
#define IN_LANE_A(...) __VA_ARGS__
#include "cuda/fold.cuh"

#define T float
#define L float
#define A double
#define S f
#define LOAD(at, dtype) (dtype == DTYPE_FLOAT ? *(const float *)(at) : (float)load_real(at, dtype))
#define LOWEST -INFINITY
#define HIGHEST INFINITY
#define IN_FLOAT(...) __VA_ARGS__
#define IN_LANE_T(...) __VA_ARGS__
#define IN_LANE_A(...)
#include "cuda/fold.cuh"

#define T float
#define L double
#define A double
#define S fd
#define LOAD(at, dtype) (dtype == DTYPE_FLOAT ? *(const float *)(at) : (float)load_real(at, dtype))
#define LOWEST -INFINITY
#define HIGHEST INFINITY
#define IN_FLOAT(...) __VA_ARGS__
#define IN_LANE_T(...)
#define IN_LANE_A(...) __VA_ARGS__
#include "cuda/fold.cuh"

#define T double
#define L double
#define A double
#define S d
#define LOAD(at, dtype) (*(const double *)(at))
#define LOWEST -INFINITY
#define HIGHEST INFINITY
#define IN_FLOAT(...) __VA_ARGS__
#define IN_LANE_T(...) __VA_ARGS__
#define IN_LANE_A(...) __VA_ARGS__
#include "cuda/fold.cuh"

template <typename F> static __global__ void __launch_bounds__(REDUCE_THREADS) fold_elements(ReduceJob job)
{
    typedef typename F::Acc Acc;
    CT_SHARED(Acc, parts, [REDUCE_THREADS]);
    const int lanes = REDUCE_THREADS / job.side, tid = threadIdx.x;
    const int x = job.by_columns ? tid % job.side : tid / lanes, lane = job.by_columns ? tid / job.side : tid % lanes;
    const int64_t result = (int64_t)blockIdx.x * job.side + x, first = blockIdx.y * job.piece;
    const int64_t last = first + job.piece < job.reduced.count ? first + job.piece : job.reduced.count;
    const bool exists = result < job.kept.count;
    const double p = exists && job.p ? job.p[result] : 0;
    const char *in = job.in + (exists ? offset_in(&job.kept, result) : 0);
    Acc acc = F::start();
    for (int64_t i = first + lane; exists && i < last;) {
        typename F::Lane part = F::lane_start();
        for (int k = 0; k < DEPTH && i < last; k++, i += lanes)
            part = F::one(part, F::load(in + offset_in(&job.reduced, i), job.dtype), p);
        acc = F::merge(acc, (Acc)part);
    }
    parts[x * lanes + lane] = acc;
    __syncthreads();
    for (int width = lanes / 2; width > 0; width /= 2) {
        if (lane < width)
            parts[x * lanes + lane] = F::merge(parts[x * lanes + lane], parts[x * lanes + lane + width]);
        __syncthreads();
    }
    if (lane != 0 || !exists)
        return;
    if (job.n_pieces == 1)
        store_result(&job, result, parts[x * lanes], p);
    else
        ((Acc *)job.partial)[blockIdx.y * job.kept.count + result] = parts[x * lanes];
}

template <typename F> static __global__ void merge_pieces(ReduceJob job)
{
    typedef typename F::Acc Acc;
    const int64_t result = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (result >= job.kept.count)
        return;
    const Acc *partial = (const Acc *)job.partial + result;
    Acc acc = partial[0];
    for (int64_t piece = 1; piece < job.n_pieces; piece++)
        acc = F::merge(acc, partial[piece * job.kept.count]);
    store_result(&job, result, acc, job.p ? job.p[result] : 0);
}

template <typename F> static void run(const ReduceJob *job, cudaStream_t stream)
{
    const int64_t blocks = (job->kept.count + job->side - 1) / job->side;
    CT_LAUNCH(fold_elements<F>, dim3((unsigned)blocks, (unsigned)job->n_pieces), REDUCE_THREADS, 0, stream, *job);
    if (job->n_pieces > 1)
        CT_LAUNCH(merge_pieces<F>, (unsigned)((job->kept.count + THREADS - 1) / THREADS), THREADS, 0, stream, *job);
}

#define LANE_T_FLOAT(name) name##_f
#define LANE_A_FLOAT(name) name##_fd
#define RUN_FLOAT(name, lane) job->dtype == DTYPE_DOUBLE ? run<name##_d>(job, stream) : run<LANE_##lane##_FLOAT(name)>(job, stream)
#define RUN_ANY(name, lane) job->dtype < DTYPE_HALF ? run<name##_i64>(job, stream) : RUN_FLOAT(name, lane)

void launch_reduce(const ReduceJob *job, cudaStream_t stream)
{
    switch (job->fold) {
#define FOLD(name, class_, lane, ...) \
    case FOLD_##name: RUN_##class_(name, lane); break;
#include "abi/folds.def"
    default: break;
    }
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
