/* Storage: a counted piece of memory that tensors point into.  Three kinds: memory of its own (storage_new),
 * memory of another object (storage_borrow), and an alias of a Storage with a version of its own
 * (storage_alias, for .data).
 *
 * Up to STORAGE_INLINE bytes live in the Storage's own block, so a small tensor costs one freelist hit.
 * Larger memory comes from core/allocator.c or from a device's Backend.  Everything here runs under the GIL,
 * which guards the freelist and the counters.  Tensors, their shapes and views are not known here. */
#include "core/storage.h"

#include <stdlib.h>

#include "core/allocator.h"
#include "core/device.h"

/* A hostile build has no freelist, else a sanitizer would not see a use after free. */
#ifdef CTORCH_HOSTILE
enum { FREELIST_MAX = 0 };
#else
enum { FREELIST_MAX = 4096 };
#endif

typedef struct Block {
    _Alignas(64) union {
        Storage storage;
        struct Block *next;            /* while on the freelist */
    };
    _Alignas(64) char bytes[STORAGE_INLINE];
} Block;

int64_t storage_live_count, storage_live_bytes;
static Block *freelist;
static int freelist_length;

void
storage_clear_freelist(void)
{
    while (freelist != NULL) {
        Block *block = freelist;
        freelist = block->next;
        free(block);
    }
    freelist_length = 0;
}

static inline Block *
block_take(void)
{
    Block *block = freelist;
    if (allocator_should_fail())
        return NULL;
    if (block == NULL)
        return aligned_alloc(_Alignof(Block), sizeof(Block));
    freelist = block->next;
    freelist_length--;
    return block;
}

static void
block_give(Block *block)
{
    if (freelist_length >= FREELIST_MAX) {
        free(block);
        return;
    }
    block->next = freelist;
    freelist = block;
    freelist_length++;
}

/* A Storage without memory, or NULL without an error. */
static inline Storage *
header_new(Device device)
{
    Block *block = block_take();
    if (block == NULL)
        return NULL;
    storage_live_count++;
    block->storage = (Storage){.refs = 1, .device = device};
    return &block->storage;
}

static void
header_free(Storage *s)
{
    storage_live_count--;
    block_give((Block *)s);
}

static char *
inline_bytes(Storage *s)
{
    return ((Block *)s)->bytes;
}

static inline char *
memory_alloc(Storage *s, int64_t nbytes)
{
    if (s->device.type != DEVICE_CPU)
        return backend_at(s->device)->alloc(nbytes);
    return nbytes <= STORAGE_INLINE ? inline_bytes(s) : allocator_alloc((size_t)nbytes);
}

static void
memory_free(Storage *s)
{
    if (s->device.type != DEVICE_CPU)
        backends[s->device.type]->free(s->data, s->nbytes);
    else if (s->data != inline_bytes(s))
        allocator_free(s->data, (size_t)s->nbytes);
}

/* NULL without an error. */
static inline Storage *
storage_try(int64_t nbytes, Device device)
{
    Storage *s = header_new(device);
    if (s == NULL)
        return NULL;
    s->data = memory_alloc(s, nbytes);
    if (s->data == NULL) {
        header_free(s);
        return NULL;
    }
    s->nbytes = nbytes;
    storage_live_bytes += nbytes;
    return s;
}

/* Cycles may hold tensors, and the cache may hold blocks of other sizes: both go once before an error. */
static void
reclaim(void)
{
    PyGC_Collect();
    allocator_empty_cache();
}

/* The device is asked for here: whoever makes a tensor needs a storage. */
Storage *
storage_new(int64_t nbytes, Device device)
{
    Storage *s = device.type == DEVICE_CUDA && device_ready(device) < 0 ? NULL : storage_try(nbytes, device);
    if (s == NULL && PyErr_Occurred())
        return NULL;
    if (s != NULL)
        return s;
    reclaim();
    s = storage_try(nbytes, device);
    if (s == NULL && !PyErr_Occurred()) {
        if (device.type == DEVICE_CUDA)
            backend_at(device)->accelerator->raise_out_of_memory(nbytes);
        else
            no_memory(nbytes);
    }
    return s;
}

Storage *
storage_borrow(void *data, int64_t nbytes, PyObject *owner, bool readonly)
{
    Storage *s = header_new(CPU);
    if (s == NULL) {
        no_memory(sizeof(Block));
        return NULL;
    }
    s->data = data;
    s->nbytes = nbytes;
    s->owner = Py_NewRef(owner);
    s->readonly = readonly;
    return s;
}

/* Aliases of aliases hang on the root, so that freeing never recurses more than once. */
Storage *
storage_alias(Storage *parent)
{
    Storage *s = header_new(parent->device);
    if (s == NULL) {
        no_memory(sizeof(Block));
        return NULL;
    }
    s->data = parent->data;
    s->nbytes = parent->nbytes;
    s->readonly = parent->readonly;
    s->parent = parent->parent != NULL ? parent->parent : parent;
    s->parent->refs++;
    return s;
}

bool
storage_rest(Storage *s)
{
    if (s->refs > 1 || s->data != inline_bytes(s))
        return false;
    storage_live_bytes -= s->nbytes;
    storage_live_count--;
    return true;
}

bool
storage_wake(Storage *s, int64_t nbytes)
{
    if (nbytes > STORAGE_INLINE || allocator_should_fail())
        return false;
    s->nbytes = nbytes;
    s->version = 0;
    s->readonly = s->saved = false;
    storage_live_bytes += nbytes;
    storage_live_count++;
    return true;
}

void
storage_drop(Storage *s)
{
    block_give((Block *)s);
}

/* The owner goes last: its destructor may run any Python code, which must find no trace of this Storage. */
void
storage_free(Storage *s)
{
    PyObject *owner = s->owner;
    Storage *parent = s->parent;
    if (owner == NULL && parent == NULL) {
        storage_live_bytes -= s->nbytes;
        memory_free(s);
    }
    header_free(s);
    if (parent != NULL)
        storage_release(parent);
    Py_XDECREF(owner);
}
