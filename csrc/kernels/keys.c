/* The keys that core/cpu_sort.c sorts by: unsigned numbers in the order of the elements. */
#include <string.h>

#include "abi/half.h"
#include "abi/sort.h"

static inline uint64_t
key_of_float(float x)
{
    uint32_t bits = half_bits_of_float(x + 0.0f);           /* -0 becomes 0 */
    uint32_t key = bits ^ ((uint32_t)((int32_t)bits >> 31) | 0x80000000u);
    return x != x ? UINT32_MAX : key;
}

static inline uint64_t
key_of_double(double x)
{
    uint64_t bits;
    x += 0.0;
    memcpy(&bits, &x, sizeof bits);
    uint64_t key = bits ^ ((uint64_t)((int64_t)bits >> 63) | (uint64_t)1 << 63);
    return x != x ? UINT64_MAX : key;
}

static inline uint64_t
key_of_int(int64_t x)
{
    return (uint64_t)x ^ (uint64_t)1 << 63;
}

#define KEYS(type, expression) \
    for (int64_t i = 0; i < n; i++) { \
        const type x = ((const type *)(const void *)row)[i]; \
        keys[i] = (expression) ^ flip; \
    }

void
ISA_NAME(sort_keys)(uint64_t *keys, const char *row, Dtype dtype, int64_t n, uint64_t flip)
{
    switch (dtype) {
    case DTYPE_BOOL: KEYS(bool, key_of_int(x)) break;
    case DTYPE_UINT8: KEYS(uint8_t, key_of_int(x)) break;
    case DTYPE_INT8: KEYS(int8_t, key_of_int(x)) break;
    case DTYPE_INT16: KEYS(int16_t, key_of_int(x)) break;
    case DTYPE_INT32: KEYS(int32_t, key_of_int(x)) break;
    case DTYPE_INT64: KEYS(int64_t, key_of_int(x)) break;
    case DTYPE_HALF: KEYS(uint16_t, key_of_float(f16_to_float(x))) break;
    case DTYPE_BF16: KEYS(uint16_t, key_of_float(bf16_to_float(x))) break;
    case DTYPE_FLOAT: KEYS(float, key_of_float(x)) break;
    default: KEYS(double, key_of_double(x)) break;
    }
}

uint64_t
ISA_NAME(key_at_place)(const uint64_t *keys, int64_t n, int64_t place, int64_t *before)
{
    for (int64_t i = 0;; i++) {
        const uint64_t key = keys[i];
        int64_t less = 0, equal = 0;
        for (int64_t j = 0; j < n; j++)
            less += keys[j] < key;
        if (less > place)
            continue;
        for (int64_t j = 0; j < n; j++)
            equal += keys[j] == key;
        if (place < less + equal) {
            *before = less;
            return key;
        }
    }
}
