/* Drives the fold loops over strided tensors: which elements belong to which result, tiles of results, pieces
 * of long reductions, threads, and what becomes of the accumulators.
 *
 * The work is cut by the shape alone: into tiles of up to REDUCE_TILE results along the kept dim that is
 * nearest in memory, and, where there are few tiles, into pieces of the reduced elements whose partial
 * results are merged in order. So the bits of a result do not depend on the number of threads. */
#include "core/cpu_reduce.h"

#include <math.h>
#include <string.h>

#include "abi/half.h"
#include "core/cpu.h"
#include "core/parallel.h"
#include "ctorch.h"

/* ROWS: results of a tile whose elements lie row by row: short rows are read across. */
enum { ROWS = 256, PIECE = 1 << 15, LONG_PIECE = 1 << 17, PIECES_MAX = 64, WIDE_BLOCK = 4096, WIDE_COLUMNS = 256, RELEASE_GIL_ABOVE = 1 << 16 };

typedef union Acc {
    double f;
    int64_t i;
} Acc;

/* Dims as loops: strides in bytes for elements, in elements for results. */
typedef struct Axis {
    int64_t n, stride, out;
} Axis;

typedef struct Plan {
    const Reduce *r;
    FoldLoop loop;
    WidenLoop widen;  /* NULL: loop reads the elements as they are */
    AddRows add_rows; /* NULL, or sums of halves */
    Dtype computed;   /* what loop reads */
    int64_t itemsize; /* of computed */
    bool is_float;
    int n_outer, n_reduced;
    Axis outer[NDIM_MAX]; /* kept dims but the tiled one */
    Axis tiled;
    Axis reduced[NDIM_MAX];  /* the last is innermost */
    int64_t n_elements;      /* reduced for each result */
    int64_t tile, n_tiles;   /* results in a tile; tiles along the tiled dim */
    int64_t n_pieces, piece; /* of the reduced elements of a tile */
    Acc *partial;            /* [tiles of all outer][pieces][tile] if n_pieces > 1 */
} Plan;

/* ---------------------------------------------------------------- folds as the driver knows them */
#define LOWEST (double)-INFINITY
#define HIGHEST (double)INFINITY
static const double starts[FOLD_COUNT] = {
#define FOLD(name, class, lane, start, map, fold, merge) [FOLD_##name] = start,
#include "abi/folds.def"
};

static Acc
fold_start(Fold fold, bool is_float)
{
    double start = starts[fold];
    if (is_float)
        return (Acc){.f = start};
    return (Acc){.i = start == (double)-INFINITY  ? INT64_MIN
                      : start == (double)INFINITY ? INT64_MAX
                                                  : (int64_t)start};
}

#define FOLDED(name, type, fold) \
    static inline type name(type acc, type v) \
    { \
        const type MORE = v > acc ? v : acc, LESS = v < acc ? v : acc; \
        (void)MORE, (void)LESS; \
        return fold; \
    }
#define FOLD(name, class, lane, start, map, fold, merge) FOLDED(name##_f, double, fold) FOLDED(name##_i, int64_t, fold)
#include "abi/folds.def"

static void
fold_merge(Fold fold, bool is_float, Acc *acc, const Acc *v, int64_t n)
{
    switch (2 * (int)fold + is_float) {
#define FOLD(name, ...) \
    case 2 * FOLD_##name: \
        for (int64_t j = 0; j < n; j++) \
            acc[j].i = name##_i(acc[j].i, v[j].i); \
        break; \
    case 2 * FOLD_##name + 1: \
        for (int64_t j = 0; j < n; j++) \
            acc[j].f = name##_f(acc[j].f, v[j].f); \
        break;
#include "abi/folds.def"
    }
}

/* ---------------------------------------------------------------- the plan */
static bool
add_axis(Axis *axes, int n, Axis a)
{
    if (n > 0 && axes[n - 1].stride == a.n * a.stride && axes[n - 1].out == a.n * a.out) {
        axes[n - 1] = (Axis){axes[n - 1].n * a.n, a.stride, a.out};
        return false;
    }
    axes[n] = a;
    return true;
}

/* Reduced dims from far to near in memory: their order is free. */
static void
sort_axes(Axis *axes, int n)
{
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && axes[j - 1].stride < axes[j].stride; j--) {
            Axis a = axes[j];
            axes[j] = axes[j - 1];
            axes[j - 1] = a;
        }
}

static void
collect_axes(Plan *p)
{
    const Reduce *r = p->r;
    int64_t size = dtype_info[r->dtype].itemsize, out = 1, out_strides[NDIM_MAX];
    Axis reduced[NDIM_MAX];
    int n_reduced = 0;
    for (int i = r->ndim - 1; i >= 0; i--) {
        out_strides[i] = out;
        if (!r->reduced[i])
            out *= r->dims[i];
    }
    p->n_outer = p->n_reduced = 0;
    p->n_elements = 1;
    for (int i = 0; i < r->ndim; i++) {
        if (r->reduced[i])
            p->n_elements *= r->dims[i];
        if (r->dims[i] == 1)
            continue;
        if (r->reduced[i])
            reduced[n_reduced++] = (Axis){r->dims[i], r->strides[i] * size, 0};
        else
            p->n_outer +=
                add_axis(p->outer, p->n_outer, (Axis){r->dims[i], r->strides[i] * size, out_strides[i]});
    }
    sort_axes(reduced, n_reduced);
    for (int i = 0; i < n_reduced; i++)
        p->n_reduced += add_axis(p->reduced, p->n_reduced, reduced[i]);
    if (p->n_reduced == 0)
        p->reduced[p->n_reduced++] = (Axis){1, size, 0};
}

/* The kept dim nearest in memory is tiled. */
static void
choose_tiled(Plan *p)
{
    int nearest = -1;
    for (int i = 0; i < p->n_outer; i++)
        if (nearest < 0 || p->outer[i].stride <= p->outer[nearest].stride)
            nearest = i;
    p->tiled = (Axis){1, 0, 0};
    if (nearest < 0)
        return;
    p->tiled = p->outer[nearest];
    memmove(p->outer + nearest, p->outer + nearest + 1, (size_t)(p->n_outer - nearest - 1) * sizeof(Axis));
    p->n_outer--;
}

static int64_t
outer_count(const Plan *p)
{
    int64_t n = 1;
    for (int i = 0; i < p->n_outer; i++)
        n *= p->outer[i].n;
    return n;
}

static void
cut(Plan *p)
{
    bool rows = p->reduced[p->n_reduced - 1].stride < p->tiled.stride;
    p->tile = rows ? ROWS : REDUCE_TILE;
    if (p->tile > p->tiled.n)
        p->tile = p->tiled.n;
    if (rows && p->n_elements > 0 && p->tile > PIECE / p->n_elements)
        p->tile = PIECE / p->n_elements > 0 ? PIECE / p->n_elements : 1;
    p->n_tiles = (p->tiled.n + p->tile - 1) / p->tile;
    int64_t tiles = outer_count(p) * p->n_tiles, pieces = p->n_elements * p->tile / LONG_PIECE;
    p->n_pieces = 1;
    if (tiles < PIECES_MAX && pieces > 1)
        p->n_pieces = pieces < PIECES_MAX / tiles ? pieces : PIECES_MAX / tiles;
    p->piece = (p->n_elements + p->n_pieces - 1) / p->n_pieces;
    p->n_pieces = p->piece > 0 ? (p->n_elements + p->piece - 1) / p->piece : 1;
}

/* ---------------------------------------------------------------- running */
/* `runs` runs of n elements of a dtype without loops, as dense ones of the computed dtype. */
static void
widen_runs(const Plan *p, char *to, const char *x, int64_t runs, int64_t run_stride, int64_t n, int64_t stride)
{
    if (run_stride == n * stride) {
        p->widen(to, x, runs * n, stride);
        return;
    }
    for (int64_t k = 0; k < runs; k++)
        p->widen(to + k * n * p->itemsize, x + k * run_stride, n, stride);
}

/* Blocks of elements are widened to what the loop reads, along the dim that is nearer in memory: of columns as many rows
 * as the loop folds before it goes to the accumulators, of runs several that fit. */
static void
fold_widened(const Plan *p, Acc *acc, const char *x, int64_t n, int64_t n_stride, int64_t m,
             const double *shift)
{
    _Alignas(64) char wide[WIDE_BLOCK * ITEMSIZE_MAX];
    int64_t m_stride = p->tiled.stride, length = n < WIDE_BLOCK ? n : WIDE_BLOCK, width = WIDE_BLOCK / length;
    bool columns = m > 1 && m_stride < n_stride;
    if (columns) {
        width = m < WIDE_COLUMNS ? m : WIDE_COLUMNS;
        length = WIDE_BLOCK / width;
    }
    for (int64_t j = 0; j < m; j += width)
        for (int64_t i = 0; i < n; i += length) {
            int64_t w = m - j < width ? m - j : width, l = n - i < length ? n - i : length;
            const char *from = x + j * m_stride + i * n_stride;
            if (columns) {
                widen_runs(p, wide, from, l, n_stride, w, m_stride);
                p->loop(acc + j, wide, l, w * p->itemsize, w, p->itemsize, shift + j);
            } else {
                widen_runs(p, wide, from, w, m_stride, l, n_stride);
                p->loop(acc + j, wide, l, p->itemsize, w, l * p->itemsize, shift + j);
            }
        }
}

/* Sums of halves: dense rows of columns, or those that a dense run is cut into, are added while they are widened, as many
 * as a loop adds in float.  False: neither is dense. */
static bool
add_halves(const Plan *p, Acc *acc, const char *x, int64_t n, int64_t n_stride, int64_t m, const double *shift)
{
    enum { DEPTH = 32, LINE = 64, SIZE = 2 };
    float sums[REDUCE_TILE];
    const int64_t m_stride = p->tiled.stride;
    if (m >= LINE / 2 && m_stride == SIZE) {
        for (int64_t i = 0; i < n; i += DEPTH) {
            p->add_rows(sums, x + i * n_stride, n - i < DEPTH ? n - i : DEPTH, n_stride, m);
            p->loop(acc, (const char *)sums, 1, m * (int64_t)sizeof(float), m, sizeof(float), shift);
        }
        return true;
    }
    if (n_stride != SIZE || n < 2 * LINE)
        return false;
    for (int64_t j = 0; j < m; j++, x += m_stride) {
        const int64_t rows = n / LINE, rest = n % LINE;
        for (int64_t i = 0; i < rows; i += DEPTH) {
            p->add_rows(sums, x + i * LINE * SIZE, rows - i < DEPTH ? rows - i : DEPTH, LINE * SIZE, LINE);
            p->loop(acc + j, (const char *)sums, LINE, sizeof(float), 1, 0, shift + j);
        }
        if (rest > 0) {
            p->widen(sums, x + rows * LINE * SIZE, rest, SIZE);
            p->loop(acc + j, (const char *)sums, rest, sizeof(float), 1, 0, shift + j);
        }
    }
    return true;
}

/* Folds the reduced elements [begin, end) of m results at x into acc, run by run of the innermost reduced
 * dim. */
static void
fold_range(const Plan *p, Acc *acc, const char *x, int64_t begin, int64_t end, int64_t m, const double *shift)
{
    const Axis *inner = &p->reduced[p->n_reduced - 1];
    while (begin < end) {
        int64_t rest = begin / inner->n, at = begin % inner->n, n = inner->n - at;
        const char *from = x + at * inner->stride;
        for (int d = p->n_reduced - 2; d >= 0; d--) {
            from += rest % p->reduced[d].n * p->reduced[d].stride;
            rest /= p->reduced[d].n;
        }
        if (n > end - begin)
            n = end - begin;
        if (p->widen == NULL)
            p->loop(acc, from, n, inner->stride, m, p->tiled.stride, shift);
        else if (p->add_rows == NULL || !add_halves(p, acc, from, n, inner->stride, m, shift))
            fold_widened(p, acc, from, n, inner->stride, m, shift);
        begin += n;
    }
}

static double
finished(const Reduce *r, double acc, double shift)
{
    acc /= r->divisor;
    return r->finish == FINISH_SQRT ? sqrt(acc) : r->finish == FINISH_LOG ? log(acc) + shift : acc;
}

static void
store_float(const Reduce *r, int64_t at, double y)
{
    switch (r->result) {
    case DTYPE_DOUBLE: ((double *)(void *)r->out)[at] = y; break;
    case DTYPE_FLOAT: ((float *)(void *)r->out)[at] = (float)y; break;
    case DTYPE_HALF: ((uint16_t *)(void *)r->out)[at] = float_to_f16((float)y); break;
    case DTYPE_BF16: ((uint16_t *)(void *)r->out)[at] = float_to_bf16((float)y); break;
    case DTYPE_BOOL: ((bool *)r->out)[at] = y != 0; break;
    case DTYPE_UINT8: ((uint8_t *)r->out)[at] = y != 0; break;
    default: ((int64_t *)(void *)r->out)[at] = (int64_t)y; break;
    }
}

static void
store_int(const Reduce *r, int64_t at, int64_t y)
{
    switch (r->result) {
    case DTYPE_INT64: ((int64_t *)(void *)r->out)[at] = y; break;
    case DTYPE_INT32: ((int32_t *)(void *)r->out)[at] = (int32_t)y; break;
    case DTYPE_INT16: ((int16_t *)(void *)r->out)[at] = (int16_t)y; break;
    case DTYPE_INT8: ((int8_t *)r->out)[at] = (int8_t)y; break;
    case DTYPE_UINT8: ((uint8_t *)r->out)[at] = (uint8_t)y; break;
    case DTYPE_BOOL: ((bool *)r->out)[at] = y != 0; break;
    default: store_float(r, at, finished(r, (double)y, 0)); break;
    }
}

/* The usual finish of the usual type, without a question for each result; x / 1 is x. */
static void
store_quotients(const Plan *p, const Acc *acc, int64_t out, int64_t m)
{
    float *y = (float *)(void *)p->r->out + out;
    const double divisor = p->r->divisor;
    if (divisor == 1)
        for (int64_t j = 0; j < m; j++)
            y[j * p->tiled.out] = (float)acc[j].f;
    else
        for (int64_t j = 0; j < m; j++)
            y[j * p->tiled.out] = (float)(acc[j].f / divisor);
}

static void
store_tile(const Plan *p, const Acc *acc, int64_t out, int64_t m, const double *shift)
{
    if (p->r->result == DTYPE_FLOAT && p->is_float && p->r->finish == FINISH_DIVIDE) {
        store_quotients(p, acc, out, m);
        return;
    }
    for (int64_t j = 0; j < m; j++, out += p->tiled.out)
        if (p->is_float)
            store_float(p->r, out, finished(p->r, acc[j].f, shift[j]));
        else
            store_int(p->r, out, acc[j].i);
}

/* One tile: where its elements and results begin, and how many results it has. */
static int64_t
locate_tile(const Plan *p, int64_t tile, const char **x, int64_t *out)
{
    int64_t outer = tile / p->n_tiles, first = tile % p->n_tiles * p->tile;
    *x = p->r->in + first * p->tiled.stride;
    *out = first * p->tiled.out;
    for (int d = p->n_outer - 1; d >= 0; d--) {
        *x += outer % p->outer[d].n * p->outer[d].stride;
        *out += outer % p->outer[d].n * p->outer[d].out;
        outer /= p->outer[d].n;
    }
    return p->tiled.n - first < p->tile ? p->tiled.n - first : p->tile;
}

/* The numbers p of m results, brought side by side in buffer if there are any. */
static const double *
load_shift(const Plan *p, int64_t out, int64_t m, double *buffer)
{
    static double zeros[REDUCE_TILE];
    if (p->r->p == NULL)
        return zeros;
    for (int64_t j = 0; j < m; j++)
        buffer[j] = p->r->p[out + j * p->tiled.out];
    return buffer;
}

static void
run_tasks(void *context, int64_t begin, int64_t end)
{
    const Plan *p = context;
    const Acc start = fold_start(p->r->fold, p->is_float);
    for (int64_t task = begin; task < end; task++) {
        const char *x;
        Acc acc[REDUCE_TILE];
        double buffer[REDUCE_TILE];
        int64_t out, piece = task % p->n_pieces, m = locate_tile(p, task / p->n_pieces, &x, &out);
        int64_t last = (piece + 1) * p->piece;
        const double *shift = load_shift(p, out, m, buffer);
        for (int64_t j = 0; j < m; j++)
            acc[j] = start;
        fold_range(p, acc, x, piece * p->piece, last < p->n_elements ? last : p->n_elements, m, shift);
        if (p->n_pieces == 1)
            store_tile(p, acc, out, m, shift);
        else
            memcpy(p->partial + task * p->tile, acc, (size_t)m * sizeof acc[0]);
    }
}

static void
merge_pieces(const Plan *p, int64_t tiles)
{
    for (int64_t tile = 0; tile < tiles; tile++) {
        const char *x;
        double buffer[REDUCE_TILE];
        int64_t out, m = locate_tile(p, tile, &x, &out);
        Acc *acc = p->partial + tile * p->n_pieces * p->tile;
        for (int64_t piece = 1; piece < p->n_pieces; piece++)
            fold_merge(p->r->fold, p->is_float, acc, acc + piece * p->tile, m);
        store_tile(p, acc, out, m, load_shift(p, out, m, buffer));
    }
}

/* Runs all tasks, over the threads and without the GIL if they are worth it. */
static int
run_cut(const Plan *p, int64_t tasks, ParallelRange body, void *context)
{
    int64_t work = p->piece * p->tile, grain = work > 0 && work < PIECE ? PIECE / work : 1;
    return cpu_parallel_for(tasks * work >= RELEASE_GIL_ABOVE, tasks, grain, body, context);
}

/* Fills every field: clearing a Plan would cost more than a small reduction.  False if there is no result to compute. */
static bool
plan_make(Plan *p, const Reduce *r)
{
    const ReduceKernels *kernels = cpu_kernels->reduce;
    p->r = r;
    p->partial = NULL;
    p->widen = kernels->widen[r->dtype];
    p->add_rows = r->fold == FOLD_sum ? kernels->add_rows[r->dtype] : NULL;
    p->is_float = dtype_is_float(r->dtype);
    p->computed = p->widen == NULL ? r->dtype : p->is_float ? DTYPE_FLOAT : DTYPE_INT64;
    p->loop = kernels->fold[r->fold][p->computed];
    p->itemsize = dtype_info[p->computed].itemsize;
    collect_axes(p);
    choose_tiled(p);
    if (p->tiled.n == 0 || outer_count(p) == 0)
        return false;
    cut(p);
    return true;
}

int
cpu_reduce(const Reduce *r)
{
    Plan p;
    if (!plan_make(&p, r))
        return 0;
    int64_t tiles = outer_count(&p) * p.n_tiles;
    if (p.n_pieces > 1) {
        size_t size = (size_t)(tiles * p.n_pieces * p.tile) * sizeof(Acc);
        p.partial = PyMem_RawMalloc(size);
        if (p.partial == NULL) {
            no_memory((int64_t)size);
            return -1;
        }
    }
    int result = run_cut(&p, tiles * p.n_pieces, run_tasks, &p);
    if (result == 0 && p.n_pieces > 1)
        merge_pieces(&p, tiles);
    PyMem_RawFree(p.partial);
    return result;
}

/* ---------------------------------------------------------------- where the extremes are */
typedef struct ArgJob {
    Plan plan;
    const ArgReduce *a;
    ArgColumns columns;
    ArgRows rows;
} ArgJob;

/* Runs of up to SHORT_RUN elements are brought side by side, which costs less than a search in each. */
enum { BEST_SIZE = REDUCE_TILE * ITEMSIZE_MAX, SHORT_RUN = 32 };

static void
arg_rows(const ArgJob *job, const char *x, int64_t n, int64_t stride, int64_t m, char *best, int64_t *index)
{
    const Plan *p = &job->plan;
    _Alignas(64) char wide[WIDE_BLOCK * ITEMSIZE_MAX];
    if (p->widen == NULL) {
        job->rows(best, index, x, n, stride, m, p->tiled.stride, 0);
        return;
    }
    for (int64_t j = 0; j < m; j++, x += p->tiled.stride)
        for (int64_t i = 0; i < n; i += WIDE_BLOCK) {
            int64_t length = n - i < WIDE_BLOCK ? n - i : WIDE_BLOCK;
            p->widen(wide, x + i * stride, length, stride);
            job->rows(best + j * p->itemsize, index + j, wide, length, p->itemsize, 1, 0, i);
        }
}

/* m elements of one row of results, side by side. */
static void
load_row(const Plan *p, char *to, const char *x, int64_t m)
{
    if (p->widen != NULL)
        p->widen(to, x, m, p->tiled.stride);
    else if (p->itemsize == 4)
        for (int64_t j = 0; j < m; j++)
            memcpy(to + 4 * j, x + j * p->tiled.stride, 4);
    else
        for (int64_t j = 0; j < m; j++)
            memcpy(to + 8 * j, x + j * p->tiled.stride, 8);
}

static void
arg_columns(const ArgJob *job, const char *x, int64_t n, int64_t stride, int64_t m, char *best,
            int64_t *index)
{
    const Plan *p = &job->plan;
    _Alignas(64) char wide[WIDE_BLOCK * ITEMSIZE_MAX];
    int64_t rows = WIDE_BLOCK / m;
    if (p->widen == NULL && p->tiled.stride == p->itemsize) {
        job->columns(best, index, x, n, stride, m, 0);
        return;
    }
    for (int64_t i = 0; i < n; i += rows) {
        int64_t length = n - i < rows ? n - i : rows;
        for (int64_t k = 0; k < length; k++)
            load_row(p, wide + k * m * p->itemsize, x + (i + k) * stride, m);
        job->columns(best, index, wide, length, m * p->itemsize, m, i);
    }
}

static void
run_arg_tasks(void *context, int64_t begin, int64_t end)
{
    const ArgJob *job = context;
    const Plan *p = &job->plan;
    const Axis *run = &p->reduced[0];
    int64_t size = dtype_info[job->a->dtype].itemsize;
    for (int64_t task = begin; task < end; task++) {
        const char *x;
        _Alignas(64) char best[BEST_SIZE];
        int64_t out, index[REDUCE_TILE], m = locate_tile(p, task, &x, &out);
        memset(index, 0, (size_t)m * sizeof index[0]);
        load_row(p, best, x, m);
        if (m > 1 && ((p->tiled.stride == size && run->stride != size) || run->n <= SHORT_RUN))
            arg_columns(job, x, run->n, run->stride, m, best, index);
        else
            arg_rows(job, x, run->n, run->stride, m, best, index);
        for (int64_t j = 0; j < m; j++, out += p->tiled.out, x += p->tiled.stride) {
            job->a->indices[out] = index[j];
            if (job->a->values != NULL)
                memcpy(job->a->values + out * size, x + index[j] * run->stride, (size_t)size);
        }
    }
}

int
cpu_arg_reduce(const ArgReduce *a)
{
    bool reduced[NDIM_MAX] = {false};
    reduced[a->dim] = true;
    Reduce r = {.fold = a->largest ? FOLD_amax : FOLD_amin,
                .dtype = a->dtype,
                .ndim = a->ndim,
                .dims = a->dims,
                .strides = a->strides,
                .reduced = reduced,
                .in = a->in};
    ArgJob job;
    job.a = a;
    if (!plan_make(&job.plan, &r))
        return 0;
    Plan *p = &job.plan;
    p->n_pieces = 1;
    p->piece = p->n_elements;
    job.columns = cpu_kernels->reduce->arg_columns[a->largest][p->computed];
    job.rows = cpu_kernels->reduce->arg_rows[a->largest][p->computed];
    return run_cut(p, outer_count(p) * p->n_tiles, run_arg_tasks, &job);
}

double
cpu_fold_dense(Fold fold, Dtype dtype, const char *x, int64_t n)
{
    Acc acc = fold_start(fold, true);
    const double shift = 0;
    int64_t size = dtype_info[dtype].itemsize;
    cpu_kernels->reduce->fold[fold][dtype](&acc, x, n, size, 1, 0, &shift);
    return acc.f;
}
