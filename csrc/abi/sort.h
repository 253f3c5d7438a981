/* Sorting rows and searching in sorted ones: the arguments of a backend's `sort` and `search` slots. */
#ifndef CTORCH_ABI_SORT_H
#define CTORCH_ABI_SORT_H

#include "abi/dtype.h"
#include "abi/isa.h"

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

/* For each of `count` values the first place among n sorted boundaries of which the boundary is not less than it
 * (right: is greater); a NaN belongs behind all numbers.  The boundaries are one row, or one for every `length` values. */
typedef struct Search {
    Dtype dtype;      /* float, double or int64 */
    bool right, by_rows;
    int64_t n, length, count;
    const char *sorted, *values;
    int64_t *places;
} Search;

/* Of n dense elements: float and the half types have keys of 32 bits, the others of 64; each is xored with flip. */
void ISA_NAME(sort_keys)(uint64_t *keys, const char *row, Dtype dtype, int64_t n, uint64_t flip);

/* The key at `place` of the sorted keys; *before: how many are less.  For short rows: every key meets every other. */
uint64_t ISA_NAME(key_at_place)(const uint64_t *keys, int64_t n, int64_t place, int64_t *before);

#endif
