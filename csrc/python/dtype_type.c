/* torch.dtype: one object per row of dtype.def, compared by identity, named on the module with PyTorch's
 * aliases.  Facts and promotion are in core/dtype.c, torch.finfo and torch.iinfo in finfo_type.c. */
#include "python/types.h"

typedef struct DtypeObject {
    PyObject_HEAD
    Dtype dtype;
} DtypeObject;

static DtypeObject singletons[DTYPE_COUNT];

static Dtype
value(PyObject *self)
{
    return ((DtypeObject *)self)->dtype;
}

PyObject *
dtype_object(Dtype dtype)
{
    return (PyObject *)&singletons[dtype];
}

/* As in PyTorch, Python's own number types stand for the dtypes that hold their values. */
int
dtype_from_object(PyObject *o, Dtype *out)
{
    if (Py_IS_TYPE(o, &DtypeType))
        *out = value(o);
    else if (o == (PyObject *)&PyFloat_Type)
        *out = DTYPE_DOUBLE;
    else if (o == (PyObject *)&PyLong_Type)
        *out = DTYPE_INT64;
    else if (o == (PyObject *)&PyBool_Type)
        *out = DTYPE_BOOL;
    else {
        error(PyExc_TypeError, "dtype must be torch.dtype, not %s", Py_TYPE(o)->tp_name);
        return -1;
    }
    return 0;
}

static PyObject *
dtype_repr(PyObject *self)
{
    return PyUnicode_FromFormat("torch.%s", dtype_info[value(self)].name);
}

/* A name alone: pickle looks it up in ctorch, so the singleton stays one. */
static PyObject *
dtype_reduce(PyObject *self, PyObject *Py_UNUSED(args))
{
    return PyUnicode_FromString(dtype_info[value(self)].name);
}

static PyObject *
dtype_to_real(PyObject *self, PyObject *Py_UNUSED(args))
{
    return Py_NewRef(self);
}

static PyObject *
get_is_floating_point(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(dtype_is_float(value(self)));
}

static PyObject *
get_is_complex(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_RETURN_FALSE;
}

static PyObject *
get_is_signed(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(value(self) != DTYPE_BOOL && value(self) != DTYPE_UINT8);
}

static PyObject *
get_itemsize(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(dtype_info[value(self)].itemsize);
}

static PyMethodDef methods[] = {
    {"__reduce__", dtype_reduce, METH_NOARGS, NULL},
    {"to_real", dtype_to_real, METH_NOARGS, "The dtype of the real part: itself, as no dtype is complex."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"is_floating_point", get_is_floating_point, NULL, "Whether values are floating-point numbers.", NULL},
    {"is_complex", get_is_complex, NULL, "Always False.", NULL},
    {"is_signed", get_is_signed, NULL, "Whether values can be negative.", NULL},
    {"itemsize", get_itemsize, NULL, "Bytes of one value.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject DtypeType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "ctorch.dtype",
    .tp_basicsize = sizeof(DtypeObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_repr = dtype_repr,
    .tp_methods = methods,
    .tp_getset = getset,
};

static const struct Alias {
    const char *name;
    Dtype dtype;
} aliases[] = {
    {"half", DTYPE_HALF},  {"float", DTYPE_FLOAT}, {"double", DTYPE_DOUBLE},
    {"short", DTYPE_INT16}, {"int", DTYPE_INT32},  {"long", DTYPE_INT64},
};

int
dtype_type_init(PyObject *module)
{
    if (PyModule_AddType(module, &DtypeType) < 0)
        return -1;
    for (int i = 0; i < DTYPE_COUNT; i++) {
        PyObject_Init((PyObject *)&singletons[i], &DtypeType);
        singletons[i].dtype = (Dtype)i;
        if (PyModule_AddObjectRef(module, dtype_info[i].name, dtype_object((Dtype)i)) < 0)
            return -1;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(aliases); i++)
        if (PyModule_AddObjectRef(module, aliases[i].name, dtype_object(aliases[i].dtype)) < 0)
            return -1;
    return 0;
}
