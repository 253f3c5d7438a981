/* A node as Python sees it: name(), next_functions, hooks, saved operands.  Making, recording and freeing
 * nodes is node.c's. */
#include "autograd/node.h"

#include "autograd/hooks.h"
#include "ops/rows.h"

extern PyMethodDef node_methods[];
extern PyGetSetDef node_getset[];

/* ---------------------------------------------------------------- AccumulateGrad */
/* The engine needs no node for a leaf; Python is shown one.  Asking twice gives the same object while one
 * lives: the map from the leaf's address to a capsule is right as long as the node holds the leaf.  The capsule's
 * context is the node until that dies. */
static PyObject *accumulators;

static Node *
node_in(PyObject *capsule)
{
    return PyCapsule_GetContext(capsule);
}

static int
forget_dead(void)
{
    static Py_ssize_t limit = 64;
    if (PyDict_GET_SIZE(accumulators) < limit)
        return 0;
    PyObject *items = PyDict_Items(accumulators);
    if (items == NULL)
        return -1;
    int result = 0;
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        if (node_in(PyTuple_GET_ITEM(item, 1)) == NULL)
            result = PyDict_DelItem(accumulators, PyTuple_GET_ITEM(item, 0));
    }
    Py_DECREF(items);
    limit = 2 * PyDict_GET_SIZE(accumulators) + 64;
    return result;
}

static Node *
accumulator_new(PyObject *key, Tensor *leaf)
{
    Node *n = forget_dead() < 0 ? NULL : node_new(OP_ACCUMULATE, 0, 1);
    if (n == NULL)
        return NULL;
    PyObject *found_by = NULL;
    if (node_set_payload(n, (PyObject *)leaf) == 0 && node_set_meta(n, 0, leaf) == 0)
        found_by = n->rare->found_by = PyCapsule_New(&accumulators, NULL, NULL);
    if (found_by == NULL || PyCapsule_SetContext(found_by, n) < 0 || PyDict_SetItem(accumulators, key, found_by) < 0)
        Py_CLEAR(n);
    if (n != NULL && leaf->tracked)
        gc_publish((PyObject *)n);
    return n;
}

static Node *
accumulator_of(Tensor *leaf)
{
    PyObject *key = PyLong_FromVoidPtr(leaf);
    PyObject *capsule = key ? PyDict_GetItemWithError(accumulators, key) : NULL;
    Node *n = capsule ? (Node *)Py_XNewRef((PyObject *)node_in(capsule)) : NULL;
    if (n == NULL && key != NULL && !PyErr_Occurred())
        n = accumulator_new(key, leaf);
    Py_XDECREF(key);
    return n;
}

/* ---------------------------------------------------------------- methods */
static PyObject *
node_py_name(Node *n, PyObject *Py_UNUSED(ignored))
{
    bool by_hand = n->op == OP_ACCUMULATE || n->op == OP_COPY_SLICES || n->op == OP_copy_;
    return PyUnicode_FromFormat("%s%s", by_hand ? "torch::autograd::" : "", node_name(n));
}

static PyObject *
node_sequence_nr(Node *n, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(n->sequence);
}

PyMethodDef node_methods[] = {
    {"name", (PyCFunction)node_py_name, METH_NOARGS,
     "name($self, /)\n--\n\nThe node's name: 'AddBackward0'."},
    {"_sequence_nr", (PyCFunction)node_sequence_nr, METH_NOARGS,
     "_sequence_nr($self, /)\n--\n\nOrder of recording."},
    {"register_hook", (PyCFunction)node_register_hook, METH_O,
     "register_hook($self, hook, /)\n--\n\nCalls hook(grad_inputs, grad_outputs) after the node has run; a "
     "tuple that it "
     "returns replaces grad_inputs.  Returns a handle with remove()."},
    {"register_prehook", (PyCFunction)node_register_prehook, METH_O,
     "register_prehook($self, hook, /)\n--\n\nCalls hook(grad_outputs) before the node runs; a tuple that it "
     "returns "
     "replaces them.  Returns a handle with remove()."},
    {NULL, NULL, 0, NULL},
};

/* ---------------------------------------------------------------- attributes */
/* (function, index of its output) of one input; (None, 0) if the input needs no gradient. */
static PyObject *
next_function(const Edge *e)
{
    if (e->to == NULL)
        return Py_BuildValue("(Oi)", Py_None, 0);
    if (e->nr != EDGE_LEAF)
        return Py_BuildValue("(Oi)", e->to, e->nr);
    Node *leaf = accumulator_of((Tensor *)e->to);
    return leaf ? Py_BuildValue("(Ni)", leaf, 0) : NULL;
}

/* A custom Function lists its tensor arguments only; its ints say which those are. */
static PyObject *
node_next_functions(Node *n, void *Py_UNUSED(closure))
{
    PyObject *list = PyList_New(0);
    for (int k = 0; list != NULL && k < n->n_edges; k++) {
        if (n->op == OP_FUNCTION && !node_ints(n)[k])
            continue;
        PyObject *item = next_function(&node_edges(n)[k]);
        if (item == NULL || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

/* A dict of a node's Rare, borrowed, made on first use. */
static PyObject *
made(PyObject **slot)
{
    return *slot ? *slot : (*slot = PyDict_New());
}

PyObject *
node_dict(Node *n)
{
    Rare *rare = node_rare(n);
    return rare ? made(&rare->dict) : NULL;
}

static PyObject *
node_metadata(Node *n, void *Py_UNUSED(closure))
{
    Rare *rare = node_rare(n);
    gc_publish((PyObject *)n);    /* whoever gets it may store what leads back here */
    return rare ? Py_XNewRef(made(&rare->metadata)) : NULL;
}

static PyObject *
node_variable(Node *n, void *Py_UNUSED(closure))
{
    if (n->op == OP_ACCUMULATE)
        return Py_NewRef(node_payload(n));
    return PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute 'variable'", node_name(n));
}

/* A pointwise row saves its operands in their slots and its output behind them, each only if a gradient reads it. */
static PyObject *
node_saved_operand(Node *n, void *closure)
{
    static const char *const names[] = {"self", "other", "", "result"};
    int letter = (int)(intptr_t)closure;
    bool pointwise = n->op < OP_COUNT && row_is_pointwise(&rows[n->op]);
    if (!pointwise || (letter != LETTER_Y && letter >= rows[n->op].arity))
        return PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute '_saved_%s'", node_name(n),
                            names[letter]);
    size_t mark = scope_begin();
    PyObject *t = (PyObject *)scope_take(node_saved(n, row_saved_slot(&rows[n->op], letter)));
    scope_end(mark);
    if (t == NULL && !PyErr_Occurred())
        Py_RETURN_NONE;
    return t;
}

PyGetSetDef node_getset[] = {
    {"next_functions", (getter)node_next_functions, NULL,
     "For each input, the function that made it and the index of "
     "that function's output.",
     NULL},
    {"metadata", (getter)node_metadata, NULL, "A dict for whatever the user wants to attach.", NULL},
    {"variable", (getter)node_variable, NULL, "AccumulateGrad only: the leaf.", NULL},
    {"_saved_self", (getter)node_saved_operand, NULL, "The first operand, if the gradient reads it.",
     (void *)0},
    {"_saved_other", (getter)node_saved_operand, NULL, "The second operand, if the gradient reads it.",
     (void *)1},
    {"_saved_result", (getter)node_saved_operand, NULL, "The output, if the gradient reads it.", (void *)LETTER_Y},
    {NULL, NULL, NULL, NULL, NULL},
};

int
node_init(PyObject *Py_UNUSED(module))
{
    NodeType.tp_methods = node_methods;
    NodeType.tp_getset = node_getset;
    accumulators = PyDict_New();
    return accumulators == NULL ? -1 : PyType_Ready(&NodeType);
}
