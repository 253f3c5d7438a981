/* How the small functions of abi/ are declared, so that C, C++ and CUDA files read the same text. */
#ifndef CTORCH_ABI_INLINE_H
#define CTORCH_ABI_INLINE_H

/* CT_FN: a loop vectorises only around inlined code, and the larger functions exceed the compilers' own limit.
 * CT_INLINE: the compiler may decide.  CT_ROLLED: before a short loop that nvcc would unroll for nothing but size. */
#ifdef __CUDACC__
#define CT_FN static __device__ __forceinline__
#define CT_INLINE static __device__ inline
#define CT_ROLLED _Pragma("unroll 1")
#else
#define CT_FN static inline __attribute__((always_inline))
#define CT_INLINE static inline
#define CT_ROLLED
#endif

#endif
