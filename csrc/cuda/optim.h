/* Optimizer steps over many parameters in few launches. */
#ifndef CTORCH_CUDA_OPTIM_H
#define CTORCH_CUDA_OPTIM_H

#include "abi/optim.h"
#include "cuda/runtime.h"

enum { OPTIM_LIST = 40, OPTIM_CHUNK = 4096, OPTIM_THREADS = 256 };

/* Computed in double or, all of them, in float.  first[k]: chunks of all items before item k; items[k] has
 * first[k + 1] - first[k]. */
typedef struct OptimList {
    Optim rule;
    int n_items;
    int32_t first[OPTIM_LIST + 1];
    OptimItem items[OPTIM_LIST];
} OptimList;

#ifdef __cplusplus
extern "C" {
#endif
void launch_optim(const OptimList *list, cudaStream_t stream);
#ifdef __cplusplus
}
#endif

#endif
