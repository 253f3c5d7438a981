/* Matrix products: ctorch's own kernels, and cuBLAS where it is installed. */
#ifndef CTORCH_CUDA_GEMM_H
#define CTORCH_CUDA_GEMM_H

#include "abi/dtype.h"
#include "abi/gemm.h"
#include "cuda/runtime.h"

/* A batch: matrices lie `step` elements apart.  Strides as in abi/gemm.h. */
typedef struct GemmBatch {
    Gemm gemm;
    int64_t count, a_step, b_step, c_step;
} GemmBatch;

#ifdef __cplusplus
extern "C" {
#endif
void launch_gemm(Dtype dtype, const GemmBatch *batch, cudaStream_t stream);
/* C + bias, then max(0, .), in place; float or double. */
void launch_epilogue(Dtype dtype, const GemmBatch *batch, cudaStream_t stream);
#ifdef __cplusplus
}
#endif

/* 1: done, but for bias and relu, 0: not a product for cuBLAS, or there is none; -1 with an error. */
int cublas_gemm(Dtype dtype, const GemmBatch *batch);

#endif
