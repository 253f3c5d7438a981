/* Pointwise kernels of double, made from the op table. */
#include "cuda/pointwise_begin.cuh"

#define T double
#define S d
#define IS_FLOAT 1
#define IS_BOOL 0
#include "cuda/pointwise.cuh"
