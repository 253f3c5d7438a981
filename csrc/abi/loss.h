/* Losses that pick one class a line: the arguments of a backend's `nll` slot. */
#ifndef CTORCH_ABI_LOSS_H
#define CTORCH_ABI_LOSS_H

#include "abi/dtype.h"

typedef enum NllKind {
    NLL_EACH,                     /* out (lines): -weight[t] log p[t], 0 where t is ignored */
    NLL_SUM,                      /* out (1): their sum; total (1): the sum of weight[t] */
    NLL_MEAN,                     /* out: the former divided by the latter; total as above */
    NLL_SCALE,                    /* out (lines): weight[t] g over *total, unless NULL; 0 where ignored */
    NLL_SUBTRACT,                 /* out[line, t] -= x[line], x: what NLL_SCALE gave */
} NllKind;

/* Dense tensors of shape (outer, n, inner), classes along n; line k is the (outer, inner) index k and has
 * the class target[k], in [0, n) or ignore_index.  log p is x itself or, if lse is given, x - lse as in
 * abi/softmax.h. */
typedef struct Nll {
    NllKind kind;
    Dtype dtype;                  /* float or double */
    int64_t outer, n, inner;
    const char *x, *lse;
    const int64_t *target;
    int64_t ignore_index;
    const char *weight;           /* (n), or NULL: ones */
    const char *g;
    int64_t g_stride;             /* 0: one g for all lines; else 1 */
    char *total;
    char *out;
} Nll;

#endif
