/* Iterators cut into launches; see places.h. */
#include "cuda/places.h"

#include <string.h>

#include "cuda/runtime.h"

static Divider
divider(uint32_t d)
{
    uint32_t shift = 0;
    while (((uint64_t)1 << shift) < d)
        shift++;
    return (Divider){d, (uint32_t)(((((uint64_t)1 << shift) - d) << 32) / d + 1), shift};
}

static bool
is_dense(const Places *p, const Iter *iter)
{
    if (iter->ndim != 1)
        return false;
    for (int k = 0; k < iter->n_operands; k++)
        if (!(iter->host >> k & 1)
            && (iter->strides[0][k] != itemsizes[iter->dtype[k]] || (uintptr_t)p->ptr[k] % 16 != 0))
            return false;
    return true;
}

static Places
places_of(const Iter *iter)
{
    Places p = {.n = (uint32_t)iter->numel, .ndim = iter->ndim, .host = iter->host};
    for (int k = 0; k < iter->n_operands; k++)
        if (iter->host >> k & 1)
            memcpy(&p.number[k], iter->ptr[k], (size_t)itemsizes[iter->dtype[k]]);
        else
            p.ptr[k] = iter->ptr[k];
    for (int d = 0; d < iter->ndim; d++) {
        p.dims[d] = divider((uint32_t)iter->dims[d]);
        for (int k = 0; k < iter->n_operands; k++)
            p.strides[d][k] = iter->host >> k & 1 ? 0 : iter->strides[d][k];
    }
    p.dense = is_dense(&p, iter);
    return p;
}

static void
move(Iter *iter, int dim, int64_t steps)
{
    for (int k = 0; k < iter->n_operands; k++)
        if (!(iter->host >> k & 1))
            iter->ptr[k] += steps * iter->strides[dim][k];
}

int
places_each(const Iter *iter, int (*launch)(const Places *places, void *context), void *context)
{
    const int64_t most = INT32_MAX;
    int last = iter->ndim - 1;
    if (iter->numel == 0)
        return 0;
    if (iter->numel <= most && iter->ndim <= PLACES_DIMS) {
        Places p = places_of(iter);
        return launch(&p, context);
    }
    /* Along the outermost dim: one index at a time if there are too many dims, else as many as fit. */
    Iter part = *iter;
    int64_t each = iter->numel / iter->dims[last], step = 1;
    if (iter->ndim <= PLACES_DIMS && each <= most)
        step = most / each / 16 * 16 > 0 ? most / each / 16 * 16 : 1;
    for (int64_t i = 0; i < iter->dims[last]; i += step) {
        int64_t n = iter->dims[last] - i < step ? iter->dims[last] - i : step;
        memcpy(part.ptr, iter->ptr, sizeof part.ptr);
        move(&part, last, i);
        part.dims[last] = n;
        part.ndim = n == 1 && last > 0 ? last : iter->ndim;
        part.numel = each * n;
        if (places_each(&part, launch, context) < 0)
            return -1;
    }
    return 0;
}
