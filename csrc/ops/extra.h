/* Geometry changed in place, and pointwise ops made of others. */
#ifndef CTORCH_OPS_EXTRA_H
#define CTORCH_OPS_EXTRA_H

#include "ctorch.h"
#include "ops/args.h"

/* geometry.c: self afterwards sees its memory as the op without the underscore would show it */
Tensor *op_squeeze_(Tensor *self, int n, const int64_t *dims);
Tensor *op_unsqueeze_(Tensor *self, int64_t dim);
Tensor *op_transpose_(Tensor *self, int64_t dim0, int64_t dim1);
Tensor *op_t_(Tensor *self);
Tensor *op_resize_as_(Tensor *self, Tensor *like);
PyObject *op_is_same_size(Tensor *a, Tensor *b);
PyObject *op_storage_bytes(Tensor *t);

/* extra.c */
Tensor *op_clamp_min(Tensor *t, const Value *low);
Tensor *op_clamp_max(Tensor *t, const Value *high);
Tensor *op_clamp_tensors(Tensor *t, Tensor *low, Tensor *high);      /* NULL: no bound on that side */
Tensor *op_positive(Tensor *t);
Tensor *op_prelu(Tensor *t, Tensor *weight);             /* one weight, or one a channel (dimension 1) */
Tensor *op_logit(Tensor *t, double eps);                 /* eps < 0: values outside (0, 1) give NaN */
Tensor *op_nan_to_num(Tensor *t, const Value *nan, const Value *posinf, const Value *neginf);
Tensor *op_float_power(const Value *base, const Value *exponent);
Tensor *op_linalg_cross(Tensor *a, Tensor *b, int64_t dim);
Tensor *op_cross(Tensor *a, Tensor *b, const int64_t *dim);          /* dim NULL: the first of size 3 */

#endif
