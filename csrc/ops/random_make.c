/* Functions that make a random tensor: rand, randn, randint, randperm, normal, bernoulli, poisson, multinomial. */
#include <string.h>

#include "core/cpu.h"
#include "ops/ops.h"
#include "ops/random.h"

static Dtype
dtype_or(const Value *dtype, Dtype fallback)
{
    return dtype->given ? dtype->dtype : fallback;
}

static Device
device_or(const Value *device, Device fallback)
{
    return device->given ? device->device : fallback;
}

static Tensor *
make(int ndim, const int64_t *dims, Dtype dtype, Device device)
{
    return scope_keep(tensor_empty(ndim, dims, dtype, device));
}

static Tensor *
finish(Tensor *t, const Value *requires_grad)
{
    if (t != NULL && requires_grad->scalar.value.i) {
        if (!dtype_is_float((Dtype)t->dtype))
            return error(PyExc_RuntimeError, "Only Tensors of floating point and complex dtype can require gradients");
        t->requires_grad = true;
    }
    return t;
}

Tensor *
op_rand(const Value *size, const Value *generator, const Value *dtype, const Value *device, const Value *grad)
{
    Tensor *t = make((int)size->n, size->ints, dtype_or(dtype, default_dtype), device_or(device, default_device));
    return finish(op_uniform_(t, 0, 1, generator), grad);
}

Tensor *
op_randn(const Value *size, const Value *generator, const Value *dtype, const Value *device, const Value *grad)
{
    Tensor *t = make((int)size->n, size->ints, dtype_or(dtype, default_dtype), device_or(device, default_device));
    return finish(op_normal_(t, 0, 1, generator), grad);
}

static Tensor *
random_between(Tensor *t, int64_t low, int64_t high, const Value *generator)
{
    if (t != NULL && low >= high)
        return error(PyExc_RuntimeError, "random_ expects 'from' to be less than 'to', but got from=%lld >= to=%lld",
                     (long long)low, (long long)high);
    return op_random_(t, &low, &high, generator);
}

Tensor *
op_randint(int64_t low, int64_t high, const Value *size, const Value *generator, const Value *dtype, const Value *device,
           const Value *grad)
{
    Tensor *t = make((int)size->n, size->ints, dtype_or(dtype, DTYPE_INT64), device_or(device, default_device));
    return finish(random_between(t, low, high, generator), grad);
}

/* Whether a dtype tells n numbers apart; of bfloat16 PyTorch does not ask. */
static int
check_permuted(Dtype dtype, int64_t n)
{
    int digits = dtype == DTYPE_HALF ? 11 : dtype == DTYPE_FLOAT ? 24 : 53;
    if (n < 0) {
        error(PyExc_RuntimeError, "n must be non-negative, got %lld", (long long)n);
        return -1;
    }
    if (dtype == DTYPE_BOOL)
        return not_implemented_dtype("randperm", dtype);
    if (!dtype_is_float(dtype))
        return n == 0 ? 0 : scalar_check_fits(&SCALAR_INT(n - 1), dtype);
    if (dtype == DTYPE_BF16 || n <= ((int64_t)1 << digits) + 1)
        return 0;
    error(PyExc_RuntimeError, "n cannot be greater than %s for %s type.",
          dtype == DTYPE_HALF ? "2049" : dtype == DTYPE_FLOAT ? "2^24+1" : "2^53+1", dtype_info[dtype].type_name);
    return -1;
}

Tensor *
op_randperm(int64_t n, const Value *generator, const Value *dtype, const Value *device, const Value *grad)
{
    if (check_permuted(dtype_or(dtype, DTYPE_INT64), n) < 0)
        return NULL;
    Tensor *order = make(1, &n, DTYPE_INT64, device_or(device, default_device));
    if (order == NULL)
        return NULL;
    if (draws_philox(order)) {       /* the order of 63-bit draws, of which no two are likely to be equal */
        order = op_argsort(op_random_(order, NULL, NULL, generator), 0, false);
        if (order == NULL)
            return NULL;
    } else if (order->device.type == DEVICE_CPU)
        cpu_kernels->random->randperm(generator_of(generator), (int64_t *)order->data, n);
    return finish(op_to_dtype(order, dtype_or(dtype, DTYPE_INT64)), grad);
}

static Tensor *
make_like(Tensor *t, const Value *dtype, const Value *device)
{
    if (t == NULL)
        return NULL;
    Tensor *like = scope_keep(tensor_empty_like(t));
    if (like == NULL || (!dtype->given && !device->given))
        return like;
    Tensor *out = make(t->ndim, t->dims, dtype_or(dtype, (Dtype)t->dtype), device_or(device, t->device));
    return out == NULL || tensor_set_dims(out, like->ndim, like->dims, like->strides) < 0 ? NULL : out;
}

Tensor *
op_rand_like(Tensor *t, const Value *generator, const Value *dtype, const Value *device, const Value *grad)
{
    return finish(op_uniform_(make_like(t, dtype, device), 0, 1, generator), grad);
}

Tensor *
op_randn_like(Tensor *t, const Value *generator, const Value *dtype, const Value *device, const Value *grad)
{
    return finish(op_normal_(make_like(t, dtype, device), 0, 1, generator), grad);
}

Tensor *
op_randint_like(Tensor *t, int64_t low, int64_t high, const Value *generator, const Value *dtype, const Value *device,
                const Value *grad)
{
    return finish(random_between(make_like(t, dtype, device), low, high, generator), grad);
}

/* ---------------------------------------------------------------- history of what is drawn by tensors */
/* A draw does not depend on its parameters smoothly: it has a history, and all their gradients are 0. */
static Tensor *
drawn(Op op, int variant, Tensor *out, Tensor *a, Tensor *b)
{
    int64_t ints[2 * NDIM_MAX + 1] = {a->ndim};
    Node *n = out ? RECORD(op, out, a, b) : NULL;
    if (n == NULL)
        return PyErr_Occurred() ? NULL : out;
    memcpy(ints + 1, a->dims, (size_t)a->ndim * sizeof ints[0]);
    if (b != NULL)
        memcpy(ints + 1 + a->ndim, b->dims, (size_t)b->ndim * sizeof ints[0]);
    node_save_ints(n, 1 + a->ndim + (b ? b->ndim : 0), ints);
    node_set_variant(n, variant);
    return PyErr_Occurred() ? NULL : out;
}

static void
zero_gradients(Node *n, Tensor **out, const Tensor *g)
{
    int first = (int)node_ints(n)[0];
    GRAD(0, index_zeros(first, node_ints(n) + 1, (Dtype)g->dtype, g->device));
    GRAD(1, index_zeros(n->n_ints - 1 - first, node_ints(n) + 1 + first, (Dtype)g->dtype, g->device));
}

BACKWARD(normal)
{
    zero_gradients(n, out, g);
}

BACKWARD(normal_tensors)
{
    zero_gradients(n, out, g);
}

BACKWARD(normal_float_tensor)
{
    zero_gradients(n, out, g);
}

BACKWARD(bernoulli)
{
    zero_gradients(n, out, g);
}

BACKWARD(poisson)
{
    zero_gradients(n, out, g);
}

/* ---------------------------------------------------------------- normal */
Tensor *
op_normal_tensor_float(Tensor *mean, double std, const Value *generator)
{
    if (mean == NULL)
        return NULL;
    Tensor *t = op_normal_(scope_keep(tensor_empty_like(mean)), 0, std, generator);
    return drawn(OP_normal, 1, op_inplace(OP_add, t, op_detach(mean), 1), mean, NULL);
}

static int
check_stds(Tensor *std)
{
    if (std->numel == 0 || tensor_is_meta(std))
        return 0;
    Tensor *all = op_all(op_scalar(OP_ge, op_detach(std), 0), 0, NULL, false);
    bool good = all != NULL && tensor_item(all).i;
    if (!good && !PyErr_Occurred())
        error(PyExc_RuntimeError, "normal expects all elements of std >= 0.0");
    return PyErr_Occurred() ? -1 : 0;
}

Tensor *
op_normal_tensors(Tensor *mean, Tensor *std, const Value *generator)
{
    int64_t dims[NDIM_MAX];
    if (mean == NULL || std == NULL || check_stds(std) < 0)
        return NULL;
    int ndim = mean->ndim;
    memcpy(dims, mean->dims, (size_t)ndim * sizeof dims[0]);
    if (shape_broadcast(&ndim, dims, std->ndim, std->dims) < 0)
        return error(PyExc_RuntimeError, "The size of tensor a must match the size of tensor b: normal() with mean %s and std "
                                         "%s", shape_text(mean->ndim, mean->dims), shape_text(std->ndim, std->dims));
    Tensor *t = op_normal_(make(ndim, dims, (Dtype)mean->dtype, mean->device), 0, 1, generator);
    t = op_inplace(OP_mul, t, op_detach(std), 1);
    return drawn(OP_normal_tensors, 3, op_inplace(OP_add, t, op_detach(mean), 1), mean, std);
}

Tensor *
op_normal_float_tensor(double mean, Tensor *std, const Value *generator)
{
    if (std == NULL || check_stds(std) < 0)
        return NULL;
    Tensor *t = op_normal_(scope_keep(tensor_empty_like(std)), 0, 1, generator);
    t = op_inplace(OP_mul, t, op_detach(std), 1);
    return drawn(OP_normal_float_tensor, 2, op_scalar(OP_add, t, mean), std, NULL);
}

Tensor *
op_normal_sizes(double mean, double std, const Value *size, const Value *generator, const Value *dtype,
                const Value *device, const Value *grad)
{
    Tensor *t = make((int)size->n, size->ints, dtype_or(dtype, default_dtype), device_or(device, default_device));
    return finish(op_normal_(t, mean, std, generator), grad);
}

/* ---------------------------------------------------------------- draws from probabilities */
Tensor *
op_bernoulli(Tensor *p, const Value *generator)
{
    if (p == NULL)
        return NULL;
    Tensor *t = scope_keep(tensor_empty_like(p));
    return t ? drawn(OP_bernoulli, 0, op_bernoulli_tensor_(t, p, generator), p, NULL) : NULL;
}

Tensor *
op_bernoulli_p(Tensor *t, double p, const Value *generator)
{
    return t ? op_bernoulli_(scope_keep(tensor_empty_like(t)), p, generator) : NULL;
}

Tensor *
op_poisson(Tensor *rate, const Value *generator)
{
    if (rate == NULL || (!dtype_is_float((Dtype)rate->dtype) && not_implemented_dtype("poisson_cpu", (Dtype)rate->dtype) < 0))
        return NULL;
    Tensor *wide = op_contiguous(op_to_dtype(op_detach(rate), DTYPE_DOUBLE));
    Tensor *counts = wide ? make(wide->ndim, wide->dims, DTYPE_DOUBLE, wide->device) : NULL;
    if (counts == NULL)
        return NULL;
    if (draws_philox(counts)) {
        PhiloxFill fill = {.kind = PHILOX_POISSON, .p = wide->data, .p_dtype = DTYPE_DOUBLE};
        return philox_fill(counts, fill, generator) < 0 ? NULL : drawn(OP_poisson, 0, op_to_dtype(counts, (Dtype)rate->dtype), rate, NULL);
    }
    for (int64_t i = 0; counts->device.type == DEVICE_CPU && i < wide->numel; i++)
        if (!(((double *)wide->data)[i] >= 0))
            return error(PyExc_RuntimeError, "invalid Poisson rate, expected rate to be non-negative");
    if (counts->device.type == DEVICE_CPU)
        cpu_kernels->random->poisson(generator_of(generator), (double *)wide->data, (double *)counts->data, counts->numel);
    return drawn(OP_poisson, 0, op_to_dtype(counts, (Dtype)rate->dtype), rate, NULL);
}

/* ---------------------------------------------------------------- multinomial */
static int
check_multinomial(Tensor *p, int64_t num_samples, bool replacement)
{
    if (!dtype_is_float((Dtype)p->dtype)) {
        error(PyExc_RuntimeError, "multinomial only supports floating-point dtypes for input, got: %s",
              dtype_info[p->dtype].type_name);
        return -1;
    }
    if (p->ndim != 1 && p->ndim != 2) {
        error(PyExc_RuntimeError, "prob_dist must be 1 or 2 dim");
        return -1;
    }
    if (num_samples <= 0) {
        error(PyExc_RuntimeError, "cannot sample n_sample <= 0 samples");
        return -1;
    }
    if (!replacement && num_samples > p->dims[p->ndim - 1]) {
        error(PyExc_RuntimeError, "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
        return -1;
    }
    return 0;
}

static int
multinomial_status(MultinomialStatus status)
{
    if (status == MULTINOMIAL_OK)
        return 0;
    error(PyExc_RuntimeError, status == MULTINOMIAL_ZERO_SUM ? "invalid multinomial distribution (sum of probabilities <= 0)"
                                                             : "probability tensor contains either `inf`, `nan` or element < 0");
    return -1;
}

static Tensor *
multinomial_replacement(Tensor *p, int64_t rows, int64_t n, int64_t num_samples, Generator *g)
{
    const RandomKernels *k = cpu_kernels->random;
    Tensor *out = make(2, (int64_t[]){rows, num_samples}, DTYPE_INT64, CPU);
    Tensor *cumulative = make(1, &n, DTYPE_DOUBLE, CPU), *u = make(1, &num_samples, DTYPE_DOUBLE, CPU);
    if (out == NULL || cumulative == NULL || u == NULL)
        return NULL;
    double *sums = (double *)cumulative->data, *draws = (double *)u->data;
    for (int64_t r = 0; r < rows; r++) {
        MultinomialStatus status = p->dtype == DTYPE_DOUBLE
                                       ? k->multinomial_cumulative_f64((double *)p->data + r * n, sums, n)
                                       : k->multinomial_cumulative_f32((float *)p->data + r * n, sums, n);
        if (multinomial_status(status) < 0)
            return NULL;
        k->uniform_f64(g, draws, num_samples, 0, 1);
        k->multinomial_search(sums, n, draws, (int64_t *)out->data + r * num_samples, num_samples);
    }
    return out;
}

static int
check_probabilities(Tensor *p)
{
    const RandomKernels *k = cpu_kernels->random;
    int64_t n = p->dims[1];
    if (p->device.type != DEVICE_CPU) {
        Tensor *good = op_logical_and(op_scalar(OP_ge, p, 0), op_isfinite(p)), *all = op_all(good, 0, NULL, false);
        Tensor *sums = op_sum_dims(p, 1, (int64_t[]){1}, false), *some = op_all(op_scalar(OP_gt, sums, 0), 0, NULL, false);
        if (all == NULL || some == NULL)
            return -1;
        return multinomial_status(!tensor_item(all).i    ? MULTINOMIAL_NEGATIVE
                                  : !tensor_item(some).i ? MULTINOMIAL_ZERO_SUM
                                                         : MULTINOMIAL_OK);
    }
    Tensor *sums = make(1, &n, DTYPE_DOUBLE, CPU);
    if (sums == NULL)
        return -1;
    for (int64_t r = 0; r < p->dims[0]; r++)
        if (multinomial_status(p->dtype == DTYPE_DOUBLE
                                   ? k->multinomial_cumulative_f64((double *)p->data + r * n, (double *)sums->data, n)
                                   : k->multinomial_cumulative_f32((float *)p->data + r * n, (double *)sums->data, n)) < 0)
            return -1;
    return 0;
}

/* On a device: where draws from each row's range fall among its running sums. */
static Tensor *
multinomial_by_sums(Tensor *p, int64_t num_samples, const Value *generator)
{
    int64_t rows = p->dims[0], n = p->dims[1];
    Tensor *sums = check_probabilities(p) < 0 ? NULL : op_cumsum(op_to_dtype(p, DTYPE_DOUBLE), 1, DTYPE_NONE);
    Tensor *u = op_uniform_(make(2, (int64_t[]){rows, num_samples}, DTYPE_DOUBLE, p->device), 0, 1, generator);
    if (sums == NULL || u == NULL)
        return NULL;
    Tensor *places = op_mul(u, op_narrow(sums, 1, n - 1, 1));
    Tensor *below = op_le(op_unsqueeze(sums, 1), op_unsqueeze(places, -1));
    Tensor *index = op_sum_dims(below, 1, (int64_t[]){-1}, false);
    return index ? op_pointwise(OP_clamp, 1, index, NULL, NULL, PARAM(0), PARAM(n - 1)) : NULL;
}

/* The num_samples largest of p / e with e exponential: a sample without replacement. */
static Tensor *
multinomial_exponential(Tensor *p, int64_t num_samples, const Value *generator)
{
    if (check_probabilities(p) < 0)
        return NULL;
    Tensor *e = op_exponential_(scope_keep(tensor_empty_like(p)), 1, generator);
    Tensor *keys = op_div(p, e);
    return num_samples == 1 ? op_argmax(keys, -1, true) : op_topk_indices(keys, num_samples);
}

Tensor *
op_multinomial(Tensor *p, int64_t num_samples, bool replacement, const Value *generator)
{
    if (p == NULL || check_multinomial(p, num_samples, replacement) < 0)
        return NULL;
    int64_t n = p->dims[p->ndim - 1], rows = p->ndim == 2 ? p->dims[0] : 1;
    if (p->device.type == DEVICE_META)
        return make(p->ndim, p->ndim == 2 ? (int64_t[]){rows, num_samples} : &num_samples, DTYPE_INT64, p->device);
    Dtype read = p->dtype == DTYPE_DOUBLE ? DTYPE_DOUBLE : DTYPE_FLOAT;
    Tensor *dense = op_contiguous(op_reshape(op_to_dtype(op_detach(p), read), 2, (int64_t[]){rows, n}));
    if (dense == NULL)
        return NULL;
    Tensor *out = replacement && num_samples > 1 && draws_philox(dense)
                      ? multinomial_by_sums(dense, num_samples, generator)
                  : replacement && num_samples > 1
                      ? multinomial_replacement(dense, rows, n, num_samples, generator_of(generator))
                      : multinomial_exponential(dense, num_samples, generator);
    return p->ndim == 2 ? out : op_reshape(out, 1, &num_samples);
}
