/* The text of a tensor, PyTorch's to the character.  A tensor is printed in three steps: the values that will
 * be shown are collected in the order in which they are shown; from them follows one format for all
 * (integers, fixed point or scientific, and the width); then brackets, commas and line breaks are laid around
 * them.  What an op or a node is called comes from autograd/node.h. */
#include "python/print.h"

#include <limits.h>
#include <math.h>

#include "autograd/node.h"
#include "core/dtype.h"
#include "ops/ops.h"

enum { PRECISION_MAX = 1000, SCI_AUTO = -1 };

static struct Options {
    int precision;                /* digits behind the point */
    double threshold;             /* more elements than this are summarised */
    int64_t edgeitems;            /* shown at each end of a summarised dim */
    int64_t linewidth;
    int sci_mode;                 /* 0 never, 1 always, SCI_AUTO as the values are */
} options = {4, 1000, 3, 80, SCI_AUTO};

/* ---- growing text; an append after a failed one does nothing, and text_finish reports it ---- */
typedef struct Text {
    char *data;
    size_t length, capacity;
    bool failed;
} Text;

static void
text_append(Text *text, const char *bytes, size_t n)
{
    if (text->failed || n == 0)
        return;
    if (text->length + n > text->capacity) {
        size_t capacity = 2 * (text->length + n) + 64;
        char *grown = PyMem_Realloc(text->data, capacity);
        if (grown == NULL) {
            text->failed = true;
            return;
        }
        text->data = grown;
        text->capacity = capacity;
    }
    memcpy(text->data + text->length, bytes, n);
    text->length += n;
}

static void
text_add(Text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

static void
text_repeat(Text *text, char byte, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        text_append(text, &byte, 1);
}

static PyObject *
text_finish(Text *text)
{
    PyObject *string = NULL;
    if (text->failed)
        PyErr_NoMemory();
    else
        string = PyUnicode_FromStringAndSize(text->data, (Py_ssize_t)text->length);
    PyMem_Free(text->data);
    return string;
}

/* Characters, not bytes, of the last line: class names may be any UTF-8. */
static int64_t
last_line_width(const Text *text)
{
    int64_t width = 0;
    for (size_t i = text->length; i > 0 && text->data[i - 1] != '\n'; i--)
        width += (text->data[i - 1] & 0xc0) != 0x80;
    return width;
}

/* ---- one format for all values ---- */
typedef struct Format {
    Dtype dtype;
    bool whole;                   /* every finite float is an integer: "2." */
    bool sci;
    int64_t width;
} Format;

static void
add_float(Text *text, const Format *f, double x)
{
    bool whole = f->whole && !f->sci;
    char *digits = PyOS_double_to_string(x, f->sci ? 'e' : 'f', whole ? 0 : options.precision, 0, NULL);
    if (digits == NULL) {
        PyErr_Clear();
        text->failed = true;
        return;
    }
    text_add(text, digits);
    if (whole && isfinite(x))
        text_add(text, ".");
    PyMem_Free(digits);
}

static void
add_number(Text *text, const Format *f, Param value)
{
    char digits[24];
    if (dtype_is_float(f->dtype)) {
        add_float(text, f, value.f);
    } else if (f->dtype == DTYPE_BOOL) {
        text_add(text, value.i ? "True" : "False");
    } else {
        PyOS_snprintf(digits, sizeof(digits), "%lld", (long long)value.i);
        text_add(text, digits);
    }
}

/* Right-aligned: the number is written first, to know its length, and then moved behind its blanks. */
static void
add_value(Text *text, const Format *f, Param value)
{
    size_t start = text->length;
    add_number(text, f, value);
    size_t length = text->length - start;
    if (text->failed || (int64_t)length >= f->width)
        return;
    size_t blanks = (size_t)f->width - length;
    text_repeat(text, ' ', (int64_t)blanks);
    if (text->failed)
        return;
    memmove(text->data + start + blanks, text->data + start, length);
    memset(text->data + start, ' ', blanks);
}

/* Zeros, infinities and NaN have no say in how floats look; shown wider than the rest, they stick out. */
static bool
has_say(const Format *f, Param value)
{
    return !dtype_is_float(f->dtype) || (isfinite(value.f) && value.f != 0);
}

static void
choose_notation(Format *f, int64_t n, const Param *values)
{
    double smallest = HUGE_VAL, largest = 0;
    f->whole = true;
    for (int64_t i = 0; i < n; i++) {
        if (!has_say(f, values[i]))
            continue;
        double size = fabs(values[i].f);
        smallest = size < smallest ? size : smallest;
        largest = size > largest ? size : largest;
        f->whole &= values[i].f == ceil(values[i].f);
    }
    if (largest == 0)
        return;
    f->sci = largest / smallest > 1000 || largest > 1e8 || (!f->whole && smallest < 1e-4);
    if (options.sci_mode != SCI_AUTO)
        f->sci = options.sci_mode;
}

/* -1 with an error. */
static int
choose_format(Format *f, Dtype dtype, int64_t n, const Param *values)
{
    Text scratch = {0};
    *f = (Format){.dtype = dtype, .width = 1};
    if (dtype_is_float(dtype))
        choose_notation(f, n, values);
    for (int64_t i = 0; i < n; i++) {
        if (!has_say(f, values[i]))
            continue;
        scratch.length = 0;
        add_number(&scratch, f, values[i]);
        f->width = (int64_t)scratch.length > f->width ? (int64_t)scratch.length : f->width;
    }
    PyMem_Free(scratch.data);
    if (scratch.failed) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* ---- what is shown ---- */
typedef struct Printer {
    Tensor *tensor;
    bool summarize;
    Format format;
    Param *values;                /* in the order of printing; `next` is the first not yet printed */
    int64_t next;
    Text text;
} Printer;

static bool
is_cut(const Printer *p, int dim)
{
    return p->summarize && p->tensor->dims[dim] > 2 * options.edgeitems;
}

static int64_t
count_shown(const Printer *p)
{
    int64_t n = 1;
    for (int i = 0; i < p->tensor->ndim; i++)
        n *= is_cut(p, i) ? 2 * options.edgeitems : p->tensor->dims[i];
    return n;
}

/* The index shown after i: behind the first edge comes the last one. */
static int64_t
following(const Printer *p, int dim, int64_t i)
{
    return is_cut(p, dim) && i + 1 == options.edgeitems ? p->tensor->dims[dim] - options.edgeitems : i + 1;
}

static void
collect(Printer *p, int dim, const char *data)
{
    Tensor *t = p->tensor;
    if (dim == t->ndim) {
        p->values[p->next++] = dtype_load(data, t->dtype);
        return;
    }
    if (is_cut(p, dim) && options.edgeitems == 0)
        return;
    for (int64_t i = 0; i < t->dims[dim]; i = following(p, dim, i))
        collect(p, dim + 1, data + i * t->strides[dim] * tensor_itemsize(t));
}

/* ---- brackets and line breaks ---- */

/* A row breaks where the next number would cross the line width; the dots of a cut row count as a number. */
static void
add_row(Printer *p, int64_t indent)
{
    Text *text = &p->text;
    int dim = p->tensor->ndim - 1;
    bool cut = is_cut(p, dim);
    int64_t per_line = (options.linewidth - indent) / (p->format.width + 2);
    int64_t edge = options.edgeitems, n = cut ? 2 * edge + 1 : p->tensor->dims[dim];
    text_add(text, "[");
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && i % (per_line > 1 ? per_line : 1) == 0) {
            text_add(text, ",\n");
            text_repeat(text, ' ', indent + 1);
        } else if (i > 0) {
            text_add(text, ", ");
        }
        if (cut && i == edge)
            text_add(text, edge > 0 ? " ..." : "...");
        else
            add_value(text, &p->format, p->values[p->next++]);
    }
    text_add(text, "]");
}

static void
add_block(Printer *p, int dim, int64_t indent)
{
    Text *text = &p->text;
    int below = p->tensor->ndim - dim - 1;
    bool cut = is_cut(p, dim);
    int64_t edge = options.edgeitems, n = cut ? 2 * edge + 1 : p->tensor->dims[dim];
    if (below == 0) {
        add_row(p, indent);
        return;
    }
    text_add(text, "[");
    for (int64_t i = 0; i < n; i++) {
        if (i > 0) {
            text_add(text, ",");
            text_repeat(text, '\n', below);
            text_repeat(text, ' ', indent + 1);
        }
        if (cut && i == edge)
            text_add(text, "...");
        else
            add_block(p, dim + 1, indent + 1);
    }
    text_add(text, "]");
}

/* The values of a host tensor; -1 with an error. */
static int
add_values(Text *text, Tensor *t, int64_t indent)
{
    Printer p = {.tensor = t, .summarize = (double)t->numel > options.threshold};
    int64_t n = count_shown(&p);
    p.values = PyMem_New(Param, n);
    if (p.values == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    collect(&p, 0, t->data);
    int status = choose_format(&p.format, t->dtype, p.next, p.values);
    if (status == 0) {
        p.next = 0;
        p.text = *text;
        if (t->ndim == 0)
            add_value(&p.text, &p.format, p.values[0]);
        else
            add_block(&p, 0, indent);
        *text = p.text;
    }
    PyMem_Free(p.values);
    return status;
}

/* ---- what stands behind the values ---- */

/* `, name=value`, on a line of its own if it would cross the line width.  *width is the last line's. */
static void
add_suffix(Text *text, const char *suffix, int64_t indent, int64_t *width)
{
    int64_t length = (int64_t)strlen(suffix);
    if (*width + length + 2 > options.linewidth) {
        text_add(text, ",\n");
        text_repeat(text, ' ', indent);
        *width = indent + length;
    } else {
        text_add(text, ", ");
        *width += length + 2;
    }
    text_add(text, suffix);
}

/* "size=(2, 3)", as Python writes a tuple. */
static void
size_suffix(const Tensor *t, char *suffix, size_t room)
{
    int length = PyOS_snprintf(suffix, room, "size=(");
    for (int i = 0; i < t->ndim; i++)
        length += PyOS_snprintf(suffix + length, room - (size_t)length, i > 0 ? ", %lld" : "%lld",
                                (long long)t->dims[i]);
    PyOS_snprintf(suffix + length, room - (size_t)length, t->ndim == 1 ? ",)" : ")");
}

/* A view whose gradient function cannot be made is printed all the same. */
static void
gradient_suffix(Tensor *t, char *suffix, size_t room)
{
    Node *node = tensor_node(t);
    if (node != NULL) {
        PyOS_snprintf(suffix, room, "grad_fn=<%s>", node_name(node));
    } else if (PyErr_Occurred()) {
        PyErr_Clear();
        PyOS_snprintf(suffix, room, "grad_fn=<Invalid>");
    } else if (t->requires_grad) {
        PyOS_snprintf(suffix, room, "requires_grad=True");
    } else {
        suffix[0] = '\0';
    }
}

/* int64 and bool are known from the values, but not where there are none. */
static bool
shows_dtype(const Tensor *t, bool has_values)
{
    return t->dtype != default_dtype && !(has_values && (t->dtype == DTYPE_INT64 || t->dtype == DTYPE_BOOL));
}

/* Where the brackets do not tell: values that are not there, or that edgeitems=0 may hide. */
static bool
shows_size(const Tensor *t)
{
    if (t->device.type == DEVICE_META)
        return true;
    return t->numel == 0 ? t->ndim != 1 : options.edgeitems == 0;
}

static void
add_suffixes(Text *text, Tensor *t, int64_t indent, bool has_values)
{
    char suffix[NDIM_MAX * 22 + 16];
    int64_t width = last_line_width(text) + 2; /* PyTorch's count: line breaks fall where it has them */
    if (t->device.type == DEVICE_META)
        add_suffix(text, "device='meta'", indent, &width);
    else if (t->device.type == DEVICE_CUDA) {
        PyOS_snprintf(suffix, sizeof(suffix), "device='cuda:%d'", t->device.index);
        add_suffix(text, suffix, indent, &width);
    }
    if (shows_size(t)) {
        size_suffix(t, suffix, sizeof(suffix));
        add_suffix(text, suffix, indent, &width);
    }
    if (shows_dtype(t, has_values)) {
        PyOS_snprintf(suffix, sizeof(suffix), "dtype=torch.%s", dtype_info[t->dtype].name);
        add_suffix(text, suffix, indent, &width);
    }
    gradient_suffix(t, suffix, sizeof(suffix));
    if (suffix[0] != '\0')
        add_suffix(text, suffix, indent, &width);
}

/* "tensor(", or a subclass's own name; -1 with an error. */
static int
add_prefix(Text *text, Tensor *t)
{
    if (tensor_exact((PyObject *)t)) {
        text_add(text, "tensor(");
        return 0;
    }
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(t), "__name__");
    const char *utf8 = name != NULL ? PyUnicode_AsUTF8(name) : NULL;
    if (utf8 != NULL) {
        text_add(text, utf8);
        text_add(text, "(");
    }
    Py_XDECREF(name);
    return utf8 != NULL ? 0 : -1;
}

static PyObject *
tensor_text(Tensor *t)
{
    Text text = {0};
    bool has_values = t->numel > 0 && t->device.type != DEVICE_META;
    if (add_prefix(&text, t) < 0)
        goto fail;
    int64_t indent = last_line_width(&text);
    if (has_values) {
        size_t mark = scope_begin();
        Tensor *host = op_on_host(t);
        int failed = host == NULL || add_values(&text, host, indent) < 0;
        scope_end(mark);
        if (failed)
            goto fail;
    } else {
        text_add(&text, t->device.type == DEVICE_META ? "..." : "[]");
    }
    add_suffixes(&text, t, indent, has_values);
    text_add(&text, ")");
    return text_finish(&text);
fail:
    PyMem_Free(text.data);
    return NULL;
}

/* What a Parameter says around it has no part in where lines break. */
PyObject *
tensor_repr(Tensor *t)
{
    PyObject *text = tensor_text(t);
    if (text == NULL || !PyObject_TypeCheck((PyObject *)t, ParameterType))
        return text;
    PyObject *wrapped = PyUnicode_FromFormat(
        tensor_exact((PyObject *)t) ? "Parameter containing:\n%U" : "Parameter containing:\nParameter(%U)", text);
    Py_DECREF(text);
    return wrapped;
}

/* ---- format() and options ---- */

static PyObject *
number_object(Tensor *t)
{
    Param value = tensor_item(t);
    if (PyErr_Occurred())
        return NULL;
    if (dtype_is_float(t->dtype))
        return PyFloat_FromDouble(value.f);
    return t->dtype == DTYPE_BOOL ? PyBool_FromLong(value.i != 0) : PyLong_FromLongLong(value.i);
}

PyObject *
tensor_format(Tensor *t, PyObject *spec)
{
    if (t->ndim == 0 && t->device.type != DEVICE_META && Py_IS_TYPE((PyObject *)t, &TensorType)) {
        PyObject *number = number_object(t);
        PyObject *text = number != NULL ? PyObject_Format(number, spec) : NULL;
        Py_XDECREF(number);
        return text;
    }
    if (PyUnicode_Check(spec) && PyUnicode_GET_LENGTH(spec) == 0)
        return PyObject_Str((PyObject *)t);
    return (PyObject *)error(PyExc_TypeError, "unsupported format string passed to %s.__format__",
                             Py_TYPE(t)->tp_name);
}

static int
set_profile(struct Options *o, const char *profile)
{
    if (strcmp(profile, "default") == 0)
        *o = (struct Options){4, 1000, 3, 80, SCI_AUTO};
    else if (strcmp(profile, "short") == 0)
        *o = (struct Options){2, 1000, 2, 80, SCI_AUTO};
    else if (strcmp(profile, "full") == 0)
        *o = (struct Options){4, HUGE_VAL, 3, 80, SCI_AUTO};
    else {
        error(PyExc_ValueError, "set_printoptions(): profile must be 'default', 'short' or 'full', not '%s'",
              profile);
        return -1;
    }
    return 0;
}

/* A size in [0, most] from a Python number, or as it was for None; -1 with an error. */
static int
set_size(const char *name, PyObject *o, int64_t most, int64_t *out)
{
    if (o == Py_None)
        return 0;
    double value = PyFloat_AsDouble(o);
    if (value == -1.0 && PyErr_Occurred())
        return -1;
    if (!(value >= 0)) {
        error(PyExc_ValueError, "set_printoptions(): %s must not be negative, got %R", name, o);
        return -1;
    }
    *out = value < (double)most ? (int64_t)value : most;
    return 0;
}

static PyObject *
set_printoptions(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"precision", "threshold", "edgeitems", "linewidth",
                               "profile",   "sci_mode",  NULL};
    PyObject *precision = Py_None, *threshold = Py_None, *edgeitems = Py_None, *linewidth = Py_None;
    PyObject *sci_mode = Py_None;
    const char *profile = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOOOzO:set_printoptions", keywords, &precision,
                                     &threshold, &edgeitems, &linewidth, &profile, &sci_mode))
        return NULL;
    struct Options o = options;
    if (profile != NULL && set_profile(&o, profile) < 0)
        return NULL;
    int64_t digits = o.precision;
    if (set_size("precision", precision, PRECISION_MAX, &digits) < 0 ||
        set_size("edgeitems", edgeitems, INT_MAX, &o.edgeitems) < 0 ||
        set_size("linewidth", linewidth, INT_MAX, &o.linewidth) < 0)
        return NULL;
    o.precision = (int)digits;
    if (threshold != Py_None) {
        o.threshold = PyFloat_AsDouble(threshold);
        if (o.threshold == -1.0 && PyErr_Occurred())
            return NULL;
    }
    o.sci_mode = sci_mode == Py_None ? SCI_AUTO : PyObject_IsTrue(sci_mode);
    if (sci_mode != Py_None && o.sci_mode < 0)
        return NULL;
    options = o;
    Py_RETURN_NONE;
}

static PyObject *
get_printoptions(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    PyObject *threshold = isinf(options.threshold) ? PyFloat_FromDouble(options.threshold)
                                                   : PyLong_FromDouble(options.threshold);
    if (threshold == NULL)
        return NULL;
    PyObject *sci_mode = options.sci_mode == SCI_AUTO ? Py_None : options.sci_mode ? Py_True : Py_False;
    return Py_BuildValue("{s:i,s:N,s:L,s:L,s:O}", "precision", options.precision, "threshold", threshold,
                         "edgeitems", (long long)options.edgeitems, "linewidth", (long long)options.linewidth,
                         "sci_mode", sci_mode);
}

static PyMethodDef functions[] = {
    {"set_printoptions", (PyCFunction)(void (*)(void))set_printoptions, METH_VARARGS | METH_KEYWORDS,
     "set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None,\n"
     "                 sci_mode=None)\n\n"
     "How tensors are printed.  precision: digits behind the point (4); threshold: more elements than\n"
     "this are summarised (1000); edgeitems: elements shown at each end then (3); linewidth: characters\n"
     "of a line (80); profile: 'default', 'short' or 'full'; sci_mode: True or False force scientific\n"
     "notation on or off.  None leaves an option as it is; but sci_mode=None chooses by the values.\n\n"
     "Raises ValueError for a negative number or an unknown profile."},
    {"get_printoptions", get_printoptions, METH_NOARGS,
     "get_printoptions()\n\nThe options as a dict that set_printoptions(**options) takes back."},
    {NULL, NULL, 0, NULL},
};

int
print_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
