/* Pointwise kernels of bool and of integers of 8 and 16 bits. */
#include "cuda/pointwise_begin.cuh"

#define T bool
#define S b
#define IS_FLOAT 0
#define IS_BOOL 1
#include "cuda/pointwise.cuh"

#define T uint8_t
#define S u8
#define IS_FLOAT 0
#define IS_BOOL 0
#include "cuda/pointwise.cuh"

#define T int8_t
#define S i8
#define IS_FLOAT 0
#define IS_BOOL 0
#include "cuda/pointwise.cuh"

#define T int16_t
#define S i16
#define IS_FLOAT 0
#define IS_BOOL 0
#include "cuda/pointwise.cuh"
