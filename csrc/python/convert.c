/* Tensor's conversions: to() in all its forms, float(), long(), cpu(), type() and their kin; result_type,
 * promote_types and can_cast.  The copy itself, recorded for autograd, is ops/copy.c's. */
#include <string.h>

#include "ops/ops.h"
#include "python/tensor.h"
#include "python/types.h"

/* op_to_in with its result taken out of the scope; a subclass stays what it was. */
static PyObject *
convert_now(PyObject *self, Dtype dtype, const Device *device, bool copy, MemoryFormat format)
{
    Tensor *t = (Tensor *)self;
    size_t mark = scope_begin();
    Tensor *out = op_to_in(t, dtype, device, copy, format);
    PyObject *result = NULL;
    if (out == t)
        result = Py_NewRef(self);
    else if (out != NULL && !tensor_exact(self))
        result = tensor_as_subclass(out, Py_TYPE(self));
    else if (out != NULL)
        result = (PyObject *)scope_take(out);
    scope_end(mark);
    return result;
}

/* The same; a copy between page-locked memory and a device need not have ended. */
static PyObject *
convert(PyObject *self, Dtype dtype, const Device *device, bool copy, bool non_blocking, MemoryFormat format)
{
    device_copies_wait = !non_blocking;
    PyObject *result = convert_now(self, dtype, device, copy, format);
    device_copies_wait = true;
    return result;
}

typedef struct Target {
    Dtype dtype;
    Device device;
    bool has_device, copy, non_blocking;
    MemoryFormat format;
} Target;

/* One positional argument of to(): a dtype, a device, another tensor; then non_blocking and copy. */
static int
read_positional(Target *target, PyObject *o, int *flags)
{
    if (tensor_check(o)) {
        target->dtype = (Dtype)((Tensor *)o)->dtype;
        target->device = ((Tensor *)o)->device;
        target->has_device = true;
        return 0;
    }
    if (PyBool_Check(o)) {
        *((*flags)++ == 0 ? &target->non_blocking : &target->copy) = o == Py_True;
        return 0;
    }
    if (o == Py_None)
        return 0;
    if (PyObject_TypeCheck(o, &DtypeType) || PyType_Check(o))
        return dtype_from_object(o, &target->dtype);
    if (PyUnicode_Check(o) || PyLong_Check(o) || PyObject_TypeCheck(o, &DeviceType_)) {
        target->has_device = true;
        return device_from_object(o, &target->device);
    }
    error(PyExc_TypeError, "to() received an invalid combination of arguments - got (%s); it takes a dtype, a device, or "
                           "another tensor, and copy=, non_blocking=, memory_format=", Py_TYPE(o)->tp_name);
    return -1;
}

static int
read_keyword(Target *target, PyObject *name, PyObject *value)
{
    const char *key = PyUnicode_AsUTF8(name);
    if (key == NULL)
        return -1;
    if (strcmp(key, "memory_format") == 0)
        return value == Py_None ? 0 : memory_format_argument("to", value, &target->format);
    if (strcmp(key, "copy") == 0 || strcmp(key, "non_blocking") == 0) {
        int truth = PyObject_IsTrue(value);
        *(key[0] == 'c' ? &target->copy : &target->non_blocking) = truth > 0;
        return truth < 0 ? -1 : 0;
    }
    if (value == Py_None && (strcmp(key, "dtype") == 0 || strcmp(key, "device") == 0))
        return 0;
    if (strcmp(key, "dtype") == 0)
        return dtype_from_object(value, &target->dtype);
    if (strcmp(key, "device") == 0) {
        target->has_device = true;
        return device_from_object(value, &target->device);
    }
    if (strcmp(key, "other") == 0) {
        int flags = 0;
        return read_positional(target, value, &flags);
    }
    error(PyExc_TypeError, "to() got an unexpected keyword argument '%s'", key);
    return -1;
}

PyObject *
tensor_to(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Target target = {.dtype = DTYPE_NONE};
    int flags = 0;
    for (Py_ssize_t i = 0; i < nargs; i++)
        if (read_positional(&target, args[i], &flags) < 0)
            return NULL;
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++)
        if (read_keyword(&target, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0)
            return NULL;
    return convert(self, target.dtype, target.has_device ? &target.device : NULL, target.copy,
                   target.non_blocking, target.format);
}

/* x.float(): the closure-less methods differ by dtype only. */
#define TO_DTYPE(name, dtype) \
    static PyObject *to_##name(PyObject *self, PyObject *args, PyObject *kwargs) \
    { \
        static char *names[] = {"memory_format", NULL}; \
        PyObject *given = Py_None; \
        MemoryFormat format = FORMAT_PRESERVE; \
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:" #name, names, &given) \
            || (given != Py_None && memory_format_argument(#name, given, &format) < 0)) \
            return NULL; \
        return convert(self, dtype, NULL, false, false, format); \
    }
TO_DTYPE(float, DTYPE_FLOAT)
TO_DTYPE(double, DTYPE_DOUBLE)
TO_DTYPE(half, DTYPE_HALF)
TO_DTYPE(bfloat16, DTYPE_BF16)
TO_DTYPE(long, DTYPE_INT64)
TO_DTYPE(int, DTYPE_INT32)
TO_DTYPE(short, DTYPE_INT16)
TO_DTYPE(char, DTYPE_INT8)
TO_DTYPE(byte, DTYPE_UINT8)
TO_DTYPE(bool, DTYPE_BOOL)

static PyObject *
to_cpu(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"memory_format", NULL};
    Device cpu = CPU;
    PyObject *given = Py_None;
    MemoryFormat format = FORMAT_PRESERVE;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:cpu", names, &given)
        || (given != Py_None && memory_format_argument("cpu", given, &format) < 0))
        return NULL;
    return convert(self, DTYPE_NONE, &cpu, false, false, format);
}

static PyObject *
to_cuda(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"device", "non_blocking", "memory_format", NULL};
    PyObject *device = Py_None, *given = Py_None;
    MemoryFormat format = FORMAT_PRESERVE;
    int non_blocking = 0;
    Device target = {DEVICE_CUDA, (int8_t)cuda_current};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OpO", names, &device, &non_blocking, &given)
        || (given != Py_None && memory_format_argument("cuda", given, &format) < 0))
        return NULL;
    if (device != Py_None && device_from_object(device, &target) < 0)
        return NULL;
    return convert(self, DTYPE_NONE, &target, false, non_blocking, format);
}

static PyObject *
type_name(Tensor *t)
{
    return PyUnicode_FromFormat("torch.%s%sTensor", t->device.type == DEVICE_CUDA ? "cuda." : "",
                                dtype_info[t->dtype].type_name);
}

/* type(): "torch.FloatTensor"; type(dtype or such a name): the converted tensor. */
static PyObject *
tensor_type(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"dtype", "non_blocking", NULL};
    PyObject *wanted = Py_None;
    int non_blocking = 0;
    Dtype dtype = DTYPE_NONE;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Op", names, &wanted, &non_blocking))
        return NULL;
    if (wanted == Py_None)
        return type_name((Tensor *)self);
    if (PyUnicode_Check(wanted)) {
        const char *name = PyUnicode_AsUTF8(wanted), *last = name ? strrchr(name, '.') : NULL;
        for (int d = 0; last && d < DTYPE_COUNT; d++) {
            size_t n = strlen(dtype_info[d].type_name);
            if (strncmp(last + 1, dtype_info[d].type_name, n) == 0 && strcmp(last + 1 + n, "Tensor") == 0)
                dtype = (Dtype)d;
        }
        if (dtype == DTYPE_NONE)
            return (PyObject *)error(PyExc_ValueError, "invalid type: %R", wanted);
    } else if (PyType_Check(wanted) && PyObject_HasAttrString(wanted, "dtype")) {
        PyObject *legacy = PyObject_GetAttrString(wanted, "dtype");
        int got = legacy ? dtype_from_object(legacy, &dtype) : -1;
        Py_XDECREF(legacy);
        if (got < 0)
            return NULL;
    } else if (dtype_from_object(wanted, &dtype) < 0)
        return NULL;
    return convert(self, dtype, NULL, false, false, FORMAT_PRESERVE);
}

static PyObject *
tensor_type_as(PyObject *self, PyObject *other)
{
    if (!tensor_check(other))
        return (PyObject *)error(PyExc_TypeError, "type_as(): argument 'other' (position 1) must be Tensor, not %s",
                                 Py_TYPE(other)->tp_name);
    return convert(self, (Dtype)((Tensor *)other)->dtype, &((Tensor *)other)->device, false, false, FORMAT_PRESERVE);
}

#define KEYWORDS(function) (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS
PyMethodDef convert_methods[] = {
    {"to", (PyCFunction)(void (*)(void))tensor_to, METH_FASTCALL | METH_KEYWORDS,
     "to(dtype | device | other, non_blocking=False, copy=False): the tensor with that dtype and device; itself if both are "
     "its own already and copy is False."},
    {"float", KEYWORDS(to_float), "to(float32)"},
    {"double", KEYWORDS(to_double), "to(float64)"},
    {"half", KEYWORDS(to_half), "to(float16)"},
    {"bfloat16", KEYWORDS(to_bfloat16), "to(bfloat16)"},
    {"long", KEYWORDS(to_long), "to(int64)"},
    {"int", KEYWORDS(to_int), "to(int32)"},
    {"short", KEYWORDS(to_short), "to(int16)"},
    {"char", KEYWORDS(to_char), "to(int8)"},
    {"byte", KEYWORDS(to_byte), "to(uint8)"},
    {"bool", KEYWORDS(to_bool), "to(bool)"},
    {"cpu", KEYWORDS(to_cpu), "The tensor in host memory; itself if it is there."},
    {"cuda", KEYWORDS(to_cuda), "cuda(device=None): the tensor in that GPU's memory."},
    {"type", KEYWORDS(tensor_type), "type(): its type's name; type(dtype): the tensor converted."},
    {"type_as", tensor_type_as, METH_O, "type_as(other): with other's dtype and device."},
    {NULL, NULL, 0, NULL},
};

/* ---------------------------------------------------------------- promotion */
static int
operand_of(PyObject *o, Operand *out)
{
    *out = (Operand){.tensor = tensor_check(o) ? (Tensor *)o : NULL};
    int got = out->tensor != NULL ? 1 : scalar_from_object(o, &out->scalar);
    if (got == 0)
        error(PyExc_TypeError, "result_type(): arguments must be tensors or numbers, not %s", Py_TYPE(o)->tp_name);
    return got == 1 ? 0 : -1;
}

static PyObject *
module_result_type(PyObject *module, PyObject *args)
{
    PyObject *o[2];
    Operand in[2];
    (void)module;
    if (!PyArg_ParseTuple(args, "OO:result_type", &o[0], &o[1]) || operand_of(o[0], &in[0]) < 0 || operand_of(o[1], &in[1]) < 0)
        return NULL;
    return Py_NewRef(dtype_object(operands_dtype(2, in, -1)));
}

static int
two_dtypes(PyObject *args, Dtype *a, Dtype *b)
{
    PyObject *first, *second;
    if (!PyArg_ParseTuple(args, "OO", &first, &second))
        return -1;
    return dtype_from_object(first, a) < 0 ? -1 : dtype_from_object(second, b);
}

static PyObject *
module_promote_types(PyObject *module, PyObject *args)
{
    Dtype a, b;
    (void)module;
    return two_dtypes(args, &a, &b) < 0 ? NULL : Py_NewRef(dtype_object(dtype_promote(a, b)));
}

static PyObject *
module_can_cast(PyObject *module, PyObject *args)
{
    Dtype a, b;
    (void)module;
    return two_dtypes(args, &a, &b) < 0 ? NULL : PyBool_FromLong(dtype_can_cast(a, b));
}

static PyMethodDef functions[] = {
    {"result_type", module_result_type, METH_VARARGS, "result_type(a, b): dtype of an op on two tensors or numbers."},
    {"promote_types", module_promote_types, METH_VARARGS, "promote_types(a, b): smallest dtype that holds both."},
    {"can_cast", module_can_cast, METH_VARARGS, "can_cast(from_, to): whether an in-place op may write from_ into to."},
    {NULL, NULL, 0, NULL},
};

int
convert_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
