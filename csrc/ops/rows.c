/* The op table: rows made from ops.def, the letters their gradients read, and the Python functions and methods that
 * stand for them.  How a call runs is in call.c and frame.c. */
#include "ops/rows.h"

#include <ctype.h>
#include <string.h>

#include "ops/ops.h"

enum {
    NONE_FORM = 0, F = FORM_FUNCTION, M = FORM_METHOD, FM = F | M, FMI = FM | FORM_INPLACE, MI = M | FORM_INPLACE,
    N = FORM_NN, NF = N | F, NFM = N | FM, NFMI = N | FMI
};

/* ---- calls of structural rows: argument k of the signature as a C value */
#define T(k) v[k].tensor
#define TN(k) (v[k].given ? v[k].tensor : NULL)
#define I(k) v[k].scalar.value.i
#define IOPT(k) (v[k].given ? &v[k].scalar.value.i : NULL)
#define B(k) (v[k].scalar.value.i != 0)
#define D(k) v[k].scalar.value.f
#define S(k) v[k].scalar
#define SN(k) (v[k].given ? &v[k].scalar : NULL)
#define V(k) (&v[k])
#define DT(k) (v[k].given ? v[k].dtype : DTYPE_NONE)
#define STR(k) v[k].text
#define O(k) v[k].object

static PyObject *
result_tensor(Tensor *t)
{
    return (PyObject *)scope_take(t);
}

static PyObject *
result_object(PyObject *o)
{
    return o;
}

#define OP(name, python, forms, signature, expression, gradient) \
    static PyObject *call_##name(const Value *v) \
    { \
        (void)v; \
        return _Generic((op_##expression), Tensor *: result_tensor, PyObject *: result_object)(op_##expression); \
    }
#include "abi/ops.def"

#define BACKWARD_C(name) void backward_##name(Node *, Tensor **, Tensor **);
#define NOT_DIFFERENTIABLE(name)
#define OP(name, python, forms, signature, expression, gradient) gradient(name)
#include "abi/ops.def"
#undef BACKWARD_C
#undef NOT_DIFFERENTIABLE

#define BACKWARD_C(name) .backward = backward_##name,
#define NOT_DIFFERENTIABLE(name)
#define CALL(name) call_##name

#define POINTWISE(n, kind_, forms_, cls, operands, bools, sig, ...) \
    [OP_##n] = {.name = #n, .python = #n, .kind = kind_, .forms = forms_, .class = CLASS_##cls, .arity = operands, \
                .bool_operand = bools, .source = sig, .gradient_text = {__VA_ARGS__}},

Row rows[OP_COUNT] = {
#define UNARY(n, forms, cls, sig, f, dx) POINTWISE(n, KIND_UNARY, forms, cls, 1, BOOL_NONE, sig, #dx)
#define PREDICATE(n, forms, cls, f) POINTWISE(n, KIND_PREDICATE, forms, cls, 1, BOOL_NONE, "", "NONE")
#define BINARY(n, forms, cls, sig, f, da, db) POINTWISE(n, KIND_BINARY, forms, cls, 2, BOOL_NONE, sig, #da, #db)
#define COMPARE(n, forms, cls, f) POINTWISE(n, KIND_COMPARE, forms, cls, 2, BOOL_NONE, "", "NONE", "NONE")
#define TERNARY(n, forms, cls, bools, sig, f, da, db, dc) \
    POINTWISE(n, KIND_TERNARY, forms, cls, 3, bools, sig, #da, #db, #dc)
#define OP(n, py, forms_, sig, expression, gradient) \
    [OP_##n] = {.name = #n, .python = #py, .kind = KIND_OP, .forms = forms_, .class = CLASS_ANY, \
                .bool_operand = BOOL_NONE, .source = sig, .call = CALL(n), gradient(n)},
#include "abi/ops.def"
};

/* ---- trampolines: one function a row serves as function and method, a second one as in-place method */
#define ROW(kind, name, ...) \
    static PyObject *py_##name(PyObject *s, PyObject *const *a, Py_ssize_t n, PyObject *k) \
    { \
        return op_python(OP_##name, s, a, n, k, false); \
    } \
    static PyObject *py_inplace_##name(PyObject *s, PyObject *const *a, Py_ssize_t n, PyObject *k) \
    { \
        return op_python(OP_##name, s, a, n, k, true); \
    }
#include "abi/ops.def"

typedef PyObject *(*Trampoline)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
static const Trampoline trampolines[OP_COUNT][2] = {
#define ROW(kind, name, ...) [OP_##name] = {py_##name, py_inplace_##name},
#include "abi/ops.def"
};

static const struct {
    const char *name;
    Op op;
    uint8_t forms;
} aliases[] = {
#define ALIAS(alias, row, forms) {#alias, OP_##row, forms},
#include "abi/ops.def"
    {NULL, 0, 0},
};

static const struct {
    Op op;
    const char *name;
} node_names[] = {
#define NODE(row, text) {OP_##row, text},
#include "abi/ops.def"
    {OP_COUNT, NULL},
};

static const struct {
    Op op;
    const char *name;
} shown[] = {
#define SHOWN(row, text) {OP_##row, text},
#include "abi/ops.def"
    {OP_COUNT, NULL},
};

/* ---------------------------------------------------------------- what formulas say */
static uint8_t
letters_of(const char *text, int arity)
{
    uint8_t saves = 0;
    for (const char *c = text; *c; c++) {
        if (!isalpha((unsigned char)*c) && *c != '_')
            continue;
        const char *start = c;
        while (isalnum((unsigned char)c[1]) || c[1] == '_')
            c++;
        if (c != start)
            continue;
        if (*c == 'y')
            saves |= SAVES_Y;
        if (*c == 'x' || (*c == 'a' && arity > 1))
            saves |= SAVES_A;
        if (*c == 'b')
            saves |= SAVES_B;
        if (*c == 'c')
            saves |= SAVES_C;
    }
    return saves;
}

static void
derive_gradients(Row *row)
{
    for (int k = 0; k < row->arity; k++) {
        const char *text = row->gradient_text[k];
        row->saves[k] = letters_of(text, row->arity);
        row->gradient_kind[k] = strcmp(text, "NONE") == 0 || strcmp(text, "0 ") == 0 ? GRADIENT_NONE
                                : strcmp(text, "0") == 0                            ? GRADIENT_ZERO
                                : strcmp(text, "g") == 0                            ? GRADIENT_PASS
                                                                                    : GRADIENT_LOOP;
        if (row->gradient_kind[k] != GRADIENT_NONE && row->kind != KIND_COMPARE && row->kind != KIND_PREDICATE)
            row->gradients |= (uint8_t)(1 << k);
    }
}

/* The kind's operands in front of the row's own tail; nn functions of an in-place row take inplace= at the end. */
static int
derive_signature(Row *row)
{
    static const char *const heads[] = {"Tensor input", "Tensor|Scalar input, Tensor|Scalar other",
                                        "Tensor input, Tensor|Scalar other", "Tensor input", ""};
    const char *source = row->source;
    if (row->kind != KIND_OP && strncmp(source, "Tensor", 6) != 0) {
        const char *head = heads[row->kind];
        size_t size = strlen(head) + strlen(source) + 32;
        char *text = PyMem_Malloc(size);
        if (text == NULL)
            return -1;
        snprintf(text, size, "%s%s%s%s", head, *source ? ", " : "", source,
                 row->kind == KIND_UNARY && row->forms == N ? ", bool inplace=False" : "");
        source = text;
    }
    if (signature_compile(&row->signature, row->python, source) < 0)
        return -1;
    if (row->kind == KIND_OP)
        return 0;
    row->defaults[0] = row->defaults[1] = PARAM(1);
    for (int i = row->arity; i < row->signature.n && row->n_params < 2; i++)
        if (row->signature.args[i].kind == ARG_SCALAR)
            row->defaults[row->n_params++] = row->signature.args[i].fallback.scalar.value;
    return 0;
}

/* "leaky_relu" -> "LeakyRelu" */
const char *
row_node_name(int op)
{
    static char text[64];
    for (int i = 0; node_names[i].name; i++)
        if ((int)node_names[i].op == op)
            return node_names[i].name;
    size_t n = 0;
    bool upper = true;
    for (const char *c = rows[op].name; *c && n < sizeof text - 1; c++) {
        if (*c == '_') {
            upper = true;
            continue;
        }
        text[n++] = upper ? (char)toupper((unsigned char)*c) : *c;
        upper = false;
    }
    text[n] = '\0';
    return text;
}

/* ---------------------------------------------------------------- functions and methods */
/* Docs are "name(signature)\n--\n\n": CPython reads __text_signature__ from them. */
static const char *
row_doc(const char *name, const Row *row, bool method)
{
    PyObject *text = signature_text(&row->signature);
    if (text == NULL)
        return NULL;
    const char *params = PyUnicode_AsUTF8(text);
    bool overloaded = row + 1 < rows + OP_COUNT && strcmp(row->python, row[1].python) == 0;
    PyObject *doc = NULL;
    if (params && !overloaded && method) {
        const char *rest = strpbrk(params, ",)");
        doc = PyUnicode_FromFormat("%s($self, /%s\n--\n\n", name, rest);
    } else if (params && !overloaded)             /* a function has no __self__ for inspect to take away */
        doc = PyUnicode_FromFormat("%s%s\n--\n\n", name, params);
    else if (params)
        doc = PyUnicode_FromFormat("%s%s and further forms", name, params);
    Py_DECREF(text);
    Py_ssize_t size;
    const char *utf8 = doc ? PyUnicode_AsUTF8AndSize(doc, &size) : NULL;
    char *copy = utf8 ? PyMem_Malloc((size_t)size + 1) : NULL;
    if (copy)
        memcpy(copy, utf8, (size_t)size + 1);
    Py_XDECREF(doc);
    return copy;
}

static int
add_function(PyObject *target, const char *name, Op op, bool inplace, bool method)
{
    PyMethodDef *def = PyMem_Calloc(1, sizeof *def);
    if (def == NULL)
        return -1;
    def->ml_name = name;
    def->ml_meth = (PyCFunction)(void (*)(void))trampolines[op][inplace];
    def->ml_flags = METH_FASTCALL | METH_KEYWORDS;
    def->ml_doc = row_doc(name, &rows[op], method);
    PyObject *function;
    if (method) {
        function = PyDescr_NewMethod((PyTypeObject *)target, def);
        if (function == NULL || PyDict_SetItemString(((PyTypeObject *)target)->tp_dict, name, function) < 0)
            return -1;
    } else {
        function = PyCFunction_NewEx(def, NULL, NULL);
        if (function == NULL || PyObject_SetAttrString(target, name, function) < 0)
            return -1;
    }
    Py_DECREF(function);
    return 0;
}

static const char *
inplace_name(const char *name)
{
    size_t n = strlen(name);
    char *text = PyMem_Malloc(n + 2);
    if (text) {
        memcpy(text, name, n);
        memcpy(text + n, "_", 2);
    }
    return text;
}

static int
add_forms(PyObject *module, PyObject *nn, PyObject *type, const char *name, Op op, uint8_t forms)
{
    const char *name_ = forms & FORM_INPLACE ? inplace_name(name) : "";
    if (name_ == NULL)
        return -1;
    if (forms & FORM_FUNCTION && add_function(module, name, op, false, false) < 0)
        return -1;
    if (forms & FORM_NN && add_function(nn, name, op, false, false) < 0)
        return -1;
    if (forms & FORM_METHOD && add_function(type, name, op, false, true) < 0)
        return -1;
    if (forms & FORM_INPLACE && add_function(type, name_, op, true, true) < 0)
        return -1;
    if ((forms & FORM_INPLACE) && (forms & FORM_FUNCTION) && add_function(module, name_, op, true, false) < 0)
        return -1;
    return 0;
}

int
rows_init(PyObject *module, PyTypeObject *tensor_type)
{
    PyObject *nn = PyModule_New("ctorch._C._nn");
    if (nn == NULL || PyModule_AddObjectRef(module, "_nn", nn) < 0)
        return -1;
    for (int op = 0; op < OP_COUNT; op++) {
        rows[op].shown = rows[op].python;
        derive_gradients(&rows[op]);
        if (derive_signature(&rows[op]) < 0)
            return -1;
    }
    for (int i = 0; shown[i].name; i++)
        rows[shown[i].op].shown = shown[i].name;
    for (int op = 0; op < OP_COUNT; op++) {
        Row *row = &rows[op];
        bool first = op == 0 || strcmp(row->python, row[-1].python) != 0;
        uint8_t forms = 0;
        row->overloaded = op + 1 < OP_COUNT && row[1].kind == KIND_OP && strcmp(row->python, row[1].python) == 0;
        for (Row *r = row; first && r < rows + OP_COUNT && strcmp(r->python, row->python) == 0; r++)
            forms |= r->forms;
        if (add_forms(module, nn, (PyObject *)tensor_type, row->python, (Op)op, forms) < 0)
            return -1;
    }
    for (int i = 0; aliases[i].name; i++)
        if (add_forms(module, nn, (PyObject *)tensor_type, aliases[i].name, aliases[i].op, aliases[i].forms) < 0)
            return -1;
    PyType_Modified(tensor_type);
    Py_DECREF(nn);
    return 0;
}
