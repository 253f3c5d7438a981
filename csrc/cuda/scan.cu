/* Running reductions.  Lines side by side have a thread each; a line of adjacent elements has a block, which takes
 * THREADS elements at a time and carries the last result on.  Sums of floats run in double, as on the CPU. */
#include "cuda/launch.h"

#include "abi/formula.h"
#include "cuda/rows.h"

/* A running value and, for extremes, the place of the one that stands. */
template <typename V> struct State {
    V value;
    int64_t at;
};

/* `right` comes later.  NaN is extreme and stays; of equals the last. */
template <typename V> static __device__ State<V> combine(int kind, State<V> left, State<V> right)
{
    const V a = left.value, b = right.value;
    switch (kind) {
    case SCAN_SUM: return {(V)(a + b), 0};
    case SCAN_PROD: return {(V)(a * b), 0};
    case SCAN_LOGSUMEXP: return {(V)logaddexp_d((double)a, (double)b), 0};
    default: {
        const bool take = b != b || (a == a && (kind == SCAN_MAX ? b >= a : b <= a));
        return take ? right : left;
    }
    }
}

template <typename T, typename V> static __device__ void write(const Scan &s, int64_t at, State<V> state)
{
    ((T *)s.out)[at] = (T)state.value;
    if (s.indices != NULL)
        s.indices[at] = state.at;
}

template <typename T, typename V> static __global__ void scan_by_threads(Scan s)
{
    const int64_t lines = s.outer * s.inner, step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t line = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; line < lines; line += step) {
        const int64_t first = line / s.inner * s.n * s.inner + line % s.inner;
        State<V> state = {(V)((const T *)s.in)[first], 0};
        write<T>(s, first, state);
        for (int64_t i = 1; i < s.n; i++) {
            const State<V> next = {(V)((const T *)s.in)[first + i * s.inner], i};
            state = combine(s.kind, state, next);
            write<T>(s, first + i * s.inner, state);
        }
    }
}

template <typename T, typename V> static __global__ void __launch_bounds__(THREADS) scan_by_blocks(Scan s)
{
    CT_SHARED(V, values, [THREADS]);
    CT_SHARED(int64_t, places, [THREADS]);
    const int tid = threadIdx.x;
    for (int64_t line = blockIdx.x; line < s.outer; line += gridDim.x) {
        State<V> carry = {(V)0, 0};
        for (int64_t begin = 0; begin < s.n; begin += THREADS) {
            const int64_t i = begin + tid;
            const int count = s.n - begin < THREADS ? (int)(s.n - begin) : (int)THREADS;
            State<V> state = {tid < count ? (V)((const T *)s.in)[line * s.n + i] : (V)0, i};
            __syncthreads();
            for (int distance = 1; distance < count; distance *= 2) {
                values[tid] = state.value;
                places[tid] = state.at;
                __syncthreads();
                if (tid >= distance && tid < count)
                    state = combine(s.kind, State<V>{values[tid - distance], places[tid - distance]}, state);
                __syncthreads();
            }
            if (begin > 0)
                state = combine(s.kind, carry, state);
            if (tid < count)
                write<T>(s, line * s.n + i, state);
            if (tid == count - 1) {
                values[0] = state.value;
                places[0] = state.at;
            }
            __syncthreads();
            carry = {values[0], places[0]};
        }
    }
}

template <typename T, typename V> static void run(const Scan *s, cudaStream_t stream)
{
    const int64_t most = 65535, lines = s->outer * s->inner, blocks = (lines + THREADS - 1) / THREADS;
    if (s->inner == 1 && s->n > 32)
        CT_LAUNCH((scan_by_blocks<T, V>), (unsigned)(s->outer < most ? s->outer : most), THREADS, 0, stream, *s);
    else
        CT_LAUNCH((scan_by_threads<T, V>), (unsigned)(blocks < most ? blocks : most), THREADS, 0, stream, *s);
}

void launch_scan(const Scan *s, cudaStream_t stream)
{
    switch (s->dtype) {
    case DTYPE_INT64: run<int64_t, int64_t>(s, stream); break;
    case DTYPE_FLOAT: run<float, double>(s, stream); break;
    default: run<double, double>(s, stream); break;
    }
}
