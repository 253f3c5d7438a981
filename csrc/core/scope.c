/* Scopes: who owns the intermediates of ops and backward functions.  A thread has one stack of tensors;
 * scope_begin marks its height, scope_keep pushes, scope_end pops down to the mark.  What is taken out by
 * scope_take is a second reference, so ending a scope never frees it. */
#include "ctorch.h"

enum { STACK_INLINE = 32 };

/* initial-exec: a load instead of a call per access; small enough for the loader's static reserve. */
#define THREAD_LOCAL static _Thread_local __attribute__((tls_model("initial-exec")))

THREAD_LOCAL Tensor *inline_stack[STACK_INLINE];
THREAD_LOCAL Tensor **stack;           /* inline_stack, or on the heap; NULL before the first use */
THREAD_LOCAL size_t height, capacity;

size_t
scope_begin(void)
{
    return height;
}

static void
stack_shrink(void)
{
    PyMem_RawFree(stack);
    stack = inline_stack;
    capacity = STACK_INLINE;
}

/* Pops one by one: a destructor may run Python code that opens scopes of its own above the current height.
 * A stack on the heap goes with the outermost scope, so a thread that ends leaves nothing behind. */
void
scope_end(size_t mark)
{
    while (height > mark) {
        Tensor *t = stack[--height];
        Py_DECREF(t);
    }
    if (mark == 0 && capacity > STACK_INLINE)
        stack_shrink();
}

static int
stack_grow(void)
{
    if (stack == NULL) {
        stack = inline_stack;
        capacity = STACK_INLINE;
        return 0;
    }
    bool on_heap = capacity > STACK_INLINE;
    Tensor **grown = PyMem_RawRealloc(on_heap ? stack : NULL, 4 * capacity * sizeof(Tensor *));
    if (grown == NULL)
        return -1;
    if (!on_heap)
        memcpy(grown, inline_stack, sizeof inline_stack);
    stack = grown;
    capacity *= 4;
    return 0;
}

Tensor *
scope_keep(Tensor *t)
{
    if (t == NULL)
        return NULL;
    if (height == capacity && stack_grow() < 0) {
        Py_DECREF(t);
        return no_memory((int64_t)(4 * height * sizeof(Tensor *)));
    }
    stack[height++] = t;
    return t;
}

Tensor *
scope_take(Tensor *t)
{
    Py_XINCREF((PyObject *)t);
    return t;
}
