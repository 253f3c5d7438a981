/* Running sums, products and extremes over adjacent columns.  Sums of floats run in double and are rounded where they
 * are written, as PyTorch's are on the CPU. */
#include "abi/scan.h"

#include "abi/formula.h"

#define ARGS const char *in, char *out, int64_t *indices, int64_t n, int64_t stride, int64_t m

/* acc: of type A; v: the next element. */
#define SCAN(name, S, T, A, start, step) \
    static void name##_##S(ARGS) \
    { \
        A accs[SCAN_TILE]; \
        const T *x = (const T *)in; \
        T *y = (T *)out; \
        (void)indices; \
        if (m == 1) { \
            A acc = start; \
            for (int64_t i = 0; i < n; i++, x += stride, y += stride) { \
                const A v = (A)*x; \
                acc = step; \
                *y = (T)acc; \
            } \
            return; \
        } \
        for (int64_t j = 0; j < m; j++) \
            accs[j] = start; \
        for (int64_t i = 0; i < n; i++, x += stride, y += stride) \
            for (int64_t j = 0; j < m; j++) { \
                const A acc = accs[j], v = (A)x[j]; \
                accs[j] = step; \
                y[j] = (T)accs[j]; \
            } \
    }

/* NaN is extreme and stays.  Of a single row LOOK elements are looked at together: most often none is taken. */
enum { LOOK = 32 };
#define SCAN_EXTREME(name, S, T, better) \
    static void name##_row_##S(const T *x, T *y, int64_t *indices, int64_t n) \
    { \
        T acc = x[0]; \
        int64_t at = 0; \
        for (int64_t i = 0; i < n; i += LOOK) { \
            const int64_t m = n - i < LOOK ? n - i : LOOK; \
            int taken = m < LOOK; \
            if (!taken) \
                for (int k = 0; k < LOOK; k++) { \
                    const T v = x[i + k]; \
                    taken |= (v != v) | (better); \
                } \
            if (!taken) { \
                for (int k = 0; k < LOOK; k++) \
                    y[i + k] = acc; \
                for (int k = 0; k < LOOK; k++) \
                    indices[i + k] = at; \
                continue; \
            } \
            for (int64_t k = i; k < i + m; k++) { \
                const T v = x[k]; \
                const bool take = v != v || (acc == acc && (better)); \
                y[k] = acc = take ? v : acc; \
                indices[k] = at = take ? k : at; \
            } \
        } \
    } \
    static void name##_##S(ARGS) \
    { \
        T best[SCAN_TILE]; \
        int64_t at[SCAN_TILE]; \
        const T *x = (const T *)in; \
        T *y = (T *)out; \
        if (m == 1 && stride == 1) { \
            name##_row_##S(x, y, indices, n); \
            return; \
        } \
        for (int64_t j = 0; j < m; j++) { \
            best[j] = x[j]; \
            at[j] = 0; \
        } \
        for (int64_t i = 0; i < n; i++, x += stride, y += stride, indices += stride) \
            for (int64_t j = 0; j < m; j++) { \
                const T v = x[j], acc = best[j]; \
                const bool take = v != v || (acc == acc && (better)); \
                best[j] = y[j] = take ? v : acc; \
                at[j] = indices[j] = take ? i : at[j]; \
            } \
    }

#define SCANS(S, T, A) \
    SCAN(cumsum, S, T, A, 0, acc + v) \
    SCAN(cumprod, S, T, A, 1, acc * v) \
    SCAN_EXTREME(cummax, S, T, v >= acc) \
    SCAN_EXTREME(cummin, S, T, v <= acc)
SCANS(i64, int64_t, int64_t)
SCANS(f, float, double)
SCANS(d, double, double)
SCAN(logcumsumexp, f, float, double, (double)-INFINITY, logaddexp_d(acc, v))
SCAN(logcumsumexp, d, double, double, (double)-INFINITY, logaddexp_d(acc, v))

/* A row's sums by fours, of which only the last waits for the sum so far: an addition takes longer than all else here. */
static void
cumsum_row_or_columns_f(ARGS)
{
    const float *x = (const float *)in;
    float *y = (float *)out;
    double acc = 0;
    int64_t i = 0;
    if (m > 1 || stride > 1) {
        cumsum_f(in, out, indices, n, stride, m);
        return;
    }
    for (; i + 4 <= n; i += 4) {
        const double a = (double)x[i], b = a + (double)x[i + 1], c = b + (double)x[i + 2], d = c + (double)x[i + 3];
        y[i] = (float)(acc + a);
        y[i + 1] = (float)(acc + b);
        y[i + 2] = (float)(acc + c);
        y[i + 3] = (float)(acc += d);
    }
    for (; i < n; i++)
        y[i] = (float)(acc += (double)x[i]);
}

#define ENTRY(name) {[DTYPE_INT64] = name##_i64, [DTYPE_FLOAT] = name##_f, [DTYPE_DOUBLE] = name##_d}
const ScanKernels ISA_NAME(scan_kernels) = {
    .loop = {[SCAN_SUM] = {[DTYPE_INT64] = cumsum_i64, [DTYPE_FLOAT] = cumsum_row_or_columns_f,
                           [DTYPE_DOUBLE] = cumsum_d},
             [SCAN_PROD] = ENTRY(cumprod), [SCAN_MAX] = ENTRY(cummax), [SCAN_MIN] = ENTRY(cummin),
             [SCAN_LOGSUMEXP] = {[DTYPE_FLOAT] = logcumsumexp_f, [DTYPE_DOUBLE] = logcumsumexp_d}},
};
