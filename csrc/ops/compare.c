/* Whole tensors compared: equal, isclose, allclose. */
#include <math.h>
#include <string.h>

#include "ops/ops.h"

static int
check_close_arguments(Tensor *a, Tensor *b, double rtol, double atol)
{
    if (a == NULL || b == NULL)
        return -1;
    if (a->dtype != b->dtype) {
        error(PyExc_RuntimeError, "%s did not match %s: isclose and allclose compare tensors of one dtype",
              dtype_info[a->dtype].type_name, dtype_info[b->dtype].type_name);
        return -1;
    }
    if (rtol < 0 || atol < 0) {
        char text[32];
        snprintf(text, sizeof text, "%g", rtol < 0 ? rtol : atol);
        error(PyExc_RuntimeError, "%s must be greater than or equal to zero, but got %s",
              rtol < 0 ? "rtol" : "atol", text);
        return -1;
    }
    return 0;
}

/* |a - b| <= atol + rtol |b|, or equal; infinities are close to themselves alone. */
Tensor *
op_isclose(Tensor *a, Tensor *b, double rtol, double atol, bool equal_nan)
{
    if (check_close_arguments(a, b, rtol, atol) < 0)
        return NULL;
    a = op_detach(a);
    b = op_detach(b);
    Tensor *close = op_eq(a, b);
    if (close == NULL)
        return NULL;
    if (equal_nan && dtype_is_float((Dtype)a->dtype))
        close = op_logical_or(close, op_logical_and(op_isnan(a), op_isnan(b)));
    if (rtol == 0 && atol == 0)
        return close;
    if (!dtype_is_float((Dtype)a->dtype)) { /* integers are compared in double, as PyTorch does */
        a = op_to_dtype(a, DTYPE_DOUBLE);
        b = op_to_dtype(b, DTYPE_DOUBLE);
    }
    Tensor *allowed = op_scalar(OP_add, op_abs(op_scalar(OP_mul, b, rtol)), atol);
    Tensor *gap = op_abs(op_sub(a, b));
    return op_logical_or(close, op_logical_and(op_isfinite(gap), op_le(gap, allowed)));
}

static PyObject *
truth(Tensor *t)
{
    if (t == NULL)
        return NULL;
    if (tensor_is_meta(t))
        return (PyObject *)error(PyExc_NotImplementedError,
                                 "a tensor on the meta device has no data to compare");
    Tensor *all = op_all(t, 0, NULL, false);
    return all ? PyBool_FromLong(tensor_item(all).i) : NULL;
}

PyObject *
op_allclose(Tensor *a, Tensor *b, double rtol, double atol, bool equal_nan)
{
    return truth(op_isclose(a, b, rtol, atol, equal_nan));
}

PyObject *
op_equal(Tensor *a, Tensor *b)
{
    if (a == NULL || b == NULL)
        return NULL;
    Tensor *both[2] = {a, b};
    if (check_same_device("equal", 2, both) < 0)
        return NULL;
    if (a->ndim != b->ndim || memcmp(a->dims, b->dims, a->ndim * sizeof a->dims[0]) != 0)
        Py_RETURN_FALSE;
    bool itself = a->data == b->data && a->dtype == b->dtype && memcmp(a->strides, b->strides, a->ndim * sizeof a->dims[0]) == 0;
    if (itself && !dtype_is_float((Dtype)a->dtype))     /* a NaN is not equal to itself */
        Py_RETURN_TRUE;
    /* Most tensors that differ do so at once: a beginning is compared before the whole. */
    enum { BEGINNING = 2048 };
    Tensor *x = op_detach(a), *y = op_detach(b);
    if (a->device.type == DEVICE_CPU && a->numel > 4 * BEGINNING && a->dims[0] > 1) {
        int64_t length = a->numel / a->dims[0], rows = length < BEGINNING ? BEGINNING / length : 1;
        PyObject *same = truth(op_eq(op_narrow(x, 0, 0, rows), op_narrow(y, 0, 0, rows)));
        if (same != Py_True)
            return same;
        Py_DECREF(same);
    }
    return truth(op_eq(x, y));
}
