/* Sorting rows: the arguments of a backend's `sort` slot. */
#ifndef CTORCH_ABI_SORT_H
#define CTORCH_ABI_SORT_H

#include "abi/dtype.h"

/* The first k of each of `rows` dense rows of n elements, sorted stably, or the one at places[row] (k is 1 then); NaN
 * counts as greatest, -0 equals 0. */
typedef struct Sort {
    Dtype dtype;
    bool descending;
    int64_t rows, n, k;
    const char *in;
    char *values;     /* (rows, k); NULL if not asked for */
    int64_t *indices; /* (rows, k) */
    const int64_t *places; /* NULL, or of each row; may be `indices`: a row's is read before its index is written */
} Sort;

#endif
