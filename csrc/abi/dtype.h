/* Dtypes and scalars as numbers: the enum made from dtype.def, and the two-view Param that loops read.
 * Names, promotion and Python objects live in core/dtype.c. */
#ifndef CTORCH_ABI_DTYPE_H
#define CTORCH_ABI_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

enum { CATEGORY_BOOL, CATEGORY_INT, CATEGORY_FLOAT };

typedef enum Dtype {
    DTYPE_NONE = -1,
#define DTYPE(name, ...) DTYPE_##name,
#include "abi/dtype.def"
    DTYPE_COUNT
} Dtype;

enum { ITEMSIZE_MAX = 8 };

/* What a bool's byte says: those that are views of other bytes, or NumPy's, may be true in any way. */
#define TRUTH(byte) ((byte) != 0)

/* A scalar parameter of a kernel in both views: float loops read f, integer loops read i. */
typedef struct Param {
    double f;
    int64_t i;
} Param;

#endif
