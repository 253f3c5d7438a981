/* Nested Python sequences of numbers as a tensor: the shape from the first item of each level, the dtype from
 * all numbers, then one walk that stores them.  Converting an item may run any Python code, which may change
 * the lists being read: every item is held while it is used, and lengths are looked at again at every step.
 */
#include <string.h>

#include "core/dtype.h"
#include "ops/ops.h"
#include "python/construct.h"

typedef struct Nested {
    int ndim;
    int64_t dims[NDIM_MAX];
    Dtype dtype;
    Tensor *out;
} Nested;

static bool
is_text(PyObject *o)
{
    return PyUnicode_Check(o) || PyBytes_Check(o);
}

static int
invalid_data(PyObject *o)
{
    error(PyExc_TypeError, "new(): invalid data type '%s'", Py_TYPE(o)->tp_name);
    return -1;
}

/* A tensor inside a list is one number, whatever its shape. */
static bool
is_level(PyObject *o)
{
    if (PyFloat_Check(o) || PyLong_Check(o))
        return false;
    if (PyList_Check(o) || PyTuple_Check(o))
        return true;
    return PySequence_Check(o) && !tensor_check(o) && !PyDict_Check(o);
}

/* Item i of a list, tuple or other sequence: a new reference. */
static PyObject *
item_at(PyObject *o, Py_ssize_t i)
{
    if (PyList_CheckExact(o) && i < PyList_GET_SIZE(o))
        return Py_NewRef(PyList_GET_ITEM(o, i));
    if (PyTuple_CheckExact(o) && i < PyTuple_GET_SIZE(o))
        return Py_NewRef(PyTuple_GET_ITEM(o, i));
    return PySequence_GetItem(o, i);
}

/* ---------------------------------------------------------------- shape */
static int
infer_shape(Nested *s, PyObject *data)
{
    PyObject *o = Py_NewRef(data);
    while (is_level(o)) {
        Py_ssize_t length = PySequence_Length(o);
        if (length < 0)
            goto fail;
        if (s->ndim == NDIM_MAX) {
            error(PyExc_ValueError, "too many dimensions '%s': at most %d levels of nesting",
                  Py_TYPE(o)->tp_name, NDIM_MAX);
            goto fail;
        }
        s->dims[s->ndim++] = length;
        if (length == 0)
            break;
        PyObject *first = item_at(o, 0);
        Py_DECREF(o);
        if (first == NULL)
            return -1;
        o = first;
    }
    Py_DECREF(o);
    return 0;
fail:
    Py_DECREF(o);
    return -1;
}

/* ---------------------------------------------------------------- dtype */
static Dtype
dtype_of_number(PyObject *o)
{
    if (PyFloat_CheckExact(o))
        return default_dtype;
    if (PyBool_Check(o))
        return DTYPE_BOOL;
    if (PyLong_Check(o))
        return DTYPE_INT64;
    if (tensor_check(o))
        return (Dtype)((Tensor *)o)->dtype;
    Dtype dtype = numpy_scalar_dtype(o);
    return dtype == DTYPE_NONE && PyFloat_Check(o) ? default_dtype : dtype;
}

/* *dtype is promoted with everything in o, depth levels below the top. */
static int
infer_dtype(const Nested *s, PyObject *o, int depth, Dtype *dtype)
{
    if (depth == s->ndim || !is_level(o) || is_text(o)) {
        Dtype own = dtype_of_number(o);
        if (own == DTYPE_NONE && is_text(o))
            return invalid_data(o);
        if (own == DTYPE_NONE && depth == s->ndim && is_level(o))
            return 0;                            /* reported with its place when it is stored */
        if (own == DTYPE_NONE) {
            error(PyExc_RuntimeError,
                  "Could not infer dtype of %s: numbers, sequences of numbers, tensors and arrays can be "
                  "converted",
                  Py_TYPE(o)->tp_name);
            return -1;
        }
        *dtype = *dtype == DTYPE_NONE ? own : dtype_promote(*dtype, own);
        return 0;
    }
    for (Py_ssize_t i = 0; i < PySequence_Length(o); i++) {
        PyObject *item = item_at(o, i);
        int result = item ? infer_dtype(s, item, depth + 1, dtype) : -1;
        Py_XDECREF(item);
        if (result < 0)
            return -1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* ---------------------------------------------------------------- values */
static int
number_of(PyObject *o, Scalar *out)
{
    if (tensor_check(o)) {
        PyObject *number = ((Tensor *)o)->numel == 1 ? tensor_number((Tensor *)o) : NULL;
        if (number == NULL) {
            if (!PyErr_Occurred())
                error(PyExc_ValueError,
                      "only one element tensors can be converted to Python scalars: use torch.stack to join "
                      "tensors");
            return -1;
        }
        int got = scalar_from_object(number, out);
        Py_DECREF(number);
        return got;
    }
    int got = scalar_from_object(o, out);
    if (got < 0 && PyErr_ExceptionMatches(PyExc_RuntimeError) && PyLong_Check(o)) {
        PyErr_Clear();
        error(PyExc_ValueError, "Overflow when unpacking long long: an integer does not fit in 64 bits");
    }
    if (got == 0 && !PyErr_Occurred()) {
        if (is_text(o))
            invalid_data(o);
        else
            error(PyExc_TypeError, "'%s' object cannot be interpreted as a number", Py_TYPE(o)->tp_name);
    }
    return got == 1 ? 1 : -1;
}

static int
store_number(const Nested *s, PyObject *o, char *at)
{
    Scalar number;
    if (s->dtype == DTYPE_FLOAT && PyFloat_CheckExact(o)) {
        float f = (float)PyFloat_AS_DOUBLE(o);
        memcpy(at, &f, sizeof f);
        return 0;
    }
    if (number_of(o, &number) < 0)
        return -1;
    if (!dtype_is_float(s->dtype) && scalar_check_fits(&number, s->dtype) < 0)          /* a float too large is infinite */
        return -1;
    if (s->dtype == DTYPE_BOOL && number.category == CATEGORY_FLOAT)
        number.value.i = number.value.f != 0;
    dtype_store(at, s->dtype, number.value);
    return 0;
}

static int
check_length(const Nested *s, PyObject *o, int depth)
{
    if (!is_level(o)) {
        error(PyExc_TypeError, "not a sequence: expected sequence of length %lld at dim %d (got %s)",
              (long long)s->dims[depth], depth, Py_TYPE(o)->tp_name);
        return -1;
    }
    Py_ssize_t length = PySequence_Length(o);
    if (length >= 0 && length != s->dims[depth])
        error(PyExc_ValueError, "expected sequence of length %lld at dim %d (got %zd)",
              (long long)s->dims[depth], depth, length);
    return length == s->dims[depth] ? 0 : -1;
}

static int
store(const Nested *s, PyObject *o, int depth, char *at)
{
    if (depth == s->ndim)
        return store_number(s, o, at);
    if (check_length(s, o, depth) < 0)
        return -1;
    int64_t step = s->out->strides[depth] * tensor_itemsize(s->out);
    for (int64_t i = 0; i < s->dims[depth]; i++) {
        PyObject *item = item_at(o, (Py_ssize_t)i);
        int result = item ? store(s, item, depth + 1, at + i * step) : -1;
        Py_XDECREF(item);
        if (result < 0)
            return -1;
    }
    return 0;
}

Tensor *
nested_to_tensor(PyObject *data, Dtype dtype, Device device)
{
    Nested s = {.dtype = dtype};
    if (is_text(data)) {
        invalid_data(data);
        return NULL;
    }
    if (infer_shape(&s, data) < 0)
        return NULL;
    if (dtype == DTYPE_NONE && infer_dtype(&s, data, 0, &s.dtype) < 0)
        return NULL;
    if (s.dtype == DTYPE_NONE)
        s.dtype = default_dtype;                 /* no numbers at all */
    s.out = tensor_empty(s.ndim, s.dims, s.dtype, CPU);
    if (s.out == NULL || store(&s, data, 0, s.out->data) < 0) {
        Py_XDECREF((PyObject *)s.out);
        return NULL;
    }
    if (device_equal(device, CPU))
        return s.out;
    Tensor *moved = tensor_empty(s.ndim, s.dims, s.dtype, device);
    if (moved != NULL && !tensor_is_meta(moved) && copy_data(moved, s.out) < 0)
        Py_CLEAR(moved);
    Py_DECREF(s.out);
    return moved;
}
