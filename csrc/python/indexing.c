/* t[...], t[...] = v, len, in, iteration.  Integers, slices, None and ... become views one after another;
 * index tensors, masks and sequences are collected by dimension and left to ops/index.c.  Which Python object
 * means what is decided here, PyTorch's rules throughout. */
#include <string.h>

#include "ops/ops.h"
#include "ops/rows.h"
#include "python/tensor.h"

/* How far one subscript has come. */
typedef struct Subscript {
    Tensor *view;                      /* scope-owned, or the tensor itself */
    int dim;                           /* of view: the next item's */
    int own;                           /* the same dimension as the indexed tensor counts it, for errors */
    int n;                             /* index tensors up to the last one */
    Tensor *indices[NDIM_MAX];         /* in order of dimensions; NULL: all of it */
    int slot;                          /* where the next item's index would stand */
} Subscript;

static int
refuse_item(PyObject *item)
{
    error(PyExc_IndexError,
          "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
          "(got %s)",
          Py_TYPE(item)->tp_name);
    return -1;
}

/* ---------------------------------------------------------------- items */
/* Whether item counts as an integer, which bools and tensors do not. */
static bool
is_integer(PyObject *item)
{
    return PyLong_CheckExact(item)
           || (!PyBool_Check(item) && !tensor_check(item) && !numpy_is_array(item) && PyIndex_Check(item));
}

static int
overflow(void)
{
    PyErr_Clear();
    error(PyExc_ValueError, "Overflow when unpacking long long: the number does not fit in 64 bits");
    return -1;
}

static int
as_integer(PyObject *item, int64_t *out)
{
    PyObject *index = PyNumber_Index(item);
    if (index == NULL)
        return -1;
    int too_large;
    *out = PyLong_AsLongLongAndOverflow(index, &too_large);
    Py_DECREF(index);
    if (too_large)
        return overflow();
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static int
select_item(Subscript *s, int64_t i)
{
    Tensor *t = s->view;
    if (t->ndim == 0)
        s->view = error(PyExc_IndexError,
                        "invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to "
                        "a number");
    else if (i < -t->dims[s->dim] || i >= t->dims[s->dim])
        s->view = error(PyExc_IndexError, "index %lld is out of bounds for dimension %d with size %lld",
                        (long long)i, s->own, (long long)t->dims[s->dim]);
    else
        s->view = op_select(t, s->dim, i);
    s->own++;
    return s->view ? 0 : -1;
}

/* full: a slice that takes everything need not make a view. */
static Tensor *
slice_item(Tensor *t, int dim, PyObject *slice, bool skip_full)
{
    Py_ssize_t start, stop, step;
    PySliceObject *s = (PySliceObject *)slice;
    if (PySlice_Unpack(slice, &start, &stop, &step) < 0)
        return NULL;
    if (step < 0)
        return error(PyExc_ValueError, "step must be greater than zero: t.flip(%d) reverses a dimension",
                     dim);
    if (t->ndim == 0)
        return error(PyExc_IndexError, "slice() cannot be applied to a 0-dim tensor.");
    if (skip_full && step == 1 && start == 0 && (s->stop == Py_None || stop >= t->dims[dim]))
        return t;
    return op_slice(t, dim, start, stop, step);
}

static void
put_index(Subscript *s, Tensor *index)
{
    s->indices[s->slot++] = index;
    s->n = s->slot;
}

/* True and False: a new dimension that is kept once or not at all. */
static int
truth_item(Subscript *s, bool truth)
{
    int64_t length = truth;
    s->view = op_unsqueeze(s->view, s->dim);
    if (s->view == NULL || s->slot == NDIM_MAX)
        return -1;
    Tensor *index = index_zeros(1, &length, DTYPE_INT64, s->view->device);
    if (index == NULL)
        return -1;
    put_index(s, index);
    s->dim++;
    return 0;
}

static int
tensor_item_(Subscript *s, Tensor *t)
{
    bool mask = t->dtype == DTYPE_BOOL || t->dtype == DTYPE_UINT8;
    if (t->ndim == 0 && !dtype_is_float((Dtype)t->dtype) && !tensor_is_meta(t)) {
        int64_t i = tensor_item(t).i;
        if (mask)
            return truth_item(s, i != 0);
        return select_item(s, i);
    }
    int covers = mask ? t->ndim : 1;
    if (s->dim + covers > s->view->ndim) {
        error(PyExc_IndexError, "too many indices for tensor of dimension %d", s->view->ndim);
        return -1;
    }
    put_index(s, t);
    s->dim += covers;
    s->own += covers;
    return 0;
}

/* Lists and arrays: bools are masks, all other numbers become int64. */
static int
sequence_item(Subscript *s, PyObject *item)
{
    bool array = numpy_is_array(item);
    Tensor *t = scope_keep(array ? numpy_to_tensor(item) : tensor_from_data(item, DTYPE_NONE, CPU, true));
    if (t == NULL)
        return -1;
    if (t->dtype != DTYPE_BOOL && t->dtype != DTYPE_UINT8 && (t = op_to_dtype(t, DTYPE_INT64)) == NULL)
        return -1;
    return tensor_item_(s, t);
}

static bool
is_sequence(PyObject *item)
{
    return PyList_Check(item) || PyTuple_Check(item) || numpy_is_array(item)
           || (PySequence_Check(item) && !tensor_check(item));
}

/* An item that is no index tensor moves the slot along with the dimension. */
static void
pass_dims(Subscript *s, int dims)
{
    for (int i = 0; i < dims && s->slot < NDIM_MAX; i++)
        s->indices[s->slot++] = NULL;
    s->dim += dims;
    s->own += dims;
}

/* rest: the dimensions that an Ellipsis stands for. */
static int
apply_item(Subscript *s, PyObject *item, int rest)
{
    if (is_integer(item)) {
        int64_t i;
        return as_integer(item, &i) < 0 ? -1 : select_item(s, i);
    }
    if (PySlice_Check(item)) {
        s->view = slice_item(s->view, s->dim, item, true);
        pass_dims(s, 1);
    } else if (item == Py_Ellipsis)
        pass_dims(s, rest);
    else if (item == Py_None) {
        s->view = op_unsqueeze(s->view, s->dim);
        pass_dims(s, 1);
        s->own--;
    } else if (PyBool_Check(item))
        return truth_item(s, item == Py_True);
    else if (tensor_check(item))
        return tensor_item_(s, (Tensor *)item);
    else if (is_sequence(item))
        return sequence_item(s, item);
    else
        return refuse_item(item);
    return s->view ? 0 : -1;
}

/* ---------------------------------------------------------------- a whole subscript */
/* Dimensions that item takes away from the tensor's own. */
static int
dims_of_item(PyObject *item)
{
    if (item == Py_None || item == Py_Ellipsis || PyBool_Check(item))
        return 0;
    if (tensor_check(item) &&
        (((Tensor *)item)->dtype == DTYPE_BOOL || ((Tensor *)item)->dtype == DTYPE_UINT8))
        return ((Tensor *)item)->ndim;
    return 1;
}

/* A list that holds slices, tensors or sequences has always meant a tuple, and then it is no index tensor. */
static bool
means_tuple(PyObject *key)
{
    if (!PyList_Check(key) || PyList_GET_SIZE(key) >= 32)
        return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(key); i++) {
        PyObject *item = PyList_GET_ITEM(key, i);
        if (tensor_check(item) || PySlice_Check(item) || item == Py_Ellipsis || item == Py_None ||
            PySequence_Check(item))
            return true;
    }
    return false;
}

/* A tuple of the items in key: a new reference. */
static PyObject *
items_of(PyObject *key)
{
    if (PyTuple_Check(key))
        return Py_NewRef(key);
    if (!means_tuple(key))
        return PyTuple_Pack(1, key);
    if (PyErr_WarnEx(PyExc_UserWarning,
                     "Using a non-tuple sequence for multidimensional indexing is deprecated: use "
                     "x[tuple(seq)] instead of x[seq], or x[torch.tensor(seq)]",
                     1) < 0)
        return NULL;
    return PyList_AsTuple(key);
}

static int
apply_items(Subscript *s, PyObject *items)
{
    int own = s->view->ndim, specified = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++)
        specified += dims_of_item(PyTuple_GET_ITEM(items, i));
    if (specified > own) {
        error(PyExc_IndexError, "too many indices for tensor of dimension %d", own);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++)
        if (apply_item(s, PyTuple_GET_ITEM(items, i), own - specified) < 0)
            return -1;
    return 0;
}

/* The index slots are written before they are read. */
static void
start(Subscript *s, Tensor *t)
{
    s->view = t;
    s->dim = s->own = s->n = s->slot = 0;
}

/* Applies key to s->view; index tensors are left in s.  What they refer to lives in *items, to be released.
 */
static int
apply_key(Subscript *s, PyObject *key, PyObject **items)
{
    *items = NULL;
    if (is_integer(key))
        return apply_item(s, key, 0);
    if (PySlice_Check(key)) {
        s->view = slice_item(s->view, 0, key, false);
        return s->view ? 0 : -1;
    }
    *items = items_of(key);
    return *items == NULL ? -1 : apply_items(s, *items);
}

/* ---------------------------------------------------------------- t[key] */
static Tensor *
get_item(Tensor *t, PyObject *key, PyObject **items)
{
    Subscript s;
    start(&s, t);
    if (apply_key(&s, key, items) < 0)
        return NULL;
    if (s.n > 0)
        return op_index(s.view, s.n, s.indices);
    return s.view == t ? op_alias(t) : s.view;
}

/* A subclass that brings __torch_function__ decides itself. */
static PyObject *
overridden(PyObject *self, const char *name, PyObject *args)
{
    PyObject *kwargs = args ? PyDict_New() : NULL, *result = tensor_torch_function(Py_TYPE(self), name, args, kwargs);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return result;
}

static PyObject *
as_type_of(PyObject *self, PyObject *result)
{
    if (result == NULL || tensor_exact(self))
        return result;
    PyObject *converted = tensor_as_subclass((Tensor *)result, Py_TYPE(self));
    Py_DECREF(result);
    return converted;
}

static PyObject *
tensor_subscript(PyObject *self, PyObject *key)
{
    if (!tensor_exact(self) && tensor_overrides_torch_function(Py_TYPE(self)))
        return overridden(self, "__getitem__", PyTuple_Pack(2, self, key));
    PyObject *items;
    size_t mark = scope_begin();
    PyObject *result = (PyObject *)scope_take(get_item((Tensor *)self, key, &items));
    scope_end(mark);
    Py_XDECREF(items);
    return as_type_of(self, result);
}

/* ---------------------------------------------------------------- t[key] = value */
/* value as a Value: a tensor, or a number that takes t's dtype. */
static int
value_of(Tensor *t, PyObject *value, Value *out)
{
    *out = (Value){.given = true, .dtype = DTYPE_NONE};
    if (tensor_check(value)) {
        out->tensor = (Tensor *)value;
        return 0;
    }
    int got = numpy_is_array(value) ? 0 : scalar_from_object(value, &out->scalar);
    out->is_scalar = true;
    if (got < 0 && PyLong_Check(value) && PyErr_ExceptionMatches(PyExc_RuntimeError))
        return overflow();
    if (got == 1 && scalar_check_fits(&out->scalar, (Dtype)t->dtype) < 0)
        return -1;
    if (got == 0)
        error(PyExc_TypeError,
              "can't assign a %s to a torch.%sTensor: convert it with torch.as_tensor(value)",
              Py_TYPE(value)->tp_name, dtype_info[t->dtype].type_name);
    return got == 1 ? 0 : -1;
}

/* Into a view: numbers fill it, tensors are broadcast and converted. */
static int
assign_view(Tensor *view, const Value *value)
{
    if (value->is_scalar || value->tensor->ndim == 0)
        return check_writable(view, "copy_") < 0 || op_fill_(view, value) == NULL ? -1 : 0;
    Tensor *source = value->tensor;
    int extra = 0;
    while (source->ndim - extra > view->ndim && source->dims[extra] == 1)
        extra++;
    if (extra > 0)
        source = op_reshape(source, source->ndim - extra, source->dims + extra);
    if (source == NULL)
        return -1;
    bool same = source->ndim == view->ndim &&
                memcmp(source->dims, view->dims, view->ndim * sizeof view->dims[0]) == 0;
    if (!same)
        source = op_expand(source, view->ndim, view->dims);
    return op_copy_(view, source) ? 0 : -1;
}

static int
assign_indices(const Subscript *s, const Value *value)
{
    Tensor *source = value->tensor;
    if (value->is_scalar)
        source = scope_keep(tensor_from_scalar(value->scalar.value, (Dtype)s->view->dtype, s->view->device));
    return op_index_put(s->view, s->n, s->indices, source, false, true) ? 0 : -1;
}

static int
set_item(Tensor *t, PyObject *key, PyObject *object, PyObject **items)
{
    Subscript s;
    Value value;
    start(&s, t);
    *items = NULL;
    if (value_of(t, object, &value) < 0 || apply_key(&s, key, items) < 0)
        return -1;
    return s.n > 0 ? assign_indices(&s, &value) : assign_view(s.view, &value);
}

static int
tensor_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    if (value == NULL) {
        error(PyExc_TypeError, "Tensor does not support deleting items");
        return -1;
    }
    if (!tensor_exact(self) && tensor_overrides_torch_function(Py_TYPE(self))) {
        PyObject *result = overridden(self, "__setitem__", PyTuple_Pack(3, self, key, value));
        Py_XDECREF(result);
        return result ? 0 : -1;
    }
    PyObject *items;
    size_t mark = scope_begin();
    int result = set_item((Tensor *)self, key, value, &items);
    scope_end(mark);
    Py_XDECREF(items);
    return result;
}

/* ---------------------------------------------------------------- as a sequence */
static Py_ssize_t
tensor_length(PyObject *self)
{
    Tensor *t = (Tensor *)self;
    if (t->ndim > 0)
        return (Py_ssize_t)t->dims[0];
    error(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
}

static PyObject *
tensor_sequence_item(PyObject *self, Py_ssize_t i)
{
    PyObject *key = PyLong_FromSsize_t(i);
    PyObject *result = key ? tensor_subscript(self, key) : NULL;
    Py_XDECREF(key);
    return result;
}

static int
tensor_contains(PyObject *self, PyObject *element)
{
    Operand in[2] = {{.tensor = (Tensor *)self}, {.tensor = NULL}};
    if (tensor_check(element))
        in[1].tensor = (Tensor *)element;
    else {
        int got = numpy_is_array(element) ? 0 : scalar_from_object(element, &in[1].scalar);
        if (got == 0)
            error(PyExc_RuntimeError,
                  "Tensor.__contains__ only supports Tensor or scalar, but you passed in a %s.",
                  Py_TYPE(element)->tp_name);
        if (got != 1)
            return -1;
    }
    Tensor *equal = pointwise(OP_eq, in, rows[OP_eq].defaults, NULL);
    if (equal == NULL)
        return -1;
    int64_t count = 0;
    const Backend *backend = backend_of(equal);
    int failed = backend->mask_count == NULL;
    if (failed)
        not_implemented_device("in", equal);
    else if (equal->numel > 0)
        failed = backend->mask_count((const uint8_t *)equal->data, equal->numel, &count) < 0;
    Py_DECREF(equal);
    return failed ? -1 : count > 0;
}

/* The parts are those of unbind, so that one node stands for the whole loop. */
PyObject *
tensor_iter(PyObject *self)
{
    if (((Tensor *)self)->ndim == 0)
        return (PyObject *)error(PyExc_TypeError, "iteration over a 0-d tensor");
    PyObject *parts = PyObject_CallMethod(self, "unbind", NULL);
    PyObject *iterator = parts ? PyObject_GetIter(parts) : NULL;
    Py_XDECREF(parts);
    return iterator;
}

PyMappingMethods tensor_mapping_methods = {
    .mp_length = tensor_length, .mp_subscript = tensor_subscript, .mp_ass_subscript = tensor_ass_subscript,
};

PySequenceMethods tensor_sequence_methods = {
    .sq_length = tensor_length, .sq_item = tensor_sequence_item, .sq_contains = tensor_contains,
};
