/* What ctorch asks of the processor and the operating system: instruction sets, cache sizes, pages of memory,
 * threads, waiting, clocks.  platform.c is the only file that includes an OS header; nobody above it has an
 * #ifdef for a system.  Nothing here knows Python, tensors or the thread pool. */
#ifndef CTORCH_CORE_PLATFORM_H
#define CTORCH_CORE_PLATFORM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Processor ---- */

/* The builds of the kernels, in ascending order: a CPU that runs one runs all below it. */
enum cpu_level { CPU_BASELINE, CPU_AVX2, CPU_AVX512, CPU_LEVELS };

/* "baseline", "avx2", "avx512": what CTORCH_CPU may say. */
const char *platform_cpu_level_name(enum cpu_level level);

/* The highest level that both this CPU and this OS (which must save the wide registers) support. */
enum cpu_level platform_cpu_supported(void);

/* The level to use: the environment's CTORCH_CPU if it is set, else the highest supported one.  Returns NULL,
 * or the text of an error (static memory) when CTORCH_CPU names an unknown or unsupported level; *level is
 * valid anyway. */
const char *platform_cpu_choose(enum cpu_level *level);

/* The CPU's marketing name, or the architecture's where none is known. */
const char *platform_cpu_brand(void);

/* Bytes of the data cache of `level` 1, 2 or 3 as one core sees it; 0 when the CPU has none or does not say.
 */
size_t platform_cache_bytes(int level);

/* CPUs this process may use: affinity mask and container quota, rounded up; at least 1. */
int platform_usable_cpus(void);

/* Tells the core that this is a spin loop: the other hyper-thread runs, and leaving the loop is cheap. */
static inline void platform_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile(
        "isb" ::
            : "memory"); /* yield is a no-op on most cores; isb takes about as long as x86's pause */
#endif
}

/* ---- Memory ---- */

/* Fresh zeroed pages.  `alignment` is a power of two; below a page it means a page.  NULL when there is no
 * memory. */
void *platform_map(size_t bytes, size_t alignment);

/* Gives back what platform_map returned for the same number of bytes. */
void platform_unmap(void *pages, size_t bytes);

/* Asks for huge pages behind [pages, pages + bytes).  Advice only: it cannot fail. */
void platform_advise_huge(void *pages, size_t bytes);

size_t platform_page_bytes(void);

/* Bytes of memory this process may use: the machine's, or its container's limit if that is lower. */
size_t platform_memory_bytes(void);

/* ---- Threads ---- */

typedef uintptr_t PlatformThread;

/* Starts a thread that blocks all signals, so that Python's main thread gets them.  Returns 0, or -1. */
int platform_thread_start(PlatformThread *thread, void *(*body)(void *), void *argument);

void platform_thread_join(PlatformThread thread);

/* The CPU that runs the calling thread now, -1 where the system does not say. */
int platform_current_cpu(void);

/* From now on the calling thread runs on another CPU than this one, if it may run on one, and again on the one that it
 * avoided before (-1: none). */
void platform_avoid_cpu(int cpu, int before);

/* Sleeps while *word == expected, until a wake; may also return early for no reason. */
void platform_wait(_Atomic uint32_t *word, uint32_t expected);

/* Wakes up to `count` threads that sleep on word. */
void platform_wake(_Atomic uint32_t *word, int count);

/* Calls `child` in the child after every fork(), before fork returns there.  It runs while other threads'
 * locks are in an unknown state, so it may only store.  One hook per process; returns 0, or -1 without
 * memory. */
int platform_on_fork(void (*child)(void));

/* ---- Shared objects ---- */

/* Opens `name` in the folder of the shared object that `symbol` is in; NULL if it cannot be. */
void *platform_library_beside(const void *symbol, const char *name);

/* NULL if there is none of that name. */
void *platform_library_symbol(void *library, const char *name);

/* ---- Process ---- */

/* Nanoseconds of a clock that never goes back. */
int64_t platform_nanoseconds(void);

int platform_pid(void);

#endif
