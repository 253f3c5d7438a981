/* Registering hooks, and the handle that removes one.  When hooks run is decided in call.c and state_dict.c.
 */
#include "nn/nn.h"

#include <stddef.h>
#include <structmember.h>

PyTypeObject *nn_RemovableHandleType;

/* ---------------------------------------------------------------- RemovableHandle */
typedef struct Handle {
    PyObject_HEAD
    PyObject *hooks; /* dict from id to hook */
    PyObject *extra;               /* tuple of dicts that mention the id too */
    PyObject *id;
} Handle;

static int64_t next_id;

/* Gives the id to what it owns already. */
static int
handle_fill(Handle *handle, PyObject *hooks, PyObject *extra, PyObject *id)
{
    if (id == NULL)
        return -1;
    Py_INCREF(hooks);
    Py_XSETREF(handle->hooks, hooks);
    Py_INCREF(extra);
    Py_XSETREF(handle->extra, extra);
    Py_XSETREF(handle->id, id);
    return 0;
}

static PyObject *
handle_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"hooks_dict", "extra_dict", NULL};
    PyObject *hooks, *extra = Py_None, *dicts = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|$O:RemovableHandle", keywords, &PyDict_Type, &hooks,
                                     &extra))
        return NULL;
    Handle *handle = (Handle *)type->tp_alloc(type, 0);
    if (handle == NULL)
        return NULL;
    if (extra == Py_None)
        dicts = PyTuple_New(0);
    else
        dicts = PyDict_Check(extra) ? PyTuple_Pack(1, extra) : PySequence_Tuple(extra);
    if (dicts == NULL || handle_fill(handle, hooks, dicts, PyLong_FromLongLong(next_id++)) < 0)
        Py_CLEAR(handle);
    Py_XDECREF(dicts);
    return (PyObject *)handle;
}

static int
remove_from(PyObject *dict, PyObject *id)
{
    int found = PyDict_Contains(dict, id);
    return found <= 0 ? found : PyObject_DelItem(dict, id);
}

static PyObject *
handle_remove(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Handle *handle = (Handle *)self;
    if (remove_from(handle->hooks, handle->id) < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(handle->extra); i++)
        if (remove_from(PyTuple_GET_ITEM(handle->extra, i), handle->id) < 0)
            return NULL;
    Py_RETURN_NONE;
}

static PyObject *
handle_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(self);
}

static PyObject *
handle_exit(PyObject *self, PyObject *Py_UNUSED(args))
{
    return handle_remove(self, NULL);
}

static PyObject *
handle_reduce(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Handle *handle = (Handle *)self;
    return Py_BuildValue("O(O)(OOO)", Py_TYPE(self), handle->hooks, handle->hooks, handle->extra, handle->id);
}

static PyObject *
handle_setstate(PyObject *self, PyObject *state)
{
    PyObject *hooks, *extra, *id;
    if (!PyTuple_Check(state))
        return PyErr_Format(PyExc_TypeError, "__setstate__() expects a tuple");
    if (!PyArg_ParseTuple(state, "O!O!O!", &PyDict_Type, &hooks, &PyTuple_Type, &extra, &PyLong_Type, &id))
        return NULL;
    long long number = PyLong_AsLongLong(id);
    if (number < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "a hook's id cannot be negative");
        return NULL;
    }
    if (handle_fill((Handle *)self, hooks, extra, Py_NewRef(id)) < 0)
        return NULL;
    if (number >= next_id) /* ids stay unique in this process */
        next_id = number + 1;
    Py_RETURN_NONE;
}

static int
handle_traverse(PyObject *self, visitproc visit, void *arg)
{
    Handle *handle = (Handle *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(handle->hooks);
    Py_VISIT(handle->extra);
    return 0;
}

/* The handle is never left without its dicts: a cycle through it is broken at the dicts themselves. */
static void
handle_dealloc(PyObject *self)
{
    Handle *handle = (Handle *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(handle->hooks);
    Py_XDECREF(handle->extra);
    Py_XDECREF(handle->id);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef handle_members[] = {
    {"id", T_OBJECT, offsetof(Handle, id), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef handle_methods[] = {
    {"remove", handle_remove, METH_NOARGS,
     "remove($self)\n--\n\nRemoves the hook; removing it twice does nothing."},
    {"__enter__", handle_enter, METH_NOARGS, NULL},
    {"__exit__", handle_exit, METH_VARARGS, NULL},
    {"__reduce__", handle_reduce, METH_NOARGS, NULL},
    {"__setstate__", handle_setstate, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot handle_slots[] = {
    {Py_tp_doc,
     "What registering a hook returns: remove() takes the hook away, as leaving a with block does."},
    {Py_tp_new, handle_new},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_members, handle_members},
    {Py_tp_methods, handle_methods},
    {0, NULL},
};

static PyType_Spec handle_spec = {
    .name = "ctorch._C.RemovableHandle",
    .basicsize = sizeof(Handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = handle_slots,
};

int
nn_hooks_init(PyObject *module)
{
    return nn_add_type(module, &nn_RemovableHandleType, &handle_spec, NULL);
}

/* ---------------------------------------------------------------- registering */
enum { NO_SLOT = -1 };

/* Puts the hook at the end or the front of slot, marks its id in the given slots, returns its handle. */
static PyObject *
add_hook(Module *m, Slot slot, PyObject *hook, bool prepend, int mark_a, int mark_b)
{
    PyObject *result = NULL, *handle = NULL, *kwargs = NULL, *moved = NULL;
    PyObject *hooks = module_hooks(m, slot), *marks = hooks == NULL ? NULL : PyList_New(0);
    int marked[2] = {mark_a, mark_b};
    for (int i = 0; marks != NULL && i < 2; i++) {
        PyObject *dict = marked[i] == NO_SLOT ? NULL : module_hooks(m, (Slot)marked[i]);
        if (marked[i] != NO_SLOT && (dict == NULL || PyList_Append(marks, dict) < 0))
            goto fail;
    }
    if (marks == NULL || (kwargs = Py_BuildValue("{s:O}", "extra_dict", marks)) == NULL)
        goto fail;
    PyObject *args = PyTuple_Pack(1, hooks);
    handle = args == NULL ? NULL : PyObject_Call((PyObject *)nn_RemovableHandleType, args, kwargs);
    Py_XDECREF(args);
    if (handle == NULL || PyObject_SetItem(hooks, ((Handle *)handle)->id, hook) < 0)
        goto fail;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(marks); i++)
        if (PyObject_SetItem(PyList_GET_ITEM(marks, i), ((Handle *)handle)->id, Py_True) < 0)
            goto fail;
    if (prepend
        && (moved = PyObject_CallMethod(hooks, "move_to_end", "OO", ((Handle *)handle)->id, Py_False))
               == NULL)
        goto fail;
    result = Py_NewRef(handle);
fail:
    Py_XDECREF(marks);
    Py_XDECREF(kwargs);
    Py_XDECREF(moved);
    Py_XDECREF(handle);
    return result;
}

static PyObject *
register_forward_pre_hook(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"hook", "prepend", "with_kwargs", NULL};
    PyObject *hook;
    int prepend = 0, with_kwargs = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$pp", keywords, &hook, &prepend, &with_kwargs))
        return NULL;
    return add_hook((Module *)self, FORWARD_PRE_HOOKS, hook, prepend,
                    with_kwargs ? FORWARD_PRE_HOOKS_WITH_KWARGS : NO_SLOT, NO_SLOT);
}

static PyObject *
register_forward_hook(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"hook", "prepend", "with_kwargs", "always_call", NULL};
    PyObject *hook;
    int prepend = 0, with_kwargs = 0, always_call = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$ppp", keywords, &hook, &prepend, &with_kwargs,
                                     &always_call))
        return NULL;
    return add_hook((Module *)self, FORWARD_HOOKS, hook, prepend,
                    with_kwargs ? FORWARD_HOOKS_WITH_KWARGS : NO_SLOT,
                    always_call ? FORWARD_HOOKS_ALWAYS_CALLED : NO_SLOT);
}

/* A module's backward hooks are all full or all of the old kind that sees only the last op. */
static PyObject *
add_backward_hook(Module *m, PyObject *hook, bool full, bool prepend)
{
    PyObject *kind = module_members(m, IS_FULL_BACKWARD_HOOK);
    if (kind == NULL)
        return NULL;
    if (kind == (full ? Py_False : Py_True))
        return PyErr_Format(PyExc_RuntimeError,
                            "Cannot use both regular backward hooks and full backward hooks on a "
                            "single Module: register only one kind");
    if (module_set_slot(m, IS_FULL_BACKWARD_HOOK, full ? Py_True : Py_False) < 0)
        return NULL;
    return add_hook(m, BACKWARD_HOOKS, hook, prepend, NO_SLOT, NO_SLOT);
}

static PyObject *
register_full_backward_hook(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"hook", "prepend", NULL};
    PyObject *hook;
    int prepend = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p", keywords, &hook, &prepend))
        return NULL;
    return add_backward_hook((Module *)self, hook, true, prepend);
}

static PyObject *
register_full_backward_pre_hook(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"hook", "prepend", NULL};
    PyObject *hook;
    int prepend = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p", keywords, &hook, &prepend))
        return NULL;
    return add_hook((Module *)self, BACKWARD_PRE_HOOKS, hook, prepend, NO_SLOT, NO_SLOT);
}

static PyObject *
register_backward_hook(PyObject *self, PyObject *hook)
{
    return add_backward_hook((Module *)self, hook, false, false);
}

static PyObject *
register_state_dict_pre_hook(PyObject *self, PyObject *hook)
{
    return add_hook((Module *)self, STATE_DICT_PRE_HOOKS, hook, false, NO_SLOT, NO_SLOT);
}

static PyObject *
register_state_dict_hook(PyObject *self, PyObject *hook)
{
    return add_hook((Module *)self, STATE_DICT_HOOKS, hook, false, NO_SLOT, NO_SLOT);
}

/* The public form is marked, so that state_dict can insist that it returns None. */
static PyObject *
register_state_dict_post_hook(PyObject *self, PyObject *hook)
{
    if (PyObject_SetAttr(hook, S(_from_public_api), Py_True) < 0)
        return NULL;
    return register_state_dict_hook(self, hook);
}

/* hook(module, state_dict, ...) is stored as partial(hook, module), which can be copied and pickled. */
static PyObject *
add_load_pre_hook(PyObject *self, PyObject *hook, bool with_module)
{
    PyObject *partial = with_module ? nn_imported("functools", "partial") : NULL;
    PyObject *bound = with_module ? NULL : Py_NewRef(hook);
    if (partial != NULL)
        bound = PyObject_CallFunctionObjArgs(partial, hook, self, NULL);
    Py_XDECREF(partial);
    if (bound == NULL)
        return NULL;
    PyObject *handle = add_hook((Module *)self, LOAD_STATE_DICT_PRE_HOOKS, bound, false, NO_SLOT, NO_SLOT);
    Py_DECREF(bound);
    return handle;
}

static PyObject *
register_load_state_dict_pre_hook(PyObject *self, PyObject *hook)
{
    return add_load_pre_hook(self, hook, true);
}

static PyObject *
register_load_state_dict_pre_hook_plain(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"hook", "with_module", NULL};
    PyObject *hook;
    int with_module = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p", keywords, &hook, &with_module))
        return NULL;
    return add_load_pre_hook(self, hook, with_module);
}

static PyObject *
register_load_state_dict_post_hook(PyObject *self, PyObject *hook)
{
    return add_hook((Module *)self, LOAD_STATE_DICT_POST_HOOKS, hook, false, NO_SLOT, NO_SLOT);
}

PyMethodDef nn_hook_methods[] = {
    {"register_forward_pre_hook", NN_KEYWORDS(register_forward_pre_hook),
     "register_forward_pre_hook($self, hook, *, prepend=False, with_kwargs=False)\n--\n\n"
     "hook(module, args) runs before forward; what it returns, unless None, replaces the arguments.\n"
     "With with_kwargs it is hook(module, args, kwargs) and returns (args, kwargs) or None."},
    {"register_forward_hook", NN_KEYWORDS(register_forward_hook),
     "register_forward_hook($self, hook, *, prepend=False, with_kwargs=False, always_call=False)\n--\n\n"
     "hook(module, args, output) runs after forward; what it returns, unless None, replaces the\n"
     "output. With with_kwargs it is hook(module, args, kwargs, output); with always_call it runs\n"
     "after an error too."},
    {"register_full_backward_hook", NN_KEYWORDS(register_full_backward_hook),
     "register_full_backward_hook($self, hook, prepend=False)\n--\n\n"
     "hook(module, grad_input, grad_output) runs when the gradients of the inputs are known; a\n"
     "tuple that it returns replaces grad_input."},
    {"register_full_backward_pre_hook", NN_KEYWORDS(register_full_backward_pre_hook),
     "register_full_backward_pre_hook($self, hook, prepend=False)\n--\n\n"
     "hook(module, grad_output) runs before the module's gradients are computed and may replace\n"
     "grad_output."},
    {"register_backward_hook", register_backward_hook, METH_O,
     "register_backward_hook($self, hook)\n--\n\n"
     "The old kind, which sees the last op only: use register_full_backward_hook."},
    {"register_state_dict_pre_hook", register_state_dict_pre_hook, METH_O,
     "register_state_dict_pre_hook($self, hook)\n--\n\n"
     "hook(module, prefix, keep_vars) runs before state_dict()."},
    {"register_state_dict_post_hook", register_state_dict_post_hook, METH_O,
     "register_state_dict_post_hook($self, hook)\n--\n\n"
     "hook(module, state_dict, prefix, local_metadata) runs after state_dict() and may change the\n"
     "dict in place."},
    {"_register_state_dict_hook", register_state_dict_hook, METH_O, NULL},
    {"register_load_state_dict_pre_hook", register_load_state_dict_pre_hook, METH_O,
     "register_load_state_dict_pre_hook($self, hook)\n--\n\n"
     "hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,\n"
     "error_msgs) runs before the module loads its own entries."},
    {"_register_load_state_dict_pre_hook", NN_KEYWORDS(register_load_state_dict_pre_hook_plain), NULL},
    {"register_load_state_dict_post_hook", register_load_state_dict_post_hook, METH_O,
     "register_load_state_dict_post_hook($self, hook)\n--\n\n"
     "hook(module, incompatible_keys) runs after the module and its children have loaded."},
    {NULL, NULL, 0, NULL},
};
