/* Masks: where elements are not zero, and the elements that a mask picks, read in order or written in order.
 */
#include <string.h>

#include "ops/ops.h"

static int
shape_unknown(const char *op, const Backend *backend)
{
    error(PyExc_NotImplementedError,
          "'%s' is not implemented on '%s': its result's shape depends on the values", op, backend->name);
    return -1;
}

/* t as a dense bool tensor. */
static Tensor *
as_mask(Tensor *t)
{
    if (t == NULL || t->dtype == DTYPE_BOOL)
        return op_contiguous(t);
    return op_contiguous(op_scalar(OP_ne, op_detach(t), 0));
}

static int64_t
count_true(const char *op, Tensor *mask)
{
    int64_t count = 0;
    const Backend *backend = backend_of(mask);
    if (backend->mask_count == NULL)
        return shape_unknown(op, backend);
    if (mask->numel > 0 && backend->mask_count((const uint8_t *)mask->data, mask->numel, &count) < 0)
        return -1;
    return count;
}

/* ---------------------------------------------------------------- coordinates */
/* Column by column in memory, as PyTorch has it: a column is dense. */
Tensor *
op_nonzero(Tensor *t)
{
    Tensor *mask = as_mask(t);
    int64_t count = mask ? count_true("nonzero", mask) : -1;
    if (count < 0)
        return NULL;
    int64_t dims[2] = {count, mask->ndim}, strides[2] = {1, count > 1 ? count : 1};
    Tensor *out = scope_keep(tensor_empty(2, dims, DTYPE_INT64, mask->device));
    if (out == NULL || tensor_set_dims(out, 2, dims, strides) < 0)
        return NULL;
    NonzeroArgs args = {.mask = (const uint8_t *)mask->data,
                        .ndim = mask->ndim,
                        .dims = mask->dims,
                        .n = mask->numel,
                        .count = count,
                        .out = (int64_t *)out->data};
    return count > 0 && backend_of(mask)->nonzero(&args) < 0 ? NULL : out;
}

PyObject *
op_nonzero_tuple(Tensor *t)
{
    if (t != NULL && t->ndim == 0)
        t = op_reshape(t, 1, (int64_t[]){1});
    Tensor *places = op_nonzero(t);
    PyObject *tuple = places ? PyTuple_New(t->ndim) : NULL;
    for (int i = 0; tuple && i < t->ndim; i++) {
        Tensor *column = scope_take(op_select(places, 1, i));
        if (column == NULL) {
            Py_DECREF(tuple);
            return NULL;
        }
        PyTuple_SET_ITEM(tuple, i, (PyObject *)column);
    }
    return tuple;
}

PyObject *
op_nonzero_form(Tensor *t, bool as_tuple)
{
    return as_tuple ? op_nonzero_tuple(t) : (PyObject *)scope_take(op_nonzero(t));
}

Tensor *
op_argwhere(Tensor *t)
{
    return op_nonzero(t);
}

/* ---------------------------------------------------------------- moving elements */
static int
move_masked(const char *op, MaskMode mode, Tensor *mask, Tensor *full, Tensor *packed)
{
    const Backend *backend = backend_of(full);
    MaskArgs args = {.mode = mode,
                     .itemsize = tensor_itemsize(full),
                     .n = full->numel,
                     .count = packed->numel,
                     .mask = (const uint8_t *)mask->data,
                     .full = full->data,
                     .packed = packed->data};
    if (backend->mask_move == NULL)
        return shape_unknown(op, backend);
    return backend->mask_move(&args);
}

static int
check_mask(const char *op, Tensor *t, Tensor *mask, int *ndim, int64_t *dims)
{
    if (check_same_device(op, 2, (Tensor *[]){t, mask}) < 0)
        return -1;
    *ndim = t->ndim;
    memcpy(dims, t->dims, t->ndim * sizeof dims[0]);
    if (shape_broadcast(ndim, dims, mask->ndim, mask->dims) == 0)
        return 0;
    for (int i = 1; i <= t->ndim && i <= mask->ndim; i++) {
        int64_t a = mask->dims[mask->ndim - i], b = t->dims[t->ndim - i];
        if (a != b && a != 1 && b != 1)
            error(PyExc_RuntimeError,
                  "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton "
                  "dimension %d: %s with mask %s and tensor %s",
                  (long long)a, (long long)b, (mask->ndim > t->ndim ? mask->ndim : t->ndim) - i, op,
                  shape_text(mask->ndim, mask->dims), shape_text(t->ndim, t->dims));
    }
    return -1;
}

Tensor *
op_masked_select(Tensor *t, Tensor *mask)
{
    int ndim;
    int64_t dims[NDIM_MAX];
    if (t == NULL || mask == NULL)
        return NULL;
    if (mask->dtype != DTYPE_BOOL)
        return error(PyExc_RuntimeError, "masked_select: expected BoolTensor for mask, got %s",
                     dtype_info[mask->dtype].name);
    if (check_mask("masked_select", t, mask, &ndim, dims) < 0)
        return NULL;
    Tensor *full = op_contiguous(op_expand(op_detach(t), ndim, dims));
    Tensor *where = op_contiguous(op_expand(mask, ndim, dims));
    int64_t count = full && where ? count_true("masked_select", where) : -1;
    Tensor *out = count < 0 ? NULL : scope_keep(tensor_empty(1, &count, (Dtype)t->dtype, t->device));
    if (out == NULL || move_masked("masked_select", MASK_SELECT, where, full, out) < 0)
        return NULL;
    Node *n = RECORD(OP_masked_select, out, t);
    node_save(n, 0, mask);
    node_save_ints(n, ndim, dims);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(masked_select)
{
    Tensor *zeros = index_zeros(n->n_ints, node_ints(n), (Dtype)g->dtype, g->device);
    GRAD(0, op_masked_scatter(zeros, node_saved(n, 0), g, false));
}

Tensor *
op_masked_scatter(Tensor *t, Tensor *mask, Tensor *source, bool inplace)
{
    int ndim;
    int64_t dims[NDIM_MAX];
    if (t == NULL || mask == NULL || source == NULL)
        return NULL;
    if (mask->dtype != DTYPE_BOOL)
        return error(PyExc_RuntimeError,
                     "masked_scatter_ only supports boolean masks, but got mask with dtype %s",
                     dtype_info[mask->dtype].type_name);
    if (source->dtype != t->dtype)
        return error(PyExc_RuntimeError,
                     "masked_scatter: expected self and source to have same dtypes but got %s and %s",
                     dtype_info[t->dtype].type_name, dtype_info[source->dtype].type_name);
    if (check_mask("masked_scatter", t, mask, &ndim, dims) < 0
        || check_same_device("masked_scatter", 2, (Tensor *[]){t, source}) < 0)
        return NULL;
    if (inplace && ((mask = index_apart(t, mask)) == NULL || (source = index_apart(t, source)) == NULL))
        return NULL;
    bool grows = ndim != t->ndim || memcmp(dims, t->dims, (size_t)ndim * sizeof dims[0]) != 0;
    if (inplace && grows)
        return error(PyExc_RuntimeError, "expand: the mask %s must broadcast to the tensor's shape %s",
                     shape_text(mask->ndim, mask->dims), shape_text(t->ndim, t->dims));
    Tensor *target = grows ? op_expand(t, ndim, dims) : t;
    Tensor *out = target ? index_target(target, "masked_scatter_", inplace) : NULL;
    Tensor *where = op_contiguous(op_expand(mask, ndim, dims)), *packed = op_contiguous(op_detach(source));
    int64_t count = out && where && packed ? count_true("masked_scatter", where) : -1;
    if (count < 0)
        return NULL;
    if (count > packed->numel)
        return error(PyExc_RuntimeError, "Number of elements of source < number of ones in mask: %lld < %lld",
                     (long long)packed->numel, (long long)count);
    Tensor *full = op_contiguous(op_detach(out));
    if (full == NULL || move_masked("masked_scatter", MASK_SCATTER, where, full, packed) < 0
        || (full->data != out->data && copy_data(out, full) < 0))
        return NULL;
    Node *n = index_record(OP_masked_scatter, out, inplace, 2, (Tensor *[]){target, source});
    node_save(n, 0, mask);
    node_save_ints(n, source->ndim, source->dims);
    return PyErr_Occurred() ? NULL : out;
}

/* The first elements of source were used; the others get zeros. */
static Tensor *
source_gradient(Node *n, Tensor *g)
{
    Tensor *used = op_masked_select(g, node_saved(n, 0));
    int64_t total = shape_numel(n->n_ints, node_ints(n));
    if (used == NULL)
        return NULL;
    if (used->numel < total) /* more, of a mask that was written since, are refused by reshape */
        used = op_slice_backward(used, 1, &total, 0, 0, 1);
    return op_reshape(used, n->n_ints, node_ints(n));
}

BACKWARD(masked_scatter)
{
    Tensor *zero = index_zeros(0, NULL, (Dtype)g->dtype, g->device);
    GRAD(0, op_masked_fill(g, node_saved(n, 0), zero));
    GRAD(1, source_gradient(n, g));
}
