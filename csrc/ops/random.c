/* In-place random fills.  The draws are kernels/random.c's and equal PyTorch's bit for bit; here are the checks, the
 * choice of kernel by dtype, and the buffer between a kernel, which fills dense memory, and a tensor that is not. */
#include "ops/random.h"

#include <math.h>
#include <string.h>

#include "core/cpu.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "ops/ops.h"

GeneratorObject *default_generator;

Generator *
generator_of(const Value *generator)
{
    return generator->given ? &((GeneratorObject *)generator->object)->state : &default_generator->state;
}

/* ---------------------------------------------------------------- between kernels and tensors */
/* Memory to fill from its first byte: t's own where t is dense in some order of its dims, for PyTorch fills in the order
 * of memory; else a dense buffer of `dtype` with t's order.  NULL with an error.  fill_end writes a buffer to t. */
static Tensor *
fill_begin(Tensor *t, Dtype dtype)
{
    if (t == NULL || check_writable(t, "random fill") < 0)
        return NULL;
    if ((Dtype)t->dtype == dtype && shape_is_dense(t->ndim, t->dims, t->strides))
        return t;
    Tensor *buffer = scope_keep(tensor_empty(t->ndim, t->dims, dtype, t->device));
    Tensor *like = t->contiguous ? NULL : scope_keep(tensor_empty_like(t));
    if (buffer == NULL || (like != NULL && tensor_set_dims(buffer, like->ndim, like->dims, like->strides) < 0))
        return NULL;
    return t->contiguous || like != NULL ? buffer : NULL;
}

static Tensor *
fill_end(Tensor *t, Tensor *filled)
{
    if (filled == NULL || (filled != t && copy_data(t, filled) < 0))
        return NULL;
    tensor_bump(t);
    node_record_inplace(OP_zero_, t, 1, &t);
    return PyErr_Occurred() ? NULL : t;
}

static bool
has_elements(const Tensor *t)
{
    return t->numel > 0 && t->device.type == DEVICE_CPU;
}

/* On a device that draws itself: fills out, and out's tensor t from it; the fill's numbers are given. */
static Tensor *
fill_by_device(Tensor *t, Tensor *out, PhiloxFill fill, const Value *generator)
{
    return philox_fill(out, fill, generator) < 0 ? NULL : fill_end(t, out);
}

static const RandomKernels *
kernels(void)
{
    return cpu_kernels->random;
}

static int
check_float_dtype(const char *name, Tensor *t)
{
    return dtype_is_float((Dtype)t->dtype) ? 0 : not_implemented_dtype(name, (Dtype)t->dtype);
}

/* ---------------------------------------------------------------- uniform, normal */
Tensor *
op_uniform_(Tensor *t, double from, double to, const Value *generator)
{
    if (t == NULL || check_float_dtype("check_uniform_bounds", t) < 0)
        return NULL;
    double max = float_limits[t->dtype].max;
    if (!(fabs(from) <= max && fabs(to) <= max))
        return error(PyExc_RuntimeError, "%s is out of bounds for %s", fabs(from) <= max ? "to" : "from", dtype_info[t->dtype].name);
    if (!(from <= to))
        return error(PyExc_RuntimeError, "uniform_ expects to return a [from, to) range, but found from=%s > to=%s",
                     float_text(from), float_text(to));
    if (to - from > max)
        return error(PyExc_RuntimeError, "uniform_ expects to-from <= std::numeric_limits<%s>::max(), but found to=%s and from=%s "
                                         "which result in to-from to exceed the limit",
                     dtype_info[t->dtype].type_name, float_text(to), float_text(from));
    Tensor *out = fill_begin(t, (Dtype)t->dtype);
    if (out != NULL && draws_philox(out))
        return fill_by_device(t, out, (PhiloxFill){.kind = PHILOX_UNIFORM, .a = from, .b = to}, generator);
    Generator *g = generator_of(generator);
    if (out != NULL && has_elements(out))
        switch ((Dtype)t->dtype) {
        case DTYPE_FLOAT: kernels()->uniform_f32(g, (float *)out->data, out->numel, from, to); break;
        case DTYPE_DOUBLE: kernels()->uniform_f64(g, (double *)out->data, out->numel, from, to); break;
        case DTYPE_HALF: kernels()->uniform_f16(g, (uint16_t *)out->data, out->numel, from, to); break;
        default: kernels()->uniform_bf16(g, (uint16_t *)out->data, out->numel, from, to); break;
        }
    return fill_end(t, out);
}

Tensor *
op_normal_(Tensor *t, double mean, double std, const Value *generator)
{
    if (t == NULL || check_float_dtype("normal_kernel_cpu", t) < 0)
        return NULL;
    if (!(std >= 0))
        return error(PyExc_RuntimeError, "normal expects std >= 0.0, but found std %s", float_text(std));
    Generator *g = generator_of(generator);
    bool on_device = draws_philox(t);
    bool serial = !t->contiguous && t->numel >= 16 && !on_device; /* PyTorch draws these one pair at a time, in double */
    Tensor *out = fill_begin(t, serial ? DTYPE_DOUBLE : (Dtype)t->dtype);
    if (out != NULL && on_device)
        return fill_by_device(t, out, (PhiloxFill){.kind = PHILOX_NORMAL, .a = mean, .b = std}, generator);
    if (out != NULL && has_elements(out)) {
        if (serial)
            kernels()->normal_serial(g, (double *)out->data, out->numel, mean, std);
        else if (t->dtype == DTYPE_FLOAT)
            kernels()->normal_f32(g, (float *)out->data, out->numel, mean, std);
        else if (t->dtype == DTYPE_DOUBLE)
            kernels()->normal_f64(g, (double *)out->data, out->numel, mean, std);
        else if (t->dtype == DTYPE_HALF)
            kernels()->normal_f16(g, (uint16_t *)out->data, out->numel, mean, std);
        else
            kernels()->normal_bf16(g, (uint16_t *)out->data, out->numel, mean, std);
    }
    return fill_end(t, out);
}

/* ---------------------------------------------------------------- bernoulli */
static int
check_probability(double p)
{
    if (p >= 0 && p <= 1)
        return 0;
    error(PyExc_RuntimeError, "bernoulli_ expects p to be in [0, 1], but got p=%s", float_text(p));
    return -1;
}

/* `one` in t's dtype with probability p, else 0, by element size. */
static void
draw_bits(Tensor *out, double p, const char *one, Generator *g)
{
    uint64_t bits = 0;
    memcpy(&bits, one, (size_t)tensor_itemsize(out));
    switch (tensor_itemsize(out)) {
    case 1: kernels()->bernoulli_8(g, (uint8_t *)out->data, out->numel, p, (uint8_t)bits); break;
    case 2: kernels()->bernoulli_16(g, (uint16_t *)out->data, out->numel, p, (uint16_t)bits); break;
    case 4: kernels()->bernoulli_32(g, (uint32_t *)out->data, out->numel, p, (uint32_t)bits); break;
    default: kernels()->bernoulli_64(g, (uint64_t *)out->data, out->numel, p, bits); break;
    }
}

Tensor *
op_bernoulli_(Tensor *t, double p, const Value *generator)
{
    char one[ITEMSIZE_MAX] = {0};
    if (t == NULL || check_probability(p) < 0)
        return NULL;
    Tensor *out = fill_begin(t, (Dtype)t->dtype);
    if (out != NULL && draws_philox(out))
        return fill_by_device(t, out, (PhiloxFill){.kind = PHILOX_BERNOULLI, .a = p, .b = 1}, generator);
    dtype_store(one, (Dtype)t->dtype, PARAM(1));
    if (out != NULL && has_elements(out))
        draw_bits(out, p, one, generator_of(generator));
    return fill_end(t, out);
}

static int
check_probabilities(Tensor *dense)
{
    for (int64_t i = 0; i < dense->numel; i++) {
        double p = dense->dtype == DTYPE_DOUBLE ? ((double *)dense->data)[i] : (double)((float *)dense->data)[i];
        if (!(p >= 0 && p <= 1)) {
            error(PyExc_RuntimeError, "Expected p_in >= 0 && p_in <= 1 to be true, but got false: element %lld of the "
                                      "probabilities is %s", (long long)i, float_text(p));
            return -1;
        }
    }
    return 0;
}

Tensor *
op_bernoulli_tensor_(Tensor *t, Tensor *p, const Value *generator)
{
    if (t == NULL || p == NULL)
        return NULL;
    if (check_float_dtype("bernoulli_tensor_cpu_p_", p) < 0)
        return NULL;
    Dtype read = p->dtype == DTYPE_DOUBLE ? DTYPE_DOUBLE : DTYPE_FLOAT;
    Tensor *dense = scope_keep(tensor_empty(t->ndim, t->dims, read, t->device));
    Tensor *expanded = op_expand(op_detach(p), t->ndim, t->dims);
    if (dense == NULL || expanded == NULL || copy_data(dense, expanded) < 0)
        return NULL;
    Tensor *out = fill_begin(t, DTYPE_BOOL);
    if (out != NULL && draws_philox(out))
        return fill_by_device(t, out, (PhiloxFill){.kind = PHILOX_BERNOULLI_EACH, .p = dense->data, .p_dtype = read}, generator);
    if (out != NULL && has_elements(out)) {
        if (check_probabilities(dense) < 0)
            return NULL;
        if (read == DTYPE_DOUBLE)
            kernels()->bernoulli_p_f64(generator_of(generator), (double *)dense->data, (uint8_t *)out->data, out->numel);
        else
            kernels()->bernoulli_p_f32(generator_of(generator), (float *)dense->data, (uint8_t *)out->data, out->numel);
    }
    return fill_end(t, out);
}

/* ---------------------------------------------------------------- distributions drawn in double */
typedef void (*TwoParameters)(Generator *, double *, int64_t, double, double);
typedef void (*OneParameter)(Generator *, double *, int64_t, double);

static Tensor *
fill_two(Tensor *t, PhiloxKind kind, TwoParameters draw, double a, double b, const Value *generator)
{
    Tensor *out = fill_begin(t, DTYPE_DOUBLE);
    if (out != NULL && draws_philox(out))
        return fill_by_device(t, out, (PhiloxFill){.kind = kind, .a = a, .b = b}, generator);
    if (out != NULL && has_elements(out))
        draw(generator_of(generator), (double *)out->data, out->numel, a, b);
    return fill_end(t, out);
}

static Tensor *
fill_one(Tensor *t, PhiloxKind kind, OneParameter draw, double a, const Value *generator)
{
    Tensor *out = fill_begin(t, DTYPE_DOUBLE);
    if (out != NULL && draws_philox(out))
        return fill_by_device(t, out, (PhiloxFill){.kind = kind, .a = a}, generator);
    if (out != NULL && has_elements(out))
        draw(generator_of(generator), (double *)out->data, out->numel, a);
    return fill_end(t, out);
}

Tensor *
op_exponential_(Tensor *t, double lambda, const Value *generator)
{
    if (t == NULL || check_float_dtype("exponential_", t) < 0)
        return NULL;
    if (!(lambda > 0))
        return error(PyExc_RuntimeError, "exponential_ expects lambda > 0.0, but found lambda=%s", float_text(lambda));
    return fill_one(t, PHILOX_EXPONENTIAL, kernels()->exponential, lambda, generator);
}

Tensor *
op_geometric_(Tensor *t, double p, const Value *generator)
{
    if (t == NULL)
        return NULL;
    if (!(p > 0 && p < 1))
        return error(PyExc_RuntimeError, "geometric_ expects p to be in (0, 1), but got p=%s", float_text(p));
    if (t->dtype == DTYPE_BOOL) {
        not_implemented_dtype("geometric_cpu", DTYPE_BOOL);
        return NULL;
    }
    return fill_one(t, PHILOX_GEOMETRIC, kernels()->geometric, p, generator);
}

Tensor *
op_log_normal_(Tensor *t, double mean, double std, const Value *generator)
{
    if (t == NULL || check_float_dtype("log_normal_", t) < 0)
        return NULL;
    if (!(std > 0))
        return error(PyExc_RuntimeError, "log_normal_ expects std > 0.0, but found std=%s", float_text(std));
    return fill_two(t, PHILOX_LOG_NORMAL, kernels()->log_normal, mean, std, generator);
}

Tensor *
op_cauchy_(Tensor *t, double median, double sigma, const Value *generator)
{
    if (t == NULL || check_float_dtype("cauchy_", t) < 0)
        return NULL;
    if (!(sigma > 0))
        return error(PyExc_RuntimeError, "cauchy_ expects sigma > 0.0, but found sigma=%s", float_text(sigma));
    return fill_two(t, PHILOX_CAUCHY, kernels()->cauchy, median, sigma, generator);
}

/* ---------------------------------------------------------------- integers */
static int
float_digits(Dtype d)
{
    return d == DTYPE_HALF ? 11 : d == DTYPE_BF16 ? 8 : d == DTYPE_FLOAT ? 24 : 53;
}

/* The largest integer a dtype holds exactly in a run of all smaller ones: 2^24 for float32. */
static int64_t
largest_integer(Dtype d)
{
    switch (d) {
    case DTYPE_BOOL: return 1;
    case DTYPE_UINT8: return UINT8_MAX;
    case DTYPE_INT8: return INT8_MAX;
    case DTYPE_INT16: return INT16_MAX;
    case DTYPE_INT32: return INT32_MAX;
    case DTYPE_INT64: return INT64_MAX;
    default: return (int64_t)1 << float_digits(d);
    }
}

/* Beyond largest_integer a float type has gaps; its own bounds are far beyond, and PyTorch draws up to them. */
static int
check_bound(Dtype d, const char *name, int64_t bound)
{
    int64_t exact = largest_integer(d);
    bool fits = dtype_is_float(d) ? fabs((double)bound) <= float_limits[d].max
                                  : bound <= exact && bound >= (d == DTYPE_BOOL || d == DTYPE_UINT8 ? 0 : -exact - 1);
    if (!fits) {
        error(PyExc_RuntimeError, "%s is out of bounds for %s", name, dtype_info[d].name);
        return -1;
    }
    if (!dtype_is_float(d) || (bound >= -exact && bound <= exact))
        return 0;
    int digits = float_digits(d);
    return PyErr_WarnFormat(PyExc_UserWarning, 1,
                            "%s is out of bounds [-(2^%d), 2^%d]. Due to precision limitations %s can support discrete "
                            "uniform distribution only within this range.", name, digits, digits, dtype_info[d].name);
}

/* The nearest that a float type has to x. */
static int64_t
rounded(Dtype d, int64_t x)
{
    char memory[ITEMSIZE_MAX];
    double value = d == DTYPE_DOUBLE ? (double)x : (double)(float)x; /* PyTorch's halves come from floats too */
    dtype_store(memory, d, (Param){value, x});
    return dtype_int_of_double(dtype_load(memory, d).f);
}

/* The distance of a float type's neighbours about x, which it does not have exactly. */
static int64_t
gap(Dtype d, int64_t x)
{
    uint64_t size = x < 0 ? -(uint64_t)x : (uint64_t)x;
    int n = 1 - float_digits(d);
    while (size >>= 1)
        n++;
    return (int64_t)1 << n;
}

/* [*from, *to) without the ends that would round to what is outside; to may be NULL. */
static void
shrink_to_dtype(Dtype d, int64_t *from, int64_t *to)
{
    if (!dtype_is_float(d))
        return;
    int64_t low = rounded(d, *from + 1), high = to ? rounded(d, *to - 1) : 0;
    if (low < *from)
        *from = low + gap(d, *from + 1);
    if (to != NULL && high >= *to)
        *to = high - gap(d, *to - 1);
}

static Tensor *
random_range(Tensor *t, int64_t from, int64_t last, bool whole, const Value *generator)
{
    Tensor *out = fill_begin(t, DTYPE_INT64);
    uint64_t range = whole ? 0 : (uint64_t)last - (uint64_t)from + 1;
    if (out != NULL && draws_philox(out))
        return fill_by_device(t, out, (PhiloxFill){.kind = PHILOX_INTEGERS, .range = range, .base = whole ? 0 : from}, generator);
    if (out != NULL && has_elements(out))
        kernels()->random_from_to(generator_of(generator), (int64_t *)out->data, out->numel, range, whole ? 0 : from);
    return fill_end(t, out);
}

static Tensor *
random_between(Tensor *t, int64_t from, int64_t to, const Value *generator)
{
    Dtype d = (Dtype)t->dtype;
    if (from >= to)
        return error(PyExc_RuntimeError, "random_ expects 'from' to be less than 'to', but got from=%lld >= to=%lld",
                     (long long)from, (long long)to);
    shrink_to_dtype(d, &from, &to);
    if (from >= to)
        return error(PyExc_RuntimeError, "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
                                         "from=%lld >= to=%lld", (long long)from, (long long)to);
    if (check_bound(d, "from", from) < 0 || check_bound(d, "to - 1", to - 1) < 0)
        return NULL;
    return random_range(t, from, to - 1, false, generator);
}

/* From a number up to the dtype's largest; from the least of all, every 64 bits that there are. */
static Tensor *
random_from(Tensor *t, int64_t from, const Value *generator)
{
    Dtype d = (Dtype)t->dtype;
    int64_t last = largest_integer(d);
    if (from == INT64_MIN) {
        if (d == DTYPE_INT64 || (dtype_is_float(d) && d != DTYPE_HALF))
            return random_range(t, from, INT64_MAX, true, generator);
        if (d == DTYPE_HALF || d == DTYPE_BOOL) {
            not_implemented_dtype("random_full_64_bits_range_kernel_cpu", d);
            return NULL;
        }
        return error(PyExc_RuntimeError, "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16");
    }
    if (dtype_is_float(d) && from >= last)
        return error(PyExc_RuntimeError, "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to "
                                         "dtype, but got from=%lld > to_inc=%lld", (long long)from, (long long)last);
    shrink_to_dtype(d, &from, NULL);
    return check_bound(d, "from", from) < 0 ? NULL : random_range(t, from, last, false, generator);
}

Tensor *
op_random_(Tensor *t, const int64_t *from, const int64_t *to, const Value *generator)
{
    if (t == NULL)
        return NULL;
    Dtype d = (Dtype)t->dtype;
    if (from == NULL && to == NULL) {
        Tensor *out = fill_begin(t, DTYPE_INT64);
        uint64_t modulus = d == DTYPE_INT64 ? (uint64_t)1 << 63 : (uint64_t)largest_integer(d) + 1;
        if (out != NULL && draws_philox(out))
            return fill_by_device(t, out, (PhiloxFill){.kind = PHILOX_INTEGERS, .range = modulus}, generator);
        if (out != NULL && has_elements(out))
            kernels()->random_modulus(generator_of(generator), (int64_t *)out->data, out->numel, modulus,
                                      d == DTYPE_INT64 || d == DTYPE_DOUBLE);
        return fill_end(t, out);
    }
    return to ? random_between(t, from ? *from : 0, *to, generator) : random_from(t, *from, generator);
}

/* ---------------------------------------------------------------- dropout */
/* The mask is drawn as `scale` or 0 in the tensor's own dtype: one product, and its gradient is the product's. */
Tensor *
op_dropout(Tensor *t, double p, bool training, bool inplace)
{
    if (t == NULL)
        return NULL;
    if (!(p >= 0 && p <= 1))
        return error(isnan(p) ? PyExc_RuntimeError : PyExc_ValueError, "dropout probability has to be between 0 and 1, but got %s", float_text(p));
    if (!training || p == 0 || t->numel == 0)
        return t;
    if (!dtype_is_float((Dtype)t->dtype) && p < 1)
        return error(PyExc_RuntimeError, "result type Float can't be cast to the desired output type %s: dropout needs a "
                                         "floating point input", dtype_info[t->dtype].type_name);
    Tensor *mask = scope_keep(tensor_empty_like(t));
    if (mask == NULL)
        return NULL;
    char one[ITEMSIZE_MAX] = {0};
    dtype_store(one, (Dtype)t->dtype, PARAM(1 / (1 - p)));
    if (p == 1) {
        if (fill_data(mask, (Scalar){PARAM(0), CATEGORY_INT}) < 0)
            return NULL;
    } else if (t->device.type == DEVICE_CPU) {
        draw_bits(mask, 1 - p, one, &default_generator->state);      /* dense, in t's order */
    } else if (draws_philox(mask)) {
        if (philox_fill(mask, (PhiloxFill){.kind = PHILOX_BERNOULLI, .a = 1 - p, .b = 1 / (1 - p)}, NULL) < 0)
            return NULL;
    }
    return inplace ? op_inplace(OP_mul, t, mask, 1) : op_mul(t, mask);
}
