/* Scalars in memory: one element read or written as a Param. */
#ifndef CTORCH_CORE_DTYPE_H
#define CTORCH_CORE_DTYPE_H

#include "ctorch.h"

/* Saturating is not what PyTorch does on x86: NaN and everything outside int64 become INT64_MIN. */
int64_t dtype_int_of_double(double x);
/* The bounds of an integer dtype. */
int64_t dtype_int_min(Dtype dtype);
int64_t dtype_int_max(Dtype dtype);
/* Of a float dtype: largest value, 2^(1 - mantissa bits), smallest normal, 10^-(digits that survive). */
extern const struct FloatLimits {
    double max, eps, smallest_normal, resolution;
} float_limits[DTYPE_COUNT];

Param dtype_load(const char *at, Dtype dtype);
/* Writes the view that the dtype reads: f for floats, i for integers and bool. */
void dtype_store(char *at, Dtype dtype, Param value);

/* The type that half types are computed in; any other type itself. */
static inline Dtype
dtype_half_compute(Dtype dtype)
{
    return dtype == DTYPE_HALF || dtype == DTYPE_BF16 ? DTYPE_FLOAT : dtype;
}

#endif
