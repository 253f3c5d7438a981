/* Kernels that work line by line or over dense memory: softmax, losses, scans, sorting. */
#ifndef CTORCH_CUDA_ROWS_H
#define CTORCH_CUDA_ROWS_H

#include "abi/loss.h"
#include "abi/scan.h"
#include "abi/softmax.h"
#include "abi/sort.h"
#include "cuda/places.h"
#include "cuda/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif
void launch_softmax(const Softmax *s, cudaStream_t stream);
void launch_nll(const Nll *a, Fault *fault, int blocks, cudaStream_t stream);
void launch_targets(const Nll *a, Fault *fault, int blocks, cudaStream_t stream);
void launch_scan(const Scan *s, cudaStream_t stream);
/* keys and places: rows of `width` items, a power of two of at least n */
void launch_sort(const Sort *s, uint64_t *keys, int64_t *places, int64_t width, cudaStream_t stream);
void launch_search(const Search *s, cudaStream_t stream);
#ifdef __cplusplus
}
#endif

#endif
