/* Shapes as arrays of int64: products, strides, broadcasting, dimension numbers, and their text in errors.
 * Every product of sizes in ctorch is made here, because here it is checked.  Tensors and memory are not
 * known here. */
#include "core/shape.h"

#include <stdio.h>

/* Says why a product of sizes failed; -1. */
static int64_t
refuse(int ndim, const int64_t *dims)
{
    for (int i = 0; i < ndim; i++)
        if (dims[i] < 0) {
            error(PyExc_RuntimeError, "Trying to create tensor with negative dimension %lld: %s",
                  (long long)dims[i], shape_text(ndim, dims));
            return -1;
        }
    error(PyExc_RuntimeError, "Storage size calculation overflowed with sizes=%s", shape_text(ndim, dims));
    return -1;
}

/* A tensor with a zero among its sizes has no elements, but its contiguous strides are products of the
 * others: they must fit as well, so zeros count as ones here. */
int64_t
shape_numel(int ndim, const int64_t *dims)
{
    int64_t product = 1;
    bool bad = false, empty = false;
    for (int i = 0; i < ndim; i++) {
        bad |= dims[i] < 0;
        empty |= dims[i] == 0;
        bad |= __builtin_mul_overflow(product, dims[i] > 1 ? dims[i] : 1, &product);
    }
    if (bad)
        return refuse(ndim, dims);
    return empty ? 0 : product;
}

int64_t
shape_layout(int ndim, const int64_t *dims, int64_t itemsize, int64_t *strides, int64_t *numel)
{
    int64_t product = 1, bytes;
    bool bad = false, empty = false;
    if (ndim > NDIM_MAX) {
        error(PyExc_RuntimeError, "tensor has too many dimensions: %d, at most %d are supported", ndim,
              NDIM_MAX);
        return -1;
    }
    for (int i = ndim - 1; i >= 0; i--) {
        strides[i] = product;
        bad |= dims[i] < 0;
        empty |= dims[i] == 0;
        bad |= __builtin_mul_overflow(product, dims[i] > 1 ? dims[i] : 1, &product);
    }
    bad |= __builtin_mul_overflow(product, itemsize, &bytes);
    if (bad)
        return refuse(ndim, dims);
    *numel = empty ? 0 : product;
    return empty ? 0 : bytes;
}

void
shape_contiguous_strides(int ndim, const int64_t *dims, int64_t *strides)
{
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        strides[i] = step;
        step *= dims[i] > 1 ? dims[i] : 1;
    }
}

void
shape_channels_last_strides(int ndim, const int64_t *dims, int64_t *strides)
{
    uint64_t step = 1;                           /* of no elements it may wrap */
    for (int i = ndim; i >= 1; i--) {            /* 1, then the last dim .. dim 2, then 0 */
        int d = i == ndim ? 1 : i > 1 ? i : 0;
        strides[d] = (int64_t)step;
        step *= (uint64_t)dims[d];
    }
}

bool
shape_is_contiguous(int ndim, const int64_t *dims, const int64_t *strides)
{
    int64_t step = 1;
    bool dense = true;
    for (int i = ndim - 1; i >= 0; i--) {
        if (dims[i] == 0)
            return true;
        if (dims[i] == 1)
            continue;
        dense &= strides[i] == step;
        step *= dims[i];
    }
    return dense;
}

/* Whether dim a should lie inside dim b: 1 yes, -1 no, 0 undecided.  A stride of 0 says nothing. */
static int
stride_order(const int64_t *dims, const int64_t *strides, int a, int b)
{
    if (strides[a] == 0 || strides[b] == 0)
        return 0;
    if (strides[a] != strides[b])
        return strides[a] < strides[b] ? 1 : -1;
    return dims[a] < dims[b] ? 1 : 0;
}

/* An insertion sort, because undecided pairs are skipped over: the order is not transitive. */
void
shape_stride_order(int ndim, const int64_t *dims, const int64_t *strides, int *order)
{
    for (int i = 0; i < ndim; i++)
        order[i] = ndim - 1 - i;
    for (int i = 1; i < ndim; i++) {
        int at = i;
        for (int j = i - 1; j >= 0; j--) {
            int decided = stride_order(dims, strides, order[at], order[j]);
            if (decided < 0)
                break;
            if (decided > 0) {
                int moved = order[at];
                order[at] = order[j];
                order[j] = moved;
                at = j;
            }
        }
    }
}

void
shape_dense_strides(int ndim, const int64_t *dims, const int64_t *like, int64_t *strides)
{
    int order[NDIM_MAX];
    int64_t step = 1;
    shape_stride_order(ndim, dims, like, order);
    for (int i = 0; i < ndim; i++) {
        strides[order[i]] = step;
        step *= dims[order[i]] > 1 ? dims[order[i]] : 1;
    }
}

bool
shape_is_dense(int ndim, const int64_t *dims, const int64_t *strides)
{
    int64_t dense[NDIM_MAX];
    shape_dense_strides(ndim, dims, strides, dense);
    for (int i = 0; i < ndim; i++)
        if (dims[i] > 1 && dense[i] != strides[i])
            return false;
    return true;
}

int
shape_broadcast(int *ndim, int64_t *dims, int other_ndim, const int64_t *other)
{
    int n = *ndim > other_ndim ? *ndim : other_ndim;
    int own_shift = n - *ndim, other_shift = n - other_ndim;
    for (int i = n - 1; i >= 0; i--) {
        int64_t a = i >= own_shift ? dims[i - own_shift] : 1;
        int64_t b = i >= other_shift ? other[i - other_shift] : 1;
        if (a != b && a != 1 && b != 1)
            return -1;
        dims[i] = a == 1 ? b : a;
    }
    *ndim = n;
    return 0;
}

int
shape_wrap_dim(int64_t dim, int ndim)
{
    int n = ndim > 0 ? ndim : 1;
    if (dim < -n || dim >= n) {
        error(PyExc_IndexError, "Dimension out of range (expected to be in range of [%d, %d], but got %lld)",
              -n, n - 1, (long long)dim);
        return -1;
    }
    return (int)(dim < 0 ? dim + n : dim);
}

const char *
shape_text(int ndim, const int64_t *dims)
{
    enum { TEXTS = 4, TEXT_LENGTH = NDIM_MAX * 22 + 3 };
    static char texts[TEXTS][TEXT_LENGTH];
    static int next;
    char *text = texts[next++ % TEXTS];
    int length = 1;
    text[0] = '[';
    for (int i = 0; i < ndim && i < NDIM_MAX; i++)
        length += snprintf(text + length, (size_t)(TEXT_LENGTH - length), i > 0 ? ", %lld" : "%lld",
                           (long long)dims[i]);
    text[length] = ']';
    text[length + 1] = '\0';
    return text;
}
