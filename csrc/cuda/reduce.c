/* The reduce, arg_reduce and index_range slots: which dims of a tensor are kept and which are folded, merged into few
 * axes, and how blocks share the work.  That follows from the shape alone, so results have the same bits on any card. */
#include "cuda/reduce.h"

#include <stdint.h>

#include "cuda/slots.h"

enum { PIECE = 1 << 14, PIECES_MAX = 256, LINE = 64 };

/* Neither a length of 0 nor one of 2^31 and more is ever divided by. */
static Divider
divider(int64_t d)
{
    uint32_t shift = 0;
    if (d < 1 || d > INT32_MAX)
        return (Divider){0, 0, 0};
    while (((int64_t)1 << shift) < d)
        shift++;
    return (Divider){(uint32_t)d, (uint32_t)(((((uint64_t)1 << shift) - (uint64_t)d) << 32) / (uint64_t)d + 1), shift};
}

/* -1 if there are too many. */
static int
add_axis(Axes *axes, int64_t n, int64_t stride)
{
    axes->count *= n;
    if (n == 1)
        return 0;
    if (axes->n > 0 && axes->strides[axes->n - 1] * axes->dims[axes->n - 1] == stride) {
        axes->dims[axes->n - 1] *= n;
        return 0;
    }
    if (axes->n == REDUCE_AXES)
        return -1;
    axes->dims[axes->n] = n;
    axes->strides[axes->n++] = stride;
    return 0;
}

static void
close_axes(Axes *axes)
{
    axes->small = axes->count <= INT32_MAX;
    for (int d = 0; d < axes->n; d++)
        axes->dividers[d] = divider(axes->dims[d]);
}

/* The dims that `reduced` marks (or does not), the last first. */
static int
collect(Axes *axes, int ndim, const int64_t *dims, const int64_t *strides, const bool *reduced, bool which, int64_t size)
{
    *axes = (Axes){.count = 1};
    for (int i = ndim - 1; i >= 0; i--)
        if (reduced[i] == which && add_axis(axes, dims[i], strides[i] * size) < 0) {
            raise_text(HOST_RUNTIME_ERROR, "a reduction on 'cuda' takes at most %d dims that cannot be merged", REDUCE_AXES);
            return -1;
        }
    close_axes(axes);
    return 0;
}

/* Reduced dims from near to far in memory: their order is free. */
static void
sort_axes(Axes *axes)
{
    for (int i = 1; i < axes->n; i++)
        for (int j = i; j > 0 && axes->strides[j - 1] > axes->strides[j]; j--) {
            int64_t dim = axes->dims[j], stride = axes->strides[j];
            Divider divisor = axes->dividers[j];
            axes->dims[j] = axes->dims[j - 1];
            axes->strides[j] = axes->strides[j - 1];
            axes->dividers[j] = axes->dividers[j - 1];
            axes->dims[j - 1] = dim;
            axes->strides[j - 1] = stride;
            axes->dividers[j - 1] = divisor;
        }
}

static void
share_out(ReduceJob *job)
{
    int64_t n = job->reduced.count, kept_stride = job->kept.n ? job->kept.strides[0] : INT64_MAX;
    job->by_columns = job->reduced.n > 0 && kept_stride < job->reduced.strides[0];
    job->log_side = job->by_columns ? 5 : n > LINE ? 0 : n > 8 ? 3 : 5;
    job->n_pieces = 1;
    int64_t side = 1 << job->log_side, blocks = (job->kept.count + side - 1) / side;
    int64_t work = PIECE / side * (job->by_columns ? 4 : 1);
    if (blocks < PIECES_MAX && n > work) {
        int64_t most = PIECES_MAX / blocks;
        job->n_pieces = (n + work - 1) / work < most ? (n + work - 1) / work : most;
    }
    job->piece = (n + job->n_pieces - 1) / job->n_pieces;
}

static const Fold merging[FOLD_COUNT] = {
#define FOLD(name, class, lane, start, map, fold, merge) [FOLD_##name] = FOLD_##merge,
#include "abi/folds.def"
};

/* The pieces' accumulators, for each result one behind the other, are folded like elements. */
static void
launch_merge(const ReduceJob *pieces)
{
    ReduceJob job = *pieces;
    job.fold = merging[pieces->fold];
    job.dtype = pieces->dtype < DTYPE_HALF ? DTYPE_INT64 : DTYPE_DOUBLE;
    job.in = pieces->partial;
    job.kept = job.reduced = (Axes){.count = 1};
    (void)add_axis(&job.kept, pieces->kept.count, 8);
    (void)add_axis(&job.reduced, pieces->n_pieces, 8 * pieces->kept.count);
    close_axes(&job.kept);
    close_axes(&job.reduced);
    share_out(&job);
    launch_reduce(&job, current_stream());
}

int
cuda_reduce(const Reduce *r)
{
    ReduceJob job = {.fold = (int)r->fold, .finish = (int)r->finish, .dtype = (int)r->dtype, .result = (int)r->result,
                     .divisor = r->divisor, .in = r->in, .out = r->out, .p = r->p};
    int64_t size = itemsizes[r->dtype];
    if (collect(&job.kept, r->ndim, r->dims, r->strides, r->reduced, false, size) < 0
        || collect(&job.reduced, r->ndim, r->dims, r->strides, r->reduced, true, size) < 0)
        return -1;
    if (job.kept.count == 0)
        return 0;
    sort_axes(&job.reduced);
    share_out(&job);
    if (job.n_pieces > 1 && (job.partial = temporary(job.n_pieces * job.kept.count * (int64_t)sizeof(double))) == NULL)
        return -1;
    launch_reduce(&job, current_stream());
    if (job.n_pieces > 1)
        launch_merge(&job);
    temporary_free(job.partial);
    return launched("a reduction");
}

int
cuda_arg_reduce(const ArgReduce *a)
{
    bool reduced[ITER_DIMS] = {false};
    int64_t size = itemsizes[a->dtype];
    reduced[a->dim] = true;
    ArgJob job = {.largest = a->largest, .dtype = (int)a->dtype, .itemsize = (int)size, .n = a->dims[a->dim],
                  .stride = a->strides[a->dim] * size, .in = a->in, .values = a->values, .indices = a->indices};
    if (collect(&job.kept, a->ndim, a->dims, a->strides, reduced, false, size) < 0)
        return -1;
    if (job.kept.count == 0)
        return 0;
    launch_arg_reduce(&job, current_stream());
    return launched("argmax or argmin");
}

typedef struct RangeLaunch {
    long long *range;
} RangeLaunch;

static int
launch_part(const Places *places, void *context)
{
    launch_range(places, ((RangeLaunch *)context)->range, blocks_for(places->n), current_stream());
    return check(cudaGetLastError());
}

/* Without blocking, kernels check the indices that they read, and nothing is waited for. */
int
cuda_index_range(const Iter *iter, bool exact, int64_t *low, int64_t *high)
{
    long long range[2] = {INT64_MAX, INT64_MIN};
    *low = *high = 0;
    if (!exact && !blocking)
        return 0;
    RangeLaunch l = {temporary(sizeof range)};
    if (l.range == NULL)
        return -1;
    int device = current_device;
    int result = cuda_accelerator.copy(l.range, device, range, HOST_DEVICE, sizeof range, true);
    if (result == 0)
        result = places_each(iter, launch_part, &l);
    if (result == 0)
        result = cuda_accelerator.copy(range, HOST_DEVICE, l.range, device, sizeof range, true);
    temporary_free(l.range);
    *low = range[0];
    *high = range[1];
    return result;
}
