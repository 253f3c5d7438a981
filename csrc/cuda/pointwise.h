/* Pointwise kernels: what pointwise.c launches and pointwise_*.cu make from abi/ops.def. */
#ifndef CTORCH_CUDA_POINTWISE_H
#define CTORCH_CUDA_POINTWISE_H

#include "abi/dtype.h"
#include "abi/ops.h"
#include "cuda/places.h"
#include "cuda/runtime.h"

/* What the kernel of one part (PART_* of abi/ops.h) of a row gets. */
typedef struct PointwiseArgs {
    Places places;
    Param params[2];
    int32_t stored;                   /* the dtype of float operands in memory: float or a half type */
} PointwiseArgs;

typedef void (*PointwiseKernel)(PointwiseArgs args);
typedef void (*GuardKernel)(Places places, Fault *fault);

typedef struct PointwiseEntry {
    int16_t op, part;
    PointwiseKernel kernel;
} PointwiseEntry;

typedef struct GuardEntry {
    int16_t op;
    GuardKernel kernel;
} GuardEntry;

/* One compute dtype's kernels. */
typedef struct PointwiseTable {
    const PointwiseEntry *entries;
    int n_entries;
    const GuardEntry *guards;
    int n_guards;
} PointwiseTable;

#ifdef __cplusplus
extern "C" {
#endif
extern const PointwiseTable pointwise_b, pointwise_u8, pointwise_i8, pointwise_i16, pointwise_i32, pointwise_i64,
    pointwise_f, pointwise_d;
void launch_pointwise(PointwiseKernel kernel, const PointwiseArgs *args, int blocks, cudaStream_t stream);
void launch_guard(GuardKernel kernel, const Places *places, Fault *fault, int blocks, cudaStream_t stream);
#ifdef __cplusplus
}
#endif

#endif
