/* Devices, the one lock, and errors: the last error of each host thread, faults that stay until the device is
 * reset, and faults that no synchronising call has reported yet. */
#include "sim.h"

#include <cstdio>
#include <cstring>

namespace ctsim {

static Device devices[MAX_DEVICES];
static thread_local int current;
static thread_local cudaError_t last_error;

std::recursive_mutex &lock()
{
    static std::recursive_mutex mutex;
    return mutex;
}

Device *device_at(int index)
{
    if (index < 0 || index >= device_count())
        return nullptr;
    Device *device = &devices[index];
    device->index = index;
    if (!device->null_stream)
        device->null_stream = new_stream(device, true);
    return device;
}

Device *current_device()
{
    return device_at(current);
}

void device_faulted(Device *device, cudaError_t error)
{
    if (device->pending == cudaSuccess)
        device->pending = error;
}

cudaError_t surface(Device *device)
{
    if (device->fault == cudaSuccess)
        device->fault = device->pending;
    return device->fault;
}

static cudaError_t no_device()
{
    int count = device_count();
    return count < 0 ? cudaErrorInsufficientDriver : count == 0 ? cudaErrorNoDevice : cudaSuccess;
}

cudaError_t begin(const char *call)
{
    cudaError_t error = planned_failure(call);
    if (error == cudaSuccess)
        error = no_device();
    if (error == cudaSuccess && !current_device())
        error = cudaErrorInvalidDevice;
    return error == cudaSuccess ? current_device()->fault : error;
}

cudaError_t record_error(cudaError_t error)
{
    if (error != cudaSuccess)
        last_error = error;
    return error;
}

/* A call that works on a device in any state. */
template <class F> static cudaError_t api_of_state(const char *name, F body)
{
    std::lock_guard<std::recursive_mutex> held(lock());
    cudaError_t error = planned_failure(name);
    return record_error(error == cudaSuccess ? body() : error);
}

static void fill_properties(cudaDeviceProp *prop, int index)
{
    *prop = {};
    snprintf(prop->name, sizeof(prop->name), "ctorch simulated device");
    prop->uuid.bytes[0] = 0xc7;
    prop->uuid.bytes[15] = static_cast<unsigned char>(index);
    prop->totalGlobalMem = memory_limit();
    prop->sharedMemPerBlock = SHARED_LIMIT;
    prop->regsPerBlock = prop->regsPerMultiprocessor = 65536;
    prop->warpSize = WARP;
    prop->maxThreadsPerBlock = MAX_THREADS;
    const int threads[3] = {1024, 1024, 64}, grid[3] = {0x7fffffff, 65535, 65535};
    memcpy(prop->maxThreadsDim, threads, sizeof(threads));
    memcpy(prop->maxGridSize, grid, sizeof(grid));
    prop->major = 9;
    prop->multiProcessorCount = 4;
    prop->concurrentKernels = 1;
    prop->l2CacheSize = 4 << 20;
    prop->maxThreadsPerMultiProcessor = 2048;
    prop->sharedMemPerMultiprocessor = 228 << 10;
    prop->sharedMemPerBlockOptin = SHARED_OPTIN_LIMIT;
}

static bool attribute(const cudaDeviceProp &prop, cudaDeviceAttr attr, int *value)
{
    switch (attr) {
    case cudaDevAttrMaxThreadsPerBlock: *value = prop.maxThreadsPerBlock; return true;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = static_cast<int>(prop.sharedMemPerBlock); return true;
    case cudaDevAttrWarpSize: *value = prop.warpSize; return true;
    case cudaDevAttrMultiProcessorCount: *value = prop.multiProcessorCount; return true;
    case cudaDevAttrL2CacheSize: *value = prop.l2CacheSize; return true;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = prop.maxThreadsPerMultiProcessor; return true;
    case cudaDevAttrComputeCapabilityMajor: *value = prop.major; return true;
    case cudaDevAttrComputeCapabilityMinor: *value = prop.minor; return true;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
        *value = static_cast<int>(prop.sharedMemPerMultiprocessor);
        return true;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = static_cast<int>(prop.sharedMemPerBlockOptin);
        return true;
    }
    return false;
}

struct Message {
    cudaError_t code;
    const char *name, *text;
};

/* The runtime's own names and texts. */
static const Message messages[] = {
#define MESSAGE(code, text)                                                                                  \
    {                                                                                                        \
        code, #code, text                                                                                    \
    }
    MESSAGE(cudaSuccess, "no error"),
    MESSAGE(cudaErrorInvalidValue, "invalid argument"),
    MESSAGE(cudaErrorMemoryAllocation, "out of memory"),
    MESSAGE(cudaErrorInitializationError, "initialization error"),
    MESSAGE(cudaErrorCudartUnloading, "driver shutting down"),
    MESSAGE(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    MESSAGE(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    MESSAGE(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    MESSAGE(cudaErrorDevicesUnavailable, "CUDA-capable device(s) is/are busy or unavailable"),
    MESSAGE(cudaErrorInvalidDeviceFunction, "invalid device function"),
    MESSAGE(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    MESSAGE(cudaErrorInvalidDevice, "invalid device ordinal"),
    MESSAGE(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device"),
    MESSAGE(cudaErrorECCUncorrectable, "uncorrectable ECC error encountered"),
    MESSAGE(cudaErrorPeerAccessUnsupported, "peer access is not supported between these two devices"),
    MESSAGE(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    MESSAGE(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    MESSAGE(cudaErrorNotReady, "device not ready"),
    MESSAGE(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    MESSAGE(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    MESSAGE(cudaErrorAssert, "device-side assert triggered"),
    MESSAGE(cudaErrorHostMemoryAlreadyRegistered,
            "part or all of the requested memory range is already mapped"),
    MESSAGE(cudaErrorHostMemoryNotRegistered, "pointer does not correspond to a registered memory region"),
    MESSAGE(cudaErrorMisalignedAddress, "misaligned address"),
    MESSAGE(cudaErrorLaunchFailure, "unspecified launch failure"),
    MESSAGE(cudaErrorNotPermitted, "operation not permitted"),
    MESSAGE(cudaErrorNotSupported, "operation not supported"),
    MESSAGE(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    MESSAGE(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    MESSAGE(cudaErrorStreamCaptureUnmatched, "capture was not initiated in this stream"),
    MESSAGE(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    MESSAGE(cudaErrorStreamCaptureImplicit,
            "operation would make the legacy stream depend on a capturing blocking stream"),
    MESSAGE(cudaErrorCapturedEvent,
            "operation not permitted on an event last recorded in a capturing stream"),
    MESSAGE(cudaErrorUnknown, "unknown error"),
#undef MESSAGE
};

static const Message *message_of(cudaError_t error)
{
    for (const Message &message : messages)
        if (message.code == error)
            return &message;
    return nullptr;
}

}  // namespace ctsim

using namespace ctsim;

extern "C" {

cudaError_t cudaGetDeviceCount(int *count)
{
    return api_of_state("cudaGetDeviceCount", [&] {
        *count = device_count() > 0 ? device_count() : 0;
        return no_device();
    });
}

cudaError_t cudaGetDevice(int *device)
{
    return api_of_state("cudaGetDevice", [&] {
        *device = current;
        return no_device();
    });
}

cudaError_t cudaSetDevice(int device)
{
    return api_of_state("cudaSetDevice", [&] {
        cudaError_t error = no_device();
        if (error == cudaSuccess && !device_at(device))
            error = cudaErrorInvalidDevice;
        if (error == cudaSuccess)
            current = device;
        return error;
    });
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device)
{
    return api("cudaGetDeviceProperties", [&] {
        if (!device_at(device))
            return cudaErrorInvalidDevice;
        fill_properties(prop, device);
        return cudaSuccess;
    });
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attr, int device)
{
    return api("cudaDeviceGetAttribute", [&] {
        cudaDeviceProp prop;
        if (!device_at(device))
            return cudaErrorInvalidDevice;
        fill_properties(&prop, device);
        return attribute(prop, attr, value) ? cudaSuccess : cudaErrorInvalidValue;
    });
}

/* No two simulated devices see each other's memory: a kernel that mixes them is a bug worth finding. */
cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer)
{
    return api("cudaDeviceCanAccessPeer", [&] {
        *can = 0;
        return device_at(device) && device_at(peer) ? cudaSuccess : cudaErrorInvalidDevice;
    });
}

cudaError_t cudaDeviceReset(void)
{
    return api_of_state("cudaDeviceReset", [&] {
        Device *device = current_device();
        if (!device)
            return no_device();
        release_streams(device);
        release_memory(device->index);
        device->pending = device->fault = last_error = cudaSuccess;
        return cudaSuccess;
    });
}

cudaError_t cudaDriverGetVersion(int *version)
{
    return api_of_state("cudaDriverGetVersion", [&] {
        *version = device_count() < 0 ? 0 : CUDART_VERSION;
        return cudaSuccess;
    });
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    return api_of_state("cudaRuntimeGetVersion", [&] {
        *version = CUDART_VERSION;
        return cudaSuccess;
    });
}

cudaError_t cudaPeekAtLastError(void)
{
    std::lock_guard<std::recursive_mutex> held(lock());
    Device *device = current_device();
    return device && device->fault != cudaSuccess ? device->fault : last_error;
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = cudaPeekAtLastError();
    last_error = cudaSuccess;
    return error;
}

const char *cudaGetErrorName(cudaError_t error)
{
    const Message *message = message_of(error);
    return message ? message->name : "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error)
{
    const Message *message = message_of(error);
    return message ? message->text : "unrecognized error code";
}

}  // extern "C"
