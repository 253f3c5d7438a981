/* The named tuples of ops with several results.  Each type is made at its first use. */
#include "ops/return_types.h"

static const struct {
    const char *name, *first, *second;
} descriptions[RETURN_TYPES] = {
    [RETURN_MAX] = {"torch.return_types.max", "values", "indices"},
    [RETURN_MIN] = {"torch.return_types.min", "values", "indices"},
    [RETURN_MEDIAN] = {"torch.return_types.median", "values", "indices"},
    [RETURN_NANMEDIAN] = {"torch.return_types.nanmedian", "values", "indices"},
    [RETURN_MODE] = {"torch.return_types.mode", "values", "indices"},
    [RETURN_KTHVALUE] = {"torch.return_types.kthvalue", "values", "indices"},
    [RETURN_CUMMAX] = {"torch.return_types.cummax", "values", "indices"},
    [RETURN_CUMMIN] = {"torch.return_types.cummin", "values", "indices"},
    [RETURN_SORT] = {"torch.return_types.sort", "values", "indices"},
    [RETURN_TOPK] = {"torch.return_types.topk", "values", "indices"},
    [RETURN_AMINMAX] = {"torch.return_types.aminmax", "min", "max"},
};

static PyTypeObject *types[RETURN_TYPES];

/* One field a line, as PyTorch prints them. */
static PyObject *
pair_repr(PyObject *self)
{
    for (int k = 0; k < RETURN_TYPES; k++)
        if (types[k] != NULL && Py_IS_TYPE(self, types[k]))
            return PyUnicode_FromFormat("%s(\n%s=%R,\n%s=%R)", descriptions[k].name, descriptions[k].first,
                                        PyTuple_GET_ITEM(self, 0), descriptions[k].second,
                                        PyTuple_GET_ITEM(self, 1));
    return PyUnicode_FromString(Py_TYPE(self)->tp_name);
}

PyTypeObject *
return_type(ReturnType type)
{
    if (types[type] != NULL)
        return types[type];
    PyStructSequence_Field fields[3] = {
        {descriptions[type].first, NULL}, {descriptions[type].second, NULL}, {NULL, NULL}};
    PyStructSequence_Desc desc = {descriptions[type].name, NULL, fields, 2};
    PyTypeObject *made = PyStructSequence_NewType(&desc);
    if (made == NULL)
        return NULL;
    made->tp_repr = pair_repr;
    made->tp_str = pair_repr;
    return types[type] = made;
}

PyObject *
return_pair(ReturnType type, Tensor *a, Tensor *b)
{
    PyTypeObject *t = a && b && !PyErr_Occurred() ? return_type(type) : NULL;
    PyObject *pair = t ? PyStructSequence_New(t) : NULL;
    if (pair == NULL)
        return NULL;
    PyStructSequence_SET_ITEM(pair, 0, (PyObject *)scope_take(a));
    PyStructSequence_SET_ITEM(pair, 1, (PyObject *)scope_take(b));
    return pair;
}

PyObject *
return_tuple(Tensor *a, Tensor *b)
{
    PyObject *pair = a && b && !PyErr_Occurred() ? PyTuple_New(2) : NULL;
    if (pair == NULL)
        return NULL;
    PyTuple_SET_ITEM(pair, 0, (PyObject *)scope_take(a));
    PyTuple_SET_ITEM(pair, 1, (PyObject *)scope_take(b));
    return pair;
}
