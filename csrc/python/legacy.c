/* The constructors from before tensor(): Tensor(2, 3), FloatTensor([1, 2]), t.new(...).  Integers are sizes,
 * a sequence is data, and the class, not the data, says the dtype. */
#include "python/construct.h"

#include "ops/ops.h"

/* ---------------------------------------------------------------- what the arguments mean */
static Tensor *
from_sizes(PyObject *sizes, Dtype dtype, Device device)
{
    int64_t dims[NDIM_MAX];
    Py_ssize_t n = PyTuple_GET_SIZE(sizes);
    if (n > NDIM_MAX)
        return error(PyExc_RuntimeError, "tensor has too many dimensions: %zd, at most %d are supported", n,
                     NDIM_MAX);
    for (Py_ssize_t i = 0; i < n; i++) {
        dims[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(sizes, i));
        if (dims[i] == -1 && PyErr_Occurred())
            return NULL;
    }
    return tensor_empty((int)n, dims, dtype, device);
}

static bool
all_sizes(PyObject *args)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *o = PyTuple_GET_ITEM(args, i);
        if (PyBool_Check(o) || !PyLong_Check(o))
            return false;
    }
    return true;
}

/* The memory of other, which must have the class's dtype; Tensor itself takes any floating-point one. */
static Tensor *
from_tensor(Tensor *other, Dtype dtype, bool any_float)
{
    if (other->dtype != (int8_t)dtype && !(any_float && dtype_is_float((Dtype)other->dtype)))
        return error(PyExc_TypeError, "expected a tensor of dtype %s (got %s): convert it with .to(dtype)",
                     dtype_info[dtype].name, dtype_info[other->dtype].name);
    return tensor_alias(other);
}

static Tensor *
from_one(PyObject *o, Dtype dtype, Device device, bool any_float)
{
    if (tensor_check(o))
        return from_tensor((Tensor *)o, dtype, any_float);
    if (Py_IS_TYPE(o, &SizeType))
        return from_sizes(o, dtype, device);
    if (numpy_is_array(o)) {
        Tensor *t = tensor_from_data(o, dtype, device, false);
        return t;
    }
    if (!PySequence_Check(o))
        return error(PyExc_TypeError,
                     "new(): data must be a sequence (got %s): torch.tensor(data) takes numbers",
                     Py_TYPE(o)->tp_name);
    return tensor_from_data(o, dtype, device, true);
}

static Tensor *
legacy_make(PyObject *args, PyObject *kwargs, Dtype dtype, Device device, bool any_float)
{
    PyObject *named = kwargs ? PyDict_GetItemString(kwargs, "device") : NULL;
    PyObject *data = kwargs ? PyDict_GetItemString(kwargs, "data") : NULL;
    Py_ssize_t known = (named != NULL) + (data != NULL);
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > known)
        return error(PyExc_TypeError,
                     "new() got an unexpected keyword argument: only data and device are known");
    if (named != NULL && named != Py_None && device_from_object(named, &device) < 0)
        return NULL;
    if (data != NULL)
        return from_one(data, dtype, device, any_float);
    if (PyTuple_GET_SIZE(args) == 0)
        return tensor_empty(1, (int64_t[]){0}, dtype, device);
    if (all_sizes(args))
        return from_sizes(args, dtype, device);
    if (PyTuple_GET_SIZE(args) == 1)
        return from_one(PyTuple_GET_ITEM(args, 0), dtype, device, any_float);
    return error(PyExc_TypeError,
                 "new() received an invalid combination of arguments: it takes sizes as integers, or one "
                 "sequence, array or tensor");
}

/* ---------------------------------------------------------------- Tensor(...), t.new(...) */
PyObject *
tensor_legacy_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    bool exact = type == &TensorType;                    /* a subclass's own keywords are for its __init__ */
    Tensor *t = legacy_make(args, exact ? kwargs : NULL, default_dtype, CPU, true);
    if (t == NULL || exact)
        return (PyObject *)t;
    PyObject *out = tensor_as_subclass(t, type);
    Py_DECREF(t);
    return out;
}

PyObject *
tensor_method_new(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Tensor *t = (Tensor *)self;
    return (PyObject *)legacy_make(args, kwargs, (Dtype)t->dtype, t->device, false);
}

/* ---------------------------------------------------------------- FloatTensor and its kin */
/* Classes that are called for a Tensor and that isinstance() takes for a dtype; their type is this one. */
static Dtype
dtype_of_class(PyObject *cls)
{
    Dtype dtype = DTYPE_NONE;
    PyObject *object = PyObject_GetAttrString(cls, "dtype");
    if (object != NULL && dtype_from_object(object, &dtype) < 0)
        dtype = DTYPE_NONE;
    Py_XDECREF(object);
    return dtype;
}

static PyObject *
class_call(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    Dtype dtype = dtype_of_class(cls);
    return dtype == DTYPE_NONE ? NULL : (PyObject *)legacy_make(args, kwargs, dtype, CPU, false);
}

static PyObject *
class_instancecheck(PyObject *cls, PyObject *o)
{
    Dtype dtype = dtype_of_class(cls);
    if (dtype == DTYPE_NONE)
        return NULL;
    return PyBool_FromLong(tensor_check(o) && ((Tensor *)o)->dtype == (int8_t)dtype
                           && ((Tensor *)o)->device.type == DEVICE_CPU);
}

static PyMethodDef class_methods[] = {
    {"__instancecheck__", class_instancecheck, METH_O,
     "isinstance(t, FloatTensor): a CPU tensor of that dtype."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject LegacyType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "ctorch.tensortype",
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The type of FloatTensor, LongTensor and their kin.",
    .tp_call = class_call,
    .tp_methods = class_methods,
};

static int
add_class(PyObject *module, Dtype dtype)
{
    PyObject *name = PyUnicode_FromFormat("%sTensor", dtype_info[dtype].type_name);
    PyObject *cls = name ? PyObject_CallFunction((PyObject *)&LegacyType, "O(){s:s,s:O}", name, "__module__",
                                                 "torch", "dtype", dtype_object(dtype))
                         : NULL;
    int result = cls ? PyObject_SetAttr(module, name, cls) : -1;
    Py_XDECREF(name);
    Py_XDECREF(cls);
    return result;
}

int
legacy_init(PyObject *module)
{
    LegacyType.tp_base = &PyType_Type;
    LegacyType.tp_basicsize = PyType_Type.tp_basicsize;
    LegacyType.tp_itemsize = PyType_Type.tp_itemsize;
    if (PyType_Ready(&LegacyType) < 0)
        return -1;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++)
        if (add_class(module, (Dtype)dtype) < 0)
            return -1;
    return 0;
}
