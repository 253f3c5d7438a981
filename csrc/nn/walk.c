/* Going through a model: parameters, buffers, children, modules, and what is done to all of them.
 *
 * The walks return iterators over lists made beforehand, so a loop may change the model it goes through. They
 * call the children's methods by name where a class overrides them. */
#include "nn/nn.h"

static PyObject *named_modules(PyObject *self, PyObject *args, PyObject *kwargs);

static PyObject *
iterator(PyObject *list)
{
    PyObject *result = list == NULL ? NULL : PyObject_GetIter(list);
    Py_XDECREF(list);
    return result;
}

/* 1 if o was not in memo yet; with remember it is now. */
static int
first_seen(PyObject *memo, PyObject *o, bool remember)
{
    if (!PySet_Check(memo)) {
        PyErr_Format(PyExc_TypeError, "named_modules(): memo must be a set, not %s", Py_TYPE(memo)->tp_name);
        return -1;
    }
    int seen = PySet_Contains(memo, o);
    if (seen == 0 && remember && PySet_Add(memo, o) < 0)
        return -1;
    return seen < 0 ? -1 : !seen;
}

static int
append_pair(PyObject *list, PyObject *name, PyObject *value)
{
    PyObject *pair = PyTuple_Pack(2, name, value);
    int status = pair == NULL ? -1 : PyList_Append(list, pair);
    Py_XDECREF(pair);
    return status;
}

static PyObject *
dotted(PyObject *prefix, PyObject *name)
{
    return PyUnicode_GET_LENGTH(prefix) > 0 ? PyUnicode_FromFormat("%U.%S", prefix, name)
                                            : PyObject_Str(name);
}

/* ---------------------------------------------------------------- modules */
static int collect_modules(PyObject *self, PyObject *memo, PyObject *prefix, bool unique, PyObject *list);

static int
collect_child(PyObject *child, PyObject *memo, PyObject *prefix, bool unique, PyObject *list)
{
    if (nn_inherits(child, S(named_modules), (PyCFunction)(void (*)(void))named_modules))
        return collect_modules(child, memo, prefix, unique, list);
    PyObject *pairs =
        PyObject_CallMethod(child, "named_modules", "OOO", memo, prefix, unique ? Py_True : Py_False);
    PyObject *done = pairs == NULL ? NULL : PyObject_CallMethod(list, "extend", "O", pairs);
    Py_XDECREF(pairs);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
collect_modules(PyObject *self, PyObject *memo, PyObject *prefix, bool unique, PyObject *list)
{
    int fresh = first_seen(memo, self, unique);
    if (fresh <= 0)
        return fresh;
    PyObject *children = module_members((Module *)self, MODULES);
    PyObject *items = children == NULL ? NULL : nn_items(children);
    int status = items == NULL ? -1 : append_pair(list, prefix, self);
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *child = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
        if (child == Py_None)
            continue;
        PyObject *name = dotted(prefix, PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0));
        status = name == NULL || Py_EnterRecursiveCall(" while walking through a Module") ? -1 : 0;
        if (status == 0) {
            status = collect_child(child, memo, name, unique, list);
            Py_LeaveRecursiveCall();
        }
        Py_XDECREF(name);
    }
    Py_XDECREF(items);
    return status;
}

static PyObject *
named_modules(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"memo", "prefix", "remove_duplicate", NULL};
    PyObject *memo = Py_None, *prefix = S(empty), *list = NULL;
    int unique = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OUp:named_modules", keywords, &memo, &prefix, &unique))
        return NULL;
    memo = memo == Py_None ? PySet_New(NULL) : Py_NewRef(memo);
    if (memo != NULL)
        list = PyList_New(0);
    if (list != NULL && collect_modules(self, memo, prefix, unique, list) < 0)
        Py_CLEAR(list);
    Py_XDECREF(memo);
    return iterator(list);
}

/* The second items of an iterable of pairs, as an iterator; consumes pairs. */
static PyObject *
second_of_each(PyObject *pairs)
{
    PyObject *list = pairs == NULL ? NULL : PyList_New(0);
    PyObject *items = list == NULL ? NULL : PySequence_Fast(pairs, "pairs expected");
    for (Py_ssize_t i = 0; items != NULL && list != NULL && i < PySequence_Fast_GET_SIZE(items); i++) {
        PyObject *pair = PySequence_Fast_GET_ITEM(items, i);
        PyObject *second = PySequence_GetItem(pair, 1);
        if (second == NULL || PyList_Append(list, second) < 0)
            Py_CLEAR(list);
        Py_XDECREF(second);
    }
    if (items == NULL)
        Py_CLEAR(list);
    Py_XDECREF(items);
    Py_XDECREF(pairs);
    return iterator(list);
}

static PyObject *
modules(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"remove_duplicate", NULL};
    int unique = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:modules", keywords, &unique))
        return NULL;
    return second_of_each(
        PyObject_CallMethod(self, "named_modules", "OsO", Py_None, "", unique ? Py_True : Py_False));
}

static PyObject *
named_children(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *children = module_members((Module *)self, MODULES);
    PyObject *items = children == NULL ? NULL : nn_items(children);
    PyObject *memo = items == NULL ? NULL : PySet_New(NULL), *list = memo == NULL ? NULL : PyList_New(0);
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(items); i++) {
        PyObject *child = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
        int fresh = child == Py_None ? 0 : first_seen(memo, child, true);
        if (fresh < 0 || (fresh == 1 && PyList_Append(list, PyList_GET_ITEM(items, i)) < 0))
            Py_CLEAR(list);
    }
    Py_XDECREF(items);
    Py_XDECREF(memo);
    return iterator(list);
}

static PyObject *
children(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return second_of_each(PyObject_CallMethodNoArgs(self, S(named_children)));
}

/* ---------------------------------------------------------------- parameters and buffers */
static int
append_members(PyObject *module, PyObject *prefix, Slot slot, PyObject *memo, bool unique, PyObject *list)
{
    PyObject *members = module_members((Module *)module, slot);
    PyObject *items = members == NULL ? NULL : nn_items(members);
    int status = items == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *value = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
        int fresh = value == Py_None ? 0 : first_seen(memo, value, unique);
        PyObject *name = fresh == 1 ? dotted(prefix, PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0)) : NULL;
        if (fresh < 0 || (fresh == 1 && (name == NULL || append_pair(list, name, value) < 0)))
            status = -1;
        Py_XDECREF(name);
    }
    Py_XDECREF(items);
    return status;
}

/* (prefix, module) of self alone or of all modules below it: a new list. */
static PyObject *
owners(PyObject *self, PyObject *prefix, bool recurse, bool unique)
{
    if (!recurse)
        return Py_BuildValue("[(OO)]", prefix, self);
    PyObject *flag = unique ? Py_True : Py_False;
    PyObject *pairs = PyObject_CallMethod(self, "named_modules", "OOO", Py_None, prefix, flag);
    PyObject *list = pairs == NULL ? NULL : PySequence_List(pairs);
    Py_XDECREF(pairs);
    return list;
}

static PyObject *
named_members(PyObject *self, PyObject *args, PyObject *kwargs, Slot slot)
{
    static char *keywords[] = {"prefix", "recurse", "remove_duplicate", NULL};
    PyObject *prefix = S(empty), *module_prefix, *module;
    int recurse = 1, unique = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Upp", keywords, &prefix, &recurse, &unique))
        return NULL;
    PyObject *pairs = owners(self, prefix, recurse, unique), *memo = pairs == NULL ? NULL : PySet_New(NULL);
    PyObject *list = memo == NULL ? NULL : PyList_New(0);
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(pairs); i++)
        if (!PyArg_ParseTuple(PyList_GET_ITEM(pairs, i), "UO!", &module_prefix, nn_ModuleType, &module)
            || append_members(module, module_prefix, slot, memo, unique, list) < 0)
            Py_CLEAR(list);
    Py_XDECREF(pairs);
    Py_XDECREF(memo);
    return iterator(list);
}

static PyObject *
named_parameters(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return named_members(self, args, kwargs, PARAMETERS);
}

static PyObject *
named_buffers(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return named_members(self, args, kwargs, BUFFERS);
}

static PyObject *
members_alone(PyObject *self, PyObject *args, PyObject *kwargs, const char *method)
{
    static char *keywords[] = {"recurse", NULL};
    int recurse = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p", keywords, &recurse))
        return NULL;
    return second_of_each(PyObject_CallMethod(self, method, "sO", "", recurse ? Py_True : Py_False));
}

static PyObject *
parameters(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return members_alone(self, args, kwargs, "named_parameters");
}

static PyObject *
buffers(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return members_alone(self, args, kwargs, "named_buffers");
}

/* ---------------------------------------------------------------- doing something to all of them */
/* method(child, argument) of every child, then 0. */
static int
call_children(PyObject *self, PyObject *method, PyObject *argument)
{
    PyObject *pairs = named_children(self, NULL), *pair;
    int status = pairs == NULL || Py_EnterRecursiveCall(" while walking through a Module") ? -1 : 0;
    bool entered = status == 0;
    while (status == 0 && (pair = PyIter_Next(pairs)) != NULL) {
        PyObject *child = PyTuple_GET_ITEM(pair, 1);
        PyObject *result = PyObject_CallMethodObjArgs(child, method, argument, NULL);
        status = result == NULL ? -1 : 0;
        Py_XDECREF(result);
        Py_DECREF(pair);
    }
    if (entered)
        Py_LeaveRecursiveCall();
    Py_XDECREF(pairs);
    return status < 0 || PyErr_Occurred() ? -1 : 0;
}

static PyObject *
train(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"mode", NULL};
    PyObject *mode = Py_True;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:train", keywords, &mode))
        return NULL;
    if (!PyBool_Check(mode))
        return PyErr_Format(PyExc_ValueError, "training mode is expected to be boolean, not %s",
                            Py_TYPE(mode)->tp_name);
    if (PyObject_SetAttr(self, S(training), mode) < 0 || call_children(self, S(train), mode) < 0)
        return NULL;
    return Py_NewRef(self);
}

static PyObject *
eval(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyObject_CallMethodOneArg(self, S(train), Py_False);
}

static PyObject *
apply(PyObject *self, PyObject *function)
{
    if (call_children(self, S(apply), function) < 0)
        return NULL;
    PyObject *result = PyObject_CallOneArg(function, self);
    Py_XDECREF(result);
    return result == NULL ? NULL : Py_NewRef(self);
}

/* change(parameter, argument) of every parameter; -1 as soon as one fails. */
static int
each_parameter(PyObject *self, int (*change)(PyObject *, PyObject *), PyObject *argument)
{
    PyObject *all = PyObject_CallMethodNoArgs(self, S(parameters)), *parameter;
    PyObject *iterable = all == NULL ? NULL : PyObject_GetIter(all);
    int status = iterable == NULL ? -1 : 0;
    while (status == 0 && (parameter = PyIter_Next(iterable)) != NULL) {
        status = change(parameter, argument);
        Py_DECREF(parameter);
    }
    Py_XDECREF(all);
    Py_XDECREF(iterable);
    return status < 0 || PyErr_Occurred() ? -1 : 0;
}

static int
set_requires_grad(PyObject *parameter, PyObject *requires_grad)
{
    PyObject *result = PyObject_CallMethodOneArg(parameter, S(requires_grad_), requires_grad);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static PyObject *
requires_grad_(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"requires_grad", NULL};
    PyObject *requires_grad = Py_True;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:requires_grad_", keywords, &requires_grad)
        || each_parameter(self, set_requires_grad, requires_grad) < 0)
        return NULL;
    return Py_NewRef(self);
}

static int
zero_one(PyObject *parameter, PyObject *to_none)
{
    PyObject *grad = PyObject_GetAttr(parameter, S(grad)), *detached = NULL, *zeroed = NULL;
    int set_to_none = PyObject_IsTrue(to_none), status = grad == NULL || set_to_none < 0 ? -1 : 0;
    if (status == 0 && grad != Py_None && set_to_none) {
        status = PyObject_SetAttr(parameter, S(grad), Py_None);
    } else if (status == 0 && grad != Py_None) {
        detached = PyObject_CallMethodNoArgs(grad, S(detach)); /* shares the memory, drops the history */
        zeroed = detached == NULL ? NULL : PyObject_CallMethodNoArgs(detached, S(zero_));
        status = zeroed == NULL ? -1 : PyObject_SetAttr(parameter, S(grad), detached);
    }
    Py_XDECREF(grad);
    Py_XDECREF(detached);
    Py_XDECREF(zeroed);
    return status;
}

static PyObject *
zero_grad(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"set_to_none", NULL};
    PyObject *set_to_none = Py_True;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:zero_grad", keywords, &set_to_none)
        || each_parameter(self, zero_one, set_to_none) < 0)
        return NULL;
    return Py_NewRef(Py_None);
}

PyMethodDef nn_walk_methods[] = {
    {"parameters", NN_KEYWORDS(parameters),
     "parameters($self, recurse=True)\n--\n\n"
     "Iterates over the Parameters, each once; recurse includes the children's."},
    {"named_parameters", NN_KEYWORDS(named_parameters),
     "named_parameters($self, prefix='', recurse=True, remove_duplicate=True)\n--\n\n"
     "Iterates over (dotted name, Parameter)."},
    {"buffers", NN_KEYWORDS(buffers),
     "buffers($self, recurse=True)\n--\n\nIterates over the buffers, each once."},
    {"named_buffers", NN_KEYWORDS(named_buffers),
     "named_buffers($self, prefix='', recurse=True, remove_duplicate=True)\n--\n\n"
     "Iterates over (dotted name, buffer)."},
    {"children", children, METH_NOARGS,
     "children($self)\n--\n\nIterates over the direct children, each once."},
    {"named_children", named_children, METH_NOARGS,
     "named_children($self)\n--\n\nIterates over (name, child)."},
    {"modules", NN_KEYWORDS(modules),
     "modules($self, remove_duplicate=True)\n--\n\nIterates over this module and all below it, each once."},
    {"named_modules", NN_KEYWORDS(named_modules),
     "named_modules($self, memo=None, prefix='', remove_duplicate=True)\n--\n\n"
     "Iterates over (dotted name, module)."},
    {"train", NN_KEYWORDS(train),
     "train($self, mode=True)\n--\n\n"
     "Puts this module and all below it into training mode, or out of it; returns self."},
    {"eval", eval, METH_NOARGS, "eval($self)\n--\n\nAs train(False)."},
    {"apply", apply, METH_O,
     "apply($self, fn)\n--\n\nCalls fn(module) for all modules below and then for this one; returns self."},
    {"requires_grad_", NN_KEYWORDS(requires_grad_),
     "requires_grad_($self, requires_grad=True)\n--\n\n"
     "Sets requires_grad of all parameters; returns self."},
    {"zero_grad", NN_KEYWORDS(zero_grad),
     "zero_grad($self, set_to_none=True)\n--\n\n"
     "Drops all parameters' gradients, or fills them with zeros."},
    {NULL, NULL, 0, NULL},
};
