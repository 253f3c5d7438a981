/* Sorting and what is read off sorted data. */
#ifndef CTORCH_OPS_SORT_H
#define CTORCH_OPS_SORT_H

#include "ctorch.h"
#include "ops/args.h"

/* ---- sort.c */
PyObject *op_sort(Tensor *t, int64_t dim, bool descending);
Tensor *op_argsort(Tensor *t, int64_t dim, bool descending);
Tensor *op_msort(Tensor *t);
Tensor *op_sorted_values(Tensor *t, int64_t dim);
PyObject *op_topk(Tensor *t, int64_t k, int64_t dim, bool largest);
Tensor *op_topk_indices(Tensor *t, int64_t k); /* of the k largest along the last dim */
/* The first k sorted elements along the last dim: indices, and *values if values is not NULL; no history. */
Tensor *sort_run(Tensor *t, int64_t k, bool descending, Tensor **values);

/* places: of `count` dense rows of n elements on their device, which place of the sorted row is wanted; becomes its index. */
int sort_pick(const Tensor *rows, int64_t n, int64_t count, int64_t *places);

/* ---- order.c: order statistics */
PyObject *op_kthvalue(Tensor *t, int64_t k, int64_t dim, bool keepdim);
Tensor *op_median(Tensor *t);
Tensor *op_nanmedian(Tensor *t);
PyObject *op_median_dim(Tensor *t, int64_t dim, bool keepdim);
PyObject *op_nanmedian_dim(Tensor *t, int64_t dim, bool keepdim);
PyObject *op_mode(Tensor *t, int64_t dim, bool keepdim);
Tensor *op_quantile(Tensor *t, Tensor *q, const int64_t *dim, bool keepdim, const char *interpolation,
                    bool ignore_nan);
Tensor *op_quantile_number(Tensor *t, double q, const int64_t *dim, bool keepdim, const char *interpolation,
                           bool ignore_nan);

/* ---- unique.c */
PyObject *op_unique(Tensor *t, bool return_inverse, bool return_counts, const int64_t *dim);
PyObject *op_unique_consecutive(Tensor *t, bool return_inverse, bool return_counts, const int64_t *dim);

/* ---- bins.c */
Tensor *op_bincount(Tensor *t, Tensor *weights, int64_t minlength);
Tensor *op_histc(Tensor *t, int64_t bins, double min, double max);
Tensor *op_searchsorted(Tensor *sorted, const Value *values, bool out_int32, bool right, const char *side,
                        Tensor *sorter);
Tensor *op_bucketize(const Value *values, Tensor *boundaries, bool out_int32, bool right);

#endif
