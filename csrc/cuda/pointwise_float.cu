/* Pointwise kernels of float, which the half types use too, and the launchers of all pointwise kernels. */
#include "cuda/pointwise_begin.cuh"

#define T float
#define S f
#define IS_FLOAT 1
#define IS_BOOL 0
#include "cuda/pointwise.cuh"

void launch_pointwise(PointwiseKernel kernel, const PointwiseArgs *args, int blocks, cudaStream_t stream)
{
    CT_LAUNCH(kernel, blocks, THREADS, 0, stream, *args);
}
