/* Joining and splitting: cat, stack and their kin copy; unbind, split, chunk give views. */
#include <string.h>

#include "core/cpu_copy.h"
#include "ops/ops.h"

/* ---------------------------------------------------------------- cat */
/* PyTorch lets 1-d empty tensors of shape (0,) join anything. */
static bool
is_legacy_empty(const Tensor *t)
{
    return t->ndim == 1 && t->dims[0] == 0;
}

static int
check_cat(int64_t n, Tensor *const *tensors, const Tensor *first, int dim, int64_t *dims, Dtype *dtype)
{
    memcpy(dims, first->dims, (size_t)first->ndim * sizeof dims[0]);
    dims[dim] = 0;
    *dtype = (Dtype)tensors[0]->dtype;
    for (int64_t k = 0; k < n; k++) {
        Tensor *t = tensors[k];
        *dtype = dtype_promote(*dtype, (Dtype)t->dtype);
        if (!device_equal(t->device, first->device)) {
            Tensor *both[2] = {(Tensor *)first, t};
            return check_same_device("cat", 2, both);
        }
        if (is_legacy_empty(t))
            continue;
        if (t->ndim != first->ndim) {
            error(PyExc_RuntimeError, "Tensors must have same number of dimensions: got %d and %d (tensor %lld of cat has "
                                      "shape %s)", first->ndim, t->ndim, (long long)k, shape_text(t->ndim, t->dims));
            return -1;
        }
        for (int i = 0; i < t->ndim; i++)
            if (i != dim && t->dims[i] != first->dims[i]) {
                error(PyExc_RuntimeError, "Sizes of tensors must match except in dimension %d. Expected size %lld but got "
                                          "size %lld for tensor number %lld in the list.", dim, (long long)first->dims[i],
                      (long long)t->dims[i], (long long)k);
                return -1;
            }
        if (__builtin_add_overflow(dims[dim], t->dims[dim], &dims[dim])) {
            error(PyExc_RuntimeError, "cat: the sum of the sizes overflows");
            return -1;
        }
    }
    return 0;
}

/* The part of out that starts at `start` along dim, outside autograd. */
static Tensor *
part_of(Tensor *out, int dim, int64_t start, int64_t length)
{
    int64_t dims[NDIM_MAX];
    memcpy(dims, out->dims, out->ndim * sizeof dims[0]);
    dims[dim] = length;
    char *data = out->data + start * out->strides[dim] * tensor_itemsize(out);
    return scope_keep(tensor_strided(out->storage, data, out->ndim, dims, out->strides, (Dtype)out->dtype));
}

/* The dims before d as rows at one stride, of adjacent elements; false if they are not. */
static bool
row_part(RowPart *part, const Tensor *t, int d)
{
    int64_t inner = 1, stride = 0, next = -1, size = tensor_itemsize(t);
    for (int i = t->ndim - 1; i >= d; inner *= t->dims[i--])
        if (t->dims[i] != 1 && t->strides[i] != inner)
            return false;
    for (int i = d - 1; i >= 0; i--) {
        if (t->dims[i] == 1)
            continue;
        if (next >= 0 && t->strides[i] != next)
            return false;
        stride = next < 0 ? t->strides[i] : stride;
        next = t->strides[i] * t->dims[i];
    }
    *part = (RowPart){t->data, stride * size, inner * size};
    return true;
}

/* Parts so short that they share lines of the cache are copied together, row by row.  1: they were, 0: another way must, -1. */
static int
join_short_rows(Tensor *out, int64_t n, Tensor *const *tensors, int d)
{
    enum { PARTS = 16, SHORT = 256, NUMEL = 1 << 12 };
    RowPart parts[PARTS];
    int64_t width = 0, least = SHORT;
    if (n > PARTS || d == 0 || out->numel < NUMEL || out->device.type != DEVICE_CPU)
        return 0;
    for (int64_t k = 0; k < n; k++) {
        if (tensors[k]->dtype != out->dtype || tensors[k]->numel == 0 || !row_part(&parts[k], tensors[k], d))
            return 0;
        width += parts[k].bytes;
        least = parts[k].bytes < least ? parts[k].bytes : least;
    }
    if (least == SHORT)
        return 0;
    int64_t size = tensor_itemsize(out);
    return cpu_join_rows(out->data, width, out->numel * size / width, (int)n, parts, size) < 0 ? -1 : 1;
}

static int
copy_parts(Tensor *out, int64_t n, Tensor *const *tensors, int dim)
{
    int64_t start = 0;
    int joined = join_short_rows(out, n, tensors, dim);
    if (joined != 0)
        return joined < 0 ? -1 : 0;
    for (int64_t k = 0; k < n; k++) {
        if (is_legacy_empty(tensors[k]) && out->ndim != 1)
            continue;
        size_t mark = scope_begin();
        Tensor *part = part_of(out, dim, start, tensors[k]->dims[dim]);
        int failed = part == NULL || copy_data(part, tensors[k]) < 0;
        start += tensors[k]->dims[dim];
        scope_end(mark);
        if (failed)
            return -1;
    }
    return 0;
}

/* ints: dim, then each tensor's size along it (-1: a legacy empty one). */
static void
record_cat(Tensor *out, int64_t n, Tensor *const *tensors, int dim)
{
    Node *node = node_record(OP_cat, out, (int)n, tensors);
    if (node == NULL)
        return;
    int64_t *ints = PyMem_New(int64_t, n + 1);
    if (ints == NULL) {
        PyErr_NoMemory();
        return;
    }
    ints[0] = dim;
    for (int64_t k = 0; k < n; k++)
        ints[k + 1] = is_legacy_empty(tensors[k]) && out->ndim != 1 ? -1 : tensors[k]->dims[dim];
    node_save_ints(node, (int)n + 1, ints);
    PyMem_Free(ints);
}

Tensor *
op_cat(int64_t n, Tensor *const *tensors, int64_t dim)
{
    int64_t dims[NDIM_MAX];
    Dtype dtype;
    if (n == 0)
        return error(PyExc_ValueError, "torch.cat(): expected a non-empty list of Tensors");
    Tensor *first = tensors[0];
    for (int64_t k = 0; k < n; k++) {
        if (tensors[k] == NULL)
            return NULL;
        if (tensors[k]->ndim == 0)
            return error(PyExc_RuntimeError, "zero-dimensional tensor (at position %lld) cannot be concatenated; stack() joins "
                                             "0-d tensors", (long long)k);
    }
    for (int64_t k = 0; k < n && is_legacy_empty(first); k++)
        first = tensors[k];
    int d = shape_wrap_dim(dim, first->ndim);
    if (d < 0 || check_cat(n, tensors, first, d, dims, &dtype) < 0)
        return NULL;
    Tensor *out = scope_keep(tensor_empty(first->ndim, dims, dtype, first->device));
    if (out == NULL || (!tensor_is_meta(out) && copy_parts(out, n, tensors, d) < 0))
        return NULL;
    record_cat(out, n, tensors, d);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(cat)
{
    int64_t dim = node_ints(n)[0], start = 0;
    for (int k = 0; k < n->n_edges; k++) {
        int64_t size = node_ints(n)[k + 1];
        if (size < 0)
            GRAD(k, op_narrow(op_reshape(g, 1, (int64_t[]){-1}), 0, 0, 0));
        else
            GRAD(k, op_narrow(g, dim, start, size));
        start += size < 0 ? 0 : size;
    }
}

/* ---------------------------------------------------------------- stack */
Tensor *
op_stack(int64_t n, Tensor *const *tensors, int64_t dim)
{
    if (n == 0)
        return error(PyExc_RuntimeError, "stack expects a non-empty TensorList");
    Tensor *first = tensors[0];
    int d = first ? shape_wrap_dim(dim, first->ndim + 1) : -1;
    if (d < 0)
        return NULL;
    int64_t dims[NDIM_MAX + 1];
    Dtype dtype = (Dtype)first->dtype;
    for (int64_t k = 1; k < n; k++) {
        Tensor *t = tensors[k];
        if (t->ndim != first->ndim || memcmp(t->dims, first->dims, t->ndim * sizeof dims[0]) != 0)
            return error(PyExc_RuntimeError, "stack expects each tensor to be equal size, but got %s at entry 0 and %s at "
                                             "entry %lld", shape_text(first->ndim, first->dims),
                         shape_text(t->ndim, t->dims), (long long)k);
        dtype = dtype_promote(dtype, (Dtype)t->dtype);
        if (check_same_device("stack", 2, (Tensor *[]){first, t}) < 0)
            return NULL;
    }
    memcpy(dims, first->dims, (size_t)d * sizeof dims[0]);
    dims[d] = n;
    memcpy(dims + d + 1, first->dims + d, (size_t)(first->ndim - d) * sizeof dims[0]);
    Tensor *out = scope_keep(tensor_empty(first->ndim + 1, dims, dtype, first->device));
    int joined = out == NULL || tensor_is_meta(out) ? 1 : join_short_rows(out, n, tensors, d);
    for (int64_t k = 0; joined == 0 && k < n; k++) {
        size_t mark = scope_begin();
        int64_t strides[NDIM_MAX];
        memcpy(strides, out->strides, (size_t)d * sizeof dims[0]);
        memcpy(strides + d, out->strides + d + 1, (size_t)(first->ndim - d) * sizeof dims[0]);
        char *data = out->data + k * out->strides[d] * tensor_itemsize(out);
        Tensor *part = scope_keep(tensor_strided(out->storage, data, first->ndim, first->dims, strides, dtype));
        int failed = part == NULL || copy_data(part, tensors[k]) < 0;
        scope_end(mark);
        if (failed)
            return NULL;
    }
    Node *node = out && joined >= 0 ? node_record(OP_stack, out, (int)n, tensors) : NULL;
    node_save_ints(node, 1, (int64_t[]){d});
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(stack)
{
    for (int k = 0; k < n->n_edges; k++)
        GRAD(k, op_select(g, node_ints(n)[0], k));
}

static Tensor *
joined(int64_t n, Tensor *const *tensors, int64_t dim, int least)
{
    if (n == 0)
        return error(PyExc_RuntimeError, "%s expects a non-empty TensorList", dim == 1 ? "hstack" : "vstack");
    Tensor **wide = PyMem_New(Tensor *, n);
    if (wide == NULL)
        return (Tensor *)PyErr_NoMemory();
    Tensor *out = NULL;
    bool ok = true;
    for (int64_t k = 0; k < n && ok; k++) {
        Tensor *t = tensors[k];
        if (t->ndim == 0)
            t = op_reshape(t, 1, (int64_t[]){1});
        wide[k] = t != NULL && least == 2 && t->ndim == 1 ? op_unsqueeze(t, 0) : t;
        ok = wide[k] != NULL;
    }
    if (ok)
        out = op_cat(n, wide, n > 0 && dim == 1 && wide[0]->ndim == 1 ? 0 : dim);
    PyMem_Free(wide);
    return out;
}

Tensor *
op_hstack(int64_t n, Tensor *const *tensors)
{
    return joined(n, tensors, 1, 1);
}

Tensor *
op_vstack(int64_t n, Tensor *const *tensors)
{
    return joined(n, tensors, 0, 2);
}

/* ---------------------------------------------------------------- parts as tuples */
static PyObject *
tuple_of(int64_t n, Tensor **parts)
{
    PyObject *tuple = PyTuple_New(n);
    for (int64_t k = 0; tuple != NULL && k < n; k++)
        PyTuple_SET_ITEM(tuple, k, Py_NewRef((PyObject *)parts[k]));
    return tuple;
}

/* n views of t, part k of starts[k] .. starts[k + 1] along d; select (unbind) if starts is NULL. */
static PyObject *
views(Op op, Tensor *t, int d, int64_t n, const int64_t *starts)
{
    int64_t dims[NDIM_MAX], strides[NDIM_MAX];
    Tensor **parts = PyMem_New(Tensor *, n ? n : 1);
    if (parts == NULL)
        return PyErr_NoMemory();
    PyObject *tuple = NULL;
    int ndim = 0;
    for (int i = 0; i < t->ndim; i++)
        if (starts != NULL || i != d) {
            dims[ndim] = t->dims[i];
            strides[ndim++] = t->strides[i];
        }
    for (int64_t k = 0; k < n; k++) {
        if (starts != NULL)
            dims[d] = starts[k + 1] - starts[k];
        char *data = t->data + (starts ? starts[k] : k) * t->strides[d] * tensor_itemsize(t);
        parts[k] = scope_keep(tensor_strided(t->storage, data, ndim, dims, strides, (Dtype)t->dtype));
        if (parts[k] == NULL)
            goto done;
        node_mark_view(parts[k], t, VIEW_MULTI);
    }
    Node *node = node_record_many(op, (int)n, parts, 1, &t);
    if (node != NULL) {
        int64_t ints[NDIM_MAX + 1] = {d};
        memcpy(ints + 1, t->dims, t->ndim * sizeof ints[0]);
        node_save_ints(node, t->ndim + 1, ints);
    }
    if (!PyErr_Occurred())
        tuple = tuple_of(n, parts);
done:
    PyMem_Free(parts);
    return tuple;
}

/* Zeros where no gradient came back for a part. */
static Tensor *
zeros_for(Node *n, int k)
{
    Meta meta = node_meta(n, k);
    Tensor *zeros = scope_keep(tensor_empty(meta.ndim, meta.dims, (Dtype)meta.dtype, meta.device));
    return zeros == NULL || fill_data(zeros, (Scalar){PARAM(0), CATEGORY_INT}) < 0 ? NULL : zeros;
}

static Tensor *
rejoin(Node *n, Tensor **grads, bool stacked)
{
    int count = n->n_outputs;
    Tensor **parts = PyMem_New(Tensor *, count), *whole = NULL;
    if (parts == NULL)
        return (Tensor *)PyErr_NoMemory();
    bool ok = true;
    for (int k = 0; k < count && ok; k++) {
        parts[k] = grads[k] ? grads[k] : zeros_for(n, k);
        ok = parts[k] != NULL;
    }
    if (ok)
        whole = stacked ? op_stack(count, parts, node_ints(n)[0]) : op_cat(count, parts, node_ints(n)[0]);
    PyMem_Free(parts);
    return whole;
}

PyObject *
op_unbind(Tensor *t, int64_t dim)
{
    if (t->ndim == 0)
        return (PyObject *)error(PyExc_IndexError, "Dimension specified as %lld but tensor has no dimensions", (long long)dim);
    int d = shape_wrap_dim(dim, t->ndim);
    return d < 0 ? NULL : views(OP_unbind, t, d, t->dims[d], NULL);
}

BACKWARD(unbind)
{
    GRAD(0, rejoin(n, grads, true));
}

/* ---------------------------------------------------------------- split */
static PyObject *
split_at(Op op, Tensor *t, int d, int64_t n, int64_t *starts)
{
    PyObject *parts = views(op, t, d, n, starts);
    PyMem_Free(starts);
    return parts;
}

PyObject *
op_split(Tensor *t, int64_t size, int64_t dim)
{
    if (t->ndim == 0)
        return (PyObject *)error(PyExc_RuntimeError, "split expects at least a 1-dimensional tensor");
    int d = shape_wrap_dim(dim, t->ndim);
    if (d < 0)
        return NULL;
    if (size < 0)
        return (PyObject *)error(PyExc_RuntimeError, "split expects split_size be non-negative, but got split_size=%lld",
                                 (long long)size);
    int64_t total = t->dims[d];
    if (size == 0 && total != 0)
        return (PyObject *)error(PyExc_RuntimeError, "split_size can only be 0 if dimension size is 0, but got dimension size "
                                                     "of %lld", (long long)total);
    int64_t n = size == 0 || total == 0 ? 1 : total / size + (total % size != 0);
    int64_t *starts = PyMem_New(int64_t, n + 1);
    if (starts == NULL)
        return PyErr_NoMemory();
    for (int64_t k = 0; k < n; k++)
        starts[k] = k * size;
    starts[n] = total;
    return split_at(OP_split, t, d, n, starts);
}

BACKWARD(split)
{
    GRAD(0, rejoin(n, grads, false));
}

PyObject *
op_split_sizes(Tensor *t, int n, const int64_t *sizes, int64_t dim)
{
    if (t->ndim == 0)
        return (PyObject *)error(PyExc_RuntimeError, "split expects at least a 1-dimensional tensor");
    int d = shape_wrap_dim(dim, t->ndim);
    int64_t *starts = d < 0 ? NULL : PyMem_New(int64_t, n + 1), total = 0;
    if (starts == NULL)
        return d < 0 ? NULL : PyErr_NoMemory();
    for (int k = 0; k < n; k++) {
        starts[k] = total;
        if (sizes[k] < 0 || __builtin_add_overflow(total, sizes[k], &total)) {
            PyMem_Free(starts);
            return (PyObject *)error(PyExc_RuntimeError, "split_with_sizes expects split_sizes have only non-negative entries, "
                                                         "but got split_sizes=%s", shape_text(n, sizes));
        }
    }
    starts[n] = total;
    if (total != t->dims[d]) {
        PyMem_Free(starts);
        return (PyObject *)error(PyExc_RuntimeError, "split_with_sizes expects split_sizes to sum exactly to %lld (input "
                                                     "tensor's size at dimension %d), but got split_sizes=%s",
                                 (long long)t->dims[d], d, shape_text(n, sizes));
    }
    return split_at(OP_split_sizes, t, d, n, starts);
}

BACKWARD(split_sizes)
{
    GRAD(0, rejoin(n, grads, false));
}

PyObject *
op_chunk(Tensor *t, int64_t chunks, int64_t dim)
{
    if (t->ndim == 0)
        return (PyObject *)error(PyExc_RuntimeError, "chunk expects at least a 1-dimensional tensor");
    if (chunks <= 0)
        return (PyObject *)error(PyExc_RuntimeError, "chunk expects `chunks` to be greater than 0, got: %lld", (long long)chunks);
    int d = shape_wrap_dim(dim, t->ndim);
    if (d < 0)
        return NULL;
    int64_t size = t->dims[d] / chunks + (t->dims[d] % chunks != 0);
    if (size > 0)
        return op_split(t, size, d);
    int64_t *starts = chunks < INT32_MAX ? PyMem_Calloc((size_t)chunks + 1, sizeof *starts) : NULL;
    return starts ? split_at(OP_split_sizes, t, d, chunks, starts) : (PyObject *)no_memory(chunks);
}

PyObject *
op_tensor_split(Tensor *t, int64_t sections, int64_t dim)
{
    if (t->ndim == 0)
        return (PyObject *)error(PyExc_RuntimeError, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
    if (sections <= 0)
        return (PyObject *)error(PyExc_RuntimeError, "number of sections must be larger than 0, got %lld", (long long)sections);
    int d = shape_wrap_dim(dim, t->ndim);
    int64_t *starts = d < 0 ? NULL : PyMem_New(int64_t, sections + 1);
    if (starts == NULL)
        return d < 0 ? NULL : PyErr_NoMemory();
    int64_t size = t->dims[d] / sections, longer = t->dims[d] % sections;
    for (int64_t k = 0; k <= sections; k++)
        starts[k] = k * size + (k < longer ? k : longer);
    return split_at(OP_split_sizes, t, d, sections, starts);
}

PyObject *
op_tensor_split_tensor(Tensor *t, Tensor *where, int64_t dim)
{
    if (where->device.type != DEVICE_CPU)
        return (PyObject *)error(PyExc_RuntimeError, "tensor_split expected tensor_indices_or_sections to be on cpu");
    if (where->dtype != DTYPE_INT64)
        return (PyObject *)error(PyExc_RuntimeError, "tensor_split expected tensor_indices_or_sections to have dtype of long, but got %s",
                                 dtype_info[where->dtype].type_name);
    if (where->ndim > 1 || where->numel > INT32_MAX)
        return (PyObject *)error(PyExc_RuntimeError, "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
                                                     "one-dimensional tensor, but got a tensor with %d dims", where->ndim);
    Tensor *dense = op_contiguous(where);
    const int64_t *numbers = dense ? (const int64_t *)(const void *)dense->data : NULL;
    if (numbers == NULL)
        return NULL;
    return where->ndim == 0 ? op_tensor_split(t, *numbers, dim) : op_tensor_split_at(t, (int)where->numel, numbers, dim);
}

PyObject *
op_tensor_split_at(Tensor *t, int n, const int64_t *indices, int64_t dim)
{
    if (t->ndim == 0)
        return (PyObject *)error(PyExc_RuntimeError, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
    int d = shape_wrap_dim(dim, t->ndim);
    PyObject *parts = d < 0 ? NULL : PyTuple_New(n + 1);
    int64_t start = 0;
    for (int k = 0; parts != NULL && k <= n; k++) {
        int64_t end = k < n ? indices[k] : t->dims[d];
        Tensor *part = op_slice(t, d, start, end, 1);
        if (part == NULL)
            Py_CLEAR(parts);
        else
            PyTuple_SET_ITEM(parts, k, Py_NewRef((PyObject *)part));
        start = end;
    }
    return parts;
}
