/* Rows of a table picked by index, and class indices spread to one-hot vectors. */
#include <string.h>

#include "ops/index.h"
#include "ops/loss.h"
#include "ops/ops.h"

/* ---------------------------------------------------------------- rows of a table */
/* values[i..., :] and table[index[i...], :] meet: read into values, or added to the table.  values are dense.
 */
static int
pick_rows(PickMode mode, Tensor *values, Tensor *table, Tensor *index)
{
    int64_t table_strides[NDIM_MAX] = {0}, index_strides[NDIM_MAX], last = values->ndim - 1;
    table_strides[last] = table->strides[1];
    memcpy(index_strides, index->strides, (size_t)last * sizeof index_strides[0]);
    index_strides[last] = 0;
    Pick pick = {.ndim = values->ndim, .dims = values->dims, .data = table, .data_strides = table_strides,
                 .values = values->data, .value_strides = values->strides, .n_indices = 1, .indices = &index,
                 .index_strides = (const int64_t *[]){index_strides}, .steps = &table->strides[0],
                 .sizes = &table->dims[0]};
    return values->numel == 0 ? 0 : pick_run("embedding", mode, &pick);
}

static Tensor *
checked_indices(Tensor *indices, int64_t n_rows)
{
    if (indices->dtype != DTYPE_INT64 && indices->dtype != DTYPE_INT32)
        return error(PyExc_RuntimeError,
                     "Expected tensor for argument #1 'indices' to have one of the following scalar "
                     "types: Long, Int; but got torch.%sTensor instead (while checking arguments for "
                     "embedding)",
                     dtype_info[indices->dtype].type_name);
    Tensor *index = op_to_dtype(indices, DTYPE_INT64);
    int64_t low, high;
    if (index == NULL || index_range("embedding", index, false, &low, &high) < 0)
        return NULL;
    if (low < 0 || high >= n_rows)
        return error(PyExc_IndexError,
                     "index out of range in self: index %lld, the embedding has rows 0 to %lld",
                     (long long)(low < 0 ? low : high), (long long)n_rows - 1);
    return index;
}

static Tensor *
filled(int ndim, const int64_t *dims, double value, Tensor *like)
{
    Tensor *t = like ? scope_keep(tensor_empty(ndim, dims, (Dtype)like->dtype, like->device)) : NULL;
    return t == NULL || fill_data(t, (Scalar){PARAM(value), CATEGORY_FLOAT}) < 0 ? NULL : t;
}

/* How often each row of a table like g's is picked: (n_rows, 1) of g's dtype. */
static Tensor *
pick_counts(Tensor *index, int64_t n_rows, Tensor *g)
{
    int64_t dims[NDIM_MAX];
    memcpy(dims, index->dims, index->ndim * sizeof dims[0]);
    dims[index->ndim] = 1;
    return op_embedding_backward(filled(index->ndim + 1, dims, 1, g), index, n_rows, -1, false);
}

/* Rows that are picked and longer than max_norm are shrunk to it, in place and without history. */
static int
renorm_rows(Tensor *weight, Tensor *index, double max_norm, double norm_type)
{
    bool mode = grad_mode;
    grad_mode = false;
    int64_t one = 1;
    Tensor *norm = op_vector_norm(weight, norm_type, 1, &one, true, DTYPE_NONE);
    Tensor *factor = norm ? op_div(filled(0, NULL, max_norm, weight), op_scalar(OP_add, norm, 1e-7)) : NULL;
    Tensor *picked = op_scalar(OP_gt, pick_counts(index, weight->dims[0], weight), 0);
    Tensor *long_rows = op_logical_and(op_scalar(OP_gt, norm, max_norm), picked);
    Tensor *shrunk = op_where(long_rows, op_mul(weight, factor), weight);
    Tensor *done = shrunk ? op_copy_(weight, shrunk) : NULL;
    grad_mode = mode;
    return done == NULL ? -1 : 0;
}

static int
wrap_padding(const int64_t *padding_idx, int64_t n_rows, int64_t *out)
{
    *out = padding_idx ? *padding_idx : -1;
    if (padding_idx == NULL)
        return 0;
    if (*out < -n_rows || *out >= n_rows) {
        error(PyExc_AssertionError, "Padding_idx must be within num_embeddings");
        return -1;
    }
    *out += *out < 0 ? n_rows : 0;
    return 0;
}

Tensor *
op_embedding(Tensor *indices, Tensor *weight, const int64_t *padding_idx, const Value *max_norm,
             double norm_type, bool scale_grad_by_freq, bool sparse)
{
    int64_t padding, dims[NDIM_MAX];
    if (indices == NULL || weight == NULL)
        return NULL;
    if (weight->ndim != 2)
        return error(PyExc_RuntimeError, "'weight' must be 2-D");
    if (check_same_device("embedding", 2, (Tensor *[]){weight, indices}) < 0)
        return NULL;
    if (sparse)
        return error(PyExc_NotImplementedError,
                     "embedding: sparse gradients are not supported; leave sparse=False");
    if (indices->ndim + 1 > NDIM_MAX)
        return error(PyExc_RuntimeError, "embedding: indices of %d dimensions are too many", indices->ndim);
    Tensor *index = wrap_padding(padding_idx, weight->dims[0], &padding) < 0
                        ? NULL
                        : checked_indices(indices, weight->dims[0]);
    if (index == NULL
        || (max_norm->given && renorm_rows(weight, index, max_norm->scalar.value.f, norm_type) < 0))
        return NULL;
    memcpy(dims, index->dims, index->ndim * sizeof dims[0]);
    dims[index->ndim] = weight->dims[1];
    Tensor *out = scope_keep(tensor_empty(index->ndim + 1, dims, (Dtype)weight->dtype, weight->device));
    if (out == NULL || pick_rows(PICK_GET, out, weight, index) < 0)
        return NULL;
    Node *n = RECORD(OP_embedding, out, weight);
    node_save(n, 0, index);
    node_save_ints(n, 3, (int64_t[]){weight->dims[0], padding, scale_grad_by_freq});
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(embedding)
{
    GRAD(0, op_embedding_backward(g, node_saved(n, 0), node_ints(n)[0], node_ints(n)[1], node_ints(n)[2]));
}

/* ---------------------------------------------------------------- the gradient of the table */
/* Each row of g divided by how often its index occurs. */
static Tensor *
divided_by_frequency(Tensor *g, Tensor *index, int64_t n_rows)
{
    Tensor *counts = pick_counts(index, n_rows, g);
    return counts ? op_div(g, op_embedding(index, counts, NULL, &(Value){0}, 2, false, false)) : NULL;
}

/* padding_idx -1: none.  The index may have been written since the table was read, by an array that shares its memory. */
Tensor *
op_embedding_backward(Tensor *g, Tensor *index, int64_t n_rows, int64_t padding_idx, bool scale_by_freq)
{
    if (g == NULL || index == NULL || (index = checked_indices(index, n_rows)) == NULL)
        return NULL;
    if (scale_by_freq && (g = divided_by_frequency(g, index, n_rows)) == NULL)
        return NULL;
    int64_t dims[2] = {n_rows, g->dims[g->ndim - 1]};
    Scalar zero = {PARAM(0), CATEGORY_INT};
    Tensor *in = op_contiguous(op_detach(g)),
           *out = in ? index_zeros(2, dims, (Dtype)g->dtype, g->device) : NULL;
    if (out == NULL || pick_rows(PICK_ADD, in, out, index) < 0)
        return NULL;
    if (padding_idx >= 0) {
        Tensor *row = op_select(out, 0, padding_idx);
        if (row == NULL || fill_data(row, zero) < 0)
            return NULL;
    }
    Node *n = RECORD(OP_embedding_backward, out, g);
    node_save(n, 0, index);
    node_save_ints(n, 2, (int64_t[]){n_rows, padding_idx});
    return PyErr_Occurred() ? NULL : out;
}

/* The incoming gradient's rows are picked as the table's were; the padding row counted as 0. */
BACKWARD(embedding_backward)
{
    Tensor *index = node_saved(n, 0);
    Tensor *picked = op_embedding(index, g, NULL, &(Value){0}, 2, false, false);
    if (node_ints(n)[1] >= 0 && picked != NULL) {
        Tensor *padding = op_unsqueeze(op_scalar(OP_eq, index, (double)node_ints(n)[1]), -1);
        Tensor *zero = scope_keep(tensor_from_scalar(PARAM(0), (Dtype)g->dtype, g->device));
        picked = op_masked_fill(picked, padding, zero);
    }
    GRAD(0, picked);
}

/* ---------------------------------------------------------------- one-hot */
/* The number of classes; -1 with an error. */
static int64_t
count_classes(Tensor *t, int64_t num_classes)
{
    int64_t low, high;
    if (t->numel == 0 && num_classes <= 0)
        error(PyExc_RuntimeError, "Can not infer total number of classes from empty tensor.");
    else if (num_classes < -1)
        error(PyExc_RuntimeError, "num_classes should be positive");
    if (PyErr_Occurred() || index_range("one_hot", t, true, &low, &high) < 0)
        return -1;
    if (low < 0)
        error(PyExc_RuntimeError, "Class values must be non-negative.");
    else if (num_classes != -1 && high >= num_classes)
        error(PyExc_RuntimeError, "Class values must be smaller than num_classes.");
    return PyErr_Occurred() ? -1 : num_classes == -1 ? high + 1 : num_classes;
}

Tensor *
op_one_hot(Tensor *t, int64_t num_classes)
{
    if (t == NULL)
        return NULL;
    if (t->dtype != DTYPE_INT64)
        return error(PyExc_RuntimeError,
                     "one_hot is only applicable to index tensor of type LongTensor, but got %s: "
                     "convert it with .long()",
                     dtype_info[t->dtype].type_name);
    int64_t n = count_classes(t, num_classes), dims[NDIM_MAX];
    if (n < 0)
        return NULL;
    memcpy(dims, t->dims, t->ndim * sizeof dims[0]);
    dims[t->ndim] = n;
    Tensor *out = index_zeros(t->ndim + 1, dims, DTYPE_INT64, t->device);
    return out ? op_scatter_value(out, -1, op_unsqueeze(t, -1), (Scalar){PARAM(1), CATEGORY_INT}, true)
               : NULL;
}
