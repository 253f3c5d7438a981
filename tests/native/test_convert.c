/* Tests of the 16-bit float conversions on every instruction set of this machine: all 65,536 half and
 * bfloat16 numbers up and back, and rounding of floats against the nearest neighbours found by search.
 * run.py builds it. */
#define ISA baseline
#include "../../csrc/abi/convert.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DECLARE(isa)                                                                                         \
    void half_to_float_##isa(const uint16_t *, float *, int64_t);                                            \
    void float_to_half_##isa(const float *, uint16_t *, int64_t);                                            \
    void bfloat16_to_float_##isa(const uint16_t *, float *, int64_t);                                        \
    void float_to_bfloat16_##isa(const float *, uint16_t *, int64_t);
DECLARE(baseline)
#ifdef __x86_64__
DECLARE(avx2)
DECLARE(avx512)
#endif

    typedef struct Format {
    const char *name;
    void (*up)(const uint16_t *, float *, int64_t);
    void (*down)(const float *, uint16_t *, int64_t);
    int exponent_bits, mantissa_bits;
} Format;
#define FORMATS(isa)                                                                                         \
    {"half " #isa, half_to_float_##isa, float_to_half_##isa, 5, 10},                                         \
    {                                                                                                        \
        "bfloat16 " #isa, bfloat16_to_float_##isa, float_to_bfloat16_##isa, 8, 7                             \
    }

static long failed;

static void expect(int condition, const Format *f, const char *what, double x)
{
    if (!condition && failed++ < 20) {
        printf("%s: %s at %.10g\n", f->name, what, x);
    }
}

/* The value of the bits by the definition of the format. */
static double value(const Format *f, uint32_t h)
{
    int exponent = (int)(h >> f->mantissa_bits) & ((1 << f->exponent_bits) - 1);
    int bias = (1 << (f->exponent_bits - 1)) - 1, top = (1 << f->exponent_bits) - 1;
    double mantissa = (double)(h & ((1u << f->mantissa_bits) - 1));
    double sign = h & 0x8000 ? -1 : 1;
    if (exponent == top) {
        return mantissa == 0 ? sign * (double)INFINITY : (double)NAN;
    }
    mantissa += exponent ? ldexp(1, f->mantissa_bits) : 0;
    return sign * ldexp(mantissa, (exponent ? exponent : 1) - bias - f->mantissa_bits);
}

static void test_all_bits(const Format *f)
{
    static uint16_t from[65536], back[65536];
    static float to[65536];
    for (int i = 0; i < 65536; i++) {
        from[i] = (uint16_t)i;
    }
    f->up(from, to, 65536);
    f->down(to, back, 65536);
    for (int i = 0; i < 65536; i++) {
        double right = value(f, (uint32_t)i);
        uint16_t quiet = isnan(right) ? (uint16_t)(1u << (f->mantissa_bits - 1)) : 0;
        expect(isnan(right) ? isnan(to[i]) : (double)to[i] == right, f, "up", i);
        expect(back[i] == (from[i] | quiet), f, "up and down", i);
        float one;
        f->up(&from[i], &one, 1);
        expect(memcmp(&one, &to[i], sizeof one) == 0, f, "the loop's tail differs", i);
    }
}

/* Between every two neighbours: the midpoint goes to the even one, and what is just beside it to the
 * nearer one. */
static void test_rounding(const Format *f)
{
    uint32_t infinity = ((1u << f->exponent_bits) - 1) << f->mantissa_bits;
    for (uint32_t h = 0; h < infinity; h++) {
        double low = value(f, h), high = h + 1 == infinity ? 2 * low - value(f, h - 1) : value(f, h + 1);
        float middle = (float)((low + high) / 2);
        float x[16] = {middle, nextafterf(middle, 0), nextafterf(middle, INFINITY), -middle};
        uint16_t block[16], tail[4],
            right[4] = {(uint16_t)(h & 1 ? h + 1 : h), (uint16_t)h, (uint16_t)(h + 1), 0};
        right[3] = right[0] | 0x8000;
        f->down(x, block, 16);
        f->down(x, tail, 4);
        for (int i = 0; i < 4; i++) {
            expect(block[i] == right[i] && tail[i] == right[i], f, "rounding", (double)x[i]);
        }
    }
    const float huge[1] = {3.4e38f}, tiny[1] = {1e-45f};
    uint16_t h;
    f->down(huge, &h, 1);
    expect(h == (f->exponent_bits == 5 ? 0x7c00 : 0x7f80), f, "overflow", (double)*huge);
    f->down(tiny, &h, 1);
    expect(h == 0, f, "underflow", (double)*tiny);
}

int main(void)
{
    static const Format formats[] = {
        FORMATS(baseline),
#ifdef __x86_64__
        FORMATS(avx2),
        FORMATS(avx512),
#endif
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
#ifdef __x86_64__
        if ((i / 2 == 1 && !__builtin_cpu_supports("avx2")) ||
            (i / 2 == 2 && !__builtin_cpu_supports("avx512bw"))) {
            printf("%s: not on this machine\n", formats[i].name);
            continue;
        }
#endif
        test_all_bits(&formats[i]);
        test_rounding(&formats[i]);
        printf("%s: %ld failed\n", formats[i].name, failed);
    }
    return failed != 0;
}
