/* Stacks for CUDA threads, and the switch between them and the scheduler.  On x86-64 a switch saves the six
 * registers that a call preserves; elsewhere it is swapcontext, several times slower for its system calls. */
#include "race.h"
#include "sim.h"

#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__) && defined(__linux__) && !defined(CTSIM_UCONTEXT)
#define CTSIM_ASM 1
#else
#define CTSIM_ASM 0
#endif

namespace ctsim {

constexpr size_t STACK = 128 << 10, GUARD = 16 << 10;

#if CTSIM_ASM
using Registers = void *; /* the stack pointer: the rest lies on the stack */

extern "C" void ctsim_switch(Registers *save, Registers *load);
asm(R"(
.text
.type ctsim_switch, @function
.hidden ctsim_switch
ctsim_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    retq
.size ctsim_switch, .-ctsim_switch
)");
#else
using Registers = ucontext_t;

static void ctsim_switch(Registers *save, Registers *load)
{
    swapcontext(save, load);
}
#endif

struct Fiber {
    Registers registers;
    unsigned char *stack; /* [stack - GUARD, stack) is not accessible */
    void (*entry)();
    void *fake_stack; /* AddressSanitizer's */
};

static Fiber *running;
static Registers scheduler;
static void *scheduler_race, *scheduler_fake_stack;
static const void *scheduler_bottom;
static size_t scheduler_size;

static void first_call()
{
    if (__sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom, &scheduler_size);
    running->entry();
    abort(); /* an entry never returns: it leaves */
}

static void prepare(Fiber *fiber)
{
#if CTSIM_ASM
    void **top = reinterpret_cast<void **>(fiber->stack + STACK);
    *--top = nullptr; /* where first_call would return to; keeps the ABI's alignment */
    *--top = reinterpret_cast<void *>(first_call);
    top -= 6;
    memset(top, 0, 6 * sizeof(*top));
    fiber->registers = top;
#else
    getcontext(&fiber->registers);
    fiber->registers.uc_stack.ss_sp = fiber->stack;
    fiber->registers.uc_stack.ss_size = STACK;
    fiber->registers.uc_link = nullptr;
    makecontext(&fiber->registers, first_call, 0);
#endif
}

Fiber *new_fiber(void (*entry)())
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *memory = mmap(nullptr, GUARD + STACK, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE) != 0) {
        report("no memory for the stack of a simulated thread");
        abort();
    }
    Fiber *fiber = new Fiber{};
    fiber->stack = static_cast<unsigned char *>(memory) + GUARD;
    fiber->entry = entry;
    prepare(fiber);
    return fiber;
}

void reset_fiber(Fiber *fiber)
{
    unpoison(fiber->stack, STACK);
    fiber->fake_stack = nullptr;
    prepare(fiber);
}

void enter_fiber(Fiber *fiber, void *race_context)
{
    running = fiber;
    if (race_context) {
        scheduler_race = __tsan_get_current_fiber();
        __tsan_switch_to_fiber(race_context, 1); /* 1: the switch itself orders nothing */
    }
    if (__sanitizer_start_switch_fiber)
        __sanitizer_start_switch_fiber(&scheduler_fake_stack, fiber->stack, STACK);
    ctsim_switch(&scheduler, &fiber->registers);
    if (__sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
    running = nullptr;
}

void leave_fiber()
{
    Fiber *fiber = running;
    if (race_detector())
        __tsan_switch_to_fiber(scheduler_race, 1);
    if (__sanitizer_start_switch_fiber)
        __sanitizer_start_switch_fiber(&fiber->fake_stack, scheduler_bottom, scheduler_size);
    ctsim_switch(&fiber->registers, &scheduler);
    if (__sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(fiber->fake_stack, &scheduler_bottom, &scheduler_size);
}

bool on_fiber()
{
    return running != nullptr;
}

bool in_fiber_guard(uintptr_t address)
{
    uintptr_t stack = running ? reinterpret_cast<uintptr_t>(running->stack) : 0;
    return running && address >= stack - GUARD && address < stack;
}

bool leave_handler([[maybe_unused]] void *context, [[maybe_unused]] void (*next)())
{
#if CTSIM_ASM
    greg_t *registers = static_cast<ucontext_t *>(context)->uc_mcontext.gregs;
    uintptr_t stack = reinterpret_cast<uintptr_t>(running->stack);
    uintptr_t top = static_cast<uintptr_t>(registers[REG_RSP]);
    if (top < stack + 4096)
        top = stack + STACK / 2;     /* it overflowed: what lies there is not needed any more */
    top = (top - 256) / 16 * 16 - 8; /* past the red zone, as if `next` had been called */
    registers[REG_RSP] = static_cast<greg_t>(top);
    registers[REG_RIP] = static_cast<greg_t>(reinterpret_cast<uintptr_t>(next));
    return true;
#else
    return false;
#endif
}

}  // namespace ctsim
