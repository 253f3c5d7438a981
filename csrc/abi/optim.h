/* Optimizer steps: the arguments of a backend's `optim` slot and the kernels' table. */
#ifndef CTORCH_ABI_OPTIM_H
#define CTORCH_ABI_OPTIM_H

#include "abi/dtype.h"
#include "abi/isa.h"

/* One parameter: n adjacent elements of each array, all of one dtype.  Which arrays are there:
 *   SGD   p, g; m: the momentum buffer, unless there is no momentum
 *   Adam  p, g; m, v: running means of gradients and their squares; top: largest v so far (amsgrad) */
typedef struct OptimItem {
    Dtype dtype;                  /* a float dtype */
    int64_t n;
    char *p;
    const char *g;
    char *m, *v, *top;
    double step_size, root;       /* Adam: lr / (1 - beta1^t), sqrt(1 - beta2^t) */
} OptimItem;

typedef enum OptimKind { OPTIM_SGD, OPTIM_ADAM } OptimKind;

/* The rules stand in ctorch/optim. */
typedef struct Optim {
    OptimKind kind;
    double lr, weight_decay;
    bool maximize;
    double momentum, dampening;   /* SGD */
    bool nesterov;
    double beta1, beta2, eps;     /* Adam */
    bool amsgrad, decoupled;
    int64_t n_items;
    const OptimItem *items;
} Optim;

/* Elements of one item, whose pointers are already where they begin. */
typedef void (*OptimLoop)(const Optim *o, const OptimItem *item);

typedef struct OptimKernels {
    OptimLoop sgd_f32, sgd_f64, adam_f32, adam_f64;
} OptimKernels;

extern const OptimKernels ISA_NAME(optim_kernels);

#endif
