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
    int32_t stored;                   /* the dtype of operands in memory: the formula's or a narrower one */
} PointwiseArgs;

typedef void (*PointwiseKernel)(PointwiseArgs args);

/* A kernel beside those of the parts: pow with the exponent 3, a product as on the CPU. */
enum { PART_CUBE = PART_COUNT, POINTWISE_PARTS };

typedef struct PointwiseEntry {
    int16_t op, part;
    PointwiseKernel kernel;
} PointwiseEntry;

/* The kernels of one type that formulas compute in. */
typedef struct PointwiseTable {
    const PointwiseEntry *entries;
    int n_entries;
} PointwiseTable;

#ifdef __cplusplus
extern "C" {
#endif
extern const PointwiseTable pointwise_b, pointwise_i32, pointwise_i64, pointwise_f, pointwise_d;
void launch_pointwise(PointwiseKernel kernel, const PointwiseArgs *args, int blocks, cudaStream_t stream);
void launch_guard(const Places *places, Dtype dtype, Fault *fault, int blocks, cudaStream_t stream);
#ifdef __cplusplus
}
#endif

#endif
