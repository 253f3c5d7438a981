/* The bridge to NumPy: arrays seen as tensors and tensors as arrays, sharing memory both ways; Python's
 * buffer protocol and tolist stand here too.  NumPy is not imported before an array exists: an object can
 * only be an ndarray if the user has imported numpy, so a look into sys.modules says no. */
#include "python/construct.h"

#include <numpy/arrayobject.h>
#include <string.h>

#include "core/dtype.h"
#include "ops/ops.h"

/* ---------------------------------------------------------------- finding NumPy without importing it */
static PyTypeObject *ndarray_type;     /* NULL until the user has imported numpy; never released */

static PyTypeObject *
find_ndarray(void)
{
    static PyObject *name;
    if (name == NULL && (name = PyUnicode_InternFromString("numpy")) == NULL)
        goto absent;
    PyObject *modules = PyImport_GetModuleDict(),
             *numpy = modules ? PyDict_GetItemWithError(modules, name) : NULL;
    PyObject *type = numpy ? PyObject_GetAttrString(numpy, "ndarray") : NULL;
    if (type != NULL && PyType_Check(type))
        ndarray_type = (PyTypeObject *)type;
absent:
    PyErr_Clear();                               /* numpy is being imported just now: it has no arrays yet */
    return ndarray_type;
}

static bool
is_builtin(PyObject *o)
{
    return PyLong_Check(o) || PyFloat_CheckExact(o) || PyUnicode_Check(o) || PyList_Check(o) ||
           PyTuple_Check(o) || PySlice_Check(o) || o == Py_None || o == Py_Ellipsis;
}

bool
numpy_is_array(PyObject *o)
{
    if (is_builtin(o) || tensor_check(o))
        return false;
    PyTypeObject *type = ndarray_type ? ndarray_type : find_ndarray();
    return type != NULL && PyObject_TypeCheck(o, type);
}

/* NumPy's C functions; -1 with an error. */
static int
load_api(void)
{
    return PyArray_API != NULL ? 0 : _import_array();
}

/* ---------------------------------------------------------------- dtypes */
static Dtype
dtype_of_number(int number)
{
    switch (number) {
    case NPY_BOOL: return DTYPE_BOOL;
    case NPY_UINT8: return DTYPE_UINT8;
    case NPY_INT8: return DTYPE_INT8;
    case NPY_INT16: return DTYPE_INT16;
    case NPY_INT32: return DTYPE_INT32;
    case NPY_HALF: return DTYPE_HALF;
    case NPY_FLOAT: return DTYPE_FLOAT;
    case NPY_DOUBLE: return DTYPE_DOUBLE;
    default:                                     /* long and long long are two numbers of one size */
        return PyTypeNum_ISSIGNED(number) && (number == NPY_INT64 || number == NPY_LONGLONG) ? DTYPE_INT64
                                                                                             : DTYPE_NONE;
    }
}

static int
number_of_dtype(Dtype dtype)
{
    static const int numbers[DTYPE_COUNT] = {
        [DTYPE_BOOL] = NPY_BOOL,     [DTYPE_UINT8] = NPY_UINT8, [DTYPE_INT8] = NPY_INT8,
        [DTYPE_INT16] = NPY_INT16,   [DTYPE_INT32] = NPY_INT32, [DTYPE_INT64] = NPY_INT64,
        [DTYPE_HALF] = NPY_HALF,     [DTYPE_BF16] = -1,         [DTYPE_FLOAT] = NPY_FLOAT,
        [DTYPE_DOUBLE] = NPY_DOUBLE,
    };
    return numbers[dtype];
}

Dtype
numpy_scalar_dtype(PyObject *o)
{
    if (strncmp(Py_TYPE(o)->tp_name, "numpy.", 6) != 0 || load_api() < 0 || !PyArray_CheckScalar(o)) {
        PyErr_Clear();
        return DTYPE_NONE;
    }
    PyArray_Descr *descr = PyArray_DescrFromScalar(o);
    Dtype dtype = descr ? dtype_of_number(descr->type_num) : DTYPE_NONE;
    Py_XDECREF(descr);
    return dtype;
}

/* ---------------------------------------------------------------- array -> tensor */
static Tensor *
refuse_dtype(PyArrayObject *a)
{
    PyTypeObject *type = PyArray_DESCR(a)->typeobj;
    return error(PyExc_TypeError,
                 "can't convert np.ndarray of type %s. The only supported types are: float64, float32, "
                 "float16, int64, int32, int16, int8, uint8, and bool.",
                 type->tp_name);
}

static int
check_array(PyArrayObject *a)
{
    const char *problem = NULL;
    int64_t itemsize = PyArray_ITEMSIZE(a);
    if (PyArray_NDIM(a) > NDIM_MAX)
        problem = "given numpy array has more than 64 dimensions";
    if (!PyArray_ISNOTSWAPPED(a))
        problem = "given numpy array has byte order different from the native byte order. Conversion between "
                  "byte orders is "
                  "not supported: use array.astype(array.dtype.newbyteorder('='))";
    for (int i = 0; i < PyArray_NDIM(a) && problem == NULL; i++) {
        if (PyArray_STRIDE(a, i) < 0)
            problem = "At least one stride in the given numpy array is negative, and tensors with negative "
                      "strides are not "
                      "supported: use array.copy()";
        else if (PyArray_STRIDE(a, i) % itemsize != 0)
            problem = "given numpy array strides not a multiple of the element byte size: use array.copy()";
    }
    if (problem == NULL && !PyArray_ISALIGNED(a))
        problem = "given numpy array is not aligned to its element size: use array.copy()";
    if (problem != NULL)
        error(PyExc_ValueError, "%s", problem);
    return problem ? -1 : 0;
}

static Tensor *
share_array(PyArrayObject *a, Dtype dtype)
{
    int64_t dims[NDIM_MAX], strides[NDIM_MAX], span = 1;
    int ndim = PyArray_NDIM(a);
    for (int i = 0; i < ndim; i++) {
        dims[i] = PyArray_DIM(a, i);
        strides[i] = PyArray_STRIDE(a, i) / PyArray_ITEMSIZE(a);
        span += (dims[i] - 1) * strides[i];
    }
    if (PyArray_SIZE(a) == 0)
        span = 0;
    Storage *storage =
        storage_borrow(PyArray_DATA(a), span * PyArray_ITEMSIZE(a), (PyObject *)a, !PyArray_ISWRITEABLE(a));
    if (storage == NULL)
        return NULL;
    Tensor *t = tensor_strided(storage, storage->data, ndim, dims, strides, dtype);
    storage_release(storage);
    return t;
}

Tensor *
numpy_from_array(PyObject *array)
{
    if (!numpy_is_array(array))
        return error(PyExc_TypeError, "expected np.ndarray (got %s)", Py_TYPE(array)->tp_name);
    if (load_api() < 0)
        return NULL;
    PyArrayObject *a = (PyArrayObject *)array;
    Dtype dtype = dtype_of_number(PyArray_TYPE(a));
    if (dtype == DTYPE_NONE)
        return refuse_dtype(a);
    return check_array(a) < 0 ? NULL : share_array(a, dtype);
}

/* An operand is only read: what cannot be shared is copied. */
Tensor *
numpy_to_tensor(PyObject *array)
{
    Tensor *t = numpy_from_array(array);
    if (t != NULL || !PyErr_ExceptionMatches(PyExc_ValueError))
        return t;
    PyErr_Clear();
    PyArray_Descr *descr = PyArray_DescrFromType(PyArray_TYPE((PyArrayObject *)array));
    PyObject *copy = PyArray_FromAny(array, descr, 0, 0, NPY_ARRAY_CARRAY | NPY_ARRAY_ENSURECOPY, NULL);
    t = copy ? numpy_from_array(copy) : NULL;
    Py_XDECREF(copy);
    return t;
}

/* ---------------------------------------------------------------- tensor -> array */
static int
check_exportable(Tensor *t, PyObject *type)
{
    if (t->device.type != DEVICE_CPU) {
        PyObject *device = device_object(t->device);
        if (device != NULL)
            error(type,
                  "can't convert %S device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                  "memory first.",
                  device);
        Py_XDECREF(device);
    } else if (t->dtype == DTYPE_BF16)
        error(type,
              "Got unsupported ScalarType BFloat16: NumPy has no such dtype; convert with .float() first");
    else
        return 0;
    return -1;
}

static int
check_no_grad(Tensor *t, PyObject *type)
{
    if (!tensor_needs_grad(t))
        return 0;
    error(type, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
    return -1;
}

/* The array's base is an alias of t, so that the memory outlives t and cannot be resized under the array. */
static PyObject *
array_of(Tensor *t)
{
    npy_intp dims[NDIM_MAX], strides[NDIM_MAX];
    if (check_exportable(t, PyExc_TypeError) < 0 || load_api() < 0)
        return NULL;
    for (int i = 0; i < t->ndim; i++) {
        dims[i] = t->dims[i];
        strides[i] = t->strides[i] * tensor_itemsize(t);
    }
    Tensor *base = tensor_alias(t);
    if (base == NULL)
        return NULL;
    int flags = t->storage->readonly ? 0 : NPY_ARRAY_WRITEABLE;
    PyObject *array = PyArray_New(&PyArray_Type, t->ndim, dims, number_of_dtype((Dtype)t->dtype), strides,
                                  t->data, 0, flags | NPY_ARRAY_ALIGNED, NULL);
    if (array == NULL ||
        PyArray_SetBaseObject((PyArrayObject *)array, (PyObject *)base) < 0) { /* steals base */
        if (array == NULL)
            Py_DECREF(base);
        Py_XDECREF(array);
        return NULL;
    }
    return array;
}

static PyObject *
method_numpy(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"force", NULL};
    int force = 0;
    Tensor *t = (Tensor *)self;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$p", names, &force))
        return NULL;
    return !force && check_no_grad(t, PyExc_RuntimeError) < 0 ? NULL : array_of(t);
}

/* array as dtype (NULL: as it is); copy: True always, False never, None if needed.  Takes over the reference.
 */
static PyObject *
array_as(PyObject *array, PyObject *dtype, PyObject *copy)
{
    PyArray_Descr *descr = NULL;
    PyObject *result = NULL;
    if (dtype != Py_None && PyArray_DescrConverter(dtype, &descr) == NPY_FAIL)
        goto done;
    bool same = descr == NULL || PyArray_EquivTypes(descr, PyArray_DESCR((PyArrayObject *)array));
    int always = copy == Py_None ? 0 : PyObject_IsTrue(copy);
    if (always < 0)
        goto done;
    if (same && !always)
        result = Py_NewRef(array);
    else if (copy != Py_None && !always)
        error(PyExc_ValueError,
              "Unable to avoid copy while creating an array as requested: the dtype differs");
    else {
        Py_XINCREF(descr);                       /* stolen */
        result = PyArray_FromAny(array, descr, 0, 0, NPY_ARRAY_ENSURECOPY | NPY_ARRAY_FORCECAST, NULL);
    }
done:
    Py_XDECREF(descr);
    Py_DECREF(array);
    return result;
}

static PyObject *
method_array(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"dtype", "copy", NULL};
    PyObject *dtype = Py_None, *copy = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO", names, &dtype, &copy))
        return NULL;
    if (check_no_grad((Tensor *)self, PyExc_RuntimeError) < 0)
        return NULL;
    PyObject *array = array_of((Tensor *)self);
    return array ? array_as(array, dtype, copy) : NULL;
}

/* What a ufunc made of a tensor comes back as one; scalars of reductions too. */
static PyObject *
method_array_wrap(PyObject *self, PyObject *args)
{
    PyObject *array, *context = NULL, *return_scalar = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "O|OO", &array, &context, &return_scalar))
        return NULL;
    return (PyObject *)numpy_to_tensor(array);
}

/* ---------------------------------------------------------------- array protocol by attributes */
static PyObject *
tuple_of(int n, const int64_t *values, int64_t factor)
{
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple && i < n; i++) {
        PyObject *value = PyLong_FromLongLong(values[i] * factor);
        if (value == NULL) {
            Py_DECREF(tuple);
            return NULL;
        }
        PyTuple_SET_ITEM(tuple, i, value);
    }
    return tuple;
}

static PyObject *
get_array_interface(PyObject *self, void *closure)
{
    static const char kinds[] = {[CATEGORY_BOOL] = 'b', [CATEGORY_INT] = 'i', [CATEGORY_FLOAT] = 'f'};
    Tensor *t = (Tensor *)self;
    (void)closure;
    if (check_no_grad(t, PyExc_RuntimeError) < 0 || check_exportable(t, PyExc_TypeError) < 0)
        return NULL;
    int64_t itemsize = tensor_itemsize(t);
    char kind = t->dtype == DTYPE_UINT8 ? 'u' : kinds[dtype_info[t->dtype].category];
    char order = itemsize == 1 ? '|' : PY_BIG_ENDIAN ? '>' : '<';
    char type[8] = {order, kind, (char)('0' + itemsize), '\0'};
    PyObject *dims = tuple_of(t->ndim, t->dims, 1),
             *strides = dims ? tuple_of(t->ndim, t->strides, itemsize) : NULL;
    if (strides == NULL) {
        Py_XDECREF(dims);
        return NULL;
    }
    return Py_BuildValue("{s:N,s:s,s:(NO),s:N,s:i}", "shape", dims, "typestr", type, "data",
                         PyLong_FromVoidPtr(t->data), t->storage->readonly ? Py_True : Py_False, "strides",
                         strides, "version", 3);
}

/* Above ndarray's 0: array * tensor is the tensor's to compute. */
static PyObject *
get_array_priority(PyObject *self, void *closure)
{
    (void)self, (void)closure;
    return PyLong_FromLong(1000);
}

/* ---------------------------------------------------------------- buffers */
static const char *
buffer_format(Dtype dtype)
{
    static const char *const formats[DTYPE_COUNT] = {
        [DTYPE_BOOL] = "?",  [DTYPE_UINT8] = "B", [DTYPE_INT8] = "b",
        [DTYPE_INT16] = "h", [DTYPE_INT32] = "i", [DTYPE_INT64] = sizeof(long) == 8 ? "l" : "q",
        [DTYPE_HALF] = "e",  [DTYPE_FLOAT] = "f", [DTYPE_DOUBLE] = "d",
    };
    return formats[dtype];
}

/* view->internal: the bytes' strides and shape, for Py_ssize_t need not be int64_t. */
static int
tensor_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    Tensor *t = (Tensor *)self;
    const char *problem = NULL;
    view->obj = NULL;
    if (check_no_grad(t, PyExc_BufferError) < 0 || check_exportable(t, PyExc_BufferError) < 0)
        return -1;
    if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE && t->storage->readonly)
        problem = "the tensor's memory is read-only";
    if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES && !t->contiguous)
        problem = "the tensor is not contiguous: use .contiguous()";
    if ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS && !t->contiguous)
        problem = "the tensor is not C-contiguous: use .contiguous()";
    if (problem != NULL) {
        error(PyExc_BufferError, "%s", problem);
        return -1;
    }
    Py_ssize_t *geometry = PyMem_New(Py_ssize_t, 2 * t->ndim + 1);
    Tensor *held = geometry ? tensor_alias(t) : (Tensor *)PyErr_NoMemory();
    if (held == NULL) {
        PyMem_Free(geometry);
        return -1;
    }
    for (int i = 0; i < t->ndim; i++) {
        geometry[i] = (Py_ssize_t)t->dims[i];
        geometry[t->ndim + i] = (Py_ssize_t)(t->strides[i] * tensor_itemsize(t));
    }
    *view = (Py_buffer){
        .buf = t->data, .obj = (PyObject *)held, .len = (Py_ssize_t)(t->numel * tensor_itemsize(t)),
        .itemsize = (Py_ssize_t)tensor_itemsize(t), .readonly = t->storage->readonly, .ndim = t->ndim,
        .format = flags & PyBUF_FORMAT ? (char *)buffer_format((Dtype)t->dtype) : NULL,
        .shape = (flags & PyBUF_ND) == PyBUF_ND ? geometry : NULL,
        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? geometry + t->ndim : NULL, .internal = geometry,
    };
    return 0;
}

static void
tensor_releasebuffer(PyObject *self, Py_buffer *view)
{
    (void)self;
    PyMem_Free(view->internal);
}

PyBufferProcs tensor_buffer_procs = {tensor_getbuffer, tensor_releasebuffer};

/* ---------------------------------------------------------------- tolist */
static PyObject *
number_at(const char *at, Dtype dtype)
{
    Param value = dtype_load(at, dtype);
    switch (dtype_info[dtype].category) {
    case CATEGORY_BOOL: return PyBool_FromLong(value.i != 0);
    case CATEGORY_INT: return PyLong_FromLongLong(value.i);
    default: return PyFloat_FromDouble(value.f);
    }
}

static PyObject *
list_of(Tensor *t, int dim, const char *at)
{
    if (dim == t->ndim)
        return number_at(at, (Dtype)t->dtype);
    PyObject *list = PyList_New((Py_ssize_t)t->dims[dim]);
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        PyObject *item = list_of(t, dim + 1, at + i * t->strides[dim] * tensor_itemsize(t));
        if (item == NULL) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, i, item);
    }
    return list;
}

static PyObject *
method_tolist(PyObject *self, PyObject *unused)
{
    Tensor *t = (Tensor *)self;
    (void)unused;
    if (tensor_is_meta(t))
        return (PyObject *)error(PyExc_NotImplementedError, "Cannot copy out of meta tensor; no data!");
    size_t mark = scope_begin();
    Tensor *host = op_on_host(t);
    PyObject *list = host ? list_of(host, 0, host->data) : NULL;
    scope_end(mark);
    return list;
}

/* ---------------------------------------------------------------- tables */
#define KEYWORDS(function) (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS
PyMethodDef numpy_methods[] = {
    {"numpy", KEYWORDS(method_numpy),
     "numpy(*, force=False): an ndarray that shares this tensor's memory.  Raises RuntimeError if the tensor "
     "requires grad "
     "(unless force), TypeError for bfloat16 or a device other than the CPU."},
    {"__array__", KEYWORDS(method_array), "__array__(dtype=None, copy=None): what np.asarray(tensor) calls."},
    {"__array_wrap__", method_array_wrap, METH_VARARGS,
     "What np.exp(tensor) and other ufuncs return: a Tensor."},
    {"tolist", method_tolist, METH_NOARGS, "Nested lists of Python numbers; a 0-d tensor gives the number."},
    {NULL, NULL, 0, NULL},
};

PyGetSetDef numpy_getset[] = {
    {"__array_interface__", get_array_interface, NULL, "NumPy's array protocol, version 3.", NULL},
    {"__array_priority__", get_array_priority, NULL, "Arrays let tensors compute array * tensor.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *
module_from_numpy(PyObject *module, PyObject *array)
{
    (void)module;
    return (PyObject *)numpy_from_array(array);
}

static PyMethodDef module_methods[] = {
    {"from_numpy", module_from_numpy, METH_O,
     "from_numpy(ndarray): a tensor that shares the array's memory and keeps it alive; writing to one shows "
     "in the other, and "
     "a read-only array gives a tensor that refuses in-place ops.  Raises TypeError for other objects and "
     "dtypes, ValueError "
     "for negative strides and foreign byte order."},
    {NULL, NULL, 0, NULL},
};

int
numpy_init(PyObject *module)
{
    return PyModule_AddFunctions(module, module_methods);
}
