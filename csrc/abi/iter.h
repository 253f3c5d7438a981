/* The iterator every strided kernel is driven by: up to 8 operands over one broadcast index space, dims merged and
 * ordered so that dim 0 is innermost.  Filled by core/iter.c; read by CPU loops and CUDA launchers alike. */
#ifndef CTORCH_ABI_ITER_H
#define CTORCH_ABI_ITER_H

#include <stdint.h>

#include "abi/dtype.h"

enum { ITER_OPERANDS = 8, ITER_DIMS = 64 };

typedef struct Iter {
    int n_operands;
    int ndim;                                      /* >= 1 after iter_build, unless numel is 0 */
    int64_t numel;
    char *ptr[ITER_OPERANDS];
    int8_t dtype[ITER_OPERANDS];                   /* as stored; kernels convert to the compute dtype */
    uint8_t host;                                  /* bit k: operand k is one element, in the host's memory */
    int64_t dims[ITER_DIMS];                       /* dims[0] is innermost */
    int64_t strides[ITER_DIMS][ITER_OPERANDS];     /* bytes; 0 where an operand is broadcast */
} Iter;

/* A one-dimensional inner loop: operands' pointers, byte strides, element count, scalar parameters. */
typedef void (*Loop)(char *const *ptr, const int64_t *stride, int64_t n, const struct Param *param);

#endif
