/* torch.device: a device type and an optional index.  In Python "cuda" and "cuda:0" are different values, as
 * in PyTorch; a tensor's Device always has an index.  Whether a device exists is asked when memory is needed,
 * not here. */
#include "python/types.h"

#include "core/device.h"

typedef struct DeviceObject {
    PyObject_HEAD
    int8_t type;
    int8_t index;                 /* -1: none was given */
} DeviceObject;

static const char *const type_names[DEVICE_TYPES] = {
    [DEVICE_CPU] = "cpu", [DEVICE_CUDA] = "cuda", [DEVICE_META] = "meta"};

static PyObject *
object_new(int type, int index)
{
    DeviceObject *self = PyObject_New(DeviceObject, &DeviceType_);
    if (self == NULL)
        return NULL;
    self->type = (int8_t)type;
    self->index = (int8_t)index;
    return (PyObject *)self;
}

/* A host tensor's device has no index. */
PyObject *
device_object(Device device)
{
    return object_new(device.type, device.type == DEVICE_CUDA ? device.index : -1);
}

static int
check_index(long index)
{
    if (index < 0)
        error(PyExc_RuntimeError, "Device index must not be negative, got %ld", index);
    else if (index > INT8_MAX)
        error(PyExc_RuntimeError, "Device index %ld is too large, at most %d is supported", index, INT8_MAX);
    else
        return 0;
    return -1;
}

/* Reads the digits behind the colon: no sign, no leading zero; -1 with an error. */
static int
parse_index(const char *text, const char *digits)
{
    long index = 0;
    const char *at = digits;
    for (; *at >= '0' && *at <= '9' && index <= INT8_MAX; at++)
        index = 10 * index + (*at - '0');
    if (at == digits || (digits[0] == '0' && digits[1] != '\0') || (*at != '\0' && index <= INT8_MAX)) {
        error(PyExc_RuntimeError, "Invalid device string: '%s'", text);
        return -1;
    }
    return check_index(index) < 0 ? -1 : (int)index;
}

/* "cuda" or "cuda:1"; *index is -1 without a number. */
static int
parse_device(const char *text, int *type, int *index)
{
    size_t length = strcspn(text, ":");
    *index = -1;
    if (text[0] == '\0') {
        error(PyExc_RuntimeError, "Device string must not be empty");
        return -1;
    }
    for (*type = 0; *type < DEVICE_TYPES; ++*type) {
        const char *name = type_names[*type];
        if (strlen(name) == length && memcmp(name, text, length) == 0) {
            if (text[length] == ':')
                *index = parse_index(text, text + length + 1);
            return PyErr_Occurred() ? -1 : 0;
        }
    }
    error(PyExc_RuntimeError, "Expected one of cpu, cuda, meta device type at start of device string: %s",
          text);
    return -1;
}

/* A device, a string, or the number of a CUDA device. */
static int
parse_object(PyObject *o, int *type, int *index)
{
    if (Py_IS_TYPE(o, &DeviceType_)) {
        *type = ((DeviceObject *)o)->type;
        *index = ((DeviceObject *)o)->index;
        return 0;
    }
    if (PyUnicode_Check(o)) {
        const char *text = PyUnicode_AsUTF8(o);
        return text == NULL ? -1 : parse_device(text, type, index);
    }
    if (PyLong_Check(o) && !PyBool_Check(o)) {
        int overflow;
        long number = PyLong_AsLongAndOverflow(o, &overflow);
        if (check_index(overflow > 0 ? LONG_MAX : number) < 0)
            return -1;
        *type = DEVICE_CUDA;
        *index = (int)number;
        return 0;
    }
    error(PyExc_TypeError, "device must be torch.device, str or int, not %s", Py_TYPE(o)->tp_name);
    return -1;
}

int
device_from_object(PyObject *o, Device *out)
{
    int type, index;
    if (parse_object(o, &type, &index) < 0)
        return -1;
    *out = (Device){(int8_t)type, (int8_t)(type != DEVICE_CUDA ? 0 : index >= 0 ? index : cuda_current)};
    return 0;
}

static PyObject *
device_new(PyTypeObject *Py_UNUSED(cls), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"type", "index", NULL}, *device_keyword[] = {"device", NULL};
    PyObject *object, *number = Py_None;
    int type, index;
    if (kwargs != NULL && PyDict_GetItemString(kwargs, "device") != NULL) {
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:device", device_keyword, &object))
            return NULL;
    } else if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:device", keywords, &object, &number)) {
        return NULL;
    }
    if (parse_object(object, &type, &index) < 0)
        return NULL;
    if (number == Py_None)
        return object_new(type, index);
    if (!PyUnicode_Check(object))
        return (PyObject *)error(PyExc_TypeError,
                                 "device(): argument 'type' must be str beside an index, not %s",
                                 Py_TYPE(object)->tp_name);
    if (index >= 0)
        return (PyObject *)error(
            PyExc_RuntimeError,
            "type (string) must not include an index because index was passed explicitly: %S", object);
    long explicit_index = PyLong_AsLong(number);
    if ((explicit_index == -1 && PyErr_Occurred()) || check_index(explicit_index) < 0)
        return NULL;
    return object_new(type, (int)explicit_index);
}

static PyObject *
device_str(PyObject *o)
{
    DeviceObject *self = (DeviceObject *)o;
    if (self->index < 0)
        return PyUnicode_FromString(type_names[self->type]);
    return PyUnicode_FromFormat("%s:%d", type_names[self->type], self->index);
}

static PyObject *
device_repr(PyObject *o)
{
    DeviceObject *self = (DeviceObject *)o;
    if (self->index < 0)
        return PyUnicode_FromFormat("device(type='%s')", type_names[self->type]);
    return PyUnicode_FromFormat("device(type='%s', index=%d)", type_names[self->type], self->index);
}

static PyObject *
device_compare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !Py_IS_TYPE(b, &DeviceType_))
        Py_RETURN_NOTIMPLEMENTED;
    DeviceObject *x = (DeviceObject *)a, *y = (DeviceObject *)b;
    bool equal = x->type == y->type && x->index == y->index;
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static Py_hash_t
device_hash(PyObject *o)
{
    DeviceObject *self = (DeviceObject *)o;
    return self->type * 256 + self->index + 1;
}

static PyObject *
get_type(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(type_names[((DeviceObject *)self)->type]);
}

static PyObject *
get_index(PyObject *self, void *Py_UNUSED(closure))
{
    int index = ((DeviceObject *)self)->index;
    if (index < 0)
        Py_RETURN_NONE;
    return PyLong_FromLong(index);
}

static PyObject *
device_reduce(PyObject *o, PyObject *Py_UNUSED(args))
{
    DeviceObject *self = (DeviceObject *)o;
    if (self->index < 0)
        return Py_BuildValue("O(s)", Py_TYPE(o), type_names[self->type]);
    return Py_BuildValue("O(si)", Py_TYPE(o), type_names[self->type], self->index);
}

/* The default devices of the `with` blocks around, outermost first. */
static Device outer[64];
static int n_outer;

static PyObject *
device_enter(PyObject *self, PyObject *Py_UNUSED(args))
{
    Device device;
    if (n_outer == (int)(sizeof outer / sizeof outer[0]))
        return (PyObject *)error(PyExc_RuntimeError, "%d blocks of devices are nested", n_outer);
    if (device_from_object(self, &device) < 0)
        return NULL;
    outer[n_outer++] = default_device;
    default_device = device;
    return Py_NewRef(self);
}

static PyObject *
device_exit(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args))
{
    if (n_outer == 0)
        return (PyObject *)error(PyExc_RuntimeError, "a device's block ends that was not entered");
    default_device = outer[--n_outer];
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"__enter__", device_enter, METH_NOARGS, NULL},
    {"__exit__", device_exit, METH_VARARGS, NULL},
    {"__reduce__", device_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"type", get_type, NULL, "\"cpu\", \"cuda\" or \"meta\".", NULL},
    {"index", get_index, NULL, "The number of the device, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject DeviceType_ = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "ctorch.device",
    .tp_doc =
        "device(type, index=None)\n\nWhere a tensor's memory is: device(\"cpu\"), device(\"cuda:1\"), "
        "device(\"cuda\", 1), device(1), device(\"meta\").\n\nRaises RuntimeError for a string that names no "
        "device, TypeError for another type.  In a with statement it is the default device of the block.",
    .tp_basicsize = sizeof(DeviceObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = device_new,
    .tp_str = device_str,
    .tp_repr = device_repr,
    .tp_richcompare = device_compare,
    .tp_hash = device_hash,
    .tp_methods = methods,
    .tp_getset = getset,
};

int
device_type_init(PyObject *module)
{
    return PyModule_AddType(module, &DeviceType_);
}
