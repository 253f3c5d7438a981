/* The layers with parameters of their own that are in C: Linear and PReLU.
 *
 * Initial values are PyTorch's draws in PyTorch's order, computed in double as there. */
#include "nn/nn.h"

#include <math.h>

#include "ops/ops.h"

PyTypeObject *nn_LinearType;

/* ---------------------------------------------------------------- parameters */
/* The arguments device= and dtype= that every such layer takes; None and absence are the default. */
typedef struct Factory {
    Device device;
    Dtype dtype;
} Factory;

static int
parse_factory(PyObject *device, PyObject *dtype, Factory *out)
{
    *out = (Factory){.device = default_device, .dtype = default_dtype};
    if (device != NULL && device != Py_None && device_from_object(device, &out->device) < 0)
        return -1;
    return dtype == NULL || dtype == Py_None ? 0 : dtype_from_object(dtype, &out->dtype);
}

static int
size_of(PyObject *o, long long *out)
{
    PyObject *index = PyNumber_Index(o);
    *out = index == NULL ? -1 : PyLong_AsLongLong(index);
    Py_XDECREF(index);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

/* self.name = Parameter(uninitialised) */
static int
add_parameter(PyObject *self, PyObject *name, int ndim, const int64_t *dims, Factory factory)
{
    PyObject *tensor = (PyObject *)tensor_empty(ndim, dims, factory.dtype, factory.device);
    PyObject *parameter = tensor == NULL ? NULL : PyObject_CallOneArg((PyObject *)ParameterType, tensor);
    int status = parameter == NULL ? -1 : PyObject_SetAttr(self, name, parameter);
    Py_XDECREF(tensor);
    Py_XDECREF(parameter);
    return status;
}

/* tensor.method(a[, b]) without recording. */
static int
fill(PyObject *tensor, const char *method, const char *format, double a, double b)
{
    bool recording = nn_set_recording(false);
    PyObject *done = PyObject_CallMethod(tensor, method, format, a, b);
    nn_set_recording(recording);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* ---------------------------------------------------------------- Linear */
static int
linear_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"in_features", "out_features", "bias", "device", "dtype"};
    PyObject *given[5];
    long long in, out;
    Factory factory;
    if (nn_arguments("Linear", 2, 5, names, args, kwargs, given) < 0 || size_of(given[0], &in) < 0
        || size_of(given[1], &out) < 0)
        return -1;
    int bias = given[2] == NULL ? 1 : PyObject_IsTrue(given[2]);
    if (bias < 0 || parse_factory(given[3], given[4], &factory) < 0 || nn_module_init(self) < 0)
        return -1;
    if (nn_set_attr_steal(self, S(in_features), PyLong_FromLongLong(in)) < 0
        || nn_set_attr_steal(self, S(out_features), PyLong_FromLongLong(out)) < 0
        || add_parameter(self, S(weight), 2, (int64_t[]){out, in}, factory) < 0)
        return -1;
    PyObject *done = NULL;
    if (bias && add_parameter(self, S(bias), 1, (int64_t[]){out}, factory) < 0)
        return -1;
    if (!bias) {
        done = PyObject_CallMethodObjArgs(self, S(register_parameter), S(bias), Py_None, NULL);
        if (done == NULL)
            return -1;
        Py_DECREF(done);
    }
    done = PyObject_CallMethodNoArgs(self, S(reset_parameters));
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *
linear_weight_shape(PyObject *self)
{
    PyObject *weight = PyObject_GetAttr(self, S(weight));
    PyObject *shape = weight == NULL ? NULL : PyObject_GetAttr(weight, S(shape));
    Py_XDECREF(weight);
    return shape;
}

/* A size of the weight's shape; -1 with an error. */
static int64_t
weight_size(PyObject *self, Py_ssize_t dim)
{
    PyObject *shape = linear_weight_shape(self);
    PyObject *size = shape == NULL ? NULL : PySequence_GetItem(shape, dim);
    int64_t value = size == NULL ? -1 : PyLong_AsLongLong(size);
    Py_XDECREF(shape);
    Py_XDECREF(size);
    return value;
}

static int
fill_uniform(PyObject *self, PyObject *name, double bound)
{
    PyObject *parameter = PyObject_GetAttr(self, name);
    int status = parameter == NULL ? -1 : 0;
    if (status == 0 && parameter != Py_None)
        status = fill(parameter, "uniform_", "dd", -bound, bound);
    Py_XDECREF(parameter);
    return status;
}

/* Weight by kaiming_uniform(a = sqrt(5)), that is U(-b, b) with b = sqrt(3) gain / sqrt(fan_in), gain^2 = 2 /
 * (1 + a^2); then bias U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)).  He et al. 2015, arXiv:1502.01852. */
static PyObject *
linear_reset_parameters(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    int64_t out = weight_size(self, 0), in = out < 0 ? -1 : weight_size(self, 1);
    double slope = sqrt(5.0), fan_in = (double)in;
    if (in < 0)
        return NULL;
    if (in > 0 && out > 0) {
        double std = sqrt(2.0 / (1 + slope * slope)) / sqrt(fan_in);
        if (fill_uniform(self, S(weight), sqrt(3.0) * std) < 0)
            return NULL;
    } else if (PyErr_WarnEx(PyExc_UserWarning, "Initializing zero-element tensors is a no-op", 1) < 0) {
        return NULL;
    }
    if (fill_uniform(self, S(bias), in > 0 ? 1 / sqrt(fan_in) : 0) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* What Linear knows about a product that failed: sizes first, then dtypes. */
static void
explain_linear(PyObject *self, PyObject *input)
{
    PyObject *type, *exception, *traceback;
    PyErr_Fetch(&type, &exception, &traceback);
    PyObject *weight = PyObject_GetAttr(self, S(weight));
    PyObject *shape = PyObject_GetAttr(input, S(shape)),
             *sizes = shape == NULL ? NULL : PySequence_Tuple(shape);
    PyObject *have = PyObject_GetAttr(input, S(dtype)),
             *want = weight == NULL ? NULL : PyObject_GetAttr(weight, S(dtype));
    int64_t in = weight_size(self, 1), n = sizes == NULL ? 0 : PyTuple_GET_SIZE(sizes);
    int64_t last = n == 0 ? -1 : PyLong_AsLongLong(PyTuple_GET_ITEM(sizes, n - 1));
    PyErr_Clear();
    PyErr_Restore(type, exception, traceback);
    if (sizes != NULL && in >= 0 && last != in)
        nn_error_detail(self, "input is %R, its last dimension must be %lld", sizes, (long long)in);
    else if (have != NULL && want != NULL && have != want)
        nn_error_detail(self, "input is %S but the weight is %S; convert one of them with to()", have, want);
    Py_XDECREF(weight);
    Py_XDECREF(shape);
    Py_XDECREF(sizes);
    Py_XDECREF(have);
    Py_XDECREF(want);
}

/* max(0, result) */
static PyObject *
relu_of(PyObject *result)
{
    PyObject *positive = result == NULL ? NULL : PyObject_CallMethodNoArgs(result, S(relu));
    Py_XDECREF(result);
    return positive;
}

/* Exact tensors go to the op; anything else asks nn.functional, which honours subclasses. */
static PyObject *
linear(PyObject *input, PyObject *weight, PyObject *bias, bool relu)
{
    if (!tensor_exact(input) || !tensor_exact(weight) || !(bias == Py_None || tensor_exact(bias))) {
        PyObject *result = nn_call_functional(S(linear), (PyObject *[]){input, weight, bias}, 3, NULL);
        return relu ? relu_of(result) : result;
    }
    size_t mark = scope_begin();
    Tensor *(*op)(Tensor *, Tensor *, Tensor *) = relu ? op_linear_relu : op_linear;
    Tensor *output = op((Tensor *)input, (Tensor *)weight, bias == Py_None ? NULL : (Tensor *)bias);
    PyObject *result = output == NULL ? NULL : (PyObject *)scope_take(output);
    scope_end(mark);
    return result;
}

static PyObject *
forward_of(PyObject *self, PyObject *input, bool relu)
{
    PyObject *weight = PyObject_GetAttr(self, S(weight)), *result = NULL;
    PyObject *bias = weight == NULL ? NULL : PyObject_GetAttr(self, S(bias));
    if (bias != NULL && (result = linear(input, weight, bias, relu)) == NULL && tensor_check(input))
        explain_linear(self, input);
    Py_XDECREF(weight);
    Py_XDECREF(bias);
    return result;
}

static PyObject *
linear_forward(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    PyObject *input = nn_one_argument(self, args, n, kwnames);
    return input == NULL ? NULL : forward_of(self, input, false);
}

bool
nn_runs_linear(PyObject *module)
{
    return Py_IS_TYPE(module, nn_LinearType) && nn_runs(module, (PyCFunction)(void (*)(void))linear_forward);
}

PyObject *
nn_linear_relu(PyObject *self, PyObject *input)
{
    PyObject *result = forward_of(self, input, true);
    if (result == NULL)
        nn_error_through(self);
    return result;
}

static PyObject *
linear_extra_repr(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *in = PyObject_GetAttr(self, S(in_features)), *out = NULL, *bias = NULL, *text = NULL;
    if (in != NULL && (out = PyObject_GetAttr(self, S(out_features))) != NULL)
        bias = PyObject_GetAttr(self, S(bias));
    if (bias != NULL)
        text = PyUnicode_FromFormat("in_features=%S, out_features=%S, bias=%s", in, out,
                                    bias == Py_None ? "False" : "True");
    Py_XDECREF(in);
    Py_XDECREF(out);
    Py_XDECREF(bias);
    return text;
}

static PyMethodDef linear_methods[] = {
    {"forward", NN_FORWARD(linear_forward),
     "forward($self, input)\n--\n\n(..., in_features) -> (..., out_features)"},
    {"reset_parameters", linear_reset_parameters, METH_NOARGS,
     "reset_parameters($self)\n--\n\nDraws new values."},
    {"extra_repr", linear_extra_repr, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(linear_doc,
    "Linear(in_features, out_features, bias=True, device=None, dtype=None)\n--\n\n"
    "y = x W^T + b for x of shape (..., in_features).\n\n"
    "weight: (out_features, in_features); bias: (out_features) or None. Raises RuntimeError if the\n"
    "last dimension of the input is not in_features.");

static PyType_Slot linear_slots[] = {
    {Py_tp_doc, (void *)linear_doc},
    {Py_tp_init, linear_init},
    {Py_tp_methods, linear_methods},
    {0, NULL},
};

static PyType_Spec linear_spec = {.name = "ctorch.nn.Linear", .flags = NN_LAYER_FLAGS, .slots = linear_slots};

/* ---------------------------------------------------------------- PReLU */
static int
prelu_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"num_parameters", "init", "device", "dtype"};
    PyObject *given[4];
    long long n = 1;
    double value = 0.25;
    Factory factory;
    if (nn_arguments("PReLU", 0, 4, names, args, kwargs, given) < 0 || (given[0] && size_of(given[0], &n) < 0))
        return -1;
    if (given[1] != NULL && (value = PyFloat_AsDouble(given[1])) == -1 && PyErr_Occurred())
        return -1;
    if (parse_factory(given[2], given[3], &factory) < 0 || nn_module_init(self) < 0
        || nn_set_attr_steal(self, S(num_parameters), PyLong_FromLongLong(n)) < 0
        || nn_set_attr_steal(self, S(init), PyFloat_FromDouble(value)) < 0
        || add_parameter(self, S(weight), 1, (int64_t[]){n}, factory) < 0)
        return -1;
    PyObject *done = PyObject_CallMethodNoArgs(self, S(reset_parameters));
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *
prelu_reset_parameters(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *weight = PyObject_GetAttr(self, S(weight)),
             *init = weight == NULL ? NULL : PyObject_GetAttr(self, S(init));
    double value = init == NULL ? -1 : PyFloat_AsDouble(init);
    int status = PyErr_Occurred() ? -1 : fill(weight, "fill_", "d", value, 0);
    Py_XDECREF(weight);
    Py_XDECREF(init);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
prelu_forward(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    PyObject *input = nn_one_argument(self, args, n, kwnames);
    PyObject *weight = input == NULL ? NULL : PyObject_GetAttr(self, S(weight));
    PyObject *result =
        weight == NULL ? NULL : nn_call_functional(S(prelu), (PyObject *[]){input, weight}, 2, NULL);
    Py_XDECREF(weight);
    return result;
}

static PyObject *
prelu_extra_repr(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *n = PyObject_GetAttr(self, S(num_parameters));
    PyObject *text = n == NULL ? NULL : PyUnicode_FromFormat("num_parameters=%S", n);
    Py_XDECREF(n);
    return text;
}

static PyMethodDef prelu_methods[] = {
    {"forward", NN_FORWARD(prelu_forward), "forward($self, input)\n--\n\nThe channels are dimension 1."},
    {"reset_parameters", prelu_reset_parameters, METH_NOARGS,
     "reset_parameters($self)\n--\n\nSets the slopes to init."},
    {"extra_repr", prelu_extra_repr, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(prelu_doc,
    "PReLU(num_parameters=1, init=0.25, device=None, dtype=None)\n--\n\n"
    "max(0, x) + weight * min(0, x) with a learned weight: one for all, or one per channel.");

static PyType_Slot prelu_slots[] = {
    {Py_tp_doc, (void *)prelu_doc},
    {Py_tp_init, prelu_init},
    {Py_tp_methods, prelu_methods},
    {0, NULL},
};

static PyType_Spec prelu_spec = {.name = "ctorch.nn.PReLU", .flags = NN_LAYER_FLAGS, .slots = prelu_slots};

int
nn_linear_init(PyObject *module)
{
    PyTypeObject *type;
    return nn_add_type(module, &nn_LinearType, &linear_spec, nn_ModuleType) < 0
                   || nn_add_type(module, &type, &prelu_spec, nn_ModuleType) < 0
               ? -1
               : 0;
}
