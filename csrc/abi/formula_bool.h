/* Functions of bool: those that ops for every dtype call.  Included by formula.h only. */
#ifndef CTORCH_ABI_FORMULA_BOOL_H
#define CTORCH_ABI_FORMULA_BOOL_H

#define BOOL1(name, value) \
    CT_FN bool name##_b(bool x) \
    { \
        (void)x; \
        return value; \
    }
#define BOOL2(name, value) \
    CT_FN bool name##_b(bool a, bool b) \
    { \
        return value; \
    }

BOOL1(NOT, !x)
BOOL1(abs, x)
BOOL1(sign, x)
BOOL1(square, x)
BOOL1(isnan, false)
BOOL1(isinf, false)
BOOL1(isfinite, true)
BOOL1(signbit, false)
BOOL2(maximum, a || b)
BOOL2(minimum, a && b)
BOOL2(fmax, a || b)
BOOL2(fmin, a && b)
BOOL2(pow, a || !b)
BOOL2(shift_left, a && !b)
BOOL2(shift_right, a && !b)

#undef BOOL1
#undef BOOL2

#endif
