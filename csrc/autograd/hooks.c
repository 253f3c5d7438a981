/* Hooks.  A leaf's hooks stand in the leaf, those of other tensors in the node that computes them, beside the
 * node's own; each set is a dict from id to function, so that order is that of registering.  A backward pass
 * calls a copy of the set: a hook may remove itself or others, register new ones, or run another backward.
 *
 * The handle that removes a hook is the same RemovableHandle that modules use (nn/hooks.c); it is found by
 * name. */
#include "autograd/hooks.h"

#include "ops/ops.h"

static PyObject *extension; /* the module that has RemovableHandle; lives as long as the process */

/* ---------------------------------------------------------------- registering */
/* Makes *slot a dict if it is NULL, adds the hook, returns its handle. */
static PyObject *
add_hook(PyObject **slot, PyObject *hook)
{
    PyObject *handle = NULL, *id = NULL;
    PyObject *type = PyObject_GetAttrString(extension, "RemovableHandle");
    if (type != NULL && *slot == NULL)
        *slot = PyDict_New();
    if (type != NULL && *slot != NULL)
        handle = PyObject_CallOneArg(type, *slot);
    if (handle != NULL)
        id = PyObject_GetAttrString(handle, "id");
    if (id == NULL || PyDict_SetItem(*slot, id, hook) < 0)
        Py_CLEAR(handle);
    Py_XDECREF(id);
    Py_XDECREF(type);
    return handle;
}

/* Containers deeper than this hide a cycle from the collector; nothing else depends on it. */
enum { PUBLISH_DEPTH = 5 };

static int publish_visit(PyObject *o, void *arg);

/* What a function holds, but for its globals: they are the whole program. */
static void
publish_function(PyObject *f, void *below)
{
    PyObject *held[] = {PyFunction_GET_CLOSURE(f), PyFunction_GET_DEFAULTS(f), PyFunction_GET_KW_DEFAULTS(f)};
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++)
        if (held[i] != NULL)
            publish_visit(held[i], below);
}

/* arg: how many levels below o are still looked at. */
static int
publish_visit(PyObject *o, void *arg)
{
    int below = *(int *)arg - 1;
    if (tensor_check(o) || PyObject_TypeCheck(o, &NodeType))
        gc_publish(o);
    else if (below < 0 || !PyObject_IS_GC(o) || PyType_Check(o) || PyModule_Check(o))
        return 0;
    else if (PyFunction_Check(o))
        publish_function(o, &below);
    else if (Py_TYPE(o)->tp_traverse != NULL)
        Py_TYPE(o)->tp_traverse(o, publish_visit, &below);
    return 0;
}

void
hooks_publish(PyObject *o)
{
    int depth = PUBLISH_DEPTH;
    publish_visit(o, &depth);
}

static int
check_requires_grad(Tensor *t, const char *what)
{
    if (tensor_needs_grad(t))
        return 0;
    error(PyExc_RuntimeError,
          "%s; this tensor has requires_grad=False: call requires_grad_() on it, or compute it "
          "from a tensor that requires grad",
          what);
    return -1;
}

/* A node's pre_hooks hold (output nr, hook) for hooks of tensors, the hook itself for the node's. */
PyObject *
tensor_register_hook(PyObject *self, PyObject *hook)
{
    Tensor *t = (Tensor *)self;
    if (check_requires_grad(t, "cannot register a hook on a tensor that doesn't require gradient") < 0)
        return NULL;
    Node *n = tensor_node(t);
    if (n == NULL && PyErr_Occurred())
        return NULL;
    if (n != NULL && node_rare(n) == NULL)
        return NULL;
    PyObject *entry = n ? Py_BuildValue("(iO)", t->output_nr, hook) : Py_NewRef(hook);
    PyObject *handle = entry ? add_hook(n ? &n->rare->pre_hooks : &t->hooks, entry) : NULL;
    Py_XDECREF(entry);
    if (handle != NULL) {
        gc_publish(n ? (PyObject *)n : (PyObject *)t);
        hooks_publish(hook);
    }
    return handle;
}

PyObject *
tensor_register_post_accumulate_grad_hook(PyObject *self, PyObject *hook)
{
    Tensor *t = (Tensor *)self;
    if (check_requires_grad(t, "cannot register a hook on a tensor that doesn't require gradient") < 0)
        return NULL;
    if (tensor_node(t) != NULL || PyErr_Occurred()) {
        if (!PyErr_Occurred())
            error(PyExc_RuntimeError,
                  "post accumulate grad hooks cannot be registered on non-leaf tensors: only "
                  "leaves accumulate a gradient; use register_hook");
        return NULL;
    }
    PyObject *handle = add_hook(&t->post_hooks, hook);
    if (handle != NULL) {
        gc_publish((PyObject *)t);
        hooks_publish(hook);
    }
    return handle;
}

/* The engine knows leaves, not their AccumulateGrad nodes: one with hooks is kept in the leaf's set, under None. */
static int
keep_accumulator(Node *n)
{
    Tensor *leaf = (Tensor *)node_payload(n);
    if (leaf->hooks == NULL && (leaf->hooks = PyDict_New()) == NULL)
        return -1;
    return PyDict_SetItem(leaf->hooks, Py_None, (PyObject *)n);
}

Node *
hooks_accumulator(Tensor *leaf)
{
    return leaf->hooks ? (Node *)PyDict_GetItem(leaf->hooks, Py_None) : NULL;
}

static PyObject *
register_on_node(Node *n, PyObject **slot, PyObject *hook)
{
    if (n->op == OP_ACCUMULATE && keep_accumulator(n) < 0)
        return NULL;
    PyObject *handle = add_hook(slot, hook);
    if (handle != NULL) {
        gc_publish((PyObject *)n);
        hooks_publish(hook);
    }
    return handle;
}

PyObject *
node_register_hook(Node *n, PyObject *hook)
{
    return node_rare(n) ? register_on_node(n, &n->rare->hooks, hook) : NULL;
}

PyObject *
node_register_prehook(Node *n, PyObject *hook)
{
    return node_rare(n) ? register_on_node(n, &n->rare->pre_hooks, hook) : NULL;
}

int
hooks_retain(Tensor *t)
{
    Node *n = t->node;
    if (n == NULL)
        return 0;
    Rare *rare = node_rare(n);
    if (rare == NULL || (rare->retains == NULL && (rare->retains = PyList_New(0)) == NULL))
        return -1;
    PyObject *reference = PyWeakref_NewRef((PyObject *)t, NULL);
    PyObject *entry = reference ? Py_BuildValue("(iN)", t->output_nr, reference) : NULL;
    int result = entry ? PyList_Append(rare->retains, entry) : -1;
    Py_XDECREF(entry);
    return result;
}

PyObject *
tensor_retain_grad(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Tensor *t = (Tensor *)self;
    if (check_requires_grad(t, "can't retain_grad on Tensor that has requires_grad=False") < 0)
        return NULL;
    if (t->retains_grad)
        Py_RETURN_NONE;
    Node *n = tensor_node(t);
    if (PyErr_Occurred() || (n != NULL && hooks_retain(t) < 0))
        return NULL;
    t->retains_grad = n != NULL;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- calling */
static const char *
hook_name(PyObject *hook, PyObject **owner)
{
    *owner = PyObject_GetAttrString(hook, "__name__");
    const char *name = *owner && PyUnicode_Check(*owner) ? PyUnicode_AsUTF8(*owner) : NULL;
    PyErr_Clear();
    return name ? name : Py_TYPE(hook)->tp_name;
}

/* A hook may give another value, not another shape or type. */
static int
check_same_kind(PyObject *hook, Tensor *was, Tensor *got)
{
    PyObject *owner;
    const char *name = hook_name(hook, &owner);
    bool same = was->ndim == got->ndim && memcmp(was->dims, got->dims, was->ndim * sizeof was->dims[0]) == 0;
    if (!same)
        error(PyExc_RuntimeError, "hook '%s' has changed the size of value: it was given %s and returned %s",
              name, shape_text(was->ndim, was->dims), shape_text(got->ndim, got->dims));
    else if (was->dtype != got->dtype || !device_equal(was->device, got->device))
        error(PyExc_RuntimeError,
              "hook '%s' has changed the type of value (was torch.%sTensor got torch.%sTensor)", name,
              dtype_info[was->dtype].type_name, dtype_info[got->dtype].type_name);
    Py_XDECREF(owner);
    return PyErr_Occurred() ? -1 : 0;
}

/* *g (owned, may be NULL) becomes what the hook returned, unless that is None.  Steals nothing. */
static int
replace(PyObject *hook, Tensor **g, PyObject *returned)
{
    if (returned == Py_None)
        return 0;
    if (!tensor_check(returned)) {
        error(PyExc_TypeError,
              "expected Variable, but hook returned '%s'; a hook returns a Tensor, or None to leave "
              "the gradient as it is",
              Py_TYPE(returned)->tp_name);
        return -1;
    }
    if (*g == NULL) {
        error(PyExc_RuntimeError, "can't replace a None gradient with a non-None value");
        return -1;
    }
    if (check_same_kind(hook, *g, (Tensor *)returned) < 0)
        return -1;
    Py_SETREF(*g, (Tensor *)Py_NewRef(returned));
    return 0;
}

static int
call_on_tensor(PyObject *hook, Tensor **g)
{
    PyObject *returned = PyObject_CallOneArg(hook, *g ? (PyObject *)*g : Py_None);
    int result = returned ? replace(hook, g, returned) : -1;
    Py_XDECREF(returned);
    return result;
}

int
hooks_call_tensor(PyObject *hooks, Tensor **g)
{
    if (hooks == NULL)
        return 0;
    PyObject *list = PyDict_Values(hooks);
    int result = list ? 0 : -1;
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(list); i++)
        if (!PyObject_TypeCheck(PyList_GET_ITEM(list, i), &NodeType))
            result = call_on_tensor(PyList_GET_ITEM(list, i), g);
    Py_XDECREF(list);
    return result;
}

static PyObject *
tuple_of(int n, Tensor *const *tensors)
{
    PyObject *tuple = PyTuple_New(n);
    for (int k = 0; tuple && k < n; k++)
        PyTuple_SET_ITEM(tuple, k, Py_NewRef(tensors[k] ? (PyObject *)tensors[k] : Py_None));
    return tuple;
}

/* What a hook that works on a tuple of gradients returned: None, or as many values as there were. */
static int
replace_all(PyObject *hook, int n, Tensor **grads, PyObject *returned, bool owned)
{
    if (returned == Py_None)
        return 0;
    if (!PyTuple_Check(returned)) {
        error(PyExc_TypeError, "expected tuple, but hook returned '%s'", Py_TYPE(returned)->tp_name);
        return -1;
    }
    if (PyTuple_GET_SIZE(returned) != n) {
        PyObject *owner;
        const char *name = hook_name(hook, &owner);
        error(PyExc_RuntimeError,
              "hook '%s' has returned an incorrect number of values (got %zd, but expected %d)", name,
              PyTuple_GET_SIZE(returned), n);
        Py_XDECREF(owner);
        return -1;
    }
    for (int k = 0; k < n; k++) {
        Tensor *g = owned ? grads[k] : scope_take(grads[k]);
        int result = replace(hook, &g, PyTuple_GET_ITEM(returned, k));
        grads[k] = owned || g == NULL ? g : scope_keep(g);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int
call_retains(Node *n, Tensor **grads)
{
    PyObject *list = PyList_GetSlice(n->rare->retains, 0, PyList_GET_SIZE(n->rare->retains));
    int result = list ? 0 : -1;
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(list); i++) {
        PyObject *entry = PyList_GET_ITEM(list, i);
        long nr = PyLong_AsLong(PyTuple_GET_ITEM(entry, 0));
        Tensor *t = (Tensor *)Py_NewRef(PyWeakref_GET_OBJECT(PyTuple_GET_ITEM(entry, 1)));
        if ((PyObject *)t != Py_None && t->node == n && grads[nr] != NULL) {
            Tensor *sum = scope_take(t->grad ? op_add(t->grad, grads[nr]) : op_clone(grads[nr]));
            result = sum ? 0 : -1;
            if (sum != NULL)
                Py_XSETREF(t->grad, sum);
            if (sum != NULL && (t->tracked || sum->tracked || sum->node))
                gc_publish((PyObject *)t);
        }
        Py_DECREF(t);
    }
    Py_XDECREF(list);
    return result;
}

static int
call_prehook(PyObject *hook, Node *n, Tensor **grads)
{
    PyObject *given = tuple_of(n->n_outputs, grads),
             *returned = given ? PyObject_CallOneArg(hook, given) : NULL;
    int result = returned ? replace_all(hook, n->n_outputs, grads, returned, true) : -1;
    Py_XDECREF(given);
    Py_XDECREF(returned);
    return result;
}

/* The copy of n's pre-hooks that a pass works through; NULL with an error, or if there are none. */
static PyObject *
pre_hooks_of(const Node *n)
{
    return n->rare->pre_hooks ? PyDict_Values(n->rare->pre_hooks) : NULL;
}

int
hooks_call_outputs(Node *n, Tensor **grads)
{
    PyObject *list = pre_hooks_of(n);
    int result = PyErr_Occurred() ? -1 : 0;
    for (Py_ssize_t i = 0; result == 0 && list && i < PyList_GET_SIZE(list); i++) {
        PyObject *entry = PyList_GET_ITEM(list, i);
        if (PyTuple_CheckExact(entry))
            result =
                call_on_tensor(PyTuple_GET_ITEM(entry, 1), &grads[PyLong_AsLong(PyTuple_GET_ITEM(entry, 0))]);
    }
    if (result == 0 && n->rare->retains)
        result = call_retains(n, grads);
    Py_XDECREF(list);
    return result;
}

int
hooks_call_node(Node *n, Tensor **grads)
{
    PyObject *list = pre_hooks_of(n);
    int result = PyErr_Occurred() ? -1 : 0;
    for (Py_ssize_t i = 0; result == 0 && list && i < PyList_GET_SIZE(list); i++)
        if (!PyTuple_CheckExact(PyList_GET_ITEM(list, i)))
            result = call_prehook(PyList_GET_ITEM(list, i), n, grads);
    Py_XDECREF(list);
    return result;
}

int
hooks_call_post(Node *n, Tensor **grads, Tensor **out)
{
    if (n->rare->hooks == NULL)
        return 0;
    int n_edges = n->n_edges, result = 0;
    PyObject *outputs = tuple_of(n->n_outputs, grads), *list = PyDict_Values(n->rare->hooks);
    if (outputs == NULL || list == NULL)
        result = -1;
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(list); i++) {
        PyObject *inputs = tuple_of(n_edges, out), *hook = PyList_GET_ITEM(list, i);
        PyObject *returned = inputs ? PyObject_CallFunctionObjArgs(hook, inputs, outputs, NULL) : NULL;
        result = returned ? replace_all(hook, n_edges, out, returned, false) : -1;
        Py_XDECREF(returned);
        Py_XDECREF(inputs);
    }
    Py_XDECREF(outputs);
    Py_XDECREF(list);
    return result;
}

int
hooks_call_post_accumulate(Tensor *leaf)
{
    PyObject *list = leaf->post_hooks ? PyDict_Values(leaf->post_hooks) : NULL;
    int result = leaf->post_hooks && list == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; result == 0 && list && i < PyList_GET_SIZE(list); i++) {
        PyObject *returned = PyObject_CallOneArg(PyList_GET_ITEM(list, i), (PyObject *)leaf);
        if (returned != NULL && returned != (PyObject *)leaf && tensor_check(returned))
            error(PyExc_RuntimeError, "Tensor post accumulate grad hooks should return None.");
        else if (returned != NULL && returned != (PyObject *)leaf && returned != Py_None)
            error(PyExc_TypeError, "expected Variable, but hook returned '%s'; a post accumulate grad hook returns None",
                  Py_TYPE(returned)->tp_name);
        result = returned && !PyErr_Occurred() ? 0 : -1;
        Py_XDECREF(returned);
    }
    Py_XDECREF(list);
    return result;
}

int
hooks_init(PyObject *module)
{
    extension = module;
    return 0;
}
