/* Conversions between float and the two 16-bit floating-point formats, element by element
 * (kernels/convert.c). Storage is plain uint16_t.  All instruction sets give the same bits: rounding is to
 * nearest, ties to even, also into subnormals; overflow gives infinity; a NaN keeps its sign and its top
 * payload bits and becomes quiet. */
#ifndef CTORCH_ABI_CONVERT_H
#define CTORCH_ABI_CONVERT_H

#include <stdint.h>
#include "isa.h"

void ISA_NAME(half_to_float)(const uint16_t *from, float *to, int64_t n);
void ISA_NAME(float_to_half)(const float *from, uint16_t *to, int64_t n);
void ISA_NAME(bfloat16_to_float)(const uint16_t *from, float *to, int64_t n);
void ISA_NAME(float_to_bfloat16)(const float *from, uint16_t *to, int64_t n);

/* sums[j] = the sum of element j of n rows, in float: n is small.  Rows lie at a stride in bytes. */
void ISA_NAME(half_add_rows)(float *sums, const char *x, int64_t n, int64_t stride, int64_t m);
void ISA_NAME(bfloat16_add_rows)(float *sums, const char *x, int64_t n, int64_t stride, int64_t m);

/* n elements that do not overlap, from one stride to another; both in bytes. */
void ISA_NAME(copy_strided)(char *to, int64_t to_stride, const char *from, int64_t from_stride, int64_t n,
                            int64_t itemsize);
/* a[0] b[0] a[1] b[1] ... */
void ISA_NAME(interleave)(char *to, const char *a, const char *b, int64_t n, int64_t itemsize);

#endif
