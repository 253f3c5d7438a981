/* Reductions on the device: what reduce.c plans and reduce.cu runs. */
#ifndef CTORCH_CUDA_REDUCE_H
#define CTORCH_CUDA_REDUCE_H

#include "abi/reduce.h"
#include "cuda/places.h"
#include "cuda/runtime.h"

enum { REDUCE_AXES = 16, REDUCE_THREADS = 256 };

/* Some dims of a tensor, innermost first, and how far apart their elements are in bytes.  small: fewer than 2^31
 * elements, for which the dividers hold. */
typedef struct Axes {
    int n;
    bool small;
    int64_t count;
    int64_t dims[REDUCE_AXES], strides[REDUCE_AXES];
    Divider dividers[REDUCE_AXES];
} Axes;

/* A block folds for 1 << log_side results, with as many threads for each as there are.  by_columns: neighbouring threads have
 * neighbouring results, else neighbouring elements.  Long reductions are cut into pieces by the shape alone; their
 * accumulators, 8 bytes each, go to partial[piece][result] and are merged in order. */
typedef struct ReduceJob {
    int fold, finish, dtype, result;
    int log_side;
    bool by_columns;
    int64_t n_pieces, piece;
    double divisor;
    const char *in;
    char *out;
    const double *p;
    char *partial;
    Axes kept, reduced;
} ReduceJob;

/* largest or smallest of each line of n elements `stride` bytes apart */
typedef struct ArgJob {
    bool largest;
    int dtype, itemsize;
    int64_t n, stride;
    const char *in;
    char *values;
    int64_t *indices;
    Axes kept;
} ArgJob;

#ifdef __cplusplus
extern "C" {
#endif
void launch_reduce(const ReduceJob *job, cudaStream_t stream);
void launch_arg_reduce(const ArgJob *job, cudaStream_t stream);
/* range[0] and range[1]: smallest and largest of the int64 operand 0 */
void launch_range(const Places *places, long long *range, int blocks, cudaStream_t stream);
#ifdef __cplusplus
}
#endif

#endif
