/* Sorting rows, and searching in sorted ones.  Elements become unsigned keys of the same order, and (key, place) pairs, of
 * which no two are equal, are sorted by a bitonic network, so the sort is stable.  Steps over short distances run in shared
 * memory. */
#include "cuda/launch.h"

#include "cuda/element.cuh"
#include "cuda/rows.h"

enum { SHARED_ITEMS = 1024, SORT_THREADS = SHARED_ITEMS / 2 };

/* Keys of floats leave the upper bytes alone; -0 equals 0, NaN is greatest. */
static __device__ uint64_t key_of(const char *at, int dtype)
{
    if (!dtype_is_real(dtype))
        return (uint64_t)load_int(at, dtype) ^ (uint64_t)1 << 63;
    const double x = load_real(at, dtype);
    if (x != x)
        return UINT64_MAX;
    const uint64_t bits = bits_d(x == 0 ? 0.0 : x);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

#define EACH(i, n) for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (int64_t)gridDim.x * blockDim.x)

/* Items beyond a row's end come last: their place is at least n. */
static __global__ void make_items(Sort s, int itemsize, uint64_t *keys, int64_t *places, int64_t width)
{
    EACH(i, s.rows * width)
    {
        const int64_t row = i / width, at = i % width;
        const uint64_t key = at < s.n ? key_of(s.in + (row * s.n + at) * itemsize, s.dtype) : 0;
        keys[i] = at >= s.n ? UINT64_MAX : s.descending ? ~key : key;
        places[i] = at;
    }
}

static __device__ bool in_order(uint64_t key_a, int64_t a, uint64_t key_b, int64_t b)
{
    return key_a < key_b || (key_a == key_b && a < b);
}

/* Pair t of the step that compares items `distance` apart in runs of `length`. */
static __device__ void compare(uint64_t *keys, int64_t *places, int64_t t, int64_t length, int64_t distance, int64_t first)
{
    const int64_t a = t / distance * distance * 2 + t % distance, b = a + distance;
    const bool ascending = ((first + a) & length) == 0;
    if (in_order(keys[a], places[a], keys[b], places[b]) == ascending)
        return;
    const uint64_t key = keys[a];
    const int64_t place = places[a];
    keys[a] = keys[b];
    places[a] = places[b];
    keys[b] = key;
    places[b] = place;
}

/* All steps of runs from `from` to `to` whose distances fit a block; `first` step of a run may lie in global memory. */
static __global__ void __launch_bounds__(SORT_THREADS)
    sort_in_shared(uint64_t *keys, int64_t *places, int64_t width, int64_t from, int64_t to)
{
    CT_SHARED(uint64_t, near_keys, [SHARED_ITEMS]);
    CT_SHARED(int64_t, near_places, [SHARED_ITEMS]);
    const int64_t span = width < SHARED_ITEMS ? width : (int64_t)SHARED_ITEMS, begin = blockIdx.x * span;
    for (int64_t i = threadIdx.x; i < span; i += SORT_THREADS) {
        near_keys[i] = keys[begin + i];
        near_places[i] = places[begin + i];
    }
    __syncthreads();
    for (int64_t length = from; length <= to; length *= 2)
        for (int64_t distance = length / 2 < span / 2 ? length / 2 : span / 2; distance > 0; distance /= 2) {
            if (threadIdx.x < span / 2)
                compare(&near_keys[0], &near_places[0], threadIdx.x, length, distance, begin % width);
            __syncthreads();
        }
    for (int64_t i = threadIdx.x; i < span; i += SORT_THREADS) {
        keys[begin + i] = near_keys[i];
        places[begin + i] = near_places[i];
    }
}

static __global__ void sort_step(uint64_t *keys, int64_t *places, int64_t pairs, int64_t width, int64_t length,
                                 int64_t distance)
{
    EACH(i, pairs)
    {
        const int64_t row = i / (width / 2), t = i % (width / 2);
        compare(keys + row * width, places + row * width, t, length, distance, 0);
    }
}

static __global__ void take_best(Sort s, int itemsize, const int64_t *places, int64_t width)
{
    EACH(i, s.rows * s.k)
    {
        const int64_t row = i / s.k, at = places[row * width + (s.places ? s.places[row] : i % s.k)];
        s.indices[i] = at;
        if (s.values == NULL)
            continue;
        const char *from = s.in + (row * s.n + at) * itemsize;
        char *to = s.values + i * itemsize;
        switch (itemsize) {
        case 1: *to = *from; break;
        case 2: *(uint16_t *)to = *(const uint16_t *)from; break;
        case 4: *(uint32_t *)to = *(const uint32_t *)from; break;
        default: *(uint64_t *)to = *(const uint64_t *)from; break;
        }
    }
}

/* The first place of which the boundary is not less than x (right: is greater). */
template <typename T> static __global__ void search_rows(Search s)
{
    EACH(i, s.count)
    {
        const T *sorted = (const T *)s.sorted + (s.by_rows ? i / s.length * s.n : 0), x = ((const T *)s.values)[i];
        int64_t low = 0, high = s.n;
        while (low < high) {
            const int64_t middle = low + (high - low) / 2;
            if (s.right ? !(sorted[middle] > x) : !(sorted[middle] >= x))
                low = middle + 1;
            else
                high = middle;
        }
        s.places[i] = low;
    }
}

static unsigned blocks_of(int64_t threads)
{
    const int64_t blocks = (threads + THREADS - 1) / THREADS;
    return (unsigned)(blocks < 65535 ? blocks : 65535);
}

void launch_sort(const Sort *s, uint64_t *keys, int64_t *places, int64_t width, cudaStream_t stream)
{
    const int64_t items = s->rows * width, span = width < SHARED_ITEMS ? width : (int64_t)SHARED_ITEMS;
    const int itemsize = s->dtype <= DTYPE_INT8                              ? 1
                         : s->dtype == DTYPE_INT16 || s->dtype == DTYPE_HALF || s->dtype == DTYPE_BF16 ? 2
                         : s->dtype == DTYPE_INT32 || s->dtype == DTYPE_FLOAT ? 4
                                                                              : 8;
    CT_LAUNCH(make_items, blocks_of(items), THREADS, 0, stream, *s, itemsize, keys, places, width);
    if (width > 1)
        CT_LAUNCH(sort_in_shared, (unsigned)(items / span), SORT_THREADS, 0, stream, keys, places, width, (int64_t)2, span);
    for (int64_t length = span * 2; length <= width; length *= 2) {
        for (int64_t distance = length / 2; distance >= span; distance /= 2)
            CT_LAUNCH(sort_step, blocks_of(items / 2), THREADS, 0, stream, keys, places, items / 2, width, length, distance);
        CT_LAUNCH(sort_in_shared, (unsigned)(items / span), SORT_THREADS, 0, stream, keys, places, width, length, length);
    }
    if (cudaPeekAtLastError() != cudaSuccess)     /* what was not sorted holds no places */
        return;
    CT_LAUNCH(take_best, blocks_of(s->rows * s->k), THREADS, 0, stream, *s, itemsize, (const int64_t *)places, width);
}

void launch_search(const Search *s, cudaStream_t stream)
{
    const unsigned blocks = blocks_of(s->count);
    switch (s->dtype) {
    case DTYPE_INT64: CT_LAUNCH(search_rows<int64_t>, blocks, THREADS, 0, stream, *s); break;
    case DTYPE_FLOAT: CT_LAUNCH(search_rows<float>, blocks, THREADS, 0, stream, *s); break;
    default: CT_LAUNCH(search_rows<double>, blocks, THREADS, 0, stream, *s); break;
    }
}
