/* Bounds of the integer types, by the suffixes of formula.h.  Parameters of integer loops are brought within them: a
 * missing bound is the largest int64, and must stay a bound in a smaller type. */
#ifndef CTORCH_ABI_BOUNDS_H
#define CTORCH_ABI_BOUNDS_H

#include <stdint.h>

#include "abi/inline.h"

#define LOW_b 0
#define HIGH_b 1
#define LOW_u8 0
#define HIGH_u8 UINT8_MAX
#define LOW_i8 INT8_MIN
#define HIGH_i8 INT8_MAX
#define LOW_i16 INT16_MIN
#define HIGH_i16 INT16_MAX
#define LOW_i32 INT32_MIN
#define HIGH_i32 INT32_MAX
#define LOW_i64 INT64_MIN
#define HIGH_i64 INT64_MAX

CT_FN int64_t saturate(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

#endif
