/* Views, and the few copies that reshape makes. */
#ifndef CTORCH_OPS_VIEW_H
#define CTORCH_OPS_VIEW_H

#include "ctorch.h"
#include "ops/args.h"

/* offset in elements from t's own first element */
Tensor *op_as_strided(Tensor *t, int ndim, const int64_t *dims, const int64_t *strides, int64_t offset);
/* offset counts from the storage's start; not given, the view starts where t does. */
Tensor *op_as_strided_at(Tensor *t, const Value *size, const Value *stride, const Value *offset);
Tensor *op_as_strided_backward(Tensor *g, int base_ndim, const int64_t *base_dims, const int64_t *base_strides, int ndim,
                               const int64_t *dims, const int64_t *strides, int64_t offset);
void backward_as_strided(Node *n, Tensor **grads, Tensor **out);     /* of any node with node_save_geometry's ints */
Tensor *op_view(Tensor *t, int ndim, const int64_t *dims);
Tensor *op_view_dtype(Tensor *t, Dtype dtype);
Tensor *op_unsafe_view(Tensor *t, int ndim, const int64_t *dims);     /* of a fresh result: no view for autograd */
Tensor *op_reshape(Tensor *t, int ndim, const int64_t *dims);
Tensor *op_flatten(Tensor *t, int64_t start, int64_t end);
Tensor *op_unflatten(Tensor *t, int64_t dim, int n, const int64_t *sizes);
Tensor *op_expand(Tensor *t, int ndim, const int64_t *dims);
Tensor *op_transpose(Tensor *t, int64_t dim0, int64_t dim1);
Tensor *op_t(Tensor *t);
Tensor *op_permute(Tensor *t, int n, const int64_t *dims);
Tensor *op_squeeze(Tensor *t, const int64_t *dims, int n);            /* dims NULL: every dim of size 1 */
Tensor *op_unsqueeze(Tensor *t, int64_t dim);
Tensor *op_select(Tensor *t, int64_t dim, int64_t index);
Tensor *op_slice(Tensor *t, int64_t dim, int64_t start, int64_t end, int64_t step);
Tensor *op_narrow(Tensor *t, int64_t dim, int64_t start, int64_t length);
/* A view with any geometry over t's memory, marked for autograd but not recorded. */
Tensor *view_make(Tensor *t, int ndim, const int64_t *dims, const int64_t *strides, int64_t offset);
/* Strides that let t be seen as dims without a copy; false if there are none. */
bool view_strides(const Tensor *t, int ndim, const int64_t *dims, int64_t *strides);
/* -1 in dims resolved, product checked against numel; -1 with an error. */
int view_infer_size(const Tensor *t, int ndim, const int64_t *dims, int64_t *resolved);

#endif
