/* Softmax and log-softmax, forward and backward, and log-sum-exp: see abi/softmax.h.  The loops are in softmax.inc,
 * which is included once for each of float and double. */
#include "abi/softmax.h"

#include "abi/formula.h"

/* TILE: lines worked side by side, one a lane.  LANES: partial maxima and sums of one line.  A line of at most SHORT
 * adjacent elements would leave most lanes of its vectors idle, so TILE of them are transposed first. */
enum { TILE = 32, LANES = 64, SHORT = 48 };

#define NAME(x) FORMULA_PASTE(x, S)
/* Element k of an array that may be absent. */
#define AT(array, k) ((array) != NULL ? (T *)(array) + (k) : NULL)

#define T float
#define S f
#include "kernels/softmax.inc"
#undef T
#undef S
#define T double
#define S d
#include "kernels/softmax.inc"
#undef T
#undef S

const SoftmaxKernels ISA_NAME(softmax_kernels) = {softmax_f, softmax_d};
