/* Tests of the matrix-product kernels against a plain double-precision product, on every instruction set
 * that this machine has.  run.py builds and runs them.  Every matrix lies in an allocation
 * of exactly its size, so that a sanitizer sees a read or write past it. */
#define ISA baseline
#include "../../csrc/abi/gemm.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DECLARE(isa)                                                                                         \
    GemmFunction gemm_f32_##isa, gemm_f64_##isa, gemm_i64_##isa, gemm_i32_##isa, gemm_i16_##isa,             \
        gemm_i8_##isa;                                                                                       \
    int64_t gemm_workspace_##isa(const Gemm *, size_t);                                                      \
    float dot_f32_##isa(int64_t, const float *, int64_t, const float *, int64_t);                            \
    double dot_f64_##isa(int64_t, const double *, int64_t, const double *, int64_t);
DECLARE(baseline)
#ifdef __x86_64__
DECLARE(avx2)
DECLARE(avx512)
#endif

    enum Type {
        F32,
        F64,
        I64,
        I32,
        I16,
        I8,
        TYPES
    };
static const char *const type_name[TYPES] = {"f32", "f64", "i64", "i32", "i16", "i8"};
static const size_t type_size[TYPES] = {4, 8, 8, 4, 2, 1};

typedef struct Kernels {
    const char *name;
    GemmFunction *gemm[TYPES];
    int64_t (*workspace)(const Gemm *, size_t);
    float (*dot_f32)(int64_t, const float *, int64_t, const float *, int64_t);
    double (*dot_f64)(int64_t, const double *, int64_t, const double *, int64_t);
} Kernels;
#define KERNELS(isa)                                                                                         \
    {                                                                                                        \
#isa, {gemm_f32_##isa, gemm_f64_##isa, gemm_i64_##isa, gemm_i32_##isa, gemm_i16_##isa,               \
               gemm_i8_##isa },                                                                              \
               gemm_workspace_##isa, dot_f32_##isa, dot_f64_##isa                                            \
    }

static long checked, failed;
static uint64_t seed = 88172645463325252u;

static uint64_t random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static int random_below(int n)
{
    return (int)(random_bits() % (uint64_t)n);
}

static void *new_bytes(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (p == NULL) {
        abort();
    }
    return p;
}

/* Between neighbours among int64 elements, which fill a word, or half a word but for what is put for 128, or half a word. */
static const int64_t spreads[] = {0x123456789abcdef, 1 << 24, 0xffffff};
static int64_t spread = 1;

static void put(enum Type type, void *at, int64_t i, int64_t value)
{
    switch (type) {
    case F32: ((float *)at)[i] = (float)value * 0.0078125f; break;
    case F64: ((double *)at)[i] = (double)value * 0.0078125; break;
    case I64: ((int64_t *)at)[i] = value * spread; break;
    case I32: ((int32_t *)at)[i] = (int32_t)(value * 0x1234567); break;
    case I16: ((int16_t *)at)[i] = (int16_t)(value * 0x123); break;
    default: ((int8_t *)at)[i] = (int8_t)value; break;
    }
}

static double get_real(enum Type type, const void *at, int64_t i)
{
    return type == F32 ? (double)((const float *)at)[i] : ((const double *)at)[i];
}

static uint64_t get_integer(enum Type type, const void *at, int64_t i)
{
    switch (type) {
    case I64: return (uint64_t)((const int64_t *)at)[i];
    case I32: return (uint64_t)((const int32_t *)at)[i];
    case I16: return (uint64_t)((const int16_t *)at)[i];
    default: return (uint64_t)((const int8_t *)at)[i];
    }
}

/* A matrix of rows x cols whose strides have the given layout, in memory that ends with its last element. */
enum Layout { ROWS, COLUMNS, PADDED_ROWS, PADDED_COLUMNS, STEPPED, REVERSED, ONE_ROW, LAYOUTS };

typedef struct Matrix {
    void *memory, *at;
    int64_t row, col;
} Matrix;

static Matrix new_matrix(enum Type type, enum Layout layout, int64_t rows, int64_t cols)
{
    Matrix m = {.row = cols, .col = 1};
    switch (layout) {
    case COLUMNS: m.row = 1, m.col = rows; break;
    case PADDED_ROWS: m.row = cols + 5; break;
    case PADDED_COLUMNS: m.row = 1, m.col = rows + 3; break;
    case STEPPED: m.row = 2 * cols + 1, m.col = 2; break;
    case REVERSED: m.row = -cols; break;
    case ONE_ROW: m.row = 0; break;
    default: break;
    }
    int64_t low = m.row < 0 && rows > 0 ? (rows - 1) * m.row : 0;
    int64_t high = rows && cols ? (m.row > 0 ? (rows - 1) * m.row : 0) + (cols - 1) * m.col + 1 : 0;
    int64_t count = rows && cols ? high - low : 0;
    m.memory = new_bytes((size_t)count * type_size[type]);
    m.at = (char *)m.memory - low * (int64_t)type_size[type];
    spread = spreads[random_below(3)];
    for (int64_t i = 0; i < count; i++) {
        put(type, m.memory, i, random_below(257) - 128);
    }
    return m;
}

/* Room for sums of k products of numbers up to 1: gamma_k with the unit roundoff, and for what is added
 * after. */
static double bound(enum Type type, const Gemm *g, double magnitude)
{
    double unit = type == F32 ? 0x1p-24 : 0x1p-53;
    return unit * ((double)g->k + 4) * magnitude;
}

static int element_is_right(enum Type type, const Gemm *g, const void *before, int64_t i, int64_t j)
{
    int64_t at = i * g->c_row + j;
    if (type >= I64) {
        uint64_t sum = g->accumulate ? get_integer(type, before, at) : 0;
        for (int64_t p = 0; p < g->k; p++) {
            sum += get_integer(type, g->a, i * g->a_row + p * g->a_col) *
                   get_integer(type, g->b, p * g->b_row + j * g->b_col);
        }
        sum += g->bias ? get_integer(type, g->bias, j) : 0;
        int bits = 64 - 8 * (int)type_size[type];
        int64_t wrapped = (int64_t)(sum << bits) >> bits;
        return (uint64_t)(g->relu && wrapped < 0 ? 0 : wrapped) == get_integer(type, g->c, at);
    }
    double sum = g->accumulate ? get_real(type, before, at) : 0;
    sum += g->bias ? get_real(type, g->bias, j) : 0;
    double magnitude = fabs(sum);
    for (int64_t p = 0; p < g->k; p++) {
        double product = get_real(type, g->a, i * g->a_row + p * g->a_col) *
                         get_real(type, g->b, p * g->b_row + j * g->b_col);
        sum += product;
        magnitude += fabs(product);
    }
    double right = g->relu && sum < 0 ? 0 : sum;
    return fabs(get_real(type, g->c, at) - right) <= bound(type, g, magnitude);
}

static void *new_workspace(const Kernels *kernels, const Gemm *g, size_t size)
{
    int64_t bytes = kernels->workspace(g, size);
    void *p = aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64);
    if (p == NULL) {
        abort();
    }
    memset(p, 0xff, (size_t)bytes); /* NaN: a kernel that reads what it did not pack shows */
    return p;
}

static void report(const Kernels *kernels, enum Type type, const Gemm *g, const char *what)
{
    failed++;
    if (failed < 20) {
        printf("%s %s: m %ld n %ld k %ld, a %ld %ld, b %ld %ld, c %ld, bias %d add %d relu %d: %s\n",
               kernels->name, type_name[type], (long)g->m, (long)g->n, (long)g->k, (long)g->a_row,
               (long)g->a_col, (long)g->b_row, (long)g->b_col, (long)g->c_row, g->bias != NULL, g->accumulate,
               g->relu, what);
    }
}

/* The product in random ranges of tiles, in random order of ranges, must give the bits of the product in
 * one go. */
static void check_split(const Kernels *kernels, enum Type type, Gemm g, const void *before, size_t bytes)
{
    int64_t tiles = gemm_tiles(&g), at = 0;
    void *whole = g.c, *workspace = new_workspace(kernels, &g, type_size[type]);
    g.c = new_bytes(bytes);
    memcpy(g.c, before, bytes);
    while (at < tiles) {
        int64_t end = at + 1 + random_below((int)(tiles - at));
        kernels->gemm[type](&g, tiles - end, tiles - at, workspace);
        at = end;
    }
    if (memcmp(g.c, whole, bytes) != 0) {
        report(kernels, type, &g, "the split over tiles changes bits");
    }
    free(g.c);
    free(workspace);
}

static void check(const Kernels *kernels, enum Type type, int64_t m, int64_t n, int64_t k, enum Layout la,
                  enum Layout lb, int flags)
{
    Matrix a = new_matrix(type, la, m, k), b = new_matrix(type, lb, k, n);
    int64_t c_row = n + (flags & 8 ? 3 : 0);
    Matrix c = {.memory = NULL};
    size_t bytes = m && n ? (size_t)((m - 1) * c_row + n) * type_size[type] : 0;
    c.memory = new_bytes(bytes);
    for (int64_t i = 0; i < (int64_t)(bytes / type_size[type]); i++) {
        put(type, c.memory, i, random_below(257) - 128);
    }
    Matrix bias = new_matrix(type, ROWS, 1, n);
    void *before = new_bytes(bytes);
    memcpy(before, c.memory, bytes);
    Gemm g = {m,
              n,
              k,
              a.at,
              a.row,
              a.col,
              b.at,
              b.row,
              b.col,
              c.memory,
              c_row,
              flags & 1 ? bias.at : NULL,
              (flags & 2) != 0,
              (flags & 4) != 0,
              1 << 20};
    void *workspace = new_workspace(kernels, &g, type_size[type]);
    kernels->gemm[type](&g, 0, gemm_tiles(&g), workspace);
    int right = 1;
    /* The plain product is slow: of a large one a diagonal pattern, which meets every row, column and place in
     * a tile. */
    int64_t step = m * n * k > 1 << 21 ? 5 : 1;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = i % step; j < n; j += step) {
            right &= element_is_right(type, &g, before, i, j);
        }
        for (int64_t j = n; n > 0 && j < c_row && i < m - 1; j++) {
            size_t at = (size_t)(i * c_row + j) * type_size[type];
            right &= memcmp((char *)before + at, (char *)g.c + at, type_size[type]) == 0;
        }
    }
    if (!right) {
        report(kernels, type, &g, "wrong");
    }
    if (gemm_tiles(&g) > 1) {
        check_split(kernels, type, g, before, bytes);
    }
    checked++;
    free(a.memory);
    free(b.memory);
    free(bias.memory);
    free(c.memory);
    free(before);
    free(workspace);
}

/* Every small size, layouts and options at random. */
static void test_small_sizes(const Kernels *kernels)
{
    for (int m = 0; m <= 40; m += 1 + m / 14) {
        for (int n = 0; n <= 40; n += 1 + n / 14) {
            for (int k = 0; k <= 40; k += 1 + k / 6) {
                for (int type = F32; type <= F64; type++) {
                    check(kernels, type, m, n, k, random_below(LAYOUTS), random_below(LAYOUTS),
                          random_below(16));
                }
            }
        }
    }
    for (int i = 0; i < 2000; i++) {
        check(kernels, I64 + i % (TYPES - I64), random_below(20), random_below(40), random_below(40),
              random_below(LAYOUTS), random_below(LAYOUTS), random_below(16));
    }
}

/* Sizes around the edges of panels, tiles and blocks; vectors; narrow and flat shapes, in all pairs of
 * layouts. */
static void test_shapes(const Kernels *kernels)
{
    static const int shapes[][3] = {
        {64, 512, 784}, {64, 10, 512},   {64, 512, 10},    {512, 784, 64}, {10, 512, 64}, {128, 10, 128},
        {32, 1, 10},    {32, 10, 1},     {32, 10, 10},     {1, 512, 784},  {512, 1, 784}, {1, 10, 512},
        {10, 1, 512},   {1, 1, 1000},    {1, 300, 1},      {5, 300, 600},  {300, 5, 600}, {300, 3, 600},
        {97, 161, 513}, {193, 65, 1025}, {100, 100, 1030}, {37, 400, 50},  {400, 37, 50}, {25, 24, 49},
        {7, 25, 48},    {61, 8, 70},     {8, 61, 70},     {205, 300, 512}, {200, 140, 1100},
        {1, 9000, 6},   {9000, 1, 6},    {2, 40, 1030},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (int la = 0; la < LAYOUTS; la++) {
            for (int lb = 0; lb < LAYOUTS; lb++) {
                int type = random_below(2);
                check(kernels, type, shapes[s][0], shapes[s][1], shapes[s][2], la, lb, random_below(16));
                check(kernels, I64 + random_below(TYPES - I64), shapes[s][0], shapes[s][1], shapes[s][2], la, lb, random_below(16));
            }
        }
    }
}

static void test_big(const Kernels *kernels)
{
    check(kernels, F32, 700, 900, 1100, ROWS, ROWS, 5);
    check(kernels, F64, 300, 500, 600, ROWS, COLUMNS, 7);
    check(kernels, F32, 300, 1500, 60, COLUMNS, COLUMNS, 0);
}

/* A NaN or an infinity in A reaches its row of C and no other, also through zeros and relu. */
static void test_not_finite(const Kernels *kernels)
{
    static const int shapes[][3] = {{2, 2, 2},   {30, 10, 100}, {40, 70, 50},
                                    {3, 90, 80}, {50, 1, 60},   {1, 50, 60}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int64_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        for (int lb = ROWS; lb <= COLUMNS; lb++) {
            float *a = new_bytes((size_t)(m * k) * 4), *b = new_bytes((size_t)(k * n) * 4);
            float *c = new_bytes((size_t)(m * n) * 4);
            memset(a, 0, (size_t)(m * k) * 4);
            memset(b, 0, (size_t)(k * n) * 4);
            a[(m - 1) * k + k / 2] = s % 2 ? NAN : INFINITY;
            Gemm g = {m, n, k, a, k, 1, b, lb == ROWS ? n : 1, lb == ROWS ? 1 : k, c, n, NULL, 0, 1, 0};
            void *workspace = new_workspace(kernels, &g, 4);
            kernels->gemm[F32](&g, 0, gemm_tiles(&g), workspace);
            int right = 1;
            for (int64_t i = 0; i < m * n; i++) {
                right &= i / n == m - 1 ? isnan(c[i]) : c[i] == 0;
            }
            if (!right) {
                report(kernels, F32, &g, "NaN or infinity lost or spread");
            }
            checked++;
            free(a);
            free(b);
            free(c);
            free(workspace);
        }
    }
}

static void test_dot(const Kernels *kernels)
{
    for (int n = 0; n < 700; n += 1 + n / 50) {
        float *a = new_bytes((size_t)n * 3 * 4), *b = new_bytes((size_t)n * 4);
        double *x = new_bytes((size_t)n * 8), right = 0, magnitude = 0;
        for (int i = 0; i < n; i++) {
            put(F32, b, i, random_below(257) - 128);
            put(F32, a, i, random_below(257) - 128);
            x[i] = (double)b[i];
            right += (double)a[i] * x[i];
            magnitude += fabs((double)a[i] * x[i]);
        }
        float close = kernels->dot_f32(n, a, 1, b, 1);
        for (int i = n - 1; i >= 0; i--) {
            a[3 * i] = a[i];
        }
        float stepped = kernels->dot_f32(n, a, 3, b, 1);
        double squares = kernels->dot_f64(n, x, 1, x, 1), expected = 0;
        for (int i = 0; i < n; i++) {
            expected += x[i] * x[i];
        }
        if (fabs((double)close - right) > 0x1p-24 * (n + 1) * magnitude || close != stepped ||
            squares != expected) {
            failed++;
            printf("%s dot %d wrong\n", kernels->name, n);
        }
        checked++;
        free(a);
        free(b);
        free(x);
    }
}

int main(void)
{
    static const Kernels all[] = {
        KERNELS(baseline),
#ifdef __x86_64__
        KERNELS(avx2),
        KERNELS(avx512),
#endif
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
#ifdef __x86_64__
        if ((i == 1 && !__builtin_cpu_supports("avx2")) || (i == 2 && !__builtin_cpu_supports("avx512bw"))) {
            printf("%s: not on this machine\n", all[i].name);
            continue;
        }
#endif
        test_small_sizes(&all[i]);
        test_shapes(&all[i]);
        test_big(&all[i]);
        test_not_finite(&all[i]);
        test_dot(&all[i]);
        printf("%s: %ld checks, %ld failed\n", all[i].name, checked, failed);
    }
    return failed != 0;
}
