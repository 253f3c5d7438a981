/* In-place writes and views: how a write through a view reaches the history of its base, and how a view whose base has
 * been written gets a history that says so.  The rules of what may be written are in ops/check.c.
 *
 * A view knows its root base and the storage version its own node belongs to.  A recorded write to a view makes a
 * CopySlices node of the base: it holds the writing op's node, and its backward replaces the written slice of the
 * gradient by what that node makes of it.  Every other view of the base is then stale and, when next asked, gets
 * AsStrided(base) as its node. */
#include <string.h>

#include "autograd/hooks.h"
#include "ops/ops.h"

void
node_mark_view(Tensor *out, Tensor *t, int kind)
{
    if (out == NULL || !dtype_is_float((Dtype)t->dtype))
        return;
    Tensor *root = t->base ? t->base : t;
    out->base = (Tensor *)Py_NewRef((PyObject *)root);
    out->view_kind = (uint8_t)(!grad_mode && root->requires_grad ? VIEW_NO_GRAD : kind);
    if (t->view_kind == VIEW_NO_GRAD)
        out->view_kind = VIEW_NO_GRAD;
    out->view_version = out->storage->version;
    if (root->tracked && !out->tracked)
        gc_publish((PyObject *)out);
}

void
node_save_geometry(Node *n, Tensor *base, Tensor *view)
{
    if (n == NULL)
        return;
    int64_t ints[4 * NDIM_MAX + 4];
    int k = 0;
    Tensor *both[2] = {base, view};
    for (int i = 0; i < 2; i++) {
        ints[k++] = both[i]->ndim;
        ints[k++] = tensor_offset(both[i]);
        memcpy(ints + k, both[i]->dims, both[i]->ndim * sizeof ints[0]);
        k += both[i]->ndim;
        memcpy(ints + k, both[i]->strides, both[i]->ndim * sizeof ints[0]);
        k += both[i]->ndim;
    }
    node_save_ints(n, k, ints);
}

typedef struct Geometry {
    int ndim;
    int64_t offset;
    const int64_t *dims, *strides;
} Geometry;

static const int64_t *
read_geometry(const int64_t *ints, Geometry *g)
{
    g->ndim = (int)ints[0];
    g->offset = ints[1];
    g->dims = ints + 2;
    g->strides = ints + 2 + g->ndim;
    return ints + 2 + 2 * g->ndim;
}

/* A view that an in-place write made stale takes its history from the base. */
static int
regenerate(Tensor *view)
{
    Node *n = node_new(OP_as_strided, 1, 1);
    if (n == NULL || node_set_meta(n, 0, view) < 0)
        goto fail;
    node_save_geometry(n, view->base, view);
    if (PyErr_Occurred())
        goto fail;
    node_set_edge(n, 0, view->base);
    n->tracked = false;
    Py_XSETREF(view->node, n);
    view->output_nr = 0;
    view->requires_grad = true;
    view->view_version = view->storage->version;
    if (view->tracked || view->base->tracked)
        gc_publish((PyObject *)n);
    return view->retains_grad ? hooks_retain(view) : 0;
fail:
    Py_XDECREF((PyObject *)n);
    return -1;
}

Node *
tensor_node(Tensor *t)
{
    if (t->base != NULL && t->view_kind != VIEW_NO_GRAD && t->base->requires_grad && t->base->node != NULL
        && t->view_version != t->storage->version && regenerate(t) < 0)
        return NULL;
    return t->node;
}

Node *
node_rebase(Tensor *view, Node *writer)
{
    Tensor *base = view->base;
    int n_edges = writer->n_edges;
    Node *slices = node_new(OP_COPY_SLICES, n_edges, 1);
    if (slices == NULL || node_set_payload(slices, (PyObject *)writer) < 0 || node_set_meta(slices, 0, base) < 0)
        goto fail;
    node_save_geometry(slices, base, view);
    if (PyErr_Occurred())
        goto fail;
    node_set_edge(slices, 0, base);
    slices->tracked = false;
    for (int k = 1; k < n_edges; k++) {
        node_edges(slices)[k] = node_edges(writer)[k];
        Py_XINCREF(node_edges(slices)[k].to);
    }
    /* The writer must compute its own operand's gradient even when the view had no history: the base may have. */
    const Edge *below = &node_edges(slices)[0];
    if (node_edges(writer)[0].to == NULL && below->to != NULL)
        node_edges(writer)[0] = (Edge){Py_NewRef(below->to), below->nr};
    Py_XSETREF(base->node, slices);
    base->output_nr = 0;
    base->requires_grad = true;
    Py_CLEAR(view->node);
    view->requires_grad = true;
    view->view_version = view->storage->version - 1;
    gc_publish((PyObject *)base);
    return base->retains_grad && hooks_retain(base) < 0 ? NULL : writer;
fail:
    Py_XDECREF((PyObject *)slices);
    return NULL;
}

Node *
node_record_inplace(Op op, Tensor *out, int n_inputs, Tensor *const *inputs)
{
    bool needed = false;
    for (int k = 0; k < n_inputs; k++)
        needed |= tensor_needs_grad(inputs[k]);
    if (!needed || !grad_mode || !dtype_is_float((Dtype)out->dtype))
        return NULL;
    Node *n = node_new(op, n_inputs, 1);
    if (n == NULL || node_set_meta(n, 0, out) < 0) {
        Py_XDECREF((PyObject *)n);
        return NULL;
    }
    for (int k = 0; k < n_inputs; k++)
        node_set_edge(n, k, inputs[k]);
    n->tracked = false;
    if (out->base != NULL && out->view_kind != VIEW_NO_GRAD) {
        Node *kept = node_rebase(out, n);
        Py_DECREF(n);
        return kept;
    }
    Py_XSETREF(out->node, n);
    out->output_nr = 0;
    out->requires_grad = true;
    if (out->retains_grad && hooks_retain(out) < 0)
        return NULL;
    gc_publish((PyObject *)out);
    return n;
}

/* ---------------------------------------------------------------- gradients */
/* g in the memory layout of the base, so that the view's strides address it. */
static Tensor *
in_layout(Tensor *g, const Geometry *base)
{
    if (g == NULL)
        return NULL;
    int64_t dense[NDIM_MAX], extent = 1, numel = 1;
    shape_contiguous_strides(base->ndim, base->dims, dense);
    bool plain = true;
    for (int i = 0; i < base->ndim; i++) {
        plain &= dense[i] == base->strides[i] || base->dims[i] == 1;
        extent += (base->dims[i] - 1) * base->strides[i];
        numel *= base->dims[i];
    }
    if (plain || numel == 0)
        return op_copy_(scope_keep(tensor_empty(base->ndim, base->dims, (Dtype)g->dtype, g->device)), g);
    Tensor *memory = scope_keep(tensor_empty(1, &extent, (Dtype)g->dtype, g->device));
    if (memory == NULL || (extent != numel && op_zero_(memory) == NULL))       /* between the elements of a part of an array */
        return NULL;
    Tensor *buffer = scope_keep(tensor_strided(memory->storage, memory->data, base->ndim, base->dims, base->strides, (Dtype)g->dtype));
    return op_copy_(buffer, g);
}

/* The gradient of base from that of its view: zeros with g added at the view's place. */
BACKWARD(as_strided)
{
    Geometry base, view;
    read_geometry(read_geometry(node_ints(n), &base), &view);
    GRAD(0, op_as_strided_backward(g, base.ndim, base.dims, base.strides, view.ndim, view.dims, view.strides,
                                   view.offset - base.offset));
}

void
backward_copy_slices(Node *n, Tensor **grads, Tensor **out, void (*run)(Node *, Tensor **, Tensor **))
{
    Geometry base, view;
    read_geometry(read_geometry(node_ints(n), &base), &view);
    Tensor *whole = in_layout(grads[0], &base);
    if (whole == NULL)
        return;
    int64_t offset = view.offset - base.offset;
    Tensor *slice = op_as_strided(whole, view.ndim, view.dims, view.strides, offset);
    Tensor *given[1] = {op_clone(slice)};
    if (given[0] == NULL)
        return;
    Tensor **results = PyMem_Calloc((size_t)n->n_edges, sizeof *results);
    if (results == NULL) {
        PyErr_NoMemory();
        return;
    }
    run((Node *)node_payload(n), given, results);
    if (!PyErr_Occurred() && node_needs(n, 0)) {
        Tensor *target = op_as_strided(whole, view.ndim, view.dims, view.strides, offset);
        if (results[0] != NULL)
            op_copy_(target, results[0]);
        else
            op_zero_(target);
        out[0] = whole;
    }
    for (int k = 1; k < n->n_edges; k++)
        out[k] = results[k];
    PyMem_Free(results);
}
