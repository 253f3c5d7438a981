/* Pointwise and vector ops that are made of other ops.  Those with a gradient of their own compute on
 * detached operands and record one node under PyTorch's name; the others are differentiable because their
 * parts are. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/ops.h"
#include "ops/rows.h"

static Scalar
real(double value)
{
    return (Scalar){PARAM(value), CATEGORY_FLOAT};
}

static Tensor *
with_scalar(Op op, Tensor *a, Scalar b)
{
    if (a == NULL)
        return NULL;
    Operand in[2] = {{.tensor = a}, {.scalar = b}};
    return scope_keep(pointwise(op, in, rows[op].defaults, NULL));
}

/* condition ? value : t */
static Tensor *
replaced(Tensor *condition, double value, Tensor *t)
{
    if (condition == NULL || t == NULL)
        return NULL;
    Operand in[3] = {{.tensor = condition}, {.scalar = real(value)}, {.tensor = t}};
    return scope_keep(pointwise(OP_where, in, rows[OP_where].defaults, NULL));
}

static Tensor *
as_float(Tensor *t)
{
    return t == NULL || dtype_is_float((Dtype)t->dtype) ? t : op_to_dtype(t, default_dtype);
}

/* ---------------------------------------------------------------- bounds */
static int
refuse_bounds_of_bool(const char *op, Dtype dtype)
{
    return dtype == DTYPE_BOOL ? not_implemented_dtype(op, dtype) : 0;
}

/* masks[k]: which elements take their value from inputs[k], as PyTorch has it: where a NaN takes part, from nothing.  Not
 * the operands are saved, so that the in-place form may overwrite t. */
static void
save_sources(Node *n, Tensor *const *inputs, Tensor *const *masks)
{
    int64_t ints[3 * (NDIM_MAX + 1)];
    int used = 0;
    for (int k = 0; k < n->n_edges; k++) {
        int ndim = inputs[k] ? inputs[k]->ndim : 0;
        ints[used++] = ndim;
        if (ndim > 0)
            memcpy(ints + used, inputs[k]->dims, (size_t)ndim * sizeof ints[0]);
        used += ndim;
        node_save(n, k, masks[k]);
    }
    node_save_ints(n, used, ints);
}

static void
to_sources(Node *n, Tensor **out, Tensor *g)
{
    const int64_t *ints = node_ints(n);
    for (int k = 0; k < n->n_edges; k++) {
        if (node_needs(n, k))
            out[k] = op_sum_to_size(replaced(op_logical_not(node_saved(n, k)), 0, g), (int)ints[0], ints + 1);
        ints += 1 + ints[0];
    }
}

Tensor *
op_clamp_tensors(Tensor *t, Tensor *low, Tensor *high)
{
    if (t == NULL)
        return NULL;
    if (low == NULL && high == NULL)
        return error(PyExc_RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None");
    Operand in[3] = {{.tensor = t}, {.tensor = low ? low : t}, {.tensor = high ? high : t}};
    Dtype dtype = operands_dtype(3, in, -1);
    if (low != NULL && high != NULL && refuse_bounds_of_bool("clamp", dtype) < 0)
        return NULL;
    Tensor *x = op_detach(t), *out = op_to_dtype(x, dtype), *l = low ? op_detach(low) : NULL, *h = high ? op_detach(high) : NULL;
    if (low != NULL)
        out = op_where(op_logical_or(op_lt(out, l), op_isnan(l)), l, out);
    if (high != NULL)
        out = op_where(op_logical_or(op_gt(out, h), op_isnan(h)), h, out);
    Node *n = out ? RECORD(OP_clamp_tensors, out, t, low, high) : NULL;
    if (n != NULL) {
        Tensor *above = l ? op_ge(x, l) : NULL, *below = h ? op_le(x, h) : NULL, *masks[3] = {l ? above : below, NULL, NULL};
        if (l != NULL && h != NULL)
            masks[0] = op_logical_and(above, below);
        if (node_needs(n, 1))
            masks[1] = h ? op_logical_and(op_lt(x, l), op_lt(l, h)) : op_lt(x, l);
        if (node_needs(n, 2))
            masks[2] = l ? op_logical_or(op_gt(x, h), op_lt(h, l)) : op_gt(x, h);
        save_sources(n, (Tensor *[]){x, l, h}, masks);
    }
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(clamp_tensors)
{
    to_sources(n, out, g);
}

/* t where it keeps the bound, else the bound. */
static Tensor *
clamp_one_side(Op op, Tensor *t, const Value *bound, Op beyond, Op within)
{
    if (t == NULL)
        return NULL;
    Tensor *limit = bound->is_scalar ? NULL : op_detach(bound->tensor), *x = op_detach(t);
    if (x == NULL || (limit == NULL && !bound->is_scalar))
        return NULL;
    Operand compared[2] = {{.tensor = x}, {.tensor = limit, .scalar = bound->scalar}};
    if (limit == NULL && refuse_bounds_of_bool(rows[op].python, operands_dtype(2, compared, -1)) < 0)
        return NULL;
    if (limit == NULL && isnan(bound->scalar.value.f))      /* NaN replaces everything */
        beyond = OP_ne;
    Tensor *mask = scope_keep(pointwise(beyond, compared, rows[beyond].defaults, NULL)), *taken = mask;
    if (mask == NULL)
        return NULL;
    if (limit != NULL && dtype_is_float((Dtype)limit->dtype))
        mask = op_logical_or(mask, op_isnan(limit));
    Operand chosen[3] = {{.tensor = mask}, compared[1], compared[0]};
    Tensor *out = scope_keep(pointwise(OP_where, chosen, rows[OP_where].defaults, NULL));
    Node *n = out ? RECORD(op, out, t, bound->is_scalar ? NULL : bound->tensor) : NULL;
    node_set_variant(n, !bound->is_scalar);
    if (n != NULL) {
        Tensor *kept = scope_keep(pointwise(within, compared, rows[within].defaults, NULL));
        save_sources(n, (Tensor *[]){x, limit}, (Tensor *[]){kept, limit ? taken : NULL});
    }
    return PyErr_Occurred() ? NULL : out;
}

Tensor *
op_clamp_min(Tensor *t, const Value *low)
{
    return clamp_one_side(OP_clamp_min, t, low, OP_lt, OP_ge);
}

BACKWARD(clamp_min)
{
    to_sources(n, out, g);
}

Tensor *
op_clamp_max(Tensor *t, const Value *high)
{
    return clamp_one_side(OP_clamp_max, t, high, OP_gt, OP_le);
}

BACKWARD(clamp_max)
{
    to_sources(n, out, g);
}

Tensor *
op_positive(Tensor *t)
{
    if (t != NULL && t->dtype == DTYPE_BOOL)
        return error(PyExc_RuntimeError, "The `+` operator, on a bool tensor is not supported.");
    return t;
}

Tensor *
op_prelu(Tensor *t, Tensor *weight)
{
    if (t == NULL || weight == NULL)
        return NULL;
    if (weight->ndim > 1)
        return error(PyExc_RuntimeError,
                     "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = %d",
                     weight->ndim);
    int64_t channels = t->ndim > 1 ? t->dims[1] : 1, dims[NDIM_MAX];
    if (weight->numel != 1 && weight->numel != channels)
        return error(PyExc_RuntimeError,
                     "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                     "%lld, and channel size = %lld.",
                     (long long)weight->numel, (long long)channels);
    for (int d = 0; d < t->ndim; d++)
        dims[d] = d == (t->ndim > 1) ? weight->numel : 1;
    return op_prelu_kernel(t, op_reshape(weight, t->ndim, dims));
}

/* ---------------------------------------------------------------- logit */
Tensor *
op_logit(Tensor *t, double eps)
{
    t = as_float(t);
    if (t == NULL)
        return NULL;
    Tensor *x = op_detach(t);
    if (eps >= 0)
        x = op_pointwise(OP_clamp, 1, x, NULL, NULL, PARAM(eps), PARAM(1 - eps));
    Tensor *out = op_log(op_div(x, op_scalar_left(OP_sub, 1, x)));
    Node *n = out ? RECORD(OP_logit, out, t) : NULL;
    node_save(n, 0, t);
    node_save_params(n, PARAM(eps), PARAM(0));
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(logit)
{
    double eps = node_params(n)[0].f, low = eps < 0 ? 0 : eps;
    Tensor *x = node_saved(n, 0);
    Tensor *outside = op_logical_or(with_scalar(OP_lt, x, real(low)), with_scalar(OP_gt, x, real(1 - low)));
    Tensor *slope = op_div(g, op_abs(op_mul(x, op_scalar_left(OP_sub, 1, x))));      /* -0 is 0 */
    GRAD(0, replaced(outside, eps < 0 ? (double)NAN : 0, slope));
}

/* ---------------------------------------------------------------- nan_to_num */
static double
largest(Dtype dtype)
{
    switch (dtype) {
    case DTYPE_DOUBLE: return DBL_MAX;
    case DTYPE_HALF: return 65504;
    case DTYPE_BF16: return 3.3895313892515355e38;
    default: return (double)FLT_MAX;
    }
}

Tensor *
op_nan_to_num(Tensor *t, const Value *nan, const Value *posinf, const Value *neginf)
{
    if (t == NULL || !dtype_is_float((Dtype)t->dtype))
        return op_clone(t);
    double most = largest((Dtype)t->dtype);
    Tensor *x = op_detach(t);
    Tensor *out = replaced(op_isnan(x), nan->given ? nan->scalar.value.f : 0, x);
    out = replaced(with_scalar(OP_eq, x, real(HUGE_VAL)), posinf->given ? posinf->scalar.value.f : most, out);
    out =
        replaced(with_scalar(OP_eq, x, real(-HUGE_VAL)), neginf->given ? neginf->scalar.value.f : -most, out);
    Node *n = out ? RECORD(OP_nan_to_num, out, t) : NULL;
    node_save(n, 0, t);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(nan_to_num)
{
    GRAD(0, replaced(op_logical_not(op_isfinite(node_saved(n, 0))), 0, g));
}

/* ---------------------------------------------------------------- float_power */
static Operand
as_double(const Value *v)
{
    if (v->is_scalar)
        return (Operand){.scalar = {v->scalar.value, CATEGORY_FLOAT}};
    return (Operand){.tensor = op_to_dtype(v->tensor, DTYPE_DOUBLE)};
}

Tensor *
op_float_power(const Value *base, const Value *exponent)
{
    if (base->is_scalar && exponent->is_scalar)
        return error(PyExc_TypeError, "float_power(): at least one of input and exponent must be a Tensor");
    Operand in[2] = {as_double(base), as_double(exponent)};
    if (PyErr_Occurred())
        return NULL;
    return scope_keep(pointwise(OP_pow, in, rows[OP_pow].defaults, NULL));
}

/* ---------------------------------------------------------------- cross product */
/* The components in the order y, z, x. */
static Tensor *
turned(Tensor *t, int64_t dim)
{
    if (t == NULL)
        return NULL;
    Tensor *x = op_narrow(t, dim, 0, 1), *yz = op_narrow(t, dim, 1, 2);
    return x && yz ? op_cat(2, (Tensor *[]){yz, x}, dim) : NULL;
}

Tensor *
op_linalg_cross(Tensor *a, Tensor *b, int64_t dim)
{
    if (a == NULL || b == NULL)
        return NULL;
    if (a->ndim != b->ndim)
        return error(PyExc_RuntimeError,
                     "linalg.cross: inputs must have the same number of dimensions, got %d and %d", a->ndim,
                     b->ndim);
    int d = shape_wrap_dim(dim, a->ndim);
    if (d < 0)
        return NULL;
    if (a->ndim == 0 || a->dims[d] != 3 || b->dims[d] != 3)
        return error(PyExc_RuntimeError,
                     "linalg.cross: inputs dimension %d must have length 3. Got %s and %s", d,
                     shape_text(a->ndim, a->dims), shape_text(b->ndim, b->dims));
    Tensor *x = op_detach(a), *y = op_detach(b);
    Tensor *out = turned(op_sub(op_mul(x, turned(y, d)), op_mul(turned(x, d), y)), d);
    Node *n = out ? RECORD(OP_linalg_cross, out, a, b) : NULL;
    node_save(n, 0, a);
    node_save(n, 1, b);
    node_save_ints(n, 1, (int64_t[]){d});
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(linalg_cross)
{
    Tensor *a = node_saved(n, 0), *b = node_saved(n, 1);
    if (a == NULL || b == NULL)
        return;
    GRAD(0, op_sum_to_size(op_linalg_cross(b, g, node_ints(n)[0]), a->ndim, a->dims));
    GRAD(1, op_sum_to_size(op_linalg_cross(g, a, node_ints(n)[0]), b->ndim, b->dims));
}

Tensor *
op_cross(Tensor *a, Tensor *b, const int64_t *dim)
{
    if (a == NULL || dim != NULL)
        return op_linalg_cross(a, b, dim ? *dim : -1);
    for (int d = 0; d < a->ndim; d++)
        if (a->dims[d] == 3)
            return op_linalg_cross(a, b, d);
    return error(PyExc_RuntimeError, "no dimension of size 3 in input, whose shape is %s",
                 shape_text(a->ndim, a->dims));
}
