/* The graph: Node, its edges and saved operands, recording, and the scope spellings of backward functions. */
#ifndef CTORCH_AUTOGRAD_NODE_H
#define CTORCH_AUTOGRAD_NODE_H

#include "ctorch.h"

enum { EDGE_LEAF = -1, SAVED_OPERAND = -1 };
enum { OP_FUNCTION = OP_COUNT, OP_COPY_SLICES, OP_ACCUMULATE, NODE_KINDS };

/* Where a gradient goes: output `nr` of a Node, or a leaf tensor (nr == EDGE_LEAF, accumulates into its .grad). */
typedef struct Edge {
    PyObject *to;                 /* owned Node or Tensor; NULL: this input needs no gradient */
    int32_t nr;
} Edge;

typedef struct Saved {
    Tensor *tensor;               /* owned; NULL: the operand was the number below, or was not needed */
    union {
        double number;
        struct {
            uint32_t version;     /* of the tensor's storage when saved */
            int32_t output_nr;    /* SAVED_OPERAND, or: an alias of this output without history, as node -> output ->
                                   * node would be a cycle */
        };
    };
} Saved;

/* Shape and type that the gradient of one output must have. */
typedef struct Meta {
    int8_t dtype;
    Device device;
    uint8_t ndim;
    int64_t *dims;
} Meta;

/* What a node holds besides its edges: runs of words. */
typedef enum Held {
    HELD_DIMS,                    /* of the first output */
    HELD_SAVED,                   /* operands */
    HELD_INTS,                    /* dims, sizes, flags of a structural op */
    HELD_PARAMS,                  /* two */
    HELD_KINDS
} Held;

/* What few nodes have. */
typedef struct Rare {
    PyObject *hooks;              /* dict id -> callable(grad_inputs, grad_outputs) */
    PyObject *pre_hooks;          /* dict id -> callable(grad_outputs) */
    PyObject *retains;            /* list of (output nr, weak reference to a tensor that retains its grad) */
    PyObject *payload;            /* CopySlices: the in-place op's node; Function: saved attributes' owner */
    PyObject *metadata;           /* dict for whatever the user attaches */
    PyObject *dict;               /* a Function's ctx has attributes */
    PyObject *found_by;           /* AccumulateGrad: capsule whose context is this node while it holds its leaf */
    Meta *more_outputs;           /* metas of outputs 1.. when n_outputs > 1, with dims on the heap */
    void *heap[HELD_KINDS];       /* what found no room */
} Rare;

/* A long graph is made of nodes above all, so each is as long as what it holds: `room` begins with the edges, and the
 * rest follows as it is asked for; what finds no room there is on the heap (node.c, held_alloc). */
struct Node {
    PyObject_VAR_HEAD             /* ob_size: words of room */
    uint64_t sequence;            /* creation order: the engine runs the newest first, as PyTorch does */
    struct Task *tasks;           /* the runs that have this node in hand, innermost first */
    int16_t op;                   /* row, or OP_FUNCTION ... */
    uint16_t n_saved;             /* one past the last slot in use */
    uint16_t first_saved;         /* the slots below hold nothing and have no room */
    int8_t dtype;                 /* compute dtype of a pointwise row */
    bool tracked;
    int32_t n_edges;
    int32_t n_outputs;
    int32_t n_ints;
    uint8_t at[HELD_KINDS];       /* in words behind the edges, or one of those below */
    uint8_t used;                 /* words behind the edges */
    bool released;                /* saved operands were freed by a backward without retain_graph */
    int8_t out_dtype;             /* of the first output, as in its Meta */
    uint8_t out_ndim;
    Device out_device;
    Rare *rare;                   /* or NULL */
    int64_t room[];
};
enum { ON_HEAP = 255, ABSENT = 254 };

extern PyTypeObject NodeType;
enum { NODE_VARIANTS = 6 };
extern PyTypeObject *node_types[NODE_KINDS][NODE_VARIANTS];
/* A type of base with that spec; NULL with an error. */
PyTypeObject *node_type_from(PyType_Spec *spec, PyTypeObject *base);
PyTypeObject *node_type_make(int op, int variant);
/* The class of a kind of node: borrowed, made on first use. */
static inline PyTypeObject *
node_type(int op, int variant)
{
    PyTypeObject *type = node_types[op][variant];
    return type ? type : node_type_make(op, variant);
}

static inline Edge *
node_edges(const Node *n)
{
    return (Edge *)n->room;
}

/* Points behind the edges if it holds none. */
static inline void *
node_held(const Node *n, Held kind)
{
    if (n->at[kind] == ON_HEAP)
        return n->rare->heap[kind];
    return (int64_t *)n->room + n->n_edges * (int)(sizeof(Edge) / sizeof(int64_t)) + n->at[kind];
}

static inline int64_t *
node_ints(const Node *n)
{
    return node_held(n, HELD_INTS);
}

/* The saved operand of a slot from first_saved to n_saved. */
static inline Saved *
node_slot(const Node *n, int slot)
{
    return (Saved *)node_held(n, HELD_SAVED) + (slot - n->first_saved);
}

const Param *node_default_params(const Node *n);
static inline const Param *
node_params(const Node *n)
{
    return n->at[HELD_PARAMS] == ABSENT ? node_default_params(n) : node_held(n, HELD_PARAMS);
}

static inline Meta
node_meta(const Node *n, int output)
{
    if (output > 0)
        return n->rare->more_outputs[output - 1];
    return (Meta){n->out_dtype, n->out_device, n->out_ndim, node_held(n, HELD_DIMS)};
}

static inline PyObject *
node_payload(const Node *n)
{
    return n->rare ? n->rare->payload : NULL;
}

extern _Thread_local bool grad_mode __attribute__((tls_model("initial-exec")));
extern _Thread_local bool inference_mode __attribute__((tls_model("initial-exec")));

/* ---- recording ---- */
static inline bool
tensor_needs_grad(const Tensor *t)
{
    if (t == NULL)
        return false;
    /* A view follows its base, which an in-place write through another view may have given a history. */
    return t->requires_grad || (t->base != NULL && t->base->requires_grad && t->view_kind != VIEW_NO_GRAD);
}

/* A node of `op` whose output is `out` (its meta; out->node is set and takes the reference), with an edge per input (NULL inputs allowed).  Returns a borrowed
 * Node to save operands into, or NULL when nothing is recorded: grad mode is off, no input requires grad, out is NULL,
 * or memory ran out (then an error is set and *out is released by the scope as usual). */
Node *node_record(Op op, Tensor *out, int n_inputs, Tensor *const *inputs);
/* The same where the caller knows that an input requires grad: NULL is an error. */
Node *node_attach(int op, int variant, Tensor *out, int n_inputs, Tensor *const *inputs);
#define RECORD(op, out, ...) \
    node_record(op, out, sizeof((Tensor *[]){__VA_ARGS__}) / sizeof(Tensor *), (Tensor *[]){__VA_ARGS__})
/* The same for an op that wrote into out: out's old history is input 0's edge, and a view hands the new node on to its
 * base.  inputs[0] is out (or a header that keeps its old history). */
Node *node_record_inplace(Op op, Tensor *out, int n_inputs, Tensor *const *inputs);
/* The base of a written view gets a node around writer, whose first input and only output is the view; returns writer. */
Node *node_rebase(Tensor *view, Node *writer);
/* Makes out a view of t for autograd: in-place writes through it reach the base's history.  kind: VIEW_SINGLE/MULTI. */
void node_mark_view(Tensor *out, Tensor *t, int kind);
/* The same for several outputs (unbind, split, topk): outs[k]->output_nr = k. */
Node *node_record_many(Op op, int n_outs, Tensor *const *outs, int n_inputs, Tensor *const *inputs);

void node_save(Node *n, int slot, Tensor *t);            /* slot 0..; keeps t; n == NULL is allowed and does nothing */
void node_save_number(Node *n, int slot, double number); /* an operand that was no tensor */
void node_save_output(Node *n, int slot, Tensor *out);   /* keeps an alias of out without history */
int node_saved_slots(Node *n, int first, int end);        /* at least slots first .. end - 1, empty if new; -1: error */
void node_save_ints(Node *n, int count, const int64_t *values);
/* ints of a node whose view is written or read by strides: the base's geometry, then the view's. */
void node_save_geometry(Node *n, Tensor *base, Tensor *view);
void node_save_params(Node *n, Param p, Param q);
void node_set_variant(Node *n, int variant);             /* the printed digit: SumBackward1; fixed at record time */
int node_variant(const Node *n);                         /* that digit, found by the node's class */

/* ---- what backward functions use: everything they touch is owned by the scope that the engine opened ---- */
/* Saved operand: NULL with an error if it was freed or its memory was changed since (version check). */
Tensor *node_saved(Node *n, int slot);
/* The same without history, borrowed from the node. */
Tensor *node_peek(Node *n, int slot);
static inline bool
node_needs(const Node *n, int input)
{
    return node_edges(n)[input].to != NULL;
}

/* BACKWARD(mm) { Tensor *a = node_saved(n, 0); GRAD(0, op_mm(g, op_mT(b))); }
 * n: the node; grads[k]: gradient of output k (NULL: known zero); g = grads[0]; out[k]: gradient of input k, NULL: zero.
 * With one output g is never NULL.  Errors: leave NULL with the Python error set; the engine looks. */
#define BACKWARD(name) \
    static void name##_backward(Node *n, Tensor **grads, Tensor **out, Tensor *g); \
    void backward_##name(Node *n, Tensor **grads, Tensor **out) { name##_backward(n, grads, out, grads[0]); } \
    static void name##_backward(Node *n, Tensor **grads __attribute__((unused)), Tensor **out, \
                                Tensor *g __attribute__((unused)))
#define GRAD(k, expression) do { if (node_needs(n, k)) out[k] = (expression); } while (0)
typedef void (*BackwardFunction)(Node *n, Tensor **grads, Tensor **out);

const char *node_name(Node *n);                          /* "AddBackward0" */
Node *tensor_node(Tensor *t);                            /* borrowed; regenerates a stale view's node; NULL + no error: none */
void gc_publish(PyObject *o);                            /* track o and everything it reaches */
int node_init(PyObject *module);
extern int64_t node_live_count;
Node *node_new(int op, int n_edges, int n_outputs);      /* edges NULL, no meta yet */
Node *node_new_of(PyTypeObject *type, int n_edges);      /* of a class of function.c's */
Rare *node_rare(Node *n);                                /* made on first use; NULL with an error */
int node_set_payload(Node *n, PyObject *payload);        /* takes a reference of its own */
int node_set_output_count(Node *n, int count);           /* new outputs have no dtype yet */
int node_set_meta(Node *n, int output, const Tensor *t);
PyObject *node_dict(Node *n);                            /* borrowed, made on first use */
void node_set_edge(Node *n, int k, Tensor *input);
void node_release_saved(Node *n);                        /* after a backward that does not keep the graph */

#endif
