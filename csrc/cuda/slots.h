/* The slots of the CUDA backend (abi/backend.h), a family a file, and what these files share. */
#ifndef CTORCH_CUDA_SLOTS_H
#define CTORCH_CUDA_SLOTS_H

#include "abi/backend.h"
#include "cuda/runtime.h"

int cuda_pointwise(Op op, int part, Dtype dtype, const Iter *iter, const Param *params);
bool cuda_guard(Op op, Dtype dtype, const Iter *iter);
int cuda_cast(Dtype to, Dtype from, const Iter *iter);
int cuda_gemm(Dtype dtype, const Gemm *gemm, int64_t batch, int64_t a_step, int64_t b_step, int64_t c_step);
int cuda_reduce(const Reduce *reduce);
int cuda_arg_reduce(const ArgReduce *reduce);
int cuda_scan(const Scan *scan);
int cuda_sort(const Sort *sort);
int cuda_search(const Search *search);
int cuda_invert(const Invert *invert);
int cuda_decompose(const Decompose *decompose);
int cuda_softmax(const Softmax *softmax);
bool cuda_bad_target(const Nll *nll, int64_t *bad);
int cuda_nll(const Nll *nll);
int cuda_optim(const Optim *optim);
int cuda_pick(const PickArgs *args, const Iter *iter);
int cuda_index_range(const Iter *iter, bool exact, int64_t *low, int64_t *high);
int cuda_mask_count(const uint8_t *mask, int64_t n, int64_t *count);
int cuda_mask_move(const MaskArgs *args);
int cuda_nonzero(const NonzeroArgs *args);
int cuda_philox(const PhiloxFill *fill);

extern const Accelerator cuda_accelerator;

/* Blocks of THREADS threads for a loop over so many elements: enough for all processors, and no more. */
int blocks_for(int64_t threads);
/* One number in the host's memory, as in core/dtype.c. */
void number_load(const void *at, Dtype dtype, double *f, int64_t *i);
void number_store(void *at, Dtype dtype, double f, int64_t i);

#endif
