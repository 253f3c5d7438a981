/* Reductions: the folds of folds.def, the kernels that run them and the arguments of a backend's `reduce`
 * slot. */
#ifndef CTORCH_ABI_REDUCE_H
#define CTORCH_ABI_REDUCE_H

#include "abi/dtype.h"
#include "abi/isa.h"

typedef enum Fold {
#define FOLD(name, ...) FOLD_##name,
#include "abi/folds.def"
    FOLD_COUNT
} Fold;

/* What becomes of an accumulator: divided, then perhaps a root or a logarithm (plus p) of it. */
typedef enum Finish { FINISH_DIVIDE, FINISH_SQRT, FINISH_LOG } Finish;

/* One reduction of a strided tensor over the dims that `reduced` marks.  The result is dense, row-major over
 * the other dims, and each of its elements has a p if the fold reads one. */
typedef struct Reduce {
    Fold fold;
    Finish finish;
    Dtype dtype; /* of the elements */
    Dtype result;
    int ndim;
    const int64_t *dims, *strides; /* strides in elements */
    const bool *reduced;
    const char *in;
    char *out;
    const double *p; /* NULL: zeros */
    double divisor;  /* 1: none */
} Reduce;

/* The extremes along one dim, which is not empty, and where they are; results as above, values NULL if not
 * asked for. */
typedef struct ArgReduce {
    bool largest;
    Dtype dtype;
    int ndim, dim;
    const int64_t *dims, *strides;
    const char *in;
    char *values; /* of dtype */
    int64_t *indices;
} ArgReduce;

/* The most results that a loop makes at once: the length of acc and p below. */
enum { REDUCE_TILE = 1024 };

/* acc[j] = acc[j] folded with the n elements of result j < m <= REDUCE_TILE.  acc: double or int64; strides
 * in bytes. */
typedef void (*FoldLoop)(void *acc, const char *x, int64_t n, int64_t n_stride, int64_t m, int64_t m_stride,
                         const double *p);

/* n elements of a dtype without loops, at a stride in bytes, as dense int64 or float. */
typedef void (*WidenLoop)(void *to, const char *from, int64_t n, int64_t stride);

/* sums[j] = the sum of element j of n dense rows of m elements, in float: abi/convert.h. */
typedef void (*AddRows)(float *sums, const char *x, int64_t n, int64_t stride, int64_t m);

/* best[j] becomes the extreme of itself and the n elements of result j; index[j] their number, counted from
 * first, if it is one of them.  NaN is extreme; of equals the first stays.  ArgColumns: the m results lie
 * side by side. */
typedef void (*ArgColumns)(void *best, int64_t *index, const char *x, int64_t n, int64_t n_stride, int64_t m,
                           int64_t first);
typedef void (*ArgRows)(void *best, int64_t *index, const char *x, int64_t n, int64_t n_stride, int64_t m,
                        int64_t m_stride, int64_t first);

typedef struct ReduceKernels {
    FoldLoop fold[FOLD_COUNT][DTYPE_COUNT]; /* int64, float and double only */
    WidenLoop widen[DTYPE_COUNT];           /* the others: narrow integers and bool, half types */
    AddRows add_rows[DTYPE_COUNT];          /* half types */
    ArgColumns arg_columns[2][DTYPE_COUNT]; /* [largest], for the dtypes that fold has */
    ArgRows arg_rows[2][DTYPE_COUNT];
} ReduceKernels;

extern const ReduceKernels ISA_NAME(reduce_kernels);

#endif
