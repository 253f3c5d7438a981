/* Device memory: a caching allocator with PyTorch's constants, so that its statistics agree.  Sizes are rounded to 512
 * bytes; blocks up to 1 MiB are cut from segments of 2 MiB, up to 10 MiB from segments of 20 MiB, larger ones have
 * segments of their own.  A free block is for the stream that it was made for: there, work queued later may use its
 * memory at once.  A block that another stream has used too waits for an event of that stream. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/runtime.h"

enum {
    UNIT = 512,
    SMALL = 1 << 20,
    SMALL_SEGMENT = 2 << 20,
    LARGE_SEGMENT = 20 << 20,
    LARGE_ALONE = 10 << 20,
    LARGE_UNIT = 2 << 20,
    BINS = 32,
    STREAMS = 4,
};

/* Neighbours in one segment are linked; free blocks stand in their pool's bin too. */
typedef struct Block {
    char *data;
    int64_t size;
    struct Pool *pool;
    struct Block *before, *after;     /* in the segment */
    struct Block *previous, *next;    /* in the bin, or in the table of blocks in use */
    bool is_free;
    int n_streams;
    cudaStream_t streams[STREAMS];    /* others that have used it */
    cudaEvent_t events[STREAMS];
} Block;

typedef struct Pool {
    int device;
    bool small;
    cudaStream_t stream;
    struct Pool *next;
    Block *bins[BINS];                /* by the logarithm of the size */
} Pool;

static Pool *pools;
static cudaError_t refusal;           /* of the last request for a segment that failed */
static MemoryStats stats[DEVICES_MAX];
static Block *waiting;                /* freed, but other streams may still use them */

/* Blocks in use by address: chained, so that what is taken out leaves no trace. */
enum { TABLE = 1 << 12 };
static Block *table[TABLE];

/* CTORCH_CUDA_ALLOC, to find mistakes.  direct: each tensor has memory of its own, of its exact size in words (what an atomic
 * exchanges may be wider than an element), which goes back to CUDA when it is freed.  poison: what is freed is filled with
 * 0xFF, NaN in every floating type, before it is used again. */
static bool
wished(const char *mode, int *known)
{
    if (*known < 0) {
        const char *wish = getenv("CTORCH_CUDA_ALLOC");
        *known = wish != NULL && strcmp(wish, mode) == 0;
    }
    return *known;
}

static bool
no_cache(void)
{
    static int known = -1;
    return wished("direct", &known);
}

static bool
poisons(void)
{
    static int known = -1;
    return wished("poison", &known);
}

static Block **
slot_of(const void *data)
{
    return &table[((uintptr_t)data >> 9) * 0x9E3779B97F4A7C15u >> 52];
}

static void
table_add(Block *b)
{
    Block **slot = slot_of(b->data);
    b->next = *slot;
    *slot = b;
}

static Block *
table_find(const void *data)
{
    Block *b = *slot_of(data);
    while (b != NULL && b->data != data)
        b = b->next;
    return b;
}

static void
table_remove(Block *b)
{
    Block **at = slot_of(b->data);
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
}

/* ---------------------------------------------------------------- bins */
static int
bin_of(int64_t size)
{
    int bin = 63 - __builtin_clzll((unsigned long long)(size / UNIT));
    return bin < BINS ? bin : BINS - 1;
}

static void
bin_add(Block *b)
{
    Block **bin = &b->pool->bins[bin_of(b->size)];
    b->previous = NULL;
    b->next = *bin;
    if (*bin != NULL)
        (*bin)->previous = b;
    *bin = b;
    b->is_free = true;
}

static void
bin_remove(Block *b)
{
    if (b->previous != NULL)
        b->previous->next = b->next;
    else
        b->pool->bins[bin_of(b->size)] = b->next;
    if (b->next != NULL)
        b->next->previous = b->previous;
    b->is_free = false;
}

/* The smallest free block of at least `size`; of equals the lowest address. */
static Block *
best_fit(Pool *pool, int64_t size)
{
    for (int bin = bin_of(size); bin < BINS; bin++) {
        Block *best = NULL;
        for (Block *b = pool->bins[bin]; b != NULL; b = b->next)
            if (b->size >= size
                && (best == NULL || b->size < best->size || (b->size == best->size && b->data < best->data)))
                best = b;
        if (best != NULL)
            return best;
    }
    return NULL;
}

static Pool *
pool_of(bool small)
{
    cudaStream_t stream = current_stream();
    for (Pool *p = pools; p != NULL; p = p->next)
        if (p->device == current_device && p->small == small && p->stream == stream)
            return p;
    Pool *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    *p = (Pool){.device = current_device, .small = small, .stream = stream, .next = pools};
    return pools = p;
}

/* ---------------------------------------------------------------- segments */
static int64_t
segment_size(int64_t size)
{
    if (no_cache())
        return size;
    if (size <= SMALL)
        return SMALL_SEGMENT;
    return size < LARGE_ALONE ? LARGE_SEGMENT : (size + LARGE_UNIT - 1) / LARGE_UNIT * LARGE_UNIT;
}

static Block *
segment_new(Pool *pool, int64_t size)
{
    MemoryStats *s = &stats[pool->device];
    Block *b = calloc(1, sizeof *b);
    void *data = NULL;
    refusal = b ? cudaMalloc(&data, (size_t)segment_size(size)) : cudaErrorMemoryAllocation;
    if (refusal != cudaSuccess) {
        (void)cudaGetLastError();
        free(b);
        return NULL;
    }
    *b = (Block){.data = data, .size = segment_size(size), .pool = pool};
    s->device_allocations++;
    s->reserved += b->size;
    s->reserved_peak = s->reserved > s->reserved_peak ? s->reserved : s->reserved_peak;
    return b;
}

static void
segment_free(Block *b)
{
    MemoryStats *s = &stats[b->pool->device];
    (void)cudaFree(b->data);
    s->device_frees++;
    s->reserved -= b->size;
    free(b);
}

/* What `size` leaves over becomes a free block, if it is worth one. */
static void
split(Block *b, int64_t size)
{
    int64_t rest = b->size - size;
    if (b->pool->small ? rest < UNIT : rest <= SMALL)
        return;
    Block *tail = calloc(1, sizeof *tail);
    if (tail == NULL)
        return;
    *tail = (Block){.data = b->data + size, .size = rest, .pool = b->pool, .before = b, .after = b->after};
    if (tail->after != NULL)
        tail->after->before = tail;
    b->after = tail;
    b->size = size;
    bin_add(tail);
}

/* b swallows its right neighbour. */
static void
join(Block *b)
{
    Block *right = b->after;
    bin_remove(right);
    b->size += right->size;
    b->after = right->after;
    if (b->after != NULL)
        b->after->before = b;
    free(right);
}

static void
give_back(Block *b)
{
    if (no_cache()) {
        (void)cudaStreamSynchronize(b->pool->stream);
        segment_free(b);
        return;
    }
    if (poisons() && b->pool->device == current_device)
        (void)cudaMemsetAsync(b->data, 0xFF, (size_t)b->size, b->pool->stream);
    if (b->after != NULL && b->after->is_free)
        join(b);
    if (b->before != NULL && b->before->is_free) {
        Block *left = b->before;
        bin_remove(left);
        left->size += b->size;
        left->after = b->after;
        if (left->after != NULL)
            left->after->before = left;
        free(b);
        b = left;
    }
    bin_add(b);
}

/* ---------------------------------------------------------------- blocks that other streams have used */
static bool
events_done(Block *b)
{
    while (b->n_streams > 0) {
        cudaEvent_t event = b->events[b->n_streams - 1];
        if (cudaEventQuery(event) == cudaErrorNotReady) {
            (void)cudaGetLastError();
            return false;
        }
        (void)cudaEventDestroy(event);
        b->n_streams--;
    }
    return true;
}

static void
poll_waiting(void)
{
    for (Block **at = &waiting; *at != NULL;) {
        Block *b = *at;
        if (!events_done(b)) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        give_back(b);
    }
}

static void
wait_for_waiting(void)
{
    for (Block *b = waiting; b != NULL; b = b->next)
        for (int k = 0; k < b->n_streams; k++)
            (void)cudaEventSynchronize(b->events[k]);
    poll_waiting();
}

int
memory_record_stream(void *data, Stream *stream)
{
    Block *b = table_find(data);
    cudaStream_t handle = stream_handle(stream);
    if (b == NULL || handle == b->pool->stream)
        return 0;
    for (int k = 0; k < b->n_streams; k++)
        if (b->streams[k] == handle)
            return 0;
    if (b->n_streams == STREAMS) {
        raise_text(HOST_RUNTIME_ERROR, "record_stream: more than %d streams have used one tensor", STREAMS);
        return -1;
    }
    b->streams[b->n_streams++] = handle;
    return 0;
}

/* An event on each of the block's other streams; a stream whose event fails is waited for. */
static void
record_events(Block *b)
{
    int kept = 0;
    for (int k = 0; k < b->n_streams; k++) {
        cudaEvent_t event;
        if (cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess
            && cudaEventRecord(event, b->streams[k]) == cudaSuccess)
            b->events[kept++] = event;
        else
            (void)cudaStreamSynchronize(b->streams[k]);
    }
    b->n_streams = kept;
}

/* ---------------------------------------------------------------- the slots */
static void *const nowhere = (void *)UNIT;     /* the address of tensors without elements: nobody's */

void *
cuda_alloc(int64_t nbytes)
{
    if (nbytes == 0)
        return nowhere;
    refusal = cudaErrorMemoryAllocation;
    if (nbytes > INT64_MAX - LARGE_SEGMENT)
        return NULL;
    const int64_t unit = no_cache() ? (int64_t)sizeof(unsigned) : UNIT, size = (nbytes + unit - 1) / unit * unit;
    Pool *pool = pool_of(size <= SMALL);
    MemoryStats *s = &stats[current_device];
    if (pool == NULL)
        return NULL;
    if (waiting != NULL)
        poll_waiting();
    Block *b = no_cache() ? NULL : best_fit(pool, size);
    if (b != NULL)
        bin_remove(b);
    else if ((b = segment_new(pool, size)) == NULL) {
        if (refusal != cudaErrorMemoryAllocation)
            return NULL;
        s->retries++;
        if (memory_empty_cache() < 0 || (b = segment_new(pool, size)) == NULL)
            return NULL;
    }
    if (!no_cache())
        split(b, size);
    table_add(b);
    s->allocations++;
    s->allocated += b->size;
    s->allocated_peak = s->allocated > s->allocated_peak ? s->allocated : s->allocated_peak;
    return b->data;
}

void
cuda_free(void *data, int64_t nbytes)
{
    Block *b = nbytes == 0 ? NULL : table_find(data);
    if (b == NULL)
        return;
    MemoryStats *s = &stats[b->pool->device];
    s->frees++;
    s->allocated -= b->size;
    table_remove(b);
    if (b->n_streams == 0) {
        give_back(b);
        return;
    }
    record_events(b);
    b->next = waiting;
    waiting = b;
}

/* Segments of the current device that no block is in use of. */
int
memory_empty_cache(void)
{
    wait_for_waiting();
    for (Pool *p = pools; p != NULL; p = p->next) {
        if (p->device != current_device)
            continue;
        for (int bin = 0; bin < BINS; bin++)
            for (Block *b = p->bins[bin], *next; b != NULL; b = next) {
                next = b->next;
                if (b->before == NULL && b->after == NULL) {
                    bin_remove(b);
                    segment_free(b);
                }
            }
    }
    return 0;
}

void
memory_stats(MemoryStats *out)
{
    *out = stats[current_device];
}

void
memory_reset_peak(void)
{
    MemoryStats *s = &stats[current_device];
    s->allocated_peak = s->allocated;
    s->reserved_peak = s->reserved;
}

static const char *
size_text(int64_t bytes, char *text, size_t size)
{
    if (bytes >= (int64_t)1 << 30)
        snprintf(text, size, "%.2f GiB", (double)bytes / (1 << 30));
    else if (bytes >= 1 << 20)
        snprintf(text, size, "%.2f MiB", (double)bytes / (1 << 20));
    else if (bytes >= 1 << 10)
        snprintf(text, size, "%.2f KiB", (double)bytes / (1 << 10));
    else
        snprintf(text, size, "%lld bytes", (long long)bytes);
    return text;
}

/* Of a request that cuda_alloc refused.  What is left of an earlier kernel's fault is no lack of memory. */
void
memory_raise(int64_t nbytes)
{
    char text[7][32];
    size_t available = 0, total = 0;
    MemoryStats *s = &stats[current_device];
    if (refusal != cudaSuccess && refusal != cudaErrorMemoryAllocation) {
        (void)check(refusal);
        return;
    }
    s->out_of_memory++;
    (void)cudaMemGetInfo(&available, &total);
    raise_text(HOST_OUT_OF_MEMORY,
               "CUDA out of memory. Tried to allocate %s. GPU %d has a total capacity of %s of which %s is free. Including "
               "non-PyTorch memory, this process has %s memory in use. Of the allocated memory %s is allocated by PyTorch, "
               "and %s is reserved by PyTorch but unallocated. Free what is no longer needed (del, "
               "torch.cuda.empty_cache()), or use a smaller batch",
               size_text(nbytes, text[0], sizeof text[0]), current_device,
               size_text((int64_t)total, text[1], sizeof text[1]), size_text((int64_t)available, text[2], sizeof text[2]),
               size_text((int64_t)(total - available), text[3], sizeof text[3]),
               size_text(s->allocated, text[4], sizeof text[4]),
               size_text(s->reserved - s->allocated, text[5], sizeof text[5]));
}
