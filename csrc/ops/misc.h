/* Joining, splitting, repeating and reordering; resizing. */
#ifndef CTORCH_OPS_MISC_H
#define CTORCH_OPS_MISC_H

#include "ctorch.h"
#include "ops/args.h"

Tensor *op_resize_(Tensor *self, int ndim, const int64_t *dims);      /* contents undefined where it grows */

/* join.c */
Tensor *op_cat(int64_t n, Tensor *const *tensors, int64_t dim);
Tensor *op_stack(int64_t n, Tensor *const *tensors, int64_t dim);
Tensor *op_hstack(int64_t n, Tensor *const *tensors);
Tensor *op_vstack(int64_t n, Tensor *const *tensors);
PyObject *op_unbind(Tensor *t, int64_t dim);             /* tuples of views */
PyObject *op_split(Tensor *t, int64_t size, int64_t dim);
PyObject *op_split_sizes(Tensor *t, int n, const int64_t *sizes, int64_t dim);
PyObject *op_chunk(Tensor *t, int64_t chunks, int64_t dim);
PyObject *op_tensor_split(Tensor *t, int64_t sections, int64_t dim);
PyObject *op_tensor_split_at(Tensor *t, int n, const int64_t *indices, int64_t dim);
PyObject *op_tensor_split_tensor(Tensor *t, Tensor *where, int64_t dim);        /* sections (0-d) or indices */

/* arrange.c */
Tensor *op_repeat(Tensor *t, int n, const int64_t *repeats);
Tensor *op_tile(Tensor *t, int n, const int64_t *dims);
Tensor *op_flip(Tensor *t, int n, const int64_t *dims);
Tensor *op_fliplr(Tensor *t);
Tensor *op_flipud(Tensor *t);
Tensor *op_rot90(Tensor *t, int64_t k, int n, const int64_t *dims);
Tensor *op_roll(Tensor *t, const Value *shifts, const Value *dims);
Tensor *op_tril(Tensor *t, int64_t diagonal);
Tensor *op_triu(Tensor *t, int64_t diagonal);
Tensor *op_diagonal(Tensor *t, int64_t offset, int64_t dim1, int64_t dim2);
Tensor *op_diagonal_copy(Tensor *t, int64_t offset, int64_t dim1, int64_t dim2);
Tensor *op_diag(Tensor *t, int64_t diagonal);
Tensor *op_diag_embed(Tensor *t, int64_t offset, int64_t dim1, int64_t dim2);
Tensor *op_repeat_interleave(Tensor *t, int64_t repeats, const int64_t *dim);
Tensor *op_repeat_interleave_each(Tensor *t, Tensor *repeats, const int64_t *dim);
Tensor *op_movedim(Tensor *t, const Value *source, const Value *destination);
Tensor *op_expand_as(Tensor *t, Tensor *other);
Tensor *op_view_as(Tensor *t, Tensor *other);
Tensor *op_reshape_as(Tensor *t, Tensor *other);
Tensor *op_unfold(Tensor *t, int64_t dim, int64_t size, int64_t step);
Tensor *op_div_rounded(const Value *a, const Value *b, const Value *mode);
Tensor *op_gelu(Tensor *t, const char *approximate);
Tensor *op_round_decimals(Tensor *t, int64_t decimals);
Tensor *op_where_method(const Value *input, const Value *condition, const Value *other);

#endif
