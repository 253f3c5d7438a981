/* How the small functions of abi/ are declared, so that C, C++ and CUDA files read the same text. */
#ifndef CTORCH_ABI_INLINE_H
#define CTORCH_ABI_INLINE_H

/* CT_FN: a loop vectorises only around inlined code, and the larger functions exceed the compilers' own limit.
 * CT_INLINE: the compiler may decide. */
#ifdef __CUDACC__
#define CT_FN static __device__ __forceinline__
#define CT_INLINE static __device__ inline
#else
#define CT_FN static inline __attribute__((always_inline))
#define CT_INLINE static inline
#endif

#endif
