/* load_state_dict(): a model's tensors in, by dotted names; save_state.c is the way out.
 *
 * Problems are gathered over the whole model and reported in one error. */
#include "nn/nn.h"

/* The arguments of _load_from_state_dict. */
typedef struct Load {
    PyObject *state_dict, *prefix, *metadata, *missing, *unexpected, *errors; /* borrowed */
    int strict;
    int assign;
} Load;

/* list.append(text), which is consumed. */
static int
report(PyObject *list, PyObject *text)
{
    int status = text == NULL ? -1 : PyList_Append(list, text);
    Py_XDECREF(text);
    return status;
}

/* ---------------------------------------------------------------- one tensor */
/* A saved tensor of shape (1,) for a 0-d one, as old checkpoints have them: its element. */
static PyObject *
unwrap_scalar(PyObject *saved, PyObject *shape)
{
    PyObject *saved_shape = PyObject_GetAttr(saved, S(shape)), *zero = NULL, *result = NULL;
    if (saved_shape == NULL)
        return NULL;
    Py_ssize_t have = PyTuple_Check(saved_shape) ? PyTuple_GET_SIZE(saved_shape) : -1;
    if (PyTuple_GET_SIZE(shape) != 0 || have != 1 || PyLong_AsLong(PyTuple_GET_ITEM(saved_shape, 0)) != 1)
        result = Py_NewRef(saved);
    else if ((zero = PyLong_FromLong(0)) != NULL)
        result = PyObject_GetItem(saved, zero);
    Py_XDECREF(zero);
    Py_DECREF(saved_shape);
    return result;
}

/* 1 if the shapes agree, 0 after reporting that they do not. */
static int
same_shape(Load *load, PyObject *key, PyObject *saved, PyObject *shape)
{
    PyObject *saved_shape = PyObject_GetAttr(saved, S(shape));
    int same = saved_shape == NULL ? -1 : PyObject_RichCompareBool(saved_shape, shape, Py_EQ);
    if (same == 0
        && report(load->errors,
                  PyUnicode_FromFormat("size mismatch for %U: copying a param with shape %S from "
                                       "checkpoint, the shape in current model is %S.",
                                       key, saved_shape, shape))
               < 0)
        same = -1;
    Py_XDECREF(saved_shape);
    return same;
}

/* setattr(self, name, saved), as a Parameter with the old requires_grad where a Parameter was. */
static int
assign_tensor(PyObject *self, PyObject *name, PyObject *target, PyObject *saved)
{
    PyObject *requires_grad = PyObject_GetAttr(target, S(requires_grad)), *value = NULL;
    if (requires_grad == NULL)
        return -1;
    if (!parameter_check(target))
        value = Py_NewRef(saved);
    else if (parameter_check(saved))
        value = PyObject_CallMethodOneArg(saved, S(requires_grad_), requires_grad);
    else
        value = PyObject_CallFunctionObjArgs((PyObject *)ParameterType, saved, requires_grad, NULL);
    int status = value == NULL ? -1 : PyObject_SetAttr(self, name, value);
    Py_DECREF(requires_grad);
    Py_XDECREF(value);
    return status;
}

static int
copy_tensor(PyObject *target, PyObject *saved)
{
    bool recording = nn_set_recording(false);
    PyObject *done = PyObject_CallMethodOneArg(target, S(copy_), saved);
    nn_set_recording(recording);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* The exception that is set becomes a line of the report; running out of memory is nobody's mistake. */
static int
report_exception(Load *load, PyObject *key, PyObject *target, PyObject *saved)
{
    PyObject *type, *exception, *traceback;
    if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError))
        return -1;
    PyErr_Fetch(&type, &exception, &traceback);
    PyErr_NormalizeException(&type, &exception, &traceback);
    PyObject *shape = PyObject_GetAttr(target, S(shape)), *saved_shape = PyObject_GetAttr(saved, S(shape));
    PyObject *text = NULL;
    if (shape != NULL && saved_shape != NULL)
        text = PyUnicode_FromFormat(
            "While copying the parameter named \"%U\", whose dimensions in the model are %S and "
            "whose dimensions in the checkpoint are %S, an exception occurred : %S.",
            key, shape, saved_shape, exception);
    Py_XDECREF(shape);
    Py_XDECREF(saved_shape);
    Py_XDECREF(type);
    Py_XDECREF(exception);
    Py_XDECREF(traceback);
    return report(load->errors, text);
}

static int
load_checked(Load *load, PyObject *self, PyObject *name, PyObject *key, PyObject *target, PyObject *saved)
{
    int status = load->assign ? assign_tensor(self, name, target, saved) : copy_tensor(target, saved);
    return status < 0 ? report_exception(load, key, target, saved) : 0;
}

/* saved, an entry of the state dict, into target, the tensor of that name. */
static int
load_tensor(Load *load, PyObject *self, PyObject *name, PyObject *key, PyObject *target, PyObject *saved)
{
    if (!tensor_check(saved))
        return report(load->errors,
                      PyUnicode_FromFormat("While copying the parameter named \"%U\", expected "
                                           "torch.Tensor or Tensor-like object from checkpoint but "
                                           "received %R",
                                           key, Py_TYPE(saved)));
    PyObject *shape = PyObject_GetAttr(target, S(shape)), *value = NULL;
    if (shape != NULL)
        value = unwrap_scalar(saved, shape);
    int same = value == NULL ? -1 : same_shape(load, key, value, shape);
    int status = same == 1 ? load_checked(load, self, name, key, target, value) : same;
    Py_XDECREF(shape);
    Py_XDECREF(value);
    return status;
}

/* ---------------------------------------------------------------- one module */
/* name -> tensor of the parameters and persistent buffers that are there, a new dict. */
static PyObject *
local_state(Module *m)
{
    PyObject *state = PyDict_New(), *transient = module_slot(m, NON_PERSISTENT), *name, *value;
    for (Slot slot = PARAMETERS; state != NULL && slot <= BUFFERS; slot++) {
        PyObject *members = module_members(m, slot);
        Py_ssize_t at = 0;
        if (members == NULL)
            Py_CLEAR(state);
        while (state != NULL && PyDict_Next(members, &at, &name, &value)) {
            int skipped = value == Py_None;
            if (!skipped && slot == BUFFERS && transient != NULL)
                skipped = PySequence_Contains(transient, name);
            if (skipped < 0 || (!skipped && PyDict_SetItem(state, name, value) < 0))
                Py_CLEAR(state);
        }
    }
    return state;
}

/* 1: *value = mapping[key], a new reference; 0: no such key; -1 with an error. */
static int
get_item(PyObject *mapping, PyObject *key, PyObject **value)
{
    *value = PyObject_GetItem(mapping, key);
    if (*value != NULL)
        return 1;
    if (!PyErr_ExceptionMatches(PyExc_KeyError))
        return -1;
    PyErr_Clear();
    return 0;
}

static int
load_members(Load *load, PyObject *self, PyObject *state)
{
    PyObject *name, *target;
    Py_ssize_t at = 0;
    while (PyDict_Next(state, &at, &name, &target)) {
        PyObject *key = PyUnicode_Concat(load->prefix, name), *saved = NULL;
        int found = key == NULL ? -1 : get_item(load->state_dict, key, &saved), status = found < 0 ? -1 : 0;
        if (found == 1)
            status = load_tensor(load, self, name, key, target, saved);
        else if (found == 0 && load->strict)
            status = PyList_Append(load->missing, key);
        Py_XDECREF(saved);
        Py_XDECREF(key);
        if (status < 0)
            return -1;
    }
    return 0;
}

/* What the class keeps beside its tensors; returns the key under which that stands, NULL on error. */
static PyObject *
load_extra_state(Load *load, PyObject *self)
{
    PyObject *key = PyUnicode_FromFormat("%U_extra_state", load->prefix), *state = NULL, *done = NULL;
    if (key == NULL)
        return NULL;
    bool wanted = _PyType_Lookup(Py_TYPE(self), S(set_extra_state))
                  != _PyType_Lookup(nn_ModuleType, S(set_extra_state));
    int there = get_item(load->state_dict, key, &state), status = there < 0 ? -1 : 0;
    if (wanted && there == 1) {
        done = PyObject_CallMethodOneArg(self, S(set_extra_state), state);
        status = done == NULL ? -1 : 0;
    } else if (load->strict && there >= 0 && wanted != (there == 1)) {
        status = PyList_Append(wanted ? load->missing : load->unexpected, key);
    }
    Py_XDECREF(state);
    Py_XDECREF(done);
    if (status < 0)
        Py_CLEAR(key);
    return key;
}

/* 1 if key, below this module's prefix, is neither an own tensor nor below a child. */
static int
is_unexpected(Load *load, Module *m, PyObject *state, PyObject *key)
{
    Py_ssize_t start = PyUnicode_GET_LENGTH(load->prefix), end = PyUnicode_GET_LENGTH(key);
    Py_ssize_t dot = PyUnicode_FindChar(key, '.', start, end, 1);
    PyObject *name = PyUnicode_Substring(key, start, dot < 0 ? end : dot);
    PyObject *known = dot < 0 ? state : module_members(m, MODULES);
    int found = name == NULL || known == NULL ? -1 : PyDict_Contains(known, name);
    Py_XDECREF(name);
    return found < 0 ? -1 : !found;
}

static int
report_unexpected(Load *load, PyObject *self, PyObject *state, PyObject *extra_key)
{
    PyObject *keys = PySequence_List(load->state_dict);
    int status = keys == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(keys); i++) {
        PyObject *key = PyList_GET_ITEM(keys, i);
        if (!PyUnicode_Check(key) || PyUnicode_Tailmatch(key, load->prefix, 0, PY_SSIZE_T_MAX, -1) != 1
            || PyUnicode_Compare(key, extra_key) == 0)
            continue;
        status = is_unexpected(load, (Module *)self, state, key);
        if (status == 1)
            status = PyList_Append(load->unexpected, key);
    }
    Py_XDECREF(keys);
    return status;
}

static int
run_pre_hooks(PyObject *self, PyObject *args)
{
    if (!module_has_hooks((Module *)self, LOAD_STATE_DICT_PRE_HOOKS))
        return 0;
    PyObject *hooks = nn_values(module_slot((Module *)self, LOAD_STATE_DICT_PRE_HOOKS));
    int status = hooks == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(hooks); i++) {
        PyObject *done = PyObject_Call(PyList_GET_ITEM(hooks, i), args, NULL);
        status = done == NULL ? -1 : 0;
        Py_XDECREF(done);
    }
    Py_XDECREF(hooks);
    return status;
}

static int
parse_load(PyObject *args, PyObject *kwargs, Load *load)
{
    static char *keywords[] = {"state_dict",   "prefix",          "local_metadata", "strict",
                               "missing_keys", "unexpected_keys", "error_msgs",     NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OUOpO!O!O!:_load_from_state_dict", keywords,
                                     &load->state_dict, &load->prefix, &load->metadata, &load->strict,
                                     &PyList_Type, &load->missing, &PyList_Type, &load->unexpected,
                                     &PyList_Type, &load->errors))
        return -1;
    PyObject *assign;
    int found = get_item(load->metadata, S(assign_to_params_buffers), &assign);
    load->assign = found == 1 ? PyObject_IsTrue(assign) : found;
    Py_XDECREF(assign);
    return load->assign < 0 ? -1 : 0;
}

static int
load_own(Load *load, PyObject *self)
{
    PyObject *state = local_state((Module *)self), *extra_key = NULL;
    int status = state == NULL ? -1 : load_members(load, self, state);
    if (status == 0 && (extra_key = load_extra_state(load, self)) == NULL)
        status = -1;
    if (status == 0 && load->strict)
        status = report_unexpected(load, self, state, extra_key);
    Py_XDECREF(state);
    Py_XDECREF(extra_key);
    return status;
}

static PyObject *
load_from_state_dict(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Load load = {0};
    if (parse_load(args, kwargs, &load) < 0)
        return NULL;
    PyObject *all =
        Py_BuildValue("(OOOOOOO)", load.state_dict, load.prefix, load.metadata,
                      load.strict ? Py_True : Py_False, load.missing, load.unexpected, load.errors);
    int status = all == NULL ? -1 : run_pre_hooks(self, all);
    Py_XDECREF(all);
    if (status < 0 || load_own(&load, self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- the whole model */
/* The metadata filed for prefix, a dict of its own. */
static PyObject *
local_metadata(Load *load)
{
    PyObject *local = NULL, *found = NULL, *name = NULL;
    Py_ssize_t n = PyUnicode_GET_LENGTH(load->prefix);
    int there = 0;
    if (load->metadata != Py_None) {
        name = PyUnicode_Substring(load->prefix, 0, n > 0 ? n - 1 : 0);
        there = name == NULL ? -1 : get_item(load->metadata, name, &found);
    }
    if (there >= 0)
        local = found ? PyObject_CallFunctionObjArgs((PyObject *)&PyDict_Type, found, NULL) : PyDict_New();
    if (local != NULL && load->assign && PyDict_SetItem(local, S(assign_to_params_buffers), Py_True) < 0)
        Py_CLEAR(local);
    Py_XDECREF(found);
    Py_XDECREF(name);
    return local;
}

/* The entries of the state dict whose keys start with prefix. */
static PyObject *
entries_below(PyObject *state_dict, PyObject *prefix)
{
    PyObject *items = PyMapping_Items(state_dict), *below = items == NULL ? NULL : PyDict_New();
    for (Py_ssize_t i = 0; below != NULL && i < PyList_GET_SIZE(items); i++) {
        PyObject *key = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
        if (PyUnicode_Check(key) && PyUnicode_Tailmatch(key, prefix, 0, PY_SSIZE_T_MAX, -1) == 1
            && PyDict_SetItem(below, key, PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1)) < 0)
            Py_CLEAR(below);
    }
    Py_XDECREF(items);
    return below;
}

/* IncompatibleKeys(missing, unexpected): lives in Python, being a named tuple. */
static PyObject *
incompatible_keys(Load *load)
{
    PyObject *class = nn_imported("ctorch.nn.modules.module", "_IncompatibleKeys");
    PyObject *keys =
        class == NULL ? NULL : PyObject_CallFunctionObjArgs(class, load->missing, load->unexpected, NULL);
    Py_XDECREF(class);
    return keys;
}

static int
run_post_hooks(Load *load, PyObject *module)
{
    if (!module_has_hooks((Module *)module, LOAD_STATE_DICT_POST_HOOKS))
        return 0;
    PyObject *keys = incompatible_keys(load);
    PyObject *hooks =
        keys == NULL ? NULL : nn_values(module_slot((Module *)module, LOAD_STATE_DICT_POST_HOOKS));
    int status = hooks == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(hooks); i++) {
        PyObject *answer = PyObject_CallFunctionObjArgs(PyList_GET_ITEM(hooks, i), module, keys, NULL);
        if (answer != NULL && answer != Py_None)
            PyErr_SetString(PyExc_AssertionError,
                            "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                            "expected to return new values: change incompatible_keys in place");
        status = answer == Py_None ? 0 : -1;
        Py_XDECREF(answer);
    }
    Py_XDECREF(keys);
    Py_XDECREF(hooks);
    return status;
}

static int load_module(Load load, PyObject *module);

static int
load_children(Load load, PyObject *module)
{
    PyObject *children = module_members((Module *)module, MODULES), *prefix = load.prefix,
             *all = load.state_dict;
    PyObject *items = children == NULL ? NULL : nn_items(children);
    int status = items == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *child = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
        if (child == Py_None)
            continue;
        load.prefix = PyUnicode_FromFormat("%U%S.", prefix, PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0));
        load.state_dict = load.prefix == NULL ? NULL : entries_below(all, load.prefix);
        status = load.state_dict == NULL ? -1 : load_module(load, child);
        Py_XDECREF(load.prefix);
        Py_XDECREF(load.state_dict);
    }
    Py_XDECREF(items);
    return status;
}

/* load.metadata is that of the whole model here, Py_None if it has none. */
static int
load_module(Load load, PyObject *module)
{
    PyObject *done = NULL, *local = local_metadata(&load);
    if (local != NULL)
        done = PyObject_CallMethodObjArgs(module, S(_load_from_state_dict), load.state_dict, load.prefix,
                                          local, Py_True, load.missing, load.unexpected, load.errors, NULL);
    Py_XDECREF(local);
    Py_XDECREF(done);
    if (done == NULL || Py_EnterRecursiveCall(" in load_state_dict()"))
        return -1;
    int status = load_children(load, module);
    Py_LeaveRecursiveCall();
    return status < 0 ? -1 : run_post_hooks(&load, module);
}

/* "Missing key(s) in state_dict: "a", "b". " in front of the errors, if there are any keys. */
static int
report_keys(PyObject *errors, PyObject *keys, const char *what)
{
    PyObject *text = PyUnicode_FromFormat("%s key(s) in state_dict: ", what);
    for (Py_ssize_t i = 0; text != NULL && i < PyList_GET_SIZE(keys); i++)
        Py_SETREF(text,
                  PyUnicode_FromFormat(i == 0 ? "%U\"%S\"" : "%U, \"%S\"", text, PyList_GET_ITEM(keys, i)));
    if (text != NULL)
        Py_SETREF(text, PyUnicode_FromFormat("%U. ", text));
    int status = text == NULL ? -1 : PyList_GET_SIZE(keys) == 0 ? 0 : PyList_Insert(errors, 0, text);
    Py_XDECREF(text);
    return status;
}

static void
raise_errors(PyObject *self, PyObject *errors)
{
    PyObject *separator = PyUnicode_FromString("\n\t");
    PyObject *text = separator == NULL ? NULL : PyUnicode_Join(separator, errors);
    if (text != NULL)
        PyErr_Format(PyExc_RuntimeError, "Error(s) in loading state_dict for %s:\n\t%U", nn_class_name(self),
                     text);
    Py_XDECREF(separator);
    Py_XDECREF(text);
}

/* A copy that pre-hooks may change, with the same _metadata. */
static PyObject *
copied(PyObject *state_dict, PyObject *metadata)
{
    PyObject *copy = PyObject_CallFunctionObjArgs((PyObject *)&PyODict_Type, state_dict, NULL);
    if (copy != NULL && metadata != Py_None && PyObject_SetAttr(copy, S(_metadata), metadata) < 0)
        Py_CLEAR(copy);
    return copy;
}

static PyObject *
finish(Load *load, PyObject *self)
{
    if (load->strict
        && (report_keys(load->errors, load->unexpected, "Unexpected") < 0
            || report_keys(load->errors, load->missing, "Missing") < 0))
        return NULL;
    if (PyList_GET_SIZE(load->errors) == 0)
        return incompatible_keys(load);
    raise_errors(self, load->errors);
    return NULL;
}

static int
check_dict_like(PyObject *state_dict)
{
    PyObject *keys;
    int found = nn_getattr_optional(state_dict, S(keys), &keys);
    Py_XDECREF(keys);
    if (found == 0 || (found == 1 && !PyMapping_Check(state_dict))) {
        PyErr_Format(PyExc_TypeError, "Expected state_dict to be dict-like, got %R.", Py_TYPE(state_dict));
        return -1;
    }
    return found < 0 ? -1 : 0;
}

static PyObject *
load_state_dict(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"state_dict", "strict", "assign", NULL};
    PyObject *state_dict, *metadata = NULL, *result = NULL;
    Load load = {.prefix = S(empty), .strict = 1};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|pp:load_state_dict", keywords, &state_dict,
                                     &load.strict, &load.assign))
        return NULL;
    if (check_dict_like(state_dict) < 0 || nn_getattr_optional(state_dict, S(_metadata), &metadata) < 0)
        return NULL;
    load.metadata = metadata == NULL ? Py_None : metadata;
    load.state_dict = copied(state_dict, load.metadata);
    load.missing = PyList_New(0);
    load.unexpected = PyList_New(0);
    load.errors = PyList_New(0);
    if (load.state_dict != NULL && load.missing != NULL && load.unexpected != NULL && load.errors != NULL
        && load_module(load, self) == 0)
        result = finish(&load, self);
    Py_XDECREF(metadata);
    Py_XDECREF(load.state_dict);
    Py_XDECREF(load.missing);
    Py_XDECREF(load.unexpected);
    Py_XDECREF(load.errors);
    return result;
}

PyMethodDef nn_load_methods[] = {
    {"load_state_dict", NN_KEYWORDS(load_state_dict),
     "load_state_dict($self, state_dict, strict=True, assign=False)\n--\n\n"
     "Copies the tensors of a state dict into the model; with assign they become the model's own.\n\n"
     "Returns (missing_keys, unexpected_keys). Raises RuntimeError with all mismatched shapes and,\n"
     "if strict, all keys that are on one side only."},
    {"_load_from_state_dict", NN_KEYWORDS(load_from_state_dict),
     "_load_from_state_dict($self, state_dict, prefix, local_metadata, strict, missing_keys, "
     "unexpected_keys, error_msgs)\n--\n\n"
     "Loads this module's own entries and appends problems to the last three lists."},
    {NULL, NULL, 0, NULL},
};
