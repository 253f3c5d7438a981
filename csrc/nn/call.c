/* Calling a module: forward, and the hooks around it.
 *
 * A module without hooks goes straight to forward: a method of its class is called without binding it, so a
 * chain of C layers never enters the interpreter; an instance's own forward, or a class's other callable, is
 * honoured. */
#include "nn/nn.h"

/* ---------------------------------------------------------------- without hooks */
static int
has_instance_forward(Module *m)
{
    return m->dict == NULL ? 0 : PyDict_Contains(m->dict, S(forward));
}

static PyObject *
forward_one(PyObject *self, PyObject *input)
{
    PyObject *stack[2] = {self, input}, *result;
    PyObject *method = _PyType_Lookup(Py_TYPE(self), S(forward));
    int own = has_instance_forward((Module *)self);
    if (own < 0)
        return NULL;
    if (!own && method != NULL && PyType_HasFeature(Py_TYPE(method), Py_TPFLAGS_METHOD_DESCRIPTOR)) {
        Py_INCREF(method);
        result = PyObject_Vectorcall(method, stack, 2, NULL);
    } else {
        method = PyObject_GetAttr(self, S(forward));
        result = method == NULL ? NULL : PyObject_CallOneArg(method, input);
    }
    Py_XDECREF(method);
    return result;
}

static PyObject *
forward(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) == 1 && (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0))
        return forward_one(self, PyTuple_GET_ITEM(args, 0));
    PyObject *method = PyObject_GetAttr(self, S(forward));
    PyObject *result = method == NULL ? NULL : PyObject_Call(method, args, kwargs);
    Py_XDECREF(method);
    return result;
}

static bool
is_hooked(Module *m)
{
    static const Slot hooks[] = {FORWARD_PRE_HOOKS, FORWARD_HOOKS, BACKWARD_PRE_HOOKS, BACKWARD_HOOKS};
    for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++)
        if (module_has_hooks(m, hooks[i]))
            return true;
    return false;
}

/* ---------------------------------------------------------------- with hooks */
typedef struct Call {
    Module *module;
    PyObject *args, *kwargs; /* owned: pre-hooks may replace them */
    PyObject *result;        /* owned, NULL until forward returned */
    PyObject *ran;           /* set of ids of the always-called hooks that ran */
} Call;

/* hook(module, args[, kwargs][, result]) */
static PyObject *
call_hook(Call *call, PyObject *hook, bool with_kwargs, bool with_result)
{
    PyObject *stack[4] = {(PyObject *)call->module, call->args};
    size_t n = 2;
    if (with_kwargs)
        stack[n++] = call->kwargs;
    if (with_result)
        stack[n++] = call->result == NULL ? Py_None : call->result;
    return PyObject_Vectorcall(hook, stack, n, NULL);
}

static int
is_marked(Module *m, Slot slot, PyObject *id)
{
    PyObject *ids = module_slot(m, slot);
    return ids == NULL ? 0 : PyDict_Contains(ids, id);
}

/* A pre-hook's answer replaces the arguments: (args, kwargs) if it takes both, else args or the only
 * argument. */
static int
take_arguments(Call *call, PyObject *answer, bool with_kwargs)
{
    if (answer == Py_None)
        return 0;
    if (with_kwargs
        && (!PyTuple_Check(answer) || PyTuple_GET_SIZE(answer) != 2
            || !PyTuple_Check(PyTuple_GET_ITEM(answer, 0)) || !PyDict_Check(PyTuple_GET_ITEM(answer, 1)))) {
        PyErr_Format(PyExc_RuntimeError,
                     "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got %S.",
                     answer);
        return -1;
    }
    PyObject *args = answer;
    if (with_kwargs) {
        args = PyTuple_GET_ITEM(answer, 0);
        Py_INCREF(PyTuple_GET_ITEM(answer, 1));
        Py_SETREF(call->kwargs, PyTuple_GET_ITEM(answer, 1));
    }
    args = PyTuple_Check(args) ? Py_NewRef(args) : PyTuple_Pack(1, args);
    if (args == NULL)
        return -1;
    Py_SETREF(call->args, args);
    return 0;
}

static int
run_pre_hooks(Call *call)
{
    Module *m = call->module;
    if (!module_has_hooks(m, FORWARD_PRE_HOOKS))
        return 0;
    PyObject *hooks = nn_items(module_slot(m, FORWARD_PRE_HOOKS));
    int status = hooks == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(hooks); i++) {
        PyObject *item = PyList_GET_ITEM(hooks, i);
        int with_kwargs = is_marked(m, FORWARD_PRE_HOOKS_WITH_KWARGS, PyTuple_GET_ITEM(item, 0));
        PyObject *answer =
            with_kwargs < 0 ? NULL : call_hook(call, PyTuple_GET_ITEM(item, 1), with_kwargs, false);
        status = answer == NULL ? -1 : take_arguments(call, answer, with_kwargs);
        Py_XDECREF(answer);
    }
    Py_XDECREF(hooks);
    return status;
}

/* One forward hook; what it returns, unless None, replaces the result. */
static int
run_forward_hook(Call *call, PyObject *id, PyObject *hook)
{
    int with_kwargs = is_marked(call->module, FORWARD_HOOKS_WITH_KWARGS, id);
    PyObject *answer = with_kwargs < 0 ? NULL : call_hook(call, hook, with_kwargs, true);
    if (answer == NULL)
        return -1;
    if (answer == Py_None)
        Py_DECREF(answer);
    else
        Py_XSETREF(call->result, answer);
    return 0;
}

static int
run_forward_hooks(Call *call)
{
    Module *m = call->module;
    if (!module_has_hooks(m, FORWARD_HOOKS))
        return 0;
    PyObject *hooks = nn_items(module_slot(m, FORWARD_HOOKS));
    int status = hooks == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(hooks); i++) {
        PyObject *id = PyTuple_GET_ITEM(PyList_GET_ITEM(hooks, i), 0);
        status = PySet_Add(call->ran, id);
        if (status == 0)
            status = run_forward_hook(call, id, PyTuple_GET_ITEM(PyList_GET_ITEM(hooks, i), 1));
    }
    Py_XDECREF(hooks);
    return status;
}

/* After an error: the hooks registered with always_call that have not run.  What they raise is only warned
 * about. */
static void
run_always_called(Call *call)
{
    PyObject *type, *exception, *traceback;
    PyErr_Fetch(&type, &exception, &traceback);
    PyObject *hooks = nn_items(module_slot(call->module, FORWARD_HOOKS));
    for (Py_ssize_t i = 0; hooks != NULL && i < PyList_GET_SIZE(hooks); i++) {
        PyObject *id = PyTuple_GET_ITEM(PyList_GET_ITEM(hooks, i), 0);
        if (is_marked(call->module, FORWARD_HOOKS_ALWAYS_CALLED, id) != 1
            || PySet_Contains(call->ran, id) != 0)
            continue;
        if (run_forward_hook(call, id, PyTuple_GET_ITEM(PyList_GET_ITEM(hooks, i), 1)) < 0) {
            PyObject *type2, *exception2, *traceback2;
            PyErr_Fetch(&type2, &exception2, &traceback2);
            PyErr_NormalizeException(&type2, &exception2, &traceback2);
            PyErr_WarnFormat(
                PyExc_UserWarning, 1,
                "module forward hook with ``always_call=True`` raised an exception that was silenced as "
                "another error was raised in forward: %S",
                exception2);
            Py_XDECREF(type2);
            Py_XDECREF(exception2);
            Py_XDECREF(traceback2);
        }
    }
    Py_XDECREF(hooks);
    PyErr_Clear();
    PyErr_Restore(type, exception, traceback);
}

/* The object of nn/modules/backward_hook.py that sees this call's gradients; Py_None if no backward hook is
 * there. */
static PyObject *
backward_hook_of(Module *m)
{
    if (!module_has_hooks(m, BACKWARD_HOOKS) && !module_has_hooks(m, BACKWARD_PRE_HOOKS))
        return Py_NewRef(Py_None);
    PyObject *class = nn_imported("ctorch.nn.modules.backward_hook", "BackwardHook");
    PyObject *made = class == NULL ? NULL : PyObject_CallOneArg(class, (PyObject *)m);
    Py_XDECREF(class);
    return made;
}

/* *value = hook.method(*value), which is owned. */
static int
pass_through(PyObject *hook, const char *method, PyObject **value)
{
    PyObject *changed =
        hook == Py_None ? Py_NewRef(*value) : PyObject_CallMethod(hook, method, "(O)", *value);
    if (changed == NULL)
        return -1;
    Py_SETREF(*value, changed);
    return 0;
}

static int
run_hooked(Call *call)
{
    int status = -1;
    PyObject *hook = NULL;
    if (run_pre_hooks(call) < 0 || (hook = backward_hook_of(call->module)) == NULL
        || pass_through(hook, "enter", &call->args) < 0)
        goto fail;
    call->result = forward((PyObject *)call->module, call->args, call->kwargs);
    if (call->result == NULL || run_forward_hooks(call) < 0 || pass_through(hook, "leave", &call->result) < 0)
        goto fail;
    status = 0;
fail:
    Py_XDECREF(hook);
    return status;
}

static PyObject *
call_hooked(Module *m, PyObject *args, PyObject *kwargs)
{
    Call call = {.module = m, .args = Py_NewRef(args), .ran = PySet_New(NULL)};
    call.kwargs = kwargs == NULL ? PyDict_New() : Py_NewRef(kwargs);
    if (call.ran != NULL && call.kwargs != NULL && run_hooked(&call) < 0) {
        if (module_has_hooks(m, FORWARD_HOOKS_ALWAYS_CALLED) && PyErr_ExceptionMatches(PyExc_Exception))
            run_always_called(&call);
        Py_CLEAR(call.result);
    }
    Py_DECREF(call.args);
    Py_XDECREF(call.kwargs);
    Py_XDECREF(call.ran);
    return call.result;
}

/* ---------------------------------------------------------------- entry points */
/* Module._call_impl: what __call__ does unless a class overrides this. */
static PyObject *
call_impl(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *result;
    if (Py_EnterRecursiveCall(" while calling a Module"))
        return NULL;
    if (is_hooked((Module *)self))
        result = call_hooked((Module *)self, args, kwargs);
    else
        result = forward(self, args, kwargs);
    Py_LeaveRecursiveCall();
    if (result == NULL)
        nn_error_through(self);
    return result;
}

static bool
inherits_call_impl(PyObject *self)
{
    return nn_inherits(self, S(_call_impl), (PyCFunction)(void (*)(void))call_impl);
}

PyObject *
module_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (inherits_call_impl(self))
        return call_impl(self, args, kwargs);
    PyObject *method = PyObject_GetAttr(self, S(_call_impl));
    PyObject *result = method == NULL ? NULL : PyObject_Call(method, args, kwargs);
    Py_XDECREF(method);
    return result;
}

/* Calling it is calling its forward. */
static bool
is_plain_call(PyObject *module)
{
    return Py_TYPE(module)->tp_call == module_call && inherits_call_impl(module) && !is_hooked((Module *)module);
}

bool
nn_runs(PyObject *module, PyCFunction function)
{
    return is_plain_call(module) && nn_inherits(module, S(forward), function)
           && has_instance_forward((Module *)module) == 0;
}

PyObject *
module_call_one(PyObject *module, PyObject *input)
{
    if (!is_plain_call(module))
        return PyObject_CallOneArg(module, input);
    if (Py_EnterRecursiveCall(" while calling a Module"))
        return NULL;
    PyObject *result = forward_one(module, input);
    Py_LeaveRecursiveCall();
    if (result == NULL)
        nn_error_through(module);
    return result;
}

static PyObject *
forward_missing(PyObject *self, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return PyErr_Format(PyExc_NotImplementedError, "Module [%s] is missing the required \"forward\" function",
                        nn_class_name(self));
}

PyMethodDef nn_call_methods[] = {
    {"_call_impl", NN_KEYWORDS(call_impl), NULL},
    {"forward", NN_KEYWORDS(forward_missing),
     "forward($self, *input)\n--\n\nComputes the output; every subclass defines it."},
    {NULL, NULL, 0, NULL},
};
