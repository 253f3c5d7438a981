/* Conversions between float and the 16-bit formats: IEEE half and bfloat16.  Loops over adjacent elements
 * only; strides and dtype promotion are the caller's. */
#include "../abi/convert.h"
#include <string.h>

#ifdef __F16C__
#include <immintrin.h>
#endif

static inline uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* All ones if the condition holds: selections without branches, so that the loops vectorise. */
static inline uint32_t mask(int condition)
{
    return 0u - (uint32_t)condition;
}

/* Normal numbers: shift the fields into place and move the exponent's bias from 15 to 127.  Subnormals:
 * the field is an integer count of 2^-24.  Infinity and NaN: all exponent bits, and a NaN is made quiet. */
static inline float half_to_float_one(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff;
    const uint32_t normal = (rest << 13) + (112u << 23);
    const uint32_t subnormal = float_bits((float)(int32_t)rest * 0x1p-24f);
    const uint32_t special = (rest << 13) | 0x7f800000 | (mask(rest > 0x7c00) & 0x400000);
    const uint32_t is_subnormal = mask(rest < 0x400), is_special = mask(rest >= 0x7c00);
    const uint32_t finite = (subnormal & is_subnormal) | (normal & ~is_subnormal);
    return bits_float(sign | (special & is_special) | (finite & ~is_special));
}

/* Normal results: subtract the bias difference and add just under half of the lowest kept bit, plus that
 * bit, so that ties go to even; a carry runs into the exponent and, at the top, into infinity.  Subnormal
 * results: adding 0.5 makes the hardware round at 2^-24. */
static inline uint16_t float_to_half_one(float f)
{
    const uint32_t u = float_bits(f), sign = (u >> 16) & 0x8000, rest = u & 0x7fffffff;
    const uint32_t normal = (rest - (112u << 23) + 0xfff + ((rest >> 13) & 1)) >> 13;
    const uint32_t subnormal = float_bits(bits_float(rest) + 0.5f) - float_bits(0.5f);
    const uint32_t nan = 0x7e00 | ((rest >> 13) & 0x3ff);
    const uint32_t is_subnormal = mask(rest < (113u << 23)), is_large = mask(rest >= 0x47800000);
    const uint32_t large = (nan & mask(rest > 0x7f800000)) | (0x7c00 & mask(rest <= 0x7f800000));
    const uint32_t small = (subnormal & is_subnormal) | (normal & ~is_subnormal);
    return (uint16_t)(sign | (large & is_large) | (small & ~is_large));
}

static inline uint16_t float_to_bfloat16_one(float f)
{
    const uint32_t u = float_bits(f), is_nan = mask((u & 0x7fffffff) > 0x7f800000);
    const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16, nan = (u >> 16) | 0x40;
    return (uint16_t)((nan & is_nan) | (rounded & ~is_nan));
}

void ISA_NAME(half_to_float)(const uint16_t *restrict from, float *restrict to, int64_t n)
{
    int64_t i = 0;
#ifdef __AVX512F__
    for (; i + 16 <= n; i += 16) {
        _mm512_storeu_ps(to + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(from + i))));
    }
#endif
#ifdef __F16C__
    for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + i))));
    }
#endif
    for (; i < n; i++) {
        to[i] = half_to_float_one(from[i]);
    }
}

void ISA_NAME(float_to_half)(const float *restrict from, uint16_t *restrict to, int64_t n)
{
    int64_t i = 0;
#ifdef __AVX512F__
    for (; i + 16 <= n; i += 16) {
        __m256i h = _mm512_cvtps_ph(_mm512_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm256_storeu_si256((__m256i *)(to + i), h);
    }
#endif
#ifdef __F16C__
    for (; i + 8 <= n; i += 8) {
        __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm_storeu_si128((__m128i *)(to + i), h);
    }
#endif
    for (; i < n; i++) {
        to[i] = float_to_half_one(from[i]);
    }
}

void ISA_NAME(bfloat16_to_float)(const uint16_t *restrict from, float *restrict to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        to[i] = bits_float((uint32_t)from[i] << 16);
    }
}

#ifdef __AVX2__
/* As float_to_bfloat16_one rounds numbers, in the upper halves; the bits below them are left over. */
static inline __m256i rounded_up_halves(__m256 f)
{
    const __m256i u = _mm256_castps_si256(f), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    return _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
}
#endif

void ISA_NAME(float_to_bfloat16)(const float *restrict from, uint16_t *restrict to, int64_t n)
{
    int64_t i = 0;
#ifdef __AVX2__
    for (; i + 16 <= n; i += 16) {
        const __m256 a = _mm256_loadu_ps(from + i), b = _mm256_loadu_ps(from + i + 8);
        if (_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_UNORD_Q)) != 0) {
            for (int j = 0; j < 16; j++) {
                to[i + j] = float_to_bfloat16_one(from[i + j]);
            }
            continue;
        }
        const __m256i low = _mm256_srli_epi32(rounded_up_halves(a), 16), high = _mm256_srli_epi32(rounded_up_halves(b), 16);
        const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
        _mm256_storeu_si256((__m256i *)(to + i), packed);
    }
#endif
    for (; i < n; i++) {
        to[i] = float_to_bfloat16_one(from[i]);
    }
}

/* ---- sums of rows, whose elements stay in registers between conversion and addition */
#if defined(__AVX512F__)
#define WIDE 16
typedef __m512 Wide;
#define ADD_WIDE _mm512_add_ps
#define LOAD_WIDE _mm512_loadu_ps
#define STORE_WIDE _mm512_storeu_ps
#define WIDE_HALF(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p)))
#define WIDE_BFLOAT16(p) \
    _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(p))), 16))
#elif defined(__AVX2__) && defined(__F16C__)
#define WIDE 8
typedef __m256 Wide;
#define ADD_WIDE _mm256_add_ps
#define LOAD_WIDE _mm256_loadu_ps
#define STORE_WIDE _mm256_storeu_ps
#define WIDE_HALF(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p)))
#define WIDE_BFLOAT16(p) _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p))), 16))
#endif

static inline float bfloat16_to_float_one(uint16_t b)
{
    return bits_float((uint32_t)b << 16);
}

#ifdef WIDE
#define ADD_VECTORS(convert) \
    for (; j + WIDE <= m; j += WIDE) { \
        Wide v = LOAD_WIDE(sums + j); \
        for (int i = 0; i < rows; i++) \
            v = ADD_WIDE(v, convert(x + i * stride + 2 * j)); \
        STORE_WIDE(sums + j, v); \
    }
#else
#define ADD_VECTORS(convert)
#endif

/* Four rows at a time: sums lives in memory. */
#define ADD_ROWS(name, convert, convert_one) \
    static __attribute__((noinline)) void name##_rest(float *sums, const char *x, int64_t stride, int64_t j, int64_t m, int rows) \
    { \
        for (; j < m; j++) \
            for (int i = 0; i < rows; i++) \
                sums[j] += convert_one(((const uint16_t *)(x + i * stride))[j]); \
    } \
    static inline __attribute__((always_inline)) void name##_some(float *sums, const char *x, int64_t stride, int64_t m, \
                                                                  const int rows) \
    { \
        int64_t j = 0; \
        ADD_VECTORS(convert) \
        name##_rest(sums, x, stride, j, m, rows); \
    } \
    void ISA_NAME(name)(float *sums, const char *x, int64_t n, int64_t stride, int64_t m) \
    { \
        memset(sums, 0, (size_t)m * sizeof(float)); \
        for (; n >= 4; n -= 4, x += 4 * stride) \
            name##_some(sums, x, stride, m, 4); \
        for (; n > 0; n--, x += stride) \
            name##_some(sums, x, stride, m, 1); \
    }
ADD_ROWS(half_add_rows, WIDE_HALF, half_to_float_one)
ADD_ROWS(bfloat16_add_rows, WIDE_BFLOAT16, bfloat16_to_float_one)

/* One value, and dense rows: these loops stay loops (see setup.py), which write faster than memcpy does what comes from
 * the nearest cache.  Reversed and every second: the strides that vectors have shuffles for. */
#define COPY(type) \
    do { \
        type *restrict y = (type *)to; \
        const type *restrict x = (const type *)from; \
        const int64_t size = sizeof(type); \
        if (to_stride == size && from_stride == 0) \
            for (int64_t i = 0; i < n; i++) \
                y[i] = x[0]; \
        else if (to_stride == size && from_stride == size) \
            for (int64_t i = 0; i < n; i++) \
                y[i] = x[i]; \
        else if (to_stride == size && from_stride == -size) \
            for (int64_t i = 0; i < n; i++) \
                y[i] = x[-i]; \
        else if (to_stride == size && from_stride == 2 * size) \
            for (int64_t i = 0; i < n; i++) \
                y[i] = x[2 * i]; \
        else \
            for (int64_t i = 0; i < n; i++) \
                *(type *)(to + i * to_stride) = *(const type *)(from + i * from_stride); \
    } while (0)

void ISA_NAME(copy_strided)(char *to, int64_t to_stride, const char *from, int64_t from_stride, int64_t n,
                            int64_t itemsize)
{
    switch (itemsize) {
    case 1: COPY(uint8_t); break;
    case 2: COPY(uint16_t); break;
    case 4: COPY(uint32_t); break;
    default: COPY(uint64_t); break;
    }
}

#define INTERLEAVE(type) \
    do { \
        type *restrict y = (type *)to; \
        const type *restrict even = (const type *)a, *restrict odd = (const type *)b; \
        for (int64_t i = 0; i < n; i++) { \
            y[2 * i] = even[i]; \
            y[2 * i + 1] = odd[i]; \
        } \
    } while (0)

void ISA_NAME(interleave)(char *to, const char *a, const char *b, int64_t n, int64_t itemsize)
{
    switch (itemsize) {
    case 1: INTERLEAVE(uint8_t); break;
    case 2: INTERLEAVE(uint16_t); break;
    case 4: INTERLEAVE(uint32_t); break;
    default: INTERLEAVE(uint64_t); break;
    }
}
