/* What the author of a kernel writes instead of CUDA's own syntax, so that one .cu file is read both by nvcc
 * and, as C++20, by the host's compiler for the simulated device (sim/README.md).  Everything else in a .cu
 * file is plain CUDA with the names of cuda_runtime.h.
 *
 *   CT_LAUNCH(kernel, grid, block, shared_bytes, stream, args...);
 *       kernel<<<grid, block, shared_bytes, stream>>>(args...).  A kernel template is named with all its
 *       arguments, in parentheses if there is a comma: (k<float, 4>).  cudaGetLastError() tells of errors.
 *   CT_SHARED(float, tile, [32][33]);   a __shared__ array; of a scalar the third is empty: (int, total, )
 *   CT_DYN_SHARED(float, row);          float *row: the dynamic shared memory, aligned to 16 bytes
 *   CT_LD16(float4, p)                  loads 16 bytes at p, which must be aligned to 16
 *   CT_ST16(float4, p, value)           stores them
 *
 * Two rules follow from the simulator: arguments are passed by value and are pointers, numbers or structs of
 * them, and device memory holds no pointers (a list of tensors is a struct argument, at most 4 KB). */
#ifndef CTORCH_CUDA_LAUNCH_H
#define CTORCH_CUDA_LAUNCH_H

#include <cuda_runtime.h>

#ifdef __CUDACC__

#define CT_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                            \
    kernel<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__)
#define CT_SHARED(T, name, ...) __shared__ T name __VA_ARGS__
#define CT_DYN_SHARED(T, name)                                                                               \
    extern __shared__ __align__(16) unsigned char ct_dyn_shared[];                                           \
    T *name = reinterpret_cast<T *>(ct_dyn_shared)
#define CT_LD16(T, p)        (*reinterpret_cast<const T *>(p))
#define CT_ST16(T, p, value) (*reinterpret_cast<T *>(p) = (value))

#else

#define CT_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                            \
    ctsim_launch(#kernel, kernel, (grid), (block), (shared_bytes), (stream)__VA_OPT__(, ) __VA_ARGS__)
/* A reference into the block's arena, the same for all threads of a block; the slot says where. */
#define CT_SHARED(T, name, ...)                                                                              \
    typedef T name##_type __VA_ARGS__;                                                                       \
    static ctsim_SharedSlot name##_slot = {sizeof(name##_type), 0, 0};                                       \
    name##_type &name = *static_cast<name##_type *>(ctsim_shared(&name##_slot))
#define CT_DYN_SHARED(T, name) T *name = static_cast<T *>(ctsim_dyn_shared())
#define CT_LD16(T, p)          (*ctsim_aligned16<const T>((p), __FILE__, __LINE__))
#define CT_ST16(T, p, value)   (*ctsim_aligned16<T>((p), __FILE__, __LINE__) = (value))

#endif
#endif
