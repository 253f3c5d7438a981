/* Copies: clone, copy_, conversions of dtype and device, fills.  Gradients flow through clone, to and copy_. */
#include "core/dtype.h"
#include "core/iter.h"
#include "core/shape.h"
#include "ops/ops.h"
#include "ops/rows.h"

enum { FILL_NUMEL = 64 };             /* up to here an iterator costs more than the writing */

/* Between two devices: dense blocks of the source's dtype travel, and each side converts and arranges on its own. */
static int
copy_across(Tensor *to, Tensor *from)
{
    Tensor *sent = op_contiguous(op_detach(from));
    if (sent == NULL)
        return -1;
    bool direct = to->contiguous && to->dtype == sent->dtype && to->numel == sent->numel;
    Tensor *got = direct ? to : scope_keep(tensor_empty(sent->ndim, sent->dims, (Dtype)sent->dtype, to->device));
    if (got == NULL
        || device_copy(got->data, got->device, sent->data, sent->device, sent->numel * tensor_itemsize(sent)) < 0)
        return -1;
    return direct ? 0 : copy_data(to, got);
}

int
copy_data(Tensor *to, Tensor *from)
{
    Iter iter;
    if (to->numel == 0)
        return 0;
    if (!device_equal(to->device, from->device) && !tensor_is_meta(to)) {
        size_t mark = scope_begin();
        int result = copy_across(to, from);
        scope_end(mark);
        return result;
    }
    IterOperand operands[2] = {iter_operand(to), iter_operand(from)};
    iter_build(&iter, 2, operands, to->ndim, to->dims);
    iter.dtype[0] = to->dtype;
    iter.dtype[1] = from->dtype;
    return backend_of(to)->cast((Dtype)to->dtype, (Dtype)from->dtype, &iter);
}

int
fill_data(Tensor *to, Scalar value)
{
    char number[ITEMSIZE_MAX];
    Iter iter;
    if (to->numel == 0)
        return 0;
    dtype_store(number, (Dtype)to->dtype, value.value);
    if (to->contiguous && to->numel <= FILL_NUMEL && to->device.type == DEVICE_CPU) {
        size_t itemsize = (size_t)tensor_itemsize(to);
        if (itemsize == sizeof(float))            /* a store of this size, not a call */
            for (int64_t i = 0; i < to->numel; i++)
                memcpy(to->data + (size_t)i * sizeof(float), number, sizeof(float));
        else
            for (int64_t i = 0; i < to->numel; i++)
                memcpy(to->data + (size_t)i * itemsize, number, itemsize);
        return 0;
    }
    IterOperand operands[2] = {iter_operand(to), {number, 0, NULL, NULL, tensor_itemsize(to), true}};
    iter_build(&iter, 2, operands, to->ndim, to->dims);
    iter.dtype[0] = iter.dtype[1] = to->dtype;
    return backend_of(to)->cast((Dtype)to->dtype, (Dtype)to->dtype, &iter);
}

Tensor *
op_clone(Tensor *t)
{
    if (t == NULL)
        return NULL;
    Tensor *out = scope_keep(tensor_empty_like(t));
    if (out == NULL || copy_data(out, t) < 0)
        return NULL;
    RECORD(OP_clone, out, t);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(clone)
{
    GRAD(0, g);
}

Tensor *
op_contiguous(Tensor *t)
{
    if (t == NULL || t->contiguous)
        return t;
    Tensor *out = scope_keep(tensor_empty(t->ndim, t->dims, (Dtype)t->dtype, t->device));
    if (out == NULL || copy_data(out, t) < 0)
        return NULL;
    RECORD(OP_clone, out, t);
    return PyErr_Occurred() ? NULL : out;
}

/* ---------------------------------------------------------------- memory formats */
static int
format_rank(MemoryFormat format)
{
    return format == FORMAT_CHANNELS_LAST ? 4 : 5;
}

int
format_strides(MemoryFormat format, const Tensor *t, int64_t *strides)
{
    if (format == FORMAT_PRESERVE)
        shape_dense_strides(t->ndim, t->dims, t->strides, strides);
    else if (format == FORMAT_CONTIGUOUS)
        shape_contiguous_strides(t->ndim, t->dims, strides);
    else if (t->ndim == format_rank(format))
        shape_channels_last_strides(t->ndim, t->dims, strides);
    else {
        error(PyExc_RuntimeError, "required rank %d tensor to use channels_last%s format", format_rank(format),
              format == FORMAT_CHANNELS_LAST ? "" : "_3d");
        return -1;
    }
    return 0;
}

bool
is_channels_last(const Tensor *t, MemoryFormat format)
{
    int64_t strides[NDIM_MAX];
    if (t->ndim != format_rank(format))
        return false;
    shape_channels_last_strides(t->ndim, t->dims, strides);
    for (int i = 0; i < t->ndim; i++)
        if (t->dims[i] != 1 && t->strides[i] != strides[i])
            return false;
    return true;
}

/* Whether to() that asks for the format leaves t as it is: what is not channels last passes for contiguous. */
static bool
passes_for(const Tensor *t, MemoryFormat format)
{
    bool last = !t->contiguous && (is_channels_last(t, FORMAT_CHANNELS_LAST) || is_channels_last(t, FORMAT_CHANNELS_LAST_3D));
    return format == FORMAT_CONTIGUOUS ? !last : last && t->ndim == format_rank(format);
}

static Tensor *
empty_in(Tensor *t, Dtype dtype, Device device, MemoryFormat format)
{
    int64_t strides[NDIM_MAX];
    Tensor *out = scope_keep(tensor_empty(t->ndim, t->dims, dtype, device));
    return out == NULL || format_strides(format, t, strides) < 0 || tensor_set_dims(out, t->ndim, t->dims, strides) < 0 ? NULL : out;
}

Tensor *
op_clone_in(Tensor *t, MemoryFormat format)
{
    if (t == NULL || format == FORMAT_PRESERVE)
        return op_clone(t);
    Tensor *out = empty_in(t, (Dtype)t->dtype, t->device, format);
    if (out == NULL || copy_data(out, t) < 0)
        return NULL;
    RECORD(OP_clone, out, t);
    return PyErr_Occurred() ? NULL : out;
}

Tensor *
op_contiguous_in(Tensor *t, const Value *format)
{
    MemoryFormat wanted = format->given ? (MemoryFormat)format->scalar.value.i : FORMAT_CONTIGUOUS;
    if (t != NULL && t->contiguous && wanted <= FORMAT_CONTIGUOUS)
        return t;
    if (wanted == FORMAT_PRESERVE)
        return error(PyExc_RuntimeError, "preserve memory format is unsupported by the contiguous operator");
    if (wanted == FORMAT_CONTIGUOUS)
        return op_contiguous(t);
    return t != NULL && is_channels_last(t, wanted) ? t : op_clone_in(t, wanted);
}

/* ---------------------------------------------------------------- dtypes and devices */
Tensor *
op_to_dtype(Tensor *t, Dtype dtype)
{
    return op_to(t, dtype, NULL, false);
}

Tensor *
op_on_host(Tensor *t)
{
    return t == NULL || t->device.type != DEVICE_CUDA ? t : op_to(op_detach(t), DTYPE_NONE, &CPU, false);
}

Tensor *
op_to(Tensor *t, Dtype dtype, const Device *device, bool copy)
{
    return op_to_in(t, dtype, device, copy, FORMAT_PRESERVE);
}

Tensor *
op_to_in(Tensor *t, Dtype dtype, const Device *device, bool copy, MemoryFormat format)
{
    if (t == NULL)
        return NULL;
    if (dtype == DTYPE_NONE)
        dtype = (Dtype)t->dtype;
    Device target = device ? *device : t->device;
    if (!copy && dtype == (Dtype)t->dtype && device_equal(target, t->device)
        && (format == FORMAT_PRESERVE || passes_for(t, format)))
        return t;
    if (t->device.type == DEVICE_META && target.type != DEVICE_META)
        return error(PyExc_NotImplementedError, "Cannot copy out of meta tensor; no data!");
    bool dense = format == FORMAT_CONTIGUOUS || (format == FORMAT_PRESERVE && t->contiguous);
    Tensor *out = dense ? scope_keep(tensor_empty(t->ndim, t->dims, dtype, target)) : empty_in(t, dtype, target, format);
    if (out == NULL || (target.type != DEVICE_META && copy_data(out, t) < 0))
        return NULL;
    Node *n = RECORD(OP_to_copy, out, t);
    node_save_ints(n, 3, (int64_t[]){t->dtype, t->device.type, t->device.index});
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(to_copy)
{
    Device device = {(int8_t)node_ints(n)[1], (int8_t)node_ints(n)[2]};
    GRAD(0, op_to(g, (Dtype)node_ints(n)[0], &device, false));
}

/* ---------------------------------------------------------------- in-place */
Tensor *
op_copy_(Tensor *self, Tensor *source)
{
    if (self == NULL || source == NULL)
        return NULL;
    int ndim = self->ndim;
    int64_t dims[NDIM_MAX];
    memcpy(dims, self->dims, (size_t)ndim * sizeof dims[0]);
    if (shape_broadcast(&ndim, dims, source->ndim, source->dims) < 0 || ndim != self->ndim
        || memcmp(dims, self->dims, (size_t)ndim * sizeof dims[0]) != 0)
        return error(PyExc_RuntimeError, "The size of tensor a %s must match the size of tensor b %s: copy_ needs a "
                                         "source that broadcasts to its target",
                     shape_text(self->ndim, self->dims), shape_text(source->ndim, source->dims));
    int overlaps = check_writable(self, "copy_") < 0 ? -1 : check_overlap("copy_", self, source);
    if (overlaps > 0)
        source = op_clone(source);
    if (overlaps < 0 || source == NULL || copy_data(self, source) < 0)
        return NULL;
    tensor_bump(self);
    Tensor *inputs[2] = {self, source};
    node_record_inplace(OP_copy_, self, 2, inputs);
    return PyErr_Occurred() ? NULL : self;
}

Tensor *
op_copy_when(Tensor *self, Tensor *source, bool non_blocking)
{
    device_copies_wait = !non_blocking;
    Tensor *result = op_copy_(self, source);
    device_copies_wait = true;
    return result;
}

/* Filling forgets: what was there gets a gradient of zeros. */
static Tensor *
zeros_like(Tensor *g)
{
    Tensor *zeros = scope_keep(tensor_empty_like(g));
    return zeros == NULL || fill_data(zeros, (Scalar){PARAM(0), CATEGORY_INT}) < 0 ? NULL : zeros;
}

/* The old values are overwritten: input 0's gradient is zero, the source's is g (summed and cast by the engine). */
BACKWARD(copy_)
{
    GRAD(0, zeros_like(g));
    GRAD(1, g);
}

static Tensor *
fill_as(Op op, Tensor *self, Scalar value)
{
    if (check_fillable(self, "fill_") < 0 || fill_data(self, value) < 0)
        return NULL;
    tensor_bump(self);
    Tensor *inputs[1] = {self};
    Node *n = node_record_inplace(op, self, 1, inputs);
    if (op == OP_fill_)
        node_set_variant(n, 2);
    return PyErr_Occurred() ? NULL : self;
}

Tensor *
op_fill_(Tensor *self, const Value *value)
{
    if (self == NULL)
        return NULL;
    if (!value->is_scalar && value->tensor->ndim != 0)
        return error(PyExc_RuntimeError, "fill_ only supports 0-dimension value tensor but got tensor with %d dimensions",
                     value->tensor->ndim);
    if (!value->is_scalar)
        return op_copy_(self, value->tensor);
    return scalar_check_fits(&value->scalar, (Dtype)self->dtype) < 0 ? NULL : fill_as(OP_fill_, self, value->scalar);
}

Tensor *
op_zero_(Tensor *self)
{
    return self ? fill_as(OP_zero_, self, (Scalar){PARAM(0), CATEGORY_INT}) : NULL;
}

BACKWARD(fill_)
{
    GRAD(0, zeros_like(g));
}

BACKWARD(zero_)
{
    GRAD(0, zeros_like(g));
}

Tensor *
op_detach(Tensor *t)
{
    return t ? scope_keep(tensor_alias(t)) : NULL;
}
