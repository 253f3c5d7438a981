/* Tensor objects: made, filled with geometry, taken apart.  No autograd and no Python protocol: what a Tensor
 * can do is in python/tensor_type.c, what ops make of it in ops/.
 *
 * Plain tensors are recycled through freelists: they are allocated once as untracked gc objects, and keep their
 * memory, small ones also their storage, until the freelist is full.  Subclass instances and Parameters never
 * enter one. */
#include "core/tensor.h"

#include <stddef.h>

#include "core/device.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/storage.h"

#ifdef CTORCH_HOSTILE
enum { FREELIST_MAX = 0 };
#else
enum { FREELIST_MAX = 4096 };
#endif

int64_t tensor_live_count;
static struct Freelist {
    Tensor *head;                      /* linked through base */
    int length;
} bare, small;                         /* those of `small` keep a resting Storage on the CPU */

static inline Tensor *
pop(struct Freelist *freelist)
{
    Tensor *t = freelist->head;
    if (t != NULL) {
        freelist->head = t->base;
        freelist->length--;
    }
    return t;
}

void
tensor_clear_freelist(void)
{
    for (Tensor *t; (t = pop(&bare)) != NULL;)
        PyObject_GC_Del(t);
    for (Tensor *t; (t = pop(&small)) != NULL; PyObject_GC_Del(t))
        storage_drop(t->storage);
}

/* Fresh memory becomes a 0-d tensor without storage; the inline arrays are guarded by ndim. */
static void
clear_fields(Tensor *t)
{
    memset((char *)t + sizeof(PyObject), 0, offsetof(Tensor, inline_dims) - sizeof(PyObject));
    t->dims = t->inline_dims;
    t->strides = t->inline_strides;
    t->numel = 1;
    t->contiguous = true;
}

/* The same for a tensor whose fields were let go of: its pointers are NULL already.  Clearing everything
 * again would take a third of the time that a small tensor takes. */
static inline void
reset_fields(Tensor *t)
{
    t->base = NULL;
    t->numel = 1;
    t->contiguous = true;
    t->requires_grad = t->retains_grad = t->is_inference = t->tracked = false;
    t->view_kind = VIEW_NONE;
    t->output_nr = 0;
    t->view_version = 0;
}

static Tensor *
tensor_fresh(PyTypeObject *type)
{
    bool exact = type == &TensorType;
    Tensor *t = exact ? PyObject_GC_New(Tensor, type) : (Tensor *)type->tp_alloc(type, 0);
    if (t == NULL)
        return NULL;
    clear_fields(t);
    t->tracked = !exact && PyObject_GC_IsTracked((PyObject *)t);
    tensor_live_count++;
    return t;
}

static inline Tensor *
revive(Tensor *t)
{
    reset_fields(t);
    _Py_NewReference((PyObject *)t);
    tensor_live_count++;
    return t;
}

Tensor *
tensor_new(PyTypeObject *type)
{
    Tensor *t = type == &TensorType ? pop(&bare) : NULL;
    return t != NULL ? revive(t) : tensor_fresh(type);
}

/* A tensor with memory of its own and, so far, no dims.  The storage is made first: its failure may run the collector,
 * which must not meet half a tensor. */
static inline Tensor *
tensor_with_memory(int64_t nbytes, Device device)
{
    Tensor *t = NULL;
    if (small.head != NULL && device.type == DEVICE_CPU && storage_wake(small.head->storage, nbytes)) {
        t = revive(pop(&small));
        t->storage->device = device;
    } else {
        Storage *storage = storage_new(nbytes, device);
        if (storage == NULL || (t = tensor_new(&TensorType)) == NULL) {
            if (storage != NULL)
                storage_release(storage);
            return NULL;
        }
        t->storage = storage;
    }
    t->device = device;
    t->data = t->storage->data;
    return t;
}

static inline void
free_heap_dims(Tensor *t)
{
    if (t->dims != t->inline_dims)
        PyMem_Free(t->dims);
}

/* What few tensors have.  Each field is NULL before its object dies, for destructors may run Python code. */
static void
dealloc_objects(Tensor *t)
{
    Py_CLEAR(t->node);
    Py_CLEAR(t->base);
    Py_CLEAR(t->grad);
    Py_CLEAR(t->hooks);
    Py_CLEAR(t->post_hooks);
    Py_CLEAR(t->dict);
}

/* A small storage stays, for tensor_recycle. */
void
tensor_dealloc_fields(Tensor *t)
{
    Storage *storage = t->storage;
    if (storage != NULL && !storage_rest(storage)) {
        t->storage = NULL;
        storage_release(storage);
    }
    free_heap_dims(t);
    t->data = NULL;
    t->dims = t->inline_dims;
    t->strides = t->inline_strides;
    t->ndim = 0;
    if (t->node || t->base || t->grad || t->hooks || t->post_hooks || t->dict)
        dealloc_objects(t);
}

void
tensor_recycle(Tensor *t)
{
    tensor_live_count--;
    struct Freelist *freelist = t->storage != NULL ? &small : &bare;
    if (Py_IS_TYPE((PyObject *)t, &TensorType) && freelist->length < FREELIST_MAX) {
        t->base = freelist->head;
        freelist->head = t;
        freelist->length++;
        return;
    }
    if (t->storage != NULL)
        storage_drop(t->storage);
    Py_TYPE(t)->tp_free((PyObject *)t);
}

/* ---- geometry ---- */

/* Room for ndim dims, whose contents are then the caller's to write; -1 with an error and t as it was. */
static int
reserve_dims(Tensor *t, int ndim)
{
    int64_t *block = NULL;
    if (ndim > NDIM_MAX) {
        error(PyExc_RuntimeError, "tensor has too many dimensions: %d, at most %d are supported", ndim,
              NDIM_MAX);
        return -1;
    }
    if (ndim > NDIM_INLINE) {
        block = PyMem_Malloc(2 * (size_t)ndim * sizeof(int64_t));
        if (block == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    free_heap_dims(t);
    t->dims = block != NULL ? block : t->inline_dims;
    t->strides = block != NULL ? block + ndim : t->inline_strides;
    t->ndim = (uint8_t)ndim;
    return 0;
}

/* The sizes were checked when t's geometry was made, so the product cannot overflow here. */
void
tensor_update(Tensor *t)
{
    int64_t numel = 1;
    for (int i = 0; i < t->ndim; i++)
        numel *= t->dims[i];
    t->numel = numel;
    t->contiguous = shape_is_contiguous(t->ndim, t->dims, t->strides);
}

/* dims and strides may be t's own arrays in part or whole: they are read before t's are freed. */
int
tensor_set_dims(Tensor *t, int ndim, const int64_t *dims, const int64_t *strides)
{
    int64_t dims_copy[NDIM_MAX], strides_copy[NDIM_MAX];
    if (shape_numel(ndim, dims) < 0)
        return -1;
    for (int i = 0; i < ndim && i < NDIM_MAX; i++) {
        dims_copy[i] = dims[i];
        strides_copy[i] = strides[i];
    }
    if (reserve_dims(t, ndim) < 0)
        return -1;
    for (int i = 0; i < ndim; i++) {
        t->dims[i] = dims_copy[i];
        t->strides[i] = strides_copy[i];
    }
    tensor_update(t);
    return 0;
}

int
tensor_set_geometry_from(Tensor *t, Tensor *from)
{
    if (t == from)
        return 0;
    if (tensor_set_dims(t, from->ndim, from->dims, from->strides) < 0)
        return -1;
    Storage *old = t->storage;
    from->storage->refs++;
    t->storage = from->storage;
    t->data = from->data;
    t->dtype = from->dtype;
    t->device = from->device;
    if (old != NULL)
        storage_release(old);
    return 0;
}

int64_t
tensor_offset(Tensor *t)
{
    return (t->data - t->storage->data) / tensor_itemsize(t);
}

/* ---- constructors ---- */

/* t with that geometry; NULL with an error, and t is gone. */
static inline Tensor *
with_geometry(Tensor *t, int ndim, const int64_t *dims, const int64_t *strides, int64_t numel, Dtype dtype)
{
    if (t == NULL)
        return NULL;
    if (ndim > NDIM_INLINE && reserve_dims(t, ndim) < 0) {
        Py_DECREF(t);
        return NULL;
    }
    t->ndim = (uint8_t)ndim;
    for (int i = 0; i < ndim; i++) {
        t->dims[i] = dims[i];
        t->strides[i] = strides[i];
    }
    t->numel = numel;
    t->dtype = (int8_t)dtype;
    return t;
}

Tensor *
tensor_empty(int ndim, const int64_t *dims, Dtype dtype, Device device)
{
    int64_t strides[NDIM_MAX], numel;
    int64_t nbytes = shape_layout(ndim, dims, dtype_info[dtype].itemsize, strides, &numel);
    if (nbytes < 0)
        return NULL;
    return with_geometry(tensor_with_memory(nbytes, device), ndim, dims, strides, numel, dtype);
}

/* t's sizes were checked when it was made: what is small needs no second check. */
Tensor *
tensor_empty_dense(const Tensor *t, Dtype dtype)
{
    if (t->ndim > NDIM_INLINE || t->numel > UINT16_MAX)
        return tensor_empty(t->ndim, t->dims, dtype, t->device);
    Tensor *out = tensor_with_memory(t->numel * dtype_info[dtype].itemsize, t->device);
    if (out == NULL)
        return NULL;
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        int64_t size = t->dims[i];
        out->inline_dims[i] = size;
        out->inline_strides[i] = step;
        step *= size > 1 ? size : 1;
    }
    out->ndim = t->ndim;
    out->numel = t->numel;
    out->dtype = (int8_t)dtype;
    return out;
}

/* A dense tensor's strides are kept exactly, those of its size-1 dims too. */
Tensor *
tensor_empty_like(Tensor *like)
{
    Tensor *t = tensor_empty_dense(like, like->dtype);
    if (t == NULL)
        return NULL;
    if (like->contiguous || shape_is_dense(like->ndim, like->dims, like->strides))
        for (int i = 0; i < t->ndim; i++)
            t->strides[i] = like->strides[i];
    else
        shape_dense_strides(like->ndim, like->dims, like->strides, t->strides);
    t->contiguous = shape_is_contiguous(t->ndim, t->dims, t->strides);
    return t;
}

Tensor *
tensor_strided(Storage *storage, char *data, int ndim, const int64_t *dims, const int64_t *strides,
               Dtype dtype)
{
    int64_t numel = shape_numel(ndim, dims);
    if (numel < 0)
        return NULL;
    Tensor *t = with_geometry(tensor_new(&TensorType), ndim, dims, strides, numel, dtype);
    if (t == NULL)
        return NULL;
    t->contiguous = shape_is_contiguous(ndim, dims, strides);
    t->device = storage->device;
    storage->refs++;
    t->storage = storage;
    t->data = data;
    return t;
}

Tensor *
tensor_alias(Tensor *t)
{
    return tensor_strided(t->storage, t->data, t->ndim, t->dims, t->strides, t->dtype);
}

Tensor *
tensor_from_scalar(Param value, Dtype dtype, Device device)
{
    Tensor *t = tensor_empty(0, NULL, dtype, device);
    char number[ITEMSIZE_MAX];
    if (t == NULL || device.type == DEVICE_META)
        return t;
    dtype_store(device.type == DEVICE_CPU ? t->data : number, dtype, value);
    if (device.type != DEVICE_CPU && device_copy(t->data, device, number, CPU, dtype_info[dtype].itemsize) < 0)
        Py_CLEAR(t);
    return t;
}

Param
tensor_item(Tensor *t)
{
    char number[ITEMSIZE_MAX];
    if (t->device.type == DEVICE_CPU)
        return dtype_load(t->data, t->dtype);
    if (t->device.type == DEVICE_META || device_copy(number, CPU, t->data, t->device, tensor_itemsize(t)) < 0)
        return (Param){0, 0};
    return dtype_load(number, t->dtype);
}
