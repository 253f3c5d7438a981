/* Fold loops of every dtype, made from abi/folds.def by including reduce.inc once per element and lane type.  Which
 * elements belong to which result, threads and partial results are core/cpu_reduce.c's. */
#include <stddef.h>

#include "abi/convert.h"
#include "abi/formula.h"
#include "abi/half.h"
#include "abi/reduce.h"
#include "abi/formula_names.h"

#define FORMULA_SUFFIX S

#define JOIN2_(a, b) a##_##b
#define JOIN2(a, b) JOIN2_(a, b)

#if defined(__clang__)
#define VECTORIZE _Pragma("clang loop vectorize(assume_safety)")
#define TOGETHER VECTORIZE
#define PLAIN _Pragma("clang loop vectorize(disable) unroll(disable)")
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define VECTORIZE _Pragma("GCC ivdep")
/* Keeps a loop of constant length from being unrolled before it could be vectorised. */
#define TOGETHER _Pragma("omp simd")
#define PLAIN _Pragma("GCC unroll 1")
#define UNROLL _Pragma("GCC unroll 8")
#endif

#ifdef __AVX512F__
#define VECTOR_BYTES 64
#else
#define VECTOR_BYTES 32
#endif

/* DEPTH: rows folded in the lane type before they join the accumulator.  SHORT: runs that are not worth LANES lanes;
 * SIDE: those of a short run; ROWS: short runs that finish together.
 * NARROW: columns that are not worth a row of their own. */
enum { LANES = 32, DEPTH = 32, SHORT = 32, SIDE = 16, ROWS = 16, NARROW = 64, WIDE = 128, BLOCK = 2048 };

/* Integers have lanes as wide as their accumulators: one pass serves both kinds of row. */
#define T int64_t
#define L int64_t
#define A int64_t
#define S i64
#define IS_FLOAT 0
#define IN_LANE_T(...) __VA_ARGS__
#define IN_LANE_X(...) __VA_ARGS__
#define IN_LANE_A(...) __VA_ARGS__
#include "kernels/reduce.inc"

#define T float
#define L float
#define A double
#define S f
#define IS_FLOAT 1
#define IN_LANE_T(...) __VA_ARGS__
#define IN_LANE_X(...) __VA_ARGS__
#define IN_LANE_A(...)
#include "kernels/reduce.inc"

#define T float
#define L double
#define A double
#define S fd
#define IS_FLOAT 1
#define IN_LANE_T(...)
#define IN_LANE_X(...)
#define IN_LANE_A(...) __VA_ARGS__
#include "kernels/reduce.inc"

#define T double
#define L double
#define A double
#define S d
#define IS_FLOAT 1
#define IN_LANE_T(...) __VA_ARGS__
#define IN_LANE_X(...) __VA_ARGS__
#define IN_LANE_A(...) __VA_ARGS__
#include "kernels/reduce.inc"

/* ---- elements of types that have no loops, as int64 or float ---- */
#define WIDEN(name, from_type, to_type, convert, convert_dense) \
    static void widen_##name(void *to, const char *from, int64_t n, int64_t stride) \
    { \
        to_type *y = to; \
        if (stride == (int64_t)sizeof(from_type)) { \
            const from_type *x = (const from_type *)from; \
            convert_dense; \
        } else \
            PLAIN for (int64_t i = 0; i < n; i++) \
                y[i] = convert(*(const from_type *)(from + i * stride)); \
    }
#define EACH for (int64_t i = 0; i < n; i++) y[i] = x[i]
WIDEN(b, uint8_t, int64_t, TRUTH, for (int64_t i = 0; i < n; i++) y[i] = TRUTH(x[i]))
WIDEN(u8, uint8_t, int64_t, , EACH)
WIDEN(i8, int8_t, int64_t, , EACH)
WIDEN(i16, int16_t, int64_t, , EACH)
WIDEN(i32, int32_t, int64_t, , EACH)
WIDEN(f16, uint16_t, float, f16_to_float, ISA_NAME(half_to_float)(x, y, n))
WIDEN(bf16, uint16_t, float, bf16_to_float, ISA_NAME(bfloat16_to_float)(x, y, n))

/* ---- where the extremes are ---- */
/* IS_BETTER: NaN is extreme, and the first of equals stays.  The index lanes are as wide as the elements, so that one
 * mask serves both: a call has fewer than 2^31 rows. */
#define IS_BETTER(v, b) (((LARGEST) ? (v) > (b) : (v) < (b)) | (((v) != (v)) & ((b) == (b))))
#define TAKE(best, x) \
    { \
        const __typeof__(best) v = x, more = ((LARGEST) ? v > best : v < best) ? v : best; \
        best = v != v ? v : more; \
    }
#define TAKE_HALF(width) TOGETHER for (int j = 0; j < width; j++) TAKE(part[j], part[j + width])
#define ARG_LOOPS(name, T, I) \
    static void name##_columns(void *best_, int64_t *index, const char *x, int64_t n, int64_t n_stride, int64_t m, \
                               int64_t first) \
    { \
        T *best = best_; \
        I found[REDUCE_TILE]; \
        for (int64_t j = 0; j < m; j++) \
            found[j] = -1; \
        for (int64_t i = 0; i < n; i++, x += n_stride) \
            VECTORIZE for (int64_t j = 0; j < m; j++) { \
                const T v = ((const T *)x)[j], b = best[j]; \
                const bool better = IS_BETTER(v, b); \
                best[j] = better ? v : b; \
                found[j] = better ? (I)i : found[j]; \
            } \
        for (int64_t j = 0; j < m; j++) \
            index[j] = found[j] >= 0 ? first + (int64_t)found[j] : index[j]; \
    } \
    /* The extreme of a dense block, then, if it beats the best so far, the place of its first occurrence: where it is no \
     * NaN, there is none. */ \
    static void name##_block(T *best, int64_t *index, const T *x, int64_t n, int64_t first) \
    { \
        T part[LANES]; \
        for (int j = 0; j < LANES; j++) \
            part[j] = *best; \
        for (int64_t i = 0; i + LANES <= n; i += LANES) \
            VECTORIZE for (int j = 0; j < LANES; j++) \
                TAKE(part[j], x[i + j]) \
        PLAIN for (int64_t i = n / LANES * LANES; i < n; i++) \
            TAKE(part[0], x[i]) \
        TAKE_HALF(16) TAKE_HALF(8) TAKE_HALF(4) TAKE_HALF(2) TAKE_HALF(1) \
        const T top = part[0]; \
        if (!IS_BETTER(top, *best)) \
            return; \
        *best = top; \
        I at = (I)n; \
        VECTORIZE for (I i = 0; i < (I)n; i++) { \
            const I here = ((x[i] == top) | (x[i] != x[i])) ? i : (I)n; \
            at = here < at ? here : at; \
        } \
        *index = first + (int64_t)at; \
    } \
    static void name##_rows(void *best_, int64_t *index, const char *x, int64_t n, int64_t n_stride, int64_t m, \
                            int64_t m_stride, int64_t first) \
    { \
        T *best = best_; \
        for (int64_t j = 0; j < m; j++, x += m_stride) { \
            if (n_stride == (int64_t)sizeof(T) && n > SHORT) { \
                for (int64_t i = 0; i < n; i += BLOCK) \
                    name##_block(&best[j], &index[j], (const T *)x + i, n - i < BLOCK ? n - i : BLOCK, first + i); \
                continue; \
            } \
            T b = best[j]; \
            int64_t at = index[j]; \
            PLAIN for (int64_t i = 0; i < n; i++) { \
                const T v = *(const T *)(x + i * n_stride); \
                const bool better = IS_BETTER(v, b); \
                b = better ? v : b; \
                at = better ? first + i : at; \
            } \
            best[j] = b; \
            index[j] = at; \
        } \
    }
#define LARGEST 1
ARG_LOOPS(argmax_i64, int64_t, int64_t)
ARG_LOOPS(argmax_f, float, int32_t)
ARG_LOOPS(argmax_d, double, int64_t)
#undef LARGEST
#define LARGEST 0
ARG_LOOPS(argmin_i64, int64_t, int64_t)
ARG_LOOPS(argmin_f, float, int32_t)
ARG_LOOPS(argmin_d, double, int64_t)

#define LANE_T_FLOAT(name) name##_loop_f
#define LANE_X_FLOAT(name) name##_loop_f
#define LANE_A_FLOAT(name) name##_loop_fd
#define LOOPS_FLOAT(name, lane) [DTYPE_FLOAT] = LANE_##lane##_FLOAT(name), [DTYPE_DOUBLE] = name##_loop_d
#define LOOPS_ANY(name, lane) [DTYPE_INT64] = name##_loop_i64, LOOPS_FLOAT(name, lane)

#define ARG_ENTRIES(name, loop) \
    {[DTYPE_INT64] = name##_i64_##loop, [DTYPE_FLOAT] = name##_f_##loop, [DTYPE_DOUBLE] = name##_d_##loop}

const ReduceKernels ISA_NAME(reduce_kernels) = {
    .fold = {
#define FOLD(name, class, lane, ...) [FOLD_##name] = {LOOPS_##class(name, lane)},
#include "abi/folds.def"
    },
    .widen = {[DTYPE_BOOL] = widen_b, [DTYPE_UINT8] = widen_u8, [DTYPE_INT8] = widen_i8, [DTYPE_INT16] = widen_i16,
              [DTYPE_INT32] = widen_i32, [DTYPE_HALF] = widen_f16, [DTYPE_BF16] = widen_bf16},
    .add_rows = {[DTYPE_HALF] = ISA_NAME(half_add_rows), [DTYPE_BF16] = ISA_NAME(bfloat16_add_rows)},
    .arg_columns = {ARG_ENTRIES(argmin, columns), ARG_ENTRIES(argmax, columns)},
    .arg_rows = {ARG_ENTRIES(argmin, rows), ARG_ENTRIES(argmax, rows)},
};
