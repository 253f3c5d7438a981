/* Extremes: their values over any dims (amax, max()), and with their places along one dim (max(dim), argmax).
 * The gradient of a value over dims is shared by all elements that equal it; that of max(dim) goes to the one
 * picked. */
#include "ops/reduce.h"

#include <string.h>

#include "ops/ops.h"
#include "ops/return_types.h"

/* ---------------------------------------------------------------- values and places along one dim */
int
check_nonempty_dim(const char *op, Tensor *t, int64_t dim)
{
    int d = shape_wrap_dim(dim, t->ndim);
    if (d >= 0 && t->ndim > 0 && t->dims[d] == 0) {
        error(PyExc_IndexError, "%s(): Expected reduction dim %d to have non-zero size.", op, d);
        return -1;
    }
    return d;
}

static Tensor *
extreme_along(Tensor *t, int d, bool keepdim, bool largest, Tensor **values)
{
    Span s;
    int64_t dims[1] = {d}, one = 1;
    if (span_of(&s, t, 1, dims, keepdim) < 0)
        return NULL;
    const Backend *backend = backend_of(t);
    if (backend->arg_reduce == NULL) {
        not_implemented_device("argmax", t);
        return NULL;
    }
    Tensor *indices = scope_keep(tensor_empty(s.ndim, s.dims, DTYPE_INT64, t->device));
    if (values != NULL)
        *values = scope_keep(tensor_empty(s.ndim, s.dims, (Dtype)t->dtype, t->device));
    if (indices == NULL || (values != NULL && *values == NULL))
        return NULL;
    bool scalar = t->ndim == 0;
    ArgReduce a = {largest,
                   (Dtype)t->dtype,
                   scalar ? 1 : t->ndim,
                   d,
                   scalar ? &one : t->dims,
                   scalar ? &one : t->strides,
                   t->data,
                   values ? (*values)->data : NULL,
                   (int64_t *)(void *)indices->data};
    return backend->arg_reduce(&a) < 0 ? NULL : indices;
}

void
record_picked(Op op, Tensor *values, Tensor *t, Tensor *indices, int d, bool keepdim)
{
    Node *n = values && indices ? RECORD(op, values, t) : NULL;
    int64_t ints[NDIM_MAX + 2];
    if (n == NULL)
        return;
    memcpy(ints, t->dims, (size_t)t->ndim * sizeof ints[0]);
    ints[t->ndim] = d;
    ints[t->ndim + 1] = keepdim;
    node_save(n, 0, indices);
    node_save_ints(n, t->ndim + 2, ints);
}

/* g at the picked places of zeros: a scatter, which can be differentiated again. */
Tensor *
spread_picked(Node *n, Tensor *g)
{
    Tensor *indices = node_saved(n, 0);
    int ndim = n->n_ints - 2;
    int64_t d = node_ints(n)[ndim];
    if (indices == NULL || ndim == 0)
        return indices ? g : NULL;
    if (!node_ints(n)[ndim + 1]) {
        g = op_unsqueeze(g, d);
        indices = op_unsqueeze(indices, d);
    }
    Tensor *zeros = g ? index_zeros(ndim, node_ints(n), (Dtype)g->dtype, g->device) : NULL;
    return zeros && indices ? op_scatter_add(zeros, d, indices, g, false) : NULL;
}

static PyObject *
extreme_pair(Op op, ReturnType type, const char *name, Tensor *t, int64_t dim, bool keepdim, bool largest)
{
    int d = t ? check_nonempty_dim(name, t, dim) : -1;
    if (d < 0)
        return NULL;
    Tensor *values = NULL, *indices = extreme_along(t, d, keepdim, largest, &values);
    record_picked(op, values, t, indices, d, keepdim);
    return return_pair(type, values, indices);
}

PyObject *
op_max_dim(Tensor *t, int64_t dim, bool keepdim)
{
    return extreme_pair(OP_max_dim, RETURN_MAX, "max", t, dim, keepdim, true);
}

BACKWARD(max_dim)
{
    GRAD(0, spread_picked(n, g));
}

PyObject *
op_min_dim(Tensor *t, int64_t dim, bool keepdim)
{
    return extreme_pair(OP_min_dim, RETURN_MIN, "min", t, dim, keepdim, false);
}

BACKWARD(min_dim)
{
    GRAD(0, spread_picked(n, g));
}

static Tensor *
arg_extreme(const char *name, Tensor *t, const int64_t *dim, bool keepdim, bool largest)
{
    if (t == NULL)
        return NULL;
    if (t->dtype == DTYPE_BOOL)
        return error(PyExc_RuntimeError, "%s(): does not support bool input; convert with .int()", name);
    if (dim != NULL) {
        int d = check_nonempty_dim(name, t, *dim);
        return d < 0 ? NULL : extreme_along(t, d, keepdim, largest, NULL);
    }
    if (t->numel == 0)
        return error(PyExc_IndexError, "%s(): Expected reduction dim to be specified for input.numel() == 0.",
                     name);
    Tensor *flat = op_reshape(op_detach(t), 1, (int64_t[]){-1}),
           *out = flat ? extreme_along(flat, 0, false, largest, NULL) : NULL;
    int64_t ones[NDIM_MAX];
    for (int i = 0; i < t->ndim; i++)
        ones[i] = 1;
    return keepdim ? op_view(out, t->ndim, ones) : out;
}

Tensor *
op_argmax_over(Tensor *t, const int64_t *dim, bool keepdim)
{
    return arg_extreme("argmax", t, dim, keepdim, true);
}

Tensor *
op_argmin_over(Tensor *t, const int64_t *dim, bool keepdim)
{
    return arg_extreme("argmin", t, dim, keepdim, false);
}

Tensor *
op_argmax(Tensor *t, int64_t dim, bool keepdim)
{
    return op_argmax_over(t, &dim, keepdim);
}

/* ---------------------------------------------------------------- values over any dims */
static int
check_not_empty(const char *op, Tensor *t, int n, const int64_t *dims)
{
    if (n == 0 && t->numel == 0) {
        error(PyExc_RuntimeError,
              "%s(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
              "reduction dim with the 'dim' argument.",
              op);
        return -1;
    }
    for (int i = 0; i < n; i++)
        if (check_nonempty_dim(op, t, dims[i]) < 0)
            return -1;
    return 0;
}

static Tensor *
extreme_over(Op op, const char *name, Tensor *t, int n, const int64_t *dims, bool keepdim, bool largest)
{
    Span s;
    if (t == NULL || check_not_empty(name, t, n, dims) < 0 || span_of(&s, t, n, dims, keepdim) < 0)
        return NULL;
    Tensor *out = reduce_run(t, &s, largest ? FOLD_amax : FOLD_amin, (Dtype)t->dtype, FINISH_DIVIDE, 1, NULL);
    Node *node = out ? RECORD(op, out, t) : NULL;
    if (node != NULL) {
        node_save(node, 0, t);
        node_save_output(node, 1, out);
        span_save(node, t, &s);
        node_set_variant(node, op == OP_max || op == OP_min);
    }
    return PyErr_Occurred() ? NULL : out;
}

/* g shared evenly by the elements that equal the result y; NaNs are equals of a NaN if so asked. */
static Tensor *
share(Node *n, Tensor *g, bool nans_equal)
{
    Tensor *x = node_saved(n, 0), *y = span_restore(n, node_saved(n, 1)), *same = op_eq(x, y);
    if (nans_equal)
        same = op_logical_or(same, op_isnan(x));
    Tensor *mask = op_to_dtype(same, g ? (Dtype)g->dtype : DTYPE_FLOAT);
    int64_t dims[NDIM_MAX];
    int count = span_dims(n, dims);
    Tensor *equals = count > 0 ? op_sum_dims(mask, count, dims, true) : mask;
    return op_mul(op_div(span_restore(n, g), equals), mask);
}

Tensor *
op_amax(Tensor *t, int n, const int64_t *dims, bool keepdim)
{
    return extreme_over(OP_amax, "amax", t, n, dims, keepdim, true);
}

BACKWARD(amax)
{
    GRAD(0, share(n, g, false));
}

Tensor *
op_amin(Tensor *t, int n, const int64_t *dims, bool keepdim)
{
    return extreme_over(OP_amin, "amin", t, n, dims, keepdim, false);
}

BACKWARD(amin)
{
    GRAD(0, share(n, g, false));
}

Tensor *
op_max(Tensor *t)
{
    return extreme_over(OP_max, "max", t, 0, NULL, false, true);
}

BACKWARD(max)
{
    GRAD(0, share(n, g, true));
}

Tensor *
op_min(Tensor *t)
{
    return extreme_over(OP_min, "min", t, 0, NULL, false, false);
}

BACKWARD(min)
{
    GRAD(0, share(n, g, true));
}

PyObject *
op_aminmax(Tensor *t, const int64_t *dim, bool keepdim)
{
    if (t == NULL)
        return NULL;
    int d = dim ? shape_wrap_dim(*dim, t->ndim) : 0;
    if (d < 0)
        return NULL;
    if (t->ndim > 0 && (dim ? t->dims[d] == 0 : t->numel == 0))
        return (PyObject *)error(PyExc_RuntimeError,
                                 "aminmax(): cannot compute aminmax over an empty dimension as the "
                                 "operation has no identity.");
    int n = dim != NULL;
    Span s;
    if (span_of(&s, t, n, dim, keepdim) < 0)
        return NULL;
    Tensor *low = reduce_run(t, &s, FOLD_amin, (Dtype)t->dtype, FINISH_DIVIDE, 1, NULL);
    Tensor *high = reduce_run(t, &s, FOLD_amax, (Dtype)t->dtype, FINISH_DIVIDE, 1, NULL);
    if (low == NULL || high == NULL)
        return NULL;
    Tensor *outs[2] = {low, high}, *inputs[1] = {t};
    Node *node = node_record_many(OP_aminmax, 2, outs, 1, inputs);
    node_save(node, 0, t);
    node_save_output(node, 1, low);
    node_save_output(node, 2, high);
    span_save(node, t, &s);
    return return_pair(RETURN_AMINMAX, low, high);
}

BACKWARD(aminmax)
{
    Tensor *x = node_saved(n, 0), *sum = NULL;
    for (int k = 0; k < 2; k++) {
        if (grads[k] == NULL)
            continue;
        Tensor *mask = op_to_dtype(op_eq(x, span_restore(n, node_saved(n, k + 1))), (Dtype)grads[k]->dtype);
        int64_t dims[NDIM_MAX];
        int count = span_dims(n, dims);
        Tensor *equals = count > 0 ? op_sum_dims(mask, count, dims, true) : mask;
        Tensor *part = op_mul(op_div(span_restore(n, grads[k]), equals), mask);
        sum = sum ? op_add(sum, part) : part;
    }
    GRAD(0, sum);
}
