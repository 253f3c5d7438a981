/* Elementary functions of double.  Own forms of exponentials, logarithms, hyperbolic functions and angles, which
 * vectorise and are right to 3 ULP, and of the error function, sine, cosine and tangent; the C library's for the others,
 * one element at a time; and what it lacks.  Included by formula.h only. */
#ifndef CTORCH_ABI_FORMULA_DOUBLE_H
#define CTORCH_ABI_FORMULA_DOUBLE_H

/* ---- exponentials and logarithms, as in formula_float.h with longer series */

#define LN2_HI_D 0.6931471805592082      /* 40 bits: n times it is exact */
#define LN2_LO_D 7.371002565167799e-13
#define LOG2E_D 1.4426950408889634

/* exp(r) - 1 for |r| <= 0.34658 by Taylor's series: what is cut off is below 2^-57. */
CT_FN double exp_core_d(double r)
{
    double q = 1.6059043836821613e-10;
    q = q * r + 2.08767569878681e-09;
    q = q * r + 2.505210838544172e-08;
    q = q * r + 2.755731922398589e-07;
    q = q * r + 2.7557319223985893e-06;
    q = q * r + 2.48015873015873e-05;
    q = q * r + 0.0001984126984126984;
    q = q * r + 0.001388888888888889;
    q = q * r + 0.008333333333333333;
    q = q * r + 0.041666666666666664;
    q = q * r + 0.16666666666666666;
    q = q * r + 0.5;
    return r + r * r * q;
}

/* x = k ln 2 + r; returns r, and k + offset in the low bits of *scale. */
CT_FN double exp_reduce_d(double x, double offset, uint64_t *scale)
{
    const double t = x * LOG2E_D + (ROUND_D + offset), n = t - (ROUND_D + offset);
    *scale = bits_d(t);
    return (x - n * LN2_HI_D) - n * LN2_LO_D;
}

/* e^r: with fused multiply-adds a minimax fit as in formula_float.h, off by at most 2^-55.9 of it; even and odd powers
 * apart, as in log_tail_d. */
CT_FN double exp_fit_d(double r)
{
#ifdef CT_FMA
    const double z = r * r;
    double even = 2.7627893891658123e-07, odd = 2.4212129748570817e-08;
    even = even * z + 2.4801499683324108e-05;
    odd = odd * z + 2.755988542174992e-06;
    even = even * z + 0.0013888888937608718;
    odd = odd * z + 0.00019841267217892631;
    even = even * z + 0.041666666666548752;
    odd = odd * z + 0.0083333333343675025;
    even = even * z + 0.500000000000001;
    odd = odd * z + 0.16666666666665475;
    const double p = (odd * r + even) * r + 1;
    return p * r + 1;
#else
    return 1 + exp_core_d(r);
#endif
}

/* p * 2^(scale - 1023) in two steps: the result may be subnormal, or the scale beyond a double. */
CT_FN double scaled_d(double p, uint64_t scale)
{
    const uint64_t half = (scale + 1023) >> 1;
    return p * from_bits_d(half << 52) * from_bits_d((scale + 1023 - half) << 52);
}

/* exp(x) * 2^(bias - 1023); from `highest` up it is infinite. */
CT_FN double exp_biased_d(double x, double highest, double bias)
{
    const double low = x < -746 ? -746 : x;
    uint64_t scale;
    const double p = exp_fit_d(exp_reduce_d(low > highest ? highest : low, bias, &scale));
    return scaled_d(p, scale);
}

CT_VECTOR_FN double exp_d(double x)
{
    return exp_biased_d(x, 710, 1023);
}

/* exp_d, bit for bit, for |x| < EXP_MID_D: the scale is a normal double. */
#define EXP_MID_D 708.0
CT_FN double exp_mid_d(double x)
{
    uint64_t scale;
    const double p = exp_fit_d(exp_reduce_d(x, 1023, &scale));
    return p * from_bits_d(scale << 52);
}

/* exp(x) / 2, which is finite wherever sinh and cosh are. */
CT_FN double exp_half_d(double x)
{
    return exp_biased_d(x, 711, 1022);
}

/* 2^x = 2^k e^(r ln 2) with |r| <= 1/2: what the product loses is a quarter of the result's last place at most. */
CT_VECTOR_FN double exp2_d(double x)
{
    const double low = x < -1076 ? -1076 : x, c = low > 1025 ? 1025 : low;
    const double t = c + (ROUND_D + 1023), r = c - (t - (ROUND_D + 1023));
    return scaled_d(exp_fit_d(r * 0.6931471805599453), bits_d(t));
}

/* At half scale, because 2^1024 is no double; below -38 the result is -1. */
CT_FN double expm1_core_d(double x)
{
    const double low = x < -38 ? -38 : x;
    uint64_t scale;
    const double e = exp_core_d(exp_reduce_d(low > 710 ? 710 : low, 1022, &scale));
    const double half = from_bits_d(scale << 52);
    return copysign((half * e + (half - 0.5)) * 2, x);
}

CT_VECTOR_FN double expm1_d(double x)
{
    return expm1_core_d(x);
}

/* tanh(a) = e / (e + 2) with e = expm1(2a); from 19.1 it is 1. */
CT_VECTOR_FN double tanh_d(double x)
{
    const double a = fabs(x), e = expm1_core_d(2 * (a > 20 ? 20 : a));
    return copysign(e / (e + 2), x);
}

/* log(1 + f) - f for sqrt(1/2) <= 1 + f <= sqrt(2), off by at most 2^-59 of log(1 + f).  A quotient, from which the
 * series would be half as long, takes longer than its other half.  Even and odd powers apart: of one chain of twenty
 * products too few elements' fit among the instructions that a processor chooses from. */
CT_FN double log_tail_d(double f)
{
    const double z = f * f;
    double even = 0.057091879074397056, odd = -0.024381248577868251;
    even = even * z + 0.054122098719710764;
    odd = odd * z - 0.062760791743843497;
    even = even * z + 0.058181937536586369;
    odd = odd * z - 0.053256285847210531;
    even = even * z + 0.066751322993371096;
    odd = odd * z - 0.062700045526544318;
    even = even * z + 0.076917140134462367;
    odd = odd * z - 0.071419830829248548;
    even = even * z + 0.090909335725200449;
    odd = odd * z - 0.083333465531656131;
    even = even * z + 0.11111110513405942;
    odd = odd * z - 0.10000000361366242;
    even = even * z + 0.14285714293891755;
    odd = odd * z - 0.12499999982372621;
    even = even * z + 0.19999999999945692;
    odd = odd * z - 0.16666666666911562;
    even = even * z + 0.33333333333333454;
    odd = odd * z - 0.24999999999998929;
    return z * (f * (odd * f + even) - 0.5);
}

/* The words below sqrt(1/2)'s have the exponent of a smaller power of two. */
#define SQRT_HALF_BITS_D 0x3fe6a09e667f3bcdull

CT_FN double log_sum_d(double k, double f)
{
    return k * LN2_HI_D + (f + mul_add_d(k, LN2_LO_D, log_tail_d(f)));
}

/* The exponent in the words v of x / sqrt(1/2), as a double without a conversion, which AVX2 lacks. */
CT_FN double log_exponent_d(uint64_t v)
{
    return from_bits_d(((v >> 52) ^ 0x800) + 0x4330000000000000ull) - (0x1p52 + 0x800);
}

CT_FN double log_limits_d(double x, double y)
{
    const double finite = x < (double)INFINITY ? y : x;
    const double positive = x < 0 ? (double)NAN : finite;
    return x == 0 ? -(double)INFINITY : positive;
}

/* x = m * 2^k with m in [sqrt(1/2), sqrt(2)), x > 0 and normal; returns k and stores m - 1, which is exact. */
CT_FN double log_reduce_mid_d(double x, double *f)
{
    const uint64_t v = bits_d(x) - SQRT_HALF_BITS_D;
    *f = from_bits_d((v & 0x000fffffffffffffull) + SQRT_HALF_BITS_D) - 1;
    return log_exponent_d(v);
}

/* Subnormal x too. */
CT_FN double log_reduce_d(double x, double *f)
{
    const bool tiny = x < 0x1p-1022;
    return log_reduce_mid_d(tiny ? x * 0x1p54 : x, f) - (tiny ? 54.0 : 0.0);
}

CT_VECTOR_FN double log_d(double x)
{
    double f;
    const double k = log_reduce_d(x, &f);
    return log_limits_d(x, log_sum_d(k, f));
}

/* log_d, bit for bit, for normal x. */
CT_FN double log_mid_d(double x)
{
    double f;
    const double k = log_reduce_mid_d(x, &f);
    return log_sum_d(k, f);
}

#define LOG2E_LO_D 2.0355273740931033e-17
CT_FN double log2_sum_d(double k, double f)
{
    return k + mul_add_d(f, LOG2E_D, mul_add_d(f, LOG2E_LO_D, log_tail_d(f) * LOG2E_D));
}

/* log10(2) = 0.30102999566395283 (42 bits: exact times k) + 2.836e-14, log10(e) = 0.4342944819032518 + 1.098e-17. */
CT_FN double log10_sum_d(double k, double f)
{
    const double low = mul_add_d(f, 1.098319650216765e-17, log_tail_d(f) * 0.4342944819032518);
    const double sum = mul_add_d(f, 0.4342944819032518, mul_add_d(k, 2.8363394551044964e-14, low));
    return mul_add_d(k, 0.30102999566395283, sum);
}

/* log_d and log_mid_d to another base. */
#define LOG_BASE(name) \
    CT_VECTOR_FN double name##_d(double x) \
    { \
        double f; \
        const double k = log_reduce_d(x, &f); \
        return log_limits_d(x, name##_sum_d(k, f)); \
    } \
    CT_FN double name##_mid_d(double x) \
    { \
        double f; \
        const double k = log_reduce_mid_d(x, &f); \
        return name##_sum_d(k, f); \
    }
LOG_BASE(log2)
LOG_BASE(log10)
#undef LOG_BASE

/* f = (1 + x) / 2^k - 1 is formed from x itself; from 2^53 on there is nothing to lose. */
CT_FN double log1p_core_d(double x)
{
    const double u = 1 + x;
    const uint64_t v = bits_d(u) - SQRT_HALF_BITS_D;
    const double s = from_bits_d((1023 - (v >> 52)) << 52);
    const double m = from_bits_d((v & 0x000fffffffffffffull) + SQRT_HALF_BITS_D);
    const double f = x < 0x1p53 ? s * x + (s - 1) : m - 1;
    return copysign(log_limits_d(u, log_sum_d(log_exponent_d(v), f)), x);
}

CT_VECTOR_FN double log1p_d(double x)
{
    return log1p_core_d(x);
}

CT_FN double log1p_unit_d(double x)
{
    return log1p_d(x);
}

/* ---- hyperbolic functions, as in formula_float.h */

/* Up to 1: x + x^3 P(x^2), P off by at most 2^-61 of sinh. */
CT_VECTOR_FN double sinh_d(double x)
{
    const double a = fabs(x), z = a * a, e = exp_half_d(a);
    double p = 7.776585122873625e-13;
    p = p * z + 1.6056659525169061e-10;
    p = p * z + 2.5052130995924908e-08;
    p = p * z + 2.7557319106764605e-06;
    p = p * z + 0.00019841269841593405;
    p = p * z + 0.008333333333332912;
    p = p * z + 0.16666666666666669;
    return copysign(a < 1 ? a + a * z * p : e - 0.25 / e, x);
}

CT_VECTOR_FN double cosh_d(double x)
{
    const double e = exp_half_d(fabs(x));
    return e + 0.25 / e;
}

CT_VECTOR_FN double atanh_d(double x)
{
    const double a = fabs(x);
    return copysign(0.5 * log1p_core_d(2 * a / (1 - a)), x);
}

/* ---- the error function */

/* Taylor's series from the nearest multiple r of 1/64, whose erf and slope s are in a table: with d = |x| - r,
 * erf(r + d) = erf(r) + s sum over n of (-1)^n H_n(r) d^(n+1) / (n+1)!, H_n Hermite's polynomials; what is cut off is
 * below 2^-61.  From 6 the result is 1.  The table is defined elsewhere (erf_table.c) and no result is selected: if gcc
 * knows a loaded value, or may do without one, it puts a branch around the loads, and the loop stays scalar. */
#ifdef __CUDACC__
CT_FN double erf_d(double x)
{
    return erf(x);
}
#else
#ifdef __cplusplus
extern "C" const double erf_table[512][2];
#else
extern const double erf_table[512][2];
#endif

CT_FN double erf_d(double x)
{
    const double a = fabs(x), c = 6 < a ? 6 : a, t = c + 0x1p46, r = t - 0x1p46, d = c - r, z = r * r;
    const uint64_t k = bits_d(t) & 511;
    double p = ((z - 7.5) * z + 11.25) * z * (4.0 / 315) - 7.5 / 315;
    p = p * d + r * ((2.0 / 9 - z * (2.0 / 45)) * z - 1.0 / 6);
    p = p * d + ((z - 3) * z * (2.0 / 15) + 0.1);
    p = p * d + r * (0.5 - z * (1.0 / 3));
    p = p * d + (z * (2.0 / 3) - 1.0 / 3);
    p = p * d - r;
    const double y = erf_table[k][0] + erf_table[k][1] * (d + d * d * p);
    return from_bits_d(bits_d(y) | (bits_d(x) & 0x8000000000000000ull));
}
#endif

/* ---- sines */
#ifdef CT_FMA
/* |x| = (4 i + quadrant) * pi/2 + r + low for |x| < TRIG_MID_D, as trig_reduce_mid_f. */
#define TRIG_MID_D 16384.0
CT_FN double trig_reduce_mid_d(double x, double *low, uint64_t *quadrant)
{
    const double c = fabs(x), t = c * 0.6366197723675814 + ROUND_D, n = t - ROUND_D;
    const double a = fma(-n, 1.5707963267948966, c), b = n * 6.123233995736766e-17, r = a - b;
    *low = ((a - r) - b) - (fma(n, 6.123233995736766e-17, -b) + n * -1.497384905065873e-33);
    *quadrant = bits_d(t);
    return r;
}

/* sin(r + low) = r + r^3 P(r^2) + low for |r| <= pi/4, P off by at most 2^-57.9 of sin. */
CT_FN double sin_core_d(double r, double low)
{
    const double z = r * r;
    double p = 1.5896197791929938e-10;
    p = p * z - 2.5050747219900896e-08;
    p = p * z + 2.755731361801995e-06;
    p = p * z - 0.0001984126982958014;
    p = p * z + 0.008333333333322108;
    p = p * z - 0.1666666666666663;
    return r + (r * z * p + low);
}

/* cos(r + low) = 1 - r^2 / 2 + r^4 P(r^2) - r low for |r| <= pi/4, P off by at most 2^-62 of cos. */
CT_FN double cos_core_d(double r, double low)
{
    const double z = r * r;
    double p = -1.1367984439121662e-11;
    p = p * z + 2.087589779065429e-09;
    p = p * z - 2.7557315739015326e-07;
    p = p * z + 2.4801587294629465e-05;
    p = p * z - 0.0013888888888882842;
    p = p * z + 0.04166666666666665;
    return 1 + (z * (z * p - 0.5) - r * low);
}

/* sin and cos for |x| < TRIG_MID_D. */
CT_FN double sin_mid_d(double x)
{
    uint64_t q;
    double low;
    const double r = trig_reduce_mid_d(x, &low, &q);
    const double y = q & 1 ? cos_core_d(r, low) : sin_core_d(r, low);
    return from_bits_d(bits_d(y) ^ (q << 62 & 0x8000000000000000ull) ^ (bits_d(x) & 0x8000000000000000ull));
}

CT_FN double cos_mid_d(double x)
{
    uint64_t q;
    double low;
    const double r = trig_reduce_mid_d(x, &low, &q);
    const double y = q & 1 ? sin_core_d(r, low) : cos_core_d(r, low);
    return from_bits_d(bits_d(y) ^ ((q + 1) << 62 & 0x8000000000000000ull));
}

CT_FN double tan_mid_d(double x)
{
    uint64_t q;
    double low;
    const double r = trig_reduce_mid_d(x, &low, &q);
    const double s = sin_core_d(r, low), c = cos_core_d(r, low);
    const double y = (q & 1 ? -c : s) / (q & 1 ? s : c);
    return from_bits_d(bits_d(y) ^ (bits_d(x) & 0x8000000000000000ull));
}
#endif

/* ---- angles, as in formula_float.h */

#define PI_2_D 1.5707963267948966
#define PI_2_LO_D 6.123233995736766e-17

/* asin(s) = s + s^3 P(z) with z = s^2, for 0 <= s <= 0.5714, P off by at most 2^-60 of asin. */
CT_FN double asin_core_d(double s, double z)
{
    double p = 0.0701776542642706;
    p = p * z - 0.10613395423151437;
    p = p * z + 0.09975926549939403;
    p = p * z - 0.042915255514200515;
    p = p * z + 0.02489524816548386;
    p = p * z + 0.003960575587132648;
    p = p * z + 0.010565882890643087;
    p = p * z + 0.011446166138459361;
    p = p * z + 0.013974795269704231;
    p = p * z + 0.017352106177381917;
    p = p * z + 0.02237218853103508;
    p = p * z + 0.03038194360820906;
    p = p * z + 0.04464285715639123;
    p = p * z + 0.07499999999989941;
    p = p * z + 0.16666666666666685;
    return s + s * z * p;
}

CT_VECTOR_FN double asin_d(double x)
{
    const double a = fabs(x), z = a > 0.571 ? (1 - a) * 0.5 : a * a;
    const double p = asin_core_d(a > 0.571 ? sqrt(z) : a, z);
    return copysign(a > 0.571 ? PI_2_D - (2 * p - PI_2_LO_D) : p, x);
}

CT_VECTOR_FN double acos_d(double x)
{
    const double a = fabs(x), z = a > 0.571 ? (1 - a) * 0.5 : a * a;
    const double p = asin_core_d(a > 0.571 ? sqrt(z) : a, z);
    const double large = x < 0 ? 2 * PI_2_D - (2 * p - 2 * PI_2_LO_D) : 2 * p;
    return a > 0.571 ? large : PI_2_D - (copysign(p, x) - PI_2_LO_D);
}

/* t + t^3 P(t^2) for 0 <= t <= 1, P off by at most 2^-56.6 of atan. */
CT_FN double atan_core_d(double t)
{
    const double z = t * t;
    double p = 1.3628960697458408e-05;
    p = p * z - 0.00015627997172181074;
    p = p * z + 0.0008507820919944124;
    p = p * z - 0.002941430323586587;
    p = p * z + 0.007309373471598722;
    p = p * z - 0.014064937046511086;
    p = p * z + 0.022165416409320324;
    p = p * z - 0.03005651241365765;
    p = p * z + 0.03674237556504521;
    p = p * z - 0.04224351186953992;
    p = p * z + 0.04724404394348113;
    p = p * z - 0.05254170459442929;
    p = p * z + 0.058806848742872654;
    p = p * z - 0.06666432692199074;
    p = p * z + 0.07692283694025046;
    p = p * z - 0.09090907372729569;
    p = p * z + 0.11111111030994436;
    p = p * z - 0.1428571428354152;
    p = p * z + 0.19999999999972398;
    p = p * z - 0.3333333333333324;
    return t + t * z * p;
}

CT_VECTOR_FN double atan_d(double x)
{
    const double a = fabs(x), p = atan_core_d(a > 1 ? 1 / a : a);
    return copysign(a > 1 ? PI_2_D - (p - PI_2_LO_D) : p, x);
}

CT_VECTOR_FN double atan2_d(double y, double x)
{
    const double ax = fabs(x), ay = fabs(y);
    const double large = ay > ax ? ay : ax, small = ay > ax ? ax : ay;
    const double equal = large == 0 ? 0 : 1;
    const double p = atan_core_d(small == large ? equal : small / large);
    const double q = ay > ax ? PI_2_D - (p - PI_2_LO_D) : p;
    return copysign(signbit_d(x) ? 2 * PI_2_D - (q - 2 * PI_2_LO_D) : q, y);
}

/* The longer side is scaled to where squares neither overflow nor lose digits. */
CT_VECTOR_FN double hypot_d(double a, double b)
{
    const double x = fabs(a), y = fabs(b), large = x > y ? x : y;
    const double down = large > 0x1p500 ? 0x1p-600 : 1, scale = large < 0x1p-400 ? 0x1p600 : down;
    const double back = large > 0x1p500 ? 0x1p600 : 1, unscale = large < 0x1p-400 ? 0x1p-600 : back;
    const double u = x * scale, v = y * scale, z = sqrt(mul_add_d(u, u, v * v)) * unscale;
    return x == (double)INFINITY || y == (double)INFINITY ? (double)INFINITY : z;
}

/* ---- the square root where vectors multiply faster than they take roots */

#ifdef CT_FMA
/* sqrt(x), exactly rounded, for 2^-767 <= x < 2^769.  First 1 / sqrt(x) within 3.5 % from x's bits, within 0.2 % after
 * Newton's step; then g and h go to sqrt(x) and 1 / (2 sqrt(x)) together, after Goldschmidt.  The last residue is exact
 * and h is right to 2^-51: g can round wrongly only where the root is so near the middle between two doubles, in units
 * of their distance.  tests/native/test_formula.c makes all roots within 2^-43. */
CT_FN double sqrt_mid_d(double x)
{
    const double first = from_bits_d(0x5fe6eb50c7b537a9ull - (bits_d(x) >> 1));
    const double r = first * fma(-0.5 * x * first, first, 1.5008789);
    double g = x * r, h = 0.5 * r, e = fma(-g, h, 0.5);
    g = fma(g, e, g), h = fma(h, e, h), e = fma(-g, h, 0.5);
    g = fma(g, e, g), h = fma(h, e, h), e = fma(-g, h, 0.5);
    g = fma(g, e, g), h = fma(h, e, h);
    return fma(fma(-g, g, x), h, g);
}
#endif

#define LIBM1(name, function) \
    CT_FN double name##_d(double x) \
    { \
        return function(x); \
    }
#define LIBM2(name, function) \
    CT_FN double name##_d(double a, double b) \
    { \
        return function(a, b); \
    }

LIBM1(abs, fabs)
LIBM1(sqrt, sqrt)
LIBM1(floor, floor)
LIBM1(ceil, ceil)
LIBM1(round, rint)
LIBM1(trunc, trunc)
LIBM1(sin, sin)
LIBM1(cos, cos)
LIBM1(tan, tan)
LIBM1(asinh, asinh)
LIBM1(acosh, acosh)
LIBM1(erfc, erfc)
LIBM2(copysign, copysign)
LIBM2(pow, pow)
LIBM2(fmod, fmod)

#undef LIBM1
#undef LIBM2

CT_FN double ndtr_d(double x)
{
    return 0.5 * (1 + erf_d(x * 0.7071067811865476));
}

/* log |gamma(x)|.  glibc's and BSD's lgamma stores the sign in a global: a data race between threads. */
CT_FN double lgamma_d(double x)
{
#if !defined(__CUDACC__) && (defined(__GLIBC__) || defined(__APPLE__) || defined(__FreeBSD__))
    int sign;
    return lgamma_r(x, &sign);
#else
    return lgamma(x);
#endif
}

/* psi(x) by the recurrence up to 10 and the asymptotic series in Bernoulli numbers; psi(1 - x) - psi(x) =
 * pi / tan(pi x) for negative x.  As PyTorch: a pole of either sign at 0, NaN at the negative integers. */
CT_FN double digamma_d(double x)
{
    const double pi = 3.141592653589793;
    if (x == 0)
        return copysign((double)INFINITY, -x);
    if (x < 0 && x == floor(x))
        return (double)NAN;
    double v = x < 0 ? 1 - x : x, sum = 0;
    for (; v < 10; v += 1)
        sum -= 1 / v;
    const double z = 1 / (v * v);
    double p = 1.0 / 12;
    p = p * z - 691.0 / 32760;
    p = p * z + 1.0 / 132;
    p = p * z - 1.0 / 240;
    p = p * z + 1.0 / 252;
    p = p * z - 1.0 / 120;
    p = p * z + 1.0 / 12;
    const double positive = sum + log(v) - 0.5 / v - z * p;
    return x < 0 ? positive - pi / tan(pi * (x - rint(x))) : positive;
}

/* Winitzki's closed form (2e-3 relative), then two Halley steps on erf(y) = a; near 1 on erfc(y) = 1 - a. */
CT_FN double erfinv_d(double x)
{
    const double a = fabs(x), c = 0.147, w = log1p(-a * a);
    const double t = 2 / (3.141592653589793 * c) + w / 2;
    double y = sqrt(sqrt(t * t - w / c) - t);
    for (int step = 0; step < 2; step++) {
        const double error = a < 0.5 ? erf(y) - a : (1 - a) - erfc(y);
        const double u = error * 0.886226925452758 * exp(y * y);
        y -= u / (1 + y * u);
    }
    return copysign(a == 1 ? (double)INFINITY : y, x);
}

#endif
