/* One element of any dtype, read and written by a switch that all threads take alike. */
#ifndef CTORCH_CUDA_ELEMENT_CUH
#define CTORCH_CUDA_ELEMENT_CUH

#include "abi/dtype.h"
#include "abi/formula.h"
#include "abi/half.h"

CT_FN bool dtype_is_real(int dtype)
{
    return dtype >= DTYPE_HALF;
}

CT_FN int64_t load_int(const char *at, int dtype)
{
    switch (dtype) {
    case DTYPE_BOOL: return *(const uint8_t *)at != 0;
    case DTYPE_UINT8: return *(const uint8_t *)at;
    case DTYPE_INT8: return *(const int8_t *)at;
    case DTYPE_INT16: return *(const int16_t *)at;
    case DTYPE_INT32: return *(const int32_t *)at;
    default: return *(const int64_t *)at;
    }
}

CT_FN double load_real(const char *at, int dtype)
{
    switch (dtype) {
    case DTYPE_HALF: return (double)f16_to_float(*(const uint16_t *)at);
    case DTYPE_BF16: return (double)bf16_to_float(*(const uint16_t *)at);
    case DTYPE_FLOAT: return (double)*(const float *)at;
    default: return *(const double *)at;
    }
}

/* Integers convert by C's rules (modulo), floats to integers through conversions with defined results. */
CT_FN void store_int(char *at, int dtype, int64_t x)
{
    switch (dtype) {
    case DTYPE_BOOL: *(bool *)at = x != 0; break;
    case DTYPE_UINT8: *(uint8_t *)at = (uint8_t)x; break;
    case DTYPE_INT8: *(int8_t *)at = (int8_t)x; break;
    case DTYPE_INT16: *(int16_t *)at = (int16_t)x; break;
    case DTYPE_INT32: *(int32_t *)at = (int32_t)x; break;
    case DTYPE_INT64: *(int64_t *)at = x; break;
    case DTYPE_HALF: *(uint16_t *)at = float_to_f16((float)x); break;
    case DTYPE_BF16: *(uint16_t *)at = float_to_bf16((float)x); break;
    case DTYPE_FLOAT: *(float *)at = (float)x; break;
    default: *(double *)at = (double)x; break;
    }
}

CT_FN void store_real(char *at, int dtype, double x)
{
    switch (dtype) {
    case DTYPE_BOOL: *(bool *)at = x != 0; break;
    case DTYPE_UINT8: *(uint8_t *)at = to_u8_d(x); break;
    case DTYPE_INT8: *(int8_t *)at = to_i8_d(x); break;
    case DTYPE_INT16: *(int16_t *)at = to_i16_d(x); break;
    case DTYPE_INT32: *(int32_t *)at = to_i32_d(x); break;
    case DTYPE_INT64: *(int64_t *)at = to_i64_d(x); break;
    case DTYPE_HALF: *(uint16_t *)at = float_to_f16((float)x); break;
    case DTYPE_BF16: *(uint16_t *)at = float_to_bf16((float)x); break;
    case DTYPE_FLOAT: *(float *)at = (float)x; break;
    default: *(double *)at = x; break;
    }
}

#endif
