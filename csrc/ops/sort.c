/* sort, argsort, msort, topk.  The gradient of a sorted value goes back to the place it came from. */
#include "ops/sort.h"

#include <string.h>

#include "ops/ops.h"
#include "ops/return_types.h"

Tensor *
sort_run(Tensor *t, int64_t k, bool descending, Tensor **values)
{
    const Backend *backend = t ? backend_of(t) : NULL;
    Tensor *in = t ? op_contiguous(op_detach(t)) : NULL;
    if (in == NULL)
        return NULL;
    if (backend->sort == NULL) {
        not_implemented_device("sort", t);
        return NULL;
    }
    int64_t dims[NDIM_MAX], n = t->ndim ? t->dims[t->ndim - 1] : 1;
    memcpy(dims, t->dims, t->ndim * sizeof dims[0]);
    if (t->ndim > 0)
        dims[t->ndim - 1] = k;
    Tensor *indices = scope_keep(tensor_empty(t->ndim, dims, DTYPE_INT64, t->device));
    if (values != NULL)
        *values = scope_keep(tensor_empty(t->ndim, dims, (Dtype)t->dtype, t->device));
    if (indices == NULL || (values != NULL && *values == NULL))
        return NULL;
    Sort s = {(Dtype)t->dtype,
              descending,
              n ? in->numel / n : 0,
              n,
              k,
              in->data,
              values ? (*values)->data : NULL,
              (int64_t *)(void *)indices->data,
              NULL};
    return backend->sort(&s) < 0 ? NULL : indices;
}

int
sort_pick(const Tensor *rows, int64_t n, int64_t count, int64_t *places)
{
    Sort s = {.dtype = (Dtype)rows->dtype, .rows = count, .n = n, .k = 1, .in = rows->data, .indices = places,
              .places = places};
    return backend_of(rows)->sort(&s);
}

/* The same along dim d. */
static Tensor *
sort_along(Tensor *t, int d, int64_t k, bool descending, Tensor **values)
{
    bool last = d >= t->ndim - 1;
    Tensor *indices = sort_run(last ? t : op_transpose(op_detach(t), d, -1), k, descending, values);
    if (last || indices == NULL)
        return indices;
    if (values != NULL)
        *values = op_contiguous(op_transpose(*values, d, -1));
    return op_contiguous(op_transpose(indices, d, -1));
}

static Tensor *
sorted(Tensor *t, int64_t dim, bool descending, Tensor **indices)
{
    int d = t ? shape_wrap_dim(dim, t->ndim) : -1;
    if (d < 0)
        return NULL;
    Tensor *values = NULL;
    *indices = sort_along(t, d, t->ndim ? t->dims[d] : 1, descending, &values);
    record_picked(OP_sort, values, t, *indices, d, true);
    return *indices == NULL || PyErr_Occurred() ? NULL : values;
}

PyObject *
op_sort(Tensor *t, int64_t dim, bool descending)
{
    Tensor *indices = NULL, *values = sorted(t, dim, descending, &indices);
    return return_pair(RETURN_SORT, values, indices);
}

BACKWARD(sort)
{
    GRAD(0, spread_picked(n, g));
}

Tensor *
op_argsort(Tensor *t, int64_t dim, bool descending)
{
    int d = t ? shape_wrap_dim(dim, t->ndim) : -1;
    return d < 0 ? NULL : sort_along(t, d, t->ndim ? t->dims[d] : 1, descending, NULL);
}

Tensor *
op_sorted_values(Tensor *t, int64_t dim)
{
    Tensor *indices;
    return sorted(t, dim, false, &indices);
}

Tensor *
op_msort(Tensor *t)
{
    return op_sorted_values(t, 0);
}

PyObject *
op_topk(Tensor *t, int64_t k, int64_t dim, bool largest)
{
    int d = t ? shape_wrap_dim(dim, t->ndim) : -1;
    if (d < 0)
        return NULL;
    if (k < 0 || k > (t->ndim ? t->dims[d] : 1))
        return (PyObject *)error(PyExc_RuntimeError,
                                 "selected index k out of range: topk of %lld among the %lld along dim %d",
                                 (long long)k, (long long)(t->ndim ? t->dims[d] : 1), d);
    if (t->dtype == DTYPE_BOOL)
        return (PyObject *)error(PyExc_RuntimeError, "topk does not support bool dtypes: convert with .byte()");
    Tensor *values = NULL, *indices = sort_along(t, d, t->ndim ? k : 1, largest, &values);     /* 0-d: its one element */
    record_picked(OP_topk, values, t, indices, d, true);
    return return_pair(RETURN_TOPK, values, indices);
}

BACKWARD(topk)
{
    GRAD(0, spread_picked(n, g));
}

Tensor *
op_topk_indices(Tensor *t, int64_t k)
{
    return sort_run(t, k, true, NULL);
}
