/* In-place forms of structural ops, and resizing: the result is computed out of place, then written over self. */
#include <string.h>

#include "autograd/hooks.h"
#include "ops/misc.h"
#include "ops/ops.h"

/* What the result's gradient reads of self it reads from a copy, for self is about to be overwritten. */
static int
keep_operand(Node *n, Tensor *self)
{
    Tensor *old = NULL;
    for (int k = n ? n->first_saved : 0; n != NULL && k < n->n_saved; k++) {
        if (node_slot(n, k)->tensor != self)
            continue;
        if (old == NULL && (old = copy_before_write(self)) == NULL)
            return -1;
        Py_DECREF(self);
        node_slot(n, k)->tensor = NULL;
        node_save(n, k, old);
    }
    Py_XDECREF((PyObject *)old);
    return 0;
}

/* The result's history becomes self's: copy_ records it, and for a view hands it on to the base. */
Tensor *
inplace_adopt(Tensor *self, Tensor *result)
{
    bool same = self->ndim == result->ndim && memcmp(self->dims, result->dims, self->ndim * sizeof self->dims[0]) == 0;
    if (!same)
        return error(PyExc_RuntimeError, "output with shape %s doesn't match the broadcast shape %s",
                     shape_text(self->ndim, self->dims), shape_text(result->ndim, result->dims));
    if (!dtype_can_cast((Dtype)result->dtype, (Dtype)self->dtype))
        return error(PyExc_RuntimeError, "result type %s can't be cast to the desired output type %s",
                     dtype_info[result->dtype].type_name, dtype_info[self->dtype].type_name);
    if (check_writable(self, "in-place op") < 0 || keep_operand(result->node, self) < 0
        || copy_data(self, result) < 0)
        return NULL;
    tensor_bump(self);
    if (result->node != NULL && self->base == NULL) {
        Node *n = (Node *)Py_NewRef((PyObject *)result->node);
        Py_XSETREF(self->node, n);
        self->output_nr = result->output_nr;
        self->requires_grad = true;
        gc_publish((PyObject *)self);
        if (self->retains_grad && hooks_retain(self) < 0)
            return NULL;
    } else if (tensor_needs_grad(result) || tensor_needs_grad(self)) {
        Tensor *inputs[2] = {self, result};
        node_record_inplace(OP_copy_, self, 2, inputs);
        if (PyErr_Occurred())
            return NULL;
    }
    return (Tensor *)Py_NewRef((PyObject *)self);
}

Tensor *
op_resize_(Tensor *self, int ndim, const int64_t *dims)
{
    if (self == NULL)
        return NULL;
    if (self->ndim == ndim && memcmp(self->dims, dims, (size_t)ndim * sizeof dims[0]) == 0)
        return self;
    if (tensor_needs_grad(self))
        return error(PyExc_RuntimeError, "cannot resize variables that require grad");
    if (ndim > NDIM_MAX)
        return error(PyExc_RuntimeError, "resize_: a tensor has at most %d dimensions, not %d", NDIM_MAX, ndim);
    int64_t numel = shape_numel(ndim, dims), used = self->data - self->storage->data, strides[NDIM_MAX], end;
    if (numel < 0)
        return NULL;
    if (__builtin_mul_overflow(numel, tensor_itemsize(self), &end) || __builtin_add_overflow(end, used, &end))
        return error(PyExc_RuntimeError, "Storage size calculation overflowed with sizes=%s", shape_text(ndim, dims));
    bool grows = end > self->storage->nbytes;
    if (grows && (self->storage->owner != NULL || self->storage->refs > 1))
        return error(PyExc_RuntimeError, "Trying to resize storage that is not resizable: it is shared with %s",
                     self->storage->owner ? "a NumPy array or buffer" : "another tensor");
    tensor_bump(self);
    if (grows) {
        Tensor *fresh = scope_keep(tensor_empty(ndim, dims, (Dtype)self->dtype, self->device));
        if (fresh == NULL)
            return NULL;
        if (self->device.type == DEVICE_CPU && self->contiguous)
            memcpy(fresh->data, self->data, (size_t)(self->numel * tensor_itemsize(self)));
        return tensor_set_geometry_from(self, fresh) < 0 ? NULL : self;
    }
    shape_contiguous_strides(ndim, dims, strides);
    return tensor_set_dims(self, ndim, dims, strides) < 0 ? NULL : self;
}
