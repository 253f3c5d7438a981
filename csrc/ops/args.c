/* Signatures and the call parser: text -> Signature once at import, then Python arguments -> Values per call.
 * Conversion rules are PyTorch's: bool is not an int, 0-d tensors stand for numbers, ndarrays are not tensors.
 * What an op does with its Values is not decided here. */
#include "autograd/node.h"
#include "ops/args.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* ---------------------------------------------------------------- compiling a signature */
static const struct {
    const char *text;
    ArgKind kind;
    const char *name;             /* in errors */
} kinds[] = {
    {"Tensor|Scalar", ARG_TENSOR_OR_SCALAR, "Tensor"}, {"Tensor[]", ARG_TENSORS, "tuple of Tensors"},
    {"Tensor", ARG_TENSOR, "Tensor"}, {"Scalar", ARG_SCALAR, "Number"}, {"int...", ARG_INTS, "tuple of ints"},
    {"int[", ARG_INTS, "tuple of ints"}, {"int", ARG_INT, "int"},
    {"float", ARG_FLOAT, "float"}, {"bool", ARG_BOOL, "bool"}, {"dtype", ARG_DTYPE, "torch.dtype"},
    {"device", ARG_DEVICE, "torch.device"}, {"str", ARG_STR, "str"}, {"Generator", ARG_GENERATOR, "torch.Generator"},
    {"memory_format", ARG_FORMAT, "torch.memory_format"}, {"object", ARG_OBJECT, "object"},
};

static const char *
kind_name(ArgKind kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].kind == kind)
            return kinds[i].name;
    return "object";
}

static const char *
compile_type(Arg *arg, const char *s)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t length = strlen(kinds[i].text);
        if (strncmp(s, kinds[i].text, length) != 0)
            continue;
        arg->kind = kinds[i].kind;
        arg->varargs = strcmp(kinds[i].text, "int...") == 0;
        s += length;
        if (strcmp(kinds[i].text, "int[") == 0) {
            char *end;
            arg->fixed = *s == ']' ? 0 : (int)strtol(s, &end, 10);
            s = strchr(s, ']') + 1;
        }
        if (*s == '?') {
            arg->optional = true;
            s++;
        }
        return s;
    }
    return NULL;
}

static void
set_number(Value *v, double f, int category)
{
    v->given = true;
    v->scalar.category = (int8_t)category;
    v->scalar.value.f = f;
    v->scalar.value.i = f >= 9.2e18 ? INT64_MAX : f <= -9.2e18 ? INT64_MIN : (int64_t)f;
}

/* A default: None, None{-inf}, True, 1, 0.5, 'mean', () or [0, 1]. */
static const char *
compile_default(Arg *arg, const char *s)
{
    Value *v = &arg->fallback;
    arg->has_default = true;
    if (strncmp(s, "None", 4) == 0) {
        s += 4;
        if (*s == '{') {
            set_number(v, s[1] == '-' ? -HUGE_VAL : HUGE_VAL, CATEGORY_FLOAT);
            v->given = false;
            s = strchr(s, '}') + 1;
        }
        return s;
    }
    if (strncmp(s, "True", 4) == 0 || strncmp(s, "False", 5) == 0) {
        set_number(v, *s == 'T', CATEGORY_BOOL);
        return s + (*s == 'T' ? 4 : 5);
    }
    if (*s == '\'') {
        const char *end = strchr(s + 1, '\'');
        v->given = true;
        v->object = PyUnicode_FromStringAndSize(s + 1, end - s - 1);
        v->text = v->object ? PyUnicode_AsUTF8(v->object) : NULL;
        return v->text ? end + 1 : NULL;
    }
    if (*s == '(' || *s == '[') {
        v->given = true;
        v->ints = v->inline_ints;
        for (s++; *s != ')' && *s != ']';) {
            char *end;
            v->inline_ints[v->n++] = strtol(s, &end, 10);
            s = end + strspn(end, ", ");
        }
        return s + 1;
    }
    char *end;
    double number = strtod(s, &end);
    bool is_int = memchr(s, '.', end - s) == NULL && memchr(s, 'e', end - s) == NULL;
    set_number(v, number, is_int ? CATEGORY_INT : CATEGORY_FLOAT);
    return end == s ? NULL : end;
}

int
signature_compile(Signature *sig, const char *function, const char *source)
{
    sig->function = function;
    sig->source = source;
    sig->n = sig->n_positional = 0;
    sig->owning = 0;
    size_t most = 1;
    for (const char *c = source; *c; c++)
        most += *c == ',';
    sig->args = PyMem_Calloc(most, sizeof(Arg));
    if (sig->args == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    bool keyword_only = false;
    const char *s = source;
    while (*s) {
        s += strspn(s, ", ");
        if (*s == '*') {
            keyword_only = true;
            s++;
            continue;
        }
        if (!*s)
            break;
        if (sig->n == ARGS_MAX)
            goto fail;
        Arg *arg = &sig->args[sig->n++];
        arg->fallback.dtype = DTYPE_NONE;
        arg->fallback.device.type = -1;
        arg->keyword_only = keyword_only;
        s = compile_type(arg, s);
        if (s == NULL)
            goto fail;
        if (arg->kind == ARG_INTS || arg->kind == ARG_TENSORS || arg->kind == ARG_STR)
            sig->owning |= 1u << (sig->n - 1);
        s += strspn(s, " ");
        size_t length = strcspn(s, "=, ");
        arg->name = PyUnicode_FromStringAndSize(s, (Py_ssize_t)length);
        if (arg->name == NULL)
            return -1;
        PyUnicode_InternInPlace(&arg->name);
        s += length;
        if (*s == '=' && (s = compile_default(arg, s + 1)) == NULL)
            goto fail;
        if (!keyword_only)
            sig->n_positional = sig->n;
    }
    return 0;
fail:
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_SystemError, "signature of %s does not parse: %s", function, source);
    return -1;
}

static PyObject *
default_text(const Arg *arg)
{
    const Value *v = &arg->fallback;
    if (!v->given)
        return PyUnicode_FromString("None");
    if (v->text)
        return PyUnicode_FromFormat("'%s'", v->text);
    if (arg->kind == ARG_INTS)
        return PyUnicode_FromString(v->n ? "..." : "()");
    if (v->scalar.category == CATEGORY_BOOL)
        return PyUnicode_FromString(v->scalar.value.i ? "True" : "False");
    PyObject *number = v->scalar.category == CATEGORY_INT ? PyLong_FromLongLong(v->scalar.value.i)
                                                          : PyFloat_FromDouble(v->scalar.value.f);
    PyObject *text = number ? PyObject_Repr(number) : NULL;
    Py_XDECREF(number);
    return text;
}

PyObject *
signature_text(const Signature *sig)
{
    PyObject *text = PyUnicode_FromString("(");
    bool star = false;
    for (int i = 0; i < sig->n && text; i++) {
        const Arg *arg = &sig->args[i];
        PyObject *value = arg->has_default ? default_text(arg) : PyUnicode_FromString("");
        if (value == NULL)
            break;
        PyObject *next = PyUnicode_FromFormat(
            "%U%s%s%s%U%s%U", text, i ? ", " : "", arg->keyword_only && !star ? "*, " : "", arg->varargs ? "*" : "",
            arg->name, arg->has_default ? "=" : "", value);
        star |= arg->keyword_only;
        Py_DECREF(value);
        Py_SETREF(text, next);
    }
    if (text)
        Py_SETREF(text, PyUnicode_FromFormat("%U)", text));
    return text;
}

/* ---------------------------------------------------------------- converting one object */
int
scalar_from_object(PyObject *o, Scalar *out)
{
    if (PyFloat_Check(o)) {
        double f = PyFloat_AS_DOUBLE(o);
        out->value.f = f;
        out->value.i = f >= 9.2e18 ? INT64_MAX : f <= -9.2e18 || f != f ? INT64_MIN : (int64_t)f;
        out->category = CATEGORY_FLOAT;
        return 1;
    }
    if (PyBool_Check(o)) {
        out->value.i = o == Py_True;
        out->value.f = (double)out->value.i;
        out->category = CATEGORY_BOOL;
        return 1;
    }
    if (PyLong_Check(o)) {
        int overflow;
        int64_t i = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (overflow) {
            PyErr_SetString(PyExc_RuntimeError, "value cannot be converted to type int64_t without overflow");
            return -1;
        }
        if (i == -1 && PyErr_Occurred())
            return -1;
        out->value.i = i;
        out->value.f = (double)i;
        out->category = CATEGORY_INT;
        return 1;
    }
    if (tensor_check(o)) {
        Tensor *t = (Tensor *)o;
        if (t->ndim != 0 || t->device.type == DEVICE_META)
            return 0;
        out->value = tensor_item(t);
        out->category = (int8_t)dtype_info[t->dtype].category;
        return t->device.type != DEVICE_CPU && PyErr_Occurred() ? -1 : 1;
    }
    /* NumPy scalars and other number-like objects; arrays, sequences and strings are not numbers. */
    PyNumberMethods *number = Py_TYPE(o)->tp_as_number;
    if (number == NULL || Py_TYPE(o)->tp_iter || PyComplex_Check(o))
        return 0;
    PyObject *converted, *dtype;
    if (number->nb_index)
        converted = PyNumber_Index(o);
    else if (number->nb_float == NULL)
        return 0;
    else if ((dtype = PyObject_GetAttrString(o, "dtype")) == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return 0;
    } else {
        Py_DECREF(dtype);
        converted = object_is_bool(o) ? PyBool_FromLong(PyObject_IsTrue(o)) : PyNumber_Float(o);
    }
    if (converted == NULL)
        return -1;
    int result = scalar_from_object(converted, out);
    Py_DECREF(converted);
    return result;
}

/* Integers: anything with __index__ except bool; 0-d integer tensors have __index__ too. */
static int
int_from_object(PyObject *o, int64_t *out)
{
    if (PyBool_Check(o))
        return 0;
    if (!PyLong_Check(o) && !PyIndex_Check(o))
        return 0;
    if (tensor_check(o) && (((Tensor *)o)->numel != 1 || dtype_info[((Tensor *)o)->dtype].category != CATEGORY_INT))
        return 0;
    PyObject *index = PyLong_CheckExact(o) ? Py_NewRef(o) : PyNumber_Index(o);
    if (index == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    int overflow;
    *out = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (overflow) {
        PyErr_SetString(PyExc_ValueError, "Overflow when unpacking long long: the integer does not fit in 64 bits");
        return -1;
    }
    return *out == -1 && PyErr_Occurred() ? -1 : 1;
}

/* The items of a list or tuple are copied first: converting one may run Python code that changes the list. */
static PyObject *
frozen_sequence(PyObject *o)
{
    if (PyTuple_Check(o))
        return Py_NewRef(o);
    return PyList_Check(o) ? PyList_AsTuple(o) : NULL;
}

/* A number of a list that is too large is a wrong list: a TypeError, where a lone one is a wrong value. */
static int
unpack_failed(const Signature *sig, const Arg *arg, int64_t position)
{
    PyObject *type, *value, *traceback;
    if (!PyErr_ExceptionMatches(PyExc_ValueError))
        return -1;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_Format(PyExc_TypeError, "%s(): argument '%U' failed to unpack the object at pos %lld with error \"%S\"", sig->function,
                 arg->name, (long long)position, value);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return -1;
}

static int
ints_from_object(PyObject *o, const Signature *sig, const Arg *arg, Value *v)
{
    int64_t one;
    if (arg->varargs || arg->fixed) {
        int got = int_from_object(o, &one);
        if (got < 0)
            return arg->varargs ? unpack_failed(sig, arg, 1) : -1;
        if (got) {
            v->n = arg->fixed ? arg->fixed : 1;
            v->ints = v->inline_ints;
            for (int64_t i = 0; i < v->n; i++)
                v->ints[i] = one;
            return 1;
        }
    }
    PyObject *items = frozen_sequence(o);
    if (items == NULL)
        return PyErr_Occurred() ? -1 : 0;
    v->n = PyTuple_GET_SIZE(items);
    v->ints = v->n <= 8 ? v->inline_ints : PyMem_New(int64_t, v->n);
    int result = 1;
    if (v->ints == NULL) {
        PyErr_NoMemory();
        result = -1;
    }
    for (int64_t i = 0; i < v->n && result == 1; i++)
        if ((result = int_from_object(PyTuple_GET_ITEM(items, i), &v->ints[i])) < 0)
            unpack_failed(sig, arg, i + 1);
    Py_DECREF(items);
    return result;
}

/* v->object keeps the frozen sequence alive, and with it the borrowed tensors. */
static int
tensors_from_object(PyObject *o, Value *v)
{
    PyObject *items = frozen_sequence(o);
    if (items == NULL)
        return PyErr_Occurred() ? -1 : 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++)
        if (!tensor_check(PyTuple_GET_ITEM(items, i))) {
            Py_DECREF(items);
            return 0;
        }
    v->object = items;
    v->n = PyTuple_GET_SIZE(items);
    v->tensors = (Tensor **)&PyTuple_GET_ITEM(items, 0);
    return 1;
}

const char *
type_text(PyObject *o)
{
    const char *name = Py_TYPE(o)->tp_name, *dot = tensor_check(o) ? strrchr(name, '.') : NULL;
    return dot ? dot + 1 : name;
}

bool
object_is_bool(PyObject *o)
{
    const char *name = Py_TYPE(o)->tp_name;
    return PyBool_Check(o) || strcmp(name, "numpy.bool_") == 0 || strcmp(name, "numpy.bool") == 0;
}

static int
bool_from_object(PyObject *o, Value *v)
{
    if (!object_is_bool(o))
        return 0;
    int truth = PyObject_IsTrue(o);
    v->scalar.value = (Param){truth, truth};
    v->scalar.category = CATEGORY_BOOL;
    return truth < 0 ? -1 : 1;
}

/* 1 converted, 0 wrong type, -1 error set */
static int
value_from_object(PyObject *o, const Signature *sig, const Arg *arg, Value *v)
{
    v->given = true;
    v->is_scalar = false;
    switch (arg->kind) {
    case ARG_TENSOR:
        v->tensor = (Tensor *)o;
        return tensor_check(o);
    case ARG_TENSOR_OR_SCALAR:
        v->tensor = (Tensor *)o;
        if (tensor_check(o))
            return 1;
        v->is_scalar = true;
        v->tensor = NULL;
        return scalar_from_object(o, &v->scalar);
    case ARG_SCALAR:
    case ARG_FLOAT:
        v->tensor = PyFloat_CheckExact(o) || !tensor_check(o) ? NULL : (Tensor *)o;
        if (v->tensor != NULL && tensor_needs_grad(v->tensor))  /* its history would be lost */
            return 0;
        return scalar_from_object(o, &v->scalar);
    case ARG_INT: {
        int got = int_from_object(o, &v->scalar.value.i);
        v->scalar.value.f = (double)v->scalar.value.i;
        v->scalar.category = CATEGORY_INT;
        return got;
    }
    case ARG_BOOL:
        return bool_from_object(o, v);
    case ARG_INTS:
        return ints_from_object(o, sig, arg, v);
    case ARG_TENSORS:
        return tensors_from_object(o, v);
    case ARG_DTYPE:
        if (dtype_from_object(o, &v->dtype) == 0)
            return 1;
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        PyErr_Clear();
        return 0;
    case ARG_DEVICE:
        if (!PyUnicode_Check(o) && !PyLong_Check(o) && !PyObject_TypeCheck(o, &DeviceType_))
            return 0;
        return device_from_object(o, &v->device) == 0 ? 1 : -1;
    case ARG_STR:
        if (!PyUnicode_Check(o))
            return 0;
        v->object = Py_NewRef(o);
        v->text = PyUnicode_AsUTF8(o);
        return v->text ? 1 : -1;
    case ARG_GENERATOR:
        v->object = o;
        return PyObject_TypeCheck(o, &GeneratorType);
    case ARG_FORMAT:
        v->scalar.value.i = memory_format_of(o);
        return v->scalar.value.i >= 0;
    case ARG_OBJECT:
        v->object = o;
        return 1;
    }
    return 0;
}

void
signature_release(const Signature *sig, Value *values)
{
    for (uint32_t left = sig->owning; left != 0; left &= left - 1) {
        int i = __builtin_ctz(left);
        Value *v = &values[i];
        if (sig->args[i].kind == ARG_INTS && v->ints && v->n > 8)
            PyMem_Free(v->ints);
        if (sig->args[i].kind == ARG_TENSORS || sig->args[i].kind == ARG_STR)
            Py_XDECREF(v->object);
    }
}

/* ---------------------------------------------------------------- parsing a call */
/* NumPy's spellings of PyTorch's parameters, and those of aliases. */
static bool
same_name(PyObject *wanted, PyObject *given)
{
    static const char *const synonyms[][2] = {{"dim", "axis"}, {"keepdim", "keepdims"}, {"input", "x"}, {"other", "x2"},
                                               {"dim0", "axis0"}, {"dim1", "axis1"}};
    if (wanted == given || PyUnicode_Compare(wanted, given) == 0)
        return true;
    for (size_t i = 0; i < sizeof synonyms / sizeof synonyms[0]; i++)
        if (PyUnicode_CompareWithASCIIString(wanted, synonyms[i][0]) == 0)
            return PyUnicode_CompareWithASCIIString(given, synonyms[i][1]) == 0;
    return false;
}

static int
find_name(const Signature *sig, PyObject *name)
{
    for (int i = 0; i < sig->n; i++)
        if (sig->args[i].name == name)
            return i;
    for (int i = 0; i < sig->n; i++)
        if (same_name(sig->args[i].name, name))
            return i;
    return -1;
}

/* Whether an error says which of n items is none of those that argument i is a sequence of. */
static bool
wrong_item(const Signature *sig, int i, int position, PyObject *const *items, Py_ssize_t n)
{
    bool ints = sig->args[i].kind == ARG_INTS;
    for (Py_ssize_t k = 0; k < n; k++) {
        if (ints ? PyIndex_Check(items[k]) && !PyBool_Check(items[k]) : tensor_check(items[k]))
            continue;
        if (ints)
            PyErr_Format(PyExc_TypeError, "%s(): argument '%U' (position %d) must be tuple of ints, but found element of type %s "
                                          "at pos %zd", sig->function, sig->args[i].name, position, type_text(items[k]), k);
        else
            PyErr_Format(PyExc_TypeError, "expected Tensor as element %zd in argument %d, but got %s (%s(): argument '%U' is a "
                                          "sequence of Tensors; torch.tensor(...) makes one of numbers)", k, i,
                         type_text(items[k]), sig->function, sig->args[i].name);
        return true;
    }
    return false;
}

static int
wrong_type(const Signature *sig, int i, int position, PyObject *o)
{
    bool sequence = sig->args[i].kind == ARG_INTS || sig->args[i].kind == ARG_TENSORS;
    PyObject *items = sequence ? frozen_sequence(o) : NULL;
    bool told = items != NULL && wrong_item(sig, i, position > 0 ? position : i + 1, &PyTuple_GET_ITEM(items, 0), PyTuple_GET_SIZE(items));
    Py_XDECREF(items);
    if (told || PyErr_Occurred())
        return 0;
    if (position > 0)
        PyErr_Format(PyExc_TypeError, "%s(): argument '%U' (position %d) must be %s, not %s", sig->function,
                     sig->args[i].name, position, kind_name(sig->args[i].kind), type_text(o));
    else
        PyErr_Format(PyExc_TypeError, "%s(): argument '%U' must be %s, not %s", sig->function, sig->args[i].name,
                     kind_name(sig->args[i].kind), type_text(o));
    return 0;
}

/* Converts o for argument i; None stands for "not given" where the type has a "?". */
static int
parse_one(const Signature *sig, int i, int position, PyObject *o, Value *values, bool report)
{
    const Arg *arg = &sig->args[i];
    if (o == Py_None && arg->optional) {
        values[i] = arg->fallback;
        values[i].given = false;
        return 1;
    }
    int got = value_from_object(o, sig, arg, &values[i]);
    if (got == 0 && report)
        wrong_type(sig, i, position, o);
    return got;
}

/* x.view(2, 3): every positional argument from here on is one size. */
static int
parse_varargs(const Signature *sig, int i, PyObject *const *args, Py_ssize_t nargs, Value *values, bool report)
{
    Value *v = &values[i];
    bool exact = sig->args[i].kind == ARG_INTS && nargs <= 8;
    for (Py_ssize_t k = 0; exact && k < nargs; k++)
        exact = PyLong_CheckExact(args[k]);
    if (exact) {
        v->given = true;
        v->is_scalar = false;
        v->n = nargs;
        v->ints = v->inline_ints;
        int got = 1;
        for (Py_ssize_t k = 0; k < nargs && got == 1; k++)
            if ((got = int_from_object(args[k], &v->ints[k])) < 0)
                unpack_failed(sig, &sig->args[i], k + 1);
        return got;
    }
    PyObject *tuple = PyTuple_New(nargs);
    if (tuple == NULL)
        return -1;
    for (Py_ssize_t k = 0; k < nargs; k++)
        PyTuple_SET_ITEM(tuple, k, Py_NewRef(args[k]));
    int got = parse_one(sig, i, i + 1, tuple, values, false);
    if (got == 0 && report && !wrong_item(sig, i, i + 1, args, nargs))
        wrong_type(sig, i, i + 1, args[0]);
    Py_DECREF(tuple);
    return got;
}

/* Old programs have the factor in front: add_(-lr, grad). */
static void
too_many(const Signature *sig, int first, PyObject *const *args, Py_ssize_t nargs)
{
    int most = sig->n_positional - first;
    PyObject *hint = NULL;
    if (sig->n > sig->n_positional && sig->args[sig->n_positional].kind == ARG_SCALAR && nargs > 1
        && (PyFloat_Check(args[0]) || PyLong_Check(args[0])))
        hint = PyUnicode_FromFormat("; a factor stands behind: %s(..., %U=%R)", sig->function, sig->args[sig->n_positional].name,
                                    args[0]);
    PyErr_Format(PyExc_TypeError, "%s() takes %d positional argument%s but %zd %s given%V", sig->function, most,
                 most == 1 ? "" : "s", nargs, nargs == 1 ? "was" : "were", hint, "");
    Py_XDECREF(hint);
}

static int
parse_positional(const Signature *sig, int first, PyObject *const *args, Py_ssize_t nargs, Value *values, bool *seen,
                 bool report)
{
    bool one_by_one = nargs > 0 && first < sig->n_positional && sig->args[first].varargs && (nargs > 1 || PyLong_Check(args[0]))
                      && !(PyTuple_Check(args[0]) || PyList_Check(args[0]));
    if (!one_by_one && nargs > sig->n_positional - first) {
        if (report)
            too_many(sig, first, args, nargs);
        return 0;
    }
    if (one_by_one) {
        seen[first] = true;
        return parse_varargs(sig, first, args, nargs, values, report);
    }
    for (Py_ssize_t k = 0; k < nargs; k++) {
        int i = first + (int)k;
        seen[i] = true;
        int got = parse_one(sig, i, (int)k + 1, args[k], values, report);
        if (got != 1)
            return got;
    }
    return 1;
}

static int
parse_keywords(const Signature *sig, PyObject *const *args, PyObject *kwnames, Value *values, bool *seen, bool report)
{
    Py_ssize_t n = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t k = 0; k < n; k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        int i = find_name(sig, name);
        if (i < 0) {
            if (report)
                PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", sig->function, name);
            return 0;
        }
        if (seen[i]) {
            if (report)
                PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", sig->function, name);
            return 0;
        }
        seen[i] = true;
        int got = parse_one(sig, i, 0, args[k], values, report);
        if (got != 1)
            return got;
    }
    return 1;
}

static int
fill_defaults(const Signature *sig, Value *values, const bool *seen, bool report)
{
    for (int i = 0; i < sig->n; i++) {
        if (seen[i])
            continue;
        if (!sig->args[i].has_default) {
            if (report)
                PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional arguments: \"%U\"", sig->function,
                             sig->args[i].name);
            return 0;
        }
        const Value *fallback = &sig->args[i].fallback;
        memcpy(&values[i], fallback, offsetof(Value, inline_ints));
        if (sig->args[i].kind == ARG_STR)
            Py_XINCREF(values[i].object);
        if (fallback->ints != NULL) {
            memcpy(values[i].inline_ints, fallback->inline_ints, sizeof fallback->inline_ints);
            values[i].ints = values[i].inline_ints;
        }
    }
    return 1;
}

int
signature_parse(const Signature *sig, PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                Value *values, bool report)
{
    bool seen[ARGS_MAX] = {false};
    int first = 0;
    for (uint32_t left = sig->owning; left != 0; left &= left - 1) {
        Value *v = &values[__builtin_ctz(left)];
        v->n = 0;
        v->ints = NULL;
        v->object = NULL;
    }
    int got = 1;
    if (self != NULL) {
        seen[0] = true;
        first = 1;
        got = parse_one(sig, 0, 0, self, values, report);
    }
    if (got == 1)
        got = parse_positional(sig, first, args, nargs, values, seen, report);
    if (got == 1)
        got = parse_keywords(sig, args + nargs, kwnames, values, seen, report);
    if (got == 1)
        got = fill_defaults(sig, values, seen, report);
    if (got != 1)
        signature_release(sig, values);
    return got;
}
