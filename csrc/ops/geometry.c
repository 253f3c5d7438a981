/* Ops that change what a tensor shows of its memory, in place: no element moves.  The autograd rules are
 * those of any in-place op: a leaf that requires grad refuses, and other tensors' saved operands notice by
 * the version. */
#include <string.h>

#include "autograd/hooks.h"
#include "ops/ops.h"

/* self takes the geometry and, if one was recorded, the history of view, which is a view of self.  The view's
 * node has its edge to self's old node, so that nothing refers to self itself.  PyTorch counts the in-place
 * forms of a view behind its `overloads` other ones. */
static Tensor *
become(Tensor *self, Tensor *view, int overloads)
{
    if (view == NULL)
        return NULL;
    if (grad_mode && self->requires_grad && self->node == NULL)
        return error(PyExc_RuntimeError,
                     "a leaf Variable that requires grad is being used in an in-place operation. (use "
                     "the op without the underscore, or torch.no_grad())");
    if (tensor_set_geometry_from(self, view) < 0)
        return NULL;
    tensor_bump(self);
    self->view_version = self->storage->version;
    if (view->node == NULL)
        return self;
    Node *n = (Node *)Py_NewRef((PyObject *)view->node);
    Py_XSETREF(self->node, n);
    node_set_variant(n, node_variant(n) + overloads);
    self->output_nr = view->output_nr;
    self->requires_grad = true;
    gc_publish((PyObject *)self);
    return self->retains_grad && hooks_retain(self) < 0 ? NULL : self;
}

Tensor *
op_squeeze_(Tensor *self, int n, const int64_t *dims)
{
    return become(self, op_squeeze(self, dims, n), 3);
}

Tensor *
op_unsqueeze_(Tensor *self, int64_t dim)
{
    return become(self, op_unsqueeze(self, dim), 1);
}

Tensor *
op_transpose_(Tensor *self, int64_t dim0, int64_t dim1)
{
    return become(self, op_transpose(self, dim0, dim1), 1);
}

Tensor *
op_t_(Tensor *self)
{
    return become(self, op_t(self), 1);
}

Tensor *
op_resize_as_(Tensor *self, Tensor *like)
{
    return like ? op_resize_(self, like->ndim, like->dims) : NULL;
}

PyObject *
op_is_same_size(Tensor *a, Tensor *b)
{
    return PyBool_FromLong(a->ndim == b->ndim && memcmp(a->dims, b->dims, a->ndim * sizeof a->dims[0]) == 0);
}

PyObject *
op_storage_bytes(Tensor *t)
{
    return PyLong_FromLongLong(t->storage->nbytes);
}
