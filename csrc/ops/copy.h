/* Copies, conversions and fills as C functions; their rows are in abi/ops_copy.def. */
#ifndef CTORCH_OPS_COPY_H
#define CTORCH_OPS_COPY_H

#include "ctorch.h"
#include "ops/args.h"

Tensor *op_clone(Tensor *t);                             /* dense copy, t's stride order */
Tensor *op_contiguous(Tensor *t);                        /* t itself if it is; else a row-major copy */
Tensor *op_clone_in(Tensor *t, MemoryFormat format);
Tensor *op_contiguous_in(Tensor *t, const Value *format);
/* Strides of t's shape in the format, and whether t's are channels-last ones; -1 with an error: another rank is wanted. */
int format_strides(MemoryFormat format, const Tensor *t, int64_t *strides);
bool is_channels_last(const Tensor *t, MemoryFormat format);
Tensor *op_to_dtype(Tensor *t, Dtype dtype);             /* t itself if nothing changes */
Tensor *op_to(Tensor *t, Dtype dtype, const Device *device, bool copy);
Tensor *op_to_in(Tensor *t, Dtype dtype, const Device *device, bool copy, MemoryFormat format);
Tensor *op_copy_(Tensor *self, Tensor *source);          /* broadcast, cast; recorded */
Tensor *op_copy_when(Tensor *self, Tensor *source, bool non_blocking);
Tensor *op_fill_(Tensor *self, const Value *value);
Tensor *op_zero_(Tensor *self);
Tensor *op_detach(Tensor *t);                            /* alias without history */
/* Without autograd or checks: shapes broadcast, any dtypes. */
int copy_data(Tensor *to, Tensor *from);
int fill_data(Tensor *to, Scalar value);

/* For printing and the like: a device's tensor as a copy without history, other tensors themselves. */
Tensor *op_on_host(Tensor *t);

#endif
