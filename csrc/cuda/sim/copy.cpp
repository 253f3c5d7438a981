/* memcpy and memset with CUDA's rules of time: a copy to or from pinned memory happens when the stream comes
 * to it; a plain host buffer is read at the call, and written before the call returns. */
#include "sim.h"

#include <cstring>

namespace ctsim {

namespace {
struct Copy {
    unsigned char *to;
    const unsigned char *from;
    size_t to_pitch, from_pitch, width, height;
    bool to_device, from_device, to_pinned, from_pinned;
};
}  // namespace

static void move(const Copy &copy)
{
    for (size_t row = 0; row < copy.height; row++)
        memmove(copy.to + row * copy.to_pitch, copy.from + row * copy.from_pitch, copy.width);
}

static size_t extent(size_t pitch, size_t width, size_t height)
{
    return width && height ? (height - 1) * pitch + width : 0;
}

static bool direction_holds(const Copy &copy, cudaMemcpyKind kind)
{
    switch (kind) {
    case cudaMemcpyHostToHost: return !copy.to_device && !copy.from_device;
    case cudaMemcpyHostToDevice: return copy.to_device && !copy.from_device;
    case cudaMemcpyDeviceToHost: return !copy.to_device && copy.from_device;
    case cudaMemcpyDeviceToDevice: return copy.to_device && copy.from_device;
    case cudaMemcpyDefault: return true;
    }
    return false;
}

static cudaError_t prepare(Copy *copy, void *dst, const void *src, cudaMemcpyKind kind, const char *call)
{
    size_t to_bytes = extent(copy->to_pitch, copy->width, copy->height);
    size_t from_bytes = extent(copy->from_pitch, copy->width, copy->height);
    if (copy->height > 1 && (copy->to_pitch < copy->width || copy->from_pitch < copy->width))
        return cudaErrorInvalidValue;
    copy->to = static_cast<unsigned char *>(usable(dst, to_bytes, &copy->to_device, &copy->to_pinned, call));
    copy->from = static_cast<const unsigned char *>(
        usable(src, from_bytes, &copy->from_device, &copy->from_pinned, call));
    if (!copy->to || !copy->from)
        return cudaErrorInvalidValue;
    if (!direction_holds(*copy, kind)) {
        report("%s: from %s memory to %s memory is not kind %d", call, copy->from_device ? "device" : "host",
               copy->to_device ? "device" : "host", kind);
        return cudaErrorInvalidValue;
    }
    if (copy->from_device && !copy->to_device && copy->width * copy->height > readback_limit())
        return cudaErrorNotPermitted;
    return cudaSuccess;
}

/* A plain source is read now, as the driver's staging buffer would. */
static void enqueue_copy(Stream *stream, Copy copy)
{
    if (copy.from_device || copy.from_pinned) {
        enqueue(stream, [copy] { move(copy); });
        return;
    }
    auto staged = std::make_shared<std::vector<unsigned char>>(copy.width * copy.height);
    Copy in = copy;
    in.to = staged->data();
    in.to_pitch = copy.width;
    move(in);
    enqueue(stream, [copy, staged] {
        Copy out = copy;
        out.from = staged->data();
        out.from_pitch = copy.width;
        move(out);
    });
}

static cudaError_t copy_async(const char *call, void *dst, const void *src, Copy copy, cudaMemcpyKind kind,
                              cudaStream_t handle)
{
    Stream *stream = stream_of(handle);
    if (!stream)
        return cudaErrorInvalidResourceHandle;
    if (copy.width == 0 || copy.height == 0)
        return cudaSuccess;
    cudaError_t error = prepare(&copy, dst, src, kind, call);
    if (error != cudaSuccess)
        return error;
    enqueue_copy(stream, copy);
    bool waits = !copy.to_device && !copy.to_pinned;
    return waits ? synchronize(stream) : cudaSuccess;
}

static Copy dense(size_t count)
{
    Copy copy = {};
    copy.to_pitch = copy.from_pitch = copy.width = count;
    copy.height = 1;
    return copy;
}

static cudaError_t set_async(const char *call, void *ptr, int value, size_t count, cudaStream_t handle)
{
    bool on_device, in_pinned;
    Stream *stream = stream_of(handle);
    if (!stream)
        return cudaErrorInvalidResourceHandle;
    if (count == 0)
        return cudaSuccess;
    void *to = usable(ptr, count, &on_device, &in_pinned, call);
    if (!to || !(on_device || in_pinned))
        return cudaErrorInvalidValue;
    enqueue(stream, [to, value, count] { memset(to, value, count); });
    return cudaSuccess;
}

}  // namespace ctsim

using namespace ctsim;

extern "C" {

cudaError_t cudaMemcpy(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind)
{
    return api("cudaMemcpy", [&] {
        cudaError_t error = forbidden_in_capture();
        if (error == cudaSuccess)
            error = copy_async("cudaMemcpy", dst, src, dense(count), kind, nullptr);
        return error == cudaSuccess ? synchronize(stream_of(nullptr)) : error;
    });
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    return api("cudaMemcpyAsync",
               [&] { return copy_async("cudaMemcpyAsync", dst, src, dense(count), kind, stream); });
}

cudaError_t cudaMemcpy2DAsync(void *dst, size_t dpitch, const void *src, size_t spitch, size_t width,
                              size_t height, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    return api("cudaMemcpy2DAsync", [&] {
        Copy copy = {};
        copy.to_pitch = dpitch;
        copy.from_pitch = spitch;
        copy.width = width;
        copy.height = height;
        return copy_async("cudaMemcpy2DAsync", dst, src, copy, kind, stream);
    });
}

cudaError_t cudaMemcpyPeerAsync(void *dst, int dst_device, const void *src, int src_device, size_t count,
                                cudaStream_t stream)
{
    return api("cudaMemcpyPeerAsync", [&] {
        bool placed = device_of_handle(reinterpret_cast<uintptr_t>(dst)) == dst_device &&
                      device_of_handle(reinterpret_cast<uintptr_t>(src)) == src_device;
        if (!placed)
            return cudaErrorInvalidValue;
        return copy_async("cudaMemcpyPeerAsync", dst, src, dense(count), cudaMemcpyDeviceToDevice, stream);
    });
}

cudaError_t cudaMemset(void *ptr, int value, size_t count)
{
    return api("cudaMemset", [&] { return set_async("cudaMemset", ptr, value, count, nullptr); });
}

cudaError_t cudaMemsetAsync(void *ptr, int value, size_t count, cudaStream_t stream)
{
    return api("cudaMemsetAsync", [&] { return set_async("cudaMemsetAsync", ptr, value, count, stream); });
}

}  // extern "C"
