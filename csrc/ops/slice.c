/* Gradients of parts of a tensor (zeros with the part's gradient in its place), the sum into overlapping
 * places that as_strided needs, and the services that all index ops share: targets, ranges, the call of the
 * pick kernel. */
#include <string.h>

#include "core/iter.h"
#include "ops/ops.h"

/* ---------------------------------------------------------------- services */
Tensor *
index_zeros(int ndim, const int64_t *dims, Dtype dtype, Device device)
{
    Tensor *out = scope_keep(tensor_empty(ndim, dims, dtype, device));
    return out == NULL || fill_data(out, (Scalar){PARAM(0), CATEGORY_INT}) < 0 ? NULL : out;
}

Tensor *
index_target(Tensor *t, const char *op, bool inplace)
{
    if (inplace)
        return check_writable(t, op) < 0 ? NULL : t;
    Tensor *out = scope_keep(tensor_empty(t->ndim, t->dims, (Dtype)t->dtype, t->device));
    return out == NULL || copy_data(out, t) < 0 ? NULL : out;
}

Node *
index_record(Op op, Tensor *out, bool inplace, int n_inputs, Tensor *const *inputs)
{
    if (!inplace)
        return node_record(op, out, n_inputs, inputs);
    tensor_bump(out);
    return node_record_inplace(op, out, n_inputs, inputs);
}

Tensor *
index_as_int64(Tensor *index, const char *op)
{
    if (index == NULL)
        return NULL;
    if (index->dtype != DTYPE_INT64 && index->dtype != DTYPE_INT32)
        return error(PyExc_RuntimeError,
                     "%s(): Expected dtype int32/int64 for index, got %s; convert it with .long()", op,
                     dtype_info[index->dtype].name);
    return index->dtype == DTYPE_INT64 ? index : op_to_dtype(op_detach(index), DTYPE_INT64);
}

int
index_range(const char *op, Tensor *index, bool exact, int64_t *low, int64_t *high)
{
    const Backend *backend = backend_of(index);
    Iter iter;
    *low = 0;
    *high = -1;
    if (index->numel == 0 || tensor_is_meta(index))
        return 0;
    if (backend->index_range == NULL)
        return not_implemented_device(op, index);
    IterOperand operand = iter_operand(index);
    iter_build(&iter, 1, &operand, index->ndim, index->dims);
    iter.dtype[0] = index->dtype;
    return backend->index_range(&iter, exact, low, high);
}

/* Whether two different coordinates can reach one element of data by its own strides. */
static bool
may_overlap(int ndim, const int64_t *dims, const int64_t *strides)
{
    for (int i = 0; i < ndim; i++) {
        int64_t inner = 0;
        if (dims[i] < 2 || strides[i] == 0)
            continue;
        for (int j = 0; j < ndim; j++)
            if (j != i && strides[j] != 0 && (strides[j] < strides[i] || (strides[j] == strides[i] && j > i)))
                inner += (dims[j] - 1) * strides[j];
        if (inner >= strides[i])
            return true;
    }
    return false;
}

int
pick_run(const char *op, PickMode mode, const Pick *p)
{
    const Backend *backend = backend_of(p->data);
    PickArgs args = {.mode = mode, .dtype = p->data->dtype, .n_indices = p->n_indices,
                     .wraps = p->wraps, .outside = p->outside};
    int64_t itemsize = tensor_itemsize(p->data);
    if (backend->pick == NULL)
        return not_implemented_device(op, p->data);
    IterOperand operands[ITER_OPERANDS] = {
        {p->values, p->ndim, p->dims, p->value_strides, itemsize, false},
        {p->data->data, p->ndim, p->dims, p->data_strides, itemsize, false},
    };
    Iter iter;
    iter.dtype[0] = iter.dtype[1] = p->data->dtype;
    for (int k = 0; k < p->n_indices; k++) {
        iter.dtype[k + 2] = DTYPE_INT64;
        args.step[k] = p->steps[k] * itemsize;
        args.size[k] = p->sizes[k];
        operands[k + 2] =
            (IterOperand){p->indices[k]->data, p->ndim, p->dims, p->index_strides[k], sizeof(int64_t), false};
    }
    args.data_overlaps = mode != PICK_GET && may_overlap(p->ndim, p->dims, p->data_strides);
    iter_build(&iter, p->n_indices + 2, operands, p->ndim, p->dims);
    return iter.numel == 0 ? 0 : backend->pick(&args, &iter);
}

/* ---------------------------------------------------------------- select, slice */
/* ints: dims of the result, then dim, start, step. */
Tensor *
op_slice_backward(Tensor *g, int ndim, const int64_t *dims, int64_t dim, int64_t start, int64_t step)
{
    int64_t strides[NDIM_MAX], ints[NDIM_MAX + 3];
    if (g == NULL)
        return NULL;
    Tensor *out = index_zeros(ndim, dims, (Dtype)g->dtype, g->device);
    if (out == NULL)
        return NULL;
    memcpy(strides, out->strides, (size_t)ndim * sizeof strides[0]);
    if (g->numel > 0) {
        char *at = out->data + start * strides[dim] * tensor_itemsize(out);
        strides[dim] *= step;
        Tensor *part =
            scope_keep(tensor_strided(out->storage, at, ndim, g->dims, strides, (Dtype)out->dtype));
        if (part == NULL || copy_data(part, g) < 0)
            return NULL;
    }
    Node *n = RECORD(OP_slice_backward, out, g);
    if (n != NULL) {
        memcpy(ints, dims, (size_t)ndim * sizeof ints[0]);
        memcpy(ints + ndim, (int64_t[]){dim, start, step}, 3 * sizeof ints[0]);
        node_save_ints(n, ndim + 3, ints);
        node_save_params(n, PARAM(g->dims[dim]), PARAM(0));
    }
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(slice_backward)
{
    const int64_t *part = node_ints(n) + n->n_ints - 3;
    int64_t length = node_params(n)[0].i, end = length ? part[1] + (length - 1) * part[2] + 1 : part[1];
    GRAD(0, op_slice(g, part[0], part[1], end, part[2]));
}

/* ---------------------------------------------------------------- as_strided */
/* ints: dims, then strides of the picked view, then its offset. */
Tensor *
op_strided_add(Tensor *flat, Tensor *g, int ndim, const int64_t *dims, const int64_t *strides, int64_t offset)
{
    int64_t ints[2 * NDIM_MAX + 1];
    if (flat == NULL || g == NULL)
        return NULL;
    Tensor at = *flat;
    at.data = flat->data + offset * tensor_itemsize(flat);
    Pick pick = {.ndim = ndim, .dims = dims, .data = &at, .data_strides = strides, .values = g->data,
                 .value_strides = g->strides};
    if (pick_run("as_strided_backward", PICK_ADD, &pick) < 0)
        return NULL;
    Node *n = RECORD(OP_strided_add, flat, g);
    if (n != NULL) {
        memcpy(ints, dims, (size_t)ndim * sizeof ints[0]);
        memcpy(ints + ndim, strides, (size_t)ndim * sizeof ints[0]);
        ints[2 * ndim] = offset;
        node_save_ints(n, 2 * ndim + 1, ints);
    }
    return PyErr_Occurred() ? NULL : flat;
}

BACKWARD(strided_add)
{
    int ndim = n->n_ints / 2;
    GRAD(0, op_as_strided(op_contiguous(g), ndim, node_ints(n), node_ints(n) + ndim, node_ints(n)[2 * ndim]));
}

/* ---------------------------------------------------------------- alias */
Tensor *
op_alias(Tensor *t)
{
    if (t == NULL)
        return NULL;
    Tensor *out = view_make(t, t->ndim, t->dims, t->strides, 0);
    if (out != NULL)
        RECORD(OP_alias, out, t);
    return PyErr_Occurred() ? NULL : out;
}

BACKWARD(alias)
{
    GRAD(0, g);
}
