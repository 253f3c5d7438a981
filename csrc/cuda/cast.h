/* Kernels that convert, copy and fill. */
#ifndef CTORCH_CUDA_CAST_H
#define CTORCH_CUDA_CAST_H

#include "abi/dtype.h"
#include "cuda/places.h"
#include "cuda/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif
/* Operands: out, in.  Of one dtype: bytes are moved. */
void launch_cast(const Places *places, Dtype to, Dtype from, int itemsize, int blocks, cudaStream_t stream);
#ifdef __cplusplus
}
#endif

#endif
