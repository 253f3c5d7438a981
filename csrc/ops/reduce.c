/* Reductions to sums and their like: sum, mean, prod, any, all, counts, logsumexp, trace; and what the family
 * shares. Moments are in moments.c, norms in norms.c, extremes in arg_reduce.c, running reductions in
 * cumulative.c. */
#include "ops/reduce.h"

#include <math.h>
#include <string.h>

#include "core/cpu_reduce.h"
#include "ops/ops.h"

static Tensor *
checked(Tensor *out)
{
    return PyErr_Occurred() ? NULL : out;
}

/* ---------------------------------------------------------------- what is reduced */
int
span_of(Span *s, Tensor *t, int n, const int64_t *dims, bool keepdim)
{
    memset(s->reduced, n == 0, (size_t)t->ndim + 1);
    for (int i = 0; i < n; i++) {
        int d = shape_wrap_dim(dims[i], t->ndim);
        if (d < 0)
            return -1;
        if (s->reduced[d]) {
            error(PyExc_RuntimeError, "dim %d appears multiple times in the list of dims %s", d,
                  shape_text(n, dims));
            return -1;
        }
        s->reduced[d] = true;
    }
    s->ndim = 0;
    s->n_elements = 1;
    for (int i = 0; i < t->ndim; i++) {
        if (s->reduced[i])
            s->n_elements *= t->dims[i];
        if (!s->reduced[i] || keepdim)
            s->dims[s->ndim++] = s->reduced[i] ? 1 : t->dims[i];
    }
    return 0;
}

/* ints: the input's dims, then for each of them whether it was reduced. */
void
span_save(Node *n, Tensor *t, const Span *s)
{
    int64_t ints[2 * NDIM_MAX];
    if (n == NULL)
        return;
    for (int i = 0; i < t->ndim; i++) {
        ints[i] = t->dims[i];
        ints[t->ndim + i] = s->reduced[i];
    }
    node_save_ints(n, 2 * t->ndim, ints);
}

Tensor *
span_restore(Node *n, Tensor *y)
{
    int ndim = n->n_ints / 2;
    int64_t full[NDIM_MAX];
    if (y == NULL || y->ndim == ndim)
        return y;
    for (int i = 0; i < ndim; i++)
        full[i] = node_ints(n)[ndim + i] ? 1 : node_ints(n)[i];
    return op_reshape(y, ndim, full);
}

Tensor *
span_spread(Node *n, Tensor *y)
{
    return op_expand(y && y->ndim == 0 ? y : span_restore(n, y), n->n_ints / 2, node_ints(n));
}

int
span_dims(Node *n, int64_t *dims)
{
    int count = 0, ndim = n->n_ints / 2;
    for (int i = 0; i < ndim; i++)
        if (node_ints(n)[ndim + i])
            dims[count++] = i;
    return count;
}

int64_t
span_count(Node *n)
{
    int64_t count = 1, ndim = n->n_ints / 2;
    for (int i = 0; i < ndim; i++)
        if (node_ints(n)[ndim + i])
            count *= node_ints(n)[i];
    return count;
}

/* ---------------------------------------------------------------- running */
enum { FAST_NUMEL = 1 << 14, FILLED = 64 };

/* All elements of a dense little float tensor on the CPU: no plan, no tiles.  NULL without an error: not that
 * case. */
static Tensor *
fold_all_fast(Tensor *t, const Span *s, Fold fold, double divisor)
{
    if (s->ndim > 0 || !t->contiguous || t->numel > FAST_NUMEL ||
        (t->dtype != DTYPE_FLOAT && t->dtype != DTYPE_DOUBLE) || t->device.type != DEVICE_CPU)
        return NULL;
    Tensor *out = scope_keep(tensor_empty(0, NULL, (Dtype)t->dtype, CPU));
    if (out == NULL)
        return NULL;
    double y = cpu_fold_dense(fold, (Dtype)t->dtype, t->data, t->numel) / divisor;
    if (t->dtype == DTYPE_FLOAT)
        *(float *)(void *)out->data = (float)y;
    else
        *(double *)(void *)out->data = y;
    return out;
}

Tensor *
reduce_run(Tensor *t, const Span *s, Fold fold, Dtype result, Finish finish, double divisor, const Tensor *p)
{
    Tensor *out = p == NULL && finish == FINISH_DIVIDE && result == (Dtype)t->dtype
                      ? fold_all_fast(t, s, fold, divisor)
                      : NULL;
    if (out != NULL || PyErr_Occurred())
        return out;
    out = scope_keep(tensor_empty(s->ndim, s->dims, result, t->device));
    const Backend *backend = backend_of(t);
    if (out == NULL)
        return NULL;
    if (backend->reduce == NULL) {
        not_implemented_device("sum", t);
        return NULL;
    }
    Reduce r = {fold,
                finish,
                (Dtype)t->dtype,
                result,
                t->ndim,
                t->dims,
                t->strides,
                s->reduced,
                t->data,
                out->data,
                p ? (const double *)(const void *)p->data : NULL,
                divisor};
    return backend->reduce(&r) < 0 ? NULL : out;
}

/* Floats keep their dtype, integers and bool are added up in int64. */
static Tensor *
fold_span(Op op, Tensor *t, const Span *s, Fold fold, double divisor)
{
    Dtype dtype = (Dtype)t->dtype;
    Tensor *out =
        reduce_run(t, s, fold, dtype_is_float(dtype) ? dtype : DTYPE_INT64, FINISH_DIVIDE, divisor, NULL);
    if (out != NULL)
        span_save(RECORD(op, out, t), t, s);
    return checked(out);
}

/* dtype= converts what is reduced; of the integers, loops know int64 alone. */
static Tensor *
fold_as(Op op, Tensor *t, int n, const int64_t *dims, bool keepdim, Dtype dtype, Fold fold)
{
    Span s;
    if (t == NULL || span_of(&s, t, n, dims, keepdim) < 0)
        return NULL;
    if (dtype != DTYPE_NONE && dtype != (Dtype)t->dtype)
        t = op_to_dtype(t, dtype);
    Tensor *out = t ? fold_span(op, t, &s, fold, 1) : NULL;
    return out && dtype != DTYPE_NONE ? op_to_dtype(out, dtype) : out;
}

static Tensor *
with_variant(Tensor *out, int variant)
{
    if (out != NULL && out->node != NULL)
        node_set_variant(out->node, variant);
    return out;
}

/* ---------------------------------------------------------------- sum */
Tensor *
op_sum_all(Tensor *t, Dtype dtype)
{
    return fold_as(OP_sum, t, 0, NULL, false, dtype, FOLD_sum);
}

Tensor *
op_sum_dims(Tensor *t, int n, const int64_t *dims, bool keepdim)
{
    return with_variant(fold_as(OP_sum_dim, t, n, dims, keepdim, DTYPE_NONE, FOLD_sum), 1);
}

Tensor *
op_sum_over(Tensor *t, const Value *dims, bool keepdim, Dtype dtype)
{
    return with_variant(
        fold_as(OP_sum_dim, t, dims->given ? (int)dims->n : 0, dims->ints, keepdim, dtype, FOLD_sum), 1);
}

Tensor *
op_sum(Tensor *t)
{
    return op_sum_all(t, DTYPE_NONE);
}

BACKWARD(sum)
{
    GRAD(0, span_spread(n, g));
}

BACKWARD(sum_dim)
{
    GRAD(0, span_spread(n, g));
}

Tensor *
op_sum_to_size(Tensor *t, int ndim, const int64_t *dims)
{
    if (t == NULL)
        return NULL;
    int64_t reduce[NDIM_MAX];
    int n = 0, extra = t->ndim - ndim;
    bool fits = extra >= 0;
    for (int i = 0; i < t->ndim && fits; i++) {
        int64_t wanted = i < extra ? 1 : dims[i - extra];
        if (i < extra || (wanted == 1 && t->dims[i] != 1))
            reduce[n++] = i;
        fits = i < extra || wanted == 1 || wanted == t->dims[i];
    }
    if (!fits)
        return error(PyExc_RuntimeError, "size {%s} is not expandable to size {%s}.", shape_text(ndim, dims),
                     shape_text(t->ndim, t->dims));
    if (n == 0) /* to no dims it is a sum, which counts in int64 */
        return ndim > 0 || dtype_is_float((Dtype)t->dtype) ? t : op_to_dtype(t, DTYPE_INT64);
    Tensor *out = op_sum_dims(t, n, reduce, true);
    return extra == 0 ? out : op_view(out, ndim, dims);
}

Tensor *
op_nansum(Tensor *t, const Value *dims, bool keepdim, Dtype dtype)
{
    Dtype computed = t && dtype == DTYPE_NONE ? (Dtype)t->dtype : dtype;
    int n = dims->given ? (int)dims->n : 0;
    if (t == NULL)
        return NULL;
    if (!dtype_is_float(computed))
        return op_sum_over(t, dims, keepdim, dtype);
    Tensor *in = op_to_dtype(t, computed),
           *out = fold_as(OP_nansum, in, n, dims->ints, keepdim, DTYPE_NONE, FOLD_nansum);
    if (out != NULL && out->node != NULL)
        node_save(out->node, 0, in);
    return checked(out);
}

BACKWARD(nansum)
{
    Tensor *is_number = op_to_dtype(op_logical_not(op_isnan(node_saved(n, 0))), (Dtype)g->dtype);
    GRAD(0, op_mul(span_spread(n, g), is_number));
}

/* ---------------------------------------------------------------- mean */
static Tensor *
mean_as(Op op, Tensor *t, int n, const int64_t *dims, bool keepdim, Dtype dtype)
{
    Span s;
    if (t == NULL || span_of(&s, t, n, dims, keepdim) < 0)
        return NULL;
    Dtype wanted = dtype == DTYPE_NONE ? (Dtype)t->dtype : dtype;
    if (!dtype_is_float(wanted))
        return error(PyExc_RuntimeError,
                     "mean(): could not infer output dtype. %s must be either a floating point or "
                     "complex dtype. Got: %s; convert with .float(), or pass dtype=torch.float32",
                     dtype == DTYPE_NONE ? "Input dtype" : "Optional dtype", dtype_info[wanted].type_name);
    t = op_to_dtype(t, wanted);
    return t ? fold_span(op, t, &s, FOLD_sum, (double)s.n_elements) : NULL;
}

Tensor *
op_mean_all(Tensor *t, Dtype dtype)
{
    return mean_as(OP_mean, t, 0, NULL, false, dtype);
}

Tensor *
op_mean_over(Tensor *t, const Value *dims, bool keepdim, Dtype dtype)
{
    return with_variant(mean_as(OP_mean_dim, t, dims->given ? (int)dims->n : 0, dims->ints, keepdim, dtype),
                        1);
}

Tensor *
op_mean(Tensor *t)
{
    return op_mean_all(t, DTYPE_NONE);
}

Tensor *
op_mean_dims(Tensor *t, int n, const int64_t *dims, bool keepdim)
{
    return with_variant(mean_as(OP_mean_dim, t, n, dims, keepdim, DTYPE_NONE), 1);
}

/* That of a little tensor's mean, filled at once; NULL without an error: not that case. */
static Tensor *
mean_gradient_fast(Node *n, Tensor *g, double count)
{
    if (grad_mode || g->ndim > 0 || count > FILLED || g->dtype != DTYPE_FLOAT || g->device.type != DEVICE_CPU)
        return NULL;
    Tensor *out = scope_keep(tensor_empty(n->n_ints / 2, node_ints(n), DTYPE_FLOAT, CPU));
    const float share = *(float *)(void *)g->data / (float)count;
    for (int64_t i = 0; out != NULL && i < out->numel; i++)
        ((float *)(void *)out->data)[i] = share;
    return out;
}

/* PyTorch spreads, then divides, as a graph of this backward shows; dividing first gives the same bits in one pass less. */
static Tensor *
mean_gradient(Node *n, Tensor *g)
{
    double count = (double)span_count(n);
    Tensor *out = mean_gradient_fast(n, g, count);
    if (out != NULL || PyErr_Occurred())
        return out;
    return grad_mode ? op_scalar(OP_div, span_spread(n, g), count) : span_spread(n, op_scalar(OP_div, g, count));
}

BACKWARD(mean)
{
    GRAD(0, mean_gradient(n, g));
}

BACKWARD(mean_dim)
{
    GRAD(0, mean_gradient(n, g));
}

Tensor *
op_nanmean(Tensor *t, const Value *dims, bool keepdim, Dtype dtype)
{
    if (t == NULL)
        return NULL;
    if (!dtype_is_float((Dtype)t->dtype))
        return error(PyExc_RuntimeError,
                     "nanmean(): expected input to have floating point or complex dtype but got %s",
                     dtype_info[t->dtype].type_name);
    if (dtype != DTYPE_NONE && !dtype_is_float(dtype))
        return error(PyExc_RuntimeError,
                     "nanmean(): could not infer output dtype. Optional dtype must be either a floating point or complex "
                     "dtype. Got: %s", dtype_info[dtype].type_name);
    Tensor *numbers = op_logical_not(op_isnan(op_detach(t)));
    return op_div(op_nansum(t, dims, keepdim, dtype), op_sum_over(numbers, dims, keepdim, DTYPE_NONE));
}

/* ---------------------------------------------------------------- prod */
static Tensor *
prod_as(Op op, Tensor *t, int n, const int64_t *dims, bool keepdim, Dtype dtype)
{
    Tensor *in = t && dtype != DTYPE_NONE ? op_to_dtype(t, dtype) : t;
    Tensor *out = fold_as(op, in, n, dims, keepdim, dtype, FOLD_prod);
    if (out != NULL && out->node != NULL && out->node->op == (int)op) {
        node_save(out->node, 0, in);
        node_save_output(out->node, 1, out);
    }
    return checked(out);
}

Tensor *
op_prod_all(Tensor *t, Dtype dtype)
{
    return prod_as(OP_prod, t, 0, NULL, false, dtype);
}

Tensor *
op_prod_dim(Tensor *t, int64_t dim, bool keepdim, Dtype dtype)
{
    return with_variant(prod_as(OP_prod_dim, t, 1, &dim, keepdim, dtype), 1);
}

/* The product of all others along dim d, by products from both ends: right where elements are 0, unlike y /
 * x. */
static Tensor *
product_of_others(Tensor *x, int64_t d)
{
    int64_t one[NDIM_MAX];
    memcpy(one, x->dims, (size_t)x->ndim * sizeof one[0]);
    int64_t length = one[d];
    one[d] = 1;
    Tensor *start = scope_keep(tensor_empty(x->ndim, one, (Dtype)x->dtype, x->device));
    if (start == NULL || fill_data(start, (Scalar){PARAM(1), CATEGORY_INT}) < 0)
        return NULL;
    Tensor *before = op_cat(2, (Tensor *[]){start, op_narrow(x, d, 0, length - 1)}, d);
    Tensor *after = op_cat(2, (Tensor *[]){start, op_narrow(op_flip(x, 1, &d), d, 0, length - 1)}, d);
    return op_mul(op_cumprod(before, d, DTYPE_NONE), op_flip(op_cumprod(after, d, DTYPE_NONE), 1, &d));
}

static bool
has_zero(Tensor *x)
{
    Tensor *all = tensor_is_meta(x) ? NULL : op_all(x, 0, NULL, false);
    return all != NULL && !tensor_item(all).i;
}

static Tensor *
prod_gradient(Node *n, Tensor *g)
{
    Tensor *x = node_saved(n, 0), *y = node_saved(n, 1);
    if (x == NULL || y == NULL || x->ndim == 0)
        return x ? g : NULL;
    if (x->numel == 0)
        return op_mul(span_spread(n, g), x);
    if (!has_zero(x))
        return op_div(op_mul(span_restore(n, g), span_restore(n, y)), x);
    if (n->op == OP_prod_dim) {
        int64_t dims[NDIM_MAX];
        span_dims(n, dims);
        return op_mul(span_restore(n, g), product_of_others(x, dims[0]));
    }
    Tensor *others = product_of_others(op_reshape(x, 1, (int64_t[]){-1}), 0);
    return op_mul(g, op_reshape(others, x->ndim, node_ints(n)));
}

BACKWARD(prod)
{
    GRAD(0, prod_gradient(n, g));
}

BACKWARD(prod_dim)
{
    GRAD(0, prod_gradient(n, g));
}

/* ---------------------------------------------------------------- truth and counts */
static Tensor *
fold_without_gradient(Tensor *t, int n, const int64_t *dims, bool keepdim, Fold fold, Dtype result)
{
    Span s;
    if (t == NULL || span_of(&s, t, n, dims, keepdim) < 0)
        return NULL;
    return reduce_run(t, &s, fold, result, FINISH_DIVIDE, 1, NULL);
}

static Dtype
truth_dtype(const Tensor *t)
{
    return t && t->dtype == DTYPE_UINT8 ? DTYPE_UINT8 : DTYPE_BOOL;
}

/* An empty list of dims reduces nothing, unlike that of a sum. */
static Tensor *
truth_over(Tensor *t, const Value *dims, bool keepdim, Fold fold)
{
    if (dims->given && dims->n == 0)
        return op_to_dtype(op_to(t, DTYPE_BOOL, NULL, true), truth_dtype(t));
    return fold_without_gradient(t, dims->given ? (int)dims->n : 0, dims->ints, keepdim, fold, truth_dtype(t));
}

Tensor *
op_any_over(Tensor *t, const Value *dims, bool keepdim)
{
    return truth_over(t, dims, keepdim, FOLD_any);
}

Tensor *
op_all_over(Tensor *t, const Value *dims, bool keepdim)
{
    return truth_over(t, dims, keepdim, FOLD_all);
}

Tensor *
op_any(Tensor *t, int n, const int64_t *dims, bool keepdim)
{
    return fold_without_gradient(t, n, dims, keepdim, FOLD_any, truth_dtype(t));
}

Tensor *
op_all(Tensor *t, int n, const int64_t *dims, bool keepdim)
{
    return fold_without_gradient(t, n, dims, keepdim, FOLD_all, truth_dtype(t));
}

Tensor *
op_count_nonzero(Tensor *t, int n, const int64_t *dims)
{
    return fold_without_gradient(t, n, dims, false, t && t->dtype == DTYPE_BOOL ? FOLD_sum : FOLD_nonzeros, DTYPE_INT64);
}

/* ---------------------------------------------------------------- logsumexp */
/* The largest element is taken out of the exponent; where it is infinite nothing is, so that inf stays inf.
 */
static Tensor *
exponent_shift(Tensor *t, const Span *s)
{
    Tensor *shift = reduce_run(t, s, FOLD_amax, DTYPE_DOUBLE, FINISH_DIVIDE, 1, NULL);
    Tensor *zero = scope_keep(tensor_from_scalar(PARAM(0), DTYPE_DOUBLE, t->device));
    return op_masked_fill(shift, op_isinf(shift), zero);
}

Tensor *
op_logsumexp(Tensor *t, int n, const int64_t *dims, bool keepdim)
{
    Span s;
    if (t == NULL || span_of(&s, t, n, dims, keepdim) < 0)
        return NULL;
    if (!dtype_is_float((Dtype)t->dtype))
        t = op_to_dtype(t, default_dtype);
    Tensor *shift = t ? exponent_shift(t, &s) : NULL;
    Tensor *out = shift ? reduce_run(t, &s, FOLD_exp_sum, (Dtype)t->dtype, FINISH_LOG, 1, shift) : NULL;
    Node *node = out ? RECORD(OP_logsumexp, out, t) : NULL;
    node_save(node, 0, t);
    node_save_output(node, 1, out);
    span_save(node, t, &s);
    return checked(out);
}

BACKWARD(logsumexp)
{
    Tensor *share = op_exp(op_sub(node_saved(n, 0), span_restore(n, node_saved(n, 1))));
    GRAD(0, op_mul(span_restore(n, g), share));
}

/* ---------------------------------------------------------------- trace */
Tensor *
op_trace(Tensor *t)
{
    if (t == NULL)
        return NULL;
    if (t->ndim != 2)
        return error(PyExc_RuntimeError, "trace: expected a matrix, but got tensor with dim %d", t->ndim);
    if (t->dtype == DTYPE_BOOL) {
        not_implemented_dtype("trace", DTYPE_BOOL);
        return NULL;
    }
    Tensor *out = op_sum(op_diagonal(op_detach(t), 0, 0, 1));
    Node *n = out ? RECORD(OP_trace, out, t) : NULL;
    node_save_ints(n, 2, t->dims);
    return checked(out);
}

BACKWARD(trace)
{
    int64_t rows = node_ints(n)[0], columns = node_ints(n)[1], length = rows < columns ? rows : columns;
    GRAD(0, op_as_strided_backward(op_expand(g, 1, &length), 2, node_ints(n), (int64_t[]){columns, 1}, 1, &length,
                                   (int64_t[]){columns + 1}, 0));
}
