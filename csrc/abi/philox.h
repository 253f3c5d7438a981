/* Random numbers of devices: Philox4x32-10, counted by element.  Element i of a fill reads word i % 4 of the block with
 * counter (i / 4, offset) and key seed, so what is drawn depends neither on the shape of a launch nor on the device. */
#ifndef CTORCH_ABI_PHILOX_H
#define CTORCH_ABI_PHILOX_H

#include "abi/dtype.h"
#include "abi/inline.h"

typedef enum PhiloxKind {
    PHILOX_UNIFORM,               /* a <= x < b */
    PHILOX_NORMAL,                /* mean a, standard deviation b */
    PHILOX_BERNOULLI,             /* b with probability a, else 0 */
    PHILOX_BERNOULLI_EACH,        /* 1 with probability p[i], else 0; p: float or double as p_dtype says */
    PHILOX_INTEGERS,              /* base + word % range; range 0: 2**64 */
    PHILOX_EXPONENTIAL,           /* rate a */
    PHILOX_GEOMETRIC,             /* probability a */
    PHILOX_LOG_NORMAL,            /* of a normal with mean a, standard deviation b */
    PHILOX_CAUCHY,                /* median a, sigma b */
    PHILOX_POISSON,               /* rate p[i] */
    PHILOX_KINDS
} PhiloxKind;

/* n adjacent elements of dtype. */
typedef struct PhiloxFill {
    PhiloxKind kind;
    Dtype dtype, p_dtype;
    int64_t n;
    char *out;
    const char *p;
    double a, b;
    uint64_t range;
    int64_t base;
    uint64_t seed, offset;
} PhiloxFill;

typedef struct PhiloxBlock {
    uint32_t word[4];
} PhiloxBlock;

CT_FN PhiloxBlock philox(uint64_t seed, uint64_t block, uint64_t offset)
{
    PhiloxBlock c = {{(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)offset, (uint32_t)(offset >> 32)}};
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        const uint64_t low = (uint64_t)0xD2511F53u * c.word[0], high = (uint64_t)0xCD9E8D57u * c.word[2];
        const PhiloxBlock next = {{(uint32_t)(high >> 32) ^ c.word[1] ^ key0, (uint32_t)high,
                                   (uint32_t)(low >> 32) ^ c.word[3] ^ key1, (uint32_t)low}};
        c = next;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return c;
}

#endif
