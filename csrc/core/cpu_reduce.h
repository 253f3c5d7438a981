/* The slots of the CPU backend for reductions, scans and sorting. */
#ifndef CTORCH_CORE_CPU_REDUCE_H
#define CTORCH_CORE_CPU_REDUCE_H

#include "abi/linalg.h"
#include "abi/reduce.h"
#include "abi/scan.h"
#include "abi/sort.h"

/* The `reduce` slot: 0, or -1 with an error set. */
int cpu_reduce(const Reduce *reduce);
/* The `arg_reduce` slot. */
int cpu_arg_reduce(const ArgReduce *reduce);
/* The `scan` slot (core/cpu_scan.c). */
int cpu_scan(const Scan *scan);
/* The `sort` and `search` slots (core/cpu_sort.c), and `invert` and `decompose` (core/cpu_linalg.c). */
int cpu_sort(const Sort *sort);
int cpu_search(const Search *search);
int cpu_invert(const Invert *invert);
int cpu_decompose(const Decompose *decompose);
/* The fold over n dense elements of one dtype, finished, on the calling thread: the path of small tensors. */
double cpu_fold_dense(Fold fold, Dtype dtype, const char *x, int64_t n);

#endif
