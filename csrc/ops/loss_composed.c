/* Losses that are compositions of other ops and are recorded as these. */
#include <math.h>
#include <string.h>

#include "ops/loss.h"
#include "ops/ops.h"

/* ---------------------------------------------------------------- parts */
static Tensor *
at_least(Tensor *t, double low)
{
    return op_pointwise(OP_clamp, 1, t, NULL, NULL, PARAM(low), (Param){HUGE_VAL, INT64_MAX});
}

static Tensor *
zero_of(Tensor *like)
{
    return like ? scope_keep(tensor_from_scalar(PARAM(0), (Dtype)like->dtype, like->device)) : NULL;
}

/* t where target is value, else 0. */
static Tensor *
where_is(Op compare, Tensor *target, double value, Tensor *t)
{
    return op_where(op_scalar(compare, target, value), t, zero_of(t));
}

static int
same_ndim(const char *format_op, int n, Tensor *const *tensors)
{
    for (int i = 1; i < n; i++)
        if (tensors[i]->ndim != tensors[0]->ndim) {
            PyErr_SetString(PyExc_RuntimeError, format_op);
            return -1;
        }
    return 0;
}

/* ---------------------------------------------------------------- divergences and likelihoods */
static int
kl_reduction(LOSS_ARGS, LossReduction *r)
{
    if (!size_average->given && !reduce->given && strcmp(reduction, "batchmean") == 0) {
        *r = LOSS_BATCHMEAN;
        return 0;
    }
    if (loss_reduction(size_average, reduce, reduction, r) < 0)
        return -1;
    if (*r != LOSS_MEAN || size_average->given || reduce->given)
        return 0;
    return PyErr_WarnEx(
        PyExc_UserWarning,
        "reduction: 'mean' divides the total loss by both the batch size and the support size."
        "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
        "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
        1);
}

Tensor *
op_kl_div(Tensor *x, Tensor *target, LOSS_ARGS, bool log_target)
{
    LossReduction r;
    if (kl_reduction(size_average, reduce, reduction, &r) < 0)
        return NULL;
    if (!dtype_is_float((Dtype)x->dtype) || !dtype_is_float((Dtype)target->dtype))
        return error(PyExc_RuntimeError, "kl_div: Integral inputs not supported.");
    Tensor *each = log_target ? op_mul(op_exp(target), op_sub(target, x))
                              : op_sub(op_xlogy(target, target), op_mul(target, x));
    if (r == LOSS_BATCHMEAN)
        return op_scalar(OP_div, op_sum(each), x->ndim ? (double)x->dims[0] : 1);
    return loss_reduced(each, r);
}

/* Stirling's approximation of log(t!), for t > 1. */
static Tensor *
stirling(Tensor *t)
{
    Tensor *half_log = op_scalar(OP_mul, op_log(op_scalar(OP_mul, t, 2 * M_PI)), 0.5);
    Tensor *value = op_add(op_sub(op_mul(t, op_log(t)), t), half_log);
    return op_masked_fill(value, op_scalar(OP_le, t, 1), zero_of(value));
}

Tensor *
op_poisson_nll_loss(Tensor *x, Tensor *target, bool log_input, bool full, const Value *size_average,
                    double eps, const Value *reduce, const char *reduction)
{
    LossReduction r;
    if (loss_reduction(size_average, reduce, reduction, &r) < 0)
        return NULL;
    Tensor *each = log_input ? op_sub(op_exp(x), op_mul(target, x))
                             : op_sub(x, op_mul(target, op_log(op_scalar(OP_add, x, eps))));
    return loss_reduced(full ? op_add(each, stirling(target)) : each, r);
}

/* var as a tensor of x's shape, or with size 1 in place of its last dimension, or that dimension missing. */
static Tensor *
variance_for(Tensor *x, const Value *var)
{
    if (var->is_scalar) {
        Tensor *full = scope_keep(tensor_empty(x->ndim, x->dims, (Dtype)x->dtype, x->device));
        if (var->scalar.value.f < 0)
            return error(PyExc_ValueError, "var has negative entry/entries");
        return full == NULL || fill_data(full, var->scalar) < 0 ? NULL : full;
    }
    Tensor *t = var->tensor;
    Tensor *negative = op_any(op_scalar(OP_lt, op_detach(t), 0), 0, NULL, false);
    if (negative == NULL)
        return NULL;
    if (!tensor_is_meta(t) && tensor_item(negative).i)
        return error(PyExc_ValueError, "var has negative entry/entries");
    int last = x->ndim - 1;
    size_t head = last > 0 ? (size_t)last * sizeof x->dims[0] : 0;
    bool same_head = t->ndim >= last && last >= 0 && memcmp(t->dims, x->dims, head) == 0;
    if (t->ndim == x->ndim
        && (last < 0 || (same_head && (t->dims[last] == x->dims[last] || t->dims[last] == 1))))
        return t;
    if (t->ndim == last && same_head)
        return op_unsqueeze(t, -1);
    return error(PyExc_ValueError, "var is of incorrect size: var has shape %s, the input %s",
                 shape_text(t->ndim, t->dims), shape_text(x->ndim, x->dims));
}

/* var counts as at least eps, with the gradient of var itself. */
Tensor *
op_gaussian_nll_loss(Tensor *x, Tensor *target, const Value *var, bool full, double eps,
                     const char *reduction)
{
    LossReduction r;
    Tensor *v = variance_for(x, var);
    if (v == NULL || loss_reduction(NULL, NULL, reduction, &r) < 0)
        return NULL;
    Tensor *raised = op_detach(op_sub(at_least(op_detach(v), eps), op_detach(v)));
    v = op_add(v, raised);
    Tensor *each = op_scalar(OP_mul, op_add(op_log(v), op_div(op_square(op_sub(x, target)), v)), 0.5);
    if (full)
        each = op_scalar(OP_add, each, 0.5 * log(2 * M_PI));
    return loss_reduced(each, r);
}

/* ---------------------------------------------------------------- margins */
Tensor *
op_hinge_embedding_loss(Tensor *x, Tensor *target, double margin, LOSS_ARGS)
{
    LossReduction r;
    if (loss_reduction(size_average, reduce, reduction, &r) < 0)
        return NULL;
    Tensor *apart = where_is(OP_ne, target, 1, at_least(op_scalar_left(OP_sub, margin, x), 0));
    return loss_reduced(op_add(apart, where_is(OP_ne, target, -1, x)), r);
}

Tensor *
op_margin_ranking_loss(Tensor *a, Tensor *b, Tensor *target, double margin, LOSS_ARGS)
{
    LossReduction r;
    if (loss_reduction(size_average, reduce, reduction, &r) < 0)
        return NULL;
    if (same_ndim("margin_ranking_loss : All input tensors should have same dimension", 3,
                  (Tensor *[]){a, b, target})
        < 0)
        return NULL;
    Tensor *products = op_mul(op_neg(target), op_sub(a, b));
    if (products != NULL && !dtype_is_float((Dtype)products->dtype)) /* margin is a float */
        products = op_to_dtype(products, default_dtype);
    return loss_reduced(at_least(op_scalar(OP_add, products, margin), 0), r);
}

Tensor *
op_cosine_embedding_loss(Tensor *a, Tensor *b, Tensor *target, double margin, LOSS_ARGS)
{
    LossReduction r;
    if (loss_reduction(size_average, reduce, reduction, &r) < 0)
        return NULL;
    if (target->ndim > 1)
        return error(PyExc_RuntimeError, "0D or 1D target tensor expected, multi-target not supported");
    int64_t last = -1;
    Tensor *norm_a = op_scalar(OP_add, op_sum_dims(op_mul(a, a), 1, &last, false), 1e-12);
    Tensor *norm_b = op_scalar(OP_add, op_sum_dims(op_mul(b, b), 1, &last, false), 1e-12);
    Tensor *cosine = op_div(op_sum_dims(op_mul(a, b), 1, &last, false), op_sqrt(op_mul(norm_a, norm_b)));
    Tensor *alike = where_is(OP_eq, target, 1, op_scalar_left(OP_sub, 1, cosine));
    return loss_reduced(
        op_add(alike, where_is(OP_eq, target, -1, at_least(op_scalar(OP_sub, cosine, margin), 0))), r);
}

Tensor *
op_triplet_margin_loss(Tensor *anchor, Tensor *positive, Tensor *negative, double margin, double p,
                       double eps, bool swap, LOSS_ARGS)
{
    LossReduction r;
    if (loss_reduction(size_average, reduce, reduction, &r) < 0)
        return NULL;
    if (same_ndim(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions",
            3, (Tensor *[]){anchor, positive, negative})
        < 0)
        return NULL;
    Tensor *near = op_pairwise_distance(anchor, positive, p, eps, false);
    Tensor *far = op_pairwise_distance(anchor, negative, p, eps, false);
    if (swap)
        far = op_minimum(far, op_pairwise_distance(positive, negative, p, eps, false));
    return loss_reduced(at_least(op_sub(op_scalar(OP_add, near, margin), far), 0), r);
}
