/* Reductions: sums, extremes, norms and moments over any dims.  dims NULL or n == 0 means all of them. */
#ifndef CTORCH_OPS_REDUCE_H
#define CTORCH_OPS_REDUCE_H

#include "abi/reduce.h"
#include "ctorch.h"
#include "ops/args.h"

/* ---- what other files call ---- */
Tensor *op_sum(Tensor *t);
Tensor *op_sum_dims(Tensor *t, int n, const int64_t *dims, bool keepdim);
Tensor *op_mean(Tensor *t);
Tensor *op_mean_dims(Tensor *t, int n, const int64_t *dims, bool keepdim);
/* Sums t down to dims, which must broadcast to t's: what a broadcast's gradient needs.  t itself if nothing changes. */
Tensor *op_sum_to_size(Tensor *t, int ndim, const int64_t *dims);

/* ---- rows ---- */
Tensor *op_sum_all(Tensor *t, Dtype dtype);
Tensor *op_sum_over(Tensor *t, const Value *dims, bool keepdim, Dtype dtype);
Tensor *op_mean_all(Tensor *t, Dtype dtype);
Tensor *op_mean_over(Tensor *t, const Value *dims, bool keepdim, Dtype dtype);

/* ---- services for the family's files ---- */
/* Which dims are reduced, and the result's shape with and without them. */
typedef struct Span {
    bool reduced[NDIM_MAX];
    int ndim;
    int64_t dims[NDIM_MAX];       /* of the result */
    int64_t n_elements;           /* reduced for each result */
} Span;

int span_of(Span *s, Tensor *t, int n, const int64_t *dims, bool keepdim);       /* -1 with an error */
/* One reduction of t without checks or recording; new dtype `result`.  p: see struct Reduce. */
Tensor *reduce_run(Tensor *t, const Span *s, Fold fold, Dtype result, Finish finish, double divisor, const double *p);
/* g of a reduction's result brought back to the rank of its input, of size 1 where it was reduced. */
Tensor *unreduce(Tensor *g, int ndim, const int64_t *dims, const bool *reduced);

#endif
