/* Where the elements of a launch are: an iterator (abi/iter.h) as a kernel reads it, by value, with 32-bit indices and
 * divisions made of a multiplication.  core/iter.c has merged and ordered the dims; places.c cuts an iterator that does
 * not fit. */
#ifndef CTORCH_CUDA_PLACES_H
#define CTORCH_CUDA_PLACES_H

#include "abi/inline.h"
#include "abi/iter.h"

enum { PLACES_DIMS = 10, THREADS = 256 };

/* i / divisor = (high word of i * multiplier + i) >> shift, for i < 2^31. */
typedef struct Divider {
    uint32_t divisor, multiplier, shift;
} Divider;

typedef struct Places {
    uint32_t n;
    int32_t ndim;
    uint32_t host;                                     /* bit k: operand k is `number` alone */
    int32_t dense;                                     /* all others are adjacent and aligned to 16 bytes */
    char *ptr[ITER_OPERANDS];
    uint64_t number[ITER_OPERANDS];
    Divider dims[PLACES_DIMS];
    int64_t strides[PLACES_DIMS][ITER_OPERANDS];       /* in bytes */
} Places;

CT_FN uint32_t divide(uint32_t i, const Divider d)
{
    return ((uint32_t)((uint64_t)i * d.multiplier >> 32) + i) >> d.shift;
}

/* offset[k]: bytes from operand k's first element to element i, for k < operands. */
CT_FN void place(const Places *p, uint32_t i, int operands, int64_t *offset)
{
    for (int k = 0; k < operands; k++)
        offset[k] = 0;
CT_ROLLED
    for (int d = 0; d < p->ndim; d++) {
        const uint32_t rest = d + 1 < p->ndim ? divide(i, p->dims[d]) : 0, at = i - rest * p->dims[d].divisor;
        for (int k = 0; k < operands; k++)
            offset[k] += at * p->strides[d][k];
        i = rest;
    }
}

#ifndef __CUDACC__
#ifdef __cplusplus
extern "C" {
#endif
/* Calls `launch` once for every part of the iterator that fits a Places; itemsizes[k]: of operand k's elements.  0, or
 * launch's -1. */
int places_each(const Iter *iter, int (*launch)(const Places *places, void *context), void *context);
#ifdef __cplusplus
}
#endif
#endif

#endif
