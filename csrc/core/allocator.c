/* A caching allocator.  Sizes are rounded up to classes, 64 bytes apart up to 1 KiB and eight per power of
 * two above (at most 12.5 % waste), and each class keeps its free blocks in a list that is linked through the
 * blocks.  Blocks from 2 MiB up are mapped with 2 MiB alignment and huge pages are asked for; smaller ones
 * come from malloc.  The hostile build caches nothing and gives exact sizes, so that a sanitizer sees every
 * overrun and use after free. Small storages that live inside their object, and the freelists of objects, are
 * their owners' affair. */
#include "core/allocator.h"

#include <stdlib.h>

#include "core/platform.h"

static int64_t live_bytes, live_blocks, cached_bytes;

/* ---- Failure injection ---- */

struct AllocatorFaults allocator_faults = {0, INT64_MAX, INT64_MAX};

void allocator_fail_after(int64_t n, int persistent)
{
    struct AllocatorFaults *f = &allocator_faults;
    f->first = n < 0 || n > INT64_MAX - f->allocations ? INT64_MAX : f->allocations + n;
    f->last = persistent ? INT64_MAX : f->first;
}

/* ---- Figures ---- */

int64_t allocator_live_bytes(void)
{
    return live_bytes;
}

int64_t allocator_live_blocks(void)
{
    return live_blocks;
}

int64_t allocator_cached_bytes(void)
{
    return cached_bytes;
}

/* A quarter of the memory, so that other processes live, and at most 2 GiB: beyond that a block takes so long
 * to fill that its page faults no longer show, while a dozen data-loading processes would multiply the cache.
 */
int64_t allocator_cache_limit(void)
{
    static int64_t limit;
    if (limit == 0) {
        const int64_t most = (int64_t)2 << 30;
        int64_t quarter = (int64_t)(platform_memory_bytes() / 4);
        limit = quarter < most ? quarter : most;
    }
    return limit;
}

#ifndef CTORCH_HOSTILE

/* ---- Size classes ---- */

enum {
    LINEAR_CLASSES = 8, /* 64, 128, ... 512 bytes; then each power of two is cut in eight */
    FIRST_EXPONENT = 9, /* 512 = 2^9 */
    LAST_EXPONENT = 46, /* 2^47 bytes are more than any process can map */
    CLASSES = LINEAR_CLASSES + 8 * (LAST_EXPONENT - FIRST_EXPONENT + 1),
};

_Static_assert(sizeof(size_t) == 8, "sizes have 64 bits");
#define MOST_BYTES ((size_t)2 << LAST_EXPONENT)
#define MAP_BYTES  ((size_t)2 << 20) /* one huge page on x86-64 and on 4-KiB aarch64 */

struct free_block {
    struct free_block *next;
};

static struct free_block *cache[CLASSES];

/* For 1 <= bytes <= MOST_BYTES.  From 513 up the three bits below the leading one of bytes - 1 name the
 * eighth. */
static unsigned class_of(size_t bytes)
{
    size_t last = bytes - 1;
    if (last < (size_t)1 << FIRST_EXPONENT) {
        return (unsigned)(last >> 6);
    }
    unsigned exponent = 63 - (unsigned)__builtin_clzll(last);
    return LINEAR_CLASSES + (exponent - FIRST_EXPONENT) * 8 + (unsigned)(last >> (exponent - 3) & 7);
}

static size_t class_bytes(unsigned class)
{
    if (class < LINEAR_CLASSES) {
        return ((size_t) class + 1) << 6;
    }
    unsigned eighths = (class - LINEAR_CLASSES) % 8 + 9,
             exponent = (class - LINEAR_CLASSES) / 8 + FIRST_EXPONENT;
    return (size_t)eighths << (exponent - 3);
}

/* ---- The system's memory ---- */

static void *take_from_system(size_t bytes)
{
    if (bytes < MAP_BYTES) {
        void *block;
        return posix_memalign(&block, ALLOCATOR_ALIGNMENT, bytes) == 0 ? block : NULL;
    }
    void *block = platform_map(bytes, MAP_BYTES);
    if (block != NULL) {
        platform_advise_huge(block, bytes);
    }
    return block;
}

static void return_to_system(void *block, size_t bytes)
{
    if (bytes < MAP_BYTES) {
        free(block);
    } else {
        platform_unmap(block, bytes);
    }
}

void allocator_empty_cache(void)
{
    for (unsigned class = 0; class < CLASSES; class ++) {
        size_t bytes = class_bytes(class);
        while (cache[class] != NULL) {
            struct free_block *block = cache[class];
            cache[class] = block->next;
            return_to_system(block, bytes);
        }
    }
    cached_bytes = 0;
}

/* Out of line, so that the path above through a cached block saves no registers. */
__attribute__((noinline)) static void *take_fresh(size_t bytes, unsigned class)
{
    void *block = take_from_system(class_bytes(class));
    if (block == NULL && cached_bytes > 0) {
        allocator_empty_cache();
        block = take_from_system(class_bytes(class));
    }
    if (block != NULL) {
        live_bytes += (int64_t)bytes;
        live_blocks++;
    }
    return block;
}

/* A block that does not fit throws out all the others: sizes that are no longer in use would otherwise fill
 * the cache for good.  That costs one refill of the cache per 2 GiB of blocks of new sizes. */
static int make_room(size_t bytes)
{
    int64_t limit = allocator_cache_limit();
    if (cached_bytes + (int64_t)bytes <= limit) {
        return 1;
    }
    if ((int64_t)bytes > limit) {
        return 0;
    }
    allocator_empty_cache();
    return 1;
}

void *allocator_alloc(size_t bytes)
{
    if (allocator_should_fail() || bytes > MOST_BYTES) {
        return NULL;
    }
    unsigned class = class_of(bytes + (bytes == 0));
    struct free_block *block = cache[class];
    if (block == NULL) {
        return take_fresh(bytes, class);
    }
    cache[class] = block->next;
    cached_bytes -= (int64_t)class_bytes(class);
    live_bytes += (int64_t)bytes;
    live_blocks++;
    return block;
}

void allocator_free(void *block, size_t bytes)
{
    if (block == NULL) {
        return;
    }
    unsigned class = class_of(bytes + (bytes == 0));
    size_t rounded = class_bytes(class);
    live_bytes -= (int64_t)bytes;
    live_blocks--;
    if (!make_room(rounded)) {
        return_to_system(block, rounded);
        return;
    }
    struct free_block *freed = block;
    freed->next = cache[class];
    cache[class] = freed;
    cached_bytes += (int64_t)rounded;
}

#else

void *allocator_alloc(size_t bytes)
{
    void *block;
    if (allocator_should_fail() || posix_memalign(&block, ALLOCATOR_ALIGNMENT, bytes + (bytes == 0)) != 0) {
        return NULL;
    }
    live_bytes += (int64_t)bytes;
    live_blocks++;
    return block;
}

void allocator_free(void *block, size_t bytes)
{
    if (block == NULL) {
        return;
    }
    live_bytes -= (int64_t)bytes;
    live_blocks--;
    free(block);
}

void allocator_empty_cache(void)
{
}

#endif
