/* The pointwise and guard slots: a launch of the row's kernel.  Kernels of float read and write half types, too, and those
 * of int32 narrower integers; where operands differ in dtype, those that are not of the computation's are converted into
 * temporary memory first. */
#include "cuda/pointwise.h"

#include <string.h>

#include "abi/bounds.h"
#include "cuda/slots.h"

enum { GROUPS_PER_PROCESSOR = 16 };

static const PointwiseTable *const tables[DTYPE_COUNT] = {
    [DTYPE_BOOL] = &pointwise_b,    [DTYPE_UINT8] = &pointwise_i32, [DTYPE_INT8] = &pointwise_i32,
    [DTYPE_INT16] = &pointwise_i32, [DTYPE_INT32] = &pointwise_i32, [DTYPE_INT64] = &pointwise_i64,
    [DTYPE_HALF] = &pointwise_f,    [DTYPE_BF16] = &pointwise_f,    [DTYPE_FLOAT] = &pointwise_f,
    [DTYPE_DOUBLE] = &pointwise_d,
};

int
blocks_for(int64_t threads)
{
    int64_t blocks = (threads + THREADS - 1) / THREADS, most = (int64_t)multiprocessors() * GROUPS_PER_PROCESSOR;
    return (int)(blocks < 1 ? 1 : blocks < most ? blocks : most);
}

static PointwiseKernel
kernel_of(Op op, int part, Dtype dtype)
{
    static PointwiseKernel kernels[OP_COUNT][POINTWISE_PARTS][DTYPE_COUNT];
    static bool filled;
    for (int d = 0; d < DTYPE_COUNT && !filled; d++)
        for (int i = 0; i < tables[d]->n_entries; i++) {
            PointwiseEntry e = tables[d]->entries[i];
            kernels[e.op][e.part][d] = e.kernel;
        }
    filled = true;
    return kernels[op][part][dtype];
}

/* ---------------------------------------------------------------- dtypes of operands */
/* Which operand of a row is bool whatever the compute dtype, or -1. */
typedef struct Trait {
    int8_t bool_operand;
    bool bool_result;
} Trait;

static const Trait traits[OP_COUNT] = {
#define BOOL_NONE -1
#define BOOL_A 0
#define BOOL_B 1
#define UNARY(name, ...) [OP_##name] = {-1, false},
#define PREDICATE(name, ...) [OP_##name] = {-1, true},
#define BINARY(name, ...) [OP_##name] = {-1, false},
#define COMPARE(name, ...) [OP_##name] = {-1, true},
#define TERNARY(name, forms, class, bools, ...) [OP_##name] = {bools, false},
#include "abi/ops.def"
};

/* The type that the formula of an op of `dtype` computes in. */
static Dtype
compute_dtype(Dtype dtype)
{
    static const Dtype wider[DTYPE_COUNT] = {
        [DTYPE_BOOL] = DTYPE_BOOL,   [DTYPE_UINT8] = DTYPE_INT32, [DTYPE_INT8] = DTYPE_INT32,  [DTYPE_INT16] = DTYPE_INT32,
        [DTYPE_INT32] = DTYPE_INT32, [DTYPE_INT64] = DTYPE_INT64, [DTYPE_HALF] = DTYPE_FLOAT,  [DTYPE_BF16] = DTYPE_FLOAT,
        [DTYPE_FLOAT] = DTYPE_FLOAT, [DTYPE_DOUBLE] = DTYPE_DOUBLE};
    return wider[dtype];
}

static Dtype
operand_dtype(Op op, int part, int operand, Dtype dtype)
{
    Trait t = traits[op];
    if (part == PART_FORWARD && operand == 0 && t.bool_result)
        return DTYPE_BOOL;
    if (t.bool_operand >= 0 && operand == (part == PART_FORWARD ? 1 : GRAD_A) + t.bool_operand)
        return DTYPE_BOOL;
    return compute_dtype(dtype);
}

/* The dtype of the operands in memory, bools and numbers left out: the op's, or float if not all have a half type. */
static Dtype
stored_dtype(Op op, int part, Dtype dtype, const Iter *iter)
{
    Dtype compute = compute_dtype(dtype);
    for (int k = 0; k < iter->n_operands && compute == DTYPE_FLOAT; k++)
        if (!(iter->host >> k & 1) && operand_dtype(op, part, k, dtype) == compute && iter->dtype[k] != (int8_t)dtype)
            return compute;
    return dtype;
}

/* ---------------------------------------------------------------- operands in temporary memory */
/* Operand k of `iter` in dense memory of its own as `dtype`: iter then reads that, and copy, of two operands, relates
 * the two (operand 0 the new memory).  Dims that k is broadcast in have no length there.  NULL with an error. */
static char *
dense_operand(Iter *iter, int k, Dtype dtype, Iter *copy)
{
    int64_t step = itemsizes[dtype];
    *copy = (Iter){.n_operands = 2, .numel = 1, .ptr = {NULL, iter->ptr[k]}, .dtype = {(int8_t)dtype, iter->dtype[k]}};
    for (int d = 0; d < iter->ndim; d++) {
        int64_t stride = iter->strides[d][k];
        bool still = stride == 0 || iter->dims[d] == 1;
        iter->strides[d][k] = still ? 0 : step;
        if (still)
            continue;
        copy->dims[copy->ndim] = iter->dims[d];
        copy->strides[copy->ndim][0] = step;
        copy->strides[copy->ndim][1] = stride;
        copy->ndim++;
        copy->numel *= iter->dims[d];
        step *= iter->dims[d];
    }
    if (copy->ndim == 0) {
        copy->ndim = 1;
        copy->dims[0] = 1;
        copy->strides[0][0] = copy->strides[0][1] = 0;
    }
    copy->ptr[0] = iter->ptr[k] = temporary(copy->numel * itemsizes[dtype]);
    iter->dtype[k] = (int8_t)dtype;
    return copy->ptr[0];
}

/* A number in the host's memory as `dtype`: integers and floats do not mix, for the frame has promoted. */
static void
convert_number(Iter *iter, int k, Dtype dtype, uint64_t *number)
{
    const void *from = iter->ptr[k];
    double f = 0;
    int64_t i = 0;
    number_load(from, (Dtype)iter->dtype[k], &f, &i);
    number_store(number, dtype, f, i);
    iter->ptr[k] = (char *)number;
    iter->dtype[k] = (int8_t)dtype;
}

/* ---------------------------------------------------------------- launches */
typedef struct Launch {
    PointwiseKernel kernel;
    Param params[2];
    Dtype stored;
} Launch;

/* Parameters of integers are numbers of the op's dtype: a missing bound is the largest int64. */
static Param
param_of(Param param, Dtype dtype)
{
    static const int64_t low[DTYPE_COUNT] = {[DTYPE_BOOL] = LOW_b, [DTYPE_UINT8] = LOW_u8, [DTYPE_INT8] = LOW_i8,
                                             [DTYPE_INT16] = LOW_i16, [DTYPE_INT32] = LOW_i32, [DTYPE_INT64] = LOW_i64};
    static const int64_t high[DTYPE_COUNT] = {[DTYPE_BOOL] = HIGH_b, [DTYPE_UINT8] = HIGH_u8, [DTYPE_INT8] = HIGH_i8,
                                              [DTYPE_INT16] = HIGH_i16, [DTYPE_INT32] = HIGH_i32, [DTYPE_INT64] = HIGH_i64};
    return (Param){.f = param.f, .i = saturate(param.i, low[dtype], high[dtype])};
}

/* pow with 3 for its exponent, a number, has a kernel of its own. */
static int
kernel_part(Op op, int part, Dtype compute, const Iter *iter)
{
    double f = 0;
    int64_t i = 0;
    if (op != OP_pow || part != PART_FORWARD || !(iter->host >> 2 & 1) || (compute != DTYPE_FLOAT && compute != DTYPE_DOUBLE))
        return part;
    number_load(iter->ptr[2], (Dtype)iter->dtype[2], &f, &i);
    return f == 3 ? PART_CUBE : part;
}

static int
launch_row(const Places *places, void *context)
{
    const Launch *l = context;
    const int size = 16 / itemsizes[l->stored];
    PointwiseArgs args = {.places = *places, .params = {l->params[0], l->params[1]}, .stored = l->stored};
    launch_pointwise(l->kernel, &args, blocks_for(places->dense ? places->n / size : places->n), current_stream());
    return launched("a pointwise op");
}

static int
launch_guards(const Places *places, void *context)
{
    launch_guard(places, *(const Dtype *)context, &faults[current_device], blocks_for(places->n), current_stream());
    return check(cudaGetLastError());
}

int
cuda_pointwise(Op op, int part, Dtype dtype, const Iter *given, const Param *params)
{
    Iter iter = *given, store = {.n_operands = 0};
    uint64_t numbers[ITER_OPERANDS];
    char *memory[ITER_OPERANDS] = {NULL};
    int result = 0;
    Dtype compute = compute_dtype(dtype), stored = stored_dtype(op, part, dtype, given);
    Launch l = {.kernel = kernel_of(op, kernel_part(op, part, compute, given), dtype),
                .params = {param_of(params[0], dtype), param_of(params[1], dtype)}, .stored = stored};
    for (int k = 0; k < iter.n_operands && result == 0; k++) {
        Dtype wanted = operand_dtype(op, part, k, dtype);
        if (wanted == compute && !(iter.host >> k & 1))
            wanted = stored;
        if (iter.dtype[k] == (int8_t)wanted)
            continue;
        if (iter.host >> k & 1) {
            convert_number(&iter, k, wanted, &numbers[k]);
            continue;
        }
        int same = -1;                /* letters that are not saved are g again */
        for (int j = 1; j < k; j++)
            if (given->ptr[j] == given->ptr[k] && given->dtype[j] == given->dtype[k] && memory[j] != NULL)
                same = j;
        bool equal = same >= 0;
        for (int d = 0; d < iter.ndim && equal; d++)
            equal = given->strides[d][same] == given->strides[d][k];
        if (equal) {
            iter.ptr[k] = iter.ptr[same];
            iter.dtype[k] = iter.dtype[same];
            for (int d = 0; d < iter.ndim; d++)
                iter.strides[d][k] = iter.strides[d][same];
            continue;
        }
        Iter copy;
        memory[k] = dense_operand(&iter, k, wanted, &copy);
        if (memory[k] == NULL)
            result = -1;
        else if (k > 0)
            result = cuda_cast((Dtype)copy.dtype[0], (Dtype)copy.dtype[1], &copy);
        else
            store = copy;
    }
    if (result == 0)
        result = places_each(&iter, launch_row, &l);
    if (result == 0 && store.n_operands > 0) {
        Iter back = store;
        for (int k = 0; k < 2; k++) {
            back.ptr[k] = store.ptr[1 - k];
            back.dtype[k] = store.dtype[1 - k];
            for (int d = 0; d < store.ndim; d++)
                back.strides[d][k] = store.strides[d][1 - k];
        }
        result = cuda_cast((Dtype)back.dtype[0], (Dtype)back.dtype[1], &back);
    }
    for (int k = 0; k < iter.n_operands; k++)
        temporary_free(memory[k]);
    return result;
}

/* Every guard asks about operand 1, the divisor.  A number is looked at here; a tensor is waited for, since a card
 * divides by zero without a word. */
bool
cuda_guard(Op op, Dtype dtype, const Iter *iter)
{
    static const bool guarded[OP_COUNT] = {
#define GUARD(row, ...) [OP_##row] = true,
#include "abi/ops.def"
    };
    if (!guarded[op] || dtype >= DTYPE_HALF || iter->numel == 0)
        return false;
    if (iter->host >> 1 & 1) {
        double f = 0;
        int64_t i = 0;
        number_load(iter->ptr[1], dtype, &f, &i);
        return i == 0;
    }
    if (places_each(iter, launch_guards, &dtype) < 0 || check(cudaStreamSynchronize(current_stream())) < 0)
        return false;
    bool met = faults[current_device].kind == FAULT_ZERO_DIVISION;
    if (met)
        faults[current_device].kind = FAULT_NONE;
    return met;
}
