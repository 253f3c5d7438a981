/* Elementary functions of float.  Included by formula.h only.
 *
 * Polynomials: minimax fits of the error that the comment above each names, relative to the final result,
 * by Remez exchange in 40-digit arithmetic; then the coefficients were rounded to float one after another
 * from the lowest degree up, the remaining ones refitted after each rounding.  Horner's rule throughout:
 * the loops are throughput bound. Expressions are exact where a comment says so whether or not the
 * compiler contracts a * b + c. */
#ifndef CTORCH_ABI_FORMULA_FLOAT_H
#define CTORCH_ABI_FORMULA_FLOAT_H

/* ln 2 in two parts; the first has 15 significant bits, so that n * LN2_HI_F is exact for |n| <= 2^8. */
#define LN2_HI_F 0.693145752f
#define LN2_LO_F 1.42860677e-06f
#define LN2_F 0.693147182f
#define LOG2E_F 1.44269502f
#define PI_2_F 1.57079637f
#define PI_2_LO_F (-4.37113883e-08f)

/* Adding 1.5 * 2^23 rounds |x| < 2^22 to the nearest integer, which then stands in the sum's low bits; in double,
 * 1.5 * 2^52. */
#define ROUND_F 12582912.0f
#define ROUND_D 6755399441055744.0
#define ROUND_WORD_D 0x4338000000000000ull

CT_FN float copysign_f(float x, float y)
{
    return from_bits_f((bits_f(x) & 0x7fffffffu) | (bits_f(y) & 0x80000000u));
}

CT_FN float abs_f(float x)
{
    return from_bits_f(bits_f(x) & 0x7fffffffu);
}

CT_FN float sqrt_f(float x)
{
    return sqrtf(x);
}

CT_FN float floor_f(float x)
{
    return floorf(x);
}

CT_FN float ceil_f(float x)
{
    return ceilf(x);
}

CT_FN float round_f(float x)
{
    return rintf(x);
}

CT_FN float trunc_f(float x)
{
    return truncf(x);
}

/* fmod is exact by definition, which takes as many steps as the exponents differ: no loop-free form. */
CT_FN float fmod_f(float a, float b)
{
    return fmodf(a, b);
}

/* ---- exponentials */

/* e^r for |r| <= 0.34697, off by at most 2^-28.2 of it. */
CT_FN float exp_core_f(float r)
{
    float p = 0.00138402788f;
    p = p * r + 0.00836934708f;
    p = p * r + 0.0416680835f;
    p = p * r + 0.166665152f;
    p = p * r + 0.49999994f;
#ifdef CT_FMA
    p = p * r + 1;
    return p * r + 1;
#else
    return 1 + (r + r * r * p);
#endif
}

/* exp(x - low) = p * 2^k for -105 <= x <= 90; returns p in about [0.7, 1.42] and k + 127 in the low 9 bits
 * of *scale. */
CT_FN float exp_reduce_f(float x, float low, uint32_t *scale)
{
    const float t = x * LOG2E_F + (ROUND_F + 127);
    const float n = t - (ROUND_F + 127);
    *scale = bits_f(t);
    return exp_core_f(((x - n * LN2_HI_F) - n * LN2_LO_F) - low);
}

/* p * 2^k from k + 254, in two steps because 2^k alone may be no normal float; one rounding, at the end. */
CT_FN float exp_scale_f(float p, uint32_t scale)
{
    const uint32_t half = scale >> 1;
    return p * from_bits_f(half << 23) * from_bits_f((scale - half) << 23);
}

/* Comparisons are false for NaN, which so passes through. */
CT_FN float exp_clip_f(float x)
{
    const float low = x < -105 ? -105 : x;
    return low > 90 ? 90 : low;
}

CT_FN float exp_f(float x)
{
    uint32_t scale;
    const float p = exp_reduce_f(exp_clip_f(x), 0, &scale);
    return exp_scale_f(p, scale + 127);
}

/* exp(x) / 2, which is finite wherever sinh and cosh are. */
CT_FN float exp_half_f(float x)
{
    uint32_t scale;
    const float p = exp_reduce_f(exp_clip_f(x), 0, &scale);
    return exp_scale_f(p, scale + 126);
}

/* exp_f, bit for bit, for |x| < EXP_MID_F: the scale is a normal float. */
#define EXP_MID_F 87.0f
CT_FN float exp_mid_f(float x)
{
    uint32_t scale;
    const float p = exp_reduce_f(x, 0, &scale);
    return p * from_bits_f(scale << 23);
}

/* exp(x) + y for -88 <= x < 80 where the exponential may be off by 2^-28 x of itself: ln 2 in one part. */
CT_FN float exp_plus_f(float x, float y)
{
    const float t = x * LOG2E_F + (ROUND_F + 127);
    const float r = x - (t - (ROUND_F + 127)) * LN2_F;
    return exp_core_f(r) * from_bits_f(bits_f(t) << 23) + y;
}

/* exp(2x) + y in the same way, r being half of what is left: the coefficients hold the powers of 2. */
CT_FN float exp_twice_plus_f(float x, float y)
{
    const float t = x * (2 * LOG2E_F) + (ROUND_F + 127);
    const float r = x - (t - (ROUND_F + 127)) * (LN2_F / 2);
    float p = 0.00138402788f * 64;
    p = p * r + 0.00836934708f * 32;
    p = p * r + 0.0416680835f * 16;
    p = p * r + 0.166665152f * 8;
    p = p * r + 0.49999994f * 4;
    p = p * r + 2;
    return (p * r + 1) * from_bits_f(bits_f(t) << 23) + y;
}

/* 2^x = 2^k (1 + r q(r)), q off by at most 2^-27.5 of the result for |r| <= 0.5. */
CT_VECTOR_FN float exp2_f(float x)
{
    const float low = x < -151 ? -151 : x;
    const float c = low > 129 ? 129 : low;
    const float t = c + (ROUND_F + 254);
    const float r = c - (t - (ROUND_F + 254));
    float q = 0.000158237948f;
    q = q * r + 0.00134177483f;
    q = q * r + 0.00961706508f;
    q = q * r + 0.0555027276f;
    q = q * r + 0.240226552f;
    q = q * r + 0.693147242f;
    return exp_scale_f(1 + r * q, bits_f(t));
}

/* expm1(x) = 2^k (r + r^2 q(r)) + (2^k - 1), q off by at most 2^-31 of r + r^2 q; computed at half scale,
 * because 2^128 is no float.  Below -18 the result is -1. */
CT_FN float expm1_f(float x)
{
    const float low = x < -18 ? -18 : x;
    const float c = low > 89 ? 89 : low;
    const float t = c * LOG2E_F + (ROUND_F + 126);
    const float n = t - (ROUND_F + 126);
    const float r = (c - n * LN2_HI_F) - n * LN2_LO_F;
    const float half = from_bits_f(bits_f(t) << 23);
    float q = 0.000196630717f;
    q = q * r + 0.0013935056f;
    q = q * r + 0.0083336439f;
    q = q * r + 0.0416664667f;
    q = q * r + 0.166666657f;
    q = q * r + 0.5f;
    const float e = r + r * r * q;
    return copysign_f((half * e + (half - 0.5f)) * 2, x);
}

/* ---- logarithms */

/* x = m * 2^k with m in [sqrt(1/2), sqrt(2)), x > 0 and normal; returns k and stores m - 1, which is exact. */
CT_FN float log_reduce_mid_f(float x, float *f)
{
    const uint32_t u = bits_f(x) - 0x3f3504f3u;
    *f = from_bits_f((u & 0x007fffffu) + 0x3f3504f3u) - 1;
    return (float)((int32_t)u >> 23);
}

/* Subnormal x too. */
CT_FN float log_reduce_f(float x, float *f)
{
    const bool tiny = x < 0x1p-126f;
    return log_reduce_mid_f(tiny ? x * 0x1p23f : x, f) - (tiny ? 23.0f : 0.0f);
}

/* log(1 + f) - f = -f^2 / 2 + f^3 P(f), off by at most 2^-27.3 of log(1 + f) for sqrt(1/2) <= 1 + f <=
 * sqrt(2). */
CT_FN float log_tail_f(float f)
{
    float p = -0.0764241591f;
    p = p * f + 0.127685547f;
    p = p * f - 0.131605044f;
    p = p * f + 0.142007992f;
    p = p * f - 0.166232243f;
    p = p * f + 0.200012639f;
    p = p * f - 0.250008255f;
    p = p * f + 0.333333313f;
    return f * f * (f * p - 0.5f);
}

/* y where 0 < x < inf; else the logarithm's limits: -inf at 0, NaN below, inf and NaN at themselves. */
CT_FN float log_limits_f(float x, float y)
{
    const float finite = x < INFINITY ? y : x;
    const float positive = x < 0 ? NAN : finite;
    return x == 0 ? -INFINITY : positive;
}

/* log(2^k (1 + f)).  A fused product leaves nothing to the second part of ln 2, whose first is within 2^-28. */
CT_FN float log_sum_f(float k, float f)
{
#ifdef CT_FMA
    return k * LN2_F + (f + log_tail_f(f));
#else
    return k * LN2_HI_F + (f + (k * LN2_LO_F + log_tail_f(f)));
#endif
}

CT_FN float log_f(float x)
{
    float f;
    const float k = log_reduce_f(x, &f);
    return log_limits_f(x, log_sum_f(k, f));
}

/* log_f, bit for bit, for normal x. */
CT_FN float log_mid_f(float x)
{
    float f;
    const float k = log_reduce_mid_f(x, &f);
    return log_sum_f(k, f);
}

CT_FN float log2_sum_f(float k, float f)
{
    return k + mul_add_f(f, LOG2E_F, mul_add_f(f, 1.92596303e-08f, log_tail_f(f) * LOG2E_F));
}

/* log10(2) = 0.301025391 (15 bits: exact times k) + 4.605e-06, log10(e) = 0.434294492 - 1.010e-08. */
CT_FN float log10_sum_f(float k, float f)
{
    const float low = mul_add_f(f, -1.010305e-08f, log_tail_f(f) * 0.434294492f);
    const float sum = mul_add_f(f, 0.434294492f, mul_add_f(k, 4.60503907e-06f, low));
    return mul_add_f(k, 0.301025391f, sum);
}

/* log_f and log_mid_f to another base. */
#define LOG_BASE(name) \
    CT_VECTOR_FN float name##_f(float x) \
    { \
        float f; \
        const float k = log_reduce_f(x, &f); \
        return log_limits_f(x, name##_sum_f(k, f)); \
    } \
    CT_FN float name##_mid_f(float x) \
    { \
        float f; \
        const float k = log_reduce_mid_f(x, &f); \
        return name##_sum_f(k, f); \
    }
LOG_BASE(log2)
LOG_BASE(log10)
#undef LOG_BASE

/* f = (1 + x) / 2^k - 1 is formed from x itself, so that the digits lost in 1 + x count; from 2^24 on
 * there are none. */
CT_FN float log1p_f(float x)
{
    const float u = 1 + x;
    const uint32_t v = bits_f(u) - 0x3f3504f3u;
    const uint32_t exponent = (uint32_t)((int32_t)v >> 23);
    const float s = from_bits_f((127u - exponent) << 23);
    const float m = from_bits_f((v & 0x007fffffu) + 0x3f3504f3u);
    const float f = x < 0x1p24f ? s * x + (s - 1) : m - 1;
    return copysign_f(log_limits_f(u, log_sum_f((float)(int32_t)exponent, f)), x);
}

/* log(1 + x) for 0 <= x <= 1. */
CT_FN float log1p_unit_f(float x)
{
    const bool upper = x > 0.41421354f;
    const float f = upper ? x * 0.5f - 0.5f : x;
    const float y = f + log_tail_f(f);
    return upper ? LN2_HI_F + (y + LN2_LO_F) : y;
}

/* ---- hyperbolic functions */

/* Below 0.63: x + x^3 P(x^2), P off by at most 2^-27.6 of tanh; above: 1 - 2 / (exp(2x) + 1), which is 1
 * from 9.02. */
CT_FN float tanh_f(float x)
{
    const float a = abs_f(x), z = a * a;
    float p = -0.00566362496f;
    p = p * z + 0.0206032414f;
    p = p * z - 0.0537291318f;
    p = p * z + 0.133313209f;
    p = p * z - 0.333332777f;
    const float large = 1 - 2 / exp_twice_plus_f(9.5f < a ? 9.5f : a, 1);
    const float y = a < 0.63f ? a + a * z * p : large;
    return from_bits_f(bits_f(y) | (bits_f(x) & 0x80000000u));
}

/* Up to 1: x + x^3 P(x^2), P off by at most 2^-25.3 of sinh. */
CT_VECTOR_FN float sinh_f(float x)
{
    const float a = abs_f(x), z = a * a, e = exp_half_f(a);
    float p = 2.78221319e-06f;
    p = p * z + 0.000198428956f;
    p = p * z + 0.00833331048f;
    p = p * z + 0.166666672f;
    return copysign_f(a < 1 ? a + a * z * p : e - 0.25f / e, x);
}

CT_VECTOR_FN float cosh_f(float x)
{
    const float e = exp_half_f(abs_f(x));
    return e + 0.25f / e;
}

/* log1p(a + a^2 / (1 + sqrt(1 + a^2))); where a^2 is too large, log(2a). */
CT_VECTOR_FN float asinh_f(float x)
{
    const float a = abs_f(x), z = a * a;
    const bool large = a > 0x1p30f;
    const float s = large ? a : a + z / (1 + sqrtf(1 + z));
    return copysign_f(log1p_f(s) + (large ? 0.693147182f : 0), x);
}

CT_VECTOR_FN float acosh_f(float x)
{
    const float t = x - 1;
    const bool large = x > 0x1p30f;
    const float s = large ? x : t + sqrtf(2 * t + t * t);
    return x < 1 ? NAN : log1p_f(s) + (large ? 0.693147182f : 0);
}

CT_VECTOR_FN float atanh_f(float x)
{
    const float a = abs_f(x);
    return copysign_f(0.5f * log1p_f(2 * a / (1 - a)), x);
}

/* ---- error functions */

/* erf(x) = x + x P(x^2) for |x| <= 0.86, P off by at most 2^-27 of erf. */
CT_FN float erf_core_f(float x)
{
    const float z = x * x;
    float p = -0.000630348979f;
    p = p * z + 0.00505037932f;
    p = p * z - 0.0268032122f;
    p = p * z + 0.112827763f;
    p = p * z - 0.376125842f;
    p = p * z + 0.128379166f;
    return x + x * p;
}

/* From 0.86: 1 - exp(-P(x)) with P = -log(erfc), off by at most 2^-28.8 of erf; from 3.92 the result is 1. */
CT_FN float erf_f(float x)
{
    const float a = abs_f(x), c = a > 4 ? 4 : a;
    float p = -0.00020366993f;
    p = p * c + 0.00311779324f;
    p = p * c - 0.0225188397f;
    p = p * c + 0.104525544f;
    p = p * c + 0.636519313f;
    p = p * c + 1.12806082f;
    p = p * c + 0.000104561288f;
    return copysign_f(a < 0.86f ? erf_core_f(a) : 1 - exp_plus_f(-p, 0), x);
}

/* The normal distribution function: exp(P(|x|)) below 0 and its complement above, off by at most 2^-26.8.  From 9.973,
 * where P is -88.0, the exponential's scale, and so the exponential, is 0. */
CT_FN float ndtr_f(float x)
{
    const float c = abs_f(x), a = c > 9.973f ? 9.973f : c, w = a * a;
    float even = -1.94202403e-06f, odd = 2.70770124e-05f;
    even = even * w - 0.00012826531f;
    odd = odd * w - 9.62667982e-05f;
    even = even * w + 0.0048970948f;
    odd = odd * w - 0.0363879092f;
    even = even * w - 0.318298906f;
    odd = odd * w - 0.797885299f;
    even = even * w - 0.693147182f;
    const float p = even + a * odd;
    const float e = exp_plus_f(p, 0);
    return x < 0 ? e : 1 - e;
}

/* From 0.5: exp(-a^2) P(t) / (1 + 2a) with t = (a - 2) / (a + 2), P off by at most 2^-25.6.  a^2 enters
 * the exponential as h^2 + (a - h)(a + h), h = a cut to 12 bits so that h^2 is exact. */
CT_VECTOR_FN float erfc_f(float x)
{
    const float c = abs_f(x), a = c > 10.5f ? 10.5f : c;
    const float t = (a - 2) / (a + 2), h = from_bits_f(bits_f(a) & 0xfffff000u);
    uint32_t scale;
    const float e = exp_reduce_f(exp_clip_f(-h * h), (a - h) * (a + h), &scale);
    const float w = t * t;
    float even = -0.00136490283f, odd = 0.000940800703f;
    even = even * w + 0.00873229466f;
    odd = odd * w - 0.00794144254f;
    even = even * w - 0.0542276874f;
    odd = odd * w + 0.164041102f;
    even = even * w - 0.166029692f;
    odd = odd * w - 0.0927635133f;
    even = even * w + 1.27697837f;
    const float p = even + t * odd;
    const float large = exp_scale_f(e * (p / (1 + 2 * a)), scale + 127);
    const float far = x < 0 ? 2 - large : large;
    return c < 0.5f ? 1 - erf_core_f(x) : far;
}

/* ---- trigonometric functions */
#ifdef __cplusplus
/* The angle of 2^31 <= a < inf in its quadrant, exact up to the last product: a is m * 2^e with m of 24 bits, and of
 * 2/pi * 2^e those 96 bits are taken that are worth less than 4 and more than 2^-95. */
CT_FN double trig_reduce_far_f(float a, uint32_t *quadrant)
{
    static const uint32_t two_over_pi[] = {0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u,
                                           0xdb629599u, 0x3c439041u, 0xfe5163abu};
    const uint32_t m = (bits_f(a) & 0x7fffffu) | 0x800000u;
    const int first = (int)(bits_f(a) >> 23) - 152, shift = first & 31;
    const uint32_t *at = two_over_pi + (first >> 5);
    uint32_t part[3];
    for (int k = 0; k < 3; k++)
        part[k] = (at[k] << shift) | (uint32_t)((uint64_t)at[k + 1] >> (32 - shift));
    const uint64_t rest = (uint64_t)m * part[1] + ((uint64_t)m * part[2] >> 32);
    const uint64_t turns = ((uint64_t)m * part[0] << 32) + rest;     /* quarters of a circle: 2 bits, and 62 of a fraction */
    *quadrant = (uint32_t)((turns + (1ull << 61)) >> 62);
    return (double)(int64_t)(turns - ((uint64_t)*quadrant << 62)) * (1.5707963267948966 * 0x1p-62);
}
#endif


/* |x| = (4 i + quadrant) * pi/2 + r + low with |r| <= pi/4 and low the rounding error of r.  In double,
 * pi/2 in three parts, the first two of 22 bits: their products with n < 2^31 are exact.  From 2^31 on the
 * phase is given up (x - x is 0, and NaN for inf): core/cpu_trig.c computes such numbers in double, and a device,
 * for which C++ reads this file, by trig_reduce_far_f. */
CT_FN float trig_reduce_f(float x, float *low, uint32_t *quadrant)
{
    const float a = abs_f(x);
    const double c = (double)(a < 0x1p31f ? a : a - a);
    const double t = c * 0.6366197723675814 + ROUND_D;
    const double n = t - ROUND_D;
    double r = ((c - n * 1.5707964897155762) + n * 1.6292068494294654e-07) - n * 5.390302858158119e-15;
    *quadrant = (uint32_t)bits_d(t);
#ifdef __cplusplus
    if (a >= 0x1p31f && bits_f(a) < 0x7f800000u)
        r = trig_reduce_far_f(a, quadrant);
#endif
    *low = (float)(r - (double)(float)r);
    return (float)r;
}

/* The same for |x| < TRIG_MID_F, in float with fused multiply-adds: pi/2 in three parts, of which n times the first
 * leaves an exact difference.  b is n times the second, rounded; what was lost there and in r joins low.  Where
 * instructions lack the fused form, the one above serves. */
#define TRIG_MID_F 131072.0f
CT_FN float trig_reduce_mid_f(float x, float *low, uint32_t *quadrant)
{
#ifdef CT_FMA
    const float c = abs_f(x), t = c * 0.636619747f + ROUND_F, n = t - ROUND_F;
    const float a = fmaf(-n, PI_2_F, c), b = n * PI_2_LO_F, r = a - b;
    *low = ((a - r) - b) - (fmaf(n, PI_2_LO_F, -b) + n * -1.71512451e-15f);
    *quadrant = bits_f(t);
    return r;
#else
    return trig_reduce_f(x, low, quadrant);
#endif
}

/* sin(r + low) = r + r^3 P(r^2) + low for |r| <= pi/4, P off by at most 2^-27.9 of sin. */
CT_FN float sin_core_f(float r, float low)
{
    const float z = r * r;
    float p = -0.000195178945f;
    p = p * z + 0.00833218731f;
    p = p * z - 0.166666552f;
    return r + (r * z * p + low);
}

/* cos(r + low) = 1 - r^2 / 2 + r^4 P(r^2) - r low for |r| <= pi/4, P off by at most 2^-33 of cos. */
CT_FN float cos_core_f(float r, float low)
{
    const float z = r * r;
    float p = 2.44323273e-05f;
    p = p * z - 0.00138873095f;
    p = p * z + 0.0416666456f;
    return 1 + (z * (z * p - 0.5f) - r * low);
}

CT_FN float sin_of_f(float x, float r, float low, uint32_t q)
{
    const float y = q & 1 ? cos_core_f(r, low) : sin_core_f(r, low);
    return from_bits_f(bits_f(y) ^ (q << 30 & 0x80000000u) ^ (bits_f(x) & 0x80000000u));
}

CT_FN float cos_of_f(float r, float low, uint32_t q)
{
    const float y = q & 1 ? sin_core_f(r, low) : cos_core_f(r, low);
    return from_bits_f(bits_f(y) ^ ((q + 1) << 30 & 0x80000000u));
}

CT_VECTOR_FN float sin_f(float x)
{
    uint32_t q;
    float low;
    const float r = trig_reduce_f(x, &low, &q);
    return sin_of_f(x, r, low, q);
}

CT_VECTOR_FN float cos_f(float x)
{
    uint32_t q;
    float low;
    const float r = trig_reduce_f(x, &low, &q);
    return cos_of_f(r, low, q);
}

/* sin_f, cos_f and tan_f for |x| < TRIG_MID_F. */
CT_FN float sin_mid_f(float x)
{
    uint32_t q;
    float low;
    const float r = trig_reduce_mid_f(x, &low, &q);
    return sin_of_f(x, r, low, q);
}

CT_FN float cos_mid_f(float x)
{
    uint32_t q;
    float low;
    const float r = trig_reduce_mid_f(x, &low, &q);
    return cos_of_f(r, low, q);
}

CT_FN float tan_of_f(float x, float r, float low, uint32_t q)
{
    const float s = sin_core_f(r, low), c = cos_core_f(r, low);
    const float y = (q & 1 ? -c : s) / (q & 1 ? s : c);
    return from_bits_f(bits_f(y) ^ (bits_f(x) & 0x80000000u));
}

CT_VECTOR_FN float tan_f(float x)
{
    uint32_t q;
    float low;
    const float r = trig_reduce_f(x, &low, &q);
    return tan_of_f(x, r, low, q);
}

CT_FN float tan_mid_f(float x)
{
    uint32_t q;
    float low;
    const float r = trig_reduce_mid_f(x, &low, &q);
    return tan_of_f(x, r, low, q);
}

/* asin(s) = s + s^3 P(z) with z = s^2, for 0 <= s <= 0.572, P off by at most 2^-28.5 of asin. */
CT_FN float asin_core_f(float s, float z)
{
    float p = 0.0494492017f;
    p = p * z + 0.00502165966f;
    p = p * z + 0.0345676951f;
    p = p * z + 0.0441509858f;
    p = p * z + 0.0750261024f;
    p = p * z + 0.16666621f;
    return s + s * z * p;
}

/* Above 0.571, asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2)); there the second term is below 0.5, so its
 * error is small. */
CT_VECTOR_FN float asin_f(float x)
{
    const float a = abs_f(x), z = a > 0.571f ? (1 - a) * 0.5f : a * a;
    const float p = asin_core_f(a > 0.571f ? sqrtf(z) : a, z);
    return copysign_f(a > 0.571f ? PI_2_F - (2 * p - PI_2_LO_F) : p, x);
}

CT_VECTOR_FN float acos_f(float x)
{
    const float a = abs_f(x), z = a > 0.571f ? (1 - a) * 0.5f : a * a;
    const float p = asin_core_f(a > 0.571f ? sqrtf(z) : a, z);
    const float large = x < 0 ? 2 * PI_2_F - (2 * p - 2 * PI_2_LO_F) : 2 * p;
    return a > 0.571f ? large : PI_2_F - (copysign_f(p, x) - PI_2_LO_F);
}

/* t + t^3 P(t^2) for 0 <= t <= 1, P off by at most 2^-28.5 of atan. */
CT_FN float atan_core_f(float t)
{
    const float z = t * t;
    float p = -0.00178247574f;
    p = p * z + 0.0108676031f;
    p = p * z - 0.0310956966f;
    p = p * z + 0.0578806736f;
    p = p * z - 0.0839928836f;
    p = p * z + 0.10950879f;
    p = p * z - 0.142640159f;
    p = p * z + 0.199985296f;
    p = p * z - 0.333332986f;
    return t + t * z * p;
}

CT_VECTOR_FN float atan_f(float x)
{
    const float a = abs_f(x);
    const float p = atan_core_f(a > 1 ? 1 / a : a);
    return copysign_f(a > 1 ? PI_2_F - (p - PI_2_LO_F) : p, x);
}

/* The angle of (x, y) from the smaller coordinate over the larger; two zeros or two infinities by
 * convention. */
CT_VECTOR_FN float atan2_f(float y, float x)
{
    const float ax = abs_f(x), ay = abs_f(y);
    const float large = ay > ax ? ay : ax, small = ay > ax ? ax : ay;
    const float equal = large == 0 ? 0 : 1;
    const float p = atan_core_f(small == large ? equal : small / large);
    const float q = ay > ax ? PI_2_F - (p - PI_2_LO_F) : p;
    return copysign_f(signbit_f(x) ? 2 * PI_2_F - (q - 2 * PI_2_LO_F) : q, y);
}

/* ---- powers and lengths */

/* log2(x) in double for x >= 0, inf and NaN, within 2^-36 of it: with m in [sqrt(1/2), sqrt(2)) and s = (m
 * - 1) / (m + 1), log2(m) = s P(s^2). */
CT_FN double log2_wide_f(float x)
{
    float f;
    const double k = (double)log_reduce_f(x, &f);
    const double s = (double)f / (2 + (double)f), z = s * s;
    double p = 0.34075232553947338;
    p = p * z + 0.41167157548390171;
    p = p * z + 0.57708360297501715;
    p = p * z + 0.96179667325338569;
    p = p * z + 2.8853900817901508;
    const double y = x < INFINITY ? k + s * p : (double)x;
    return x == 0 ? (double)-INFINITY : y;
}

/* 2^x rounded to float, off by 2^-29 before the rounding; overflow and subnormals come from the
 * conversion. */
CT_FN float exp2_narrow_f(double x)
{
    const double low = x < -200 ? -200 : x;
    const double c = low > 200 ? 200 : low;
    const double t = c + (ROUND_D + 1023);
    const double r = c - (t - (ROUND_D + 1023));
    double p = 0.00015345816032616969;
    p = p * r + 0.0013399984190447106;
    p = p * r + 0.0096184893111000008;
    p = p * r + 0.055503286459487079;
    p = p * r + 0.2402264688402663;
    p = p * r + 0.69314720579725209;
    p = p * r + 1.0000000005556127;
    return (float)(p * from_bits_d(bits_d(t) << 52));
}

/* C's pow, special values included: 1 for a == 1 or b == 0 even with NaN, NaN for finite a < 0 with b no
 * integer.  What depends on b alone is kept in words and factors instead of truths: gcc does not vectorise a
 * loop in which b stands still and a truth of it is a condition. */
CT_FN float pow_f(float a, float b)
{
    const float base = abs_f(a), whole = truncf(b), half = b * 0.5f;
    const uint32_t kept = b == 0 ? 0 : 0xffffffffu, one = b == 0 ? 0x3f800000u : 0;
    const uint32_t odd = whole == b && truncf(half) != half ? 0x80000000u : 0;
    const float defined = whole == b ? 1 : NAN;
    const uint32_t y = bits_f(exp2_narrow_f((double)b * log2_wide_f(base)));
    const float power = from_bits_f((y & kept) | one), magnitude = base == 1 ? 1 : power;
    const float signed_power = from_bits_f(bits_f(magnitude) ^ odd);
    const float negative = signed_power * (a < 0 && base < INFINITY ? defined : 1);
    return signbit_f(a) ? negative : magnitude;
}

CT_FN float hypot_f(float a, float b)
{
    const double x = (double)a, y = (double)b;
    const float z = (float)sqrt(x * x + y * y);
    return abs_f(a) == INFINITY || abs_f(b) == INFINITY ? INFINITY : z;
}

CT_FN double log_mid_d(double x);

/* x P(w), w = -log(1 - x^2), and x Q(sqrt(w)) from w = 5, off by at most 2^-31 and 2^-29.3 of it; in double, for floats
 * would add three roundings. */
CT_VECTOR_FN float erfinv_f(float x)
{
    const double d = (double)x, a = fabs(d), w = -log_mid_d((1 - d) * (1 + d)), u = w - 2.5, v = sqrt(w) - 3;
    double p = 1.3285935192214039e-10, q = -2.9515547321644408e-05;
    p = p * u + 4.3703083316331611e-10;
    q = q * v + 0.00016055348035706876;
    p = p * u - 1.1023219649506658e-08;
    q = q * v - 0.0002774930823800164;
    p = p * u + 1.6457234878289887e-08;
    q = q * v - 0.00012004496701692449;
    p = p * u + 4.7969888254012391e-07;
    q = q * v + 0.0014751114756179917;
    p = p * u - 3.4260121866405422e-06;
    q = q * v - 0.0035670914004706225;
    p = p * u - 4.9987598295243669e-06;
    q = q * v + 0.0056876988281999892;
    p = p * u + 0.00021826355753805409;
    q = q * v - 0.0076427641937079063;
    p = p * u - 0.0012527048768187967;
    q = q * v + 0.0094453031583524236;
    p = p * u - 0.0041773246362398148;
    q = q * v + 1.0016752366586843;
    p = p * u + 0.24664027578562722;
    q = q * v + 2.8329768014564998;
    p = p * u + 1.5014093516925169;
    const double y = d * (w < 5 ? p : q);
    return (float)(a < 1 ? y : a == 1 ? copysign((double)INFINITY, d) : (double)NAN);
}

/* ---- gamma functions: not in any inner loop, computed in double */

CT_FN double lgamma_d(double x);
CT_FN double digamma_d(double x);

CT_FN float lgamma_f(float x)
{
    return (float)lgamma_d((double)x);
}

CT_FN float digamma_f(float x)
{
    return (float)digamma_d((double)x);
}

#endif
