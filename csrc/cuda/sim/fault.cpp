/* Signals.  An access of a kernel that no device memory answers ends that kernel, as it would on a card: the
 * handler reports whose memory it was and leaves the fiber.  An access of host code to device memory is
 * reported, and then left to whatever handler was there before, Python's faulthandler for one, which prints
 * the line. */
#include "sim.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ucontext.h>

namespace ctsim {

static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE};
static struct sigaction before[64];

static void illegal_address()
{
    fail_kernel(cudaErrorIllegalAddress);
}

static void launch_failure()
{
    fail_kernel(cudaErrorLaunchFailure);
}

static const char *access_of([[maybe_unused]] void *context)
{
#if defined(__x86_64__) && defined(__linux__)
    return static_cast<ucontext_t *>(context)->uc_mcontext.gregs[REG_ERR] & 2 ? "write" : "read";
#else
    return "access";
#endif
}

static void report_kernel(int signal, uintptr_t address, void *context)
{
    char where[300], what[300];
    describe_thread(where, sizeof(where));
    if (signal == SIGFPE) {
        report("integer division by zero; %s", where);
        return;
    }
    if (in_fiber_guard(address)) {
        report("a thread's stack overflowed; %s", where);
        return;
    }
    if (in_shared_guard(address))
        snprintf(what, sizeof(what), "behind the block's dynamic shared memory");
    else if (!describe_address(address, what, sizeof(what)))
        snprintf(what, sizeof(what), "no device memory");
    report("illegal %s at %#zx, %s; %s", access_of(context), address, what, where);
}

static void handle(int signal, siginfo_t *info, void *context)
{
    uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
    bool fault = info->si_code > 0; /* not sent by kill or raise */
    if (fault && on_fiber()) {
        report_kernel(signal, address, context);
        if (leave_handler(context, signal == SIGFPE ? launch_failure : illegal_address))
            return;
    } else if (char what[300]; fault && signal != SIGFPE && detectors().host &&
                               describe_address(address, what, sizeof(what))) {
        report("host code touched device memory: %#zx, %s", address, what);
    }
    sigaction(signal, &before[signal], nullptr); /* the access is made again, and that handler's turn comes */
}

/* A fiber that overflows its stack has none for the handler. */
static void have_signal_stack()
{
    static thread_local char memory[64 << 10];
    stack_t stack;
    if (sigaltstack(nullptr, &stack) == 0 && (stack.ss_flags & SS_DISABLE)) {
        stack = {};
        stack.ss_sp = memory;
        stack.ss_size = sizeof(memory);
        sigaltstack(&stack, nullptr);
    }
}

void catch_faults()
{
    have_signal_stack();
    for (int signal : SIGNALS) {
        struct sigaction now;
        sigaction(signal, nullptr, &now);
        if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handle)
            continue;
        before[signal] = now;
        now = {};
        now.sa_sigaction = handle;
        now.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        sigaction(signal, &now, nullptr);
    }
}

}  // namespace ctsim
