/* Pointwise kernels of adjacent float16 and bfloat16. */
#include "cuda/pointwise_half.cuh"

#define T float
#define S f
#define HALF Float16
#define TAG f16
#define IS_FLOAT 1
#define IS_BOOL 0
#include "cuda/pointwise.cuh"

#define T float
#define S f
#define HALF Bfloat16
#define TAG bf16
#define IS_FLOAT 1
#define IS_BOOL 0
#include "cuda/pointwise.cuh"
