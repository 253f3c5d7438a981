/* Shape arithmetic beyond what ctorch.h shows. */
#ifndef CTORCH_CORE_SHAPE_H
#define CTORCH_CORE_SHAPE_H

#include "ctorch.h"

/* Bytes of a contiguous tensor, every product and stride checked; sets strides (room for NDIM_MAX) and
 * *numel; -1 with RuntimeError. */
int64_t shape_layout(int ndim, const int64_t *dims, int64_t itemsize, int64_t *strides, int64_t *numel);
/* Row-major without gaps; sizes 1 may have any stride; no elements: yes. */
bool shape_is_contiguous(int ndim, const int64_t *dims, const int64_t *strides);
/* Without gaps and overlaps in some order of the dims. */
bool shape_is_dense(int ndim, const int64_t *dims, const int64_t *strides);
/* order[0] is the innermost dim as the strides have it, order[ndim - 1] the outermost; ties: row-major. */
void shape_stride_order(int ndim, const int64_t *dims, const int64_t *strides, int *order);
/* Strides without gaps for dims, in the order that the strides `like` have. */
void shape_dense_strides(int ndim, const int64_t *dims, const int64_t *like, int64_t *strides);
/* Dense ones with dim 1 innermost, the others in their order. */
void shape_channels_last_strides(int ndim, const int64_t *dims, int64_t *strides);

#endif
