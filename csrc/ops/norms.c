/* Vector norms over any dims, and the distance of two tensors.  Squares are added up in double, so float32
 * norms neither overflow nor vanish before the result does. */
#include "ops/reduce.h"

#include <math.h>
#include <string.h>

#include "core/dtype.h"
#include "ops/ops.h"

static Tensor *
number(double value, Tensor *like)
{
    return like ? scope_keep(tensor_from_scalar(PARAM(value), (Dtype)like->dtype, like->device)) : NULL;
}

/* x with 0 where mask. */
static Tensor *
zero_where(Tensor *x, Tensor *mask)
{
    return op_masked_fill(x, mask, number(0, x));
}

/* ---------------------------------------------------------------- forward */
/* (sum |x|^p)^(1/p) for the other p. */
static Tensor *
power_norm(Tensor *t, const Span *s, double p)
{
    Tensor *powers = op_scalar(OP_pow, op_abs(op_to_dtype(op_detach(t), DTYPE_DOUBLE)), p);
    Tensor *sum = powers ? reduce_run(powers, s, FOLD_sum, DTYPE_DOUBLE, FINISH_DIVIDE, 1, NULL) : NULL;
    Tensor *root = op_scalar(OP_pow, sum, 1 / p);
    return root ? op_to_dtype(root, (Dtype)t->dtype) : NULL;
}

static Tensor *
norm_run(Tensor *t, const Span *s, double p)
{
    Dtype dtype = (Dtype)t->dtype;
    if (p == 2)
        return reduce_run(t, s, FOLD_squares, dtype, FINISH_SQRT, 1, NULL);
    if (p == 1)
        return reduce_run(t, s, FOLD_abs_sum, dtype, FINISH_DIVIDE, 1, NULL);
    if (p == 0)
        return reduce_run(t, s, FOLD_nonzeros, dtype, FINISH_DIVIDE, 1, NULL);
    if (isinf(p))
        return reduce_run(t, s, p > 0 ? FOLD_abs_max : FOLD_abs_min, dtype, FINISH_DIVIDE, 1, NULL);
    return power_norm(t, s, p);
}

static bool
narrows(Dtype from, Dtype to)
{
    return float_limits[from].max > float_limits[to].max || float_limits[from].eps < float_limits[to].eps;
}

Tensor *
norm_operand(const char *op, Tensor *t, Dtype dtype)
{
    if (dtype == DTYPE_NONE)
        return t;
    if (!dtype_is_float(dtype))
        return error(PyExc_RuntimeError, "%s: dtype should be floating point or complex, but got %s", op,
                     dtype_info[dtype].type_name);
    if (narrows((Dtype)t->dtype, dtype))
        return error(PyExc_RuntimeError,
                     "%s: the dtype of the input (%s) should be convertible without narrowing to the specified dtype (%s)",
                     op, dtype_info[t->dtype].type_name, dtype_info[dtype].type_name);
    return op_to_dtype(t, dtype);
}

static int
check_norm(const char *op, Tensor *t, const Span *s, double p)
{
    if (!dtype_is_float((Dtype)t->dtype)) {
        error(PyExc_RuntimeError,
              "%s: Expected a floating point or complex tensor as input. Got %s; convert with .float()", op,
              dtype_info[t->dtype].type_name);
        return -1;
    }
    if (s->n_elements == 0 && (p < 0 || isinf(p))) {
        char text[32];
        snprintf(text, sizeof text, "%g", p);
        error(PyExc_RuntimeError,
              "%s cannot compute the %s norm on an empty tensor because the operation does not have an "
              "identity",
              op, text);
        return -1;
    }
    return 0;
}

Tensor *
op_vector_norm(Tensor *t, double p, int n, const int64_t *dims, bool keepdim, Dtype dtype)
{
    Span s;
    if (t == NULL || span_of(&s, t, n, dims, keepdim) < 0 || check_norm("linalg.vector_norm", t, &s, p) < 0)
        return NULL;
    t = norm_operand("linalg.vector_norm", t, dtype);
    Tensor *out = t ? norm_run(t, &s, p) : NULL;
    Node *node = out ? RECORD(OP_linalg_vector_norm, out, t) : NULL;
    if (node != NULL) {
        node_save(node, 0, t);
        node_save_output(node, 1, out);
        span_save(node, t, &s);
        node_save_params(node, (Param){.f = p}, PARAM(0));
    }
    return PyErr_Occurred() ? NULL : out;
}

Tensor *
op_norm_named(Tensor *t, const char *p, const Value *dims, bool keepdim, Dtype dtype)
{
    if (strcmp(p, "fro") == 0)
        return op_vector_norm(t, 2, dims->given ? (int)dims->n : 0, dims->ints, keepdim, dtype);
    if (strcmp(p, "nuc") == 0) {
        int64_t all[NDIM_MAX];
        for (int i = 0; t != NULL && i < t->ndim; i++)
            all[i] = i;
        return t ? op_singular_norm(t, p, dims->given ? (int)dims->n : t->ndim, dims->given ? dims->ints : all, keepdim,
                                    dtype)
                 : NULL;
    }
    return error(PyExc_RuntimeError, "linalg.matrix_norm: Order %s not supported. Use 'fro' or a number", p);
}

/* ---------------------------------------------------------------- backward */
/* d |x|_p / d x times g, which broadcasts against x as y does; p is not 0, for a count has no gradient.  Where the
 * norm is 0 the subgradient 0 is taken. */
static Tensor *
norm_gradient(Tensor *x, Tensor *y, Tensor *g, double p, int n, const int64_t *dims)
{
    if (x == NULL || y == NULL || g == NULL)
        return NULL;
    if (p == 1)
        return op_mul(g, op_sign(x));
    if (p == 2)
        return op_mul(g, zero_where(op_div(x, y), op_scalar(OP_eq, y, 0)));
    if (isinf(p)) {
        Tensor *equal = op_to_dtype(op_logical_or(op_eq(op_abs(x), y), op_isnan(y)), (Dtype)x->dtype);
        Tensor *count = n > 0 ? op_sum_dims(equal, n, dims, true) : equal;
        return op_mul(op_mul(op_sign(x), equal), op_div(g, count));
    }
    if (p < 2) {
        Tensor *powers = op_mul(op_sign(x), op_scalar(OP_pow, op_abs(x), p - 1));
        if (p < 1)
            return op_mul(op_mul(zero_where(powers, op_scalar(OP_eq, x, 0)), g), op_scalar(OP_pow, y, 1 - p));
        return op_mul(powers, zero_where(op_mul(g, op_scalar(OP_pow, y, 1 - p)), op_scalar(OP_eq, y, 0)));
    }
    Tensor *scale = zero_where(op_div(g, op_scalar(OP_pow, y, p - 1)), op_scalar(OP_eq, y, 0));
    return op_mul(op_mul(x, op_scalar(OP_pow, op_abs(x), p - 2)), scale);
}

BACKWARD(linalg_vector_norm)
{
    int64_t dims[NDIM_MAX];
    int count = span_dims(n, dims);
    if (node_params(n)[0].f == 0)
        return;
    GRAD(0, norm_gradient(node_saved(n, 0), span_restore(n, node_saved(n, 1)), span_restore(n, g),
                          node_params(n)[0].f, count, dims));
}

/* ---------------------------------------------------------------- dist */
Tensor *
op_dist(Tensor *a, Tensor *b, double p)
{
    Span s;
    Tensor *difference = a && b ? op_sub(op_detach(a), op_detach(b)) : NULL;
    if (difference == NULL || span_of(&s, difference, 0, NULL, false) < 0 ||
        check_norm("norm()", difference, &s, p) < 0)
        return NULL;
    Tensor *out = norm_run(difference, &s, p);
    Node *node = out ? RECORD(OP_dist, out, a, b) : NULL;
    if (node != NULL) {
        node_save(node, 0, a);
        node_save(node, 1, b);
        node_save_output(node, 2, out);
        node_save_params(node, (Param){.f = p}, PARAM(0));
    }
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(dist)
{
    Tensor *a = node_saved(n, 0), *b = node_saved(n, 1), *difference = op_sub(a, b);
    int64_t dims[NDIM_MAX];
    int ndim = difference ? difference->ndim : 0;
    if (node_params(n)[0].f == 0)
        return;
    for (int i = 0; i < ndim; i++)
        dims[i] = i;
    Tensor *d = norm_gradient(difference, node_saved(n, 2), g, node_params(n)[0].f, ndim, dims);
    if (d == NULL)
        return;
    GRAD(0, op_sum_to_size(d, a->ndim, a->dims));
    GRAD(1, op_sum_to_size(op_neg(d), b->ndim, b->dims));
}
