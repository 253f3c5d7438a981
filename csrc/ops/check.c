/* What every op asks before it computes or writes: that operands share a device, that a tensor may be written, that
 * what is written is not read; and the errors that say no. */
#include <string.h>

#include "autograd/blame.h"
#include "core/shape.h"
#include "ops/ops.h"
#include "ops/rows.h"

/* ---------------------------------------------------------------- devices, dtypes, versions */
const Backend *
backend_of(const Tensor *t)
{
    return backend_at(t->device);
}

bool
tensor_is_meta(const Tensor *t)
{
    return t->device.type == DEVICE_META;
}

void
tensor_bump(Tensor *t)
{
    t->storage->version++;
    if (t->storage->saved)
        blame_note(t->storage);
}

int
not_implemented_dtype(const char *op, Dtype dtype)
{
    error(PyExc_NotImplementedError, "\"%s\" not implemented for '%s'", op, dtype_info[dtype].type_name);
    return -1;
}

int
not_implemented_device(const char *op, const Tensor *t)
{
    error(PyExc_NotImplementedError, "'%s' is not implemented on '%s'", op, backend_of(t)->name);
    return -1;
}

static const char *
device_text(Device d, char *buffer, size_t size)
{
    const char *name = d.type == DEVICE_CUDA ? "cuda" : d.type == DEVICE_META ? "meta" : "cpu";
    if (d.type == DEVICE_CUDA)
        snprintf(buffer, size, "%s:%d", name, d.index);
    else
        snprintf(buffer, size, "%s", name);
    return buffer;
}

int
device_mismatch(const char *op, Device a, Device b)
{
    char first[16], second[16];
    error(PyExc_RuntimeError,
          "Expected all tensors to be on the same device, but found at least two devices, %s and %s! (in %s: move one "
          "of them with .to(\"%s\"))",
          device_text(a, first, sizeof first), device_text(b, second, sizeof second), op, first);
    return -1;
}

void
index_device_mismatch(Device t, Device index)
{
    char first[16], second[16];
    error(PyExc_RuntimeError, "indices should be either on cpu or on the same device as the indexed tensor (%s): this one is "
                              "on %s", device_text(t, first, sizeof first), device_text(index, second, sizeof second));
}

int
check_same_device(const char *op, int n, Tensor *const *tensors)
{
    for (int i = 1; i < n; i++)
        if (tensors[i] != NULL && !device_equal(tensors[i]->device, tensors[0]->device))
            return device_mismatch(op, tensors[0]->device, tensors[i]->device);
    return 0;
}

int
check_no_gradient(const char *op, const char *name, const Tensor *t)
{
    if (t == NULL || !t->requires_grad || !grad_mode)
        return 0;
    error(PyExc_RuntimeError, "The function '%s' is not differentiable with respect to argument '%s'. This input cannot have "
                              "requires_grad True: detach() it", op, name);
    return -1;
}

/* ---------------------------------------------------------------- in-place rules */
static int
check_autograd_writable(Tensor *t)
{
    if (!grad_mode)
        return 0;
    if (t->requires_grad && t->node == NULL && t->base == NULL) {
        error(PyExc_RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation. Update it "
                                  "inside `with torch.no_grad():`, or work on a copy (x.clone())");
        return -1;
    }
    if (t->base != NULL && t->base->requires_grad && t->base->node == NULL && t->view_kind != VIEW_NO_GRAD) {
        error(PyExc_RuntimeError, "a view of a leaf Variable that requires grad is being used in an in-place operation. "
                                  "Update it inside `with torch.no_grad():`, or work on a copy (x.clone())");
        return -1;
    }
    if (t->view_kind == VIEW_NO_GRAD && t->base != NULL && t->base->requires_grad) {
        error(PyExc_RuntimeError, "A view was created in no_grad mode and is being modified inplace with grad mode enabled. "
                                  "Make the view and change it both inside `with torch.no_grad():`, or both outside");
        return -1;
    }
    if (t->view_kind == VIEW_MULTI && t->base != NULL && t->base->requires_grad) {
        error(PyExc_RuntimeError, "Output of %s is a view and is being modified inplace. This view is the output of a "
                                  "function that returns multiple views. Such functions do not allow the output views "
                                  "to be modified inplace: use an out-of-place op, or index one part at a time",
              t->node ? node_name(t->node) : "this op");
        return -1;
    }
    return 0;
}

int
check_fillable(Tensor *t, const char *op)
{
    if (t->storage->readonly) {
        error(PyExc_RuntimeError, "%s: the tensor shares memory with a read-only NumPy array and cannot be changed "
                                  "in place; work on a copy (x.clone())", op);
        return -1;
    }
    return check_autograd_writable(t);
}

int
check_writable(Tensor *t, const char *op)
{
    for (int i = 0; i < t->ndim && t->numel > 0; i++)
        if (t->strides[i] == 0 && t->dims[i] > 1) {
            error(PyExc_RuntimeError, "unsupported operation: more than one element of the written-to tensor refers to a "
                                      "single memory location. Please clone() the tensor before performing the operation "
                                      "(%s on an expanded tensor)", op);
            return -1;
        }
    return check_fillable(t, op);
}

/* The bytes [*low, *high) that t's elements can touch. */
static void
byte_range(const Tensor *t, const char **low, const char **high)
{
    int64_t first = 0, last = 0;
    for (int i = 0; i < t->ndim; i++) {
        int64_t span = (t->dims[i] - 1) * t->strides[i];
        *(span < 0 ? &first : &last) += span;
    }
    *low = t->data + first * tensor_itemsize(t);
    *high = t->data + (last + 1) * tensor_itemsize(t);
}

static bool
same_geometry(const Tensor *a, const Tensor *b)
{
    if (a->data != b->data || a->ndim != b->ndim || a->dtype != b->dtype)
        return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->dims[i] != b->dims[i] || (a->strides[i] != b->strides[i] && a->dims[i] != 1))
            return false;
    return true;
}

/* Reading what one writes is right only element by element.  1: in has to be copied before out is written.  As in PyTorch
 * partial overlap is refused where both are dense; elsewhere PyTorch's result depends on the order of the writes. */
int
check_overlap(const char *op, const Tensor *out, const Tensor *in)
{
    if (out == in || out->numel == 0 || in->numel == 0 || same_geometry(out, in) || tensor_is_meta(out))
        return 0;
    const char *low, *high, *in_low, *in_high;
    byte_range(out, &low, &high);
    byte_range(in, &in_low, &in_high);
    if (high <= in_low || in_high <= low)
        return 0;
    bool interleaved = !out->contiguous && !in->contiguous && out->storage == in->storage && out->ndim == in->ndim
                       && out->ndim > 0 && tensor_itemsize(out) == tensor_itemsize(in);
    for (int i = 0; interleaved && i < out->ndim; i++)
        interleaved = out->strides[i] == in->strides[i] && out->dims[i] == in->dims[i];
    if (interleaved) {
        /* Columns or steps of one tensor: apart if the offset between them is no multiple of any common stride. */
        int64_t offset = (in->data - out->data) / tensor_itemsize(out), smallest = INT64_MAX;
        for (int i = 0; i < out->ndim; i++)
            if (out->dims[i] > 1 && out->strides[i] < smallest)
                smallest = out->strides[i];
        bool apart = smallest != INT64_MAX;
        for (int i = 0; apart && i < out->ndim; i++)
            apart = out->dims[i] == 1 || out->strides[i] % smallest == 0;
        if (apart && offset % smallest != 0)
            return 0;
    }
    if (!shape_is_dense(out->ndim, out->dims, out->strides) || !shape_is_dense(in->ndim, in->dims, in->strides))
        return 1;
    error(PyExc_RuntimeError, "unsupported operation: some elements of the input tensor and the written-to tensor refer "
                              "to a single memory location. Please clone() the tensor before performing the operation "
                              "(%s)", op);
    return -1;
}
