/* What kernels/ gives to the CPU backend: one struct of function pointers per instruction set.  Kernels know
 * pointers, strides and numbers; they do not allocate, check or fail. */
#ifndef CTORCH_ABI_KERNELS_H
#define CTORCH_ABI_KERNELS_H

#include "abi/dtype.h"
#include "abi/isa.h"
#include "abi/iter.h"
#include "abi/ops.h"

typedef struct KernelEntry {
    int16_t op;
    int16_t part;
    Loop loop;
} KernelEntry;

typedef bool (*GuardLoop)(char *const *ptr, const int64_t *stride, int64_t n);

typedef struct GuardEntry {
    int16_t op;
    int16_t dtype;
    GuardLoop loop;
} GuardEntry;

/* One instruction set's pointwise kernels.  Loops take dense operands of the compute dtype; an operand of a binary
 * row may have stride 0.  The CPU backend spreads the lists into its table at start. */
typedef struct Kernels {
    const char *name;
    const KernelEntry *entries[DTYPE_COUNT];       /* NULL for the half types */
    int n_entries[DTYPE_COUNT];
    const GuardEntry *guards;
    int n_guards;
    Loop cast[DTYPE_COUNT][DTYPE_COUNT];           /* [to][from]; NULL where a half type takes part */
    bool (*any_large)(const float *x, int64_t n);  /* some |x| >= 2^31, or no number */
    Loop half_load[2];                             /* float16, bfloat16 -> float; half_store the other way */
    Loop half_store[2];
    void (*sort_keys)(uint64_t *keys, const char *row, Dtype dtype, int64_t n, uint64_t flip);      /* abi/sort.h */
    uint64_t (*key_at_place)(const uint64_t *keys, int64_t n, int64_t place, int64_t *before);
    void (*copy_strided)(char *to, int64_t to_stride, const char *from, int64_t from_stride, int64_t n,
                         int64_t itemsize);                                                     /* abi/convert.h */
    bool (*indices_inside)(const int64_t *at, int64_t n, int64_t size);                         /* abi/index.h */
    void (*index_extremes)(const int64_t *at, int64_t n, int64_t *low, int64_t *high);
    void (*interleave)(char *to, const char *a, const char *b, int64_t n, int64_t itemsize);
    const struct GemmKernels *gemm;
    const struct RandomKernels *random;
    const struct ReduceKernels *reduce;
    const struct ScanKernels *scan;
    const struct SoftmaxKernels *softmax;
    const struct OptimKernels *optim;
} Kernels;

extern const Kernels ISA_NAME(kernels);

#endif
