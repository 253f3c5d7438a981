/* Index and mask kernels of the CPU backend.  They are bound by memory, not by arithmetic, so they are plain
 * C and switch on the element's size or type once per inner loop.  Ranges were checked by the ops; what is
 * picked and why is not known here. */
#include "core/cpu_copy.h"
#include "core/cpu_index.h"

#include <string.h>

#include "abi/half.h"
#include "core/cpu.h"
#include "core/iter.h"
#include "core/parallel.h"
#include "ctorch.h"

enum { BLOCK = 256, RELEASE_GIL_ABOVE = 1 << 15, GRAIN = 1 << 13, CHUNKS = 8, CHECKED = 2048 };

/* ---------------------------------------------------------------- where values and elements meet */
/* Element i of the values and the one of data that it belongs to. */
typedef struct Run {
    char *values, *data;
    int64_t value_stride, n;
    const int64_t *offsets;            /* bytes from data */
} Run;

#define EACH(T, statement) \
    for (int64_t i = 0; i < r->n; i++) { \
        T *d = (T *)(r->data + r->offsets[i]), *v = (T *)(r->values + i * r->value_stride); \
        statement; \
    } \
    break

#define BY_SIZE(itemsize, statement) \
    switch (itemsize) { \
    case 1: EACH(uint8_t, statement); \
    case 2: EACH(uint16_t, statement); \
    case 4: EACH(uint32_t, statement); \
    default: EACH(uint64_t, statement); \
    }

/* number: an expression of *d and *v; truth: the same for bools; half: the same for x and y, d and v as
 * floats. */
#define BY_TYPE(dtype, number, truth, half)                                                                  \
    switch (dtype) {                                                                                         \
    case DTYPE_BOOL: EACH(bool, *d = truth);                                                                 \
    case DTYPE_UINT8: EACH(uint8_t, *d = (uint8_t)(number));                                                 \
    case DTYPE_INT8: EACH(int8_t, *d = (int8_t)(number));                                                    \
    case DTYPE_INT16: EACH(int16_t, *d = (int16_t)(number));                                                 \
    case DTYPE_INT32: EACH(int32_t, *d = number);                                                            \
    case DTYPE_INT64: EACH(int64_t, *d = number);                                                            \
    case DTYPE_FLOAT: EACH(float, *d = number);                                                              \
    case DTYPE_DOUBLE: EACH(double, *d = number);                                                            \
    case DTYPE_HALF:                                                                                         \
        EACH(uint16_t, float x = f16_to_float(*d); float y = f16_to_float(*v); *d = float_to_f16(half));     \
    default:                                                                                                 \
        EACH(uint16_t, float x = bf16_to_float(*d); float y = bf16_to_float(*v); *d = float_to_bf16(half));  \
    }

static void
meet(const PickArgs *a, const Run *r)
{
    switch (a->mode) {
    case PICK_GET: BY_SIZE(dtype_info[a->dtype].itemsize, *v = *d); break;
    case PICK_SET: BY_SIZE(dtype_info[a->dtype].itemsize, *d = *v); break;
    case PICK_ADD: BY_TYPE(a->dtype, *d + *v, *d || *v, x + y); break;
    case PICK_MUL: BY_TYPE(a->dtype, *d * *v, *d && *v, x * y); break;
    /* NaN wins: it is unequal to itself, and nothing is greater than a NaN that is there already. */
    case PICK_MAX: BY_TYPE(a->dtype, *v > *d || *v != *v ? *v : *d, *d || *v, y > x || y != y ? y : x); break;
    default: BY_TYPE(a->dtype, *v < *d || *v != *v ? *v : *d, *d && *v, y < x || y != y ? y : x); break;
    }
}

static inline int64_t
index_offset(const PickArgs *a, int k, const char *at)
{
    int64_t i = *(const int64_t *)at;
    return (i < 0 ? i + a->size[k] : i) * a->step[k];
}

/* One place for the whole run: a row is read, written or added to. */
static bool
pick_row(const PickArgs *a, char *values, const int64_t *stride, char *data, int64_t n)
{
    int64_t itemsize = dtype_info[a->dtype].itemsize, dense[3] = {itemsize, itemsize, itemsize};
    Loop add = cpu_loops[OP_add][PART_FORWARD][a->dtype];
    if (a->mode == PICK_SET && stride[0] == 0 && stride[1] == itemsize) {
        cpu_copy_strided(data, itemsize, values, 0, n, itemsize);
        return true;
    }
    if (stride[0] != itemsize || stride[1] != itemsize)
        return false;
    if (a->mode == PICK_GET)
        memcpy(values, data, (size_t)(n * itemsize));
    else if (a->mode == PICK_SET)
        memcpy(data, values, (size_t)(n * itemsize));
    else if (a->mode == PICK_ADD && add != NULL && a->dtype != DTYPE_BOOL)
        add((char *[]){data, data, values}, dense, n, (Param[]){{1, 1}});
    else
        return false;
    return true;
}

#define PICK_LOOP(T, statement) \
    for (; at != end; at += index_step, data += data_step, values += value_step) { \
        int64_t place = *(const int64_t *)at; \
        T *d = (T *)(data + (place < 0 ? place + size : place) * step), *v = (T *)values; \
        statement; \
    } \
    break

/* One index moves, and elements are read or written.  The index's end stops the loop: a counter would be one
 * register too many. */
static void
pick_elements(const PickArgs *a, int k, char *const *ptr, char *data, const int64_t *stride, int64_t n)
{
    char *values = ptr[0];
    const int64_t value_step = stride[0], data_step = stride[1], index_step = stride[k + 2];
    const char *at = ptr[k + 2], *const end = at + n * index_step;
    const int64_t size = a->size[k], step = a->step[k], itemsize = dtype_info[a->dtype].itemsize;
    switch (a->mode == PICK_GET ? itemsize : -itemsize) {
    case 1: PICK_LOOP(uint8_t, *v = *d);
    case 2: PICK_LOOP(uint16_t, *v = *d);
    case 4: PICK_LOOP(uint32_t, *v = *d);
    case 8: PICK_LOOP(uint64_t, *v = *d);
    case -1: PICK_LOOP(uint8_t, *d = *v);
    case -2: PICK_LOOP(uint16_t, *d = *v);
    case -4: PICK_LOOP(uint32_t, *d = *v);
    default: PICK_LOOP(uint64_t, *d = *v);
    }
}

/* Four at a time: what is read, then what is written, which could stand in its way.  Sums follow one another, for an
 * index may be there twice. */
#define DENSE_GET(T) \
    { \
        const T *d = (const T *)(void *)data; \
        T *v = (T *)(void *)values; \
        int64_t i = 0; \
        for (; i + 4 <= n; i += 4) { \
            const T v0 = d[at[i]], v1 = d[at[i + 1]], v2 = d[at[i + 2]], v3 = d[at[i + 3]]; \
            v[i] = v0, v[i + 1] = v1, v[i + 2] = v2, v[i + 3] = v3; \
        } \
        for (; i < n; i++) \
            v[i] = d[at[i]]; \
    } \
    return true

#define DENSE_PUT(T, put) \
    { \
        T *d = (T *)(void *)data; \
        const T *v = (const T *)(void *)values; \
        int64_t i = 0; \
        for (; i + 4 <= n; i += 4) { \
            const int64_t k0 = at[i], k1 = at[i + 1], k2 = at[i + 2], k3 = at[i + 3]; \
            const T v0 = v[i], v1 = v[i + 1], v2 = v[i + 2], v3 = v[i + 3]; \
            d[k0] put v0, d[k1] put v1, d[k2] put v2, d[k3] put v3; \
        } \
        for (; i < n; i++) \
            d[at[i]] put v[i]; \
    } \
    return true

/* The same where values and indices are dense, no index is negative, and data is a dense row: the usual case along the
 * last dim. */
static bool
pick_dense(const PickArgs *a, int k, char *const *ptr, char *data, const int64_t *stride, int64_t n)
{
    const int64_t *at = (const int64_t *)(const void *)ptr[k + 2];
    char *values = ptr[0];
    const int64_t itemsize = dtype_info[a->dtype].itemsize;
    if (stride[0] != itemsize || stride[1] != 0 || stride[k + 2] != (int64_t)sizeof *at || a->step[k] != itemsize
        || (a->wraps && !cpu_kernels->indices_inside(at, n, INT64_MAX)))
        return false;
    if (a->mode == PICK_ADD)
        switch (a->dtype) {
        case DTYPE_INT64: DENSE_PUT(int64_t, +=);
        case DTYPE_FLOAT: DENSE_PUT(float, +=);
        case DTYPE_DOUBLE: DENSE_PUT(double, +=);
        default: return false;
        }
    switch (a->mode == PICK_GET ? itemsize : -itemsize) {
    case 4: DENSE_GET(uint32_t);
    case 8: DENSE_GET(uint64_t);
    case -4: DENSE_PUT(uint32_t, =);
    case -8: DENSE_PUT(uint64_t, =);
    default: return false;
    }
}

static void
pick_loop(char *const *ptr, const int64_t *stride, int64_t n, const Param *params)
{
    const PickArgs *a = (const PickArgs *)(const void *)params;
    char *data = ptr[1];
    int64_t offsets[BLOCK];
    int moving[PICK_INDICES], n_moving = 0;
    for (int k = 0; k < a->n_indices; k++)
        if (stride[k + 2] == 0)
            data += index_offset(a, k, ptr[k + 2]);
        else
            moving[n_moving++] = k;
    if (n_moving == 0 && pick_row(a, ptr[0], stride, data, n))
        return;
    if (n_moving == 1 && a->mode <= PICK_ADD && pick_dense(a, moving[0], ptr, data, stride, n))
        return;
    if (n_moving == 1 && a->mode <= PICK_SET) {
        pick_elements(a, moving[0], ptr, data, stride, n);
        return;
    }
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        Run r = {ptr[0] + begin * stride[0], data + begin * stride[1], stride[0],
                 n - begin < BLOCK ? n - begin : BLOCK, offsets};
        for (int64_t i = 0; i < r.n; i++)
            offsets[i] = i * stride[1];
        for (int m = 0; m < n_moving; m++) {
            int k = moving[m];
            const char *at = ptr[k + 2] + begin * stride[k + 2];
            for (int64_t i = 0; i < r.n; i++)
                offsets[i] += index_offset(a, k, at + i * stride[k + 2]);
        }
        meet(a, &r);
    }
}

/* Whether n indices at a stride are in [0, size). */
static bool
are_inside(const char *at, int64_t stride, int64_t n, int64_t size)
{
    if (stride == (int64_t)sizeof(int64_t))
        return cpu_kernels->indices_inside((const int64_t *)(const void *)at, n, size);
    for (int64_t i = 0; i < n; i++, at += stride)
        if ((uint64_t)*(const int64_t *)(const void *)at >= (uint64_t)size)
            return false;
    return true;
}

/* Blocks of indices are checked and then used while they are in the cache: long ones come from memory once. */
static void
checked_loop(char *const *ptr, const int64_t *stride, int64_t n, const Param *params)
{
    const PickArgs *a = (const PickArgs *)(const void *)params;
    for (int64_t i = 0; i < n; i += CHECKED) {
        int64_t m = n - i < CHECKED ? n - i : CHECKED;
        char *at[ITER_OPERANDS] = {NULL};
        bool inside = true;
        for (int k = 0; k < a->n_indices + 2; k++)
            at[k] = ptr[k] + i * stride[k];
        for (int k = 0; k < a->n_indices; k++)
            inside &= are_inside(at[k + 2], stride[k + 2], stride[k + 2] == 0 ? 1 : m, a->size[k]);
        if (inside)
            pick_loop(at, stride, m, params);
        else
            __atomic_store_n(a->outside, true, __ATOMIC_RELAXED);
    }
}

/* ---------------------------------------------------------------- threads */
typedef struct Split {
    const PickArgs *args;
    const Iter *iter;
    Loop loop;
    int dim;
} Split;

static void
run_split(void *context, int64_t begin, int64_t end)
{
    const Split *s = context;
    Iter part = *s->iter;
    for (int k = 0; k < part.n_operands; k++)
        part.ptr[k] += begin * part.strides[s->dim][k];
    part.numel = part.numel / part.dims[s->dim] * (end - begin);
    part.dims[s->dim] = end - begin;
    iter_run(&part, s->loop, (const Param *)(const void *)s->args);
}

/* Threads that write must not meet: they split a dimension that no index moves in, the longest one, in at most
 * CHUNKS, for each walks all the others.  The innermost is split once for each thread: more chunks are shorter runs. */
static int
write_parallel(const PickArgs *args, const Iter *iter, Loop loop)
{
    Split s = {args, iter, loop, -1};
    for (int d = 0; d < iter->ndim; d++)
        if (iter->strides[d][1] != 0 && iter->dims[d] > 1 && (s.dim < 0 || iter->dims[d] > iter->dims[s.dim]))
            s.dim = d;
    const int threads = parallel_threads_now();
    if (s.dim < 0 || args->data_overlaps || threads == 1) {
        iter_run(iter, loop, (const Param *)(const void *)args);
        return 0;
    }
    int64_t each = iter->numel / iter->dims[s.dim], grain = GRAIN / each, chunks = s.dim == 0 ? threads : CHUNKS;
    int64_t least = (iter->dims[s.dim] - 1) / chunks + 1;
    return parallel_for(iter->dims[s.dim], grain > least ? grain : least, run_split, &s);
}

int
cpu_pick(const PickArgs *args, const Iter *iter)
{
    const Param *params = (const Param *)(const void *)args;
    const Loop loop = args->outside ? checked_loop : pick_loop;
    int result;
    if (iter->numel < RELEASE_GIL_ABOVE) {
        iter_run(iter, loop, params);
        return 0;
    }
    Py_BEGIN_ALLOW_THREADS result =
        args->mode == PICK_GET ? iter_parallel(iter, loop, params, GRAIN) : write_parallel(args, iter, loop);
    Py_END_ALLOW_THREADS
    if (result < 0 && !PyErr_Occurred())
        PyErr_CheckSignals();
    return result;
}

/* ---------------------------------------------------------------- ranges */
typedef struct Range {
    Param unused;                      /* travels as a Loop's params */
    int64_t *low, *high;
} Range;

static void
range_loop(char *const *ptr, const int64_t *stride, int64_t n, const Param *params)
{
    const Range *range = (const Range *)(const void *)params;
    if (stride[0] == (int64_t)sizeof(int64_t)) {
        cpu_kernels->index_extremes((const int64_t *)(const void *)ptr[0], n, range->low, range->high);
        return;
    }
    int64_t low = *range->low, high = *range->high;
    for (int64_t i = 0; i < n; i++) {
        int64_t x = *(const int64_t *)(ptr[0] + i * stride[0]);
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    *range->low = low;
    *range->high = high;
}

int
cpu_index_range(const Iter *iter, bool exact, int64_t *low, int64_t *high)
{
    Range range = {{0, 0}, low, high};
    (void)exact;
    *low = INT64_MAX;
    *high = INT64_MIN;
    iter_run(iter, range_loop, (const Param *)(const void *)&range);
    return 0;
}

/* ---------------------------------------------------------------- masks */
/* Masks are often empty for long stretches: eight at a time are looked at.  Where they are not, which way a branch
 * would go cannot be foretold: every element is moved, and the next place is taken only if it was to be. */
static inline uint64_t
eight(const uint8_t *mask)
{
    uint64_t word;
    memcpy(&word, mask, sizeof word);
    return word;
}

enum { WORDS = 255 };                  /* whose bytes' sums fit a byte */

int
cpu_mask_count(const uint8_t *mask, int64_t n, int64_t *count)
{
    const uint64_t even = 0x00ff00ff00ff00ff, low = 0x7f7f7f7f7f7f7f7f;
    int64_t sum = 0, i = 0;
    while (i + 8 <= n) {
        uint64_t bytes = 0;
        for (int k = 0; k < WORDS && i + 8 <= n; k++, i += 8) {
            uint64_t word = eight(mask + i);
            bytes += (((word & low) + low) | word) >> 7 & 0x0101010101010101;
        }
        uint64_t pairs = (bytes & even) + (bytes >> 8 & even);
        sum += (int64_t)(pairs * 0x0001000100010001 >> 48);
    }
    for (; i < n; i++)
        sum += mask[i] != 0;
    *count = sum;
    return 0;
}

#define MOVE(T, statement) \
    for (int64_t begin = 0, k = 0; begin < a->n && k < a->count; begin += 8) { \
        int64_t end = begin + 8 <= a->n ? begin + 8 : a->n; \
        if (end - begin == 8 && eight(a->mask + begin) == 0) \
            continue; \
        T *full = (T *)a->full, *packed = (T *)a->packed; \
        for (int64_t i = begin; i < end && k < a->count; i++) { \
            statement; \
            k += a->mask[i] != 0; \
        } \
    }

#define MOVE_ALL(T) \
    if (a->mode == MASK_SELECT) { \
        MOVE(T, packed[k] = full[i]) \
    } else { \
        MOVE(T, T bits = (T)-(a->mask[i] != 0); full[i] = (T)((packed[k] & bits) | (full[i] & ~bits))) \
    } \
    break

int
cpu_mask_move(const MaskArgs *a)
{
    switch (a->itemsize) {
    case 1: MOVE_ALL(uint8_t);
    case 2: MOVE_ALL(uint16_t);
    case 4: MOVE_ALL(uint32_t);
    default: MOVE_ALL(uint64_t);
    }
    return 0;
}

/* The places of the true ones among n, which are at most `room`; returns how many there are. */
static int64_t
true_places(const uint8_t *mask, int64_t n, int64_t *places, int64_t room)
{
    int64_t k = 0;
    for (int64_t begin = 0; begin < n && k < room; begin += 8) {
        int64_t end = begin + 8 <= n ? begin + 8 : n;
        if (end - begin == 8 && eight(mask + begin) == 0)
            continue;
        for (int64_t i = begin; i < end && k < room; i++) {
            places[k] = i;
            k += mask[i] != 0;
        }
    }
    return k;
}

int
cpu_nonzero(const NonzeroArgs *a)
{
    int64_t at[NDIM_MAX] = {0}, row = a->ndim ? a->dims[a->ndim - 1] : 1, k = 0;
    for (int64_t begin = 0; begin < a->n && k < a->count; begin += row) {
        int64_t found = a->ndim == 0 ? 1 : true_places(a->mask + begin, row, a->out + (a->ndim - 1) * a->count + k, a->count - k);
        for (int d = 0; d < a->ndim - 1; d++)
            for (int64_t i = 0; i < found; i++)
                a->out[d * a->count + k + i] = at[d];
        k += found;
        for (int d = a->ndim - 2; d >= 0 && ++at[d] == a->dims[d]; d--)
            at[d] = 0;
    }
    return 0;
}
