/* The CPU random generator: its state, and the kernels that draw from it.
 *
 * The streams are PyTorch's CPU streams, bit for bit: the engine is mt19937, and every kernel consumes the
 * same words in the same order and rounds at the same places.  A kernel fills n contiguous elements; calling
 * it twice continues the stream, so a caller may work in pieces (only normal_* looks at n as a whole, see
 * there).  Distributions whose draws PyTorch makes in double or int64 give double or int64 here; the caller
 * converts to the tensor's dtype.  Argument checks and the lock around a shared Generator are the caller's.
 * Seeding and state blobs: core/random.h. */
#ifndef CTORCH_RANDOM_H
#define CTORCH_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/isa.h"

enum { MT19937_N = 624, MT19937_M = 397 };

/* left - 1 words of the block are still to be drawn, from state[next] on.  A freshly seeded generator has
 * next == 0 and left == 1: its first draw makes the first block.  Invariant: next + left - 1 <= 624. */
typedef struct Generator {
    uint64_t seed;                  /* as given; only its low 32 bits reach the engine */
    int32_t left;
    uint32_t next;
    uint32_t state[MT19937_N];      /* untempered words */
    double normal;                  /* second value of the last Box-Muller pair, mean 0 and std 1 */
    float float_normal;             /* kept for the state blob alone: no CPU kernel draws it */
    bool has_normal;
    bool has_float_normal;
} Generator;

/* What multinomial_* found wrong with a row of probabilities. */
typedef enum MultinomialStatus {
    MULTINOMIAL_OK,
    MULTINOMIAL_NEGATIVE,
    MULTINOMIAL_NOT_FINITE,
    MULTINOMIAL_ZERO_SUM,
} MultinomialStatus;

typedef struct RandomKernels {
    /* uint32 words as the engine gives them. */
    void (*words)(Generator *, uint32_t *out, int64_t n);

    /* [from, to).  One word per element, two for float64.  float16 and bfloat16 are uint16_t bit patterns. */
    void (*uniform_f32)(Generator *, float *out, int64_t n, double from, double to);
    void (*uniform_f64)(Generator *, double *out, int64_t n, double from, double to);
    void (*uniform_f16)(Generator *, uint16_t *out, int64_t n, double from, double to);
    void (*uniform_bf16)(Generator *, uint16_t *out, int64_t n, double from, double to);

    /* A whole tensor at once: from 16 elements on the draws come in blocks of 16, below that as
     * normal_serial.  normal_serial is also what a non-contiguous tensor of any size gets. */
    void (*normal_f32)(Generator *, float *out, int64_t n, double mean, double std);
    void (*normal_f64)(Generator *, double *out, int64_t n, double mean, double std);
    void (*normal_f16)(Generator *, uint16_t *out, int64_t n, double mean, double std);
    void (*normal_bf16)(Generator *, uint16_t *out, int64_t n, double mean, double std);
    void (*normal_serial)(Generator *, double *out, int64_t n, double mean, double std);

    /* out[i] = `one` with probability p, else all bits zero.  One kernel per element size serves every dtype:
     * `one` is the bit pattern of 1, or of 1 / (1 - p_drop) for a dropout mask.  Two words per element. */
    void (*bernoulli_8)(Generator *, uint8_t *out, int64_t n, double p, uint8_t one);
    void (*bernoulli_16)(Generator *, uint16_t *out, int64_t n, double p, uint16_t one);
    void (*bernoulli_32)(Generator *, uint32_t *out, int64_t n, double p, uint32_t one);
    void (*bernoulli_64)(Generator *, uint64_t *out, int64_t n, double p, uint64_t one);

    /* out[i] = 1 with probability p[i], else 0.  A float64 p costs two words per element, every other dtype
     * of p is compared as float32 and costs one. */
    void (*bernoulli_p_f32)(Generator *, const float *p, uint8_t *out, int64_t n);
    void (*bernoulli_p_f64)(Generator *, const double *p, uint8_t *out, int64_t n);

    /* word % range + base; two words per element when range >= 2**28.  Range 0 stands for 2**64, the draw as
     * it is: call it with base 0. */
    void (*random_from_to)(Generator *, int64_t *out, int64_t n, uint64_t range, int64_t base);
    /* random_() without bounds: `wide` (int64 and float64 tensors) draws two words; modulus is 2**63 for
     * int64, max + 1 for the other integers, 2 for bool, 2**digits + 1 for floating dtypes. */
    void (*random_modulus)(Generator *, int64_t *out, int64_t n, uint64_t modulus, bool wide);
    void (*randperm)(Generator *, int64_t *out, int64_t n);

    void (*exponential)(Generator *, double *out, int64_t n, double lambda);
    void (*geometric)(Generator *, double *out, int64_t n, double p);
    void (*log_normal)(Generator *, double *out, int64_t n, double mean, double std);
    void (*cauchy)(Generator *, double *out, int64_t n, double median, double sigma);
    void (*poisson)(Generator *, const double *rate, double *out, int64_t n);

    /* Sampling with replacement from one row of n unnormalised probabilities, in three steps: the cumulative
     * probabilities (which may fail), n_samples draws u of uniform_f64, the search.  Half dtypes of p are
     * converted to float32 first. */
    MultinomialStatus (*multinomial_cumulative_f32)(const float *p, double *cumulative, int64_t n);
    MultinomialStatus (*multinomial_cumulative_f64)(const double *p, double *cumulative, int64_t n);
    void (*multinomial_search)(const double *cumulative, int64_t n_categories, const double *u, int64_t *out,
                               int64_t n_samples);
} RandomKernels;

extern const RandomKernels random_kernels_baseline;
extern const RandomKernels random_kernels_avx2;
extern const RandomKernels random_kernels_avx512;

#endif
