/* Errors that name their place in the model.
 *
 * An error that leaves the forward of a module inside a model gets one line more: "in Sequential[2][0]:
 * Linear(in_features=10, ...): input is (64, 12), its last dimension must be 10".  The exception object stays
 * the same, so its class, its traceback and the first words of its text do too.  While it passes outward its
 * attribute _place holds what the line is made of, a tuple of the PLACE_ fields below. */
#include "nn/nn.h"

#include <stdarg.h>

enum {
    PLACE_TEXT,    /* the exception's own text */
    PLACE_LAYER,   /* innermost module that the error left */
    PLACE_DETAIL,  /* what that layer had to say, or "" */
    PLACE_PATH,    /* from reached to layer: "[2].fc1", or "" */
    PLACE_REACHED, /* outermost module that the error has left so far */
    PLACE_FIELDS
};

/* Only the classes that ops raise; a model's own exceptions pass untouched. */
static bool
explainable(void)
{
    PyObject *type = PyErr_Occurred();
    return type == PyExc_RuntimeError || type == PyExc_ValueError || type == PyExc_TypeError
           || type == PyExc_IndexError;
}

/* A new tuple: the exception's place, or a first one; NULL if its arguments are not one str. */
static PyObject *
place_of(PyObject *exception, PyObject *module)
{
    PyObject *place, *args = ((PyBaseExceptionObject *)exception)->args;
    if (nn_getattr_optional(exception, S(_place), &place) == 1)
        return place;
    if (args == NULL || PyTuple_GET_SIZE(args) != 1 || !PyUnicode_Check(PyTuple_GET_ITEM(args, 0)))
        return NULL;
    return PyTuple_Pack(PLACE_FIELDS, PyTuple_GET_ITEM(args, 0), module, S(empty), S(empty), module);
}

/* "Linear(in_features=10, out_features=5, bias=True)"; a module with children gives its class alone. */
static PyObject *
describe(PyObject *layer)
{
    PyObject *children = module_slot((Module *)layer, MODULES);
    if (children != NULL && PyDict_GET_SIZE(children) == 0)
        return PyObject_Repr(layer);
    return PyUnicode_FromString(nn_class_name(layer));
}

/* The text to show: as it was, unless there is a path or a detail to tell. */
static PyObject *
explained(PyObject *place)
{
    PyObject *text = PyTuple_GET_ITEM(place, PLACE_TEXT), *path = PyTuple_GET_ITEM(place, PLACE_PATH);
    PyObject *detail = PyTuple_GET_ITEM(place, PLACE_DETAIL),
             *reached = PyTuple_GET_ITEM(place, PLACE_REACHED);
    const char *colon = PyUnicode_GET_LENGTH(detail) > 0 ? ": " : "";
    if (PyUnicode_GET_LENGTH(path) == 0 && PyUnicode_GET_LENGTH(detail) == 0)
        return PyUnicode_FromObject(text);
    PyObject *layer = describe(PyTuple_GET_ITEM(place, PLACE_LAYER));
    PyObject *line = NULL;
    if (layer != NULL && PyUnicode_GET_LENGTH(path) == 0)
        line = PyUnicode_FromFormat("%U\nin %U%s%U", text, layer, colon, detail);
    else if (layer != NULL)
        line = PyUnicode_FromFormat("%U\nin %s%U: %U%s%U", text, nn_class_name(reached), path, layer, colon,
                                    detail);
    Py_XDECREF(layer);
    return line;
}

static void
show(PyObject *exception, PyObject *place)
{
    PyObject *text = explained(place);
    PyObject *args = text == NULL ? NULL : PyTuple_Pack(1, text);
    if (args != NULL && PyObject_SetAttr(exception, S(_place), place) == 0)
        PyObject_SetAttr(exception, S(args), args);
    Py_XDECREF(text);
    Py_XDECREF(args);
}

/* "[2]" for children named by number, ".fc1" for the others; NULL if child is not a child of module. */
static PyObject *
child_path(PyObject *module, PyObject *child)
{
    PyObject *children = module_slot((Module *)module, MODULES);
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (children != NULL && PyDict_Next(children, &at, &key, &value))
        if (value == child && PyUnicode_Check(key) && PyUnicode_GET_LENGTH(key) > 0)
            return PyUnicode_FromFormat(Py_UNICODE_ISDIGIT(PyUnicode_READ_CHAR(key, 0)) ? "[%U]" : ".%U",
                                        key);
    return NULL;
}

/* place as it is one module further out; NULL if that adds nothing. */
static PyObject *
one_further(PyObject *place, PyObject *module)
{
    PyObject *result = NULL, *step = child_path(module, PyTuple_GET_ITEM(place, PLACE_REACHED));
    PyObject *path = step == NULL ? NULL : PyUnicode_Concat(step, PyTuple_GET_ITEM(place, PLACE_PATH));
    if (path != NULL)
        result = PyTuple_Pack(PLACE_FIELDS, PyTuple_GET_ITEM(place, PLACE_TEXT),
                              PyTuple_GET_ITEM(place, PLACE_LAYER), PyTuple_GET_ITEM(place, PLACE_DETAIL),
                              path, module);
    Py_XDECREF(step);
    Py_XDECREF(path);
    return result;
}

void
nn_error_through(PyObject *module)
{
    PyObject *type, *exception, *traceback, *place, *further = NULL;
    if (!explainable())
        return;
    PyErr_Fetch(&type, &exception, &traceback);
    PyErr_NormalizeException(&type, &exception, &traceback);
    place = place_of(exception, module);
    if (place != NULL && PyTuple_GET_ITEM(place, PLACE_REACHED) != module)
        further = one_further(place, module);
    if (further != NULL)
        show(exception, further);
    else if (place != NULL)
        PyObject_SetAttr(exception, S(_place), place);
    PyErr_Clear(); /* a failure to explain must not hide the error itself */
    Py_XDECREF(place);
    Py_XDECREF(further);
    PyErr_Restore(type, exception, traceback);
}

void
nn_error_detail(PyObject *module, const char *format, ...)
{
    PyObject *type, *exception, *traceback, *place, *detail, *detailed = NULL;
    va_list args;
    if (!explainable())
        return;
    PyErr_Fetch(&type, &exception, &traceback);
    PyErr_NormalizeException(&type, &exception, &traceback);
    va_start(args, format);
    detail = PyUnicode_FromFormatV(format, args);
    va_end(args);
    place = detail == NULL ? NULL : place_of(exception, module);
    if (place != NULL)
        detailed =
            PyTuple_Pack(PLACE_FIELDS, PyTuple_GET_ITEM(place, PLACE_TEXT), module, detail, S(empty), module);
    if (detailed != NULL)
        show(exception, detailed);
    PyErr_Clear();
    Py_XDECREF(place);
    Py_XDECREF(detail);
    Py_XDECREF(detailed);
    PyErr_Restore(type, exception, traceback);
}
