/* Elementary functions of double: the C library's, which are right to 1 or 2 ULP but run one element at a
 * time, and what it lacks.  Included by formula.h only. */
#ifndef CTORCH_ABI_FORMULA_DOUBLE_H
#define CTORCH_ABI_FORMULA_DOUBLE_H

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
LIBM1(exp, exp)
LIBM1(exp2, exp2)
LIBM1(expm1, expm1)
LIBM1(log, log)
LIBM1(log2, log2)
LIBM1(log10, log10)
LIBM1(log1p, log1p)
LIBM1(log1p_unit, log1p)
LIBM1(sin, sin)
LIBM1(cos, cos)
LIBM1(tan, tan)
LIBM1(asin, asin)
LIBM1(acos, acos)
LIBM1(atan, atan)
LIBM1(sinh, sinh)
LIBM1(cosh, cosh)
LIBM1(tanh, tanh)
LIBM1(asinh, asinh)
LIBM1(acosh, acosh)
LIBM1(atanh, atanh)
LIBM1(erf, erf)
LIBM1(erfc, erfc)
LIBM2(copysign, copysign)
LIBM2(atan2, atan2)
LIBM2(pow, pow)
LIBM2(fmod, fmod)
LIBM2(hypot, hypot)

#undef LIBM1
#undef LIBM2

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
