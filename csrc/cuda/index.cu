/* Picking by indices, and elements picked by a mask in their order. */
#include "cuda/launch.h"

#include "abi/half.h"
#include "cuda/index.h"

/* ---- where values and elements meet ---- */
static __device__ int64_t index_offset(const PickArgs &a, int k, int64_t i, Fault *fault, bool *inside)
{
    const int64_t at = i < 0 ? i + a.size[k] : i;
    if (at >= 0 && at < a.size[k])
        return at * a.step[k];
    fault->value = i;
    fault->size = a.size[k];
    fault->kind = FAULT_INDEX;
    *inside = false;
    return 0;
}

struct AsFloat {
    typedef float V;
};
struct Half : AsFloat {
    static __device__ float load(uint16_t h)
    {
        return f16_to_float(h);
    }
    static __device__ uint16_t store(float x)
    {
        return float_to_f16(x);
    }
};
struct Brain : AsFloat {
    static __device__ float load(uint16_t h)
    {
        return bf16_to_float(h);
    }
    static __device__ uint16_t store(float x)
    {
        return float_to_bf16(x);
    }
};
template <typename N> struct Number {
    typedef N V;
    static __device__ N load(N x)
    {
        return x;
    }
    static __device__ N store(N x)
    {
        return x;
    }
};

/* NaN wins: it is unequal to itself, and nothing is greater than a NaN that is there already. */
template <typename V> static __device__ V meet(int mode, V d, V v)
{
    switch (mode) {
    case PICK_ADD: return (V)(d + v);
    case PICK_MUL: return (V)(d * v);
    case PICK_MAX: return v > d || v != v ? v : d;
    default: return v < d || v != v ? v : d;
    }
}
template <> __device__ bool meet<bool>(int mode, bool d, bool v)
{
    return mode == PICK_ADD || mode == PICK_MAX ? d || v : d && v;
}

/* Several threads may meet at one element: the word that it lies in is exchanged until nobody was in between. */
template <typename F, typename M> static __device__ void meet_alone(int mode, char *data, M value)
{
    if constexpr (sizeof(M) == 8) {
        unsigned long long *word = (unsigned long long *)data, seen = *word, before;
        do {
            M d;
            before = seen;
            memcpy(&d, &before, sizeof d);
            d = F::store(meet<typename F::V>(mode, F::load(d), F::load(value)));
            unsigned long long after;
            memcpy(&after, &d, sizeof after);
            seen = atomicCAS(word, before, after);
        } while (seen != before);
    } else {
        const unsigned place = (unsigned)((uintptr_t)data & 3) * 8;
        unsigned *word = (unsigned *)((uintptr_t)data & ~(uintptr_t)3), seen = *word, before;
        do {
            M d;
            before = seen;
            const unsigned part = before >> place;
            memcpy(&d, &part, sizeof d);
            d = F::store(meet<typename F::V>(mode, F::load(d), F::load(value)));
            unsigned after = 0;
            memcpy(&after, &d, sizeof d);
            const unsigned bits = sizeof(M) == 4 ? 0xffffffffu : ((1u << 8 * (sizeof(M) & 3)) - 1) << place;
            seen = atomicCAS(word, before, (before & ~bits) | (after << place & bits));
        } while (seen != before);
    }
}

/* Adds of float, double and the wide integers are the hardware's own. */
template <typename F, typename M> static __device__ void meet_at(int mode, char *data, M value)
{
    if (mode == PICK_ADD) {
        if constexpr (sizeof(M) == 4) {
            atomicAdd((M *)data, value);
            return;
        }
        if constexpr (sizeof(M) == 8 && (M)0.5 == 0) {
            atomicAdd((unsigned long long *)data, (unsigned long long)value);
            return;
        }
        if constexpr (sizeof(M) == 8 && (M)0.5 != 0) {
            atomicAdd((double *)data, (double)value);
            return;
        }
    }
    meet_alone<F, M>(mode, data, value);
}

template <typename F, typename M> static __global__ void pick(PickArgs a, Places p, Fault *fault)
{
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < p.n; i += gridDim.x * blockDim.x) {
        int64_t offset[ITER_OPERANDS];
        bool inside = true;
        place(&p, i, ITER_OPERANDS, offset);
        char *data = p.ptr[1] + offset[1];
        for (int k = 0; k < a.n_indices; k++)
            data += index_offset(a, k, *(const int64_t *)(p.ptr[k + 2] + offset[k + 2]), fault, &inside);
        M *value = (M *)(p.ptr[0] + offset[0]);
        if (a.mode == PICK_GET)
            *value = inside ? *(const M *)data : (M)0;
        else if (inside && a.mode == PICK_SET)
            *(M *)data = *value;
        else if (inside)
            meet_at<F, M>(a.mode, data, *value);
    }
}

void launch_pick(const PickArgs *a, const Places *p, Fault *fault, int blocks, cudaStream_t stream)
{
    switch (a->dtype) {
    case DTYPE_BOOL: CT_LAUNCH((pick<Number<bool>, bool>), blocks, THREADS, 0, stream, *a, *p, fault); break;
    case DTYPE_UINT8: CT_LAUNCH((pick<Number<uint8_t>, uint8_t>), blocks, THREADS, 0, stream, *a, *p, fault); break;
    case DTYPE_INT8: CT_LAUNCH((pick<Number<int8_t>, int8_t>), blocks, THREADS, 0, stream, *a, *p, fault); break;
    case DTYPE_INT16: CT_LAUNCH((pick<Number<int16_t>, int16_t>), blocks, THREADS, 0, stream, *a, *p, fault); break;
    case DTYPE_INT32: CT_LAUNCH((pick<Number<int32_t>, int32_t>), blocks, THREADS, 0, stream, *a, *p, fault); break;
    case DTYPE_INT64: CT_LAUNCH((pick<Number<int64_t>, int64_t>), blocks, THREADS, 0, stream, *a, *p, fault); break;
    case DTYPE_HALF: CT_LAUNCH((pick<Half, uint16_t>), blocks, THREADS, 0, stream, *a, *p, fault); break;
    case DTYPE_BF16: CT_LAUNCH((pick<Brain, uint16_t>), blocks, THREADS, 0, stream, *a, *p, fault); break;
    case DTYPE_FLOAT: CT_LAUNCH((pick<Number<float>, float>), blocks, THREADS, 0, stream, *a, *p, fault); break;
    default: CT_LAUNCH((pick<Number<double>, double>), blocks, THREADS, 0, stream, *a, *p, fault); break;
    }
}

/* ---- masks: a block for each chunk ---- */
enum { SHARE = (int)MASK_CHUNK / (int)THREADS };

/* sums[t] = what threads 0 to t bring. */
template <typename T> static __device__ void sum_up(T *sums, T own)
{
    const int tid = threadIdx.x;
    sums[tid] = own;
    __syncthreads();
    for (int distance = 1; distance < THREADS; distance *= 2) {
        const T left = tid >= distance ? sums[tid - distance] : 0;
        __syncthreads();
        sums[tid] += left;
        __syncthreads();
    }
}

/* Where this thread's SHARE elements begin, and the true ones before them in the chunk; total: of the chunk. */
static __device__ int64_t share_of(const uint8_t *mask, int64_t n, int *before, int *total)
{
    CT_SHARED(int, sums, [THREADS]);
    const int tid = threadIdx.x;
    const int64_t first = (int64_t)blockIdx.x * MASK_CHUNK + tid * SHARE;
    int own = 0;
    for (int64_t i = first; i < first + SHARE && i < n; i++)
        own += mask[i] != 0;
    sum_up(sums, own);
    *before = sums[tid] - own;
    *total = sums[THREADS - 1];
    return first;
}

static __global__ void __launch_bounds__(THREADS) count_chunk(const uint8_t *mask, int64_t n, int64_t *counts)
{
    int before, total;
    share_of(mask, n, &before, &total);
    if (threadIdx.x == 0)
        counts[blockIdx.x] = total;
}

/* One block: exclusive sums of all counts, THREADS at a time. */
static __global__ void __launch_bounds__(THREADS) add_up(int64_t *counts, int64_t chunks)
{
    CT_SHARED(int64_t, sums, [THREADS]);
    const int tid = threadIdx.x;
    int64_t carry = 0;
    for (int64_t begin = 0; begin < chunks; begin += THREADS) {
        const int64_t i = begin + tid, own = i < chunks ? counts[i] : 0;
        sum_up(sums, own);
        if (i < chunks)
            counts[i] = carry + sums[tid] - own;
        carry += sums[THREADS - 1];
        __syncthreads();
    }
    if (tid == 0)
        counts[chunks] = carry;
}

template <typename M> static __global__ void __launch_bounds__(THREADS) move_chunk(MaskArgs a, const int64_t *starts)
{
    int before, total;
    const int64_t first = share_of(a.mask, a.n, &before, &total);
    int64_t k = starts[blockIdx.x] + before;
    for (int64_t i = first; i < first + SHARE && i < a.n; i++) {
        if (!a.mask[i])
            continue;
        if (a.mode == MASK_SELECT)
            ((M *)a.packed)[k++] = ((const M *)a.full)[i];
        else
            ((M *)a.full)[i] = ((const M *)a.packed)[k++];
    }
}

/* Coordinates, column by column. */
static __global__ void __launch_bounds__(THREADS) find_chunk(NonzeroArgs a, const int64_t *dims, const int64_t *starts)
{
    int before, total;
    const int64_t first = share_of(a.mask, a.n, &before, &total);
    int64_t k = starts[blockIdx.x] + before;
    for (int64_t i = first; i < first + SHARE && i < a.n; i++) {
        if (!a.mask[i])
            continue;
        int64_t rest = i;
        for (int d = a.ndim - 1; d >= 0; d--) {
            a.out[d * a.count + k] = rest % dims[d];
            rest /= dims[d];
        }
        k++;
    }
}

static unsigned chunks_of(int64_t n)
{
    return (unsigned)((n + MASK_CHUNK - 1) / MASK_CHUNK);
}

void launch_mask_count(const uint8_t *mask, int64_t n, int64_t *counts, cudaStream_t stream)
{
    CT_LAUNCH(count_chunk, chunks_of(n), THREADS, 0, stream, mask, n, counts);
}

void launch_mask_sums(int64_t *counts, int64_t chunks, cudaStream_t stream)
{
    CT_LAUNCH(add_up, 1, THREADS, 0, stream, counts, chunks);
}

void launch_mask_move(const MaskArgs *a, const int64_t *starts, cudaStream_t stream)
{
    const unsigned blocks = chunks_of(a->n);
    switch (a->itemsize) {
    case 1: CT_LAUNCH(move_chunk<uint8_t>, blocks, THREADS, 0, stream, *a, starts); break;
    case 2: CT_LAUNCH(move_chunk<uint16_t>, blocks, THREADS, 0, stream, *a, starts); break;
    case 4: CT_LAUNCH(move_chunk<uint32_t>, blocks, THREADS, 0, stream, *a, starts); break;
    default: CT_LAUNCH(move_chunk<uint64_t>, blocks, THREADS, 0, stream, *a, starts); break;
    }
}

void launch_nonzero(const NonzeroArgs *a, const int64_t *dims, const int64_t *starts, cudaStream_t stream)
{
    NonzeroArgs args = *a;
    args.dims = NULL;
    CT_LAUNCH(find_chunk, chunks_of(a->n), THREADS, 0, stream, args, dims, starts);
}
