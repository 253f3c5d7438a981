/* One dtype's kernels of every pointwise row: included with T (the type), S (its suffix in abi/formula.h), IS_FLOAT and
 * IS_BOOL set, after pointwise_begin.cuh; for a half type, computed in float, also with HALF (how it is stored, of
 * pointwise_half.cuh) and TAG, the suffix of its kernels.  A formula is read here as device code over the letters
 * x y a b c g p q; see abi/ops.def.  A float kernel takes adjacent elements in packs of 16 bytes, then whatever is left
 * one by one; kernels of a half type know adjacent elements alone. */
#ifndef TAG
#define TAG S
#endif
#define FN(name) JOIN2(name, TAG)

#if IS_FLOAT
#define IN_FLOAT(...) __VA_ARGS__
#define IN_REAL(...) __VA_ARGS__
#define IN_INT(...)
#define GRADIENT_PASS(...) __VA_ARGS__
#define PARAM_OF(k) (T)args.params[k].f
#define PACK (16 / (int)sizeof(T))
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

/* packs, pack, one: read the operands of a group, bind its j-th letters, read and bind the letters of one element. */
#define ALONE(operands, to, one, formula) \
    for (uint32_t i = done + FIRST; i < at->n; i += STEP) { \
        int64_t offset[operands]; \
        place(at, i, operands, offset); \
        one \
        *(to *)(at->ptr[0] + offset[0]) = (to)(formula); \
    }
#if defined(HALF)
#define KERNEL(name, operands, to, packs, pack, one, formula) \
    static __global__ void FN(name)(PointwiseArgs args) \
    { \
        const T p = PARAM_OF(0), q = PARAM_OF(1); \
        const Places *at = &args.places; \
        (void)p, (void)q; \
        for (uint32_t group = FIRST; group < at->n / EIGHT; group += STEP) { \
            Eight<HALF, to> out; \
            packs \
            CT_ROLLED \
            for (int side = 0; side < 2; side++) { \
                to four[4]; \
                for (int j = 0; j < 4; j++) { \
                    pack \
                    four[j] = (to)(formula); \
                } \
                put_four(&out, side, four); \
            } \
            write_eight(at, group, out); \
        } \
        for (uint32_t i = at->n / EIGHT * EIGHT + FIRST; i < at->n; i += STEP) { \
            one \
            write_one<HALF, to>(at, i, (to)(formula)); \
        } \
    }
#elif IS_FLOAT
#define KERNEL(name, operands, to, packs, pack, one, formula) \
    static __global__ void FN(name)(PointwiseArgs args) \
    { \
        const T p = PARAM_OF(0), q = PARAM_OF(1); \
        const Places *at = &args.places; \
        uint32_t done = 0; \
        (void)p, (void)q; \
        if (at->dense) { \
            for (uint32_t group = FIRST; group < at->n / PACK; group += STEP) { \
                Pack<to, PACK> out; \
                packs \
                for (int j = 0; j < PACK; j++) { \
                    pack \
                    out.at[j] = (to)(formula); \
                } \
                write_pack<to, PACK>(at, group, out); \
            } \
            done = at->n / PACK * PACK; \
        } \
        ALONE(operands, to, one, formula) \
    }
#else
#define KERNEL(name, operands, to, packs, pack, one, formula) \
    static __global__ void FN(name)(PointwiseArgs args) \
    { \
        const T p = PARAM_OF(0), q = PARAM_OF(1); \
        const Places *at = &args.places; \
        const uint32_t done = 0; \
        (void)p, (void)q; \
        ALONE(operands, to, one, formula) \
    }
#endif

#if defined(HALF)
#define PACK_OF(type, letter, k) const Eight<HALF, type> letter##s = read_eight<HALF, type>(at, k, group);
#define OF_PACK(type, letter) const type letter = one_of(letter##s, side, j);
#define ONE(type, letter, k) const type letter = read_one<HALF, type>(at, k, i);
#else
#define PACK_OF(type, letter, k) const Pack<type, PACK> letter##s = read_pack<type, PACK>(at, k, group);
#define OF_PACK(type, letter) const type letter = letter##s.at[j];
#define ONE(type, letter, k) const type letter = read<type>(at, k, offset);
#endif

#define KERNEL1(name, to, formula) \
    KERNEL(name, 2, to, PACK_OF(T, x, 1), OF_PACK(T, x), ONE(T, x, 1), formula)
#define KERNEL2(name, to, formula) \
    KERNEL(name, 3, to, PACK_OF(T, a, 1) PACK_OF(T, b, 2), OF_PACK(T, a) OF_PACK(T, b), ONE(T, a, 1) ONE(T, b, 2), formula)
#define KERNEL3(name, ta, tb, formula) \
    KERNEL(name, 4, T, PACK_OF(ta, a, 1) PACK_OF(tb, b, 2) PACK_OF(T, c, 3), OF_PACK(ta, a) OF_PACK(tb, b) OF_PACK(T, c), \
           ONE(ta, a, 1) ONE(tb, b, 2) ONE(T, c, 3), formula)

/* Gradient kernels bind every letter; reading one that the formula does not name is dead code.  The frame points
 * operands that are not saved at g. */
#define GRAD1(name, formula) \
    KERNEL(name, 6, T, PACK_OF(T, g, GRAD_G) PACK_OF(T, x, GRAD_A) PACK_OF(T, y, GRAD_Y), \
           OF_PACK(T, g) OF_PACK(T, x) OF_PACK(T, y), ONE(T, g, GRAD_G) ONE(T, x, GRAD_A) ONE(T, y, GRAD_Y), formula)
#define GRAD2(name, formula) \
    KERNEL(name, 6, T, PACK_OF(T, g, GRAD_G) PACK_OF(T, a, GRAD_A) PACK_OF(T, b, GRAD_B) PACK_OF(T, y, GRAD_Y), \
           OF_PACK(T, g) OF_PACK(T, a) OF_PACK(T, b) OF_PACK(T, y), \
           ONE(T, g, GRAD_G) ONE(T, a, GRAD_A) ONE(T, b, GRAD_B) ONE(T, y, GRAD_Y), formula)
#define GRAD3(name, ta, tb, formula) \
    KERNEL(name, 6, T, PACK_OF(T, g, GRAD_G) PACK_OF(ta, a, GRAD_A) PACK_OF(tb, b, GRAD_B) PACK_OF(T, c, GRAD_C), \
           OF_PACK(T, g) OF_PACK(ta, a) OF_PACK(tb, b) OF_PACK(T, c), \
           ONE(T, g, GRAD_G) ONE(ta, a, GRAD_A) ONE(tb, b, GRAD_B) ONE(T, c, GRAD_C), formula)

#define GUARD_KERNEL(name, condition) \
    static __global__ void FN(name)(Places places, Fault *fault) \
    { \
        for (uint32_t i = FIRST; i < places.n; i += STEP) { \
            int64_t offset[2]; \
            place(&places, i, 2, offset); \
            const T a = read<T>(&places, 0, offset), b = read<T>(&places, 1, offset); \
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
#undef TAG
#undef HALF
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
#undef PACK
#undef FIRST
#undef STEP
#undef ALONE
#undef KERNEL
#undef PACK_OF
#undef OF_PACK
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
