/* Copies, fills and casts on the CPU.  What is more than a loop over elements: dense memory is moved by memcpy, one
 * repeated value is written by memset or a loop of stores, a transposed matrix goes through tiles, so that both sides of
 * the copy touch whole cache lines, and so do short rows of several sources, which are copied together. */
#include "core/cpu_copy.h"
#include "core/dtype.h"

#include <string.h>

#include "core/cpu.h"
#include "core/iter.h"
#include "ctorch.h"

enum { RELEASE_GIL_ABOVE = 1 << 16, GRAIN = 1 << 14, TILE = 16, CACHED_ROW = 1 << 14, SHORT_ROW = 16, LINE_BYTES = 1024, LINES = 64 };

/* ---------------------------------------------------------------- elements */
void
cpu_copy_strided(char *to, int64_t to_stride, const char *from, int64_t from_stride, int64_t n, int64_t itemsize)
{
    cpu_kernels->copy_strided(to, to_stride, from, from_stride, n, itemsize);
}

/* Half types go through float: whether something else is at the other end. */
static bool
has_middle(Dtype to, Dtype from)
{
    return (dtype_half_compute(from) != from && to != DTYPE_FLOAT) || (dtype_half_compute(to) != to && from != DTYPE_FLOAT);
}

void
cpu_cast_dense(char *to, Dtype to_dtype, const char *from, Dtype from_dtype, int64_t n)
{
    float middle[CPU_BLOCK];
    static const int64_t no_stride[2] = {0, 0};
    if (dtype_half_compute(from_dtype) != from_dtype) {
        bool direct = to_dtype == DTYPE_FLOAT;
        char *target = direct ? to : (char *)middle;
        cpu_kernels->half_load[from_dtype - DTYPE_HALF]((char *[]){target, (char *)from}, no_stride, n, NULL);
        if (direct)
            return;
        from = target;
        from_dtype = DTYPE_FLOAT;
    }
    if (dtype_half_compute(to_dtype) == to_dtype) {
        cpu_kernels->cast[to_dtype][from_dtype]((char *[]){to, (char *)from}, no_stride, n, NULL);
        return;
    }
    if (from_dtype != DTYPE_FLOAT && from != (const char *)middle) {
        cpu_kernels->cast[DTYPE_FLOAT][from_dtype]((char *[]){(char *)middle, (char *)from}, no_stride, n, NULL);
        from = (const char *)middle;
    }
    cpu_kernels->half_store[to_dtype - DTYPE_HALF]((char *[]){to, (char *)from}, no_stride, n, NULL);
}

/* One value, n times. */
static void
fill_dense(char *to, const char *value, int64_t n, int64_t itemsize)
{
    if (memcmp(value, value + 1, (size_t)itemsize - 1) == 0)
        memset(to, value[0], (size_t)(n * itemsize));
    else
        cpu_copy_strided(to, itemsize, value, 0, n, itemsize);
}

/* ---------------------------------------------------------------- threads */
int
cpu_run(const Iter *iter, Loop loop, const Param *params, int64_t grain)
{
    if (iter->numel < RELEASE_GIL_ABOVE) {
        iter_run(iter, loop, params);
        return 0;
    }
    int result;
    Py_BEGIN_ALLOW_THREADS
    result = iter_parallel(iter, loop, params, grain);
    Py_END_ALLOW_THREADS
    if (result < 0 && !PyErr_Occurred())
        PyErr_CheckSignals();
    return result;
}

/* ---------------------------------------------------------------- one row */
/* What copy_row needs beyond a Loop's arguments; it travels as the Loop's params. */
typedef struct Types {
    Param unused;
    Dtype to, from;
    bool reused;        /* the same row is read again and again */
} Types;

static void
copy_row(char *const *ptr, const int64_t *stride, int64_t n, const Param *params)
{
    const Types *types = (const Types *)(const void *)params;
    int64_t to_size = dtype_info[types->to].itemsize, from_size = dtype_info[types->from].itemsize;
    if (types->to == types->from) {
        if (stride[0] == to_size && stride[1] == to_size && !types->reused)
            memcpy(ptr[0], ptr[1], (size_t)(n * to_size));
        else if (stride[0] == to_size && stride[1] == 0)
            fill_dense(ptr[0], ptr[1], n, to_size);
        else
            cpu_copy_strided(ptr[0], stride[0], ptr[1], stride[1], n, to_size);
        return;
    }
    char buffer[CPU_BLOCK * ITEMSIZE_MAX];
    uint64_t strided[CPU_BLOCK];
    if (stride[0] == to_size && stride[1] == from_size && !has_middle(types->to, types->from)) {
        cpu_cast_dense(ptr[0], types->to, ptr[1], types->from, n);
        return;
    }
    for (int64_t i = 0; i < n; i += CPU_BLOCK) {
        int64_t m = n - i < CPU_BLOCK ? n - i : CPU_BLOCK;
        const char *from = ptr[1] + i * stride[1];
        char *to = ptr[0] + i * stride[0];
        if (stride[1] != from_size) {
            cpu_copy_strided((char *)strided, from_size, from, stride[1], m, from_size);
            from = (char *)strided;
        }
        bool dense = stride[0] == to_size;
        cpu_cast_dense(dense ? to : buffer, types->to, from, types->from, m);
        if (!dense)
            cpu_copy_strided(to, stride[0], buffer, to_size, m, to_size);
    }
}

/* ---------------------------------------------------------------- transposed planes */
/* Rows of the target are dense, and so are columns of the source: dims 0 and 1 of the iterator. */
typedef struct Plane {
    Iter iter;
    int64_t itemsize;
    int64_t strips;                    /* of TILE rows, in each plane */
} Plane;

#define TILE_LOOP(type, rows, columns) \
    { \
        type tile[TILE][TILE]; \
        for (int64_t i = 0; i < columns; i++) \
            memcpy(tile[i], from + i * from_step, (size_t)(rows) * sizeof(type)); \
        for (int64_t j = 0; j < rows; j++) \
            for (int64_t i = 0; i < columns; i++) \
                ((type *)(void *)(to + j * to_step))[i] = tile[i][j]; \
    }

/* Whole tiles have sizes that the compiler knows. */
#define TILE_OF(type) \
    if (rows == TILE && columns == TILE) \
        TILE_LOOP(type, TILE, TILE) \
    else \
        TILE_LOOP(type, rows, columns) \
    break

static void
transpose_tile(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t rows, int64_t columns,
               int64_t itemsize)
{
    switch (itemsize) {
    case 1: TILE_OF(uint8_t);
    case 2: TILE_OF(uint16_t);
    case 4: TILE_OF(uint32_t);
    default: TILE_OF(uint64_t);
    }
}

static void
transpose_strips(void *context, int64_t begin, int64_t end)
{
    const Plane *p = context;
    const Iter *it = &p->iter;
    for (int64_t strip = begin; strip < end; strip++) {
        int64_t row = strip % p->strips * TILE, plane = strip / p->strips;
        int64_t rows = it->dims[1] - row < TILE ? it->dims[1] - row : TILE;
        char *to = it->ptr[0] + row * it->strides[1][0];
        const char *from = it->ptr[1] + row * p->itemsize;
        for (int d = 2; d < it->ndim; d++) {
            to += plane % it->dims[d] * it->strides[d][0];
            from += plane % it->dims[d] * it->strides[d][1];
            plane /= it->dims[d];
        }
        for (int64_t i = 0; i < it->dims[0]; i += TILE)
            transpose_tile(to + i * p->itemsize, it->strides[1][0], from + i * it->strides[0][1], it->strides[0][1],
                           rows, it->dims[0] - i < TILE ? it->dims[0] - i : TILE, p->itemsize);
    }
}

/* Whether the copy is one of transposed planes; then they lie in dims 0 and 1 of p. */
static bool
plane_of(Plane *p, const Iter *iter, int64_t itemsize)
{
    int d = 1;
    if (iter->ndim < 2 || iter->dims[0] < TILE / 2 || iter->strides[0][0] != itemsize || iter->strides[0][1] == itemsize)
        return false;
    while (d < iter->ndim && (iter->strides[d][1] != itemsize || iter->dims[d] < TILE / 2))
        d++;
    if (d == iter->ndim)
        return false;
    *p = (Plane){*iter, itemsize, (iter->dims[d] + TILE - 1) / TILE};
    p->iter.dims[d] = iter->dims[1];
    p->iter.dims[1] = iter->dims[d];
    for (int k = 0; k < 2; k++) {
        p->iter.strides[d][k] = iter->strides[1][k];
        p->iter.strides[1][k] = iter->strides[d][k];
    }
    return true;
}

static int
copy_planes(Plane *p)
{
    const Iter *it = &p->iter;
    int64_t strips = it->numel / (it->dims[0] * it->dims[1]) * p->strips, grain = GRAIN / 4 / (TILE * it->dims[0]);
    return cpu_parallel_for(it->numel >= RELEASE_GIL_ABOVE, strips, grain, transpose_strips, p);
}

/* ---------------------------------------------------------------- short rows */
/* Rows whose steps would take the iterator longer than the rows.  Of a few elements, LINES rows at a time are copied
 * element by element, as columns: few enough for the nearest cache. */
typedef struct Lines {
    const Iter *iter;
    int64_t itemsize;
} Lines;

static void
copy_line_block(const Lines *l, char *to, const char *from, int64_t n)
{
    const int64_t *item = l->iter->strides[0], *line = l->iter->strides[1], width = l->iter->dims[0];
    if (item[0] == l->itemsize && item[1] == l->itemsize && width * l->itemsize >= SHORT_ROW)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * line[0], from + i * line[1], (size_t)(width * l->itemsize));
    else
        for (int64_t j = 0; j < width; j++)
            cpu_copy_strided(to + j * item[0], line[0], from + j * item[1], line[1], n, l->itemsize);
}

static void
copy_lines(void *context, int64_t begin, int64_t end)
{
    const Lines *l = context;
    const Iter *it = l->iter;
    for (int64_t line = begin, n; line < end; line += n) {
        int64_t rest = line, offset[2] = {0, 0}, inner = it->dims[1] - line % it->dims[1];
        for (int d = 1; d < it->ndim; d++) {
            for (int k = 0; k < 2; k++)
                offset[k] += rest % it->dims[d] * it->strides[d][k];
            rest /= it->dims[d];
        }
        n = inner < LINES ? inner : LINES;
        if (n > end - line)
            n = end - line;
        copy_line_block(l, it->ptr[0] + offset[0], it->ptr[1] + offset[1], n);
    }
}

static bool
is_lines(const Iter *it, int64_t itemsize)
{
    bool dense = it->ndim > 1 && it->strides[0][0] == itemsize && it->strides[0][1] == itemsize;
    return it->ndim > 1 && it->dims[1] > it->dims[0]
           && (it->dims[0] < SHORT_ROW || (dense && it->dims[0] * itemsize <= LINE_BYTES));
}

/* ---------------------------------------------------------------- rows of parts */
typedef struct Join {
    char *out;
    int64_t width, itemsize;
    int n;
    const RowPart *parts;
} Join;

/* As many rows at a time as stay in the nearest cache: the parts meet in its lines. */
static void
join_rows(void *context, int64_t begin, int64_t end)
{
    const Join *j = context;
    const int64_t size = j->itemsize, some = CACHED_ROW / j->width + 1;
    const RowPart *a = &j->parts[0], *b = &j->parts[1];
    if (j->n == 2 && a->bytes == size && b->bytes == size && a->stride == size && b->stride == size) {
        cpu_kernels->interleave(j->out + begin * j->width, a->data + begin * size, b->data + begin * size, end - begin, size);
        return;
    }
    for (int64_t row = begin; row < end; row += some) {
        const int64_t m = end - row < some ? end - row : some;
        char *to = j->out + row * j->width;
        for (int k = 0; k < j->n; to += j->parts[k++].bytes) {
            const RowPart *p = &j->parts[k];
            const char *from = p->data + row * p->stride;
            if (p->bytes < SHORT_ROW)
                for (int64_t at = 0; at < p->bytes; at += size)
                    cpu_copy_strided(to + at, j->width, from + at, p->stride, m, size);
            else
                for (int64_t i = 0; i < m; i++)
                    memcpy(to + i * j->width, from + i * p->stride, (size_t)p->bytes);
        }
    }
}

int
cpu_join_rows(char *out, int64_t width, int64_t rows, int n, const RowPart parts[], int64_t itemsize)
{
    Join join = {out, width, itemsize, n, parts};
    return cpu_parallel_for(rows * width >= RELEASE_GIL_ABOVE * itemsize, rows, GRAIN * itemsize / width, join_rows, &join);
}

int
cpu_cast(Dtype to, Dtype from, const Iter *iter)
{
    Plane plane;
    int64_t itemsize = dtype_info[to].itemsize;
    Types types = {.to = to, .from = from,
                   .reused = iter->ndim > 1 && iter->strides[1][1] == 0 && iter->dims[0] * itemsize <= CACHED_ROW};
    if (to == from && plane_of(&plane, iter, itemsize))
        return copy_planes(&plane);
    if (to == from && is_lines(iter, itemsize)) {
        Lines lines = {iter, itemsize};
        return cpu_parallel_for(iter->numel >= RELEASE_GIL_ABOVE, iter->numel / iter->dims[0], GRAIN / iter->dims[0], copy_lines, &lines);
    }
    return cpu_run(iter, copy_row, (const Param *)(const void *)&types, GRAIN);
}
