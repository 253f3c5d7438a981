/* Running reductions along one dim: cumsum and its like. */
#ifndef CTORCH_ABI_SCAN_H
#define CTORCH_ABI_SCAN_H

#include "abi/dtype.h"
#include "abi/isa.h"

typedef enum ScanKind { SCAN_SUM, SCAN_PROD, SCAN_LOGSUMEXP, SCAN_MAX, SCAN_MIN, SCAN_COUNT } ScanKind;

/* Dense tensors of shape (outer, n, inner), scanned along n.  indices: where MAX and MIN are, the last of
 * equals. */
typedef struct Scan {
    ScanKind kind;
    Dtype dtype; /* int64, float or double */
    int64_t outer, n, inner;
    const char *in;
    char *out;
    int64_t *indices;
} Scan;

/* Columns of m <= SCAN_TILE adjacent elements; stride in elements, the same for all three arrays. */
enum { SCAN_TILE = 64 };
typedef void (*ScanLoop)(const char *in, char *out, int64_t *indices, int64_t n, int64_t stride, int64_t m);

typedef struct ScanKernels {
    ScanLoop loop[SCAN_COUNT][DTYPE_COUNT];
} ScanKernels;

extern const ScanKernels ISA_NAME(scan_kernels);

#endif
