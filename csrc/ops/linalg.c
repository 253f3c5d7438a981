/* Inverses and singular values of (batches of) matrices.  Both compute in double whatever the tensor's type: the matrices
 * are small, and the digits are worth more than the time. */
#include <string.h>

#include "ops/ops.h"

static int
check_matrices(const char *op, const Tensor *a)
{
    if (a->ndim < 2)
        error(PyExc_RuntimeError, "%s: The input tensor A must have at least 2 dimensions.", op);
    else if (!dtype_is_float((Dtype)a->dtype))
        error(PyExc_RuntimeError,
              "%s: Expected a floating point or complex tensor as input. Got %s; convert it with .float()", op,
              dtype_info[a->dtype].type_name);
    else if (a->dtype != DTYPE_FLOAT && a->dtype != DTYPE_DOUBLE)
        error(PyExc_RuntimeError, "%s: Low precision dtypes not supported. Got %s; convert it with .float()", op,
              dtype_info[a->dtype].type_name);
    else if (a->device.type == DEVICE_META)
        not_implemented_device(op, a);
    return PyErr_Occurred() ? -1 : 0;
}

static double *
doubles(Tensor *t)
{
    return (double *)(void *)t->data;
}

/* ---------------------------------------------------------------- inverse */
static Tensor *
singular_matrix(const Tensor *a, int64_t batch, int64_t column)
{
    char which[48] = "";
    if (a->ndim > 2)
        snprintf(which, sizeof which, "(Batch element %lld): ", (long long)batch);
    return error(LinAlgError_,
                 "linalg.inv: %sThe diagonal element %lld is zero, the inversion could not be completed because the "
                 "input matrix is singular.",
                 which, (long long)column + 1);
}

Tensor *
op_linalg_inv(Tensor *a)
{
    if (a == NULL || check_matrices("linalg.inv", a) < 0)
        return NULL;
    int64_t n = a->dims[a->ndim - 1], rows = a->dims[a->ndim - 2];
    if (rows != n)
        return error(PyExc_RuntimeError,
                     "linalg.inv: A must be batches of square matrices, but they are %lld by %lld matrices",
                     (long long)rows, (long long)n);
    Tensor *work = scope_keep(tensor_empty(a->ndim, a->dims, DTYPE_DOUBLE, a->device));
    Tensor *inverse = scope_keep(tensor_empty(a->ndim, a->dims, DTYPE_DOUBLE, a->device));
    if (work == NULL || inverse == NULL || copy_data(work, a) < 0)
        return NULL;
    int64_t singular = -1;
    Invert job = {n > 0 ? a->numel / (n * n) : 0, n, doubles(work), doubles(inverse), &singular};
    if (job.count > 0 && backend_of(a)->invert(&job) < 0)
        return NULL;
    if (singular >= 0)
        return singular_matrix(a, singular / n, singular % n);
    Tensor *out = op_to_dtype(inverse, (Dtype)a->dtype);
    node_save_output(out ? RECORD(OP_linalg_inv, out, a) : NULL, 0, out);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(linalg_inv)
{
    Tensor *y = op_mT(node_saved(n, 0));
    GRAD(0, op_neg(op_matmul(y, op_matmul(g, y))));
}

/* ---------------------------------------------------------------- singular values */
/* U (.., m, k), S (.., k), V^T (.., k, n) of a in double; NULL results with an error. */
static int
svd_run(Tensor *a, Tensor **u, Tensor **s, Tensor **vh)
{
    bool wide = a->dims[a->ndim - 2] < a->dims[a->ndim - 1];
    int64_t dims[NDIM_MAX], k = a->dims[a->ndim - (wide ? 2 : 1)], m = a->dims[a->ndim - (wide ? 1 : 2)];
    memcpy(dims, a->dims, (size_t)a->ndim * sizeof dims[0]);
    dims[a->ndim - 2] = k;
    dims[a->ndim - 1] = m;
    Tensor *w = scope_keep(tensor_empty(a->ndim, dims, DTYPE_DOUBLE, a->device));
    Tensor *columns = wide ? op_detach(a) : op_mT(op_detach(a));
    dims[a->ndim - 1] = k;
    Tensor *v = scope_keep(tensor_empty(a->ndim, dims, DTYPE_DOUBLE, a->device));
    *s = scope_keep(tensor_empty(a->ndim - 1, dims, DTYPE_DOUBLE, a->device));
    if (w == NULL || columns == NULL || v == NULL || *s == NULL || copy_data(w, columns) < 0)
        return -1;
    Tensor *finite = op_all(op_isfinite(w), 0, NULL, false);
    if (finite == NULL)
        return -1;
    if (!tensor_item(finite).i) {
        error(LinAlgError_, "linalg.svd: The algorithm failed to converge because the input matrix contained "
                            "non-finite values.");
        return -1;
    }
    Decompose job = {k > 0 ? v->numel / (k * k) : 0, m, k, doubles(w), doubles(v), doubles(*s)};
    if (job.count > 0 && backend_of(a)->decompose(&job) < 0)
        return -1;
    *u = wide ? op_mT(v) : op_mT(w);
    *vh = wide ? w : v;
    return *u != NULL && *vh != NULL ? 0 : -1;
}

/* ---------------------------------------------------------------- singular values: the op */
static int
svd_recorded(Tensor *a, Tensor **outs)
{
    Tensor *wide[3];
    if (check_matrices("linalg.svd", a) < 0 || svd_run(a, &wide[0], &wide[1], &wide[2]) < 0)
        return -1;
    for (int k = 0; k < 3; k++)
        if ((outs[k] = op_contiguous(op_to_dtype(wide[k], (Dtype)a->dtype))) == NULL)
            return -1;
    Node *n = node_record_many(OP_linalg_svd, 3, outs, 1, &a);
    for (int k = 0; k < 3; k++)
        node_save_output(n, k, outs[k]);
    return PyErr_Occurred() ? -1 : 0;
}

PyObject *
op_linalg_svd(Tensor *a)
{
    Tensor *outs[3];
    return a == NULL || svd_recorded(a, outs) < 0 ? NULL : PyTuple_Pack(3, outs[0], outs[1], outs[2]);
}

Tensor *
op_linalg_svdvals(Tensor *a)
{
    Tensor *outs[3];
    return a == NULL || svd_recorded(a, outs) < 0 ? NULL : outs[1];
}

/* (X - X^T) / E with X = vectors^T gradient; E of row i, column j is s_j^2 - s_i^2, 1 on the diagonal. */
static Tensor *
turned(Tensor *vectors, Tensor *gradient, Tensor *s)
{
    Tensor *x = op_matmul(op_mT(vectors), gradient), *squares = op_square(s);
    Tensor *eye = op_diag_embed(op_scalar(OP_add, op_scalar(OP_mul, op_detach(s), 0), 1), 0, -2, -1);
    Tensor *e = op_add(op_sub(op_unsqueeze(squares, -2), op_unsqueeze(squares, -1)), eye);
    return op_div(op_sub(x, op_mT(x)), e);
}

/* What of gradient / s does not lie in the span of vectors. */
static Tensor *
outside(Tensor *vectors, Tensor *gradient, Tensor *s)
{
    Tensor *scaled = op_div(gradient, op_unsqueeze(s, -2));
    return op_sub(scaled, op_matmul(vectors, op_matmul(op_mT(vectors), scaled)));
}

static Tensor *
plus(Tensor *a, Tensor *b)
{
    return a == NULL ? b : op_add(a, b);
}

BACKWARD(linalg_svd)
{
    Tensor *u = node_saved(n, 0), *s = node_saved(n, 1), *vh = node_saved(n, 2), *v = op_mT(vh), *sum = NULL;
    Tensor *gv = grads[2] ? op_mT(grads[2]) : NULL;
    if (u == NULL || s == NULL || v == NULL || !node_needs(n, 0))
        return;
    if (grads[0] == NULL && gv == NULL) {
        out[0] = op_matmul(op_mul(u, op_unsqueeze(grads[1], -2)), vh);
        return;
    }
    if (grads[0] != NULL)
        sum = op_mul(turned(u, grads[0], s), op_unsqueeze(s, -2));
    if (gv != NULL)
        sum = plus(sum, op_mul(turned(v, gv, s), op_unsqueeze(s, -1)));
    if (grads[1] != NULL)
        sum = plus(sum, op_diag_embed(grads[1], 0, -2, -1));
    Tensor *left = op_matmul(u, sum), *right = NULL;
    if (grads[0] != NULL)
        left = op_add(left, outside(u, grads[0], s));
    if (gv != NULL)
        right = op_matmul(u, op_mT(outside(v, gv, s)));
    Tensor *whole = op_matmul(left, vh);
    out[0] = gv != NULL ? op_add(whole, right) : whole;
}

/* ---------------------------------------------------------------- norms */
Tensor *
op_singular_norm(Tensor *a, const char *order, int n, const int64_t *dims, bool keepdim, Dtype dtype)
{
    const char *op = "linalg.matrix_norm";
    int64_t moved[NDIM_MAX], last = -1;
    if (a == NULL || check_matrices(op, a) < 0)
        return NULL;
    if (n != 2)
        return error(PyExc_RuntimeError, "%s: dim must be a 2-tuple. Got %s", op, shape_text(n, dims));
    int rows = shape_wrap_dim(dims[0], a->ndim), columns = shape_wrap_dim(dims[1], a->ndim), kept = 0;
    if (rows < 0 || columns < 0)
        return NULL;
    if (rows == columns)
        return error(PyExc_RuntimeError, "%s: dims must be different. Got %s", op, shape_text(n, dims));
    for (int d = 0; d < a->ndim; d++)
        if (d != rows && d != columns)
            moved[kept++] = d;
    moved[kept] = rows;
    moved[kept + 1] = columns;
    Tensor *x = norm_operand(op, a, dtype);
    Tensor *s = x ? op_linalg_svdvals(op_permute(x, x->ndim, moved)) : NULL, *out;
    if (s == NULL)
        return NULL;
    if (strcmp(order, "nuc") == 0 || (strcmp(order, "2") == 0 && s->dims[s->ndim - 1] == 0))
        out = op_sum_dims(s, 1, &last, false);
    else
        out = strcmp(order, "2") == 0 ? op_amax(s, 1, &last, false) : op_amin(s, 1, &last, false);
    if (out == NULL || !keepdim)
        return out;
    return op_unsqueeze(op_unsqueeze(out, rows < columns ? rows : columns), rows < columns ? columns : rows);
}
