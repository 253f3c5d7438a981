/* Inverses and singular values: what linalg.c plans and linalg.cu runs. */
#ifndef CTORCH_CUDA_LINALG_H
#define CTORCH_CUDA_LINALG_H

#include "abi/linalg.h"
#include "cuda/runtime.h"

enum { MATRIX_THREADS = 256 };

#ifdef __cplusplus
extern "C" {
#endif
/* singular: in device memory, count * n before; the first place without a pivot becomes the least */
void launch_invert(const Invert *job, unsigned long long *singular, cudaStream_t stream);
void launch_decompose(const Decompose *job, cudaStream_t stream);
#ifdef __cplusplus
}
#endif

#endif
