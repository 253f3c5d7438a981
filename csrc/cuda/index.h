/* Kernels of indexing and masks, as index.c launches them. */
#ifndef CTORCH_CUDA_INDEX_H
#define CTORCH_CUDA_INDEX_H

#include "abi/index.h"
#include "cuda/places.h"
#include "cuda/runtime.h"

enum { MASK_CHUNK = 1 << 12 };        /* elements whose true ones one block counts and moves */

#ifdef __cplusplus
extern "C" {
#endif
void launch_pick(const PickArgs *args, const Places *places, Fault *fault, int blocks, cudaStream_t stream);
/* counts[chunk]: true elements of each chunk; then their running sums, with the total in counts[chunks] */
void launch_mask_count(const uint8_t *mask, int64_t n, int64_t *counts, cudaStream_t stream);
void launch_mask_sums(int64_t *counts, int64_t chunks, cudaStream_t stream);
void launch_mask_move(const MaskArgs *args, const int64_t *starts, cudaStream_t stream);
void launch_nonzero(const NonzeroArgs *args, const int64_t *dims, const int64_t *starts, cudaStream_t stream);
#ifdef __cplusplus
}
#endif

#endif
