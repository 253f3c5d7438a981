/* Pointwise kernels of integers of 32 and 64 bits. */
#include "cuda/pointwise_begin.cuh"

#define T int32_t
#define S i32
#define IS_FLOAT 0
#define IS_BOOL 0
#include "cuda/pointwise.cuh"

#define T int64_t
#define S i64
#define IS_FLOAT 0
#define IS_BOOL 0
#include "cuda/pointwise.cuh"
