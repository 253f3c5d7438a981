/* The launcher of random fills, of which philox.c makes a slot. */
#ifndef CTORCH_CUDA_PHILOX_H
#define CTORCH_CUDA_PHILOX_H

#include "abi/philox.h"
#include "cuda/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif
void launch_philox(const PhiloxFill *fill, Fault *fault, int blocks, cudaStream_t stream);
#ifdef __cplusplus
}
#endif

#endif
