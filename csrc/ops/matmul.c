/* Matrix products: every one becomes a call of the backend's gemm over strided operands, so transposed views cost no
 * copy.  Gradients are products again.  Half types are widened to float, multiplied, and rounded once. */
#include "ops/matmul.h"

#include <math.h>
#include <string.h>

#include "ops/extra.h"
#include "ops/ops.h"

/* ---------------------------------------------------------------- one product */
static Tensor *
widened(Tensor *t)
{
    if (t == NULL || (t->dtype != DTYPE_HALF && t->dtype != DTYPE_BF16))
        return t;
    Tensor *wide = scope_keep(tensor_empty(t->ndim, t->dims, DTYPE_FLOAT, t->device));
    return wide == NULL || copy_data(wide, t) < 0 ? NULL : wide;
}

/* out (batch x m x n, or m x n) = a b [+ bias], then max(0, .) if relu; a and b may have any strides, out is dense. */
static int
multiply(Tensor *out, Tensor *a, Tensor *b, Tensor *bias, bool relu)
{
    if (out->numel == 0)
        return 0;
    Tensor *wide_a = widened(a), *wide_b = widened(b), *wide_bias = widened(bias), *target = out;
    if (wide_a == NULL || wide_b == NULL || (bias != NULL && wide_bias == NULL))
        return -1;
    if (wide_a != a && (target = scope_keep(tensor_empty(out->ndim, out->dims, DTYPE_FLOAT, out->device))) == NULL)
        return -1;
    int row = out->ndim - 2, batched = out->ndim == 3;
    if (wide_bias != NULL && wide_bias->strides[0] != 1 && (wide_bias = op_contiguous(wide_bias)) == NULL)
        return -1;
    Gemm g = {
        .m = out->dims[row], .n = out->dims[row + 1], .k = a->dims[a->ndim - 1],
        .a = wide_a->data, .a_row = wide_a->strides[a->ndim - 2], .a_col = wide_a->strides[a->ndim - 1],
        .b = wide_b->data, .b_row = wide_b->strides[b->ndim - 2], .b_col = wide_b->strides[b->ndim - 1],
        .c = target->data, .c_row = target->dims[row + 1], .bias = wide_bias ? wide_bias->data : NULL, .relu = relu,
    };
    const Backend *backend = backend_of(out);
    if (backend->gemm == NULL)
        return not_implemented_device("mm", out);
    if (backend->gemm((Dtype)target->dtype, &g, batched ? out->dims[0] : 1, batched ? wide_a->strides[0] : 0,
                      batched ? wide_b->strides[0] : 0, g.m * g.n) < 0)
        return -1;
    return target == out ? 0 : copy_data(out, target);
}

static int
check_product_dtypes(const char *name, Tensor *a, Tensor *b)
{
    Tensor *both[2] = {a, b};
    if (check_same_device(name, 2, both) < 0)
        return -1;
    if (a->dtype != b->dtype) {
        error(PyExc_RuntimeError, "expected m1 and m2 to have the same dtype, but got: %s != %s (in %s: convert one with "
                                  ".to(dtype))", dtype_info[a->dtype].name, dtype_info[b->dtype].name, name);
        return -1;
    }
    return a->dtype == DTYPE_BOOL ? not_implemented_dtype(name, DTYPE_BOOL) : 0;
}

/* ---------------------------------------------------------------- mm */
Tensor *
op_mm(Tensor *a, Tensor *b)
{
    if (a == NULL || b == NULL)
        return NULL;
    if (a->ndim != 2 || b->ndim != 2)
        return error(PyExc_RuntimeError, "%s must be a matrix: mm needs two 2-D tensors, got shapes %s and %s; matmul "
                                         "broadcasts", a->ndim != 2 ? "self" : "mat2", shape_text(a->ndim, a->dims),
                     shape_text(b->ndim, b->dims));
    if (a->dims[1] != b->dims[0])
        return error(PyExc_RuntimeError, "mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)",
                     (long long)a->dims[0], (long long)a->dims[1], (long long)b->dims[0], (long long)b->dims[1]);
    if (check_product_dtypes("mm", a, b) < 0)
        return NULL;
    Tensor *out = scope_keep(tensor_empty(2, (int64_t[]){a->dims[0], b->dims[1]}, (Dtype)a->dtype, a->device));
    if (out == NULL || multiply(out, a, b, NULL, false) < 0)
        return NULL;
    Node *n = RECORD(OP_mm, out, a, b);
    if (n != NULL) {
        if (node_needs(n, 1))
            node_save(n, 0, a);
        if (node_needs(n, 0))
            node_save(n, 1, b);
    }
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(mm)
{
    GRAD(0, op_mm(g, op_mT(node_saved(n, 1))));
    GRAD(1, op_mm(op_mT(node_saved(n, 0)), g));
}

/* ---------------------------------------------------------------- bmm */
Tensor *
op_bmm(Tensor *a, Tensor *b)
{
    if (a == NULL || b == NULL)
        return NULL;
    if (a->ndim != 3 || b->ndim != 3)
        return error(PyExc_RuntimeError, "batch1 and batch2 must be 3D tensors: bmm got shapes %s and %s",
                     shape_text(a->ndim, a->dims), shape_text(b->ndim, b->dims));
    if (a->dims[0] != b->dims[0] || a->dims[2] != b->dims[1])
        return error(PyExc_RuntimeError, "Expected size for first two dimensions of batch2 tensor to be: [%lld, %lld] but "
                                         "got: [%lld, %lld].", (long long)a->dims[0], (long long)a->dims[2],
                     (long long)b->dims[0], (long long)b->dims[1]);
    if (check_product_dtypes("bmm", a, b) < 0)
        return NULL;
    int64_t dims[3] = {a->dims[0], a->dims[1], b->dims[2]};
    Tensor *out = scope_keep(tensor_empty(3, dims, (Dtype)a->dtype, a->device));
    if (out == NULL || multiply(out, a, b, NULL, false) < 0)
        return NULL;
    Node *n = RECORD(OP_bmm, out, a, b);
    node_save(n, 0, a);
    node_save(n, 1, b);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(bmm)
{
    GRAD(0, op_bmm(g, op_mT(node_saved(n, 1))));
    GRAD(1, op_bmm(op_mT(node_saved(n, 0)), g));
}

/* ---------------------------------------------------------------- vectors */
/* The same memory seen with other dims, outside autograd: recorded by the caller. */
static Tensor *
raw_view(Tensor *t, int ndim, const int64_t *dims, const int64_t *strides)
{
    return scope_keep(tensor_strided(t->storage, t->data, ndim, dims, strides, (Dtype)t->dtype));
}

static Tensor *
raw_column(Tensor *v)
{
    return raw_view(v, 2, (int64_t[]){v->dims[0], 1}, (int64_t[]){v->strides[0], 1});
}

Tensor *
op_mv(Tensor *a, Tensor *v)
{
    if (a == NULL || v == NULL)
        return NULL;
    if (a->ndim != 2 || v->ndim != 1)
        return error(PyExc_RuntimeError, "vector + matrix @ vector expected, got %d, %d: mv needs a matrix and a vector",
                     a->ndim, v->ndim);
    if (a->dims[1] != v->dims[0])
        return error(PyExc_RuntimeError, "size mismatch, got input (%lld), mat (%lldx%lld), vec (%lld)",
                     (long long)a->dims[0], (long long)a->dims[0], (long long)a->dims[1], (long long)v->dims[0]);
    if (check_product_dtypes("mv", a, v) < 0)
        return NULL;
    Tensor *out = scope_keep(tensor_empty(1, a->dims, (Dtype)a->dtype, a->device));
    Tensor *column = raw_column(v), *target = out ? raw_column(out) : NULL;
    if (column == NULL || target == NULL || multiply(target, a, column, NULL, false) < 0)
        return NULL;
    Node *n = RECORD(OP_mv, out, a, v);
    node_save(n, 0, a);
    node_save(n, 1, v);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(mv)
{
    GRAD(0, op_outer(g, node_saved(n, 1)));
    GRAD(1, op_mv(op_t(node_saved(n, 0)), g));
}

Tensor *
op_dot(Tensor *a, Tensor *b)
{
    if (a == NULL || b == NULL)
        return NULL;
    if (a->ndim != 1 || b->ndim != 1)
        return error(PyExc_RuntimeError, "1D tensors expected, but got %dD and %dD tensors", a->ndim, b->ndim);
    if (a->dims[0] != b->dims[0])
        return error(PyExc_RuntimeError, "inconsistent tensor size, expected tensor [%lld] and src [%lld] to have the same "
                                         "number of elements, but got %lld and %lld elements respectively",
                     (long long)a->dims[0], (long long)b->dims[0], (long long)a->dims[0], (long long)b->dims[0]);
    if (a->dtype != b->dtype)
        return error(PyExc_RuntimeError, "dot : expected both vectors to have same dtype, but found %s and %s",
                     dtype_info[a->dtype].type_name, dtype_info[b->dtype].type_name);
    if (check_product_dtypes("dot", a, b) < 0)
        return NULL;
    Tensor *out = scope_keep(tensor_empty(0, NULL, (Dtype)a->dtype, a->device));
    if (out == NULL)
        return NULL;
    int64_t one[2] = {1, 1}, row[2] = {1, a->dims[0]}, row_strides[2] = {1, a->strides[0]};
    Tensor *target = raw_view(out, 2, one, one), *left = raw_view(a, 2, row, row_strides), *right = raw_column(b);
    if (target == NULL || left == NULL || right == NULL || multiply(target, left, right, NULL, false) < 0)
        return NULL;
    Node *n = RECORD(OP_dot, out, a, b);
    node_save(n, 0, a);
    node_save(n, 1, b);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(dot)
{
    GRAD(0, op_mul(g, node_saved(n, 1)));
    GRAD(1, op_mul(g, node_saved(n, 0)));
}

Tensor *
op_outer(Tensor *a, Tensor *b)
{
    if (a == NULL || b == NULL)
        return NULL;
    if (a->ndim != 1 || b->ndim != 1)
        return error(PyExc_RuntimeError, "outer: Expected 1-D argument %s, but got %d-D", a->ndim != 1 ? "self" : "vec2",
                     a->ndim != 1 ? a->ndim : b->ndim);
    return op_mul(op_reshape(a, 2, (int64_t[]){a->dims[0], 1}), b);
}

/* ---------------------------------------------------------------- matmul */
/* x (..., m, k) @ y (k, n): one product over all rows. */
static Tensor *
matmul_folded(Tensor *a, Tensor *b)
{
    int64_t dims[NDIM_MAX], rows = 1;
    for (int i = 0; i < a->ndim - 1; i++)
        rows *= dims[i] = a->dims[i];
    Tensor *flat = op_reshape(a, 2, (int64_t[]){rows, a->dims[a->ndim - 1]});
    if (b->ndim == 1)
        return op_unsafe_view(op_mv(flat, b), a->ndim - 1, dims);
    dims[a->ndim - 1] = b->dims[1];
    return op_unsafe_view(op_mm(flat, b), a->ndim, dims);
}

static Tensor *
matmul_batched(Tensor *a, Tensor *b)
{
    int ndim = a->ndim - 2, b_ndim = b->ndim - 2;
    int64_t batch[NDIM_MAX], dims[NDIM_MAX], count = 1;
    memcpy(batch, a->dims, (size_t)ndim * sizeof batch[0]);
    if (shape_broadcast(&ndim, batch, b_ndim, b->dims) < 0)
        return error(PyExc_RuntimeError, "The size of tensor a must match the size of tensor b: matmul of shapes %s and %s; "
                                         "the dims before the last two must broadcast",
                     shape_text(a->ndim, a->dims), shape_text(b->ndim, b->dims));
    for (int i = 0; i < ndim; i++)
        count *= batch[i];
    Tensor *parts[2] = {a, b};
    for (int k = 0; k < 2; k++) {
        memcpy(dims, batch, (size_t)ndim * sizeof dims[0]);
        memcpy(dims + ndim, parts[k]->dims + parts[k]->ndim - 2, 2 * sizeof dims[0]);
        int64_t *matrix = dims + ndim;
        parts[k] = op_reshape(op_expand(parts[k], ndim + 2, dims), 3, (int64_t[]){count, matrix[0], matrix[1]});
        if (parts[k] == NULL)
            return NULL;
    }
    memcpy(dims, batch, (size_t)ndim * sizeof dims[0]);
    dims[ndim] = a->dims[a->ndim - 2];
    dims[ndim + 1] = b->dims[b->ndim - 1];
    Tensor *out = op_bmm(parts[0], parts[1]);
    return ndim == 1 && out != NULL && out->dims[0] == batch[0] ? out : op_unsafe_view(out, ndim + 2, dims);
}

Tensor *
op_matmul(Tensor *a, Tensor *b)
{
    if (a == NULL || b == NULL)
        return NULL;
    if (a->ndim == 0 || b->ndim == 0)
        return error(PyExc_RuntimeError, "both arguments to matmul need to be at least 1D, but they are %dD and %dD", a->ndim,
                     b->ndim);
    if (a->ndim == 1 && b->ndim == 1)
        return op_dot(a, b);
    if (a->ndim == 2 && b->ndim == 1)
        return op_mv(a, b);
    if (a->ndim == 2 && b->ndim == 2)
        return op_mm(a, b);
    if (a->ndim == 1 && b->ndim == 2)
        return op_squeeze_(op_mm(op_unsqueeze(a, 0), b), 1, (int64_t[]){0});
    int64_t inner_a = a->dims[a->ndim - 1], inner_b = b->dims[b->ndim > 1 ? b->ndim - 2 : 0];
    if (inner_a != inner_b)
        return error(PyExc_RuntimeError, "mat1 and mat2 shapes cannot be multiplied: matmul of shapes %s and %s; the last "
                                         "dimension of the first (%lld) must equal the %s of the second (%lld)",
                     shape_text(a->ndim, a->dims), shape_text(b->ndim, b->dims), (long long)inner_a,
                     b->ndim > 1 ? "last but one" : "length", (long long)inner_b);
    if (b->ndim <= 2)
        return matmul_folded(a, b);
    if (a->ndim == 1)
        return op_squeeze(matmul_batched(op_unsqueeze(a, 0), b), (int64_t[]){-2}, 1);
    return matmul_batched(a, b);
}

Tensor *
op_inner(Tensor *a, Tensor *b)
{
    if (a == NULL || b == NULL)
        return NULL;
    if (a->ndim == 0 || b->ndim == 0)
        return op_mul(a, b);
    if (a->dims[a->ndim - 1] != b->dims[b->ndim - 1])
        return error(PyExc_RuntimeError, "inner() the last dimension must match on both input tensors but got shapes %s and "
                                         "%s", shape_text(a->ndim, a->dims), shape_text(b->ndim, b->dims));
    int64_t dims[2 * NDIM_MAX], k = a->dims[a->ndim - 1];
    int ndim = 0;
    for (int i = 0; i < a->ndim - 1; i++)
        dims[ndim++] = a->dims[i];
    for (int i = 0; i < b->ndim - 1; i++)
        dims[ndim++] = b->dims[i];
    Tensor *left = op_reshape(a, 2, (int64_t[]){shape_numel(a->ndim - 1, a->dims), k});
    Tensor *right = op_reshape(b, 2, (int64_t[]){shape_numel(b->ndim - 1, b->dims), k});
    return op_reshape(op_mm(left, op_mT(right)), ndim, dims);
}

/* ---------------------------------------------------------------- with an addend */
/* A gradient's, which is of a float dtype. */
static Tensor *
scaled(Tensor *t, double factor)
{
    return factor == 1 ? t : op_scalar(OP_mul, t, factor);
}

/* Products of halves are scaled as floats; addr is made of steps that round each. */
static int
check_factors(Op op, Dtype dtype, Scalar beta, Scalar alpha)
{
    if (op != OP_addr && dtype_is_float(dtype) && dtype != DTYPE_DOUBLE)
        dtype = DTYPE_FLOAT;
    return scalar_check_fits(&beta, dtype) < 0 || scalar_check_fits(&alpha, dtype) < 0 ? -1 : 0;
}

static Tensor *
scaled_sum(Op op, Tensor *addend, Tensor *product, Scalar beta, Scalar alpha)
{
    Dtype dtype = operands_dtype(2, (Operand[]){{.tensor = addend}, {.tensor = product}}, -1);
    if (check_factors(op, dtype, beta, alpha) < 0)
        return NULL;
    Tensor *out = op_scaled(op_to_dtype(product, dtype), alpha);
    return beta.value.f == 0 ? out : op_add(op_scaled(op_to_dtype(addend, dtype), beta), out);
}

/* beta input + alpha product(a, b), one node for all of it. */
static Tensor *
add_product(Op op, Tensor *input, Tensor *(*product)(Tensor *, Tensor *), Tensor *a, Tensor *b, Scalar beta, Scalar alpha)
{
    if (input == NULL || a == NULL || b == NULL)
        return NULL;
    bool recorded = grad_mode;
    grad_mode = false;
    Tensor *out = product(a, b);
    if (out != NULL && op != OP_addr && input->dtype != out->dtype)
        out = error(PyExc_RuntimeError, "self and mat2 must have the same dtype, but got %s and %s",
                    dtype_info[input->dtype].type_name, dtype_info[out->dtype].type_name);
    Tensor *addend = out ? op_expand(input, out->ndim, out->dims) : NULL;
    out = addend ? scaled_sum(op, addend, out, beta, alpha) : NULL;
    grad_mode = recorded;
    Node *n = out ? RECORD(op, out, input, a, b) : NULL;
    node_save(n, 0, a);
    node_save(n, 1, b);
    node_save_params(n, beta.value, alpha.value);
    return PyErr_Occurred() ? NULL : out;
}

/* Of beta input + alpha a b, where product multiplies a and b. */
static void
sum_gradients(Node *n, Tensor *g, Tensor **out, Tensor *(*product)(Tensor *, Tensor *))
{
    double beta = node_params(n)[0].f, alpha = node_params(n)[1].f;
    GRAD(0, scaled(g, beta));
    GRAD(1, scaled(product(g, op_mT(node_saved(n, 1))), alpha));
    GRAD(2, scaled(product(op_mT(node_saved(n, 0)), g), alpha));
}

Tensor *
op_addmm(Tensor *input, Tensor *a, Tensor *b, Scalar beta, Scalar alpha)
{
    return add_product(OP_addmm, input, op_mm, a, b, beta, alpha);
}

BACKWARD(addmm)
{
    sum_gradients(n, g, out, op_mm);
}

Tensor *
op_addmv(Tensor *input, Tensor *a, Tensor *v, Scalar beta, Scalar alpha)
{
    return add_product(OP_addmv, input, op_mv, a, v, beta, alpha);
}

BACKWARD(addmv)
{
    double beta = node_params(n)[0].f, alpha = node_params(n)[1].f;
    GRAD(0, scaled(g, beta));
    GRAD(1, scaled(op_outer(g, node_saved(n, 1)), alpha));
    GRAD(2, scaled(op_mv(op_mT(node_saved(n, 0)), g), alpha));
}

static Tensor *
bool_scaled(Tensor *t, double factor)
{
    return factor != 0 ? t : op_logical_xor(t, t);
}

Tensor *
op_addr(Tensor *input, Tensor *a, Tensor *b, Scalar beta, Scalar alpha)
{
    double by = beta.value.f, times = alpha.value.f;
    bool truth = input && a && b && input->dtype == DTYPE_BOOL && a->dtype == DTYPE_BOOL && b->dtype == DTYPE_BOOL;
    bool whole = input && a && b && !dtype_is_float((Dtype)input->dtype) && !dtype_is_float((Dtype)a->dtype)
                 && !dtype_is_float((Dtype)b->dtype);
    if (whole && (by != floor(by) || times != floor(times)))
        return error(PyExc_RuntimeError, "For integral input tensors, argument %s must not be a floating point number.",
                     by != floor(by) ? "beta" : "alpha");
    if (truth)
        return op_logical_or(bool_scaled(input, by), bool_scaled(op_outer(a, b), times));
    return add_product(OP_addr, input, op_outer, a, b, beta, alpha);
}

BACKWARD(addr)
{
    double beta = node_params(n)[0].f, alpha = node_params(n)[1].f;
    GRAD(0, scaled(g, beta));
    GRAD(1, scaled(op_mv(g, node_saved(n, 1)), alpha));
    GRAD(2, scaled(op_mv(op_mT(g), node_saved(n, 0)), alpha));
}

Tensor *
op_baddbmm(Tensor *input, Tensor *a, Tensor *b, Scalar beta, Scalar alpha)
{
    for (int i = 0; a != NULL && b != NULL && i < 3; i++)      /* PyTorch asks for the sizes before the dims */
        if (shape_wrap_dim(i, i < 2 ? a->ndim : b->ndim) < 0)
            return NULL;
    return add_product(OP_baddbmm, input, op_bmm, a, b, beta, alpha);
}

BACKWARD(baddbmm)
{
    sum_gradients(n, g, out, op_bmm);
}

/* ---------------------------------------------------------------- linear */
static int
check_linear(Tensor *x, Tensor *w, Tensor *bias)
{
    if (w->ndim != 2 || x->ndim == 0 || (bias != NULL && bias->ndim != 1)) {
        error(PyExc_RuntimeError, "linear: input must have a dimension, weight 2 and bias 1, got shapes %s, %s and %s",
              shape_text(x->ndim, x->dims), shape_text(w->ndim, w->dims), bias ? shape_text(bias->ndim, bias->dims) : "None");
        return -1;
    }
    int64_t k = x->dims[x->ndim - 1];
    if (k != w->dims[1]) {
        error(PyExc_RuntimeError, "mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)",
              (long long)(k ? x->numel / k : 0), (long long)k, (long long)w->dims[1], (long long)w->dims[0]);
        return -1;
    }
    if (bias != NULL && bias->dims[0] != w->dims[0]) {
        error(PyExc_RuntimeError, "The expanded size of the tensor (%lld) must match the existing size (%lld): linear's bias "
                                  "has %s, its weight %s", (long long)w->dims[0], (long long)bias->dims[0],
              shape_text(bias->ndim, bias->dims), shape_text(w->ndim, w->dims));
        return -1;
    }
    Tensor *all[3] = {x, w, bias};
    if (check_same_device("linear", 3, all) < 0)
        return -1;
    if (x->dtype != w->dtype || (bias != NULL && bias->dtype != w->dtype)) {
        error(PyExc_RuntimeError, "mat1 and mat2 must have the same dtype, but got %s and %s: convert the input with "
                                  ".to(weight.dtype), or the model with model.to(dtype)",
              dtype_info[x->dtype].type_name, dtype_info[w->dtype].type_name);
        return -1;
    }
    return x->dtype == DTYPE_BOOL ? not_implemented_dtype("linear", DTYPE_BOOL) : 0;
}

/* The product, its bias and a ReLU in one pass over the output, recorded as the ops that they are. */
static Tensor *
linear_matrix(Tensor *x, Tensor *w, Tensor *bias, bool relu)
{
    if (x == NULL)
        return NULL;
    Tensor *out = scope_keep(tensor_empty(2, (int64_t[]){x->dims[0], w->dims[0]}, (Dtype)x->dtype, x->device));
    Tensor *wt = raw_view(w, 2, (int64_t[]){w->dims[1], w->dims[0]}, (int64_t[]){w->strides[1], w->strides[0]});
    if (out == NULL || wt == NULL || multiply(out, x, wt, bias, relu) < 0)
        return NULL;
    Node *n = bias ? RECORD(OP_linear, out, bias, x, w) : RECORD(OP_linear_no_bias, out, x, w);
    if (n != NULL) {
        int first = bias ? 1 : 0;
        if (node_needs(n, first + 1))
            node_save(n, 0, x);
        if (node_needs(n, first))
            node_save(n, 1, w);
    }
    if (n != NULL && relu)
        pointwise_record(OP_relu, out);
    return PyErr_Occurred() ? NULL : out;
}

Tensor *
op_linear_relu(Tensor *x, Tensor *w, Tensor *bias)
{
    if (x == NULL || w == NULL || check_linear(x, w, bias) < 0)
        return NULL;
    bool one_kernel = x->ndim == 2 && (x->dtype == DTYPE_FLOAT || x->dtype == DTYPE_DOUBLE);
    return one_kernel ? linear_matrix(x, w, bias, true) : op_relu(op_linear(x, w, bias));
}

Tensor *
op_linear(Tensor *x, Tensor *w, Tensor *bias)
{
    if (x == NULL || w == NULL || check_linear(x, w, bias) < 0)
        return NULL;
    if (x->ndim == 2)
        return linear_matrix(x, w, bias, false);
    if (x->ndim == 1 && bias == NULL)
        return op_squeeze_(linear_matrix(op_unsqueeze(x, 0), w, NULL, false), 1, (int64_t[]){0});
    int64_t dims[NDIM_MAX], k = x->dims[x->ndim - 1], rows = 1;
    for (int i = 0; i < x->ndim - 1; i++)
        rows *= dims[i] = x->dims[i];
    dims[x->ndim - 1] = w->dims[0];
    bool fused = bias != NULL && (x->contiguous || x->ndim == 1);
    Tensor *flat = op_reshape(x, 2, (int64_t[]){rows, k});
    Tensor *out = linear_matrix(flat, w, fused ? bias : NULL, false);
    if (out == NULL)
        return NULL;
    if (fused)
        return op_view(out, x->ndim, dims);
    out = op_unsafe_view(out, x->ndim, dims);
    return bias ? op_inplace(OP_add, out, bias, 1) : out;
}

BACKWARD(linear)
{
    GRAD(0, op_sum_dims(g, 1, (int64_t[]){0}, false));
    GRAD(1, op_mm(g, node_saved(n, 1)));
    GRAD(2, op_mm(op_mT(g), node_saved(n, 0)));
}

BACKWARD(linear_no_bias)
{
    GRAD(0, op_mm(g, node_saved(n, 1)));
    GRAD(1, op_mm(op_mT(g), node_saved(n, 0)));
}
