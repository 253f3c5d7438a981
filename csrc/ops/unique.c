/* unique and unique_consecutive: equal neighbours, of sorted elements or slices or of them as they stand,
 * form groups. */
#include "ops/on_device.h"

#include <string.h>

#include "core/dtype.h"
#include "ops/return_types.h"

/* n slices of `length` dense elements each. */
typedef struct Slices {
    Tensor *t;
    int64_t n, length;
} Slices;

/* -1, 0, 1; NaN is behind all numbers and equal to nothing, itself included (so it compares as less). */
static int
compare_elements(const char *a, const char *b, Dtype dtype)
{
    Param x = dtype_load(a, dtype), y = dtype_load(b, dtype);
    if (!dtype_is_float(dtype))
        return (x.i > y.i) - (x.i < y.i);
    if (x.f != x.f || y.f != y.f)
        return x.f == x.f || y.f != y.f ? -1 : 1;
    return (x.f > y.f) - (x.f < y.f);
}

static int
compare(const Slices *s, int64_t i, int64_t j)
{
    int64_t size = tensor_itemsize(s->t);
    const char *a = s->t->data + i * s->length * size, *b = s->t->data + j * s->length * size;
    int order = 0;
    for (int64_t k = 0; k < s->length && order == 0; k++)
        order = compare_elements(a + k * size, b + k * size, (Dtype)s->t->dtype);
    return order;
}

/* ---------------------------------------------------------------- orders */
static void
merge_slices(const Slices *s, int64_t *order, int64_t *spare, int64_t n)
{
    if (n < 2)
        return;
    int64_t half = n / 2, a = 0, b = half;
    merge_slices(s, order, spare, half);
    merge_slices(s, order + half, spare, n - half);
    memcpy(spare, order, (size_t)n * sizeof order[0]);
    for (int64_t to = 0; to < n; to++)
        order[to] = b >= n || (a < half && compare(s, spare[a], spare[b]) <= 0) ? spare[a++] : spare[b++];
}

/* values: of single elements themselves in that order, else NULL. */
static Tensor *
slice_order(const Slices *s, bool sort, Tensor **values)
{
    *values = s->length == 1 && !sort ? s->t : NULL;
    if (sort && s->length == 1)
        return sort_run(op_reshape(s->t, 1, &s->n), s->n, false, values);
    if (s->t->device.type != DEVICE_CPU)
        return sort ? device_slice_order(s->t) : device_counted(s->n, s->t->device);
    Tensor *order = scope_keep(tensor_empty(1, &s->n, DTYPE_INT64, s->t->device));
    Tensor *spare = sort ? scope_keep(tensor_empty(1, &s->n, DTYPE_INT64, s->t->device)) : order;
    if (order == NULL || spare == NULL)
        return NULL;
    int64_t *at = (int64_t *)(void *)order->data;
    for (int64_t i = 0; i < s->n; i++)
        at[i] = i;
    if (sort)
        merge_slices(s, at, (int64_t *)(void *)spare->data, s->n);
    return order;
}

/* ---------------------------------------------------------------- groups */
typedef struct Groups {
    Tensor *firsts, *inverse, *counts; /* which slice stands for each group; each slice's group, or NULL; sizes */
} Groups;

/* Of sorted elements themselves: whether each differs from the one before. */
#define MARK(type) \
    for (int64_t i = 1; i < n; i++) \
        is_new[i] = ((const type *)(const void *)x)[i - 1] != ((const type *)(const void *)x)[i]; \
    break

static void
mark_elements(bool *is_new, const char *x, int64_t n, Dtype dtype)
{
    switch (dtype) {
    case DTYPE_BOOL:
    case DTYPE_UINT8: MARK(uint8_t);
    case DTYPE_INT8: MARK(int8_t);
    case DTYPE_INT16: MARK(int16_t);
    case DTYPE_INT32: MARK(int32_t);
    case DTYPE_INT64: MARK(int64_t);
    case DTYPE_FLOAT: MARK(float);
    case DTYPE_DOUBLE: MARK(double);
    default:
        for (int64_t i = 1; i < n; i++)
            is_new[i] = compare_elements(x + 2 * (i - 1), x + 2 * i, dtype) != 0;
    }
}

/* Whether a slice in order is unlike the one before; values: the elements in order, NULL for slices. */
static Tensor *
mark_new(const Slices *s, Tensor *order, Tensor *values)
{
    Tensor *marks = scope_keep(tensor_empty(1, &s->n, DTYPE_BOOL, s->t->device));
    if (marks == NULL || s->n == 0)
        return marks;
    const int64_t *at = (const int64_t *)(const void *)order->data;
    bool *is_new = (bool *)marks->data;
    is_new[0] = true;
    if (values != NULL)
        mark_elements(is_new, values->data, s->n, (Dtype)s->t->dtype);
    else
        for (int64_t i = 1; i < s->n; i++)
            is_new[i] = compare(s, at[i - 1], at[i]) != 0;
    return marks;
}

static int
find_groups(Groups *groups, const Slices *s, Tensor *order, Tensor *ordered, bool want_inverse)
{
    if (s->t->device.type != DEVICE_CPU)
        return device_groups(s->t, order, &groups->firsts, &groups->inverse, &groups->counts);
    Tensor *marks = mark_new(s, order, ordered);
    if (marks == NULL)
        return -1;
    const int64_t *at = (const int64_t *)(const void *)order->data;
    const bool *is_new = (const bool *)marks->data;
    int64_t n = 0;
    for (int64_t i = 0; i < s->n; i++)
        n += is_new[i];
    groups->firsts = scope_keep(tensor_empty(1, &n, DTYPE_INT64, s->t->device));
    groups->counts = scope_keep(tensor_empty(1, &n, DTYPE_INT64, s->t->device));
    groups->inverse = want_inverse ? scope_keep(tensor_empty(1, &s->n, DTYPE_INT64, s->t->device)) : NULL;
    if (groups->firsts == NULL || groups->counts == NULL || (want_inverse && groups->inverse == NULL))
        return -1;
    int64_t *first = (int64_t *)(void *)groups->firsts->data,
            *count = (int64_t *)(void *)groups->counts->data;
    int64_t *inverse = want_inverse ? (int64_t *)(void *)groups->inverse->data : NULL, group = -1;
    for (int64_t i = 0; i < s->n; i++) {
        if (is_new[i]) {
            first[++group] = at[i];
            count[group] = 0;
        }
        count[group]++;
        if (want_inverse)
            inverse[at[i]] = group;
    }
    return 0;
}

/* The same of single elements of one byte in sorted order, by a table of their values. */
static int
find_groups_of_bytes(Groups *groups, const Slices *s, bool want_inverse)
{
    const uint8_t *x = (const uint8_t *)s->t->data;
    const uint8_t flip = s->t->dtype == DTYPE_INT8 ? 0x80 : 0;      /* so that -128 is the first value */
    const bool truth = s->t->dtype == DTYPE_BOOL;
    int64_t counts[4][256] = {{0}}, group_of[256], n = 0, found = 0, i = 0;
    if (truth) {
        Tensor *trues = op_count_nonzero(s->t, 0, NULL);
        if (trues == NULL)
            return -1;
        counts[0][1] = tensor_item(trues).i;
        counts[0][0] = s->n - counts[0][1];
        i = s->n;
    }
    for (; i + 4 <= s->n; i += 4)                /* neighbours apart: a counter's next increment waits for its last */
        for (int lane = 0; lane < 4; lane++)
            counts[lane][x[i + lane] ^ flip]++;
    for (; i < s->n; i++)
        counts[0][x[i] ^ flip]++;
    for (int value = 0; value < 256; value++) {
        counts[0][value] += counts[1][value] + counts[2][value] + counts[3][value];
        group_of[value] = n;
        n += counts[0][value] > 0;
    }
    groups->firsts = scope_keep(tensor_empty(1, &n, DTYPE_INT64, s->t->device));
    groups->counts = scope_keep(tensor_empty(1, &n, DTYPE_INT64, s->t->device));
    groups->inverse = want_inverse ? scope_keep(tensor_empty(1, &s->n, DTYPE_INT64, s->t->device)) : NULL;
    if (groups->firsts == NULL || groups->counts == NULL || (want_inverse && groups->inverse == NULL))
        return -1;
    int64_t *first = (int64_t *)(void *)groups->firsts->data, *count = (int64_t *)(void *)groups->counts->data;
    for (i = 0; found < n; i++) {
        int value = truth ? x[i] != 0 : x[i] ^ flip;
        if (counts[0][value] == 0)
            continue;
        first[group_of[value]] = i;
        count[group_of[value]] = counts[0][value];
        counts[0][value] = 0;
        found++;
    }
    for (i = 0; want_inverse && i < s->n; i++)
        ((int64_t *)(void *)groups->inverse->data)[i] = group_of[truth ? x[i] != 0 : x[i] ^ flip];
    return 0;
}

/* The results asked for: a Tensor, or a tuple. */
static PyObject *
results(Tensor *values, Tensor *inverse, Tensor *counts)
{
    Tensor *all[3] = {values, inverse, counts};
    int n = 0;
    if (values == NULL || PyErr_Occurred())
        return NULL;
    for (int k = 0; k < 3; k++)
        if (all[k] != NULL)
            all[n++] = all[k];
    if (n == 1)
        return (PyObject *)scope_take(values);
    PyObject *tuple = PyTuple_New(n);
    for (int k = 0; tuple && k < n; k++)
        PyTuple_SET_ITEM(tuple, k, (PyObject *)scope_take(all[k]));
    return tuple;
}

static PyObject *
unique(Tensor *t, bool sort, bool return_inverse, bool return_counts, const int64_t *dim)
{
    if (t == NULL)
        return NULL;
    if (tensor_is_meta(t))
        return (PyObject *)error(PyExc_NotImplementedError,
                                 "unique: the number of results depends on data, which 'meta' tensors do not have");
    Tensor *x = op_detach(t);
    int d = dim ? shape_wrap_dim(*dim, t->ndim) : 0;
    if (d < 0)
        return NULL;
    if (dim == NULL || t->ndim == 0)
        x = op_reshape(x, 1, (int64_t[]){-1});
    Tensor *rows = op_contiguous(op_transpose(x, 0, d));
    if (rows == NULL)
        return NULL;
    Slices s = {rows, rows->dims[0], rows->dims[0] ? rows->numel / rows->dims[0] : 0};
    Groups groups;
    if (sort && s.length == 1 && tensor_itemsize(rows) == 1 && rows->device.type == DEVICE_CPU) {
        if (find_groups_of_bytes(&groups, &s, return_inverse) < 0)
            return NULL;
    } else {
        Tensor *ordered, *order = slice_order(&s, sort, &ordered);
        if (order == NULL || find_groups(&groups, &s, order, ordered, return_inverse) < 0)
            return NULL;
    }
    Tensor *values = op_index_select(x, d, groups.firsts);
    if (return_inverse && dim == NULL)
        groups.inverse = op_reshape(groups.inverse, t->ndim, t->dims);
    if (values != NULL)
        RECORD(sort ? OP_unique : OP_unique_consecutive, values, t);
    return results(values, return_inverse ? groups.inverse : NULL, return_counts ? groups.counts : NULL);
}

PyObject *
op_unique(Tensor *t, bool return_inverse, bool return_counts, const int64_t *dim)
{
    return unique(t, true, return_inverse, return_counts, dim);
}

PyObject *
op_unique_consecutive(Tensor *t, bool return_inverse, bool return_counts, const int64_t *dim)
{
    return unique(t, false, return_inverse, return_counts, dim);
}

/* PyTorch has no derivative either: any element of a group may stand for it. */
static void
refuse(const char *name)
{
    error(PyExc_NotImplementedError, "the derivative for '%s' is not implemented; call it on x.detach()", name);
}

BACKWARD(unique)
{
    (void)n, (void)out;
    refuse("_unique2");
}

BACKWARD(unique_consecutive)
{
    (void)n, (void)out;
    refuse("unique_consecutive");
}
