/* Losses that compare every element of the input with one of the target: values and gradients are rows of the
 * table, and one node stands for values, weights and reduction together.  Losses composed of other ops are in
 * loss_composed.c, those that pick a class in nll.c. */
#include "ops/loss.h"

#include <string.h>

#include "ops/ops.h"

/* ---------------------------------------------------------------- reduction */
int
loss_reduction(const Value *size_average, const Value *reduce, const char *text, LossReduction *out)
{
    static const char *const names[] = {"none", "mean", "sum", "batchmean"};
    if (size_average != NULL && (size_average->given || reduce->given)) {
        bool none = reduce->given && !reduce->scalar.value.i,
             sum = size_average->given && !size_average->scalar.value.i;
        *out = none ? LOSS_NONE : sum ? LOSS_SUM : LOSS_MEAN;
        return PyErr_WarnFormat(PyExc_UserWarning, 1,
                                "size_average and reduce args will be deprecated, please use "
                                "reduction='%s' instead.",
                                names[*out]);
    }
    for (int r = LOSS_NONE; r <= LOSS_SUM; r++)
        if (strcmp(text, names[r]) == 0) {
            *out = (LossReduction)r;
            return 0;
        }
    error(PyExc_ValueError, "%s is not a valid value for reduction: use 'none', 'mean' or 'sum'", text);
    return -1;
}

Tensor *
loss_reduced(Tensor *each, LossReduction r)
{
    return each == NULL || r == LOSS_NONE ? each : r == LOSS_SUM ? op_sum(each) : op_mean(each);
}

/* ---------------------------------------------------------------- sizes */
static bool
same_size(const Tensor *a, const Tensor *b)
{
    return a->ndim == b->ndim && memcmp(a->dims, b->dims, a->ndim * sizeof a->dims[0]) == 0;
}

/* A text with the two sizes in it, "torch.Size([2, 3])" each; -1 with an error. */
static int
warn_sizes(const Tensor *x, const Tensor *target)
{
    return PyErr_WarnFormat(
        PyExc_UserWarning, 1,
        "Using a target size (torch.Size(%s)) that is different to the input size (torch.Size(%s)). "
        "This will likely lead to incorrect results due to broadcasting. Please ensure they have the "
        "same size.",
        shape_text(target->ndim, target->dims), shape_text(x->ndim, x->dims));
}

static int
check_weight(const Tensor *weight, const Tensor *x)
{
    if (weight == NULL || same_size(weight, x))
        return 0;
    error(PyExc_ValueError, "Weights and input must have the same size. Got weight %s and input %s",
          shape_text(weight->ndim, weight->dims), shape_text(x->ndim, x->dims));
    return -1;
}

/* Everything that mse_loss and its kin check before they compute; -1 with an error. */
static int
begin(Tensor *x, Tensor *target, LOSS_ARGS, LossReduction *r)
{
    if (x == NULL || target == NULL || loss_reduction(size_average, reduce, reduction, r) < 0)
        return -1;
    return same_size(x, target) ? 0 : warn_sizes(x, target);
}

/* ---------------------------------------------------------------- one node for values, weight and reduction
 */
/* Factors of gradients may be infinite (the mean of nothing): no integer view. */
static Param
factor(double value)
{
    return (Param){value, 0};
}

/* op: the node's row; values: the row of the elements, with its parameter p and perhaps a third operand,
 * which is not differentiated. */
static Tensor *
elementwise(Op op, Op values, Tensor *x, Tensor *target, Tensor *third, Tensor *weight, double p,
            LossReduction r)
{
    bool mode = grad_mode;
    grad_mode = false;
    Tensor *each = op_pointwise(values, third ? 3 : 2, x, target, third, factor(p), factor(1));
    int64_t numel = each ? each->numel : 0;
    Tensor *out = loss_reduced(weight ? op_mul(each, weight) : each, r);
    grad_mode = mode;
    Node *n = out ? RECORD(op, out, x, target) : NULL;
    node_save(n, 0, x);
    node_save(n, 1, target);
    node_save(n, 2, weight);
    node_save(n, 3, third);
    node_save_params(n, factor(p), factor(r == LOSS_MEAN ? 1 / (double)numel : 1));
    return PyErr_Occurred() ? NULL : out;
}

/* The incoming gradient times the weight, if there is one. */
static Tensor *
weighted(Node *n, Tensor *g)
{
    Tensor *weight = node_saved(n, 2);
    return weight ? op_mul(g, weight) : PyErr_Occurred() ? NULL : g;
}

/* sign -1: of a loss of x - target, with respect to the target. */
static Tensor *
gradient(Node *n, Op row, Tensor *g, double sign)
{
    return op_pointwise(row, 3, node_saved(n, 0), node_saved(n, 1), weighted(n, g), node_params(n)[0],
                        factor(sign * node_params(n)[1].f));
}

/* ---------------------------------------------------------------- losses of input - target */
/* The weighted mean that mse_loss and l1_loss define: divided by the weights' sum. */
static Tensor *
weighted_loss(Tensor *each, Tensor *weight, LossReduction r)
{
    Tensor *product = op_mul(each, weight);
    return r == LOSS_NONE  ? product
           : r == LOSS_SUM ? op_sum(product)
                           : op_div(op_sum(product), op_sum(weight));
}

Tensor *
op_mse_loss(Tensor *x, Tensor *target, LOSS_ARGS, Tensor *weight)
{
    LossReduction r;
    if (begin(x, target, size_average, reduce, reduction, &r) < 0 || check_weight(weight, x) < 0)
        return NULL;
    if (weight != NULL)
        return weighted_loss(op_square(op_sub(x, target)), weight, r);
    return elementwise(OP_mse_loss, OP_mse_values, x, target, NULL, NULL, 1, r);
}

BACKWARD(mse_loss)
{
    GRAD(0, gradient(n, OP_mse_gradient, g, 1));
    GRAD(1, gradient(n, OP_mse_gradient, g, -1));
}

Tensor *
op_l1_loss(Tensor *x, Tensor *target, LOSS_ARGS, Tensor *weight)
{
    LossReduction r;
    if (begin(x, target, size_average, reduce, reduction, &r) < 0 || check_weight(weight, x) < 0)
        return NULL;
    Tensor *each = op_abs(op_sub(x, target));
    return weight ? weighted_loss(each, weight, r) : loss_reduced(each, r);
}

Tensor *
op_smooth_l1_loss(Tensor *x, Tensor *target, LOSS_ARGS, double beta)
{
    LossReduction r;
    if (begin(x, target, size_average, reduce, reduction, &r) < 0)
        return NULL;
    if (beta < 0)
        return error(PyExc_RuntimeError, "smooth_l1_loss does not support negative values for beta.");
    if (beta == 0)
        return loss_reduced(op_abs(op_sub(x, target)), r);
    return elementwise(OP_smooth_l1_loss, OP_smooth_l1_values, x, target, NULL, NULL, beta, r);
}

BACKWARD(smooth_l1_loss)
{
    GRAD(0, gradient(n, OP_smooth_l1_gradient, g, 1));
    GRAD(1, gradient(n, OP_smooth_l1_gradient, g, -1));
}

/* With a weight, each is weighted before a mean over all, unlike mse_loss: PyTorch's two rules. */
Tensor *
op_huber_loss(Tensor *x, Tensor *target, const char *reduction, double delta, Tensor *weight)
{
    LossReduction r;
    if (begin(x, target, NULL, NULL, reduction, &r) < 0 || check_weight(weight, x) < 0)
        return NULL;
    if (delta <= 0)
        return error(PyExc_RuntimeError, "huber_loss does not support non-positive values for delta.");
    Tensor *out =
        elementwise(OP_huber_loss, OP_huber_values, x, target, NULL, NULL, delta, weight ? LOSS_NONE : r);
    return weight ? loss_reduced(op_mul(out, weight), r) : out;
}

BACKWARD(huber_loss)
{
    GRAD(0, gradient(n, OP_huber_gradient, g, 1));
    GRAD(1, gradient(n, OP_huber_gradient, g, -1));
}

Tensor *
op_soft_margin_loss(Tensor *x, Tensor *target, LOSS_ARGS)
{
    LossReduction r;
    if (x == NULL || target == NULL || loss_reduction(size_average, reduce, reduction, &r) < 0)
        return NULL;
    return elementwise(OP_soft_margin_loss, OP_soft_margin_values, x, target, NULL, NULL, 1, r);
}

/* The loss is symmetric in input and target. */
BACKWARD(soft_margin_loss)
{
    Tensor *x = node_saved(n, 0), *target = node_saved(n, 1);
    GRAD(0, op_pointwise(OP_soft_margin_gradient, 3, x, target, g, factor(1), node_params(n)[1]));
    GRAD(1, op_pointwise(OP_soft_margin_gradient, 3, target, x, g, factor(1), node_params(n)[1]));
}

/* ---------------------------------------------------------------- binary cross-entropy */
/* x in [0, 1] everywhere, a NaN being outside; -1 with an error. */
static int
check_probabilities(Tensor *x)
{
    if (x->numel == 0 || tensor_is_meta(x))
        return 0;
    Tensor *low = op_amin(op_detach(x), 0, NULL, false), *high = op_amax(op_detach(x), 0, NULL, false);
    if (low == NULL || high == NULL)
        return -1;
    if (tensor_item(low).f >= 0 && tensor_item(high).f <= 1)
        return 0;
    error(PyExc_RuntimeError, "all elements of input should be between 0 and 1");
    return -1;
}

Tensor *
op_binary_cross_entropy(Tensor *x, Tensor *target, Tensor *weight, LOSS_ARGS)
{
    LossReduction r;
    if (x == NULL || target == NULL || loss_reduction(size_average, reduce, reduction, &r) < 0
        || check_no_gradient("binary_cross_entropy", "weight", weight) < 0)
        return NULL;
    if (!same_size(x, target))
        return error(PyExc_ValueError,
                     "Using a target size (torch.Size(%s)) that is different to the input size "
                     "(torch.Size(%s)) is deprecated. Please ensure they have the same size.",
                     shape_text(target->ndim, target->dims), shape_text(x->ndim, x->dims));
    if (x->dtype != target->dtype)
        return error(PyExc_RuntimeError,
                     "Found dtype %s but expected %s: the target must have the input's dtype",
                     dtype_info[target->dtype].type_name, dtype_info[x->dtype].type_name);
    if (dtype_is_float((Dtype)x->dtype) && check_probabilities(x) < 0)
        return NULL;
    return elementwise(OP_binary_cross_entropy, OP_bce_values, x, target, NULL, weight, 1, r);
}

BACKWARD(binary_cross_entropy)
{
    GRAD(0, gradient(n, OP_bce_gradient, g, 1));
    if (node_needs(n, 1)) {
        Tensor *x = node_saved(n, 0), *scaled = op_scalar(OP_mul, weighted(n, g), node_params(n)[1].f);
        out[1] = op_mul(scaled, op_sub(op_log1p(op_neg(x)), op_log(x)));
    }
}

Tensor *
op_bce_with_logits(Tensor *x, Tensor *target, Tensor *weight, LOSS_ARGS, Tensor *pos_weight)
{
    LossReduction r;
    if (x == NULL || target == NULL || loss_reduction(size_average, reduce, reduction, &r) < 0
        || check_no_gradient("binary_cross_entropy_with_logits", "weight", weight) < 0
        || check_no_gradient("binary_cross_entropy_with_logits", "pos_weight", pos_weight) < 0)
        return NULL;
    if (!same_size(x, target))
        return error(PyExc_ValueError,
                     "Target size (torch.Size(%s)) must be the same as input size (torch.Size(%s))",
                     shape_text(target->ndim, target->dims), shape_text(x->ndim, x->dims));
    if (!dtype_is_float((Dtype)target->dtype))
        return error(PyExc_RuntimeError, "result type %s can't be cast to the desired output type %s: the target must be of a "
                                         "float dtype, as in target.float()",
                     dtype_info[x->dtype].type_name, dtype_info[target->dtype].type_name);
    return elementwise(OP_bce_with_logits, pos_weight ? OP_bce_logits_weighted : OP_bce_logits_values, x,
                       target, pos_weight, weight, 1, r);
}

/* d/d target of (1 - t) x - (1 + (w - 1) t) logsigmoid(x), w being 1 without pos_weight. */
static Tensor *
logits_target_slope(Tensor *x, Tensor *pos_weight)
{
    Tensor *slope = op_neg(x);
    if (pos_weight == NULL)
        return PyErr_Occurred() ? NULL : slope;
    return op_sub(slope, op_mul(op_scalar(OP_sub, pos_weight, 1), op_logsigmoid(x)));
}

BACKWARD(bce_with_logits)
{
    Tensor *x = node_saved(n, 0), *target = node_saved(n, 1), *pos_weight = node_saved(n, 3);
    if (PyErr_Occurred())
        return;
    Tensor *scaled =
        pos_weight || node_needs(n, 1) ? op_scalar(OP_mul, weighted(n, g), node_params(n)[1].f) : NULL;
    if (pos_weight == NULL)
        GRAD(0, gradient(n, OP_bce_logits_gradient, g, 1));
    else
        GRAD(0, op_mul(scaled,
                       op_pointwise(OP_bce_logits_slope, 3, x, target, pos_weight, factor(1), factor(1))));
    GRAD(1, op_mul(scaled, logits_target_slope(x, pos_weight)));
}
