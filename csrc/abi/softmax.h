/* Softmax, its logarithm and their gradients along one dim, and the log-sum-exp that cross-entropy is made
 * of: the arguments of a backend's `softmax` slot and the kernels' table. */
#ifndef CTORCH_ABI_SOFTMAX_H
#define CTORCH_ABI_SOFTMAX_H

#include "abi/dtype.h"
#include "abi/isa.h"

typedef enum SoftmaxKind {
    SOFTMAX_FORWARD,              /* out = exp(x) / sum exp(x) */
    SOFTMAX_LOG,                  /* out = x - log sum exp(x) */
    SOFTMAX_BACKWARD,             /* x is the softmax: out = x (g - sum g x) */
    SOFTMAX_LOG_BACKWARD,         /* x is the log-softmax: out = g - exp(x) sum g */
    SOFTMAX_LSE,                  /* lse: each line's maximum, then each line's log sum exp(x - maximum) */
    SOFTMAX_SCALED,               /* out = exp(x - maximum - log sum) scale, with lse from SOFTMAX_LSE */
    SOFTMAX_KINDS
} SoftmaxKind;

/* Dense tensors of shape (outer, n, inner), worked along n: line k is the (outer, inner) index k.  Two
 * numbers stand for a line's log-sum-exp, since their sum would lose the digits that differences of large
 * scores have. */
typedef struct Softmax {
    SoftmaxKind kind;
    Dtype dtype;                  /* float or double */
    int64_t outer, n, inner;
    const char *x, *g;
    char *out;
    char *lse;                    /* (2, lines) */
    const char *scale;            /* (lines) */
} Softmax;

/* Lines [begin, end). */
typedef void (*SoftmaxLoop)(const Softmax *s, int64_t begin, int64_t end);

typedef struct SoftmaxKernels {
    SoftmaxLoop f32, f64;
} SoftmaxKernels;

extern const SoftmaxKernels ISA_NAME(softmax_kernels);

#endif
