/* state_dict() and load_state_dict(): a model's tensors under dotted names, out and in.
 *
 * Both go through _save_to_state_dict and _load_from_state_dict of every module, which classes may override.
 */
#include "nn/nn.h"

/* ---------------------------------------------------------------- saving */
static bool
is_transient(Module *m, PyObject *name)
{
    PyObject *names = module_slot(m, NON_PERSISTENT);
    return names != NULL && PySequence_Contains(names, name) == 1;
}

/* destination[prefix + name] = each entry of the slot, cut from its history unless keep_vars. */
static int
save_members(Module *m, Slot slot, PyObject *destination, PyObject *prefix, bool keep_vars)
{
    PyObject *members = module_members(m, slot);
    PyObject *items = members == NULL ? NULL : nn_items(members);
    int status = items == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
        PyObject *value = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
        if (value == Py_None || (slot == BUFFERS && is_transient(m, name)))
            continue;
        PyObject *key = PyUnicode_Concat(prefix, name);
        PyObject *saved = key == NULL ? NULL
                          : keep_vars ? Py_NewRef(value)
                                      : PyObject_CallMethodNoArgs(value, S(detach));
        status = key == NULL || saved == NULL ? -1 : PyObject_SetItem(destination, key, saved);
        Py_XDECREF(key);
        Py_XDECREF(saved);
    }
    Py_XDECREF(items);
    return status;
}

static PyObject *
extra_state_key(PyObject *prefix)
{
    return PyUnicode_FromFormat("%U_extra_state", prefix);
}

/* A class that defines method itself: Module has it too, only to be found. */
static int
overrides(PyObject *self, PyObject *method)
{
    return _PyType_Lookup(Py_TYPE(self), method) != _PyType_Lookup(nn_ModuleType, method);
}

static PyObject *
save_to_state_dict(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"destination", "prefix", "keep_vars", NULL};
    PyObject *destination, *prefix;
    int keep_vars;
    Module *m = (Module *)self;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OUp:_save_to_state_dict", keywords, &destination, &prefix,
                                     &keep_vars))
        return NULL;
    if (save_members(m, PARAMETERS, destination, prefix, keep_vars) < 0
        || save_members(m, BUFFERS, destination, prefix, keep_vars) < 0)
        return NULL;
    if (!overrides(self, S(get_extra_state)))
        Py_RETURN_NONE;
    PyObject *key = extra_state_key(prefix);
    PyObject *state = key == NULL ? NULL : PyObject_CallMethodNoArgs(self, S(get_extra_state));
    int status = state == NULL ? -1 : PyObject_SetItem(destination, key, state);
    Py_XDECREF(key);
    Py_XDECREF(state);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
no_extra_state(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args))
{
    return PyErr_Format(PyExc_RuntimeError,
                        "Reached a code path in Module that should never be called: define both "
                        "get_extra_state and set_extra_state, or neither");
}

/* prefix without its last dot: the name under which a module's metadata is filed. */
static PyObject *
module_name(PyObject *prefix)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(prefix);
    return PyUnicode_Substring(prefix, 0, n > 0 ? n - 1 : 0);
}

/* destination._metadata[name] = {"version": ...}, which is returned. */
static PyObject *
save_metadata(PyObject *self, PyObject *destination, PyObject *prefix)
{
    PyObject *metadata = NULL, *name = NULL, *local = PyDict_New();
    PyObject *version = local == NULL ? NULL : PyObject_GetAttr(self, S(_version));
    int status = version == NULL ? -1 : PyDict_SetItemString(local, "version", version);
    if (status == 0)
        status = nn_getattr_optional(destination, S(_metadata), &metadata);
    if (status == 1) {
        name = module_name(prefix);
        status = name == NULL ? -1 : PyObject_SetItem(metadata, name, local);
    }
    if (status < 0)
        Py_CLEAR(local);
    Py_XDECREF(version);
    Py_XDECREF(metadata);
    Py_XDECREF(name);
    return local;
}

static PyObject *
new_destination(void)
{
    PyObject *destination = PyODict_New(), *metadata = PyODict_New();
    if (destination != NULL
        && (metadata == NULL || PyObject_SetAttr(destination, S(_metadata), metadata) < 0))
        Py_CLEAR(destination);
    Py_XDECREF(metadata);
    return destination;
}

static int
run_save_pre_hooks(PyObject *self, PyObject *prefix, PyObject *keep_vars)
{
    if (!module_has_hooks((Module *)self, STATE_DICT_PRE_HOOKS))
        return 0;
    PyObject *hooks = nn_values(module_slot((Module *)self, STATE_DICT_PRE_HOOKS));
    int status = hooks == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(hooks); i++) {
        PyObject *done =
            PyObject_CallFunctionObjArgs(PyList_GET_ITEM(hooks, i), self, prefix, keep_vars, NULL);
        status = done == NULL ? -1 : 0;
        Py_XDECREF(done);
    }
    Py_XDECREF(hooks);
    return status;
}

static int
take_hooked(PyObject *hook, PyObject *answer, PyObject **destination)
{
    PyObject *public;
    if (answer == Py_None)
        return 0;
    int found = nn_getattr_optional(hook, S(_from_public_api), &public);
    int truth = found == 1 ? PyObject_IsTrue(public) : found;
    Py_XDECREF(public);
    if (truth == 0) {
        Py_INCREF(answer);
        Py_SETREF(*destination, answer);
    } else if (truth > 0) {
        PyErr_SetString(PyExc_RuntimeError, "state_dict post-hook must return None");
    }
    return truth == 0 ? 0 : -1;
}

static int
run_save_hooks(PyObject *self, PyObject **destination, PyObject *prefix, PyObject *local)
{
    if (!module_has_hooks((Module *)self, STATE_DICT_HOOKS))
        return 0;
    PyObject *hooks = nn_values(module_slot((Module *)self, STATE_DICT_HOOKS));
    int status = hooks == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(hooks); i++) {
        PyObject *hook = PyList_GET_ITEM(hooks, i);
        PyObject *answer = PyObject_CallFunctionObjArgs(hook, self, *destination, prefix, local, NULL);
        status = answer == NULL ? -1 : take_hooked(hook, answer, destination);
        Py_XDECREF(answer);
    }
    Py_XDECREF(hooks);
    return status;
}

/* module.state_dict(destination=, prefix=prefix + name + ".", keep_vars=) of every child. */
static int
save_children(PyObject *self, PyObject *destination, PyObject *prefix, PyObject *keep_vars)
{
    PyObject *children = module_members((Module *)self, MODULES), *nothing = PyTuple_New(0);
    PyObject *items = children == NULL || nothing == NULL ? NULL : nn_items(children);
    int status = items == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
        PyObject *child = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1), *method = NULL, *kwargs = NULL,
                 *done = NULL;
        if (child == Py_None)
            continue;
        PyObject *path = PyUnicode_FromFormat("%U%U.", prefix, name);
        if (path != NULL)
            kwargs = Py_BuildValue("{s:O,s:O,s:O}", "destination", destination, "prefix", path, "keep_vars",
                                   keep_vars);
        if (kwargs != NULL)
            method = PyObject_GetAttr(child, S(state_dict));
        if (method != NULL)
            done = PyObject_Call(method, nothing, kwargs);
        status = done == NULL ? -1 : 0;
        Py_XDECREF(path);
        Py_XDECREF(kwargs);
        Py_XDECREF(method);
        Py_XDECREF(done);
    }
    Py_XDECREF(items);
    Py_XDECREF(nothing);
    return status;
}

static int
save_self(PyObject *self, PyObject *destination, PyObject *prefix, PyObject *keep_vars)
{
    PyObject *done =
        PyObject_CallMethodObjArgs(self, S(_save_to_state_dict), destination, prefix, keep_vars, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Positional arguments are old style, with destination first. */
static int
warn_positional(PyObject *args)
{
    if (PyTuple_GET_SIZE(args) == 0)
        return 0;
    return PyErr_WarnEx(PyExc_FutureWarning,
                        "Positional args are being deprecated, use kwargs instead: "
                        "state_dict(prefix=..., keep_vars=...)",
                        1);
}

static PyObject *
state_dict(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"destination", "prefix", "keep_vars", NULL};
    PyObject *destination = Py_None, *prefix = S(empty), *keep_vars = Py_False, *local = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OUO:state_dict", keywords, &destination, &prefix,
                                     &keep_vars)
        || warn_positional(args) < 0 || Py_EnterRecursiveCall(" in state_dict()"))
        return NULL;
    destination = destination == Py_None ? new_destination() : Py_NewRef(destination);
    if (destination != NULL)
        local = save_metadata(self, destination, prefix);
    if (local == NULL || run_save_pre_hooks(self, prefix, keep_vars) < 0
        || save_self(self, destination, prefix, keep_vars) < 0
        || save_children(self, destination, prefix, keep_vars) < 0
        || run_save_hooks(self, &destination, prefix, local) < 0)
        Py_CLEAR(destination);
    Py_XDECREF(local);
    Py_LeaveRecursiveCall();
    return destination;
}

PyMethodDef nn_save_methods[] = {
    {"state_dict", NN_KEYWORDS(state_dict),
     "state_dict($self, *, destination=None, prefix='', keep_vars=False)\n--\n\n"
     "An OrderedDict from dotted names to the parameters and persistent buffers of the whole model,\n"
     "which share their memory; with keep_vars they are the objects themselves."},
    {"_save_to_state_dict", NN_KEYWORDS(save_to_state_dict),
     "_save_to_state_dict($self, destination, prefix, keep_vars)\n--\n\nSaves this module's own entries."},
    {"get_extra_state", no_extra_state, METH_NOARGS,
     "get_extra_state($self)\n--\n\nDefined by a class: what state_dict() shall keep beside the tensors."},
    {"set_extra_state", no_extra_state, METH_O,
     "set_extra_state($self, state)\n--\n\nDefined by a class: takes back what get_extra_state() gave."},
    {NULL, NULL, 0, NULL},
};
