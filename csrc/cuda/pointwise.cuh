/* One dtype's kernels of every pointwise row: included with T (the type), S (its suffix in abi/formula.h), IS_FLOAT and
 * IS_BOOL set, after pointwise_begin.cuh.  A formula is read here as device code over the letters x y a b c g p q; see
 * abi/ops.def.  A float kernel takes adjacent elements in groups of 16 bytes, then whatever is left one by one. */
#define FN(name) JOIN2(name, S)

#if IS_FLOAT
#define IN_FLOAT(...) __VA_ARGS__
#define IN_REAL(...) __VA_ARGS__
#define IN_INT(...)
#define GRADIENT_PASS(...) __VA_ARGS__
#define PARAM_OF(k) (T)args.params[k].f
#define EACH (8 / (int)sizeof(T))
#else
#define IN_FLOAT(...)
#define IN_REAL(...)
#define IN_INT(...) __VA_ARGS__
#define GRADIENT_PASS(...)
#define PARAM_OF(k) (T)saturate(args.params[k].i, JOIN2(LOW, S), JOIN2(HIGH, S))
#endif
#if IS_BOOL
#define IN_NUMBER(...)
#else
#define IN_NUMBER(...) __VA_ARGS__
#endif
#define IN_ANY(...) __VA_ARGS__

#define FIRST (blockIdx.x * blockDim.x + threadIdx.x)
#define STEP (gridDim.x * blockDim.x)

/* groups, letters, one: read the operands of a group, bind the letters of its element j, of one element. */
#define ALONE(operands, to, one, formula) \
    for (uint32_t i = done + FIRST; i < at->n; i += STEP) { \
        int64_t offset[operands]; \
        place(at, i, operands, offset); \
        one \
        store_stored(at->ptr[0] + offset[0], stored, (to)(formula)); \
    }
#if IS_FLOAT
#define KERNEL(name, operands, to, groups, letters, one, formula) \
    static __global__ void FN(name)(PointwiseArgs args) \
    { \
        const T p = PARAM_OF(0), q = PARAM_OF(1); \
        const Places *at = &args.places; \
        const int stored = args.stored, parts = group_parts(stored), size = parts * EACH; \
        uint32_t done = 0; \
        (void)p, (void)q; \
        if (at->dense) { \
            done = at->n / size; \
            for (uint32_t group = FIRST; group < done; group += STEP) { \
                Group<to> out = {}; \
                groups \
                CT_ROLLED \
                for (int part = 0; part < parts; part++) { \
                    to results[EACH]; \
                    for (int j = 0; j < EACH; j++) { \
                        letters \
                        results[j] = (to)(formula); \
                    } \
                    put_part(&out, stored, part, results, EACH); \
                } \
                write_group<to>(at, group, out, size); \
            } \
            done *= size; \
        } \
        ALONE(operands, to, one, formula) \
    }
#else
#define KERNEL(name, operands, to, groups, letters, one, formula) \
    static __global__ void FN(name)(PointwiseArgs args) \
    { \
        const T p = PARAM_OF(0), q = PARAM_OF(1); \
        const Places *at = &args.places; \
        const uint32_t done = 0; \
        const int stored = args.stored; \
        (void)p, (void)q; \
        ALONE(operands, to, one, formula) \
    }
#endif

#define GROUP_OF(type, letter, k) const Group<type> letter##s = read_group<type>(at, k, group, size);
#define OF_GROUP(type, letter) const type letter = element(letter##s, stored, part, j, EACH);
#define ONE(type, letter, k) const type letter = read<type>(at, stored, k, offset);

#define KERNEL1(name, to, formula) \
    KERNEL(name, 2, to, GROUP_OF(T, x, 1), OF_GROUP(T, x), ONE(T, x, 1), formula)
#define KERNEL2(name, to, formula) \
    KERNEL(name, 3, to, GROUP_OF(T, a, 1) GROUP_OF(T, b, 2), OF_GROUP(T, a) OF_GROUP(T, b), ONE(T, a, 1) ONE(T, b, 2), formula)
#define KERNEL3(name, ta, tb, formula) \
    KERNEL(name, 4, T, GROUP_OF(ta, a, 1) GROUP_OF(tb, b, 2) GROUP_OF(T, c, 3), OF_GROUP(ta, a) OF_GROUP(tb, b) OF_GROUP(T, c), \
           ONE(ta, a, 1) ONE(tb, b, 2) ONE(T, c, 3), formula)

/* Gradient kernels bind every letter; reading one that the formula does not name is dead code.  The frame points
 * operands that are not saved at g. */
#define GRAD1(name, formula) \
    KERNEL(name, 6, T, GROUP_OF(T, g, GRAD_G) GROUP_OF(T, x, GRAD_A) GROUP_OF(T, y, GRAD_Y), \
           OF_GROUP(T, g) OF_GROUP(T, x) OF_GROUP(T, y), ONE(T, g, GRAD_G) ONE(T, x, GRAD_A) ONE(T, y, GRAD_Y), formula)
#define GRAD2(name, formula) \
    KERNEL(name, 6, T, GROUP_OF(T, g, GRAD_G) GROUP_OF(T, a, GRAD_A) GROUP_OF(T, b, GRAD_B) GROUP_OF(T, y, GRAD_Y), \
           OF_GROUP(T, g) OF_GROUP(T, a) OF_GROUP(T, b) OF_GROUP(T, y), \
           ONE(T, g, GRAD_G) ONE(T, a, GRAD_A) ONE(T, b, GRAD_B) ONE(T, y, GRAD_Y), formula)
#define GRAD3(name, ta, tb, formula) \
    KERNEL(name, 6, T, GROUP_OF(T, g, GRAD_G) GROUP_OF(ta, a, GRAD_A) GROUP_OF(tb, b, GRAD_B) GROUP_OF(T, c, GRAD_C), \
           OF_GROUP(T, g) OF_GROUP(ta, a) OF_GROUP(tb, b) OF_GROUP(T, c), \
           ONE(T, g, GRAD_G) ONE(ta, a, GRAD_A) ONE(tb, b, GRAD_B) ONE(T, c, GRAD_C), formula)

#define GUARD_KERNEL(name, condition) \
    static __global__ void FN(name)(Places places, Fault *fault) \
    { \
        for (uint32_t i = FIRST; i < places.n; i += STEP) { \
            int64_t offset[2]; \
            place(&places, i, 2, offset); \
            const T a = read<T>(&places, 0, 0, offset), b = read<T>(&places, 0, 1, offset); \
            (void)a; \
            if (condition) \
                fault->kind = FAULT_ZERO_DIVISION; \
        } \
    }

#define BOOL_NONE_A T
#define BOOL_NONE_B T
#define BOOL_A_A bool
#define BOOL_A_B T
#define BOOL_B_A T
#define BOOL_B_B bool

#define NONE 0
#define UNARY(name, forms, class_, sig, f, dx) \
    IN_##class_(KERNEL1(name##_0, T, f)) GRADIENT_PASS(IN_##class_(GRAD1(name##_1, dx)))
#define PREDICATE(name, forms, class_, f) IN_##class_(KERNEL1(name##_0, bool, f))
#define BINARY(name, forms, class_, sig, f, da, db) \
    IN_##class_(KERNEL2(name##_0, T, f)) GRADIENT_PASS(IN_##class_(GRAD2(name##_1, da) GRAD2(name##_2, db)))
#define COMPARE(name, forms, class_, f) IN_##class_(KERNEL2(name##_0, bool, f))
#define TERNARY(name, forms, class_, bools, sig, f, da, db, dc) \
    IN_##class_(KERNEL3(name##_0, bools##_A, bools##_B, f)) \
    GRADIENT_PASS(IN_##class_(GRAD3(name##_1, bools##_A, bools##_B, da) GRAD3(name##_2, bools##_A, bools##_B, db) \
                              GRAD3(name##_3, bools##_A, bools##_B, dc)))
#define GUARD(row, class_, condition, exception, text) IN_NUMBER(IN_##class_(GUARD_KERNEL(row##_guard, condition)))
#include "abi/ops.def"

static const PointwiseEntry FN(entries)[] = {
#define UNARY(name, forms, class_, sig, f, dx) \
    IN_##class_({OP_##name, 0, FN(name##_0)},) GRADIENT_PASS(IN_##class_({OP_##name, 1, FN(name##_1)},))
#define PREDICATE(name, forms, class_, f) IN_##class_({OP_##name, 0, FN(name##_0)},)
#define BINARY(name, forms, class_, sig, f, da, db) \
    IN_##class_({OP_##name, 0, FN(name##_0)},) \
    GRADIENT_PASS(IN_##class_({OP_##name, 1, FN(name##_1)}, {OP_##name, 2, FN(name##_2)},))
#define COMPARE(name, forms, class_, f) IN_##class_({OP_##name, 0, FN(name##_0)},)
#define TERNARY(name, forms, class_, bools, sig, f, da, db, dc) \
    IN_##class_({OP_##name, 0, FN(name##_0)},) \
    GRADIENT_PASS(IN_##class_({OP_##name, 1, FN(name##_1)}, {OP_##name, 2, FN(name##_2)}, {OP_##name, 3, FN(name##_3)},))
#include "abi/ops.def"
};

static const GuardEntry FN(guards)[] = {
#define GUARD(row, class_, condition, exception, text) IN_NUMBER(IN_##class_({OP_##row, FN(row##_guard)},))
#include "abi/ops.def"
    {-1, NULL},
};

const PointwiseTable FN(pointwise) = {FN(entries), (int)(sizeof FN(entries) / sizeof FN(entries)[0]), FN(guards),
                                      (int)(sizeof FN(guards) / sizeof FN(guards)[0]) - 1};

#undef T
#undef S
#undef IS_FLOAT
#undef IS_BOOL
#undef FN
#undef IN_FLOAT
#undef IN_REAL
#undef IN_INT
#undef IN_NUMBER
#undef IN_ANY
#undef GRADIENT_PASS
#undef PARAM_OF
#undef EACH
#undef FIRST
#undef STEP
#undef ALONE
#undef KERNEL
#undef GROUP_OF
#undef OF_GROUP
#undef ONE
#undef KERNEL1
#undef KERNEL2
#undef KERNEL3
#undef GRAD1
#undef GRAD2
#undef GRAD3
#undef GUARD_KERNEL
#undef BOOL_NONE_A
#undef BOOL_NONE_B
#undef BOOL_A_A
#undef BOOL_A_B
#undef BOOL_B_A
#undef BOOL_B_B
#undef NONE
