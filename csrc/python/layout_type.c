/* torch.layout and torch.memory_format: named singletons.  Every tensor is strided; what a memory format is to ops is
 * its number. */
#include "python/types.h"

typedef struct NamedObject {
    PyObject_HEAD
    const char *name;
} NamedObject;

static PyObject *
named_repr(PyObject *self)
{
    return PyUnicode_FromFormat("torch.%s", ((NamedObject *)self)->name);
}

static PyObject *
named_reduce(PyObject *self, PyObject *Py_UNUSED(args))
{
    return PyUnicode_FromString(((NamedObject *)self)->name);
}

static PyMethodDef methods[] = {
    {"__reduce__", named_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject LayoutType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "ctorch.layout",
    .tp_basicsize = sizeof(NamedObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_repr = named_repr,
    .tp_methods = methods,
};

PyTypeObject MemoryFormatType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "ctorch.memory_format",
    .tp_basicsize = sizeof(NamedObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_repr = named_repr,
    .tp_methods = methods,
};

static NamedObject layouts[] = {{.name = "strided"}};
static NamedObject memory_formats[] = {
    [FORMAT_PRESERVE] = {.name = "preserve_format"},
    [FORMAT_CONTIGUOUS] = {.name = "contiguous_format"},
    [FORMAT_CHANNELS_LAST] = {.name = "channels_last"},
    [FORMAT_CHANNELS_LAST_3D] = {.name = "channels_last_3d"},
};

int
memory_format_of(PyObject *o)
{
    return PyObject_TypeCheck(o, &MemoryFormatType) ? (int)((NamedObject *)o - memory_formats) : -1;
}

int
memory_format_argument(const char *function, PyObject *o, MemoryFormat *out)
{
    int format = memory_format_of(o);
    if (format < 0) {
        error(PyExc_TypeError, "%s(): argument 'memory_format' must be torch.memory_format, not %s", function, Py_TYPE(o)->tp_name);
        return -1;
    }
    *out = (MemoryFormat)format;
    return 0;
}

static int
add_all(PyObject *module, PyTypeObject *type, NamedObject *objects, size_t count)
{
    if (PyModule_AddType(module, type) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        PyObject *object = PyObject_Init((PyObject *)&objects[i], type);
        if (PyModule_AddObjectRef(module, objects[i].name, object) < 0)
            return -1;
    }
    return 0;
}

int
layout_type_init(PyObject *module)
{
    if (add_all(module, &LayoutType, layouts, Py_ARRAY_LENGTH(layouts)) < 0)
        return -1;
    return add_all(module, &MemoryFormatType, memory_formats, Py_ARRAY_LENGTH(memory_formats));
}
