/* Running reductions along one dim: cumsum, cumprod, logcumsumexp, and cummax and cummin with the places. */
#include <math.h>
#include <string.h>

#include "ops/ops.h"
#include "ops/return_types.h"

/* ---------------------------------------------------------------- running */
static Dtype
scanned_dtype(Dtype dtype)
{
    if (dtype == DTYPE_FLOAT || dtype == DTYPE_DOUBLE)
        return dtype;
    return dtype_is_float(dtype) ? DTYPE_FLOAT : DTYPE_INT64;
}

/* The scan of t along d as a new dense tensor of t's dtype; *indices, if asked for, as int64. */
static Tensor *
scan_run(ScanKind kind, Tensor *t, int d, Tensor **indices)
{
    const Backend *backend = backend_of(t);
    if (backend->scan == NULL) {
        not_implemented_device("cumsum", t);
        return NULL;
    }
    Tensor *in = op_contiguous(op_to_dtype(op_detach(t), scanned_dtype((Dtype)t->dtype)));
    Tensor *out = in ? scope_keep(tensor_empty(in->ndim, in->dims, (Dtype)in->dtype, in->device)) : NULL;
    if (indices != NULL)
        *indices = scope_keep(tensor_empty(t->ndim, t->dims, DTYPE_INT64, t->device));
    if (out == NULL || (indices != NULL && *indices == NULL))
        return NULL;
    Scan s = {kind, (Dtype)in->dtype, 1,         in->ndim ? in->dims[d] : 1,
              1,    in->data,         out->data, indices ? (int64_t *)(void *)(*indices)->data : NULL};
    for (int i = 0; i < in->ndim; i++)
        *(i < d ? &s.outer : i > d ? &s.inner : &s.n) *= i == d ? 1 : in->dims[i];
    if (in->numel > 0 && backend->scan(&s) < 0)
        return NULL;
    return op_to_dtype(out, (Dtype)t->dtype);
}

static Tensor *
checked(Tensor *out)
{
    return PyErr_Occurred() ? NULL : out;
}

Tensor *
running_max(Tensor *t)
{
    return t ? scan_run(SCAN_MAX, t, t->ndim - 1, NULL) : NULL;
}

/* ---------------------------------------------------------------- cumsum */
static Tensor *
as_cumulated(const char *kernel, Tensor *t, Dtype dtype)
{
    if (t == NULL)
        return NULL;
    if (dtype == DTYPE_BOOL && t->ndim > 0) {
        not_implemented_dtype(kernel, dtype);
        return NULL;
    }
    if (dtype == DTYPE_NONE)
        dtype = dtype_is_float((Dtype)t->dtype) ? (Dtype)t->dtype : DTYPE_INT64;
    return op_to_dtype(t, dtype);
}

Tensor *
op_cumsum(Tensor *t, int64_t dim, Dtype dtype)
{
    int d = t ? shape_wrap_dim(dim, t->ndim) : -1;
    t = d >= 0 ? as_cumulated("cumsum_out_cpu", t, dtype) : NULL;
    Tensor *out = t ? scan_run(SCAN_SUM, t, d, NULL) : NULL;
    node_save_ints(out ? RECORD(OP_cumsum, out, t) : NULL, 1, (int64_t[]){d});
    return checked(out);
}

/* Sums of all later elements. */
static Tensor *
reversed_cumsum(Tensor *g, int64_t d)
{
    if (g == NULL || g->ndim == 0)
        return g;
    return op_flip(op_cumsum(op_flip(g, 1, &d), d, DTYPE_NONE), 1, &d);
}

BACKWARD(cumsum)
{
    GRAD(0, reversed_cumsum(g, node_ints(n)[0]));
}

/* ---------------------------------------------------------------- cumprod */
Tensor *
op_cumprod(Tensor *t, int64_t dim, Dtype dtype)
{
    int d = t ? shape_wrap_dim(dim, t->ndim) : -1;
    t = d >= 0 ? as_cumulated("cumprod_out_cpu", t, dtype) : NULL;
    Tensor *out = t ? scan_run(SCAN_PROD, t, d, NULL) : NULL;
    Node *n = out ? RECORD(OP_cumprod, out, t) : NULL;
    node_save(n, 0, t);
    node_save_output(n, 1, out);
    node_save_ints(n, 1, (int64_t[]){d});
    return checked(out);
}

/* Where an element is 0, y / x says nothing.  Then gradient k is the sum over i >= k of g_i times the product
 * of all x_j, j <= i, j != k: with x_k replaced by 1 in a row of its own, one cumprod of an (n, n) tensor
 * gives them all. */
static Tensor *
cumprod_gradient_with_zeros(Tensor *x, Tensor *g, int64_t d)
{
    int ndim = x->ndim;
    int64_t n = x->dims[d], dims[NDIM_MAX + 1];
    Tensor *lines = op_transpose(x, d, -1), *g_lines = op_transpose(g, d, -1); /* (..., n) */
    if (lines == NULL || g_lines == NULL)
        return NULL;
    memcpy(dims, lines->dims, (size_t)ndim * sizeof dims[0]);
    dims[ndim] = n;
    Tensor *ones = scope_keep(tensor_empty(1, &n, (Dtype)x->dtype, x->device));
    if (ones == NULL || fill_data(ones, (Scalar){PARAM(1), CATEGORY_INT}) < 0)
        return NULL;
    Tensor *eye = op_diag_embed(ones, 0, -2, -1), *is_one = op_scalar(OP_ne, eye, 0);
    Tensor *rows = op_where(is_one, eye, op_expand(op_unsqueeze(lines, -2), ndim + 1, dims));
    Tensor *products = op_mul(op_triu(op_cumprod(rows, -1, DTYPE_NONE), 0), op_unsqueeze(g_lines, -2));
    return op_transpose(op_sum_dims(products, 1, (int64_t[]){-1}, false), d, -1);
}

BACKWARD(cumprod)
{
    Tensor *x = node_saved(n, 0), *y = node_saved(n, 1), *nonzero = x ? op_all(x, 0, NULL, false) : NULL;
    if (x == NULL || y == NULL || nonzero == NULL)
        return;
    int64_t d = node_ints(n)[0];
    if (x->ndim == 0)
        GRAD(0, g);
    else if (tensor_is_meta(x) || tensor_item(nonzero).i != 0)
        GRAD(0, op_div(reversed_cumsum(op_mul(g, y), d), x));
    else
        GRAD(0, cumprod_gradient_with_zeros(x, g, d));
}

/* ---------------------------------------------------------------- logcumsumexp */
Tensor *
op_logcumsumexp(Tensor *t, int64_t dim)
{
    int d = t ? shape_wrap_dim(dim, t->ndim) : -1;
    if (d < 0)
        return NULL;
    if (!dtype_is_float((Dtype)t->dtype)) {
        not_implemented_dtype("logcumsumexp_out_cpu", (Dtype)t->dtype);
        return NULL;
    }
    Tensor *out = scan_run(SCAN_LOGSUMEXP, t, d, NULL);
    Node *n = out ? RECORD(OP_logcumsumexp, out, t) : NULL;
    node_save(n, 0, t);
    node_save_output(n, 1, out);
    node_save_ints(n, 1, (int64_t[]){d});
    return checked(out);
}

/* Gradient k is the sum over i >= k of g_i exp(x_k - y_i).  It is taken in logarithms, apart for positive and
 * negative g, so that no exponential overflows; that has no second derivative where g is 0, so a graph of it
 * is made from all (n, n) exponents instead, those with i < k left out. */
static Tensor *
logcumsumexp_gradient_with_graph(Tensor *x, Tensor *y, Tensor *g, int64_t d)
{
    Tensor *exponents =
        op_sub(op_unsqueeze(op_transpose(x, d, -1), -1), op_unsqueeze(op_transpose(y, d, -1), -2));
    if (exponents == NULL)
        return NULL;
    int64_t square[2] = {x->dims[d], x->dims[d]};
    Tensor *ones = scope_keep(tensor_empty(2, square, DTYPE_BOOL, x->device));
    Tensor *lowest = scope_keep(tensor_from_scalar(PARAM(0), (Dtype)x->dtype, x->device));
    if (ones == NULL || lowest == NULL || fill_data(ones, (Scalar){PARAM(1), CATEGORY_INT}) < 0 ||
        fill_data(lowest, (Scalar){{(double)-INFINITY, 0}, CATEGORY_FLOAT}) < 0)
        return NULL;
    Tensor *shares = op_exp(op_masked_fill(exponents, op_tril(ones, -1), lowest));
    Tensor *sum =
        op_sum_dims(op_mul(shares, op_unsqueeze(op_transpose(g, d, -1), -2)), 1, (int64_t[]){-1}, false);
    return op_transpose(sum, d, -1);
}

static Tensor *
log_part(Tensor *g, Tensor *y, bool positive, int64_t d)
{
    Tensor *magnitude = op_relu(positive ? g : op_neg(g));
    Tensor *flipped = op_flip(op_sub(op_log(magnitude), y), 1, &d);
    return op_flip(op_logcumsumexp(flipped, d), 1, &d);
}

BACKWARD(logcumsumexp)
{
    Tensor *x = node_saved(n, 0), *y = node_saved(n, 1);
    int64_t d = node_ints(n)[0];
    if (x == NULL || y == NULL)
        return;
    if (x->ndim == 0) {
        GRAD(0, g);
        return;
    }
    if (grad_mode) {
        GRAD(0, logcumsumexp_gradient_with_graph(x, y, g, d));
        return;
    }
    Tensor *positive = op_exp(op_add(log_part(g, y, true, d), x));
    GRAD(0, op_sub(positive, op_exp(op_add(log_part(g, y, false, d), x))));
}

/* ---------------------------------------------------------------- cummax, cummin */
static PyObject *
running_extreme(Op op, ReturnType type, ScanKind kind, Tensor *t, int64_t dim)
{
    int d = t ? shape_wrap_dim(dim, t->ndim) : -1;
    if (d < 0)
        return NULL;
    Tensor *indices = NULL, *values = scan_run(kind, t, d, &indices);
    record_picked(op, values, t, indices, d, true);
    return return_pair(type, values, indices);
}

PyObject *
op_cummax(Tensor *t, int64_t dim)
{
    return running_extreme(OP_cummax, RETURN_CUMMAX, SCAN_MAX, t, dim);
}

BACKWARD(cummax)
{
    GRAD(0, spread_picked(n, g));
}

PyObject *
op_cummin(Tensor *t, int64_t dim)
{
    return running_extreme(OP_cummin, RETURN_CUMMIN, SCAN_MIN, t, dim);
}

BACKWARD(cummin)
{
    GRAD(0, spread_picked(n, g));
}
