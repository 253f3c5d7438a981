/* Order statistics: kthvalue, median, mode, quantile.  The place in the sorted row is known, or found
 * in it. */
#include <math.h>
#include <string.h>

#include "core/dtype.h"
#include "ops/on_device.h"
#include "ops/return_types.h"

/* ---------------------------------------------------------------- places in a sorted row */
/* Which place of a sorted row of n elements is picked, where `numbers` stand before the NaNs. */
typedef int64_t (*Place)(int64_t n, int64_t numbers, int64_t k);

static int64_t
place_kth(int64_t n, int64_t numbers, int64_t k)
{
    (void)n, (void)numbers;
    return k - 1;
}

static int64_t
place_median(int64_t n, int64_t numbers, int64_t k)
{
    (void)k;
    return numbers < n ? numbers : (n - 1) / 2;
}

static int64_t
place_nanmedian(int64_t n, int64_t numbers, int64_t k)
{
    (void)n, (void)k;
    return numbers > 0 ? (numbers - 1) / 2 : 0;
}

static int64_t
count_numbers(const char *row, Dtype dtype, int64_t n)
{
    int64_t nans = 0;
    if (dtype == DTYPE_FLOAT)
        for (int64_t i = 0; i < n; i++)
            nans += isnan(((const float *)(const void *)row)[i]) != 0;
    else if (dtype_is_float(dtype))
        for (int64_t i = 0; i < n; i++)
            nans += isnan(dtype_load(row + i * dtype_info[dtype].itemsize, dtype).f) != 0;
    return n - nans;
}

/* The place of each of `count` rows. */
static int
pick_places(Tensor *rows, int64_t n, int64_t count, Place place, int64_t k, int64_t *places)
{
    if (rows->device.type == DEVICE_CPU) {
        for (int64_t i = 0; i < count; i++)
            places[i] = place(n, count_numbers(rows->data + i * n * tensor_itemsize(rows), (Dtype)rows->dtype, n), k);
        return 0;
    }
    Tensor *numbers = device_numbers(op_reshape(rows, 2, (int64_t[]){count, n})), *picked = NULL;
    Device device = rows->device;
    if (place == place_nanmedian)
        picked = op_pointwise(OP_clamp, 1, op_scalar(OP_div_floor, op_scalar(OP_sub, numbers, 1), 2), NULL, NULL, PARAM(0),
                              PARAM(n));
    else {
        Tensor *fixed = scope_keep(tensor_from_scalar(PARAM(place(n, n, k)), DTYPE_INT64, device));
        Tensor *has_nan = op_scalar(OP_lt, numbers, place == place_median ? (double)n : 0);
        picked = op_where(has_nan, numbers, fixed);
    }
    return picked == NULL ? -1 : device_copy(places, device, picked->data, device, count * (int64_t)sizeof *places);
}

/* The last place of the longest run of equals; of runs as long, the smallest value's. */
static int64_t
place_mode(const Tensor *rows, const char *row, const int64_t *order, int64_t n)
{
    Dtype dtype = (Dtype)rows->dtype;
    int64_t best = 0, length = 0, start = 0, size = tensor_itemsize(rows);
    for (int64_t i = 1; i <= n; i++) {
        const char *a = row + order[i - 1] * size, *b = i < n ? row + order[i] * size : a;
        Param x = dtype_load(a, dtype), y = dtype_load(b, dtype);
        bool equal = dtype_is_float(dtype) ? x.f == y.f || (isnan(x.f) && isnan(y.f)) : x.i == y.i;
        if (i < n && equal)
            continue;
        if (i - start > length) {
            length = i - start;
            best = i - 1;
        }
        start = i;
    }
    return best;
}

static int
pick_modes(Tensor *rows, int64_t n, int64_t count, int64_t *indices)
{
    Device device = rows->device;
    if (device.type != DEVICE_CPU) {
        Tensor *modes = device_modes(op_reshape(rows, 2, (int64_t[]){count, n}), n);
        return modes == NULL ? -1 : device_copy(indices, device, modes->data, device, count * (int64_t)sizeof *indices);
    }
    Tensor *order = sort_run(rows, n, false, NULL);
    if (order == NULL)
        return -1;
    for (int64_t i = 0; i < count; i++) {
        const int64_t *sorted = (const int64_t *)(const void *)order->data + i * n;
        indices[i] = sorted[place_mode(rows, rows->data + i * n * tensor_itemsize(rows), sorted, n)];
    }
    return 0;
}

/* ---------------------------------------------------------------- one element of each row along a dim */
/* Its indices, of size 1 along d; place NULL: of the mode. */
static Tensor *
picked_indices(Tensor *t, int d, Place place, int64_t k)
{
    int64_t n = t->ndim ? t->dims[d] : 1, dims[NDIM_MAX];
    Tensor *rows = op_contiguous(t->ndim ? op_transpose(op_detach(t), d, -1) : op_detach(t));
    if (rows == NULL)
        return NULL;
    memcpy(dims, rows->dims, rows->ndim * sizeof dims[0]);
    if (rows->ndim > 0)
        dims[rows->ndim - 1] = 1;
    Tensor *out = scope_keep(tensor_empty(rows->ndim, dims, DTYPE_INT64, t->device));
    if (out == NULL)
        return NULL;
    if (!tensor_is_meta(t) && out->numel > 0) {
        int64_t *indices = (int64_t *)(void *)out->data;
        if (place == NULL ? pick_modes(rows, n, out->numel, indices) < 0
                          : pick_places(rows, n, out->numel, place, k, indices) < 0
                                || sort_pick(rows, n, out->numel, indices) < 0)
            return NULL;
    }
    return t->ndim ? op_contiguous(op_transpose(out, d, -1)) : out;
}

static int
check_ordered(const char *op, const Tensor *t)
{
    return t->dtype == DTYPE_BOOL ? not_implemented_dtype(op, DTYPE_BOOL) : 0;
}

static PyObject *
pick(Op op, ReturnType type, const char *name, Tensor *t, int64_t dim, bool keepdim, Place place, int64_t k)
{
    int d = t ? check_nonempty_dim(name, t, dim) : -1;
    if (d < 0)
        return NULL;
    if (op != OP_mode && check_ordered(name, t) < 0)
        return NULL;
    Tensor *indices = picked_indices(t, d, place, k);
    Tensor *values = indices ? op_gather(op_detach(t), d, indices) : NULL;
    if (!keepdim && t->ndim > 0) {
        int64_t dims[1] = {d};
        indices = op_detach(op_squeeze(indices, dims, 1));
        values = op_detach(op_squeeze(values, dims, 1));
    }
    record_picked(op, values, t, indices, d, keepdim);
    if (values && values->node && (op == OP_median_dim || op == OP_nanmedian_dim))
        node_set_variant(values->node, 1);
    return return_pair(type, values, indices);
}

PyObject *
op_kthvalue(Tensor *t, int64_t k, int64_t dim, bool keepdim)
{
    int d = t ? shape_wrap_dim(dim, t->ndim) : -1;
    if (d < 0)
        return NULL;
    if (k < 1 || k > (t->ndim ? t->dims[d] : 1))
        return (PyObject *)error(PyExc_RuntimeError,
                                 "kthvalue(): selected number k out of range for dimension %d", d);
    return pick(OP_kthvalue, RETURN_KTHVALUE, "kthvalue", t, dim, keepdim, place_kth, k);
}

BACKWARD(kthvalue)
{
    GRAD(0, spread_picked(n, g));
}

PyObject *
op_median_dim(Tensor *t, int64_t dim, bool keepdim)
{
    return pick(OP_median_dim, RETURN_MEDIAN, "median", t, dim, keepdim, place_median, 0);
}

BACKWARD(median_dim)
{
    GRAD(0, spread_picked(n, g));
}

PyObject *
op_nanmedian_dim(Tensor *t, int64_t dim, bool keepdim)
{
    return pick(OP_nanmedian_dim, RETURN_NANMEDIAN, "nanmedian", t, dim, keepdim, place_nanmedian, 0);
}

BACKWARD(nanmedian_dim)
{
    GRAD(0, spread_picked(n, g));
}

PyObject *
op_mode(Tensor *t, int64_t dim, bool keepdim)
{
    return pick(OP_mode, RETURN_MODE, "mode", t, dim, keepdim, NULL, 0);
}

BACKWARD(mode)
{
    GRAD(0, spread_picked(n, g));
}

/* ---------------------------------------------------------------- the median of all elements */
static Tensor *
median_of_all(Op op, const char *name, Tensor *t, Place place)
{
    if (t == NULL)
        return NULL;
    Tensor *out;
    if (t->numel > 0 && check_ordered(name, t) < 0)
        return NULL;
    if (t->numel == 0) {                         /* NaN, converted as a kernel does */
        out = scope_keep(tensor_from_scalar((Param){(double)NAN, INT64_MIN}, DTYPE_DOUBLE, t->device));
        if ((out = op_to_dtype(out, (Dtype)t->dtype)) == NULL)
            return NULL;
    } else {
        Tensor *flat = op_reshape(op_detach(t), 1, (int64_t[]){-1}),
               *index = flat ? picked_indices(flat, 0, place, 0) : NULL;
        out = index ? op_reshape(op_gather(flat, 0, index), 0, NULL) : NULL;
        out = out ? op_detach(out) : NULL;
    }
    Node *n = out ? RECORD(op, out, t) : NULL;
    node_save(n, 0, t);
    node_save_output(n, 1, out);
    return PyErr_Occurred() ? NULL : out;
}

/* g shared by the elements that equal the median. */
static Tensor *
median_gradient(Node *n, Tensor *g)
{
    Tensor *x = node_saved(n, 0), *y = node_saved(n, 1);
    Tensor *equal =
        op_to_dtype(op_logical_or(op_eq(x, y), op_logical_and(op_isnan(x), op_isnan(y))), (Dtype)g->dtype);
    return op_mul(op_div(g, op_sum(equal)), equal);
}

Tensor *
op_median(Tensor *t)
{
    return median_of_all(OP_median, "median", t, place_median);
}

BACKWARD(median)
{
    GRAD(0, median_gradient(n, g));
}

Tensor *
op_nanmedian(Tensor *t)
{
    return median_of_all(OP_nanmedian, "nanmedian", t, place_nanmedian);
}

BACKWARD(nanmedian)
{
    GRAD(0, median_gradient(n, g));
}

/* ---------------------------------------------------------------- quantile */
static int
check_quantile(const char *op, Tensor *t, Tensor *q, const char *interpolation)
{
    static const char *const known[] = {"linear", "lower", "higher", "midpoint", "nearest"};
    bool found = false;
    for (int i = 0; i < 5; i++)
        found |= strcmp(known[i], interpolation) == 0;
    if (t->numel == 0)
        error(PyExc_RuntimeError, "%s() input tensor must be non-empty", op);
    else if (t->dtype != DTYPE_FLOAT && t->dtype != DTYPE_DOUBLE)
        error(PyExc_RuntimeError, "%s() input tensor must be either float or double dtype", op);
    else if (q->ndim > 1)
        error(PyExc_RuntimeError, "%s() q must be a scalar or 1D tensor", op);
    else if (q->dtype != t->dtype)
        error(PyExc_RuntimeError, "%s() q tensor must be same dtype as the input tensor", op);
    else if (!found)
        error(PyExc_RuntimeError,
              "%s() interpolation must be one of linear, lower, higher, midpoint or nearest, but got %s", op,
              interpolation);
    return PyErr_Occurred() ? -1 : 0;
}

static int
check_q_range(const char *op, Tensor *q)
{
    Tensor *inside = op_logical_and(op_scalar(OP_ge, q, 0), op_scalar(OP_le, q, 1));
    if (inside == NULL || tensor_is_meta(q))
        return inside ? 0 : -1;
    Tensor *all = op_all(inside, 0, NULL, false);
    if (all == NULL || tensor_item(all).i)
        return all ? 0 : -1;
    if (q->numel == 1) {
        char text[32];
        snprintf(text, sizeof text, "%g", tensor_item(q).f);
        error(PyExc_RuntimeError, "%s() q must be in the range [0, 1] but got %s", op, text);
    } else
        error(PyExc_RuntimeError, "%s() q values must be in the range [0, 1]", op);
    return -1;
}

/* Where in sorted rows (..., n) the quantiles q (k) are: (..., k) real numbers.  A row with NaN gives NaN:
 * its last. */
static Tensor *
quantile_ranks(Tensor *rows, Tensor *q, bool ignore_nan)
{
    if (rows == NULL || q == NULL)
        return NULL;
    int64_t last = rows->dims[rows->ndim - 1] - 1, dim = -1;
    if (ignore_nan) {
        Tensor *numbers = op_sum_dims(op_logical_not(op_isnan(rows)), 1, &dim, true);
        Tensor *top = op_to_dtype(op_scalar(OP_sub, numbers, 1), (Dtype)rows->dtype), *ranks = op_mul(q, top);
        return op_masked_fill(ranks, op_scalar(OP_lt, ranks, 0),
                              scope_keep(tensor_from_scalar(PARAM(0), (Dtype)q->dtype, q->device)));
    }
    Tensor *end = scope_keep(tensor_from_scalar(PARAM(last), (Dtype)q->dtype, q->device));
    return op_masked_fill(op_scalar(OP_mul, q, (double)last), op_any(op_isnan(rows), 1, &dim, true), end);
}

static Tensor *
at_ranks(Tensor *rows, Tensor *ranks, const char *interpolation)
{
    if (rows == NULL || ranks == NULL)
        return NULL;
    if (strcmp(interpolation, "lower") == 0)
        return op_gather(rows, -1, op_to_dtype(op_floor(ranks), DTYPE_INT64));
    if (strcmp(interpolation, "higher") == 0)
        return op_gather(rows, -1, op_to_dtype(op_ceil(ranks), DTYPE_INT64));
    if (strcmp(interpolation, "nearest") == 0)
        return op_gather(rows, -1, op_to_dtype(op_round(ranks), DTYPE_INT64));
    Tensor *floor = op_floor(op_detach(ranks)), *weight = op_sub(ranks, floor);
    if (strcmp(interpolation, "midpoint") == 0)
        weight = op_scalar(OP_add, op_scalar(OP_mul, op_detach(weight), 0), 0.5);
    Tensor *below = op_gather(rows, -1, op_to_dtype(floor, DTYPE_INT64));
    Tensor *above = op_gather(rows, -1, op_to_dtype(op_ceil(ranks), DTYPE_INT64));
    return op_lerp(below, above, weight);
}

Tensor *
op_quantile(Tensor *t, Tensor *q, const int64_t *dim, bool keepdim, const char *interpolation,
            bool ignore_nan)
{
    const char *op = ignore_nan ? "nanquantile" : "quantile";
    if (t == NULL || q == NULL || check_quantile(op, t, q, interpolation) < 0 || check_q_range(op, q) < 0)
        return NULL;
    int d = dim ? shape_wrap_dim(*dim, t->ndim) : 0;
    if (d < 0)
        return NULL;
    Tensor *flat = dim && t->ndim ? t : op_reshape(t, 1, (int64_t[]){-1});
    Tensor *rows = flat ? op_sorted_values(op_transpose(flat, d, -1), -1) : NULL;
    int64_t k = q->ndim ? q->dims[0] : 1, dims[NDIM_MAX];
    if (rows == NULL)
        return NULL;
    memcpy(dims, rows->dims, rows->ndim * sizeof dims[0]);
    dims[rows->ndim - 1] = k;
    Tensor *ranks = quantile_ranks(op_detach(rows), op_reshape(q, 1, &k), ignore_nan);
    ranks = ranks ? op_expand(ranks, rows->ndim, dims) : NULL;
    Tensor *out = op_transpose(at_ranks(rows, ranks, interpolation), d, -1); /* k where d was */
    if (out == NULL)
        return NULL;
    int64_t shape[NDIM_MAX + 1];
    int n = 0;
    out = op_unsqueeze(out, 0);                     /* (1, ..., k, ...) */
    out = out ? op_transpose(out, 0, d + 1) : NULL; /* (k, ..., 1, ...) */
    if (q->ndim > 0)
        shape[n++] = k;
    for (int i = 0; i < t->ndim; i++)
        if (keepdim || (dim && i != d))
            shape[n++] = !dim || i == d ? 1 : t->dims[i];
    return out ? op_reshape(out, n, shape) : NULL;
}

Tensor *
op_quantile_number(Tensor *t, double q, const int64_t *dim, bool keepdim, const char *interpolation,
                   bool ignore_nan)
{
    Tensor *number =
        t ? scope_keep(tensor_from_scalar(
                PARAM(q), dtype_is_float((Dtype)t->dtype) ? (Dtype)t->dtype : DTYPE_FLOAT, t->device))
          : NULL;
    return number ? op_quantile(t, number, dim, keepdim, interpolation, ignore_nan) : NULL;
}
