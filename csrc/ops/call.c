/* A Python call of an op: overloads are tried in order, the winner's Values become operands or a C call, and the
 * result goes back into Python's world.  Subclasses of Tensor come back as what they went in as. */
#include <string.h>

#include "ops/ops.h"
#include "ops/rows.h"

/* ---------------------------------------------------------------- overloads */
static bool
is_candidate(const Row *r, bool method)
{
    return (r->forms & (method ? FORM_METHOD | FORM_INPLACE : FORM_FUNCTION | FORM_NN)) != 0;
}

/* "add() received an invalid combination of arguments - got (int, str), but expected one of: ...", or of one candidate
 * what is wrong. */
static void
no_overload(const Row *first, PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const Row *only = NULL;
    int candidates = 0;
    for (const Row *r = first;; r++) {
        if (is_candidate(r, self != NULL)) {
            only = r;
            candidates++;
        }
        if (!r->overloaded)
            break;
    }
    Value values[ARGS_MAX];
    if (candidates == 1 && signature_parse(&only->signature, self, args, nargs, kwnames, values, true) != 1)
        return;
    PyObject *got = PyUnicode_FromString("");
    Py_ssize_t n = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    for (Py_ssize_t i = 0; i < n && got; i++) {
        const char *type = type_text(args[i]);
        if (i < nargs)
            Py_SETREF(got, PyUnicode_FromFormat("%U%s%s", got, i ? ", " : "", type));
        else
            Py_SETREF(got, PyUnicode_FromFormat("%U%s%U=%s", got, i ? ", " : "", PyTuple_GET_ITEM(kwnames, i - nargs), type));
    }
    PyObject *expected = PyUnicode_FromString("");
    const Row *r = first;
    do {
        if (!is_candidate(r, self != NULL))
            continue;
        PyObject *text = expected ? signature_text(&r->signature) : NULL;
        if (text == NULL)
            break;
        Py_SETREF(expected, PyUnicode_FromFormat("%U\n * %s%U", expected, first->python, text));
        Py_DECREF(text);
    } while ((r++)->overloaded);
    if (got && expected)
        PyErr_Format(PyExc_TypeError, "%s() received an invalid combination of arguments - got (%U), but expected one of:%U",
                     first->python, got, expected);
    Py_XDECREF(got);
    Py_XDECREF(expected);
}

/* Whether a number was read off a tensor that the next overload would take as such. */
static bool
next_takes_tensors(const Row *r, const Value *values)
{
    for (int k = 0; r->overloaded && k < r->signature.n && k < r[1].signature.n; k++)
        if (r->signature.args[k].kind == ARG_SCALAR && r[1].signature.args[k].kind == ARG_TENSOR && values[k].given
            && values[k].tensor != NULL)
            return true;
    return false;
}

/* The first row whose signature fits; *values is filled.  NULL with an error. */
static const Row *
select_row(const Row *first, PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, Value *values)
{
    const Row *r = first;
    do {
        int got = signature_parse(&r->signature, self, args, nargs, kwnames, values, !first->overloaded);
        if (got == 1 && next_takes_tensors(r, values)) {
            int better = signature_parse(&r[1].signature, self, args, nargs, kwnames, values, false);
            if (better != 0)
                return better == 1 ? r + 1 : NULL;
            got = signature_parse(&r->signature, self, args, nargs, kwnames, values, false);
        }
        if (got == 1)
            return r;
        if (got < 0 || !first->overloaded)
            return NULL;
    } while ((r++)->overloaded);
    if (!PyErr_Occurred())
        no_overload(first, self, args, nargs, kwnames);
    return NULL;
}

/* ---------------------------------------------------------------- running */
/* Whether the row may write straight into out, an operand's twin in shape and dtype: nothing to convert, nothing to
 * record, and what it reads is not what it writes, or exactly that. */
static bool
writes_directly(const Row *row, const Operand *in, PyObject *given)
{
    Tensor *out = (Tensor *)given;
    if (given == NULL || !tensor_exact(given) || !out->contiguous || !dtype_is_float((Dtype)out->dtype)
        || tensor_needs_grad(out) || row->bool_operand >= 0 || row->kind == KIND_COMPARE || row->kind == KIND_PREDICATE
        || (in[0].tensor == NULL && (row->arity == 1 || in[1].tensor == NULL)))
        return false;
    for (int k = 0; k < row->arity; k++) {
        const Tensor *t = in[k].tensor;
        if (t == NULL)
            continue;
        bool twin = t->dtype == out->dtype && t->ndim == out->ndim && t->contiguous
                    && memcmp(t->dims, out->dims, (size_t)t->ndim * sizeof t->dims[0]) == 0;
        if (!twin || (t->storage == out->storage && t->data != out->data) || (grad_mode && tensor_needs_grad(t)))
            return false;
    }
    return true;
}

/* The bounds of clamp take part in promotion, and must fit what it computes in; the input's copy in it lives in the
 * scope. */
static int
prepare_clamp(Operand *input, const Value *bounds, Param *params)
{
    int own = dtype_info[input->tensor->dtype].category, category = own;
    for (int k = 0; k < 2; k++)
        if (bounds[k].given && bounds[k].scalar.category > category)
            category = bounds[k].scalar.category;
    if (category > own) {
        input->tensor = op_to_dtype(input->tensor, category == CATEGORY_FLOAT ? default_dtype : DTYPE_INT64);
        if (input->tensor == NULL)
            return -1;
    }
    Dtype d = (Dtype)input->tensor->dtype;
    for (int k = 0; k < 2; k++) {
        if (bounds[k].given && scalar_check_fits(&bounds[k].scalar, d) < 0)
            return -1;
        if (bounds[k].given && d == DTYPE_UINT8)
            params[k].i = (uint8_t)params[k].i;
    }
    return 0;
}

/* A factor must not change the kind of number that the sum of the operands is. */
static int
check_alpha(const Operand *in, int alpha)
{
    int category = CATEGORY_BOOL;
    for (int k = 0; k < 2; k++) {
        int own = in[k].tensor ? dtype_info[in[k].tensor->dtype].category : in[k].scalar.category;
        category = own > category ? own : category;
    }
    if (alpha == CATEGORY_BOOL && category != CATEGORY_BOOL)
        error(PyExc_RuntimeError, "Boolean alpha only supported for Boolean results.");
    else if (alpha == CATEGORY_FLOAT && category != CATEGORY_FLOAT)
        error(PyExc_RuntimeError, "For integral input tensors, argument alpha must not be a floating point number.");
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
run_pointwise(const Row *row, const Value *v, bool inplace, PyObject *out)
{
    Operand in[3];
    Param params[2] = {row->defaults[0], row->defaults[1]};
    int n_params = 0;
    for (int k = 0; k < row->arity; k++) {
        in[k].tensor = v[k].is_scalar ? NULL : v[k].tensor;
        in[k].scalar = v[k].scalar;
    }
    for (int k = row->arity; k < row->signature.n; k++)
        if (row->signature.args[k].kind == ARG_SCALAR && n_params < 2)
            params[n_params++] = v[k].scalar.value;
        else if (row->signature.args[k].kind == ARG_BOOL)
            inplace |= v[k].scalar.value.i != 0;
    Tensor *target = inplace ? in[0].tensor : NULL;
    Op op = (Op)(row - rows);
    if ((op == OP_add || op == OP_sub || op == OP_rsub) && v[2].given && check_alpha(in, v[2].scalar.category) < 0)
        return NULL;
    if (row == &rows[OP_clamp] && !v[1].given && !v[2].given)
        return (PyObject *)error(PyExc_RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None");
    if (row == &rows[OP_clamp] && prepare_clamp(in, v + 1, params) < 0)
        return NULL;
    if (target == NULL && writes_directly(row, in, out))
        target = (Tensor *)out;
    return (PyObject *)pointwise(op, in, params, target);
}

static PyObject *
run_structural(const Row *row, const Value *v, bool inplace)
{
    PyObject *result = row->call(v);
    if (result == NULL || !inplace)
        return result;
    if (!tensor_check(result)) {
        Py_DECREF(result);
        return (PyObject *)error(PyExc_TypeError, "%s() has no in-place form", row->python);
    }
    PyObject *self = (PyObject *)inplace_adopt(v[0].tensor, (Tensor *)result);
    Py_DECREF(result);
    return self;
}

/* ---------------------------------------------------------------- out= */
/* A product is written as it is computed, so nothing is converted. */
static bool
is_product(const Row *row)
{
    static const uint16_t products[] = {OP_mm, OP_bmm, OP_mv, OP_dot, OP_matmul, OP_inner, OP_addmm, OP_addmv, OP_baddbmm};
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
        if (row == &rows[products[i]])
            return true;
    return false;
}

static int
write_one(PyObject *target, PyObject *value, const Row *row)
{
    const char *name = row->python;
    if (!tensor_check(target) || !tensor_check(value)) {
        PyErr_Format(PyExc_TypeError, "%s(): argument 'out' must be Tensor, not %s", name, Py_TYPE(target)->tp_name);
        return -1;
    }
    Tensor *out = (Tensor *)target, *result = (Tensor *)value;
    if (grad_mode && (tensor_needs_grad(out) || tensor_needs_grad(result))) {
        error(PyExc_RuntimeError, "%s(): functions with out=... arguments don't support automatic differentiation, but "
                                  "one of the arguments requires grad.", name);
        return -1;
    }
    if (result->dtype != out->dtype && is_product(row)) {
        error(PyExc_RuntimeError, "Expected out tensor to have dtype %s, but got %s instead (%s)",
              dtype_info[result->dtype].name, dtype_info[out->dtype].name, name);
        return -1;
    }
    if (!dtype_can_cast((Dtype)result->dtype, (Dtype)out->dtype)) {
        error(PyExc_RuntimeError, "result type %s can't be cast to the desired output type %s",
              dtype_info[result->dtype].type_name, dtype_info[out->dtype].type_name);
        return -1;
    }
    if (check_same_device(name, 2, (Tensor *[]){out, result}) < 0)
        return -1;
    size_t mark = scope_begin();
    Tensor *done = op_resize_(out, result->ndim, result->dims) ? op_copy_(out, result) : NULL;
    scope_end(mark);
    return done == NULL ? -1 : 0;
}

/* Whether out's dtype stands for a dtype= that is not given: where a tensor is made, and in sums; means know floats. */
static bool
follows_out(const Row *row, const Value *values, const Tensor *out)
{
    static const uint16_t sums[] = {OP_sum, OP_sum_dim, OP_nansum, OP_prod, OP_prod_dim, OP_cumsum, OP_cumprod};
    if (row->signature.args[0].kind != ARG_TENSOR)
        return true;
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        if (row == &rows[sums[i]])
            return true;
    return (row == &rows[OP_mean] || row == &rows[OP_mean_dim]) && dtype_is_float((Dtype)out->dtype)
           && dtype_is_float((Dtype)values[0].tensor->dtype);
}

/* A dtype= beside out= must be out's. */
static int
settle_out_dtype(const Row *row, Value *values, PyObject *out)
{
    for (int k = 0; k < row->signature.n; k++) {
        if (row->signature.args[k].kind != ARG_DTYPE || !tensor_check(out)
            || (values[k].given && values[k].dtype == (Dtype)((Tensor *)out)->dtype))
            continue;
        if (!values[k].given) {
            values[k].given = follows_out(row, values, (Tensor *)out);
            values[k].dtype = values[k].given ? (Dtype)((Tensor *)out)->dtype : DTYPE_NONE;
            continue;
        }
        const struct DtypeInfo *wanted = &dtype_info[values[k].dtype], *got = &dtype_info[((Tensor *)out)->dtype];
        if (row->signature.args[0].kind == ARG_TENSOR)
            error(PyExc_RuntimeError, "Expected out tensor to have dtype %s, but got %s instead", wanted->name, got->name);
        else
            error(PyExc_RuntimeError, "dtype %s does not match dtype of out parameter (%s): leave dtype= out",
                  wanted->type_name, got->type_name);
        return -1;
    }
    return 0;
}

/* out, a tuple or list, as a tuple of what was written. */
static PyObject *
write_several(PyObject *result, PyObject *out, const Row *row)
{
    PyObject *targets = PyList_Check(out) ? PyList_AsTuple(out) : Py_NewRef(out);
    if (targets == NULL)
        return NULL;
    bool fits = PyTuple_Check(targets) && PyTuple_GET_SIZE(targets) == PyTuple_GET_SIZE(result);
    if (!fits)
        PyErr_Format(PyExc_TypeError, "%s(): argument 'out' must be a tuple of %zd Tensors", row->python, PyTuple_GET_SIZE(result));
    for (Py_ssize_t i = 0; fits && i < PyTuple_GET_SIZE(result); i++)
        fits = write_one(PyTuple_GET_ITEM(targets, i), PyTuple_GET_ITEM(result, i), row) == 0;
    if (!fits)
        Py_CLEAR(targets);
    return targets;
}

/* The result is computed first, so out may be an operand; then it is written over out, resized if need be, unless it
 * stands there already. */
static PyObject *
write_out(PyObject *result, PyObject *out, const Row *row)
{
    if (result == NULL || out == Py_None || result == out)
        return result;
    PyObject *written = PyTuple_Check(result)               ? write_several(result, out, row)
                        : write_one(out, result, row) == 0 ? Py_NewRef(out)
                                                           : NULL;
    Py_DECREF(result);
    return written;
}

/* Names written in a call are interned: as a rule one comparison of addresses answers. */
static bool
is_out(PyObject *name)
{
    static PyObject *interned;
    if (interned == NULL && (interned = PyUnicode_InternFromString("out")) == NULL)
        PyErr_Clear();
    return name == interned
           || ((interned == NULL || !PyUnicode_CHECK_INTERNED(name)) && PyUnicode_CompareWithASCIIString(name, "out") == 0);
}

/* Takes "out" out of the keywords: *kwnames becomes a new tuple, args a new array in buffer. */
static PyObject *
take_out(PyObject *const **args, Py_ssize_t nargs, PyObject **kwnames, PyObject **buffer)
{
    Py_ssize_t n = PyTuple_GET_SIZE(*kwnames), at = -1;
    for (Py_ssize_t i = 0; i < n; i++)
        if (is_out(PyTuple_GET_ITEM(*kwnames, i)))
            at = i;
    if (at < 0 || nargs + n > 2 * ARGS_MAX)
        return NULL;
    PyObject *names = PyTuple_New(n - 1), *out = (*args)[nargs + at];
    if (names == NULL)
        return NULL;                              /* with an error */
    for (Py_ssize_t i = 0; i < nargs; i++)
        buffer[i] = (*args)[i];
    for (Py_ssize_t i = 0, k = 0; i < n; i++)
        if (i != at) {
            buffer[nargs + k] = (*args)[nargs + i];
            PyTuple_SET_ITEM(names, k++, Py_NewRef(PyTuple_GET_ITEM(*kwnames, i)));
        }
    *args = buffer;
    *kwnames = names;
    return out;
}

/* ---------------------------------------------------------------- subclasses */
/* The type of the first operand that is a user's subclass of Tensor, or NULL. */
static PyTypeObject *
subclass_of(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    for (Py_ssize_t i = -1; i < n; i++) {
        PyObject *o = i < 0 ? self : args[i];
        if (o != NULL && tensor_derived(o))
            return Py_TYPE(o);
    }
    return NULL;
}

static PyObject *
as_subclass(PyObject *result, PyTypeObject *type)
{
    if (result == NULL || !Py_IS_TYPE(result, &TensorType))
        return result;
    PyObject *converted = tensor_as_subclass((Tensor *)result, type);
    Py_DECREF(result);
    return converted;
}

/* __torch_function__ of an operand decides the call, as PyTorch lets it. */
static PyObject *
torch_function(PyTypeObject *type, const Row *row, PyObject *self, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames, bool inplace)
{
    char method[64];
    snprintf(method, sizeof method, "%s%s", row->python, inplace ? "_" : "");
    PyObject *all = PyTuple_New(nargs + (self != NULL)), *kwargs = all ? PyDict_New() : NULL, *result = NULL;
    if (kwargs == NULL)
        goto done;
    if (self != NULL)
        PyTuple_SET_ITEM(all, 0, Py_NewRef(self));
    for (Py_ssize_t i = 0; i < nargs; i++)
        PyTuple_SET_ITEM(all, i + (self != NULL), Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++)
        if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0)
            goto done;
    result = tensor_torch_function(type, method, all, kwargs);
done:
    Py_XDECREF(all);
    Py_XDECREF(kwargs);
    return result;
}

/* ---------------------------------------------------------------- entry */
/* x.exp(), exp(x), a.mul(b): no keywords, exact tensors, default parameters. */
static bool
is_plain(const Row *row, PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, Operand *in)
{
    if (kwnames != NULL || (row->kind != KIND_UNARY && row->kind != KIND_BINARY) || row->signature.n_positional < row->arity
        || nargs + (self != NULL) != row->arity || (row->kind == KIND_UNARY && row->n_params > 0 && row->forms & FORM_METHOD))
        return false;
    for (int k = 0; k < row->arity; k++) {
        PyObject *o = self != NULL ? (k == 0 ? self : args[k - 1]) : args[k];
        if (!tensor_exact(o))
            return false;
        in[k].tensor = (Tensor *)o;
    }
    return true;
}

PyObject *
op_python(Op op, PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, bool inplace)
{
    const Row *first = &rows[op], *row;
    if (self != NULL && PyModule_Check(self))
        self = NULL;
    Operand in[3];
    if (is_plain(first, self, args, nargs, kwnames, in))
        return (PyObject *)pointwise(op, in, first->defaults, inplace ? in[0].tensor : NULL);
    PyTypeObject *subclass = subclass_of(self, args, nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0));
    if (subclass != NULL && tensor_overrides_torch_function(subclass))
        return torch_function(subclass, first, self, args, nargs, kwnames, inplace);
    PyObject *buffer[2 * ARGS_MAX], *given_names = kwnames, *out = NULL, *result = NULL;
    if (kwnames != NULL && self == NULL && (out = take_out(&args, nargs, &kwnames, buffer)) == NULL && PyErr_Occurred())
        return NULL;
    Value values[ARGS_MAX];
    size_t mark = scope_begin();
    row = select_row(first, self, args, nargs, kwnames, values);
    bool refused = row != NULL && inplace && values[0].is_scalar;
    if (refused)
        PyErr_Format(PyExc_TypeError, "%s_(): argument 'input' (position 1) must be Tensor, not a number", row->python);
    if (refused || (row != NULL && out != NULL && settle_out_dtype(row, values, out) < 0)) {
        signature_release(&row->signature, values);
        row = NULL;
    }
    if (row != NULL) {
        result = row_is_pointwise(row) ? run_pointwise(row, values, inplace, out) : run_structural(row, values, inplace);
        signature_release(&row->signature, values);
    }
    if (out != NULL)
        result = write_out(result, out, row);
    scope_end(mark);
    if (kwnames != given_names)
        Py_DECREF(kwnames);
    return subclass != NULL && !inplace ? as_subclass(result, subclass) : result;
}
