/* Repeating and reordering elements: repeat, flip, roll, triangles, diagonals, windows; and the small composites that
 * rename or combine other ops. */
#include <string.h>

#include "ops/on_device.h"
#include "ops/rows.h"

static Tensor *
checked(Tensor *out)
{
    return PyErr_Occurred() ? NULL : out;
}

/* ---------------------------------------------------------------- repeat */
Tensor *
op_repeat(Tensor *t, int n, const int64_t *repeats)
{
    int64_t dims[NDIM_MAX] = {0}, spread[2 * NDIM_MAX], strides[2 * NDIM_MAX];
    if (t == NULL)
        return NULL;
    if (n < t->ndim)
        return error(PyExc_RuntimeError, "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
                                         "tensor: got %s for a tensor of shape %s", shape_text(n, repeats),
                     shape_text(t->ndim, t->dims));
    if (n > NDIM_MAX)
        return error(PyExc_RuntimeError, "repeat: a tensor has at most %d dimensions, not %d", NDIM_MAX, n);
    for (int i = 0; i < n; i++) {
        int own = i - (n - t->ndim);
        int64_t size = own >= 0 ? t->dims[own] : 1;
        if (repeats[i] < 0)
            return error(PyExc_RuntimeError, "Trying to create tensor with negative dimension %lld: %s", (long long)repeats[i],
                         shape_text(n, repeats));
        if (__builtin_mul_overflow(size, repeats[i], &dims[i]))
            return error(PyExc_RuntimeError, "Storage size calculation overflowed with repeats=%s", shape_text(n, repeats));
    }
    Tensor *out = scope_keep(tensor_empty(n, dims, (Dtype)t->dtype, t->device));
    if (out == NULL)
        return NULL;
    /* out seen as (repeat, size) pairs of dims, but for those of 1, t spread over the repeats by stride 0. */
    int ndim = 0;
    int64_t from_strides[2 * NDIM_MAX];
    for (int i = 0; i < n; i++) {
        int own = i - (n - t->ndim);
        int64_t size = own >= 0 ? t->dims[own] : 1;
        if (repeats[i] != 1) {
            spread[ndim] = repeats[i];
            strides[ndim] = out->strides[i] * size;
            from_strides[ndim++] = 0;
        }
        if (size != 1) {
            spread[ndim] = size;
            strides[ndim] = out->strides[i];
            from_strides[ndim++] = t->strides[own];
        }
    }
    if (ndim > NDIM_MAX)
        return error(PyExc_RuntimeError, "repeat: too many repeated dimensions (%d)", n);
    Tensor *to = scope_keep(tensor_strided(out->storage, out->data, ndim, spread, strides, (Dtype)t->dtype));
    Tensor *from = scope_keep(tensor_strided(t->storage, t->data, ndim, spread, from_strides, (Dtype)t->dtype));
    if (to == NULL || from == NULL || copy_data(to, from) < 0)
        return NULL;
    Node *node = RECORD(OP_repeat, out, t);
    if (node != NULL) {
        int64_t ints[2 * NDIM_MAX];
        memcpy(ints, repeats, (size_t)n * sizeof ints[0]);
        memcpy(ints + n, t->dims, t->ndim * sizeof ints[0]);
        node_save_ints(node, n + t->ndim, ints);
        node_save_params(node, PARAM(n), PARAM(0));
    }
    return checked(out);
}

BACKWARD(repeat)
{
    int count = (int)node_params(n)[0].i, own = n->n_ints - count, ndim = 0;
    int64_t dims[NDIM_MAX], sums[NDIM_MAX];       /* enough: as many as the forward pass had */
    int n_sums = 0;
    const int64_t *repeats = node_ints(n), *size = node_ints(n) + count;
    for (int i = 0; i < count; i++) {
        int64_t s = i - (count - own) >= 0 ? size[i - (count - own)] : 1;
        if (repeats[i] != 1) {
            sums[n_sums++] = ndim;
            dims[ndim++] = repeats[i];
        }
        if (s != 1)
            dims[ndim++] = s;
    }
    Tensor *pairs = op_reshape(g, ndim, dims);
    GRAD(0, op_reshape(n_sums > 0 ? op_sum_dims(pairs, n_sums, sums, false) : pairs, own, size));
}

Tensor *
op_tile(Tensor *t, int n, const int64_t *dims)
{
    int64_t full[NDIM_MAX];
    if (t == NULL)
        return NULL;
    if (n >= t->ndim)
        return op_repeat(t, n, dims);
    for (int i = 0; i < t->ndim; i++)
        full[i] = i < t->ndim - n ? 1 : dims[i - (t->ndim - n)];
    return op_repeat(t, t->ndim, full);
}

Tensor *
op_repeat_interleave(Tensor *t, int64_t repeats, const int64_t *dim)
{
    if (t == NULL)
        return NULL;
    if (repeats < 0)
        return error(PyExc_RuntimeError, "Repeats must be non-negative");
    if (dim == NULL)
        return op_repeat_interleave(op_flatten(t, 0, -1), repeats, (int64_t[]){0});
    int d = shape_wrap_dim(*dim, t->ndim);
    if (d < 0)
        return NULL;
    int64_t dims[NDIM_MAX + 1];
    memcpy(dims, t->dims, (size_t)(d + 1) * sizeof dims[0]);
    dims[d + 1] = repeats;
    memcpy(dims + d + 2, t->dims + d + 1, (size_t)(t->ndim - d - 1) * sizeof dims[0]);
    Tensor *spread = op_clone(op_expand(op_unsqueeze(t, d + 1), t->ndim + 1, dims));
    return op_flatten(op_contiguous(spread), d, d + 1);
}

Tensor *
op_repeat_interleave_each(Tensor *t, Tensor *repeats, const int64_t *dim)
{
    if (t == NULL || repeats == NULL)
        return NULL;
    if (repeats->ndim > 1 || dtype_info[repeats->dtype].category != CATEGORY_INT)
        return error(PyExc_RuntimeError, "repeat_interleave: repeats has to be an int tensor of 0 or 1 dimensions");
    if (dim == NULL)
        return op_repeat_interleave_each(op_flatten(t, 0, -1), repeats, (int64_t[]){0});
    int d = shape_wrap_dim(*dim, t->ndim);
    if (d < 0)
        return NULL;
    Tensor *counts = op_contiguous(op_expand(op_to_dtype(op_detach(repeats), DTYPE_INT64), 1, &t->dims[d]));
    if (counts == NULL || counts->device.type != DEVICE_CPU)
        return counts ? op_index_select(t, d, device_repeats(counts)) : NULL;
    int64_t total = 0;
    const int64_t *each = (const int64_t *)counts->data;
    for (int64_t i = 0; i < counts->numel; i++) {
        if (each[i] < 0)
            return error(PyExc_RuntimeError, "repeats can not be negative");
        if (__builtin_add_overflow(total, each[i], &total))
            return error(PyExc_RuntimeError, "Storage size calculation overflowed in repeat_interleave");
    }
    Tensor *index = scope_keep(tensor_empty(1, &total, DTYPE_INT64, CPU));
    if (index == NULL)
        return NULL;
    int64_t *at = (int64_t *)index->data;
    for (int64_t i = 0; i < counts->numel; i++)
        for (int64_t k = 0; k < each[i]; k++)
            *at++ = i;
    return op_index_select(t, d, index);
}

/* ---------------------------------------------------------------- flip, roll */
Tensor *
op_flip(Tensor *t, int n, const int64_t *dims)
{
    int64_t strides[NDIM_MAX];
    bool flipped[NDIM_MAX] = {false};
    if (t == NULL)
        return NULL;
    memcpy(strides, t->strides, t->ndim * sizeof strides[0]);
    char *data = t->data;
    for (int i = 0; i < n; i++) {
        int d = shape_wrap_dim(dims[i], t->ndim);
        if (d < 0)
            return NULL;
        if (flipped[d])
            return error(PyExc_RuntimeError, "dim %d appears multiple times in the list of dims", d);
        flipped[d] = true;
        if (t->ndim == 0 || t->dims[d] < 2)
            continue;
        data += (t->dims[d] - 1) * t->strides[d] * tensor_itemsize(t);
        strides[d] = -t->strides[d];
    }
    Tensor *out = scope_keep(tensor_empty_like(t));
    /* Reversed is read through negative strides, which no user ever sees. */
    Tensor *from = scope_keep(tensor_strided(t->storage, data, t->ndim, t->dims, strides, (Dtype)t->dtype));
    if (out == NULL || from == NULL || copy_data(out, from) < 0)
        return NULL;
    Node *node = RECORD(OP_flip, out, t);
    node_save_ints(node, n, dims);
    return checked(out);
}

BACKWARD(flip)
{
    GRAD(0, op_flip(g, n->n_ints, node_ints(n)));
}

Tensor *
op_fliplr(Tensor *t)
{
    if (t != NULL && t->ndim < 2)
        return error(PyExc_RuntimeError, "Input must be >= 2-d.");
    return op_flip(t, 1, (int64_t[]){1});
}

Tensor *
op_flipud(Tensor *t)
{
    if (t != NULL && t->ndim < 1)
        return error(PyExc_RuntimeError, "Input must be >= 1-d.");
    return op_flip(t, 1, (int64_t[]){0});
}

Tensor *
op_rot90(Tensor *t, int64_t k, int n, const int64_t *dims)
{
    if (t == NULL)
        return NULL;
    if (n != 2 || t->ndim < 2)
        return error(PyExc_RuntimeError, "expected total rotation dims == 2, but got dims = %d, and input of at least 2 dims", n);
    int a = shape_wrap_dim(dims[0], t->ndim), b = a < 0 ? -1 : shape_wrap_dim(dims[1], t->ndim);
    if (b < 0)
        return NULL;
    if (a == b)
        return error(PyExc_RuntimeError, "expected rotation dims to be different, but got dim0 = %d and dim1 = %d", a, b);
    int64_t first = a, second = b;
    switch ((k % 4 + 4) % 4) {
    case 1: return op_transpose(op_flip(t, 1, &second), a, b);
    case 2: return op_flip(t, 2, (int64_t[]){a, b});
    case 3: return op_transpose(op_flip(t, 1, &first), a, b);
    default: return op_clone(t);
    }
}

static Tensor *
roll_one(Tensor *t, int64_t shift, int d)
{
    if (t == NULL || t->ndim == 0 || t->dims[d] == 0)
        return op_clone(t);
    int64_t size = t->dims[d], cut = ((size - shift % size) % size + size) % size;
    if (cut == 0)
        return t;
    Tensor *parts[2] = {op_slice(t, d, cut, size, 1), op_slice(t, d, 0, cut, 1)};
    return parts[0] && parts[1] ? op_cat(2, parts, d) : NULL;
}

static Tensor *
roll_all(Tensor *t, int n, const int64_t *shifts, const int64_t *dims, int64_t sign)
{
    if (n == 1 && dims == NULL) {
        Tensor *flat = roll_one(op_flatten(t, 0, -1), sign * shifts[0], 0);
        return op_reshape(index_apart(t, flat), t->ndim, t->dims);
    }
    Tensor *out = t;
    for (int i = 0; i < n && out != NULL; i++) {
        int d = shape_wrap_dim(dims[i], t->ndim);
        out = d < 0 ? NULL : roll_one(out, sign * shifts[i], d);
    }
    return out == t ? op_clone(t) : out;
}

Tensor *
op_roll(Tensor *t, const Value *shifts, const Value *dims)
{
    if (t == NULL)
        return NULL;
    int n = (int)shifts->n, n_dims = (int)dims->n;
    if (n == 0)
        return error(PyExc_RuntimeError, "`shifts` required");
    if (n > NDIM_MAX)
        return error(PyExc_RuntimeError, "roll: at most %d shifts can be given, not %d", NDIM_MAX, n);
    if (n != n_dims && !(n_dims == 0 && n == 1))
        return error(PyExc_RuntimeError, "shifts and dimensions must align. shifts: %d, dims:%d", n, n_dims);
    if (n_dims > 0 && t->ndim == 0)
        return error(PyExc_IndexError, "Dimension specified as %lld but tensor has no dimensions", (long long)dims->ints[0]);
    bool recorded = grad_mode;
    grad_mode = false;
    Tensor *out = roll_all(t, n, shifts->ints, n_dims ? dims->ints : NULL, 1);
    grad_mode = recorded;
    Node *node = out ? RECORD(OP_roll, out, t) : NULL;
    if (node != NULL) {
        int64_t ints[2 * NDIM_MAX];
        int count = n < NDIM_MAX ? n : NDIM_MAX;
        memcpy(ints, shifts->ints, (size_t)count * sizeof ints[0]);
        memcpy(ints + count, dims->ints ? dims->ints : ints, (size_t)n_dims * sizeof ints[0]);
        node_save_ints(node, count + n_dims, ints);
        node_save_params(node, PARAM(count), PARAM(0));
    }
    return checked(out);
}

BACKWARD(roll)
{
    int count = (int)node_params(n)[0].i;
    GRAD(0, roll_all(g, count, node_ints(n), n->n_ints > count ? node_ints(n) + count : NULL, -1));
}

/* ---------------------------------------------------------------- triangles and diagonals */
/* On a device: zeros where a mask of row and column numbers says so. */
static int
clear_triangle(Tensor *out, int64_t diagonal, bool lower)
{
    Tensor *distance = device_distance(out->dims[out->ndim - 2], out->dims[out->ndim - 1], out->device);
    Operand in[3] = {{.tensor = out}, {.tensor = op_scalar(lower ? OP_gt : OP_lt, distance, (double)diagonal)},
                     {.scalar = {PARAM(0), CATEGORY_BOOL}}};
    return in[1].tensor && scope_keep(pointwise(OP_masked_fill, in, rows[OP_masked_fill].defaults, out)) ? 0 : -1;
}

/* Keeps column j of row i where (j - i > diagonal) != lower; writes zeros elsewhere. */
static Tensor *
triangle(Op op, Tensor *t, int64_t diagonal, bool lower)
{
    if (t == NULL)
        return NULL;
    if (t->ndim < 2)
        return error(PyExc_RuntimeError, "%s: input tensor must have at least 2 dimensions", lower ? "tril" : "triu");
    Tensor *out = scope_keep(tensor_empty(t->ndim, t->dims, (Dtype)t->dtype, t->device));
    if (out == NULL || copy_data(out, t) < 0)
        return NULL;
    int64_t height = t->dims[t->ndim - 2], width = t->dims[t->ndim - 1], size = tensor_itemsize(t);
    int64_t matrices = t->numel == 0 || out->device.type != DEVICE_CPU ? 0 : t->numel / (height * width);
    if (out->device.type == DEVICE_CUDA && clear_triangle(out, diagonal, lower) < 0)
        return NULL;
    for (int64_t m = 0; m < matrices; m++)
        for (int64_t i = 0; i < height; i++) {
            int64_t cut = i + (lower ? diagonal + 1 : diagonal);
            cut = cut < 0 ? 0 : cut > width ? width : cut;
            char *row = out->data + (m * height + i) * width * size;
            if (lower)
                memset(row + cut * size, 0, (size_t)((width - cut) * size));
            else
                memset(row, 0, (size_t)(cut * size));
        }
    Node *node = RECORD(op, out, t);
    node_save_ints(node, 1, &diagonal);
    return checked(out);
}

/* Beyond the matrix every diagonal is the same: clamped so that i + diagonal cannot overflow. */
static int64_t
clamp_diagonal(Tensor *t, int64_t diagonal)
{
    int64_t most = t && t->ndim >= 2 ? t->dims[t->ndim - 1] + t->dims[t->ndim - 2] : 0;
    return diagonal > most ? most : diagonal < -most ? -most : diagonal;
}

Tensor *
op_tril(Tensor *t, int64_t diagonal)
{
    return triangle(OP_tril, t, clamp_diagonal(t, diagonal), true);
}

Tensor *
op_triu(Tensor *t, int64_t diagonal)
{
    return triangle(OP_triu, t, clamp_diagonal(t, diagonal), false);
}

BACKWARD(tril)
{
    GRAD(0, op_tril(g, node_ints(n)[0]));
}

BACKWARD(triu)
{
    GRAD(0, op_triu(g, node_ints(n)[0]));
}

/* ints: offset and the two dims, then the dims of t. */
static void
record_diagonal(Op op, Tensor *out, Tensor *t, const int64_t *which)
{
    int64_t ints[NDIM_MAX + 3];
    Node *n = out ? RECORD(op, out, t) : NULL;
    if (n == NULL)
        return;
    memcpy(ints, which, 3 * sizeof ints[0]);
    memcpy(ints + 3, t->dims, t->ndim * sizeof ints[0]);
    node_save_ints(n, t->ndim + 3, ints);
}

Tensor *
op_diagonal(Tensor *t, int64_t offset, int64_t dim1, int64_t dim2)
{
    int64_t dims[NDIM_MAX], strides[NDIM_MAX];
    if (t == NULL)
        return NULL;
    int a = shape_wrap_dim(dim1, t->ndim), b = a < 0 ? -1 : shape_wrap_dim(dim2, t->ndim);
    if (b < 0)
        return NULL;
    if (a == b)
        return error(PyExc_RuntimeError, "diagonal dimensions cannot be identical %lld, %lld", (long long)dim1, (long long)dim2);
    int64_t height = t->dims[a], width = t->dims[b], length, start = 0;
    if (offset >= 0)
        length = width - (offset < width ? offset : width) < height ? width - (offset < width ? offset : width) : height;
    else {
        int64_t down = offset < -height ? height : -offset;
        length = height - down < width ? height - down : width;
    }
    if (length > 0)
        start = offset >= 0 ? offset * t->strides[b] : -offset * t->strides[a];
    int ndim = 0;
    for (int i = 0; i < t->ndim; i++)
        if (i != a && i != b) {
            dims[ndim] = t->dims[i];
            strides[ndim++] = t->strides[i];
        }
    dims[ndim] = length;
    strides[ndim++] = t->strides[a] + t->strides[b];
    Tensor *out = view_make(t, ndim, dims, strides, start);
    record_diagonal(OP_diagonal, out, t, (int64_t[]){offset, a, b});
    return checked(out);
}

Tensor *
op_diagonal_copy(Tensor *t, int64_t offset, int64_t dim1, int64_t dim2)
{
    bool recorded = grad_mode;
    grad_mode = false;
    Tensor *out = op_clone(op_diagonal(t, offset, dim1, dim2));
    grad_mode = recorded;
    if (out != NULL)
        record_diagonal(OP_diagonal_copy, out, t,
                        (int64_t[]){offset, shape_wrap_dim(dim1, t->ndim), shape_wrap_dim(dim2, t->ndim)});
    return checked(out);
}

BACKWARD(diagonal)
{
    const int64_t *dims = node_ints(n) + 3;
    int ndim = n->n_ints - 3;
    int64_t dense[NDIM_MAX], strides[NDIM_MAX], sizes[NDIM_MAX], start = 0;
    int a = (int)node_ints(n)[1], b = (int)node_ints(n)[2], k = 0;
    shape_contiguous_strides(ndim, dims, dense);
    for (int i = 0; i < ndim; i++)
        if (i != a && i != b) {
            sizes[k] = dims[i];
            strides[k++] = dense[i];
        }
    sizes[k] = g->dims[g->ndim - 1];
    strides[k++] = dense[a] + dense[b];
    if (sizes[k - 1] > 0)
        start = node_ints(n)[0] >= 0 ? node_ints(n)[0] * dense[b] : -node_ints(n)[0] * dense[a];
    GRAD(0, op_as_strided_backward(g, ndim, dims, dense, k, sizes, strides, start));
}

BACKWARD(diagonal_copy)
{
    backward_diagonal(n, grads, out);
}

Tensor *
op_diag_embed(Tensor *t, int64_t offset, int64_t dim1, int64_t dim2)
{
    if (t == NULL)
        return NULL;
    if (t->ndim == 0)
        return error(PyExc_RuntimeError, "diag_embed: input must have at least 1 dimension");
    int ndim = t->ndim + 1, a = shape_wrap_dim(dim1, ndim), b = a < 0 ? -1 : shape_wrap_dim(dim2, ndim);
    if (b < 0)
        return NULL;
    if (a == b)
        return error(PyExc_RuntimeError, "diagonal dimensions cannot be identical %lld, %lld", (long long)dim1, (long long)dim2);
    int64_t dims[NDIM_MAX + 1], size = t->dims[t->ndim - 1] + (offset < 0 ? -offset : offset);
    for (int i = 0, k = 0; i < ndim; i++)
        dims[i] = i == a || i == b ? size : t->dims[k++];
    Tensor *out = scope_keep(tensor_empty(ndim, dims, (Dtype)t->dtype, t->device));
    if (out == NULL || fill_data(out, (Scalar){PARAM(0), CATEGORY_INT}) < 0)
        return NULL;
    bool recorded = grad_mode;
    grad_mode = false;
    Tensor *line = op_diagonal(out, offset, a, b);
    int failed = line == NULL || copy_data(line, t) < 0;
    grad_mode = recorded;
    if (failed)
        return NULL;
    Node *node = RECORD(OP_diag_embed, out, t);
    node_save_ints(node, 3, (int64_t[]){offset, a, b});
    return checked(out);
}

BACKWARD(diag_embed)
{
    GRAD(0, op_diagonal(g, node_ints(n)[0], node_ints(n)[1], node_ints(n)[2]));
}

Tensor *
op_diag(Tensor *t, int64_t diagonal)
{
    if (t == NULL)
        return NULL;
    if (t->ndim != 1 && t->ndim != 2)
        return error(PyExc_RuntimeError, "diag(): Supports 1D or 2D tensors. Got %dD", t->ndim);
    return t->ndim == 1 ? op_diag_embed(t, diagonal, 0, 1) : op_diagonal_copy(t, diagonal, 0, 1);
}

/* ---------------------------------------------------------------- orders and shapes taken from others */
Tensor *
op_movedim(Tensor *t, const Value *source, const Value *destination)
{
    int64_t order[NDIM_MAX];
    bool taken[NDIM_MAX] = {false}, placed[NDIM_MAX] = {false};
    if (t == NULL)
        return NULL;
    if (source->n != destination->n)
        return error(PyExc_RuntimeError, "movedim: Invalid source or destination dims: source (%s dims) should contain the same "
                                         "number of dims as destination (%s dims)", shape_text((int)source->n, source->ints),
                     shape_text((int)destination->n, destination->ints));
    for (int64_t i = 0; i < source->n; i++) {
        int from = shape_wrap_dim(source->ints[i], t->ndim);
        if (from < 0)
            return NULL;
        int to = shape_wrap_dim(destination->ints[i], t->ndim);
        if (to < 0)
            return NULL;
        if (taken[from] || placed[to])
            return error(PyExc_RuntimeError, "movedim: repeated dim in `%s`", taken[from] ? "source" : "destination");
        taken[from] = placed[to] = true;
        order[to] = from;
    }
    for (int i = 0, next = 0; i < t->ndim; i++) {
        if (placed[i])
            continue;
        while (taken[next])
            next++;
        order[i] = next++;
    }
    return op_permute(t, t->ndim, order);
}

Tensor *
op_expand_as(Tensor *t, Tensor *other)
{
    return other ? op_expand(t, other->ndim, other->dims) : NULL;
}

Tensor *
op_view_as(Tensor *t, Tensor *other)
{
    return other ? op_view(t, other->ndim, other->dims) : NULL;
}

Tensor *
op_reshape_as(Tensor *t, Tensor *other)
{
    return other ? op_reshape(t, other->ndim, other->dims) : NULL;
}

/* ---------------------------------------------------------------- windows */
static Tensor *
windows(Tensor *t, int d, int64_t size, int64_t step)
{
    int64_t dims[NDIM_MAX + 1], strides[NDIM_MAX + 1];
    int ndim = t->ndim;
    memcpy(dims, t->dims, (size_t)ndim * sizeof dims[0]);
    memcpy(strides, t->strides, (size_t)ndim * sizeof dims[0]);
    dims[ndim] = size;
    strides[ndim] = ndim ? t->strides[d] : 1;
    if (ndim) {
        dims[d] = (t->dims[d] - size) / step + 1;
        strides[d] = dims[d] > 1 ? step * t->strides[d] : t->strides[d];
    }
    return view_make(t, ndim + 1, dims, strides, 0);
}

/* The gradient sees which windows an element is in by places; where elements share one, those of a dense tensor tell. */
Tensor *
op_unfold(Tensor *t, int64_t dim, int64_t size, int64_t step)
{
    if (t == NULL)
        return NULL;
    int d = shape_wrap_dim(dim, t->ndim);
    if (d < 0)
        return NULL;
    int64_t length = t->ndim ? t->dims[d] : 1;
    if (size < 0 || size > length)
        return error(PyExc_RuntimeError, "maximum size for tensor at dimension %d is %lld but size is %lld", d, (long long)length,
                     (long long)size);
    if (step <= 0)
        return error(PyExc_RuntimeError, "step is %lld but must be > 0", (long long)step);
    Tensor *out = windows(t, d, size, step);
    Node *n = out ? RECORD(OP_unfold, out, t) : NULL;
    if (n != NULL && !t->contiguous) {
        Tensor *dense = scope_keep(tensor_empty(t->ndim, t->dims, (Dtype)t->dtype, (Device){.type = DEVICE_META}));
        Tensor *seen = dense ? windows(dense, d, size, step) : NULL;
        node_save_geometry(seen ? n : NULL, dense, seen);
    } else {
        node_save_geometry(n, t, out);
    }
    return checked(out);
}

BACKWARD(unfold)
{
    backward_as_strided(n, grads, out);
}

/* ---------------------------------------------------------------- composites of pointwise rows */
Tensor *
op_div_rounded(const Value *a, const Value *b, const Value *mode)
{
    Op op = OP_div;
    if (mode->given && strcmp(mode->text, "trunc") == 0)
        op = OP_div_trunc;
    else if (mode->given && strcmp(mode->text, "floor") == 0)
        op = OP_div_floor;
    else if (mode->given)
        return error(PyExc_RuntimeError, "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '%s'",
                     mode->text);
    Operand in[2] = {{.tensor = a->is_scalar ? NULL : a->tensor, .scalar = a->scalar},
                     {.tensor = b->is_scalar ? NULL : b->tensor, .scalar = b->scalar}};
    return scope_keep(pointwise(op, in, rows[op].defaults, NULL));
}

Tensor *
op_gelu(Tensor *t, const char *approximate)
{
    if (strcmp(approximate, "none") == 0)
        return op_gelu_erf(t);
    if (strcmp(approximate, "tanh") == 0)
        return op_gelu_tanh(t);
    return error(PyExc_RuntimeError, "approximate argument must be either none or tanh.");
}

Tensor *
op_round_decimals(Tensor *t, int64_t decimals)
{
    if (t == NULL || !dtype_is_float((Dtype)t->dtype))
        return op_round(t);
    double factor = 1;
    for (int64_t i = 0; i < (decimals < 0 ? -decimals : decimals) && i < 400; i++)
        factor *= 10;
    Op there = decimals < 0 ? OP_div : OP_mul, back = decimals < 0 ? OP_mul : OP_div;
    return op_scalar(back, op_round(op_scalar(there, t, factor)), factor);
}

Tensor *
op_where_method(const Value *input, const Value *condition, const Value *other)
{
    Operand in[3] = {{.tensor = condition->tensor}, {.tensor = input->tensor},
                     {.tensor = other->is_scalar ? NULL : other->tensor, .scalar = other->scalar}};
    return scope_keep(pointwise(OP_where, in, rows[OP_where].defaults, NULL));
}
