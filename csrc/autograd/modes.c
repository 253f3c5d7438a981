/* Grad mode and inference mode: the flags (in node.c, one pair a thread), and the context managers no_grad,
 * enable_grad, set_grad_enabled and inference_mode.  As decorators they hand over to
 * ctorch/autograd/grad_mode.py, which wraps functions and generators; entering and leaving a mode is here,
 * for training loops do it all the time. */
#include "autograd/api.h"

#include <structmember.h>

#include "autograd/node.h"

/* One object of any of the four types.  `outer` is what it found on entering. */
typedef struct Mode {
    PyObject_HEAD bool grad, inference; /* what it sets */
    bool outer_grad, outer_inference;
} Mode;

static PyTypeObject *no_grad_type, *enable_grad_type, *set_grad_enabled_type, *inference_mode_type;

static void
mode_set(Mode *m)
{
    m->outer_grad = grad_mode;
    m->outer_inference = inference_mode;
    grad_mode = m->grad;
    if (Py_IS_TYPE((PyObject *)m, inference_mode_type))
        inference_mode = m->inference;
}

/* set_grad_enabled has set the mode when it was made. */
static PyObject *
mode_enter(Mode *m, PyObject *Py_UNUSED(ignored))
{
    if (!Py_IS_TYPE((PyObject *)m, set_grad_enabled_type))
        mode_set(m);
    Py_RETURN_NONE;
}

static PyObject *
mode_exit(Mode *m, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    grad_mode = m->outer_grad;
    inference_mode = m->outer_inference;
    Py_RETURN_FALSE;
}

static PyObject *
mode_clone(Mode *m, PyObject *Py_UNUSED(ignored))
{
    Mode *copy = (Mode *)Py_TYPE(m)->tp_alloc(Py_TYPE(m), 0);
    if (copy == NULL)
        return NULL;
    copy->grad = m->grad;
    copy->inference = m->inference;
    if (Py_IS_TYPE((PyObject *)m, set_grad_enabled_type))
        mode_set(copy);
    return (PyObject *)copy;
}

static PyObject *
wrap(PyObject *mode, PyObject *function)
{
    PyObject *module = PyImport_ImportModule("ctorch.autograd.grad_mode");
    PyObject *result = module ? PyObject_CallMethod(module, "_wrap", "OO", mode, function) : NULL;
    Py_XDECREF(module);
    return result;
}

/* As a decorator a set_grad_enabled has changed the mode already, when it was made: that is taken back. */
static PyObject *
mode_call(Mode *m, PyObject *args, PyObject *kwargs)
{
    PyObject *function;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0)
        return PyErr_Format(PyExc_TypeError, "%s takes the function to decorate, no keywords",
                            Py_TYPE(m)->tp_name);
    if (!PyArg_ParseTuple(args, "O", &function))
        return NULL;
    if (Py_IS_TYPE((PyObject *)m, set_grad_enabled_type)) {
        grad_mode = m->outer_grad;
        inference_mode = m->outer_inference;
    }
    return wrap((PyObject *)m, function);
}

/* no_grad() and enable_grad(); given a function, `@no_grad` without parentheses. */
static PyObject *
plain_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *function = NULL;
    static char *keywords[] = {"orig_func", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", keywords, &function))
        return NULL;
    Mode *m = (Mode *)type->tp_alloc(type, 0);
    if (m == NULL)
        return NULL;
    m->grad = type == enable_grad_type;
    if (function == NULL || function == Py_None)
        return (PyObject *)m;
    PyObject *wrapped = wrap((PyObject *)m, function);
    Py_DECREF(m);
    return wrapped;
}

static int
enabled(PyObject *value, bool *truth)
{
    *truth = value == Py_True;
    if (PyBool_Check(value))
        return 0;
    PyErr_Format(PyExc_TypeError, "set_grad_enabled(): argument 'enabled' (position 1) must be bool, not %s", Py_TYPE(value)->tp_name);
    return -1;
}

/* Sets the mode at once: `set_grad_enabled(False)` works as a statement too. */
static PyObject *
set_grad_enabled_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    bool truth;
    static char *keywords[] = {"mode", NULL};
    PyObject *value;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:set_grad_enabled", keywords, &value) || enabled(value, &truth) < 0)
        return NULL;
    Mode *m = (Mode *)type->tp_alloc(type, 0);
    if (m == NULL)
        return NULL;
    m->grad = truth;
    mode_set(m);
    return (PyObject *)m;
}

static PyObject *
inference_mode_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *value = Py_True, *function = NULL;
    static char *keywords[] = {"mode", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:inference_mode", keywords, &value))
        return NULL;
    if (!PyBool_Check(value) && PyCallable_Check(value))
        function = value;
    int truth = function != NULL ? 1 : PyObject_IsTrue(value);
    if (truth < 0)
        return NULL;
    Mode *m = (Mode *)type->tp_alloc(type, 0);
    if (m == NULL)
        return NULL;
    m->inference = truth;
    m->grad = !truth;
    if (function == NULL)
        return (PyObject *)m;
    PyObject *wrapped = wrap((PyObject *)m, function);
    Py_DECREF(m);
    return wrapped;
}

static PyObject *
set_grad_enabled_repr(PyObject *self)
{
    return PyUnicode_FromFormat("torch.autograd.grad_mode.set_grad_enabled(mode=%s)",
                                ((Mode *)self)->grad ? "True" : "False");
}

static void
mode_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef mode_methods[] = {
    {"__enter__", (PyCFunction)mode_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))mode_exit, METH_FASTCALL, NULL},
    {"clone", (PyCFunction)mode_clone, METH_NOARGS,
     "clone($self, /)\n--\n\nA mode of the same kind, not yet entered."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef mode_members[] = {
    {"prev", T_BOOL, offsetof(Mode, outer_grad), READONLY, "Grad mode as it was found."},
    {"mode", T_BOOL, offsetof(Mode, grad), READONLY, "Grad mode as it is set."},
    {NULL, 0, 0, 0, NULL},
};

static int
add_type(PyObject *module, PyTypeObject **at, const char *name, newfunc new, reprfunc repr, const char *doc)
{
    char qualified[64];
    snprintf(qualified, sizeof qualified, "ctorch.autograd.grad_mode.%s", name);
    PyType_Slot slots[] = {
        {Py_tp_new, new},
        {Py_tp_dealloc, mode_dealloc},
        {Py_tp_call, mode_call},
        {Py_tp_methods, mode_methods},
        {Py_tp_members, mode_members},
        {Py_tp_doc, (void *)doc},
        {repr ? Py_tp_repr : 0, repr},
        {0, NULL},
    };
    PyType_Spec spec = {qualified, sizeof(Mode), 0, Py_TPFLAGS_DEFAULT, slots};
    *at = (PyTypeObject *)PyType_FromSpec(&spec);
    if (*at == NULL)
        return -1;
    (*at)->tp_name = PyUnicode_AsUTF8(((PyHeapTypeObject *)*at)->ht_name); /* spec.name was on the stack */
    return PyModule_AddObjectRef(module, name, (PyObject *)*at);
}

/* ---------------------------------------------------------------- functions */
static PyObject *
is_grad_enabled(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(grad_mode);
}

static PyObject *
is_inference_mode_enabled(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(inference_mode);
}

static PyObject *
set_grad_enabled_function(PyObject *Py_UNUSED(module), PyObject *value)
{
    bool truth;
    if (enabled(value, &truth) < 0)
        return NULL;
    grad_mode = truth;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"is_grad_enabled", is_grad_enabled, METH_NOARGS,
     "is_grad_enabled()\n--\n\nWhether operations on this thread are recorded."},
    {"is_inference_mode_enabled", is_inference_mode_enabled, METH_NOARGS,
     "is_inference_mode_enabled()\n--\n\nWhether this thread is in inference mode."},
    {"_set_grad_enabled", set_grad_enabled_function, METH_O,
     "_set_grad_enabled(mode, /)\n--\n\nSets grad mode."},
    {NULL, NULL, 0, NULL},
};

int
modes_init(PyObject *module)
{
    if (PyModule_AddFunctions(module, functions) < 0
        || add_type(module, &no_grad_type, "no_grad", plain_new, NULL,
                    "no_grad()\n--\n\nNothing is recorded inside.  Context manager and decorator.")
               < 0
        || add_type(
               module, &enable_grad_type, "enable_grad", plain_new, NULL,
               "enable_grad()\n--\n\nRecords inside, even within no_grad.  Context manager and decorator.")
               < 0
        || add_type(module, &set_grad_enabled_type, "set_grad_enabled", set_grad_enabled_new,
                    set_grad_enabled_repr,
                    "set_grad_enabled(mode)\n--\n\nRecords or not: from now on, inside a with block, or as "
                    "decorator.")
               < 0)
        return -1;
    return add_type(module, &inference_mode_type, "inference_mode", inference_mode_new, NULL,
                    "inference_mode(mode=True)\n--\n\nNothing is recorded, and what is made inside never can "
                    "be.  Context "
                    "manager and decorator.");
}
