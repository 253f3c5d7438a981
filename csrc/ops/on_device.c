/* What the CPU reads off sorted data in loops, made of other ops for devices, where the host sees no element: results
 * without history.  Only a number that decides a size, or an error, is waited for. */
#include "ops/on_device.h"

#include <math.h>

#include "core/dtype.h"

static Tensor *
number(double value, Dtype dtype, Device device)
{
    return scope_keep(tensor_from_scalar(PARAM(value), dtype, device));
}

Tensor *
device_counted(int64_t n, Device device)
{
    Tensor *ones = op_expand(number(1, DTYPE_INT64, device), 1, &n);
    return op_scalar(OP_sub, op_cumsum(ones, 0, DTYPE_NONE), 1);
}

Tensor *
device_distance(int64_t rows, int64_t columns, Device device)
{
    return op_sub(device_counted(columns, device), op_unsqueeze(device_counted(rows, device), -1));
}

/* Whether neighbours along the last dim are alike; NaNs are, if so asked. */
static Tensor *
like_the_last(Tensor *t, bool nans_alike)
{
    int64_t n = t ? t->dims[t->ndim - 1] : 0;
    Tensor *a = op_narrow(t, -1, 0, n - 1), *b = op_narrow(t, -1, 1, n - 1), *same = op_eq(a, b);
    return nans_alike ? op_logical_or(same, op_logical_and(op_isnan(a), op_isnan(b))) : same;
}

/* ---------------------------------------------------------------- rows */
Tensor *
device_numbers(Tensor *rows)
{
    return op_sum_dims(op_logical_not(op_isnan(rows)), 1, (int64_t[]){-1}, true);
}

/* The last place of the longest run of equals, of runs as long the first. */
Tensor *
device_modes(Tensor *rows, int64_t n)
{
    Tensor *values, *order = sort_run(rows, n, false, &values);
    if (order == NULL || n == 1)
        return order;
    Tensor *place = op_expand(device_counted(n, rows->device), 2, (int64_t[]){rows->dims[0], n});
    Tensor *same = like_the_last(values, true), *zero = number(0, DTYPE_INT64, rows->device);
    Tensor *starts[2] = {op_narrow(op_scalar(OP_mul, place, 0), 1, 0, 1),
                         op_where(same, zero, op_narrow(place, 1, 1, n - 1))};
    if (starts[0] == NULL || starts[1] == NULL)
        return NULL;
    Tensor *length = op_sub(place, running_max(op_cat(2, starts, 1)));
    return op_gather(order, 1, op_argmax(length, 1, true));
}

/* ---------------------------------------------------------------- bins */
/* How much falls into each of n bins: `weights`, or 1 for each element. */
static Tensor *
added_up(Tensor *bins, Tensor *weights, int64_t n, Dtype dtype)
{
    Tensor *out = bins ? index_zeros(1, &n, dtype, bins->device) : NULL;
    if (out == NULL || bins->numel == 0)
        return out;
    if (weights == NULL)
        weights = op_expand(number(1, dtype, bins->device), 1, &bins->numel);
    return op_index_add(out, 0, bins, weights, SCALAR_INT(1), false);
}

Tensor *
device_bincount(Tensor *x, Tensor *weights, int64_t minlength)
{
    int64_t low, high, n = minlength;
    Dtype dtype = weights == NULL ? DTYPE_INT64 : weights->dtype == DTYPE_FLOAT ? DTYPE_FLOAT : DTYPE_DOUBLE;
    if (index_range("bincount", x, true, &low, &high) < 0)
        return NULL;
    if (low < 0)
        return error(PyExc_RuntimeError, "bincount only supports 1-d non-negative integral inputs.");
    if (high >= n && __builtin_add_overflow(high, 1, &n))
        return error(PyExc_RuntimeError, "bincount: maximum value of input overflowed, it should be < %lld but got %lld",
                     (long long)INT64_MAX, (long long)high);
    return added_up(x, weights ? op_to_dtype(op_detach(weights), dtype) : NULL, n, dtype);
}

/* Each step in the elements' own type; what is not counted goes to a bin behind the last. */
Tensor *
device_histogram(Tensor *t, double min, double max, int64_t bins)
{
    Dtype dtype = (Dtype)t->dtype;
    Tensor *low = number(min, dtype, t->device), *high = number(max, dtype, t->device);
    Tensor *x = op_reshape(t, 1, (int64_t[]){-1});
    Tensor *inside = op_logical_and(op_ge(x, low), op_le(x, high));
    Tensor *scaled = op_mul(op_sub(x, low), number((double)bins, dtype, t->device));
    Tensor *bin = op_to_dtype(op_div(scaled, op_sub(high, low)), DTYPE_INT64);
    bin = bin ? op_pointwise(OP_clamp, 1, bin, NULL, NULL, PARAM(0), PARAM(bins - 1)) : NULL;
    bin = op_where(inside, bin, number((double)bins, DTYPE_INT64, t->device));
    return op_narrow(added_up(bin, NULL, bins + 1, DTYPE_INT64), 0, 0, bins);
}

/* Element i of the index that repeats each i so many times. */
Tensor *
device_repeats(Tensor *counts)
{
    Tensor *ends = op_cumsum(counts, 0, DTYPE_NONE);
    if (ends == NULL || counts->numel == 0)
        return ends;
    Tensor *least = op_amin(counts, 0, NULL, false), *total = op_sum(op_to_dtype(counts, DTYPE_DOUBLE));
    Tensor *last = op_select(ends, 0, -1);
    if (least == NULL || total == NULL || last == NULL)
        return NULL;
    if (tensor_item(least).i < 0)
        return error(PyExc_RuntimeError, "repeats can not be negative");
    if (tensor_item(total).f >= 0x1p63)
        return error(PyExc_RuntimeError, "Storage size calculation overflowed in repeat_interleave");
    Tensor *places = device_counted(tensor_item(last).i, counts->device);
    return places ? op_searchsorted(ends, &(Value){.tensor = places}, false, true, NULL, NULL) : NULL;
}

/* ---------------------------------------------------------------- groups */
/* The order of n slices: stably by column after column, the last first.  Slices with a NaN in a column are equal to none
 * and stay as they are, whatever is in later columns. */
Tensor *
device_slice_order(Tensor *slices)
{
    int64_t n = slices->dims[0], length = n ? slices->numel / n : 0;
    Tensor *columns = op_transpose(op_reshape(slices, 2, (int64_t[]){n, length}), 0, 1);
    Tensor *order = device_counted(n, slices->device);
    bool is_float = dtype_is_float((Dtype)slices->dtype);
    for (int64_t k = length - 1; k >= 0 && order != NULL; k--) {
        Tensor *column = op_select(columns, 0, k);
        if (is_float) {
            Tensor *nan = op_isnan(op_index_select(column, 0, order)), *before = number(-1, DTYPE_INT64, slices->device);
            order = op_index_select(order, 0, op_argsort(op_where(nan, order, before), 0, false));
        }
        order = op_index_select(order, 0, op_argsort(op_index_select(column, 0, order), 0, false));
    }
    return order;
}

/* Groups of like neighbours among the slices in order: which slice stands for each, each slice's group, sizes. */
int
device_groups(Tensor *slices, Tensor *order, Tensor **firsts, Tensor **inverse, Tensor **counts)
{
    int64_t n = slices->dims[0];
    if (n == 0) {
        *firsts = *inverse = *counts = index_zeros(1, &n, DTYPE_INT64, slices->device);
        return *firsts ? 0 : -1;
    }
    Tensor *lines = op_reshape(slices, 2, (int64_t[]){n, slices->numel / n});
    Tensor *alike = like_the_last(op_transpose(op_index_select(lines, 0, order), 0, 1), false);
    Tensor *same = op_all(alike, 1, (int64_t[]){0}, false);
    Tensor *parts[2] = {number(1, DTYPE_BOOL, slices->device), op_logical_not(same)};
    parts[0] = op_reshape(parts[0], 1, (int64_t[]){1});
    if (parts[0] == NULL || parts[1] == NULL)
        return -1;
    Tensor *is_new = op_cat(2, parts, 0);
    Tensor *starts = op_nonzero(is_new);
    if (starts == NULL)
        return -1;
    starts = op_reshape(starts, 1, (int64_t[]){-1});
    Tensor *group = op_scalar(OP_sub, op_cumsum(is_new, 0, DTYPE_NONE), 1);
    Tensor *ends[2] = {op_narrow(starts, 0, 1, starts ? starts->numel - 1 : 0),
                       op_reshape(number((double)n, DTYPE_INT64, slices->device), 1, (int64_t[]){1})};
    if (group == NULL || ends[0] == NULL || ends[1] == NULL)
        return -1;
    *firsts = op_index_select(order, 0, starts);
    *inverse = op_scatter(index_zeros(1, &n, DTYPE_INT64, slices->device), 0, order, group, false);
    *counts = op_sub(op_cat(2, ends, 0), starts);
    return *firsts && *inverse && *counts ? 0 : -1;
}
