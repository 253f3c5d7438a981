/* Changing the tensors of a model in place: to(), float(), cuda(), and _apply() under them all. */
#include "nn/nn.h"

/* ---------------------------------------------------------------- _apply */
static PyObject *
call_without_grad(PyObject *function, PyObject *tensor)
{
    bool recording = nn_set_recording(false);
    PyObject *result = PyObject_CallOneArg(function, tensor);
    nn_set_recording(recording);
    return result;
}

/* 1 if value can become owner's data: a tensor with memory cannot turn into one without, nor back. */
static int
can_set_data(PyObject *owner, PyObject *value)
{
    int owner_meta = nn_is_true_attr(owner, S(is_meta));
    int value_meta = owner_meta < 0 ? -1 : nn_is_true_attr(value, S(is_meta));
    return value_meta < 0 ? -1 : owner_meta == value_meta;
}

/* The parameter with its tensor replaced by value: itself if it can take the data, else a new one. */
static PyObject *
with_data(PyObject *parameter, PyObject *value)
{
    int same = value == parameter ? 1 : can_set_data(parameter, value);
    if (same == 1 && value != parameter && PyObject_SetAttr(parameter, S(data), value) < 0)
        same = -1;
    if (same != 0)
        return same < 0 ? NULL : Py_NewRef(parameter);
    PyObject *requires_grad = PyObject_GetAttr(parameter, S(requires_grad)), *made = NULL;
    if (requires_grad != NULL)
        made = PyObject_CallFunctionObjArgs((PyObject *)ParameterType, value, requires_grad, NULL);
    Py_XDECREF(requires_grad);
    return made;
}

/* function(parameter.grad), which requires a gradient if the old one did; Py_None if there is none. */
static PyObject *
applied_grad(PyObject *function, PyObject *parameter)
{
    PyObject *grad = PyObject_GetAttr(parameter, S(grad)), *marked = NULL;
    if (grad == NULL || grad == Py_None)
        return grad;
    PyObject *value = call_without_grad(function, grad);
    PyObject *requires_grad = value == NULL ? NULL : PyObject_GetAttr(grad, S(requires_grad));
    if (requires_grad != NULL)
        marked = PyObject_CallMethodOneArg(value, S(requires_grad_), requires_grad);
    Py_XDECREF(marked);
    if (marked == NULL)
        Py_CLEAR(value);
    Py_DECREF(grad);
    Py_XDECREF(requires_grad);
    return value;
}

/* Everything that can fail in function has happened before the parameter is touched.  The old gradient is put
 * aside first, because it may not fit the new data. */
static PyObject *
applied_parameter(PyObject *function, PyObject *parameter)
{
    PyObject *value = call_without_grad(function, parameter), *result = NULL;
    PyObject *grad = value == NULL ? NULL : applied_grad(function, parameter);
    if (grad != NULL && (grad == Py_None || PyObject_SetAttr(parameter, S(grad), Py_None) == 0))
        result = with_data(parameter, value);
    if (result != NULL && grad != Py_None && PyObject_SetAttr(result, S(grad), grad) < 0)
        Py_CLEAR(result);
    Py_XDECREF(value);
    Py_XDECREF(grad);
    return result;
}

static PyObject *
applied_buffer(PyObject *function, PyObject *buffer)
{
    return PyObject_CallOneArg(function, buffer);
}

/* Every entry of the slot's dict that is not None becomes applied(function, entry). */
static int
apply_to_members(Module *m, Slot slot, PyObject *function, PyObject *(*applied)(PyObject *, PyObject *))
{
    PyObject *members = module_members(m, slot);
    PyObject *items = members == NULL ? NULL : nn_items(members);
    int status = items == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
        PyObject *value = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
        if (value == Py_None)
            continue;
        PyObject *changed = applied(function, value);
        if (changed == NULL || (changed != value && PyObject_SetItem(members, name, changed) < 0))
            status = -1;
        Py_XDECREF(changed);
    }
    Py_XDECREF(items);
    return status;
}

static int
apply_to_children(PyObject *self, PyObject *function)
{
    PyObject *children = PyObject_CallMethodNoArgs(self, S(named_children)), *pair;
    int status = children == NULL || Py_EnterRecursiveCall(" while walking through a Module") ? -1 : 0;
    bool entered = status == 0;
    while (status == 0 && (pair = PyIter_Next(children)) != NULL) {
        PyObject *done = PyObject_CallMethodOneArg(PyTuple_GET_ITEM(pair, 1), S(_apply), function);
        status = done == NULL ? -1 : 0;
        Py_XDECREF(done);
        Py_DECREF(pair);
    }
    if (entered)
        Py_LeaveRecursiveCall();
    Py_XDECREF(children);
    return status < 0 || PyErr_Occurred() ? -1 : 0;
}

static PyObject *
module_apply_(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"fn", "recurse", NULL};
    PyObject *function;
    int recurse = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p:_apply", keywords, &function, &recurse))
        return NULL;
    if ((recurse && apply_to_children(self, function) < 0)
        || apply_to_members((Module *)self, PARAMETERS, function, applied_parameter) < 0
        || apply_to_members((Module *)self, BUFFERS, function, applied_buffer) < 0)
        return NULL;
    return Py_NewRef(self);
}

/* self._apply(converter bound to state) */
static PyObject *
apply_converter(PyObject *self, PyMethodDef *converter, PyObject *state)
{
    PyObject *function = state == NULL ? NULL : PyCFunction_New(converter, state);
    PyObject *result = function == NULL ? NULL : PyObject_CallMethodOneArg(self, S(_apply), function);
    Py_XDECREF(function);
    Py_XDECREF(state);
    return result;
}

/* ---------------------------------------------------------------- to */
/* options: the keyword arguments of tensor.to(); a dtype counts for floating-point tensors only, a memory format for
 * tensors of images and volumes. */
static PyObject *
convert_tensor(PyObject *options, PyObject *tensor)
{
    PyObject *result = NULL, *chosen = PyDict_Copy(options), *method = NULL, *nothing = NULL,
             *floating = NULL;
    if (chosen == NULL || (floating = PyObject_CallMethodNoArgs(tensor, S(is_floating_point))) == NULL)
        goto fail;
    if (floating != Py_True && PyDict_Contains(chosen, S(dtype)) == 1 && PyDict_DelItem(chosen, S(dtype)) < 0)
        goto fail;
    if (tensor_check(tensor) && ((Tensor *)tensor)->ndim != 4 && ((Tensor *)tensor)->ndim != 5
        && PyDict_Contains(chosen, S(memory_format)) == 1 && PyDict_DelItem(chosen, S(memory_format)) < 0)
        goto fail;
    if (PyDict_GET_SIZE(chosen) == 0) {
        result = Py_NewRef(tensor);
        goto fail;
    }
    method = PyObject_GetAttr(tensor, S(to));
    nothing = PyTuple_New(0);
    if (method != NULL && nothing != NULL)
        result = PyObject_Call(method, nothing, chosen);
fail:
    Py_XDECREF(chosen);
    Py_XDECREF(floating);
    Py_XDECREF(method);
    Py_XDECREF(nothing);
    return result;
}
static PyMethodDef convert_def = {"convert", convert_tensor, METH_O, NULL};

static int
put_dtype(PyObject *options, PyObject *dtype)
{
    Dtype type;
    if (dtype_from_object(dtype, &type) < 0)
        return -1;
    if (!dtype_is_float(type)) {
        PyErr_Format(PyExc_TypeError,
                     "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                     "dtype=%S",
                     dtype);
        return -1;
    }
    return PyDict_SetItem(options, S(dtype), dtype);
}

static int
put_device(PyObject *options, PyObject *device)
{
    Device checked;
    return device_from_object(device, &checked) < 0 ? -1 : PyDict_SetItem(options, S(device), device);
}

static int
put_tensor(PyObject *options, PyObject *tensor)
{
    PyObject *dtype = PyObject_GetAttr(tensor, S(dtype)), *device = PyObject_GetAttr(tensor, S(device));
    int status = dtype == NULL || device == NULL ? -1 : put_dtype(options, dtype);
    if (status == 0)
        status = put_device(options, device);
    Py_XDECREF(dtype);
    Py_XDECREF(device);
    return status;
}

/* A positional argument says by its type what it is. */
static int
put_positional(PyObject *options, PyObject *argument)
{
    if (argument == Py_None || PyBool_Check(argument)) /* no device, or non_blocking */
        return 0;
    if (tensor_check(argument))
        return put_tensor(options, argument);
    if (PyObject_TypeCheck(argument, &DtypeType))
        return put_dtype(options, argument);
    return put_device(options, argument);
}

static int
put_keyword(PyObject *options, PyObject *name, PyObject *value)
{
    bool given = value != Py_None;
    if (PyUnicode_CompareWithASCIIString(name, "device") == 0)
        return given ? put_device(options, value) : 0;
    if (PyUnicode_CompareWithASCIIString(name, "dtype") == 0)
        return given ? put_dtype(options, value) : 0;
    if (PyUnicode_CompareWithASCIIString(name, "tensor") == 0)
        return put_positional(options, value);
    if (PyUnicode_CompareWithASCIIString(name, "non_blocking") == 0)
        return 0;
    if (PyUnicode_CompareWithASCIIString(name, "memory_format") == 0) {
        MemoryFormat checked;
        if (given && memory_format_argument("to", value, &checked) < 0)
            return -1;
        return given ? PyDict_SetItem(options, S(memory_format), value) : 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "to() received an invalid combination of arguments: '%U' is not one of device, dtype, "
                 "tensor, non_blocking, memory_format",
                 name);
    return -1;
}

static PyObject *
module_to(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *options = PyDict_New(), *name, *value;
    Py_ssize_t at = 0;
    int status = options == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyTuple_GET_SIZE(args); i++)
        status = put_positional(options, PyTuple_GET_ITEM(args, i));
    while (status == 0 && kwargs != NULL && PyDict_Next(kwargs, &at, &name, &value))
        status = put_keyword(options, name, value);
    if (status < 0)
        Py_CLEAR(options);
    return apply_converter(self, &convert_def, options);
}

/* ---------------------------------------------------------------- the named conversions */
static PyObject *
to_dtype(PyObject *self, Dtype dtype)
{
    return apply_converter(self, &convert_def, Py_BuildValue("{s:O}", "dtype", dtype_object(dtype)));
}

static PyObject *
to_float(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return to_dtype(self, DTYPE_FLOAT);
}

static PyObject *
to_double(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return to_dtype(self, DTYPE_DOUBLE);
}

static PyObject *
to_half(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return to_dtype(self, DTYPE_HALF);
}

static PyObject *
to_bfloat16(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return to_dtype(self, DTYPE_BF16);
}

static PyObject *
to_cpu(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return apply_converter(self, &convert_def, Py_BuildValue("{s:s}", "device", "cpu"));
}

/* self.to(device), where a number or nothing means a CUDA device. */
static PyObject *
to_cuda(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"device", NULL};
    PyObject *device = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:cuda", keywords, &device))
        return NULL;
    if (device == Py_None)
        device = PyUnicode_FromString("cuda");
    else
        device = PyLong_Check(device) ? PyUnicode_FromFormat("cuda:%S", device) : Py_NewRef(device);
    PyObject *result = device == NULL ? NULL : PyObject_CallMethodOneArg(self, S(to), device);
    Py_XDECREF(device);
    return result;
}

static PyObject *
retype_tensor(PyObject *type, PyObject *tensor)
{
    return PyObject_CallMethodOneArg(tensor, S(type), type);
}
static PyMethodDef retype_def = {"retype", retype_tensor, METH_O, NULL};

static PyObject *
module_type(PyObject *self, PyObject *type)
{
    return apply_converter(self, &retype_def, Py_NewRef(type));
}

static PyObject *
share_tensor(PyObject *Py_UNUSED(nothing), PyObject *tensor)
{
    return PyObject_CallMethodNoArgs(tensor, S(share_memory_));
}
static PyMethodDef share_def = {"share", share_tensor, METH_O, NULL};

static PyObject *
share_memory(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return apply_converter(self, &share_def, Py_NewRef(Py_None));
}

static PyObject *
empty_tensor(PyObject *device, PyObject *tensor)
{
    PyObject *empty_like = nn_imported("ctorch", "empty_like"), *args = PyTuple_Pack(1, tensor);
    PyObject *kwargs = Py_BuildValue("{s:O}", "device", device), *result = NULL;
    if (empty_like != NULL && args != NULL && kwargs != NULL)
        result = PyObject_Call(empty_like, args, kwargs);
    Py_XDECREF(empty_like);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return result;
}
static PyMethodDef empty_def = {"empty", empty_tensor, METH_O, NULL};

static PyObject *
to_empty(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"device", "recurse", NULL};
    PyObject *device = NULL, *result = NULL;
    int recurse = 1;
    /* PyArg_Parse knows no required argument that is keyword-only. */
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$Op:to_empty", keywords, &device, &recurse))
        return NULL;
    if (device == NULL) {
        error(PyExc_TypeError, "to_empty() missing 1 required keyword-only argument: 'device'");
        return NULL;
    }
    PyObject *function = PyCFunction_New(&empty_def, device);
    if (function != NULL)
        result = PyObject_CallMethodObjArgs(self, S(_apply), function, recurse ? Py_True : Py_False, NULL);
    Py_XDECREF(function);
    return result;
}

PyMethodDef nn_convert_methods[] = {
    {"_apply", NN_KEYWORDS(module_apply_),
     "_apply($self, fn, recurse=True)\n--\n\n"
     "Replaces every parameter, gradient and buffer by fn of it, keeping the Parameter objects\n"
     "where it can."},
    {"to", NN_KEYWORDS(module_to),
     "to($self, device=None, dtype=None, non_blocking=False, *, memory_format=None)\n--\n\n"
     "Moves all tensors to a device and converts the floating-point ones to dtype, in place; also\n"
     "to(tensor). Returns self. Raises TypeError if dtype is not a floating-point type."},
    {"float", to_float, METH_NOARGS, "float($self)\n--\n\nAs to(torch.float32)."},
    {"double", to_double, METH_NOARGS, "double($self)\n--\n\nAs to(torch.float64)."},
    {"half", to_half, METH_NOARGS, "half($self)\n--\n\nAs to(torch.float16)."},
    {"bfloat16", to_bfloat16, METH_NOARGS, "bfloat16($self)\n--\n\nAs to(torch.bfloat16)."},
    {"cpu", to_cpu, METH_NOARGS, "cpu($self)\n--\n\nAs to('cpu')."},
    {"cuda", NN_KEYWORDS(to_cuda),
     "cuda($self, device=None)\n--\n\nAs to('cuda'), or to the CUDA device of that number."},
    {"type", module_type, METH_O, "type($self, dst_type)\n--\n\nConverts all tensors to dst_type."},
    {"share_memory", share_memory, METH_NOARGS,
     "share_memory($self)\n--\n\nMoves all tensors to shared memory."},
    {"to_empty", NN_KEYWORDS(to_empty),
     "to_empty($self, *, device, recurse=True)\n--\n\n"
     "Moves to a device without copying: the values are undefined."},
    {NULL, NULL, 0, NULL},
};
