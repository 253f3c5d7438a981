/* torch.layout and torch.memory_format: named singletons.  Every tensor is strided; which memory formats an
 * op honours is its own business. */
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
    {.name = "contiguous_format"},
    {.name = "preserve_format"},
    {.name = "channels_last"},
    {.name = "channels_last_3d"},
};

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
