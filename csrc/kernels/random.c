/* Drawing random numbers: the mt19937 block step, and one fill kernel per distribution.  Seeding is in
 * core/random.c.
 *
 * Every build (baseline, AVX2, AVX-512; any compiler) must give the same bits as PyTorch's AVX2 build, hence:
 *   - compile this file with -ffp-contract=off; where PyTorch's compiler fuses a multiply and an add,
 *     fmaf/fma is written out, and where it does not, nothing is fused;
 *   - the float normals use the single-precision Cephes polynomials for log, sin and cos (S. Moshier), as
 *     PyTorch does; everything in double uses libm, as PyTorch does.
 * Kernels take words from the engine in pieces of at most BLOCK and transform a piece at a time in loops that
 * the compiler vectorises. */
#include "abi/random.h"

#include <math.h>
#include <string.h>

/* Words per piece: a multiple of 32, so that a piece holds whole blocks of 16 floats or 16 doubles. */
enum { BLOCK = 608 };

#define INLINE static inline __attribute__((always_inline))
#define PI 3.14159265358979323846

/* ---- the engine ---------------------------------------------------------------------------------------- */

static inline uint32_t twist(uint32_t u, uint32_t v)
{
    return (((u & 0x80000000u) | (v & 0x7fffffffu)) >> 1) ^ (-(v & 1u) & 0x9908b0dfu);
}

static inline uint32_t temper(uint32_t y)
{
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* In place, and vectorised all the same: a step reads one word and 397 words ahead, which are still old, and
 * 227 behind, which no vector reaches. */
static void refill(Generator *g)
{
    enum { N = MT19937_N, M = MT19937_M };
    uint32_t *s = g->state;
    for (int i = 0; i < N - M; i++) {
        s[i] = s[i + M] ^ twist(s[i], s[i + 1]);
    }
    for (int i = N - M; i < N - 1; i++) {
        s[i] = s[i + M - N] ^ twist(s[i], s[i + 1]);
    }
    s[N - 1] = s[M - 1] ^ twist(s[N - 1], s[0]);
    g->next = 0;
    g->left = N + 1;
}

static void words(Generator *g, uint32_t *restrict out, int64_t n)
{
    while (n > 0) {
        if (g->left == 1) {
            refill(g);
        }
        int k = n < g->left - 1 ? (int)n : g->left - 1;
        const uint32_t *s = g->state + g->next;
        for (int i = 0; i < k; i++) {
            out[i] = temper(s[i]);
        }
        g->next += (uint32_t)k;
        g->left -= k;
        out += k;
        n -= k;
    }
}

/* The first word drawn is the high half. */
static inline uint64_t join(const uint32_t *w)
{
    return (uint64_t)w[0] << 32 | w[1];
}

static inline int piece(int64_t n, int limit)
{
    return n < limit ? (int)n : limit;
}

/* ---- float arithmetic with one rounding ---------------------------------------------------------------- */

#if defined(__FMA__) || defined(__aarch64__)
static inline float fma_f32(float a, float b, float c)
{
    return fmaf(a, b, c);
}
#else
/* fmaf without the instruction: the product of two floats is exact in double; the sum is rounded to odd (if
 * inexact, its last bit is set), after which rounding to float equals a single rounding (Boldo and Melquiond,
 * 2008). */
static inline float fma_f32(float a, float b, float c)
{
    double p = (double)a * (double)b, d = (double)c;
    double sum = p + d;
    double d_part = sum - p;
    double error = (p - (sum - d_part)) + (d - d_part);
    int64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    int64_t even = -(~bits & 1);
    int64_t step = (sum < 0.0) == (error < 0.0) ? 1 : -1;
    bits += error != 0.0 ? step & even : 0;
    memcpy(&sum, &bits, sizeof sum);
    return (float)sum;
}
#endif

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Natural logarithm of a normal x > 0 (Cephes logf). */
static inline float log_f32(float x)
{
    uint32_t bits = bits_of(x);
    float e = (float)((int32_t)(bits >> 23) - 126);
    float m = float_of((bits & 0x7fffffu) | 0x3f000000u);
    bool low = m < 0.707106781186547524f;
    e -= low ? 1.0f : 0.0f;
    m = (m - 1.0f) + (low ? m : 0.0f);
    float z = m * m;
    float y = 7.0376836292E-2f;
    y = fma_f32(y, m, -1.1514610310E-1f);
    y = fma_f32(y, m, 1.1676998740E-1f);
    y = fma_f32(y, m, -1.2420140846E-1f);
    y = fma_f32(y, m, 1.4249322787E-1f);
    y = fma_f32(y, m, -1.6668057665E-1f);
    y = fma_f32(y, m, 2.0000714765E-1f);
    y = fma_f32(y, m, -2.4999993993E-1f);
    y = fma_f32(y, m, 3.3333331174E-1f);
    y = fma_f32(y * m, z, e * -2.12194440e-4f);
    y = fma_f32(z, -0.5f, y);
    return fma_f32(e, 0.693359375f, m + y);
}

/* Sine and cosine of 0 <= x < 8192 (Cephes sinf, cosf): pi/4 is subtracted in three parts, then each octant
 * takes one of two polynomials. */
static inline void sincos_f32(float x, float *sine, float *cosine)
{
    int32_t j = ((int32_t)(x * 1.27323954473516f) + 1) & ~1;
    float y = (float)j;
    x = fma_f32(y, -0.78515625f, x);
    x = fma_f32(y, -2.4187564849853515625e-4f, x);
    x = fma_f32(y, -3.77489497744594108e-8f, x);
    float z = x * x;

    float c = 2.443315711809948E-005f;
    c = fma_f32(c, z, -1.388731625493765E-003f);
    c = fma_f32(c, z, 4.166664568298827E-002f);
    c = fma_f32(c * z, z, z * -0.5f) + 1.0f;

    float s = -1.9515295891E-4f;
    s = fma_f32(s, z, 8.3321608736E-3f);
    s = fma_f32(s, z, -1.6666654611E-1f);
    s = fma_f32(s * z, x, x);

    uint32_t sign_sine = ((uint32_t)j & 4) << 29;
    uint32_t sign_cosine = (~((uint32_t)j - 2) & 4) << 29;
    bool swap = (j & 2) != 0;
    *sine = float_of(bits_of(swap ? c : s) ^ sign_sine);
    *cosine = float_of(bits_of(swap ? s : c) ^ sign_cosine);
}

/* ---- float16 and bfloat16, rounding to nearest even ---------------------------------------------------- */

static inline uint16_t to_bf16(float x)
{
    uint32_t bits = bits_of(x);
    return x != x ? 0x7fc0 : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline uint16_t to_f16(float x)
{
    uint32_t bits = bits_of(x);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    uint32_t half;
    if (magnitude >= 0x47800000) {    /* 2**16 and above, infinity, NaN */
        half = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;
    } else if (magnitude < 0x38800000) {  /* subnormal: adding 0.5 aligns its last bit with a float's */
        half = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000;
    } else {
        half = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    }
    return (uint16_t)(sign | half);
}

/* ---- uniform ------------------------------------------------------------------------------------------- */

/* The low 24 bits of a word, times 2**-24. */
static inline float unit_f32(uint32_t word)
{
    return (float)(int32_t)(word & 0xffffff) * 0x1p-24f;
}

/* The low 53 bits of two words, times 2**-53, from parts that convert exactly: AVX2 converts no 64-bit
 * integers. */
static inline double unit_f64(const uint32_t *w)
{
    double high = (double)(int32_t)(w[0] & 0x1fffff);
    double low = (double)(int32_t)(w[1] ^ 0x80000000u) + 0x1p31;
    return (high * 0x1p32 + low) * 0x1p-53;
}

static double next_double(Generator *g)
{
    uint32_t w[2];
    words(g, w, 2);
    return unit_f64(w);
}

/* Rounding may reach `to`, which the interval excludes. */
static void uniform_f32(Generator *g, float *out, int64_t n, double from_, double to_)
{
    uint32_t w[BLOCK];
    float from = (float)from_, to = (float)to_, range = to - from;
    while (n > 0) {
        int k = piece(n, BLOCK);
        words(g, w, k);
        for (int i = 0; i < k; i++) {
            float x = fma_f32(unit_f32(w[i]), range, from);
            out[i] = x == to ? from : x;
        }
        out += k;
        n -= k;
    }
}

static void uniform_f64(Generator *g, double *out, int64_t n, double from, double to)
{
    uint32_t w[BLOCK];
    double range = to - from;
    while (n > 0) {
        int k = piece(n, BLOCK / 2);
        words(g, w, 2 * k);
        for (int i = 0; i < k; i++) {
            double x = fma(unit_f64(w + 2 * i), range, from);
            out[i] = x == to ? from : x;
        }
        out += k;
        n -= k;
    }
}

/* Inlined into both callers, so that the conversion becomes part of a vector loop. */
INLINE void uniform_16(Generator *g, uint16_t *out, int64_t n, double from, double to,
                       uint16_t (*convert)(float))
{
    uint32_t w[BLOCK];
    float start = (float)from, range = (float)to - (float)from;
    uint16_t end_bits = convert((float)to), start_bits = convert((float)from);
    while (n > 0) {
        int k = piece(n, BLOCK);
        words(g, w, k);
        for (int i = 0; i < k; i++) {
            uint16_t x = convert(fma_f32(unit_f32(w[i]), range, start));
            out[i] = x == end_bits ? start_bits : x;
        }
        out += k;
        n -= k;
    }
}

static void uniform_f16(Generator *g, uint16_t *out, int64_t n, double from, double to)
{
    uniform_16(g, out, n, from, to, to_f16);
}

static void uniform_bf16(Generator *g, uint16_t *out, int64_t n, double from, double to)
{
    uniform_16(g, out, n, from, to, to_bf16);
}

/* ---- normal -------------------------------------------------------------------------------------------- */

/* A Box-Muller pair from two uniforms; the sine waits in the generator, with mean 0 and std 1. */
static double next_normal(Generator *g)
{
    if (g->has_normal) {
        g->has_normal = false;
        return g->normal;
    }
    double u1 = next_double(g);
    double u2 = next_double(g);
    double radius = sqrt(-2.0 * log1p(-u2));
    double theta = 2.0 * PI * u1;
    g->normal = radius * sin(theta);
    g->has_normal = true;
    return radius * cos(theta);
}

static void normal_serial(Generator *g, double *out, int64_t n, double mean, double std)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = fma(next_normal(g), std, mean);
    }
}

/* Uniforms to normals in place, n a multiple of 16 and at most BLOCK: in every 16, element j and j + 8 are a
 * pair.  Radius and angle are gathered first, so that the long loop in the middle runs over full vectors. */
static void box_muller_f32(float *x, int n, float mean, float std)
{
    float radius[BLOCK / 2], cosine[BLOCK / 2], sine[BLOCK / 2];
    for (int i = 0; i < n / 2; i += 8) {
        memcpy(radius + i, x + 2 * i, 8 * sizeof(float));
        memcpy(sine + i, x + 2 * i + 8, 8 * sizeof(float));
    }
    for (int i = 0; i < n / 2; i++) {
        float r = sqrtf(-2.0f * log_f32(1.0f - radius[i]));
        float s, c;
        sincos_f32(6.28318530717958648f * sine[i], &s, &c);
        cosine[i] = fma_f32(r * c, std, mean);
        sine[i] = fma_f32(r * s, std, mean);
    }
    for (int i = 0; i < n / 2; i += 8) {
        memcpy(x + 2 * i, cosine + i, 8 * sizeof(float));
        memcpy(x + 2 * i + 8, sine + i, 8 * sizeof(float));
    }
}

static void box_muller_f64(double *x, int n, double mean, double std)
{
    for (int i = 0; i < n; i += 16) {
        for (int j = i; j < i + 8; j++) {
            double radius = sqrt(-2.0 * log(1.0 - x[j]));
            double theta = 2.0 * PI * x[j + 8];
            x[j] = fma(radius * cos(theta), std, mean);
            x[j + 8] = fma(radius * sin(theta), std, mean);
        }
    }
}

/* When n is no multiple of 16 the rest is drawn and dropped, and the last 16 elements are drawn anew. */
static void normal_f32(Generator *g, float *out, int64_t n, double mean, double std)
{
    if (n < 16) {
        for (int64_t i = 0; i < n; i++) {
            out[i] = (float)fma(next_normal(g), std, mean);
        }
        return;
    }
    for (int64_t i = 0; i < n; i += BLOCK) {
        int k = piece(n - i, BLOCK);
        uniform_f32(g, out + i, k, 0.0, 1.0);
        box_muller_f32(out + i, k & ~15, (float)mean, (float)std);
    }
    if (n % 16 != 0) {
        uniform_f32(g, out + n - 16, 16, 0.0, 1.0);
        box_muller_f32(out + n - 16, 16, (float)mean, (float)std);
    }
}

static void normal_f64(Generator *g, double *out, int64_t n, double mean, double std)
{
    if (n < 16) {
        normal_serial(g, out, n, mean, std);
        return;
    }
    for (int64_t i = 0; i < n; i += BLOCK) {
        int k = piece(n - i, BLOCK);
        uniform_f64(g, out + i, k, 0.0, 1.0);
        box_muller_f64(out + i, k & ~15, mean, std);
    }
    if (n % 16 != 0) {
        uniform_f64(g, out + n - 16, 16, 0.0, 1.0);
        box_muller_f64(out + n - 16, 16, mean, std);
    }
}

/* Unlike normal_f32 this draws nothing for the rest before it draws the last 16 anew. */
INLINE void normal_16(Generator *g, uint16_t *out, int64_t n, double mean, double std,
                      uint16_t (*convert)(float))
{
    if (n < 16) {
        for (int64_t i = 0; i < n; i++) {
            out[i] = convert((float)fma(next_normal(g), std, mean));
        }
        return;
    }
    float x[BLOCK];
    for (int64_t i = 0; i < n;) {
        int k = piece(n - i, BLOCK) & ~15;
        if (k == 0) {
            i = n - 16;
            k = 16;
        }
        uniform_f32(g, x, k, 0.0, 1.0);
        box_muller_f32(x, k, (float)mean, (float)std);
        for (int j = 0; j < k; j++) {
            out[i + j] = convert(x[j]);
        }
        i += k;
    }
}

static void normal_f16(Generator *g, uint16_t *out, int64_t n, double mean, double std)
{
    normal_16(g, out, n, mean, std, to_f16);
}

static void normal_bf16(Generator *g, uint16_t *out, int64_t n, double mean, double std)
{
    normal_16(g, out, n, mean, std, to_bf16);
}

/* ---- bernoulli ----------------------------------------------------------------------------------------- */

/* u < p for u = k 2**-53 is k < ceil(p 2**53) in whole numbers. */
#define BERNOULLI(SIZE)                                                                                     \
    static void bernoulli_##SIZE(Generator *g, uint##SIZE##_t *out, int64_t n, double p, uint##SIZE##_t one) \
    {                                                                                                       \
        uint32_t w[BLOCK];                                                                                  \
        int64_t threshold = (int64_t)ceil(p * 0x1p53);                                                      \
        while (n > 0) {                                                                                     \
            int k = piece(n, BLOCK / 2);                                                                    \
            words(g, w, 2 * k);                                                                             \
            for (int i = 0; i < k; i++) {                                                                   \
                int64_t draw = (int64_t)(join(w + 2 * i) & ((1ull << 53) - 1));                             \
                out[i] = draw < threshold ? one : 0;                                                        \
            }                                                                                               \
            out += k;                                                                                       \
            n -= k;                                                                                         \
        }                                                                                                   \
    }

BERNOULLI(8)
BERNOULLI(16)
BERNOULLI(32)
BERNOULLI(64)

static void bernoulli_p_f32(Generator *g, const float *p, uint8_t *out, int64_t n)
{
    uint32_t w[BLOCK];
    while (n > 0) {
        int k = piece(n, BLOCK);
        words(g, w, k);
        for (int i = 0; i < k; i++) {
            out[i] = unit_f32(w[i]) < p[i];
        }
        p += k;
        out += k;
        n -= k;
    }
}

static void bernoulli_p_f64(Generator *g, const double *p, uint8_t *out, int64_t n)
{
    uint32_t w[BLOCK];
    while (n > 0) {
        int k = piece(n, BLOCK / 2);
        words(g, w, 2 * k);
        for (int i = 0; i < k; i++) {
            out[i] = unit_f64(w + 2 * i) < p[i];
        }
        p += k;
        out += k;
        n -= k;
    }
}

/* ---- integers ------------------------------------------------------------------------------------------ */

/* No rejection: PyTorch accepts the bias of the remainder.  Sums wrap, as base + 2**63 may be meant to. */
static void remainders(Generator *g, int64_t *out, int64_t n, uint64_t modulus, uint64_t base, bool wide)
{
    uint32_t w[BLOCK];
    int per = wide ? 2 : 1;
    while (n > 0) {
        int k = piece(n, BLOCK / per);
        words(g, w, k * per);
        if (!wide) {
            for (int i = 0; i < k; i++) {
                out[i] = (int64_t)(w[i] % (uint32_t)modulus + base);
            }
        } else {
            for (int i = 0; i < k; i++) {
                uint64_t draw = join(w + 2 * i);
                out[i] = (int64_t)((modulus == 0 ? draw : draw % modulus) + base);
            }
        }
        out += k;
        n -= k;
    }
}

static void random_from_to(Generator *g, int64_t *out, int64_t n, uint64_t range, int64_t base)
{
    remainders(g, out, n, range, (uint64_t)base, range == 0 || range >= 1u << 28);
}

static void random_modulus(Generator *g, int64_t *out, int64_t n, uint64_t modulus, bool wide)
{
    remainders(g, out, n, modulus, 0, wide);
}

/* Inside-out shuffle on 64-bit draws, for lengths where the bias of a 32-bit remainder would show. */
static void randperm_large(Generator *g, int64_t *out, int64_t n)
{
    uint32_t w[2];
    for (int64_t i = 0; i < n; i++) {
        words(g, w, 2);
        int64_t j = (int64_t)(join(w) % (uint64_t)(i + 1));
        out[i] = i;
        out[i] = out[j];
        out[j] = i;
    }
}

static void randperm(Generator *g, int64_t *out, int64_t n)
{
    if (n >= UINT32_MAX / 20) {
        randperm_large(g, out, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] = i;
    }
    uint32_t w[BLOCK];
    for (int64_t i = 0; i < n - 1;) {
        int k = piece(n - 1 - i, BLOCK);
        words(g, w, k);
        for (int j = 0; j < k; j++, i++) {
            int64_t other = i + w[j] % (uint32_t)(n - i);
            int64_t value = out[i];
            out[i] = out[other];
            out[other] = value;
        }
    }
}

/* ---- distributions that PyTorch draws in double -------------------------------------------------------- */

static void exponential(Generator *g, double *out, int64_t n, double lambda)
{
    uniform_f64(g, out, n, 0.0, 1.0);
    for (int64_t i = 0; i < n; i++) {
        out[i] = -1.0 / lambda * log1p(-out[i]);
    }
}

static void geometric(Generator *g, double *out, int64_t n, double p)
{
    double scale = log1p(-p);
    uniform_f64(g, out, n, 0.0, 1.0);
    for (int64_t i = 0; i < n; i++) {
        out[i] = ceil(log(out[i]) / scale);
    }
}

static void log_normal(Generator *g, double *out, int64_t n, double mean, double std)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = exp(fma(next_normal(g), std, mean));
    }
}

static void cauchy(Generator *g, double *out, int64_t n, double median, double sigma)
{
    uniform_f64(g, out, n, 0.0, 1.0);
    for (int64_t i = 0; i < n; i++) {
        out[i] = fma(sigma, tan(PI * (out[i] - 0.5)), median);
    }
}

/* Rates below 10: multiply uniforms until the product falls below exp(-rate). */
static double poisson_by_product(Generator *g, double rate)
{
    double limit = exp(-rate), product = 1.0;
    for (int64_t k = 0;; k++) {
        product *= next_double(g);
        if (!(product > limit)) {
            return (double)k;
        }
    }
}

/* Transformed rejection with squeeze, PTRS (W. Hoermann, 1993). */
static double poisson_by_rejection(Generator *g, double rate)
{
    double log_rate = log(rate);
    double b = 0.931 + 2.53 * sqrt(rate);
    double a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    double v_r = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = next_double(g) - 0.5;
        double v = next_double(g);
        double u_s = 0.5 - fabs(u);
        double k = floor((2 * a / u_s + b) * u + rate + 0.43);
        if (u_s >= 0.07 && v <= v_r) {
            return k;
        }
        if (k < 0 || (u_s < 0.013 && v > u_s)) {
            continue;
        }
        if (log(v) + log(inverse_alpha) - log(a / (u_s * u_s) + b) <= -rate + k * log_rate - lgamma(k + 1)) {
            return k;
        }
    }
}

static void poisson(Generator *g, const double *rate, double *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (rate[i] == 0) {
            out[i] = 0;
        } else {
            out[i] = rate[i] < 10 ? poisson_by_product(g, rate[i]) : poisson_by_rejection(g, rate[i]);
        }
    }
}

/* ---- multinomial --------------------------------------------------------------------------------------- */

/* The sums run left to right in the dtype of p, and are divided in it; doubles hold them exactly. */
#define CUMULATIVE(SUFFIX, T)                                                                              \
    static MultinomialStatus multinomial_cumulative_##SUFFIX(const T *p, double *cumulative, int64_t n)    \
    {                                                                                                      \
        T sum = 0;                                                                                         \
        for (int64_t i = 0; i < n; i++) {                                                                  \
            if (!(p[i] >= 0)) {                                                                            \
                return MULTINOMIAL_NEGATIVE;                                                               \
            }                                                                                              \
            if (isinf(p[i])) {                                                                             \
                return MULTINOMIAL_NOT_FINITE;                                                             \
            }                                                                                              \
            sum += p[i];                                                                                   \
            cumulative[i] = (double)sum;                                                                   \
        }                                                                                                  \
        if (!(sum > 0)) {                                                                                  \
            return MULTINOMIAL_ZERO_SUM;                                                                   \
        }                                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                                  \
            cumulative[i] = (double)((T)cumulative[i] / sum);                                              \
        }                                                                                                  \
        cumulative[n - 1] = 1.0;                                                                           \
        return MULTINOMIAL_OK;                                                                             \
    }

CUMULATIVE(f32, float)
CUMULATIVE(f64, double)

/* The first category whose cumulative probability is at least u. */
static void multinomial_search(const double *cumulative, int64_t n_categories, const double *u, int64_t *out,
                               int64_t n_samples)
{
    for (int64_t i = 0; i < n_samples; i++) {
        int64_t low = 0, high = n_categories;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (cumulative[middle] < u[i]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        out[i] = low;
    }
}

const RandomKernels ISA_NAME(random_kernels) = {
    .words = words,
    .uniform_f32 = uniform_f32,
    .uniform_f64 = uniform_f64,
    .uniform_f16 = uniform_f16,
    .uniform_bf16 = uniform_bf16,
    .normal_f32 = normal_f32,
    .normal_f64 = normal_f64,
    .normal_f16 = normal_f16,
    .normal_bf16 = normal_bf16,
    .normal_serial = normal_serial,
    .bernoulli_8 = bernoulli_8,
    .bernoulli_16 = bernoulli_16,
    .bernoulli_32 = bernoulli_32,
    .bernoulli_64 = bernoulli_64,
    .bernoulli_p_f32 = bernoulli_p_f32,
    .bernoulli_p_f64 = bernoulli_p_f64,
    .random_from_to = random_from_to,
    .random_modulus = random_modulus,
    .randperm = randperm,
    .exponential = exponential,
    .geometric = geometric,
    .log_normal = log_normal,
    .cauchy = cauchy,
    .poisson = poisson,
    .multinomial_cumulative_f32 = multinomial_cumulative_f32,
    .multinomial_cumulative_f64 = multinomial_cumulative_f64,
    .multinomial_search = multinomial_search,
};
