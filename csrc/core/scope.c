/* Scopes: who owns the intermediates of ops and backward functions.  A thread has one stack of tensors;
 * scope_begin marks its height, scope_keep pushes, scope_end pops down to the mark.  What is taken out by
 * scope_take is a second reference, so ending a scope never frees it. */
#include "ctorch.h"

enum { STACK_INLINE = 32 };

/* initial-exec: a load instead of a call per access; small enough for the loader's static reserve. */
#define THREAD_LOCAL static _Thread_local __attribute__((tls_model("initial-exec")))

THREAD_LOCAL Tensor *inline_stack[STACK_INLINE];
THREAD_LOCAL Tensor **heap_stack;      /* NULL: inline_stack is in use */
THREAD_LOCAL size_t height, heap_capacity;

static inline Tensor **
stack_base(void)
{
    return heap_stack != NULL ? heap_stack : inline_stack;
}

size_t
scope_begin(void)
{
    return height;
}

/* Pops one by one: a destructor may run Python code that opens scopes of its own above the current height.
 * The heap stack goes with the outermost scope, so a thread that ends leaves nothing behind. */
void
scope_end(size_t mark)
{
    while (height > mark) {
        Tensor *t = stack_base()[--height];
        Py_DECREF(t);
    }
    if (mark == 0 && heap_stack != NULL) {
        PyMem_RawFree(heap_stack);
        heap_stack = NULL;
        heap_capacity = 0;
    }
}

static int
stack_grow(void)
{
    size_t capacity = heap_stack != NULL ? 2 * heap_capacity : 4 * STACK_INLINE;
    Tensor **grown = PyMem_RawRealloc(heap_stack, capacity * sizeof(Tensor *));
    if (grown == NULL)
        return -1;
    if (heap_stack == NULL)
        memcpy(grown, inline_stack, sizeof(inline_stack));
    heap_stack = grown;
    heap_capacity = capacity;
    return 0;
}

Tensor *
scope_keep(Tensor *t)
{
    if (t == NULL)
        return NULL;
    if (height >= (heap_stack != NULL ? heap_capacity : STACK_INLINE) && stack_grow() < 0) {
        Py_DECREF(t);
        return no_memory((int64_t)(2 * height * sizeof(Tensor *)));
    }
    stack_base()[height++] = t;
    return t;
}

Tensor *
scope_take(Tensor *t)
{
    Py_XINCREF((PyObject *)t);
    return t;
}
