/* Inverses and singular values of (batches of) matrices.  Both compute in double whatever the tensor's type, and on the
 * host whatever its device: the matrices are small, and the digits are worth more than the time. */
#include <float.h>
#include <math.h>
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
static void
swap_rows(double *a, int64_t n, int64_t i, int64_t k)
{
    for (int64_t j = 0; j < n && i != k; j++) {
        double kept = a[i * n + j];
        a[i * n + j] = a[k * n + j];
        a[k * n + j] = kept;
    }
}

/* Gauss-Jordan elimination of [a | inverse] with the largest pivot of each column; inverse starts as the identity.
 * Returns the column without a pivot, or -1. */
static int64_t
invert(double *a, double *inverse, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
                pivot = i;
        if (a[pivot * n + k] == 0)
            return k;
        swap_rows(a, n, k, pivot);
        swap_rows(inverse, n, k, pivot);
        double scale = 1 / a[k * n + k];
        for (int64_t j = 0; j < n; j++) {
            a[k * n + j] *= scale;
            inverse[k * n + j] *= scale;
        }
        for (int64_t i = 0; i < n; i++) {
            double factor = a[i * n + k];
            for (int64_t j = 0; j < n && i != k; j++) {
                a[i * n + j] -= factor * a[k * n + j];
                inverse[i * n + j] -= factor * inverse[k * n + j];
            }
        }
    }
    return -1;
}

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
    Tensor *work = scope_keep(tensor_empty(a->ndim, a->dims, DTYPE_DOUBLE, CPU)), *host = op_on_host(a);
    Tensor *inverse = index_zeros(a->ndim, a->dims, DTYPE_DOUBLE, CPU);
    if (work == NULL || host == NULL || inverse == NULL || copy_data(work, host) < 0)
        return NULL;
    for (int64_t batch = 0; n > 0 && batch < a->numel / (n * n); batch++) {
        double *eye = doubles(inverse) + batch * n * n;
        for (int64_t i = 0; i < n; i++)
            eye[i * n + i] = 1;
        int64_t column = invert(doubles(work) + batch * n * n, eye, n);
        if (column >= 0)
            return singular_matrix(a, batch, column);
    }
    Tensor *out = op_back(op_to_dtype(inverse, (Dtype)a->dtype), a);
    node_save_output(out ? RECORD(OP_linalg_inv, out, a) : NULL, 0, out);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(linalg_inv)
{
    Tensor *y = op_mT(node_saved(n, 0));
    GRAD(0, op_neg(op_matmul(y, op_matmul(g, y))));
}

/* ---------------------------------------------------------------- singular values: one-sided Jacobi */
/* The k columns of w (length m) and of v (length k) are stored as rows.  Rotations that make the columns of w
 * orthogonal are gathered in v; the lengths of w's columns then are the singular values. */
typedef struct Jacobi {
    int64_t m, k;
    double *w, *v, *s;
} Jacobi;

/* In four sums, which do not wait for each other. */
static double
inner_product(const double *a, const double *b, int64_t n)
{
    double sums[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++)
            sums[k] += a[i + k] * b[i + k];
    for (; i < n; i++)
        sums[0] += a[i] * b[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static void
rotate(double *a, double *b, int64_t n, double c, double s)
{
    for (int64_t i = 0; i < n; i++) {
        double x = a[i], y = b[i];
        a[i] = c * x - s * y;
        b[i] = s * x + c * y;
    }
}

/* True if some pair was not orthogonal yet. */
static bool
sweep(const Jacobi *j)
{
    bool rotated = false;
    for (int64_t p = 0; p < j->k; p++)
        for (int64_t q = p + 1; q < j->k; q++) {
            double *a = j->w + p * j->m, *b = j->w + q * j->m;
            double aa = inner_product(a, a, j->m), bb = inner_product(b, b, j->m), ab = inner_product(a, b, j->m);
            if (ab == 0 || fabs(ab) <= (double)j->m * DBL_EPSILON * sqrt(aa * bb))
                continue;
            double zeta = (bb - aa) / (2 * ab);
            double t = copysign(1 / (fabs(zeta) + hypot(1, zeta)), zeta), c = 1 / sqrt(1 + t * t);
            rotate(a, b, j->m, c, c * t);
            rotate(j->v + p * j->k, j->v + q * j->k, j->k, c, c * t);
            rotated = true;
        }
    return rotated;
}

static void
swap_columns(double *a, int64_t n, int64_t i, int64_t k)
{
    for (int64_t j = 0; j < n; j++) {
        double kept = a[i * n + j];
        a[i * n + j] = a[k * n + j];
        a[k * n + j] = kept;
    }
}

/* A unit vector orthogonal to columns 0 .. p - 1 of w, for a singular value 0: what is left of some e_i, twice
 * orthogonalised. */
static void
complete(const Jacobi *j, int64_t p)
{
    double *a = j->w + p * j->m;
    for (int64_t i = 0; i < j->m; i++) {
        memset(a, 0, (size_t)j->m * sizeof *a);
        a[i] = 1;
        for (int64_t q = 0; q < 2 * p; q++) {
            const double *b = j->w + q % p * j->m;
            double share = inner_product(a, b, j->m);
            for (int64_t r = 0; r < j->m; r++)
                a[r] -= share * b[r];
        }
        double length = sqrt(inner_product(a, a, j->m));
        if (length * length * (double)(2 * j->m) < 1)    /* some e_i keeps a share of 1 / m */
            continue;
        for (int64_t r = 0; r < j->m; r++)
            a[r] /= length;
        return;
    }
}

/* w becomes the left singular vectors, s the values in descending order, v the right ones. */
static void
decompose(const Jacobi *j)
{
    enum { SWEEPS_MAX = 60 };    /* convergence is quadratic in the end: about ten do */
    double largest = 0;
    for (int64_t i = 0; i < j->m * j->k; i++)
        largest = fmax(largest, fabs(j->w[i]));
    double scale = largest > 0 ? largest : 1;    /* so that no square overflows or vanishes */
    for (int64_t i = 0; i < j->m * j->k; i++)
        j->w[i] /= scale;
    for (int64_t p = 0; p < j->k; p++)
        j->v[p * j->k + p] = 1;
    for (int done = 0; done < SWEEPS_MAX && sweep(j); done++)
        continue;
    for (int64_t p = 0; p < j->k; p++)
        j->s[p] = sqrt(inner_product(j->w + p * j->m, j->w + p * j->m, j->m));
    for (int64_t p = 0; p < j->k; p++) {
        int64_t top = p;
        for (int64_t q = p + 1; q < j->k; q++)
            top = j->s[q] > j->s[top] ? q : top;
        double length = j->s[top];
        j->s[top] = j->s[p];
        j->s[p] = length * scale;
        if (top != p) {
            swap_columns(j->w, j->m, p, top);
            swap_columns(j->v, j->k, p, top);
        }
        if (length > (double)j->m * DBL_EPSILON * j->s[0] / scale)
            for (int64_t r = 0; r < j->m; r++)
                j->w[p * j->m + r] /= length;
        else
            complete(j, p);
    }
}

/* U (.., m, k), S (.., k), V^T (.., k, n) of a in double on the host; NULL results with an error. */
static int
svd_run(Tensor *a, Tensor **u, Tensor **s, Tensor **vh)
{
    bool wide = a->dims[a->ndim - 2] < a->dims[a->ndim - 1];
    int64_t dims[NDIM_MAX], k = a->dims[a->ndim - (wide ? 2 : 1)], m = a->dims[a->ndim - (wide ? 1 : 2)];
    memcpy(dims, a->dims, (size_t)a->ndim * sizeof dims[0]);
    dims[a->ndim - 2] = k;
    dims[a->ndim - 1] = m;
    Tensor *w = scope_keep(tensor_empty(a->ndim, dims, DTYPE_DOUBLE, CPU)), *host = op_on_host(op_detach(a));
    Tensor *columns = wide ? host : op_mT(host);
    dims[a->ndim - 1] = k;
    Tensor *v = index_zeros(a->ndim, dims, DTYPE_DOUBLE, CPU);
    *s = index_zeros(a->ndim - 1, dims, DTYPE_DOUBLE, CPU);
    if (w == NULL || columns == NULL || v == NULL || *s == NULL || copy_data(w, columns) < 0)
        return -1;
    for (int64_t i = 0; i < w->numel; i++)
        if (!isfinite(doubles(w)[i])) {
            error(LinAlgError_, "linalg.svd: The algorithm failed to converge because the input matrix contained "
                                "non-finite values.");
            return -1;
        }
    for (int64_t batch = 0; k > 0 && batch < v->numel / (k * k); batch++)
        decompose(&(Jacobi){m, k, doubles(w) + batch * m * k, doubles(v) + batch * k * k, doubles(*s) + batch * k});
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
        if ((outs[k] = op_back(op_contiguous(op_to_dtype(wide[k], (Dtype)a->dtype)), a)) == NULL)
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
    Tensor *x = dtype == DTYPE_NONE ? a : op_to_dtype(a, dtype);
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
