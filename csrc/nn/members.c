/* Registering parameters, buffers and children by name, and finding them by a dotted path. */
#include "nn/nn.h"

/* The rules that names of all three obey; plural is for the message of a module that is not initialised. */
static int
check_name(Module *m, PyObject *name, Slot slot, const char *role)
{
    PyObject *members = module_slot(m, slot), *type, *value;
    if (members == NULL) {
        PyErr_Format(PyExc_AttributeError, "cannot assign %s before Module.__init__() call", role);
        return -1;
    }
    if (!PyUnicode_Check(name)) {
        type = nn_typename(name);
        if (type != NULL)
            PyErr_Format(PyExc_TypeError, "%s name should be a string. Got %U", role, type);
        Py_XDECREF(type);
        return -1;
    }
    if (PyUnicode_GET_LENGTH(name) == 0) {
        PyErr_Format(PyExc_KeyError, "%s name can't be empty string \"\"", role);
        return -1;
    }
    if (PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), 1) >= 0) {
        PyErr_Format(PyExc_KeyError, "%s name can't contain \".\", got: %U", role, name);
        return -1;
    }
    int known = PyDict_Contains(members, name);
    int exists = known != 0 ? 0 : module_lookup((PyObject *)m, name, &value);
    if (exists == 1) {
        Py_DECREF(value);
        PyErr_Format(PyExc_KeyError, "attribute '%U' already exists", name);
    }
    return known < 0 || exists != 0 ? -1 : 0;
}

static PyObject *
refuse(PyObject *value, const char *role, PyObject *name, const char *expected)
{
    PyObject *type = nn_typename(value);
    if (type != NULL)
        PyErr_Format(PyExc_TypeError, "cannot assign '%U' object to %s '%U' (%s or None required)", type,
                     role, name, expected);
    Py_XDECREF(type);
    return NULL;
}

static PyObject *
add_member(Module *m, Slot slot, PyObject *name, PyObject *value)
{
    PyObject *members = module_members(m, slot);
    if (members == NULL || PyObject_SetItem(members, name, value) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
register_parameter(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"name", "param", NULL};
    PyObject *name, *param;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:register_parameter", keywords, &name, &param))
        return NULL;
    if (check_name((Module *)self, name, PARAMETERS, "parameter") < 0)
        return NULL;
    if (param != Py_None && !parameter_check(param))
        return refuse(param, "parameter", name, "torch.nn.Parameter");
    int leaf = param == Py_None ? 1 : nn_is_true_attr(param, S(is_leaf));
    if (leaf <= 0)
        return leaf < 0
                   ? NULL
                   : PyErr_Format(PyExc_ValueError,
                                  "Cannot assign non-leaf Tensor to parameter '%U': a parameter is "
                                  "a value of its own; compute what depends on other tensors in forward()",
                                  name);
    return add_member((Module *)self, PARAMETERS, name, param);
}

static PyObject *
register_buffer(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"name", "tensor", "persistent", NULL};
    PyObject *name, *tensor;
    int persistent = 1;
    Module *m = (Module *)self;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|p:register_buffer", keywords, &name, &tensor,
                                     &persistent))
        return NULL;
    if (check_name(m, name, BUFFERS, "buffer") < 0)
        return NULL;
    if (tensor != Py_None && !tensor_check(tensor))
        return refuse(tensor, "buffer", name, "torch Tensor");
    PyObject *transient = module_members(m, NON_PERSISTENT);
    if (transient == NULL || (persistent ? PySet_Discard(transient, name) : PySet_Add(transient, name)) < 0)
        return NULL;
    return add_member(m, BUFFERS, name, tensor);
}

static PyObject *
add_module(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"name", "module", NULL};
    PyObject *name, *module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:add_module", keywords, &name, &module))
        return NULL;
    if (module != Py_None && !module_check(module)) {
        PyObject *type = nn_typename(module);
        if (type != NULL)
            PyErr_Format(PyExc_TypeError, "%U is not a Module subclass%s", type,
                         PyType_Check(module)       ? ": it is the class, call it to make a module of it"
                         : PyCallable_Check(module) ? ": it is a function, a Sequential holds modules such as nn.ReLU()" : "");
        Py_XDECREF(type);
        return NULL;
    }
    if (check_name((Module *)self, name, MODULES, "module") < 0)
        return NULL;
    return add_member((Module *)self, MODULES, name, module);
}

/* ---------------------------------------------------------------- by path */
static PyObject *
missing(PyObject *module, PyObject *name)
{
    PyObject *class = PyObject_CallMethodNoArgs(module, S(_get_name));
    if (class != NULL)
        PyErr_Format(PyExc_AttributeError, "%S has no attribute `%U`", class, name);
    Py_XDECREF(class);
    return NULL;
}

/* module.name, which must be a module. */
static PyObject *
child_named(PyObject *module, PyObject *name)
{
    PyObject *child;
    int found = nn_getattr_optional(module, name, &child);
    if (found <= 0)
        return found < 0 ? NULL : missing(module, name);
    if (module_check(child))
        return child;
    Py_DECREF(child);
    return PyErr_Format(PyExc_AttributeError, "`%U` is not an nn.Module", name);
}

static PyObject *
get_submodule(PyObject *self, PyObject *target)
{
    if (!PyUnicode_Check(target))
        return PyErr_Format(PyExc_TypeError, "get_submodule() expects a str, not %s",
                            Py_TYPE(target)->tp_name);
    PyObject *module = Py_NewRef(self);
    if (PyUnicode_GET_LENGTH(target) == 0)
        return module;
    PyObject *dot = PyUnicode_FromString("."), *names = dot == NULL ? NULL : PyUnicode_Split(target, dot, -1);
    if (names == NULL)
        Py_CLEAR(module);
    for (Py_ssize_t i = 0; module != NULL && i < PyList_GET_SIZE(names); i++)
        Py_SETREF(module, child_named(module, PyList_GET_ITEM(names, i)));
    Py_XDECREF(dot);
    Py_XDECREF(names);
    return module;
}

/* The module and the last name of a dotted path, both new. */
static int
split_path(PyObject *self, PyObject *target, PyObject **module, PyObject **name)
{
    PyObject *dot = PyUnicode_FromString("."), *parts = NULL;
    *module = *name = NULL;
    if (dot != NULL && PyUnicode_Check(target))
        parts = PyUnicode_RPartition(target, dot);
    else if (dot != NULL)
        PyErr_Format(PyExc_TypeError, "expected a dotted name as a str, not %s", Py_TYPE(target)->tp_name);
    if (parts != NULL)
        *module = PyObject_CallMethod(self, "get_submodule", "O", PyTuple_GET_ITEM(parts, 0));
    if (*module != NULL)
        *name = Py_NewRef(PyTuple_GET_ITEM(parts, 2));
    Py_XDECREF(dot);
    Py_XDECREF(parts);
    return *module == NULL ? -1 : 0;
}

static PyObject *
get_parameter(PyObject *self, PyObject *target)
{
    PyObject *module, *name, *value = NULL;
    if (split_path(self, target, &module, &name) < 0)
        return NULL;
    if (nn_getattr_optional(module, name, &value) == 0)
        missing(module, name);
    if (value != NULL && !parameter_check(value)) {
        Py_CLEAR(value);
        PyErr_Format(PyExc_AttributeError, "`%U` is not an nn.Parameter", name);
    }
    Py_DECREF(module);
    Py_DECREF(name);
    return value;
}

static PyObject *
get_buffer(PyObject *self, PyObject *target)
{
    PyObject *module, *name, *value = NULL;
    if (split_path(self, target, &module, &name) < 0)
        return NULL;
    if (nn_getattr_optional(module, name, &value) == 0)
        missing(module, name);
    PyObject *buffers =
        value == NULL || !module_check(module) ? NULL : module_members((Module *)module, BUFFERS);
    int known = buffers == NULL ? -1 : PyDict_Contains(buffers, name);
    if (known <= 0)
        Py_CLEAR(value);
    if (known == 0)
        PyErr_Format(PyExc_AttributeError, "`%U` is not a buffer", name);
    Py_DECREF(module);
    Py_DECREF(name);
    return value;
}

static PyObject *
set_submodule(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"target", "module", "strict", NULL};
    PyObject *target, *module, *parent, *name, *old = NULL;
    int strict = 0, status = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "UO|p:set_submodule", keywords, &target, &module, &strict))
        return NULL;
    if (PyUnicode_GET_LENGTH(target) == 0)
        return PyErr_Format(PyExc_ValueError, "Cannot set the submodule without a target name!");
    if (!module_check(module))
        return PyErr_Format(PyExc_ValueError, "`module` is not an nn.Module, found %R", Py_TYPE(module));
    if (split_path(self, target, &parent, &name) < 0)
        return NULL;
    int found = nn_getattr_optional(parent, name, &old);
    if (found == 0 && strict)
        missing(parent, name);
    else if (found == 1 && !module_check(old))
        PyErr_Format(PyExc_AttributeError, "`%U` is not an nn.Module", name);
    else if (found >= 0)
        status = PyObject_SetAttr(parent, name, module);
    Py_XDECREF(old);
    Py_DECREF(parent);
    Py_DECREF(name);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

PyMethodDef nn_member_methods[] = {
    {"register_parameter", NN_KEYWORDS(register_parameter),
     "register_parameter($self, name, param)\n--\n\n"
     "Adds a Parameter, or None as a place for one.\n\n"
     "Raises KeyError if the name is taken, TypeError if param is no Parameter."},
    {"register_buffer", NN_KEYWORDS(register_buffer),
     "register_buffer($self, name, tensor, persistent=True)\n--\n\n"
     "Adds a tensor that belongs to the module but is not learned; a persistent one is in\n"
     "state_dict()."},
    {"register_module", NN_KEYWORDS(add_module),
     "register_module($self, name, module)\n--\n\nAs add_module()."},
    {"add_module", NN_KEYWORDS(add_module), "add_module($self, name, module)\n--\n\nAdds a child module."},
    {"get_submodule", get_submodule, METH_O,
     "get_submodule($self, target)\n--\n\nThe module at a dotted path; AttributeError if there is none."},
    {"set_submodule", NN_KEYWORDS(set_submodule),
     "set_submodule($self, target, module, strict=False)\n--\n\n"
     "Puts a module at a dotted path; strict asks for one to be there."},
    {"get_parameter", get_parameter, METH_O,
     "get_parameter($self, target)\n--\n\n"
     "The Parameter at a dotted path; AttributeError if there is none."},
    {"get_buffer", get_buffer, METH_O,
     "get_buffer($self, target)\n--\n\nThe buffer at a dotted path; AttributeError if there is none."},
    {NULL, NULL, 0, NULL},
};
