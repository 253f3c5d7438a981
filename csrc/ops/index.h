/* Reading and writing elements picked by indices or masks, and the gradients of parts.  A `dim` may be negative;
 * indices are int64 or int32 tensors; every index is checked before anything is written.  Functions with `inplace`
 * write into t itself where it is true, else into a copy. */
#ifndef CTORCH_OPS_INDEX_H
#define CTORCH_OPS_INDEX_H

#include "abi/index.h"
#include "autograd/node.h"
#include "ctorch.h"
#include "ops/args.h"

/* ---- parts (ops/slice.c) */
/* Zeros of shape dims with g at start, start + step, ... of dimension dim. */
Tensor *op_slice_backward(Tensor *g, int ndim, const int64_t *dims, int64_t dim, int64_t start, int64_t step);
/* flat[offset + sum of i * stride] += g, for every element of g; dims are g's.  flat is 1-D, fresh (no history) and
 * written in place; the result is flat. */
Tensor *op_strided_add(Tensor *flat, Tensor *g, int ndim, const int64_t *dims, const int64_t *strides, int64_t offset);
Tensor *op_alias(Tensor *t);                             /* a view of all of t */

/* ---- advanced indexing (ops/index.c): indices[k] belongs to dimension k; NULL takes all of it */
Tensor *op_index(Tensor *t, int n, Tensor *const *indices);
Tensor *op_index_put(Tensor *t, int n, Tensor *const *indices, Tensor *values, bool accumulate, bool inplace);

/* ---- along one dimension, an index for every element (ops/gather.c) */
typedef enum Reduction { REDUCE_SET, REDUCE_SUM, REDUCE_PROD, REDUCE_MEAN, REDUCE_AMAX, REDUCE_AMIN } Reduction;
Tensor *op_gather(Tensor *t, int64_t dim, Tensor *index);
Tensor *op_scatter(Tensor *t, int64_t dim, Tensor *index, Tensor *src, bool inplace);
Tensor *op_scatter_value(Tensor *t, int64_t dim, Tensor *index, Scalar value, bool inplace);
Tensor *op_scatter_add(Tensor *t, int64_t dim, Tensor *index, Tensor *src, bool inplace);
Tensor *op_scatter_reduce(Tensor *t, int64_t dim, Tensor *index, Tensor *src, const char *reduce, bool include_self,
                          bool inplace);
Tensor *op_scatter_with(Tensor *t, int64_t dim, Tensor *index, const Value *src, const char *reduce, bool inplace);
Tensor *op_take_along_dim(Tensor *t, Tensor *index, const int64_t *dim);     /* dim NULL: of the flattened t */

/* ---- along one dimension, an index for every row (ops/index_select.c) */
Tensor *op_index_select(Tensor *t, int64_t dim, Tensor *index);
Tensor *op_index_add(Tensor *t, int64_t dim, Tensor *index, Tensor *source, Scalar alpha, bool inplace);
Tensor *op_index_copy(Tensor *t, int64_t dim, Tensor *index, Tensor *source, bool inplace);
Tensor *op_index_fill(Tensor *t, int64_t dim, Tensor *index, const Value *value, bool inplace);
Tensor *op_take(Tensor *t, Tensor *index);
Tensor *op_put(Tensor *t, Tensor *index, Tensor *source, bool accumulate, bool inplace);

/* ---- masks (ops/mask.c) */
Tensor *op_nonzero(Tensor *t);                           /* (count, ndim) int64 */
PyObject *op_nonzero_tuple(Tensor *t);                   /* a tuple of ndim columns */
PyObject *op_nonzero_form(Tensor *t, bool as_tuple);
Tensor *op_argwhere(Tensor *t);
Tensor *op_masked_select(Tensor *t, Tensor *mask);
Tensor *op_masked_scatter(Tensor *t, Tensor *mask, Tensor *source, bool inplace);

/* ---- shared by these files */
/* 0-filled, contiguous, no history; scope-owned. */
Tensor *index_apart(Tensor *t, Tensor *other);           /* a copy of other if it shares t's memory */
Tensor *index_zeros(int ndim, const int64_t *dims, Dtype dtype, Device device);
/* What a write goes into: t itself after the in-place checks, or a contiguous copy without history. */
Tensor *index_target(Tensor *t, const char *op, bool inplace);
/* Records a write into out: inputs[0] is t. */
Node *index_record(Op op, Tensor *out, bool inplace, int n_inputs, Tensor *const *inputs);
/* index as int64; IndexError for another dtype than int64 and int32. */
Tensor *index_as_int64(Tensor *index, const char *op);

/* One pick: out-of-range indices were refused before, unless `outside` asks.  dims is the index space; each operand's
 * strides are for it. */
typedef struct Pick {
    int ndim;
    const int64_t *dims;
    Tensor *data;
    const int64_t *data_strides;       /* 0 in the dims that an index replaces */
    char *values;                      /* of data's dtype */
    const int64_t *value_strides;
    int n_indices;
    Tensor *const *indices;            /* int64 */
    const int64_t *const *index_strides;
    const int64_t *steps;              /* elements of data that one more of an index moves */
    const int64_t *sizes;
    bool wraps;                        /* negative indices count from the end; else there are none */
    bool *outside;                     /* may be NULL; see PickArgs */
} Pick;

int pick_run(const char *op, PickMode mode, const Pick *pick);
/* Smallest and largest element of an int64 tensor, 0 and -1 if there is none to read; -1 with an error.  Unless they must
 * be exact, a device that checks indices while it picks answers 0 and 0. */
int index_range(const char *op, Tensor *index, bool exact, int64_t *low, int64_t *high);

#endif
