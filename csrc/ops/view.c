/* Views: other dims, strides and offset over the same memory.  Each is recorded under its own name and differentiated
 * by the op that undoes it. */
#include <string.h>

#include "core/shape.h"
#include "ops/ops.h"

Tensor *
view_make(Tensor *t, int ndim, const int64_t *dims, const int64_t *strides, int64_t offset)
{
    char *data = t->data + offset * tensor_itemsize(t);
    Tensor *out = scope_keep(tensor_strided(t->storage, data, ndim, dims, strides, (Dtype)t->dtype));
    node_mark_view(out, t, VIEW_SINGLE);
    return out;
}

static bool
few_enough(int ndim)
{
    if (ndim > NDIM_MAX)
        error(PyExc_RuntimeError, "tensor has too many dimensions: %d, at most %d are supported", ndim, NDIM_MAX);
    return ndim <= NDIM_MAX;
}

static Tensor *
checked(Tensor *out)
{
    return PyErr_Occurred() ? NULL : out;
}

/* ---------------------------------------------------------------- as_strided */

static int
check_in_storage(Tensor *t, int ndim, const int64_t *dims, const int64_t *strides, int64_t offset)
{
    int64_t numel = shape_numel(ndim, dims), first = tensor_offset(t) + offset, last = first;
    if (numel < 0)
        return -1;
    bool outside = first < 0;
    for (int i = 0; i < ndim && numel > 0; i++) {
        int64_t span;
        if (strides[i] < 0) {
            error(PyExc_RuntimeError, "as_strided: Negative strides are not supported at the moment, got strides: %s",
                  shape_text(ndim, strides));
            return -1;
        }
        outside |= __builtin_mul_overflow(dims[i] - 1, strides[i], &span) || __builtin_add_overflow(last, span, &last);
    }
    if (outside || (numel > 0 && last >= t->storage->nbytes / tensor_itemsize(t))) {
        error(PyExc_RuntimeError, "setStorage: sizes %s, strides %s, storage offset %lld are out of bounds for storage of "
                                  "size %lld bytes", shape_text(ndim, dims), shape_text(ndim, strides), (long long)first,
              (long long)t->storage->nbytes);
        return -1;
    }
    return 0;
}

Tensor *
op_as_strided(Tensor *t, int ndim, const int64_t *dims, const int64_t *strides, int64_t offset)
{
    if (t == NULL || check_in_storage(t, ndim, dims, strides, offset) < 0)
        return NULL;
    Tensor *out = view_make(t, ndim, dims, strides, offset);
    node_save_geometry(out ? RECORD(OP_as_strided, out, t) : NULL, t, out);
    return checked(out);
}

Tensor *
op_as_strided_at(Tensor *t, const Value *size, const Value *stride, const Value *offset)
{
    if (t == NULL)
        return NULL;
    if (size->n != stride->n)
        return error(PyExc_RuntimeError, "mismatch in length of strides and shape: %d strides for %d sizes", (int)stride->n,
                     (int)size->n);
    int64_t first = offset->given ? offset->scalar.value.i - tensor_offset(t) : 0;
    return op_as_strided(t, (int)size->n, size->ints, stride->ints, first);
}

/* How many elements of a base lie at each place of its flattened memory, 1 where there is none. */
static Tensor *
elements_per_place(Tensor *flat, int ndim, const int64_t *dims, const int64_t *strides, int64_t first)
{
    Tensor *one = scope_keep(tensor_empty(0, NULL, (Dtype)flat->dtype, flat->device));
    Tensor *count = scope_keep(tensor_empty(1, flat->dims, (Dtype)flat->dtype, flat->device));
    if (one == NULL || count == NULL || fill_data(one, (Scalar){PARAM(1), CATEGORY_INT}) < 0
        || fill_data(count, (Scalar){PARAM(0), CATEGORY_INT}) < 0)
        return NULL;
    return op_maximum(op_strided_add(count, op_expand(one, ndim, dims), ndim, dims, strides, first), one);
}

/* Elements that the view showed twice get both gradients: the view is flattened to indices where it may overlap.
 * Elements of the base that share memory share the gradient that arrived there. */
Tensor *
op_as_strided_backward(Tensor *g, int base_ndim, const int64_t *base_dims, const int64_t *base_strides, int ndim,
                       const int64_t *dims, const int64_t *strides, int64_t offset)
{
    if (g == NULL)
        return NULL;
    int64_t before = offset < 0 ? -offset : 0;    /* elements of the view that lie before the base */
    int64_t span = before + 1, view_span = before + offset + 1;
    bool empty = false;
    for (int i = 0; i < base_ndim; i++) {
        span += (base_dims[i] - 1) * base_strides[i];
        empty |= base_dims[i] == 0;
    }
    for (int i = 0; i < ndim; i++)
        view_span += (dims[i] - 1) * strides[i];
    if (empty || view_span > span)
        span = view_span > 1 ? view_span : 1;
    Tensor *flat = scope_keep(tensor_empty(1, &span, (Dtype)g->dtype, g->device));
    if (flat == NULL || fill_data(flat, (Scalar){PARAM(0), CATEGORY_INT}) < 0)
        return NULL;
    flat = op_strided_add(flat, g, ndim, dims, strides, before + offset);
    if (!empty && !shape_is_dense(base_ndim, base_dims, base_strides))
        flat = op_div(flat, elements_per_place(flat, base_ndim, base_dims, base_strides, before));
    return op_as_strided(flat, base_ndim, base_dims, base_strides, before);
}

/* ---------------------------------------------------------------- shapes of the same elements */
int
view_infer_size(const Tensor *t, int ndim, const int64_t *dims, int64_t *resolved)
{
    int unknown = -1;
    int64_t product = 1;
    if (!few_enough(ndim))
        return -1;
    for (int i = 0; i < ndim; i++) {
        resolved[i] = dims[i];
        if (dims[i] == -1) {
            if (unknown >= 0) {
                error(PyExc_RuntimeError, "only one dimension can be inferred, but %s has more than one -1",
                      shape_text(ndim, dims));
                return -1;
            }
            unknown = i;
        } else if (dims[i] < 0) {
            error(PyExc_RuntimeError, "invalid shape dimension %lld in %s: sizes are >= 0, or -1 for the one to infer",
                  (long long)dims[i], shape_text(ndim, dims));
            return -1;
        } else if (__builtin_mul_overflow(product, dims[i], &product))
            goto invalid;
    }
    if (unknown >= 0) {
        if (product == 0) {
            error(PyExc_RuntimeError, "cannot reshape tensor of %lld elements into shape %s because the unspecified "
                                      "dimension size -1 can be any value and is ambiguous",
                  (long long)t->numel, shape_text(ndim, dims));
            return -1;
        }
        if (t->numel % product != 0)
            goto invalid;
        resolved[unknown] = t->numel / product;
        return 0;
    }
    if (product == t->numel)
        return 0;
invalid:
    error(PyExc_RuntimeError, "shape '%s' is invalid for input of size %lld (a tensor of shape %s)", shape_text(ndim, dims),
          (long long)t->numel, shape_text(t->ndim, t->dims));
    return -1;
}

/* Runs of old dims that are dense with one another can be cut anew; each new dim must come from one run. */
bool
view_strides(const Tensor *t, int ndim, const int64_t *dims, int64_t *strides)
{
    if (t->numel == 0 || t->contiguous) {
        shape_contiguous_strides(ndim, dims, strides);
        return true;
    }
    int next = ndim - 1;
    int64_t run = 1, cut = 1, base = t->ndim ? t->strides[t->ndim - 1] : 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        run *= t->dims[i];
        bool ends = i == 0 || (t->dims[i - 1] != 1 && t->strides[i - 1] != run * base);
        if (!ends)
            continue;
        while (next >= 0 && (cut < run || dims[next] == 1)) {
            strides[next] = cut * base;
            cut *= dims[next--];
        }
        if (cut != run)
            return false;
        if (i > 0) {
            base = t->strides[i - 1];
            run = cut = 1;
        }
    }
    return next == -1;
}

static Node *
record_shape(Op op, Tensor *out, Tensor *t)
{
    Node *n = RECORD(op, out, t);
    node_save_ints(n, t->ndim, t->dims);
    return n;
}

Tensor *
op_view(Tensor *t, int ndim, const int64_t *dims)
{
    int64_t resolved[NDIM_MAX], strides[NDIM_MAX];
    if (t == NULL || view_infer_size(t, ndim, dims, resolved) < 0)
        return NULL;
    if (!view_strides(t, ndim, resolved, strides))
        return error(PyExc_RuntimeError, "view size is not compatible with input tensor's size and stride (at least one "
                                         "dimension spans across two contiguous subspaces): shape %s, strides %s seen as %s. "
                                         "Use .reshape(...) instead, which copies where it must",
                     shape_text(t->ndim, t->dims), shape_text(t->ndim, t->strides), shape_text(ndim, dims));
    Tensor *out = view_make(t, ndim, resolved, strides, 0);
    if (out != NULL)
        record_shape(OP_view, out, t);
    return checked(out);
}

BACKWARD(view)
{
    GRAD(0, op_reshape(g, n->n_ints, node_ints(n)));
}

Tensor *
op_unsafe_view(Tensor *t, int ndim, const int64_t *dims)
{
    int64_t strides[NDIM_MAX];
    if (t == NULL)
        return NULL;
    shape_contiguous_strides(ndim, dims, strides);
    Tensor *out = scope_keep(tensor_strided(t->storage, t->data, ndim, dims, strides, (Dtype)t->dtype));
    if (out != NULL)
        record_shape(OP_unsafe_view, out, t);
    return checked(out);
}

BACKWARD(unsafe_view)
{
    GRAD(0, op_reshape(g, n->n_ints, node_ints(n)));
}

Tensor *
op_reshape(Tensor *t, int ndim, const int64_t *dims)
{
    int64_t resolved[NDIM_MAX], strides[NDIM_MAX];
    if (t == NULL || view_infer_size(t, ndim, dims, resolved) < 0)
        return NULL;
    if (view_strides(t, ndim, resolved, strides)) {
        Tensor *out = view_make(t, ndim, resolved, strides, 0);
        if (out != NULL)
            record_shape(OP_view, out, t);
        return checked(out);
    }
    return op_unsafe_view(op_contiguous(t), ndim, resolved);
}

/* The same bytes in elements of another size: the last dimension, which must be dense, has more or fewer of them. */
static Tensor *
view_resized(Tensor *t, Dtype dtype)
{
    int64_t from = tensor_itemsize(t), to = dtype_info[dtype].itemsize, dims[NDIM_MAX], strides[NDIM_MAX];
    const char *was = dtype_info[t->dtype].type_name, *is = dtype_info[dtype].type_name;
    int last = t->ndim - 1;
    if (last < 0)
        return error(PyExc_RuntimeError, "self.dim() cannot be 0 to view %s as %s (different element sizes)", was, is);
    if (t->strides[last] != 1)
        return error(PyExc_RuntimeError, "self.stride(-1) must be 1 to view %s as %s (different element sizes), but got %lld",
                     was, is, (long long)t->strides[last]);
    if (t->dims[last] * from % to != 0)
        return error(PyExc_RuntimeError, "self.size(-1) must be divisible by %lld to view %s as %s (different element sizes), "
                     "but got %lld", (long long)(to / from), was, is, (long long)t->dims[last]);
    if ((t->data - t->storage->data) % to != 0)
        return error(PyExc_RuntimeError, "self.storage_offset() must be divisible by %lld to view %s as %s (different element "
                     "sizes), but got %lld", (long long)(to / from), was, is, (long long)((t->data - t->storage->data) / from));
    for (int d = 0; d < t->ndim; d++) {
        dims[d] = d == last ? t->dims[d] * from / to : t->dims[d];
        strides[d] = d == last ? 1 : t->strides[d] * from / to;
        if (d != last && t->strides[d] * from % to != 0)
            return error(PyExc_RuntimeError, "self.stride(%d) must be divisible by %lld to view %s as %s (different element "
                         "sizes), but got %lld", d, (long long)(to / from), was, is, (long long)t->strides[d]);
    }
    return scope_keep(tensor_strided(t->storage, t->data, t->ndim, dims, strides, dtype));
}

Tensor *
op_view_dtype(Tensor *t, Dtype dtype)
{
    if (t == NULL)
        return NULL;
    if (dtype_info[dtype].itemsize != tensor_itemsize(t))
        return view_resized(t, dtype);
    return scope_keep(tensor_strided(t->storage, t->data, t->ndim, t->dims, t->strides, dtype));
}

Tensor *
op_flatten(Tensor *t, int64_t start, int64_t end)
{
    if (t == NULL)
        return NULL;
    int first = shape_wrap_dim(start, t->ndim), last = shape_wrap_dim(end, t->ndim);
    if (first < 0 || last < 0)
        return NULL;
    if (first > last)
        return error(PyExc_RuntimeError, "flatten() has invalid args: start_dim cannot come after end_dim");
    if (t->ndim == 0)
        return op_reshape(t, 1, (int64_t[]){1});
    if (first == last)
        return t;
    int64_t dims[NDIM_MAX], product = 1;
    for (int i = first; i <= last; i++)
        product *= t->dims[i];
    memcpy(dims, t->dims, (size_t)first * sizeof dims[0]);
    dims[first] = product;
    memcpy(dims + first + 1, t->dims + last + 1, (size_t)(t->ndim - last - 1) * sizeof dims[0]);
    return op_reshape(t, t->ndim - (last - first), dims);
}

Tensor *
op_unflatten(Tensor *t, int64_t dim, int n, const int64_t *sizes)
{
    if (t == NULL)
        return NULL;
    int d = shape_wrap_dim(dim, t->ndim);
    if (d < 0)
        return NULL;
    if (n == 0 || t->ndim == 0 || t->ndim + n - 1 > NDIM_MAX)
        return error(PyExc_RuntimeError, "unflatten: sizes must be non-empty and the tensor must have dims");
    Tensor one = *t;
    int64_t resolved[NDIM_MAX], dims[NDIM_MAX];
    one.numel = t->dims[d];
    if (view_infer_size(&one, n, sizes, resolved) < 0) {
        PyErr_Clear();
        return error(PyExc_RuntimeError, "unflatten: Provided sizes %s don't multiply up to the size of dim %d (%lld) in the "
                                         "input tensor", shape_text(n, sizes), d, (long long)t->dims[d]);
    }
    memcpy(dims, t->dims, (size_t)d * sizeof dims[0]);
    memcpy(dims + d, resolved, (size_t)n * sizeof dims[0]);
    memcpy(dims + d + n, t->dims + d + 1, (size_t)(t->ndim - d - 1) * sizeof dims[0]);
    return op_view(t, t->ndim + n - 1, dims);
}

/* ---------------------------------------------------------------- expand */
Tensor *
op_expand(Tensor *t, int ndim, const int64_t *dims)
{
    int64_t full[NDIM_MAX], strides[NDIM_MAX];
    if (t == NULL)
        return NULL;
    if (ndim < t->ndim)
        return error(PyExc_RuntimeError, "expand: the number of sizes provided (%d) must be greater or equal to the number "
                                         "of dimensions in the tensor (%d)", ndim, t->ndim);
    if (!few_enough(ndim))
        return NULL;
    for (int i = ndim - 1, own = t->ndim - 1; i >= 0; i--, own--) {
        int64_t size = own >= 0 ? t->dims[own] : 1, wanted = dims[i];
        if (wanted == -1 && own < 0)
            return error(PyExc_RuntimeError, "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing "
                                             "dimension %d", i);
        full[i] = wanted == -1 ? size : wanted;
        strides[i] = own < 0 || (size == 1 && full[i] != 1) ? 0 : t->strides[own];
        if (own >= 0 && size != 1 && size != full[i])
            return error(PyExc_RuntimeError, "The expanded size of the tensor (%lld) must match the existing size (%lld) at "
                                             "non-singleton dimension %d. Target sizes: %s. Tensor sizes: %s",
                         (long long)full[i], (long long)size, i, shape_text(ndim, dims), shape_text(t->ndim, t->dims));
    }
    if (shape_numel(ndim, full) < 0)
        return NULL;
    Tensor *out = view_make(t, ndim, full, strides, 0);
    if (out != NULL)
        record_shape(OP_expand, out, t);
    return checked(out);
}

BACKWARD(expand)
{
    GRAD(0, op_sum_to_size(g, n->n_ints, node_ints(n)));
}

/* ---------------------------------------------------------------- orders of dims */
static Tensor *
permuted(Op op, Tensor *t, const int64_t *order)
{
    int64_t dims[NDIM_MAX], strides[NDIM_MAX];
    for (int i = 0; i < t->ndim; i++) {
        dims[i] = t->dims[order[i]];
        strides[i] = t->strides[order[i]];
    }
    Tensor *out = view_make(t, t->ndim, dims, strides, 0);
    if (out != NULL) {
        Node *n = RECORD(op, out, t);
        node_save_ints(n, t->ndim, order);
    }
    return checked(out);
}

static Tensor *
unpermuted(Node *n, Tensor *g)
{
    int64_t inverse[NDIM_MAX];
    for (int i = 0; i < n->n_ints; i++)
        inverse[node_ints(n)[i]] = i;
    return op_permute(g, n->n_ints, inverse);
}

Tensor *
op_permute(Tensor *t, int n, const int64_t *dims)
{
    int64_t order[NDIM_MAX];
    bool seen[NDIM_MAX] = {false};
    if (t == NULL)
        return NULL;
    if (n != t->ndim)
        return error(PyExc_RuntimeError, "permute(sparse_coo): number of dimensions in the tensor input does not match the "
                                         "length of the desired ordering of dimensions i.e. input.dim() = %d is not equal "
                                         "to len(dims) = %d", t->ndim, n);
    for (int i = 0; i < n; i++) {
        int d = shape_wrap_dim(dims[i], t->ndim);
        if (d < 0)
            return NULL;
        if (seen[d])
            return error(PyExc_RuntimeError, "permute(): duplicate dims are not allowed: %s", shape_text(n, dims));
        seen[d] = true;
        order[i] = d;
    }
    return permuted(OP_permute, t, order);
}

BACKWARD(permute)
{
    GRAD(0, unpermuted(n, g));
}

static Tensor *
swapped(Op op, Tensor *t, int a, int b)
{
    int64_t order[NDIM_MAX];
    for (int i = 0; i < t->ndim; i++)
        order[i] = i == a ? b : i == b ? a : i;
    return permuted(op, t, order);
}

Tensor *
op_transpose(Tensor *t, int64_t dim0, int64_t dim1)
{
    if (t == NULL)
        return NULL;
    int a = shape_wrap_dim(dim0, t->ndim), b = a < 0 ? -1 : shape_wrap_dim(dim1, t->ndim);
    if (b < 0)
        return NULL;
    return swapped(OP_transpose, t, a, b);
}

BACKWARD(transpose)
{
    GRAD(0, unpermuted(n, g));
}

Tensor *
op_t(Tensor *t)
{
    if (t == NULL)
        return NULL;
    if (t->ndim > 2)
        return error(PyExc_RuntimeError, "t() expects a tensor with <= 2 dimensions, but self is %dD; use .mT or "
                                         ".transpose(dim0, dim1)", t->ndim);
    return swapped(OP_t, t, 0, t->ndim - 1);
}

BACKWARD(t)
{
    GRAD(0, n->n_ints < 2 ? g : op_t(g));
}

/* ---------------------------------------------------------------- dims of size 1 */
Tensor *
op_squeeze(Tensor *t, const int64_t *dims, int n)
{
    bool all = dims == NULL;
    int64_t kept[NDIM_MAX], strides[NDIM_MAX];
    bool drop[NDIM_MAX] = {false};
    int ndim = 0;
    if (t == NULL)
        return NULL;
    for (int i = 0; i < n; i++) {
        int d = shape_wrap_dim(dims[i], t->ndim);
        if (d < 0)
            return NULL;
        drop[d] = true;
    }
    for (int i = 0; i < t->ndim; i++) {
        if (t->dims[i] == 1 && (all || drop[i]))
            continue;
        kept[ndim] = t->dims[i];
        strides[ndim++] = t->strides[i];
    }
    Tensor *out = view_make(t, ndim, kept, strides, 0);
    Node *node = out ? record_shape(OP_squeeze, out, t) : NULL;
    if (node != NULL && !all)
        node_set_variant(node, n == 1 ? 1 : 2);
    return checked(out);
}

BACKWARD(squeeze)
{
    GRAD(0, op_reshape(g, n->n_ints, node_ints(n)));
}

BACKWARD(squeeze_dim)
{
    GRAD(0, op_reshape(g, n->n_ints, node_ints(n)));
}

Tensor *
op_unsqueeze(Tensor *t, int64_t dim)
{
    int64_t dims[NDIM_MAX], strides[NDIM_MAX];
    if (t == NULL)
        return NULL;
    if (t->ndim == NDIM_MAX)
        return error(PyExc_RuntimeError, "unsqueeze: the tensor already has %d dimensions, the most supported", NDIM_MAX);
    int d = shape_wrap_dim(dim, t->ndim + 1);
    if (d < 0)
        return NULL;
    memcpy(dims, t->dims, (size_t)d * sizeof dims[0]);
    memcpy(strides, t->strides, (size_t)d * sizeof dims[0]);
    dims[d] = 1;
    strides[d] = d < t->ndim ? t->dims[d] * t->strides[d] : 1;
    memcpy(dims + d + 1, t->dims + d, (size_t)(t->ndim - d) * sizeof dims[0]);
    memcpy(strides + d + 1, t->strides + d, (size_t)(t->ndim - d) * sizeof dims[0]);
    Tensor *out = view_make(t, t->ndim + 1, dims, strides, 0);
    if (out != NULL)
        record_shape(OP_unsqueeze, out, t);
    return checked(out);
}

BACKWARD(unsqueeze)
{
    GRAD(0, op_reshape(g, n->n_ints, node_ints(n)));
}

/* ---------------------------------------------------------------- parts */
/* ints: the input's dims, then dim, start, step of the part. */
static void
record_part(Op op, Tensor *out, Tensor *t, int dim, int64_t start, int64_t step)
{
    Node *n = out ? RECORD(op, out, t) : NULL;
    int64_t ints[NDIM_MAX + 3];
    if (n == NULL)
        return;
    memcpy(ints, t->dims, t->ndim * sizeof ints[0]);
    ints[t->ndim] = dim;
    ints[t->ndim + 1] = start;
    ints[t->ndim + 2] = step;
    node_save_ints(n, t->ndim + 3, ints);
}

Tensor *
op_select(Tensor *t, int64_t dim, int64_t index)
{
    int64_t dims[NDIM_MAX], strides[NDIM_MAX];
    if (t == NULL)
        return NULL;
    if (t->ndim == 0)
        return error(PyExc_IndexError, "select() cannot be applied to a 0-dim tensor.");
    int d = shape_wrap_dim(dim, t->ndim);
    if (d < 0)
        return NULL;
    if (index < -t->dims[d] || index >= t->dims[d])
        return error(PyExc_IndexError, "index %lld is out of bounds for dimension %d with size %lld", (long long)index, d,
                     (long long)t->dims[d]);
    if (index < 0)
        index += t->dims[d];
    for (int i = 0, k = 0; i < t->ndim; i++)
        if (i != d) {
            dims[k] = t->dims[i];
            strides[k++] = t->strides[i];
        }
    Tensor *out = view_make(t, t->ndim - 1, dims, strides, index * t->strides[d]);
    record_part(OP_select, out, t, d, index, 1);
    return checked(out);
}

BACKWARD(select)
{
    int ndim = n->n_ints - 3;
    int64_t dim = node_ints(n)[ndim];
    GRAD(0, op_slice_backward(op_unsqueeze(g, dim), ndim, node_ints(n), dim, node_ints(n)[ndim + 1], 1));
}

Tensor *
op_slice(Tensor *t, int64_t dim, int64_t start, int64_t end, int64_t step)
{
    int64_t dims[NDIM_MAX];
    if (t == NULL)
        return NULL;
    if (t->ndim == 0)
        return error(PyExc_IndexError, "slice() cannot be applied to a 0-dim tensor.");
    int d = shape_wrap_dim(dim, t->ndim);
    if (d < 0)
        return NULL;
    if (step <= 0)
        return error(PyExc_ValueError, "step must be greater than zero (flip() reverses)");
    int64_t size = t->dims[d];
    start = start < 0 ? start + size : start;
    end = end < 0 ? end + size : end;
    start = start < 0 ? 0 : start > size ? size : start;
    end = end < start ? start : end > size ? size : end;
    memcpy(dims, t->dims, t->ndim * sizeof dims[0]);
    dims[d] = (end - start) / step + ((end - start) % step != 0);
    int64_t strides[NDIM_MAX];
    memcpy(strides, t->strides, t->ndim * sizeof dims[0]);
    if (__builtin_mul_overflow(strides[d], step, &strides[d]))
        strides[d] = t->strides[d];               /* at most one element is left: its stride is never used */
    Tensor *out = view_make(t, t->ndim, dims, strides, dims[d] ? start * t->strides[d] : 0);
    record_part(OP_slice, out, t, d, start, step);
    return checked(out);
}

BACKWARD(slice)
{
    int ndim = n->n_ints - 3;
    GRAD(0, op_slice_backward(g, ndim, node_ints(n), node_ints(n)[ndim], node_ints(n)[ndim + 1], node_ints(n)[ndim + 2]));
}

Tensor *
op_narrow(Tensor *t, int64_t dim, int64_t start, int64_t length)
{
    if (t == NULL)
        return NULL;
    if (t->ndim == 0)
        return error(PyExc_RuntimeError, "narrow() cannot be applied to a 0-dim tensor.");
    int d = shape_wrap_dim(dim, t->ndim);
    if (d < 0)
        return NULL;
    int64_t size = t->dims[d];
    if (length < 0)
        return error(PyExc_RuntimeError, "narrow(): length must be non-negative.");
    if (start < -size || start > size)
        return error(PyExc_IndexError, "start out of range (expected to be in range of [-%lld, %lld], but got %lld)",
                     (long long)size, (long long)size, (long long)start);
    if (start < 0)
        start += size;
    if (start > size - length)
        return error(PyExc_RuntimeError, "start (%lld) + length (%lld) exceeds dimension size (%lld).", (long long)start,
                     (long long)length, (long long)size);
    return op_slice(t, d, start, start + length, 1);
}
