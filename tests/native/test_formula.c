/* abi/formula.h against the C library's double functions: the largest error in ULP per float function,
 * over a million floats of every size and a million near 0; special values of two-argument functions;
 * integer forms and conversions over all pairs of int8_t and the extremes of the wider types.  Prints a
 * line per function with its time per element, and fails where a limit is passed.  The loops are the ones that
 * matter: written as kernels are, vectorised by the compiler.  run.py builds it once per instruction set. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "abi/isa.h"
#include "abi/formula.h"

#define BLOCK 4096
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

static int failures;

typedef void (*Loop)(float *y, const float *a, const float *b);
typedef double (*Reference)(double a, double b);

/* ---- what is tested: name, arity, reference, limit in ULP, largest |x| */

#define HUGE_X 3.5e38
#define FUNCTIONS(F) \
    F(exp, 1, exp(x), 1.1, HUGE_X) \
    F(exp2, 1, exp2(x), 1.5, HUGE_X) \
    F(expm1, 1, expm1(x), 2, HUGE_X) \
    F(log, 1, log(x), 1, HUGE_X) \
    F(log2, 1, log2(x), 2, HUGE_X) \
    F(log10, 1, log10(x), 2, HUGE_X) \
    F(log1p, 1, log1p(x), 2, HUGE_X) \
    F(sin, 1, sin(x), 1.5, 0x1p31) \
    F(cos, 1, cos(x), 1.5, 0x1p31) \
    F(sin_mid, 1, sin(x), 1.5, 131071) \
    F(cos_mid, 1, cos(x), 1.5, 131071) \
    F(tan_mid, 1, tan(x), 3, 131071) \
    F(tan, 1, tan(x), 3, 0x1p31) \
    F(asin, 1, asin(x), 2, HUGE_X) \
    F(acos, 1, acos(x), 2, HUGE_X) \
    F(atan, 1, atan(x), 2, HUGE_X) \
    F(sinh, 1, sinh(x), 2, HUGE_X) \
    F(cosh, 1, cosh(x), 2, HUGE_X) \
    F(tanh, 1, tanh(x), 1.5, HUGE_X) \
    F(asinh, 1, asinh(x), 3, HUGE_X) \
    F(acosh, 1, acosh(x), 3, HUGE_X) \
    F(atanh, 1, atanh(x), 3, HUGE_X) \
    F(erf, 1, erf(x), 1.5, HUGE_X) \
    F(erfc, 1, erfc(x), 4, HUGE_X) \
    F(erfinv, 1, erfinv_d(x), 1, HUGE_X) \
    F(lgamma, 1, lgamma_d(x), 1, 1e30) \
    F(digamma, 1, digamma_d(x), 1, 1e6) \
    F(sqrt, 1, sqrt(x), 0.501, HUGE_X) \
    F(rsqrt, 1, 1 / sqrt(x), 1.5, HUGE_X) \
    F(reciprocal, 1, 1 / x, 0.501, HUGE_X) \
    F(sigmoid, 1, x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)), 2.5, HUGE_X) \
    F(logsigmoid, 1, (x < 0 ? x : 0) - log1p(exp(-fabs(x))), 3, HUGE_X) \
    F(softplus, 1, (x < 0 ? 0 : x) + log1p(exp(-fabs(x))), 3, HUGE_X) \
    F(floor, 1, floor(x), 0, HUGE_X) \
    F(ceil, 1, ceil(x), 0, HUGE_X) \
    F(round, 1, rint(x), 0, HUGE_X) \
    F(trunc, 1, trunc(x), 0, HUGE_X) \
    F(abs, 1, fabs(x), 0, HUGE_X) \
    F(pow, 2, pow(x, b), 1, HUGE_X) \
    F(atan2, 2, atan2(x, b), 3, HUGE_X) \
    F(hypot, 2, hypot(x, b), 0.6, HUGE_X) \
    F(fmod, 2, fmod(x, b), 0, HUGE_X) \
    F(copysign, 2, copysign(x, b), 0, HUGE_X)

#define ARGUMENTS1 a[i]
#define ARGUMENTS2 a[i], b[i]
#define DEFINE(name, arity, reference, limit, largest) \
    static __attribute__((noinline)) void loop_##name(float *y, const float *a, const float *b) \
    { \
        (void)b; \
        for (int i = 0; i < BLOCK; i++) \
            y[i] = name##_f(ARGUMENTS##arity); \
    } \
    static double reference_##name(double x, double b) \
    { \
        (void)b; \
        return reference; \
    }
FUNCTIONS(DEFINE)

static const struct Function {
    const char *name;
    int arity;
    Loop loop;
    Reference reference;
    double limit, largest;
} functions[] = {
#define ROW(name, arity, reference, limit, largest) \
    {#name, arity, loop_##name, reference_##name, limit, largest},
    FUNCTIONS(ROW)
#undef ROW
};

/* ---- measuring */

/* |y - exact| in units of the last place of a float near `exact`; infinite where the kind of result, its
 * sign or an exact zero's sign is wrong.  What exceeds every float counts as 2^128. */
static double ulp_error(float y, double exact)
{
    if (isnan(exact) || isnan(y))
        return isnan(exact) && isnan(y) ? 0 : (double)INFINITY;
    const bool signs_differ = !signbit(y) != !signbit(exact);
    if ((signs_differ && (y != 0 || exact == 0)) || (isinf(exact) && !isinf(y)) || (exact == 0 && y != 0))
        return (double)INFINITY;
    const double value = fmin(fabs((double)y), 0x1p128), wanted = fmin(fabs(exact), 0x1p128);
    const int exponent = wanted < 0x1p-126 ? -126 : ilogb(wanted);
    return fabs(value - wanted) / ldexp(1, exponent - 23);
}

static uint32_t random_state = 1;

static uint32_t random_bits(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state ^ random_state >> 15;
}

/* Block number `block` of the inputs: in the first half floats evenly spread over all bit patterns, then a
 * dense range around 0; second operands are random. */
static void fill(float *a, float *b, long block, long blocks)
{
    const uint32_t step = UINT32_MAX / (uint32_t)(blocks / 2 * BLOCK);
    for (int i = 0; i < BLOCK; i++) {
        const long n = block * BLOCK + i;
        const bool sparse = block < blocks / 2;
        a[i] = sparse ? from_bits_f((uint32_t)n * step) : -36 + 48 * (float)n / (float)(blocks * BLOCK);
        b[i] = sparse ? from_bits_f(random_bits() << 8 ^ random_bits()) : (float)random_bits() * 0x1p-28f - 8;
    }
}

static double nanoseconds(Loop loop, float *y, const float *a, const float *b)
{
    double best = 1e30;
    for (int run = 0; run < 20; run++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        loop(y, a, b);
        clock_gettime(CLOCK_MONOTONIC, &end);
        best = fmin(best, 1e9 * (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec));
    }
    return best / BLOCK;
}

static void test_function(const struct Function *f)
{
    static float a[BLOCK], b[BLOCK], y[BLOCK];
    const long blocks = f->arity == 1 ? 520 : 130;
    double worst = 0, worst_a = 0, worst_b = 0;
    for (long block = 0; block < blocks; block++) {
        fill(a, b, block, blocks);
        f->loop(y, a, b);
        for (int i = 0; i < BLOCK; i++) {
            const double error = ulp_error(y[i], f->reference((double)a[i], (double)b[i]));
            if (error > worst && !(fabs((double)a[i]) > f->largest)) {
                worst = error;
                worst_a = (double)a[i];
                worst_b = (double)b[i];
            }
        }
    }
    fill(a, b, blocks - 1, blocks);
    printf("%-12s %6.3f ULP of %.3g at %.9g", f->name, worst, f->limit, worst_a);
    if (f->arity == 2)
        printf(", %.9g", worst_b);
    printf(", %.2f ns\n", nanoseconds(f->loop, y, a, b));
    if (!(worst <= f->limit)) {
        printf("FAILED %s\n", f->name);
        failures++;
    }
}

/* ---- special values */

static const float specials[] = {
    0, -0.0f, 1, -1, 0.5f, -0.5f, 2, -2, 3, -3, 5.5f, -5.5f, 1e-45f, -1e-45f, 1e-39f, 3e38f, -3e38f,
    16777215, 0x1p24f, 0x1p25f, INFINITY, -INFINITY, NAN,
};
#define SPECIALS ((int)(sizeof specials / sizeof *specials))

static void check(bool right, const char *what, double a, double b)
{
    if (right)
        return;
    printf("FAILED %s(%.9g, %.9g)\n", what, a, b);
    failures++;
}

static void test_specials(void)
{
    for (unsigned k = 0; k < sizeof functions / sizeof *functions; k++) {
        const struct Function *f = &functions[k];
        for (int i = 0; i < SPECIALS * SPECIALS; i++) {
            static float a[BLOCK], b[BLOCK], y[BLOCK];
            a[0] = specials[i / SPECIALS];
            b[0] = specials[i % SPECIALS];
            f->loop(y, a, b);
            const double exact = f->reference((double)a[0], (double)b[0]);
            const bool inside = !(fabs((double)a[0]) > f->largest) || isinf(a[0]);
            check(!inside || ulp_error(y[0], exact) <= f->limit, f->name, (double)a[0], (double)b[0]);
        }
    }
}

/* PyTorch's results for a // b and a % b. */
static void test_float_division(void)
{
    static const float cases[][4] = {
        {1, 0.1f, 9, 0x1.999996p-4f}, {-1, 0.1f, -10, 0x1p-26f}, {5.5f, -2, -3, -0.5f}, {-5.5f, 2, -3, 0.5f},
        {7, 2, 3, 1}, {-0.0f, 1, -0.0f, -0.0f}, {0, -1, -0.0f, 0}, {-1, 1e30f, -1, 1e30f},
        {1, INFINITY, 0, 1}, {-1, INFINITY, -1, INFINITY}, {1, 0, INFINITY, NAN}, {-1, 0, -INFINITY, NAN},
        {0, 0, NAN, NAN}, {INFINITY, 2, NAN, NAN}, {NAN, 1, NAN, NAN},
        {3e38f, 0.1f, INFINITY, 0x1.460536p-4f}, {3e38f, 1e30f, 3e8f, 0x1.cb4ap94f},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const float a = cases[i][0], b = cases[i][1];
        check(ulp_error(div_floor_f(a, b), (double)cases[i][2]) == 0, "div_floor_f", (double)a, (double)b);
        check(ulp_error(remainder_f(a, b), (double)cases[i][3]) == 0, "remainder_f", (double)a, (double)b);
    }
}

static bool close_d(double y, double exact)
{
    return fabs(y - exact) <= 4e-16 * fabs(exact);
}

/* The functions of double that are not the C library's, against 30-digit values.  digamma is a sum of up
 * to eleven terms of size 1 and keeps their absolute error. */
static void test_double(void)
{
    static const double erfinv[][2] = {
        {0.5, 0.4769362762044699}, {-0.999, -2.3267537655135246}, {1e-9, 8.86226925452758e-10}, {0, 0},
    };
    static const double digamma[][2] = {
        {1, -0.5772156649015329}, {0.5, -1.9635100260214235}, {-2.5, 1.103156640645243},
        {40, 3.676327374034843},
    };
    static const double lgamma[][2] = {
        {10, 12.801827480081469}, {-2.5, -0.056243716497674054}, {1, 0}, {2, 0},
    };
    for (int i = 0; i < 4; i++) {
        check(close_d(erfinv_d(erfinv[i][0]), erfinv[i][1]), "erfinv_d", erfinv[i][0], 0);
        check(fabs(digamma_d(digamma[i][0]) - digamma[i][1]) < 1e-15, "digamma_d", digamma[i][0], 0);
        check(close_d(lgamma_d(lgamma[i][0]), lgamma[i][1]), "lgamma_d", lgamma[i][0], 0);
    }
    check(erfinv_d(-1) == (double)-INFINITY && isnan(erfinv_d(1.5)), "erfinv_d", -1, 1.5);
    check(digamma_d(-0.0) == (double)INFINITY && isnan(digamma_d(-1)), "digamma_d", -0.0, -1);
}

/* ---- the vectorised functions of double, against the C library's of long double where that is wider */

#define DOUBLES(F) \
    F(exp, 1) \
    F(expm1, 2) \
    F(log, 1) \
    F(log1p, 1.5) \
    F(exp2, 1.5) \
    F(log2, 2) \
    F(log10, 2) \
    F(asin, 2) \
    F(acos, 2) \
    F(atan, 2) \
    F(sinh, 2) \
    F(cosh, 2) \
    F(tanh, 3) \
    F(atanh, 3) \
    F(erf, 1.5)

#define LOOP_D(name, limit) \
    static __attribute__((noinline)) void loop_##name##_d(double *y, const double *x) \
    { \
        for (int i = 0; i < BLOCK; i++) \
            y[i] = name##_d(x[i]); \
    }
DOUBLES(LOOP_D)

static double ulp_error_d(double y, long double exact)
{
    const double wanted = (double)exact;
    if (isnan(wanted) || isnan(y))
        return isnan(wanted) && isnan(y) ? 0 : (double)INFINITY;
    if (isinf(wanted) || isinf(y) || wanted == 0)
        return y == wanted && !signbit(y) == !signbit(wanted) ? 0 : (double)INFINITY;
    const int exponent = fabsl(exact) < 0x1p-1022L ? -1022 : ilogbl(exact);
    return (double)(fabsl((long double)y - exact) / ldexpl(1, exponent - 52));
}

/* Every third block: all bit patterns, the range of exp, and the neighbourhood of 0. */
static void fill_d(double *x, int block)
{
    static const double special[] = {0.0, -0.0, 1, -1, (double)INFINITY, -(double)INFINITY, (double)NAN, 5e-324,
                                     0x1p-1022, 1e-310, 709.78, 709.79, -745.1, -745.2, -2, 1e308};
    for (int i = 0; i < BLOCK; i++) {
        const uint64_t bits = (uint64_t)random_bits() << 32 ^ (uint64_t)random_bits() << 12 ^ random_bits();
        const double unit = (double)(bits >> 11) * 0x1p-53 - 0.5;
        x[i] = block % 3 == 0 ? from_bits_d(bits) : block % 3 == 1 ? unit * 1500 : unit * 4;
    }
    if (block == 0)
        memcpy(x, special, sizeof special);
}

static void test_doubles(void)
{
    static double x[BLOCK], y[BLOCK];
    for (int block = 0; block < 300; block++) {
        fill_d(x, block);
#define CHECK_D(name, limit) \
        loop_##name##_d(y, x); \
        for (int i = 0; i < BLOCK; i++) \
            check(ulp_error_d(y[i], name##l((long double)x[i])) <= (limit), #name "_d", x[i], y[i]);
        DOUBLES(CHECK_D)
    }
}

/* Operands of any size, of about 1, and special ones in all pairs. */
static void test_pairs_of_doubles(void)
{
    static double a[BLOCK], b[BLOCK];
    for (int block = 0; block < 150; block++) {
        fill_d(a, block);
        fill_d(b, block % 2 == 0 ? block : 2);
        for (int i = 0; i < BLOCK; i++) {
            const double x = block == 0 ? a[i % 16] : a[i], y = block == 0 ? a[i / 16 % 16] : b[i];
            check(ulp_error_d(atan2_d(x, y), atan2l((long double)x, (long double)y)) <= 2, "atan2_d", x, y);
            check(ulp_error_d(hypot_d(x, y), hypotl((long double)x, (long double)y)) <= 1.25, "hypot_d", x, y);
        }
    }
}

#ifdef CT_FMA
/* All angles below TRIG_MID_D: any, and those next to where the sine or the cosine is zero. */
static void test_mid_angles(void)
{
    for (int i = 0; i < 200000; i++) {
        const double unit = (double)random_bits() * 0x1p-32, sign = i & 1 ? -1 : 1;
        const double step = (double)(i % 10430) * 1.5707963267948966;
        const double x = sign * (i % 3 == 0 ? unit * TRIG_MID_D : i % 3 == 1 ? step : from_bits_d(bits_d(step) + i % 7 - 3));
        if (!(fabs(x) < TRIG_MID_D))
            continue;
        check(ulp_error_d(sin_mid_d(x), sinl((long double)x)) <= 1.5, "sin_mid_d", x, sin_mid_d(x));
        check(ulp_error_d(cos_mid_d(x), cosl((long double)x)) <= 1.5, "cos_mid_d", x, cos_mid_d(x));
        check(ulp_error_d(tan_mid_d(x), tanl((long double)x)) <= 3, "tan_mid_d", x, tan_mid_d(x));
    }
}

static uint64_t square_root_modulo(uint64_t a, int bits)
{
    uint64_t root = 1;
    for (int bit = 3; bit < bits; bit++)
        if ((root * root ^ a) >> bit & 1)
            root += 1ull << (bit - 1);
    return root;
}

/* Every double in [1, 4) whose root is nearest to a middle m = M / 2^53 between two doubles: M^2 - a, for a small a, is
 * the double's words times 2^54, from 2 on times 2^55.  Odd squares are 1 modulo 8. */
static void test_hardest_square_roots(void)
{
    int made = 0;
    for (int a = -8191; a < 8192; a += 8)
        for (int bits = 54; bits <= 55; bits++)
            for (int form = 0; form < 4; form++) {
                const uint64_t root = square_root_modulo((uint64_t)(int64_t)a, bits), half = form & 2 ? 1ull << (bits - 1) : 0;
                const uint64_t m = ((form & 1 ? -root : root) + half) & ((1ull << bits) - 1);
                const unsigned __int128 words = (unsigned __int128)m * m - (unsigned __int128)(__int128)a;
                if (m < 1ull << 53 || m >= 1ull << 54 || (words >> 107 != 0) != (bits == 55))
                    continue;
                const double x = (double)(uint64_t)(words >> 54) * 0x1p-52;
                check((double)(uint64_t)(words >> 54) * 0x1p54 == (double)words, "words", x, (double)m);
                for (int k = -766; k < 768; k += 118)
                    check(sqrt_mid_d(ldexp(x, k)) == sqrt(ldexp(x, k)), "sqrt_mid_d", ldexp(x, k), sqrt_mid_d(ldexp(x, k)));
                made++;
            }
    check(made == 2931, "square roots", made, 0);
}
#endif

/* ---- the shorter forms, which give the bits of the whole ones where these are not special */

#define SAME_BITS(T, S, bits, whole, shorter, values, inside) \
    { \
        for (int i = 0; i < BLOCK; i++) { \
            const T x = values[i]; \
            values##_whole[i] = whole##_##S(x); \
            values##_shorter[i] = shorter##_##S(x); \
        } \
        for (int i = 0; i < BLOCK; i++) { \
            const T x = values[i]; \
            check(!(inside) || bits(values##_whole[i]) == bits(values##_shorter[i]), #shorter "_" #S, (double)x, 0); \
        } \
    }

static void test_shorter_forms(void)
{
    static float f[BLOCK], f_whole[BLOCK], f_shorter[BLOCK];
    static double d[BLOCK], d_whole[BLOCK], d_shorter[BLOCK];
    for (long block = 0; block < 300; block++) {
        fill(f, f_whole, block, 300);
        SAME_BITS(float, f, bits_f, exp, exp_mid, f, x > -EXP_MID_F && x < EXP_MID_F)
        SAME_BITS(float, f, bits_f, log, log_mid, f, x >= 0x1p-126f && x < INFINITY)
        SAME_BITS(float, f, bits_f, log2, log2_mid, f, x >= 0x1p-126f && x < INFINITY)
        SAME_BITS(float, f, bits_f, log10, log10_mid, f, x >= 0x1p-126f && x < INFINITY)
        fill_d(d, (int)block);
        SAME_BITS(double, d, bits_d, exp, exp_mid, d, x > -EXP_MID_D && x < EXP_MID_D)
        SAME_BITS(double, d, bits_d, log, log_mid, d, x >= 0x1p-1022 && x < (double)INFINITY)
        SAME_BITS(double, d, bits_d, log2, log2_mid, d, x >= 0x1p-1022 && x < (double)INFINITY)
        SAME_BITS(double, d, bits_d, log10, log10_mid, d, x >= 0x1p-1022 && x < (double)INFINITY)
#ifdef CT_FMA
        SAME_BITS(double, d, bits_d, sqrt, sqrt_mid, d, x >= 0x1p-767 && x < 0x1p769)
#endif
    }
}

#ifdef CT_FMA
/* Quotients next to whole numbers, where the rounded one may be too large, and any others. */
#define NEAR_QUOTIENTS(T, S, bits, from_bits, word, exponent, digits) \
    for (int i = 0; i < 400000; i++) { \
        const T b = from_bits((word)(exponent + i % 40) << digits | (random_word() & (((word)1 << digits) - 1))); \
        const T whole = b * (T)(random_word() >> (i % (digits + 1) + 8 * sizeof(word) - digits - 1)); \
        const T a = i % 3 == 0 ? from_bits((word)(exponent + i % 61) << digits | (random_word() & (((word)1 << digits) - 1))) \
                               : from_bits(bits(whole) + (word)(i % 5) - 2); \
        const T x = i & 1 ? a : -a, y = i & 2 ? b : -b; \
        if (is_far_##S(x, y) || !(a >= 0)) \
            continue; \
        check(bits(fmod_near_##S(x, y)) == bits(fmod_##S(x, y)), "fmod_near_" #S, (double)x, (double)y); \
        check(bits(remainder_near_##S(x, y)) == bits(remainder_##S(x, y)), "remainder_near_" #S, (double)x, (double)y); \
        check(bits(div_floor_near_##S(x, y)) == bits(div_floor_##S(x, y)), "div_floor_near_" #S, (double)x, (double)y); \
        compared++; \
    }

static uint64_t random_word(void)
{
    return (uint64_t)random_bits() << 32 ^ random_bits();
}

static void test_near_quotients(void)
{
    int compared = 0, compared_integers = 0;
    NEAR_QUOTIENTS(float, f, bits_f, from_bits_f, uint32_t, 100, 23)
    NEAR_QUOTIENTS(double, d, bits_d, from_bits_d, uint64_t, 1000, 52)
    check(compared > 400000, "quotients", compared, 0);
    for (int i = 0; i < 400000; i++) {
        const int64_t b = (int64_t)random_word() >> (i % 63), whole = b * ((int64_t)random_word() >> (12 + i % 51));
        const int64_t a = i % 3 == 0 ? (int64_t)random_word() >> (i % 61) : whole + i % 5 - 2;
        if (is_far_i64(a, b) || b == 0)
            continue;
        check(div_floor_near_i64(a, b) == div_floor_i64(a, b), "div_floor_near_i64", (double)a, (double)b);
        check(remainder_near_i64(a, b) == remainder_i64(a, b), "remainder_near_i64", (double)a, (double)b);
        compared_integers++;
    }
    check(compared_integers > 100000, "quotients of integers", compared_integers, 0);
    check(is_far_i64(1ll << 51, 1) && is_far_i64(1, INT64_MIN) && !is_far_i64(-(1ll << 51), (1ll << 51) - 1), "is_far_i64", 0, 0);
    check(is_far_f(1, 0) && is_far_f(INFINITY, 1) && is_far_f(1, -INFINITY) && is_far_f(NAN, 1) && is_far_f(1, NAN), "is_far", 0, 0);
}
#endif

/* ---- integers */

static int floor_quotient(int a, int b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int power(int a, int b)
{
    int result = 1;
    if (b < 0)
        return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
    for (; b > 0; b--)
        result = (int8_t)(result * a);
    return result;
}

static void test_int8(void)
{
    for (int a = -128; a < 128; a++) {
        check(abs_i8((int8_t)a) == (int8_t)abs(a), "abs_i8", a, 0);
        for (int b = -128; b < 128; b++) {
            const int8_t x = (int8_t)a, z = (int8_t)b;
            const bool out = b < 0 || b > 7;
            check(shift_left_i8(x, z) == (out ? 0 : (int8_t)(a * (1 << b % 8))), "shift_left_i8", a, b);
            check(shift_right_i8(x, z) == (out ? (a < 0 ? -1 : 0) : a >> b), "shift_right_i8", a, b);
            check(pow_i8(x, z) == power(a, b), "pow_i8", a, b);
            check(maximum_i8(x, z) == (a > b ? a : b), "maximum_i8", a, b);
            if (b == 0)
                continue;
            check(div_floor_i8(x, z) == (int8_t)floor_quotient(a, b), "div_floor_i8", a, b);
            check(remainder_i8(x, z) == a - b * floor_quotient(a, b), "remainder_i8", a, b);
            check(div_trunc_i8(x, z) == (int8_t)(a / b), "div_trunc_i8", a, b);
            check(fmod_i8(x, z) == a % b, "fmod_i8", a, b);
        }
    }
}

/* Dividends next to multiples of the divisor, and any. */
#define QUOTIENTS(T, S) \
    for (int i = 0; i < 300000; i++) { \
        const T b = (T)((int32_t)random_bits() >> i % 31), whole = (T)(b * ((T)random_bits() >> (8 * sizeof(T) / 2))); \
        const T a = (T)(i & 1 ? whole + (T)(i % 5) - 2 : (T)random_bits()); \
        const int64_t x = a, y = b; \
        if (b == 0) \
            continue; \
        check(div_trunc_##S(a, b) == (T)(x / y), "div_trunc_" #S, (double)a, (double)b); \
        check(fmod_##S(a, b) == (T)(x % y), "fmod_" #S, (double)a, (double)b); \
        check(div_floor_##S(a, b) == (T)div_floor_i64(x, y), "div_floor_" #S, (double)a, (double)b); \
        check(remainder_##S(a, b) == (T)remainder_i64(x, y), "remainder_" #S, (double)a, (double)b); \
    }

static void test_wide_integers(void)
{
    QUOTIENTS(int32_t, i32)
    QUOTIENTS(int16_t, i16)
    QUOTIENTS(uint8_t, u8)
    check(div_floor_i32(INT32_MIN, -1) == INT32_MIN, "div_floor_i32", -0x1p31, -1);
    check(div_trunc_i32(INT32_MIN, -1) == INT32_MIN, "div_trunc_i32", -0x1p31, -1);
    check(div_floor_i64(INT64_MIN, -1) == INT64_MIN, "div_floor_i64", -0x1p63, -1);
    check(remainder_i64(INT64_MIN, -1) == 0, "remainder_i64", -0x1p63, -1);
    check(fmod_i32(INT32_MIN, -1) == 0, "fmod_i32", -0x1p31, -1);
    check(abs_i64(INT64_MIN) == INT64_MIN, "abs_i64", -0x1p63, 0);
    check(neg_i32(INT32_MIN) == INT32_MIN, "neg_i32", -0x1p31, 0);
    check(square_i32(65537) == 131073, "square_i32", 65537, 0);
    check(pow_i64(3, 41) == -420491770248316829, "pow_i64", 3, 41);
    check(shift_left_i64(-1, 63) == INT64_MIN, "shift_left_i64", -1, 63);
    check(shift_right_i64(INT64_MIN, 64) == -1, "shift_right_i64", -0x1p63, 64);
    check(shift_left_u8(255, 8) == 0, "shift_left_u8", 255, 8);
    check(shift_right_u8(255, 9) == 0, "shift_right_u8", 255, 9);
    check(div_floor_u8(255, 255) == 1, "div_floor_u8", 255, 255);
    check(remainder_u8(254, 255) == 254, "remainder_u8", 254, 255);
    check(NOT_b(false) && !NOT_b(true) && NOT_u8(1) == 254, "NOT", 0, 1);
}

static void test_conversions(void)
{
    static const double values[] = {(double)NAN, (double)INFINITY, (double)-INFINITY, 0x1p63, 3e9,
                                    0x1p31, -0x1p32, 300.7, -1.5, 7e4};
    static const int64_t wide[] = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, 3000000000, 1ll << 31,
                                   -(1ll << 32), 300, -1, 70000};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        const double x = values[i];
        const int32_t narrow = wide[i] == (int32_t)wide[i] ? (int32_t)wide[i] : INT32_MIN;
        check(to_i64_d(x) == wide[i] && to_i64_f((float)x) == wide[i], "to_i64", x, 0);
        check(to_i32_d(x) == narrow && to_i32_f((float)x) == narrow, "to_i32", x, 0);
        check(to_i16_d(x) == (int16_t)narrow && to_i16_f((float)x) == (int16_t)narrow, "to_i16", x, 0);
        check(to_i8_d(x) == (int8_t)narrow && to_i8_f((float)x) == (int8_t)narrow, "to_i8", x, 0);
        check(to_u8_d(x) == (uint8_t)narrow && to_u8_f((float)x) == (uint8_t)narrow, "to_u8", x, 0);
    }
    check(to_i32_d(-2147483648.5) == INT32_MIN && to_i32_d(2147483647.5) == INT32_MAX, "to_i32_d", 0x1p31, 0);
    check(to_b_f(NAN) && to_b_f(1e-45f) && !to_b_f(-0.0f), "to_b_f", 0, 0);
}

static bool supported(void)
{
#ifdef __AVX512BW__
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#elif defined __AVX2__
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

int main(void)
{
    if (!supported()) {
        printf("instruction set %s: not on this machine\n", TEXT(ISA));
        return 0;
    }
    printf("instruction set: %s\n", TEXT(ISA));
    test_specials();
    test_float_division();
    test_double();
    test_doubles();
    test_pairs_of_doubles();
#ifdef CT_FMA
    test_mid_angles();
    test_hardest_square_roots();
    test_near_quotients();
#endif
    test_shorter_forms();
    test_int8();
    test_wide_integers();
    test_conversions();
    for (unsigned k = 0; k < sizeof functions / sizeof *functions; k++)
        test_function(&functions[k]);
    printf("%d failed\n", failures);
    return failures != 0;
}
