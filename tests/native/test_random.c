/* Tests of csrc/core/random.c and csrc/kernels/random.c: published values, the state blob, and the same bits
 * from every instruction set.  No Python; run.py builds it.  Exits 0 when every check holds.  The comparison
 * with PyTorch itself is test_random_streams.py. */
#include "core/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                    \
    do {                                                                                                    \
        if (!(condition)) {                                                                                 \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                   \
            exit(1);                                                                                        \
        }                                                                                                   \
    } while (0)

enum { LONGEST = 3000 };

static Generator seeded(uint64_t seed)
{
    Generator g;
    generator_seed(&g, seed);
    return g;
}

/* First and ten-thousandth output of mt19937 with seed 5489: the C++ standard's own check (std::mt19937). */
static void test_engine(const RandomKernels *kernels)
{
    static uint32_t out[10000];
    Generator g = seeded(5489);
    kernels->words(&g, out, 10000);
    CHECK(out[0] == 3499211612u);
    CHECK(out[9999] == 4123659995u);
}

/* Any cut of the stream into pieces gives the same words and the same state. */
static void test_pieces(const RandomKernels *kernels)
{
    uint32_t whole[LONGEST], pieces[LONGEST];
    Generator a = seeded(7), b = seeded(7);
    kernels->words(&a, whole, LONGEST);
    for (int at = 0, k = 1; at < LONGEST; at += k, k = (k * 5 + 3) % 700) {
        k = k < LONGEST - at ? k : LONGEST - at;
        kernels->words(&b, pieces + at, k);
    }
    CHECK(memcmp(whole, pieces, sizeof whole) == 0);
    CHECK(a.left == b.left && a.next == b.next);
}

/* PyTorch's values after manual_seed(0), printed in many a tutorial. */
static void test_published(const RandomKernels *kernels)
{
    static const int64_t permutation[10] = {4, 1, 7, 5, 3, 9, 0, 8, 6, 2};
    static const int64_t integers[5] = {44, 39, 33, 60, 63};
    float x[17];
    int64_t k[10];
    Generator g = seeded(0);
    kernels->uniform_f32(&g, x, 3, 0.0, 1.0);
    CHECK(x[0] == 0.49625658988952637f && x[1] == 0.7682217955589294f && x[2] == 0.08847743272781372f);
    g = seeded(0);
    kernels->normal_f32(&g, x, 5, 0.0, 1.0);
    CHECK(x[0] == 1.5409960746765137f && x[1] == -0.2934288978576660f && x[4] == -1.0845223665237427f);
    g = seeded(0);
    kernels->normal_f32(&g, x, 17, 0.0, 1.0);
    CHECK(x[0] == -1.1258398294448853f && x[16] == 0.9318265914916992f);
    g = seeded(0);
    kernels->randperm(&g, k, 10);
    CHECK(memcmp(k, permutation, sizeof permutation) == 0);
    g = seeded(0);
    kernels->random_from_to(&g, k, 5, 100, 0);
    CHECK(memcmp(k, integers, sizeof integers) == 0);
    g = seeded(0);
    kernels->random_modulus(&g, k, 1, 1ull << 63, true);
    CHECK(k[0] == 900450186894289455);
}

static void test_state(const RandomKernels *kernels)
{
    uint8_t blob[GENERATOR_STATE_SIZE], again[GENERATOR_STATE_SIZE];
    double x[5], y[5];
    Generator g = seeded(0x123456789abcull), h = seeded(1);
    kernels->normal_serial(&g, x, 5, 0.0, 1.0);
    generator_get_state(&g, blob);
    CHECK(generator_set_state(&h, blob));
    generator_get_state(&h, again);
    CHECK(memcmp(blob, again, sizeof blob) == 0);
    CHECK(h.seed == 0x123456789abcull && h.has_normal);
    kernels->normal_serial(&g, x, 5, 0.0, 1.0);
    kernels->normal_serial(&h, y, 5, 0.0, 1.0);
    CHECK(memcmp(x, y, sizeof x) == 0);
}

/* Offsets of PyTorch's blob: left at byte 8, seeded at 12, next at 16. */
static void test_forged_state(void)
{
    static const struct { int offset; int32_t value; } forgeries[] = {
        {8, 0}, {8, 625}, {8, -1}, {12, 0}, {16, 625}, {16, 10},
    };
    uint8_t blob[GENERATOR_STATE_SIZE];
    Generator full = seeded(1);
    full.left = 624;
    full.next = 1;
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        Generator g = seeded(2);
        generator_get_state(&full, blob);
        memcpy(blob + forgeries[i].offset, &forgeries[i].value, sizeof(int32_t));
        CHECK(!generator_set_state(&g, blob));
        CHECK(g.seed == 2 && g.left == 1);
    }
}

static void test_bernoulli_bounds(const RandomKernels *kernels)
{
    uint8_t out[100];
    Generator g = seeded(3);
    kernels->bernoulli_8(&g, out, 100, 0.0, 1);
    CHECK(memchr(out, 1, 100) == NULL);
    kernels->bernoulli_8(&g, out, 100, 1.0, 1);
    CHECK(memchr(out, 0, 100) == NULL);
    CHECK(g.next == 400);
}

static void test_multinomial(const RandomKernels *kernels)
{
    const float p[4] = {0.0f, 2.0f, 0.0f, 6.0f};
    const float negative[2] = {1.0f, -1.0f}, infinite[2] = {1.0f, 1e30f * 1e30f}, zero[2] = {0.0f, 0.0f};
    const double u[4] = {1e-9, 0.25, 0.2500001, 0.999};
    static const int64_t expected[4] = {1, 1, 3, 3};
    double cumulative[4];
    int64_t out[4];
    CHECK(kernels->multinomial_cumulative_f32(p, cumulative, 4) == MULTINOMIAL_OK);
    kernels->multinomial_search(cumulative, 4, u, out, 4);
    CHECK(memcmp(out, expected, sizeof out) == 0);
    CHECK(kernels->multinomial_cumulative_f32(negative, cumulative, 2) == MULTINOMIAL_NEGATIVE);
    CHECK(kernels->multinomial_cumulative_f32(infinite, cumulative, 2) == MULTINOMIAL_NOT_FINITE);
    CHECK(kernels->multinomial_cumulative_f32(zero, cumulative, 2) == MULTINOMIAL_ZERO_SUM);
}

static void test_all(const RandomKernels *kernels)
{
    test_engine(kernels);
    test_pieces(kernels);
    test_published(kernels);
    test_state(kernels);
    test_bernoulli_bounds(kernels);
    test_multinomial(kernels);
}

#ifdef __x86_64__
/* One fill by two builds from the same state must give the same bytes and the same state. */
#define SAME(kernel, T, ...)                                                                                \
    do {                                                                                                    \
        static T x[LONGEST], y[LONGEST];                                                                    \
        Generator g = seeded(seed), h = seeded(seed);                                                       \
        a->kernel(&g, x, n, __VA_ARGS__);                                                                   \
        b->kernel(&h, y, n, __VA_ARGS__);                                                                   \
        CHECK(memcmp(x, y, (size_t)n * sizeof(T)) == 0);                                                    \
        CHECK(g.next == h.next && g.left == h.left && g.has_normal == h.has_normal);                        \
    } while (0)

static void test_same_bits(const RandomKernels *a, const RandomKernels *b)
{
    static const int64_t lengths[] = {1, 15, 16, 17, 33, 607, 608, 609, 1249, LONGEST};
    for (uint64_t seed = 0; seed < 20; seed++) {
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            int64_t n = lengths[i];
            SAME(uniform_f32, float, -0.3, 0.3);
            SAME(uniform_f64, double, -0.3, 0.3);
            SAME(uniform_f16, uint16_t, -0.3, 0.3);
            SAME(uniform_bf16, uint16_t, -0.3, 0.3);
            SAME(normal_f32, float, 0.5, 1.7);
            SAME(normal_f64, double, 0.5, 1.7);
            SAME(normal_f16, uint16_t, 0.5, 1.7);
            SAME(normal_bf16, uint16_t, 0.5, 1.7);
            SAME(normal_serial, double, 0.5, 1.7);
            SAME(bernoulli_8, uint8_t, 0.3, 1);
            SAME(bernoulli_64, uint64_t, 0.3, 1);
            SAME(random_from_to, int64_t, 1000003, -5);
            SAME(random_from_to, int64_t, 1ull << 40, -5);
            SAME(exponential, double, 1.5);
            SAME(cauchy, double, 0.5, 1.7);
            SAME(log_normal, double, 0.5, 1.7);
        }
    }
}
#endif

int main(void)
{
    test_forged_state();
    test_all(&random_kernels_baseline);
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        test_all(&random_kernels_avx2);
        test_same_bits(&random_kernels_baseline, &random_kernels_avx2);
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) {
        test_all(&random_kernels_avx512);
        test_same_bits(&random_kernels_baseline, &random_kernels_avx512);
    }
#endif
    puts("random: ok");
    return 0;
}
