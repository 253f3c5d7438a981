/* What AddressSanitizer and ThreadSanitizer must be told of fibers and of who waits for whom.  The simulator
 * is compiled without either; only kernels and host code are, and then these symbols exist. */
#ifndef CTSIM_RACE_H
#define CTSIM_RACE_H

#include <cstddef>

extern "C" {
__attribute__((weak)) void *__tsan_create_fiber(unsigned flags);
__attribute__((weak)) void __tsan_destroy_fiber(void *fiber);
__attribute__((weak)) void *__tsan_get_current_fiber(void);
__attribute__((weak)) void __tsan_switch_to_fiber(void *fiber, unsigned flags);
__attribute__((weak)) void __tsan_acquire(void *sync);
__attribute__((weak)) void __tsan_release(void *sync);
__attribute__((weak)) void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t size);
__attribute__((weak)) void __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom,
                                                           size_t *size);
__attribute__((weak)) void __asan_poison_memory_region(const volatile void *, size_t);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void *, size_t);
}

namespace ctsim {

inline bool race_detector()
{
    return __tsan_create_fiber != nullptr;
}

inline void acquire(void *sync)
{
    if (__tsan_acquire)
        __tsan_acquire(sync);
}

inline void release(void *sync)
{
    if (__tsan_release)
        __tsan_release(sync);
}

inline void poison(void *p, size_t n)
{
    if (__asan_poison_memory_region)
        __asan_poison_memory_region(p, n);
}

inline void unpoison(void *p, size_t n)
{
    if (__asan_unpoison_memory_region)
        __asan_unpoison_memory_region(p, n);
}

}  // namespace ctsim

#endif
