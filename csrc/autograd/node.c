/* Graph nodes: made when an op is recorded, their saved operands, their Python face, and their death, which never
 * recurses however long the chain.  Running the graph is engine.c's; what a row's gradient computes is formula.c's and
 * the backward functions' in ops/. */
#include "autograd/node.h"

#include <string.h>

#include "autograd/blame.h"
#include "core/allocator.h"
#include "ops/rows.h"

_Thread_local bool grad_mode __attribute__((tls_model("initial-exec"))) = true;
_Thread_local bool inference_mode __attribute__((tls_model("initial-exec"))) = false;

PyTypeObject *node_types[NODE_KINDS][NODE_VARIANTS];
static uint64_t next_sequence;
int64_t node_live_count;

enum { ROOM_KEPT = 32,            /* words: a longer node is not kept for reuse */
       ROOM_ASKED = 24 };         /* nor is more given in advance, beyond the edges */
#ifdef CTORCH_HOSTILE
enum { FREELIST_MAX = 0 };
#else
enum { FREELIST_MAX = 4096 };
#endif
static Node *freelists[ROOM_KEPT / 2 + 1];       /* by words of room, which are even; linked through tasks */
static int freelist_length;
static uint8_t room_asked[NODE_KINDS];           /* most words that a node of the kind wanted for all but its edges */

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

PyTypeObject NodeType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "torch.autograd.graph.Node",
    .tp_basicsize = sizeof(Node),
    .tp_itemsize = sizeof(int64_t),
    .tp_dealloc = (destructor)node_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_doc = "A step of the recorded graph: knows its inputs (next_functions) and how to differentiate itself.",
    .tp_traverse = (traverseproc)node_traverse,
    .tp_clear = (inquiry)node_clear,
    .tp_repr = (reprfunc)node_repr,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_setattro = PyObject_GenericSetAttr,
};

static const char *
kind_name(int op)
{
    return op == OP_FUNCTION ? "Function" : op == OP_COPY_SLICES ? "CopySlices" : op == OP_ACCUMULATE ? "AccumulateGrad" : row_node_name(op);
}

PyTypeObject *
node_type_from(PyType_Spec *spec, PyTypeObject *base)
{
    PyObject *bases = PyTuple_Pack(1, base);
    PyTypeObject *type = bases ? (PyTypeObject *)PyType_FromSpecWithBases(spec, bases) : NULL;
    Py_XDECREF(bases);
    if (type == NULL && !PyErr_Occurred())       /* CPython 3.11 does not always say that there was no memory */
        PyErr_NoMemory();
    return type;
}

PyTypeObject *
node_type_make(int op, int variant)
{
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
        {0, NULL},
    };
    PyType_Spec spec = {kept, sizeof(Node), sizeof(int64_t),
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    return node_types[op][variant] = node_type_from(&spec, &NodeType);
}

const char *
node_name(Node *n)
{
    const char *last = strrchr(Py_TYPE(n)->tp_name, '.');
    return last ? last + 1 : Py_TYPE(n)->tp_name;
}

/* ---------------------------------------------------------------- birth */
static inline Node *
node_object(PyTypeObject *type, Py_ssize_t words)
{
    if (allocator_should_fail())
        return (Node *)PyErr_NoMemory();
    words = (words + 1) & ~(Py_ssize_t)1;
    Node *n = words <= ROOM_KEPT ? freelists[words / 2] : NULL;
    if (n == NULL)
        return PyObject_GC_NewVar(Node, type, words);
    freelists[words / 2] = (Node *)n->tasks;
    freelist_length--;
    Py_SET_TYPE(n, (PyTypeObject *)Py_NewRef((PyObject *)type));
    _Py_NewReference((PyObject *)n);
    return n;
}

/* Inlined, like the next ones: a recorded small op is dear enough. */
static inline __attribute__((always_inline)) Node *
node_make(PyTypeObject *type, int op, int n_edges, int n_outputs)
{
    const Py_ssize_t edge_words = sizeof(Edge) / sizeof(int64_t) * (Py_ssize_t)n_edges;
    Node *n = node_object(type, edge_words + room_asked[op]);
    if (n == NULL)
        return NULL;
    node_live_count++;
    memset(&n->tasks, 0, offsetof(Node, room) - offsetof(Node, tasks));
    for (int k = 0; k < n_edges; k++)
        node_edges(n)[k].to = NULL;
    n->op = (int16_t)op;
    n->n_edges = n_edges;
    n->n_outputs = 1;
    n->sequence = next_sequence++;
    n->at[HELD_PARAMS] = ABSENT;
    n->out_dtype = DTYPE_NONE;
    if (n_outputs > 1 && node_set_output_count(n, n_outputs) < 0)
        Py_CLEAR(n);
    return n;
}

Node *
node_new(int op, int n_edges, int n_outputs)
{
    PyTypeObject *type = node_type(op, 0);
    return type ? node_make(type, op, n_edges, n_outputs) : NULL;
}

Node *
node_new_of(PyTypeObject *type, int n_edges)
{
    return node_make(type, OP_FUNCTION, n_edges, 1);
}

Rare *
node_rare(Node *n)
{
    if (n->rare == NULL && (n->rare = PyMem_Calloc(1, sizeof(Rare))) == NULL)
        PyErr_NoMemory();
    return n->rare;
}

int
node_set_payload(Node *n, PyObject *payload)
{
    Rare *rare = node_rare(n);
    if (rare == NULL)
        return -1;
    Py_XSETREF(rare->payload, Py_NewRef(payload));
    return 0;
}

int
node_set_output_count(Node *n, int count)
{
    if (count < 2)
        return 0;
    Rare *rare = node_rare(n);
    if (rare == NULL)
        return -1;
    rare->more_outputs = PyMem_Calloc((size_t)count - 1, sizeof(Meta));
    if (rare->more_outputs == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int k = 0; k < count - 1; k++)
        rare->more_outputs[k].dtype = DTYPE_NONE;
    n->n_outputs = count;
    return 0;
}

/* On the heap; the next node of the kind will be long enough. */
static __attribute__((noinline)) void *
held_spilled(Node *n, Held kind, int count)
{
    int asked = n->used + count;
    Rare *rare = node_rare(n);
    void *words = rare ? PyMem_New(int64_t, count) : NULL;
    if (words == NULL)
        return PyErr_NoMemory();
    if (asked <= ROOM_ASKED && asked > room_asked[n->op])
        room_asked[n->op] = (uint8_t)asked;
    n->at[kind] = ON_HEAP;
    return rare->heap[kind] = words;
}

/* Room for what the node does not hold yet, or needs no longer; NULL with an error. */
static inline void *
held_alloc(Node *n, Held kind, int count)
{
    int edge_words = n->n_edges * (int)(sizeof(Edge) / sizeof(int64_t));
    if (edge_words + n->used + count > Py_SIZE(n))
        return held_spilled(n, kind, count);
    n->at[kind] = n->used;
    n->used = (uint8_t)(n->used + count);
    return n->room + edge_words + n->at[kind];
}

static inline __attribute__((always_inline)) int
set_first_meta(Node *n, const Tensor *t)
{
    int64_t *dims = held_alloc(n, HELD_DIMS, t->ndim);
    if (dims == NULL)
        return -1;
    n->out_dtype = t->dtype;
    n->out_device = t->device;
    n->out_ndim = t->ndim;
    for (int i = 0; i < t->ndim; i++)
        dims[i] = t->dims[i];
    return 0;
}

int
node_set_meta(Node *n, int output, const Tensor *t)
{
    if (output == 0)
        return set_first_meta(n, t);
    int64_t *dims = PyMem_New(int64_t, t->ndim);
    if (dims == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(dims, t->dims, t->ndim * sizeof dims[0]);
    n->rare->more_outputs[output - 1] = (Meta){t->dtype, t->device, t->ndim, dims};
    return 0;
}

/* The input's gradient function and output, or the input itself if it is a leaf. */
static inline void
set_edge(Node *n, int k, Tensor *input)
{
    if (!tensor_needs_grad(input))
        return;                                  /* NULL since the node was made */
    Node *source = input->base == NULL ? input->node : tensor_node(input);
    node_edges(n)[k] = (Edge){Py_NewRef(source ? (PyObject *)source : (PyObject *)input),
                              source ? input->output_nr : EDGE_LEAF};
    if (source ? source->tracked : input->tracked)
        n->tracked = true;                       /* completed by the caller, once n may be seen by the collector */
}

void
node_set_edge(Node *n, int k, Tensor *input)
{
    set_edge(n, k, input);
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

Node *
node_attach(int op, int variant, Tensor *out, int n_inputs, Tensor *const *inputs)
{
    PyTypeObject *type = node_type(op, variant);
    Node *n = type ? node_make(type, op, n_inputs, 1) : NULL;
    if (n == NULL)
        return NULL;
    for (int k = 0; k < n_inputs; k++)
        if (inputs[k] != NULL)
            set_edge(n, k, inputs[k]);
    if (set_first_meta(n, out) < 0) {
        n->tracked = false;
        Py_DECREF(n);
        return NULL;
    }
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
    Node *n = node_new(op, n_inputs, n_outs);
    if (n == NULL)
        return NULL;
    for (int k = 0; k < n_inputs; k++)
        set_edge(n, k, inputs[k]);
    for (int k = 0; k < n_outs; k++)
        if (node_set_meta(n, k, outs[k]) < 0) {
            n->tracked = false;
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
int
node_saved_slots(Node *n, int first, int end)
{
    const int words = sizeof(Saved) / sizeof(int64_t);
    int have = n->n_saved - n->first_saved, below = 0;
    if (have > 0) {
        first = first < n->first_saved ? first : n->first_saved;
        end = end > n->n_saved ? end : n->n_saved;
        below = n->first_saved - first;
    }
    if (end - first == have)
        return 0;
    Saved *old = have > 0 ? node_slot(n, n->first_saved) : NULL;
    uint8_t old_at = n->at[HELD_SAVED];
    bool last = have > 0 && old_at + have * words == n->used;
    if (last)
        n->used = old_at;                        /* grows where it is */
    Saved *slots = held_alloc(n, HELD_SAVED, (end - first) * words);
    if (slots == NULL) {
        n->used = (uint8_t)(last ? old_at + have * words : n->used);
        return -1;
    }
    if (have > 0)
        memmove(slots + below, old, (size_t)have * sizeof *old);
    if (have > 0 && old_at == ON_HEAP)
        PyMem_Free(old);
    for (int k = 0; k < end - first; k++)
        if (k < below || k >= below + have)
            slots[k].tensor = NULL;
    n->first_saved = (uint16_t)first;
    n->n_saved = (uint16_t)end;
    return 0;
}

/* A slot to write into, NULL with an error; the first one is had at little cost. */
static inline Saved *
slot_for(Node *n, int slot)
{
    if (n->n_saved > 0)
        return node_saved_slots(n, slot, slot + 1) < 0 ? NULL : node_slot(n, slot);
    Saved *s = held_alloc(n, HELD_SAVED, sizeof(Saved) / sizeof(int64_t));
    if (s == NULL)
        return NULL;
    s->tensor = NULL;
    n->first_saved = (uint16_t)slot;
    n->n_saved = (uint16_t)(slot + 1);
    return s;
}

void
node_save(Node *n, int slot, Tensor *t)
{
    Saved *s = n == NULL || t == NULL ? NULL : slot_for(n, slot);
    if (s == NULL)
        return;
    s->tensor = (Tensor *)Py_NewRef((PyObject *)t);
    s->version = t->storage->version;
    s->output_nr = SAVED_OPERAND;
    t->storage->saved = true;
    if (t->tracked && !n->tracked)
        gc_publish((PyObject *)n);
}

void
node_save_number(Node *n, int slot, double number)
{
    Saved *s = slot_for(n, slot);
    if (s != NULL)
        s->number = number;
}

void
node_save_output(Node *n, int slot, Tensor *out)
{
    Saved *s = n == NULL ? NULL : slot_for(n, slot);
    if (s == NULL || (s->tensor = tensor_alias(out)) == NULL)
        return;
    s->version = out->storage->version;
    s->output_nr = out->output_nr;
    out->storage->saved = true;
}

void
node_save_ints(Node *n, int count, const int64_t *values)
{
    if (n == NULL || count == 0)
        return;
    int64_t *ints = held_alloc(n, HELD_INTS, count);
    if (ints == NULL)
        return;
    memcpy(ints, values, (size_t)count * sizeof values[0]);
    n->n_ints = count;
}

const Param *
node_default_params(const Node *n)
{
    static const Param none[2];
    return n->op < OP_COUNT ? rows[n->op].defaults : none;
}

void
node_save_params(Node *n, Param p, Param q)
{
    if (n == NULL)
        return;
    Param *params = n->at[HELD_PARAMS] == ABSENT ? held_alloc(n, HELD_PARAMS, 2 * sizeof(Param) / sizeof(int64_t))
                                                 : node_held(n, HELD_PARAMS);
    if (params == NULL)
        return;
    params[0] = p;
    params[1] = q;
}

void
node_set_variant(Node *n, int variant)
{
    PyTypeObject *type = n ? node_type(n->op, variant) : NULL;
    if (type == NULL)
        return;
    PyTypeObject *old = Py_TYPE(n);
    Py_SET_TYPE(n, (PyTypeObject *)Py_NewRef((PyObject *)type));
    Py_DECREF(old);
}

int
node_variant(const Node *n)
{
    int variant = 0;
    while (node_types[n->op][variant] != Py_TYPE(n))
        variant++;
    return variant;
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
                 dtype_info[t->dtype].type_name, shape_text(t->ndim, t->dims), s->output_nr != SAVED_OPERAND ? "output" : "operand",
                 s->output_nr != SAVED_OPERAND ? (int)s->output_nr : n->first_saved + (int)(s - node_slot(n, n->first_saved)), node_name(n), (unsigned)t->storage->version,
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
    if (slot < n->first_saved || slot >= n->n_saved || node_slot(n, slot)->tensor == NULL)
        return NULL;
    Saved *s = node_slot(n, slot);
    return s->version == s->tensor->storage->version ? s->tensor : changed_in_place(n, s);
}

Tensor *
node_saved(Node *n, int slot)
{
    Tensor *kept = node_peek(n, slot);
    if (kept == NULL)
        return NULL;
    Saved *s = node_slot(n, slot);
    if (s->output_nr == SAVED_OPERAND)
        return scope_keep((Tensor *)Py_NewRef((PyObject *)kept));
    Tensor *t = scope_keep(tensor_alias(kept));
    if (t != NULL && grad_mode) {
        t->node = (Node *)Py_NewRef((PyObject *)n);
        t->output_nr = s->output_nr;
        t->requires_grad = true;
    }
    return t;
}

void
node_release_saved(Node *n)
{
    bool had = false;
    for (int k = n->first_saved; k < n->n_saved; k++) {
        had |= node_slot(n, k)->tensor != NULL;
        Py_CLEAR(node_slot(n, k)->tensor);
    }
    if (had)
        n->released = true;
}

/* ---------------------------------------------------------------- garbage collection */
static int
node_traverse(Node *n, visitproc visit, void *arg)
{
    if (PyType_HasFeature(Py_TYPE(n), Py_TPFLAGS_HEAPTYPE))
        Py_VISIT(Py_TYPE(n));
    for (int k = 0; k < n->n_edges; k++)
        Py_VISIT(node_edges(n)[k].to);
    for (int k = n->first_saved; k < n->n_saved; k++)
        Py_VISIT(node_slot(n, k)->tensor);
    if (n->rare != NULL) {
        Py_VISIT(n->rare->hooks);
        Py_VISIT(n->rare->pre_hooks);
        Py_VISIT(n->rare->retains);
        Py_VISIT(n->rare->payload);
        Py_VISIT(n->rare->metadata);
        Py_VISIT(n->rare->dict);
    }
    return 0;
}

static inline int
node_clear(Node *n)
{
    for (Edge *e = node_edges(n), *end = e + n->n_edges; e < end; e++)
        Py_CLEAR(e->to);
    for (int k = n->first_saved; k < n->n_saved; k++)
        Py_CLEAR(node_slot(n, k)->tensor);
    if (n->rare != NULL) {
        if (n->rare->found_by != NULL)           /* before the leaf may die and its address be another's */
            PyCapsule_SetContext(n->rare->found_by, NULL);
        Py_CLEAR(n->rare->found_by);
        Py_CLEAR(n->rare->hooks);
        Py_CLEAR(n->rare->pre_hooks);
        Py_CLEAR(n->rare->retains);
        Py_CLEAR(n->rare->payload);
        Py_CLEAR(n->rare->metadata);
        Py_CLEAR(n->rare->dict);
    }
    return 0;
}

static void
rare_free(Node *n)
{
    for (int k = 0; k < HELD_KINDS; k++)
        PyMem_Free(n->rare->heap[k]);
    for (int k = 1; k < n->n_outputs; k++)
        PyMem_Free(n->rare->more_outputs[k - 1].dims);
    PyMem_Free(n->rare->more_outputs);
    PyMem_Free(n->rare);
}

static void
node_free(Node *n)
{
    PyTypeObject *type = Py_TYPE(n);
    node_clear(n);
    if (n->rare != NULL)
        rare_free(n);
    node_live_count--;
    Py_ssize_t words = Py_SIZE(n);
    if (freelist_length < FREELIST_MAX && words <= ROOM_KEPT && type->tp_basicsize == sizeof(Node)) {
        n->tasks = (struct Task *)freelists[words / 2];
        freelists[words / 2] = n;
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
