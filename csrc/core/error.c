/* Errors: the two exceptions with two parents, so that PyTorch's `except RuntimeError` and Python's own class
 * both catch them, and the shorthand that sets an error and returns NULL.  Texts stand where the errors are
 * found. */
#include "core/error.h"

PyObject *ZeroDivisionError_;
PyObject *LinAlgError_;
PyObject *OutOfMemoryError_;

Tensor *
error(PyObject *type, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PyErr_FormatV(type, format, arguments);
    va_end(arguments);
    return NULL;
}

const char *
float_text(double value)
{
    static char ring[4][32];
    static int next;
    char *text = ring[next++ % 4];
    snprintf(text, sizeof ring[0], "%g", value);
    return text;
}

Tensor *
no_memory(int64_t bytes)
{
    return error(OutOfMemoryError_, "can't allocate memory: you tried to allocate %lld bytes",
                 (long long)bytes);
}

/* Adds class `name` with RuntimeError and `second` as bases; a reference that nobody gives back. */
static PyObject *
add_exception(PyObject *module, const char *name, PyObject *second, const char *doc)
{
    PyObject *bases = PyTuple_Pack(2, PyExc_RuntimeError, second);
    if (bases == NULL)
        return NULL;
    PyObject *qualified = PyUnicode_FromFormat("ctorch.%s", name);
    PyObject *type = NULL;
    if (qualified != NULL)
        type = PyErr_NewExceptionWithDoc(PyUnicode_AsUTF8(qualified), doc, bases, NULL);
    Py_XDECREF(qualified);
    Py_DECREF(bases);
    if (type != NULL && PyModule_AddObjectRef(module, name, type) < 0)
        Py_CLEAR(type);
    return type;
}

int
error_init(PyObject *module)
{
    ZeroDivisionError_ =
        add_exception(module, "ZeroDivisionError", PyExc_ZeroDivisionError,
                      "Integer division or remainder by zero: a RuntimeError as in PyTorch, and a "
                      "ZeroDivisionError as in Python.");
    OutOfMemoryError_ =
        add_exception(module, "OutOfMemoryError", PyExc_MemoryError,
                      "No memory for a tensor: a RuntimeError as in PyTorch, and a MemoryError as "
                      "in Python.");
    LinAlgError_ = add_exception(module, "LinAlgError", PyExc_ValueError,
                                 "A matrix without the inverse or decomposition that was asked for: a RuntimeError as "
                                 "in PyTorch, and a ValueError as in NumPy.");
    return ZeroDivisionError_ != NULL && OutOfMemoryError_ != NULL && LinAlgError_ != NULL ? 0 : -1;
}
