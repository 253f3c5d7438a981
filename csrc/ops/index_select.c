/* Rows along one dimension picked by a vector of indices (index_select, index_add, index_copy, index_fill),
 * and elements of the flattened tensor (take, put). */
#include <string.h>

#include "ops/ops.h"

/* ---------------------------------------------------------------- rows */
/* The index as int64 vector, its range checked; out_of_range says how. */
typedef struct Rows {
    int dim;
    Tensor *index;
    int64_t low, high, size;
} Rows;

/* -1 with an error; whether the range fits is the caller's to judge, for PyTorch has an error for each op. */
static int
rows_of(Rows *r, const char *op, Tensor *t, int64_t dim, Tensor *index)
{
    if (t == NULL || index == NULL)
        return -1;
    if (index->ndim > 1) {
        error(PyExc_IndexError, "%s(): Index is supposed to be a vector, got shape %s", op,
              shape_text(index->ndim, index->dims));
        return -1;
    }
    if (index->dtype != DTYPE_INT64 && index->dtype != DTYPE_INT32) {
        error(PyExc_RuntimeError, "%s(): Expected dtype int32 or int64 for index (a long tensor), but got %s",
              op, dtype_info[index->dtype].type_name);
        return -1;
    }
    r->dim = shape_wrap_dim(dim, t->ndim);
    if (r->dim < 0 || check_same_device(op, 2, (Tensor *[]){t, index}) < 0)
        return -1;
    r->index = index_as_int64(index, op);
    r->size = t->ndim ? t->dims[r->dim] : 1;
    return r->index == NULL ? -1 : index_range(op, r->index, false, &r->low, &r->high);
}

static bool
in_range(const Rows *r)
{
    return r->low >= 0 && r->high < r->size;
}

static int64_t
offender(const Rows *r)
{
    return r->low < 0 ? r->low : r->high;
}

/* values: broadcast over the picked rows where its dims or strides say so; 0-d values are one number. */
static int
run(const char *op, PickMode mode, Tensor *data, const Rows *r, Tensor *values)
{
    int64_t dims[NDIM_MAX], data_strides[NDIM_MAX], value_strides[NDIM_MAX] = {0},
                                                    index_strides[NDIM_MAX] = {0};
    int64_t step = data->ndim ? data->strides[r->dim] : 1;
    int ndim = data->ndim ? data->ndim : 1;
    if (tensor_is_meta(data))
        return 0;
    for (int i = 0; i < data->ndim; i++) {
        dims[i] = data->dims[i];
        data_strides[i] = data->strides[i];
    }
    for (int i = 0; i < values->ndim; i++)
        value_strides[i] = values->strides[i];
    dims[r->dim] = r->index->numel;
    data_strides[r->dim] = 0;
    index_strides[r->dim] = r->index->ndim ? r->index->strides[0] : 0;
    Pick pick = {
        .ndim = ndim, .dims = dims, .data = data, .data_strides = data_strides, .values = values->data,
        .value_strides = value_strides, .n_indices = 1, .indices = &r->index,
        .index_strides = (const int64_t *[]){index_strides}, .steps = &step, .sizes = &r->size,
    };
    return pick_run(op, mode, &pick);
}

static Node *
save(Node *n, const Rows *r)
{
    node_save(n, 0, r->index);
    node_save_params(n, PARAM(r->dim), PARAM(0));
    return n;
}

static Tensor *
checked(Tensor *out)
{
    return PyErr_Occurred() ? NULL : out;
}

Tensor *
op_index_select(Tensor *t, int64_t dim, Tensor *index)
{
    Rows r;
    int64_t dims[NDIM_MAX];
    if (rows_of(&r, "index_select", t, dim, index) < 0)
        return NULL;
    if (!in_range(&r))
        return error(PyExc_IndexError, "index out of range in self: index %lld, dimension %d has size %lld",
                     (long long)offender(&r), r.dim, (long long)r.size);
    if (t->ndim == 0 && r.index->numel != 1)
        return error(PyExc_RuntimeError,
                     "index_select(): Index to scalar can have only 1 value, got %lld value(s)",
                     (long long)r.index->numel);
    memcpy(dims, t->dims, t->ndim * sizeof dims[0]);
    if (t->ndim > 0)
        dims[r.dim] = r.index->numel;
    Tensor *out = scope_keep(tensor_empty(t->ndim, dims, (Dtype)t->dtype, t->device));
    if (out == NULL || run("index_select", PICK_GET, t, &r, out) < 0)
        return NULL;
    node_save_ints(save(RECORD(OP_index_select, out, t), &r), t->ndim, t->dims);
    return checked(out);
}

BACKWARD(index_select)
{
    Tensor *zeros = index_zeros(n->n_ints, node_ints(n), (Dtype)g->dtype, g->device);
    GRAD(0, op_index_add(zeros, node_params(n)[0].i, node_saved(n, 0), g, SCALAR_INT(1), false));
}

/* ---------------------------------------------------------------- index_add, index_copy */
#define SHAPES_DIFFER "source tensor shape must match self tensor shape, excluding the specified dimension. " \
                      "Got self.shape = %s source.shape = %s"

static int
check_source(const char *op, PyObject *type, Tensor *t, const Rows *r, Tensor *source)
{
    int64_t rows = source->ndim ? source->dims[r->dim < source->ndim ? r->dim : 0] : 1;
    bool same = source->ndim == t->ndim || (source->ndim <= 1 && t->ndim <= 1);
    if (check_same_device(op, 2, (Tensor *[]){t, source}) < 0)
        return -1;
    if (!same) {
        error(type,
              "%s(): When source and destination are not scalars, their dimensionality must match. Source "
              "dimensionality "
              "(%d), destination dimensionality (%d)",
              op, source->ndim, t->ndim);
        return -1;
    }
    if (rows != r->index->numel) {
        error(type, "%s(): Number of indices (%lld) should be equal to source.size(dim): (%lld), for dim: %d",
              op, (long long)r->index->numel, (long long)rows, r->dim);
        return -1;
    }
    for (int i = 0; i < t->ndim && i < source->ndim; i++)
        if (i != r->dim && t->dims[i] != source->dims[i]) {
            error(PyExc_RuntimeError, SHAPES_DIFFER, shape_text(t->ndim, t->dims), shape_text(source->ndim, source->dims));
            return -1;
        }
    return 0;
}

Tensor *
op_index_add(Tensor *t, int64_t dim, Tensor *index, Tensor *source, Scalar alpha, bool inplace)
{
    Rows r;
    if (inplace)
        index = index_apart(t, index);
    if (source == NULL || rows_of(&r, "index_add_", t, dim, index) < 0)
        return NULL;
    if (t->dtype != source->dtype)
        return error(PyExc_RuntimeError,
                     "index_add_(): self (%s) and source (%s) must have the same scalar type",
                     dtype_info[t->dtype].type_name, dtype_info[source->dtype].type_name);
    if (check_source("index_add_", PyExc_RuntimeError, t, &r, source) < 0)
        return NULL;
    if (t->ndim != source->ndim)
        return error(PyExc_RuntimeError, SHAPES_DIFFER, shape_text(t->ndim, t->dims), shape_text(source->ndim, source->dims));
    if (!in_range(&r))
        return error(PyExc_RuntimeError, "index %lld is out of bounds for dimension %d with size %lld",
                     (long long)offender(&r), r.dim, (long long)r.size);
    if (scalar_check_fits(&alpha, (Dtype)t->dtype) < 0)
        return NULL;
    Tensor *out = index_target(t, "index_add_", inplace), *values = op_scaled(op_detach(source), alpha);
    if (out == NULL || values == NULL || (values = index_apart(out, values)) == NULL
        || run("index_add", PICK_ADD, out, &r, values) < 0)
        return NULL;
    Node *n = save(index_record(OP_index_add, out, inplace, 2, (Tensor *[]){t, source}), &r);
    node_save_params(n, PARAM(r.dim), alpha.value);
    return checked(out);
}

BACKWARD(index_add)
{
    double alpha = node_params(n)[1].f;
    GRAD(0, g);
    if (node_needs(n, 1)) {
        out[1] = op_index_select(g, node_params(n)[0].i, node_saved(n, 0));
        if (alpha != 1)
            out[1] = op_scalar(OP_mul, out[1], alpha);
    }
}

Tensor *
op_index_copy(Tensor *t, int64_t dim, Tensor *index, Tensor *source, bool inplace)
{
    Rows r;
    if (inplace)
        index = index_apart(t, index);
    if (source == NULL || rows_of(&r, "index_copy_", t, dim, index) < 0)
        return NULL;
    if (t->dtype != source->dtype)
        return error(PyExc_RuntimeError,
                     "index_copy_(): self and source expected to have the same dtype, but got (self) %s and "
                     "(source) %s",
                     dtype_info[t->dtype].type_name, dtype_info[source->dtype].type_name);
    if (check_source("index_copy_", PyExc_IndexError, t, &r, source) < 0)
        return NULL;
    if (!in_range(&r))
        return error(PyExc_IndexError,
                     "index_copy_(): index %lld is out of bounds for dimension %d with size %lld",
                     (long long)offender(&r), r.dim, (long long)r.size);
    Tensor *out = index_target(t, "index_copy_", inplace), *values = out ? index_apart(out, source) : NULL;
    if (values == NULL || run("index_copy", PICK_SET, out, &r, values) < 0)
        return NULL;
    save(index_record(OP_index_copy, out, inplace, 2, (Tensor *[]){t, source}), &r);
    return checked(out);
}

static const Value zero_value = {.given = true, .is_scalar = true, .scalar = {{0, 0}, CATEGORY_INT}};

BACKWARD(index_copy)
{
    Tensor *index = node_saved(n, 0);
    GRAD(0, op_index_fill(g, node_params(n)[0].i, index, &zero_value, false));
    GRAD(1, op_index_select(g, node_params(n)[0].i, index));
}

/* ---------------------------------------------------------------- index_fill */
Tensor *
op_index_fill(Tensor *t, int64_t dim, Tensor *index, const Value *value, bool inplace)
{
    Rows r;
    if (inplace)
        index = index_apart(t, index);
    if (t == NULL || index == NULL)
        return NULL;
    if (index->dtype != DTYPE_INT64)
        return error(PyExc_IndexError, "index_fill_(): Expected dtype int64 for index.");
    if (rows_of(&r, "index_fill_", t, dim, index) < 0)
        return NULL;
    if (r.low < -r.size || r.high >= r.size)
        return error(PyExc_IndexError, "index %lld is out of bounds for dimension %d with size %lld",
                     (long long)(r.low < -r.size ? r.low : r.high), r.dim, (long long)r.size);
    if (r.low < 0) /* its gradient selects, and that knows no negative index */
        r.index = op_scalar(OP_remainder, r.index, (double)r.size);
    Tensor *number = value->tensor;
    if (value->is_scalar)
        number = scope_keep(tensor_from_scalar(value->scalar.value, (Dtype)t->dtype, t->device));
    else if (number->ndim != 0)
        return error(PyExc_RuntimeError,
                     "index_fill_ only supports a 0-dimensional value tensor, but got tensor with %d "
                     "dimension(s).",
                     number->ndim);
    if (number == NULL || value_check_fits(value->is_scalar ? NULL : number, &value->scalar, (Dtype)t->dtype) < 0)
        return NULL;
    Tensor *stored = op_to(op_detach(number), (Dtype)t->dtype, &t->device, false);
    Tensor *out = stored && r.index ? index_target(t, "index_fill_", inplace) : NULL;
    if (out == NULL || run("index_fill", PICK_SET, out, &r, stored) < 0)
        return NULL;
    Node *n = save(
        index_record(OP_index_fill, out, inplace, value->is_scalar ? 1 : 2, (Tensor *[]){t, number}), &r);
    if (n != NULL && !value->is_scalar)
        node_set_variant(n, 1);
    return checked(out);
}

/* Each index once, for a place that is filled twice still is one place. */
static Tensor *
distinct(Tensor *index)
{
    PyObject *result = index ? op_unique(index, false, false, NULL) : NULL;
    return scope_keep((Tensor *)result);
}

BACKWARD(index_fill)
{
    Tensor *index = node_saved(n, 0);
    GRAD(0, op_index_fill(g, node_params(n)[0].i, index, &zero_value, false));
    if (n->n_edges > 1)
        GRAD(1, op_sum_to_size(op_index_select(g, node_params(n)[0].i, distinct(index)), 0, NULL));
}

/* ---------------------------------------------------------------- take, put */
/* Index as int64, in range of numel elements; NULL with an error. */
static Tensor *
flat_index(const char *op, Tensor *t, Tensor *index)
{
    int64_t low, high;
    if (t == NULL || index == NULL || check_same_device(op, 2, (Tensor *[]){t, index}) < 0)
        return NULL;
    if (index->dtype != DTYPE_INT64)
        return error(PyExc_RuntimeError, "%s(): Expected a long tensor for index, but got %s", op,
                     dtype_info[index->dtype].type_name);
    if (index->numel > 0 && t->numel == 0)
        return error(PyExc_IndexError, "%s(): tried to take from an empty tensor", op);
    if (index_range(op, index, false, &low, &high) < 0)
        return NULL;
    if (low < -t->numel || high >= t->numel)
        return error(PyExc_IndexError,
                     "out of range: tried to access index %lld on a tensor of %lld elements.",
                     (long long)(low < -t->numel ? low : high), (long long)t->numel);
    return index;
}

/* data and values are dense in the order of the index. */
static int
run_flat(const char *op, PickMode mode, Tensor *data, Tensor *index, Tensor *values)
{
    int64_t none[NDIM_MAX] = {0}, dense[NDIM_MAX], step = 1;
    if (tensor_is_meta(data))
        return 0;
    shape_contiguous_strides(index->ndim, index->dims, dense);
    Pick pick = {
        .ndim = index->ndim,
        .dims = index->dims,
        .data = data,
        .data_strides = none,
        .values = values->data,
        .value_strides = dense,
        .n_indices = 1,
        .indices = &index,
        .index_strides = (const int64_t *[]){index->strides},
        .steps = &step,
        .sizes = &data->numel,
        .wraps = true,
    };
    return pick_run(op, mode, &pick);
}

Tensor *
op_take(Tensor *t, Tensor *index)
{
    if (flat_index("take", t, index) == NULL)
        return NULL;
    Tensor *flat = op_contiguous(op_detach(t));
    Tensor *out = scope_keep(tensor_empty(index->ndim, index->dims, (Dtype)t->dtype, t->device));
    if (flat == NULL || out == NULL || run_flat("take", PICK_GET, flat, index, out) < 0)
        return NULL;
    Node *n = RECORD(OP_take, out, t);
    node_save(n, 0, index);
    node_save_ints(n, t->ndim, t->dims);
    return checked(out);
}

BACKWARD(take)
{
    Tensor *zeros = index_zeros(n->n_ints, node_ints(n), (Dtype)g->dtype, g->device);
    GRAD(0, op_put(zeros, node_saved(n, 0), g, true, false));
}

Tensor *
op_put(Tensor *t, Tensor *index, Tensor *source, bool accumulate, bool inplace)
{
    if (inplace)
        index = index_apart(t, index);
    if (source == NULL || flat_index("put_", t, index) == NULL || check_same_device("put_", 2, (Tensor *[]){t, source}) < 0)
        return NULL;
    if (t->dtype != source->dtype)
        return error(PyExc_RuntimeError,
                     "put_(): self and source expected to have the same dtype, but got self.dtype = %s and "
                     "source.dtype = %s",
                     dtype_info[t->dtype].type_name, dtype_info[source->dtype].type_name);
    if (source->numel != index->numel)
        return error(PyExc_IndexError,
                     "put_(): Expected source and index to have the same number of elements, but got "
                     "source.numel() = %lld, index.numel() = %lld",
                     (long long)source->numel, (long long)index->numel);
    Tensor *out = index_target(t, "put_", inplace), *values = op_contiguous(op_detach(source));
    Tensor *flat = out && values ? op_contiguous(op_detach(out)) : NULL;
    if (flat == NULL || (inplace && (values = index_apart(t, values)) == NULL)
        || run_flat("put", accumulate ? PICK_ADD : PICK_SET, flat, index, values) < 0)
        return NULL;
    if (flat->data != out->data && copy_data(out, flat) < 0)
        return NULL;
    Node *n = index_record(OP_put, out, inplace, 2, (Tensor *[]){t, source});
    node_save(n, 0, index);
    node_save_params(n, PARAM(accumulate), PARAM(0));
    node_save_ints(n, source->ndim, source->dims);
    return checked(out);
}

BACKWARD(put)
{
    Tensor *index = node_saved(n, 0);
    if (index == NULL)
        return;
    Tensor *zeros = index_zeros(index->ndim, index->dims, (Dtype)g->dtype, g->device);
    GRAD(0, node_params(n)[0].i ? g : op_put(g, index, zeros, false, false));
    GRAD(1, op_reshape(op_take(g, index), n->n_ints, node_ints(n)));
}
