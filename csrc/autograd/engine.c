/* The backward pass: count dependencies, keep a ready queue ordered as PyTorch orders it (newest node first, leaves
 * before all), accumulate, call hooks.  Iterative and reentrant: what a run knows of a node stands in the run's Task,
 * not in the node, so backward may be called inside a hook or a Function, on the same graph. */
#include "autograd/engine.h"

#include <string.h>

#include "autograd/formula.h"
#include "autograd/hooks.h"
#include "core/shape.h"
#include "ops/copy.h"
#include "ops/ops.h"
#include "ops/rows.h"

/* One node (or leaf) in one run. */
typedef struct Task {
    PyObject *target;             /* Node, or a leaf Tensor; owned */
    struct Run *run;
    struct Task *outer;           /* the same target in an enclosing run */
    struct Task *next;            /* all tasks of the run */
    int64_t dependencies;
    bool needed;                  /* is or leads to an input, when inputs were given: takes gradients */
    bool runs;                    /* leads to an input */
    bool leaf;                    /* target is a Tensor */
    Tensor **grads;               /* per output; owned; points to `one` if there is a single output */
    Tensor *one;
} Task;

enum { CHUNK = 30 };
typedef struct Chunk {
    struct Chunk *next;           /* NULL: the run's own */
    int used;
    Task tasks[CHUNK];
} Chunk;

typedef struct Run {
    const BackwardCall *call;
    Task *tasks;
    Task **ready;                 /* binary heap */
    size_t n_ready, n_tasks;
    Chunk *chunks;
    Chunk first;                  /* small graphs allocate nothing */
    Task *few[CHUNK];
} Run;

static inline Task **
tasks_of(PyObject *target, bool leaf)
{
    return leaf ? &((Tensor *)target)->tasks : &((Node *)target)->tasks;
}

static inline Task *
task_find(Run *run, const Edge *e)
{
    for (Task *t = *tasks_of(e->to, e->nr == EDGE_LEAF); t != NULL; t = t->outer)
        if (t->run == run)
            return t;
    return NULL;
}

/* Where t's gradient goes: borrowed. */
static inline Edge
edge_to(Tensor *t)
{
    Node *node = tensor_node(t);
    return node ? (Edge){(PyObject *)node, t->output_nr} : (Edge){(PyObject *)t, EDGE_LEAF};
}

/* ---------------------------------------------------------------- making tasks */
static Task *
task_new(Run *run, const Edge *e)
{
    PyObject *target = e->to;
    bool leaf = e->nr == EDGE_LEAF;
    Chunk *chunk = run->chunks;
    if (chunk->used == CHUNK) {
        chunk = PyMem_Malloc(sizeof *chunk);
        if (chunk == NULL)
            return (Task *)PyErr_NoMemory();
        chunk->used = 0;
        chunk->next = run->chunks;
        run->chunks = chunk;
    }
    Task *t = &chunk->tasks[chunk->used];
    *t = (Task){.target = target, .run = run, .leaf = leaf};
    t->grads = &t->one;
    if (!leaf && ((Node *)target)->n_outputs > 1) {
        t->grads = PyMem_Calloc((size_t)((Node *)target)->n_outputs, sizeof *t->grads);
        if (t->grads == NULL)
            return (Task *)PyErr_NoMemory();
    }
    chunk->used++;
    Py_INCREF(target);
    Task **link = tasks_of(target, leaf);
    t->outer = *link;
    *link = t;
    t->next = run->tasks;
    run->tasks = t;
    run->n_tasks++;
    return t;
}

/* Room for `wanted` entries and more; *stack is `few` until it grows.  -1 with an error. */
static int
grow(Task ***stack, Task **few, size_t *capacity, size_t n, size_t wanted)
{
    wanted *= 2;
    Task **grown = PyMem_Realloc(*stack == few ? NULL : *stack, wanted * sizeof **stack);
    if (grown == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (*stack == few)
        memcpy(grown, few, n * sizeof *few);
    *stack = grown;
    *capacity = wanted;
    return 0;
}

/* The graph below the roots, each edge counted once; the stack holds the nodes still to open. */
static int
discover(Run *run, const Edge *roots, int n_roots)
{
    Task *few[64], **stack = few;
    size_t capacity = 64, n = 0;
    for (int k = 0; k < n_roots; k++) {
        Task *t = task_find(run, &roots[k]);
        if (t != NULL)
            continue;
        if ((t = task_new(run, &roots[k])) == NULL)
            goto fail;
        if (t->leaf)
            continue;
        stack[n++] = t;
        if (n == capacity && grow(&stack, few, &capacity, n, n + 1) < 0)
            goto fail;
    }
    while (n > 0) {
        Task *t = stack[--n];
        Node *node = (Node *)t->target;
        int edges = node->n_edges;
        if (n + (size_t)edges > capacity && grow(&stack, few, &capacity, n, n + (size_t)edges) < 0)
            goto fail;
        for (int k = 0; k < edges; k++) {
            const Edge *below = &node_edges(node)[k];
            if (below->to == NULL)
                continue;
            Task *next = task_find(run, below);
            if (next == NULL) {
                if ((next = task_new(run, below)) == NULL)
                    goto fail;
                if (!next->leaf)
                    stack[n++] = next;
            }
            next->dependencies++;
        }
    }
    if (stack != few)
        PyMem_Free(stack);
    return 0;
fail:
    if (stack != few)
        PyMem_Free(stack);
    return -1;
}

/* ---------------------------------------------------------------- the ready queue */
static uint64_t
priority(const Task *t)
{
    return t->leaf ? UINT64_MAX : ((Node *)t->target)->sequence;
}

static void
ready_push(Run *run, Task *t)
{
    size_t i = run->n_ready++;
    for (; i > 0 && priority(run->ready[(i - 1) / 2]) < priority(t); i = (i - 1) / 2)
        run->ready[i] = run->ready[(i - 1) / 2];
    run->ready[i] = t;
}

static Task *
ready_pop(Run *run)
{
    Task *top = run->ready[0], *last = run->ready[--run->n_ready];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < run->n_ready) {
        if (child + 1 < run->n_ready && priority(run->ready[child + 1]) > priority(run->ready[child]))
            child++;
        if (priority(run->ready[child]) <= priority(last))
            break;
        run->ready[i] = run->ready[child];
        i = child;
    }
    run->ready[i] = last;
    return top;
}

/* ---------------------------------------------------------------- which tasks lead to the inputs */
/* Older nodes are below newer ones, except through in-place rewiring; so marks are passed up until nothing changes. */
static int
mark_needed(Run *run)
{
    const BackwardCall *call = run->call;
    for (int k = 0; k < call->n_inputs; k++) {
        Edge input = edge_to(call->inputs[k]);
        Task *t = task_find(run, &input);
        if (t != NULL) {
            t->needed = true;
            t->runs = call->accumulate;
        }
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (Task *t = run->tasks; t != NULL; t = t->next) {
            if (t->runs || t->leaf)
                continue;
            Node *node = (Node *)t->target;
            for (int k = 0; k < node->n_edges && !t->runs; k++)
                if (node_edges(node)[k].to != NULL && task_find(run, &node_edges(node)[k])->needed)
                    t->needed = t->runs = changed = true;
        }
    }
    return 0;
}

/* ---------------------------------------------------------------- gradients */
static bool
same_shape(const Tensor *g, const Meta *meta)
{
    bool same = g->ndim == meta->ndim;
    for (int i = 0; same && i < g->ndim; i++)
        same = g->dims[i] == meta->dims[i];
    return same;
}

static bool
conforms(const Tensor *g, const Meta *meta)
{
    return g->dtype == meta->dtype && same_shape(g, meta) && device_equal(g->device, meta->device);
}

Tensor *
engine_conform(Tensor *g, const Meta *meta, const char *name, int index)
{
    if (!same_shape(g, meta)) {
        int ndim = meta->ndim;
        int64_t dims[NDIM_MAX];
        memcpy(dims, meta->dims, (size_t)ndim * sizeof dims[0]);
        bool expandable = g->ndim >= ndim && shape_broadcast(&ndim, dims, g->ndim, g->dims) == 0
                          && ndim == g->ndim && memcmp(dims, g->dims, (size_t)ndim * sizeof dims[0]) == 0;
        if (!expandable)
            return error(PyExc_RuntimeError, "Function %s returned an invalid gradient at index %d - got %s but expected "
                                             "shape compatible with %s", name, index, shape_text(g->ndim, g->dims),
                         shape_text(meta->ndim, meta->dims));
        g = op_sum_to_size(g, meta->ndim, meta->dims);
    }
    if (g != NULL && g->dtype != meta->dtype)
        g = op_to_dtype(g, (Dtype)meta->dtype);
    if (g != NULL && !device_equal(g->device, meta->device))   /* of a number that met a device's tensor */
        g = op_to(g, DTYPE_NONE, &meta->device, false);
    return g;
}

void
engine_call(Node *n, Tensor **grads, Tensor **out)
{
    if (n->op == OP_FUNCTION)
        function_backward(n, grads, out);
    else if (n->op == OP_COPY_SLICES)
        backward_copy_slices(n, grads, out, engine_call);
    else if (rows[n->op].backward != NULL)
        rows[n->op].backward(n, grads, out);
    else
        pointwise_backward(n, grads[0], out);
}

/* Adds g (borrowed) to what has arrived for one output. */
static int
add_to(Tensor **slot, Tensor *g)
{
    size_t mark = scope_begin();
    Tensor *sum = scope_take(op_add(*slot, g));
    scope_end(mark);
    if (sum == NULL)
        return -1;
    Py_SETREF(*slot, sum);
    return 0;
}

static inline int
arrive(Tensor **slot, Tensor *g)
{
    if (*slot != NULL)
        return add_to(slot, g);
    *slot = (Tensor *)Py_NewRef((PyObject *)g);
    return 0;
}

/* Whether .grad may be g: as PyTorch's it has the leaf's strides if the leaf is dense, or is contiguous. */
static bool
has_layout_of(const Tensor *leaf, const Tensor *g)
{
    if (leaf->contiguous || !shape_is_dense(leaf->ndim, leaf->dims, leaf->strides))
        return g->contiguous;
    for (int i = 0; i < leaf->ndim; i++)
        if (leaf->dims[i] > 1 && g->strides[i] != leaf->strides[i])
            return false;
    return true;
}

static Tensor *
copied_for(Tensor *leaf, Tensor *g)
{
    Tensor *copy = shape_is_dense(leaf->ndim, leaf->dims, leaf->strides)
                       ? tensor_empty_like(leaf) : tensor_empty(g->ndim, g->dims, (Dtype)g->dtype, g->device);
    if (copy != NULL && copy_data(copy, g) < 0)
        Py_CLEAR(copy);
    return copy;
}

static int
accumulate(Tensor *leaf, Tensor *g, bool create_graph)
{
    if (leaf->grad == NULL) {
        /* A gradient that nobody else holds is taken over; any other is copied, so that .grad never is an alias. */
        bool own = !create_graph && Py_REFCNT(g) == 1 && g->storage->refs == 1 && has_layout_of(leaf, g) && g->node == NULL
                   && Py_IS_TYPE((PyObject *)g, &TensorType);
        Tensor *copy = create_graph ? scope_take(leaf->contiguous ? op_contiguous(g) : g) : own ? scope_take(g) : copied_for(leaf, g);
        if (copy == NULL)
            return -1;
        leaf->grad = copy;
        if (leaf->tracked || copy->tracked || copy->node != NULL)
            gc_publish((PyObject *)leaf);
        return 0;
    }
    if (!create_graph)
        return op_inplace(OP_add, leaf->grad, g, 1) == NULL ? -1 : 0;
    Tensor *sum = scope_take(op_add(leaf->grad, g));
    if (sum == NULL)
        return -1;
    Py_SETREF(leaf->grad, sum);
    gc_publish((PyObject *)leaf);
    return 0;
}

/* autograd.grad's results; backward's inputs get theirs as leaves and by retain_grad. */
static void
capture(const BackwardCall *call, PyObject *target, Tensor **grads)
{
    for (int k = 0; k < call->n_inputs && !call->accumulate; k++) {
        Node *node = tensor_node(call->inputs[k]);
        if ((node ? (PyObject *)node : (PyObject *)call->inputs[k]) != target)
            continue;
        Tensor *g = grads[node ? call->inputs[k]->output_nr : 0];
        if (g != NULL)
            Py_XSETREF(call->results[k], (Tensor *)Py_NewRef((PyObject *)g));
    }
}

/* ---------------------------------------------------------------- running one task */
/* The hooks of Python's AccumulateGrad node around the sum. */
static int
accumulate_hooked(Tensor *leaf, Node *accumulator, Tensor **g, bool create_graph)
{
    Py_INCREF((PyObject *)accumulator);
    int result = hooks_call_node(accumulator, g);
    if (result == 0)
        result = accumulate(leaf, *g, create_graph);
    if (result == 0)
        result = hooks_call_post_accumulate(leaf);
    if (result == 0 && accumulator->rare->hooks)
        result = hooks_call_post(accumulator, g, NULL);
    Py_DECREF((PyObject *)accumulator);
    return result;
}

static int
finish_leaf(Run *run, Task *t)
{
    Tensor *leaf = (Tensor *)t->target;
    if (t->one == NULL)
        return 0;
    if (hooks_call_tensor(leaf->hooks, &t->one) < 0)
        return -1;
    if (run->call->inputs != NULL) {
        capture(run->call, t->target, t->grads);
        if (!run->call->accumulate || !t->needed)
            return 0;
    }
    Node *accumulator = hooks_accumulator(leaf);
    if (accumulator != NULL)
        return accumulate_hooked(leaf, accumulator, &t->one, run->call->create_graph);
    Tensor *g = t->one;
    t->one = NULL;                 /* so that accumulate sees whether anybody else holds it */
    int result = accumulate(leaf, g, run->call->create_graph);
    Py_DECREF(g);
    return result < 0 ? -1 : hooks_call_post_accumulate(leaf);
}

static inline Meta
meta_of(const Edge *e)
{
    if (e->nr != EDGE_LEAF)
        return node_meta((Node *)e->to, e->nr);
    const Tensor *leaf = (Tensor *)e->to;
    return (Meta){.dtype = leaf->dtype, .device = leaf->device, .ndim = leaf->ndim, .dims = leaf->dims};
}

/* Hands the inputs' gradients on; ready tasks enter the queue. */
static int
deliver(Run *run, Node *n, Tensor **out)
{
    for (int k = 0; k < n->n_edges; k++) {
        Edge *e = &node_edges(n)[k];
        if (e->to == NULL)
            continue;
        Task *t = task_find(run, e);
        if (out[k] != NULL && (run->call->inputs == NULL || t->needed)) {
            Meta meta = meta_of(e);
            Tensor *g = conforms(out[k], &meta) ? out[k] : engine_conform(out[k], &meta, node_name(n), k);
            if (g == NULL || arrive(&t->grads[e->nr == EDGE_LEAF ? 0 : e->nr], g) < 0)
                return -1;
        }
        if (--t->dependencies == 0)
            ready_push(run, t);
    }
    return 0;
}

static bool
any_grad(const Task *t, const Node *n)
{
    for (int k = 0; k < n->n_outputs; k++)
        if (t->grads[k] != NULL)
            return true;
    return false;
}

/* What was saved goes, but not that of a writer below, which a second derivative reaches by itself too: it runs later,
 * for it is older than its CopySlices. */
static void
release(Run *run, Node *n)
{
    PyObject *writer = n->op == OP_COPY_SLICES ? node_payload(n) : NULL;
    node_release_saved(n);
    if (writer != NULL && task_find(run, &(Edge){writer, 0}) == NULL)
        node_release_saved((Node *)writer);
}

static int
run_node(Run *run, Task *t)
{
    Node *n = (Node *)t->target;
    int n_edges = n->n_edges, result = -1;
    Tensor *few[8] = {NULL}, **out = few;
    if (n_edges > 8 && (out = PyMem_Calloc((size_t)n_edges, sizeof *out)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    size_t mark = scope_begin();
    bool runs = run->call->inputs == NULL || t->runs;
    if (runs)                                    /* PyTorch's order: what runs is captured before its tensors' hooks */
        capture(run->call, t->target, t->grads);
    if (n->rare != NULL && hooks_call_outputs(n, t->grads) < 0)
        goto done;
    if (!runs)
        capture(run->call, t->target, t->grads);
    if (any_grad(t, n) && runs) {
        if (n->rare != NULL && hooks_call_node(n, t->grads) < 0)
            goto done;
        engine_call(n, t->grads, out);
        if (PyErr_Occurred() || (n->rare != NULL && hooks_call_post(n, t->grads, out) < 0))
            goto done;
    }
    result = deliver(run, n, out);
    for (int k = 0; k < n->n_outputs; k++)
        Py_CLEAR(t->grads[k]);
    if (!run->call->keep_graph)
        release(run, n);
done:
    scope_end(mark);
    if (out != few)
        PyMem_Free(out);
    return result;
}

static void
finish_run(Run *run)
{
    for (Task *t = run->tasks; t != NULL; t = t->next) {
        Task **link = tasks_of(t->target, t->leaf);
        while (*link != t)
            link = &(*link)->outer;
        *link = t->outer;
        int n = t->leaf ? 1 : ((Node *)t->target)->n_outputs;
        for (int k = 0; k < n; k++)
            Py_CLEAR(t->grads[k]);
        if (t->grads != &t->one)
            PyMem_Free(t->grads);
    }
    for (Task *t = run->tasks; t != NULL; t = t->next)
        Py_DECREF(t->target);
    while (run->chunks != &run->first) {
        Chunk *next = run->chunks->next;
        PyMem_Free(run->chunks);
        run->chunks = next;
    }
    if (run->ready != run->few)
        PyMem_Free(run->ready);
}

static int
start(Run *run)
{
    const BackwardCall *call = run->call;
    Edge few[8], *roots = call->n_roots > 8 ? PyMem_New(Edge, call->n_roots) : few;
    if (roots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int result = -1;
    for (int k = 0; k < call->n_roots; k++)
        roots[k] = edge_to(call->roots[k]);
    if (discover(run, roots, call->n_roots) < 0)
        goto done;
    run->ready = run->n_tasks > CHUNK ? PyMem_New(Task *, run->n_tasks) : run->few;
    if (run->ready == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    if (call->inputs != NULL)
        mark_needed(run);
    for (int k = 0; k < call->n_roots; k++) {
        Task *t = task_find(run, &roots[k]);
        bool queued = false;
        for (size_t i = 0; i < run->n_ready; i++)
            queued |= run->ready[i] == t;
        if (t->dependencies == 0 && !queued)
            ready_push(run, t);
        if (arrive(&t->grads[t->leaf ? 0 : roots[k].nr], call->root_grads[k]) < 0)
            goto done;
    }
    result = 0;
done:
    if (roots != few)
        PyMem_Free(roots);
    return result;
}

int
engine_run(const BackwardCall *call)
{
    Run run;
    run.call = call;
    run.tasks = NULL;
    run.ready = run.few;
    run.n_ready = run.n_tasks = 0;
    run.chunks = &run.first;
    run.first.used = 0;
    bool saved_mode = grad_mode;
    grad_mode = call->create_graph;
    int result = start(&run);
    while (result == 0 && run.n_ready > 0) {
        Task *t = ready_pop(&run);
        if (t->leaf) {
            size_t mark = scope_begin();
            result = finish_leaf(&run, t);
            scope_end(mark);
        } else
            result = run_node(&run, t);
    }
    grad_mode = saved_mode;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    finish_run(&run);
    PyErr_Restore(type, value, traceback);
    return result;
}
