/* Elements sorted into bins: bincount, histc, searchsorted, bucketize. */
#include <math.h>
#include <string.h>

#include "core/dtype.h"
#include "ops/index.h"
#include "ops/on_device.h"

static int
check_has_data(const char *op, Tensor *t)
{
    return tensor_is_meta(t) ? not_implemented_device(op, t) : 0;
}

static Tensor *
zeros(int64_t n, Dtype dtype)
{
    return index_zeros(1, &n, dtype, CPU);
}

/* ---------------------------------------------------------------- bincount */
static int
check_bincount(Tensor *t, Tensor *weights, int64_t minlength)
{
    if (minlength < 0)
        error(PyExc_RuntimeError, "minlength should be >= 0");
    else if (t->dtype == DTYPE_BOOL || dtype_is_float((Dtype)t->dtype))
        not_implemented_dtype("bincount_cpu", (Dtype)t->dtype);
    else if (t->ndim != 1)
        error(PyExc_RuntimeError, "bincount only supports 1-d non-negative integral inputs.");
    else if (weights != NULL && (weights->ndim != 1 || weights->numel != t->numel))
        error(PyExc_RuntimeError, "weights should be 1-d and have the same length as input");
    else
        return check_same_device("bincount", 2, (Tensor *[]){t, weights});
    return -1;
}

/* How often each of the values below `bins` occurs.  In few bins one value often comes twice in a row, and its second
 * count would wait for the store of the first: every second element counts in a table of its own. */
static void
count_values(const int64_t *x, int64_t n, int64_t bins, int64_t *out)
{
    enum { FEW = 1024 };
    uint32_t second[FEW];
    int64_t i = 0;
    if (bins <= FEW && n > 2 * bins && n <= UINT32_MAX) {
        memset(second, 0, sizeof second);
        for (; i + 2 <= n; i += 2) {
            out[x[i]]++;
            second[x[i + 1]]++;
        }
        for (int64_t b = 0; b < bins; b++)
            out[b] += second[b];
    }
    for (; i < n; i++)
        out[x[i]]++;
}

Tensor *
op_bincount(Tensor *t, Tensor *weights, int64_t minlength)
{
    if (t == NULL || check_has_data("bincount", t) < 0 || check_bincount(t, weights, minlength) < 0)
        return NULL;
    Tensor *in = op_contiguous(op_to_dtype(t, DTYPE_INT64));
    if (in == NULL || in->device.type != DEVICE_CPU)
        return in ? device_bincount(in, weights, minlength) : NULL;
    const int64_t *x = (const int64_t *)(const void *)in->data;
    int64_t low, high;
    if (index_range("bincount", in, true, &low, &high) < 0)
        return NULL;
    if (low < 0)
        return error(PyExc_RuntimeError, "bincount only supports 1-d non-negative integral inputs.");
    if (high == INT64_MAX)
        return error(PyExc_RuntimeError, "bincount: maximum value of input overflowed, it should be < %lld but got %lld",
                     (long long)INT64_MAX, (long long)high);
    int64_t n = high >= minlength ? high + 1 : minlength;
    if (weights == NULL) {
        Tensor *out = zeros(n, DTYPE_INT64);
        if (out != NULL)
            count_values(x, in->numel, n, (int64_t *)(void *)out->data);
        return out;
    }
    Dtype dtype = weights->dtype == DTYPE_FLOAT ? DTYPE_FLOAT : DTYPE_DOUBLE;
    Tensor *w = op_contiguous(op_to_dtype(op_detach(weights), dtype)), *out = zeros(n, dtype);
    for (int64_t i = 0; w && out && i < in->numel; i++)
        if (dtype == DTYPE_FLOAT)
            ((float *)(void *)out->data)[x[i]] += ((float *)(void *)w->data)[i];
        else
            ((double *)(void *)out->data)[x[i]] += ((double *)(void *)w->data)[i];
    return w ? out : NULL;
}

/* ---------------------------------------------------------------- histc */
static int
histogram_range(Tensor *t, double *min, double *max)
{
    if (*min == *max && t->numel > 0) {
        Tensor *low = op_amin(t, 0, NULL, false), *high = op_amax(t, 0, NULL, false);
        if (low == NULL || high == NULL)
            return -1;
        *min = tensor_item(low).f;
        *max = tensor_item(high).f;
    }
    if (*min == *max) {
        *min -= 1;
        *max += 1;
    }
    if (!isfinite(*min) || !isfinite(*max)) {
        char text[64];
        snprintf(text, sizeof text, "[%g, %g]", *min, *max);
        error(PyExc_RuntimeError, "torch.histc: range of %s is not finite", text);
        return -1;
    }
    if (*max < *min) {
        error(PyExc_RuntimeError, "torch.histc: max must be larger than min");
        return -1;
    }
    return 0;
}

/* A step of PyTorch's arithmetic, which is that of the elements. */
static double
rounded(double x, Dtype dtype)
{
    char bytes[ITEMSIZE_MAX];
    if (dtype == DTYPE_DOUBLE)
        return x;
    dtype_store(bytes, dtype, PARAM(x));
    return dtype_load(bytes, dtype).f;
}

/* Elements outside [min, max] and NaN are not counted; max itself belongs to the last bin. */
#define HISTOGRAM(type) \
    static void histogram_##type(const type *x, int64_t n, type min, type max, int64_t bins, int64_t *counts) \
    { \
        const type width = max - min, n_bins = (type)bins; \
        for (int64_t i = 0; i < n; i++) { \
            if (!(x[i] >= min && x[i] <= max)) \
                continue; \
            const int64_t bin = (int64_t)((x[i] - min) * n_bins / width); \
            counts[bin < bins ? bin : bins - 1]++; \
        } \
    }
HISTOGRAM(float)
HISTOGRAM(double)

/* Half types have no arithmetic: every step is rounded to them.  -1: in no bin. */
static int64_t
bin_of_half(const char *at, Dtype dtype, double min, double max, int64_t bins)
{
    double x = dtype_load(at, dtype).f;
    if (!(x >= min && x <= max))
        return -1;
    double width = rounded(max - min, dtype), n_bins = rounded((double)bins, dtype);
    int64_t bin = (int64_t)rounded(rounded(rounded(x - min, dtype) * n_bins, dtype) / width, dtype);
    return bin < bins ? bin : bins - 1;
}

enum { HALVES = 1 << 16 };

/* Of many elements those of one bit pattern go to their bin together. */
static int
histogram_half(const Tensor *t, double min, double max, int64_t bins, int64_t *counts)
{
    Dtype dtype = (Dtype)t->dtype;
    const uint16_t *x = (const uint16_t *)(const void *)t->data;
    if (t->numel < HALVES) {
        for (int64_t i = 0; i < t->numel; i++) {
            int64_t bin = bin_of_half((const char *)(x + i), dtype, min, max, bins);
            if (bin >= 0)
                counts[bin]++;
        }
        return 0;
    }
    Tensor *patterns = zeros(HALVES, DTYPE_INT64);
    if (patterns == NULL)
        return -1;
    int64_t *times = (int64_t *)(void *)patterns->data;
    for (int64_t i = 0; i < t->numel; i++)
        times[x[i]]++;
    for (int bits = 0; bits < HALVES; bits++) {
        uint16_t half = (uint16_t)bits;
        int64_t bin = times[bits] > 0 ? bin_of_half((const char *)&half, dtype, min, max, bins) : -1;
        if (bin >= 0)
            counts[bin] += times[bits];
    }
    return 0;
}

Tensor *
op_histc(Tensor *t, int64_t bins, double min, double max)
{
    if (t == NULL || check_has_data("histc", t) < 0)
        return NULL;
    Dtype dtype = (Dtype)t->dtype;
    if (!dtype_is_float(dtype)) {
        not_implemented_dtype("histogram_cpu", (Dtype)t->dtype);
        return NULL;
    }
    if (bins <= 0)
        return error(PyExc_RuntimeError, "torch.histogram(): bins must be > 0, but got %lld for dimension 0",
                     (long long)bins);
    t = op_contiguous(op_detach(t));
    if (t == NULL || histogram_range(t, &min, &max) < 0)
        return NULL;
    min = rounded(min, dtype);
    max = rounded(max, dtype);
    if (t->device.type != DEVICE_CPU)
        return op_to_dtype(device_histogram(t, min, max, bins), dtype);
    Tensor *counts = zeros(bins, DTYPE_INT64);
    if (counts == NULL)
        return NULL;
    int64_t *count = (int64_t *)(void *)counts->data;
    if (dtype == DTYPE_FLOAT)
        histogram_float((const float *)(const void *)t->data, t->numel, (float)min, (float)max, bins, count);
    else if (dtype == DTYPE_DOUBLE)
        histogram_double((const double *)(const void *)t->data, t->numel, min, max, bins, count);
    else if (histogram_half(t, min, max, bins, count) < 0)
        return NULL;
    return op_to_dtype(counts, dtype);
}

/* ---------------------------------------------------------------- searchsorted */
static int
choose_side(bool *right, const char *side)
{
    if (side == NULL)
        return 0;
    bool is_right = strcmp(side, "right") == 0;
    if (!is_right && strcmp(side, "left") != 0) {
        error(PyExc_RuntimeError, "torch.searchsorted(): side can only be 'left' or 'right' but got %s",
              side);
        return -1;
    }
    if (!is_right && *right) {
        error(PyExc_RuntimeError,
              "torch.searchsorted(): side and right can't be set to opposites, got side of left while "
              "right was True");
        return -1;
    }
    *right = is_right;
    return 0;
}

static int
check_boundaries(Tensor *sorted, Tensor *values, bool scalar)
{
    bool match = sorted->ndim == 1 || sorted->ndim == values->ndim;
    for (int i = 0; match && sorted->ndim > 1 && i < sorted->ndim - 1; i++)
        match = sorted->dims[i] == values->dims[i];
    if (sorted->ndim == 0)
        error(PyExc_RuntimeError,
              "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 "
              "dimension");
    else if (scalar && sorted->ndim != 1)
        error(PyExc_RuntimeError,
              "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension "
              "is 1, but we got boundaries tensor dim(%d) and input value's dim(0) numel(1)",
              sorted->ndim);
    else if (!match)
        error(PyExc_RuntimeError,
              "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions "
              "of boundaries tensor and input value tensor must match, but we got boundaries tensor %s "
              "and input value tensor %s",
              shape_text(sorted->ndim, sorted->dims), shape_text(values->ndim, values->dims));
    return PyErr_Occurred() ? -1 : 0;
}

Tensor *
op_searchsorted(Tensor *sorted, const Value *value, bool out_int32, bool right, const char *side,
                Tensor *sorter)
{
    if (sorted == NULL || check_has_data("searchsorted", sorted) < 0 || choose_side(&right, side) < 0)
        return NULL;
    if (sorted->dtype == DTYPE_BOOL && !value->is_scalar && value->tensor->dtype == DTYPE_BOOL) {
        not_implemented_dtype("searchsorted", DTYPE_BOOL);
        return NULL;
    }
    bool is_float = dtype_is_float((Dtype)sorted->dtype);
    Tensor *values = value->tensor;
    if (value->is_scalar)
        values = scope_keep(tensor_from_scalar(
            value->scalar.value, value->scalar.category == CATEGORY_FLOAT ? DTYPE_DOUBLE : DTYPE_INT64, sorted->device));
    if (values == NULL || check_boundaries(sorted, values, values->ndim == 0) < 0
        || check_same_device("searchsorted", 2, (Tensor *[]){sorted, values}) < 0)
        return NULL;
    is_float |= dtype_is_float((Dtype)values->dtype);
    if (sorter != NULL)
        sorted = op_gather(op_detach(sorted), -1, sorter);
    bool all_float = sorted != NULL && sorted->dtype == DTYPE_FLOAT && values->dtype == DTYPE_FLOAT;
    Dtype dtype = all_float ? DTYPE_FLOAT : is_float ? DTYPE_DOUBLE : DTYPE_INT64;
    Tensor *s = sorted ? op_contiguous(op_to_dtype(op_detach(sorted), dtype)) : NULL;
    Tensor *x = op_contiguous(op_to_dtype(op_detach(values), dtype));
    Tensor *out = scope_keep(tensor_empty(values->ndim, values->dims, DTYPE_INT64, values->device));
    if (s == NULL || x == NULL || out == NULL)
        return NULL;
    Search job = {dtype, right, s->ndim > 1, s->dims[s->ndim - 1], x->ndim ? x->dims[x->ndim - 1] : 1, x->numel,
                  s->data, x->data, (int64_t *)(void *)out->data};
    if (job.count > 0 && backend_of(s)->search(&job) < 0)
        return NULL;
    return op_to_dtype(out, out_int32 ? DTYPE_INT32 : DTYPE_INT64);
}

Tensor *
op_bucketize(const Value *values, Tensor *boundaries, bool out_int32, bool right)
{
    if (boundaries == NULL)
        return NULL;
    if (boundaries->ndim != 1)
        return error(PyExc_RuntimeError, "boundaries tensor must be 1 dimension, but got dim(%d)",
                     boundaries->ndim);
    return op_searchsorted(boundaries, values, out_int32, right, NULL, NULL);
}
