/* The op frame of pointwise rows: promote, broadcast, check devices and overlap, allocate, compute, record.  One path
 * stands in front of every kernel, so a check exists once; the fast path at the end of the file takes the common case
 * (equal shapes and dtypes, dense, on the CPU) past the parts it does not need. */
#include "ops/rows.h"

#include <string.h>

#include "core/cpu.h"
#include "core/dtype.h"
#include "core/iter.h"
#include "core/shape.h"
#include "ops/ops.h"

enum { OPERANDS_MAX = 3 };

/* One call on its way through the frame. */
typedef struct Frame {
    const Row *row;
    Op op;
    int n;
    const Operand *in;
    Param params[2];
    Tensor *out;                  /* in-place target, or NULL */
    Dtype compute;                /* the loop's type */
    Dtype result;                 /* the type of what it yields */
    Device device;
    int ndim;
    int64_t dims[NDIM_MAX];
    char numbers[OPERANDS_MAX][ITEMSIZE_MAX];      /* scalar operands in memory, as the loops read them */
    Operand apart[OPERANDS_MAX];                   /* in, where one had to be copied: it overlaps out */
} Frame;

/* ---------------------------------------------------------------- promotion */
/* Tensors with dims outrank 0-d tensors outrank numbers; a lower rank matters only if its category is higher. */
Dtype
operands_dtype(int n, const Operand *in, int left_out)
{
    Dtype by_rank[3] = {DTYPE_NONE, DTYPE_NONE, DTYPE_NONE};      /* dimensioned, 0-d, number */
    for (int k = 0; k < n; k++) {
        const Operand *o = &in[k];
        if (k == left_out)
            continue;
        int rank = o->tensor == NULL ? 2 : o->tensor->ndim == 0 ? 1 : 0;
        Dtype d = o->tensor != NULL                            ? (Dtype)o->tensor->dtype
                  : o->scalar.category == CATEGORY_FLOAT ? default_dtype
                  : o->scalar.category == CATEGORY_INT   ? DTYPE_INT64
                                                         : DTYPE_BOOL;
        by_rank[rank] = by_rank[rank] == DTYPE_NONE ? d : dtype_promote(by_rank[rank], d);
    }
    Dtype result = by_rank[0];
    for (int rank = 1; rank < 3; rank++)
        if (by_rank[rank] != DTYPE_NONE
            && (result == DTYPE_NONE || dtype_info[by_rank[rank]].category > dtype_info[result].category))
            result = by_rank[rank];
    return result;
}

static int
refuse_bool(const Row *row)
{
    if (row - rows == OP_sub || row - rows == OP_rsub)
        error(PyExc_RuntimeError, "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
                                  "to invert a mask, use the `~` or `logical_not()` operator instead");
    else if (row - rows == OP_neg)
        error(PyExc_RuntimeError, "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
                                  "invert a mask, use the `~` or `logical_not()` operator instead");
    else
        not_implemented_dtype(row->shown, DTYPE_BOOL);
    return -1;
}

static bool
any_bool_tensor(const Frame *f)
{
    for (int k = 0; k < f->n; k++)
        if (f->in[k].tensor != NULL ? f->in[k].tensor->dtype == DTYPE_BOOL : f->in[k].scalar.category == CATEGORY_BOOL)
            return true;
    return false;
}

/* A condition or mask is bool, and a filling value a single one. */
static int
check_mask(const Frame *f)
{
    const Tensor *mask = f->in[f->row->bool_operand].tensor;
    bool byte = mask != NULL && mask->dtype == DTYPE_UINT8 && f->op == OP_where;       /* an old spelling of bool */
    if (mask == NULL || (mask->dtype != DTYPE_BOOL && !byte)) {
        if (f->op == OP_where)
            error(PyExc_RuntimeError, "where expected condition to be a boolean tensor, but got a tensor with dtype %s",
                  mask ? dtype_info[mask->dtype].type_name : "of a number");
        else
            error(PyExc_RuntimeError, "masked_fill_ only supports boolean masks, but got mask with dtype %s",
                  mask ? dtype_info[mask->dtype].name : "of a number");
        return -1;
    }
    const Tensor *value = f->op == OP_masked_fill ? f->in[2].tensor : NULL;
    if (value != NULL && value->ndim > 0) {
        error(PyExc_RuntimeError, "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with %d "
                                  "dimension(s); torch.where(mask, value, input) takes any shape", value->ndim);
        return -1;
    }
    return 0;
}

/* Numbers that become elements as they are: where's, and masked_fill's also in a tensor, must fit the result. */
static int
check_stored_numbers(const Frame *f, Dtype d)
{
    if (f->op == OP_masked_fill)
        return value_check_fits(f->in[2].tensor, &f->in[2].scalar, d);
    for (int k = 1; k < f->n; k++)
        if (f->in[k].tensor == NULL && scalar_check_fits(&f->in[k].scalar, d) < 0)
            return -1;
    return 0;
}

/* lerp promotes nothing but a weight without dims. */
static int
check_lerp(const Frame *f)
{
    static const char *const names[] = {"self", "end", "weight"};
    const Tensor *t = f->in[0].tensor, *weight = f->in[2].tensor;
    bool lone = weight != NULL && weight->ndim == 0;
    for (int k = 1; k < (lone ? 2 : 3); k++)
        if (f->in[k].tensor != NULL && f->in[k].tensor->dtype != t->dtype) {
            error(PyExc_RuntimeError, "expected dtype %s for `%s` but got dtype %s: convert one with .to(dtype)",
                  dtype_info[t->dtype].name, names[k], dtype_info[f->in[k].tensor->dtype].name);
            return -1;
        }
    bool computes = dtype_is_float((Dtype)t->dtype) || (lone && dtype_is_float((Dtype)weight->dtype));
    return computes ? 0 : not_implemented_dtype("lerp", (Dtype)t->dtype);
}

static int
choose_dtype(Frame *f)
{
    if (f->row->bool_operand >= 0 && check_mask(f) < 0)
        return -1;
    if (f->op == OP_lerp && check_lerp(f) < 0)
        return -1;
    Dtype d = f->op == OP_masked_fill ? (Dtype)f->in[0].tensor->dtype
                                         : operands_dtype(f->n, f->in, f->row->bool_operand);
    if (f->row->bool_operand >= 0 && check_stored_numbers(f, d) < 0)
        return -1;
    int category = dtype_info[d].category;
    switch ((Class)f->row->class) {
    case CLASS_FLOAT:
        if (category != CATEGORY_FLOAT)
            d = default_dtype;
        break;
    case CLASS_REAL:
        if (category != CATEGORY_FLOAT)
            return not_implemented_dtype(f->row->shown, d);
        break;
    case CLASS_NUMBER:
        if (d == DTYPE_BOOL && f->op == OP_square)               /* a power with an integer exponent */
            d = DTYPE_INT64;
        if (d == DTYPE_BOOL || ((f->op == OP_sub || f->op == OP_rsub) && any_bool_tensor(f)))
            return refuse_bool(f->row);
        break;
    case CLASS_INT:
    case CLASS_WHOLE:
        if (category == CATEGORY_FLOAT || (d == DTYPE_BOOL && f->row->class == CLASS_WHOLE))
            return not_implemented_dtype(f->row->shown, d);
        break;
    case CLASS_TRUTH:
        d = DTYPE_BOOL;
        break;
    case CLASS_ANY:
        if (f->op == OP_pow && d == DTYPE_BOOL && f->in[1].tensor != NULL)
            return not_implemented_dtype(f->row->shown, d);
        break;
    }
    if (f->op == OP_pow && category == CATEGORY_INT && f->in[1].tensor == NULL && f->in[1].scalar.value.i < 0) {
        error(PyExc_RuntimeError, "Integers to negative integer powers are not allowed: convert the base with .float()");
        return -1;
    }
    f->compute = d;
    f->result = f->row->kind == KIND_COMPARE || f->row->kind == KIND_PREDICATE ? DTYPE_BOOL : d;
    return 0;
}

/* The parameters that the dtype of the computation cannot hold.  clamp's bounds may be missing, hence beyond any dtype;
 * ops/call.c has looked at those that were given. */
static int
check_params(Frame *f)
{
    if (dtype_is_float(f->compute))
        return 0;
    if (f->op == OP_hardtanh && f->compute == DTYPE_UINT8 && (f->params[0].f < 0 || f->params[1].f < 0)) {
        error(PyExc_RuntimeError, "cannot do hardtanh on an unsigned type with negative limits: %s and %s",
              float_text(f->params[0].f), float_text(f->params[1].f));
        return -1;
    }
    for (int k = 0; k < f->row->n_params && f->op != OP_clamp; k++) {
        bool whole = f->params[k].f == (double)f->params[k].i;
        if (scalar_check_fits(&(Scalar){f->params[k], whole ? CATEGORY_INT : CATEGORY_FLOAT}, f->compute) < 0)
            return -1;
        if (f->compute == DTYPE_UINT8)
            f->params[k].i = (uint8_t)f->params[k].i;
        else if (f->compute == DTYPE_BOOL)
            f->params[k].i = f->params[k].f != 0;
    }
    return 0;
}

/* ---------------------------------------------------------------- shapes and devices */
static int
broadcast_error(const Frame *f, const Tensor *t)
{
    const char *so_far = shape_text(f->ndim, f->dims), *other = shape_text(t->ndim, t->dims);
    int most = f->ndim > t->ndim ? f->ndim : t->ndim;
    for (int i = 1; i <= most; i++) {
        int64_t a = i <= f->ndim ? f->dims[f->ndim - i] : 1, b = i <= t->ndim ? t->dims[t->ndim - i] : 1;
        if (a != b && a != 1 && b != 1) {
            error(PyExc_RuntimeError, "The size of tensor a (%lld) must match the size of tensor b (%lld) at "
                                      "non-singleton dimension %d: %s of shapes %s and %s; sizes must be equal or 1, "
                                      "counted from the last dimension",
                  (long long)a, (long long)b, most - i, f->row->shown, so_far, other);
            return -1;
        }
    }
    return -1;
}

static int
broadcast_operands(Frame *f)
{
    f->ndim = 0;
    f->device = CPU;
    bool first = true;
    for (int k = 0; k < f->n; k++) {
        Tensor *t = f->in[k].tensor;
        if (t == NULL)
            continue;
        if (first || (f->device.type == DEVICE_CPU && f->ndim == 0))
            f->device = t->device;
        else if (!device_equal(t->device, f->device) && !(t->ndim == 0 && t->device.type == DEVICE_CPU))
            return device_mismatch(f->row->shown, f->device, t->device);
        if (first) {
            f->ndim = t->ndim;
            memcpy(f->dims, t->dims, (size_t)t->ndim * sizeof f->dims[0]);
        } else if (shape_broadcast(&f->ndim, f->dims, t->ndim, t->dims) < 0)
            return broadcast_error(f, t);
        first = false;
    }
    return shape_numel(f->ndim, f->dims) < 0 ? -1 : 0;
}

/* Operands that partly overlap the target are copied, with their history, into the scope. */
static int
keep_apart(Frame *f)
{
    for (int k = 0; k < f->n; k++) {
        int overlaps = f->in[k].tensor ? check_overlap(f->row->shown, f->out, f->in[k].tensor) : 0;
        if (overlaps < 0)
            return -1;
        if (overlaps == 0)
            continue;
        if (f->in != f->apart)
            f->in = memcpy(f->apart, f->in, (size_t)f->n * sizeof f->apart[0]);
        if ((f->apart[k].tensor = op_clone(f->in[k].tensor)) == NULL)
            return -1;
    }
    return 0;
}

static int
check_inplace(const Frame *f)
{
    Tensor *out = f->out;
    bool same = out->ndim == f->ndim && memcmp(out->dims, f->dims, (size_t)f->ndim * sizeof f->dims[0]) == 0;
    if (!same) {
        error(PyExc_RuntimeError, "output with shape %s doesn't match the broadcast shape %s: an in-place %s_ cannot "
                                  "change the shape of its tensor",
              shape_text(out->ndim, out->dims), shape_text(f->ndim, f->dims), f->row->shown);
        return -1;
    }
    if (!dtype_can_cast(f->result, (Dtype)out->dtype)) {
        error(PyExc_RuntimeError, "result type %s can't be cast to the desired output type %s; use the out-of-place "
                                  "%s, or convert the tensor first",
              dtype_info[f->result].type_name, dtype_info[out->dtype].type_name, f->row->shown);
        return -1;
    }
    return check_writable(out, f->row->shown);
}

/* ---------------------------------------------------------------- computing */
/* The first operand of the full shape lends the result its order of strides, as in PyTorch, but for masked_fill's. */
static Tensor *
allocate_result(const Frame *f)
{
    for (int k = 0; k < f->n && f->op != OP_masked_fill; k++) {
        Tensor *t = f->in[k].tensor;
        if (t == NULL || t->ndim != f->ndim || memcmp(t->dims, f->dims, (size_t)f->ndim * sizeof f->dims[0]) != 0)
            continue;
        if (t->contiguous || !device_equal(t->device, f->device))
            break;
        Tensor *like = tensor_empty_like(t);
        if (like == NULL || like->dtype == f->result)
            return like;
        Tensor *out = tensor_empty(f->ndim, f->dims, f->result, f->device);
        if (out != NULL && tensor_set_dims(out, like->ndim, like->dims, like->strides) < 0)
            Py_CLEAR(out);
        Py_DECREF(like);
        return out;
    }
    return tensor_empty(f->ndim, f->dims, f->result, f->device);
}

/* As PyTorch on the CPU: of a half and a number, the number is rounded to a half first, but for products and quotients.
 * What lies in one element of the CPU's memory is such a number, whatever its dtype. */
static Dtype
number_dtype(const Frame *f)
{
    switch (f->op) {
    case OP_mul:
    case OP_div:
    case OP_div_trunc:
    case OP_div_floor:
    case OP_floor_divide: return dtype_half_compute(f->compute);
    default: return f->compute;
    }
}

static IterOperand
frame_operand(Frame *f, int k, Iter *iter)
{
    Tensor *t = f->in[k].tensor;
    Dtype d = number_dtype(f);
    bool rounded = t != NULL && t->ndim == 0 && f->ndim > 0 && dtype_half_compute(d) != d && t->dtype != (int8_t)d
                   && t->device.type == DEVICE_CPU;
    if (t != NULL && !rounded) {
        iter->dtype[k + 1] = t->dtype;
        return iter_operand(t);
    }
    iter->dtype[k + 1] = (int8_t)d;
    dtype_store(f->numbers[k], d, rounded ? tensor_item(t) : f->in[k].scalar.value);
    return (IterOperand){f->numbers[k], 0, NULL, NULL, dtype_info[d].itemsize, true};
}

/* What is wrong where a row's GUARD holds; NULL: the row has none. */
static const char *const guard_texts[OP_COUNT] = {
#define GUARD(row, class, condition, exception, text) [OP_##row] = text,
#include "abi/ops.def"
};

static int
run_guard(const Frame *f, const Iter *iter)
{
    const Backend *backend = backend_at(f->device);
    if (guard_texts[f->op] == NULL || iter->n_operands != 3 || dtype_is_float(f->compute) || f->compute == DTYPE_BOOL)
        return 0;
    bool mixed = false;
    for (int k = 1; k <= 2; k++)
        mixed |= iter->dtype[k] != (int8_t)f->compute;
    Iter operands = *iter;
    operands.n_operands = 2;
    operands.host = (uint8_t)(iter->host >> 1);
    for (int d = 0; d < iter->ndim; d++)
        for (int k = 0; k < 2; k++)
            operands.strides[d][k] = iter->strides[d][k + 1];
    operands.ptr[0] = iter->ptr[1];
    operands.ptr[1] = iter->ptr[2];
    Dtype read = f->compute;
    if (mixed) {                                  /* every guard asks about b alone: read b in its own type */
        read = iter->dtype[2] == DTYPE_BOOL ? DTYPE_UINT8 : (Dtype)iter->dtype[2];  /* the same bytes, 0 or 1 */
        operands.ptr[0] = operands.ptr[1];
        operands.host |= (uint8_t)(operands.host >> 1);
        for (int d = 0; d < iter->ndim; d++)
            operands.strides[d][0] = operands.strides[d][1];
    }
    if (!backend->guard(f->op, read, &operands))
        return 0;
    error(ZeroDivisionError_, "%s (in %s of %s tensors)", guard_texts[f->op], f->row->shown, dtype_info[f->compute].name);
    return -1;
}

/* The op whose loop runs: a power with a simple exponent has a cheaper one, of its base alone. */
static Op
kernel_of(Op op, const Operand *in, Dtype compute)
{
    return op == OP_pow && in[1].tensor == NULL ? power_kernel(in[1].scalar.value.f, compute) : op;
}

static int
compute(Frame *f, Tensor *out)
{
    Iter iter;
    IterOperand operands[OPERANDS_MAX + 1];
    Op kernel = kernel_of(f->op, f->in, f->compute);
    int n = rows[kernel].arity;
    operands[0] = iter_operand(out);
    for (int k = 0; k < n; k++)
        operands[k + 1] = frame_operand(f, k, &iter);
    iter_build(&iter, n + 1, operands, f->ndim, f->dims);
    iter.dtype[0] = out->dtype;
    if (run_guard(f, &iter) < 0)
        return -1;
    return backend_at(f->device)->pointwise(kernel, PART_FORWARD, f->compute, &iter, f->params);
}

/* ---------------------------------------------------------------- recording */
/* The digit PyTorch prints: it counts the overloads of an op, which one row here serves. */
static int
variant_of(Op op, const Operand *in)
{
    switch (op) {
    case OP_pow: return in[1].tensor == NULL ? 0 : in[0].tensor != NULL ? 1 : 2;
    case OP_rsub: return in[1].tensor == NULL;
    case OP_remainder: return in[1].tensor != NULL;
    case OP_lerp: return in[2].tensor != NULL;
    case OP_clamp: return 1;
    case OP_div_trunc:
    case OP_div_floor: return 2;
    default: return 0;
    }
}

/* Saves what the gradients of the inputs that need one (bits of `wanted`) will read.  NULL: an error. */
static Node *
record(const Row *row, Op op, unsigned wanted, const Operand *in, const Param *params, Tensor *out, bool inplace,
       Tensor *old_self, Dtype compute)
{
    Tensor *inputs[OPERANDS_MAX];
    int n = row->arity;
    uint8_t saves = 0;
    for (int k = 0; k < n; k++) {
        inputs[k] = in[k].tensor;
        saves |= wanted & 1u << k ? row->saves[k] : 0;
    }
    Node *node = inplace ? node_record_inplace(op, out, n, inputs) : node_attach(op, variant_of(op, in), out, n, inputs);
    if (node == NULL)
        return NULL;
    if (inplace)
        node_set_variant(node, variant_of(op, in));
    node->dtype = (int8_t)compute;
    if (params != row->defaults && memcmp(params, row->defaults, sizeof row->defaults) != 0)
        node_save_params(node, params[0], params[1]);
    for (int k = 0; k < n && saves != 0; k++) {
        if (!(saves & (SAVES_A << k)))
            continue;
        if (in[k].tensor == NULL)
            node_save_number(node, k, in[k].scalar.value.f);
        else
            node_save(node, k, in[k].tensor == out && old_self ? old_self : in[k].tensor);
    }
    if (saves & SAVES_Y)
        node_save_output(node, n, out);
    return PyErr_Occurred() ? NULL : node;
}

void
pointwise_record(Op op, Tensor *out)
{
    Node *below = out->node;
    record(&rows[op], op, 1, &(Operand){.tensor = out}, rows[op].defaults, out, false, NULL, (Dtype)out->dtype);
    if (out->node != below)
        Py_DECREF(below);         /* the edge of the new node holds it now */
}

static bool
should_record(int n, const Operand *in)
{
    if (!grad_mode)
        return false;
    for (int k = 0; k < n; k++)
        if (tensor_needs_grad(in[k].tensor))
            return true;
    return false;
}

static bool
to_bool(const Row *row)
{
    return row->kind == KIND_COMPARE || row->kind == KIND_PREDICATE;
}

/* Which operands want a gradient, as bits, if the floating-point result belongs into the graph; else 0. */
static inline unsigned
wants_gradients(const Row *row, const Operand *in)
{
    if (!grad_mode)
        return 0;
    unsigned wanted = 0;
    for (int k = 0, n = row->arity; k < n; k++)
        if (tensor_needs_grad(in[k].tensor))
            wanted |= 1u << k;
    return wanted & row->gradients ? wanted : 0;
}

/* Whether a gradient that will be needed reads the tensor that is about to be overwritten. */
static bool
reads_overwritten(const Frame *f)
{
    uint8_t saves = 0;
    for (int k = 0; k < f->n; k++)
        if (tensor_needs_grad(f->in[k].tensor))
            saves |= f->row->saves[k];
    for (int k = 0; k < f->n; k++)
        if (f->in[k].tensor == f->out && (saves & (SAVES_A << k)))
            return true;
    return false;
}

/* Then the node gets a copy, made before the write, with the old history; NULL with an error. */
Tensor *
copy_before_write(Tensor *t)
{
    Tensor *old = tensor_empty_like(t);
    if (old == NULL || copy_data(old, t) < 0) {
        Py_XDECREF((PyObject *)old);
        return NULL;
    }
    old->node = (Node *)Py_XNewRef((PyObject *)tensor_node(t));
    old->output_nr = t->output_nr;
    old->requires_grad = t->requires_grad;
    return old;
}

/* ---------------------------------------------------------------- the general path */
static Tensor *
general(Frame *f)
{
    if (broadcast_operands(f) < 0 || choose_dtype(f) < 0 || check_params(f) < 0)
        return NULL;
    if (f->out != NULL && (check_inplace(f) < 0 || keep_apart(f) < 0))
        return NULL;
    Tensor *old = NULL, *out;
    if (f->out == NULL)
        out = allocate_result(f);
    else {
        out = (Tensor *)Py_NewRef((PyObject *)f->out);
        if (should_record(f->n, f->in) && reads_overwritten(f) && (old = copy_before_write(f->out)) == NULL) {
            Py_DECREF(out);
            return NULL;
        }
    }
    if (out == NULL)
        return NULL;
    if (compute(f, out) < 0)
        goto fail;
    if (f->out != NULL)
        tensor_bump(out);
    unsigned wanted = dtype_is_float(f->result) ? wants_gradients(f->row, f->in) : 0;
    if (wanted && record(f->row, f->op, wanted, f->in, f->params, out, f->out != NULL, old, f->compute) == NULL)
        goto fail;
    Py_XDECREF((PyObject *)old);
    return out;
fail:
    if (f->out != NULL)
        tensor_bump(out);
    Py_XDECREF((PyObject *)old);
    Py_DECREF(out);
    return NULL;
}

/* ---------------------------------------------------------------- the fast path */
enum { FAST_NUMEL = 1 << 14 };

/* Dense float32 or float64 on the CPU. */
static inline bool
is_plain(const Tensor *t)
{
    return t != NULL && t->contiguous && t->device.type == DEVICE_CPU && t->numel <= FAST_NUMEL
           && (t->dtype == DTYPE_FLOAT || t->dtype == DTYPE_DOUBLE);
}

/* Operand o has the dtype, device and shape of t, which is plain. */
static inline bool
is_alike(const Tensor *o, const Tensor *t)
{
    if (o->dtype != t->dtype || o->ndim != t->ndim || !o->contiguous || o->device.type != DEVICE_CPU)
        return false;
    for (int i = 0; i < t->ndim; i++)
        if (o->dims[i] != t->dims[i])
            return false;
    return true;
}

/* Equal shapes and dtypes, dense, on the CPU: then no question of the general path is open out of place. */
static inline bool
is_fast(const Row *row, const Operand *in)
{
    if (!is_plain(in[0].tensor) || row->bool_operand >= 0)
        return false;
    for (int k = 1, n = row->arity; k < n; k++)
        if (in[k].tensor != NULL ? !is_alike(in[k].tensor, in[0].tensor) : n > 2)
            return false;
    return true;
}

/* In place one is: whether anything that watches the target's memory or history forbids to write. */
static bool
is_fast_inplace(const Row *row, const Operand *in, const Tensor *target)
{
    if (target != in[0].tensor || to_bool(row) || target->storage->readonly)
        return false;
    const Tensor *base = target->base;
    if (should_record(row->arity, in) || (grad_mode && base && base->requires_grad))
        return false;
    int64_t nbytes = target->numel * tensor_itemsize(target);
    for (int k = 1; k < row->arity; k++) {
        const Tensor *o = in[k].tensor;
        if (o != NULL && o->data != target->data && o->data < target->data + nbytes && target->data < o->data + nbytes)
            return false;
    }
    return true;
}

Tensor *
pointwise(Op op, const Operand *in, const Param *params, Tensor *target)
{
    const Row *row = &rows[op];
    if (!is_fast(row, in) || (target != NULL && !is_fast_inplace(row, in, target))
        || cpu_loops[op][PART_FORWARD][in[0].tensor->dtype] == NULL) {
        Frame f;                  /* not cleared: dims and numbers are long, and written before they are read */
        f.row = row;
        f.op = op;
        f.n = row->arity;
        f.in = in;
        f.params[0] = params[0];
        f.params[1] = params[1];
        f.out = target;
        size_t mark = scope_begin();
        Tensor *out = general(&f);
        scope_end(mark);
        return out;
    }
    Tensor *t = in[0].tensor, *out = target;
    if (target != NULL) {
        Py_INCREF((PyObject *)out);
        tensor_bump(out);
    } else if ((out = tensor_empty_dense(t, to_bool(row) ? DTYPE_BOOL : (Dtype)t->dtype)) == NULL)
        return NULL;
    int64_t itemsize = tensor_itemsize(t), strides[4] = {tensor_itemsize(out), itemsize, itemsize, itemsize};
    char *at[4] = {out->data, t->data};
    double number;
    if (row->arity > 1 && in[1].tensor != NULL)
        at[2] = in[1].tensor->data;
    else if (row->arity > 1) {
        dtype_store((char *)&number, (Dtype)t->dtype, in[1].scalar.value);
        at[2] = (char *)&number;
        strides[2] = 0;
    }
    if (row->arity > 2)
        at[3] = in[2].tensor->data;
    cpu_loops[kernel_of(op, in, (Dtype)t->dtype)][PART_FORWARD][t->dtype](at, strides, t->numel, params);
    unsigned wanted = target == NULL ? wants_gradients(row, in) : 0;
    if (wanted && record(row, op, wanted, in, params, out, false, NULL, (Dtype)t->dtype) == NULL)
        Py_CLEAR(out);
    return out;
}

/* ---------------------------------------------------------------- C callers */
Tensor *
op_pointwise(Op op, int n, Tensor *a, Tensor *b, Tensor *c, Param p, Param q)
{
    if (a == NULL || (n > 1 && b == NULL) || (n > 2 && c == NULL))
        return NULL;
    Operand in[3] = {{.tensor = a}, {.tensor = b}, {.tensor = c}};
    return scope_keep(pointwise(op, in, (Param[]){p, q}, NULL));
}

Tensor *
op_scalar(Op op, Tensor *a, double b)
{
    if (a == NULL)
        return NULL;
    Operand in[2] = {{.tensor = a}, {.scalar = {PARAM(b), CATEGORY_FLOAT}}};
    if (!dtype_is_float((Dtype)a->dtype) && b == (double)(int64_t)b)
        in[1].scalar.category = CATEGORY_INT;
    return scope_keep(pointwise(op, in, rows[op].defaults, NULL));
}

Tensor *
op_scalar_left(Op op, double a, Tensor *b)
{
    if (b == NULL)
        return NULL;
    Operand in[2] = {{.scalar = {PARAM(a), CATEGORY_FLOAT}}, {.tensor = b}};
    if (!dtype_is_float((Dtype)b->dtype) && a == (double)(int64_t)a)
        in[0].scalar.category = CATEGORY_INT;
    return scope_keep(pointwise(op, in, rows[op].defaults, NULL));
}

Tensor *
op_scaled(Tensor *t, Scalar factor)
{
    if (t == NULL || factor.value.f == 1)
        return t;
    factor.category = (int8_t)dtype_info[t->dtype].category;
    if (factor.category == CATEGORY_BOOL)
        factor.value = PARAM(factor.value.f != 0);
    Operand in[2] = {{.tensor = t}, {.scalar = factor}};
    return scope_keep(pointwise(OP_mul, in, rows[OP_mul].defaults, NULL));
}

Tensor *
op_inplace(Op op, Tensor *self, Tensor *other, double alpha)
{
    if (self == NULL || other == NULL)
        return NULL;
    Operand in[2] = {{.tensor = self}, {.tensor = other}};
    return scope_keep(pointwise(op, in, (Param[]){PARAM(alpha), PARAM(1)}, self));
}
