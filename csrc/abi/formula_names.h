/* The spellings of formulas: exp(x) becomes exp_f(x) where FORMULA_SUFFIX is f.  Include this last, once:
 * each name is pasted where it is used, so an includer only redefines T and FORMULA_SUFFIX between two
 * passes over ops.def. The names are macros with arguments: a bare `exp`, an op's name in a row, stays as
 * it is. */
#ifndef CTORCH_ABI_FORMULA_NAMES_H
#define CTORCH_ABI_FORMULA_NAMES_H

#undef isnan
#undef isinf
#undef isfinite
#undef signbit

#define FORMULA(name, ...) FORMULA_PASTE(name, FORMULA_SUFFIX)(__VA_ARGS__)

/* A constant of the loop's own type: a bare 0.5 would compute a float loop in double. */
#define K(constant) ((T)(constant))

#define exp(...) FORMULA(exp, __VA_ARGS__)
#define expm1(...) FORMULA(expm1, __VA_ARGS__)
#define exp2(...) FORMULA(exp2, __VA_ARGS__)
#define log(...) FORMULA(log, __VA_ARGS__)
#define log2(...) FORMULA(log2, __VA_ARGS__)
#define log10(...) FORMULA(log10, __VA_ARGS__)
#define log1p(...) FORMULA(log1p, __VA_ARGS__)
#define sqrt(...) FORMULA(sqrt, __VA_ARGS__)
#define rsqrt(...) FORMULA(rsqrt, __VA_ARGS__)
#define reciprocal(...) FORMULA(reciprocal, __VA_ARGS__)
#define square(...) FORMULA(square, __VA_ARGS__)
#define pow(...) FORMULA(pow, __VA_ARGS__)
#define hypot(...) FORMULA(hypot, __VA_ARGS__)
#define sin(...) FORMULA(sin, __VA_ARGS__)
#define cos(...) FORMULA(cos, __VA_ARGS__)
#define tan(...) FORMULA(tan, __VA_ARGS__)
#define asin(...) FORMULA(asin, __VA_ARGS__)
#define acos(...) FORMULA(acos, __VA_ARGS__)
#define atan(...) FORMULA(atan, __VA_ARGS__)
#define atan2(...) FORMULA(atan2, __VA_ARGS__)
#define sinh(...) FORMULA(sinh, __VA_ARGS__)
#define cosh(...) FORMULA(cosh, __VA_ARGS__)
#define tanh(...) FORMULA(tanh, __VA_ARGS__)
#define asinh(...) FORMULA(asinh, __VA_ARGS__)
#define acosh(...) FORMULA(acosh, __VA_ARGS__)
#define atanh(...) FORMULA(atanh, __VA_ARGS__)
#define erf(...) FORMULA(erf, __VA_ARGS__)
#define erfc(...) FORMULA(erfc, __VA_ARGS__)
#define ndtr(...) FORMULA(ndtr, __VA_ARGS__)
#define erfinv(...) FORMULA(erfinv, __VA_ARGS__)
#define lgamma(...) FORMULA(lgamma, __VA_ARGS__)
#define digamma(...) FORMULA(digamma, __VA_ARGS__)
#define sigmoid(...) FORMULA(sigmoid, __VA_ARGS__)
#define logsigmoid(...) FORMULA(logsigmoid, __VA_ARGS__)
#define softplus(...) FORMULA(softplus, __VA_ARGS__)
#define relu(...) FORMULA(relu, __VA_ARGS__)
#define xlogy(...) FORMULA(xlogy, __VA_ARGS__)
#define logaddexp(...) FORMULA(logaddexp, __VA_ARGS__)
#define abs(...) FORMULA(abs, __VA_ARGS__)
#define neg(...) FORMULA(neg, __VA_ARGS__)
#define sign(...) FORMULA(sign, __VA_ARGS__)
#define copysign(...) FORMULA(copysign, __VA_ARGS__)
#define floor(...) FORMULA(floor, __VA_ARGS__)
#define ceil(...) FORMULA(ceil, __VA_ARGS__)
#define round(...) FORMULA(round, __VA_ARGS__)
#define trunc(...) FORMULA(trunc, __VA_ARGS__)
#define frac(...) FORMULA(frac, __VA_ARGS__)
#define div_trunc(...) FORMULA(div_trunc, __VA_ARGS__)
#define div_floor(...) FORMULA(div_floor, __VA_ARGS__)
#define fmod(...) FORMULA(fmod, __VA_ARGS__)
#define remainder(...) FORMULA(remainder, __VA_ARGS__)
#define shift_left(...) FORMULA(shift_left, __VA_ARGS__)
#define shift_right(...) FORMULA(shift_right, __VA_ARGS__)
#define NOT(...) FORMULA(NOT, __VA_ARGS__)
#define maximum(...) FORMULA(maximum, __VA_ARGS__)
#define minimum(...) FORMULA(minimum, __VA_ARGS__)
#define fmax(...) FORMULA(fmax, __VA_ARGS__)
#define fmin(...) FORMULA(fmin, __VA_ARGS__)
#define clamp(...) FORMULA(clamp, __VA_ARGS__)
#define lerp(...) FORMULA(lerp, __VA_ARGS__)
#define isnan(...) FORMULA(isnan, __VA_ARGS__)
#define isinf(...) FORMULA(isinf, __VA_ARGS__)
#define isfinite(...) FORMULA(isfinite, __VA_ARGS__)
#define signbit(...) FORMULA(signbit, __VA_ARGS__)
#define to_b(...) FORMULA(to_b, __VA_ARGS__)
#define to_u8(...) FORMULA(to_u8, __VA_ARGS__)
#define to_i8(...) FORMULA(to_i8, __VA_ARGS__)
#define to_i16(...) FORMULA(to_i16, __VA_ARGS__)
#define to_i32(...) FORMULA(to_i32, __VA_ARGS__)
#define to_i64(...) FORMULA(to_i64, __VA_ARGS__)

#endif
