/* One dtype's kernels of every pointwise row: included with T (the type), S (its suffix in abi/formula.h), IS_FLOAT and
 * IS_BOOL set, after pointwise_begin.cuh.  A formula is read here as device code over the letters x y a b c g p q; see
 * abi/ops.def. */
#define FN(name) JOIN2(name, S)

#if IS_FLOAT
#define IN_FLOAT(...) __VA_ARGS__
#define IN_REAL(...) __VA_ARGS__
#define IN_INT(...)
#define GRADIENT_PASS(...) __VA_ARGS__
#else
#define IN_FLOAT(...)
#define IN_REAL(...)
#define IN_INT(...) __VA_ARGS__
#define GRADIENT_PASS(...)
#endif
#define IN_ANY(...) __VA_ARGS__
#define IN_WHOLE(...) IN_INT(IN_NUMBER(__VA_ARGS__))
#if IS_BOOL
#define IN_NUMBER(...)
#define IN_TRUTH(...) __VA_ARGS__
#else
#define IN_NUMBER(...) __VA_ARGS__
#define IN_TRUTH(...)
#endif

/* types: of the result and the first three operands; letters: what the five operands are called, in the order of the
 * launch.  The frame points operands of gradients that are not saved at g. */
#define FORMULA_TYPE(name, operands, to, ta, tb, tc, letters, formula) \
    struct FN(name) : Formula<T, to, operands, ta, tb, tc> { \
        CT_FN to one letters \
        { \
            return (to)(formula); \
        } \
    };
#define VALUE1(name, to, formula) \
    FORMULA_TYPE(name, 2, to, T, T, T, (T x, T, T, T, T, T p, T q), formula)
#define VALUE2(name, to, formula) \
    FORMULA_TYPE(name, 3, to, T, T, T, (T a, T b, T, T, T, T p, T q), formula)
#define VALUE3(name, ta, tb, formula) \
    FORMULA_TYPE(name, 4, T, ta, tb, T, (ta a, tb b, T c, T, T, T p, T q), formula)
#define GRAD1(name, formula) \
    FORMULA_TYPE(name, GRAD_OPERANDS, T, T, T, T, (T g, T x, T, T, T y, T p, T q), formula)
#define GRAD2(name, formula) \
    FORMULA_TYPE(name, GRAD_OPERANDS, T, T, T, T, (T g, T a, T b, T, T y, T p, T q), formula)
#define GRAD3(name, ta, tb, formula) \
    FORMULA_TYPE(name, GRAD_OPERANDS, T, T, ta, tb, (T g, ta a, tb b, T c, T, T p, T q), formula)

#define BOOL_NONE_A T
#define BOOL_NONE_B T
#define BOOL_A_A bool
#define BOOL_A_B T
#define BOOL_B_A T
#define BOOL_B_B bool

#define NONE 0
#define UNARY(name, forms, class_, sig, f, dx) \
    IN_##class_(VALUE1(name##_0, T, f)) GRADIENT_PASS(IN_##class_(GRAD1(name##_1, dx)))
#define PREDICATE(name, forms, class_, f) IN_##class_(VALUE1(name##_0, bool, f))
#define BINARY(name, forms, class_, sig, f, da, db) \
    IN_##class_(VALUE2(name##_0, T, f)) GRADIENT_PASS(IN_##class_(GRAD2(name##_1, da) GRAD2(name##_2, db)))
#define COMPARE(name, forms, class_, f) IN_##class_(VALUE2(name##_0, bool, f))
#define TERNARY(name, forms, class_, bools, sig, f, da, db, dc) \
    IN_##class_(VALUE3(name##_0, bools##_A, bools##_B, f)) \
    GRADIENT_PASS(IN_##class_(GRAD3(name##_1, bools##_A, bools##_B, da) GRAD3(name##_2, bools##_A, bools##_B, db) \
                              GRAD3(name##_3, bools##_A, bools##_B, dc)))
#include "abi/ops.def"
GRADIENT_PASS(VALUE1(cube, T, x * x * x))

#define VALUE(name) {OP_##name, PART_FORWARD, compute<FN(name##_0)>},
#define GRADIENT(name, part, text) {OP_##name, part, kernel_if<FN(name##_##part), is_formula(text)>()},
static const PointwiseEntry FN(entries)[] = {
#define UNARY(name, forms, class_, sig, f, dx) IN_##class_(VALUE(name)) GRADIENT_PASS(IN_##class_(GRADIENT(name, 1, #dx)))
#define PREDICATE(name, forms, class_, f) IN_##class_(VALUE(name))
#define BINARY(name, forms, class_, sig, f, da, db) \
    IN_##class_(VALUE(name)) GRADIENT_PASS(IN_##class_(GRADIENT(name, 1, #da) GRADIENT(name, 2, #db)))
#define COMPARE(name, forms, class_, f) IN_##class_(VALUE(name))
#define TERNARY(name, forms, class_, bools, sig, f, da, db, dc) \
    IN_##class_(VALUE(name)) \
    GRADIENT_PASS(IN_##class_(GRADIENT(name, 1, #da) GRADIENT(name, 2, #db) GRADIENT(name, 3, #dc)))
#include "abi/ops.def"
    GRADIENT_PASS({OP_pow, PART_CUBE, compute<FN(cube)>},)
};

const PointwiseTable FN(pointwise) = {FN(entries), (int)(sizeof FN(entries) / sizeof FN(entries)[0])};

#undef T
#undef S
#undef IS_FLOAT
#undef IS_BOOL
#undef FN
#undef IN_FLOAT
#undef IN_REAL
#undef IN_INT
#undef IN_NUMBER
#undef IN_TRUTH
#undef IN_WHOLE
#undef IN_ANY
#undef GRADIENT_PASS
#undef FORMULA_TYPE
#undef VALUE1
#undef VALUE2
#undef VALUE3
#undef GRAD1
#undef GRAD2
#undef GRAD3
#undef BOOL_NONE_A
#undef BOOL_NONE_B
#undef BOOL_A_A
#undef BOOL_A_B
#undef BOOL_B_A
#undef BOOL_B_B
#undef NONE
#undef VALUE
#undef GRADIENT
