/* Copies and casts of the CPU backend, and how its loops are run. */
#ifndef CTORCH_CORE_CPU_COPY_H
#define CTORCH_CORE_CPU_COPY_H

#include "abi/dtype.h"
#include "abi/kernels.h"

enum { CPU_BLOCK = 512 };         /* elements; 8 operands of doubles fill an L1 cache's 32 KiB */

/* Elements of one size, strides in bytes. */
void cpu_copy_strided(char *to, int64_t to_stride, const char *from, int64_t from_stride, int64_t n, int64_t itemsize);
/* Dense to dense, any dtype to any, at most CPU_BLOCK elements if a half type goes through float. */
void cpu_cast_dense(char *to, Dtype to_dtype, const char *from, Dtype from_dtype, int64_t n);
/* A loop over an iterator, on all threads and without the GIL where it is long.  grain: elements worth about 5 us. */
int cpu_run(const Iter *iter, Loop loop, const Param *params, int64_t grain);
/* Operand 1 into operand 0: the backend's `cast` slot. */
int cpu_cast(Dtype to, Dtype from, const Iter *iter);

/* What stands in each row of a result: `bytes` adjacent ones, at a stride from row to row. */
typedef struct RowPart {
    const char *data;
    int64_t stride, bytes;
} RowPart;

/* Row i of out, `width` bytes, is row i of each of the n parts, one after another. */
int cpu_join_rows(char *out, int64_t width, int64_t rows, int n, const RowPart parts[], int64_t itemsize);

#endif
