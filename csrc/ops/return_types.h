/* Named tuples: what ops with several results return. */
#ifndef CTORCH_OPS_RETURN_TYPES_H
#define CTORCH_OPS_RETURN_TYPES_H

#include "ctorch.h"

typedef enum ReturnType {
    RETURN_MAX,
    RETURN_MIN,
    RETURN_MEDIAN,
    RETURN_NANMEDIAN,
    RETURN_MODE,
    RETURN_KTHVALUE,
    RETURN_CUMMAX,
    RETURN_CUMMIN,
    RETURN_SORT,
    RETURN_TOPK,
    RETURN_AMINMAX,
    RETURN_TYPES
} ReturnType;

/* torch.return_types.max(values=a, indices=b) of two scope-owned tensors; NULL if either is NULL. */
PyObject *return_pair(ReturnType type, Tensor *a, Tensor *b);
/* A plain tuple of the same. */
PyObject *return_tuple(Tensor *a, Tensor *b);
PyTypeObject *return_type(ReturnType type); /* borrowed; made on first use; NULL with an error */

#endif
