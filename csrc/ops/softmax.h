/* Softmax and its relatives along one dim; comparisons of vectors. */
#ifndef CTORCH_OPS_SOFTMAX_H
#define CTORCH_OPS_SOFTMAX_H

#include "abi/softmax.h"
#include "ctorch.h"
#include "ops/args.h"

Tensor *op_softmax(Tensor *t, int64_t dim);
Tensor *op_log_softmax(Tensor *t, int64_t dim);
/* Of t in dtype, unless that is DTYPE_NONE. */
Tensor *op_softmax_as(Tensor *t, int64_t dim, Dtype dtype);
Tensor *op_log_softmax_as(Tensor *t, int64_t dim, Dtype dtype);
/* The gradient of x, y being its (log-)softmax. */
Tensor *op_softmax_backward(Tensor *g, Tensor *y, int64_t dim);
Tensor *op_log_softmax_backward(Tensor *g, Tensor *y, int64_t dim);

/* nn.functional's forms: without a dim, one is chosen with a warning. */
Tensor *op_nn_softmax(Tensor *t, const int64_t *dim, int64_t stacklevel, Dtype dtype);
Tensor *op_nn_log_softmax(Tensor *t, const int64_t *dim, int64_t stacklevel, Dtype dtype);
Tensor *op_nn_softmin(Tensor *t, const int64_t *dim, int64_t stacklevel, Dtype dtype);
Tensor *op_glu(Tensor *t, int64_t dim);

Tensor *op_normalize(Tensor *t, double p, const Value *dims, double eps);
Tensor *op_cosine_similarity(Tensor *a, Tensor *b, int64_t dim, double eps);
Tensor *op_pairwise_distance(Tensor *a, Tensor *b, double p, double eps, bool keepdim);

/* ---- shared with ops/loss.c */
/* float for the half types, which are worked in float. */
Dtype softmax_compute_dtype(Dtype dtype);
/* outer, n and inner of t's shape around dimension d. */
void softmax_shape(const Tensor *t, int d, int64_t *outer, int64_t *n, int64_t *inner);
/* Runs s, whose shape, dtype and pointers are set, on t's device; -1 with an error. */
int softmax_run(Tensor *t, const Softmax *s);

#endif
