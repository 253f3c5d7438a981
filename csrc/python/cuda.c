/* What ctorch.cuda is made of: functions over the accelerator of the CUDA backend, and the attributes of a Tensor that
 * only a device gives sense to.  Streams and events are capsules; their classes are in ctorch/cuda. */
#include <string.h>

#include "ops/ops.h"
#include "python/tensor.h"

static const char STREAM[] = "ctorch.Stream", EVENT[] = "ctorch.Event", PINNED[] = "ctorch.pinned";

/* The accelerator with device `index` in use; NULL with an error. */
static const Accelerator *
accelerator_of(int index)
{
    Device device = {DEVICE_CUDA, (int8_t)(index < 0 ? cuda_current : index)};
    if (index > INT8_MAX)
        return error(PyExc_RuntimeError, "CUDA error: invalid device ordinal"), NULL;
    return device_ready(device) < 0 ? NULL : backend_at(device)->accelerator;
}

static PyObject *
none_or_error(int result)
{
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- devices */
static PyObject *
is_built(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyBool_FromLong(cuda_is_built());
}

static PyObject *
get_device_count(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(cuda_device_count());
}

static PyObject *
is_initialized(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyBool_FromLong(cuda_is_initialized());
}

static PyObject *
current_device(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return accelerator_of(-1) == NULL ? NULL : PyLong_FromLong(cuda_current);
}

static PyObject *
set_device(PyObject *module, PyObject *args)
{
    int index;
    (void)module;
    if (!PyArg_ParseTuple(args, "i", &index))
        return NULL;
    if (index < 0)
        Py_RETURN_NONE;
    if (accelerator_of(index) == NULL)
        return NULL;
    cuda_current = index;
    Py_RETURN_NONE;
}

static PyObject *
synchronize(PyObject *module, PyObject *args)
{
    int index;
    (void)module;
    const Accelerator *a = PyArg_ParseTuple(args, "i", &index) ? accelerator_of(index) : NULL;
    return a ? none_or_error(a->synchronize()) : NULL;
}

static PyObject *
properties(PyObject *module, PyObject *args)
{
    int index;
    DeviceProperties p;
    (void)module;
    const Accelerator *a = PyArg_ParseTuple(args, "i", &index) ? accelerator_of(index) : NULL;
    if (a == NULL || a->properties(&p) < 0)
        return NULL;
    return Py_BuildValue("{s:s,s:i,s:i,s:L,s:i,s:i,s:i,s:i,s:L,s:L,s:O}", "name", p.name, "major", p.major, "minor", p.minor,
                         "total_memory", (long long)p.total_memory, "multi_processor_count", p.multi_processor_count,
                         "warp_size", p.warp_size, "max_threads_per_multi_processor", p.max_threads_per_multi_processor,
                         "max_threads_per_block", p.max_threads_per_block, "L2_cache_size", (long long)p.l2_cache_size,
                         "shared_memory_per_block", (long long)p.shared_memory_per_block, "is_integrated",
                         p.is_integrated ? Py_True : Py_False);
}

/* ---------------------------------------------------------------- memory */
static PyObject *
memory_info(PyObject *module, PyObject *args)
{
    int index;
    int64_t available, total;
    (void)module;
    const Accelerator *a = PyArg_ParseTuple(args, "i", &index) ? accelerator_of(index) : NULL;
    if (a == NULL || a->memory_info(&available, &total) < 0)
        return NULL;
    return Py_BuildValue("(LL)", (long long)available, (long long)total);
}

static PyObject *
memory_stats(PyObject *module, PyObject *args)
{
    int index;
    MemoryStats s;
    (void)module;
    const Accelerator *a = PyArg_ParseTuple(args, "i", &index) ? accelerator_of(index) : NULL;
    if (a == NULL)
        return NULL;
    a->memory_stats(&s);
    return Py_BuildValue("{s:L,s:L,s:L,s:L,s:L,s:L,s:L,s:L,s:L,s:L}", "allocated", (long long)s.allocated, "allocated_peak",
                         (long long)s.allocated_peak, "reserved", (long long)s.reserved, "reserved_peak",
                         (long long)s.reserved_peak, "allocations", (long long)s.allocations, "frees", (long long)s.frees,
                         "device_allocations", (long long)s.device_allocations, "device_frees", (long long)s.device_frees,
                         "retries", (long long)s.retries, "out_of_memory", (long long)s.out_of_memory);
}

static PyObject *
reset_peak(PyObject *module, PyObject *args)
{
    int index;
    (void)module;
    const Accelerator *a = PyArg_ParseTuple(args, "i", &index) ? accelerator_of(index) : NULL;
    if (a == NULL)
        return NULL;
    a->reset_peak();
    Py_RETURN_NONE;
}

static PyObject *
empty_cache(PyObject *module, PyObject *args)
{
    int index;
    (void)module;
    const Accelerator *a = PyArg_ParseTuple(args, "i", &index) ? accelerator_of(index) : NULL;
    return a ? none_or_error(a->empty_cache()) : NULL;
}

static PyObject *
allow_tf32(PyObject *module, PyObject *value)
{
    int yes = PyObject_IsTrue(value);
    (void)module;
    if (yes >= 0 && cuda_is_built())
        backends[DEVICE_CUDA]->accelerator->allow_tf32(yes);
    return none_or_error(yes);
}

/* ---------------------------------------------------------------- streams */
static void
free_stream(PyObject *capsule)
{
    backends[DEVICE_CUDA]->accelerator->stream_free(PyCapsule_GetPointer(capsule, STREAM));
}

/* (device, capsule or None): the accelerator and the Stream, NULL for the default one. */
static const Accelerator *
stream_of(PyObject *args, Stream **stream)
{
    int index;
    PyObject *capsule;
    if (!PyArg_ParseTuple(args, "iO", &index, &capsule))
        return NULL;
    *stream = capsule == Py_None ? NULL : PyCapsule_GetPointer(capsule, STREAM);
    return PyErr_Occurred() ? NULL : accelerator_of(index);
}

static PyObject *
stream_new(PyObject *module, PyObject *args)
{
    int index, priority;
    (void)module;
    const Accelerator *a = PyArg_ParseTuple(args, "ii", &index, &priority) ? accelerator_of(index) : NULL;
    Stream *stream = a ? a->stream_new(priority) : NULL;
    PyObject *capsule = stream ? PyCapsule_New(stream, STREAM, free_stream) : NULL;
    if (stream != NULL && capsule == NULL)
        a->stream_free(stream);
    return capsule;
}

static PyObject *
stream_use(PyObject *module, PyObject *args)
{
    Stream *stream;
    (void)module;
    const Accelerator *a = stream_of(args, &stream);
    if (a == NULL)
        return NULL;
    a->stream_use(stream);
    Py_RETURN_NONE;
}

static PyObject *
stream_query(PyObject *module, PyObject *args)
{
    Stream *stream;
    (void)module;
    const Accelerator *a = stream_of(args, &stream);
    int done = a ? a->stream_query(stream) : -1;
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *
stream_synchronize(PyObject *module, PyObject *args)
{
    Stream *stream;
    (void)module;
    const Accelerator *a = stream_of(args, &stream);
    return a ? none_or_error(a->stream_synchronize(stream)) : NULL;
}

static PyObject *
stream_address(PyObject *module, PyObject *args)
{
    Stream *stream;
    (void)module;
    const Accelerator *a = stream_of(args, &stream);
    return a ? PyLong_FromUnsignedLongLong(a->stream_address(stream)) : NULL;
}

/* ---------------------------------------------------------------- events */
static void
free_event(PyObject *capsule)
{
    backends[DEVICE_CUDA]->accelerator->event_free(PyCapsule_GetPointer(capsule, EVENT));
}

static PyObject *
event_new(PyObject *module, PyObject *args)
{
    int index, timing, waits;
    (void)module;
    const Accelerator *a = PyArg_ParseTuple(args, "ipp", &index, &timing, &waits) ? accelerator_of(index) : NULL;
    Event *event = a ? a->event_new(timing, waits) : NULL;
    PyObject *capsule = event ? PyCapsule_New(event, EVENT, free_event) : NULL;
    if (event != NULL && capsule == NULL)
        a->event_free(event);
    return capsule;
}

/* (device, event, stream or None) */
static const Accelerator *
event_of(PyObject *args, Event **event, Stream **stream)
{
    int index;
    PyObject *capsule, *on = Py_None;
    if (!PyArg_ParseTuple(args, "iO|O", &index, &capsule, &on))
        return NULL;
    *event = PyCapsule_GetPointer(capsule, EVENT);
    *stream = on == Py_None ? NULL : PyCapsule_GetPointer(on, STREAM);
    return PyErr_Occurred() ? NULL : accelerator_of(index);
}

static PyObject *
event_record(PyObject *module, PyObject *args)
{
    Event *event;
    Stream *stream;
    (void)module;
    const Accelerator *a = event_of(args, &event, &stream);
    return a ? none_or_error(a->event_record(event, stream)) : NULL;
}

static PyObject *
event_wait(PyObject *module, PyObject *args)
{
    Event *event;
    Stream *stream;
    (void)module;
    const Accelerator *a = event_of(args, &event, &stream);
    return a ? none_or_error(a->stream_wait(stream, event)) : NULL;
}

static PyObject *
event_query(PyObject *module, PyObject *args)
{
    Event *event;
    Stream *stream;
    (void)module;
    const Accelerator *a = event_of(args, &event, &stream);
    int done = a ? a->event_query(event) : -1;
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *
event_synchronize(PyObject *module, PyObject *args)
{
    Event *event;
    Stream *stream;
    (void)module;
    const Accelerator *a = event_of(args, &event, &stream);
    return a ? none_or_error(a->event_synchronize(event)) : NULL;
}

static PyObject *
event_elapsed(PyObject *module, PyObject *args)
{
    int index;
    float milliseconds;
    PyObject *from, *to;
    (void)module;
    if (!PyArg_ParseTuple(args, "iOO", &index, &from, &to))
        return NULL;
    Event *first = PyCapsule_GetPointer(from, EVENT), *last = PyCapsule_GetPointer(to, EVENT);
    const Accelerator *a = first && last ? accelerator_of(index) : NULL;
    if (a == NULL || a->event_elapsed(first, last, &milliseconds) < 0)
        return NULL;
    return PyFloat_FromDouble((double)milliseconds);
}

static PyObject *
set_default_device(PyObject *module, PyObject *value)
{
    (void)module;
    return none_or_error(device_from_object(value, &default_device));
}

static PyObject *
get_default_device(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return device_object(default_device);
}

static PyMethodDef functions[] = {
    {"_set_default_device", set_default_device, METH_O, NULL},
    {"get_default_device", get_default_device, METH_NOARGS, "get_default_device(): where tensors are made by default."},
    {"_cuda_is_built", is_built, METH_NOARGS, NULL},
    {"_cuda_device_count", get_device_count, METH_NOARGS, NULL},
    {"_cuda_is_initialized", is_initialized, METH_NOARGS, NULL},
    {"_cuda_current_device", current_device, METH_NOARGS, NULL},
    {"_cuda_set_device", set_device, METH_VARARGS, NULL},
    {"_cuda_synchronize", synchronize, METH_VARARGS, NULL},
    {"_cuda_properties", properties, METH_VARARGS, NULL},
    {"_cuda_memory_info", memory_info, METH_VARARGS, NULL},
    {"_cuda_memory_stats", memory_stats, METH_VARARGS, NULL},
    {"_cuda_reset_peak", reset_peak, METH_VARARGS, NULL},
    {"_cuda_empty_cache", empty_cache, METH_VARARGS, NULL},
    {"_cuda_allow_tf32", allow_tf32, METH_O, NULL},
    {"_cuda_stream_new", stream_new, METH_VARARGS, NULL},
    {"_cuda_stream_use", stream_use, METH_VARARGS, NULL},
    {"_cuda_stream_query", stream_query, METH_VARARGS, NULL},
    {"_cuda_stream_synchronize", stream_synchronize, METH_VARARGS, NULL},
    {"_cuda_stream_address", stream_address, METH_VARARGS, NULL},
    {"_cuda_event_new", event_new, METH_VARARGS, NULL},
    {"_cuda_event_record", event_record, METH_VARARGS, NULL},
    {"_cuda_event_wait", event_wait, METH_VARARGS, NULL},
    {"_cuda_event_query", event_query, METH_VARARGS, NULL},
    {"_cuda_event_synchronize", event_synchronize, METH_VARARGS, NULL},
    {"_cuda_event_elapsed", event_elapsed, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* ---------------------------------------------------------------- of a Tensor */
static void
free_pinned(PyObject *capsule)
{
    backends[DEVICE_CUDA]->accelerator->pinned_free(PyCapsule_GetPointer(capsule, PINNED));
}

static bool
is_pinned(const Tensor *t)
{
    return t->device.type == DEVICE_CPU && cuda_is_initialized()
           && backends[DEVICE_CUDA]->accelerator->is_pinned(t->storage->data);
}

static PyObject *
method_is_pinned(PyObject *self, PyObject *args)
{
    (void)args;
    return PyBool_FromLong(is_pinned((Tensor *)self));
}

/* A copy in page-locked memory, which a storage borrows from a capsule. */
static PyObject *
method_pin_memory(PyObject *self, PyObject *args)
{
    Tensor *t = (Tensor *)self, *pinned = NULL;
    int64_t nbytes = t->numel * tensor_itemsize(t), strides[NDIM_MAX];
    (void)args;
    if (t->device.type != DEVICE_CPU) {
        PyObject *text = PyObject_CallMethod(self, "type", NULL);
        error(PyExc_RuntimeError, "cannot pin '%S' only dense CPU tensors can be pinned", text ? text : Py_None);
        Py_XDECREF(text);
        return NULL;
    }
    if (is_pinned(t))
        return Py_NewRef(self);
    const Accelerator *a = accelerator_of(-1);
    void *data = a ? a->pinned_alloc(nbytes) : NULL;
    PyObject *owner = data ? PyCapsule_New(data, PINNED, free_pinned) : NULL;
    if (owner == NULL) {
        if (data != NULL)
            a->pinned_free(data);
        return NULL;
    }
    Storage *storage = storage_borrow(data, nbytes, owner, false);
    Py_DECREF(owner);
    if (storage == NULL)
        return NULL;
    shape_contiguous_strides(t->ndim, t->dims, strides);
    pinned = tensor_strided(storage, data, t->ndim, t->dims, strides, (Dtype)t->dtype);
    storage_release(storage);
    if (pinned != NULL && copy_data(pinned, t) < 0)
        Py_CLEAR(pinned);
    return (PyObject *)pinned;
}

static PyObject *
method_record_stream(PyObject *self, PyObject *stream)
{
    Tensor *t = (Tensor *)self;
    PyObject *handle = PyObject_GetAttrString(stream, "_handle");
    Stream *s = handle == NULL || handle == Py_None ? NULL : PyCapsule_GetPointer(handle, STREAM);
    Py_XDECREF(handle);
    if (PyErr_Occurred())
        return NULL;
    if (t->device.type != DEVICE_CUDA)
        return (PyObject *)error(PyExc_RuntimeError, "record_stream is for CUDA tensors: this one is on the %s",
                                 backend_of(t)->name);
    return none_or_error(backend_of(t)->accelerator->record_stream(t->storage->data, s));
}

static PyObject *
get_cuda_array_interface(PyObject *self, void *closure)
{
    Tensor *t = (Tensor *)self;
    static const char kinds[] = {[CATEGORY_BOOL] = 'b', [CATEGORY_INT] = 'i', [CATEGORY_FLOAT] = 'f'};
    int64_t itemsize = tensor_itemsize(t);
    (void)closure;
    if (t->device.type != DEVICE_CUDA)
        return (PyObject *)error(PyExc_AttributeError, "Can't get __cuda_array_interface__ on non-CUDA tensor type: use "
                                                       "tensor.cuda() first");
    if (t->requires_grad)
        return (PyObject *)error(PyExc_RuntimeError, "Can't get __cuda_array_interface__ on Variable that requires grad. If "
                                                     "gradients aren't required, use var.detach()");
    char kind = t->dtype == DTYPE_UINT8 ? 'u' : t->dtype == DTYPE_BF16 ? 'V' : kinds[dtype_info[t->dtype].category];
    char type[8] = {itemsize == 1 ? '|' : '<', kind, (char)('0' + itemsize), '\0'};
    PyObject *dims = PyTuple_New(t->ndim), *strides = t->contiguous ? Py_NewRef(Py_None) : PyTuple_New(t->ndim);
    for (int i = 0; dims && strides && i < t->ndim; i++) {
        PyTuple_SET_ITEM(dims, i, PyLong_FromLongLong(t->dims[i]));
        if (strides != Py_None)
            PyTuple_SET_ITEM(strides, i, PyLong_FromLongLong(t->strides[i] * itemsize));
    }
    if (dims == NULL || strides == NULL || PyErr_Occurred()) {
        Py_XDECREF(dims);
        Py_XDECREF(strides);
        return NULL;
    }
    return Py_BuildValue("{s:N,s:s,s:(NO),s:N,s:i}", "shape", dims, "typestr", type, "data",
                         PyLong_FromVoidPtr(t->numel ? t->data : NULL), Py_False, "strides", strides, "version", 2);
}

PyMethodDef cuda_methods[] = {
    {"pin_memory", method_pin_memory, METH_VARARGS, "pin_memory(): a copy in page-locked memory; the tensor itself if it is."},
    {"is_pinned", method_is_pinned, METH_VARARGS, "is_pinned(): whether the memory is page-locked."},
    {"record_stream", method_record_stream, METH_O,
     "record_stream(stream): the memory is given back only when that stream has come as far as now."},
    {NULL, NULL, 0, NULL},
};

PyGetSetDef cuda_getset[] = {
    {"__cuda_array_interface__", get_cuda_array_interface, NULL, "The array protocol of GPUs, version 2.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

int
cuda_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
