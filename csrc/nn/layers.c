/* The layers of layers.def: activations, dropout, reshaping.  Their classes share the code below, each with
 * its row.
 *
 * forward calls a method of the tensor, or the function of nn.functional as it is at that moment.  These are
 * C functions but for a few composed ones, so a chain of common layers does not enter the interpreter. */
#include "nn/nn.h"

#include <stdio.h>

/* What stands for a hyper-parameter that the constructor was not given. */
typedef enum Default {
    END_OF_HYPERS,
    REQUIRED,
    DEFAULT_NUMBER,
    DEFAULT_INTEGER,
    DEFAULT_FALSE,
    DEFAULT_NONE,
    DEFAULT_TEXT_NONE, /* 'none'; passed by keyword, and only if it is something else */
    FIXED_NUMBER,      /* an attribute that the constructor does not take */
    PASS_TRAINING,     /* no attribute: the call passes whether the module is in training */
} Default;

typedef struct HyperParameter {
    const char *name;
    Default kind;
    double value;
} HyperParameter;

typedef enum Show {
    SHOW_NOTHING,
    SHOW_VALUES, /* Hardshrink(0.5) */
    SHOW_NAMES,  /* LeakyReLU(negative_slope=0.01), and inplace only if it is true */
    SHOW_ALL,    /* Dropout(p=0.5, inplace=False) */
} Show;

enum { HYPER_MAX = 3 };

typedef struct Layer {
    const char *class, *base, *doc;
    const char *function; /* NULL: the identity */
    bool of_tensor;       /* a method of the input, and with "_" in place, instead of one of nn.functional */
    HyperParameter hypers[HYPER_MAX];
    Show show;
    int (*check)(PyObject **values); /* of the constructor's values, in order; -1 with an error */
} Layer;

/* ---------------------------------------------------------------- checks */
static int
check_probability(PyObject **values)
{
    double p = PyFloat_AsDouble(values[0]);
    if (p == -1 && PyErr_Occurred())
        return -1;
    if (!(p < 0 || p > 1)) /* NaN is refused by the call, as in PyTorch */
        return 0;
    PyErr_Format(PyExc_ValueError, "dropout probability has to be between 0 and 1, but got %S", values[0]);
    return -1;
}

static int
check_range(PyObject **values)
{
    int ordered = PyObject_RichCompareBool(values[1], values[0], Py_GT);
    if (ordered == 0)
        PyErr_Format(PyExc_AssertionError, "Hardtanh: max_val %S must be greater than min_val %S", values[1],
                     values[0]);
    return ordered == 1 ? 0 : -1;
}

/* ---------------------------------------------------------------- the table */
typedef enum Row {
#define LAYER(class, ...) ROW_##class,
#include "nn/layers.def"
    ROW_COUNT
} Row;

static const Layer layers[ROW_COUNT] = {
#define LAYER(name, ...) [ROW_##name] = {.class = #name, __VA_ARGS__},
#include "nn/layers.def"
};

static PyTypeObject *layer_types[ROW_COUNT];
/* Interned. */
static PyObject *function_names[ROW_COUNT], *inplace_names[ROW_COUNT];
static PyObject *hyper_names[ROW_COUNT][HYPER_MAX];

static int
hyper_count(const Layer *layer)
{
    int n = 0;
    while (n < HYPER_MAX && layer->hypers[n].kind != END_OF_HYPERS)
        n++;
    return n;
}

static bool
is_argument(Default kind)
{
    return kind != FIXED_NUMBER && kind != PASS_TRAINING;
}

/* ---------------------------------------------------------------- __init__ */
static PyObject *
default_value(const HyperParameter *hyper)
{
    switch (hyper->kind) {
    case DEFAULT_NUMBER:
    case FIXED_NUMBER: return PyFloat_FromDouble(hyper->value);
    case DEFAULT_INTEGER: return PyLong_FromLong((long)hyper->value);
    case DEFAULT_TEXT_NONE: return PyUnicode_FromString("none");
    case DEFAULT_FALSE: return Py_NewRef(Py_False);
    default: return Py_NewRef(Py_None);
    }
}

/* The values of all hyper-parameters, new references, NULL for those that are no attributes. */
static int
collect(Row row, PyObject *args, PyObject *kwargs, PyObject **values)
{
    const Layer *layer = &layers[row];
    const char *names[HYPER_MAX] = {NULL};
    PyObject *given[HYPER_MAX] = {NULL};
    int n = 0, n_required = 0, position = 0;
    for (int i = 0; i < hyper_count(layer); i++)
        if (is_argument(layer->hypers[i].kind)) {
            n_required += layer->hypers[i].kind == REQUIRED;
            names[n++] = layer->hypers[i].name;
        }
    if (nn_arguments(layer->class, n_required, n, names, args, kwargs, given) < 0)
        return -1;
    for (int i = 0; i < hyper_count(layer); i++) {
        const HyperParameter *hyper = &layer->hypers[i];
        PyObject *value = is_argument(hyper->kind) ? given[position++] : NULL;
        if (hyper->kind == PASS_TRAINING)
            continue;
        values[i] = value == NULL ? default_value(hyper) : Py_NewRef(value);
        if (values[i] == NULL)
            return -1;
    }
    return 0;
}

static int
layer_init(Row row, PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *values[HYPER_MAX] = {NULL};
    const Layer *layer = &layers[row];
    if (layer->function == NULL) /* Identity takes anything */
        return nn_module_init(self);
    int status = collect(row, args, kwargs, values);
    if (status == 0 && layer->check != NULL)
        status = layer->check(values);
    if (status == 0)
        status = nn_module_init(self);
    for (int i = 0; i < HYPER_MAX; i++) {
        if (status == 0 && values[i] != NULL)
            status = PyObject_SetAttr(self, hyper_names[row][i], values[i]);
        Py_XDECREF(values[i]);
    }
    return status;
}

/* ---------------------------------------------------------------- forward */
typedef struct Arguments {
    PyObject *stack[1 + HYPER_MAX]; /* the input, borrowed, then owned values */
    size_t n;                       /* positional ones */
    PyObject *kwnames;              /* NULL, or a tuple of one */
    bool of_tensor, inplace;        /* which of the row's functions is called */
} Arguments;

/* What a value means for the call: 1 it is an argument, 0 it is left out, being the function's own default or
 * part of the choice of the function; -1 with an error. */
static int
weigh(Row row, int i, PyObject *value, Arguments *out)
{
    int truth;
    switch (layers[row].hypers[i].kind) {
    case DEFAULT_FALSE:
        truth = PyObject_IsTrue(value);
        out->inplace = truth == 1;
        return truth == 1 && out->of_tensor ? 0 : truth;
    case DEFAULT_NONE: /* nn.functional knows what to do without it */
        out->of_tensor = out->of_tensor && value != Py_None;
        return value != Py_None;
    case DEFAULT_TEXT_NONE:
        if (PyUnicode_Check(value) && PyUnicode_CompareWithASCIIString(value, "none") == 0)
            return 0;
        out->kwnames = PyTuple_Pack(1, hyper_names[row][i]);
        return out->kwnames == NULL ? -1 : 1;
    default: return 1;
    }
}

/* Adds one hyper-parameter to the call. */
static int
push(Row row, int i, PyObject *self, Arguments *out)
{
    const HyperParameter *hyper = &layers[row].hypers[i];
    PyObject *value = hyper->kind == PASS_TRAINING
                          ? Py_NewRef(module_training((Module *)self) ? Py_True : Py_False)
                          : PyObject_GetAttr(self, hyper_names[row][i]);
    int keep = value == NULL ? -1 : weigh(row, i, value, out);
    if (keep == 1)
        out->stack[out->n] = value; /* a keyword is the last */
    else
        Py_XDECREF(value);
    if (keep == 1 && out->kwnames == NULL)
        out->n++;
    return keep < 0 ? -1 : 0;
}

static PyObject *
layer_forward(Row row, PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    const Layer *layer = &layers[row];
    PyObject *input = nn_one_argument(self, args, n, kwnames), *result = NULL;
    if (input == NULL || layer->function == NULL)
        return Py_XNewRef(input);
    Arguments call = {.stack = {input}, .n = 1, .of_tensor = layer->of_tensor && tensor_check(input)};
    int status = 0;
    for (int i = 0; status == 0 && i < hyper_count(layer); i++)
        status = push(row, i, self, &call);
    if (status == 0 && call.of_tensor)
        result = PyObject_VectorcallMethod(call.inplace ? inplace_names[row] : function_names[row],
                                           call.stack, call.n, call.kwnames);
    else if (status == 0)
        result = nn_call_functional(function_names[row], call.stack, call.n, call.kwnames);
    for (size_t i = 1; i < 1 + HYPER_MAX; i++)
        Py_XDECREF(call.stack[i]);
    Py_XDECREF(call.kwnames);
    return result;
}

/* ---------------------------------------------------------------- extra_repr */
/* "name=value", "value" or, for what is not shown, NULL without an error. */
static PyObject *
shown(Row row, int i, PyObject *self)
{
    const Layer *layer = &layers[row];
    const HyperParameter *hyper = &layer->hypers[i];
    if (!is_argument(hyper->kind))
        return NULL;
    PyObject *value = PyObject_GetAttr(self, hyper_names[row][i]), *text = NULL;
    int visible = value == NULL ? -1 : 1;
    if (value != NULL && hyper->kind == DEFAULT_FALSE && layer->show == SHOW_NAMES)
        visible = PyObject_IsTrue(value);
    if (visible == 1 && layer->show == SHOW_VALUES)
        text = PyObject_Str(value);
    else if (visible == 1)
        text = PyUnicode_FromFormat(hyper->kind == DEFAULT_TEXT_NONE ? "%s=%R" : "%s=%S", hyper->name, value);
    Py_XDECREF(value);
    return text;
}

static PyObject *
layer_extra_repr(Row row, PyObject *self)
{
    PyObject *parts = PyList_New(0), *comma = PyUnicode_FromString(", "), *text = NULL;
    int n = layers[row].show == SHOW_NOTHING ? 0 : hyper_count(&layers[row]);
    int status = parts == NULL || comma == NULL ? -1 : 0;
    for (int i = 0; status == 0 && i < n; i++) {
        PyObject *part = shown(row, i, self);
        if (part != NULL)
            status = PyList_Append(parts, part);
        else if (PyErr_Occurred())
            status = -1;
        Py_XDECREF(part);
    }
    if (status == 0)
        text = PyUnicode_Join(comma, parts);
    Py_XDECREF(parts);
    Py_XDECREF(comma);
    return text;
}

/* ---------------------------------------------------------------- the types */
#define LAYER(class, ...) \
    static int class##_init(PyObject *self, PyObject *args, PyObject *kwargs) \
    { \
        return layer_init(ROW_##class, self, args, kwargs); \
    } \
    static PyObject *class##_forward(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) \
    { \
        return layer_forward(ROW_##class, self, args, n, kwnames); \
    } \
    static PyObject *class##_extra_repr(PyObject *self, PyObject *Py_UNUSED(ignored)) \
    { \
        return layer_extra_repr(ROW_##class, self); \
    }
#include "nn/layers.def"

static PyMethodDef layer_methods[ROW_COUNT][3] = {
#define LAYER(class, ...) \
    [ROW_##class] = {{"forward", NN_FORWARD(class##_forward), "forward($self, input)\n--\n\n"}, \
                     {"extra_repr", class##_extra_repr, METH_NOARGS, NULL}},
#include "nn/layers.def"
};

bool
nn_runs_relu(PyObject *module)
{
    if (!Py_IS_TYPE(module, layer_types[ROW_ReLU]) || !nn_runs(module, (PyCFunction)(void (*)(void))ReLU_forward))
        return false;
    int inplace = nn_is_true_attr(module, hyper_names[ROW_ReLU][0]);
    if (inplace < 0)
        PyErr_Clear();            /* its own forward will say so */
    return inplace == 0;
}

static const initproc layer_inits[ROW_COUNT] = {
#define LAYER(class, ...) [ROW_##class] = class##_init,
#include "nn/layers.def"
};

/* "name=default" as the class's signature shows it. */
static int
print_hyper(char *out, size_t size, const HyperParameter *hyper)
{
    const char *text = hyper->kind == DEFAULT_FALSE       ? "False"
                       : hyper->kind == DEFAULT_TEXT_NONE ? "'none'"
                                                          : "None";
    if (hyper->kind == REQUIRED)
        return snprintf(out, size, "%s", hyper->name);
    if (hyper->kind == DEFAULT_NUMBER || hyper->kind == DEFAULT_INTEGER)
        return snprintf(out, size, "%s=%g", hyper->name, hyper->value);
    return snprintf(out, size, "%s=%s", hyper->name, text);
}

enum { DOC_SIZE = 400 };

/* "LeakyReLU(negative_slope=0.01, inplace=False)" in the form that gives a class its __text_signature__; then
 * the doc. Python copies it.  A row that does not fit is cut, never overrun. */
static void
print_doc(char *out, const Layer *layer)
{
    int n = snprintf(out, DOC_SIZE, "%s(", layer->class);
    bool first = true;
    if (layer->function == NULL)
        n += snprintf(out + n, (size_t)(DOC_SIZE - n), "*args, **kwargs");
    for (int i = 0; i < hyper_count(layer); i++) {
        if (!is_argument(layer->hypers[i].kind))
            continue;
        if (!first)
            n += snprintf(out + n, (size_t)(DOC_SIZE - n), ", ");
        n += print_hyper(out + n, (size_t)(DOC_SIZE - n), &layer->hypers[i]);
        first = false;
    }
    snprintf(out + n, (size_t)(DOC_SIZE - n), ")\n--\n\n%s", layer->doc);
}

static PyTypeObject *
base_type(const Layer *layer)
{
    if (layer->base != NULL)
        for (Row row = 0; row < ROW_COUNT; row++)
            if (layer_types[row] != NULL && strcmp(layers[row].class, layer->base) == 0)
                return layer_types[row];
    return nn_ModuleType;
}

static int
intern_row(Row row)
{
    const char *function = layers[row].function;
    if (function != NULL && (function_names[row] = PyUnicode_InternFromString(function)) == NULL)
        return -1;
    if (function != NULL && (inplace_names[row] = PyUnicode_FromFormat("%s_", function)) == NULL)
        return -1;
    if (function != NULL)
        PyUnicode_InternInPlace(&inplace_names[row]);
    for (int i = 0; i < hyper_count(&layers[row]); i++)
        if ((hyper_names[row][i] = PyUnicode_InternFromString(layers[row].hypers[i].name)) == NULL)
            return -1;
    return 0;
}

static int
add_layer(PyObject *module, Row row)
{
    static char names[ROW_COUNT][40]; /* a type keeps the pointer to its name */
    char doc[DOC_SIZE];
    PyType_Slot slots[] = {
        {Py_tp_doc, doc},
        {Py_tp_init, (void *)layer_inits[row]},
        {Py_tp_methods, layer_methods[row]},
        {0, NULL},
    };
    snprintf(names[row], sizeof(names[row]), "ctorch.nn.%s", layers[row].class);
    print_doc(doc, &layers[row]);
    PyType_Spec spec = {.name = names[row], .flags = NN_LAYER_FLAGS, .slots = slots};
    return intern_row(row) < 0 ? -1 : nn_add_type(module, &layer_types[row], &spec, base_type(&layers[row]));
}

int
nn_layers_init(PyObject *module)
{
    for (Row row = 0; row < ROW_COUNT; row++)
        if (add_layer(module, row) < 0)
            return -1;
    return 0;
}
