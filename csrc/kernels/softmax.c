/* Softmax and log-softmax, forward and backward, and log-sum-exp: see abi/softmax.h.  The loops are in
 * softmax.inc, which is included once for each of float and double. */
#include "abi/softmax.h"

#include "abi/formula.h"

/* COLUMNS: the most lines worked side by side.  TILE: lines of at most SHORT adjacent elements would leave
 * most lanes of a vector idle, so TILE of them are transposed and become columns, but for those that FEW lanes
 * divide, of which ROWS are worked together.  LANES: partial maxima and sums of one long line.  RUN: how many numbers of a column are added up one after another. */
enum { COLUMNS = 256, TILE = 32, SHORT = 48, LANES = 64, FEW = 16, ROWS = 16, RUN = 64 };

/* Functions that are compiled once for each constant value of their flags. */
#define INLINE static inline __attribute__((always_inline))
/* Each lane reads its operands before it writes, so out may be an input. */
#if defined(__clang__)
#define VECTORIZE _Pragma("clang loop vectorize(assume_safety)")
#define TOGETHER VECTORIZE
#else
#define VECTORIZE _Pragma("GCC ivdep")
/* Keeps a loop of constant length from being unrolled before it could be vectorised. */
#define TOGETHER _Pragma("omp simd")
#endif

#define NAME(x) FORMULA_PASTE(x, S)
/* Element k of an array that may be absent. */
#define AT(array, k) ((array) != NULL ? (T *)(array) + (k) : NULL)

#define T float
#define S f
#define MIDDLE EXP_MID_F
#include "kernels/softmax.inc"
#undef T
#undef S
#undef MIDDLE
#define T double
#define S d
#define MIDDLE EXP_MID_D
#include "kernels/softmax.inc"
#undef T
#undef S
#undef MIDDLE

const SoftmaxKernels ISA_NAME(softmax_kernels) = {softmax_f, softmax_d};
