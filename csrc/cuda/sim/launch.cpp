/* A kernel launch, from CT_LAUNCH to the stream: the limits that the driver checks, arguments that are host
 * pointers, and the rewriting of device addresses into what the kernel can use. */
#include "sim.h"

#include <sys/mman.h>

#include <cstring>
#include <map>

namespace ctsim {

namespace {
struct Launch {
    std::unique_ptr<ctsim_Kernel> kernel;
    Grid grid;
    Device *device;
    std::vector<uintptr_t> handles; /* of the arguments */
};
}  // namespace

static std::map<const void *, size_t> opted_in; /* kernels that may use more dynamic shared memory */

static size_t dynamic_limit(const void *function)
{
    auto found = opted_in.find(function);
    return found == opted_in.end() ? SHARED_LIMIT : found->second;
}

static cudaError_t check_shape(const char *name, const void *function, dim3 grid, dim3 block,
                               size_t dyn_shared)
{
    uint64_t threads = static_cast<uint64_t>(block.x) * block.y * block.z;
    bool block_fits =
        threads >= 1 && threads <= MAX_THREADS && block.x <= 1024 && block.y <= 1024 && block.z <= 64;
    bool grid_fits = grid.x >= 1 && grid.y >= 1 && grid.z >= 1 && grid.x <= 0x7fffffff && grid.y <= 65535 &&
                     grid.z <= 65535;
    if (!block_fits || !grid_fits) {
        report("launch of %s: grid (%u,%u,%u) of blocks (%u,%u,%u) is not possible", name, grid.x, grid.y,
               grid.z, block.x, block.y, block.z);
        return cudaErrorInvalidConfiguration;
    }
    if (dyn_shared > dynamic_limit(function)) {
        report("launch of %s: %zu bytes of dynamic shared memory, at most %zu", name, dyn_shared,
               dynamic_limit(function));
        return cudaErrorInvalidValue;
    }
    return cudaSuccess;
}

/* A real device could not follow such a pointer. */
static bool host_pointer(const char *name, const void *const *pointers, int n)
{
    for (int i = 0; i < n; i++) {
        uintptr_t address = reinterpret_cast<uintptr_t>(pointers[i]);
        if (address && device_of_handle(address) < 0 && !is_pinned(pointers[i])) {
            report("launch of %s: argument %d, %p, is a pointer to host memory", name, i, pointers[i]);
            return true;
        }
    }
    return false;
}

/* Whether a word is an address of the process that is in use.  Numbers are far smaller or not mapped, or in a sanitizer's
 * shadow, of which few pages are resident; a small int, and whatever lies between it and the next member, can look like
 * one, so those with a small lower half are left alone. */
static bool is_host_address(uintptr_t word)
{
    unsigned char resident;
    return word >> 40 != 0 && word >> 47 == 0 && (word & 0xffffffff) >= 1 << 16 && device_of_handle(word) < 0 &&
           !is_pinned(reinterpret_cast<void *>(word)) &&
           mincore(reinterpret_cast<void *>(word & ~uintptr_t{4095}), 1, &resident) == 0 && (resident & 1) != 0;
}

/* The same for pointers in structs. */
static bool host_pointer_inside(const char *name, const void *args, size_t bytes)
{
    for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
        uintptr_t word;
        memcpy(&word, static_cast<const char *>(args) + at, sizeof(word));
        if (is_host_address(word)) {
            report("launch of %s: 0x%zx in a struct of its arguments is a pointer to host memory", name, word);
            return true;
        }
    }
    return false;
}

/* Whether a word is an address of that device's memory: not a small int and what lies between it and the next member. */
static bool is_device_address(uintptr_t word, int device)
{
    return device_of_handle(word) == device && ((word & 0xffffffff) >= 1 << 16 || find_block(word) != nullptr);
}

/* Addresses of another device stay as they are: the kernel faults if it uses one. */
static void translate(Launch *launch, void *args, size_t bytes)
{
    for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
        char *word = static_cast<char *>(args) + at;
        uintptr_t handle;
        memcpy(&handle, word, sizeof(handle));
        if (is_device_address(handle, launch->device->index)) {
            launch->handles.push_back(handle);
            handle = storage_of(handle);
            memcpy(word, &handle, sizeof(handle));
        }
    }
}

static void run(Launch *launch)
{
    launch->grid.error = cudaSuccess;
    run_grid(&launch->grid);
    if (launch->grid.error != cudaSuccess)
        device_faulted(launch->device, launch->grid.error);
    char after[200] = "by kernel ";
    strncat(after, launch->kernel->name, sizeof(after) - strlen(after) - 1);
    for (uintptr_t handle : launch->handles)
        check_slack(handle, after);
}

}  // namespace ctsim

using namespace ctsim;

void ctsim_enqueue(ctsim_Kernel *kernel, void *args, size_t args_bytes, const void *const *pointers,
                   int n_pointers, dim3 grid, dim3 block, size_t dyn_shared, cudaStream_t handle)
{
    std::unique_ptr<ctsim_Kernel> owned(kernel);
    api("cudaLaunchKernel", [&] {
        Stream *stream = stream_of(handle);
        if (!stream || device_of(stream) != current_device())
            return cudaErrorInvalidResourceHandle;
        if (detectors().args && (host_pointer(kernel->name, pointers, n_pointers) ||
                                 host_pointer_inside(kernel->name, args, args_bytes)))
            return cudaErrorInvalidValue;
        cudaError_t error = detectors().validate
                                ? check_shape(kernel->name, kernel->function, grid, block, dyn_shared)
                                : cudaSuccess;
        if (error != cudaSuccess)
            return error;
        auto launch = std::make_shared<Launch>(
            Launch{nullptr, {kernel, grid, block, dyn_shared, cudaSuccess}, device_of(stream), {}});
        translate(launch.get(), args, args_bytes);
        launch->kernel = std::move(owned);
        enqueue(stream, [launch] { run(launch.get()); });
        return cudaSuccess;
    });
}

extern "C" {

cudaError_t cudaFuncSetAttribute(const void *function, enum cudaFuncAttribute attr, int value)
{
    return api("cudaFuncSetAttribute", [&] {
        if (attr == cudaFuncAttributePreferredSharedMemoryCarveout)
            return cudaSuccess;
        size_t bytes = static_cast<size_t>(value);
        if (attr != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 || bytes > SHARED_OPTIN_LIMIT)
            return cudaErrorInvalidValue;
        opted_in[function] = bytes;
        return cudaSuccess;
    });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *, int block_size,
                                                          size_t dynamic_shared)
{
    return api("cudaOccupancyMaxActiveBlocksPerMultiprocessor", [&] {
        if (block_size < 1 || block_size > MAX_THREADS)
            return cudaErrorInvalidValue;
        size_t by_threads = 2048 / static_cast<size_t>(block_size),
               by_memory = (228 << 10) / (dynamic_shared + 1024);
        *blocks = static_cast<int>(by_threads < by_memory ? by_threads : by_memory);
        return cudaSuccess;
    });
}

}  // extern "C"
