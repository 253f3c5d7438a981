/* gather, scatter and their kin: an index for every element, along one dimension.  The index's shape is the
 * index space; sources and targets may be larger.  A 0-d tensor counts as one of a single element. */
#include <string.h>

#include "ops/ops.h"

/* ---------------------------------------------------------------- checks */
static int64_t
size_at(const Tensor *t, int d)
{
    return t->ndim ? t->dims[d] : 1;
}

static int
check_ndim(const char *op, const Tensor *t, const Tensor *index, const char *whose)
{
    if ((t->ndim ? t->ndim : 1) == (index->ndim ? index->ndim : 1))
        return 0;
    error(PyExc_RuntimeError,
          "Index tensor must have the same number of dimensions as %s tensor: %s got %s and %s", whose, op,
          shape_text(index->ndim, index->dims), shape_text(t->ndim, t->dims));
    return -1;
}

static int
check_range(const char *op, const Tensor *t, int dim, Tensor *index)
{
    int64_t size = size_at(t, dim), low, high;
    if (index_range(op, index, false, &low, &high) < 0)
        return -1;
    if (low >= 0 && high < size)
        return 0;
    error(PyExc_RuntimeError, "index %lld is out of bounds for dimension %d with size %lld",
          (long long)(low < 0 ? low : high), dim, (long long)size);
    return -1;
}

/* dim, wrapped; -1 with an error. */
static int
check_gather(Tensor *t, int64_t dim, Tensor *index)
{
    int d = shape_wrap_dim(dim, t->ndim);
    if (d < 0 || check_same_device("gather", 2, (Tensor *[]){t, index}) < 0)
        return -1;
    if (index->numel == 0)
        return d;
    if (check_ndim("gather", t, index, "input") < 0)
        return -1;
    for (int i = 0; i < t->ndim; i++)
        if (i != d && size_at(index, i) > t->dims[i]) {
            error(PyExc_RuntimeError,
                  "Size does not match at dimension %d expected index %s to be no larger than self %s apart "
                  "from dimension %d",
                  i, shape_text(index->ndim, index->dims), shape_text(t->ndim, t->dims), d);
            return -1;
        }
    return d;
}

/* src may be NULL: a number.  Before anything is written in place, every index is checked. */
static int
check_scatter(const char *op, Tensor *t, int64_t dim, Tensor *index, Tensor *src, bool inplace)
{
    int d = shape_wrap_dim(dim, t->ndim);
    if (d < 0 || check_same_device(op, 3, (Tensor *[]){t, index, src}) < 0)
        return -1;
    if (src != NULL && src->dtype != t->dtype) {
        error(PyExc_RuntimeError, "%s(): Expected self.dtype to be equal to src.dtype, got %s and %s", op,
              dtype_info[t->dtype].name, dtype_info[src->dtype].name);
        return -1;
    }
    if (index->numel == 0)
        return d;
    if (check_ndim(op, t, index, "self") < 0 || (src != NULL && check_ndim(op, src, index, "src") < 0))
        return -1;
    bool larger = false;
    for (int i = 0; i < (t->ndim ? t->ndim : 1); i++)        /* 0-d counts as one dim of size 1 */
        larger |= (i != d && size_at(index, i) > t->dims[i]) ||
                  (src != NULL && size_at(index, i) > size_at(src, i));
    if (larger) {
        error(PyExc_RuntimeError,
              "Expected index %s to be no larger than self %s apart from dimension %d%s%s",
              shape_text(index->ndim, index->dims), shape_text(t->ndim, t->dims), d,
              src ? " and to be no larger size than src " : "", src ? shape_text(src->ndim, src->dims) : "");
        return -1;
    }
    return inplace && check_range(op, t, d, index) < 0 ? -1 : d;
}

/* ---------------------------------------------------------------- the pick */
/* fresh: what is written is nobody's yet, so on the CPU the indices are checked while they are at hand. */
static int
run(const char *op, PickMode mode, Tensor *data, int dim, Tensor *index, Tensor *values, bool fresh)
{
    bool outside = false;
    int64_t data_strides[NDIM_MAX] = {0}, value_strides[NDIM_MAX] = {0};
    int64_t step = data->ndim ? data->strides[dim] : 1, size = size_at(data, dim);
    bool at_hand = fresh && data->device.type == DEVICE_CPU;
    if (tensor_is_meta(data))
        return 0;
    if (fresh && !at_hand && check_range(op, data, dim, index) < 0)
        return -1;
    for (int i = 0; i < index->ndim; i++) {
        data_strides[i] = i == dim || data->ndim == 0 ? 0 : data->strides[i];
        value_strides[i] = values->ndim ? values->strides[i] : 0;
    }
    Pick pick = {
        .ndim = index->ndim,
        .dims = index->dims,
        .data = data,
        .data_strides = data_strides,
        .values = values->data,
        .value_strides = value_strides,
        .n_indices = 1,
        .indices = &index,
        .index_strides = (const int64_t *[]){index->strides},
        .steps = &step,
        .sizes = &size,
        .outside = at_hand ? &outside : NULL,
    };
    int result = pick_run(op, mode, &pick);
    return outside ? check_range(op, data, dim, index) : result;
}

static Node *
save(Node *n, int dim, Tensor *index)
{
    node_save(n, 0, index);
    node_save_params(n, PARAM(dim), PARAM(0));
    return n;
}

/* ---------------------------------------------------------------- gather */
Tensor *
op_gather(Tensor *t, int64_t dim, Tensor *index)
{
    if (index != NULL && index->numel == 0)
        index = op_to_dtype(index, DTYPE_INT64); /* no index: of no wrong dtype either */
    index = index_as_int64(index, "gather");
    int d = t == NULL || index == NULL ? -1 : check_gather(t, dim, index);
    if (d < 0)
        return NULL;
    Tensor *out = scope_keep(tensor_empty(index->ndim, index->dims, (Dtype)t->dtype, t->device));
    if (out == NULL || (index->numel > 0 && run("gather", PICK_GET, t, d, index, out, true) < 0))
        return NULL;
    node_save_ints(save(RECORD(OP_gather, out, t), d, index), t->ndim, t->dims);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(gather)
{
    Tensor *zeros = index_zeros(n->n_ints, node_ints(n), (Dtype)g->dtype, g->device);
    GRAD(0, op_scatter_add(zeros, node_params(n)[0].i, node_saved(n, 0), g, false));
}

Tensor *
op_take_along_dim(Tensor *t, Tensor *index, const int64_t *dim)
{
    int64_t dims[NDIM_MAX], own[NDIM_MAX];
    if (t == NULL || index == NULL)
        return NULL;
    if (index->dtype != DTYPE_INT64)
        return error(PyExc_RuntimeError, "torch.take_along_dim(): dtype of indices should be Long but got %s",
                     dtype_info[index->dtype].type_name);
    if (dim == NULL)
        return op_gather(op_reshape(t, 1, (int64_t[]){-1}), 0, op_reshape(index, 1, (int64_t[]){-1}));
    if (t->ndim != index->ndim)
        return error(PyExc_RuntimeError,
                     "torch.take_along_dim(): input and indices should have the same number of dimensions, "
                     "but got %d dimensions for input, and %d dimensions for indices",
                     t->ndim, index->ndim);
    int d = shape_wrap_dim(*dim, t->ndim);
    if (d < 0)
        return NULL;
    for (int i = 0; i < t->ndim; i++) {                  /* both are broadcast, except along dim */
        int64_t a = t->dims[i], b = index->dims[i];
        if (i != d && a != b && a != 1 && b != 1)
            return error(
                PyExc_RuntimeError,
                "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton "
                "dimension %d",
                (long long)a, (long long)b, i);
        dims[i] = i == d ? a : a == 1 ? b : a;
        own[i] = i == d ? b : dims[i];
    }
    if (t->dims[d] > 0) /* counted from the end if negative, and round and round */
        index = op_scalar(OP_remainder, index, (double)t->dims[d]);
    return op_gather(op_expand(t, t->ndim, dims), d, op_expand(index, t->ndim, own));
}

/* ---------------------------------------------------------------- scatter */
/* Writes src (or a 0-d value) into a copy of t, or t, and records it as op. */
static Tensor *scatter(Op op, const char *name, PickMode mode, Tensor *t, int64_t dim, Tensor *index,
                       Tensor *src, bool inplace)
{
    bool number = op == OP_scatter_value;
    index = index_as_int64(index, name);
    if (inplace)
        index = index_apart(t, index);
    int d = t == NULL || index == NULL || src == NULL
                ? -1
                : check_scatter(name, t, dim, index, number ? NULL : src, inplace);
    Tensor *out = d < 0 ? NULL : index_target(t, name, inplace);
    if (out == NULL)
        return NULL;
    if (inplace && (src = index_apart(t, src)) == NULL)
        return NULL;
    if (run(name, mode, out, d, index, src, !inplace) < 0)
        return NULL;
    Node *n = index_record(op, out, inplace, number ? 1 : 2, (Tensor *[]){t, src});
    save(n, d, index);
    node_save_ints(n, src->ndim, src->dims);
    if (n != NULL && number)
        node_set_variant(n, 1);
    return PyErr_Occurred() ? NULL : out;
}

Tensor *
op_scatter(Tensor *t, int64_t dim, Tensor *index, Tensor *src, bool inplace)
{
    return scatter(OP_scatter, "scatter", PICK_SET, t, dim, index, src, inplace);
}

Tensor *
op_scatter_value(Tensor *t, int64_t dim, Tensor *index, Scalar value, bool inplace)
{
    if (t == NULL || index == NULL || scalar_check_fits(&value, (Dtype)t->dtype) < 0)
        return NULL;
    Tensor *number = scope_keep(tensor_from_scalar(value.value, (Dtype)t->dtype, t->device));
    return scatter(OP_scatter_value, "scatter", PICK_SET, t, dim, index, number, inplace);
}

Tensor *
op_scatter_add(Tensor *t, int64_t dim, Tensor *index, Tensor *src, bool inplace)
{
    return scatter(OP_scatter_add, "scatter_add", PICK_ADD, t, dim, index, src, inplace);
}

static Tensor *
without_written(Tensor *g, int64_t dim, Tensor *index)
{
    return op_scatter_value(g, dim, index, (Scalar){PARAM(0), CATEGORY_INT}, false);
}

/* src may be larger than the index, and of any shape beside an empty one: what was not read gets zeros. */
static Tensor *
padded(Tensor *part, int ndim, const int64_t *wanted)
{
    if (part != NULL && part->numel == 0)
        return index_zeros(ndim, wanted, (Dtype)part->dtype, part->device);
    for (int i = 0; part != NULL && i < part->ndim && i < ndim; i++) {
        int64_t dims[NDIM_MAX];
        if (part->dims[i] == wanted[i])
            continue;
        memcpy(dims, part->dims, part->ndim * sizeof dims[0]);
        dims[i] = wanted[i];
        part = op_slice_backward(part, part->ndim, dims, i, 0, 1);
    }
    return part;
}

static Tensor *
source_gradient(Node *n, Tensor *g, Tensor *index)
{
    return padded(op_gather(g, node_params(n)[0].i, index), n->n_ints, node_ints(n));
}

BACKWARD(scatter)
{
    Tensor *index = node_saved(n, 0);
    GRAD(0, without_written(g, node_params(n)[0].i, index));
    GRAD(1, source_gradient(n, g, index));
}

BACKWARD(scatter_value)
{
    GRAD(0, without_written(g, node_params(n)[0].i, node_saved(n, 0)));
}

BACKWARD(scatter_add)
{
    GRAD(0, g);
    GRAD(1, source_gradient(n, g, node_saved(n, 0)));
}

Tensor *
op_scatter_with(Tensor *t, int64_t dim, Tensor *index, const Value *src, const char *reduce, bool inplace)
{
    bool add = strcmp(reduce, "add") == 0;
    if (!add && strcmp(reduce, "multiply") != 0)
        return error(PyExc_RuntimeError, "reduce argument must be either add or multiply, got '%s'", reduce);
    if (t == NULL || index == NULL)
        return NULL;
    Tensor *values = src->tensor;
    if (src->is_scalar) {
        values = scope_keep(tensor_from_scalar(src->scalar.value, (Dtype)t->dtype, t->device));
        values = op_expand(values, index->ndim, index->dims);
    }
    return op_scatter_reduce(t, dim, index, values, add ? "sum" : "prod", true, inplace);
}

/* ---------------------------------------------------------------- scatter_reduce */
static const struct {
    const char *name;
    PickMode mode;
} reductions[] = {
    [REDUCE_SUM] = {"sum", PICK_ADD}, [REDUCE_PROD] = {"prod", PICK_MUL}, [REDUCE_MEAN] = {"mean", PICK_ADD},
    [REDUCE_AMAX] = {"amax", PICK_MAX}, [REDUCE_AMIN] = {"amin", PICK_MIN},
};

static int
find_reduction(const char *name)
{
    for (int r = REDUCE_SUM; r <= REDUCE_AMIN; r++)
        if (strcmp(name, reductions[r].name) == 0)
            return r;
    error(PyExc_RuntimeError, "reduce argument must be either sum, prod, mean, amax or amin, got %s", name);
    return -1;
}

/* What a reduction starts from where t itself does not count. */
static Scalar
identity(int reduction, Dtype dtype)
{
    double infinity = __builtin_inf();
    int8_t category = (int8_t)dtype_info[dtype].category;
    int bits = 8 * dtype_info[dtype].itemsize;
    int64_t high = dtype == DTYPE_UINT8 ? 255 : (int64_t)(UINT64_MAX >> (65 - bits));
    int64_t low = dtype == DTYPE_UINT8 ? 0 : -high - 1;
    if (dtype == DTYPE_BOOL)
        return (Scalar){PARAM(reduction == REDUCE_PROD || reduction == REDUCE_AMIN), CATEGORY_BOOL};
    switch (reduction) {
    case REDUCE_PROD: return (Scalar){PARAM(1), CATEGORY_INT};
    case REDUCE_AMAX: return (Scalar){{-infinity, low}, category};
    case REDUCE_AMIN: return (Scalar){{infinity, high}, category};
    default: return (Scalar){PARAM(0), CATEGORY_INT};
    }
}

/* How many elements each target got, itself included if include_self; at least 1. */
static Tensor *
counts(Tensor *like, int64_t dim, Tensor *index, bool include_self)
{
    Tensor *start = index_zeros(like->ndim, like->dims, (Dtype)like->dtype, like->device);
    Tensor *ones = scope_keep(tensor_empty(index->ndim, index->dims, (Dtype)like->dtype, like->device));
    if (start == NULL || ones == NULL || fill_data(ones, (Scalar){PARAM(1), CATEGORY_INT}) < 0)
        return NULL;
    if (include_self && fill_data(start, (Scalar){PARAM(1), CATEGORY_INT}) < 0)
        return NULL;
    Tensor *one = scope_keep(tensor_from_scalar(PARAM(1), (Dtype)like->dtype, like->device));
    return op_maximum(op_scatter_add(start, dim, index, ones, true), one);
}

static Tensor *
divide_by_counts(Tensor *sum, Tensor *n)
{
    return dtype_is_float((Dtype)sum->dtype) ? op_div(sum, n) : op_div_floor(sum, n);
}

static Tensor *
reduced(Tensor *t, int64_t dim, Tensor *index, Tensor *src, int r, bool include_self)
{
    int d = t ? check_scatter("scatter", t, dim, index, src, false) : -1;
    Tensor *source = d < 0 ? NULL : op_detach(src),
           *out = source ? index_target(t, "scatter_reduce", false) : NULL;
    if (out == NULL ||
        (!include_self && !op_scatter_value(out, d, index, identity(r, (Dtype)t->dtype), true)))
        return NULL;
    if (run("scatter_reduce", reductions[r].mode, out, d, index, source, true) < 0)
        return NULL;
    if (r == REDUCE_MEAN && (out = divide_by_counts(out, counts(out, d, index, include_self))) == NULL)
        return NULL;
    Node *n = save(RECORD(OP_scatter_reduce, out, t, src), d, index);
    if (n != NULL) {
        node_save(n, 1, t);
        node_save(n, 2, src);
        node_save_output(n, 3, out);
        node_save_params(n, PARAM(d), PARAM(2 * r + include_self));
        node_save_ints(n, src->ndim, src->dims);
    }
    return PyErr_Occurred() ? NULL : out;
}

/* In place the old values are kept in a copy: products and extremes need them for their gradients. */
Tensor *op_scatter_reduce(Tensor *t, int64_t dim, Tensor *index, Tensor *src, const char *reduce,
                          bool include_self, bool inplace)
{
    int r = find_reduction(reduce);
    index = index_as_int64(index, "scatter_reduce");
    if (r < 0 || t == NULL || index == NULL || src == NULL ||
        (inplace && check_writable(t, "scatter_reduce_") < 0))
        return NULL;
    Tensor *out = reduced(inplace ? op_clone(t) : t, dim, index, src, r, include_self);
    return !inplace || out == NULL ? out : scope_keep(inplace_adopt(t, out));
}

/* ---------------------------------------------------------------- gradients of scatter_reduce */
typedef struct Reduced {
    int64_t dim;
    Tensor *index, *self, *src, *result, *g;
    bool include_self;
} Reduced;

static Tensor *
as_number(Tensor *mask, Tensor *like)
{
    return like ? op_to_dtype(mask, (Dtype)like->dtype) : NULL;
}

/* Extremes: those that are equal to the result share its gradient. */
static void
extreme_gradients(const Reduced *r, Tensor **out)
{
    Tensor *self_wins = as_number(op_eq(r->self, r->result), r->g);
    Tensor *src_wins = as_number(op_eq(r->src, op_gather(r->result, r->dim, r->index)), r->g);
    Tensor *shared = op_div(r->g, op_scatter_add(self_wins, r->dim, r->index, src_wins, false));
    out[0] = op_mul(self_wins, shared);
    out[1] = op_mul(src_wins, op_gather(shared, r->dim, r->index));
}

/* The product over all others: result / factor, and where one factor is zero the product is taken again
 * without it. */
static void
product_gradients(const Reduced *r, Tensor **out)
{
    Tensor *one = scope_keep(tensor_from_scalar(PARAM(1), (Dtype)r->self->dtype, r->self->device));
    Tensor *factor = op_masked_fill(r->self, op_scalar(OP_eq, r->self, 0), one);
    Tensor *rest = reduced(factor, r->dim, r->index, r->src, REDUCE_PROD, r->include_self);
    out[0] = op_div(op_mul(r->g, rest), factor);
    Tensor *zero = op_scalar(OP_eq, r->src, 0), *zeros = as_number(zero, r->g);
    if (zeros == NULL)
        return;
    Tensor *none = index_zeros(r->self->ndim, r->self->dims, (Dtype)r->g->dtype, r->g->device);
    Tensor *per_target = op_gather(op_scatter_add(none, r->dim, r->index, zeros, false), r->dim, r->index);
    Tensor *alone = op_logical_and(zero, op_scalar(OP_eq, per_target, 1));
    Tensor *others =
        reduced(r->self, r->dim, r->index, op_masked_fill(r->src, alone, one), REDUCE_PROD, r->include_self);
    Tensor *without = op_gather(op_mul(r->g, others), r->dim, r->index);
    Tensor *with =
        op_div(op_gather(op_mul(r->g, r->result), r->dim, r->index), op_masked_fill(r->src, zero, one));
    out[1] = op_where(alone, without, with);
}

static void
mean_gradients(const Reduced *r, Tensor **out)
{
    Tensor *n = counts(r->g, r->dim, r->index, r->include_self);
    out[0] = op_div(r->g, n);
    out[1] = op_gather(out[0], r->dim, r->index);
}

BACKWARD(scatter_reduce)
{
    int reduction = (int)node_params(n)[1].i / 2;
    Reduced r = {node_params(n)[0].i, node_saved(n, 0), node_saved(n, 1), node_saved(n, 2), node_saved(n, 3), g,
                 node_params(n)[1].i % 2};
    Tensor *both[2] = {g, NULL};
    if (PyErr_Occurred())
        return;
    if (reduction == REDUCE_SUM)
        both[1] = op_gather(g, r.dim, r.index);
    else if (reduction == REDUCE_PROD)
        product_gradients(&r, both);
    else if (reduction == REDUCE_MEAN)
        mean_gradients(&r, both);
    else
        extreme_gradients(&r, both);
    GRAD(0, r.include_self ? both[0] : without_written(both[0], r.dim, r.index));
    GRAD(1, padded(both[1], n->n_ints, node_ints(n)));
}
