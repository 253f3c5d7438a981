/* float16 and bfloat16 as bit patterns: conversions from and to float, rounding to nearest, ties to even.
 * A card has an instruction for float16. */
#ifndef CTORCH_ABI_HALF_H
#define CTORCH_ABI_HALF_H

#include <stdint.h>
#include <string.h>

#include "abi/inline.h"

CT_INLINE uint32_t
half_bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

CT_INLINE float
half_float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* bfloat16 is the upper half of a float. */
CT_INLINE float
bf16_to_float(uint16_t h)
{
    return half_float_of_bits((uint32_t)h << 16);
}

CT_INLINE uint16_t
float_to_bf16(float x)
{
    uint32_t bits = half_bits_of_float(x);
    if (x != x)
        return (uint16_t)(bits >> 16 | 0x40);              /* stays a quiet NaN */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* A subnormal h is h * 2^-24: adding the bits of 0.5 as a float's mantissa and taking off 0.5 normalises it. */
CT_INLINE float
f16_to_float(uint16_t h)
{
#ifdef __CUDA_ARCH__
    float converted;
    asm("cvt.f32.f16 %0, %1;" : "=f"(converted) : "h"(h));
    return converted;
#else
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;
    if (magnitude >= 0x7c00)
        return half_float_of_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    if (magnitude < 0x400) {
        float x = half_float_of_bits(0x3f000000 + magnitude) - 0.5f;      /* magnitude * 2^-24 exactly */
        return half_float_of_bits(sign | half_bits_of_float(x));
    }
    return half_float_of_bits(sign | ((magnitude << 13) + 0x38000000));
#endif
}

/* Below 2^-14 the sum with 0.5 rounds at 2^-24, float16's smallest step; above, 13 mantissa bits are rounded
 * off and a carry into the exponent is what rounding up to the next power of two means. */
CT_INLINE uint16_t
float_to_f16(float x)
{
#ifdef __CUDA_ARCH__
    uint16_t converted;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(converted) : "f"(x));
    return converted;
#else
    uint32_t bits = half_bits_of_float(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    uint32_t half;
    if (magnitude >= 0x47800000)
        half = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;
    else if (magnitude < 0x38800000)
        half = half_bits_of_float(half_float_of_bits(magnitude) + 0.5f) - 0x3f000000;
    else
        half = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    return (uint16_t)(sign | half);
#endif
}

#endif
