/* The iterator: any number of strided operands over one index space is brought to few, long dims, and an
 * inner loop is called along the innermost.  Nothing is allocated and nothing can fail; what the loops
 * compute is not known here. */
#include "core/iter.h"

#include "core/parallel.h"

static int64_t
byte_stride(const IterOperand *o, int dim, int ndim)
{
    int own = dim - (ndim - o->ndim);
    return own < 0 || o->dims[own] == 1 ? 0 : o->strides[own] * o->itemsize;
}

/* Whether dim i (inner) and j should change places: 1 yes, -1 no, 0 no operand says.  The output, operand 0,
 * speaks first, so that it is written in order of memory; an operand that is broadcast in either dim says
 * nothing. */
static int
should_swap(const Iter *it, int i, int j)
{
    for (int k = 0; k < it->n_operands; k++) {
        int64_t a = it->strides[i][k], b = it->strides[j][k];
        if (a != b && a != 0 && b != 0)
            return a > b ? 1 : -1;
    }
    return 0;
}

static void
swap_dims(Iter *it, int i, int j)
{
    int64_t dim = it->dims[i];
    it->dims[i] = it->dims[j];
    it->dims[j] = dim;
    for (int k = 0; k < it->n_operands; k++) {
        int64_t stride = it->strides[i][k];
        it->strides[i][k] = it->strides[j][k];
        it->strides[j][k] = stride;
    }
}

/* Insertion sort that skips over undecided pairs: most shapes arrive in order, and then nothing moves. */
static void
order_dims(Iter *it)
{
    for (int i = 1; i < it->ndim; i++) {
        int at = i;
        for (int j = i - 1; j >= 0; j--) {
            int decided = should_swap(it, j, at);
            if (decided < 0)
                break;
            if (decided > 0) {
                swap_dims(it, j, at);
                at = j;
            }
        }
    }
}

/* Dim `outer` continues dim `inner` if every operand steps over all of inner to get to the next of outer. */
static bool
can_merge(const Iter *it, int inner, int outer)
{
    for (int k = 0; k < it->n_operands; k++)
        if (it->strides[outer][k] != it->strides[inner][k] * it->dims[inner])
            return false;
    return true;
}

static void
merge_dims(Iter *it)
{
    int last = 0;
    for (int i = 1; i < it->ndim; i++) {
        if (can_merge(it, last, i)) {
            it->dims[last] *= it->dims[i];
        } else if (++last != i) {
            it->dims[last] = it->dims[i];
            memcpy(it->strides[last], it->strides[i], sizeof(it->strides[i]));
        }
    }
    it->ndim = last + 1;
}

static void
add_dim(Iter *it, const IterOperand operands[], int dim, int ndim, int64_t length)
{
    it->dims[it->ndim] = length;
    for (int k = 0; k < it->n_operands; k++)
        it->strides[it->ndim][k] = byte_stride(&operands[k], dim, ndim);
    it->ndim++;
}

void
iter_build(Iter *it, int n_operands, const IterOperand operands[], int ndim, const int64_t *dims)
{
    it->n_operands = n_operands;
    it->ndim = 0;
    it->numel = 1;
    it->host = 0;
    for (int k = 0; k < n_operands; k++) {
        it->ptr[k] = operands[k].data;
        it->host |= (uint8_t)(operands[k].host << k);
    }
    for (int i = ndim - 1; i >= 0; i--) {
        it->numel *= dims[i];
        if (dims[i] != 1)
            add_dim(it, operands, i, ndim, dims[i]);
    }
    if (it->numel == 0)
        it->ndim = 0;
    if (it->ndim == 0) {
        it->dims[0] = it->numel;
        for (int k = 0; k < n_operands; k++)
            it->strides[0][k] = operands[k].itemsize;
        it->ndim = 1;
        return;
    }
    if (it->ndim > 1) {
        order_dims(it);
        merge_dims(it);
    }
}

static void
move(const Iter *it, char **ptr, int dim, int64_t steps)
{
    for (int k = 0; k < it->n_operands; k++)
        ptr[k] += steps * it->strides[dim][k];
}

/* Moves the pointers to element `index`, and leaves its coordinates. */
static void
seek(const Iter *it, int64_t index, int64_t *coordinates, char **ptr)
{
    memcpy(ptr, it->ptr, (size_t)it->n_operands * sizeof(char *));
    for (int i = 0; i < it->ndim; i++) {
        coordinates[i] = index % it->dims[i];
        index /= it->dims[i];
        move(it, ptr, i, coordinates[i]);
    }
}

/* From anywhere in a row to the start of the next one. */
static void
next_row(const Iter *it, int64_t *coordinates, char **ptr)
{
    move(it, ptr, 0, -coordinates[0]);
    coordinates[0] = 0;
    for (int i = 1; i < it->ndim; i++) {
        if (coordinates[i] + 1 < it->dims[i]) {
            move(it, ptr, i, 1);
            coordinates[i]++;
            return;
        }
        move(it, ptr, i, -coordinates[i]);
        coordinates[i] = 0;
    }
}

void
iter_run_range(const Iter *it, Loop loop, const Param *params, int64_t begin, int64_t end)
{
    int64_t coordinates[ITER_DIMS];
    char *ptr[ITER_OPERANDS];
    seek(it, begin, coordinates, ptr);
    while (begin < end) {
        int64_t n = it->dims[0] - coordinates[0];
        if (n > end - begin)
            n = end - begin;
        loop(ptr, it->strides[0], n, params);
        begin += n;
        if (begin < end)
            next_row(it, coordinates, ptr);
    }
}

void
iter_run(const Iter *it, Loop loop, const Param *params)
{
    if (it->numel == 0)
        return;
    if (it->ndim == 1)
        loop(it->ptr, it->strides[0], it->numel, params);
    else
        iter_run_range(it, loop, params, 0, it->numel);
}

typedef struct Job {
    const Iter *it;
    Loop loop;
    const Param *params;
} Job;

static void
run_chunk(void *context, int64_t begin, int64_t end)
{
    const Job *job = context;
    iter_run_range(job->it, job->loop, job->params, begin, end);
}

int
iter_parallel(const Iter *it, Loop loop, const Param *params, int64_t grain)
{
    Job job = {it, loop, params};
    if (it->numel < 2 * grain) {
        iter_run(it, loop, params);
        return 0;
    }
    return parallel_for(it->numel, grain, run_chunk, &job);
}
