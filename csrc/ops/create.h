/* Making tensors from nothing.  `options` are five Values in the order of CREATE_OPTIONS in abi/ops_create.def: dtype,
 * layout, device, requires_grad, pin_memory. */
#ifndef CTORCH_OPS_CREATE_H
#define CTORCH_OPS_CREATE_H

#include "ctorch.h"
#include "ops/args.h"

Tensor *op_empty(const Value *size, const Value *options);
Tensor *op_empty_in(const Value *size, const Value *options, const Value *format);
Tensor *op_zeros(const Value *size, const Value *options);
Tensor *op_ones(const Value *size, const Value *options);
Tensor *op_full(const Value *size, Scalar value, const Value *options);
Tensor *op_eye(int64_t rows, int64_t columns, const Value *options);
Tensor *op_empty_strided(const Value *size, const Value *stride, const Value *options);
/* The same shape as t; dtype and device are t's where the options give none.  format: a MemoryFormat. */
Tensor *op_empty_like(Tensor *t, const Value *options, const Value *format);
Tensor *op_full_like(Tensor *t, Scalar value, const Value *options, const Value *format);
Tensor *op_new_empty(Tensor *t, const Value *size, const Value *options);
Tensor *op_new_empty_strided(Tensor *t, const Value *size, const Value *stride, const Value *options);
Tensor *op_new_full(Tensor *t, const Value *size, Scalar value, const Value *options);

Tensor *op_arange(Scalar start, Scalar end, Scalar step, const Value *options);
Tensor *op_range(Scalar start, Scalar end, Scalar step, const Value *options);         /* end included */
Tensor *op_linspace(double start, double end, int64_t steps, const Value *options);
Tensor *op_logspace(double start, double end, int64_t steps, double base, const Value *options);
Tensor *op_tril_indices(int64_t rows, int64_t columns, int64_t offset, const Value *options);
Tensor *op_triu_indices(int64_t rows, int64_t columns, int64_t offset, const Value *options);
Tensor *op_scalar_tensor(Scalar value, const Value *options);
PyObject *op_meshgrid(int64_t n, Tensor *const *tensors, const char *indexing);        /* a tuple */

#define SCALAR_INT(x) ((Scalar){{(double)(x), (x)}, CATEGORY_INT})
/* Whether a number can be stored without overflow; -1 with RuntimeError. */
int scalar_check_fits(const Scalar *value, Dtype dtype);
/* Of a 0-d tensor's number, or of the number where t is NULL. */
int value_check_fits(Tensor *t, const Scalar *number, Dtype dtype);
/* Sets requires_grad; RuntimeError for integer dtypes. */
Tensor *with_requires_grad(Tensor *t, bool requires_grad);

#endif
