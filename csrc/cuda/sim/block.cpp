/* Runs the blocks of a grid, one after another, and the threads of a block on fibers: a thread runs until it
 * ends or must wait for others, and one fiber runs thread after thread until one waits, so a kernel without
 * barriers costs a call per thread.  A barrier opens when all live threads wait at it, a warp's collective
 * when all lanes of its mask are there. What breaks CUDA's rules for them is reported with file and line, and
 * the kernel fails.
 *
 * For ThreadSanitizer each CUDA thread has a fiber and a context of its own.  With CTSIM_BLOCKS=unordered two
 * sets of contexts and of shared memory take turns, and nothing orders a block before its successor. */
#include "race.h"
#include "sim.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <sys/mman.h>

ctsim_Place ctsim_place;

namespace ctsim {

constexpr size_t ARENA = 1 << 20, DYN_ARENA = 256 << 10, REDZONE = 16, PAGE = 4096;

namespace {

enum class State : unsigned char { fresh, running, ready, at_barrier, at_collective, done };

struct Thread {
    State state;
    int kind, line; /* of what it waits for */
    const char *file;
    unsigned mask;
    int source;
    uint64_t value, result;
    Fiber *fiber;
    char arrive, depart; /* for the race detector: their addresses only */
};

struct Warp {
    unsigned waiting, gone; /* lanes; those that never were are gone */
};

/* What the race detector knows of one of the two sets that blocks alternate between. */
struct Side {
    void *contexts[MAX_THREADS], *conductor;
    Fiber *fibers[MAX_THREADS];
    char begun, ended;
    unsigned char *arena, *dyn_end;
};

struct Running {
    Grid *grid;
    Order order_by;
    bool unordered;
    Side *side;
    int threads, started, live, waiting, phase;
    unsigned long long serial;
    size_t static_bytes;
};

}  // namespace

static Thread threads[MAX_THREADS];
static Warp warps[MAX_THREADS / WARP];
static Side sides[2];
static Running block;
static int current;
static int order[MAX_THREADS];
static int ready[MAX_THREADS], ready_first, ready_count; /* a ring */
static std::vector<Fiber *> idle;
static char grid_begun, barrier_sync[2], fence_sync;

/* ---- words ---- */

static uint3 index_of(int thread)
{
    unsigned t = static_cast<unsigned>(thread), x = block.grid->block.x, y = block.grid->block.y;
    return x == static_cast<unsigned>(block.threads) ? uint3{t, 0, 0} : uint3{t % x, t / x % y, t / (x * y)};
}

void describe_thread(char *text, size_t size)
{
    uint3 b = ctsim_place.block, t = ctsim_place.thread;
    snprintf(text, size, "kernel %s, block (%u,%u,%u), thread (%u,%u,%u)", block.grid->kernel->name, b.x, b.y,
             b.z, t.x, t.y, t.z);
}

static const char *name_of(const Thread &thread)
{
    if (thread.state == State::at_barrier)
        return "__syncthreads";
    return thread.kind == CTSIM_SHFL ? "a shuffle" : thread.kind == CTSIM_BALLOT ? "a vote" : "__syncwarp";
}

static void report_waiting(const char *what, int first, int second)
{
    uint3 a = index_of(first), b = index_of(second), at = ctsim_place.block;
    report("%s: thread (%u,%u,%u) is at %s at %s:%d, thread (%u,%u,%u) at %s at %s:%d; kernel %s, block "
           "(%u,%u,%u)",
           what, a.x, a.y, a.z, name_of(threads[first]), threads[first].file, threads[first].line, b.x, b.y,
           b.z, name_of(threads[second]), threads[second].file, threads[second].line,
           block.grid->kernel->name, at.x, at.y, at.z);
}

[[noreturn]] void fail_kernel(cudaError_t error)
{
    block.grid->error = error;
    leave_fiber();
    abort(); /* a failed kernel's fibers are never resumed */
}

[[noreturn]] static void fail_at(const char *what, const char *file, int line, cudaError_t error)
{
    char where[300];
    describe_thread(where, sizeof(where));
    report("%s at %s:%d; %s", what, file, line, where);
    fail_kernel(error);
}

/* ---- threads ---- */

static void enter(int thread)
{
    current = thread;
    threads[thread].state = State::running;
    ctsim_place.thread = index_of(thread);
}

static void check_abandoned(int thread)
{
    const Warp &warp = warps[thread / WARP];
    unsigned bit = 1u << thread % WARP;
    for (int lane = 0; warp.waiting && lane < WARP; lane++) {
        const Thread &other = threads[thread / WARP * WARP + lane];
        if ((warp.waiting >> lane & 1) && (other.mask & bit) && detectors().masks)
            fail_at("lane ended that is in the mask of a waiting collective", other.file, other.line,
                    cudaErrorLaunchFailure);
    }
}

static void run_thread(int thread, Fiber *fiber)
{
    enter(thread);
    threads[thread].fiber = fiber;
    acquire(&block.side->begun);
    block.grid->kernel->thread();
    check_abandoned(current);
    release(&block.side->ended);
    threads[current].state = State::done;
    warps[current / WARP].gone |= 1u << current % WARP;
    block.live--;
}

/* What a fiber does: the next thread, and the next, until one of them waits or none is left. */
static void fiber_main()
{
    for (;;) {
        Fiber *mine = idle.back();
        idle.pop_back();
        do
            run_thread(order[block.started++], mine);
        while (!race_detector() && block.started < block.threads);
        if (!race_detector())
            idle.push_back(mine);
        leave_fiber();
    }
}

static void start_threads()
{
    int thread = order[block.started];
    void *context = nullptr;
    if (race_detector()) {
        Side *side = block.side;
        if (!side->contexts[thread])
            side->contexts[thread] = __tsan_create_fiber(0);
        if (!side->fibers[thread])
            side->fibers[thread] = new_fiber(fiber_main);
        idle.assign(1, side->fibers[thread]);
        context = side->contexts[thread];
    } else if (idle.empty()) {
        idle.push_back(new_fiber(fiber_main));
    }
    enter_fiber(idle.back(), context);
}

static int *ready_at(int i)
{
    return &ready[(ready_first + i) % MAX_THREADS];
}

static void resume_ready()
{
    if (block.order_by == Order::random)
        std::swap(*ready_at(0),
                  *ready_at(static_cast<int>(random_below(static_cast<uint32_t>(ready_count)))));
    enter(*ready_at(0));
    ready_first = (ready_first + 1) % MAX_THREADS;
    ready_count--;
    enter_fiber(threads[current].fiber, race_detector() ? block.side->contexts[current] : nullptr);
}

static void make_ready(int thread)
{
    threads[thread].state = State::ready;
    *ready_at(ready_count++) = thread;
}

/* ---- barriers ---- */

static int first_waiting(State state)
{
    for (int i = 0; i < block.threads; i++)
        if (threads[i].state == state)
            return i;
    return -1;
}

static bool same_place(const Thread &a, const Thread &b)
{
    return a.kind == b.kind && a.line == b.line && strcmp(a.file, b.file) == 0;
}

static void open_barrier()
{
    int first = first_waiting(State::at_barrier), count = 0;
    for (int i = 0; i < block.threads; i++) {
        if (threads[i].state != State::at_barrier)
            continue;
        if (!same_place(threads[first], threads[i]) && detectors().lines) {
            report_waiting("divergent __syncthreads", first, i);
            block.grid->error = cudaErrorLaunchFailure;
            return;
        }
        count += threads[i].value != 0;
    }
    bool all = count == block.waiting;
    int kind = threads[first].kind;
    uint64_t result = kind == CTSIM_SYNC_COUNT ? static_cast<uint64_t>(count)
                      : kind == CTSIM_SYNC_AND ? all
                                               : count > 0;
    for (int i = 0; i < block.threads; i++) {
        if (threads[order[i]].state == State::at_barrier) {
            threads[order[i]].result = result;
            make_ready(order[i]);
        }
    }
    block.waiting = 0;
    block.phase ^= 1;
}

static void report_deadlock()
{
    int barrier = first_waiting(State::at_barrier), collective = first_waiting(State::at_collective);
    if (detectors().deadlock) {
        if (barrier < 0)
            barrier = collective;
        report_waiting("deadlock", barrier, collective);
        block.grid->error = cudaErrorLaunchFailure;
    } else {
        block.grid->error = cudaErrorUnknown;
    }
}

/* ---- blocks and grids ---- */

static void order_threads()
{
    Order by = block.order_by;
    std::iota(order, order + block.threads, 0);
    if (by == Order::reverse)
        std::reverse(order, order + block.threads);
    for (int i = block.threads - 1; by == Order::random && i > 0; i--)
        std::swap(order[i], order[random_below(static_cast<uint32_t>(i) + 1)]);
}

/* Not memset: the race detector would take it for a write of the CUDA thread that runs. */
static void spoil(void *p, size_t n)
{
    volatile uint64_t *words = static_cast<uint64_t *>(p);
    uint64_t word = detectors().poison ? ~static_cast<uint64_t>(0) : 0;
    for (size_t i = 0; i < (n + 7) / 8; i++)
        words[i] = word;
}

static unsigned char *dyn_shared()
{
    return block.side->dyn_end - (block.grid->dyn_shared + 15) / 16 * 16;
}

static void map_arenas(Side *side)
{
    int access = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *memory = mmap(nullptr, ARENA + DYN_ARENA + PAGE, access, flags, -1, 0);
    if (memory == MAP_FAILED) {
        report("no memory for a block's shared memory");
        abort();
    }
    side->arena = static_cast<unsigned char *>(memory);
    side->dyn_end = side->arena + ARENA + DYN_ARENA;
    if (detectors().guard)
        mprotect(side->dyn_end, PAGE, PROT_NONE);
}

bool in_shared_guard(uintptr_t address)
{
    uintptr_t guard = reinterpret_cast<uintptr_t>(block.side->dyn_end);
    return address >= guard && address < guard + PAGE;
}

/* Through a context that is no thread's: what a block begins with is the launch and its side's earlier
 * blocks, and not what the scheduler has seen since. */
static void begin_side(Side *side)
{
    if (!side->arena)
        map_arenas(side);
    if (!race_detector())
        return;
    void *self = __tsan_get_current_fiber();
    if (!side->conductor)
        side->conductor = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(side->conductor, 1);
    acquire(&grid_begun);
    acquire(&side->ended);
    release(&side->begun);
    __tsan_switch_to_fiber(self, 1);
}

static void begin_block(uint3 index)
{
    ctsim_place.block = index;
    block.serial++;
    block.side = &sides[block.unordered ? block.serial & 1 : 0];
    block.started = block.waiting = block.phase = 0;
    block.live = block.threads;
    block.static_bytes = 0;
    ready_first = ready_count = 0;
    order_threads();
    for (int i = 0; i < block.threads; i++)
        threads[i].state = State::fresh;
    for (int w = 0; w * WARP < block.threads; w++) {
        int lanes = block.threads - w * WARP;
        warps[w] = {0, lanes >= WARP ? 0 : ~0u << lanes};
    }
    begin_side(block.side);
    if (block.grid->dyn_shared)
        spoil(dyn_shared(), block.grid->dyn_shared);
}

/* The fibers of a failed kernel are in the middle of something. */
static void abandon_threads()
{
    for (int i = 0; i < block.threads; i++) {
        if (threads[i].state == State::fresh || threads[i].state == State::done)
            continue;
        reset_fiber(threads[i].fiber);
        if (race_detector()) {
            void *self = __tsan_get_current_fiber();
            __tsan_switch_to_fiber(block.side->contexts[i], 1);
            release(&block.side->ended); /* what it did, it did before the kernel's end */
            __tsan_switch_to_fiber(self, 1);
            __tsan_destroy_fiber(block.side->contexts[i]);
            block.side->contexts[i] = nullptr;
        } else {
            idle.push_back(threads[i].fiber);
        }
    }
}

static void run_block(uint3 index)
{
    begin_block(index);
    while (block.live > 0 && block.grid->error == cudaSuccess) {
        if (block.started < block.threads)
            start_threads();
        else if (ready_count > 0)
            resume_ready();
        else if (block.waiting == block.live)
            open_barrier();
        else
            report_deadlock();
    }
    if (block.grid->error != cudaSuccess)
        abandon_threads();
}

/* The order of blocks when it is random: a step that has no factor in common with their number reaches all.
 */
static uint64_t coprime_step(uint64_t n)
{
    uint64_t step = random_below(1u << 30) | 1;
    while (std::gcd(step, n) != 1)
        step += 2;
    return step;
}

void run_grid(Grid *grid)
{
    block.grid = grid;
    block.threads = static_cast<int>(grid->block.x * grid->block.y * grid->block.z);
    ctsim_place.block_dim = grid->block;
    ctsim_place.grid_dim = grid->grid;
    catch_faults();
    release(&grid_begun);
    Order by = block.order_by = schedule();
    block.unordered = blocks_unordered();
    uint64_t x = grid->grid.x, y = grid->grid.y, n = x * y * grid->grid.z;
    uint64_t step = by == Order::random ? coprime_step(n) : 1;
    uint64_t at = by == Order::forward ? 0 : by == Order::reverse ? n - 1 : random_below(1u << 30) % n;
    for (uint64_t i = 0; i < n && grid->error == cudaSuccess; i++) {
        run_block({static_cast<unsigned>(at % x), static_cast<unsigned>(at / x % y),
                   static_cast<unsigned>(at / (x * y))});
        at = (by == Order::reverse ? at + n - 1 : at + step) % n;
    }
    acquire(&sides[0].ended);
    acquire(&sides[1].ended);
}

static void must_be_on_device(const char *file, int line)
{
    if (!on_fiber()) {
        report("%s:%d: host code calls a function of the device", file, line);
        abort();
    }
}

/* ---- collectives of a warp ---- */

static uint64_t bring(const Thread &lane, const Thread *lanes, unsigned mask)
{
    if (lane.kind == CTSIM_SHFL) /* what a lane outside the mask holds is not defined */
        return mask >> lane.source & 1 ? lanes[lane.source].value : ~static_cast<uint64_t>(0);
    uint64_t ballot = 0;
    for (int i = 0; i < WARP; i++)
        ballot |= (mask >> i & 1 && lanes[i].value) ? static_cast<uint64_t>(1) << i : 0;
    return ballot;
}

static void complete_collective(int warp, unsigned mask)
{
    Thread *lanes = &threads[warp * WARP];
    warps[warp].waiting &= ~mask;
    for (int i = 0; i < WARP; i++) {
        if (!(mask >> i & 1))
            continue;
        if (lanes[i].mask != threads[current].mask || lanes[i].kind != threads[current].kind) {
            threads[current].state = State::at_collective;
            report_waiting("lanes of a warp are at different collectives", warp * WARP + i, current);
            fail_kernel(cudaErrorLaunchFailure);
        }
        acquire(&lanes[i].arrive);
    }
    for (int i = 0; i < WARP; i++)
        if (mask >> i & 1)
            lanes[i].result = bring(lanes[i], lanes, mask);
    for (int i = 0; i < WARP; i++) {
        if ((mask >> i & 1) && warp * WARP + i != current) {
            release(&lanes[i].depart);
            make_ready(warp * WARP + i);
        }
    }
}

}  // namespace ctsim

using namespace ctsim;

int ctsim_lane()
{
    return current % WARP;
}

int ctsim_barrier(ctsim_Barrier kind, int predicate, const char *file, int line)
{
    must_be_on_device(file, line);
    Thread *me = &threads[current];
    int phase = block.phase;
    me->kind = kind;
    me->file = file;
    me->line = line;
    me->value = predicate != 0;
    me->state = State::at_barrier;
    block.waiting++;
    release(&barrier_sync[phase]);
    leave_fiber();
    acquire(&barrier_sync[phase]);
    return static_cast<int>(me->result);
}

uint64_t ctsim_warp(ctsim_Collective kind, unsigned mask, uint64_t value, int source, const char *file,
                    int line)
{
    must_be_on_device(file, line);
    Thread *me = &threads[current];
    Warp *warp = &warps[current / WARP];
    unsigned bit = 1u << current % WARP;
    if (!(mask & bit))
        fail_at("the mask of a collective does not name the calling lane", file, line,
                cudaErrorLaunchFailure);
    if ((mask & warp->gone) && detectors().masks)
        fail_at("the mask of a collective names lanes that have ended or never were", file, line,
                cudaErrorLaunchFailure);
    me->kind = kind;
    me->file = file;
    me->line = line;
    me->mask = mask;
    me->value = value;
    me->source = source;
    warp->waiting |= bit;
    release(&me->arrive);
    if ((warp->waiting & mask) == mask) {
        complete_collective(current / WARP, mask);
    } else {
        me->state = State::at_collective;
        leave_fiber();
        acquire(&me->depart);
    }
    return me->result;
}

void ctsim_fence()
{
    acquire(&fence_sync);
    release(&fence_sync);
}

void ctsim_trap()
{
    fail_at("__trap", "the kernel", 0, cudaErrorLaunchFailure);
}

void ctsim_misaligned(const void *p, const char *file, int line)
{
    char what[100];
    if (!detectors().align)
        return;
    snprintf(what, sizeof(what), "16 bytes at %p, which is not aligned to 16,", p);
    fail_at(what, file, line, cudaErrorMisalignedAddress);
}

void *ctsim_shared(ctsim_SharedSlot *slot)
{
    static size_t next = REDZONE;
    if (slot->offset == 0) {
        size_t space = (slot->bytes + 15) / 16 * 16 + REDZONE;
        if (space > ARENA - next) {
            report("the kernels together have more static shared memory than the simulator's %zu bytes",
                   ARENA);
            abort();
        }
        slot->offset = next;
        next += space;
    }
    unsigned char *place = block.side->arena + slot->offset;
    if (slot->block != block.serial) {
        slot->block = block.serial;
        block.static_bytes += slot->bytes;
        if (block.static_bytes > SHARED_LIMIT)
            fail_at("more than 48 KB of static shared memory", "the kernel", 0, cudaErrorInvalidValue);
        poison(place + slot->bytes, (0 - slot->bytes) % 16 + REDZONE);
        spoil(place, slot->bytes);
    }
    return place;
}

void *ctsim_dyn_shared()
{
    return dyn_shared();
}
