/* Memory for tensors' data, cached by size class: fresh pages cost several times the work done on them.  Not
 * thread-safe: every call needs the GIL.  A kernel that runs without the GIL uses blocks but never makes or
 * frees one. Nothing here knows Python: a caller that gets NULL collects garbage, empties the cache, tries
 * once more and then raises. */
#ifndef CTORCH_CORE_ALLOCATOR_H
#define CTORCH_CORE_ALLOCATOR_H

#include <stddef.h>
#include <stdint.h>

#define ALLOCATOR_ALIGNMENT 64

/* At least `bytes` bytes of uninitialised memory at a multiple of 64; 0 bytes give a block too.  NULL on
 * failure. */
void *allocator_alloc(size_t bytes);

/* `bytes` is what the block was allocated with.  NULL is ignored. */
void allocator_free(void *block, size_t bytes);

/* Returns every cached block to the system. */
void allocator_empty_cache(void);

/* ---- Figures, for tests and reports ---- */

int64_t allocator_live_bytes(void); /* as asked for, not as rounded up */
int64_t allocator_live_blocks(void);
int64_t allocator_cached_bytes(void); /* of free blocks, as rounded up */
int64_t allocator_cache_limit(void);  /* cached bytes never exceed this */

/* ---- Failure injection ---- */

/* After n more successful allocations the next one fails (n = 0: the very next), and if `persistent` all that
 * follow, until another call; n < 0 turns it off. */
void allocator_fail_after(int64_t n, int persistent);

extern struct AllocatorFaults {
    int64_t allocations; /* counted since the process began, failed ones included */
    int64_t first, last; /* the numbers of those that must fail */
} allocator_faults;

/* Counts one allocation and says whether it must fail.  Freelists of other objects call it once per object.
 */
static inline int allocator_should_fail(void)
{
    int64_t number = allocator_faults.allocations++;
    return number >= allocator_faults.first && number <= allocator_faults.last;
}

#endif
