/* Graph nodes: made when an op is recorded, their saved operands, their Python face, and their death, which never
 * recurses however long the chain.  Running the graph is engine.c's; what a row's gradient computes is formula.c's and
 * the backward functions' in ops/. */
#include "autograd/node.h"

#include <string.h>
#include <structmember.h>

#include "autograd/blame.h"
#include "core/allocator.h"
#include "ops/rows.h"

_Thread_local bool grad_mode __attribute__((tls_model("initial-exec"))) = true;
_Thread_local bool inference_mode __attribute__((tls_model("initial-exec"))) = false;

enum { VARIANTS = 6 };
static PyTypeObject *node_types[NODE_KINDS][VARIANTS];
static uint64_t next_sequence;
int64_t node_live_count;

#ifdef CTORCH_HOSTILE
enum { FREELIST_MAX = 0 };
#else
enum { FREELIST_MAX = 4096 };
#endif
static Node *freelist;            /* linked through payload */
static int freelist_length;

/* ---------------------------------------------------------------- types */
static int node_traverse(Node *n, visitproc visit, void *arg);
static int node_clear(Node *n);
static void node_dealloc(Node *n);
extern PyMethodDef node_methods[];
extern PyGetSetDef node_getset[];

static PyObject *
node_repr(Node *n)
{
    return PyUnicode_FromFormat("<%s object at %p>", node_name(n), n);
}

static PyMemberDef node_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(Node, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Node, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject NodeType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.autograd.graph.Node",
    .tp_basicsize = sizeof(Node),
    .tp_dealloc = (destructor)node_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_doc = "A step of the recorded graph: knows its inputs (next_functions) and how to differentiate itself.",
    .tp_traverse = (traverseproc)node_traverse,
    .tp_clear = (inquiry)node_clear,
    .tp_repr = (reprfunc)node_repr,
    .tp_weaklistoffset = offsetof(Node, weakrefs),
    .tp_dictoffset = offsetof(Node, dict),
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_setattro = PyObject_GenericSetAttr,
};

static const char *
kind_name(int op)
{
    return op == OP_FUNCTION ? "Function" : op == OP_COPY_SLICES ? "CopySlices" : op == OP_ACCUMULATE ? "AccumulateGrad" : row_node_name(op);
}

PyTypeObject *
node_type(int op, int variant)
{
    PyTypeObject **slot = &node_types[op][variant];
    if (*slot != NULL)
        return *slot;
    char name[96];
    if (op >= OP_COUNT || strstr(kind_name(op), "Backward"))        /* a whole name */
        snprintf(name, sizeof name, "ctorch.autograd.%s", kind_name(op));
    else
        snprintf(name, sizeof name, "ctorch.autograd.%sBackward%d", kind_name(op), variant);
    char *kept = PyMem_Malloc(strlen(name) + 1);
    if (kept == NULL)
        return (PyTypeObject *)PyErr_NoMemory();
    strcpy(kept, name);
    PyType_Slot slots[] = {
        {Py_tp_dealloc, node_dealloc}, {Py_tp_traverse, node_traverse}, {Py_tp_clear, node_clear},
        {Py_tp_members, node_members}, {0, NULL},
    };
    PyType_Spec spec = {kept, sizeof(Node), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    PyObject *bases = PyTuple_Pack(1, &NodeType);
    *slot = bases ? (PyTypeObject *)PyType_FromSpecWithBases(&spec, bases) : NULL;
    Py_XDECREF(bases);
    return *slot;
}

const char *
node_name(Node *n)
{
    const char *last = strrchr(Py_TYPE(n)->tp_name, '.');
    return last ? last + 1 : Py_TYPE(n)->tp_name;
}

/* ---------------------------------------------------------------- birth */
static Node *
node_object(PyTypeObject *type)
{
    Node *n = freelist;
    if (allocator_should_fail())
        return (Node *)PyErr_NoMemory();
    if (n == NULL) {
        n = PyObject_GC_New(Node, type);
        return n;
    }
    freelist = (Node *)n->payload;
    freelist_length--;
    Py_SET_TYPE(n, (PyTypeObject *)Py_NewRef((PyObject *)type));
    _Py_NewReference((PyObject *)n);
    return n;
}

static Node *
node_make(PyTypeObject *type, int op, int n_edges, int n_outputs)
{
    Node *n = node_object(type);
    if (n == NULL)
        return NULL;
    node_live_count++;
    memset((char *)n + sizeof(PyObject), 0, offsetof(Node, output) - sizeof(PyObject));
    n->op = op;
    n->n_outputs = n_outputs;
    n->sequence = next_sequence++;
    n->edges = n->inline_edges;
    n->saved = n->inline_saved;
    n->ints = n->inline_ints;
    n->output.dims = n->output.inline_dims;
    if (n_edges > EDGES_INLINE) {
        n->edges = PyMem_Calloc((size_t)n_edges, sizeof(Edge));
        if (n->edges == NULL) {
            n->edges = n->inline_edges;
            Py_DECREF(n);
            return (Node *)PyErr_NoMemory();
        }
    } else
        memset(n->edges, 0, (size_t)n_edges * sizeof(Edge));
    if (n_edges > UINT8_MAX)
        n->n_edges_big = n_edges;
    else
        n->n_edges = (uint8_t)n_edges;
    for (int k = 0; k < SAVED_INLINE; k++)
        n->inline_saved[k].tensor = NULL;
    if (n_outputs > 1) {
        n->more_outputs = PyMem_Calloc((size_t)n_outputs - 1, sizeof(Meta));
        if (n->more_outputs == NULL) {
            Py_DECREF(n);
            return (Node *)PyErr_NoMemory();
        }
        for (int k = 0; k < n_outputs - 1; k++)
            n->more_outputs[k].dims = n->more_outputs[k].inline_dims;
    }
    return n;
}

Node *
node_new(int op, int n_edges, int n_outputs)
{
    PyTypeObject *type = node_type(op, 0);
    return type ? node_make(type, op, n_edges, n_outputs) : NULL;
}

int
meta_set(Meta *meta, const Tensor *t)
{
    if (t->ndim > NDIM_INLINE) {
        meta->dims = PyMem_New(int64_t, t->ndim);
        if (meta->dims == NULL) {
            meta->dims = meta->inline_dims;
            PyErr_NoMemory();
            return -1;
        }
    }
    meta->dtype = t->dtype;
    meta->device = t->device;
    meta->ndim = t->ndim;
    for (int i = 0; i < t->ndim; i++)
        meta->dims[i] = t->dims[i];
    return 0;
}

Meta *
node_meta(Node *n, int output)
{
    return output == 0 ? &n->output : &n->more_outputs[output - 1];
}

/* The input's gradient function and output, or the input itself if it is a leaf. */
void
node_set_edge(Node *n, int k, Tensor *input)
{
    Edge *edge = &n->edges[k];
    if (!tensor_needs_grad(input))
        return;                                  /* NULL since the node was made */
    Node *source = input->base == NULL ? input->node : tensor_node(input);
    edge->nr = source ? input->output_nr : EDGE_LEAF;
    edge->to = Py_NewRef(source ? (PyObject *)source : (PyObject *)input);
    if (source ? source->tracked : input->tracked)
        n->tracked = true;                       /* completed by the caller, once n may be seen by the collector */
}

static void
finish_tracking(Node *n, Tensor *out)
{
    if (!n->tracked)
        return;
    n->tracked = false;
    gc_publish((PyObject *)n);
    if (out != NULL && !out->tracked)
        gc_publish((PyObject *)out);
}

static bool
wants_recording(int n_inputs, Tensor *const *inputs)
{
    if (!grad_mode)
        return false;
    for (int k = 0; k < n_inputs; k++)
        if (tensor_needs_grad(inputs[k]))
            return true;
    return false;
}

static Node *
node_for_inputs(PyTypeObject *type, int op, int n_outputs, int n_inputs, Tensor *const *inputs)
{
    Node *n = type ? node_make(type, op, n_inputs, n_outputs) : NULL;
    if (n != NULL)
        for (int k = 0; k < n_inputs; k++)
            node_set_edge(n, k, inputs[k]);
    return n;
}

Node *
node_attach(int op, int variant, Tensor *out, int n_inputs, Tensor *const *inputs)
{
    Node *n = node_for_inputs(node_type(op, variant), op, 1, n_inputs, inputs);
    if (n == NULL || meta_set(&n->output, out) < 0) {
        Py_XDECREF((PyObject *)n);
        return NULL;
    }
    n->variant = (uint8_t)variant;
    out->node = n;
    out->output_nr = 0;
    out->requires_grad = true;
    finish_tracking(n, out);
    return n;
}

Node *
node_record(Op op, Tensor *out, int n_inputs, Tensor *const *inputs)
{
    if (out == NULL || !wants_recording(n_inputs, inputs) || !dtype_is_float((Dtype)out->dtype))
        return NULL;
    return node_attach(op, 0, out, n_inputs, inputs);
}

Node *
node_record_many(Op op, int n_outs, Tensor *const *outs, int n_inputs, Tensor *const *inputs)
{
    if (n_outs == 0 || !wants_recording(n_inputs, inputs))
        return NULL;
    Node *n = node_for_inputs(node_type(op, 0), op, n_outs, n_inputs, inputs);
    if (n == NULL)
        return NULL;
    for (int k = 0; k < n_outs; k++)
        if (meta_set(node_meta(n, k), outs[k]) < 0) {
            Py_DECREF(n);
            return NULL;
        }
    for (int k = 0; k < n_outs; k++) {
        if (!dtype_is_float((Dtype)outs[k]->dtype))
            continue;
        outs[k]->node = (Node *)Py_NewRef((PyObject *)n);
        outs[k]->output_nr = k;
        outs[k]->requires_grad = true;
    }
    finish_tracking(n, NULL);
    for (int k = 0; n->tracked && k < n_outs; k++)
        gc_publish((PyObject *)outs[k]);
    Py_DECREF(n);
    return n;
}

/* ---------------------------------------------------------------- saved operands */
static Saved *
saved_slot(Node *n, int slot)
{
    if (slot >= SAVED_INLINE && n->saved == n->inline_saved)
        return NULL;
    if (slot >= n->n_saved) {
        for (int k = n->n_saved; k < slot; k++)
            if (k >= SAVED_INLINE)
                n->saved[k].tensor = NULL;
        n->n_saved = (uint16_t)(slot + 1);
    }
    return &n->saved[slot];
}

void
node_save(Node *n, int slot, Tensor *t)
{
    if (n == NULL || t == NULL)
        return;
    Saved *s = saved_slot(n, slot);
    s->tensor = (Tensor *)Py_NewRef((PyObject *)t);
    s->version = t->storage->version;
    t->storage->saved = true;
    s->is_output = false;
    if (t->tracked && !n->tracked)
        gc_publish((PyObject *)n);
}

void
node_save_output(Node *n, int slot, Tensor *out)
{
    if (n == NULL)
        return;
    Saved *s = saved_slot(n, slot);
    s->tensor = tensor_alias(out);
    if (s->tensor == NULL)
        return;
    s->version = out->storage->version;
    out->storage->saved = true;
    s->is_output = true;
    s->number.i = out->output_nr;
}

void
node_save_ints(Node *n, int count, const int64_t *values)
{
    if (n == NULL)
        return;
    if (count > INTS_INLINE) {
        n->ints = PyMem_New(int64_t, count);
        if (n->ints == NULL) {
            n->ints = n->inline_ints;
            PyErr_NoMemory();
            return;
        }
    }
    n->n_ints = count;
    memcpy(n->ints, values, (size_t)count * sizeof values[0]);
}

void
node_save_params(Node *n, Param p, Param q)
{
    if (n == NULL)
        return;
    n->params[0] = p;
    n->params[1] = q;
}

void
node_set_variant(Node *n, int variant)
{
    PyTypeObject *type = n ? node_type(n->op, variant) : NULL;
    if (type == NULL)
        return;
    PyTypeObject *old = Py_TYPE(n);
    Py_SET_TYPE(n, (PyTypeObject *)Py_NewRef((PyObject *)type));
    n->variant = (uint8_t)variant;
    Py_DECREF(old);
}

static Tensor *
changed_in_place(Node *n, const Saved *s)
{
    Tensor *t = s->tensor;
    const char *line = blame_line(t->storage, s->version);
    return error(PyExc_RuntimeError,
                 "one of the variables needed for gradient computation has been modified by an inplace operation: "
                 "[torch.%sTensor %s], which is %s %d of %s, is at version %u; expected version %u instead%s%s. "
                 "Hint: use the out-of-place form of the op that changed it, or clone() the tensor before.",
                 dtype_info[t->dtype].type_name, shape_text(t->ndim, t->dims), s->is_output ? "output" : "operand",
                 s->is_output ? (int)s->number.i : (int)(s - n->saved), node_name(n), (unsigned)t->storage->version,
                 (unsigned)s->version, line ? "; it was changed at " : "", line ? line : "");
}

Tensor *
node_peek(Node *n, int slot)
{
    if (n->released)
        return error(PyExc_RuntimeError,
                     "Trying to backward through the graph a second time (or directly access saved tensors after they "
                     "have already been freed). Saved intermediate values of the graph are freed when you call "
                     ".backward() or autograd.grad(); specify retain_graph=True the first time to keep them (at %s)",
                     node_name(n));
    Saved *s = &n->saved[slot];
    if (slot >= n->n_saved || s->tensor == NULL)
        return NULL;
    return s->version == s->tensor->storage->version ? s->tensor : changed_in_place(n, s);
}

Tensor *
node_saved(Node *n, int slot)
{
    Tensor *kept = node_peek(n, slot);
    if (kept == NULL)
        return NULL;
    Saved *s = &n->saved[slot];
    if (!s->is_output)
        return scope_keep((Tensor *)Py_NewRef((PyObject *)kept));
    Tensor *t = scope_keep(tensor_alias(kept));
    if (t != NULL && grad_mode) {
        t->node = (Node *)Py_NewRef((PyObject *)n);
        t->output_nr = (int32_t)s->number.i;
        t->requires_grad = true;
    }
    return t;
}

void
node_release_saved(Node *n)
{
    bool had = false;
    for (int k = 0; k < n->n_saved; k++) {
        had |= n->saved[k].tensor != NULL;
        Py_CLEAR(n->saved[k].tensor);
    }
    if (had)
        n->released = true;
    if (n->op == OP_COPY_SLICES && n->payload != NULL)
        node_release_saved((Node *)n->payload);
}

/* ---------------------------------------------------------------- garbage collection */
static int
node_traverse(Node *n, visitproc visit, void *arg)
{
    if (PyType_HasFeature(Py_TYPE(n), Py_TPFLAGS_HEAPTYPE))
        Py_VISIT(Py_TYPE(n));
    for (int k = 0; k < node_edge_count(n); k++)
        Py_VISIT(n->edges[k].to);
    for (int k = 0; k < n->n_saved; k++)
        Py_VISIT(n->saved[k].tensor);
    Py_VISIT(n->hooks);
    Py_VISIT(n->pre_hooks);
    Py_VISIT(n->retains);
    Py_VISIT(n->payload);
    Py_VISIT(n->dict);
    return 0;
}

static int
node_clear(Node *n)
{
    for (int k = 0; k < node_edge_count(n); k++)
        Py_CLEAR(n->edges[k].to);
    for (int k = 0; k < n->n_saved; k++)
        Py_CLEAR(n->saved[k].tensor);
    if (n->hooks || n->pre_hooks || n->retains || n->payload || n->dict) {
        Py_CLEAR(n->hooks);
        Py_CLEAR(n->pre_hooks);
        Py_CLEAR(n->retains);
        Py_CLEAR(n->payload);
        Py_CLEAR(n->dict);
    }
    return 0;
}

static void
meta_free_dims(Meta *meta)
{
    if (meta->dims != meta->inline_dims)
        PyMem_Free(meta->dims);
}

static void
node_free(Node *n)
{
    PyTypeObject *type = Py_TYPE(n);
    if (n->weakrefs != NULL)
        PyObject_ClearWeakRefs((PyObject *)n);
    node_clear(n);
    if (n->edges != n->inline_edges)
        PyMem_Free(n->edges);
    if (n->saved != n->inline_saved)
        PyMem_Free(n->saved);
    if (n->ints != n->inline_ints)
        PyMem_Free(n->ints);
    meta_free_dims(&n->output);
    if (n->more_outputs != NULL) {
        for (int k = 0; k < n->n_outputs - 1; k++)
            meta_free_dims(&n->more_outputs[k]);
        PyMem_Free(n->more_outputs);
    }
    node_live_count--;
    if (freelist_length < FREELIST_MAX && type->tp_basicsize == sizeof(Node)) {
        n->payload = (PyObject *)freelist;
        freelist = n;
        freelist_length++;
    } else
        type->tp_free((PyObject *)n);
    Py_DECREF(type);
}

/* Freeing a node frees its edges' nodes and its saved tensors, and those free theirs: the first dealloc on a thread
 * works through a list, and those inside it only append, so a chain of any length needs one stack frame. */
static void
node_dealloc(Node *n)
{
    static _Thread_local Node *pending __attribute__((tls_model("initial-exec")));
    static _Thread_local bool running __attribute__((tls_model("initial-exec")));
    if (n->tracked)
        PyObject_GC_UnTrack(n);
    n->tracked = false;
    n->tasks = (struct Task *)pending;           /* no run holds a node without a reference: the field is free */
    pending = n;
    if (running)
        return;
    PyObject *type, *value, *traceback;
    bool raising = PyErr_Occurred() != NULL;
    if (raising)
        PyErr_Fetch(&type, &value, &traceback);
    running = true;
    while (pending != NULL) {
        Node *next = pending;
        pending = (Node *)next->tasks;
        node_free(next);
    }
    running = false;
    if (raising)
        PyErr_Restore(type, value, traceback);
}

/* An object is tracked once it can be part of a cycle, and then all that it reaches is: a collector that sees one
 * object of a cycle sees all.  New nodes and outputs that refer to a tracked object are tracked at birth. */
typedef struct Worklist {
    PyObject **items;
    size_t n, capacity;
    bool failed;
} Worklist;

static int
publish_visit(PyObject *o, void *arg)
{
    Worklist *w = arg;
    bool is_tensor = tensor_check(o);
    if (!is_tensor && !PyObject_TypeCheck(o, &NodeType))
        return 0;
    if (is_tensor ? ((Tensor *)o)->tracked : ((Node *)o)->tracked)
        return 0;
    if (w->n == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 64;
        PyObject **items = PyMem_Realloc(w->items, capacity * sizeof *items);
        if (items == NULL) {
            w->failed = true;                    /* a cycle may leak; nothing is wrong otherwise */
            return 0;
        }
        w->items = items;
        w->capacity = capacity;
    }
    if (is_tensor)
        ((Tensor *)o)->tracked = true;
    else
        ((Node *)o)->tracked = true;
    if (!PyObject_GC_IsTracked(o))
        PyObject_GC_Track(o);
    w->items[w->n++] = o;
    return 0;
}

void
gc_publish(PyObject *o)
{
    Worklist w = {NULL, 0, 0, false};
    publish_visit(o, &w);
    while (w.n > 0) {
        PyObject *next = w.items[--w.n];
        Py_TYPE(next)->tp_traverse(next, publish_visit, &w);
    }
    PyMem_Free(w.items);
}
