/* Reductions over any dims.  n == 0 means all dims. */
#ifndef CTORCH_OPS_REDUCE_H
#define CTORCH_OPS_REDUCE_H

#include "abi/reduce.h"
#include "ctorch.h"
#include "ops/args.h"

/* ---- reduce.c */
Tensor *op_sum(Tensor *t);
Tensor *op_sum_dims(Tensor *t, int n, const int64_t *dims, bool keepdim);
Tensor *op_mean(Tensor *t);
Tensor *op_mean_dims(Tensor *t, int n, const int64_t *dims, bool keepdim);
/* Sums t down to dims, which must broadcast to t's: what a broadcast's gradient needs.  t itself if nothing
 * changes. */
Tensor *op_sum_to_size(Tensor *t, int ndim, const int64_t *dims);
Tensor *op_sum_all(Tensor *t, Dtype dtype);
Tensor *op_sum_over(Tensor *t, const Value *dims, bool keepdim, Dtype dtype);
Tensor *op_nansum(Tensor *t, const Value *dims, bool keepdim, Dtype dtype);
Tensor *op_mean_all(Tensor *t, Dtype dtype);
Tensor *op_mean_over(Tensor *t, const Value *dims, bool keepdim, Dtype dtype);
Tensor *op_nanmean(Tensor *t, const Value *dims, bool keepdim, Dtype dtype);
Tensor *op_prod_all(Tensor *t, Dtype dtype);
Tensor *op_prod_dim(Tensor *t, int64_t dim, bool keepdim, Dtype dtype);
Tensor *op_any(Tensor *t, int n, const int64_t *dims, bool keepdim);
Tensor *op_all(Tensor *t, int n, const int64_t *dims, bool keepdim);
Tensor *op_any_over(Tensor *t, const Value *dims, bool keepdim);
Tensor *op_all_over(Tensor *t, const Value *dims, bool keepdim);
Tensor *op_count_nonzero(Tensor *t, int n, const int64_t *dims);
Tensor *op_logsumexp(Tensor *t, int n, const int64_t *dims, bool keepdim);
Tensor *op_trace(Tensor *t);

/* ---- moments.c: correction is subtracted from the number of elements */
Tensor *op_var(Tensor *t, int n, const int64_t *dims, double correction, bool keepdim);
Tensor *op_std(Tensor *t, int n, const int64_t *dims, double correction, bool keepdim);
PyObject *op_var_mean(Tensor *t, int n, const int64_t *dims, double correction, bool keepdim);
PyObject *op_std_mean(Tensor *t, int n, const int64_t *dims, double correction, bool keepdim);

/* ---- norms.c */
/* t in the dtype that a norm is asked for in: its own, or a float type that holds its values. */
Tensor *norm_operand(const char *op, Tensor *t, Dtype dtype);
Tensor *op_vector_norm(Tensor *t, double ord, int n, const int64_t *dims, bool keepdim, Dtype dtype);
Tensor *op_norm_named(Tensor *t, const char *p, const Value *dims, bool keepdim, Dtype dtype);
Tensor *op_dist(Tensor *a, Tensor *b, double p);

/* ---- arg_reduce.c */
PyObject *op_max_dim(Tensor *t, int64_t dim, bool keepdim);
PyObject *op_min_dim(Tensor *t, int64_t dim, bool keepdim);
Tensor *op_argmax(Tensor *t, int64_t dim, bool keepdim);
Tensor *op_argmax_over(Tensor *t, const int64_t *dim, bool keepdim); /* dim NULL: of the flattened t */
Tensor *op_argmin_over(Tensor *t, const int64_t *dim, bool keepdim);
Tensor *op_amax(Tensor *t, int n, const int64_t *dims, bool keepdim);
Tensor *op_amin(Tensor *t, int n, const int64_t *dims, bool keepdim);
Tensor *op_max(Tensor *t);
Tensor *op_min(Tensor *t);
PyObject *op_aminmax(Tensor *t, const int64_t *dim, bool keepdim);

/* ---- cumulative.c */
Tensor *running_max(Tensor *t);                          /* along the last dim, no history */
Tensor *op_cumsum(Tensor *t, int64_t dim, Dtype dtype);
Tensor *op_cumprod(Tensor *t, int64_t dim, Dtype dtype);
PyObject *op_cummax(Tensor *t, int64_t dim);
PyObject *op_cummin(Tensor *t, int64_t dim);
Tensor *op_logcumsumexp(Tensor *t, int64_t dim);

/* ---- compare.c */
Tensor *op_isclose(Tensor *a, Tensor *b, double rtol, double atol, bool equal_nan);
PyObject *op_allclose(Tensor *a, Tensor *b, double rtol, double atol, bool equal_nan);
PyObject *op_equal(Tensor *a, Tensor *b);

/* ---- shared by these files */
/* Which dims are reduced, and the result's shape. */
typedef struct Span {
    bool reduced[NDIM_MAX];
    int ndim;
    int64_t dims[NDIM_MAX];
    int64_t n_elements; /* reduced for each result */
} Span;

int span_of(Span *s, Tensor *t, int n, const int64_t *dims, bool keepdim); /* -1 with an error */
/* The node keeps t's dims and which of them were reduced; span_restore gives a result's gradient (or a saved
 * result) size 1 where it was reduced, so that it broadcasts against t; span_spread expands it to t's shape.
 */
void span_save(Node *n, Tensor *t, const Span *s);
Tensor *span_restore(Node *n, Tensor *y);
Tensor *span_spread(Node *n, Tensor *y);
int span_dims(Node *n, int64_t *dims); /* the reduced dims; how many */
int64_t span_count(Node *n);           /* elements reduced for each result */
/* One reduction of t without checks or recording; new dtype `result`.  p: see struct Reduce. */
Tensor *reduce_run(Tensor *t, const Span *s, Fold fold, Dtype result, Finish finish, double divisor,
                   const Tensor *p);
/* dim wrapped; IndexError also for a dim of size 0, which has no extreme. */
int check_nonempty_dim(const char *op, Tensor *t, int64_t dim);
/* A result that picked one element along dim d: its gradient is a scatter. */
void record_picked(Op op, Tensor *values, Tensor *t, Tensor *indices, int d, bool keepdim);
Tensor *spread_picked(Node *n, Tensor *g);

#endif
