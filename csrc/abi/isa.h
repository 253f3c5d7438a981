/* ISA_NAME(x): the name of x in this instruction set's build of the kernels.  Files in kernels/ are compiled once
 * per instruction set with -DISA=baseline, avx2 or avx512; everything they export carries that suffix. */
#ifndef CTORCH_ABI_ISA_H
#define CTORCH_ABI_ISA_H

#ifndef ISA
#define ISA baseline
#endif
#define ISA_JOIN2(a, b) a##_##b
#define ISA_JOIN(a, b) ISA_JOIN2(a, b)
#define ISA_STRING_(x) #x
#define ISA_STRING(x) ISA_STRING_(x)
#define ISA_TEXT ISA_STRING(ISA)
#define ISA_NAME(x) ISA_JOIN(x, ISA)

#endif
