/* Matrices in double: the arguments of a backend's `invert` and `decompose` slots. */
#ifndef CTORCH_ABI_LINALG_H
#define CTORCH_ABI_LINALG_H

#include <stdint.h>

/* Gauss-Jordan elimination of `count` dense matrices of n rows, which are destroyed. */
typedef struct Invert {
    int64_t count, n;
    double *a, *inverse;
    int64_t *singular; /* in the host's memory: the first matrix times n plus its column without a pivot, or -1 */
} Invert;

/* Singular values by one-sided Jacobi rotations.  The k columns of each w (of length m, m >= k) and of v (of length k)
 * are stored as rows.  w becomes the left singular vectors, s the values in descending order, v the right vectors. */
typedef struct Decompose {
    int64_t count, m, k;
    double *w, *v, *s;
} Decompose;

enum { SWEEPS_MAX = 60 };    /* convergence is quadratic in the end: about ten do */

#endif
