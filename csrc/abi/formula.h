/* The scalar functions that formula texts in ops.def call: exp_f, exp_d, div_floor_i32 ...  One plain C
 * function per name and type, without branches where it matters, so that gcc and clang turn a plain `for`
 * loop around it into vector code for every instruction set, and so that a CUDA file can include the very
 * same text.
 *
 * Suffixes: _f float, _d double, _i64 _i32 _i16 _i8 _u8 _b the integer types and bool.  The including file
 * maps the spellings of formulas (exp) to one suffix with formula_names.h.  What stands where:
 *   formula_float.h   elementary functions of float, own approximations
 *                     (ULP limits: tests/native/test_formula.c)
 *   formula_double.h  elementary functions of double: exp, log, tanh and their like in own vector form, else the C
 *                     library
 *   formula_real.inc  what reads the same for float and double
 *   formula_int.inc   what reads the same for all integer types
 *   formula_bool.h    the few functions of bool
 * Loops, broadcasting and dtypes do not live here.
 *
 * Build with -fno-math-errno -fno-trapping-math (else loops stay scalar), never with -ffast-math: rounding
 * by adding a large constant, and NaN, need the arithmetic as written. */
#ifndef CTORCH_ABI_FORMULA_H
#define CTORCH_ABI_FORMULA_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "abi/inline.h"

/* A function whose vector form gcc makes once and loops call, because inlined everywhere it would take a tenth of
 * the wheel.  A loop that calls it under a condition stays scalar. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#define CT_VECTOR_FN static __attribute__((noinline, unused, simd("notinbranch")))
#else
#define CT_VECTOR_FN CT_FN
#endif

/* Fused multiply-adds are single instructions, and the kernels' flags let the compiler use them. */
#if (defined(__FMA__) || defined(__aarch64__)) && !defined(__CUDACC__)
#define CT_FMA 1
#endif

/* What x86 has without vectors of such conversions: one that gives INT64_MIN where C's is undefined. */
#if defined(__x86_64__) && !defined(__AVX512DQ__) && !defined(__CUDACC__)
#define CT_SCALAR_TO_I64
typedef float CtFloats __attribute__((vector_size(16)));
typedef double CtDoubles __attribute__((vector_size(16)));

CT_FN int64_t truncated_f(float x)
{
    return __builtin_ia32_cvttss2si64((CtFloats){x});
}

CT_FN int64_t truncated_d(double x)
{
    return __builtin_ia32_cvttsd2si64((CtDoubles){x});
}
#endif

#define FORMULA_PASTE_(name, suffix) name##_##suffix
#define FORMULA_PASTE(name, suffix) FORMULA_PASTE_(name, suffix)

CT_FN uint32_t bits_f(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

CT_FN float from_bits_f(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

CT_FN uint64_t bits_d(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

CT_FN double from_bits_d(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

CT_FN bool signbit_f(float x)
{
    return bits_f(x) >> 31;
}

CT_FN bool signbit_d(double x)
{
    return bits_d(x) >> 63;
}

/* a * b + c where c is a product too: which of the two is fused is not left to the compiler. */
CT_FN float mul_add_f(float a, float b, float c)
{
#ifdef CT_FMA
    return fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

CT_FN double mul_add_d(double a, double b, double c)
{
#ifdef CT_FMA
    return fma(a, b, c);
#else
    return a * b + c;
#endif
}

/* c ? a : b where both are computed: gcc keeps a loop scalar in which a function that it does not inline is called under
 * a condition. */
CT_FN float choose_f(bool c, float a, float b)
{
    const uint32_t kept = 0u - (uint32_t)c;
    return from_bits_f((bits_f(a) & kept) | (bits_f(b) & ~kept));
}

CT_FN double choose_d(bool c, double a, double b)
{
    const uint64_t kept = 0u - (uint64_t)c;
    return from_bits_d((bits_d(a) & kept) | (bits_d(b) & ~kept));
}

/* Every whole number up to it is one of the type. */
#define WHOLE_f 0x1p24f
#define WHOLE_d 0x1p53

#include "abi/formula_float.h"
#include "abi/formula_double.h"

#define T float
#define S f
#include "abi/formula_real.inc"
#undef T
#undef S
#define T double
#define S d
#include "abi/formula_real.inc"
#undef T
#undef S

/* How integers are divided where loops are vectors; else, if they are short, and on a device, as C says. */
#define VIA_INTEGER 0
#define VIA_DOUBLE 1
#define VIA_DOUBLE_IF_NEAR 2
#ifdef CT_FMA
#define VIA_OF(via) via
#else
#define VIA_OF(via) VIA_INTEGER
#endif
#define T int64_t
#define S i64
#define VIA VIA_OF(VIA_DOUBLE_IF_NEAR)
#include "abi/formula_int.inc"
#undef T
#undef S
#undef VIA
#define T int32_t
#define S i32
#define VIA VIA_OF(VIA_DOUBLE)
#include "abi/formula_int.inc"
#undef T
#undef S
#undef VIA
#define T int16_t
#define S i16
#define VIA VIA_OF(VIA_DOUBLE)
#include "abi/formula_int.inc"
#undef T
#undef S
#undef VIA
#define T int8_t
#define S i8
#define VIA VIA_OF(VIA_DOUBLE)
#include "abi/formula_int.inc"
#undef T
#undef S
#undef VIA
#define T uint8_t
#define S u8
#define VIA VIA_OF(VIA_DOUBLE)
#include "abi/formula_int.inc"
#undef T
#undef S
#undef VIA
#include "abi/formula_bool.h"

#endif
