/* Reductions over dims: sum, mean and their like.  Moments and norms are in ops/moments.c, extremes with their
 * indices in ops/arg_reduce.c, running reductions in ops/cumulative.c. */
#include "ops/reduce.h"

#include <string.h>

#include "core/cpu_reduce.h"
#include "ops/ops.h"

static Tensor *
checked(Tensor *out)
{
    return PyErr_Occurred() ? NULL : out;
}

/* ---------------------------------------------------------------- services */
int
span_of(Span *s, Tensor *t, int n, const int64_t *dims, bool keepdim)
{
    memset(s->reduced, n == 0, (size_t)t->ndim + (t->ndim == 0));
    for (int i = 0; i < n; i++) {
        int d = shape_wrap_dim(dims[i], t->ndim);
        if (d < 0)
            return -1;
        if (s->reduced[d]) {
            error(PyExc_RuntimeError, "dim %d appears multiple times in the list of dims %s", d, shape_text(n, dims));
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

Tensor *
reduce_run(Tensor *t, const Span *s, Fold fold, Dtype result, Finish finish, double divisor, const double *p)
{
    Tensor *out = scope_keep(tensor_empty(s->ndim, s->dims, result, t->device));
    const Backend *backend = backend_of(t);
    if (out == NULL)
        return NULL;
    if (backend->reduce == NULL)
        return error(PyExc_NotImplementedError, "reductions are not implemented on '%s'", backend->name);
    Reduce r = {fold, finish, (Dtype)t->dtype, result, t->ndim, t->dims, t->strides, s->reduced, t->data, out->data, p,
                divisor};
    return backend->reduce(&r) < 0 ? NULL : out;
}

Tensor *
unreduce(Tensor *g, int ndim, const int64_t *dims, const bool *reduced)
{
    if (g == NULL || g->ndim == ndim)
        return g;
    int64_t full[NDIM_MAX];
    for (int i = 0; i < ndim; i++)
        full[i] = reduced[i] ? 1 : dims[i];
    return op_reshape(g, ndim, full);
}

/* ---------------------------------------------------------------- sum, mean */
/* ints: the input's dims, then for each of them whether it was reduced. */
static void
save_span(Node *n, Tensor *t, const Span *s)
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

/* g spread over the input's shape. */
static Tensor *
spread(Node *n, Tensor *g)
{
    bool reduced[NDIM_MAX];
    int ndim = n->n_ints / 2;
    for (int i = 0; i < ndim; i++)
        reduced[i] = n->ints[ndim + i] != 0;
    return op_expand(unreduce(g, ndim, n->ints, reduced), ndim, n->ints);
}

static int64_t
saved_count(Node *n)
{
    int64_t count = 1;
    for (int i = 0; i < n->n_ints / 2; i++)
        if (n->ints[n->n_ints / 2 + i])
            count *= n->ints[i];
    return count;
}

enum { FAST_NUMEL = 1 << 14 };

/* The result of a dense little float tensor on the CPU, all dims reduced: no plan, no tiles. */
static Tensor *
fold_all_fast(Tensor *t, Fold fold, double divisor)
{
    if (!t->contiguous || t->numel > FAST_NUMEL || (t->dtype != DTYPE_FLOAT && t->dtype != DTYPE_DOUBLE)
        || t->device.type != DEVICE_CPU)
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

static Tensor *
sum_span(Op op, Tensor *t, const Span *s, bool mean)
{
    Dtype dtype = (Dtype)t->dtype, result = dtype_is_float(dtype) ? dtype : DTYPE_INT64;
    double divisor = mean ? (double)s->n_elements : 1;
    Tensor *out = NULL;
    if (s->ndim == 0)
        out = fold_all_fast(t, FOLD_sum, divisor);
    if (out == NULL && !PyErr_Occurred())
        out = reduce_run(t, s, FOLD_sum, result, FINISH_DIVIDE, divisor, NULL);
    Node *n = out ? RECORD(op, out, t) : NULL;
    save_span(n, t, s);
    if (n != NULL && (op == OP_sum_dim || op == OP_mean_dim))
        node_set_variant(n, 1);
    return checked(out);
}

static Tensor *
summed(Op op, Tensor *t, int n, const int64_t *dims, bool keepdim, Dtype dtype, bool mean)
{
    Span s;
    if (t == NULL || span_of(&s, t, n, dims, keepdim) < 0)
        return NULL;
    Dtype wanted = dtype == DTYPE_NONE ? (Dtype)t->dtype : dtype;
    if (mean && !dtype_is_float(wanted))
        return error(PyExc_RuntimeError, "mean(): could not infer output dtype. %s must be either a floating point or "
                                         "complex dtype. Got: %s; convert with .float(), or pass dtype=torch.float32",
                     dtype == DTYPE_NONE ? "Input dtype" : "Optional dtype", dtype_info[wanted].type_name);
    if (dtype != DTYPE_NONE && dtype != (Dtype)t->dtype)
        t = op_to_dtype(t, dtype);
    Tensor *out = t ? sum_span(op, t, &s, mean) : NULL;
    /* sum(dtype=torch.int32) and the like: the loops give int64 */
    return out && dtype != DTYPE_NONE ? op_to_dtype(out, dtype) : out;
}

Tensor *
op_sum_all(Tensor *t, Dtype dtype)
{
    return summed(OP_sum, t, 0, NULL, false, dtype, false);
}

Tensor *
op_sum_over(Tensor *t, const Value *dims, bool keepdim, Dtype dtype)
{
    return summed(OP_sum_dim, t, dims->given ? (int)dims->n : 0, dims->ints, keepdim, dtype, false);
}

Tensor *
op_sum(Tensor *t)
{
    return op_sum_all(t, DTYPE_NONE);
}

Tensor *
op_sum_dims(Tensor *t, int n, const int64_t *dims, bool keepdim)
{
    return summed(OP_sum_dim, t, n, dims, keepdim, DTYPE_NONE, false);
}

BACKWARD(sum)
{
    GRAD(0, spread(n, g));
}

BACKWARD(sum_dim)
{
    GRAD(0, spread(n, g));
}

Tensor *
op_mean_all(Tensor *t, Dtype dtype)
{
    return summed(OP_mean, t, 0, NULL, false, dtype, true);
}

Tensor *
op_mean_over(Tensor *t, const Value *dims, bool keepdim, Dtype dtype)
{
    return summed(OP_mean_dim, t, dims->given ? (int)dims->n : 0, dims->ints, keepdim, dtype, true);
}

Tensor *
op_mean(Tensor *t)
{
    return op_mean_all(t, DTYPE_NONE);
}

Tensor *
op_mean_dims(Tensor *t, int n, const int64_t *dims, bool keepdim)
{
    return summed(OP_mean_dim, t, n, dims, keepdim, DTYPE_NONE, true);
}

BACKWARD(mean)
{
    GRAD(0, op_scalar(OP_div, spread(n, g), (double)saved_count(n)));
}

BACKWARD(mean_dim)
{
    GRAD(0, op_scalar(OP_div, spread(n, g), (double)saved_count(n)));
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
    if (n == 0)
        return t;
    Tensor *out = op_sum_dims(t, n, reduce, true);
    return extra == 0 ? out : op_view(out, ndim, dims);
}
