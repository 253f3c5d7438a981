/* The one symbol of this shared object. */
#include "cuda/slots.h"

__attribute__((visibility("default"))) const Backend ct_cuda_backend = {
    .abi = BACKEND_ABI,
    .name = "cuda",
    .alloc = cuda_alloc,
    .free = cuda_free,
    .pointwise = cuda_pointwise,
    .guard = cuda_guard,
    .cast = cuda_cast,
    .gemm = cuda_gemm,
    .reduce = cuda_reduce,
    .arg_reduce = cuda_arg_reduce,
    .scan = cuda_scan,
    .sort = cuda_sort,
    .softmax = cuda_softmax,
    .bad_target = cuda_bad_target,
    .nll = cuda_nll,
    .optim = cuda_optim,
    .pick = cuda_pick,
    .index_range = cuda_index_range,
    .mask_count = cuda_mask_count,
    .mask_move = cuda_mask_move,
    .nonzero = cuda_nonzero,
    .philox = cuda_philox,
    .accelerator = &cuda_accelerator,
};
