/* Python idioms that the files of nn/ share: optional attributes, snapshots of dicts, names of types,
 * imports. */
#include "nn/nn.h"

#include "autograd/node.h"

#include <string.h>

/* PyDict_Items would miss the order that OrderedDict.move_to_end() gave, so only exact dicts take the short
 * way. */
PyObject *
nn_items(PyObject *mapping)
{
    return PyDict_CheckExact(mapping) ? PyDict_Items(mapping) : PyMapping_Items(mapping);
}

PyObject *
nn_values(PyObject *mapping)
{
    return PyDict_CheckExact(mapping) ? PyDict_Values(mapping) : PyMapping_Values(mapping);
}

int
nn_getattr_optional(PyObject *o, PyObject *name, PyObject **value)
{
    *value = PyObject_GetAttr(o, name);
    if (*value != NULL)
        return 1;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    return 0;
}

int
nn_is_true_attr(PyObject *o, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(o, name);
    int truth = value == NULL ? -1 : PyObject_IsTrue(value);
    Py_XDECREF(value);
    return truth;
}

bool
nn_set_recording(bool on)
{
    bool was = grad_mode;
    grad_mode = on;
    return was;
}

int
nn_set_attr_steal(PyObject *o, PyObject *name, PyObject *value)
{
    int status = value == NULL ? -1 : PyObject_SetAttr(o, name, value);
    Py_XDECREF(value);
    return status;
}

/* ---------------------------------------------------------------- arguments, refused in Python's words */
static int
take_keywords(const char *class, int n, const char *const *names, PyObject *kwargs, PyObject **values)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (kwargs != NULL && PyDict_Next(kwargs, &at, &key, &value)) {
        int i = 0;
        while (i < n && PyUnicode_CompareWithASCIIString(key, names[i]) != 0)
            i++;
        if (i == n)
            PyErr_Format(PyExc_TypeError, "%s.__init__() got an unexpected keyword argument '%U'", class, key);
        else if (values[i] != NULL)
            PyErr_Format(PyExc_TypeError, "%s.__init__() got multiple values for argument '%U'", class, key);
        if (i == n || values[i] != NULL)
            return -1;
        values[i] = value;
    }
    return 0;
}

static int
too_many(const char *class, int n_required, int n, Py_ssize_t given)
{
    char range[48] = "";
    if (n_required < n)
        PyOS_snprintf(range, sizeof range, "from %d to ", n_required + 1);
    PyErr_Format(PyExc_TypeError, "%s.__init__() takes %s%d positional argument%s but %zd were given", class, range, n + 1,
                 n == 0 ? "" : "s", given + 1);
    return -1;
}

/* "'a'", "'a' and 'b'", "'a', 'b', and 'c'" */
static int
missing(const char *class, int n_required, const char *const *names, PyObject *const *values)
{
    int count = 0, k = 0;
    for (int i = 0; i < n_required; i++)
        count += values[i] == NULL;
    if (count == 0)
        return 0;
    PyObject *list = PyUnicode_FromString("");
    for (int i = 0; list != NULL && i < n_required; i++)
        if (values[i] == NULL) {
            const char *before = k == 0 ? "" : k < count - 1 ? ", " : count == 2 ? " and " : ", and ";
            Py_SETREF(list, PyUnicode_FromFormat("%U%s'%s'", list, before, names[i]));
            k++;
        }
    if (list != NULL)
        PyErr_Format(PyExc_TypeError, "%s.__init__() missing %d required positional argument%s: %U", class, count,
                     count == 1 ? "" : "s", list);
    Py_XDECREF(list);
    return -1;
}

int
nn_arguments(const char *class, int n_required, int n, const char *const *names, PyObject *args, PyObject *kwargs,
             PyObject **values)
{
    Py_ssize_t given = PyTuple_GET_SIZE(args);
    for (int i = 0; i < n; i++)
        values[i] = i < given ? PyTuple_GET_ITEM(args, i) : NULL;
    if (take_keywords(class, n, names, kwargs, values) < 0)
        return -1;
    return given > n ? too_many(class, n_required, n, given) : missing(class, n_required, names, values);
}

PyObject *
nn_one_argument(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    Py_ssize_t keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    const char *name = nn_class_name(self);
    if (n == 1 && keywords == 0)
        return args[0];
    if (n == 0 && keywords == 1
        && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "input") == 0)
        return args[0];
    if (n == 0 && keywords == 0)
        PyErr_Format(PyExc_TypeError, "%s.forward() missing 1 required positional argument: 'input'", name);
    else if (keywords > 0)
        PyErr_Format(PyExc_TypeError, "%s.forward() got an unexpected keyword argument %R", name,
                     PyTuple_GET_ITEM(kwnames, 0));
    else
        PyErr_Format(PyExc_TypeError, "%s.forward() takes 2 positional arguments but %zd were given", name,
                     n + 1);
    return NULL;
}

PyObject *
nn_call_functional(PyObject *name, PyObject *const *args, size_t n, PyObject *kwnames)
{
    static PyObject *functional; /* the module, imported at the first call */
    if (functional == NULL && (functional = PyImport_ImportModule("ctorch.nn.functional")) == NULL)
        return NULL;
    PyObject *function = PyObject_GetAttr(functional, name);
    PyObject *result = function == NULL ? NULL : PyObject_Vectorcall(function, args, n, kwnames);
    Py_XDECREF(function);
    return result;
}

const char *
nn_class_name(PyObject *o)
{
    const char *name = Py_TYPE(o)->tp_name, *dot = strrchr(name, '.');
    return dot == NULL ? name : dot + 1;
}

/* None where o has no such attribute. */
static PyObject *
optional_attribute(PyObject *o, const char *name)
{
    PyObject *value = PyObject_GetAttrString(o, name);
    if (value != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return value;
    PyErr_Clear();
    return Py_NewRef(Py_None);
}

PyObject *
nn_typename(PyObject *o)
{
    if (tensor_check(o))
        return PyObject_CallMethodNoArgs(o, S(type));
    PyObject *module = optional_attribute(o, "__module__");
    PyObject *name = module == NULL ? NULL : optional_attribute(o, "__qualname__");      /* of a class or a function */
    if (name == Py_None)
        Py_SETREF(name, PyObject_GetAttrString((PyObject *)Py_TYPE(o), "__name__"));
    PyObject *text = NULL;
    if (name != NULL && PyUnicode_Check(module) && PyUnicode_CompareWithASCIIString(module, "builtins") != 0)
        text = PyUnicode_FromFormat("%U.%S", module, name);
    else if (name != NULL)
        text = PyObject_Str(name);
    Py_XDECREF(module);
    Py_XDECREF(name);
    return text;
}

PyObject *
nn_imported(const char *module, const char *name)
{
    PyObject *found = PyImport_ImportModule(module);
    PyObject *value = found == NULL ? NULL : PyObject_GetAttrString(found, name);
    Py_XDECREF(found);
    return value;
}

int
nn_add_type(PyObject *module, PyTypeObject **type, PyType_Spec *spec, PyTypeObject *base)
{
    PyObject *bases = base == NULL ? NULL : PyTuple_Pack(1, (PyObject *)base);
    if (base != NULL && bases == NULL)
        return -1;
    PyObject *made = PyType_FromSpecWithBases(spec, bases);
    Py_XDECREF(bases);
    if (made == NULL)
        return -1;
    *type = (PyTypeObject *)made; /* this reference lives as long as the process */
    Py_INCREF(made);
    if (PyModule_AddObject(module, strrchr(spec->name, '.') + 1, made) < 0) {
        Py_DECREF(made);
        return -1;
    }
    return 0;
}
