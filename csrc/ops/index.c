/* Advanced indexing: t[i, :, j] with index tensors or masks, read and written.  Masks become the coordinates
 * of their true elements; index tensors are broadcast together, and their dimensions stand where the indexed
 * ones stood if those are adjacent, else in front.  What Python's [] means by an object is decided in
 * python/indexing.c. */
#include <string.h>

#include "ops/ops.h"
#include "ops/rows.h"

/* A read or write, taken apart. */
typedef struct Advanced {
    int n;                             /* index tensors */
    Tensor *index[NDIM_MAX];           /* int64 */
    int dim[NDIM_MAX];                 /* the dimension of t that each speaks for */
    int common_ndim;                   /* of the index tensors, broadcast */
    int64_t common[NDIM_MAX];
    int place;                         /* where the common dims stand in the result */
    int ndim;
    int64_t dims[NDIM_MAX];            /* of the result */
} Advanced;

/* ---------------------------------------------------------------- taking indices apart */
/* The index where the tensor is: one from the host goes there. */
static Tensor *
index_beside(const Tensor *t, Tensor *index)
{
    if (device_equal(index->device, t->device) || tensor_is_meta(t) || tensor_is_meta(index))
        return index;
    if (index->device.type != DEVICE_CPU) {
        index_device_mismatch(t->device, index->device);
        return NULL;
    }
    return op_to(op_detach(index), DTYPE_NONE, &t->device, false);
}

static int
too_many(const Tensor *t)
{
    error(PyExc_IndexError, "too many indices for tensor of dimension %d", t->ndim);
    return -1;
}

/* A mask of k dims speaks for k dimensions: an index tensor for each. */
static int
add_mask(Advanced *a, Tensor *t, Tensor *mask, int dim)
{
    if (dim + mask->ndim > t->ndim)
        return too_many(t);
    for (int i = 0; i < mask->ndim; i++)
        if (mask->dims[i] != t->dims[dim + i]) {
            error(PyExc_IndexError,
                  "The shape of the mask %s at index %d does not match the shape of the indexed tensor "
                  "%s at index %d",
                  shape_text(mask->ndim, mask->dims), i, shape_text(t->ndim, t->dims), dim + i);
            return -1;
        }
    if (mask->dtype == DTYPE_UINT8 &&
        PyErr_WarnEx(PyExc_UserWarning,
                     "indexing with dtype torch.uint8 is now deprecated, please use a dtype "
                     "torch.bool instead.",
                     1) < 0)
        return -1;
    Tensor *places = op_nonzero(op_detach(mask));
    if (places == NULL)
        return -1;
    for (int i = 0; i < mask->ndim; i++) {
        a->dim[a->n] = dim + i;
        a->index[a->n++] = op_select(places, 1, i);
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int
add_index(Advanced *a, Tensor *t, Tensor *index, int dim)
{
    if (index->dtype != DTYPE_INT64 && index->dtype != DTYPE_INT32) {
        error(PyExc_IndexError, "tensors used as indices must be long, int, byte or bool tensors; got %s",
              dtype_info[index->dtype].name);
        return -1;
    }
    if (dim >= t->ndim)
        return too_many(t);
    a->dim[a->n] = dim;
    a->index[a->n] = index_as_int64(index, "index");
    return a->index[a->n++] == NULL ? -1 : 0;
}

static int
check_ranges(const Advanced *a, Tensor *t)
{
    for (int k = 0; k < a->n; k++) {
        int64_t size = t->dims[a->dim[k]], low, high;
        if (index_range("index", a->index[k], false, &low, &high) < 0)
            return -1;
        if (low < -size || high >= size) {
            error(PyExc_IndexError, "index %lld is out of bounds for dimension %d with size %lld",
                  (long long)(low < -size ? low : high), a->dim[k], (long long)size);
            return -1;
        }
    }
    return 0;
}

static int
broadcast_indices(Advanced *a)
{
    for (int k = 0; k < a->n; k++) {
        Tensor *index = a->index[k];
        if (shape_broadcast(&a->common_ndim, a->common, index->ndim, index->dims) == 0)
            continue;
        PyObject *text = PyUnicode_FromString("");
        for (int i = 0; i < a->n && text; i++)
            Py_SETREF(text, PyUnicode_FromFormat("%U%s%s", text, i ? ", " : "",
                                                 shape_text(a->index[i]->ndim, a->index[i]->dims)));
        if (text != NULL)
            error(PyExc_IndexError,
                  "shape mismatch: indexing tensors could not be broadcast together with shapes %U", text);
        Py_XDECREF(text);
        return -1;
    }
    return 0;
}

static void
push_common(Advanced *a)
{
    a->place = a->ndim;
    for (int i = 0; i < a->common_ndim; i++)
        a->dims[a->ndim++] = a->common[i];
}

static int
result_dims(Advanced *a, Tensor *t)
{
    bool adjacent = a->n > 0 && a->dim[a->n - 1] - a->dim[0] == a->n - 1;
    if (t->ndim - a->n + a->common_ndim > NDIM_MAX) {
        error(PyExc_RuntimeError, "index: the result would have %d dimensions, at most %d are supported",
              t->ndim - a->n + a->common_ndim, NDIM_MAX);
        return -1;
    }
    if (!adjacent)
        push_common(a);
    for (int d = 0, k = 0; d < t->ndim; d++) {
        if (k < a->n && a->dim[k] == d) {
            if (adjacent && k == 0)
                push_common(a);
            k++;
        } else
            a->dims[a->ndim++] = t->dims[d];
    }
    return shape_numel(a->ndim, a->dims) < 0 ? -1 : 0;
}

static int
take_apart(Advanced *a, Tensor *t, int n, Tensor *const *indices)
{
    a->n = a->common_ndim = a->ndim = 0;
    for (int k = 0, dim = 0; k < n; k++) {
        Tensor *index = indices[k];
        if (index == NULL) {
            dim++;
            continue;
        }
        if ((index = index_beside(t, index)) == NULL)
            return -1;
        bool mask = index->dtype == DTYPE_BOOL || index->dtype == DTYPE_UINT8;
        if ((mask ? add_mask(a, t, index, dim) : add_index(a, t, index, dim)) < 0)
            return -1;
        dim += mask ? index->ndim : 1;
    }
    if (broadcast_indices(a) < 0 || result_dims(a, t) < 0)
        return -1;
    return check_ranges(a, t);
}

/* ---------------------------------------------------------------- the pick */
/* Strides of t, seen broadcast into dims [place, place + ndim) of the result. */
static void
strides_in_result(const Advanced *a, const Tensor *t, int place, int ndim, int64_t *strides)
{
    memset(strides, 0, (size_t)a->ndim * sizeof strides[0]);
    for (int i = 0; i < t->ndim; i++)
        if (t->dims[i] != 1)
            strides[place + ndim - t->ndim + i] = t->strides[i];
}

/* Strides of data in the dims of the result that no index speaks for. */
static void
strides_of_data(const Advanced *a, const Tensor *data, int64_t *strides)
{
    memset(strides, 0, (size_t)a->ndim * sizeof strides[0]);
    for (int d = 0, k = 0, i = 0; d < data->ndim; d++) {
        if (k < a->n && a->dim[k] == d) {
            k++;
            continue;
        }
        if (i == a->place)
            i += a->common_ndim;
        strides[i++] = data->strides[d];
    }
}

/* The kernel knows few indices: the last ones become one, which counts elements. */
static int
fold_indices(Advanced *a, Tensor *t, int64_t *steps, int64_t *sizes)
{
    for (int k = 0; k < a->n; k++) {
        steps[k] = t->strides[a->dim[k]];
        sizes[k] = t->dims[a->dim[k]];
    }
    while (a->n > PICK_INDICES) {
        Tensor *part[2];
        for (int i = 0; i < 2; i++) {
            int k = a->n - 2 + i;
            Tensor *wrapped =
                sizes[k] == INT64_MAX ? a->index[k] : op_scalar(OP_remainder, a->index[k], (double)sizes[k]);
            part[i] = op_scalar(OP_mul, wrapped, (double)steps[k]);
        }
        a->n--;
        a->index[a->n - 1] = op_add(part[0], part[1]);
        steps[a->n - 1] = 1;
        sizes[a->n - 1] = INT64_MAX;
        if (a->index[a->n - 1] == NULL)
            return -1;
    }
    return 0;
}

static int
run(Advanced *a, PickMode mode, Tensor *data, Tensor *values)
{
    int64_t value_strides[NDIM_MAX], data_strides[NDIM_MAX], index_strides[PICK_INDICES][NDIM_MAX];
    int64_t steps[NDIM_MAX], sizes[NDIM_MAX];
    const int64_t *index_at[PICK_INDICES];
    if (tensor_is_meta(data))
        return 0;
    Advanced folded = *a;
    if (fold_indices(&folded, data, steps, sizes) < 0)
        return -1;
    strides_in_result(a, values, 0, a->ndim, value_strides);
    strides_of_data(a, data, data_strides);
    for (int k = 0; k < folded.n; k++) {
        strides_in_result(a, folded.index[k], a->place, a->common_ndim, index_strides[k]);
        index_at[k] = index_strides[k];
    }
    Pick pick = {
        .ndim = a->ndim,
        .dims = a->dims,
        .data = data,
        .data_strides = data_strides,
        .values = values->data,
        .value_strides = value_strides,
        .n_indices = folded.n,
        .indices = folded.index,
        .index_strides = index_at,
        .steps = steps,
        .sizes = sizes,
        .wraps = true,
    };
    return pick_run("index", mode, &pick);
}

/* ---------------------------------------------------------------- saving for the gradient */
/* Slot d: the index of dimension d. */
static void
save_indices(Node *n, const Advanced *a)
{
    if (n == NULL || a->n == 0)
        return;
    for (int k = 0; k < a->n; k++)
        node_save(n, a->dim[k], a->index[k]);
}

static int
saved_indices(Node *n, Tensor **indices)
{
    for (int k = 0; k < n->n_saved; k++)
        indices[k] = node_saved(n, k);
    return PyErr_Occurred() ? -1 : n->n_saved;
}

/* ---------------------------------------------------------------- reading */
static bool
is_full_mask(const Tensor *t, int n, Tensor *const *indices)
{
    return n == 1 && t->ndim > 0 && indices[0] != NULL && indices[0]->dtype == DTYPE_BOOL &&
           indices[0]->ndim == t->ndim && memcmp(indices[0]->dims, t->dims, t->ndim * sizeof t->dims[0]) == 0;
}

Tensor *
op_index(Tensor *t, int n, Tensor *const *indices)
{
    Advanced a;
    if (t == NULL)
        return NULL;
    if (is_full_mask(t, n, indices) && !(grad_mode && tensor_needs_grad(t)))
        return op_masked_select(t, index_beside(t, indices[0]));
    if (take_apart(&a, t, n, indices) < 0)
        return NULL;
    Tensor *out = scope_keep(tensor_empty(a.ndim, a.dims, (Dtype)t->dtype, t->device));
    if (out == NULL || run(&a, PICK_GET, t, out) < 0)
        return NULL;
    Node *node = RECORD(OP_index, out, t);
    save_indices(node, &a);
    node_save_ints(node, t->ndim, t->dims);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(index)
{
    Tensor *indices[NDIM_MAX], *zeros = index_zeros(n->n_ints, node_ints(n), (Dtype)g->dtype, g->device);
    int count = saved_indices(n, indices);
    if (count >= 0)
        GRAD(0, op_index_put(zeros, count, indices, g, true, true));
}

/* ---------------------------------------------------------------- writing */
/* values without the leading dims of size 1 that the result does not have; NULL with an error if it cannot
 * broadcast. */
static Tensor *
fit_values(const Advanced *a, Tensor *values)
{
    int extra = 0, ndim = a->ndim;
    int64_t dims[NDIM_MAX];
    while (values->ndim - extra > a->ndim && values->dims[extra] == 1)
        extra++;
    memcpy(dims, a->dims, (size_t)ndim * sizeof dims[0]);
    if (values->ndim - extra > a->ndim ||
        shape_broadcast(&ndim, dims, values->ndim - extra, values->dims + extra) < 0 ||
        memcmp(dims, a->dims, (size_t)ndim * sizeof dims[0]) != 0)
        return error(PyExc_RuntimeError,
                     "shape mismatch: value tensor of shape %s cannot be broadcast to indexing result of "
                     "shape %s",
                     shape_text(values->ndim, values->dims), shape_text(a->ndim, a->dims));
    return extra ? op_reshape(values, values->ndim - extra, values->dims + extra) : values;
}

/* One number into a mask's places, with nothing to record: no coordinates are needed. */
static Tensor *
fill_mask(Tensor *t, Tensor *mask, Tensor *value)
{
    Operand in[3] = {{.tensor = t}, {.tensor = mask}, {.tensor = op_reshape(value, 0, NULL)}};
    if (mask == NULL || in[2].tensor == NULL)
        return NULL;
    return scope_keep(pointwise(OP_masked_fill, in, rows[OP_masked_fill].defaults, t));
}

static bool
needs_recording(Tensor *t, Tensor *values)
{
    return grad_mode && (tensor_needs_grad(t) || tensor_needs_grad(values));
}

Tensor *
index_apart(Tensor *t, Tensor *other)
{
    return t != NULL && other != NULL && other->storage == t->storage ? op_clone(other) : other;
}

Tensor *
op_index_put(Tensor *t, int n, Tensor *const *indices, Tensor *values, bool accumulate, bool inplace)
{
    Advanced a;
    if (t == NULL || values == NULL)
        return NULL;
    if (values->dtype != t->dtype)
        return error(PyExc_RuntimeError,
                     "Index put requires the source and destination dtypes match, got %s for the "
                     "destination and %s for the source.",
                     dtype_info[t->dtype].type_name, dtype_info[values->dtype].type_name);
    if (values->ndim == 0 && (values = op_to(values, DTYPE_NONE, &t->device, false)) == NULL)
        return NULL;
    if (check_same_device("index_put", 2, (Tensor *[]){t, values}) < 0 ||
        (inplace && check_writable(t, "index_put_") < 0))
        return NULL;
    if (inplace && !accumulate && values->numel == 1 && is_full_mask(t, n, indices) &&
        !needs_recording(t, values))
        return fill_mask(t, index_beside(t, indices[0]), values);
    if (take_apart(&a, t, n, indices) < 0)
        return NULL;
    Tensor *fitting = fit_values(&a, values), *out = index_target(t, "index_put_", inplace);
    if (inplace)
        fitting = index_apart(t, fitting);
    for (int k = 0; inplace && k < a.n; k++)
        a.index[k] = index_apart(t, a.index[k]);
    if (PyErr_Occurred() || run(&a, accumulate ? PICK_ADD : PICK_SET, out, fitting) < 0)
        return NULL;
    Node *node = index_record(OP_index_put, out, inplace, 2, (Tensor *[]){t, fitting});
    save_indices(node, &a);
    node_save_params(node, PARAM(accumulate), PARAM(0));
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(index_put)
{
    Tensor *indices[NDIM_MAX], *zero = index_zeros(0, NULL, (Dtype)g->dtype, g->device);
    int count = saved_indices(n, indices);
    if (count < 0)
        return;
    GRAD(0, node_params(n)[0].i ? g : op_index_put(g, count, indices, zero, false, false));
    GRAD(1, op_index(g, count, indices));
}
