/* Tensors made of the combinations of others' elements: meshgrid, cartesian_prod, combinations. */
#include <string.h>

#include "ops/ops.h"

static int
check_grid(int64_t n, Tensor *const *tensors, const char *indexing)
{
    if (n == 0)
        error(PyExc_RuntimeError, "meshgrid expects a non-empty TensorList");
    else if (n > NDIM_MAX)
        error(PyExc_RuntimeError, "meshgrid: at most %d tensors, got %lld", NDIM_MAX, (long long)n);
    else if (strcmp(indexing, "ij") != 0 && strcmp(indexing, "xy") != 0)
        error(PyExc_RuntimeError, "torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: %s", indexing);
    for (int64_t k = 0; k < n && !PyErr_Occurred(); k++) {
        if (tensors[k]->ndim > 1)
            error(PyExc_RuntimeError, "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got shape %s",
                  shape_text(tensors[k]->ndim, tensors[k]->dims));
        else if (tensors[k]->dtype != tensors[0]->dtype)
            error(PyExc_RuntimeError, "meshgrid expects all tensors to have the same dtype");
    }
    return PyErr_Occurred() ? -1 : check_same_device("meshgrid", (int)n, tensors);
}

PyObject *
op_meshgrid(int64_t n, Tensor *const *tensors, const char *indexing)
{
    int64_t dims[NDIM_MAX], own[NDIM_MAX];
    if (check_grid(n, tensors, indexing) < 0)
        return NULL;
    bool swap = n > 1 && strcmp(indexing, "xy") == 0;
    PyObject *grids = PyTuple_New((Py_ssize_t)n);
    for (int64_t k = 0; k < n; k++)
        dims[swap && k < 2 ? 1 - k : k] = tensors[k]->numel;
    for (int64_t k = 0; grids && k < n; k++) {
        for (int64_t i = 0; i < n; i++)
            own[i] = 1;
        own[swap && k < 2 ? 1 - k : k] = tensors[k]->numel;
        Tensor *grid = scope_take(op_expand(op_reshape(tensors[k], (int)n, own), (int)n, dims));
        if (grid == NULL)
            Py_CLEAR(grids);
        else
            PyTuple_SET_ITEM(grids, (Py_ssize_t)k, (PyObject *)grid);
    }
    return grids;
}

Tensor *
op_cartesian_prod(int64_t n, Tensor *const *tensors)
{
    for (int64_t k = 0; k < n; k++)
        if (tensors[k]->ndim != 1)
            return error(PyExc_RuntimeError, "Expect a 1D vector, but got shape %s", shape_text(tensors[k]->ndim, tensors[k]->dims));
    if (n == 1)
        return tensors[0];
    PyObject *grids = op_meshgrid(n, tensors, "ij");
    Tensor *flat[NDIM_MAX], *out = NULL;
    bool failed = grids == NULL;
    for (int64_t k = 0; k < n && !failed; k++) {
        flat[k] = op_flatten((Tensor *)PyTuple_GET_ITEM(grids, (Py_ssize_t)k), 0, -1);
        failed = flat[k] == NULL;
    }
    if (!failed)
        out = op_stack(n, flat, 1);
    Py_XDECREF(grids);
    return out;
}

/* How many ways to choose r of n; -1 if they do not fit in 62 bits. */
static int64_t
choose(int64_t n, int64_t r)
{
    int64_t count = 1;
    if (r > n)
        return 0;
    for (int64_t k = 1; k <= r; k++) {                   /* every intermediate is itself a binomial coefficient */
        if (__builtin_mul_overflow(count, n - r + k, &count))
            return -1;
        count /= k;
    }
    return count < INT64_MAX / 2 ? count : -1;
}

/* The next choice in lexicographic order; strict: no element twice. */
static void
advance(int64_t *choice, int64_t n, int64_t r, bool strict)
{
    int64_t k = r - 1;
    while (k > 0 && choice[k] == (strict ? n - r + k : n - 1))
        k--;
    choice[k]++;
    for (k++; k < r; k++)
        choice[k] = choice[k - 1] + strict;
}

Tensor *
op_combinations(Tensor *t, int64_t r, bool with_replacement)
{
    if (t == NULL)
        return NULL;
    if (t->ndim != 1)
        return error(PyExc_RuntimeError, "Expect a 1D vector, but got shape %s", shape_text(t->ndim, t->dims));
    if (r < 0)
        return error(PyExc_RuntimeError, "Expect a non-negative number, but got %lld", (long long)r);
    if (r == 0)
        return op_slice(t, 0, 0, 0, 1);
    int64_t n = t->numel, count = with_replacement && n == 0 ? 0 : choose(with_replacement ? n + r - 1 : n, r);
    if (count < 0)
        return error(PyExc_RuntimeError, "combinations: too many of %lld elements of %lld", (long long)r, (long long)n);
    Tensor *index = scope_keep(tensor_empty(2, (int64_t[]){count, r}, DTYPE_INT64, CPU));
    if (index == NULL)
        return NULL;
    int64_t *at = (int64_t *)index->data;
    for (int64_t k = 0; k < r && count > 0; k++)
        at[k] = with_replacement ? 0 : k;
    for (int64_t i = 1; i < count; i++) {
        memcpy(at + r, at, (size_t)r * sizeof at[0]);
        at += r;
        advance(at, n, r, !with_replacement);
    }
    return op_index(t, 1, (Tensor *[]){op_to(index, DTYPE_INT64, &t->device, false)});
}
