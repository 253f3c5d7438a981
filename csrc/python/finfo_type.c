/* torch.finfo and torch.iinfo: the limits of a dtype. */
#include "core/dtype.h"
#include "python/types.h"

typedef struct LimitsObject {
    PyObject_HEAD
    Dtype dtype;
} LimitsObject;

static PyTypeObject FinfoType, IinfoType;

static Dtype
value(PyObject *self)
{
    return ((LimitsObject *)self)->dtype;
}

static const struct FloatLimits *
limits(PyObject *self)
{
    return &float_limits[value(self)];
}

static int
parse_type(PyObject *args, PyObject *kwargs, const char *format, Dtype *out)
{
    static char *keywords[] = {"type", NULL};
    PyObject *object = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, keywords, &object))
        return -1;
    return object == NULL ? 0 : dtype_from_object(object, out);
}

static PyObject *
limits_new(PyTypeObject *type, Dtype dtype)
{
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL)
        ((LimitsObject *)self)->dtype = dtype;
    return self;
}

static PyObject *
finfo_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Dtype dtype = default_dtype;
    if (parse_type(args, kwargs, "|O:finfo", &dtype) < 0)
        return NULL;
    if (!dtype_is_float(dtype))
        return (PyObject *)error(
            PyExc_TypeError,
            "torch.finfo() requires a floating point input type. Use torch.iinfo for torch.%s",
            dtype_info[dtype].name);
    return limits_new(type, dtype);
}

static PyObject *
iinfo_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Dtype dtype = DTYPE_NONE;
    if (parse_type(args, kwargs, "O:iinfo", &dtype) < 0)
        return NULL;
    if (dtype == DTYPE_BOOL)
        return (PyObject *)error(PyExc_TypeError, "torch.bool is not supported by torch.iinfo");
    if (dtype_is_float(dtype))
        return (PyObject *)error(PyExc_TypeError,
                                 "torch.iinfo() requires an integer input type. Use torch.finfo for torch.%s",
                                 dtype_info[dtype].name);
    return limits_new(type, dtype);
}

/* format % values, which knows Python's %g; takes over values. */
static PyObject *
format_values(const char *format, PyObject *values)
{
    PyObject *text = PyUnicode_FromString(format), *result = NULL;
    if (text != NULL && values != NULL)
        result = PyUnicode_Format(text, values);
    Py_XDECREF(text);
    Py_XDECREF(values);
    return result;
}

/* PyTorch prints limits, also whole numbers, to six significant digits. */
static PyObject *
finfo_repr(PyObject *self)
{
    const struct FloatLimits *f = limits(self);
    return format_values(
        "finfo(resolution=%g, min=%g, max=%g, eps=%g, smallest_normal=%g, tiny=%g, dtype=%s)",
        Py_BuildValue("(dddddds)", f->resolution, -f->max, f->max, f->eps, f->smallest_normal,
                      f->smallest_normal, dtype_info[value(self)].name));
}

static PyObject *
iinfo_repr(PyObject *self)
{
    Dtype dtype = value(self);
    return format_values("iinfo(min=%g, max=%g, dtype=%s)",
                         Py_BuildValue("(dds)", (double)dtype_int_min(dtype), (double)dtype_int_max(dtype),
                                       dtype_info[dtype].name));
}

static PyObject *
limits_compare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != Py_TYPE(b))
        Py_RETURN_NOTIMPLEMENTED;
    return PyBool_FromLong((value(a) == value(b)) == (op == Py_EQ));
}

static PyObject *
get_bits(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(8L * dtype_info[value(self)].itemsize);
}

static PyObject *
get_dtype(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(dtype_info[value(self)].name);
}

static PyObject *
get_float_max(PyObject *self, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble(limits(self)->max);
}

static PyObject *
get_float_min(PyObject *self, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble(-limits(self)->max);
}

static PyObject *
get_eps(PyObject *self, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble(limits(self)->eps);
}

static PyObject *
get_smallest_normal(PyObject *self, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble(limits(self)->smallest_normal);
}

static PyObject *
get_resolution(PyObject *self, void *Py_UNUSED(closure))
{
    return PyFloat_FromDouble(limits(self)->resolution);
}

static PyObject *
get_int_max(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(dtype_int_max(value(self)));
}

static PyObject *
get_int_min(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(dtype_int_min(value(self)));
}

static PyGetSetDef finfo_getset[] = {
    {"bits", get_bits, NULL, "Bits of one value.", NULL},
    {"dtype", get_dtype, NULL, "The dtype's name.", NULL},
    {"max", get_float_max, NULL, "Largest finite value.", NULL},
    {"min", get_float_min, NULL, "Smallest finite value, -max.", NULL},
    {"eps", get_eps, NULL, "Distance from 1 to the next larger value.", NULL},
    {"smallest_normal", get_smallest_normal, NULL, "Smallest positive normal value.", NULL},
    {"tiny", get_smallest_normal, NULL, "The same as smallest_normal.", NULL},
    {"resolution", get_resolution, NULL, "10 ** -d, where d decimal digits survive a round trip.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef iinfo_getset[] = {
    {"bits", get_bits, NULL, "Bits of one value.", NULL},
    {"dtype", get_dtype, NULL, "The dtype's name.", NULL},
    {"max", get_int_max, NULL, "Largest value.", NULL},
    {"min", get_int_min, NULL, "Smallest value.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject FinfoType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "ctorch.finfo",
    .tp_doc = "finfo(type=None)\n\nLimits of a floating-point dtype (default: the default dtype).\n\n"
              "Raises TypeError for another dtype.",
    .tp_basicsize = sizeof(LimitsObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = finfo_new,
    .tp_repr = finfo_repr,
    .tp_richcompare = limits_compare,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_getset = finfo_getset,
};

static PyTypeObject IinfoType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "ctorch.iinfo",
    .tp_doc =
        "iinfo(type)\n\nLimits of an integer dtype.\n\nRaises TypeError for another dtype, bool included.",
    .tp_basicsize = sizeof(LimitsObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = iinfo_new,
    .tp_repr = iinfo_repr,
    .tp_richcompare = limits_compare,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_getset = iinfo_getset,
};

int
finfo_type_init(PyObject *module)
{
    return PyModule_AddType(module, &FinfoType) < 0 ? -1 : PyModule_AddType(module, &IinfoType);
}
