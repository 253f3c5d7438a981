/* Device memory behind handles, and pinned host memory.
 *
 * cudaMalloc gives out addresses of a range that is never accessible; the storage lies one RANGE further,
 * each block with its end at a page that is not accessible either.  Kernels, copies and cuBLAS add RANGE;
 * host code that touches a device pointer faults at once (fault.cpp), and so does a kernel that runs past the
 * end of a block or uses a freed one.  The bytes between a block and its pages' borders, which no fault
 * guards, are looked at after each kernel. */
#include "race.h"
#include "sim.h"

#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <sys/mman.h>
#include <unistd.h>

namespace ctsim {

constexpr uintptr_t RANGE = static_cast<uintptr_t>(64) << 30;
constexpr size_t ALIGNMENT = 16;
constexpr size_t REMEMBERED = 4096; /* freed blocks that a report can name */

namespace {
struct Memory {
    uintptr_t base, next;                   /* handles [base, next) have been given out */
    std::map<uintptr_t, Block> blocks;      /* by handle */
    std::multimap<size_t, uintptr_t> holes; /* by mapped size, used only once the range is */
    std::deque<Block> freed;
    size_t used;
};
struct Pinned {
    size_t size;
    int device;
    bool registered;
};
}  // namespace

static Memory memories[MAX_DEVICES];
static std::map<uintptr_t, Pinned> pinned;

static size_t page_size()
{
    static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return size;
}

static size_t mapped_size(const Block &block)
{
    return block.front + block.size + block.back;
}

uintptr_t storage_of(uintptr_t handle)
{
    return handle + RANGE;
}

int device_of_handle(uintptr_t address)
{
    for (int i = 0; i < MAX_DEVICES; i++)
        if (memories[i].base && address >= memories[i].base && address < memories[i].base + RANGE)
            return i;
    return -1;
}

const Block *find_block(uintptr_t handle)
{
    int device = device_of_handle(handle);
    if (device < 0)
        return nullptr;
    const std::map<uintptr_t, Block> &blocks = memories[device].blocks;
    auto after = blocks.upper_bound(handle);
    if (after == blocks.begin())
        return nullptr;
    const Block &block = std::prev(after)->second;
    return handle <= block.handle + block.size ? &block : nullptr;
}

static unsigned char *storage(const Block &block)
{
    return reinterpret_cast<unsigned char *>(storage_of(block.handle));
}

/* ---- allocation ---- */

static bool reserve(Memory *memory)
{
    if (memory->base)
        return true;
    void *range = mmap(nullptr, 2 * RANGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED)
        return false;
    memory->base = memory->next = reinterpret_cast<uintptr_t>(range);
    return true;
}

/* Handles are not used again before the whole range was, so that an old pointer stays a wrong one. */
static uintptr_t take_range(Memory *memory, size_t size)
{
    if (size <= memory->base + RANGE - memory->next) {
        uintptr_t first = memory->next;
        memory->next += size;
        return first;
    }
    auto hole = memory->holes.lower_bound(size);
    if (hole == memory->holes.end())
        return 0;
    uintptr_t first = hole->second;
    memory->holes.erase(hole);
    return first;
}

static bool map_block(Memory *memory, Block *block)
{
    size_t page = page_size(), rounded = (block->size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t pages = (rounded + page - 1) / page * page;
    block->back = rounded - block->size;
    block->front = pages - rounded;
    uintptr_t first = take_range(memory, pages + page);
    if (!first)
        return false;
    size_t accessible = detectors().guard ? pages : pages + page;
    unsigned char *start = reinterpret_cast<unsigned char *>(storage_of(first));
    if (mprotect(start, accessible, PROT_READ | PROT_WRITE) != 0)
        return false;
    memset(start, POISON, pages);
    block->handle = first + block->front;
    if (!detectors().poison)
        memset(storage(*block), 0, block->size);
    poison(start, block->front);
    poison(storage(*block) + block->size, block->back);
    return true;
}

static void unmap_block(Memory *memory, const Block &block)
{
    unsigned char *start = storage(block) - block.front;
    size_t size = mapped_size(block);
    unpoison(start, size);
    if (detectors().guard)
        mprotect(start, size, PROT_NONE);
    madvise(start, size, MADV_DONTNEED);
    memory->holes.emplace(size + page_size(), block.handle - block.front);
    memory->used -= block.size;
    memory->freed.push_back(block);
    if (memory->freed.size() > REMEMBERED)
        memory->freed.pop_front();
}

static cudaError_t allocate(Device *device, void **ptr, size_t size)
{
    Memory *memory = &memories[device->index];
    Block block = {0, size, 0, 0, device->index};
    *ptr = nullptr;
    if (size == 0)
        return cudaSuccess;
    size_t limit = memory_limit();
    if (memory->used > limit || size > limit - memory->used || !reserve(memory) || !map_block(memory, &block))
        return cudaErrorMemoryAllocation;
    catch_faults();
    memory->used += size;
    memory->blocks.emplace(block.handle, block);
    *ptr = reinterpret_cast<void *>(block.handle);
    return cudaSuccess;
}

static cudaError_t deallocate(void *ptr)
{
    uintptr_t handle = reinterpret_cast<uintptr_t>(ptr);
    const Block *block = find_block(handle);
    if (!block || block->handle != handle) {
        char text[200] = "memory that cudaMalloc never gave";
        describe_address(handle, text, sizeof(text));
        report("cudaFree(%p): %s", ptr, text);
        return cudaErrorInvalidValue;
    }
    run_all(); /* work in the streams may still use it */
    check_slack(handle, "before cudaFree");
    Memory *memory = &memories[block->device];
    unmap_block(memory, *block);
    memory->blocks.erase(handle);
    return cudaSuccess;
}

void release_memory(int device)
{
    Memory *memory = &memories[device];
    for (const auto &[handle, block] : memory->blocks)
        unmap_block(memory, block);
    memory->blocks.clear();
}

/* ---- what lies where ---- */

/* Plain loops: AddressSanitizer, which knows the slack as poisoned, watches memcmp. */
static bool spoilt(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != POISON)
            return true;
    return false;
}

void check_slack(uintptr_t handle, const char *after)
{
    const Block *block = detectors().slack ? find_block(handle) : nullptr;
    if (!block)
        return;
    unsigned char *data = storage(*block);
    bool before = spoilt(data - block->front, block->front), behind = spoilt(data + block->size, block->back);
    if (before || behind) {
        report("bytes %s a block of %zu bytes at %#zx were written %s", before ? "in front of" : "behind",
               block->size, block->handle, after);
        device_faulted(device_at(block->device), cudaErrorIllegalAddress);
        for (size_t i = 0; i < block->front; i++)
            data[i - block->front] = POISON;
        for (size_t i = 0; i < block->back; i++)
            data[block->size + i] = POISON;
    }
}

static bool pinned_range(uintptr_t address, size_t count)
{
    auto after = pinned.upper_bound(address);
    if (after == pinned.begin())
        return false;
    const auto &[start, range] = *std::prev(after);
    return address < start + range.size && count <= start + range.size - address;
}

bool is_pinned(const void *ptr)
{
    return pinned_range(reinterpret_cast<uintptr_t>(ptr), 1);
}

void *usable(const void *ptr, size_t count, bool *on_device, bool *in_pinned, const char *call)
{
    uintptr_t address = reinterpret_cast<uintptr_t>(ptr);
    *on_device = device_of_handle(address) >= 0;
    *in_pinned = !*on_device && pinned_range(address, count);
    if (!*on_device)
        return const_cast<void *>(ptr);
    const Block *block = find_block(address);
    if (block && count <= block->handle + block->size - address)
        return reinterpret_cast<void *>(storage_of(address));
    char text[200] = "nothing";
    describe_address(address, text, sizeof(text));
    report("%s: %zu bytes from %p do not lie in one block; it is %s", call, count, ptr, text);
    return nullptr;
}

static void describe_block(const Block &block, uintptr_t handle, const char *state, char *text, size_t size)
{
    long long offset = static_cast<long long>(handle - block.handle);
    snprintf(text, size, "byte %lld of a%s block of %zu bytes on device %d", offset, state, block.size,
             block.device);
}

/* Handles and the storage behind them alike. */
bool describe_address(uintptr_t address, char *text, size_t size)
{
    for (int i = 0; i < MAX_DEVICES; i++) {
        const Memory &memory = memories[i];
        if (!memory.base || address < memory.base || address >= memory.base + 2 * RANGE)
            continue;
        uintptr_t handle = address >= memory.base + RANGE ? address - RANGE : address;
        auto after = memory.blocks.upper_bound(handle);
        if (after != memory.blocks.begin()) {
            const Block &block = std::prev(after)->second;
            if (handle < block.handle + block.size + block.back + page_size()) {
                describe_block(block, handle, "", text, size);
                return true;
            }
        }
        for (auto block = memory.freed.rbegin(); block != memory.freed.rend(); ++block) {
            if (handle >= block->handle - block->front &&
                handle < block->handle + block->size + page_size()) {
                describe_block(*block, handle, " freed", text, size);
                return true;
            }
        }
        snprintf(text, size, "no block's memory on device %d", i);
        return true;
    }
    return false;
}

/* ---- pinned memory ---- */

static cudaError_t pin(void *ptr, size_t size, bool registered)
{
    uintptr_t address = reinterpret_cast<uintptr_t>(ptr);
    if (pinned_range(address, 1))
        return cudaErrorHostMemoryAlreadyRegistered;
    pinned.emplace(address, Pinned{size, current_device()->index, registered});
    return cudaSuccess;
}

static cudaError_t unpin(void *ptr, bool registered)
{
    auto found = pinned.find(reinterpret_cast<uintptr_t>(ptr));
    if (found == pinned.end() || found->second.registered != registered)
        return registered ? cudaErrorHostMemoryNotRegistered : cudaErrorInvalidValue;
    run_all();
    pinned.erase(found);
    return cudaSuccess;
}

static cudaError_t allocate_pinned(void **ptr, size_t size)
{
    *ptr = nullptr;
    if (size == 0)
        return cudaSuccess;
    if (posix_memalign(ptr, 64, size) != 0)
        return cudaErrorMemoryAllocation;
    memset(*ptr, detectors().poison ? POISON : 0, size);
    return pin(*ptr, size, false);
}

}  // namespace ctsim

using namespace ctsim;

extern "C" {

cudaError_t cudaMalloc(void **ptr, size_t size)
{
    return api("cudaMalloc", [&] {
        cudaError_t error = forbidden_in_capture();
        return error == cudaSuccess ? allocate(current_device(), ptr, size) : error;
    });
}

cudaError_t cudaFree(void *ptr)
{
    return api("cudaFree", [&] {
        cudaError_t error = forbidden_in_capture();
        if (error == cudaSuccess && ptr)
            error = deallocate(ptr);
        return error == cudaSuccess ? surface(current_device()) : error;
    });
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total)
{
    return api("cudaMemGetInfo", [&] {
        size_t used = memories[current_device()->index].used;
        *total = memory_limit();
        *free = used < *total ? *total - used : 0;
        return cudaSuccess;
    });
}

cudaError_t cudaMallocHost(void **ptr, size_t size)
{
    return api("cudaMallocHost", [&] { return allocate_pinned(ptr, size); });
}

cudaError_t cudaHostAlloc(void **ptr, size_t size, unsigned int flags)
{
    return api("cudaHostAlloc", [&] {
        return flags <= cudaHostAllocPortable ? allocate_pinned(ptr, size) : cudaErrorNotSupported;
    });
}

cudaError_t cudaFreeHost(void *ptr)
{
    return api("cudaFreeHost", [&] {
        cudaError_t error = ptr ? unpin(ptr, false) : cudaSuccess;
        if (error == cudaSuccess)
            free(ptr);
        return error;
    });
}

cudaError_t cudaHostRegister(void *ptr, size_t size, unsigned int flags)
{
    return api("cudaHostRegister", [&] {
        if (flags > cudaHostRegisterPortable)
            return cudaErrorNotSupported;
        return ptr && size ? pin(ptr, size, true) : cudaErrorInvalidValue;
    });
}

cudaError_t cudaHostUnregister(void *ptr)
{
    return api("cudaHostUnregister", [&] { return unpin(ptr, true); });
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *ptr)
{
    return api("cudaPointerGetAttributes", [&] {
        uintptr_t address = reinterpret_cast<uintptr_t>(ptr);
        void *plain = const_cast<void *>(ptr);
        *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, plain};
        if (const Block *block = find_block(address))
            *attributes = {cudaMemoryTypeDevice, block->device, plain, nullptr};
        else if (pinned_range(address, 1))
            *attributes = {cudaMemoryTypeHost, std::prev(pinned.upper_bound(address))->second.device, plain,
                           plain};
        return cudaSuccess;
    });
}

}  // extern "C"
