/* Sequential: a chain of modules, called from C one after the other. */
#include "nn/nn.h"

PyTypeObject *nn_SequentialType;

static PyObject *
children_of(PyObject *self)
{
    return module_members((Module *)self, MODULES);
}

static Py_ssize_t
sequential_length(PyObject *self)
{
    PyObject *children = children_of(self);
    return children == NULL ? -1 : PyDict_GET_SIZE(children);
}

/* ---------------------------------------------------------------- forward */
/* The output of the module at *i, which then is the next one's index.  A Linear and the ReLU behind it are one kernel
 * if nobody can see what passes between them. */
static PyObject *
forward_step(PyObject *chain, Py_ssize_t *i, PyObject *input)
{
    PyObject *module = PyList_GET_ITEM(chain, (*i)++);
    if (*i == PyList_GET_SIZE(chain) || !nn_runs_relu(PyList_GET_ITEM(chain, *i)) || !nn_runs_linear(module))
        return module_call_one(module, input);
    ++*i;
    return nn_linear_relu(module, input);
}

static PyObject *
sequential_forward(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    PyObject *input = nn_one_argument(self, args, n, kwnames), *children = children_of(self);
    PyObject *chain = input == NULL || children == NULL ? NULL : nn_values(children);
    if (chain == NULL)
        return NULL;
    PyObject *output = Py_NewRef(input);
    for (Py_ssize_t i = 0; output != NULL && i < PyList_GET_SIZE(chain);)
        Py_SETREF(output, forward_step(chain, &i, output));
    Py_DECREF(chain);
    return output;
}

/* ---------------------------------------------------------------- building */
/* self.add_module(str(index), module): the method that a class may override. */
static int
add_at(PyObject *self, Py_ssize_t index, PyObject *module)
{
    PyObject *name = PyUnicode_FromFormat("%zd", index);
    PyObject *done =
        name == NULL ? NULL : PyObject_CallMethodObjArgs(self, S(add_module), name, module, NULL);
    Py_XDECREF(name);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
add_named(PyObject *self, PyObject *ordered)
{
    PyObject *items = nn_items(ordered);
    int status = items == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        PyObject *done = PyObject_CallMethodObjArgs(self, S(add_module), PyTuple_GET_ITEM(item, 0),
                                                    PyTuple_GET_ITEM(item, 1), NULL);
        status = done == NULL ? -1 : 0;
        Py_XDECREF(done);
    }
    Py_XDECREF(items);
    return status;
}

static int
sequential_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (kwargs != NULL && PyDict_Next(kwargs, &at, &key, &value)) {
        PyErr_Format(PyExc_TypeError,
                     "Sequential.__init__() got an unexpected keyword argument '%U'; name modules by passing an "
                     "OrderedDict", key);
        return -1;
    }
    if (nn_module_init(self) < 0)
        return -1;
    if (PyTuple_GET_SIZE(args) == 1 && PyODict_Check(PyTuple_GET_ITEM(args, 0)))
        return add_named(self, PyTuple_GET_ITEM(args, 0));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++)
        if (add_at(self, i, PyTuple_GET_ITEM(args, i)) < 0)
            return -1;
    return 0;
}

static PyObject *
sequential_append(PyObject *self, PyObject *module)
{
    PyObject *children = children_of(self);
    if (children == NULL || add_at(self, PyDict_GET_SIZE(children), module) < 0)
        return NULL;
    return Py_NewRef(self);
}

/* Appends every module of an iterable, by the method that a class may override. */
static PyObject *
sequential_extend(PyObject *self, PyObject *modules)
{
    PyObject *list = PySequence_List(modules); /* a copy: model.extend(model) ends */
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++) {
        PyObject *done = PyObject_CallMethodOneArg(self, S(append), PyList_GET_ITEM(list, i));
        if (done == NULL)
            Py_CLEAR(list);
        Py_XDECREF(done);
    }
    Py_XDECREF(list);
    return list == NULL ? NULL : Py_NewRef(self);
}

/* _modules = the given modules, numbered from 0. */
static int
renumber(PyObject *self, PyObject *modules)
{
    PyObject *children = PyDict_New();
    int status = children == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(modules); i++) {
        PyObject *name = PyUnicode_FromFormat("%zd", i);
        status = name == NULL ? -1 : PyDict_SetItem(children, name, PyList_GET_ITEM(modules, i));
        Py_XDECREF(name);
    }
    if (status == 0)
        status = module_set_slot((Module *)self, MODULES, children);
    Py_XDECREF(children);
    return status;
}

static PyObject *
sequential_insert(PyObject *self, PyObject *args)
{
    Py_ssize_t index, n = sequential_length(self);
    PyObject *module, *modules = NULL;
    if (n < 0 || !PyArg_ParseTuple(args, "nO:insert", &index, &module))
        return NULL;
    if (!module_check(module))
        return PyErr_Format(PyExc_AssertionError, "module should be of type: %R", nn_ModuleType);
    if (index < -n || index > n)
        return PyErr_Format(PyExc_IndexError, "Index out of range: %zd", index);
    int status = (modules = nn_values(children_of(self))) == NULL ? -1 : 0;
    if (status == 0 && (status = PyList_Insert(modules, index < 0 ? index + n : index, module)) == 0)
        status = renumber(self, modules);
    Py_XDECREF(modules);
    return status < 0 ? NULL : Py_NewRef(self);
}

/* ---------------------------------------------------------------- indexing */
/* The name of the child at a position, new. */
static PyObject *
name_at(PyObject *self, PyObject *index)
{
    PyObject *children = children_of(self), *names = NULL, *name = NULL;
    Py_ssize_t i = PyNumber_AsSsize_t(index, NULL);
    if (children == NULL || (i == -1 && PyErr_Occurred()) || (names = PyMapping_Keys(children)) == NULL)
        return NULL;
    Py_ssize_t n = PyList_GET_SIZE(names);
    if (i < -n || i >= n)
        PyErr_Format(PyExc_IndexError, "index %zd is out of range", i);
    else
        name = Py_NewRef(PyList_GET_ITEM(names, i < 0 ? i + n : i));
    Py_DECREF(names);
    return name;
}

/* type(self)(OrderedDict(the items of the slice)) */
static PyObject *
slice_of(PyObject *self, PyObject *slice)
{
    PyObject *children = children_of(self), *items = children == NULL ? NULL : nn_items(children),
             *result = NULL;
    PyObject *some = items == NULL ? NULL : PyObject_GetItem(items, slice);
    PyObject *ordered = some == NULL ? NULL : PyObject_CallOneArg((PyObject *)&PyODict_Type, some);
    if (ordered != NULL)
        result = PyObject_CallOneArg((PyObject *)Py_TYPE(self), ordered);
    Py_XDECREF(items);
    Py_XDECREF(some);
    Py_XDECREF(ordered);
    return result;
}

/* What makes a sequence of it, for reversed(). */
static PyObject *
sequential_item(PyObject *self, Py_ssize_t i)
{
    PyObject *index = PyLong_FromSsize_t(i), *module = NULL;
    PyObject *name = index == NULL ? NULL : name_at(self, index);
    if (name != NULL)
        module = PyObject_GetItem(children_of(self), name);
    Py_XDECREF(index);
    Py_XDECREF(name);
    return module;
}

static PyObject *
sequential_subscript(PyObject *self, PyObject *index)
{
    if (PySlice_Check(index))
        return slice_of(self, index);
    PyObject *name = name_at(self, index), *children = children_of(self);
    PyObject *module = name == NULL || children == NULL ? NULL : PyObject_GetItem(children, name);
    Py_XDECREF(name);
    return module;
}

/* Deletes by attribute, so that an overriding __delattr__ sees it, and numbers the rest anew. */
static int
delete_at(PyObject *self, PyObject *index)
{
    PyObject *children = children_of(self), *names = NULL, *all;
    if (children == NULL)
        return -1;
    if (PySlice_Check(index)) {
        all = PyMapping_Keys(children);
        names = all == NULL ? NULL : PyObject_GetItem(all, index);
        Py_XDECREF(all);
    } else if ((all = name_at(self, index)) != NULL) {
        names = PyList_New(1);
        if (names != NULL)
            PyList_SET_ITEM(names, 0, all);
        else
            Py_DECREF(all);
    }
    int status = names == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(names); i++)
        status = PyObject_SetAttr(self, PyList_GET_ITEM(names, i), NULL);
    Py_XDECREF(names);
    PyObject *rest = status < 0 ? NULL : nn_values(children_of(self));
    status = rest == NULL ? -1 : renumber(self, rest);
    Py_XDECREF(rest);
    return status;
}

static int
sequential_assign(PyObject *self, PyObject *index, PyObject *module)
{
    if (module == NULL)
        return delete_at(self, index);
    PyObject *name = name_at(self, index);
    int status = name == NULL ? -1 : PyObject_SetAttr(self, name, module);
    Py_XDECREF(name);
    return status;
}

static PyObject *
sequential_pop(PyObject *self, PyObject *index)
{
    PyObject *module = PyObject_GetItem(self, index);
    if (module != NULL && PyObject_DelItem(self, index) < 0)
        Py_CLEAR(module);
    return module;
}

static PyObject *
sequential_iter(PyObject *self)
{
    PyObject *children = children_of(self), *values = children == NULL ? NULL : nn_values(children);
    PyObject *iterator = values == NULL ? NULL : PyObject_GetIter(values);
    Py_XDECREF(values);
    return iterator;
}

/* ---------------------------------------------------------------- arithmetic */
static bool
is_sequential(PyObject *o)
{
    return PyObject_TypeCheck(o, nn_SequentialType);
}

static PyObject *
refuse_add(PyObject *other)
{
    return PyErr_Format(PyExc_ValueError,
                        "add operator supports only objects of Sequential class, but %R is given.",
                        Py_TYPE(other));
}

static PyObject *
sequential_inplace_add(PyObject *self, PyObject *other)
{
    return is_sequential(other) ? sequential_extend(self, other) : refuse_add(other);
}

static PyObject *
sequential_add(PyObject *self, PyObject *other)
{
    if (!is_sequential(self))
        Py_RETURN_NOTIMPLEMENTED;
    if (!is_sequential(other))
        return refuse_add(other);
    PyObject *sum = PyObject_CallNoArgs((PyObject *)nn_SequentialType);
    PyObject *half = sum == NULL ? NULL : sequential_extend(sum, self);
    PyObject *whole = half == NULL ? NULL : sequential_extend(sum, other);
    Py_XDECREF(sum);
    Py_XDECREF(half);
    return whole;
}

/* target gets self's modules count times, the same objects. */
static PyObject *
repeat(PyObject *target, PyObject *self, PyObject *count)
{
    if (!PyLong_Check(count))
        return PyErr_Format(PyExc_TypeError, "unsupported operand type(s) for *: %R and %R", Py_TYPE(self),
                            Py_TYPE(count));
    Py_ssize_t n = PyLong_AsSsize_t(count);
    if (n == -1 && PyErr_Occurred())
        return NULL;
    if (n <= 0)
        return PyErr_Format(PyExc_ValueError, "Non-positive multiplication factor %zd for %R", n,
                            Py_TYPE(self));
    PyObject *modules = PySequence_List(self), *done = NULL;
    bool failed = modules == NULL;
    for (Py_ssize_t i = target == self ? 1 : 0; !failed && i < n; i++) {
        failed = (done = sequential_extend(target, modules)) == NULL;
        Py_XDECREF(done);
    }
    Py_XDECREF(modules);
    return failed ? NULL : Py_NewRef(target);
}

static PyObject *
sequential_multiply(PyObject *a, PyObject *b)
{
    PyObject *self = is_sequential(a) ? a : b;
    PyObject *product = PyObject_CallNoArgs((PyObject *)nn_SequentialType);
    PyObject *result = product == NULL ? NULL : repeat(product, self, self == a ? b : a);
    Py_XDECREF(product);
    return result;
}

static PyObject *
sequential_inplace_multiply(PyObject *self, PyObject *count)
{
    return repeat(self, self, count);
}

/* ---------------------------------------------------------------- the type */
static PyMethodDef sequential_methods[] = {
    {"forward", NN_FORWARD(sequential_forward),
     "forward($self, input)\n--\n\nPasses input through all modules."},
    {"append", sequential_append, METH_O,
     "append($self, module)\n--\n\nAdds a module at the end; returns self."},
    {"extend", sequential_extend, METH_O,
     "extend($self, sequential)\n--\n\nAppends every module of an iterable."},
    {"insert", sequential_insert, METH_VARARGS,
     "insert($self, index, module)\n--\n\nPuts a module in front of the one at index; returns self."},
    {"pop", sequential_pop, METH_O,
     "pop($self, key)\n--\n\nRemoves the module at an index, or a slice, and returns it."},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(sequential_doc,
    "Sequential(*modules)\n--\n\n"
    "A chain: calling it passes the input through its modules in order. Also\n"
    "Sequential(OrderedDict) with names. Indexed, sliced, iterated and changed like a list.");

static PyType_Slot sequential_slots[] = {
    {Py_tp_doc, (void *)sequential_doc},
    {Py_tp_init, sequential_init},
    {Py_tp_methods, sequential_methods},
    {Py_tp_iter, sequential_iter},
    {Py_sq_length, sequential_length},
    {Py_sq_item, sequential_item},
    {Py_mp_length, sequential_length},
    {Py_mp_subscript, sequential_subscript},
    {Py_mp_ass_subscript, sequential_assign},
    {Py_nb_add, sequential_add},
    {Py_nb_inplace_add, sequential_inplace_add},
    {Py_nb_multiply, sequential_multiply},
    {Py_nb_inplace_multiply, sequential_inplace_multiply},
    {0, NULL},
};

static PyType_Spec sequential_spec = {
    .name = "ctorch.nn.Sequential",
    .flags = NN_LAYER_FLAGS,
    .slots = sequential_slots,
};

int
nn_sequential_init(PyObject *module)
{
    return nn_add_type(module, &nn_SequentialType, &sequential_spec, nn_ModuleType);
}
