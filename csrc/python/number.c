/* Tensor's operators: + - * / // % ** @ and the rest, in both orders and in place, and the comparisons.  Numbers stay
 * numbers, ndarrays become tensors; anything else is Python's to decide (NotImplemented). */
#include <string.h>

#include "ops/ops.h"
#include "ops/rows.h"
#include "python/tensor.h"

/* One operand: 1 taken (a new reference in *held if it had to be converted), 0 not ours, -1 error. */
static int
take_operand(PyObject *o, Operand *in, PyObject **held)
{
    in->tensor = NULL;
    if (tensor_check(o)) {
        in->tensor = (Tensor *)o;
        return 1;
    }
    if (PyFloat_CheckExact(o) || PyLong_Check(o) || !numpy_is_array(o)) {
        int got = scalar_from_object(o, &in->scalar);
        if (got < 0 && PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            return 0;
        }
        return got;
    }
    *held = (PyObject *)numpy_to_tensor(o);
    in->tensor = (Tensor *)*held;
    return *held ? 1 : -1;
}

static PyObject *
not_implemented(void)
{
    Py_RETURN_NOTIMPLEMENTED;
}

static PyObject *
operate(Op op, PyObject *a, PyObject *b, bool inplace)
{
    Operand in[2];
    if (tensor_exact(a) && tensor_exact(b)) {
        in[0].tensor = (Tensor *)a;
        in[1].tensor = (Tensor *)b;
        return (PyObject *)pointwise(op, in, rows[op].defaults, inplace ? in[0].tensor : NULL);
    }
    PyObject *held[2] = {NULL, NULL}, *result = NULL;
    /* A user's subclass takes the slow path of a call, which keeps its type and honours __torch_function__. */
    if (tensor_derived(a) || tensor_derived(b)) {
        int other = scalar_from_object(tensor_check(a) ? b : a, &in[1].scalar);
        if (other < 0)
            PyErr_Clear();
        if (tensor_check(a) && (tensor_check(b) || other == 1))
            return op_python(op, a, &b, 1, NULL, inplace);
    }
    int left = take_operand(a, &in[0], &held[0]);
    int right = left == 1 ? take_operand(b, &in[1], &held[1]) : 1;
    if (left == 0 || right == 0)
        result = not_implemented();
    else if (left == 1 && right == 1)
        result = (PyObject *)pointwise(op, in, rows[op].defaults, inplace ? in[0].tensor : NULL);
    Py_XDECREF(held[0]);
    Py_XDECREF(held[1]);
    return result;
}

#define SLOT(name, op) \
    static PyObject *slot_##name(PyObject *a, PyObject *b) { return operate(OP_##op, a, b, false); } \
    static PyObject *slot_i##name(PyObject *a, PyObject *b) { return operate(OP_##op, a, b, true); }
SLOT(add, add)
SLOT(mul, mul)
SLOT(and, bitwise_and)
SLOT(or, bitwise_or)
SLOT(xor, bitwise_xor)
SLOT(lshift, bitwise_left_shift)
SLOT(rshift, bitwise_right_shift)
SLOT(remainder, remainder)
SLOT(floor_divide, floor_divide)

/* 2 - x is rsub(x, 2) and 2 / x is reciprocal(x) * 2, as their grad_fn shows. */
static PyObject *
slot_sub(PyObject *a, PyObject *b)
{
    if (!tensor_check(a) && tensor_check(b) && !numpy_is_array(a))
        return operate(OP_rsub, b, a, false);
    return operate(OP_sub, a, b, false);
}

static PyObject *
slot_isub(PyObject *a, PyObject *b)
{
    return operate(OP_sub, a, b, true);
}

static PyObject *
slot_true_divide(PyObject *a, PyObject *b)
{
    if (tensor_check(a) || !tensor_check(b) || numpy_is_array(a))
        return operate(OP_div, a, b, false);
    Scalar number;
    int got = scalar_from_object(a, &number);
    if (got <= 0)
        return got < 0 ? NULL : not_implemented();
    PyObject *inverse = op_python(OP_reciprocal, b, NULL, 0, NULL, false);
    PyObject *result = inverse ? operate(OP_mul, inverse, a, false) : NULL;
    Py_XDECREF(inverse);
    return result;
}

static PyObject *
slot_itrue_divide(PyObject *a, PyObject *b)
{
    return operate(OP_div, a, b, true);
}

static PyObject *
slot_power(PyObject *a, PyObject *b, PyObject *modulus)
{
    if (modulus != Py_None)
        return not_implemented();
    return operate(OP_pow, a, b, false);
}

static PyObject *
slot_ipower(PyObject *a, PyObject *b, PyObject *modulus)
{
    if (modulus != Py_None)
        return not_implemented();
    return operate(OP_pow, a, b, true);
}

static PyObject *
slot_matmul(PyObject *a, PyObject *b)
{
    Operand in[2];
    PyObject *held[2] = {NULL, NULL}, *result = NULL;
    int left = take_operand(a, &in[0], &held[0]);
    int right = left == 1 ? take_operand(b, &in[1], &held[1]) : 1;
    if (left < 0 || right < 0)
        result = NULL;
    else if (left == 0 || right == 0 || in[0].tensor == NULL || in[1].tensor == NULL)
        result = not_implemented();
    else
        result = op_python(OP_matmul, (PyObject *)in[0].tensor, (PyObject *[]){(PyObject *)in[1].tensor}, 1, NULL, false);
    Py_XDECREF(held[0]);
    Py_XDECREF(held[1]);
    return result;
}

/* ---------------------------------------------------------------- one operand */
static PyObject *
slot_negative(PyObject *a)
{
    return op_python(OP_neg, a, NULL, 0, NULL, false);
}

static PyObject *
slot_positive(PyObject *a)
{
    return Py_NewRef(a);
}

static PyObject *
slot_absolute(PyObject *a)
{
    return op_python(OP_abs, a, NULL, 0, NULL, false);
}

static PyObject *
slot_invert(PyObject *a)
{
    if (dtype_is_float((Dtype)((Tensor *)a)->dtype))
        return (PyObject *)error(PyExc_TypeError, "~ (operator.invert) is only implemented on integer and Boolean-type "
                                                  "tensors: this one is %s", dtype_info[((Tensor *)a)->dtype].name);
    return op_python(OP_bitwise_not, a, NULL, 0, NULL, false);
}

/* ---------------------------------------------------------------- as a Python number */
static int
check_one_element(Tensor *t, PyObject *class, const char *phrase)
{
    if (t->device.type == DEVICE_META) {
        error(PyExc_RuntimeError, "Tensor.item() cannot be called on meta tensors: they have a shape, but no data");
        return -1;
    }
    if (t->numel == 1)
        return 0;
    error(class, "%s: a tensor of %lld elements and shape %s cannot; index it, reduce it (.sum(), .mean()), or use "
                 ".tolist()", phrase, (long long)t->numel, shape_text(t->ndim, t->dims));
    return -1;
}

PyObject *
tensor_number(Tensor *t)
{
    char phrase[80] = "";
    if (t->numel != 1)
        snprintf(phrase, sizeof phrase, "a Tensor with %lld elements cannot be converted to Scalar", (long long)t->numel);
    if (check_one_element(t, PyExc_RuntimeError, phrase) < 0)
        return NULL;
    Param value = tensor_item(t);
    if (PyErr_Occurred())
        return NULL;
    switch (dtype_info[t->dtype].category) {
    case CATEGORY_BOOL: return PyBool_FromLong(value.i != 0);
    case CATEGORY_INT: return PyLong_FromLongLong(value.i);
    default: return PyFloat_FromDouble(value.f);
    }
}

static int
slot_bool(PyObject *self)
{
    Tensor *t = (Tensor *)self;
    if (t->numel != 1) {
        error(PyExc_RuntimeError, "Boolean value of Tensor with %s is ambiguous: shape %s; use .any() or .all()",
              t->numel == 0 ? "no values" : "more than one value", shape_text(t->ndim, t->dims));
        return -1;
    }
    if (check_one_element(t, PyExc_RuntimeError, "bool") < 0)
        return -1;
    Param value = tensor_item(t);
    if (PyErr_Occurred())
        return -1;
    return dtype_is_float((Dtype)t->dtype) ? value.f != 0 : value.i != 0;
}

static const char only_one[] = "only one element tensors can be converted to Python scalars";

static PyObject *
slot_int(PyObject *self)
{
    if (check_one_element((Tensor *)self, PyExc_ValueError, only_one) < 0)
        return NULL;
    PyObject *number = tensor_number((Tensor *)self);
    PyObject *result = number ? PyNumber_Long(number) : NULL;
    Py_XDECREF(number);
    return result;
}

static PyObject *
slot_float(PyObject *self)
{
    if (check_one_element((Tensor *)self, PyExc_ValueError, only_one) < 0)
        return NULL;
    PyObject *number = tensor_number((Tensor *)self);
    if (number != NULL && !PyFloat_CheckExact(number))
        Py_SETREF(number, PyNumber_Float(number));
    return number;
}

static PyObject *
slot_index(PyObject *self)
{
    Tensor *t = (Tensor *)self;
    if (t->numel != 1 || dtype_is_float((Dtype)t->dtype))
        return (PyObject *)error(PyExc_TypeError, "only integer tensors of a single element can be converted to an index");
    return slot_int(self);
}

PyNumberMethods tensor_number_methods = {
    .nb_add = slot_add, .nb_subtract = slot_sub, .nb_multiply = slot_mul, .nb_remainder = slot_remainder,
    .nb_power = slot_power, .nb_negative = slot_negative, .nb_positive = slot_positive, .nb_absolute = slot_absolute,
    .nb_bool = slot_bool, .nb_invert = slot_invert, .nb_lshift = slot_lshift, .nb_rshift = slot_rshift,
    .nb_and = slot_and, .nb_xor = slot_xor, .nb_or = slot_or, .nb_int = slot_int, .nb_float = slot_float,
    .nb_inplace_add = slot_iadd, .nb_inplace_subtract = slot_isub, .nb_inplace_multiply = slot_imul,
    .nb_inplace_remainder = slot_iremainder, .nb_inplace_power = slot_ipower, .nb_inplace_lshift = slot_ilshift,
    .nb_inplace_rshift = slot_irshift, .nb_inplace_and = slot_iand, .nb_inplace_xor = slot_ixor,
    .nb_inplace_or = slot_ior, .nb_floor_divide = slot_floor_divide, .nb_true_divide = slot_true_divide,
    .nb_inplace_floor_divide = slot_ifloor_divide, .nb_inplace_true_divide = slot_itrue_divide, .nb_index = slot_index,
    .nb_matrix_multiply = slot_matmul,
};

/* ---------------------------------------------------------------- comparison */
PyObject *
tensor_richcompare(PyObject *a, PyObject *b, int operation)
{
    static const Op ops[] = {[Py_LT] = OP_lt, [Py_LE] = OP_le, [Py_EQ] = OP_eq, [Py_NE] = OP_ne, [Py_GT] = OP_gt,
                             [Py_GE] = OP_ge};
    return operate(ops[operation], a, b, false);
}
