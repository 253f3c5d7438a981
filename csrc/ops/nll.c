/* Losses of one class a line: nll_loss of log-probabilities, cross_entropy of scores.  A line is one element
 * of the target; the classes lie along dimension 1 of the input, or 0 if it has no other.
 *
 * cross_entropy of class indices is one node over the scores: it keeps two numbers a line (abi/softmax.h),
 * and its gradient is one pass of exponentials less the one-hot. */
#include "ops/loss.h"

#include <string.h>

#include "abi/loss.h"
#include "ops/ops.h"

/* One call's operands in the form that kernels want. */
typedef struct Classes {
    Dtype compute;
    Nll nll;
    Tensor *x, *target, *weight; /* contiguous, without history; weight may be NULL */
    const Backend *backend;
} Classes;

/* ---------------------------------------------------------------- checks */
static int
fail(PyObject *type, const char *text)
{
    PyErr_SetString(type, text);
    return -1;
}

static int
check_target_size(const Tensor *x, const Tensor *target)
{
    int64_t expected[NDIM_MAX];
    if (x->ndim <= 2) {
        if (target->ndim > 1)
            return fail(PyExc_RuntimeError, "0D or 1D target tensor expected, multi-target not supported");
        if (x->ndim == 1 && target->ndim == 1 && target->dims[0] != 1) {
            error(PyExc_ValueError, "For 1D input, 1D target must have size 1, but got target size: %lld",
                  (long long)target->dims[0]);
            return -1;
        }
        return 0;
    }
    if (x->ndim == 4 && target->ndim != 3) {
        error(PyExc_RuntimeError,
              "only batches of spatial targets supported (3D tensors) but got targets of dimension: %d",
              target->ndim);
        return -1;
    }
    expected[0] = x->dims[0];
    memcpy(expected + 1, x->dims + 2, (size_t)(x->ndim - 2) * sizeof expected[0]);
    if (target->ndim == x->ndim - 1 && memcmp(expected, target->dims, target->ndim * sizeof expected[0]) == 0)
        return 0;
    if (x->ndim == 4)
        error(PyExc_RuntimeError, "size mismatch (got input: %s , target: %s)", shape_text(4, x->dims),
              shape_text(3, target->dims));
    else
        error(PyExc_RuntimeError, "Expected target size %s, got %s", shape_text(x->ndim - 1, expected),
              shape_text(target->ndim, target->dims));
    return -1;
}

static int
check_class_weight(const char *prefix, const Tensor *weight, const Tensor *x, int64_t n)
{
    if (weight == NULL)
        return 0;
    if (weight->ndim != 1 || weight->dims[0] != n)
        error(PyExc_RuntimeError,
              "%sweight tensor should be defined either for all %lld classes or no classes but got "
              "weight tensor of shape: %s",
              prefix, (long long)n, shape_text(weight->ndim, weight->dims));
    else if (weight->dtype != x->dtype)
        error(PyExc_RuntimeError,
              "expected scalar type %s but found %s: the weight must have the input's dtype",
              dtype_info[x->dtype].type_name, dtype_info[weight->dtype].type_name);
    return PyErr_Occurred() ? -1 : 0;
}

static int
check_batch(const Tensor *x, const Tensor *target)
{
    if (x->ndim < 1)
        return fail(PyExc_ValueError, "Expected 1 or more dimensions (got 0)");
    if (x->ndim == 1)
        return 0;
    int64_t n = target->ndim ? target->dims[0] : 0;
    if (target->ndim > 0 && x->dims[0] == n)
        return 0;
    error(PyExc_ValueError, "Expected input batch_size (%lld) to match target batch_size (%lld).",
          (long long)x->dims[0], (long long)n);
    return -1;
}

static int
check_classes(const char *kernel, Tensor *x, Tensor *target, Tensor *weight)
{
    if (check_batch(x, target) < 0 || check_same_device("nll_loss", 3, (Tensor *[]){x, target, weight}) < 0
        || check_no_gradient(x->ndim > 2 ? "nll_loss2d_forward" : "nll_loss_forward", "weight", weight) < 0)
        return -1;
    if (!dtype_is_float((Dtype)x->dtype))
        return not_implemented_dtype(kernel, (Dtype)x->dtype);
    if (target->dtype != DTYPE_INT64 && target->dtype != DTYPE_UINT8) {
        error(PyExc_RuntimeError,
              "expected target dtype to be Long or Byte, but got %s: convert it with .long()",
              dtype_info[target->dtype].type_name);
        return -1;
    }
    if (check_target_size(x, target) < 0)
        return -1;
    return check_class_weight("", weight, x, x->dims[x->ndim > 1]);
}

static int
check_targets_in_range(const Classes *c)
{
    int64_t bad;
    if (!c->backend->bad_target(&c->nll, &bad))
        return 0;
    error(PyExc_IndexError, "Target %lld is out of bounds. There are %lld classes: 0 to %lld", (long long)bad,
          (long long)c->nll.n, (long long)c->nll.n - 1);
    return -1;
}

/* ---------------------------------------------------------------- forward */
/* x, target and weight have been checked; x may be only a shape (then it has no memory to read). */
static int
classes_of(Classes *c, Tensor *x, Tensor *target, Tensor *weight, int64_t ignore_index)
{
    memset(c, 0, sizeof *c);
    c->compute = softmax_compute_dtype((Dtype)x->dtype);
    c->backend = backend_of(x);
    if (c->backend->nll == NULL)
        return not_implemented_device("nll_loss", x);
    c->x = op_contiguous(op_to_dtype(op_detach(x), c->compute));
    c->target = op_contiguous(op_to_dtype(target, DTYPE_INT64));
    c->weight = weight ? op_contiguous(op_to_dtype(op_detach(weight), c->compute)) : NULL;
    if (c->x == NULL || c->target == NULL || (weight != NULL && c->weight == NULL))
        return -1;
    Nll *a = &c->nll;
    a->dtype = c->compute;
    a->ignore_index = ignore_index;
    softmax_shape(x, x->ndim > 1, &a->outer, &a->n, &a->inner);
    a->x = c->x->data;
    a->target = (const int64_t *)(const void *)c->target->data;
    a->weight = c->weight ? c->weight->data : NULL;
    return 0;
}

/* What a node keeps of its forward run: (2, lines) log-sum-exps if the input is scores, then the total
 * weight. */
static Tensor *
make_state(const Classes *c, bool scores)
{
    int64_t size = 2 * c->nll.outer * c->nll.inner * scores + 1;
    return scope_keep(tensor_empty(1, &size, c->compute, c->x->device));
}

static char *
state_total(const Tensor *state)
{
    return state->data + (state->numel - 1) * tensor_itemsize(state);
}

static int
run_lse(const Classes *c, Tensor *state)
{
    Softmax s = {.kind = SOFTMAX_LSE, .dtype = c->compute, .outer = c->nll.outer, .n = c->nll.n,
                 .inner = c->nll.inner, .x = c->x->data, .lse = state->data};
    return softmax_run(c->x, &s);
}

static Tensor *
run_forward(Classes *c, Tensor *target, Tensor *state, bool scores, LossReduction r)
{
    Tensor *out = scope_keep(tensor_empty(r == LOSS_NONE && c->x->ndim > 1 ? target->ndim : 0, target->dims,
                                          c->compute, c->x->device));
    if (out == NULL || check_targets_in_range(c) < 0 || (scores && run_lse(c, state) < 0))
        return NULL;
    Nll a = c->nll;
    a.kind = r == LOSS_NONE ? NLL_EACH : r == LOSS_SUM ? NLL_SUM : NLL_MEAN;
    a.lse = scores ? state->data : NULL;
    a.out = out->data;
    a.total = state_total(state);
    return c->backend->nll(&a) < 0 ? NULL : out;
}

/* *total, unless NULL: the sum of the weights of the classes that were not ignored (if there is a reduction).
 */
static Tensor *
class_loss(Tensor *x, Tensor *target, Tensor *weight, int64_t ignore_index, LossReduction r, bool scores,
           Tensor **total)
{
    Classes c;
    if (check_classes(scores ? "log_softmax_lastdim_kernel_impl" : "nll_loss_out_frame", x, target, weight)
            < 0
        || classes_of(&c, x, target, weight, ignore_index) < 0)
        return NULL;
    Tensor *state = make_state(&c, scores);
    Tensor *out = state ? op_to_dtype(run_forward(&c, target, state, scores, r), (Dtype)x->dtype) : NULL;
    Op op = scores        ? (x->ndim > 2 ? OP_cross_entropy2d : OP_cross_entropy)
            : x->ndim > 2 ? OP_nll_loss2d
                          : OP_nll_loss;
    Node *n = out ? RECORD(op, out, x) : NULL;
    node_save(n, 0, x);
    node_save(n, 1, c.target);
    node_save(n, 2, weight);
    node_save(n, 3, state);
    node_save_ints(n, 2, (int64_t[]){ignore_index, r});
    if (total != NULL)
        *total = state ? op_select(state, 0, -1) : NULL;
    return PyErr_Occurred() ? NULL : out;
}

Tensor *
op_nll_loss(Tensor *x, Tensor *target, Tensor *weight, int64_t ignore_index, LossReduction r)
{
    return x && target ? class_loss(x, target, weight, ignore_index, r, false, NULL) : NULL;
}

Tensor *
op_nn_nll_loss(Tensor *x, Tensor *target, Tensor *weight, const Value *size_average, int64_t ignore_index,
               const Value *reduce, const char *reduction)
{
    LossReduction r;
    if (loss_reduction(size_average, reduce, reduction, &r) < 0)
        return NULL;
    return op_nll_loss(x, target, weight, ignore_index, r);
}

/* ---------------------------------------------------------------- backward */
/* The gradient of x, contiguous and in the compute dtype: zeros, or with lse the softmax of the scores times
 * each line's scale; then less the scale where the line's class is.  The targets are checked once more: an array
 * that shares their memory may have been written since. */
static Tensor *
run_backward(Classes *c, Tensor *g, Tensor *state, bool scores, LossReduction r)
{
    int64_t lines = c->nll.outer * c->nll.inner;
    Tensor *in_g = op_contiguous(op_to_dtype(op_detach(g), c->compute));
    Tensor *scale = scope_keep(tensor_empty(1, &lines, c->compute, c->x->device));
    Tensor *out = scope_keep(tensor_empty(c->x->ndim, c->x->dims, c->compute, c->x->device));
    if (in_g == NULL || scale == NULL || out == NULL || check_targets_in_range(c) < 0)
        return NULL;
    Nll a = c->nll;
    a.kind = NLL_SCALE;
    a.g = in_g->data;
    a.g_stride = r == LOSS_NONE;
    a.total = r == LOSS_MEAN ? state_total(state) : NULL;
    a.out = scale->data;
    if (c->backend->nll(&a) < 0)
        return NULL;
    Softmax s = {.kind = SOFTMAX_SCALED, .dtype = c->compute, .outer = a.outer, .n = a.n, .inner = a.inner,
                 .x = c->x->data, .lse = state->data, .scale = scale->data, .out = out->data};
    if (scores ? softmax_run(c->x, &s) < 0 : fill_data(out, (Scalar){PARAM(0), CATEGORY_INT}) < 0)
        return NULL;
    a.kind = NLL_SUBTRACT;
    a.x = scale->data;
    a.out = out->data;
    return c->backend->nll(&a) < 0 ? NULL : out;
}

/* Linear in g, and recorded as such.  x gives shape, dtype and device. */
static Tensor *
nll_backward(Tensor *g, Tensor *x, Tensor *target, Tensor *weight, int64_t ignore_index, LossReduction r,
             Tensor *state)
{
    Classes c;
    if (g == NULL || x == NULL || target == NULL || state == NULL
        || classes_of(&c, x, target, weight, ignore_index) < 0)
        return NULL;
    Tensor *out = op_to_dtype(run_backward(&c, g, state, false, r), (Dtype)x->dtype);
    Node *n = out ? RECORD(OP_nll_loss_backward, out, g) : NULL;
    node_save(n, 0, target);
    node_save(n, 1, weight);
    node_save_ints(n, 2, (int64_t[]){ignore_index, r});
    return PyErr_Occurred() ? NULL : out;
}

Tensor *
op_nll_loss_backward(Tensor *g, int ndim, const int64_t *dims, Tensor *target, Tensor *weight,
                     int64_t ignore_index, int64_t r, Tensor *total)
{
    Tensor *x = g ? scope_keep(tensor_empty(ndim, dims, (Dtype)g->dtype, g->device)) : NULL;
    return nll_backward(g, x, target, weight, ignore_index, (LossReduction)r, total);
}

/* The transposed map of a linear one: the loss itself, of the gradient that comes in. */
BACKWARD(nll_loss_backward)
{
    GRAD(0, op_nll_loss(g, node_saved(n, 0), node_saved(n, 1), node_ints(n)[0], (LossReduction)node_ints(n)[1]));
}

static Tensor *
nll_gradient(Node *n, Tensor *g)
{
    Tensor *weight = node_saved(n, 2);
    if (weight == NULL && PyErr_Occurred())
        return NULL;
    return nll_backward(g, node_saved(n, 0), node_saved(n, 1), weight, node_ints(n)[0], (LossReduction)node_ints(n)[1],
                        node_saved(n, 3));
}

BACKWARD(nll_loss)
{
    GRAD(0, nll_gradient(n, g));
}

BACKWARD(nll_loss2d)
{
    GRAD(0, nll_gradient(n, g));
}

/* Fused, unless the gradient itself is to be differentiated: then the steps are recorded one by one. */
static Tensor *
cross_entropy_gradient(Node *n, Tensor *g)
{
    Tensor *x = node_saved(n, 0), *target = node_saved(n, 1), *weight = node_saved(n, 2),
           *state = node_saved(n, 3);
    Classes c;
    if (x == NULL || target == NULL || state == NULL || PyErr_Occurred())
        return NULL;
    if (grad_mode) {
        int64_t dim = x->ndim > 1;
        return op_log_softmax_backward(nll_gradient(n, g), op_log_softmax(x, dim), dim);
    }
    if (classes_of(&c, x, target, weight, node_ints(n)[0]) < 0)
        return NULL;
    return op_to_dtype(run_backward(&c, g, state, true, (LossReduction)node_ints(n)[1]), (Dtype)x->dtype);
}

BACKWARD(cross_entropy)
{
    GRAD(0, cross_entropy_gradient(n, g));
}

BACKWARD(cross_entropy2d)
{
    GRAD(0, cross_entropy_gradient(n, g));
}

/* ---------------------------------------------------------------- cross_entropy's other targets */
/* weight (C) as (1, C, 1, ...) against x. */
static Tensor *
along_classes(Tensor *weight, Tensor *x)
{
    int64_t dims[NDIM_MAX];
    for (int i = 0; i < x->ndim; i++)
        dims[i] = 1;
    dims[x->ndim > 1] = x->dims[x->ndim > 1];
    return op_reshape(weight, x->ndim, dims);
}

static Tensor *
probability_loss(Tensor *x, Tensor *target, Tensor *weight, LossReduction r, double smoothing)
{
    int64_t dim = x->ndim > 1, n = x->ndim ? x->dims[dim] : 1;
    if (!dtype_is_float((Dtype)target->dtype))
        return error(PyExc_RuntimeError,
                     "Expected floating point type for target with class probabilities, got %s: a "
                     "target of the input's shape holds probabilities; class indices have one "
                     "dimension less",
                     dtype_info[target->dtype].type_name);
    if (check_class_weight("cross_entropy: ", weight, x, n) < 0)
        return NULL;
    Tensor *log_p = op_log_softmax(x, dim);
    if (smoothing > 0)
        target = op_scalar(OP_add, op_scalar(OP_mul, target, 1 - smoothing), smoothing / (double)n);
    Tensor *each = op_mul(log_p, target);
    if (weight != NULL)
        each = op_mul(each, along_classes(weight, x));
    if (each == NULL || r == LOSS_NONE)
        return op_neg(each && each->ndim ? op_sum_dims(each, 1, &dim, false) : each);
    Tensor *sum = op_neg(op_sum(each));
    return r == LOSS_SUM ? sum : op_scalar(OP_div, sum, (double)each->numel / (double)n);
}

/* (1 - s) nll + s / C times the loss of a uniform target, both over the same total weight. */
static Tensor *
smoothed_loss(Tensor *x, Tensor *target, Tensor *weight, int64_t ignore_index, LossReduction r,
              double smoothing)
{
    int64_t dim = x->ndim > 1, n = x->ndim ? x->dims[dim] : 1;
    Tensor *log_p = op_log_softmax(x, dim), *total = NULL;
    Tensor *nll = log_p ? class_loss(log_p, target, weight, ignore_index, r, false, &total) : NULL;
    if (nll == NULL)
        return NULL;
    Tensor *each = weight ? op_mul(log_p, along_classes(weight, x)) : log_p;
    Tensor *smooth = op_neg(op_sum_dims(each, 1, &dim, false));
    Tensor *ignored =
        smooth ? op_scalar(OP_eq, op_reshape(target, smooth->ndim, smooth->dims), (double)ignore_index)
               : NULL;
    Tensor *zero =
        smooth ? scope_keep(tensor_from_scalar(PARAM(0), (Dtype)smooth->dtype, smooth->device)) : NULL;
    smooth = op_masked_fill(smooth, ignored, zero);
    if (r != LOSS_NONE)
        smooth = op_sum(smooth);
    if (r == LOSS_MEAN)
        smooth = op_div(smooth, total ? op_to_dtype(total, (Dtype)x->dtype) : NULL);
    return op_add(op_scalar(OP_mul, nll, 1 - smoothing), op_scalar(OP_mul, smooth, smoothing / (double)n));
}

Tensor *
op_cross_entropy(Tensor *x, Tensor *target, Tensor *weight, const Value *size_average, int64_t ignore_index,
                 const Value *reduce, const char *reduction, double smoothing)
{
    LossReduction r;
    if (x == NULL || target == NULL || loss_reduction(size_average, reduce, reduction, &r) < 0)
        return NULL;
    bool probabilities =
        x->ndim == target->ndim && memcmp(x->dims, target->dims, x->ndim * sizeof x->dims[0]) == 0;
    if (probabilities && dtype_is_float((Dtype)target->dtype) && ignore_index >= 0)
        return error(PyExc_RuntimeError, "ignore_index is not supported for floating point target");
    if (!(smoothing >= 0 && smoothing <= 1))
        return error(PyExc_RuntimeError, "label_smoothing must be between 0.0 and 1.0. Got: %s",
                     float_text(smoothing));
    if (probabilities)
        return probability_loss(x, target, weight, r, smoothing);
    if (smoothing > 0)
        return smoothed_loss(x, target, weight, ignore_index, r, smoothing);
    return class_loss(x, target, weight, ignore_index, r, true, NULL);
}
