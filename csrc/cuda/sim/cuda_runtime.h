/* What a .cu file sees in place of NVIDIA's cuda_runtime.h when the host's compiler reads it as C++20:
 * qualifiers that mean nothing here, vector types, threadIdx and its kin, and the template behind CT_LAUNCH.
 * Device functions are in intrinsics.h.  Plain __shared__ and <<<>>> do not exist here: launch.h has the
 * spellings that both compilers read. */
#ifndef CTSIM_CUDA_RUNTIME_H
#define CTSIM_CUDA_RUNTIME_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <tuple>
#include <type_traits>

#include "cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__    __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

/* clang-format off */
#define CTSIM_VECTORS(base, T, a1, a2, a3, a4)                                                               \
    struct alignas(a1) base##1 { T x; };                                                                     \
    struct alignas(a2) base##2 { T x, y; };                                                                  \
    struct alignas(a3) base##3 { T x, y, z; };                                                               \
    struct alignas(a4) base##4 { T x, y, z, w; };                                                            \
    inline base##1 make_##base##1(T x) { return {x}; }                                                       \
    inline base##2 make_##base##2(T x, T y) { return {x, y}; }                                               \
    inline base##3 make_##base##3(T x, T y, T z) { return {x, y, z}; }                                       \
    inline base##4 make_##base##4(T x, T y, T z, T w) { return {x, y, z, w}; }
CTSIM_VECTORS(char, signed char, 1, 2, 1, 4)
CTSIM_VECTORS(uchar, unsigned char, 1, 2, 1, 4)
CTSIM_VECTORS(short, short, 2, 4, 2, 8)
CTSIM_VECTORS(ushort, unsigned short, 2, 4, 2, 8)
CTSIM_VECTORS(int, int, 4, 8, 4, 16)
CTSIM_VECTORS(uint, unsigned int, 4, 8, 4, 16)
CTSIM_VECTORS(longlong, long long, 8, 16, 8, 16)
CTSIM_VECTORS(ulonglong, unsigned long long, 8, 16, 8, 16)
CTSIM_VECTORS(float, float, 4, 8, 4, 16)
CTSIM_VECTORS(double, double, 8, 16, 8, 16)
#undef CTSIM_VECTORS
/* clang-format on */

struct dim3 {
    unsigned int x, y, z;
    constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z)
    {
    }
};

/* Where the running CUDA thread is; block.cpp sets it before it runs or resumes one. */
struct ctsim_Place {
    uint3 thread, block;
    dim3 block_dim, grid_dim;
};
extern ctsim_Place ctsim_place;

#define threadIdx (ctsim_place.thread)
#define blockIdx  (ctsim_place.block)
#define blockDim  (ctsim_place.block_dim)
#define gridDim   (ctsim_place.grid_dim)
static const int warpSize = 32;

/* A place in the block's static shared memory: its offset is given once, its contents are spoilt once a
 * block. */
struct ctsim_SharedSlot {
    size_t bytes, offset;
    unsigned long long block;
};
void *ctsim_shared(ctsim_SharedSlot *slot);
void *ctsim_dyn_shared();

void ctsim_misaligned(const void *p, const char *file, int line); /* the kernel fails */

template <class T, class P> inline T *ctsim_aligned16(P *p, const char *file, int line)
{
    static_assert(sizeof(T) == 16, "CT_LD16 and CT_ST16 move 16 bytes");
    if (reinterpret_cast<uintptr_t>(p) % 16 != 0)
        ctsim_misaligned(p, file, line);
    return reinterpret_cast<T *>(p);
}

/* A launch whose grid may still wait in a stream.  thread() is one CUDA thread. */
struct ctsim_Kernel {
    const char *name;
    const void *function;
    virtual void thread() = 0;
    virtual ~ctsim_Kernel() = default;
    /* Between its arguments are zeros, not what the heap had there, which could pass for an address. */
    static void *operator new(size_t bytes)
    {
        void *memory = calloc(1, bytes);
        if (memory == nullptr)
            abort();
        return memory;
    }
    static void operator delete(void *memory)
    {
        free(memory);
    }
};

template <class... P> struct ctsim_KernelOf final : ctsim_Kernel {
    void (*call)(P...);
    std::tuple<P...> args;
    ctsim_KernelOf(void (*call_)(P...), P... args_) : call(call_), args(args_...)
    {
    }
    void thread() override
    {
        std::apply(call, args);
    }
};

template <class T> inline const void *ctsim_pointer(const T &arg)
{
    if constexpr (std::is_pointer_v<T>)
        return reinterpret_cast<const void *>(arg);
    else
        return nullptr;
}

/* Takes the kernel over.  `pointers` are those arguments that are pointers as such: they must be device or
 * pinned memory.  Every word of `args` that is a device address is made usable by the simulator, in structs
 * too. */
void ctsim_enqueue(ctsim_Kernel *kernel, void *args, size_t args_bytes, const void *const *pointers,
                   int n_pointers, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream);

template <class... P, class... A>
void ctsim_launch(const char *name, void (*call)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                  cudaStream_t stream, A... args)
{
    static_assert((std::is_trivially_copyable_v<P> && ...), "kernel arguments are plain values");
    auto *kernel = new ctsim_KernelOf<P...>(call, static_cast<P>(args)...);
    kernel->name = name;
    kernel->function = reinterpret_cast<const void *>(call);
    const void *const pointers[] = {ctsim_pointer<P>(static_cast<P>(args))..., nullptr};
    ctsim_enqueue(kernel, &kernel->args, sizeof(kernel->args), pointers, sizeof...(P), grid, block,
                  shared_bytes, stream);
}

template <class T> inline cudaError_t cudaFuncSetAttribute(T *func, cudaFuncAttribute attr, int value)
{
    return cudaFuncSetAttribute(reinterpret_cast<const void *>(func), attr, value);
}

template <class T>
inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, T func, int block_size,
                                                                 size_t shared)
{
    return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, reinterpret_cast<const void *>(func),
                                                         block_size, shared);
}

#include "intrinsics.h"

#endif
