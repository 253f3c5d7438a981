/* Sorting on the CPU.  Elements of every dtype become unsigned keys of the same order, so there is one sort:
 * merging for short rows, a radix sort by bytes for long ones, and an insertion into the k best where few are
 * asked for.  All are stable; descending order is ascending order of the complemented keys. */
#include <string.h>

#include "abi/half.h"
#include "abi/sort.h"
#include "core/cpu_reduce.h"
#include "core/parallel.h"
#include "ctorch.h"

enum { RUN = 16, RADIX_ABOVE = 512, TOP_MAX = 32, RELEASE_GIL_ABOVE = 1 << 13 };

typedef struct Item {
    uint64_t key;
    int64_t index;
} Item;

/* ---------------------------------------------------------------- keys */
static uint64_t
key_of_float(float x)
{
    uint32_t bits = half_bits_of_float(x == 0 ? 0 : x);
    if (x != x)
        return UINT32_MAX;
    return bits >> 31 ? (uint32_t)~bits : bits | 0x80000000u;
}

static uint64_t
key_of_double(double x)
{
    uint64_t bits;
    x = x == 0 ? 0 : x;
    memcpy(&bits, &x, sizeof bits);
    if (x != x)
        return UINT64_MAX;
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static uint64_t
key_of_int(int64_t x)
{
    return (uint64_t)x ^ (uint64_t)1 << 63;
}

#define KEYS(type, expression) \
    for (int64_t i = 0; i < n; i++) { \
        const type x = ((const type *)(const void *)row)[i]; \
        items[i] = (Item){(expression) ^ flip, i}; \
    }

/* 32-bit keys leave the upper bytes alone, which the radix sort then skips. */
static void
load_items(Item *items, const char *row, Dtype dtype, int64_t n, bool descending)
{
    bool is_short = dtype == DTYPE_FLOAT || dtype == DTYPE_HALF || dtype == DTYPE_BF16;
    uint64_t flip = !descending ? 0 : is_short ? UINT32_MAX : UINT64_MAX;
    switch (dtype) {
    case DTYPE_BOOL: KEYS(bool, key_of_int(x)) break;
    case DTYPE_UINT8: KEYS(uint8_t, key_of_int(x)) break;
    case DTYPE_INT8: KEYS(int8_t, key_of_int(x)) break;
    case DTYPE_INT16: KEYS(int16_t, key_of_int(x)) break;
    case DTYPE_INT32: KEYS(int32_t, key_of_int(x)) break;
    case DTYPE_INT64: KEYS(int64_t, key_of_int(x)) break;
    case DTYPE_HALF: KEYS(uint16_t, key_of_float(f16_to_float(x))) break;
    case DTYPE_BF16: KEYS(uint16_t, key_of_float(bf16_to_float(x))) break;
    case DTYPE_FLOAT: KEYS(float, key_of_float(x)) break;
    default: KEYS(double, key_of_double(x)) break;
    }
}

/* ---------------------------------------------------------------- sorts: the result is in the array returned
 */
static void
insertion_sort(Item *items, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        Item item = items[i];
        int64_t at = i;
        for (; at > 0 && items[at - 1].key > item.key; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

static Item *
merge_sort(Item *items, Item *spare, int64_t n)
{
    for (int64_t i = 0; i < n; i += RUN)
        insertion_sort(items + i, n - i < RUN ? n - i : RUN);
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t i = 0; i < n; i += 2 * width) {
            int64_t middle = i + width < n ? i + width : n, end = i + 2 * width < n ? i + 2 * width : n;
            int64_t a = i, b = middle;
            for (int64_t to = i; to < end; to++)
                spare[to] =
                    b >= end || (a < middle && items[a].key <= items[b].key) ? items[a++] : items[b++];
        }
        Item *sorted = spare;
        spare = items;
        items = sorted;
    }
    return items;
}

static Item *
radix_sort(Item *items, Item *spare, int64_t n)
{
    int64_t counts[8][256] = {{0}};
    for (int64_t i = 0; i < n; i++)
        for (int byte = 0; byte < 8; byte++)
            counts[byte][items[i].key >> 8 * byte & 0xff]++;
    for (int byte = 0; byte < 8; byte++) {
        int64_t *count = counts[byte], start = 0;
        if (count[items[0].key >> 8 * byte & 0xff] == n)
            continue;
        for (int digit = 0; digit < 256; digit++) {
            int64_t here = count[digit];
            count[digit] = start;
            start += here;
        }
        for (int64_t i = 0; i < n; i++)
            spare[count[items[i].key >> 8 * byte & 0xff]++] = items[i];
        Item *sorted = spare;
        spare = items;
        items = sorted;
    }
    return items;
}

/* The k best, sorted, in front of spare; one look at each item. */
static Item *
top_sort(const Item *items, Item *spare, int64_t n, int64_t k)
{
    int64_t filled = 0;
    for (int64_t i = 0; i < n; i++) {
        if (filled == k && items[i].key >= spare[k - 1].key)
            continue;
        int64_t at = filled < k ? filled++ : k - 1;
        for (; at > 0 && spare[at - 1].key > items[i].key; at--)
            spare[at] = spare[at - 1];
        spare[at] = items[i];
    }
    return spare;
}

/* ---------------------------------------------------------------- rows */
typedef struct SortJob {
    const Sort *s;
    Item *space; /* 2 n items for each worker */
} SortJob;

static void
sort_row(void *context, int64_t row, int worker)
{
    const SortJob *job = context;
    const Sort *s = job->s;
    int64_t n = s->n, k = s->k, size = dtype_info[s->dtype].itemsize;
    Item *items = job->space + worker * 2 * n, *spare = items + n;
    const char *in = s->in + row * n * size;
    load_items(items, in, s->dtype, n, s->descending);
    if (k <= TOP_MAX && 4 * k <= n)
        items = top_sort(items, spare, n, k);
    else
        items = n > RADIX_ABOVE ? radix_sort(items, spare, n) : merge_sort(items, spare, n);
    for (int64_t i = 0; i < k; i++) {
        s->indices[row * k + i] = items[i].index;
        if (s->values != NULL)
            memcpy(s->values + (row * k + i) * size, in + items[i].index * size, (size_t)size);
    }
}

int
cpu_sort(const Sort *s)
{
    if (s->rows == 0 || s->n == 0 || s->k == 0)
        return 0;
    bool small = s->rows * s->n < RELEASE_GIL_ABOVE;
    int workers = small || s->rows == 1 ? 1 : parallel_get_num_threads(), result = 0;
    size_t bytes;
    if (__builtin_mul_overflow((size_t)s->n, 2 * sizeof(Item) * (size_t)workers, &bytes)) {
        no_memory(INT64_MAX);
        return -1;
    }
    SortJob job = {s, PyMem_RawMalloc(bytes)};
    if (job.space == NULL) {
        no_memory((int64_t)bytes);
        return -1;
    }
    if (small)
        for (int64_t row = 0; row < s->rows; row++)
            sort_row(&job, row, 0);
    else {
        Py_BEGIN_ALLOW_THREADS result = parallel_run(s->rows, workers, sort_row, &job);
        Py_END_ALLOW_THREADS
    }
    PyMem_RawFree(job.space);
    if (result < 0 && !PyErr_Occurred())
        PyErr_CheckSignals();
    return result;
}
