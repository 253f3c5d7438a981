/* Tensors made from nothing: filled with one number, counted, or left empty.  What they are made of is
 * computed in double or int64 and rounded once; none of them has a history. */
#include "ops/create.h"

#include <math.h>
#include <string.h>

#include "core/cpu.h"
#include "core/cpu_copy.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "ops/on_device.h"

enum { OPTION_DTYPE, OPTION_LAYOUT, OPTION_DEVICE, OPTION_REQUIRES_GRAD, OPTION_PIN_MEMORY };

/* ---------------------------------------------------------------- options */
static const char *
c_type_name(Dtype dtype)
{
    static const char *const names[DTYPE_COUNT] = {
        [DTYPE_UINT8] = "uint8_t", [DTYPE_INT8] = "int8_t",     [DTYPE_INT16] = "int16_t",      [DTYPE_INT32] = "int",
        [DTYPE_INT64] = "int64_t", [DTYPE_HALF] = "c10::Half", [DTYPE_BF16] = "c10::BFloat16", [DTYPE_FLOAT] = "float",
    };
    return names[dtype];
}

/* Whole numbers below zero are taken modulo the range of an unsigned type; fractions are not, and count as they are: 255.5
 * is too large for it.  Infinities and NaN are numbers of the float types. */
static bool
scalar_fits(const Scalar *value, Dtype dtype)
{
    double f = value->value.f;
    int64_t i = value->value.i;
    if (dtype == DTYPE_BOOL)
        return true;
    if (dtype_is_float(dtype))
        return !(fabs(f) > float_limits[dtype].max) || isinf(f);
    int64_t low = dtype_int_min(dtype), high = dtype_int_max(dtype);
    if (value->category == CATEGORY_FLOAT)          /* 2^63, where the largest int64 has no double, does not fit it */
        return f >= (double)low && (dtype == DTYPE_INT64 ? f < 0x1p63 : f <= (double)high);
    return i >= (dtype == DTYPE_UINT8 ? -high : low) && i <= high;
}

int
scalar_check_fits(const Scalar *value, Dtype dtype)
{
    if (scalar_fits(value, dtype))
        return 0;
    error(PyExc_RuntimeError, "value cannot be converted to type %s without overflow", c_type_name(dtype));
    return -1;
}

int
value_check_fits(Tensor *t, const Scalar *number, Dtype dtype)
{
    if (t == NULL)
        return scalar_check_fits(number, dtype);
    if (tensor_is_meta(t))
        return 0;
    return scalar_check_fits(&(Scalar){tensor_item(t), dtype_info[t->dtype].category}, dtype);
}

Tensor *
with_requires_grad(Tensor *t, bool requires_grad)
{
    if (t == NULL || !requires_grad)
        return t;
    if (!dtype_is_float((Dtype)t->dtype))
        return error(PyExc_RuntimeError,
                     "Only Tensors of floating point and complex dtype can require gradients: got %s",
                     dtype_info[t->dtype].name);
    t->requires_grad = true;
    return t;
}

static Dtype
option_dtype(const Value *options, Dtype fallback)
{
    return options[OPTION_DTYPE].given ? options[OPTION_DTYPE].dtype : fallback;
}

static Device
option_device(const Value *options, Device fallback)
{
    return options[OPTION_DEVICE].given ? options[OPTION_DEVICE].device : fallback;
}

/* torch.strided is the only layout there is. */
static int
check_layout(const Value *options)
{
    PyObject *layout = options[OPTION_LAYOUT].object;
    if (!options[OPTION_LAYOUT].given || layout == Py_None)
        return 0;
    PyObject *text = PyObject_Str(layout);
    bool strided = text != NULL && PyUnicode_CompareWithASCIIString(text, "torch.strided") == 0;
    Py_XDECREF(text);
    if (!strided && !PyErr_Occurred())
        error(PyExc_NotImplementedError, "layout %S is not supported: every tensor is torch.strided", layout);
    return strided ? 0 : -1;
}

static Tensor *
make(int ndim, const int64_t *dims, Dtype dtype, Device device, const Value *options)
{
    if (check_layout(options) < 0)
        return NULL;
    return with_requires_grad(scope_keep(tensor_empty(ndim, dims, dtype, device)),
                              options[OPTION_REQUIRES_GRAD].scalar.value.i);
}

static Tensor *
filled(Tensor *t, Scalar value)
{
    if (t == NULL || scalar_check_fits(&value, (Dtype)t->dtype) < 0)
        return NULL;
    if (value.value.i == 0 && value.value.f == 0 && !signbit(value.value.f) && t->device.type == DEVICE_CPU
        && t->numel < 1 << 14 && t->contiguous) {
        memset(t->data, 0, (size_t)(t->numel * tensor_itemsize(t)));
        return t;
    }
    if (t->dtype == DTYPE_BOOL && value.category == CATEGORY_FLOAT)
        value.value.i = value.value.f != 0;
    return fill_data(t, value) < 0 ? NULL : t;
}

/* ---------------------------------------------------------------- one number everywhere */
Tensor *
op_empty(const Value *size, const Value *options)
{
    return make((int)size->n, size->ints, option_dtype(options, default_dtype), option_device(options, default_device),
                options);
}

Tensor *
op_empty_in(const Value *size, const Value *options, const Value *format)
{
    int64_t strides[NDIM_MAX];
    if (format->given && format->scalar.value.i == FORMAT_PRESERVE)
        return error(PyExc_RuntimeError, "unsupported memory format Preserve: an empty tensor has no layout to keep");
    Tensor *out = op_empty(size, options);
    if (out == NULL || !format->given)
        return out;
    if (format_strides((MemoryFormat)format->scalar.value.i, out, strides) < 0)
        return NULL;
    return tensor_set_dims(out, out->ndim, out->dims, strides) < 0 ? NULL : out;
}

Tensor *
op_zeros(const Value *size, const Value *options)
{
    return filled(op_empty(size, options), SCALAR_INT(0));
}

Tensor *
op_ones(const Value *size, const Value *options)
{
    return filled(op_empty(size, options), SCALAR_INT(1));
}

static Dtype
dtype_of_scalar(Scalar value)
{
    return value.category == CATEGORY_FLOAT ? default_dtype
           : value.category == CATEGORY_INT ? DTYPE_INT64
                                            : DTYPE_BOOL;
}

Tensor *
op_full(const Value *size, Scalar value, const Value *options)
{
    Dtype dtype = option_dtype(options, dtype_of_scalar(value));
    return filled(make((int)size->n, size->ints, dtype, option_device(options, default_device), options), value);
}

Tensor *
op_scalar_tensor(Scalar value, const Value *options)
{
    return filled(make(0, NULL, option_dtype(options, default_dtype), option_device(options, default_device), options),
                  value);
}

Tensor *
op_eye(int64_t n, int64_t m, const Value *options)
{
    if (n < 0 || m < 0)
        return error(PyExc_RuntimeError, "%s must be greater or equal to 0, got %lld", n < 0 ? "n" : "m",
                     (long long)(n < 0 ? n : m));
    Tensor *t = filled(make(2, (int64_t[]){n, m}, option_dtype(options, default_dtype),
                            option_device(options, default_device), options),
                       SCALAR_INT(0));
    int64_t length = n < m ? n : m, stride = m + 1;
    if (t == NULL || length == 0)
        return t;
    Tensor *diagonal = scope_keep(tensor_strided(t->storage, t->data, 1, &length, &stride, (Dtype)t->dtype));
    return diagonal == NULL || fill_data(diagonal, SCALAR_INT(1)) < 0 ? NULL : t;
}

/* ---------------------------------------------------------------- any strides */
static Tensor *
strided(const Value *size, const Value *stride, Dtype dtype, Device device, const Value *options)
{
    int ndim = (int)size->n;
    int64_t span = 1, numel = shape_numel(ndim, size->ints);
    bool bad = false;
    if (numel < 0)
        return NULL;
    if (size->n != stride->n)
        return error(PyExc_RuntimeError,
                     "dimensionality of sizes (%lld) must match dimensionality of strides (%lld)",
                     (long long)size->n, (long long)stride->n);
    for (int i = 0; i < ndim && numel > 0; i++) {
        int64_t reach;
        bad |= stride->ints[i] < 0 || __builtin_mul_overflow(size->ints[i] - 1, stride->ints[i], &reach)
               || __builtin_add_overflow(span, reach, &span);
    }
    if (bad)
        return error(PyExc_RuntimeError, "Storage size calculation overflowed with sizes=%s and strides=%s",
                     shape_text(ndim, size->ints), shape_text(ndim, stride->ints));
    span = numel == 0 ? 0 : span;
    Tensor *t = make(1, &span, dtype, device, options);
    return t == NULL || tensor_set_dims(t, ndim, size->ints, stride->ints) < 0 ? NULL : t;
}

Tensor *
op_empty_strided(const Value *size, const Value *stride, const Value *options)
{
    return strided(size, stride, option_dtype(options, default_dtype), option_device(options, default_device), options);
}

Tensor *
op_new_empty_strided(Tensor *t, const Value *size, const Value *stride, const Value *options)
{
    return t == NULL ? NULL
                     : strided(size, stride, option_dtype(options, (Dtype)t->dtype),
                               option_device(options, t->device), options);
}

/* ---------------------------------------------------------------- like another tensor */
Tensor *
op_empty_like(Tensor *t, const Value *options, const Value *format)
{
    int64_t strides[NDIM_MAX];
    if (t == NULL)
        return NULL;
    Tensor *out = make(t->ndim, t->dims, option_dtype(options, (Dtype)t->dtype),
                       option_device(options, t->device), options);
    MemoryFormat wanted = format->given ? (MemoryFormat)format->scalar.value.i : FORMAT_PRESERVE;
    if (out == NULL || (wanted == FORMAT_PRESERVE && t->contiguous))
        return out;
    if (format_strides(wanted, t, strides) < 0)
        return NULL;
    return tensor_set_dims(out, t->ndim, t->dims, strides) < 0 ? NULL : out;
}

Tensor *
op_full_like(Tensor *t, Scalar value, const Value *options, const Value *format)
{
    return filled(op_empty_like(t, options, format), value);
}

Tensor *
op_new_empty(Tensor *t, const Value *size, const Value *options)
{
    return t == NULL ? NULL : make((int)size->n, size->ints, option_dtype(options, (Dtype)t->dtype),
                                   option_device(options, t->device), options);
}

Tensor *
op_new_full(Tensor *t, const Value *size, Scalar value, const Value *options)
{
    return filled(op_new_empty(t, size, options), value);
}

/* ---------------------------------------------------------------- counting */
/* Element i is a function of i alone. */
typedef struct Sequence {
    double start, step, end, base;
    int64_t first, count, int_step;
    enum { COUNT_INT, COUNT_FLOAT, COUNT_BETWEEN, COUNT_POWERS } kind;
} Sequence;

/* From both ends to the middle, so that the last is exactly the end. */
static double
between(const Sequence *s, int64_t i)
{
    return i < s->count / 2 || s->count == 1 ? s->start + s->step * (double)i
                                             : s->end - s->step * (double)(s->count - i - 1);
}

static Param
element(const Sequence *s, int64_t i)
{
    if (s->kind == COUNT_INT) {
        int64_t x = (int64_t)((uint64_t)s->first + (uint64_t)i * (uint64_t)s->int_step);
        return (Param){(double)x, x};
    }
    double x = s->kind == COUNT_FLOAT ? s->start + s->step * (double)i : between(s, i);
    if (s->kind == COUNT_POWERS)
        x = pow(s->base, x);
    return (Param){x, dtype_int_of_double(x)};
}

/* The usual sequences by blocks, one after another: loops of a length that the compiler knows are vectors. */
enum { COUNTED = 256 };

typedef struct Count {
    Sequence s;
    Dtype dtype;
    int64_t itemsize;
    char *out;
} Count;

/* n integers from x on: the first block one after another, each other from the block before it. */
#define COUNT_INTEGERS(name, type, unsigned_type) \
    static void \
    name(type *out, int64_t n, unsigned_type x, unsigned_type step) \
    { \
        int64_t i = 0; \
        for (; i < n && i < COUNTED; i++, x += step) \
            out[i] = (type)x; \
        for (; i + COUNTED <= n; i += COUNTED) \
            for (int j = 0; j < COUNTED; j++) \
                out[i + j] = (type)((unsigned_type)out[i + j - COUNTED] + COUNTED * step); \
        for (; i < n; i++) \
            out[i] = (type)((unsigned_type)out[i - COUNTED] + COUNTED * step); \
    }
COUNT_INTEGERS(count_words, int64_t, uint64_t)
COUNT_INTEGERS(count_halves, int32_t, uint32_t)

static void
count_doubles(double *block, const Sequence *s, int64_t first)
{
    double start = s->start, step = s->step, from = (double)first;
    for (int i = 0; i < COUNTED; i++)
        block[i] = start + step * (from + (double)i);
}

static void
count_blocks(void *context, int64_t begin, int64_t end)
{
    const Count *c = context;
    union {
        int64_t integers[COUNTED];
        double doubles[COUNTED];
    } block;
    const bool is_int = c->s.kind == COUNT_INT;
    const uint64_t step = (uint64_t)c->s.int_step, first = (uint64_t)c->s.first + (uint64_t)begin * step;
    if (is_int && c->dtype == DTYPE_INT64) {
        count_words((int64_t *)(void *)c->out + begin, end - begin, first, step);
        return;
    }
    if (is_int && c->dtype == DTYPE_INT32) {
        count_halves((int32_t *)(void *)c->out + begin, end - begin, (uint32_t)first, (uint32_t)step);
        return;
    }
    for (int64_t i = begin; i < end; i += COUNTED) {
        int64_t n = end - i < COUNTED ? end - i : COUNTED;
        if (is_int)
            count_words(block.integers, COUNTED, first + (uint64_t)(i - begin) * step, step);
        else
            count_doubles(block.doubles, &c->s, i);
        cpu_cast_dense(c->out + i * c->itemsize, c->dtype, (const char *)&block, is_int ? DTYPE_INT64 : DTYPE_DOUBLE, n);
    }
}

static void
count_one_by_one(void *context, int64_t begin, int64_t end)
{
    const Count *c = context;
    for (int64_t i = begin; i < end; i++)
        dtype_store(c->out + i * c->itemsize, c->dtype, element(&c->s, i));
}

static Tensor *
double_on(double x, Device device)
{
    return scope_keep(tensor_from_scalar(PARAM(x), DTYPE_DOUBLE, device));
}

/* The same arithmetic by the device's kernels, in int64 or double. */
static Tensor *
counted_on_device(const Sequence *s, Device device)
{
    Tensor *i = device_counted(s->count, device), *number = op_to_dtype(i, DTYPE_DOUBLE);
    if (s->kind == COUNT_INT) {
        Tensor *first = scope_keep(tensor_from_scalar((Param){0, s->first}, DTYPE_INT64, device));
        return op_add(first, op_mul(i, scope_keep(tensor_from_scalar((Param){0, s->int_step}, DTYPE_INT64, device))));
    }
    Tensor *step = double_on(s->step, device), *x = op_add(double_on(s->start, device), op_mul(step, number));
    if (s->kind == COUNT_FLOAT)
        return x;
    Tensor *before_end = op_sub(double_on((double)(s->count - 1), device), number);
    Tensor *from_end = op_sub(double_on(s->end, device), op_mul(step, before_end));
    x = op_where(op_scalar(OP_lt, i, (double)(s->count == 1 ? 1 : s->count / 2)), x, from_end);
    return s->kind == COUNT_POWERS ? op_pow(double_on(s->base, device), x) : x;
}

static Tensor *
counted(const Sequence *s, Dtype dtype, const Value *options)
{
    Device device = option_device(options, default_device);
    Tensor *out = make(1, &s->count, dtype, device, options);
    if (out == NULL || tensor_is_meta(out) || s->count == 0)
        return out;
    if (device.type != DEVICE_CPU) {
        Tensor *values = counted_on_device(s, device);
        return values != NULL && copy_data(out, values) == 0 ? out : NULL;
    }
    enum { GRAIN = 1 << 12, RELEASE_GIL_ABOVE = 1 << 16 };
    bool by_blocks = s->kind == COUNT_INT || (s->kind == COUNT_FLOAT && (dtype == DTYPE_FLOAT || dtype == DTYPE_DOUBLE));
    Count job = {*s, dtype, tensor_itemsize(out), out->data};
    if (cpu_parallel_for(s->count >= RELEASE_GIL_ABOVE, s->count, GRAIN, by_blocks ? count_blocks : count_one_by_one, &job) < 0)
        return NULL;
    return out;
}

static int
check_range(Scalar start, Scalar end, Scalar step)
{
    char text[64];
    if (!isfinite(start.value.f) || !isfinite(end.value.f)) {
        snprintf(text, sizeof text, "%g -> %g", start.value.f, end.value.f);
        error(PyExc_RuntimeError, "unsupported range: %s", text);
    } else if (step.value.f == 0)
        error(PyExc_RuntimeError, "step must be nonzero");
    else if ((step.value.f > 0 && start.value.f > end.value.f) ||
             (step.value.f < 0 && start.value.f < end.value.f))
        error(PyExc_RuntimeError, "upper bound and lower bound inconsistent with step sign");
    else
        return 0;
    return -1;
}

static bool
all_integers(Scalar start, Scalar end, Scalar step)
{
    return start.category != CATEGORY_FLOAT && end.category != CATEGORY_FLOAT &&
           step.category != CATEGORY_FLOAT;
}

static bool
is_integer(Dtype dtype)
{
    return !dtype_is_float(dtype) && dtype != DTYPE_BOOL;
}

/* A bound as a result of integers takes it: truncated. */
static Scalar
truncated(Scalar s)
{
    int64_t i = s.category == CATEGORY_FLOAT ? dtype_int_of_double(s.value.f) : s.value.i;
    return (Scalar){{(double)i, i}, CATEGORY_INT};
}

/* How many steps fit before end, exactly for integers. */
static int64_t
steps_before(Scalar start, Scalar end, Scalar step)
{
    if (all_integers(start, end, step)) {
        uint64_t span = step.value.i > 0 ? (uint64_t)end.value.i - (uint64_t)start.value.i
                                         : (uint64_t)start.value.i - (uint64_t)end.value.i;
        uint64_t each = step.value.i > 0 ? (uint64_t)step.value.i : -(uint64_t)step.value.i;
        uint64_t count = span / each + (span % each != 0);
        return count > INT64_MAX ? -1 : (int64_t)count;
    }
    double count = ceil((end.value.f - start.value.f) / step.value.f);
    return count >= 0 && count < 9e18 ? (int64_t)count : -1;
}

Tensor *
op_arange(Scalar start, Scalar end, Scalar step, const Value *options)
{
    Dtype dtype = option_dtype(options, all_integers(start, end, step) ? DTYPE_INT64 : default_dtype);
    if (check_range(start, end, step) < 0)
        return NULL;
    if (dtype == DTYPE_BOOL) {
        not_implemented_dtype("arange_cpu", dtype);
        return NULL;
    }
    if (dtype == DTYPE_INT64) { /* the other integer types are counted by the bounds as written */
        start = truncated(start);
        end = truncated(end);
        step = truncated(step);
        if (check_range(start, end, step) < 0)
            return NULL;
    }
    Sequence s = {.start = start.value.f,
                  .step = step.value.f,
                  .first = start.value.i,
                  .int_step = step.value.i,
                  .count = steps_before(start, end, step),
                  .kind = dtype_is_float(dtype) ? COUNT_FLOAT : COUNT_INT};
    if (s.count < 0)
        return error(PyExc_RuntimeError, "invalid size, possible overflow?");
    if (is_integer(dtype)) {
        s.first = truncated(start).value.i;
        s.int_step = truncated(step).value.i;
    }
    return counted(&s, dtype, options);
}

Tensor *
op_range(Scalar start, Scalar end, Scalar step, const Value *options)
{
    Dtype dtype = option_dtype(options, default_dtype);
    if (check_range(start, end, step) < 0)
        return NULL;
    if (dtype == DTYPE_BOOL) {
        not_implemented_dtype("range_cpu", dtype);
        return NULL;
    }
    if (is_integer(dtype)) {
        start = truncated(start);
        end = truncated(end);
        step = truncated(step);
        if (check_range(start, end, step) < 0)
            return NULL;
    }
    double count = floor((end.value.f - start.value.f) / step.value.f) + 1;
    Sequence s = {.start = start.value.f, .step = step.value.f, .count = (int64_t)count, .kind = COUNT_FLOAT};
    return counted(&s, dtype, options);
}

static Tensor *
spaced(double start, double end, int64_t steps, Sequence s, const Value *options)
{
    if (steps < 0)
        return error(PyExc_RuntimeError, "number of steps must be non-negative");
    Dtype dtype = option_dtype(options, default_dtype);
    if (dtype == DTYPE_BOOL) {
        not_implemented_dtype(s.kind == COUNT_POWERS ? "logspace_cpu" : "linspace_cpu", dtype);
        return NULL;
    }
    s.start = is_integer(dtype) ? trunc(start) : start;
    s.end = is_integer(dtype) ? trunc(end) : end;
    s.count = steps;
    s.step = steps > 1 ? (s.end - s.start) / (double)(steps - 1) : 0;
    return counted(&s, dtype, options);
}

Tensor *
op_linspace(double start, double end, int64_t steps, const Value *options)
{
    return spaced(start, end, steps, (Sequence){.kind = COUNT_BETWEEN}, options);
}

Tensor *
op_logspace(double start, double end, int64_t steps, double base, const Value *options)
{
    return spaced(start, end, steps, (Sequence){.kind = COUNT_POWERS, .base = base}, options);
}

/* ---------------------------------------------------------------- coordinates */
/* Row by row the columns [low, high) of a triangle; counts when out is NULL. */
static int64_t
triangle(int64_t rows, int64_t columns, int64_t offset, bool lower, int64_t count, int64_t *out)
{
    int64_t k = 0;
    for (int64_t r = 0; r < rows && columns > 0; r++) {
        int64_t edge = r + offset + (lower ? 1 : 0);
        edge = edge < 0 ? 0 : edge > columns ? columns : edge;
        int64_t low = lower ? 0 : edge, high = lower ? edge : columns;
        for (int64_t c = low; out != NULL && c < high; c++) {
            out[k + c - low] = r;
            out[count + k + c - low] = c;
        }
        k += high - low;
    }
    return k;
}

static Tensor *
triangle_indices(int64_t rows, int64_t columns, int64_t offset, bool lower, const Value *options)
{
    if (rows < 0 || columns < 0)
        return error(PyExc_RuntimeError, "%s must be non-negative, got %lld", rows < 0 ? "row" : "col",
                     (long long)(rows < 0 ? rows : columns));
    offset = offset < -rows ? -rows : offset > columns ? columns : offset; /* any further is all or nothing too */
    Device device = option_device(options, default_device);
    if (device.type == DEVICE_CUDA) {
        Tensor *kept = op_scalar(lower ? OP_le : OP_ge, device_distance(rows, columns, device), (double)offset);
        return op_to(op_contiguous(op_mT(op_nonzero(kept))), option_dtype(options, DTYPE_INT64), NULL, false);
    }
    int64_t count = triangle(rows, columns, offset, lower, 0, NULL);
    Tensor *host = scope_keep(tensor_empty(2, (int64_t[]){2, count}, DTYPE_INT64, CPU));
    if (host == NULL)
        return NULL;
    triangle(rows, columns, offset, lower, count, (int64_t *)host->data);
    return op_to(host, option_dtype(options, DTYPE_INT64), &device, false);
}

Tensor *
op_tril_indices(int64_t rows, int64_t columns, int64_t offset, const Value *options)
{
    return triangle_indices(rows, columns, offset, true, options);
}

Tensor *
op_triu_indices(int64_t rows, int64_t columns, int64_t offset, const Value *options)
{
    return triangle_indices(rows, columns, offset, false, options);
}

static int
check_grid(int64_t n, Tensor *const *tensors, const char *indexing)
{
    if (n == 0)
        error(PyExc_RuntimeError, "meshgrid expects a non-empty TensorList");
    else if (n > NDIM_MAX)
        error(PyExc_RuntimeError, "meshgrid: at most %d tensors, got %lld", NDIM_MAX, (long long)n);
    else if (strcmp(indexing, "ij") != 0 && strcmp(indexing, "xy") != 0)
        error(PyExc_RuntimeError,
              "torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: %s", indexing);
    for (int64_t k = 0; k < n && !PyErr_Occurred(); k++) {
        if (tensors[k]->ndim > 1)
            error(PyExc_RuntimeError,
                  "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got shape %s",
                  shape_text(tensors[k]->ndim, tensors[k]->dims));
        else if (tensors[k]->dtype != tensors[0]->dtype)
            error(PyExc_RuntimeError, "meshgrid expects all tensors to have the same dtype");
    }
    return PyErr_Occurred() ? -1 : check_same_device("meshgrid", (int)n, tensors);
}

PyObject *
op_meshgrid(int64_t n, Tensor *const *tensors, const char *indexing)
{
    int64_t dims[NDIM_MAX], own[NDIM_MAX];
    if (check_grid(n, tensors, indexing) < 0)
        return NULL;
    bool swap = n > 1 && strcmp(indexing, "xy") == 0;
    PyObject *grids = PyTuple_New((Py_ssize_t)n);
    for (int64_t k = 0; k < n; k++)
        dims[swap && k < 2 ? 1 - k : k] = tensors[k]->numel;
    for (int64_t k = 0; grids && k < n; k++) {
        for (int64_t i = 0; i < n; i++)
            own[i] = 1;
        own[swap && k < 2 ? 1 - k : k] = tensors[k]->numel;
        Tensor *grid = scope_take(op_expand(op_reshape(tensors[k], (int)n, own), (int)n, dims));
        if (grid == NULL)
            Py_CLEAR(grids);
        else
            PyTuple_SET_ITEM(grids, (Py_ssize_t)k, (PyObject *)grid);
    }
    return grids;
}
