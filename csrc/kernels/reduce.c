/* Fold loops of every dtype, made from abi/folds.def by including reduce.inc once per element and lane type.  Which
 * elements belong to which result, threads and partial results are core/cpu_reduce.c's. */
#include <stddef.h>

#include "abi/formula.h"
#include "abi/half.h"
#include "abi/reduce.h"
#include "abi/formula_names.h"

#define FORMULA_SUFFIX S

#define JOIN2_(a, b) a##_##b
#define JOIN2(a, b) JOIN2_(a, b)

#if defined(__clang__)
#define VECTORIZE _Pragma("clang loop vectorize(assume_safety)")
#define PLAIN _Pragma("clang loop vectorize(disable) unroll(disable)")
#else
#define VECTORIZE _Pragma("GCC ivdep")
#define PLAIN _Pragma("GCC unroll 1")
#endif

/* DEPTH: rows folded in the lane type before they join the accumulator.  SHORT: runs that are not worth 64 lanes. */
enum { LANES = 64, DEPTH = 32, SHORT = 32, BLOCK = 2048 };

/* Integers have lanes as wide as their accumulators: one pass serves both kinds of row. */
#define T int64_t
#define L int64_t
#define A int64_t
#define S i64
#define IS_FLOAT 0
#define IN_LANE_T(...) __VA_ARGS__
#define IN_LANE_A(...) __VA_ARGS__
#include "kernels/reduce.inc"

#define T float
#define L float
#define A double
#define S f
#define IS_FLOAT 1
#define IN_LANE_T(...) __VA_ARGS__
#define IN_LANE_A(...)
#include "kernels/reduce.inc"

#define T float
#define L double
#define A double
#define S fd
#define IS_FLOAT 1
#define IN_LANE_T(...)
#define IN_LANE_A(...) __VA_ARGS__
#include "kernels/reduce.inc"

#define T double
#define L double
#define A double
#define S d
#define IS_FLOAT 1
#define IN_LANE_T(...) __VA_ARGS__
#define IN_LANE_A(...) __VA_ARGS__
#include "kernels/reduce.inc"

/* ---- elements of types that have no loops, as int64 or float ---- */
#define WIDEN(name, from_type, to_type, convert) \
    static void widen_##name(void *to, const char *from, int64_t n, int64_t stride) \
    { \
        to_type *y = to; \
        if (stride == (int64_t)sizeof(from_type)) { \
            for (int64_t i = 0; i < n; i++) \
                y[i] = convert(((const from_type *)from)[i]); \
        } else \
            PLAIN for (int64_t i = 0; i < n; i++) \
                y[i] = convert(*(const from_type *)(from + i * stride)); \
    }
WIDEN(b, bool, int64_t, )
WIDEN(u8, uint8_t, int64_t, )
WIDEN(i8, int8_t, int64_t, )
WIDEN(i16, int16_t, int64_t, )
WIDEN(i32, int32_t, int64_t, )
WIDEN(f16, uint16_t, float, f16_to_float)
WIDEN(bf16, uint16_t, float, bf16_to_float)

/* ---- where the extremes are ---- */
/* The index lanes are as wide as the elements, so that one mask serves both; a call has fewer than 2^31 rows. */
#define ARG_COLUMNS(S, T, I) \
    static inline __attribute__((always_inline)) void \
    arg_columns_##S(T *best, int64_t *index, const char *x, int64_t n, int64_t n_stride, int64_t m, int64_t first, \
                    const bool largest) \
    { \
        I found[REDUCE_TILE]; \
        for (int64_t j = 0; j < m; j++) \
            found[j] = -1; \
        for (int64_t i = 0; i < n; i++, x += n_stride) \
            VECTORIZE for (int64_t j = 0; j < m; j++) { \
                const T v = ((const T *)x)[j], b = best[j]; \
                const bool better = (largest ? v > b : v < b) | ((v != v) & (b == b)); \
                best[j] = better ? v : b; \
                found[j] = better ? (I)i : found[j]; \
            } \
        for (int64_t j = 0; j < m; j++) \
            index[j] = found[j] >= 0 ? first + (int64_t)found[j] : index[j]; \
    } \
    static void argmax_##S(void *best, int64_t *index, const char *x, int64_t n, int64_t n_stride, int64_t m, \
                           int64_t first) \
    { \
        arg_columns_##S(best, index, x, n, n_stride, m, first, true); \
    } \
    static void argmin_##S(void *best, int64_t *index, const char *x, int64_t n, int64_t n_stride, int64_t m, \
                           int64_t first) \
    { \
        arg_columns_##S(best, index, x, n, n_stride, m, first, false); \
    }
ARG_COLUMNS(i64, int64_t, int64_t)
ARG_COLUMNS(f, float, int32_t)
ARG_COLUMNS(d, double, int64_t)

#define LANE_T_FLOAT(name) name##_loop_f
#define LANE_A_FLOAT(name) name##_loop_fd
#define LOOPS_FLOAT(name, lane) [DTYPE_FLOAT] = LANE_##lane##_FLOAT(name), [DTYPE_DOUBLE] = name##_loop_d
#define LOOPS_ANY(name, lane) [DTYPE_INT64] = name##_loop_i64, LOOPS_FLOAT(name, lane)

const ReduceKernels ISA_NAME(reduce_kernels) = {
    .fold = {
#define FOLD(name, class, lane, ...) [FOLD_##name] = {LOOPS_##class(name, lane)},
#include "abi/folds.def"
    },
    .widen = {[DTYPE_BOOL] = widen_b, [DTYPE_UINT8] = widen_u8, [DTYPE_INT8] = widen_i8, [DTYPE_INT16] = widen_i16,
              [DTYPE_INT32] = widen_i32, [DTYPE_HALF] = widen_f16, [DTYPE_BF16] = widen_bf16},
    .arg = {{[DTYPE_INT64] = argmin_i64, [DTYPE_FLOAT] = argmin_f, [DTYPE_DOUBLE] = argmin_d},
            {[DTYPE_INT64] = argmax_i64, [DTYPE_FLOAT] = argmax_f, [DTYPE_DOUBLE] = argmax_d}},
};
