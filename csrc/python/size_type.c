/* torch.Size: a tuple of ints that says so, knows its product, and stays one when sliced, added, repeated. */
#include "python/types.h"

PyObject *
size_object(int n, const int64_t *dims)
{
    PyObject *size = SizeType.tp_alloc(&SizeType, n);
    for (int i = 0; size != NULL && i < n; i++) {
        PyObject *dim = PyLong_FromLongLong(dims[i]);
        if (dim == NULL)
            Py_CLEAR(size);
        else
            PyTuple_SET_ITEM(size, i, dim);
    }
    return size;
}

/* A tuple's method gave `tuple` (a new reference, may be NULL): the same items as a Size. */
static PyObject *
as_size(PyObject *tuple)
{
    if (tuple == NULL || !PyTuple_CheckExact(tuple))
        return tuple;
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    PyObject *size = SizeType.tp_alloc(&SizeType, n);
    for (Py_ssize_t i = 0; size != NULL && i < n; i++)
        PyTuple_SET_ITEM(size, i, Py_NewRef(PyTuple_GET_ITEM(tuple, i)));
    Py_DECREF(tuple);
    return size;
}

/* The int that item i stands for; whatever has __index__ (a 0-d integer tensor) is accepted. */
static PyObject *
check_item(PyObject *item, Py_ssize_t i)
{
    PyObject *number = PyLong_CheckExact(item) ? Py_NewRef(item) : PyNumber_Index(item);
    if (number == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            error(PyExc_TypeError, "torch.Size() takes an iterable of 'int' (item %zd is '%s')", i,
                  Py_TYPE(item)->tp_name);
        return NULL;
    }
    if (PyBool_Check(number))
        Py_SETREF(number, PyLong_FromLong(number == Py_True));
    int overflow = 0;
    if (number != NULL)
        PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow != 0) {
        Py_CLEAR(number);
        error(PyExc_ValueError, "Overflow when unpacking long long: item %zd of torch.Size()", i);
    }
    return number;
}

static PyObject *
size_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *self = PyTuple_Type.tp_new(type, args, kwargs);
    if (self == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); i++) {
        PyObject *item = PyTuple_GET_ITEM(self, i);
        PyObject *number = check_item(item, i);
        if (number == NULL) {
            Py_DECREF(self);
            return NULL;
        }
        PyTuple_SET_ITEM(self, i, number);
        Py_DECREF(item);
    }
    return self;
}

static PyObject *
size_repr(PyObject *self)
{
    PyObject *list = PySequence_List(self);
    if (list == NULL)
        return NULL;
    PyObject *text = PyUnicode_FromFormat("torch.Size(%R)", list);
    Py_DECREF(list);
    return text;
}

static PyObject *
size_numel(PyObject *self, PyObject *Py_UNUSED(args))
{
    PyObject *product = PyLong_FromLong(1);
    for (Py_ssize_t i = 0; product != NULL && i < PyTuple_GET_SIZE(self); i++)
        Py_SETREF(product, PyNumber_Multiply(product, PyTuple_GET_ITEM(self, i)));
    return product;
}

static PyObject *
size_reduce(PyObject *self, PyObject *Py_UNUSED(args))
{
    PyObject *tuple = PyTuple_GetSlice(self, 0, PyTuple_GET_SIZE(self));
    return tuple == NULL ? NULL : Py_BuildValue("O(N)", Py_TYPE(self), tuple);
}

static PyObject *
size_concat(PyObject *self, PyObject *other)
{
    if (!PyTuple_Check(other))
        return (PyObject *)error(PyExc_TypeError, "can only concatenate tuple (not %s) to torch.Size",
                                 Py_TYPE(other)->tp_name);
    return as_size(PyTuple_Type.tp_as_sequence->sq_concat(self, other));
}

/* Also called for tuple + Size; every other left operand has its own say. */
static PyObject *
size_add(PyObject *left, PyObject *right)
{
    if (!PyTuple_Check(left))
        Py_RETURN_NOTIMPLEMENTED;
    return size_concat(left, right);
}

static PyObject *
size_repeat(PyObject *self, Py_ssize_t n)
{
    return as_size(PyTuple_Type.tp_as_sequence->sq_repeat(self, n));
}

/* A slice is a tuple here, an index one of the ints. */
static PyObject *
size_subscript(PyObject *self, PyObject *key)
{
    return as_size(PyTuple_Type.tp_as_mapping->mp_subscript(self, key));
}

static PyMethodDef methods[] = {
    {"numel", size_numel, METH_NOARGS,
     "numel()\n\nThe product of the sizes: how many elements the shape has."},
    {"__reduce__", size_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyNumberMethods as_number = {.nb_add = size_add};
static PySequenceMethods as_sequence = {.sq_concat = size_concat, .sq_repeat = size_repeat};
static PyMappingMethods as_mapping = {.mp_subscript = size_subscript};

PyTypeObject SizeType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "ctorch.Size",
    .tp_doc = "Size(iterable=())\n\nThe shape of a tensor: a tuple of ints.\n\nRaises TypeError if an item "
              "is no int.",
    .tp_base = &PyTuple_Type,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = size_new,
    .tp_repr = size_repr,
    .tp_as_number = &as_number,
    .tp_as_sequence = &as_sequence,
    .tp_as_mapping = &as_mapping,
    .tp_methods = methods,
};

int
size_type_init(PyObject *module)
{
    return PyModule_AddType(module, &SizeType);
}
