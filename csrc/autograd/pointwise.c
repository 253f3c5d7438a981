/* The backward pass of pointwise rows: one loop per needed input, made by the preprocessor from the row's
 * gradient. Which letters a loop reads was found when the table was made; letters that it does not read point
 * at g. */
#include "autograd/formula.h"

#include "core/cpu.h"
#include "core/dtype.h"
#include "core/iter.h"
#include "ops/ops.h"
#include "ops/rows.h"

enum { LETTERS = 4, FAST_NUMEL = 1 << 14, FILL = 64 };
static const int letter_operand[LETTERS] = {GRAD_A, GRAD_B, GRAD_C, GRAD_Y};

/* One gradient on its way: what its letters a b c y are bound to. */
typedef struct Gradient {
    Node *node;
    int input;
    Tensor *g;
    Tensor *letters[LETTERS]; /* NULL: not read, or a number */
    bool is_number[LETTERS];
    bool uniform; /* g is one element, expanded: what sum and mean hand on */
} Gradient;

static bool
is_uniform(const Tensor *g)
{
    for (int i = 0; i < g->ndim; i++)
        if (g->strides[i] != 0 && g->dims[i] != 1)
            return false;
    return true;
}

static int
bind_letters(Gradient *d)
{
    d->uniform = !d->g->contiguous && is_uniform(d->g);
    uint8_t saves = rows[d->node->op].saves[d->input];
    for (int k = 0; k < LETTERS; k++) {
        if (!(saves & (1 << k)))
            continue;
        d->letters[k] = node_peek(d->node, row_saved_slot(&rows[d->node->op], k));
        d->is_number[k] = d->letters[k] == NULL;
        if (d->is_number[k] && PyErr_Occurred())
            return -1;
    }
    return 0;
}

static Tensor *
allocate(const Gradient *d)
{
    Tensor *g = d->g;
    Dtype dtype = (Dtype)d->node->dtype;
    if (!g->contiguous && !d->uniform && g->dtype == dtype)
        return scope_keep(tensor_empty_like(g));
    return scope_keep(tensor_empty_dense(g, dtype));
}

/* The row whose loop runs: that of a square where the node is a power of 2. */
static Op
kernel_of(const Gradient *d)
{
    bool square = d->node->op == OP_pow && d->input == 0 && d->is_number[1] && node_slot(d->node, 1)->number == 2;
    return square ? OP_square : (Op)d->node->op;
}

/* ---------------------------------------------------------------- dense operands of one dtype */
/* With equal numels and both dense, an operand that broadcasts to g's shape lies in memory as g does. */
static bool
is_fast(const Gradient *d)
{
    const Tensor *g = d->g;
    if (!(g->contiguous || (d->uniform && g->numel <= FILL)) || g->dtype != d->node->dtype
        || g->numel > FAST_NUMEL || g->device.type != DEVICE_CPU
        || (g->dtype != DTYPE_FLOAT && g->dtype != DTYPE_DOUBLE))
        return false;
    for (int k = 0; k < LETTERS; k++) {
        const Tensor *t = d->letters[k];
        if (d->is_number[k] ? g->numel > FILL
                            : t != NULL && (t->dtype != g->dtype || !t->contiguous || t->numel != g->numel))
            return false;
    }
    return true;
}

/* dtype is float32 or float64. */
static void
fill(char *buffer, Dtype dtype, double number, int64_t n)
{
    if (dtype == DTYPE_FLOAT)
        for (int64_t i = 0; i < n; i++)
            ((float *)(void *)buffer)[i] = (float)number;
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)(void *)buffer)[i] = number;
}

static void
run_fast(const Gradient *d, Tensor *out)
{
    Dtype dtype = (Dtype)d->g->dtype;
    _Alignas(double) char numbers[LETTERS][FILL * ITEMSIZE_MAX];
    char *g = d->g->data;
    if (d->uniform && d->g->numel > 0) {
        fill(numbers[LETTERS - 1], dtype, dtype_load(g, dtype).f, d->g->numel); /* y is never a number */
        g = numbers[LETTERS - 1];
    }
    char *at[GRAD_OPERANDS] = {out->data, g, g, g, g, g};
    int64_t itemsize = dtype_info[dtype].itemsize;
    int64_t strides[GRAD_OPERANDS] = {itemsize, itemsize, itemsize, itemsize, itemsize, itemsize};
    for (int k = 0; k < LETTERS; k++)
        if (d->letters[k] != NULL)
            at[letter_operand[k]] = d->letters[k]->data;
        else if (d->is_number[k]) {
            fill(numbers[k], dtype, node_slot(d->node, k)->number, d->g->numel);
            at[letter_operand[k]] = numbers[k];
        }
    cpu_loops[kernel_of(d)][PART_GRADIENT_A + d->input][dtype](at, strides, d->g->numel, node_params(d->node));
}

/* ---------------------------------------------------------------- any shapes, dtypes and devices */
/* What was saved may have got another shape since, by .data or resize_, which no version tells. */
static int
check_broadcasts(const Tensor *saved, const Tensor *g)
{
    bool fits = saved->ndim <= g->ndim;
    for (int i = 1; fits && i <= saved->ndim; i++)
        fits = saved->dims[saved->ndim - i] == 1 || saved->dims[saved->ndim - i] == g->dims[g->ndim - i];
    if (fits)
        return 0;
    error(PyExc_RuntimeError, "The size of tensor a %s must match the size of tensor b %s: a tensor that the gradient is "
                              "computed from got another shape after the forward pass, by .data or resize_",
          shape_text(saved->ndim, saved->dims), shape_text(g->ndim, g->dims));
    return -1;
}

static int
run_general(const Gradient *d, Tensor *out)
{
    Tensor *g = d->g;
    Dtype compute = (Dtype)d->node->dtype;
    /* A number is not rounded to a half type before it is used. */
    Dtype wide = dtype_half_compute(compute);
    _Alignas(double) char numbers[LETTERS][ITEMSIZE_MAX];
    Iter iter;
    IterOperand operands[GRAD_OPERANDS];
    for (int i = 0; i < GRAD_OPERANDS; i++) {
        operands[i] = iter_operand(i == GRAD_OUT ? out : g);
        iter.dtype[i] = i == GRAD_OUT ? out->dtype : g->dtype;
    }
    for (int k = 0; k < LETTERS; k++) {
        int i = letter_operand[k];
        if (d->letters[k] != NULL) {
            if (check_broadcasts(d->letters[k], g) < 0)
                return -1;
            operands[i] = iter_operand(d->letters[k]);
            iter.dtype[i] = d->letters[k]->dtype;
        } else if (d->is_number[k]) {
            dtype_store(numbers[k], wide, (Param){.f = node_slot(d->node, k)->number});
            operands[i] = (IterOperand){numbers[k], 0, NULL, NULL, dtype_info[wide].itemsize, true};
            iter.dtype[i] = (int8_t)wide;
        }
    }
    iter_build(&iter, GRAD_OPERANDS, operands, g->ndim, g->dims);
    const Backend *backend = backend_of(g);
    return backend->pointwise(kernel_of(d), PART_GRADIENT_A + d->input, compute, &iter, node_params(d->node));
}

static Tensor *
loop_gradient(Node *n, int k, Tensor *g)
{
    Gradient d = {.node = n, .input = k, .g = g};
    if (bind_letters(&d) < 0)
        return NULL;
    Tensor *out = allocate(&d);
    if (out == NULL)
        return NULL;
    if (is_fast(&d))
        run_fast(&d, out);
    else if (run_general(&d, out) < 0)
        return NULL;
    return out;
}

Tensor *
formula_constant(Tensor *g, double value, Dtype dtype)
{
    Tensor *t = scope_keep(tensor_empty_dense(g, dtype));
    if (t != NULL && t->numel == 1 && t->device.type == DEVICE_CPU) {
        dtype_store(t->data, dtype, (Param){value, dtype_int_of_double(value)});
        return t;
    }
    if (t == NULL || fill_data(t, (Scalar){{value, dtype_int_of_double(value)}, CATEGORY_FLOAT}) < 0)
        return NULL;
    return t;
}

/* A known zero is a tensor of zeros, as in PyTorch: floor(x) is used, and its gradient is not None. */
void
pointwise_backward(Node *n, Tensor *g, Tensor **out)
{
    const Row *row = &rows[n->op];
    for (int k = 0; k < row->arity; k++) {
        if (!node_needs(n, k))
            continue;
        switch (row->gradient_kind[k]) {
        case GRADIENT_NONE: break;
        case GRADIENT_PASS: out[k] = scope_keep((Tensor *)Py_NewRef((PyObject *)g)); break;
        case GRADIENT_ZERO: out[k] = formula_constant(g, 0, (Dtype)n->dtype); break;
        default: out[k] = grad_mode ? formula_gradient(n, k, g) : loop_gradient(n, k, g); break;
        }
    }
}
