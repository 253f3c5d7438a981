/* Pointwise kernels of bool and the integers; those of int32 read and write the narrower ones, too: no formula tells
 * whether it computed in them, once its result is cut to their width. */
#include "cuda/pointwise_begin.cuh"

#include "cuda/element.cuh"

#define T bool
#define S b
#define IS_FLOAT 0
#define IS_BOOL 1
#include "cuda/pointwise.cuh"

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

/* The condition of every GUARD row: a divisor, operand 1, is 0. */
static __global__ void __launch_bounds__(THREADS) find_zero(Places places, int dtype, Fault *fault)
{
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < places.n; i += gridDim.x * blockDim.x) {
        int64_t offset[2];
        place(&places, i, 2, offset);
        if (load_int(places.ptr[1] + offset[1], dtype) == 0)
            fault->kind = FAULT_ZERO_DIVISION;
    }
}

void launch_guard(const Places *places, Dtype dtype, Fault *fault, int blocks, cudaStream_t stream)
{
    CT_LAUNCH(find_zero, blocks, THREADS, 0, stream, *places, (int)dtype, fault);
}
