/* The Tensor type: life and death of the object, its attributes, and the methods that are not ops.  Operators are in
 * number.c, indexing in indexing.c, NumPy's protocols in numpy.c; every op is a method made from ops.def. */
#include "python/tensor.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

#include "autograd/api.h"
#include "autograd/hooks.h"
#include "core/tensor.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "python/print.h"

PyTypeObject *ParameterType;

/* ---------------------------------------------------------------- life and death */
static int
tensor_traverse(Tensor *t, visitproc visit, void *arg)
{
    if (PyType_HasFeature(Py_TYPE(t), Py_TPFLAGS_HEAPTYPE))
        Py_VISIT(Py_TYPE(t));
    Py_VISIT(t->node);
    Py_VISIT(t->base);
    Py_VISIT(t->grad);
    Py_VISIT(t->hooks);
    Py_VISIT(t->post_hooks);
    Py_VISIT(t->dict);
    if (t->storage != NULL && t->storage->refs == 1)      /* shared: several tensors would each count the owner */
        Py_VISIT(t->storage->owner);
    return 0;
}

static int
tensor_clear(Tensor *t)
{
    Py_CLEAR(t->node);
    Py_CLEAR(t->base);
    Py_CLEAR(t->grad);
    Py_CLEAR(t->hooks);
    Py_CLEAR(t->post_hooks);
    Py_CLEAR(t->dict);
    return 0;
}

static void
tensor_dealloc(Tensor *t)
{
    if (t->tracked || !Py_IS_TYPE((PyObject *)t, &TensorType))
        PyObject_GC_UnTrack(t);
    t->tracked = false;
    if (t->weakrefs != NULL)
        PyObject_ClearWeakRefs((PyObject *)t);
    tensor_dealloc_fields(t);
    tensor_recycle(t);
}

static void
parameter_dealloc(Tensor *t)
{
    PyTypeObject *type = Py_TYPE(t);
    tensor_dealloc(t);
    Py_DECREF(type);
}

/* ---------------------------------------------------------------- subclasses */
/* t's memory and history in a new object of `type`. */
PyObject *
tensor_as_subclass(Tensor *t, PyTypeObject *type)
{
    Tensor *out = tensor_new(type);
    if (out == NULL)
        return NULL;
    if (tensor_set_geometry_from(out, t) < 0) {
        Py_DECREF(out);
        return NULL;
    }
    out->requires_grad = t->requires_grad;
    out->node = (Node *)Py_XNewRef((PyObject *)tensor_node(t));
    out->output_nr = t->output_nr;
    out->base = (Tensor *)Py_XNewRef((PyObject *)t->base);
    out->view_kind = t->view_kind;
    out->view_version = t->view_version;
    gc_publish((PyObject *)out);
    return (PyObject *)out;
}

/* Whether the class brings a __torch_function__ of its own. */
bool
tensor_overrides_torch_function(PyTypeObject *type)
{
    static PyObject *name;
    if (name == NULL)
        name = PyUnicode_InternFromString("__torch_function__");
    PyObject *found = _PyType_Lookup(type, name);
    return found != NULL && found != _PyType_Lookup(&TensorType, name);
}

PyObject *
tensor_torch_function(PyTypeObject *type, const char *method, PyObject *args, PyObject *kwargs)
{
    PyObject *handler = NULL, *function = NULL, *types = NULL, *result = NULL;
    if (args != NULL && kwargs != NULL && (handler = PyObject_GetAttrString((PyObject *)type, "__torch_function__")) != NULL
        && (function = PyObject_GetAttrString((PyObject *)&TensorType, method)) != NULL
        && (types = PyTuple_Pack(1, type)) != NULL)
        result = PyObject_CallFunctionObjArgs(handler, function, types, args, kwargs, NULL);
    Py_XDECREF(handler);
    Py_XDECREF(function);
    Py_XDECREF(types);
    return result;
}

static PyObject *
method_as_subclass(PyObject *self, PyObject *type)
{
    if (!PyType_Check(type) || !PyType_IsSubtype((PyTypeObject *)type, &TensorType))
        return (PyObject *)error(PyExc_TypeError, "as_subclass(): argument 'cls' must be a subclass of Tensor");
    return tensor_as_subclass((Tensor *)self, (PyTypeObject *)type);
}

static PyObject *
method_make_subclass(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"cls", "data", "require_grad", NULL};
    PyTypeObject *type;
    Tensor *data;
    int requires_grad = 0;
    (void)cls;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!|p", names, &PyType_Type, &type, &TensorType, &data, &requires_grad))
        return NULL;
    Tensor *plain = tensor_alias(data);
    PyObject *out = plain ? tensor_as_subclass(plain, type) : NULL;
    Py_XDECREF((PyObject *)plain);
    if (out != NULL)
        ((Tensor *)out)->requires_grad = requires_grad;
    return out;
}

/* Parameter(data=None, requires_grad=True): data's memory as a leaf. */
static PyObject *
parameter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "requires_grad", NULL};
    PyObject *data = Py_None;
    int requires_grad = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Op", names, &data, &requires_grad))
        return NULL;
    if (data != Py_None && !tensor_check(data))
        return (PyObject *)error(PyExc_TypeError, "Parameter(): data must be a Tensor, not %s: use Parameter(torch.tensor(data))",
                                 Py_TYPE(data)->tp_name);
    Tensor *source = data == Py_None ? tensor_empty(1, (int64_t[]){0}, default_dtype, CPU) : tensor_alias((Tensor *)data);
    if (source == NULL)
        return NULL;
    PyObject *out = NULL;
    if (requires_grad && !dtype_is_float((Dtype)source->dtype))
        error(PyExc_RuntimeError, "Only Tensors of floating point and complex dtype can require gradients: got %s; pass "
                                  "requires_grad=False or convert with .float()", dtype_info[source->dtype].name);
    else
        out = tensor_as_subclass(source, type);
    Py_DECREF(source);
    if (out != NULL)
        ((Tensor *)out)->requires_grad = requires_grad;
    return out;
}

/* ---------------------------------------------------------------- attributes */
static PyObject *
get_shape(Tensor *t, void *closure)
{
    (void)closure;
    return size_object(t->ndim, t->dims);
}

static PyObject *
get_dtype(Tensor *t, void *closure)
{
    (void)closure;
    return Py_NewRef(dtype_object((Dtype)t->dtype));
}

static PyObject *
get_device(Tensor *t, void *closure)
{
    (void)closure;
    return device_object(t->device);
}

static PyObject *
get_requires_grad(Tensor *t, void *closure)
{
    (void)closure;
    return PyBool_FromLong(tensor_needs_grad(t));
}

static int
set_requires_grad(Tensor *t, PyObject *value, void *closure)
{
    (void)closure;
    int on = value != NULL && object_is_bool(value) ? PyObject_IsTrue(value) : -1;
    if (on < 0) {
        error(PyExc_RuntimeError, "requires_grad must be a bool, not %s",
              value ? Py_TYPE(value)->tp_name : "deleted: set it to False");
        return -1;
    }
    if (!on && tensor_node(t) != NULL) {
        error(PyExc_RuntimeError, "you can only change requires_grad flags of leaf variables. If you want to use a computed "
                                  "variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach().");
        return -1;
    }
    if (on && !dtype_is_float((Dtype)t->dtype)) {
        error(PyExc_RuntimeError, "only Tensors of floating point dtype can require gradients: this one is %s; convert it "
                                  "with .float()", dtype_info[t->dtype].name);
        return -1;
    }
    t->requires_grad = on;
    if (on && t->node == NULL && t->base != NULL && !t->base->requires_grad) {
        Py_CLEAR(t->base);                        /* a leaf of its own: writes to it are not the old base's business */
        t->view_kind = VIEW_NONE;
    }
    return 0;
}

static PyObject *
method_requires_grad_(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"requires_grad", NULL};
    PyObject *value = Py_True;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:requires_grad_", names, &value))
        return NULL;
    if (!object_is_bool(value))
        return PyErr_Format(PyExc_TypeError, "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not %s",
                            Py_TYPE(value)->tp_name);
    return set_requires_grad((Tensor *)self, value, NULL) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *
get_grad(Tensor *t, void *closure)
{
    (void)closure;
    if (t->grad == NULL && !t->retains_grad && t->requires_grad && t->node != NULL
        && PyErr_WarnEx(PyExc_UserWarning,
                        "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                        "won't be populated during autograd.backward(). If you indeed want the .grad field to be populated "
                        "for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor.", 1) < 0)
        return NULL;
    return Py_NewRef(t->grad ? (PyObject *)t->grad : Py_None);
}

static int
set_grad(Tensor *t, PyObject *value, void *closure)
{
    (void)closure;
    if (value == NULL || value == Py_None) {
        Py_CLEAR(t->grad);
        return 0;
    }
    if (!tensor_check(value)) {
        error(PyExc_TypeError, "assigned grad expected to be a Tensor or None but got grad of type %s", Py_TYPE(value)->tp_name);
        return -1;
    }
    Tensor *g = (Tensor *)value;
    bool same = g->ndim == t->ndim && memcmp(g->dims, t->dims, t->ndim * sizeof t->dims[0]) == 0;
    if (g == t || !same || g->dtype != t->dtype || !device_equal(g->device, t->device)) {
        error(PyExc_RuntimeError, g == t ? "can't assign Variable as its own grad"
                                         : "assigned grad has data of a different size, type or device: got %s %s for a "
                                           "tensor of %s %s",
              shape_text(g->ndim, g->dims), dtype_info[g->dtype].name, shape_text(t->ndim, t->dims), dtype_info[t->dtype].name);
        return -1;
    }
    Py_INCREF(value);
    Py_XSETREF(t->grad, g);
    gc_publish((PyObject *)t);
    return 0;
}

static PyObject *
get_grad_fn(Tensor *t, void *closure)
{
    (void)closure;
    Node *n = tensor_node(t);
    if (n == NULL)
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    return Py_NewRef((PyObject *)n);
}

static PyObject *
get_is_leaf(Tensor *t, void *closure)
{
    (void)closure;
    return PyBool_FromLong(tensor_node(t) == NULL);
}

/* The same memory with a version of its own: writes through .data are not seen by the version check. */
static PyObject *
get_data(Tensor *t, void *closure)
{
    (void)closure;
    Storage *storage = storage_alias(t->storage);
    if (storage == NULL)
        return NULL;
    Tensor *out = tensor_strided(storage, t->data, t->ndim, t->dims, t->strides, (Dtype)t->dtype);
    storage_release(storage);
    return (PyObject *)out;
}

static int
set_data(Tensor *t, PyObject *value, void *closure)
{
    (void)closure;
    if (value == NULL || !tensor_check(value)) {
        error(PyExc_TypeError, "Variable data has to be a tensor, but got %s", value ? Py_TYPE(value)->tp_name : "nothing");
        return -1;
    }
    if (t->requires_grad && !dtype_is_float((Dtype)((Tensor *)value)->dtype)) {
        error(PyExc_RuntimeError, "data set to a tensor that requires gradients must be floating point or complex dtype, not %s",
              dtype_info[((Tensor *)value)->dtype].name);
        return -1;
    }
    return tensor_set_geometry_from(t, (Tensor *)value);
}

static PyObject *
get_transposed(Tensor *t, void *closure)
{
    size_t mark = scope_begin();
    int64_t order[NDIM_MAX];
    Tensor *out;
    if (closure != NULL && t->ndim < 2)
        out = error(PyExc_RuntimeError, "tensor.mT is only supported on matrices or batches of matrices. Got %d-D tensor.", t->ndim);
    else if (closure != NULL)
        out = op_transpose(t, -2, -1);
    else {
        for (int i = 0; i < t->ndim; i++)
            order[i] = t->ndim - 1 - i;
        out = op_permute(t, t->ndim, order);
    }
    out = scope_take(out);
    scope_end(mark);
    return (PyObject *)out;
}

static PyObject *
get_ndim(Tensor *t, void *closure)
{
    (void)closure;
    return PyLong_FromLong(t->ndim);
}

static PyObject *
get_itemsize(Tensor *t, void *closure)
{
    (void)closure;
    return PyLong_FromLongLong(tensor_itemsize(t));
}

static PyObject *
get_nbytes(Tensor *t, void *closure)
{
    (void)closure;
    return PyLong_FromLongLong(tensor_itemsize(t) * t->numel);
}

static PyObject *
get_on_device(Tensor *t, void *closure)
{
    return PyBool_FromLong(t->device.type == (int8_t)(intptr_t)closure);
}

static PyObject *
get_false(Tensor *t, void *closure)
{
    (void)t, (void)closure;
    Py_RETURN_FALSE;
}

static PyObject *
get_version(Tensor *t, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(t->storage->version);
}

static PyObject *
get_output_nr(Tensor *t, void *closure)
{
    (void)closure;
    return PyLong_FromLong(t->output_nr);
}

static PyObject *
get_base(Tensor *t, void *closure)
{
    (void)closure;
    return Py_NewRef(t->base ? (PyObject *)t->base : Py_None);
}

static PyObject *
get_retains_grad(Tensor *t, void *closure)
{
    (void)closure;
    return PyBool_FromLong(t->retains_grad);
}

/* Whoever holds the dict may put the tensor itself into it. */
static PyObject *
get_dict(PyObject *self, void *closure)
{
    PyObject *dict = PyObject_GenericGetDict(self, closure);
    if (dict != NULL)
        gc_publish(self);
    return dict;
}

static PyGetSetDef tensor_getset[] = {
    {"__dict__", (getter)get_dict, PyObject_GenericSetDict, "Attributes set by users.", NULL},
    {"shape", (getter)get_shape, NULL, "Sizes of all dimensions, a torch.Size.", NULL},
    {"dtype", (getter)get_dtype, NULL, "Element type.", NULL},
    {"device", (getter)get_device, NULL, "Where the memory lives.", NULL},
    {"requires_grad", (getter)get_requires_grad, (setter)set_requires_grad, "Whether gradients are computed for it.", NULL},
    {"grad", (getter)get_grad, (setter)set_grad, "Gradient that backward() accumulated, or None.", NULL},
    {"grad_fn", (getter)get_grad_fn, NULL, "The graph node that made this tensor, or None for a leaf.", NULL},
    {"is_leaf", (getter)get_is_leaf, NULL, "True if no recorded op made this tensor.", NULL},
    {"data", (getter)get_data, (setter)set_data, "The same memory outside autograd.", NULL},
    {"T", (getter)get_transposed, NULL, "All dimensions in reverse order (a view).", NULL},
    {"mT", (getter)get_transposed, NULL, "The last two dimensions exchanged (a view).", (void *)1},
    {"H", (getter)get_transposed, NULL, "Conjugate transpose; for real tensors, mT.", (void *)1},
    {"mH", (getter)get_transposed, NULL, "Conjugate transpose; for real tensors, mT.", (void *)1},
    {"ndim", (getter)get_ndim, NULL, "Number of dimensions.", NULL},
    {"itemsize", (getter)get_itemsize, NULL, "Bytes of one element.", NULL},
    {"nbytes", (getter)get_nbytes, NULL, "Bytes of all elements.", NULL},
    {"is_cpu", (getter)get_on_device, NULL, NULL, (void *)DEVICE_CPU},
    {"is_cuda", (getter)get_on_device, NULL, NULL, (void *)DEVICE_CUDA},
    {"is_meta", (getter)get_on_device, NULL, NULL, (void *)DEVICE_META},
    {"is_sparse", (getter)get_false, NULL, NULL, NULL},
    {"is_quantized", (getter)get_false, NULL, NULL, NULL},
    {"is_nested", (getter)get_false, NULL, NULL, NULL},
    {"is_mps", (getter)get_false, NULL, NULL, NULL},
    {"retains_grad", (getter)get_retains_grad, NULL, "True if .grad of this non-leaf is kept.", NULL},
    {"output_nr", (getter)get_output_nr, NULL, NULL, NULL},
    {"_version", (getter)get_version, NULL, "Count of in-place writes to the memory.", NULL},
    {"_base", (getter)get_base, NULL, "The tensor this one is a view of, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---------------------------------------------------------------- methods that are not ops */
static PyObject *
method_item(PyObject *self, PyObject *unused)
{
    (void)unused;
    return tensor_number((Tensor *)self);
}

/* size() / size(dim), stride() / stride(dim) */
static PyObject *
sizes_or_one(Tensor *t, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const int64_t *values, bool as_size)
{
    Py_ssize_t given = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    if (given > 1 || (given > nargs && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "dim") != 0))
        return (PyObject *)error(PyExc_TypeError, "%s() takes at most one argument, dim", as_size ? "size" : "stride");
    PyObject *dim = given == 1 ? args[0] : Py_None;
    if (dim == Py_None && as_size)
        return size_object(t->ndim, values);
    if (dim == Py_None) {
        PyObject *tuple = PyTuple_New(t->ndim);
        for (int i = 0; tuple && i < t->ndim; i++)
            PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(values[i]));
        return tuple;
    }
    Py_ssize_t k = PyNumber_AsSsize_t(dim, NULL);
    if (k == -1 && PyErr_Occurred())
        return NULL;
    if (t->ndim == 0)
        return (PyObject *)error(PyExc_IndexError, "Dimension specified as %lld but tensor has no dimensions", (long long)k);
    int d = shape_wrap_dim(k, t->ndim);
    return d < 0 ? NULL : PyLong_FromLongLong(values[d]);
}

static PyObject *
method_size(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return sizes_or_one((Tensor *)self, args, nargs, kwnames, ((Tensor *)self)->dims, true);
}

static PyObject *
method_stride(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return sizes_or_one((Tensor *)self, args, nargs, kwnames, ((Tensor *)self)->strides, false);
}

static PyObject *
method_dim(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLong(((Tensor *)self)->ndim);
}

static PyObject *
method_numel(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLongLong(((Tensor *)self)->numel);
}

static PyObject *
method_element_size(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLongLong(tensor_itemsize((Tensor *)self));
}

static PyObject *
method_storage_offset(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLongLong(tensor_offset((Tensor *)self));
}

static PyObject *
method_data_ptr(PyObject *self, PyObject *unused)
{
    (void)unused;
    Tensor *t = (Tensor *)self;
    return PyLong_FromVoidPtr(t->numel ? t->data : NULL);
}

static PyObject *
method_is_contiguous(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"memory_format", NULL};
    PyObject *given = NULL;
    MemoryFormat format = FORMAT_CONTIGUOUS;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &given)
        || (given != NULL && memory_format_argument("is_contiguous", given, &format) < 0))
        return NULL;
    Tensor *t = (Tensor *)self;
    return PyBool_FromLong(format > FORMAT_CONTIGUOUS ? is_channels_last(t, format) : t->contiguous);
}

static PyObject *
method_is_floating_point(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(dtype_is_float((Dtype)((Tensor *)self)->dtype));
}

static PyObject *
method_is_false(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    Py_RETURN_FALSE;
}

static PyObject *
method_get_device(PyObject *self, PyObject *unused)
{
    (void)unused;
    Tensor *t = (Tensor *)self;
    return PyLong_FromLong(t->device.type == DEVICE_CUDA ? t->device.index : -1);
}

static PyObject *
method_detach_(PyObject *self, PyObject *unused)
{
    (void)unused;
    Tensor *t = (Tensor *)self;
    if (t->base != NULL)
        return (PyObject *)error(PyExc_RuntimeError, "Can't detach views in-place. Use detach() instead.");
    Py_CLEAR(t->node);
    t->requires_grad = false;
    t->output_nr = 0;
    return Py_NewRef(self);
}

static PyObject *
method_format(PyObject *self, PyObject *spec)
{
    return tensor_format((Tensor *)self, spec);
}

static PyObject *
method_dir(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *names = PyObject_Dir((PyObject *)Py_TYPE(self)), *dict = ((Tensor *)self)->dict;
    if (names != NULL && dict != NULL) {
        PyObject *keys = PyDict_Keys(dict), *tail = keys ? PyList_SetSlice(names, 0, 0, keys) < 0 ? NULL : Py_None : NULL;
        Py_XDECREF(keys);
        if (tail == NULL)
            Py_CLEAR(names);
    }
    return names;
}

/* Methods written in Python (deepcopy, pickling): Tensor is a static type, so only C can add them. */
static PyObject *
module_add_methods(PyObject *module, PyObject *methods)
{
    (void)module;
    if (!PyDict_Check(methods))
        return (PyObject *)error(PyExc_TypeError, "_add_tensor_methods(): a dict of functions is needed");
    if (PyDict_Update(TensorType.tp_dict, methods) < 0)
        return NULL;
    PyType_Modified(&TensorType);
    Py_RETURN_NONE;
}

#define KEYWORDS(function) (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS
#define FASTCALL(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL | METH_KEYWORDS
static PyMethodDef tensor_methods[] = {
    {"item", method_item, METH_NOARGS, "The value of a one-element tensor as a Python number."},
    {"size", FASTCALL(method_size), "size(dim=None): all sizes as torch.Size, or one as int."},
    {"stride", FASTCALL(method_stride), "stride(dim=None): steps in elements, a tuple or one int."},
    {"dim", method_dim, METH_NOARGS, "Number of dimensions."},
    {"ndimension", method_dim, METH_NOARGS, "Number of dimensions."},
    {"numel", method_numel, METH_NOARGS, "Number of elements."},
    {"nelement", method_numel, METH_NOARGS, "Number of elements."},
    {"element_size", method_element_size, METH_NOARGS, "Bytes of one element."},
    {"storage_offset", method_storage_offset, METH_NOARGS, "Elements between the storage's start and the tensor's."},
    {"data_ptr", method_data_ptr, METH_NOARGS, "Address of the first element."},
    {"is_contiguous", KEYWORDS(method_is_contiguous), "True if elements lie row-major without gaps."},
    {"is_floating_point", method_is_floating_point, METH_NOARGS, NULL},
    {"is_complex", method_is_false, METH_NOARGS, NULL},
    {"is_shared", method_is_false, METH_NOARGS, NULL},
    {"is_inference", method_is_false, METH_NOARGS, NULL},
    {"get_device", method_get_device, METH_NOARGS, "CUDA device index, -1 on the CPU."},
    {"requires_grad_", KEYWORDS(method_requires_grad_), "requires_grad_(requires_grad=True): sets the flag, returns self."},
    {"detach_", method_detach_, METH_NOARGS, "Forgets the history in place."},
    {"as_subclass", method_as_subclass, METH_O, "as_subclass(cls): the same memory and history as an instance of cls."},
    {"_make_subclass", (PyCFunction)(void (*)(void))method_make_subclass, METH_VARARGS | METH_KEYWORDS | METH_STATIC, NULL},
    {"backward", FASTCALL(tensor_backward),
     "backward(gradient=None, retain_graph=None, create_graph=False, inputs=None): gradients of this tensor with respect to "
     "the leaves of its graph, accumulated in their .grad.  Raises RuntimeError if it has no graph, or is not a scalar and "
     "no gradient is given."},
    {"register_hook", tensor_register_hook, METH_O, "register_hook(hook): hook(grad) runs when the gradient is computed."},
    {"register_post_accumulate_grad_hook", tensor_register_post_accumulate_grad_hook, METH_O, NULL},
    {"retain_grad", tensor_retain_grad, METH_NOARGS, "Keeps .grad of this non-leaf after backward()."},
    {"__format__", method_format, METH_O, NULL},
    {"__dir__", method_dir, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef module_methods[] = {
    {"_add_tensor_methods", module_add_methods, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static int
tensor_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    if (PyObject_GenericSetAttr(self, name, value) < 0)
        return -1;
    if (((Tensor *)self)->dict != NULL)
        gc_publish(self);
    return 0;
}

/* By identity: == compares elements. */
static Py_hash_t
tensor_hash(PyObject *self)
{
    return _Py_HashPointer(self);
}

PyTypeObject TensorType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "ctorch.Tensor",
    .tp_basicsize = sizeof(Tensor),
    .tp_dealloc = (destructor)tensor_dealloc,
    .tp_repr = (reprfunc)tensor_repr,
    .tp_as_number = &tensor_number_methods,
    .tp_as_sequence = &tensor_sequence_methods,
    .tp_as_mapping = &tensor_mapping_methods,
    .tp_as_buffer = &tensor_buffer_procs,
    .tp_hash = tensor_hash,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_setattro = tensor_setattro,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "Tensor(*sizes) or Tensor(data): an n-dimensional array of one dtype on one device.",
    .tp_traverse = (traverseproc)tensor_traverse,
    .tp_clear = (inquiry)tensor_clear,
    .tp_richcompare = tensor_richcompare,
    .tp_weaklistoffset = offsetof(Tensor, weakrefs),
    .tp_iter = tensor_iter,
    .tp_methods = tensor_methods,
    .tp_getset = tensor_getset,
    .tp_dictoffset = offsetof(Tensor, dict),
    .tp_new = tensor_legacy_new,
    .tp_free = PyObject_GC_Del,
};

static int
parameter_type_init(PyObject *module)
{
    static PyMemberDef members[] = {
        {"__dictoffset__", T_PYSSIZET, offsetof(Tensor, dict), READONLY, NULL},
        {"__weaklistoffset__", T_PYSSIZET, offsetof(Tensor, weakrefs), READONLY, NULL},
        {NULL, 0, 0, 0, NULL},
    };
    PyType_Slot slots[] = {
        {Py_tp_new, parameter_new}, {Py_tp_dealloc, parameter_dealloc}, {Py_tp_traverse, tensor_traverse},
        {Py_tp_clear, tensor_clear}, {Py_tp_members, members}, {Py_tp_hash, tensor_hash},
        {Py_tp_richcompare, tensor_richcompare},
        {Py_tp_doc, "Parameter(data=None, requires_grad=True): a leaf tensor that a Module registers when it is assigned."},
        {0, NULL},
    };
    PyType_Spec spec = {"ctorch.nn.Parameter", sizeof(Tensor), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
    PyObject *bases = PyTuple_Pack(1, &TensorType);
    ParameterType = bases ? (PyTypeObject *)PyType_FromSpecWithBases(&spec, bases) : NULL;
    Py_XDECREF(bases);
    return ParameterType ? PyModule_AddObjectRef(module, "Parameter", (PyObject *)ParameterType) : -1;
}

static int
add_protocol(PyMethodDef *methods, PyGetSetDef *getset)
{
    for (PyMethodDef *m = methods; m->ml_name; m++) {
        PyObject *descriptor = PyDescr_NewMethod(&TensorType, m);
        if (descriptor == NULL || PyDict_SetItemString(TensorType.tp_dict, m->ml_name, descriptor) < 0)
            return -1;
        Py_DECREF(descriptor);
    }
    for (PyGetSetDef *g = getset; g->name; g++) {
        PyObject *descriptor = PyDescr_NewGetSet(&TensorType, g);
        if (descriptor == NULL || PyDict_SetItemString(TensorType.tp_dict, g->name, descriptor) < 0)
            return -1;
        Py_DECREF(descriptor);
    }
    return 0;
}

int
tensor_type_init(PyObject *module)
{
    if (PyType_Ready(&TensorType) < 0 || add_protocol(numpy_methods, numpy_getset) < 0
        || add_protocol(cuda_methods, cuda_getset) < 0
        || add_protocol(convert_methods, (PyGetSetDef[]){{.name = NULL}}) < 0)
        return -1;
    if (PyModule_AddFunctions(module, module_methods) < 0)
        return -1;
    if (PyModule_AddObjectRef(module, "Tensor", (PyObject *)&TensorType) < 0)
        return -1;
    return parameter_type_init(module);
}
