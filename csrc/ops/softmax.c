/* Softmax, log-softmax and softmin along a dim, glu, and the comparisons of vectors in nn.functional.  What a
 * loss makes of scores is in loss.c and nll.c; logsumexp is a reduction. */
#include "ops/softmax.h"

#include <string.h>

#include "ops/ops.h"

static Tensor *
checked(Tensor *out)
{
    return PyErr_Occurred() ? NULL : out;
}

/* ---------------------------------------------------------------- running */
Dtype
softmax_compute_dtype(Dtype dtype)
{
    return dtype == DTYPE_DOUBLE ? DTYPE_DOUBLE : DTYPE_FLOAT;
}

void
softmax_shape(const Tensor *t, int d, int64_t *outer, int64_t *n, int64_t *inner)
{
    *outer = *n = *inner = 1;
    for (int i = 0; i < t->ndim; i++)
        *(i < d ? outer : i > d ? inner : n) *= t->dims[i];
}

int
softmax_run(Tensor *t, const Softmax *s)
{
    const Backend *backend = backend_of(t);
    if (backend->softmax == NULL)
        return not_implemented_device("softmax", t);
    return s->outer * s->n * s->inner == 0 ? 0 : backend->softmax(s);
}

/* x (and g, which may be NULL) as dense operands along d; a new dense result of x's dtype, without history.
 */
static Tensor *
along(SoftmaxKind kind, Tensor *x, Tensor *g, int d)
{
    Dtype dtype = (Dtype)x->dtype, compute = softmax_compute_dtype(dtype);
    Tensor *in = op_contiguous(op_to_dtype(op_detach(x), compute));
    Tensor *in_g = g ? op_contiguous(op_to_dtype(op_detach(g), compute)) : NULL;
    Tensor *out =
        in && (g == NULL || in_g) ? scope_keep(tensor_empty(x->ndim, x->dims, compute, x->device)) : NULL;
    if (out == NULL)
        return NULL;
    Softmax s = {
        .kind = kind, .dtype = compute, .x = in->data, .g = in_g ? in_g->data : NULL, .out = out->data};
    softmax_shape(x, d, &s.outer, &s.n, &s.inner);
    return softmax_run(x, &s) < 0 ? NULL : op_to_dtype(out, dtype);
}

/* ---------------------------------------------------------------- forward */
static Tensor *
softmax_of(Op op, SoftmaxKind kind, const char *kernel, Tensor *t, int64_t dim)
{
    int d = t ? shape_wrap_dim(dim, t->ndim) : -1;
    if (d < 0)
        return NULL;
    if (!dtype_is_float((Dtype)t->dtype)) {
        not_implemented_dtype(kernel, (Dtype)t->dtype);
        return NULL;
    }
    Tensor *out = along(kind, t, NULL, d);
    Node *n = out ? RECORD(op, out, t) : NULL;
    node_save_output(n, 0, out);
    node_save_ints(n, 1, (int64_t[]){d});
    return checked(out);
}

Tensor *
op_softmax(Tensor *t, int64_t dim)
{
    return softmax_of(OP_softmax, SOFTMAX_FORWARD, "softmax_lastdim_kernel_impl", t, dim);
}

Tensor *
op_log_softmax(Tensor *t, int64_t dim)
{
    return softmax_of(OP_log_softmax, SOFTMAX_LOG, "log_softmax_lastdim_kernel_impl", t, dim);
}

Tensor *
op_softmax_as(Tensor *t, int64_t dim, Dtype dtype)
{
    return op_softmax(dtype == DTYPE_NONE ? t : op_to_dtype(t, dtype), dim);
}

Tensor *
op_log_softmax_as(Tensor *t, int64_t dim, Dtype dtype)
{
    return op_log_softmax(dtype == DTYPE_NONE ? t : op_to_dtype(t, dtype), dim);
}

/* ---------------------------------------------------------------- backward, itself an op */
static Tensor *
softmax_backward_of(Op op, SoftmaxKind kind, Tensor *g, Tensor *y, int64_t dim)
{
    if (g == NULL || y == NULL)
        return NULL;
    if (g->ndim != y->ndim || memcmp(g->dims, y->dims, g->ndim * sizeof g->dims[0]) != 0)
        return error(PyExc_RuntimeError, "softmax backward: grad_output %s and output %s must have one shape",
                     shape_text(g->ndim, g->dims), shape_text(y->ndim, y->dims));
    if (g->dtype != y->dtype || !dtype_is_float((Dtype)y->dtype))
        return error(PyExc_RuntimeError, "softmax backward: expected scalar type %s but found %s",
                     dtype_info[y->dtype].type_name, dtype_info[g->dtype].type_name);
    int d = shape_wrap_dim(dim, y->ndim);
    if (d < 0 || check_same_device("softmax backward", 2, (Tensor *[]){g, y}) < 0)
        return NULL;
    Tensor *out = along(kind, y, g, d);
    Node *n = out ? RECORD(op, out, g, y) : NULL;
    node_save(n, 0, g);
    node_save(n, 1, y);
    node_save_ints(n, 1, (int64_t[]){d});
    return checked(out);
}

Tensor *
op_softmax_backward(Tensor *g, Tensor *y, int64_t dim)
{
    return softmax_backward_of(OP_softmax_backward_data, SOFTMAX_BACKWARD, g, y, dim);
}

Tensor *
op_log_softmax_backward(Tensor *g, Tensor *y, int64_t dim)
{
    return softmax_backward_of(OP_log_softmax_backward_data, SOFTMAX_LOG_BACKWARD, g, y, dim);
}

BACKWARD(softmax)
{
    GRAD(0, op_softmax_backward(g, node_saved(n, 0), node_ints(n)[0]));
}

BACKWARD(log_softmax)
{
    GRAD(0, op_log_softmax_backward(g, node_saved(n, 0), node_ints(n)[0]));
}

static Tensor *
sum_along(Tensor *t, int64_t d)
{
    return t && t->ndim > 0 ? op_sum_dims(t, 1, &d, true) : t;
}

/* Of y (g - sum g y), the incoming gradient being h. */
BACKWARD(softmax_backward_data)
{
    Tensor *h = g, *first = node_saved(n, 0), *y = node_saved(n, 1);
    int64_t d = node_ints(n)[0];
    GRAD(0, op_softmax_backward(h, y, d));
    GRAD(1, op_sub(op_mul(h, op_sub(first, sum_along(op_mul(first, y), d))),
                   op_mul(first, sum_along(op_mul(h, y), d))));
}

/* Of g - exp(y) sum g. */
BACKWARD(log_softmax_backward_data)
{
    Tensor *h = g, *first = node_saved(n, 0), *p = op_exp(node_saved(n, 1));
    int64_t d = node_ints(n)[0];
    GRAD(0, op_sub(h, sum_along(op_mul(h, p), d)));
    GRAD(1, op_neg(op_mul(op_mul(h, p), sum_along(first, d))));
}

/* ---------------------------------------------------------------- nn.functional's forms */
/* *dim, or the one that PyTorch has always chosen; -1 with an error (a warning that was made one). */
static int
choose_dim(const char *name, Tensor *t, const int64_t *dim, int64_t stacklevel, int64_t *out)
{
    *out = dim != NULL ? *dim : t->ndim == 0 || t->ndim == 1 || t->ndim == 3 ? 0 : 1;
    if (dim != NULL)
        return 0;
    /* stacklevel counts two frames that are Python functions elsewhere and are not there in a call of C. */
    return PyErr_WarnFormat(
        PyExc_UserWarning, stacklevel > 2 ? stacklevel - 2 : 1,
        "Implicit dimension choice for %s has been deprecated. Change the call to include dim=X as an "
        "argument.",
        name);
}

Tensor *
op_nn_softmax(Tensor *t, const int64_t *dim, int64_t stacklevel, Dtype dtype)
{
    int64_t d;
    return choose_dim("softmax", t, dim, stacklevel, &d) < 0 ? NULL : op_softmax_as(t, d, dtype);
}

Tensor *
op_nn_log_softmax(Tensor *t, const int64_t *dim, int64_t stacklevel, Dtype dtype)
{
    int64_t d;
    return choose_dim("log_softmax", t, dim, stacklevel, &d) < 0 ? NULL : op_log_softmax_as(t, d, dtype);
}

Tensor *
op_nn_softmin(Tensor *t, const int64_t *dim, int64_t stacklevel, Dtype dtype)
{
    int64_t d;
    return choose_dim("softmin", t, dim, stacklevel, &d) < 0 ? NULL : op_softmax_as(op_neg(t), d, dtype);
}

/* ---------------------------------------------------------------- glu */
static int
halves(Tensor *t, int64_t d, Tensor **a, Tensor **b)
{
    int64_t half = t ? t->dims[d] / 2 : 0;
    *a = op_narrow(t, d, 0, half);
    *b = op_narrow(t, d, half, half);
    return *a && *b ? 0 : -1;
}

/* a sigmoid(b), a and b being t's halves; one node, as PyTorch's. */
Tensor *
op_glu(Tensor *t, int64_t dim)
{
    if (t == NULL)
        return NULL;
    if (t->ndim == 0)
        return error(PyExc_RuntimeError, "glu does not support scalars because halving size must be even");
    int d = shape_wrap_dim(dim, t->ndim);
    if (d < 0)
        return NULL;
    if (t->dims[d] % 2 != 0)
        return error(PyExc_RuntimeError, "Halving dimension must be even, but dimension %d is size %lld", d,
                     (long long)t->dims[d]);
    Tensor *a, *b, *out = NULL;
    if (halves(op_detach(t), d, &a, &b) == 0)
        out = op_mul(a, op_sigmoid(b));
    Node *n = out ? RECORD(OP_glu, out, t) : NULL;
    node_save(n, 0, t);
    node_save_ints(n, 1, (int64_t[]){d});
    return checked(out);
}

BACKWARD(glu)
{
    Tensor *a, *b;
    int64_t d = node_ints(n)[0];
    if (halves(node_saved(n, 0), d, &a, &b) < 0)
        return;
    Tensor *s = op_sigmoid(b), *g_a = op_mul(g, s);
    Tensor *g_b = op_mul(op_mul(g_a, a), op_scalar_left(OP_sub, 1, s));
    if (g_a && g_b)
        GRAD(0, op_cat(2, (Tensor *[]){g_a, g_b}, d));
}

/* ---------------------------------------------------------------- vectors */
static Tensor *
at_least(Tensor *t, double low)
{
    return op_pointwise(OP_clamp, 1, t, NULL, NULL, PARAM(low), (Param){HUGE_VAL, INT64_MAX});
}

/* The norm counts as at least eps. */
Tensor *
op_normalize(Tensor *t, double p, const Value *dims, double eps)
{
    return op_div(t, at_least(op_vector_norm(t, p, (int)dims->n, dims->ints, true, DTYPE_NONE), eps));
}

static Tensor *
unit(Tensor *t, int64_t dim, double eps)
{
    return op_div(t, at_least(op_vector_norm(t, 2, 1, &dim, true, DTYPE_NONE), eps));
}

Tensor *
op_cosine_similarity(Tensor *a, Tensor *b, int64_t dim, double eps)
{
    int64_t dims[NDIM_MAX];
    if (a == NULL || b == NULL)
        return NULL;
    int ndim = a->ndim;
    memcpy(dims, a->dims, (size_t)ndim * sizeof dims[0]);
    if (shape_broadcast(&ndim, dims, b->ndim, b->dims) == 0) {            /* else the product says what does not fit */
        a = op_expand(a, ndim, dims);
        b = op_expand(b, ndim, dims);
    }
    Dtype dtype = a ? (Dtype)a->dtype : DTYPE_NONE;
    bool narrow = a && b && (dtype == DTYPE_HALF || dtype == DTYPE_BF16) && b->dtype == a->dtype;
    if (narrow) { /* the gradient is a difference of nearly equal numbers, of which 16 bits keep nothing */
        a = op_to_dtype(a, DTYPE_FLOAT);
        b = op_to_dtype(b, DTYPE_FLOAT);
    }
    Tensor *product = op_mul(unit(a, dim, eps), unit(b, dim, eps));
    Tensor *cosine = op_sum_dims(product, 1, &dim, false);
    return narrow && cosine ? op_to_dtype(cosine, dtype) : cosine;
}

Tensor *
op_pairwise_distance(Tensor *a, Tensor *b, double p, double eps, bool keepdim)
{
    int64_t last = -1;
    return op_vector_norm(op_scalar(OP_add, op_sub(a, b), eps), p, 1, &last, keepdim, DTYPE_NONE);
}
