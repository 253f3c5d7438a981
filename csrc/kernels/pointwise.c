/* Pointwise loops of every dtype, made from abi/ops.def by including pointwise.inc once per compute dtype, and the
 * casts between them.  Half types have no loops: the backend converts their blocks to float and back. */
#include <stddef.h>
#include <string.h>

#include "abi/bounds.h"
#include "abi/convert.h"
#include "abi/formula.h"
#include "abi/gemm.h"
#include "abi/index.h"
#include "abi/kernels.h"
#include "abi/optim.h"
#include "abi/random.h"
#include "abi/reduce.h"
#include "abi/scan.h"
#include "abi/softmax.h"
#include "abi/sort.h"
#include "abi/formula_names.h"

#define FORMULA_SUFFIX S

/* One text serves all types: for bool `a * b` means and, for uint8 `x < 0` is always false. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wint-in-bool-context"
#endif
#pragma GCC diagnostic ignored "-Wtype-limits"

#define JOIN2_(a, b) a##_##b
#define JOIN2(a, b) JOIN2_(a, b)

/* Each lane reads its operands before it writes, and the frame refuses partial overlap, so out may equal an input. */
#if defined(__clang__)
#define VECTORIZE _Pragma("clang loop vectorize(assume_safety) unroll(disable)")
#else
#define VECTORIZE _Pragma("GCC ivdep")
#endif

#define LOOP_ARGS char *const *ptr, const int64_t *stride, int64_t n, const Param *param

typedef KernelEntry Entry;

#define EXCEPT_SIGN_F 0x7fffffffu
#define EXCEPT_SIGN_D 0x7fffffffffffffffull
#define SHORTER_ROWS_b
#define SHORTER_ROWS_u8
#define SHORTER_ROWS_i8
#define SHORTER_ROWS_i16
#define SHORTER_ROWS_i32
#define SHORTER_ROWS_i64
/* The last three: operands whose bits, masked and less `first`, are below `count` are not special.  The shorter loop
 * sees as it goes along whether all were such: a look beforehand, which only one in place has to take, reads them twice. */
#define SHORTER_ROWS_f \
    SHORTER(exp, exp_mid_f(x), whole, EXCEPT_SIGN_F, 0, 0x42ae0000u) \
    SHORTER(log, log_mid_f(x), whole, UINT32_MAX, 0x00800000u, 0x7f000000u) \
    SHORTER(log2, log2_mid_f(x), whole, UINT32_MAX, 0x00800000u, 0x7f000000u) \
    SHORTER(log10, log10_mid_f(x), whole, UINT32_MAX, 0x00800000u, 0x7f000000u) \
    SHORTER(sin, sin_mid_f(x), merged, EXCEPT_SIGN_F, 0, 0x48000000u) \
    SHORTER(cos, cos_mid_f(x), merged, EXCEPT_SIGN_F, 0, 0x48000000u) \
    SHORTER(tan, tan_mid_f(x), merged, EXCEPT_SIGN_F, 0, 0x48000000u)
#define SHORTER_ROWS_d \
    SHORTER(exp, exp_mid_d(x), whole, EXCEPT_SIGN_D, 0, 0x4086200000000000ull) \
    SHORTER(log, log_mid_d(x), whole, UINT64_MAX, 0x0010000000000000ull, 0x7fe0000000000000ull) \
    SHORTER(log2, log2_mid_d(x), whole, UINT64_MAX, 0x0010000000000000ull, 0x7fe0000000000000ull) \
    SHORTER(log10, log10_mid_d(x), whole, UINT64_MAX, 0x0010000000000000ull, 0x7fe0000000000000ull) \
    SHORTER_FMA_D
#ifdef CT_FMA
#define SHORTER_FMA_D \
    SHORTER(sqrt, sqrt_mid_d(x), whole, UINT64_MAX, 0x1000000000000000ull, 0x6000000000000000ull) \
    SHORTER(sin, sin_mid_d(x), merged, EXCEPT_SIGN_D, 0, 0x40d0000000000000ull) \
    SHORTER(cos, cos_mid_d(x), merged, EXCEPT_SIGN_D, 0, 0x40d0000000000000ull) \
    SHORTER(tan, tan_mid_d(x), merged, EXCEPT_SIGN_D, 0, 0x40d0000000000000ull)
#else
#define SHORTER_FMA_D
#endif

#define NEAR_ROWS_b
#define NEAR_ROWS_u8
#define NEAR_ROWS_i8
#define NEAR_ROWS_i16
#define NEAR_ROWS_i32
#define FLOOR_ROWS(s) \
    NEAR(remainder, is_far_##s(a, b), remainder_near_##s(a, b)) \
    NEAR(div_floor, is_far_##s(a, b), div_floor_near_##s(a, b)) \
    NEAR(floor_divide, is_far_##s(a, b), div_floor_near_##s(a, b))
#ifdef CT_FMA
#define NEAR_ROWS_i64 FLOOR_ROWS(i64)
#define NEAR_ROWS_f FLOOR_ROWS(f) NEAR(fmod, is_far_f(a, b), fmod_near_f(a, b))
#define NEAR_ROWS_d FLOOR_ROWS(d) NEAR(fmod, is_far_d(a, b), fmod_near_d(a, b))
#else
#define NEAR_ROWS_i64
#define NEAR_ROWS_f
#define NEAR_ROWS_d
#endif

#define LOOK_BLOCK 1024
typedef uint32_t Word_f;
typedef uint64_t Word_d;
typedef uint64_t Word_i64;
#define LOOKS(T, S, U, bits) \
    typedef struct Look_##S { \
        bool (*shorter)(LOOP_ARGS); \
        Loop row; \
        U mask, first, count; \
    } Look_##S; \
    static bool none_special_##S(const Look_##S *look, const T *x, int64_t n) \
    { \
        const U mask = look->mask, first = look->first; \
        U most = 0; \
        VECTORIZE for (int64_t i = 0; i < n; i++) { \
            const U place = (bits(x[i]) & mask) - first; \
            most = place > most ? place : most; \
        } \
        return most < look->count; \
    } \
    static void whole_##S(const Look_##S *look, LOOP_ARGS) \
    { \
        for (int64_t i = 0; i < n; i += LOOK_BLOCK) { \
            const int64_t m = n - i < LOOK_BLOCK ? n - i : LOOK_BLOCK; \
            char *at[2] = {ptr[0] + i * (int64_t)sizeof(T), ptr[1] + i * (int64_t)sizeof(T)}; \
            if ((at[0] == at[1] && !none_special_##S(look, (const T *)at[1], m)) || !look->shorter(at, stride, m, param)) \
                look->row(at, stride, m, param); \
        } \
    } \
    static __attribute__((unused)) void merged_##S(const Look_##S *look, LOOP_ARGS) \
    { \
        for (int64_t i = 0; i < n; i += LOOK_BLOCK) { \
            const int64_t m = n - i < LOOK_BLOCK ? n - i : LOOK_BLOCK; \
            T *const y = (T *)ptr[0] + i, *const x = (T *)ptr[1] + i; \
            T special[LOOK_BLOCK], buffer[LOOK_BLOCK]; \
            T *const other = y == x ? buffer : y; \
            if ((y != x || none_special_##S(look, x, m)) && look->shorter((char *[]){(char *)y, (char *)x}, stride, m, param)) \
                continue; \
            look->row((char *[]){(char *)special, (char *)x}, stride, m, param); \
            if (y == x) \
                look->shorter((char *[]){(char *)buffer, (char *)x}, stride, m, param); \
            VECTORIZE for (int64_t k = 0; k < m; k++) \
                y[k] = (bits(x[k]) & look->mask) - look->first < look->count ? other[k] : special[k]; \
        } \
    }
LOOKS(float, f, uint32_t, bits_f)
LOOKS(double, d, uint64_t, bits_d)

#define T bool
#define S b
#define IS_FLOAT 0
#define IS_BOOL 1
#include "kernels/pointwise.inc"
#include "kernels/pointwise_end.inc"

#define T uint8_t
#define S u8
#define IS_FLOAT 0
#define IS_BOOL 0
#include "kernels/pointwise.inc"
#include "kernels/pointwise_end.inc"

#define T int8_t
#define S i8
#define IS_FLOAT 0
#define IS_BOOL 0
#include "kernels/pointwise.inc"
#include "kernels/pointwise_end.inc"

#define T int16_t
#define S i16
#define IS_FLOAT 0
#define IS_BOOL 0
#include "kernels/pointwise.inc"
#include "kernels/pointwise_end.inc"

#define T int32_t
#define S i32
#define IS_FLOAT 0
#define IS_BOOL 0
#include "kernels/pointwise.inc"
#include "kernels/pointwise_end.inc"

#define T int64_t
#define S i64
#define IS_FLOAT 0
#define IS_BOOL 0
#include "kernels/pointwise.inc"
#include "kernels/pointwise_end.inc"

#define T float
#define S f
#define IS_FLOAT 1
#define IS_BOOL 0
#include "kernels/pointwise.inc"
#include "kernels/pointwise_end.inc"

#define T double
#define S d
#define IS_FLOAT 1
#define IS_BOOL 0
#include "kernels/pointwise.inc"
#include "kernels/pointwise_end.inc"

/* ---- casts, dense to dense ---- */
#define CAST_LOOP(to, ts, from, fs, read, expression) \
    static void cast_##ts##_##fs(LOOP_ARGS) \
    { \
        (void)param; \
        (void)stride; \
        to *const y = (to *)ptr[0]; \
        const from *const in = (const from *)ptr[1]; \
        VECTORIZE for (int64_t i = 0; i < n; i++) { \
            const from x = read(in[i]); \
            y[i] = (to)(expression); \
        } \
    }
/* Integers convert by C's rules (modulo); floats to integers through conversions with defined results. */
#define CASTS_FROM(from, fs, read, TO_INT, to_float) \
    CAST_LOOP(bool, b, from, fs, read, x != 0) \
    CAST_LOOP(uint8_t, u8, from, fs, read, TO_INT(u8)) \
    CAST_LOOP(int8_t, i8, from, fs, read, TO_INT(i8)) \
    CAST_LOOP(int16_t, i16, from, fs, read, TO_INT(i16)) \
    CAST_LOOP(int32_t, i32, from, fs, read, TO_INT(i32)) \
    CAST_LOOP(int64_t, i64, from, fs, read, TO_INT(i64)) \
    CAST_LOOP(float, f, from, fs, read, to_float) \
    CAST_LOOP(double, d, from, fs, read, to_float)
#define FROM_INT(ts) x
#define FROM_FLOAT(ts) to_##ts##_f(x)
#define FROM_DOUBLE(ts) to_##ts##_d(x)
/* gcc vectorises the choice of a float, and no conversion of a condition to one. */
CASTS_FROM(uint8_t, b, TRUTH, FROM_INT, x != 0 ? 1.0f : 0.0f)
CASTS_FROM(uint8_t, u8, , FROM_INT, x)
CASTS_FROM(int8_t, i8, , FROM_INT, x)
CASTS_FROM(int16_t, i16, , FROM_INT, x)
CASTS_FROM(int32_t, i32, , FROM_INT, x)
CASTS_FROM(int64_t, i64, , FROM_INT, x)
CASTS_FROM(float, f, , FROM_FLOAT, x)
CASTS_FROM(double, d, , FROM_DOUBLE, x)

#define CAST_ROW(ts) \
    {[DTYPE_BOOL] = cast_##ts##_b, [DTYPE_UINT8] = cast_##ts##_u8, [DTYPE_INT8] = cast_##ts##_i8, \
     [DTYPE_INT16] = cast_##ts##_i16, [DTYPE_INT32] = cast_##ts##_i32, [DTYPE_INT64] = cast_##ts##_i64, \
     [DTYPE_FLOAT] = cast_##ts##_f, [DTYPE_DOUBLE] = cast_##ts##_d}

/* Half types convert to and from float only; core/cpu.c goes through float blocks. */
#define HALF_LOOPS(name, load, store) \
    static void name##_load(LOOP_ARGS) \
    { \
        (void)stride; (void)param; \
        load((const uint16_t *)ptr[1], (float *)ptr[0], n); \
    } \
    static void name##_store(LOOP_ARGS) \
    { \
        (void)stride; (void)param; \
        store((const float *)ptr[1], (uint16_t *)ptr[0], n); \
    }
HALF_LOOPS(f16, ISA_NAME(half_to_float), ISA_NAME(float_to_half))
HALF_LOOPS(bf16, ISA_NAME(bfloat16_to_float), ISA_NAME(float_to_bfloat16))

/* The look that sin and cos take at their angles, see core/cpu_trig.c: bits of floats are ordered like floats. */
static bool
any_large(const float *x, int64_t n)
{
    int32_t large = 0;
    VECTORIZE for (int64_t i = 0; i < n; i++)
        large |= (int32_t)(bits_f(x[i]) & 0x7fffffffu) >= 0x4f000000;
    return large != 0;
}

/* ---- the table ---- */
static const GuardEntry guards[] = {
#define GUARD_INT(row) \
    {OP_##row, DTYPE_UINT8, row##_guard_u8}, {OP_##row, DTYPE_INT8, row##_guard_i8}, \
    {OP_##row, DTYPE_INT16, row##_guard_i16}, {OP_##row, DTYPE_INT32, row##_guard_i32}, \
    {OP_##row, DTYPE_INT64, row##_guard_i64},
#define GUARD(row, class, condition, exception, text) GUARD_##class(row)
#include "abi/ops.def"
};

#define LENGTH(array) (int)(sizeof(array) / sizeof(array[0]))

const Kernels ISA_NAME(kernels) = {
    .name = ISA_TEXT,
    .entries = {[DTYPE_BOOL] = entries_b, [DTYPE_UINT8] = entries_u8, [DTYPE_INT8] = entries_i8,
                [DTYPE_INT16] = entries_i16, [DTYPE_INT32] = entries_i32, [DTYPE_INT64] = entries_i64,
                [DTYPE_FLOAT] = entries_f, [DTYPE_DOUBLE] = entries_d},
    .n_entries = {[DTYPE_BOOL] = LENGTH(entries_b), [DTYPE_UINT8] = LENGTH(entries_u8),
                  [DTYPE_INT8] = LENGTH(entries_i8), [DTYPE_INT16] = LENGTH(entries_i16),
                  [DTYPE_INT32] = LENGTH(entries_i32), [DTYPE_INT64] = LENGTH(entries_i64),
                  [DTYPE_FLOAT] = LENGTH(entries_f), [DTYPE_DOUBLE] = LENGTH(entries_d)},
    .guards = guards,
    .n_guards = LENGTH(guards),
    .cast = {[DTYPE_BOOL] = CAST_ROW(b), [DTYPE_UINT8] = CAST_ROW(u8), [DTYPE_INT8] = CAST_ROW(i8),
             [DTYPE_INT16] = CAST_ROW(i16), [DTYPE_INT32] = CAST_ROW(i32), [DTYPE_INT64] = CAST_ROW(i64),
             [DTYPE_FLOAT] = CAST_ROW(f), [DTYPE_DOUBLE] = CAST_ROW(d)},
    .any_large = any_large,
    .half_load = {f16_load, bf16_load},
    .half_store = {f16_store, bf16_store},
    .sort_keys = ISA_NAME(sort_keys),
    .key_at_place = ISA_NAME(key_at_place),
    .copy_strided = ISA_NAME(copy_strided),
    .interleave = ISA_NAME(interleave),
    .indices_inside = ISA_NAME(indices_inside),
    .index_extremes = ISA_NAME(index_extremes),
    .gemm = &ISA_NAME(gemm_kernels),
    .random = &ISA_NAME(random_kernels),
    .reduce = &ISA_NAME(reduce_kernels),
    .scan = &ISA_NAME(scan_kernels),
    .softmax = &ISA_NAME(softmax_kernels),
    .optim = &ISA_NAME(optim_kernels),
};
