/* Custom autograd.Function: the class Function, whose apply() records one node, and the context ctx, which is
 * that node.
 *
 * Each Function class has a node class of its own, made at its first apply() and kept as _backward_cls, so
 * that grad_fn's type is called <Class>Backward.  A node has an edge per argument; its ints say which
 * arguments were tensors, and the last one whether backward gets zeros for outputs without a gradient.
 * While forward runs, payload holds what ctx was told: [tensors to save, dirty, non-differentiable]. */
#include "autograd/api.h"

#include "autograd/formula.h"
#include "autograd/hooks.h"
#include "ops/ops.h"

enum { TO_SAVE, DIRTY, NON_DIFFERENTIABLE, NOTES };

static PyTypeObject *FunctionType, *ContextType;
static PyObject *base_setup_context, *base_backward;
static PyObject *str_forward, *str_backward, *str_vjp, *str_setup_context, *str_backward_cls,
    *str_forward_cls;

/* ---------------------------------------------------------------- ctx */
static PyObject *
note(Node *n, int which, PyObject *tuple)
{
    Rare *rare = node_rare(n);
    if (rare == NULL
        || (rare->payload == NULL && (rare->payload = Py_BuildValue("[OOO]", Py_None, Py_None, Py_None)) == NULL))
        return NULL;
    if (PyList_SetItem(rare->payload, which, Py_NewRef(tuple)) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
noted(const Node *n, int which)
{
    PyObject *notes = node_payload(n), *tuple = notes ? PyList_GET_ITEM(notes, which) : Py_None;
    return tuple == Py_None ? NULL : tuple;
}

static PyObject *
tensors_or_none(PyObject *args, const char *what)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *o = PyTuple_GET_ITEM(args, i);
        if (o != Py_None && !tensor_check(o))
            return PyErr_Format(PyExc_TypeError,
                                "%s, but argument %zd is of type %s; keep anything else as an attribute "
                                "of ctx",
                                what, i, Py_TYPE(o)->tp_name);
    }
    return args;
}

static PyObject *
ctx_save_for_backward(Node *n, PyObject *args)
{
    return tensors_or_none(args, "save_for_backward can only save variables") ? note(n, TO_SAVE, args) : NULL;
}

static PyObject *
ctx_save_for_forward(Node *Py_UNUSED(n), PyObject *Py_UNUSED(args))
{
    Py_RETURN_NONE;
}

static PyObject *
ctx_mark_dirty(Node *n, PyObject *args)
{
    return tensors_or_none(args, "mark_dirty can only mark variables") ? note(n, DIRTY, args) : NULL;
}

static PyObject *
ctx_mark_non_differentiable(Node *n, PyObject *args)
{
    if (!tensors_or_none(args, "mark_non_differentiable can only mark variables"))
        return NULL;
    return note(n, NON_DIFFERENTIABLE, args);
}

static PyObject *
ctx_set_materialize_grads(Node *n, PyObject *value)
{
    int truth = PyObject_IsTrue(value);
    if (truth < 0)
        return NULL;
    node_ints(n)[n->n_edges] = truth;
    Py_RETURN_NONE;
}

static PyObject *
ctx_saved_tensors(Node *n, void *Py_UNUSED(closure))
{
    if (n->released) {
        node_saved(n, 0);
        return NULL;
    }
    PyObject *tuple = PyTuple_New(n->n_saved);
    size_t mark = scope_begin();
    for (int k = 0; tuple != NULL && k < n->n_saved; k++) {
        Tensor *t = scope_take(node_saved(n, k));
        if (t == NULL && PyErr_Occurred())
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, k, t ? (PyObject *)t : Py_NewRef(Py_None));
    }
    scope_end(mark);
    return tuple;
}

static PyObject *
ctx_needs_input_grad(Node *n, void *Py_UNUSED(closure))
{
    int count = n->n_edges;
    PyObject *tuple = PyTuple_New(count);
    for (int k = 0; tuple && k < count; k++)
        PyTuple_SET_ITEM(tuple, k, PyBool_FromLong(node_needs(n, k)));
    return tuple;
}

static PyObject *
ctx_materialize_grads(Node *n, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(node_ints(n)[n->n_edges] != 0);
}

/* An attribute may hold an output, and the output holds ctx: the collector must see both.  Numbers and
 * strings hold nothing, and most attributes are those. */
static int
ctx_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    bool plain = value == NULL || value == Py_None || PyLong_Check(value) || PyFloat_Check(value)
                 || PyUnicode_Check(value);
    PyObject *dict = node_dict((Node *)self);
    if (dict == NULL || _PyObject_GenericSetAttrWithDict(self, name, value, dict) < 0)
        return -1;
    if (!plain)
        gc_publish(self);
    return 0;
}

static PyObject *
ctx_getattro(PyObject *self, PyObject *name)
{
    const Rare *rare = ((Node *)self)->rare;
    return _PyObject_GenericGetAttrWithDict(self, name, rare ? rare->dict : NULL, 0);
}

static PyObject *
ctx_dict(Node *n, void *Py_UNUSED(closure))
{
    gc_publish((PyObject *)n);    /* whoever gets it may store what leads back here */
    return Py_XNewRef(node_dict(n));
}

static PyMethodDef ctx_methods[] = {
    {"save_for_backward", (PyCFunction)ctx_save_for_backward, METH_VARARGS,
     "save_for_backward($self, /, *tensors)\n--\n\nKeeps tensors (or None) for backward, which finds them in "
     "ctx.saved_tensors; a later in-place change of one is then an error."},
    {"save_for_forward", (PyCFunction)ctx_save_for_forward, METH_VARARGS,
     "save_for_forward($self, /, *tensors)\n--\n\nAccepted and ignored: there is no forward-mode "
     "differentiation."},
    {"mark_dirty", (PyCFunction)ctx_mark_dirty, METH_VARARGS,
     "mark_dirty($self, /, *tensors)\n--\n\nSays which inputs forward changed in place; each must be an "
     "output."},
    {"mark_non_differentiable", (PyCFunction)ctx_mark_non_differentiable, METH_VARARGS,
     "mark_non_differentiable($self, /, *tensors)\n--\n\nSays which outputs have no gradient."},
    {"set_materialize_grads", (PyCFunction)ctx_set_materialize_grads, METH_O,
     "set_materialize_grads($self, value, /)\n--\n\nFalse: backward gets None, not zeros, for unused "
     "outputs."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef ctx_getset[] = {
    {"saved_tensors", (getter)ctx_saved_tensors, NULL, "What save_for_backward kept, as a tuple.", NULL},
    {"needs_input_grad", (getter)ctx_needs_input_grad, NULL,
     "For each argument of apply: is its gradient needed?", NULL},
    {"materialize_grads", (getter)ctx_materialize_grads, NULL,
     "Whether unused outputs' gradients come as zeros.", NULL},
    {"__dict__", (getter)ctx_dict, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---------------------------------------------------------------- one node class per Function */
/* Node's own life functions, taken explicitly: a class made by type() would wrap them. */
static PyTypeObject *
node_subclass(const char *name, PyTypeObject *base, unsigned flags, PyMethodDef *methods, PyGetSetDef *getset)
{
    PyType_Slot slots[9] = {
        {Py_tp_dealloc, NodeType.tp_dealloc},
        {Py_tp_traverse, NodeType.tp_traverse},
        {Py_tp_clear, NodeType.tp_clear},
        {Py_tp_getattro, ctx_getattro},
        {Py_tp_setattro, ctx_setattro},
        {0, NULL},
    };
    if (methods != NULL) {
        slots[5] = (PyType_Slot){Py_tp_methods, methods};
        slots[6] = (PyType_Slot){Py_tp_getset, getset};
    }
    PyType_Spec spec = {name, sizeof(Node), sizeof(int64_t), Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | flags, slots};
    return node_type_from(&spec, base);
}

static PyTypeObject *
backward_class(PyTypeObject *cls)
{
    PyObject *known = PyDict_GetItemWithError(cls->tp_dict, str_backward_cls);
    if (known != NULL || PyErr_Occurred())
        return (PyTypeObject *)known;
    const char *short_name = strrchr(cls->tp_name, '.');
    PyObject *name = PyUnicode_FromFormat("torch.autograd.function.%sBackward",
                                          short_name ? short_name + 1 : cls->tp_name);
    const char *utf8 = name ? PyUnicode_AsUTF8(name) : NULL;
    PyTypeObject *type =
        utf8 ? node_subclass(utf8, ContextType, Py_TPFLAGS_DISALLOW_INSTANTIATION, NULL, NULL) : NULL;
    if (type != NULL) {
        type->tp_name = PyUnicode_AsUTF8(((PyHeapTypeObject *)type)->ht_name); /* lives as long as the type */
        if (PyObject_SetAttr((PyObject *)type, str_forward_cls, (PyObject *)cls) < 0
            || PyObject_SetAttr((PyObject *)cls, str_backward_cls, (PyObject *)type) < 0)
            Py_CLEAR(type);
    }
    Py_XDECREF(name);
    Py_XDECREF((PyObject *)type); /* cls holds it now */
    return type;
}

/* ---------------------------------------------------------------- forward */
/* ctx for this call: edges to the arguments, grad mode or not, for needs_input_grad is asked in either. */
static Node *
context_new(PyTypeObject *type, PyObject *const *args, Py_ssize_t nargs)
{
    Node *n = node_new_of(type, (int)nargs);
    if (n == NULL)
        return NULL;
    int64_t few[8], *is_tensor = nargs > 7 ? PyMem_New(int64_t, nargs + 1) : few;
    for (Py_ssize_t k = 0; is_tensor && k < nargs; k++) {
        is_tensor[k] = tensor_check(args[k]);
        if (is_tensor[k])
            node_set_edge(n, (int)k, (Tensor *)args[k]);
    }
    if (is_tensor != NULL) {
        is_tensor[nargs] = true;
        node_save_ints(n, (int)nargs + 1, is_tensor);
    } else
        PyErr_NoMemory();
    if (is_tensor != few)
        PyMem_Free(is_tensor);
    bool tracked = n->tracked;
    n->tracked = false;
    if (PyErr_Occurred())
        Py_CLEAR(n);
    else if (tracked)
        gc_publish((PyObject *)n);
    return n;
}

static bool
needs_any(const Node *n)
{
    for (int k = 0; k < n->n_edges; k++)
        if (node_needs(n, k))
            return true;
    return false;
}

/* cls.forward(ctx, *args), or cls.forward(*args) and then cls.setup_context(ctx, args, output) */
static PyObject *
call_forward(PyObject *cls, Node *n, PyObject *const *args, Py_ssize_t nargs, PyObject *setup)
{
    PyObject *forward = PyObject_GetAttr(cls, str_forward), *few[9], **stack = few, *output = NULL;
    if (forward != NULL && nargs + 1 > 9 && (stack = PyMem_New(PyObject *, nargs + 1)) == NULL)
        PyErr_NoMemory();
    if (forward == NULL || stack == NULL)
        goto done;
    stack[0] = (PyObject *)n;
    memcpy(stack + 1, args, (size_t)nargs * sizeof args[0]);
    output =
        PyObject_Vectorcall(forward, setup ? stack + 1 : stack, (size_t)(setup ? nargs : nargs + 1), NULL);
    if (output != NULL && setup != NULL) {
        PyObject *inputs = PyTuple_New(nargs);
        for (Py_ssize_t k = 0; inputs && k < nargs; k++)
            PyTuple_SET_ITEM(inputs, k, Py_NewRef(args[k]));
        PyObject *none = inputs ? PyObject_CallFunctionObjArgs(setup, n, inputs, output, NULL) : NULL;
        Py_XDECREF(inputs);
        if (none == NULL)
            Py_CLEAR(output);
        Py_XDECREF(none);
    }
done:
    if (stack != few)
        PyMem_Free(stack);
    Py_XDECREF(forward);
    return output;
}

/* ---------------------------------------------------------------- outputs */
static bool
is_among(PyObject *o, PyObject *const *items, Py_ssize_t n)
{
    for (Py_ssize_t k = 0; k < n; k++)
        if (items[k] == o)
            return true;
    return false;
}

static bool
is_noted(const Node *n, int which, PyObject *o)
{
    PyObject *tuple = noted(n, which);
    return tuple && is_among(o, &PyTuple_GET_ITEM(tuple, 0), PyTuple_GET_SIZE(tuple));
}

static int
check_dirty(const Node *n, PyObject *outputs)
{
    PyObject *dirty = noted(n, DIRTY);
    for (Py_ssize_t k = 0; dirty && k < PyTuple_GET_SIZE(dirty); k++) {
        PyObject *o = PyTuple_GET_ITEM(dirty, k);
        if (o == Py_None)
            continue;
        if (!is_among(o, &PyTuple_GET_ITEM(outputs, 0), PyTuple_GET_SIZE(outputs))) {
            error(PyExc_RuntimeError,
                  "Some elements marked as dirty during the forward method were not returned as "
                  "output. The inputs that are modified inplace must all be outputs of the Function.");
            return -1;
        }
        tensor_bump((Tensor *)o);
    }
    return 0;
}

static int
check_dirty_output(const Tensor *t)
{
    if (t->requires_grad && t->node == NULL) {
        error(PyExc_RuntimeError,
              "a leaf Variable that requires grad has been used in an in-place operation.");
        return -1;
    }
    return 0;
}

/* A dirty view hands n on to its base, which wants a function of one output whose first input is the view. */
static int
rebase_output(Node *n, Tensor *t, PyObject *const *args)
{
    if (n->n_outputs > 1) {
        error(PyExc_RuntimeError,
              "If your Function modifies inplace an input that is a view of another Tensor, your Function "
              "cannot return more than one Tensor: give apply() a clone() of the view");
        return -1;
    }
    if ((PyObject *)t != args[0]) {
        error(PyExc_RuntimeError, "mark_dirty: an input that is a view must be the first argument of apply()");
        return -1;
    }
    return check_writable(t, Py_TYPE(n)->tp_name) < 0 || node_rebase(t, n) == NULL ? -1 : 0;
}

/* A view made inside forward follows the Function, not its base: in-place writes to it are refused where the
 * base has a history, and where it has none the view is as good as a tensor of its own. */
static void
adopt_view(Tensor *t)
{
    if (t->base == NULL)
        return;
    if (tensor_needs_grad(t->base))
        t->view_kind = VIEW_MULTI;
    else
        Py_CLEAR(t->base);
}

/* t (a reference of the caller's, given back) as output k of n; NULL with an error. */
static PyObject *
with_history(Node *n, Tensor *t, int k)
{
    Py_XSETREF(t->node, (Node *)Py_NewRef((PyObject *)n));
    t->output_nr = k;
    t->requires_grad = true;
    t->view_version = t->storage->version;
    if (t->retains_grad && hooks_retain(t) < 0)
        Py_CLEAR(t);
    else if (n->tracked || t->tracked)
        gc_publish((PyObject *)t);
    return (PyObject *)t;
}

/* Output k as the caller gets it (new reference), its history n's if `recorded`. */
static PyObject *
wrap_output(Node *n, PyObject *o, int k, PyObject *const *args, Py_ssize_t nargs, bool recorded)
{
    if (!tensor_check(o))
        return Py_NewRef(o);
    Tensor *t = (Tensor *)o;
    bool dirty = is_noted(n, DIRTY, o);
    bool differentiable = recorded && dtype_is_float((Dtype)t->dtype) && !is_noted(n, NON_DIFFERENTIABLE, o);
    if (dirty && recorded && check_dirty_output(t) < 0)
        return NULL;
    if (!dirty && is_among(o, args, nargs)) {
        t = tensor_alias(t);
        if (t == NULL)
            return NULL;
        if (differentiable || !recorded)
            node_mark_view(t, (Tensor *)o, differentiable ? VIEW_MULTI : VIEW_SINGLE);
    } else {
        Py_INCREF(t);
        if (differentiable && !dirty)
            adopt_view(t);
    }
    if (!differentiable && recorded && !dirty && t->node != NULL) {
        Py_CLEAR(t->node);
        t->requires_grad = false;
    }
    if (recorded && node_set_meta(n, k, t) < 0)
        Py_CLEAR(t);
    if (differentiable && t != NULL && dirty && t->base != NULL && t->view_kind != VIEW_NO_GRAD) {
        if (rebase_output(n, t, args) < 0)
            Py_CLEAR(t);
        return (PyObject *)t;
    }
    return differentiable && t != NULL ? with_history(n, t, k) : (PyObject *)t;
}

/* An output is kept as an alias without history, else it and the node would hold each other. */
static int
save_tensors(Node *n)
{
    PyObject *tuple = noted(n, TO_SAVE);
    Py_ssize_t count = tuple ? PyTuple_GET_SIZE(tuple) : 0;
    if (count > UINT16_MAX) {
        error(PyExc_RuntimeError, "save_for_backward: %zd tensors are too many for one Function", count);
        return -1;
    }
    if (node_saved_slots(n, 0, (int)count) < 0)
        return -1;
    for (int k = 0; k < (int)count; k++) {
        PyObject *o = PyTuple_GET_ITEM(tuple, k);
        if (o == Py_None)
            continue;
        if (((Tensor *)o)->node == n)
            node_save_output(n, k, (Tensor *)o);
        else
            node_save(n, k, (Tensor *)o);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* What forward returned becomes what apply returns. */
static PyObject *
finish(Node *n, PyObject *output, PyObject *const *args, Py_ssize_t nargs, bool recorded)
{
    bool is_tuple = PyTuple_Check(output);
    PyObject *outputs = is_tuple ? Py_NewRef(output) : PyTuple_Pack(1, output);
    if (outputs == NULL)
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(outputs);
    PyObject *results = PyTuple_New(count), *result = NULL;
    if (results == NULL || check_dirty(n, outputs) < 0 || (recorded && node_set_output_count(n, (int)count) < 0))
        goto done;
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *o = wrap_output(n, PyTuple_GET_ITEM(outputs, k), (int)k, args, nargs, recorded);
        if (o == NULL)
            goto done;
        PyTuple_SET_ITEM(results, k, o);
    }
    if (recorded && save_tensors(n) < 0)
        goto done;
    if (n->rare != NULL)
        Py_CLEAR(n->rare->payload);
    result = Py_NewRef(is_tuple ? results : PyTuple_GET_ITEM(results, 0));
done:
    Py_XDECREF(results);
    Py_DECREF(outputs);
    return result;
}

static PyObject *
apply(PyObject *cls, PyObject *const *args, Py_ssize_t nargs, PyObject *setup)
{
    PyTypeObject *type = backward_class((PyTypeObject *)cls);
    Node *n = type ? context_new(type, args, nargs) : NULL;
    if (n == NULL)
        return NULL;
    bool recorded = grad_mode && needs_any(n), saved_mode = grad_mode;
    grad_mode = false;
    PyObject *output = call_forward(cls, n, args, nargs, setup);
    grad_mode = saved_mode;
    PyObject *result = output ? finish(n, output, args, nargs, recorded) : NULL;
    Py_XDECREF(output);
    Py_DECREF(n);
    return result;
}

/* With setup_context, forward has no ctx, and arguments may be given by name or left to their defaults. */
static PyObject *
apply_bound(PyObject *cls, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject *setup)
{
    PyObject *module = PyImport_ImportModule("ctorch.autograd.function");
    PyObject *forward = module ? PyObject_GetAttr(cls, str_forward) : NULL, *bound = NULL, *result = NULL;
    PyObject *bind = forward ? PyObject_GetAttrString(module, "_bind_arguments") : NULL;
    PyObject *partial = bind ? PyTuple_New(nargs + 1) : NULL;
    if (partial != NULL) {
        PyTuple_SET_ITEM(partial, 0, Py_NewRef(forward));
        for (Py_ssize_t k = 0; k < nargs; k++)
            PyTuple_SET_ITEM(partial, k + 1, Py_NewRef(args[k]));
        PyObject *kwargs = PyDict_New();
        for (Py_ssize_t k = 0; kwargs && kwnames && k < PyTuple_GET_SIZE(kwnames); k++)
            if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(kwnames, k), args[nargs + k]) < 0)
                Py_CLEAR(kwargs);
        bound = kwargs ? PyObject_Call(bind, partial, kwargs) : NULL;
        Py_XDECREF(kwargs);
    }
    if (bound != NULL)
        result = apply(cls, &PyTuple_GET_ITEM(bound, 0), PyTuple_GET_SIZE(bound), setup);
    Py_XDECREF(bound);
    Py_XDECREF(partial);
    Py_XDECREF(bind);
    Py_XDECREF(forward);
    Py_XDECREF(module);
    return result;
}

static PyObject *
function_apply(PyObject *cls, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *setup = PyObject_GetAttr(cls, str_setup_context), *result;
    if (setup == NULL)
        return NULL;
    if (setup != base_setup_context)
        result = apply_bound(cls, args, nargs, kwnames, setup);
    else if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0)
        result = PyErr_Format(PyExc_TypeError, "%s.apply() takes no keyword arguments",
                              ((PyTypeObject *)cls)->tp_name);
    else
        result = apply(cls, args, nargs, NULL);
    Py_DECREF(setup);
    return result;
}

/* ---------------------------------------------------------------- backward */
static PyObject *
incoming(Node *n, int k, Tensor *g)
{
    const Meta meta = node_meta(n, k);
    if (g != NULL)
        return Py_NewRef((PyObject *)g);
    if (!node_ints(n)[n->n_edges] || meta.dtype == DTYPE_NONE)
        return Py_NewRef(Py_None);
    Tensor *zeros = tensor_empty(meta.ndim, meta.dims, (Dtype)meta.dtype, meta.device);
    if (zeros != NULL && fill_data(zeros, (Scalar){{0, 0}, CATEGORY_FLOAT}) < 0)
        Py_CLEAR(zeros);
    return (PyObject *)zeros;
}

static PyObject *
call_backward(Node *n, Tensor **grads)
{
    PyObject *cls = PyObject_GetAttr((PyObject *)Py_TYPE(n), str_forward_cls);
    PyObject *backward = cls ? PyObject_GetAttr(cls, str_backward) : NULL, *result = NULL;
    if (backward != NULL && backward == base_backward)
        Py_SETREF(backward, PyObject_GetAttr(cls, str_vjp));
    PyObject *args = backward ? PyTuple_New(n->n_outputs + 1) : NULL;
    if (args != NULL) {
        PyTuple_SET_ITEM(args, 0, Py_NewRef((PyObject *)n));
        for (int k = 0; k < n->n_outputs && !PyErr_Occurred(); k++)
            PyTuple_SET_ITEM(args, k + 1, incoming(n, k, grads[k]));
        result = PyErr_Occurred() ? NULL : PyObject_Call(backward, args, NULL);
    }
    Py_XDECREF(args);
    Py_XDECREF(backward);
    Py_XDECREF(cls);
    return result;
}

/* As many gradients as apply had arguments; more are allowed if they are None. */
static int
check_count(Node *n, PyObject *tuple)
{
    Py_ssize_t wanted = n->n_edges, got = PyTuple_GET_SIZE(tuple);
    bool spare_none = got > wanted;
    for (Py_ssize_t k = wanted; k < got; k++)
        spare_none &= PyTuple_GET_ITEM(tuple, k) == Py_None;
    if (got == wanted || spare_none)
        return 0;
    error(PyExc_RuntimeError,
          "function %s returned an incorrect number of gradients (expected %zd, got %zd): backward "
          "returns one for each argument of forward, None where there is none",
          node_name(n), wanted, got);
    return -1;
}

static int
take_gradients(Node *n, PyObject *tuple, Tensor **out)
{
    if (check_count(n, tuple) < 0)
        return -1;
    for (int k = 0; k < n->n_edges; k++) {
        PyObject *o = PyTuple_GET_ITEM(tuple, k);
        if (o == Py_None)
            continue;
        if (!tensor_check(o)) {
            error(PyExc_RuntimeError, "expected Variable or None (got %s) at position %d of what %s returned",
                  Py_TYPE(o)->tp_name, k + 1, node_name(n));
            return -1;
        }
        if (!node_ints(n)[k]) {
            error(PyExc_RuntimeError,
                  "function %s returned a gradient different than None at position %d, but the "
                  "corresponding forward input was not a Variable",
                  node_name(n), k + 1);
            return -1;
        }
        if (node_needs(n, k))
            out[k] = scope_keep((Tensor *)Py_NewRef(o));
    }
    return 0;
}

void
function_backward(Node *n, Tensor **grads, Tensor **out)
{
    PyObject *returned = call_backward(n, grads);
    if (returned != NULL && !PyTuple_Check(returned))
        Py_SETREF(returned, PyTuple_Pack(1, returned));
    if (returned != NULL)
        take_gradients(n, returned, out);
    Py_XDECREF(returned);
}

/* ---------------------------------------------------------------- the class */
static PyObject *
no_forward(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyErr_SetString(PyExc_NotImplementedError,
                    "You must implement the forward function for custom autograd.Function.");
    return NULL;
}

static PyObject *
no_setup_context(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyErr_SetString(PyExc_NotImplementedError, "setup_context is not implemented.");
    return NULL;
}

static PyObject *
no_backward(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyErr_SetString(PyExc_NotImplementedError,
                    "You must implement either the backward or vjp method for your custom "
                    "autograd.Function to use it with backward mode AD.");
    return NULL;
}

#define STATIC_METHOD(name, function, doc)                                                                   \
    {                                                                                                        \
        name, (PyCFunction)(void (*)(void))(function), METH_STATIC | METH_VARARGS | METH_KEYWORDS, doc       \
    }

static PyMethodDef function_methods[] = {
    {"apply", (PyCFunction)(void (*)(void))function_apply, METH_CLASS | METH_FASTCALL | METH_KEYWORDS,
     "apply($cls, /, *args)\n--\n\nRuns forward without recording and records this Function as one step."},
    STATIC_METHOD("forward", no_forward,
                  "forward(ctx, *args): to be overridden; ctx is absent with setup_context."),
    STATIC_METHOD("setup_context", no_setup_context, "setup_context(ctx, inputs, output): to be overridden."),
    STATIC_METHOD("backward", no_backward,
                  "backward(ctx, *grad_outputs): to be overridden; a gradient per argument."),
    STATIC_METHOD("vjp", no_backward, "Another name for backward."),
    {NULL, NULL, 0, NULL},
};

static PyType_Slot function_slots[] = {
    {Py_tp_doc,
     "An operation with a gradient of its own: subclass it with static methods forward(ctx, *args) and "
     "backward(ctx, *grad_outputs), and call Subclass.apply(*args)."},
    {Py_tp_methods, function_methods},
    {0, NULL},
};

static PyType_Spec function_spec = {
    .name = "ctorch.autograd.function.Function",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = function_slots,
};

static int
intern_names(void)
{
    const struct {
        PyObject **at;
        const char *text;
    } names[] = {{&str_forward, "forward"},
                 {&str_backward, "backward"},
                 {&str_vjp, "vjp"},
                 {&str_setup_context, "setup_context"},
                 {&str_backward_cls, "_backward_cls"},
                 {&str_forward_cls, "_forward_cls"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((*names[i].at = PyUnicode_InternFromString(names[i].text)) == NULL)
            return -1;
    return 0;
}

int
function_init(PyObject *module)
{
    if (intern_names() < 0)
        return -1;
    ContextType = node_subclass("ctorch.autograd.function.FunctionCtx", &NodeType, Py_TPFLAGS_BASETYPE,
                                ctx_methods, ctx_getset);
    FunctionType = ContextType ? (PyTypeObject *)PyType_FromSpec(&function_spec) : NULL;
    if (FunctionType == NULL)
        return -1;
    base_setup_context = PyObject_GetAttr((PyObject *)FunctionType, str_setup_context);
    base_backward = PyObject_GetAttr((PyObject *)FunctionType, str_backward);
    if (base_setup_context == NULL || base_backward == NULL)
        return -1;
    if (PyModule_AddObjectRef(module, "Function", (PyObject *)FunctionType) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "FunctionCtx", (PyObject *)ContextType);
}
