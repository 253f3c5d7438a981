/* Matrix products as C functions; their rows are in abi/ops_matmul.def. */
#ifndef CTORCH_OPS_MATMUL_H
#define CTORCH_OPS_MATMUL_H

#include "ops/view.h"

Tensor *op_mm(Tensor *a, Tensor *b);
Tensor *op_bmm(Tensor *a, Tensor *b);
Tensor *op_mv(Tensor *a, Tensor *v);
Tensor *op_dot(Tensor *a, Tensor *b);
Tensor *op_matmul(Tensor *a, Tensor *b);
Tensor *op_outer(Tensor *a, Tensor *b);
Tensor *op_inner(Tensor *a, Tensor *b);
Tensor *op_addmm(Tensor *input, Tensor *a, Tensor *b, Scalar beta, Scalar alpha);
Tensor *op_addmv(Tensor *input, Tensor *a, Tensor *v, Scalar beta, Scalar alpha);
Tensor *op_addr(Tensor *input, Tensor *a, Tensor *b, Scalar beta, Scalar alpha);
Tensor *op_baddbmm(Tensor *input, Tensor *a, Tensor *b, Scalar beta, Scalar alpha);
/* x w^T + bias over the last dimension; bias may be NULL. */
Tensor *op_linear(Tensor *x, Tensor *w, Tensor *bias);
/* relu(linear(x, w, bias)) with the same graph; one kernel where x is a matrix of float32 or float64. */
Tensor *op_linear_relu(Tensor *x, Tensor *w, Tensor *bias);

static inline Tensor *
op_mT(Tensor *t)
{
    return op_transpose(t, -2, -1);
}

#endif
