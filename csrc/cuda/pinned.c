/* Page-locked host memory.  To lock and to unlock pages takes longer than to copy them: blocks, of powers of two, are kept
 * and given out again, once the copies that were not waited for have ended. */
#include <stdlib.h>

#include "cuda/runtime.h"

/* The last copy that a stream was given, and whose end its event marks. */
typedef struct Use {
    struct Use *next;
    cudaStream_t stream;
    int device;
    cudaEvent_t event;
} Use;

typedef struct Block {
    struct Block *next;
    char *data;
    size_t size;
    Use *uses;
} Block;

static Block *in_use, *idle;

/* The block that holds data, or NULL. */
static Block *
block_of(const void *data)
{
    const char *at = data;
    for (Block *b = in_use; b != NULL; b = b->next)
        if (at >= b->data && at < b->data + b->size)
            return b;
    return NULL;
}

static void
move(Block *block, Block **from, Block **to)
{
    while (*from != block)
        from = &(*from)->next;
    *from = block->next;
    block->next = *to;
    *to = block;
}

static bool
all_done(const Block *block)
{
    for (const Use *u = block->uses; u != NULL; u = u->next)
        if (cudaEventQuery(u->event) != cudaSuccess) {
            (void)cudaGetLastError();
            return false;
        }
    return true;
}

static void
release(Block *block)
{
    while (block->uses != NULL) {
        Use *u = block->uses;
        block->uses = u->next;
        (void)cudaEventDestroy(u->event);
        free(u);
    }
    (void)cudaFreeHost(block->data);
    free(block);
}

void
pinned_empty_cache(void)
{
    for (Block **at = &idle; *at != NULL;) {
        Block *block = *at;
        if (!all_done(block)) {
            at = &block->next;
            continue;
        }
        *at = block->next;
        release(block);
    }
}

void *
pinned_alloc(int64_t nbytes)
{
    size_t size = 512;
    while (size < (size_t)nbytes)
        size *= 2;
    for (Block *b = idle; b != NULL; b = b->next)
        if (b->size == size && all_done(b)) {
            move(b, &idle, &in_use);
            return b->data;
        }
    Block *block = malloc(sizeof *block);
    void *data = NULL;
    cudaError_t status = block ? cudaHostAlloc(&data, size, cudaHostAllocPortable) : cudaErrorMemoryAllocation;
    if (status == cudaErrorMemoryAllocation && block != NULL) {
        (void)cudaGetLastError();
        pinned_empty_cache();
        status = cudaHostAlloc(&data, size, cudaHostAllocPortable);
    }
    if (check(status) < 0) {
        free(block);
        return NULL;
    }
    *block = (Block){in_use, data, size, NULL};
    in_use = block;
    return data;
}

void
pinned_free(void *data)
{
    move(block_of(data), &in_use, &idle);
}

bool
is_pinned(const void *data)
{
    struct cudaPointerAttributes attributes;
    if (block_of(data) != NULL)
        return true;
    bool known = cudaPointerGetAttributes(&attributes, data) == cudaSuccess;
    (void)cudaGetLastError();
    return known && attributes.type == cudaMemoryTypeHost;
}

static Use *
use_of(Block *block, cudaStream_t stream)
{
    for (Use *u = block->uses; u != NULL; u = u->next)
        if (u->stream == stream && u->device == current_device)
            return u;
    Use *u = malloc(sizeof *u);
    if (u == NULL || cudaEventCreateWithFlags(&u->event, cudaEventDisableTiming) != cudaSuccess) {
        free(u);
        return NULL;
    }
    *u = (Use){block->uses, stream, current_device, u->event};
    return block->uses = u;
}

/* Memory of another's is the other's care.  What no event can mark is waited for. */
int
pinned_copied(const void *data)
{
    Block *block = block_of(data);
    cudaStream_t stream = current_stream();
    if (block == NULL)
        return 0;
    Use *u = use_of(block, stream);
    if (u != NULL && cudaEventRecord(u->event, stream) == cudaSuccess)
        return 0;
    (void)cudaGetLastError();
    return wait_stream(stream);
}
