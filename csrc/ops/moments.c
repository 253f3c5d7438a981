/* Variances and standard deviations: two passes, the second over squared deviations from the first one's
 * mean, both in double, so nothing cancels. */
#include "ops/reduce.h"

#include <math.h>

#include "ops/ops.h"
#include "ops/return_types.h"
#include "ops/rows.h"

typedef struct Moments {
    Tensor *mean;   /* double */
    Tensor *spread; /* var or std, of t's dtype */
} Moments;

static double
divisor_of(double count, double correction)
{
    return count > correction ? count - correction : 0;
}

static int
moments_run(Moments *m, Span *s, Op op, Tensor *t, int n, const int64_t *dims, double correction, bool keepdim)
{
    bool root = op == OP_std || op == OP_std_mean;
    m->mean = m->spread = NULL;
    if (t == NULL || span_of(s, t, n, dims, keepdim) < 0)
        return -1;
    if (!dtype_is_float((Dtype)t->dtype)) {
        error(PyExc_RuntimeError,
              "std and var only support floating point and complex dtypes; convert %s with .float()",
              dtype_info[t->dtype].type_name);
        return -1;
    }
    double divisor = divisor_of((double)s->n_elements, correction);
    if (divisor <= 0 &&
        PyErr_WarnFormat(PyExc_UserWarning, 1,
                         "%s(): degrees of freedom is <= 0. Correction should be strictly less than "
                         "the reduction factor (input numel divided by output numel).",
                         rows[op].python) < 0)
        return -1;
    m->mean = reduce_run(t, s, FOLD_sum, DTYPE_DOUBLE, FINISH_DIVIDE, (double)s->n_elements, NULL);
    if (m->mean != NULL)
        m->spread = reduce_run(t, s, FOLD_deviation, (Dtype)t->dtype, root ? FINISH_SQRT : FINISH_DIVIDE,
                               divisor, m->mean);
    return m->spread ? 0 : -1;
}

static void
save(Node *n, Tensor *t, const Span *s, double correction, Tensor *spread)
{
    if (n == NULL)
        return;
    node_save(n, 0, t);
    node_save_output(n, 1, spread);
    span_save(n, t, s);
    node_save_params(n, (Param){.f = correction}, PARAM(0));
}

static Tensor *
moment(Op op, Tensor *t, int n, const int64_t *dims, double correction, bool keepdim)
{
    Span s;
    Moments m;
    if (moments_run(&m, &s, op, t, n, dims, correction, keepdim) < 0)
        return NULL;
    save(RECORD(op, m.spread, t), t, &s, correction, m.spread);
    return PyErr_Occurred() ? NULL : m.spread;
}

Tensor *
op_var(Tensor *t, int n, const int64_t *dims, double correction, bool keepdim)
{
    return moment(OP_var, t, n, dims, correction, keepdim);
}

Tensor *
op_std(Tensor *t, int n, const int64_t *dims, double correction, bool keepdim)
{
    return moment(OP_std, t, n, dims, correction, keepdim);
}

/* d var / d x = 2 (x - mean) / divisor */
static Tensor *
var_gradient(Node *n, Tensor *g)
{
    Tensor *x = node_saved(n, 0);
    int64_t dims[NDIM_MAX];
    int count = span_dims(n, dims);
    Tensor *mean = count > 0 ? op_mean_dims(x, count, dims, true) : x;
    double divisor = divisor_of((double)span_count(n), node_params(n)[0].f);
    return op_mul(op_scalar(OP_mul, span_restore(n, g), 2 / divisor), op_sub(x, mean));
}

/* d std / d var = 1 / (2 std), taken as 0 where std is 0. */
static Tensor *
std_gradient(Node *n, Tensor *g)
{
    Tensor *y = node_saved(n, 1);
    Tensor *zero = y ? scope_keep(tensor_from_scalar(PARAM(0), (Dtype)y->dtype, y->device)) : NULL;
    Tensor *g_var = op_masked_fill(op_div(g, op_scalar(OP_mul, y, 2)), op_scalar(OP_eq, y, 0), zero);
    return g_var ? var_gradient(n, g_var) : NULL;
}

BACKWARD(var)
{
    GRAD(0, var_gradient(n, g));
}

BACKWARD(std)
{
    GRAD(0, std_gradient(n, g));
}

/* ---------------------------------------------------------------- with the mean */
static PyObject *
moment_and_mean(Op op, Tensor *t, int n, const int64_t *dims, double correction, bool keepdim)
{
    Span s;
    Moments m;
    if (moments_run(&m, &s, op, t, n, dims, correction, keepdim) < 0)
        return NULL;
    Tensor *outs[2] = {m.spread, op_to_dtype(m.mean, (Dtype)t->dtype)}, *inputs[1] = {t};
    if (outs[1] == NULL)
        return NULL;
    save(node_record_many(op, 2, outs, 1, inputs), t, &s, correction, m.spread);
    return return_tuple(outs[0], outs[1]);
}

PyObject *
op_var_mean(Tensor *t, int n, const int64_t *dims, double correction, bool keepdim)
{
    return moment_and_mean(OP_var_mean, t, n, dims, correction, keepdim);
}

PyObject *
op_std_mean(Tensor *t, int n, const int64_t *dims, double correction, bool keepdim)
{
    return moment_and_mean(OP_std_mean, t, n, dims, correction, keepdim);
}

static Tensor *
gradient_with_mean(Node *n, Tensor *g_spread, Tensor *g_mean, bool root)
{
    Tensor *sum = NULL;
    if (g_spread != NULL)
        sum = root ? std_gradient(n, g_spread) : var_gradient(n, g_spread);
    if (g_mean == NULL || PyErr_Occurred())
        return sum;
    Tensor *part = op_scalar(OP_div, span_spread(n, g_mean), (double)span_count(n));
    return sum ? op_add(sum, part) : part;
}

BACKWARD(var_mean)
{
    GRAD(0, gradient_with_mean(n, grads[0], grads[1], false));
}

BACKWARD(std_mean)
{
    GRAD(0, gradient_with_mean(n, grads[0], grads[1], true));
}
