/* Tensors from Python data: tensor, as_tensor, asarray, frombuffer and the functions around them.  Numbers in
 * nested sequences are nested.c's, arrays numpy.c's, the old constructors legacy.c's. */
#include "python/construct.h"

#include "ops/ops.h"

/* ---------------------------------------------------------------- any data */
/* t as dtype on device (DTYPE_NONE: its own), sharing its memory if it may; no history.  New reference. */
static Tensor *
converted(Tensor *t, Dtype dtype, Device device, bool copy)
{
    size_t mark = scope_begin();
    Tensor *out = scope_take(op_to(op_detach(t), dtype, &device, copy));
    scope_end(mark);
    return out;
}

Tensor *
tensor_from_data(PyObject *data, Dtype dtype, Device device, bool copy)
{
    if (tensor_check(data))
        return converted((Tensor *)data, dtype, device, copy);
    if (!numpy_is_array(data))
        return nested_to_tensor(data, dtype, device);
    Tensor *shared = numpy_from_array(data);
    if (shared == NULL)
        return NULL;
    Tensor *out = converted(shared, dtype, device, copy);
    Py_DECREF(shared);
    return out;
}

/* ---------------------------------------------------------------- tensor */
static Signature tensor_signature, as_tensor_signature, asarray_signature, frombuffer_signature,
    meshgrid_signature, new_tensor_signature;

/* The device that options name, else data's own if it is a tensor, else the default. */
static Device
device_for(const Value *device, PyObject *data)
{
    return device->given ? device->device : tensor_check(data) ? ((Tensor *)data)->device : default_device;
}

static Dtype
dtype_for(const Value *dtype)
{
    return dtype->given ? dtype->dtype : DTYPE_NONE;
}

static int
warn_copy_construct(PyObject *data, const char *name)
{
    if (!tensor_check(data))
        return 0;
    return PyErr_WarnFormat(
        PyExc_UserWarning, 1,
        "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
        "sourceTensor.detach().clone().requires_grad_(True), rather than %s(sourceTensor).",
        name);
}

static PyObject *
finished(Tensor *t, bool requires_grad)
{
    if (t != NULL && with_requires_grad(t, requires_grad) == NULL)
        Py_CLEAR(t);
    return (PyObject *)t;
}

static PyObject *
module_tensor(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Value v[ARGS_MAX];
    (void)module;
    if (nargs == 1 && kwnames == NULL && !tensor_check(args[0]))
        return (PyObject *)tensor_from_data(args[0], DTYPE_NONE, default_device, true);
    if (signature_parse(&tensor_signature, NULL, args, nargs, kwnames, v, true) != 1)
        return NULL;
    PyObject *data = v[0].object;
    if (warn_copy_construct(data, "torch.tensor") < 0)
        return NULL;
    Tensor *t = tensor_from_data(data, dtype_for(&v[1]), device_for(&v[2], data), true);
    return finished(t, v[4].scalar.value.i);
}

PyObject *
tensor_method_new_tensor(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Value v[ARGS_MAX];
    Tensor *t = (Tensor *)self;
    if (signature_parse(&new_tensor_signature, NULL, args, nargs, kwnames, v, true) != 1)
        return NULL;
    if (warn_copy_construct(v[0].object, "tensor.new_tensor") < 0)
        return NULL;
    Dtype dtype = v[1].given ? v[1].dtype : (Dtype)t->dtype;
    return finished(tensor_from_data(v[0].object, dtype, v[2].given ? v[2].device : t->device, true),
                    v[3].scalar.value.i);
}

/* ---------------------------------------------------------------- as_tensor, asarray */
/* A tensor stays what it is, with its history. */
static PyObject *
as_tensor(PyObject *data, Dtype dtype, const Value *device)
{
    if (!tensor_check(data))
        return (PyObject *)tensor_from_data(data, dtype, device_for(device, data), false);
    size_t mark = scope_begin();
    PyObject *out =
        (PyObject *)scope_take(op_to((Tensor *)data, dtype, device->given ? &device->device : NULL, false));
    scope_end(mark);
    return out;
}

static PyObject *
module_as_tensor(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Value v[ARGS_MAX];
    (void)module;
    if (signature_parse(&as_tensor_signature, NULL, args, nargs, kwnames, v, true) != 1)
        return NULL;
    return as_tensor(v[0].object, dtype_for(&v[1]), &v[2]);
}

static Tensor *buffer_to_tensor(PyObject *buffer, Dtype dtype, int64_t count, int64_t offset);

/* copy: True always, False never, None where it must. */
static PyObject *
as_array(PyObject *data, const Value *v)
{
    bool copy = v[3].given && v[3].scalar.value.i, never = v[3].given && !copy;
    Dtype dtype = dtype_for(&v[1]);
    if (tensor_check(data) && !copy)
        return as_tensor(data, dtype, &v[2]);
    if (PyObject_CheckBuffer(data) && !tensor_check(data) && !numpy_is_array(data)) {
        Tensor *shared = buffer_to_tensor(data, dtype == DTYPE_NONE ? default_dtype : dtype, -1, 0);
        if (shared == NULL || !copy)
            return (PyObject *)shared;
        Tensor *out = converted(shared, DTYPE_NONE, device_for(&v[2], data), true);
        Py_DECREF(shared);
        return (PyObject *)out;
    }
    if (never && !numpy_is_array(data))
        return (PyObject *)error(PyExc_ValueError, "can't alias arbitrary sequence into a tensor.");
    return (PyObject *)tensor_from_data(data, dtype, device_for(&v[2], data), copy);
}

static PyObject *
module_asarray(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Value v[ARGS_MAX];
    (void)module;
    if (signature_parse(&asarray_signature, NULL, args, nargs, kwnames, v, true) != 1)
        return NULL;
    PyObject *out = as_array(v[0].object, v);
    if (out == NULL || !v[4].scalar.value.i || tensor_needs_grad((Tensor *)out))
        return out;
    if (out != v[0].object)
        return finished((Tensor *)out, true);
    Tensor *leaf = tensor_alias((Tensor *)out);
    Py_DECREF(out);
    return finished(leaf, true);
}

/* ---------------------------------------------------------------- frombuffer */
static int
check_buffer(int64_t length, int64_t itemsize, int64_t *count, int64_t offset)
{
    int64_t room = length - offset;
    if (length == 0 || *count == 0)
        error(PyExc_ValueError, "both buffer length (%lld) and count (%lld) must not be 0", (long long)length,
              (long long)*count);
    else if (offset < 0 || offset >= length)
        error(
            PyExc_ValueError,
            "offset (%lld bytes) must be non-negative and no greater than buffer length (%lld bytes) minus 1",
            (long long)offset, (long long)length);
    else if (*count > 0 && *count > room / itemsize)
        error(
            PyExc_ValueError,
            "requested buffer length (%lld * %lld bytes) after offset (%lld bytes) must not be greater than "
            "actual buffer length (%lld bytes)",
            (long long)*count, (long long)itemsize, (long long)offset, (long long)length);
    else if (*count < 0 && room % itemsize != 0)
        error(
            PyExc_ValueError,
            "buffer length (%lld bytes) after offset (%lld bytes) must be a multiple of element size (%lld)",
            (long long)room, (long long)offset, (long long)itemsize);
    else {
        *count = *count < 0 ? room / itemsize : *count;
        return 0;
    }
    return -1;
}

/* The memoryview is the memory's owner: while it lives, a bytearray cannot be resized. */
static Tensor *
buffer_to_tensor(PyObject *buffer, Dtype dtype, int64_t count, int64_t offset)
{
    if (!PyObject_CheckBuffer(buffer))
        return error(PyExc_ValueError, "object does not implement Python buffer protocol.");
    PyObject *memory = PyMemoryView_FromObject(buffer);
    if (memory == NULL)
        return NULL;
    Py_buffer *view = PyMemoryView_GET_BUFFER(memory);
    Tensor *out = NULL;
    int64_t itemsize = dtype_info[dtype].itemsize, stride = 1;
    if (!PyBuffer_IsContiguous(view, 'C'))
        error(PyExc_ValueError, "frombuffer(): the buffer must be contiguous");
    else if (check_buffer(view->len, itemsize, &count, offset) == 0) {
        char *data = (char *)view->buf + offset;
        Storage *storage = NULL;
        if ((uintptr_t)data % (uintptr_t)itemsize != 0)
            error(PyExc_ValueError,
                  "frombuffer(): the data is not aligned to the element size (%lld); copy it first",
                  (long long)itemsize);
        else
            storage = storage_borrow(data, count * itemsize, memory, view->readonly);
        if (storage != NULL) {
            out = tensor_strided(storage, data, 1, &count, &stride, dtype);
            storage_release(storage);
        }
    }
    Py_DECREF(memory);
    return out;
}

static PyObject *
module_frombuffer(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Value v[ARGS_MAX];
    (void)module;
    if (signature_parse(&frombuffer_signature, NULL, args, nargs, kwnames, v, true) != 1)
        return NULL;
    Tensor *t = buffer_to_tensor(v[0].object, v[1].dtype, v[2].scalar.value.i, v[3].scalar.value.i);
    return finished(t, v[4].scalar.value.i);
}

/* ---------------------------------------------------------------- meshgrid */
/* meshgrid(a, b, ...) or meshgrid([a, b, ...]): the tensors as one sequence, a new reference. */
static PyObject *
as_sequence(PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs == 1 && !tensor_check(args[0]))
        return Py_NewRef(args[0]);
    PyObject *packed = PyTuple_New(nargs);
    for (Py_ssize_t i = 0; packed && i < nargs; i++)
        PyTuple_SET_ITEM(packed, i, Py_NewRef(args[i]));
    return packed;
}

static PyObject *
module_meshgrid(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Value v[ARGS_MAX];
    (void)module;
    if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 1)
        return (PyObject *)error(PyExc_TypeError, "meshgrid() takes one keyword argument, indexing");
    PyObject *tensors = as_sequence(args, nargs), *call[2] = {tensors, kwnames ? args[nargs] : NULL},
             *result = NULL;
    if (tensors == NULL)
        return NULL;
    size_t mark = scope_begin();
    if (signature_parse(&meshgrid_signature, NULL, call, 1, kwnames, v, true) == 1) {
        result = op_meshgrid(v[0].n, v[0].tensors, v[1].given ? v[1].text : "ij");
        signature_release(&meshgrid_signature, v);
    }
    scope_end(mark);
    Py_DECREF(tensors);
    return result;
}

/* ---------------------------------------------------------------- the default dtype */
static PyObject *
get_default_dtype(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return Py_NewRef(dtype_object(default_dtype));
}

static PyObject *
set_default_dtype(PyObject *module, PyObject *object)
{
    Dtype dtype = DTYPE_NONE;
    (void)module;
    if (PyObject_TypeCheck(object, &DtypeType) && dtype_from_object(object, &dtype) < 0)
        return NULL;
    if (dtype == DTYPE_NONE || !dtype_is_float(dtype))
        return (PyObject *)error(PyExc_TypeError,
                                 "%sonly floating-point types are supported as the default type",
                                 dtype == DTYPE_NONE ? "invalid dtype object: " : "");
    default_dtype = dtype;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- tables */
#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL | METH_KEYWORDS
static PyMethodDef functions[] = {
    {"tensor", FAST(module_tensor),
     "tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False): a new tensor with a "
     "copy of data: a "
     "number, nested sequences of numbers, an ndarray or a tensor.  Without dtype: bools give bool, ints "
     "int64, floats the "
     "default dtype.  Raises ValueError for ragged sequences, RuntimeError or TypeError for objects that are "
     "no numbers."},
    {"as_tensor", FAST(module_as_tensor),
     "as_tensor(data, dtype=None, device=None): data itself if it is such a tensor, a tensor sharing an "
     "ndarray's memory if "
     "dtype and device agree, else a copy."},
    {"asarray", FAST(module_asarray),
     "asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False): as_tensor that also takes "
     "buffers; copy=True "
     "always copies, copy=False raises ValueError where sharing is impossible."},
    {"frombuffer", FAST(module_frombuffer),
     "frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False): a 1-d tensor over the memory of "
     "bytes, a "
     "bytearray or any buffer, kept alive and, if read-only, protected from in-place ops."},
    {"meshgrid", FAST(module_meshgrid),
     "meshgrid(*tensors, indexing='ij'): a tuple of grids made by expanding 1-d tensors along all the "
     "others."},
    {"get_default_dtype", get_default_dtype, METH_NOARGS, "The dtype that Python floats become."},
    {"set_default_dtype", set_default_dtype, METH_O,
     "set_default_dtype(d): the floating-point dtype that Python floats become."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef methods[] = {
    {"new_tensor", FAST(tensor_method_new_tensor),
     "new_tensor(data, *, dtype=None, device=None, requires_grad=False): tensor(data) with this tensor's "
     "dtype and device."},
    {"new", (PyCFunction)(void (*)(void))tensor_method_new, METH_VARARGS | METH_KEYWORDS,
     "new(*sizes) or new(data): Tensor(...) with this tensor's dtype and device."},
    {NULL, NULL, 0, NULL},
};

static int
compile_signatures(void)
{
    static const struct {
        Signature *signature;
        const char *name, *source;
    } all[] = {
        {&tensor_signature, "tensor",
         "object data, *, dtype? dtype=None, device? device=None, bool pin_memory=False, bool "
         "requires_grad=False"},
        {&as_tensor_signature, "as_tensor", "object data, dtype? dtype=None, device? device=None"},
        {&asarray_signature, "asarray",
         "object obj, *, dtype? dtype=None, device? device=None, bool? copy=None, bool requires_grad=False"},
        {&frombuffer_signature, "frombuffer",
         "object buffer, *, dtype dtype, int count=-1, int offset=0, bool requires_grad=False"},
        {&meshgrid_signature, "meshgrid", "Tensor[] tensors, *, str? indexing=None"},
        {&new_tensor_signature, "new_tensor",
         "object data, *, dtype? dtype=None, device? device=None, bool requires_grad=False, bool "
         "pin_memory=False"},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(all); i++)
        if (signature_compile(all[i].signature, all[i].name, all[i].source) < 0)
            return -1;
    return 0;
}

int
construct_init(PyObject *module)
{
    if (compile_signatures() < 0 || PyModule_AddFunctions(module, functions) < 0)
        return -1;
    for (PyMethodDef *m = methods; m->ml_name; m++) {
        PyObject *descriptor = PyDescr_NewMethod(&TensorType, m);
        if (descriptor == NULL || PyDict_SetItemString(TensorType.tp_dict, m->ml_name, descriptor) < 0)
            return -1;
        Py_DECREF(descriptor);
    }
    return legacy_init(module);
}
