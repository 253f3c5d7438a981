/* Inverses and singular values of matrices, and the norms made of them, as C functions; their rows are in
 * abi/ops_linalg.def. */
#ifndef CTORCH_OPS_LINALG_H
#define CTORCH_OPS_LINALG_H

#include "ctorch.h"

Tensor *op_linalg_inv(Tensor *a);
PyObject *op_linalg_svd(Tensor *a);                      /* (U, S, Vh), reduced: min(m, n) singular values */
Tensor *op_linalg_svdvals(Tensor *a);
/* The norms of matrices that are read off singular values: "nuc" their sum, "2" the largest, "-2" the smallest. */
Tensor *op_singular_norm(Tensor *a, const char *order, int n, const int64_t *dims, bool keepdim, Dtype dtype);

#endif
